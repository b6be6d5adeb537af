"""The matrix against one book repriced and margined at a time, its edges by brute force."""

import math
import time
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dollarbill_core.market.carry import Rates
from dollarbill_core.market.chains import NoQuote
from dollarbill_core.market.view import View
from dollarbill_core.pricing import american, black_scholes
from dollarbill_core.rules.accounts import CASH, REG_T
from dollarbill_core.rules.margin import excess, requirement
from dollarbill_core.rules.shocks import SHOCKS, VolShift, shock
from dollarbill_core.rules.stress import (
    SPOT_MOVES,
    VOL_POINTS,
    shock_outcomes,
    stress,
    stress_matrix,
)
from dollarbill_core.values.book import Book, Position
from dollarbill_core.values.calendars import close_instant, expiry_instant, years_between
from dollarbill_core.values.contracts import Instrument, Option, Right, Stock

NOW = close_instant(date(2026, 11, 2))
EXPIRY = date(2026, 12, 18)
RATE, PAID, VOL = 0.04, {"SPY": 0.012, "SPX": 0.013}, 0.2
SPOTS = {"SPY": Decimal(600), "SPX": Decimal(6000), "XYZ": Decimal(50)}
DAY = 1 / 365
CENT = 0.011  # marks are rounded to a hundredth of a cent a share before margin is asked


def option(root: str, strike: float, right: Right, expiry: date = EXPIRY) -> Option:
    return Option(root, expiry, Decimal(str(strike)), right)


def fair(each: Option, factor: float = 1.0, vol: float = VOL, years_on: float = 0.0) -> float:
    """The plain twin: one option at a time."""
    style = black_scholes if each.is_european else american
    symbol, years = each.underlying, years_between(NOW, expiry_instant(each)) - years_on
    terms = float(each.strike), max(years, 0.0), RATE, vol, PAID.get(symbol, 0.0)
    return float(style.price(each.right, float(SPOTS[symbol]) * factor, *terms))


STRANGLE = ((option("SPY", 570, Right.PUT), -1), (option("SPY", 630, Right.CALL), -1))
MIXED = (
    *STRANGLE,
    (option("SPY", 540, Right.PUT, date(2027, 1, 15)), 2),
    (option("SPXW", 5700, Right.PUT), -1),
    (option("XYZ", 45, Right.PUT), -10),
    (Stock("XYZ"), 300),
)
MARKS: dict[Instrument, Decimal] = {
    each: Decimal(repr(fair(each))) for each, _ in MIXED if isinstance(each, Option)
}


def view(**changes) -> View:
    return replace(View(NOW, SPOTS, MARKS, rates=Rates(RATE), dividend_yields=PAID), **changes)


def book(*holdings: tuple[Instrument, int], cash: float = 150_000) -> Book:
    return Book(Decimal(cash), tuple(Position(*each) for each in holdings))


def one_by_one(held: Book, move: float, points: float, years_on: float = 0.0, betas=None):
    """Profit, margin and excess of one scenario, written out."""
    marks, spots, profit = {}, dict(SPOTS), 0.0
    factors = {s: 1 + move * (betas or {}).get(s, 1.0) for s in SPOTS}
    for position in held.positions:
        each = position.instrument
        factor = factors[each.underlying]
        spots[each.underlying] = Decimal(repr(float(SPOTS[each.underlying]) * factor))
        if isinstance(each, Stock):
            marks[each] = spots[each.symbol]
            old = float(SPOTS[each.symbol])
        else:
            old = fair(each)
            marks[each] = Decimal(repr(fair(each, factor, max(VOL + points, 0.005), years_on)))
        profit += position.quantity * each.multiplier * (float(marks[each]) - old)
    then = replace(view(), now=NOW + timedelta(days=365 * years_on), spots=spots, marks=marks)
    required = requirement(held, then, REG_T)
    return profit, float(required.maintenance), float(excess(held, then, required))


# --- the matrix


@pytest.mark.parametrize("years_on", [0.0, 20 * DAY], ids=["at once", "in 20 days"])
def test_every_node_is_the_book_repriced_and_margined_by_itself(years_on):
    held = book(*MIXED)
    matrix = stress_matrix(stress(held, view(), REG_T), years_on=years_on)

    assert matrix.profits.shape == (len(VOL_POINTS), len(SPOT_MOVES)) == (7, 9)
    for row, points in enumerate(VOL_POINTS):
        for column, move in enumerate(SPOT_MOVES):
            profit, margin, left = one_by_one(held, move, points, years_on)
            assert matrix.profits[row, column] == pytest.approx(profit, abs=0.1)
            assert matrix.margins[row, column] == pytest.approx(margin, abs=0.5)
            assert matrix.excess[row, column] == pytest.approx(left, abs=0.5)


def test_the_node_where_nothing_moves_is_today_to_the_cent():
    held = book(*MIXED)
    odd = MARKS | {STRANGLE[0][0]: Decimal("4.123456")}  # finer than a hundredth of a cent
    now = view(marks=odd)
    today = requirement(held, now, REG_T)

    matrix = stress_matrix(stress(held, now, REG_T))

    assert matrix.profits[2, 4] == 0
    assert matrix.margins[2, 4] == float(today.maintenance)
    assert matrix.excess[2, 4] == float(excess(held, now, today))


@given(st.sampled_from(SPOT_MOVES), st.sampled_from(VOL_POINTS))
@settings(max_examples=20)
def test_cash_and_marks_are_what_the_book_was_worth_and_the_profit(move, points):
    held = book(*MIXED)
    ready = stress(held, view(), REG_T)

    found = ready.outcomes([move], points)

    assert ready.worth == held.cash + held.total(view().mark)
    value = 0.0
    for position in held.positions:
        each, factor = position.instrument, 1 + move
        share = float(SPOTS[each.underlying]) * factor
        price = share if isinstance(each, Stock) else fair(each, factor, VOL + points)
        value += position.quantity * each.multiplier * price
    assert float(held.cash) + value == pytest.approx(
        float(ready.worth) + found.profits[0], abs=0.5
    )


def test_long_options_and_shares_are_worth_no_less_than_nothing():
    held = book((option("SPY", 540, Right.PUT, date(2027, 1, 15)), 1), (Stock("XYZ"), 100))
    cost = float(held.total(view().mark))

    matrix = stress_matrix(stress(held, view(), REG_T))

    assert (matrix.profits >= -cost).all()


def test_other_underlyings_move_by_their_beta():
    held, betas = book(*MIXED), {"SPY": 1.0, "SPX": 1.0, "XYZ": 1.6}

    found = stress(held, view(), REG_T, betas).outcomes([-0.2, 0.1])

    for row, move in enumerate((-0.2, 0.1)):
        profit, margin, left = one_by_one(held, move, 0.0, betas=betas)
        assert found.profits[row] == pytest.approx(profit, abs=0.1)
        assert found.margins[row] == pytest.approx(margin, abs=0.5)
        assert found.excess[row] == pytest.approx(left, abs=0.5)


def test_no_beta_takes_a_price_below_a_hundredth():
    found = stress(book((Stock("XYZ"), 100)), view(), REG_T, {"XYZ": 4.0}).outcomes([-0.5])

    assert found.profits[0] == pytest.approx(-0.99 * 5000)


def test_what_settles_on_the_way_is_cash_at_its_intrinsic_value():
    put, far = STRANGLE[0][0], option("SPY", 540, Right.PUT, date(2027, 1, 15))
    held = book((put, -1), (far, -1))
    years_on = years_between(NOW, expiry_instant(put))

    found = stress(held, view(), REG_T).outcomes([-0.1], years_on=years_on)

    mark = Decimal(repr(fair(far, 0.9, VOL, years_on)))
    after = Book(held.cash - 100 * 30, (Position(far, -1),))
    then = view(now=expiry_instant(put), spots={"SPY": Decimal(540)}, marks={far: mark})
    required = requirement(after, then, REG_T)
    assert found.margins[0] == pytest.approx(float(required.maintenance), abs=CENT)
    assert found.excess[0] == pytest.approx(float(excess(after, then, required)), abs=CENT)
    assert found.profits[0] == pytest.approx(
        -100 * (30 - fair(put)) - 100 * (float(mark) - fair(far)), abs=0.05
    )


def test_margin_is_asked_at_the_instant_of_the_scenario(monkeypatch):
    seen = []

    def recorded(held, now, account):
        seen.append(now)
        return requirement(held, now, account)

    monkeypatch.setattr("dollarbill_core.rules.stress.requirement", recorded)
    across = close_instant(date(2026, 3, 6))  # summer time begins on the 8th
    put = option("SPY", 570, Right.PUT)
    now = view(now=across, marks={put: Decimal(9)})

    stress(book((put, -1)), now, REG_T).outcomes([0.0, 0.1], years_on=4 * DAY)

    assert [years_between(across, each.now) for each in seen] == pytest.approx([4 * DAY] * 2)
    assert seen[1].spots["SPY"] == Decimal(660)
    assert not seen[0].chains and put in seen[0].marks


def test_time_alone_earns_a_strangle_its_decay():
    ready = stress(book(*STRANGLE), view(), REG_T)

    soon, late = (ready.outcomes([0.0], years_on=n * DAY).profits[0] for n in (5, 30))

    assert 0 < soon < late


def test_an_account_without_positions_has_no_margin_to_lose():
    matrix = stress_matrix(stress(Book(Decimal(1000)), view(), REG_T))

    assert (matrix.profits == 0).all() and (matrix.margins == 0).all()
    assert (matrix.excess == 1000).all()
    assert matrix.room() == (-math.inf, math.inf)


def test_a_cash_account_is_stressed_by_its_own_rules():
    put = STRANGLE[0][0]
    held = book((put, -1), cash=60_000)

    matrix = stress_matrix(stress(held, view(), CASH))

    assert (matrix.margins == 57_000).all()
    assert not matrix.is_called.any()
    assert matrix.account == "cash"


# --- where the account is called


@pytest.mark.parametrize("cash", [9_000, 14_000, 20_000])
@pytest.mark.parametrize("years_on", [0.0, 20 * DAY], ids=["at once", "in 20 days"])
def test_the_edges_are_where_a_fine_scan_finds_them(cash, years_on):
    ready = stress(book(*STRANGLE, cash=cash), view(), REG_T)
    matrix = stress_matrix(ready, years_on=years_on)
    fine = np.linspace(-0.2, 0.2, 2001)

    for points, edges in zip(matrix.vol_points, matrix.edges, strict=True):
        called = ready.outcomes(fine, points, years_on).excess < 0
        turns = np.flatnonzero(called[1:] != called[:-1])
        assert np.array(edges) == pytest.approx(fine[turns] + 1e-4, abs=2e-4)


def test_excess_changes_sign_at_an_edge_and_the_room_is_the_nearest():
    ready = stress(book(*STRANGLE, cash=14_000), view(), REG_T)
    matrix = stress_matrix(ready)

    for points, edges in zip(matrix.vol_points, matrix.edges, strict=True):
        for edge in edges:
            inner, outer = ready.outcomes([0.999 * edge, 1.001 * edge], points).excess
            assert outer < 0 < inner
    for row, points in enumerate(VOL_POINTS):
        fall, rise = matrix.room(points)
        assert matrix.edges[row][:1] == (fall,) if fall > -math.inf else fall < -0.2
        assert matrix.edges[row][-1:] == (rise,) if rise < math.inf else rise > 0.2
    assert matrix.room() == matrix.room(0.01) == matrix.room(0.0)
    turning = replace(matrix, edges=((-0.15, -0.05, 0.10, 0.18),) * 7)
    assert turning.room() == (-0.05, 0.10)


def test_an_account_that_is_called_today_has_no_room():
    matrix = stress_matrix(stress(book(*STRANGLE, cash=100), view(), REG_T))

    assert matrix.is_called[2, 4]
    assert matrix.room() == (0.0, 0.0)


@pytest.mark.parametrize(("shares", "cash"), [(100, -45_000), (-100, 78_000)])
def test_an_account_with_just_enough_has_no_room_on_the_side_that_hurts(shares, cash):
    matrix = stress_matrix(stress(book((Stock("SPY"), shares), cash=cash), view(), REG_T))

    assert matrix.excess[2, 4] == 0
    assert not matrix.is_called[2, 4]
    assert matrix.room() == ((0.0, math.inf) if shares > 0 else (-math.inf, 0.0))


def test_room_is_measured_from_the_node_where_nothing_moves():
    ready = stress(book((Stock("SPY"), 100), cash=-45_000), view(), REG_T)

    with pytest.raises(ValueError, match="room is measured from a spot move of 0"):
        stress_matrix(ready, spot_moves=[-0.2, -0.1]).room()


def test_a_loan_on_shares_is_called_where_a_pencil_says():
    # 0.75 x 100 x S = 40,000 at S = 533.33, a fall of one ninth; vol does not matter to shares.
    matrix = stress_matrix(stress(book((Stock("SPY"), 100), cash=-40_000), view(), REG_T))

    for edges in matrix.edges:
        assert edges == pytest.approx([-1 / 9], abs=1e-5)
    assert matrix.room() == (pytest.approx(-1 / 9, abs=1e-5), math.inf)


def test_a_notebook_needs_no_waiting():
    wider = ((option("SPY", 550, Right.PUT), -1), (option("SPY", 650, Right.CALL), -1))
    marks = MARKS | {each: Decimal(repr(fair(each))) for each, _ in wider}
    held, now = book(*STRANGLE, *wider, cash=28_000), view(marks=marks)
    stress_matrix(stress(held, now, REG_T))  # compiled and loaded once

    start = time.perf_counter()
    matrix = stress_matrix(stress(held, now, REG_T))

    assert any(matrix.edges)
    assert time.perf_counter() - start < 1.0  # some 0.02 s on an idle core


# --- past shocks


def test_a_shock_moves_spots_by_beta_and_vols_by_term():
    held, betas = book(*MIXED), {"SPY": 1.0, "SPX": 1.0, "XYZ": 1.6}
    ready = stress(held, view(), REG_T, betas)

    for shift in VolShift:
        for row in shock_outcomes(ready, [shock("2018-02-05")], shift):
            profit = 0.0
            for position in held.positions:
                each = position.instrument
                factor = 1 + betas[each.underlying] * row.jump.spot_move
                if isinstance(each, Stock):
                    profit += position.quantity * 50 * (factor - 1)
                    continue
                years = years_between(NOW, expiry_instant(each))
                weight = 1 if shift is VolShift.PARALLEL else math.sqrt(30 / 365 / years)
                new = fair(each, factor, VOL + weight * row.jump.vol_points)
                profit += 100 * position.quantity * (new - fair(each))
            assert row.profit == pytest.approx(profit, abs=0.1)


def test_each_shock_stands_once_or_with_its_worst_prints():
    rows = shock_outcomes(stress(book(*STRANGLE, cash=14_000), view(), REG_T))

    assert [row.shock.name for row in rows] == [r.name for r in SHOCKS for _ in r.jumps]
    assert rows[0].shock.name == "1987-10-19"
    assert rows[0].profit == min(row.profit for row in rows)  # a crash of 20 % in one day
    assert "index -20.5%, vol +113.8 points" in str(rows[0])
    assert "a margin call of $" in str(rows[0])


def test_margin_after_a_shock_is_that_of_the_node_it_is():
    ready = stress(book(*STRANGLE), view(), REG_T)
    (row,) = shock_outcomes(ready, [shock("1987-10-19")], VolShift.PARALLEL)

    node = ready.outcomes([row.jump.spot_move], row.jump.vol_points)

    assert (row.profit, row.margin) == (node.profits[0], node.margins[0])
    assert row.excess == node.excess[0]


def test_shorts_lose_what_longs_gain():
    short, long = (
        shock_outcomes(stress(book(*legs), view(), REG_T))
        for legs in (STRANGLE, tuple((each, -n) for each, n in STRANGLE))
    )

    for lost, won in zip(short, long, strict=True):
        assert lost.profit == pytest.approx(-won.profit)
        assert lost.profit < 0
        assert won.margin == 0


# --- bad input


def test_what_cannot_be_stressed_says_why():
    ready = stress(book(*STRANGLE), view(), REG_T)
    with pytest.raises(ValueError, match="spot moves are fractions above -1"):
        ready.outcomes([-1.0])
    with pytest.raises(ValueError, match="spot moves are fractions above -1"):
        ready.outcomes([math.nan])
    with pytest.raises(ValueError, match="vol_points must be finite"):
        ready.outcomes([0.0], math.inf)
    with pytest.raises(ValueError, match="years_on must be finite and not negative"):
        ready.outcomes([0.0], years_on=-0.1)
    with pytest.raises(ValueError, match="spot_moves must ascend"):
        stress_matrix(ready, spot_moves=[0.1, -0.1])
    with pytest.raises(ValueError, match="vol_points must ascend and hold at least one"):
        stress_matrix(ready, vol_points=[])
    with pytest.raises(ValueError, match="no beta is given for SPY"):
        stress(book(*STRANGLE), view(), REG_T, {"SPX": 1.0})
    with pytest.raises(NoQuote, match="SPY 2026-12-18 570 PUT has no mark"):
        stress(book(STRANGLE[0]), view(marks={}), REG_T)
    with pytest.raises(ValueError, match="SPY 2026-12-18 630 CALL"):
        stress_matrix(stress(book(STRANGLE[1]), view(), CASH))
    gone = option("SPY", 570, Right.PUT, date(2026, 10, 16))
    with pytest.raises(ValueError, match="SPY 2026-10-16 570 PUT has expired"):
        stress(book((gone, -1)), view(marks={gone: Decimal(1)}), REG_T)
