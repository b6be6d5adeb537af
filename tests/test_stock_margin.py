"""Stock alone and hedged: Cboe's samples, LEAN's reversal, the rule's clauses, bad input.

Per contract and its 100 shares. Published are the initial figures and one maintenance figure;
the other maintenance figures are the rule's formula, done by hand.
"""

from datetime import date
from decimal import Decimal as D

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dollarbill_core.rules.accounts import ALPACA, CASH, REG_T
from dollarbill_core.rules.requirements import NotAllowed
from dollarbill_core.rules.stock_margin import (
    collar_margins,
    conversion_margins,
    covered_call_margins,
    covered_put_margins,
    long_stock_margins,
    protective_call_margins,
    protective_put_margins,
    reversal_margins,
    short_stock_margins,
)
from dollarbill_core.values.contracts import Option, Right

EXPIRY = date(2026, 12, 18)
CBOE = "Cboe, sample positions, 2007-02-23"
prices = st.decimals("6", "900", places=2)


def call(strike, root="XYZ", expiry=EXPIRY) -> Option:
    return Option(root, expiry, D(strike), Right.CALL)


def put(strike, root="XYZ", expiry=EXPIRY) -> Option:
    return Option(root, expiry, D(strike), Right.PUT)


def both(asked) -> tuple:
    return asked.initial, asked.maintenance


class TestCboesSamples:
    """Deposits for 100 contracts: the premium received is taken off, the price paid is in."""

    IBM, SPX, SPDR = D("97.73"), D("1451.19"), 1000 * D("145.30")

    def test_covered_call(self):
        """M03, and the same with 100,000 SPDRs against SPX calls."""
        equity = covered_call_margins(call(100), self.IBM, REG_T)
        index = covered_call_margins(
            call(1460, "SPX"), self.SPX, REG_T, cover_value=self.SPDR
        )  # fmt: skip

        assert 100 * (equity.initial - 168) == 471_850
        assert 100 * (index.initial - 2166) == 7_048_400

    def test_protective_put(self):
        equity = protective_put_margins(put(95), self.IBM, REG_T, paid=D(102))
        index = protective_put_margins(
            put(1450, "SPX"), self.SPX, REG_T, paid=D(1872), cover_value=self.SPDR
        )

        assert 100 * equity.initial == 498_850
        assert 100 * index.initial == 7_452_200

    def test_collar(self):
        equity = collar_margins(put(95), call(105), self.IBM, REG_T, paid=D(102))
        index = collar_margins(
            put(1450, "SPX"),
            call(1500, "SPX"),
            self.SPX,
            REG_T,
            paid=D(1872),
            cover_value=self.SPDR,
        )

        assert 100 * (equity.initial - 40) == 494_850
        assert 100 * (index.initial - 596) == 7_392_600


def test_leans_reverse_conversion():
    """26,230.50 and 5,240 beyond the proceeds; the call's 229 are paid."""
    asked = reversal_margins(put(524, "XYZ"), call(524, "XYZ"), D("524.61"), REG_T, paid=D(229))

    assert asked.initial - 52461 - 229 == D("26230.50")
    assert asked.maintenance - 52461 == 5240


class TestStock:
    @pytest.mark.parametrize(
        ("symbol", "price", "initial", "maintenance"),
        [("XYZ", "80", "40", "20"), ("SSO", "80", "40", "40"), ("SPXU", "20", "15", "15")],
    )
    def test_long(self, symbol, price, initial, maintenance):
        assert both(long_stock_margins(symbol, D(price), REG_T)) == (D(initial), D(maintenance))

    # The examples beyond the proceeds: NYSE and NASD minimum, siliconinvestor 14932764 and
    # 14932750 (short stock, not the option variant that is left out elsewhere).
    @pytest.mark.parametrize(
        ("price", "initial", "maintenance"),
        [
            pytest.param("50", "75", "65", id="30 %"),
            pytest.param("40", "60", "52", id="50 % to open"),
            pytest.param("10", "15", "15", id="5 dollars a share"),
            pytest.param("5", "10", "10", id="5 dollars at 5"),
            pytest.param("4.50", "9.00", "9.00", id="the whole value below 5"),
            pytest.param("2", "4.50", "4.50", id="2.50 a share"),
            pytest.param("1", "3.50", "3.50", id="2.50 at 1"),
        ],
    )
    def test_short(self, price, initial, maintenance):
        assert both(short_stock_margins("XYZ", D(price), REG_T)) == (D(initial), D(maintenance))

    def test_short_leveraged_funds_keep_their_factor(self):
        assert short_stock_margins("SPXU", D(20), REG_T).maintenance == 38

    def test_a_cash_account_pays_in_full_and_shorts_nothing(self):
        assert both(long_stock_margins("XYZ", D(80), CASH)) == (80, 80)
        with pytest.raises(NotAllowed, match="a cash account may not be short stock: XYZ"):
            short_stock_margins("XYZ", D(80), CASH)

    def test_alpaca_keeps_30_percent_and_all_of_cheap_stock(self):
        assert both(long_stock_margins("XYZ", D(80), ALPACA)) == (40, 24)
        assert both(long_stock_margins("XYZ", D("2.49"), ALPACA)) == (D("2.49"), D("2.49"))

    @given(price=prices)
    def test_opening_asks_no_less_than_holding(self, price):
        for margins in (long_stock_margins, short_stock_margins):
            for symbol in ("XYZ", "TQQQ"):
                asked = margins(symbol, price, REG_T)
                assert asked.initial >= asked.maintenance > 0

    @pytest.mark.parametrize("price", ["0", "-1", "NaN"])
    def test_a_price_is_positive(self, price):
        for margins in (long_stock_margins, short_stock_margins):
            with pytest.raises(ValueError, match="XYZ: the price must be positive"):
                margins("XYZ", D(price), REG_T)


class TestHedges:
    @pytest.mark.parametrize(
        ("spot", "initial", "maintenance"),
        [
            pytest.param(95, 4750, 2375, id="out of the money"),
            pytest.param(100, 5000, 2500, id="at the money"),
            pytest.param(105, 5500, 3000, id="in: stock valued at the strike"),
            pytest.param(150, 10000, 7500, id="deep"),
        ],
    )
    def test_covered_call(self, spot, initial, maintenance):
        assert both(covered_call_margins(call(100), D(spot), REG_T)) == (initial, maintenance)

    def test_the_assets_less_the_requirement_stop_growing_at_the_strike(self):
        def excess(spot: int) -> D:
            return 100 * spot - covered_call_margins(call(100), D(spot), REG_T).maintenance

        assert excess(100) == excess(120) == excess(300) == 7500

    def test_a_covered_call_in_a_cash_account_asks_the_shares(self):
        assert both(covered_call_margins(call(100), D(95), CASH)) == (9500, 9500)
        assert both(covered_call_margins(call(100), D(105), CASH)) == (10500, 10500)

    @pytest.mark.parametrize(
        ("spot", "initial", "maintenance"),
        [(105, 15750, 13650), (100, 15000, 13000), (95, 14750, 12850), (8, 10500, 10500)],
    )
    def test_covered_put(self, spot, initial, maintenance):
        assert both(covered_put_margins(put(100), D(spot), REG_T)) == (initial, maintenance)

    @pytest.mark.parametrize(
        ("spot", "maintenance"),
        [
            pytest.param(95, 950, id="10 % of the strike"),
            pytest.param(100, 1450, id="and what it is out of the money"),
            pytest.param(130, 3250, id="the stock's own is less"),
            pytest.param(30, 750, id="the stock's own is less below"),
        ],
    )
    def test_protective_put(self, spot, maintenance):
        asked = protective_put_margins(put(95), D(spot), REG_T, paid=D(200))

        assert both(asked) == (50 * spot + 200, maintenance)
        assert asked.paid == 200

    @pytest.mark.parametrize(
        ("spot", "maintenance"),
        [
            pytest.param(110, 11000 + 1050, id="10 % of the strike"),
            pytest.param(100, 10000 + 1550, id="and what it is out of the money"),
            pytest.param(60, 6000 + 1800, id="the stock's own is less"),
        ],
    )
    def test_protective_call(self, spot, maintenance):
        asked = protective_call_margins(call(105), D(spot), REG_T, paid=D(200))

        assert both(asked) == (150 * spot + 200, maintenance)

    @pytest.mark.parametrize(
        ("spot", "initial", "maintenance"),
        [
            pytest.param(100, 5200, 1450, id="put 5 out of the money"),
            pytest.param(104, 5400, 1850, id="put 9 out of the money"),
            pytest.param(110, 5250 + 500 + 200, 2450 + 500, id="call in the money"),
            pytest.param(120, 5250 + 1500 + 200, 2625 + 1500, id="25 % of the call's strike"),
        ],
    )
    def test_collar(self, spot, initial, maintenance):
        asked = collar_margins(put(95), call(105), D(spot), REG_T, paid=D(200))

        assert both(asked) == (initial, maintenance)

    @pytest.mark.parametrize(
        ("spot", "initial", "maintenance"), [(97, 4950, 1000), (103, 5400, 1300)]
    )
    def test_conversion(self, spot, initial, maintenance):
        asked = conversion_margins(put(100), call(100), D(spot), REG_T, paid=D(100))

        assert both(asked) == (initial, maintenance)

    @pytest.mark.parametrize(
        ("spot", "initial", "maintenance"),
        [(103, 15550, 10300 + 1000), (98, 15000, 9800 + 1000 + 200)],
    )
    def test_reversal(self, spot, initial, maintenance):
        asked = reversal_margins(put(100), call(100), D(spot), REG_T, paid=D(100))

        assert both(asked) == (initial, maintenance)

    @given(spot=prices, strike=prices)
    def test_a_long_option_never_adds_to_what_stock_keeps(self, spot, strike):
        long, sold = (
            100 * margins("XYZ", spot, REG_T).maintenance
            for margins in (long_stock_margins, short_stock_margins)
        )

        assert protective_put_margins(put(strike), spot, REG_T).maintenance <= long
        assert protective_call_margins(call(strike), spot, REG_T).maintenance <= sold

    @given(spot=prices, low=prices, high=prices)
    def test_a_put_beside_a_covered_call_at_the_money_never_costs_more(self, spot, low, high):
        assume(low < high)

        kept = collar_margins(put(low), call(high), spot, REG_T).maintenance

        assert kept <= 25 * high + 100 * max(spot - high, D(0))

    @given(spot=prices, strike=prices)
    def test_conversion_and_reversal_ask_a_tenth_of_the_strike_beyond_the_parity(
        self, spot, strike
    ):
        long = conversion_margins(put(strike), call(strike), spot, REG_T).maintenance
        sold = reversal_margins(put(strike), call(strike), spot, REG_T).maintenance

        assert long == 10 * strike + 100 * max(spot - strike, D(0))
        assert sold == 10 * strike + 100 * max(spot, strike)


class TestBadInput:
    def test_an_adjusted_option_is_named(self):
        with pytest.raises(ValueError, match="XYZ1 2026-12-18 100 CALL: its deliverable"):
            covered_call_margins(call(100, "XYZ1"), D(95), REG_T)

    @pytest.mark.parametrize("spot", ["0", "-3"])
    def test_a_spot_is_positive(self, spot):
        with pytest.raises(ValueError, match="XYZ 2026-12-18 100 PUT: the price must be"):
            covered_put_margins(put(100), D(spot), REG_T)

    def test_a_put_is_no_call(self):
        with pytest.raises(ValueError, match="XYZ 2026-12-18 100 PUT is no call"):
            covered_call_margins(put(100), D(95), REG_T)
        with pytest.raises(ValueError, match="are not a put and a call"):
            collar_margins(call(95), call(105), D(100), REG_T)

    def test_mixed_underlyings_and_expiries_are_margined_apart(self):
        for other in (call(105, "ABC"), call(105, expiry=date(2026, 11, 20))):
            with pytest.raises(ValueError, match="differ in underlying or expiry"):
                collar_margins(put(95), other, D(100), REG_T)

    def test_strikes_in_the_wrong_order(self):
        with pytest.raises(ValueError, match="a collar's put lies below its call"):
            collar_margins(put(105), call(105), D(100), REG_T)
        with pytest.raises(ValueError, match="have two strikes: no conversion or reversal"):
            conversion_margins(put(95), call(105), D(100), REG_T)

    def test_shares_worth_less_than_the_index_do_not_cover(self):
        with pytest.raises(ValueError, match="1460 CALL: shares worth 140000 do not cover it"):
            covered_call_margins(call(1460, "SPX"), D("1451.19"), REG_T, cover_value=D(140_000))
