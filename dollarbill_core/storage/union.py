"""Rows united by key: in key order, the one written last stands, and what that changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Whole = NDArray[np.signedinteger[Any]]
Mask = NDArray[np.bool_]

_EPOCH = date(1970, 1, 1).toordinal()
_WIDEST = 2**62  # a key of more values than this does not fit one number


@dataclass(frozen=True, slots=True)
class Added:
    """What a change did: rows that are new, that replaced one of their key, that were there.

    Counted are rows as they stand afterwards: of two written with one key, the last.
    """

    new: int = 0
    changed: int = 0
    same: int = 0

    def __add__(self, other: "Added") -> "Added":
        return Added(self.new + other.new, self.changed + other.changed, self.same + other.same)


def united(key: Sequence[str], old: pa.Table, new: pa.Table) -> tuple[pa.Table, Added]:
    """Stored rows and written ones as one table in key order, and what was added.

    Parameters
    ----------
    key
        Columns that tell rows apart, the first that orders them first; nulls come last.
    old
        Rows of which no two have one key.
    new
        Rows in the order they were written. One that differs from the stored row in anything,
        its source included, changes it.

    Examples
    --------
    >>> old = pa.table({"day": [1, 2], "price": [5.0, 6.0]})
    >>> rows, added = united(["day"], old, pa.table({"day": [3, 2], "price": [8.0, 7.0]}))
    >>> rows["price"].to_pylist(), added
    ([5.0, 7.0, 8.0], Added(new=1, changed=1, same=0))
    """
    rows = joined([old, new])
    if not new.num_rows:
        return rows, Added()
    numbers = _row_numbers(rows, key)
    if bool((numbers[1:] > numbers[:-1]).all()):
        return rows, Added(new=new.num_rows)
    order, is_last = _order(numbers)
    winners = order[is_last]
    first = order[np.concatenate(([True], is_last[:-1]))]
    return taken(rows, winners), _added(rows, key, first, winners, old.num_rows)


def taken(rows: pa.Table, numbers: NDArray[np.int64]) -> pa.Table:
    """The rows of these numbers, in this order; ``pa.array`` would load pandas first."""
    return rows.take(
        pa.Array.from_buffers(pa.int64(), len(numbers), [None, pa.py_buffer(numbers)])
    )


def day_numbers(rows: pa.Table) -> NDArray[np.int32]:
    """The dates of the rows as days since 1970-01-01; none is null."""
    return _whole(rows["date"])[0].astype(np.int32, copy=False)


def day_of(number: int) -> date:
    """The date of a day since 1970-01-01; the way back of ``number_of``."""
    return date.fromordinal(_EPOCH + int(number))


def number_of(day: date) -> int:
    """The day as days since 1970-01-01."""
    return day.toordinal() - _EPOCH


def joined(tables: Sequence[pa.Table]) -> pa.Table:
    """The tables one below the other, each column in one piece."""
    return pa.concat_tables(tables).unify_dictionaries().combine_chunks()


def _row_numbers(rows: pa.Table, key: Sequence[str]) -> NDArray[np.int64]:
    """A number per row that orders rows as their keys do, equal where keys are."""
    numbers = np.zeros(rows.num_rows, np.int64)
    width = 1
    for name in key:
        next_numbers, next_width = _from_zero(*_whole(rows[name]))
        if width * next_width > _WIDEST:
            numbers, width = _ranks(numbers)
        if width * next_width > _WIDEST:
            next_numbers, next_width = _ranks(next_numbers)
        if next_width > 1:
            numbers = numbers * next_width + next_numbers
            width *= next_width
    return numbers


def _from_zero(values: Whole, missing: Mask | None) -> tuple[NDArray[np.int64], int]:
    """Values less the least, null one above the greatest, and how many there may be."""
    there = values if missing is None else values[~missing]
    if not len(there):
        return np.zeros(len(values), np.int64), 1
    least, most = int(there.min()), int(there.max())
    if most - least >= _WIDEST:
        values, _ = _ranks(values)
        return _from_zero(values, missing)
    numbers = values.astype(np.int64)
    if missing is None:
        return numbers - least, most - least + 1
    return np.where(missing, most - least + 1, numbers - least), most - least + 2


def _ranks(numbers: Whole) -> tuple[NDArray[np.int64], int]:
    unique, ranks = np.unique(numbers, return_inverse=True)
    return ranks.astype(np.int64), len(unique)


def _order(numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], Mask]:
    """The rows in order, those with one key as they came, and which is the last of its key."""
    order = np.argsort(numbers)
    in_order = numbers[order]
    differs = in_order[1:] != in_order[:-1]
    if not differs.all():  # the faster sort does not keep the order of equals
        order = np.argsort(numbers, kind="stable")
    return order, np.concatenate((differs, [True]))


def _added(
    rows: pa.Table,
    key: Sequence[str],
    first: NDArray[np.int64],
    winners: NDArray[np.int64],
    old: int,
) -> Added:
    """What the winners are, given the first row of each one's key; rows below ``old`` stood."""
    written = winners >= old
    again = written & (first < old)
    equal = _equal_rows(rows, key, first[again], winners[again])
    same = int(equal.sum())
    return Added(int(written.sum() - again.sum()), len(equal) - same, same)


def _equal_rows(
    rows: pa.Table, key: Sequence[str], some: NDArray[np.int64], others: NDArray[np.int64]
) -> Mask:
    """Whether pairs of rows with equal keys are equal in every column."""
    equal = np.ones(len(some), bool)
    for name in rows.column_names:
        if name not in key and len(some):
            values, missing = _whole(rows[name])
            alike = values[some] == values[others]
            if missing is not None:
                nulls = missing[some].astype(np.int8) + missing[others]
                alike = (nulls == 2) | ((nulls == 0) & alike)
            equal &= alike
    return equal


def _whole(column: pa.ChunkedArray) -> tuple[Whole, Mask | None]:
    """A column as whole numbers that compare as its values do, and where it is null.

    Text becomes its rank; a float its bits, which tell whether two are equal but not which is
    greater; what stands where a value is null means nothing.
    """
    values = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    missing = _nulls(values) if values.null_count else None
    if pa.types.is_string(values.type):
        values = values.dictionary_encode()
    if pa.types.is_dictionary(values.type):
        return _text_ranks(values, missing), missing
    return _fixed_width(values), missing


def _fixed_width(values: pa.Array) -> Whole:
    whole = np.frombuffer(values.buffers()[1] or b"", f"i{values.type.bit_width // 8}")
    return whole[values.offset : values.offset + len(values)]


def _nulls(values: pa.Array) -> Mask:
    bits = np.frombuffer(values.buffers()[0], np.uint8)
    valid = np.unpackbits(bits, bitorder="little")
    missing: Mask = valid[values.offset : values.offset + len(values)] == 0
    return missing


def _text_ranks(texts: pa.DictionaryArray, missing: Mask | None) -> Whole:
    words = np.array(texts.dictionary.to_pylist() or [""], object)
    _, rank = np.unique(words, return_inverse=True)
    codes = _fixed_width(texts.indices)
    if missing is not None:
        codes = np.where(missing, 0, codes)
    ranks: Whole = rank[codes]
    return ranks
