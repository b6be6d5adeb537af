"""A small hand-made record for tests of results and statements: every figure is on paper below.

One account, one underlying, one month and a bit. January 2026 ends with one put sold; February
has a second sale bought back, a deposit, an assignment, a dividend, a sale of the delivered
shares, interest and a third sale that stays open.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal as D

from dollarbill_core.results.nav import Mark, NavLine
from dollarbill_core.values.book import (
    Assignment,
    Book,
    Dividend,
    Event,
    Fee,
    Fill,
    Flow,
    Interest,
)
from dollarbill_core.values.calendars import close_instant, sessions
from dollarbill_core.values.contracts import Instrument, Option, Stock
from dollarbill_core.values.orders import Reason
from dollarbill_core.values.provenance import Provenance, Quotes, Stage

FIRST, LAST = date(2026, 1, 28), date(2026, 2, 27)
PUT = Option.from_occ("XYZ260220P00100000")
CALL = Option.from_occ("XYZ260220C00110000")
LATER_PUT = Option.from_occ("XYZ260320P00090000")
SHARES = Stock("XYZ")

# Dollars per share at the closes on which each is held.
PRICES: Mapping[Instrument, D] = {
    PUT: D("2.50"),
    CALL: D("1.20"),
    LATER_PUT: D("1.30"),
    SHARES: D("95.00"),
}
PROVENANCE = Provenance(
    "hand-made",
    Quotes.MODELLED,
    datetime(2026, 2, 27, 21, tzinfo=UTC),
    "0123456789ab",
    Stage.REHEARSED,
    strategy_hash="fedcba987654",
    seed=7,
    assumptions=("Prices are <typed> & constant.",),
)


def at(day: int, month: int = 2) -> datetime:
    """The close of a day of 2026."""
    return close_instant(date(2026, month, day))


def fill(
    day: int, trade: str, what: Instrument, quantity: int, price: str, reason: Reason
) -> Fill:
    return Fill(at(*divmod_day(day)), trade, what, quantity, D(price), "", reason)


def divmod_day(day: int) -> tuple[int, int]:
    """129 is 29 January, 203 is 3 February."""
    return day % 100, day // 100


def fee(day: int, dollars: str, trade: str = "", kind: str = "commission") -> Fee:
    return Fee(at(*divmod_day(day)), D(dollars), kind, trade)


EVENTS: tuple[Event, ...] = (
    Flow(datetime(2026, 1, 28, tzinfo=UTC), D(100_000), "capital"),
    fill(129, "XYZ-1", PUT, -1, "2.00", Reason.ENTRY),  # + 200.00
    fee(129, "0.70", "XYZ-1"),
    fill(203, "XYZ-2", CALL, -1, "1.50", Reason.ENTRY),  # + 150.00
    fee(203, "0.70", "XYZ-2"),
    fee(203, "0.02", "XYZ-2", "OCC clearing"),
    Flow(datetime(2026, 2, 10, 13, tzinfo=UTC), D(10_000), "second investor"),
    fill(212, "XYZ-2", CALL, 1, "0.50", Reason.PROFIT_TARGET),  # - 50.00
    fee(212, "0.70", "XYZ-2"),
    Assignment(at(20), "XYZ-1", PUT, 1),  # - 10,000.00
    Dividend(datetime(2026, 2, 23, 14, tzinfo=UTC), SHARES, 100, D("0.50")),  # + 50.00
    fill(223, "XYZ-1", SHARES, -100, "94.00", Reason.DELIVERED_STOCK),  # + 9,400.00
    fee(223, "1.00", "XYZ-1"),
    fill(224, "XYZ-3", LATER_PUT, -2, "1.00", Reason.ENTRY),  # + 200.00
    fee(224, "1.40", "XYZ-3"),
    Interest(at(25), D("12.34")),
)


def record(
    events: Sequence[Event] = EVENTS,
    *,
    first: date = FIRST,
    last: date = LAST,
    prices: Mapping[Instrument, D] = PRICES,
    maintenance: Mapping[date, D] | None = None,
) -> tuple[NavLine, ...]:
    """A line for each session: the book of the events so far, marked at these prices."""
    lines, book, done = [], Book(), 0
    for day in sessions(first, last):
        while done < len(events) and events[done].at <= close_instant(day):
            book, done = book.after(events[done]), done + 1
        required = (maintenance or {}).get(day, D(2_000) if book.positions else D(0))
        marks = tuple(
            Mark(p.instrument, p.quantity, prices[p.instrument]) for p in book.positions
        )
        nav = book.cash + sum((mark.value for mark in marks), D(0))
        lines.append(NavLine(day, book.cash, marks, required, nav - required, done))
    return tuple(lines)


LINES = record(maintenance={date(2026, 2, 19): D("5000.00")})
