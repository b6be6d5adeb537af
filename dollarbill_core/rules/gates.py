"""The gates before an order: what each one looks at, and what it says in one line."""

from collections.abc import Callable, Hashable, Iterable, Set
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import TypeVar

from dollarbill_core.market.view import View
from dollarbill_core.pricing.losses import WorstLoss, worst_loss
from dollarbill_core.rules.accounts import CASH, Account
from dollarbill_core.rules.adjustments import why_not_standard
from dollarbill_core.rules.concentration import margin_by, short_exposure
from dollarbill_core.rules.exposure import Exposure, exposures
from dollarbill_core.rules.margin import as_if_filled, free_funds, requirement
from dollarbill_core.rules.requirements import NotAllowed, Requirement
from dollarbill_core.values.book import Book, Position, Trade
from dollarbill_core.values.calendars import (
    MARKET_ZONE,
    expiry_instant,
    last_trade_instant,
    years_between,
)
from dollarbill_core.values.contracts import Instrument, Leg, Option, dollars_per_share
from dollarbill_core.values.orders import Intent, Order

ZERO = Decimal(0)
Amount = Decimal | int
Key = TypeVar("Key", bound=Hashable)


class Gate(StrEnum):
    """What is looked at before an order is sent, in this order; limits bear the same names."""

    CLOSES = "closes"
    BREAKER = "breaker"
    CONTRACTS = "contracts"
    OPEN_TRADES = "open_trades"
    CONTRACTS_PER_TRADE = "contracts_per_trade"
    CONTRACTS_PER_UNDERLYING = "contracts_per_underlying"
    EQUITY = "equity"
    ACCOUNT = "account"
    MARGIN_USE = "margin_use"
    CASH_RESERVE = "cash_reserve"
    TRADE_LOSS = "trade_loss"
    DAY_LOSS = "day_loss"
    SHORT_EXPOSURE = "short_exposure"
    UNDERLYING_MARGIN = "underlying_margin"
    EXPIRY_MARGIN = "expiry_margin"
    DELTA = "delta"
    VEGA = "vega"


_SENTENCES = {
    Gate.OPEN_TRADES: "open trades would be {0:,}, the limit is {1:,}",
    Gate.CONTRACTS_PER_TRADE: "the trade's contracts would be {0:,}, the limit is {1:,}",
    Gate.CONTRACTS_PER_UNDERLYING: "contracts on {2} would be {0:,}, the limit is {1:,}",
    Gate.EQUITY: "the account is worth {0:,.2f}, it gives credit from {1:,.2f} on",
    Gate.ACCOUNT: "the account {2} carry it: {0:,.2f} would be tied up, NAV {1:,.2f}",
    Gate.MARGIN_USE: "it would tie up {0:,.2f}, the limit is {1:,.2f}",
    Gate.CASH_RESERVE: "cash would be {0:,.2f}, the limit is {1:,.2f} at least",
    Gate.TRADE_LOSS: "the trade's worst loss would be {2}, the limit is {1:,.2f}",
    Gate.DAY_LOSS: "this day's trades could lose {2}, the limit is {1:,.2f}",
    Gate.SHORT_EXPOSURE: "shorts would stand for {0:,.2f}, the limit is {1:,.2f}",
    Gate.UNDERLYING_MARGIN: "{2} would tie up {0:,.2f} of margin, the limit is {1:,.2f}",
    Gate.EXPIRY_MARGIN: "expiry {2} would tie up {0:,.2f} of margin, the limit is {1:,.2f}",
    Gate.DELTA: "the book's dollar delta would be {0:,.2f}, the limit is {1:,.2f} either way",
    Gate.VEGA: "the book's vega would be {0:,.2f} a point, the limit is {1:,.2f} either way",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one gate said: whether the order passed, the figure and its limit, both or neither.

    ``about`` names what the figure is of; without a figure it is the whole sentence.
    """

    gate: Gate
    passed: bool
    actual: Decimal | int | None = None
    limit: Decimal | int | None = None
    about: str = ""

    @property
    def why(self) -> str:
        """One line: what, how much it would be, how much it may be."""
        if self.actual is None:
            return self.about or f"{self.gate} is not limited"
        return _SENTENCES[self.gate].format(self.actual, self.limit, self.about)


@dataclass(frozen=True, eq=False)
class Asked:
    """One order before the gates, with what several of them need, found when first asked."""

    order: Order
    book: Book
    view: View
    account: Account
    working: tuple[Order, ...]

    @cached_property
    def opening(self) -> tuple[Order, ...]:
        """The other orders that may still open something."""
        return tuple(each for each in self.working if each.intent is Intent.OPEN)

    @cached_property
    def nav(self) -> Decimal:
        return self.book.cash + self.book.total(self.view.mark)

    @cached_property
    def before(self) -> tuple[Book, ...]:
        """The book as it is, and as it is when the others are filled."""
        if not self.opening:
            return (self.book,)
        filled = self.book
        for each in self.opening:
            filled = as_if_filled(each, filled, self.view)
        return self.book, filled

    @cached_property
    def after(self) -> tuple[Book, ...]:
        """The same with this order filled too; the last one holds everything."""
        return tuple(as_if_filled(self.order, book, self.view) for book in self.before)

    @cached_property
    def required(self) -> tuple[Requirement, ...]:
        return tuple(requirement(book, self.view, self.account) for book in self.after)

    @cached_property
    def used(self) -> Decimal:
        """The most NAV that either book ties up."""
        pairs = zip(self.after, self.required, strict=True)
        return max(self.nav - free_funds(book, self.view, needed) for book, needed in pairs)


def _most(gate: Gate, actual: Amount, limit: Amount, about: str = "") -> Verdict:
    return Verdict(gate, actual <= limit, actual, limit, about)


# ------------------------------------------------------------ whether anything may be sent


def closing(asked: Asked) -> Verdict:
    """Whether an order that says it closes takes away from what is held, and no more."""
    for leg in asked.order.legs:
        held, waiting = _held(asked, leg.instrument)
        left, whole = held + waiting, _sum_of(leg.instrument, asked.order.legs)
        if left * leg.quantity >= 0 or abs(whole) > abs(left):
            sent = f" and {waiting:+d} already sent" if waiting else ""
            legs = f"{whole or leg.quantity:+d} {leg.instrument}"
            why = f"{legs} would open, not close: {held:+d} held{sent}"
            return Verdict(Gate.CLOSES, passed=False, about=why)
    return Verdict(Gate.CLOSES, passed=True, about="it closes what is held")


def _held(asked: Asked, instrument: Instrument) -> tuple[int, int]:
    """What the order's trade holds, else the book; and what closing orders will take away.

    An order whose trade is not open, such as one by hand, may take from any trade.
    """
    book, own = asked.book, asked.order.trade
    trade = book.trade(own)
    legs = trade.legs if trade else (Leg(p.instrument, p.quantity) for p in book.positions)
    closing = (
        leg
        for each in asked.working
        if each.intent is Intent.CLOSE
        and (trade is None or each.trade == own or book.trade(each.trade) is None)
        for leg in each.legs
    )
    return _sum_of(instrument, legs), _sum_of(instrument, closing)


def _sum_of(instrument: Instrument, legs: Iterable[Leg]) -> int:
    return sum(leg.quantity for leg in legs if leg.instrument == instrument)


def _contracts(asked: Asked, _: Amount) -> Verdict:
    """Only options that still trade and deliver what the standard contract delivers."""
    for leg in asked.order.legs:
        if why := why_not_standard(leg.instrument) or _over(leg.instrument, asked.view):
            return Verdict(Gate.CONTRACTS, passed=False, about=why)
    return Verdict(Gate.CONTRACTS, passed=True, about="every contract is standard and trades")


def _over(instrument: Instrument, view: View) -> str:
    """Why an option trades no more, "" where it does."""
    if not isinstance(instrument, Option):
        return ""
    last = last_trade_instant(instrument)
    if view.now < last:
        return ""
    return f"{instrument} traded until {last:%Y-%m-%d %H:%M}: it has expired"


# ------------------------------------------------------------ counts


def _open_trades(asked: Asked, limit: Amount) -> Verdict:
    trades = {each.id for each in asked.book.trades} | {each.trade for each in asked.opening}
    return _most(Gate.OPEN_TRADES, len(trades | {asked.order.trade}), limit)


def _per_trade(asked: Asked, limit: Amount) -> Verdict:
    trades = (_trade_in(book, asked.order.trade, asked.view) for book in asked.after)
    return _most(Gate.CONTRACTS_PER_TRADE, max(_count(each.legs) for each in trades), limit)


def _per_underlying(asked: Asked, limit: Amount) -> Verdict:
    touched = {leg.instrument.underlying for leg in asked.order.legs}
    count, symbol = max(
        (_count(p for p in book.positions if p.instrument.underlying == each), each)
        for book in asked.after
        for each in touched
    )
    return _most(Gate.CONTRACTS_PER_UNDERLYING, count, limit, symbol)


def _count(held: Iterable[Leg | Position]) -> int:
    return sum(abs(each.quantity) for each in held if isinstance(each.instrument, Option))


def _trade_in(book: Book, trade_id: str, view: View) -> Trade:
    """A trade of the book; without legs if nothing is left of it."""
    return book.trade(trade_id) or Trade(trade_id, (), view.now)


# ------------------------------------------------------------ dollars


def _equity(asked: Asked, _: Amount) -> Verdict:
    """Below the account's minimum only what a cash account could hold as well is opened."""
    least = asked.account.minimum_equity
    if not least:
        told = f"{asked.account.titled} asks for no minimum"
        return Verdict(Gate.EQUITY, passed=True, about=told)
    if asked.nav >= least:
        return Verdict(Gate.EQUITY, True, asked.nav, least)
    paid = all(_is_paid_in_full(book, asked.view) for book in asked.after)
    return Verdict(Gate.EQUITY, paid, asked.nav, least)


def _is_paid_in_full(book: Book, view: View) -> bool:
    try:
        return free_funds(book, view, requirement(book, view, CASH)) >= 0
    except NotAllowed:
        return False


def _account(asked: Asked, _: Amount) -> Verdict:
    carried = asked.used <= asked.nav
    about = "can" if carried else "cannot"
    return Verdict(Gate.ACCOUNT, carried, asked.used, asked.nav, about)


def _margin_use(asked: Asked, limit: Amount) -> Verdict:
    return _most(Gate.MARGIN_USE, asked.used, limit)


def _cash_reserve(asked: Asked, limit: Amount) -> Verdict:
    cash = min(book.cash for book in asked.after)
    return Verdict(Gate.CASH_RESERVE, cash >= limit, cash, limit)


def _trade_loss(asked: Asked, limit: Amount) -> Verdict:
    loss = _loss(asked, asked.order.trade)
    return _most(Gate.TRADE_LOSS, loss.dollars, limit, str(loss))


def _day_loss(asked: Asked, limit: Amount) -> Verdict:
    losses = [_loss(asked, trade_id) for trade_id in sorted(_of_this_day(asked))]
    total = sum((each.dollars for each in losses), ZERO)
    label = "BOUND: " if any(each.is_bound for each in losses) else ""
    dollars = f"${total:,.2f}" if total.is_finite() else "without limit"
    return _most(Gate.DAY_LOSS, total, limit, label + dollars)


def _of_this_day(asked: Asked) -> set[str]:
    """Trades about to be opened, and those opened since midnight in an earlier snapshot.

    What filled in this very snapshot was decided before it, and counted then.
    """
    now = asked.view.now
    today = now.astimezone(MARKET_ZONE).date()
    opened = {
        trade.id
        for trade in asked.book.trades
        if trade.opened < now and trade.opened.astimezone(MARKET_ZONE).date() == today
    }
    return opened | {each.trade for each in (*asked.opening, asked.order)}


def _loss(asked: Asked, trade_id: str) -> WorstLoss:
    """The most that a trade can lose, in whichever book it loses more."""
    trades = (_trade_in(book, trade_id, asked.view) for book in asked.after)
    return max((_loss_of(each, asked.view) for each in trades), key=lambda loss: loss.dollars)


def _loss_of(trade: Trade, view: View) -> WorstLoss:
    if not trade.legs:
        return WorstLoss(ZERO, ZERO)
    options = [x.instrument for x in trade.legs if isinstance(x.instrument, Option)]
    last = max((expiry_instant(each) for each in options), default=view.now)
    rate = view.rates.continuous(max(years_between(view.now, last), 0.0))
    paid = view.dividend_yields.get(trade.underlying, 0.0)
    return worst_loss(trade.legs, trade.credit, rate=rate, dividend_yield=paid)


# ------------------------------------------------------------ the whole book


def _short_exposure(asked: Asked, limit: Amount) -> Verdict:
    total = max(short_exposure(book) for book in asked.after)
    return _most(Gate.SHORT_EXPOSURE, total, limit)


def _underlying_margin(asked: Asked, limit: Amount) -> Verdict:
    touched = {leg.instrument.underlying for leg in asked.order.legs}
    return _concentration(Gate.UNDERLYING_MARGIN, asked, limit, lambda x: x.underlying, touched)


def _expiry_margin(asked: Asked, limit: Amount) -> Verdict:
    def expiry(instrument: Instrument) -> date | None:
        return instrument.expiry if isinstance(instrument, Option) else None

    touched = {expiry(leg.instrument) for leg in asked.order.legs} - {None}
    if not touched:
        told = "nothing of the order expires"
        return Verdict(Gate.EXPIRY_MARGIN, passed=True, about=told)
    return _concentration(Gate.EXPIRY_MARGIN, asked, limit, expiry, touched)


def _concentration(
    gate: Gate,
    asked: Asked,
    limit: Amount,
    key: Callable[[Instrument], Key | None],
    touched: Set[Key | None],
) -> Verdict:
    """The most that one of those which the order touches ties up."""
    shares = [margin_by(required, key) for required in asked.required]
    found = [(each.get(name, ZERO), str(name)) for each in shares for name in touched if name]
    dollars, about = max(found)
    return _most(gate, dollars, limit, about)


def _delta(asked: Asked, limit: Amount) -> Verdict:
    return _either_way(Gate.DELTA, asked, limit, lambda total: total.dollar_delta)


def _vega(asked: Asked, limit: Amount) -> Verdict:
    return _either_way(Gate.VEGA, asked, limit, lambda total: total.vega_per_point)


def _either_way(
    gate: Gate, asked: Asked, limit: Amount, greek: Callable[[Exposure], float]
) -> Verdict:
    """The greatest Greek, unless it lies nearer to zero than without the order."""

    def dollars(book: Book) -> Decimal:
        return dollars_per_share(greek(exposures(book, asked.view).total))

    found = [dollars(book) for book in asked.after]
    worst = max(found, key=abs)
    if abs(worst) <= limit:
        return Verdict(gate, True, worst, limit)
    pairs = zip(asked.before, found, strict=True)
    nearer = all(abs(after) <= max(limit, abs(dollars(book))) for book, after in pairs)
    return Verdict(gate, nearer, worst, limit)


Judge = Callable[[Asked, Amount], Verdict]
ALWAYS = frozenset({Gate.CONTRACTS, Gate.EQUITY, Gate.ACCOUNT})  # law, not limits
JUDGES: dict[Gate, Judge] = {
    Gate.CONTRACTS: _contracts,
    Gate.OPEN_TRADES: _open_trades,
    Gate.CONTRACTS_PER_TRADE: _per_trade,
    Gate.CONTRACTS_PER_UNDERLYING: _per_underlying,
    Gate.EQUITY: _equity,
    Gate.ACCOUNT: _account,
    Gate.MARGIN_USE: _margin_use,
    Gate.CASH_RESERVE: _cash_reserve,
    Gate.TRADE_LOSS: _trade_loss,
    Gate.DAY_LOSS: _day_loss,
    Gate.SHORT_EXPOSURE: _short_exposure,
    Gate.UNDERLYING_MARGIN: _underlying_margin,
    Gate.EXPIRY_MARGIN: _expiry_margin,
    Gate.DELTA: _delta,
    Gate.VEGA: _vega,
}
