"""Options with cash dividends: a tree, QuantLib, exact cases, limits and properties."""

import math

import numpy as np
import pytest
import QuantLib as ql
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.stats import norm

from dollarbill_core.pricing import black_scholes
from dollarbill_core.pricing.grid import american, european, exercise_boundary
from dollarbill_core.pricing.grid_kernels import ex_date, march, sweep_down, sweep_up
from dollarbill_core.pricing.machine_code import Floats, compiled
from dollarbill_core.values.contracts import Right
from tests.assembly_reader import vector_loop
from tests.dividend_tree import tree_limit

C, P = Right.CALL, Right.PUT
INF, NAN = math.inf, math.nan
FINE = {"nodes": 800, "steps": 80}
QUARTERLY = [(0.1, 1.2), (0.35, 1.2), (0.6, 1.2), (0.85, 1.2)]


def random_options(count: int, seed: int) -> list[tuple]:
    """Right, spot, strike, years, rate, vol, yield and dividends: 1 to 8 of them, whole days,
    a week to two years, vol 10 % to 100 %, strikes 70 to 130, rate -1 % to 8 %."""
    rng = np.random.default_rng(seed)
    options = []
    for _ in range(count):
        days = round(np.exp(rng.uniform(np.log(7), np.log(730))))
        times = rng.choice(np.arange(1, days), min(rng.integers(1, 9), days - 1), replace=False)
        dividends = [(time / 365, rng.uniform(0.1, 2.0)) for time in sorted(times)]
        terms = rng.uniform(70, 130), days / 365, rng.uniform(-0.01, 0.08), rng.uniform(0.1, 1)
        options.append((rng.choice([C, P]), 100.0, *terms, 0.0, dividends))
    return options


def quantlib_price(option: tuple, nodes: int) -> float:
    """QuantLib's finite differences in the spot model, as many steps as nodes."""
    right, spot, strike, years, rate, vol, dividend_yield, dividends = option
    today = ql.Date(2, 1, 2024)
    ql.Settings.instance().evaluationDate = today
    day_count = ql.Actual365Fixed()
    process = ql.BlackScholesMertonProcess(
        ql.QuoteHandle(ql.SimpleQuote(spot)),
        *(
            ql.YieldTermStructureHandle(ql.FlatForward(today, each, day_count))
            for each in (dividend_yield, rate)
        ),
        ql.BlackVolTermStructureHandle(
            ql.BlackConstantVol(today, ql.NullCalendar(), vol, day_count)
        ),
    )
    schedule = [
        ql.FixedDividend(dollars, today + round(time * 365)) for time, dollars in dividends
    ]
    engine = ql.FdBlackScholesVanillaEngine(
        process,
        ql.DividendSchedule(schedule),
        nodes,
        nodes,
        0,
        ql.FdmSchemeDesc.Douglas(),
        False,
        1e-9,
        ql.FdBlackScholesVanillaEngine.Spot,
    )
    kind = ql.Option.Call if right == C else ql.Option.Put
    expiry = ql.AmericanExercise(today, today + round(years * 365))
    contract = ql.VanillaOption(ql.PlainVanillaPayoff(kind, strike), expiry)
    contract.setPricingEngine(engine)
    return contract.NPV()


# --- against other methods


def test_within_two_tenths_of_a_cent_of_the_limit_of_a_tree():
    options = random_options(20, seed=1)

    errors = [american(*each).price - tree_limit(*each) for each in options]

    assert np.abs(errors).max() < 2e-3
    assert np.sqrt(np.mean(np.square(errors))) < 5e-4


def test_european_within_two_tenths_of_a_cent_of_the_limit_of_a_tree():
    options = random_options(8, seed=2)

    errors = [european(*each).price - tree_limit(*each, early=False) for each in options]

    assert np.abs(errors).max() < 2e-3


def test_quantlib_in_the_spot_model_agrees():
    options = random_options(6, seed=3)

    errors = [american(*each, **FINE).price - quantlib_price(each, 1000) for each in options]

    assert np.abs(errors).max() < 2e-3


@pytest.mark.parametrize(
    ("right", "rate", "dividend_yield", "vol", "years", "strike"),
    [
        pytest.param(P, -0.02, -0.05, 0.20, 1.0, 100, id="put, yield < rate < 0"),
        pytest.param(P, -0.003, -0.05, 2.50, 2.6, 160, id="put, vol 250 %"),
        pytest.param(P, -0.01, -0.03, 0.03, 3.0, 103, id="put, vol 3 %"),
        pytest.param(C, -0.05, -0.02, 0.20, 1.0, 100, id="call, rate < yield < 0"),
        pytest.param(C, -0.04, -0.01, 0.50, 1 / 365, 99, id="call, a day"),
        pytest.param(C, -0.03, -0.02, 1.00, 3.0, 80, id="call, vol 100 %"),
    ],
)
def test_exercise_within_a_band(right, rate, dividend_yield, vol, years, strike):
    option = (right, 100.0, strike, years, rate, vol, dividend_yield)

    price = american(*option, **FINE).price

    assert price == pytest.approx(tree_limit(*option, steps=3000), abs=1e-4)
    assert price > black_scholes.price(*option) + 1e-6


@pytest.mark.parametrize("right", [C, P])
@pytest.mark.parametrize("carry", [(0.05, 0.0), (0.0, 0.05), (-0.01, 0.02), (0.02, -0.03)])
def test_without_dividends_it_is_the_price_under_a_yield(right, carry):
    option = (right, 100.0, 105.0, 0.7, carry[0], 0.3, carry[1])

    assert american(*option, **FINE).price == pytest.approx(tree_limit(*option), abs=2e-4)
    assert european(*option).price == pytest.approx(black_scholes.price(*option), abs=1e-12)


def test_one_dividend_is_an_integral_over_the_eve():
    """The formula at the fallen stock, weighed by the density of the stock on the ex-date."""
    years, strike, rate, vol, when, dollars = 0.5, 98.0, 0.04, 0.35, 0.2, 3.0

    def weighed(z):
        stock = 100 * math.exp((rate - vol**2 / 2) * when + vol * math.sqrt(when) * z)
        left = black_scholes.price(C, stock - dollars, strike, years - when, rate, vol)
        return left * norm.pdf(z)

    exact = math.exp(-rate * when) * quad(weighed, -8, 8, epsabs=1e-10)[0]
    price = european(C, 100.0, strike, years, rate, vol, 0.0, [(when, dollars)]).price

    assert price == pytest.approx(exact, abs=5e-4)


def test_the_spot_model_is_not_the_escrowed_one():
    """Hull, 5th edition, example 12.8: 3.67 by the formula at spot less the dividends' worth.

    Inputs and 3.67 as in QuantLib's test-suite/dividendoption.cpp.
    """
    dividends = [(2 / 12, 0.5), (5 / 12, 0.5)]
    worth = sum(dollars * math.exp(-0.09 * time) for time, dollars in dividends)

    escrowed = black_scholes.price(C, 40 - worth, 40, 0.5, 0.09, 0.3)
    spot_model = european(C, 40, 40, 0.5, 0.09, 0.3, 0.0, dividends).price

    assert escrowed == pytest.approx(3.67, abs=0.005)
    limit = tree_limit(C, 40, 40, 0.5, 0.09, 0.3, 0.0, dividends, early=False)
    assert spot_model == pytest.approx(limit, abs=5e-4)
    assert spot_model - escrowed == pytest.approx(0.06, abs=0.02)


def test_calls_exercised_on_eves_converge_along_the_chain():
    """Off by a corner's place between nodes, they would be three times over the bound."""
    chain = (C, 100.0, np.linspace(80, 120, 60), 1.0, 0.02, 0.25, 0.0)
    dividends = [(0.25, 1.5), (0.5, 1.5), (0.75, 1.5)]

    off = american(*chain, dividends).price - american(*chain, dividends, **FINE).price

    assert np.sqrt(np.mean(np.square(off))) < 1e-4


# --- when to exercise


def test_a_call_with_a_dividend_above_the_put_is_still_held_for_the_interest():
    """S 600, D 1.90, r 4.5 %, 30 days, K 540: the put is worth 0.09, to hold 60.19.

    Exercise on the eve pays only if the dividend exceeds put + K (1 - exp(-r T)).
    """
    years, rate = 30 / 365, 0.045
    vol = brentq(lambda v: black_scholes.price(P, 598.10, 540, years, rate, v) - 0.09, 0.1, 0.5)

    price = american(C, 600, 540, years, rate, vol, 0.0, [(1e-9, 1.90)]).price

    assert price == pytest.approx(60.19, abs=0.01)
    assert 0.09 + 540 * (1 - math.exp(-rate * years)) > 1.90


def test_the_eve_s_boundary_is_where_the_dividend_pays_for_put_and_interest():
    """D = P(S* - D) + K (1 - exp(-r T)), which parity makes exact before a last dividend."""
    found = exercise_boundary(C, 100, 0.5, 0.04, 0.25, 0.0, [(0.3, 1.5)])

    put = black_scholes.price(P, found.eve_spot[0] - 1.5, 100, 0.2, 0.04, 0.25)
    assert_array_equal(found.eve_years, [0.3])
    assert put + 100 * (1 - math.exp(-0.04 * 0.2)) == pytest.approx(1.5, abs=2e-3)
    assert np.isnan(found.spot).all()


def test_a_small_dividend_never_pays_for_the_interest():
    found = exercise_boundary(C, 100, 0.5, 0.04, 0.25, 0.0, [(0.3, 0.7)])

    assert 100 * (1 - math.exp(-0.04 * 0.2)) > 0.7
    assert np.isnan(found.eve_spot).all()


def test_a_put_is_not_exercised_before_a_dividend_that_exceeds_the_interest():
    found = exercise_boundary(P, 100, 1.0, 0.05, 0.3, 0.0, [(0.5, 2.0)])

    wait = (found.years < 0.499) & (found.years > 0.5 - 2.0 / (100 * 0.05))
    assert np.isnan(found.spot[wait]).all()
    after = found.spot[found.years > 0.52]
    assert (np.diff(after) > 0).all()
    assert 72 < after[0] < 76 and 95 < after[-1] < 100
    assert np.isnan(found.eve_spot).all()


def test_at_the_boundary_value_and_exercise_value_part():
    found = exercise_boundary(P, 100, 1.0, 0.05, 0.3)

    inside, outside = 0.985 * found.spot[0], 1.02 * found.spot[0]
    assert american(P, inside, 100, 1.0, 0.05, 0.3, **FINE).price == 100 - inside
    assert american(P, outside, 100, 1.0, 0.05, 0.3, **FINE).price > 100 - outside + 1e-3


# --- dividends that exceed the stock, or do not count


def test_a_dividend_above_the_stock_leaves_nothing():
    """The put waits for its strike, the call is exercised on the eve like one that expires."""
    dividends = [(0.5, 1e4)]

    put = american(P, 100, 100, 1.0, 0.05, 0.3, 0.0, dividends).price
    call = american(C, 100, 100, 1.0, 0.05, 0.3, 0.0, dividends).price

    assert put == pytest.approx(100 * math.exp(-0.05 * 0.5), abs=1e-3)
    assert call == pytest.approx(black_scholes.price(C, 100, 100, 0.5, 0.05, 0.3), abs=1e-3)
    european_put = european(P, 100, 100, 1.0, 0.05, 0.3, 0.0, dividends).price
    assert european_put == pytest.approx(100 * math.exp(-0.05), abs=1e-3)
    assert european(C, 100, 100, 1.0, 0.05, 0.3, 0.0, dividends).price < 1e-9


def test_a_dividend_near_the_stock_agrees_with_the_tree():
    option = (P, 100.0, 100.0, 1.0, 0.05, 0.3, 0.0, [(0.5, 60.0)])

    assert american(*option).price == pytest.approx(tree_limit(*option), abs=5e-3)


@pytest.mark.parametrize(("price", "early"), [(american, True), (european, False)])
@pytest.mark.parametrize(
    "option",
    [
        pytest.param((P, 100, 49, 0.24, 0.053, 2.38, 0.049), id="vol 238 %"),
        pytest.param((P, 100, 85, 0.22, 0.085, 2.85, 0.024), id="vol 285 %"),
        pytest.param((C, 100, 60, 0.90, 0.03, 1.5, -0.01), id="call, vol 150 %"),
    ],
)
def test_many_dividends_on_a_stock_that_may_be_worth_less_than_they_are(option, price, early):
    dividends = [(0.02, 3.5), (0.06, 1.0), (0.09, 4.9), (0.14, 2.5), (0.18, 1.0), (0.21, 5.0)]

    found = price(*option, dividends).price

    limit = tree_limit(*option, dividends, steps=2000, early=early)
    assert found == pytest.approx(limit, abs=2e-3)


@pytest.mark.parametrize("time", [-0.1, 0.0, 1.0, 1.5])
@pytest.mark.parametrize("right", [C, P])
def test_dividends_outside_the_option_s_life_do_not_count(right, time):
    option = (right, 100.0, 95.0, 1.0, 0.03, 0.25)

    with_dividend = american(*option, 0.0, [(time, 5.0)])

    assert_array_equal(with_dividend, american(*option))


def test_dividends_are_taken_in_any_order():
    option = (P, 100.0, 95.0, 1.0, 0.03, 0.25, 0.0)

    assert american(*option, QUARTERLY[::-1]).price == american(*option, QUARTERLY).price


@pytest.mark.parametrize(
    "dividends",
    [[(0.5, -1.0)], [(0.5, NAN)], [(INF, 1.0)], [(0.5, 1.0, 2.0)], [(0.5,)], (0.5, 1.0)],
)
def test_dividends_without_meaning_are_refused(dividends):
    with pytest.raises(ValueError, match="dividends"):
        american(C, 100, 100, 1.0, 0.03, 0.25, 0.0, dividends)


def test_a_grid_too_small_is_refused():
    with pytest.raises(ValueError, match="20 nodes"):
        american(C, 100, 100, 1.0, 0.03, 0.25, nodes=19)


def test_a_boundary_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no boundary"):
        exercise_boundary(C, 100, 0.0, 0.03, 0.25)


# --- arrays, Greeks, limits


def test_a_chain_is_priced_as_its_options_are():
    strikes = np.linspace(60, 160, 75)[:, None]
    rights = np.array([C, P])

    chain = american(rights, 100, strikes, 0.9, 0.04, 0.3, 0.0, QUARTERLY)

    assert chain.price.shape == (75, 2)
    for row in (0, 40, 74):
        one = american(P, 100, strikes[row, 0], 0.9, 0.04, 0.3, 0.0, QUARTERLY)
        assert_allclose([field[row, 1] for field in chain], one, rtol=1e-9, atol=1e-12)


def test_expiries_together_are_priced_as_alone():
    years = np.array([0.05, 0.2, 0.5, 0.9, 1.5])

    together = american(P, 100, 100, years, 0.04, 0.3, 0.0, QUARTERLY).price

    alone = [american(P, 100, 100, each, 0.04, 0.3, 0.0, QUARTERLY).price for each in years]
    assert_allclose(together, alone, atol=1e-3)


def test_an_expiry_on_an_ex_date_does_not_lend_its_dividends_to_others():
    years = np.array([0.35, 0.36])

    together = american(P, 100, 100, years, 0.04, 0.3, 0.0, QUARTERLY).price

    alone = [american(P, 100, 100, each, 0.04, 0.3, 0.0, QUARTERLY).price for each in years]
    assert_allclose(together, alone, rtol=1e-12)


def test_numbers_give_a_number():
    assert np.ndim(american(C, 100, 100, 1.0, 0.03, 0.25, 0.0, QUARTERLY).price) == 0


@pytest.mark.parametrize("right", [C, P])
@pytest.mark.parametrize("spot", [85.0, 100.0, 115.0])
def test_greeks_are_the_differences_of_prices(right, spot):
    def price(spot=spot, later=0.0):
        dividends = [(time - later, dollars) for time, dollars in QUARTERLY]
        option = (right, spot, 100.0, 0.9 - later, 0.04, 0.3, 0.0, dividends)
        return american(*option, nodes=1600, steps=100).price

    found = american(right, spot, 100.0, 0.9, 0.04, 0.3, 0.0, QUARTERLY)
    below, at, above = price(spot - 1), price(), price(spot + 1)

    assert found.delta == pytest.approx((above - below) / 2, abs=1e-3)
    assert found.gamma == pytest.approx(above - 2 * at + below, abs=3e-4)
    assert found.theta == pytest.approx((price(later=0.002) - at) / 0.002, abs=0.05)


def test_where_it_is_exercised_the_greeks_are_those_of_the_exercise_value():
    assert american(P, 50, 100, 0.5, 0.05, 0.2) == (50.0, -1.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        pytest.param((C, 100, 90, 0.0, 0.05, 0.2), 10.0, id="no time"),
        pytest.param((C, 0, 90, 1.0, 0.05, 0.2), 0.0, id="no stock, call"),
        pytest.param((P, 0, 90, 1.0, 0.05, 0.2), 90.0, id="no stock, put"),
        pytest.param((C, 100, 0, 1.0, 0.05, 0.2), 100.0, id="no strike, call"),
        pytest.param((P, 100, 0, 1.0, 0.05, 0.2), 0.0, id="no strike, put"),
        pytest.param(
            (C, 100, 90, 1.0, 0.05, 0.0),
            100 - math.exp(-0.025) - 90 * math.exp(-0.05),
            id="no vol, held for the interest",
        ),
        pytest.param((C, 100, 90, 1.0, 0.0, 0.0), 10.0, id="no vol, exercised on the eve"),
        pytest.param((P, 100, 110, 1.0, 0.05, 0.0), 10.0, id="no vol, put exercised now"),
        pytest.param(
            (P, 100, 101, 1.0, 0.01, 0.0),
            101 * math.exp(-0.005) - (100 - math.exp(-0.005)),
            id="no vol, put held over the ex-date",
        ),
        pytest.param(
            (P, 100, 110, 1.0, 0.05, 0.0, 0.08),
            110 * math.exp(-0.05) - (100 * math.exp(-0.08) - math.exp(-0.065)),
            id="no vol, a yield above the interest",
        ),
    ],
)
def test_limits(option, expected):
    """One dividend of 1 in half a year."""
    dividends = [(0.5, 1.0)]
    given = option if len(option) == 7 else (*option, 0.0)

    assert american(*given, dividends).price == pytest.approx(expected, abs=1e-9)
    if option[5] == 0:
        nearly = (*given[:5], 1e-4, given[6])
        assert american(*nearly, dividends).price == pytest.approx(expected, abs=2e-3)


def test_the_stock_s_yield_may_stop_a_call_without_vol_between_ex_dates():
    """With the stock's yield above the interest on the strike only after a while: the best
    time is where the two are equal."""
    option = (C, 100.0, 150.0, 30.0, 0.04, 0.0, 0.01)
    times = np.linspace(0, 30, 300_001)

    best = (100 * np.exp(-0.01 * times) - 150 * np.exp(-0.04 * times)).max()

    assert american(*option).price == pytest.approx(best, abs=1e-6)


@pytest.mark.parametrize(
    "option",
    [
        pytest.param((0, 100, 100, 1.0, 0.05, 0.2), id="no right"),
        pytest.param((C, -1, 100, 1.0, 0.05, 0.2), id="spot"),
        pytest.param((C, 100, -1, 1.0, 0.05, 0.2), id="strike"),
        pytest.param((C, 100, 100, -1.0, 0.05, 0.2), id="years"),
        pytest.param((C, 100, 100, 1.0, NAN, 0.2), id="rate"),
        pytest.param((C, 100, 100, 1.0, 0.05, -0.2), id="vol"),
        pytest.param((C, INF, 100, 1.0, 0.05, 0.2), id="infinite spot"),
        pytest.param((C, 100, 100, 1.0, 0.05, 26.0), id="more than 25 deviations"),
    ],
)
def test_options_without_meaning_are_nan(option):
    assert np.isnan(american(*option, 0.0, QUARTERLY)).all()
    assert np.isnan(european(*option, 0.0, QUARTERLY)).all()


# --- properties

OPTIONS = st.tuples(
    st.sampled_from([C, P]),
    st.just(100.0),
    st.floats(40, 250),
    st.floats(1 / 365, 3.0),
    st.floats(-0.05, 0.12),
    st.floats(0.03, 3.0),
    st.floats(-0.05, 0.12),
)
DIVIDENDS = st.lists(st.tuples(st.floats(0.001, 3.0), st.floats(0.01, 5.0)), max_size=12)


@settings(max_examples=150, deadline=None)
@given(OPTIONS, DIVIDENDS)
def test_american_is_worth_at_least_the_european_and_exercise(option, dividends):
    right, spot, strike = option[:3]

    early, late = american(*option, dividends).price, european(*option, dividends).price

    assert early >= right * (spot - strike)
    assert early >= 0.0
    assert early >= late - 5e-3
    assert (
        early <= 1e-2 + spot * math.exp(max(-option[6], 0) * option[3]) if right == C else True
    )
    assert (
        early <= 1e-2 + strike * math.exp(max(-option[4], 0) * option[3])
        if right == P
        else True
    )


@settings(max_examples=100, deadline=None)
@given(OPTIONS, DIVIDENDS, st.floats(0.05, 5.0))
def test_a_larger_dividend_is_worth_more_to_a_put_and_less_to_a_call(option, dividends, more):
    right = option[0]
    larger = [*dividends, (0.4 * option[3], more)]

    rise = american(*option, larger).price - american(*option, dividends).price

    assert right * rise <= 5e-3


@settings(max_examples=100, deadline=None)
@given(OPTIONS, DIVIDENDS, st.sampled_from([0.01, 0.5, 8.0, 1000.0]))
def test_dollars_have_no_size(option, dividends, size):
    right, spot, strike, *rest = option
    scaled = [(time, size * dollars) for time, dollars in dividends]

    price = american(right, size * spot, size * strike, *rest, scaled).price

    assert price == pytest.approx(size * american(*option, dividends).price, rel=1e-6, abs=1e-6)


# --- the kernels


def small_grid(lanes: int = 3, nodes: int = 20) -> list[np.ndarray]:
    """Arguments that `march` and `ex_date` share: puts about a strike of 100."""
    vol, spacing, rate = 0.3, 0.03, 0.05
    spots = 75 * np.exp(spacing * np.arange(nodes))[:, None] + np.zeros(lanes)
    half = 0.5 * vol**2 / spacing**2
    drift = 0.5 * (rate - 0.5 * vol**2) / spacing
    ends = spots[[0, -1, -2]]
    fixed = np.array([-1.0, rate, 0.0, spacing, half - drift, -2 * half - rate, half + drift])
    lane = np.concatenate([fixed[:, None] + np.zeros(lanes), ends])
    exercise = 100.0 - spots
    edges = np.array([[100.0], [1.0], [0.0], [0.0]]) + np.zeros(lanes)
    return [each.ravel() for each in (np.maximum(exercise, 0.0), exercise, spots, lane, edges)]


def test_march_and_ex_date_do_as_their_plain_functions():
    lanes, nodes = 3, 20
    outcomes = []
    for step_back, fall in ((march, ex_date), (march.plain, ex_date.plain)):
        values, exercise, spots, lane, edges = small_grid()
        work, step = np.zeros(3 * nodes * lanes), np.zeros(5 * lanes)
        clock = np.full(4 * lanes, 0.01)
        step_back(values, work, exercise, lane, edges, step, clock, lanes)
        amounts, worthless = np.array([0.5, 2.0, 90.0]), np.full(lanes, 100.0)
        fall(values, work, exercise, spots, lane, edges, amounts, worthless, lanes)
        outcomes.append(np.concatenate([values, edges]))

    assert_allclose(outcomes[0], outcomes[1], rtol=1e-12, atol=1e-12)
    assert outcomes[0].max() > 90


@compiled
def down_kernel(values: Floats, swept: Floats, step: Floats, last: int, lanes: int) -> None:
    sweep_down(values, swept, step, last, lanes)


@compiled
def up_kernel(
    values: Floats, swept: Floats, exercise: Floats, step: Floats, last: int, lanes: int
) -> None:
    sweep_up(values, swept, exercise, step, last, lanes)


@pytest.mark.parametrize(("kernel", "packed"), [(down_kernel, 4), (up_kernel, 1)])
def test_sweeps_are_made_of_vectors(kernel, packed):
    loop = vector_loop(kernel.assembly())

    assert loop.packed >= packed
    assert loop.scalar == 0
