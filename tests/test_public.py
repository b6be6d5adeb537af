"""Fetching public data: a small archive on this machine, whole, again, and interrupted."""

import hashlib
import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from datetime import date
from decimal import Decimal as D
from pathlib import Path

import pyarrow.compute as pc
import pytest

from dollarbill_core.sources import public
from dollarbill_core.sources.downloads import Patience
from dollarbill_core.sources.public import INDICES, NotAsked, Outcome, fetch
from dollarbill_core.storage.store import Store
from tests.archive_builder import DAYS, LAST, STRIKES, archive, options, places
from tests.broken_server import Site, cut_off_after, instead, serving, trickle, with_status
from tests.test_downloads import know_only_loopback

FILES = archive()
SHORT = Patience(attempts=2, first_wait=0.01, longest_wait=0.2)
SPY = "/chains/spy/options.parquet"


@pytest.fixture
def site(monkeypatch):
    """A server of the archive; of the indices only two are asked for, to save time.

    Nor does every file have to reach the disk: that files outlive a power cut is the store's.
    """
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(public, "INDICES", ("VIX", "SKEW"))
    with serving(Site(dict(FILES))) as running:
        yield running


@pytest.fixture
def store(tmp_path):
    return Store.at(tmp_path / "store")


def fetched(site, store, symbols=("SPY", "IWM"), start=date(2022, 11, 1), **more):
    options = {"today": LAST, "places": places(site.address), "patience": SHORT} | more
    return fetch(symbols, start, store, **options)


def outcomes(report) -> dict[str, Outcome]:
    return {each.name: each.outcome for each in report.sources}


def contents(store: Store) -> dict:
    store.refresh()
    return {key: part.digest for key, part in store.catalog.parts.items()}


def test_the_whole_archive_comes_into_the_store(site, store, monkeypatch):
    monkeypatch.setattr(public, "INDICES", INDICES)

    report = fetched(site, store)

    assert (report.failed, report.exit_code) == ((), 0)
    assert len(report.sources) == 4 + len(INDICES) + 2 + 1
    assert store.symbols() == ("IWM", "SPY")
    assert store.years("SPY") == (2022, 2023)
    quotes = store.read("quotes", "SPY")
    assert quotes.num_rows == len(DAYS) * 2 * len(STRIKES) * 2
    assert set(quotes["kind"].to_pylist()) == {"QUOTED"}
    assert set(INDICES) <= set(store.symbols("prices"))
    assert store.damage() == ()


def test_dividends_closes_and_indices_are_prices(site, store):
    fetched(site, store, ["SPY"])

    paid = [x for x in store.read("prices", "SPY").to_pylist() if x["dividend"]]
    assert [(x["date"], x["dividend"]) for x in paid] == [(date(2022, 12, 16), D("1.781"))]
    assert paid[0]["close"] == D("400.25")
    (skew,) = [x for x in store.read("prices", "SKEW").to_pylist() if x["date"] == LAST]
    assert skew["close"] == D("93.1")


def test_rates_of_both_sources_make_one_curve(site, store):
    from dollarbill_core.storage.daily import interest_of

    fetched(site, store, [])
    curve = interest_of(store)(LAST)

    assert curve.flat == pytest.approx(365 * math.log(1 + 0.0405 / 360))
    assert curve.continuous(91 / 365) == pytest.approx(
        math.log(1 + 0.042 * 91 / 365) * 365 / 91
    )
    assert len(curve.years) == 6


def test_a_second_fetch_finds_everything_unchanged(site, store):
    fetched(site, store)
    before, asked = contents(store), len(site.asked)

    report = fetched(site, store)

    assert set(outcomes(report).values()) == {Outcome.UNCHANGED}
    assert contents(store) == before
    assert all("If-None-Match" in headers for _, headers in site.asked[asked:])


def test_without_etags_the_content_tells_that_nothing_changed(site, store):
    site.has_tags = False
    fetched(site, store, ["SPY"])

    assert set(outcomes(fetched(site, store, ["SPY"])).values()) == {Outcome.UNCHANGED}


def test_a_newer_release_brings_its_new_days_alone(site, store):
    site.files[SPY] = options("spy", 400.0, DAYS[:-20])
    fetched(site, store, ["SPY"])
    site.files[SPY] = FILES[SPY]

    report = fetched(site, store, ["SPY"])

    changed = [name for name, each in outcomes(report).items() if each is Outcome.FETCHED]
    assert changed == ["SPY options"]
    assert store.read("quotes", "SPY").num_rows == len(DAYS) * 2 * len(STRIKES) * 2


def test_from_leaves_out_earlier_days_and_an_earlier_from_adds_them(site, store):
    fetched(site, store, ["SPY"], start=date(2023, 2, 1))
    assert store.years("SPY") == (2023,)
    for table, symbol in (
        ("quotes", "SPY"),
        ("prices", "SPY"),
        ("prices", "VIX"),
        ("rates", ""),
    ):
        assert pc.min(store.read(table, symbol)["date"]).as_py() == date(2023, 2, 1)

    fetched(site, store, ["SPY"], start=date(2022, 11, 1))

    assert store.years("SPY") == (2022, 2023)
    assert pc.min(store.read("quotes", "SPY")["date"]).as_py() == DAYS[0]
    assert outcomes(fetched(site, store, ["SPY"], start=date(2023, 1, 1)))["SPY options"] == (
        Outcome.UNCHANGED
    )
    sent = [headers for path, headers in site.asked if path == SPY]
    assert ["If-None-Match" in headers for headers in sent] == [False, True, True]


def test_one_source_that_fails_stops_no_other(site, store):
    site.misdeeds[SPY] = [instead(b"<html>", Content_Type="text/html")]
    site.misdeeds["/indices/SKEW_History.csv"] = [with_status(500)] * 9

    report = fetched(site, store)

    assert [each.name for each in report.failed] == ["SPY options", "SKEW index"]
    assert report.exit_code == 3
    assert store.symbols() == ("IWM",)
    assert "SPY" in store.symbols("prices")
    lines = [line for line in report.sentences() if "failed" in line]
    assert "a web page came instead of Parquet" in lines[0]
    assert all("\n" not in line for line in report.sentences())

    site.misdeeds.clear()
    again = fetched(site, store)

    assert {name for name, each in outcomes(again).items() if each is Outcome.FETCHED} == {
        "SPY options",
        "SKEW index",
    }
    assert again.exit_code == 0


def test_a_ticker_that_is_not_in_the_archive_is_told_with_those_that_are(site, store):
    report = fetched(site, store, ["DIA"])

    assert [each.name for each in report.failed] == ["DIA underlying", "DIA options"]
    assert "the archive has no DIA: of funds and indices it has SPY, QQQ, IWM" in str(
        report.failed[0]
    )
    assert report.exit_code == 3


def test_a_file_of_another_layout_is_not_stored(site, store):
    site.files["/treasury/2022/all"] = b"Day,Rate\n1,2\n"
    site.files["/sofr/search.json"] = b"{}"

    report = fetched(site, store, [])

    assert [each.name for each in report.failed] == ["Treasury yields 2022", "SOFR"]
    assert pc.min(store.read("rates")["date"]).as_py().year == 2023


def test_refused_rows_are_counted_and_the_file_is_named(site, store):
    site.files["/treasury/2022/all"] += b"\nnonsense,1,2,3,4,5"

    report = fetched(site, store, [])

    (told,) = [each for each in report.sources if each.name == "Treasury yields 2022"]
    assert (told.outcome, told.refused) == (Outcome.FETCHED, 1)
    rejects = Path(told.note.rpartition(": ")[2])
    assert "nonsense" in rejects.read_text()


def test_an_emptied_store_is_filled_again(site, store, tmp_path):
    fetched(site, store, ["SPY"])
    full = contents(store)
    (tmp_path / "store" / "catalog.json").unlink()
    store.refresh()

    report = fetched(site, store, ["SPY"])

    assert set(outcomes(report).values()) == {Outcome.FETCHED}
    assert contents(store) == full


def test_the_release_whose_checksum_is_known_is_told(site, store, monkeypatch):
    report = fetched(site, store, ["SPY"])
    notes = {each.name: each.note for each in report.sources}
    assert notes["SPY options"].startswith("not the release whose checksum is known: sha256 ")

    known = hashlib.sha256(FILES[SPY]).hexdigest()
    monkeypatch.setattr(public, "KNOWN_RELEASES", {"spy/options.parquet": known})
    site.files[SPY] = options("spy", 400.0, DAYS[:-1])
    fetched(site, store, ["SPY"])
    site.files[SPY] = FILES[SPY]

    again = fetched(site, store, ["SPY"])

    notes = {each.name: each.note for each in again.sources}
    assert notes["SPY options"] == "the release whose checksum is known"


@pytest.mark.parametrize(
    ("symbols", "start", "why"),
    [
        (["SPY", "../../etc"], date(2022, 11, 1), "'../../ETC' is no ticker"),
        ([""], date(2022, 11, 1), "'' is no ticker"),
        (["SPY"], date(2023, 4, 1), "2023-04-01 is after today, 2023-03-31"),
    ],
)
def test_what_cannot_be_asked_for_is_told_before_anything_is_fetched(
    site, store, symbols, start, why
):
    with pytest.raises(NotAsked, match=why) as told:
        fetched(site, store, symbols, start)

    assert (told.value.exit_code, site.asked) == (2, [])


def test_offline_every_source_says_so_in_one_line(site, store, monkeypatch):
    know_only_loopback(monkeypatch)
    nowhere = replace(places("http://127.0.0.1:9"), sofr="http://no-such-host.invalid/sofr")

    report = fetched(site, store, ["SPY"], places=nowhere)

    assert len(report.failed) == len(report.sources) == 7
    for line in report.sentences():
        assert "no network" in line
        assert "connect this machine to the network" in line
        assert "\n" not in line
    assert contents(store) == {}


def test_a_host_that_says_nothing_is_not_asked_for_every_file(site, store):
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen(99)
        silent = f"http://127.0.0.1:{mute.getsockname()[1]}"

        report = fetched(
            site,
            store,
            [],
            places=replace(places(site.address), treasury=silent),
            patience=replace(SHORT, read=1.0),
        )

        mute.setblocking(False)
        callers = [mute.accept()[0] for _ in range(2)]
        with pytest.raises(BlockingIOError):
            mute.accept()
        for caller in callers:
            caller.close()

    names = ["Treasury yields 2022", "Treasury yields 2023"]
    assert [each.name for each in report.failed] == names
    assert all("nothing more came" in each.note for each in report.failed)
    assert report.failed[1].note.startswith(f"{silent.removeprefix('http://')}/2023/all: ")


def test_a_host_that_stumbled_to_the_last_is_asked_once_for_each_further_file(site, store):
    for path in (SPY, "/indices/VIX_History.csv", "/indices/SKEW_History.csv"):
        site.misdeeds[path] = [with_status(503)] * 9

    report = fetched(site, store, ["SPY"])

    assert len(report.failed) == 3
    assert len(site.ranges(SPY)) == SHORT.attempts
    assert len(site.ranges("/indices/VIX_History.csv")) == 1


@pytest.mark.parametrize(
    ("start", "today", "rates"),
    [
        pytest.param("2018-01-02", "2018-01-07", [], id="no yields in a year's first days"),
        pytest.param("2018-01-02", "2018-01-08", ["Treasury yields 2018"], id="a week later"),
        pytest.param(
            "2017-12-29", "2018-04-02", ["Treasury yields 2017", "Treasury yields 2018"],
            id="the day before the first SOFR is published",
        ),
        pytest.param("2018-04-02", "2018-04-03", ["Treasury yields 2018", "SOFR"], id="then"),
    ],
)  # fmt: skip
def test_rates_are_asked_for_from_when_there_are_any(site, store, start, today, rates):
    report = fetched(
        site, store, [], date.fromisoformat(start), today=date.fromisoformat(today)
    )

    assert [each.name for each in report.sources if "index" not in each.name] == rates


def test_the_first_sofr_is_asked_for_and_none_before(site, store):
    fetched(site, store, [], date(2018, 3, 1), today=date(2018, 5, 2))
    assert site.queries["/sofr/search.json"] == "startDate=2018-04-02&endDate=2018-05-02"

    fetched(site, store, [], date(2018, 4, 9), today=date(2018, 5, 2))
    assert site.queries["/sofr/search.json"] == "startDate=2018-04-09&endDate=2018-05-02"


def test_progress_is_told_by_source_in_bytes_and_in_thousandths(site, store):
    seen: dict[str, list[tuple[int, int | None]]] = {}

    fetched(
        site, store, ["SPY"],
        progress=lambda name, done, total: seen.setdefault(name, []).append((done, total)),
    )  # fmt: skip

    assert seen["SPY options"][-1] == (len(FILES[SPY]), len(FILES[SPY]))
    assert seen["SPY options, into the store"][-1] == (1000, 1000)


PROGRAM = """
import sys
from datetime import date
from pathlib import Path
from dollarbill_core.sources.downloads import Patience
from dollarbill_core.sources.public import fetch
from dollarbill_core.storage.store import Store
from tests.archive_builder import LAST, places
address, folder = sys.argv[1:]
fetch(["SPY"], date(2022, 11, 1), Store.at(folder), today=LAST, places=places(address),
      patience=Patience(slow_after=60.0))
"""


def test_killed_in_the_middle_of_a_download_it_goes_on_from_there(site, store, tmp_path):
    site.misdeeds[SPY] = [trickle(pause=0.05, count=5_000)]
    folder, part = (
        tmp_path / "store",
        tmp_path / "store/.local/downloads/spy/options.parquet.part",
    )
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, site.address, str(folder)],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
    )
    deadline = time.monotonic() + 90
    while not (part.is_file() and part.stat().st_size > 10_000):
        assert time.monotonic() < deadline
        assert child.poll() is None
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.wait()
    got = part.stat().st_size
    assert store.symbols() == ()

    report = fetched(site, store, ["SPY"])

    assert report.exit_code == 0
    assert site.ranges(SPY) == [None, f"bytes={got}-"]
    with serving(Site(dict(FILES))) as other:
        whole = Store.at(tmp_path / "whole")
        fetched(other, whole, ["SPY"])
    assert contents(store) == contents(whole)


def test_a_connection_that_breaks_is_taken_up_within_the_same_fetch(site, store):
    site.misdeeds[SPY] = [cut_off_after(20_000), cut_off_after(10_000)]

    report = fetched(site, store, ["SPY"], patience=replace(SHORT, attempts=4))

    assert report.exit_code == 0
    assert site.ranges(SPY) == [None, "bytes=20000-", "bytes=30000-"]


def test_notes_that_cannot_be_read_mean_another_download(site, store):
    fetched(site, store, [])
    notes = store.local / "downloads" / "sofr.json.json"
    assert json.loads(notes.read_text())["start"] == "2022-11-01"
    notes.write_text("[]")

    assert outcomes(fetched(site, store, []))["SOFR"] is Outcome.FETCHED
