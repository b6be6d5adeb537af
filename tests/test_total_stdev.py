"""Guess, step and patient search for the total deviation of a time value."""

import math

import mpmath
import numpy as np
import pytest

from dollarbill_core.pricing.time_value import Reduced
from dollarbill_core.pricing.total_stdev import FARTHEST_STEP, exact_vol, guess, step


def value_and_room(k: float, s: float) -> tuple[float, float]:
    """``v`` and ``w`` of the formula as printed, in forty digits."""
    with mpmath.workdps(40):
        k, s = mpmath.mpf(k), mpmath.mpf(s)
        d1 = s / 2 - k / s
        v = mpmath.ncdf(d1) - mpmath.exp(k) * mpmath.ncdf(d1 - s)
        return float(v), float(1 - v)


def domain(count: int) -> list[tuple[float, float]]:
    """``k`` and ``s``: all that the guess is made for, its edges and the changes of formula."""
    rng = np.random.default_rng(8)
    s = np.exp(rng.uniform(np.log(1e-4), np.log(9.5), count))
    z = rng.uniform(0, 9, count) * (rng.random(count) < 0.9)
    s[: count // 8] = np.where(rng.random(count // 8) < 0.5, 9.5, 1e-4)
    s[count // 8 : count // 4] = 0.02 * (1 + rng.normal(0, 1e-6, count // 4 - count // 8))
    z[count // 4 : count // 3] = 9.0
    centre = slice(count // 3, count // 2)
    z[centre] = 0.5 * s[centre] * (1 + rng.normal(0, 1e-9, s[centre].size))
    return list(zip((z * s).tolist(), s.tolist(), strict=True))


def test_guess_is_within_two_thousandths_and_one_step_finds_the_root():
    for k, s in domain(4_000):
        v, w = value_and_room(k, s)
        guessed = guess(k, v, w)
        taken, vega = step(k, guessed, v, w)
        found = guessed + guessed * taken
        # What an ulp of v, or of w next to the upper bound, is worth, and 1e-13 of s.
        density = math.exp(-0.5 * (0.5 * s - k / s) ** 2) / math.sqrt(2 * math.pi)
        allowed = 1e-13 * s + 2 * min(np.spacing(v), np.spacing(w)) / density

        assert abs(guessed / s - 1) < 0.0019
        assert abs(found - s) <= allowed
        assert vega == pytest.approx(density * guessed, rel=1e-9)


@pytest.mark.parametrize(
    ("k", "s"), [(0.0, 0.3), (0.4, 0.2), (2.0, 0.9), (0.5, 3.0), (0.01, 0.015)]
)
def test_step_is_of_sixth_order(k, s):
    """Half the distance leaves a sixty-fourth, or less where the seventh order takes over."""
    v, w = value_and_room(k, s)

    def left_after(distance: float) -> float:
        start = s * (1 + distance)
        return abs(start * (1 + step(k, start, v, w)[0]) / s - 1)

    assert left_after(0.02) < 1 / 40 * left_after(0.04)
    assert left_after(FARTHEST_STEP) < 1e-13
    start = s * (1 + FARTHEST_STEP)
    density = math.exp(-0.5 * (0.5 * s - k / s) ** 2) / math.sqrt(2 * math.pi)
    assert step(k, start, v, w)[1] == pytest.approx(density * start, rel=1e-10)


def test_search_and_step_agree():
    for k, s in domain(300):
        v, w = value_and_room(k, s)
        if w < 1e-3:
            continue
        guessed = guess(k, v, w)
        fast = guessed + guessed * step(k, guessed, v, w)[0]

        patient = exact_vol(Reduced(k, math.log(v), math.log(w), 1.0), 1.0)

        assert patient == pytest.approx(fast, rel=3e-13)


@pytest.mark.parametrize(
    ("k", "s"),
    [
        pytest.param(3.0, 0.08, id="37 deviations"),
        pytest.param(200.0, 14.0, id="far and wide"),
        pytest.param(0.0, 16.0, id="next to the bound"),
        pytest.param(1e-12, 1e-12, id="hardly any vol"),
        pytest.param(1e-9, 5.0, id="hardly any distance"),
    ],
)
def test_search_goes_where_the_guess_does_not(k, s):
    with mpmath.workdps(60):
        d1 = mpmath.mpf(s) / 2 - mpmath.mpf(k) / s
        v = mpmath.ncdf(d1) - mpmath.exp(k) * mpmath.ncdf(d1 - s)
        option = Reduced(k, float(mpmath.log(v)), float(mpmath.log(1 - v)), 1.0)

    assert exact_vol(option, 0.25) == pytest.approx(2 * s, rel=1e-12)


def test_smallest_numbers_are_answered_in_logarithms():
    """v = s / sqrt(2 pi) at the money, below where a step could be told from nothing."""
    option = Reduced(0.0, math.log(1e-300), -1e-300, 1.0)

    assert exact_vol(option, 0.25) == pytest.approx(
        2 * math.sqrt(2 * math.pi) * 1e-300, rel=1e-12
    )
