"""Cboe's delayed quotes as its web page saves them: one chain, a call and a put in each row."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import nan
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from dollarbill_core.formats.cells import (
    day,
    header_cells,
    instant,
    next_line,
    number,
    row_cells,
)
from dollarbill_core.formats.pieces import Piece, UnreadableFile
from dollarbill_core.formats.quote_batch import QuoteBatch
from dollarbill_core.values.calendars import (
    close_instant,
    is_session,
    open_instant,
    previous_session,
)
from dollarbill_core.values.contracts import Option, Right

SEEN = (
    "Expiration Date, Calls, Last Sale, Net, Bid, Ask, Volume, IV, Delta, Gamma, Open Interest"
    ", Strike, Puts and the put's Last Sale to Open Interest, below a line with Last and one "
    "with the Date of the download (2023-09-14; in 2019 Vol and Open Int, and dates like "
    "05/13/2019). Before: Calls, Last Sale, Net, Bid, Ask, Vol, Open Int, Puts and so on, "
    "contracts like 18 Dec 100.00 (SPX1821L100), below SPX (S&P 500 INDEX),2684.79,+2.17 and "
    "Dec 28 2017 @ 11:12 ET (files of 2013, 2017 and 2018 quoted in a book and in course work)"
)
_ROWS_A_PIECE = 5_000
_BANNER_LINES = 8  # the header stands within them
_SIDES = (("call", Right.CALL), ("put", Right.PUT))
_CELLS = {
    "last sale": "last",
    "bid": "bid",
    "ask": "ask",
    "volume": "volume",
    "vol": "volume",
    "iv": "vendor_vol",
    "delta": "vendor_delta",
    "open interest": "open_interest",
    "open int": "open_interest",
}
_NUMBERS = tuple(dict.fromkeys(_CELLS.values()))
# Root, year, day, month as a letter (A to L calls, M to X puts), strike, and the exchange where
# the quote is one exchange's alone.
_OLD = re.compile(
    r"(?P<year>\d\d) (?P<month>[A-Z][a-z]{2}) (?P<strike>\d+(\.\d+)?) "
    r"\((?P<root>[A-Z]+\d?)(?P=year)(?P<day>\d\d)(?P<letter>[A-X])[\d.]+(?P<alone>-\w)?\)"
)
_LAST = re.compile(r"Last: *([\d.,]+)")


@dataclass(frozen=True, slots=True)
class CboeFiles:
    """The CSV that Cboe's page of delayed quotes gives for one underlying.

    The page says when it was asked, not the trading day: the quotes are of the session on or
    before that instant. They are stamped with it during the session, and with the close (that
    is, with nothing) after it; delayed by some fifteen minutes they are always. The contract's
    symbol says the root, so SPX and SPXW are told apart. Rows for one exchange alone, as in
    ``(IBM1327L125-4)``, repeat what the row of all exchanges says and are left out.
    """

    name: str = "cboe"
    seen: str = SEEN

    def check(self, file: Path) -> None:
        """Raise what ``pieces`` would before its first piece."""
        next(self.pieces(file), None)

    def pieces(self, file: Path, start: int = 0) -> Iterator[Piece]:
        """The file from line ``start`` on (0 and any line of the banner: all of it).

        Raises
        ------
        UnreadableFile
            Without the header, the date line or the underlying's last price.
        """
        size = max(file.stat().st_size, 1)
        with file.open(encoding="utf-8-sig", errors="replace", newline="") as text:
            lines = _Lines(text)
            page = _page(file, lines)
            while not lines.ended:
                first = max(lines.count, start)
                batch = _batch(file, page, lines, start)
                done = 1.0 if lines.ended else min(lines.read / size, 1.0)
                read = max(lines.count - first, 0)
                yield batch.piece("Cboe delayed quotes", lines.count, done, read)


@dataclass(slots=True)
class _Lines:
    """The lines of a file, counted from 1, and about how many bytes they were."""

    text: TextIO
    count: int = 0
    read: int = 0
    ended: bool = False

    def next(self) -> str:
        line = next_line(self.text)
        self.ended = not line
        self.count += bool(line)
        self.read += len(line)
        return line


@dataclass(frozen=True, slots=True)
class _Page:
    """What the lines above the rows say."""

    header: Sequence[str]
    values: Mapping[str, Any]  # what every row has: day, instant, price of the underlying
    old: bool


def _page(file: Path, lines: _Lines) -> _Page:
    banner: list[str] = []
    while len(banner) < _BANNER_LINES and not lines.ended:
        banner.append(lines.next())
        header = header_cells(banner[-1])
        if "calls" in header and "puts" in header and "bid" in header:
            asked, last = _asked(file, banner), _last(file, banner)
            try:
                shared = _shared(asked, last)
            except ValueError as error:
                raise UnreadableFile(f"{file}: {error}") from None
            return _Page(header, shared, "strike" not in header)
    raise UnreadableFile(
        f"{file}: no header with Calls and Puts in its first lines: it is not Cboe's file of "
        "delayed quotes"
    )


def _asked(file: Path, banner: list[str]) -> datetime:
    for line in banner:
        try:
            return instant(line)
        except ValueError:
            continue
    raise UnreadableFile(
        f"{file}: no line says the date and time of the download, such as "
        "Date: September 14, 2023 at 4:31 PM EDT"
    )


def _last(file: Path, banner: list[str]) -> float:
    for line in banner:
        found = _LAST.search(line)
        cells = header_cells(line)
        text = found[1].rstrip(",") if found else cells[1] if len(cells) > 2 else ""
        try:
            last = number(text, "last")
        except ValueError:
            continue
        if last > 0:
            return last
    raise UnreadableFile(f"{file}: the underlying's last price is not above the header")


def _shared(asked: datetime, last: float) -> dict[str, Any]:
    """The session whose quotes were shown, their instant unless that is its close."""
    on, instant_known = asked.date(), False
    if not is_session(on) or asked < open_instant(on):
        on = previous_session(on)
    else:
        instant_known = asked < close_instant(on)
    shown = asked.astimezone(UTC).replace(tzinfo=None) if instant_known else "NaT"
    return {"date": on, "quoted_at": np.datetime64(shown, "ms"), "underlying": last}


def _batch(file: Path, page: _Page, lines: _Lines, start: int) -> QuoteBatch:
    batch = QuoteBatch()
    while len(batch.places) + len(batch.rejects) < _ROWS_A_PIECE:
        line = lines.next()
        if lines.ended:
            break
        if lines.count > start and line.strip(" ,\r\n"):
            _add(batch, page, f"{file.name}, line {lines.count}", line.strip())
    return batch


def _add(batch: QuoteBatch, page: _Page, place: str, line: str) -> None:
    try:
        cells = _whole_row(page, line)
    except ValueError as error:
        batch.refuse(place, str(error), line)
        return
    quote = _old_quote if page.old else _quote
    for side, right in _SIDES:
        try:
            values = quote(page, cells, right)
        except ValueError as error:
            batch.refuse(f"{place}, {side}", str(error), line)
            continue
        if values is not None:
            batch.add(f"{place}, {side}", line, {**page.values, **values})


def _whole_row(page: _Page, line: str) -> list[str]:
    cells = row_cells(line)
    if len(cells) < len(page.header):
        raise ValueError(f"{len(cells)} cells, not {len(page.header)}")
    return cells


def _quote(page: _Page, cells: list[str], right: Right) -> dict[str, Any] | None:
    cell = _side(page, cells, right)
    contract = cell("calls" if right is Right.CALL else "puts")
    if not contract:
        return None
    option = Option.from_occ(contract)
    expiry = day(cells[page.header.index("expiration date")], "expiration date")
    strike = number(cells[page.header.index("strike")], "strike")
    if (option.right, option.expiry, float(option.strike)) != (right, expiry, strike):
        raise ValueError(f"{contract} is not the {right.name.lower()} of {expiry} at {strike}")
    return _values(option, cell)


def _old_quote(page: _Page, cells: list[str], right: Right) -> dict[str, Any] | None:
    cell = _side(page, cells, right)
    contract = cell("calls" if right is Right.CALL else "puts")
    if not contract:
        return None
    found = _OLD.fullmatch(contract)
    if not found:
        raise ValueError(f"{contract!r} is not a contract such as 18 Dec 100.00 (SPX1821L100)")
    if found["alone"]:
        return None
    month, is_put = divmod(ord(found["letter"]) - ord("A"), 12)[::-1]
    if is_put == (right is Right.CALL):
        raise ValueError(f"{contract} stands on the side of the {right.name.lower()}s")
    expiry = day(f"20{found['year']}{month + 1:02d}{found['day']}", "expiry")
    if f"{expiry:%b}" != found["month"]:
        raise ValueError(f"{contract}: its letter is not of its month")
    occ = f"{expiry:%y%m%d}{right.name[0]}{round(1000 * float(found['strike'])):08d}"
    return _values(Option.from_occ(found["root"] + occ), cell)


def _side(page: _Page, cells: list[str], right: Right) -> Callable[[str], str]:
    """The cell of a name within the call's part of the row, or the put's."""
    middle = page.header.index("puts")
    part = slice(0, middle) if right is Right.CALL else slice(middle, None)
    named = dict(zip(page.header[part], cells[part], strict=False))
    return lambda name: named.get(name, "").strip()


def _values(option: Option, cell: Callable[[str], str]) -> dict[str, Any]:
    numbers = dict.fromkeys(_NUMBERS, nan)
    for header, name in _CELLS.items():
        text = cell(header)
        if text:
            numbers[name] = number(text, header)
    return {
        "symbol": option.underlying,
        "root": option.root,
        "expiry": option.expiry,
        "right": int(option.right),
        "strike": float(option.strike),
        **numbers,
    }
