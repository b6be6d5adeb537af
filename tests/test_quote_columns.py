"""Quotes as mapped arrays: what the store holds, never stale, and the next-day row index."""

import multiprocessing
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dollarbill_core.formats.rows import quote_rows
from dollarbill_core.storage.catalog import MANIFEST, Damaged
from dollarbill_core.storage.column_kernels import merge_days
from dollarbill_core.storage.columns import damage
from dollarbill_core.storage.partitions import digest
from dollarbill_core.storage.quote_columns import (
    NO_INSTANT,
    MissingQuotes,
    all_quote_columns,
    contract_keys,
    gathered_quotes,
    next_day_rows,
    quote_arrays,
    quote_columns,
)
from dollarbill_core.storage.schema import QUOTES
from dollarbill_core.storage.store import Store

MONDAY, TUESDAY, FRIDAY = (date(2021, 3, day) for day in (1, 2, 5))
EXPIRY = date(2021, 3, 19)
AFTERNOON = datetime(2021, 3, 1, 20, 45)


def quote(day, strike, *, right=-1, bid=1.0, root="SPX", expiry=EXPIRY, at=None, **more):
    """One row as a source gives it; an instant in UTC, None at the close."""
    row = {"date": day, "root": root, "expiry": expiry, "right": right}
    row["strike"] = float(strike)
    return row | {"bid": bid, "ask": bid + 0.1, "quoted_at": at} | more


def stored(folder: Path, rows, source="doc", symbol="SPX") -> Store:
    """The store in ``folder`` once these rows are in it."""
    names = {name for row in rows for name in row}
    columns = {name: [row.get(name, np.nan) for row in rows] for name in names}
    for name, kind in (("date", "M8[D]"), ("expiry", "M8[D]"), ("quoted_at", "M8[ms]")):
        columns[name] = np.array(columns[name], kind)
    columns["symbol"] = [symbol] * len(rows)
    made = quote_rows({name: np.asarray(each) for name, each in columns.items()}, source)
    assert made.faults == ()
    with Store.at(folder).change("test") as change:
        change.add(QUOTES, symbol, made.tables[symbol])
        change.commit()
    return Store.at(folder)


def days(*given: date) -> list[int]:
    return np.array(given, "M8[D]").astype(int).tolist()


def test_every_column_of_the_store_is_in_the_arrays(tmp_path):
    full = {"bid_size": 3, "ask_size": 4, "last": 1.05, "volume": 7, "open_interest": 9}
    full |= {"vendor_vol": 0.21, "vendor_delta": -0.16, "underlying": 3901.82}
    rows = [quote(MONDAY, 3800, root="SPXW", **full), quote(MONDAY, 3900.5, right=1, bid=0.05)]

    read = quote_columns(stored(tmp_path, rows), "SPX", 2021)

    assert read["day"].tolist() == days(MONDAY, MONDAY)
    assert (read["days"].tolist(), read["starts"].tolist()) == (days(MONDAY), [0, 2])
    assert [read.header["roots"][code] for code in read["root"]] == ["SPX", "SPXW"]
    assert read["expiry"].tolist() == days(EXPIRY, EXPIRY)
    assert read["right"].tolist() == [1, -1]
    assert read["strike"].tolist() == [39_005_000, 38_000_000]
    assert (read["bid"].tolist(), read["ask"].tolist()) == ([500, 10_000], [1500, 11_000])
    assert read["last"].tolist() == [-1, 10_500]
    assert read["underlying"].tolist() == [-1, 39_018_200]
    wholes = ("bid_size", "ask_size", "volume", "open_interest")
    assert [read[name].tolist() for name in wholes] == [[-1, 3], [-1, 4], [-1, 7], [-1, 9]]
    np.testing.assert_array_equal(read["vendor_vol"], [np.nan, 0.21])
    np.testing.assert_array_equal(read["vendor_delta"], [np.nan, -0.16])
    assert read["quoted_at"].tolist() == read["underlying_at"].tolist() == [NO_INSTANT] * 2
    header = {"symbol": "SPX", "year": 2021, "rows": 2, "sources": ["doc"], "kinds": ["QUOTED"]}
    assert header.items() <= read.header.items()


def test_each_array_has_the_kind_that_the_module_says(tmp_path):
    read = quote_columns(stored(tmp_path, [quote(MONDAY, 3800)]), "SPX", 2021)

    kinds = {str(array.dtype): set() for array in read.values()}
    for name, array in read.items():
        kinds[str(array.dtype)].add(name)
    assert kinds.pop("int8") == {"right"}
    assert kinds.pop("int16") == {"root"}
    assert kinds.pop("float64") == {"vendor_vol", "vendor_delta"}
    assert kinds.pop("int64") == {"starts", "quoted_at", "underlying_at"}
    assert set(kinds) == {"int32"}
    assert not any(array.flags.writeable for array in read.values())


def test_what_stands_in_the_cache_is_not_built_again(tmp_path):
    store = stored(tmp_path, [quote(MONDAY, 3800)])
    ready = []

    quote_columns(store, "SPX", 2021, ready.append)
    cached = [(file.name, file.stat().st_mtime_ns) for file in columns_of(store)]
    read = quote_columns(Store.at(tmp_path), "SPX", 2021, ready.append)

    assert [(file.name, file.stat().st_mtime_ns) for file in columns_of(store)] == cached
    assert cached[0][0].startswith(f"SPX-2021-{read.header['digest']}-v")
    assert ready == [1, 1]


def columns_of(store: Store) -> list[Path]:
    return sorted((store.local / "columns").iterdir())


def test_rows_that_change_are_followed_and_the_old_file_goes(tmp_path):
    before = quote_columns(stored(tmp_path, [quote(MONDAY, 3800)]), "SPX", 2021)

    store = stored(tmp_path, [quote(MONDAY, 3800, bid=2.0), quote(TUESDAY, 3800, bid=3.0)])
    after = quote_columns(store, "SPX", 2021)

    assert after["bid"].tolist() == [20_000, 30_000]
    assert before["bid"].tolist() == [10_000]
    assert len(columns_of(store)) == 1
    assert damage(columns_of(store)[0]) is None


def test_halves_go_once_nobody_can_be_writing_them(tmp_path):
    store = stored(tmp_path, [quote(MONDAY, 3800)])
    fresh, old = (store.local / "columns" / f".{name}.half" for name in ("fresh", "old"))
    fresh.parent.mkdir(parents=True)
    for half in (fresh, old):
        half.write_bytes(b"")
    os.utime(old, (1, 1))

    quote_columns(store, "SPX", 2021)

    assert (fresh.exists(), old.exists()) == (True, False)


def test_other_symbols_and_years_keep_their_files(tmp_path):
    stored(tmp_path, [quote(MONDAY, 3800), quote(date(2020, 12, 31), 3800)])
    store = stored(tmp_path, [quote(MONDAY, 38, root="SPY")], symbol="SPY")
    for symbol, year in (("SPX", 2020), ("SPX", 2021), ("SPY", 2021)):
        quote_columns(store, symbol, year)

    store = stored(tmp_path, [quote(MONDAY, 3900)])
    quote_columns(store, "SPX", 2021)

    names = [file.name.rsplit("-", 2)[0] for file in columns_of(store)]
    assert names == ["SPX-2020", "SPX-2021", "SPY-2021"]


@pytest.mark.parametrize("spoil", [lambda whole: b"", lambda whole: whole[:-9], lambda _: b"x"])
def test_a_damaged_cache_is_built_again_and_never_served(spoil, tmp_path):
    store = stored(tmp_path, [quote(MONDAY, 3800)])
    quote_columns(store, "SPX", 2021)
    file = columns_of(store)[0]

    file.write_bytes(spoil(file.read_bytes()))
    read = quote_columns(store, "SPX", 2021)

    assert read["bid"].tolist() == [10_000]
    assert damage(file) is None


def parquet_of(store: Store) -> Path:
    part = store.part("quotes", "SPX", 2021)
    assert part is not None
    return Path(store.place.address(part.path))


def test_a_parquet_file_replaced_by_hand_is_damaged_and_what_was_built_is_not_served(tmp_path):
    store = stored(tmp_path, [quote(MONDAY, 3800)])
    quote_columns(store, "SPX", 2021)
    file = parquet_of(store)

    pq.write_table(pq.ParquetFile(file).read().slice(0, 0), file)

    with pytest.raises(Damaged, match=r"has \d+ bytes of \d+: import quotes of SPX 2021 again"):
        quote_columns(store, "SPX", 2021)


def test_bytes_changed_by_hand_are_seen_though_the_size_is_the_same(tmp_path):
    store = stored(tmp_path, [quote(MONDAY, 3800)])
    quote_columns(store, "SPX", 2021)
    file = parquet_of(store)
    whole = file.read_bytes()

    file.write_bytes(whole[:50] + bytes([whole[50] ^ 1]) + whole[51:])

    with pytest.raises(Damaged, match="holds other bytes than were written"):
        quote_columns(Store.at(tmp_path), "SPX", 2021)
    columns_of(store)[0].unlink()
    with pytest.raises(Damaged, match="holds other bytes than were written"):
        quote_columns(Store.at(tmp_path), "SPX", 2021)


@pytest.mark.parametrize("last_first", [[1, 0, 2], [2, 0, 1]])
def test_rows_out_of_order_are_damage_even_where_the_catalog_vouches_for_them(
    last_first, tmp_path
):
    rows = [quote(MONDAY, 3800), quote(MONDAY, 3900), quote(TUESDAY, 3800)]
    store = stored(tmp_path, rows)
    part, file = store.part("quotes", "SPX", 2021), parquet_of(store)
    table = store.read("quotes", "SPX", 2021).take(last_first)
    pq.write_table(table, file, store_decimal_as_integer=True)
    named = file.rename(file.with_name(f"{digest(file)[:16]}.parquet"))
    forged = replace(
        part,
        digest=digest(named),
        size=named.stat().st_size,
        path=named.relative_to(tmp_path).as_posix(),
    )
    store.place.replace(MANIFEST, store.catalog.after([forged]).content)

    with pytest.raises(Damaged, match="has rows that are out of order"):
        quote_columns(Store.at(tmp_path), "SPX", 2021)


def test_a_file_that_was_only_touched_or_copied_is_the_same_and_is_proved_once(tmp_path):
    store = stored(tmp_path, [quote(MONDAY, 3800)])
    quote_columns(store, "SPX", 2021)

    os.utime(parquet_of(store), (1, 1))

    for _ in range(2):
        assert quote_columns(store, "SPX", 2021)["bid"].tolist() == [10_000]
    parquet = parquet_of(store).read_bytes()
    parquet_of(store).write_bytes(bytes(len(parquet)))  # the second time nothing was read
    os.utime(parquet_of(store), (1, 1))
    assert quote_columns(store, "SPX", 2021)["bid"].tolist() == [10_000]


def test_a_parquet_file_that_is_gone_is_damaged_also_where_the_cache_stands(tmp_path):
    store = stored(tmp_path, [quote(MONDAY, 3800)])
    quote_columns(store, "SPX", 2021)

    parquet_of(store).unlink()

    with pytest.raises(Damaged, match="is missing"):
        quote_columns(store, "SPX", 2021)


def test_quotes_that_the_store_does_not_have_are_named(tmp_path):
    with pytest.raises(MissingQuotes, match="has no quotes of SPX in 2021: import or fetch"):
        quote_columns(Store.at(tmp_path), "SPX", 2021)

    assert list(tmp_path.iterdir()) == []


def test_without_a_place_for_the_cache_the_arrays_are_built_for_this_process(tmp_path):
    store = stored(tmp_path / "store", [quote(MONDAY, 3800)])
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / "columns").write_text("a file where the folder should be")

    read = quote_columns(Store.at(tmp_path / "store", tmp_path / "local"), "SPX", 2021)

    assert read["bid"].tolist() == quote_columns(store, "SPX", 2021)["bid"].tolist()
    assert not read["bid"].flags.writeable


def test_of_several_snapshots_of_a_day_only_the_last_is_in(tmp_path):
    hour = timedelta(hours=1)
    rows = [
        quote(MONDAY, 3800, bid=1.0, at=AFTERNOON - hour),
        quote(MONDAY, 3900, bid=1.5, at=AFTERNOON - hour),
        quote(MONDAY, 3800, bid=2.0, at=AFTERNOON),
        quote(TUESDAY, 3800, bid=3.0, at=AFTERNOON + 24 * hour),
        quote(TUESDAY, 3800, bid=4.0),  # at the close
    ]

    read = quote_columns(stored(tmp_path, rows), "SPX", 2021)

    assert read["bid"].tolist() == [20_000, 40_000]
    at = int(AFTERNOON.replace(tzinfo=UTC).timestamp()) * 1000
    assert read["quoted_at"].tolist() == [at, NO_INSTANT]
    assert read["starts"].tolist() == [0, 1, 2]
    assert read["next_row"].tolist() == [1, -1]


def test_sources_and_kinds_are_those_of_the_rows_that_are_in(tmp_path):
    stored(tmp_path, [quote(MONDAY, 3800, at=AFTERNOON)], source="morning")
    stored(tmp_path, [quote(MONDAY, 3800, at=AFTERNOON + timedelta(minutes=1))], source="late")

    read = quote_columns(stored(tmp_path, [quote(TUESDAY, 3800)], source="close"), "SPX", 2021)

    assert read.header["sources"] == ["close", "late"]


def test_the_next_row_skips_days_without_quotes_but_not_days_without_the_contract(tmp_path):
    rows = [quote(MONDAY, 3800), quote(MONDAY, 3900), quote(FRIDAY, 3800)]
    week = timedelta(days=7)
    rows += [quote(FRIDAY + week, 3800), quote(FRIDAY + week, 3900)]

    read = quote_columns(stored(tmp_path, rows), "SPX", 2021)

    assert read["next_row"].tolist() == [2, -1, 3, -1, -1]


def test_columns_decoded_without_the_cache_hold_every_snapshot(tmp_path):
    rows = [quote(MONDAY, 3800, at=AFTERNOON), quote(MONDAY, 3800, bid=2.0)]
    store = stored(tmp_path, [*rows, quote(date(2020, 3, 2), 3900, bid=3.0)])

    read = quote_arrays(store, "SPX", 2021, ("date", "bid", "volume"))

    assert read["date"].tolist() == days(MONDAY, MONDAY)
    assert read["bid"].tolist() == [10_000, 20_000]
    assert read["volume"].tolist() == [-1, -1]
    assert not (store.local / "columns").exists()


def test_a_name_that_is_no_column_of_numbers_is_refused(tmp_path):
    store = stored(tmp_path, [quote(MONDAY, 3800)])

    with pytest.raises(ValueError, match="'root' is no column of numbers; there are"):
        quote_arrays(store, "SPX", 2021, ("bid", "root"))
    with pytest.raises(ValueError, match="'days' is no column of numbers; there are"):
        gathered_quotes(store, ("days",))


def test_the_quotes_of_many_symbols_lie_one_after_the_other(tmp_path):
    stored(tmp_path, [quote(MONDAY, 3800), quote(date(2020, 3, 2), 3900, bid=3.0)])
    store = stored(tmp_path, [quote(MONDAY, 38, bid=0.5, root="AAPL")], symbol="AAPL")

    every = gathered_quotes(store, ("strike", "bid"))
    one = gathered_quotes(store, ("bid",), ["SPX"])

    assert every["strike"].tolist() == [380_000, 39_000_000, 38_000_000]
    assert every["bid"].tolist() == [5_000, 30_000, 10_000]
    assert one["bid"].tolist() == [30_000, 10_000]
    assert gathered_quotes(Store.at(tmp_path / "none"), ("bid",))["bid"].tolist() == []


# --- the index of the next day's rows


@st.composite
def quoted_days(draw):
    """Days of contracts as (root, expiry, right, strike), each day in order."""
    contract = st.tuples(
        st.integers(0, 2),
        st.sampled_from([0, 1, 18_700, 131_071]),
        st.sampled_from([-1, 1]),
        st.sampled_from([1, 2, 38_000_000, 2**30 - 1]),
    )
    return [sorted(day) for day in draw(st.lists(st.sets(contract, min_size=1), max_size=6))]


@given(quoted_days())
@settings(max_examples=100)
def test_next_rows_are_those_of_a_plain_dictionary(days_of_contracts):
    contracts = [contract for day in days_of_contracts for contract in day]
    starts = np.cumsum([0, *(len(day) for day in days_of_contracts)])
    columns = np.array(contracts, np.int32).reshape(-1, 4).T

    keys = contract_keys(*columns)
    found = next_day_rows(keys, starts)

    expected = []
    for number, day in enumerate(days_of_contracts):
        tomorrow = dict[tuple[int, ...], int]()
        if number + 1 < len(days_of_contracts):
            tomorrow = {
                contract: int(starts[number + 1]) + row
                for row, contract in enumerate(days_of_contracts[number + 1])
            }
        expected += [tomorrow.get(contract, -1) for contract in day]
    assert found.tolist() == expected


@given(quoted_days())
@settings(max_examples=40)
def test_keys_rise_as_contracts_do(days_of_contracts):
    for day in days_of_contracts:
        keys = contract_keys(*np.array(day, np.int32).T)

        assert (np.diff(keys) > 0).all()
        assert (keys >= 0).all()


@pytest.mark.parametrize("seed", range(5))
def test_the_compiled_merge_and_its_plain_twin_agree(seed):
    rng = np.random.default_rng(seed)
    each = [np.sort(rng.choice(400, rng.integers(1, 300), replace=False)) for _ in range(9)]
    keys = np.concatenate(each).astype(np.int64) * 2**40
    starts = np.cumsum([0, *map(len, each)])
    fast, slow = np.empty(len(keys), np.int64), np.empty(len(keys), np.int64)

    merge_days(*(array.view(float) for array in (keys, starts, fast)))
    merge_days.plain(*(array.view(float) for array in (keys, starts, slow)))

    assert fast.tolist() == slow.tolist()
    there = fast >= 0
    assert 0 < there.sum() < len(keys)
    assert (keys[fast[there]] == keys[there]).all()


# --- many years, many processes, and what a process must load


def test_all_years_of_a_symbol_are_built_at_once(tmp_path):
    rows = [quote(date(year, 6, 1), 3800, expiry=date(year, 12, 17)) for year in (2019, 2020)]
    store = stored(tmp_path, [*rows, quote(MONDAY, 3800)])
    ready = []

    read = all_quote_columns(store, "SPX", ready.append)

    assert list(read) == [2019, 2020, 2021]
    assert [each.header["year"] for each in read.values()] == [2019, 2020, 2021]
    assert ready == [1, 1, 1]


def _bids(folder: str) -> list[int]:
    return [int(quote_columns(Store.at(folder), "SPX", 2021)["bid"][0]) for _ in range(20)]


def test_processes_that_build_at_once_all_read_the_same(tmp_path):
    store = stored(tmp_path, [quote(MONDAY, 3800)])

    with multiprocessing.get_context("spawn").Pool(3) as processes:
        read = processes.map(_bids, [str(tmp_path)] * 3)

    assert read == [[10_000] * 20] * 3
    assert len(columns_of(store)) == 1


def test_readers_see_old_rows_or_new_ones_while_a_writer_changes_them(tmp_path):
    stored(tmp_path, [quote(MONDAY, 3800, bid=1.0)])
    quote_columns(Store.at(tmp_path), "SPX", 2021)

    with multiprocessing.get_context("spawn").Pool(2) as processes:
        reading = processes.map_async(_bids, [str(tmp_path)] * 4)
        for bid in range(2, 12):
            stored(tmp_path, [quote(MONDAY, 3800, bid=float(bid))])
        read = reading.get(60)

    assert {bid for each in read for bid in each} <= {10_000 * bid for bid in range(1, 12)}
    assert all(each == sorted(each) for each in read)


def test_a_process_that_finds_the_cache_loads_no_pandas_pyarrow_or_duckdb(tmp_path):
    quote_columns(stored(tmp_path, [quote(MONDAY, 3800)]), "SPX", 2021)
    code = (
        "import sys\n"
        "from dollarbill_core.storage.quote_columns import quote_columns\n"
        "from dollarbill_core.storage.store import Store\n"
        f"store = Store.at({str(tmp_path)!r})\n"
        "assert (store.symbols(), store.years('SPX')) == (('SPX',), (2021,))\n"
        "assert quote_columns(store, 'SPX', 2021)['bid'].tolist() == [10_000]\n"
        "heavy = {'pandas', 'pyarrow', 'duckdb', 'fsspec', 'numba', 'scipy'}\n"
        "print(heavy & set(sys.modules))"
    )

    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert (told.stdout, told.stderr) == ("set()\n", "")
