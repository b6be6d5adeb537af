"""European prices and Greeks: printed tables, their own logic, mpmath and vollib."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from vollib.black_scholes_merton import black_scholes_merton
from vollib.black_scholes_merton.greeks import analytical

from dollarbill_core.pricing import black_scholes
from dollarbill_core.pricing.black_scholes import (
    greeks,
    greeks_from_forward,
    price,
    price_from_forward,
    probability_above,
    strike_for_delta,
)
from dollarbill_core.values.contracts import Right
from tests.exact_options import (
    NAMES,
    differentiated_greeks,
    edge_market,
    exact_greeks,
    exact_price,
    in_many_digits,
    natural_scales,
    random_market,
)

C, P = Right.CALL, Right.PUT
INF, NAN = math.inf, math.nan
DENSITY = 1 / math.sqrt(2 * math.pi)

rights = st.sampled_from(Right)
spots = st.floats(1, 5000)
moneyness = st.floats(0.3, 3)
times = st.floats(1 / 365, 3)
rates = st.floats(-0.05, 0.15)
vols = st.floats(0.02, 2)


# Haug, The Complete Guide to Option Pricing Formulas (1998), chapter 1, to four decimals:
# right, strike, spot, dividend yield (rate less cost of carry), rate, years, vol, value.
@pytest.mark.parametrize(
    ("right", "strike", "spot", "dividend_yield", "rate", "years", "vol", "expected"),
    [
        (C, 65, 60, 0.00, 0.08, 0.25, 0.30, 2.1334),
        (P, 95, 100, 0.05, 0.10, 0.50, 0.20, 2.4648),
        (P, 19, 19, 0.10, 0.10, 0.75, 0.28, 1.7011),
        (C, 19, 19, 0.10, 0.10, 0.75, 0.28, 1.7011),
        (C, 1.60, 1.56, 0.08, 0.06, 0.50, 0.12, 0.0291),
        (P, 70, 75, 0.05, 0.10, 0.50, 0.35, 4.0870),
        (C, 100, 90, 0.10, 0.10, 0.10, 0.15, 0.0205),
        (C, 100, 100, 0.10, 0.10, 0.10, 0.15, 1.8734),
        (C, 100, 110, 0.10, 0.10, 0.10, 0.15, 9.9413),
        (C, 100, 90, 0.10, 0.10, 0.10, 0.35, 0.9474),
        (C, 100, 110, 0.10, 0.10, 0.50, 0.35, 15.3086),
        (P, 100, 90, 0.10, 0.10, 0.10, 0.15, 9.9210),
        (P, 100, 90, 0.10, 0.10, 0.50, 0.35, 14.4452),
        (P, 100, 110, 0.10, 0.10, 0.50, 0.35, 5.7963),
        (C, 40, 42, 0.08, 0.04, 0.75, 0.35, 5.0975),
    ],
)
def test_haugs_prices(right, strike, spot, dividend_yield, rate, years, vol, expected):
    value = price(right, spot, strike, years, rate, vol, dividend_yield)

    assert value == pytest.approx(expected, abs=6e-5)  # one, 1.87334, is printed as 1.8734


@pytest.mark.parametrize(
    ("name", "right", "strike", "spot", "dividend_yield", "rate", "years", "vol", "expected"),
    [
        ("delta", C, 100, 105, 0.10, 0.10, 0.5, 0.36, 0.5946),
        ("delta", P, 100, 105, 0.10, 0.10, 0.5, 0.36, -0.3566),
        ("gamma", C, 60, 55, 0.00, 0.10, 0.75, 0.30, 0.0278),
        ("vega", C, 60, 55, 0.00, 0.10, 0.75, 0.30, 18.9358),
        ("theta", P, 405, 430, 0.05, 0.07, 1 / 12, 0.20, -31.1924),
    ],
)
def test_haugs_greeks(name, right, strike, spot, dividend_yield, rate, years, vol, expected):
    sensitivities = greeks(right, spot, strike, years, rate, vol, dividend_yield)

    assert round(float(getattr(sensitivities, name)), 4) == expected


@pytest.mark.parametrize(
    "market", [random_market(7000), edge_market(3000)], ids=["any", "edge"]
)
def test_price_and_greeks_to_1e_13_of_their_natural_scale(market):
    exact = in_many_digits(exact_greeks, market)

    ours = greeks(*market)

    for wanted, (name, scale) in zip(exact, natural_scales(*market).items(), strict=True):
        error = np.abs(getattr(ours, name) - wanted) / scale
        assert error.max() < 1e-13, name
        assert np.quantile(error, 0.9) < 1e-15, name
    assert np.max(np.abs(price(*market) - exact[0]) / np.maximum(market[1], market[2])) < 1e-15


def test_greeks_are_the_derivatives_of_the_price():
    """By differences of the price in sixty digits: no formula of a Greek is trusted."""
    market = random_market(100)
    exact = in_many_digits(differentiated_greeks, market, digits=60)

    ours = greeks(*market)

    for wanted, (name, scale) in zip(exact, natural_scales(*market).items(), strict=True):
        assert np.max(np.abs(getattr(ours, name) - wanted) / scale) < 1e-13, name


@pytest.mark.parametrize("stdev", [1e-15, 1e-12, 1e-9, 1e-7, 1e-6, 1e-5, 1e-3, 3, 30, 900])
def test_error_beyond_the_usual_range_is_what_the_docstring_says(stdev):
    """Strikes of 1e-8 to 1e8 times the forward, spots of 1e-8 to 1e8, up to three years."""
    rng = np.random.default_rng(11)
    count = 100
    spot, years = 10 ** rng.uniform(-8, 8, count), rng.uniform(0.01, 3, count)
    rate, dividend_yield = rng.uniform(-0.05, 0.15, (2, count))
    away = np.clip(stdev * rng.normal(0, 1, count), -18, 18)
    near = np.exp((rate - dividend_yield) * years + away)
    strike = spot * np.where(rng.random(count) < 0.7, near, 10 ** rng.uniform(-8, 8, count))
    right, vol = rng.choice([1, -1], count), stdev / np.sqrt(years)
    market = right, spot, strike, years, rate, vol, dividend_yield

    ours, exact = greeks(*market), in_many_digits(exact_greeks, market)

    for wanted, (name, scale) in zip(exact, natural_scales(*market).items(), strict=True):
        bound = 2e-15 if name == "price" else 2e-15 + 1e-18 / stdev
        assert np.max(np.abs(getattr(ours, name) - wanted) / scale) < bound, name


def test_far_out_of_the_money_prices_keep_their_digits():
    """A thirty standard deviation put: 1e-200, not a rounded zero."""
    strikes = np.array([90.0, 70.0, 40.0])

    ours = price(P, 100, strikes, 0.1, 0.03, 0.10, 0.01)

    with mpmath.workdps(250):
        market = [mpmath.mpf(x) for x in (0.1, 0.03, 0.10, 0.01)]
        exact = [
            float(exact_price(-1, mpmath.mpf(100), mpmath.mpf(k), *market)) for k in strikes
        ]
    assert 0 < exact[-1] < 1e-150
    assert_allclose(ours, exact, rtol=1e-12)


def test_against_vollib():
    """Another implementation, scalar; its theta is per day, vega and rho per point."""
    right, spot, strike, years, rate, vol, dividend_yield = market = random_market(300)
    flags = np.where(right == 1, "c", "p")
    ours = greeks(*market)
    theirs = {
        name: np.array(
            [
                function(flag, *row)
                for flag, *row in zip(
                    flags, spot, strike, years, rate, vol, dividend_yield, strict=True
                )
            ]
        )
        for name, function in {
            "price": black_scholes_merton,
            "delta": analytical.delta,
            "gamma": analytical.gamma,
            "vega": analytical.vega,
            "theta": analytical.theta,
            "rho": analytical.rho,
        }.items()
    }

    scale = np.maximum(spot, strike)
    assert np.max(np.abs(ours.price - theirs["price"]) / scale) < 1e-13
    assert_allclose(ours.delta, theirs["delta"], atol=1e-11)
    assert_allclose(ours.gamma, theirs["gamma"], rtol=1e-9, atol=1e-12)
    assert np.max(np.abs(ours.vega_per_point - theirs["vega"]) / scale) < 1e-12
    assert np.max(np.abs(ours.theta_per_day - theirs["theta"]) / scale) < 1e-11
    assert np.max(np.abs(ours.rho / 100 - theirs["rho"]) / scale) < 1e-12


def test_units_of_theta_and_vega():
    """One day and one vol point, seen in prices a second and a basis point apart."""
    sensitivities = greeks(C, 100, 105, 0.5, 0.04, 0.25, 0.01)
    base, second = 100, 1 / (365 * 86400)

    later = price(C, base, 105, 0.5 - second, 0.04, 0.25, 0.01) - sensitivities.price
    wilder = price(C, base, 105, 0.5, 0.04, 0.2501, 0.01) - sensitivities.price

    assert 86400 * later == pytest.approx(float(sensitivities.theta_per_day), rel=1e-5)
    assert 100 * wilder == pytest.approx(float(sensitivities.vega_per_point), rel=1e-3)


@given(rights, spots, moneyness, times, rates, vols, rates)
def test_forward_form_gives_the_same_price(
    right, spot, ratio, years, rate, vol, dividend_yield
):
    forward = spot * math.exp((rate - dividend_yield) * years)
    discount = math.exp(-rate * years)

    ours = price_from_forward(right, forward, ratio * spot, years, discount, vol)

    expected = price(right, spot, ratio * spot, years, rate, vol, dividend_yield)
    assert ours == pytest.approx(float(expected), abs=1e-13 * spot * max(1, ratio))


def test_forward_greeks_are_those_of_the_spot_seen_from_the_forward():
    """By the chain rule: the forward is spot exp((rate - yield) years), both fixed."""
    right, spot, strike, years, rate, vol, dividend_yield = market = random_market(500)
    ahead = np.exp((rate - dividend_yield) * years)
    forward, discount = spot * ahead, np.exp(-rate * years)
    fall = (rate - dividend_yield) * forward  # of the forward, a year, while the spot stays

    ours = greeks_from_forward(right, forward, strike, years, discount, vol)

    seen = {
        "price": ours.price,
        "delta": ours.delta * ahead,
        "gamma": ours.gamma * ahead**2,
        "vega": ours.vega,
        "theta": ours.theta - ours.delta * fall,
        "rho": ours.rho + ours.delta * forward * years,
        "vanna": ours.vanna * ahead,
        "volga": ours.volga,
        "charm": ahead * (ours.charm - ours.gamma * fall) - fall / spot * ours.delta,
    }
    expected = greeks(*market)
    usual = vol * np.sqrt(years) > 1e-3  # below, the rounding of the forward itself is seen
    for name, scale in natural_scales(*market).items():
        error = np.abs(seen[name] - getattr(expected, name)) / scale
        assert np.max(error[usual]) < 1e-12, name
    alone = price_from_forward(right, forward, strike, years, discount, vol)
    assert np.max(np.abs(alone - ours.price) / np.maximum(forward, strike)) < 1e-15


def test_forward_greeks_at_expiry():
    ended = greeks_from_forward(C, [110, 100, 90, 110], 100, 0, [1, 1, 1, 0.9], 0.2)

    assert_array_equal(ended.delta, [1, 0.5, 0, NAN])
    assert_array_equal(ended.theta, [0, -INF, 0, NAN])
    assert_array_equal(ended.rho, [0, 0, 0, NAN])
    assert_allclose(greeks_from_forward(C, 110, 100, 2, 0.9, 0.0).rho, -18, rtol=1e-15)
    assert_allclose(price_from_forward(C, 110, 100, 0, 0.9, 0.2), 9, rtol=1e-15)


@given(
    rights,
    st.floats(0.01, 0.9),
    spots,
    times,
    rates,
    st.floats(0.05, 2),
    st.floats(-0.05, 0.03),
)
def test_strike_for_delta_has_that_delta(right, delta, spot, years, rate, vol, dividend_yield):
    market = years, rate, vol, dividend_yield

    strike = strike_for_delta(right, delta, spot, *market)

    assert greeks(right, spot, strike, *market).delta == pytest.approx(right * delta, rel=1e-9)


@pytest.mark.parametrize("delta", [0.0, 1.0, -0.16, 16.0, 0.97, NAN])
def test_no_strike_has_an_impossible_delta(delta):
    """0.97 exceeds exp(-0.04), the most a call can have under a yield of 4 %."""
    assert np.isnan(strike_for_delta(C, delta, 100, 1.0, 0.02, 0.2, 0.04))
    assert np.isfinite(strike_for_delta(C, 0.95, 100, 1.0, 0.02, 0.2, 0.04))


def test_no_strike_has_the_delta_of_a_certain_exercise():
    """With a yield of log 2 for a year no delta reaches a half."""
    assert np.isnan(strike_for_delta([1, -1], 0.5, 100, 1.0, 0.02, 0.2, math.log(2))).all()


@pytest.mark.parametrize(
    "market", [(100, 100, 1, -0.9, 0.2), (-1, 100, 1, 0.9, 0.2), (100, 100, 1, NAN, 0.2)]
)
def test_a_forward_and_a_discount_are_not_negative(market):
    assert np.isnan(price_from_forward(C, *market))


@given(spots, moneyness, times, rates, vols, rates)
def test_probability_above_is_the_slope_in_strike(
    spot, ratio, years, rate, vol, dividend_yield
):
    """dC/dK = -exp(-rate years) P(spot > K)."""
    strike, step = spot * ratio, 1e-5 * spot * ratio * vol * math.sqrt(years)
    market = years, rate, vol, dividend_yield

    low, high = price(C, spot, [strike - step, strike + step], *market)

    slope = (low - high) / (2 * step) * math.exp(rate * years)
    assert probability_above(strike, spot, *market) == pytest.approx(slope, abs=1e-5)


@pytest.mark.parametrize(
    ("right", "market", "expected"),
    [
        # spot, strike, years, rate, vol, yield -> in the order of NAMES
        pytest.param(
            C, (110, 100, 0, 0.05, 0.2), (10, 1, 0, 0, -5, 0, 0, 0, 0), id="expired in"
        ),
        pytest.param(
            P, (110, 100, 0, 0.05, 0.2), (0, 0, 0, 0, 0, 0, 0, 0, 0), id="expired out"
        ),
        pytest.param(
            C, (100, 100, 0, 0.0, 0.2), (0, 0.5, INF, 0, -INF, 0, 0, 0, -INF), id="expired at"
        ),
        pytest.param(
            C, (110, 100, 1, 0.0, 0.0), (10, 1, 0, 0, 0, 100, 0, 0, 0), id="no vol, in"
        ),
        pytest.param(C, (90, 100, 1, 0.0, 0.0), (0, 0, 0, 0, 0, 0, 0, 0, 0), id="no vol, out"),
        pytest.param(
            C,
            (100, 100, 4, 0.0, 0.0),
            (0, 0.5, INF, 200 * DENSITY, 0, 200, DENSITY, 0, 0),
            id="no vol, at",
        ),
        pytest.param(
            C, (100, 100, 1, 0.0, INF), (100, 1, 0, 0, 0, 0, 0, 0, 0), id="infinite vol, call"
        ),
        pytest.param(
            P, (100, 80, 1, 0.0, INF), (80, 0, 0, 0, 0, -80, 0, 0, 0), id="infinite vol, put"
        ),
        pytest.param(C, (0, 100, 1, 0.0, 0.2), (0, 0, 0, 0, 0, 0, 0, 0, 0), id="no spot, call"),
        pytest.param(
            P, (0, 100, 1, 0.0, 0.2), (100, -1, 0, 0, 0, -100, 0, 0, 0), id="no spot, put"
        ),
        pytest.param(C, (100, 0, 1, 0.0, 0.2), (100, 1, 0, 0, 0, 0, 0, 0, 0), id="no strike"),
        pytest.param(
            P, (INF, 100, 1, 0.0, 0.2), (0, 0, 0, 0, 0, 0, 0, 0, 0), id="infinite spot, put"
        ),
        pytest.param(
            C, (INF, 100, 1, 0.0, 0.2), (INF, 1, 0, 0, 0, 100, 0, 0, 0), id="infinite spot"
        ),
        pytest.param(
            C, (100, INF, 1, 0.0, 0.2), (0, 0, 0, 0, 0, 0, 0, 0, 0), id="infinite strike"
        ),
    ],
)
def test_limits(right, market, expected):
    sensitivities = greeks(right, *market)

    assert_allclose([getattr(sensitivities, name) for name in NAMES], expected, rtol=1e-15)
    assert price(right, *market) == expected[0]


@pytest.mark.parametrize(
    "market",
    [
        pytest.param((0, 100, 100, 1, 0, 0.2, 0), id="no such right"),
        pytest.param((1, -100, -100, 1, 0, 0.2, 0), id="negative spot and strike"),
        pytest.param((1, 100, 100, -1e-9, 0, 0.2, 0), id="already over"),
        pytest.param((1, 100, 100, 1, 0, -0.2, 0), id="negative vol"),
        *[
            pytest.param(
                tuple(
                    NAN if i == n else v for i, v in enumerate((1, 100, 90, 1, 0.0, 0.2, 0.0))
                ),
                id=f"NaN in place {n}",
            )
            for n in range(7)
        ],
    ],
)
def test_input_without_meaning_gives_nan(market):
    sensitivities = greeks(*market)

    assert all(np.isnan(getattr(sensitivities, name)) for name in NAMES)
    assert np.isnan(price(*market))


def test_no_input_raises_or_warns():
    """Every combination of odd numbers; pytest turns any warning into an error."""
    odd = [0.0, 1e-300, 1.0, 1e300, INF, -1.0, NAN]
    grid = np.meshgrid([1, -1, 2], odd, odd, odd, [0, 0.1, INF, NAN], odd, [0, -0.1, INF, NAN])
    right, spot, strike, years, rate, vol, dividend_yield = market = [g.ravel() for g in grid]

    values = greeks(*market)

    bad = (np.abs(right) != 1) | ~((spot >= 0) & (strike >= 0) & (years >= 0) & (vol >= 0))
    assert np.all(np.isnan(values.price[bad | np.isnan(rate) | np.isnan(dividend_yield)]))
    assert np.all(~(values.price < 0))
    strike_for_delta(right, spot, strike, years, rate, vol, dividend_yield)
    price_from_forward(right, spot, strike, years, rate, vol)
    greeks_from_forward(right, spot, strike, years, rate, vol)
    probability_above(spot, strike, years, rate, vol, dividend_yield)


def test_broadcasting_and_scalars():
    grid = greeks([[1], [-1]], 100, np.array([90, 100, 110]), 0.5, 0.03, 0.2)

    assert all(getattr(grid, name).shape == (2, 3) for name in NAMES)
    assert grid.gamma[0] == pytest.approx(grid.gamma[1])
    assert isinstance(price(C, 100, 100, 1, 0.0, 0.2), float)
    assert isinstance(greeks(C, 100, 100, 1, 0.0, 0.2).theta_per_day, float)
    assert price(C, [], 100, 1, 0.0, 0.2).shape == (0,)
    assert price(np.int8(-1), 90, 100, 0, 0, 0) == 10


def test_long_arrays_go_through_in_chunks():
    """Two chunks and a bit, with numbers and a column that broadcast, as a few at a time."""
    spots = np.linspace(50, 150, 2 * black_scholes._CHUNK + 5)

    long = greeks([[1], [-1]], spots, 100, 0.5, 0.03, 0.2, 0.01)

    assert long.delta.shape == (2, spots.size)
    for some in (slice(0, 3), slice(black_scholes._CHUNK - 2, None, 30_000), slice(-3, None)):
        few = greeks([[1], [-1]], spots[some], 100, 0.5, 0.03, 0.2, 0.01)
        for name in NAMES:
            assert_array_equal(getattr(long, name)[:, some], getattr(few, name))


def test_arrays_of_any_layout_and_kind_are_taken_and_left_as_they_were():
    strikes = np.arange(80, 120)
    layouts = [
        strikes[::2],
        strikes.astype(np.float32)[::2],
        np.asfortranarray([strikes])[0, ::2],
    ]
    expected = price(C, 100.0, strikes[::2].astype(float), 0.5, 0.03, 0.2)
    fixed = strikes.astype(float)
    fixed.flags.writeable = False

    for layout in layouts:
        assert_array_equal(price(C, 100, layout, 0.5, 0.03, 0.2), expected)
    assert_array_equal(price(C, 100, fixed, 0.5, 0.03, 0.2)[::2], expected)
    assert_array_equal(fixed, np.arange(80, 120))


def test_days_and_points():
    assert black_scholes.DAYS_PER_YEAR == 365
    assert black_scholes.POINTS_PER_UNIT_OF_VOL == 100
