"""What each kind of account may hold, and the rates its rule book asks for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType

from dollarbill_core.values.contracts import Instrument


class Product(StrEnum):
    """What a margin rate is written for."""

    EQUITY = "equity"
    BROAD_INDEX = "broad-based index"
    BROAD_ETF = "broad-based index ETF"


# Source: FINRA Rule 4210(f)(2)(E) names the classes; FINRA Regulatory Notices 09-53 and 09-65
# put ETFs that track a broad-based index with it. Read 2026-11. Anything else is an equity.
PRODUCTS: Mapping[str, Product] = MappingProxyType(
    dict.fromkeys(("SPX", "XSP", "NDX", "RUT", "DJX"), Product.BROAD_INDEX)
    | dict.fromkeys(("SPY", "QQQ", "IWM", "DIA"), Product.BROAD_ETF)
)


def product_of(instrument: Instrument) -> Product:
    """The class that decides the rate of an underlying and its options."""
    return PRODUCTS.get(instrument.underlying, Product.EQUITY)


@dataclass(frozen=True, slots=True)
class Account:
    """One account type or house table; rates are fractions of the underlying's value.

    First form: Reg T and cash. Portfolio margin and named houses come with the grouping rules.
    """

    name: str
    source: str
    uncovered: bool
    short_option_rates: Mapping[Product, Decimal] = field(default_factory=dict, hash=False)
    floor: Decimal = Decimal("0.10")
    stock_initial: Decimal = Decimal("0.50")
    stock_maintenance: Decimal = Decimal("0.25")
    short_stock_initial: Decimal = Decimal("1.50")
    short_stock_maintenance: Decimal = Decimal("1.30")

    def rate(self, instrument: Instrument) -> Decimal:
        """The fraction of the underlying that an uncovered short asks for."""
        return self.short_option_rates[product_of(instrument)]


REG_T = Account(
    name="Reg T margin",
    source="Regulation T (12 CFR 220.12) and FINRA Rule 4210(b), (c), (f)(2), read 2026-11",
    uncovered=True,
    short_option_rates={
        Product.EQUITY: Decimal("0.20"),
        Product.BROAD_INDEX: Decimal("0.15"),
        Product.BROAD_ETF: Decimal("0.15"),
    },
)

CASH = Account(
    name="cash",
    source="Regulation T (12 CFR 220.8): no credit, puts secured by their strike",
    uncovered=False,
    stock_initial=Decimal(1),
    stock_maintenance=Decimal(1),
)
