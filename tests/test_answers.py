"""A server's answers: pauses in both styles, versions, spans, and no secret in a message."""

import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import requests

from dollarbill_core.sources.answers import (
    DownloadFailed,
    GaveUp,
    Passing,
    check_status,
    place_of,
    raise_if_final,
    seconds_told,
    span_of,
    validator_of,
)

URL = "https://me:hunter2@example.org/data/spy.csv?key=4711"


def answer(status: int = 200, url: str = URL, **headers: str) -> requests.Response:
    made = requests.Response()
    made.status_code, made.url = status, url
    made.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return made


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("", None),
        ("-3", None),
        ("²", None),
        ("9" * 5000, None),
        ("Fri, 31 Dec 9999 23:59:59 -1200", None),
        ("soon", None),
    ],
)
def test_a_pause_is_seconds_or_an_instant(header, seconds):
    assert seconds_told(header) == seconds


def test_an_instant_ahead_is_so_many_seconds_from_now():
    ahead = datetime.now(UTC) + timedelta(seconds=60)

    told = seconds_told(format_datetime(ahead, usegmt=True))

    assert told is not None
    assert 57 < told <= 60


@pytest.mark.parametrize(
    ("headers", "validator"),
    [
        ({"ETag": '"abc"', "Last-Modified": "yesterday"}, '"abc"'),
        ({"ETag": 'W/"abc"', "Last-Modified": "yesterday"}, "yesterday"),
        ({"ETag": 'W/"abc"'}, None),
        ({}, None),
        ({"ETag": '"abc"', "Content-Encoding": "gzip"}, None),
    ],
)
def test_only_a_strong_tag_or_a_date_tells_a_version(headers, validator):
    assert validator_of(headers) == validator


@pytest.mark.parametrize(
    ("response", "span"),
    [
        (answer(Content_Length="10"), (0, 10)),
        (answer(), (0, None)),
        (answer(Content_Length="10", Content_Encoding="gzip"), (0, None)),
        (answer(206, Content_Range="bytes 5-9/10"), (5, 10)),
        (answer(206, Content_Range="bytes 5-9/*"), (5, None)),
        (answer(206), (-1, None)),
    ],
)
def test_a_span_says_where_it_begins_and_how_long_the_whole_is(response, span):
    assert span_of(response) == span


@pytest.mark.parametrize("status", [200, 206, 304, 416])
def test_what_can_be_used_passes(status):
    assert check_status(URL, answer(status), 60.0) is None


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_passes_by_itself_is_tried_again(status):
    with pytest.raises(Passing, match=str(status)) as told:
        check_status(URL, answer(status, Retry_After="7"), 60.0)

    assert told.value.after == 7.0


@pytest.mark.parametrize(
    ("response", "why"),
    [
        (answer(404), "no such file"),
        (answer(403), "refuses us"),
        (answer(451), "answers 451"),
        (answer(429, Retry_After="90"), "in 90 seconds"),
        (answer(url="http://example.org/data"), "without encryption"),
    ],
)
def test_what_stays_is_told_with_the_place_and_no_secret(response, why):
    with pytest.raises(DownloadFailed, match=why) as told:
        check_status(URL, response, 60.0)

    assert str(told.value).startswith("example.org/data/spy.csv: ")
    assert "hunter2" not in str(told.value)
    assert "4711" not in str(told.value)


def test_a_host_that_went_away_in_the_middle_is_waited_for_and_at_the_start_is_not():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}/spy"
        with pytest.raises(requests.ConnectionError) as refused:
            requests.get(url, timeout=30, proxies={"http": ""})

    raise_if_final(url, refused.value, nothing_came=False)
    with pytest.raises(GaveUp, match="nobody answers there") as told:
        raise_if_final(url, refused.value, nothing_came=True)
    assert told.value.is_silent


def test_a_way_that_leaves_encryption_and_comes_back_is_refused():
    ended = answer(url="https://example.org/data")
    ended.history = [answer(302), answer(302, url="http://example.org/data")]

    with pytest.raises(DownloadFailed, match="without encryption"):
        check_status(URL, ended, 60.0)


def test_what_is_no_address_is_not_shown_at_all():
    assert place_of("http://me:hunter2@[half/spy") == "this address"
