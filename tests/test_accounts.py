"""Which rate each product asks for, and where houses differ from the rule book."""

import pickle
from dataclasses import replace
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.rules.accounts import (
    ALPACA,
    CASH,
    ETFS_AS_EQUITIES,
    INTERACTIVE_BROKERS_REG_T,
    PORTFOLIO,
    REG_T,
    TASTYTRADE,
    Method,
    UnequalCondors,
    product_of,
)
from dollarbill_core.rules.products import UNDERLYINGS, Product
from dollarbill_core.rules.requirements import NotAllowed
from dollarbill_core.values.contracts import Option, Stock

ALL = [
    REG_T,
    CASH,
    PORTFOLIO,
    ETFS_AS_EQUITIES,
    INTERACTIVE_BROKERS_REG_T,
    ALPACA,
    TASTYTRADE,
]


def put(root: str) -> Option:
    return Option.from_occ(f"{root}261218P00050000")


@pytest.mark.parametrize(
    ("instrument", "product", "rate"),
    [
        (put("SPXW"), Product.BROAD_INDEX, "0.15"),
        (put("XSP"), Product.BROAD_INDEX, "0.15"),
        (put("SPY"), Product.BROAD_ETF, "0.15"),
        (Stock("IWM"), Product.BROAD_ETF, "0.15"),
        (put("GLD"), Product.OTHER_ETF, "0.20"),
        (put("TLT"), Product.OTHER_ETF, "0.20"),
        (put("XLF"), Product.OTHER_ETF, "0.20"),
        (put("VIX"), Product.VOLATILITY_INDEX, "0.20"),
        (Stock("AAPL"), Product.EQUITY, "0.20"),
        (put("SSO"), Product.BROAD_ETF, "0.30"),
        (put("SQQQ"), Product.BROAD_ETF, "0.45"),
        (put("SOXL"), Product.OTHER_ETF, "0.60"),
    ],
)
def test_reg_t_rate_of_each_product(instrument, product, rate):
    assert product_of(instrument) is product
    assert REG_T.rate(instrument) == D(rate)


# FINRA 09-53: "200 % would use 30 % (40 % narrow), 300 % would use 45 % (60 %)". IBKR Knowledge
# Base 1124: long at 200 % keeps 50 %, short at 300 % keeps 90 %.
@pytest.mark.parametrize(
    ("symbol", "initial", "maintenance", "short_initial", "short_maintenance"),
    [
        ("XYZ", "0.50", "0.25", "1.50", "1.30"),
        ("SSO", "0.50", "0.50", "1.60", "1.60"),
        ("SPXU", "0.75", "0.75", "1.90", "1.90"),
    ],
)
def test_stock_rates_grow_with_leverage(
    symbol, initial, maintenance, short_initial, short_maintenance
):
    expected = tuple(map(D, (initial, maintenance, short_initial, short_maintenance)))

    assert REG_T.stock_rates(symbol) == expected


def test_no_rate_exceeds_the_whole_value():
    stern = replace(REG_T, stock_maintenance=D("0.60"), floor=D("0.40"))

    assert stern.stock_rates("TQQQ").maintenance == 1
    assert stern.terms(put("TQQQ")).floor == 1


def test_floor_and_stock_rates_of_regulation_t():
    assert (REG_T.floor, REG_T.stock_initial, REG_T.stock_maintenance) == (
        D("0.10"), D("0.50"), D("0.25"),
    )  # fmt: skip
    assert (REG_T.short_stock_initial, REG_T.short_stock_maintenance) == (D("1.50"), D("1.30"))
    assert REG_T.minimum_equity == 2000


def test_a_cash_account_lends_nothing():
    assert not CASH.uncovered
    assert CASH.stock_rates("XYZ")[:2] == (1, 1)
    assert CASH.stock_rates("TQQQ")[:2] == (1, 1)


def test_a_cash_account_names_what_it_has_no_rate_for():
    with pytest.raises(NotAllowed, match="cash account has no rate for SPY 2026-12-18 50 PUT"):
        CASH.terms(put("SPY"))


def test_methods():
    methods = [REG_T.method, CASH.method, PORTFOLIO.method, ALPACA.method]

    assert methods == [
        Method.STRATEGY,
        Method.CASH,
        Method.PORTFOLIO,
        Method.UNIVERSAL_SPREAD,
    ]
    assert PORTFOLIO.minimum_equity == 100_000


class TestHouses:
    def test_spy_at_the_equity_rate_is_one_changed_entry(self):
        assert ETFS_AS_EQUITIES.rate(put("SPY")) == D("0.20")
        assert ETFS_AS_EQUITIES.rate(put("SPX")) == D("0.15")
        assert ETFS_AS_EQUITIES.rate(put("SSO")) == D("0.40")

    def test_interactive_brokers_takes_an_unequal_condor_for_two_spreads(self):
        assert REG_T.unequal_condors is UnequalCondors.WIDER
        assert INTERACTIVE_BROKERS_REG_T.unequal_condors is UnequalCondors.TWO_SPREADS

    @pytest.mark.parametrize(
        ("root", "rate", "floor"),
        [
            ("SPXW", "0.25", "0.15"),
            ("RUT", "0.25", "0.15"),
            ("VIX", "1.00", "0.75"),
            ("UVXY", "1.00", "0.75"),
            ("AAPL", "0.20", "0.10"),
        ],
    )
    def test_tastytrade_adds_on_indices_and_volatility(self, root, rate, floor):
        assert TASTYTRADE.terms(put(root)) == (D(rate), D(floor))

    def test_calendars_on_indices(self):
        assert REG_T.offsets_calendars("SPX")
        assert not REG_T.offsets_calendars("VIX")
        assert not TASTYTRADE.offsets_calendars("SPX")
        assert TASTYTRADE.offsets_calendars("SPY")

    def test_alpaca_holds_nothing_uncovered(self):
        assert not ALPACA.uncovered
        assert ALPACA.stock_rates("AAPL").maintenance == D("0.30")


@pytest.mark.parametrize("account", ALL, ids=lambda account: account.name)
def test_every_account_says_where_its_figures_come_from(account):
    assert "20" in account.source
    assert pickle.loads(pickle.dumps(account)) == account


@pytest.mark.parametrize("bad", ["20", "-0.1", "NaN"])
def test_a_percent_is_not_a_fraction(bad):
    with pytest.raises(ValueError, match="mine: a rate is a fraction, 0 to 1"):
        replace(REG_T, name="mine", short_option_rates={Product.EQUITY: D(bad)})


@given(symbol=st.sampled_from([*UNDERLYINGS, "AAPL"]))
def test_no_house_asks_less_than_the_rule_book(symbol):
    book = REG_T.terms(Stock(symbol))

    for house in (ETFS_AS_EQUITIES, INTERACTIVE_BROKERS_REG_T, TASTYTRADE, PORTFOLIO):
        terms = house.terms(Stock(symbol))
        assert terms.rate >= book.rate
        assert terms.floor >= book.floor
