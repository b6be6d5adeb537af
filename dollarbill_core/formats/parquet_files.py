"""The public archive's Parquet files: a ticker's option quotes, and its daily prices."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from dollarbill_core.formats.cells import day, number, right, shortest_fraction
from dollarbill_core.formats.pieces import ImportOptions, Piece, Reject, UnreadableFile
from dollarbill_core.formats.rows import DailyPrice, Names, price_rows, quote_rows
from dollarbill_core.storage.schema import PRICES, QUOTES, TICKS_PER_DOLLAR, Table

Floats = NDArray[np.float64]

SEEN = (
    "options.parquet with contract_id, symbol, expiration, strike, type, last, mark, bid, "
    "bid_size, ask, ask_size, volume, open_interest, date, implied_volatility, delta, gamma, "
    "theta, vega, rho and underlying.parquet with date, open, high, low, close, "
    "adjusted_close, volume, dividend_amount, split_coefficient; one folder a ticker "
    "(philippdubach/options-data, as its readers list them)"
)
_ROWS_A_PIECE = 262_144
_OCC_TAIL = 15
_SOURCE = "philippdubach/options-data"
_NEEDED = ("date", "expiration", "strike", "type")
_PRICES = ("strike", "bid", "ask", "last")
_NUMBERS = {
    "bid_size": "bid_size",
    "ask_size": "ask_size",
    "volume": "volume",
    "open_interest": "open_interest",
    "implied_volatility": "vendor_vol",
    "delta": "vendor_delta",
}
_TEXTS = ("contract_id", "symbol")
_DAILY = ("open", "high", "low", "close")
_NOISE = {pa.float32(): 1e-7, pa.float16(): 1e-3}  # relative error a float brings with it
_DOUBLE_NOISE = 1e-12
_LEAST_NOISE = 1e-9  # dollars
_NO_DAY = np.datetime64("NaT", "D")
_SPLIT_DOUBT = Fraction(5, 10_000_000)  # six decimals are given
_DECIMALS = 6
_LIMIT = 1e15  # dollars, and shares: more digits would not be exact


@dataclass(frozen=True, slots=True)
class PublicArchive:
    """A ticker's ``options.parquet`` or ``underlying.parquet``, told apart by their columns.

    Needed of options are ``date``, ``expiration``, ``strike`` and ``type``; the other columns
    named in ``seen`` are taken where they are there, and further ones left. The root comes from
    ``contract_id``, an OCC symbol, and the symbol from its column; without them both are the
    name of the folder, or of the file as in ``SPY_options.parquet``. Of prices ``date`` and
    ``close`` are needed; ``adjusted_close`` is never used.

    Dates may be dates, timestamps or text, and numbers text. Prices are floats that stand for
    cents: the noise of their type is rounded away, and no more than it.

    Attributes
    ----------
    columns
        For other Parquet files of option quotes: what they call a column, by its name here.
    symbol
        The underlying, where neither a column nor a folder or file is named after it.
    """

    name: str = "public"
    seen: str = SEEN
    columns: Mapping[str, str] = field(default_factory=dict)
    symbol: str = ""

    def told(self, options: ImportOptions) -> "PublicArchive":
        """The reader that knows what the user said about the files."""
        return PublicArchive(columns=dict(options.columns), symbol=options.symbol)

    def check(self, file: Path) -> None:
        """Raise what ``pieces`` would before its first piece."""
        with _opened(file) as opened:
            self._has_options(file, opened)

    def pieces(self, file: Path, start: int = 0) -> Iterator[Piece]:
        """The file from row group ``start`` on, in pieces of at most a quarter million rows.

        A group of more rows than that is several pieces, and all but its last resume at the
        group itself; rows that come twice are one row in the store.

        Raises
        ------
        UnreadableFile
            If it is no Parquet file, or lacks a needed column.
        """
        with _opened(file) as opened:
            if self._has_options(file, opened):
                yield from self._options(file, opened, start)
            else:
                yield from _prices(file, opened, start, self.symbol or _symbol(file))

    def _has_options(self, file: Path, opened: pq.ParquetFile) -> bool:
        there = set(opened.schema_arrow.names)
        missing = self._missing(there)
        if missing and not {"date", "close"} <= there:
            raise UnreadableFile(
                f"{file}: no column {', '.join(missing)}, which option quotes need; daily "
                "prices need date and close"
            )
        return not missing

    def _missing(self, there: set[str]) -> list[str]:
        return [name for name in _NEEDED if self._theirs(name) not in there]

    def _theirs(self, name: str) -> str:
        return self.columns.get(name, name)

    def _options(self, file: Path, opened: pq.ParquetFile, start: int) -> Iterator[Piece]:
        names = (*_NEEDED, *_PRICES, *_NUMBERS, *_TEXTS)
        there = opened.schema_arrow.names
        ours = {self._theirs(name): name for name in names if self._theirs(name) in there}
        total = max(opened.metadata.num_rows, 1)
        rows = sum(opened.metadata.row_group(i).num_rows for i in range(start))
        for group in range(start, opened.num_row_groups):
            place, left = 0, opened.metadata.row_group(group).num_rows
            for batch in opened.iter_batches(_ROWS_A_PIECE, [group], columns=list(ours)):
                columns = {ours[name]: batch.column(name) for name in batch.schema.names}
                left, rows = left - len(batch), rows + len(batch)
                where = f"{file.name}, row group {group}, row "
                symbol = self.symbol or _symbol(file)
                tables, rejects = _quotes(columns, symbol, where, place)
                resume = group if left else group + 1
                yield Piece(tables, resume, rows / total, rejects)
                place += len(batch)


@contextmanager
def _opened(file: Path) -> Iterator[pq.ParquetFile]:
    """The file, and one line for whatever is wrong with it, now or further on."""
    try:
        with pq.ParquetFile(file) as opened:
            yield opened
    except (pa.ArrowException, OSError) as error:
        why = str(error).splitlines()[0]
        raise UnreadableFile(f"{file} cannot be read as Parquet: {why}") from None


def _symbol(file: Path) -> str:
    """AAPL for aapl/options.parquet and for AAPL_options.parquet."""
    kind = file.stem.lower()
    name = (
        file.resolve().parent.name
        if kind in ("options", "underlying")
        else file.stem.split("_")[0]
    )
    return name.replace(".", "").upper()


@dataclass(slots=True)
class _Unread:
    """The first cell of each row that could not be read."""

    found: dict[int, str] = field(default_factory=dict)

    def parsed(
        self, column: pa.Array, parse: Callable[[str], Any], other: Any, kind: str
    ) -> NDArray[Any]:
        """Each row's text as ``parse`` reads it, ``other`` where it is null or refused."""
        encoded = column.cast(pa.string()).dictionary_encode()
        values, wrong = [], {}
        for code, text in enumerate(encoded.dictionary.to_pylist()):
            try:
                values.append(parse(text))
            except ValueError as error:
                values.append(other)
                wrong[code] = str(error)
        codes = encoded.indices.fill_null(len(values)).to_numpy(zero_copy_only=False)
        for row in np.flatnonzero(np.isin(codes, list(wrong))).tolist() if wrong else ():
            self.found.setdefault(row, wrong[int(codes[row])])
        rows: NDArray[Any] = np.array([*values, other], kind)[codes]
        return rows

    def days(self, column: pa.Array, name: str) -> NDArray[np.datetime64]:
        if pa.types.is_date(column.type) or pa.types.is_timestamp(column.type):
            read = column.cast(pa.date32(), safe=False).to_numpy(zero_copy_only=False)
        else:
            read = self.parsed(column, lambda text: day(text, name), _NO_DAY, "M8[D]")
        days: NDArray[np.datetime64] = read.astype("datetime64[D]")
        return days

    def numbers(self, column: pa.Array, name: str) -> Floats:
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            return self.parsed(column, lambda text: number(text, name), np.nan, "f8")
        read: Floats = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        return read


def _quotes(
    given: Mapping[str, pa.Array], symbol: str, where: str, first: int
) -> tuple[dict[tuple[Table, str], pa.Table], tuple[Reject, ...]]:
    """The rows of one batch that may be stored, and the others."""
    unread = _Unread()
    size = len(given["date"])
    columns: dict[str, Any] = {
        "date": unread.days(given["date"], "date"),
        "expiry": unread.days(given["expiration"], "expiration"),
        "right": unread.parsed(given["type"], lambda text: right(text, "type"), 0, "i1"),
    }
    for name, ours in _NUMBERS.items():
        if name in given:
            columns[ours] = unread.numbers(given[name], name)
    for name in _PRICES:
        if name in given:
            columns[name] = _dollars(unread.numbers(given[name], name), given[name].type)
    columns["symbol"] = _symbols(given.get("symbol"), symbol, size)
    columns["root"] = _roots(given.get("contract_id"), columns["symbol"])
    kept = np.setdiff1d(np.arange(size), np.array(list(unread.found), int))
    if len(kept) < size:
        columns = {name: _rows(values, kept) for name, values in columns.items()}
    rows = quote_rows(columns, _SOURCE)
    faults = unread.found | {int(kept[row]): why for row, why in rows.faults}
    rejects = (
        Reject(f"{where}{first + row}", faults[row], _text(given, row))
        for row in sorted(faults)
    )
    return {(QUOTES, name): table for name, table in rows.tables.items()}, tuple(rejects)


def _rows(values: Any, kept: NDArray[np.int64]) -> Any:
    return values.rows(kept) if isinstance(values, Names) else values[kept]


def _dollars(prices: Floats, kind: pa.DataType) -> Floats:
    """Prices without the noise of their type: 1.23 for 1.2300000190734863.

    Of the prices within its type's rounding the one with the fewest decimals is taken: 4102.35
    in single precision is as near to 4102.3501. A price that is finer than a hundredth of a
    cent by more than that rounding stays as it is, and is refused.
    """
    noise = np.abs(prices) * _NOISE.get(kind, _DOUBLE_NOISE) + _LEAST_NOISE
    exact = prices
    with np.errstate(invalid="ignore"):  # infinite ones stay, and are refused
        for units in (TICKS_PER_DOLLAR, 1000, 100) if kind in _NOISE else (TICKS_PER_DOLLAR,):
            whole = np.rint(prices * units) / units
            exact = np.where(np.abs(prices - whole) <= noise, whole, exact)
    return exact


def _symbols(column: pa.Array | None, symbol: str, size: int) -> Names:
    if column is None:
        return Names.of(symbol, size)
    return _names(column, symbol).renamed(lambda name: name.strip().replace(".", "").upper())


def _names(column: pa.Array, missing: str) -> Names:
    encoded = column.cast(pa.string()).fill_null(missing).dictionary_encode()
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int32)
    return Names(codes, tuple(encoded.dictionary.to_pylist()))


def _roots(contracts: pa.Array | None, symbols: Names) -> Names:
    """What stands before the fifteen characters of date, right and strike; else the symbol."""
    if contracts is None:
        return symbols
    text = contracts.cast(pa.string()).fill_null("")
    roots = _names(pc.utf8_slice_codeunits(text, 0, -_OCC_TAIL), "").renamed(str.strip)
    if all(roots.names):
        return roots
    names = np.array(roots.names)[roots.codes]
    underlying = np.array(symbols.names)[symbols.codes]
    return Names.of(np.where(names == "", underlying, names), len(names))


def _text(given: Mapping[str, pa.Array], row: int) -> str:
    return ",".join(str(column[row].as_py()) for column in given.values())


def _prices(file: Path, opened: pq.ParquetFile, start: int, symbol: str) -> Iterator[Piece]:
    """Daily prices: the close as traded, dividends and splits on their ex-dates."""
    if start:
        return
    names = ("date", *_DAILY, "volume", "dividend_amount", "split_coefficient")
    there = [name for name in names if name in opened.schema_arrow.names]
    days, refused = [], []
    for row, values in enumerate(_told(opened.read(columns=there)).to_pylist()):
        try:
            days.append(_daily(values))
        except ValueError as error:
            text = ",".join(map(str, values.values()))
            refused.append(Reject(f"{file.name}, row {row}", str(error), text))
    tables = {(PRICES, symbol): price_rows(days, _SOURCE)}
    yield Piece(tables, opened.num_row_groups, 1.0, tuple(refused))


def _told(table: pa.Table) -> pa.Table:
    """With single precision as its shortest text, 4102.35, which is what it stands for."""
    for place, column in enumerate(table.schema):
        if column.type in _NOISE:
            text = table.column(place).cast(pa.float32()).cast(pa.string())
            table = table.set_column(place, column.name, text)
    return table


def _daily(values: Mapping[str, Any]) -> DailyPrice:
    dividend = _cell(values, "dividend_amount", _DECIMALS)
    split = _cell(values, "split_coefficient", _DECIMALS) or 1
    volume = _cell(values, "volume", 0)
    low, high = Fraction(split) - _SPLIT_DOUBT, Fraction(split) + _SPLIT_DOUBT
    new, old = (None, None) if split == 1 else shortest_fraction(low, high).as_integer_ratio()
    when = values["date"]
    return DailyPrice(
        when.date() if isinstance(when, datetime) else day(str(when)),
        close=_cell(values, "close"),
        open=_cell(values, "open"),
        high=_cell(values, "high"),
        low=_cell(values, "low"),
        volume=None if volume is None else int(volume),
        dividend=dividend or None,
        split_new=new,
        split_old=old,
    )


def _cell(values: Mapping[str, Any], name: str, places: int = 4) -> Decimal | None:
    """A number however it is stored, without the noise of a float."""
    value = values.get(name)
    if value is None or value != value:
        return None
    if not abs(number(str(value), name)) < _LIMIT:
        raise ValueError(f"{name} {value} is too large")
    return round(Decimal(str(value)), places)
