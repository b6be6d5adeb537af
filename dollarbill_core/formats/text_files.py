"""A vendor's text file as pieces of quotes: its columns, its symbol and roots, its refusals."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dollarbill_core.formats.cell_kernels import NO_INSTANT
from dollarbill_core.formats.cells import SHOWN, printable
from dollarbill_core.formats.lines import Block, Lines, blocks, header, read_block
from dollarbill_core.formats.pieces import ImportOptions, Piece, Reject, UnreadableFile
from dollarbill_core.formats.rows import Columns, Names, Rows, quote_rows
from dollarbill_core.formats.text_cells import Cell
from dollarbill_core.formats.text_formats import (
    CSV,
    TEXT_FORMATS,
    Column,
    TextFormat,
    mapped_format,
)
from dollarbill_core.formats.text_kernels import (
    DAY,
    INSTANT,
    NUMBER,
    OCC,
    RIGHT,
    ROOT,
    SLOTS,
    TEXT,
    UTC_INSTANT,
)
from dollarbill_core.storage.schema import QUOTES
from dollarbill_core.values.calendars import MARKET_ZONE
from dollarbill_core.values.contracts import AM_SETTLED_ROOTS, CASH_SETTLED_ROOTS

# What settles in the afternoon beside a product that settles in the morning: SPXW for SPX,
# the first of several.
_PM_TWINS = {
    symbol: root
    for root, symbol in reversed(CASH_SETTLED_ROOTS.items())
    if symbol in AM_SETTLED_ROOTS and root not in AM_SETTLED_ROOTS
}
_NEEDED = {"symbol", "strike"}
_TAKES = {DAY: "datetime64[D]", NUMBER: "float64", RIGHT: "int8"}
_DAY_IN_NAME = re.compile(r"(?<!\d)(\d{4})[-_]?(\d{2})[-_]?(\d{2})(?!\d)")
_SYMBOL_IN_NAME = re.compile(r"([A-Za-z]{1,6})_")
_MINUTE = 60
_UNTOLD = re.compile(r"root '(\w+ or \w+)' is not an OCC root")
_SAY = r"\1? the file does not tell: say --root"
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


@dataclass(frozen=True, slots=True)
class TextFiles:
    """The reader of one text format, with what the user told."""

    form: TextFormat
    options: ImportOptions = field(default_factory=ImportOptions)

    @property
    def name(self) -> str:
        return self.form.name

    @property
    def seen(self) -> str:
        return self.form.seen

    def told(self, options: ImportOptions) -> "TextFiles":
        form = mapped_format(self.form, options) if self.form.name == CSV.name else self.form
        return TextFiles(form, options)

    def knows(self, file: Path) -> bool:
        """Whether the file has this format's header."""
        return self.form.knows(header(file))

    def check(self, file: Path) -> None:
        """Raise what ``pieces`` would before its first piece."""
        _FileForm.of(self.form, self.options, file, header(file))

    def pieces(self, file: Path, start: int = 0) -> Iterator[Piece]:
        """The file from ``start`` on, some megabytes at a time.

        Raises
        ------
        UnreadableFile
            If a column is missing that the format needs, or the file does not say its symbol,
            root or day and nobody told them.
        """
        names = header(file)
        form = _FileForm.of(self.form, self.options, file, names)
        for block in blocks(file, start):
            yield form.piece(block)


@dataclass(frozen=True, slots=True)
class _FileForm:
    """One file's layout: the cells that are read, and what is the same in every row."""

    form: TextFormat
    fields: int
    cells: tuple[Cell, ...]
    columns: tuple[Column, ...]
    fixed: Mapping[str, Any]
    roots: tuple[str, ...]

    @classmethod
    def of(
        cls, form: TextFormat, options: ImportOptions, file: Path, names: tuple[str, ...]
    ) -> "_FileForm":
        places = _places(form, file, names)
        columns = tuple(column for column in form.columns if column in places)
        cells, slot = [], 0
        for column in columns:
            needed = bool(_NEEDED & set(column.ours))
            cells.append(Cell(places[column], column.header, column.kind, slot, needed))
            slot += SLOTS.get(column.kind, 1)
        given = {name for column in columns for name in column.ours}
        fixed = _fixed(form, options, file, given)
        return cls(form, len(names), tuple(cells), columns, fixed, options.roots)

    def piece(self, block: Block) -> Piece:
        lines = read_block(block.data, self.fields, self.cells)
        taken = np.flatnonzero(lines.good)
        rows, refused = self._rows(lines, taken)
        rejects = sorted({**lines.faults, **refused}.items())
        return Piece(
            {(QUOTES, symbol): table for symbol, table in rows.tables.items()},
            block.end,
            block.done,
            tuple(_reject(block, lines, line, reason) for line, reason in rejects),
            lines.size,
        )

    def _rows(self, lines: Lines, taken: NDArray[np.intp]) -> tuple[Rows, dict[int, str]]:
        """Rows of the lines taken; a line of call and put is refused whole.

        For its cells were checked before: what may still be wrong stands in both rows.
        """
        rows = quote_rows(self._columns(lines, taken), self.form.name)
        sides = 2 if self.form.has_sides else 1
        faults = {int(taken[row // sides]): reason for row, reason in rows.faults}
        return rows, {line: _UNTOLD.sub(_SAY, reason) for line, reason in faults.items()}

    def _columns(self, lines: Lines, taken: NDArray[np.intp]) -> Columns:
        chosen: Any = slice(None) if len(taken) == lines.size else taken
        found: dict[str, Any] = {}
        sides: dict[str, dict[int, Any]] = {}
        for column, cell in zip(self.columns, self.cells, strict=True):
            for number, name in enumerate(column.ours):
                values = _taken(lines, cell.slot + number, _kind(column, number), chosen)
                if column.side:
                    sides.setdefault(name, {})[column.side] = values
                else:
                    found[name] = values
        found |= self.fixed
        size = len(taken)
        found = {name: _whole(values, size) for name, values in found.items()}
        if self.form.has_sides:
            found = {name: _doubled(values) for name, values in found.items()}
            found |= {name: _woven(by_side, size) for name, by_side in sides.items()}
            found["right"] = np.tile(np.array([1, -1], np.int8), size)
        return self._named(found)

    def _named(self, found: dict[str, Any]) -> Columns:
        """With the symbol that a root says, or the root that a symbol and the user say."""
        size = len(found["date"])
        if self.form.minutes >= 0:
            found["quoted_at"] = _at_minutes(found["date"], self.form.minutes)
        if "symbol" in found:
            symbol = Names.of(found["symbol"], size).renamed(_symbol)
        else:
            symbol = found["root"].renamed(_underlying)
        root = symbol.renamed(lambda name: self._root(name, found))
        if "half" in found:
            root = _rooted_by_half(symbol, found.pop("half"))
        if "root" in found:
            root = _first_not_blank(found["root"].renamed(_symbol), root)
        return found | {"symbol": symbol, "root": root}

    def _root(self, symbol: str, found: Mapping[str, Any]) -> str:
        if symbol not in _PM_TWINS:
            return symbol
        for root in self.roots:
            if CASH_SETTLED_ROOTS.get(root) == symbol:
                return root
        return f"{symbol} or {_PM_TWINS[symbol]}"


def _places(form: TextFormat, file: Path, names: tuple[str, ...]) -> dict[Column, int]:
    """Where each column stands."""
    lacking = form.lacking(names)
    if lacking:
        other = next((name for name in _SEPARATORS if len(names) == 1 and name in names[0]), "")
        if other:
            raise UnreadableFile(
                f"{file}: its columns are separated by {_SEPARATORS[other]}: save it as CSV "
                "with commas"
            )
        raise UnreadableFile(
            f"{file}: no column {', '.join(lacking)}, which {form.name} has; found: "
            f"{printable(', '.join(names), 300)}"
        )
    lower = [name.lower() for name in names]
    places = {}
    for column in form.columns:
        count = lower.count(column.header.lower())
        if count > 1:
            raise UnreadableFile(f"{file}: column {column.header} stands there {count} times")
        if count:
            places[column] = lower.index(column.header.lower())
    return places


def _fixed(
    form: TextFormat, options: ImportOptions, file: Path, given: set[str]
) -> dict[str, Any]:
    """What is the same in every row, told or read from the file's name."""
    fixed: dict[str, Any] = {}
    if "date" not in given:
        fixed["date"] = np.datetime64(options.day or _day_in(file, form), "D")
    if "symbol" not in given and "root" not in given:
        symbol = fixed["symbol"] = options.symbol.upper() or _symbol_in(file, form)
        told = any(CASH_SETTLED_ROOTS.get(root) == symbol for root in options.roots)
        if symbol in _PM_TWINS and not told:
            raise UnreadableFile(
                f"{file}: {form.name} does not tell {symbol} (settled in the morning) from "
                f"{_PM_TWINS[symbol]} (afternoon): say which with --root"
            )
    return fixed


def _day_in(file: Path, form: TextFormat) -> date:
    found = _DAY_IN_NAME.search(file.name)
    if found:
        try:
            return date(*map(int, found.groups()))
        except ValueError:
            pass
    raise UnreadableFile(
        f"{file}: {form.name} does not say the day of its quotes: put it into the file's name, "
        "as in 2021-01-29, or say --date"
    )


def _symbol_in(file: Path, form: TextFormat) -> str:
    found = _SYMBOL_IN_NAME.match(file.name)
    if found:
        return found[1].upper()
    raise UnreadableFile(
        f"{file}: {form.name} does not say which underlying it is of: say --symbol"
    )


def _kind(column: Column, number: int) -> int:
    """What the parts of an OCC symbol are."""
    return (ROOT, DAY, RIGHT, column.kind)[number] if column.kind == OCC else column.kind


def _taken(lines: Lines, slot: int, kind: int, chosen: Any) -> Any:
    if kind in (TEXT, ROOT):
        return lines.names[slot].rows(chosen)
    values = lines.values[slot][chosen]
    if kind in (INSTANT, UTC_INSTANT):
        return _instants(values.astype(np.int64), kind)
    return values.astype(np.int64 if kind == DAY else _TAKES.get(kind, "int32")).astype(
        _TAKES.get(kind, "int32"), copy=False
    )


def _instants(seconds: NDArray[np.int64], kind: int) -> NDArray[np.datetime64]:
    """Seconds of a clock as instants in UTC; New York's clock where it is not UTC's."""
    none = seconds <= int(NO_INSTANT)
    if kind == INSTANT and len(seconds):
        steps = np.flatnonzero(np.diff(seconds)) + 1
        starts = np.concatenate([[0], steps])
        shifts = [_shift(value) for value in seconds[starts].tolist()]
        seconds = seconds + np.repeat(shifts, np.diff(np.append(starts, len(seconds))))
    instants = (1000 * seconds).astype("datetime64[ms]")
    instants[none] = np.datetime64("NaT", "ms")
    return instants


@lru_cache(maxsize=100_000)
def _shift(seconds: int) -> int:
    """Seconds from New York's clock to UTC's."""
    if seconds <= NO_INSTANT:
        return 0
    told = datetime(1970, 1, 1) + np.timedelta64(seconds, "s").item()
    behind = told.replace(tzinfo=MARKET_ZONE).utcoffset()
    return 0 if behind is None else -round(behind.total_seconds())


def _at_minutes(days: NDArray[np.datetime64], minutes: int) -> NDArray[np.datetime64]:
    midnight = days.astype("datetime64[s]").astype(np.int64)
    return _instants(midnight + _MINUTE * minutes, INSTANT)


def _whole(values: Any, size: int) -> Any:
    return np.full(size, values) if isinstance(values, np.datetime64) else values


def _doubled(values: Any) -> Any:
    """Every row twice: for the call and for the put."""
    if isinstance(values, str):
        return values
    if isinstance(values, Names):
        return Names(np.repeat(values.codes, 2), values.names)
    return np.repeat(values, 2)


def _woven(by_side: Mapping[int, NDArray[Any]], size: int) -> NDArray[Any]:
    """Call, put, call, put; a side that the format does not give has none."""
    some = next(iter(by_side.values()))
    none = np.nan if some.dtype.kind == "f" else -1
    both = np.full(2 * size, none, some.dtype)
    for side, values in by_side.items():
        both[0 if side > 0 else 1 :: 2] = values
    return both


def _symbol(name: str) -> str:
    """As the OCC writes it: SPX for ^SPX and $SPX, BRKB for BRK.B and BRK/B."""
    return re.sub(r"(?<=[A-Z])[./-](?=[A-Z]+$)", "", name.lstrip("^$."))


def _underlying(root: str) -> str:
    return CASH_SETTLED_ROOTS.get(root, root.rstrip("0123456789") or root)


def _rooted_by_half(symbol: Names, half: Names) -> Names:
    """The root that settles in the half of the day that the file says."""
    names = tuple(
        _PM_TWINS.get(name, name) if part.lower() == "pm" else name
        for name in symbol.names
        for part in half.names
    )
    return Names(symbol.codes * np.int32(len(half.names)) + half.codes, names)


def _first_not_blank(first: Names, second: Names) -> Names:
    blank = first.where(lambda name: not name)
    if not blank.any():
        return first
    codes = np.where(blank, second.codes + len(first.names), first.codes)
    return Names(codes.astype(np.int32), first.names + second.names)


def _reject(block: Block, lines: Lines, line: int, reason: str) -> Reject:
    said = block.data[lines.starts[line] : lines.starts[line + 1] - 1]
    text = said[: 4 * SHOWN].decode("utf-8", "backslashreplace")
    return Reject(f"line {block.first + line:,}", reason, text)


READERS = {form.name: TextFiles(form) for form in TEXT_FORMATS}
