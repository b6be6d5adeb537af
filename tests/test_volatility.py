"""The standing of a vol in its year, 30-day vol, and the VIX by Cboe's method."""

import math
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.market.carry import Rates
from dollarbill_core.market.chains import Chain, NoQuote
from dollarbill_core.market.strikes import strike_on_surface
from dollarbill_core.market.surface import Surface, surface_of
from dollarbill_core.market.volatility import (
    NINETY_DAYS,
    THIRTY_DAYS,
    at_the_money_vol,
    iv_percentile,
    iv_rank,
    measures,
    parity_forward,
    strip_variance,
    term_slope,
    variance_premium,
    vix,
)
from dollarbill_core.pricing import black_scholes
from dollarbill_core.values.calendars import close_instant, expiry_instant, years_between
from dollarbill_core.values.contracts import Option, Right
from dollarbill_core.values.provenance import Quotes
from tests.real_quotes import spx_chain

DAY = date(2018, 5, 1)
NEAR, FAR = date(2018, 5, 25), date(2018, 6, 8)  # 24 and 38 days
vols = st.lists(st.floats(0.05, 1.0), min_size=1, max_size=300).map(np.array)


def made_chain(vol_of, expiries=(NEAR, FAR), spot=100.0, rate=0.0, step=0.5) -> Chain:
    """European quotes a hair around the price at ``vol_of(strike, years)``."""
    strikes = np.arange(40.0, 200.0, step)
    columns = {name: [] for name in ("expiry", "right", "strike", "price", "vol")}
    for expiry in expiries:
        years = years_to(expiry)
        vol = np.array([vol_of(strike, years) for strike in strikes])
        for right in Right:
            price = black_scholes.price(right, spot, strikes, years, rate, vol)
            found = (
                np.full(len(strikes), expiry),
                np.full(len(strikes), right),
                strikes,
                price,
            )
            for name, column in zip(columns, (*found, vol), strict=True):
                columns[name].append(column)
    flat = {name: np.concatenate(parts) for name, parts in columns.items()}
    price = flat["price"]
    return Chain(
        symbol="XYZ",
        as_of=close_instant(DAY),
        spot=spot,
        quotes=Quotes.MODELLED,
        roots=("XYZ",),
        root=np.zeros(len(price), np.int8),
        expiry=flat["expiry"].astype("datetime64[D]"),
        right=flat["right"].astype(np.int8),
        strike=flat["strike"],
        bid=np.where(price > 1e-6, price * 0.999, 0.0),
        ask=np.maximum(price * 1.001, 1e-6),
        vol=flat["vol"],
        delta=np.zeros(len(price)),
    )


def years_to(expiry: date) -> float:
    option = Option("XYZ", expiry, Option.from_occ("XYZ210115C00100000").strike, Right.CALL)
    return years_between(close_instant(DAY), expiry_instant(option))


@pytest.mark.parametrize(
    ("history", "rank", "percentile"),
    [
        pytest.param([0.1, 0.3, 0.2], 0.5, 1 / 3, id="in the middle"),
        pytest.param([0.1, 0.2, 0.3], 1.0, 2 / 3, id="the highest is not below itself"),
        pytest.param([0.3, 0.2, 0.1], 0.0, 0.0, id="the lowest"),
        pytest.param([0.1, 0.9, 0.2, 0.2], 0.125, 0.25, id="ties are not below"),
        pytest.param([math.nan, 0.1, 0.3, 0.2], 0.5, 1 / 3, id="unknown days do not count"),
    ],
)
def test_rank_and_percentile(history, rank, percentile):
    assert iv_rank(np.array(history)).value == pytest.approx(rank)
    assert iv_percentile(np.array(history)).value == pytest.approx(percentile)


def test_only_the_last_252_sessions_count():
    history = np.concatenate([np.full(100, 0.01), np.linspace(0.2, 0.1, 252)])

    assert iv_rank(history).value == 0
    assert str(iv_percentile(history)) == "0% (n = 252)"


def test_only_the_whole_is_told_as_a_hundred():
    rising = np.linspace(0.1, 0.2, 252)

    assert str(iv_rank(rising)) == "100% (n = 252)"
    assert iv_percentile(rising).value == 251 / 252
    assert str(iv_percentile(rising)) == "99% (n = 252)"


@pytest.mark.parametrize(
    "history", [[0.1, math.nan], [], [0.2]], ids=["unknown", "none", "one"]
)
def test_rank_of_nothing_is_not_a_number(history):
    assert math.isnan(iv_rank(np.array(history)).value)
    assert str(iv_rank(np.array(history))) == "n/a"


@given(history=vols)
def test_standings_lie_between_0_and_1_and_ignore_the_unit(history):
    for standing in (iv_rank, iv_percentile):
        value = standing(history).value
        assert math.isnan(value) or 0 <= value <= 1
        assert standing(history * 4).value == pytest.approx(value, nan_ok=True)


def test_forward_comes_from_parity():
    years = years_to(NEAR)
    part = made_chain(lambda strike, years: 0.2, rate=0.05).expiring(NEAR)

    assert parity_forward(part, years, 0.05) == pytest.approx(100 * math.exp(0.05 * years))


def test_without_a_pair_there_is_no_parity():
    calls = made_chain(lambda strike, years: 0.2).only(Right.CALL)

    with pytest.raises(NoQuote, match="both a call and a put"):
        parity_forward(calls, 0.1, 0.0)


@pytest.mark.parametrize("vol", [0.12, 0.35])
def test_a_flat_smile_has_that_vol_at_the_money_and_as_its_vix(vol):
    chain = made_chain(lambda strike, years: vol)

    assert at_the_money_vol(chain, Rates()) == pytest.approx(vol)
    assert vix(chain, Rates()) == pytest.approx(100 * vol, rel=2e-3)


def test_thirty_day_vol_is_interpolated_in_total_variance():
    chain = made_chain(lambda strike, years: 0.20 if years < THIRTY_DAYS else 0.30)
    near, far = years_to(NEAR), years_to(FAR)
    weight = (far - THIRTY_DAYS) / (far - near)

    expected = math.sqrt((weight * 0.04 * near + (1 - weight) * 0.09 * far) / THIRTY_DAYS)

    assert at_the_money_vol(chain, Rates()) == pytest.approx(expected)
    assert vix(chain, Rates()) == pytest.approx(100 * expected, rel=2e-3)


def test_a_skew_lifts_the_vix_above_the_money():
    chain = made_chain(lambda strike, years: 0.2 - 0.3 * math.log(strike / 100))

    assert at_the_money_vol(chain, Rates()) == pytest.approx(0.2, abs=1e-4)
    assert vix(chain, Rates()) > 20.2


@pytest.mark.parametrize(
    ("expiries", "known"),
    [
        pytest.param((date(2018, 5, 18),), True, id="17 days stand for 30"),
        pytest.param((date(2018, 6, 22),), True, id="52 days stand for 30"),
        pytest.param((date(2018, 5, 11),), False, id="10 days do not"),
        pytest.param((date(2018, 7, 20),), False, id="80 days do not"),
        pytest.param((date(2018, 5, 4), date(2018, 7, 20)), False, id="nor does the last week"),
    ],
)
def test_one_term_alone(expiries, known):
    vol = at_the_money_vol(made_chain(lambda strike, years: 0.2, expiries), Rates())

    assert math.isfinite(vol) is known


@pytest.mark.parametrize(
    "keep",
    [
        pytest.param(lambda strikes: strikes < 98, id="all below the forward"),
        pytest.param(lambda strikes: (strikes <= 90) | (strikes >= 110), id="none near it"),
        pytest.param(lambda strikes: strikes < 0, id="no quotes"),
    ],
)
def test_strikes_that_do_not_tell_the_vol_at_the_money(keep):
    chain = made_chain(lambda strike, years: 0.2)

    assert math.isnan(at_the_money_vol(chain.where(keep(chain.strike)), Rates()))


def test_the_strip_by_hand():
    """Cboe's formula on five strikes, written out.

    Strikes 90 to 110 by 5; out-of-the-money mids 0.5, 1.2, (2.6 + 2.6) / 2, 1.1, 0.4; F = K0.
    """
    years, strikes = years_to(NEAR), np.array([90.0, 95, 100, 105, 110])
    puts, calls = np.array([0.5, 1.2, 2.6, 6.1, 10.4]), np.array([10.5, 6.2, 2.6, 1.1, 0.4])
    part = quoted(strikes, calls, puts)

    variance = strip_variance(part, years, 0.0)

    total = 5 * (0.5 / 90**2 + 1.2 / 95**2 + 2.6 / 100**2 + 1.1 / 105**2 + 0.4 / 110**2)
    assert variance == pytest.approx(2 / years * total)


def test_the_strip_ends_at_two_strikes_without_a_bid():
    strikes = np.arange(70.0, 131, 5)
    calls = np.maximum(100 - strikes, 0) + 2.6 * np.exp(-np.abs(strikes - 100) / 6)
    puts = calls - 100 + strikes
    whole = quoted(strikes, calls, puts)
    dry = whole.right * (whole.strike - 100) > 0
    one_gap = dry & (whole.strike == 85)
    two_gaps = dry & ((whole.strike == 85) | (whole.strike == 80))

    def strip(gaps):
        bids = np.where(gaps, 0.0, whole.bid)
        part = quoted(strikes, calls, puts, bids)
        return strip_variance(part, years_to(NEAR), 0.0)

    def shortened(lowest):
        return strip_variance(whole.where(whole.strike >= lowest), years_to(NEAR), 0.0)

    assert strip(two_gaps) == pytest.approx(shortened(90))
    assert strip(one_gap) > shortened(90)  # what lies beyond one gap still counts


def quoted(strikes, calls, puts, bids=None) -> Chain:
    price = np.concatenate([calls, puts])
    count = len(price)
    return Chain(
        symbol="XYZ",
        as_of=close_instant(DAY),
        spot=100.0,
        quotes=Quotes.QUOTED,
        roots=("XYZ",),
        root=np.zeros(count, np.int8),
        expiry=np.full(count, NEAR, dtype="datetime64[D]"),
        right=np.repeat([1, -1], len(strikes)).astype(np.int8),
        strike=np.tile(strikes, 2),
        bid=price - 0.001 if bids is None else bids,
        ask=price + 0.001,
        vol=np.full(count, np.nan),
        delta=np.full(count, np.nan),
    )


def test_quotes_of_nonsense_have_no_vix():
    """Strikes a tenth of what they are, far below the forward: it outweighs the strip."""
    chain = made_chain(lambda strike, years: 0.2)
    mad = replace(chain, strike=chain.strike / 10).where(chain.strike <= 90)

    with pytest.raises(NoQuote, match="no variance"):
        vix(mad, Rates())


def test_a_vix_needs_two_expiries():
    with pytest.raises(NoQuote, match="two expiries"):
        vix(made_chain(lambda strike, years: 0.2, (NEAR,)), Rates())


def test_with_all_expiries_short_the_last_two_are_extended():
    early = (date(2018, 5, 11), date(2018, 5, 18), NEAR)
    chain = made_chain(lambda strike, years: 0.1 if years < 0.04 else 0.2, early)
    alone = made_chain(lambda strike, years: 0.1 if years < 0.04 else 0.2, early[1:])

    assert vix(chain, Rates()) == pytest.approx(vix(alone, Rates()))


# From a fitted surface.


THREE = (NEAR, FAR, date(2018, 8, 17))


def surface_with(vol_of, expiries=THREE) -> Surface:
    return surface_of(made_chain(vol_of, expiries), Rates())


def test_a_flat_surface_has_a_level_and_nothing_else():
    found = measures(surface_with(lambda strike, years: 0.2))

    assert found.at_the_money == pytest.approx(0.2, abs=1e-4)
    assert found.skew == pytest.approx(0, abs=5e-4)
    assert found.slope == pytest.approx(0, abs=5e-3)
    assert term_slope(surface_with(lambda strike, years: 0.2)) == pytest.approx(0, abs=1e-4)


def test_a_line_of_vols_has_its_slope_and_the_skew_between_its_deltas():
    surface = surface_with(lambda strike, years: 0.2 - 0.1 * math.log(strike / 100))

    found = measures(surface)

    put, call = (
        strike_on_surface(surface.smile(THIRTY_DAYS), 100.0, right, 0.25)
        for right in (Right.PUT, Right.CALL)
    )
    assert found.slope == pytest.approx(-0.1, abs=0.01)
    assert found.skew == pytest.approx(put.vol - call.vol)
    assert found.skew == pytest.approx(0.1 * math.log(call.strike / put.strike), abs=1e-3)


def test_a_smaller_delta_has_more_skew():
    surface = surface_with(lambda strike, years: 0.2 - 0.1 * math.log(strike / 100))

    assert measures(surface, delta=0.1).skew > 1.5 * measures(surface).skew


def test_the_term_slope_is_the_far_vol_less_the_near_one():
    """Total variance is linear between 24, 38 and 108 days, so vol is nearly so."""

    def vol(strike, years):
        return 0.15 + 0.2 * years

    surface = surface_with(vol)
    near, middle, far = ((vol(0, t) ** 2 * t, t) for t in map(years_to, THREE))
    shares = [
        (t - start[1]) / (end[1] - start[1])
        for t, start, end in ((THIRTY_DAYS, near, middle), (NINETY_DAYS, middle, far))
    ]

    vols = [
        math.sqrt((start[0] + share * (end[0] - start[0])) / t)
        for t, share, start, end in (
            (THIRTY_DAYS, shares[0], near, middle),
            (NINETY_DAYS, shares[1], middle, far),
        )
    ]
    assert term_slope(surface) == pytest.approx(vols[1] - vols[0], abs=2e-4)
    assert term_slope(surface_with(lambda strike, years: 0.3 - 0.2 * years)) < -0.02


def test_terms_that_the_surface_does_not_reach_are_unknown():
    near_only = surface_with(lambda strike, years: 0.2, (NEAR,))

    assert math.isfinite(measures(near_only).skew)
    lacking = measures(near_only, NINETY_DAYS)
    assert math.isnan(lacking.at_the_money) and math.isnan(lacking.skew)
    assert math.isnan(term_slope(near_only))


def test_both_ways_to_the_vol_at_the_money_agree():
    chain = made_chain(lambda strike, years: 0.2 - 0.1 * math.log(strike / 100))

    fitted = measures(surface_of(chain, Rates())).at_the_money

    assert fitted == pytest.approx(at_the_money_vol(chain, Rates()), abs=2e-4)


# Real quotes: SPX, first week of 2011.


@pytest.mark.parametrize("number", range(3, 8))
def test_real_measures(number):
    """A calm week: level 15 %, a put 3.7 points above the call, 2.4 points more at 90 days."""
    chain = spx_chain(date(2011, 1, number))
    surface = surface_of(chain, Rates(0.002))

    found = measures(surface)

    plain = at_the_money_vol(chain, Rates(0.002))
    assert found.at_the_money == pytest.approx(plain, abs=0.0015)
    assert found.skew == pytest.approx(0.037, abs=0.002)
    assert found.slope == pytest.approx(-0.62, abs=0.04)
    assert term_slope(surface) == pytest.approx(0.024, abs=0.002)


OFFICIAL_VIX = {3: 17.61, 4: 17.38, 5: 17.02, 6: 17.40, 7: 17.14}


@pytest.mark.parametrize("number", OFFICIAL_VIX)
def test_vix_of_real_chains_is_the_official_one(number):
    chain = spx_chain(date(2011, 1, number))

    assert vix(chain, Rates(0.002)) == pytest.approx(OFFICIAL_VIX[number], abs=0.05)


@pytest.mark.parametrize("number", OFFICIAL_VIX)
def test_real_at_the_money_vol_lies_two_points_below(number):
    chain = spx_chain(date(2011, 1, number))

    gap = OFFICIAL_VIX[number] - 100 * at_the_money_vol(chain, Rates(0.002))

    assert 2.0 < gap < 2.4


def test_the_variance_premium_is_in_variance_not_in_vol():
    """20 % against 15 %: 0.04 - 0.0225; nothing where either is unknown."""
    premium = variance_premium(np.array([0.20, 0.20, np.nan]), np.array([0.15, 0.25, 0.1]))

    assert premium == pytest.approx([0.0175, -0.0225, np.nan], nan_ok=True)
