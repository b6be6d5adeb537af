"""American options: published cases, QuantLib, trees, and what must hold of any of them."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dollarbill_core.pricing import american, black_scholes
from tests.american_oracles import is_banded, market, quantlib_price, tree_price

Floats = NDArray[np.float64]
NAMES = "right spot strike years rate vol dividend_yield".split()
GREEKS = "price delta gamma vega theta rho".split()


# --- published


# Haug (1998), p. 24, from QuantLib's test suite: strike 100, rate and dividend yield 10 %.
# Columns: years, vol, then for spots 90, 100, 110 the approximation of Barone-Adesi and Whaley
# and the mean of binomial trees of 1000 and 1001 steps.
HAUG_CALLS = """
0.1 0.15  0.0206 0.0204   1.8771 1.8765  10.0089 10.0105
0.1 0.25  0.3159 0.3152   3.1280 3.1269  10.3919 10.3966
0.1 0.35  0.9495 0.9482   4.3777 4.3766  11.1679 11.1728
0.5 0.15  0.8208 0.8115   4.0842 4.0686  10.8087 10.8110
0.5 0.25  2.7437 2.7227   6.8015 6.7754  13.0170 13.0017
0.5 0.35  5.0063 4.9748   9.5106 9.4739  15.5689 15.5398
"""
HAUG_PUTS = """
0.1 0.15  10.0000 10.0006   1.8770 1.8765  0.0410 0.0407
0.1 0.25  10.2533 10.2599   3.1277 3.1269  0.4562 0.4553
0.1 0.35  10.8787 10.8838   4.3777 4.3766  1.2402 1.2389
0.5 0.15  10.5595 10.5645   4.0842 4.0686  1.0822 1.0711
0.5 0.25  12.4419 12.4304   6.8014 6.7754  3.3226 3.2985
0.5 0.35  14.6945 14.6704   9.5104 9.4739  5.8823 5.8465
"""


@pytest.mark.parametrize(
    ("right", "table"), [(1, HAUG_CALLS), (-1, HAUG_PUTS)], ids=["call", "put"]
)
def test_haugs_table_is_met_within_its_digits_and_the_approximation_within_its_error(
    right: int, table: str
) -> None:
    rows = np.array([row.split() for row in table.split("\n") if row], dtype=float)
    years, vol = rows[:, :1], rows[:, 1:2]
    approximate, by_trees = rows[:, 2::2], rows[:, 3::2]

    found = american.price(right, [90, 100, 110], 100, years, 0.1, vol, 0.1)

    assert np.abs(found - by_trees).max() <= 1.1e-3
    assert np.abs(found - approximate).max() <= 0.04


def test_bjerksund_and_stensland_is_a_lower_bound_that_lies_near() -> None:
    found = american.price(
        [1, -1], [42, 36], 40, [0.75, 1.0], [0.04, 0.06], [0.35, 0.2], [0.08, 0]
    )

    assert np.all(found - [5.2704, 4.4531] > 0)
    assert np.all(found - [5.2704, 4.4531] < 0.04)


def test_with_hardly_any_vol_an_option_in_the_money_brings_its_exercise() -> None:
    found = american.price([1, -1], [110, 100], [100, 110], 1.0, 0.05, 0.0001, 0.05)

    assert found == pytest.approx([10.0, 10.0], abs=1e-9)


# --- oracles


def test_prices_are_quantlibs_to_a_hundredth_of_a_cent_on_a_spot_of_100() -> None:
    options = market(500, seed=11)
    options = options[:, ~is_banded(options)]

    found = american.price(*options)

    expected = np.array([quantlib_price(option) for option in options.T])
    assert options.shape[1] > 450
    assert np.abs(found - expected).max() <= 1e-4


def test_prices_are_those_of_a_plain_tree() -> None:
    options = market(60, seed=5)

    found = american.price(*options)

    expected = np.array([tree_price(*option, steps=2000) for option in options.T])
    assert np.abs(found - expected).max() <= 7e-4


def test_prices_between_two_boundaries_are_those_of_a_plain_tree() -> None:
    options = market(700, seed=3)
    options = options[:, is_banded(options)][:, :20]

    found = american.price(*options)

    expected = np.array([tree_price(*option, steps=2000) for option in options.T])
    assert options.shape[1] == 20
    assert np.abs(found - expected).max() <= 5e-4


def test_a_chain_priced_at_once_agrees_with_its_options_one_by_one() -> None:
    rng = np.random.default_rng(8)
    strikes, years = np.meshgrid(np.linspace(60, 150, 13), [2 / 365, 30 / 365, 0.5, 1.0])
    vol = 0.2 + 0.4 * rng.random(strikes.shape)

    found = american.price(-1, 100, strikes, years, 0.04, vol, 0.01)

    each = zip(strikes.flat, years.flat, vol.flat, strict=True)
    alone = [american.price(-1, 100, k, t, 0.04, v, 0.01) for k, t, v in each]
    assert np.abs(found.ravel() - alone).max() <= 1e-5


def test_a_vol_that_must_be_a_mistake_leaves_the_rest_of_its_chain_alone() -> None:
    strikes, vols = np.linspace(70, 130, 61), np.linspace(0.15, 0.45, 61)
    alone = american.price(-1, 100, strikes, 0.5, 0.05, vols)

    with_mistakes = american.price(
        -1, 100, np.append(strikes, [100, 100]), 0.5, 0.05, np.append(vols, [1e-5, 900])
    )

    np.testing.assert_allclose(with_mistakes[:61], alone, rtol=0, atol=1e-6)
    # Hardly any vol: never above exercise; endless vol: next to the strike.
    np.testing.assert_allclose(with_mistakes[61:], [0.0, 100.0], rtol=0, atol=1e-3)


def test_prices_do_not_jump_as_vol_years_or_strike_move() -> None:
    vol = np.exp(np.linspace(np.log(0.05), np.log(2.0), 2001))
    years = np.exp(np.linspace(np.log(1 / 365), np.log(3.0), 2001))
    strike = np.linspace(50, 200, 2001)

    by_vol = american.price(-1, 100, 105, 0.5, 0.05, vol, 0.02)
    by_years = american.price(-1, 100, 105, years, 0.05, 0.3, 0.02)
    by_strike = american.price(-1, 100, strike, 0.5, 0.05, 0.3, 0.02)

    for values in (by_vol, by_years, by_strike):
        bend = np.abs(np.diff(values, 3))
        assert bend.max() <= 1e-4  # a jump of j would show as 3 j


def test_a_dividend_makes_the_eve_of_its_day_the_time_to_exercise_a_call() -> None:
    eve = american.price(1, 110, 100, 30 / 365, 0.0, 0.15, 0.0, [(1e-9, 5.0)])
    none = american.price(1, 110, 100, 30 / 365, 0.0, 0.15)

    assert eve == pytest.approx(10.0, abs=1e-6)
    assert none > 10.0


# --- limits


def test_without_time_every_option_is_worth_its_exercise() -> None:
    found = american.price([1, 1, -1, -1], [90, 110, 90, 110], 100, 0.0, 0.05, 0.2)

    assert found.tolist() == [0.0, 10.0, 10.0, 0.0]


def test_without_vol_an_option_is_worth_its_best_known_time_of_exercise() -> None:
    # A put on a stock that yields 10 % is held until rate x strike = yield x spot: 95 falls to
    # 60 in log(95 / 60) / 0.04 = 11.49 years.
    now = american.price(-1, 95, 100, 20.0, 0.06, 0.0, 0.0)
    later = american.price(-1, 95, 100, 20.0, 0.06, 0.0, 0.1)

    wait = np.log(95 / 60) / 0.04
    assert now == 5.0
    assert later == pytest.approx(
        (100 * np.exp(-0.06 * wait) - 95 * np.exp(-0.1 * wait)), abs=1e-12
    )


def test_with_endless_vol_a_put_is_worth_its_strike_and_a_call_its_spot() -> None:
    found = american.price([1, -1], 100, 90, 1.0, 0.05, np.inf, 0.03)

    assert found.tolist() == [100.0, 90.0]


def test_a_stock_worth_nothing_leaves_a_put_its_strike_and_a_call_nothing() -> None:
    assert american.price([1, -1], 0.0, 90, 1.0, 0.05, 0.3, 0.03).tolist() == [0.0, 90.0]


def test_numbers_without_meaning_give_nan_and_no_warning() -> None:
    good = dict(zip(NAMES, (-1, 100, 100, 1.0, 0.05, 0.2, 0.02), strict=True))
    bad = [("right", 0), ("spot", -1), ("strike", -1), ("years", -1), ("vol", -0.1)]
    bad += [(name, np.nan) for name in NAMES]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, value in bad:
            market = good | {name: value}
            assert np.isnan(american.price(**market)), (name, value)
            assert np.isnan(american.greeks(**market).delta), (name, value)


def test_extremes_neither_raise_nor_warn() -> None:
    ends = [0.0, 1e-300, 1.0, 1e300, np.inf]
    rates = [-np.inf, -0.05, 0.0, 0.05, np.inf]
    mesh = np.meshgrid([1.0, -1.0], ends, ends, ends, rates, ends, rates)
    options = [each.ravel() for each in mesh]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prices = american.price(*options)
        american.greeks(*options)
        american.implied_vol(options[0], 1.0, *options[1:5], options[6])

    least = black_scholes.price(*options)
    assert not np.any(prices < least)


def test_numbers_give_numbers_and_arrays_broadcast() -> None:
    assert isinstance(american.price(-1, 100, 100, 1.0, 0.05, 0.2), float)
    assert american.price(-1, 100, [[90], [100]], [0.1, 0.2, 0.3], 0.05, 0.2).shape == (2, 3)
    assert american.greeks(-1, 100, [[90], [100]], [0.1, 0.2, 0.3], 0.05, 0.2).rho.shape == (
        2,
        3,
    )
    assert american.price(-1, 100, np.empty(0), 1.0, 0.05, 0.2).shape == (0,)


# --- what holds of any option


numbers = st.integers(0, 2**32 - 1)
a_rate = st.sampled_from([-0.03, -0.01, 0.0, 0.01, 0.04, 0.1])


@settings(max_examples=60, derandomize=True)
@given(seed=numbers)
def test_american_is_at_least_european_and_exercise_and_at_most_its_bound(seed: int) -> None:
    options = market(64, seed)
    options = options[:, ~is_banded(options)]
    right, spot, strike, years, rate, _, dividend_yield = options

    found = american.price(*options)

    paid, earned = np.where(right > 0, (spot, dividend_yield), (strike, rate))
    assert np.all(found >= black_scholes.price(*options))
    assert np.all(found >= right * (spot - strike))
    assert np.all(found <= paid * np.maximum(1.0, np.exp(-earned * years)) + 1e-5)


@settings(max_examples=60, derandomize=True)
@given(seed=numbers)
def test_a_call_is_the_put_with_spot_and_strike_rate_and_yield_exchanged(seed: int) -> None:
    options = market(64, seed)
    right, spot, strike, years, rate, vol, dividend_yield = options[:, ~is_banded(options)]

    found = american.price(right, spot, strike, years, rate, vol, dividend_yield)
    mirrored = american.price(-right, strike, spot, years, dividend_yield, vol, rate)

    assert np.abs(found - mirrored).max() <= 1e-9


@settings(max_examples=60, derandomize=True)
@given(
    right=st.sampled_from([1, -1]),
    rate=a_rate,
    dividend_yield=a_rate,
    years=st.floats(0.01, 3.0),
    vol=st.floats(0.05, 2.0),
)
def test_prices_rise_with_vol_and_years_and_are_convex_and_monotone_in_strike(
    right: int, rate: float, dividend_yield: float, years: float, vol: float
) -> None:
    option = np.array([[right, 100, 100, years, rate, vol, dividend_yield]], dtype=float).T
    if is_banded(option)[0]:
        return
    strikes = np.linspace(60, 160, 101)
    growth = np.linspace(1.0, 1.5, 11)

    by_strike = american.price(right, 100, strikes, years, rate, vol, dividend_yield)
    by_vol = american.price(right, 100, 95, years, rate, vol * growth, dividend_yield)
    by_years = american.price(right, 100, 95, years * growth, rate, vol, dividend_yield)

    slopes = -right * np.diff(by_strike)
    assert slopes.min() >= -1e-5
    assert slopes.max() <= 1.0 * max(1.0, np.exp(-rate * years)) + 1e-5
    assert np.diff(by_strike, 2).min() >= -3e-5
    assert np.diff(by_vol).min() >= -2e-5
    assert np.diff(by_years).min() >= -2e-5


def moved(options: Floats, name: str, step: Floats) -> Floats:
    changed = options.copy()
    changed[NAMES.index(name)] += step
    return changed


def is_clearly_held(options: Floats) -> NDArray[np.bool_]:
    """Whether exercise would cost a cent or more: across the boundary slopes have kinks."""
    right, spot, strike, *_ = options
    held: NDArray[np.bool_] = american.price(*options) > right * (spot - strike) + 0.01
    return held


@settings(max_examples=25, derandomize=True)
@given(seed=numbers)
def test_greeks_are_the_slopes_of_the_price(seed: int) -> None:
    options = market(64, seed)
    has_kink = (np.abs(options[4]) < 1e-3) | (np.abs(options[4] - options[6]) < 1e-3)
    options = options[:, ~is_banded(options) & ~has_kink & is_clearly_held(options)]
    _, spot, strike, years, rate, vol, _ = options
    found = american.greeks(*options)
    scale_of_theta = spot * vol / np.sqrt(years) + np.abs(rate) * strike
    cases = [
        ("delta", "spot", 1e-3 * spot * vol * np.sqrt(years), np.ones_like(spot), 1e-4),
        ("vega", "vol", 1e-3 * vol, spot * np.sqrt(years), 1e-4),
        ("theta", "years", -1e-3 * years, -scale_of_theta, 2e-3),
        ("rho", "rate", np.full_like(rate, 2e-4), strike * years, 2e-2),
    ]

    for greek, name, step, scale, error in cases:
        rise = american.price(*moved(options, name, step))
        fall = american.price(*moved(options, name, -step))
        slope = (rise - fall) / (2.0 * np.abs(step)) * np.sign(scale) * np.sign(step)
        off = np.abs(getattr(found, greek) - slope) / np.abs(scale)
        assert off.max() <= error, (greek, options[:, off.argmax()])


@settings(max_examples=25, derandomize=True)
@given(seed=numbers)
def test_gamma_is_the_slope_of_delta(seed: int) -> None:
    options = market(64, seed)
    options = options[:, ~is_banded(options) & is_clearly_held(options)]
    stdev = options[5] * np.sqrt(options[3])
    step = 1e-4 * options[1] * stdev
    found = american.greeks(*options)

    rise = american.greeks(*moved(options, "spot", step)).delta
    fall = american.greeks(*moved(options, "spot", -step)).delta

    off = np.abs(found.gamma - (rise - fall) / (2.0 * step)) * options[1] * stdev
    assert off.max() <= 0.03


def test_an_exercised_option_moves_with_the_spot_alone() -> None:
    found = american.greeks([-1, 1], [50, 200], 100, 0.5, 0.05, 0.2, [0.0, 0.08])

    assert found.price.tolist() == [50.0, 100.0]
    assert found.delta.tolist() == [-1.0, 1.0]
    for name in ("gamma", "vega", "theta", "rho"):
        assert getattr(found, name).tolist() == [0.0, 0.0]


def test_greeks_on_the_grid_are_those_of_the_formula_where_no_dividend_falls_due() -> None:
    late = [(2.0, 1.0)]

    found = american.greeks(-1, 100, [95, 105], 0.5, 0.05, 0.25, 0.01, late)
    expected = american.greeks(-1, 100, [95, 105], 0.5, 0.05, 0.25, 0.01)

    for name, scale in zip(GREEKS, (100, 1, 0.5, 70, 100, 50), strict=True):
        off = np.abs(getattr(found, name) - getattr(expected, name))
        assert off.max() <= 4e-4 * scale, name


def test_greeks_are_scaled_to_a_day_and_a_point() -> None:
    found = american.greeks(-1, 100, 100, 0.5, 0.05, 0.25)

    assert found.theta_per_day * 365 == pytest.approx(found.theta)
    assert found.vega_per_point * 100 == pytest.approx(found.vega)


def test_the_premium_is_what_american_is_worth_over_european() -> None:
    option = (-1, 100, 110, 1.0, 0.06, 0.2, 0.01)

    found = american.early_exercise_premium(*option)

    assert found == pytest.approx(american.price(*option) - black_scholes.price(*option))
    assert found > 0.5


def test_the_premium_of_a_call_before_a_dividend_is_counted_over_the_european_one() -> None:
    dividends = [(0.45, 3.0)]

    found = american.early_exercise_premium(1, 110, 100, 0.5, 0.02, 0.2, 0.0, dividends)

    assert 0.1 < found < 3.0


@pytest.mark.parametrize(
    ("right", "rate", "dividend_yield", "region"),
    [
        (-1, 0.05, 0.0, "below"),
        (-1, 0.0, -0.02, "below"),
        (-1, 0.0, 0.0, "never"),
        (-1, -0.02, 0.0, "never"),
        (1, 0.05, 0.0, "never"),
        (1, 0.05, 0.02, "above"),
        (1, -0.02, 0.0, "above"),
        (1, -0.02, -0.02, "never"),
    ],
)
def test_the_region_of_exercise_follows_from_the_signs(
    right: int, rate: float, dividend_yield: float, region: str
) -> None:
    lower, upper = american.exercise_boundary(right, 100, 0.5, rate, 0.25, dividend_yield)

    if region == "never":
        assert np.isnan(lower) and np.isnan(upper)
    elif region == "below":
        assert lower == 0.0 and 50 < upper < 100
    else:
        assert 100 < lower < 300 and np.isinf(upper)


def test_at_the_boundary_the_option_is_worth_its_exercise_and_just_beyond_more() -> None:
    years = np.array([0.02, 0.1, 0.5, 2.0])

    edge = american.exercise_boundary(-1, 100, years, 0.05, 0.25, 0.01).upper

    at = american.price(-1, edge, 100, years, 0.05, 0.25, 0.01)
    beyond = american.price(-1, edge * 1.01, 100, years, 0.05, 0.25, 0.01)
    assert np.abs(at - (100 - edge)).max() <= 1e-9
    assert np.all(beyond - (100 - edge * 1.01) > 1e-4)
    assert np.all(np.diff(edge) < 0)


def test_between_two_boundaries_exercise_brings_all_and_outside_less() -> None:
    market = {"years": 1.0, "rate": -0.01, "vol": 0.1, "dividend_yield": -0.06}

    lower, upper = american.exercise_boundary(-1, 100, **market)

    spots = np.array([lower - 3.0, lower + 3.0, upper - 3.0, upper + 3.0])
    trees = np.array([tree_price(-1, spot, 100, 1.0, -0.01, 0.1, -0.06) for spot in spots])
    assert 0 < lower < upper < 100
    assert trees[1:3] == pytest.approx(100 - spots[1:3], abs=1e-6)
    assert np.all(trees[[0, 3]] > 100 - spots[[0, 3]] + 1e-3)


def test_what_is_exercised_before_a_dividend_moves_with_the_spot_alone():
    spots = np.linspace(60.0, 100.0, 401)

    found = american.greeks(-1, spots, 100.0, 0.5, 0.05, 0.3, 0.0, [(0.3, 1.0)])

    exercised = found.price <= 100.0 - spots
    assert exercised.sum() > 50
    assert (found.delta[exercised] == -1).all()
    for other in (found.gamma, found.vega, found.theta, found.rho):
        assert (other[exercised] == 0).all()
        assert (other[~exercised] != 0).all()
