"""Profits in the quotes: each kind planted and found, none where there is none."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from dollarbill_core.market.arbitrage import Flaw, violations
from dollarbill_core.market.carry import Rates
from dollarbill_core.market.chains import Chain
from dollarbill_core.market.forwards import carried_forward, terms_of
from dollarbill_core.values.contracts import Right
from tests.market_builder import chain_on
from tests.real_quotes import spx_chain
from tests.smile_builder import FAR, MIDDLE, NEAR, RATE, YIELD, quoted_chain

CHAIN = quoted_chain()


def forwards_of(chain: Chain):
    return {
        term: carried_forward(chain.spot, term.years, Rates(RATE), YIELD)
        for term in terms_of(chain)
        if term.years > 0
    }


def found_in(chain: Chain):
    return violations(chain, forwards_of(chain))


def row_of(chain: Chain, expiry, right: Right, strike: float) -> int:
    rows = (chain.expiry == np.datetime64(expiry)) & (chain.right == right)
    return int(np.flatnonzero(rows & (chain.strike == strike))[0])


def requoted(chain: Chain, row: int, bid: float, ask: float) -> Chain:
    bids, asks = chain.bid.copy(), chain.ask.copy()
    bids[row], asks[row] = bid, ask
    return replace(chain, bid=bids, ask=asks)


@pytest.mark.parametrize("root", ["SPXW", "SPY"])
def test_quotes_around_a_smile_offer_nothing(root):
    assert found_in(quoted_chain(root=root)) == ()


def test_a_crossed_quote():
    row = row_of(CHAIN, NEAR, Right.PUT, 2600.0)
    ask = CHAIN.ask[row]

    (only,) = found_in(requoted(CHAIN, row, ask + 0.30, ask))

    assert (only.flaw, only.rows) == (Flaw.CROSSED, (row,))
    assert only.profit == pytest.approx(0.30)


def test_a_put_dearer_than_the_one_above_it():
    row = row_of(CHAIN, NEAR, Right.PUT, 2500.0)
    above = row_of(CHAIN, NEAR, Right.PUT, 2525.0)
    bid = CHAIN.ask[above] + 0.40

    found = {each.flaw: each for each in found_in(requoted(CHAIN, row, bid, bid + 1))}

    assert found[Flaw.VERTICAL].rows == (row, above)
    assert found[Flaw.VERTICAL].profit == pytest.approx(0.40)
    sentence = found[Flaw.VERTICAL].sentence(CHAIN)
    assert "2500 PUT sold against" in sentence and sentence.endswith("leaves 0.40")


def test_a_spread_dearer_than_it_can_pay():
    """The 2400 call at its bid, less the 2425 call at its ask, brings more than 25."""
    row = row_of(CHAIN, NEAR, Right.CALL, 2400.0)
    other = row_of(CHAIN, NEAR, Right.CALL, 2425.0)
    discount = forwards_of(CHAIN)[terms_of(CHAIN)[0]].discount
    ask = CHAIN.bid[row] - 25 * discount - 0.20

    found = found_in(requoted(CHAIN, other, ask - 1, ask))

    pair = [each for each in found if each.rows == (row, other)]
    assert [each.flaw for each in pair] == [Flaw.VERTICAL]
    assert pair[0].profit == pytest.approx(0.20)


def test_a_body_dearer_than_its_wings():
    row, low, high = (row_of(CHAIN, FAR, Right.CALL, k) for k in (2700.0, 2675.0, 2725.0))
    bid = (CHAIN.ask[low] + CHAIN.ask[high]) / 2 + 0.25

    found = found_in(requoted(CHAIN, row, bid, bid + 1))

    (only,) = [each for each in found if each.flaw is Flaw.BUTTERFLY]
    assert only.rows[0] == row and set(only.rows[1:]) == {low, high}
    assert only.profit == pytest.approx(0.25)


def test_an_early_option_dearer_than_a_later_one():
    chain = quoted_chain(root="SPY")
    row = row_of(chain, NEAR, Right.PUT, 2600.0)
    later = row_of(chain, MIDDLE, Right.PUT, 2600.0)
    bid = chain.ask[later] + 0.15

    found = [x for x in found_in(requoted(chain, row, bid, bid + 1)) if x.flaw is Flaw.CALENDAR]

    assert found[0].rows == (row, later)
    assert found[0].profit == pytest.approx(0.15)


def test_european_options_are_compared_by_their_forwards():
    """A later put deep in the money may be worth less, at the same strike."""
    chain = replace(chain_on("AAA", CHAIN.as_of.date(), 100.0), symbol="XSP", roots=("XSP",))
    high_rate = {
        term: carried_forward(chain.spot, term.years, Rates(0.03)) for term in terms_of(chain)
    }
    puts = chain.only(Right.PUT)
    deep = puts.where(puts.strike == puts.strike.max())

    assert deep.bid[0] > deep.ask[-1]
    assert not [x for x in violations(chain, high_rate) if x.flaw is Flaw.CALENDAR]


def test_an_early_index_option_dearer_than_a_later_one():
    row = row_of(CHAIN, NEAR, Right.CALL, 2800.0)
    bid = CHAIN.ask[row_of(CHAIN, MIDDLE, Right.CALL, 2800.0)] + 1.0

    found = found_in(requoted(CHAIN, row, bid, bid + 1))

    assert row in [each.rows[0] for each in found if each.flaw is Flaw.CALENDAR]


def test_each_row_is_named_once_for_each_flaw():
    row = row_of(CHAIN, NEAR, Right.PUT, 2500.0)

    found = found_in(requoted(CHAIN, row, 60.0, 61.0))

    named = [(each.flaw, each.rows[0]) for each in found]
    assert len(named) == len(set(named)) and (Flaw.VERTICAL, row) in named


# The oracle: a linear programme over every portfolio of one settlement's calls.


def best_profit(
    strikes: np.ndarray, bids: np.ndarray, asks: np.ndarray, discount: float
) -> float:
    """The most that a portfolio brings now which can cost nothing later, one share at most.

    Its payoff is a line between strikes, so it is nowhere negative when it is not at 0 and the
    strikes, and does not fall beyond the last. Cash may be lent or borrowed.
    """
    count = len(strikes)
    levels = np.concatenate([[0.0], strikes])
    payoff = np.maximum(levels[:, None] - strikes[None, :], 0.0)
    payoff = np.vstack([payoff, np.ones(count)])  # the slope at the end
    cash = np.concatenate([np.ones(count + 1), [0.0]])[:, None]
    demands = np.hstack([payoff, -payoff, cash, -cash])
    costs = np.concatenate([asks, -bids, [discount], [-discount]])
    limits = [(0, 1)] * (2 * count) + [(0, None)] * 2
    found = linprog(costs, A_ub=-demands, b_ub=np.zeros(count + 2), bounds=limits)
    return -float(found.fun)


@settings(max_examples=150, deadline=None)
@given(
    noise=st.lists(st.floats(-1.5, 1.5), min_size=6, max_size=6),
    half=st.floats(0.05, 0.8),
    rate=st.floats(-0.05, 0.3),
)
def test_a_flaw_is_found_exactly_where_some_portfolio_profits(noise, half, rate):
    strikes = np.array([90.0, 95.0, 100.0, 105.0, 115.0, 120.0])
    mids = np.array([12.0, 8.2, 5.1, 3.0, 1.3, 0.8]) + noise
    bids, asks = np.maximum(mids - half, 0.0), np.maximum(mids + half, 0.01)
    years = terms_of(CHAIN)[0].years
    rows = np.arange(6)
    chain = replace(
        CHAIN.where(rows),
        expiry=np.full(6, NEAR, "datetime64[D]"),
        right=np.ones(6, np.int8),
        strike=strikes,
        bid=bids,
        ask=asks,
    )
    forwards = {terms_of(chain)[0]: carried_forward(100.0, years, Rates(rate))}

    named = violations(chain, forwards)

    best = best_profit(strikes, bids, asks, float(np.exp(-rate * years)))
    if max((x.profit for x in named), default=0.0) > 1e-3:
        assert best > 1e-4
    if best > 1e-3:
        assert named


def test_real_quotes_offer_next_to_nothing():
    """SPX, 3 to 7 January 2011: four far puts on the first day, which were not firm."""
    from datetime import date

    from dollarbill_core.market.surface import surface_of

    counted = []
    for day in range(3, 8):
        chain = spx_chain(date(2011, 1, day))
        found = violations(chain, surface_of(chain, Rates(0.002)).forwards)
        counted.append(len(found))
        assert all(each.flaw is Flaw.BUTTERFLY for each in found)
        assert all(each.profit < 0.20 for each in found)

    assert counted == [4, 0, 0, 0, 0]
