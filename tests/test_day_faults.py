"""Faults of days: each made on clean chains and found alone; none where there is none."""

import math
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest

from dollarbill_core.market.carry import policy_rates
from dollarbill_core.market.chains import Chain
from dollarbill_core.market.day_faults import apart_allowed, day_faults
from dollarbill_core.market.faults import Fault
from dollarbill_core.market.row_faults import matched, studied
from dollarbill_core.values.contracts import Right
from tests.quality_builder import clean, found, sample_days
from tests.real_quotes import spx_chain, spy_chain, spy_days


def faults_of(chain: Chain, previous: Chain | None = None, **known) -> set[Fault]:
    now = studied(chain, policy_rates(chain.as_of.date()), 0.019)
    match = None if previous is None else matched(now, previous)
    return set(day_faults(now, match, **known))


@pytest.mark.parametrize("symbol", ["SPX", "AAPL", "XOM", "AMD"])
def test_a_month_of_clean_chains_has_no_fault(symbol):
    days = sample_days(symbol)

    for before, day in pairwise(days.sessions):
        assert faults_of(days.chain(day), days.chain(before)) == set()


def test_a_day_that_the_exchange_was_closed():
    assert found(clean(), is_session=False) == {Fault.HOLIDAY: 1}


# --- copied


def test_a_copied_day_is_found_though_its_spot_is_copied_too():
    before = clean(place=0)
    copy = replace(before, as_of=clean(place=1).as_of)

    assert found(copy, before) == {Fault.COPIED_DAY: 1}


def test_a_day_copied_in_nine_of_ten_quotes_is_copied():
    before, rng = clean(place=0), np.random.default_rng(3)
    for share, is_copied in ((0.95, True), (0.5, False)):
        kept = rng.random(len(before)) < share
        fresh = np.where(kept, before.bid, np.maximum(before.bid - 0.05, 0.0))
        copy = replace(before, bid=fresh, as_of=clean(place=1).as_of)

        assert (Fault.COPIED_DAY in faults_of(copy, before)) is is_copied


def test_few_quotes_are_no_copy():
    before = clean(place=0)
    nine = before.where(np.flatnonzero(np.abs(before.strike / before.spot - 1) < 0.01)[:9])

    assert Fault.COPIED_DAY not in faults_of(replace(nine, as_of=clean().as_of), nine)


# --- the spot


@pytest.mark.parametrize("factor", [0.98, 1.02])
@pytest.mark.parametrize("symbol", ["SPX", "AAPL"])
def test_a_spot_of_another_moment(symbol, factor):
    chain = clean(symbol)

    assert found(replace(chain, spot=factor * chain.spot)) == {Fault.ASYNCHRONOUS_SPOT: 1}


@pytest.mark.parametrize("sign", [-1, 1])
def test_what_a_quarter_of_an_hour_moves_is_allowed(sign):
    """Quotes of 16:15 beside a close of 16:00; vol 9 %: at least 0.25 %."""
    chain = clean()
    now = studied(chain, policy_rates(chain.as_of.date()), 0.019)
    allowed = apart_allowed(now)

    nearly = replace(chain, spot=chain.spot * (1 + sign * 0.9 * allowed))

    assert 0.0025 <= allowed < 0.01
    assert faults_of(nearly) == set()


def test_without_pairs_a_quarter_of_a_percent_is_allowed():
    puts = clean().only(Right.PUT)

    assert apart_allowed(studied(puts, policy_rates(puts.as_of.date()))) == 0.0025


def test_more_is_allowed_in_a_market_that_moves_more():
    calm, wild = (spx_chain(date(2011, 1, 3)), spy_chain(date(2021, 1, 4)))
    rates = policy_rates(date(2011, 1, 3))

    assert apart_allowed(studied(calm, rates)) == pytest.approx(
        3 * 0.14 * math.sqrt(0.25 / 1638), rel=0.1
    )
    assert apart_allowed(studied(wild, rates)) > apart_allowed(studied(calm, rates))


@pytest.mark.parametrize("factor", [1 / 7, 1 / 2, 2 / 3, 1.5, 4.0])
@pytest.mark.parametrize("symbol", ["SPX", "AAPL"])
def test_a_spot_that_is_not_of_the_same_shares(symbol, factor):
    chain = clean(symbol)

    assert found(replace(chain, spot=factor * chain.spot)) == {Fault.UNADJUSTED_SPLIT: 1}


@pytest.mark.parametrize("symbol", ["SPX", "XOM"])
def test_pairs_that_imply_less_than_nothing_are_not_of_the_same_shares(symbol):
    """So do prices in cents of contracts in the money."""
    chain = clean(symbol)
    dearer = np.where(chain.right < 0, 2 * chain.spot, 0.0)

    assert Fault.UNADJUSTED_SPLIT in faults_of(
        replace(chain, bid=chain.bid + dearer, ask=chain.ask + dearer)
    )


def test_without_pairs_the_strikes_alone_tell():
    puts = clean().only(Right.PUT)
    near = puts.where(np.abs(puts.strike / puts.spot - 1) < 0.05)

    assert faults_of(near) == set()
    assert faults_of(replace(near, spot=near.spot / 2)) == {Fault.UNADJUSTED_SPLIT}


def split_in_seven() -> tuple[Chain, Chain]:
    before, after = clean("AAPL", 0), clean("AAPL", 1)
    after = replace(
        after,
        spot=after.spot / 7,
        strike=np.round(after.strike / 7, 2),
        bid=after.bid / 7,
        ask=after.ask / 7,
    )
    return before, after


def test_a_split_that_is_applied_is_no_fault():
    before, after = split_in_seven()

    assert faults_of(after, before, split=7.0) == set()


def test_a_known_split_that_neither_spot_nor_strikes_show():
    before, after = clean("AAPL", 0), clean("AAPL", 1)

    assert faults_of(after, before, split=7.0) == {Fault.UNADJUSTED_SPLIT}


def test_a_jump_that_no_pair_confirms():
    puts = [clean(place=place).only(Right.PUT) for place in (0, 1)]
    before, after = puts[0], replace(puts[1], spot=1.2 * puts[1].spot)

    assert faults_of(*reversed(puts)) == set()
    assert faults_of(after, before) == {Fault.SPOT_JUMP}


def test_a_jump_that_pairs_confirm_is_news():
    before = clean("AAPL", 0)
    after = clean("AAPL", 1)
    fallen = replace(
        after, spot=0.8 * after.spot, strike=0.8 * after.strike,
        bid=0.8 * after.bid, ask=0.8 * after.ask,
    )  # fmt: skip

    assert Fault.SPOT_JUMP not in faults_of(fallen, before)


# --- strikes


def test_strikes_that_were_there_yesterday():
    """All of them away from the money, so that only yesterday tells."""
    before, chain = clean(place=0), clean(place=1)
    near = np.abs(chain.strike / chain.spot - 1) < 0.06
    rng = np.random.default_rng(8)
    for share, lacks in ((0.03, False), (0.20, True)):
        left = chain.where(near | (rng.random(len(chain)) >= share))
        assert faults_of(left) == set()

        assert (Fault.MISSING_STRIKES in faults_of(left, before)) is lacks


def test_a_settlement_that_is_gone():
    before, chain = clean(place=0), clean(place=1)
    second = sorted(chain.expiries)[1]

    left = chain.where(chain.expiry != np.datetime64(second))

    assert faults_of(chain, before) == set()
    assert faults_of(left, before) == {Fault.MISSING_STRIKES}


def test_a_vendor_may_leave_out_the_last_days_before_expiry():
    before, chain = clean(place=0), clean(place=1)

    left = chain.where(chain.expiry != np.datetime64(min(chain.expiries)))

    assert faults_of(left, before) == set()


def test_ladders_may_move_with_the_spot():
    before, chain = clean(place=0), clean(place=1)
    below = before.where(before.strike <= 2500)
    above = chain.where(chain.strike >= 2200)

    assert faults_of(above, below) == set()


def test_a_settlement_that_has_expired_is_not_missed():
    before, chain = clean(place=0), clean(place=1)
    last_day = before.where(before.expiry > np.datetime64(min(before.expiries)))
    later = replace(chain, as_of=chain.as_of + timedelta(days=1))
    gone = later.where(later.expiry > np.datetime64(min(chain.expiries)))

    assert faults_of(gone, before) == set()
    assert len(last_day) < len(before)


def test_a_hole_near_the_money():
    chain = clean("SPX")
    expiry = np.datetime64(min(chain.expiries))
    hole = (chain.expiry == expiry) & (chain.strike >= 2380) & (chain.strike < 2395)

    assert faults_of(chain.where(~hole)) == {Fault.MISSING_STRIKES}


def test_no_pair_near_the_money():
    chain = clean("SPX")

    far = chain.where(np.abs(chain.strike / chain.spot - 1) > 0.11)

    assert Fault.MISSING_STRIKES in faults_of(far)


def test_the_twenty_most_traded_contracts_miss_nothing():
    days = spy_days()[:60]

    for before, day in pairwise(days):
        assert faults_of(spy_chain(day), spy_chain(before)) == set()


# --- real quotes


@pytest.mark.parametrize("day", [4, 5, 6, 7])
def test_real_spx_has_no_fault_of_a_day(day):
    chain, before = spx_chain(date(2011, 1, day)), spx_chain(date(2011, 1, day - 1))

    assert faults_of(chain, before) == set()
