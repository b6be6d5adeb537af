"""Faults of rows: each planted on clean quotes and found where it was put, and no other."""

from dataclasses import replace
from datetime import date
from itertools import pairwise

import numpy as np
import pytest

from dollarbill_core.market.carry import policy_rates
from dollarbill_core.market.chains import Chain
from dollarbill_core.market.faults import Fault
from dollarbill_core.market.ladders import Booleans
from dollarbill_core.market.row_faults import matched, own_vols, row_faults, studied
from dollarbill_core.values.contracts import Right
from tests.quality_builder import EXPIRY, clean, moved, only, requoted, rows_at, sample_days
from tests.real_quotes import real_table, spx_chain, spy_chain, spy_days

LATER = date(2017, 5, 19)
DAYS = 10  # of the month, on which every row is looked at


def masks_of(chain: Chain, previous: Chain | None = None, vendor_vol=None) -> dict:
    now = studied(chain, policy_rates(chain.as_of.date()), 0.019)
    match = None if previous is None else matched(now, previous)
    return dict(row_faults(now, match, vendor_vol))


def named(masks: dict[Fault, Booleans]) -> dict[Fault, list[int]]:
    """The rows with each fault, but for far strikes without a bid."""
    return {
        fault: np.flatnonzero(mask).tolist()
        for fault, mask in masks.items()
        if mask.any() and fault is not Fault.NO_BID
    }


@pytest.mark.parametrize("symbol", ["SPX", "AAPL", "XOM"])
def test_clean_quotes_have_no_fault(symbol):
    days = sample_days(symbol)
    chains = [days.chain(day) for day in days.sessions[:DAYS]]

    for before, chain in pairwise(chains):
        assert named(masks_of(chain, before, chain.vol)) == {}


# --- one row at a time: the whole chain beside it is clean


def test_crossed():
    chain = clean()
    (row,) = rows_at(chain, Right.PUT, 2350.0)

    spoilt = requoted(chain, row, chain.ask[row] + 0.05, chain.ask[row])

    assert named(masks_of(spoilt)) == {Fault.CROSSED: [row]}


def test_locked():
    chain = clean()
    (row,) = rows_at(chain, Right.PUT, 2350.0)
    mid = round(chain.mid[row], 2)

    assert named(masks_of(requoted(chain, row, mid, mid))) == {Fault.LOCKED: [row]}


@pytest.mark.parametrize("ask", [0.0, np.nan])
def test_no_ask(ask):
    chain = clean()
    (row,) = rows_at(chain, Right.CALL, 2400.0)

    assert named(masks_of(requoted(chain, row, chain.bid[row], ask))) == {Fault.NO_ASK: [row]}


@pytest.mark.parametrize("bid", [0.0, np.nan])
def test_a_bid_that_is_missing_among_bids(bid):
    chain = clean()
    (row,) = rows_at(chain, Right.PUT, 2350.0)

    assert named(masks_of(requoted(chain, row, bid, chain.ask[row]))) == {
        Fault.BID_MISSING: [row]
    }


def test_far_strikes_without_a_bid_are_counted_and_cost_nothing():
    masks = masks_of(clean())

    assert masks[Fault.NO_BID].sum() > 500
    assert not masks[Fault.BID_MISSING].any()


def test_a_nickel_bid_beyond_makes_no_bid_missing():
    """In SPX of 2011 bids of 0.05 and 0.10 stand scattered among far strikes without one."""
    masks = masks_of(spx_chain(date(2011, 1, 5)))

    assert masks[Fault.NO_BID].sum() == 193
    assert not masks[Fault.BID_MISSING].any()


# --- profits, on the few rows that make them: among many, one bad quote makes several


def test_a_vertical():
    chain = clean()
    low, high = rows_at(chain, Right.PUT, 2350.0, 2355.0)
    pair = only(chain, low, high)

    spoilt = requoted(pair, 0, pair.ask[1] + 0.05, pair.ask[1] + 2.0)

    assert named(masks_of(pair)) == {}
    assert named(masks_of(spoilt)) == {Fault.VERTICAL: [0]}


def test_a_spread_dearer_than_it_pays():
    chain = clean()
    pair = only(chain, *rows_at(chain, Right.CALL, 2350.0, 2355.0))

    spoilt = requoted(pair, 0, pair.ask[1] + 5.05, pair.ask[1] + 7.0)

    assert named(masks_of(spoilt)) == {Fault.VERTICAL: [0]}


def test_a_butterfly():
    chain = clean()
    three = only(chain, *rows_at(chain, Right.PUT, 2300.0, 2350.0, 2400.0))
    bid = (three.ask[0] + three.ask[2]) / 2 + 0.05

    assert named(masks_of(three)) == {}
    assert named(masks_of(requoted(three, 1, bid, bid + 2.0))) == {Fault.BUTTERFLY: [1]}


@pytest.mark.parametrize("symbol", ["SPX", "AAPL"])
def test_a_calendar(symbol):
    chain = clean(symbol)
    strike = 2380.0 if symbol == "SPX" else 100.0
    expiries = sorted(chain.expiries)[-2:]
    rows = [rows_at(chain, Right.PUT, strike, expiry=each)[0] for each in expiries]
    pair = only(chain, *rows)
    bid = pair.ask[1] + 0.30

    assert named(masks_of(pair)) == {}
    assert named(masks_of(requoted(pair, 0, bid, bid + 2.0))) == {Fault.CALENDAR: [0]}


def test_off_parity():
    """Calls 3 higher and the put of one strike 3 lower: no ladder minds, their pair does."""
    chain = clean()
    strikes = (2280.0, 2330.0, 2380.0, 2430.0, 2480.0)
    calls, puts = (rows_at(chain, right, *strikes) for right in (Right.CALL, Right.PUT))
    few = only(chain, *calls, *puts)

    spoilt = moved(moved(few, 0, 3.0), 5, -1.9)

    assert named(masks_of(few)) == {}
    assert named(masks_of(spoilt)) == {Fault.PARITY: [0, 5]}


@pytest.mark.parametrize("symbol", ["SPX", "AAPL"])
def test_below_intrinsic(symbol):
    chain = clean(symbol)
    deep = float(chain.strike[(chain.expiry == chain.expiry.max()) & (chain.bid > 0)].max())
    (row,) = rows_at(chain, Right.PUT, deep, expiry=max(chain.expiries))
    lower = requoted(chain, row, chain.bid[row] - 4.0, chain.bid[row] - 1.0)

    assert named(masks_of(lower)) == {Fault.BELOW_INTRINSIC: [row]}


# --- vols


@pytest.mark.parametrize("vol", [1e-5, 0.0, -1.0, 7.5, np.inf, np.nan, 0.60])
def test_a_vendors_vol_that_cannot_be_meant(vol):
    """Yahoo's 0.00001, iVolatility's -1, 750 %, none at all, or five times ours."""
    chain = clean()
    (row,) = rows_at(chain, Right.PUT, 2350.0)
    vendors = chain.vol.copy()
    vendors[row] = vol

    assert named(masks_of(chain, vendor_vol=vendors)) == {Fault.JUNK_VOL: [row]}


@pytest.mark.parametrize("vol", [0.009, 5.1])
def test_in_the_money_a_vendors_vol_is_held_to_what_any_option_can_have(vol):
    """No vol of ours stands beside it there: parity gives the one across the strike."""
    chain = clean()
    (row,) = rows_at(chain, Right.CALL, 2350.0)
    vendors = chain.vol.copy()
    vendors[row] = vol

    assert named(masks_of(chain, vendor_vol=vendors)) == {Fault.JUNK_VOL: [row]}


@pytest.mark.parametrize("by", [-0.03, 0.03])
def test_a_vendors_vol_may_differ_by_a_few_points(by):
    chain = clean()

    assert named(masks_of(chain, vendor_vol=chain.vol + by)) == {}


def test_a_vendor_without_vols_has_no_junk():
    chain = clean()

    assert named(masks_of(chain, vendor_vol=np.full(len(chain), np.nan))) == {}


def test_a_vol_is_only_junk_where_a_quote_is_to_be_explained():
    chain = clean()
    vendors = np.where(chain.bid > 0, chain.vol, 0.0)

    assert named(masks_of(chain, vendor_vol=vendors)) == {}


def test_own_vols_are_those_of_the_model():
    chain = clean()
    now = studied(chain, policy_rates(chain.as_of.date()), 0.019)

    own = own_vols(now)

    apart = np.abs(own.vol - chain.vol[now.ladders.rows[own.places]])
    doubt = own.half_spread / own.vega
    assert (apart <= np.maximum(2 * doubt, 0.005)).all()
    assert len(own.places) > 500


@pytest.mark.parametrize("by", [1.6, 0.5])
def test_a_mid_far_off_its_neighbours_is_named_and_they_are_not(by):
    chain = clean()
    strikes = (2250.0, 2275.0, 2300.0, 2325.0, 2350.0)
    five = only(chain, *rows_at(chain, Right.PUT, *strikes, expiry=LATER))
    five = replace(five, bid=five.mid - 0.05, ask=five.mid + 0.05)
    price = five.mid[2] * by

    spoilt = masks_of(requoted(five, 2, price - 0.05, price + 0.05))

    assert named(masks_of(five)) == {}
    assert named(spoilt)[Fault.OUTLIER] == [2]
    assert {row for rows in named(spoilt).values() for row in rows} == {2}


# --- against the day before


def two_days() -> tuple[Chain, Chain]:
    """Neighbouring days between which the spot moves by more than half a percent."""
    days = sample_days("SPX")
    spots = [days.chain(day).spot for day in days.sessions]
    steps = np.abs(np.diff(np.log(spots)))
    place = int(np.argmax(steps))
    assert steps[place] > 0.006
    return days.chain(days.sessions[place]), days.chain(days.sessions[place + 1])


def test_a_pair_that_stands_still_while_the_spot_moves_is_stale():
    before, chain = two_days()
    strike = float(np.round(chain.spot / 10) * 10)
    rows = [rows_at(chain, right, strike)[0] for right in Right]
    earlier = [rows_at(before, right, strike)[0] for right in Right]
    for row, old in zip(rows, earlier, strict=True):
        chain = requoted(chain, row, before.bid[old], before.ask[old])

    stale = masks_of(chain, before)[Fault.STALE]

    assert set(rows) <= set(np.flatnonzero(stale).tolist())
    assert stale.sum() == 2


def test_one_row_that_its_neighbours_pass_by_is_stale():
    before, chain = two_days()
    strike = float(np.round(chain.spot / 10) * 10)
    (row,), (old,) = (rows_at(each, Right.CALL, strike) for each in (chain, before))
    half = 0.5  # quotes a dollar wide, so that a move of several dollars passes them by
    chain = replace(chain, bid=chain.mid - half, ask=chain.mid + half)
    before = replace(before, bid=before.mid - half, ask=before.mid + half)

    stale = masks_of(requoted(chain, row, before.bid[old], before.ask[old]), before)

    assert np.flatnonzero(stale[Fault.STALE]).tolist() == [row]


def test_a_settlement_that_stands_still_is_stale_though_no_neighbour_moves():
    before, chain = two_days()
    old = before.where(before.expiry == np.datetime64(EXPIRY))
    strikes = np.intersect1d(old.strike, chain.strike[chain.expiry == np.datetime64(EXPIRY)])
    for right in Right:
        for strike in strikes[np.abs(strikes / chain.spot - 1) < 0.02].tolist():
            (row,), (earlier,) = (rows_at(each, right, strike) for each in (chain, before))
            chain = requoted(chain, row, before.bid[earlier], before.ask[earlier])

    stale = np.flatnonzero(masks_of(chain, before)[Fault.STALE])

    at_the_money = float(np.round(chain.spot / 10) * 10)
    assert {rows_at(chain, right, at_the_money)[0] for right in Right} <= set(stale.tolist())
    assert (chain.expiry[stale] == np.datetime64(EXPIRY)).all()


def test_quotes_that_stand_still_with_the_market_are_not_stale():
    before, chain = two_days()
    calm = replace(before, as_of=chain.as_of)

    assert not masks_of(calm, before)[Fault.STALE].any()


def test_contracts_are_matched_across_days():
    before, chain = two_days()
    now = studied(chain, policy_rates(chain.as_of.date()))

    match = matched(now, before.where(np.random.default_rng(1).permutation(len(before))))

    rows = now.ladders.rows[match.places]
    shuffled = match.previous
    assert all(
        chain.option(int(a)) == shuffled.option(int(b))
        for a, b in zip(rows[::97], match.before[::97], strict=True)
    )
    assert len(rows) > 0.9 * len(before)


# --- real quotes


def test_spy_of_2021_has_seventeen_crossed_rows_and_one_locked():
    """The one butterfly: the 371 put bid 3.33, while 3.325 buys 0.75 of 370 and 0.25 of 374."""
    seen: dict[Fault, int] = {}
    for day in spy_days():
        chain = spy_chain(day)
        for fault, rows in named(masks_of(chain, vendor_vol=chain.vol)).items():
            seen[fault] = seen.get(fault, 0) + len(rows)

    assert seen == {Fault.CROSSED: 17, Fault.LOCKED: 1, Fault.BUTTERFLY: 1}


def test_the_butterfly_of_spy_is_real():
    chain = spy_chain(date(2021, 2, 19))
    (row,) = named(masks_of(chain))[Fault.BUTTERFLY]
    wings = [
        r
        for k in (370.0, 374.0)
        for r in rows_at(chain, Right.PUT, k, expiry=date(2021, 3, 19))
    ]

    assert chain.strike[row] == 371.0
    assert chain.bid[row] - np.dot((0.75, 0.25), chain.ask[wings]) == pytest.approx(0.005)


def test_spx_of_2011_has_few_faults_and_they_are_real():
    seen = {}
    before = None
    for day in (3, 4, 5, 6, 7):
        chain = spx_chain(date(2011, 1, day))
        seen[day] = {f: len(rows) for f, rows in named(masks_of(chain, before)).items()}
        before = chain

    assert seen == {
        3: {Fault.BUTTERFLY: 4},  # far December puts, such as 200 bid 0.45, 225 offered at 0.45
        4: {Fault.NO_ASK: 1, Fault.BID_MISSING: 1},
        5: {},
        6: {},
        7: {},
    }


def test_ivolatility_says_minus_one_where_it_knows_no_vol():
    chain = spx_chain(date(2011, 1, 4))

    junk = masks_of(chain, vendor_vol=chain.vol)[Fault.JUNK_VOL]

    assert junk.sum() == 34
    assert set(chain.vol[junk].tolist()) == {-1.0}
    assert real_table("spx_2011", "spx_sample_ivolatility.csv")["iv"].min() == -1.0


def test_a_quote_far_too_cheap_is_blamed_itself_and_not_those_around_it():
    chain = clean()
    (row,) = rows_at(chain, Right.PUT, 2350.0)

    masks = masks_of(requoted(chain, row, 3.9, 4.1))

    assert chain.bid[row] > 9
    assert Fault.OUTLIER in named(masks)
    assert {each for rows in named(masks).values() for each in rows} == {row}
