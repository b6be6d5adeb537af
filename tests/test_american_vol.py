"""The vol of an American price: round trips, and what has none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dollarbill_core.pricing import american, implied_vol
from tests.american_oracles import is_banded, market


@settings(max_examples=25, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_vol_of_a_price_is_the_one_it_was_made_with(seed: int) -> None:
    options = market(64, seed)
    options = options[:, ~is_banded(options)]
    right, spot, strike, years, rate, vol, dividend_yield = options
    made = american.greeks(*options)

    found = american.implied_vol(right, made.price, spot, strike, years, rate, dividend_yield)

    is_clear = (made.price > right * (spot - strike) + 1e-4) & (made.vega > 0.1)
    assert np.abs(found - vol)[is_clear].max(initial=0.0) <= 2e-5
    explained = american.price(right, spot, strike, years, rate, found, dividend_yield)
    assert np.nanmax(np.abs(explained - made.price)) <= 5e-5


def test_a_chain_of_one_rate_comes_back() -> None:
    strikes = np.linspace(70, 130, 25)
    vol = 0.2 + 0.3 * np.abs(np.log(strikes / 100))
    prices = american.price(-1, 100, strikes, 0.25, 0.05, vol, 0.01)

    found = american.implied_vol(-1, prices, 100, strikes, 0.25, 0.05, 0.01)

    held = prices > np.maximum(strikes - 100, 0) + 1e-3
    assert held.sum() > 15
    assert np.abs(found - vol)[held].max() <= 1e-6


def test_the_vol_of_an_option_never_exercised_is_the_european_one() -> None:
    found = american.implied_vol(1, 5.0, 100, 100, 0.25, 0.05)

    assert found == implied_vol.implied_vol(1, 5.0, 100, 100, 0.25, 0.05)


@pytest.mark.parametrize(
    ("price", "why"),
    [
        (9.9, "below exercise"),
        (10.0, "exercise itself: any low vol"),
        (100.0, "the strike, the most a put is worth"),
        (101.0, "more than that"),
        (np.nan, "no number"),
    ],
)
def test_a_price_that_no_vol_or_many_explain_has_none(price: float, why: str) -> None:
    assert np.isnan(american.implied_vol(-1, price, 90, 100, 0.5, 0.05)), why


def test_the_vol_of_a_price_between_two_boundaries_comes_back() -> None:
    price = american.price(-1, 101, 100, 0.5, -0.01, 0.3, -0.04)

    found = american.implied_vol(-1, price, 101, 100, 0.5, -0.01, -0.04)

    assert found == pytest.approx(0.3, abs=1e-5)


def test_the_vol_with_cash_dividends_comes_back() -> None:
    dividends = [(0.1, 1.0), (0.35, 1.0)]
    strikes = np.array([90.0, 100.0, 110.0])
    prices = american.price(1, 100, strikes, 0.5, 0.04, 0.27, 0.0, dividends)

    found = american.implied_vol(1, prices, 100, strikes, 0.5, 0.04, 0.0, dividends)

    assert found == pytest.approx([0.27] * 3, abs=1e-5)
