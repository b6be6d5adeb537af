"""Returns and risk, held against cases worked by hand and against empyrical."""

import math
from datetime import date

import empyrical
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dollarbill_core.results.performance import (
    MONTHS,
    daily_returns,
    monthly_returns,
    statistics,
    underwater,
    worst_drawdown,
    year_by_month,
)
from dollarbill_core.values.calendars import previous_session, sessions

# Case P03 of the trading cases: ten daily returns, risk-free 0, 252 periods a year.
TEN = (0.01, -0.02, 0.015, 0.005, -0.01, 0.02, -0.005, 0.012, 0.003, -0.008)

many_returns = arrays.arrays(float, st.integers(2, 300), elements=st.floats(-0.05, 0.05))
some = settings(max_examples=30)


def nav(returns, first: date = date(2018, 1, 2), capital: float = 100_000.0) -> pd.Series:
    """A NAV that makes these returns on the sessions from ``first``, after its capital."""
    days = sessions(first, date(2030, 1, 1))[: len(returns)]
    values = capital * np.cumprod([1.0, *(1 + np.asarray(returns))])
    return pd.Series(values, pd.DatetimeIndex([previous_session(first), *days]))


def of_empyrical(series: pd.Series) -> pd.Series:
    return series.pct_change().iloc[1:]


def test_the_worked_case():
    found = statistics(nav(TEN))

    assert daily_returns(nav(TEN)).mean() == pytest.approx(0.0022, abs=1e-12)
    assert found.annual_vol == pytest.approx(0.012664912159 * math.sqrt(252), abs=1e-10)
    assert found.sharpe == pytest.approx(2.7575333225, abs=1e-9)
    assert found.sortino == pytest.approx(4.5505648076, abs=1e-9)
    assert found.drawdown.depth == pytest.approx(-0.02, abs=1e-12)


def test_nothing_is_annualised_from_less_than_a_year():
    """P03 gives 70.85 % a year for these ten days: true arithmetic, false information."""
    assert math.isnan(statistics(nav(TEN)).annual_return)
    assert math.isnan(statistics(nav([0.001] * 251)).annual_return)
    assert math.isnan(statistics(nav([-1.0] * 9)).annual_return)
    assert statistics(nav([0.001] * 252)).annual_return == pytest.approx(1.001**252 - 1)


@some
@given(many_returns)
def test_ratios_agree_with_empyrical(returns):
    series = nav(returns)
    theirs = of_empyrical(series)
    found = statistics(series)
    if theirs.std() < 1e-9 or theirs.min() > -1e-9:
        return

    assert found.annual_vol == pytest.approx(empyrical.annual_volatility(theirs), rel=1e-9)
    assert found.sharpe == pytest.approx(empyrical.sharpe_ratio(theirs), rel=1e-6)
    assert found.sortino == pytest.approx(empyrical.sortino_ratio(theirs), rel=1e-6)


@some
@given(many_returns)
def test_the_deepest_fall_agrees_with_empyrical(returns):
    series = nav(returns)
    fall = worst_drawdown(series)

    depth = fall.depth if fall else 0.0
    assert depth == pytest.approx(empyrical.max_drawdown(of_empyrical(series)), abs=1e-12)
    assert underwater(series).min() == pytest.approx(depth, abs=1e-12)


@some
@given(many_returns, st.integers(0, 60))
def test_months_agree_with_empyrical(returns, shift):
    first = sessions(date(2018, 1, 2), date(2018, 6, 1))[shift]
    series = nav(returns, first)

    ours = monthly_returns(series)
    theirs = empyrical.aggregate_returns(of_empyrical(series), "monthly")

    assert ours.to_numpy() == pytest.approx(theirs.to_numpy(), abs=1e-9)
    assert [(p.year, p.month) for p in ours.index] == list(theirs.index)


@some
@given(many_returns)
def test_a_years_months_compound_to_the_year_and_years_to_the_whole(returns):
    series = nav(returns)

    table = year_by_month(series)

    total = np.prod(1 + table["Year"].to_numpy()) - 1
    assert total == pytest.approx(series.iloc[-1] / series.iloc[0] - 1, rel=1e-9, abs=1e-12)


@some
@given(many_returns)
def test_yearly_return_agrees_with_empyrical_where_there_is_a_year(returns):
    series = nav(np.resize(returns, 300) / 10)

    expected = empyrical.annual_return(of_empyrical(series))

    assert statistics(series).annual_return == pytest.approx(expected, abs=1e-9)


def test_the_evening_before_the_first_session_makes_no_month_of_its_own():
    series = nav([0.01, 0.01], first=date(2018, 6, 1))  # the capital stands on 31 May

    assert [str(period) for period in monthly_returns(series).index] == ["2018-06"]
    assert statistics(series).months_up == 1.0


def test_a_month_without_a_record_is_left_empty():
    table = year_by_month(nav([0.01, 0.01], first=date(2018, 6, 1)))

    assert table.loc[2018, "Jun"] == pytest.approx(0.0201)
    assert table.loc[2018, [name for name in MONTHS if name != "Jun"]].isna().all()


def test_a_fall_that_has_not_recovered_says_so():
    fall = worst_drawdown(nav([0.10, -0.20, 0.10]))

    assert fall.recovered is None
    assert str(fall) == "-20.0% from 2018-01-02 to 2018-01-03, NOT RECOVERED"


def test_a_fall_that_recovered_carries_the_day_it_did():
    fall = worst_drawdown(nav([0.10, -0.20, 0.25, 0.10]))

    assert (fall.peak, fall.trough) == (date(2018, 1, 2), date(2018, 1, 3))
    assert fall.recovered == date(2018, 1, 4)


def test_an_account_that_never_fell_has_no_drawdown():
    assert worst_drawdown(nav([0.01, 0.0, 0.02])) is None


def test_flat_and_single_days_give_no_ratio_rather_than_a_wonder():
    flat, one = statistics(nav([0.0] * 5)), statistics(nav([0.01]))

    assert math.isnan(flat.sharpe)
    assert math.isnan(flat.sortino)
    assert math.isnan(one.sharpe)
    assert (one.total_return, one.best_month) == (pytest.approx(0.01), pytest.approx(0.01))


def test_a_steady_gain_has_no_sharpe_ratio_of_a_quadrillion():
    assert math.isnan(statistics(nav([0.01] * 20)).sharpe)


@pytest.mark.parametrize("end", [0.0, -20_000.0])
def test_a_ruined_account_is_still_reported(end):
    series = nav([0.0] * 3)
    series.iloc[2:] = end

    found = statistics(series)

    assert found.total_return == end / 100_000 - 1
    assert found.drawdown.recovered is None
    assert found.worst_month == pytest.approx(found.total_return)
