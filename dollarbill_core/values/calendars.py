"""When the market is open, when options expire, and how many years lie between two instants."""

from bisect import bisect_left, bisect_right
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from dollarbill_core.values.contracts import Option
from dollarbill_core.values.holidays import early_closes, holidays

MARKET_ZONE = ZoneInfo("America/New_York")
FIRST_DAY = date(1990, 1, 2)
LAST_DAY = date(2035, 12, 31)
SECONDS_PER_YEAR = 365 * 24 * 60 * 60  # ACT/365 fixed

_OPEN = time(9, 30)
_CLOSE = time(16, 0)
_FRIDAY = 4
_ONE_DAY = timedelta(days=1)
_QUARTER_HOUR = timedelta(minutes=15)

# Options on these ETFs trade a quarter of an hour longer than shares, on their last day too.
# Source: brokers' lists of options that trade until 15:15 in Chicago, read 2026-11; exchanges
# name the classes by circular, and no circular was found.
LATE_ROOTS = frozenset(
    """
    DBA DBB DBC DBO DIA EEM EFA FXI IWM IWN IWO IWV IYR KBE KRE LQD MDY MOO OEF QQQ SLX SPY SVXY
    TLT UNG UUP UVXY VIXM VIXY VXX VXZ XHB XLB XLE XLF XLI XLK XLP XLU XLV XLY XME XRT
    """.split()
)


class _Market(NamedTuple):
    """Every session in order, and the closing times that differ from 16:00."""

    days: tuple[date, ...]
    early: dict[date, time]


@cache
def _market() -> _Market:
    """The New York Stock Exchange's sessions, built once per process."""
    every = (FIRST_DAY + timedelta(days=n) for n in range((LAST_DAY - FIRST_DAY).days + 1))
    years = range(FIRST_DAY.year, LAST_DAY.year + 1)
    closed = frozenset[date]().union(*map(holidays, years))
    days = tuple(day for day in every if day.weekday() <= _FRIDAY and day not in closed)
    early = {day: at for year in years for day, at in early_closes(year).items()}
    return _Market(days, early)


def _checked(day: date) -> date:
    if isinstance(day, datetime) or not isinstance(day, date):
        raise ValueError(f"a session is a date, not an instant, got {day!r}")
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ValueError(f"the calendar runs from {FIRST_DAY} to {LAST_DAY}, got {day}")
    return day


def is_session(day: date) -> bool:
    """Whether the New York Stock Exchange trades on ``day``.

    >>> is_session(date(2026, 7, 3)), is_session(date(2026, 7, 6))
    (False, True)
    """
    return session_on_or_before(day) == day


def sessions(start: date, end: date) -> tuple[date, ...]:
    """Every session from ``start`` to ``end``, both included; empty if ``end`` is earlier.

    >>> [f"{day:%a %d}" for day in sessions(date(2026, 11, 25), date(2026, 11, 30))]
    ['Wed 25', 'Fri 27', 'Mon 30']
    """
    days = _market().days
    return days[bisect_left(days, _checked(start)) : bisect_right(days, _checked(end))]


def next_session(day: date, count: int = 1) -> date:
    """The ``count``-th session strictly after ``day``, which need not be a session itself.

    >>> next_session(date(2026, 11, 25)).isoformat()
    '2026-11-27'
    """
    days = _market().days
    return _session_at(bisect_right(days, _checked(day)) + _positive(count) - 1)


def previous_session(day: date, count: int = 1) -> date:
    """The ``count``-th session strictly before ``day``, which need not be a session itself.

    >>> previous_session(date(2026, 11, 27)).isoformat()
    '2026-11-25'
    """
    days = _market().days
    return _session_at(bisect_left(days, _checked(day)) - _positive(count))


def session_on_or_before(day: date) -> date:
    """``day`` itself if it is a session, else the last session before it.

    >>> session_on_or_before(date(2026, 7, 5)).isoformat()
    '2026-07-02'
    """
    return _session_at(bisect_right(_market().days, _checked(day)) - 1)


def _session_at(position: int) -> date:
    days = _market().days
    if not 0 <= position < len(days):
        raise ValueError(f"the calendar runs from {FIRST_DAY} to {LAST_DAY}; no such session")
    return days[position]


def _positive(count: int) -> int:
    if count < 1:
        raise ValueError(f"count must be 1 or more, got {count}")
    return count


def _checked_session(day: date) -> date:
    if not is_session(day):
        raise ValueError(f"the market is closed on {day:%A %Y-%m-%d}")
    return day


def is_early_close(day: date) -> bool:
    """Whether the session of ``day`` ends before 16:00.

    >>> is_early_close(date(2026, 11, 27)), is_early_close(date(2026, 11, 30))
    (True, False)
    """
    return _checked_session(day) in _market().early


def open_instant(day: date) -> datetime:
    """When the session of ``day`` opens: 09:30 in New York, as an aware datetime.

    Raises ValueError if ``day`` is no session.

    >>> open_instant(date(2026, 3, 9)).isoformat()
    '2026-03-09T09:30:00-04:00'
    """
    return datetime.combine(_checked_session(day), _OPEN, MARKET_ZONE)


def close_instant(day: date) -> datetime:
    """When the session of ``day`` closes: 16:00 in New York, 13:00 on most early closes.

    Raises ValueError if ``day`` is no session.

    >>> close_instant(date(2026, 11, 27)).isoformat()
    '2026-11-27T13:00:00-05:00'
    """
    closing = _market().early.get(_checked_session(day), _CLOSE)
    return datetime.combine(day, closing, MARKET_ZONE)


def month_end(month: str) -> date:
    """The last calendar day of a month such as ``"2018-11"``.

    Raises ValueError when it is not written so.

    >>> month_end("2020-02")
    datetime.date(2020, 2, 29)
    """
    first = date.fromisoformat(f"{month}-01")
    return (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def monthly_expiry(year: int, month: int) -> date:
    """The standard monthly expiry: the third Friday, or the session before a holiday Friday.

    Source: Options Clearing Corporation, Characteristics and Risks of Standardized Options,
    "expiration date"; expiries fell on the Saturday after that Friday until January 2015.

    >>> monthly_expiry(2026, 6).strftime("%a %Y-%m-%d")  # the Friday is Juneteenth
    'Thu 2026-06-18'
    """
    first = date(year, month, 1)
    first_friday = first + (_FRIDAY - first.weekday()) % 7 * _ONE_DAY
    return session_on_or_before(first_friday + 14 * _ONE_DAY)


def monthly_expiries(start: date, end: date) -> tuple[date, ...]:
    """Every standard monthly expiry from ``start`` to ``end``, both included.

    >>> [f"{day:%b %d}" for day in monthly_expiries(date(2026, 5, 16), date(2026, 8, 21))]
    ['Jun 18', 'Jul 17', 'Aug 21']
    """
    first, last = (12 * day.year + day.month - 1 for day in (start, end))
    expiries = (monthly_expiry(*_year_and_month(month)) for month in range(first, last + 1))
    return tuple(day for day in expiries if start <= day <= end)


def _year_and_month(months: int) -> tuple[int, int]:
    return months // 12, months % 12 + 1


def weekly_expiries(start: date, end: date) -> tuple[date, ...]:
    """Every Friday from ``start`` to ``end``, or the session before a holiday Friday.

    >>> [f"{day:%a %d}" for day in weekly_expiries(date(2026, 6, 11), date(2026, 6, 26))]
    ['Fri 12', 'Thu 18', 'Fri 26']
    """
    friday = _checked(start) + (_FRIDAY - start.weekday()) % 7 * _ONE_DAY
    weeks = max((_checked(end) - friday).days // 7 + 2, 0)  # a holiday Friday may lie beyond
    fridays = (friday + 7 * week * _ONE_DAY for week in range(weeks))
    expiries = (session_on_or_before(day) for day in fridays if day <= LAST_DAY)
    return tuple(day for day in expiries if start <= day <= end)


def last_trading_day(expiry: date) -> date:
    """The session on which an option dated ``expiry`` is decided.

    Expiries of old were dated on the Saturday; their last session is the Friday. The last
    *trade* of an AM-settled option comes one session earlier still.

    >>> last_trading_day(date(2014, 6, 21)).isoformat()
    '2014-06-20'
    """
    return session_on_or_before(expiry)


def expiry_instant(option: Option) -> datetime:
    """When the price that settles ``option`` is struck, as an aware datetime in New York.

    PM-settled: the close of the last trading day. AM-settled (SPX, NDX, RUT, DJX, VIX): that
    day's open, the earliest moment at which the opening prints begin to fix the settlement.
    Source: Cboe product specifications, "Settlement of Option Exercise".

    >>> expiry_instant(Option.from_occ("SPXW261120P06000000")).strftime("%d %H:%M")
    '20 16:00'
    >>> expiry_instant(Option.from_occ("SPX261120P06000000")).strftime("%d %H:%M")
    '20 09:30'
    """
    day = last_trading_day(option.expiry)
    return open_instant(day) if option.is_am_settled else close_instant(day)


def last_trade_instant(option: Option) -> datetime:
    """When ``option`` can be traded for the last time in regular hours, aware, in New York.

    AM-settled: a quarter of an hour after the close of the session before its print, since
    index options trade that long. PM-settled index options stop at the close of their last
    day; options on some ETFs (``LATE_ROOTS``) a quarter of an hour after it, others at it.
    Source: Cboe product specifications, "Trading Hours" and "Last Trading Day", read 2026-11.

    >>> for symbol in ("SPX261120P06000000", "SPXW261120P06000000", "SPY261120P00600000"):
    ...     last_trade_instant(Option.from_occ(symbol)).strftime("%a %d %H:%M")
    'Thu 19 16:15'
    'Fri 20 16:00'
    'Fri 20 16:15'
    """
    day = last_trading_day(option.expiry)
    if option.is_am_settled:
        return close_instant(previous_session(day)) + _QUARTER_HOUR
    is_late = option.root in LATE_ROOTS
    return close_instant(day) + (_QUARTER_HOUR if is_late else timedelta())


def years_between(start: datetime, end: datetime) -> float:
    """Years from ``start`` to ``end``, ACT/365: elapsed seconds over 31,536,000.

    Parameters
    ----------
    start, end
        Aware datetimes in any zones. Negative years if ``end`` comes first.

    Raises
    ------
    ValueError
        If either carries no zone.

    Examples
    --------
    Thirty-one days across the end of summer time hold 31 x 24 + 1 hours.

    >>> october, november = close_instant(date(2026, 10, 9)), close_instant(date(2026, 11, 9))
    >>> round(years_between(october, november) * 365 * 24)
    745
    """
    # Two datetimes of one zone subtract by the clock on the wall; only UTC counts seconds.
    elapsed = _in_utc(end) - _in_utc(start)
    return elapsed.total_seconds() / SECONDS_PER_YEAR


def _in_utc(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError(f"an instant needs a time zone, got {instant!r}")
    return instant.astimezone(UTC)
