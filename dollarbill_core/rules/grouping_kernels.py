"""Legs of one margin class as a small integer programme, built and solved in machine code."""

import math

from dollarbill_core.pricing.machine_code import Floats, compiled, inlined
from dollarbill_core.rules.branching_kernels import SOLVED, Programme, branch_and_bound

# One leg: which underlying, right, strike as dollars a contract, rank of its instant, contracts,
# dollars of the uncovered short (or lost as a loan when a long one is used), the cushion in it,
# and 1 where calendars offset. Money is in units that make it whole.
LEG = 8
# One structure beyond the rule of spreads: its dollars against what its legs ask without it,
# how many resources it takes, and up to five times which one and how much.
STRUCTURE = 12
# What a solution tells of each group: kind, two numbers that say which, and how many (a level:
# its dollars). A header says the least total, its state, pivots, nodes, columns, rows, whole
# columns, and the rows that ``work`` has room for.
ENTRY, HEADER = 4, 8
COVERED, COVERING, STRANGLE, STRUCTURED, LEVEL = 0.0, 1.0, 2.0, 3.0, 4.0
_UNDERLYING, _RIGHT, _STRIKE, _INSTANT, _COUNT, _ALONE, _CUSHION, _CALENDAR = range(LEG)


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
    and for the work. ``sides`` is 1 where a spread is charged as a whole and 2 where its puts
    and its calls are charged apart.
    """
    a = LEG * (shorts + longs)
    b = a + STRUCTURE * structures
    c = b + pools
    d = c + HEADER + ENTRY * room
    legs, beyond, sizes = problem[:a], problem[a:b], problem[b:c]
    header, names = problem[c : c + HEADER], problem[c + HEADER : d]
    cuts = problem[d : d + 2 * (shorts + 1)]
    n_cuts = found_cuts(legs, shorts, cuts)
    columns, whole = named_columns(legs, beyond, shorts, cuts, n_cuts, sides, names)
    most_rows = shorts + longs + pools + n_cuts * (2 + sides * (longs + 1))
    p = laid_out(problem[d + 2 * (shorts + 1) :], columns, most_rows, whole, budget)
    rows = written(legs, beyond, sizes, shorts, cuts, n_cuts, sides, names, p)
    q = trimmed(p, rows, least_step(legs, beyond))
    branch_and_bound(q)
    header[0], header[1], header[2], header[3] = q.told[0], q.told[1], q.told[2], q.told[3]
    header[4], header[5], header[6], header[7] = columns, rows, whole, most_rows
    for j in range(columns):
        names[j * ENTRY + 3] = q.best[j]
    if q.told[1] == SOLVED:
        header[4] = without_noughts(names, columns)


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


@inlined
def least_step(legs: Floats, structures: Floats) -> float:
    """The least by which two totals can differ: what divides all money; 0 if not whole."""
    step = 0
    for k in range(legs.size // LEG):
        for field in (_STRIKE, _ALONE, _CUSHION):
            step = divisor(step, legs[k * LEG + field])
    for k in range(structures.size // STRUCTURE):
        step = divisor(step, structures[k * STRUCTURE])
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
def found_cuts(legs: Floats, shorts: int, cuts: Floats) -> int:
    """Instants that part the shorts of a spread from its longs, in pairs: underlying, instant.

    Spreads that one instant parts may be merged, so one an instant is enough; and a short's
    instant needs none where the next short expires before the next long does.
    """
    found = 0
    for i in range(shorts):
        u, t = legs[i * LEG + _UNDERLYING], legs[i * LEG + _INSTANT]
        if is_cut(legs, shorts, i) and not is_known(cuts, found, u, t):
            cuts[2 * found], cuts[2 * found + 1] = u, t
            found += 1
    return found


@inlined
def is_known(cuts: Floats, found: int, u: float, t: float) -> bool:
    for c in range(found):
        if cuts[2 * c] == u and cuts[2 * c + 1] == t:
            return True
    return False


@inlined
def is_cut(legs: Floats, shorts: int, i: int) -> bool:
    """Whether a long lives as long as this short and expires before the next short does."""
    u, t = legs[i * LEG + _UNDERLYING], legs[i * LEG + _INSTANT]
    next_long = math.inf
    for j in range(shorts, legs.size // LEG):
        if legs[j * LEG + _UNDERLYING] == u and t <= legs[j * LEG + _INSTANT] < next_long:
            next_long = legs[j * LEG + _INSTANT]
    if legs[i * LEG + _CALENDAR] == 0.0:
        return next_long == t
    for k in range(shorts):
        if legs[k * LEG + _UNDERLYING] == u and t < legs[k * LEG + _INSTANT] <= next_long:
            return False
    return next_long < math.inf


@inlined
def joins(legs: Floats, leg: int, is_short: bool, u: float, t: float) -> bool:
    """Whether a leg may be in the spread of a cut."""
    at = leg * LEG
    if legs[at + _UNDERLYING] != u:
        return False
    if legs[at + _CALENDAR] == 0.0:
        return legs[at + _INSTANT] == t
    return legs[at + _INSTANT] <= t if is_short else legs[at + _INSTANT] >= t


@inlined
def opposite(legs: Floats, shorts: int, leg: int, u: float, t: float) -> float:
    """Contracts that could stand against a leg in the spread of a cut."""
    total = 0.0
    is_short = leg < shorts
    first, last = (shorts, legs.size // LEG) if is_short else (0, shorts)
    for k in range(first, last):
        if legs[k * LEG + _RIGHT] == legs[leg * LEG + _RIGHT] and joins(
            legs, k, not is_short, u, t
        ):
            total += legs[k * LEG + _COUNT]
    return total


@inlined
def named_columns(
    legs: Floats,
    structures: Floats,
    shorts: int,
    cuts: Floats,
    n_cuts: int,
    sides: int,
    names: Floats,
) -> tuple[int, int]:
    """Writes what each column stands for; returns how many, and how many are whole."""
    n = 0
    for c in range(n_cuts):
        for leg in range(legs.size // LEG):
            u, t = cuts[2 * c], cuts[2 * c + 1]
            if joins(legs, leg, leg < shorts, u, t) and opposite(legs, shorts, leg, u, t) > 0:
                n = named(names, n, COVERED if leg < shorts else COVERING, leg, c)
    for put in range(shorts):
        for call in range(shorts):
            if is_pair(legs, put, call):
                n = named(names, n, STRANGLE, put, call)
    for k in range(structures.size // STRUCTURE):
        n = named(names, n, STRUCTURED, k, 0)
    whole = n
    for c in range(n_cuts):
        for side in range(sides):
            n = named(names, n, LEVEL, c, side)
    return n, whole


@inlined
def named(names: Floats, n: int, kind: float, first: int, second: int) -> int:
    names[n * ENTRY], names[n * ENTRY + 1], names[n * ENTRY + 2] = kind, first, second
    return n + 1


@inlined
def is_pair(legs: Floats, put: int, call: int) -> bool:
    same = legs[put * LEG + _UNDERLYING] == legs[call * LEG + _UNDERLYING]
    return same and legs[put * LEG + _RIGHT] < 0.0 and legs[call * LEG + _RIGHT] > 0.0


@inlined
def laid_out(work: Floats, columns: int, rows: int, whole: int, budget: float) -> Programme:
    """The programme's arrays, one after another in ``work``."""
    n, m, a = columns, rows, 0
    matrix, a = work[a : a + n * m], a + n * m
    table, a = work[a : a + n * m], a + n * m
    cost, a = work[a : a + n], a + n
    free, a = work[a : a + n], a + n
    at, a = work[a : a + n], a + n
    slope, a = work[a : a + n], a + n
    row, a = work[a : a + n], a + n
    ratio, a = work[a : a + n], a + n
    point, a = work[a : a + n], a + n
    best, a = work[a : a + n], a + n
    low, a = work[a : a + n + m], a + n + m
    high, a = work[a : a + n + m], a + n + m
    owner, a = work[a : a + m], a + m
    basic, a = work[a : a + m], a + m
    level, a = work[a : a + m], a + m
    told, a = work[a : a + 8], a + 8
    stack = work[a:]
    return Programme(
        n, m, whole, budget, 1.0, 1.0, matrix, cost, low, high, owner, table, basic, free, at,
        level, slope, row, ratio, point, best, stack, told,
    )  # fmt: skip


@inlined
def trimmed(p: Programme, rows: int, step: float) -> Programme:
    """The same programme with the rows that were written, and its scale of money."""
    n = p.columns
    scale = 1.0
    for j in range(p.whole):
        scale = max(scale, abs(p.cost[j]))
    return Programme(
        n, rows, p.whole, p.budget, scale, step, p.matrix[: n * rows], p.cost, p.low[: n + rows],
        p.high[: n + rows], p.owner[:rows], p.table[: n * rows], p.basic[:rows], p.free, p.at,
        p.level[:rows], p.slope, p.row, p.ratio, p.point, p.best, p.stack, p.told,
    )  # fmt: skip


@inlined
def written(
    legs: Floats,
    structures: Floats,
    pools: Floats,
    shorts: int,
    cuts: Floats,
    n_cuts: int,
    sides: int,
    names: Floats,
    p: Programme,
) -> int:
    """Costs, bounds and rows; returns how many rows there are."""
    write_costs(legs, structures, pools, shorts, cuts, names, p)
    rows = 0
    n_legs = legs.size // LEG
    for resource in range(n_legs + pools.size):
        size = legs[resource * LEG + _COUNT] if resource < n_legs else pools[resource - n_legs]
        rows = resource_row(structures, names, p, rows, resource, size)
    for c in range(n_cuts):
        rows = balance_row(legs, shorts, names, p, rows, c, 1.0)
        rows = balance_row(legs, shorts, names, p, rows, c, -1.0)
    for level in range(p.whole, p.columns):
        rows = corner_rows(legs, shorts, cuts, sides, names, p, rows, level)
    return rows


@inlined
def write_costs(
    legs: Floats,
    structures: Floats,
    pools: Floats,
    shorts: int,
    cuts: Floats,
    names: Floats,
    p: Programme,
) -> None:
    """What each column adds to the total, and how large it can be."""
    for j in range(p.columns):
        kind, first, second = (
            names[j * ENTRY],
            int(names[j * ENTRY + 1]),
            int(names[j * ENTRY + 2]),
        )
        p.low[j] = 0.0
        if kind == LEVEL:
            p.cost[j], p.high[j] = 1.0, math.inf
        elif kind == STRUCTURED:
            p.cost[j] = structures[first * STRUCTURE]
            p.high[j] = most_structures(legs, structures, pools, first)
        elif kind == STRANGLE:
            put, call = first * LEG, second * LEG
            dearer_put = legs[put + _ALONE] >= legs[call + _ALONE]
            p.cost[j] = -legs[(call if dearer_put else put) + _CUSHION]
            p.high[j] = min(legs[put + _COUNT], legs[call + _COUNT])
        else:
            p.cost[j] = (
                -legs[first * LEG + _ALONE] if kind == COVERED else legs[first * LEG + _ALONE]
            )
            against = opposite(legs, shorts, first, cuts[2 * second], cuts[2 * second + 1])
            p.high[j] = min(legs[first * LEG + _COUNT], against)


@inlined
def most_structures(legs: Floats, structures: Floats, pools: Floats, k: int) -> float:
    most = math.inf
    n_legs = legs.size // LEG
    for part in range(int(structures[k * STRUCTURE + 1])):
        resource = int(structures[k * STRUCTURE + 2 + 2 * part])
        weight = structures[k * STRUCTURE + 3 + 2 * part]
        size = legs[resource * LEG + _COUNT] if resource < n_legs else pools[resource - n_legs]
        most = min(most, math.floor(size / weight))
    return most


@inlined
def resource_row(
    structures: Floats, names: Floats, p: Programme, row: int, resource: int, size: float
) -> int:
    """No more of a leg or of a pool is used than there is; a single use is bounded already."""
    n, uses = p.columns, 0
    for j in range(n):
        amount = used(structures, names, j, resource)
        p.matrix[row * n + j] = amount
        if amount != 0.0:
            uses += 1
    p.owner[row], p.low[n + row], p.high[n + row] = -1.0, 0.0, size
    return row + 1 if uses > 1 else row


@inlined
def used(structures: Floats, names: Floats, j: int, resource: int) -> float:
    """How much of a resource one of column j takes."""
    kind, first, second = names[j * ENTRY], int(names[j * ENTRY + 1]), int(names[j * ENTRY + 2])
    if kind == STRUCTURED:
        for part in range(int(structures[first * STRUCTURE + 1])):
            if int(structures[first * STRUCTURE + 2 + 2 * part]) == resource:
                return structures[first * STRUCTURE + 3 + 2 * part]
        return 0.0
    if kind == STRANGLE:
        return 1.0 if resource == first or resource == second else 0.0
    return 1.0 if kind != LEVEL and resource == first else 0.0


@inlined
def balance_row(
    legs: Floats, shorts: int, names: Floats, p: Programme, row: int, c: int, right: float
) -> int:
    """As many contracts of a right are long as short in the spread of a cut."""
    n, uses = p.columns, 0
    for j in range(n):
        kind, leg = names[j * ENTRY], int(names[j * ENTRY + 1])
        amount = 0.0
        if (kind == COVERED or kind == COVERING) and int(names[j * ENTRY + 2]) == c:
            if legs[leg * LEG + _RIGHT] == right:
                amount = 1.0 if kind == COVERED else -1.0
                uses += 1
        p.matrix[row * n + j] = amount
    p.owner[row], p.low[n + row], p.high[n + row] = -1.0, 0.0, 0.0
    return row + 1 if uses > 0 else row


@inlined
def corner_rows(
    legs: Floats,
    shorts: int,
    cuts: Floats,
    sides: int,
    names: Floats,
    p: Programme,
    row: int,
    level: int,
) -> int:
    """The level is no less than the loss at 0 and at the strike of each long.

    Between those the loss is convex, and above the last strike it is constant.
    """
    c, side = int(names[level * ENTRY + 1]), int(names[level * ENTRY + 2])
    right = 0.0 if sides == 1 else (1.0 if side == 0 else -1.0)
    row = corner_row(legs, names, p, row, level, c, right, 0.0)
    for j in range(shorts, legs.size // LEG):
        of_side = right == 0.0 or legs[j * LEG + _RIGHT] == right
        if of_side and joins(legs, j, False, cuts[2 * c], cuts[2 * c + 1]):
            if not is_repeated(legs, shorts, j, cuts[2 * c], cuts[2 * c + 1], right):
                strike = legs[j * LEG + _STRIKE]
                row = corner_row(legs, names, p, row, level, c, right, strike)
    return row


@inlined
def is_repeated(legs: Floats, shorts: int, leg: int, u: float, t: float, right: float) -> bool:
    """Whether an earlier long of this spread has the same strike."""
    for j in range(shorts, leg):
        if legs[j * LEG + _STRIKE] == legs[leg * LEG + _STRIKE] and joins(legs, j, False, u, t):
            if right == 0.0 or legs[j * LEG + _RIGHT] == right:
                return True
    return False


@inlined
def corner_row(
    legs: Floats,
    names: Floats,
    p: Programme,
    row: int,
    level: int,
    c: int,
    right: float,
    spot: float,
) -> int:
    """Level - loss >= 0 at one price; left out where no short loses anything there."""
    n, loses = p.columns, False
    for j in range(n):
        kind, leg = names[j * ENTRY], int(names[j * ENTRY + 1])
        amount = 1.0 if j == level else 0.0
        if (kind == COVERED or kind == COVERING) and int(names[j * ENTRY + 2]) == c:
            sign = legs[leg * LEG + _RIGHT]
            if right == 0.0 or sign == right:
                worth = max(sign * (spot - legs[leg * LEG + _STRIKE]), 0.0)
                amount = -worth if kind == COVERED else worth
                loses = loses or amount < 0.0
        p.matrix[row * n + j] = amount
    p.owner[row], p.low[n + row], p.high[n + row] = level, 0.0, math.inf
    return row + 1 if loses else row
