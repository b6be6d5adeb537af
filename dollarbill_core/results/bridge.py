"""What brought the NAV from one close to another, and whether it adds up to the cent."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from dollarbill_core.results.nav import NavLine, reconciliation
from dollarbill_core.values.book import (
    Assignment,
    Book,
    Dividend,
    Event,
    Exercise,
    Expiry,
    Fee,
    Fill,
    Flow,
    Interest,
)
from dollarbill_core.values.calendars import previous_session
from dollarbill_core.values.contracts import Option
from dollarbill_core.values.orders import Reason

if TYPE_CHECKING:
    import pandas as pd

ZERO = Decimal(0)


class StatementCheckFailed(Exception):
    """The record does not add up: a statement made from it would be false."""


class Gain(StrEnum):
    """One line of the way from opening to closing NAV, before fees."""

    PREMIUM_SOLD = "Premium received for options sold"
    OPTIONS_BOUGHT = "Paid for options bought as part of an entry"
    CLOSED = "Paid (or received) to close options"
    SETTLED = "Cash settlement at expiry"
    OPTION_MARKS = "Change in value of open options"
    SHARES = "Shares: bought, sold, delivered, change in value"
    DIVIDENDS = "Dividends"
    INTEREST = "Interest"


@dataclass(frozen=True, slots=True)
class Bridge:
    """Dollars between two closes: opening NAV + flows + gains - fees = closing NAV.

    ``opened`` is the close of the opening NAV, None before the first; ``gains`` are signed as
    cash is, ``fees`` are positive, by kind.
    """

    opened: date | None
    closed: date
    opening: Decimal
    flows: Decimal
    gains: tuple[tuple[Gain, Decimal], ...]
    fees: tuple[tuple[str, Decimal], ...]
    closing: Decimal

    @property
    def gross(self) -> Decimal:
        """Profit before commissions and fees."""
        return sum((amount for _, amount in self.gains), ZERO)

    @property
    def charged(self) -> Decimal:
        """All fees, positive."""
        return sum((amount for _, amount in self.fees), ZERO)

    @property
    def net(self) -> Decimal:
        """Profit after commissions and fees."""
        return self.gross - self.charged

    def gain(self, line: Gain) -> Decimal:
        """Dollars of one line; 0 where nothing of the kind happened."""
        return dict(self.gains).get(line, ZERO)


def bridge(lines: Sequence[NavLine], events: Sequence[Event], first: int, last: int) -> Bridge:
    """From the close before ``lines[first]`` to the close of ``lines[last]``.

    Raises
    ------
    StatementCheckFailed
        If opening NAV, flows, gains and fees do not make the closing NAV exactly.
    """
    before = lines[first - 1] if first else None
    after = lines[last]
    between = events[before.events if before else 0 : after.events]
    gains: dict[Gain, Decimal] = defaultdict(Decimal)
    for event in between:
        if line := _line_of(event):
            gains[line] += event.cash
    for line, value in _marks(after).items():
        gains[line] += value
    for line, value in _marks(before).items():
        gains[line] -= value
    made = Bridge(
        opened=before.day if before else None,
        closed=after.day,
        opening=before.nav if before else ZERO,
        flows=sum((event.amount for event in between if isinstance(event, Flow)), ZERO),
        gains=tuple((line, gains[line]) for line in Gain if gains.get(line)),
        fees=fees_by_kind(between),
        closing=after.nav,
    )
    if made.opening + made.flows + made.net != made.closing:
        missing = made.closing - made.opening - made.flows - made.net
        raise StatementCheckFailed(
            f"{made.closed}: opening NAV {made.opening:,.2f} + flows {made.flows:,.2f} + gross "
            f"{made.gross:,.2f} - fees {made.charged:,.2f} misses the closing NAV "
            f"{made.closing:,.2f} by {missing:,.2f}"
        )
    return made


def _line_of(event: Event) -> Gain | None:
    """The line that an event's cash belongs to; flows and fees have their own."""
    match event:
        case Fill(instrument=Option(), reason=Reason.ENTRY, quantity=quantity):
            return Gain.PREMIUM_SOLD if quantity < 0 else Gain.OPTIONS_BOUGHT
        case Fill(instrument=Option()):
            return Gain.CLOSED
        case Expiry():
            return Gain.SETTLED
        case Fill() | Assignment() | Exercise():
            return Gain.SHARES
        case Dividend():
            return Gain.DIVIDENDS
        case Interest():
            return Gain.INTEREST
        case _:
            return None


def _marks(line: NavLine | None) -> dict[Gain, Decimal]:
    """Market value of what is held, by the line that its changes belong to."""
    values = {Gain.OPTION_MARKS: ZERO, Gain.SHARES: ZERO}
    for mark in line.marks if line else ():
        is_option = isinstance(mark.instrument, Option)
        values[Gain.OPTION_MARKS if is_option else Gain.SHARES] += mark.value
    return values


def fees_by_kind(events: Iterable[Event]) -> tuple[tuple[str, Decimal], ...]:
    """Dollars charged, positive, the largest kind first."""
    totals: dict[str, Decimal] = defaultdict(Decimal)
    for event in events:
        if isinstance(event, Fee):
            totals[event.kind] += event.amount
    return tuple(sorted(totals.items(), key=lambda item: (-item[1], item[0])))


def checked_book(lines: Sequence[NavLine], events: Sequence[Event]) -> Book:
    """The book at the last close, once two independent replays of the events agree with it.

    The plain replay is held against cash, positions and NAV of every close; the book itself
    against the last.

    Raises
    ------
    StatementCheckFailed
        With the first difference found.
    """
    found = reconciliation(events, lines, Book())
    if not found.is_clean:
        wrong = found.breaks[0]
        raise StatementCheckFailed(
            f"{wrong.day}: {wrong.what} recorded as {wrong.recorded}, "
            f"but the events give {wrong.replayed} ({found})"
        )
    try:
        book = Book().after_all(events)
    except ValueError as wrong_event:
        raise StatementCheckFailed(f"the events cannot be replayed: {wrong_event}") from None
    last = lines[-1]
    held = {position.instrument: position.quantity for position in book.positions}
    if book.cash != last.cash or held != {m.instrument: m.quantity for m in last.marks}:
        raise StatementCheckFailed(f"{last.day}: the book of the events is not the one marked")
    return book


@dataclass(frozen=True, slots=True, eq=False)
class Growth:
    """Value of one dollar left in from the start, net of fees and gross of them, flows apart.

    Both series begin with 1 at the close before the first session.
    """

    net: "pd.Series"
    gross: "pd.Series"


def growth(lines: Sequence[NavLine], events: Sequence[Event]) -> Growth:
    """Time-weighted: each session's return is chained; flows count from the session's start.

    Net return NAV / (previous NAV + flow) - 1; gross adds the session's fees to the NAV. An
    account with nothing left earns nothing more.

    Raises
    ------
    ValueError
        If there are no lines.
    """
    import pandas as pd

    if not lines:
        raise ValueError("growth needs at least one session")
    net, gross = [1.0], [1.0]
    previous, done = ZERO, 0
    for line in lines:
        today = events[done : line.events]
        base = previous + sum((e.amount for e in today if isinstance(e, Flow)), ZERO)
        fees = sum((e.amount for e in today if isinstance(e, Fee)), ZERO)
        net.append(net[-1] * float(line.nav / base if base > 0 else 1))
        gross.append(gross[-1] * float((line.nav + fees) / base if base > 0 else 1))
        previous, done = line.nav, line.events
    days = [previous_session(lines[0].day), *(line.day for line in lines)]
    index = pd.DatetimeIndex(days, name="close")
    return Growth(pd.Series(net, index, name="net"), pd.Series(gross, index, name="gross"))
