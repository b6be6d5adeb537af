"""A format's rows from a day on: earlier ones are left out, and where possible unread."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from dollarbill_core.formats.pieces import Piece, Reader

if TYPE_CHECKING:  # a command's help must not load pyarrow
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class From:
    """A reader that gives what another one reads, from a day on.

    Of a Parquet file of quotes, the row groups at its beginning whose last day is earlier are
    not read at all. Refused rows are told whatever their day: it may be what is wrong.
    """

    reader: Reader
    day: date

    @property
    def name(self) -> str:
        return self.reader.name

    @property
    def seen(self) -> str:
        return self.reader.seen

    def check(self, file: Path) -> None:
        """Raises UnreadableFile where the other reader does so before reading."""
        if hasattr(self.reader, "check"):
            self.reader.check(file)

    def pieces(self, file: Path, start: int = 0) -> Iterator[Piece]:
        """The pieces of the other reader, without earlier rows."""
        for piece in self.reader.pieces(file, start or self._begin(file)):
            kept = {key: self._later(rows) for key, rows in piece.rows.items()}
            yield replace(piece, rows=kept)

    def _later(self, rows: "pa.Table") -> "pa.Table":
        import pyarrow as pa
        import pyarrow.compute as pc

        is_later = pc.greater_equal(rows["date"], pa.scalar(self.day, pa.date32()))
        return rows if pc.all(is_later).as_py() else rows.filter(is_later)

    def _begin(self, file: Path) -> int:
        """How many row groups at the beginning end before the day; 0 for other files."""
        if self.reader.name != "public":
            return 0
        return early_groups(file, self.day)


def early_groups(file: Path, day: date) -> int:
    """Row groups at the beginning of a Parquet file of quotes whose last date is before a day.

    As its statistics say; where it has none, or is no such file, none.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as opened:
            names, metadata = opened.schema_arrow.names, opened.metadata
            groups: int = metadata.num_row_groups
            if not {"date", "expiration"} <= set(names):
                return 0
            place = names.index("date")
            for group in range(groups):
                statistics = metadata.row_group(group).column(place).statistics
                if not (statistics and statistics.has_min_max):
                    return group
                if str(statistics.max)[:10] >= day.isoformat():
                    return group
            return groups
    except (pa.ArrowException, OSError):
        return 0
