"""Rows of an unfinished change, on disk: runs in the order of days, read back by days."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dollarbill_core.storage.partitions import Span
from dollarbill_core.storage.places import StoreError, write_whole
from dollarbill_core.storage.schema import TABLES, Table
from dollarbill_core.storage.union import day_numbers, day_of, number_of, taken

JOURNAL = "journal.json"
BATCH_ROWS = 32_768  # about what can be read back by itself

_FORMAT = 1  # of the journal


@dataclass(frozen=True, slots=True)
class Run:
    """A file of rows of one table and symbol.

    Those of a table by year lie in the order of their days, rows of one day as they were
    written, in batches of whole days of one year; those of other tables as they were written.
    """

    file: Path
    table: Table
    symbol: str
    batches: tuple[Span, ...]

    def rows(self, batches: Sequence[int]) -> Iterator[pa.Table]:
        """The batches of these numbers, one by one."""
        try:
            with pa.OSFile(str(self.file)) as source, pa.ipc.open_file(source) as opened:
                for number in batches:
                    yield pa.Table.from_batches([opened.get_batch(number)])
        except (pa.ArrowException, OSError) as error:
            raise _lost(self.file, error) from None


def write_run(file: Path, table: Table, symbol: str, rows: pa.Table) -> Run:
    """Write rows that came in this order; not yet safe from a power cut."""
    if table.by_year:
        rows, ends = _by_day(rows)
    else:
        ends = [rows.num_rows]
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    batches = []
    with (
        pa.OSFile(str(file), "wb") as sink,
        pa.ipc.new_file(sink, rows.schema, options=options) as out,
    ):
        for start, end in zip([0, *ends[:-1]], ends, strict=True):
            part = rows.slice(start, end - start)
            out.write_table(part, max_chunksize=max(1, part.num_rows))
            batches.append(span_of(part))
    return Run(file, table, symbol, tuple(batches))


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


def write_journal(folder: Path, state: Mapping[str, Any], runs: Iterable[Run]) -> None:
    """Write down the state, and which runs belong to it, so that they survive a power cut."""
    told = {"format": _FORMAT, "state": state, "runs": [_record(run) for run in runs]}
    write_whole(folder / JOURNAL, json.dumps(told).encode())


def _record(run: Run) -> dict[str, Any]:
    batches = [[str(span.first), str(span.last), span.rows] for span in run.batches]
    return {
        "file": run.file.name,
        "size": run.file.stat().st_size,
        "table": run.table.name,
        "symbol": run.symbol,
        "batches": batches,
    }


def last_checkpoint(folder: Path) -> tuple[dict[str, Any], list[Run]]:
    """The state and the runs of the last checkpoint; nothing where there was none.

    Raises
    ------
    StoreError
        If they are not there as they were written.
    """
    journal = folder / JOURNAL
    if not journal.is_file():
        return {}, []
    try:
        told = json.loads(journal.read_bytes())
        if told["format"] != _FORMAT:
            raise ValueError(f"it is of format {told['format']}")
        return told["state"], [_run(folder, each) for each in told["runs"]]
    except (ValueError, KeyError, TypeError) as error:
        raise _lost(journal, error) from None


def _lost(file: Path, error: Exception) -> StoreError:
    why = " ".join(str(error).split())[:120]
    return StoreError(f"{file} cannot be read ({why}): delete its folder and import again")


def _run(folder: Path, told: Mapping[str, Any]) -> Run:
    file = folder / told["file"]
    if not file.is_file() or file.stat().st_size != told["size"]:
        raise ValueError(f"{file.name} is not as it was written")
    batches = tuple(
        Span(date.fromisoformat(first), date.fromisoformat(last), rows)
        for first, last, rows in told["batches"]
    )
    return Run(file, TABLES[told["table"]], told["symbol"], batches)
