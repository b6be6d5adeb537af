"""A file read in pieces: rows that may be stored, what is refused, and where to go on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from dollarbill_core.formats.cells import printable

if TYPE_CHECKING:  # a command's help must not load pyarrow
    import pyarrow as pa

    from dollarbill_core.storage.schema import Table


class UnreadableFile(ValueError):
    """A file that is not of the format it was said to be; one line: file, why, what to do."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that is not stored: where it stood, why, and what it said.

    Reason and text are shortened, and made harmless to look at, whatever the file held.
    """

    place: str
    reason: str
    text: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "place", printable(self.place))
        object.__setattr__(self, "reason", printable(self.reason))
        object.__setattr__(self, "text", printable(self.text.rstrip("\r\n")))


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a file.

    Attributes
    ----------
    rows
        What may be stored, by table and symbol; the symbol is "" for tables without one.
    rejects
        What is not.
    resume
        Given to ``Reader.pieces`` as ``start``, reading goes on after this piece.
    done
        The share of the file that is read with this piece, 0 to 1.
    read
        How many rows of the file it is; 0 says as many as there are rows and rejects.
    """

    rows: "Mapping[tuple[Table, str], pa.Table]"
    resume: int
    done: float
    rejects: tuple[Reject, ...] = field(default=())
    read: int = 0


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What a file does not say itself.

    Attributes
    ----------
    symbol
        The underlying, where no column names it and the file's name does not.
    roots
        OCC roots of index options, for files that do not tell AM from PM settlement.
    day
        The day of the quotes, likewise.
    columns
        For plain CSV: our name of a column, and the header's.
    start
        Rows of earlier days are left out.
    """

    symbol: str = ""
    roots: tuple[str, ...] = ()
    day: date | None = None
    columns: tuple[tuple[str, str], ...] = ()
    start: date | None = None


class Reader(Protocol):
    """How one format is read.

    A reader that needs `ImportOptions` has a method ``told(options)``, which gives the reader
    that knows them.

    Attributes
    ----------
    name
        What the command line calls it.
    seen
        The header, and where a real file with it was seen.
    """

    @property
    def name(self) -> str: ...

    @property
    def seen(self) -> str: ...

    def pieces(self, file: Path, start: int = 0) -> Iterator[Piece]:
        """The file from ``start`` on, in memory that does not grow with it.

        Raises
        ------
        UnreadableFile
            If it is not of this format.
        """
        ...
