"""Implied vol: every vol proved in many digits, every NaN with its reason, vollib beside it."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from vollib.black_scholes_merton.implied_volatility import implied_volatility

from dollarbill_core.pricing import implied_vol as module
from dollarbill_core.pricing.black_scholes import greeks, price, price_from_forward
from dollarbill_core.pricing.implied_vol import (
    Reason,
    explained,
    explained_from_forward,
    implied_vol,
    implied_vol_from_forward,
)
from dollarbill_core.values.contracts import Right
from tests.assembly_reader import vector_loop
from tests.quoted_options import adversarial_quotes, random_quotes
from tests.vol_certificate import share_of_tolerance

C, P = Right.CALL, Right.PUT


def random_options(count: int, widest: float) -> tuple[np.ndarray, ...]:
    """Right, spot, strike, years, rate, vol, yield: up to ``widest`` deviations from the money,
    a quarter of a day to three years, vol 1 % to 500 %."""
    rng = np.random.default_rng(1973)
    years = np.exp(rng.uniform(np.log(0.25 / 365), np.log(3), count))
    vol = np.exp(rng.uniform(np.log(0.01), np.log(5), count))
    rate, dividend_yield = rng.uniform(-0.03, 0.10, (2, count))
    distance = rng.uniform(-widest, widest, count) * (rng.random(count) < 0.9)
    strike = 100 * np.exp((rate - dividend_yield) * years + distance * vol * np.sqrt(years))
    right = rng.choice([1.0, -1.0], count)
    return right, np.full(count, 100.0), strike, years, rate, vol, dividend_yield


def shares_of_tolerance(quotes: tuple[np.ndarray, ...]) -> np.ndarray:
    """Of each quote's vol or NaN; above 1 for a violation."""
    vol, reason = explained(*quotes)
    rows = zip(*(column.tolist() for column in quotes), strict=True)
    answers = zip(rows, vol.tolist(), reason.tolist(), strict=True)
    return np.array([share_of_tolerance(*answer) for answer in answers])


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


@pytest.mark.parametrize("seed", range(4))
def test_every_random_vol_is_proved_and_every_nan_has_its_reason(seed):
    """benchmarks/implied_vol_gate.py does the same for a million."""
    shares = shares_of_tolerance(random_quotes(4_000, seed))

    assert shares.max() < 0.2


@pytest.mark.parametrize("seed", range(4))
def test_every_adversarial_vol_is_proved_and_every_nan_has_its_reason(seed):
    shares = shares_of_tolerance(adversarial_quotes(2_500, seed))

    assert shares.max() <= 1.0


@pytest.mark.parametrize("wrong", [1 + 3e-12, 1 - 3e-12])
def test_certificate_refuses_a_vol_that_is_off(wrong):
    """The tests above are worth what their certificate is."""
    row = 1.0, 2.1334, 60.0, 65.0, 0.25, 0.08, 0.0
    vol = float(implied_vol(*row))

    assert share_of_tolerance(row, vol, Reason.FOUND) < 0.01
    assert share_of_tolerance(row, vol * wrong, Reason.FOUND) == math.inf
    for reason in set(Reason) - {Reason.FOUND}:
        assert share_of_tolerance(row, math.nan, reason) == math.inf


def test_from_a_forward_is_as_exact():
    """Discounts are products of float64, so a discount of a power of two changes nothing."""
    right, quote, spot, strike, years, *_ = random_quotes(2_000, 7)
    quotes = right, quote, spot, strike, years, np.zeros(2_000), np.zeros(2_000)

    whole = explained(*quotes)
    halved = explained_from_forward(right, quote / 2, spot, strike, years, 0.5)

    assert shares_of_tolerance(quotes).max() < 0.2
    assert_allclose(halved.vol, whole.vol, rtol=1e-15)
    assert_array_equal(halved.reason, whole.reason)


def test_from_a_forward_agrees_with_from_a_spot():
    right, spot, strike, years, rate, vol, dividend_yield = random_options(5_000, 3.0)
    forward, discount = spot * np.exp((rate - dividend_yield) * years), np.exp(-rate * years)
    quote = price_from_forward(right, forward, strike, years, discount, vol)

    found = implied_vol_from_forward(right, quote, forward, strike, years, discount)

    again = implied_vol(right, quote, spot, strike, years, rate, dividend_yield)
    vega = greeks(right, spot, strike, years, rate, vol, dividend_yield).vega
    rounding = 8 * np.spacing(np.maximum(spot, strike)) / vega
    assert np.all(np.abs(found - vol) <= np.maximum(1e-12 * vol, rounding))
    assert np.all(np.abs(found - again) <= np.maximum(1e-12 * vol, rounding))


def test_fast_and_single_solutions_agree():
    """What the compiled stages solve, solved again one by one in a hundred digits."""
    quotes = random_quotes(300, 11)
    fast = explained(*quotes)

    rows = zip(*(column.tolist() for column in quotes), strict=True)
    single = [module._solved_singly(*row) for row in rows]

    vols, reasons = np.array(single).T
    assert_array_equal(fast.reason, reasons)
    found = fast.reason == Reason.FOUND
    vega = greeks(quotes[0], *quotes[2:6], fast.vol, quotes[6]).vega
    rounding = 2 * np.spacing(quotes[1]) / vega
    assert np.all((np.abs(fast.vol - vols) <= np.maximum(3e-14 * vols, rounding))[found])


def test_hardly_an_ordinary_option_is_left_to_be_solved_singly(monkeypatch):
    """They take a thousand times as long; what is found here is found by the kernels alone."""
    monkeypatch.setattr(module, "_solved_singly", lambda *_: (math.nan, Reason.BAD_INPUT))

    _, reason = explained(*random_quotes(100_000, 3))

    assert np.mean(reason == Reason.BAD_INPUT) < 5e-5


@pytest.mark.parametrize("kernel", [module._from_spot, module._from_forward])
def test_stages_are_made_of_vectors(kernel):
    """Some 100 multiplications and additions of several options at once in the longest."""
    loop = vector_loop(kernel.assembly())

    assert loop.packed >= 90
    assert loop.scalar == 0


def test_against_vollib():
    """Jaeckel's LetsBeRational, scalar, on what both can solve."""
    market = random_options(300, 4.0)
    right, spot, strike, years, rate, _, dividend_yield = market
    prices = price(*market)
    found = implied_vol(right, prices, spot, strike, years, rate, dividend_yield)
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


TABLE = {
    Reason.BELOW_INTRINSIC: [
        ("call below intrinsic", C, 9.99, 110, 100, 0.25, 0.0),
        ("call at intrinsic", C, 10.0, 110, 100, 0.25, 0.0),
        ("put at intrinsic of nothing but carry", P, 0.5, 100, 99, 0.25, 0.0, 0.1),
        ("nothing bid", P, 0.0, 110, 100, 0.25, 0.0),
        ("negative price", P, -0.5, 110, 100, 0.25, 0.0),
    ],
    Reason.ABOVE_BOUND: [
        ("call at the spot", C, 110.0, 110, 100, 0.25, 0.0),
        ("put at the strike", P, 100.0, 110, 100, 0.25, 0.0),
        ("put above the discounted strike", P, 99.0, 110, 100, 0.25, 0.05),
        ("call above the spot less dividends", C, 109.0, 110, 100, 0.25, 0.0, 0.05),
        ("dearer than anything", C, 1.7e308, 110, 100, 0.25, 0.0),
    ],
    Reason.UNDETERMINED: [
        ("next to intrinsic", C, math.nextafter(10.0, 11.0), 110, 100, 0.25, 0.0),
        ("eight deviations in the money", C, 55.00000000000001, 100, 45, 0.25, 0.0),
        ("next to the spot", C, math.nextafter(110.0, 0.0), 110, 100, 0.25, 0.0),
    ],
    Reason.BAD_INPUT: [
        ("no time", C, 5.0, 100, 100, 0.0, 0.0),
        ("over", C, 5.0, 100, 100, -0.1, 0.0),
        ("no spot", C, 5.0, 0, 100, 0.25, 0.0),
        ("no strike", C, 5.0, 100, 0, 0.25, 0.0),
        ("negative spot and strike", C, 5.0, -100, -100, 0.25, 0.0),
        ("infinite price", C, math.inf, 100, 100, 0.25, 0.0),
        ("infinite spot", C, 5.0, math.inf, 100, 0.25, 0.0),
        ("for ever", C, 5.0, 100, 100, math.inf, 0.0),
        ("no such right", 0, 5.0, 100, 100, 0.25, 0.0),
        ("NaN price", C, math.nan, 100, 100, 0.25, 0.0),
        ("NaN spot", C, 5.0, math.nan, 100, 0.25, 0.0),
        ("NaN strike", C, 5.0, 100, math.nan, 0.25, 0.0),
        ("NaN time", C, 5.0, 100, 100, math.nan, 0.0),
        ("infinite spot and strike", C, 5.0, math.inf, math.inf, 0.25, 0.0),
        ("infinite rate", C, 5.0, 100, 100, 0.25, -math.inf),
        ("NaN rate", C, 5.0, 100, 100, 0.25, math.nan),
        ("NaN yield", C, 5.0, 100, 100, 0.25, 0.0, math.nan),
        ("discounted to nothing", C, 5.0, 100, 100, 3.0, 1e4),
    ],
}


@pytest.mark.parametrize(
    ("reason", "row"),
    [
        pytest.param(reason, row, id=name)
        for reason, rows in TABLE.items()
        for name, *row in rows
    ],
)
def test_nan_and_its_reason_where_no_vol_explains_the_price(reason, row):
    answer = explained(*row)

    assert np.isnan(answer.vol)
    assert np.isnan(implied_vol(*row))
    assert Reason(answer.reason) is reason


def test_bad_input_from_a_forward():
    """Forward, strike, years and discount have to be positive."""
    good = [1.0, 5.0, 100.0, 100.0, 0.25, 0.9]
    odd = 0.0, -1.0, math.nan, math.inf
    rows = [[*good[:i], bad, *good[i + 1 :]] for i in range(2, 6) for bad in odd]

    vol, reason = explained_from_forward(*zip(*rows, strict=True))

    assert np.isfinite(implied_vol_from_forward(*good))
    assert np.isnan(vol).all()
    assert (reason == Reason.BAD_INPUT).all()


def test_nan_where_the_price_does_not_determine_the_vol():
    """Seven deviations in the money a rounding of the price is worth 3e-5 of vol."""
    deep = price(C, 100, [50, 95], 0.25, 0.0, 0.2)

    found = implied_vol(C, deep, 100, [50, 95], 0.25, 0.0)

    assert deep[0] > 50
    assert np.isnan(found[0])
    assert found[1] == pytest.approx(0.2, abs=1e-12)


def test_threshold_of_undetermined_is_sharp():
    """Vols within 2e-4 of the one at which a rounding of the price moves it by 1e-6."""
    vol = 0.2
    for bit in range(1, 40):
        _, reason = explained(C, price(C, 100, 60, 0.25, 0.0, vol), 100, 60, 0.25, 0.0)
        vol *= 1 + 0.5**bit * (-1 if reason == Reason.FOUND else 1)
    vols = vol * np.linspace(0.9998, 1.0002, 400)
    terms = 1.0, price(C, 100, 60, 0.25, 0.0, vols), 100.0, 60.0, 0.25, 0.0, 0.0

    quotes = tuple(np.ascontiguousarray(np.broadcast_to(term, 400)) for term in terms)

    assert shares_of_tolerance(quotes).max() <= 1.0
    assert set(explained(*quotes).reason) == {Reason.FOUND, Reason.UNDETERMINED}


def test_no_input_raises_or_warns():
    """Every combination of odd numbers; pytest turns any warning into an error."""
    odd = [0.0, 1e-300, 1.0, 1e300, math.inf, -1.0, math.nan]
    grid = np.meshgrid([1, -1, 2], odd, odd, odd, odd, [0, 0.1, math.inf], [0, -0.1, math.nan])

    found = implied_vol(*(axis.ravel() for axis in grid))

    assert np.all(np.isnan(found) | (found >= 0))  # 0 where it underflows, at 1e-450
    assert np.isfinite(found).any()


def test_broadcasting_and_scalars():
    quotes = price([[1], [-1]], 100, [90, 100, 110], 0.5, 0.03, 0.2)

    found = implied_vol([[1], [-1]], quotes, 100, [90, 100, 110], 0.5, 0.03)

    assert_allclose(found, np.full((2, 3), 0.2), rtol=1e-12)
    assert isinstance(implied_vol(C, 5, 100, 100, 1, 0.0), float)
    assert implied_vol(C, [], 100, 100, 1, 0.0).shape == (0,)
    vol, reason = explained([[1], [-1]], quotes, 100, [90, 100, 110], 0.5, 0.03)
    assert_array_equal(vol, found)
    assert reason.shape == (2, 3) and reason.dtype == np.int8
    with pytest.raises(ValueError, match="shape"):
        implied_vol([1, 1], [1.0, 2.0, 3.0], 100, 100, 1, 0.0)
