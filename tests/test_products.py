"""What margin takes a symbol for, and how many shares cover an index option."""

from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.rules.products import (
    UNDERLYINGS,
    Product,
    covering_shares,
    margin_class,
    product_of,
    underlying,
)
from dollarbill_core.values.contracts import CASH_SETTLED_ROOTS, Option, Stock

SPX_CALL = Option.from_occ("SPXW261218C06000000")
XSP_CALL = Option.from_occ("XSP230915C00460000")


@pytest.mark.parametrize(
    ("symbol", "family"),
    [
        ("SPX", "SPX"),
        ("XSP", "SPX"),
        ("SPY", "SPX"),
        ("VOO", "SPX"),
        ("SSO", "SPX"),
        ("SPXU", "SPX"),
        ("QQQ", "NDX"),
        ("SQQQ", "NDX"),
        ("IWM", "RUT"),
        ("DIA", "DJX"),
        ("GLD", "GLD"),
        ("AAPL", "AAPL"),
        ("VIX", "VIX"),
    ],
)
def test_an_index_and_what_tracks_it_are_one_class(symbol, family):
    assert margin_class(symbol) == family


@pytest.mark.parametrize(
    ("symbol", "leverage"),
    [("SPY", 1), ("SSO", 2), ("UPRO", 3), ("SDS", -2), ("SPXU", -3), ("TQQQ", 3), ("QLD", 2)],
)
def test_leverage_is_signed_and_its_factor_is_not(symbol, leverage):
    assert underlying(symbol).leverage == leverage
    assert underlying(symbol).factor == abs(leverage)


def test_high_capitalisation_is_the_large_caps_and_what_tracks_them():
    high = {row.symbol for row in UNDERLYINGS.values() if row.is_high_capitalisation}

    assert high >= {"SPX", "XSP", "SPY", "VOO", "DJX", "DIA", "SSO"}
    assert not high & {"NDX", "QQQ", "RUT", "IWM", "GLD", "VIX", "EEM"}


def test_an_unknown_symbol_is_an_equity():
    row = underlying("ZZZZ")

    assert (row.product, row.margin_class, row.factor) == (Product.EQUITY, "ZZZZ", 1)
    assert product_of(Stock("ZZZZ")) is Product.EQUITY


def test_only_vix_has_no_calendar_offsets():
    assert [row.symbol for row in UNDERLYINGS.values() if not row.has_calendar_offsets] == [
        "VIX"
    ]


def test_every_row_has_its_source_and_date():
    assert all(row.source and row.read.year == 2026 for row in UNDERLYINGS.values())
    assert all(symbol == row.symbol for symbol, row in UNDERLYINGS.items())
    assert all(row.index in {"", *UNDERLYINGS} for row in UNDERLYINGS.values())


def test_every_cash_settled_index_is_in_the_table():
    indices = {Product.BROAD_INDEX, Product.VOLATILITY_INDEX}

    assert {underlying(symbol).product for symbol in CASH_SETTLED_ROOTS.values()} <= indices


class TestCoveringShares:
    def test_cboes_sample_of_2007(self):
        """100,000 SPDRs at 145.30 stand against 100 SPX calls, the index at 1451.19."""
        assert 100 * covering_shares("SPY", SPX_CALL, D("145.30"), D("1451.19")) <= 100_000
        assert covering_shares("SPY", SPX_CALL, D("145.30"), D("1451.19")) == 999

    def test_cboes_page_on_spy_and_xsp(self):
        """More than 100 shares where the fund is worth less than the index over ten."""
        assert covering_shares("SPY", XSP_CALL, D("448.50"), D("448.50")) == 100
        assert covering_shares("SPY", XSP_CALL, D("448.50"), D("450.00")) == 101

    def test_options_on_the_fund_itself_take_their_multiplier(self):
        call = Option.from_occ("SPY261218C00600000")

        assert covering_shares("SPY", call, D(600), D(600)) == 100

    @pytest.mark.parametrize(
        ("fund", "option"),
        [
            ("QQQ", SPX_CALL),
            ("SSO", SPX_CALL),
            ("SH", SPX_CALL),
            ("AAPL", SPX_CALL),
            ("VIX", SPX_CALL),
            ("SPX", XSP_CALL),
            ("VOO", Option.from_occ("SPY261218C00600000")),
        ],
    )
    def test_what_does_not_track_the_index_covers_nothing(self, fund, option):
        with pytest.raises(ValueError, match=f"{fund} covers no {option}"):
            covering_shares(fund, option, D(100), D(100))

    def test_prices_are_positive(self):
        with pytest.raises(ValueError, match="prices must be positive"):
            covering_shares("SPY", SPX_CALL, D(0), D(6000))

    @given(share=st.decimals("1", "1000", places=2), index=st.decimals("100", "9000", places=2))
    def test_the_least_number_of_shares_worth_the_index(self, share, index):
        shares = covering_shares("SPY", SPX_CALL, share, index)

        assert shares * share >= 100 * index > (shares - 1) * share
