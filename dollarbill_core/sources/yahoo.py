"""Yahoo's quotes through yfinance: spots, option chains, and daily prices as traded."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from threading import Lock
from typing import Any
from warnings import filterwarnings

import numpy as np
from numpy.typing import NDArray

from dollarbill_core.formats.rows import DailyPrice
from dollarbill_core.sources.spots import NoData, Spot
from dollarbill_core.values.calendars import MARKET_ZONE, close_instant, is_session
from dollarbill_core.values.contracts import CASH_SETTLED_ROOTS, Option

NAME = "Yahoo through yfinance"
TIMEOUT = 10.0  # seconds for one answer
_INDICES = frozenset(CASH_SETTLED_ROOTS.values())
_DECIMALS = 4  # of a dollar: what Yahoo's single-precision prices are good for
_REGULAR = "REGULAR"  # of 100 shares
_LARGEST_SPLIT = 1000  # new or old shares
_ONE_AT_A_TIME = Lock()
_FRAME_COLUMNS = {
    "strike": "strike",
    "bid": "bid",
    "ask": "ask",
    "last": "lastPrice",
    "volume": "volume",
    "open_interest": "openInterest",
    "vendor_vol": "impliedVolatility",
}


class Yahoo:
    """Quotes of Yahoo's site, delayed by some minutes and without any promise.

    Columns of a chain as yfinance 1.7 gives them: contractSymbol, lastTradeDate, strike,
    lastPrice, bid, ask, change, percentChange, volume, openInterest, impliedVolatility,
    inTheMoney, contractSize, currency. Yahoo's vol is often junk: it is the vendor's, ours
    comes from the quotes.

    Parameters
    ----------
    folder
        Where yfinance keeps its cookies and time zones.
    timeout
        Seconds for one answer; a call takes several.
    base_url
        Another address than Yahoo's hosts, for all of them.

    Raises
    ------
    NoData
        From each call, for every failure and for every empty answer: yfinance itself turns
        both into empty frames.
    """

    name = NAME

    def __init__(self, folder: Path, *, timeout: float = TIMEOUT, base_url: str = "") -> None:
        self._folder = folder
        self._timeout = timeout
        self._base_url = base_url
        self._session: Any = None

    def spot(self, symbol: str, now: datetime) -> Spot:
        """The price that Yahoo shows for ``symbol``, with the time Yahoo gives it."""
        with self._asking(symbol, "price") as ticker:
            ticker.history(period="5d", interval="1d", timeout=self._timeout)
            shown = ticker.get_history_metadata()
            price, at = shown["regularMarketPrice"], shown["regularMarketTime"]
            at = at.to_pydatetime() if hasattr(at, "to_pydatetime") else _instant(at)
            return Spot(float(price), at, NAME)

    def expiries(self, symbol: str) -> tuple[date, ...]:
        """The dates on which listed options of ``symbol`` expire, in order."""
        return self._listed(symbol)[1]

    def _listed(self, symbol: str) -> tuple[Any, tuple[date, ...]]:
        """A ticker that knows its expiries, and they."""
        with self._asking(symbol, "options") as ticker:
            listed = sorted(date.fromisoformat(text) for text in ticker.options)
        if not listed:
            raise NoData(self._why(symbol, "options"))
        return ticker, tuple(listed)

    def chain(
        self,
        symbol: str,
        now: datetime,
        expiries: tuple[date, ...] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> dict[str, NDArray[Any]]:
        """Options of ``symbol`` as columns for ``rows.quote_rows``: one request an expiry.

        All rows carry ``now`` as the time they were quoted, though Yahoo may show them late
        and does not say how late; and the underlying's price as it came with their own
        expiry, with that price's time.

        Parameters
        ----------
        now
            Aware; its date in New York is the rows' date.
        expiries
            Which; all by default.
        progress
            Called with the number of expiries read and of all.

        Raises
        ------
        NoData
            Also if a single expiry is missing: half a chain is none.
        """
        ticker, listed = self._listed(symbol)
        wanted = listed if expiries is None else expiries
        parts = []
        for number, expiry in enumerate(wanted, 1):
            parts.append(self._expiry(symbol, expiry, ticker))
            if progress:
                progress(number, len(wanted))
        columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        size = len(columns["right"])
        today = now.astimezone(MARKET_ZONE).date()
        return columns | {
            "symbol": np.full(size, symbol),
            "date": np.full(size, today, "datetime64[D]"),
            "quoted_at": np.full(size, _stamp(now)),
        }

    def prices(
        self, symbol: str, start: date, end: date, now: datetime
    ) -> tuple[DailyPrice, ...]:
        """Daily prices, dividends and splits of finished sessions, as traded.

        Yahoo divides past prices and dividends by every split since; they are asked for up to
        today, whatever ``end`` is, so that each split is known and can be taken back.
        """
        with self._asking(symbol, "daily prices") as ticker:
            frame = ticker.history(
                start=start.isoformat(), auto_adjust=False, timeout=self._timeout
            )
            days = daily_prices(frame) if len(frame) else ()
        finished = tuple(d for d in days if start <= d.day <= end and _is_over(d.day, now))
        if not finished:
            raise NoData(self._why(symbol, f"daily prices from {start} to {end}"))
        return finished

    def _expiry(self, symbol: str, expiry: date, ticker: Any) -> dict[str, NDArray[Any]]:
        what = f"options of {expiry}"
        with self._asking(symbol, what, ticker):
            answer = ticker.option_chain(expiry.isoformat())
            frames = [f for f in (answer.calls, answer.puts) if f is not None and len(f)]
            parts = [frame_columns(frame, answer.underlying or {}) for frame in frames]
        if not parts:
            raise NoData(self._why(symbol, what))
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    @contextmanager
    def _asking(self, symbol: str, what: str, known: Any = None) -> Iterator[Any]:
        """yfinance's ticker; whatever goes wrong with it becomes one line.

        yfinance raises what its parsing happens to raise, so everything is caught here, and
        what it logs meanwhile is not our user's concern. It has one session a process, so one
        question is asked at a time.
        """
        with _ONE_AT_A_TIME, _quiet():
            ticker = known or self._ticker(symbol)
            self._session.begin()
            try:
                yield ticker
            except NoData:
                raise
            except Exception as error:
                raise NoData(self._why(symbol, what, type(error).__name__)) from None

    def _ticker(self, symbol: str) -> Any:
        import yfinance

        from dollarbill_core.sources.yahoo_http import YahooSession

        if self._session is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            yfinance.set_tz_cache_location(str(self._folder))
            self._session = YahooSession(self._timeout, self._base_url)
        yfinance.data.YfData.cache_get.cache_clear()  # it keeps failures as well
        listed_as = f"^{symbol}" if symbol in _INDICES else symbol
        return yfinance.Ticker(listed_as, session=self._session)

    def _why(self, symbol: str, what: str, error: str = "") -> str:
        reason = self._session.failure or f"an empty answer{error and f' ({error})'}"
        return f"{NAME}: no {what} of {symbol}: {reason}; check the symbol, or try again later"


@contextmanager
def _quiet() -> Iterator[None]:
    filterwarnings("ignore", module=r"yfinance\b")  # restoring filters is not safe in threads
    log = logging.getLogger("yfinance")
    before = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        log.setLevel(before)


def frame_columns(frame: Any, underlying: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """One frame of yfinance's option chain as columns of ``QUOTES``.

    Parameters
    ----------
    frame
        With the columns that ``Yahoo`` names.
    underlying
        Yahoo's quote that came with it: regularMarketPrice in dollars, regularMarketTime in
        seconds since 1970.
    """
    sizes = frame["contractSize"] if "contractSize" in frame else [_REGULAR] * len(frame)
    options = list(map(_option, frame["contractSymbol"], sizes))
    price, at = underlying.get("regularMarketPrice"), underlying.get("regularMarketTime")
    spot = float("nan") if price is None else float(price)
    spot_at = np.datetime64("NaT", "ms") if at is None else _stamp(_instant(at))
    numbers = {
        ours: frame[theirs].to_numpy(np.float64) for ours, theirs in _FRAME_COLUMNS.items()
    }
    return numbers | {
        "root": np.array([option.root if option else "" for option in options]),
        "expiry": np.array([option.expiry if option else None for option in options], "M8[D]"),
        "right": np.array([int(option.right) if option else 0 for option in options], np.int8),
        "underlying": np.full(len(options), spot),
        "underlying_at": np.full(len(options), spot_at),
    }


def daily_prices(frame: Any) -> tuple[DailyPrice, ...]:
    """yfinance's history (``auto_adjust=False``, up to today) as prices that were traded.

    A price before a split is multiplied by it again, exactly; Yahoo's own numbers are single
    precision, so the result is given to a hundredth of a cent. A day whose range does not
    hold its close keeps the close alone.
    """
    days = [instant.date() for instant in frame.index]
    rows = frame.to_dict("records")
    found, factor = [], Fraction(1)
    for day, row in zip(reversed(days), reversed(rows), strict=True):
        found.append(_traded(day, row, factor))
        factor *= _split(row) or 1  # from here back, prices are of fewer shares
    return tuple(reversed(found))


def _traded(day: date, row: Mapping[str, float], factor: Fraction) -> DailyPrice:
    names = ("Close", "Open", "High", "Low", "Dividends")
    close, opened, high, low, dividend = (_dollars(row[name], factor) for name in names)
    if not _holds(close, opened, high, low):
        opened = high = low = None
    shares = None if np.isnan(row["Volume"]) else round(row["Volume"] / factor)
    split = _split(row)
    parts = (split.numerator, split.denominator) if split else (None, None)
    return DailyPrice(day, close, opened, high, low, shares, dividend, *parts)


def _holds(close: Decimal | None, *others: Decimal | None) -> bool:
    """Whether the day's range is there and holds its open and close."""
    opened, high, low = others
    if close is None or opened is None or high is None or low is None:
        return False
    return low <= min(close, opened) and max(close, opened) <= high


def _dollars(price: float, factor: Fraction) -> Decimal | None:
    """A price before its splits; None where there is none.

    >>> _dollars(float(np.float32(23.05607)), Fraction(28))
    Decimal('645.5700')
    """
    if not price > 0:
        return None
    single = np.float32(price)
    text = str(single) if float(single) == price else repr(price)
    return round(Decimal(text) * factor.numerator / factor.denominator, _DECIMALS)


def _split(row: Mapping[str, float]) -> Fraction | None:
    """New shares for old ones; None on a day without a split."""
    ratio = row["Stock Splits"]
    return Fraction(ratio).limit_denominator(_LARGEST_SPLIT) if ratio > 0 else None


def _option(symbol: Any, size: Any) -> Option | None:
    """None is refused as a row where rows are checked: what is unreadable, or not of 100."""
    if isinstance(size, str) and size != _REGULAR:
        return None
    try:
        return Option.from_occ(str(symbol))
    except ValueError:
        return None


def _is_over(day: date, now: datetime) -> bool:
    return is_session(day) and close_instant(day) <= now


def _instant(seconds: Any) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)


def _stamp(instant: datetime) -> np.datetime64:
    return np.datetime64(instant.astimezone(UTC).replace(tzinfo=None), "ms")
