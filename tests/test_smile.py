"""The smile as a law: worked values, and what must hold of every smile without arbitrage."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dollarbill_core.market.calibration import is_sound
from dollarbill_core.market.smile import Smile, Svi
from dollarbill_core.pricing import black_scholes
from dollarbill_core.values.contracts import Right

SKEWED = Svi(level=0.0, steepness=0.05, tilt=-0.5, centre=0.02, width=0.15)
YEARS, FORWARD, DISCOUNT = 0.25, 120.0, 0.98


def smile_of(*parts: tuple[float, Svi]) -> Smile:
    return Smile(YEARS, FORWARD, DISCOUNT, parts or ((1.0, SKEWED),))


def flat(variance: float) -> Svi:
    return Svi(variance, 0.0, 0.0, 0.0, 1.0)


@st.composite
def sound_hyperbolas(draw) -> Svi:
    """Any that allows no arbitrage, from a few hours at low vol to years at high."""
    theta = draw(st.floats(1e-4, 0.5))
    root = math.sqrt(theta)
    left, right = draw(st.floats(0.01, 1.2)), draw(st.floats(0.01, 1.2))
    width, centre = draw(st.floats(0.1, 3.0)) * root, draw(st.floats(-1.0, 1.0)) * root
    steepness, tilt = (left + right) / 2, (right - left) / (left + right)
    lowest = draw(st.floats(0.2, 1.0)) * theta
    svi = Svi(lowest - width * math.sqrt(left * right), steepness, tilt, centre, width)
    assume(is_sound(svi))
    return svi


def far_grid(smile: Smile) -> np.ndarray:
    """Prices from next to nothing to as good as any, close together near the forward."""
    unit = 0.05 * math.sqrt(smile.total_variance(0.0))
    end = math.asinh(300 / unit)
    return smile.forward * np.exp(unit * np.sinh(np.linspace(-end, end, 8001)))


def test_a_flat_smile_is_lognormal():
    vol = 0.2
    smile = smile_of((1.0, flat(vol**2 * YEARS)))
    levels = np.array([80.0, 110.0, 120.0, 150.0])

    below = 1 - black_scholes.probability_above(levels, FORWARD, YEARS, 0.0, vol)

    assert smile.vol(levels) == pytest.approx(vol)
    assert smile.cdf(levels) == pytest.approx(below, abs=1e-14)


def test_total_variance_by_hand():
    """y = -0.12: 0.05 (-0.5 x -0.12 + sqrt(0.0144 + 0.0225)) = 0.05 (0.06 + 0.192094)."""
    assert SKEWED.total_variance(-0.10) == pytest.approx(0.0126047, abs=1e-7)
    assert SKEWED.wings == pytest.approx((0.075, 0.025))
    assert SKEWED.least == pytest.approx(0.05 * 0.15 * math.sqrt(0.75))


def test_derivatives_are_those_of_the_variance():
    k, step = np.linspace(-1, 1, 41), 1e-4
    low, here, high = (SKEWED.total_variance(k + move) for move in (-step, 0.0, step))

    found = SKEWED.bend(k)

    assert found.slope == pytest.approx((high - low) / (2 * step), abs=1e-7)
    assert found.curvature == pytest.approx((high - 2 * here + low) / step**2, abs=1e-5)


def test_prices_are_those_of_the_vol_at_the_strike():
    smile = smile_of()
    rate = -math.log(DISCOUNT) / YEARS

    put = black_scholes.price(-1, FORWARD, 100, YEARS, rate, smile.vol(100), rate)

    assert smile.price(Right.PUT, 100) == pytest.approx(put, rel=1e-13)
    parity = smile.price(Right.CALL, 100) - smile.price(Right.PUT, 100)
    assert parity == pytest.approx(DISCOUNT * (FORWARD - 100), rel=1e-13)


def test_delta_is_that_of_the_forward():
    smile, strikes = smile_of(), np.array([90.0, 120.0, 140.0])
    terms = FORWARD, strikes, YEARS, 1.0, smile.vol(strikes)

    for right in Right:
        expected = black_scholes.greeks_from_forward(right, *terms).delta
        assert smile.delta(right, strikes) == pytest.approx(expected, abs=1e-13)


@given(svi=sound_hyperbolas())
def test_the_density_integrates_to_one_and_its_mean_is_the_forward(svi):
    smile = smile_of((1.0, svi))
    prices = far_grid(smile)
    density = smile.density(prices)

    assert (density >= 0).all()
    assert np.trapezoid(density * prices, np.log(prices)) == pytest.approx(1, abs=1e-5)
    mean = np.trapezoid(density * prices * prices, np.log(prices))
    assert mean == pytest.approx(smile.mean, rel=1e-5)


@given(svi=sound_hyperbolas())
def test_chances_rise_from_nothing_to_one(svi):
    smile = smile_of((1.0, svi))

    chances = smile.cdf(far_grid(smile))

    assert (np.diff(chances) >= -1e-13).all()
    assert chances[0] == pytest.approx(0, abs=1e-8)
    assert chances[-1] == pytest.approx(1, abs=1e-8)


@given(svi=sound_hyperbolas())
def test_calls_fall_and_bend_upwards_with_the_strike(svi):
    smile = smile_of((1.0, svi))
    strikes = FORWARD * np.linspace(0.3, 2.5, 300)

    calls = smile.price(Right.CALL, strikes)

    assert (np.diff(calls) <= 1e-12).all()
    assert (np.diff(calls, 2) >= -1e-12 * FORWARD).all()
    assert (np.diff(calls) >= -DISCOUNT * np.diff(strikes) - 1e-12 * FORWARD).all()


@given(svi=sound_hyperbolas(), move=st.floats(-3, 3))
def test_the_chance_is_the_slope_of_the_shortfall(svi, move):
    smile = smile_of((1.0, svi))
    level = FORWARD * math.exp(move * math.sqrt(float(svi.total_variance(0.0))))
    step = 1e-4 * level * math.sqrt(float(svi.total_variance(0.0)))

    slope = np.diff(smile.shortfall([level - step, level + step]))[0] / (2 * step)

    assert smile.cdf(level) == pytest.approx(slope, abs=1e-5)


@given(svi=sound_hyperbolas(), share=st.floats(0.001, 0.999))
def test_a_quantile_is_where_the_chance_is_that(svi, share):
    smile = smile_of((1.0, svi))

    assert smile.cdf(smile.quantile(share)) == pytest.approx(share, abs=1e-9)


def test_the_median_of_a_flat_smile():
    smile = smile_of((1.0, flat(0.04)))

    assert smile.quantile(0.5) == pytest.approx(FORWARD * math.exp(-0.02))
    tail = FORWARD * math.exp(0.2 * NormalDist().inv_cdf(0.05) - 0.02)
    assert smile.quantile([0.05, 0.5]) == pytest.approx([tail, FORWARD * math.exp(-0.02)])


def test_the_ends_of_the_law():
    smile = smile_of()

    assert smile.cdf([-5.0, 0.0]).tolist() == [0.0, 0.0]
    assert smile.density([-5.0, 0.0]).tolist() == [0.0, 0.0]
    assert smile.shortfall([-5.0, 0.0]).tolist() == [0.0, 0.0]
    assert np.isnan(smile.cdf(np.nan)) and np.isnan(smile.vol(-1.0))
    assert np.isnan(smile.quantile([0.0, 1.0, 2.0])).all()


def test_parts_add_up():
    parts = smile_of((0.25, SKEWED), (0.75, flat(0.02)))

    expected = 0.25 * SKEWED.total_variance(0.1) + 0.75 * 0.02

    assert parts.total_variance(0.1) == pytest.approx(expected)
    assert parts.bend(0.1).slope == pytest.approx(0.25 * SKEWED.bend(0.1).slope)


@pytest.mark.parametrize(
    "parameters",
    [
        pytest.param((0.01, -0.1, 0.0, 0.0, 0.1), id="wings that fall"),
        pytest.param((0.01, 0.1, 1.2, 0.0, 0.1), id="tilt beyond a correlation"),
        pytest.param((0.01, 0.1, 0.0, 0.0, 0.0), id="no width"),
        pytest.param((-0.02, 0.1, 0.0, 0.0, 0.1), id="variance below nothing"),
        pytest.param((math.nan, 0.1, 0.0, 0.0, 0.1), id="not a number"),
    ],
)
def test_refuses_what_is_no_smile(parameters):
    with pytest.raises(ValueError, match=r"no smile has|must be positive"):
        Svi(*parameters)


@pytest.mark.parametrize("terms", [(0.0, 1, 1), (1, 0.0, 1), (1, 1, -1.0)])
def test_refuses_what_is_no_settlement(terms):
    with pytest.raises(ValueError, match="positive"):
        Smile(*terms, ((1.0, SKEWED),))
