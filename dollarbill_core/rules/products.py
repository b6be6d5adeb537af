"""What margin takes an underlying for: index, ETF or stock, its leverage, class and offsets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum
from types import MappingProxyType

from dollarbill_core.values.contracts import Instrument, Option

READ = date(2026, 11, 21)  # when the sources below were read


class Product(StrEnum):
    """What a margin rate is written for.

    A narrow-based index is margined as an equity is (20 %, and 15 % either way), so it needs no
    class of its own. Whatever the table does not know is an EQUITY.
    """

    EQUITY = "equity"
    BROAD_INDEX = "broad-based index"
    BROAD_ETF = "broad-based index ETF"
    OTHER_ETF = "sector, commodity or bond ETF"
    VOLATILITY_INDEX = "volatility index"


@dataclass(frozen=True, slots=True)
class Underlying:
    """One row of the table: what margin takes a symbol for.

    ``index`` is the index that an ETF tracks, or that a smaller index is a fraction of; ""
    where there is none. ``leverage`` is signed: -3 for an inverse fund that triples.
    ``is_high_capitalisation`` marks the families that portfolio margin moves by -8 % and +6 %
    rather than 10 % either way. Where ``has_calendar_offsets`` is false, a long option offsets
    no short one of another expiry.
    """

    symbol: str
    product: Product = Product.EQUITY
    index: str = ""
    leverage: Decimal = Decimal(1)
    is_high_capitalisation: bool = False
    has_calendar_offsets: bool = True
    source: str = "FINRA Rule 4210(f)(2)(E): every equity that is not otherwise named"
    read: date = field(default=READ, compare=False)

    @property
    def factor(self) -> Decimal:
        """How many times the usual rate it is margined at: the leverage without its sign."""
        return abs(self.leverage)

    @property
    def margin_class(self) -> str:
        """The symbol under which its whole family is margined: its index, or itself."""
        return self.index or self.symbol


_INDEX = "FINRA Rule 4210(f)(2)(E)(i), broad-based index; Cboe and Nasdaq product pages"
_ETF = "FINRA Regulatory Notice 09-53, ETF on a broad-based index; the fund's prospectus"
_OTHER = "FINRA Regulatory Notice 09-53, ETF that is not on a broad-based index; its prospectus"
_TIMES = "FINRA Regulatory Notices 09-53 and 09-65, Cboe RG09-97, leveraged ETF; its prospectus"
# Cboe's own page gives the rate. That two expiries do not offset, each being priced off its own
# forward, stands in brokers' pages only ("VIX calendar spreads": OptionsHouse, Futu).
_VIX = "Cboe, VIX options specification, strategy-based margin"
# Portfolio margin's -8 % and +6 %: FINRA Rule 4210(g)(2)(D) has the figures; which families are
# meant is OCC's list, read at second hand (themargininvestor.com, "Stress Test Market Moves"):
# broad-based large caps; not the Nasdaq's indices and not small caps.
_HIGH_CAPITALISATION = frozenset({"SPX", "DJX"})


def _rows(symbols: str, product: Product, source: str, index: str = "") -> list[Underlying]:
    """Rows for words such as ``"SPY VOO"`` or, with their leverage, ``"SSO:2 SDS:-2"``."""
    rows = []
    for word in symbols.split():
        symbol, _, leverage = word.partition(":")
        is_high = (index or symbol) in _HIGH_CAPITALISATION
        leverage_of_it = Decimal(leverage or 1)
        has_calendars = product is not Product.VOLATILITY_INDEX
        rows.append(
            Underlying(symbol, product, index, leverage_of_it, is_high, has_calendars, source)
        )
    return rows


UNDERLYINGS: Mapping[str, Underlying] = MappingProxyType(
    {
        row.symbol: row
        for row in (
            *_rows("SPX NDX RUT DJX", Product.BROAD_INDEX, _INDEX),
            *_rows("XSP", Product.BROAD_INDEX, _INDEX, "SPX"),
            *_rows("SPY VOO IVV", Product.BROAD_ETF, _ETF, "SPX"),
            *_rows("QQQ QQQM", Product.BROAD_ETF, _ETF, "NDX"),
            *_rows("IWM VTWO", Product.BROAD_ETF, _ETF, "RUT"),
            *_rows("DIA", Product.BROAD_ETF, _ETF, "DJX"),
            *_rows("VTI ITOT SCHB IWB IWV MDY IJH IJR EFA EEM", Product.BROAD_ETF, _ETF),
            *_rows("SSO:2 UPRO:3 SPXL:3 SH:-1 SDS:-2", Product.BROAD_ETF, _TIMES, "SPX"),
            *_rows("SPXU:-3 SPXS:-3", Product.BROAD_ETF, _TIMES, "SPX"),
            *_rows("QLD:2 TQQQ:3 PSQ:-1 QID:-2 SQQQ:-3", Product.BROAD_ETF, _TIMES, "NDX"),
            *_rows("UWM:2 TNA:3 RWM:-1 TWM:-2 TZA:-3", Product.BROAD_ETF, _TIMES, "RUT"),
            *_rows("DDM:2 UDOW:3 DOG:-1 DXD:-2 SDOW:-3", Product.BROAD_ETF, _TIMES, "DJX"),
            *_rows("GLD IAU SLV GDX GDXJ USO UNG DBC", Product.OTHER_ETF, _OTHER),
            *_rows("TLT IEF SHY LQD HYG AGG BND", Product.OTHER_ETF, _OTHER),
            *_rows("XLF XLE XLK XLV XLI XLY XLP XLU XLB XLRE XLC", Product.OTHER_ETF, _OTHER),
            *_rows("SMH SOXX XBI IBB KRE XOP", Product.OTHER_ETF, _OTHER),
            *_rows("SOXL:3 SOXS:-3 TMF:3 TMV:-3 FAS:3 FAZ:-3", Product.OTHER_ETF, _TIMES),
            *_rows("VIX", Product.VOLATILITY_INDEX, _VIX),
        )
    }
)


def underlying(symbol: str) -> Underlying:
    """The row of a symbol; one that the table does not know is an equity.

    >>> row = underlying("SPXU")
    >>> print(row.product, row.margin_class, row.factor)
    broad-based index ETF SPX 3
    >>> print(underlying("AAPL").product, underlying("AAPL").margin_class)
    equity AAPL
    """
    return UNDERLYINGS.get(symbol) or Underlying(symbol)


def product_of(instrument: Instrument) -> Product:
    """The class that decides the rate of an underlying and its options."""
    return underlying(instrument.underlying).product


def margin_class(symbol: str) -> str:
    """The symbol under which margin puts a symbol together with its relatives.

    An index, its fractions and the ETFs that track it are one class: of portfolio margin, and
    of stock that covers options. A *spread* is narrower: its legs share one underlying.

    >>> margin_class("SPY"), margin_class("XSP"), margin_class("AAPL")
    ('SPX', 'SPX', 'AAPL')
    """
    return underlying(symbol).margin_class


def covering_shares(
    shares_of: str, option: Option, share_price: Decimal, index_level: Decimal
) -> int:
    """How many shares of an ETF cover one option on the index it tracks.

    The shares must be worth the index times the multiplier, or more: a count that moves with
    both prices, near 1,000 SPY for SPX and 100 for XSP, and often a few more. The fund must
    track the option's own index, unleveraged and not inverse. An option on the fund itself
    takes its multiplier.

    Parameters
    ----------
    shares_of, option
        The fund's symbol; the option to be covered.
    share_price, index_level
        Dollars per share; points.

    Raises
    ------
    ValueError
        If the fund's shares cover no option on that underlying.

    Source: Cboe Rule 10.3(c)(5)(C)(iii), as amended by SR-CBOE-2022-058 (88 FR 14416, approved
    2023-03-02); the condition in words on Cboe's page "Margin Relief on Cash-Settled Index
    Options". Cboe's sample of 2007 holds 100,000 SPDRs against 100 SPX calls, which passes.

    Examples
    --------
    The index at 1451.19 times 100 is 145,119; at 145.30 that is 998.75 shares.

    >>> call = Option.from_occ("SPX070421C01460000")
    >>> covering_shares("SPY", call, Decimal("145.30"), Decimal("1451.19"))
    999
    """
    if shares_of == option.underlying:
        return option.multiplier
    fund, index = underlying(shares_of), underlying(option.underlying)
    is_tracker = fund.product is Product.BROAD_ETF and fund.leverage == 1 and fund.index
    if (
        not is_tracker
        or fund.index != index.margin_class
        or index.product is not Product.BROAD_INDEX
    ):
        raise ValueError(f"{shares_of} covers no {option}: it does not track {index.symbol}")
    if share_price <= 0 or index_level <= 0:
        raise ValueError(f"prices must be positive, got {share_price} and {index_level}")
    value = option.multiplier * index_level
    return int((value / share_price).to_integral_value(ROUND_CEILING))
