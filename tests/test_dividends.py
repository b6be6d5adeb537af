"""Dividends to come: what was announced, last year's again, and nothing that was not known."""

import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.market.carry import CashDividend, Rates, ShareSplit, ex_instant
from dollarbill_core.market.dividends import (
    ProjectedDividend,
    paid_within,
    present_value,
    projected_dividends,
)
from dollarbill_core.values.calendars import is_session
from tests.real_quotes import real_table

# SPY's ex-dates of 2020, dollars per share.
PAST = tuple(
    CashDividend(date.fromisoformat(day), D(dollars))
    for day, dollars in [
        ("2020-03-20", "1.4056"),
        ("2020-06-19", "1.3662"),
        ("2020-09-18", "1.3392"),
        ("2020-12-18", "1.5800"),
    ]
)
NOW = date(2021, 1, 15)


def test_last_years_dividends_come_again_on_their_weekday():
    coming = projected_dividends(PAST, NOW, date(2021, 12, 31))

    assert [str(x.ex_date) for x in coming] == [
        "2021-03-19", "2021-06-18", "2021-09-17", "2021-12-17",
    ]  # fmt: skip
    assert [x.per_share for x in coming] == [x.per_share for x in PAST]
    assert all(isinstance(x, ProjectedDividend) for x in coming)


def test_an_announced_dividend_takes_the_place_of_its_projection():
    announced = CashDividend(date(2021, 3, 19), D("1.2778"), declared=date(2021, 3, 5))

    before = projected_dividends((*PAST, announced), date(2021, 3, 4), date(2021, 4, 1))
    after = projected_dividends((*PAST, announced), date(2021, 3, 5), date(2021, 7, 1))

    assert before == (ProjectedDividend(date(2021, 3, 19), D("1.4056")),)
    assert after == (announced, ProjectedDividend(date(2021, 6, 18), D("1.3662")))


def test_two_years_ahead_each_season_comes_twice():
    coming = projected_dividends(PAST, NOW, date(2022, 12, 31))

    assert len(coming) == 8
    assert [x.per_share for x in coming[4:]] == [x.per_share for x in coming[:4]]


def test_nothing_is_projected_for_a_company_that_stopped_paying():
    assert projected_dividends(PAST, date(2022, 3, 1), date(2022, 12, 31)) == ()
    assert projected_dividends((), NOW, date(2021, 12, 31)) == ()


def test_after_a_split_less_is_paid_on_each_share():
    # Apple split 7 for 1 on 2014-06-09: 3.29 before it was 0.47 after.
    paid = [CashDividend(date(2014, 5, 8), D("3.29"), declared=date(2014, 4, 23))]
    split = ShareSplit(date(2014, 6, 9), 7)

    before = projected_dividends(paid, date(2014, 6, 6), date(2015, 6, 1), [split])
    after = projected_dividends(paid, date(2014, 6, 9), date(2015, 6, 1), [split])

    assert [x.per_share for x in before] == [D("3.29")]
    assert [x.per_share for x in after] == [D("0.47")]


@pytest.mark.parametrize("months", [1, 3, 6, 12])
def test_as_many_dividends_a_year_are_projected_as_were_paid(months):
    paid = [CashDividend(date(2024, month, 12), D(1)) for month in range(months, 13, months)]

    coming = projected_dividends(paid, date(2024, 12, 20), date(2025, 12, 13))

    assert len(coming) == 12 // months


@given(
    steps=st.lists(st.integers(20, 100), min_size=1, max_size=15),
    now=st.integers(0, 900),
    reach=st.integers(0, 900),
)
def test_a_projection_lies_ahead_in_order_on_sessions_and_knows_nothing_later(
    steps, now, reach
):
    day, known = date(2021, 1, 4), []
    for step in steps:
        day += timedelta(step)
        known.append(CashDividend(day, D(step)))
    today = date(2021, 1, 4) + timedelta(now)
    until = today + timedelta(reach)

    coming = projected_dividends(known, today, until)

    days = [x.ex_date for x in coming]
    assert days == sorted(days)
    assert all(today < each <= until for each in days)
    assert all(is_session(x.ex_date) for x in coming if isinstance(x, ProjectedDividend))
    seen = [x for x in known if x.known_from <= today]
    assert coming == projected_dividends(seen, today, until)


def test_a_dividend_counts_from_the_morning_of_its_ex_date_to_the_end_of_the_term():
    june, july = (CashDividend(date(2026, month, 19), D(1)) for month in (6, 7))
    eve = datetime(2026, 6, 18, 20, tzinfo=UTC)

    assert [x[1] for x in paid_within([july, june], eve, 1.0)] == [1.0, 1.0]
    assert paid_within([june], ex_instant(june.ex_date), 1.0) == ()
    assert paid_within([july], eve, 30 / 365) == ()


@given(rate=st.floats(-0.02, 0.15), years=st.floats(0, 2))
def test_the_present_value_is_each_dividend_discounted(rate, years):
    now = datetime(2020, 3, 2, 21, tzinfo=UTC)
    rates = Rates(rate)

    found = present_value(PAST, now, years, rates)

    expected = sum(x * math.exp(-rate * t) for t, x in paid_within(PAST, now, years))
    assert found == pytest.approx(expected)
    assert (found == 0) == (years < paid_within(PAST, now, 2.0)[0][0])


def test_projections_of_spy_are_off_by_no_more_than_its_dividends_vary():
    table = real_table("spy_2021", "stock.csv")
    paid = {
        date.fromisoformat(day): dollars
        for day, dollars in zip(table["date"], table["divCash"], strict=True)
        if dollars
    }

    coming = projected_dividends(PAST, date(2021, 1, 4), date(2021, 12, 31))

    assert [x.ex_date for x in coming] == sorted(paid)
    assert sum(float(x.per_share) for x in coming) == pytest.approx(
        sum(paid.values()), rel=0.05
    )
