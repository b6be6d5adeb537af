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
HiGHS does, and its whole numbers are summed exactly again. Where that too must be stopped, the
groups are the best that were found: legal, and what they may ask beyond the least is told.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dollarbill_core.market.view import View
from dollarbill_core.rules.accounts import Account, UnequalCondors
from dollarbill_core.rules.combinations import (
    UNIT,
    ZERO,
    Combination,
    Family,
    Long,
    Shares,
    Short,
    combinations,
    families,
)
from dollarbill_core.rules.grouping_kernels import (
    ENTRY,
    HEADER,
    LEVEL,
    STRANGLE,
    STRUCTURE,
    STRUCTURED,
    least_grouping,
)
from dollarbill_core.rules.requirements import Group, NotAllowed, Rule
from dollarbill_core.rules.strategy_margin import box_width, strangle_requirement
from dollarbill_core.values.book import Position
from dollarbill_core.values.contracts import Leg, Legs, cents

Floats = NDArray[np.float64]
Groups = tuple[Group, ...]
Choices = list[list[float]]  # kind, two numbers that say which, and how many (or dollars)

BUDGET = 2.5e7  # numbers in pivoted tables, some 10 ms; HiGHS takes 30 to 70 ms and an import
NODES, SECONDS = 2_000, 10.0  # where HiGHS is stopped, the seconds in books of 40 expiries
_DEAREST = 1e4  # what the dearest leg is in HiGHS, which stops within a millionth of the least
_BRANCHES = 250  # that may be open at once
_SOLVED = 1.0
# What may be borrowed decides only between groupings that ask the same to hold: a dollar lent
# weighs a ten-millionth of one asked.
_TIE = Decimal("1e-7")
_CENT_OF_A_CENT = Decimal("0.0001")
_CENT_OF_UNITS = float(UNIT) / 100


class Grouped(NamedTuple):
    """The groups that ask least to hold, those that ask least to open, what is unproved."""

    holding: Groups
    opening: Groups
    unproved: Decimal = ZERO


def least_groups(positions: Sequence[Position], view: View, account: Account) -> Grouped:
    """The groups that ask least to hold and to open; see ``Requirement`` for what is unproved.

    Raises
    ------
    NoQuote, NotAllowed, ValueError
        For a short without a price, an option that is not standard, one that has expired.
    """
    holding: list[Group] = []
    opening: list[Group] = []
    unproved = [ZERO, ZERO]
    for family in families(positions, view, account).values():
        others = combinations(family, view)
        groups, gap = _least(family, others, False)
        holding += groups
        unproved[0] += gap
        if others or family.lends:
            groups, gap = _least(family, others, True)
        opening += groups
        unproved[1] += gap
    if not account.uncovered:
        _require_covered([*holding, *opening], account)
    held = tuple(holding)
    return Grouped(held, held if opening == holding else tuple(opening), max(unproved))


_UNCOVERED = (Rule.UNCOVERED_CALL, Rule.UNCOVERED_PUT, Rule.SHORT_STRANGLE, Rule.SHORT_STOCK)


def _require_covered(groups: Sequence[Group], account: Account) -> None:
    """Raise for the first group that the account may not hold."""
    for group in groups:
        if group.rule in _UNCOVERED:
            what = f"{group.rule}: {group.legs[0]}"
            raise NotAllowed(f"{account.titled} may hold nothing uncovered, {what}")


def _least(
    family: Family, others: Sequence[Combination], opening: bool
) -> tuple[list[Group], Decimal]:
    """The groups of one class for one of the two totals, and what is unproved of it."""
    worthy = [each for each in others if _gain(each, opening) < 0]
    choices: Choices = []
    gap = 0.0
    if worthy or (family.shorts and len(family.longs) + len(family.shorts) > 1):
        choices, gap = _solution(family, worthy, opening)
    groups = _Sorted(family, worthy).groups(choices)
    if not gap:
        return groups, ZERO
    # Nothing is asked less than nothing to hold, nor less than what is lent to open.
    most = sum((g.to_carry + g.lent if opening else g.maintenance for g in groups), ZERO)
    return groups, cents(min(Decimal(gap) / UNIT, max(most, ZERO)))


def _gain(each: Combination, opening: bool) -> Decimal:
    """Dollars that a combination adds to what its legs ask alone; negative saves.

    Of combinations that ask as much to hold, the one that lends more gains.
    """
    if opening:
        return each.asks.initial - each.without.initial
    held = each.asks.maintenance - each.without.maintenance
    return held + _TIE * (each.without.lent - each.asks.lent)


def _solution(
    family: Family, others: Sequence[Combination], opening: bool
) -> tuple[Choices, float]:
    """The least grouping, as what is chosen of each column, and what is unproved of it."""
    packed = _packed(family, others, opening)
    shorts, longs, pools = len(family.shorts), len(family.longs), len(family.shares)
    sides = 2 if family.account.unequal_condors is UnequalCondors.TWO_SPREADS else 1
    cuts = len({each.facts[::4] for each in family.shorts}) if longs else 0
    columns = cuts * (shorts + longs + sides) + shorts * shorts // 4 + len(others)
    rows = shorts + longs + pools + cuts * (2 + sides * (longs + 1))
    told = len(packed)
    work = told + HEADER + ENTRY * columns + 2 * shorts + 2
    room = 2 * columns * rows + 10 * columns + 5 * (columns + rows) + 16 + 5 * _BRANCHES
    problem = np.empty(work + room)
    problem[:told] = packed
    sizes = (shorts, longs, len(others), pools, sides, columns)
    least_grouping(problem, *sizes, BUDGET)
    columns = int(problem[told + 4])
    names = problem[told + HEADER : told + HEADER + ENTRY * columns].reshape(-1, ENTRY)
    gap = 0.0
    if columns and problem[told + 1] != _SOLVED:
        header = problem[told : told + HEADER]
        names[:, 3], gap = _by_highs(header, problem[work:], names[:, 3])
        names = names[names[:, 3] != 0]
    found: Choices = names.tolist()
    return found, gap


def _packed(family: Family, others: Sequence[Combination], opening: bool) -> list[float]:
    """Legs, combinations and shares, one after another, as the kernel takes them."""
    numbers: dict[str, tuple[float, float]] = {}
    packed: list[float] = []
    for short in family.shorts:
        symbol, _, right, strike, instant = short.facts
        if symbol not in numbers:
            offsets = float(family.account.offsets_calendars(symbol))
            numbers[symbol] = (float(len(numbers)), offsets)
        place, offsets = numbers[symbol]
        alone, cushion = float(short.alone * UNIT), float(short.cushion * UNIT)
        packed += (place, right, strike, instant, short.size, alone, cushion, offsets)
    for long in family.longs:
        symbol, _, right, strike, instant = long.facts
        place, offsets = numbers.get(symbol, (-1.0, 1.0))
        lost = long.lent if opening else _TIE * long.lent
        packed += (place, right, strike, instant, long.size, float(lost * UNIT), 0.0, offsets)
    for each in others:
        parts = [number for part in each.parts for number in part]
        parts += [0] * (STRUCTURE - 2 - len(parts))
        packed += (float(_gain(each, opening) * UNIT), len(each.parts), *parts)
    packed += [float(abs(each.quantity)) for each in family.shares]
    return packed


def _by_highs(header: Floats, work: Floats, own: Floats) -> tuple[Floats, float]:
    """The best point that SciPy or our ``own`` search finds, and by how much it is unproved."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    p = _written(header, work)
    unit = float(np.abs(p.cost[: p.whole]).max(initial=1.0))
    scaled, cost, high = p.matrix.copy(), p.cost / unit, p.high.copy()
    scaled[np.ix_(p.owner >= 0, np.arange(p.whole))] /= unit
    columns = p.cost.size
    cost[p.whole :] = 1.0
    high[p.whole : columns] /= unit
    found = milp(
        _DEAREST * cost,
        integrality=(np.arange(columns) < p.whole).astype(int),
        bounds=Bounds(p.low[:columns], high[:columns]),
        constraints=LinearConstraint(scaled, p.low[columns:], high[columns:]),
        options={"mip_rel_gap": 0.0, "node_limit": NODES, "time_limit": SECONDS},
    )
    points = [np.zeros(columns)]  # every leg alone
    if np.isfinite(header[0]):
        points.append(own)
    if found.x is not None and (point := p.exact(found.x)) is not None:
        points.append(point)
    best = min(points, key=lambda point: float(p.cost @ point))
    bound = found.get("mip_dual_bound")
    if bound is None:
        return best, np.inf
    gap = float(p.cost @ best) - bound * unit / _DEAREST
    return best, gap if gap >= _CENT_OF_UNITS else 0.0


class _Written(NamedTuple):
    """The programme as the kernel wrote it: see ``branching_kernels.Programme``."""

    matrix: Floats
    cost: Floats
    low: Floats
    high: Floats
    owner: Floats
    whole: int

    def exact(self, point: Floats) -> Floats | None:
        """With the levels that its whole columns make; None where those break a bound."""
        n, bare = self.whole, self.owner < 0
        point = np.concatenate([np.round(point[:n]), np.zeros(self.cost.size - n)])
        sums = self.matrix @ point
        for row in np.flatnonzero(~bare):
            level = int(self.owner[row])
            point[level] = max(point[level], -sums[row])
        held = np.concatenate([point, np.where(bare, sums, 0.0)])
        kept = (self.low <= held) & (held <= self.high)
        return point if kept.all() else None


def _written(header: Floats, work: Floats) -> _Written:
    columns, rows, whole, most = (int(x) for x in header[4:8])
    size = columns + rows
    cost = work[2 * columns * most :]
    low = cost[8 * columns :]
    high = low[columns + most :]
    owner = high[columns + most :]
    matrix = work[: columns * rows].reshape(rows, columns)
    return _Written(matrix, cost[:columns], low[:size], high[:size], owner[:rows], whole)


# --- from the solution to groups


class _Sorted:
    """A class's legs as they are put into groups: what is left of each, and of its cost."""

    def __init__(self, family: Family, others: Sequence[Combination]) -> None:
        self.family, self.others = family, others
        self.options: list[Short | Long] = [*family.shorts, *family.longs]
        self.shorts = len(family.shorts)
        self.left = [each.size for each in self.options]
        self.left += [abs(each.quantity) for each in family.shares]
        self.costs = [each.cost for each in family.longs]

    def groups(self, choices: Choices) -> list[Group]:
        """The groups that were chosen, then what is left alone."""
        first: list[Group] = []
        strangles: list[Group] = []
        spreads: dict[float, list[tuple[int, int]]] = {}
        levels: dict[tuple[float, float], float] = {}
        for kind, one, other, size in choices:
            if kind == LEVEL:
                levels[one, other] = size
            elif kind == STRANGLE:
                strangles.append(self.strangle(int(one), int(other), int(size)))
            elif kind == STRUCTURED:
                first.append(self.structure(self.others[int(one)], int(size)))
            else:
                spreads.setdefault(other, []).append((int(one), int(size)))
        for cut, parts in spreads.items():
            first += self.spreads(cut, parts, levels)
        return first + strangles + self.alone()

    def taken(self, number: int, size: int) -> Decimal:
        """Puts contracts or shares into a group; what its long options cost."""
        before = self.left[number]
        self.left[number] = before - size
        place = number - self.shorts
        if not 0 <= place < len(self.costs):
            return ZERO
        cost = self.costs[place]
        if size < before:
            cost = (cost * size / before).quantize(_CENT_OF_A_CENT)
        self.costs[place] -= cost
        return cost

    def spreads(
        self,
        cut: float,
        parts: list[tuple[int, int]],
        levels: dict[tuple[float, float], float],
    ) -> list[Group]:
        """The spread of one cut; where puts and calls are charged apart, one of each."""
        if self.family.account.unequal_condors is not UnequalCondors.TWO_SPREADS:
            return [self.spread(parts, levels.get((cut, 0.0), 0.0))]
        found = []
        for side, right in enumerate((1.0, -1.0)):
            mine = [part for part in parts if self.options[part[0]].facts.right == right]
            if mine:
                found.append(self.spread(mine, levels.get((cut, side), 0.0)))
        return found

    def spread(self, parts: list[tuple[int, int]], loss: float) -> Group:
        paid = ZERO
        legs = []
        for number, size in parts:
            if number < self.shorts:
                self.left[number] -= size
                legs.append(Leg(self.options[number].option, -size))
            else:
                paid += self.taken(number, size)
                legs.append(Leg(self.options[number].option, size))
        if not loss:
            return Group(tuple(legs), Rule.SPREAD, paid, ZERO, paid)
        asked = Decimal(int(loss)) / UNIT
        is_four = len({self.options[number].facts.strike for number, _ in parts}) == 2
        width = box_width(legs) if is_four else ZERO
        rule, facts = (Rule.SHORT_BOX, (-width,)) if width < 0 else (Rule.SPREAD, ())
        return Group(tuple(legs), rule, asked + paid, asked, paid, facts=facts)

    def strangle(self, put_number: int, call_number: int, size: int) -> Group:
        self.left[put_number] -= size
        self.left[call_number] -= size
        put, call = self.family.shorts[put_number], self.family.shorts[call_number]
        legs = (Leg(put.option, -size), Leg(call.option, -size))
        asked = size * strangle_requirement(put.quote, call.quote)
        dearer, other = (put, call) if put.alone >= call.alone else (call, put)
        facts = (size * dearer.alone, size * other.quote.market_value)
        return Group(legs, Rule.SHORT_STRANGLE, asked, asked, facts=facts)

    def structure(self, each: Combination, size: int) -> Group:
        """A combination, ``size`` times."""
        legs, paid = [], ZERO
        for number, weight in each.parts:
            paid += self.taken(number, weight * size)
            sign = self.family.sign(number)
            legs.append(Leg(self.family.instrument(number), sign * weight * size))
        asks = each.asks.times(size)
        initial = asks.initial + paid
        return Group(tuple(legs), each.rule, initial, asks.maintenance, paid, asks.lent)

    def alone(self) -> list[Group]:
        """Uncovered shorts, longs in no spread, and shares beyond what hedges an option."""
        found = []
        for number, size in enumerate(self.left):
            if size:
                place = number - len(self.options)
                if number < self.shorts:
                    found.append(_uncovered(self.family.shorts[number], size))
                elif place < 0:
                    long = self.family.longs[number - self.shorts]
                    found.append(_long(long, size, self.costs[number - self.shorts]))
                else:
                    found.append(_stock(self.family.shares[place], size))
        return found


def _uncovered(short: Short, size: int) -> Group:
    rule = Rule.UNCOVERED_PUT if short.facts.right < 0 else Rule.UNCOVERED_CALL
    asked = size * short.alone
    facts = (size * short.quote.market_value, size * short.cushion)
    return Group((Leg(short.option, -size),), rule, asked, asked, facts=facts)


def _long(long: Long, size: int, paid: Decimal) -> Group:
    lent = size * long.lent
    legs = (Leg(long.option, size),)
    return Group(legs, Rule.LONG_OPTION, paid - lent, ZERO, paid, lent)


def _stock(shares: Shares, size: int) -> Group:
    is_long = shares.quantity > 0
    rule = Rule.LONG_STOCK if is_long else Rule.SHORT_STOCK
    legs: Legs = (Leg(shares.stock, size if is_long else -size),)
    asked = shares.alone.times(size)
    facts = (shares.alone.maintenance / shares.price, size * shares.price)
    return Group(legs, rule, asked.initial, asked.maintenance, facts=facts)
