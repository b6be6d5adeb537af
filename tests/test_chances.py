"""Chances under each law against plain sums, transforms and each other."""

import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.special import ndtri

from dollarbill_core.pricing import black_scholes
from dollarbill_core.pricing.chances import (
    Lognormal,
    Samples,
    expected_profit,
    probability_of_profit,
    probability_within,
    touch_bounds,
)
from dollarbill_core.pricing.payoff import gains_at, profit_at_expiry
from dollarbill_core.values.calendars import expiry_instant
from dollarbill_core.values.contracts import Leg
from tests.package_builder import LATER, STRANGLE, call, credits, packages

SCORES = ndtri((np.arange(10_000) + 0.5) / 10_000)
carries = st.floats(-0.1, 0.1)
ends = arrays.arrays(float, st.integers(1, 30), elements=st.integers(0, 150).map(float))


def test_probability_of_a_strangle_is_that_of_ending_between_its_break_evens():
    market = 100, 0.25, 0.04, 0.25, 0.01

    ours = probability_of_profit(STRANGLE, 300, Lognormal(*market))

    above = black_scholes.probability_above
    assert ours == pytest.approx(above(87, *market) - above(113, *market), abs=1e-15)


@given(packages, credits, st.floats(20, 100), st.floats(0.05, 2), st.floats(0.1, 0.8))
def test_probability_against_a_plain_sum_over_the_density(legs, credit, spot, years, vol):
    """Ten thousand equally likely spots; the exact value differs by a few of them at most."""
    stdev = vol * np.sqrt(years)
    spots = spot * np.exp(stdev * SCORES + 0.03 * years - 0.5 * stdev**2)

    ours = probability_of_profit(legs, credit, Lognormal(spot, years, 0.03, vol))

    plain = np.mean(profit_at_expiry(legs, credit, spots) > 1e-7)
    assert 0 <= ours <= 1 + 1e-15
    assert ours == pytest.approx(plain, abs=1.1e-3)


@given(packages, credits)
def test_one_side_wins_or_nobody_does(legs, credit):
    market = 50, 0.5, 0.03, 0.4
    mirrored = [Leg(leg.instrument, -leg.quantity) for leg in legs]

    both = probability_of_profit(legs, credit, Lognormal(*market))
    both = both + probability_of_profit(mirrored, -credit, Lognormal(*market))

    assert both <= 1 + 1e-12
    flat = np.round(profit_at_expiry(legs, credit, np.linspace(0.01, 300, 30_000)), 8) == 0
    assume(flat.sum() < 10)
    assert both == pytest.approx(1, abs=1e-12)


def test_probability_broadcasts_and_keeps_nan():
    law = Lognormal(np.array([[90.0], [100.0]]), 0.25, 0.0, np.array([0.2, 0.3, np.nan]))

    odds = probability_of_profit(STRANGLE, 300, law)

    assert odds.shape == (2, 3)
    assert np.isnan(odds[:, 2]).all()
    assert np.isfinite(odds[:, :2]).all()
    assert np.isnan(probability_of_profit(STRANGLE, -1, Lognormal(100, 0.25, 0.0, np.nan)))
    assert probability_of_profit(
        [call(1, "100")], 0, Lognormal(100, 0.25, 0.0, 0.2)
    ) == pytest.approx(black_scholes.probability_above(100, 100, 0.25, 0.0, 0.2))


@given(packages, credits, ends)
def test_samples_are_counted_one_by_one(legs, credit, prices):
    law = Samples(prices)
    profits = profit_at_expiry(legs, credit, prices)
    assume(not np.any((profits != 0) & (np.abs(profits) < 1e-7)))

    assert probability_of_profit(legs, credit, law) == pytest.approx(np.mean(profits > 0))
    assert expected_profit(legs, credit, law) == pytest.approx(profits.mean(), abs=1e-8)


@given(packages, credits, st.floats(20, 100), st.floats(0.05, 2), st.floats(0.05, 1), carries)
def test_expected_profit_is_the_sum_of_undiscounted_prices(
    legs, credit, spot, years, vol, carry
):
    law = Lognormal(spot, years, 0.03, vol, carry)
    value = float(credit)
    for leg in legs:
        terms = years, 0.03, vol, carry
        each = law.mean
        if hasattr(leg.instrument, "strike"):
            option = leg.instrument
            price = black_scholes.price(option.right, spot, float(option.strike), *terms)
            each = price * math.exp(0.03 * years)
        value += leg.quantity * leg.instrument.multiplier * each

    assert expected_profit(legs, credit, law) == pytest.approx(value, abs=1e-7)


@pytest.mark.parametrize(
    "law",
    [Lognormal(100, 0.5, 0.04, 0.3, 0.01), Samples(np.array([60.0, 95.0, 95.0, 170.0]))],
    ids=["lognormal", "samples"],
)
def test_a_shortfall_is_the_area_under_the_distribution(law):
    cuts = np.linspace(0, 150, 150_001)
    middles = (cuts[1:] + cuts[:-1]) / 2

    area = np.concatenate([[0.0], np.cumsum(law.cdf(middles) * np.diff(cuts))])

    assert law.shortfall(cuts) == pytest.approx(area, abs=1e-4)


@pytest.mark.parametrize("shares_below", [0.01, 0.5, 0.9, [0.25, 0.75]])
def test_quantiles_invert_the_distribution(shares_below):
    law = Lognormal(100, 0.5, 0.04, 0.3, 0.01)

    assert law.cdf(law.quantile(shares_below)) == pytest.approx(shares_below, abs=1e-14)


def test_quantiles_of_samples_are_samples():
    law = Samples(np.array([4.0, 1.0, 3.0, 2.0]))

    assert law.quantile([0.25, 0.26, 0.5, 1.0]).tolist() == [1.0, 2.0, 2.0, 4.0]


def transformed_touch(law: Lognormal, low: float, high: float) -> float:
    """By the Laplace transform of the time of exit of a Brownian motion with drift."""
    with mp.workdps(40):
        s2 = mp.mpf(law.vol) ** 2 * mp.mpf(law.years)
        drift = (mp.mpf(law.rate) - mp.mpf(law.dividend_yield)) * mp.mpf(law.years) - s2 / 2
        a = mp.log(mp.mpf(low) / law.spot) if low > 0 else None
        b = mp.log(mp.mpf(high) / law.spot) if high < math.inf else None

        def transform(rate):
            pace = mp.sqrt(drift**2 + 2 * rate * s2) / s2
            if a is None or b is None:
                level = a if b is None else b
                return mp.exp(drift * level / s2 - abs(level) * pace) / rate
            up = mp.exp(drift * b / s2) * mp.sinh(-a * pace)
            down = mp.exp(drift * a / s2) * mp.sinh(b * pace)
            return (up + down) / mp.sinh((b - a) * pace) / rate

        return float(mp.invertlaplace(transform, 1, method="talbot", degree=30))


@pytest.mark.parametrize("vol", [0.05, 0.2, 0.8])
@pytest.mark.parametrize("carry", [-0.08, 0.0, 0.08])
@pytest.mark.parametrize(
    ("low", "high"),
    [(90, math.inf), (0, 112), (90, 112), (99, 103), (60, 200)],
    ids=["below", "above", "both", "narrow", "wide"],
)
def test_touches_agree_with_the_transform_of_the_time_of_exit(low, high, carry, vol):
    law = Lognormal(100.0, 0.6, 0.03, vol, 0.03 - carry)

    touched = law.touch(low, high)

    assert touched == pytest.approx(transformed_touch(law, low, high), abs=1e-12)


@pytest.mark.parametrize(
    ("vol", "years", "carry", "low", "high"),
    [
        pytest.param(0.05, 0.75, -0.0625, 76, 103, id="low and far"),
        pytest.param(0.05, 0.75, 0.0625, 97, 132, id="high and far"),
        pytest.param(0.0638, 1.421875, -0.0332, 56, 101, id="near above, far below"),
    ],
)
def test_a_strong_drift_costs_the_far_images_no_digits(vol, years, carry, low, high):
    """They weigh up to a million, and hold a ten-million-millionth."""
    law = Lognormal(100.0, years, 0.02, vol, 0.02 - carry)

    touched = law.touch(low, high)

    assert touched == pytest.approx(transformed_touch(law, low, high), abs=1e-12)


def test_images_and_modes_meet_where_one_takes_over_from_the_other():
    deviation = math.log(110 / 95)
    laws = [Lognormal(100, 1.0, 0.05, deviation * (1 + tiny)) for tiny in (-1e-12, 1e-12)]

    below, above = (law.touch(95, 110) for law in laws)

    assert below == pytest.approx(above, abs=1e-11)


@given(
    st.floats(0.05, 0.9), st.floats(0.05, 2), carries, st.floats(1, 99.9), st.floats(100.1, 400)
)
def test_a_touch_is_no_rarer_than_an_end_beyond_and_within_its_bounds(
    vol, years, carry, low, high
):
    law = Lognormal(100.0, years, 0.02, vol, 0.02 - carry)

    for barriers in [(low, math.inf), (0.0, high), (low, high)]:
        bounds = touch_bounds(law, 100.0, *barriers)
        assert bounds.least - 1e-12 <= law.touch(*barriers) <= bounds.most + 1e-12
    either = law.touch(low, high)
    assert either <= law.touch(low) + law.touch(high=high) + 1e-12
    assert either >= max(law.touch(low), law.touch(high=high)) - 1e-12


def test_a_barrier_behind_the_price_is_touched_at_once():
    law = Lognormal(100.0, 0.5, 0.0, 0.2)

    assert law.touch(low=100) == law.touch(high=90) == law.touch(100, 200) == 1
    assert touch_bounds(law, 100.0, low=100).most == 1


def test_without_vol_the_price_goes_where_carry_takes_it():
    law = Lognormal(100.0, 1.0, 0.1, 0.0)

    assert law.touch(high=110) == 1  # the forward is 110.52
    assert law.touch(high=111) == 0
    assert law.touch(low=99.9) == 0


def test_a_strong_drift_overflows_nothing():
    law = Lognormal(100.0, 1.0, 0.5, 0.01)

    assert law.touch(low=99) == pytest.approx(math.exp(-100), abs=1e-30)
    assert law.touch(high=150) == pytest.approx(1.0)
    assert law.touch(99, 150) == pytest.approx(1.0)


def test_paths_touch_where_one_of_their_instants_does():
    paths = Samples([[100, 90, 105], [100, 101, 99], [100, 120, 100], [100, 95, 90]])

    assert paths.touch(low=90) == 0.5
    assert paths.touch(high=120) == 0.25
    assert paths.touch(90, 120) == 0.75
    assert paths.mean == 98.5  # of the ends


def test_ends_alone_cannot_say_what_was_touched():
    with pytest.raises(ValueError, match="ends alone"):
        Samples([90.0, 110.0]).touch(low=80)


@pytest.mark.parametrize("wrong", [[], [np.nan], [-1.0], [[[1.0]]]])
def test_samples_are_prices(wrong):
    with pytest.raises(ValueError, match="samples must be"):
        Samples(wrong)


def test_barriers_come_in_order():
    with pytest.raises(ValueError, match="lower barrier must lie below"):
        Lognormal(100.0, 1.0, 0.0, 0.2).touch(110, 90)


def test_a_calendar_has_a_chance_at_its_first_expiry():
    legs = [call(-1, "100"), call(1, "100", LATER)]
    at = expiry_instant(legs[0].instrument)
    law = Samples(np.linspace(50, 150, 1_001))

    stretches = gains_at(legs, -150, at, 0.2, 0.04)

    ((low, high),) = stretches
    assert probability_within(stretches, law) == pytest.approx((high - low) / 100, abs=2e-3)


def test_a_price_that_stands_still_ends_at_its_own_level():
    law = Lognormal(100.0, 0.0, 0.03, 0.20)

    assert law.cdf([99.9, 100.0, 100.1]).tolist() == [0.0, 1.0, 1.0]
    assert probability_of_profit([call(1, "95")], -500, law) == 0.0


@pytest.mark.parametrize("vol", [math.nan, np.array([0.1, 0.2])])
def test_a_touch_asks_for_numbers(vol):
    with pytest.raises(ValueError, match="numbers"):
        Lognormal(100.0, 0.25, 0.03, vol).touch(90.0)


def test_bounds_of_a_touch_that_has_happened_are_certain():
    law = Lognormal(100.0, 0.25, 0.03, 0.20)

    assert str(touch_bounds(law, 100.0, high=100.0)) == "between 100.0% and 100.0% (BOUND)"
    assert str(touch_bounds(law, 100.0, low=100.0)) == "between 100.0% and 100.0% (BOUND)"
