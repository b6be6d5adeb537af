"""Interest by date: the table is in order, known on its day, and sourced rows are in it."""

import math
from datetime import date, timedelta
from itertools import pairwise

import pytest

from dollarbill_core.market import carry
from dollarbill_core.market.carry import Rates, policy_rates


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
