"""Vendors' text files: which header is read as which column, and where it was seen."""

from dataclasses import dataclass, replace

from dollarbill_core.formats.pieces import ImportOptions
from dollarbill_core.formats.text_kernels import (
    DAY,
    INSTANT,
    NUMBER,
    OCC,
    PAIR,
    PRICE,
    RIGHT,
    ROOT,
    ROUNDED,
    TEXT,
    UTC_INSTANT,
    WHOLE,
)

_KINDS = {
    "price": PRICE,
    "rounded": ROUNDED,
    "whole": WHOLE,
    "number": NUMBER,
    "day": DAY,
    "instant": INSTANT,
    "utc": UTC_INSTANT,
    "right": RIGHT,
    "text": TEXT,
    "root": ROOT,
    "pair": PAIR,
    "occ": OCC,
}
_SIDES = {"call": 1, "put": -1}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a vendor's file.

    Attributes
    ----------
    header
        Its name, compared without brackets, surrounding spaces and case.
    kind
        What its cells are read as.
    ours
        The columns of `rows.quote_rows` that it gives.
    side
        +1 or -1 where a row holds call and put and this is of one of them.
    is_optional
        Whether a file may lack it.
    """

    header: str
    kind: int
    ours: tuple[str, ...]
    side: int = 0
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class TextFormat:
    """A vendor's layout: one quote, or a call and a put, per line.

    Attributes
    ----------
    name
        What the command line calls it, and what is written as the rows' source.
    seen
        The header, and where a real file with it was seen.
    columns
        What is read; other columns are tolerated, in any order.
    minutes
        Since midnight in New York, where all quotes are of one time of day that no column
        gives; -1 otherwise.
    """

    name: str
    seen: str
    columns: tuple[Column, ...]
    minutes: int = -1

    @property
    def has_sides(self) -> bool:
        return any(column.side for column in self.columns)

    def knows(self, header: tuple[str, ...]) -> bool:
        """Whether a header has every column that is needed."""
        return not self.lacking(header)

    def lacking(self, header: tuple[str, ...]) -> tuple[str, ...]:
        known = {name.lower() for name in header}
        return tuple(
            column.header
            for column in self.columns
            if not column.is_optional and column.header.lower() not in known
        )


def _columns(table: str) -> tuple[Column, ...]:
    """Columns as a table: header, kind, ours; then call or put; then ``?`` if optional."""
    found = []
    for line in table.strip().splitlines():
        header, kind, *rest = line.split()
        side = sum(_SIDES.get(word, 0) for word in rest)
        ours = tuple(word for word in rest if word not in _SIDES and word != "?")
        found.append(Column(header, _KINDS[kind], ours, side, "?" in rest))
    return tuple(found)


OPTIONSDX = TextFormat(
    "optionsdx",
    "[QUOTE_UNIXTIME], [QUOTE_READTIME], [QUOTE_DATE], [QUOTE_TIME_HOURS], [UNDERLYING_LAST], "
    "[EXPIRE_DATE], [EXPIRE_UNIX], [DTE], [C_DELTA], [C_GAMMA], [C_VEGA], [C_THETA], [C_RHO], "
    "[C_IV], [C_VOLUME], [C_LAST], [C_SIZE], [C_BID], [C_ASK], [STRIKE], [P_BID], [P_ASK], "
    "[P_SIZE], [P_LAST], [P_DELTA], [P_GAMMA], [P_VEGA], [P_THETA], [P_RHO], [P_IV], "
    "[P_VOLUME], [STRIKE_DISTANCE], [STRIKE_DISTANCE_PCT], with a space before each name but "
    "the first: the columns of the data set kylegraupe/spy-daily-eod-options-quotes-2020-2022, "
    "as a notebook that reads it prints them; without brackets: Subh775/SPY_options_chain, "
    "rows of 2020-03-06 with sizes as 10 x 1",
    _columns("""
        QUOTE_READTIME   instant  quoted_at
        QUOTE_DATE       day      date
        UNDERLYING_LAST  rounded  underlying
        EXPIRE_DATE      day      expiry
        STRIKE           price    strike
        C_BID            price    bid call
        C_ASK            price    ask call
        C_LAST           price    last call ?
        C_SIZE           pair     bid_size ask_size call ?
        C_VOLUME         whole    volume call ?
        C_IV             number   vendor_vol call ?
        C_DELTA          number   vendor_delta call ?
        P_BID            price    bid put
        P_ASK            price    ask put
        P_LAST           price    last put ?
        P_SIZE           pair     bid_size ask_size put ?
        P_VOLUME         whole    volume put ?
        P_IV             number   vendor_vol put ?
        P_DELTA          number   vendor_delta put ?
    """),
)
DELTANEUTRAL = TextFormat(
    "deltaneutral",
    "underlying, underlying_last, exchange, optionroot, optionext, type, expiration, "
    "quotedate, strike, last, bid, ask, volume, openinterest, impliedvol, delta, gamma, "
    "theta, vega, optionalias: HistoricalOptionData; without exchange and optionext, "
    "optionroot an OCC symbol: lambdaclass/options_backtester, quotes of SPY in 2021",
    _columns("""
        underlying       text     symbol
        underlying_last  rounded  underlying
        optionroot       root     root
        type             right    right
        expiration       day      expiry
        quotedate        day      date
        strike           price    strike
        last             price    last ?
        bid              price    bid
        ask              price    ask
        volume           whole    volume ?
        openinterest     whole    open_interest ?
        impliedvol       number   vendor_vol ?
        delta            number   vendor_delta ?
    """),
)
IVOLATILITY = TextFormat(
    "ivolatility",
    "symbol, exchange, company_name, date, stock_price_close, option_symbol, "
    "option_expiration, strike, call/put, style, ask, bid, mean_price, settlement, iv, volume, "
    "open_interest, stock_price_for_iv, forward_price, isinterpolated, delta, vega, gamma, "
    "theta, rho: sirnfs/OptionSuite, sample of SPX in January 2011",
    _columns("""
        symbol             text     symbol
        date               day      date
        stock_price_close  rounded  underlying
        option_symbol      root     root
        option_expiration  day      expiry
        strike             price    strike
        call/put           right    right
        ask                price    ask
        bid                price    bid
        iv                 number   vendor_vol ?
        volume             whole    volume ?
        open_interest      whole    open_interest ?
        delta              number   vendor_delta ?
    """),
)
DOLTHUB = TextFormat(
    "dolthub",
    "date, act_symbol, expiration, strike, call_put, bid, ask, vol, delta, gamma, theta, vega, "
    "rho: table option_chain of post-no-preference/options on DoltHub, as several public "
    "clients select it, a row 2019-02-09,A,2019-02-15,65.0,Call,10.5,11.25,0.27,1.00",
    _columns("""
        date        day     date
        act_symbol  text    symbol
        expiration  day     expiry
        strike      price   strike
        call_put    right   right
        bid         price   bid
        ask         price   ask
        vol         number  vendor_vol ?
        delta       number  vendor_delta ?
    """),
)
YFINANCE = TextFormat(
    "yfinance",
    "contractSymbol, lastTradeDate, strike, lastPrice, bid, ask, change, percentChange, "
    "volume, openInterest, impliedVolatility, inTheMoney, contractSize, currency: what "
    "option_chain of yfinance returns; no day, so it is told or stands in the file's name",
    _columns("""
        contractSymbol     occ     root expiry right strike
        lastPrice          price   last ?
        bid                price   bid
        ask                price   ask
        volume             whole   volume ?
        openInterest       whole   open_interest ?
        impliedVolatility  number  vendor_vol ?
    """),
)
ORATS = TextFormat(
    "orats",
    "ticker, tradeDate, expirDate, dte, strike, stockPrice, callVolume, callOpenInterest, "
    "callBidSize, callAskSize, putVolume, putOpenInterest, putBidSize, putAskSize, "
    "callBidPrice, callValue, callAskPrice, putBidPrice, putValue, putAskPrice, callBidIv, "
    "callMidIv, callAskIv, smvVol, putBidIv, putMidIv, putAskIv, residualRate, delta, ..., "
    "spotPrice, quoteDate, updatedAt, snapShotEstTime, snapShotDate, expiryTod, tickerId, "
    "monthId: the strikes file as CSV, quoted with a row of AAPL by a public client of the "
    "history of strikes; quoteDate as 2024-02-02T17:14:00Z in another. delta is the call's",
    _columns("""
        ticker            text     symbol
        tradeDate         day      date
        expirDate         day      expiry
        strike            price    strike
        stockPrice        rounded  underlying
        quoteDate         utc      quoted_at ?
        expiryTod         text     half ?
        callBidPrice      price    bid call
        callAskPrice      price    ask call
        callBidSize       whole    bid_size call ?
        callAskSize       whole    ask_size call ?
        callVolume        whole    volume call ?
        callOpenInterest  whole    open_interest call ?
        callMidIv         number   vendor_vol call ?
        delta             number   vendor_delta call ?
        putBidPrice       price    bid put
        putAskPrice       price    ask put
        putBidSize        whole    bid_size put ?
        putAskSize        whole    ask_size put ?
        putVolume         whole    volume put ?
        putOpenInterest   whole    open_interest put ?
        putMidIv          number   vendor_vol put ?
    """),
)
DATASHOP = TextFormat(
    "datashop",
    "underlying_symbol, quote_date, root, expiration, strike, option_type, open, high, low, "
    "close, trade_volume, bid_size_1545, bid_1545, ask_size_1545, ask_1545, "
    "underlying_bid_1545, underlying_ask_1545, implied_underlying_price_1545, "
    "active_underlying_price_1545, implied_volatility_1545, delta_1545, gamma_1545, "
    "theta_1545, vega_1545, rho_1545, bid_size_eod, bid_eod, ask_size_eod, ask_eod, "
    "underlying_bid_eod, underlying_ask_eod, vwap, open_interest, delivery_code: Cboe "
    "DataShop, option quotes at the end of day, rows of 2021-04-09 and, without the "
    "calculations, of 2006-08-01 in public importers' tests and manuals. The quotes of 15:45 "
    "are read: only they come with a price of the underlying of their moment",
    _columns("""
        underlying_symbol             text     symbol
        quote_date                    day      date
        root                          root     root
        expiration                    day      expiry
        strike                        price    strike
        option_type                   right    right
        bid_1545                      price    bid
        ask_1545                      price    ask
        bid_size_1545                 whole    bid_size ?
        ask_size_1545                 whole    ask_size ?
        trade_volume                  whole    volume ?
        open_interest                 whole    open_interest ?
        active_underlying_price_1545  rounded  underlying ?
        implied_volatility_1545       number   vendor_vol ?
        delta_1545                    number   vendor_delta ?
    """),
    minutes=15 * 60 + 45,
)
# Plain CSV has our own names unless the user says what they are called.
CSV = TextFormat(
    "csv",
    "any header: columns are found under our own names, date, symbol, expiry, right, strike, "
    "bid, ask and so on, or under those that are told",
    _columns("""
        date           day      date ?
        quoted_at      instant  quoted_at ?
        symbol         text     symbol ?
        root           root     root ?
        expiry         day      expiry
        right          right    right
        strike         price    strike
        bid            price    bid
        ask            price    ask
        bid_size       whole    bid_size ?
        ask_size       whole    ask_size ?
        last           price    last ?
        volume         whole    volume ?
        open_interest  whole    open_interest ?
        vendor_vol     number   vendor_vol ?
        vendor_delta   number   vendor_delta ?
        underlying     rounded  underlying ?
    """),
)
TEXT_FORMATS = (OPTIONSDX, DELTANEUTRAL, IVOLATILITY, DOLTHUB, YFINANCE, ORATS, DATASHOP, CSV)


def mapped_format(plain: TextFormat, options: ImportOptions) -> TextFormat:
    """Plain CSV with the columns that were told under the headers that were told.

    ``contract`` names a column of OCC symbols, which stands for root, expiry, right and strike.

    Raises
    ------
    ValueError
        For a name that is none of ours.

    Examples
    --------
    >>> told = mapped_format(CSV, ImportOptions(columns=(("bid", "Best Bid"),)))
    >>> [column.header for column in told.columns if column.ours == ("bid",)]
    ['Best Bid']
    """
    told = dict(options.columns)
    known = {column.header for column in plain.columns} | {"contract"}
    unknown = sorted(set(told) - known)
    if unknown:
        raise ValueError(
            f"no column of ours is called {unknown[0]!r}: they are {', '.join(sorted(known))}"
        )
    columns = tuple(
        replace(column, header=told[column.header], is_optional=False)
        if column.header in told
        else column
        for column in plain.columns
    )
    if "contract" in told:
        in_contract = ("root", "expiry", "right", "strike")
        occ = Column(told["contract"], OCC, in_contract)
        columns = (occ, *(each for each in columns if each.ours[0] not in in_contract))
    return replace(plain, columns=columns)
