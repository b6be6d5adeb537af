"""The least total of a small integer programme: dual simplex within branch and bound."""

import math
from typing import NamedTuple

from dollarbill_core.pricing.machine_code import Floats, inlined

SOLVED, UNFINISHED = 1.0, 2.0
STACK = 5  # numbers that each open branch keeps
_FEASIBLE, _WHOLE, _PIVOT = 1e-7, 1e-6, 1e-9
_PIVOT_ALONE = 2_000  # numbers that might be reckoned in the time a pivot costs anyhow
_REFRESH = 400  # pivots after which the table is made anew, before its errors add up
_OPTIMAL, _CUT_OFF, _LOST = 0, 1, 2
_INFINITE = math.inf


class Programme(NamedTuple):
    """Least ``cost @ point``, ``low <= (point, matrix @ point) <= high``, first columns whole.

    Columns from ``whole`` on are *levels*: a row that one owns says ``level >= sum of the
    others``, so a level is known exactly once the whole columns are. Money is in whole units,
    held exactly in float64; ``scale`` units are one in the table.

    The table writes each basic variable in terms of the free ones, which stand at a bound.
    Variables are numbered columns first, then rows. ``step`` is the least by which two totals
    can differ. ``told`` holds the best total, its state, the number of pivots, the nodes, and
    the pivots since the table was made.
    """

    columns: int
    rows: int
    whole: int
    budget: float
    scale: float
    step: float
    matrix: Floats
    cost: Floats
    low: Floats
    high: Floats
    owner: Floats
    table: Floats
    basic: Floats
    free: Floats
    at: Floats
    level: Floats
    slope: Floats
    row: Floats
    ratio: Floats
    point: Floats
    best: Floats
    stack: Floats
    told: Floats


@inlined
def laid_out(work: Floats, columns: int, rows: int, whole: int, budget: float) -> Programme:
    """The programme's arrays, one after another in ``work``."""
    n, m = columns, rows
    a = 2 * n * m
    b = a + 8 * n
    c = b + 2 * (n + m)
    vectors, bounds, others = work[a:b], work[b:c], work[c : c + 3 * m]
    return Programme(
        n, m, whole, budget, 1.0, 1.0,
        work[: n * m], vectors[:n], bounds[: n + m], bounds[n + m :], others[:m],
        work[n * m : a], others[m : 2 * m], vectors[n : 2 * n], vectors[2 * n : 3 * n],
        others[2 * m :], vectors[3 * n : 4 * n], vectors[4 * n : 5 * n],
        vectors[5 * n : 6 * n], vectors[6 * n : 7 * n], vectors[7 * n :],
        work[c + 3 * m + 8 :], work[c + 3 * m : c + 3 * m + 8],
    )  # fmt: skip


@inlined
def trimmed(p: Programme, rows: int, step: float) -> Programme:
    """The same programme with the rows that were written, and its scale of money."""
    n, scale = p.columns, 1.0
    for j in range(p.whole):
        scale = max(scale, abs(p.cost[j]))
    return Programme(
        n, rows, p.whole, p.budget, scale, step,
        p.matrix[: n * rows], p.cost, p.low[: n + rows], p.high[: n + rows], p.owner[:rows],
        p.table[: n * rows], p.basic[:rows], p.free, p.at,
        p.level[:rows], p.slope, p.row, p.ratio, p.point, p.best, p.stack, p.told,
    )  # fmt: skip


@inlined
def branch_and_bound(p: Programme) -> None:
    """Leaves the best point in ``best``, and in ``told`` its total and whether it is proved."""
    p.told[0], p.told[1], p.told[2], p.told[3] = _INFINITE, SOLVED, 0.0, 0.0
    make_table(p)
    depth = 0
    while depth >= 0:
        p.told[3] += 1.0
        if p.told[4] > _REFRESH:
            make_table(p)
        state = optimum(p)
        variable = -1
        if state == _OPTIMAL:
            variable = most_fractional(p)
            if variable < 0 and not is_better(p):
                state = _LOST
        if state == _LOST or is_spent(p) or (depth + 2) * STACK > p.stack.size:
            p.told[1] = UNFINISHED
            close_branches(p, depth)
            return
        if variable >= 0:
            open_branch(p, depth, variable)
            depth += 1
        else:
            depth = next_branch(p, depth)
    if p.told[0] == _INFINITE:
        p.told[1] = UNFINISHED


@inlined
def is_spent(p: Programme) -> bool:
    """Whether the pivots so far have used up the budget; one node may take many."""
    return bool(p.told[2] * (p.columns * p.rows + _PIVOT_ALONE) > p.budget)


@inlined
def make_table(p: Programme) -> None:
    """All rows basic, all columns free, at the bound that their cost prefers."""
    n = p.columns
    p.told[4] = 0.0
    for j in range(n):
        unit = 1.0 if j < p.whole else p.scale
        p.slope[j] = p.cost[j] * unit / p.scale
        p.free[j] = j
        p.at[j] = p.high[j] if p.slope[j] < 0.0 else p.low[j]
    for i in range(p.rows):
        p.basic[i] = n + i
        divisor = 1.0 if p.owner[i] < 0.0 else p.scale
        total = 0.0
        for j in range(n):
            unit = 1.0 if j < p.whole else p.scale
            p.table[i * n + j] = p.matrix[i * n + j] * unit / divisor
            total += p.table[i * n + j] * p.at[j]
        p.level[i] = total


@inlined
def optimum(p: Programme) -> int:
    """Dual simplex: from wherever the table stands to the optimum within today's bounds."""
    settle(p)
    for _ in range(100 + 10 * (p.columns + p.rows)):
        if is_spent(p):
            return _LOST
        value = 0.0
        for j in range(p.columns):
            value += p.slope[j] * p.at[j]
        slack = max(0.5 * p.step, 4e-13 * abs(p.told[0])) if p.told[0] < _INFINITE else 0.0
        if value * p.scale > p.told[0] - slack:
            return _CUT_OFF
        leaving, gap = most_violated(p)
        if leaving < 0:
            return _OPTIMAL
        entering = blocking(p, leaving, gap)
        if entering < 0:
            return _CUT_OFF
        pivot(p, leaving, entering)
    return _LOST


@inlined
def settle(p: Programme) -> None:
    """Every free variable at the bound that its slope prefers."""
    for j in range(p.columns):
        k = int(p.free[j])
        to = p.low[k]
        if p.slope[j] < 0.0 and p.high[k] < _INFINITE:
            to = p.high[k]
        if p.slope[j] == 0.0 and p.at[j] == p.high[k]:
            to = p.high[k]
        shift(p, j, to)


@inlined
def shift(p: Programme, j: int, to: float) -> None:
    """A free variable moved, and all basic ones with it."""
    by = to - p.at[j]
    if by != 0.0:
        p.at[j] = to
        for i in range(p.rows):
            p.level[i] += p.table[i * p.columns + j] * by


@inlined
def most_violated(p: Programme) -> tuple[int, float]:
    """The basic variable farthest beyond its bounds, and how far it must move."""
    found, gap = -1, 0.0
    for i in range(p.rows):
        k = int(p.basic[i])
        short = p.low[k] - p.level[i]
        over = p.high[k] - p.level[i]
        if short > _FEASIBLE and short > abs(gap):
            found, gap = i, short
        if -over > _FEASIBLE and -over > abs(gap):
            found, gap = i, over
    return found, gap


@inlined
def blocking(p: Programme, leaving: int, gap: float) -> int:
    """The free variable that enters; those whose whole range is not enough go to its end."""
    row = p.table[leaving * p.columns : (leaving + 1) * p.columns]
    sign = 1.0 if gap > 0.0 else -1.0
    left = abs(gap)
    for j in range(p.columns):
        k = int(p.free[j])
        gain = sign * row[j] if p.at[j] == p.low[k] else -sign * row[j]
        can_move = p.high[k] > p.low[k] and gain > _PIVOT
        p.ratio[j] = abs(p.slope[j]) / gain if can_move else _INFINITE
    while True:
        found, least, size = -1, _INFINITE, 0.0
        for j in range(p.columns):
            if p.ratio[j] < _INFINITE and (
                p.ratio[j] < least - 1e-12
                or (p.ratio[j] <= least + 1e-12 and abs(row[j]) > size)
            ):
                found, least, size = j, p.ratio[j], abs(row[j])
        if found < 0:
            return -1
        k = int(p.free[found])
        span = p.high[k] - p.low[k]
        if left - size * span <= _FEASIBLE:
            return found
        left -= size * span
        p.ratio[found] = _INFINITE
        shift(p, found, p.high[k] if p.at[found] == p.low[k] else p.low[k])


@inlined
def pivot(p: Programme, r: int, e: int) -> None:
    """The basic variable of row r leaves to the bound it violates; the free one e enters."""
    n = p.columns
    p.told[2] += 1.0
    p.told[4] += 1.0
    leaves, enters = int(p.basic[r]), p.free[e]
    bound = p.low[leaves] if p.level[r] < p.low[leaves] else p.high[leaves]
    row = p.table[r * n : (r + 1) * n]
    inverse = 1.0 / row[e]
    moved = (bound - p.level[r]) * inverse
    for j in range(n):
        p.row[j] = -row[j] * inverse
    p.row[e] = inverse
    for i in range(p.rows):
        other = p.table[i * n : (i + 1) * n]
        weight = other[e]
        if i != r and weight != 0.0:
            p.level[i] += weight * moved
            other[e] = 0.0
            added(other, p.row, weight)
    weight = p.slope[e]
    p.slope[e] = 0.0
    added(p.slope, p.row, weight)
    for j in range(n):
        row[j] = p.row[j]
    p.level[r] = p.at[e] + moved
    p.basic[r] = enters
    p.free[e] = leaves
    p.at[e] = bound


@inlined
def added(to: Floats, row: Floats, weight: float) -> None:
    for j in range(to.size):
        to[j] += weight * row[j]


@inlined
def most_fractional(p: Programme) -> int:
    """The whole column farthest from a whole number, or -1."""
    found, most = -1, _WHOLE
    for i in range(p.rows):
        k = int(p.basic[i])
        if k < p.whole:
            away = abs(p.level[i] - math.floor(p.level[i] + 0.5))
            if away > most:
                found, most = i, away
    return found


@inlined
def open_branch(p: Programme, depth: int, i: int) -> None:
    """Two branches on a basic variable; the nearer one first."""
    k, value = int(p.basic[i]), p.level[i]
    below = math.floor(value)
    kept = p.stack[depth * STACK : (depth + 1) * STACK]
    kept[0], kept[1], kept[2] = k, p.low[k], p.high[k]
    kept[4] = below
    if value - below > 0.5:
        kept[3] = 1.0  # the lower branch is left to do
        p.low[k] = below + 1.0
    else:
        kept[3] = 2.0
        p.high[k] = below


@inlined
def next_branch(p: Programme, depth: int) -> int:
    """Back to the last branch that has its other side left to do; -1 when there is none."""
    while depth > 0:
        kept = p.stack[(depth - 1) * STACK : depth * STACK]
        k = int(kept[0])
        p.low[k], p.high[k] = kept[1], kept[2]
        if kept[3] == 1.0:
            p.high[k] = kept[4]
        elif kept[3] == 2.0:
            p.low[k] = kept[4] + 1.0
        else:
            depth -= 1
            continue
        kept[3] = 0.0
        return depth
    return -1


@inlined
def close_branches(p: Programme, depth: int) -> None:
    """The bounds as they were before the first branch."""
    for d in range(depth - 1, -1, -1):
        k = int(p.stack[d * STACK])
        p.low[k], p.high[k] = p.stack[d * STACK + 1], p.stack[d * STACK + 2]


@inlined
def is_better(p: Programme) -> bool:
    """Rounds the table's point and keeps it where its exact total is the least so far.

    False only where the rounded point breaks a row, which a sound table never gives.
    """
    for j in range(p.columns):
        k = int(p.free[j])
        if k < p.columns:
            p.point[k] = math.floor(p.at[j] + 0.5)
    for i in range(p.rows):
        k = int(p.basic[i])
        if k < p.columns:
            p.point[k] = math.floor(p.level[i] + 0.5)
    if not is_legal(p):
        return False
    total = 0.0
    for j in range(p.columns):
        total += p.cost[j] * p.point[j]
    if total < p.told[0]:
        p.told[0] = total
        for j in range(p.columns):
            p.best[j] = p.point[j]
    return True


@inlined
def is_legal(p: Programme) -> bool:
    """Whether the whole columns of ``point`` keep every row; sets its levels, exactly."""
    for j in range(p.whole, p.columns):
        p.point[j] = 0.0
    for i in range(p.rows):
        total = 0.0
        for j in range(p.whole):
            total += p.matrix[i * p.columns + j] * p.point[j]
        if p.owner[i] >= 0.0:
            k = int(p.owner[i])
            p.point[k] = max(p.point[k], -total)
        elif total < p.low[p.columns + i] - 1e-9 or total > p.high[p.columns + i] + 1e-9:
            return False
    return True
