"""What a whole book must hold back: the requirement, its groups, and what is left free.

First form: uncovered shorts, strangles, long options paid in full, stock. Spreads get no relief
until the grouping rules stand, so a spread is charged more than it need be, never less.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from dollarbill_core.market.view import View
from dollarbill_core.rules.accounts import Account
from dollarbill_core.rules.strategy_margin import (
    ShortOption,
    strangle_requirement,
    uncovered_requirement,
)
from dollarbill_core.values.book import Book, Position
from dollarbill_core.values.contracts import Leg, Legs, Option, Right, Settlement, Stock, cents

ZERO = Decimal(0)


class NotAllowed(ValueError):
    """A position that this type of account may not hold; the message names the leg."""


@dataclass(frozen=True, slots=True)
class Group:
    """Legs margined together: the rule, its dollars, and on access the reason."""

    legs: Legs
    rule: str
    initial: Decimal
    maintenance: Decimal
    carries: bool = True

    @property
    def why(self) -> str:
        """One sentence: which legs, by which rule, for how much."""
        legs = " with ".join(str(leg) for leg in self.legs)
        return f"{legs}: {self.rule} asks {self.maintenance:,.2f}"


@dataclass(frozen=True, slots=True)
class Requirement:
    """Dollars, gross: a short's own value counts, longs stand at cost in ``initial``.

    ``deposit`` is the initial requirement less the premium that the shorts brought in.
    """

    groups: tuple[Group, ...]
    deposit: Decimal

    @property
    def initial(self) -> Decimal:
        return cents(sum((group.initial for group in self.groups), ZERO))

    @property
    def maintenance(self) -> Decimal:
        return cents(sum((group.maintenance for group in self.groups), ZERO))

    @property
    def to_carry(self) -> Decimal:
        """The initial requirement without long options, whose price is already paid."""
        return cents(sum((g.initial for g in self.groups if g.carries), ZERO))


def requirement(book: Book, view: View, account: Account) -> Requirement:
    """The margin of a whole book under an account's rules, dollars.

    Shorts of one underlying are paired, the put that asks most alone with the call that asks
    most alone, and so on. The least over all legal groupings comes with the grouping rules.

    Raises
    ------
    NotAllowed
        If the account may not hold a leg; the message names it.
    NoQuote
        If a short has no mark and no price to model one from.

    Examples
    --------
    One SPY strangle in a Reg T account, the put being the dearer side:

    >>> from datetime import UTC, datetime
    >>> from dollarbill_core.rules.accounts import REG_T
    >>> put = Option.from_occ("SPY261218P00570000")
    >>> call = Option.from_occ("SPY261218C00650000")
    >>> view = View(datetime(2026, 11, 2, 21, tzinfo=UTC), {"SPY": Decimal(600)},
    ...             {put: Decimal("3.10"), call: Decimal("1.20")})
    >>> book = Book(Decimal(20_000), (Position(put, -1), Position(call, -1)))
    >>> requirement(book, view, REG_T).maintenance
    Decimal('6430.00')
    """
    options = [p for p in book.positions if isinstance(p.instrument, Option)]
    shorts = [p for p in options if p.quantity < 0]
    groups = [_long_option(p) for p in options if p.quantity > 0]
    shares = [p for p in book.positions if isinstance(p.instrument, Stock)]
    groups += [_stock(p, view, account) for p in shares]
    if account.uncovered:
        for underlying in sorted({p.instrument.underlying for p in shorts}):
            groups += _uncovered(shorts, underlying, view, account)
    else:
        groups += _secured(shorts, book)
    premium = sum((-p.cost for p in shorts), ZERO)
    initial = sum((group.initial for group in groups), ZERO)
    return Requirement(tuple(groups), cents(max(initial - premium, ZERO)))


def free_funds(book: Book, view: View, required: Requirement) -> Decimal:
    """Dollars left to open with: cash and long stock, less the initial requirement.

    Negative means that nothing may be opened; ``excess`` says when to pay in. A short option's
    value is inside the requirement and the premium it brought inside the cash, so neither
    counts twice.
    """
    stock = sum(
        (
            p.quantity * view.spot(p.instrument.symbol)
            for p in book.positions
            if isinstance(p.instrument, Stock) and p.quantity > 0
        ),
        ZERO,
    )
    return book.cash + stock - required.to_carry


def excess(book: Book, view: View, required: Requirement) -> Decimal:
    """Dollars above the maintenance requirement; negative is a margin call.

    As ``free_funds``, but shares held count at their maintenance rate, not the initial one.
    """
    kept = sum((g.initial - g.maintenance for g in required.groups if g.carries), ZERO)
    return free_funds(book, view, required) + cents(kept)


def _long_option(position: Position) -> Group:
    leg = Leg(position.instrument, position.quantity)
    return Group((leg,), "long option, paid in full", position.cost, ZERO, carries=False)


def _stock(position: Position, view: View, account: Account) -> Group:
    """Long: a fraction of the value. Short: the proceeds and more."""
    leg = Leg(position.instrument, position.quantity)
    value = abs(position.quantity) * view.spot(position.instrument.underlying)
    if position.quantity > 0:
        initial, maintenance = account.stock_initial, account.stock_maintenance
        return Group((leg,), "long stock", initial * value, maintenance * value)
    if not account.uncovered:
        raise NotAllowed(f"a {account.name} account may not be short stock: {leg}")
    initial, maintenance = account.short_stock_initial, account.short_stock_maintenance
    return Group((leg,), "short stock", initial * value, maintenance * value)


def _secured(shorts: Iterable[Position], book: Book) -> list[Group]:
    """A cash account: puts by their strike in cash, calls by the shares themselves."""
    groups = []
    free_shares = {p.instrument: p.quantity for p in book.positions}
    for position in shorts:
        option = position.instrument
        assert isinstance(option, Option)
        leg = Leg(option, position.quantity)
        if option.settlement is Settlement.CASH:
            raise NotAllowed(f"a cash account may not be short index options: {leg}")
        if option.right is Right.PUT:
            dollars = -position.quantity * option.multiplier * option.strike
            groups.append(Group((leg,), "cash-secured put", dollars, dollars))
            continue
        stock = Stock(option.underlying)
        left = free_shares.get(stock, 0) + position.quantity * option.multiplier
        if left < 0:
            raise NotAllowed(
                f"a cash account may not be short a call without the shares: {leg}"
            )
        free_shares[stock] = left
        groups.append(Group((leg,), "covered call", ZERO, ZERO))
    return groups


def _uncovered(
    shorts: Iterable[Position], underlying: str, view: View, account: Account
) -> list[Group]:
    """Strangles of one underlying, then what stays alone; sizes may differ."""
    mine = [p for p in shorts if p.instrument.underlying == underlying]
    puts = _dearest_first(mine, Right.PUT, view, account)
    calls = _dearest_first(mine, Right.CALL, view, account)
    groups = []
    while puts and calls:
        (put, puts_left), (call, calls_left) = puts[0], calls[0]
        size = min(puts_left, calls_left)
        dollars = size * strangle_requirement(put, call)
        pair = (Leg(put.option, -size), Leg(call.option, -size))
        groups.append(Group(pair, "short put and call", dollars, dollars))
        puts = [(put, puts_left - size)][: puts_left > size] + puts[1:]
        calls = [(call, calls_left - size)][: calls_left > size] + calls[1:]
    for short, size in puts + calls:
        dollars = size * uncovered_requirement(short)
        alone = (Leg(short.option, -size),)
        groups.append(Group(alone, "uncovered short", dollars, dollars))
    return groups


def _dearest_first(
    shorts: Iterable[Position], right: Right, view: View, account: Account
) -> list[tuple[ShortOption, int]]:
    """Shorts of one right with their sizes, the greatest requirement first."""
    found = []
    for position in shorts:
        option = position.instrument
        if isinstance(option, Option) and option.right is right:
            mark, spot = view.mark(option), view.spot(option.underlying)
            short = ShortOption(option, mark, spot, account.rate(option), account.floor)
            found.append((short, -position.quantity))
    return sorted(
        found, key=lambda pair: (-uncovered_requirement(pair[0]), str(pair[0].option))
    )
