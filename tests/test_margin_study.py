"""What accounts ask side by side, and the map of jumps, for the structure of notebook 01."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D

import pytest

from dollarbill_core.market.view import View
from dollarbill_core.publishing.transcripts import margin_study_told
from dollarbill_core.results.margin_study import asked_by, margin_study
from dollarbill_core.results.outlook import Outlook
from dollarbill_core.rules.accounts import (
    ACCOUNTS,
    ALPACA,
    CASH,
    PORTFOLIO,
    REG_T,
    TASTYTRADE,
)
from dollarbill_core.rules.margin import NotAllowed, excess, requirement
from dollarbill_core.values.book import Book, Position
from dollarbill_core.values.calendars import expiry_instant
from dollarbill_core.values.contracts import Leg, Option

PUT = Option.from_occ("SPXW260320P05700000")
CALL = Option.from_occ("SPXW260320C06300000")
NOW = expiry_instant(PUT) - timedelta(days=40)
VIEW = View(NOW, {"SPX": D(6000)}, {PUT: D(40), CALL: D(30)})
SOLD = Book(D(7000), (Position(PUT, -1, D(-4000)), Position(CALL, -1, D(-3000))))
PROMISED = Outlook(
    now=NOW,
    expires=expiry_instant(PUT),
    spot=6000.0,
    legs=(Leg(PUT, -1), Leg(CALL, -1)),
    candidates=(),
    book=SOLD,
    vols=(0.2, 0.15),
    rate=0.0,
    dividend_yield=0.0,
    required=requirement(SOLD, VIEW, REG_T),
)


def by_account(capital: str) -> dict:
    return {row.account: row for row in asked_by(SOLD, VIEW, D(capital))}


def test_each_account_asks_by_its_own_rules():
    asked = by_account("200000")

    # 40 x 100 + max(15 % of 6,000 - 300, 10 % of 5,700) x 100 + 30 x 100
    assert asked[REG_T].tied_up == D(67_000)
    # tastytrade: 25 % of 6,000 less 300 out of the money, both sides alike
    assert asked[TASTYTRADE].tied_up == D(127_000)
    assert 0 < asked[PORTFOLIO].tied_up < asked[REG_T].tied_up
    assert tuple(asked) == tuple(ACCOUNTS.values())


def test_an_account_that_may_not_hold_it_says_which_leg():
    asked = by_account("200000")

    for account in (ALPACA, CASH):
        assert asked[account].tied_up is None
        assert str(PUT) in str(asked[account]) or str(CALL) in str(asked[account])
        assert str(asked[account]).startswith(f"{account.name}: refused")


@pytest.mark.parametrize(("capital", "barred"), [("99999", True), ("100000", False)])
def test_portfolio_margin_is_barred_to_small_capital(capital, barred):
    row = by_account(capital)[PORTFOLIO]

    assert bool(row.barred) is barred
    assert ("not open to this capital" in str(row)) is barred


@pytest.mark.parametrize(("capital", "barred"), [("60000", False), ("59999.99", True)])
def test_capital_that_does_not_carry_it_is_said_to_be_too_little(capital, barred):
    row = by_account(capital)[REG_T]  # 67,000 are asked, 7,000 of them brought in by the sale

    line = "; not open to this capital: 0.01 more is asked than there is"
    assert str(row) == "Reg T margin: 67,000.00" + line * barred


def test_small_capital_gets_no_credit():
    asked = by_account("1999.99")

    assert asked[REG_T].barred.startswith(
        "a Reg T margin account gives credit from 2,000.00 on; 58,000.01 more is asked"
    )


def test_the_map_starts_from_today_in_an_account_of_that_capital():
    study = margin_study(PROMISED, VIEW, REG_T, D(80_000))
    held = replace(SOLD, cash=D(87_000))
    today = requirement(held, VIEW, REG_T)
    row, column = list(study.matrix.vol_points).index(0), list(study.matrix.spot_moves).index(0)

    assert study.matrix.profits[row, column] == 0
    assert study.matrix.margins[row, column] == float(today.maintenance)
    assert study.matrix.excess[row, column] == float(excess(held, VIEW, today)) == 20_000
    assert min(outcome.profit for outcome in study.shocks) < -80_000


def test_less_capital_is_called_at_smaller_moves():
    fall, rise = margin_study(PROMISED, VIEW, REG_T, D(80_000)).matrix.room()
    nearer_fall, nearer_rise = margin_study(PROMISED, VIEW, REG_T, D(70_000)).matrix.room()

    assert fall < nearer_fall < 0 < nearer_rise < rise


def test_a_structure_that_the_account_may_not_hold_has_no_map():
    with pytest.raises(NotAllowed, match=r"6300 CALL|5700 PUT"):
        margin_study(PROMISED, VIEW, CASH, D(80_000))


def test_the_study_is_told_in_lines():
    called = margin_study_told(margin_study(PROMISED, VIEW, REG_T, D(80_000))).splitlines()
    calm = margin_study_told(margin_study(PROMISED, VIEW, REG_T, D(9_000_000))).splitlines()

    assert called[0] == "Reg T margin: 67,000.00"
    assert "tastytrade: 127,000.00; not open to this capital: 40,000.00 more" in called[3]
    assert called[len(ACCOUNTS) + 4] == "spot +0%: +0, margin 67,000"
    assert called[-2].startswith("with 80,000 a call comes at -")
    assert calm[-2] == "with 9,000,000 a call comes at no node"


def test_a_requirement_that_is_not_proved_the_least_says_so():
    [asked] = asked_by(SOLD, VIEW, D(0), [REG_T])
    cut_short = replace(asked, required=replace(asked.required, unproved=D("12.5")))

    assert "lower" not in str(asked)
    assert "(the least may be up to 12.50 lower)" in str(cut_short)
