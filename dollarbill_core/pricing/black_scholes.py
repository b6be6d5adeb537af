"""European prices and Greeks of Black, Scholes and Merton, on arrays.

Every function takes arrays that broadcast, in the order ``right, spot, strike, years, rate,
vol, dividend_yield``, and gives float64: an array, or a single number where all went in as
numbers. Limits (no time, no vol, no spot, an infinite spot) are given their limiting value;
input without meaning (a negative vol, a NaN) gives NaN. No array call raises or warns.

With ``A = spot exp(-dividend_yield years)``, ``B = strike exp(-rate years)`` and
``s = vol sqrt(years)``, the two arguments of the normal distribution are
``d1 = log(A / B) / s + s / 2`` and ``d2 = d1 - s``.

Accuracy, measured against mpmath, on natural scales (price max(spot, strike), delta 1, gamma
1 / (spot s), vega spot sqrt(years), theta spot vol / sqrt(years) + |rate| strike + |dividend
yield| spot, rho strike years; vanna (1 + s) / vol, volga spot sqrt(years) (1 + s) / vol, charm
|dividend yield| + |rate - dividend yield| / s + (1 + s) / years): prices within 2e-15, Greeks
within 2e-15 + 1e-18 / s, for ``s`` from 1e-15 to 900, strikes of 1e-8 to 1e8 times the forward
and |rate years| up to a half; growth beyond multiplies the error. So at ``s`` of 1e-5 it is
1e-13 at worst. Outside 1e-100 to 1e100 for prices, 1e-30 to 1e6 for years and 1e-16 to 1e3 for
``s`` the plain twin in `european` answers, as at the limits. `price` and the price of `greeks`
may differ in the last digits.

Source: Black and Scholes (1973), Merton (1973); Haug, The Complete Guide to Option Pricing
Formulas (1998), chapter 1.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import ArrayLike

from dollarbill_core.pricing.european import (
    are_valid,
    greeks_kernel,
    normal,
    plain_greeks,
    plain_price,
    price_kernel,
    terms,
    terms_at,
)
from dollarbill_core.pricing.european import log_ratio as log_ratio
from dollarbill_core.pricing.machine_code import Floats as Floats

DAYS_PER_YEAR = 365.0
POINTS_PER_UNIT_OF_VOL = 100.0
_CHUNK = 1 << 16  # options at a time: what a core's own cache holds


@dataclass(frozen=True, slots=True)
class FirstGreeks:
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


@dataclass(frozen=True, slots=True)
class Greeks(FirstGreeks):
    """The same and three of the second order, for attribution.

    ``vanna`` is the change of delta per 1.0 of vol, ``volga`` that of vega per 1.0 of vol,
    ``charm`` that of delta per year of calendar time that passes.
    """

    vanna: Floats
    volga: Floats
    charm: Floats


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
    market = right, spot, strike, years, rate, vol, dividend_yield
    return _evaluated(price_kernel, lambda *odd: plain_price(terms(*odd)), 1, market)[0]


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
    market = right, forward, strike, years, discount, vol
    return _evaluated(_forward_price_kernel, _plain_forward_price, 1, market)[0]


def greeks(
    right: ArrayLike,
    spot: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    rate: ArrayLike,
    vol: ArrayLike,
    dividend_yield: ArrayLike = 0.0,
) -> Greeks:
    """Price, five Greeks and three of the second order of one share's European option.

    Parameters as for `price`. With ``n`` the normal density::

        delta = right exp(-dividend_yield years) N(right d1)
        gamma = A n(d1) / (spot^2 s)
        vega  = A n(d1) sqrt(years)                                          per 1.0 of vol
        theta = -A n(d1) vol / (2 sqrt(years))
                + right (dividend_yield A N(right d1) - rate B N(right d2))   per year
        rho   = right years B N(right d2)                                    per 1.0 of rate
        vanna = -exp(-dividend_yield years) n(d1) d2 / vol             delta, per 1.0 of vol
        volga = vega d1 d2 / vol                                        vega, per 1.0 of vol
        charm = dividend_yield delta - exp(-dividend_yield years) n(d1)
                ((rate - dividend_yield) / s - d2 / (2 years))               delta, per year

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
    market = right, spot, strike, years, rate, vol, dividend_yield
    return Greeks(*_evaluated(greeks_kernel, plain_greeks, 9, market))


def greeks_from_forward(
    right: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    discount: ArrayLike,
    vol: ArrayLike,
) -> Greeks:
    """`price_from_forward` and its derivatives, ``delta`` and ``gamma`` to the **forward**.

    For index options, hedged with the future. ``theta`` and ``charm`` hold the forward and the
    rate ``-log(discount) / years``, as does ``rho``, which is ``-years price``. Multiply delta
    by ``forward / spot`` for the delta to the spot. With no time left, the discount is 1, and
    anything else gives NaN.

    Examples
    --------
    At the money, ``s = 0.2424871`` and delta is ``0.9277435 x N(0.1212436)``.

    >>> round(float(greeks_from_forward(1, 19, 19, 0.75, 0.9277434863, 0.28).delta), 4)
    0.5086
    """
    market = right, forward, strike, years, discount, vol
    return Greeks(*_evaluated(_forward_greeks_kernel, _plain_forward_greeks, 9, market))


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
    from scipy.special import ndtri  # late: pricing itself does without scipy

    with np.errstate(all="ignore"):
        sign, delta, spot, years, rate, vol, dividend_yield = _floats(
            right, delta, spot, years, rate, vol, dividend_yield
        )
        probability = delta * np.exp(dividend_yield * years)
        stdev = vol * np.sqrt(years)
        drift = (rate - dividend_yield) * years + 0.5 * stdev * stdev
        strike = spot * np.exp(drift - sign * ndtri(probability) * stdev)
        reachable = (delta > 0) & (delta < 1) & (probability < 1)
        valid = reachable & are_valid(sign, spot, spot, years, vol)
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
        market = _floats(1.0, spot, level, years, rate, vol, dividend_yield)
        return normal(terms(*market).d2)[()]


def _evaluated(
    kernel: Callable[..., None],
    twin: Callable[..., Floats],
    count: int,
    market: tuple[ArrayLike, ...],
) -> list[Floats]:
    """``count`` results of the broadcast shape: the kernel's, and the twin's where that is NaN.

    In chunks, so that a number that goes with an array is spread over one chunk only, and
    results are looked at while they are near.
    """
    given = _floats(*market)
    shape = np.broadcast_shapes(*(each.shape for each in given))
    size = prod(shape)
    columns = [_column(each, shape, min(size, _CHUNK)) for each in given]
    results = np.empty((count, size))
    for start in range(0, size, _CHUNK):
        rows = results[:, start : start + _CHUNK]
        length = rows.shape[1]
        part = [
            column[start : start + _CHUNK] if column.size == size else column[:length]
            for column in columns
        ]
        with np.errstate(all="ignore"):
            kernel(*part, *rows)
            odd = np.isnan(rows[0])
            if odd.any():
                rows[:, odd] = twin(*(column[odd] for column in part))
    return list(results.reshape(count, *shape))


def _column(values: Floats, shape: tuple[int, ...], length: int) -> Floats:
    """Flat and of full size, not copied if it is so already; a number: ``length`` times."""
    if values.size == 1:
        return np.full(length, values.item())
    full = values if values.shape == shape else np.broadcast_to(values, shape)
    return np.ascontiguousarray(full).reshape(-1)


def _forward_price_kernel(*arrays: Floats) -> None:
    right, forward, strike, years, discount, vol, out = arrays
    rate = _rate(years, discount)
    price_kernel(right, forward, strike, years, rate, vol, rate, out)


def _plain_forward_price(
    right: Floats, forward: Floats, strike: Floats, years: Floats, discount: Floats, vol: Floats
) -> Floats:
    x = log_ratio(forward, strike)
    valid = are_valid(right, forward, strike, years, vol) & (discount >= 0)
    paid = discount * forward, discount * strike
    return np.where(valid, plain_price(terms_at(right, *paid, x, years, vol)), np.nan)


def _forward_greeks_kernel(*arrays: Floats) -> None:
    right, forward, strike, years, discount, vol, *out = arrays
    rate = _rate(years, discount)
    greeks_kernel(right, forward, strike, years, rate, vol, rate, *out)
    np.multiply(-years, out[0], out=out[5])


def _plain_forward_greeks(
    right: Floats, forward: Floats, strike: Floats, years: Floats, discount: Floats, vol: Floats
) -> Floats:
    rate = _rate(years, discount)
    results = plain_greeks(right, forward, strike, years, rate, vol, rate)
    results[5] = -years * results[0]
    return results


def _rate(years: Floats, discount: Floats) -> Floats:
    """The rate at which a forward needs no carry and the strike is discounted as given."""
    return np.where((years == 0) & (discount == 1), 0.0, -np.log(discount) / years)


def _floats(*values: ArrayLike) -> tuple[Floats, ...]:
    return tuple(np.asarray(value, dtype=np.float64) for value in values)
