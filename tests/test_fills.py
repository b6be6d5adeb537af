"""What fills give up of the spread, and when nothing trades."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.market.chains import Chain, NoQuote, Quote
from dollarbill_core.market.listings import NICKELS, PENNIES
from dollarbill_core.market.view import View
from dollarbill_core.rules.costs import ALPACA, FREE, INTERACTIVE_BROKERS, TASTYTRADE
from dollarbill_core.rules.fills import BY_LEGS, FillModel, crossed, executed
from dollarbill_core.values.book import Fee, Fill
from dollarbill_core.values.contracts import Leg, Option, Stock
from dollarbill_core.values.orders import Intent, Order, Reason
from dollarbill_core.values.provenance import Quotes

NOW = datetime(2026, 11, 2, 21, tzinfo=UTC)
PUT, CALL = Option.from_occ("XYZ261218P00095000"), Option.from_occ("XYZ261218C00105000")
WING = Option.from_occ("XYZ261218P00090000")


def quotes(put=(1.00, 1.20), call=(0.80, 0.90), wing=(0.40, 0.50), at=NOW) -> View:
    bids, asks = zip(put, call, wing, strict=True)
    chain = Chain(
        "XYZ", at, 100.0, Quotes.QUOTED, ("XYZ",), np.zeros(3, np.int8),
        np.array(["2026-12-18"] * 3, "datetime64[D]"), np.array([-1, 1, -1], np.int8),
        np.array([95.0, 105.0, 90.0]), np.array(bids), np.array(asks),
        np.full(3, np.nan), np.full(3, np.nan),
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


class TestByLegs:
    """Fractions of the half-spread: 0.75 for one option down to 0.56 for four."""

    # The published example: bid 1.00, ask 1.40, one leg.
    def test_one_option_alone(self):
        view = quotes(put=(1.00, 1.40))

        assert BY_LEGS.price(Leg(PUT, 1), view) == D("1.35")
        assert BY_LEGS.price(Leg(PUT, -1), view) == D("1.05")

    def test_a_round_trip_of_one_costs_twice_three_quarters_of_the_half_spread(self):
        view = quotes(put=(1.00, 1.40))
        there, back = BY_LEGS.price(Leg(PUT, 1), view), BY_LEGS.price(Leg(PUT, -1), view)

        assert there - back == 2 * D("0.75") * D("0.20")

    @pytest.mark.parametrize(
        ("options", "sold"),
        [(1, "90.62"), (2, "90.78"), (3, "90.94"), (4, "91.10"), (9, "91.10")],
    )
    def test_larger_packages_give_up_less(self, options, sold):
        view = quotes(put=(90.00, 95.00))  # half-spread 2.50, mid 92.50

        assert BY_LEGS.price(Leg(PUT, -1), view, options) == D(sold)

    def test_a_package_counts_its_options_and_not_its_shares(self):
        view = quotes(put=(1.00, 1.40), call=(1.00, 1.40))
        covered = (Leg(Stock("XYZ"), 100), Leg(CALL, -1))

        assert BY_LEGS.prices(covered, view) == (D("100.01"), D("1.05"))
        assert BY_LEGS.prices((Leg(PUT, -1), Leg(CALL, -1)), view) == (D("1.06"), D("1.06"))


@pytest.mark.parametrize(
    ("ticks", "put", "sold", "bought"),
    [
        (NICKELS, (1.00, 1.10), "1.00", "1.10"),
        (NICKELS, (3.10, 3.50), "3.10", "3.50"),
        (PENNIES, (1.00, 1.10), "1.01", "1.09"),
        (PENNIES, (3.10, 3.50), "3.15", "3.45"),
    ],
)
def test_one_option_alone_is_rounded_to_its_class_against_us(ticks, put, sold, bought):
    model = replace(BY_LEGS, ticks=ticks)

    assert model.price(Leg(PUT, -1), quotes(put=put)) == D(sold)
    assert model.price(Leg(PUT, 1), quotes(put=put)) == D(bought)
    assert model.price(Leg(PUT, -1), quotes(put=put), 2) % D("0.01") == 0


def test_what_would_bring_less_than_a_tick_does_not_trade():
    with pytest.raises(NoQuote, match="less than a tick"):
        FillModel(ticks=NICKELS).price(Leg(PUT, -1), quotes(put=(0.03, 0.10)))


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
@pytest.mark.parametrize("model", [FillModel(), BY_LEGS], ids=["at the bid", "by legs"])
def test_nothing_trades_on_a_bad_quote(model, put, quantity, why):
    with pytest.raises(NoQuote, match=why):
        model.price(Leg(PUT, quantity), quotes(put=put))


def test_nothing_trades_on_a_stale_quote():
    old = quotes(at=NOW - timedelta(hours=1, seconds=1))

    with pytest.raises(NoQuote, match="is stale: quoted at 2026-11-02 19:59:59"):
        FillModel().price(Leg(PUT, -1), old)
    assert FillModel(stale_after=7200).price(Leg(PUT, -1), old) == D("1.00")
    assert FillModel().price(Leg(PUT, -1), quotes(at=NOW - timedelta(hours=1))) == D("1.00")


def test_a_worthless_option_can_be_bought_where_one_is_offered():
    assert FillModel().price(Leg(PUT, 1), quotes(put=(0.0, 0.05))) == D("0.05")


def order(*legs, limit=None, intent=Intent.OPEN) -> Order:
    return Order("id", "t", legs, intent, Reason.ENTRY, NOW, limit)


def test_an_order_fills_whole_with_its_fees():
    events = executed(
        order(Leg(PUT, -1), Leg(CALL, -1)), quotes(), FillModel(), INTERACTIVE_BROKERS
    )

    made = [e for e in events if isinstance(e, Fill)]
    assert [e.cash for e in made] == [D(100), D(80)]
    assert [e for e in events if isinstance(e, Fee)] == list(INTERACTIVE_BROKERS.fees(made))


def test_fees_summed_by_the_day_know_what_was_paid_before():
    one = order(Leg(PUT, -1))
    first = executed(one, quotes(), FillModel(), ALPACA)
    again = executed(replace(one, client_order_id="id2"), quotes(), FillModel(), ALPACA, first)

    clearing = [e.amount for e in (*first, *again) if getattr(e, "kind", "") == "OCC clearing"]
    assert clearing == [D("0.03"), D("0.02")]


@pytest.mark.parametrize(("intent", "paid"), [(Intent.OPEN, 1), (Intent.CLOSE, 0)])
def test_fees_know_whether_an_order_opens_or_closes(intent, paid):
    events = executed(order(Leg(PUT, 1), intent=intent), quotes(), FillModel(), TASTYTRADE)

    assert sum(getattr(e, "kind", "") == "commission" for e in events) == paid


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


def test_a_limit_of_a_purchase_is_the_most_that_is_paid():
    buy = order(Leg(PUT, 1), Leg(WING, -1), limit=D(-80))

    (first, second) = executed(buy, quotes(), FillModel(), FREE)
    assert first.cash + second.cash == -80
    with pytest.raises(NoQuote, match="below the limit"):
        executed(replace(buy, limit=D("-79.99")), quotes(), FillModel(), FREE)


@pytest.mark.parametrize(
    ("field", "why"),
    [
        ({"crossing": D("1.5")}, "0 to 1, got 1.5"),
        ({"by_legs": (D("0.5"), D("-0.1"))}, "0 to 1, got -0.1"),
        ({"stock_half_spread": D("-0.01")}, "0 or more, got -0.01"),
        ({"stale_after": -1}, "0 or more"),
    ],
)
def test_a_model_that_cannot_be_is_refused(field, why):
    with pytest.raises(ValueError, match=why):
        FillModel(**field)


@given(
    bid=st.integers(1, 5000),
    spread=st.integers(1, 500),
    fraction=st.decimals(0, 1, places=4),
    tick=st.sampled_from([D("0.01"), D("0.05"), D("0.10")]),
)
def test_a_price_lies_against_us_between_the_mid_and_the_far_side(bid, spread, fraction, tick):
    quote = Quote(D(bid) / 100, D(bid + spread) / 100)
    sold, bought = (crossed(quote, side, fraction, tick) for side in (-1, 1))

    assert quote.bid - tick < sold <= quote.mid <= bought < quote.ask + tick
    assert sold % tick == bought % tick == 0
    exact = 2 * fraction * quote.half_spread
    assert exact <= bought - sold < exact + 2 * tick
