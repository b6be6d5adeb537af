"""What any set of legs is worth now, later and at expiry, and where it breaks even.

A package is a sequence of signed legs on one underlying, stock among them, together with its
``credit``: the dollars received for all of it, commissions deducted if you wish, negative if
paid. All results are dollars for the whole package, multiplier included.

At one settlement instant the profit is a chain of straight lines with corners at the strikes.
Break-evens, the worst loss and the probability of profit are read off that chain in Decimal,
so they are exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from dollarbill_core.pricing import black_scholes
from dollarbill_core.pricing.black_scholes import Floats
from dollarbill_core.values.calendars import expiry_instant, years_between
from dollarbill_core.values.contracts import Leg, Option, Right

_NOTHING = Decimal(0)
_UNLIMITED = Decimal("Infinity")


@dataclass(frozen=True, slots=True)
class WorstLoss:
    """The most a package can lose at expiry.

    ``dollars`` is 0 where it cannot lose, infinite where the loss has no limit; ``spot`` is
    the price at which the worst happens, or the last strike above which the loss grows on.

    >>> str(WorstLoss(Decimal("380"), Decimal("95")))
    '$380.00 at 95'
    >>> str(WorstLoss(Decimal("Infinity"), Decimal("123.45")))
    'unlimited above 123.45'
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
    _require_one_settlement(legs)
    at = np.asarray(spots, dtype=np.float64)
    total = np.zeros_like(at)
    for leg in legs:
        total += _per_leg_dollars(leg) * _intrinsic(leg, at)
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

    Parameters
    ----------
    legs
        One underlying; expiries may differ. Early exercise has no value here.
    spots
        Dollars per share, any shape; the result has it too.
    at
        Aware instant, at or before the first expiry.
    vols
        Annual fraction: one for all legs, or one for each leg (a stock's is not looked at).
    rate, dividend_yield
        Continuously compounded fractions per year.

    Raises
    ------
    ValueError
        If a leg has expired at ``at``, or the number of vols is neither one nor that of legs.

    Examples
    --------
    At the very expiry nothing but intrinsic value is left.

    >>> sold = Leg(Option.from_occ("SPY261218P00600000"), -1)
    >>> value([sold], [590.0, 610.0], expiry_instant(sold.instrument), 0.20, 0.04)
    array([-1000.,     0.])
    """
    _require_one_underlying(legs)
    spots = np.asarray(spots, dtype=np.float64)
    total = np.zeros_like(spots)
    for leg, vol in zip(legs, _one_per_leg(vols, len(legs)), strict=True):
        per_share = spots
        if isinstance(leg.instrument, Option):
            years = _years_left(leg.instrument, at)
            right, strike = leg.instrument.right, float(leg.instrument.strike)
            per_share = black_scholes.price(
                right, spots, strike, years, rate, vol, dividend_yield
            )
        total += _per_leg_dollars(leg) * per_share
    return total[()]


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

    The profit is a chain of straight lines, so its least lies at spot 0 or at a strike, unless
    it falls for ever above the last strike: that is so where calls and shares are net short.

    Raises ValueError for several settlement instants: then only a bound exists.

    >>> short, long = (Option.from_occ(f"SPY261218P00{k}000") for k in (600, 595))
    >>> print(worst_loss([Leg(short, -1), Leg(long, 1)], Decimal("120")))
    $380.00 at 595
    >>> print(worst_loss([Leg(Option.from_occ("SPY261218C00700000"), -1)], Decimal("120")))
    unlimited above 700
    """
    _require_one_settlement(legs)
    corners = _corners(legs)
    if _slope_above(legs, corners[-1]) < 0:
        return WorstLoss(_UNLIMITED, corners[-1])
    profits = {spot: _profit(legs, _dollars(credit), spot) for spot in reversed(corners)}
    worst = min(profits, key=lambda spot: profits[spot])
    return WorstLoss(max(-profits[worst], _NOTHING), worst)


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
    above = [
        black_scholes.probability_above(float(edge), spot, years, rate, vol, dividend_yield)
        for edge in edges
    ]
    above.append(0.0 * above[0])  # nothing lies above infinity
    inside = [(low + high) / 2 for low, high in pairwise(edges)] + [edges[-1] + 1]
    total = 0.0 * above[0]
    for position, middle in enumerate(inside):
        if _profit(legs, dollars, middle) > 0:
            total = total + above[position] - above[position + 1]
    return total


def _break_evens(legs: Sequence[Leg], credit: Decimal) -> list[Decimal]:
    _require_one_settlement(legs)
    found = []
    below = 0
    for low, high in pairwise([*_corners(legs), _UNLIMITED]):
        profit, slope = _profit(legs, credit, low), _slope_above(legs, low)
        if profit == 0 and low > 0 and (below or slope):
            found.append(low)
        elif profit != 0 and slope and low < low - profit / slope < high:
            found.append(low - profit / slope)
        below = slope
    return found


def _corners(legs: Sequence[Leg]) -> list[Decimal]:
    """Spot 0 and every strike, ascending: between them the profit is a straight line."""
    strikes = {leg.instrument.strike for leg in legs if isinstance(leg.instrument, Option)}
    return sorted({_NOTHING} | strikes)


def _profit(legs: Sequence[Leg], credit: Decimal, spot: Decimal) -> Decimal:
    return credit + sum((_per_leg_dollars(leg) * _worth(leg, spot) for leg in legs), _NOTHING)


def _worth(leg: Leg, spot: Decimal) -> Decimal:
    option = leg.instrument
    return option.intrinsic(spot) if isinstance(option, Option) else spot


def _slope_above(legs: Sequence[Leg], spot: Decimal) -> int:
    """Dollars gained per dollar that the spot rises from ``spot``."""
    return sum(_per_leg_dollars(leg) * _delta_above(leg, spot) for leg in legs)


def _delta_above(leg: Leg, spot: Decimal) -> int:
    option = leg.instrument
    if not isinstance(option, Option):
        return 1
    exercised_above = option.right is Right.CALL
    return int(option.right) if exercised_above == (spot >= option.strike) else 0


def _per_leg_dollars(leg: Leg) -> int:
    """Signed dollars for each dollar per share."""
    return leg.quantity * leg.instrument.multiplier


def _intrinsic(leg: Leg, spots: Floats) -> Floats:
    option = leg.instrument
    if not isinstance(option, Option):
        return spots
    return np.maximum(option.right * (spots - float(option.strike)), 0.0)


def _years_left(option: Option, at: datetime) -> float:
    years = years_between(at, expiry_instant(option))
    if years < 0:
        raise ValueError(f"{option} has expired at {at:%Y-%m-%d %H:%M %Z}")
    return years


def _one_per_leg(vols: float | Sequence[float], count: int) -> Sequence[float]:
    if not isinstance(vols, Sequence | np.ndarray):
        return [vols] * count
    if len(vols) != count:
        raise ValueError(f"one vol, or one for each of {count} legs, got {len(vols)}")
    return vols


def _dollars(credit: Decimal | float) -> Decimal:
    dollars = credit if isinstance(credit, Decimal) else Decimal(repr(float(credit)))
    if not dollars.is_finite():
        raise ValueError(f"credit must be a finite number of dollars, got {credit}")
    return dollars


def _require_one_underlying(legs: Sequence[Leg]) -> None:
    underlyings = {leg.instrument.underlying for leg in legs}
    if len(underlyings) > 1:
        raise ValueError(f"legs must share one underlying, got {sorted(underlyings)}")


def _require_one_settlement(legs: Sequence[Leg]) -> None:
    _require_one_underlying(legs)
    options = [leg.instrument for leg in legs if isinstance(leg.instrument, Option)]
    # A root may settle in the morning and its twin in the afternoon of one day: two prices.
    if len({(option.expiry, option.is_am_settled) for option in options}) > 1:
        dates = sorted({f"{option.root} {option.expiry}" for option in options})
        raise ValueError(
            f"legs settle at several instants ({', '.join(dates)}): the profit at expiry is not "
            "one curve; a bound on the loss arrives with the margin rules"
        )
