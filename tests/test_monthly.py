"""The month's figures: by hand for a small record, consistent for a whole backtest."""

import math
from dataclasses import replace
from datetime import date
from decimal import Decimal as D

import pytest

from dollarbill_core.results.backtest import backtest
from dollarbill_core.results.bridge import StatementCheckFailed
from dollarbill_core.results.monthly import monthly_statement, months_between
from dollarbill_core.values.contracts import Leg
from dollarbill_core.values.orders import Reason
from tests.market_builder import three_symbols, weekly_strangles
from tests.record_builder import EVENTS, LATER_PUT, LINES, PROVENANCE, record


def statement(lines=LINES, events=EVENTS, month="2026-02", **more):
    return monthly_statement(lines, events, month, PROVENANCE, strategy="Sells puts.", **more)


FEBRUARY = statement()
RESULT = backtest(three_symbols(), weekly_strangles(), D(200_000))


def test_the_three_periods_have_exact_dates_and_dollars():
    month, year, ever = FEBRUARY.periods[:3]

    assert (month.opened, month.closed) == (date(2026, 1, 30), date(2026, 2, 27))
    assert (month.net_profit, month.gross_profit) == (D("-251.48"), D("-247.66"))
    assert (year.opened, ever.opened) == (date(2026, 1, 27), date(2026, 1, 27))
    assert ever.net_profit == D("109697.82") - 110_000


def test_a_months_return_is_chained_around_its_flow():
    # 99,949.30 to 99,978.58 on 9 February; then 10,000 more, to 109,697.82.
    expected = (99_978.58 / 99_949.30) * (109_697.82 / 109_978.58) - 1

    assert FEBRUARY.periods[0].net == pytest.approx(expected, rel=1e-9)


def test_longer_periods_say_how_short_the_record_is():
    assert [(p.name, p.missing) for p in FEBRUARY.periods[3:]] == [
        ("1 year", "1 month"),
        ("3 years, a year", "1 month"),
        ("5 years, a year", "1 month"),
    ]
    assert all(math.isnan(period.net) for period in FEBRUARY.periods[3:])


def test_a_year_of_record_gives_a_years_return():
    lines = record(EVENTS[:1], first=date(2025, 1, 31), last=date(2026, 2, 27))
    # The capital of 28 January 2026 is moved to the record's first day, then 10 % is earned.
    lines = [replace(x, cash=D(100_000), events=1) for x in lines]
    lines[-1] = replace(lines[-1], cash=D(110_000))
    earned = replace(EVENTS[-1], amount=D(10_000), at=EVENTS[-1].at)
    lines[-1] = replace(lines[-1], events=2)

    year = statement(lines, [EVENTS[0], earned]).periods[3]

    assert (year.opened, year.missing) == (date(2025, 2, 28), "")
    assert year.net == pytest.approx(0.10)


@pytest.mark.parametrize(
    ("first", "last", "months"),
    [
        ("2017-12-29", "2018-06-29", 6),  # both are the last sessions of their months
        ("2017-12-29", "2018-06-28", 5),
        ("2018-01-10", "2018-06-29", 5),
        ("2018-01-10", "2018-02-09", 0),
        ("2018-01-10", "2019-01-10", 12),
    ],
)
def test_months_between(first, last, months):
    assert months_between(date.fromisoformat(first), date.fromisoformat(last)) == months


def test_what_was_done():
    now, ever = FEBRUARY.now, FEBRUARY.ever

    assert (now.entries, ever.entries) == (2, 3)
    assert [trade.id for trade in now.closed] == ["XYZ-2", "XYZ-1"]
    assert (now.premium_sold, now.paid_back) == (350, 50)
    assert dict(now.exits) == {Reason.PROFIT_TARGET: 1, Reason.DELIVERED_STOCK: 1}
    assert (now.wins, now.assignments) == (1, 1)
    assert now.payoff_ratio == pytest.approx(98.58 / 351.70)
    assert now.worst.id == "XYZ-1"


def test_a_month_in_which_nothing_closed():
    january = statement(month="2026-01")

    assert january.now.closed == ()
    assert january.now.worst is None
    assert math.isnan(january.now.payoff_ratio)
    assert january.incidents == ()


def test_what_lies_after_the_month_is_not_looked_at():
    wrong = [*LINES[:-1], replace(LINES[-1], cash=D(0))]

    assert statement(wrong, month="2026-01").bridge == statement(month="2026-01").bridge


def test_open_positions_carry_days_left_mark_and_profit():
    (held,) = FEBRUARY.holdings

    assert held.leg == Leg(LATER_PUT, -2)
    assert held.days_to_expiry == 21
    assert (held.mark.value, held.profit) == (-260, -60)  # sold for 200


def test_margin_is_the_peak_share_of_nav_and_its_day():
    margin = FEBRUARY.margin

    assert (margin.peak, margin.peak_day) == (5_000, date(2026, 2, 19))
    assert margin.peak_share == pytest.approx(5_000 / float(LINES[15].nav))
    assert (margin.now, margin.calls) == (2_000, 0)


def test_margin_calls_are_counted():
    free = {5: D("-0.01"), 6: D(-1), 9: D(0)}  # the last cent may be used
    lines = [replace(x, free=free.get(x.day.day, x.free)) for x in LINES]

    assert statement(lines).margin.calls == 2


def test_the_worst_month_is_net_and_named():
    assert FEBRUARY.worst_month[0] == "2026-02"
    assert FEBRUARY.worst_month[1] == pytest.approx(FEBRUARY.periods[0].net)


def test_a_whole_month_is_complete():
    assert (FEBRUARY.status, FEBRUARY.incidents) == ("complete", ())


def test_a_missing_session_is_an_incident():
    lines = [line for line in LINES if line.day != date(2026, 2, 5)]

    found = statement(lines)

    assert found.incidents == ("No close was recorded on 2026-02-05.",)
    assert found.status == "1 incident"


def test_an_unfinished_month_is_an_incident():
    found = statement(LINES[:-2], incidents=["The broker was down on 3 February."])

    assert found.incidents == (
        "The broker was down on 3 February.",
        "The record ends on 2026-02-25, 2 sessions early.",
    )
    assert found.status == "2 incidents"


@pytest.mark.parametrize("month", ["2026-2", "2026-13", "Feb 2026", "", "2026-02-01"])
def test_a_month_that_is_no_month_is_refused(month):
    with pytest.raises(ValueError, match="a month is written as 2018-02"):
        statement(month=month)


def test_a_month_outside_the_record_is_refused_with_what_there_is():
    with pytest.raises(ValueError, match="2027-01; it holds 2026-01-28 to 2026-02-27"):
        statement(month="2027-01")


@pytest.mark.parametrize("place", range(len(EVENTS)))
def test_no_statement_is_made_when_an_event_is_lost(place):
    lines = [replace(x, events=x.events - (x.events > place)) for x in LINES]

    with pytest.raises(StatementCheckFailed):
        statement(lines, EVENTS[:place] + EVENTS[place + 1 :])


def test_the_months_of_a_backtest_add_up_to_its_result():
    march, april = (
        statement(RESULT.lines, RESULT.events, month) for month in ("2026-03", "2026-04")
    )

    assert march.bridge.net + april.bridge.net == RESULT.net_profit
    assert march.bridge.closing == april.bridge.opening
    assert (*march.now.closed, *april.now.closed) == RESULT.trades
    assert april.ever.closed == RESULT.trades
    assert april.status == "1 incident"
    chained = (1 + march.periods[0].net) * (1 + april.periods[0].net) - 1
    assert chained == pytest.approx(april.periods[2].net)
