"""One trading day in its order: settle and assign, breaker, manage, look, size, gate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from dollarbill_core.market.carry import ex_instant
from dollarbill_core.market.chains import NoQuote, Quote
from dollarbill_core.market.view import View
from dollarbill_core.rules.accounts import ACCOUNTS, Account
from dollarbill_core.rules.adjustments import events_at_open
from dollarbill_core.rules.assignment import events_at_close
from dollarbill_core.rules.borrow import borrow_fees, nights_missed
from dollarbill_core.rules.breaker import Breaker
from dollarbill_core.rules.costs import INTERACTIVE_BROKERS, Costs
from dollarbill_core.rules.exercise import CERTAIN, ExercisePolicy
from dollarbill_core.rules.fills import FillModel, executed
from dollarbill_core.rules.limits import Limits, Refusal, refusal
from dollarbill_core.strategies.short_premium import Strategy
from dollarbill_core.values.book import Book, Event
from dollarbill_core.values.calendars import last_trade_instant
from dollarbill_core.values.contracts import Option
from dollarbill_core.values.orders import Order, Proposal, order_from


@dataclass(frozen=True, slots=True)
class House:
    """What stays the same from day to day: account, limits, costs, fills, holders' habits."""

    account: Account
    limits: Limits
    costs: Costs
    fills: FillModel
    exercise: ExercisePolicy = CERTAIN

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What results rest on besides prices, a sentence each."""
        rules = f"Margin rules: {self.account.name}; fees: {self.costs.name}."
        return (rules, *self.fills.assumptions)


def house_from(parameters: Mapping[str, Any]) -> House:
    """The house of a notebook's ``account``, ``margin_use``, ``fill_fraction``, as it has them.

    Without an ``account`` it is Reg T's.
    """
    return House(
        account=ACCOUNTS[parameters.get("account", "reg_t")],
        limits=Limits(margin_use=Decimal(str(parameters.get("margin_use", 1)))),
        costs=INTERACTIVE_BROKERS,
        fills=FillModel(crossing=Decimal(str(parameters.get("fill_fraction", 1)))),
    )


def breaker_from(parameters: Mapping[str, Any]) -> Breaker:
    """The circuit breaker of a notebook's ``reduce_at`` and ``halt_at``."""
    return Breaker(Decimal(str(parameters["reduce_at"])), Decimal(str(parameters["halt_at"])))


@dataclass(frozen=True, slots=True)
class Unfilled:
    """An order that found no quote to trade on; it lapses with its session."""

    order: Order
    why: str


@dataclass(frozen=True, slots=True)
class Morning:
    """What the market did to the working orders: events in order, and orders that lapsed."""

    events: tuple[Event, ...]
    unfilled: tuple[Unfilled, ...]


@dataclass(frozen=True, slots=True)
class Decisions:
    """What the strategy wanted, which orders passed and which did not."""

    proposals: tuple[Proposal, ...]
    orders: tuple[Order, ...]
    refused: tuple[Refusal, ...]
    breaker: Breaker


def market_events(working: tuple[Order, ...], book: Book, view: View, house: House) -> Morning:
    """What this session's quotes bring to a book and its working orders: a broker's part.

    Splits and dividends of what was held overnight come first, what shares borrowed over a
    session without quotes still cost, then each order in turn.
    """
    opened: tuple[Event, ...] = events_at_open(book, view)
    if (loans := house.costs.loans) and (nights := nights_missed(book.as_of, view.today)):
        held = book.after_all(opened)
        opened += borrow_fees(held, view.spots, loans, view.now, nights)
    met = executions(working, view, house, opened)
    return Morning((*opened, *met.events), met.unfilled)


def executions(
    working: Sequence[Order], view: View, house: House, earlier: Sequence[Event]
) -> Morning:
    """The fills and fees of orders at this view's quotes, and the orders that lapse.

    An order decided earlier fills; in the snapshot that decided it, it fills only where the
    house's fill model says so. One from before a split lapses, since its strikes and numbers
    are those of other contracts; so does one for an option that trades no more. ``earlier`` is
    what the account has traded and paid today.
    """
    events: list[Event] = []
    unfilled: list[Unfilled] = []
    for order in working:
        try:
            if order.decided_at >= view.now and not house.fills.in_deciding_snapshot:
                raise NoQuote("decided in this very snapshot")
            _demand_tradable(order, view)
            done = (*earlier, *events)
            events += executed(order, view, house.fills, house.costs, done)
        except NoQuote as why:
            unfilled.append(Unfilled(order, str(why)))
    return Morning(tuple(events), tuple(unfilled))


def _demand_tradable(order: Order, view: View) -> None:
    """Raise NoQuote if a split or a last trading day came after the order was decided."""
    for instrument in (leg.instrument for leg in order.legs):
        symbol = instrument.underlying
        for split in view.splits.get(symbol, ()):
            if order.decided_at < ex_instant(split.ex_date) <= view.now:
                what = f"{symbol} split {split.new}:{split.old} on {split.ex_date}"
                raise NoQuote(f"{what}: an order from before it lapses")
        if not isinstance(instrument, Option):
            continue
        if view.now > (last := last_trade_instant(instrument)):
            raise NoQuote(f"{instrument} traded until {last:%Y-%m-%d %H:%M}: it has expired")


def closing_events(
    book: Book, view: View, house: House, earlier: Sequence[Event] = ()
) -> tuple[Event, ...]:
    """What this close settles and assigns, and what that costs, once for each close.

    A broker's part. Each delivery of shares is followed by its fees; what is then short is
    borrowed until the next session. ``earlier`` is what was traded and paid today.
    """
    events: list[Event] = []
    for event in events_at_close(book, view, policy=house.exercise):
        events += [event, *house.costs.fees([event], (*earlier, *events))]
    if (loans := house.costs.loans) is not None:
        events += borrow_fees(book.after_all(events), view.spots, loans, view.now)
    return tuple(events)


def decisions(
    book: Book,
    view: View,
    strategy: Strategy,
    house: House,
    breaker: Breaker,
    units: Decimal,
    working: Sequence[Order] = (),
) -> Decisions:
    """Decide what to send from a book that the close has settled; backtest and session alike.

    ``working`` are orders sent earlier that may still fill; the gates count them. ``units``
    turn the NAV into the value of one unit, which is what the breaker follows.
    """
    breaker = breaker.after((book.cash + book.total(view.mark)) / units)
    orders: list[Order] = []
    refused: list[Refusal] = []
    proposals = strategy.decide(view, book, house.account)
    for proposal in proposals:
        order = order_from(proposal, strategy.hash, view.now)
        sent = (*working, *orders)
        stopped = refusal(order, book, view, house.account, house.limits, breaker, sent)
        if stopped is None:
            orders.append(order)
        else:
            refused.append(stopped)
    return Decisions(proposals, tuple(orders), tuple(refused), breaker)


def last_quotes_after(
    book: Book, view: View, last: Mapping[Option, Quote]
) -> dict[Option, Quote]:
    """The last sound quote of each option held, today's where there is one."""
    found: dict[Option, Quote] = {}
    for position in book.positions:
        if isinstance(option := position.instrument, Option):
            try:
                found[option] = view.quote(option)
            except NoQuote:
                if option in last:
                    found[option] = last[option]
    return found
