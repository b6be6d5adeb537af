"""Published yields as continuously compounded rates: a par curve of bonds, overnight money."""

import math

import numpy as np
from numpy.typing import ArrayLike

from dollarbill_core.market.chains import Floats

_HALF = 0.5  # years: coupons are paid twice a year
_MONEY_YEAR = 360.0  # days, of overnight money
_YEAR = 365.0


def zero_rates(years: ArrayLike, par_yields: ArrayLike) -> Floats:
    """Continuously compounded rates per year that a par curve of the Treasury means, ACT/365.

    Up to half a year a par yield is a bill's: simple interest, one payment at the end, so
    ``discount = 1 / (1 + yield years)``. From there on it is the coupon, paid by halves every
    half year, of a bond worth 100: the discounts follow one from the other ::

        1 = yield / 2 (D(0.5) + D(1) + ... + D(T)) + D(T)

    with the yields between published terms on a straight line. The rate is
    ``-ln(discount) / years``.

    Parameters
    ----------
    years
        Terms above 0 that grow, at most 30; shape (n,).
    par_yields
        Bond-equivalent, as fractions a year; shape (n,), NaN where none is published.

    Returns
    -------
    Shape (n,), NaN where no yield is given.

    Raises
    ------
    ValueError
        For terms that do not grow from above 0 up to 30 years.

    Source: US Treasury, "Interest Rates - Frequently Asked Questions": par yields are on a
    bond-equivalent basis, with semi-annual interest.

    Examples
    --------
    Of 5 % a quarter of a year ahead: ln(1 + 0.05 / 4) / 0.25. Of 5 % on both halves of a
    year: 2 ln(1.025).

    >>> zero_rates([0.25, 0.5, 1.0], [0.05, 0.05, 0.05]).round(6).tolist()
    [0.04969, 0.049385, 0.049385]
    """
    years, par_yields = np.asarray(years, float), np.asarray(par_yields, float)
    if not (np.diff(years, prepend=0.0) > 0).all() or years[-1] > 30.5:
        raise ValueError(f"terms must grow from above 0 to 30 years, got {years.tolist()}")
    known = np.isfinite(par_yields)
    rates = np.full(len(years), math.nan)
    bills = known & (years <= _HALF)
    rates[bills] = np.log1p(par_yields[bills] * years[bills]) / years[bills]
    bonds = known & ~bills
    if bonds.any():
        halves = np.arange(1, math.ceil(years[known][-1] / _HALF) + 1) * _HALF
        coupons = np.interp(halves, years[known], par_yields[known]) * _HALF
        logs = np.log(_discounts(coupons))
        rates[bonds] = -np.interp(years[bonds], halves, logs) / years[bonds]
    return rates


def _discounts(coupons: Floats) -> Floats:
    """Of each half year, from the coupon that makes a bond until then worth its face."""
    discounts, paid = [], 0.0
    for coupon in coupons.tolist():
        discounts.append((1 - coupon * paid) / (1 + coupon))
        paid += discounts[-1]
    return np.array(discounts)


def overnight_rate(percent: float) -> float:
    """A day's money as a continuously compounded rate per year of 365 days.

    ``percent`` is simple interest on a year of 360 days, as SOFR is published.

    >>> round(overnight_rate(5.33), 6)  # 365 ln(1 + 0.0533 / 360)
    0.054036
    """
    return _YEAR * math.log1p(percent / 100 / _MONEY_YEAR)
