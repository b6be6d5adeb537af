"""VaR and CVaR: the case, a plain twin, what any such measure obeys, and the past replayed."""

import math
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
from dollarbill_core.rules.shocks import VolShift
from dollarbill_core.rules.tail_risk import replayed, tail, worst_losses
from dollarbill_core.values.book import Book, Position
from dollarbill_core.values.calendars import close_instant, expiry_instant, years_between
from dollarbill_core.values.contracts import Option, Right, Stock

P03 = [0.01, -0.02, 0.015, 0.005, -0.01, 0.02, -0.005, 0.012, 0.003, -0.008]
dollars = st.floats(-1e6, 1e6).map(lambda x: round(x, 2))
samples = st.lists(dollars, min_size=1, max_size=60)
levels = st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.975, 0.99, 0.999])
CLOSE = {"rel": 1e-9, "abs": 1e-6}


def test_case_p03():
    worst = tail(P03, 0.95)

    assert worst.var == pytest.approx(0.0155, abs=1e-12)
    assert worst.cvar == pytest.approx(0.02, abs=1e-12)
    assert (worst.days, worst.tail_days) == (10, 1)


# 0.05 x 100 = 5 and 0.01 x 251 = 2.51: six and three days lie at or below that place.
@pytest.mark.parametrize(
    ("days", "level", "held"), [(101, 0.95, 6), (252, 0.99, 3), (252, 0.95, 13), (1, 0.99, 1)]
)
def test_a_tail_holds_the_days_at_or_below_its_place(days, level, held):
    worst = tail(np.arange(days, dtype=float), level)

    assert worst.tail_days == held
    assert worst.cvar == pytest.approx(-np.arange(held).mean())


def test_a_thin_tail_says_how_thin_it_is():
    year = np.linspace(-250.0, 1.0, 252)

    assert str(tail(year, 0.99)) == (
        "99% VaR 247, CVaR 249: the mean of the 3 worst of 252 days, too few to lean on"
    )
    assert "too few" not in str(tail(year, 0.95))
    assert str(tail(1000 * year, 0.99)).startswith("99% VaR 247,490, CVaR 249,000: the mean")
    assert str(tail(P03)).endswith("CVaR 0.02: the worst of 10 days, too few to lean on")


def _plain(profits: list[float], level: float) -> tuple[float, float]:
    """The plain twin: numpy's linear quantile, and the mean of what is no better."""
    quantile = float(np.quantile(profits, 1 - level))
    worst = [x for x in profits if x <= quantile + 1e-6]
    return -quantile, -sum(worst) / len(worst)


@given(samples, levels)
def test_it_is_what_the_plain_definition_gives(profits, level):
    worst = tail(profits, level)

    var, cvar = _plain(profits, level)
    assert worst.var == pytest.approx(var, **CLOSE)
    assert worst.cvar == pytest.approx(cvar, **CLOSE)


@given(samples, levels, levels)
def test_cvar_is_no_less_than_var_and_both_grow_with_the_level(profits, one, other):
    low, high = sorted((one, other))
    worst, deeper = tail(profits, low), tail(profits, high)

    assert worst.cvar >= worst.var - 1e-9 * abs(worst.var)
    assert deeper.var >= worst.var - 1e-6
    assert deeper.cvar >= worst.cvar - 1e-6
    assert deeper.tail_days <= worst.tail_days


@given(samples, levels, dollars)
def test_a_sure_gain_lessens_both_by_as_much(profits, level, gain):
    worst, moved = tail(profits, level), tail([x + gain for x in profits], level)

    assert moved.var == pytest.approx(worst.var - gain, **CLOSE)
    assert moved.cvar == pytest.approx(worst.cvar - gain, **CLOSE)


@given(samples, levels, st.integers(1, 1000))
def test_so_many_books_lose_so_many_times_as_much(profits, level, times):
    worst, more = tail(profits, level), tail([times * x for x in profits], level)

    assert more.var == pytest.approx(times * worst.var, **CLOSE)
    assert more.cvar == pytest.approx(times * worst.cvar, **CLOSE)


@given(samples, levels, st.lists(st.floats(0, 1e5), min_size=60, max_size=60))
def test_losing_more_every_day_is_no_safer(profits, level, losses):
    worse = [x - y for x, y in zip(profits, losses, strict=False)]

    assert tail(worse, level).var >= tail(profits, level).var - 1e-6


@given(samples, levels, st.randoms())
def test_the_order_of_the_days_does_not_matter(profits, level, random):
    shuffled = list(profits)
    random.shuffle(shuffled)

    assert tail(shuffled, level) == tail(profits, level)


@pytest.mark.parametrize(
    ("profits", "level", "why"),
    [
        ([], 0.95, "at least one profit"),
        ([1.0, math.nan], 0.95, "all of them finite"),
        ([[1.0, 2.0]], 0.95, "in one row"),
        ([1.0], 0.0, "level is between 0 and 1"),
        ([1.0], 95, "level is between 0 and 1"),
    ],
)
def test_a_sample_without_meaning_is_refused(profits, level, why):
    with pytest.raises(ValueError, match=why):
        tail(profits, level)


# --- the past come again today

NOW = close_instant(date(2026, 11, 2))
RATE = 0.04
SPOTS = {"SPY": Decimal(600), "SPX": Decimal(6000), "XYZ": Decimal(50)}
PUT, INDEX_PUT = (
    Option(root, date(2026, 12, 18), Decimal(strike), Right.PUT)
    for root, strike in (("SPY", 570), ("SPXW", 5700))
)
FAR_CALL = Option("SPY", date(2027, 6, 18), Decimal(650), Right.CALL)
VOL = 0.2


def fair(option: Option, factor: float = 1.0, vol: float = VOL) -> float:
    style = black_scholes if option.is_european else american
    years = years_between(NOW, expiry_instant(option))
    spot = float(SPOTS[option.underlying]) * factor
    return float(style.price(option.right, spot, float(option.strike), years, RATE, vol))


MARKS = {each: Decimal(repr(fair(each))) for each in (PUT, INDEX_PUT, FAR_CALL)}


def history(seed: int, days: int = 300) -> History:
    rng = np.random.default_rng(seed)
    closes = 100 * np.cumprod(1 + rng.normal(0, 0.012, days))
    vols = 0.2 * np.exp(rng.normal(0, 0.06, days))
    return History(np.datetime64("2026-01-01") + np.arange(days), closes, vols)


PAST = {"SPY": history(1), "SPX": history(2), "XYZ": history(3)}


def view(**changes) -> View:
    return replace(View(NOW, SPOTS, MARKS, rates=Rates(RATE), history=PAST), **changes)


def book(*holdings) -> Book:
    return Book(Decimal(50_000), tuple(Position(*each) for each in holdings))


MIXED = ((PUT, -2), (INDEX_PUT, 1), (FAR_CALL, -1), (Stock("XYZ"), -300))


def _one_day(row: int, shift: VolShift) -> float:
    """The plain twin: every position by itself, at that day's moves."""
    profit = 0.0
    for each, quantity in MIXED:
        past = PAST[each.underlying]
        factor = past.closes[row] / past.closes[row - 1]
        if isinstance(each, Stock):
            profit += quantity * float(SPOTS["XYZ"]) * (factor - 1)
            continue
        years = years_between(NOW, expiry_instant(each))
        weight = 1.0 if shift is VolShift.PARALLEL else math.sqrt(30 / 365 / years)
        vol = VOL * (past.vols[row] / past.vols[row - 1]) ** weight
        profit += 100 * quantity * (fair(each, factor, vol) - fair(each))
    return profit


@pytest.mark.parametrize("shift", list(VolShift))
def test_each_past_day_is_the_book_repriced_one_by_one(shift):
    found = replayed(book(*MIXED), view(), sessions=252, shift=shift)

    assert len(found.profits) == 252 and found.left_out == 0
    assert found.days[-1] == PAST["SPY"].days[-1]
    for row in (-252, -100, -7, -1):
        assert found.profits[row] == pytest.approx(_one_day(300 + row, shift), abs=0.05)


def test_a_share_alone_loses_what_its_past_returns_lose():
    found = replayed(book((Stock("XYZ"), 100)), view(), sessions=200)
    closes = PAST["XYZ"].closes[-201:]

    returns = closes[1:] / closes[:-1] - 1
    assert found.profits == pytest.approx(5000 * returns)
    for worst, level in zip(found.tails, (0.95, 0.99), strict=True):
        assert worst.var == pytest.approx(5000 * tail(returns, level).var)
        assert worst.days == 200
    day, dollars = found.worst
    assert dollars == found.profits.min()
    assert np.datetime64(day) == found.days[np.argmin(found.profits)]
    assert "200 days" in str(found) and day.isoformat() in str(found)


def test_days_without_a_vol_are_left_out_and_counted_for_options_alone():
    gaps = PAST["SPY"].vols.copy()
    gaps[-50] = np.nan
    known = view(history=PAST | {"SPY": replace(PAST["SPY"], vols=gaps)})

    options = replayed(book((PUT, -1)), known, sessions=100)
    shares = replayed(book((Stock("SPY"), 100)), known, sessions=100)

    assert (len(options.profits), options.left_out) == (98, 2)
    assert (len(shares.profits), shares.left_out) == (100, 0)
    assert "2 left out for want of a price or vol" in str(options)


def test_a_past_that_is_not_known_is_refused():
    with pytest.raises(NoQuote, match="no history of SPY"):
        replayed(book((PUT, -1)), view(history={}))
    nothing = replace(PAST["SPY"], vols=np.full(300, np.nan))
    with pytest.raises(
        ValueError, match="no day has a close and a vol before and after of SPY"
    ):
        replayed(book((PUT, -1)), view(history={"SPY": nothing}))
    with pytest.raises(ValueError, match="a book without positions"):
        replayed(book(), view())


# --- the worst there is, which no history knows


def test_the_worst_loss_stands_by_underlying_and_says_when_it_has_no_limit():
    covered = Option("XYZ", date(2026, 12, 18), Decimal(55), Right.CALL)
    marks = MARKS | {covered: Decimal("0.50")}
    holdings = book((PUT, -1), (FAR_CALL, -1), (Stock("XYZ"), 100), (covered, -1))

    found = worst_losses(holdings, view(marks=marks))

    assert list(found) == ["SPY", "XYZ"]
    assert found["SPY"].is_unlimited
    assert found["XYZ"].dollars == 5000 - 50  # the stock to nothing, less the call's mark


def test_no_replayed_day_loses_more_than_the_worst_loss():
    long = Option("SPY", PUT.expiry, Decimal(550), Right.PUT)
    marks = MARKS | {long: Decimal(repr(fair(long)))}
    spread = book((PUT, -1), (long, 1))

    worst = worst_losses(spread, view(marks=marks))["SPY"]

    # Open before expiry a spread may stand a little beyond its worst at expiry, by interest.
    found = replayed(spread, view(marks=marks))
    assert -found.profits.min() <= float(worst.dollars) * 1.01
