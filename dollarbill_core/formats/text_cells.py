"""One line of a vendor's file in plain Python: the kernel's twin, and the one that refuses."""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import inf, isfinite, nan

from dollarbill_core.formats.cell_kernels import BLANK, NO_INSTANT, TICK_LIMIT, WHOLE_LIMIT
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

LONGEST_LINE = 65_536  # bytes
SHOWN = 200  # characters of a refused line that are kept

Value = float | str

_BLANKS = {"", "-", "--", "nan", "n/a", "null", "none"}
_PLAIN = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)"
_THOUSANDS = r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]*)?"
_EXACT = re.compile(rf"([+-]?)({_PLAIN}|{_THOUSANDS})")
_FLOAT = re.compile(rf"[+-]?(?:{_PLAIN}(?:[eE][+-]?[0-9]{{1,3}})?|{_THOUSANDS})")
_ISO = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[T ]00:00(?::00(?:\.0+)?)?)?")
_COMPACT = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")
_AMERICAN = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})")
_CLOCK = re.compile(r"(.{10})[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2}))?")
_PAIR = re.compile(r"([^xX]+)[xX]([^xX]+)")
_OCC = re.compile(r"(.*\S) *([0-9]{6})([CP])([0-9]{8})")
_RIGHTS = {"c": 1.0, "call": 1.0, "p": -1.0, "put": -1.0}
_EPOCH = date(1970, 1, 1).toordinal()
_TICK_DECIMALS = 4
_DECIMAL_LIMIT = 60  # decimals of a number, and three times as many as anybody writes


class Fault(ValueError):
    """Why a line is refused."""


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
    Fault
        With the reason, for a line that is not one row of ``fields`` fields that can be read.

    Examples
    --------
    >>> cells = [Cell(0, "day", DAY, 0), Cell(1, "bid", PRICE, 1), Cell(2, "root", ROOT, 2)]
    >>> line_values(b'1/4/2021,"1,234.5",SPXW  110107C01050000', 3, cells)
    {0: 18631.0, 1: 12345000.0, 2: 'SPXW'}
    """
    parts = line_parts(line)
    if len(parts) != fields:
        raise Fault(f"{len(parts)} fields, not {fields}")
    values: dict[int, Value] = {}
    for cell in cells:
        for number, value in enumerate(cell_values(cell, parts[cell.place].strip())):
            values[cell.slot + number] = value
    return values


def line_parts(line: bytes) -> list[str]:
    """The fields of one line by the rules of CSV, whatever stands in them.

    >>> line_parts(b'SPY,"S&P 500, the fund", 1.5')
    ['SPY', 'S&P 500, the fund', '1.5']
    """
    if len(line) > LONGEST_LINE:
        raise Fault("longer than 64 kB")
    if b"\0" in line:
        raise Fault("holds a NUL byte")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise Fault("not UTF-8") from None
    text = text.removesuffix("\r")
    if not text.strip():
        raise Fault("blank line")
    if "\r" in text:
        raise Fault("a carriage return inside the line")
    if '"' not in text:
        return text.split(",")
    try:
        return next(csv.reader([text], strict=True, skipinitialspace=True))
    except csv.Error:
        raise Fault("a quotation mark that is not closed, or stands inside a field") from None


def cell_values(cell: Cell, text: str) -> tuple[Value, ...]:
    """What one cell says, as many values as its kind has slots."""
    # no word is nothing where names stand: NAN is somebody's symbol
    if not text or (cell.kind not in (TEXT, ROOT) and text.lower() in _BLANKS):
        if cell.is_needed or cell.kind in (DAY, RIGHT, OCC):
            raise Fault(f"no {cell.name}")
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
        return (_right(cell.name, text),)
    if cell.kind == PAIR:
        return _pair(cell.name, text)
    if cell.kind == OCC:
        return _occ(cell.name, text)
    return (_name(cell, text),)


def printable(line: bytes) -> str:
    """A refused line as it may be shown: shortened, and nothing in it that a screen obeys.

    >>> printable(b"SPY,\\x00\\xff,1")
    'SPY,\\\\x00\\\\xff,1'
    """
    text = line[: 4 * SHOWN].decode("utf-8", "backslashreplace")
    shown = "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )
    return shown if len(shown) <= SHOWN else shown[: SHOWN - 1] + "…"


def _blank(kind: int) -> tuple[Value, ...]:
    if kind in (TEXT, ROOT):
        return ("",)
    if kind in (INSTANT, UTC_INSTANT):
        return (NO_INSTANT,)
    return (nan,) if kind == NUMBER else (float(BLANK),) * SLOTS.get(kind, 1)


def _digits(name: str, text: str) -> tuple[int, int]:
    """A number from 0 on as its digits and how many of them are decimals."""
    found = _EXACT.fullmatch(text)
    if not found:
        raise Fault(f"{name} {_quoted(text)} is not a number")
    whole, _, decimals = found[2].replace(",", "").partition(".")
    whole, decimals = whole.lstrip("0"), decimals.rstrip("0")
    if len(whole) > 12 or len(decimals) > _DECIMAL_LIMIT:
        what = "too great" if len(whole) > 12 else "too fine"
        raise Fault(f"{name} {_quoted(text)} is {what}")
    digits = int(whole + decimals or "0")
    if found[1] == "-" and digits:
        raise Fault(f"{name} {_quoted(text)} is negative")
    return digits, len(decimals)


def _ticks(cell: Cell, text: str) -> float:
    """Hundredths of a cent; what a float's text leaves, a thousandth of one, is forgiven."""
    digits, decimals = _digits(cell.name, text)
    if decimals <= _TICK_DECIMALS:
        ticks = digits * 10 ** (_TICK_DECIMALS - decimals)
    else:
        unit = 10 ** (decimals - _TICK_DECIMALS)
        ticks, rest = divmod(digits, unit)
        ticks += 2 * rest > unit or (2 * rest == unit and ticks % 2)
        if cell.kind == PRICE and unit < 1000 * rest < 999 * unit:
            raise Fault(f"{cell.name} {_quoted(text)} is finer than a hundredth of a cent")
    if ticks >= TICK_LIMIT:
        raise Fault(f"{cell.name} {_quoted(text)} is 100,000 dollars or more")
    return float(ticks)


def _whole(name: str, text: str) -> float:
    digits, decimals = _digits(name, text)
    if decimals or digits >= WHOLE_LIMIT:
        raise Fault(f"{name} {_quoted(text)} is not a whole number below 2,147,483,648")
    return float(digits)


def _number(name: str, text: str) -> float:
    number = float(text.replace(",", "")) if _FLOAT.fullmatch(text) else inf
    if not isfinite(number):
        raise Fault(f"{name} {_quoted(text)} is not a number")
    return number


def _day(name: str, text: str) -> float:
    if found := _ISO.fullmatch(text) or _COMPACT.fullmatch(text):
        year, month, day = map(int, found.groups())
    elif found := _AMERICAN.fullmatch(text):
        month, day, year = map(int, found.groups())
    else:
        raise Fault(f"{name} {_quoted(text)} is not a date such as 2021-01-29 or 01/29/2021")
    try:
        return float(_since_epoch(year, month, day))
    except ValueError:
        raise Fault(f"{name} {_quoted(text)} is no day of the calendar") from None


def _since_epoch(year: int, month: int, day: int) -> int:
    if not 1900 <= year <= 2199:
        raise ValueError
    return date(year, month, day).toordinal() - _EPOCH


def _instant(cell: Cell, text: str) -> float:
    if cell.kind == UTC_INSTANT:
        text = text.removesuffix("Z")
    found = _CLOCK.fullmatch(text)
    hour, minute, second = (
        (int(part or 0) for part in found.groups()[1:]) if found else (99,) * 3
    )
    if not found or hour > 23 or minute > 59 or second > 59:
        raise Fault(f"{cell.name} {_quoted(text)} is not a time such as 2021-01-29 16:00")
    return 86_400 * _day(cell.name, found[1]) + 3600 * hour + 60 * minute + second


def _right(name: str, text: str) -> float:
    if text.lower() not in _RIGHTS:
        raise Fault(f"{name} {_quoted(text)} is neither call nor put")
    return _RIGHTS[text.lower()]


def _pair(name: str, text: str) -> tuple[float, float]:
    found = _PAIR.fullmatch(text)
    if not found:
        raise Fault(f"{name} {_quoted(text)} is not two numbers such as 5x10")
    return _whole(name, found[1].strip()), _whole(name, found[2].strip())


def _name(cell: Cell, text: str) -> str:
    found = _OCC.fullmatch(text) if cell.kind == ROOT else None
    name = found[1] if found else text
    if len(name) > LONGEST_TEXT:
        raise Fault(f"{cell.name} {_quoted(text)} is too long")
    return name


def _occ(name: str, text: str) -> tuple[Value, ...]:
    found = _OCC.fullmatch(text)
    if not found or len(found[1]) > LONGEST_TEXT:
        raise Fault(f"{name} {_quoted(text)} is not an OCC symbol")
    root, day, right, strike = found.groups()
    year = FIRST_OCC_YEAR + (int(day[:2]) - FIRST_OCC_YEAR) % 100
    try:
        expiry = float(_since_epoch(year, int(day[2:4]), int(day[4:])))
    except ValueError:
        raise Fault(f"{name} {_quoted(text)}: no such expiry date") from None
    return root, expiry, 1.0 if right == "C" else -1.0, float(10 * int(strike))


def _quoted(text: str) -> str:
    shown = printable(text.encode())
    return repr(shown if len(shown) <= 40 else shown[:39] + "…")
