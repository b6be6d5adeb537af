"""Dated fees: no day without a row, none with two, and the figures of published notices."""

from datetime import date, timedelta
from decimal import Decimal as D
from itertools import pairwise

import pytest

from dollarbill_core.rules import fee_tables
from dollarbill_core.rules.charges import FIRST_DAY, Options, Rounding
from dollarbill_core.rules.costs import ALPACA, INTERACTIVE_BROKERS, TASTYTRADE

BROKERS = (INTERACTIVE_BROKERS, ALPACA, TASTYTRADE)
NEXT = timedelta(days=1)


@pytest.mark.parametrize("costs", BROKERS, ids=lambda costs: costs.name)
def test_the_rows_of_each_kind_tile_the_time_line(costs):
    kinds = {charge.kind for charge in costs.charges}
    for kind in kinds:
        rows = sorted((c for c in costs.charges if c.kind == kind), key=lambda row: row.since)

        assert rows[0].since == FIRST_DAY and rows[-1].until == date.max, kind
        assert all(row.until == after.since for row, after in pairwise(rows)), kind


@pytest.mark.parametrize("costs", BROKERS, ids=lambda costs: costs.name)
def test_each_kind_is_in_force_once_on_every_day_that_changes_anything(costs):
    kinds = sorted({charge.kind for charge in costs.charges})
    turns = {charge.since for charge in costs.charges} - {FIRST_DAY}
    for day in {FIRST_DAY, *turns, *(turn - NEXT for turn in turns), date(2050, 1, 3)}:
        assert sorted(charge.kind for charge in costs.in_force(day)) == kinds, day


@pytest.mark.parametrize("costs", BROKERS, ids=lambda costs: costs.name)
def test_every_row_has_a_source(costs):
    assert all(charge.source for charge in costs.charges)


@pytest.mark.parametrize("costs", BROKERS, ids=lambda costs: costs.name)
def test_the_earliest_row_of_a_kind_is_estimated_unless_it_says_that_there_was_no_fee(costs):
    for row in costs.in_force(FIRST_DAY):
        rates = [row.per_contract, row.per_share, row.per_dollar_sold, row.per_delivery]
        assert row.estimated or not any(rates), row


def test_each_broker_rounds_its_own_way():
    assert {c.rounding for c in ALPACA.charges} == {Rounding.DAY}
    assert {c.rounding for c in INTERACTIVE_BROKERS.charges} == {Rounding.ORDER}
    assert {c.rounding for c in TASTYTRADE.charges} == {Rounding.ORDER}


def rate(rows, day, field) -> D:
    (row,) = (r for r in rows if r.since <= date.fromisoformat(day) < r.until)
    return getattr(row, field)


# SEC fee rate advisories and FINRA information notices, dollars per million sold.
@pytest.mark.parametrize(
    ("day", "per_million"),
    [
        ("2001-12-27", "33.30"), ("2001-12-28", "15.00"), ("2003-03-31", "25.20"),
        ("2003-04-01", "46.80"), ("2004-02-22", "39.00"), ("2008-03-31", "11.00"),
        ("2008-04-01", "5.60"), ("2009-10-02", "25.70"), ("2010-01-14", "25.70"),
        ("2010-01-15", "12.70"), ("2011-01-20", "16.90"), ("2011-01-21", "19.20"),
        ("2012-02-21", "18.00"), ("2012-11-15", "22.40"), ("2014-03-17", "17.40"),
        ("2014-03-18", "22.10"), ("2016-02-15", "18.40"), ("2016-02-16", "21.80"),
        ("2018-05-21", "23.10"), ("2018-05-22", "13.00"), ("2019-04-16", "20.70"),
        ("2020-02-18", "22.10"), ("2021-02-25", "5.10"), ("2023-02-27", "8.00"),
        ("2024-05-22", "27.80"), ("2025-05-13", "27.80"), ("2025-05-14", "0"),
        ("2026-04-03", "0"), ("2026-04-04", "20.60"),
    ],
)  # fmt: skip
def test_section_31_by_its_advisories(day, per_million):
    rows = fee_tables.section_31(Rounding.ORDER)

    assert rate(rows, day, "per_dollar_sold") == D(per_million) / 1_000_000


def test_index_options_are_exempt_from_section_31_since_it_was_cut():
    rows = fee_tables.section_31(Rounding.ORDER)

    assert rate(rows, "2001-12-27", "options") is Options.ALL
    assert rate(rows, "2001-12-28", "options") is Options.NOT_INDEX


# FINRA's schedules: dollars per contract, per share and at most for a sale of shares.
@pytest.mark.parametrize(
    ("day", "contract", "share", "cap"),
    [
        ("2012-02-29", "0.002", "0.000090", "4.50"),
        ("2012-03-01", "0.002", "0.000095", "4.75"),
        ("2023-06-01", "0.00244", "0.000145", "7.27"),
        ("2025-06-01", "0.00279", "0.000166", "8.30"),
        ("2026-09-30", "0.00329", "0.000195", "9.79"),
        ("2026-10-01", "0", "0", "0"),
        ("2027-01-01", "0.00329", "0.000195", "9.79"),
    ],
)
def test_trading_activity_by_its_schedules(day, contract, share, cap):
    rows = fee_tables.trading_activity(Rounding.ORDER)

    assert rate(rows, day, "per_contract") == D(contract)
    assert rate(rows, day, "per_share") == D(share)
    assert rate(rows, day, "share_cap") == D(cap)


# OCC's schedules: dollars per contract, and at most for a trade.
@pytest.mark.parametrize(
    ("day", "contract", "cap"),
    [
        ("2020-01-31", "0.055", "55"),
        ("2021-06-01", "0.02", "55"),
        ("2025-02-13", "0.02", "55"),
        ("2025-02-14", "0.025", None),
        ("2025-12-15", "0", None),
        ("2026-01-02", "0.025", None),
    ],
)
def test_clearing_by_its_schedules(day, contract, cap):
    rows = fee_tables.clearing(Rounding.ORDER)

    assert rate(rows, day, "per_contract") == D(contract)
    assert rate(rows, day, "cap") == (None if cap is None else D(cap))


def test_the_audit_trail_counts_a_contract_as_its_shares():
    rows = fee_tables.audit_trail(Rounding.ORDER)

    assert rate(rows, "2024-08-31", "per_contract") == 0
    assert rate(rows, "2024-11-01", "per_contract") == D("0.0048")
    assert rate(rows, "2026-11-02", "per_contract") == D("0.0003")
    assert rate(rows, "2026-11-02", "per_share") == D("0.000003")


def test_a_table_that_is_not_one_is_refused():
    with pytest.raises(ValueError, match="Invalid isoformat"):
        fee_tables.rows_of("soon 1 = a source", 1)
