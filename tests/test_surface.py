"""The modelled surface: no free lunch in it, whatever the level, and anchored where it says."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.market.surface import INDEX_SHAPE, STOCK_SHAPE, Shape
from dollarbill_core.market.volatility import THIRTY_DAYS

SHAPES = [pytest.param(INDEX_SHAPE, id="index"), pytest.param(STOCK_SHAPE, id="stock")]
levels = st.floats(0.04, 1.5)
mean_vols = st.floats(0.04, 1.5)


def density(shape: Shape, theta: float, k: np.ndarray) -> np.ndarray:
    """Equation 2.1 of the paper, by finite differences: arbitrage where negative."""
    step = 1e-4 * max(1.0, math.sqrt(theta))
    low, w, high = (shape.total_variance(k + shift, theta) for shift in (-step, 0.0, step))
    slope, bend = (high - low) / (2 * step), (high - 2 * w + low) / step**2
    bracket = (1 - k * slope / (2 * w)) ** 2
    return bracket - slope**2 / 4 * (1 / w + 0.25) + bend / 2


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("vol", [0.05, 0.12, 0.3, 0.8])
@pytest.mark.parametrize("days", [1, 7, 30, 100])
def test_no_butterfly_arbitrage(shape, vol, days):
    theta = vol**2 * days / 365
    k = np.linspace(-12, 8, 401) * math.sqrt(theta)

    assert density(shape, theta, k).min() > -1e-6


def test_the_density_check_can_fail():
    steep = Shape(-0.535, 0.97, 8.0)
    object.__setattr__(steep, "curvature", 4.0)  # which its check would refuse

    assert density(steep, 0.0016, np.linspace(-0.48, 0.32, 401)).min() < 0


@pytest.mark.parametrize("shape", SHAPES)
@given(level=levels, mean_vol=mean_vols)
def test_no_calendar_arbitrage(shape, level, mean_vol):
    years = np.linspace(1, 400, 200) / 365
    theta = shape.variance_to(years, level, mean_vol**2)

    for k in (-0.5, -0.1, 0.0, 0.1, 0.3):
        assert (np.diff(shape.total_variance(k, theta)) > 0).all()


@pytest.mark.parametrize("shape", SHAPES)
@given(level=levels, mean_vol=mean_vols)
def test_thirty_days_carry_the_level(shape, level, mean_vol):
    total = shape.variance_to(THIRTY_DAYS, level, mean_vol**2)

    assert math.sqrt(total / THIRTY_DAYS) == pytest.approx(level)


def test_variance_returns_to_its_mean():
    near, far = np.array([7.0, 365.0]) / 365

    after_a_shock = INDEX_SHAPE.variance_to([near, far], 0.40, 0.20**2) / [near, far]
    in_a_calm = INDEX_SHAPE.variance_to([near, far], 0.10, 0.15**2) / [near, far]

    assert after_a_shock[0] > 0.40**2 > after_a_shock[1] > 0.20**2
    assert in_a_calm[0] < 0.10**2 < in_a_calm[1] < 0.15**2


def test_puts_cost_more_than_calls_and_the_index_is_skewed_more():
    theta = 0.15**2 * THIRTY_DAYS

    skews = [
        shape.total_variance(-0.05, theta) / shape.total_variance(0.05, theta)
        for shape in (INDEX_SHAPE, STOCK_SHAPE)
    ]

    assert skews[0] > skews[1] > 1


@pytest.mark.parametrize(
    ("skew", "curvature", "reversion", "message"),
    [
        pytest.param(1.0, 1.0, 8.0, "skew", id="skew beyond a correlation"),
        pytest.param(-0.5, 1.7, 8.0, "butterfly", id="wings too steep"),
        pytest.param(-0.5, 0.0, 8.0, "butterfly", id="no curvature"),
        pytest.param(-0.5, 1.0, 0.0, "reversion", id="no reversion"),
    ],
)
def test_refuses_a_shape_that_allows_arbitrage(skew, curvature, reversion, message):
    with pytest.raises(ValueError, match=message):
        Shape(skew, curvature, reversion)
