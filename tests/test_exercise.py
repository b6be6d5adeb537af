"""Who exercises and when: thresholds by date, pins, early exercise against plain oracles."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal as D

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dollarbill_core.market.carry import CashDividend, Rates
from dollarbill_core.market.chains import Chain, NoQuote
from dollarbill_core.market.view import View
from dollarbill_core.rules.exercise import (
    LEAST_GAIN,
    EarlyExercise,
    ExercisePolicy,
    assignment_chance,
    early_exercise,
    exercise_cutoff,
    exercise_threshold,
    may_pay,
)
from dollarbill_core.values.calendars import (
    close_instant,
    expiry_instant,
    next_session,
    years_between,
)
from dollarbill_core.values.contracts import Option, Right
from dollarbill_core.values.provenance import Quotes
from tests import american_oracles, dividend_tree

EVE, EX_DATE = date(2026, 11, 18), date(2026, 11, 19)  # a Wednesday and a Thursday
NOW = close_instant(EVE)


def option(right: Right, strike: float, days: int) -> Option:
    return Option("XYZ", EVE + timedelta(days), D(str(strike)), right)


def seen(spot, vol=None, *, rate=0.0, dividends=(), marks=(), dividend_yield=0.0) -> View:
    """A view in which every XYZ option has ``vol``; without one there is no chain."""
    spots = {"XYZ": D(str(spot))}
    return View(
        NOW,
        spots,
        dict(marks),
        {} if vol is None else {"XYZ": flat_chain(float(spot), vol)},
        rates=Rates(rate),
        dividends={"XYZ": tuple(CashDividend(day, D(str(each))) for day, each in dividends)},
        dividend_yields={"XYZ": dividend_yield},
    )


def flat_chain(spot: float, vol: float) -> Chain:
    """One contract that nobody quotes, whose vol is known."""
    nobody = np.array([np.nan])
    return Chain(
        symbol="XYZ",
        as_of=NOW,
        spot=spot,
        quotes=Quotes.MODELLED,
        roots=("XYZ",),
        root=np.zeros(1, np.int8),
        expiry=np.array(["2026-12-18"], "datetime64[D]"),
        right=np.array([1], np.int8),
        strike=np.array([spot]),
        bid=nobody,
        ask=nobody,
        vol=np.array([vol]),
        delta=nobody,
    )


def life(each: Option) -> float:
    return years_between(NOW, expiry_instant(each))


# At expiry: OCC Rule 805 by date, and the pin band.


@pytest.mark.parametrize(
    ("expiry", "dollars"),
    [
        pytest.param("2004-08-21", "0.75", id="before September 2004"),
        pytest.param("2004-09-18", "0.25", id="September 2004, dated on a Saturday"),
        pytest.param("2006-09-16", "0.25", id="the last at a quarter"),
        pytest.param("2006-10-21", "0.05", id="71 FR 58656"),
        pytest.param("2008-05-17", "0.05", id="the last at five cents"),
        pytest.param("2008-06-21", "0.01", id="June 2008"),
        pytest.param("2026-11-20", "0.01", id="now"),
    ],
)
def test_the_threshold_of_the_exception_by_date(expiry, dollars):
    put = Option("XYZ", date.fromisoformat(expiry), D(100), Right.PUT)

    assert exercise_threshold(put) == D(dollars)
    assert assignment_chance(put, 100 - D(dollars)) == 1
    assert assignment_chance(put, 100 - D(dollars) + D("0.0001")) == 0


# A05: a call struck at 100 is exercised at 100.01, at 100.00 and 99.99 it is not.
@pytest.mark.parametrize(("close", "chance"), [("99.99", 0), ("100.00", 0), ("100.01", 1)])
def test_a_cent_in_the_money_is_exercised(close, chance):
    call = option(Right.CALL, 100, 1)

    assert assignment_chance(call, D(close)) == chance


@pytest.mark.parametrize(
    ("day", "time"),
    [("2026-11-20", "17:30"), ("2026-11-27", "14:30"), ("2014-06-21", "17:30")],
)
def test_instructions_are_taken_until(day, time):
    put = Option("XYZ", date.fromisoformat(day), D(100), Right.PUT)

    assert f"{exercise_cutoff(put):%H:%M}" == time


@pytest.mark.parametrize("right", Right)
@pytest.mark.parametrize(
    ("distance", "pinned"), [("0.24", True), ("0.25", False), ("0", True), ("-0.24", True)]
)
def test_within_the_band_either_side_may_be_assigned(right, distance, pinned):
    policy = ExercisePolicy(pin_band=D("0.25"), pin_chance=0.3)
    chance = assignment_chance(option(right, 100, 1), 100 + D(distance), policy)

    assert (chance == 0.3) is pinned


def test_a_harsher_threshold_may_be_assumed():
    old = Option("XYZ", date(2004, 8, 21), D(100), Right.PUT)

    assert assignment_chance(old, D("99.50")) == 0
    assert assignment_chance(old, D("99.50"), ExercisePolicy(threshold=D("0.01"))) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"pin_band": D(-1)},
        {"pin_chance": 1.01},
        {"early_chance": -0.1},
        {"early_chance": np.nan},
        {"threshold": D(0)},
    ],
)
def test_a_policy_that_means_nothing_is_refused(wrong):
    with pytest.raises(ValueError, match=r"pin_band is|chances lie"):
        ExercisePolicy(**wrong)


# Early: the case of rules.md, and the two ways in which "put below dividend" is wrong.


def test_a_put_below_the_dividend_is_not_enough():
    """S 600, D 1.90, 4.5 %, 30 days, K 540: put 0.09 < D, yet hold 60.19 against 60."""
    call, put = option(Right.CALL, 540, 30), option(Right.PUT, 540, 30)
    view = seen(600, rate=0.045, dividends=[(EX_DATE, 1.90)], marks={put: D("0.09")})

    found = early_exercise(call, view)

    assert found.exercised == 60
    carried = 600 - 1.90 - 540 * np.exp(-0.045 * 30 / 365)
    assert found.held == pytest.approx(carried + 0.09, abs=2e-3)
    assert found.held == pytest.approx(60.19, abs=0.01)
    assert not found.is_due
    assert found.why == "hold: 60.00 now against 60.18 by waiting a day"


def test_a_dividend_beyond_put_and_interest_is_taken():
    """The same at 2.20: 2.20 > 0.09 + 540 (1 - exp(-0.045 x 30 / 365)) = 2.08."""
    call, put = option(Right.CALL, 540, 30), option(Right.PUT, 540, 30)
    view = seen(600, rate=0.045, dividends=[(EX_DATE, 2.20)], marks={put: D("0.09")})

    found = early_exercise(call, view)

    assert found.is_due
    assert found.exercised - found.held == pytest.approx(0.116, abs=3e-3)
    assert found.why.startswith("exercise: 60.00 now")


def test_only_on_the_eve():
    call = option(Right.CALL, 540, 30)

    later = seen(600, 0.1, rate=0.045, dividends=[(EX_DATE + timedelta(3), 9.0)])
    on_the_day = seen(600, 0.1, rate=0.045, dividends=[(EVE, 9.0)])

    assert not early_exercise(call, later).is_due
    assert not may_pay(call, later)
    assert not early_exercise(call, on_the_day).is_due


def test_a_put_is_held_over_an_ex_date_and_given_up_after_it():
    put = option(Right.PUT, 100, 30)

    assert early_exercise(put, seen(50, 0.2, rate=0.05)).is_due
    assert not early_exercise(put, seen(50, 0.2, rate=0.05, dividends=[(EX_DATE, 0.5)])).is_due


def test_an_announced_dividend_is_not_counted_twice():
    """A yield of 1 % on 600 is 0.49 in thirty days: less than the 1.90 announced."""
    call = option(Right.CALL, 540, 30)
    paid = [(EX_DATE, 1.90)]

    alone = early_exercise(call, seen(600, 0.15, rate=0.03, dividends=paid))
    both = early_exercise(call, seen(600, 0.15, rate=0.03, dividends=paid, dividend_yield=0.01))
    more = early_exercise(call, seen(600, 0.15, rate=0.03, dividends=paid, dividend_yield=0.10))

    assert both.held == alone.held
    assert more.held < alone.held - 1


# Early: thousands of random options, against formulas and trees of other authors.


def calls_on_the_eve(count: int, seed: int):
    """Spot, strike, days, rate, vol, dividend: around the line where it begins to pay."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        spot = round(float(rng.uniform(20, 700)), 2)
        strike = round(spot * float(rng.uniform(0.5, 1.0)), 1)
        days, rate = int(rng.integers(1, 200)), float(rng.uniform(0.0, 0.07))
        vol = float(rng.uniform(0.08, 0.8))
        interest = strike * (1 - np.exp(-rate * days / 365))
        dividend = round(float(interest * rng.uniform(0, 2) + spot * rng.uniform(0, 0.02)), 2)
        yield spot, strike, days, rate, vol, max(dividend, 0.01)


def test_calls_on_the_eve_of_a_dividend_against_the_formula():
    """Exercise iff D > P + K (1 - exp(-r T)); the formula shares no code with the rule."""
    taken = 0
    for spot, strike, days, rate, vol, dividend in calls_on_the_eve(3000, seed=4):
        call = option(Right.CALL, strike, days)
        found = early_exercise(
            call, seen(spot, vol, rate=rate, dividends=[(EX_DATE, dividend)])
        )
        years = life(call)
        put = dividend_tree.formula(-1, spot - dividend, strike, years, rate, vol, 0.0)
        gain = dividend - put - strike * (1 - np.exp(-rate * years))

        assert found.exercised - found.held == pytest.approx(gain, abs=2e-5 * spot)
        if abs(gain) > 4e-5 * spot:
            assert found.is_due is bool(gain > 0), (spot, strike, days, rate, vol, dividend)
        taken += found.is_due
    assert 500 < taken < 2500


def test_calls_with_another_dividend_to_come_against_the_tree():
    rng = np.random.default_rng(5)
    for _ in range(25):
        spot, strike = 100.0, float(rng.integers(70, 100))
        days, second = int(rng.integers(60, 120)), int(rng.integers(20, 55))
        rate, vol = float(rng.uniform(0, 0.06)), float(rng.uniform(0.1, 0.5))
        dividends = [(EX_DATE, 1.5), (EVE + timedelta(second), 1.5)]
        call = option(Right.CALL, strike, days)

        found = early_exercise(call, seen(spot, vol, rate=rate, dividends=dividends))

        tree = dividend_tree.tree_price(
            1, spot - 1.5, strike, life(call), rate, vol, 0.0, [(second / 365, 1.5)], steps=900
        )
        assert found.held == pytest.approx(tree, abs=0.02)
        if abs(found.exercised - tree) > 0.02:
            assert found.is_due is bool(found.exercised > tree)


def deep_puts(count: int, seed: int) -> np.ndarray:
    """Right, spot, strike, years, rate, vol, yield in rows: from the strike to far below it."""
    rng = np.random.default_rng(seed)
    days = rng.integers(1, 58, count) * 7 - 5  # Fridays
    rate, vol = rng.uniform(0.005, 0.09, count), rng.uniform(0.08, 0.7, count)
    years = [life(option(Right.PUT, 100, int(each))) for each in days]
    spot = np.round(100 * np.exp(-vol * np.sqrt(years) * rng.uniform(0, 4, count)), 2)
    rows = np.array([-np.ones(count), spot, 100 * np.ones(count), years, rate, vol, 0 * rate])
    return np.vstack([rows, days])


def trees(options: np.ndarray, steps: int = 300) -> np.ndarray:
    """American puts by Cox, Ross and Rubinstein, many at once; shape (options,)."""
    _, spot, strike, years, rate, vol, _ = options[:, :, None]
    step = years / steps
    up = np.exp(vol * np.sqrt(step))
    chance = (np.exp(rate * step) - 1 / up) / (up - 1 / up)
    discount = np.exp(-rate * step)
    spots = spot * up ** np.arange(-steps, steps + 1.0)
    values = np.maximum(strike - spots[:, ::2], 0)
    for left in range(steps - 1, -1, -1):
        values = discount * (chance * values[:, 1:] + (1 - chance) * values[:, :-1])
        values = np.maximum(values, strike - spots[:, steps - left : steps + left + 1 : 2])
    return values[:, 0]


@pytest.mark.parametrize(
    ("count", "prices", "error"),
    [
        pytest.param(2000, trees, 0.02, id="trees"),
        pytest.param(
            100,
            lambda many: np.array([american_oracles.quantlib_price(x) for x in many.T]),
            0.002,
            id="QuantLib",
        ),
    ],
)
def test_deep_puts_against_the_american_price(count, prices, error):
    """Held wherever the price exceeds exercise by more than three days' interest and the
    oracle's error; exercised wherever exercise is the price still at a spot 2 % higher."""
    many = deep_puts(count, seed=6)
    higher = many[:7] * np.array([1, 1.02, 1, 1, 1, 1, 1])[:, None]
    beyond = prices(many[:7]) - (100 - many[1])
    is_deep = prices(higher) - (100 - higher[1]) < 1e-7
    held = taken = 0
    for i, (_, spot, _, _, rate, vol, _, days) in enumerate(many.T):
        found = early_exercise(option(Right.PUT, 100, int(days)), seen(spot, vol, rate=rate))
        if beyond[i] > 3 * rate * 100 / 365 + error:
            held += 1
            assert not found.is_due, (spot, days, rate, vol)
        elif is_deep[i]:
            taken += 1
            assert found.is_due, (spot, days, rate, vol)
    assert min(held, taken) > count / 5


def test_puts_with_a_dividend_to_come_against_the_tree():
    """Waiting for a fall that is announced: the price of the tree is what holding is worth."""
    rng = np.random.default_rng(7)
    for _ in range(20):
        spot, days = float(rng.integers(75, 99)), int(rng.integers(20, 90))
        rate, vol = float(rng.uniform(0.02, 0.08)), float(rng.uniform(0.15, 0.5))
        put = option(Right.PUT, 100, days)
        dividends = [(EVE + timedelta(8), 1.0)]

        found = early_exercise(put, seen(spot, vol, rate=rate, dividends=dividends))

        tree = dividend_tree.tree_price(
            -1, spot, 100.0, life(put), rate, vol, 0.0, [(7.73 / 365, 1.0)], steps=20 * days
        )
        assert max(found.held, found.exercised) == pytest.approx(tree, abs=0.03)


@settings(max_examples=200, deadline=None)
@given(
    right=st.sampled_from(Right),
    spot=st.integers(1, 400),
    strike=st.integers(1, 400),
    days=st.integers(1, 700),
    rate=st.floats(-0.03, 0.1),
    vol=st.floats(0.05, 2.0),
    dividend=st.integers(1, 3000),
    dividend_yield=st.floats(0, 0.08),
)
def test_what_may_not_pay_at_any_vol_does_not_pay_at_one(
    right, spot, strike, days, rate, vol, dividend, dividend_yield
):
    """A dividend greater than the spot leaves a stock worth nothing."""
    each = option(right, strike, days)
    view = seen(
        spot,
        vol,
        rate=rate,
        dividends=[(EX_DATE, dividend / 100)],
        dividend_yield=dividend_yield,
    )
    found = early_exercise(each, view)

    assert np.isfinite(found.held) and found.held >= -1e-9
    assert found.exercised == float(each.intrinsic(D(spot)))
    if found.is_due and found.exercised - found.held > 1e-4 * strike:
        assert may_pay(each, view)


# Where the vol comes from, and what cannot be judged.


def test_the_mark_of_the_other_right_comes_first_then_the_chain_then_the_own_mark():
    call, put = option(Right.CALL, 80, 60), option(Right.PUT, 80, 60)
    paid = {"rate": 0.04, "dividends": [(EX_DATE, 1.0)]}

    by_put = early_exercise(call, seen(100, 0.1, marks={put: D("0.80")}, **paid))
    by_chain = early_exercise(call, seen(100, 0.1, marks={call: D("25")}, **paid))
    by_own = early_exercise(call, seen(100, marks={call: D("20.60")}, **paid))
    bare = early_exercise(call, seen(100, marks={call: D("20.00")}, **paid))

    carried = 99 - 80 * np.exp(-0.04 * life(call))
    assert by_put.held == pytest.approx(carried + 0.80, abs=0.005)
    assert by_chain.held == pytest.approx(carried, abs=0.005)
    assert by_own.held > bare.held
    assert bare.held == pytest.approx(carried, abs=1e-4)
    assert bare.is_due and not by_put.is_due


def test_without_any_vol_nothing_is_guessed():
    call = option(Right.CALL, 80, 60)

    with pytest.raises(NoQuote, match=r"80 CALL is exercised early needs a mark .* the put of"):
        early_exercise(call, seen(100))
    with pytest.raises(NoQuote, match="no price of XYZ"):
        early_exercise(call, View(NOW, {}))


@pytest.mark.parametrize(
    ("symbol", "why"),
    [
        ("SPXW261218C00080000", "European"),
        ("XYZ1261218C00080000", "non-standard deliverable"),
        ("XYZ261118C00080000", "has expired on 2026-11-18"),
    ],
)
def test_what_cannot_be_exercised_early_is_refused_by_name(symbol, why):
    each = Option.from_occ(symbol)

    with pytest.raises(ValueError, match=f"{each} .*{why}"):
        early_exercise(each, seen(100, 0.2))


def test_a_gain_below_rounding_is_none():
    call = option(Right.CALL, 100, 30)

    assert not EarlyExercise(call, 5.0, 5.0 - 50 * LEAST_GAIN).is_due
    assert EarlyExercise(call, 5.0, 5.0 - 200 * LEAST_GAIN).is_due
    assert next_session(EVE) == EX_DATE


def test_a_dividend_after_the_last_day_changes_nothing():
    call = option(Right.CALL, 100, 9)
    known = {"vol": 0.2, "rate": 0.04, "dividend_yield": 0.03}
    later = seen(120, dividends=[(EVE + timedelta(12), 5)], **known)

    assert early_exercise(call, later) == early_exercise(call, seen(120, **known))


def test_a_price_that_nobody_bids_and_a_vol_in_the_money_say_nothing():
    """The put of 100 is offered at 3 and bid by nobody; the deep put's vol is of its spread."""
    columns = {
        "root": np.zeros(3, np.int8),
        "expiry": np.full(3, np.datetime64(EVE + timedelta(30))),
        "right": np.array([-1, -1, -1], np.int8),
        "strike": np.array([100.0, 125.0, 70.0]),
        "bid": np.array([0.0, 4.0, 0.01]),
        "ask": np.array([3.0, 8.0, 0.03]),
        "vol": np.array([np.nan, 0.9, 0.1]),
        **dict.fromkeys(("delta", "volume", "open_interest"), np.full(3, np.nan)),
    }
    call, plain = option(Right.CALL, 100, 30), seen(120, 0.1, rate=0.04)
    wide = replace(plain, chains={"XYZ": replace(flat_chain(120.0, 0.1), **columns)})

    assert early_exercise(call, wide).held == early_exercise(call, plain).held
