"""The requirement of whole books: pairing, cash accounts, stock, and what is left free."""

from datetime import UTC, date, datetime
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.market.chains import NoQuote
from dollarbill_core.market.view import View
from dollarbill_core.rules.accounts import CASH, REG_T
from dollarbill_core.rules.margin import NotAllowed, excess, free_funds, requirement
from dollarbill_core.values.book import Book, Position
from dollarbill_core.values.contracts import Option, Right, Stock

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
        "short put and call asks 1,680.00: the dearer side 1,600.00 and the other's value 80.00",
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

    with pytest.raises(NoQuote, match="XYZ"):
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
