"""One trading session: reconcile, manage, look, gate, send, record, mark."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal

from dollarbill_core.desk.broker import (
    Broker,
    BrokerUnreachable,
    DuplicateOrder,
    OrderRefused,
    OrderStatus,
)
from dollarbill_core.desk.ledger import Ledger, LedgerMismatch
from dollarbill_core.desk.records import as_text, from_text
from dollarbill_core.desk.reports import (
    Comparison,
    SessionReport,
    SessionStatus,
    comparisons,
    difference,
    units_of,
)
from dollarbill_core.desk.tables import (
    Close,
    Decision,
    Run,
    RunStatus,
    Snapshot,
    StoredOrder,
)
from dollarbill_core.market.chains import Quote
from dollarbill_core.market.view import View
from dollarbill_core.results.nav import NavLine, nav_line, reconciliation
from dollarbill_core.rules.assignment import expired
from dollarbill_core.rules.breaker import Breaker, Reset
from dollarbill_core.rules.limits import Refusal
from dollarbill_core.strategies.day import House, Unfilled, decisions, last_quotes_after
from dollarbill_core.strategies.short_premium import Strategy
from dollarbill_core.values.book import Book
from dollarbill_core.values.calendars import MARKET_ZONE, is_session
from dollarbill_core.values.contracts import Option
from dollarbill_core.values.orders import Order, OrderState, order_from
from dollarbill_core.values.provenance import Provenance, fingerprint

Look = Callable[[date, Mapping[Option, Quote]], View]
ZERO = Decimal(0)
_PENDING = (OrderState.INTENDED, OrderState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything that a session works with.

    ``patience`` are the seconds between looks for an order that a broker may or may not have.
    ``reset`` is a person's word that a tripped breaker may trade again, taken once; one may
    also stand in the ledger, by ``dollarbill reset``.
    """

    strategy: Strategy
    broker: Broker
    ledger: Ledger
    house: House
    provenance: Provenance
    breaker: Breaker = field(default_factory=Breaker)
    patience: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0)
    pause: Callable[[float], None] = time.sleep
    reset: Reset | None = None

    @property
    def source(self) -> Provenance:
        """The provenance with the terms that this desk trades under."""
        return replace(self.provenance, terms_hash=fingerprint((self.house, self.breaker)))


def run_session(desk: Desk, now: datetime, look: Look) -> SessionReport:
    """Run the session of ``now`` once, whatever happened to earlier attempts at it.

    What each step found is stored before the next begins, so that a run that died is taken up
    where it ended: a decision is made once, and an order is never sent under a second id.

    Parameters
    ----------
    now
        Any instant of the session's day, with a time zone.
    look
        Makes the day's view from the last sound quotes of what is held, such as
        ``chains.view``. It is called only when there is something to do.

    Raises
    ------
    LedgerLocked
        If another session is at work on the ledger.
    LedgerMismatch
        If a later session is recorded already, or this day's by another strategy, or earlier
        ones under other terms.
    BrokerUnreachable
        If the broker does not answer; run the session again when it does.
    """
    day = now.astimezone(MARKET_ZONE).date()
    if not is_session(day):
        return _blank(desk, day, SessionStatus.CLOSED, f"no session on {day:%A %Y-%m-%d}")
    with desk.ledger.locked():
        earlier = desk.ledger.run(day, desk.strategy.hash)
        if earlier is not None and earlier.status is RunStatus.DONE:
            report = from_text(SessionReport, earlier.report or "")
            return replace(report, status=SessionStatus.ALREADY_DONE)
        _demand_fitting(desk, day)
        last = desk.ledger.last_close()
        view = look(day, last.last_quotes if last else {})
        run = desk.ledger.begin(day, desk.strategy.hash, view.now, desk.source)
        return _Session(desk, view, run, last).run_through()


def _demand_fitting(desk: Desk, day: date) -> None:
    """A ledger tells one story: one strategy a day, days in order, the same terms throughout.

    A second strategy on the same day would not know of the first one's orders.
    """
    terms = desk.source.terms_hash
    for run in desk.ledger.runs():
        if run.session > day:
            raise LedgerMismatch(f"{run.session} is recorded already, {day} comes too late")
        if run.session == day and run.strategy_hash != desk.strategy.hash:
            raise LedgerMismatch(
                f"this ledger has traded {day} with strategy {run.strategy_hash}, not "
                f"{desk.strategy.hash}: use another ledger, or wait for the next session"
            )
        if run.provenance.terms_hash != terms:
            raise LedgerMismatch(
                f"this ledger was kept under other terms on {run.session} (account, limits, "
                "costs, fills or breaker): use another ledger"
            )


@dataclass(frozen=True, slots=True)
class _Session:
    """One attempt at a session; all that changes is in the ledger and at the broker."""

    desk: Desk
    view: View
    run: Run
    last: Close | None

    def run_through(self) -> SessionReport:
        """Every step in its order; the first that finds something wrong stops the session."""
        self._pull()
        lost = self._look_up_orders()
        compared = comparisons(self.desk.ledger.book(), self.desk.broker)
        if why := lost or difference(compared) or self._unsettled():
            return self._stopped(compared, why)
        if self.run.decision is None:
            self._decide()
        self._send()
        self._pull()
        compared = comparisons(self.desk.ledger.book(), self.desk.broker)
        line = self._marked()
        if why := difference(compared) or self._unknown() or self._unproved(line):
            return self._stopped(compared, why)
        return self._done(compared, line)

    def _pull(self) -> None:
        """Book what has happened at the broker since we last asked."""
        ledger = self.desk.ledger
        activities = self.desk.broker.activities(ledger.cursor())
        ledger.record(self.run.id, [(each.key, each.event) for each in activities])

    def _look_up_orders(self) -> str:
        """Learn what became of every order that is not final; says which one is lost."""
        lost = ""
        for stored in self.desk.ledger.orders(OrderState.WORKING, *_PENDING):
            found = self._found(stored.order, wait=stored.state in _PENDING)
            if found is not None:
                self._record(stored.order, found)
            elif stored.state is OrderState.WORKING:
                lost = f"the broker no longer knows order {stored.order.client_order_id}"
            elif stored.order.decided_at.astimezone(MARKET_ZONE).date() < self.view.today:
                why = "it never reached the broker, and its session is over"
                self._record(stored.order, _status(stored.order, OrderState.CANCELLED, why))
        return lost

    def _unsettled(self) -> str:
        """What has expired by the clock and is not booked by the broker."""
        pending = expired(self.desk.ledger.book(), self.view.now)
        if not pending:
            return ""
        _, option, quantity = pending[0]
        first = f"{quantity:+d} {option}"
        return f"the broker has not booked {len(pending)} settlements due, first {first}"

    def _decide(self) -> None:
        """Decide once, and write the decision down before anything is sent."""
        desk, view = self.desk, self.view
        book, before = desk.ledger.book(), desk.ledger.last_decision()
        breaker = _breaker_now(desk, before)
        units = units_of(desk.ledger.events(), [c.line for c in desk.ledger.closes()])
        waiting = desk.ledger.orders(OrderState.WORKING, *_PENDING)
        working = [stored.order for stored in waiting]
        decided = decisions(book, view, desk.strategy, desk.house, breaker, units, working)
        seen = {
            order_from(proposal, desk.strategy.hash, view.now).client_order_id: proposal
            for proposal in decided.proposals
        }
        view_hash = view.hash
        orders = [
            (order, Snapshot(view_hash, seen[order.client_order_id].candidates))
            for order in decided.orders
        ]
        decision = Decision(view_hash, decided.breaker, units, decided.refused)
        desk.ledger.decide(self.run.id, decision, orders)

    def _send(self) -> None:
        """Send what is decided and not yet with the broker, each under its own id."""
        for stored in self._mine(*_PENDING):
            try:
                status = self.desk.broker.submit(stored.order)
            except OrderRefused as refused:
                status = _status(stored.order, OrderState.REJECTED, str(refused))
            except (DuplicateOrder, BrokerUnreachable) as doubt:
                status = self._resolved(stored.order, str(doubt))
            self._record(stored.order, status)

    def _resolved(self, order: Order, doubt: str) -> OrderStatus:
        """Where an order stands that may or may not have arrived; UNKNOWN if nobody can say."""
        unknown = _status(order, OrderState.UNKNOWN, doubt)
        self._record(order, unknown)
        try:
            return self._found(order, wait=True) or unknown
        except BrokerUnreachable:
            return unknown

    def _found(self, order: Order, *, wait: bool) -> OrderStatus | None:
        """The broker's word on an order; an order it has just taken may show up late."""
        look = self.desk.broker.order
        for seconds in self.desk.patience if wait else ():
            if (found := look(order.client_order_id)) is not None:
                return found
            self.desk.pause(seconds)
        return look(order.client_order_id)

    def _record(self, order: Order, status: OrderStatus) -> None:
        move = self.desk.ledger.move
        move(self.run.id, order.client_order_id, status.state, status.why)

    def _mine(self, *states: OrderState) -> tuple[StoredOrder, ...]:
        orders = self.desk.ledger.orders(*states)
        return tuple(stored for stored in orders if stored.run == self.run.id)

    def _unknown(self) -> str:
        """Which order may or may not be with the broker."""
        unknown = self._mine(OrderState.UNKNOWN)
        return f"order {unknown[0].order.client_order_id} is unknown" if unknown else ""

    def _marked(self) -> NavLine:
        ledger = self.desk.ledger
        count = len(ledger.entries())
        return nav_line(ledger.book(), self.view, self.desk.house.account, count)

    def _unproved(self, line: NavLine) -> str:
        """Where the plain replay of the raw events differs from a close, this one included."""
        events = self.desk.ledger.events()
        lines = [c.line for c in self.desk.ledger.closes() if c.line.day < line.day]
        breaks = reconciliation(events, [*lines, line], Book()).breaks
        return f"the replay of the events differs: {breaks[0]}" if breaks else ""

    def _stopped(self, compared: tuple[Comparison, ...], why: str) -> SessionReport:
        report = self._report(SessionStatus.STOPPED, compared, None, why)
        self.desk.ledger.stop(self.run.id, self.view.now, as_text(report))
        return report

    def _done(self, compared: tuple[Comparison, ...], line: NavLine) -> SessionReport:
        report = self._report(SessionStatus.NEW, compared, line, "")
        before = self.last.last_quotes if self.last else {}
        quotes = last_quotes_after(self.desk.ledger.book(), self.view, before)
        close = Close(line, quotes)
        self.desk.ledger.finish(self.run.id, self.view.now, as_text(report), close)
        return report

    def _report(
        self,
        status: SessionStatus,
        compared: tuple[Comparison, ...],
        line: NavLine | None,
        why: str,
    ) -> SessionReport:
        """Made from what is stored alone, so that it is the same however often we crashed."""
        ledger = self.desk.ledger
        run, latest = (
            ledger.run(self.view.today, self.run.strategy_hash),
            ledger.last_decision(),
        )
        breaker = latest.breaker if latest else self.desk.breaker
        gated = run.decision.refused if run and run.decision else ()
        ended = [each for each in ledger.orders() if each.ended_in == self.run.id]
        rejected = [e for e in ended if e.state is OrderState.REJECTED]
        lapsed = [e for e in ended if e.state is OrderState.CANCELLED]
        sent = self._mine(*(set(OrderState) - {OrderState.INTENDED, OrderState.REJECTED}))
        return replace(
            _blank(self.desk, self.view.today, status, why),
            comparisons=compared,
            events=ledger.events(self.run.id),
            sent=tuple(each.order for each in sent),
            refused=(*gated, *(Refusal(each.order, each.why) for each in rejected)),
            unfilled=tuple(Unfilled(each.order, each.why) for each in lapsed),
            line=line,
            breaker=breaker.state,
            reset=breaker.resets[-1] if breaker.resets else None,
        )


def _breaker_now(desk: Desk, before: Decision | None) -> Breaker:
    """The desk's levels, where the last decision left them; reset if a person has just said so.

    Raises ValueError if there is a reset and the breaker has not tripped.
    """
    breaker, words = desk.breaker, [desk.reset]
    if before is not None:
        last, words = before.breaker, [before.reset, desk.reset]
        breaker = replace(breaker, peak=last.peak, state=last.state, resets=last.resets)
    for word in words:
        if word is not None and word not in breaker.resets:
            breaker = breaker.reset(by=word.by, at=word.at, why=word.why)
    return breaker


def _blank(desk: Desk, day: date, status: SessionStatus, why: str) -> SessionReport:
    return SessionReport(status, day, desk.strategy.hash, desk.provenance.label, why)


def _status(order: Order, state: OrderState, why: str) -> OrderStatus:
    return OrderStatus(order.client_order_id, state, why)
