"""How Yahoo is asked: yfinance's requests, each in time, with the reason when one fails."""

import time
from typing import Any
from urllib.parse import urlsplit

from curl_cffi.requests import Session
from curl_cffi.requests.exceptions import RequestException, Timeout

_CALL_TIMEOUTS = 4  # a call is cookie, crumb, question and once again: so many timeouts at most


class YahooSession(Session):  # type: ignore[type-arg]  # of curl_cffi's own responses
    """The session that yfinance is given: it looks like a browser, and it ends.

    yfinance turns most failures into empty frames; ``failure`` says what really happened to
    the last request, empty where it succeeded.

    Parameters
    ----------
    timeout
        Seconds for one whole answer.
    base_url
        Every host's requests go there instead, as ``base_url/host/path``; empty for Yahoo.
    """

    def __init__(self, timeout: float, base_url: str = "") -> None:
        super().__init__(impersonate="chrome")
        self.failure = ""
        self._timeout = timeout
        self._base_url = base_url
        self._ends = float("inf")

    def begin(self) -> None:
        """Starts the time of one call, which may take several requests."""
        self.failure = ""
        self._ends = time.monotonic() + _CALL_TIMEOUTS * self._timeout

    def request(self, method: Any, url: str, *args: Any, **kwargs: Any) -> Any:
        """One request, never longer than the timeout or what is left of the call."""
        left = min(self._timeout, self._ends - time.monotonic())
        if left <= 0:
            raise Timeout("the time of this call is over")
        try:
            answer = super().request(
                method, self._address(url), *args, **(kwargs | {"timeout": left})
            )
        except RequestException as error:
            late = isinstance(error, Timeout)
            self.failure = (
                f"no whole answer within {self._timeout:g} s"
                if late
                else f"cannot be reached ({type(error).__name__}); check the network"
            )
            raise
        # Of the last request only: the page that sets the cookie answers 404 on a good day.
        refused = answer.status_code >= 400
        self.failure = f"refused with {answer.status_code}" if refused else ""
        return answer

    def _address(self, url: str) -> str:
        if not self._base_url:
            return url
        parts = urlsplit(url)
        query = f"?{parts.query}" if parts.query else ""
        return f"{self._base_url}/{parts.netloc}{parts.path}{query}"
