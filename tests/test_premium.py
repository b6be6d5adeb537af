"""The integral of the early-exercise premium, against a general integrator."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ndtr

from dollarbill_core.pricing import premium
from tests.assembly_reader import vector_loop


def puts(spot: float, years: float, rate: float, paid: float, vol: float) -> premium.Puts:
    return premium.Puts(*(np.array([each]) for each in (1.0, spot, years, rate, paid, vol)))


def integrated(spot: float, years: float, rate: float, paid: float, vol: float) -> float:
    """The premium by adaptive quadrature, the boundary solved anew at each time."""

    def edge(left: float) -> float:
        return float(premium.premiums(puts(1.0, left, rate, paid, vol)).boundary[0])

    def flow(root: float) -> float:
        t = root * root
        stdev = vol * root
        d1 = (math.log(spot / edge(max(years - t, 1e-12))) + (rate - paid) * t) / stdev
        d1 += 0.5 * stdev
        interest = rate * math.exp(-rate * t) * ndtr(stdev - d1)
        dividends = paid * spot * math.exp(-paid * t) * ndtr(-d1)
        return 2.0 * root * float(interest - dividends)

    found, _ = quad(flow, 1e-9, math.sqrt(years), epsabs=1e-9, epsrel=1e-9, limit=100)
    return float(found)


CASES = [
    (0.95, 0.5, 0.05, 0.0, 0.25),
    (1.1, 1.0, 0.03, 0.06, 0.4),
    (1.0, 2.0, 0.08, -0.02, 0.15),
    (1.0, 0.05, 0.0, -0.03, 0.3),
]


@pytest.mark.parametrize("case", CASES)
def test_the_premium_is_the_integral_over_all_later_exercise(case: tuple[float, ...]) -> None:
    found = premium.premiums(puts(*case)).value[0]

    assert found == pytest.approx(integrated(*case), abs=5e-7)


@pytest.mark.parametrize("case", CASES)
def test_slope_and_curve_are_derivatives_of_the_premium(case: tuple[float, ...]) -> None:
    spot, *rest = case
    step = 1e-4

    down, here, up = (premium.premiums(puts(spot + d, *rest)) for d in (-step, 0.0, step))

    slope = (up.value - down.value) / (2.0 * step)
    curve = (up.slope - down.slope) / (2.0 * step)
    assert here.slope[0] == pytest.approx(slope[0], abs=1e-6)
    assert here.curve[0] == pytest.approx(curve[0], abs=2e-4)


def test_a_call_is_turned_into_the_put_on_its_strike() -> None:
    call = [np.array([each]) for each in (1.0, 90.0, 100.0, 0.5, 0.05, 0.2, 0.02)]

    found = premium.as_puts(*call)

    assert [float(column[0]) for column in found] == [90.0, 100 / 90, 0.5, 0.02, 0.05, 0.2]


def test_the_compiled_premium_is_the_plain_one() -> None:
    case = puts(0.95, 0.5, 0.05, 0.02, 0.25)
    among = premium.boundaries(*case[2:])
    place = np.log(case.vol) * among.stretch - among.shift
    given = case[1:], (place, *among[2:], np.zeros(premium.SCRATCH))
    found, expected = np.zeros((2, 4, 1))

    premium.premium_kernel(*given[0], *given[1], *found)
    premium.premium_kernel.plain(*given[0], *given[1], *expected)

    assert np.abs(found - expected).max() <= 1e-12


def test_the_loop_of_the_premium_is_made_of_vectors() -> None:
    loop = vector_loop(premium.premium_kernel.assembly())

    assert loop.packed > 100
    assert loop.scalar < 0.1 * loop.packed
