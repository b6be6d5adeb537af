"""Greeks of a book against differences of its own revaluation, and betas against P03."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.market.carry import Rates
from dollarbill_core.market.chains import NoQuote
from dollarbill_core.market.view import History, View
from dollarbill_core.pricing import american, black_scholes
from dollarbill_core.rules.exposure import (
    beta,
    by_position,
    estimated_betas,
    exposures,
    past_changes,
)
from dollarbill_core.rules.revaluation import held
from dollarbill_core.values.book import Book, Position
from dollarbill_core.values.calendars import close_instant, expiry_instant, years_between
from dollarbill_core.values.contracts import Instrument, Option, Right, Stock

NOW = close_instant(date(2026, 11, 2))
RATE, PAID = 0.04, {"SPY": 0.012, "SPX": 0.013}
SPOTS = {"SPY": Decimal(600), "SPX": Decimal(6000), "XYZ": Decimal(50)}
VOLS = {"SPY": 0.18, "SPX": 0.17, "XYZ": 0.45}


def option(root: str, strike: float, right: Right, expiry: date = date(2026, 12, 18)) -> Option:
    return Option(root, expiry, Decimal(str(strike)), right)


def fair(each: Option, rate: float = RATE) -> Decimal:
    style = black_scholes if each.is_european else american
    symbol, years = each.underlying, years_between(NOW, expiry_instant(each))
    spot, paid = float(SPOTS[symbol]), PAID.get(symbol, 0.0)
    value = style.price(each.right, spot, float(each.strike), years, rate, VOLS[symbol], paid)
    return Decimal(repr(float(value)))


HOLDINGS: tuple[tuple[Instrument, int], ...] = (
    (option("SPY", 570, Right.PUT), -3),
    (option("SPY", 630, Right.CALL), -3),
    (option("SPXW", 5600, Right.PUT), 1),
    (option("XYZ", 45, Right.PUT, date(2027, 1, 15)), -10),
    (Stock("XYZ"), 400),
)
MARKS = {each: fair(each) for each, _ in HOLDINGS if isinstance(each, Option)}


def view(**changes) -> View:
    return replace(View(NOW, SPOTS, MARKS, rates=Rates(RATE), dividend_yields=PAID), **changes)


def book(*holdings: tuple[Instrument, int]) -> Book:
    return Book(Decimal(50_000), tuple(Position(*each) for each in holdings or HOLDINGS))


# --- Greeks


def test_greeks_are_slopes_of_the_book_repriced():
    arrays = held(book(), view())

    def worth(factor=1.0, points=0.0, years=0.0):
        return arrays.profits([factor], vol_points=points, years_on=years).sum()

    total = exposures(book(), view()).total

    step = 1e-3
    slope = (worth(1 + step) - worth(1 - step)) / (2 * step)
    curve = (worth(1 + step) + worth(1 - step)) / step**2
    assert total.dollar_delta == pytest.approx(slope, rel=1e-3)
    assert total.gamma_per_percent == pytest.approx(curve / 100, rel=5e-3)
    assert total.vega_per_point == pytest.approx(
        (worth(points=1e-4) - worth(points=-1e-4)) / 2e-2, rel=2e-3
    )
    assert total.theta_per_day == pytest.approx(worth(years=0.01 / 365) / 0.01, rel=5e-3)


def test_rho_is_the_slope_by_the_rate_of_all_terms():
    step, total = 1e-4, exposures(book(), view()).total

    up, down = (
        float(book().total(lambda x, r=r: fair(x, r) if isinstance(x, Option) else Decimal(0)))
        for r in (RATE + step, RATE - step)
    )

    assert total.rho_per_point == pytest.approx((up - down) / (2 * step) / 100, rel=5e-3)


def test_a_move_of_one_percent_earns_delta_and_half_of_gamma():
    total = exposures(book(), view()).total
    arrays = held(book(), view())

    change = arrays.profits([1.01]).sum() - arrays.profits([0.99]).sum()
    bend = arrays.profits([1.01]).sum() + arrays.profits([0.99]).sum()

    assert 0.01 * total.dollar_delta == pytest.approx(change / 2, rel=0.02)
    assert 0.01 * total.gamma_per_percent == pytest.approx(bend, rel=0.05)


@pytest.mark.parametrize(
    ("each", "style"),
    [
        (option("SPY", 660, Right.PUT), american),
        (option("SPX", 6600, Right.PUT), black_scholes),
    ],
    ids=["American", "European"],
)
def test_each_style_has_its_own_greeks(each, style):
    marks = {each: fair(each)}
    symbol = each.underlying
    spot, years = float(SPOTS[symbol]), years_between(NOW, expiry_instant(each))
    vol = held(book((each, -2)), view(marks=marks)).vol[0]
    of_a_share = style.greeks(-1, spot, float(each.strike), years, RATE, vol, PAID[symbol])

    found = exposures(book((each, -2)), view(marks=marks)).total

    assert found.shares == pytest.approx(-200 * of_a_share.delta)
    assert found.dollar_delta == pytest.approx(-200 * of_a_share.delta * spot)
    assert found.gamma_per_percent == pytest.approx(-2 * of_a_share.gamma * spot**2)
    assert found.vega_per_point == pytest.approx(-2 * of_a_share.vega)
    assert found.theta_per_day == pytest.approx(-200 * of_a_share.theta / 365)
    assert found.rho_per_point == pytest.approx(-2 * of_a_share.rho)


def test_the_total_is_the_sum_of_the_underlyings_which_are_in_order():
    found = exposures(book(), view(), {"SPY": 1.0, "SPX": 1.0, "XYZ": 1.6})

    assert [each.symbol for each in found.underlyings] == ["SPX", "SPY", "XYZ"]
    for name in ("value", "dollar_delta", "beta_weighted_delta", "vega_per_point"):
        parts = [getattr(each, name) for each in found.underlyings]
        assert getattr(found.total, name) == pytest.approx(sum(parts))
    assert found.total.value == pytest.approx(float(book().total(view().mark)))
    assert np.isnan(found.total.shares) and np.isnan(found.total.beta)


def test_a_beta_weighs_the_dollar_delta_of_its_underlying_alone():
    found = exposures(book(), view(), {"SPY": 1.0, "SPX": 0.9, "XYZ": 1.6})

    for each, factor in zip(found.underlyings, (0.9, 1.0, 1.6), strict=True):
        assert each.beta == factor
        assert each.beta_weighted_delta == pytest.approx(factor * each.dollar_delta)


def test_without_betas_all_move_alike():
    total = exposures(book(), view()).total

    assert total.beta_weighted_delta == total.dollar_delta


@given(st.integers(1, 50))
def test_greeks_grow_with_the_size_and_turn_with_its_sign(size):
    put = HOLDINGS[0][0]
    one = exposures(book((put, 1)), view()).total

    short = exposures(book((put, -size)), view()).total

    for name in ("dollar_delta", "gamma_per_percent", "theta_per_day", "rho_per_point"):
        assert getattr(short, name) == pytest.approx(-size * getattr(one, name))


def test_an_empty_book_has_no_exposure():
    found = exposures(Book(Decimal(1000)), view())

    assert found.underlyings == ()
    assert found.total.dollar_delta == found.total.value == 0


def test_positions_apart_are_worth_what_they_are_together():
    arrays = held(book(), view())
    moves = np.array([[0.9], [1.1]])

    apart = by_position(arrays).profits(np.repeat(moves, len(HOLDINGS), axis=1))

    assert (apart == arrays.profits(moves.ravel())).all()


# --- betas

P03 = [0.01, -0.02, 0.015, 0.005, -0.01, 0.02, -0.005, 0.012, 0.003, -0.008]
P03_BENCHMARK = [0.008, -0.015, 0.01, 0.006, -0.012, 0.014, -0.002, 0.009, 0.001, -0.006]


def days_from(start: str, count: int):
    return np.datetime64(start) + np.arange(count)


def closes(returns, first: float = 100.0):
    return first * np.concatenate([[1.0], np.cumprod(1.0 + np.asarray(returns))])


def past(returns, start: str = "2026-01-01", vols=None) -> History:
    prices = closes(returns)
    vols = np.full(len(prices), 0.2) if vols is None else np.asarray(vols, float)
    return History(days_from(start, len(prices)), prices, vols)


def test_beta_is_that_of_case_p03():
    assert beta(P03, P03_BENCHMARK) == pytest.approx(1.2646822204, abs=1e-10)


@given(
    st.lists(st.floats(-0.1, 0.1), min_size=3, max_size=40),
    st.floats(-3, 3),
    st.floats(-0.01, 0.01),
)
def test_a_line_has_its_own_slope(benchmark, slope, shift):
    other = np.array(benchmark)
    if other.std() < 1e-3:
        other[0] += 0.05

    assert beta(slope * other + shift, other) == pytest.approx(slope, abs=1e-9)


def test_betas_are_taken_over_the_stated_window_alone():
    rng = np.random.default_rng(7)
    market = rng.normal(0, 0.01, 200)
    own = np.concatenate([-3 * market[:100], 1.5 * market[100:]])
    known = view(history={"XYZ": past(own), "SPY": past(market)})

    found = estimated_betas(known, ["XYZ", "SPY"], "SPY", sessions=100)

    assert float(found["XYZ"]) == pytest.approx(1.5)
    assert str(found["XYZ"]) == "XYZ 1.50 to SPY (n = 100)"
    assert float(found["SPY"]) == 1
    assert exposures(book((Stock("XYZ"), 100)), known, found).total.beta_weighted_delta == (
        pytest.approx(1.5 * 5000)
    )


def test_a_missing_close_takes_both_of_its_returns_out():
    rng = np.random.default_rng(8)
    market = rng.normal(0, 0.01, 100)
    own = past(2 * market)
    gap = own.closes.copy()
    gap[50] = np.nan
    known = view(history={"XYZ": replace(own, closes=gap), "SPY": past(market)})

    found = estimated_betas(known, ["XYZ"], "SPY", sessions=100)["XYZ"]

    assert found.sessions == 98
    assert found.value == pytest.approx(2)


def test_days_that_one_symbol_lacks_are_no_return_over_two_days():
    full, part = past(P03), past(P03)
    short = History(part.days[[0, 1, 3, 4]], part.closes[[0, 1, 3, 4]], part.vols[[0, 1, 3, 4]])
    changes = past_changes(view(history={"A": full, "B": short}), ("A", "B"))

    assert len(changes.days) == 10
    assert changes.returns[:, 0] == pytest.approx(P03)
    assert np.flatnonzero(np.isfinite(changes.returns[:, 1])).tolist() == [0, 3]


# --- bad input


def test_what_cannot_be_answered_says_so():
    known = view(history={"XYZ": past(P03), "SPY": past(P03_BENCHMARK)})
    with pytest.raises(ValueError, match="no beta is given for SPX, XYZ"):
        exposures(book(), view(), {"SPY": 1.0})
    with pytest.raises(ValueError, match="betas must be finite"):
        exposures(book((Stock("XYZ"), 1)), view(), {"XYZ": float("nan")})
    with pytest.raises(ValueError, match="XYZ has only 10 returns in common with SPY"):
        estimated_betas(known, ["XYZ"], "SPY")
    with pytest.raises(NoQuote, match="no history of ABC"):
        estimated_betas(known, ["ABC"], "SPY")
    with pytest.raises(ValueError, match="sessions must be 1 or more"):
        past_changes(known, ["XYZ"], 0)
    with pytest.raises(ValueError, match="pair up"):
        beta([0.1, 0.2], [0.1])
    with pytest.raises(ValueError, match="benchmark that moves"):
        beta([0.1, 0.2], [0.1, 0.1])
    with pytest.raises(ValueError, match="benchmark that moves"):
        beta([0.1, 0.2], [0.1, float("nan")])
    with pytest.raises(NoQuote, match="SPXW 2026-12-18 5600 PUT has no mark"):
        exposures(book(), view(marks={}))
