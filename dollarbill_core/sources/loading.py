"""Chains for a backtest: modelled from the sample's prices, or real ones from a store."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dollarbill_core.market.chains import Chain, ChainDays
from dollarbill_core.market.quality import Quality
from dollarbill_core.market.view import Chains
from dollarbill_core.storage.columns import Columns
from dollarbill_core.storage.daily import (
    Interest,
    NotStored,
    daily_of,
    gaps_of,
    interest_of,
    prints_of,
    quoted_symbols,
)
from dollarbill_core.storage.derivation import SENTENCE, Known, SpotFrom
from dollarbill_core.storage.derived import chain_on, derived_year, flaws_on, quality_on
from dollarbill_core.storage.settings import load_settings
from dollarbill_core.storage.store import Store
from dollarbill_core.values.calendars import (
    FIRST_DAY,
    close_instant,
    previous_session,
    sessions,
)
from dollarbill_core.values.contracts import CASH_SETTLED_ROOTS
from dollarbill_core.values.provenance import Provenance, Quotes, fingerprint

SAMPLE, STORE = "sample", "store"

HISTORY_SESSIONS = 300  # before the first chain, for ranks and percentiles
_FIRST_HISTORY = date(FIRST_DAY.year + 2, 1, 1)  # before it the calendar has no such past
_PATIENCE = 2.0  # seconds after which a bar is shown

Progress = Callable[[int], object]  # told of rows as their vols are ready

_SPOT_WORDS = {
    SpotFrom.CLOSE: "the close",
    SpotFrom.UNDERLYING: "the price beside the quotes",
    SpotFrom.PARITY: "put-call parity's forward less its carry",
}


def load_chains(
    source: str,
    symbols: Iterable[str],
    start: date,
    end: date,
    shift: float = 0.0,
    *,
    progress: Progress | None = None,
) -> Chains:
    """Chains from ``"sample"``, which models them, or from a store of real quotes.

    Parameters
    ----------
    source
        ``"sample"``; ``"store"`` for the one that the settings name; or a store's folder or
        URL.
    symbols, start, end, shift
        As for ``sample_chains``; quotes are what they are, so none may be shifted.
    progress
        Told of rows as they are ready, in place of a bar. Only the first time does it take
        long, while our vols are worked out.

    Raises
    ------
    ValueError
        For a period that ends before it starts, or a shift of stored quotes.
    NotStored
        For a store, symbol or period without quotes; one line says what there is.
    """
    if source == SAMPLE:
        from dollarbill_core.sources.sample import (
            sample_chains,
        )  # loads scipy, a tenth of a second

        return sample_chains(symbols, start, end, shift)
    place = load_settings().data if source == STORE else source
    if shift:
        raise ValueError(f"a shift of {shift} is for modelled chains; {source} has quotes")
    with _LateBar() as bar:
        return stored_chains(Store.at(place), symbols, start, end, progress or bar)


class _LateBar:
    """A bar of rows that appears only where it takes long; else nothing is loaded for it."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._rows, self._began = 0, time.monotonic()

    def __enter__(self) -> "_LateBar":
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def __call__(self, rows: int) -> None:
        self._rows += rows
        if self._bar is not None:
            self._bar.update(rows)
        elif time.monotonic() - self._began > _PATIENCE:
            from tqdm.auto import tqdm

            told = "our vols, worked out once"
            self._bar = tqdm(desc=told, unit=" rows", unit_scale=True, leave=False)
            self._bar.update(self._rows)


def stored_chains(
    store: Store,
    symbols: Iterable[str],
    start: date,
    end: date,
    progress: Progress | None = None,
) -> Chains:
    """Chains of every session from ``start`` to ``end`` of which the store has quotes.

    A day's chain is made from the mapped columns when it is asked for. Quotes of days on which
    the exchange was shut are left out, and so are those of days on which nothing tells the
    price of the underlying. Raises as ``load_chains`` does.
    """
    if start > end:
        raise ValueError(f"the period ends before it starts: {start} to {end}")
    names = quoted_symbols(store, symbols)
    if not names:
        raise ValueError(f"name at least one symbol of {', '.join(store.symbols())}")
    interest = interest_of(store)
    quoted = {name: _quoted(store, name, interest, start, end, progress) for name in names}
    return Chains(
        days={name: each.chain_days() for name, each in quoted.items()},
        provenance=_provenance(store, quoted, interest),
        dividends={name: each.known.daily.dividends for name, each in quoted.items()},
        splits={name: each.known.daily.splits for name, each in quoted.items()},
        prints=prints_of(store),
        rates_on=interest,
        quality=tuple(each.quality() for each in quoted.values()),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Quoted:
    """One underlying's mapped columns over the years that matter.

    ``years`` holds the quotes and what was derived from them; ``days`` every day with quotes in
    these years, and ``begin`` at which of them each year begins. ``since`` is where history
    begins. ``expected`` are the sessions of the period; ``has_chain`` says of each day whether
    it is a session with a chain.
    """

    known: Known
    years: tuple[tuple[Columns, Columns], ...]
    days: NDArray[np.datetime64]
    begin: NDArray[np.int64]
    since: date
    expected: tuple[date, ...]
    in_period: NDArray[np.bool_]
    has_chain: NDArray[np.bool_]

    @property
    def served(self) -> tuple[date, ...]:
        """Sessions of the period that have a chain."""
        days: list[date] = self.days[self.has_chain & self.in_period].tolist()
        return tuple(days)

    def figures(self, name: str) -> NDArray[Any]:
        """A derived figure of every day, shape (days,)."""
        return np.concatenate([derived[name] for _, derived in self.years])

    def place(self, day: int) -> tuple[Columns, Columns, int]:
        """The columns that hold the ``day``-th of all days, and its place among theirs."""
        year = int(np.searchsorted(self.begin, day, "right")) - 1
        return *self.years[year], day - int(self.begin[year])

    def chain(self, day: date) -> Chain:
        """The chain of a session; a day without one is a mistake of the caller."""
        quotes, derived, place = self.place(self._number(day))
        return chain_on(quotes, derived, self.known.symbol, place)

    def flaws(self, day: date) -> NDArray[np.bool_]:
        """Which rows of that chain nobody should have traded at."""
        return flaws_on(*self.place(self._number(day)))

    def _number(self, day: date) -> int:
        return int(np.searchsorted(self.days, np.datetime64(day, "D")))

    def chain_days(self) -> ChainDays:
        """Closes, 30-day vols and yields up to the last chain; a chain when asked for."""
        served, daily = self.served, self.known.daily
        some = self.has_chain & (self.days <= np.datetime64(served[-1], "D"))
        own = self.days[some]
        closed = (daily.days >= np.datetime64(self.since, "D")) & (daily.days <= own[-1])
        days = np.union1d(daily.days[closed], own)
        closes, vols = np.full(len(days), np.nan), np.full(len(days), np.nan)
        yields = daily.yields_on(days)
        at = np.searchsorted(days, own)
        closes[at], vols[at] = self.figures("spot")[some], self.figures("at_the_money")[some]
        yields[at] = self.figures("dividend_yield")[some]
        closes[np.searchsorted(days, daily.days[closed])] = daily.closes[closed]
        chain = lru_cache(maxsize=8)(self.chain)
        symbol, flaws = self.known.symbol, self.flaws
        return ChainDays(symbol, served, chain, days, closes, vols, yields=yields, flaws=flaws)

    def quality(self) -> Quality:
        """Of the period's days with a chain, and those with quotes on which nobody traded."""
        shut = ~np.isin(self.days, np.array(self.expected, "M8[D]"))
        judged = np.flatnonzero(self.in_period & (self.has_chain | shut))
        found = tuple(quality_on(*self.place(day)) for day in judged.tolist())
        return Quality(self.known.symbol, found, self.expected)


def _quoted(
    store: Store,
    symbol: str,
    interest: Interest,
    start: date,
    end: date,
    progress: Progress | None,
) -> _Quoted:
    """The columns of one underlying from some months before ``start``, for statistics."""
    known = Known(symbol, daily_of(store, symbol), interest)
    earliest = (
        previous_session(start, HISTORY_SESSIONS) if start > _FIRST_HISTORY else FIRST_DAY
    )
    wanted = [year for year in store.years(symbol) if earliest.year <= year <= end.year]
    years = [derived_year(store, known, year, progress) for year in wanted]
    counts = [len(quotes["days"]) for quotes, _ in years]
    parts = [np.empty(0, "M8[D]"), *(quotes["days"].astype("M8[D]") for quotes, _ in years)]
    days, spots = np.concatenate(parts), [derived["spot"] for _, derived in years]
    expected = sessions(start, end)
    first, last = np.datetime64(start, "D"), np.datetime64(end, "D")
    open_days = np.array(sessions(earliest, end), "M8[D]")
    found = _Quoted(
        known,
        tuple(years),
        days,
        np.cumsum([0, *counts[:-1]]),
        earliest,
        expected,
        (days >= first) & (days <= last),
        np.isin(days, open_days) & (np.concatenate([[], *spots]) > 0),
    )
    if not found.served:
        raise NotStored(_nothing_served(store, found, start, end))
    return found


def _nothing_served(store: Store, found: _Quoted, start: date, end: date) -> str:
    """Why there is no chain in the period, in one line."""
    symbol = found.known.symbol
    if found.in_period.any():
        return (
            f"{store.place.name} has quotes of {symbol} from {start} to {end}, but no price of "
            f"{symbol} itself: import its daily prices with dollarbill data import"
        )
    parts = [part for part in store.parts("quotes") if part.symbol == symbol]
    first, last = min(part.first for part in parts), max(part.last for part in parts)
    return f"no quotes of {symbol} from {start} to {end}: they run from {first} to {last}"


# --- what stands on the face of a result


def _provenance(store: Store, quoted: Mapping[str, _Quoted], interest: Interest) -> Provenance:
    headers = [quotes.header for each in quoted.values() for quotes, _ in each.years]
    sources = sorted({name for header in headers for name in header["sources"]})
    modelled = any("MODELLED" in header["kinds"] for header in headers)
    used = [derived.header["digest"] for each in quoted.values() for _, derived in each.years]
    bare = [name for name, each in quoted.items() if _is_bare(each.known)]
    days = sorted({day for each in quoted.values() for day in each.served})
    period = [(each.expected[0], each.expected[-1]) for each in quoted.values()]
    return Provenance(
        source=f"{_title(store)}: {', '.join(sources)}",
        quotes=Quotes.MODELLED if modelled else Quotes.QUOTED,
        as_of=close_instant(days[-1]),
        data_hash=fingerprint([used, period]),
        warnings=("NO DIVIDENDS",) if bare else (),
        assumptions=(
            SENTENCE,
            *_spot_sentences(quoted),
            interest.sentence(days),
            *_bare_sentences(bare),
            *_dropped_sentences(quoted),
            *_gap_sentences(store, quoted),
            *_rejected_sentences(store),
        ),
    )


def _title(store: Store) -> str:
    """The store's folder without the path to it, or its URL."""
    is_folder = store.place.filesystem is None
    return Path(store.place.name).name if is_folder else store.place.name


def _is_bare(known: Known) -> bool:
    """Whether no daily prices are stored of something that may pay dividends."""
    return not known.daily.digest and known.symbol not in CASH_SETTLED_ROOTS.values()


def _bare_sentences(symbols: Sequence[str]) -> tuple[str, ...]:
    if not symbols:
        return ()
    return (
        f"No daily prices of {', '.join(symbols)} are stored: no dividend and no split of "
        "theirs is known.",
    )


def _spot_sentences(quoted: Mapping[str, _Quoted]) -> tuple[str, ...]:
    """Which price stands beside each day's quotes."""
    used: Counter[SpotFrom] = Counter()
    for each in quoted.values():
        served = each.figures("spot_from")[each.has_chain & each.in_period]
        used.update(SpotFrom(code) for code in served.tolist())
    parts = (f"{_SPOT_WORDS[key]} on {_days(used[key])}" for key in SpotFrom if used[key])
    return (f"The price of the underlying beside a day's quotes is {', '.join(parts)}.",)


def _dropped_sentences(quoted: Mapping[str, _Quoted]) -> tuple[str, ...]:
    """Days that have quotes and are left out, and why."""
    sentences = []
    for symbol, each in quoted.items():
        left_out = each.in_period & ~each.has_chain
        shut = ~np.isin(each.days, np.array(each.expected, "M8[D]"))
        reasons = (
            (int((left_out & shut).sum()), "on which the exchange was shut"),
            (int((left_out & ~shut).sum()), "on which nothing tells its price"),
        )
        told = [f"{_days(count)} {why}" for count, why in reasons if count]
        if told:
            sentences.append(f"{symbol}: left out are quotes of {' and '.join(told)}.")
    return tuple(sentences)


def _gap_sentences(store: Store, quoted: Mapping[str, _Quoted]) -> tuple[str, ...]:
    """Sessions of the period that the collector missed, the first with its reason."""
    sentences = []
    for symbol, each in quoted.items():
        known, there = gaps_of(store, symbol), set(each.served)
        missed = [day for day in each.expected if day in known and day not in there]
        if missed:
            sentences.append(
                f"{symbol}: the collector missed {_days(len(missed))}, first {missed[0]}: "
                f"{known[missed[0]]}."
            )
    return tuple(sentences)


def _rejected_sentences(store: Store) -> tuple[str, ...]:
    """How many rows imports into this store have refused; the files of rejects say which."""
    is_folder = store.place.filesystem is None
    folder = (Path(store.place.name) if is_folder else store.local) / "rejects"
    count = sum(file.read_bytes().count(b"\n") - 1 for file in folder.glob("*.csv"))
    if not count:
        return ()
    return (f"Imports into this store rejected {count:,} row{'s' * (count != 1)}.",)


def _days(count: int) -> str:
    return f"{count:,} day{'s' * (count != 1)}"
