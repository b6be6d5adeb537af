"""Real files into one store by the public command's function, and what they must say there."""

from datetime import date
from decimal import Decimal as D
from pathlib import Path

import pytest

from dollarbill_core.formats.imports import ImportReport, import_files
from dollarbill_core.storage.schema import PRICES, QUOTES
from dollarbill_core.storage.settings import load_settings
from dollarbill_core.storage.store import Store
from dollarbill_core.values.calendars import is_session

FILES = {
    "options": ("deltaneutral", ["spy_2021/options.csv"]),
    "stock": ("prices", ["spy_2021/stock.csv"]),
    "spx": ("ivolatility", ["spx_2011/spx_sample_ivolatility.csv"]),
    "apple": (
        "lean",
        [
            "aapl_2014_split/aapl_2014_openinterest_american.zip",
            "aapl_2014_split/aapl_2014_quote_american.zip",
        ],
    ),
    "shares": (
        "lean",
        [f"us_equities/{symbol}.zip" for symbol in "aapl bac eem goog ibm iwm qqq spy".split()],
    ),
    "vix": ("prices", ["vix/vix-daily.csv"]),
}


@pytest.fixture(scope="module")
def folder() -> Path:
    folder = load_settings().test_data
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; DOLLARBILL_TEST_DATA names another folder")
    return folder


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    return Store.at(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def reports(store, folder) -> dict[str, ImportReport]:
    """Every file but those of shares, whose prices of SPY another test compares first."""
    return {
        name: import_files(form, [folder / file for file in files], store)
        for name, (form, files) in FILES.items()
        if name != "shares"
    }


@pytest.fixture(scope="module")
def shares(tmp_path_factory, folder) -> tuple[Store, ImportReport]:
    store = Store.at(tmp_path_factory.mktemp("shares"))
    form, files = FILES["shares"]
    return store, import_files(form, [folder / file for file in files], store)


def rows(store: Store, table, symbol: str, year: int | None = None) -> list[dict]:
    return store.read(table, symbol, year).to_pylist()


def test_all_of_the_options_and_prices_come_in(reports):
    counts = {name: (each.rows, each.rejected) for name, each in reports.items()}

    assert counts == {
        "options": (5040, 0),
        "stock": (252, 0),
        "spx": (9832, 0),
        "apple": (4532, 3694),
        "vix": (9235, 0),
    }
    assert set(reports["apple"].reasons) == {"openinterest of a day without a quote"}


def test_the_store_has_them_by_symbol_and_year(reports, store):
    assert reports
    assert store.symbols(QUOTES) == ("AAPL", "SPX", "SPY")
    assert store.symbols(PRICES) == ("SPY", "VIX")
    assert [store.years(symbol) for symbol in ("AAPL", "SPX", "SPY")] == [(2014,), (2011,),
                                                                          (2021,)]  # fmt: skip
    assert store.damage() == ()


def test_the_same_files_again_change_nothing(reports, store, folder):
    parts = store.parts(QUOTES)

    form, files = FILES["apple"]
    again = import_files(form, [folder / file for file in files], store)

    assert (again.added.new, again.added.changed, again.added.same) == (0, 0, 4532)
    assert reports["apple"].added.new == 4532
    assert store.parts(QUOTES) == parts


def test_seventeen_quotes_of_spy_are_crossed(reports, store):
    quotes = rows(store, QUOTES, "SPY", 2021)

    crossed = [row for row in quotes if row["bid"] > row["ask"]]
    assert reports
    assert (len(quotes), len({row["date"] for row in quotes}), len(crossed)) == (5040, 252, 17)


def test_apple_before_and_after_its_split(reports, store):
    quotes = rows(store, QUOTES, "AAPL", 2014)
    days = (date(2014, 6, 6), date(2014, 6, 9))
    before, after = (
        {(row["expiry"], row["right"], row["strike"]) for row in quotes
         if row["date"] == day and row["expiry"] > days[0]} for day in days
    )  # fmt: skip

    assert reports
    assert len(before) == len(after) == 2180
    assert {(expiry, right, round(strike / 7, 2)) for expiry, right, strike in before} == after
    assert all(is_session(row["expiry"]) for row in quotes)
    assert {date(2014, 6, 20), date(2015, 1, 16)} <= {row["expiry"] for row in quotes}
    assert sum(row["open_interest"] is not None for row in quotes) > 2000
    assert all(row["ask"] is not None for row in quotes)


def test_both_settlements_of_spx_are_there(reports, store):
    quotes = rows(store, QUOTES, "SPX", 2011)

    assert reports
    assert {row["date"].day for row in quotes} == {3, 4, 5, 6, 7}
    assert {(row["root"], row["settlement"]) for row in quotes} >= {
        ("SPX", "AM"),
        ("SPXW", "PM"),
    }


def test_all_eight_shares_come_in_but_for_the_gap_of_qqq(shares):
    store, report = shares

    assert len(store.symbols(PRICES)) == 8
    assert report.reasons == {"there is no price on that day": 24}
    assert report.rows == 5849 * 4 + 3964 + 5244 + 5245 + 4183


def test_two_sources_agree_on_the_61_days_they_share(reports, shares, store):
    ours = {row["date"]: row for row in rows(store, PRICES, "SPY")}
    theirs = {row["date"]: row for row in rows(shares[0], PRICES, "SPY")}
    common = sorted(set(ours) & set(theirs))

    assert reports
    assert len(common) == 61
    assert [ours[day]["close"] for day in common] == [theirs[day]["close"] for day in common]
    for source in (ours, theirs):
        paid = {day: source[day]["dividend"] for day in common if source[day]["dividend"]}
        assert paid == {date(2021, 3, 19): D("1.2778")}


def test_apples_splits_and_dividends_are_on_their_days(shares):
    found = {row["date"]: row for row in rows(shares[0], PRICES, "AAPL")}

    splits = {f"{day}": row["split_new"] for day, row in found.items() if row["split_new"]}
    assert splits == {"2000-06-21": 2, "2005-02-28": 2, "2014-06-09": 7, "2020-08-31": 4}
    assert found[date(2014, 6, 6)]["close"] == D("645.57")
    assert found[date(2014, 5, 8)]["dividend"] == D("3.29")
