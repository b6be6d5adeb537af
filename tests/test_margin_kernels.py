"""Compiled margin of book-days: the same dollars as the plain rules, by twin and by book."""

from datetime import UTC, date, datetime
from decimal import Decimal as D

import numpy as np
import pytest

from dollarbill_core.market.view import View
from dollarbill_core.rules.accounts import REG_T
from dollarbill_core.rules.margin import requirement
from dollarbill_core.rules.margin_kernels import (
    condor_margins,
    strangle_margins,
    vertical_margins,
)
from dollarbill_core.values.book import Book, Position
from dollarbill_core.values.contracts import Option, Right

DAYS = 400
NOW, EXPIRY = datetime(2026, 11, 2, 21, tzinfo=UTC), date(2026, 12, 18)
RATE, FLOOR = 0.20, 0.10


def market(seed=7):
    """Spots in cents, strikes in halves of a dollar, on both sides of the money; marks."""
    rng = np.random.default_rng(seed)
    spot = np.round(rng.uniform(20, 400, DAYS), 2)
    strikes = np.sort(np.round(2 * spot * rng.uniform(0.6, 1.4, (4, DAYS))) / 2, axis=0)
    strikes += np.arange(4)[:, None] * 0.5  # no two alike
    marks = np.round(rng.exponential(3.0, (2, DAYS)), 2)
    marks[:, :20] = 0.0
    return spot, *strikes, *marks


def asked(spot, legs):
    """What the book of a day asks, by the plain rules."""
    options = {
        Option("XYZ", EXPIRY, D(str(strike)), right): (quantity, D(str(mark)))
        for right, strike, quantity, mark in legs
    }
    marks = {option: mark for option, (_, mark) in options.items()}
    held = tuple(Position(option, quantity) for option, (quantity, _) in options.items())
    view = View(NOW, {"XYZ": D(str(spot))}, marks)
    return float(requirement(Book(positions=held), view, REG_T).maintenance)


def both_ways(kernel, *arguments):
    """The compiled form's answers, once they agree with the plain form's."""
    fast, slow = np.empty(DAYS), np.empty(DAYS)
    kernel(*arguments, fast)
    kernel.plain(*arguments, slow)
    np.testing.assert_allclose(fast, slow, rtol=1e-12, atol=1e-9, equal_nan=True)
    return fast


def test_strangles_ask_what_their_books_ask():
    spot, _, put, call, _, put_mark, call_mark = market()

    found = both_ways(strangle_margins, spot, put, call, put_mark, call_mark, RATE, FLOOR)

    for i in range(DAYS):
        legs = [(Right.PUT, put[i], -1, put_mark[i]), (Right.CALL, call[i], -1, call_mark[i])]
        assert found[i] == pytest.approx(asked(spot[i], legs), abs=0.006)


@pytest.mark.parametrize("right", Right)
@pytest.mark.parametrize("is_credit", [True, False], ids=["credit", "debit"])
def test_verticals_ask_what_their_books_ask(right, is_credit):
    spot, low, _, _, high, mark, _ = market()
    nearer, farther = (low, high) if right is Right.CALL else (high, low)
    short, long = (nearer, farther) if is_credit else (farther, nearer)

    found = both_ways(vertical_margins, float(right), spot, short, long, mark, RATE, FLOOR)

    for i in range(DAYS):
        legs = [(right, short[i], -1, mark[i]), (right, long[i], 1, 0.0)]
        assert found[i] == pytest.approx(asked(spot[i], legs), abs=0.006)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (1, 0, 3, 2), (0, 2, 1, 3), (2, 3, 0, 1)])
def test_condors_ask_what_their_books_ask_whatever_the_order_of_strikes(order):
    spot, *strikes, put_mark, call_mark = market()
    long_put, put, call, long_call = (strikes[k] for k in order)
    terms = (put_mark, call_mark, RATE, FLOOR)

    found = both_ways(condor_margins, spot, long_put, put, call, long_call, *terms)

    for i in range(DAYS):
        legs = [
            (Right.PUT, long_put[i], 1, 0.0),
            (Right.PUT, put[i], -1, put_mark[i]),
            (Right.CALL, call[i], -1, call_mark[i]),
            (Right.CALL, long_call[i], 1, 0.0),
        ]
        assert found[i] == pytest.approx(asked(spot[i], legs), abs=0.006)


@pytest.mark.parametrize("unknown", range(7))
def test_what_is_not_known_gives_nan(unknown):
    columns = [column.copy() for column in market()]
    columns[unknown][:] = np.nan
    spot, k1, k2, k3, k4, put_mark, call_mark = columns

    found = both_ways(condor_margins, spot, k1, k2, k3, k4, put_mark, call_mark, RATE, FLOOR)

    assert np.isnan(found).all()
    if unknown not in (1, 4):
        found = both_ways(strangle_margins, spot, k2, k3, put_mark, call_mark, RATE, FLOOR)
        assert np.isnan(found).all()
    if unknown in (0, 1, 2, 5):
        found = both_ways(vertical_margins, -1.0, spot, k2, k1, put_mark, RATE, FLOOR)
        assert np.isnan(found).all()
