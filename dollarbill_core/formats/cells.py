"""What a cell of a vendor's file says: a number, dollars, a date, an instant or nothing."""

import csv
import re
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor, isfinite, nan
from typing import TextIO

from dollarbill_core.values.calendars import MARKET_ZONE

LONGEST_LINE = 65_536  # characters; bytes where a line is not yet decoded
LONGEST_NUMBER = 100  # characters, some five times as many as anybody writes
SHOWN = 200  # characters of a refused row that are kept

_BLANKS = {"", "-", "--", ".", "nan", "na", "n/a", "#n/a", "null", "none"}
_NUMBER = re.compile(
    r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]*)?)"
    r"(?:[eE][+-]?[0-9]{1,3})?"
)
_RIGHTS = {"c": 1, "call": 1, "p": -1, "put": -1}
_MONTHS = {
    name: number
    for number, name in enumerate(
        "jan feb mar apr may jun jul aug sep oct nov dec".split(), start=1
    )
}
_FIRST_YEAR, _LAST_YEAR = 1900, 2199
_MIDNIGHT = r"(?:[T ]00:00(?::00(?:\.0+)?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?"
_DAYS = tuple(
    re.compile(style, re.ASCII)
    for style in (
        rf"(?P<y>\d{{4}})-(?P<m>\d\d)-(?P<d>\d\d){_MIDNIGHT}",
        rf"(?P<y>\d{{4}})(?P<m>\d\d)(?P<d>\d\d){_MIDNIGHT}",
        r"(?P<m>\d{1,2})/(?P<d>\d{1,2})/(?P<y>\d{4})",
        r"(?:[A-Z][a-z]{2},? )?(?P<n>[A-Z][a-z]{2}) (?P<d>\d{1,2}),? (?P<y>\d{4})",
    )
)
_INSTANT = re.compile(
    r"(?P<n>[A-Z][a-z]{2})[a-z]* (?P<d>\d{1,2}),? (?P<y>\d{4}) (?:at|@) "
    r"(?P<hour>\d{1,2}):(?P<minute>\d\d) ?(?P<half>AM|PM)? ?E[DS]?T",
    re.ASCII,
)


def numbered_lines(text: str) -> Iterator[tuple[int, str]]:
    """Every line that is not blank, with its number from 1 on."""
    for count, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield count, line.rstrip("\r")


def next_line(text: TextIO) -> str:
    """The next line of a file, "" behind the last; of an endless one only the beginning."""
    line = text.readline(LONGEST_LINE + 1)
    rest = line
    while len(rest) > LONGEST_LINE and not rest.endswith("\n"):
        rest = text.readline(LONGEST_LINE + 1)
    return line


def row_cells(line: str) -> list[str]:
    """The cells of one line of a CSV file, which no quote may leave.

    Raises ValueError for a line that says more or less than its writer meant: with a NUL, with
    bytes that were no UTF-8, or with a quotation mark that stands alone.

    >>> row_cells('"Date: May 1, 2023", "Bid: 1"')
    ['Date: May 1, 2023', 'Bid: 1']
    """
    if "\ufffd" in line:
        raise ValueError("not UTF-8")
    return line_cells(line.rstrip("\r\n"))


def line_cells(line: str) -> list[str]:
    """The cells of a line that is decoded already, without its end."""
    if len(line) > LONGEST_LINE:
        raise ValueError("longer than 64 kB")
    if "\0" in line:
        raise ValueError("holds a NUL byte")
    if "\r" in line:
        raise ValueError("a carriage return inside the line")
    if '"' not in line:
        return line.split(",")
    try:
        return next(csv.reader([line], strict=True, skipinitialspace=True))
    except csv.Error:
        raise ValueError(
            "a quotation mark that is not closed, or stands inside a field"
        ) from None


def header_cells(line: str) -> list[str]:
    """The names in a header, in lower case; none if it cannot be read.

    >>> header_cells("DATE, Open ,Close")
    ['date', 'open', 'close']
    """
    try:
        return [cell.strip().lower() for cell in row_cells(line)]
    except ValueError:
        return []


def is_blank(text: str) -> bool:
    """Whether a cell of anything but names says nothing, in one of the words for it.

    >>> is_blank(""), is_blank("N/A"), is_blank("0")
    (True, True, False)
    """
    return not text or text.lower() in _BLANKS


def quoted(text: str) -> str:
    """A cell within a message: shortened, and nothing in it that a screen obeys.

    >>> quoted("1" * 60)
    "'111111111111111111111111111111111111111…'"
    """
    return repr(printable(text, 40))


def printable(text: str, most: int = SHOWN) -> str:
    """What a file said as it may be shown: shortened, and nothing that a screen obeys.

    >>> printable("SPY,\\x00,1")
    'SPY,\\\\x00,1'
    """
    text = text[: most + 1]
    if not text.isprintable():
        text = "".join(
            each if each.isprintable() else each.encode("unicode_escape").decode()
            for each in text
        )
    return text if len(text) <= most else text[: most - 1] + "…"


def number(text: str, name: str) -> float:
    """A number, NaN where the cell is blank; what it is called is for the message.

    Raises ValueError for anything else, also for words that Python takes for numbers.

    >>> number(" 1,234.50", "volume"), number("", "bid")
    (1234.5, nan)
    """
    text = text.strip()
    if is_blank(text):
        return nan
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{name} {quoted(text)} is not a number")
    value = float(text.replace(",", "")) if len(text) <= LONGEST_NUMBER else nan
    if not isfinite(value):
        raise ValueError(f"{name} {quoted(text)} is too long or too great a number")
    return value


def dollars(text: str, name: str) -> Decimal | None:
    """The number as written, exact; None where the cell is blank.

    >>> dollars("1.2778", "dividend"), dollars(" ", "dividend")
    (Decimal('1.2778'), None)
    """
    value = number(text, name)
    return None if value != value else Decimal(text.strip().replace(",", ""))


def whole(text: str, name: str) -> int | None:
    """A whole number; None where the cell is blank.

    >>> whole("2150000", "volume"), whole("12.0", "volume")
    (2150000, 12)
    """
    exact = dollars(text, name)
    if exact is not None and exact != int(exact):
        raise ValueError(f"{name} {quoted(text.strip())} is not a whole number")
    return None if exact is None else int(exact)


def right(text: str, name: str) -> int:
    """+1 for a call, -1 for a put.

    >>> right("Call", "type"), right("P", "type")
    (1, -1)
    """
    text = text.strip()
    if is_blank(text):
        raise ValueError(f"no {name}")
    if text.lower() not in _RIGHTS:
        raise ValueError(f"{name} {quoted(text)} is neither call nor put")
    return _RIGHTS[text.lower()]


def day(text: str, name: str = "date") -> date:
    """A date in one of the styles seen; no time of day but midnight may stand behind it.

    >>> [day(each).isoformat() for each in ("20210129", "01/29/2021", "Thu Sep 14 2023")]
    ['2021-01-29', '2021-01-29', '2023-09-14']
    """
    text = text.strip()
    if is_blank(text):
        raise ValueError(f"no {name}")
    for style in _DAYS:
        found = style.fullmatch(text)
        if found:
            return _date(found.groupdict(), text, name)
    raise ValueError(f"{name} {quoted(text)} is not a date such as 2021-01-29 or 01/29/2021")


def _date(parts: dict[str, str], text: str, name: str) -> date:
    month = parts.get("m") or _MONTHS.get(parts["n"].lower(), 0)
    try:
        found = date(int(parts["y"]), int(month), int(parts["d"]))
        if _FIRST_YEAR <= found.year <= _LAST_YEAR:
            return found
    except ValueError:
        pass
    raise ValueError(f"{name} {quoted(text)} is no day of the calendar")


def instant(text: str) -> datetime:
    """The instant within a line of prose, in New York.

    >>> instant("Date: September 14, 2023 at 4:31 PM EDT").isoformat()
    '2023-09-14T16:31:00-04:00'
    >>> instant("Dec 28 2017 @ 11:12 ET").isoformat()
    '2017-12-28T11:12:00-05:00'
    """
    found = _INSTANT.search(text)
    if not found:
        raise ValueError(f"no date and time in {quoted(text.strip())}")
    parts = found.groupdict()
    on = _date(parts, found[0], "date")
    hour, minute = int(parts["hour"]), int(parts["minute"])
    if parts["half"]:
        hour = hour % 12 + (12 if parts["half"] == "PM" else 0)
    if hour > 23 or minute > 59:
        raise ValueError(f"no such time of day: {found[0]!r}")
    return datetime(on.year, on.month, on.day, hour, minute, tzinfo=MARKET_ZONE)


def shortest_decimal(low: Decimal, high: Decimal, places: int = 6) -> Decimal:
    """The number with the fewest decimals between two bounds, the one nearest their middle.

    A number that was rounded into an interval was most likely a short one.

    >>> shortest_decimal(Decimal("1.27775"), Decimal("1.27783"))
    Decimal('1.2778')
    """
    middle = (low + high) / 2
    for length in range(places):
        short = round(middle, length)
        if low <= short <= high:
            return short
    return round(middle, places)


def shortest_fraction(low: Fraction, high: Fraction) -> Fraction:
    """The fraction with the smallest denominator between two positive bounds.

    By continued fractions: the whole part, or the reciprocal of what lies behind it.

    >>> shortest_fraction(Fraction("0.1428570"), Fraction("0.1428574"))
    Fraction(1, 7)
    """
    whole_part = ceil(low)
    if whole_part <= high:
        return Fraction(whole_part)
    below = floor(low)
    return below + 1 / shortest_fraction(1 / (high - below), 1 / (low - below))
