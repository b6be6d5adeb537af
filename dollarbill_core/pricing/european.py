"""European options in one pass: the compiled loops, and their plain twin for every limit.

With ``A = spot exp(-dividend_yield years)``, ``B = strike exp(-rate years)``,
``s = vol sqrt(years)``, ``x = log(A / B)`` and ``d1, d2 = x / s +- s / 2``, the option of a
pair that is out of the money is worth ``m N(u) - l N(w)``: ``m`` and ``l`` are the lesser and
the greater of ``A`` and ``B``, ``u = s / 2 - |x| / s`` and ``w = u - s``. Since ``m n(u)`` is
``l n(w)``, with ``n`` the normal density, one exponential serves both terms and every Greek.

The loops take regular numbers (`is_regular`) and put NaN for others; the twin, in numpy, takes
any float64 and gives the limit, or NaN where the input has no meaning.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dollarbill_core.pricing.kernels import (
    ROOT_HALF,
    bell,
    cut,
    erfcx,
    exp,
    log_ratio_parts,
    normal_cdf,
)
from dollarbill_core.pricing.machine_code import Floats, compiled, inlined

_ROOT_TWO_PI = 2.5066282746310002
_DENSITY = 0.3989422804014327  # 1 / sqrt(2 pi)
_FARTHEST = 1e20  # of erfcx's argument


@inlined
def is_regular(
    right: float, spot: float, strike: float, years: float, stdev: float, growth: float
) -> bool:
    """Whether no step of the loops can overflow; ``growth = |rate years| + |yield years|``."""
    prices = (spot > 1e-100) & (spot < 1e100) & (strike > 1e-100) & (strike < 1e100)
    times = (years > 1e-30) & (years < 1e6) & (growth < 100.0)
    return prices & times & (stdev > 1e-16) & (stdev < 1e3) & (right * right == 1.0)


@inlined
def log_moneyness(
    spot: float, strike: float, years: float, rate: float, dividend_yield: float
) -> float:
    """``x = log(spot / strike) + (rate - dividend_yield) years``, to 2e-18 or its last digit.

    The two terms may cancel, and what is left is divided by ``s``, which may be 1e-5: so each
    is carried in two parts. The upper parts' sum is exact where they cancel.
    """
    high, low = log_ratio_parts(spot, strike)
    carry = rate - dividend_yield
    taken = rate - carry
    lost = (rate - (carry + taken)) + (taken - dividend_yield)
    carry_high, years_high = cut(carry), cut(years)
    drift_low = carry_high * (years - years_high) + ((carry - carry_high) + lost) * years
    return (high + carry_high * years_high) + (low + drift_low)


@inlined
def tails(
    spot_paid: float, strike_paid: float, x: float, s: float, z: float
) -> tuple[float, float, float]:
    """``m n(u) sqrt(2 pi)``, ``m N(-|u|)`` and ``l N(w)``; ``z = |x| / s``."""
    u = 0.5 * s - z
    height = (spot_paid if x <= 0.0 else strike_paid) * bell(u)
    near = abs(u) * ROOT_HALF
    near = near if near < _FARTHEST else _FARTHEST
    far = (z + 0.5 * s) * ROOT_HALF
    far = far if far < _FARTHEST else _FARTHEST
    return height, 0.5 * height * erfcx(near), 0.5 * height * erfcx(far)


@compiled
def price_kernel(
    right: Floats,
    spot: Floats,
    strike: Floats,
    years: Floats,
    rate: Floats,
    vol: Floats,
    dividend_yield: Floats,
    price: Floats,
) -> None:
    """`black_scholes.price` of regular numbers, all arrays of one size; NaN for others."""
    for i in range(price.size):
        years_rate, years_yield = rate[i] * years[i], dividend_yield[i] * years[i]
        growth = abs(years_rate) + abs(years_yield)
        s = vol[i] * math.sqrt(years[i])
        x = log_moneyness(spot[i], strike[i], years[i], rate[i], dividend_yield[i])
        spot_paid, strike_paid = spot[i] * exp(-years_yield), strike[i] * exp(-years_rate)
        z = abs(x) / s
        _, near, far = tails(spot_paid, strike_paid, x, s, z)
        lesser = spot_paid if x <= 0.0 else strike_paid
        reached = near if z > 0.5 * s else lesser - near
        intrinsic = max(right[i] * (spot_paid - strike_paid), 0.0)
        value = max(reached - far, 0.0) + intrinsic
        value = min(value, spot_paid if right[i] > 0.0 else strike_paid)
        regular = is_regular(right[i], spot[i], strike[i], years[i], s, growth)
        price[i] = value if regular else math.nan


@compiled
def greeks_kernel(
    right: Floats,
    spot: Floats,
    strike: Floats,
    years: Floats,
    rate: Floats,
    vol: Floats,
    dividend_yield: Floats,
    price: Floats,
    delta: Floats,
    gamma: Floats,
    vega: Floats,
    theta: Floats,
    rho: Floats,
    vanna: Floats,
    volga: Floats,
    charm: Floats,
) -> None:
    """`black_scholes.greeks` of regular numbers; for others the price is NaN, the rest void.

    ``held`` is ``A N(right d1)`` and ``paid`` is ``B N(right d2)``, each from the tail that is
    known without a difference.
    """
    for i in range(price.size):
        sign, carry = right[i], rate[i] - dividend_yield[i]
        years_rate, years_yield = rate[i] * years[i], dividend_yield[i] * years[i]
        growth = abs(years_rate) + abs(years_yield)
        root = math.sqrt(years[i])
        s = vol[i] * root
        per_s = 1.0 / s
        x = log_moneyness(spot[i], strike[i], years[i], rate[i], dividend_yield[i])
        spot_paid, strike_paid = spot[i] * exp(-years_yield), strike[i] * exp(-years_rate)
        z = abs(x) * per_s
        height, near, far = tails(spot_paid, strike_paid, x, s, z)

        below = x <= 0.0
        lesser = spot_paid if below else strike_paid
        greater = strike_paid if below else spot_paid
        reached = near if z > 0.5 * s else lesser - near
        missed = lesser - near if z > 0.5 * s else near
        is_out = sign == (1.0 if below else -1.0)
        of_lesser = reached if is_out else missed
        of_greater = far if is_out else greater - far
        held = of_lesser if below else of_greater
        paid = of_greater if below else of_lesser
        value = max(reached - far, 0.0) + max(sign * (spot_paid - strike_paid), 0.0)
        value = min(value, spot_paid if sign > 0.0 else strike_paid)
        regular = is_regular(sign, spot[i], strike[i], years[i], s, growth)

        per_spot, per_root = 1.0 / spot[i], vol[i] * per_s
        d1, d2 = x * per_s + 0.5 * s, x * per_s - 0.5 * s
        weight = height * _DENSITY  # A n(d1)
        slope, moved = sign * held * per_spot, weight * per_spot
        price[i] = value if regular else math.nan
        delta[i] = slope
        gamma[i] = moved * per_s * per_spot
        vega[i] = weight * root
        theta[i] = sign * (dividend_yield[i] * held - rate[i] * paid) - (
            0.5 * weight * vol[i] * per_root
        )
        rho[i] = sign * years[i] * paid
        vanna[i] = -moved * d2 * (root * per_s)
        volga[i] = weight * root * d1 * d2 * (root * per_s)
        charm[i] = dividend_yield[i] * slope - moved * (
            carry * per_s - 0.5 * d2 * per_root * per_root
        )


@compiled
def normal_kernel(x: Floats, probability: Floats) -> None:
    """The normal distribution function of every float64."""
    for i in range(x.size):
        probability[i] = normal_cdf(x[i], bell(x[i]))


def normal(x: Floats) -> Floats:
    """Probability that a standard normal number lies below ``x``, of any shape.

    >>> round(float(normal(np.array(1.0))), 4)
    0.8413
    """
    flat = np.ascontiguousarray(x, dtype=np.float64).reshape(-1)
    probability = np.empty_like(flat)
    normal_kernel(flat, probability)
    return probability.reshape(np.shape(x))


class Terms(NamedTuple):
    """What every formula needs; ``d1`` and ``d2`` are NaN where the input has no meaning."""

    sign: Floats
    spot_paid: Floats  # A
    strike_paid: Floats  # B
    stdev: Floats  # s
    d1: Floats
    d2: Floats


def terms(
    right: Floats,
    spot: Floats,
    strike: Floats,
    years: Floats,
    rate: Floats,
    vol: Floats,
    dividend_yield: Floats,
) -> Terms:
    """The terms of arrays that broadcast."""
    spot_paid = spot * np.exp(-dividend_yield * years)
    strike_paid = strike * np.exp(-rate * years)
    x = log_ratio(spot, strike) + (rate - dividend_yield) * years
    x = np.where(are_valid(right, spot, strike, years, vol), x, np.nan)
    return terms_at(right, spot_paid, strike_paid, x, years, vol)


def terms_at(
    sign: Floats, spot_paid: Floats, strike_paid: Floats, x: Floats, years: Floats, vol: Floats
) -> Terms:
    """The terms, given ``x = log(A / B)``."""
    stdev = vol * np.sqrt(years)
    # 0 / 0, exactly at the money with nothing left to move, is the middle of the two limits.
    middle = np.where((x == 0) & (stdev == 0), 0.0, x / stdev)
    d1, d2 = middle + 0.5 * stdev, middle - 0.5 * stdev
    return Terms(sign, spot_paid, strike_paid, stdev, d1, d2)


def plain_price(t: Terms) -> Floats:
    """The price of any float64; ``numpy`` may warn."""
    intrinsic = np.maximum(t.sign * (t.spot_paid - t.strike_paid), 0.0)
    side = np.where(t.spot_paid > t.strike_paid, -1.0, 1.0)
    held = _product(t.spot_paid, normal(side * t.d1))
    time_value = side * (held - _product(t.strike_paid, normal(side * t.d2)))
    value = intrinsic + np.maximum(time_value, 0.0)
    value = np.minimum(value, np.where(t.sign > 0, t.spot_paid, t.strike_paid))
    return np.where(np.isnan(t.d1), np.nan, value)


def plain_greeks(
    right: Floats,
    spot: Floats,
    strike: Floats,
    years: Floats,
    rate: Floats,
    vol: Floats,
    dividend_yield: Floats,
) -> Floats:
    """Price and Greeks of any float64, in the order of the kernel's outputs, (9, n)."""
    t = terms(right, spot, strike, years, rate, vol, dividend_yield)
    root, growth = np.sqrt(years), np.exp(-dividend_yield * years)
    density = np.exp(-0.5 * t.d1 * t.d1) / _ROOT_TWO_PI
    probability = normal(t.sign * t.d1)
    held = _product(t.spot_paid, probability)
    paid = _product(t.strike_paid, normal(t.sign * t.d2))
    delta, vega = t.sign * growth * probability, _product(t.spot_paid, density) * root
    # At the money, d2 / vol goes to -sqrt(years) / 2 with the vol.
    per_vol = np.where((t.d2 == 0) & (vol == 0), -0.5 * root, t.d2 / vol)
    decay = _product(_product(t.spot_paid, density), vol / (2.0 * root))
    turn = _product(growth * density, _turn(t, years, rate - dividend_yield, vol))
    results = (
        plain_price(t),
        delta,
        _product(growth * density, 1.0 / (spot * t.stdev)),
        vega,
        t.sign * (_product(dividend_yield, held) - _product(rate, paid)) - decay,
        t.sign * _product(years, paid),
        -_product(growth * density, per_vol),
        _product(vega, t.d1 * per_vol),
        _product(dividend_yield, delta) - turn,
    )
    return np.where(np.isnan(t.d1), np.nan, np.stack(np.broadcast_arrays(*results)))


def _turn(t: Terms, years: Floats, carry: Floats, vol: Floats) -> Floats:
    """The slope of ``d1`` in ``years``; without time or vol, infinite with the sign it had."""
    slope = carry / t.stdev - t.d2 / (2.0 * years)
    before = _product(carry + 0.5 * vol * vol, np.full_like(slope, np.inf))
    return np.where(t.stdev == 0, before, slope)


def _product(left: Floats, right: Floats) -> Floats:
    """The product, where nothing times infinity is nothing, as in the limits above."""
    return np.where((left == 0) | (right == 0), 0.0, left * right)


def log_ratio(numerator: Floats, denominator: Floats) -> Floats:
    """log(numerator / denominator), to full relative accuracy when the two are close."""
    excess = (numerator - denominator) / denominator
    return np.where(np.abs(excess) < 0.5, np.log1p(excess), np.log(numerator / denominator))


def are_valid(
    sign: Floats, spot: Floats, strike: Floats, years: Floats, vol: Floats
) -> NDArray[np.bool_]:
    """Where the input has a meaning: a right, and nothing negative."""
    meant = (spot >= 0) & (strike >= 0) & (years >= 0) & (vol >= 0)
    valid: NDArray[np.bool_] = meant & (np.abs(sign) == 1)
    return valid
