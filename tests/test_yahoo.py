"""Real yfinance against a server on loopback: every host it knows is asked there."""

import logging
import os
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.formats.rows import price_rows, quote_rows
from dollarbill_core.sources.spots import NoData
from dollarbill_core.sources.yahoo import NAME, Yahoo, daily_prices
from dollarbill_core.values.calendars import MARKET_ZONE
from tests.alpaca_server import Reply
from tests.yahoo_server import YahooServer, contract, day, yahoo_server

D = Decimal
NOW = datetime(2026, 11, 17, 15, 45, tzinfo=MARKET_ZONE)
STRUCK = datetime(2026, 11, 17, 20, 30, 5, tzinfo=UTC)
NEAR, FAR = date(2026, 11, 20), date(2026, 12, 18)
CALL = contract(
    "SPY261218C00600000", 12.35, 12.41, volume=321, openInterest=1500, impliedVolatility=0.18
)


@pytest.fixture
def server():
    with yahoo_server() as running:
        running.underlying["SPY"] = {
            "regularMarketPrice": 600.26,
            "regularMarketTime": int(STRUCK.timestamp()),
        }
        running.chains["SPY"] = {
            NEAR: [contract("SPY261120P00590000", 0.0, 0.02)],
            FAR: [CALL, contract("SPY261218P00590500", 8.1, 8.15, impliedVolatility=1e-05)],
        }
        running.days["SPY"] = [day(date(2026, 11, 13), 601.5), day(date(2026, 11, 16), 602.25)]
        yield running


@pytest.fixture(autouse=True)
def _own_yfinance():
    """yfinance keeps one session, cookie and crumb a process; each test begins without."""
    from yfinance.data import YfData

    type(YfData)._instances.clear()


def yahoo(server: YahooServer, tmp_path, timeout: float = 30.0) -> Yahoo:
    return Yahoo(tmp_path / "yfinance", timeout=timeout, base_url=server.url)


def test_a_chain_becomes_rows_of_the_store(server, tmp_path):
    rows = quote_rows(yahoo(server, tmp_path).chain("SPY", NOW), NAME)

    assert not rows.faults
    near, put, call = sorted(rows.tables["SPY"].to_pylist(), key=lambda row: row["strike"])
    assert call == {
        "date": date(2026, 11, 17),
        "quoted_at": NOW,
        "root": "SPY",
        "expiry": FAR,
        "settlement": "PM",
        "right": 1,
        "strike": D("600.0000"),
        "bid": D("12.3500"),
        "ask": D("12.4100"),
        "bid_size": None,
        "ask_size": None,
        "last": D("12.4100"),
        "volume": 321,
        "open_interest": 1500,
        "vendor_vol": 0.18,
        "vendor_delta": None,
        "underlying": D("600.2600"),
        "underlying_at": STRUCK,
        "source": "Yahoo through yfinance",
        "kind": "QUOTED",
    }
    assert (put["right"], put["strike"], put["vendor_vol"]) == (-1, D("590.5000"), 1e-05)
    assert (near["expiry"], near["bid"], near["volume"]) == (NEAR, D("0.0000"), None)


def test_a_chain_takes_one_request_an_expiry_and_one_for_their_list(server, tmp_path):
    yahoo(server, tmp_path).chain("SPY", NOW)

    assert len([asked for asked in server.asked if "/v7/" in asked.path]) == 1 + 2


def test_questions_of_many_threads_are_asked_one_after_the_other(server, tmp_path, recwarn):
    source, log = yahoo(server, tmp_path), logging.getLogger("yfinance")
    before = log.level, len(warnings.filters)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: source.spot("SPY", NOW).price, range(8)))

    assert found == [600.26] * 8
    assert log.level == before[0] and len(warnings.filters) <= before[1] + 1
    assert not recwarn.list


def test_expiries_are_listed_in_order_and_one_can_be_asked_for(server, tmp_path):
    source = yahoo(server, tmp_path)

    assert source.expiries("SPY") == (NEAR, FAR)
    assert set(source.chain("SPY", NOW, (FAR,))["expiry"]) == {np.datetime64(FAR)}


def test_progress_is_told_an_expiry_at_a_time(server, tmp_path):
    told = []

    yahoo(server, tmp_path).chain("SPY", NOW, progress=lambda *numbers: told.append(numbers))

    assert told == [(1, 2), (2, 2)]


def test_an_index_is_asked_for_by_yahoos_name(server, tmp_path):
    server.chains["^SPX"] = {NEAR: [contract("SPXW261120P06000000", 40.0, 41.0)]}

    rows = quote_rows(yahoo(server, tmp_path).chain("SPX", NOW), NAME)

    assert rows.tables["SPX"]["root"].to_pylist() == ["SPXW"]
    assert rows.tables["SPX"]["underlying"].to_pylist() == [None]


def test_an_unreadable_contract_is_refused_as_a_row_alone(server, tmp_path):
    server.chains["SPY"][FAR].append(CALL | {"contractSymbol": "SPYwhatC00000001"})

    rows = quote_rows(yahoo(server, tmp_path).chain("SPY", NOW), NAME)

    assert rows.count == 3 and len(rows.faults) == 1


@pytest.mark.parametrize("size", ["MINI", "NOT REGULAR"])
def test_a_contract_that_is_not_of_100_shares_is_refused(server, tmp_path, size):
    server.chains["SPY"][FAR].append(
        contract("SPY261218C00700000", 1.0, 1.1, contractSize=size)
    )

    rows = quote_rows(yahoo(server, tmp_path).chain("SPY", NOW), NAME)

    assert rows.count == 3 and len(rows.faults) == 1


def test_a_missing_expiry_makes_the_whole_chain_missing(server, tmp_path):
    server.chains["SPY"][FAR] = []

    with pytest.raises(NoData, match="no options of 2026-12-18 of SPY: an empty answer"):
        yahoo(server, tmp_path).chain("SPY", NOW)


def test_a_spot_has_the_time_that_yahoo_gives_it(server, tmp_path):
    found = yahoo(server, tmp_path).spot("SPY", NOW)

    assert (found.price, found.at, found.source) == (600.26, STRUCK, NAME)


def test_every_host_is_asked_at_the_address_that_was_given(server, tmp_path):
    yahoo(server, tmp_path).chain("SPY", NOW)

    hosts = {asked.path.split("/")[1] for asked in server.asked}
    assert hosts == {"fc.yahoo.com", "query1.finance.yahoo.com", "query2.finance.yahoo.com"}


def test_daily_prices_are_as_traded_before_a_split(server, tmp_path):
    # AAPL around its split of 7 for 1 on 2014-06-09; Yahoo divides what lies before it.
    split = date(2014, 6, 9)
    server.days["AAPL"] = [
        day(
            date(2014, 5, 8), float(np.float32(588.0 / 7)), dividend=float(np.float32(3.29 / 7))
        ),
        {**day(date(2014, 6, 6), float(np.float32(645.57 / 7))), "volume": 7000},
        day(split, 93.70, split=(7, 1)),
    ]

    may, before, after = yahoo(server, tmp_path).prices(
        "AAPL", date(2014, 5, 1), date(2014, 6, 30), NOW
    )

    assert (may.close, may.dividend) == (D("588.0000"), D("3.2900"))
    assert (before.close, before.volume) == (D("645.5700"), 1000)
    assert (after.close, after.split_new, after.split_old) == (D("93.7000"), 7, 1)
    assert price_rows([may, before, after], NAME)["close"].to_pylist()[1] == D("645.570000")


def test_a_split_after_the_period_is_taken_back_as_well(server, tmp_path):
    server.days["AAPL"] = [
        day(date(2014, 6, 6), 50.0),
        day(date(2020, 8, 31), 129.0, split=(4, 1)),
    ]

    (found,) = yahoo(server, tmp_path).prices("AAPL", date(2014, 6, 2), date(2014, 6, 30), NOW)

    assert found.close == D("200.0000")


def test_a_session_that_still_trades_has_no_daily_price(server, tmp_path):
    today = day(NOW.date(), 600.0)
    server.days["SPY"].append(today)
    source = yahoo(server, tmp_path)
    start = date(2026, 11, 13)

    before = source.prices("SPY", start, NOW.date(), NOW)
    after = source.prices("SPY", start, NOW.date(), NOW + timedelta(minutes=15))

    assert [found.day.day for found in before] == [13, 16]
    assert [found.day.day for found in after] == [13, 16, 17]


def test_a_range_that_does_not_hold_the_close_keeps_the_close_alone(server, tmp_path):
    server.days["SPY"] = [day(date(2026, 11, 13), 601.5) | {"high": 601.0}]

    (found,) = yahoo(server, tmp_path).prices("SPY", date(2026, 11, 1), NOW.date(), NOW)

    assert (found.close, found.open, found.high, found.low) == (D("601.5000"), None, None, None)


@given(
    closes=st.lists(st.integers(100, 99_999), min_size=2, max_size=8),
    split=st.sampled_from([(2, 1), (3, 2), (7, 1), (1, 10), (20, 1)]),
    at=st.integers(0, 7),
)
def test_any_split_taken_back_gives_the_prices_that_were_traded(closes, split, at):
    import pandas as pd

    at %= len(closes)
    ratio = Fraction(*split)
    frame = pd.DataFrame(
        [
            {
                "Open": float(cents / 100 / ratio if row < at else cents / 100),
                "High": float(cents / 100 / ratio if row < at else cents / 100),
                "Low": float(cents / 100 / ratio if row < at else cents / 100),
                "Close": float(cents / 100 / ratio if row < at else cents / 100),
                "Volume": 1000,
                "Dividends": 0.0,
                "Stock Splits": float(ratio) if row == at else 0.0,
            }
            for row, cents in enumerate(closes)
        ],
        index=pd.date_range("2024-01-02", periods=len(closes), tz=MARKET_ZONE),
    )

    found = daily_prices(frame)

    assert [each.close for each in found] == [D(cents) / 100 for cents in closes]
    assert [(f.split_new, f.split_old) for f in found if f.split_new] == [split]


def calls(source: Yahoo):
    return {
        "spot": lambda: source.spot("SPY", NOW),
        "expiries": lambda: source.expiries("SPY"),
        "chain": lambda: source.chain("SPY", NOW),
        "prices": lambda: source.prices("SPY", date(2026, 11, 13), date(2026, 11, 16), NOW),
    }


@pytest.mark.parametrize("which", ["spot", "expiries", "chain", "prices"])
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Reply(b"<html>maintenance</html>"), "an empty answer"),
        (Reply(b""), "an empty answer"),
        (Reply({"surprise": 1}), "an empty answer"),
        (Reply({"chart": {"result": None, "error": None}}), "an empty answer"),
        (Reply({"finance": {"result": None}}, 401), "refused with 401"),
        (Reply(b"Edge: Too Many Requests", 429), "refused with 429"),
        (Reply(b"oops", 500), "refused with 500"),
        (Reply(b'{"chart": {', cut=50), "cannot be reached"),
    ],
    ids=["html", "nothing", "surprise", "no result", "401", "429", "500", "cut"],
)
def test_an_answer_that_is_none_is_one_line(
    server, tmp_path, capfd, caplog, which, fault, reason
):
    server.faults = [fault] * 20

    with pytest.raises(NoData, match=rf"{NAME}: no .* of SPY: {reason}") as caught:
        calls(yahoo(server, tmp_path))[which]()

    assert "\n" not in str(caught.value) and "try again later" in str(caught.value)
    assert caught.value.exit_code == 3
    assert capfd.readouterr() == ("", "") and not caplog.messages


@pytest.mark.parametrize("which", ["spot", "expiries", "chain", "prices"])
def test_an_unknown_symbol_is_an_error_and_no_empty_success(tmp_path, which):
    with yahoo_server() as empty, pytest.raises(NoData, match=r"of SPY: .*check the symbol"):
        calls(yahoo(empty, tmp_path))[which]()


@pytest.mark.parametrize("which", ["spot", "expiries", "chain", "prices"])
def test_offline_is_one_line_that_says_what_to_do(tmp_path, which, capfd):
    with yahoo_server() as gone:
        pass

    with pytest.raises(
        NoData, match=r"cannot be reached \(ConnectionError\); check the network"
    ):
        calls(yahoo(gone, tmp_path))[which]()

    assert capfd.readouterr() == ("", "")


def test_a_failure_is_not_remembered(server, tmp_path):
    server.days["NEWER"] = server.days["SPY"]  # a symbol whose time zone nobody knows yet
    source, period = yahoo(server, tmp_path), (date(2026, 11, 13), date(2026, 11, 16))
    server.faults = [Reply(b"oops", 500)] * 20
    with pytest.raises(NoData):
        source.prices("NEWER", *period, NOW)
    server.faults = []

    assert len(source.prices("NEWER", *period, NOW)) == 2


@pytest.mark.parametrize(
    "fault", [Reply(b"late", wait=30), Reply(b"x" * 2000, drip=0.02)], ids=["mute", "dripping"]
)
def test_a_server_that_hangs_fails_in_time(server, tmp_path, fault):
    server.faults = [fault] * 20
    started = time.monotonic()

    with pytest.raises(NoData, match=r"no whole answer within 0.3 s"):
        yahoo(server, tmp_path, timeout=0.3).expiries("SPY")

    assert time.monotonic() - started < 15.0


def test_yfinance_keeps_its_files_where_it_is_told(server, tmp_path):
    code = (
        "import sys; from datetime import UTC, datetime; from pathlib import Path; "
        "from dollarbill_core.sources.yahoo import Yahoo; "
        "source = Yahoo(Path(sys.argv[1]) / 'own', base_url=sys.argv[2]); "
        "print(source.spot('SPY', datetime.now(UTC)).price)"
    )
    home = {"HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": str(tmp_path / "home")}

    told = subprocess.run(  # yfinance opens its files once a process
        [sys.executable, "-c", code, str(tmp_path), server.url],
        capture_output=True,
        text=True,
        env=os.environ | home,
    )

    assert told.stdout.strip() == "600.26", told.stderr
    assert any((tmp_path / "own").iterdir()) and not (tmp_path / "home").exists()


def test_the_users_own_yfinance_keeps_its_log_level(server, tmp_path):
    log = logging.getLogger("yfinance")
    before = log.level

    yahoo(server, tmp_path).spot("SPY", NOW)

    assert log.level == before
