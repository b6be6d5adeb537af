"""Which American options are exercised early, and the price in every case.

Of puts, and of calls with rate and dividend yield exchanged, one of these holds:

- ``rate <= 0`` and ``dividend_yield >= rate``: never exercised early, so European;
- ``rate > 0``, or ``rate = 0 > dividend_yield``: exercised at or below one spot;
- ``dividend_yield < rate < 0``: exercised between two spots, or nowhere.

Source: Andersen and Lake, Fast American Option Pricing: The Double-Boundary Case (2021).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dollarbill_core.pricing import black_scholes, grid
from dollarbill_core.pricing.boundary import Boundaries
from dollarbill_core.pricing.machine_code import Floats
from dollarbill_core.pricing.premium import Premium, Puts, as_puts, premiums

Booleans = NDArray[np.bool_]

# Of the grid on which two boundaries are told apart: error below 3e-5 on a spot of 100.
FINE_NODES, FINE_STEPS = 1200, 120

_STILL = 1e-7  # standard deviations to expiry, below which nothing is left to chance
_WILD = 1e3  # standard deviations to expiry, from which the stock is as good as gone
_FAR = 1e100  # spot over strike, or strike over spot, beyond which nothing changes any more
_TOUCH = 1e-5  # excess over exercise, of the strike, from which a bound is extrapolated
_SCAN = 64


class Market(NamedTuple):
    """Options and what they are priced from, one an entry of each array."""

    right: Floats
    spot: Floats
    strike: Floats
    years: Floats
    rate: Floats
    vol: Floats
    dividend_yield: Floats

    def at(self, chosen: Booleans) -> "Market":
        """Some of the options."""
        return self if chosen.all() else Market(*(column[chosen] for column in self))

    def exercised(self) -> Floats:
        """What exercise brings now, dollars per share."""
        return np.maximum(self.right * (self.spot - self.strike), 0.0)

    def most(self) -> Floats:
        """What an option is worth at most: a put its strike, a call its spot, now or late."""
        is_call = self.right > 0
        paid = np.where(is_call, self.spot, self.strike)
        rate = np.where(is_call, self.dividend_yield, self.rate)
        return paid * np.fmax(1.0, np.exp(-rate * self.years))


class Cases(NamedTuple):
    """How an option is priced that is not European; at most one is true of each."""

    early: Booleans  # exercised beyond one boundary
    banded: Booleans  # exercised between two boundaries
    certain: Booleans  # exercised early, or not, with nothing left to chance


def cases(market: Market, puts: Puts, europeans: Floats) -> Cases:
    """The case of each option; none where its European price is NaN."""
    stdev = market.vol * np.sqrt(market.years)
    near = (puts.spot > 1.0 / _FAR) & (puts.spot < _FAR)
    chance = (stdev >= _STILL) & (stdev < _WILD) & near
    early = (puts.rate > 0) | ((puts.rate == 0) & (puts.dividend_yield < 0))
    banded = (puts.rate < 0) & (puts.dividend_yield < puts.rate)
    certain = (early | banded) & ~chance
    meant = ~np.isnan(europeans)
    return Cases(early & chance & meant, banded & chance & meant, certain & meant)


def prices(market: Market) -> Floats:
    """American option prices with a dividend yield, dollars per share."""
    found = black_scholes.price(*market)
    puts = as_puts(*market)
    case = cases(market, puts, found)
    if case.early.any():
        some = puts.at(case.early)
        europeans = found[case.early]
        found[case.early] = early_prices(market.at(case.early), some, europeans, premiums(some))
    if case.banded.any():
        found[case.banded] = banded_values(market.at(case.banded)).price
    if case.certain.any():
        certain = certain_prices(market.at(case.certain))
        found[case.certain] = np.fmax(found[case.certain], certain)
    return found


def early_prices(market: Market, puts: Puts, europeans: Floats, gain: Premium) -> Floats:
    """Prices with one boundary: exercised beyond it, else European plus the premium."""
    exercised = market.exercised()
    held = europeans + puts.unit * np.maximum(gain.value, 0.0)
    return np.where(puts.spot <= gain.boundary, exercised, np.maximum(held, exercised))


def prices_among(market: Market, puts: Puts, among: Boundaries) -> Floats:
    """Prices with one boundary, from boundaries solved before."""
    europeans = black_scholes.price(*market)
    return early_prices(market, puts, europeans, premiums(puts, among))


def banded_values(market: Market) -> grid.Values:
    """Prices and Greeks of options that have two boundaries."""
    return grid.american(*market, nodes=FINE_NODES, steps=FINE_STEPS)


def certain_prices(market: Market) -> Floats:
    """The best of all times to exercise, where the spot's path is certain.

    The value at ``t``, ``right (spot exp(-q t) - strike exp(-r t))``, is greatest at one end or
    where ``exp((r - q) t) = r strike / (q spot)``. With endless vol: the most it may ever be.
    """
    spot, strike, years, rate = market.spot, market.strike, market.years, market.rate
    turn = np.log(rate * strike / (market.dividend_yield * spot))
    turn = turn / (rate - market.dividend_yield)
    best = market.exercised()
    for t in (np.where((turn > 0) & (turn < years), turn, 0.0), years):
        held = spot * np.exp(-market.dividend_yield * t) - strike * np.exp(-rate * t)
        best = np.fmax(best, market.right * held)
    return np.where(market.vol * np.sqrt(years) >= _WILD, market.most(), best)


def exercise_regions(market: Market) -> tuple[Floats, Floats]:
    """Least and greatest spot at which to exercise now, NaN where there is none.

    The spot of ``market`` does not matter, but must be positive.
    """
    puts = as_puts(*market)
    case = cases(market, puts, black_scholes.price(*market))
    lower, upper = np.full((2, market.strike.size), np.nan)
    for chosen, edges in ((case.early, _early_edges), (case.certain, _certain_edges)):
        if chosen.any():
            some = market.at(chosen)
            edge = edges(some, puts.at(chosen))
            lower[chosen] = np.where(some.right > 0, some.strike / edge, 0.0)
            upper[chosen] = np.where(some.right > 0, np.inf, some.strike * edge)
    for option in np.flatnonzero(case.banded):
        one = Market(*(column[[option]] for column in market))
        lower[option], upper[option] = _band(one)
    return lower, upper


def _early_edges(market: Market, puts: Puts) -> Floats:
    return premiums(puts).boundary


def _certain_edges(market: Market, puts: Puts) -> Floats:
    """Where the boundary starts from; at expiry itself, the strike."""
    start = np.where(puts.dividend_yield <= puts.rate, 1.0, puts.rate / puts.dividend_yield)
    return np.where(market.years > 0, start, 1.0)


def _band(market: Market) -> tuple[float, float]:
    """The two spots between which one option is exercised.

    Away from a bound the excess over exercise grows with the square of the distance: the bound
    lies twice as far from where it is `_TOUCH` of the strike as from where it is 4 `_TOUCH`.
    """
    strike = market.strike[0]
    ratio = (market.rate / market.dividend_yield)[0]
    start = strike * ratio
    inside = np.linspace(min(start, strike), max(start, strike), _SCAN)
    excess = _excess(market, inside)
    if excess.min() > 1e-2 * _TOUCH:
        return np.nan, np.nan
    held = inside[excess.argmin()]
    ends = []
    for outer in (0.05 * min(start, strike), 20.0 * max(start, strike)):
        near = np.array([held, held])
        far = np.array([outer, outer])
        level = np.array([1.0, 4.0]) * _TOUCH
        for _ in range(30):
            middle = np.sqrt(near * far)
            beyond = _excess(market, middle) > level
            near, far = np.where(beyond, near, middle), np.where(beyond, middle, far)
        ends.append(float(2.0 * near[0] - near[1]))
    return ends[0], ends[1]


def _excess(market: Market, spot: Floats) -> Floats:
    """What one option is worth beyond exercise at each spot, over its strike."""
    many = Market(*(np.repeat(column, spot.size) for column in market))._replace(spot=spot)
    value = banded_values(many).price - many.right * (spot - many.strike)
    return value / many.strike
