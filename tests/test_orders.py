"""Orders: the same decision has the same id, any other decision another."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal as D

import pytest

from dollarbill_core.values.contracts import Leg, Option, Stock
from dollarbill_core.values.orders import (
    Intent,
    OrderState,
    Proposal,
    Reason,
    client_order_id,
    order_from,
)

NOW = datetime(2026, 11, 2, 21, tzinfo=UTC)
TODAY = NOW.date()
PUT, CALL = (Option.from_occ(f"SPY261218{x}000") for x in ("P00570", "C00650"))
STRANGLE = Proposal("SPY-1", (Leg(PUT, -1), Leg(CALL, -1)), Intent.OPEN, Reason.ENTRY)


def id_of(proposal=STRANGLE, strategy="abc", day=TODAY) -> str:
    return client_order_id(strategy, day, proposal)


def test_the_order_of_the_legs_does_not_matter():
    assert id_of(replace(STRANGLE, legs=STRANGLE.legs[::-1])) == id_of()


def test_the_spelling_of_a_strike_does_not_matter():
    spelt = replace(PUT, strike=D("570.000"))

    assert id_of(replace(STRANGLE, legs=(Leg(spelt, -1), Leg(CALL, -1)))) == id_of()


def test_the_reason_does_not_matter():
    """A stop and a target that close the same trade on one day are the same order."""
    assert id_of(replace(STRANGLE, reason=Reason.STOP)) == id_of()


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"strategy": "abd"}, id="strategy"),
        pytest.param({"day": date(2026, 11, 3)}, id="day"),
        pytest.param({"proposal": replace(STRANGLE, trade="SPY-2")}, id="trade"),
        pytest.param({"proposal": replace(STRANGLE, intent=Intent.CLOSE)}, id="intent"),
        pytest.param({"proposal": replace(STRANGLE, legs=STRANGLE.legs[:1])}, id="legs"),
        pytest.param(
            {"proposal": replace(STRANGLE, legs=(Leg(PUT, -2), Leg(CALL, -1)))}, id="quantity"
        ),
        pytest.param(
            {"proposal": replace(STRANGLE, legs=(Leg(PUT, 1), Leg(CALL, -1)))}, id="sign"
        ),
    ],
)
def test_anything_else_makes_another_order(other):
    assert id_of(**other) != id_of()


def test_an_order_carries_out_its_proposal():
    order = order_from(STRANGLE, "abc", NOW)

    assert order.client_order_id == id_of()
    assert (order.trade, order.legs, order.intent) == ("SPY-1", STRANGLE.legs, Intent.OPEN)
    assert (order.reason, order.decided_at, order.limit) == (Reason.ENTRY, NOW, None)
    assert len(order.client_order_id) <= 128  # what Alpaca takes


@pytest.mark.parametrize(
    ("legs", "message"),
    [
        ((), "legs"),
        ((Leg(PUT, -1), Leg(PUT, 1)), "once"),
        ((Leg(Stock("SPY"), 1),) * 2, "once"),
    ],
)
def test_a_proposal_names_each_instrument_once(legs, message):
    with pytest.raises(ValueError, match=message):
        Proposal("SPY-1", legs, Intent.OPEN, Reason.ENTRY)


def test_a_proposal_names_its_trade():
    with pytest.raises(ValueError, match="trade"):
        replace(STRANGLE, trade="")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"client_order_id": ""}, "1 to 128"),
        ({"client_order_id": "x" * 129}, "1 to 128"),
        ({"decided_at": NOW.replace(tzinfo=None)}, "time zone"),
        ({"legs": ()}, "legs"),
    ],
)
def test_an_order_that_could_not_be_traced_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(order_from(STRANGLE, "abc", NOW), **change)


def test_only_three_states_are_final():
    final = {state for state in OrderState if state.is_final}

    assert final == {OrderState.FILLED, OrderState.CANCELLED, OrderState.REJECTED}
