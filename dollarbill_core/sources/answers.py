"""What a server's answer, or the lack of one, means for a download; no secret is in it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:  # requests takes 0.1 s to load: only who downloads pays
    from requests import Response

MOST_REDIRECTS = 5
_MOST_DIGITS = 18  # of a length: more is no file
_PASSING = {408, 425, 429, 500, 502, 503, 504}  # statuses that a later try may not meet


class DownloadFailed(Exception):
    """No file came; one line: host and path, what happened, what to do. No query, no secret."""

    exit_code = 3

    def __init__(self, url: str, what: str, todo: str) -> None:
        super().__init__(f"{place_of(url)}: {what}; {todo}")


class GaveUp(DownloadFailed):
    """No attempt succeeded; ``is_silent`` where not even an answer came from the host."""

    def __init__(self, url: str, what: str, todo: str, *, is_silent: bool) -> None:
        super().__init__(url, what, todo)
        self.what, self.todo, self.is_silent = what, todo, is_silent


class NotThere(DownloadFailed):
    """The server has no such file: 404 or 410."""


class Passing(Exception):
    """What a later attempt may not meet: in words, and after how many seconds if told."""

    def __init__(self, what: str, after: float | None = None) -> None:
        super().__init__(what)
        self.after = after


def place_of(url: str) -> str:
    """Host and path of a URL: what may be shown, without user, password or query.

    >>> place_of("https://me:secret@example.org:8443/data/spy.csv?key=1234")
    'example.org:8443/data/spy.csv'
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return "this address"
    return f"{parts.netloc.rpartition('@')[2]}{parts.path}"


def check_status(url: str, response: "Response", longest_wait: float) -> None:
    """Nothing for 200, 206, 304 and 416; a reason for what else a server may answer.

    Raises
    ------
    Passing
        If a later attempt may fare better.
    DownloadFailed
        Otherwise, and if the server asks for a pause of more than ``longest_wait`` seconds.
    """
    status = response.status_code
    answers = f"the server answers {status}"
    way = [*(each.url for each in response.history), response.url]
    if url.startswith("https:") and not all(each.startswith("https:") for each in way):
        raise DownloadFailed(url, "sends on to an address without encryption", "check it")
    if status in (404, 410):
        raise NotThere(url, f"there is no such file ({status})", "check its name")
    if status in _PASSING:
        after = seconds_told(response.headers.get("Retry-After", ""))
        if after is not None and after > longest_wait:
            raise DownloadFailed(url, answers, f"run the same command in {after:.0f} seconds")
        raise Passing(answers, after)
    if status in (401, 403):
        todo = "it may block this network or want fewer requests: try later or a mirror"
        raise DownloadFailed(url, f"the server refuses us ({status})", todo)
    if status not in (200, 206, 304, 416):
        raise DownloadFailed(url, answers, "check the address")


def raise_if_final(url: str, error: Exception, nothing_came: bool) -> None:
    """Raises DownloadFailed where another attempt would meet the same error."""
    import requests
    from urllib3.exceptions import (
        ConnectTimeoutError,
        LocationParseError,
        NewConnectionError,
    )

    if isinstance(error, requests.TooManyRedirects):
        what = f"sends on and on, more than {MOST_REDIRECTS} times"
        raise DownloadFailed(url, what, "check the address") from None
    if isinstance(error, requests.exceptions.SSLError):
        todo = "check this machine's clock, certificates and proxy"
        raise DownloadFailed(url, "its certificate is not trusted", todo) from None
    if isinstance(error, requests.exceptions.ProxyError):
        todo = "check the proxy settings"
        raise DownloadFailed(url, "the proxy does not let us through", todo) from None
    if isinstance(error, (ValueError, LocationParseError)):
        raise DownloadFailed(url, "is no address to fetch from", "check it") from None
    is_away = isinstance(_reason(error), (NewConnectionError, ConnectTimeoutError))
    if is_away and nothing_came:
        todo = "connect this machine to the network and run the same command again"
        raise GaveUp(url, in_words(error, 0), todo, is_silent=True) from None


def _reason(error: Exception) -> object:
    """What urllib3 says below requests' wrapping."""
    inner = error.args[0] if error.args else None
    return getattr(inner, "reason", None) or inner


def in_words(error: Exception, size: int) -> str:
    """What happened, without the library's text: that may hold an address with a secret."""
    import requests
    from urllib3.exceptions import NameResolutionError, NewConnectionError, ReadTimeoutError

    reason = _reason(error)
    if isinstance(reason, NameResolutionError):
        return "its name cannot be looked up: no network?"
    if isinstance(error, requests.ConnectTimeout):
        return "no connection in time: no network, or the server is down"
    if isinstance(reason, NewConnectionError):
        return "nobody answers there: no network, or the server is down"
    if isinstance(error, (requests.ReadTimeout, ReadTimeoutError)):
        return f"nothing more came after {size:,} bytes"
    return f"the connection broke after {size:,} bytes"


def seconds_told(header: str) -> float | None:
    """``Retry-After``: seconds, or an instant."""
    if (seconds := _count(header)) is not None:
        return float(seconds)
    try:
        instant = parsedate_to_datetime(header).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None
    return max((instant - datetime.now(UTC)).total_seconds(), 0.0)


def validator_of(headers: Mapping[str, str]) -> str | None:
    """What tells this version of the file from another: a strong ETag, else its date.

    None of what comes compressed: a part of it would not go on where ours ends.
    """
    if not is_as_sent(headers):
        return None
    etag = headers.get("ETag", "")
    return etag if etag.startswith('"') else headers.get("Last-Modified")


def is_as_sent(headers: Mapping[str, str]) -> bool:
    return headers.get("Content-Encoding", "identity") == "identity"


def span_of(response: "Response") -> tuple[int, int | None]:
    """The first byte of an answer, and the length of the whole file, None if unknown."""
    first, total = "0", response.headers.get("Content-Length", "")
    if response.status_code == 206:
        span, _, total = response.headers.get("Content-Range", "").partition("/")
        first = span.removeprefix("bytes ").partition("-")[0]
    elif not is_as_sent(response.headers):
        total = ""
    start = _count(first)
    return -1 if start is None else start, _count(total)


def _count(text: str) -> int | None:
    """A number of bytes or seconds; None for what a server should not have sent.

    >>> _count(" 120 "), _count("\N{SUPERSCRIPT TWO}"), _count("9" * 5000), _count("-1")
    (120, None, None, None)
    """
    digits = text.strip()
    is_count = digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS
    return int(digits) if is_count else None
