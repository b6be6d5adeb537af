"""Alpaca's market data: spots, option chains with open interest, and daily bars."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from typing import Any
from warnings import filterwarnings

import numpy as np
from numpy.typing import NDArray

from dollarbill_core.formats.rows import DailyPrice
from dollarbill_core.sources.spots import NoData, Spot
from dollarbill_core.storage.settings import OPTION_FEEDS, secret
from dollarbill_core.values.calendars import MARKET_ZONE, open_instant, session_on_or_before
from dollarbill_core.values.contracts import Option

NAMES = {"indicative": "Alpaca (indicative)", "opra": "Alpaca (OPRA)"}
TIMEOUT = 10.0  # seconds for one answer
_WIDEST = 0.005  # of the price: a wider quote of a stock is no spot
_FREE_AFTER = timedelta(minutes=16)  # consolidated bars are free once they are 15 minutes old
_CONTRACTS_A_PAGE = 10_000
_log = logging.getLogger(__name__)
_NO_INSTANT = np.datetime64("NaT", "ms")


class Alpaca:
    """Quotes through alpaca-py.

    The free ``indicative`` option quotes are modified by Alpaca and its trades are delayed, so
    the feed stands in ``name``, and that on every stored row. With ``opra`` stocks are quoted
    by all exchanges, otherwise by IEX alone. Forms: Alpaca's own OpenAPI of the market data
    and trading APIs, 2026-06.

    Parameters
    ----------
    feed
        ``"indicative"`` or ``"opra"``.
    timeout
        Seconds for one answer.
    data_url, trading_url
        Other addresses than Alpaca's; open interest comes from the trading API.
    environment
        Where ``ALPACA_API_KEY`` and ``ALPACA_SECRET_KEY`` are looked up, at each call.

    Raises
    ------
    SettingsError
        From each call, where a key is not set.
    NoData
        From each call, where Alpaca has no answer: one line without the keys.
    """

    def __init__(
        self,
        feed: str = "indicative",
        *,
        timeout: float = TIMEOUT,
        data_url: str | None = None,
        trading_url: str | None = None,
        environment: Mapping[str, str] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if feed not in OPTION_FEEDS:
            raise ValueError(f"feed is {' or '.join(OPTION_FEEDS)}, got {feed!r}")
        from dollarbill_core.sources.alpaca_http import Limiter

        self.feed = feed
        self._timeout = timeout
        self._urls = {"data": data_url, "trading": trading_url}
        self._environment = environment
        self._sleep = sleep
        self._limiter = Limiter(sleep=sleep)

    def __repr__(self) -> str:
        return f"<{self.name}>"

    @property
    def name(self) -> str:
        """What stands as the source on every row and spot."""
        return NAMES[self.feed]

    def spot(self, symbol: str, now: datetime) -> Spot:
        """The middle of the latest quote of a stock or ETF, with its time.

        Raises
        ------
        NoData
            Also for a quote that is one-sided, crossed or wider than 0.5 %.
        """
        request = _alpaca("data.requests").StockLatestQuoteRequest(
            symbol_or_symbols=symbol, feed=self._stock_feed()
        )
        client = self._stocks()
        with _known_form(f"the quote of {symbol}"):
            answer = client.get_stock_latest_quote(request)
            if symbol not in answer:
                raise NoData(f"{self.name} has no quote of {symbol}; check the symbol")
            quote = answer[symbol]
            bid, ask, at = float(quote["bp"]), float(quote["ap"]), _instant(quote["t"])
        middle = (bid + ask) / 2
        if not (0 < bid <= ask and ask - bid <= _WIDEST * middle):
            raise NoData(f"{self.name} quotes {symbol} {bid:g} to {ask:g}, too wide for a spot")
        return Spot(middle, at, self.name)

    def chain(self, symbol: str, now: datetime) -> dict[str, NDArray[Any]]:
        """Every option of ``symbol`` as columns for ``rows.quote_rows``.

        All rows carry ``now`` as the time they were quoted; a quote whose own time lies before
        today's open is none. Volume is today's, open interest the last that was counted, none
        where the trading API does not tell it (the log says why). Alpaca's vol and delta are
        the vendor's, ours come from the quotes.

        Parameters
        ----------
        now
            Aware; its date in New York is the rows' date.
        """
        today = now.astimezone(MARKET_ZONE).date()
        snapshots = self._snapshots(symbol, today)
        interest = self._interest_or_none(symbol, now)
        with _known_form(f"the chain of {symbol}"):
            columns = _columns(snapshots, interest, today)
        size = len(columns["right"])
        spot, spot_at = self._spot_or_none(symbol, now)
        return columns | {
            "symbol": np.full(size, symbol),
            "date": np.full(size, today, "datetime64[D]"),
            "quoted_at": np.full(size, _stamp(now)),
            "underlying": np.full(size, spot),
            "underlying_at": np.full(size, spot_at),
        }

    def _snapshots(self, symbol: str, today: date) -> Mapping[str, Any]:
        request = _alpaca("data.requests").OptionChainRequest(
            underlying_symbol=symbol, feed=self.feed, expiration_date_gte=today
        )
        client = self._options()
        with _known_form(f"the chain of {symbol}"):
            snapshots: Mapping[str, Any] = client.get_option_chain(request)
        if not snapshots:
            raise NoData(f"{self.name} has no options of {symbol}; check the symbol")
        return snapshots

    def open_interest(self, symbol: str, now: datetime) -> dict[str, int]:
        """Contracts that were open at the last count, by OCC symbol."""
        question = {
            "underlying_symbols": symbol,
            "expiration_date_gte": now.astimezone(MARKET_ZONE).date().isoformat(),
            "expiration_date_lte": "2099-12-31",  # without it: only up to the weekend
            "limit": _CONTRACTS_A_PAGE,
        }
        client, found = self._trading(), dict[str, int]()
        with _known_form(f"the contracts of {symbol}"):
            while True:
                page = client.get("/options/contracts", question)
                for contract in page["option_contracts"]:
                    if contract.get("open_interest") is not None:
                        found[contract["symbol"]] = int(contract["open_interest"])
                if not page.get("next_page_token"):
                    return found
                question["page_token"] = page["next_page_token"]

    def bars(
        self, symbol: str, start: date, end: date, now: datetime
    ) -> tuple[DailyPrice, ...]:
        """Daily prices as traded, from ``start`` to ``end``, both included; finished days only.

        They are of all exchanges, which is free for what is older than a quarter of an hour
        (Alpaca's "Market Data FAQ", read 2026-11), and hold neither dividends nor splits.
        """
        request = _alpaca("data.requests").StockBarsRequest(
            symbol_or_symbols=symbol,
            timeframe=_alpaca("data.timeframe").TimeFrame.Day,
            start=datetime.combine(start, datetime.min.time(), MARKET_ZONE),
            end=min(_day_end(end), now.astimezone(MARKET_ZONE) - _FREE_AFTER),
            adjustment="raw",
            feed="sip",
        )
        client = self._stocks()
        with _known_form(f"the bars of {symbol}"):
            found = client.get_stock_bars(request).get(symbol, [])
            days = tuple(_daily(bar) for bar in found)
        finished = tuple(day for day in days if _day_end(day.day) <= now)
        if not finished:
            raise NoData(f"{self.name} has no bars of {symbol} from {start} to {end}")
        return finished

    def _spot_or_none(self, symbol: str, now: datetime) -> tuple[float, np.datetime64]:
        """An index has options and no quote of its own."""
        try:
            found = self.spot(symbol, now)
        except NoData:
            return float("nan"), _NO_INSTANT
        return found.price, _stamp(found.at)

    def _interest_or_none(self, symbol: str, now: datetime) -> dict[str, int]:
        """Quotes cannot be asked for again tomorrow: they are not lost for a count."""
        try:
            return self.open_interest(symbol, now)
        except NoData as error:
            _log.warning("%s: stored without open interest: %s", symbol, error)
            return {}

    def _stock_feed(self) -> str:
        return "sip" if self.feed == "opra" else "iex"

    def _stocks(self) -> Any:
        return self._client(_alpaca("data.historical.stock").StockHistoricalDataClient, "data")

    def _options(self) -> Any:
        return self._client(
            _alpaca("data.historical.option").OptionHistoricalDataClient, "data"
        )

    def _trading(self) -> Any:
        return self._client(_alpaca("trading.client").TradingClient, "trading")

    def _client(self, kind: Any, address: str) -> Any:
        """A client of alpaca-py that sends through our session.

        Its constructor takes neither session nor timeout nor "no retries", so they are set on
        the object; a new one for each call, since a session belongs to one thread.
        """
        from dollarbill_core.sources.alpaca_http import AlpacaSession

        names = ("ALPACA_API_KEY", "ALPACA_SECRET_KEY")
        keys = [secret(name, self._environment) for name in names]
        client = kind(*keys, raw_data=True, url_override=self._urls[address])
        client._session = AlpacaSession(self._limiter, self._timeout, keys, self._sleep)
        client._retry = 0
        return client


def _alpaca(module: str) -> Any:
    """A part of alpaca-py, imported when it is needed (0.4 s)."""
    # alpaca-py's own concern; adding a filter is safe in threads, restoring them is not.
    filterwarnings("ignore", r"websockets\.legacy", DeprecationWarning)
    return import_module(f"alpaca.{module}")


@contextmanager
def _known_form(what: str) -> Iterator[None]:
    """What cannot be read from an answer becomes one line."""
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
        why = f"is not of its published form ({type(error).__name__}); try again later"
        raise NoData(f"Alpaca's answer to {what} {why}") from None


def _columns(
    snapshots: Mapping[str, Any], interest: Mapping[str, int], today: date
) -> dict[str, NDArray[Any]]:
    opened = open_instant(session_on_or_before(today))
    options = [_option(symbol) for symbol in snapshots]
    if not any(options):
        raise ValueError("not a single option")
    quotes = [_todays(each.get("latestQuote"), opened) for each in snapshots.values()]
    bars = [_todays(each.get("dailyBar"), _midnight(today)) for each in snapshots.values()]
    trades = [each.get("latestTrade") or {} for each in snapshots.values()]
    greeks = [each.get("greeks") or {} for each in snapshots.values()]
    return {
        "root": np.array([option.root if option else "" for option in options]),
        "expiry": np.array([option.expiry if option else None for option in options], "M8[D]"),
        "right": np.array([int(option.right) if option else 0 for option in options], np.int8),
        "strike": np.array([float(option.strike) if option else np.nan for option in options]),
        "bid": _numbers(quotes, "bp"),
        "ask": _numbers(quotes, "ap"),
        "bid_size": _numbers(quotes, "bs"),
        "ask_size": _numbers(quotes, "as"),
        "last": _numbers(trades, "p"),
        "volume": _numbers(bars, "v"),
        "open_interest": np.array([float(interest.get(s, np.nan)) for s in snapshots]),
        "vendor_vol": _numbers(list(snapshots.values()), "impliedVolatility"),
        "vendor_delta": _numbers(greeks, "delta"),
    }


def _option(symbol: str) -> Option | None:
    try:
        return Option.from_occ(symbol)
    except ValueError:
        return None  # refused as a row, with its reason, where rows are checked


def _todays(part: Mapping[str, Any] | None, opened: datetime) -> Mapping[str, Any]:
    """A quote or bar of today; one of an earlier day counts as none."""
    return part if part and _instant(part["t"]) >= opened else {}


def _numbers(parts: list[Any], name: str) -> NDArray[np.float64]:
    return np.array([float(part.get(name, np.nan)) for part in parts], np.float64)


def _daily(bar: Mapping[str, Any]) -> DailyPrice:
    opened, high, low, close = (Decimal(repr(bar[name])) for name in "ohlc")
    day = _instant(bar["t"]).astimezone(MARKET_ZONE).date()
    return DailyPrice(day, close, opened, high, low, int(bar["v"]))


def _instant(text: str) -> datetime:
    """RFC 3339 with nanoseconds, of which a datetime keeps the microseconds."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError("a time without a zone")
    return instant


def _stamp(instant: datetime) -> np.datetime64:
    return np.datetime64(instant.astimezone(UTC).replace(tzinfo=None), "ms")


def _midnight(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time(), MARKET_ZONE)


def _day_end(day: date) -> datetime:
    return _midnight(day + timedelta(days=1))
