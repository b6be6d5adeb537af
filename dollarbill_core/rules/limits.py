"""What may be sent at all: the gates before an order, and the circuit breaker.

First form: margin, number of trades and the breaker; the other gates come with the full rules.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from dollarbill_core.market.view import View
from dollarbill_core.rules.accounts import Account
from dollarbill_core.rules.margin import NotAllowed, free_funds, requirement
from dollarbill_core.values.book import Book, Fill
from dollarbill_core.values.orders import Intent, Order


class BreakerState(StrEnum):
    """What the account may still do."""

    NORMAL = "normal"
    REDUCE = "reduce"
    HALT = "halt"


@dataclass(frozen=True, slots=True)
class Breaker:
    """A circuit breaker on the value of one unit: it latches until a person resets it.

    ``reduce_at`` and ``halt_at`` are falls from the peak, as fractions; None switches one off.
    The value is the caller's to keep. It follows value per unit, so money that investors bring
    or take does not trip it.

    Examples
    --------
    >>> breaker = Breaker(reduce_at=Decimal("0.08"), halt_at=Decimal("0.12"))
    >>> for nav in (100_000, 110_000, 101_200, 96_800, 105_000):
    ...     breaker = breaker.after(Decimal(nav))
    >>> breaker.state.value, breaker.peak
    ('halt', Decimal('110000'))
    """

    reduce_at: Decimal | None = None
    halt_at: Decimal | None = None
    peak: Decimal = Decimal(0)
    state: BreakerState = BreakerState.NORMAL

    def after(self, unit_value: Decimal) -> "Breaker":
        """The breaker once a unit is worth ``unit_value`` dollars."""
        peak = max(self.peak, unit_value)
        fallen = 1 - unit_value / peak if peak > 0 else Decimal(0)
        state = self.state
        if self.halt_at is not None and fallen >= self.halt_at:
            state = BreakerState.HALT
        elif self.reduce_at is not None and fallen >= self.reduce_at:
            state = BreakerState.HALT if state is BreakerState.HALT else BreakerState.REDUCE
        return replace(self, peak=peak, state=state)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may be risked: NAV that margin ties up, as a fraction, and open trades."""

    margin_use: Decimal = Decimal(1)
    open_trades: int = 1_000

    def __post_init__(self) -> None:
        if not 0 < self.margin_use <= 1:
            raise ValueError(f"margin_use must be above 0, at most 1, got {self.margin_use}")


@dataclass(frozen=True, slots=True)
class Refusal:
    """An order that a gate stopped, and why in one line."""

    order: Order
    why: str


def refusal(
    order: Order,
    book: Book,
    view: View,
    account: Account,
    limits: Limits,
    breaker: Breaker,
    working: Sequence[Order] = (),
) -> Refusal | None:
    """Why this order may not be sent, or None. Orders that close are always let through.

    The requirement is that of the book with every working opening order and this one filled at
    today's marks, so two orders of one day cannot both use the same room. Working orders that
    close are not counted on.
    """
    if order.intent is Intent.CLOSE:
        return None
    if breaker.state is not BreakerState.NORMAL:
        return Refusal(order, f"the circuit breaker is at {breaker.state}: nothing is opened")
    opening = [each for each in working if each.intent is Intent.OPEN]
    if len(book.trades) + len(opening) >= limits.open_trades:
        return Refusal(order, f"{limits.open_trades} trades are open already")
    after = book
    for each in (*opening, order):
        after = _as_if_filled(each, after, view)
    try:
        required = requirement(after, view, account)
    except NotAllowed as why:
        return Refusal(order, str(why))
    nav = after.cash + after.total(view.mark)
    used = nav - free_funds(after, view, required)
    if used > nav:
        return Refusal(
            order, f"the account cannot carry it: {used:,.2f} would be tied up, NAV {nav:,.2f}"
        )
    if used > limits.margin_use * nav:
        allowed = limits.margin_use * nav
        return Refusal(order, f"it would tie up {used:,.2f}, the limit is {allowed:,.2f}")
    return None


def _as_if_filled(order: Order, book: Book, view: View) -> Book:
    """The book with an order filled at today's marks."""
    at = view.now if book.as_of is None else max(view.now, book.as_of)
    fills = (
        Fill(at, order.trade, leg.instrument, leg.quantity, view.mark(leg.instrument))
        for leg in order.legs
    )
    return book.after_all(fills)
