"""The least that a book's legs ask, over every legal grouping of them, and the groups.

Legs of one margin class are grouped together; classes are apart. The search is exact, for any
sizes. It rests on four facts:

- The worst loss of two spreads together is at most the sum of theirs. So two spreads that one
  instant parts, all shorts expiring by it and no long before it, may be merged without loss:
  one spread an instant is enough, and what is chosen is how many of each leg stand in it.
- A spread's loss turns upwards at its shorts' strikes, downwards at its longs', and is constant
  above the last. So it is greatest at 0 or at a long's strike.
- A strangle saves the cushion of the side that asks less. So pairs are columns, and so are
  stock with its options, boxes that may be borrowed on, and condors of equal sides.
- "The lesser of a spread's loss and its shorts alone" is the choice to leave shorts alone.

What is left is a small integer programme: whole numbers of contracts, the loss of each spread
no less than at each of its corners. ``branching_kernels`` solves it; past its budget SciPy's
HiGHS does, in exact whole numbers again.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from math import gcd
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dollarbill_core.market.view import View
from dollarbill_core.rules.accounts import Account, UnequalCondors
from dollarbill_core.rules.combinations import (
    UNIT,
    ZERO,
    Combination,
    Facts,
    Family,
    Long,
    Shares,
    Short,
    combinations,
    families,
)
from dollarbill_core.rules.grouping_kernels import (
    COVERED,
    COVERING,
    ENTRY,
    HEADER,
    STRANGLE,
    STRUCTURE,
    STRUCTURED,
    least_grouping,
)
from dollarbill_core.rules.requirements import Group, Rule
from dollarbill_core.rules.strategy_margin import box_width, strangle_requirement
from dollarbill_core.values.book import Position
from dollarbill_core.values.contracts import Leg, Right

Floats = NDArray[np.float64]
Groups = tuple[Group, ...]

BUDGET = 2.5e7  # numbers in pivoted tables, some 10 ms; HiGHS takes 30 to 70 ms and an import
_BRANCHES = 250  # that may be open at once
_SOLVED = 1.0
_NONE = np.zeros(1)[:0]


class Choice(NamedTuple):
    """One column of a solution that is not 0: its kind, which, and how many (or dollars)."""

    kind: float
    first: float
    second: float
    size: float


def least_groups(
    positions: Sequence[Position], view: View, account: Account
) -> tuple[Groups, Groups]:
    """The groups that ask least to hold, and those that ask least to open.

    Raises
    ------
    NoQuote, NotAllowed, ValueError
        For a short without a price, an option that is not standard, one that has expired.
    """
    holding: list[Group] = []
    opening: list[Group] = []
    same = True
    for family in families(positions, view, account).values():
        others = combinations(family, view)
        groups = _least(family, others, False)
        holding += groups
        if others or family.shares or family.lends:
            groups, same = _least(family, others, True), False
        opening += groups
    held = tuple(holding)
    return held, held if same or opening == holding else tuple(opening)


def _least(family: Family, others: Sequence[Combination], opening: bool) -> list[Group]:
    """The groups of one class for one of the two totals."""
    worthy = [each for each in others if _gain(each, opening) < 0]
    n_choices = len(family.longs) + len(family.shorts)
    if worthy or (family.shorts and n_choices > 1):
        choices = _solution(family, worthy, opening)
    else:
        choices = []
    return list(_groups(family, worthy, choices))


def _gain(each: Combination, opening: bool) -> Decimal:
    """Dollars that a combination adds to what its legs ask alone; negative saves.

    Of combinations that ask as much to hold, the one that lends more gains.
    """
    if opening:
        return each.asks.initial - each.without.initial
    held = each.asks.maintenance - each.without.maintenance
    return held + _TIE * (each.without.lent - each.asks.lent)


# What may be borrowed decides only between groupings that ask the same to hold: a dollar lent
# weighs a ten-millionth of one asked.
_TIE = Decimal("1e-7")


def _units(dollars: Decimal) -> float:
    return float(dollars * UNIT)


def _solution(family: Family, others: Sequence[Combination], opening: bool) -> list[Choice]:
    """The least grouping, as what is chosen of each column."""
    legs, structures, pools = _packed(family, others, opening)
    shorts, longs = len(family.shorts), len(family.longs)
    sides = 2 if family.account.unequal_condors is UnequalCondors.TWO_SPREADS else 1
    cuts = len({each.facts[::4] for each in family.shorts}) if longs else 0
    columns = cuts * (shorts + longs + sides) + shorts * shorts // 4 + len(others)
    rows = shorts + longs + len(family.shares) + cuts * (2 + sides * (longs + 1))
    solution = np.empty(HEADER + ENTRY * columns)
    room = 2 * columns * rows + 10 * columns + 5 * (columns + rows) + 16 + 5 * _BRANCHES
    work = np.empty(room + 2 * shorts + 2)
    step = _step(family, others, opening)
    least_grouping(legs, structures, pools, solution, work, shorts, sides, step, BUDGET)
    names = solution[HEADER : HEADER + ENTRY * int(solution[4])].reshape(-1, ENTRY)
    if solution[1] != _SOLVED:
        names[:, 3] = _by_highs(solution, work[2 * shorts + 2 :])
    return [Choice(*row) for row in names.tolist() if row[3]]


def _packed(
    family: Family, others: Sequence[Combination], opening: bool
) -> tuple[Floats, Floats, Floats]:
    """The arrays that the kernel takes."""
    numbers: dict[str, tuple[float, float]] = {}
    offsets = family.account.offsets_calendars
    legs: list[float] = []
    for short in family.shorts:
        f = short.facts
        if f.underlying not in numbers:
            numbers[f.underlying] = (float(len(numbers)), float(offsets(f.underlying)))
        place, calendars = numbers[f.underlying]
        alone, cushion = _units(short.alone), _units(short.cushion)
        legs += (place, f.right, f.strike, f.instant, short.size, alone, cushion, calendars)
    for long in family.longs:
        f = long.facts
        place, calendars = numbers.get(f.underlying, (-1.0, 1.0))
        lost = _units(long.lent if opening else _TIE * long.lent) if long.lent else 0.0
        legs += (place, f.right, f.strike, f.instant, long.size, lost, 0.0, calendars)
    structures = _NONE
    pools = _NONE
    if others:
        structures = np.zeros((len(others), STRUCTURE))
        for row, each in zip(structures, others, strict=True):
            parts = [number for part in each.parts for number in part]
            row[: 2 + len(parts)] = [_units(_gain(each, opening)), len(each.parts), *parts]
        structures = structures.ravel()
        pools = np.array([float(abs(each.quantity)) for each in family.shares])
    return np.array(legs), structures, pools


def _step(family: Family, others: Sequence[Combination], opening: bool) -> float:
    """The least by which two totals can differ, units."""
    if family.lends or any(each.asks.lent for each in others):
        return 0.0
    money = [int(x.facts.strike) for x in family.shorts]
    money += [int(x.facts.strike) for x in family.longs]
    exact = [x.alone * UNIT for x in family.shorts] + [x.cushion * UNIT for x in family.shorts]
    exact += [_gain(each, opening) * UNIT for each in others]
    if any(each != int(each) for each in exact):
        return 0.0
    return float(gcd(*money, *map(int, exact)))


def _by_highs(solution: Floats, work: Floats) -> Floats:
    """The same programme solved by SciPy, its whole columns rounded and its levels exact."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    columns, rows, whole, most = (int(x) for x in solution[4:8])
    matrix = work[: columns * rows].reshape(rows, columns)
    cost = work[2 * columns * most :][:columns].copy()
    bounds = work[2 * columns * most + 8 * columns :]
    size = columns + most
    low, high = bounds[: columns + rows].copy(), bounds[size : size + columns + rows].copy()
    owned = bounds[2 * size : 2 * size + rows] >= 0
    scale = float(np.abs(cost[:whole]).max())
    scaled = matrix.copy()
    scaled[np.ix_(owned, np.arange(whole))] /= scale
    cost[:whole] /= scale
    high[whole:columns] /= scale
    found = milp(
        cost,
        integrality=(np.arange(columns) < whole).astype(int),
        bounds=Bounds(low[:columns], high[:columns]),
        constraints=LinearConstraint(scaled, low[columns:], high[columns:]),
        options={"mip_rel_gap": 0.0},
    )
    if found.x is None:
        raise RuntimeError(f"no grouping was found: {found.message}")
    point: Floats = np.round(found.x)
    point[whole:] = 0.0
    loss = -(matrix @ point)
    for row in np.flatnonzero(owned):
        level = int(bounds[2 * size + row])
        point[level] = max(point[level], loss[row])
    return point


# --- from the solution to groups


def _groups(
    family: Family, others: Sequence[Combination], choices: Sequence[Choice]
) -> Iterator[Group]:
    """The groups that were chosen, then what is left alone."""
    left = [x.size for x in family.shorts] + [x.size for x in family.longs]
    left += [abs(x.quantity) for x in family.shares]
    purse = _Purse(family)
    spreads: dict[float, list[tuple[int, int]]] = {}
    strangles: list[Group] = []
    for choice in choices:
        first, second, count = int(choice.first), int(choice.second), int(choice.size)
        if choice.kind in (COVERED, COVERING):
            spreads.setdefault(choice.second, []).append((first, count))
            left[first] -= count
        elif choice.kind == STRANGLE:
            strangles.append(_strangle(family.shorts[first], family.shorts[second], count))
            left[first] -= count
            left[second] -= count
        elif choice.kind == STRUCTURED:
            each = others[first]
            for number, weight in each.parts:
                left[number] -= weight * count
            yield _structure(family, each, count, purse)
    for parts in spreads.values():
        yield from _spreads(family, parts, purse)
    yield from strangles
    yield from _alone(family, left, purse)


class _Purse:
    """What is left of each long option's cost to hand out to its groups."""

    def __init__(self, family: Family) -> None:
        self.first = len(family.shorts)
        self.costs = [x.cost for x in family.longs]
        self.counts = [x.size for x in family.longs]

    def taken(self, number: int, count: int) -> Decimal:
        """The cost of some contracts; the last ones take what is left."""
        j = number - self.first
        if j < 0 or j >= len(self.costs):
            return ZERO
        cost = self.costs[j]
        if count < self.counts[j]:
            cost = (cost * count / self.counts[j]).quantize(Decimal("0.0001"))
        self.costs[j] -= cost
        self.counts[j] -= count
        return cost


def _spreads(
    family: Family, parts: Sequence[tuple[int, int]], purse: _Purse
) -> Iterator[Group]:
    """The spread of one cut, or where puts and calls are charged apart, one of each."""
    sides = [parts]
    if family.account.unequal_condors is UnequalCondors.TWO_SPREADS:
        by_right = [
            [part for part in parts if _facts(family, part[0]).right == right]
            for right in (Right.PUT, Right.CALL)
        ]
        sides = [side for side in by_right if side]
    for side in sides:
        loss, spot = _worst(family, side)
        paid = sum((purse.taken(number, count) for number, count in side), ZERO)
        legs = tuple(Leg(family.instrument(n), family.sign(n) * count) for n, count in side)
        rule, facts = Rule.SPREAD, (spot,)
        if len(side) == 4 and loss and (width := box_width(legs)) < 0:
            rule, facts = Rule.SHORT_BOX, (-width,)
        yield Group(legs, rule, loss + paid, loss, paid, facts=facts)


def _facts(family: Family, number: int) -> Facts:
    place = number - len(family.shorts)
    return family.shorts[number].facts if place < 0 else family.longs[place].facts


def _worst(family: Family, parts: Sequence[tuple[int, int]]) -> tuple[Decimal, Decimal]:
    """The worst netted intrinsic loss of a spread, dollars, and the price where it is met."""
    signed = []
    corners = [0.0]
    for number, count in parts:
        f = _facts(family, number)
        is_short = number < len(family.shorts)
        signed.append((count if is_short else -count, f.right, f.strike))
        if not is_short:
            corners.append(f.strike)
    worst, where = 0.0, 0.0
    for spot in corners:
        loss = 0.0
        for count, right, strike in signed:
            inside = right * (spot - strike)
            if inside > 0.0:
                loss += count * inside
        if loss > worst or (loss == worst and spot > where):
            worst, where = loss, spot
    return Decimal(int(worst)) / UNIT, Decimal(int(where)) / (UNIT * 100)


def _strangle(put: Short, call: Short, count: int) -> Group:
    legs = (Leg(put.option, -count), Leg(call.option, -count))
    asked = count * strangle_requirement(put.quote, call.quote)
    dearer, other = (put, call) if put.alone >= call.alone else (call, put)
    facts = (count * dearer.alone, count * other.quote.market_value)
    return Group(legs, Rule.SHORT_STRANGLE, asked, asked, facts=facts)


def _structure(family: Family, each: Combination, count: int, purse: _Purse) -> Group:
    legs = tuple(
        Leg(family.instrument(number), family.sign(number) * weight * count)
        for number, weight in each.parts
    )
    paid = sum((purse.taken(number, count) for number, _ in each.parts), ZERO)
    asks = each.asks.times(count)
    return Group(
        legs, each.rule, asks.initial + paid, asks.maintenance, asks.paid + paid, asks.lent
    )


def _alone(family: Family, left: Sequence[int], purse: _Purse) -> Iterator[Group]:
    """Uncovered shorts, longs in no spread, and shares beyond what hedges an option."""
    n, m = len(family.shorts), len(family.longs)
    for short, count in zip(family.shorts, left[:n], strict=True):
        if count:
            rule = Rule.UNCOVERED_PUT if short.facts.right < 0 else Rule.UNCOVERED_CALL
            asked = count * short.alone
            facts = (asked - count * short.cushion, count * short.cushion)
            yield Group((Leg(short.option, -count),), rule, asked, asked, facts=facts)
    for j, (long, count) in enumerate(zip(family.longs, left[n : n + m], strict=True)):
        if count:
            yield _long(long, count, purse.taken(n + j, count))
    for shares, count in zip(family.shares, left[n + m :], strict=True):
        if count:
            yield _stock(shares, count)


def _long(long: Long, count: int, paid: Decimal) -> Group:
    lent = count * long.lent
    legs = (Leg(long.option, count),)
    return Group(legs, Rule.LONG_OPTION, paid - lent, ZERO, paid, lent)


def _stock(shares: Shares, count: int) -> Group:
    is_long = shares.quantity > 0
    rule = Rule.LONG_STOCK if is_long else Rule.SHORT_STOCK
    legs = (Leg(shares.stock, count if is_long else -count),)
    asked = shares.alone.times(count)
    value = count * shares.price
    facts = (shares.alone.maintenance / shares.price, value)
    return Group(legs, rule, asked.initial, asked.maintenance, facts=facts)
