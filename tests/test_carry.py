"""Interest by date: the table is in order, known on its day, and sourced rows are in it."""

import math
from datetime import date, timedelta
from decimal import Decimal as D
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.market import carry
from dollarbill_core.market.carry import (
    CashDividend,
    Rates,
    ShareSplit,
    policy_rates,
    rate_history,
    record_date,
)
from dollarbill_core.values.provenance import fingerprint


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


# --- the curve ---

terms_and_rates = st.lists(
    st.tuples(st.floats(0.01, 10), st.floats(-0.02, 0.15)),
    min_size=1,
    max_size=8,
    unique_by=lambda pair: round(pair[0], 3),
).map(sorted)


def curve(*pairs: tuple[float, float]) -> Rates:
    years, rates = zip(*pairs, strict=True)
    return Rates(years=years, rates=rates)


@given(pairs=terms_and_rates)
def test_a_curve_gives_back_its_own_rates_and_is_flat_beyond_them(pairs):
    rates = curve(*pairs)

    for years, rate in pairs:
        assert rates.continuous(years) == pytest.approx(rate, abs=1e-12)
    assert rates.continuous(0.0) == rates.continuous(-1.0) == rates.flat == pairs[0][1]
    assert rates.continuous(50.0) == pairs[-1][1]


@given(pairs=terms_and_rates, years=st.floats(0.001, 12))
def test_the_logarithm_of_the_discount_is_a_polygon(pairs, years):
    rates = curve(*pairs)
    inside = pairs[0][0] <= years <= pairs[-1][0]

    found = -math.log(rates.discount(years))

    if inside:
        knots = [years for years, _ in pairs]
        assert found == pytest.approx(
            float(np.interp(years, knots, [t * r for t, r in pairs])), abs=1e-12
        )
    assert found == pytest.approx(rates.continuous(years) * years, abs=1e-12)


def test_a_curve_of_one_rate_is_that_rate():
    rates = curve((0.25, 0.03), (1.0, 0.03), (2.0, 0.03))

    assert [rates.continuous(t) for t in (0.0, 0.1, 0.6, 1.7, 9.0)] == pytest.approx([0.03] * 5)


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (lambda: Rates(years=(1.0,), rates=()), "1 terms cannot have 0 rates"),
        (lambda: curve((1.0, 0.01), (0.5, 0.02)), "must grow from above 0 years"),
        (lambda: curve((0.0, 0.01)), "must grow from above 0 years"),
        (lambda: curve((math.nan, 0.01)), "must grow from above 0 years"),
        (lambda: curve((0.5, math.nan)), "must be a number"),
        (lambda: Rates(math.inf), "must be a number"),
        (lambda: Rates(0.05, (0.5,), (0.04,)), "no flat rate beside it, got 0.05"),
    ],
)
def test_what_is_no_curve_is_refused(made, why):
    with pytest.raises(ValueError, match=why):
        made()


def test_any_rate_of_a_curve_is_in_its_fingerprint():
    one, other = (curve((0.25, 0.04), (1.0, rate)) for rate in (0.04, 0.0401))

    assert one.flat == other.flat
    assert fingerprint(one) != fingerprint(other)


# --- rates by day ---


def history(*rows: tuple[str, int, float]):
    days, terms, rates = zip(*rows, strict=True)
    return rate_history(np.array(days, "M8[D]"), np.array(terms), np.array(rates))


MONDAY, TUESDAY = date(2026, 3, 2), date(2026, 3, 3)


def test_a_curve_is_known_from_the_day_after_its_own():
    known = history(("2026-02-27", 30, 0.040), ("2026-03-02", 30, 0.041))

    assert known(MONDAY).flat == 0.040
    assert known(TUESDAY).flat == 0.041


def test_each_term_keeps_its_latest_rate():
    known = history(
        ("2026-02-27", 30, 0.040), ("2026-02-27", 365, 0.042), ("2026-03-02", 1, 0.039)
    )

    assert known(TUESDAY) == Rates(years=(1 / 365, 30 / 365, 1.0), rates=(0.039, 0.040, 0.042))


def test_of_two_rates_of_one_day_and_term_the_later_stands():
    assert history(("2026-02-27", 30, 0.1), ("2026-02-27", 30, 0.04))(MONDAY).flat == 0.04


@pytest.mark.parametrize(("age", "is_known"), [(1, True), (10, True), (11, False)])
def test_a_rate_is_forgotten_after_ten_days_and_the_target_stands_in(age, is_known):
    day = date(2026, 3, 2) + timedelta(age)

    known = history(("2026-03-02", 30, 0.02))

    assert known.is_known(day) is is_known
    assert known(day) == (
        Rates(years=(30 / 365,), rates=(0.02,)) if is_known else policy_rates(day)
    )


def test_days_before_the_first_row_have_the_target_and_the_sentence_counts_them():
    known = history(("2026-03-02", 30, 0.02))
    days = [MONDAY, TUESDAY, date(2026, 3, 4)]

    assert known(MONDAY) == policy_rates(MONDAY)
    assert known.sentence(days[1:]).endswith("session before.")
    assert "on 1 of 3 days, none" in known.sentence(days)


@given(
    offsets=st.lists(st.integers(0, 40), min_size=1, max_size=12, unique=True),
    asked=st.integers(0, 60),
)
def test_no_later_row_changes_what_was_known(offsets, asked):
    first = date(2024, 1, 2)
    rows = [(str(first + timedelta(n)), 30, 0.01 + n / 1000) for n in sorted(offsets)]
    day = first + timedelta(asked)

    full = history(*rows)(day)
    cut = [row for row in rows if row[0] < str(day)]

    assert full == (history(*cut)(day) if cut else policy_rates(day))


def test_a_table_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="2 days and 1 terms"):
        carry.RateHistory(
            np.array(["2026-03-02", "2026-03-03"], "M8[D]"), np.ones(1), np.ones((1, 1))
        )
