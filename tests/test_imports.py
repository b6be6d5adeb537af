"""Importing: fuzzed lines, kills at any moment, the same file twice, and what is refused."""

import csv
import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import importing
from dollarbill_core.formats import imports
from dollarbill_core.formats.imports import ImportReport, ImportStopped, Progress, import_files
from dollarbill_core.formats.lines import blocks
from dollarbill_core.formats.pieces import ImportOptions, Piece, UnreadableFile
from dollarbill_core.formats.registry import FORMATS, reader, sniff
from dollarbill_core.storage.changes import StoreBusy
from dollarbill_core.storage.places import StoreError
from dollarbill_core.storage.schema import QUOTES, ticks_of
from dollarbill_core.storage.settings import load_settings
from dollarbill_core.storage.store import Store
from tests.broken_files import HEADER, Made, write_broken_file

ROOT = Path(__file__).parents[1]
FUZZED = int(os.environ.get("DOLLARBILL_FUZZED_LINES", "100_000"))
SPY = ImportOptions(symbol="SPY")

DOLTHUB = "date,act_symbol,expiration,strike,call_put,bid,ask,vol,delta,gamma,theta,vega,rho"


def dolthub(folder: Path, lines: int, name: str = "chain.csv", bid: str = "1.25") -> Path:
    file = folder / name
    rows = [
        f"2019-02-11,SPY,2019-03-15,{100 + number},Call,{bid},1.30,0.27,0.5,0,0,0,0"
        for number in range(lines)
    ]
    file.write_text("\n".join([DOLTHUB, *rows]) + "\n", encoding="utf-8")
    return file


def store_in(folder: Path) -> Store:
    return Store.at(folder / "store")


def contents(store: Store) -> list[dict[str, Any]]:
    return [
        {"symbol": part.symbol} | row
        for part in store.parts(QUOTES)
        for row in store.read(QUOTES, part.symbol, part.year).to_pylist()
    ]


def rejected(report: ImportReport) -> list[dict[str, str]]:
    if report.rejects is None:
        return []
    with report.rejects.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# --- fuzzed lines: 100,000 here, a million where DOLLARBILL_FUZZED_LINES says so


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory) -> tuple[Made, ImportReport, Store]:
    folder = tmp_path_factory.mktemp("fuzzed")
    file = folder / "fuzzed.txt"
    made = write_broken_file(file, FUZZED)
    store = store_in(folder)
    return made, import_files("optionsdx", [file], store, options=SPY), store


def stored_by_strike(store: Store) -> dict[str, np.ndarray]:
    """Columns of every row, calls and puts in order of strike."""
    table = pa.concat_tables(store.read(QUOTES, "SPY", year) for year in store.years("SPY"))
    table = table.combine_chunks()
    prices = {name: ticks_of(table[name].chunk(0)) for name in ("strike", "bid", "ask", "last")}
    wholes = {
        name: table[name].fill_null(-1).to_numpy()
        for name in ("bid_size", "ask_size", "volume")
    }
    days = {name: table[name].to_numpy().astype("M8[D]") for name in ("date", "expiry")}
    order = np.lexsort([-table["right"].to_numpy(), prices["strike"]])
    columns = prices | wholes | days | {"right": table["right"].to_numpy()}
    return {name: values[order] for name, values in columns.items()}


def test_every_planted_line_arrives_exactly(fuzzed):
    made, report, store = fuzzed

    rows = stored_by_strike(store)

    strikes = sorted(made.good)
    expected = np.array([made.good[strike] for strike in strikes])
    calls, puts = ({name: each[start::2] for name, each in rows.items()} for start in (0, 1))
    assert len(rows["strike"]) == 2 * len(strikes) == report.rows
    assert (calls["right"] == 1).all() and (puts["right"] == -1).all()
    for side, first in ((calls, 0), (puts, 3)):
        assert (side["strike"] == 10 * np.array(strikes)).all()
        for number, name in enumerate(("bid", "ask", "last")):
            assert (side[name] == expected[:, first + number]).all()
        for number, name in enumerate(("bid_size", "ask_size")):
            assert (side[name] == expected[:, 6 + 2 * (first > 0) + number]).all()
        for number, name in ((10, "date"), (11, "expiry")):
            told = np.array(
                [f"{day[:4]}-{day[4:6]}-{day[6:]}" for day in map(str, expected[:, number])]
            )
            assert (side[name] == told.astype("M8[D]")).all()
    assert (calls["volume"] == np.array(strikes) % 977).all()
    assert (puts["volume"] == -1).all()


def test_every_broken_line_is_rejected_with_its_reason(fuzzed):
    made, report, _ = fuzzed

    rows = rejected(report)

    assert [int(row["place"].removeprefix("line ").replace(",", "")) for row in rows] == list(
        made.broken
    )
    wrong = [
        (row, word)
        for row, word in zip(rows, made.broken.values(), strict=True)
        if word not in row["reason"]
    ]
    assert wrong == []
    assert len(made.broken) > FUZZED / 4
    assert all(len(row["text"]) <= 200 and row["text"].isprintable() for row in rows)


def test_rows_read_are_those_stored_and_those_rejected(fuzzed):
    made, report, _ = fuzzed

    assert report.read == FUZZED == len(made.good) + report.rejected
    assert report.rows == 2 * len(made.good) == report.added.new
    assert sum(report.reasons.values()) == len(made.broken)
    assert len(report.reasons) < 70


@settings(max_examples=25)
@given(
    st.lists(
        st.one_of(
            st.just("2019-02-11,SPY,2019-03-15,{n},Put,1.25,1.30,0.27,0.5,0,0,0,0"),
            st.text("0123456789,-./:SPYCallPut\"' \t", max_size=90),
            st.builds(
                "2019-02-11,{},2019-03-15,{{n}},Put,{},{},0.27,0.5,0,0,0,0".format,
                st.sampled_from(["SPY", "QQQ", "spy", "", "TOOLONGNAME"]),
                st.sampled_from(["1.25", "", "-1", "x", "1.00001"]),
                st.sampled_from(["1.25", "nan", "9e9"]),
            ),
        ),
        max_size=40,
    )
)
def test_no_row_is_lost_whatever_stands_in_a_file(tmp_path_factory, lines):
    folder = tmp_path_factory.mktemp("any")
    numbered = [line.replace("{n}", str(100 + number)) for number, line in enumerate(lines)]
    file = folder / "chain.csv"
    file.write_text("\n".join([DOLTHUB, *numbered, ""]), encoding="utf-8")

    report = import_files("dolthub", [file], store_in(folder))

    assert report.read == len(lines)
    assert report.rows + report.rejected == len(lines)
    assert len(rejected(report)) == report.rejected
    assert len(contents(store_in(folder))) == report.added.new == report.rows


# --- interrupted


class Interruption(BaseException):
    """As abrupt as a kill: nothing in the engine waits for it."""


def stopped_after(pieces: int, error: BaseException | type[BaseException]) -> Any:
    left = [pieces]

    def progress(_: Progress) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise error

    return progress


@pytest.fixture
def small_blocks(monkeypatch) -> None:
    """Many pieces and a checkpoint after each, so that small files show what large ones do."""
    monkeypatch.setattr(imports, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(blocks, "__defaults__", (0, 2_000))


def some_files(folder: Path) -> list[Path]:
    lines = dolthub(folder, 300, "a.csv").read_text(encoding="utf-8").splitlines()
    lines[20::40] = [line.replace("1.25", "oops") for line in lines[20::40]]
    (folder / "a.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [folder / "a.csv", dolthub(folder, 200, "b.csv", "2.5")]


@pytest.mark.parametrize("pieces", [1, 2, 5, 10, 11, 15])
def test_an_interrupted_import_goes_on_and_ends_as_if_it_had_not_been(
    tmp_path, small_blocks, pieces
):
    files = some_files(tmp_path)
    all_pieces: list[Progress] = []
    whole = import_files(
        "dolthub", files, Store.at(tmp_path / "whole"), progress=all_pieces.append
    )

    with pytest.raises(Interruption):
        import_files(
            "dolthub", files, store_in(tmp_path), progress=stopped_after(pieces, Interruption)
        )
    assert contents(store_in(tmp_path)) == []
    again: list[Progress] = []
    report = import_files("dolthub", files, store_in(tmp_path), progress=again.append)

    assert contents(store_in(tmp_path)) == contents(Store.at(tmp_path / "whole"))
    assert [part.digest for part in store_in(tmp_path).parts(QUOTES)] == [
        part.digest for part in Store.at(tmp_path / "whole").parts(QUOTES)
    ]
    assert (report.read, report.rows, report.reasons) == (whole.read, whole.rows, whole.reasons)
    assert rejected(report) == rejected(whole)
    assert report.rejected == 8
    assert len(again) == len(all_pieces) - pieces


def test_rejects_written_after_the_last_checkpoint_are_not_told_twice(
    tmp_path, small_blocks, monkeypatch
):
    files = some_files(tmp_path)
    whole = import_files("dolthub", files, Store.at(tmp_path / "whole"))
    seen: list[Progress] = []

    def progress(step: Progress) -> None:
        seen.append(step)
        if len(seen) == 3:
            monkeypatch.setattr(imports, "CHECKPOINT_SECONDS", 1e9)
        if len(seen) == 8:
            raise Interruption

    with pytest.raises(Interruption):
        import_files("dolthub", files, store_in(tmp_path), progress=progress)
    report = import_files("dolthub", files, store_in(tmp_path))

    assert seen[2].rejected < seen[7].rejected
    assert rejected(report) == rejected(whole)
    assert report.reasons == whole.reasons


def test_the_keyboard_stops_it_with_one_line_and_nothing_stored(tmp_path, small_blocks):
    files = some_files(tmp_path)

    with pytest.raises(ImportStopped, match="the same command goes on") as stopped:
        import_files(
            "dolthub", files, store_in(tmp_path), progress=stopped_after(4, KeyboardInterrupt)
        )

    assert stopped.value.exit_code == 130
    assert "\n" not in str(stopped.value)
    assert contents(store_in(tmp_path)) == []
    assert import_files("dolthub", files, store_in(tmp_path)).read == 500


def test_sigterm_stops_it_as_the_keyboard_does(tmp_path, small_blocks):
    before = signal.getsignal(signal.SIGTERM)

    def progress(_: Progress) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(ImportStopped):
        import_files("dolthub", some_files(tmp_path), store_in(tmp_path), progress=progress)

    assert signal.getsignal(signal.SIGTERM) is before


def test_it_runs_in_another_thread_too(tmp_path):
    found: list[ImportReport] = []
    file = dolthub(tmp_path, 10)

    def run() -> None:
        found.append(import_files("dolthub", [file], store_in(tmp_path)))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()

    assert found[0].added.new == 10


def test_a_file_that_changed_meanwhile_starts_over(tmp_path, small_blocks):
    files = some_files(tmp_path)
    with pytest.raises(Interruption):
        import_files(
            "dolthub", files, store_in(tmp_path), progress=stopped_after(9, Interruption)
        )
    dolthub(tmp_path, 50, "a.csv", "7.5")

    report = import_files("dolthub", files, store_in(tmp_path))

    bids = {str(row["bid"]) for row in contents(store_in(tmp_path)) if row["strike"] < 150}
    assert (report.read, report.rejected) == (250, 0)
    assert bids == {"2.5000"}


@dataclass(frozen=True)
class Slow:
    """A reader whose pieces all go on from the same place until the last of them."""

    rows: pa.Table
    name: str = "slow"
    seen: str = "made up"
    asked: list[int] = field(default_factory=list)

    def pieces(self, file: Path, start: int = 0) -> Iterator[Piece]:
        self.asked.append(start)
        for number in range(start, 4):
            for last in (False, True):
                rows = self.rows.slice(4 * number + 2 * last, 2)
                yield Piece({(QUOTES, "SPY"): rows}, number + last, number / 4)


def test_a_checkpoint_waits_until_a_reader_can_go_on_behind_what_is_counted(
    tmp_path, monkeypatch, small_blocks
):
    made = import_files("dolthub", [dolthub(tmp_path, 16)], Store.at(tmp_path / "made"))
    slow = Slow(Store.at(tmp_path / "made").read(QUOTES, "SPY"))
    monkeypatch.setattr(imports, "reader", lambda name, options: slow)
    file = dolthub(tmp_path, 1, "other.csv")

    with pytest.raises(Interruption):
        import_files(
            "slow", [file], store_in(tmp_path), progress=stopped_after(5, Interruption)
        )
    report = import_files("slow", [file], store_in(tmp_path))

    assert slow.asked == [0, 2]
    assert (report.rows, report.added.new, made.rows) == (16, 16, 16)


def test_a_file_cut_off_in_the_middle_leaves_nothing_in_the_store(tmp_path):
    import gzip

    packed = tmp_path / "chain.csv.gz"
    packed.write_bytes(gzip.compress(dolthub(tmp_path, 5000).read_bytes())[:-2000])

    with pytest.raises(UnreadableFile, match="cut off"):
        import_files("dolthub", [packed], store_in(tmp_path))

    assert contents(store_in(tmp_path)) == []


def test_killed_at_random_moments_a_large_import_ends_the_same(tmp_path):
    told = importing.measured(rows=400_000, kills=3, seed=3, folder=tmp_path)

    assert told["same"]
    assert (told["read"], told["stored"], told["rejected"]) == (400_000, 800_000, 0)
    assert told["peak"] < 10**9


# --- twice, several files, and what is refused


def test_the_same_file_twice_changes_nothing_and_says_so(tmp_path):
    file = dolthub(tmp_path, 100)
    first = import_files("dolthub", [file], store_in(tmp_path))
    before = store_in(tmp_path).parts(QUOTES)

    second = import_files("dolthub", [file], store_in(tmp_path))

    assert (first.added.new, second.added.new, second.added.same) == (100, 0, 100)
    assert second.sentences()[1] == "Nothing changed: all 100 were there."
    assert store_in(tmp_path).parts(QUOTES) == before


def test_a_file_without_rows_says_so(tmp_path):
    report = import_files("dolthub", [dolthub(tmp_path, 0)], store_in(tmp_path))

    assert report.sentences()[1] == "Nothing changed: there was no row."


def test_a_row_that_comes_twice_is_told_and_the_last_one_counts(tmp_path):
    file = dolthub(tmp_path, 3)
    text = file.read_text(encoding="utf-8")
    file.write_text(text + text.splitlines()[1].replace("1.25", "1.27") + "\n", "utf-8")

    report = import_files("dolthub", [file], store_in(tmp_path))

    assert report.sentences()[1:] == (
        "In the store: 3 new, 0 changed, 0 as they were.",
        "1 row came again, of which the last one counts.",
    )
    assert [str(row["bid"]) for row in contents(store_in(tmp_path))] == [
        "1.2700", "1.2500", "1.2500",
    ]  # fmt: skip


def test_a_file_of_which_nothing_can_be_stored_says_so_and_why(tmp_path):
    file = dolthub(tmp_path, 1, bid="1.25x")

    said = import_files("dolthub", [file], store_in(tmp_path)).sentences()

    assert "dolthub: 1 file, 1 row read in" in said[0]
    assert said[1] == "Nothing changed: there was no row that can be stored."
    assert said[2].startswith("Rejected: 1 row; which and why: /")
    assert said[3] == "  1 x bid … is not a number"


def test_the_reasons_are_grouped_the_most_frequent_first_and_the_rest_counted(tmp_path):
    bids = ["-1", "-2", "x", "1.00005", "100000", "1e999", '"1']
    file = tmp_path / "chain.csv"
    rows = [f"2019-02-11,SPY,2019-03-15,100,Call,{bid},1.30,0,0,0,0,0,0" for bid in bids]
    file.write_text("\n".join([DOLTHUB, *rows, "2019-02-30" + rows[0][10:]]), "utf-8")

    said = import_files("dolthub", [file], store_in(tmp_path)).sentences()

    assert said[2].startswith("Rejected: 8 rows; which and why: /")
    assert said[3] == "  2 x bid … is negative"
    assert said[-1] == "  and 2 other reasons"


def test_what_a_file_said_harms_nobody_who_reads_the_rejects(tmp_path):
    header = "symbol,date,close,high,low,open,volume,adjClose,divCash,splitFactor"
    long = "\x1b[31m" + "9" * 5000
    rows = [
        f"SPY,2021-01-29,370,{long},368,375,1,360,0,1",
        f"{long},2021-01-29,1,1,1,1,1,1,0,1",
    ]
    file = tmp_path / "stock.csv"
    file.write_text("\n".join([header, *rows]), "utf-8")

    found = rejected(import_files("prices", [file], store_in(tmp_path)))

    assert [told["reason"].split()[0] for told in found] == ["high", "symbol"]
    assert found[0]["reason"].endswith("is not a number")
    for told in found:
        assert all(text.isprintable() and len(text) <= 200 for text in told.values())


def test_a_file_named_after_no_symbol_asks_for_one(tmp_path):
    odd = tmp_path / "-.csv"
    odd.write_text("DATE,OPEN,HIGH,LOW,CLOSE\n01/29/2021,30,34,29,33.09\n", "utf-8")

    with pytest.raises(UnreadableFile, match="is no symbol: say --symbol"):
        import_files("prices", [odd], store_in(tmp_path))
    report = import_files(
        "prices", [odd], store_in(tmp_path), options=ImportOptions(symbol="VIX")
    )

    assert report.added.new == 1


def test_a_disk_that_is_full_leaves_the_store_and_says_so(tmp_path, monkeypatch):
    file = dolthub(tmp_path, 3, bid="x")
    monkeypatch.setattr(imports.os, "fsync", refuse_for_space)

    with pytest.raises(StoreError, match="rejects cannot be written: No space left"):
        import_files("dolthub", [file], store_in(tmp_path))
    monkeypatch.undo()

    assert import_files("dolthub", [file], store_in(tmp_path)).rejected == 3


def refuse_for_space(_: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_two_imports_of_one_file_at_once_do_not_mix(tmp_path, small_blocks):
    file = dolthub(tmp_path, 300)
    said: list[str] = []

    def progress(_: Progress) -> None:
        if not said:
            with pytest.raises(StoreBusy) as refused:
                import_files("dolthub", [file], store_in(tmp_path))
            said.append(str(refused.value))

    report = import_files("dolthub", [file], store_in(tmp_path), progress=progress)

    assert "wait until it ends" in said[0]
    assert (report.read, report.added.new) == (300, 300)


def test_other_options_are_another_import(tmp_path, small_blocks):
    files = some_files(tmp_path)
    with pytest.raises(Interruption):
        import_files(
            "dolthub", files, store_in(tmp_path), progress=stopped_after(9, Interruption)
        )

    report = import_files(
        "dolthub", files, store_in(tmp_path), options=ImportOptions(start=date(2019, 2, 12))
    )

    assert (report.rows, report.rejected) == (0, 8)
    assert contents(store_in(tmp_path)) == []


def test_what_cannot_be_opened_is_named(tmp_path):
    file = tmp_path / "VIX.csv"
    file.symlink_to(file)

    with pytest.raises(UnreadableFile, match=r"VIX\.csv"):
        import_files("prices", [file], store_in(tmp_path))


def test_a_corrected_file_changes_its_rows_only(tmp_path):
    import_files("dolthub", [dolthub(tmp_path, 100)], store_in(tmp_path))

    report = import_files("dolthub", [dolthub(tmp_path, 10, bid="1.26")], store_in(tmp_path))

    assert (report.added.new, report.added.changed, report.added.same) == (0, 10, 0)
    assert len(contents(store_in(tmp_path))) == 100


def test_rejects_are_written_beside_the_store_and_go_when_they_are_mended(tmp_path):
    file = dolthub(tmp_path, 3)
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("Call", "=Call", 1), encoding="utf-8")
    first = import_files("dolthub", [file], store_in(tmp_path))
    file.write_text(text, encoding="utf-8")

    second = import_files("dolthub", [file], store_in(tmp_path))

    assert first.rejects is not None
    assert first.rejects.parent == tmp_path / "store" / "rejects"
    assert first.reasons == {"call_put … is neither call nor put": 1}
    assert second.rejects is None
    assert not first.rejects.exists()


def test_folders_and_patterns_stand_for_their_files(tmp_path):
    folder = tmp_path / "vendor"
    folder.mkdir()
    dolthub(folder, 5, "chain_1.csv")
    dolthub(folder, 9, "chain_2.csv")
    (folder / ".hidden").write_text("nothing of ours", encoding="utf-8")

    by_folder = import_files("dolthub", [folder], store_in(tmp_path))
    by_pattern = import_files("dolthub", [str(folder / "chain_*.csv")], store_in(tmp_path))

    assert (by_folder.files, by_folder.read) == (2, 14)
    assert (by_pattern.files, by_pattern.added.new) == (2, 0)


def test_a_wrong_format_is_told_with_what_it_looks_like(tmp_path):
    good, other = dolthub(tmp_path, 5), tmp_path / "spy.txt"
    other.write_text(HEADER + "\n", encoding="utf-8")

    with pytest.raises(UnreadableFile, match="this looks like optionsdx") as refused:
        import_files("dolthub", [good, other], store_in(tmp_path))

    assert refused.value.exit_code == 2
    assert "\n" not in str(refused.value)
    assert contents(store_in(tmp_path)) == []


def test_formats_and_files_that_are_not_there_are_named(tmp_path):
    with pytest.raises(UnreadableFile, match=r"no format 'optiondx': there are optionsdx, "):
        import_files("optiondx", [dolthub(tmp_path, 1)], store_in(tmp_path))
    with pytest.raises(UnreadableFile, match=r"nowhere\*\.csv: no such file"):
        import_files("dolthub", [str(tmp_path / "nowhere*.csv")], store_in(tmp_path))


@pytest.mark.parametrize("name", list(FORMATS))
def test_every_format_has_a_reader_that_says_where_it_was_seen(name):
    found = reader(name)

    assert found.name == name
    assert len(found.seen) > 20


REAL: Mapping[str, tuple[str, ...]] = {
    "deltaneutral": ("spy_2021", "options.csv"),
    "ivolatility": ("spx_2011", "spx_sample_ivolatility.csv"),
    "prices": ("spy_2021", "stock.csv"),
    "lean": ("aapl_2014_split", "aapl_2014_quote_american.zip"),
}


@pytest.mark.parametrize("name", list(REAL))
def test_real_files_are_recognised_and_imported_without_a_reject(tmp_path, name):
    file = load_settings().test_data.joinpath(*REAL[name])
    if not file.is_file():
        pytest.skip(f"no real quotes at {file}; DOLLARBILL_TEST_DATA names another folder")

    report = import_files(name, [file], store_in(tmp_path))

    assert sniff(file) == name
    assert report.added.new == report.rows > 200
    assert report.reasons == {}


@pytest.mark.parametrize(
    ("pattern", "name"),
    [("aapl_2014_split/*.zip", "lean"), ("us_equities/*", "lean"), ("vix/*.csv", "prices"),
     ("us_equities_2021_2026/*.csv", "prices"), ("README.md", None)],
)  # fmt: skip
def test_every_real_file_is_told_from_the_others(pattern, name):
    files = sorted(load_settings().test_data.glob(pattern))
    if not files:
        pytest.skip("no real data; DOLLARBILL_TEST_DATA names a folder of them")

    assert {file.name: sniff(file) for file in files} == {file.name: name for file in files}


def test_a_header_alone_is_recognised(tmp_path):
    headers = {
        "prices": "DATE,OPEN,HIGH,LOW,CLOSE", "prints": "root,date,price", "dolthub": DOLTHUB,
        "optionsdx": HEADER, "treasury": 'Date,"1 Mo","1 Yr"',
    }  # fmt: skip
    file = tmp_path / "VIX.csv"

    for name, text in headers.items():
        file.write_text(f"{text}\n", encoding="utf-8")

        assert sniff(file) == name


def test_the_names_of_formats_are_known_without_loading_arrow_or_pandas():
    code = (
        "import sys; from dollarbill_core.formats.registry import FORMATS; "
        "import dollarbill_core.formats.imports; "
        "slow = {'pyarrow', 'pandas', 'duckdb', 'numba', 'numpy'}; "
        "print(len(FORMATS), sorted(slow & set(sys.modules)))"
    )

    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )

    assert said.stdout.split(maxsplit=1) == [str(len(FORMATS)), "[]\n"]
