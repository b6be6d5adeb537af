"""A change of the store: rows gathered on disk, checkpoints that survive a kill, one commit."""

import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import pyarrow as pa

from dollarbill_core.sources.catalog import MANIFEST, Key, Part, current_catalog
from dollarbill_core.sources.partitions import Partition, PartitionWriter, Span, digest
from dollarbill_core.sources.places import Place, StoreError, is_half, write_whole
from dollarbill_core.sources.schema import TABLES, Table
from dollarbill_core.sources.spool import Run, overlapping, slices, within, write_run
from dollarbill_core.sources.union import Added, joined, united

BUFFERED_ROWS = 524_288  # held in memory before they go to disk
SLICE_ROWS = 786_432  # merged at once
KEPT_HOURS = 6.0  # how long a replaced file stays for those who still read it

_JOURNAL = "journal.json"
_RETIRED = "retired.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9._-]{0,15}")
_TEXT = pa.dictionary(pa.int32(), pa.string())


class StoreBusy(RuntimeError):
    """Somebody else is changing the store; one line: who, and since when."""

    exit_code = 2


class Change:
    """Rows on their way into a store, under a name by which an interrupted change is found.

    What was added up to the last checkpoint survives a kill; the next change of this name goes
    on from there. Nothing is seen by readers before ``commit``, then all of it at once.

    Parameters
    ----------
    place
        Where the store lies; created if it is not there.
    name
        Letters, digits, ``.``, ``_`` and ``-``.
    committed
        Called when readers can see the rows.

    Raises
    ------
    StoreBusy
        At once, if another change of the store is open.
    StoreError
        If nothing can be written there.
    """

    def __init__(
        self, place: Place, name: str, committed: Callable[[], None] = lambda: None
    ) -> None:
        if not _NAME.fullmatch(name):
            raise StoreError(f"a change cannot be called {name!r}: use letters, digits, . _ -")
        self.name = name
        self.folder: Path = place.local / "changes" / name
        self.state: dict[str, Any] = {}
        self._place, self._committed = place, committed
        self._runs: list[Run] = []
        self._buffer: dict[tuple[Table, str], list[pa.Table]] = {}
        self._buffered = 0
        with _writing(place):
            self._lock = _locked(place, name)
            self.folder.mkdir(parents=True, exist_ok=True)
            self._take_up()

    def _take_up(self) -> None:
        """Go on from the last checkpoint; runs written after it are removed."""
        journal = self.folder / _JOURNAL
        if journal.is_file():
            told = json.loads(journal.read_text(encoding="utf-8"))
            self.state = told["state"]
            self._runs = [_run(self.folder, each) for each in told["runs"]]
        known = {run.file.name for run in self._runs}
        for file in self.folder.glob("*.arrow"):
            if file.name not in known:
                file.unlink()

    def add(self, table: Table, symbol: str, rows: pa.Table) -> None:
        """Gather rows of one table; of two with one key the one added last will stand.

        Raises
        ------
        ValueError
            If the rows lack a column of the table or a date, or the symbol is none.
        """
        if bool(symbol) != table.by_symbol or (symbol and not _SYMBOL.fullmatch(symbol)):
            raise ValueError(f"{symbol!r} is no symbol for {table.name}")
        lacking = set(table.schema.names) - set(rows.schema.names)
        if lacking:
            raise ValueError(f"rows of {table.name} lack {', '.join(sorted(lacking))}")
        if rows["date"].null_count:
            raise ValueError(f"rows of {table.name} without a date")
        if rows.num_rows:
            self._buffer.setdefault((table, symbol), []).append(_coded(rows, table))
            self._buffered += rows.num_rows
        if self._buffered >= BUFFERED_ROWS:
            with _writing(self._place):
                self._spool()

    def _spool(self) -> None:
        """Write what is held in memory to disk, a run for each table and symbol."""
        for (table, symbol), waiting in self._buffer.items():
            file = self.folder / f"{len(self._runs):06}.arrow"
            self._runs.append(write_run(file, table, symbol, joined(waiting)))
        self._buffer.clear()
        self._buffered = 0

    def checkpoint(self, state: Mapping[str, Any]) -> None:
        """Once this returns, all that was added and the state (JSON) survive a kill."""
        with _writing(self._place):
            first = len(self._runs)
            self._spool()
            for run in self._runs[first:]:
                _keep(run.file)
            told = {"state": dict(state), "runs": [_record(run) for run in self._runs]}
            write_whole(self.folder / _JOURNAL, json.dumps(told).encode())
        self.state = dict(state)

    def commit(self) -> Added:
        """Put all that was added into the store, at once, and end the change.

        Killed meanwhile, the store is as before or as after; the next change of this name goes
        on from its last checkpoint, and commits again what may already be there.

        Raises
        ------
        Damaged
            If a file that rows are to be merged into cannot be read.
        StoreError
            If the store cannot be written; it is then as before.
        """
        with _writing(self._place):
            self._spool()
            before = current_catalog(self._place)
            added, parts = Added(), []
            for key, runs in sorted(_by_partition(self._runs).items(), key=_order):
                part, one = self._merged(key, before.parts.get(key), runs)
                added += one
                if part is not None:
                    parts.append(part)
            if parts:
                if current_catalog(self._place) != before:
                    raise StoreBusy(f"{self._place.name} was changed by another machine")
                self._place.replace(MANIFEST, before.after(parts).content)
            collect(self._place)
        self._committed()
        self.abandon()
        return added

    def _merged(
        self, key: Key, old: Part | None, runs: list[tuple[Run, list[int]]]
    ) -> tuple[Part | None, Added]:
        """The new part, None if nothing changes, and what was added to it."""
        name, symbol, year = key
        table = TABLES[name]
        stored = None if old is None else Partition(self._place, old, table)
        folder = folder_of(table, symbol, year)
        draft = self._place.draft(folder)
        added = Added()
        with PartitionWriter(draft, table) as writer:
            for rows, one in _unions(table, stored, runs):
                writer.write(rows)
                added += one
        if added.new == added.changed == 0:
            draft.unlink()
            return None, added
        part = _part(key, folder, writer, draft)
        self._place.publish(draft, part.path)
        return part, added

    def abandon(self) -> None:
        """Forget all that was added, checkpoints too, and end the change."""
        (self.folder / _JOURNAL).unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.close()

    def close(self) -> None:
        """Let others write; what was added since the last checkpoint is dropped."""
        self._buffer.clear()
        self._lock.close()

    def __enter__(self) -> "Change":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@contextmanager
def _writing(place: Place) -> Iterator[None]:
    """What the disk refuses becomes one line."""
    try:
        yield
    except OSError as error:
        why = error.strerror or " ".join(str(error).split())[:120]
        raise StoreError(
            f"{place.name} cannot be written: {why}; the store is as it was"
        ) from error


def _locked(place: Place, name: str) -> IO[str]:
    """The lock of the store, held until it is closed or this process ends."""
    place.lock.parent.mkdir(parents=True, exist_ok=True)
    lock = place.lock.open("a+", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        holder = lock.read().strip() or "another process"
        lock.close()
        raise StoreBusy(
            f"{place.name} is being changed by {holder}: wait until it ends"
        ) from None
    lock.truncate(0)
    since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    lock.write(f"{name!r} (process {os.getpid()}) since {since}")
    lock.flush()
    return lock


def _coded(rows: pa.Table, table: Table) -> pa.Table:
    """The columns of the table, text as codes: a fraction of the memory."""
    kinds = [_TEXT if field.type == pa.string() else field.type for field in table.schema]
    return rows.select(table.schema.names).cast(
        pa.schema(list(zip(table.schema.names, kinds, strict=True)))
    )


def _keep(file: Path) -> None:
    with file.open("rb") as written:
        os.fsync(written.fileno())


def _record(run: Run) -> dict[str, Any]:
    batches = [[str(span.first), str(span.last), span.rows] for span in run.batches]
    return {
        "file": run.file.name,
        "table": run.table.name,
        "symbol": run.symbol,
        "batches": batches,
    }


def _run(folder: Path, told: Mapping[str, Any]) -> Run:
    batches = tuple(
        Span(date.fromisoformat(first), date.fromisoformat(last), rows)
        for first, last, rows in told["batches"]
    )
    return Run(folder / told["file"], TABLES[told["table"]], told["symbol"], batches)


def _by_partition(runs: Iterable[Run]) -> dict[Key, list[tuple[Run, list[int]]]]:
    """The runs of each partition, in the order they were written, and their batches in it."""
    found: dict[Key, list[tuple[Run, list[int]]]] = {}
    for run in runs:
        batches: dict[Key, list[int]] = {}
        for number, span in enumerate(run.batches):
            year = span.first.year if run.table.by_year else None
            batches.setdefault((run.table.name, run.symbol, year), []).append(number)
        for key, numbers in batches.items():
            found.setdefault(key, []).append((run, numbers))
    return found


def _order(item: tuple[Key, Any]) -> tuple[str, str, int]:
    table, symbol, year = item[0]
    return table, symbol, year or 0


def _unions(
    table: Table, stored: Partition | None, runs: list[tuple[Run, list[int]]]
) -> Iterator[tuple[pa.Table, Added]]:
    """A partition slice by slice, what is written united with what is stored."""
    spans = () if stored is None else stored.spans
    written = [run.batches[number] for run, numbers in runs for number in numbers]
    stretches = slices([*spans, *written], SLICE_ROWS) if table.by_year else [None]
    for days in stretches:
        old = [_coded(each, table) for each in _stored_rows(stored, spans, days)]
        new = [each for run, numbers in runs for each in _run_rows(run, numbers, days)]
        none = _coded(table.schema.empty_table(), table)
        yield united(table.key, joined([none, *old]), joined([none, *new]))


def _stored_rows(
    stored: Partition | None, spans: tuple[Span, ...], days: tuple[date, date] | None
) -> Iterator[pa.Table]:
    if stored is None:
        return
    if days is None:
        yield from stored.chunks()
        return
    for rows in stored.chunks(groups=overlapping(spans, *days)):
        yield within(rows, *days)


def _run_rows(
    run: Run, numbers: list[int], days: tuple[date, date] | None
) -> Iterator[pa.Table]:
    if days is None:
        yield from run.rows(numbers)
        return
    near = overlapping([run.batches[number] for number in numbers], *days)
    for rows in run.rows([numbers[each] for each in near]):
        yield within(rows, *days)


def folder_of(table: Table, symbol: str, year: int | None) -> str:
    """The folder of a partition, relative to the store.

    >>> from dollarbill_core.sources.schema import QUOTES
    >>> folder_of(QUOTES, "SPY", 2021)
    'quotes/symbol=SPY/year=2021'
    """
    names = [table.name]
    names += [f"symbol={symbol}"] if table.by_symbol else []
    names += [f"year={year}"] if table.by_year else []
    return "/".join(names)


def _part(key: Key, folder: str, writer: PartitionWriter, draft: Path) -> Part:
    table, symbol, year = key
    found = digest(draft)
    path = f"{folder}/{found[:16]}.parquet"
    size = draft.stat().st_size
    return Part(table, symbol, year, path, writer.rows, size, found, writer.first, writer.last)


def collect(place: Place) -> None:
    """Remove files that no catalog names: drafts at once, replaced ones after ``KEPT_HOURS``.

    Who opened the store before may read them until then. Since when a file is not needed is
    written beside the catalog.
    """
    now = time.time()
    named = {part.path for part in current_catalog(place).parts.values()}
    since = _retired(place)
    left = {}
    for name in list(place.names()):
        if is_half(name):
            place.remove(name)
        elif name.endswith(".parquet") and name not in named:
            if now - since.get(name, now) > KEPT_HOURS * 3600:
                place.remove(name)
            else:
                left[name] = since.get(name, now)
    if left != since:
        place.replace(_RETIRED, json.dumps(left, indent=1, sort_keys=True).encode())


def _retired(place: Place) -> dict[str, float]:
    try:
        told = json.loads(place.content(_RETIRED) or b"{}")
        return {str(name): float(at) for name, at in told.items()}
    except (ValueError, TypeError, AttributeError):
        return {}  # what it said is not needed: they wait once more
