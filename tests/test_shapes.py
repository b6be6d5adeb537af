"""The modelled surface: no free lunch in it, whatever the level, and anchored where it says."""

import math
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.market.shapes import INDEX_SHAPE, STOCK_SHAPE, Shape
from dollarbill_core.market.volatility import THIRTY_DAYS, parity_forward
from dollarbill_core.pricing.implied_vol import implied_vol
from dollarbill_core.values.calendars import expiry_instant, years_between
from tests.real_quotes import real_table, spx_chain

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


# Real quotes: SPX, first week of 2011.

WEEK = [date(2011, 1, day) for day in range(3, 8)]


@pytest.fixture(scope="module")
def smiles():
    """Per day and expiry of 10 to 105 days: day, years, log moneyness and vol of the mids."""
    return [smile for day in WEEK for smile in quoted_smiles(day)]


def quoted_smiles(day: date):
    chain, rate = spx_chain(day), 0.002
    for expiry in chain.expiries:
        if not 10 <= chain.days_to_expiry(expiry) <= 105:
            continue
        part = chain.expiring(expiry)
        years = years_between(chain.as_of, expiry_instant(part.option(0)))
        forward = parity_forward(part, years, rate)
        outside = part.sound.where(part.sound.right * (part.sound.strike - forward) >= 0)
        spot = forward * math.exp(-rate * years)
        vols = implied_vol(outside.right, outside.mid, spot, outside.strike, years, rate)
        order = np.argsort(outside.strike)
        yield day, years, np.log(outside.strike / forward)[order], vols[order]


def root_mean_square(values) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def test_the_index_smile_is_the_one_quoted_in_january_2011(smiles):
    errors = []
    for _, years, k, vols in smiles:
        theta = np.interp(0.0, k, vols) ** 2 * years
        near = (k > -4 * math.sqrt(theta)) & (k < 2.5 * math.sqrt(theta))
        model = np.sqrt(INDEX_SHAPE.total_variance(k[near], theta) / years)
        errors.append(root_mean_square(model - vols[near]))

    assert len(errors) == 25
    assert root_mean_square(errors) < 0.0080


def test_the_term_structure_is_the_one_quoted_in_january_2011(smiles):
    vix = real_table("vix", "vix-daily.csv").set_index("DATE")["CLOSE"] / 100
    errors = []
    for day in WEEK:
        terms = np.array([(t, np.interp(0.0, k, v)) for d, t, k, v in smiles if d == day])
        years, vols = terms[np.argsort(terms[:, 0])].T
        level = math.sqrt(np.interp(THIRTY_DAYS, years, vols**2 * years) / THIRTY_DAYS)
        mean = float(((0.87 * vix[: day.isoformat()].iloc[-252:]) ** 2).mean())
        model = np.sqrt(INDEX_SHAPE.variance_to(years, level, mean) / years)
        errors.append(root_mean_square(model - vols))

    assert root_mean_square(errors) < 0.0035
