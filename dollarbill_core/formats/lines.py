"""Text files as blocks of whole lines, and blocks as columns of numbers and refused lines."""

import gzip
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from dollarbill_core.formats.cells import LONGEST_LINE
from dollarbill_core.formats.pieces import UnreadableFile
from dollarbill_core.formats.rows import Names
from dollarbill_core.formats.text_cells import Cell, Value, line_parts, line_values
from dollarbill_core.formats.text_kernels import OCC, PRICE, ROOT, SLOTS, TEXT, read_lines

BLOCK = 8 * 2**20  # bytes read at once
MOST_LINES = 2**17  # in a block, so that one of short lines needs no more memory than another

_POWERS = 10.0 ** np.arange(23)  # each of them exact
_MOST_TEXTS = 8192  # distinct symbols and roots of a block that the kernel keeps apart
_MARK = b"\xef\xbb\xbf"  # what some programs write before UTF-8
_WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff")
_BROKEN = (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, RuntimeError)


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines, each ended by a newline.

    Attributes
    ----------
    data
        The bytes.
    first
        The number in the file of the first line, from 1.
    end
        Where the next block starts: bytes of the text, unpacked if it is packed.
    done
        The share of the file that is read with it, 0 to 1.
    """

    data: bytes
    first: int
    end: int
    done: float


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """What a block says.

    Attributes
    ----------
    size
        How many lines it has.
    good
        Which of them were taken; shape (size,).
    values
        Numbers by slot, as the kernel writes them; of a line not taken, anything.
    names
        Texts by slot.
    faults
        Why a line, counted from 0, is refused.
    starts
        Where in the block each line begins, and the last one ends; shape (size + 1,).
    """

    size: int
    good: NDArray[np.bool_]
    values: NDArray[np.float64]
    names: Mapping[int, Names]
    faults: Mapping[int, str]
    starts: NDArray[np.int64]


def header(file: Path) -> tuple[str, ...]:
    """The names in the first line that is not blank, without brackets and spaces around them.

    Raises
    ------
    UnreadableFile
        For a file that is not there, not text, empty, or packed and damaged.
    """
    with _opened(file) as (text, _):
        first, _ = _header_line(text)
    try:
        parts = line_parts(first.removeprefix(_MARK).strip(b"\r\n"))
    except ValueError as fault:
        if str(fault) == "blank line":
            raise UnreadableFile(f"{file} is empty: give the vendor's file") from None
        raise UnreadableFile(f"{file}: the header cannot be read: {fault}") from None
    return tuple(part.strip(" \t[]") for part in parts)


def blocks(file: Path, start: int = 0, size: int = BLOCK) -> Iterator[Block]:
    """The lines behind the header, from the end of an earlier block on if that is given.

    A plain, gzipped or zipped file, the last with one member, as its content tells. Memory does
    not grow with the file, nor with a line: of one beyond 64 kB only the beginning is kept.

    Raises
    ------
    UnreadableFile
        For a file that cannot be unpacked, or is cut off.
    """
    with _opened(file) as (text, done):
        line, number = _header_line(text)
        at = len(line)
        if start > at:
            number += _skipped(file, text, start - at)
            at = start
        yield from _blocks(text, done, at, number + 1, size)


def read_block(data: bytes, fields: int, cells: Sequence[Cell]) -> Lines:
    """The lines of a block as numbers: the kernel's, and the twin's where that is unsure."""
    count = _newlines(data)
    slots = sum(SLOTS.get(cell.kind, 1) for cell in cells)
    starts, read, values = np.zeros(count + 1), np.zeros(count), np.zeros(slots * count)
    texts, known = np.zeros(2 * _MOST_TEXTS), np.zeros(1)
    kinds, places = np.zeros(fields), np.zeros(fields)
    for cell in cells:
        kinds[cell.place], places[cell.place] = cell.kind, cell.slot
    read_lines(
        _words(data), len(data), kinds, places, count, _POWERS,
        starts, read, values, texts, known,
    )  # fmt: skip
    table = values.reshape(slots, count)
    good = _sure(read, starts, table, cells)
    spans = texts[: 2 * int(known[0])].astype(int).reshape(-1, 2).tolist()
    pool = _Texts([data[start : start + size].decode() for start, size in spans])
    bounds = starts.astype(np.int64)
    faults: dict[int, str] = {}
    for line in np.flatnonzero(~good).tolist():
        said = data[bounds[line] : bounds[line + 1] - 1]
        try:
            for slot, value in line_values(said, fields, cells).items():
                table[slot, line] = pool.code(value)
            good[line] = True
        except ValueError as fault:
            faults[line] = str(fault)
    return Lines(count, good, table, pool.names(table, good, cells), faults, bounds)


@dataclass(slots=True)
class _Texts:
    """Distinct texts, by number."""

    known: list[str]
    numbers: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.numbers = {text: number for number, text in enumerate(self.known)}

    def code(self, value: Value) -> float:
        if not isinstance(value, str):
            return value
        if value not in self.numbers:
            self.numbers[value] = len(self.known)
            self.known.append(value)
        return float(self.numbers[value])

    def names(
        self, table: NDArray[np.float64], good: NDArray[np.bool_], cells: Sequence[Cell]
    ) -> dict[int, Names]:
        """The texts of each slot that holds such; a line not taken gets the first one."""
        known = tuple(self.known) or ("",)
        found = {}
        for cell in cells:
            if cell.kind in (TEXT, ROOT, OCC):
                codes = np.where(good, table[cell.slot], 0).astype(np.int32)
                found[cell.slot] = Names(codes, known)
        return found


def _parts(data: bytes) -> Iterator[bytes]:
    """Whole lines in parts of so many at most."""
    if _newlines(data) <= MOST_LINES:
        parts = [0, len(data)]
    else:
        ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n")) + 1
        parts = [0, *ends[MOST_LINES - 1 : -1 : MOST_LINES].tolist(), len(data)]
    for start, end in pairwise(parts):
        if end > start:
            yield data if end - start == len(data) else data[start:end]


def _newlines(data: bytes) -> int:
    """As ``data.count`` would say, in half the time where lines are short."""
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == ord("\n")))


def _words(data: bytes) -> NDArray[np.float64]:
    """The bytes, eight in a float64."""
    words = np.zeros(len(data) // 8 + 2)
    words.view(np.uint8)[: len(data)] = np.frombuffer(data, np.uint8)
    return words


def _sure(
    read: NDArray[np.float64],
    starts: NDArray[np.float64],
    table: NDArray[np.float64],
    cells: Sequence[Cell],
) -> NDArray[np.bool_]:
    """Which lines need no second look: taken, not too long, nothing lacking that is needed."""
    good: NDArray[np.bool_] = (read == 1) & (np.diff(starts) <= LONGEST_LINE + 1)
    for cell in cells:
        if cell.is_needed and cell.kind == PRICE:
            good &= table[cell.slot] >= 0
    return good


@contextmanager
def _opened(file: Path) -> Iterator[tuple[IO[bytes], Any]]:
    """The text, and a function that says how much of it is read."""
    try:
        with file.open("rb") as raw:
            size = max(file.stat().st_size, 1)
            yield _unpacked(file, raw), lambda: min(raw.tell() / size, 1.0)
    except FileNotFoundError:
        raise UnreadableFile(f"{file}: no such file") from None
    except _BROKEN as error:
        raise UnreadableFile(f"{file} is damaged or cut off ({error}): get it again") from error
    except OSError as error:
        raise UnreadableFile(f"{file} cannot be read: {error.strerror or error}") from error


def _unpacked(file: Path, raw: IO[bytes]) -> IO[bytes]:
    begin = raw.read(4)
    raw.seek(0)
    if begin[:2] in _WIDE_MARKS:
        raise UnreadableFile(f"{file} is UTF-16: save it as CSV in UTF-8")
    if begin[:2] == b"\x1f\x8b":
        return gzip.GzipFile(fileobj=raw)  # type: ignore[return-value]
    if begin == b"PK\x03\x04":
        packed = zipfile.ZipFile(raw)
        members = [each for each in packed.namelist() if _is_text(each)]
        if len(members) != 1:
            raise UnreadableFile(f"{file} holds {len(members)} files, not one: unpack it")
        return packed.open(members[0])
    return raw


def _is_text(member: str) -> bool:
    return not member.endswith("/") and not member.startswith("__MACOSX/")


def _header_line(text: IO[bytes]) -> tuple[bytes, int]:
    """Everything up to the end of the header, and how many lines that is."""
    taken, number = b"", 0
    while True:
        line = text.readline(LONGEST_LINE + 1)
        taken, number = taken + line, number + 1
        blank = not line.removeprefix(_MARK).strip()
        if not blank or not line or len(taken) > LONGEST_LINE:
            return taken, number


def _skipped(file: Path, text: IO[bytes], size: int) -> int:
    """How many lines end within the next so many bytes, which are passed over."""
    count = 0
    while size:
        passed = text.read(min(size, BLOCK))
        if not passed:
            raise UnreadableFile(f"{file} is shorter than when its import began: start again")
        count += _newlines(passed)
        size -= len(passed)
    return count


def _blocks(text: IO[bytes], done: Any, at: int, line: int, size: int) -> Iterator[Block]:
    rest, dropped = b"", 0
    while chunk := text.read(size):
        data = rest + chunk
        cut = data.rfind(b"\n") + 1
        rest = data[cut:]
        for block in _parts(data if cut == len(data) else data[:cut]):
            at += len(block) + dropped
            dropped = 0
            yield Block(block, line, at, done())
            line += _newlines(block)
        if len(rest) > LONGEST_LINE + 1:
            dropped += len(rest) - LONGEST_LINE - 1
            rest = rest[: LONGEST_LINE + 1]
    if rest:
        yield Block(rest + b"\n", line, at + len(rest) + dropped, 1.0)
