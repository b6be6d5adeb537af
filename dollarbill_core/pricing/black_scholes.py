"""European prices and Greeks of Black, Scholes and Merton, on arrays.

Every function takes arrays that broadcast, in the order ``right, spot, strike, years, rate,
vol, dividend_yield``, and gives float64: an array, or a single number where all went in as
numbers. Limits (no time, no vol, no spot, an infinite spot) are given their limiting value;
input without meaning (a negative vol, a NaN) gives NaN. No array call raises or warns.

With ``A = spot exp(-dividend_yield years)``, ``B = strike exp(-rate years)`` and
``s = vol sqrt(years)``, the two arguments of the normal distribution are
``d1 = log(A / B) / s + s / 2`` and ``d2 = d1 - s``.

Source: Black and Scholes (1973), Merton (1973); Haug, The Complete Guide to Option Pricing
Formulas (1998), chapter 1.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

Floats = NDArray[np.float64]

DAYS_PER_YEAR = 365.0
POINTS_PER_UNIT_OF_VOL = 100.0
_ROOT_TWO_PI = 2.5066282746310002


@dataclass(frozen=True, slots=True)
class Greeks:
    """Price of one share's option and its derivatives, each shaped as the broadcast input.

    ``delta`` and ``gamma`` per dollar of spot, ``vega`` per 1.0 of vol, ``theta`` per year of
    calendar time that passes, ``rho`` per 1.0 of rate.
    """

    price: Floats
    delta: Floats
    gamma: Floats
    vega: Floats
    theta: Floats
    rho: Floats

    @property
    def theta_per_day(self) -> Floats:
        """Dollars per share gained as one calendar day passes: theta / 365."""
        return self.theta / DAYS_PER_YEAR

    @property
    def vega_per_point(self) -> Floats:
        """Dollars per share for one point (0.01) more of vol: vega / 100."""
        return self.vega / POINTS_PER_UNIT_OF_VOL


def price(
    right: ArrayLike,
    spot: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    rate: ArrayLike,
    vol: ArrayLike,
    dividend_yield: ArrayLike = 0.0,
) -> Floats:
    """European option price, dollars per share: ``right (A N(right d1) - B N(right d2))``.

    Parameters
    ----------
    right
        ``Right.CALL`` (1) or ``Right.PUT`` (-1); anything else gives NaN.
    spot, strike
        Dollars per share, not negative.
    years
        Time to expiry, ACT/365, not negative.
    rate, dividend_yield
        Continuously compounded fractions per year, of either sign.
    vol
        Annual volatility as a fraction (0.20 for 20 %), not negative.

    Returns
    -------
    Floats
        The broadcast shape of the input.

    Notes
    -----
    The out-of-the-money option of the pair is priced, and ``A - B`` added for the other, so
    that put-call parity holds to rounding and a small time value is not lost.

    References
    ----------
    Haug (1998), section 1.1.1 and 1.1.2.

    Examples
    --------
    Haug's call: ``d1 = (log(60 / 65) + 0.25 (0.08 + 0.09 / 2)) / 0.15 = -0.3253``, ``d2 =
    -0.4753``, and ``60 x 0.3725 - 65 x 0.9802 x 0.3173 = 2.13``.

    >>> round(float(price(1, 60, 65, 0.25, 0.08, 0.30)), 4)
    2.1334
    """
    with np.errstate(all="ignore"):
        return _price(_terms(right, spot, strike, years, rate, vol, dividend_yield))[()]


def price_from_forward(
    right: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    discount: ArrayLike,
    vol: ArrayLike,
) -> Floats:
    """European option price from a forward and a discount factor, dollars per share.

    Black (1976): ``price`` with ``A = discount forward`` and ``B = discount strike``. For index
    options, whose forward is read from put-call parity and not from a dividend yield.

    >>> round(float(price_from_forward(-1, 19, 19, 0.75, 0.9277434863, 0.28)), 4)
    1.7011
    """
    with np.errstate(all="ignore"):
        sign, forward, strike, years, discount, vol = _floats(
            right, forward, strike, years, discount, vol
        )
        ratio = log_ratio(forward, strike)
        valid = _are_valid(sign, forward, strike, years, vol) & (discount >= 0)
        terms = _assembled(sign, discount * forward, discount * strike, ratio, years, vol)
        return np.where(valid, _price(terms), np.nan)[()]


def greeks(
    right: ArrayLike,
    spot: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    rate: ArrayLike,
    vol: ArrayLike,
    dividend_yield: ArrayLike = 0.0,
) -> Greeks:
    """Price, delta, gamma, vega, theta and rho of one share's European option.

    Parameters as for `price`. With ``n`` the normal density::

        delta = right exp(-dividend_yield years) N(right d1)
        gamma = A n(d1) / (spot^2 s)
        vega  = A n(d1) sqrt(years)                                          per 1.0 of vol
        theta = -A n(d1) vol / (2 sqrt(years))
                + right (dividend_yield A N(right d1) - rate B N(right d2))   per year
        rho   = right years B N(right d2)                                    per 1.0 of rate

    At the money with no time or no vol left, delta is a half and gamma infinite.

    References
    ----------
    Haug (1998), section 1.3.

    Examples
    --------
    Haug's call: ``d1 = (log(55 / 60) + 0.75 (0.10 + 0.09 / 2)) / 0.2598 = 0.0837``, density
    0.3975, so gamma is ``0.3975 / (55 x 0.2598)`` and vega ``55 x 0.3975 x 0.8660``.

    >>> sensitivities = greeks(1, 55, 60, 0.75, 0.10, 0.30)
    >>> round(float(sensitivities.gamma), 4), round(float(sensitivities.vega), 4)
    (0.0278, 18.9358)
    >>> round(float(sensitivities.vega_per_point), 4)
    0.1894
    """
    with np.errstate(all="ignore"):
        t = _terms(right, spot, strike, years, rate, vol, dividend_yield)
        spot, years, rate, vol, dividend_yield = _floats(spot, years, rate, vol, dividend_yield)
        held = ndtr(t.sign * t.d1)
        received = _product(t.spot_paid, held)
        paid = _product(t.strike_paid, ndtr(t.sign * t.d2))
        density = np.exp(-0.5 * t.d1 * t.d1) / _ROOT_TWO_PI
        carry = _product(dividend_yield, received) - _product(rate, paid)
        growth = np.exp(-dividend_yield * years)
        decay = _product(_product(t.spot_paid, density), vol / (2.0 * np.sqrt(years)))
        results = (
            _price(t),
            t.sign * growth * held,
            _product(growth * density, 1.0 / (spot * t.stdev)),
            _product(t.spot_paid, density) * np.sqrt(years),
            t.sign * carry - decay,
            t.sign * _product(years, paid),
        )
        return Greeks(*(np.where(np.isnan(t.d1), np.nan, result)[()] for result in results))


def strike_for_delta(
    right: ArrayLike,
    delta: ArrayLike,
    spot: ArrayLike,
    years: ArrayLike,
    rate: ArrayLike,
    vol: ArrayLike,
    dividend_yield: ArrayLike = 0.0,
) -> Floats:
    """Strike at which an option has the given delta, dollars per share, under one flat vol.

    ``delta`` is a magnitude strictly between 0 and 1, for puts as well: 0.16 is the 16-delta
    put, whose delta is -0.16. Inverts ``delta = exp(-dividend_yield years) N(right d1)``. NaN
    where no strike has that delta: outside (0, 1), or at or above exp(-dividend_yield years).
    The strike is not snapped to any listing.

    Examples
    --------
    16 delta on spot 100, a quarter of a year, vol 20 %, no carry: ``N(-0.9945) = 0.16`` and
    ``s = 0.1``, so the call's strike is ``100 exp(0.09945 + 0.005)``.

    >>> round(float(strike_for_delta(1, 0.16, 100, 0.25, 0.0, 0.20)), 2)
    111.01
    >>> round(float(strike_for_delta(-1, 0.16, 100, 0.25, 0.0, 0.20)), 2)
    90.99
    """
    with np.errstate(all="ignore"):
        sign, delta, spot, years, rate, vol, dividend_yield = _floats(
            right, delta, spot, years, rate, vol, dividend_yield
        )
        probability = delta * np.exp(dividend_yield * years)
        stdev = vol * np.sqrt(years)
        drift = (rate - dividend_yield) * years + 0.5 * stdev * stdev
        strike = spot * np.exp(drift - sign * ndtri(probability) * stdev)
        reachable = (delta > 0) & (delta < 1) & (probability < 1)
        valid = reachable & _are_valid(sign, spot, spot, years, vol)
        return np.where(valid, strike, np.nan)[()]


def probability_above(
    level: ArrayLike,
    spot: ArrayLike,
    years: ArrayLike,
    rate: ArrayLike,
    vol: ArrayLike,
    dividend_yield: ArrayLike = 0.0,
) -> Floats:
    """Risk-neutral probability that the spot ends above ``level``: ``N(d2)`` at that strike.

    >>> round(float(probability_above(95, 100, 0.25, 0.0, 0.20)), 4)  # d2 = 0.4629
    0.6783
    """
    with np.errstate(all="ignore"):
        probability: Floats = ndtr(
            _terms(1.0, spot, level, years, rate, vol, dividend_yield).d2
        )
        return probability


class _Terms(NamedTuple):
    """What every formula needs; ``d1`` and ``d2`` are NaN where the input has no meaning."""

    sign: Floats
    spot_paid: Floats  # A
    strike_paid: Floats  # B
    stdev: Floats  # s
    d1: Floats
    d2: Floats


def _terms(
    right: ArrayLike,
    spot: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    rate: ArrayLike,
    vol: ArrayLike,
    dividend_yield: ArrayLike,
) -> _Terms:
    sign, spot, strike, years, rate, vol, dividend_yield = _floats(
        right, spot, strike, years, rate, vol, dividend_yield
    )
    spot_paid = spot * np.exp(-dividend_yield * years)
    strike_paid = strike * np.exp(-rate * years)
    ratio = log_ratio(spot, strike) + (rate - dividend_yield) * years
    ratio = np.where(_are_valid(sign, spot, strike, years, vol), ratio, np.nan)
    return _assembled(sign, spot_paid, strike_paid, ratio, years, vol)


def _assembled(
    sign: Floats,
    spot_paid: Floats,
    strike_paid: Floats,
    ratio: Floats,
    years: Floats,
    vol: Floats,
) -> _Terms:
    """The terms, given log(A / B)."""
    stdev = vol * np.sqrt(years)
    # 0 / 0, exactly at the money with nothing left to move, is the middle of the two limits.
    middle = np.where((ratio == 0) & (stdev == 0), 0.0, ratio / stdev)
    d1, d2 = middle + 0.5 * stdev, middle - 0.5 * stdev
    return _Terms(sign, spot_paid, strike_paid, stdev, d1, d2)


def _price(t: _Terms) -> Floats:
    intrinsic = np.maximum(t.sign * (t.spot_paid - t.strike_paid), 0.0)
    side = np.where(t.spot_paid > t.strike_paid, -1.0, 1.0)
    received = _product(t.spot_paid, ndtr(side * t.d1))
    time_value = side * (received - _product(t.strike_paid, ndtr(side * t.d2)))
    return np.where(np.isnan(t.d1), np.nan, intrinsic + np.maximum(time_value, 0.0))


def _product(left: Floats, right: Floats) -> Floats:
    """The product, where nothing times infinity is nothing, as in the limits above."""
    return np.where((left == 0) | (right == 0), 0.0, left * right)


def log_ratio(numerator: Floats, denominator: Floats) -> Floats:
    """log(numerator / denominator), to full relative accuracy when the two are close."""
    excess = (numerator - denominator) / denominator
    return np.where(np.abs(excess) < 0.5, np.log1p(excess), np.log(numerator / denominator))


def _are_valid(
    sign: Floats, spot: Floats, strike: Floats, years: Floats, vol: Floats
) -> NDArray[np.bool_]:
    meant = (spot >= 0) & (strike >= 0) & (years >= 0) & (vol >= 0)
    valid: NDArray[np.bool_] = meant & (np.abs(sign) == 1)
    return valid


def _floats(*values: ArrayLike) -> tuple[Floats, ...]:
    return tuple(np.asarray(value, dtype=np.float64) for value in values)
