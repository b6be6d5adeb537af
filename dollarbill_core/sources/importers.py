"""Vendors' files and public archives, read into chains."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dollarbill_core.market.carry import CashDividend, policy_rates
from dollarbill_core.market.chains import Chain, ChainDays, Floats, NoChains
from dollarbill_core.market.view import Chains
from dollarbill_core.market.volatility import at_the_money_vol
from dollarbill_core.pricing import american, black_scholes
from dollarbill_core.pricing.implied_vol import implied_vol
from dollarbill_core.sources.sample import sample_chains
from dollarbill_core.values.calendars import close_instant, expiry_instant, years_between
from dollarbill_core.values.contracts import CASH_SETTLED_ROOTS, Option, Right
from dollarbill_core.values.provenance import Provenance, Quotes, fingerprint

SAMPLE = "sample"

_OPTIONS_FILE, _STOCK_FILE = "options.csv", "stock.csv"
_OPTION_COLUMNS = (
    "underlying", "optionroot", "type", "expiration", "quotedate", "strike", "bid", "ask",
)  # fmt: skip
_STOCK_COLUMNS = ("symbol", "date", "close", "divCash", "splitFactor")
_OCC_TAIL = 15  # characters of an OCC symbol after its root
_SENTENCE = (
    "Implied vols and deltas are ours: from mids of sound quotes, early exercise included, as "
    "if the dividends of the past year in the file were paid evenly."
)


def load_chains(
    source: str, symbols: Iterable[str], start: date, end: date, shift: float = 0.0
) -> Chains:
    """Chains from ``"sample"``, which models them, or from a folder of quotes.

    Parameters
    ----------
    source
        ``"sample"``, or a folder that ``delta_neutral_chains`` can read.
    symbols, start, end, shift
        As for ``sample_chains``; quotes are what they are, so none may be shifted.

    Raises
    ------
    ValueError
        For a folder, symbol or period without quotes, in one line.
    """
    if source == SAMPLE:
        return sample_chains(symbols, start, end, shift)
    if shift:
        raise ValueError(f"a shift of {shift} is for modelled chains; {source} has quotes")
    return _within(delta_neutral_chains(Path(source).expanduser()), symbols, start, end)


def delta_neutral_chains(folder: Path) -> Chains:
    """Quotes in the layout of HistoricalOptionData (DeltaNeutral), with daily stock prices.

    ``options.csv``, one quote of a contract at a close per row, has the header::

        underlying,underlying_last,optionroot,type,expiration,quotedate,strike,last,bid,ask,
        volume,openinterest,impliedvol,delta,gamma,theta,vega,optionalias

    and sometimes ``exchange`` and ``optionext`` besides; ``optionroot`` is an OCC symbol.
    ``stock.csv`` has unadjusted closes and cash dividends by ex-date::

        symbol,date,close,high,low,open,volume,adjClose,adjHigh,adjLow,adjOpen,adjVolume,
        divCash,splitFactor

    Both as seen in lambdaclass/options_backtester (data of SPY, 2021). The columns named in
    ``_OPTION_COLUMNS`` and ``_STOCK_COLUMNS`` must be there, in any order.

    First form: vols and deltas come from a dividend yield, the dividends of the last 365 days
    that the file knows, over the close; early exercise is in them. A split is refused.

    Raises
    ------
    ValueError
        For a missing file or column, a row that cannot be read, a split, or a day without a
        close.
    """
    options = _columns(folder / _OPTIONS_FILE, _OPTION_COLUMNS)
    stocks = _columns(folder / _STOCK_FILE, _STOCK_COLUMNS)
    days, dividends = {}, {}
    for symbol in sorted(set(options["underlying"])):
        own = {
            name: column[options["underlying"] == symbol] for name, column in options.items()
        }
        prices = _prices(symbol, stocks, folder / _STOCK_FILE)
        table = _quote_table(symbol, own, prices, folder / _OPTIONS_FILE)
        days[symbol] = _quoted_days(symbol, table, prices)
        dividends[symbol] = prices.dividends
    texts = [*options.values(), *stocks.values()]
    provenance = Provenance(
        source=f"{folder.name}: HistoricalOptionData layout",
        quotes=Quotes.QUOTED,
        as_of=close_instant(max(each.sessions[-1] for each in days.values())),
        data_hash=fingerprint(["\n".join(column) for column in texts]),
        assumptions=(_SENTENCE,),
    )
    return Chains(days, provenance, dividends)


@dataclass(frozen=True, slots=True, eq=False)
class _Prices:
    """Closes, shape (days,), in order of date, and the dividends and yields known by then."""

    days: NDArray[np.datetime64]
    closes: Floats
    dividends: tuple[CashDividend, ...]
    yields: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _QuoteTable:
    """Every quote of one underlying, sorted by day; all arrays have shape (rows,)."""

    roots: tuple[str, ...]
    root: NDArray[np.int8]
    day: NDArray[np.datetime64]
    expiry: NDArray[np.datetime64]
    right: NDArray[np.int8]
    strike: Floats
    bid: Floats
    ask: Floats
    vol: Floats
    delta: Floats


def _columns(file: Path, needed: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """The needed columns of a CSV as text."""
    import pandas as pd

    if not file.is_file():
        raise NoChains(f"no quotes at {file.parent}: {file.name} is missing")
    table = pd.read_csv(file, dtype=str, keep_default_na=False, skipinitialspace=True)
    missing = [name for name in needed if name not in table.columns]
    if missing:
        raise NoChains(f"{file}: no column {', '.join(missing)}")
    if table.empty:
        raise NoChains(f"{file}: no rows")
    return {name: table[name].to_numpy(dtype=str) for name in needed}


def _prices(symbol: str, stocks: Mapping[str, NDArray[Any]], file: Path) -> _Prices:
    rows = np.flatnonzero(stocks["symbol"] == symbol)
    days = _dates(stocks["date"][rows], file)
    order = np.argsort(days, kind="stable")
    days, rows = days[order], rows[order]
    splits = days[_numbers(stocks["splitFactor"][rows], file) != 1.0]
    if len(splits):
        raise NoChains(f"{file}: {symbol} splits on {splits[0]}, which is not handled yet")
    paid = _numbers(stocks["divCash"][rows], file)
    dividends = tuple(
        CashDividend(days[i].item(), Decimal(str(stocks["divCash"][rows[i]])))
        for i in np.flatnonzero(paid)
    )
    closes = _numbers(stocks["close"][rows], file)
    return _Prices(days, closes, dividends, _trailing_sums(days, paid) / closes)


def _trailing_sums(days: NDArray[np.datetime64], paid: Floats) -> Floats:
    """Dividends of the 365 days that end on each day, dollars per share."""
    sums = np.concatenate([[0.0], np.cumsum(paid)])
    begin = np.searchsorted(days, days - np.timedelta64(365, "D"), "right")
    trailing: Floats = sums[1:] - sums[begin]
    return trailing


def _quote_table(
    symbol: str, options: Mapping[str, NDArray[Any]], prices: _Prices, file: Path
) -> _QuoteTable:
    """The rows of one underlying in order of day, with their vols and deltas."""
    day = _dates(options["quotedate"], file)
    order = np.argsort(day, kind="stable")
    sorted_options = {name: column[order] for name, column in options.items()}
    names = [name.replace(" ", "")[:-_OCC_TAIL] for name in sorted_options["optionroot"]]
    roots, root = np.unique([name or symbol for name in names], return_inverse=True)
    unsolved = np.full(len(order), np.nan)
    table = _QuoteTable(
        roots=tuple(roots.tolist()),
        root=root.astype(np.int8),
        day=day[order],
        expiry=_dates(sorted_options["expiration"], file),
        right=_rights(sorted_options["type"], file),
        strike=_numbers(sorted_options["strike"], file),
        bid=_numbers(sorted_options["bid"], file),
        ask=_numbers(sorted_options["ask"], file),
        vol=unsolved,
        delta=unsolved,
    )
    return _with_vols(symbol, table, prices)


def _with_vols(symbol: str, table: _QuoteTable, prices: _Prices) -> _QuoteTable:
    """The vol of each sound quote's mid, and the delta at that vol; NaN elsewhere."""
    place = np.searchsorted(prices.days, table.day)
    if not np.isin(table.day, prices.days).all():
        lost = table.day[~np.isin(table.day, prices.days)][0]
        raise NoChains(
            f"{_STOCK_FILE} has no close of {symbol} on {lost}, but there are quotes"
        )
    years = _years(table)
    rate = np.array([policy_rates(day).flat for day in table.day.tolist()])
    sound = (table.bid > 0) & (table.ask > table.bid) & (years > 0)
    mid = np.where(sound, (table.bid + table.ask) / 2, np.nan)
    terms = (prices.closes[place], table.strike, years, rate)
    yields = prices.yields[place]
    if table.roots[0] in CASH_SETTLED_ROOTS:  # European; a stock's options are American
        vol = implied_vol(table.right, mid, *terms, yields)
        delta = black_scholes.greeks(table.right, *terms, vol, yields).delta
    else:
        vol = american.implied_vol(table.right, mid, *terms, yields)
        delta = american.greeks(table.right, *terms, vol, yields).delta
    return replace(table, vol=vol, delta=delta)


def _years(table: _QuoteTable) -> Floats:
    """Years from each row's close to its expiry, each pair of instants worked out once."""
    keys = zip(table.root.tolist(), table.expiry.tolist(), table.day.tolist(), strict=True)
    known: dict[tuple[int, date, date], float] = {}
    years = np.empty(len(table.day))
    for row, key in enumerate(keys):
        if key not in known:
            root, expiry, day = key
            option = Option(table.roots[root], expiry, Decimal(1), Right.CALL)
            known[key] = years_between(close_instant(day), expiry_instant(option))
        years[row] = known[key]
    return years


def _quoted_days(symbol: str, table: _QuoteTable, prices: _Prices) -> ChainDays:
    sessions = tuple(np.unique(table.day).tolist())
    chain = lru_cache(maxsize=8)(partial(_chain, symbol, table, prices))
    vols = np.full(len(prices.days), np.nan)
    for day, place in zip(sessions, np.searchsorted(prices.days, sessions), strict=True):
        vols[place] = at_the_money_vol(chain(day), policy_rates(day))
    return ChainDays(
        symbol, sessions, chain, prices.days, prices.closes, vols, yields=prices.yields
    )


def _chain(symbol: str, table: _QuoteTable, prices: _Prices, day: date) -> Chain:
    when = np.datetime64(day, "D")
    rows = slice(*np.searchsorted(table.day, [when, when + np.timedelta64(1, "D")]).tolist())
    return Chain(
        symbol=symbol,
        as_of=close_instant(day),
        spot=float(prices.closes[np.searchsorted(prices.days, when)]),
        quotes=Quotes.QUOTED,
        roots=table.roots,
        root=table.root[rows],
        expiry=table.expiry[rows],
        right=table.right[rows],
        strike=table.strike[rows],
        bid=table.bid[rows],
        ask=table.ask[rows],
        vol=table.vol[rows],
        delta=table.delta[rows],
    )


def _within(chains: Chains, symbols: Iterable[str], start: date, end: date) -> Chains:
    """Only these symbols' sessions from ``start`` to ``end``; history still reaches back."""
    names = (symbols,) if isinstance(symbols, str) else tuple(dict.fromkeys(symbols))
    missing = [name for name in names if name not in chains.days]
    if missing or not names:
        raise NoChains(
            f"{chains.provenance.source} has quotes of {', '.join(chains.symbols)}, "
            f"not of {', '.join(missing) or 'nothing'}"
        )
    days = {name: _period(chains.days[name], start, end) for name in names}
    last = max(each.sessions[-1] for each in days.values())
    return Chains(
        days,
        replace(chains.provenance, as_of=close_instant(last)),
        {name: chains.dividends[name] for name in names},
    )


def _period(days: ChainDays, start: date, end: date) -> ChainDays:
    sessions = tuple(day for day in days.sessions if start <= day <= end)
    if not sessions:
        raise NoChains(
            f"no quotes of {days.symbol} from {start} to {end}: "
            f"they run from {days.sessions[0]} to {days.sessions[-1]}"
        )
    known = days.days <= np.datetime64(sessions[-1], "D")
    yields = None if days.yields is None else days.yields[known]
    return replace(
        days,
        sessions=sessions,
        days=days.days[known],
        closes=days.closes[known],
        vols=days.vols[known],
        yields=yields,
    )


def _dates(texts: NDArray[Any], file: Path) -> NDArray[np.datetime64]:
    """Dates written 2021-01-29 or 01/29/2021, as datetime64[D]."""
    import pandas as pd

    form = "%m/%d/%Y" if len(texts) and "/" in texts[0] else "%Y-%m-%d"
    try:
        dates = pd.to_datetime(pd.Series(texts), format=form).to_numpy()
    except ValueError as error:
        raise NoChains(f"{file}: a date cannot be read: {_first_line(error)}") from None
    return np.asarray(dates, dtype="datetime64[D]")


def _numbers(texts: NDArray[Any], file: Path) -> Floats:
    """Numbers; an empty cell is NaN."""
    try:
        return np.where(texts == "", "nan", texts).astype(np.float64)
    except ValueError as error:
        raise NoChains(f"{file}: a number cannot be read: {_first_line(error)}") from None


def _rights(texts: NDArray[Any], file: Path) -> NDArray[np.int8]:
    names = np.char.lower(texts.astype(str))
    calls, puts = np.isin(names, ["call", "c"]), np.isin(names, ["put", "p"])
    unknown = texts[~(calls | puts)]
    if len(unknown):
        raise NoChains(f"{file}: type is call or put, got {str(unknown[0])!r}")
    return np.where(calls, Right.CALL, Right.PUT).astype(np.int8)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
