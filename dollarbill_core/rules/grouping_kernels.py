"""Legs of one margin class as a small integer programme, built and solved in machine code."""

import math
from typing import NamedTuple

from dollarbill_core.pricing.machine_code import Floats, compiled, inlined
from dollarbill_core.rules.branching_kernels import (
    SOLVED,
    Programme,
    branch_and_bound,
    laid_out,
    trimmed,
)

# A leg: which underlying, right, strike in dollars a contract, instant, contracts, dollars of
# the uncovered short (of a long: of the loan lost if used), the cushion in it, and 1 where
# calendars offset. Money is in units that make it whole.
LEG = 8
_UNDERLYING, _RIGHT, _STRIKE, _INSTANT, _COUNT, _ALONE, _CUSHION, _CALENDAR = range(LEG)
# A structure beyond spreads and pairs: its dollars less what its legs ask without it, how many
# legs or pools it takes, and up to five times which one and how much.
STRUCTURE = 12
# A choice: its kind, two numbers that say which, and how many (of a level: dollars). A header
# has the least total, its state, pivots, nodes, columns, rows, whole columns, room for rows.
ENTRY, HEADER = 4, 8
COVERED, COVERING, STRANGLE, STRUCTURED, LEVEL = 0.0, 1.0, 2.0, 3.0, 4.0


class Question(NamedTuple):
    """Legs, the ``shorts`` first; structures; what else these draw on; cuts; column names.

    ``sides`` is 1 where a spread is charged as a whole, and 2 where its puts and its calls are
    charged apart.
    """

    legs: Floats
    structures: Floats
    pools: Floats
    cuts: Floats
    names: Floats
    shorts: int
    sides: int


@compiled
def least_grouping(
    problem: Floats,
    shorts: int,
    longs: int,
    structures: int,
    pools: int,
    sides: int,
    room: int,
    budget: float,
) -> None:
    """The grouping that asks least.

    ``problem`` holds the legs, the short ones first; the structures; the sizes of the pools
    that structures draw on as well; then room for the solution, a header and ``room`` choices,
    and for the work.
    """
    a = LEG * (shorts + longs)
    b = a + STRUCTURE * structures
    c = b + pools
    d = c + HEADER + ENTRY * room
    e = d + 2 * (shorts + 1)
    header, names = problem[c : c + HEADER], problem[c + HEADER : d]
    n_cuts = found_cuts(problem[:a], shorts, problem[d:e])
    legs, beyond, sizes, cuts = problem[:a], problem[a:b], problem[b:c], problem[d:e]
    q = Question(legs, beyond, sizes, cuts[: 2 * n_cuts], names, shorts, sides)
    columns, levels = named_columns(q)
    most_rows = shorts + longs + pools + n_cuts * (2 + sides * (longs + 1))
    p = laid_out(problem[e:], columns, most_rows, columns - levels, budget)
    rows = written(q, p)
    t = trimmed(p, rows, least_step(q))
    branch_and_bound(t)
    header[0], header[1], header[2], header[3] = t.told[0], t.told[1], t.told[2], t.told[3]
    header[4], header[5], header[6], header[7] = columns, rows, t.whole, most_rows
    for j in range(columns):
        names[j * ENTRY + 3] = t.best[j]
    if t.told[1] == SOLVED:
        header[4] = without_noughts(names, columns)


# --- cuts: the instants that part the shorts of a spread from its longs


@inlined
def found_cuts(legs: Floats, shorts: int, cuts: Floats) -> int:
    """Writes pairs of underlying and instant; returns how many.

    Spreads that one instant parts may be merged, so one an instant is enough; and a short's
    instant needs none where the next short expires before the next long does.
    """
    found = 0
    for i in range(shorts):
        u, t = legs[i * LEG + _UNDERLYING], legs[i * LEG + _INSTANT]
        known = 0
        for c in range(found):
            if cuts[2 * c] == u and cuts[2 * c + 1] == t:
                known += 1
        if known == 0 and is_cut(legs, shorts, i):
            cuts[2 * found], cuts[2 * found + 1] = u, t
            found += 1
    return found


@inlined
def is_cut(legs: Floats, shorts: int, i: int) -> bool:
    """Whether a long lives as long as this short and expires before the next short does."""
    u, t = legs[i * LEG + _UNDERLYING], legs[i * LEG + _INSTANT]
    next_long, next_short = math.inf, math.inf
    for j in range(legs.size // LEG):
        same, at = legs[j * LEG + _UNDERLYING] == u, legs[j * LEG + _INSTANT]
        if same and j < shorts and at > t:
            next_short = min(next_short, at)
        elif same and j >= shorts and at >= t:
            next_long = min(next_long, at)
    if legs[i * LEG + _CALENDAR] == 0.0:
        return bool(next_long == t)
    return bool(next_long < next_short)


@inlined
def joins(q: Question, leg: int, c: int) -> bool:
    """Whether a leg may be in the spread of a cut."""
    at = leg * LEG
    if q.legs[at + _UNDERLYING] != q.cuts[2 * c]:
        return False
    after = q.legs[at + _INSTANT] - q.cuts[2 * c + 1]
    if q.legs[at + _CALENDAR] == 0.0 or after == 0.0:
        return bool(after == 0.0)
    return bool((after < 0.0) == (leg < q.shorts))


@inlined
def opposite(q: Question, leg: int, c: int) -> float:
    """Contracts that could stand against a leg in the spread of a cut."""
    total = 0.0
    for k in range(q.legs.size // LEG):
        against = (k < q.shorts) != (leg < q.shorts)
        if (
            against
            and q.legs[k * LEG + _RIGHT] == q.legs[leg * LEG + _RIGHT]
            and joins(q, k, c)
        ):
            total += q.legs[k * LEG + _COUNT]
    return total


# --- columns


@inlined
def named_columns(q: Question) -> tuple[int, int]:
    """Writes what each column stands for; returns how many, and how many are levels."""
    n, n_cuts = 0, q.cuts.size // 2
    for c in range(n_cuts):
        for leg in range(q.legs.size // LEG):
            if joins(q, leg, c) and opposite(q, leg, c) > 0:
                n = named(q.names, n, COVERED if leg < q.shorts else COVERING, leg, c)
    for put in range(q.shorts):
        for call in range(q.shorts):
            if is_pair(q, put, call):
                n = named(q.names, n, STRANGLE, put, call)
    for k in range(q.structures.size // STRUCTURE):
        n = named(q.names, n, STRUCTURED, k, 0)
    for c in range(n_cuts):
        for side in range(q.sides):
            n = named(q.names, n, LEVEL, c, side)
    return n, n_cuts * q.sides


@inlined
def named(names: Floats, n: int, kind: float, first: int, second: int) -> int:
    names[n * ENTRY], names[n * ENTRY + 1], names[n * ENTRY + 2] = kind, first, second
    return n + 1


@inlined
def is_pair(q: Question, put: int, call: int) -> bool:
    same = q.legs[put * LEG + _UNDERLYING] == q.legs[call * LEG + _UNDERLYING]
    return bool(same and q.legs[put * LEG + _RIGHT] < 0.0 < q.legs[call * LEG + _RIGHT])


@inlined
def write_costs(q: Question, p: Programme) -> None:
    """What each column adds to the total, and how large it can be."""
    p.low[: p.columns] = 0.0
    for j in range(p.columns):
        kind, first, second = column(q, j)
        alone = q.legs[first * LEG + _ALONE] if kind < STRUCTURED else 0.0
        size = q.legs[first * LEG + _COUNT] if kind < STRUCTURED else 0.0
        if kind == LEVEL:
            p.cost[j], p.high[j] = 1.0, math.inf
        elif kind == STRUCTURED:
            p.cost[j], p.high[j] = q.structures[first * STRUCTURE], most_structures(q, first)
        elif kind == STRANGLE:
            cheaper = second if alone >= q.legs[second * LEG + _ALONE] else first
            p.cost[j] = -q.legs[cheaper * LEG + _CUSHION]
            p.high[j] = min(size, q.legs[second * LEG + _COUNT])
        else:
            p.cost[j] = -alone if kind == COVERED else alone
            p.high[j] = min(size, opposite(q, first, second))


@inlined
def column(q: Question, j: int) -> tuple[float, int, int]:
    """The kind of a column and which it is."""
    return q.names[j * ENTRY], int(q.names[j * ENTRY + 1]), int(q.names[j * ENTRY + 2])


@inlined
def most_structures(q: Question, k: int) -> float:
    """How many of a structure the legs and pools are enough for."""
    most = math.inf
    for resource in range(q.legs.size // LEG + q.pools.size):
        weight = part_of(q, k, resource)
        if weight > 0.0:
            most = min(most, math.floor(size_of(q, resource) / weight))
    return most


@inlined
def part_of(q: Question, k: int, resource: int) -> float:
    """How much of a leg or pool one structure takes."""
    for part in range(int(q.structures[k * STRUCTURE + 1])):
        if int(q.structures[k * STRUCTURE + 2 + 2 * part]) == resource:
            return float(q.structures[k * STRUCTURE + 3 + 2 * part])
    return 0.0


@inlined
def size_of(q: Question, resource: int) -> float:
    pool = resource - q.legs.size // LEG
    return float(q.legs[resource * LEG + _COUNT] if pool < 0 else q.pools[pool])


# --- rows


@inlined
def written(q: Question, p: Programme) -> int:
    """Costs, bounds and rows; returns how many rows there are."""
    write_costs(q, p)
    rows = 0
    for resource in range(q.legs.size // LEG + q.pools.size):
        rows = resource_row(q, p, rows, resource)
    for c in range(q.cuts.size // 2):
        for right in (1.0, -1.0):
            rows = balance_row(q, p, rows, c, right)
    for level in range(p.whole, p.columns):
        rows = corner_rows(q, p, rows, level)
    return rows


@inlined
def resource_row(q: Question, p: Programme, row: int, resource: int) -> int:
    """No more of a leg or of a pool is used than there is; a single use is bounded already."""
    n, uses = p.columns, 0
    for j in range(n):
        kind, first, second = column(q, j)
        amount = 0.0
        if kind == STRUCTURED:
            amount = part_of(q, first, resource)
        elif kind != LEVEL and (resource == first or (kind == STRANGLE and resource == second)):
            amount = 1.0
        p.matrix[row * n + j] = amount
        if amount != 0.0:
            uses += 1
    p.owner[row], p.low[n + row], p.high[n + row] = -1.0, 0.0, size_of(q, resource)
    return row + 1 if uses > 1 else row


@inlined
def balance_row(q: Question, p: Programme, row: int, c: int, right: float) -> int:
    """As many contracts of a right are long as short in the spread of a cut."""
    n, uses = p.columns, 0
    for j in range(n):
        amount = 0.0
        if in_spread(q, j, c, right):
            amount = 1.0 if q.names[j * ENTRY] == COVERED else -1.0
            uses += 1
        p.matrix[row * n + j] = amount
    p.owner[row], p.low[n + row], p.high[n + row] = -1.0, 0.0, 0.0
    return row + 1 if uses > 0 else row


@inlined
def in_spread(q: Question, j: int, c: int, right: float) -> bool:
    """Whether a column is a leg of a right (0: of either) in the spread of a cut."""
    kind, leg, cut = column(q, j)
    if kind > COVERING or cut != c:
        return False
    return bool(right == 0.0 or q.legs[leg * LEG + _RIGHT] == right)


@inlined
def corner_rows(q: Question, p: Programme, row: int, level: int) -> int:
    """The level is no less than the loss at 0 and at the strike of each long.

    Between those the loss is convex, and above the last strike it is constant.
    """
    _, c, side = column(q, level)
    right = 0.0 if q.sides == 1 else 1.0 - 2.0 * side
    row = corner_row(q, p, row, level, right, 0.0)
    for j in range(p.whole):
        if in_spread(q, j, c, right) and is_first(q, j, c, right):
            leg = int(q.names[j * ENTRY + 1])
            row = corner_row(q, p, row, level, right, q.legs[leg * LEG + _STRIKE])
    return row


@inlined
def is_first(q: Question, j: int, c: int, right: float) -> bool:
    """Whether a column is the first long of its spread with its strike."""
    leg = int(q.names[j * ENTRY + 1])
    if leg < q.shorts:
        return False
    for k in range(j):
        other = int(q.names[k * ENTRY + 1])
        same = in_spread(q, k, c, right) and other >= q.shorts
        if same and q.legs[other * LEG + _STRIKE] == q.legs[leg * LEG + _STRIKE]:
            return False
    return True


@inlined
def corner_row(
    q: Question, p: Programme, row: int, level: int, right: float, spot: float
) -> int:
    """Level - loss >= 0 at one price; left out where no short loses anything there."""
    n, loses = p.columns, 0
    c = int(q.names[level * ENTRY + 1])
    for j in range(n):
        amount = 1.0 if j == level else 0.0
        if in_spread(q, j, c, right):
            at = int(q.names[j * ENTRY + 1]) * LEG
            amount = max(q.legs[at + _RIGHT] * (spot - q.legs[at + _STRIKE]), 0.0)
            if q.names[j * ENTRY] == COVERED and amount > 0.0:
                amount, loses = -amount, loses + 1
        p.matrix[row * n + j] = amount
    p.owner[row], p.low[n + row], p.high[n + row] = level, 0.0, math.inf
    return row + 1 if loses else row


# --- the unit of money, the answer


@inlined
def least_step(q: Question) -> float:
    """The least by which two totals can differ: what divides all money; 0 if not whole."""
    step = 0
    for k in range(q.legs.size):
        if k % LEG in (_STRIKE, _ALONE, _CUSHION):
            step = divisor(step, q.legs[k])
    for k in range(q.structures.size // STRUCTURE):
        step = divisor(step, q.structures[k * STRUCTURE])
    return float(max(step, 0))


@inlined
def divisor(step: int, money: float) -> int:
    """The greatest number that divides both; -1 once something is not whole."""
    other = int(abs(money))
    if step < 0 or float(other) != abs(money):
        return -1
    while other:
        step, other = other, step % other
    return step


@inlined
def without_noughts(names: Floats, columns: int) -> int:
    """Moves the columns that were chosen to the front; returns how many they are."""
    n = 0
    for j in range(columns):
        if names[j * ENTRY + 3] != 0.0:
            for k in range(ENTRY):
                names[n * ENTRY + k] = names[j * ENTRY + k]
            n += 1
    return n
