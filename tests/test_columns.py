"""Column files: exact, whole or not at all, and never served damaged."""

import json
import os
import subprocess
import sys
import threading
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from dollarbill_core.storage import columns
from dollarbill_core.storage.columns import (
    Columns,
    DamagedColumns,
    damage,
    mapped,
    write_columns,
)

BIDS = {"bid": np.array([27100, -1], np.int32), "vol": np.array([0.2, np.nan])}
KINDS = st.sampled_from(["?", "i1", "<i4", ">i4", "i8", "u2", "f4", "<f8", "M8[D]", "m8[ms]"])
COLUMNS = st.dictionaries(
    st.text(max_size=8),
    KINDS.flatmap(lambda kind: arrays_of.arrays(kind, st.integers(0, 20))),
    max_size=5,
)


def written(folder: Path, header: dict[str, object] | None = None) -> Path:
    path = folder / "SPY.columns"
    write_columns(path, BIDS, header or {})
    return path


@given(given_columns=COLUMNS)
def test_what_is_written_is_what_is_read(given_columns, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "any.columns"

    write_columns(path, given_columns, {"names": list(given_columns)})
    read = mapped(path)

    assert list(read) == list(given_columns) == read.header["names"]
    for name, array in given_columns.items():
        np.testing.assert_array_equal(read[name], array)
        assert read[name].dtype == array.dtype.newbyteorder("<")
    assert damage(path) is None


def test_arrays_are_read_only_and_aligned(tmp_path):
    read = mapped(written(tmp_path))

    assert not any(array.flags.writeable for array in read.values())
    assert [array.ctypes.data % 64 for array in read.values()] == [0, 0]
    with pytest.raises(ValueError, match="read-only"):
        read["bid"][0] = 1


def test_a_slice_of_every_second_row_is_written_as_it_looks(tmp_path):
    path = tmp_path / "x.columns"

    write_columns(path, {"even": np.arange(10)[::2]}, {})

    assert mapped(path)["even"].tolist() == [0, 2, 4, 6, 8]


@pytest.mark.parametrize(
    "column", [np.zeros((2, 2)), np.array(["SPY"]), np.array([None]), np.float64(1)]
)
def test_a_column_of_another_shape_or_kind_is_refused_and_nothing_is_left(column, tmp_path):
    with pytest.raises(ValueError, match="column odd must be"):
        write_columns(tmp_path / "x.columns", {"odd": np.asarray(column)}, {})

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [{1, 2}, float("nan"), Path("x")])
def test_a_header_that_is_not_json_is_refused_and_what_stood_still_stands(value, tmp_path):
    path = written(tmp_path)

    with pytest.raises(ValueError, match="must be JSON"):
        write_columns(path, BIDS, {"odd": value})

    assert list(tmp_path.iterdir()) == [path]
    assert mapped(path)["bid"].tolist() == [27100, -1]


def test_a_file_cut_off_anywhere_is_damaged(tmp_path):
    path = written(tmp_path)
    whole = path.read_bytes()

    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(DamagedColumns, match="remove it, it is built again"):
            mapped(path)


def test_a_file_with_something_behind_it_is_damaged(tmp_path):
    path = written(tmp_path)
    path.write_bytes(path.read_bytes() + b"x")

    with pytest.raises(DamagedColumns, match="where its header says"):
        mapped(path)


def test_any_changed_bit_is_found_by_the_deep_check_and_in_the_header_by_opening(tmp_path):
    path = written(tmp_path)
    whole = path.read_bytes()
    begin = whole.index(b"}", whole.index(b'"header"')) + 2
    filling = {*range(begin, len(whole))} - set(_data_bytes(path))

    for at in {*range(len(whole))} - filling:
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        assert damage(path) is not None, at
        if at < begin:
            with pytest.raises(DamagedColumns):
                mapped(path)


def _data_bytes(path: Path) -> list[int]:
    """Where in the file the arrays' own bytes are."""
    whole = path.read_bytes()
    return [
        whole.index(array.tobytes()) + byte
        for array in BIDS.values()
        for byte in range(array.nbytes)
    ]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"DBCOLS2\n" + bytes(100), b"{}" * 1000])
def test_a_foreign_file_is_named(content, tmp_path):
    path = tmp_path / "foreign.columns"
    path.write_bytes(content)

    with pytest.raises(DamagedColumns, match=r"foreign\.columns is not a column file"):
        mapped(path)
    assert "is not a column file" in str(damage(path))


@pytest.mark.parametrize(
    "told",
    [
        [],
        {"size": 0},
        {"size": "0", "columns": [], "header": {}},
        {"size": 4, "columns": [["a", "<i4", 0, 10]], "header": {}},
        {"size": 8, "columns": [["a", "O", 0, 1]], "header": {}},
        {"size": 8, "columns": [["a"]], "header": {}},
    ],
)
def test_a_header_that_says_other_things_is_damaged_though_its_checksum_holds(told, tmp_path):
    text = json.dumps(told).encode()
    head = b"DBCOLS1\n" + len(text).to_bytes(8, "little") + sha256(text).digest() + text
    size = told["size"] if isinstance(told, dict) else 0
    (tmp_path / "x").write_bytes(head + bytes(-len(head) % 64) + bytes(int(size)))

    with pytest.raises(DamagedColumns, match=r"has a header of another version .*; remove it"):
        mapped(tmp_path / "x")


def test_what_is_not_there_is_not_damaged_but_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        mapped(tmp_path / "none.columns")
    assert "none.columns" in str(damage(tmp_path / "none.columns"))
    with pytest.raises(DamagedColumns, match="cannot be read"):
        mapped(tmp_path)


def test_a_reader_keeps_the_file_that_it_has_mapped(tmp_path):
    path = written(tmp_path)
    before = mapped(path)

    write_columns(path, {"bid": np.array([1], np.int32)}, {})
    after = mapped(path)
    path.unlink()

    assert before["bid"].tolist() == [27100, -1]
    assert after["bid"].tolist() == [1]


def test_a_write_that_fails_leaves_the_old_file_and_no_half(tmp_path, monkeypatch):
    path = written(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        write_columns(path, {"bid": np.array([1], np.int32)}, {})

    assert list(tmp_path.iterdir()) == [path]
    assert mapped(path)["bid"].tolist() == [27100, -1]


def test_whoever_may_read_new_files_may_read_this_one(tmp_path):
    plain = tmp_path / "plain"
    plain.touch()

    assert written(tmp_path).stat().st_mode == plain.stat().st_mode


def test_writers_and_readers_at_once_never_see_a_mixed_file(tmp_path):
    path = tmp_path / "x.columns"
    stop, seen = threading.Event(), []

    def write(number: int) -> None:
        while not stop.is_set():
            write_columns(path, {"n": np.full(5000, number)}, {"number": number})

    write_columns(path, {"n": np.full(5000, 0)}, {"number": 0})
    writers = [threading.Thread(target=write, args=(number,)) for number in (1, 2)]
    for writer in writers:
        writer.start()
    for _ in range(300):
        read: Columns = mapped(path)
        seen.append(bool((read["n"] == read.header["number"]).all()))
    stop.set()
    for writer in writers:
        writer.join()

    assert all(seen)
    assert damage(path) is None
    assert list(tmp_path.iterdir()) == [path]


def test_a_process_that_opens_a_file_loads_neither_pandas_nor_pyarrow(tmp_path):
    path = written(tmp_path)
    code = (
        "import sys; from pathlib import Path\n"
        "from dollarbill_core.storage.columns import mapped\n"
        f"read = mapped(Path({str(path)!r})); assert read['bid'][0] == 27100\n"
        "print({'pandas', 'pyarrow', 'duckdb', 'fsspec', 'numba'} & set(sys.modules))"
    )

    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert (told.stdout, told.stderr) == ("set()\n", "")


def test_the_header_is_json_that_others_can_read(tmp_path):
    content = written(tmp_path, {"symbol": "SPY"}).read_bytes()
    length = int.from_bytes(content[8:16], "little")

    told = json.loads(content[columns._HEADER_AT : columns._HEADER_AT + length])

    assert [name for name, *_ in told["columns"]] == ["bid", "vol"]
    assert told["header"] == {"symbol": "SPY"}
