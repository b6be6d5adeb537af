"""Rows for the store: made from columns of any source, each checked before it may be stored."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dollarbill_core.sources.schema import (
    CLOSE,
    INSTANT,
    PRICE,
    PRICES,
    QUOTES,
    TICKS_PER_DOLLAR,
    price_array,
)
from dollarbill_core.values.calendars import FIRST_DAY, LAST_DAY, last_trading_day
from dollarbill_core.values.contracts import AM_SETTLED_ROOTS
from dollarbill_core.values.provenance import Quotes

Floats = NDArray[np.float64]
Columns = Mapping[str, NDArray[Any]]

_PRICE_LIMIT = 100_000.0
_TICK_DOUBT = 1e-3  # of a tick: what parsing a decimal as a float may leave
_WHOLE_LIMIT = 2**31
_NO_WHOLE = -1


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that may be stored, by symbol, and the others with the reason.

    ``faults`` names rows of the columns that were given, counted from 0, in order.
    """

    tables: Mapping[str, pa.Table]
    faults: tuple[tuple[int, str], ...] = ()

    @property
    def count(self) -> int:
        return sum(table.num_rows for table in self.tables.values())


@dataclass(slots=True)
class _Faults:
    """The first reason found against each row."""

    good: NDArray[np.bool_]
    found: dict[int, str] = field(default_factory=dict)

    def refuse(self, bad: NDArray[np.bool_], what: str, values: NDArray[Any]) -> None:
        """Refuse rows that are still good; ``{}`` in ``what`` stands for the row's value."""
        for row in np.flatnonzero(bad & self.good).tolist():
            self.found[row] = what.format(values[row])
        self.good &= ~bad


def quote_rows(columns: Columns, source: str, quotes: Quotes = Quotes.QUOTED) -> Rows:
    """Option quotes as rows of ``QUOTES``, by underlying.

    Crossed, empty and otherwise doubtful quotes are rows like others: they are kept as quoted,
    and flagged where they are used. Refused is what cannot be a quote at all.

    Parameters
    ----------
    columns
        Shape (n,) each. ``symbol``, ``date``, ``root``, ``expiry``, ``right`` and ``strike``
        must be there, any other column of ``QUOTES`` may. Text for symbol and root;
        datetime64[D] for dates, NaT if unreadable, and datetime64[ms] in UTC for instants,
        NaT if unknown; right +1, -1, or 0 if unreadable; numbers as float64, NaN if none is
        given, prices in dollars.
    source, quotes
        What is written on every row.

    Examples
    --------
    >>> day, saturday = np.array(["2014-06-06"], "M8[D]"), np.array(["2014-06-21"], "M8[D]")
    >>> rows = quote_rows({"symbol": np.array(["AAPL"]), "root": np.array(["AAPL"]),
    ...     "date": day, "expiry": saturday, "right": np.array([-1]),
    ...     "strike": np.array([645.0]), "bid": np.array([8.1]), "ask": np.array([8.2])}, "doc")
    >>> row = rows.tables["AAPL"].to_pylist()[0]
    >>> row["expiry"].isoformat(), str(row["bid"]), row["settlement"], row["volume"]
    ('2014-06-20', '8.1000', 'PM', None)
    """
    size = len(columns["date"])
    faults = _Faults(np.ones(size, bool))
    built: dict[str, Any] = {}
    _check_names(columns["symbol"], "symbol {!r} is not a symbol", faults)
    _check_names(columns["root"], "root {!r} is not an OCC root", faults)
    built["date"] = _days(columns["date"], "date", faults)
    expiry = _days(columns["expiry"], "expiry", faults)
    built["expiry"] = _last_trading_days(expiry, faults.good)
    faults.refuse(
        built["expiry"] < built["date"], "expired on {}, before it was quoted", expiry
    )
    right = np.asarray(columns["right"]).astype(np.int8)
    faults.refuse(right == 0, "type is neither call nor put", right)
    built["right"] = right
    for name in ("strike", "bid", "ask", "last", "underlying"):
        if name in columns:
            built[name] = _ticks(np.asarray(columns[name], float), name, faults)
    strike = np.asarray(columns["strike"], float)
    faults.refuse(~(strike > 0), "strike {} is not above 0", strike)
    faults.refuse(built["strike"] % 10 != 0, "strike {} is finer than OCC's 0.001", strike)
    for name in ("bid_size", "ask_size", "volume", "open_interest"):
        if name in columns:
            built[name] = _wholes(np.asarray(columns[name], float), name, faults)
    for name in ("vendor_vol", "vendor_delta", "quoted_at", "underlying_at"):
        if name in columns:
            built[name] = columns[name]
    return Rows(_by_symbol(columns, built, source, quotes, faults.good), _listed(faults))


def _listed(faults: _Faults) -> tuple[tuple[int, str], ...]:
    return tuple(sorted(faults.found.items()))


def _check_names(names: NDArray[Any], what: str, faults: _Faults) -> None:
    unique, inverse = np.unique(np.asarray(names, str), return_inverse=True)
    wrong = np.array([not _is_name(name) for name in unique.tolist()], bool)
    faults.refuse(wrong[inverse], what, names)


def _is_name(name: str) -> bool:
    """Upper case letters and digits, at most six of them."""
    return 0 < len(name) <= 6 and name.isalnum() and name.isascii() and name == name.upper()


def _days(days: NDArray[Any], name: str, faults: _Faults) -> NDArray[np.datetime64]:
    days = np.asarray(days, "datetime64[D]")
    faults.refuse(np.isnat(days), f"{name} cannot be read", days)
    first, last = np.datetime64(FIRST_DAY), np.datetime64(LAST_DAY)
    faults.refuse((days < first) | (days > last), f"{name} {{}} is outside the calendar", days)
    return days


def _last_trading_days(days: NDArray[np.datetime64], good: NDArray[np.bool_]) -> NDArray[Any]:
    unique, inverse = np.unique(days, return_inverse=True)
    known = set(np.unique(days[good]).tolist())
    moved = [last_trading_day(day) if day in known else day for day in unique.tolist()]
    return np.array(moved, "datetime64[D]")[inverse]


def _ticks(prices: Floats, name: str, faults: _Faults) -> NDArray[np.int32]:
    """Whole hundredths of a cent; -1 where there is no price."""
    given = ~np.isnan(prices)
    faults.refuse(given & ~(prices >= 0), f"{name} {{}} is negative", prices)
    faults.refuse(given & ~(prices < _PRICE_LIMIT), f"{name} {{}} is 100,000 or more", prices)
    sound = given & (prices >= 0) & (prices < _PRICE_LIMIT)
    scaled = np.where(sound, prices * TICKS_PER_DOLLAR, -1.0)
    ticks = np.rint(scaled)
    if name != "underlying":  # an index is published to more decimals than it is needed
        fine = np.abs(scaled - ticks) > _TICK_DOUBT
        faults.refuse(fine, f"{name} {{}} is finer than a hundredth of a cent", prices)
    exact: NDArray[np.int32] = ticks.astype(np.int32)
    return exact


def _wholes(numbers: Floats, name: str, faults: _Faults) -> NDArray[np.int32]:
    """Whole numbers; -1 where there is none."""
    given = ~np.isnan(numbers)
    whole = (numbers >= 0) & (numbers < _WHOLE_LIMIT) & (numbers == np.rint(numbers))
    wrong = given & ~whole
    faults.refuse(wrong, f"{name} {{}} is not a whole number from 0 on", numbers)
    whole_or_none: NDArray[np.int32] = np.where(given & ~wrong, numbers, _NO_WHOLE).astype(
        np.int32
    )
    return whole_or_none


def _by_symbol(
    columns: Columns,
    built: Mapping[str, Any],
    source: str,
    quotes: Quotes,
    good: NDArray[np.bool_],
) -> dict[str, pa.Table]:
    symbols, inverse = np.unique(np.asarray(columns["symbol"], str), return_inverse=True)
    whole = len(symbols) == 1 and bool(good.all())
    tables = {}
    for number, symbol in enumerate(symbols.tolist()):
        rows = slice(None) if whole else np.flatnonzero(good & (inverse == number))
        roots = np.asarray(columns["root"], str)[rows]
        if not len(roots):
            continue
        own = {name: values[rows] for name, values in built.items()}
        own |= {"root": roots, "settlement": _settlements(roots)}
        tables[symbol] = pa.table(
            [_arrow(own, field_, len(roots), source, quotes) for field_ in QUOTES.schema],
            schema=QUOTES.schema,
        )
    return tables


def _settlements(roots: NDArray[Any]) -> NDArray[Any]:
    return np.where(np.isin(roots, sorted(AM_SETTLED_ROOTS)), "AM", "PM")


def _arrow(
    own: Mapping[str, Any], column: pa.Field, size: int, source: str, quotes: Quotes
) -> pa.Array:
    if column.name == "source":
        return pa.repeat(pa.scalar(source), size)
    if column.name == "kind":
        return pa.repeat(pa.scalar(str(quotes)), size)
    if column.name not in own:
        return pa.nulls(size, column.type)
    values = own[column.name]
    if column.type == PRICE:
        return price_array(values)
    if pa.types.is_int32(column.type):
        return pa.array(values, column.type, mask=values < 0)
    if pa.types.is_floating(column.type):
        return pa.array(values, column.type, from_pandas=True)
    if column.type == INSTANT:
        return pa.array(values.astype("datetime64[ms]"), pa.timestamp("ms")).cast(INSTANT)
    return pa.array(values, column.type)


def price_rows(prices: Iterable["DailyPrice"], source: str) -> pa.Table:
    """Daily prices of one underlying as rows of ``PRICES``."""
    rows = [
        {
            "date": each.day,
            "open": _exact(each.open),
            "high": _exact(each.high),
            "low": _exact(each.low),
            "close": _exact(each.close),
            "volume": each.volume,
            "dividend": _exact(each.dividend),
            "split_new": each.split_new,
            "split_old": each.split_old,
            "declared": each.declared,
            "source": source,
        }
        for each in prices
    ]
    return pa.Table.from_pylist(rows, schema=PRICES.schema)


def _exact(price: Decimal | None) -> Decimal | None:
    return None if price is None else round(price, CLOSE.scale)


@dataclass(frozen=True, slots=True)
class DailyPrice:
    """What an underlying did on one day, as traded: dollars per share, None where unknown.

    Raises
    ------
    ValueError
        For a day outside the calendar, a price that is not above 0, a range that does not hold
        its close, or a split that is not of two whole numbers.
    """

    day: date
    close: Decimal | None = None
    open: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    volume: int | None = None
    dividend: Decimal | None = None
    split_new: int | None = None
    split_old: int | None = None
    declared: date | None = None

    def __post_init__(self) -> None:
        if not FIRST_DAY <= self.day <= LAST_DAY:
            raise ValueError(f"date {self.day} is outside the calendar")
        for name in ("open", "high", "low", "close", "dividend"):
            price = getattr(self, name)
            if price is not None and not (price.is_finite() and price > 0):
                raise ValueError(f"{name} {price} is not above 0")
        if self.volume is not None and self.volume < 0:
            raise ValueError(f"volume {self.volume} is negative")
        split = (self.split_new, self.split_old)
        if split != (None, None) and not all(part is not None and part > 0 for part in split):
            raise ValueError(f"a split is of two whole numbers, got {split[0]}:{split[1]}")
