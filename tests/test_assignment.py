"""What a close does to a book, to the cent: expiry, exercise, assignment."""

from dataclasses import replace
from datetime import date
from decimal import Decimal as D

import numpy as np
import pytest

from dollarbill_core.market.chains import NoQuote
from dollarbill_core.market.view import History, View
from dollarbill_core.rules.assignment import settlement
from dollarbill_core.values.book import Assignment, Book, Exercise, Expiry, Fill, Position
from dollarbill_core.values.calendars import close_instant
from dollarbill_core.values.contracts import Option, Right, Stock

FRIDAY = date(2026, 11, 20)
CLOSE = close_instant(FRIDAY)


def option(right=Right.PUT, strike=100, root="XYZ", expiry=FRIDAY) -> Option:
    return Option(root, expiry, D(strike), right)


def at(spot, symbol="XYZ") -> View:
    return View(CLOSE, {symbol: D(spot)})


def holding(instrument, quantity) -> Book:
    return Book(D(1000), (Position(instrument, quantity),))


# An option in the money by a cent is exercised: OCC Rule 805(d)(2).
@pytest.mark.parametrize(
    ("right", "spot", "kind"),
    [
        (Right.CALL, "99.99", Expiry),
        (Right.CALL, "100.00", Expiry),
        (Right.CALL, "100.01", Assignment),
        (Right.PUT, "100.00", Expiry),
        (Right.PUT, "99.99", Assignment),
        (Right.PUT, "99.9950", Expiry),
    ],
)
def test_a_short_is_assigned_from_one_cent_in_the_money(right, spot, kind):
    (event,) = settlement(holding(option(right), -1), at(spot))

    assert isinstance(event, kind)


# Alpaca, "Options Trading Overview", post-trade examples: the shape of A01, A02 and A04.
@pytest.mark.parametrize(
    ("right", "strike", "quantity", "spot", "shares", "cash"),
    [
        (Right.CALL, "4.5", -1, "5", -100, "450"),
        (Right.PUT, "9", -1, "8", 100, "-900"),
        (Right.CALL, "6.5", 1, "7", 100, "-650"),
        (Right.PUT, "9", 2, "8", -200, "1800"),
    ],
)
def test_shares_change_hands_at_the_strike(right, strike, quantity, spot, shares, cash):
    before = holding(option(right, strike), quantity)

    after = before.after_all(settlement(before, at(spot)))

    assert after.cash - before.cash == D(cash)
    assert [(p.instrument, p.quantity) for p in after.positions] == [(Stock("XYZ"), shares)]


def test_an_index_option_settles_in_cash():
    before = holding(option(Right.PUT, 4000, "SPXW"), -2)

    (event,) = settlement(before, at("3990.25", "SPX"))

    assert isinstance(event, Expiry)
    assert event.cash == D("-1950.00")
    assert before.after(event).positions == ()


def test_nothing_settles_before_its_instant():
    later = option(expiry=date(2026, 11, 27))

    assert settlement(holding(later, -1), at("50")) == ()


def test_each_trade_settles_its_own_legs():
    put, call = option(), option(Right.CALL, 110)
    sold = [
        Fill(CLOSE, "A", put, -1, D(2)),
        Fill(CLOSE, "A", call, -1, D(1)),
        Fill(CLOSE, "B", put, -2, D(2)),
    ]
    book = Book(D(0)).after_all(sold)

    events = settlement(book, at("95"))

    assert sorted((e.trade, type(e).__name__, e.quantity) for e in events) == [
        ("A", "Assignment", 1),
        ("A", "Expiry", -1),
        ("B", "Assignment", 2),
    ]
    assert book.after_all(events).quantity(Stock("XYZ")) == 300


def test_a_long_is_exercised():
    (event,) = settlement(holding(option(), 3), at("90"))

    assert event == Exercise(CLOSE, "", option(), 3)


def test_an_opening_print_is_not_guessed():
    am = option(Right.PUT, 4000, "SPX")

    with pytest.raises(ValueError, match="opening print"):
        settlement(holding(am, -1), at("3990", "SPX"))


# A day without quotes: what expired on it settles at its own close, never at a later one.

MONDAY = date(2026, 11, 23)


def on_monday(friday: float, expiry_day: str = "2026-11-20") -> View:
    """Monday's view: 50 now, and what the history knows of the days before."""
    history = History(
        np.array(["2026-11-19", expiry_day, "2026-11-23"], dtype="datetime64[D]"),
        np.array([70.0, friday, 50.0]),
        np.full(3, 0.2),
    )
    return View(
        close_instant(MONDAY),
        {"XYZ": D(50), "SPX": D(50)},
        history={"XYZ": history, "SPX": history},
    )


@pytest.mark.parametrize(
    ("friday", "kind"),
    [pytest.param(100.5, Expiry, id="lapsed"), pytest.param(99.5, Assignment, id="assigned")],
)
def test_an_expiry_in_a_gap_settles_at_the_close_of_its_day(friday, kind):
    (event,) = settlement(holding(option(), -1), on_monday(friday))

    assert isinstance(event, kind)
    assert event.at == close_instant(MONDAY)


def test_an_index_option_in_a_gap_pays_by_the_close_of_its_day():
    (event,) = settlement(holding(option(root="SPXW"), -1), on_monday(97.25))

    assert event.cash == D("-275")


def test_an_expiry_dated_on_a_saturday_settles_at_the_close_of_friday():
    (event,) = settlement(holding(option(expiry=date(2026, 11, 21)), -1), on_monday(100.5))

    assert isinstance(event, Expiry)


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param(on_monday(np.nan), id="no close"),
        pytest.param(on_monday(99.0, "2026-11-18"), id="no such day"),
        pytest.param(replace(on_monday(99.0), history={}), id="no history"),
    ],
)
def test_an_unknown_close_is_not_guessed(seen):
    with pytest.raises(NoQuote, match=r"XYZ 2026-11-20 100 PUT settles .* 2026-11-20"):
        settlement(holding(option(), -1), seen)
