"""What a store knows by day: prices, dividends over splits, prints, interest, all exact."""

from datetime import date
from decimal import Decimal as D
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.formats.rows import DailyPrice
from dollarbill_core.market.carry import CashDividend, ShareSplit, policy_rates
from dollarbill_core.storage.daily import (
    Daily,
    Interest,
    daily_of,
    gaps_of,
    interest_of,
    prints_of,
    trailing_dividends,
)
from dollarbill_core.storage.store import Store
from tests.store_builder import closes, with_gap, with_interest, with_prices, with_print

FIRST, SECOND, THIRD = date(2021, 1, 4), date(2021, 1, 5), date(2021, 1, 6)


@pytest.fixture
def store(tmp_path) -> Store:
    return Store.at(tmp_path / "chains")


def test_a_store_without_prices_knows_none(store):
    daily = daily_of(store, "XYZ")

    assert (len(daily.days), daily.dividends, daily.splits, daily.digest) == (0, (), (), "")
    assert np.isnan(daily.close_on(FIRST))
    assert daily.yields_on(np.array([FIRST], "M8[D]")).tolist() == [0.0]


def test_prices_dividends_and_splits_come_out_exactly(store):
    paid = DailyPrice(SECOND, D("99.99"), dividend=D("1.277800"), declared=date(2020, 12, 15))
    split = DailyPrice(THIRD, D("14.30"), split_new=7, split_old=1)
    with_prices(store, "XYZ", [DailyPrice(FIRST, D("100.01")), paid, split])

    daily = daily_of(store, "XYZ")

    assert daily.days.tolist() == [FIRST, SECOND, THIRD]
    assert daily.closes.tolist() == [100.01, 99.99, 14.30]
    assert daily.dividends == (CashDividend(SECOND, D("1.2778"), date(2020, 12, 15)),)
    assert daily.splits == (ShareSplit(THIRD, 7),)
    assert daily.yields.tolist() == pytest.approx([0, 1.2778 / 99.99, 1.2778 / 7 / 14.30])
    assert daily.shares_on(THIRD, since=SECOND) == 7
    assert daily.shares_on(THIRD, since=THIRD) == 1


def test_a_dividend_on_a_day_without_a_close_is_kept(store):
    with_prices(store, "XYZ", [DailyPrice(FIRST, dividend=D(1)), DailyPrice(SECOND, D(50))])

    daily = daily_of(store, "XYZ")

    assert daily.days.tolist() == [SECOND]
    assert daily.dividends == (CashDividend(FIRST, D("1.00")),)
    assert daily.yields.tolist() == [0.02]


def test_a_yield_is_known_from_its_day_on(store):
    with_prices(store, "XYZ", [DailyPrice(SECOND, D(50), dividend=D(1))])
    days = np.array([FIRST, SECOND, THIRD], "M8[D]")

    assert daily_of(store, "XYZ").yields_on(days).tolist() == [0.0, 0.02, 0.02]


def caches(store: Store) -> list[Path]:
    return list((store.local / "daily").rglob("*.columns"))


def test_one_symbols_cache_leaves_anothers(store):
    for symbol in ("BRK", "BRK-B"):
        with_prices(store, symbol, closes({"2021-01-04": "100"}))
        daily_of(store, symbol)

    assert len(caches(store)) == 2


def test_what_is_added_is_seen_and_the_old_cache_goes(store):
    with_prices(store, "XYZ", closes({"2021-01-04": "100"}))
    daily_of(store, "XYZ")

    with_prices(store, "XYZ", closes({"2021-01-05": "101"}))

    assert daily_of(store, "XYZ").closes.tolist() == [100.0, 101.0]
    assert len(caches(store)) == 1


def test_a_damaged_cache_is_built_again(store):
    with_prices(store, "XYZ", closes({"2021-01-04": "100"}))
    daily_of(store, "XYZ")
    (cache,) = caches(store)
    cache.write_bytes(cache.read_bytes()[:-8])

    assert daily_of(store, "XYZ").closes.tolist() == [100.0]


def test_where_nothing_can_be_written_prices_are_read_all_the_same(tmp_path):
    in_the_way = tmp_path / "a file"
    in_the_way.write_text("where a folder should be")
    with_prices(Store.at(tmp_path / "chains"), "XYZ", closes({"2021-01-04": "100"}))

    reader = Store.at(tmp_path / "chains", local=in_the_way)

    assert daily_of(reader, "XYZ").closes.tolist() == [100.0]


@given(
    st.lists(st.tuples(st.integers(0, 800), st.integers(0, 500)), min_size=1, max_size=12),
    st.lists(st.tuples(st.integers(0, 800), st.sampled_from([2, 3, 7])), max_size=2),
)
def test_trailing_dividends_are_those_a_plain_sum_finds(paid, split):
    begin = date(2019, 1, 1).toordinal()
    dollars = {begin + offset: cents / 100 for offset, cents in paid}
    splits = [ShareSplit(date.fromordinal(begin + offset), new) for offset, new in split]
    days = sorted(dollars)

    found = trailing_dividends(
        np.array([date.fromordinal(day) for day in days], "M8[D]"),
        np.array([dollars[day] for day in days]),
        splits,
    )

    assert found.tolist() == pytest.approx([_plain_sum(day, dollars, splits) for day in days])


def _plain_sum(today: int, dollars: dict[int, float], splits: list[ShareSplit]) -> float:
    """Each dividend of the last 365 days, divided by the splits since."""
    total = 0.0
    for day, paid in dollars.items():
        if today - 365 < day <= today:
            since = (x for x in splits if day < x.ex_date.toordinal() <= today)
            total += paid / np.prod([x.new for x in since], initial=1)
    return total


def test_prints_by_root_and_day_are_exact(store):
    assert prints_of(store) == {}

    with_print(store, "SPX", FIRST, "3701.45")
    with_print(store, "VIX", SECOND, "24.333333")

    assert prints_of(store) == {("SPX", FIRST): D("3701.45"), ("VIX", SECOND): D("24.333333")}


def test_a_gap_without_a_reason_is_none_any_more(store):
    with_gap(store, "XYZ", FIRST, "no answer")
    with_gap(store, "XYZ", SECOND, "no answer")
    with_gap(store, "ABC", THIRD, "no answer")

    assert gaps_of(store, "XYZ") == {FIRST: "no answer", SECOND: "no answer"}
    for taken_back in ("", None):
        with_gap(store, "XYZ", SECOND, taken_back)
        assert gaps_of(store, "XYZ") == {FIRST: "no answer"}


def test_without_curves_interest_is_the_feds_target(store):
    interest = interest_of(store)

    assert interest(FIRST) == policy_rates(FIRST)
    assert "target federal funds rate" in interest.sentence([FIRST])


def test_a_curve_is_known_the_session_after(store):
    with_interest(store, {("2021-01-04", 365): 0.02})

    interest = interest_of(store)

    assert interest(SECOND).continuous(1.0) == 0.02
    assert interest(FIRST) == policy_rates(FIRST)


YEAR = date(2021, 1, 1), date(2021, 12, 31)


def test_a_years_digest_changes_with_that_year_alone(store):
    with_prices(store, "XYZ", closes({"2021-01-04": "100"}))
    with_interest(store, {("2021-01-04", 365): 0.02})
    before = (
        daily_of(store, "XYZ").digest_within(*YEAR),
        interest_of(store).digest_within(*YEAR),
    )

    with_prices(store, "XYZ", closes({"2022-01-04": "100"}))
    with_interest(store, {("2022-01-04", 365): 0.03})
    later = daily_of(store, "XYZ").digest_within(*YEAR), interest_of(store).digest_within(*YEAR)
    with_prices(store, "XYZ", [DailyPrice(FIRST, D(100), dividend=D(1))])
    with_interest(store, {("2021-01-04", 365): 0.03})
    changed = (
        daily_of(store, "XYZ").digest_within(*YEAR),
        interest_of(store).digest_within(*YEAR),
    )

    assert later == before
    assert changed[0] != before[0]
    assert changed[1] != before[1]


def test_a_split_after_a_year_leaves_its_digest():
    """Yields of a year are in the shares of each day, so later splits change nothing."""
    days, one = np.array([FIRST], "M8[D]"), np.ones(1)
    plain = Daily(days, one, one)
    split = Daily(days, one, one, splits=(ShareSplit(date(2022, 6, 6), 20),))

    assert plain.digest_within(*YEAR) == split.digest_within(*YEAR)
    assert Interest().digest_within(*YEAR) != Interest().digest_within(
        date(2022, 1, 1), date(2022, 12, 31)
    )
