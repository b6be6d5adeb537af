"""One line of a vendor's file in plain Python: the kernel's twin, and the one that refuses."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import nan

from dollarbill_core.formats.cell_kernels import BLANK, NO_INSTANT, TICK_LIMIT, WHOLE_LIMIT
from dollarbill_core.formats.cells import (
    LONGEST_LINE,
    day,
    dollars,
    is_blank,
    line_cells,
    number,
    quoted,
    right,
)
from dollarbill_core.formats.text_kernels import (
    DAY,
    FIRST_OCC_YEAR,
    INSTANT,
    LONGEST_TEXT,
    NUMBER,
    OCC,
    PAIR,
    PRICE,
    RIGHT,
    ROOT,
    ROUNDED,
    SLOTS,
    TEXT,
    UTC_INSTANT,
    WHOLE,
)

Value = float | str

# What programs write for a quotient that is none, or too great.
_OVERFLOWS = {"inf", "-inf", "+inf", "infinity", "-infinity", "1.#inf", "-1.#inf", "1.#ind",
              "-1.#ind", "1.#qnan", "#div/0!", "#num!"}  # fmt: skip
_CLOCK = re.compile(r"(.{10})[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2}))?")
_PAIR = re.compile(r"([^xX]+)[xX]([^xX]+)")
_OCC = re.compile(r"(.*\S) *([0-9]{6})([CP])([0-9]{8})")
_EPOCH = date(1970, 1, 1).toordinal()
_TICKS_PER_DOLLAR = 10_000


@dataclass(frozen=True, slots=True)
class Cell:
    """A field that is read: where it stands, what it is read as, and where its numbers go."""

    place: int
    name: str
    kind: int
    slot: int
    is_needed: bool = False


def line_values(line: bytes, fields: int, cells: Sequence[Cell]) -> Mapping[int, Value]:
    """What a line says, by slot: the numbers of the kernel, texts as themselves.

    Raises
    ------
    ValueError
        With the reason, for a line that is not one row of ``fields`` fields that can be read.

    Examples
    --------
    >>> cells = [Cell(0, "day", DAY, 0), Cell(1, "bid", PRICE, 1), Cell(2, "root", ROOT, 2)]
    >>> line_values(b'1/4/2021,"1,234.5",SPXW  110107C01050000', 3, cells)
    {0: 18631.0, 1: 12345000.0, 2: 'SPXW'}
    """
    parts = line_parts(line)
    if len(parts) != fields:
        raise ValueError(f"{len(parts)} fields, not {fields}")
    values: dict[int, Value] = {}
    for cell in cells:
        for part, value in enumerate(cell_values(cell, parts[cell.place].strip())):
            values[cell.slot + part] = value
    return values


def line_parts(line: bytes) -> list[str]:
    """The fields of one line by the rules of CSV, whatever stands in them.

    >>> line_parts(b'SPY,"S&P 500, the fund", 1.5')
    ['SPY', 'S&P 500, the fund', '1.5']
    """
    if len(line) > LONGEST_LINE:
        raise ValueError("longer than 64 kB")
    if b"\0" in line:
        raise ValueError("holds a NUL byte")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    text = text.removesuffix("\r")
    if not text.strip():
        raise ValueError("blank line")
    return line_cells(text)


def cell_values(cell: Cell, text: str) -> tuple[Value, ...]:
    """What one cell says, as many values as its kind has slots."""
    # no word is nothing where names stand: NAN is somebody's symbol
    if not text or (cell.kind not in (TEXT, ROOT) and is_blank(text)):
        if cell.is_needed or cell.kind in (DAY, RIGHT, OCC):
            raise ValueError(f"no {cell.name}")
        return _blank(cell.kind)
    if cell.kind in (PRICE, ROUNDED):
        return (_ticks(cell, text),)
    if cell.kind == WHOLE:
        return (_whole(cell.name, text),)
    if cell.kind == NUMBER:
        return (_number(cell.name, text),)
    if cell.kind == DAY:
        return (_day(cell.name, text),)
    if cell.kind in (INSTANT, UTC_INSTANT):
        return (_instant(cell, text),)
    if cell.kind == RIGHT:
        return (float(right(text, cell.name)),)
    if cell.kind == PAIR:
        return _pair(cell.name, text)
    if cell.kind == OCC:
        return _occ(cell.name, text)
    return (_name(cell, text),)


def _blank(kind: int) -> tuple[Value, ...]:
    if kind in (TEXT, ROOT):
        return ("",)
    if kind in (INSTANT, UTC_INSTANT):
        return (NO_INSTANT,)
    return (nan,) if kind == NUMBER else (float(BLANK),) * SLOTS.get(kind, 1)


def _ratio(name: str, text: str) -> tuple[int, int]:
    """A number from 0 on as a fraction, exactly as written."""
    exact = dollars(text, name)
    if exact is None:
        raise ValueError(f"{name} {quoted(text)} is not a number")
    if exact < 0:
        raise ValueError(f"{name} {quoted(text)} is negative")
    return exact.as_integer_ratio()


def _ticks(cell: Cell, text: str) -> float:
    """Hundredths of a cent; what a float's text leaves, a thousandth of one, is forgiven."""
    above, below = _ratio(cell.name, text)
    ticks, rest = divmod(above * _TICKS_PER_DOLLAR, below)
    ticks += 2 * rest > below or (2 * rest == below and ticks % 2)
    if cell.kind == PRICE and below < 1000 * rest < 999 * below:
        raise ValueError(f"{cell.name} {quoted(text)} is finer than a hundredth of a cent")
    if ticks >= TICK_LIMIT:
        raise ValueError(f"{cell.name} {quoted(text)} is 100,000 dollars or more")
    return float(ticks)


def _whole(name: str, text: str) -> float:
    above, below = _ratio(name, text)
    if below != 1 or above >= WHOLE_LIMIT:
        raise ValueError(f"{name} {quoted(text)} is not a whole number below 2,147,483,648")
    return float(above)


def _number(name: str, text: str) -> float:
    """What a vendor worked out: it costs no quote where that has no value."""
    return nan if text.lower() in _OVERFLOWS else number(text, name)


def _day(name: str, text: str) -> float:
    return float(day(text, name).toordinal() - _EPOCH)


def _instant(cell: Cell, text: str) -> float:
    if cell.kind == UTC_INSTANT:
        text = text.removesuffix("Z")
    found = _CLOCK.fullmatch(text)
    hour, minute, second = (
        (int(part or 0) for part in found.groups()[1:]) if found else (99,) * 3
    )
    if not found or hour > 23 or minute > 59 or second > 59:
        raise ValueError(f"{cell.name} {quoted(text)} is not a time such as 2021-01-29 16:00")
    return 86_400 * _day(cell.name, found[1]) + 3600 * hour + 60 * minute + second


def _pair(name: str, text: str) -> tuple[float, float]:
    found = _PAIR.fullmatch(text)
    if not found:
        raise ValueError(f"{name} {quoted(text)} is not two numbers such as 5x10")
    return _whole(name, found[1].strip()), _whole(name, found[2].strip())


def _name(cell: Cell, text: str) -> str:
    found = _OCC.fullmatch(text) if cell.kind == ROOT else None
    name = found[1] if found else text
    if len(name) > LONGEST_TEXT:
        raise ValueError(f"{cell.name} {quoted(text)} is too long")
    return name


def _occ(name: str, text: str) -> tuple[Value, ...]:
    found = _OCC.fullmatch(text)
    if not found or len(found[1]) > LONGEST_TEXT:
        raise ValueError(f"{name} {quoted(text)} is not an OCC symbol")
    root, on, side, strike = found.groups()
    year = FIRST_OCC_YEAR + (int(on[:2]) - FIRST_OCC_YEAR) % 100
    try:
        expiry = float(date(year, int(on[2:4]), int(on[4:])).toordinal() - _EPOCH)
    except ValueError:
        raise ValueError(f"{name} {quoted(text)}: no such expiry date") from None
    return root, expiry, 1.0 if side == "C" else -1.0, float(10 * int(strike))
