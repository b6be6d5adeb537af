"""What a cell of a vendor's file says: a number, dollars, a date, an instant or nothing."""

import csv
import re
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor, isfinite, nan

from dollarbill_core.values.calendars import MARKET_ZONE

_NUMBER = re.compile(
    r"[+-]?(\d+|\d{1,3}(,\d{3})+)?(\.\d*)?(?<=[\d.])([eE][+-]?\d{1,3})?", re.ASCII
)
_MONTHS = {
    name: number
    for number, name in enumerate(
        "jan feb mar apr may jun jul aug sep oct nov dec".split(), start=1
    )
}
_DAYS = tuple(
    re.compile(style, re.ASCII)
    for style in (
        r"(?P<y>\d{4})-(?P<m>\d\d)-(?P<d>\d\d)(?:[T ].*)?",
        r"(?P<y>\d{4})(?P<m>\d\d)(?P<d>\d\d)(?:[T ].*)?",
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


def row_cells(line: str) -> list[str]:
    """The cells of one line of a CSV file, which no quote may leave.

    Raises ValueError for a line that says more or less than its writer meant: with a NUL, with
    bytes that were no UTF-8, or with a quotation mark that stands alone.

    >>> row_cells('"Date: May 1, 2023",Bid: 1')
    ['Date: May 1, 2023', 'Bid: 1']
    """
    line = line.rstrip("\r\n")
    if "\0" in line or "\ufffd" in line:
        raise ValueError("holds a NUL byte" if "\0" in line else "not UTF-8")
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error:
        raise ValueError("a quotation mark that is not closed, or too long a cell") from None


def header_cells(line: str) -> list[str]:
    """The names in a header, in lower case; none if it cannot be read.

    >>> header_cells("DATE, Open ,Close")
    ['date', 'open', 'close']
    """
    try:
        return [cell.strip().lower() for cell in row_cells(line)]
    except ValueError:
        return []


def number(text: str, name: str) -> float:
    """A number, NaN where the cell is empty; what it is called is for the message.

    Raises ValueError for anything else, also for words that Python takes for numbers.

    >>> number(" 1,234.50", "volume"), number("", "bid")
    (1234.5, nan)
    """
    text = text.strip()
    if not text:
        return nan
    if not _NUMBER.fullmatch(text) or not any(map(str.isdigit, text)):
        raise ValueError(f"{name} {text!r} is not a number")
    value = float(text.replace(",", ""))
    if not isfinite(value):
        raise ValueError(f"{name} {text!r} is not a number")
    return value


def dollars(text: str, name: str) -> Decimal | None:
    """The number as written, exact; None where the cell is empty.

    >>> dollars("1.2778", "dividend"), dollars(" ", "dividend")
    (Decimal('1.2778'), None)
    """
    number(text, name)
    return Decimal(text.strip().replace(",", "")) if text.strip() else None


def whole(text: str, name: str) -> int | None:
    """A whole number; None where the cell is empty.

    >>> whole("2150000", "volume"), whole("12.0", "volume")
    (2150000, 12)
    """
    exact = dollars(text, name)
    if exact is not None and exact != int(exact):
        raise ValueError(f"{name} {text.strip()!r} is not a whole number")
    return None if exact is None else int(exact)


def day(text: str, name: str = "date") -> date:
    """A date in one of the styles seen; a time of day behind it is left out.

    >>> [day(each).isoformat() for each in ("20210129", "01/29/2021", "Thu Sep 14 2023")]
    ['2021-01-29', '2021-01-29', '2023-09-14']
    """
    for style in _DAYS:
        found = style.fullmatch(text.strip())
        if found:
            return _date(found.groupdict(), text, name)
    raise ValueError(f"{name} {text.strip()!r} is not a date such as 2021-01-29 or 01/29/2021")


def _date(parts: dict[str, str], text: str, name: str) -> date:
    month = parts.get("m") or _MONTHS.get(parts["n"].lower(), 0)
    try:
        return date(int(parts["y"]), int(month), int(parts["d"]))
    except ValueError:
        raise ValueError(f"{name} {text.strip()!r} is no day of the calendar") from None


def instant(text: str) -> datetime:
    """The instant within a line of prose, in New York.

    >>> instant("Date: September 14, 2023 at 4:31 PM EDT").isoformat()
    '2023-09-14T16:31:00-04:00'
    >>> instant("Dec 28 2017 @ 11:12 ET").isoformat()
    '2017-12-28T11:12:00-05:00'
    """
    found = _INSTANT.search(text)
    if not found:
        raise ValueError(f"no date and time in {text.strip()!r}")
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
