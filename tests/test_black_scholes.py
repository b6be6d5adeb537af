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
    price,
    price_from_forward,
    probability_above,
    strike_for_delta,
)
from dollarbill_core.values.contracts import Right

C, P = Right.CALL, Right.PUT
NAMES = ["price", "delta", "gamma", "vega", "theta", "rho"]
INF, NAN = math.inf, math.nan

rights = st.sampled_from(Right)
spots = st.floats(1, 5000)
moneyness = st.floats(0.3, 3)
times = st.floats(1 / 365, 3)
rates = st.floats(-0.05, 0.15)
vols = st.floats(0.02, 2)


def random_market(count: int) -> tuple[np.ndarray, ...]:
    """Right, spot, strike, years, rate, vol, dividend yield: near and far, calm and wild."""
    rng = np.random.default_rng(20261120)
    years = 10 ** rng.uniform(-3, 0.5, count)
    vol = np.maximum(10 ** rng.uniform(-4, 0.7, count), 1e-5 / np.sqrt(years))
    spot = 10 ** rng.uniform(0, 4, count)
    near = np.exp(rng.normal(0, 2, count) * vol * np.sqrt(years))
    far = 10 ** rng.uniform(-1, 1, count)
    strike = spot * np.where((rng.random(count) < 0.5) & (near > 0.1) & (near < 10), near, far)
    rate, dividend_yield = rng.uniform(-0.05, 0.15, (2, count))
    return rng.choice([1, -1], count), spot, strike, years, rate, vol, dividend_yield


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


@given(spots, moneyness, times, rates, vols, rates)
def test_put_call_parity(spot, ratio, years, rate, vol, dividend_yield):
    call, put = price([1, -1], spot, ratio * spot, years, rate, vol, dividend_yield)

    forward = spot * math.exp(-dividend_yield * years) - ratio * spot * math.exp(-rate * years)

    assert call - put == pytest.approx(forward, abs=1e-15 * 4 * spot * max(1, ratio) * 1.2)


@given(rights, spots, moneyness, times, rates, vols, rates)
def test_price_lies_between_its_bounds(right, spot, ratio, years, rate, vol, dividend_yield):
    spot_paid = spot * np.exp(-dividend_yield * years)
    strike_paid = ratio * spot * np.exp(-rate * years)

    value = price(right, spot, ratio * spot, years, rate, vol, dividend_yield)

    assert max(right * (spot_paid - strike_paid), 0) <= value
    assert value <= (spot_paid if right is C else strike_paid)


@given(rights, spots, times, rates, vols, rates)
def test_price_is_monotone_and_convex_in_strike(right, spot, years, rate, vol, dividend_yield):
    strikes = spot * np.linspace(0.3, 3, 200)

    slopes = np.diff(price(right, spot, strikes, years, rate, vol, dividend_yield))

    rounding = 1e-14 * spot
    assert np.all(right * slopes <= rounding)
    assert np.all(np.diff(slopes) >= -rounding)


@given(rights, spots, moneyness, times, rates, rates)
def test_price_rises_with_vol(right, spot, ratio, years, rate, dividend_yield):
    values = price(
        right, spot, spot * ratio, years, rate, np.linspace(0, 4, 100), dividend_yield
    )

    assert np.all(np.diff(values) >= 0)
    assert values[-1] > values[0]


def reference(right, spot, strike, years, rate, vol, dividend_yield):
    """The formula as printed, in forty digits."""
    stdev = vol * mpmath.sqrt(years)
    d1 = (mpmath.log(spot / strike) + (rate - dividend_yield) * years) / stdev + stdev / 2
    received = spot * mpmath.exp(-dividend_yield * years) * mpmath.ncdf(right * d1)
    paid = strike * mpmath.exp(-rate * years) * mpmath.ncdf(right * (d1 - stdev))
    return right * (received - paid)


def reference_greeks(right, *market):
    """Derivatives of the reference price, taken numerically in sixty digits."""
    spot, strike, years, rate, vol, dividend_yield = map(mpmath.mpf, map(float, market))

    def derivative(order: tuple[int, ...]):
        def moved(s, t, r, v):
            return reference(right, s, strike, t, r, v, dividend_yield)

        return mpmath.diff(moved, (spot, years, rate, vol), order)

    return [
        reference(right, spot, strike, years, rate, vol, dividend_yield),
        derivative((1, 0, 0, 0)),
        derivative((2, 0, 0, 0)),
        derivative((0, 0, 0, 1)),
        -derivative((0, 1, 0, 0)),
        derivative((0, 0, 1, 0)),
    ]


def test_price_and_greeks_to_1e_13_of_their_natural_scale():
    market = random_market(200)
    _, spot, strike, years, rate, vol, dividend_yield = market
    root = np.sqrt(years)
    carry = np.abs(rate) * strike + np.abs(dividend_yield) * spot
    scales = {
        "price": np.maximum(spot, strike),
        "delta": np.ones_like(spot),
        "gamma": 1 / (spot * vol * root),
        "vega": spot * root,
        "theta": spot * vol / root + carry,
        "rho": strike * years,
    }

    ours = greeks(*market)
    with mpmath.workdps(60):
        exact = [reference_greeks(int(row[0]), *row[1:]) for row in zip(*market, strict=True)]

    for position, name in enumerate(NAMES):
        wanted = np.array([float(row[position]) for row in exact])
        error = np.abs(getattr(ours, name) - wanted) / scales[name]
        assert error.max() < 1e-13, name


def test_far_out_of_the_money_prices_keep_their_digits():
    """A thirty standard deviation put: 1e-200, not a rounded zero."""
    strikes = np.array([90.0, 70.0, 40.0])

    ours = price(P, 100, strikes, 0.1, 0.03, 0.10, 0.01)

    with mpmath.workdps(250):
        market = [mpmath.mpf(x) for x in (0.1, 0.03, 0.10, 0.01)]
        exact = [float(reference(-1, mpmath.mpf(100), mpmath.mpf(k), *market)) for k in strikes]
    assert 0 < exact[-1] < 1e-150
    assert_allclose(ours, exact, rtol=2e-11)


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
        # spot, strike, years, rate, vol, yield -> price, delta, gamma, vega, theta, rho
        pytest.param(C, (110, 100, 0, 0.05, 0.2), (10, 1, 0, 0, -5, 0), id="expired in"),
        pytest.param(P, (110, 100, 0, 0.05, 0.2), (0, 0, 0, 0, 0, 0), id="expired out"),
        pytest.param(C, (100, 100, 0, 0.0, 0.2), (0, 0.5, INF, 0, -INF, 0), id="expired at"),
        pytest.param(C, (110, 100, 1, 0.0, 0.0), (10, 1, 0, 0, 0, 100), id="no vol, in"),
        pytest.param(C, (90, 100, 1, 0.0, 0.0), (0, 0, 0, 0, 0, 0), id="no vol, out"),
        pytest.param(C, (100, 100, 1, 0.0, INF), (100, 1, 0, 0, 0, 0), id="infinite vol, call"),
        pytest.param(P, (100, 80, 1, 0.0, INF), (80, 0, 0, 0, 0, -80), id="infinite vol, put"),
        pytest.param(C, (0, 100, 1, 0.0, 0.2), (0, 0, 0, 0, 0, 0), id="no spot, call"),
        pytest.param(P, (0, 100, 1, 0.0, 0.2), (100, -1, 0, 0, 0, -100), id="no spot, put"),
        pytest.param(C, (100, 0, 1, 0.0, 0.2), (100, 1, 0, 0, 0, 0), id="no strike"),
        pytest.param(P, (INF, 100, 1, 0.0, 0.2), (0, 0, 0, 0, 0, 0), id="infinite spot, put"),
        pytest.param(C, (INF, 100, 1, 0.0, 0.2), (INF, 1, 0, 0, 0, 100), id="infinite spot"),
        pytest.param(C, (100, INF, 1, 0.0, 0.2), (0, 0, 0, 0, 0, 0), id="infinite strike"),
    ],
)
def test_limits(right, market, expected):
    sensitivities = greeks(right, *market)

    assert_array_equal([getattr(sensitivities, name) for name in NAMES], expected)
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
    probability_above(spot, strike, years, rate, vol, dividend_yield)


def test_broadcasting_and_scalars():
    grid = greeks([[1], [-1]], 100, np.array([90, 100, 110]), 0.5, 0.03, 0.2)

    assert all(getattr(grid, name).shape == (2, 3) for name in NAMES)
    assert grid.gamma[0] == pytest.approx(grid.gamma[1])
    assert isinstance(price(C, 100, 100, 1, 0.0, 0.2), float)
    assert isinstance(greeks(C, 100, 100, 1, 0.0, 0.2).theta_per_day, float)
    assert price(C, [], 100, 1, 0.0, 0.2).shape == (0,)
    assert price(np.int8(-1), 90, 100, 0, 0, 0) == 10


def test_days_and_points():
    assert black_scholes.DAYS_PER_YEAR == 365
    assert black_scholes.POINTS_PER_UNIT_OF_VOL == 100
