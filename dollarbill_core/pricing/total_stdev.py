"""The total deviation ``s = vol sqrt(years)`` that explains a time value: guess, step, twin.

An option is given as in `time_value`: distance ``k``, time value ``v`` and room ``w``, both as
shares of the lesser leg. With ``d1 = s / 2 - k / s``, ``d2 = d1 - s``, ``n`` the normal density
and ``R(z) = N(-z) / n(z)`` Mills' ratio::

    v = N(d1) - exp(k) N(d2) = n(d1) G,   G = R(-d1) - R(-d2)
    w = 1 - v                = n(d1) G,   G = R(d1) + R(-d2)

The logarithm of the first is solved for ``s`` where ``d1 <= 0``, that of the second elsewhere:
each is smooth there, and neither loses digits. `guess` is a polynomial, good to two parts in a
thousand, and one `step` of sixth order finds all digits that the price has. `exact_vol` is
for what lies out of their reach: one option at a time, in as many steps as it takes.

Source: the reduced form is Jaeckel's, By Implication (2006), equations 2.1 to 2.4.
"""

import math

from dollarbill_core.pricing.kernels import ROOT_HALF, erfcx, log
from dollarbill_core.pricing.machine_code import bits_of, float_of, inlined
from dollarbill_core.pricing.time_value import Reduced

FARTHEST_STEP = 0.004  # a share of s: beyond it, the sixth order may leave 1e-13 of s or more
LOG_ROOT_TWO_PI = 0.9189385332046727

_ROOT_HALF_PI = 1.2533141373155003
_LN2 = 0.6931471805599453
_ROOT_HALF_BITS = 0x3FE6A09E667F3BCD
_ROUNDING = 6755399441055744.0  # 1.5 x 2^52, whose bits turn an integer into a float64
_ROUNDING_BITS = 0x4338000000000000
_SHORT, _NEAR = 0.02, 0.05  # s and k below which R(-d1) - R(-d2) would lose digits
_MOST_STEPS = 200
_SMALL_STEP = 1e-6  # the error is cubed from step to step: after this one, nothing is left
_SMALLEST = 1e-280  # a lesser s is reached at the money only, where v = s / sqrt(2 pi)

# log(1 + f) / f in powers of f, for 1 + f between the roots of a half and of two; to 4e-4.
_LOG = (0.9997001, -0.5019704, 0.3545641, -0.2281064)
# The guess at s: powers of the first coordinate downwards, of the second across. A fit by
# weighted least squares for s from 1e-4 to 9.5 and k / s up to 9, off by at most 0.0018 of s.
_GUESS = (
    (2.5762352, 1.0740278, -0.0784389, 0.1056854, 0.0237523, 0.1236769),
    (-0.5728796, 1.1516498, 0.5652999, 0.1079629, 0.2921821, 0.0184435),
    (0.2365767, -0.0782151, 0.5406311, 0.2258832, 1.0006992, 0.8258190),
    (0.1416412, -0.3908619, -0.1290954, 0.7051045, 0.1999296, 0.1041833),
    (-0.4148800, 0.0280418, 0.2386613, 0.4370076, -0.8250632, -1.0676613),
    (0.1424189, 0.1310260, 0.2837785, -0.1576429, -0.3033518, -0.1667207),
)


@inlined
def _rough_log(f: float) -> float:
    """``log(1 + f)`` to 4e-4 of itself, near nought as well, ``f > -1``."""
    bits = bits_of(1.0 + f)
    exponent = (bits - _ROOT_HALF_BITS) >> 52
    n = float_of(exponent + _ROUNDING_BITS) - _ROUNDING
    f = f if n == 0.0 else float_of(bits - (exponent << 52)) - 1.0
    return n * _LN2 + f * (_LOG[0] + f * (_LOG[1] + f * (_LOG[2] + f * _LOG[3])))


@inlined
def _row(row: int, y: float) -> float:
    c = _GUESS[row]
    z = y * y
    return (c[0] + y * c[1]) + z * ((c[2] + y * c[3]) + z * (c[4] + y * c[5]))


@inlined
def guess(k: float, v: float, w: float) -> float:
    """``s`` to 0.0018 of itself for ``s < 9.5`` and ``k < 9 s``.

    >>> s = guess(0.0, 0.1, 0.9)  # v = 2 N(s / 2) - 1 at the money
    >>> round(s, 2), round(s * (1.0 + step(0.0, s, 0.1, 0.9)[0]), 6)
    (0.25, 0.251323)

    At the money ``s`` goes with ``v`` and, when large, with the root of ``-log(w)``; away from
    it with ``k`` over the root of ``log(k / v)``. What a polynomial has to fit is the rest.
    """
    a = -_rough_log(-v if v < 0.25 else w - 1.0)
    distance = _rough_log(k / a)
    size = a + k
    x = (distance - 6.0) / (distance + 6.0)
    y = (size - 8.0) / (size + 8.0)
    z = x * x
    low = _row(0, y) + x * _row(1, y)
    middle = _row(2, y) + x * _row(3, y)
    high = _row(4, y) + x * _row(5, y)
    return size * (low + z * (middle + z * high)) / math.sqrt((1.0 + distance) * (1.0 + size))


@inlined
def _mills(z: float) -> float:
    return _ROOT_HALF_PI * erfcx(z * ROOT_HALF)


@inlined
def _share(k: float, s: float) -> tuple[float, float]:
    """``G``, and 1 where it belongs to ``v``, -1 where to ``w``.

    Near the money and expiry ``R(-d1) - R(-d2)`` is expanded about ``z = k / s``, with
    ``R' = z R - 1`` and, from there on, ``R[n + 1] = n R[n - 1] + z R[n]``.
    """
    z = k / s
    d1 = 0.5 * s - z
    short = s < _SHORT and k < _NEAR
    first = _mills(z if short else abs(d1))
    second = _mills(0.5 * s + z)
    r1 = z * first - 1.0
    r2 = first + z * r1
    r3 = 2.0 * r1 + z * r2
    r4 = 3.0 * r2 + z * r3
    r5 = 4.0 * r3 + z * r4
    ss = s * s
    expanded = -s * (r1 + ss * (r3 * (1.0 / 24.0) + ss * r5 * (1.0 / 1920.0)))
    side = -1.0 if d1 > 0.0 and not short else 1.0
    return (expanded if short else first - side * second), side


@inlined
def step(k: float, s: float, v: float, w: float) -> tuple[float, float]:
    """The step to the root, as a share of ``s``, and vega there per share of ``s``.

    Its target ``f`` is a logarithm and ``g = f'`` follows ``g' = g (q - g)``, ``q`` being the
    logarithmic derivative of vega; so all ratios ``f[n] / f'`` are polynomials in ``g``, ``q``
    and the latter's derivatives, and five of them, reverted, give a step of sixth order. All
    derivatives are with respect to the share of ``s``.
    """
    share, side = _share(k, s)
    z = k / s
    d1 = 0.5 * s - z
    f = log(share / (v if side > 0.0 else w)) - (0.5 * d1 * d1 + LOG_ROOT_TWO_PI)
    g = side * s / share
    a, b = z * z, 0.25 * s * s
    h = a - b - g  # f'' / f', and then its derivatives
    h1 = -3.0 * a - b - g * h
    h2 = 12.0 * a - g * (h * h + h1)
    h3 = -60.0 * a - g * (h * (h * h + 3.0 * h1) + h2)
    f3 = h * h + h1
    f4 = h * f3 + (2.0 * h * h1 + h2)
    f5 = h * f4 + (h1 * f3 + h * (2.0 * h * h1 + h2) + 2.0 * (h1 * h1 + h * h2) + h3)
    c2, c3, c4, c5 = 0.5 * h, f3 * (1.0 / 6.0), f4 * (1.0 / 24.0), f5 * (1.0 / 120.0)
    u = -f / g
    e2 = c2 * c2
    t3 = 2.0 * e2 - c3
    t4 = c2 * (5.0 * c3 - 5.0 * e2) - c4
    t5 = e2 * (14.0 * e2 - 21.0 * c3) + 3.0 * c3 * c3 + 6.0 * c2 * c4 - c5
    e = u * (1.0 + u * (-c2 + u * (t3 + u * (t4 + u * t5))))
    slope = g * (1.0 + e * (h + e * (3.0 * c3 + e * (4.0 * c4 + e * 5.0 * c5))))
    return e, abs(slope) * (v if side > 0.0 else w)


def exact_vol(share: Reduced, years: float) -> float:
    """``s / sqrt(years)`` by Halley's method on the logarithm of ``s``, inside a bracket.

    >>> exact_vol(Reduced(0.0, math.log(0.1), math.log(0.9), 100.0), 0.25)
    0.50264...
    """
    k = share.distance
    s, low, high = _far_guess(share), 0.0, math.inf
    if s < _SMALLEST:
        return math.exp(share.log_value + LOG_ROOT_TWO_PI - 0.5 * math.log(years))
    for _ in range(_MOST_STEPS):
        ratio, side = _share(k, s)
        d1 = 0.5 * s - k / s
        log_target = share.log_value if side > 0.0 else share.log_room
        excess = math.log(ratio) - 0.5 * d1 * d1 - LOG_ROOT_TWO_PI - log_target
        low, high = (s, high) if side * excess < 0.0 else (low, s)
        slope = side * s / ratio
        newton = -excess / slope
        bend = (k / s) ** 2 - 0.25 * s * s - slope + 1.0
        rise = newton / max(1.0 + 0.5 * newton * bend, 0.5)
        proposed = s * math.exp(min(max(rise, -2.0), 2.0))
        if abs(rise) < _SMALL_STEP:
            return proposed / math.sqrt(years)
        s = proposed if low < proposed < high else _between(low, high)
    return s / math.sqrt(years)


def _between(low: float, high: float) -> float:
    if math.isinf(high):
        return 2.0 * low
    return math.sqrt(low) * math.sqrt(high) if low > 0.0 else 0.5 * high


def _far_guess(share: Reduced) -> float:
    k, log_value, log_room = share.distance, share.log_value, share.log_room
    if k > 0.0 and math.log(k) - log_value > 1.0:
        return k / math.sqrt(2.0 * (math.log(k) - log_value))
    return 2.5 * math.exp(log_value) + math.sqrt(-8.0 * log_room)
