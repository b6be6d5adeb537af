"""The tables of the store: one schema for every source, with exact prices."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

TICKS_PER_DOLLAR = 10_000  # a price is a whole number of hundredths of a cent
PRICE = pa.decimal32(9, 4)  # dollars per share, below 100,000
CLOSE = pa.decimal64(18, 6)  # dollars per share of daily prices and dividends
INSTANT = pa.timestamp("ms", tz="UTC")


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the store.

    Attributes
    ----------
    name
        Its folder in the store.
    schema
        Its columns; the symbol and the year stand in the path, not in the file.
    key
        What tells rows apart and in what order they lie; of two rows with one key the one
        written last stands.
    by_symbol, by_year
        How it is partitioned; a table by year has a column ``date``.
    """

    name: str
    schema: pa.Schema
    key: tuple[str, ...]
    by_symbol: bool = True
    by_year: bool = False

    @property
    def required(self) -> tuple[str, ...]:
        """Columns in which no value is null: the key's but an unknown time, and the origin.

        >>> RATES.required
        ('date', 'days', 'source')
        """
        origin = [name for name in ("source", "kind") if name in self.schema.names]
        return (*(name for name in self.key if name != "quoted_at"), *origin)


def _schema(**columns: pa.DataType) -> pa.Schema:
    return pa.schema([pa.field(name, kind) for name, kind in columns.items()])


QUOTES = Table(
    "quotes",
    _schema(
        date=pa.date32(),
        quoted_at=INSTANT,  # null: at the close
        root=pa.string(),
        expiry=pa.date32(),  # the last trading day, also where a vendor writes the Saturday
        settlement=pa.string(),  # AM or PM
        right=pa.int8(),  # +1 call, -1 put
        strike=PRICE,
        bid=PRICE,  # null: none given
        ask=PRICE,
        bid_size=pa.int32(),
        ask_size=pa.int32(),
        last=PRICE,
        volume=pa.int32(),
        open_interest=pa.int32(),
        vendor_vol=pa.float64(),  # annual, as the vendor says: never used as ours
        vendor_delta=pa.float64(),
        underlying=PRICE,  # price of the underlying, as the vendor says
        underlying_at=INSTANT,  # null: unknown, taken for the quote's own time
        source=pa.string(),
        kind=pa.string(),  # QUOTED or MODELLED
    ),
    key=("date", "quoted_at", "root", "expiry", "right", "strike"),
    by_year=True,
)
PRICES = Table(
    "prices",
    _schema(
        date=pa.date32(),
        open=CLOSE,  # dollars per share as traded that day: neither split nor dividend adjusted
        high=CLOSE,
        low=CLOSE,
        close=CLOSE,
        volume=pa.int64(),
        dividend=CLOSE,  # dollars per share, for those who held at the close before
        split_new=pa.int32(),  # new shares for old ones from the open of this date: 7 for 1
        split_old=pa.int32(),
        declared=pa.date32(),  # when the dividend or split was announced; null: unknown
        source=pa.string(),
    ),
    key=("date",),
)
RATES = Table(
    "rates",
    _schema(
        date=pa.date32(),  # the day whose market it is; known from the next session on
        days=pa.int32(),  # term, calendar days
        rate=pa.float64(),  # per year, continuously compounded, ACT/365
        source=pa.string(),
    ),
    key=("date", "days"),
    by_symbol=False,
)
PRINTS = Table(
    "prints",
    _schema(root=pa.string(), date=pa.date32(), price=CLOSE, source=pa.string()),
    key=("root", "date"),
    by_symbol=False,
)
GAPS = Table(
    "gaps",
    _schema(date=pa.date32(), symbol=pa.string(), why=pa.string(), recorded_at=INSTANT),
    key=("date", "symbol"),
    by_symbol=False,
)
TABLES = {table.name: table for table in (QUOTES, PRICES, RATES, PRINTS, GAPS)}


def price_array(ticks: NDArray[np.int32]) -> pa.Array:
    """Hundredths of a cent as exact dollars; below 0 is null.

    >>> price_array(np.array([27100, -1], np.int32)).to_pylist()
    [Decimal('2.7100'), None]
    """
    ticks = np.ascontiguousarray(ticks, np.int32)
    missing = ticks < 0
    valid = None
    if missing.any():
        valid = pa.py_buffer(np.packbits(~missing, bitorder="little"))
    return pa.Array.from_buffers(PRICE, len(ticks), [valid, pa.py_buffer(ticks)])


def ticks_of(prices: pa.Array) -> NDArray[np.int32]:
    """Exact dollars as hundredths of a cent, -1 where null; the way back of ``price_array``."""
    whole = np.frombuffer(prices.buffers()[1], np.int32)
    ticks: NDArray[np.int32] = whole[prices.offset : prices.offset + len(prices)]
    if prices.null_count:
        missing = prices.is_null().to_numpy(zero_copy_only=False)
        ticks = np.where(missing, -1, ticks).astype(np.int32)
    return ticks
