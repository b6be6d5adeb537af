"""Rounds in which contestants alternate, so that a noisy machine is noisy for all of them."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# One thread for everybody: set before numba or a BLAS starts any.
ONE_THREAD = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
for _name in ONE_THREAD:
    os.environ.setdefault(_name, "1")


@dataclass(frozen=True, slots=True)
class Contest:
    """Seconds of each contestant in each round, the first contestant being ours."""

    options: int
    seconds: dict[str, Floats]

    @property
    def ours(self) -> str:
        return next(iter(self.seconds))

    def nanoseconds(self, name: str) -> float:
        """The median time an option."""
        return float(np.median(self.seconds[name])) / self.options * 1e9

    def ratio(self, name: str) -> str:
        """How many times longer than ours, round by round: the median, p10 and p90."""
        ratios = self.seconds[name] / self.seconds[self.ours]
        low, middle, high = np.percentile(ratios, [10, 50, 90])
        return f"{middle:6.1f}x  [{low:.1f}, {high:.1f}]"


def contest(
    options: int, rounds: int, contestants: dict[str, tuple[Callable[[], object], int]]
) -> Contest:
    """Each contestant once a round, the order turned by one from round to round.

    A contestant is a call and the number of options it prices: a slow one prices a part, and
    its time is scaled to ``options``. Each has run once before, to be compiled and warm.
    """
    names = list(contestants)
    for call, _ in contestants.values():
        call()
    seconds = {name: np.empty(rounds) for name in names}
    for turn in range(rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            call, priced = contestants[name]
            began = time.perf_counter()
            call()
            seconds[name][turn] = (time.perf_counter() - began) * options / priced
    return Contest(options, seconds)


def report(title: str, result: Contest, errors: dict[str, str]) -> None:
    """One contest as a small table: time an option, ratio to ours, accuracy beside speed."""
    print(f"\n{title}: {result.options:,} options")
    print(f"  {'':34}{'ns an option':>14}   {'takes, ours = 1':24}error")
    for name in result.seconds:
        told = result.ratio(name) if name != result.ours else "1"
        error = errors.get(name, "")
        print(f"  {name:34}{result.nanoseconds(name):14,.1f}   {told:24}{error}")
