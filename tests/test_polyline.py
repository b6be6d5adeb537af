"""Chains of straight lines: what is read off them is what plain evaluation says."""

from decimal import Decimal as D

import numpy as np
import pytest
from hypothesis import given
from numpy.testing import assert_allclose

from dollarbill_core.pricing.payoff import settled
from dollarbill_core.pricing.polyline import Line, Polyline
from dollarbill_core.values.contracts import Right
from tests.package_builder import CONDOR, credits, packages

GRID = [D(n) / 2 for n in range(301)]


def test_an_empty_chain_is_level():
    level = Polyline((), D(7))

    assert level.least == (D(7), D(0))
    assert level.gains == ((-np.inf, np.inf),)
    assert level.convex_floor.at(D(50)) == 7


def test_stretches_of_gain_end_where_nothing_is_gained():
    assert settled(CONDOR, 250).gains == ((87.5, 112.5),)
    assert settled(CONDOR, 500).gains == ((85.0, 115.0),)  # below 85 it is nothing
    assert settled(CONDOR, 501).gains == ((-np.inf, 115.01),)
    assert settled(CONDOR, -1).gains == ()


@given(packages, credits)
def test_a_gain_lies_in_a_stretch_and_nothing_else_does(legs, credit):
    chain = settled(legs, credit)

    for spot in GRID:
        inside = any(low < spot < high for low, high in chain.gains)
        assert inside == (chain.at(spot) > 0)


@given(packages, credits)
def test_floats_agree_with_decimals(legs, credit):
    chain = settled(legs, credit)

    exact = [float(chain.at(spot)) for spot in GRID]

    assert_allclose(chain.on(np.array(GRID, float)), exact, atol=1e-8)


@given(packages, credits)
def test_the_convex_floor_is_convex_and_nowhere_above(legs, credit):
    chain = settled(legs, credit)

    floor = chain.convex_floor

    assert all(floor.at(spot) <= chain.at(spot) + D("1e-15") for spot in GRID)
    assert all(line.dollars >= 0 for line in floor.lines[1:])


@given(packages, credits)
def test_the_convex_floor_touches_the_chain_at_each_of_its_corners(legs, credit):
    """So no greater convex chain lies below it: between corners it is straight."""
    chain = settled(legs, credit)
    floor = chain.convex_floor

    bent = [line.strike for line in floor.lines if line.dollars]

    assert all(floor.at(corner) == pytest.approx(chain.at(corner)) for corner in [D(0), *bent])
    assert floor.slope_above(D(10_000)) == pytest.approx(chain.slope_above(D(10_000)))


def test_a_spread_sold_far_out_has_a_floor_that_slopes():
    """Short call 100, long call 110: 0 until 100, minus 1,000 from 110 on."""
    sold = Polyline((Line(D(-100), Right.CALL, D(100)), Line(D(100), Right.CALL, D(110))))

    floor = sold.convex_floor

    assert [round(float(floor.at(D(spot)))) for spot in (0, 55, 110, 500)] == [
        0, -500, -1000, -1000,
    ]  # fmt: skip
