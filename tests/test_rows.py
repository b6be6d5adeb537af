"""Rows for the store: exact prices, the last trading day, and what cannot be a quote."""

from datetime import date
from decimal import Decimal as D
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.formats.rows import DailyPrice, Names, Rows, price_rows, quote_rows
from dollarbill_core.storage.schema import PRICES, QUOTES, price_array, ticks_of
from dollarbill_core.values.calendars import last_trading_day
from dollarbill_core.values.provenance import Quotes


def columns(size: int = 1, **changed: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "symbol": "SPY",
        "root": "SPY",
        "date": np.full(size, np.datetime64("2021-01-04")),
        "expiry": np.full(size, np.datetime64("2021-01-15")),
        "right": np.ones(size, np.int8),
        "strike": 100.0 + np.arange(size),
    }
    return usual | changed


def rows_of(rows: Rows, symbol: str = "SPY") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = rows.tables[symbol].to_pylist()
    return found


def test_what_is_not_given_is_null():
    (row,) = rows_of(quote_rows(columns(bid=np.array([np.nan])), "test"))

    given_names = {"date", "root", "expiry", "settlement", "right", "strike", "source", "kind"}
    assert {name for name, value in row.items() if value is not None} == given_names
    assert (row["source"], row["kind"], row["settlement"]) == ("test", "QUOTED", "PM")


def test_modelled_rows_say_so():
    (row,) = rows_of(quote_rows(columns(), "test", Quotes.MODELLED))

    assert row["kind"] == "MODELLED"


@given(st.lists(st.integers(-1, 999_999_999), min_size=1, max_size=50))
def test_dollars_and_whole_ticks_give_the_same_rows(ticks):
    whole = np.array(ticks, np.int32)
    dollars = np.where(whole < 0, np.nan, whole / 10_000)
    size = len(ticks)

    by_ticks = quote_rows(columns(size, bid=whole), "test").tables["SPY"]
    by_dollars = quote_rows(columns(size, bid=dollars), "test").tables["SPY"]

    exact = [None if tick < 0 else D(tick) / 10_000 for tick in ticks]
    assert by_ticks["bid"].to_pylist() == exact
    assert by_ticks.equals(by_dollars)


@given(st.lists(st.integers(-1, 999_999_999), max_size=50))
def test_ticks_survive_the_way_through_arrow(ticks):
    whole = np.array(ticks, np.int32)

    assert ticks_of(price_array(whole)).tolist() == ticks
    assert ticks_of(price_array(whole)[1:]).tolist() == ticks[1:]


@given(
    st.lists(st.dates(date(2005, 1, 1), date(2030, 1, 1)), min_size=1, max_size=20),
    st.booleans(),
)
def test_every_expiry_becomes_its_last_trading_day(days, whole_years):
    expiries = np.array(days, "M8[D]")
    quoted = np.full(len(days), np.datetime64("2004-01-02"))

    table = quote_rows(columns(len(days), date=quoted, expiry=expiries), "test").tables["SPY"]

    assert table["expiry"].to_pylist() == [last_trading_day(day) for day in days]


def test_symbols_lie_apart_and_keep_their_order():
    names = Names(np.array([1, 0, 1, 0]), ("SPX", "QQQ"))
    roots = np.array(["QQQ", "SPXW", "QQQ", "SPX"])

    rows = quote_rows(columns(4, symbol=names, root=roots), "test")

    assert rows.count == 4
    assert [row["root"] for row in rows_of(rows, "SPX")] == ["SPXW", "SPX"]
    assert [row["settlement"] for row in rows_of(rows, "SPX")] == ["PM", "AM"]
    assert [row["strike"] for row in rows_of(rows, "QQQ")] == [D(100), D(102)]


def on(day: str) -> np.ndarray:
    return np.array([day], "M8[D]")


REFUSED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"symbol": "BRK.B"}, "symbol 'BRK.B' is not a symbol"),
    ({"symbol": "spy"}, "symbol 'spy' is not a symbol"),
    ({"root": "TOOLONG"}, "root 'TOOLONG' is not an OCC root"),
    ({"date": on("NaT")}, "date cannot be read"),
    ({"date": on("1970-01-02")}, "date 1970-01-02 is outside the calendar"),
    (
        {"expiry": on("2077-01-02")},
        "expiry 2077-01-02 is outside the calendar",
    ),
    (
        {"expiry": on("2021-01-03")},
        "expired on 2021-01-03, before it was quoted",
    ),
    ({"right": np.array([0])}, "type is neither call nor put"),
    ({"strike": np.array([0.0])}, "strike 0.0 is not above 0"),
    ({"strike": np.array([np.nan])}, "no strike"),
    ({"strike": np.array([4000001], np.int32)}, "strike 400.0001 is finer than OCC's 0.001"),
    ({"bid": np.array([-0.5])}, "bid -0.5 is negative"),
    ({"ask": np.array([1e5])}, "ask 100000.0 is 100,000 or more"),
    ({"ask": np.array([10**9])}, "ask 1000000000 is 100,000 dollars or more"),
    ({"last": np.array([1.00005])}, "last 1.00005 is finer than a hundredth of a cent"),
    ({"last": np.array([np.inf])}, "last inf is 100,000 or more"),
    ({"volume": np.array([1.5])}, "volume 1.5 is not a whole number from 0 on"),
    ({"volume": np.array([2**31])}, "volume 2147483648 is not a whole number from 0 on"),
    ({"bid_size": np.array([-2.0])}, "bid_size -2.0 is not a whole number from 0 on"),
)


@pytest.mark.parametrize(("changed", "reason"), REFUSED, ids=[reason for _, reason in REFUSED])
def test_what_cannot_be_a_quote_is_refused_with_the_reason(changed, reason):
    rows = quote_rows(columns(**changed), "test")

    assert rows.faults == ((0, reason),)
    assert rows.count == 0


@pytest.mark.parametrize(
    ("instant", "stored"),
    [
        ("2021-01-04T20:45", 1),
        ("2021-01-05T04:59", 1),  # one minute to midnight in New York
        ("2021-01-05T05:00", 0),
        ("2021-01-04T03:59", 0),
        ("1970-01-01T00:00", 0),
        ("NaT", 1),
    ],
)
def test_a_quote_is_of_its_own_day(instant, stored):
    rows = quote_rows(columns(quoted_at=np.array([instant], "M8[ms]")), "test")

    assert rows.count == stored
    assert [why for _, why in rows.faults] == [
        f"quoted at {instant}:00, which is another day"
    ] * (1 - stored)


def test_the_refused_rows_are_named_and_the_others_kept():
    bids = np.array([1.0, -1.0, 2.0, -3.0])

    rows = quote_rows(columns(4, bid=bids, volume=np.array([1, 2, 0.5, 0.5])), "test")

    assert [row["strike"] for row in rows_of(rows)] == [D(100)]
    assert [row for row, _ in rows.faults] == [1, 2, 3]
    assert rows.faults[2][1] == "bid -3.0 is negative"  # the first reason found


@pytest.mark.parametrize(("bid", "ask"), [(2.0, 1.0), (1.0, 1.0), (0.0, 0.0), (np.nan, np.nan)])
def test_doubtful_quotes_are_rows_like_others(bid, ask):
    rows = quote_rows(columns(bid=np.array([bid]), ask=np.array([ask])), "test")

    assert (rows.count, rows.faults) == (1, ())


def test_an_underlying_may_be_published_finer_than_a_tick():
    (row,) = rows_of(quote_rows(columns(underlying=np.array([4505.11007])), "test"))

    assert row["underlying"] == D("4505.1101")


def test_names_that_become_one_share_their_number():
    names = Names.of(np.array(["^SPX", "SPX", "VIX", "SPX"]), 4)

    renamed = names.renamed(lambda name: name.strip("^"))

    assert [renamed.names[code] for code in renamed.codes] == ["SPX", "SPX", "VIX", "SPX"]
    assert sorted(renamed.names) == ["SPX", "VIX"]
    assert renamed.where(lambda name: name == "VIX").tolist() == [False, False, True, False]
    assert renamed.arrow().equals(pa.array(["SPX", "SPX", "VIX", "SPX"]))


def test_rows_have_the_schema_of_the_store_also_if_there_are_none():
    some = quote_rows(columns(3), "test").tables["SPY"]
    none = quote_rows(columns(0), "test")

    assert some.schema.equals(QUOTES.schema)
    assert (none.tables, none.faults) == ({}, ())


def test_daily_prices_are_exact_to_the_sixth_decimal():
    prices = [
        DailyPrice(date(2021, 3, 18), D("391.48")),
        DailyPrice(date(2021, 3, 19), D("389.48"), dividend=D("1.2778"), volume=7),
    ]

    table = price_rows(prices, "test")

    assert table.schema.equals(PRICES.schema)
    assert table["close"].to_pylist() == [D("391.48"), D("389.48")]
    assert table["dividend"].to_pylist() == [None, D("1.2778")]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"day": date(1950, 1, 3)}, "outside the calendar"),
        ({"close": D(0)}, "close 0 is not above 0"),
        ({"close": D("NaN")}, "close NaN is not above 0"),
        ({"volume": -1}, "volume -1 is negative"),
        ({"split_new": 2}, "two whole numbers"),
        ({"split_new": 2, "split_old": 0}, "two whole numbers"),
    ],
)
def test_a_daily_price_that_cannot_be_is_refused(changed, reason):
    with pytest.raises(ValueError, match=reason):
        DailyPrice(**({"day": date(2021, 3, 19)} | changed))
