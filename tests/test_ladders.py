"""Riskless profits on arrays: held to the plain twin on real quotes and on random ones."""

import time
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dollarbill_core.market.arbitrage import Flaw, violations
from dollarbill_core.market.carry import policy_rates
from dollarbill_core.market.chains import Chain
from dollarbill_core.market.forwards import carried_forward, terms_of
from dollarbill_core.market.ladders import (
    A_CENT_OF_A_CENT,
    butterfly_profits,
    calendar_profits,
    contract_codes,
    ladders_of,
    vertical_profits,
)
from dollarbill_core.values.contracts import Right
from tests.quality_builder import clean
from tests.real_quotes import spx_chain, spy_chain, spy_days
from tests.smile_builder import FAR, MIDDLE, NEAR, quoted_chain

YIELD = 0.019


def profits_on_arrays(chain: Chain) -> dict[tuple[Flaw, int], float]:
    """What each row brings, by kind of flaw."""
    ladders, rates = ladders_of(chain).uncrossed, policy_rates(chain.as_of.date())
    carried = [carried_forward(chain.spot, t, rates, YIELD) for t in ladders.years.tolist()]
    prices, discounts = (
        np.array([getattr(f, n) for f in carried]) for n in ("price", "discount")
    )
    by_kind = {
        Flaw.VERTICAL: vertical_profits(ladders, discounts),
        Flaw.BUTTERFLY: butterfly_profits(ladders),
        Flaw.CALENDAR: calendar_profits(ladders, prices, discounts, np.zeros(len(prices))),
    }
    return {
        (flaw, int(ladders.rows[place])): float(profits[place])
        for flaw, profits in by_kind.items()
        for place in np.flatnonzero(profits > A_CENT_OF_A_CENT)
    }


def profits_by_the_twin(chain: Chain) -> dict[tuple[Flaw, int], float]:
    rates = policy_rates(chain.as_of.date())
    forwards = {
        term: carried_forward(chain.spot, term.years, rates, YIELD)
        for term in terms_of(chain)
        if term.years > 0
    }
    return {
        (each.flaw, each.rows[0]): each.profit
        for each in violations(chain, forwards)
        if each.flaw is not Flaw.CROSSED
    }


def assert_like_the_twin(chain: Chain) -> int:
    ours, twins = profits_on_arrays(chain), profits_by_the_twin(chain)
    assert ours.keys() == twins.keys()
    assert [ours[key] for key in twins] == pytest.approx(list(twins.values()), abs=1e-9)
    return len(ours)


@pytest.mark.parametrize("day", [3, 4, 5, 6, 7])
def test_spx_offers_what_the_twin_finds(day):
    assert assert_like_the_twin(spx_chain(date(2011, 1, day))) > 0


def test_spy_offers_what_the_twin_finds():
    for day in spy_days()[::6]:
        assert_like_the_twin(spy_chain(day))


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    noise=st.floats(0.001, 0.2),
    root=st.sampled_from(["SPXW", "SPY"]),
)
def test_random_quotes_offer_what_the_twin_finds(seed, noise, root):
    rng, base = np.random.default_rng(seed), quoted_chain(root=root)
    bid = np.round(base.bid * np.exp(rng.normal(0, noise, len(base))), 2)
    ask = np.round(np.maximum(bid, 0.05) + rng.uniform(-0.05, 2.0, len(base)), 2)
    ask = np.where(rng.random(len(base)) < 0.05, np.nan, ask)
    some = np.flatnonzero(rng.random(len(base)) < 0.8)
    chain = replace(base, bid=bid, ask=ask).where(rng.permutation(some))

    assert_like_the_twin(chain)


def test_a_clean_chain_offers_nothing():
    for symbol in ("SPX", "AAPL"):
        assert profits_on_arrays(clean(symbol)) == {}


def test_an_option_without_an_ask_can_be_sold_but_not_bought():
    """The put at 95 is bid 3 while the one at 100, worth more, is offered at 2."""
    chain = quoted_chain(strikes=np.array([2600.0, 2625.0]))
    chain = chain.where((chain.expiry == np.datetime64(NEAR)) & (chain.right == Right.PUT))
    chain = replace(chain, bid=np.array([3.0, 1.0]), ask=np.array([0.0, 2.0]))

    ladders = ladders_of(chain)
    profits = vertical_profits(ladders, np.ones(1))

    assert dict(zip(ladders.strike.tolist(), profits.tolist(), strict=True)) == {
        2600.0: pytest.approx(1.0),
        2625.0: pytest.approx(-np.inf),
    }


def test_ladders_fall_along_x_and_keep_settlements_together():
    chain = quoted_chain()
    shuffled = np.random.default_rng(5).permutation(len(chain))

    ladders = ladders_of(chain.where(shuffled))

    same = np.diff(ladders.ladder) == 0
    assert (np.diff(ladders.x)[same] > 0).all()
    assert (np.diff(ladders.term) >= 0).all() and ladders.term[-1] == 2
    assert np.array_equal(chain.strike[shuffled][ladders.rows], ladders.strike)
    assert np.all(np.diff(ladders.years) > 0) and len(ladders.years) == len((NEAR, MIDDLE, FAR))


def test_a_settled_expiry_is_left_out():
    chain = clean()
    late = replace(chain, as_of=chain.as_of.replace(year=2017, month=4, day=10))

    ladders = ladders_of(late)

    assert (ladders.years[np.unique(ladders.term)] > 0).all()
    assert len(ladders) == int((chain.expiry > np.datetime64("2017-04-10")).sum())


def test_codes_tell_contracts_apart_across_days():
    today, before = clean(place=1), clean(place=0)
    roots = ("SPXW",)

    common = np.intersect1d(contract_codes(today, roots), contract_codes(before, roots))

    assert len(np.unique(contract_codes(today, roots))) == len(today)
    both = {today.option(row) for row in range(len(today))}
    both &= {before.option(row) for row in range(len(before))}
    assert len(common) == len(both) > 1000


def test_adjusted_contracts_are_known():
    chain = replace(clean("AAPL"), roots=("AAPL1",))

    assert ladders_of(chain).adjusted.all()
    assert not ladders_of(clean("AAPL")).adjusted.any()


def test_a_thousand_strikes_take_a_few_milliseconds():
    """Half of the twin's time is far more than they take, and holds on a busy machine."""
    chain = spx_chain(date(2011, 1, 3))
    took = []
    for work in (profits_by_the_twin, profits_on_arrays):
        begin = time.perf_counter()
        for _ in range(3):
            work(chain)
        took.append(time.perf_counter() - begin)

    assert took[1] < took[0] / 2
