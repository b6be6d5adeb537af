"""Rows united by key, held to a dictionary, for keys of any width."""

from datetime import date

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.storage.union import Added, day_numbers, day_of, number_of, united

# Each alone needs up to 64 bits, so together they can't be one number.
WIDE = pa.schema(
    [("at", pa.int64()), ("name", pa.string()), ("n", pa.int64()), ("x", pa.int32())]
)
_NUMBER = st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 2) | st.none()
_ROW = st.tuples(_NUMBER, st.sampled_from(["", "a", "é", None]), _NUMBER, st.integers(0, 3))


def rows_of(made: list[tuple]) -> pa.Table:
    return pa.Table.from_pylist(
        [dict(zip(WIDE.names, row, strict=True)) for row in made], schema=WIDE
    )


@given(st.lists(_ROW, max_size=20), st.lists(_ROW, max_size=20))
def test_keys_of_any_width_are_in_order_and_once(stored, written):
    old = {row[:3]: row for row in stored}
    both = old | {row[:3]: row for row in written}
    before = rows_of(sorted(old.values(), key=in_order))

    rows, added = united(("at", "name", "n"), before, rows_of(written))

    expected = sorted(both.values(), key=in_order)
    assert [tuple(row.values()) for row in rows.to_pylist()] == expected
    assert added == difference(old, both, {row[:3] for row in written})


def in_order(row: tuple) -> list[tuple]:
    return [(value is None, 0 if value is None else value) for value in row[:3]]


def difference(old: dict, both: dict, written: set) -> Added:
    new = len(written - set(old))
    same = sum(old.get(key) == both[key] for key in written)
    return Added(new, len(written) - new - same, same)


def test_rows_may_come_in_several_pieces_with_their_own_codes():
    old = pa.table({"k": pa.chunked_array([["b"], ["c"]]).dictionary_encode(), "x": [1, 2]})
    new = pa.table({"k": pa.chunked_array([["c", "a"]]).dictionary_encode(), "x": [3, 4]})

    rows, added = united(["k"], old, new)

    assert rows.to_pydict() == {"k": ["a", "b", "c"], "x": [4, 1, 3]}
    assert added == Added(new=1, changed=1)


def test_floats_are_the_same_if_their_bits_are():
    old = pa.table({"k": [1, 2, 3, 4], "x": [np.nan, 0.1, None, 0.0]})
    new = pa.table({"k": [1, 2, 3, 4], "x": [np.nan, 0.1, None, None]})

    assert united(["k"], old, new)[1] == Added(changed=1, same=3)


@given(st.dates())
def test_days_are_numbered_from_1970(day):
    rows = pa.table({"date": pa.array([day], pa.date32())})

    assert day_numbers(rows).tolist() == [number_of(day)] == [(day - date(1970, 1, 1)).days]
    assert day_of(number_of(day)) == day
