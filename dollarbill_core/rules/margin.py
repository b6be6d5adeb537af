"""What a whole book must hold back: the requirement, what is left free, what a change asks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from dollarbill_core.market.chains import NoQuote
from dollarbill_core.market.view import View
from dollarbill_core.rules import portfolio_margin
from dollarbill_core.rules.accounts import Account, Method
from dollarbill_core.rules.grouping import least_groups
from dollarbill_core.rules.requirements import Group, NotAllowed, Requirement, proceeds
from dollarbill_core.rules.secured_margin import secured_groups
from dollarbill_core.values.book import Book, Fill
from dollarbill_core.values.contracts import Leg, Stock, cents
from dollarbill_core.values.orders import Intent, Order

__all__ = [
    "Change",
    "Group",
    "NotAllowed",
    "Requirement",
    "excess",
    "free_funds",
    "marginal",
    "requirement",
    "what_if",
]

ZERO = Decimal(0)


def requirement(book: Book, view: View, account: Account) -> Requirement:
    """The margin of a whole book under an account's rules, dollars, gross.

    Strategy-based accounts group the legs so that they ask least, of all legal groupings, to
    hold and to open; portfolio margin reprices the book; cash accounts and houses with the
    universal spread rule hold nothing uncovered.

    Raises
    ------
    NotAllowed
        If the account may not hold a leg, or a leg's deliverable is not standard; the message
        names it.
    NoQuote
        If a short has no mark and no price to model one from.
    ValueError
        If a mark is negative, or a leg has expired by ``view.now``.

    Examples
    --------
    One SPY strangle in a Reg T account, the put being the dearer side:

    >>> from datetime import UTC, datetime
    >>> from dollarbill_core.rules.accounts import REG_T
    >>> from dollarbill_core.values.book import Position
    >>> from dollarbill_core.values.contracts import Option
    >>> put = Option.from_occ("SPY261218P00570000")
    >>> call = Option.from_occ("SPY261218C00650000")
    >>> view = View(datetime(2026, 11, 2, 21, tzinfo=UTC), {"SPY": Decimal(600)},
    ...             {put: Decimal("3.10"), call: Decimal("1.20")})
    >>> book = Book(Decimal(20_000), (Position(put, -1), Position(call, -1)))
    >>> requirement(book, view, REG_T).maintenance
    Decimal('6430.00')
    """
    if account.method is Method.PORTFOLIO:
        return portfolio_margin.requirement_of(book, view, account)
    premium = proceeds(book.positions)
    if account.method is Method.STRATEGY:
        found = least_groups(book.positions, view, account)
        return Requirement(found.holding, found.opening, premium, found.unproved)
    groups = secured_groups(book.positions, view, account)
    return Requirement(groups, groups, premium)


def free_funds(book: Book, view: View, required: Requirement) -> Decimal:
    """Dollars left to open with: cash and long stock, less the initial requirement.

    Negative means that nothing may be opened; ``excess`` says when to pay in. A short option's
    value is inside the requirement and the premium it brought inside the cash, so neither
    counts twice.
    """
    return book.cash + _long_stock(book, view) - required.to_carry


def excess(book: Book, view: View, required: Requirement) -> Decimal:
    """Dollars above the maintenance requirement; negative is a margin call.

    Cash and long stock, less the requirement, of which what may be borrowed on long options
    is taken off. Never less than ``free_funds``.
    """
    return cents(book.cash + _long_stock(book, view) - required.tied_up)


def _long_stock(book: Book, view: View) -> Decimal:
    """Long shares at the market, dollars."""
    held = (p for p in book.positions if isinstance(p.instrument, Stock) and p.quantity > 0)
    return sum((p.quantity * view.spot(p.instrument.underlying) for p in held), ZERO)


@dataclass(frozen=True, slots=True)
class Change:
    """The requirement before and after something is held, and the book that then is."""

    before: Requirement
    after: Requirement
    book: Book

    @property
    def initial(self) -> Decimal:
        """Dollars that opening asks more; negative where it asks less."""
        return self.after.initial - self.before.initial

    @property
    def maintenance(self) -> Decimal:
        """Dollars that holding asks more; negative where it asks less."""
        return self.after.maintenance - self.before.maintenance


def marginal(book: Book, view: View, account: Account, leg: Leg) -> Change:
    """What one leg of the book adds to its requirement: without it, and with it.

    Raises ValueError if the book does not hold the leg, and as ``requirement`` does.

    Examples
    --------
    The call of a strangle adds no more than its own value, 1.20 a share:

    >>> from datetime import UTC, datetime
    >>> from dollarbill_core.rules.accounts import REG_T
    >>> from dollarbill_core.values.book import Position
    >>> from dollarbill_core.values.contracts import Option
    >>> put = Option.from_occ("SPY261218P00570000")
    >>> call = Option.from_occ("SPY261218C00650000")
    >>> view = View(datetime(2026, 11, 2, 21, tzinfo=UTC), {"SPY": Decimal(600)},
    ...             {put: Decimal("3.10"), call: Decimal("1.20")})
    >>> book = Book(Decimal(20_000), (Position(put, -1), Position(call, -1)))
    >>> marginal(book, view, REG_T, Leg(call, -1)).maintenance
    Decimal('120.00')
    """
    held = next((p for p in book.positions if p.instrument == leg.instrument), None)
    if held is None or held.quantity * leg.quantity < 0:
        raise ValueError(f"the book does not hold {leg}")
    left = held.quantity - leg.quantity
    if held.quantity * left < 0:
        raise ValueError(f"the book holds {held.quantity:+d} of {leg.instrument}, not {leg}")
    others = tuple(p for p in book.positions if p is not held)
    if left:
        others += (replace(held, quantity=left, cost=held.cost * left / held.quantity),)
    before = requirement(replace(book, positions=others), view, account)
    return Change(before, requirement(book, view, account), book)


def what_if(
    book: Book, view: View, account: Account, order: Order, working: Sequence[Order] = ()
) -> Change:
    """The requirement before and after an order is filled at today's marks.

    Working orders that open are taken as filled in both, so that two orders of one day cannot
    use the same room; working orders that close are not counted on.

    Raises as ``requirement`` does: NotAllowed where the account may not hold what would be.
    """
    for each in working:
        if each.intent is Intent.OPEN:
            book = as_if_filled(each, book, view)
    after = as_if_filled(order, book, view)
    before = requirement(book, view, account)
    return Change(before, requirement(after, view, account), after)


def as_if_filled(order: Order, book: Book, view: View) -> Book:
    """The book with an order filled at today's marks."""
    at = view.now if book.as_of is None else max(view.now, book.as_of)
    return book.after_all(
        Fill(at, order.trade, leg.instrument, leg.quantity, _mark(leg, view))
        for leg in order.legs
    )


def _mark(leg: Leg, view: View) -> Decimal:
    try:
        return view.mark(leg.instrument)
    except NoQuote as error:
        raise NoQuote(f"{leg.instrument} has no mark: {error}") from error
