"""Rows of an unfinished change, on disk: runs in the order of days, read back by days."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dollarbill_core.storage.catalog import Key
from dollarbill_core.storage.partitions import Span
from dollarbill_core.storage.places import StoreError, write_whole
from dollarbill_core.storage.schema import Table
from dollarbill_core.storage.union import day_numbers, day_of, number_of, taken

JOURNAL = "journal.json"
BATCH_ROWS = 32_768  # about what can be read back by itself

_FORMAT = 2  # of the journal and its runs
_LENGTH = 8  # bytes of the length of a run's list of batches, little endian
_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")


class Batch(NamedTuple):
    """Rows of one partition in a run: a stretch of the file that can be read by itself.

    Those of a table by year are whole days, in order, the rows of one day as they were added;
    those of other tables lie as they were added.
    """

    key: Key
    span: Span
    file: Path
    start: int
    size: int

    def rows(self) -> pa.Table:
        try:
            with pa.OSFile(str(self.file)) as source:
                source.seek(self.start)
                content = source.read_buffer(self.size)
            with pa.ipc.open_stream(content) as stream:
                return stream.read_all()
        except (pa.ArrowException, OSError) as error:
            raise _lost(self.file, error) from None


def write_run(file: Path, gathered: Iterable[tuple[Table, str, pa.Table]]) -> list[Batch]:
    """Write rows of tables and symbols, in the order they came, into one file.

    The file ends with a list of its batches. It is not yet safe from a power cut.
    """
    batches = []
    with pa.OSFile(str(file), "wb") as sink:
        for table, symbol, rows in gathered:
            for part in _parts(table, rows):
                start, span = sink.tell(), span_of(part)
                with pa.ipc.new_stream(sink, part.schema, options=_OPTIONS) as out:
                    out.write_table(part)
                key = table.name, symbol, span.first.year if table.by_year else None
                batches.append(Batch(key, span, file, start, sink.tell() - start))
        told = json.dumps([_record(batch) for batch in batches]).encode()
        sink.write(told + len(told).to_bytes(_LENGTH, "little"))
    return batches


def _parts(table: Table, rows: pa.Table) -> Iterator[pa.Table]:
    """The rows of each batch."""
    if table.by_year:
        rows, ends = _by_day(rows)
    else:
        ends = [rows.num_rows]
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        yield rows.slice(start, end - start)


def span_of(rows: pa.Table) -> Span:
    """The first and last day of rows, and how many they are."""
    days = day_numbers(rows)
    return Span(day_of(days.min()), day_of(days.max()), rows.num_rows)


def _by_day(rows: pa.Table) -> tuple[pa.Table, list[int]]:
    """The rows by day, and where each batch ends."""
    days = day_numbers(rows)
    if (days[1:] < days[:-1]).any():
        order = _stable_order(days)
        rows, days = taken(rows, order), days[order]
    years = days.astype("datetime64[D]").astype("datetime64[Y]")
    starts = np.flatnonzero(np.diff(days)) + 1
    turns = set((np.flatnonzero(np.diff(years.astype(np.int64))) + 1).tolist())
    ends, last = [], 0
    for start in starts.tolist():
        if start in turns or start - last >= BATCH_ROWS:
            ends.append(start)
            last = start
    return rows, [*ends, len(days)]


def _stable_order(days: NDArray[np.int32]) -> NDArray[np.int64]:
    """The rows by day, those of one day as they came; short numbers are sorted by radix."""
    offsets = days - days.min()
    kind = np.uint16 if offsets.max() < 2**16 else np.int32
    return np.argsort(offsets.astype(kind), kind="stable")


def slices(spans: Sequence[Span], most: int) -> list[tuple[date, date]]:
    """Stretches of days, first and last, that together cover all spans.

    Each holds about ``most`` rows, or one day that has rows. How the rows of a span lie on its
    days is not known, so they are taken to be spread evenly.
    """
    first = min(span.first for span in spans)
    days = (max(span.last for span in spans) - first).days + 1
    held = np.zeros(days)
    for span in spans:
        start, end = (span.first - first).days, (span.last - first).days + 1
        held[start:end] += span.rows / (end - start)
    cuts, total = [0], 0.0
    for day in range(days):
        if total and total + held[day] > most:
            cuts.append(day)
            total = 0.0
        total += held[day]
    return _stretches(first, [*cuts, days])


def _stretches(first: date, cuts: list[int]) -> list[tuple[date, date]]:
    start = first.toordinal()
    return [
        (date.fromordinal(start + one), date.fromordinal(start + two - 1))
        for one, two in pairwise(cuts)
    ]


def within(rows: pa.Table, first: date, last: date) -> pa.Table:
    """Rows, which lie in the order of their days, from ``first`` to ``last``."""
    days = day_numbers(rows)
    start = int(np.searchsorted(days, number_of(first)))
    end = int(np.searchsorted(days, number_of(last), side="right"))
    return rows.slice(start, end - start)


def overlapping(spans: Sequence[Span], first: date, last: date) -> list[int]:
    """Which spans have days from ``first`` to ``last``, by number."""
    return [
        number for number, span in enumerate(spans) if span.first <= last and span.last >= first
    ]


def write_journal(folder: Path, state: Mapping[str, Any], runs: Iterable[Path]) -> None:
    """Write down the state, and which runs belong to it, so that they survive a power cut."""
    sizes = [[run.name, run.stat().st_size] for run in runs]
    told = {"format": _FORMAT, "state": state, "runs": sizes}
    write_whole(folder / JOURNAL, json.dumps(told).encode())


def last_checkpoint(folder: Path) -> tuple[dict[str, Any], list[Path], list[Batch]]:
    """The state of the last checkpoint, its runs and their batches; nothing without one.

    Raises
    ------
    StoreError
        If they are not there as they were written.
    """
    journal = folder / JOURNAL
    if not journal.is_file():
        return {}, [], []
    try:
        told = json.loads(journal.read_bytes())
        if told["format"] != _FORMAT:
            raise ValueError(f"it is of format {told['format']}")
        runs = [_run(folder / name, size) for name, size in told["runs"]]
        return told["state"], runs, [batch for run in runs for batch in _batches(run)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _lost(journal, error) from None


def _lost(file: Path, error: Exception) -> StoreError:
    why = " ".join(str(error).split())[:120]
    return StoreError(f"{file} cannot be read ({why}): delete its folder and import again")


def _run(file: Path, size: int) -> Path:
    if not file.is_file() or file.stat().st_size != size:
        raise ValueError(f"{file.name} is not as it was written")
    return file


def _record(batch: Batch) -> list[Any]:
    first, last, rows = batch.span
    return [batch.key, str(first), str(last), rows, batch.start, batch.size]


def _batches(run: Path) -> Iterator[Batch]:
    """What the list at the end of a run says."""
    with run.open("rb") as opened:
        opened.seek(-_LENGTH, os.SEEK_END)
        size = int.from_bytes(opened.read(), "little")
        opened.seek(-_LENGTH - size, os.SEEK_END)
        told = json.loads(opened.read(size))
    for (table, symbol, year), first, last, rows, start, length in told:
        span = Span(date.fromisoformat(first), date.fromisoformat(last), rows)
        yield Batch((table, symbol, year), span, run, start, length)
