"""The requirement of whole books: pairing, cash accounts, stock, and what is left free."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal as D
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.market.chains import NoQuote
from dollarbill_core.market.view import View
from dollarbill_core.pricing.losses import worst_loss
from dollarbill_core.rules.accounts import (
    ALPACA,
    CASH,
    ETFS_AS_EQUITIES,
    INTERACTIVE_BROKERS_REG_T,
    PORTFOLIO,
    REG_T,
)
from dollarbill_core.rules.margin import (
    NotAllowed,
    excess,
    free_funds,
    marginal,
    requirement,
    what_if,
)
from dollarbill_core.rules.portfolio_margin import requirement_of
from dollarbill_core.rules.requirements import Rule
from dollarbill_core.rules.strategy_margin import spread_requirement
from dollarbill_core.values.book import Book, Fill, Position
from dollarbill_core.values.contracts import Leg, Option, Right, Stock
from dollarbill_core.values.orders import Intent, Order, Reason

NOW = datetime(2026, 11, 2, 21, tzinfo=UTC)
EXPIRY = date(2026, 12, 18)


def option(right: Right, strike, root: str = "XYZ") -> Option:
    return Option(root, EXPIRY, D(strike), right)


PUT, CALL = option(Right.PUT, 95), option(Right.CALL, 105)


def view(spot="100", **marks) -> View:
    prices = {PUT: D(marks.get("put", "1.00")), CALL: D(marks.get("call", "0.80"))}
    return View(NOW, {"XYZ": D(spot)}, prices)


def book(*holdings, cash="10000") -> Book:
    return Book(D(cash), tuple(Position(*holding) for holding in holdings))


# put alone 100 + 2000 - 500 = 1600, floor 950; call alone 80 + 2000 - 500 = 1580, floor 1000
@pytest.mark.parametrize(
    ("holdings", "expected"),
    [
        pytest.param([(PUT, -1)], 1600, id="one put"),
        pytest.param([(PUT, -1), (CALL, -1)], 1680, id="strangle"),
        pytest.param([(PUT, -3), (CALL, -1)], 1680 + 2 * 1600, id="uneven sizes"),
        pytest.param([(PUT, 2)], 0, id="long options are paid for"),
        pytest.param([(Stock("XYZ"), 100)], 2500, id="long stock"),
        pytest.param([(Stock("XYZ"), -100)], 13000, id="short stock"),
        pytest.param([], 0, id="nothing"),
    ],
)
def test_reg_t_maintenance(holdings, expected):
    assert requirement(book(*holdings), view(), REG_T).maintenance == expected


def test_initial_counts_longs_at_cost_and_the_deposit_takes_off_the_premium():
    held = book((PUT, -1, D(-110)), (CALL, 1, D(85)))

    required = requirement(held, view(), REG_T)

    assert required.initial == 1600 + 85
    assert required.deposit == 1600 + 85 - 110
    assert required.to_carry == 1600


def test_two_underlyings_do_not_pair():
    other = option(Right.CALL, 105, "ABC")
    seen = View(NOW, {"XYZ": D(100), "ABC": D(100)}, {PUT: D(1), other: D("0.80")})

    assert requirement(book((PUT, -1), (other, -1)), seen, REG_T).maintenance == 1600 + 1580


def test_each_group_says_why():
    groups = requirement(book((PUT, -2), (CALL, -1)), view(), REG_T).groups

    assert [group.why for group in groups] == [
        "-1 XYZ 2026-12-18 95 PUT with -1 XYZ 2026-12-18 105 CALL: "
        "short put and call asks 1,680.00: "
        "the dearer side 1,600.00 and the other's value 80.00",
        "-1 XYZ 2026-12-18 95 PUT: uncovered put asks 1,600.00: "
        "its value 100.00 and a cushion of 1,500.00",
    ]


def test_free_funds_count_a_premium_once():
    sold = book((PUT, -1, D(-100)), cash="2000")

    assert free_funds(sold, view(), requirement(sold, view(), REG_T)) == 400


def test_long_stock_helps_to_carry_and_short_stock_does_not():
    long, short = book((Stock("XYZ"), 100)), book((Stock("XYZ"), -100), cash="20000")

    assert free_funds(long, view(), requirement(long, view(), REG_T)) == 10000 + 10000 - 5000
    assert free_funds(short, view(), requirement(short, view(), REG_T)) == 20000 - 15000


@pytest.mark.parametrize("account", [REG_T, PORTFOLIO], ids=lambda a: a.name)
@pytest.mark.parametrize(
    "legs",
    [
        [(PUT, -1, D(1))],
        [(Stock("XYZ"), -100, D(100))],
        [(Stock("XYZ"), -100, D(100)), (PUT, -1, D(1))],
        [(PUT, 1, D(1)), (CALL, -1, D("0.80"))],
    ],
    ids=["short put", "short stock", "covered put", "risk reversal"],
)
def test_opening_takes_the_deposit_from_the_free_funds(account, legs):
    opened = Book(D(10_000)).after_all(Fill(NOW, "t", *leg) for leg in legs)
    required = requirement(opened, view(), account)

    assert 10_000 - free_funds(opened, view(), required) == required.deposit > 0


def test_a_margin_call_comes_at_the_maintenance_rate():
    held = book((Stock("XYZ"), 100), cash="-6000")  # equity 4,000; initial 5,000, kept 2,500
    required = requirement(held, view(), REG_T)

    assert free_funds(held, view(), required) == -1000
    assert excess(held, view(), required) == 1500


class TestCashAccount:
    def test_puts_are_secured_by_their_strike(self):
        assert requirement(book((PUT, -2)), view(), CASH).maintenance == 2 * 9500

    def test_calls_are_covered_by_shares(self):
        held = book((CALL, -1), (Stock("XYZ"), 100))

        assert requirement(held, view(), CASH).maintenance == 10000

    @pytest.mark.parametrize(
        ("holdings", "named"),
        [
            ([(CALL, -1)], "XYZ 2026-12-18 105 CALL"),
            ([(CALL, -2), (Stock("XYZ"), 100)], "-2 XYZ 2026-12-18 105 CALL"),
            ([(option(Right.PUT, 4000, "SPXW"), -1)], "SPXW"),
            ([(Stock("XYZ"), -100)], "-100 XYZ"),
        ],
    )
    def test_what_it_may_not_hold_is_named(self, holdings, named):
        with pytest.raises(NotAllowed, match=named):
            requirement(book(*holdings), view(), CASH)


def test_a_short_without_a_mark_is_an_error_and_not_nothing():
    unmarked = option(Right.PUT, 90)

    with pytest.raises(NoQuote, match="XYZ 2026-12-18 90 PUT has no mark"):
        requirement(book((unmarked, -1)), view(), REG_T)


@given(puts=st.integers(1, 9), calls=st.integers(1, 9), put=st.integers(1, 900))
def test_pairs_cost_no_more_than_the_legs_alone(puts, calls, put):
    market = view(put=D(put) / 100)
    both = requirement(book((PUT, -puts), (CALL, -calls)), market, REG_T).maintenance
    alone = [
        requirement(book(one), market, REG_T).maintenance
        for one in ((PUT, -puts), (CALL, -calls))
    ]

    assert max(alone) <= both <= sum(alone)


# --- whole books: legs as "side right strike[@expiry]", premiums at their mark

CALL_RIGHT = {"C": Right.CALL, "P": Right.PUT}


def priced(spot, legs, shares=0, root="XYZ"):
    """A book and its view; ``legs`` are (quantity, right, strike, mark[, expiry[, root]])."""
    positions, marks = [], {}
    for quantity, right, strike, mark, *rest in legs:
        expiry = date.fromisoformat(rest[0]) if rest else EXPIRY
        name = rest[1] if len(rest) > 1 else root
        held = Option(name, expiry, D(str(strike)), CALL_RIGHT[right])
        marks[held] = D(str(mark))
        positions.append(Position(held, quantity, 100 * quantity * marks[held]))
    underlying = positions[0].instrument.underlying if positions else root
    if shares:
        positions.append(Position(Stock(underlying), shares))
    seen = View(NOW, {underlying: D(str(spot))}, marks)
    return Book(D(100_000), tuple(positions)), seen


def asks(spot, legs, account=REG_T, **others):
    return requirement(*priced(spot, legs, **others), account)


# Cboe, "Margin Requirement Examples for Sample Options-based Positions" (close of 2007-02-23):
# IBM at 97.73, SPX at 1451.19; M13 to M18 are the rule's own arithmetic.
@pytest.mark.parametrize(
    ("spot", "legs", "others", "initial", "deposit"),
    [
        pytest.param(97.73, [(-100, "C", 100, 1.68)], {}, 189560, 172760, id="M01"),
        pytest.param(97.73, [(-100, "P", 100, 3.18)], {}, 227260, 195460, id="M02"),
        pytest.param(
            97.73, [(-100, "C", 100, 1.68)], {"shares": 10000}, 488650, 471850, id="M03"
        ),
        pytest.param(
            97.73,
            [(100, "C", 100, 1.68), (-100, "P", 100, 3.18)],
            {},
            244060,
            212260,
            id="M05",
        ),
        pytest.param(
            97.73, [(100, "C", 95, 4.53), (-100, "C", 105, 0.4)], {}, 45300, 41300, id="M08"
        ),
        pytest.param(
            1451.19, [(-100, "C", 1460, 21.66)], {"root": "SPX"}, 2305285, 2088685, id="M09"
        ),
        pytest.param(100, [(-1, "C", 120, 0.5)], {}, 1050, 1000, id="M13"),
        pytest.param(100, [(-1, "P", 80, 0.4)], {}, 840, 800, id="M14"),
        pytest.param(600, [(-2, "P", 570, 3.1)], {"root": "SPY"}, 12620, 12000, id="M15"),
        pytest.param(100, [(-1, "C", 100, 3), (-1, "P", 100, 2.8)], {}, 2580, 2000, id="M18"),
        pytest.param(
            45,
            [(-1, "C", 47, 2.1), (-1, "P", 43, 1.2)],
            {},
            1030,
            700,
            id="tastytrade strangle",
        ),
    ],
)
def test_initial_and_deposit_of_published_examples(spot, legs, others, initial, deposit):
    required = asks(spot, legs, **others)

    assert (required.initial, required.deposit) == (initial, deposit)


# Alpaca, "Options Level 3 Trading" (2025-09-24): U01, U02; the rule's arithmetic: U03 to U07.
UNIVERSAL = [
    pytest.param([(1, "C", 200), (-1, "C", 190)], 1000, id="U01"),
    pytest.param([(1, "C", 100), (-1, "C", 110), (1, "C", 200), (-1, "C", 190)], 0, id="U02"),
    pytest.param([(1, "P", 190), (-1, "P", 195), (-1, "C", 205), (1, "C", 210)], 500, id="U03"),
    pytest.param(
        [(1, "P", 180), (-1, "P", 195), (-1, "C", 205), (1, "C", 210)], 1500, id="U04"
    ),
    pytest.param([(1, "P", 90), (-1, "P", 100), (-1, "C", 100), (1, "C", 110)], 1000, id="U05"),
    pytest.param([(1, "C", 95), (-2, "C", 100), (1, "C", 105)], 0, id="U06"),
    pytest.param([(-1, "C", 95), (2, "C", 100), (-1, "C", 105)], 500, id="U07"),
]


@pytest.mark.parametrize(("legs", "expected"), UNIVERSAL)
@pytest.mark.parametrize("account", [ALPACA, REG_T], ids=lambda account: account.name)
def test_spreads_ask_their_worst_netted_loss(legs, expected, account):
    valued = [(*leg, 5) for leg in legs]

    assert asks(200, valued, account).maintenance == expected


LEAN_SHORTS = [(-3, "C", 603), (-2, "C", 605), (-2, "C", 609), (-1, "C", 613)]


# QuantConnect LEAN's strategy matcher tests and its issue 9775: it charges an unequal condor by
# one wing, 10,000, where 32,000 can be lost.
@pytest.mark.parametrize(
    ("legs", "expected"),
    [
        pytest.param(
            [(1, "C", 598), (1, "C", 600), (-1, "C", 603), (-1, "C", 605)],
            0,
            id="overlapping debit spreads",
        ),
        pytest.param(
            [(3, "C", 598), (2, "C", 600), (3, "C", 604), (2, "C", 608), *LEAN_SHORTS],
            0,
            id="full coverage exists",
        ),
        pytest.param(
            [(1, "C", 595), (-2, "C", 600), (1, "C", 605)], 0, id="butterfly stays a butterfly"
        ),
        pytest.param([(-1, "P", 600), (1, "P", 500), (1, "P", 400)], 10000, id="spare long"),
    ],
)
def test_lean_cases(legs, expected):
    required = asks(600, [(*leg, 8) for leg in legs])

    assert required.maintenance == expected
    assert not [g for g in required.groups if g.rule is Rule.UNCOVERED_CALL]


def test_an_unequal_condor_is_charged_its_wider_side_or_as_two_spreads():
    condor = [(1, "P", 5680, 5), (-1, "P", 6000, 9), (-1, "C", 6200, 9), (1, "C", 6300, 5)]
    equal = [(1, "P", 5900, 5), *condor[1:]]

    assert asks(6100, condor, root="SPX").maintenance == 32_000
    assert asks(6100, condor, INTERACTIVE_BROKERS_REG_T, root="SPX").maintenance == 42_000
    assert asks(6100, equal, INTERACTIVE_BROKERS_REG_T, root="SPX").maintenance == 10_000


def test_a_spread_asks_no_more_than_its_short_alone():
    # S 410, a 300 put at 0.02 against a 100 put: 10 % of 300 and 0.02, not 200 points
    assert asks(410, [(-1, "P", 300, 0.02), (1, "P", 100, 0)]).maintenance == 3002


@pytest.mark.parametrize(
    ("long", "expected"),
    [
        pytest.param(("2026-11-20", "SPXW"), 1000, id="afternoon covers morning"),
        pytest.param(("2026-12-18", "SPX"), 1000, id="a later month covers"),
        pytest.param(("2026-11-13", "SPXW"), 93000, id="an earlier one does not"),
    ],
)
def test_a_long_covers_if_it_lives_as_long_by_the_instant(long, expected):
    legs = [(-1, "P", 6000, 30, "2026-11-20", "SPX"), (1, "P", 5990, 29, *long)]

    assert asks(6000, legs).maintenance == expected


def test_a_morning_long_does_not_cover_an_afternoon_short():
    legs = [(-1, "P", 6000, 30, "2026-11-20", "SPXW"), (1, "P", 5990, 29, "2026-11-20", "SPX")]

    assert asks(6000, legs).maintenance == 93000


# 100 shares and calls or puts of XYZ; each figure is redone in `stock_margin`'s docstrings.
@pytest.mark.parametrize(
    ("spot", "legs", "shares", "expected"),
    [
        pytest.param(105, [(-1, "C", 100, 6)], 100, 3000, id="covered call in the money"),
        pytest.param(100, [(1, "P", 95, 2)], 100, 1450, id="protective put"),
        pytest.param(100, [(1, "P", 95, 2), (-1, "C", 105, 2)], 100, 1450, id="collar"),
        pytest.param(103, [(1, "P", 100, 1), (-1, "C", 100, 4)], 100, 1300, id="conversion"),
        pytest.param(98, [(-1, "P", 100, 3), (1, "C", 100, 1)], -100, 11000, id="reversal"),
        pytest.param(95, [(-1, "P", 100, 6)], -100, 12850, id="covered put"),
        pytest.param(100, [(1, "C", 105, 2)], -100, 11550, id="protective call"),
        pytest.param(100, [(-2, "C", 105, 2)], 100, 2500 + 1700, id="ratio write"),
        pytest.param(100, [(-1, "C", 105, 2)], 150, 3750, id="odd shares"),
    ],
)
def test_stock_hedges(spot, legs, shares, expected):
    assert asks(spot, legs, shares=shares).maintenance == expected


@pytest.mark.parametrize(
    ("legs", "expected", "rules"),
    [
        pytest.param(
            [(1, "C", 95, 7), (-2, "C", 100, 4)], 2400, {Rule.SPREAD, Rule.UNCOVERED_CALL},
            id="ratio spread",
        ),
        pytest.param(
            [(1, "C", 95, 7), (-1, "C", 100, 4), (-1, "C", 110, 1)],
            1100,
            {Rule.SPREAD, Rule.UNCOVERED_CALL},
            id="ladder",
        ),
        pytest.param(
            [(-1, "C", 100, 3), (1, "C", 100, 5, "2027-01-15")], 0, {Rule.SPREAD}, id="calendar"
        ),
        pytest.param(
            [
                (-1, "C", 100, 3),
                (1, "P", 100, 3),
                (1, "C", 100, 5, "2027-01-15"),
                (-1, "P", 100, 5, "2027-01-15"),
            ],
            2500,
            {Rule.SPREAD, Rule.UNCOVERED_PUT, Rule.LONG_OPTION},
            id="jelly roll",
        ),
        pytest.param(
            [(-1, "C", 95, 7), (1, "P", 95, 1), (1, "C", 105, 1), (-1, "P", 105, 7)],
            1000,
            {Rule.SHORT_BOX},
            id="short box",
        ),
    ],
)  # fmt: skip
def test_structures_fall_into_their_groups(legs, expected, rules):
    required = asks(100, legs)

    assert required.maintenance == expected
    assert {group.rule for group in required.groups} == rules


def test_what_lends_counts_when_opening_and_in_the_excess():
    # a call of over a year: a quarter of 1,200; a European box of 20 points worth 19.50
    years, seen = priced(100, [(1, "C", 100, 12, "2027-12-17")])
    points = [
        ("C", 6000, 1, 30),
        ("P", 6000, -1, 25),
        ("C", 6020, -1, 20),
        ("P", 6020, 1, 34.5),
    ]
    box, shown = priced(6000, [(n, r, k, m) for r, k, n, m in points], root="SPX")

    required, boxed = requirement(years, seen, REG_T), requirement(box, shown, REG_T)

    assert (required.initial, required.maintenance, required.tied_up) == (900, 0, -300)
    assert excess(years, seen, required) == 100_000 + 300
    assert (boxed.initial, boxed.maintenance, boxed.tied_up) == (1950 + 4500 - 950, 0, -950)
    assert boxed.groups[0].rule is Rule.LONG_BOX


def test_a_long_that_may_cover_or_be_lent_on_leaves_the_better_of_the_two():
    # covering: nothing asked, nothing lent; apart: 2,320 for the put, 3,000 lent on the call
    legs = [(1, "P", 120, 120, "2027-12-17"), (-1, "P", 100, 3.2)]
    held, seen = priced(100, legs)
    required = requirement(held, seen, REG_T)

    assert required.maintenance == 0
    assert required.tied_up == 2320 - 3000
    assert excess(held, seen, required) == free_funds(held, seen, required) == 100_000 + 680


def test_a_condor_both_sides_of_which_can_lose_is_two_spreads():
    # short put above short call, by more than the width: 6 + 6 wide, 7 lost between
    condor = [(-1, "P", 48, 6), (1, "P", 42, 2), (-1, "C", 41, 4), (1, "C", 47, 1)]
    held, seen = priced("42.5", condor)
    legs = [Leg(p.instrument, p.quantity) for p in held.positions]

    assert spread_requirement(legs) == requirement(held, seen, REG_T).maintenance == 700
    assert spread_requirement(legs, INTERACTIVE_BROKERS_REG_T) == 1200
    assert requirement(held, seen, INTERACTIVE_BROKERS_REG_T).maintenance == 1200


def test_etf_shares_cover_index_calls():
    call = Option("SPX", EXPIRY, D(6100), Right.CALL)
    seen = View(NOW, {"SPX": D(6000), "SPY": D(600)}, {call: D(50)})
    held = book((call, -1), (Stock("SPY"), 1000))
    other = View(NOW, {"SPX": D(6000), "GLD": D(600)}, {call: D(50)})

    covered = requirement(held, seen, REG_T)
    bare = requirement(book((call, -1), (Stock("GLD"), 1000)), other, REG_T)

    assert covered.maintenance == D("0.25") * 600_000
    assert bare.maintenance == D("0.25") * 600_000 + 5_000 + 80_000


def test_volatility_calendars_offset_nothing():
    legs = [(-1, "C", 20, 2, "2026-11-18"), (1, "C", 20, 3, "2026-12-16")]

    assert asks(20, legs, root="VIX").maintenance == 200 + 400


def test_houses_differ_in_the_rate_of_broad_etfs():
    legs = [(-1, "P", 570, 3.1)]

    found = [asks(600, legs, a, root="SPY").maintenance for a in (REG_T, ETFS_AS_EQUITIES)]

    assert found == [6310, 9310]


def test_many_classes_are_margined_apart():
    names = [f"X{letter}" for letter in "ABCDEFGHIJ"]
    marks = {Option(name, EXPIRY, D(95), Right.PUT): D(1) for name in names}
    seen = View(NOW, dict.fromkeys(names, D(100)), marks)

    required = requirement(book(*((option, -1) for option in marks)), seen, REG_T)

    assert required.maintenance == 1600 * len(names)


def test_a_hundred_lots_ask_a_hundred_times_what_a_spread_asks():
    legs = [(1, "P", 90, 1), (-1, "P", 95, 2), (-1, "C", 105, 2), (1, "C", 112, 1)]
    many = [(100 * n, *rest) for n, *rest in legs]

    assert asks(100, many).maintenance == 100 * asks(100, legs).maintenance == 70_000


@pytest.mark.parametrize("leg", [(-1, "C", 105, 1), (-1, "P", 95, 1)], ids=str)
def test_an_account_without_uncovered_options_names_the_one_it_refuses(leg):
    covered_only = replace(REG_T, uncovered=False)
    wing = (1, leg[1], leg[2] + (5 if leg[1] == "C" else -5), 1)

    assert asks(100, [leg, wing], covered_only).maintenance == 500
    with pytest.raises(NotAllowed, match=f"-1 XYZ 2026-12-18 {leg[2]}"):
        asks(100, [leg], covered_only)


class TestAlpaca:
    @pytest.mark.parametrize("lots", [[600], [10, 10, 10], [40, 40, 40, 40]], ids=str)
    def test_puts_of_any_number_are_secured(self, lots):
        legs = [(-n, "P", 90 - 5 * i, 1) for i, n in enumerate(lots)]

        asked = asks(100, legs, ALPACA).maintenance

        assert asked == sum(100 * n * (90 - 5 * i) for i, n in enumerate(lots))

    def test_shares_cover_calls_of_any_number_and_longs_the_rest(self):
        legs = [(-20, "C", 105, 1), (-20, "C", 110, 1), (-20, "C", 115, 1), (20, "C", 111, 1)]

        # the longs cover the calls of 115 for nothing, the shares the others
        assert asks(100, legs, ALPACA, shares=4000).maintenance == 4000 * 30
        with pytest.raises(NotAllowed, match="CALL"):
            asks(100, legs, ALPACA, shares=3900)

    def test_longs_cover_what_they_save_most_on(self):
        # 30 longs at 75: over the puts of 90, 85 and 80 in one spread
        legs = [(-10, "P", 90, 1), (-10, "P", 85, 1), (-10, "P", 80, 1), (25, "P", 75, 1)]

        # the longs on 25 of them; the five in cash are the cheapest strike's
        expected = 5 * 8000 + 100 * (10 * 15 + 10 * 10 + 5 * 5)
        assert asks(100, legs, ALPACA).maintenance == expected

    def test_a_put_without_a_long_is_secured_by_its_strike(self):
        assert asks(200, [(-2, "P", 190, 3)], ALPACA).maintenance == 2 * 19_000

    def test_a_call_is_covered_by_shares_or_refused(self):
        assert asks(100, [(-1, "C", 105, 1)], ALPACA, shares=100).maintenance == 3000
        with pytest.raises(NotAllowed, match="-1 XYZ 2026-12-18 105 CALL"):
            asks(100, [(-1, "C", 105, 1)], ALPACA)

    def test_shares_cover_one_call_and_a_long_the_other(self):
        legs = [(-1, "C", 105, 1), (-1, "C", 110, 1), (1, "C", 115, 1)]

        assert asks(100, legs, ALPACA, shares=100).maintenance == 3000 + 500


def test_portfolio_margin_is_asked_of_its_own_module():
    held, seen = book((Stock("XYZ"), 100)), view()

    assert requirement(held, seen, PORTFOLIO) == requirement_of(held, seen, PORTFOLIO)


class TestWhatCannotBeMargined:
    EVERY = pytest.mark.parametrize("account", [REG_T, CASH, ALPACA], ids=lambda a: a.name)

    @EVERY
    @pytest.mark.parametrize("quantity", [-1, 1], ids=["short", "long"])
    @pytest.mark.parametrize("price", [D("-0.01"), D("NaN"), D("Infinity"), 1.5], ids=str)
    def test_a_price_that_is_none(self, account, quantity, price):
        seen = View(NOW, {"XYZ": D(100)}, {PUT: price})

        with pytest.raises(ValueError, match=r"XYZ 2026-12-18 95 PUT: .*negative"):
            requirement(book((PUT, quantity)), seen, account)

    def test_shares_of_an_index(self):
        seen = View(NOW, {"SPX": D(6000)})

        with pytest.raises(NotAllowed, match=r"\+100 SPX: an index has no shares"):
            requirement(book((Stock("SPX"), 100)), seen, REG_T)

    @EVERY
    def test_a_leg_that_has_expired(self, account):
        gone = Option("XYZ", date(2026, 10, 16), D(95), Right.PUT)
        seen = View(NOW, {"XYZ": D(100)}, {gone: D(1)})

        for quantity in (1, -1):
            with pytest.raises(ValueError, match="XYZ 2026-10-16 95 PUT has expired"):
                requirement(book((gone, quantity)), seen, account)

    @EVERY
    def test_a_deliverable_that_is_not_standard(self, account):
        adjusted = option(Right.PUT, 95, "XYZ1")

        with pytest.raises(NotAllowed, match="XYZ1 2026-12-18 95 PUT"):
            requirement(book((adjusted, -1)), View(NOW, {"XYZ": D(100)}, {}), account)

    @EVERY
    def test_a_short_without_a_price(self, account):
        with pytest.raises(NoQuote, match="XYZ 2026-12-18 90 PUT has no mark"):
            requirement(book((option(Right.PUT, 90), -1)), view(), account)


def order(*legs, intent=Intent.OPEN, number=1):
    signed = tuple(Leg(*leg) for leg in legs)
    return Order(f"o{number}", f"T{number}", signed, intent, Reason.ENTRY, NOW)


class TestWhatAChangeAsks:
    def test_a_leg_of_a_strangle_adds_its_value(self):
        held = book((PUT, -1), (CALL, -1))

        change = marginal(held, view(), REG_T, Leg(CALL, -1))

        assert (change.before.maintenance, change.after.maintenance) == (1600, 1680)
        assert change.maintenance == change.initial == 80

    def test_a_long_leg_that_covers_takes_off(self):
        held, seen = priced(100, [(-1, "P", 95, 1), (1, "P", 90, 0.5)])
        long = next(p for p in held.positions if p.quantity > 0)

        assert marginal(held, seen, REG_T, Leg(long.instrument, 1)).maintenance == 500 - 1600

    @pytest.mark.parametrize("leg", [Leg(CALL, -1), Leg(PUT, 1), Leg(PUT, -2)], ids=str)
    def test_only_what_is_held_has_a_margin(self, leg):
        with pytest.raises(ValueError, match="book"):
            marginal(book((PUT, -1)), view(), REG_T, leg)

    def test_an_order_is_seen_after_those_that_work(self):
        put, call = order((PUT, -1)), order((CALL, -1), number=2)

        alone = what_if(book(), view(), REG_T, call)
        behind = what_if(book(), view(), REG_T, call, working=(put,))

        assert (alone.before.maintenance, alone.after.maintenance) == (0, 1580)
        assert (behind.before.maintenance, behind.after.maintenance) == (1600, 1680)
        assert behind.book.quantity(CALL) == -1

    def test_working_orders_that_close_are_not_counted_on(self):
        held = book((PUT, -1))
        closing = order((PUT, 1), intent=Intent.CLOSE)

        change = what_if(held, view(), REG_T, order((CALL, -1), number=2), working=(closing,))

        assert change.before.maintenance == 1600


# --- properties

STRIKES = st.sampled_from([85, 90, 95, 100, 105, 110, 115])
DATES = st.sampled_from(["2026-11-20", "2026-12-18", "2027-03-19"])
SIGNED = st.sampled_from([-3, -2, -1, 1, 2, 3])
CENTS = st.integers(1, 900).map(lambda n: D(n) / 100)
LEGS = st.lists(
    st.tuples(SIGNED, st.sampled_from("CP"), STRIKES, CENTS, DATES),
    min_size=1,
    max_size=9,
    unique_by=lambda leg: leg[1:3] + leg[4:],
)
SHARES = st.sampled_from([0, 0, 100, 250, -100])


@given(legs=LEGS, shares=SHARES)
def test_the_total_lies_between_nothing_and_the_legs_alone(legs, shares):
    alone = sum(asks(100, [leg]).maintenance for leg in legs)
    alone += (
        requirement(book((Stock("XYZ"), shares)), view(), REG_T).maintenance if shares else 0
    )

    assert 0 <= asks(100, legs, shares=shares).maintenance <= alone


@given(legs=LEGS, shares=SHARES, times=st.integers(2, 7))
def test_several_of_a_book_ask_at_most_as_many_times_as_much(legs, shares, times):
    many = [(times * n, *rest) for n, *rest in legs]

    all_of_it = asks(100, many, shares=times * shares).maintenance

    assert all_of_it <= times * asks(100, legs, shares=shares).maintenance


@given(legs=LEGS, shares=SHARES, data=st.data())
def test_a_long_option_adds_at_most_its_price(legs, shares, data):
    more = data.draw(LEGS.filter(lambda found: found[0][0] > 0))[0]
    if more[1:3] + more[4:] in {leg[1:3] + leg[4:] for leg in legs}:
        return
    before = asks(100, legs, shares=shares)
    after = asks(100, [*legs, more], shares=shares)

    assert after.maintenance <= before.maintenance
    assert after.initial <= before.initial + 100 * more[0] * more[3]


@given(legs=LEGS.filter(lambda found: len(found) < 5), shares=SHARES)
def test_the_order_of_legs_is_of_no_account(legs, shares):
    found = {asks(100, list(order), shares=shares).maintenance for order in permutations(legs)}

    assert len(found) == 1


@given(legs=LEGS)
def test_covered_books_of_one_expiry_are_charged_what_they_can_lose(legs):
    dated = {leg[1:3]: (*leg[:4], "2026-12-18") for leg in legs}
    held = list(dated.values())
    for right in "CP":
        net = sum(leg[0] for leg in held if leg[1] == right)
        if net < 0:
            held.append((-net, right, 97, D(1), "2026-12-18"))
    required = asks(100, held)
    if all(group.rule in (Rule.SPREAD, Rule.LONG_OPTION) for group in required.groups):
        covered = [
            leg for group in required.groups if group.rule is Rule.SPREAD for leg in group.legs
        ]

        assert required.maintenance >= worst_loss(covered, 0).dollars


@given(legs=LEGS, shares=SHARES)
def test_groups_hold_every_leg_once_and_sum_to_the_total(legs, shares):
    held, seen = priced(100, legs, shares)
    required = requirement(held, seen, REG_T)

    for groups in (required.groups, required.initial_groups):
        count = {}
        for group in groups:
            assert group.why
            for leg in group.legs:
                count[leg.instrument] = count.get(leg.instrument, 0) + leg.quantity
        assert count == {p.instrument: p.quantity for p in held.positions}
        assert sum(g.paid for g in groups) == sum(
            p.cost
            for p in held.positions
            if p.quantity > 0 and isinstance(p.instrument, Option)
        )
