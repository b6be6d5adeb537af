"""What a requirement adds up to, and the sentence that explains a group."""

from decimal import Decimal as D

from dollarbill_core.rules.accounts import REG_T
from dollarbill_core.rules.requirements import Group, Margins, Requirement, Rule
from dollarbill_core.values.contracts import Leg, Option, Stock

SOLD = Leg(Option.from_occ("XYZ261218P00095000"), -1)
BOUGHT = Leg(Option.from_occ("XYZ261218P00090000"), 1)
SPREAD = Group((SOLD, BOUGHT), Rule.SPREAD, D(585), D(500), paid=D(85), facts=(D(90),))
LEAP = Group((BOUGHT,), Rule.LONG_OPTION, D(750), D(0), paid=D(1000), lent=D(250))


def test_opening_counts_longs_at_cost_and_holding_does_not():
    required = Requirement((SPREAD,), (SPREAD,), premium=D(110))

    assert (required.initial, required.maintenance) == (585, 500)
    assert required.deposit == 585 - 110
    assert required.to_carry == 500


def test_what_is_lent_on_a_long_option_helps_to_carry():
    required = Requirement((SPREAD, LEAP), (SPREAD, LEAP))

    assert required.initial == 585 + 750
    assert required.to_carry == 500 - 250
    assert required.tied_up == required.maintenance - 250


def test_initial_and_maintenance_may_come_from_two_groupings():
    dearer_to_hold = Group((SOLD, BOUGHT), Rule.SPREAD, D(400), D(700))

    required = Requirement((SPREAD,), (dearer_to_hold,))

    assert (required.initial, required.maintenance) == (400, 500)


def test_a_premium_above_the_requirement_leaves_no_deposit():
    assert Requirement((SPREAD,), (SPREAD,), premium=D(9000)).deposit == 0


def test_nothing_asks_nothing():
    empty = Requirement((), ())

    assert (empty.initial, empty.maintenance, empty.deposit, empty.tied_up) == (0, 0, 0, 0)


def test_every_dollar_is_rounded_once_in_the_sum():
    third = Group((SOLD,), Rule.UNCOVERED_PUT, D("0.004"), D("0.004"))

    assert Requirement((third,) * 3, (third,) * 3).maintenance == D("0.01")


def test_the_sentence_names_legs_rule_dollars_and_figures():
    assert SPREAD.why == (
        "-1 XYZ 2026-12-18 95 PUT with +1 XYZ 2026-12-18 90 PUT: spread asks 500.00 "
        "(585.00 to open): its worst netted intrinsic value, at 90"
    )


def test_the_sentence_stands_without_figures():
    held = Group((Leg(Stock("XYZ"), 100),), Rule.LONG_STOCK, D(2500), D(2500))

    assert held.why == "+100 XYZ: long stock asks 2,500.00"


def test_alpacas_account_example_is_equity_less_the_initial_requirement():
    """U16: options buying power 40,340.18, and twice that under Regulation T."""
    held = Group((SOLD,), Rule.UNCOVERED_PUT, D("63480.38"), D("63480.38"))

    left = D("103820.56") - Requirement((held,), (held,)).initial

    assert left == D("40340.18")
    assert left / REG_T.stock_initial == D("80680.36")


def test_units_of_a_structure_ask_as_many_times_its_margins():
    asked = Margins(D(750), D(0), paid=D(1000), lent=D(250)).times(3)

    assert asked == Margins(D(2250), D(0), D(3000), D(750))
