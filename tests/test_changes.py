"""Changes of the store: all or nothing, whatever is killed, refused or written twice."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dollarbill_core.storage import catalog, changes, partitions, places, spool
from dollarbill_core.storage.changes import Added, StoreBusy
from dollarbill_core.storage.partitions import Partition
from dollarbill_core.storage.places import StoreError
from dollarbill_core.storage.schema import GAPS, PRICES, PRINTS, QUOTES, RATES
from dollarbill_core.storage.store import Store
from tests.stored_rows import MONDAY, chains, days_from, files, quote, stored, table_of

ROOT = Path(__file__).parents[1]
INSTANT = datetime(2021, 3, 1, 15, 45, tzinfo=UTC)

# Imports 20 pieces, each a day of two symbols and a correction of the day before, with a
# checkpoint after every third, and says when it begins and when it commits.
IMPORT = """
import sys
import pyarrow as pa
from dollarbill_core.storage import changes
from dollarbill_core.storage.schema import QUOTES
from dollarbill_core.storage.store import Store

changes.BUFFERED_ROWS = 250
rows = pa.ipc.open_file(sys.argv[2]).read_all()
print("begun", flush=True)
with Store.at(sys.argv[1]).change("import") as change:
    for number in range(change.state.get("next", 0), rows.num_rows // 65):
        for symbol in ("SPY", "QQQ"):
            change.add(QUOTES, symbol, rows.slice(65 * number, 60))
            if number:
                change.add(QUOTES, symbol, rows.slice(65 * number - 5, 5))
        if number % 3 == 0:
            change.checkpoint({"next": number + 1})
    print("committing", flush=True)
    change.commit()
print("done", flush=True)
"""


def pieces_in(file: Path) -> Path:
    """What ``IMPORT`` reads: for each day its rows, and what corrects five of them."""
    days = days_from(date(2020, 12, 20), 20)
    made = [each for day in days for each in (chains([day], 60), chains([day], 5, "2.50"))]
    rows = pa.concat_tables(made)
    with pa.ipc.new_file(file, rows.schema) as sink:
        sink.write_table(rows)
    return file


def child(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def told(process: subprocess.Popen[str]) -> str:
    """The next line of a child."""
    return process.stdout.readline().strip()


def result(code: str, *arguments: object) -> str:
    """What a child says, after it ended well."""
    process = child(code, *arguments)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out


def killed_after(process: subprocess.Popen[str], line: str, seconds: float) -> bool:
    """Kill a child so long after it said a line; whether it was still at work."""
    while told(process) not in (line, ""):
        pass
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return process.returncode == -signal.SIGKILL


# --- what a commit does


def test_rows_are_there_after_the_commit_and_not_before(tmp_path):
    store, reader = Store.at(tmp_path), Store.at(tmp_path)

    with store.change("import") as change:
        change.add(QUOTES, "SPY", chains([MONDAY], 3))
        change.checkpoint({})
        before = reader.read(QUOTES, "SPY").num_rows
        added = change.commit()

    reader.refresh()
    assert (before, added) == (0, Added(new=3))
    assert reader.read(QUOTES, "SPY").num_rows == 3


def test_the_row_written_last_stands_and_changes_are_counted(tmp_path):
    store = stored(tmp_path, {"SPY": chains([MONDAY], 3)})

    with store.change("import") as change:
        change.add(QUOTES, "SPY", table_of(QUOTES, [quote(MONDAY, 301, "7.00")]))
        change.add(
            QUOTES, "SPY", table_of(QUOTES, [quote(MONDAY, 300), quote(MONDAY, 301, "8")])
        )
        change.add(QUOTES, "SPY", table_of(QUOTES, [quote(MONDAY, 310)]))
        added = change.commit()

    bids = store.read(QUOTES, "SPY")["bid"].to_pylist()
    assert added == Added(new=1, changed=1, same=1)
    assert bids == [Decimal("1.25"), Decimal(8), Decimal("1.25"), Decimal("1.25")]


def test_a_row_that_differs_in_its_source_alone_is_written_over(tmp_path):
    store = stored(tmp_path, {"SPY": chains([MONDAY], 1)})

    with store.change("import") as change:
        change.add(QUOTES, "SPY", chains([MONDAY], 1, source="another"))
        added = change.commit()

    assert added == Added(changed=1)
    assert store.read(QUOTES, "SPY")["source"].to_pylist() == ["another"]


def test_a_value_may_be_taken_back_and_a_missing_one_filled_in(tmp_path):
    store = stored(tmp_path, {"SPY": chains([MONDAY], 2, volume=5)})

    with store.change("import") as change:
        rows = [quote(MONDAY, 300), quote(MONDAY, 301, volume=5, vendor_vol=0.2)]
        change.add(QUOTES, "SPY", table_of(QUOTES, rows))
        added = change.commit()

    rows = store.read(QUOTES, "SPY").to_pylist()
    assert added == Added(changed=2)
    assert [(row["volume"], row["vendor_vol"]) for row in rows] == [(None, None), (5, 0.2)]


def test_the_same_rows_again_change_no_file(tmp_path):
    rows = chains(days_from(date(2020, 12, 28), 8), 20, vendor_vol=0.2, quoted_at=INSTANT)
    store = stored(tmp_path, {"SPY": rows, "QQQ": rows})
    before = {path: os.stat(tmp_path / path).st_mtime_ns for path in files(store)}

    with store.change("again") as change:
        change.add(QUOTES, "SPY", rows)
        change.add(QUOTES, "QQQ", rows.slice(30))
        added = change.commit()

    assert added == Added(same=160 + 130)
    assert {path: os.stat(tmp_path / path).st_mtime_ns for path in files(store)} == before


def test_tables_without_year_or_symbol_are_merged_as_well(tmp_path):
    store = Store.at(tmp_path)
    price = {"date": MONDAY, "close": Decimal("390.03"), "source": "a"}
    rate = {"date": MONDAY, "days": 30, "rate": 0.01, "source": "a"}
    prints = {"root": "SPX", "date": MONDAY, "price": Decimal("3900.5"), "source": "a"}
    gap = {"date": MONDAY, "symbol": "SPY", "why": "no network", "recorded_at": INSTANT}

    for close in ("390.03", "391"):
        with store.change("import") as change:
            change.add(PRICES, "SPY", table_of(PRICES, [price | {"close": Decimal(close)}]))
            change.add(RATES, "", table_of(RATES, [rate | {"days": 90}, rate]))
            change.add(PRINTS, "", table_of(PRINTS, [prints, prints | {"root": "NDX"}]))
            change.add(GAPS, "", table_of(GAPS, [gap]))
            added = change.commit()

    assert added == Added(changed=1, same=5)
    assert store.read(PRICES, "SPY")["close"].to_pylist() == [Decimal(391)]
    assert store.read(RATES)["days"].to_pylist() == [30, 90]
    assert store.read(PRINTS)["root"].to_pylist() == ["NDX", "SPX"]
    assert store.read(GAPS).to_pylist() == [gap]


def test_a_partition_taken_out_is_gone_and_one_written_anew_holds_only_the_new_rows(tmp_path):
    store = stored(tmp_path, {"SPY": chains([MONDAY], 3), "QQQ": chains([MONDAY], 3)})

    with store.change("import") as change:
        change.discard(QUOTES, "SPY", 2021)
        change.discard(QUOTES, "QQQ", 2021)
        change.add(QUOTES, "QQQ", chains([MONDAY], 1))
        added = change.commit()

    assert (added, store.symbols()) == (Added(new=1), ("QQQ",))
    assert store.read(QUOTES, "QQQ").num_rows == 1


# --- held to a plain dictionary

_DAYS = st.sampled_from([*days_from(date(2020, 12, 29), 6), date(2021, 12, 31)])
_ROW = st.fixed_dictionaries(
    {
        "date": _DAYS,
        "quoted_at": st.sampled_from(
            [None, INSTANT, INSTANT.replace(hour=1, microsecond=7000)]
        ),
        "root": st.sampled_from(["SPX", "SPXW", "SPXPM"]),
        "expiry": st.sampled_from([date(2022, 1, 3), date(2021, 12, 31)]),
        "right": st.sampled_from([1, -1]),
        "strike": st.sampled_from([Decimal("0.001"), Decimal(5), Decimal(99999)]),
        "bid": st.none() | st.sampled_from([Decimal(0), Decimal("1.05")]),
        "vendor_vol": st.sampled_from([None, 0.2, float("inf")]),
        "volume": st.sampled_from([None, 0, 2**31 - 1]),
        "source": st.sampled_from(["a", "b"]),
        "kind": st.just("QUOTED"),
    }
)
_ADDED = st.tuples(st.sampled_from(["SPX", "XSP"]), st.lists(_ROW, min_size=1, max_size=12))
_COMMITS = st.lists(st.lists(_ADDED, min_size=1, max_size=4), min_size=1, max_size=3)


def key(row: dict) -> tuple:
    return tuple(row[name] for name in QUOTES.key)


def in_order(row: dict) -> tuple:
    """As the store orders rows: nulls last."""
    return tuple((row[name] is None, row[name] or 0) for name in QUOTES.key)


@given(_COMMITS, st.integers(1, 20))
@settings(max_examples=25)
def test_any_appends_are_what_a_dictionary_would_hold(commits, buffered):
    model: dict[str, dict] = {"SPX": {}, "XSP": {}}
    nulls = dict.fromkeys(QUOTES.schema.names)
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(changes, "BUFFERED_ROWS", buffered)
        patch.setattr(changes, "SLICE_ROWS", buffered)
        patch.setattr(spool, "BATCH_ROWS", 3)
        patch.setattr(partitions, "GROUP_ROWS", 4)
        store = Store.at(folder)
        for commit in commits:
            before = {name: dict(rows) for name, rows in model.items()}
            with store.change("import") as change:
                for symbol, rows in commit:
                    change.add(QUOTES, symbol, table_of(QUOTES, rows))
                    model[symbol] |= {key(row): nulls | row for row in rows}
                added = change.commit()
            assert added == difference(before, model, commit)

        for symbol, rows in model.items():
            assert store.read(QUOTES, symbol).to_pylist() == sorted(rows.values(), key=in_order)
        assert store.damage() == ()


def difference(before: dict, after: dict, commit: list) -> Added:
    written = {(symbol, key(row)) for symbol, rows in commit for row in rows}
    new = sum(each not in before[symbol] for symbol, each in written)
    same = sum(before[symbol].get(each) == after[symbol][each] for symbol, each in written)
    return Added(new, len(written) - new - same, same)


@given(st.lists(st.integers(1, 60), max_size=6), st.randoms(use_true_random=False))
@settings(max_examples=10)
def test_the_files_do_not_tell_in_which_pieces_or_order_rows_came(cuts, chance):
    rows = chains(days_from(MONDAY, 4), 40, vendor_vol=0.5)
    shuffled = list(range(rows.num_rows))
    chance.shuffle(shuffled)
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(partitions, "GROUP_ROWS", 50)
            at_once = stored(one, {"SPY": rows})
            patch.setattr(changes, "SLICE_ROWS", 45)
            in_pieces = Store.at(other)
            for piece in pieces(rows.take(shuffled), cuts):
                stored(other, {"SPY": piece})

        assert files(in_pieces) == files(at_once)


def pieces(rows: pa.Table, sizes: list[int]) -> Iterator[pa.Table]:
    for size in sizes:
        yield rows.slice(0, size)
        rows = rows.slice(size)
    yield rows


def test_row_groups_end_where_days_end(tmp_path, monkeypatch):
    monkeypatch.setattr(partitions, "GROUP_ROWS", 100)
    days = days_from(MONDAY, 5)

    store = stored(
        tmp_path, {"SPY": pa.concat_tables([chains(days, 40), chains(days[4:], 250)])}
    )

    found = list(Partition(store.place, store.part(QUOTES, "SPY", 2021), QUOTES).chunks())
    groups = [rows["date"].unique().to_pylist() for rows in found]
    sizes = [rows.num_rows for rows in found]
    assert sizes == [80, 80, 100, 100, 50]
    assert groups == [days[:2], days[2:4], days[4:], days[4:], days[4:]]


# --- what survives


def test_what_was_added_after_the_checkpoint_is_gone_and_what_was_before_is_there(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(changes, "BUFFERED_ROWS", 2)
    store = Store.at(tmp_path)
    with store.change("import") as change:
        change.add(QUOTES, "SPY", chains([MONDAY], 3))
        change.checkpoint({"file": "a.csv", "row": 3})
        change.add(QUOTES, "SPY", chains([MONDAY], 5))

    with store.change("import") as change:
        state, runs = change.state, [path.name for path in change.folder.glob("*.run")]
        change.commit()

    assert (state, runs) == ({"file": "a.csv", "row": 3}, ["000000.run"])
    assert store.read(QUOTES, "SPY").num_rows == 3


def test_rows_go_to_disk_when_they_are_many_and_stay_there_once_a_checkpoint_ends(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(changes, "BUFFERED_ROWS", 4)
    kept, keep = [], os.fsync
    with Store.at(tmp_path).change("import") as change:
        change.add(QUOTES, "SPY", chains([MONDAY], 3))
        few = list(change.folder.iterdir())
        change.add(QUOTES, "SPY", chains([MONDAY], 1))
        many = [path.name for path in change.folder.iterdir()]
        monkeypatch.setattr(
            places.os,
            "fsync",
            lambda it: (kept.append(Path(os.readlink(f"/proc/self/fd/{it}")).name), keep(it)),
        )
        for _ in range(2):
            change.checkpoint({})
            change.add(QUOTES, "QQQ", chains([MONDAY], 9))

    journal = ["journal.json.half", "import"]
    assert (few, many) == ([], ["000000.run"])
    assert kept == ["000000.run", *journal, "000001.run", *journal]


def test_symbols_added_together_lie_in_one_run(tmp_path):
    store = Store.at(tmp_path)
    with store.change("import") as change:
        for symbol in ("SPY", "QQQ", "IWM"):
            change.add(QUOTES, symbol, chains([MONDAY], 2))
        change.checkpoint({})
        runs = list(change.folder.glob("*.run"))
        added = change.commit()

    assert (len(runs), added, store.symbols()) == (1, Added(new=6), ("IWM", "QQQ", "SPY"))


def test_a_change_that_is_committed_or_abandoned_begins_afresh(tmp_path):
    store = Store.at(tmp_path)
    for end in (changes.Change.commit, changes.Change.abandon):
        with store.change("import") as change:
            fresh = change.state
            change.add(QUOTES, "SPY", chains([MONDAY], 3))
            change.checkpoint({"row": 3})
            end(change)
        assert (fresh, change.folder.exists()) == ({}, False)
        with pytest.raises(StoreError, match="change 'import' has ended"):
            change.add(QUOTES, "SPY", chains([MONDAY], 3))


def test_killed_at_any_time_and_resumed_the_store_is_that_of_an_undisturbed_import(tmp_path):
    chance, hits = random.Random(4), 0
    source = pieces_in(tmp_path / "pieces.arrow")
    whole = Store.at(tmp_path / "whole")
    begun = time.perf_counter()
    assert result(IMPORT, tmp_path / "whole", source).split() == ["begun", "committing", "done"]
    most = time.perf_counter() - begun

    for kill in range(10):
        line, longest = ("committing", 0.08) if kill % 2 else ("begun", most / 3)
        importing = child(IMPORT, tmp_path / "killed", source)
        hits += killed_after(importing, line, chance.uniform(0, longest))
        assert Store.at(tmp_path / "killed").catalog in (catalog.Catalog({}), whole.catalog)
    result(IMPORT, tmp_path / "killed", source)

    assert hits >= 4
    assert files(Store.at(tmp_path / "killed")) == files(whole)
    left = [path.name for path in (tmp_path / "killed").rglob("*") if path.is_file()]
    assert sorted(left) == sorted([".writer.lock", *(Path(path).name for path in files(whole))])


def test_a_run_that_is_not_as_it_was_written_is_not_taken_up(tmp_path):
    store = Store.at(tmp_path)
    with store.change("import") as change:
        change.add(QUOTES, "SPY", chains([MONDAY], 3))
        change.checkpoint({})
    run = next(change.folder.glob("*.run"))
    content = run.read_bytes()

    run.write_bytes(content[:-20])
    with pytest.raises(StoreError, match=r"000000.run is not as it was written\): delete its"):
        store.change("import")
    for spoilt in (bytes(len(content)), b"\xff" * len(content)):
        run.write_bytes(spoilt)
        with pytest.raises(StoreError, match=r"journal.json cannot be read .*: delete its"):
            store.change("import")
    with store.change("another") as change:  # the lock was given back
        assert change.state == {}


@pytest.mark.parametrize("journal", ["{", "[]", '{"format": 99, "state": {}, "runs": []}'])
def test_a_journal_that_cannot_be_read_is_named(tmp_path, journal):
    store = Store.at(tmp_path)
    with store.change("import") as change:
        change.checkpoint({})
    (change.folder / "journal.json").write_text(journal)

    with pytest.raises(
        StoreError, match=r"journal.json cannot be read .* import again"
    ) as told:
        store.change("import")

    assert told.value.exit_code == 2


def test_a_state_that_is_not_json_is_refused_before_anything_is_written(tmp_path):
    with Store.at(tmp_path).change("import") as change:
        with pytest.raises(TypeError):
            change.checkpoint({"day": MONDAY})
        assert list(change.folder.iterdir()) == []


# --- who may write


def test_a_second_writer_is_told_at_once_who_is_first(tmp_path):
    with Store.at(tmp_path).change("nightly import"[:7]) as change:
        with pytest.raises(StoreBusy) as told:
            Store.at(tmp_path).change("other")
        change.commit()

    process = f"'nightly' (process {os.getpid()}) since 20"
    assert f"{tmp_path} is being changed by {process}" in str(told.value)
    assert told.value.exit_code == 2
    with Store.at(tmp_path).change("other"):
        pass


def test_a_writer_that_was_killed_holds_no_lock(tmp_path):
    holding = child(
        "import sys, time\nfrom dollarbill_core.storage.store import Store\n"
        "change = Store.at(sys.argv[1]).change('held')\nprint('held', flush=True)\n"
        "time.sleep(60)",
        tmp_path,
    )
    assert told(holding) == "held"
    with pytest.raises(StoreBusy, match=f"process {holding.pid}"):
        Store.at(tmp_path).change("mine")

    holding.kill()
    holding.communicate()

    with Store.at(tmp_path).change("mine") as change:
        assert change.commit() == Added()


def test_a_change_from_another_machine_meanwhile_is_seen_and_not_overwritten(
    tmp_path, monkeypatch
):
    """There is no lock between machines: here each has its own local folder and lock."""
    url = f"memory://{uuid4()}/chains"
    here, there = (Store.at(url, tmp_path / name) for name in ("here", "there"))
    looked = []

    def meddled(place):
        found = catalog.current_catalog(place)
        looked.append(place)
        if len(looked) == 1:  # we have read the catalog, and now are merging
            with there.change("import") as change:
                change.add(QUOTES, "QQQ", chains([MONDAY], 2))
                change.commit()
        return found

    with here.change("import") as change:
        change.add(QUOTES, "SPY", chains([MONDAY], 3))
        monkeypatch.setattr(changes, "current_catalog", meddled)
        with pytest.raises(StoreBusy, match="was changed from another machine meanwhile"):
            change.commit()
        seen = Store.at(url).symbols()
        change.commit()

    assert seen == ("QQQ",)
    assert Store.at(url).symbols() == ("QQQ", "SPY")
    assert not [
        each for place in ("here", "there") for each in (tmp_path / place).rglob("*.run")
    ]


READ = """
import sys, time
from dollarbill_core.storage.store import Store
seen = set()
print("begun", flush=True)
while 12 not in seen:
    store = Store.at(sys.argv[1])
    rows = {store.read("quotes", symbol, columns=["bid"]).num_rows for symbol in ("SPY", "QQQ")}
    assert len(rows) == 1, rows
    seen |= rows
    time.sleep(0.002)  # lets the writer write
print(len(seen))
"""


def test_readers_see_one_commit_or_the_other_while_one_writes(tmp_path):
    readers = [child(READ, tmp_path) for _ in range(2)]
    assert [told(reader) for reader in readers] == ["begun", "begun"]

    for day in days_from(MONDAY, 12):
        time.sleep(0.05)
        stored(tmp_path, {"SPY": chains([day], 1), "QQQ": chains([day], 1)})

    for reader in readers:
        out, err = reader.communicate(timeout=60)
        assert reader.returncode == 0, err
        assert int(out) >= 2


# --- what the disk refuses


NOT_MINE = """
import os, sys
import pyarrow.compute
from dollarbill_core.storage import changes, partitions
from dollarbill_core.storage.places import StoreError
from dollarbill_core.storage.store import Store
os.environ["DOLLARBILL_HOME"] = "/nobody"
if os.getuid() == 0:
    os.setuid(65534)  # to root nothing is forbidden
store = Store.at(sys.argv[1])
print(store.read("quotes", "SPY").num_rows, str(store.local).startswith(sys.argv[1]))
try:
    store.change("import")
except StoreError as error:
    print(error)
"""


def test_a_folder_that_may_not_be_written_is_read_and_a_change_is_one_line():
    with TemporaryDirectory() as folder:
        stored(folder, {"SPY": chains([MONDAY], 3)})
        folders = [Path(each) for each, _, _ in os.walk(folder)]
        for each in folders:
            each.chmod(0o555)
        lines = result(NOT_MINE, folder).splitlines()
        for each in folders:
            each.chmod(0o755)

    why = "cannot be written: Permission denied; the store is as it was"
    assert lines == ["3 False", f"{folder} {why}"]


# The files may not grow beyond so many bytes: what a full disk does, at the same call.
FULL = """
import random, resource, signal, sys
from dollarbill_core.storage import changes
from dollarbill_core.storage.places import StoreError
from dollarbill_core.storage.schema import QUOTES
from dollarbill_core.storage.store import Store
from tests.stored_rows import MONDAY, chains, days_from
days, vols = days_from(MONDAY, 6), random.Random(1)
import pyarrow as pa
rows = chains(days, 400)
noise = pa.array([vols.random() for _ in range(rows.num_rows)])
rows = rows.set_column(rows.schema.get_field_index("vendor_vol"), "vendor_vol", noise)
store = Store.at(sys.argv[1])
with store.change("import") as change:
    change.add(QUOTES, "SPY", rows)
    change.add(QUOTES, "QQQ", rows.slice(0, 10))
    if sys.argv[2] == "commit":
        change.checkpoint({"rows": 1})
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
    try:
        getattr(change, sys.argv[2])(*([{}] if sys.argv[2] == "checkpoint" else []))
    except StoreError as error:
        print(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    change.commit()
"""


@pytest.mark.parametrize("step", ["checkpoint", "commit"])
def test_a_full_disk_leaves_the_store_as_it_was_and_the_change_can_go_on(tmp_path, step):
    store = stored(tmp_path, {"SPY": chains([date(2020, 3, 2)], 3)})
    before = files(store)

    line = result(FULL, tmp_path, step).strip()

    assert line == f"{tmp_path} cannot be written: File too large; the store is as it was"
    store.refresh()
    assert (
        before.items() - {"catalog.json": before["catalog.json"]}.items()
        <= files(store).items()
    )
    assert store.read(QUOTES, "SPY").num_rows == 3 + 2400
    assert store.read(QUOTES, "QQQ").num_rows == 10
    assert [path for path in tmp_path.rglob("*") if path.name.endswith(".half")] == []


def test_rows_that_cannot_be_stored_are_refused_by_name(tmp_path):
    rows = chains([MONDAY], 1)
    with Store.at(tmp_path).change("import") as change:
        for symbol in ("", "../x", "spy", "A/B", "X" * 17):
            with pytest.raises(ValueError, match="is no symbol for quotes"):
                change.add(QUOTES, symbol, rows)
        with pytest.raises(ValueError, match="'SPY' is no symbol for rates"):
            change.add(RATES, "SPY", RATES.schema.empty_table())
        with pytest.raises(ValueError, match="rows of quotes lack bid, kind"):
            change.add(QUOTES, "SPY", rows.drop_columns(["bid", "kind"]))
        for name in ("date", "root", "expiry", "right", "strike", "source", "kind"):
            unknown = table_of(QUOTES, [quote(MONDAY, 300), quote(MONDAY, 301) | {name: None}])
            with pytest.raises(ValueError, match=f"^rows of quotes without {name}$"):
                change.add(QUOTES, "SPY", unknown)
        assert change.commit() == Added()


@pytest.mark.parametrize("name", ["", "..", ".hidden", "a/b", "a b"])
def test_a_change_is_called_by_a_name_that_can_be_a_folder(tmp_path, name):
    with pytest.raises(StoreError, match="use letters, digits"):
        Store.at(tmp_path).change(name)


# --- what is cleared away


def test_replaced_files_stay_for_readers_some_hours_and_half_written_ones_go(
    tmp_path, monkeypatch
):
    old = stored(tmp_path, {"SPY": chains([MONDAY], 3)})
    path = tmp_path / old.parts(QUOTES)[0].path
    (path.parent / ".half").write_bytes(b"PAR1")

    stored(tmp_path, {"SPY": chains([MONDAY], 4)})
    rows = old.read(QUOTES, "SPY").num_rows
    monkeypatch.setattr(catalog, "KEPT_HOURS", 0.0)
    stored(tmp_path, {"QQQ": chains([MONDAY], 1)})

    assert rows == 3
    assert not (path.parent / ".half").exists() and not path.exists()
    with pytest.raises(
        StoreError, match=f"{tmp_path} has changed since it was opened: open it"
    ):
        old.read(QUOTES, "SPY")
    assert Store.at(tmp_path).read(QUOTES, "SPY").num_rows == 4


def test_what_the_store_did_not_write_is_never_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(catalog, "KEPT_HOURS", -1.0)
    mine = ["my.parquet", "archive/options.parquet", "quotes/my.parquet", "notes.half", ".half"]
    mine += [f"archive/{'0' * 16}/x.parquet", "quotes/symbol=SPY/year=2021/copy.parquet"]
    theirs = ["catalog.json.half", "prices/symbol=SPY/.half", "quotes/symbol=A/year=1/.half"]
    theirs += [f"{folder}{'0' * 16}.parquet" for folder in ("rates/", "prices/symbol=SPY/")]
    for name in (*mine, *theirs):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")

    stored(tmp_path, {"SPY": chains([MONDAY], 3)})

    assert [name for name in mine if not (tmp_path / name).exists()] == []
    assert [name for name in theirs if (tmp_path / name).exists()] == []


def test_a_replaced_file_goes_hours_after_it_was_replaced_and_not_before(tmp_path, monkeypatch):
    """A clock that is set back must neither remove a file early nor keep it for ever."""
    old = stored(tmp_path, {"SPY": chains([MONDAY], 3)})
    file = tmp_path / old.parts(QUOTES)[0].path
    now, there = time.time(), []

    for number, hours in enumerate((1000, 0, 5.9, 6.1)):
        monkeypatch.setattr(catalog.time, "time", lambda hours=hours: now + hours * 3600)
        stored(tmp_path, {"SPY": chains([MONDAY], 4 + number)})
        there.append(file.exists())

    assert there == [True, True, True, False]


def test_reading_and_writing_loads_no_pandas(tmp_path):
    stored(tmp_path, {"SPY": chains(days_from(MONDAY, 3), 3)})
    code = """
import sys
from dollarbill_core.storage.store import Store
store = Store.at(sys.argv[1])
parts = store.parts("quotes")
print("pyarrow" in sys.modules)
import pyarrow
from dollarbill_core.storage.schema import QUOTES
rows = store.read(QUOTES, "SPY")
with store.change("import") as change:
    change.add(QUOTES, "SPY", pyarrow.concat_tables([rows.slice(4), rows.slice(0, 4)]))
    print(change.commit().same, "pandas" in sys.modules)
"""

    assert result(code, tmp_path).split() == ["False", "9", "False"]


def test_memory_does_not_grow_with_the_rows(tmp_path):
    code = """
import sys
from datetime import date, timedelta
import numpy as np, pyarrow as pa
from dollarbill_core.storage.schema import QUOTES, price_array
from dollarbill_core.storage.store import Store
from tests.stored_rows import MONDAY, chains
day = pa.concat_tables([chains([MONDAY], 4000)] * 10)
day = day.set_column(6, "strike", price_array(np.arange(1, 40_001, dtype=np.int32)))
from benchmarks.importing import peak_memory
def peak(): return peak_memory() / 1024**2
def imported(days):
    with Store.at(sys.argv[1]).change("import") as change:
        for number in range(days):
            dates = pa.repeat(pa.scalar(MONDAY + timedelta(number), pa.date32()), 40_000)
            change.add(QUOTES, "SPY", day.set_column(0, "date", dates))
        change.commit()
    return peak()
print(imported(10), imported(40))
"""
    few, many = map(float, result(code, tmp_path).split())

    assert Store.at(tmp_path).parts(QUOTES)[0].rows == 40 * 40_000
    assert many < 800
    assert many - few < 300
