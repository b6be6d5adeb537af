"""When the New York Stock Exchange is closed, and when it closes early: rules and exceptions.

A process that asks a library for these dates first imports pandas and then waits half a second;
these rules take a millisecond. A test holds them to exchange_calendars on every day.

Source: NYSE Rule 7.2 and the exchange's announced holidays and early closings, read 2026-11;
its closings of old as exchange_calendars 4.13 lists them.
"""

from collections.abc import Iterator
from datetime import date, time, timedelta

_MONDAY, _WEDNESDAY, _THURSDAY, _FRIDAY, _SATURDAY, _SUNDAY = 0, 2, 3, 4, 5, 6
_ONE_DAY = timedelta(days=1)
_ONE_O_CLOCK = time(13)
_TWO_O_CLOCK = time(14)

_FIRST_KING_DAY = 1998
_FIRST_JUNETEENTH = 2022
_FIRST_SHORT_FRIDAY = 1992  # after Thanksgiving
_FIRST_SHORT_JULY = 1995
_ALWAYS_THE_EVE_OF_JULY_4 = 2013  # when the 4th is a Thursday, it was the Friday before this
_FIRST_CLOSE_AT_ONE = date(1993, 1, 1)

# Days of mourning, the attacks of September 2001, the storm of October 2012.
_CLOSED_ONCE = """
1994-04-27 2001-09-11 2001-09-12 2001-09-13 2001-09-14 2004-06-11 2007-01-02 2012-10-29
2012-10-30 2018-12-05 2025-01-09
""".split()
_EARLY_ONCE = "1997-12-26 1999-12-31 2003-12-26".split()


def holidays(year: int) -> frozenset[date]:
    """The weekdays of a year on which the exchange does not open.

    >>> sorted(f"{day:%b %d}" for day in holidays(2026))  # doctest: +NORMALIZE_WHITESPACE
    ['Apr 03', 'Dec 25', 'Feb 16', 'Jan 01', 'Jan 19', 'Jul 03', 'Jun 19', 'May 25', 'Nov 26',
     'Sep 07']
    """
    once = (day for day in map(date.fromisoformat, _CLOSED_ONCE) if day.year == year)
    return frozenset({*_yearly(year), *once})


def early_closes(year: int) -> dict[date, time]:
    """The sessions of a year that end before 16:00, and when.

    >>> {day.isoformat(): f"{at:%H:%M}" for day, at in early_closes(2026).items()}
    {'2026-11-27': '13:00', '2026-12-24': '13:00'}
    """
    once = (day for day in map(date.fromisoformat, _EARLY_ONCE) if day.year == year)
    days = sorted({*_eves(year), *once} - holidays(year))
    return {day: _ONE_O_CLOCK if day >= _FIRST_CLOSE_AT_ONE else _TWO_O_CLOCK for day in days}


def _yearly(year: int) -> Iterator[date]:
    new_year = date(year, 1, 1)
    if new_year.weekday() != _SATURDAY:  # the Friday before it belongs to the old year's books
        yield _observed(new_year)
    if year >= _FIRST_KING_DAY:
        yield _weekday(year, 1, _MONDAY, 3)
    yield _weekday(year, 2, _MONDAY, 3)
    yield easter(year) - 2 * _ONE_DAY
    yield _weekday(year, 6, _MONDAY, 1) - 7 * _ONE_DAY  # the last of May
    if year >= _FIRST_JUNETEENTH:
        yield _observed(date(year, 6, 19))
    yield _observed(date(year, 7, 4))
    yield _weekday(year, 9, _MONDAY, 1)
    yield _weekday(year, 11, _THURSDAY, 4)
    yield _observed(date(year, 12, 25))


def _eves(year: int) -> Iterator[date]:
    """The sessions beside a holiday that are cut short."""
    if year >= _FIRST_SHORT_FRIDAY:
        yield _weekday(year, 11, _THURSDAY, 4) + _ONE_DAY
    if date(year, 12, 24).weekday() <= _THURSDAY:
        yield date(year, 12, 24)
    third = date(year, 7, 3)
    if year >= _FIRST_SHORT_JULY and third.weekday() <= _THURSDAY:
        is_old_thursday = third.weekday() == _WEDNESDAY and year < _ALWAYS_THE_EVE_OF_JULY_4
        yield date(year, 7, 5) if is_old_thursday else third


def _observed(day: date) -> date:
    """The Friday before a holiday on a Saturday, the Monday after one on a Sunday."""
    shift = {_SATURDAY: -_ONE_DAY, _SUNDAY: _ONE_DAY}
    return day + shift.get(day.weekday(), timedelta())


def _weekday(year: int, month: int, weekday: int, count: int) -> date:
    """The ``count``-th such weekday of a month."""
    first = date(year, month, 1)
    return first + ((weekday - first.weekday()) % 7 + 7 * (count - 1)) * _ONE_DAY


def easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar.

    Source: the anonymous rule in Nature 13 (1876), as corrected and named after Butcher, in
    Meeus, Astronomical Algorithms (1991), chapter 8.

    >>> easter(2026).isoformat()
    '2026-04-05'
    """
    cycle, century, rest = year % 19, year // 100, year % 100
    leaps = (century - (century + 8) // 25 + 1) // 3
    moon = (19 * cycle + century - century // 4 - leaps + 15) % 30
    weekday = (32 + 2 * (century % 4) + 2 * (rest // 4) - moon - rest % 4) % 7
    late = (cycle + 11 * moon + 22 * weekday) // 451
    month, day = divmod(moon + weekday - 7 * late + 114, 31)
    return date(year, month, day + 1)
