"""From a day's stored quotes to its chain: instant, spot, yield, our own vols and deltas.

A vol is that of the mid of a sound quote, with early exercise where the option has it. What the
underlying pays until expiry enters as a yield: for stocks and ETFs the dividends of the past
year over the close, as if they went on evenly; for index options, which are European, what
put-call parity says of each settlement.
"""

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import IntEnum
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dollarbill_core.market.carry import Rates
from dollarbill_core.market.chains import Chain, Floats, NoQuote
from dollarbill_core.market.forwards import terms_of
from dollarbill_core.market.volatility import at_the_money_vol, parity_forward
from dollarbill_core.pricing import american, black_scholes
from dollarbill_core.pricing.implied_vol import implied_vol
from dollarbill_core.storage.columns import Columns
from dollarbill_core.storage.daily import Daily, Interest
from dollarbill_core.storage.quote_columns import NO_INSTANT
from dollarbill_core.values.calendars import (
    MARKET_ZONE,
    SECONDS_PER_YEAR,
    close_instant,
    expiry_instant,
    is_session,
)
from dollarbill_core.values.contracts import Option, Right
from dollarbill_core.values.provenance import Quotes

SENTENCE = (
    "Implied vols and deltas are ours: from mids of sound quotes, early exercise included; "
    "dividends as if those of the past year were paid evenly, for indices as parity has them."
)
_TICKS = 10_000.0  # to the dollar
_CLOSES = time(16)  # of a day on which the exchange is shut, for want of a better
_SOON = timedelta(minutes=1)  # before the close is the close
_QUARTER = 0.25  # years: the term whose yield stands for an index's
_THIRTY_DAYS = 30
_BESIDE = 4  # expiries on either side of thirty days that the 30-day vol looks at
_NEAREST = 8  # expiries whose parity may tell the spot, from a week on
_WEEK = 7 / 365  # years: options of the last week tell no carry


class SpotFrom(IntEnum):
    """Where the price of the underlying beside a day's quotes is from."""

    CLOSE = 0
    UNDERLYING = 1
    PARITY = 2
    NOWHERE = 3


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What the days of one underlying are worked out from, besides its quotes."""

    symbol: str
    daily: Daily
    interest: Interest


@dataclass(frozen=True, slots=True)
class Settlement:
    """The rows of one root and expiry on one day, and what until then holds for all of them.

    ``years`` are ACT/365; ``rate`` and ``dividend_yield`` per year, continuously compounded.
    """

    rows: slice
    years: float
    rate: float
    dividend_yield: float
    is_european: bool


@dataclass(frozen=True, slots=True, eq=False)
class DayBegun:
    """One day's rows, the instant of its quotes, and the underlying then.

    ``spot`` is NaN where nothing tells it, and then there are no settlements;
    ``dividend_yield``, per year, continuously compounded, is that of a quarter for an index.
    """

    day: date
    rows: slice
    at: datetime
    spot: float
    spot_from: SpotFrom
    rates: Rates
    dividend_yield: float
    settlements: tuple[Settlement, ...]


def day_begun(quotes: Columns, known: Known, place: int) -> DayBegun:
    """What must be known of a day before its vols; ``place`` is its place among the days."""
    day: date = np.datetime64(int(quotes["days"][place]), "D").item()
    rows, rates = rows_of(quotes, place), known.interest(day)
    paid = float(known.daily.yields_on(np.array([day], "M8[D]"))[0])
    at = _instant(quotes, rows, day)
    spot, source = _spot(quotes, known, rows, at, rates, paid)
    if not spot > 0:
        return DayBegun(day, rows, at, spot, source, rates, paid, ())
    chain = chain_of(quotes, rows, known.symbol, at, spot)
    settlements = _settlements(rows, chain, rates, paid)
    indices = [each for each in settlements if each.is_european]
    if indices:
        nearest = min(indices, key=lambda each: abs(each.years - _QUARTER))
        paid = nearest.dividend_yield
    return DayBegun(day, rows, at, spot, source, rates, paid, settlements)


def rows_of(quotes: Columns, place: int) -> slice:
    """The rows of one day."""
    return slice(int(quotes["starts"][place]), int(quotes["starts"][place + 1]))


def chain_of(
    quotes: Columns,
    rows: slice,
    symbol: str,
    at: datetime,
    spot: float,
    vol: Floats | None = None,
    delta: Floats | None = None,
) -> Chain:
    """The chain of some rows of one day; without a ``vol`` it has none.

    Its roots are the day's own: one that is first listed later in the year is not known yet.
    """
    none = np.full(rows.stop - rows.start, np.nan)
    codes = quotes["root"][rows].astype(np.int64)
    is_new = np.diff(codes, prepend=-1) != 0
    return Chain(
        symbol=symbol,
        as_of=at,
        spot=spot,
        quotes=Quotes.MODELLED if "MODELLED" in quotes.header["kinds"] else Quotes.QUOTED,
        roots=tuple(quotes.header["roots"][code] for code in codes[is_new].tolist()),
        root=(np.cumsum(is_new) - 1).astype(np.int8),
        expiry=quotes["expiry"][rows].astype("datetime64[D]"),
        right=quotes["right"][rows],
        strike=quotes["strike"][rows] / _TICKS,
        bid=_known(quotes["bid"][rows]) / _TICKS,
        ask=_known(quotes["ask"][rows]) / _TICKS,
        vol=none if vol is None else vol,
        delta=none if delta is None else delta,
        volume=_known(quotes["volume"][rows]),
        open_interest=_known(quotes["open_interest"][rows]),
        in_order=True,
    )


def vols_and_deltas(quotes: Columns, day: DayBegun) -> tuple[Floats, Floats]:
    """The vol and the delta of each row of a day, NaN where there is none.

    Days are solved one by one: beside other rows a vol may end elsewhere in its twelfth digit,
    and then the day's view would not be the same once another day has come.
    """
    rows = day.rows
    years, rate, paid = (np.full(rows.stop - rows.start, np.nan) for _ in range(3))
    european = np.zeros(len(years), bool)
    for each in day.settlements:
        own = slice(each.rows.start - rows.start, each.rows.stop - rows.start)
        years[own], rate[own], paid[own] = each.years, each.rate, each.dividend_yield
        european[own] = each.is_european
    bid, ask = _known(quotes["bid"][rows]), _known(quotes["ask"][rows])
    sound = (bid > 0) & (ask > bid) & (years > 0)
    mid = (bid + ask) / (2 * _TICKS)
    spot = np.full(len(years), day.spot)
    vol, delta = np.full(len(years), np.nan), np.full(len(years), np.nan)
    for some, solve, slope in _STYLES:
        at = np.flatnonzero(sound & (european == some))
        if len(at):
            right, strike = quotes["right"][rows][at], quotes["strike"][rows][at] / _TICKS
            terms = right, spot[at], strike, years[at], rate[at]
            vol[at] = solve(right, mid[at], *terms[1:], paid[at])
            delta[at] = slope(*terms, vol[at], paid[at])
    return vol, delta


def thirty_day_vol(chain: Chain, rates: Rates) -> float:
    """The 30-day vol at the forward from the expiries around 30 days; NaN if unknown."""
    days = np.unique(chain.days)
    middle = int(np.searchsorted(days, _THIRTY_DAYS))
    beside = days[max(middle - _BESIDE, 0) : middle + _BESIDE]
    if not len(beside):
        return math.nan
    near = chain.where((chain.days >= beside[0]) & (chain.days <= beside[-1]))
    return at_the_money_vol(near, rates)


# --- the instant and the underlying


def _instant(quotes: Columns, rows: slice, day: date) -> datetime:
    """When a day's snapshot was taken: the close, unless its quotes say earlier on that day."""
    close = (
        close_instant(day) if is_session(day) else datetime.combine(day, _CLOSES, MARKET_ZONE)
    )
    quoted_at = int(quotes["quoted_at"][rows.start])
    if quoted_at == NO_INSTANT:
        return close
    at = datetime.fromtimestamp(quoted_at / 1000, UTC).astimezone(MARKET_ZONE)
    return min(at, close) if at.date() == day else close


def _spot(
    quotes: Columns, known: Known, rows: slice, at: datetime, rates: Rates, paid: float
) -> tuple[float, SpotFrom]:
    """The price of the underlying at the snapshot, from the first of three that has it.

    The day's close; the price that came with the quotes, which for a snapshot from before the
    close comes first; else put-call parity's forward less its carry.
    """
    day = at.date()
    closes: tuple[float, SpotFrom] = known.daily.close_on(day), SpotFrom.CLOSE
    with_quotes = _middle(quotes["underlying"][rows]), SpotFrom.UNDERLYING
    is_early = is_session(day) and at < close_instant(day) - _SOON
    told = (with_quotes, closes) if is_early else (closes, with_quotes)
    for spot, source in told:
        if spot > 0:
            return spot, source
    spot = _parity_spot(chain_of(quotes, rows, known.symbol, at, 1.0), rates, paid)
    return spot, SpotFrom.PARITY if spot > 0 else SpotFrom.NOWHERE


def _middle(ticks: NDArray[np.int32]) -> float:
    given = ticks[ticks > 0]
    return float(np.median(given)) / _TICKS if len(given) else math.nan


def _parity_spot(chain: Chain, rates: Rates, paid: float) -> float:
    """What the first settlement beyond a week says the underlying costs; NaN if none does."""
    terms = [term for term in terms_of(chain) if term.years > _WEEK]
    for term in terms[:_NEAREST]:
        rate = rates.continuous(term.years)
        try:
            forward = parity_forward(chain.where(term.rows(chain)), term.years, rate)
        except NoQuote:
            continue
        return forward * math.exp((paid - rate) * term.years)
    return math.nan


# --- settlements


def _settlements(
    rows: slice, chain: Chain, rates: Rates, paid: float
) -> tuple[Settlement, ...]:
    """Each root and expiry of a day, with its clock and its carry."""
    root, expiry = chain.root, chain.expiry
    ends = np.flatnonzero((np.diff(root) != 0) | (np.diff(expiry).astype(int) != 0)) + 1
    found = []
    for first, stop in pairwise([0, *ends.tolist(), len(chain)]):
        name = chain.roots[root[first]]
        option = Option(name, expiry[first].item(), Decimal(1), Right.CALL)
        years = (_expires(name, option.expiry) - chain.as_of.timestamp()) / SECONDS_PER_YEAR
        if years <= 0 or option.is_adjusted:
            continue
        rate = rates.continuous(years)
        carried = paid
        if option.is_european:
            part = chain.where(np.arange(first, stop))
            carried = _parity_yield(part, years, rate, paid)
        own = slice(rows.start + first, rows.start + stop)
        found.append(Settlement(own, years, rate, carried, option.is_european))
    return tuple(found)


def _parity_yield(part: Chain, years: float, rate: float, otherwise: float) -> float:
    """The yield at which the spot's forward is the one of put-call parity."""
    try:
        forward = parity_forward(part, years, rate)
    except NoQuote:
        return otherwise
    return rate - math.log(forward / part.spot) / years if forward > 0 else otherwise


@lru_cache(maxsize=65536)
def _expires(root: str, expiry: date) -> float:
    """When the settlement price is struck, seconds since 1970."""
    return expiry_instant(Option(root, expiry, Decimal(1), Right.CALL)).timestamp()


def _known(numbers: NDArray[np.int32]) -> Floats:
    """Whole numbers as they are, NaN for the negative ones that stand for nothing."""
    return np.where(numbers < 0, np.nan, numbers)


def _european_delta(*terms: NDArray[Any]) -> Floats:
    return np.asarray(black_scholes.greeks(*terms).delta)


def _american_delta(*terms: NDArray[Any]) -> Floats:
    return np.asarray(american.price_and_delta(*terms)[1])


_STYLES = (
    (True, implied_vol, _european_delta),
    (False, american.implied_vol, _american_delta),
)
