"""Fits to quotes: smiles given back, and no arbitrage whatever the quotes."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dollarbill_core.market.calibration import STEEPEST, Bands, dense_grid, fitted, is_sound
from dollarbill_core.market.smile import Svi
from tests.smile_builder import FAR, MIDDLE, NEAR, SMILES

# The example of negative density in Gatheral and Jacquier (2014), section 3.1, after A. Vogt.
VOGT = Svi(level=-0.0410, steepness=0.1331, tilt=0.3060, centre=0.3586, width=0.4153)


def bands_around(svi: Svi, *, half=0.02, count=40, far=3.0) -> Bands:
    root = math.sqrt(svi.total_variance(0.0))
    k = np.linspace(-far, far * 0.7, count) * root
    middle = svi.total_variance(k)
    return Bands(k, middle * (1 - half), middle * (1 + half))


@st.composite
def noisy_bands(draw) -> Bands:
    """Quotes in any disorder: total variances that jump about, bands of any width."""
    count = draw(st.integers(3, 25))
    root = math.sqrt(draw(st.floats(1e-3, 0.3)))
    # Listed strikes lie a thousandth of a dollar apart at least: never next to each other.
    places = st.integers(-5_000_000, 5_000_000)
    moves = draw(st.lists(places, min_size=count, max_size=count, unique=True))
    k = root * np.sort(moves) / 1_000_000
    steps = draw(st.lists(st.floats(-1.2, 1.2), min_size=count, max_size=count))
    middle = root**2 * np.exp(steps) * (1 + np.abs(k) / root * draw(st.floats(0, 0.5)))
    half = draw(st.floats(0.001, 0.4))
    return Bands(k, middle * (1 - half), middle * (1 + half))


@pytest.mark.parametrize("expiry", SMILES)
def test_quotes_around_a_smile_give_it_back(expiry):
    made = SMILES[expiry]

    found = fitted(bands_around(made))

    k = bands_around(made).k
    assert found.total_variance(k) == pytest.approx(made.total_variance(k), rel=2e-3)


def test_quotes_that_go_astray_are_outvoted():
    bands = bands_around(SMILES[FAR])
    for row in (5, 22):
        bands.low[row] *= 2
        bands.high[row] *= 2

    found = fitted(bands)

    assert found.total_variance(bands.k) == pytest.approx(
        SMILES[FAR].total_variance(bands.k), rel=0.02
    )


def test_the_known_example_of_arbitrage_is_seen_and_avoided():
    bands = bands_around(VOGT, far=6.0)

    found = fitted(bands)

    k = dense_grid(VOGT)
    assert VOGT.bend(k).butterfly(k).min() < -0.01
    assert not is_sound(VOGT) and is_sound(found)


@settings(max_examples=150)
@given(bands=noisy_bands())
def test_no_quotes_lead_to_butterfly_arbitrage(bands):
    found = fitted(bands)
    root = math.sqrt(found.total_variance(0.0))
    k = np.concatenate(
        [root * np.linspace(-40, 40, 4001), found.centre + np.linspace(-1, 1, 999)]
    )

    assert found.bend(k).butterfly(k).min() >= 0
    assert max(found.wings) <= STEEPEST and found.least > 0


@settings(max_examples=150)
@given(near=noisy_bands(), far=noisy_bands())
def test_no_quotes_lead_to_calendar_arbitrage(near, far):
    before = fitted(near, ceilings=far)

    after = fitted(far, before)

    k = np.concatenate([np.linspace(-30, 30, 5001), np.linspace(-2, 2, 4001)])
    gap = after.total_variance(k) - before.total_variance(k)
    assert gap.min() >= -1e-12
    assert after.bend(k).butterfly(k).min() >= 0


@settings(max_examples=60)
@given(near=noisy_bands(), far=noisy_bands(), share=st.floats(0.05, 0.95))
def test_nor_does_a_date_between_two_expiries(near, far, share):
    before = fitted(near, ceilings=far)
    after = fitted(far, before)
    k = dense_grid(before, after)

    between = [
        (1 - share) * here + share * there
        for here, there in zip(before.bend(k), after.bend(k), strict=True)
    ]

    assert type(before.bend(k))(*between).butterfly(k).min() >= 0


def test_a_later_expiry_stays_above_the_one_before():
    """Its quotes would lie below it everywhere."""
    before = SMILES[MIDDLE]

    after = fitted(bands_around(SMILES[NEAR]), before)

    k = np.linspace(-1, 1, 401)
    ratio = after.total_variance(k) / before.total_variance(k)
    assert ratio.min() >= 1 and ratio[np.abs(k) < 0.2].max() < 1.1


def test_an_earlier_expiry_stays_below_the_asks_of_the_next():
    """Without them its left wing, where nothing is quoted, would rise above them."""
    steep = Svi(0.001, 0.08, -0.8, 0.01, 0.03)
    quotes = bands_around(steep, far=0.3)
    following = bands_around(SMILES[FAR], far=5.0)

    free, held = fitted(quotes), fitted(quotes, ceilings=following)

    left = following.k < -0.2
    above = [x.total_variance(following.k[left]) / following.high[left] for x in (free, held)]
    assert above[0].max() > 1.4 and above[1].max() < 1.05


@pytest.mark.parametrize("count", [3, 4])
def test_few_quotes_make_a_smile_that_goes_through_them(count):
    bands = bands_around(SMILES[MIDDLE], count=count, far=1.5)

    found = fitted(bands)

    variance = found.total_variance(bands.k)
    assert (bands.low <= variance).all() and (variance <= bands.high).all()
    assert is_sound(found)


def test_fits_are_the_same_every_time():
    bands = bands_around(SMILES[NEAR])

    assert fitted(bands) == fitted(bands)


def test_too_few_quotes_are_refused():
    with pytest.raises(ValueError, match="needs 3 quotes, got 2"):
        fitted(bands_around(SMILES[NEAR], count=2))


@pytest.mark.parametrize(
    ("svi", "before", "sound"),
    [
        pytest.param(SMILES[FAR], None, True, id="by itself"),
        pytest.param(SMILES[FAR], SMILES[NEAR], True, id="above the one before"),
        pytest.param(SMILES[NEAR], SMILES[FAR], False, id="below the one before"),
        pytest.param(VOGT, None, False, id="negative density"),
        pytest.param(Svi(0.04, 1.3, -0.6, 0, 0.5), None, False, id="a wing beyond 2"),
    ],
)
def test_what_is_sound(svi, before, sound):
    assert is_sound(svi, before) is sound


def test_a_crossing_between_two_points_of_the_grid_is_seen():
    """Two smiles that touch: a hair lower and the later one dips below between the points."""
    before = SMILES[NEAR]
    k = np.linspace(-0.3, 0.3, 200_001)
    after = Svi(-0.0001, 0.021, -0.50, 0.014, 0.070)
    gap = (after.total_variance(k) - before.total_variance(k)).min()
    touching, under = (
        Svi(after.level - gap + x, 0.021, -0.50, 0.014, 0.070) for x in (1e-12, -1e-12)
    )

    assert (touching.wings[0] >= before.wings[0]) and (touching.wings[1] >= before.wings[1])
    assert is_sound(touching, before)
    assert not is_sound(under, before)
