"""A small server on loopback that answers as Yahoo's hosts do, with numbers of our own."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

from dollarbill_core.values.calendars import MARKET_ZONE
from tests.alpaca_server import Asked, Reply, serving


def midnight(day: date) -> int:
    """An expiry as Yahoo writes it: midnight in UTC."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def opening(day: date) -> int:
    """A daily bar's time as Yahoo writes it: the open in New York."""
    return int(datetime(day.year, day.month, day.day, 9, 30, tzinfo=MARKET_ZONE).timestamp())


class YahooServer:
    """Knows symbols by Yahoo's names; ``faults`` replace answers to questions, in order."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.faults: list[Reply] = []
        self.underlying: dict[str, dict[str, Any]] = {}
        self.chains: dict[str, dict[date, list[dict[str, Any]]]] = {}
        self.days: dict[str, list[dict[str, Any]]] = {}
        self.url = ""

    def reply(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        host, _, path = asked.path.strip("/").partition("/")
        if path == "v1/test/getcrumb":
            return Reply(b"a.crumb", headers={"Content-Type": "text/plain"})
        if not host.startswith("query"):
            return Reply(b"<html>a page with cookies</html>", 404)
        if self.faults:
            return self.faults.pop(0)
        symbol = path.rpartition("/")[2].replace("%5E", "^")
        if path.startswith("v7/finance/options/"):
            return self._options(symbol, asked.query.get("date"))
        if path.startswith("v8/finance/chart/"):
            return self._chart(symbol)
        return Reply({"error": "no such path"}, 404)

    def _options(self, symbol: str, wanted: str | None) -> Reply:
        chain = self.chains.get(symbol, {})
        if not chain:
            return Reply({"optionChain": {"result": [], "error": None}})
        dates = {str(midnight(day)): day for day in chain}
        day = dates[wanted] if wanted else min(chain)
        kinds = {"calls": [], "puts": []}
        for contract in chain[day]:
            kinds["calls" if contract["contractSymbol"][-9] == "C" else "puts"].append(contract)
        result = {
            "underlyingSymbol": symbol,
            "expirationDates": sorted(map(int, dates)),
            "quote": self.underlying.get(symbol, {}),
            "options": [{"expirationDate": midnight(day), **kinds}],
        }
        return Reply({"optionChain": {"result": [result], "error": None}})

    def _chart(self, symbol: str) -> Reply:
        if symbol not in self.days:
            error = {
                "code": "Not Found",
                "description": "No data found, symbol may be delisted",
            }
            return Reply({"chart": {"result": None, "error": error}}, 404)
        days, quote = self.days[symbol], self.underlying.get(symbol, {})
        meta = {
            "currency": "USD",
            "symbol": symbol,
            "exchangeTimezoneName": "America/New_York",
            "instrumentType": "EQUITY",
            "validRanges": ["1d", "5d", "1mo", "max"],
            "priceHint": 2,
            "dataGranularity": "1d",
            **quote,
        }
        prices = {
            name: [day[name] for day in days]
            for name in ("open", "high", "low", "close", "volume")
        }
        stamps = [opening(day["day"]) for day in days]
        dividends = {
            str(opening(day["day"])): {"amount": day["dividend"], "date": opening(day["day"])}
            for day in days
            if "dividend" in day
        }
        splits = {
            str(opening(day["day"])): {
                "date": opening(day["day"]),
                "numerator": day["split"][0],
                "denominator": day["split"][1],
            }
            for day in days
            if "split" in day
        }
        result = {
            "meta": meta,
            "timestamp": stamps,
            "indicators": {"quote": [prices], "adjclose": [{"adjclose": prices["close"]}]},
            "events": {"dividends": dividends, "splits": splits},
        }
        return Reply({"chart": {"result": [result], "error": None}})


def contract(symbol: str, bid: float, ask: float, **more: Any) -> dict[str, Any]:
    """One contract of Yahoo's chain; the strike as the symbol says."""
    return {
        "contractSymbol": symbol,
        "strike": int(symbol[-8:]) / 1000,
        "currency": "USD",
        "lastPrice": ask,
        "bid": bid,
        "ask": ask,
        "impliedVolatility": 0.2,
        "contractSize": "REGULAR",
        "lastTradeDate": 1763400000,
        **more,
    }


def day(when: date, close: float, **more: Any) -> dict[str, Any]:
    prices = {"open": close - 1, "high": close + 2, "low": close - 3, "close": close}
    return {"day": when, **prices, "volume": 1000, **more}


@contextmanager
def yahoo_server() -> Iterator[YahooServer]:
    server = YahooServer()
    with serving(server.reply) as server.url:
        yield server
