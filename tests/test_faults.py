"""Faults by name: their order is that of stored counts, their costs are shares."""

import pytest

from dollarbill_core.market.faults import DAY_COST, GRAVE, Fault


def test_the_order_is_that_of_stored_counts():
    assert [fault.name for fault in Fault] == [
        "CROSSED", "LOCKED", "NO_BID", "NO_ASK", "BID_MISSING", "VERTICAL", "BUTTERFLY",
        "CALENDAR", "PARITY", "BELOW_INTRINSIC", "JUNK_VOL", "OUTLIER", "STALE", "COPIED_DAY",
        "ASYNCHRONOUS_SPOT", "MISSING_STRIKES", "HOLIDAY", "UNADJUSTED_SPLIT", "SPOT_JUMP",
    ]  # fmt: skip


def test_a_fault_is_of_a_row_or_of_a_day():
    assert not GRAVE & set(DAY_COST)
    assert [fault for fault in Fault if fault.is_of_a_day] == list(DAY_COST)
    assert all(0 < cost <= 1 for cost in DAY_COST.values())


@pytest.mark.parametrize("fault", [Fault.NO_BID, Fault.JUNK_VOL])
def test_far_strikes_and_a_vendors_vols_cost_nothing(fault):
    assert not fault.is_grave and not fault.is_of_a_day


def test_all_others_cost():
    assert {fault for fault in Fault if not fault.is_grave} == {Fault.NO_BID, Fault.JUNK_VOL}
