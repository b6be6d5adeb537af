"""Chains modelled from closes and vol levels: what this model would quote at a day's close."""

import math
from bisect import bisect_left
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from dollarbill_core.market.carry import policy_rates
from dollarbill_core.market.chains import Chain, Floats
from dollarbill_core.market.listings import (
    DAYS_AHEAD,
    NICKELS,
    SESSIONS_LISTED,
    Booleans,
    Ticks,
    index_expiries,
    index_strikes,
    stock_expiries,
    stock_strikes,
    stock_ticks,
)
from dollarbill_core.market.realised import SESSIONS_PER_YEAR
from dollarbill_core.market.shapes import INDEX_SHAPE, STOCK_SHAPE, Shape
from dollarbill_core.market.volatility import THIRTY_DAYS
from dollarbill_core.pricing.american import price_and_delta
from dollarbill_core.values.calendars import close_instant, expiry_instant, years_between
from dollarbill_core.values.contracts import Option, Right
from dollarbill_core.values.provenance import Quotes

INDEX_DIVIDEND_YIELD = 0.019  # about the average of the S&P 500, 1999 to 2018

# Half the bid-ask spread by the option's price, dollars: medians of SPX, 3 to 7 January 2011, 4
# to 105 days, less what rounding to ticks adds. Spreads of later years are narrower.
INDEX_WIDTHS = (
    (0.0, 0.1, 0.25, 0.35, 0.5, 0.9, 1.5, 2.5, 3.5, 5.5, 7.5, 30.0, 60.0, 160.0, 300.0),
    (0.02, 0.02, 0.09, 0.16, 0.40, 0.45, 0.50, 0.56, 0.73, 0.75, 0.95, 0.95, 1.2, 1.6, 1.9),
)
STOCK_WIDTHS = ((0.0, 1.0, 5.0, 20.0, 60.0), (0.01, 0.03, 0.08, 0.25, 0.50))  # assumed

_A_MINUTE = 1 / (365 * 24 * 60)  # years; what is left at the close of an option's last day

# Standard deviations from the close to the lowest and highest strike (of the longest term) and
# to the end of the narrow intervals (of 30 days): out to where nobody bids.
_FARTHEST_INDEX = (-9.0, 5.0)
_FARTHEST_STOCK = (-6.0, 4.5)
_NEAREST = (-3.0, 2.0)


@dataclass(frozen=True, slots=True, eq=False)
class Underlying:
    """What the model knows of one underlying on each day; arrays of shape (days,).

    Attributes
    ----------
    symbol, root
        The underlying and the OCC root of its options; an index root gets the index's smile,
        listings, ticks and dividend yield.
    days, closes
        Sessions in order, and dollars per share.
    levels
        30-day at-the-money vol, NaN where unknown.
    means
        The annual variance to which the level returns.
    bounds
        Lowest, lowest near, highest near and highest strike that the day's price and vol call
        for; shape (4, days).
    """

    symbol: str
    root: str
    days: tuple[date, ...]
    closes: Floats
    levels: Floats
    means: Floats
    bounds: Floats

    @property
    def is_index(self) -> bool:
        return self.root != self.symbol

    @property
    def shape(self) -> Shape:
        return INDEX_SHAPE if self.is_index else STOCK_SHAPE

    @property
    def dividend_yield(self) -> float:
        return INDEX_DIVIDEND_YIELD if self.is_index else 0.0

    def rescaled(self, factor: float) -> "Underlying":
        """The same underlying at ``factor`` times its price."""
        return replace(self, closes=self.closes * factor, bounds=self.bounds * factor)

    def expiries(self, day: date) -> tuple[date, ...]:
        return index_expiries(day) if self.is_index else stock_expiries(day)

    def strikes(self, day: date, bounds: Floats) -> tuple[Floats, Booleans]:
        return index_strikes(bounds) if self.is_index else stock_strikes(day, bounds)

    def ticks(self, day: date) -> Ticks:
        return NICKELS if self.is_index else stock_ticks(self.symbol, day)


def underlying(
    symbol: str, root: str, days: tuple[date, ...], closes: Floats, levels: Floats
) -> Underlying:
    """An underlying with the means and strike bounds that its past alone determines."""
    means = _trailing_mean(levels**2)
    known = Underlying(symbol, root, days, closes, levels, means, bounds=closes)
    return replace(known, bounds=_bounds(known))


def _trailing_mean(values: Floats) -> Floats:
    """Mean of the known ones of the last 252 values up to each day; 0 where there is none."""
    known = np.isfinite(values)
    sums = np.concatenate([[0.0], np.cumsum(np.where(known, values, 0.0))])
    counts = np.concatenate([[0], np.cumsum(known)])
    stop = np.arange(1, len(values) + 1)
    begin = np.maximum(stop - SESSIONS_PER_YEAR, 0)
    means: Floats = (sums[stop] - sums[begin]) / np.maximum(counts[stop] - counts[begin], 1)
    return means


def _bounds(known: Underlying) -> Floats:
    farthest = _FARTHEST_INDEX if known.is_index else _FARTHEST_STOCK
    far = np.sqrt(known.shape.variance_to(DAYS_AHEAD / 365, known.levels, known.means))
    near = known.levels * math.sqrt(THIRTY_DAYS)
    low, high = known.closes * np.exp(np.outer(farthest, far))
    near_low, near_high = known.closes * np.exp(np.outer(_NEAREST, near))
    return np.array([low, near_low, near_high, high])


def modelled_chain(known: Underlying, day: date) -> Chain:
    """The chain at the close of ``day``: the model's price, less and plus half a spread.

    Bids are rounded down and asks up to ticks; a bid may be 0. ``vol`` is the model's, from
    before that rounding. What expires on ``day`` is quoted as if a minute were left, at about
    its intrinsic value. Raises ValueError when the model knows no vol on ``day``.
    """
    place = bisect_left(known.days, day)
    if place == len(known.days) or known.days[place] != day or not known.levels[place] > 0:
        raise ValueError(f"{known.symbol}: no vol level on {day} to model a chain from")
    now, expiries = close_instant(day), known.expiries(day)
    strikes, listed = known.strikes(day, _bounds_since_listed(known, place, expiries))
    term, rung = np.nonzero(listed)
    left = [years_between(now, _settled(known.root, expiry)) for expiry in expiries]
    years = np.maximum(left, _A_MINUTE)
    prices, deltas, vols = _priced(known, place, strikes[rung], years, term)
    half = np.interp(prices, *(INDEX_WIDTHS if known.is_index else STOCK_WIDTHS))
    ticks, count = known.ticks(day), len(term)
    return Chain(
        symbol=known.symbol,
        as_of=now,
        spot=float(known.closes[place]),
        quotes=Quotes.MODELLED,
        roots=(known.root,),
        root=np.zeros(2 * count, np.int8),
        expiry=np.tile(np.array(expiries, dtype="datetime64[D]")[term], 2),
        right=np.repeat(np.array([Right.CALL, Right.PUT], np.int8), count),
        strike=np.tile(strikes[rung], 2),
        bid=ticks.below(prices - half),
        ask=ticks.above(prices + half),
        vol=np.tile(vols, 2),
        delta=deltas,
    )


def _bounds_since_listed(known: Underlying, place: int, expiries: tuple[date, ...]) -> Floats:
    """The widest bounds of any day on which each expiry may have been listed, (4, expiries).

    So no strike is lost while its option lives, wherever the price has gone.
    """
    earliest = max(place - SESSIONS_LISTED, 0)
    recent = known.bounds[:, earliest : place + 1][:, ::-1]
    starts = [bisect_left(known.days, x - timedelta(days=DAYS_AHEAD)) for x in expiries]
    back = np.clip(place - np.array(starts), 0, place - earliest)
    lowest = np.fmin.accumulate(recent[:2], axis=1)[:, back]
    return np.concatenate([lowest, np.fmax.accumulate(recent[2:], axis=1)[:, back]])


def _priced(
    known: Underlying, place: int, strikes: Floats, years: Floats, term: NDArray[np.intp]
) -> tuple[Floats, Floats, Floats]:
    """Prices and deltas, calls first, (2 x strikes,); vols (strikes,), ``term`` of ``years``.

    ``black_scholes.price`` written out, because here two normal integrals serve calls, puts and
    deltas at once; a test holds the two together. A stock pays no dividend here.
    """
    rate = policy_rates(known.days[place]).flat
    paid, discount = np.exp(-known.dividend_yield * years), np.exp(-rate * years)
    forward = known.closes[place] * paid / discount
    theta = known.shape.variance_to(years, known.levels[place], known.means[place])
    paid, discount, forward, theta = paid[term], discount[term], forward[term], theta[term]
    moneyness = np.log(strikes / forward)
    deviation = np.sqrt(known.shape.total_variance(moneyness, theta))
    above = deviation / 2 - moneyness / deviation
    held, exercised = ndtr(above), ndtr(above - deviation)
    calls = discount * (forward * held - strikes * exercised)
    vols = deviation / np.sqrt(years[term])
    if known.is_index:
        puts, put_deltas = calls - discount * (forward - strikes), paid * (held - 1)
    else:  # American; a call on a stock that pays nothing is worth what the European one is
        terms = strikes, years[term], rate, vols
        puts, put_deltas = price_and_delta(Right.PUT, known.closes[place], *terms)
    return np.concatenate([calls, puts]), np.concatenate([paid * held, put_deltas]), vols


@lru_cache(maxsize=4096)
def _settled(root: str, expiry: date) -> datetime:
    return expiry_instant(Option(root, expiry, Decimal(1), Right.CALL))
