"""What we make of stored quotes: our own vols and deltas, and each day's spot, vol and quality.

They are worked out once for a symbol and year, by threads over stretches of days, and kept in a
column file whose name holds the digests of all that went in: quotes, closes and dividends,
interest, and the version of the derivation. So what was derived from other data, or by other
code, is never found.

============================ ========= ===================================================
array                        kind      what it holds
============================ ========= ===================================================
vol delta                    float64   one value a row, NaN where there is none
spot                         float64   dollars per share at the chain's instant, one a day
spot_from                    int8      where it is from, a ``SpotFrom``, one a day
as_of                        int64     the chain's instant, ms since 1970, one a day
at_the_money                 float64   30-day vol at the forward, NaN if unknown, one a day
dividend_yield               float64   per year, continuously compounded, one a day
flaw                         bool      whether nobody should trade at it, one a row
score                        float64   of the day's quality, 0 to 1, one a day
counts                       int64     ``quality.counts_array`` of each day, one after another
============================ ========= ===================================================
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dollarbill_core.market.chains import Chain, Floats, NoQuote
from dollarbill_core.market.faults import Fault
from dollarbill_core.market.ladders import Booleans
from dollarbill_core.market.quality import (
    DayQuality,
    counts_array,
    day_judged,
    day_quality_from,
)
from dollarbill_core.storage.catalog import Damaged
from dollarbill_core.storage.columns import Columns, DamagedColumns, mapped
from dollarbill_core.storage.daily import kept
from dollarbill_core.storage.derivation import (
    DayBegun,
    Known,
    chain_of,
    day_begun,
    rows_of,
    thirty_day_vol,
    vols_and_deltas,
)
from dollarbill_core.storage.quote_columns import quote_columns
from dollarbill_core.storage.store import Store
from dollarbill_core.values.calendars import MARKET_ZONE, is_session

VERSION = 2  # raised when other numbers come out of the same data

_STRETCH = 10  # days that a thread works out in a row: one more chain is made for each
_MS = 1000.0

Progress = Callable[[int], object]  # told of rows as they become ready


def derived_year(
    store: Store, known: Known, year: int, progress: Progress | None = None
) -> tuple[Columns, Columns]:
    """The quotes of a year and what follows from them; its first day follows the year before.

    Raises
    ------
    MissingQuotes, Damaged
        As ``quote_columns`` does.
    """
    quotes = quote_columns(store, known.symbol, year)
    before = _year_before(store, known.symbol, year)
    return quotes, derived_columns(store.local, quotes, known, progress, before)


def _year_before(store: Store, symbol: str, year: int) -> Columns | None:
    """The quotes of the year before, if there are any that can be read."""
    if year - 1 not in store.years(symbol):
        return None
    try:
        return quote_columns(store, symbol, year - 1)
    except Damaged:
        return None


def derived_columns(
    local: Path,
    quotes: Columns,
    known: Known,
    progress: Progress | None = None,
    before: Columns | None = None,
) -> Columns:
    """What follows from one symbol's quotes of a year, mapped; worked out first if need be.

    Parameters
    ----------
    local
        The store's folder for caches.
    quotes, before
        As ``quote_columns`` gives them, of the year and of the one before: its last day tells
        what stands still or is gone on the first of this one.
    progress
        Told of rows as they are done.
    """
    digest = _digest(quotes, known, before)
    stem = f"{known.symbol}-{quotes.header['year']}-"
    file = local / "derived" / f"{stem}{digest}.columns"
    try:
        found = mapped(file)
    except (FileNotFoundError, DamagedColumns):
        arrays = _derived(quotes, known, progress, before)
        header = {"digest": digest, "rows": int(quotes.header["rows"])}
        return kept(file, stem, arrays, header)
    if progress is not None:
        progress(int(found.header["rows"]))
    return found


def _digest(quotes: Columns, known: Known, before: Columns | None) -> str:
    """Changes with all that a year's derivation rests on."""
    year = int(quotes.header["year"])
    begin, end = date(year, 1, 1), date(year, 12, 31)
    if before is not None:
        begin = _day(before, -1)
    parts = (
        str(VERSION),
        ",".join(Fault),
        str(quotes.header["digest"]),
        "" if before is None else str(before.header["digest"]),
        known.daily.digest_within(begin, end),
        known.interest.digest_within(begin, end),
    )
    return sha256("|".join(parts).encode()).hexdigest()


def _day(quotes: Columns, place: int) -> date:
    day: date = np.datetime64(int(quotes["days"][place]), "D").item()
    return day


def chain_on(quotes: Columns, derived: Columns, symbol: str, place: int) -> Chain:
    """The chain of one day: ``place`` is that of the day among ``quotes["days"]``.

    Raises
    ------
    NoQuote
        If the day has no price of the underlying.
    """
    rows, spot = rows_of(quotes, place), float(derived["spot"][place])
    at = datetime.fromtimestamp(float(derived["as_of"][place]) / _MS, MARKET_ZONE)
    if not spot > 0:
        raise NoQuote(f"{symbol}: no price of the underlying on {at:%Y-%m-%d}")
    return chain_of(
        quotes, rows, symbol, at, spot, derived["vol"][rows], derived["delta"][rows]
    )


def quality_on(quotes: Columns, derived: Columns, place: int) -> DayQuality:
    """The quality of one day, as it was counted when the day was derived."""
    size = len(derived["counts"]) // len(derived["score"])
    counts = derived["counts"][place * size : (place + 1) * size]
    rows = rows_of(quotes, place)
    score = float(derived["score"][place])
    return day_quality_from(_day(quotes, place), rows.stop - rows.start, counts, score)


def flaws_on(quotes: Columns, derived: Columns, place: int) -> Booleans:
    """Which rows of a day's chain nobody should have traded at, as ``quality.day_judged``."""
    flaws: Booleans = derived["flaw"][rows_of(quotes, place)]
    return flaws


# --- the derivation, a stretch of days at a time


class _Stretch(NamedTuple):
    """What was worked out for some days: rows, then days."""

    vol: Floats
    delta: Floats
    flaw: Booleans
    spot: Floats
    spot_from: NDArray[np.int8]
    as_of: NDArray[np.int64]
    at_the_money: Floats
    dividend_yield: Floats
    score: Floats
    counts: NDArray[np.int64]


def _derived(
    quotes: Columns, known: Known, progress: Progress | None, before: Columns | None
) -> dict[str, NDArray[Any]]:
    days = range(len(quotes["days"]))
    parts = [days[first : first + _STRETCH] for first in range(0, len(days), _STRETCH)]

    def worked_out(places: range) -> _Stretch:
        found = _stretch(quotes, known, places, before)
        if progress is not None:
            progress(len(found.vol))
        return found

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        found = list(threads.map(worked_out, parts))
    return {
        name: np.concatenate([getattr(each, name) for each in found])
        for name in _Stretch._fields
    }


def _stretch(quotes: Columns, known: Known, places: range, before: Columns | None) -> _Stretch:
    """Vols and deltas of some days' rows, and what each day's chain says."""
    days = [day_begun(quotes, known, place) for place in places]
    solved = [vols_and_deltas(quotes, day) for day in days]
    previous = _chain_before(quotes, known, places[0], before)
    levels, judged = [], []
    for day, (vol, delta) in zip(days, solved, strict=True):
        chain = _chain(quotes, known, day, vol, delta)
        levels.append(thirty_day_vol(chain, day.rates) if chain is not None else np.nan)
        judged.append(_judged(quotes, known, day, chain, previous))
        previous = chain
    return _Stretch(
        np.concatenate([vol for vol, _ in solved]),
        np.concatenate([delta for _, delta in solved]),
        np.concatenate([flaws for _, flaws in judged]),
        np.array([day.spot for day in days]),
        np.array([day.spot_from for day in days], np.int8),
        np.array([round(day.at.timestamp() * _MS) for day in days], np.int64),
        np.array(levels),
        np.array([day.dividend_yield for day in days]),
        np.array([quality.score for quality, _ in judged]),
        np.concatenate([counts_array(quality) for quality, _ in judged]),
    )


def _chain(
    quotes: Columns, known: Known, day: DayBegun, vol: Floats, delta: Floats
) -> Chain | None:
    """A day's chain; None where nothing tells the price of the underlying."""
    if not day.spot > 0:
        return None
    return chain_of(quotes, day.rows, known.symbol, day.at, day.spot, vol, delta)


def _chain_before(
    quotes: Columns, known: Known, place: int, before: Columns | None
) -> Chain | None:
    """The chain of the day before, without vols; None on the first day of all."""
    if not place:
        last = 0 if before is None else len(before["days"])
        return None if before is None else _chain_before(before, known, last, None)
    day = day_begun(quotes, known, place - 1)
    none = np.full(day.rows.stop - day.rows.start, np.nan)
    return _chain(quotes, known, day, none, none)


def _judged(
    quotes: Columns, known: Known, day: DayBegun, chain: Chain | None, previous: Chain | None
) -> tuple[DayQuality, Booleans]:
    """How good the day is; a day without a price of its underlying is good for nothing."""
    if chain is None:
        found = {} if is_session(day.day) else {Fault.HOLIDAY: 1}
        rows = day.rows.stop - day.rows.start
        return DayQuality(day.day, rows, found, 0.0), np.ones(rows, bool)
    since = day.day if previous is None else previous.as_of.date()
    return day_judged(
        chain,
        previous,
        rates=day.rates,
        dividend_yield=day.dividend_yield,
        vendor_vol=quotes["vendor_vol"][day.rows],
        is_session=is_session(day.day),
        split=known.daily.shares_on(day.day, since),
    )
