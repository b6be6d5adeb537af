"""Borrowed shares: a fee for each night, by brokers' own examples, and recalls."""

from dataclasses import replace
from datetime import date
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.rules.borrow import (
    LoanTerms,
    borrow_fees,
    nights_until_next_session,
    recalls,
)
from dollarbill_core.rules.costs import ALPACA, INTERACTIVE_BROKERS
from dollarbill_core.values.book import Assignment, Book, Fee, Position, Trade
from dollarbill_core.values.calendars import close_instant
from dollarbill_core.values.contracts import Leg, Option, Stock

TERMS = LoanTerms("plain", "a test", general=D("0.36"))  # a thousandth of the value a night
XYZ = Stock("XYZ")
CALL = Option.from_occ("XYZ261120C00100000")
FRIDAY = close_instant(date(2026, 11, 20))


def test_a_night_is_one_360th_of_a_year():
    assert TERMS.fee("XYZ", 100, D(50), nights=1) == D("5.00")
    assert TERMS.fee("XYZ", 100, D(50), nights=3) == D("15.00")
    assert replace(TERMS, days_in_year=365).fee("XYZ", 100, D(50), nights=73) == D("360.00")


# Interactive Brokers: 102 % of the close, up to the dollar; a forum's statement of 2021.
def test_interactive_brokers_rounds_its_collateral_up_to_the_dollar():
    terms = replace(INTERACTIVE_BROKERS.loans, rates={"NIO": D("0.0029")})

    assert terms.fee("NIO", 3700, D("42.80"), nights=1) == D("1.32")  # on 44 dollars
    assert terms.fee("NIO", 3700, D("0.10"), nights=360) == D("10.73")  # on 1 dollar


# Alpaca: round lots, whatever was sold.
def test_alpaca_borrows_round_lots():
    terms = replace(ALPACA.loans, general=D("0.36"))

    assert terms.fee("XYZ", 1, D(50), nights=1) == terms.fee("XYZ", 100, D(50), nights=1) == 5
    assert terms.fee("XYZ", 101, D(50), nights=1) == 10


@pytest.mark.parametrize(
    ("day", "nights"),
    [("2026-11-19", 1), ("2026-11-20", 3), ("2026-11-25", 2), ("2026-12-24", 4)],
)
def test_weekends_and_holidays_count(day, nights):
    assert nights_until_next_session(date.fromisoformat(day)) == nights


def assigned() -> Book:
    """A call assigned on a Friday evening: 200 shares short on Monday's open."""
    legs = (Leg(CALL, -2),)
    book = Book(D(50_000), (Position(CALL, -2, D(-400)),), (Trade("t", legs, FRIDAY, D(400)),))
    return book.after(Assignment(FRIDAY, "t", CALL, 2))


def test_an_assigned_short_call_borrows_over_the_weekend():
    fees = borrow_fees(assigned(), {"XYZ": D(110)}, TERMS, FRIDAY)

    assert fees == (Fee(FRIDAY, D("66.00"), "stock borrow", "t"),)  # 200 x 110 / 1000 x 3
    assert assigned().after_all(fees).cash == assigned().cash - 66


def test_long_shares_borrow_nothing():
    assert borrow_fees(Book(D(1), (Position(XYZ, 100),)), {"XYZ": D(110)}, TERMS, FRIDAY) == ()


def test_shares_without_a_price_are_an_error_not_a_zero():
    with pytest.raises(ValueError, match="200 XYZ are borrowed, but there is no price"):
        borrow_fees(assigned(), {}, TERMS, FRIDAY)


def test_a_recalled_loan_is_flagged():
    called = replace(TERMS, recalled=("XYZ",))

    assert recalls(assigned(), TERMS) == ()
    assert recalls(assigned(), called) == (
        "200 XYZ are borrowed and recalled: buy them, or be bought in at any price",
    )


@pytest.mark.parametrize(
    ("field", "why"),
    [
        ({"general": D("-0.01")}, "easy to borrow -0.01"),
        ({"rates": {"GME": D("NaN")}}, "GME NaN"),
        ({"lot": 0}, "a lot of 1 or more"),
        ({"markup": D("0.5")}, "a markup from 1"),
        ({"days_in_year": 364}, "360 or 365 days"),
    ],
)
def test_terms_that_cannot_be_are_refused(field, why):
    with pytest.raises(ValueError, match=why):
        replace(TERMS, **field)


@pytest.mark.parametrize(
    ("shares", "price", "nights", "why"),
    [(100, "0", 1, "at a price of 0"), (-1, "5", 1, "got -1, 1"), (1, "5", -1, "got 1, -1")],
)
def test_a_loan_that_cannot_be_is_refused(shares, price, nights, why):
    with pytest.raises(ValueError, match=why):
        TERMS.fee("XYZ", shares, D(price), nights)


@given(
    shares=st.integers(0, 10_000),
    price=st.decimals("0.01", "5000", places=2),
    nights=st.integers(0, 30),
    more=st.integers(0, 30),
)
def test_nights_add_up_to_a_cent(shares, price, nights, more):
    terms = INTERACTIVE_BROKERS.loans
    apart = terms.fee("XYZ", shares, price, nights) + terms.fee("XYZ", shares, price, more)
    together = terms.fee("XYZ", shares, price, nights + more)

    assert 0 <= together <= apart <= together + D("0.01")
