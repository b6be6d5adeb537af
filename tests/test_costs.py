"""Fees by date and what fills give up, against published examples."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal as D

import numpy as np
import pytest

from dollarbill_core.market.chains import Chain, NoQuote
from dollarbill_core.market.view import View
from dollarbill_core.rules.costs import FREE, INTERACTIVE_BROKERS
from dollarbill_core.rules.fills import FillModel, executed
from dollarbill_core.values.book import Fee, Fill
from dollarbill_core.values.contracts import Leg, Option, Right, Stock
from dollarbill_core.values.orders import Intent, Order, Reason
from dollarbill_core.values.provenance import Quotes

NOW = datetime(2026, 11, 2, 21, tzinfo=UTC)
PUT, CALL = Option.from_occ("XYZ261218P00095000"), Option.from_occ("XYZ261218C00105000")


def fill(quantity, price, instrument=PUT, at=NOW) -> Fill:
    return Fill(at, "t", instrument, quantity, D(price))


def fees(*fills) -> dict[str, D]:
    return {fee.kind: fee.amount for fee in INTERACTIVE_BROKERS.fees(fills)}


# Interactive Brokers, options pricing, tiered up to 10,000 contracts a month (read 2026-11).
@pytest.mark.parametrize(
    ("contracts", "premium", "commission"),
    [(1, "2", "1.00"), (2, "5", "1.30"), (5, "0.03", "1.25"), (4, "0.07", "2.00")],
)
def test_commission_by_premium_with_its_minimum(contracts, premium, commission):
    assert fees(fill(-contracts, premium))["commission"] == D(commission)


# OCC: 0.02 a contract and at most 55 dollars before 2025-02-14, 0.025 and no cap from then.
@pytest.mark.parametrize(
    ("day", "contracts", "fee"),
    [
        ("2025-02-13", 100, "2.00"),
        ("2025-02-13", 5000, "55.00"),
        ("2025-02-14", 100, "2.50"),
        ("2025-02-14", 5000, "125.00"),
    ],
)
def test_clearing_fee_changes_on_its_day(day, contracts, fee):
    at = datetime.fromisoformat(day).replace(hour=12, tzinfo=UTC)

    assert fees(fill(contracts, "1", at=at))["OCC clearing"] == D(fee)


def test_each_charge_is_in_force_once_on_every_day():
    for day in (date(1995, 1, 3), date(2024, 1, 2), date(2025, 2, 14), date(2026, 11, 2)):
        kinds = [c.kind for c in INTERACTIVE_BROKERS.charges if c.since <= day < c.until]
        assert len(kinds) == len(set(kinds)), (day, kinds)


def test_regulatory_fees_round_up_and_sales_pay_more():
    sold, bought = fees(fill(-10, "1")), fees(fill(10, "1"))

    assert sold["options regulatory fee"] == bought["options regulatory fee"] == D("0.27")
    assert sold["FINRA trading activity"] == D("0.03")
    assert "FINRA trading activity" not in bought


def test_section_31_ends_on_2025_05_14():
    before = fill(-10, "20", at=datetime(2025, 5, 13, 12, tzinfo=UTC))
    after = fill(-10, "20", at=datetime(2025, 5, 14, 12, tzinfo=UTC))

    assert fees(before)["SEC section 31"] == D("0.56")
    assert "SEC section 31" not in fees(after)


def test_every_line_has_a_source():
    assert all(charge.source for charge in INTERACTIVE_BROKERS.charges)


def quotes(put=(1.00, 1.20), call=(0.80, 0.90)) -> View:
    bids, asks = zip(put, call, strict=True)
    chain = Chain(
        "XYZ", NOW, 100.0, Quotes.QUOTED, ("XYZ",), np.zeros(2, np.int8),
        np.array(["2026-12-18"] * 2, "datetime64[D]"), np.array([-1, 1], np.int8),
        np.array([95.0, 105.0]), np.array(bids), np.array(asks),
        np.full(2, np.nan), np.full(2, np.nan),
    )  # fmt: skip
    return View(NOW, {"XYZ": D(100)}, chains={"XYZ": chain})


@pytest.mark.parametrize(
    ("crossing", "sold", "bought"),
    [
        ("1", "1.00", "1.20"),
        ("0", "1.10", "1.10"),
        ("0.5", "1.05", "1.15"),
        ("0.33", "1.06", "1.14"),
    ],
)
def test_fills_give_up_their_fraction_of_the_half_spread(crossing, sold, bought):
    model = FillModel(D(crossing))

    assert model.price(Leg(PUT, -1), quotes()) == D(sold)
    assert model.price(Leg(PUT, 1), quotes()) == D(bought)


def test_stock_gives_up_a_cent():
    assert FillModel().price(Leg(Stock("XYZ"), -100), quotes()) == D("99.99")
    assert FillModel().price(Leg(Stock("XYZ"), 100), quotes()) == D("100.01")


def test_stock_needs_a_chain_of_the_day_unless_the_view_is_made_by_hand():
    spots = {"XYZ": D(100), "ABC": D(50)}
    old = replace(quotes(), spots=spots)

    with pytest.raises(NoQuote, match="no chain of ABC on 2026-11-02"):
        FillModel().price(Leg(Stock("ABC"), 100), old)
    assert FillModel().price(Leg(Stock("XYZ"), 100), old) == D("100.01")
    assert FillModel().price(Leg(Stock("ABC"), 100), View(NOW, spots)) == D("50.01")


@pytest.mark.parametrize(
    ("put", "quantity", "why"),
    [
        ((1.30, 1.20), -1, "crossed"),
        ((1.20, 1.20), 1, "locked"),
        ((0.0, 0.05), -1, "nobody bids"),
        ((0.0, 0.0), 1, "no ask"),
        ((np.nan, 1.0), 1, "no bid or ask"),
    ],
)
def test_nothing_trades_on_a_bad_quote(put, quantity, why):
    with pytest.raises(NoQuote, match=why):
        FillModel().price(Leg(PUT, quantity), quotes(put=put))


def order(*legs, limit=None) -> Order:
    return Order("id", "t", legs, Intent.OPEN, Reason.ENTRY, NOW, limit)


def test_an_order_fills_whole_with_its_fees():
    events = executed(
        order(Leg(PUT, -1), Leg(CALL, -1)), quotes(), FillModel(), INTERACTIVE_BROKERS
    )

    assert [e.cash for e in events if isinstance(e, Fill)] == [D(100), D(80)]
    assert {e.kind: e.amount for e in events if isinstance(e, Fee)} == {
        "commission": D("1.30"),
        "OCC clearing": D("0.05"),
        "options regulatory fee": D("0.06"),
        "FINRA trading activity": D("0.01"),
    }


def test_one_bad_leg_stops_the_package():
    with pytest.raises(NoQuote, match="CALL"):
        executed(order(Leg(PUT, -1), Leg(CALL, -1)), quotes(call=(0.9, 0.8)), FillModel(), FREE)


@pytest.mark.parametrize(("limit", "fills"), [("180", True), ("180.01", False)])
def test_a_limit_is_the_least_net_credit(limit, fills):
    strangle = order(Leg(PUT, -1), Leg(CALL, -1), limit=D(limit))

    if fills:
        assert executed(strangle, quotes(), FillModel(), FREE)
    else:
        with pytest.raises(NoQuote, match="below the limit"):
            executed(strangle, quotes(), FillModel(), FREE)


def test_a_crossing_beyond_the_spread_is_refused():
    with pytest.raises(ValueError, match=r"0 to 1, got 1.5"):
        FillModel(D("1.5"))


def test_right_is_the_sign_of_the_chain():
    assert [int(right) for right in Right] == [1, -1]
