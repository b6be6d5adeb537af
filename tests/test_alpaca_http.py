"""Alpaca is asked in time, within its rate, again where it helps, and never shows our keys."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.sources.alpaca_http import AlpacaSession, Limiter
from dollarbill_core.sources.spots import NoData
from tests.alpaca_server import KEYS, AlpacaServer, Reply, alpaca_server

PATH = "/v2/stocks/quotes/latest"


@pytest.fixture
def server():
    with alpaca_server() as running:
        running.quotes = {"SPY": {"bp": 1}}
        yield running


class Waits(list):
    """Sleeps that are written down instead of slept."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def ask(server: AlpacaServer, session: AlpacaSession | None = None, **more):
    session = session or AlpacaSession(Limiter(), 30.0, KEYS.values(), Waits())
    headers = {"APCA-API-KEY-ID": "x", "APCA-API-SECRET-KEY": KEYS["ALPACA_SECRET_KEY"]}
    return session.get(server.url + PATH, params={"symbols": "SPY", **more}, headers=headers)


def test_a_good_answer_is_read_whole(server):
    assert ask(server).json() == {"quotes": {"SPY": {"bp": 1}}}


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_passing_failure_is_asked_for_again(server, status):
    waits = Waits()
    server.faults = [Reply(b"<html>oops", status)] * 3

    answer = ask(server, AlpacaSession(Limiter(), 5.0, sleep=waits))

    assert answer.json()["quotes"] and len(server.asked) == 4
    assert waits == [0.5, 1.0, 2.0]


def test_a_failure_that_stays_is_one_line_after_four_tries(server):
    server.faults = [Reply(b"<html>oops", 500)] * 9

    with pytest.raises(NoData) as caught:
        ask(server)

    assert str(caught.value) == f"Alpaca {PATH}: refused with 500; try again later"
    assert len(server.asked) == 4


def test_too_many_requests_waits_for_the_time_that_alpaca_names(server):
    waits = Waits()
    reset = {"X-RateLimit-Reset": str(int(time.time()) + 30)}
    server.faults = [Reply({"message": "too many requests."}, 429, reset)]

    ask(server, AlpacaSession(Limiter(), 5.0, sleep=waits))

    assert len(waits) == 1 and 15 <= waits[0] <= 30


@pytest.mark.parametrize(
    ("reset", "pause"), [("99999999999", 60.0), ("0", 0.5), ("soon", 0.5), (None, 0.5)]
)
def test_a_strange_time_to_wait_for_is_bounded(server, reset, pause):
    waits = Waits()
    server.faults = [Reply(b"", 429, {"X-RateLimit-Reset": reset} if reset else {})]

    ask(server, AlpacaSession(Limiter(), 5.0, sleep=waits))

    assert waits == [pause]


def test_too_many_requests_for_ever_is_one_line(server):
    server.faults = [Reply({"message": "too many requests."}, 429)] * 4

    with pytest.raises(NoData, match=r"429 \(too many requests.\); ask for less, or wait"):
        ask(server)


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (401, "check ALPACA_API_KEY"),
        (403, "OPRA subscription"),
        (404, "check the symbol"),
        (422, "check what was asked for"),
        (302, "check what was asked for"),
    ],
)
def test_a_refusal_is_not_asked_for_again_and_says_what_to_do(server, status, advice):
    server.faults = [Reply({"message": "no"}, status)] * 2

    with pytest.raises(NoData, match=rf"refused with {status} \(no\); .*{advice}"):
        ask(server)

    assert len(server.asked) == 1


def test_a_message_that_repeats_our_keys_is_cleaned_cut_and_put_on_one_line(server):
    public, hidden = KEYS.values()
    said = f"bad pair\n{public} / {hidden} " + "x" * 500
    server.faults = [Reply({"message": said}, 403)]

    with pytest.raises(NoData) as caught:
        ask(server)

    assert public not in str(caught.value) and hidden not in str(caught.value)
    assert "bad pair *** / *** xxx" in str(caught.value)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 320


@pytest.mark.parametrize(
    "fault", [Reply(b"late", wait=30), Reply(b"x" * 2000, drip=0.02)], ids=["mute", "dripping"]
)
def test_a_server_that_hangs_fails_within_the_timeout(server, fault):
    server.faults = [fault] * 2
    started = time.monotonic()

    with pytest.raises(NoData, match=r"no whole answer within 0.3 s; try again later"):
        ask(server, AlpacaSession(Limiter(), 0.3))

    assert time.monotonic() - started < 15.0
    assert len(server.asked) == 1


def test_an_answer_that_breaks_off_is_asked_for_again(server):
    server.faults = [Reply(b'{"quotes": {', cut=100)]

    assert ask(server).json()["quotes"] and len(server.asked) == 2


def test_a_closed_port_is_one_line_that_says_what_to_do():
    with alpaca_server() as gone:
        pass

    with pytest.raises(
        NoData, match=r"cannot be reached \(ConnectionError\); check the network"
    ):
        ask(gone)


def test_paging_that_goes_in_circles_ends(server):
    session = AlpacaSession(Limiter(), 5.0)
    ask(server, session)
    ask(server, session, page_token="1")

    with pytest.raises(NoData, match="sends the same page twice"):
        ask(server, session, page_token="1")


def test_every_try_counts_against_the_rate(server):
    waits = Waits()
    server.faults = [Reply(b"", 500)]

    ask(server, AlpacaSession(Limiter(1, clock=lambda: 0.0, sleep=waits), 5.0, sleep=Waits()))

    assert waits == [60.0]


@given(st.integers(1, 5), st.lists(st.floats(0, 40), min_size=1, max_size=40))
def test_no_minute_holds_more_requests_than_allowed(per_minute, pauses):
    now, sent = [0.0], []

    def sleep(seconds: float) -> None:
        now[0] += seconds

    limiter = Limiter(per_minute, clock=lambda: now[0], sleep=sleep)
    for pause in pauses:
        now[0] += pause
        limiter.wait()
        sent.append(now[0])

    for first, last in zip(sent, sent[per_minute:], strict=False):
        assert last - first >= 60.0 - 1e-9


def test_a_rate_is_at_least_one():
    with pytest.raises(ValueError, match="at least one request a minute, got 0"):
        Limiter(0)
