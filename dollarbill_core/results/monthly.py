"""The investor's month: every figure of the statement, computed from events and checked."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from dollarbill_core.results.bridge import Bridge, Gain, Growth, bridge, checked_book, growth
from dollarbill_core.results.nav import ClosedTrade, Mark, NavLine, closed_trades
from dollarbill_core.results.performance import Statistics, monthly_returns, statistics
from dollarbill_core.values.book import Assignment, Book, Event, Fill
from dollarbill_core.values.calendars import next_session, sessions
from dollarbill_core.values.contracts import Leg, Option
from dollarbill_core.values.orders import Reason
from dollarbill_core.values.provenance import Provenance

if TYPE_CHECKING:
    import pandas as pd

SINCE_INCEPTION = "Since inception"
_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True)
class Period:
    """Net and gross profit, dollars, and return, a fraction, between two closes.

    ``missing`` says why there is no figure, such as "22 months"; the returns are then NaN.
    """

    name: str
    opened: date
    closed: date
    net: float
    gross: float
    net_profit: Decimal
    gross_profit: Decimal
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Activity:
    """What was done between two closes; profits of closed trades are net of their fees."""

    entries: int
    closed: tuple[ClosedTrade, ...]
    assignments: int
    bridge: Bridge

    @property
    def premium_sold(self) -> Decimal:
        return self.bridge.gain(Gain.PREMIUM_SOLD)

    @property
    def paid_back(self) -> Decimal:
        """Positive dollars paid to close options and to settle them."""
        return -self.bridge.gain(Gain.CLOSED) - self.bridge.gain(Gain.SETTLED)

    @property
    def exits(self) -> tuple[tuple[Reason, int], ...]:
        """How many trades ended for each reason, the commonest first."""
        return tuple(Counter(trade.reason for trade in self.closed).most_common())

    @property
    def wins(self) -> int:
        return sum(trade.profit > 0 for trade in self.closed)

    @property
    def payoff_ratio(self) -> float:
        """Average win over average loss, both positive; NaN without both."""
        won = [float(trade.profit) for trade in self.closed if trade.profit > 0]
        lost = [-float(trade.profit) for trade in self.closed if trade.profit < 0]
        if not won or not lost:
            return math.nan
        return (sum(won) / len(won)) / (sum(lost) / len(lost))

    @property
    def worst(self) -> ClosedTrade | None:
        """The trade that lost the most, or earned the least."""
        return min(self.closed, key=lambda trade: trade.profit, default=None)


@dataclass(frozen=True, slots=True)
class Holding:
    """One open position at the closing mark. ``profit`` is its value less what it cost."""

    leg: Leg
    days_to_expiry: int | None
    mark: Mark
    profit: Decimal


@dataclass(frozen=True, slots=True)
class MarginUse:
    """Maintenance requirement at closes: now, at its peak as a share of NAV, and calls."""

    now: Decimal
    share_now: float
    peak: Decimal
    peak_share: float
    peak_day: date
    calls: int


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """One month of one account, with all that came before it; every figure checked."""

    month: str
    provenance: Provenance
    strategy: str
    premium: str
    bridge: Bridge
    periods: tuple[Period, ...]
    growth: Growth
    net: Statistics
    gross: Statistics
    worst_month: tuple[str, float]
    now: Activity
    ever: Activity
    holdings: tuple[Holding, ...]
    margin: MarginUse
    margin_ever: MarginUse
    modelled_marks: int
    incidents: tuple[str, ...]

    @property
    def status(self) -> str:
        """``complete``, or how many incidents; an unfinished month is one."""
        count = len(self.incidents)
        return f"{count} incident{'s' * (count > 1)}" if count else "complete"

    @property
    def months(self) -> int:
        """Whole months of record."""
        return months_between(self.growth.net.index[0].date(), self.bridge.closed)


def monthly_statement(
    lines: Sequence[NavLine],
    events: Sequence[Event],
    month: str,
    provenance: Provenance,
    *,
    strategy: str,
    premium: str = "",
    incidents: Iterable[str] = (),
) -> Statement:
    """The statement of one month, from every close and event since inception.

    Parameters
    ----------
    lines, events
        In order from the first session on, the first event being the capital; what lies after
        the month is not looked at.
    month
        As 2018-02.
    strategy, premium
        A sentence that says what is traded; one that says what volatility premium modelled
        chains carry and where the strategy breaks even, empty for real quotes.
    incidents
        Sentences about what went wrong in the month; missing sessions are found here.

    Raises
    ------
    ValueError
        If the month is not written as a month, or the record has no session in it.
    StatementCheckFailed
        If the record does not add up.
    """
    first, last = _sessions_of(month, lines)
    lines = lines[: last + 1]
    events = events[: lines[last].events]
    book = checked_book(lines, events)
    grown = growth(lines, events)
    whole, this = bridge(lines, events, 0, last), bridge(lines, events, first, last)
    started = lines[first - 1].events if first else 0
    return Statement(
        month=month,
        provenance=provenance,
        strategy=strategy,
        premium=premium,
        bridge=this,
        periods=_periods(lines, events, grown, first),
        growth=grown,
        net=statistics(grown.net),
        gross=statistics(grown.gross),
        worst_month=_worst_month(grown.net),
        now=_activity(events, started, this),
        ever=_activity(events, 0, whole),
        holdings=_holdings(book, lines[last]),
        margin=_margin_use(lines[first:]),
        margin_ever=_margin_use(lines),
        modelled_marks=sum(mark.modelled for line in lines[first:] for mark in line.marks),
        incidents=(*incidents, *_missing_sessions(month, lines, first)),
    )


def _sessions_of(month: str, lines: Sequence[NavLine]) -> tuple[int, int]:
    """The first and last line of the month."""
    if not _MONTH.fullmatch(month):
        raise ValueError(f"a month is written as 2018-02, got {month!r}")
    found = [i for i, line in enumerate(lines) if f"{line.day:%Y-%m}" == month]
    if not found:
        span = f"{lines[0].day} to {lines[-1].day}" if lines else "nothing"
        raise ValueError(f"the record holds no session of {month}; it holds {span}")
    return found[0], found[-1]


def _missing_sessions(month: str, lines: Sequence[NavLine], first: int) -> tuple[str, ...]:
    """A sentence for each session of the month that has no close."""
    year, number = int(month[:4]), int(month[5:])
    end = _month_end(year, number)
    begin = lines[0].day if first == 0 else end.replace(day=1)
    have = {line.day for line in lines[first:]}
    absent = [day for day in sessions(begin, end) if day not in have]
    told = [f"No close was recorded on {day}." for day in absent if day < lines[-1].day]
    if to_come := sum(day > lines[-1].day for day in absent):
        plural = "s" * (to_come > 1)
        told.append(f"The record ends on {lines[-1].day}, {to_come} session{plural} early.")
    return tuple(told)


def _periods(
    lines: Sequence[NavLine], events: Sequence[Event], grown: Growth, first: int
) -> tuple[Period, ...]:
    """This month, this year, since the start, and whole years back from the last close."""
    last = len(lines) - 1
    year = next(i for i, line in enumerate(lines) if line.day.year == lines[last].day.year)
    spans = [("Month to date", first), ("Year to date", year), (SINCE_INCEPTION, 0)]
    found = [_period(name, lines, events, grown, start) for name, start in spans]
    return (*found, *(_years_back(count, lines, events, grown) for count in (1, 3, 5)))


def _period(
    name: str, lines: Sequence[NavLine], events: Sequence[Event], grown: Growth, first: int
) -> Period:
    made = bridge(lines, events, first, len(lines) - 1)
    opened = grown.net.index[first].date()
    net, gross = _return(grown.net, first), _return(grown.gross, first)
    return Period(name, opened, made.closed, net, gross, made.net, made.gross)


def _return(series: "pd.Series", first: int) -> float:
    start = float(series.iloc[first])
    return float(series.iloc[-1]) / start - 1 if start > 0 else math.nan


def _years_back(
    count: int, lines: Sequence[NavLine], events: Sequence[Event], grown: Growth
) -> Period:
    """The last ``count`` years as a yearly rate; without so long a record, why not."""
    name = "1 year" if count == 1 else f"{count} years, a year"
    closed = lines[-1].day
    since = _years_earlier(closed, count)
    opening = grown.net.index[0].date()
    if opening > since:
        have = months_between(opening, closed)
        missing = f"{have} month{'s' * (have != 1)}"
        none, nothing = math.nan, Decimal(0)
        return Period(name, opening, closed, none, none, nothing, nothing, missing)
    first = next(i for i, line in enumerate(lines) if line.day > since)
    made = _period(name, lines, events, grown, first)
    return replace(made, net=_yearly(made.net, count), gross=_yearly(made.gross, count))


def _yearly(total: float, years: int) -> float:
    return float((1 + total) ** (1 / years) - 1) if total > -1 else -1.0


def _years_earlier(day: date, count: int) -> date:
    """The same day years before; for a month's last session, the end of that month."""
    if _ends_month(day):
        return _month_end(day.year - count, day.month)
    return day.replace(year=day.year - count)


def months_between(first: date, last: date) -> int:
    """Whole months from one close to another; a month's last session stands for its end.

    >>> months_between(date(2017, 12, 29), date(2018, 6, 29))
    6
    """
    begin = 31 if _ends_month(first) else first.day
    end = 31 if _ends_month(last) else last.day
    return 12 * (last.year - first.year) + last.month - first.month - (end < begin)


def _ends_month(session: date) -> bool:
    return next_session(session).month != session.month


def _month_end(year: int, month: int) -> date:
    return date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)


def _worst_month(net: "pd.Series") -> tuple[str, float]:
    monthly = monthly_returns(net)
    return str(monthly.idxmin()), float(monthly.min())


def _activity(events: Sequence[Event], first: int, made: Bridge) -> Activity:
    """What events from ``first`` on did; a trade counts where its last event lies."""
    new = events[first:]
    entered = {e.trade for e in new if isinstance(e, Fill) and e.reason == Reason.ENTRY}
    moved = {getattr(event, "trade", "") for event in new}
    closed = tuple(trade for trade in closed_trades(events) if trade.id in moved)
    assigned = sum(event.quantity for event in new if isinstance(event, Assignment))
    return Activity(len(entered), closed, assigned, made)


def _holdings(book: Book, line: NavLine) -> tuple[Holding, ...]:
    costs = {position.instrument: position.cost for position in book.positions}
    return tuple(
        Holding(
            Leg(mark.instrument, mark.quantity),
            _days_left(mark, line.day),
            mark,
            mark.value - costs[mark.instrument],
        )
        for mark in line.marks
    )


def _days_left(mark: Mark, today: date) -> int | None:
    option = mark.instrument
    return (option.expiry - today).days if isinstance(option, Option) else None


def _margin_use(lines: Sequence[NavLine]) -> MarginUse:
    peak = max(lines, key=_share)
    return MarginUse(
        now=lines[-1].maintenance,
        share_now=_share(lines[-1]),
        peak=peak.maintenance,
        peak_share=_share(peak),
        peak_day=peak.day,
        calls=sum(line.free < 0 for line in lines),
    )


def _share(line: NavLine) -> float:
    """Requirement over NAV; infinite where nothing is left to carry it."""
    if line.maintenance <= 0:
        return 0.0
    return float(line.maintenance / line.nav) if line.nav > 0 else math.inf
