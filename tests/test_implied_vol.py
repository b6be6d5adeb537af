"""Implied vol: round trips, bounds, vollib and sixty digits."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from vollib.black_scholes_merton.implied_volatility import implied_volatility

from dollarbill_core.pricing.black_scholes import greeks, price
from dollarbill_core.pricing.implied_vol import implied_vol
from dollarbill_core.values.contracts import Right

C, P = Right.CALL, Right.PUT


def random_options(count: int, widest: float = 8.0) -> tuple[np.ndarray, ...]:
    """Right, spot, strike, years, rate, vol, yield: up to ``widest`` deviations from the money,
    a quarter of a day to three years, vol 1 % to 500 %."""
    rng = np.random.default_rng(1973)
    years = np.exp(rng.uniform(np.log(0.25 / 365), np.log(3), count))
    vol = np.exp(rng.uniform(np.log(0.01), np.log(5), count))
    rate, dividend_yield = rng.uniform(-0.03, 0.10, (2, count))
    distance = rng.uniform(-widest, widest, count) * (rng.random(count) < 0.9)
    strike = 100 * np.exp((rate - dividend_yield) * years + distance * vol * np.sqrt(years))
    return (
        rng.choice([1, -1], count),
        np.full(count, 100.0),
        strike,
        years,
        rate,
        vol,
        dividend_yield,
    )


def solved(market: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The prices, their implied vols and the vols they were made from."""
    right, spot, strike, years, rate, vol, dividend_yield = market
    prices = price(*market)
    return prices, implied_vol(right, prices, spot, strike, years, rate, dividend_yield), vol


@pytest.mark.parametrize(
    ("right", "quote", "market", "expected"),
    [
        # Haug (1998), chapter 1: prices of 0.30, 0.20 and 0.35 vols, printed to four decimals.
        pytest.param(C, 2.1334, (60, 65, 0.25, 0.08), 0.30, id="call on a stock"),
        pytest.param(P, 2.4648, (100, 95, 0.50, 0.10, 0.05), 0.20, id="put on an index"),
        pytest.param(C, 15.3086, (110, 100, 0.50, 0.10, 0.10), 0.35, id="in the money"),
        pytest.param(P, 14.4452, (90, 100, 0.50, 0.10, 0.10), 0.35, id="put in the money"),
    ],
)
def test_worked_examples(right, quote, market, expected):
    assert implied_vol(right, quote, *market) == pytest.approx(expected, abs=1e-5)


def test_out_of_the_money_prices_give_their_vol_back_to_1e_11():
    market = random_options(20_000)
    right, spot, strike, years, rate, _, dividend_yield = market
    _, found, vol = solved(market)

    out = right * (spot * np.exp(-dividend_yield * years) - strike * np.exp(-rate * years)) <= 0
    undetermined = np.isnan(found)

    assert_allclose(found[out & ~undetermined], vol[out & ~undetermined], rtol=1e-11)
    assert not undetermined[out & (vol * np.sqrt(years) < 5)].any()


def test_in_the_money_vols_explain_the_price_to_its_rounding():
    """Where dollars of intrinsic value hide the time value, only the price can be compared."""
    market = random_options(20_000)
    right, spot, strike, years, rate, _, dividend_yield = market
    prices, found, _ = solved(market)
    ok = np.isfinite(found)

    again = price(right, spot, strike, years, rate, found, dividend_yield)

    assert np.max(np.abs(again - prices)[ok] / np.maximum(spot, strike)[ok]) < 1e-15 * 4


def test_against_sixty_digits():
    """The vol that explains the double, not the vol from which the double was made."""
    market = random_options(150, widest=5.0)
    prices, found, _ = solved(market)

    with mpmath.workdps(60):
        for row, quote, ours in zip(zip(*market, strict=True), prices, found, strict=True):
            if math.isfinite(ours):
                exact, vega = reference_vol(quote, *row)
                rounding = 4 * np.spacing(max(row[1], row[2])) / vega
                assert abs(ours - exact) <= max(1e-11 * exact, rounding)


def reference_vol(quote, right, spot, strike, years, rate, vol, dividend_yield):
    right = int(right)
    spot, strike, years, rate, dividend_yield = map(
        mpmath.mpf, map(float, (spot, strike, years, rate, dividend_yield))
    )
    received, paid = (
        spot * mpmath.exp(-dividend_yield * years),
        strike * mpmath.exp(-rate * years),
    )
    root = mpmath.sqrt(years)
    guess = mpmath.mpf(float(vol))
    for _ in range(8):
        stdev = guess * root
        d1 = mpmath.log(received / paid) / stdev + stdev / 2
        value = received * mpmath.ncdf(right * d1) - paid * mpmath.ncdf(right * (d1 - stdev))
        vega = received * mpmath.npdf(d1) * root
        guess -= (right * value - float(quote)) / vega
    return float(guess), float(vega)


def test_against_vollib():
    """Jaeckel's LetsBeRational, scalar, on what both can solve."""
    market = random_options(300, widest=4.0)
    right, spot, strike, years, rate, _, dividend_yield = market
    prices, found, _ = solved(market)
    ok = np.isfinite(found)
    flags = np.where(right == 1, "c", "p")

    rows = zip(prices, spot, strike, years, rate, dividend_yield, flags, strict=True)
    theirs = np.array(
        [implied_volatility(*row) if good else 0 for row, good in zip(rows, ok, strict=True)]
    )

    vega = greeks(right, spot, strike, years, rate, found, dividend_yield).vega
    tolerance = np.maximum(1e-10 * found, 8 * np.spacing(np.maximum(spot, strike)) / vega)
    assert ok.mean() > 0.95
    assert np.all(np.abs(found - theirs)[ok] <= tolerance[ok])


@given(
    st.sampled_from(Right),
    st.floats(1, 5000),
    st.floats(-4, 4),
    st.floats(1 / 365, 3),
    st.floats(-0.05, 0.15),
    st.floats(0.02, 3),
    st.floats(-0.05, 0.15),
)
def test_round_trip(right, spot, distance, years, rate, vol, dividend_yield):
    stdev = vol * math.sqrt(years)
    strike = spot * math.exp((rate - dividend_yield) * years + distance * stdev)
    market = spot, strike, years, rate
    values = greeks(right, *market, vol, dividend_yield)
    assume(values.vega > 1e-3 * max(spot, strike) * math.sqrt(years))

    found = implied_vol(right, values.price, *market, dividend_yield)

    assert found == pytest.approx(vol, abs=1e-10)


@given(st.sampled_from(Right), st.floats(0.5, 2), st.floats(0.01, 3), st.floats(-0.05, 0.1))
def test_vol_rises_with_price(right, ratio, years, rate):
    spot, strike = 100.0, 100 * ratio
    paid = strike * math.exp(-rate * years)
    low, high = max(right * (spot - paid), 0), spot if right is C else paid

    found = implied_vol(right, np.linspace(low, high, 60)[1:-1], spot, strike, years, rate)

    assert np.all(np.diff(found[np.isfinite(found)]) > 0)
    assert np.isfinite(found).sum() > 40


def test_tiny_and_huge_numbers():
    """Prices scale: the same option in units of 1e-100 and 1e100 dollars."""
    for unit in [1e-100, 1.0, 1e100]:
        assert implied_vol(
            C, 3.9878 * unit, 100 * unit, 100 * unit, 0.25, 0.0
        ) == pytest.approx(implied_vol(C, 3.9878, 100, 100, 0.25, 0.0), rel=1e-12)
    far = price(P, 100, 40, 0.1, 0.0, 0.10)
    assert 0 < far < 1e-150
    assert implied_vol(P, far, 100, 40, 0.1, 0.0) == pytest.approx(0.10, rel=1e-12)


def test_at_the_money_down_to_vols_of_nothing():
    vols = 10.0 ** np.arange(-9, 1)

    found = implied_vol(C, price(C, 100, 100, 0.25, 0.0, vols), 100, 100, 0.25, 0.0)

    assert_allclose(found, vols, rtol=1e-12, atol=1e-14)  # what the price was rounded by


@pytest.mark.parametrize(
    ("right", "quote", "market"),
    [
        pytest.param(C, 9.99, (110, 100, 0.25, 0.0), id="call below intrinsic"),
        pytest.param(C, 10.0, (110, 100, 0.25, 0.0), id="call at intrinsic"),
        pytest.param(P, 0.0, (110, 100, 0.25, 0.0), id="nothing bid"),
        pytest.param(P, -0.5, (110, 100, 0.25, 0.0), id="negative price"),
        pytest.param(C, 110.0, (110, 100, 0.25, 0.0), id="call at the spot"),
        pytest.param(P, 100.0, (110, 100, 0.25, 0.0), id="put at the strike"),
        pytest.param(P, 99.0, (110, 100, 0.25, 0.05), id="put above the discounted strike"),
        pytest.param(C, 5.0, (100, 100, 0.0, 0.0), id="no time"),
        pytest.param(C, 5.0, (100, 100, -0.1, 0.0), id="over"),
        pytest.param(C, 5.0, (0, 100, 0.25, 0.0), id="no spot"),
        pytest.param(C, 5.0, (100, 0, 0.25, 0.0), id="no strike"),
        pytest.param(C, 5.0, (-100, -100, 0.25, 0.0), id="negative spot and strike"),
        pytest.param(C, math.inf, (100, 100, 0.25, 0.0), id="infinite price"),
        pytest.param(C, 5.0, (math.inf, 100, 0.25, 0.0), id="infinite spot"),
        pytest.param(C, 5.0, (100, 100, math.inf, 0.0), id="for ever"),
        pytest.param(0, 5.0, (100, 100, 0.25, 0.0), id="no such right"),
        pytest.param(C, math.nan, (100, 100, 0.25, 0.0), id="NaN price"),
        pytest.param(C, 5.0, (100, 100, 0.25, math.nan), id="NaN rate"),
    ],
)
def test_nan_where_no_vol_explains_the_price(right, quote, market):
    assert np.isnan(implied_vol(right, quote, *market))


def test_nan_where_the_price_does_not_determine_the_vol():
    """Seven deviations in the money a rounding of the price is worth 3e-5 of vol."""
    deep = price(C, 100, [50, 95], 0.25, 0.0, 0.2)

    found = implied_vol(C, deep, 100, [50, 95], 0.25, 0.0)

    assert deep[0] > 50
    assert np.isnan(found[0])
    assert found[1] == pytest.approx(0.2, abs=1e-12)


def test_no_input_raises_or_warns():
    """Every combination of odd numbers; pytest turns any warning into an error."""
    odd = [0.0, 1e-300, 1.0, 1e300, math.inf, -1.0, math.nan]
    grid = np.meshgrid([1, -1, 2], odd, odd, odd, odd, [0, 0.1, math.inf], [0, -0.1, math.nan])

    found = implied_vol(*(axis.ravel() for axis in grid))

    assert np.all(np.isnan(found) | (found >= 0))  # 0 where it underflows, at 1e-450


def test_broadcasting_and_scalars():
    quotes = price([[1], [-1]], 100, [90, 100, 110], 0.5, 0.03, 0.2)

    found = implied_vol([[1], [-1]], quotes, 100, [90, 100, 110], 0.5, 0.03)

    assert_allclose(found, np.full((2, 3), 0.2), rtol=1e-12)
    assert isinstance(implied_vol(C, 5, 100, 100, 1, 0.0), float)
    assert implied_vol(C, [], 100, 100, 1, 0.0).shape == (0,)
