"""Whatever yfinance asks for, each request ends in time and says why it failed."""

import itertools
import time
from types import SimpleNamespace

import pytest
from curl_cffi.requests.exceptions import RequestException, Timeout

from dollarbill_core.sources import yahoo_http
from dollarbill_core.sources.yahoo_http import YahooSession
from tests.alpaca_server import Asked, Reply, serving


def test_a_host_becomes_the_first_part_of_the_path():
    asked: list[Asked] = []

    def reply(question: Asked) -> Reply:
        asked.append(question)
        return Reply({"good": 1})

    with serving(reply) as url:
        session = YahooSession(5.0, url)
        answer = session.get(
            "https://some.yahoo.com/v7/options/SPY?date=3", params={"crumb": "x"}
        )

    assert answer.json() == {"good": 1} and session.failure == ""
    assert asked[0].path == "/some.yahoo.com/v7/options/SPY"
    assert asked[0].query == {"date": "3", "crumb": "x"}


def test_the_failure_is_that_of_the_last_request():
    statuses = [404, 200, 503]

    with serving(lambda _: Reply(b"", statuses.pop(0))) as url:
        session = YahooSession(5.0, url)
        failures = []
        for _ in range(3):
            session.get("https://yahoo.com/")
            failures.append(session.failure)

    assert failures == ["refused with 404", "", "refused with 503"]


def test_a_request_longer_than_the_timeout_ends_whatever_its_caller_allows():
    with serving(lambda _: Reply(b"", wait=30)) as url:
        session, started = YahooSession(0.2, url), time.monotonic()
        with pytest.raises(Timeout):
            session.get("https://yahoo.com/", timeout=30)

    assert time.monotonic() - started < 15.0
    assert session.failure == "no whole answer within 0.2 s"


def test_a_call_of_many_slow_requests_ends_as_well(monkeypatch):
    seconds = itertools.count(0.0, 30.0)  # which this machine takes for each request
    monkeypatch.setattr(yahoo_http, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    answered = []

    def ask_for_ever(session: YahooSession) -> None:
        for _ in range(20):
            answered.append(session.get("https://yahoo.com/"))

    with serving(lambda _: Reply()) as url:
        session = YahooSession(50.0, url)
        session.begin()  # four times 50 seconds
        with pytest.raises(Timeout, match="the time of this call is over"):
            ask_for_ever(session)

    assert len(answered) == 6


def test_an_address_that_nobody_serves_says_to_check_the_network():
    with serving(lambda _: Reply()) as url:
        pass
    session = YahooSession(5.0, url)

    with pytest.raises(RequestException):
        session.get("https://yahoo.com/")

    assert session.failure == "cannot be reached (ConnectionError); check the network"
