"""QuantConnect LEAN's zips: daily quotes of options, with their trades and open interest."""

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from math import nan
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from dollarbill_core.formats.cells import day, number, numbered_lines, quoted
from dollarbill_core.formats.lean_prices import SEEN as PRICES_SEEN
from dollarbill_core.formats.lean_prices import lean_price_piece, member_text, opened_zip
from dollarbill_core.formats.pieces import Piece, Reject, UnreadableFile
from dollarbill_core.formats.quote_batch import QuoteBatch
from dollarbill_core.values.contracts import CASH_SETTLED_ROOTS

SEEN = (
    "aapl_2014_quote_american.zip, one CSV per contract, named "
    "aapl_quote_american_call_6450000_20140621.csv, rows yyyyMMdd HH:mm, bid open, high, low, "
    "close, bid size, ask open, high, low, close, ask size, prices x 10,000; "
    "..._trade_american.zip with open, high, low, close, volume; "
    "..._openinterest_american.zip with one number. QuantConnect/Lean, Data/option, "
    "its readme.md and the AAPL files of June 2014"
)
_ZIP = re.compile(r"(?P<root>[^_]+)_(?P<year>\d{4})_(?P<kind>quote|trade|openinterest)_\w+")
_MINUTES = re.compile(r"\d{8}_(quote|trade|openinterest)_\w+")
_MEMBER = re.compile(
    r"(?P<root>[^_]+)_(?:quote|trade|openinterest)_(?:american|european)_"
    r"(?P<right>call|put)_(?P<strike>\d+)_(?P<expiry>\d{8})\.csv"
)
_SCALE = 10_000
_MEMBERS_A_PIECE = 500
_WIDTHS = {"quote": 11, "trade": 6, "openinterest": 2}
_BESIDE = ("trade", "openinterest")
_NUMBERS = ("bid", "ask", "bid_size", "ask_size", "last", "volume", "open_interest")
_RIGHTS = {"call": 1, "put": -1}


@dataclass(frozen=True, slots=True)
class LeanFiles:
    """Option zips of daily resolution, and daily prices of stocks with their factor files.

    A store keeps one row per contract and day, so quotes, trades and open interest must come
    together: **the zip of quotes is the one that is read, with the trade and the open-interest
    zips that lie beside it**. Those two, given themselves, add no row; they only name what had
    no quote to go with. The closes of bid and ask are taken; a bid that is not there is none.

    The year, the resolution and the kind stand in a zip's name as LEAN writes it. Hourly and
    minute files are refused.
    """

    name: str = "lean"
    seen: str = f"{SEEN}; {PRICES_SEEN}"

    def check(self, file: Path) -> None:
        """Raise what ``pieces`` would before its first piece."""
        next(self.pieces(file), None)

    def pieces(self, file: Path, start: int = 0) -> Iterator[Piece]:
        """The file from its member number ``start`` on; prices are one piece.

        Raises
        ------
        UnreadableFile
            For a file that LEAN does not name so, a damaged zip, another resolution, or trades,
            open interest, prices or factors without the file they belong to.
        """
        if _MINUTES.fullmatch(file.stem):
            raise UnreadableFile(
                f"{file}: minute data are not read; give the daily zip, named like "
                "aapl_2014_quote_american.zip"
            )
        named = _ZIP.fullmatch(file.stem)
        if file.suffix != ".zip" or not named:
            if not start:
                yield lean_price_piece(file)
            return
        with ExitStack() as opened:
            zips = _opened(file, named["kind"], opened)
            if named["kind"] == "quote":
                yield from _quotes(file, zips, start)
            elif not start:
                yield Piece({}, 1, 1.0, _unquoted(file, zips, named["kind"]))


def _opened(file: Path, kind: str, opened: ExitStack) -> dict[str, ZipFile]:
    """The zips of one root and year that are there, by kind."""
    zips = {}
    for each in _WIDTHS:
        path = file.with_name(file.name.replace(f"_{kind}_", f"_{each}_"))
        if path.is_file() or each == kind:
            zips[each] = opened.enter_context(opened_zip(path))
        elif each == "quote":
            raise UnreadableFile(
                f"{file}: {kind} is read together with the quotes, and {path.name} is not "
                "beside it: put both into one folder"
            )
    return zips


def _quotes(file: Path, zips: Mapping[str, ZipFile], start: int) -> Iterator[Piece]:
    members = zips["quote"].namelist()
    for first in range(start, len(members), _MEMBERS_A_PIECE):
        end = min(first + _MEMBERS_A_PIECE, len(members))
        batch = QuoteBatch()
        for member in members[first:end]:
            _add_contract(batch, file, zips, member)
        yield batch.piece("QuantConnect LEAN", end, end / len(members))


def _add_contract(
    batch: QuoteBatch, file: Path, zips: Mapping[str, ZipFile], member: str
) -> None:
    """Each day's quote of one contract, with that day's trades and open interest."""
    contract = _contract(member)
    if contract is None:
        batch.refuse(f"{file.name}: {member}", "the name is not that of a contract")
        return
    beside: dict[date, dict[str, float]] = {}
    for kind in _BESIDE:
        if kind in zips:
            for _, on, _, values in _days(batch, zips[kind], kind, _named(member, kind)):
                beside.setdefault(on, {}).update(values)
    for place, on, line, values in _days(batch, zips["quote"], "quote", member):
        row = dict.fromkeys(_NUMBERS, nan) | values | beside.get(on, {})
        batch.add(place, line, contract | {"date": on} | row)


def _contract(member: str) -> dict[str, Any] | None:
    found = _MEMBER.fullmatch(member)
    if not found:
        return None
    root = found["root"].replace(".", "").upper()  # brk.b: OCC's root has no full stop
    try:
        expiry = day(found["expiry"])
    except ValueError:
        return None
    return {
        "symbol": CASH_SETTLED_ROOTS.get(root, root),
        "root": root,
        "expiry": expiry,
        "right": _RIGHTS[found["right"]],
        "strike": float(Decimal(found["strike"]) / _SCALE),
    }


def _named(member: str, kind: str) -> str:
    return re.sub(r"_(quote|trade|openinterest)_", f"_{kind}_", member, count=1)


def _days(
    batch: QuoteBatch, archive: ZipFile, kind: str, member: str
) -> Iterator[tuple[str, date, str, dict[str, float]]]:
    """Place, day, line and values of each row of one contract; none if it is not there."""
    text = member_text(archive, member)
    if text is None:
        return
    archive_name = Path(str(archive.filename)).name
    for count, line in numbered_lines(text):
        place = f"{archive_name}: {member}, line {count}"
        try:
            on, values = _parsed(kind, line)
        except ValueError as error:
            batch.refuse(place, str(error), line)
            continue
        if on is None:
            raise UnreadableFile(
                f"{archive.filename}: rows have a time of day, so these are hourly data: give "
                "the zip of daily resolution"
            )
        yield place, on, line, values


def _parsed(kind: str, line: str) -> tuple[date | None, dict[str, float]]:
    """The day, None if the row is of an hour within it, and what the row says."""
    cells = line.split(",")
    if len(cells) != _WIDTHS[kind]:
        raise ValueError(f"{len(cells)} cells, not {_WIDTHS[kind]}")
    if not re.fullmatch(r"\d{8} \d\d:\d\d", cells[0]):
        raise ValueError(f"{quoted(cells[0])} is not yyyyMMdd HH:mm")
    if not cells[0].endswith(" 00:00"):
        return None, {}
    on = day(cells[0])
    if kind == "openinterest":
        return on, {"open_interest": number(cells[1], "open interest")}
    if kind == "trade":
        return on, {"last": _price(cells[4], "close"), "volume": number(cells[5], "volume")}
    return on, {
        "bid": _price(cells[4], "bid"),
        "bid_size": number(cells[5], "bid size"),
        "ask": _price(cells[9], "ask"),
        "ask_size": number(cells[10], "ask size"),
    }


def _price(text: str, name: str) -> float:
    return number(text, name) / _SCALE


def _unquoted(file: Path, zips: Mapping[str, ZipFile], kind: str) -> tuple[Reject, ...]:
    """The rows of trades or open interest on days on which the contract had no quote."""
    batch, unheard = (
        QuoteBatch(),
        QuoteBatch(),
    )  # faults of the quotes are told when they are read
    for member in zips[kind].namelist():
        if _contract(member) is None:
            batch.refuse(f"{file.name}: {member}", "the name is not that of a contract")
            continue
        quotes = _days(unheard, zips["quote"], "quote", _named(member, "quote"))
        quoted = {on for _, on, _, _ in quotes}
        for place, on, line, _ in _days(batch, zips[kind], kind, member):
            if on not in quoted:
                batch.refuse(place, f"{kind} of a day without a quote", line)
    return tuple(batch.rejects)
