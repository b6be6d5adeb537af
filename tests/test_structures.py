"""Expiries by days, strikes by delta, and the candidates that were not taken."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from dollarbill_core.market.chains import Chain, NoQuote
from dollarbill_core.strategies.structures import (
    Structure,
    earliest_expiry,
    expiry_nearest,
    short_leg,
    structure,
)
from dollarbill_core.values.contracts import Leg, Option, Right, Stock
from tests.market_builder import chain_on

DAY = date(2026, 3, 2)
CHAIN = chain_on("AAA", DAY, 100.0)


@pytest.mark.parametrize("days", [5, 14, 30, 45, 70])
def test_expiry_is_the_nearest_listed(days):
    distances = {e: abs(CHAIN.days_to_expiry(e) - days) for e in CHAIN.expiries}

    assert distances[expiry_nearest(CHAIN, days)] == min(distances.values())


@pytest.mark.parametrize(("days", "least"), [(400, 1), (150, 1), (45, 300)])
def test_what_is_not_listed_is_not_replaced(days, least):
    with pytest.raises(NoQuote, match="days"):
        expiry_nearest(CHAIN, days, least)


def test_an_expiry_that_would_be_left_at_once_is_passed_over():
    first, second, third = map(CHAIN.days_to_expiry, CHAIN.expiries[:3])

    assert (first, second, third) == (4, 18, 31)
    assert expiry_nearest(CHAIN, 23) == CHAIN.expiries[1]
    assert expiry_nearest(CHAIN, 23, second + 1) == CHAIN.expiries[2]


def test_of_two_equally_near_the_later():
    first, second = CHAIN.expiries[:2]
    half_way = (CHAIN.days_to_expiry(first) + CHAIN.days_to_expiry(second)) // 2

    assert (second - first).days % 2 == 0
    assert expiry_nearest(CHAIN, half_way) == second


def test_todays_expiry_is_not_chosen():
    last = CHAIN.expiries[-1]
    with pytest.raises(NoQuote, match="nothing is listed"):
        expiry_nearest(chain_on("AAA", last, 100.0).expiring(last), 1)


@pytest.mark.parametrize("right", list(Right))
@pytest.mark.parametrize("delta", [0.10, 0.16, 0.30])
def test_the_strike_taken_has_the_nearest_delta(right, delta):
    part = CHAIN.expiring(CHAIN.expiries[-1])
    side = part.only(right).sound
    side = side.where(right * (side.strike - 100) >= 0)

    (leg,) = short_leg(part, right, delta, 2).legs

    taken = abs(float(side.delta[side.row(leg.instrument)]))
    assert abs(taken - delta) == pytest.approx(np.abs(np.abs(side.delta) - delta).min())
    assert leg.quantity == -2


def test_neighbours_are_kept_with_their_reason():
    choice = short_leg(CHAIN.expiring(CHAIN.expiries[-1]), Right.PUT, 0.16, 1)

    verdicts = [candidate.verdict for candidate in choice.candidates]
    assert verdicts[0] == "taken"
    assert all("further off" in verdict for verdict in verdicts[1:])
    assert choice.candidates[0].option == choice.legs[0].instrument


def test_crossed_quotes_are_passed_over():
    part = CHAIN.expiring(CHAIN.expiries[-1])
    (wanted,) = short_leg(part, Right.PUT, 0.16, 1).legs
    part.bid[part.row(wanted.instrument)] = 99.0

    (taken,) = short_leg(part, Right.PUT, 0.16, 1).legs

    assert taken.instrument != wanted.instrument


def test_a_delta_that_is_not_quoted_is_not_replaced_by_a_far_one():
    part = CHAIN.expiring(CHAIN.expiries[-1])
    near = part.where(np.abs(part.delta) > 0.4)

    with pytest.raises(NoQuote, match=r"nearest put delta to 0.16 is 0.4"):
        short_leg(near, Right.PUT, 0.16, 1)


@pytest.mark.parametrize(
    ("kind", "rights"),
    [
        (Structure.SHORT_PUT, [Right.PUT]),
        (Structure.SHORT_CALL, [Right.CALL]),
        (Structure.SHORT_STRANGLE, [Right.PUT, Right.CALL]),
    ],
)
def test_a_structure_sells_its_rights_at_one_expiry(kind, rights):
    choice = structure(CHAIN, kind, days=30, put_delta=0.16, call_delta=0.20, quantity=3)

    assert [leg.instrument.right for leg in choice.legs] == rights
    assert len({leg.instrument.expiry for leg in choice.legs}) == 1
    assert all(leg.quantity == -3 for leg in choice.legs)


def test_earliest_expiry_ignores_stock():
    near, far = Option.from_occ("AAA260320P00095000"), Option.from_occ("AAA260417P00095000")

    assert earliest_expiry((Leg(far, -1), Leg(near, -1), Leg(Stock("AAA"), 100))) == near.expiry
    assert earliest_expiry((Leg(Stock("AAA"), 100),)) is None


def two_roots(first: str, second: str, listed: int) -> Chain:
    """The last expiry of SPX under two roots, the second one with so many rows."""
    one, other = (chain_on("SPX", DAY, 600.0, root=root) for root in (first, second))
    last = one.expiries[-1]
    one, other = one.expiring(last), other.expiring(last).where(np.arange(listed))
    columns = {
        name: np.concatenate([getattr(one, name), getattr(other, name)])
        for name in "expiry right strike bid ask vol delta volume open_interest".split()
    }
    root = np.repeat([0, 1], [len(one), listed]).astype(np.int8)
    return replace(one, roots=(first, second), root=root, **columns)


@pytest.mark.parametrize(
    ("first", "second", "listed", "taken"),
    [
        pytest.param("SPX", "SPXW", 46, "SPXW", id="that settles to the close"),
        pytest.param("AAA1", "AAA", 46, "AAA", id="that delivers shares alone"),
        pytest.param("SPXW", "XSP", 20, "SPXW", id="that lists most"),
    ],
)
def test_all_legs_are_of_the_one_root(first, second, listed, taken):
    chain = two_roots(first, second, listed)

    legs = structure(
        chain, Structure.SHORT_STRANGLE, days=45, put_delta=0.2, call_delta=0.2, quantity=1
    ).legs

    assert {leg.instrument.root for leg in legs} == {taken}
