"""What sessions found, booked, sent and were worth, and our book beside the broker's."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from dollarbill_core.desk.broker import Broker
from dollarbill_core.desk.ledger import Ledger
from dollarbill_core.results.backtest import Result
from dollarbill_core.results.nav import NavLine
from dollarbill_core.rules.breaker import BreakerState, Reset
from dollarbill_core.rules.limits import Refusal
from dollarbill_core.strategies.day import House, Unfilled
from dollarbill_core.values.book import Book, Event, Flow
from dollarbill_core.values.orders import Order, OrderState
from dollarbill_core.values.provenance import Provenance

ZERO = Decimal(0)
_WORTHLESS = (
    "a unit is worth {0:.2f}: money that comes or goes has no share in it; close this ledger "
    "and begin another"
)


class Unreconciled(Exception):
    """Our book and the broker's differ, or an order's fate is unknown: nothing more is sent."""


class SessionStatus(StrEnum):
    """What a call of ``run_session`` came to."""

    NEW = "new"
    ALREADY_DONE = "already done"
    CLOSED = "market closed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One line of a reconciliation: dollars of cash, or a signed number of one instrument."""

    what: str
    ours: Decimal
    brokers: Decimal

    @property
    def is_equal(self) -> bool:
        return self.ours == self.brokers


@dataclass(frozen=True, slots=True)
class SessionReport:
    """What one session found, booked, sent and was worth. ``why`` says what stopped it.

    ``events`` are those booked in this session; ``unfilled`` the earlier orders that lapsed in
    it; ``refused`` names orders stopped by a gate or by the broker; ``reset`` is the last
    word of a person that lifted the breaker.
    """

    status: SessionStatus
    day: date
    strategy_hash: str
    label: str
    why: str = ""
    comparisons: tuple[Comparison, ...] = ()
    events: tuple[Event, ...] = ()
    sent: tuple[Order, ...] = ()
    refused: tuple[Refusal, ...] = ()
    unfilled: tuple[Unfilled, ...] = ()
    line: NavLine | None = None
    breaker: BreakerState = BreakerState.NORMAL
    reset: Reset | None = None

    @property
    def is_reconciled(self) -> bool:
        return all(each.is_equal for each in self.comparisons)

    @property
    def nav(self) -> Decimal | None:
        """Cash + marks at the close, dollars; None when the session did not get that far."""
        return self.line.nav if self.line else None

    @property
    def requirement(self) -> Decimal | None:
        """Maintenance margin at the close, dollars, gross."""
        return self.line.maintenance if self.line else None

    @property
    def free_funds(self) -> Decimal | None:
        """Dollars left after the requirement; negative is a margin call."""
        return self.line.free if self.line else None

    def demand_reconciled(self) -> None:
        """Raise Unreconciled, with its reason, if the session was stopped."""
        if self.status is SessionStatus.STOPPED:
            raise Unreconciled(f"session of {self.day} stopped: {self.why}")


def comparisons(book: Book, broker: Broker) -> tuple[Comparison, ...]:
    """Cash and every position of either side, ours beside the broker's."""
    ours = {p.instrument: p.quantity for p in book.positions}
    brokers = broker.positions()
    rows = [Comparison("cash", book.cash, broker.cash())]
    for each in sorted(ours.keys() | brokers.keys(), key=str):
        pair = Decimal(ours.get(each, 0)), Decimal(brokers.get(each, 0))
        rows.append(Comparison(str(each), *pair))
    return tuple(rows)


def difference(rows: tuple[Comparison, ...]) -> str:
    """Where the two sides differ first, as a sentence; empty when nowhere."""
    found = next((row for row in rows if not row.is_equal), None)
    return f"{found.what}: we have {found.ours}, the broker {found.brokers}" if found else ""


def units_of(events: Iterable[Event], lines: Sequence[NavLine]) -> Decimal:
    """Units of the account: each flow buys or redeems some at the last close's value per unit.

    The first unit costs a dollar. All flows between two closes go at one value, that of the
    close which does not hold them.

    Raises
    ------
    ValueError
        If no units are left: the account has no capital to trade with. If money comes or goes
        when a unit is worth nothing.
    """
    units, worth, closes = ZERO, Decimal(1), deque(lines)
    for number, event in enumerate(events):
        while closes and closes[0].events <= number:
            nav = closes.popleft().nav
            worth = nav / units if units else worth
        if isinstance(event, Flow):
            if worth <= 0:
                raise ValueError(_WORTHLESS.format(worth))
            units += event.amount / worth
    if units <= 0:
        raise ValueError("the account has no capital: book a deposit at the broker first")
    return units


def recorded_result(ledger: Ledger, house: House, provenance: Provenance) -> Result:
    """All that a ledger holds, in the form of a backtest's result.

    Raises
    ------
    ValueError
        If no session has been recorded.
    """
    closes, events = ledger.closes(), ledger.events()
    if not closes:
        raise ValueError("the ledger holds no finished session")
    decided = [run.decision for run in ledger.runs() if run.decision]
    lapsed = ledger.orders(OrderState.CANCELLED)
    quotes = [quote for close in closes for quote in close.last_quotes.values()]
    return Result(
        capital=sum((e.amount for e in events if isinstance(e, Flow)), ZERO),
        provenance=provenance,
        house=house,
        lines=tuple(close.line for close in closes),
        events=events,
        refused=tuple(refusal for each in decided for refusal in each.refused),
        unfilled=tuple(Unfilled(each.order, each.why) for each in lapsed),
        widest_spread=max((2 * quote.half_spread for quote in quotes), default=ZERO),
        book=ledger.book(),
    )
