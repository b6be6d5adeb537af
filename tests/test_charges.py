"""One row of a price list: whom it charges, and for how much before rounding."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.rules.charges import Charge, Options, Rounding, Side, unrounded
from dollarbill_core.values.book import Assignment, Exercise, Expiry, Fill
from dollarbill_core.values.contracts import Option, Stock

AT = datetime(2026, 11, 2, 16, tzinfo=UTC)
PUT, CALL = Option.from_occ("XYZ261218P00095000"), Option.from_occ("XYZ261218C00105000")
SPXW, XSP = Option.from_occ("SPXW261218P06000000"), Option.from_occ("XSP261218P00600000")
PER_CONTRACT = Charge("fee", "a test", per_contract=D("0.02"))
ON_SALES = Charge("fee", "a test", per_dollar_sold=D("0.00002"), per_share=D("0.0001"))


def fill(quantity, price="1", instrument=PUT, order="1") -> Fill:
    return Fill(AT, "t", instrument, quantity, D(price), order)


def test_contracts_are_charged_bought_or_sold():
    assert unrounded(PER_CONTRACT, [fill(3), fill(-4, instrument=CALL)]) == D("0.14")


def test_sales_are_charged_by_what_they_bring():
    shares = fill(-100, "25.87", Stock("XYZ"))

    assert unrounded(ON_SALES, [shares]) == 100 * D("0.0001") + D("2587") * D("0.00002")
    assert unrounded(ON_SALES, [fill(-10, "2")]) == D("2000") * D("0.00002")
    assert unrounded(replace(ON_SALES, per_share=D(0)), [fill(100, "25", Stock("XYZ"))]) == 0


@pytest.mark.parametrize(
    ("field", "events", "dollars"),
    [
        ({"side": Side.SALES}, [fill(3), fill(-4)], "0.08"),
        ({"options": Options.NOT_INDEX}, [fill(3), fill(4, instrument=SPXW)], "0.06"),
        ({"options": Options.INDEX}, [fill(3), fill(4, instrument=SPXW)], "0.08"),
        ({"roots": ("XSP",)}, [fill(4, instrument=SPXW), fill(5, instrument=XSP)], "0.1"),
        ({"from_contracts": 4}, [fill(3), fill(4, instrument=SPXW)], "0.08"),
        ({"cap": D("0.05")}, [fill(3), fill(1, instrument=CALL)], "0.07"),
        ({"tiers": ((D("0.05"), D("0.01")),)}, [fill(3, "0.04"), fill(1, "0.05")], "0.05"),
    ],
)  # fmt: skip
def test_a_row_charges_only_those_it_names(field, events, dollars):
    assert unrounded(replace(PER_CONTRACT, **field), events) == D(dollars)


def test_caps_and_least_sizes_go_by_the_leg_however_it_filled():
    capped = replace(PER_CONTRACT, cap=D("0.05"))
    large = replace(PER_CONTRACT, from_contracts=4)

    assert unrounded(capped, [fill(2), fill(2)]) == D("0.05")
    assert unrounded(capped, [fill(2), fill(2, order="2")]) == D("0.08")
    assert unrounded(large, [fill(2), fill(2)]) == D("0.08")
    assert unrounded(large, [fill(2), fill(2, order="2")]) == 0


def test_a_sale_of_shares_has_its_own_cap():
    row = replace(ON_SALES, per_dollar_sold=D(0), share_cap=D("9.79"), cap=D(1))

    assert unrounded(row, [fill(-200_000, "10", Stock("XYZ"))]) == D("9.79")


class TestDeliveries:
    """Shares that change hands at a strike."""

    ROW = Charge("fee", "a test", per_dollar_sold=D("0.0000206"), side=Side.SALES)

    @pytest.mark.parametrize(
        ("event", "dollars"),
        [
            (Assignment(AT, "t", CALL, 2), 2 * D("10500") * D("0.0000206")),
            (Assignment(AT, "t", PUT, 2), 0),
            (Exercise(AT, "t", PUT, 2), 2 * D("9500") * D("0.0000206")),
            (Exercise(AT, "t", CALL, 2), 0),
            (Expiry(AT, "t", SPXW, -1, D(20)), 0),
        ],
    )
    def test_a_delivery_that_sells_is_a_sale_at_the_strike(self, event, dollars):
        assert unrounded(replace(self.ROW, on_delivery=True), [event]) == dollars

    def test_without_saying_so_a_row_leaves_deliveries_alone(self):
        assert unrounded(self.ROW, [Assignment(AT, "t", CALL, 2)]) == 0

    def test_a_fee_by_the_delivery_is_the_same_for_any_number_of_contracts(self):
        row = Charge("fee", "a test", per_delivery=D(5), per_share=D(1))

        assert unrounded(row, [Assignment(AT, "t", CALL, 30)]) == 5
        assert unrounded(row, [Assignment(AT, "t", CALL, 1), Exercise(AT, "t", PUT, 1)]) == 10


@pytest.mark.parametrize(
    ("field", "why"),
    [
        ({"since": date(2026, 1, 1), "until": date(2026, 1, 1)}, "no time at all"),
        ({"per_contract": D("-0.01")}, "0 or more, got -0.01"),
        ({"per_share": D("NaN")}, "0 or more, got NaN"),
        ({"tiers": ((D(1), D(-1)),)}, "0 or more, got -1"),
        ({"minimum": D(1), "rounding": Rounding.DAY}, "not summed over a day"),
        ({"side": Side.OPENINGS, "rounding": Rounding.DAY}, "not summed over a day"),
    ],
)
def test_a_row_that_cannot_be_is_refused(field, why):
    with pytest.raises(ValueError, match=why):
        replace(PER_CONTRACT, **field)


def test_a_row_reads_as_one_line():
    row = replace(PER_CONTRACT, until=date(2026, 1, 1), estimated=True)

    assert str(row) == (
        "fee from 1990-01-01 to 2026-01-01, each order up to the cent, ESTIMATED: a test"
    )


legs = st.lists(
    st.tuples(
        st.sampled_from([PUT, CALL, SPXW, Stock("XYZ")]),
        st.integers(-500, 500).filter(bool),
        st.decimals("0.01", "60", places=2),
    ),
    min_size=1,
    max_size=6,
)


@given(legs, st.randoms(use_true_random=False))
def test_the_order_of_fills_is_irrelevant_and_a_fee_is_never_negative(drawn, random):
    fills = [Fill(AT, "t", x, n, price, "1") for x, n, price in drawn]
    shuffled = random.sample(fills, len(fills))
    row = replace(ON_SALES, per_contract=D("0.02"), cap=D(3), share_cap=D(1), from_contracts=3)

    assert unrounded(row, fills) == unrounded(row, shuffled) >= 0


@given(legs)
def test_uncapped_rates_add_up_over_any_fills(drawn):
    fills = [Fill(AT, "t", x, n, price, "1") for x, n, price in drawn]
    row = replace(ON_SALES, per_contract=D("0.02"))

    assert unrounded(row, fills) == sum(unrounded(row, [each]) for each in fills)
