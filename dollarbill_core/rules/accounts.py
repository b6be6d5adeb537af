"""What each kind of account may hold, and the rates its rule book or its house asks for.

Everything here is data: a house that asks more is ``replace(REG_T, name=..., ...)``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from dollarbill_core.rules.products import Product, underlying
from dollarbill_core.rules.products import product_of as product_of  # callers know it here
from dollarbill_core.rules.requirements import NotAllowed
from dollarbill_core.values.contracts import Instrument

_WHOLE, _NOTHING = Decimal(1), Decimal(0)
INDICES = frozenset({Product.BROAD_INDEX, Product.VOLATILITY_INDEX})


class Method(StrEnum):
    """How an account's requirement is found."""

    CASH = "cash"
    STRATEGY = "strategy-based"
    UNIVERSAL_SPREAD = "universal spread rule"
    PORTFOLIO = "portfolio margin"


class UnequalCondors(StrEnum):
    """What a condor is charged whose put and call sides differ in width."""

    WIDER = "the wider side"
    TWO_SPREADS = "two spreads"


class Terms(NamedTuple):
    """An uncovered short's rate and its floor, fractions of the underlying or the strike."""

    rate: Decimal
    floor: Decimal


class StockRates(NamedTuple):
    """Fractions of the market value; those of short stock include its proceeds."""

    initial: Decimal
    maintenance: Decimal
    short_initial: Decimal
    short_maintenance: Decimal


@dataclass(frozen=True, slots=True)
class Account:
    """One account type or house table; rates are fractions of the underlying's value.

    ``short_option_rates`` and ``floor`` hold for a product, before leverage; ``house_terms``
    take their place for the underlyings they name. ``minimum_equity`` is what the account must
    hold to open anything on credit. ``index_calendars``: whether cash-settled options of two
    expiries offset. ``lends_on_options``: whether a long option of more than nine months, or a
    European long box, may be bought in part on credit. ``paid_in_full_below``: dollars a share
    under which long stock is held without credit.
    """

    name: str
    source: str
    uncovered: bool
    method: Method = Method.STRATEGY
    short_option_rates: Mapping[Product, Decimal] = field(default_factory=dict, hash=False)
    house_terms: Mapping[str, Terms] = field(default_factory=dict, hash=False)
    floor: Decimal = Decimal("0.10")
    stock_initial: Decimal = Decimal("0.50")
    stock_maintenance: Decimal = Decimal("0.25")
    short_stock_initial: Decimal = Decimal("1.50")
    short_stock_maintenance: Decimal = Decimal("1.30")
    minimum_equity: Decimal = Decimal(2000)
    unequal_condors: UnequalCondors = UnequalCondors.WIDER
    index_calendars: bool = True
    lends_on_options: bool = False
    paid_in_full_below: Decimal = _NOTHING

    def __post_init__(self) -> None:
        fractions = [*self.short_option_rates.values(), self.floor]
        fractions += [self.stock_initial, self.stock_maintenance]
        fractions += [part for terms in self.house_terms.values() for part in terms]
        for fraction in fractions:
            if not (fraction.is_finite() and _NOTHING <= fraction <= _WHOLE):
                raise ValueError(f"{self.name}: a rate is a fraction, 0 to 1, got {fraction}")

    @property
    def titled(self) -> str:
        """The account as a sentence names it.

        >>> CASH.titled, ALPACA.titled
        ('a cash account', 'an Alpaca account')
        """
        return f"{'an' if self.name[0] in 'AEIOU' else 'a'} {self.name} account"

    def terms(self, instrument: Instrument) -> Terms:
        """Rate and floor of an uncovered short: the house's, or the rate book's times leverage.

        Source of the factor: FINRA Regulatory Notice 09-53 (at 200 % twice 15 %, at 300 % three
        times); that the floor is multiplied too stands in brokers' tables only.

        >>> from dollarbill_core.values.contracts import Option
        >>> terms = REG_T.terms(Option.from_occ("TQQQ261218P00060000"))
        >>> str(terms.rate), str(terms.floor)
        ('0.45', '0.30')
        """
        house = self.house_terms.get(instrument.underlying)
        if house is not None:
            return house
        row = underlying(instrument.underlying)
        if row.product not in self.short_option_rates:
            raise NotAllowed(f"{self.titled} has no rate for {instrument}, uncovered")
        rate = self.short_option_rates[row.product] * row.factor
        return Terms(min(rate, _WHOLE), min(self.floor * row.factor, _WHOLE))

    def rate(self, instrument: Instrument) -> Decimal:
        """The fraction of the underlying that an uncovered short asks for."""
        return self.terms(instrument).rate

    def stock_rates(self, symbol: str) -> StockRates:
        """Fractions of a stock's value, a leveraged fund's maintenance times its factor.

        Source of the factor: FINRA Regulatory Notice 09-53: never above 100 % of the value,
        beyond the proceeds of a short. Regulation T's initial rate is no lower than that.

        >>> [str(rate) for rate in REG_T.stock_rates("TQQQ")]
        ['0.75', '0.75', '1.90', '1.90']
        """
        factor = underlying(symbol).factor
        kept = min(self.stock_maintenance * factor, _WHOLE)
        short_kept = _WHOLE + min((self.short_stock_maintenance - _WHOLE) * factor, _WHOLE)
        return StockRates(
            max(self.stock_initial, kept),
            kept,
            max(self.short_stock_initial, short_kept),
            short_kept,
        )

    def offsets_calendars(self, symbol: str) -> bool:
        """Whether a long option offsets a short one that expires before it."""
        row = underlying(symbol)
        return row.has_calendar_offsets and (self.index_calendars or row.product not in INDICES)


REG_T = Account(
    name="Reg T margin",
    source="Regulation T (12 CFR 220.12) and FINRA Rule 4210(b), (c), (f)(2), as 88 FR 14416, "
    "Regulatory Notice 09-53 and brokers' pages quote them, read 2026-11",
    uncovered=True,
    short_option_rates={
        Product.EQUITY: Decimal("0.20"),
        Product.OTHER_ETF: Decimal("0.20"),
        Product.BROAD_INDEX: Decimal("0.15"),
        Product.BROAD_ETF: Decimal("0.15"),
        Product.VOLATILITY_INDEX: Decimal("0.20"),
    },
    lends_on_options=True,
)

CASH = Account(
    name="cash",
    source="Regulation T (12 CFR 220.8): no credit, puts secured by their strike",
    uncovered=False,
    method=Method.CASH,
    stock_initial=_WHOLE,
    stock_maintenance=_WHOLE,
    minimum_equity=_NOTHING,
)

# The house's own figure may be higher: replace(PORTFOLIO, minimum_equity=Decimal(110_000)) is
# Interactive Brokers' for opening (ibkrcampus.com, "Portfolio Margin Account", read 2026-11).
PORTFOLIO = replace(
    REG_T,
    name="portfolio margin",
    source="FINRA Rule 4210(g): approval for uncovered writing and $100,000 where the house "
    "watches intraday, read 2026-11 at second hand",
    method=Method.PORTFOLIO,
    minimum_equity=Decimal(100_000),
)

ETFS_AS_EQUITIES = replace(
    REG_T,
    name="Reg T margin, ETFs on broad indices at the equity rate",
    source="QuantConnect LEAN's option margin model and several brokers: 20 % on SPY, 2026-11",
    short_option_rates={**REG_T.short_option_rates, Product.BROAD_ETF: Decimal("0.20")},
)

# Its 102 % of a universal spread's value, $150 on VIX spreads and scans of concentration are
# "may charge", without a formula for when: left out.
INTERACTIVE_BROKERS_REG_T = replace(
    REG_T,
    name="Interactive Brokers Reg T",
    source="IBKR Knowledge Base 600 (condors of unequal sides are two spreads) and 1124 (15 % "
    "on broad ETFs, times leverage); US Options Margin: long options are paid; read 2026-11",
    unequal_condors=UnequalCondors.TWO_SPREADS,
    lends_on_options=False,
)

# Long stock at 30 %: the same house's page, read at second hand. Puts are secured by their
# strike, calls by shares, spreads by the universal spread rule.
ALPACA = Account(
    name="Alpaca",
    source='Alpaca docs: "Options Level 3 Trading" (2025-09-24), "Options Trading" '
    '(2026-09-16), "Margin and Short Selling" (long stock 30 %, all below $2.50); 2026-11',
    uncovered=False,
    method=Method.UNIVERSAL_SPREAD,
    stock_maintenance=Decimal("0.30"),
    paid_in_full_below=Decimal("2.50"),
)

_ELEVATED = Terms(Decimal("0.25"), Decimal("0.15"))
_VOLATILITY = Terms(Decimal("1.00"), Decimal("0.75"))
TASTYTRADE = replace(
    ETFS_AS_EQUITIES,
    name="tastytrade",
    source="support.tastyworks.com 43000435385 (indices at 25 %/15 % instead of 20 %/10 %, no "
    "index calendars) and 43000435311 (volatility products at 100 %/75 %), read 2026-11",
    house_terms=dict.fromkeys("RUT DJX RVX NDX MNX XSP SPX OEX XEO".split(), _ELEVATED)
    | dict.fromkeys("VIX SVXY UVXY VXX VIXY VIXM VXZ".split(), _VOLATILITY),
    index_calendars=False,
    lends_on_options=False,
)

# By the names that notebooks and settings use, the two that a seller chooses between first.
ACCOUNTS: Mapping[str, Account] = MappingProxyType(
    {
        "reg_t": REG_T,
        "portfolio": PORTFOLIO,
        "interactive_brokers": INTERACTIVE_BROKERS_REG_T,
        "tastytrade": TASTYTRADE,
        "alpaca": ALPACA,
        "cash": CASH,
    }
)
