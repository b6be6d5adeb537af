"""How Alpaca is asked: in time, within its rate, again where it helps, and without its keys."""

import io
import time
from collections import deque
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3

from dollarbill_core.sources.spots import NoData

REQUESTS_PER_MINUTE = 200  # of a free account; Alpaca's support page, read 2026-11
_TRIES = 4
_BUSY = 429
_PASSING = frozenset({500, 502, 503, 504})  # may be over a moment later
_FIRST_WAIT = 0.5  # seconds before the second try, doubled before each further one
_LONGEST_WAIT = 60.0  # seconds: the rate is counted by the minute
_CHUNK = 1 << 16
_SHOWN = 160  # characters of what Alpaca says


class Limiter:
    """Lets so many requests through in any minute, and has the next one wait.

    Examples
    --------
    >>> times = []
    >>> limiter = Limiter(2, clock=lambda: 10.0 + sum(times), sleep=times.append)
    >>> for _ in range(3):
    ...     limiter.wait()
    >>> times
    [60.0]
    """

    def __init__(
        self,
        per_minute: int = REQUESTS_PER_MINUTE,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if per_minute < 1:
            raise ValueError(f"a rate is at least one request a minute, got {per_minute}")
        self._clock = clock
        self._sleep = sleep
        self._sent: deque[float] = deque(maxlen=per_minute)
        self._turn = Lock()

    def wait(self) -> None:
        """Returns when one more request may be sent, and counts it."""
        with self._turn:
            if len(self._sent) == self._sent.maxlen:
                pause = self._sent[0] + 60.0 - self._clock()
                if pause > 0:
                    self._sleep(pause)
            self._sent.append(self._clock())


class AlpacaSession(requests.Session):
    """What alpaca-py sends its GETs through: alpaca-py itself has no timeout.

    An answer that is not there after ``timeout`` seconds, whether none comes or it drips, is
    an error and not asked for again. 429 and passing failures are asked for again, after the
    wait that Alpaca names or a doubling one.

    Parameters
    ----------
    limiter
        Shared by all sessions of one account.
    timeout
        Seconds for one whole answer.
    secrets
        Texts that never stand in a message.

    Raises
    ------
    NoData
        From every request that did not succeed: one line with its path and the reason.
    """

    def __init__(
        self,
        limiter: Limiter,
        timeout: float,
        secrets: Iterable[str] = (),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__()
        self._limiter = limiter
        self._timeout = timeout
        self._secrets = tuple(secret for secret in secrets if secret)
        self._sleep = sleep
        self._asked: set[str] = set()

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """One request, with what it takes to have an answer; see the class."""
        path = urlsplit(str(request.url)).path
        if str(request.url) in self._asked:  # paging that goes in circles would never end
            raise NoData(f"Alpaca {path}: sends the same page twice; try again later")
        self._asked.add(str(request.url))
        for remaining in reversed(range(_TRIES)):
            response, failure = self._tried(request, path, kwargs)
            if response is not None and response.status_code < 300:
                return response
            if not (remaining and _may_pass(response)):
                break
            self._sleep(_pause(response, _TRIES - 1 - remaining))
        raise NoData(failure or self._refusal(path, response))

    def _tried(
        self, request: requests.PreparedRequest, path: str, kwargs: dict[str, Any]
    ) -> tuple[requests.Response | None, str]:
        """A whole answer, or None and why it could not be had."""
        self._limiter.wait()
        ends = time.monotonic() + self._timeout
        late = f"Alpaca {path}: no whole answer within {self._timeout:g} s; try again later"
        try:
            response = super().send(
                request, **(kwargs | {"timeout": self._timeout, "stream": True})
            )
            response.raw = io.BytesIO(_body(response.raw, ends))
        except (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError):
            raise NoData(late) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            why = f"cannot be reached ({type(error).__name__}); check the network"
            return None, f"Alpaca {path}: {why}, or use the store's quotes"
        return response, ""

    def _refusal(self, path: str, response: requests.Response | None) -> str:
        assert response is not None  # without one there is a failure's own line
        status, said = response.status_code, self._said(response)
        advice = {
            401: "check ALPACA_API_KEY and ALPACA_SECRET_KEY",
            403: 'check the keys; without an OPRA subscription, option_feed = "indicative"',
            404: "check the symbol",
            _BUSY: "ask for less, or wait a minute",
        }.get(status, "try again later" if status >= 500 else "check what was asked for")
        return f"Alpaca {path}: refused with {status}{said and f' ({said})'}; {advice}"

    def _said(self, response: requests.Response) -> str:
        """The message of an error, on one line, short, and without our keys."""
        try:
            body = response.json()
            text = str(body.get("message", "")) if isinstance(body, dict) else ""
        except ValueError:
            return ""  # a page for people
        for secret in self._secrets:
            text = text.replace(secret, "***")
        text = " ".join(text.split())
        return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _body(raw: Any, ends: float) -> bytes:
    """The whole body; TimeoutError where it is not there at ``ends``."""
    parts = []
    try:
        while part := raw.read1(_CHUNK, decode_content=True):
            parts.append(part)
            if time.monotonic() > ends:
                raise TimeoutError
    except BaseException:
        raw.close()  # a connection that stopped half-way is not used again
        raise
    raw.release_conn()
    return b"".join(parts)


def _may_pass(response: requests.Response | None) -> bool:
    return response is None or response.status_code in _PASSING | {_BUSY}


def _pause(response: requests.Response | None, failures: int) -> float:
    """Seconds until the next try: to the start of Alpaca's next minute, or doubling."""
    doubling = _FIRST_WAIT * 2.0**failures
    if response is None or response.status_code != _BUSY:
        return doubling
    try:
        until = float(response.headers["X-RateLimit-Reset"]) - time.time()
    except (KeyError, ValueError):
        return doubling
    return min(max(until, doubling), _LONGEST_WAIT)
