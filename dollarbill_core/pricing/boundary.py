"""The exercise boundary: the spot at which an American option is better exercised than held.

Everything here is said of a put with a strike of one; a call is the put with spot and strike,
rate and dividend yield exchanged. With a positive rate (or a rate of zero and a negative yield)
the put is exercised at or below one spot ``B(t)``, ``t`` being the time to expiry. It starts at
``X = min(1, rate / dividend_yield)`` as ``t`` leaves zero and falls from there.

The boundary solves ``B = exp(-(r - q) t) N(t, B) / D(t, B)``, with integrals ``N`` and ``D``
over the boundary at all shorter times. Two such pairs are known, one from the value and one
from the slope at the boundary. As a fixed point the first converges slowly where vol is large,
the second not at all where the drift is large; the sum of the second and ``4 k (1 + 3 k)``
times the first, ``k = (r - q)^2 t / vol^2``, converges everywhere, in six rounds. It is solved
at Chebyshev nodes in the root of time, in which ``log(B / X)^2`` is smooth.

Source: Andersen, Lake and Offengenden, High-Performance American Option Pricing, Journal of
Computational Finance 20 (2016), equations 3.7 to 3.11 (systems A and B); the first guess is
Barone-Adesi and Whaley (1987).
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dollarbill_core.pricing.kernels import bell, exp, log, normal_cdf
from dollarbill_core.pricing.machine_code import Floats, compiled, inlined

_Integers = NDArray[np.int64]

NODES = 16  # times at which the boundary is solved
COEFFICIENTS = NODES + 1  # of the Chebyshev series in the square root of time
_POINTS = 12  # of the integral up to each node
_GRID = NODES * _POINTS
_ROUNDS = 6  # of the fixed point
_GUESSES = 12  # Newton steps of the first guess
_DENSITY = 0.3989422804014327  # 1 / sqrt(2 pi)
_OCTAVES = 3.0  # of time to expiry that share a boundary
_VOL_OCTAVES, _FIRST_OCTAVE = 8.0, -5.5  # of vol that share it: from 2.2 % to 566 %
MOST_LEVELS = 40  # of vol, in one group
# Levels for a range of log vol of 0; more per unit of range, and of its square.
_LEVELS = (4.0, 3.0, 0.35)
_SMALL = 1e-290
_LEAST_LOG = -660.0


def quarter_circle(points: int) -> tuple[Floats, Floats]:
    """Sines of nodes in a quarter circle, and weights of the integral over ``u = sine^2``.

    An integral over time from 0 to T becomes ``T sum(weight f(T sine^2))``. Both ends, where
    the integrand goes with the square root of time, become smooth.
    """
    node, weight = np.polynomial.legendre.leggauss(points)
    angle = (1.0 + node) * (math.pi / 4.0)
    return np.sin(angle), weight * (math.pi / 4.0) * np.sin(2.0 * angle)


def chebyshev_values(x: Floats) -> Floats:
    """Chebyshev polynomials in ``2 x - 1``, one a column."""
    return np.cos(np.arange(COEFFICIENTS) * np.arccos(np.clip(2.0 * x - 1.0, -1, 1))[:, None])


_ROOT = (1.0 + np.cos(np.pi * np.arange(COEFFICIENTS) / NODES)) / 2.0  # from 1 down to 0
_SERIES = np.linalg.inv(chebyshev_values(_ROOT))[:, :NODES]  # the value at 0 is 0
_SINE, _WEIGHT = quarter_circle(_POINTS)
_EARLIER = np.outer(np.sqrt(1.0 - _SINE**2), _ROOT[:NODES])  # root of time at point, node
# value at (point, node) = sum over sources of _SPREAD[(point, source, node)] x value at source
_SPREAD = np.ascontiguousarray(
    (chebyshev_values(_EARLIER.ravel()) @ _SERIES)
    .reshape(_POINTS, NODES, NODES)
    .transpose(0, 2, 1)
).ravel()
_SERIES = np.ascontiguousarray(_SERIES.T).ravel()
_GRID_ROOT = np.outer(_SINE, _ROOT[:NODES]).ravel()  # root of the time that lies between
_GRID_WEIGHT = np.outer(_WEIGHT, _ROOT[:NODES] ** 2).ravel()

# Where each array begins in the kernel's scratch space.
_B = 0  # log of the boundary at the nodes, over X
_SQUARE = _B + NODES
_LOWER = _SQUARE + NODES  # bracket of the guess
_UPPER = _LOWER + NODES
_BLEND = _UPPER + NODES
_TOP = _BLEND + NODES
_BOTTOM = _TOP + NODES
_EARN = _BOTTOM + NODES  # rate exp(-rate t) weight
_PAY = _EARN + _GRID
_SPAN = _PAY + _GRID  # vol sqrt(t)
_DRIFT = _SPAN + _GRID
_HERE = _DRIFT + _GRID
_THERE = _HERE + _GRID
_MIX = _THERE + _GRID
_ABOVE = _MIX + _GRID
_BELOW = _ABOVE + _GRID
SCRATCH = _BELOW + _GRID


@inlined
def start_of_boundary(rate: float, dividend_yield: float) -> float:
    """Log of ``X``: where a put's boundary begins as its last moment nears, over the strike.

    >>> start_of_boundary(0.05, 0.02), round(start_of_boundary(0.02, 0.04), 4)
    (0.0, -0.6931)
    """
    if dividend_yield <= rate:
        return 0.0
    return log(max(rate, _SMALL) / dividend_yield)


@inlined
def perpetual_boundary(rate: float, dividend_yield: float, vol: float) -> float:
    """Log of the boundary of a put that never expires, over the strike; never below -660.

    ``B = lambda / (lambda - 1)``, ``lambda`` the negative root of
    ``lambda^2 + (w - 1) lambda - a``, ``w = 2 (rate - dividend_yield) / vol^2``,
    ``a = 2 rate / vol^2``.

    >>> round(math.exp(perpetual_boundary(0.05, 0.0, 0.2)), 6)  # 2.5 / 3.5
    0.714286
    """
    variance = vol * vol
    slope = 2.0 * (rate - dividend_yield) / variance - 1.0
    product = 2.0 * rate / variance
    root = math.sqrt(slope * slope + 4.0 * product)
    outer = 0.5 * (abs(slope) + root)
    falling = outer if slope > 0.0 else product / max(outer, _SMALL)
    return max(log(max(falling / (1.0 + falling), _SMALL)), _LEAST_LOG)


@compiled
def boundary_kernel(
    rate: Floats,
    dividend_yield: Floats,
    years: Floats,
    vol: Floats,
    s: Floats,
    out: Floats,
) -> None:
    """Chebyshev series of ``log(B / X)^2 / vol^2`` in the root of time over ``years``.

    One boundary an entry, `COEFFICIENTS` numbers each in ``out``; ``s`` is scratch space of
    `SCRATCH` numbers. Puts with a boundary only.
    """
    for p in range(vol.size):
        r, q, horizon, v = rate[p], dividend_yield[p], years[p], vol[p]
        start = start_of_boundary(r, q)
        least = min(perpetual_boundary(r, q, v), start) - start
        root = v * math.sqrt(horizon)
        variance = v * v
        slope = 2.0 * (r - q) / variance - 1.0
        for i in range(NODES):
            s[_LOWER + i] = least
            s[_UPPER + i] = 0.0
            s[_B + i] = max(-0.5 * root * _ROOT[i], 0.5 * least)
        for _ in range(_GUESSES):
            for i in range(NODES):
                t = horizon * _ROOT[i] * _ROOT[i]
                span = root * _ROOT[i]
                used = r * t
                lent = t * (1.0 - 0.5 * used) if used < 1e-7 else (1.0 - exp(-used)) / r
                power = -0.5 * (slope + math.sqrt(slope * slope + 8.0 / (variance * lent)))
                b = s[_B + i] + start
                d1 = (b + (r - q) * t) / span + 0.5 * span
                d2 = d1 - span
                density = bell(d1)
                spot = exp(b)
                grown = exp(-q * t)
                held = 1.0 - grown * normal_cdf(-d1, density)
                put = exp(-used) * normal_cdf(-d2, bell(d2)) - spot * (1.0 - held)
                miss = held * spot + power * (1.0 - spot - put)
                rise = held * spot * (1.0 - power) + grown * _DENSITY * density / span * spot
                s[_UPPER + i] = s[_B + i] if miss > 0.0 else s[_UPPER + i]
                s[_LOWER + i] = s[_LOWER + i] if miss > 0.0 else s[_B + i]
                step = s[_B + i] - miss / rise
                middle = 0.5 * (s[_LOWER + i] + s[_UPPER + i])
                inside = (step >= s[_LOWER + i]) & (step <= s[_UPPER + i])
                s[_B + i] = step if inside else middle
        for i in range(NODES):
            k = (r - q) * (r - q) * horizon * _ROOT[i] * _ROOT[i] / variance
            s[_BLEND + i] = 4.0 * k * (1.0 + 3.0 * k)
        for j in range(_POINTS):
            for i in range(NODES):
                s[_MIX + j * NODES + i] = s[_BLEND + i]
        for m in range(_GRID):
            t = horizon * _GRID_ROOT[m] * _GRID_ROOT[m]
            weight = horizon * _GRID_WEIGHT[m]
            span = root * _GRID_ROOT[m]
            s[_SPAN + m] = span
            s[_DRIFT + m] = (r - q) * t / span + 0.5 * span
            s[_EARN + m] = r * exp(-r * t) * weight
            s[_PAY + m] = q * exp(-q * t) * weight
        for _ in range(_ROUNDS):
            for i in range(NODES):
                s[_SQUARE + i] = s[_B + i] * s[_B + i]
            for m in range(_GRID):
                s[_THERE + m] = 0.0
            for j in range(_POINTS):
                for i in range(NODES):
                    s[_HERE + j * NODES + i] = s[_B + i]
                for source in range(NODES):
                    square = s[_SQUARE + source]
                    for i in range(NODES):
                        spread = _SPREAD[(j * NODES + source) * NODES + i]
                        s[_THERE + j * NODES + i] += spread * square
            for m in range(_GRID):
                there = -math.sqrt(max(s[_THERE + m], 0.0))
                each = 1.0 / s[_SPAN + m]
                d1 = (s[_HERE + m] - there) * each + s[_DRIFT + m]
                d2 = d1 - s[_SPAN + m]
                bell1 = bell(d1)
                bell2 = bell(d2)
                c = s[_MIX + m]
                top = c * normal_cdf(d2, bell2) + _DENSITY * bell2 * each
                bottom = (1.0 + c) * normal_cdf(d1, bell1) + _DENSITY * bell1 * each
                s[_ABOVE + m] = s[_EARN + m] * top
                s[_BELOW + m] = s[_PAY + m] * bottom
            for i in range(NODES):
                s[_TOP + i] = 0.0
                s[_BOTTOM + i] = 0.0
            for j in range(_POINTS):
                for i in range(NODES):
                    s[_TOP + i] += s[_ABOVE + j * NODES + i]
                    s[_BOTTOM + i] += s[_BELOW + j * NODES + i]
            for i in range(NODES):
                t = horizon * _ROOT[i] * _ROOT[i]
                span = root * _ROOT[i]
                each = 1.0 / span
                c = s[_BLEND + i]
                d1 = (s[_B + i] + start + (r - q) * t) * each + 0.5 * span
                d2 = d1 - span
                bell1 = bell(d1)
                bell2 = bell(d2)
                top = c * normal_cdf(d2, bell2) + _DENSITY * bell2 * each
                bottom = (1.0 + c) * normal_cdf(d1, bell1) + _DENSITY * bell1 * each
                top = exp(-r * t) * top + s[_TOP + i]
                bottom = exp(-q * t) * bottom + s[_BOTTOM + i]
                b = log(max(top, _SMALL)) - log(max(bottom, _SMALL)) - start
                s[_B + i] = min(max(b, least), 0.0)
        for n in range(COEFFICIENTS):
            out[p * COEFFICIENTS + n] = 0.0
        for i in range(NODES):
            square = s[_B + i] * s[_B + i] / variance
            for n in range(COEFFICIENTS):
                out[p * COEFFICIENTS + n] += _SERIES[i * COEFFICIENTS + n] * square


class Boundaries(NamedTuple):
    """Boundaries of puts at Chebyshev nodes of log vol, several nodes a group of options.

    Options of one rate and dividend yield, and of like time to expiry and vol, form a group.
    Of each option: ``stretch`` and ``shift`` make its log vol the Chebyshev variable of its
    group's range, ``first`` and ``levels`` tell its nodes, ``reach`` the root of its group's
    longest time. Of each node: its ``level`` (the Chebyshev variable), its ``share`` (the
    barycentric weight) and `COEFFICIENTS` of ``series``.
    """

    stretch: Floats
    shift: Floats
    first: Floats
    levels: Floats
    reach: Floats
    level: Floats
    share: Floats
    series: Floats

    def at(self, chosen: NDArray[np.bool_]) -> "Boundaries":
        """Those of some of the options."""
        options = tuple(column[chosen] for column in self[:5])
        return Boundaries._make(options + self[5:])


def boundaries(
    years: Floats,
    rate: Floats,
    dividend_yield: Floats,
    vol: Floats,
    least_vol: Floats | None = None,
) -> Boundaries:
    """Boundaries of puts that have one, from the least to the greatest vol of each group.

    With ``least_vol``, prices can be had from there to ``vol``, of each option.
    """
    octave = np.floor(np.log2(years) / _OCTAVES)
    vol_octave = np.floor((np.log2(vol) - _FIRST_OCTAVE) / _VOL_OCTAVES)
    group, starts, order = _groups(rate, dividend_yield, octave, vol_octave)
    log_vol = np.log(vol)
    log_least = log_vol if least_vol is None else np.log(least_vol)
    low = np.minimum.reduceat(log_least[order], starts)
    high = np.maximum.reduceat(log_vol[order], starts)
    longest = np.maximum.reduceat(years[order], starts)
    span = high - low
    wanted = np.ceil(_LEVELS[0] + span * (_LEVELS[1] + span * _LEVELS[2]))
    count = np.where(span > 0.0, np.minimum(wanted, MOST_LEVELS), 1.0)
    first = np.cumsum(count) - count
    owner = np.repeat(np.arange(starts.size), count.astype(np.int64))
    number = np.arange(owner.size) - first[owner]
    angle = np.pi * (number + 0.5) / count[owner]
    level = np.cos(angle)
    share = np.sin(angle) * (1.0 - 2.0 * (number % 2.0))
    middle, half = (low + high) / 2.0, (high - low) / 2.0
    one = order[starts][owner]  # an option of the node's group
    node_vol = np.exp(middle[owner] + half[owner] * level)
    series = np.empty(owner.size * COEFFICIENTS)
    boundary_kernel(
        rate[one], dividend_yield[one], longest[owner], node_vol, np.empty(SCRATCH), series
    )
    stretch = 1.0 / np.where(half > 0.0, half, np.inf)
    shift = middle * stretch
    reach = np.sqrt(longest)
    options = tuple(column[group] for column in (stretch, shift, first, count, reach))
    return Boundaries._make((*options, level, share, series))


def _groups(*keys: Floats) -> tuple[_Integers, _Integers, _Integers]:
    """Each entry's group, where groups start in an order that sorts by them, and that order."""
    size = keys[0].size
    if all((key == key[0]).all() for key in keys):
        return np.zeros(size, np.int64), np.zeros(1, np.int64), np.arange(size)
    order = np.lexsort(keys)
    is_new = np.zeros(size, dtype=bool)
    is_new[0] = True
    for key in keys:
        sorted_key = key[order]
        is_new[1:] |= sorted_key[1:] != sorted_key[:-1]
    group = np.empty(size, np.int64)
    group[order] = np.cumsum(is_new) - 1
    return group, np.flatnonzero(is_new), order
