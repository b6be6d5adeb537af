"""The volatility that explains a price.

The price is reduced to its time value ``v``, what the option of the pair that is out of the
money is worth, and that to ``b = v / sqrt(A B)`` (``A`` and ``B`` as in `black_scholes`), which
depends on two numbers only: ``x = -|log(A / B)|`` and ``s = vol sqrt(years)``::

    b(x, s) = exp(x / 2) N(x / s + s / 2) - exp(-x / 2) N(x / s - s / 2)

The logarithm of ``b`` is solved for ``s`` by Halley's method inside a bracket.

Source: the reduced form is Jaeckel's, By Implication (2006), equations 2.1 to 2.4.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import erfcx, erfinv, ndtri

from dollarbill_core.pricing.black_scholes import Floats, log_ratio

UNDETERMINED = 1e-6  # a vol that one rounding of the price moves further than this is no answer

_ROOT_TWO = np.sqrt(2.0)
_ROOT_TWO_PI = np.sqrt(2.0 * np.pi)
_SMALL_STEP = 1e-8  # the error is cubed from step to step: after this one, nothing is left
_MOST_STEPS = 100


def implied_vol(
    right: ArrayLike,
    price: ArrayLike,
    spot: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    rate: ArrayLike,
    dividend_yield: ArrayLike = 0.0,
) -> Floats:
    """Annual volatility, a fraction, at which `black_scholes.price` gives ``price``.

    Parameters
    ----------
    right
        ``Right.CALL`` (1) or ``Right.PUT`` (-1).
    price
        Dollars per share.
    spot, strike, years, rate, dividend_yield
        As for `black_scholes.price`; all arrays broadcast.

    Returns
    -------
    Floats
        The broadcast shape of the input. NaN where no vol explains the price: at or below
        the discounted intrinsic value, at or above ``A`` (call) or ``B`` (put), or where the
        input has no meaning. NaN as well where the price does not determine the vol, deep in
        the money: where one rounding of the dollars that enter (of ``A`` or ``B`` in the
        money, of the price out of it) moves the vol by more than ``UNDETERMINED``.

    Examples
    --------
    At the money with no carry, price = spot (2 N(s / 2) - 1): a price of 3.9878 on 100 with a
    quarter of a year to go is ``N(s / 2) = 0.519939``, ``s = 0.1`` and vol ``0.1 / 0.5``.

    >>> round(float(implied_vol(1, 3.9878, 100, 100, 0.25, 0.0)), 4)
    0.2
    >>> float(implied_vol(1, 9.99, 110, 100, 0.25, 0.0))  # below intrinsic value
    nan
    """
    arrays = (right, price, spot, strike, years, rate, dividend_yield)
    with np.errstate(all="ignore"):
        shape = np.broadcast_shapes(*(np.shape(array) for array in arrays))
        flat = (np.broadcast_to(np.asarray(a, float), shape).ravel() for a in arrays)
        return _implied_vol(*flat).reshape(shape)[()]


def _implied_vol(
    right: Floats,
    price: Floats,
    spot: Floats,
    strike: Floats,
    years: Floats,
    rate: Floats,
    dividend_yield: Floats,
) -> Floats:
    """The solution for one-dimensional arrays of equal length."""
    spot_paid = spot * np.exp(-dividend_yield * years)
    strike_paid = strike * np.exp(-rate * years)
    intrinsic = np.maximum(right * (spot_paid - strike_paid), 0.0)
    x = -np.abs(log_ratio(spot, strike) + (rate - dividend_yield) * years)
    scale = np.sqrt(spot_paid) * np.sqrt(strike_paid)
    target = (price - intrinsic) / scale
    solvable = (target > 0) & (target < np.exp(0.5 * x)) & (years > 0) & (np.abs(right) == 1)
    stdev = np.full(price.shape, np.nan)
    stdev[solvable] = _total_stdev(x[solvable], target[solvable])
    density = np.exp(-0.5 * (x / stdev) ** 2 - 0.125 * stdev * stdev) / _ROOT_TWO_PI
    vega = scale * density * np.sqrt(years)
    rounded = np.where(intrinsic > 0, np.maximum(spot_paid, strike_paid), price)
    determined = np.spacing(rounded) <= UNDETERMINED * vega
    return np.where(determined, stdev / np.sqrt(years), np.nan)


def _total_stdev(x: Floats, target: Floats) -> Floats:
    """The ``s`` that solves ``b(x, s) = target``, for ``x <= 0 < target < exp(x / 2)``."""
    s = _lower_bound(x, target)
    low, high = np.zeros_like(s), np.full_like(s, np.inf)
    log_target = np.log(target)
    active = np.arange(s.size)
    for _ in range(_MOST_STEPS):
        if not active.size:
            break
        here = s[active]
        excess, step = _halley_step(x[active], here, log_target[active])
        low[active] = np.where(excess < 0, here, low[active])
        high[active] = np.where(excess > 0, here, high[active])
        s[active] = _inside(low[active], here + step, high[active])
        active = active[np.abs(s[active] - here) > _SMALL_STEP * here]
    return s


def _lower_bound(x: Floats, target: Floats) -> Floats:
    """A starting point at or below the root, and near it at both ends.

    At the money ``b = erf(s / sqrt(8))``, and away from it ``b`` is less; and it is less than
    its own first term, ``exp(x / 2) N(d1)``. Each gives a bound.
    """
    at_the_money = np.sqrt(8.0) * erfinv(target)
    d1 = ndtri(target * np.exp(-0.5 * x))
    root = np.sqrt(d1 * d1 - 2.0 * x)
    first_term = np.where(d1 < 0, -2.0 * x / (root - d1), root + d1)
    bound: Floats = np.fmax(at_the_money, first_term)
    return bound


def _halley_step(x: Floats, s: Floats, log_target: Floats) -> tuple[Floats, Floats]:
    """log(b / target) and the step in ``s`` that Halley's method takes to remove it."""
    d1, d2 = x / s + 0.5 * s, x / s - 0.5 * s
    scaled = 0.5 * (erfcx(-d1 / _ROOT_TWO) - erfcx(-d2 / _ROOT_TWO))
    excess = np.log(scaled) - 0.25 * (d1 * d1 + d2 * d2) - log_target
    slope = 1.0 / (_ROOT_TWO_PI * scaled)
    curvature = x * x / s**3 - 0.25 * s - slope  # of log b, over its slope
    newton = -excess / slope
    step = newton / np.maximum(1.0 + 0.5 * newton * curvature, 0.5)
    # A difference lost to rounding happens only where the starting point is the answer.
    return excess, np.where(scaled > 0, step, 0.0)


def _inside(low: Floats, proposed: Floats, high: Floats) -> Floats:
    """The proposed point, or one that halves the bracket (doubles it while it has no top)."""
    fallback = np.where(np.isinf(high), 2.0 * low, 0.5 * (low + high))
    return np.where((proposed >= low) & (proposed <= high), proposed, fallback)
