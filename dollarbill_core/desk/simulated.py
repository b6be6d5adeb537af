"""A broker in this process: the same fills, fees and settlement as the backtest."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

from dollarbill_core.desk.broker import Activity, DuplicateOrder, OrderStatus
from dollarbill_core.desk.ledger import LedgerMismatch
from dollarbill_core.desk.records import as_text, from_text
from dollarbill_core.market.view import View
from dollarbill_core.strategies.day import House, closing_events, market_events
from dollarbill_core.values.book import Book, Event, Flow
from dollarbill_core.values.contracts import Instrument
from dollarbill_core.values.orders import Order, OrderState


@dataclass(frozen=True, slots=True)
class Held:
    """An order at the broker, where it stands and why."""

    order: Order
    state: OrderState
    why: str = ""


@dataclass(frozen=True, slots=True)
class BrokerState:
    """All that the simulated broker knows; its book is what its events make of nothing."""

    events: tuple[Event, ...] = ()
    orders: tuple[Held, ...] = ()
    session: date | None = None

    @property
    def working(self) -> tuple[Order, ...]:
        return tuple(held.order for held in self.orders if held.state is OrderState.WORKING)


class SimulatedBroker:
    """Orders taken today fill at the next session's quotes, whole or not at all.

    Parameters
    ----------
    house
        Costs and fills, as in the backtest.
    opening
        The money that opens the account, its first event.
    path
        A JSON file that survives the process; without one all is in memory. A file that is
        there already is continued, if it was opened by the same money.
    """

    def __init__(self, house: House, opening: Flow, path: Path | None = None) -> None:
        self._house = house
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._state = BrokerState()
        self._book = Book()
        if path is None or not path.exists():
            self._become(BrokerState((opening,)))
        elif self._now().events[0] != opening:
            first = self._state.events[0]
            raise LedgerMismatch(
                f"{path.name} was opened with {first.cash:,.2f} on {first.at:%Y-%m-%d}, not "
                f"{opening.cash:,.2f} on {opening.at:%Y-%m-%d}: use another ledger"
            )

    def open_session(self, view: View) -> None:
        """Let the market of one session meet the working orders, then settle and assign.

        Once for each session: for the same day, or an earlier one, nothing happens again.
        """
        state = self._now()
        if state.session is not None and view.today <= state.session:
            return
        morning = market_events(state.working, self._book, view, self._house)
        book = self._book.after_all(morning.events)
        closing = closing_events(book, view, self._house, morning.events)
        lapsed = {each.order.client_order_id: each.why for each in morning.unfilled}
        self._become(
            BrokerState(
                events=(*state.events, *morning.events, *closing),
                orders=tuple(_after_session(held, lapsed) for held in state.orders),
                session=view.today,
            )
        )

    def submit(self, order: Order) -> OrderStatus:
        """Take an order to work at the next session. Raises DuplicateOrder for a known id."""
        state = self._now()
        if order.client_order_id in {held.order.client_order_id for held in state.orders}:
            raise DuplicateOrder(f"client order id {order.client_order_id} is taken")
        held = Held(order, OrderState.WORKING)
        self._become(replace(state, orders=(*state.orders, held)))
        return _status(held)

    def order(self, client_order_id: str) -> OrderStatus | None:
        """Where an order stands; None when it was never taken."""
        found = (h for h in self._now().orders if h.order.client_order_id == client_order_id)
        return next(map(_status, found), None)

    def activities(self, after: str = "") -> tuple[Activity, ...]:
        """What has happened since the activity of that key, in order."""
        events = self._now().events
        start = int(after.removeprefix(_PREFIX)) if after else 0
        return tuple(
            Activity(f"{_PREFIX}{place:06d}", event)
            for place, event in enumerate(events[start:], start + 1)
        )

    def positions(self) -> Mapping[Instrument, int]:
        """Signed quantities held."""
        self._now()
        return {position.instrument: position.quantity for position in self._book.positions}

    def cash(self) -> Decimal:
        """Dollars of cash."""
        self._now()
        return self._book.cash

    def _now(self) -> BrokerState:
        """The state, read again if another process has written the file."""
        if self._path is not None and (stamp := _stamp(self._path)) != self._stamp:
            self._state = from_text(BrokerState, self._path.read_text())
            self._book = Book().after_all(self._state.events)
            self._stamp = stamp
        return self._state

    def _become(self, state: BrokerState) -> None:
        """On disk first, then in memory; a crash between the two loses nothing."""
        book = self._book.after_all(state.events[len(self._state.events) :])
        if self._path is not None:
            _replace_file(self._path, as_text(state))
            self._stamp = _stamp(self._path)
        self._state, self._book = state, book


_PREFIX = "simulated-"


def opening_flow(capital: Decimal, first: datetime, investor: str = "capital") -> Flow:
    """The money that opens an account, at ``first``; dollars, positive."""
    if capital <= 0:
        raise ValueError(f"capital must be positive, got {capital}")
    return Flow(first, capital, investor)


def _after_session(held: Held, lapsed: Mapping[str, str]) -> Held:
    if held.state is not OrderState.WORKING:
        return held
    why = lapsed.get(held.order.client_order_id)
    if why is None:
        return replace(held, state=OrderState.FILLED)
    return replace(held, state=OrderState.CANCELLED, why=why)


def _status(held: Held) -> OrderStatus:
    return OrderStatus(held.order.client_order_id, held.state, held.why)


def _stamp(path: Path) -> tuple[int, int]:
    """Changes whenever the file is replaced."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns


def _replace_file(path: Path, text: str) -> None:
    """Write beside the file, make it durable, then put it in place in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    with fresh.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)  # the new name is on disk as well
    os.close(folder)
