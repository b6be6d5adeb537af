"""What any set of legs is worth now, later and at expiry, and where it breaks even.

A package is a sequence of signed legs on one underlying, stock among them, with its ``credit``:
dollars received for all of it, negative if paid. Results are dollars for the whole package,
multiplier included. At one settlement instant the profit is a chain of straight lines with
corners at the strikes; what is read off that chain is exact.
"""

import math
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from dollarbill_core.pricing import american, black_scholes
from dollarbill_core.pricing.grid import Dividends
from dollarbill_core.pricing.polyline import (
    NOTHING,
    Floats,
    Line,
    Polyline,
    Stretches,
)
from dollarbill_core.values.calendars import expiry_instant, years_between
from dollarbill_core.values.contracts import Leg, Option, Right

_GRID, _CUTS, _PASSES = 1024, 64, 10  # 64 ** 10 is 2 ** 60: as fine as float64 is


def settled(legs: Sequence[Leg], credit: Decimal | float = NOTHING) -> Polyline:
    """Dollars at the one instant at which all legs settle, by its price: payoff and credit.

    Raises ValueError for legs on two underlyings, options with two settlement instants, or a
    credit that is no number.

    >>> sold = Leg(Option.from_occ("SPY261218P00600000"), -2)
    >>> settled([sold], Decimal("310.00")).at(Decimal("597"))
    Decimal('-290.00')
    """
    _require_one_underlying(legs)
    options = [leg.instrument for leg in legs if isinstance(leg.instrument, Option)]
    # A root may settle in the morning and its twin in the afternoon of one day: two prices.
    if len({(option.expiry, option.is_am_settled) for option in options}) > 1:
        dates = sorted({f"{option.root} {option.expiry}" for option in options})
        found = f"legs settle at several instants ({', '.join(dates)})"
        raise ValueError(f"{found}: they have no one payoff, but a value at an instant")
    return Polyline(tuple(map(_line, legs)), _dollars(credit))


def payoff_at_expiry(legs: Sequence[Leg], spots: ArrayLike) -> Floats:
    """Dollars that the legs are worth at expiry, one for each of ``spots``; no premium in it.

    Raises ValueError for legs on two underlyings, or options with two settlement instants.

    >>> sold = Leg(Option.from_occ("SPY261218P00600000"), -2)
    >>> payoff_at_expiry([sold], [590, 600, 610])
    array([-2000.,     0.,     0.])
    """
    return settled(legs).on(spots)[()]


def profit_at_expiry(legs: Sequence[Leg], credit: Decimal | float, spots: ArrayLike) -> Floats:
    """Dollars of profit at expiry: the payoff plus the credit, shaped as ``spots``.

    >>> sold = Leg(Option.from_occ("SPY261218P00600000"), -1)
    >>> profit_at_expiry([sold], 250, [590, 597.5, 610])
    array([-750.,    0.,  250.])
    """
    return settled(legs, credit).on(spots)[()]


def break_evens(legs: Sequence[Leg], credit: Decimal | float) -> tuple[float, ...]:
    """Prices at expiry, above 0 and ascending, where profit turns to loss or touches nothing.

    Where the profit is nothing over a whole stretch, the ends of the stretch.

    >>> put, call = (Option.from_occ(f"SPY261218{tail}") for tail in ("P00600000", "C00700000"))
    >>> break_evens([Leg(put, -1), Leg(call, -1)], Decimal("850"))
    (591.5, 708.5)
    """
    return tuple(map(float, settled(legs, credit).zeros))


def value(
    legs: Sequence[Leg],
    spots: ArrayLike,
    at: datetime,
    vols: float | Sequence[float],
    rate: float,
    dividend_yield: float = 0.0,
    dividends: Dividends = (),
) -> Floats:
    """Dollars that the legs are worth at the instant ``at``, each by its own style of exercise.

    Index options go by the European formula; options on stocks and ETFs are American, so early
    exercise is in their value. Expiries may differ, none before ``at``. ``vols`` are annual
    fractions, one for all legs or one for each (a stock's is not looked at); rate and yield are
    continuously compounded; ``dividends`` are the ``(years, dollars)`` still to be paid in cash
    after ``at``, which American options see. The result is shaped as ``spots``.

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
            share = (
                black_scholes.price(option.right, spots, *terms)
                if option.is_european
                else american.price(option.right, spots, *terms, dividends)
            )
        total += _dollars_per_point(leg) * share
    return total[()]


def break_evens_at(
    legs: Sequence[Leg],
    credit: Decimal | float,
    at: datetime,
    vols: float | Sequence[float],
    rate: float,
    dividend_yield: float = 0.0,
) -> tuple[float, ...]:
    """Prices at the instant ``at``, ascending, where the profit turns to loss or back.

    The profit is `value` plus the credit. A thousand prices, from 8 standard deviations below
    the lowest strike to 8 above the highest, and the two ends of the axis, bracket the changes
    of sign; each bracket is then cut until float64 has nothing left to cut. Two changes
    between neighbours of the thousand are not seen. Raises as `value`.

    >>> sold = Leg(Option.from_occ("SPY261218P00600000"), -1)
    >>> [float(level) for level in break_evens_at(
    ...     [sold], 250, expiry_instant(sold.instrument), 0.20, 0.04)]
    [597.5]
    """
    received = float(_dollars(credit))
    widest = float(np.max(vols)) if len(legs) else 0.0

    def profit(spots: Floats) -> Floats:
        return value(legs, spots, at, vols, rate, dividend_yield) + received

    return _turns(profit, _searched(legs, at, widest, profit))


def gains_at(
    legs: Sequence[Leg],
    credit: Decimal | float,
    at: datetime,
    vols: float | Sequence[float],
    rate: float,
    dividend_yield: float = 0.0,
) -> Stretches:
    """Open stretches of prices at the instant ``at``, between `break_evens_at`, that gain.

    One that includes the price 0 starts at minus infinity.
    """
    terms = at, vols, rate, dividend_yield
    edges = [0.0, *break_evens_at(legs, credit, *terms)]
    inside = [0.0, *((low + high) / 2 for low, high in pairwise(edges)), edges[-1] + 1]
    at_zero, *gained = value(legs, np.array(inside), *terms) + float(credit) > 0
    edges[0] = -math.inf if at_zero else 0.0
    stretches = zip(pairwise([*edges, math.inf]), gained, strict=True)
    return tuple(stretch for stretch, is_gain in stretches if is_gain)


def _searched(
    legs: Sequence[Leg], at: datetime, vol: float, profit: Callable[[Floats], Floats]
) -> Floats:
    """Ascending prices between which a change of sign is looked for, 0 the first of them."""
    options = [leg.instrument for leg in legs if isinstance(leg.instrument, Option)]
    strikes = [float(option.strike) for option in options] or [1.0]
    years = max((_years_left(option, at) for option in options), default=0.0)
    reach = math.exp(8 * vol * math.sqrt(years) + 0.1)
    inner = np.geomspace(min(strikes) / reach, max(strikes) * reach, _GRID)
    here, there = profit(np.array([inner[-1], 2 * inner[-1]]))
    slope = float(there - here) / inner[-1]  # far out all that is left is a straight line
    is_level = abs(slope) <= 1e-9 * sum(abs(_dollars_per_point(leg)) for leg in legs)
    beyond = 0.0 if is_level else 2 * abs(float(here) / slope)
    return np.unique([0.0, *strikes, *inner, 2 * inner[-1] + beyond])


def _turns(profit: Callable[[Floats], Floats], grid: Floats) -> tuple[float, ...]:
    """Where the sign of ``profit`` changes between neighbours of ``grid``."""
    above = profit(grid) > 0
    found = np.flatnonzero(above[1:] != above[:-1])
    low, high, row = grid[found], grid[found + 1], np.arange(len(found))
    for _ in range(_PASSES if len(found) else 0):
        cuts = low[:, None] + (high - low)[:, None] * np.linspace(0.0, 1.0, _CUTS + 1)
        above = profit(cuts) > 0
        turn = np.argmax(above != above[:, :1], axis=1)
        low, high = cuts[row, np.maximum(turn - 1, 0)], cuts[row, turn]
    return tuple(((low + high) / 2).tolist())


def _line(leg: Leg) -> Line:
    dollars = Decimal(_dollars_per_point(leg))
    if isinstance(leg.instrument, Option):
        return Line(dollars, leg.instrument.right, leg.instrument.strike)
    return Line(dollars, Right.CALL, NOTHING)  # a share pays what a call struck at 0 would


def _years_left(option: Option, at: datetime) -> float:
    years = years_between(at, expiry_instant(option))
    if years < 0:
        raise ValueError(f"{option} has expired at {at:%Y-%m-%d %H:%M %Z}")
    return years


def _dollars_per_point(leg: Leg) -> int:
    return leg.quantity * leg.instrument.multiplier


def _dollars(credit: Decimal | float) -> Decimal:
    dollars = credit if isinstance(credit, Decimal) else Decimal(repr(float(credit)))
    if not dollars.is_finite():
        raise ValueError(f"credit must be a finite number of dollars, got {credit}")
    return dollars


def _require_one_underlying(legs: Sequence[Leg]) -> None:
    underlyings = {leg.instrument.underlying for leg in legs}
    if len(underlyings) > 1:
        raise ValueError(f"legs must share one underlying, got {sorted(underlyings)}")
