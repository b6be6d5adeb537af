"""The collector, with the real store and real clients against servers on loopback."""

import re
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.sources.alpaca_quotes import Alpaca
from dollarbill_core.sources.collector import (
    ChainSource,
    SnapshotReport,
    Timing,
    due,
    live_sources,
    snapshot,
)
from dollarbill_core.sources.spots import NoData, Spot
from dollarbill_core.sources.yahoo import Yahoo
from dollarbill_core.storage.gaps import Gap, open_gaps
from dollarbill_core.storage.schema import QUOTES
from dollarbill_core.storage.settings import load_settings
from dollarbill_core.storage.store import Store
from dollarbill_core.values.calendars import MARKET_ZONE, close_instant, is_session
from tests.alpaca_server import KEYS, AlpacaServer, Reply, alpaca_server, stock_quote
from tests.alpaca_server import snapshot as quoted
from tests.yahoo_server import contract, yahoo_server

ROOT = Path(__file__).parents[1]
TUESDAY = date(2026, 11, 17)
FRESH = "2026-11-17T20:44:59Z"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=MARKET_ZONE)


@dataclass
class Day:
    """A clock that moves when somebody sleeps, and a note of the sleeps."""

    now: datetime
    slept: list[float] = field(default_factory=list)
    each: timedelta = timedelta()

    def __call__(self) -> datetime:
        self.now += self.each
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def server():
    with alpaca_server() as running:
        for symbol in ("SPY", "QQQ"):
            running.chains[symbol] = {
                f"{symbol}261218C00600000": quoted(12.35, 12.41, FRESH),
                f"{symbol}261218P00600000": quoted(8.1, 8.15, FRESH),
            }
            running.quotes[symbol] = stock_quote(600.24, 600.28, FRESH)
        yield running


@pytest.fixture
def store(tmp_path):
    return Store.at(tmp_path / "store")


def alpaca(server: AlpacaServer) -> Alpaca:
    return Alpaca(
        data_url=server.url,
        trading_url=server.url,
        environment=KEYS,
        timeout=30.0,
        sleep=lambda _: None,
    )


def run(
    store: Store,
    source: ChainSource | tuple[ChainSource, ...],
    now: str | Day = "2026-11-17 15:45",
    symbols: tuple[str, ...] = ("SPY", "QQQ"),
    **more: Any,
) -> SnapshotReport:
    day = now if isinstance(now, Day) else Day(at(now))
    sources = source if isinstance(source, tuple) else (source,)
    return snapshot(symbols, store, sources, clock=day, sleep=day.sleep, **more)


def days(store: Store, symbol: str = "SPY") -> list[tuple[date, datetime]]:
    """The days and moments of a symbol's snapshots, from the store."""
    store.refresh()
    read = store.read(QUOTES, symbol, columns=["date", "quoted_at"]).to_pylist()
    return sorted({(row["date"], row["quoted_at"]) for row in read})


def down(server: AlpacaServer, requests: int = 40) -> None:
    server.faults = [Reply({"message": "down"}, 403)] * requests


def test_chains_are_stored_with_their_moment_and_the_price_of_the_underlying(server, store):
    report = run(store, alpaca(server))

    assert report.exit_code == 0
    assert report.sentences() == (
        "chains are taken now, on Tue 2026-11-17 15:45 to 16:00 in New York",
        "SPY: 2 quotes stored",
        "QQQ: 2 quotes stored",
    )
    rows = store.read(QUOTES, "SPY").to_pylist()
    assert {row["quoted_at"] for row in rows} == {at("2026-11-17 15:45")}
    assert {float(row["underlying"]) for row in rows} == {600.26}
    assert {row["source"] for row in rows} == {"Alpaca (indicative)"}
    assert open_gaps(store) == () and store.damage() == ()


def test_a_second_run_of_the_day_does_nothing(server, store):
    run(store, alpaca(server))
    asked = len(server.asked)

    again = run(store, alpaca(server), "2026-11-17 15:50")

    assert (again.taken, again.already, again.gaps) == ((), ("SPY", "QQQ"), ())
    assert again.exit_code == 0 and len(server.asked) == asked
    assert days(store) == [(TUESDAY, at("2026-11-17 15:45"))]
    assert again.sentences()[-1] == "SPY, QQQ: taken earlier today"


@pytest.mark.parametrize(
    ("now", "timing", "says"),
    [
        ("2026-11-17 15:44", Timing.EARLY, "too early: .* Tue 2026-11-17 15:45 to 16:00"),
        ("2026-11-27 13:30", Timing.LATE, "too late .* Fri 2026-11-27 12:45 to 13:00"),
        ("2026-11-26 15:50", Timing.CLOSED, "Thursday 2026-11-26: .* Fri 2026-11-27 12:45"),
        ("2026-11-21 15:50", Timing.CLOSED, "Saturday 2026-11-21: .* Mon 2026-11-23 15:45"),
    ],
)
def test_outside_the_window_nothing_is_asked_and_the_time_is_said(
    server, store, now, timing, says
):
    report = run(store, alpaca(server), now)

    assert report.due.timing is timing and server.asked == []
    assert report.taken == () and days(store) == []
    assert re.search(says, report.sentences()[0])


@given(st.datetimes(datetime(2026, 1, 2), datetime(2027, 12, 30)), st.floats(1, 120))
def test_a_snapshot_is_due_exactly_in_the_last_minutes_of_a_session(naive, minutes):
    now = naive.replace(tzinfo=MARKET_ZONE)

    found = due(now, minutes)

    if not is_session(naive.date()):
        assert found.timing is Timing.CLOSED and found.starts > now
    else:
        left = (close_instant(naive.date()) - now).total_seconds() / 60
        expected = Timing.LATE if left <= 0 else Timing.DUE if left <= minutes else Timing.EARLY
        assert found.timing is expected


def test_a_run_after_the_close_writes_a_gap_and_takes_no_late_chain(server, store):
    report = run(store, alpaca(server), "2026-11-17 16:03")

    assert report.exit_code == 3 and server.asked == []
    assert [(gap.symbol, gap.day) for gap in open_gaps(store)] == [
        ("QQQ", TUESDAY),
        ("SPY", TUESDAY),
    ]
    assert "this run began at 16:03:00 in New York" in report.gaps[0].why


def test_a_later_run_after_the_close_keeps_the_first_reason(server, store):
    down(server)
    run(store, alpaca(server), "2026-11-17 15:59")
    first = open_gaps(store)

    report = run(store, alpaca(server), "2026-11-17 16:30")

    assert open_gaps(store) == first and "down" in first[0].why
    assert report.gaps == () and report.exit_code == 0


def test_a_symbol_that_fails_is_asked_for_again_and_the_others_are_stored(server, store):
    day = Day(at("2026-11-17 15:45"))
    server.faults = [Reply({"message": "not yet"}, 403)]

    report = run(store, alpaca(server), day, pause=20.0)

    assert [taken.symbol for taken in report.taken] == ["QQQ", "SPY"]
    assert report.exit_code == 0 and day.slept == [20.0]
    assert days(store, "SPY") == [(TUESDAY, at("2026-11-17 15:45:20"))]


def test_a_symbol_that_fails_to_the_last_is_a_gap_with_the_reason(server, store):
    del server.chains["QQQ"]
    day = Day(at("2026-11-17 15:45"))

    report = run(store, alpaca(server), day, tries=3, pause=20.0)

    assert [taken.symbol for taken in report.taken] == ["SPY"]
    assert report.exit_code == 3 and day.slept == [20.0, 20.0]
    why = "Alpaca (indicative) has no options of QQQ; check the symbol"
    assert open_gaps(store) == (Gap(TUESDAY, "QQQ", why),)
    assert report.sentences()[-1] == f"QQQ: missing on 2026-11-17: {why}"


@pytest.mark.parametrize("begun", ["15:59:45", "15:59:40"])
def test_nothing_is_tried_again_when_the_close_would_come_first(server, store, begun):
    down(server)
    day = Day(at(f"2026-11-17 {begun}"))

    report = run(store, alpaca(server), day, pause=20.0)

    assert day.slept == [] and len(report.gaps) == 2


def test_a_gap_that_a_later_run_fills_is_taken_back(server, store):
    down(server)
    assert run(store, alpaca(server), "2026-11-17 15:45").exit_code == 3
    server.faults = []

    report = run(store, alpaca(server), "2026-11-17 15:50")

    assert report.exit_code == 0 and open_gaps(store) == ()
    assert len(days(store)) == 1


@pytest.mark.parametrize("begun", ["15:59:50", "15:59:48"], ids=["after it", "at it"])
def test_a_chain_that_arrives_after_the_close_is_a_gap(server, store, begun):
    day = Day(at(f"2026-11-17 {begun}"), each=timedelta(seconds=4))

    report = run(store, alpaca(server), day, symbols=("SPY",))

    assert report.taken == () and days(store) == []
    assert "the market closed before the chain was there" in report.gaps[0].why


def test_sessions_on_which_nothing_ran_are_written_down_at_the_next_run(server, store):
    run(store, alpaca(server), "2026-11-17 15:45")

    report = run(store, alpaca(server), "2026-11-20 10:00")

    assert report.due.timing is Timing.EARLY and report.exit_code == 3
    assert [(gap.day.day, gap.symbol) for gap in open_gaps(store)] == [
        (18, "QQQ"),
        (18, "SPY"),
        (19, "QQQ"),
        (19, "SPY"),
    ]
    assert {gap.why for gap in open_gaps(store)} == {"no snapshot ran on that day"}
    assert run(store, alpaca(server), "2026-11-20 11:00").gaps == ()


def test_a_new_symbol_has_no_past_to_miss(server, store):
    run(store, alpaca(server), "2026-11-10 15:45", symbols=("SPY",))

    report = run(store, alpaca(server), "2026-11-11 15:45")

    assert report.gaps == ()


def test_a_chain_without_a_single_ask_is_a_gap(server, store):
    server.chains["SPY"] = {"SPY261218C00600000": quoted(0.0, 0.0, FRESH)}

    report = run(store, alpaca(server))

    assert report.gaps[0].why == "Alpaca (indicative): no contract of SPY has an ask"
    assert days(store) == [] and days(store, "QQQ")


def test_quotes_are_of_the_moment_when_all_were_there_and_no_price_is_later(server, store):
    day = Day(at("2026-11-17 15:45"), each=timedelta(seconds=4))
    server.chains["SPX"] = {"SPXW261218C06000000": quoted(40.0, 41.0, FRESH)}

    report = run(store, alpaca(server), day, symbols=("SPX",), spots=[Priced(6001.5)])

    (row,) = store.read(QUOTES, "SPX").to_pylist()
    assert report.exit_code == 0
    assert row["underlying_at"] < row["quoted_at"] < day.now
    assert (row["quoted_at"] - row["underlying_at"]).total_seconds() == 4


def test_adjusted_and_small_contracts_are_refused_and_weeklies_are_not(server, store):
    for root in ("SPY1", "SPY7", "QQQ"):
        server.chains["SPY"][f"{root}261218C00600000"] = quoted(1.0, 1.1, FRESH)
    server.chains["SPX"] = {
        f"{root}261218C06000000": quoted(40.0, 41.0, FRESH) for root in ("SPX", "SPXW")
    }

    report = run(store, alpaca(server), symbols=("SPY", "SPX"))

    assert "SPY: 2 quotes stored, 3 refused" in report.sentences()
    assert set(store.read(QUOTES, "SPY")["root"].to_pylist()) == {"SPY"}
    assert store.read(QUOTES, "SPX")["root"].to_pylist() == ["SPX", "SPXW"]


def test_a_chain_of_adjusted_contracts_alone_is_a_gap(server, store):
    server.chains["SPY"] = {"SPY1261218C00600000": quoted(1.0, 1.1, FRESH)}

    assert run(store, alpaca(server), symbols=("SPY",)).gaps[0].why.endswith("has an ask")


@pytest.mark.parametrize(
    ("utc", "timing"),
    [
        pytest.param("2026-03-06 20:59:59", Timing.DUE, id="winter, a second before the close"),
        pytest.param("2026-03-06 21:00:00", Timing.LATE, id="winter, at the close"),
        pytest.param("2026-03-09 19:59:59", Timing.DUE, id="first Monday of summer time"),
        pytest.param("2026-03-09 20:00:00", Timing.LATE, id="the same, at the close"),
        pytest.param("2026-11-02 20:44:59", Timing.EARLY, id="first Monday of winter time"),
        pytest.param("2026-11-27 17:59:59", Timing.DUE, id="an early close"),
        pytest.param("2026-11-27 18:00:00", Timing.LATE, id="at an early close"),
    ],
)
def test_the_time_is_new_yorks_wherever_the_machine_is(utc, timing):
    instant = datetime.fromisoformat(f"{utc}+00:00")

    for zone in ("UTC", "Asia/Tokyo", "Pacific/Kiritimati", "America/Los_Angeles"):
        found = due(instant.astimezone(ZoneInfo(zone)))
        assert (found.timing, found.day) == (timing, instant.date())


def test_refused_rows_are_counted(server, store):
    server.chains["SPY"]["SPYunreadable"] = quoted(1.0, 1.1, FRESH)

    assert "SPY: 2 quotes stored, 1 refused" in run(store, alpaca(server)).sentences()


def test_missing_keys_are_a_gap_with_the_reason_and_stop_nobody(store):
    report = run(store, Alpaca(environment={}), tries=1)

    assert len(report.gaps) == 2 and "ALPACA_API_KEY is not set" in report.gaps[0].why


def test_offline_is_a_gap_that_says_so(store):
    with alpaca_server() as gone:
        pass

    report = run(store, alpaca(gone), tries=1)

    assert report.exit_code == 3
    assert all("cannot be reached" in gap.why for gap in open_gaps(store))


@dataclass
class Broken:
    """A source that fails as no source should."""

    name: str = "Yahoo through yfinance"

    def chain(self, symbol: str, now: datetime) -> dict[str, Any]:
        raise ZeroDivisionError("division\nby zero" + " and so on" * 100)


def test_an_unforeseen_failure_is_a_gap_on_one_line_with_its_traceback_in_the_log(
    store, caplog
):
    report = run(store, Broken(), tries=1)

    assert report.gaps[0].why.startswith("ZeroDivisionError: division by zero and so on")
    assert 290 < len(report.gaps[0].why) <= 300
    assert "Traceback" in caplog.text


@dataclass
class Elsewhere:
    """A source that has no chain, and says so."""

    name: str = "Yahoo through yfinance"

    def chain(self, symbol: str, now: datetime) -> dict[str, Any]:
        raise NoData(f"{self.name}: no chain of {symbol}")


def test_what_the_first_source_lacks_the_next_is_asked_for(server, store):
    report = run(store, (Elsewhere(), alpaca(server)), tries=1)

    assert (report.exit_code, [each.symbol for each in report.taken]) == (0, ["SPY", "QQQ"])
    assert {row["source"] for row in store.read(QUOTES, "SPY").to_pylist()} == {
        "Alpaca (indicative)"
    }


def test_a_gap_says_why_each_source_had_nothing(server, store):
    down(server)

    report = run(store, (alpaca(server), Elsewhere()), tries=1, symbols=("SPY",))

    assert report.exit_code == 3
    assert "down" in report.gaps[0].why
    assert report.gaps[0].why.endswith("Yahoo through yfinance: no chain of SPY")


@dataclass
class Priced:
    price: float
    name: str = "elsewhere"

    def spot(self, symbol: str, now: datetime) -> Spot:
        if not self.price:
            raise NoData("nothing")
        return Spot(self.price, now, self.name)


@pytest.mark.parametrize(("price", "stored"), [(6001.5, 6001.5), (0.0, None)])
def test_a_chain_without_a_price_of_its_underlying_asks_elsewhere(server, store, price, stored):
    server.chains["SPX"] = {"SPXW261218C06000000": quoted(40.0, 41.0, FRESH)}

    report = run(store, alpaca(server), symbols=("SPX",), spots=[Priced(price)])

    (row,) = store.read(QUOTES, "SPX").to_pylist()
    assert report.exit_code == 0
    assert row["underlying"] == stored


def test_a_chain_with_its_own_price_asks_nobody_else(server, store):
    run(store, alpaca(server), spots=[Priced(1.0)])

    assert float(store.read(QUOTES, "SPY")["underlying"][0].as_py()) == 600.26


def test_yahoo_collects_as_well(store, tmp_path):
    from yfinance.data import YfData

    type(YfData)._instances.clear()
    with yahoo_server() as running:
        running.chains["SPY"] = {date(2026, 12, 18): [contract("SPY261218C00600000", 1.0, 1.1)]}
        source = Yahoo(tmp_path / "yfinance", base_url=running.url)

        report = run(store, source, symbols=("SPY",))

    assert report.exit_code == 0
    assert store.read(QUOTES, "SPY")["source"].to_pylist() == ["Yahoo through yfinance"]


def test_chains_wait_for_a_store_that_an_import_holds(server, store):
    day, holder = Day(at("2026-11-17 15:59:50")), store.change("import")

    def sleep(seconds: float) -> None:
        day.sleep(seconds)
        if day.now > at("2026-11-17 16:10"):
            holder.close()

    report = snapshot(("SPY", "QQQ"), store, (alpaca(server),), clock=day, sleep=sleep)

    assert report.exit_code == 0 and len(report.taken) == 2
    assert days(store) == [(TUESDAY, at("2026-11-17 15:59:50"))]


def test_two_runs_at_once_store_one_snapshot(server, store, tmp_path):
    def other() -> None:
        own, clock = Store.at(tmp_path / "store"), Day(at("2026-11-17 15:46"))
        reports.append(
            snapshot(("SPY", "QQQ"), own, (alpaca(server),), clock=clock, sleep=briefly)
        )

    def briefly(_: float) -> None:
        time.sleep(0.1)

    reports: list[SnapshotReport] = []
    threads = [threading.Thread(target=other) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(days(store)) == 1 and len(reports) == 4
    assert sum(len(report.taken) for report in reports) == 2
    assert {report.exit_code for report in reports} == {0}


def test_a_run_that_is_killed_leaves_whole_symbols_and_the_next_one_goes_on(server, store):
    code = (
        "import os, sys; from datetime import datetime; "
        "from dollarbill_core.sources.alpaca_quotes import Alpaca; "
        "from dollarbill_core.sources.collector import snapshot; "
        "from dollarbill_core.storage.store import Store; "
        "from tests.alpaca_server import KEYS\n"
        "class Killed(Alpaca):\n"
        "    def chain(self, symbol, now):\n"
        "        return os._exit(9) if symbol == 'QQQ' else super().chain(symbol, now)\n"
        "url, place = sys.argv[1:]\n"
        "now = datetime.fromisoformat('2026-11-17T15:45:00-05:00')\n"
        "source = Killed(data_url=url, trading_url=url, environment=KEYS)\n"
        "snapshot(('SPY', 'QQQ'), Store.at(place), (source,), clock=lambda: now)"
    )

    killed = subprocess.run(
        [sys.executable, "-c", code, server.url, str(store.place.name)], cwd=ROOT
    )

    assert killed.returncode == 9
    assert days(store, "SPY") and not days(store, "QQQ") and store.damage() == ()
    report = run(store, alpaca(server), "2026-11-17 15:50")
    assert (report.already, [taken.symbol for taken in report.taken]) == (("SPY",), ["QQQ"])


def test_a_damaged_year_of_one_symbol_is_its_gap_alone(server, store, tmp_path):
    run(store, alpaca(server), "2026-11-16 15:45")
    path = tmp_path / "store" / store.part(QUOTES, "SPY", 2026).path
    path.write_bytes(path.read_bytes()[:100])

    report = run(Store.at(tmp_path / "store"), alpaca(server), tries=1)

    assert [taken.symbol for taken in report.taken] == ["QQQ"]
    assert path.name in report.gaps[0].why


def test_alpaca_is_asked_first_where_its_keys_are_set(tmp_path):
    settings = load_settings({"DOLLARBILL_HOME": str(tmp_path)})

    assert [source.name for source in live_sources(settings, KEYS)] == [
        "Alpaca (indicative)",
        "Yahoo through yfinance",
    ]
    assert [source.name for source in live_sources(settings, {})] == ["Yahoo through yfinance"]
