"""American prices, Greeks and implied vols, on arrays: options that may be exercised any day.

Arguments, limits and units are those of `black_scholes`: arrays broadcast in the order
``right, spot, strike, years, rate, vol, dividend_yield``, numbers without meaning give NaN, and
no array call raises or warns over them. Rates and yields may have either sign. Of puts (and of
calls, with rate and yield exchanged) one of these holds:

- ``rate <= 0`` and ``dividend_yield >= rate``: never exercised early, so European;
- ``rate > 0``, or ``rate = 0 > dividend_yield``: exercised at or below one spot; the European
  price plus the integral of `premium`;
- ``dividend_yield < rate < 0``: exercised between two spots; solved on `grid`.

With cash dividends, pairs of years from now and dollars per share, the spot falls by each on
its day, and any option is solved on `grid`. The integral's error is below 1e-4 on a spot of 100
for vols from 3 % to 300 % and up to three years: ``benchmarks/american_gate.py`` measures it.

Source: Andersen, Lake and Offengenden (2016); for the cases Andersen and Lake, Fast American
Option Pricing: The Double-Boundary Case (2021).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dollarbill_core.pricing import black_scholes, grid
from dollarbill_core.pricing.black_scholes import DAYS_PER_YEAR, POINTS_PER_UNIT_OF_VOL
from dollarbill_core.pricing.exercise import boundaries
from dollarbill_core.pricing.grid import Dividends
from dollarbill_core.pricing.machine_code import Floats
from dollarbill_core.pricing.premium import Puts, as_puts, premiums

_Booleans = NDArray[np.bool_]

_BUMP_OF_VOL = 1e-3  # of itself
_BUMP_OF_RATE = 1e-4
_STILL = 1e-7  # standard deviations to expiry; below, nothing is left to chance
_FINE = {"nodes": 800, "steps": 80}  # the grid where two boundaries are to be told apart


@dataclass(frozen=True, slots=True)
class Greeks:
    """Price of one share's American option and its derivatives, shaped as the input.

    ``delta`` and ``gamma`` per dollar of spot, ``vega`` per 1.0 of vol, ``theta`` per year of
    calendar time that passes, ``rho`` per 1.0 of rate. An option that is better exercised moves
    with the spot alone: its delta is 1 or -1 and the rest is 0.
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


class _Market(NamedTuple):
    """Options, one an entry."""

    right: Floats
    spot: Floats
    strike: Floats
    years: Floats
    rate: Floats
    vol: Floats
    dividend_yield: Floats

    def at(self, chosen: _Booleans) -> "_Market":
        return _Market(*(column[chosen] for column in self))

    def exercised(self) -> Floats:
        return np.maximum(self.right * (self.spot - self.strike), 0.0)


class _Kinds(NamedTuple):
    """How each option is priced where it is not European; at most one is true of each."""

    early: _Booleans  # exercised beyond one boundary
    banded: _Booleans  # exercised between two boundaries
    certain: _Booleans  # nothing is left to chance, or everything


def price(
    right: ArrayLike,
    spot: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    rate: ArrayLike,
    vol: ArrayLike,
    dividend_yield: ArrayLike = 0.0,
    dividends: Dividends = (),
) -> Floats:
    """American option price, dollars per share.

    >>> round(float(price(-1, 36, 40, 1.0, 0.06, 0.2)), 4)
    4.4867
    """
    given = right, spot, strike, years, rate, vol, dividend_yield
    with np.errstate(all="ignore"):
        if len(dividends):
            return grid.american(*given, dividends).price
        market, shape = _flat(*given)
        return _prices(market).reshape(shape)[()]


def _prices(market: _Market) -> Floats:
    value = black_scholes.price(*market)
    puts = as_puts(*market)
    kinds = _kinds(market, puts, value)
    if kinds.early.any():
        some = puts.at(kinds.early)
        gain = premiums(some)
        europeans = value[kinds.early]
        exercised = market.at(kinds.early).exercised()
        held = np.maximum(europeans + some.unit * np.maximum(gain.value, 0.0), exercised)
        value[kinds.early] = np.where(some.spot <= gain.boundary, exercised, held)
    if kinds.banded.any():
        value[kinds.banded] = grid.american(*market.at(kinds.banded), **_FINE).price
    if kinds.certain.any():
        value[kinds.certain] = _certain_price(market.at(kinds.certain))
    return value


def _kinds(market: _Market, puts: Puts, europeans: Floats) -> _Kinds:
    rate, paid = puts.rate, puts.dividend_yield
    stdev = market.vol * np.sqrt(market.years)
    prices = market.spot * market.strike
    chance = (stdev >= _STILL) & (stdev < np.inf) & (prices > 0) & (prices < np.inf)
    early = (rate > 0) | ((rate == 0) & (paid < 0))
    banded = (rate < 0) & (paid < rate)
    certain = (early | banded) & ~chance & ~np.isnan(europeans)
    return _Kinds(early & chance, banded & chance, certain)


def _certain_price(market: _Market) -> Floats:
    """The best of all times to exercise, where the spot's path is certain.

    The value at ``t``, ``right (spot exp(-q t) - strike exp(-r t))``, is greatest at one end or
    where ``exp((r - q) t) = r strike / (q spot)``. With infinite vol: the most it may ever be.
    """
    right, spot, strike, years, rate, vol, dividend_yield = market
    between = np.log(rate * strike / (dividend_yield * spot)) / (rate - dividend_yield)
    between = np.where((between > 0) & (between < years), between, 0.0)
    best = market.exercised()
    for t in (between, years):
        held = spot * np.exp(-dividend_yield * t) - strike * np.exp(-rate * t)
        best = np.fmax(best, right * held)
    ends = np.where(right > 0, spot, strike)
    earned = np.where(right > 0, dividend_yield, rate)
    most = ends * np.fmax(1.0, np.exp(-earned * years))
    return np.where(np.isinf(vol) & (years > 0), most, best)


def _flat(*values: ArrayLike) -> tuple[_Market, tuple[int, ...]]:
    arrays = [np.asarray(value, dtype=np.float64) for value in values]
    shape = np.broadcast_shapes(*(array.shape for array in arrays))
    full = (np.ascontiguousarray(np.broadcast_to(array, shape)) for array in arrays)
    return _Market(*(array.reshape(-1) for array in full)), shape
