"""Daily prices from CSV files: vendors' stock tables, yfinance's history, Cboe's indices."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TextIO

from dollarbill_core.formats.cells import (
    day,
    dollars,
    header_cells,
    next_line,
    number,
    row_cells,
    shortest_fraction,
    whole,
)
from dollarbill_core.formats.pieces import ImportOptions, Piece, Reject, UnreadableFile
from dollarbill_core.formats.raw_prices import AdjustedPrice, NotRaw, raw_prices
from dollarbill_core.formats.rows import DailyPrice, price_rows
from dollarbill_core.storage.schema import PRICES

SEEN = (
    "stock.csv: symbol, date, close, high, low, open, volume, adjClose, ..., divCash, "
    "splitFactor (lambdaclass/options_backtester); yfinance: Date, Open, High, Low, Close, "
    "Volume, Dividends, Stock Splits, for funds Capital Gains (pcostasgr/DollarBill), with Adj "
    "Close where auto_adjust was off; Cboe: DATE, OPEN, HIGH, LOW, CLOSE (datasets/finance-vix,"
    " after Cboe's VIX_History.csv), and DATE, VVIX as in VVIX_History.csv"
)
_ROWS_A_PIECE = 20_000
_STOCK = ("symbol", "date", "close", "divcash", "splitfactor")
_YAHOO = ("date", "open", "high", "low", "close", "volume", "dividends", "stock splits")
_INDEX = ["date", "open", "high", "low", "close"]
_SPLIT_DOUBT = Fraction(5, 10_000_000)
_LEAST_SPLIT = Decimal("0.0001")
_YAHOO_LIMIT = 1e7  # dollars; single precision says no more

Cells = dict[str, str]


@dataclass(frozen=True, slots=True)
class PriceFiles:
    """Three layouts of daily prices, told apart by their header; names of any case.

    **Vendors' stock tables**: raw prices, cash dividends and split factors by ex-date, many
    symbols in a file. Adjusted columns are not looked at.

    **yfinance's history** of one symbol, the name of the file. Its prices are adjusted for
    splits, and for dividends unless there is a column Adj Close; ``raw_prices`` takes that out
    to the cent, or the file is refused. Its dividends of funds are rounded to a tenth of a
    cent (1.278 where SPY paid 1.2778), so of two sources the other should be imported last.

    **Cboe's index history**, the name of the file. Some opens lie outside the day's range (47
    of VIX's from 1992 on): they are stored as published.
    """

    name: str = "prices"
    seen: str = SEEN
    symbol: str = ""

    def told(self, options: ImportOptions) -> "PriceFiles":
        """The reader that knows the symbol, where neither a column nor the file tells it."""
        return PriceFiles(symbol=options.symbol)

    def check(self, file: Path) -> None:
        """Raise what ``pieces`` would before its first piece."""
        next(self.pieces(file), None)

    def pieces(self, file: Path, start: int = 0) -> Iterator[Piece]:
        """The file from line ``start`` on; yfinance's history is one piece.

        Raises
        ------
        UnreadableFile
            For another header, or a history whose closes cannot be made raw.
        """
        with file.open(encoding="utf-8-sig", errors="replace") as text:
            header = header_cells(next_line(text))
            _refuse_twins(file, header)
            names, symbol = set(header), self.symbol or _symbol(file)
            if set(_STOCK) <= names:
                yield from _streamed(file, text, header, start, _stock_row)
            elif set(_YAHOO) <= names:
                if not start:
                    yield _history(file, text, header, symbol)
            elif header == _INDEX:
                yield from _streamed(file, text, header, start, _index_row(symbol, "close"))
            elif header == ["date", symbol.lower()]:
                yield from _streamed(file, text, header, start, _index_row(symbol, header[1]))
            else:
                raise UnreadableFile(f"{file}: {_why_unknown(names)}")


def _refuse_twins(file: Path, header: Sequence[str]) -> None:
    used = {*_STOCK, *_YAHOO, "adj close", "capital gains"}
    for name in sorted(used & set(header)):
        if header.count(name) > 1:
            raise UnreadableFile(
                f"{file}: column {name} stands there {header.count(name)} times"
            )


def _why_unknown(names: set[str]) -> str:
    if {"open", "close"} <= names and "dividends" not in names:
        return (
            "no column Dividends, so adjusted closes cannot be told from raw ones: save "
            "yfinance's Ticker.history(auto_adjust=False), which has it"
        )
    return (
        "not a known header of daily prices: symbol, date, close, divCash, splitFactor; or "
        "yfinance's Date to Stock Splits; or Cboe's DATE, OPEN, HIGH, LOW, CLOSE"
    )


def _symbol(file: Path) -> str:
    """VIX for VIX_History.csv, vix-daily.csv and ^VIX.csv; BRKB for BRK-B.csv."""
    stem = re.sub(r"[-.]([A-Za-z])$", r"\1", file.stem.lstrip("^"))
    return re.split(r"[-_ ]", stem)[0].replace(".", "").upper()


def _streamed(
    file: Path,
    text: TextIO,
    header: Sequence[str],
    start: int,
    parse: Callable[[Cells], tuple[str, DailyPrice]],
) -> Iterator[Piece]:
    """Pieces of so many lines; the header is line 1."""
    size, read = max(file.stat().st_size, 1), 0
    lines = enumerate(iter(lambda: next_line(text), ""), start=2)
    while block := list(islice(lines, _ROWS_A_PIECE)):
        last, read = block[-1][0], read + sum(len(line) for _, line in block)
        if last <= start:
            continue
        days: dict[str, list[DailyPrice]] = {}
        rejects = []
        for count, line in block:
            if count <= start or not line.strip(" ,\r\n"):
                continue
            try:
                symbol, price = parse(_named(header, line))
                days.setdefault(symbol, []).append(price)
            except ValueError as error:
                place = f"{file.name}, line {count}"
                rejects.append(Reject(place, str(error), line.strip()))
        tables = {
            (PRICES, name): price_rows(rows, _source(header)) for name, rows in days.items()
        }
        done = min(read / size, 1.0) if len(block) == _ROWS_A_PIECE else 1.0
        yield Piece(tables, last, done, tuple(rejects))


def _source(header: Sequence[str]) -> str:
    return "daily prices, DeltaNeutral layout" if "divcash" in header else "Cboe index history"


def _named(header: Sequence[str], line: str) -> Cells:
    cells = row_cells(line)
    if len(cells) != len(header):
        raise ValueError(f"{len(cells)} cells, not {len(header)}")
    return dict(zip(header, cells, strict=True))


def _stock_row(cells: Cells) -> tuple[str, DailyPrice]:
    symbol = cells["symbol"].strip().replace(".", "").upper()
    if not (0 < len(symbol) <= 6 and symbol.isalnum() and symbol.isascii()):
        raise ValueError(f"symbol {cells['symbol']!r} is not a symbol")
    split = dollars(cells["splitfactor"], "splitFactor") or Decimal(1)
    if not _LEAST_SPLIT < split < 1 / _LEAST_SPLIT:
        raise ValueError(f"splitFactor {split} cannot be")
    new, old = (None, None) if split == 1 else _shares(split)
    return symbol, DailyPrice(
        day(cells["date"]),
        close=_close(cells, "close"),
        open=dollars(cells.get("open", ""), "open"),
        high=dollars(cells.get("high", ""), "high"),
        low=dollars(cells.get("low", ""), "low"),
        volume=whole(cells.get("volume", ""), "volume"),
        dividend=dollars(cells["divcash"], "divCash") or None,
        split_new=new,
        split_old=old,
    )


def _close(cells: Cells, name: str) -> Decimal:
    close = dollars(cells[name], name)
    if close is None:
        raise ValueError(f"no {name}")
    return close


def _shares(split: Decimal) -> tuple[int, int]:
    """New shares for old ones."""
    exact = Fraction(split)
    return shortest_fraction(exact - _SPLIT_DOUBT, exact + _SPLIT_DOUBT).as_integer_ratio()


def _index_row(symbol: str, close: str) -> Callable[[Cells], tuple[str, DailyPrice]]:
    def row(cells: Cells) -> tuple[str, DailyPrice]:
        return symbol, DailyPrice(
            day(cells["date"]),
            close=_close(cells, close),
            open=dollars(cells.get("open", ""), "open"),
            high=dollars(cells.get("high", ""), "high"),
            low=dollars(cells.get("low", ""), "low"),
        )

    return row


def _history(file: Path, text: TextIO, header: Sequence[str], symbol: str) -> Piece:
    adjusted: dict[date, AdjustedPrice] = {}
    rejects = []
    for count, line in enumerate(iter(lambda: next_line(text), ""), start=2):
        if not line.strip(" ,\r\n"):
            continue
        try:
            price = _adjusted(_named(header, line))
            adjusted[price.day] = price
        except ValueError as error:
            rejects.append(Reject(f"{file.name}, line {count}", str(error), line))
    prices = [price for _, price in sorted(adjusted.items())]
    try:
        days, refused = raw_prices(prices, with_dividends="adj close" not in header)
    except NotRaw as error:
        raise UnreadableFile(
            f"{file}: adjusted prices that cannot be made raw ({error}): download it again "
            "with auto_adjust=False, with every dividend and split to the last day"
        ) from None
    rejects += [Reject(f"{file.name}, {on}", why) for on, why in refused]
    return Piece({(PRICES, symbol): price_rows(days, "Yahoo")}, 1, 1.0, tuple(rejects))


def _adjusted(cells: Cells) -> AdjustedPrice:
    names = ("open", "high", "low", "close")
    prices = {name: number(cells[name], name) for name in names}
    for name, price in prices.items():
        if not 0 < price < _YAHOO_LIMIT:
            raise ValueError(f"{name} {cells[name]!r} is not above 0 or too large")
    split = dollars(cells["stock splits"], "Stock Splits") or Decimal(0)
    if split and not _LEAST_SPLIT < split < 1 / _LEAST_SPLIT:
        raise ValueError(f"Stock Splits {split} cannot be")
    paid = [dollars(cells.get(name, ""), name) for name in ("dividends", "capital gains")]
    dividend = sum((each for each in paid if each), Decimal(0))
    if not 0 <= dividend < prices["close"]:
        raise ValueError(f"Dividends {dividend} are not from 0 to the day's close")
    return AdjustedPrice(
        day(cells["date"]),
        open=prices["open"],
        high=prices["high"],
        low=prices["low"],
        close=prices["close"],
        volume=whole(cells["volume"], "volume"),
        dividend=dividend,
        split=split,
    )
