"""The check of a store: damaged files, days that are missing, and the quality of every day."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from dollarbill_core.market.quality import DayQuality, Quality
from dollarbill_core.storage.catalog import Damaged
from dollarbill_core.storage.columns import Columns
from dollarbill_core.storage.daily import Daily, Interest, daily_of, interest_of, quoted_symbols
from dollarbill_core.storage.derivation import Known
from dollarbill_core.storage.derived import derived_year, quality_on
from dollarbill_core.storage.gaps import Gap, open_gaps
from dollarbill_core.storage.quote_columns import NO_INSTANT
from dollarbill_core.storage.store import Store
from dollarbill_core.values.calendars import sessions

# Of the close: what a quarter of an hour moves; see ``day_faults.apart_allowed``.
APART = 0.0025
_TICKS = 10_000.0  # to the dollar
_NAMED = 5  # things of a kind that a sentence names

Progress = Callable[[str, int, int], object]  # told of the symbol, and of years done of all


@dataclass(frozen=True, slots=True)
class TwoPrices:
    """A day on which the close and the price beside the quotes differ, dollars per share."""

    day: date
    close: float
    beside: float

    def __str__(self) -> str:
        apart = self.beside / self.close - 1
        return f"{self.day} {self.beside:,.2f} beside {self.close:,.2f} ({apart:+.1%})"


@dataclass(frozen=True, slots=True)
class SymbolCheck:
    """What was found of one symbol.

    Attributes
    ----------
    quality
        Coverage, score and faults; days are those with quotes and a price of the underlying.
    gaps
        Missing sessions that were written down, with the reason.
    apart
        Days on which close and price beside the quotes differ by more than ``APART``.
    unpriced
        Days with quotes on which nothing tells the price of the underlying.
    idle
        Sessions with a close and without quotes.
    """

    quality: Quality
    gaps: tuple[tuple[date, str], ...] = ()
    apart: tuple[TwoPrices, ...] = ()
    unpriced: tuple[date, ...] = ()
    idle: tuple[date, ...] = ()

    def sentences(self) -> tuple[str, ...]:
        """Plain lines: the quality's, then what else was found."""
        lines = list(self.quality.sentences())
        told: tuple[tuple[str, Iterable[object]], ...] = (
            ("written down as missing", [f"{day} ({why})" for day, why in self.gaps]),
            ("the close is another than the price beside the quotes", self.apart),
            ("nothing tells the price of the underlying", self.unpriced),
            ("a close, but no quotes", self.idle),
        )
        lines += [f"{what}: {_listed(things)}." for what, things in told if things]
        return tuple(line[0].upper() + line[1:] for line in lines)


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found: symbol by symbol, and the files that are damaged."""

    name: str
    symbols: tuple[SymbolCheck, ...]
    damage: tuple[str, ...] = field(default=())

    @property
    def qualities(self) -> tuple[Quality, ...]:
        return tuple(each.quality for each in self.symbols)

    @property
    def is_whole(self) -> bool:
        """Whether every file is as it was written and every session has its chain."""
        return not self.damage and all(quality.coverage == 1 for quality in self.qualities)

    @property
    def exit_code(self) -> int:
        """0, or 3 where something is damaged or missing."""
        return 0 if self.is_whole else 3

    def sentences(self) -> tuple[str, ...]:
        """The whole check in plain lines, damage first."""
        damaged = [f"Damaged: {each}" for each in self.damage]
        return tuple(damaged + [line for each in self.symbols for line in each.sentences()])


def check(
    store: Store,
    symbols: Iterable[str] = (),
    start: date | None = None,
    end: date | None = None,
    *,
    progress: Progress | None = None,
) -> Checked:
    """Every file read, every day of quotes judged, one symbol and year in memory at a time.

    What a day is worth is kept with the vols that are worked out on the way, so a check makes
    the first backtest fast, and the second check.

    Parameters
    ----------
    symbols
        Those to look at; all of the store without.
    start, end
        Both included; by default each symbol's first and last day with quotes.
    progress
        Told of the symbol, and of years done of all its years, before each and at the end.

    Raises
    ------
    NotStored
        For an empty store, or a symbol it does not have.
    ValueError
        If ``end`` lies before ``start``.
    """
    if start and end and start > end:
        raise ValueError(f"the period ends before it starts: {start} to {end}")
    names = quoted_symbols(store, symbols) or store.symbols()
    interest, written = _interest(store), _gaps(store)
    found = []
    for name in names:
        known = Known(name, _daily(store, name), interest)
        gaps = tuple((gap.day, gap.why) for gap in written if gap.symbol == name)
        found.append(_symbol_check(store, known, (start, end), gaps, progress))
    return Checked(store.place.name, tuple(found), store.damage())


def _interest(store: Store) -> Interest:
    """The store's interest, or the Federal Reserve's target where its file is damaged."""
    try:
        return interest_of(store)
    except Damaged:
        return Interest()


def _daily(store: Store, symbol: str) -> Daily:
    """The symbol's closes; none where their file is damaged, which is told by itself."""
    try:
        return daily_of(store, symbol)
    except Damaged:
        return Daily(np.empty(0, "M8[D]"), np.empty(0), np.empty(0))


def _gaps(store: Store) -> tuple[Gap, ...]:
    try:
        return open_gaps(store)
    except Damaged:
        return ()


# --- one symbol, a year at a time


@dataclass(slots=True)
class _Found:
    """What the years of one symbol add up to."""

    days: list[DayQuality] = field(default_factory=list)
    apart: list[TwoPrices] = field(default_factory=list)
    unpriced: list[date] = field(default_factory=list)


def _symbol_check(
    store: Store,
    known: Known,
    period: tuple[date | None, date | None],
    gaps: tuple[tuple[date, str], ...],
    progress: Progress | None,
) -> SymbolCheck:
    name = known.symbol
    parts = [part for part in store.parts("quotes") if part.symbol == name]
    first = period[0] or min(part.first for part in parts)
    last = period[1] or max(part.last for part in parts)
    years = [year for year in store.years(name) if first.year <= year <= last.year]
    found = _Found()
    for done, year in enumerate(years):
        if progress is not None:
            progress(name, done, len(years))
        _add_year(found, store, known, year, (first, last))
    if progress is not None:
        progress(name, len(years), len(years))
    quality = Quality(name, tuple(found.days), sessions(first, last))
    return SymbolCheck(
        quality,
        tuple((day, why) for day, why in gaps if first <= day <= last),
        tuple(found.apart),
        tuple(found.unpriced),
        _idle(known.daily, quality, found.unpriced),
    )


def _add_year(
    found: _Found, store: Store, known: Known, year: int, period: tuple[date, date]
) -> None:
    """Judge every day of one year; a year whose file is damaged has no day."""
    try:
        quotes, derived = derived_year(store, known, year)
    except Damaged:
        return
    for place, number in enumerate(quotes["days"].tolist()):
        day: date = np.datetime64(number, "D").item()
        if not period[0] <= day <= period[1]:
            continue
        if not derived["spot"][place] > 0:
            found.unpriced.append(day)
            continue
        found.days.append(quality_on(quotes, derived, place))
        prices = _two_prices(quotes, place, day, known.daily)
        if prices is not None:
            found.apart.append(prices)


def _two_prices(quotes: Columns, place: int, day: date, daily: Daily) -> TwoPrices | None:
    """Close and price beside the quotes, where both are of the close and differ."""
    rows = slice(int(quotes["starts"][place]), int(quotes["starts"][place + 1]))
    beside = quotes["underlying"][rows]
    beside, close = beside[beside > 0], daily.close_on(day)
    if not len(beside) or not close > 0 or quotes["quoted_at"][rows][0] != NO_INSTANT:
        return None
    price = float(np.median(beside)) / _TICKS
    return TwoPrices(day, close, price) if abs(price / close - 1) > APART else None


def _idle(daily: Daily, quality: Quality, unpriced: Iterable[date]) -> tuple[date, ...]:
    """Missing sessions on which the underlying traded: it is the options that are missing."""
    closed = set(daily.days.tolist()) - set(unpriced)
    return tuple(day for day in quality.missing if day in closed)


def _listed(things: Iterable[object]) -> str:
    named = [str(thing) for thing in things]
    more = len(named) - _NAMED
    return ", ".join(named[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")
