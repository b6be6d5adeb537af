"""A quote is fetched once in five seconds, by one caller, and Redis can only help."""

import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.sources import quote_cache
from dollarbill_core.sources.quote_cache import QuoteCache, why_unserved
from dollarbill_core.storage.settings import SettingsError

SERVER = shutil.which("redis-server")
needs_redis = pytest.mark.skipif(
    SERVER is None and os.environ.get("CI") != "true",
    reason="no Redis here: install Debian's redis-server to test the shared cache",
)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Counter:
    """A source that counts how often it is asked."""

    def __init__(self, wait: float = 0.0) -> None:
        self.asked = 0
        self.wait = wait

    def __call__(self) -> dict[str, int]:
        self.asked += 1
        time.sleep(self.wait)
        return {"asked": self.asked}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def server(running, monkeypatch):
    """A real Redis that is given time to answer, however busy this machine is."""
    monkeypatch.setattr(quote_cache, "_REDIS_TIMEOUT", 30.0)
    return running


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A real Redis of our own, with a password, on a free port; ended by its process."""
    assert SERVER, "CI must have redis-server: .ci/run installs it"
    port, folder = free_port(), tmp_path_factory.mktemp("redis")
    options = f"--port {port} --bind 127.0.0.1 --dir {folder} --requirepass pass-word"
    plain = ["--save", "", "--appendonly", "no"]
    process = subprocess.Popen(
        [SERVER, *options.split(), *plain], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        client = redis.Redis(port=port, password="pass-word")
        for _ in range(600):
            try:
                client.ping()
                break
            except redis.ConnectionError:
                time.sleep(0.05)
        client.ping()
        yield client, f"redis://:pass-word@127.0.0.1:{port}/0"
        client.close()
    finally:
        process.terminate()
        process.wait(10)


def test_a_value_is_served_for_its_seconds_and_not_a_moment_longer():
    clock, source = Clock(), Counter()
    cache = QuoteCache(5.0, clock=clock)

    first = cache.get("SPY", source)
    clock.now += 4.999
    again = cache.get("SPY", source)
    clock.now += 0.001
    fresh = cache.get("SPY", source)

    assert first == again == {"asked": 1}
    assert fresh == {"asked": 2}


def test_the_seconds_count_from_the_end_of_a_slow_fetch():
    clock, cache_calls = Clock(), []
    cache = QuoteCache(5.0, clock=clock)

    def slow() -> int:
        cache_calls.append(1)
        clock.now += 60
        return 1

    cache.get("SPY", slow)
    clock.now += 4
    cache.get("SPY", slow)

    assert len(cache_calls) == 1


def test_keys_do_not_share_values():
    cache = QuoteCache(clock=Clock())

    assert [cache.get(key, lambda key=key: key) for key in ("SPY", "QQQ", "SPY")] == [
        "SPY",
        "QQQ",
        "SPY",
    ]


def test_a_failure_is_the_callers_and_is_not_kept():
    cache, source = QuoteCache(clock=Clock()), Counter()

    def fails() -> None:
        raise LookupError("no quote")

    with pytest.raises(LookupError, match="no quote"):
        cache.get("SPY", fails)

    assert cache.get("SPY", source) == {"asked": 1}


def test_of_many_callers_one_fetches_and_the_others_wait():
    cache, source = QuoteCache(clock=Clock()), Counter(wait=0.2)

    with ThreadPoolExecutor(8) as callers:
        answers = list(callers.map(lambda _: cache.get("SPY", source), range(8)))

    assert answers == [{"asked": 1}] * 8


def test_a_slow_key_does_not_hold_up_another():
    cache, released = QuoteCache(clock=Clock()), threading.Event()

    with ThreadPoolExecutor(1) as caller:
        slow = caller.submit(cache.get, "SPY", lambda: released.wait(10))
        assert cache.get("QQQ", lambda: 1) == 1
        released.set()

        assert slow.result() is True


def test_a_caller_who_changes_what_it_got_changes_nobody_elses():
    cache = QuoteCache(clock=Clock())

    cache.get("SPY", lambda: {"price": 600.0})["price"] = 0.0

    assert cache.get("SPY", lambda: None) == {"price": 600.0}


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.text()
        | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
        ),
    )
)
def test_whatever_json_holds_comes_back_as_it_was(value):
    cache = QuoteCache(clock=Clock())

    assert cache.get("x", lambda: value) == cache.get("x", lambda: "not fetched") == value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"bytes"])
def test_what_json_cannot_hold_is_refused_at_once(value):
    with pytest.raises((TypeError, ValueError)):
        QuoteCache(clock=Clock()).get("x", lambda: value)


def test_seconds_must_be_above_0():
    with pytest.raises(ValueError, match="more than 0 seconds, got 0"):
        QuoteCache(0)


def test_a_wrong_address_is_one_line_without_the_address():
    with pytest.raises(SettingsError, match="DOLLARBILL_REDIS_URL is not an address") as caught:
        QuoteCache(url="http://:pass-word@127.0.0.1:1")

    assert "pass-word" not in str(caught.value) and "\n" not in str(caught.value)


def test_without_redis_nothing_of_it_is_imported():
    code = (
        "import sys; from dollarbill_core.sources.quote_cache import QuoteCache; "
        "QuoteCache().get('x', lambda: 1); print('redis' in sys.modules)"
    )

    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert told.stdout.strip() == "False", told.stderr


def test_a_redis_that_is_down_costs_one_warning_and_no_run(caplog):
    clock, source = Clock(), Counter()
    cache = QuoteCache(url=f"redis://:pass-word@127.0.0.1:{free_port()}/0", clock=clock)

    with caplog.at_level(logging.WARNING):
        answers = [cache.get("SPY", source) for _ in range(3)]
        clock.now += 60  # Redis is asked again, and is still down
        cache.get("SPY", source)

    assert answers == [{"asked": 1}] * 3
    assert source.asked == 2
    assert len(caplog.messages) == 1
    assert "kept in this process only" in caplog.text and "pass-word" not in caplog.text


def test_a_redis_that_hangs_is_asked_once_in_half_a_minute(caplog):
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        url = f"redis://127.0.0.1:{mute.getsockname()[1]}/0"
        cache, started = QuoteCache(url=url, clock=Clock()), time.monotonic()

        for key in range(40):
            cache.get(str(key), lambda: 1)

        assert time.monotonic() - started < 15.0
    assert len(caplog.messages) == 1


@needs_redis
def test_two_processes_share_what_one_fetched(server):
    client, url = server
    client.flushall()
    here, source = QuoteCache(url=url), Counter()
    here.get("spot:SPY", lambda: {"price": 600.25})
    code = (
        "import sys; from dollarbill_core.sources import quote_cache; "
        "quote_cache._REDIS_TIMEOUT = 30.0; "
        "print(quote_cache.QuoteCache(url=sys.argv[1]).get('spot:SPY', lambda: 'fetched'))"
    )

    there = subprocess.run([sys.executable, "-c", code, url], capture_output=True, text=True)

    assert there.stdout.strip() == "{'price': 600.25}", there.stderr
    assert here.get("spot:SPY", source) == {"price": 600.25} and source.asked == 0
    assert client.keys() == [b"dollarbill:quote:spot:SPY"]
    assert json.loads(client.get("dollarbill:quote:spot:SPY")) == {"price": 600.25}


@needs_redis
def test_whether_a_redis_serves_is_told_without_its_address(server):
    _, url = server

    assert why_unserved(url) == ""
    wrong = why_unserved(url.replace("pass-word", "guessed-one"))
    assert wrong.startswith("Redis does not serve (") and "guessed-one" not in wrong


@needs_redis
def test_redis_forgets_when_the_seconds_are_over(server):
    client, url = server
    client.flushall()
    cache, source = QuoteCache(60.0, url=url), Counter()

    cache.get("SPY", source)
    kept_for = client.pttl("dollarbill:quote:SPY")
    again = cache.get("SPY", source)
    client.pexpire("dollarbill:quote:SPY", 1)
    time.sleep(0.05)

    assert 0 < kept_for <= 60_000
    assert again == {"asked": 1}
    assert cache.get("SPY", source) == {"asked": 2}


@needs_redis
def test_what_somebody_else_left_under_our_key_is_fetched_anew(server):
    client, url = server
    for rubbish in (b"\xff\xfe", b"not json", b""):
        client.set("dollarbill:quote:SPY", rubbish)

        assert QuoteCache(url=url).get("SPY", lambda: 1) == 1


@needs_redis
def test_a_wrong_password_falls_back_and_is_not_shown(server, caplog):
    _, url = server
    cache = QuoteCache(url=url.replace("pass-word", "guessed-one"))

    assert cache.get("wrong", lambda: 1) == cache.get("wrong", lambda: 2) == 1
    assert len(caplog.messages) == 1 and "guessed-one" not in caplog.text


@needs_redis
def test_a_redis_that_may_not_store_falls_back_to_this_process(server, caplog):
    client, url = server
    client.flushall()
    client.config_set("maxmemory", 1)
    try:
        cache = QuoteCache(url=url)

        assert cache.get("full", lambda: 1) == cache.get("full", lambda: 2) == 1
    finally:
        client.config_set("maxmemory", 0)
    assert len(caplog.messages) == 1
