"""One partition as a Parquet file: in key order, by whole days, checked when read."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dollarbill_core.storage.catalog import Damaged, Part
from dollarbill_core.storage.places import Place
from dollarbill_core.storage.schema import Table
from dollarbill_core.storage.union import day_numbers, day_of

GROUP_ROWS = 131_072  # of a row group: a month or two of a liquid underlying
_WRITING: dict[str, Any] = {
    "compression": "lz4",
    "use_dictionary": True,
    "store_decimal_as_integer": True,
    "write_page_checksum": True,
    "write_statistics": ["date"],
}


_CODED = pa.dictionary(pa.int32(), pa.string())
_UNREADABLE = (pa.ArrowException, OSError, ValueError, MemoryError)


class Span(NamedTuple):
    """A stretch of rows that may be read by itself, and the days it reaches over."""

    first: date
    last: date
    rows: int


class PartitionWriter:
    """Writes rows that come in key order; the same rows are the same bytes, however cut."""

    def __init__(self, file: Path, table: Table) -> None:
        self._table = table
        self._file = file
        self._writer = pq.ParquetWriter(file, table.schema, **_WRITING)
        self._waiting: list[pa.Table] = []
        self.rows = 0
        self.first, self.last = date.max, date.min

    def write(self, rows: pa.Table) -> None:
        """Add rows, of days none of which was written before."""
        if not rows.num_rows:
            return
        days = day_numbers(rows)
        self.first = min(self.first, day_of(days.min()))
        self.last = max(self.last, day_of(days.max()))
        self.rows += rows.num_rows
        self._waiting.append(plain(rows, self._table.schema))
        if sum(each.num_rows for each in self._waiting) > GROUP_ROWS:
            self._write_groups()

    def _write_groups(self) -> None:
        rows = pa.concat_tables(self._waiting)
        while rows.num_rows > GROUP_ROWS:
            end = self._group_end(rows)
            self._write_group(rows.slice(0, end))
            rows = rows.slice(end)
        self._waiting = [rows]

    def _group_end(self, rows: pa.Table) -> int:
        """Where the last day ends that is whole in the next group; a greater day is cut."""
        if not self._table.by_year:
            return GROUP_ROWS
        days = day_numbers(rows.slice(0, GROUP_ROWS + 1))
        end = int(np.searchsorted(days, days[-1]))
        return end or GROUP_ROWS

    def _write_group(self, rows: pa.Table) -> None:
        self._writer.write_table(rows.combine_chunks(), row_group_size=GROUP_ROWS)

    def close(self) -> None:
        """Write what is left, and the footer."""
        rest = pa.concat_tables(self._waiting) if self._waiting else None
        if rest is not None and rest.num_rows:
            self._write_group(rest)
        self._waiting = []
        self._writer.close()

    def __enter__(self) -> "PartitionWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:
            with suppress(OSError):  # what the disk refuses here is told by the first error
                self._writer.close()
            self._file.unlink(missing_ok=True)


def coded_schema(table: Table) -> pa.Schema:
    """The table's columns with text as codes of a dictionary, a fraction of the memory."""
    return pa.schema(
        [
            (each.name, _CODED if each.type == pa.string() else each.type)
            for each in table.schema
        ]
    )


def plain(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """The rows with exactly these columns; text may have been coded."""
    return rows.select(schema.names).cast(schema)


def digest(file: Path) -> str:
    """SHA-256 of the bytes of a file, hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


class Partition:
    """The file of one part, opened for reading.

    Parameters
    ----------
    coded
        Gives text as codes of a dictionary.
    proved
        Reads the whole file at once and holds it to its digest; else only what is read is
        held, to the checksum of its page.

    Raises
    ------
    Damaged
        Here and from every method, if the file is not what was written.
    """

    def __init__(
        self,
        place: Place,
        part: Part,
        table: Table,
        *,
        coded: bool = False,
        proved: bool = False,
    ) -> None:
        self._place, self._part, self._table = place, part, table
        source = pa.BufferReader(content(place, part)) if proved else _opened(place, part)
        schema = coded_schema(table) if coded else table.schema
        texts = [field.name for field in table.schema if field.type == pa.string()]
        try:
            self._file = pq.ParquetFile(
                source,
                read_dictionary=texts if coded else None,
                page_checksum_verification=True,
            )
        except _UNREADABLE as error:
            raise damaged(place, part, _told(error)) from None
        groups = (self._file.metadata.row_group(number) for number in self._numbers)
        rows = {self._file.metadata.num_rows, sum(group.num_rows for group in groups)}
        if not self._file.schema_arrow.equals(schema) or rows != {part.rows}:
            raise damaged(place, part, "holds other columns or rows than were written")

    @property
    def _numbers(self) -> range:
        return range(self._file.metadata.num_row_groups)

    @property
    def spans(self) -> tuple[Span, ...]:
        """The days and rows of each row group."""
        groups = [self._file.metadata.row_group(number) for number in self._numbers]
        at = self._table.schema.get_field_index("date")
        days = [(group.column(at).statistics, group.num_rows) for group in groups]
        return tuple(Span(day.min, day.max, rows) for day, rows in days)

    def rows(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows in key order, read at once, which takes less time than row groups do."""
        names = self._table.schema.names if columns is None else list(columns)
        with self._readable():
            return self._file.read(names, use_threads=False)

    def chunks(self, groups: Sequence[int] | None = None) -> Iterator[pa.Table]:
        """Row group by row group, in key order, each column in one piece."""
        for number in self._numbers if groups is None else groups:
            with self._readable():
                rows = self._file.read_row_group(number, use_threads=False)
            yield rows

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except _UNREADABLE as error:
            raise damaged(self._place, self._part, _told(error)) from None


def damaged(place: Place, part: Part, why: str) -> Damaged:
    """What is wrong with the file of a part, and what to do."""
    address = place.address(part.path)
    cure = f"after Store.at({place.name!r}).discard{part.key}"
    return Damaged(
        f"{address} {why}: import {part.title} again {cure}, or bring the file back from a copy"
    )


def content(place: Place, part: Part) -> bytes:
    """All bytes of a part, as they were written.

    Raises
    ------
    Damaged
        If they are not.
    """
    try:
        found = place.content(part.path)
    except OSError as error:
        raise damaged(place, part, _told(error)) from None
    _demand_size(place, part, None if found is None else len(found))
    if found is None or hashlib.sha256(found).hexdigest() != part.digest:
        raise damaged(place, part, "holds other bytes than were written")
    return found


def _opened(place: Place, part: Part) -> Any:
    try:
        _demand_size(place, part, place.size(part.path))
        return place.opened(part.path)
    except OSError as error:
        raise damaged(place, part, _told(error)) from None


def _demand_size(place: Place, part: Part, size: int | None) -> None:
    if size is None:
        raise damaged(place, part, "is missing")
    if size != part.size:
        raise damaged(place, part, f"has {size} bytes of {part.size}")


def _told(error: Exception) -> str:
    return f"cannot be read ({' '.join(str(error).split())[:120]})"


def no_rows(schema: pa.Schema) -> pa.Table:
    """A table without a row; ``empty_table`` would load pandas first."""
    return pa.Table.from_batches([], schema)
