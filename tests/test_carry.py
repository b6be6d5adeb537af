"""Interest by date: the table is in order, known on its day, and sourced rows are in it."""

import math
from datetime import date, timedelta
from decimal import Decimal as D
from itertools import pairwise

import pytest

from dollarbill_core.market import carry
from dollarbill_core.market.carry import (
    CashDividend,
    Rates,
    ShareSplit,
    policy_rates,
    record_date,
)


@pytest.mark.parametrize(
    ("day", "percent"),
    [
        pytest.param(date(2000, 5, 15), 6.00, id="the eve of a rise"),
        pytest.param(date(2000, 5, 16), 6.50, id="the day of a rise"),
        pytest.param(date(2003, 6, 25), 1.00, id="the low of 2003"),
        pytest.param(date(2007, 1, 3), 5.25, id="the top of 2006"),
        pytest.param(date(2008, 12, 15), 1.00, id="the last single rate"),
        pytest.param(date(2008, 12, 16), 0.125, id="0 to 0.25, the middle"),
        pytest.param(date(2015, 12, 16), 0.375, id="the first rise in seven years"),
        pytest.param(date(2018, 12, 31), 2.375, id="the top of 2018"),
        pytest.param(date(2020, 3, 16), 0.125, id="after a Sunday's cut"),
        pytest.param(date(2023, 7, 26), 5.375, id="the top of 2023"),
    ],
)
def test_the_rate_in_force(day, percent):
    assert policy_rates(day).flat == pytest.approx(math.log(1 + percent / 100))


def test_the_table_runs_forward_in_steps_of_at_most_a_point():
    days, targets = carry._CHANGE_DAYS, carry._TARGETS

    assert list(days) == sorted(set(days))
    assert len(days) == len(targets)
    steps = [abs(b - a) for a, b in pairwise(targets)]
    assert 0 < min(steps) <= max(steps) <= 0.0100001


def test_a_change_is_not_known_before_its_day():
    for day in carry._CHANGE_DAYS[1:]:
        assert policy_rates(day) != policy_rates(day - timedelta(days=1))


def test_one_rate_for_every_term():
    rates = Rates(0.02)

    assert rates.continuous(0.1) == rates.continuous(3.0) == 0.02


def test_refuses_a_term_that_is_no_number_and_a_day_before_the_table():
    with pytest.raises(ValueError, match="NaN"):
        Rates(0.02).continuous(math.nan)
    with pytest.raises(ValueError, match="start on 1989-12-20, asked for 1985-01-02"):
        policy_rates(date(1985, 1, 2))


# Ex-dates and record dates: SEC Rule 15c6-1 by era; a Friday's ex-date jumps the weekend.
@pytest.mark.parametrize(
    ("ex_date", "record"),
    [
        pytest.param("1994-03-14", "1994-03-18", id="five days"),
        pytest.param("1995-06-07", "1995-06-09", id="three days"),
        pytest.param("2017-09-01", "2017-09-06", id="three days, over Labor Day"),
        pytest.param("2017-09-05", "2017-09-06", id="two days"),
        pytest.param("2021-03-19", "2021-03-22", id="two days, over a weekend"),
        pytest.param("2024-05-24", "2024-05-28", id="the last of two days"),
        pytest.param("2024-05-28", "2024-05-28", id="one day"),
    ],
)
def test_the_record_date_follows_the_settlement_of_its_time(ex_date, record):
    ex_date, record = date.fromisoformat(ex_date), date.fromisoformat(record)

    assert record_date(ex_date) == record
    assert CashDividend(ex_date, D(1)).known_from == record - timedelta(10)
    assert ShareSplit(ex_date, 2).known_from < ex_date


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (lambda: CashDividend(date(2026, 3, 20), D(0)), "above 0"),
        (lambda: CashDividend(date(2026, 3, 20), D(1), date(2026, 3, 21)), "after the ex-date"),
        (lambda: ShareSplit(date(2026, 3, 20), 1), "two whole numbers, got 1:1"),
        (lambda: ShareSplit(date(2026, 3, 20), 0, 5), "two whole numbers"),
        (lambda: ShareSplit(date(2026, 3, 20), 2, 1, date(2026, 4, 1)), "after the ex-date"),
    ],
)
def test_what_is_no_dividend_or_split_is_refused(made, why):
    with pytest.raises(ValueError, match=why):
        made()
