"""Quotes of a symbol and year as mapped arrays, with each contract's row on the next day.

They are built from the store's Parquet file when first asked for, and kept in a column file
whose name holds the digest of that file: what was built from other rows is never found. Where
a day has several snapshots, only its last one is in here.

============================ ========= ===================================================
array                        kind      what it holds, one value a row unless said
============================ ========= ===================================================
day                          int32     days since 1970
days                         int32     each day once, rising: one value a day
starts                       int64     the row at which each day begins; at last, all rows
root                         int16     place in ``header["roots"]``
expiry                       int32     last trading day, days since 1970
right                        int8      +1 call, -1 put
strike bid ask last          int32     hundredths of a cent, -1 for none
underlying                   int32     hundredths of a cent, -1 for none
bid_size ask_size            int32     contracts, -1 for none
volume open_interest         int32     contracts, -1 for none
vendor_vol vendor_delta      float64   as the vendor says, NaN for none
quoted_at underlying_at      int64     milliseconds since 1970, ``NO_INSTANT`` for none
next_row                     int32     row of the same contract on the next day, -1 for none
============================ ========= ===================================================

Rows rise by day, root, expiry, right and strike. The header names ``symbol``, ``year``,
``rows``, ``digest`` (of the Parquet file), ``roots``, ``sources`` and ``kinds``.
"""

import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dollarbill_core.storage.catalog import Damaged, Part
from dollarbill_core.storage.columns import (
    Array,
    Columns,
    DamagedColumns,
    mapped,
    write_columns,
)

if TYPE_CHECKING:  # the way to quotes that stand in the cache must not load pyarrow
    import pyarrow as pa

    from dollarbill_core.storage.store import Store

NO_INSTANT = int(np.iinfo(np.int64).min)

_FORMAT = 1  # raised when the arrays change their meaning
_NAMES = ("root", "source", "kind")
_NUMBERS: dict[str, tuple[str, float]] = {  # the kind of each column, and what stands for null
    "date": ("<i4", -1),
    "expiry": ("<i4", -1),
    "right": ("<i1", 0),
    **dict.fromkeys("strike bid ask last underlying".split(), ("<i4", -1)),
    **dict.fromkeys("bid_size ask_size volume open_interest".split(), ("<i4", -1)),
    **dict.fromkeys(("vendor_vol", "vendor_delta"), ("<f8", np.nan)),
    **dict.fromkeys(("quoted_at", "underlying_at"), ("<i8", NO_INSTANT)),
}
_ALIGNED = 64  # bytes: a cache line
_HOUR = 3600.0  # seconds after which a half-written file has no writer any more

Progress = Callable[[int], object]  # told of rows as they become ready


class MissingQuotes(LookupError):
    """Quotes that the store does not have; the message says which and what to do."""

    exit_code = 3


def quote_columns(
    store: "Store", symbol: str, year: int, progress: Progress | None = None
) -> Columns:
    """The quotes of one symbol and year, mapped; built first where they are not in the cache.

    Several processes may ask at once. What cannot be cached, for want of a place to write to,
    is built for this process alone.

    Raises
    ------
    MissingQuotes
        If the store has none.
    Damaged
        If the Parquet file is not the one that was stored.
    """
    part = _part(store, symbol, year)
    columns = _standing(store, part) or _built(store, part)
    if progress is not None:
        progress(part.rows)
    return columns


def all_quote_columns(
    store: "Store", symbol: str, progress: Progress | None = None
) -> dict[int, Columns]:
    """The quotes of a symbol by year, rising; years that are not in the cache built at once."""
    years = store.years(symbol)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        built = threads.map(lambda year: quote_columns(store, symbol, year, progress), years)
        return dict(zip(years, built, strict=True))


def quote_arrays(
    store: "Store", symbol: str, year: int, names: Sequence[str]
) -> dict[str, Array]:
    """Columns of one symbol and year, decoded from Parquet: every snapshot, nothing cached.

    ``names`` are columns of the store that hold numbers, ``date`` among them; each comes as
    the table above says.

    Raises
    ------
    ValueError
        For a name that is none of them.
    MissingQuotes, Damaged
        As ``quote_columns`` does.
    """
    part = _part(store, symbol, year)
    arrays = _room(names, part.rows)
    _gather(store, part, arrays, 0)
    return arrays


def gathered_quotes(
    store: "Store", names: Sequence[str], symbols: Sequence[str] | None = None
) -> dict[str, Array]:
    """Columns of the quotes of several symbols, or of all, each in one piece.

    Shape (rows,) each, by symbol and year as ``store.parts`` lists them; see ``quote_arrays``.
    """
    parts = [
        part for part in store.parts("quotes") if symbols is None or part.symbol in symbols
    ]
    starts = np.cumsum([0, *(part.rows for part in parts)]).tolist()
    whole = _room(names, starts[-1])
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        list(threads.map(lambda part, start: _gather(store, part, whole, start), parts, starts))
    return whole


def _room(names: Sequence[str], rows: int) -> dict[str, Array]:
    """Empty arrays in one block, which the system gives in large pages."""
    for name in names:
        if name not in _NUMBERS:
            raise ValueError(f"{name!r} is no column of numbers; there are {list(_NUMBERS)}")
    kinds = [np.dtype(_NUMBERS[name][0]) for name in names]
    ends = np.cumsum([0, *(-(-rows * kind.itemsize // _ALIGNED) * _ALIGNED for kind in kinds)])
    block = np.empty(ends[-1], np.uint8)
    return {
        name: block[start : start + rows * kind.itemsize].view(kind)
        for name, kind, start in zip(names, kinds, ends.tolist(), strict=False)
    }


def _gather(store: "Store", part: Part, arrays: Mapping[str, Array], start: int) -> None:
    """Decode one part into arrays from the row ``start`` on."""
    rows = store.read("quotes", part.symbol, part.year, list(arrays))
    for name, array in arrays.items():
        array[start : start + len(rows)] = _numbers(rows, name)


def next_day_rows(keys: NDArray[np.int64], starts: NDArray[np.int64]) -> NDArray[np.int32]:
    """For each row the row with the same key on the next day, -1 where there is none.

    Parameters
    ----------
    keys
        Shape (n,), rising within each day.
    starts
        Shape (days + 1,): the row at which each day begins, and n.

    Examples
    --------
    >>> next_day_rows(np.array([5, 7, 7, 8]), np.array([0, 2, 4]))
    array([-1,  2, -1, -1], dtype=int32)
    """
    from dollarbill_core.storage.column_kernels import merge_days

    found = np.empty(len(keys), np.int64)
    merge_days(*(array.view(np.float64) for array in (keys, starts, found)))
    return found.astype(np.int32)


def contract_keys(root: Array, expiry: Array, right: Array, strike: Array) -> NDArray[np.int64]:
    """One number per contract, which rises by root, expiry, right and strike.

    Takes codes of roots below 2**15, days since 1970 below 2**17, +1 or -1, and hundredths of
    a cent below 2**30; shape (n,) each.
    """
    keys = root.astype(np.int64)
    for bits, column in ((17, expiry), (1, right > 0), (30, strike)):
        keys <<= bits
        keys |= column
    return keys


def _part(store: "Store", symbol: str, year: int) -> Part:
    part = store.part("quotes", symbol, year)
    if part is None:
        raise MissingQuotes(
            f"{store.place.name} has no quotes of {symbol} in {year}: "
            "import or fetch them with dollarbill data"
        )
    return part


# --- the cache


def _standing(store: "Store", part: Part) -> Columns | None:
    """What stands in the cache; nothing where it is missing, damaged or to be proved anew."""
    try:
        columns = mapped(_cache(store, part))
    except (FileNotFoundError, DamagedColumns):
        return None
    return columns if _written_at(store, part) == columns.header["written_at"] else None


def _built(store: "Store", part: Part) -> Columns:
    written_at = _written_at(store, part)
    arrays, header = _arrays(store, part)
    header |= {"digest": part.digest, "written_at": written_at}
    path = _cache(store, part)
    try:
        write_columns(path, arrays, header)
        _remove_superseded(path, part)
        return mapped(path)
    except OSError:  # no place to write to, or superseded already: for this process alone
        return Columns(header, {name: _read_only(array) for name, array in arrays.items()})


def _cache(store: "Store", part: Part) -> Path:
    folder: Path = store.local / "columns"
    return folder / f"{_stem(part)}{part.digest}-v{_FORMAT}.columns"


def _stem(part: Part) -> str:
    return f"{part.symbol}-{part.year}-"


def _remove_superseded(path: Path, part: Part) -> None:
    """Files of the same quotes that were built from other rows, and halves nobody writes."""
    name = re.compile(re.escape(_stem(part)) + r"[0-9a-f]+-v\d+\.columns")
    for file in path.parent.glob("*.columns"):
        if file != path and name.fullmatch(file.name):
            file.unlink(missing_ok=True)
    for file in path.parent.glob(".*.half"):
        if time.time() - _modified(file) > _HOUR:
            file.unlink(missing_ok=True)


def _modified(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return time.time()


def _read_only(array: Array) -> Array:
    array.flags.writeable = False
    return array


# --- the Parquet file, which nobody but the store may change


def _written_at(store: "Store", part: Part) -> int | None:
    """When the file was last written, nanoseconds; None where it is no file of this machine.

    Raises
    ------
    Damaged
        If it is gone, or of another size than was stored.
    """
    if store.place.filesystem is not None:
        return None
    try:
        found = os.stat(store.place.address(part.path))
    except FileNotFoundError:
        found = None
    if found is None or found.st_size != part.size:
        store.read("quotes", part.symbol, part.year, ["date"])  # says what is wrong
        raise _damaged(store, part, "is being changed by others than the store")
    return found.st_mtime_ns


def _damaged(store: "Store", part: Part, why: str) -> Damaged:
    from dollarbill_core.storage.partitions import damaged

    return damaged(store.place, part, why)


# --- from the Parquet file to arrays


def _arrays(store: "Store", part: Part) -> tuple[dict[str, Array], dict[str, Any]]:
    """The arrays of one part, and the header without what the cache adds."""
    table = _last_snapshots(_proved_table(store, part))
    arrays = _day_index(_numbers(table, "date"))
    codes = {name: _codes(table[name]) for name in _NAMES}
    arrays["root"] = codes["root"][0]
    arrays |= {name: _numbers(table, name) for name in _NUMBERS if name != "date"}
    keys = contract_keys(*(arrays[name] for name in ("root", "expiry", "right", "strike")))
    if not (_rises(keys, arrays["starts"]) and (np.diff(arrays["days"]) > 0).all()):
        raise _damaged(store, part, "has rows that are out of order")
    arrays["next_row"] = next_day_rows(keys, arrays["starts"])
    header = {"symbol": part.symbol, "year": part.year, "rows": len(keys)}
    return arrays, header | {f"{name}s": codes[name][1] for name in _NAMES}


def _proved_table(store: "Store", part: Part) -> "pa.Table":
    """The rows of one part, text as codes, its file held to the digest."""
    from dollarbill_core.storage.partitions import Partition
    from dollarbill_core.storage.schema import QUOTES

    opened = Partition(store.place, part, QUOTES, coded=True, proved=True)
    return opened.rows((*_NAMES, *_NUMBERS))


def _last_snapshots(table: "pa.Table") -> "pa.Table":
    """The rows of each day's last snapshot; one without a time is of the close, the last."""
    if table["quoted_at"].null_count == len(table):
        return table
    at = _numbers(table, "quoted_at")
    at = np.where(at == NO_INSTANT, np.iinfo(np.int64).max, at)
    starts = _day_index(_numbers(table, "date"))["starts"]
    last = np.repeat(np.maximum.reduceat(at, starts[:-1]), np.diff(starts))
    return table if bool((at == last).all()) else table.filter(at == last)


def _day_index(day: Array) -> dict[str, Array]:
    """The day of each row, each day once, and the rows where days begin and the last ends."""
    begins = np.flatnonzero(np.diff(day, prepend=-1))
    starts = np.append(begins, len(day)).astype(np.int64)
    return {"day": day, "days": day[begins], "starts": starts}


def _numbers(table: "pa.Table", name: str) -> Array:
    """A column as its numbers lie in memory, prices as hundredths of a cent."""
    kind, none = _NUMBERS[name]
    column = (
        table[name].combine_chunks() if table[name].num_chunks != 1 else table[name].chunk(0)
    )
    numbers: Array = np.frombuffer(column.buffers()[1] or b"", kind)
    numbers = numbers[column.offset : column.offset + len(column)]
    if column.null_count:
        missing = column.is_null().to_numpy(zero_copy_only=False)
        numbers = np.where(missing, np.array(none, kind), numbers)
    return numbers


def _codes(column: "pa.ChunkedArray") -> tuple[NDArray[np.int16], list[str]]:
    """Each row's place among the names that occur, which are in order."""
    coded = column.dictionary_encode().unify_dictionaries().combine_chunks()
    codes = coded.indices.to_numpy()
    names = coded.dictionary.to_pylist()
    used = np.flatnonzero(np.bincount(codes, minlength=len(names))).tolist()
    place = np.zeros(len(names), np.int16)
    in_order = sorted(used, key=names.__getitem__)
    place[in_order] = np.arange(len(in_order))
    return place[codes], [names[code] for code in in_order]


def _rises(keys: NDArray[np.int64], starts: NDArray[np.int64]) -> bool:
    """Whether keys rise within each day."""
    rises = keys[1:] > keys[:-1]
    rises[starts[1:-1] - 1] = True
    return bool(rises.all())
