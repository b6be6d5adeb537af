"""Real alpaca-py against a server on loopback: chains, spots, bars, and every way to fail."""

import json
import time
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from dollarbill_core.formats.rows import quote_rows
from dollarbill_core.sources.alpaca_quotes import Alpaca
from dollarbill_core.sources.spots import NoData, Spot
from dollarbill_core.storage.settings import SettingsError, load_settings
from dollarbill_core.values.calendars import MARKET_ZONE
from tests.alpaca_server import (
    KEYS,
    AlpacaServer,
    Asked,
    Reply,
    alpaca_server,
    bar,
    snapshot,
    stock_quote,
)

D = Decimal
NOW = datetime(2026, 11, 17, 15, 45, tzinfo=MARKET_ZONE)
JUST_NOW = "2026-11-17T20:44:59.992734208Z"
YESTERDAY = "2026-11-16T20:59:59.5Z"
CALL, PUT = "SPY261218C00600000", "SPY261218P00590500"


@pytest.fixture
def server():
    with alpaca_server() as running:
        running.chains = {
            "SPY": {
                CALL: snapshot(
                    12.35,
                    12.41,
                    JUST_NOW,
                    impliedVolatility=0.1834,
                    greeks={"delta": 0.52, "gamma": 1, "theta": 1, "vega": 1, "rho": 1},
                    latestTrade={"c": "I", "p": 12.4, "s": 1, "t": YESTERDAY, "x": "A"},
                    dailyBar=bar("2026-11-17T05:00:00Z", 12.4, 321),
                ),
                PUT: snapshot(8.1, 8.15, JUST_NOW, dailyBar=bar(YESTERDAY, 8.1, 999)),
            }
        }
        running.contracts = {
            "SPY": [{"symbol": CALL, "open_interest": "1500"}, {"symbol": PUT}]
        }
        running.quotes = {"SPY": stock_quote(600.24, 600.28, JUST_NOW)}
        yield running


def alpaca(server: AlpacaServer, feed: str = "indicative", **more) -> Alpaca:
    more = {"environment": KEYS, "timeout": 30.0, "sleep": lambda _: None} | more
    return Alpaca(feed, data_url=server.url, trading_url=server.url, **more)


def stored(server: AlpacaServer, feed: str = "indicative") -> list[dict]:
    source = alpaca(server, feed)
    rows = quote_rows(source.chain("SPY", NOW), source.name)
    assert not rows.faults
    return rows.tables["SPY"].to_pylist()


def test_a_chain_becomes_rows_of_the_store(server):
    put, call = sorted(stored(server), key=lambda row: row["strike"])

    assert call == {
        "date": date(2026, 11, 17),
        "quoted_at": NOW,
        "root": "SPY",
        "expiry": date(2026, 12, 18),
        "settlement": "PM",
        "right": 1,
        "strike": D("600.0000"),
        "bid": D("12.3500"),
        "ask": D("12.4100"),
        "bid_size": 10,
        "ask_size": 10,
        "last": D("12.4000"),
        "volume": 321,
        "open_interest": 1500,
        "vendor_vol": 0.1834,
        "vendor_delta": 0.52,
        "underlying": D("600.2600"),
        "underlying_at": datetime(2026, 11, 17, 20, 44, 59, 992000, UTC),
        "source": "Alpaca (indicative)",
        "kind": "QUOTED",
    }
    assert (put["right"], put["strike"], put["bid"]) == (-1, D("590.5000"), D("8.1000"))
    # What Alpaca left out is none, and yesterday's volume is not today's.
    assert [put[name] for name in ("volume", "open_interest", "vendor_vol", "last")] == [
        None
    ] * 4


def test_the_feed_is_asked_for_and_stands_on_every_row(server):
    rows = stored(server, "opra")

    feeds = {asked.path: asked.query.get("feed") for asked in server.asked}
    assert {row["source"] for row in rows} == {"Alpaca (OPRA)"}
    assert feeds["/v1beta1/options/snapshots/SPY"] == "opra"
    assert feeds["/v2/stocks/quotes/latest"] == "sip"


def test_the_free_feed_asks_for_what_is_free(server):
    stored(server)

    feeds = {asked.path: asked.query.get("feed") for asked in server.asked}
    assert feeds["/v1beta1/options/snapshots/SPY"] == "indicative"
    assert feeds["/v2/stocks/quotes/latest"] == "iex"


def test_an_unknown_feed_is_refused():
    with pytest.raises(ValueError, match="indicative or opra, got 'sip'"):
        Alpaca("sip")


@pytest.mark.parametrize(
    ("contracts", "page"), [(1, 1), (7, 2), (8, 2), (24, 25), (2500, 1000)]
)
def test_a_chain_of_many_pages_is_whole(server, contracts, page):
    strikes = range(1, contracts + 1)
    chain = {f"SPY261218C{1000 * k:08}": snapshot(1.0, 1.1, JUST_NOW) for k in strikes}
    server.chains, server.page_size = {"SPY": chain}, page
    server.contracts = {"SPY": [{"symbol": s, "open_interest": "7"} for s in chain]}

    columns = alpaca(server).chain("SPY", NOW)

    assert sorted(columns["strike"]) == list(strikes)
    assert set(columns["open_interest"]) == {7.0}
    paged = [asked for asked in server.asked if "snapshots" in asked.path]
    assert len(paged) == -(-contracts // page)


def test_contracts_are_asked_for_beyond_the_weekend(server):
    stored(server)

    (asked,) = (asked for asked in server.asked if asked.path == "/v2/options/contracts")
    assert asked.query["expiration_date_gte"] == "2026-11-17"
    assert asked.query["expiration_date_lte"] > "2036"


def test_a_chain_is_not_lost_where_only_open_interest_is_refused(server, caplog):
    with alpaca_server() as refusing:
        refusing.faults = [Reply({"message": "not of this account"}, 401)]
        source = Alpaca(data_url=server.url, trading_url=refusing.url, environment=KEYS)

        columns = source.chain("SPY", NOW)

    assert len(columns["bid"]) == 2 and np.isnan(columns["open_interest"]).all()
    assert len(caplog.messages) == 1
    assert "SPY: stored without open interest" in caplog.text and "401" in caplog.text


def test_a_quote_from_before_the_open_is_none(server):
    server.chains["SPY"][CALL] = snapshot(12.0, 12.5, "2026-11-17T14:29:59Z")

    _, call = sorted(stored(server), key=lambda row: row["strike"])

    assert (call["bid"], call["ask"], call["bid_size"]) == (None, None, None)


def test_index_options_have_no_stock_quote_and_come_without_a_spot(server):
    server.chains["SPX"] = {"SPXW261120P06000000": snapshot(40.0, 41.0, JUST_NOW)}

    source = alpaca(server)
    rows = quote_rows(source.chain("SPX", NOW), source.name).tables["SPX"].to_pylist()

    assert (rows[0]["root"], rows[0]["settlement"]) == ("SPXW", "PM")
    assert rows[0]["underlying"] is rows[0]["underlying_at"] is None


def test_adjusted_and_unreadable_contracts_do_not_spoil_the_others(server):
    server.chains["SPY"]["SPY1261218C00600000"] = snapshot(5.0, 5.1, JUST_NOW)
    server.chains["SPY"]["SPYwhat"] = snapshot(5.0, 5.1, JUST_NOW)

    rows = quote_rows(alpaca(server).chain("SPY", NOW), "x")

    assert sorted(rows.tables["SPY"]["root"].to_pylist()) == ["SPY", "SPY", "SPY1"]
    assert len(rows.faults) == 1


def test_a_spot_is_the_middle_of_the_quote_with_its_time(server):
    at = datetime(2026, 11, 17, 20, 44, 59, 992734, UTC)

    assert alpaca(server).spot("SPY", NOW) == Spot(600.26, at, "Alpaca (indicative)")


@pytest.mark.parametrize(
    ("bid", "ask"),
    [(0, 600.3), (600.3, 0), (600.3, 600.2), (598.0, 602.0)],
    ids=["no bid", "no ask", "crossed", "wide"],
)
def test_a_doubtful_quote_is_no_spot(server, bid, ask):
    server.quotes["SPY"] = stock_quote(bid, ask, JUST_NOW)

    with pytest.raises(NoData, match=r"quotes SPY .* too wide for a spot"):
        alpaca(server).spot("SPY", NOW)


def test_bars_are_finished_days_as_traded(server):
    server.bars["SPY"] = [
        bar("2026-11-13T05:00:00Z", 601.5, 70_000_000),
        bar("2026-11-16T05:00:00Z", 602.25),
        bar("2026-11-17T05:00:00Z", 600.0),  # today, still trading
    ]
    server.page_size = 1

    days = alpaca(server).bars("SPY", date(2026, 11, 13), date(2026, 11, 17), NOW)

    assert [day.day for day in days] == [date(2026, 11, 13), date(2026, 11, 16)]
    assert (days[0].open, days[0].high, days[0].low, days[0].close, days[0].volume) == (
        D("600.5"),
        D("603.5"),
        D("598.5"),
        D("601.5"),
        70_000_000,
    )
    asked = server.asked[0].query
    assert (asked["adjustment"], asked["feed"], asked["timeframe"]) == ("raw", "sip", "1Day")
    assert asked["start"] == "2026-11-13T05:00:00+00:00"
    assert asked["end"] == "2026-11-17T20:29:00+00:00"  # not the last quarter of an hour
    assert len(server.asked) == 3


def calls(source: Alpaca):
    return [
        lambda: source.spot("SPY", NOW),
        lambda: source.chain("SPY", NOW),
        lambda: source.open_interest("SPY", NOW),
        lambda: source.bars("SPY", date(2026, 11, 13), date(2026, 11, 16), NOW),
    ]


@pytest.mark.parametrize("which", range(4))
@pytest.mark.parametrize(
    "fault",
    [
        Reply(b"<html>maintenance</html>"),
        Reply(b""),
        Reply({"surprise": 1}),
        Reply([1, 2]),
        Reply({"quotes": {"SPY": {}}, "option_contracts": 3}),
        Reply({"snapshots": {CALL: {"latestQuote": {"t": "noon"}}}, "next_page_token": None}),
        Reply({"bars": {"SPY": [{"t": 1}]}, "next_page_token": None}),
        Reply({"message": "forbidden."}, 403),
        Reply(b"oops", 500),
    ],
    ids=str,
)
def test_an_answer_that_is_none_is_one_line(server, which, fault):
    server.faults = [fault] * 4

    with pytest.raises(NoData) as caught:
        calls(alpaca(server))[which]()

    text = str(caught.value)
    assert "Alpaca" in text and "\n" not in text
    assert caught.value.exit_code == 3
    assert not any(key in text for key in KEYS.values())


@pytest.mark.parametrize("which", [0, 1, 3])
def test_nothing_at_all_is_an_error_and_no_empty_success(which):
    with alpaca_server() as empty, pytest.raises(NoData, match=r"has no (quote|options|bars)"):
        calls(alpaca(empty))[which]()


def test_a_symbol_without_open_interest_is_no_error():
    with alpaca_server() as empty:
        assert alpaca(empty).open_interest("SPY", NOW) == {}


def test_too_many_requests_is_waited_out(server):
    waits = []
    server.faults = [Reply({"message": "too many requests."}, 429)] * 2

    found = alpaca(server, sleep=waits.append).spot("SPY", NOW)

    assert found.price == 600.26 and waits == [0.5, 1.0]


def test_a_server_that_hangs_fails_within_the_timeout(server):
    server.faults = [Reply(b"", wait=30)]
    started = time.monotonic()

    with pytest.raises(NoData, match=r"no whole answer within 0.3 s"):
        alpaca(server, timeout=0.3).chain("SPY", NOW)

    assert time.monotonic() - started < 15.0


def test_offline_is_one_line_that_says_what_to_do():
    with alpaca_server() as gone:
        pass

    for call in calls(alpaca(gone)):
        with pytest.raises(NoData, match=r"cannot be reached .* check the network, or use the"):
            call()


def test_a_server_that_pages_for_ever_is_left(server):
    tokens = ["again" for _ in range(5)]
    server.faults = [
        Reply({"snapshots": {CALL: snapshot(1, 2, JUST_NOW)}, "next_page_token": token})
        for token in tokens
    ]

    with pytest.raises(NoData, match="sends the same page twice"):
        alpaca(server).chain("SPY", NOW)


def test_keys_that_are_missing_are_named_before_anything_is_sent(server):
    for call in calls(alpaca(server, environment={"ALPACA_API_KEY": "x"})):
        with pytest.raises(SettingsError, match="ALPACA_SECRET_KEY is not set"):
            call()

    assert server.asked == []


def test_no_text_about_the_source_holds_a_key(server):
    wrong = {"ALPACA_API_KEY": "PKWRONGKEY", "ALPACA_SECRET_KEY": "wrong-secret"}
    source = alpaca(server, environment=wrong)
    server.faults = [Reply({"message": "PKWRONGKEY with wrong-secret is unknown"}, 401)]

    with pytest.raises(NoData, match="check ALPACA_API_KEY") as caught:
        source.spot("SPY", NOW)

    told = repr(source) + str(vars(source)["_limiter"]) + repr(caught.value) + str(caught.value)
    assert "PKWRONGKEY" not in told and "wrong-secret" not in told


def plain(schema):
    """OpenAPI 3.0's ``nullable`` as JSON Schema says it."""
    if isinstance(schema, list):
        return [plain(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    changed = {name: plain(part) for name, part in schema.items()}
    return changed | {"type": [schema["type"], "null"]} if schema.get("nullable") else changed


@pytest.mark.parametrize(
    ("form", "path", "query"),
    [
        ("option_snapshots_resp", "/v1beta1/options/snapshots/SPY", {}),
        ("stock_latest_quotes_resp", "/v2/stocks/quotes/latest", {"symbols": "SPY"}),
        ("stock_bars_resp", "/v2/stocks/bars", {"symbols": "SPY"}),
    ],
)
def test_the_tests_own_server_speaks_the_published_form(server, form, path, query):
    folder = load_settings().test_data.parent / "alpaca_openapi"
    if not folder.is_dir():
        pytest.skip("Alpaca's OpenAPI files are not on this machine")
    api = plain(json.loads((folder / "market-data-api.json").read_text(encoding="utf-8")))
    server.bars["SPY"] = [bar("2026-11-13T05:00:00Z", 601.5)]

    answer = server.reply(Asked(path, query, {"apca-api-secret-key": "hidden/secret+part"}))

    schema = {"$ref": f"#/components/schemas/{form}", "components": api["components"]}
    assert answer.status == 200
    assert [
        error.message for error in Draft202012Validator(schema).iter_errors(answer.body)
    ] == []


def test_columns_are_of_one_length_and_typed(server):
    columns = alpaca(server).chain("SPY", NOW)

    assert {len(column) for column in columns.values()} == {2}
    assert columns["quoted_at"].dtype == columns["underlying_at"].dtype == "datetime64[ms]"
    assert columns["bid"].dtype == np.float64
