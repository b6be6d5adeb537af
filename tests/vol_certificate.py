"""A proof that an implied vol is the one, from the sign of the price's error on both sides.

The price rises with vol. So if it is too low at ``vol - tolerance`` and too high at
``vol + tolerance``, in many digits and from the same float64 numbers, the exact vol lies
between. The arithmetic is mpmath's, or that of another library which offers the same functions.
"""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import mpmath

from dollarbill_core.pricing.implied_vol import UNDETERMINED, Reason

RELATIVE = 1e-12  # of the vol; or what so many ulp of the price move it
ULPS = 4
EDGE = 1e-9  # of the threshold of UNDETERMINED, on which side of it is not asked


class Arithmetic(NamedTuple):
    """Numbers of many digits, so many as ``digits`` is told for a while."""

    digits: Callable[[int], AbstractContextManager[Any]]
    number: Callable[[float], Any]
    exp: Callable[[Any], Any]
    log: Callable[[Any], Any]
    sqrt: Callable[[Any], Any]
    normal_cdf: Callable[[Any], Any]


MPMATH = Arithmetic(
    mpmath.workdps, mpmath.mpf, mpmath.exp, mpmath.log, mpmath.sqrt, mpmath.ncdf
)


class Option:
    """One quote in many digits."""

    def __init__(self, arithmetic: Arithmetic, row: tuple[float, ...]) -> None:
        self.of = arithmetic
        quote, spot, strike, years, rate, dividend_yield = map(arithmetic.number, row[1:])
        self.right, self.ulp = int(row[0]), arithmetic.number(math.ulp(row[1]))
        self.quote, self.root = quote, arithmetic.sqrt(years)
        self.held = spot * arithmetic.exp(-dividend_yield * years)
        self.owed = strike * arithmetic.exp(-rate * years)
        self.x = arithmetic.log(self.held / self.owed)

    def excess(self, vol: Any) -> Any:
        """Its price at the vol less the quote."""
        stdev = vol * self.root
        d1 = self.x / stdev + stdev / 2
        inside = self.of.normal_cdf(self.right * d1)
        paid = self.owed * self.of.normal_cdf(self.right * (d1 - stdev))
        return self.right * (self.held * inside - paid) - self.quote

    def vega(self, vol: Any) -> Any:
        stdev = vol * self.root
        d1 = self.x / stdev + stdev / 2
        return self.held * self.of.exp(-d1 * d1 / 2) * self.root / self.of.number(ROOT_TWO_PI)

    @property
    def intrinsic(self) -> Any:
        worth = self.right * (self.held - self.owed)
        return worth if worth > 0 else self.of.number(0.0)

    @property
    def bound(self) -> Any:
        return self.held if self.right == 1 else self.owed


ROOT_TWO_PI = math.sqrt(2 * math.pi)


def share_of_tolerance(
    row: tuple[float, ...], vol: float, reason: int, arithmetic: Arithmetic = MPMATH
) -> float:
    """What share of the tolerance the vol's error takes; 0 for a justified NaN; else inf."""
    with arithmetic.digits(_digits(row)):
        return _judged(Option(arithmetic, row), vol, reason)


def _digits(row: tuple[float, ...]) -> int:
    """Forty behind the first digit of the quote, where a difference of the legs may begin."""
    _, quote, spot, strike, years, rate, dividend_yield = row
    drift, growth = (rate - dividend_yield) * years, (abs(rate) + abs(dividend_yield)) * years
    nearness = abs(math.log(spot) - math.log(strike) + drift)
    of_quote = math.log10(max(spot, strike)) - math.log10(quote) if quote > 0 else 0.0
    of_legs = -math.log10(nearness) if nearness > 1e-14 else math.inf
    return 40 + int(max(min(of_quote, of_legs), 0.0) + growth / math.log(10))


def _judged(option: Option, vol: float, reason: int) -> float:
    if reason == Reason.FOUND:
        return _share(option, vol)
    justified = {
        Reason.BELOW_INTRINSIC: lambda: option.quote <= option.intrinsic,
        Reason.ABOVE_BOUND: lambda: option.quote >= option.bound,
        Reason.UNDETERMINED: lambda: _is_undetermined(option),
    }
    return 0.0 if math.isnan(vol) and reason in justified and justified[reason]() else math.inf


def _share(option: Option, vol: float) -> float:
    if vol == 0:  # the float64 next to an exact vol of less than half the smallest
        return 0.0 if option.excess(option.of.number(math.ulp(0))) > 0 else math.inf
    middle = option.of.number(vol)
    if not vol > 0 or not option.ulp <= UNDETERMINED * (1 + EDGE) * option.vega(middle):
        return math.inf
    tolerance = ULPS * option.ulp / option.vega(middle)
    for least in (RELATIVE * middle, option.of.number(math.ulp(vol))):
        tolerance = least if least > tolerance else tolerance
    above = option.excess(middle + tolerance)
    below = option.excess(middle - tolerance) if middle > tolerance else -option.quote
    if not below < 0 < above:
        return math.inf
    share = abs(float((above + below) / (above - below)))
    if share < 0.5:
        return share
    # The price bends: between two points so far apart it tells nothing of the middle.
    return abs(float(option.excess(middle) / (option.vega(middle) * tolerance)))


def _is_undetermined(option: Option) -> bool:
    """Vega falls to the threshold at two vols, either side of its peak; outside of them?"""
    if not option.intrinsic < option.quote < option.bound:
        return False
    of = option.of
    lesser = option.held if option.x < 0 else option.owed
    height = option.ulp * ROOT_TWO_PI / (UNDETERMINED * (1 + EDGE) * lesser * option.root)
    if height >= 1:
        return True
    d1 = of.sqrt(-2 * of.log(height))
    wide = of.sqrt(d1 * d1 + 2 * abs(option.x))
    lower, upper = (wide - d1) / option.root, (wide + d1) / option.root
    return bool((lower > 0 and option.excess(lower) > 0) or option.excess(upper) < 0)
