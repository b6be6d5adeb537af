"""Public data fetched into a store: chains, dividends, volatility indices, interest."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from dollarbill_core.formats.pieces import UnreadableFile
from dollarbill_core.sources.answers import DownloadFailed, GaveUp, NotThere
from dollarbill_core.sources.downloads import Download, Patience, download
from dollarbill_core.sources.unfinished import Kind
from dollarbill_core.storage.catalog import Damaged
from dollarbill_core.storage.places import StoreError, write_whole
from dollarbill_core.storage.store import Store

if TYPE_CHECKING:
    from dollarbill_core.formats.imports import ImportReport

Progress = Callable[[str, int, int | None], None]

# What the archive's own download script lists, read 2026-11; there is no DIA.
FUNDS = ("SPY", "QQQ", "IWM", "VIX")
# Cboe's index histories, each at <place>/<symbol>_History.csv: DATE,OPEN,HIGH,LOW,CLOSE, or for
# VVIX and SKEW DATE,VVIX and DATE,SKEW, as several public readers of cdn.cboe.com show.
INDICES = ("VIX", "VIX9D", "VIX3M", "VIX6M", "VVIX", "SKEW", "VXN", "RVX")
_TICKER = re.compile(r"[A-Z][A-Z0-9]{0,5}(\.[A-Z])?")
FIRST_SOFR = date(2018, 4, 2)
# SHA-256 of one release (days to 2025-12-16), as a public user of the archive pins them.
KNOWN_RELEASES = {
    "spy/options.parquet": "a7152991b45b81f090f970e945bf88def8093b8ecb9b250e9891cb6d88041f0a",
    "spy/underlying.parquet": (
        "847e60a441eb10969d87cd4a6da604257b782d9076168f68d5730b84096c79db"
    ),
}


@dataclass(frozen=True, slots=True)
class Places:
    """Where each source is, without its last slash; a mirror or a test has its own.

    Attributes
    ----------
    chains
        ``<ticker>/options.parquet`` and ``<ticker>/underlying.parquet``, tickers in lower case
        (philippdubach/options-data, MIT).
    indices
        ``<symbol>_History.csv``: Cboe.
    treasury
        ``<year>/all?type=daily_treasury_yield_curve&...``: the Treasury's par yields.
    sofr
        ``search.json?startDate=...&endDate=...``: the New York Fed.
    """

    chains: str = "https://static.philippdubach.com/data/options"
    indices: str = "https://cdn.cboe.com/api/global/us_indices/daily_prices"
    treasury: str = (
        "https://home.treasury.gov/resource-center/data-chart-center/interest-rates/"
        "daily-treasury-rates.csv"
    )
    sofr: str = "https://markets.newyorkfed.org/api/rates/secured/sofr"


class NotAsked(ValueError):
    """Nothing was fetched, since what was asked for cannot be; one line."""

    exit_code = 2


class Outcome(StrEnum):
    """What became of one source."""

    FETCHED = "fetched"
    UNCHANGED = "unchanged"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Fetched:
    """One source: its name, what became of it, and what there is to say in one line."""

    name: str
    outcome: Outcome
    note: str = ""
    rows: int = 0
    refused: int = 0

    def __str__(self) -> str:
        """One line.

        >>> print(Fetched("VIX", Outcome.FETCHED, rows=9183))
        VIX: fetched, 9,183 rows
        """
        counts = f", {self.rows:,} rows" if self.outcome is Outcome.FETCHED else ""
        counts += f", {self.refused:,} refused" if self.refused else ""
        return f"{self.name}: {self.outcome}{counts}{f'; {self.note}' if self.note else ''}"


@dataclass(frozen=True, slots=True)
class FetchReport:
    """What became of every source, in the order in which they were asked."""

    sources: tuple[Fetched, ...]

    @property
    def failed(self) -> tuple[Fetched, ...]:
        return tuple(each for each in self.sources if each.outcome is Outcome.FAILED)

    @property
    def exit_code(self) -> int:
        """0, or 3 if any source failed: what the others brought is stored all the same."""
        return 3 if self.failed else 0

    def sentences(self) -> tuple[str, ...]:
        """One line a source."""
        return tuple(map(str, self.sources))


@dataclass(frozen=True, slots=True)
class _Source:
    """A file to fetch: where it lies, how it is read, and whose rows it brings."""

    name: str
    url: str
    file: str
    kind: Kind
    reader: str
    table: str
    symbol: str = ""

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc


def fetch(
    symbols: Iterable[str],
    start: date,
    store: Store,
    *,
    today: date,
    places: Places | None = None,
    patience: Patience | None = None,
    progress: Progress | None = None,
) -> FetchReport:
    """Quotes and prices of some underlyings, volatility indices and interest, from ``start``.

    Files are kept under ``downloads`` of the store's local folder, so that only what has
    changed is fetched again and an interrupted one goes on; they may be deleted at any time.
    Each source is stored whole or not at all, and one that fails does not stop the others.

    Parameters
    ----------
    symbols
        Tickers of the public archive, such as SPY or BRK.B.
    start
        Rows before it are left out. Called later with an earlier day, the rest is added.
    today
        The last day that is asked for.
    progress
        Called with a source's name, what is done and the whole: bytes while it is fetched,
        thousandths while it is stored.

    Raises
    ------
    NotAsked
        For a symbol that is none, or a start after today.
    """
    tickers = tuple(dict.fromkeys(symbol.strip().upper() for symbol in symbols))
    if wrong := [ticker for ticker in tickers if not _TICKER.fullmatch(ticker)]:
        raise NotAsked(f"{wrong[0]!r} is no ticker: give symbols such as SPY or BRK.B")
    if start > today:
        raise NotAsked(f"the first day {start} is after today, {today}: give an earlier one")
    held = {(part.table, part.symbol) for part in store.catalog.parts.values()}
    job = _Fetch(start, store, patience, progress, frozenset(held))
    sources = _sources(tickers, start, today, places or Places())
    return FetchReport(tuple(job.outcome(source) for source in sources))


def _sources(
    tickers: Iterable[str], start: date, today: date, places: Places
) -> Iterator[_Source]:
    for ticker in tickers:
        for part, table in (("underlying", "prices"), ("options", "quotes")):
            file = f"{ticker.lower()}/{part}.parquet"
            yield _Source(
                f"{ticker} {part}", f"{places.chains}/{file}", file, Kind.PARQUET,
                "public", table, ticker.replace(".", ""),
            )  # fmt: skip
    for symbol in INDICES:
        file = f"{symbol}_History.csv"
        url = f"{places.indices}/{file}"
        yield _Source(f"{symbol} index", url, file, Kind.CSV, "prices", "prices", symbol)
    # A year's first row comes days after its first of January.
    for year in range(start.year, (today - timedelta(days=7)).year + 1):
        url = (
            f"{places.treasury}/{year}/all?type=daily_treasury_yield_curve"
            f"&field_tdr_date_value={year}&page&_format=csv"
        )
        file, name = f"treasury_{year}.csv", f"Treasury yields {year}"
        yield _Source(name, url, file, Kind.CSV, "treasury", "rates")
    if today > FIRST_SOFR:
        first = max(start, FIRST_SOFR)
        url = f"{places.sofr}/search.json?startDate={first}&endDate={today}"
        yield _Source("SOFR", url, "sofr.json", Kind.JSON, "sofr", "rates")


@dataclass(frozen=True, slots=True)
class _Fetch:
    """One run over the sources; ``held`` is what the store had before, by table and symbol.

    The store may have been emptied since the last run, or be another one. ``gave_up`` fills
    with the hosts that failed in this run.
    """

    start: date
    store: Store
    patience: Patience | None
    progress: Progress | None
    held: frozenset[tuple[str, str]]
    gave_up: dict[str, GaveUp] = field(default_factory=dict)

    def outcome(self, source: _Source) -> Fetched:
        """What became of one source; no error of one ends the run."""
        from dollarbill_core.storage.changes import StoreBusy  # loads pyarrow

        try:
            return self._fetched(source)
        except GaveUp as error:
            self.gave_up.setdefault(source.host, error)
            return Fetched(source.name, Outcome.FAILED, str(error))
        except NotThere as error:
            return Fetched(source.name, Outcome.FAILED, _why_not_there(source, error))
        except (DownloadFailed, UnreadableFile, StoreBusy, StoreError, Damaged) as error:
            return Fetched(source.name, Outcome.FAILED, str(error))

    def _patience(self, host: str) -> Patience:
        """A host that failed before is asked once for each further file."""
        patience = self.patience or Patience()
        return replace(patience, attempts=1) if host in self.gave_up else patience

    def _fetched(self, source: _Source) -> Fetched:
        before_it = self.gave_up.get(source.host)
        if before_it is not None and before_it.is_silent:  # or offline would take minutes
            raise GaveUp(source.url, before_it.what, before_it.todo, is_silent=True)
        file = self.store.local / "downloads" / source.file
        notes = file.with_name(f"{file.name}.json")
        before = _Notes.read(notes, file)
        is_stored = (
            before is not None
            and before.covers(self.start)
            and ((source.table, source.symbol) in self.held)
        )
        # Without the rows the file is needed: what the server calls unchanged must be here.
        known = before.download if before and (is_stored or file.is_file()) else None
        got = download(
            source.url, file, source.kind,
            known=known, patience=self._patience(source.host), progress=self._telling(source),
        )  # fmt: skip
        if before and is_stored and got.sha256 == before.download.sha256:
            _Notes(got, before.start).write(notes)
            return Fetched(source.name, Outcome.UNCHANGED)
        _Notes(got).write(notes)
        report = self._stored(source, file)
        _Notes(got, self.start).write(notes)
        note = _release(source, got)
        if report.rejected:
            note = f"{note}; which and why: {report.rejects}".removeprefix("; ")
        return Fetched(source.name, Outcome.FETCHED, note, report.rows, report.rejected)

    def _telling(self, source: _Source) -> Callable[[int, int | None], None] | None:
        if self.progress is None:
            return None
        tell = self.progress
        return lambda done, total: tell(source.name, done, total)

    def _stored(self, source: _Source, file: Path) -> "ImportReport":
        from dollarbill_core.formats.imports import import_files
        from dollarbill_core.formats.pieces import ImportOptions

        tell, name = self.progress, f"{source.name}, into the store"
        return import_files(
            source.reader,
            [file],
            self.store,
            options=ImportOptions(start=self.start),
            progress=tell and (lambda now: tell(name, round(1000 * now.done), 1000)),
        )


@dataclass(frozen=True, slots=True)
class _Notes:
    """What is remembered of a file: as it was fetched, and from which day on it was stored."""

    download: Download
    start: date | None = None

    def covers(self, start: date) -> bool:
        return self.start is not None and self.start <= start

    @classmethod
    def read(cls, notes: Path, file: Path) -> "_Notes | None":
        try:
            told = json.loads(notes.read_text(encoding="utf-8"))
            start = told.pop("start")
            fetched = Download(path=file, is_new=False, **told)
            return cls(fetched, date.fromisoformat(start) if start else None)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def write(self, notes: Path) -> None:
        told: dict[str, Any] = {"start": self.start.isoformat() if self.start else None}
        for name in ("size", "sha256", "etag", "last_modified"):
            told[name] = getattr(self.download, name)
        write_whole(notes, json.dumps(told).encode())


def _release(source: _Source, got: Download) -> str:
    """Whether it is the release whose checksum is known; nothing of files without one."""
    published = KNOWN_RELEASES.get(source.file)
    if published is None:
        return ""
    if got.sha256 == published:
        return "the release whose checksum is known"
    return f"not the release whose checksum is known: sha256 {got.sha256[:16]}..."


def _why_not_there(source: _Source, error: NotThere) -> str:
    if source.reader != "public":
        return str(error)
    return (
        f"the archive has no {source.symbol}: of funds and indices it has {', '.join(FUNDS)}, "
        "and a hundred large companies; for others, dollarbill data import takes vendors' files"
    )
