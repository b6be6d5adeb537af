"""What brokers charge, against published examples, the cases F01 to F06 and a plain twin."""

import math
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal as D
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.rules.charges import Charge, Rounding
from dollarbill_core.rules.costs import (
    ALPACA,
    FREE,
    INTERACTIVE_BROKERS,
    TASTYTRADE,
    Costs,
    interactive_brokers,
)
from dollarbill_core.values.book import Assignment, Dividend, Exercise, Fee, Fill
from dollarbill_core.values.contracts import Option, Stock
from dollarbill_core.values.orders import Intent

NOW = datetime(2026, 11, 2, 21, tzinfo=UTC)
PUT, CALL = Option.from_occ("XYZ261218P00095000"), Option.from_occ("XYZ261218C00105000")
SPX, SPXW = Option.from_occ("SPX261218P06000000"), Option.from_occ("SPXW261218P06000000")


def on(day: str, hour: int = 16) -> datetime:
    return datetime.fromisoformat(day).replace(hour=hour, tzinfo=UTC)


def fill(quantity, price, instrument=PUT, at=NOW, order="1") -> Fill:
    return Fill(at, "t", instrument, quantity, D(price), order)


def fees(costs, *events, earlier=(), intent=Intent.OPEN) -> dict[str, D]:
    return {fee.kind: fee.amount for fee in costs.fees(events, earlier, intent)}


MARCH = on("2016-03-01")
MSFT_CALL = Option.from_occ("MSFT160617C00025000")
MSFT_PUT = Option.from_occ("MSFT160617P00025000")


class TestInteractiveBrokers:
    # Options pricing page, tiered, its own examples; the first tier is F03, F04 and F06.
    @pytest.mark.parametrize(
        ("month", "contracts", "premium", "commission"),
        [
            pytest.param(0, 1, "2", "1.00", id="F03"),
            pytest.param(0, 2, "5", "1.30", id="F04"),
            (0, 3, "0.075", "1.50"),
            pytest.param(0, 5, "0.03", "1.25", id="F06"),
            (10_000, 2, "5", "1.00"), (10_000, 3, "0.075", "1.50"), (10_000, 5, "0.03", "1.25"),
            (50_000, 2, "5", "1.00"), (50_000, 5, "2", "1.25"),
            (100_000, 5, "5", "1.00"), (100_000, 7, "2", "1.05"),
        ],
    )  # fmt: skip
    def test_commission_by_premium_and_volume_with_its_minimum(
        self, month, contracts, premium, commission
    ):
        costs = interactive_brokers(month)

        assert fees(costs, fill(-contracts, premium))["commission"] == D(commission)

    # The same page, about 2016: 0.70 from a premium of 0.10.
    def test_commission_before_it_was_cut(self):
        sold = fill(-2, "5", at=on("2016-03-01"))

        assert fees(INTERACTIVE_BROKERS, sold)["commission"] == D("1.40")

    @pytest.mark.parametrize(
        ("day", "contracts", "fee"),
        [
            ("2025-02-13", 100, "2.00"),
            pytest.param("2025-02-13", 2750, "55.00", id="F02 2750"),
            pytest.param("2025-02-13", 2751, "55.00", id="F02 2751"),
            pytest.param("2025-02-13", 5000, "55.00", id="F02 5000"),
            ("2025-02-14", 100, "2.50"),
            ("2025-02-14", 5000, "125.00"),
        ],
    )
    def test_clearing_fee_changes_on_its_day(self, day, contracts, fee):
        bought = fill(contracts, "1", at=on(day))

        assert fees(INTERACTIVE_BROKERS, bought)["OCC clearing"] == D(fee)

    # KB "Overview of SEC Fees", at 21.80 a million, unrounded there: 0.563966, 0.025506, 0.545.
    @pytest.mark.parametrize(
        ("event", "fee"),
        [
            (fill(-1000, "25.87", Stock("MSFT"), MARCH), "0.57"),
            (fill(-10, "1.17", MSFT_CALL, MARCH), "0.03"),
            (Exercise(MARCH, "t", MSFT_PUT, 10), "0.55"),
            (Assignment(MARCH, "t", MSFT_CALL, 10), "0.55"),
            (Assignment(MARCH, "t", MSFT_PUT, 10), None),
        ],
    )
    def test_section_31_by_its_own_examples(self, event, fee):
        found = fees(INTERACTIVE_BROKERS, event).get("SEC section 31")

        assert found == (None if fee is None else D(fee))

    def test_an_assigned_call_pays_for_selling_shares_and_no_commission(self):
        called = Assignment(on("2026-05-15"), "t", Option.from_occ("SPY260515C00600000"), 1)

        assert fees(INTERACTIVE_BROKERS, called) == {
            "FINRA trading activity": D("0.02"),  # 100 x 0.000195
            "SEC section 31": D("1.24"),  # 60,000 x 0.0000206
        }

    # Cboe's customer fee with its execution surcharge, 0.36 or 0.45 and 0.21 or 0.14.
    @pytest.mark.parametrize(
        ("root", "contracts", "premium", "fee"),
        [
            ("SPX", 1, "0.95", "0.57"), ("SPX", 1, "1.00", "0.66"), ("SPX", 3, "20", "1.98"),
            ("SPXW", 1, "0.95", "0.50"), ("SPXW", 1, "1.00", "0.59"),
            ("VIX", 1, "0.10", "0.10"), ("VIX", 1, "0.11", "0.25"), ("VIX", 1, "1.00", "0.40"),
            ("VIXW", 1, "2.00", "0.45"), ("RUTW", 1, "5", "0.18"), ("XSP", 9, "5", None),
            ("XSP", 10, "5", "0.70"), ("NDXP", 1, "24.99", "0.25"), ("NDXP", 1, "25", "0.50"),
        ],
    )  # fmt: skip
    def test_exchange_fees_on_index_options(self, root, contracts, premium, fee):
        option = Option.from_occ(f"{root}261218P00600000")
        found = fees(INTERACTIVE_BROKERS, fill(contracts, premium, option))

        told = [dollars for kind, dollars in found.items() if kind.startswith("exchange fee")]
        assert told == ([] if fee is None else [D(fee)])

    def test_index_options_pay_neither_the_sec_nor_finra(self):
        sold = fees(INTERACTIVE_BROKERS, fill(-10, "20", SPXW, on("2026-09-01")))
        stock = fees(INTERACTIVE_BROKERS, fill(-10, "20", at=on("2026-09-01")))

        assert {"SEC section 31", "FINRA trading activity"} <= set(stock)
        assert not {"SEC section 31", "FINRA trading activity"} & set(sold)

    def test_finra_asks_nothing_in_the_last_quarter_of_2026(self):
        for day, fee in (
            ("2026-09-30", D("0.04")),
            ("2026-10-01", None),
            ("2027-01-04", D("0.04")),
        ):
            found = fees(INTERACTIVE_BROKERS, fill(-10, "1", at=on(day)))
            assert found.get("FINRA trading activity") == fee, day

    def test_all_that_a_strangle_pays(self):
        strangle = (fill(-1, "1.00"), fill(-1, "0.80", CALL))

        assert fees(INTERACTIVE_BROKERS, *strangle) == {
            "commission": D("1.30"),
            "OCC clearing": D("0.05"),
            "options regulatory fee": D("0.03"),
            "consolidated audit trail": D("0.01"),
            "SEC section 31": D("0.01"),
        }

    def test_fewer_contracts_than_none_are_refused(self):
        with pytest.raises(ValueError, match="0 or more, got -1"):
            interactive_brokers(-1)


class TestAlpaca:
    # F01 and the page "Regulatory Fees": 10 SPY puts sold at 2.00, at the rates of early 2025.
    def test_f01_each_kind_up_to_the_cent(self):
        found = fees(ALPACA, fill(-10, "2.00", at=on("2025-01-15")))

        assert found == {
            "FINRA trading activity": D("0.03"),  # 0.0279
            "options regulatory fee": D("0.27"),  # 0.2685
            "OCC clearing": D("0.20"),
            "consolidated audit trail": D("0.05"),  # 0.046
            "SEC section 31": D("0.06"),  # 0.0556, which F01 leaves out
        }
        assert sum(found.values()) - found["SEC section 31"] == D("0.55")

    def test_a_day_is_rounded_once(self):
        day = on("2025-01-15")
        events = []
        for number in range(10):
            sold = fill(-1, "2.00", at=day, order=str(number))
            events += [sold, *ALPACA.fees([sold], events)]

        paid = [event for event in events if isinstance(event, Fee)]
        once = fees(ALPACA, fill(-10, "2.00", at=day))
        assert {k: sum(f.amount for f in paid if f.kind == k) for k in once} == once

    def test_the_day_is_new_yorks(self):
        evening, morning = on("2026-11-03", 1), on("2026-11-03", 15)  # 20:00 and 10:00
        first = fill(-1, "1", at=evening, order="1")
        events = [first, *ALPACA.fees([first])]

        again = fees(ALPACA, fill(-1, "1", at=morning, order="2"), earlier=events)
        assert again == fees(ALPACA, fill(-1, "1", at=morning, order="2"))
        same = fees(ALPACA, fill(-1, "1", at=on("2026-11-02", 15), order="2"), earlier=events)
        assert same == {
            "OCC clearing": D("0.02"),  # 0.05 less the 0.03 of the evening
            "options regulatory fee": D("0.01"),  # 0.03 less 0.02
        }

    def test_what_was_not_charged_before_is_charged_now(self):
        first = fill(-1, "1", order="1")

        assert fees(ALPACA, fill(-1, "1", order="2"), earlier=[first]) == fees(
            ALPACA, fill(-1, "1", order="1"), fill(-1, "1", order="2")
        )

    def test_an_index_option_costs_what_the_exchange_asks_and_a_fee(self):
        found = fees(ALPACA, fill(1, "20", SPX))

        assert found["index option fee"] == D("0.50")
        assert found["exchange fee SPX"] == D("0.66")
        assert "commission" not in found


class TestTastytrade:
    @pytest.mark.parametrize(
        ("contracts", "intent", "option", "commission"),
        [
            (3, Intent.OPEN, PUT, "3.00"),
            (10, Intent.OPEN, PUT, "10.00"),
            (200, Intent.OPEN, PUT, "10.00"),
            (3, Intent.CLOSE, PUT, None),
        ],
    )
    def test_one_dollar_to_open_at_most_ten_a_leg_and_none_to_close(
        self, contracts, intent, option, commission
    ):
        found = fees(TASTYTRADE, fill(contracts, "1", option), intent=intent)

        assert found.get("commission") == (None if commission is None else D(commission))

    def test_the_cap_is_for_each_leg_and_not_for_indices(self):
        legs = (fill(-20, "1"), fill(-30, "1", CALL))

        assert fees(TASTYTRADE, *legs)["commission"] == 20
        assert fees(TASTYTRADE, fill(-20, "1", SPX))["index option commission"] == 20
        assert fees(TASTYTRADE, fill(-20, "1", SPX))["exchange fee SPX"] == 12

    # "Commissions and Fees Breakdown" of 2018: its own worked examples.
    def test_its_own_examples(self):
        day = on("2018-10-01")
        bought, sold = fill(3, "5", at=day), fill(-3, "5", at=day)
        shares = fill(-1000, "55", Stock("XYZ"), day)

        assert fees(TASTYTRADE, bought, intent=Intent.CLOSE) == {
            "clearing": D("0.30"), "options regulatory fee": D("0.12"),
        }  # fmt: skip
        assert fees(TASTYTRADE, sold, intent=Intent.CLOSE) == {
            "clearing": D("0.30"), "options regulatory fee": D("0.12"),
            "FINRA trading activity": D("0.01"), "SEC section 31": D("0.02"),
        }  # fmt: skip
        assert fees(TASTYTRADE, shares) == {
            "clearing": D("0.80"), "FINRA trading activity": D("0.12"),
            "SEC section 31": D("0.72"),
        }  # fmt: skip

    def test_an_assignment_is_five_dollars_whatever_its_size(self):
        found = fees(TASTYTRADE, Assignment(NOW, "t", PUT, 30))

        assert found == {"exercise and assignment": D(5), "clearing": D("2.40")}


class TestEstimates:
    def test_a_result_can_say_what_share_of_its_fees_is_estimated(self):
        then, now = fill(-2, "5", at=on("2016-03-01")), fill(-2, "5")
        events = [
            event for each in (then, now) for event in (each, *INTERACTIVE_BROKERS.fees([each]))
        ]

        found = INTERACTIVE_BROKERS.estimated(events)
        assert found.kinds == ("OCC clearing", "commission", "options regulatory fee")
        assert found.estimated == D("1.40") + D("0.10") + D("0.03")
        assert str(found) == (
            f"Of {found.charged} in fees {100 * found.share:.0f} % rest on ESTIMATED rows: "
            "OCC clearing, commission, options regulatory fee."
        )

    def test_fees_of_sourced_rows_alone_say_so(self):
        sold = fill(-10, "2.00", at=on("2025-01-15"))

        found = ALPACA.estimated(ALPACA.fees([sold]))
        assert found.share == 0
        assert str(found) == "Fees of 0.61, every one from a sourced row."

    def test_fees_of_other_kinds_are_left_out_and_borrowed_shares_are_estimates(self):
        fund, loan = Fee(NOW, D(100), "management fee"), Fee(NOW, D(2), "stock borrow")

        found = INTERACTIVE_BROKERS.estimated([fund, loan])
        assert (found.charged, found.estimated, found.share) == (2, 2, 1.0)
        assert FREE.estimated([]).share == 0


class TestBadInput:
    def test_a_gap_or_an_overlap_is_refused(self):
        early = Charge("fee", "a test", until=date(2020, 1, 1))
        late = replace(early, since=date(2020, 1, 1), until=date.max)

        assert Costs("whole", (early, late)).in_force(date(2020, 1, 1)) == (late,)
        for since in (date(2019, 12, 31), date(2020, 1, 2)):
            with pytest.raises(ValueError, match="its rows must meet"):
                Costs("broken", (early, replace(late, since=since)))
        for rows in ((early,), (late,)):
            with pytest.raises(ValueError, match="from 1990-01-01 on without end"):
                Costs("short", rows)

    def test_a_day_before_the_tables_is_refused_and_free_is_free(self):
        old = fill(-1, "1", at=on("1989-12-29"))

        with pytest.raises(ValueError, match="start on 1990-01-01, asked for 1989-12-29"):
            INTERACTIVE_BROKERS.fees([old])
        assert FREE.fees([old]) == ()

    def test_a_time_without_a_zone_and_two_days_at_once_are_refused(self):
        with pytest.raises(ValueError, match="a time with its zone"):
            INTERACTIVE_BROKERS.fees([fill(-1, "1", at=datetime(2026, 11, 2, 16))])
        two_days = [fill(-1, "1", at=on("2026-11-02")), fill(-1, "1", at=on("2026-11-03"))]
        with pytest.raises(ValueError, match="a day at a time"):
            INTERACTIVE_BROKERS.fees(two_days)

    def test_what_is_no_trade_costs_nothing(self):
        assert INTERACTIVE_BROKERS.fees([]) == ()
        assert INTERACTIVE_BROKERS.fees([Dividend(NOW, Stock("XYZ"), 100, D(1))]) == ()


orders = st.lists(
    st.tuples(
        st.sampled_from([PUT, CALL, SPX, SPXW, Stock("XYZ")]),
        st.integers(-40, 40).filter(bool),
        st.decimals("0.01", "60", places=2),
    ),
    min_size=1,
    max_size=8,
)
days = st.sampled_from(
    [on(d) for d in ("1999-03-01", "2012-05-01", "2025-03-03", "2026-09-01")]
)


def day_of(drawn, at) -> list[Fill]:
    return [Fill(at, "t", x, n, p, str(i)) for i, (x, n, p) in enumerate(drawn)]


def charged_one_by_one(costs, fills) -> dict[str, D]:
    events = []
    for each in fills:
        events += [each, *costs.fees([each], events)]
    totals: dict[str, D] = {}
    for event in events:
        if isinstance(event, Fee):
            totals[event.kind] = totals.get(event.kind, D(0)) + event.amount
    return totals


@given(orders, days)
def test_summed_by_the_day_any_orders_pay_exactly_the_days_total(drawn, at):
    fills = day_of(drawn, at)

    assert charged_one_by_one(ALPACA, fills) == fees(ALPACA, *fills)


@given(orders, days)
def test_the_days_total_is_a_plain_sum_up_to_the_cent(drawn, at):
    fills = day_of(drawn, at)
    found = fees(ALPACA, *fills)

    for row in ALPACA.in_force(at.date()):
        if row.kind in ("SEC section 31", "FINRA trading activity", "options regulatory fee"):
            dollars = sum(plain(row, each) for each in fills)
            assert found.get(row.kind, D(0)) == D(math.ceil(100 * dollars)) / 100, row.kind


def plain(row, each) -> Fraction:
    """The twin: exact fractions, no legs, no enums."""
    is_option = isinstance(each.instrument, Option)
    is_index = is_option and each.instrument.root in ("SPX", "SPXW")
    on_sales = row.kind != "options regulatory fee"
    if on_sales and (each.quantity > 0 or (is_index and "but" in row.options)):
        return Fraction(0)
    count = abs(each.quantity)
    unit = count * Fraction(row.per_contract if is_option else row.per_share)
    money = count * (100 if is_option else 1) * Fraction(each.price)
    return unit + (Fraction(row.per_dollar_sold) * money if on_sales else 0)


@given(orders, days, st.sampled_from([INTERACTIVE_BROKERS, TASTYTRADE]))
def test_split_orders_never_pay_less_and_at_most_a_cent_and_a_minimum_more(drawn, at, costs):
    fills = day_of(drawn, at)
    whole = fees(costs, *(replace(each, order="whole") for each in fills))
    split = charged_one_by_one(costs, fills)

    for row in costs.in_force(at.date()):
        extra = split.get(row.kind, D(0)) - whole.get(row.kind, D(0))
        assert extra >= 0, row.kind
        if row.cap is None and row.share_cap is None:
            assert extra <= len(fills) * (D("0.01") + row.minimum), row.kind


@given(orders, days, st.randoms(use_true_random=False))
def test_fees_are_whole_cents_above_nothing_whatever_the_order_of_fills(drawn, at, random):
    fills = day_of(drawn, at)
    shuffled = random.sample(fills, len(fills))

    for costs in (INTERACTIVE_BROKERS, ALPACA, TASTYTRADE):
        found = fees(costs, *fills)
        assert found == fees(costs, *shuffled)
        assert all(d > 0 and d == round(d, 2) for d in found.values())


@given(orders, days)
def test_a_fee_summed_by_the_day_is_never_more_than_by_the_order(drawn, at):
    fills = day_of(drawn, at)
    by_order = Costs(
        "by order", tuple(replace(c, rounding=Rounding.ORDER) for c in ALPACA.charges)
    )

    by_day = charged_one_by_one(ALPACA, fills)
    assert all(by_day.get(k, D(0)) <= d for k, d in charged_one_by_one(by_order, fills).items())


@pytest.mark.parametrize(
    ("shares", "price", "commission"),
    [
        # Interactive Brokers' own examples for fixed prices.
        (100, "25", "1.00"),
        (1_000, "25", "5.00"),
        (1_000, "0.25", "2.50"),
        (10, "5", "0.50"),  # one per cent comes before the minimum
    ],
)
def test_a_stock_commission_is_at_most_a_hundredth_of_the_value(shares, price, commission):
    bought = Fill(datetime(2026, 3, 2, 15, tzinfo=UTC), "t", Stock("XYZ"), shares, D(price))

    (fee,) = (f for f in INTERACTIVE_BROKERS.fees([bought]) if f.kind == "stock commission")

    assert fee.amount == D(commission)


def test_options_of_an_order_do_not_raise_the_bound_on_its_shares():
    at, put = datetime(2026, 3, 2, 15, tzinfo=UTC), Option.from_occ("XYZ260320P00050000")
    order = [Fill(at, "t", Stock("XYZ"), 10, D(5)), Fill(at, "t", put, 1, D(45))]

    (fee,) = (f for f in INTERACTIVE_BROKERS.fees(order) if f.kind == "stock commission")

    assert fee.amount == D("0.50")
