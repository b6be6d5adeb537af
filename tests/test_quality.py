"""The score of a day and of a period: what takes from it, what does not, and how it is told."""

import math
from dataclasses import replace
from datetime import date
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.market.faults import DAY_COST
from dollarbill_core.market.quality import (
    DayQuality,
    Fault,
    Quality,
    counts_array,
    day_quality,
    day_quality_from,
)
from dollarbill_core.values.contracts import Right
from tests.quality_builder import clean, requoted, rows_at, sample_days
from tests.real_quotes import spx_chain, spy_chain, spy_days

MONDAY, TUESDAY, WEDNESDAY = date(2021, 1, 4), date(2021, 1, 5), date(2021, 1, 6)


def day_of(day: date, score: float = 1.0, rows: int = 20, **counts: int) -> DayQuality:
    return DayQuality(day, rows, {Fault[name]: count for name, count in counts.items()}, score)


# --- a day


@pytest.mark.parametrize("symbol", ["SPX", "AAPL"])
def test_clean_chains_score_one(symbol):
    days = sample_days(symbol)
    for before, day in pairwise(days.sessions[:8]):
        quality = day_quality(
            days.chain(day), days.chain(before), dividend_yield=days.dividend_yield
        )

        assert quality.score == 1.0
        assert set(quality.counts) <= {Fault.NO_BID}


def test_one_grave_row_of_those_bid_for():
    chain = clean()
    (row,) = rows_at(chain, Right.PUT, 2350.0)

    quality = day_quality(requoted(chain, row, chain.ask[row] + 0.1, chain.ask[row]))

    assert quality.counts[Fault.CROSSED] == 1
    assert quality.score == pytest.approx(1 - 1 / int((chain.bid > 0).sum()))


def test_a_row_with_two_faults_counts_once():
    chain = clean()
    (row,) = rows_at(chain, Right.PUT, 2350.0)

    quality = day_quality(requoted(chain, row, 4.0, 4.0))

    assert sum(n for fault, n in quality.counts.items() if fault is not Fault.NO_BID) > 1
    assert quality.score == pytest.approx(1 - 1 / int((chain.bid > 0).sum()))


def test_far_strikes_without_a_bid_and_junk_vols_cost_nothing():
    chain = clean()

    quality = day_quality(chain, vendor_vol=np.full(len(chain), 1e-5))

    assert quality.counts[Fault.NO_BID] > 500 and quality.counts[Fault.JUNK_VOL] > 500
    assert quality.score == 1.0


def test_a_fault_of_the_day_takes_its_share():
    chain = clean()

    asynchronous = day_quality(replace(chain, spot=1.02 * chain.spot))

    assert asynchronous.score == pytest.approx(1 - DAY_COST[Fault.ASYNCHRONOUS_SPOT])
    assert day_quality(chain, is_session=False).score == 0.0


def test_an_empty_chain_is_worth_nothing():
    chain = clean()
    none = chain.where(np.zeros(len(chain), bool))
    unbid = replace(chain, bid=np.zeros(len(chain)))

    assert day_quality(none) == DayQuality(chain.as_of.date(), 0, {}, 0.0)
    assert day_quality(none, is_session=False).counts == {Fault.HOLIDAY: 1}
    assert day_quality(unbid, clean(place=0)).score == 0.0


def test_the_worst_day_of_spy_2021_is_known():
    """17 September: three of twenty quotes are whole."""
    days = {day: day_quality(spy_chain(day)) for day in spy_days()}

    worst = min(days.values(), key=lambda each: each.score)

    assert worst.day == date(2021, 9, 17)
    assert worst.counts == {Fault.CROSSED: 17, Fault.LOCKED: 1}
    assert worst.score == pytest.approx(2 / 20)
    assert sum(each.score == 1.0 for each in days.values()) == 250


def test_spx_of_2011_is_nearly_clean():
    scores = [day_quality(spx_chain(date(2011, 1, day))).score for day in (3, 4, 5, 6, 7)]

    assert scores[2:] == [1.0, 1.0, 1.0]
    assert all(0.995 < score < 1 for score in scores[:2])


@pytest.mark.parametrize(("rows", "score"), [(-1, 1.0), (20, 1.01), (20, -0.1), (20, math.nan)])
def test_an_impossible_day_is_refused(rows, score):
    with pytest.raises(ValueError, match=str(MONDAY)):
        day_of(MONDAY, score, rows) if rows < 0 else day_of(MONDAY, score)


def test_a_negative_count_is_refused():
    with pytest.raises(ValueError, match="-2"):
        day_of(MONDAY, LOCKED=-2)


def test_a_day_in_words():
    assert str(day_of(MONDAY, 0.925, LOCKED=2, HOLIDAY=1)) == (
        "2021-01-04 92.5%: 2 locked, exchange closed"
    )
    assert str(day_of(MONDAY)) == "2021-01-04 100.0%: no fault"


# --- stored counts


@given(
    counts=st.dictionaries(st.sampled_from(list(Fault)), st.integers(1, 10**6)),
    rows=st.integers(0, 10**6),
    score=st.floats(0, 1),
)
def test_counts_come_back_as_they_went(counts, rows, score):
    quality = DayQuality(MONDAY, rows, counts, score)

    array = counts_array(quality)

    assert array.dtype == np.int64 and array.shape == (len(Fault),)
    assert day_quality_from(MONDAY, rows, array, score) == quality


# --- a period


PERIOD = Quality(
    "SPY",
    (day_of(MONDAY), day_of(WEDNESDAY, 0.5, CROSSED=10, ASYNCHRONOUS_SPOT=1)),
    (MONDAY, TUESDAY, WEDNESDAY),
)


def test_a_period_counts_days_rows_and_what_is_missing():
    assert PERIOD.missing == (TUESDAY,)
    assert PERIOD.coverage == pytest.approx(2 / 3)
    assert PERIOD.score == pytest.approx(0.75)
    assert PERIOD.rows == 40
    assert PERIOD.counts == {Fault.CROSSED: 10, Fault.ASYNCHRONOUS_SPOT: 1}
    assert [each.day for each in PERIOD.worst] == [WEDNESDAY]


def test_a_period_in_words():
    assert PERIOD.sentences() == (
        "SPY: chains on 2 of 3 sessions (66.6%), missing 2021-01-05; quality 75.0%.",
        "Of 40 quotes: 10 crossed, asynchronous spot.",
        "Worst days: 2021-01-06 50.0%: 10 crossed, asynchronous spot.",
    )


def test_only_what_is_whole_is_told_as_a_hundred():
    assert "99.9%" in str(day_of(MONDAY, 0.99996))


def test_a_clean_period_is_short():
    clean_one = Quality("SPY", (day_of(MONDAY),), (MONDAY,))

    assert clean_one.sentences() == (
        "SPY: chains on 1 of 1 sessions (100.0%); quality 100.0%.",
        "Of 20 quotes: no fault.",
    )


def test_data_of_a_holiday_covers_nothing():
    holiday = Quality("SPY", (day_of(TUESDAY, 0.0, HOLIDAY=1),), (MONDAY,))

    assert holiday.coverage == 0.0 and holiday.missing == (MONDAY,)
    assert "exchange closed" in " ".join(holiday.sentences())


def test_nothing_at_all():
    nothing = Quality("SPY", (), (MONDAY, TUESDAY))

    assert nothing.coverage == 0.0 and math.isnan(nothing.score)
    assert nothing.sentences() == ("SPY: no chain on any of 2 sessions.",)
    assert Quality("SPY", (), ()).coverage == 0.0


def test_the_worst_come_first_and_few_are_named():
    days = tuple(day_of(date(2021, 2, n), 1 - n / 100, LOCKED=n) for n in range(1, 9))
    quality = Quality("SPY", days, tuple(date(2021, 3, n) for n in range(1, 9)))

    lines = quality.sentences()

    assert [each.day.day for each in quality.worst[:3]] == [8, 7, 6]
    assert "2021-02-05" not in lines[2] and "2021-02-08 92.0%" in lines[2]
    assert "and 5 more" in lines[0]
