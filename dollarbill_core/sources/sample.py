"""Real daily prices that ship inside packages, and option chains modelled from them.

The S&P 500 (arch: closes 1999 to 2018, the VIX 2014 to 2018) is the flagship, cash-settled and
European. skfolio's twenty stocks are adjusted for splits and dividends, so they stand here as
total-return underlyings. Only closes of the day and before shape a day's chain.
"""

import csv
import gzip
import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from datetime import date
from difflib import get_close_matches
from functools import cache, lru_cache, partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from dollarbill_core.market.chains import ChainDays, Floats, NoChains
from dollarbill_core.market.modelled import (
    INDEX_DIVIDEND_YIELD,
    INDEX_WIDTHS,
    STOCK_WIDTHS,
    Underlying,
    modelled_chain,
    underlying,
)
from dollarbill_core.market.realised import realised_vol
from dollarbill_core.market.shapes import INDEX_SHAPE, STOCK_SHAPE
from dollarbill_core.market.view import Chains
from dollarbill_core.values.calendars import close_instant
from dollarbill_core.values.provenance import Provenance, Quotes, fingerprint

INDEX = "SPX"
STOCKS = (
    "AAPL", "AMD", "BAC", "BBY", "CVX", "GE", "HD", "JNJ", "JPM", "KO",
    "LLY", "MRK", "MSFT", "PEP", "PFE", "PG", "RRC", "UNH", "WMT", "XOM",
)  # fmt: skip
SYMBOLS: tuple[str, ...] = (INDEX, *STOCKS)

DEFAULT_PREMIUM = 0.02  # implied less realised vol, where no VIX tells
LEAST_VOL = 0.04  # the level never falls below it
FIRST_PRICE = 100.0  # what a stock costs on the first day asked for
HIGHEST_PRICE = 10_000.0  # beyond it, strikes by today's listing rules make no sense
# 30-day vol at the money over the VIX of the same modelled chain: at a VIX of 0, and the change
# per 1.0 of VIX. Found on chains of INDEX_SHAPE, 2014 to 2018; a test checks every day.
AT_THE_MONEY_PER_VIX = (0.8769, -0.0375)

_REALISED_SESSIONS = 21
_HISTORY_SESSIONS = 300  # before the first chain, for ranks and percentiles
_INDEX_ROOT = "SPXW"

_INDEX_SOURCE = "S&P 500 and VIX in arch"
_STOCK_SOURCE = "adjusted stock prices in skfolio"
_MODEL_SENTENCES = (
    "Nobody quoted these options: a model makes them from each day's close and earlier ones.",
    "Smile and term structure follow SPX quotes of 3 to 7 January 2011, as do SPX spreads.",
    "Options are priced with the target federal funds rate of the day, for every term.",
)
_INDEX_SENTENCES = (
    "All SPX options are listed as SPXW, which settle on the close; the real monthlies settle "
    "on the open, and that print is not in the data.",
    f"The index pays dividends at {INDEX_DIVIDEND_YIELD:.1%} a year.",
)
_STOCK_SENTENCES = (
    "Stock prices include dividends and splits and start at 100: they are total returns, not "
    "prices at which anybody traded.",
    "The twenty stocks are known to have lasted until 2022; those that failed are missing.",
    "Stock options are American, with a milder smile and spreads that are assumed.",
)


def sample_chains(symbols: Iterable[str], start: date, end: date, shift: float = 0.0) -> Chains:
    """Chains of every session from ``start`` to ``end``, made when a day is asked for.

    Parameters
    ----------
    symbols
        From ``SYMBOLS``.
    start, end
        Both included; they need not be sessions.
    shift
        Added to every day's 30-day vol at the money, a fraction: 0.02 is two points. Without it
        that vol is trailing 21-session realised vol plus ``DEFAULT_PREMIUM``, but on days with
        an official VIX the SPX chain is the one from which Cboe's method gives that VIX. So a
        shift asks what chains that carry more or less premium would have earned.

    Raises
    ------
    ValueError
        For an unknown symbol, a period outside the data, or an impossible premium.
    """
    names = _checked_symbols(symbols)
    if not -1 < shift < 1:
        raise ValueError(f"shift is a fraction, 0.02 for two points of vol; got {shift}")
    days = {name: _chain_days(_underlying(name, shift), start, end) for name in names}
    return Chains(days, _provenance(days, shift))


def carried_premium(days: ChainDays) -> float:
    """Average over the chains of 30-day at-the-money vol less 21-session realised vol.

    A fraction: 0.029 is 2.9 points. NaN where it is known on no session.
    """
    gaps = days.vols - realised_vol(days.closes, _REALISED_SESSIONS)
    within = np.isin(days.days, np.array(days.sessions, dtype="datetime64[D]"))
    known = gaps[within & np.isfinite(gaps)]
    return float(known.mean()) if len(known) else math.nan


def premium_of(chains: Chains) -> float | None:
    """The premium that modelled chains carry, averaged over symbols; None for real quotes.

    A fraction, see ``carried_premium``.
    """
    if chains.provenance.quotes is Quotes.QUOTED:
        return None
    return float(np.mean([carried_premium(days) for days in chains.days.values()]))


def _checked_symbols(symbols: Iterable[str]) -> tuple[str, ...]:
    names = (symbols,) if isinstance(symbols, str) else tuple(dict.fromkeys(symbols))
    if not names:
        raise ValueError(f"name at least one symbol of {', '.join(SYMBOLS)}")
    for name in names:
        if name not in SYMBOLS:
            near = get_close_matches(str(name).upper(), SYMBOLS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(SYMBOLS)}"
            raise NoChains(f"the sample has no {name!r}; {hint}")
    return names


def _underlying(symbol: str, shift: float) -> Underlying:
    return _index(shift) if symbol == INDEX else _stock(symbol, shift)


@lru_cache(maxsize=32)
def _index(shift: float) -> Underlying:
    days, closes = _index_closes()
    vix = _official_vix()
    official = np.array([vix.get(day, math.nan) / 100 for day in days])
    at_zero, slope = AT_THE_MONEY_PER_VIX
    anchored = official * (at_zero + slope * official)
    levels = np.where(np.isnan(official), _trailing_levels(closes), anchored)
    return underlying(INDEX, _INDEX_ROOT, days, closes, _shifted(levels, shift))


@lru_cache(maxsize=64)
def _stock(symbol: str, shift: float) -> Underlying:
    days, table = _stock_closes()
    closes = table[:, STOCKS.index(symbol)]
    levels = _shifted(_trailing_levels(closes), shift)
    return underlying(symbol, symbol, days, closes, levels)


def _trailing_levels(closes: Floats) -> Floats:
    """30-day vol at the money: realised over the last 21 sessions, plus the premium."""
    return realised_vol(closes, _REALISED_SESSIONS) + DEFAULT_PREMIUM


def _shifted(levels: Floats, shift: float) -> Floats:
    moved: Floats = np.maximum(levels + shift, LEAST_VOL)
    return moved


def _chain_days(known: Underlying, start: date, end: date) -> ChainDays:
    first, stop = _places(known, start, end)
    if not known.is_index:
        known = known.rescaled(FIRST_PRICE / float(known.closes[first]))
        if known.closes[first:stop].max() > HIGHEST_PRICE:
            raise NoChains(
                f"{known.symbol} grows beyond {HIGHEST_PRICE:,.0f} from {FIRST_PRICE:.0f} on "
                f"{known.days[first]}: ask for a shorter period"
            )
    history = slice(max(first - _HISTORY_SESSIONS, 0), stop)
    return ChainDays(
        symbol=known.symbol,
        sessions=known.days[first:stop],
        chain=lru_cache(maxsize=8)(partial(modelled_chain, known)),
        days=np.array(known.days[history], dtype="datetime64[D]"),
        closes=known.closes[history],
        vols=known.levels[history],
        dividend_yield=known.dividend_yield,
    )


def _places(known: Underlying, start: date, end: date) -> tuple[int, int]:
    """First and one past the last session asked for, or one line on what cannot be had."""
    if start > end:
        raise ValueError(f"the period ends before it starts: {start} to {end}")
    earliest, latest = known.days[_REALISED_SESSIONS], known.days[-1]
    if start < earliest or end > latest:
        raise NoChains(
            f"{known.symbol}: chains can be modelled from {earliest} to {latest}, "
            f"asked for {start} to {end}"
        )
    first, stop = bisect_left(known.days, start), bisect_right(known.days, end)
    if first == stop:
        raise NoChains(f"{known.symbol}: no session from {start} to {end}")
    return first, stop


def _provenance(days: Mapping[str, ChainDays], shift: float) -> Provenance:
    has_index, has_stocks = INDEX in days, any(symbol in STOCKS for symbol in days)
    used = {symbol: (each.days, each.closes, each.vols) for symbol, each in days.items()}
    model = (INDEX_SHAPE, STOCK_SHAPE, INDEX_WIDTHS, STOCK_WIDTHS, INDEX_DIVIDEND_YIELD)
    sources = [_INDEX_SOURCE] * has_index + [_STOCK_SOURCE] * has_stocks
    return Provenance(
        source="sample: " + ", ".join(sources),
        quotes=Quotes.MODELLED,
        as_of=close_instant(max(each.sessions[-1] for each in days.values())),
        data_hash=fingerprint([used, model]),
        warnings=("NO DIVIDENDS", "SURVIVORS") if has_stocks else (),
        assumptions=(
            *_premium_sentences(days, shift),
            *_MODEL_SENTENCES,
            *(_INDEX_SENTENCES if has_index else ()),
            *(_STOCK_SENTENCES if has_stocks else ()),
        ),
    )


def _premium_sentences(days: Mapping[str, ChainDays], shift: float) -> tuple[str, ...]:
    """The volatility premium that these chains assume, in words."""
    added = 100 * (DEFAULT_PREMIUM + shift)
    trailing = f"realised vol of the last {_REALISED_SESSIONS} sessions plus {added:.1f} points"
    index = days.get(INDEX)
    known = set(index.sessions) & _official_vix().keys() if index else set()
    plain = [symbol for symbol in days if not (symbol == INDEX and known)]
    sentences = []
    if index and known:
        carried = f"{100 * carried_premium(index):.1f} points above realised vol on average"
        moved = f", moved by {100 * shift:+.1f} points" if shift else ""
        rest = len(index.sessions) - len(known)
        others = f", on the {rest} others {trailing}" if rest else ""
        sentences.append(
            f"{INDEX}: 30-day vol at the money follows the official VIX on {len(known)} days"
            f"{moved}{others}; {carried}."
        )
    if plain:
        names = ", ".join(plain)
        sentences.append(
            f"{names}: 30-day vol at the money is {trailing}, at least {LEAST_VOL:.0%}."
        )
    return tuple(sentences)


@cache
def _index_closes() -> tuple[tuple[date, ...], Floats]:
    rows = _table("arch", "data/sp500/sp500.csv.gz")
    column = rows[0].index("Close")
    closes = np.array([float(row[column]) for row in rows[1:]])
    return tuple(_american(row[0]) for row in rows[1:]), closes


@cache
def _official_vix() -> dict[date, float]:
    """The VIX at the close, percent, by day; a dot stands for no value."""
    rows = _table("arch", "data/vix/vix.csv.gz")
    return {_american(day): float(value) for day, value in rows[1:] if value != "."}


@cache
def _stock_closes() -> tuple[tuple[date, ...], Floats]:
    """Days, and adjusted prices of shape (days, stocks)."""
    rows = _table("skfolio", "datasets/data/sp500_dataset.csv.gz")
    columns = [rows[0].index(symbol) for symbol in STOCKS]
    prices = [[float(row[column]) for column in columns] for row in rows[1:]]
    return tuple(date.fromisoformat(row[0]) for row in rows[1:]), np.array(prices)


def _american(text: str) -> date:
    month, day, year = text.split("/")
    return date(int(year), int(month), int(day))


def _table(package: str, path: str) -> list[list[str]]:
    """A gzipped CSV that ships in a package, found without importing the package."""
    found = find_spec(package)
    if found is None or found.origin is None:
        raise ValueError(f"the sample prices ship in {package}, which is not installed")
    with gzip.open(Path(found.origin).parent / path, "rt", encoding="utf-8") as file:
        return list(csv.reader(file))
