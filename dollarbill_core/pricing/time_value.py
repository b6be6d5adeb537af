"""What an option is worth beyond exercise, as a share of the lesser of its two legs.

With the legs ``A = spot exp(-dividend_yield years)`` and ``B = strike exp(-rate years)``, a
price is reduced to three numbers: the distance ``k = |log(A / B)|``; the time value ``v``, the
price less ``max(right (A - B), 0)``; and the room ``w`` below the price's upper bound, ``A``
for a call and ``B`` for a put. ``v`` and ``w`` are shares of the lesser leg, ``v + w = 1``.

In the money the dollars of intrinsic value hide those of time value, so the legs are carried
beyond the 53 bits of a float64, as unevaluated sums ``high + low``. Where even that is not
enough (prices next to nothing, next to the money), `exact` does the same in 100 digits.
"""

import math
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, localcontext
from typing import NamedTuple

from dollarbill_core.pricing.kernels import cut, log_ratio
from dollarbill_core.pricing.machine_code import bits_of, float_of, inlined

_LOG2_E = 1.4426950408889634
_LN2_HIGH = 0.6931471805598903  # 42 bits: its product with any exponent is exact
_LN2_LOW = 5.497923018708371e-14
_ROUNDING = 6755399441055744.0  # 1.5 x 2^52: added and taken away, it rounds to an integer
_GRID = _ROUNDING / 2048.0  # the same, to a multiple of 1 / 2048
_BIASED = 0x4338000000000000 - 1023  # 1023 stands for the zeroth power in a float64's exponent
_EXPONENT = 0x7FF << 52
_INVERSE_FACTORIAL = tuple(1.0 / math.factorial(n) for n in range(17))

_LEG_ERROR = 2.0**-65  # of a leg, the most that `discounted` is off by
_MOST_CARRY = 690.0  # rate times years
_LARGEST = 1e290  # numbers beyond it, or below its inverse, are left to `exact`
_NEAR = 1e-7  # at less distance and price than this, shares of a leg, the legs' error shows
_HUNDRED_DIGITS = Context(prec=100, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])


@inlined
def discounted(amount: float, rate: float, years: float) -> tuple[float, float]:
    """``amount exp(-rate years)`` as ``high + low``, off by at most 2.7e-20 of itself.

    Infinite where ``rate years`` is beyond 690 either way, which is left to `exact`.
    With ``n`` the integer next to ``-rate years / log(2)``, ``a`` what remains, to 11 bits, and
    ``c`` the rest, it is ``2^n exp(a) exp(c)``. The Taylor series of ``24 exp(a)`` is exact to
    its fifth term, because ``a`` is short; what follows needs no more than a float64 has.

    >>> discounted(100.0, 0.05, 1.0)  # 95.12294245007140090914...
    (95.1229424500714, -5.38...e-15)
    """
    rate_cut, years_cut = cut(rate), cut(years)
    high = -(rate_cut * years_cut)
    low = -(rate_cut * (years - years_cut) + (rate - rate_cut) * years)
    high = _MOST_CARRY if high > _MOST_CARRY else high
    high = -_MOST_CARRY if high < -_MOST_CARRY else high
    n = (high * _LOG2_E + _ROUNDING) - _ROUNDING
    rest = high - n * _LN2_HIGH
    a = (rest + _GRID) - _GRID
    c = rest - a
    series = 24.0 + a * (24.0 + a * (12.0 + a * (4.0 + a)))
    main = cut(series * (1.0 / 24.0))
    minor = (series - 24.0 * main) * (1.0 / 24.0) + _taylor_tail(a)
    c_cut = cut(c)
    low = low - n * _LN2_LOW
    c_low = (c - c_cut) + (low + _taylor_of_rest(c + low))
    product = main * c_cut
    minor = minor + (main * c_low + minor * (c_cut + c_low))
    growth = main + product
    growth_cut = cut(growth)
    growth_low = (growth - growth_cut) + ((product - (growth - main)) + minor)
    amount_cut = cut(amount)
    first = amount_cut * growth_cut
    second = amount_cut * growth_low + (amount - amount_cut) * (growth_cut + growth_low)
    power = float_of((bits_of(n + _ROUNDING) - _BIASED) << 52)
    power = power if abs(rate * years) < _MOST_CARRY else math.inf
    total = first + second
    return total * power, (second - (total - first)) * power


@inlined
def _taylor_tail(a: float) -> float:
    """``exp(a)`` less the first five terms of its series, ``|a| < 0.35``."""
    f = _INVERSE_FACTORIAL
    b = a * a
    even = f[6] + b * (f[8] + b * (f[10] + b * (f[12] + b * (f[14] + b * f[16]))))
    odd = f[5] + b * (f[7] + b * (f[9] + b * (f[11] + b * (f[13] + b * f[15]))))
    return (b * b) * (a * (odd + a * even))


@inlined
def _taylor_of_rest(c: float) -> float:
    """``exp(c) - 1 - c``, ``|c| < 2^-12``."""
    f = _INVERSE_FACTORIAL
    return (c * c) * (0.5 + c * (f[3] + c * (f[4] + c * f[5])))


@inlined
def nought_if_finite(number: float) -> float:
    """0, or NaN for an infinity or a NaN: added to a result, it voids it.

    >>> nought_if_finite(3.0), nought_if_finite(math.inf)
    (0.0, nan)
    """
    return (number - number) * 0.0


@inlined
def product_parts(left: float, right: float) -> tuple[float, float]:
    """``left right`` as ``high + low``, off by at most 1e-23 of itself.

    >>> product_parts(0.1, 0.1)
    (0.010000000000000002, -8.32667...e-19)
    """
    left_cut, right_cut = cut(left), cut(right)
    first = left_cut * right_cut
    second = left_cut * (right - right_cut) + (left - left_cut) * right
    total = first + second
    return total, second - (total - first)


@inlined
def reduced(
    right: float, price: float, a: float, a_low: float, b: float, b_low: float
) -> tuple[float, float, float, float]:
    """``k``, ``v``, ``w`` and one ulp of the price, shares of the lesser leg but for ``k``.

    The legs are ``a + a_low`` and ``b + b_low``; all input is positive and finite. ``v`` is
    infinite where these digits do not settle the three numbers, which is then left to `exact`.

    >>> k, v, w, _ = reduced(1.0, 12.0, 110.0, 0.0, 100.0, 0.0)
    >>> round(k, 6), v, w  # log(1.1); 2 and 98 dollars of 100
    (0.09531, 0.02, 0.98)
    """
    larger, lesser = (a if a > b else b), (b if a > b else a)
    gap = a - b
    back = gap - a
    gap_low = ((a - (gap - back)) - (b + back)) + (a_low - b_low)
    k = abs(log_ratio(a, b) + (a_low - b_low) / larger)
    total = gap + gap_low
    intrinsic = right * total
    intrinsic_low = right * (gap_low - (total - gap))
    inside = 1.0 if intrinsic > 0.0 else 0.0
    value = (price - inside * intrinsic) - inside * intrinsic_low
    bound, bound_low = (a if right > 0.0 else b), (a_low if right > 0.0 else b_low)
    room = (bound - price) + bound_low
    v = value / lesser
    ulp = float_of(bits_of(price) & _EXPONENT) * 2.0**-52
    error = 2.0 * _LEG_ERROR * (larger if inside > 0.0 else lesser)
    # In the money it must be below an ulp or 1e-13 of the value; out of it, of k or the price.
    allowed = ulp if ulp > value * 1e-13 else value * 1e-13
    margin = allowed - error if inside > 0.0 else (k if k > v else v) - _NEAR
    doubt = abs(room) if abs(room) < abs(value) or inside == 0.0 else abs(value)
    settled = margin > 0.0 and (doubt > error or doubt == 0.0)
    least = lesser if lesser < price else price
    ordinary = least > 1.0 / _LARGEST and larger < _LARGEST and price < _LARGEST
    v = v if settled and ordinary and (abs(v) > 1.0 / _LARGEST or value == 0.0) else math.inf
    return k, v, room / lesser, ulp / lesser


class Reduced(NamedTuple):
    """``k``, the logarithms of ``v`` and ``w`` (-inf where not positive), the lesser leg."""

    distance: float
    log_value: float
    log_room: float
    lesser: float  # dollars


def exactly_discounted(amount: float, rate: float, years: float) -> Decimal:
    """``amount exp(-rate years)`` in 100 digits."""
    with localcontext(_HUNDRED_DIGITS):
        return Decimal(amount) * (-Decimal(rate) * Decimal(years)).exp()


def exact_product(left: float, right: float) -> Decimal:
    """``left right`` in 100 digits."""
    with localcontext(_HUNDRED_DIGITS):
        return Decimal(left) * Decimal(right)


def exact(right: int, price: float, spot_paid: Decimal, strike_paid: Decimal) -> Reduced | None:
    """The same as `reduced` in 100 digits, for numbers that are positive and finite.

    None where a leg is beyond the range of a float64.

    >>> exact(1, 12.0, Decimal(110), Decimal(100))
    Reduced(distance=0.0953..., log_value=-3.912..., log_room=-0.0202..., lesser=100.0)
    """
    with localcontext(_HUNDRED_DIGITS):
        lesser = min(spot_paid, strike_paid)
        if not 0.0 < float(lesser) <= float(max(spot_paid, strike_paid)) < math.inf:
            return None
        intrinsic = max(right * (spot_paid - strike_paid), Decimal(0))
        room = (spot_paid if right == 1 else strike_paid) - Decimal(price)
        shares = ((Decimal(price) - intrinsic) / lesser, room / lesser)
        value, room_left = (float(s.ln()) if s > 0 else -math.inf for s in shares)
        distance = abs(float((spot_paid / strike_paid).ln()))
        return Reduced(distance, value, room_left, float(lesser))
