"""What accounts ask that hold nothing uncovered: by cash, by shares, by the universal rule."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import permutations, product
from math import prod

from dollarbill_core.market.view import View
from dollarbill_core.rules import stock_margin
from dollarbill_core.rules.accounts import Account, Method
from dollarbill_core.rules.combinations import facts, mark_of
from dollarbill_core.rules.requirements import Group, Margins, NotAllowed, Rule
from dollarbill_core.rules.strategy_margin import (
    cash_secured_put_requirement,
    universal_spread_requirement,
)
from dollarbill_core.values.book import Position
from dollarbill_core.values.contracts import (
    STANDARD_MULTIPLIER,
    Instrument,
    Leg,
    Option,
    Right,
    Settlement,
    Stock,
)

ZERO = Decimal(0)
_WAYS = 500  # of securing shorts that are all compared; where there are more, by exchange


def secured_groups(
    positions: Sequence[Position], view: View, account: Account
) -> tuple[Group, ...]:
    """The groups of a cash account, or of a house with the universal spread rule.

    A short put is secured by its strike in cash, a short call by the shares. Under the
    universal spread rule a long option that lives as long covers one too, and of the ways to
    share out what covers, the one that asks least is taken.

    Raises
    ------
    NotAllowed
        If a short is covered by nothing; the message names it.
    """
    groups: list[Group] = []
    for symbol in dict.fromkeys(p.instrument.underlying for p in positions):
        mine = [p for p in positions if p.instrument.underlying == symbol]
        _require_living(mine, view)
        groups += _least(mine, view, account)
        _require_prices(mine, view)
    return tuple(groups)


def _require_living(positions: Sequence[Position], view: View) -> None:
    """Raise for an option that is not standard or has expired."""
    for position in positions:
        option = position.instrument
        if isinstance(option, Option) and facts(option).instant <= view.now.timestamp():
            raise ValueError(f"{option} has expired: settle it before it is margined")


def _require_prices(positions: Sequence[Position], view: View) -> None:
    """Raise for a short option without a price, or any with a price that is none."""
    for position in positions:
        option = position.instrument
        if isinstance(option, Option) and (position.quantity < 0 or option in view.marks):
            mark_of(option, view)


def _least(positions: Sequence[Position], view: View, account: Account) -> list[Group]:
    """One underlying's groups, the way of securing that asks least."""
    shorts = [p for p in positions if isinstance(p.instrument, Option) and p.quantity < 0]
    if account.method is Method.CASH:
        return _groups(positions, shorts, [-p.quantity for p in shorts], view, account)
    ranges = _ranges(positions, shorts)
    # Whatever serves at all, this does: cash for all puts, shares for the calls that live
    # longest. So a refusal of it is the book's.
    way = _secured_first(positions, shorts, ranges)
    best = _groups(positions, shorts, way, view, account)
    ways = product(*ranges) if prod(map(len, ranges)) <= _WAYS else None
    while True:
        tried = best
        for other in ways or _neighbours(way, ranges):
            try:
                found = _groups(positions, shorts, other, view, account)
            except NotAllowed:
                continue
            if _asked(found) < _asked(best):
                best, way = found, other
        if ways or _asked(best) == _asked(tried):
            return best


def _ranges(positions: Sequence[Position], shorts: Sequence[Position]) -> list[range]:
    """How many of each short cash or shares may secure, at least what no long can cover."""
    lots, found = _lots(positions), []
    for each in shorts:
        short = each.instrument
        assert isinstance(short, Option)
        covering = sum(_covers(p, short) for p in positions)
        most = -each.quantity if short.right is Right.PUT else min(-each.quantity, lots)
        if short.settlement is Settlement.CASH:
            most = 0
        found.append(range(min(max(-each.quantity - covering, 0), most), most + 1))
    return found


def _lots(positions: Sequence[Position]) -> int:
    """How many calls the shares are enough for."""
    held = (p.quantity for p in positions if isinstance(p.instrument, Stock))
    return max(sum(held), 0) // STANDARD_MULTIPLIER


def _covers(position: Position, short: Option) -> int:
    """How many contracts of a position could cover a short: of its right, living as long."""
    long = position.instrument
    if not isinstance(long, Option) or position.quantity < 0 or long.right is not short.right:
        return 0
    return position.quantity if facts(long).instant >= facts(short).instant else 0


def _secured_first(
    positions: Sequence[Position], shorts: Sequence[Position], ranges: Sequence[range]
) -> tuple[int, ...]:
    """All puts by cash, and by the shares as many calls as they can, the longest first."""
    lots, way = _lots(positions), [each[-1] for each in ranges]
    options = [short.instrument for short in shorts]
    for i in sorted(range(len(way)), key=lambda i: -_instant(options[i])):
        option = options[i]
        if isinstance(option, Option) and option.right is Right.PUT:
            continue
        way[i] = min(way[i], lots)
        lots -= way[i]
    return tuple(way)


def _instant(instrument: Instrument) -> float:
    return facts(instrument).instant if isinstance(instrument, Option) else 0.0


def _neighbours(way: Sequence[int], ranges: Sequence[range]) -> Iterator[tuple[int, ...]]:
    """The ways that differ in one short, or in two of which one gives to the other."""
    size = max(map(len, ranges))
    steps = [1 << k for k in range(size.bit_length())]
    moves = [{i: d} for i in range(len(way)) for d in (1, -1)]
    moves += [{i: 1, j: -1} for i, j in permutations(range(len(way)), 2)]
    for step, move in product(steps, moves):
        other = [count + step * move.get(i, 0) for i, count in enumerate(way)]
        if all(count in each for count, each in zip(other, ranges, strict=True)):
            yield tuple(other)


def _asked(groups: Sequence[Group]) -> Decimal:
    return sum((group.maintenance for group in groups), ZERO)


def _groups(
    positions: Sequence[Position],
    shorts: Sequence[Position],
    way: Sequence[int],
    view: View,
    account: Account,
) -> list[Group]:
    """With so many of each short secured, what covers the others."""
    groups: list[Group] = []
    stock = next((p for p in positions if isinstance(p.instrument, Stock)), None)
    free = stock.quantity if stock else 0
    rest: list[Leg] = []
    for short, count in zip(shorts, way, strict=True):
        option = short.instrument
        assert isinstance(option, Option)
        if -short.quantity > count:
            rest.append(Leg(option, short.quantity + count))
        if count and option.settlement is Settlement.CASH:
            raise NotAllowed(
                f"{account.titled} may not be short index options alone: "
                f"{Leg(option, short.quantity)}"
            )
        if count and option.right is Right.PUT:
            dollars = count * cash_secured_put_requirement(option)
            leg = Leg(option, -count)
            groups.append(Group((leg,), Rule.CASH_SECURED_PUT, dollars, dollars))
        elif count:
            free -= count * option.multiplier
            if free < 0:
                raise NotAllowed(
                    f"{account.titled} may not be short a call without the shares: "
                    f"{Leg(option, short.quantity)}"
                )
            groups.append(_covered(option, count, view, account))
    longs = [p for p in positions if isinstance(p.instrument, Option) and p.quantity > 0]
    groups += _spreads(rest, longs, account)
    return groups + _shares(stock, free, view, account)


def _covered(call: Option, count: int, view: View, account: Account) -> Group:
    asks = stock_margin.covered_call_margins(call, view.spot(call.underlying), account)
    legs = (Leg(call, -count), Leg(Stock(call.underlying), count * call.multiplier))
    return _group(legs, Rule.COVERED_CALL, asks.times(count))


def _group(legs: tuple[Leg, ...], rule: Rule, asks: Margins) -> Group:
    return Group(legs, rule, asks.initial, asks.maintenance, asks.paid, asks.lent)


def _spreads(
    rest: Sequence[Leg], longs: Sequence[Position], account: Account
) -> Iterator[Group]:
    """What longs cover, by the universal spread rule; longs alone where they cover nothing."""
    if rest:
        legs = (*rest, *(Leg(p.instrument, p.quantity) for p in longs))
        try:
            dollars = universal_spread_requirement(legs)
        except NotAllowed as error:
            raise NotAllowed(f"{account.titled} may not hold {error}") from error
        paid = sum((p.cost for p in longs), ZERO)
        yield Group(legs, Rule.UNIVERSAL_SPREAD, dollars + paid, dollars, paid)
        return
    for p in longs:
        yield Group((Leg(p.instrument, p.quantity),), Rule.LONG_OPTION, p.cost, ZERO, p.cost)


def _shares(stock: Position | None, free: int, view: View, account: Account) -> list[Group]:
    """Shares that cover no call."""
    if stock is None or free == 0:
        return []
    symbol, price = stock.instrument.underlying, view.spot(stock.instrument.underlying)
    leg = Leg(stock.instrument, free)
    if free < 0:
        if not account.uncovered:
            raise NotAllowed(f"{account.titled} may not be short stock: {leg}")
        asks = stock_margin.short_stock_margins(symbol, price, account)
        return [_group((leg,), Rule.SHORT_STOCK, asks.times(-free))]
    asks = stock_margin.long_stock_margins(symbol, price, account)
    return [_group((leg,), Rule.LONG_STOCK, asks.times(free))]
