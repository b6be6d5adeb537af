"""Sessions, expiries and time to expiry, checked against typed facts and a real price file."""

import csv
import gzip
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.values import calendars
from dollarbill_core.values.calendars import (
    MARKET_ZONE,
    close_instant,
    expiry_instant,
    is_early_close,
    is_session,
    last_trade_instant,
    last_trading_day,
    monthly_expiries,
    monthly_expiry,
    next_session,
    open_instant,
    previous_session,
    session_on_or_before,
    sessions,
    weekly_expiries,
    years_between,
)
from dollarbill_core.values.contracts import Option, Right

# From exchange_calendars 4.13 (XNYS); typed here so that no release moves them unnoticed.
# fmt: off
CLOSED_WEEKDAYS = [
    "2026-01-01", "2026-01-19", "2026-02-16", "2026-04-03", "2026-05-25", "2026-06-19",
    "2026-07-03", "2026-09-07", "2026-11-26", "2026-12-25", "2027-01-01", "2027-01-18",
    "2027-02-15", "2027-03-26", "2027-05-31", "2027-06-18",
]
# fmt: on
EARLY_CLOSES_2026 = ["2026-11-27", "2026-12-24"]

days = st.dates(date(1990, 3, 1), date(2035, 8, 31))
instants = st.datetimes(datetime(1995, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))


@pytest.fixture(scope="module", autouse=True)
def calendar_is_built():
    """Once, before Hypothesis times its first example."""
    is_session(date(2026, 1, 2))


def day(text: str) -> date:
    return date.fromisoformat(text)


def option(root: str, expiry: str) -> Option:
    return Option(root, day(expiry), Decimal(100), Right.PUT)


def weekdays(start: date, end: date) -> list[date]:
    every = (start + timedelta(days=n) for n in range((end - start).days + 1))
    return [each for each in every if each.weekday() < 5]


def test_closed_weekdays_are_the_published_holidays():
    start, end = day("2026-01-01"), day("2027-06-30")

    closed = [each for each in weekdays(start, end) if not is_session(each)]

    assert [each.isoformat() for each in closed] == CLOSED_WEEKDAYS
    assert set(sessions(start, end)) == set(weekdays(start, end)) - set(closed)


@pytest.mark.parametrize(
    "closed",
    [
        pytest.param(["2001-09-11", "2001-09-12", "2001-09-13", "2001-09-14"], id="attacks"),
        pytest.param(["2012-10-29", "2012-10-30"], id="hurricane"),
        pytest.param(["2018-12-05", "2025-01-09"], id="days of mourning"),
        pytest.param(["2026-07-04", "2026-07-05"], id="weekend"),
    ],
)
def test_market_was_closed(closed):
    assert not any(is_session(day(each)) for each in closed)


def test_sessions_are_the_dates_of_twenty_years_of_index_prices():
    """The S&P 500 file that the arch package ships, 1999 to 2018."""
    folder = Path(find_spec("arch").submodule_search_locations[0])
    with gzip.open(folder / "data" / "sp500" / "sp500.csv.gz", "rt") as file:
        dates = [row["Date"].split("/") for row in csv.DictReader(file)]
    traded = [date(int(year), int(month), int(number)) for month, number, year in dates]

    assert list(sessions(traded[0], traded[-1])) == traded


def test_early_closes_of_2026():
    year = sessions(day("2026-01-01"), day("2026-12-31"))

    early = [each for each in year if is_early_close(each)]

    assert [each.isoformat() for each in early] == EARLY_CLOSES_2026
    assert {close_instant(each).strftime("%H:%M") for each in early} == {"13:00"}
    assert {close_instant(each).strftime("%H:%M") for each in set(year) - set(early)} == {
        "16:00"
    }


@pytest.mark.parametrize(
    ("session", "opens", "closes"),
    [
        pytest.param("2026-03-06", "14:30", "21:00", id="winter"),
        pytest.param("2026-03-09", "13:30", "20:00", id="first day of summer time"),
        pytest.param("2026-10-30", "13:30", "20:00", id="summer"),
        pytest.param("2026-11-02", "14:30", "21:00", id="first day of winter time"),
    ],
)
def test_open_and_close_in_utc_move_with_the_clocks(session, opens, closes):
    assert open_instant(day(session)).astimezone(UTC).strftime("%H:%M") == opens
    assert close_instant(day(session)).astimezone(UTC).strftime("%H:%M") == closes
    assert open_instant(day(session)).tzinfo is MARKET_ZONE


@pytest.mark.parametrize("function", [open_instant, close_instant, is_early_close])
def test_a_closed_day_has_no_instants(function):
    with pytest.raises(ValueError, match="closed on Friday 2026-07-03"):
        function(day("2026-07-03"))


@given(days, st.integers(1, 40))
def test_next_and_previous_undo_each_other_from_a_session(start, count):
    session = session_on_or_before(start)

    assert previous_session(next_session(session, count), count) == session
    assert len(sessions(session, next_session(session, count))) == count + 1


@given(days)
def test_neighbouring_sessions_are_strict_and_adjacent(start):
    before, after = previous_session(start), next_session(start)

    assert before < start < after
    assert sessions(before, after) == (before, *([start] if is_session(start) else []), after)
    assert session_on_or_before(start) == (start if is_session(start) else before)


@pytest.mark.parametrize(
    ("month", "expiry"),
    [
        pytest.param("2026-11", "2026-11-20", id="third Friday"),
        pytest.param("2026-05", "2026-05-15", id="month that begins on a Friday"),
        pytest.param("2026-08", "2026-08-21", id="month that begins on a Saturday"),
        pytest.param("2026-06", "2026-06-18", id="Juneteenth, Thursday"),
        pytest.param("2027-06", "2027-06-17", id="Juneteenth observed, Thursday"),
        pytest.param("2008-03", "2008-03-20", id="Good Friday 2008"),
        pytest.param("2014-04", "2014-04-17", id="Good Friday 2014"),
        pytest.param("2019-04", "2019-04-18", id="Good Friday 2019"),
    ],
)
def test_monthly_expiry(month, expiry):
    year, number = map(int, month.split("-"))

    assert monthly_expiry(year, number) == day(expiry)


@given(days, days)
def test_one_monthly_expiry_a_month_and_each_is_a_weekly_one_too(one, other):
    start = min(one, other)
    end = min(max(one, other), start + timedelta(days=800))

    monthly = monthly_expiries(start, end)

    assert len({(each.year, each.month) for each in monthly}) == len(monthly)
    assert all(start <= each <= end and 14 <= each.day <= 21 for each in monthly)
    assert set(monthly) <= set(weekly_expiries(start, end))


@given(days)
def test_weekly_expiries_are_each_weeks_last_session(start):
    end = start + timedelta(days=120)

    expected = [
        each
        for each in sessions(start, end)
        if next_session(each) >= each + timedelta(days=(5 - each.weekday()))
    ]

    assert list(weekly_expiries(start, end)) == expected


def test_weekly_expiry_before_a_holiday_friday_at_either_end_of_the_range():
    thursday, friday = day("2026-06-18"), day("2026-06-19")

    assert weekly_expiries(thursday, thursday) == (thursday,)
    assert weekly_expiries(friday, friday) == ()
    assert weekly_expiries(day("2035-12-29"), day("2035-12-31")) == ()
    assert weekly_expiries(friday, thursday) == monthly_expiries(friday, thursday) == ()


@pytest.mark.parametrize(
    ("root", "expiry", "instant"),
    [
        pytest.param("AAPL", "2014-06-21", "2014-06-20T16:00:00-04:00", id="Saturday expiry"),
        pytest.param("SPY", "2008-03-22", "2008-03-20T16:00:00-04:00", id="and Good Friday"),
        pytest.param("SPXW", "2026-11-20", "2026-11-20T16:00:00-05:00", id="PM index"),
        pytest.param("SPX", "2026-11-20", "2026-11-20T09:30:00-05:00", id="AM index"),
        pytest.param("SPX", "2012-06-16", "2012-06-15T09:30:00-04:00", id="AM, Saturday"),
        pytest.param("VIX", "2026-11-18", "2026-11-18T09:30:00-05:00", id="VIX, Wednesday"),
        pytest.param("SPY", "2026-11-27", "2026-11-27T13:00:00-05:00", id="early close"),
    ],
)
def test_expiry_instant(root, expiry, instant):
    assert expiry_instant(option(root, expiry)).isoformat() == instant


@pytest.mark.parametrize(
    ("symbol", "instant"),
    [
        pytest.param("SPX261120P06000000", "2026-11-19 16:15", id="AM: the session before"),
        pytest.param("VIX261118C00020000", "2026-11-17 16:15", id="VIX: Tuesday"),
        pytest.param("RUT261218P02000000", "2026-12-17 16:15", id="RUT"),
        pytest.param("SPX110122P01000000", "2011-01-20 16:15", id="AM, dated on a Saturday"),
        pytest.param("SPXW261120P06000000", "2026-11-20 16:00", id="SPXW stops at the close"),
        pytest.param("SPY261120P00600000", "2026-11-20 16:15", id="SPY: a quarter longer"),
        pytest.param("SPY261127P00600000", "2026-11-27 13:15", id="SPY, an early close"),
        pytest.param("AAPL140621C00645000", "2014-06-20 16:00", id="a stock, on a Saturday"),
    ],
)
def test_last_trade_instant(symbol, instant):
    option = Option.from_occ(symbol)

    assert f"{last_trade_instant(option):%Y-%m-%d %H:%M}" == instant
    assert (last_trade_instant(option) < expiry_instant(option)) is option.is_am_settled


def test_saturday_expiry_is_decided_on_friday():
    assert last_trading_day(day("2014-06-21")) == day("2014-06-20")
    assert last_trading_day(day("2014-06-20")) == day("2014-06-20")


def test_365_days_are_one_year_even_in_a_leap_year():
    start = datetime(2024, 1, 1, tzinfo=UTC)

    assert years_between(start, start + timedelta(days=365)) == 1.0
    assert years_between(start, datetime(2025, 1, 1, tzinfo=UTC)) == 366 / 365


def test_the_hour_lost_in_spring_is_not_counted():
    saturday = datetime(2026, 3, 7, 12, tzinfo=MARKET_ZONE)
    sunday = datetime(2026, 3, 8, 12, tzinfo=MARKET_ZONE)

    assert years_between(saturday, sunday) == 23 / 24 / 365


@given(instants, instants, instants)
def test_years_add_up_and_change_sign(first, second, third):
    whole = years_between(first, second) + years_between(second, third)

    assert whole == pytest.approx(years_between(first, third), abs=1e-12)
    assert years_between(first, second) == -years_between(second, first)


@given(instants, instants)
def test_years_do_not_depend_on_the_zone(first, second):
    tokyo = first.astimezone(ZoneInfo("Asia/Tokyo"))

    assert years_between(tokyo, second.astimezone(MARKET_ZONE)) == years_between(first, second)


def test_naive_instants_are_refused():
    naive, aware = datetime(2026, 1, 2), datetime(2026, 1, 2, tzinfo=UTC)

    for pair in [(naive, aware), (aware, naive)]:
        with pytest.raises(ValueError, match="time zone"):
            years_between(*pair)


@pytest.mark.parametrize("bad", [date(1989, 12, 29), date(2036, 1, 2), datetime(2026, 1, 2)])
def test_days_that_the_calendar_does_not_hold_are_refused(bad):
    for function in [is_session, next_session, previous_session, session_on_or_before]:
        with pytest.raises(ValueError, match=r"calendar runs|not an instant"):
            function(bad)


def test_the_ends_of_the_calendar_are_errors_not_wrong_days():
    for step, end in [
        (previous_session, calendars.FIRST_DAY),
        (next_session, calendars.LAST_DAY),
    ]:
        with pytest.raises(ValueError, match="calendar runs from 1990-01-02 to 2035-12-31"):
            step(end)
    with pytest.raises(ValueError, match="count must be 1 or more"):
        next_session(day("2026-01-02"), 0)


def test_importing_the_calendar_and_the_prices_is_cheap():
    code = (
        "import sys; import dollarbill_core.values.calendars, dollarbill_core.pricing.payoff, "
        "dollarbill_core.pricing.implied_vol; "
        "print({'pandas', 'exchange_calendars', 'scipy.stats', 'vollib'} & set(sys.modules))"
    )

    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert run.stdout.strip() == "set()"
