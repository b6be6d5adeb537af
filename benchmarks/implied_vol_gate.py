"""The gate of implied vol: every vol proved, every NaN justified, in many digits.

    python benchmarks/implied_vol_gate.py --options 1000000 --seed 1

So many random quotes and as many adversarial ones, as the tests draw them. A vol counts as a
violation unless the exact one, from the same float64 numbers, lies within 1e-12 of it or within
what four ulp of the price move it; a NaN, unless its reason is proved. The worst error is
printed as a share of that tolerance. python-flint, if installed, makes it a rigorous proof and
takes some 0.1 ms a quote; else mpmath, with 60 digits, three times as long.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dollarbill_core.pricing.implied_vol import Explained, Reason, explained

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.quoted_options import Quotes, adversarial_quotes, random_quotes
from tests.vol_certificate import MPMATH, Arithmetic, share_of_tolerance

SHOWN = 5  # violations of a kind that are printed in full


def best_arithmetic() -> tuple[str, Arithmetic]:
    """Balls of python-flint, whose comparisons are proofs, where it is installed."""
    try:
        from flint import arb, ctx
    except ImportError:
        return "mpmath", MPMATH

    def normal_cdf(x: Any) -> Any:
        return (-x * (arb(1) / 2).sqrt()).erfc() / 2

    return "flint", Arithmetic(ctx.workdps, arb, arb.exp, arb.log, arb.sqrt, normal_cdf)


def rows(quotes: Quotes, answer: Explained) -> Iterator[tuple[tuple[float, ...], float, int]]:
    """Quote, vol and reason of each option, as Python's numbers."""
    columns = zip(*(column.tolist() for column in quotes), strict=True)
    yield from zip(columns, answer.vol.tolist(), answer.reason.tolist(), strict=True)


def judged(kind: str, quotes: Quotes, arithmetic: Arithmetic) -> int:
    """Prints what became of one kind of quotes; the number of violations."""
    began = time.perf_counter()
    answer = explained(*quotes)
    solved = time.perf_counter()
    worst, violations = 0.0, 0
    for row, vol, reason in rows(quotes, answer):
        share = share_of_tolerance(row, vol, reason, arithmetic)
        if share <= 1.0:
            worst = max(worst, share)
            continue
        violations += 1
        if violations <= SHOWN:
            print(f"  violation: {Reason(reason).name} {vol!r} for {row}")
    counts = np.bincount(answer.reason, minlength=len(Reason))
    told = ", ".join(f"{n:,} {r.name}" for r, n in zip(Reason, counts.tolist(), strict=True))
    print(f"{kind}: {violations} violations, worst error {worst:.3f} of the tolerance; {told}")
    print(f"  {solved - began:.1f} s to solve, {time.perf_counter() - solved:.0f} s to prove")
    return violations


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--options", type=int, default=1_000_000, help="of each kind")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    name, arithmetic = best_arithmetic()
    print(f"proved by {name}")
    violations = judged("random", random_quotes(asked.options, asked.seed), arithmetic)
    quotes = adversarial_quotes(asked.options, asked.seed)
    violations += judged("adversarial", quotes, arithmetic)
    sys.exit(1 if violations else 0)


if __name__ == "__main__":
    main()
