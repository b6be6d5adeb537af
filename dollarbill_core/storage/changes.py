"""A change of the store: rows gathered on disk, checkpoints that survive a kill, one commit."""

import fcntl
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import pyarrow as pa

from dollarbill_core.storage.catalog import (
    MANIFEST,
    Catalog,
    Key,
    Part,
    collect,
    current_catalog,
    file_path,
    folder_path,
)
from dollarbill_core.storage.partitions import (
    Partition,
    PartitionWriter,
    Span,
    coded_schema,
    digest,
    no_rows,
)
from dollarbill_core.storage.places import Place, StoreError, keep_content
from dollarbill_core.storage.schema import TABLES, Table
from dollarbill_core.storage.spool import (
    JOURNAL,
    Batch,
    last_checkpoint,
    overlapping,
    slices,
    within,
    write_journal,
    write_run,
)
from dollarbill_core.storage.union import Added, joined, united

BUFFERED_ROWS = 262_144  # held in memory before they go to disk
SLICE_ROWS = 131_072  # merged at once
_WORKERS = 2  # partitions merged side by side

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9._-]{0,15}")


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
        Called with the new catalog when readers can see the rows.

    Raises
    ------
    StoreBusy
        At once, if another change of the store is open.
    StoreError
        If nothing can be written there, or a newer version of this package wrote the store.
    Damaged
        If the catalog cannot be read.
    """

    def __init__(
        self,
        place: Place,
        name: str,
        committed: Callable[[Catalog], None] = lambda catalog: None,
    ) -> None:
        if not _NAME.fullmatch(name):
            raise StoreError(f"a change cannot be called {name!r}: use letters, digits, . _ -")
        self.name = name
        self.folder: Path = place.local / "changes" / name
        self.state: dict[str, Any] = {}
        self._place, self._committed = place, committed
        self._runs: list[Path] = []
        self._batches: list[Batch] = []
        self._buffer: dict[tuple[str, str], list[pa.Table]] = {}
        self._buffered = 0
        self._discarded: set[Key] = set()
        with _writing(place):
            self._lock = _locked(place, name)
            try:
                current_catalog(place)  # what cannot be read cannot be committed to either
                self.folder.mkdir(parents=True, exist_ok=True)
                self._take_up()
            except BaseException:
                self._lock.close()
                raise

    def _take_up(self) -> None:
        """Go on from the last checkpoint; runs written after it are removed."""
        self.state, self._runs, self._batches = last_checkpoint(self.folder)
        self._safe = len(self._runs)  # so many of them are on disk for good
        for file in set(self.folder.glob("*.run")) - set(self._runs):
            file.unlink()

    def add(self, table: Table, symbol: str, rows: pa.Table) -> None:
        """Gather rows of one table; of two with one key the one added last will stand.

        Raises
        ------
        ValueError
            If the rows lack a column of the table or a required value, or the symbol is none.
        """
        self._demand_open()
        if bool(symbol) != table.by_symbol or (symbol and not _SYMBOL.fullmatch(symbol)):
            raise ValueError(f"{symbol!r} is no symbol for {table.name}")
        lacking = set(table.schema.names) - set(rows.schema.names)
        if lacking:
            raise ValueError(f"rows of {table.name} lack {', '.join(sorted(lacking))}")
        if unknown := [name for name in table.required if rows[name].null_count]:
            raise ValueError(f"rows of {table.name} without {', '.join(unknown)}")
        if rows.num_rows:
            coded = rows.select(table.schema.names).cast(coded_schema(table))
            self._buffer.setdefault((table.name, symbol), []).append(coded)
            self._buffered += rows.num_rows
        if self._buffered >= BUFFERED_ROWS:
            with _writing(self._place):
                self._spool()

    def _spool(self) -> None:
        """Write what is held in memory to disk; if it fails, it is still held."""
        if not self._buffer:
            return
        held = self._buffer.items()
        gathered = ((TABLES[name], symbol, joined(rows)) for (name, symbol), rows in held)
        run = self.folder / f"{len(self._runs):06}.run"
        self._batches += write_run(run, gathered)
        self._runs.append(run)
        self._buffer.clear()
        self._buffered = 0

    def checkpoint(self, state: Mapping[str, Any]) -> None:
        """Once this returns, all that was added and the state (JSON) survive a kill."""
        self._demand_open()
        kept = json.loads(json.dumps(dict(state), allow_nan=False))
        with _writing(self._place):
            self._spool()
            for run in self._runs[self._safe :]:
                keep_content(run)
            self._safe = len(self._runs)
            write_journal(self.folder, kept, self._runs)
        self.state = kept

    def discard(self, table: Table, symbol: str = "", year: int | None = None) -> None:
        """Take a partition's stored rows out when this is committed; what is added stays in.

        This is not part of a checkpoint: say it again after a kill.
        """
        self._demand_open()
        self._discarded.add((table.name, symbol, year))

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
        self._demand_open()
        with _writing(self._place):
            self._spool()
            before = current_catalog(self._place)
            after, added = self._merged_into(before.without(self._discarded))
            self._replace(before, after)
        self._committed(after)
        with suppress(OSError):  # the rows are in: what is not cleared now is cleared next time
            collect(self._place)
            self.abandon()
        self.close()
        return added

    def _merged_into(self, catalog: Catalog) -> tuple[Catalog, Added]:
        """The catalog with all that was added, whose files are written; readers see none."""
        written: dict[Key, list[Batch]] = {}
        for batch in self._batches:
            written.setdefault(batch.key, []).append(batch)
        old = [catalog.parts.get(key) for key in written]
        with ThreadPoolExecutor(_WORKERS) as pool:  # pyarrow and numpy let others run
            merged = list(pool.map(self._merged, written, old, written.values()))
        drafts = [(draft, part) for part, draft, _ in merged if part is not None]
        self._place.publish((draft, part.path) for draft, part in drafts)
        added = sum((one for _, _, one in merged), Added())
        return catalog.after(part for _, part in drafts), added

    def _replace(self, before: Catalog, after: Catalog) -> None:
        if after == before:
            return
        if current_catalog(self._place) != before:
            raise StoreBusy(
                f"{self._place.name} was changed from another machine meanwhile: commit again"
            )
        self._place.replace(MANIFEST, after.content)

    def _merged(
        self, key: Key, old: Part | None, written: list[Batch]
    ) -> tuple[Part | None, Path, Added]:
        """The new part, None if nothing changes, its draft, and what was added to it."""
        table = TABLES[key[0]]
        stored = None
        if old is not None:  # what is written anew looks sound again, so every byte is checked
            stored = Partition(self._place, old, table, coded=True, proved=True)
        draft = self._place.draft(folder_path(key))
        added = Added()
        with PartitionWriter(draft, table) as writer:
            for rows, one in _unions(table, stored, written):
                writer.write(rows)
                added += one
        if added.new == added.changed == 0:
            draft.unlink()
            return None, draft, added
        return _part(key, writer, draft), draft, added

    def abandon(self) -> None:
        """Forget all that was added, checkpoints too, and end the change."""
        (self.folder / JOURNAL).unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.close()

    def _demand_open(self) -> None:
        if self._lock.closed:
            raise StoreError(f"change {self.name!r} has ended: open another")

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
        why = (error.strerror or str(error)).rpartition("] ")[2]  # less what pyarrow adds
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


def _unions(
    table: Table, stored: Partition | None, written: list[Batch]
) -> Iterator[tuple[pa.Table, Added]]:
    """A partition slice by slice, what is written united with what is stored."""
    spans = () if stored is None else stored.spans
    every = [*spans, *(batch.span for batch in written)]
    none = no_rows(coded_schema(table))
    for days in slices(every, SLICE_ROWS) if table.by_year else [None]:
        old = _stored_rows(stored, spans, days)
        new = _written_rows(written, days)
        yield united(table.key, pa.concat_tables([none, *old]), pa.concat_tables([none, *new]))


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


def _written_rows(written: list[Batch], days: tuple[date, date] | None) -> Iterator[pa.Table]:
    if days is None:
        yield from (batch.rows() for batch in written)
        return
    for number in overlapping([batch.span for batch in written], *days):
        yield within(written[number].rows(), *days)


def _part(key: Key, writer: PartitionWriter, draft: Path) -> Part:
    found = digest(draft)
    path, size = file_path(key, found), draft.stat().st_size
    return Part(*key, path, writer.rows, size, found, writer.first, writer.last)
