"""What any set of legs is worth now, later and at expiry, and where it breaks even.

A package is a sequence of signed legs on one underlying, stock among them, with its ``credit``:
dollars received for all of it, negative if paid. Results are dollars for the whole package,
multiplier included. At one settlement instant the profit is a chain of straight lines with
corners at the strikes; what is read off that chain in Decimal is exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dollarbill_core.pricing import black_scholes
from dollarbill_core.pricing.black_scholes import Floats
from dollarbill_core.values.calendars import expiry_instant, years_between
from dollarbill_core.values.contracts import Leg, Option, Right

_NOTHING = Decimal(0)
_UNLIMITED = Decimal("Infinity")


class _Line(NamedTuple):
    """One leg's payoff at expiry: ``dollars`` for each point in the money."""

    dollars: int
    right: Right
    strike: Decimal


@dataclass(frozen=True, slots=True)
class WorstLoss:
    """The most a package can lose at expiry.

    ``dollars`` is 0 where it cannot lose, infinite where the loss has no limit; ``spot`` is
    the price at which the worst happens, or the last strike above which the loss grows on.
    """

    dollars: Decimal
    spot: Decimal

    @property
    def is_unlimited(self) -> bool:
        return self.dollars == _UNLIMITED

    def __str__(self) -> str:
        if self.is_unlimited:
            return f"unlimited above {self.spot.normalize():f}"
        return f"${self.dollars:,.2f} at {self.spot.normalize():f}"


def payoff_at_expiry(legs: Sequence[Leg], spots: ArrayLike) -> Floats:
    """Dollars that the legs are worth at expiry, one for each of ``spots``; no premium in it.

    Raises ValueError for legs on two underlyings, or options with two settlement instants.

    >>> sold = Leg(Option.from_occ("SPY261218P00600000"), -2)
    >>> payoff_at_expiry([sold], [590, 600, 610])
    array([-2000.,     0.,     0.])
    """
    at = np.asarray(spots, dtype=np.float64)
    total = np.zeros_like(at)
    for dollars, right, strike in _lines(legs):
        total += dollars * np.maximum(right * (at - float(strike)), 0.0)
    return total[()]


def profit_at_expiry(legs: Sequence[Leg], credit: Decimal | float, spots: ArrayLike) -> Floats:
    """Dollars of profit at expiry: the payoff plus the credit, shaped as ``spots``.

    >>> sold = Leg(Option.from_occ("SPY261218P00600000"), -1)
    >>> profit_at_expiry([sold], 250, [590, 597.5, 610])
    array([-750.,    0.,  250.])
    """
    return payoff_at_expiry(legs, spots) + float(credit)


def value(
    legs: Sequence[Leg],
    spots: ArrayLike,
    at: datetime,
    vols: float | Sequence[float],
    rate: float,
    dividend_yield: float = 0.0,
) -> Floats:
    """Dollars that the legs are worth at the instant ``at``, by the European formula.

    Expiries may differ, none before ``at``. ``vols`` are annual fractions, one for all legs or
    one for each (a stock's is not looked at); rate and yield are continuously compounded. The
    result is shaped as ``spots``. Early exercise has no value here.

    Raises ValueError for two underlyings, a leg that has expired, a wrong number of vols.

    >>> sold = Leg(Option.from_occ("SPY261218P00600000"), -1)
    >>> value([sold], [590.0, 610.0], expiry_instant(sold.instrument), 0.20, 0.04)
    array([-1000.,     0.])
    """
    _require_one_underlying(legs)
    each = [vols] * len(legs) if isinstance(vols, int | float) else vols
    if len(each) != len(legs):
        raise ValueError(f"one vol, or one for each of {len(legs)} legs, got {len(each)}")
    total = np.zeros(np.shape(spots))
    for leg, vol in zip(legs, each, strict=True):
        option, share = leg.instrument, np.asarray(spots, dtype=np.float64)
        if isinstance(option, Option):
            terms = float(option.strike), _years_left(option, at), rate, vol, dividend_yield
            share = black_scholes.price(option.right, spots, *terms)
        total += _dollars_per_point(leg) * share
    return total[()]


def _years_left(option: Option, at: datetime) -> float:
    years = years_between(at, expiry_instant(option))
    if years < 0:
        raise ValueError(f"{option} has expired at {at:%Y-%m-%d %H:%M %Z}")
    return years


def break_evens(legs: Sequence[Leg], credit: Decimal | float) -> tuple[float, ...]:
    """Prices at expiry, above 0 and ascending, where profit turns to loss or touches nothing.

    Where the profit is nothing over a whole stretch, the ends of the stretch.

    >>> put, call = (Option.from_occ(f"SPY261218{tail}") for tail in ("P00600000", "C00700000"))
    >>> break_evens([Leg(put, -1), Leg(call, -1)], Decimal("850"))
    (591.5, 708.5)
    """
    return tuple(float(spot) for spot in _break_evens(legs, _dollars(credit)))


def worst_loss(legs: Sequence[Leg], credit: Decimal | float) -> WorstLoss:
    """The most the package can lose at its one settlement instant, exactly.

    The least profit lies at spot 0 or at a strike, unless profit falls for ever above the last
    strike, as it does where calls and shares are net short. Raises as `payoff_at_expiry`.

    >>> short, long = (Option.from_occ(f"SPY261218P00{k}000") for k in (600, 595))
    >>> print(worst_loss([Leg(short, -1), Leg(long, 1)], Decimal("120")))
    $380.00 at 595
    >>> print(worst_loss([Leg(Option.from_occ("SPY261218C00700000"), -1)], Decimal("120")))
    unlimited above 700
    """
    lines = _lines(legs)
    last = _corners(lines)[-1]
    if _slope_above(lines, last) < 0:
        return WorstLoss(_UNLIMITED, last)
    payoff, spot = min((_payoff(lines, spot), -spot) for spot in _corners(lines))
    return WorstLoss(max(-payoff - _dollars(credit), _NOTHING), abs(spot))


def probability_of_profit(
    legs: Sequence[Leg],
    credit: Decimal | float,
    spot: ArrayLike,
    years: ArrayLike,
    rate: ArrayLike,
    vol: ArrayLike,
    dividend_yield: ArrayLike = 0.0,
) -> Floats:
    """Risk-neutral probability, 0 to 1, that the package ends with more than nothing gained.

    The spot at expiry is lognormal with one flat ``vol``; the probabilities of the stretches
    on which the profit is positive are summed. ``spot`` and what follows broadcast.

    Examples
    --------
    Short put 95 for 1.00, break-even 94; spot 100, a quarter of a year, vol 20 %, no carry:
    ``d2 = log(100 / 94) / 0.1 - 0.05 = 0.5688`` and ``N(0.5688) = 0.7152``.

    >>> sold = Leg(Option.from_occ("XYZ261218P00095000"), -1)
    >>> round(float(probability_of_profit([sold], 100, 100, 0.25, 0.0, 0.20)), 4)
    0.7152
    """
    dollars = _dollars(credit)
    edges = (_NOTHING, *_break_evens(legs, dollars))
    market = spot, years, rate, vol, dividend_yield
    above = [black_scholes.probability_above(float(edge), *market) for edge in edges]
    above.append(0.0 * above[0])  # nothing lies above infinity
    inside = [(low + high) / 2 for low, high in pairwise(edges)] + [edges[-1] + 1]
    gained = [dollars + _payoff(_lines(legs), middle) > 0 for middle in inside]
    stretches = zip(gained, pairwise(above), strict=True)
    return sum((low - high for is_gain, (low, high) in stretches if is_gain), 0.0 * above[0])


def _break_evens(legs: Sequence[Leg], credit: Decimal) -> list[Decimal]:
    lines = _lines(legs)
    found, below = [], 0
    for low, high in pairwise([*_corners(lines), _UNLIMITED]):
        profit, slope = credit + _payoff(lines, low), _slope_above(lines, low)
        if profit == 0 and low > 0 and (below or slope):
            found.append(low)
        elif profit != 0 and slope and low < low - profit / slope < high:
            found.append(low - profit / slope)
        below = slope
    return found


def _lines(legs: Sequence[Leg]) -> list[_Line]:
    """The legs' payoffs at their one settlement instant."""
    _require_one_underlying(legs)
    options = [leg.instrument for leg in legs if isinstance(leg.instrument, Option)]
    # A root may settle in the morning and its twin in the afternoon of one day: two prices.
    if len({(option.expiry, option.is_am_settled) for option in options}) > 1:
        dates = sorted({f"{option.root} {option.expiry}" for option in options})
        found = f"legs settle at several instants ({', '.join(dates)})"
        raise ValueError(f"{found}: a bound on their loss arrives with the margin rules")
    return [_Line(_dollars_per_point(leg), *_right_and_strike(leg)) for leg in legs]


def _right_and_strike(leg: Leg) -> tuple[Right, Decimal]:
    if isinstance(leg.instrument, Option):
        return leg.instrument.right, leg.instrument.strike
    return Right.CALL, _NOTHING  # a share pays what a call struck at 0 would


def _dollars_per_point(leg: Leg) -> int:
    return leg.quantity * leg.instrument.multiplier


def _corners(lines: list[_Line]) -> list[Decimal]:
    return sorted({_NOTHING} | {line.strike for line in lines})


def _payoff(lines: list[_Line], spot: Decimal) -> Decimal:
    return sum((n * max(right * (spot - k), _NOTHING) for n, right, k in lines), _NOTHING)


def _slope_above(lines: list[_Line], spot: Decimal) -> int:
    """Dollars gained per dollar that the spot rises from ``spot``."""
    alive = (line for line in lines if (line.right is Right.CALL) == (spot >= line.strike))
    return sum(line.dollars * line.right for line in alive)


def _dollars(credit: Decimal | float) -> Decimal:
    dollars = credit if isinstance(credit, Decimal) else Decimal(repr(float(credit)))
    if not dollars.is_finite():
        raise ValueError(f"credit must be a finite number of dollars, got {credit}")
    return dollars


def _require_one_underlying(legs: Sequence[Leg]) -> None:
    underlyings = {leg.instrument.underlying for leg in legs}
    if len(underlyings) > 1:
        raise ValueError(f"legs must share one underlying, got {sorted(underlyings)}")
