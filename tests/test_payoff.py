"""Payoff, value and break-evens of any legs, at expiry and before, against plain sums."""

from datetime import datetime, timedelta
from decimal import Decimal as D
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import brentq

from dollarbill_core.pricing import american, black_scholes
from dollarbill_core.pricing.payoff import (
    break_evens,
    break_evens_at,
    gains_at,
    payoff_at_expiry,
    profit_at_expiry,
    settled,
    value,
)
from dollarbill_core.values.calendars import expiry_instant, years_between
from dollarbill_core.values.contracts import Leg, Option, Right, Stock
from tests.package_builder import (
    CONDOR,
    EXPIRY,
    LATER,
    STRANGLE,
    call,
    credits,
    packages,
    put,
    shares,
)

NEW_YORK = ZoneInfo("America/New_York")
NOVEMBER = datetime(2026, 11, 2, 10, 30, tzinfo=NEW_YORK)


def test_payoff_counts_every_leg_with_its_sign_and_multiplier():
    spots = [80, 85, 90, 100, 110, 115, 130]

    paid = payoff_at_expiry(CONDOR, spots)

    assert_array_equal(paid, [-500, -500, 0, 0, 0, -500, -1000])
    assert_array_equal(profit_at_expiry(CONDOR, D("250"), spots), paid + 250)
    assert payoff_at_expiry([shares(-30)], 12.5) == -375
    assert isinstance(payoff_at_expiry(CONDOR, 80), float)


@given(packages, credits)
def test_profit_is_nothing_exactly_at_the_break_evens(legs, credit):
    points = break_evens(legs, credit)

    assert list(points) == sorted(set(points))
    assert_allclose(profit_at_expiry(legs, credit, np.array(points)), 0, atol=1e-8)


@given(packages, credits)
def test_profit_changes_sign_at_break_evens_only(legs, credit):
    grid = np.linspace(0.01, 150, 3001)
    signs = np.sign(np.round(profit_at_expiry(legs, credit, grid), 8))
    points = np.array(break_evens(legs, credit))

    changed = np.flatnonzero(signs[:-1] != signs[1:])
    for low, high in zip(grid[changed], grid[changed + 1], strict=True):
        assert np.any((points >= low - 1e-9) & (points <= high + 1e-9))


def test_value_at_expiry_is_the_payoff():
    spots = np.linspace(70, 130, 61)
    at = expiry_instant(CONDOR[0].instrument)

    assert_allclose(value(CONDOR, spots, at, 0.2, 0.04), payoff_at_expiry(CONDOR, spots))


def test_value_before_expiry_is_the_sum_of_the_legs_each_by_its_style():
    legs = [put(-2, "90"), call(-1, "110", LATER), shares(100)]
    years, later = (years_between(NOVEMBER, expiry_instant(x.instrument)) for x in legs[:2])
    spots = np.array([60.0, 100.0, 120.0])

    ours = value(legs, spots, NOVEMBER, [0.30, 0.20, 9.99], 0.04, 0.01)

    short_put = american.price(-1, spots, 90, years, 0.04, 0.30, 0.01)
    short_call = american.price(1, spots, 110, later, 0.04, 0.20, 0.01)
    assert_allclose(ours, -200 * short_put - 100 * short_call + 100 * spots, rtol=1e-13)
    assert value(legs, 100.0, NOVEMBER, [0.30, 0.20, 0.0], 0.04, 0.01) == pytest.approx(ours[1])


def test_index_options_are_european_and_stock_options_are_not():
    years = years_between(NOVEMBER, expiry_instant(put(1, "90").instrument))

    index = value([put(1, "90", root="SPXW")], 60.0, NOVEMBER, 0.3, 0.04)
    stock = value([put(1, "90")], 60.0, NOVEMBER, 0.3, 0.04)

    european = black_scholes.price(-1, 60, 90, years, 0.04, 0.3)
    assert index == pytest.approx(100 * european)
    assert index < 3000 == pytest.approx(stock)  # exercise is best, and worth 30 a share


def test_a_cash_dividend_makes_a_call_worth_exercising():
    held = [call(1, "60")]

    without = value(held, 100.0, NOVEMBER, 0.2, 0.0)
    before = value(held, 100.0, NOVEMBER, 0.2, 0.0, dividends=[(0.05, 5.0)])

    assert without == pytest.approx(4000, abs=1)
    assert before == pytest.approx(4000, abs=1)  # exercised on the eve, the dividend kept


def test_one_vol_serves_every_leg_and_a_wrong_number_is_refused():
    at = datetime(2026, 11, 2, 10, 30, tzinfo=NEW_YORK)

    assert value(STRANGLE, 100.0, at, 0.2, 0.04) == value(STRANGLE, 100.0, at, [0.2, 0.2], 0.04)
    with pytest.raises(ValueError, match="one for each of 2 legs, got 3"):
        value(STRANGLE, 100.0, at, [0.2] * 3, 0.04)


def test_value_after_expiry_is_refused():
    after = expiry_instant(STRANGLE[0].instrument) + timedelta(seconds=1)

    with pytest.raises(
        ValueError, match="XYZ 2026-12-18 90 PUT has expired at 2026-12-18 16:00"
    ):
        value(STRANGLE, 100.0, after, 0.2, 0.04)


@pytest.mark.parametrize(
    "legs",
    [
        pytest.param([put(-1, "90"), put(1, "85", LATER)], id="two dates"),
        pytest.param(
            [
                Leg(Option("SPX", EXPIRY, D(6000), Right.PUT), -1),
                Leg(Option("SPXW", EXPIRY, D(5900), Right.PUT), 1),
            ],
            id="one date, morning and afternoon",
        ),
    ],
)
def test_legs_of_two_settlements_have_no_profit_at_expiry(legs):
    for function in [
        lambda: payoff_at_expiry(legs, 100),
        lambda: break_evens(legs, 100),
    ]:
        with pytest.raises(ValueError, match="several instants"):
            function()


def test_legs_of_two_underlyings_are_refused():
    legs = [put(-1, "90"), Leg(Stock("ABC"), 100)]

    with pytest.raises(ValueError, match="one underlying, got"):
        settled(legs, 0)
    with pytest.raises(ValueError, match="one underlying, got"):
        value(legs, 100.0, datetime(2026, 11, 2, tzinfo=NEW_YORK), 0.2, 0.04)


@pytest.mark.parametrize("credit", [float("nan"), float("inf"), D("NaN")])
def test_a_credit_is_a_number(credit):
    with pytest.raises(ValueError, match="finite number of dollars"):
        break_evens(STRANGLE, credit)


def test_at_expiry_the_search_finds_what_is_exact():
    at = expiry_instant(CONDOR[0].instrument)

    found = break_evens_at(CONDOR, 250, at, 0.2, 0.04)

    assert found == pytest.approx(break_evens(CONDOR, 250), abs=1e-12)
    assert gains_at(CONDOR, 250, at, 0.2, 0.04) == (pytest.approx((87.5, 112.5)),)


# Rate and yield; both negative would give two exercise boundaries, at 7 ms an option: each
# search prices thousands.
carries = st.one_of(
    st.tuples(st.floats(0.0, 0.08), st.floats(-0.02, 0.08)),
    st.tuples(st.floats(-0.02, 0.0), st.floats(0.0, 0.08)),
)


@settings(max_examples=25, deadline=None)
@given(packages, credits, st.sampled_from([0.05, 0.2, 0.8]), carries)
def test_profit_is_nothing_where_it_breaks_even_before_expiry(legs, credit, vol, carry):
    terms = NOVEMBER, vol, *carry
    scale = max(abs(float(credit)), 100)

    points = np.array(break_evens_at(legs, credit, *terms))

    left = value(legs, points, *terms) + float(credit)
    assert np.all(np.diff(points) > 0)
    assert np.all(np.abs(left) <= 1e-12 * np.maximum(scale, 1e3 * points))
    grid = np.linspace(0.5, 200, 2_000)
    gained = value(legs, grid, *terms) + float(credit) > 1e-6
    lost = value(legs, grid, *terms) + float(credit) < -1e-6
    stretches = gains_at(legs, credit, *terms)
    inside = np.any([(grid > low) & (grid < high) for low, high in stretches], axis=0)
    assert not np.any(gained & ~inside)
    assert not np.any(lost & inside)


def test_a_strangle_breaks_even_today_where_a_bracketing_solver_says_so():
    def profit(spot):
        return value(STRANGLE, spot, NOVEMBER, [0.25, 0.2], 0.04) + 160

    low, high = break_evens_at(STRANGLE, 160, NOVEMBER, [0.25, 0.2], 0.04)

    assert low == pytest.approx(brentq(profit, 80, 100, xtol=1e-13), rel=1e-13)
    assert high == pytest.approx(brentq(profit, 100, 120, xtol=1e-13), rel=1e-13)


def test_a_calendar_gains_between_two_prices_at_its_first_expiry():
    legs = [call(-1, "100"), call(1, "100", LATER)]
    at = expiry_instant(legs[0].instrument)

    ((low, high),) = gains_at(legs, -150, at, 0.2, 0.04)

    assert low < 100 < high
    assert value(legs, np.array([low, high]), at, 0.2, 0.04) == pytest.approx([150, 150])


def test_what_lies_far_from_every_strike_is_found_all_the_same():
    legs = [shares(-100), call(1, "10")]

    points = break_evens_at([shares(-100), put(-1, "10")], 50_000, NOVEMBER, 0.2, 0.0)

    assert points == pytest.approx((500,), rel=1e-9)
    assert break_evens_at(legs, 100, NOVEMBER, 0.2, 0.0) == pytest.approx((1,), rel=1e-9)
    assert break_evens_at([shares(100)], -12_345, NOVEMBER, 0.2, 0.0) == pytest.approx(
        (123.45,), rel=1e-12
    )
    assert break_evens_at([call(1, "10")], 1, NOVEMBER, 0.2, 0.0) == ()


def test_no_legs_gain_their_credit_at_any_price():
    at = datetime(2026, 11, 2, 16, tzinfo=ZoneInfo("America/New_York"))

    assert break_evens_at([], 5, at, 0.20, 0.04) == ()
    assert gains_at([], 5, at, 0.20, 0.04) == ((-np.inf, np.inf),)
