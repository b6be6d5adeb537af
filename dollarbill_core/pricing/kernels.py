"""Exponential, logarithm and normal distribution without branches, for compiled kernels.

The C library's functions take one number at a time and branch on it, so a loop that calls them
runs one option at a time. These are straight lines of multiplications and additions that a
compiler turns into vector instructions. Each states its domain and its greatest error in ulp
(units in the last place of the exact result), as measured against mpmath by its test.

Polynomials and the rational function interpolate at Chebyshev nodes; the tests derive their
coefficients anew. A number cut to 26 bits has exact products with another such number, which is
where the digits behind the 53rd come from, whether or not multiply-adds are fused.
"""

from dollarbill_core.pricing.machine_code import bits_of, float_of, inlined

ROOT_HALF = 0.7071067811865476
ROOT_TWO = 1.4142135623730951
FARTHEST = 40.0  # standard deviations; beyond 38.6 the normal tail is below every float64

_LOG2_E = 1.4426950408889634
_LN2_HIGH = 0.6931471804855391  # 33 bits: its product with any exponent is exact
_LN2_LOW = 7.440617110012397e-11
_ROUNDING = 6755399441055744.0  # 1.5 x 2^52: added and taken away, it rounds to an integer
_ROUNDING_BITS = 0x4338000000000000
_BIASED = _ROUNDING_BITS - 1023  # 1023 stands for the zeroth power in a float64's exponent
_ROOT_HALF_BITS = 0x3FE6A09E667F3BCD
_EXPONENT_OF_HALF = 1 << 51
_UPPER_BITS = -(1 << 27)

# (exp(r) - 1 - r) / r^2 in powers of r, |r| <= log(2) / 2; off by at most 1.7e-17 of exp(r).
_EXP = (
    0.5000000000000001,
    0.16666666666666669,
    0.04166666666662413,
    0.008333333333330062,
    0.0013888888917213717,
    0.00019841269863053618,
    2.4801521295954376e-05,
    2.7557268459997064e-06,
    2.7620088445409746e-07,
    2.510038549551032e-08,
)
# (2 atanh(s) - 2 s) / s^3 in powers of s^2, |s| <= 0.172; off by at most 7e-19 of 2 atanh(s).
_ATANH = (
    0.6666666666666666,
    0.40000000000008523,
    0.2857142856701462,
    0.2222222309164114,
    0.18181734246400322,
    0.1538900212516573,
    0.13207080082069364,
    0.13629110721861268,
)
# erfcx(a), a >= 0, as a ratio in powers of a; off by at most 5e-17 of itself.
_ERFCX_ABOVE = (
    1.0,
    2.447622455793278,
    2.9575413412296268,
    2.2878173377910858,
    1.2449265471579918,
    0.496202912000531,
    0.14665359700904296,
    0.031809451210944015,
    0.004871520608500611,
    0.0004801270931912068,
    2.3519482132518513e-05,
)
_ERFCX_BELOW = (
    1.0,
    3.5760016228887945,
    5.992627073996886,
    6.226024039440529,
    4.467672448239768,
    2.33227805290475,
    0.9072616528654476,
    0.2642331618992664,
    0.056806285851670135,
    0.00865538906064094,
    0.0008510031152508264,
    4.1687196677085916e-05,
)


@inlined
def cut(x: float) -> float:
    """The upper 26 bits of ``x``: ``x - cut(x)`` is exact, as is ``cut(x) * cut(y)``.

    >>> cut(1.0 + 2.0**-25), cut(1.0 + 2.0**-26)
    (1.0000000298023224, 1.0)
    """
    return float_of(bits_of(x) & _UPPER_BITS)


@inlined
def exp(x: float) -> float:
    """``exp(x)`` for every float64: 0 and infinity beyond the range, NaN for NaN.

    Greatest error 1.1 ulp; below 2.2e-308, where digits run out, one unit of 4.9e-324.

    >>> round(exp(1.0), 14)
    2.71828182845905
    """
    return exp_of_sum(x, -0.0)


@inlined
def exp_of_sum(high: float, low: float) -> float:
    """``exp(high + low)``, where ``low`` holds the digits that ``high`` has no room for.

    ``|low| <= 1e-3``. Error as of `exp`. With ``n`` the integer next to ``high / log(2)`` and
    ``r = high + low - n log(2)``, it is ``2^n (1 + r + r^2 polynomial(r))``; the power of two
    comes in two factors, because ``n`` goes beyond the range of one.
    """
    x = 710.0 if high > 710.0 else high
    x = -746.0 if x < -746.0 else x
    n = (x * _LOG2_E + _ROUNDING) - _ROUNDING
    r = ((x - n * _LN2_HIGH) - n * _LN2_LOW) + low
    r2 = r * r
    even = _EXP[0] + r2 * (_EXP[2] + r2 * (_EXP[4] + r2 * (_EXP[6] + r2 * _EXP[8])))
    odd = _EXP[1] + r2 * (_EXP[3] + r2 * (_EXP[5] + r2 * (_EXP[7] + r2 * _EXP[9])))
    result = 1.0 + (r + r2 * (even + r * odd))
    half = n * 0.5 + _ROUNDING
    rest = (n - (half - _ROUNDING)) + _ROUNDING
    return (result * _power_of_two(half)) * _power_of_two(rest)


@inlined
def _power_of_two(rounded: float) -> float:
    """``2^n`` for ``rounded = n + 1.5 x 2^52``, ``|n| < 1023``."""
    return float_of((bits_of(rounded) - _BIASED) << 52)


@inlined
def log(x: float) -> float:
    """Natural logarithm of a positive normal float64 (2.3e-308 to 1.7e308, no infinity).

    Greatest error 0.9 ulp. With ``x = 2^n (1 + f)``, ``1 + f`` between the roots of a half and
    of two, and ``s = f / (2 + f)``, it is ``n log(2) + 2 atanh(s)``, where ``2 s`` is written
    ``f - f^2 / 2 + s f^2 / 2``, because ``f`` is exact.

    >>> log(10.0)
    2.302585092994046
    """
    exponent = (bits_of(x) - _ROOT_HALF_BITS) >> 52
    f = float_of(bits_of(x) - (exponent << 52)) - 1.0
    n = float_of(exponent + _ROUNDING_BITS) - _ROUNDING
    s = f / (2.0 + f)
    z = s * s
    halved = 0.5 * f * f
    rest = s * (halved + z * _atanh_tail(z)) + n * _LN2_LOW
    return n * _LN2_HIGH - ((halved - rest) - f)


@inlined
def log_ratio(numerator: float, denominator: float) -> float:
    """``log(numerator / denominator)`` of numbers between 1e-290 and 1e290.

    Greatest error 0.6 ulp of the result, however close the two are.

    >>> log_ratio(1.0 + 2.0**-52, 1.0)  # x - x^2 / 2
    2.2204460492503128e-16
    """
    high, low = log_ratio_parts(numerator, denominator)
    return high + low


@inlined
def log_ratio_parts(numerator: float, denominator: float) -> tuple[float, float]:
    """The same as an unevaluated sum ``high + low``, ``|low| < 0.01``.

    Greatest error 2e-18, and 5e-18 of the result: for sums in which the logarithm cancels.
    With the numerator scaled by a power of two next to the denominator, it is
    ``n log(2) + 2 atanh(s)``, ``s`` being the difference of the two over their sum; the
    difference is exact, and ``s`` is carried to twice the digits.
    """
    exponent = ((bits_of(numerator) - bits_of(denominator)) + _EXPONENT_OF_HALF) >> 52
    scaled = float_of(bits_of(numerator) - (exponent << 52))
    n = float_of(exponent + _ROUNDING_BITS) - _ROUNDING
    # Bits tell the logarithm to a tenth only: the two may still lie too far apart.
    above, below = scaled > ROOT_TWO * denominator, scaled < ROOT_HALF * denominator
    n = n + 1.0 if above else n
    n = n - 1.0 if below else n
    scaled = 0.5 * scaled if above else scaled
    scaled = 2.0 * scaled if below else scaled
    rise = scaled - denominator
    span = scaled + denominator
    larger = scaled if scaled > denominator else denominator
    smaller = denominator if scaled > denominator else scaled
    inverse = 1.0 / span
    s = rise * inverse
    z = s * s
    s_high, span_high = cut(s), cut(span)
    span_low = (span - span_high) + (smaller - (span - larger))
    s_low = ((rise - s_high * span_high) - s_high * span_low) * inverse
    tail = s * (z * _atanh_tail(z)) + 2.0 * z * (s_low - (s - s_high))
    powers = n * _LN2_HIGH
    high = powers + 2.0 * s_high
    lost = 2.0 * s_high - (high - powers)
    return high, lost + (n * _LN2_LOW + (2.0 * s_low + tail))


@inlined
def _atanh_tail(z: float) -> float:
    z2 = z * z
    even = _ATANH[0] + z2 * (_ATANH[2] + z2 * (_ATANH[4] + z2 * _ATANH[6]))
    odd = _ATANH[1] + z2 * (_ATANH[3] + z2 * (_ATANH[5] + z2 * _ATANH[7]))
    return even + z * odd


@inlined
def erfcx(a: float) -> float:
    """``exp(a^2) erfc(a)`` for ``a`` from 0 to 1e25; near ``1 / (a sqrt(pi))`` for large ``a``.

    Greatest error 6 ulp. A ratio of polynomials of degree 10 and 11 whose coefficients are
    positive, so that nothing cancels.

    >>> round(erfcx(1.0), 15)  # e x 0.157299207050285
    0.427583576155807
    """
    b = a * a
    p, q = _ERFCX_ABOVE, _ERFCX_BELOW
    even = p[0] + b * (p[2] + b * (p[4] + b * (p[6] + b * (p[8] + b * p[10]))))
    odd = p[1] + b * (p[3] + b * (p[5] + b * (p[7] + b * p[9])))
    even_below = q[0] + b * (q[2] + b * (q[4] + b * (q[6] + b * (q[8] + b * q[10]))))
    odd_below = q[1] + b * (q[3] + b * (q[5] + b * (q[7] + b * (q[9] + b * q[11]))))
    return (even + a * odd) / (even_below + a * odd_below)


@inlined
def bell(x: float) -> float:
    """``exp(-x^2 / 2)`` for every float64, the normal density times the root of 2 pi.

    Greatest error 1.2 ulp: the digits of the square that do not fit are kept. Zero beyond
    ``FARTHEST`` standard deviations.

    >>> bell(1.0)
    0.6065306597126334
    """
    far = abs(x)
    far = FARTHEST if far > FARTHEST else far
    high = cut(far)
    return exp_of_sum(-0.5 * (high * high), -0.5 * ((far - high) * (far + high)))


@inlined
def normal_cdf(x: float, density: float) -> float:
    """Probability that a standard normal number lies below ``x``, every float64.

    ``density`` is ``bell(x)``, which callers have at hand. Greatest error 7 ulp, in the tail
    as well: it is ``bell(x) erfcx(|x| / sqrt(2)) / 2``, or 1 less that for positive ``x``.

    >>> round(normal_cdf(-1.0, bell(-1.0)), 15)
    0.158655253931457
    """
    far = abs(x)
    far = FARTHEST if far > FARTHEST else far
    tail = 0.5 * density * erfcx(far * ROOT_HALF)
    return tail if x < 0.0 else 1.0 - tail
