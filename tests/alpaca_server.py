"""A small server on loopback that speaks Alpaca's data and contract APIs, and misbehaves."""

import gzip
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"  # no proxy knows our loopback
KEYS = {"ALPACA_API_KEY": "PKPUBLICPART", "ALPACA_SECRET_KEY": "hidden/secret+part"}


@dataclass
class Asked:
    """One request as the server saw it."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]


@dataclass
class Reply:
    """What is sent: a status, JSON or raw bytes, and how it goes wrong."""

    body: Any = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    wait: float = 0.0  # seconds before the first byte
    drip: float = 0.0  # seconds between bytes
    cut: int = 0  # bytes that are promised and not sent


class AlpacaServer:
    """Pages what it is given; ``faults`` are sent first, one a request."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.faults: list[Reply] = []
        self.chains: dict[str, dict[str, Any]] = {}
        self.quotes: dict[str, Any] = {}
        self.bars: dict[str, list[Any]] = {}
        self.contracts: dict[str, list[Any]] = {}
        self.page_size = 1000
        self.url = ""

    def reply(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        if self.faults:
            return self.faults.pop(0)
        if asked.headers.get("apca-api-secret-key") != KEYS["ALPACA_SECRET_KEY"]:
            return Reply({"message": "unauthorized."}, 401)
        parts = asked.path.strip("/").split("/")
        if asked.path.startswith("/v1beta1/options/snapshots/"):
            chain = self.chains.get(parts[-1], {})
            items, token = self._page(sorted(chain), asked)
            found = {name: chain[name] for name in items}
            return Reply({"snapshots": found, "next_page_token": token})
        if asked.path == "/v2/stocks/quotes/latest":
            wanted = asked.query["symbols"].split(",")
            return Reply({"quotes": {s: self.quotes[s] for s in wanted if s in self.quotes}})
        if asked.path == "/v2/stocks/bars":
            symbol = asked.query["symbols"]
            page, token = self._page(self.bars.get(symbol, []), asked)
            return Reply({"bars": {symbol: page} if page else {}, "next_page_token": token})
        if asked.path == "/v2/options/contracts":
            listed = self.contracts.get(asked.query["underlying_symbols"], [])
            page, token = self._page(listed, asked)
            return Reply({"option_contracts": page, "next_page_token": token})
        return Reply({"message": f"no such path {asked.path}"}, 404)

    def _page(self, items: list[Any], asked: Asked) -> tuple[list[Any], str | None]:
        first = int(asked.query.get("page_token", "0"))
        size = min(self.page_size, int(asked.query.get("limit", "100")))
        more = first + size < len(items)
        return items[first : first + size], str(first + size) if more else None


@contextmanager
def serving(reply: Callable[[Asked], Reply]) -> Iterator[str]:
    """The address of a server that answers every GET and POST with ``reply``."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # or every answer waits 40 ms for the client's ACK

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = reply(Asked(parts.path, dict(parse_qsl(parts.query)), headers))
            try:
                self._send(answer)
            except OSError:
                self.close_connection = True  # whoever asked has gone

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            self.do_GET()

        def _send(self, answer: Reply) -> None:
            over.wait(answer.wait)
            raw = isinstance(answer.body, bytes)
            body = answer.body if raw else gzip.compress(json.dumps(answer.body).encode())
            self.send_response(answer.status)
            if not raw:
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Encoding", "gzip")
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body) + answer.cut))
            self.end_headers()
            for start in range(0, len(body), 1 if answer.drip else len(body) or 1):
                self.wfile.write(body[start : start + (1 if answer.drip else len(body))])
                if answer.drip and over.wait(answer.drip):
                    break
            if answer.cut or answer.drip:
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            """Nothing: tests read what was asked."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        over.set()
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def alpaca_server() -> Iterator[AlpacaServer]:
    server = AlpacaServer()
    with serving(server.reply) as server.url:
        yield server


def quote(bid: float, ask: float, at: str, size: int = 10) -> dict[str, Any]:
    return {
        "ap": ask,
        "as": size,
        "ax": "C",
        "bp": bid,
        "bs": size,
        "bx": "C",
        "c": "A",
        "t": at,
    }


def stock_quote(bid: float, ask: float, at: str) -> dict[str, Any]:
    return quote(bid, ask, at) | {"c": ["R"], "z": "B"}


def bar(at: str, close: float, volume: int = 1000) -> dict[str, Any]:
    prices = {"o": close - 1, "h": close + 2, "l": close - 3, "c": close}
    return prices | {"n": 10, "t": at, "v": volume, "vw": close}


def snapshot(bid: float, ask: float, at: str, **more: Any) -> dict[str, Any]:
    return {"latestQuote": quote(bid, ask, at), **more}
