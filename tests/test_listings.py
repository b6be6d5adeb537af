"""Listing rules: what exists on a day, what stays listed, and in which ticks it is quoted."""

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.market.listings import (
    DAYS_AHEAD,
    NICKELS,
    PENNIES,
    SESSIONS_LISTED,
    index_expiries,
    index_strikes,
    stock_expiries,
    stock_strikes,
    stock_ticks,
)
from dollarbill_core.values.calendars import is_session, sessions

days = st.dates(date(1999, 1, 4), date(2022, 12, 28))


@pytest.mark.parametrize(
    ("day", "weeks"),
    [
        pytest.param(date(2005, 10, 27), 0, id="monthlies alone"),
        pytest.param(date(2005, 10, 28), 1, id="the first weekly"),
        pytest.param(date(2005, 11, 4), 2, id="it expires, the next is listed"),
        pytest.param(date(2012, 5, 7), 4, id="five Fridays"),
        pytest.param(date(2014, 1, 6), 5, id="six weeklies and the monthly"),
    ],
)
def test_weeklies_listed(day, weeks):
    weeklies = [x for x in index_expiries(day) if not 15 <= x.day <= 21]

    assert len(weeklies) == weeks


@given(day=days)
def test_no_expiry_is_past_and_all_are_sessions_in_order(day):
    for expiries in (index_expiries(day), stock_expiries(day)):
        assert all(is_session(expiry) for expiry in expiries)
        assert day <= expiries[0] <= expiries[-1] <= day + timedelta(days=DAYS_AHEAD)
        assert list(expiries) == sorted(set(expiries))


@given(day=days)
def test_an_expiry_once_listed_stays_listed(day):
    later = day + timedelta(days=1)

    assert {x for x in index_expiries(day) if x >= later} <= set(index_expiries(later))
    assert {x for x in stock_expiries(day) if x >= later} <= set(stock_expiries(later))


@pytest.mark.parametrize(
    ("expiries", "day", "own"),
    [
        pytest.param(index_expiries, date(2003, 2, 21), True, id="index monthly"),
        pytest.param(index_expiries, date(2003, 2, 28), False, id="before weeklies"),
        pytest.param(index_expiries, date(2014, 2, 28), True, id="index weekly"),
        pytest.param(index_expiries, date(2014, 4, 17), True, id="the eve of Good Friday"),
        pytest.param(stock_expiries, date(2014, 2, 21), True, id="stock monthly"),
        pytest.param(stock_expiries, date(2014, 2, 28), False, id="stocks have no weeklies"),
    ],
)
def test_an_expiry_is_listed_on_its_own_day(expiries, day, own):
    assert (expiries(day)[0] == day) is own


def test_two_near_months_follow_the_one_that_expires():
    assert stock_expiries(date(2014, 2, 21)) == (
        date(2014, 2, 21),
        *stock_expiries(date(2014, 2, 22)),
    )


@given(day=st.dates(date(2014, 1, 2), date(2018, 12, 31)))
def test_thirty_days_lie_between_two_listed_fridays(day):
    ahead = [(expiry - day).days for expiry in index_expiries(day)]

    assert any(23 <= x <= 30 for x in ahead)
    assert any(30 <= x <= 38 for x in ahead)


def test_no_option_lives_for_more_sessions_than_its_strike_is_kept():
    year = sessions(date(2015, 1, 1), date(2015, 12, 31))

    lives = [len(sessions(day, day + timedelta(days=DAYS_AHEAD))) for day in year]

    assert max(lives) <= SESSIONS_LISTED


def test_index_strikes_are_fine_near_and_coarse_far():
    strikes, listed = index_strikes(np.array([[1500.0], [1900], [2050], [2200]]))

    gaps = {
        int(strike): int(gap) for strike, gap in zip(strikes, np.diff(strikes), strict=False)
    }
    assert gaps[1500] == 25
    assert gaps[1900] == 5
    assert gaps[2045] == 5
    assert gaps[2050] == 25
    assert strikes[-1] == 2200
    assert listed.all()


def test_each_expiry_lists_within_its_own_bounds():
    bounds = np.array([[1500.0, 1700], [1900, 1950], [2050, 2000], [2200, 2100]])

    strikes, listed = index_strikes(bounds)

    alone = index_strikes(bounds[:, 1:])[0]
    assert strikes[listed[1]].tolist() == alone.tolist()
    assert strikes[listed[0]].tolist() == index_strikes(bounds[:, :1])[0].tolist()


def test_the_lowest_index_strike_is_positive():
    assert index_strikes(np.array([[3.0], [400], [500], [600]]))[0][0] == 25


@pytest.mark.parametrize(
    ("day", "low", "high", "strikes"),
    [
        pytest.param(date(2003, 6, 2), 20, 31, [20, 22.5, 25, 30], id="2.50 to 25, then 5"),
        pytest.param(date(2006, 6, 1), 65, 86, [65, 67.5, 70, 72.5, 75, 80, 85], id="to 75"),
        pytest.param(date(2015, 6, 1), 46, 53, [46, 47, 47.5, 48, 49, 50, 52.5], id="1 to 50"),
        pytest.param(date(2015, 6, 1), 975, 1101, [980, 990, 1000, 1050, 1100], id="50 above"),
        pytest.param(date(2015, 6, 1), 190, 231, [190, 195, 200, 210, 220, 230], id="10 above"),
    ],
)  # fmt: skip
def test_stock_strikes(day, low, high, strikes):
    found, listed = stock_strikes(day, np.array([[low], [low], [high], [high]], float))

    assert found[listed[0]].tolist() == strikes


def test_a_new_programme_takes_no_strike_away():
    bounds = np.array([[5.0], [5], [400], [400]])

    before, after = (
        stock_strikes(day, bounds)[0] for day in (date(2010, 6, 30), date(2010, 7, 1))
    )

    assert set(before) < set(after)


@pytest.mark.parametrize(
    ("symbol", "day", "ticks"),
    [
        pytest.param("GE", date(2007, 1, 25), NICKELS, id="the eve of the pilot"),
        pytest.param("GE", date(2007, 1, 26), PENNIES, id="a first class"),
        pytest.param("KO", date(2010, 7, 30), NICKELS, id="a later class, before"),
        pytest.param("KO", date(2010, 8, 2), PENNIES, id="a later class, after"),
    ],
)
def test_stock_ticks(symbol, day, ticks):
    assert stock_ticks(symbol, day) == ticks


@given(price=st.floats(0, 500))
@pytest.mark.parametrize("ticks", [NICKELS, PENNIES], ids=["nickels", "pennies"])
def test_quotes_lie_on_ticks_around_the_price(ticks, price):
    low, high = (float(side(np.array(price))) for side in (ticks.below, ticks.above))

    assert low <= price + 1e-6
    assert high >= price - 1e-6
    assert high - low <= ticks.high + 1e-6
    for quote in (low, high):
        tick = ticks.low if quote < 3 else ticks.high
        assert round(quote / tick) == pytest.approx(quote / tick, abs=1e-6)
        assert quote == round(quote, 2)


def test_a_bid_may_be_nothing_but_an_ask_is_a_tick():
    assert NICKELS.below(np.array(0.049)) == 0
    assert NICKELS.above(np.array(0.0)) == 0.05
    assert NICKELS.below(np.array(-1.0)) == 0
