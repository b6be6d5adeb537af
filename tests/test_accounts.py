"""Which rate each product asks for."""

from decimal import Decimal as D

import pytest

from dollarbill_core.rules.accounts import CASH, REG_T, Product, product_of
from dollarbill_core.values.contracts import Option, Stock


@pytest.mark.parametrize(
    ("instrument", "product", "rate"),
    [
        (Option.from_occ("SPXW261218P05000000"), Product.BROAD_INDEX, "0.15"),
        (Option.from_occ("SPY261218P00500000"), Product.BROAD_ETF, "0.15"),
        (Stock("IWM"), Product.BROAD_ETF, "0.15"),
        (Option.from_occ("GLD261218C00300000"), Product.EQUITY, "0.20"),
        (Stock("AAPL"), Product.EQUITY, "0.20"),
    ],
)
def test_reg_t_rate_of_each_product(instrument, product, rate):
    assert product_of(instrument) is product
    assert REG_T.rate(instrument) == D(rate)


def test_floor_and_stock_rates_of_regulation_t():
    assert (REG_T.floor, REG_T.stock_initial, REG_T.stock_maintenance) == (
        D("0.10"), D("0.50"), D("0.25"),
    )  # fmt: skip
    assert (REG_T.short_stock_initial, REG_T.short_stock_maintenance) == (D("1.50"), D("1.30"))


def test_a_cash_account_lends_nothing():
    assert not CASH.uncovered
    assert CASH.stock_initial == 1
