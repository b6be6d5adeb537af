"""What a store knows day by day: closes, dividends, splits, prints and interest."""

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dollarbill_core.market.carry import (
    STALE_DAYS,
    CashDividend,
    RateHistory,
    Rates,
    ShareSplit,
    policy_rates,
    rate_history,
)
from dollarbill_core.market.chains import Floats, NoChains
from dollarbill_core.storage.columns import Columns, DamagedColumns, mapped, write_columns
from dollarbill_core.storage.store import Store

if TYPE_CHECKING:  # the way to cached data must not load pyarrow
    import pyarrow as pa

NOTHING = -1  # stands in whole numbers for what is not known
_NAMED = 10  # symbols a message lists
_VERSION = 1  # of these columns; raised when they change
_DAY = np.timedelta64(1, "D")
_YEAR = 365 * _DAY
_MILLIONTHS = Decimal(1_000_000)


class NotStored(NoChains):
    """The store lacks what was asked for; one line: what it has, and how to fill it."""

    exit_code = 3


def quoted_symbols(store: Store, symbols: Iterable[str]) -> tuple[str, ...]:
    """The underlyings asked for, each once; the store has quotes of all of them.

    Raises
    ------
    NotStored
        If it has none of one, or is empty.
    """
    names = (symbols,) if isinstance(symbols, str) else tuple(dict.fromkeys(symbols))
    there = store.symbols()
    if not there:
        raise NotStored(
            f"no quotes at {store.place.name}: fill it with dollarbill data import, from a "
            "vendor's files, or with dollarbill data fetch, from the public history"
        )
    for name in names:
        if name not in there:
            near = get_close_matches(str(name).upper(), there, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {_listed(there)}"
            raise NotStored(f"{store.place.name} has no quotes of {name}; {hint}")
    return names


def _listed(names: tuple[str, ...]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


@dataclass(frozen=True, slots=True, eq=False)
class Daily:
    """One underlying by day, in order of date.

    Attributes
    ----------
    days, closes
        Days with a close and the close as traded, dollars per share; shape (n,) each.
    yields
        Dividends of the 365 days that end on each day, in that day's shares, over its close.
    dividends, splits
        What went ex, with the day it was declared where that is known.
    digest
        Changes with any of these; ``""`` where the store has no prices of the underlying.
    """

    days: NDArray[np.datetime64]
    closes: Floats
    yields: Floats
    dividends: tuple[CashDividend, ...] = ()
    splits: tuple[ShareSplit, ...] = ()
    digest: str = ""

    def close_on(self, day: date) -> float:
        """Dollars per share at the close of ``day``, NaN where it is not known."""
        when = np.datetime64(day, "D")
        place = int(np.searchsorted(self.days, when))
        known = place < len(self.days) and self.days[place] == when
        return float(self.closes[place]) if known else math.nan

    def yields_on(self, days: NDArray[np.datetime64]) -> Floats:
        """The dividend yield known on each of these days; 0 before the first close."""
        known = np.append(self.yields, 0.0)  # a place of -1 is the last: none
        found: Floats = known[np.searchsorted(self.days, days, "right") - 1]
        return found

    def shares_on(self, day: date, since: date) -> float:
        """What a share of the day ``since`` has become by splits up to ``day``."""
        between = (x for x in self.splits if since < x.ex_date <= day)
        return math.prod(x.new / x.old for x in between)

    def digest_within(self, first: date, last: date) -> str:
        """Changes with what is known from ``first`` to ``last`` alone.

        That includes the yield of before, which stands until the first close.
        """
        rows = slice(*_places(self.days, first, last))
        listed: list[CashDividend | ShareSplit] = [*self.dividends, *self.splits]
        actions = [x for x in listed if first <= x.ex_date <= last]
        brought = self.yields_on(np.array([first], "M8[D]"))
        known = self.days[rows], self.closes[rows], self.yields[rows], brought
        return _digest(known, repr(actions))


@dataclass(frozen=True, slots=True, eq=False)
class Interest:
    """Interest by day: the store's curves, and the Federal Reserve's target without them."""

    history: RateHistory | None = None

    def __call__(self, day: date) -> Rates:
        """The rates known at the close of ``day``."""
        return policy_rates(day) if self.history is None else self.history(day)

    def digest_within(self, first: date, last: date) -> str:
        """Changes with the rates known from ``first`` to ``last`` alone."""
        day = np.arange(np.datetime64(first, "D"), np.datetime64(last, "D") + _DAY, 7 * _DAY)
        targets = np.array([policy_rates(each).flat for each in day.tolist()])
        if self.history is None:
            return _digest((targets,))
        earlier = date.fromordinal(first.toordinal() - STALE_DAYS)
        rows = slice(*_places(self.history.days, earlier, last))
        known = self.history
        return _digest((targets, known.days[rows], known.years, known.table[rows].ravel()))

    def sentence(self, days: Iterable[date]) -> str:
        """Which interest is used on these days, for a result's assumptions."""
        if self.history is None:
            return (
                "Interest is the target federal funds rate of the day, for every term: the "
                "store has no curves."
            )
        return self.history.sentence(days)


def daily_of(store: Store, symbol: str) -> Daily:
    """Closes, dividends and splits of an underlying; empty where the store has none.

    Raises
    ------
    Damaged
        If a file of the store is not what was written.
    """
    table = _table(store, "prices", symbol)
    if table is None:
        return Daily(np.empty(0, "M8[D]"), np.empty(0), np.empty(0))
    days, dividend = _days(table["date"]), table["dividend"]
    closes = np.where(table["close"] > 0, table["close"] / 1e6, np.nan)
    known = np.isfinite(closes)
    splits = _splits(days, table)
    paid = np.maximum(dividend, 0) / 1e6
    yields = trailing_dividends(days, paid, splits)[known] / closes[known]
    return Daily(
        days[known],
        closes[known],
        yields,
        _dividends(days, table),
        splits,
        str(table.header["digest"]),
    )


def trailing_dividends(
    days: NDArray[np.datetime64], paid: Floats, splits: Iterable[ShareSplit]
) -> Floats:
    """Dividends of the 365 days that end on each day, dollars for one of that day's shares.

    ``paid`` are dollars per share as declared, by ex-date; shape (n,). A dividend from before a
    split of 2 for 1 counts half.

    >>> days = np.array(["2026-03-02", "2026-06-01", "2026-06-02", "2027-03-02"], "M8[D]")
    >>> split = ShareSplit(date(2026, 6, 2), 2)
    >>> trailing_dividends(days, np.array([1.0, 1.0, 0.0, 0.3]), [split]).tolist()
    [1.0, 2.0, 1.0, 0.8]
    """
    shares = np.ones(len(days))
    for split in splits:
        shares[days >= np.datetime64(split.ex_date, "D")] *= split.new / split.old
    sums = np.concatenate([[0.0], np.cumsum(paid * shares)])
    begin = np.searchsorted(days, days - _YEAR, "right")
    trailing: Floats = np.maximum(sums[1:] - sums[begin], 0.0) / shares
    return trailing


def interest_of(store: Store) -> Interest:
    """Interest by day as the store knows it."""
    table = _table(store, "rates")
    if table is None:
        return Interest()
    return Interest(rate_history(_days(table["date"]), table["days"], table["rate"]))


def prints_of(store: Store) -> dict[tuple[str, date], Decimal]:
    """Official settlement prices by OCC root and day, exact."""
    table = _table(store, "prints")
    if table is None:
        return {}
    roots, days = table.header["names"]["root"], _days(table["date"]).tolist()
    rows = zip(table["root"].tolist(), days, table["price"].tolist(), strict=True)
    return {(roots[root], day): _dollars(price) for root, day, price in rows}


def gaps_of(store: Store, symbol: str) -> dict[date, str]:
    """Why days of an underlying were missed, as the collector wrote it down.

    A row without a reason takes a gap back.
    """
    table = _table(store, "gaps")
    if table is None:
        return {}
    symbols, reasons = table.header["names"]["symbol"], table.header["names"]["why"]
    rows = zip(
        _days(table["date"]).tolist(), table["symbol"].tolist(), table["why"].tolist(),
        strict=True,
    )  # fmt: skip
    told = {
        day: reasons[why] for day, whose, why in rows if why >= 0 and symbols[whose] == symbol
    }
    return {day: why for day, why in told.items() if why}


def _table(store: Store, name: str, symbol: str = "") -> Columns | None:
    """A whole table of the store, or one symbol's, from its cache if that stands."""
    part = store.part(name, symbol)
    if part is None:
        return None
    file = store.local / "daily" / name / symbol / f"{part.digest}-v{_VERSION}.columns"
    try:
        return mapped(file)
    except (FileNotFoundError, DamagedColumns):
        columns, names = _columns(store.read(name, symbol))
        return kept(file, "", columns, {"names": names, "digest": part.digest})


def kept(
    file: Path, stem: str, arrays: Mapping[str, NDArray[Any]], header: Mapping[str, Any]
) -> Columns:
    """Arrays written to a cache and mapped; older files that begin with ``stem`` go.

    Where nothing can be written, or another process has already put a newer file in its place,
    they are there for this process alone.
    """
    try:
        write_columns(file, arrays, header)
        for other in file.parent.glob(f"{stem}*.columns"):
            if other != file:
                other.unlink(missing_ok=True)
        return mapped(file)
    except OSError:
        return Columns(header, arrays)


def _columns(table: "pa.Table") -> tuple[dict[str, NDArray[Any]], dict[str, list[str]]]:
    """Numbers as they lie in the table, and text as codes with the names they stand for."""
    columns: dict[str, NDArray[Any]] = {}
    names: dict[str, list[str]] = {}
    for name in table.column_names:
        array = table.column(name).combine_chunks()
        if str(array.type) == "string":
            coded = array.dictionary_encode()
            names[name] = coded.dictionary.to_pylist()
            array = coded.indices
        columns[name] = _numbers(array)
    return columns, names


def _numbers(array: Any) -> NDArray[Any]:
    """Dates as days since 1970, exact dollars as millionths, ``NOTHING`` for null."""
    import pyarrow as pa

    kind = array.type
    if pa.types.is_decimal64(kind):
        bits = np.frombuffer(array.buffers()[1], np.int64)
        values = bits[array.offset : array.offset + len(array)]
        missing = array.is_null().to_numpy(zero_copy_only=False)
        return np.where(missing, NOTHING, values)
    if pa.types.is_date(kind):
        array = array.cast(pa.int32())
    elif pa.types.is_timestamp(kind):
        array = array.cast(pa.int64())
    if array.null_count:
        array = array.fill_null(NOTHING)
    numbers: NDArray[Any] = array.to_numpy(zero_copy_only=False)
    return numbers


def _dividends(days: NDArray[Any], table: Columns) -> tuple[CashDividend, ...]:
    rows = np.flatnonzero(table["dividend"] > 0)
    return tuple(
        CashDividend(
            days[row].item(), _dollars(int(table["dividend"][row])), _declared(table, row)
        )
        for row in rows.tolist()
    )


def _splits(days: NDArray[Any], table: Columns) -> tuple[ShareSplit, ...]:
    new, old = table["split_new"], table["split_old"]
    rows = np.flatnonzero((new > 0) & (old > 0) & (new != old))
    return tuple(
        ShareSplit(days[row].item(), int(new[row]), int(old[row]), _declared(table, row))
        for row in rows.tolist()
    )


def _declared(table: Mapping[str, NDArray[Any]], row: int) -> date | None:
    day = int(table["declared"][row])
    if day == NOTHING:
        return None
    declared: date = np.datetime64(day, "D").item()
    return declared


def _dollars(millionths: int) -> Decimal:
    """Millionths of a dollar as exact dollars, without idle zeros beyond the cents.

    >>> _dollars(1_277_800), _dollars(52_000_000)
    (Decimal('1.2778'), Decimal('52.00'))
    """
    exact = Decimal(millionths) / _MILLIONTHS
    return exact if exact != round(exact, 2) else round(exact, 2)


def _days(numbers: NDArray[Any]) -> NDArray[np.datetime64]:
    days: NDArray[np.datetime64] = numbers.astype("datetime64[D]")
    return days


def _places(days: NDArray[np.datetime64], first: date, last: date) -> list[int]:
    ends = [np.datetime64(first, "D"), np.datetime64(last, "D") + _DAY]
    places: list[int] = np.searchsorted(days, ends).tolist()
    return places


def _digest(arrays: Iterable[NDArray[Any]], text: str = "") -> str:
    told = hashlib.sha256(text.encode())
    for array in arrays:
        told.update(f"{array.dtype}{array.shape}".encode())
        told.update(np.ascontiguousarray(array).tobytes())
    return told.hexdigest()
