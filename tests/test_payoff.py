"""Payoff, break-evens, worst loss and odds of any legs, against tables and plain sums."""

from datetime import date, datetime, timedelta
from decimal import Decimal as D
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from dollarbill_core.pricing import black_scholes
from dollarbill_core.pricing.payoff import (
    WorstLoss,
    break_evens,
    payoff_at_expiry,
    probability_of_profit,
    profit_at_expiry,
    value,
    worst_loss,
)
from dollarbill_core.values.calendars import expiry_instant, years_between
from dollarbill_core.values.contracts import Leg, Option, Right, Stock

EXPIRY, LATER = date(2026, 12, 18), date(2027, 1, 15)
NEW_YORK = ZoneInfo("America/New_York")


def call(quantity: int, strike: str, expiry: date = EXPIRY) -> Leg:
    return Leg(Option("XYZ", expiry, D(strike), Right.CALL), quantity)


def put(quantity: int, strike: str, expiry: date = EXPIRY) -> Leg:
    return Leg(Option("XYZ", expiry, D(strike), Right.PUT), quantity)


def shares(quantity: int) -> Leg:
    return Leg(Stock("XYZ"), quantity)


STRANGLE = [put(-1, "90"), call(-1, "110")]
CONDOR = [put(1, "85"), put(-1, "90"), call(-1, "110"), call(1, "120")]

strikes = st.integers(1, 40).map(lambda n: D(n) * D("2.5"))
quantities = st.integers(-5, 5).filter(bool)
options = st.builds(
    lambda right, strike, quantity: Leg(Option("XYZ", EXPIRY, strike, right), quantity),
    st.sampled_from(Right),
    strikes,
    quantities,
)
stocks = st.builds(lambda hundreds: shares(100 * hundreds), quantities)
packages = st.lists(st.one_of(options, options, stocks), min_size=1, max_size=6)
credits = st.decimals("-5000", "5000", places=2)


@pytest.mark.parametrize(
    ("legs", "credit", "points", "worst"),
    [
        pytest.param([put(-1, "95")], "150", [93.5], "$9,350.00 at 0", id="naked put"),
        pytest.param(
            [call(-2, "105")], "300", [106.5], "unlimited above 105", id="naked calls"
        ),
        pytest.param(STRANGLE, "300", [87, 113], "unlimited above 110", id="strangle"),
        pytest.param(
            [put(-1, "100"), call(-1, "100")],
            "712.50",
            [92.875, 107.125],
            "unlimited above 100",
            id="straddle",
        ),
        pytest.param(
            [put(-1, "95"), put(1, "90")],
            "120",
            [93.8],
            "$380.00 at 90",
            id="put credit spread",
        ),
        pytest.param(CONDOR, "250", [87.5, 112.5], "$750.00 at 120", id="unequal condor"),
        pytest.param(
            [shares(100), call(-1, "105")],
            "-9800",
            [98],
            "$9,800.00 at 0",
            id="covered call, stock at 100, 2.00 received",
        ),
        pytest.param(
            [shares(-100), put(-1, "95")],
            "10150",
            [101.5],
            "unlimited above 95",
            id="covered put",
        ),
        pytest.param(
            [put(1, "95"), shares(100), call(-1, "105")],
            "-10050",
            [100.5],
            "$550.00 at 95",
            id="collar",
        ),
        pytest.param(
            [call(1, "95"), call(-2, "100"), call(1, "105")],
            "-120",
            [96.2, 103.8],
            "$120.00 at 105",
            id="butterfly bought",
        ),
        pytest.param(
            [call(1, "100")], "0", [100], "$0.00 at 100", id="free call: end of a flat"
        ),
        pytest.param(
            [call(1, "95"), call(-2, "100"), call(1, "105")],
            "0",
            [95, 105],
            "$0.00 at 105",
            id="free butterfly: flats on both sides",
        ),
        pytest.param([put(1, "90"), put(-1, "95")], "500", [90], "$0.00 at 90", id="touches"),
        pytest.param(
            [call(1, "90"), call(-1, "90"), call(1, "110")],
            "0",
            [110],
            "$0.00 at 110",
            id="a strike inside a flat is no end of it",
        ),
        pytest.param([put(-1, "50")], "5000", [], "$0.00 at 0", id="spot 0 is no break-even"),
        pytest.param([shares(-100)], "10000", [100], "unlimited above 0", id="short stock"),
        pytest.param(
            [call(1, "100"), put(-1, "100"), shares(-100)],
            "9990",
            [],
            "$10.00 at 100",
            id="reversal: a level line below nothing",
        ),
    ],
)
def test_break_evens_and_worst_loss_of_the_standard_packages(legs, credit, points, worst):
    assert break_evens(legs, D(credit)) == tuple(points)
    assert str(worst_loss(legs, D(credit))) == worst


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


@given(packages, credits)
def test_no_settlement_price_loses_more_than_the_worst(legs, credit):
    worst = worst_loss(legs, credit)
    profits = profit_at_expiry(legs, credit, np.concatenate([np.linspace(0, 100, 401), [1e7]]))

    if worst.is_unlimited:
        assert profits[-1] < profits[-2]
        assert profits[-1] < -1e6
    else:
        assert -profits.min() <= float(worst.dollars) + 1e-6
        attained = float(profit_at_expiry(legs, credit, float(worst.spot)))
        assert max(-attained, 0) == pytest.approx(float(worst.dollars), abs=1e-6)


def test_worst_loss_is_exact_to_the_cent_and_orders_with_the_unlimited():
    legs = [put(-3, "92.5"), put(3, "87.5")]

    limited = worst_loss(legs, D("123.45"))

    assert limited == WorstLoss(D("1376.55"), D("87.5"))
    assert not limited.is_unlimited
    assert limited.dollars < worst_loss(STRANGLE, D(300)).dollars == D("Infinity")
    assert worst_loss(legs, 123.45) == limited  # a float credit counts as it is printed


def test_value_at_expiry_is_the_payoff():
    spots = np.linspace(70, 130, 61)
    at = expiry_instant(CONDOR[0].instrument)

    assert_allclose(value(CONDOR, spots, at, 0.2, 0.04), payoff_at_expiry(CONDOR, spots))


def test_value_before_expiry_is_the_sum_of_the_legs():
    at = datetime(2026, 11, 2, 10, 30, tzinfo=NEW_YORK)
    legs = [put(-2, "90"), call(-1, "110", LATER), shares(100)]
    years, later = (years_between(at, expiry_instant(leg.instrument)) for leg in legs[:2])
    spots = np.array([80.0, 100.0, 120.0])

    ours = value(legs, spots, at, [0.30, 0.20, 9.99], 0.04, 0.01)

    short_put = black_scholes.price(-1, spots, 90, years, 0.04, 0.30, 0.01)
    short_call = black_scholes.price(1, spots, 110, later, 0.04, 0.20, 0.01)
    assert_allclose(ours, -200 * short_put - 100 * short_call + 100 * spots, rtol=1e-14)
    assert value(legs, 100.0, at, [0.30, 0.20, 0.0], 0.04, 0.01) == pytest.approx(ours[1])


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
        lambda: worst_loss(legs, 100),
        lambda: probability_of_profit(legs, 100, 100, 0.1, 0.0, 0.2),
    ]:
        with pytest.raises(ValueError, match="several instants"):
            function()


def test_legs_of_two_underlyings_are_refused():
    legs = [put(-1, "90"), Leg(Stock("ABC"), 100)]

    with pytest.raises(ValueError, match="one underlying, got"):
        worst_loss(legs, 0)
    with pytest.raises(ValueError, match="one underlying, got"):
        value(legs, 100.0, datetime(2026, 11, 2, tzinfo=NEW_YORK), 0.2, 0.04)


@pytest.mark.parametrize("credit", [float("nan"), float("inf"), D("NaN")])
def test_a_credit_is_a_number(credit):
    with pytest.raises(ValueError, match="finite number of dollars"):
        break_evens(STRANGLE, credit)


def test_probability_of_a_strangle_is_that_of_ending_between_its_break_evens():
    market = 100, 0.25, 0.04, 0.25, 0.01

    ours = probability_of_profit(STRANGLE, 300, *market)

    above = black_scholes.probability_above
    assert ours == pytest.approx(above(87, *market) - above(113, *market), abs=1e-15)


@given(packages, credits, st.floats(20, 100), st.floats(0.05, 2), st.floats(0.1, 0.8))
def test_probability_against_a_plain_sum_over_the_density(legs, credit, spot, years, vol):
    """Ten thousand equally likely spots; the exact value differs by a few of them at most."""
    stdev = vol * np.sqrt(years)
    quantiles = black_scholes.ndtri((np.arange(10_000) + 0.5) / 10_000)
    spots = spot * np.exp(stdev * quantiles + 0.03 * years - 0.5 * stdev**2)

    ours = probability_of_profit(legs, credit, spot, years, 0.03, vol)

    plain = np.mean(profit_at_expiry(legs, credit, spots) > 1e-7)
    assert 0 <= ours <= 1 + 1e-15
    assert ours == pytest.approx(plain, abs=1.1e-3)


@given(packages, credits)
def test_one_side_wins_or_nobody_does(legs, credit):
    market = 50, 0.5, 0.03, 0.4
    mirrored = [Leg(leg.instrument, -leg.quantity) for leg in legs]

    both = probability_of_profit(legs, credit, *market)
    both = both + probability_of_profit(mirrored, -credit, *market)

    assert both <= 1 + 1e-12
    flat = np.round(profit_at_expiry(legs, credit, np.linspace(0.01, 300, 30_000)), 8) == 0
    assume(flat.sum() < 10)
    assert both == pytest.approx(1, abs=1e-12)


def test_probability_broadcasts_and_keeps_nan():
    odds = probability_of_profit(
        STRANGLE, 300, [[90.0], [100.0]], 0.25, 0.0, [0.2, 0.3, np.nan]
    )

    assert odds.shape == (2, 3)
    assert np.isnan(odds[:, 2]).all()
    assert np.isfinite(odds[:, :2]).all()
    assert np.isnan(probability_of_profit(STRANGLE, -1, 100, 0.25, 0.0, np.nan))
    assert probability_of_profit([call(1, "100")], 0, 100, 0.25, 0.0, 0.2) == pytest.approx(
        black_scholes.probability_above(100, 100, 0.25, 0.0, 0.2)
    )
