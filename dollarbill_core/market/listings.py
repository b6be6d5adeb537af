"""What exchanges list: which expiries and strikes on a day, and in what ticks they quote."""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dollarbill_core.market.chains import Floats
from dollarbill_core.values.calendars import monthly_expiries, weekly_expiries

Booleans = NDArray[np.bool_]

DAYS_AHEAD = 100  # longer terms exist; what is modelled here stops there
SESSIONS_LISTED = 72  # no fewer than the sessions in DAYS_AHEAD: how long an option may live
_A_CENT = 1e-9  # keeps a price that is a whole number of ticks from moving by one

# SPX weeklies on Fridays: days ahead, from the day on. Source: Cboe, "Weeklys Options" (launch
# on 2005-10-28, one week ahead; five in a row since May 2012) and Regulatory Circular RG14-010
# (six, besides the monthly, since January 2014). Other weekdays, since 2016, are left out.
FRIDAYS_AHEAD = ((date(2005, 10, 28), 8), (date(2012, 5, 1), 35), (date(2014, 1, 1), 49))

# Stock options: strike intervals up to a strike, added on the day to those before; $10 above.
# Source: OCC, "Equity Options Product Specifications"; 70 FR 73488 ($2.50 to $75, 2005)
# and 75 FR 39608 ($1 to $50, 2010), programmes in which each exchange picks its classes.
_STOCK_STEPS = (
    (date(1985, 1, 1), ((25.0, 2.5), (200.0, 5.0))),
    (date(2005, 12, 12), ((75.0, 2.5), (200.0, 5.0))),
    (date(2010, 7, 1), ((50.0, 1.0), (75.0, 2.5), (200.0, 5.0))),
)
_NEAR_STEP, _FAR_STEP = 5.0, 25.0  # SPX
# Beyond a thousand dollars, where only prices rescaled over decades go, wider: an assumption.
_HIGH_STEPS = ((1e3, 10.0), (5e3, 50.0), (25e3, 250.0), (100e3, 1e3), (1e6, 5e3))

_QUARTERLY_MONTHS = (1, 4, 7, 10)  # the January cycle, taken for every stock
_NEAR_MONTHS = 2


@dataclass(frozen=True, slots=True)
class Ticks:
    """The smallest step of a quote, dollars: ``low`` below 3 dollars, then ``high``."""

    low: float
    high: float

    def below(self, price: Floats) -> Floats:
        """The highest tick at or below each price, never under 0.

        >>> Ticks(0.05, 0.10).below(np.array([0.04, 2.99, 3.29])).tolist()
        [0.0, 2.95, 3.2]
        """
        tick = self.at(price)
        return np.maximum(np.round(np.floor(price / tick + _A_CENT) * tick, 2), 0.0)

    def above(self, price: Floats) -> Floats:
        """The lowest tick at or above each price, at least one tick.

        >>> Ticks(0.05, 0.10).above(np.array([0.0, 2.96, 3.21])).tolist()
        [0.05, 3.0, 3.3]
        """
        tick = self.at(price)
        return np.maximum(np.round(np.ceil(price / tick - _A_CENT) * tick, 2), self.low)

    def at(self, price: Floats) -> Floats:
        """The tick at each price."""
        return np.where(price < _TICK_STEP, self.low, self.high)


_TICK_STEP = 3.0
# Source: Cboe, "SPX Options Product Specification"; ISE, "Product Specifications" (equities).
NICKELS = Ticks(0.05, 0.10)
# The Penny Pilot. Source: SEC releases of January 2007 (first classes, from 2007-01-26) and
# 34-60711 of 2009-09-23, whose four quarterly expansions ended in August 2010.
PENNIES = Ticks(0.01, 0.05)
PENNY_START = date(2010, 8, 2)
FIRST_PENNY_CLASSES = dict.fromkeys(("AMD", "GE", "MSFT"), date(2007, 1, 26))


@lru_cache(maxsize=4096)
def index_expiries(day: date) -> tuple[date, ...]:
    """SPX expiries listed on ``day``, its own too: monthlies and that year's Friday weeklies.

    >>> [f"{expiry:%m-%d}" for expiry in index_expiries(date(2003, 1, 2))]
    ['01-17', '02-21', '03-21']
    >>> [f"{expiry:%m-%d}" for expiry in index_expiries(date(2014, 1, 3))]
    ['01-03', '01-10', '01-17', '01-24', '01-31', '02-07', '02-14', '02-21', '03-21']
    """
    monthlies = _monthlies(day)
    ahead = max((days for start, days in FRIDAYS_AHEAD if day >= start), default=0)
    launched = _after(FRIDAYS_AHEAD[0][0], 1)  # no weekly expired on the day of the launch
    weeklies = weekly_expiries(max(day, launched), _after(day, ahead)) if ahead else ()
    return tuple(sorted({*monthlies, *weeklies}))


@lru_cache(maxsize=4096)
def stock_expiries(day: date) -> tuple[date, ...]:
    """Stock expiries listed on ``day``: two near months and the quarterly cycle's next.

    One that expires on ``day`` itself comes before them.

    Source: OCC, "Equity Options Product Specifications", expiration months.

    >>> [f"{expiry:%m-%d}" for expiry in stock_expiries(date(2003, 1, 21))]
    ['02-21', '03-21', '04-17']
    >>> [f"{expiry:%m-%d}" for expiry in stock_expiries(date(2003, 2, 21))]
    ['02-21', '03-21', '04-17']
    """
    monthlies = _monthlies(day)
    near = _NEAR_MONTHS + (day in monthlies)
    cycle = (expiry for expiry in monthlies[near:] if expiry.month in _QUARTERLY_MONTHS)
    return (*monthlies[:near], *cycle)


def index_strikes(bounds: Floats) -> tuple[Floats, Booleans]:
    """SPX strikes, index points: every 5 between the near bounds, every 25 beyond them.

    ``bounds`` has shape (4, expiries): lowest, lowest near, highest near and highest strike of
    each. Returns the strikes of all, shape (strikes,), and which of them each expiry lists,
    shape (expiries, strikes).

    Source: Cboe, "SPX Options Product Specification", strike price intervals.

    >>> strikes, listed = index_strikes(np.array([[1040.0], [1090], [1110], [1180]]))
    >>> strikes[listed[0]].astype(int).tolist()
    [1025, 1050, 1075, 1080, 1085, 1090, 1095, 1100, 1105, 1110, 1115, 1120, 1125, 1150, 1175, \
1200]
    """
    low, near = np.maximum(np.floor(bounds[:2] / _FAR_STEP), 1) * _FAR_STEP
    top, high = np.ceil(bounds[2:] / _FAR_STEP) * _FAR_STEP
    ladder = (
        np.arange(low.min(), near.min(), _FAR_STEP),
        np.arange(near.min(), top.max(), _NEAR_STEP),
        np.arange(top.max(), high.max() + 1, _FAR_STEP),
    )
    strikes = np.concatenate(ladder)
    fine = _between(near, strikes, top) | (strikes % _FAR_STEP == 0)
    return strikes, fine & _between(low, strikes, high)


def stock_strikes(day: date, bounds: Floats) -> tuple[Floats, Booleans]:
    """Stock strikes on ``day``, dollars, by the intervals of its time; as ``index_strikes``.

    >>> strikes, listed = stock_strikes(date(2003, 1, 2), np.array([[18.0], [0], [0], [36]]))
    >>> strikes[listed[0]].tolist()
    [20.0, 22.5, 25.0, 30.0, 35.0]
    """
    ladder = _ladder(sum(day >= start for start, _ in _STOCK_STEPS))
    low, high = bounds[0], bounds[3]
    first, stop = (
        np.searchsorted(ladder, low.min()),
        np.searchsorted(ladder, high.max(), "right"),
    )
    strikes = ladder[first:stop]
    return strikes, _between(low, strikes, high)


def _between(low: Floats, strikes: Floats, high: Floats) -> Booleans:
    """Whether each strike lies within each expiry's bounds, shape (expiries, strikes)."""
    within: Booleans = (strikes >= low[:, None]) & (strikes <= high[:, None])
    return within


def stock_ticks(symbol: str, day: date) -> Ticks:
    """Cents once the class is in the Penny Pilot, nickels and dimes before."""
    start = FIRST_PENNY_CLASSES.get(symbol, PENNY_START)
    return PENNIES if day >= start else NICKELS


@lru_cache(maxsize=8)
def _ladder(programmes: int) -> Floats:
    """Every strike that the first so many programmes allow, dollars; shape (n,)."""
    rungs = []
    for start, steps in (
        (200.0, _HIGH_STEPS),
        *((0.0, s) for _, s in _STOCK_STEPS[:programmes]),
    ):
        for stop, step in steps:
            rungs.append(np.arange(start + step, stop + step / 2, step))
            start = stop
    return np.unique(np.concatenate(rungs))


def _monthlies(day: date) -> tuple[date, ...]:
    return monthly_expiries(day, _after(day, DAYS_AHEAD))


def _after(day: date, days: int) -> date:
    return day + timedelta(days=days)
