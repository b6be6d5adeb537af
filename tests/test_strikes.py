"""Strikes for a delta: on the smile, between quotes, listed; and which of them it is."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.market.carry import Rates
from dollarbill_core.market.chains import NoQuote
from dollarbill_core.market.smile import Smile, Svi
from dollarbill_core.market.strikes import (
    How,
    listed_strike,
    strike_between_quotes,
    strike_on_surface,
)
from dollarbill_core.market.surface import surface_of
from dollarbill_core.pricing import black_scholes
from dollarbill_core.strategies.structures import short_leg
from dollarbill_core.values.contracts import Option, Right
from tests.smile_builder import (
    FAR,
    RATE,
    SMILES,
    SPOT,
    YIELD,
    forward_to,
    quoted_chain,
    years_to,
)

YEARS = years_to(FAR)
SMILE = Smile(YEARS, forward_to(FAR), float(np.exp(-RATE * YEARS)), ((1.0, SMILES[FAR]),))
PART = quoted_chain().expiring(FAR)
rights = st.sampled_from(list(Right))


@given(right=rights, delta=st.floats(0.02, 0.9))
def test_the_strike_on_the_surface_has_the_delta_at_its_own_vol(right, delta):
    found = strike_on_surface(SMILE, SPOT, right, delta)

    terms = right, SPOT, found.strike, YEARS, RATE, found.vol, YIELD
    assert black_scholes.greeks(*terms).delta == pytest.approx(right * delta, abs=1e-9)
    assert found.delta == pytest.approx(right * delta, abs=1e-9)
    assert found.vol == pytest.approx(float(SMILE.vol(found.strike)))
    assert found.how is How.SURFACE and found.option is None


@pytest.mark.parametrize("right", list(Right))
def test_on_a_flat_smile_it_is_the_formulas(right):
    flat = replace(SMILE, parts=((1.0, Svi(0.04 * YEARS, 0.0, 0.0, 0.0, 1.0)),))

    found = strike_on_surface(flat, SPOT, right, 0.16)

    terms = right, 0.16, SPOT, YEARS, RATE, 0.2, YIELD
    assert found.strike == pytest.approx(float(black_scholes.strike_for_delta(*terms)))


@given(right=rights, delta=st.floats(0.05, 0.45))
def test_between_quotes_it_lies_near_the_one_on_the_surface(right, delta):
    exact = strike_on_surface(SMILE, SPOT, right, delta)

    found = strike_between_quotes(PART, right, delta)

    assert found.strike == pytest.approx(exact.strike, abs=2.5)  # a tenth of an interval
    assert found.delta == pytest.approx(right * delta)
    assert found.vol == pytest.approx(exact.vol, abs=0.002)
    assert found.how is How.INTERPOLATED


def test_between_quotes_by_hand():
    """Deltas of 0.12 and 0.20 at 95 and 100: 0.16 is half way."""
    part = replace(
        PART.where(np.arange(2)),
        right=np.full(2, -1, np.int8),
        strike=np.array([95.0, 100.0]),
        bid=np.array([1.0, 2.0]),
        ask=np.array([1.1, 2.1]),
        delta=np.array([-0.12, -0.20]),
        vol=np.array([0.24, 0.22]),
    )

    found = strike_between_quotes(part, Right.PUT, 0.16)

    assert (found.strike, found.delta, found.vol) == pytest.approx((97.5, -0.16, 0.23))
    with pytest.raises(NoQuote, match=r"from 0\.12 to 0\.20, not 0\.30"):
        strike_between_quotes(part, Right.PUT, 0.30)


@given(right=rights, delta=st.floats(0.03, 0.5))
def test_the_listed_strike_is_the_nearest_in_delta(right, delta):
    found = listed_strike(PART, right, delta)

    side = PART.only(right).sound
    assert abs(abs(found.delta) - delta) == np.abs(np.abs(side.delta) - delta).min()
    assert found.how is How.LISTED
    assert isinstance(found.option, Option) and float(found.option.strike) == found.strike
    assert PART.row(found.option) is not None


@pytest.mark.parametrize("right", list(Right))
@pytest.mark.parametrize("delta", [0.10, 0.16, 0.30])
def test_strategies_take_the_same_listed_strike(right, delta):
    (leg,) = short_leg(PART, right, delta, 1).legs

    assert leg.instrument == listed_strike(PART, right, delta).option


@pytest.mark.parametrize("right", list(Right))
def test_the_surface_gives_quotes_without_a_delta_theirs(right):
    surface = surface_of(quoted_chain(), Rates(RATE))
    (fit,) = [fit for fit in surface.fits if fit.term.expiry == FAR]
    blank = replace(PART, delta=np.full(len(PART), np.nan), vol=np.full(len(PART), np.nan))

    found = listed_strike(blank, right, 0.16, fit.smile)

    assert found.option == listed_strike(PART, right, 0.16).option
    assert found.delta == pytest.approx(listed_strike(PART, right, 0.16).delta, abs=2e-3)
    assert strike_between_quotes(blank, right, 0.16, fit.smile).strike == pytest.approx(
        strike_between_quotes(PART, right, 0.16).strike, abs=1.5
    )
    with pytest.raises(NoQuote, match="with a delta"):
        listed_strike(blank, right, 0.16)


def test_of_two_equally_near_the_farther_out():
    part = replace(
        PART.where(np.arange(2)),
        right=np.ones(2, np.int8),
        strike=np.array([100.0, 105.0]),
        bid=np.array([2.0, 1.0]),
        ask=np.array([2.1, 1.1]),
        delta=np.array([0.25, 0.125]),
    )

    assert listed_strike(part, Right.CALL, 0.1875).strike == 105


def test_quotes_that_cannot_be_sold_do_not_count():
    dry = replace(PART, bid=np.where(PART.strike < 2500, 0.0, PART.bid))

    assert listed_strike(dry, Right.PUT, 0.05).strike == 2500


def test_a_delta_beyond_the_discounted_forward_has_no_strike():
    late = replace(SMILE, forward=SPOT * 0.8)

    with pytest.raises(NoQuote, match=r"the most is 0\.79"):
        strike_on_surface(late, SPOT, Right.CALL, 0.9)


@pytest.mark.parametrize("delta", [0.0, 1.0, -0.16, 16, float("nan")])
def test_a_delta_is_a_magnitude(delta):
    with pytest.raises(ValueError, match="between 0 and 1"):
        strike_on_surface(SMILE, SPOT, Right.PUT, delta)
    with pytest.raises(ValueError, match="between 0 and 1"):
        listed_strike(PART, Right.PUT, delta)
