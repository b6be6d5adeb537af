"""The early-exercise premium: what an American option is worth over the European one.

Of a put with a strike of one, as in `boundary`. Where it is held it is the interest on the
strike less the dividends on the spot, over all later times at which it will be exercised::

    premium = integral over t from 0 to T of
        rate exp(-rate t) N(-d2(t)) - dividend_yield spot exp(-dividend_yield t) N(-d1(t))

with ``d1, d2`` those of a European option with strike ``B(T - t)`` and ``t`` years to go.

Source: Kim (1990); Andersen, Lake and Offengenden (2016), equation 2.5.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dollarbill_core.pricing.boundary import (
    COEFFICIENTS,
    MOST_LEVELS,
    Boundaries,
    boundaries,
    quarter_circle,
    start_of_boundary,
)
from dollarbill_core.pricing.kernels import bell, exp, log, normal_cdf
from dollarbill_core.pricing.machine_code import Floats, compiled

POINTS = 32  # of the integral over time, a multiple of 8
_LANES = 8
_DENSITY = 0.3989422804014327  # 1 / sqrt(2 pi)
_SINE, _WEIGHT = quarter_circle(POINTS)
_COSINE = np.sqrt(1.0 - _SINE**2)

_SERIES = 0
_SHARE = _SERIES + COEFFICIENTS
_ONE = _SHARE + MOST_LEVELS
_TWO = _ONE + POINTS
_VALUE = _TWO + POINTS
_SLOPE = _VALUE + POINTS
_CURVE = _SLOPE + POINTS
_SUM = _CURVE + POINTS
SCRATCH = _SUM + 3 * _LANES


@compiled
def premium_kernel(
    spot: Floats,
    years: Floats,
    rate: Floats,
    dividend_yield: Floats,
    vol: Floats,
    place: Floats,
    first: Floats,
    count: Floats,
    reach: Floats,
    level: Floats,
    share: Floats,
    table: Floats,
    s: Floats,
    premium: Floats,
    slope: Floats,
    curve: Floats,
    boundary: Floats,
) -> None:
    """Premium of each put, its two derivatives by spot, and the boundary at its own time.

    ``place`` is each put's log vol as the Chebyshev variable of its group; ``first`` to
    ``table`` are those of `Boundaries`; ``s`` is scratch space of `SCRATCH` numbers; the rest
    is written. The boundary is interpolated over vol (barycentric), then over the root of time
    (Clenshaw). Near the boundary the integrand of the second derivative has a peak of width
    ``gap``: that of a boundary at rest is taken out, and its integral added in closed form.
    """
    for o in range(spot.size):
        t, r, q, v, x = years[o], rate[o], dividend_yield[o], vol[o], spot[o]
        start = start_of_boundary(r, q)
        begin = int(first[o])
        nodes = int(count[o])
        total = 0.0
        for k in range(nodes):
            away = place[o] - level[begin + k]
            weight = share[begin + k] / (1e-200 if away == 0.0 else away)
            s[_SHARE + k] = weight
            total += weight
        scale = v * v / total
        for n in range(COEFFICIENTS):
            s[_SERIES + n] = 0.0
        for k in range(nodes):
            weight = s[_SHARE + k] * scale
            for n in range(COEFFICIENTS):
                s[_SERIES + n] += weight * table[(begin + k) * COEFFICIENTS + n]
        part = math.sqrt(t) / reach[o]
        twice = 4.0 * part - 2.0
        one = 0.0
        two = 0.0
        for n in range(COEFFICIENTS - 1, 0, -1):
            one, two = s[_SERIES + n] + twice * one - two, one
        square = s[_SERIES] + 0.5 * twice * one - two
        edge = start - math.sqrt(max(square, 0.0))
        boundary[o] = exp(edge)
        for j in range(POINTS):
            s[_ONE + j] = 0.0
            s[_TWO + j] = 0.0
        for n in range(COEFFICIENTS - 1, 0, -1):
            term = s[_SERIES + n]
            for j in range(POINTS):
                each = 4.0 * part * _COSINE[j] - 2.0
                new = term + each * s[_ONE + j] - s[_TWO + j]
                s[_TWO + j] = s[_ONE + j]
                s[_ONE + j] = new
        ratio = log(x)
        root = v * math.sqrt(t)
        drift = (r - q) / v * math.sqrt(t) + 0.5 * root
        gap = max(ratio - edge, 0.0)
        sharp = (r / x - q) / x
        peak = sharp * _DENSITY * gap
        term = s[_SERIES]
        for j in range(POINTS):
            each = 2.0 * part * _COSINE[j] - 1.0
            square = term + each * s[_ONE + j] - s[_TWO + j]
            there = start - math.sqrt(max(square, 0.0))
            span = root * _SINE[j]
            over = 1.0 / span
            d1 = (ratio - there) * over + drift * _SINE[j]
            d2 = d1 - span
            bell1 = bell(d1)
            bell2 = bell(d2)
            u = t * _SINE[j] * _SINE[j]
            earned = r * t * _WEIGHT[j] * exp(-r * u)
            paid = q * t * _WEIGHT[j] * exp(-q * u)
            below = normal_cdf(-d1, bell1)
            flow1 = paid * _DENSITY * bell1 * over
            flow2 = earned * _DENSITY * bell2 * over / x
            s[_VALUE + j] = earned * normal_cdf(-d2, bell2) - paid * x * below
            s[_SLOPE + j] = flow1 - flow2 - paid * below
            turn = (flow2 * (1.0 + d2 * over) + flow1 * (1.0 - d1 * over)) / x
            s[_CURVE + j] = turn - peak * t * _WEIGHT[j] * bell(gap * over) * over * over * over
        for j in range(_LANES):
            s[_SUM + j] = 0.0
            s[_SUM + _LANES + j] = 0.0
            s[_SUM + 2 * _LANES + j] = 0.0
            for k in range(POINTS // _LANES):
                s[_SUM + j] += s[_VALUE + k * _LANES + j]
                s[_SUM + _LANES + j] += s[_SLOPE + k * _LANES + j]
                s[_SUM + 2 * _LANES + j] += s[_CURVE + k * _LANES + j]
        premium[o] = 0.0
        slope[o] = 0.0
        far = gap / root
        curve[o] = sharp * 2.0 / (v * v) * normal_cdf(-far, bell(far))
        for j in range(_LANES):
            premium[o] += s[_SUM + j]
            slope[o] += s[_SUM + _LANES + j]
            curve[o] += s[_SUM + 2 * _LANES + j]


class Puts(NamedTuple):
    """Options as puts with a strike of one, one an entry.

    A call on ``spot`` at ``strike`` is a put on the strike at the spot, rate and dividend yield
    exchanged. ``unit`` is the put's strike in dollars, ``spot`` in units of it.
    """

    unit: Floats
    spot: Floats
    years: Floats
    rate: Floats
    dividend_yield: Floats
    vol: Floats

    def at(self, chosen: NDArray[np.bool_]) -> "Puts":
        return self if chosen.all() else Puts(*(column[chosen] for column in self))


class Premium(NamedTuple):
    """Premium of puts with a strike of one, its derivatives by spot, and the boundary."""

    value: Floats
    slope: Floats
    curve: Floats
    boundary: Floats


def as_puts(
    right: Floats,
    spot: Floats,
    strike: Floats,
    years: Floats,
    rate: Floats,
    vol: Floats,
    dividend_yield: Floats,
) -> Puts:
    """Every option as a put; the strike of a put and the spot of a call is the unit.

    >>> one = [np.array([x]) for x in (1.0, 90.0, 100.0, 0.5, 0.05, 0.2, 0.02)]
    >>> put = as_puts(*one)
    >>> float(put.unit[0]), round(float(put.spot[0]), 4), float(put.rate[0])
    (90.0, 1.1111, 0.02)
    """
    is_put = right < 0
    unit = np.where(is_put, strike, spot)
    earned = np.where(is_put, rate, dividend_yield)
    paid = np.where(is_put, dividend_yield, rate)
    return Puts(unit, np.where(is_put, spot, strike) / unit, years, earned, paid, vol)


def premiums(puts: Puts, among: Boundaries | None = None) -> Premium:
    """Early-exercise premiums as if held, of puts that have one boundary.

    ``among`` holds boundaries solved before, over a range of vols that includes the puts'; by
    default they are solved anew. At or below the boundary the formula means nothing.
    """
    years, rate, dividend_yield, vol = puts[2:]
    found = boundaries(years, rate, dividend_yield, vol) if among is None else among
    results = np.empty((4, years.size))
    premium_kernel(
        puts.spot, years, rate, dividend_yield, vol,
        np.log(vol) * found.stretch - found.shift, found.first, found.levels, found.reach,
        found.level, found.share, found.series, np.empty(SCRATCH), *results,
    )  # fmt: skip
    return Premium(*results)
