"""Steps of the dividend grid in machine code: many options side by side, one a lane.

Arrays are flat: ``values[node * lanes + lane]``. Node 0 is the end where exercise pays most, a
low stock for a put and a high one for a call; the last node is the other end. The inner loops
run over lanes, because the sweeps from node to node cannot be made parallel, and over slices,
whose indices the compiler knows to be positive.
"""

import math

from dollarbill_core.pricing.kernels import exp, log
from dollarbill_core.pricing.machine_code import Floats, compiled, inlined

# Ten rows hold what is fixed for a lane: right, rate, dividend yield, spacing, weights of the
# node before, of the node itself and of the node after, and the stock at both ends, the far
# one's neighbour last. Four hold the ends' values, each ``right (share stock - cash)``: cash
# and share of node 0, of the last node. Rows of one step: weights before, at and after a node,
# the first and last of which are those of the sweeps as well, and the values at which the
# sweeps begin.
STEP_ROWS = 5


@compiled
def march(
    values: Floats,
    swept: Floats,
    exercise: Floats,
    lane: Floats,
    edges: Floats,
    step: Floats,
    clock: Floats,
    lanes: int,
) -> None:
    """Carries the values back through the steps of ``clock``, (steps, lanes), in years.

    A step solves ``(1 - dt L / 2) new = (1 + dt L / 2) old`` with ``new >= exercise``. The
    matrix is the product of two sweeps: towards node 0, then away from it, where the exercise
    value cuts in.
    """
    last = values.size // lanes - 1
    for m in range(clock.size // lanes):
        _prepare(exercise, lane, edges, step, clock[m * lanes :], lanes)
        sweep_down(values, swept, step, last, lanes)
        sweep_up(values, swept, exercise, step, last, lanes)


@inlined
def _prepare(
    exercise: Floats,
    lane: Floats,
    edges: Floats,
    step: Floats,
    clock: Floats,
    lanes: int,
) -> None:
    """The weights of one step, and the values at both ends after it."""
    far = exercise.size - lanes
    for w in range(lanes):
        dt = clock[w]
        before, at, after = lane[4 * lanes + w], lane[5 * lanes + w], lane[6 * lanes + w]
        half = 0.5 * dt
        diagonal = 1.0 - half * at
        root = math.sqrt(max(diagonal * diagonal - 4.0 * half * half * before * after, 0.0))
        inverse = 2.0 / (diagonal + root)
        step[w] = inverse * half * before
        step[lanes + w] = inverse * (1.0 + half * at)
        step[2 * lanes + w] = inverse * half * after
        bond = exp(-lane[lanes + w] * dt)
        stock = exp(-lane[2 * lanes + w] * dt)
        edges[w] *= bond
        edges[lanes + w] *= stock
        edges[2 * lanes + w] *= bond
        edges[3 * lanes + w] *= stock
        _exercise_edge(edges, exercise[w], lane, w, 0, lanes)
        _exercise_edge(edges, exercise[far + w], lane, w, 1, lanes)
        step[3 * lanes + w] = _edge(edges, lane, w, 0, lane[7 * lanes + w], lanes)
        end = _edge(edges, lane, w, 1, lane[8 * lanes + w], lanes)
        neighbour = _edge(edges, lane, w, 1, lane[9 * lanes + w], lanes)
        step[4 * lanes + w] = end - step[w] * neighbour


@inlined
def _edge(edges: Floats, lane: Floats, w: int, end: int, spot: float, lanes: int) -> float:
    """Value at one end, where the stock's path is as good as certain."""
    cash, share = edges[2 * end * lanes + w], edges[(2 * end + 1) * lanes + w]
    worth: float = lane[w] * (share * spot - cash)
    return max(worth, 0.0)


@inlined
def _exercise_edge(
    edges: Floats, exercised: float, lane: Floats, w: int, end: int, lanes: int
) -> None:
    """Takes the exercise value at one end where that is more than to hold."""
    spot = lane[(7 + end) * lanes + w]
    if exercised > _edge(edges, lane, w, end, spot, lanes):
        edges[2 * end * lanes + w] = spot - lane[w] * exercised
        edges[(2 * end + 1) * lanes + w] = 1.0


@inlined
def sweep_down(values: Floats, swept: Floats, step: Floats, last: int, lanes: int) -> None:
    weight_before, weight_at = step[:lanes], step[lanes : 2 * lanes]
    weight_after = step[2 * lanes : 3 * lanes]
    far = swept[last * lanes :]
    for w in range(lanes):
        far[w] = step[4 * lanes + w]
    for back in range(1, last):
        k = (last - back) * lanes
        before, at, after = values[k - lanes : k], values[k : k + lanes], values[k + lanes :]
        here, beyond = swept[k : k + lanes], swept[k + lanes :]
        for w in range(lanes):
            given = weight_before[w] * before[w] + weight_at[w] * at[w]
            here[w] = given + weight_after[w] * (after[w] + beyond[w])


@inlined
def sweep_up(
    values: Floats, swept: Floats, exercise: Floats, step: Floats, last: int, lanes: int
) -> None:
    carried = step[:lanes]
    for w in range(lanes):
        values[w] = step[3 * lanes + w]
    for node in range(1, last + 1):
        k = node * lanes
        before, at = values[k - lanes : k], values[k : k + lanes]
        held, exercised = swept[k : k + lanes], exercise[k : k + lanes]
        for w in range(lanes):
            to_hold = held[w] + carried[w] * before[w]
            at[w] = to_hold if to_hold > exercised[w] else exercised[w]


@compiled
def march_within_bands(
    values: Floats,
    swept: Floats,
    exercise: Floats,
    lane: Floats,
    edges: Floats,
    step: Floats,
    clock: Floats,
    lanes: int,
) -> None:
    """As `march`, where exercise pays between two boundaries and not at either end.

    Each step guesses the nodes where to exercise from the step before, solves, and corrects
    the guess until it holds (the primal-dual active set method). One lane, for it is rare.
    """
    last = values.size - 1
    pivots, excess = swept[values.size : 2 * values.size], swept[2 * values.size :]
    for m in range(clock.size):
        _prepare(exercise, lane, edges, step, clock[m:], lanes)
        half = 0.5 * clock[m]
        before, at, after = -half * lane[4], 1.0 - half * lane[5], -half * lane[6]
        far = _edge(edges, lane, 0, 1, lane[8], lanes)
        for node in range(1, last):
            swept[node] = values[node] + half * (
                lane[4] * values[node - 1] + lane[5] * values[node] + lane[6] * values[node + 1]
            )
            excess[node] = exercise[node] - values[node]
        values[0] = step[3]
        values[last] = far
        excess[0] = -1.0
        changed = 1
        rounds = 0
        while changed > 0 and rounds < 50:
            _solve_with_exercise(
                values, swept, exercise, pivots, excess, before, at, after, last
            )
            changed = _correct(values, swept, exercise, excess, before, at, after, last)
            rounds += 1


@inlined
def _solve_with_exercise(
    values: Floats,
    given: Floats,
    exercise: Floats,
    pivots: Floats,
    excess: Floats,
    before: float,
    at: float,
    after: float,
    last: int,
) -> None:
    """Values that hold the equation where ``excess < 0`` and equal exercise elsewhere."""
    pivots[0] = 0.0
    for node in range(1, last):
        if excess[node] >= 0.0:
            pivots[node] = 0.0
            values[node] = exercise[node]
        else:
            inverse = 1.0 / (at - before * pivots[node - 1])
            pivots[node] = after * inverse
            values[node] = (given[node] - before * values[node - 1]) * inverse
    for back in range(1, last):
        node = last - back
        values[node] -= pivots[node] * values[node + 1]


@inlined
def _correct(
    values: Floats,
    given: Floats,
    exercise: Floats,
    excess: Floats,
    before: float,
    at: float,
    after: float,
    last: int,
) -> int:
    """Marks anew where to exercise; the number of nodes that changed."""
    changed = 0
    for node in range(1, last):
        held = before * values[node - 1] + at * values[node] + after * values[node + 1]
        mark = (held - given[node]) + (exercise[node] - values[node])
        is_exercised = excess[node] >= 0.0
        tiny = 1e-12 * abs(exercise[node])
        mark = mark + tiny if is_exercised else mark - tiny
        if (mark >= 0.0) != is_exercised:
            changed += 1
        excess[node] = mark
    return changed


@compiled
def ex_date(
    values: Floats,
    held: Floats,
    exercise: Floats,
    spots: Floats,
    lane: Floats,
    edges: Floats,
    amounts: Floats,
    worthless: Floats,
    lanes: int,
) -> None:
    """Carries the values back over an ex-date: ``held`` to hold, ``values`` with exercise.

    A value is read at ``stock - dividend`` by the cubic through four nodes; beyond the grid
    it is the end's, and at or below nothing it is ``worthless``. Where exercise begins, the
    higher of two smooth curves has a corner between two nodes; their values are lowered by
    what a corner's place between nodes would otherwise add to the curve's spread.
    """
    last = values.size // lanes - 1
    for node in range(last + 1):
        k = node * lanes
        for w in range(lanes):
            fallen = max(spots[k + w] - amounts[w], 1e-290)
            held[k + w] = lane[w] * (log(lane[7 * lanes + w]) - log(fallen))
    for node in range(last + 1):
        k = node * lanes
        for w in range(lanes):
            fallen = spots[k + w] - amounts[w]
            place = held[k + w] / lane[3 * lanes + w]
            if fallen <= 0.0:
                held[k + w] = worthless[w]
            elif place < 0.0:
                held[k + w] = _edge(edges, lane, w, 0, fallen, lanes)
            elif place > last:
                held[k + w] = _edge(edges, lane, w, 1, fallen, lanes)
            else:
                held[k + w] = _cubic(values, place, last, w, lanes)
    for end in range(2):
        for w in range(lanes):
            fallen = lane[(7 + end) * lanes + w] - amounts[w]
            cash, share = 2 * end * lanes + w, (2 * end + 1) * lanes + w
            edges[cash] = (
                edges[cash] + edges[share] * amounts[w] if fallen > 0.0 else worthless[w]
            )
            edges[share] = edges[share] if fallen > 0.0 else 0.0
            exercised = exercise[end * last * lanes + w]
            _exercise_edge(edges, exercised, lane, w, end, lanes)
    _take_higher(values, held, exercise, last, lanes)


@inlined
def _cubic(values: Floats, place: float, last: int, w: int, lanes: int) -> float:
    """The value at a fractional node, by the cubic through the four nodes about it."""
    node = min(max(int(place), 1), last - 2)
    f = place - node
    k = node * lanes + w
    left, right = f + 1.0, f - 1.0
    outer: float = (
        right * (left * values[k + 2 * lanes] - (f - 2.0) * values[k - lanes]) * f / 6.0
    )
    inner: float = left * (f - 2.0) * (right * values[k] - f * values[k + lanes]) / 2.0
    return outer + inner


@inlined
def _take_higher(values: Floats, held: Floats, exercise: Floats, last: int, lanes: int) -> None:
    for k in range(values.size):
        values[k] = max(held[k], exercise[k])
    for node in range(last):
        k = node * lanes
        for w in range(lanes):
            here = held[k + w] - exercise[k + w]
            after = held[k + lanes + w] - exercise[k + lanes + w]
            if here * after < 0.0:
                across = abs(here) + abs(after)
                lowered = 0.5 * abs(here * after) / (across * across)
                values[k + w] -= lowered * abs(after)
                values[k + lanes + w] -= lowered * abs(here)
