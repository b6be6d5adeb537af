"""The exchange's holidays: every day from 1990 to 2035 as a library knows them."""

from datetime import date, time
from warnings import catch_warnings

import pytest

from dollarbill_core.values.calendars import FIRST_DAY, LAST_DAY
from dollarbill_core.values.holidays import early_closes, easter, holidays

YEARS = range(FIRST_DAY.year, LAST_DAY.year + 1)


@pytest.fixture(scope="module")
def library():
    from exchange_calendars.exchange_calendar_xnys import XNYSExchangeCalendar

    with catch_warnings(action="ignore", category=DeprecationWarning):  # of pandas 3.1
        return XNYSExchangeCalendar(start=FIRST_DAY.isoformat(), end=LAST_DAY.isoformat())


def test_every_session_is_the_librarys(library):
    from dollarbill_core.values.calendars import sessions

    theirs = tuple(day.date() for day in library.sessions)

    assert sessions(FIRST_DAY, LAST_DAY) == theirs
    assert len(theirs) > 11_000


def test_every_early_close_is_the_librarys(library):
    closes = library.closes[library.early_closes].dt.tz_convert("America/New_York")
    theirs = {day.date(): close.time() for day, close in closes.items()}

    ours = {day: at for year in YEARS for day, at in early_closes(year).items()}

    assert ours == theirs


def test_no_holiday_is_a_weekend_and_no_early_close_a_holiday():
    for year in YEARS:
        assert all(day.weekday() < 5 for day in holidays(year))
        assert not holidays(year) & early_closes(year).keys()


@pytest.mark.parametrize(
    ("year", "sunday"),
    [(1990, "04-15"), (2000, "04-23"), (2008, "03-23"), (2011, "04-24"), (2024, "03-31")],
)
def test_easter(year, sunday):
    assert easter(year).isoformat() == f"{year}-{sunday}"


def test_mourning_and_storms_are_remembered():
    assert date(2012, 10, 29) in holidays(2012)
    assert date(2025, 1, 9) in holidays(2025)
    assert early_closes(1992)[date(1992, 11, 27)] == time(14)
