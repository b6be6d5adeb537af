"""Quotes kept for a few seconds, so that a source is asked once: in process, or in Redis."""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from dollarbill_core.storage.settings import SettingsError

SECONDS = 5.0  # how long a quote is served
_PREFIX = "dollarbill:quote:"
_REDIS_TIMEOUT = 0.5  # seconds: a quote that takes longer is better fetched
_REDIS_REST = 30.0  # seconds without asking a Redis that failed
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Entry:
    """One key in this process: JSON text, when it ends, and who may fetch."""

    text: str = ""
    ends: float = float("-inf")
    fetching: Lock = field(default_factory=Lock)


class QuoteCache:
    """What was fetched a moment ago, by key, for every thread; with Redis for every process.

    Values are what JSON holds (text, finite numbers, lists, dicts with text keys, None) and
    come back as JSON keeps them. An exception while fetching is the caller's and is not kept.
    A Redis that fails costs one warning line and nothing else: this process's own memory
    serves instead, and Redis is asked again half a minute later.

    Parameters
    ----------
    seconds
        How long a value is served after it was fetched, above 0.
    url
        ``redis://...``; empty for this process alone. It may hold a password, so it is never
        printed.
    clock
        Seconds that never go back.

    Raises
    ------
    SettingsError
        If ``url`` is not an address of a Redis.

    Examples
    --------
    >>> ticks = iter([0.0, 0.0, 4.9, 5.1, 5.1])
    >>> cache, prices = QuoteCache(clock=lambda: next(ticks)), iter([600.25, 601.5])
    >>> [cache.get("spot:SPY", lambda: next(prices)) for _ in range(3)]
    [600.25, 600.25, 601.5]
    """

    def __init__(
        self,
        seconds: float = SECONDS,
        *,
        url: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not seconds > 0:
            raise ValueError(f"a quote is kept for more than 0 seconds, got {seconds}")
        self._seconds = seconds
        self._clock = clock
        self._entries: dict[str, _Entry] = {}
        self._guard = Lock()
        self._redis = _client(url) if url else None
        self._redis_from = float("-inf")
        self._warned = False

    def get(self, key: str, fetch: Callable[[], Any]) -> Any:
        """The value of ``key``, fetched if none is fresh; of many callers only one fetches."""
        with self._guard:
            entry = self._entries.setdefault(key, _Entry())
        with entry.fetching:
            text = self._kept(key, entry)
            if text is None:
                text = json.dumps(fetch(), allow_nan=False)
                self._keep(key, entry, text)
        return json.loads(text)

    def _kept(self, key: str, entry: _Entry) -> str | None:
        if self._clock() < entry.ends:
            return entry.text
        return _sound(self._asked(lambda redis: redis.get(_PREFIX + key)))

    def _keep(self, key: str, entry: _Entry, text: str) -> None:
        kept = self._asked(
            lambda redis: redis.set(_PREFIX + key, text, px=max(1, round(self._seconds * 1000)))
        )
        if not kept:  # a value lives in one place, or its time would be counted twice
            entry.text, entry.ends = text, self._clock() + self._seconds

    def _asked(self, question: Callable[[Any], Any]) -> Any:
        """Redis's answer, or None where there is none to ask or it fails."""
        if self._redis is None or self._clock() < self._redis_from:
            return None
        from redis.exceptions import RedisError

        try:
            return question(self._redis)
        except (RedisError, OSError, UnicodeError) as error:  # the last: a host's name
            self._rest(type(error).__name__)
            return None

    def _rest(self, failure: str) -> None:
        self._redis_from = self._clock() + _REDIS_REST
        if not self._warned:
            self._warned = True
            _log.warning(
                "Redis at DOLLARBILL_REDIS_URL does not serve (%s): quotes are kept in this "
                "process only; start it, or unset the variable",
                failure,
            )


def why_unserved(url: str) -> str:
    """Why the Redis at ``url`` keeps no quotes, without its address; empty if it does.

    Asked with the patience of a quote: half a second to connect, half for the answer.
    """
    from redis.exceptions import RedisError

    try:
        with _client(url) as client:
            client.ping()
    except SettingsError as error:
        return str(error)
    except (RedisError, OSError, UnicodeError) as error:
        return f"Redis does not serve ({type(error).__name__})"
    return ""


def _client(url: str) -> Any:
    import redis

    try:
        return redis.Redis.from_url(
            url, socket_timeout=_REDIS_TIMEOUT, socket_connect_timeout=_REDIS_TIMEOUT
        )
    except ValueError:
        raise SettingsError(
            "DOLLARBILL_REDIS_URL is not an address such as redis://127.0.0.1:6379/0"
        ) from None


def _sound(answer: Any) -> str | None:
    """What Redis holds, if it is ours: JSON text."""
    try:
        text = answer.decode("utf-8") if answer is not None else None
        json.loads(text or "")
    except ValueError:
        return None
    return text
