"""Parity bands: they hold what the model put in, on clean quotes and on spoilt ones."""

import math
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dollarbill_core.market.carry import policy_rates
from dollarbill_core.market.chains import Chain
from dollarbill_core.market.ladders import Ladders, ladders_of
from dollarbill_core.market.parity import (
    Parity,
    below_exercise,
    implied_spot,
    off_parity,
    parity_of,
    vol_near,
)
from dollarbill_core.values.contracts import Right
from tests.quality_builder import clean, only, rows_at
from tests.real_quotes import spx_chain
from tests.smile_builder import RATE, SMILES, SPOT, YIELD, forward_to, quoted_chain


def parity_on(
    chain: Chain, rate: float = RATE, dividend_yield: float = YIELD
) -> tuple[Ladders, Parity]:
    ladders = ladders_of(chain).uncrossed
    rates = np.full(len(ladders.years), rate)
    return ladders, parity_of(ladders, chain.spot, rates, dividend_yield)


def tight(root: str = "SPXW") -> Chain:
    """Quotes two cents wide: parity says almost exactly what was put in."""
    return quoted_chain(root=root, half_spread=lambda price: np.full(len(price), 0.01))


def test_the_bounds_of_one_european_pair_by_hand():
    """Call 5.00 to 5.20, put 4.00 to 4.10 at 100, no interest: 100.90 to 101.20."""
    chain = only(
        clean(), *rows_at(clean(), Right.CALL, 2380.0), *rows_at(clean(), Right.PUT, 2380.0)
    )
    chain = replace(
        chain,
        strike=np.full(2, 100.0),
        bid=np.array([5.0, 4.0]),
        ask=np.array([5.2, 4.1]),
    )
    ladders = ladders_of(chain)

    parity = parity_of(ladders, 101.0, np.zeros(1))

    assert parity.low == pytest.approx(100.90)
    assert parity.high == pytest.approx(101.20)
    assert parity.forwards == pytest.approx(101.05)


def test_forward_and_discount_of_tight_european_quotes_are_the_models():
    ladders, parity = parity_on(tight(), rate=0.05)  # the rate given is wrong

    for term, expiry in enumerate(SMILES):
        assert parity.low[term] <= forward_to(expiry) <= parity.high[term]
        assert parity.forwards[term] == pytest.approx(forward_to(expiry), abs=0.02)
        true = math.exp(-RATE * ladders.years[term])
        assert parity.discounts[term] == pytest.approx(true, abs=2e-4)


def test_few_pairs_take_the_discount_of_the_rates():
    chain = quoted_chain(strikes=np.arange(2500.0, 2700.0, 50.0))

    ladders, parity = parity_on(chain, rate=0.05)

    assert parity.discounts == pytest.approx(np.exp(-0.05 * ladders.years))


@pytest.mark.parametrize("root", ["SPXW", "SPY"])
def test_clean_quotes_lie_within_their_bands(root):
    ladders, parity = parity_on(tight(root))

    low, high = implied_spot(ladders, parity, np.full(3, RATE), YIELD)

    assert not off_parity(ladders, parity).any()
    assert not below_exercise(ladders, parity).any()
    assert low <= SPOT <= high and high - low < 0.02 * SPOT


@settings(max_examples=30, deadline=None)
@given(
    width=st.floats(0.0005, 0.05),
    rate=st.floats(-0.01, 0.08),
    root=st.sampled_from(["SPXW", "SPY"]),
)
def test_no_false_alarm_whatever_the_spread_and_the_rate_given(width, rate, root):
    chain = quoted_chain(root=root, half_spread=lambda price: width * price + 0.01)

    ladders, parity = parity_on(chain, rate)

    assert not off_parity(ladders, parity).any()


@pytest.mark.parametrize("root", ["SPXW", "SPY"])
def test_a_pair_beyond_the_others_is_found_with_both_of_its_rows(root):
    chain = tight(root)
    pair = [rows_at(chain, right, 2500.0, expiry=date(2018, 6, 15))[0] for right in Right]
    bids, asks = chain.bid.copy(), chain.ask.copy()
    call = int(np.argmax(chain.right[pair]))
    bids[pair[call]] += 60.0
    asks[pair[call]] += 60.0

    ladders, parity = parity_on(replace(chain, bid=bids, ask=asks))

    assert sorted(ladders.rows[off_parity(ladders, parity)]) == sorted(pair)


@pytest.mark.parametrize("right", list(Right))
@pytest.mark.parametrize("root", ["SPXW", "SPY"])
def test_an_ask_below_exercise_is_found(root, right):
    chain = tight(root)
    strike = 2200.0 if right is Right.CALL else 3000.0
    (row,) = rows_at(chain, right, strike, expiry=date(2018, 5, 25))
    asks, bids = chain.ask.copy(), chain.bid.copy()
    asks[row] -= 15.0
    bids[row] -= 15.0

    ladders, parity = parity_on(replace(chain, bid=bids, ask=asks))

    assert ladders.rows[below_exercise(ladders, parity)].tolist() == [row]


def test_the_spot_is_told_without_the_spot_column():
    low, high = [], []
    for spot in (SPOT, 0.5 * SPOT, 7 * SPOT):
        ladders, parity = parity_on(replace(tight(), spot=spot))
        bounds = implied_spot(ladders, parity, np.full(3, RATE), YIELD)
        low.append(bounds[0])
        high.append(bounds[1])

    assert max(low) <= SPOT <= min(high)
    assert max(high) - min(low) < 0.005 * SPOT


def test_adjusted_contracts_and_long_terms_tell_no_spot():
    for chain in (replace(clean("AAPL"), roots=("AAPL1",)), far_only()):
        ladders, parity = parity_on(chain)
        rates = np.full(len(ladders.years), RATE)

        assert np.isnan(implied_spot(ladders, parity, rates)).all()


def far_only() -> Chain:
    chain = tight()
    return chain.expiring(date(2018, 9, 21))


def test_a_chain_of_one_side_has_no_bands():
    ladders, parity = parity_on(clean().only(Right.PUT))

    assert np.isnan(parity.low).all() and not off_parity(ladders, parity).any()
    assert not below_exercise(ladders, parity).any()
    assert math.isnan(vol_near(ladders, parity, 0.1))
    carried = clean().spot * np.exp((RATE - YIELD) * ladders.years)
    assert parity.forwards == pytest.approx(carried)


def test_the_straddle_tells_the_vol_at_the_money():
    ladders, parity = parity_on(tight())

    for expiry, svi in SMILES.items():
        years = float(ladders.years[list(SMILES).index(expiry)])
        at_the_money = math.sqrt(svi.total_variance(np.zeros(1))[0] / years)
        assert vol_near(ladders, parity, years) == pytest.approx(at_the_money, rel=0.05)


@pytest.mark.parametrize("day", [3, 4, 5, 6, 7])
def test_real_spx_keeps_parity_and_tells_its_close(day):
    chain = spx_chain(date(2011, 1, day))
    rate = policy_rates(date(2011, 1, day)).flat
    ladders, parity = parity_on(chain, rate, 0.019)

    low, high = implied_spot(ladders, parity, np.full(len(ladders.years), rate), 0.019)

    assert not off_parity(ladders, parity).any()
    assert low <= chain.spot <= high
    assert high - low < 0.01 * chain.spot
