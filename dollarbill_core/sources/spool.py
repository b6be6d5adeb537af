"""Rows of an unfinished change, on disk: runs in the order of days, read back by days."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dollarbill_core.sources.partitions import Span
from dollarbill_core.sources.schema import Table

BATCH_ROWS = 32_768  # about what can be read back by itself

Days = NDArray[np.int64]


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
        with pa.OSFile(str(self.file)) as source, pa.ipc.open_file(source) as opened:
            for number in batches:
                yield pa.Table.from_batches([opened.get_batch(number)])


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
    days = rows["date"].to_numpy()
    return Span(days.min().astype(object), days.max().astype(object), rows.num_rows)


def _by_day(rows: pa.Table) -> tuple[pa.Table, list[int]]:
    """The rows by day, and where each batch ends."""
    days = rows["date"].to_numpy().astype(np.int64)
    if (days[1:] < days[:-1]).any():
        order = np.argsort((days - days.min()).astype(np.uint16), kind="stable")
        rows, days = rows.take(pa.array(order)), days[order]
    years = days.astype("datetime64[D]").astype("datetime64[Y]")
    starts = np.flatnonzero(np.diff(days)) + 1
    turns = set((np.flatnonzero(np.diff(years.astype(np.int64))) + 1).tolist())
    ends, last = [], 0
    for start in starts.tolist():
        if start in turns or start - last >= BATCH_ROWS:
            ends.append(start)
            last = start
    return rows, [*ends, len(days)]


def slices(spans: Sequence[Span], most: int) -> list[tuple[date, date]]:
    """Stretches of days, first and last, that together cover all spans.

    Each holds about ``most`` rows or one day; how the rows of a span lie on its days is not
    known, so they are taken to be spread evenly.
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
    days = rows["date"].to_numpy()
    start = int(np.searchsorted(days, np.datetime64(first)))
    end = int(np.searchsorted(days, np.datetime64(last), side="right"))
    return rows.slice(start, end - start)


def overlapping(spans: Sequence[Span], first: date, last: date) -> list[int]:
    """Which spans have days from ``first`` to ``last``, by number."""
    return [
        number for number, span in enumerate(spans) if span.first <= last and span.last >= first
    ]
