"""Worst losses: exact for one settlement, and bounds that no law of prices gets below."""

from decimal import Decimal as D

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dollarbill_core.pricing import black_scholes
from dollarbill_core.pricing.losses import WorstLoss, worst_loss
from dollarbill_core.pricing.payoff import break_evens, payoff_at_expiry, profit_at_expiry
from dollarbill_core.values.calendars import expiry_instant, years_between
from dollarbill_core.values.contracts import Leg
from tests.package_builder import (
    CONDOR,
    EXPIRY,
    LAST,
    LATER,
    STRANGLE,
    call,
    credits,
    options,
    packages,
    put,
    shares,
    stocks,
)

SPOTS = np.array([0.01, 1, 5, 20, 40, 50, 60, 75, 90, 99, 120, 200, 1_000, 1e5])
# Index options are European; XYZ's are American.
europeans = st.lists(options(EXPIRY, LATER, LAST, root="SPXW"), min_size=2, max_size=6)
americans = st.lists(
    st.one_of(*3 * [options(EXPIRY, LATER, LAST)], stocks), min_size=2, max_size=6
)
carries = st.tuples(st.floats(-0.03, 0.10), st.floats(-0.03, 0.10))


@pytest.mark.parametrize(
    ("legs", "credit", "points", "worst"),
    [
        pytest.param([put(-1, "95")], "150", [93.5], "$9,350.00 at 0", id="naked put"),
        pytest.param(
            [call(-2, "105")], "300", [106.5], "unlimited above 105", id="naked calls"
        ),
        pytest.param(STRANGLE, "300", [87, 113], "unlimited above 110", id="strangle"),
        pytest.param(
            [put(-1, "100"), call(-1, "100")],
            "712.50",
            [92.875, 107.125],
            "unlimited above 100",
            id="straddle",
        ),
        pytest.param(
            [put(-1, "95"), put(1, "90")],
            "120",
            [93.8],
            "$380.00 at 90",
            id="put credit spread",
        ),
        pytest.param(CONDOR, "250", [87.5, 112.5], "$750.00 at 120", id="unequal condor"),
        pytest.param(
            [shares(100), call(-1, "105")],
            "-9800",
            [98],
            "$9,800.00 at 0",
            id="covered call, stock at 100, 2.00 received",
        ),
        pytest.param(
            [shares(-100), put(-1, "95")],
            "10150",
            [101.5],
            "unlimited above 95",
            id="covered put",
        ),
        pytest.param(
            [put(1, "95"), shares(100), call(-1, "105")],
            "-10050",
            [100.5],
            "$550.00 at 95",
            id="collar",
        ),
        pytest.param(
            [call(1, "95"), call(-2, "100"), call(1, "105")],
            "-120",
            [96.2, 103.8],
            "$120.00 at 105",
            id="butterfly bought",
        ),
        pytest.param(
            [call(1, "100")], "0", [100], "$0.00 at 100", id="free call: end of a flat"
        ),
        pytest.param(
            [call(1, "95"), call(-2, "100"), call(1, "105")],
            "0",
            [95, 105],
            "$0.00 at 105",
            id="free butterfly: flats on both sides",
        ),
        pytest.param([put(1, "90"), put(-1, "95")], "500", [90], "$0.00 at 90", id="touches"),
        pytest.param(
            [call(1, "90"), call(-1, "90"), call(1, "110")],
            "0",
            [110],
            "$0.00 at 110",
            id="a strike inside a flat is no end of it",
        ),
        pytest.param([put(-1, "50")], "5000", [], "$0.00 at 0", id="spot 0 is no break-even"),
        pytest.param([shares(-100)], "10000", [100], "unlimited above 0", id="short stock"),
        pytest.param(
            [call(1, "100"), put(-1, "100"), shares(-100)],
            "9990",
            [],
            "$10.00 at 100",
            id="reversal: a level line below nothing",
        ),
    ],
)
def test_break_evens_and_worst_loss_of_the_standard_packages(legs, credit, points, worst):
    assert break_evens(legs, D(credit)) == tuple(points)
    assert str(worst_loss(legs, D(credit))) == worst


@given(packages, credits)
def test_no_settlement_price_loses_more_than_the_worst(legs, credit):
    worst = worst_loss(legs, credit)
    profits = profit_at_expiry(legs, credit, np.concatenate([np.linspace(0, 100, 401), [1e7]]))

    if worst.is_unlimited:
        assert profits[-1] < profits[-2]
        assert profits[-1] < -1e6
    else:
        assert -profits.min() <= float(worst.dollars) + 1e-6
        attained = float(profit_at_expiry(legs, credit, float(worst.spot)))
        assert max(-attained, 0) == pytest.approx(float(worst.dollars), abs=1e-6)


def test_worst_loss_is_exact_to_the_cent_and_orders_with_the_unlimited():
    legs = [put(-3, "92.5"), put(3, "87.5")]

    limited = worst_loss(legs, D("123.45"))

    assert limited == WorstLoss(D("1376.55"), D("87.5"))
    assert not limited.is_unlimited
    assert limited.dollars < worst_loss(STRANGLE, D(300)).dollars == D("Infinity")
    assert worst_loss(legs, 123.45) == limited  # a float credit counts as it is printed


@pytest.mark.parametrize(
    ("legs", "credit", "worst"),
    [
        pytest.param(
            [call(-1, "100"), call(1, "100", LATER)], -300, "$300.00 at 100", id="calendar"
        ),
        pytest.param(
            [call(-1, "100"), call(1, "105", LATER)], 50, "$450.00 at 105", id="diagonal"
        ),
        pytest.param(
            [put(-1, "95"), call(-1, "105"), put(1, "90", LATER), call(1, "112.5", LATER)],
            20,
            "$730.00 at 112.5",
            id="double diagonal, the wider side",
        ),
        pytest.param(
            [call(1, "100"), call(-1, "100", LATER)],
            300,
            "unlimited above 100",
            id="a short call outlives its long: naked",
        ),
        pytest.param(
            [put(1, "100"), put(-1, "100", LATER)],
            300,
            "$9,700.00 at 100",
            id="a short put outlives its long: the strike",
        ),
        pytest.param(
            [put(-1, "90"), put(-1, "100", LATER), put(1, "95", LATER)],
            0,
            "$9,500.00 at 0",
            id="a long covers one short, not two",
        ),
        pytest.param(
            [put(-1, "90"), put(-1, "100", LATER), put(2, "95", LATER)],
            0,
            "$500.00 at 95",
            id="two longs cover two shorts",
        ),
        pytest.param(
            [shares(100), call(-1, "105", LATER), put(1, "95")],
            -10_000,
            "$10,000.00 at 95",
            id="collar whose put goes first",
        ),
    ],
)
def test_bounds_of_american_packages_of_two_expiries(legs, credit, worst):
    assert str(worst_loss(legs, credit, rate=0.05, dividend_yield=0.02)) == f"BOUND: {worst}"


def test_a_european_long_may_be_worth_less_than_its_intrinsic_value():
    """28 days at 5 %: 100 points at the strike are worth 99.6172 now, so 38.29 can be lost."""
    legs = [put(-1, "100", root="SPXW"), put(1, "100", LATER, root="SPXW")]

    worst = worst_loss(legs, 0, rate=0.05, dividend_yield=0.0)

    assert worst == WorstLoss(D("38.29"), D("99.62"), is_bound=True)
    americans = [put(-1, "100"), put(1, "100", LATER)]
    assert worst_loss(americans, 0, rate=0.05, dividend_yield=0.0).dollars == 0


def test_morning_and_afternoon_of_one_day_are_two_instants():
    legs = [put(-1, "6000", root="SPX"), put(1, "5900", root="SPXW")]

    worst = worst_loss(legs, 500, rate=0.0, dividend_yield=0.0)

    assert str(worst) == "BOUND: $9,500.00 at 5900"


@settings(max_examples=500, deadline=None)
@given(europeans, credits, carries, st.floats(0.02, 1.5), st.floats(0.02, 1.5))
def test_no_european_package_is_worth_less_than_its_bound(legs, credit, carry, calm, wild):
    """The law is a mixture of two lognormal ones, another for each scenario."""
    worst = worst_loss(legs, credit, rate=carry[0], dividend_yield=carry[1])
    first = min(expiry_instant(leg.instrument) for leg in legs)

    profit = np.full_like(SPOTS, float(credit))
    for leg in legs:
        option = leg.instrument
        years = years_between(first, expiry_instant(option))
        terms = option.right, SPOTS, float(option.strike), years, carry[0]
        either = [black_scholes.price(*terms, vol, carry[1]) for vol in (calm, wild)]
        profit += leg.quantity * 100 * sum(either) / 2

    assert np.all(-profit <= float(worst.dollars) + 1e-9 * (1e4 + SPOTS))


def lattice_value(leg, days: int, vol: float, rate: float, dividend_yield: float) -> np.ndarray:
    """An American option by a binomial lattice of one step a day, at each of SPOTS."""
    option, up = leg.instrument, np.exp(vol / np.sqrt(365))
    chance = (np.exp((rate - dividend_yield) / 365) - 1 / up) / (up - 1 / up)

    def intrinsic(step):
        prices = SPOTS[:, None] * up ** np.arange(-step, step + 1, 2)
        return np.maximum(option.right * (prices - float(option.strike)), 0)

    held = intrinsic(days)
    for step in reversed(range(days)):
        going_on = np.exp(-rate / 365) * (chance * held[:, 1:] + (1 - chance) * held[:, :-1])
        held = np.maximum(going_on, intrinsic(step))
    return held[:, 0]


@settings(max_examples=150, deadline=None)
@given(americans, credits, carries, st.sampled_from([0.08, 0.3, 1.0]))
def test_no_american_package_is_worth_less_than_its_bound(legs, credit, carry, vol):
    worst = worst_loss(legs, credit, rate=carry[0], dividend_yield=carry[1])
    dates = [leg.instrument.expiry for leg in legs if hasattr(leg.instrument, "expiry")]

    profit = np.full_like(SPOTS, float(credit))
    for leg in legs:
        if not hasattr(leg.instrument, "expiry"):
            profit += leg.quantity * SPOTS
            continue
        days = (leg.instrument.expiry - min(dates)).days
        profit += leg.quantity * 100 * lattice_value(leg, days, vol, *carry)

    assert np.all(-profit <= float(worst.dollars) + 1e-9 * (1e4 + SPOTS))


due = st.lists(options(EXPIRY, root="SPXW"), min_size=1, max_size=3)
lasting = st.lists(options(LATER, LAST, root="SPXW"), min_size=1, max_size=3)


@given(due, lasting, st.sampled_from([1, -1]), carries)
def test_a_european_bound_is_met_where_there_is_no_vol_or_no_limit_to_it(
    near, far, side, carry
):
    """Longs alone are worth their floor at no vol; short puts cost it at boundless vol."""
    far = [put(-abs(x.quantity), str(x.instrument.strike), x.instrument.expiry, "SPXW")
           if side < 0 else Leg(x.instrument, abs(x.quantity)) for x in far]  # fmt: skip

    worst = worst_loss([*near, *far], 0, rate=carry[0], dividend_yield=carry[1])

    assume(not worst.is_unlimited)
    spots = np.array([0, *(float(leg.instrument.strike) for leg in near), float(worst.spot)])
    profit = payoff_at_expiry(near, spots)
    for leg in far:
        option = leg.instrument
        years = years_between(expiry_instant(near[0].instrument), expiry_instant(option))
        terms = option.right, spots, float(option.strike), years, carry[0]
        vol = 0.0 if side > 0 else 1e3
        profit = profit + leg.quantity * 100 * black_scholes.price(*terms, vol, carry[1])
    assert max(-profit.min(), 0) == pytest.approx(
        float(worst.dollars), abs=30
    )  # spot to the cent


def test_a_net_short_call_is_unlimited_only_where_it_may_grow():
    covered = [shares(100), call(-1, "105", LATER), call(1, "100")]

    assert not worst_loss(covered, -9_000, rate=0.0, dividend_yield=0.0).is_unlimited
    assert worst_loss(covered[1:], 0, rate=0.0, dividend_yield=0.0).is_unlimited


def test_several_instants_ask_for_rate_and_yield():
    with pytest.raises(ValueError, match="several instants need a rate and a yield"):
        worst_loss([call(-1, "100"), call(1, "100", LATER)], 0)


def test_one_instant_is_exact_whatever_the_carry():
    assert worst_loss(CONDOR, 250, rate=0.1, dividend_yield=0.1) == worst_loss(CONDOR, 250)
    assert not worst_loss(CONDOR, 250).is_bound


def test_a_leg_in_parts_is_bounded_as_the_whole():
    whole = [call(-2, "100"), call(2, "100", LATER)]
    parts = [call(-2, "100"), call(1, "100", LATER), call(1, "100", LATER)]

    worst = [worst_loss(legs, -800, rate=0.04, dividend_yield=0.01) for legs in (whole, parts)]

    assert [str(each) for each in worst] == 2 * ["BOUND: $800.00 at 100"]
