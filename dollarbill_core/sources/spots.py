"""What an underlying trades at now: the first of several sources whose price is fresh."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from dollarbill_core.sources.quote_cache import QuoteCache
from dollarbill_core.values.calendars import (
    MARKET_ZONE,
    close_instant,
    open_instant,
    previous_session,
    session_on_or_before,
)

MAX_AGE = 120.0  # seconds
TOLERANCE = 0.005  # of the price: sources further apart than this are told
_AHEAD = timedelta(seconds=5)  # what clocks may differ by


class NoData(Exception):
    """A source has no data, or cannot be reached; one line: which, why, what to do."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class Spot:
    """The price of an underlying: dollars per share, when it was struck, and who says so.

    ``warning`` is a sentence where another source says something else, empty otherwise.
    """

    price: float
    at: datetime
    source: str
    warning: str = ""

    def __post_init__(self) -> None:
        if not 0 < self.price < float("inf"):
            raise ValueError(f"a spot is a price above 0, got {self.price}")
        if self.at.tzinfo is None:
            raise ValueError(f"a spot's time needs a zone, got {self.at}")


class SpotSource(Protocol):
    """Who can be asked for a spot."""

    @property
    def name(self) -> str: ...

    def spot(self, symbol: str, now: datetime) -> Spot:
        """The latest price of ``symbol``, however old; ``NoData`` where there is none."""
        ...


def spot(
    symbol: str,
    sources: Sequence[SpotSource],
    now: datetime,
    *,
    max_age: float = MAX_AGE,
    tolerance: float = TOLERANCE,
    cache: QuoteCache | None = None,
) -> Spot:
    """The price of ``symbol`` from the first source whose price is fresh.

    All sources are asked, at the same time, so that a price on which they differ is told.

    Parameters
    ----------
    sources
        In the order of trust.
    now
        Aware. While the market is closed a price is measured against the last close.
    max_age
        Seconds, beyond which a price is stale.
    tolerance
        A fraction of the price: where a fresh price of another source is further off, the
        answer's ``warning`` says so.
    cache
        Keeps what each source said.

    Raises
    ------
    NoData
        If no source has a fresh price; the line holds the reason of each.
    """
    if not sources:
        raise NoData(f"{symbol}: no source of prices is set up; name Yahoo or Alpaca")
    with ThreadPoolExecutor(len(sources)) as pool:
        answers = list(
            pool.map(lambda each: _asked(each, symbol, now, max_age, cache), sources)
        )
    fresh = [answer for answer in answers if isinstance(answer, Spot)]
    if not fresh:
        reasons = "; ".join(f"{s.name}: {why}" for s, why in zip(sources, answers, strict=True))
        raise NoData(f"{symbol}: no fresh price ({reasons}); try again, or allow an older one")
    return replace(fresh[0], warning=_differences(fresh, tolerance))


def _asked(
    source: SpotSource, symbol: str, now: datetime, max_age: float, cache: QuoteCache | None
) -> Spot | str:
    """A fresh price, or the reason why there is none."""
    try:
        found = _kept(source, symbol, now, cache)
    except NoData as error:
        return str(error)
    if found.at > now + _AHEAD:
        return f"its price is dated {_clock(found.at)}, after now"
    seconds = max(0.0, (_newest_possible(now) - found.at).total_seconds())
    if seconds > max_age:
        return f"its price is {_duration(seconds)} old, more than {_duration(max_age)}"
    return found


def _kept(source: SpotSource, symbol: str, now: datetime, cache: QuoteCache | None) -> Spot:
    if cache is None:
        return source.spot(symbol, now)

    def fetch() -> dict[str, Any]:
        found = source.spot(symbol, now)
        return {"price": found.price, "at": found.at.isoformat(), "source": found.source}

    kept = cache.get(f"spot:{source.name}:{symbol}", fetch)
    return Spot(kept["price"], datetime.fromisoformat(kept["at"]), kept["source"])


def _newest_possible(now: datetime) -> datetime:
    """``now`` while the market is open, else its last close."""
    day = session_on_or_before(now.astimezone(MARKET_ZONE).date())
    if now < open_instant(day):
        day = previous_session(day)
    return min(now, close_instant(day))


def _differences(fresh: Sequence[Spot], tolerance: float) -> str:
    first, others = fresh[0], fresh[1:]
    apart = [
        f"{other.source} says {other.price:.2f}, {other.price / first.price - 1:+.2%}"
        for other in others
        if abs(other.price / first.price - 1) > tolerance
    ]
    if not apart:
        return ""
    return f"{first.source} says {first.price:.2f}, but {' and '.join(apart)}"


def _duration(seconds: float) -> str:
    """
    >>> _duration(75.0), _duration(7_500.0), _duration(200_000.0)
    ('75 s', '2.1 hours', '2.3 days')
    """
    if seconds < 600:
        return f"{seconds:.0f} s"
    return f"{seconds / 3600:.1f} hours" if seconds < 86_400 else f"{seconds / 86_400:.1f} days"


def _clock(instant: datetime) -> str:
    return f"{instant.astimezone(MARKET_ZONE):%Y-%m-%d %H:%M:%S} in New York"
