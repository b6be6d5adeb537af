"""Rows for the store: made from columns of any source, each checked before it may be stored."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any, Union

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dollarbill_core.storage.schema import (
    CLOSE,
    INSTANT,
    PRICE,
    PRICES,
    QUOTES,
    TICKS_PER_DOLLAR,
    price_array,
)
from dollarbill_core.values.calendars import FIRST_DAY, LAST_DAY, sessions
from dollarbill_core.values.contracts import AM_SETTLED_ROOTS
from dollarbill_core.values.provenance import Quotes

Floats = NDArray[np.float64]
Columns = Mapping[str, Union[NDArray[Any], "Names", str]]

_PRICE_LIMIT = 100_000.0
_TICK_DOUBT = 1e-3  # of a tick: what parsing a decimal as a float may leave
_WHOLE_LIMIT = 2**31
_VOLUME_LIMIT = 2**63
_CLOSE_LEAST, _CLOSE_LIMIT = Decimal("0.000001"), 10**12  # dollars
_NO_WHOLE = -1


@dataclass(frozen=True, slots=True, eq=False)
class Names:
    """Text that repeats, as the number of each row's among the names; shape (n,)."""

    codes: NDArray[np.int32]
    names: tuple[str, ...]

    @classmethod
    def of(cls, given: "NDArray[Any] | Names | str", size: int) -> "Names":
        """One name for all rows, or an array of them, as numbers."""
        if isinstance(given, Names):
            return given
        if isinstance(given, str):
            return cls(np.zeros(size, np.int32), (given,))
        unique, inverse = np.unique(np.asarray(given, str), return_inverse=True)
        return cls(inverse.astype(np.int32), tuple(unique.tolist()))

    def renamed(self, name: Callable[[str], str]) -> "Names":
        """Every name as ``name`` makes it; names that become one share their number."""
        new = [name(each) for each in self.names]
        numbers = {each: number for number, each in enumerate(dict.fromkeys(new))}
        lookup = np.array([numbers[each] for each in new], np.int32)
        return Names(lookup[self.codes], tuple(numbers))

    def rows(self, chosen: Any) -> "Names":
        return Names(self.codes[chosen], self.names)

    def where(self, holds: Callable[[str], bool]) -> NDArray[np.bool_]:
        """Which rows' names have a property; shape (n,)."""
        held: NDArray[np.bool_] = np.array([holds(each) for each in self.names], bool)
        rows: NDArray[np.bool_] = held[self.codes]
        return rows

    def arrow(self) -> pa.Array:
        names = pa.array(self.names, pa.string())
        return pa.DictionaryArray.from_arrays(self.codes, names).cast(pa.string())


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

    def refuse(
        self, bad: NDArray[np.bool_], what: str, value: Callable[[int], Any] | NDArray[Any]
    ) -> None:
        """Refuse rows that are still good; ``{}`` in ``what`` stands for the row's value."""
        refused = bad & self.good
        if not refused.any():
            return
        for row in np.flatnonzero(refused).tolist():
            self.found[row] = what.format(value(row) if callable(value) else value[row])
        self.good &= ~bad


def quote_rows(columns: Columns, source: str, quotes: Quotes = Quotes.QUOTED) -> Rows:
    """Option quotes as rows of ``QUOTES``, by underlying.

    Crossed, empty and otherwise doubtful quotes are rows like others: they are kept as quoted,
    and flagged where they are used. Refused is what cannot be a quote at all.

    Parameters
    ----------
    columns
        Shape (n,) each. ``symbol``, ``date``, ``root``, ``expiry``, ``right`` and ``strike``
        must be there, any other column of ``QUOTES`` may. Symbol and root as text, as `Names`,
        which is faster, or as one text for all; datetime64[D] for dates, NaT if unreadable,
        and datetime64[ms] in UTC for instants, NaT if unknown; right +1, -1, or 0 if
        unreadable; numbers as float64, prices in dollars, NaN if none is given, or as whole
        numbers, prices in hundredths of a cent, -1 if none is given.
    source, quotes
        What is written on every row.

    Examples
    --------
    >>> day, saturday = np.array(["2014-06-06"], "M8[D]"), np.array(["2014-06-21"], "M8[D]")
    >>> rows = quote_rows({"symbol": "AAPL", "root": np.array(["AAPL"]),
    ...     "date": day, "expiry": saturday, "right": np.array([-1]),
    ...     "strike": np.array([645.0]), "bid": np.array([8.1]), "ask": np.array([8.2])}, "doc")
    >>> row = rows.tables["AAPL"].to_pylist()[0]
    >>> row["expiry"].isoformat(), str(row["bid"]), row["settlement"], row["volume"]
    ('2014-06-20', '8.1000', 'PM', None)
    """
    size = len(np.asarray(columns["date"]))
    faults = _Faults(np.ones(size, bool))
    symbol, root = (_named(columns[name], name, size, faults) for name in ("symbol", "root"))
    built: dict[str, Any] = {"root": root}
    built["date"] = _days(columns["date"], "date", faults)
    expiry = _days(columns["expiry"], "expiry", faults)
    built["expiry"] = _last_trading_days(expiry)
    before = built["expiry"] < built["date"]
    faults.refuse(before, "expired on {}, before it was quoted", expiry)
    built["right"] = np.asarray(columns["right"]).astype(np.int8)
    faults.refuse(built["right"] == 0, "type is neither call nor put", built["right"])
    for name in ("strike", "bid", "ask", "last", "underlying"):
        if name in columns:
            built[name] = _ticks(np.asarray(columns[name]), name, faults)
    _check_strikes(built["strike"], faults)
    for name in ("bid_size", "ask_size", "volume", "open_interest"):
        if name in columns:
            built[name] = _wholes(np.asarray(columns[name]), name, faults)
    for name in ("vendor_vol", "vendor_delta", "quoted_at", "underlying_at"):
        if name in columns:
            built[name] = columns[name]
    if "quoted_at" in built:
        _check_instants(built["quoted_at"], built["date"], faults)
    tables = _by_symbol(symbol, built, source, quotes, faults.good)
    return Rows(tables, tuple(sorted(faults.found.items())))


def _check_instants(instants: NDArray[Any], days: NDArray[Any], faults: _Faults) -> None:
    """A quote is of its own day in New York, which is four or five hours behind UTC."""
    since = np.asarray(instants, "M8[ms]") - days.astype("M8[ms]")
    other = (since < np.timedelta64(4, "h")) | (since >= np.timedelta64(29, "h"))
    faults.refuse(other, "quoted at {}, which is another day", np.asarray(instants, "M8[s]"))


_MISNAMED = {
    "symbol": "symbol {!r} is not a symbol",
    "root": "root {!r} is not an OCC root",
}


def _named(given: Any, name: str, size: int, faults: _Faults) -> Names:
    names = Names.of(given, size)
    if not all(map(_is_name, names.names)):
        wrong = names.where(lambda each: not _is_name(each))
        faults.refuse(wrong, _MISNAMED[name], lambda row: names.names[names.codes[row]])
    return names


def _is_name(name: str) -> bool:
    """Upper case letters and digits, at most six of them."""
    return 0 < len(name) <= 6 and name.isalnum() and name.isascii() and name == name.upper()


def _days(days: Any, name: str, faults: _Faults) -> NDArray[Any]:
    dates: NDArray[Any] = np.array(days, "datetime64[D]")
    faults.refuse(np.isnat(dates), f"{name} cannot be read", dates)
    first, last = np.datetime64(FIRST_DAY), np.datetime64(LAST_DAY)
    beyond = (dates < first) | (dates > last)
    faults.refuse(beyond, f"{name} {{}} is outside the calendar", dates)
    return dates


def _last_trading_days(days: NDArray[Any]) -> NDArray[Any]:
    """The session on or before each day; a day outside the calendar as it is."""
    moved = _sessions_on_or_before()
    first = np.datetime64(FIRST_DAY).astype(np.int64)
    since = days.astype(np.int64) - first
    inside = (since >= 0) & (since < len(moved))
    trading = moved[np.where(inside, since, 0)]
    trading[~inside] = days[~inside]
    return trading


@cache
def _sessions_on_or_before() -> NDArray[np.datetime64]:
    """For every day of the calendar, so that a row costs a look-up."""
    days = np.arange(np.datetime64(FIRST_DAY), np.datetime64(LAST_DAY) + np.timedelta64(1, "D"))
    known = np.array(sessions(FIRST_DAY, LAST_DAY), "datetime64[D]")
    found: NDArray[np.datetime64] = known[np.searchsorted(known, days, "right") - 1]
    return found


def _check_strikes(ticks: NDArray[np.int32], faults: _Faults) -> None:
    def dollars(row: int) -> float:
        return float(ticks[row]) / TICKS_PER_DOLLAR

    faults.refuse(ticks == _NO_WHOLE, "no strike", ticks)
    faults.refuse(ticks <= 0, "strike {} is not above 0", dollars)
    faults.refuse(ticks % 10 != 0, "strike {} is finer than OCC's 0.001", dollars)


def _ticks(prices: NDArray[Any], name: str, faults: _Faults) -> NDArray[np.int32]:
    """Whole hundredths of a cent; -1 where there is no price."""
    if prices.dtype.kind == "i":
        faults.refuse(prices < _NO_WHOLE, f"{name} {{}} hundredths of a cent", prices)
        limit = _PRICE_LIMIT * TICKS_PER_DOLLAR
        faults.refuse(prices >= limit, f"{name} {{}} is 100,000 dollars or more", prices)
        return prices.astype(np.int32, copy=False)
    prices = prices.astype(np.float64, copy=False)
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


def _wholes(numbers: NDArray[Any], name: str, faults: _Faults) -> NDArray[np.int32]:
    """Whole numbers; -1 where there is none."""
    what = f"{name} {{}} is not a whole number from 0 on"
    if numbers.dtype.kind == "i":
        beyond = (numbers < _NO_WHOLE) | (numbers >= _WHOLE_LIMIT)
        faults.refuse(beyond, what, numbers)
        return np.where(beyond, _NO_WHOLE, numbers).astype(np.int32, copy=False)
    numbers = numbers.astype(np.float64, copy=False)
    given = ~np.isnan(numbers)
    whole = (numbers >= 0) & (numbers < _WHOLE_LIMIT) & (numbers == np.rint(numbers))
    faults.refuse(given & ~whole, what, numbers)
    exact: NDArray[np.int32] = np.where(whole, numbers, _NO_WHOLE).astype(np.int32)
    return exact


def _by_symbol(
    symbol: Names,
    built: Mapping[str, Any],
    source: str,
    quotes: Quotes,
    good: NDArray[np.bool_],
) -> dict[str, pa.Table]:
    """A table, sorted by symbol and cut: with thousands of symbols, one each would be slow."""
    rows: Any = slice(None) if good.all() else np.flatnonzero(good)
    codes = symbol.codes[rows]
    if bool((codes[1:] < codes[:-1]).any()):
        order = np.argsort(codes, kind="stable")
        rows, codes = np.arange(len(good))[rows][order], codes[order]
    table = _table(built, rows, len(codes), source, quotes)
    starts = np.searchsorted(codes, np.arange(len(symbol.names) + 1)).tolist()
    return {
        name: table.slice(start, end - start)
        for name, start, end in zip(symbol.names, starts, starts[1:], strict=False)
        if end > start
    }


def _table(
    built: Mapping[str, Any], rows: Any, size: int, source: str, quotes: Quotes
) -> pa.Table:
    root = built["root"].rows(rows)
    own = {
        column: values[rows]
        for column, values in built.items()
        if not isinstance(values, Names)
    }
    own |= {"root": root.arrow(), "settlement": _settlements(root).arrow()}
    return pa.table(
        [_arrow(own, column, size, source, quotes) for column in QUOTES.schema],
        schema=QUOTES.schema,
    )


def _settlements(root: Names) -> Names:
    return root.renamed(lambda name: "AM" if name in AM_SETTLED_ROOTS else "PM")


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
    if isinstance(values, pa.Array):
        return values
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
        For a day outside the calendar, a price that is not above 0, a high below the low, or a
        split that is not of two whole numbers. An open or a close outside the range is no
        reason: official prices are (47 opens of the VIX), and a day without a close is worse.
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
            if price is not None and not (price.is_finite() and price >= _CLOSE_LEAST):
                raise ValueError(f"{name} {price} is not above 0")
            if price is not None and price >= _CLOSE_LIMIT:
                raise ValueError(f"{name} {price} is too large for a price")
        if self.high is not None and self.low is not None and self.high < self.low:
            raise ValueError(f"high {self.high} is below low {self.low}")
        if self.volume is not None and not 0 <= self.volume < _VOLUME_LIMIT:
            raise ValueError(f"volume {self.volume} is negative or too large")
        split = (self.split_new, self.split_old)
        if split != (None, None) and not all(0 < (part or 0) < _WHOLE_LIMIT for part in split):
            raise ValueError(f"a split is of two whole numbers, got {split[0]}:{split[1]}")
