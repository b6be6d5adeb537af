"""The hyperbola of total variance, SVI, and the kernel that draws one through quotes.

Total variance ``w`` over ``k = log(strike / forward)`` by its lowest value ``V``, the slopes of
its wings ``R`` and ``L``, its centre and its width::

    w(k) = V - width sqrt(L R) + (R - L) / 2 y + (R + L) / 2 sqrt(y^2 + width^2)
    y = k - centre

It implies no negative density where ``g`` is nowhere negative::

    g(k) = (1 - k w' / (2 w))^2 - w'^2 / 4 (1 / w + 1 / 4) + w'' / 2

Source: Gatheral and Jacquier, "Arbitrage-free SVI volatility surfaces", Quantitative Finance 14
(2014), equations 2.1, 2.2 and 3.1; Levenberg (1944) and Marquardt (1963) for the descent.
"""

import math
from typing import NamedTuple

import numpy as np

from dollarbill_core.pricing.kernels import exp
from dollarbill_core.pricing.machine_code import Floats, compiled, inlined

_GIVE_UP = 1e10  # damping at which no step helps any more
_LONGEST = 2.0  # of a step in one free parameter
_WIDEST = 2.2  # logarithm of the width in deviations: wider, a hyperbola is a parabola
_STARVED = 1e-9  # added to the diagonal: a parameter that nothing tells of stays where it is


class Task(NamedTuple):
    """What a hyperbola is drawn through, and what it must not do.

    Attributes
    ----------
    k, middle, half
        Quotes: log moneyness, middle and half the width of each band of total variance.
    one_sided, weight
        1 where only the band's upper end says something, else 0; what a quote counts.
    grid, floor
        Log moneyness at which ``g`` and the variance before are looked at, and that variance.
    theta
        Total variance at the money, about: the scale of everything.
    left, right, steepest
        Least slope of either wing, and the most.
    least
        Lowest variance allowed, in units of ``theta``.
    pull
        Residual of a quote missed by half its band: outside it grows by 1 a half-band.
    margin
        ``g`` below which a point of the grid costs.
    cost
        Residual of ``g`` short by 1, and of variance short by a tenth.
    prior
        Residual of a free parameter that is 1 away from its start.
    """

    k: Floats
    middle: Floats
    half: Floats
    one_sided: Floats
    weight: Floats
    grid: Floats
    floor: Floats
    theta: float
    left: float
    right: float
    steepest: float
    least: float
    pull: float
    margin: float
    cost: float
    prior: float


def natural(task: Task, free: Floats) -> Floats:
    """V, R, L, centre and width of five free parameters, each of which may be any number."""
    values = np.empty(10)
    _natural_kernel(np.ascontiguousarray(free), _terms(task), values)
    return values[:5]


def free(task: Task, values: Floats) -> Floats:
    """The free parameters of V, R, L, centre and width, or of the nearest that are allowed."""
    lowest, right, left, centre, width = values
    deviation = math.sqrt(task.theta)
    least = np.array([task.right, task.left])
    share = np.clip((np.array([right, left]) - least) / (task.steepest - least), 1e-3, 0.95)
    above = np.clip(lowest / task.theta - task.least, 0.02, 20.0)
    logs = np.log([above, *share / (1 - share), width / deviation])
    return np.array([*logs[:3], centre / deviation, logs[3]])


def descended(task: Task, start: Floats, steps: int) -> tuple[Floats, float]:
    """Free parameters of least cost, from a start, and that cost."""
    found, work = np.array(start, dtype=np.float64), np.empty(150)
    quotes = task.k, task.middle, task.half, task.one_sided, task.weight
    _descent_kernel(*quotes, task.grid, task.floor, _terms(task), start, found, work, steps)
    return found, float(work[0])


def _terms(task: Task) -> Floats:
    return np.array(task[7:])


@inlined
def _to_natural(x: Floats, terms: Floats, values: Floats) -> None:
    """V, R, L, centre, width, then the derivative of each by its own free parameter."""
    theta, left, right, steepest, least = terms[0], terms[1], terms[2], terms[3], terms[4]
    deviation = math.sqrt(theta)
    above = theta * exp(min(max(x[0], -20.0), 5.0))
    values[0] = least * theta + above
    values[5] = above
    share = 1.0 / (1.0 + exp(-min(max(x[1], -15.0), 15.0)))
    values[1] = right + (steepest - right) * share
    values[6] = (steepest - right) * share * (1.0 - share)
    share = 1.0 / (1.0 + exp(-min(max(x[2], -15.0), 15.0)))
    values[2] = left + (steepest - left) * share
    values[7] = (steepest - left) * share * (1.0 - share)
    values[3] = deviation * x[3]
    values[8] = deviation
    width = deviation * exp(min(max(x[4], -5.0), _WIDEST))
    values[4] = width
    values[9] = width


@compiled
def _natural_kernel(x: Floats, terms: Floats, values: Floats) -> None:
    _to_natural(x, terms, values)


@inlined
def _missed(x: float, one_sided: float, pull: float) -> float:
    """Residual of a quote missed by ``x`` half-bands: small inside, its root far outside."""
    size = abs(x)
    if one_sided > 0.0 and x < 0.0:
        return 0.0
    if size <= 1.0:
        return pull * x
    beyond = size - 1.0 if size <= 2.0 else math.sqrt(2.0 * size - 3.0)
    return math.copysign(pull + beyond, x)


@inlined
def _missed_slope(x: float, one_sided: float, pull: float) -> float:
    size = abs(x)
    if one_sided > 0.0 and x < 0.0:
        return 0.0
    if size <= 1.0:
        return pull
    return 1.0 if size <= 2.0 else 1.0 / math.sqrt(2.0 * size - 3.0)


@inlined
def _add(residual: float, row: Floats, turn: Floats, square: Floats, pull: Floats) -> None:
    """One residual, ``row`` its derivatives by the natural parameters, into the equations."""
    for i in range(5):
        row[i] *= turn[5 + i]
    for i in range(5):
        pull[i] += residual * row[i]
        for j in range(i + 1):
            square[5 * i + j] += row[i] * row[j]


@inlined
def _cost_and_equations(
    k: Floats,
    middle: Floats,
    half: Floats,
    one_sided: Floats,
    weight: Floats,
    grid: Floats,
    floor: Floats,
    terms: Floats,
    start: Floats,
    x: Floats,
    values: Floats,
    row: Floats,
    square: Floats,
    pull: Floats,
) -> float:
    """Half the sum of squares; J'J, its lower half, in ``square``, and J'r in ``pull``."""
    _to_natural(x, terms, values)
    lowest, right, left, centre, width = values[0], values[1], values[2], values[3], values[4]
    inside, margin, dear, prior = terms[5], terms[6], terms[7], terms[8]
    mixed, mean, lean = math.sqrt(right * left), (right + left) / 2, (right - left) / 2
    level, falls = lowest - width * mixed, width * mixed / 2
    cost = 0.0
    for i in range(25):
        square[i] = 0.0
    for i in range(5):
        pull[i] = 0.0
    for i in range(k.size):
        y = k[i] - centre
        root = math.sqrt(y * y + width * width)
        away = (level + lean * y + mean * root - middle[i]) / half[i]
        residual = weight[i] * _missed(away, one_sided[i], inside)
        steep = weight[i] * _missed_slope(away, one_sided[i], inside) / half[i]
        row[0] = steep
        row[1] = steep * ((root + y) / 2 - falls / right)
        row[2] = steep * ((root - y) / 2 - falls / left)
        row[3] = -steep * (lean + mean * y / root)
        row[4] = steep * (mean * width / root - mixed)
        cost += residual * residual / 2
        _add(residual, row, values, square, pull)
    for i in range(grid.size):
        y = grid[i] - centre
        root = math.sqrt(y * y + width * width)
        u, v = y / root, width / root
        bent = v * v / root
        w, slope, curvature = level + lean * y + mean * root, lean + mean * u, mean * bent
        ahead = 1.0 - grid[i] * slope / (2.0 * w)
        g = ahead * ahead - slope * slope / 4.0 * (1.0 / w + 0.25) + curvature / 2.0
        w_right, w_left = (root + y) / 2 - falls / right, (root - y) / 2 - falls / left
        w_width = mean * v - mixed
        if g < margin:
            by_w = ahead * grid[i] * slope / (w * w) + slope * slope / (4.0 * w * w)
            by_slope = -ahead * grid[i] / w - slope / 2.0 * (1.0 / w + 0.25)
            row[0] = -dear * by_w
            row[1] = -dear * (by_w * w_right + by_slope * (u + 1.0) / 2 + bent / 4)
            row[2] = -dear * (by_w * w_left + by_slope * (u - 1.0) / 2 + bent / 4)
            turned = 3.0 * mean * bent * u / root
            row[3] = dear * (by_w * slope + by_slope * curvature - turned / 2)
            widened = mean * v / (root * root) * (2.0 - 3.0 * v * v)
            row[4] = -dear * (by_w * w_width - by_slope * mean * u * v / root + widened / 2)
            residual = dear * (margin - g)
            cost += residual * residual / 2
            _add(residual, row, values, square, pull)
        if w < floor[i]:
            scale = dear / (0.1 * floor[i])
            row[0] = -scale
            row[1] = -scale * w_right
            row[2] = -scale * w_left
            row[3] = scale * slope
            row[4] = -scale * w_width
            residual = scale * (floor[i] - w)
            cost += residual * residual / 2
            _add(residual, row, values, square, pull)
    for i in range(5):
        away = prior * (x[i] - start[i])
        cost += away * away / 2
        square[6 * i] += prior * prior
        pull[i] += prior * away
    return cost


@inlined
def _solve(square: Floats, damping: float, pull: Floats, factor: Floats, step: Floats) -> None:
    """Step of (square + damping diagonal) step = -pull, by Cholesky's factors."""
    for i in range(5):
        for j in range(i + 1):
            total = square[5 * i + j]
            if i == j:
                total += damping * (total + _STARVED) + _STARVED
            for m in range(j):
                total -= factor[5 * i + m] * factor[5 * j + m]
            if i == j:
                factor[6 * i] = math.sqrt(max(total, 1e-30))
            else:
                factor[5 * i + j] = total / factor[6 * j]
    for i in range(5):
        total = -pull[i]
        for m in range(i):
            total -= factor[5 * i + m] * step[m]
        step[i] = total / factor[6 * i]
    for n in range(5):
        i = 4 - n
        total = step[i]
        for m in range(i + 1, 5):
            total -= factor[5 * m + i] * step[m]
        step[i] = total / factor[6 * i]


@compiled
def _descent_kernel(
    k: Floats,
    middle: Floats,
    half: Floats,
    one_sided: Floats,
    weight: Floats,
    grid: Floats,
    floor: Floats,
    terms: Floats,
    start: Floats,
    x: Floats,
    work: Floats,
    steps: int,
) -> None:
    """Levenberg and Marquardt's descent of ``x``; the cost reached into ``work[0]``."""
    values, row, square, pull = work[10:20], work[20:25], work[25:50], work[50:55]
    trial, step, factor = work[55:60], work[60:65], work[65:90]
    other_square, other_pull = work[90:115], work[115:120]
    cost = _cost_and_equations(
        k,
        middle,
        half,
        one_sided,
        weight,
        grid,
        floor,
        terms,
        start,
        x,
        values,
        row,
        square,
        pull,
    )
    damping, still = 1e-3, 0
    for _ in range(steps):
        _solve(square, damping, pull, factor, step)
        for i in range(5):
            trial[i] = x[i] + min(max(step[i], -_LONGEST), _LONGEST)
        found = _cost_and_equations(
            k, middle, half, one_sided, weight, grid, floor, terms, start, trial, values, row,
            other_square, other_pull,
        )  # fmt: skip
        if found < cost:
            still = still + 1 if cost - found < 1e-6 * cost else 0
            cost = found
            for i in range(5):
                x[i] = trial[i]
                pull[i] = other_pull[i]
            for i in range(25):
                square[i] = other_square[i]
            damping = max(damping / 5.0, 1e-9)
            if still >= 3:
                break
        else:
            damping *= 3.0
            if damping > _GIVE_UP:
                break
    work[0] = cost
