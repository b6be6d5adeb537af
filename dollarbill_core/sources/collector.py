"""Today's chains of the watch-list, stored shortly before the close; a gap is written down.

Quotes that are not taken today cannot be bought back. ``dollarbill data snapshot`` is safe to
call at any time and any number of times: outside the last minutes before a close it takes
nothing, and what it has taken today it does not take again. With cron:

    CRON_TZ=America/New_York
    45-59/5 12,15 * * 1-5  dollarbill data snapshot

asks three times before a close at 16:00 and three times before an early one at 13:00.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dollarbill_core.formats.rows import quote_rows
from dollarbill_core.sources import alpaca_quotes, yahoo
from dollarbill_core.sources.spots import NoData, SpotSource, spot
from dollarbill_core.storage.changes import StoreBusy
from dollarbill_core.storage.gaps import PATIENCE, Gap, collected, filled, opened, write_down
from dollarbill_core.storage.schema import GAPS, QUOTES
from dollarbill_core.storage.settings import Settings, keys
from dollarbill_core.storage.store import Store
from dollarbill_core.values.calendars import (
    MARKET_ZONE,
    close_instant,
    is_session,
    next_session,
)
from dollarbill_core.values.contracts import CASH_SETTLED_ROOTS

MINUTES = 15.0  # before the close
TRIES = 3
PAUSE = 20.0  # seconds between tries
LIVE_SOURCES = (yahoo.NAME, *alpaca_quotes.NAMES.values())
_LONGEST_REASON = 300  # characters
_log = logging.getLogger(__name__)


class Timing(StrEnum):
    """Where a moment lies in the day."""

    CLOSED = "no session"
    EARLY = "too early"
    DUE = "due"
    LATE = "after the close"


@dataclass(frozen=True, slots=True)
class Due:
    """Whether a snapshot is due: ``day`` is New York's, the instants those of its session.

    On a day without a session ``starts`` and ``closes`` are those of the next one.
    """

    timing: Timing
    day: date
    starts: datetime
    closes: datetime

    @property
    def sentence(self) -> str:
        """What is to be done now, and when it will be otherwise."""
        window = f"{self.starts:%a %Y-%m-%d %H:%M} to {self.closes:%H:%M} in New York"
        return {
            Timing.CLOSED: f"no session on {self.day:%A %Y-%m-%d}: next on {window}",
            Timing.EARLY: f"too early: chains are taken on {window}",
            Timing.DUE: f"chains are taken now, on {window}",
            Timing.LATE: f"too late for {self.day}: chains were due on {window}",
        }[self.timing]


def due(now: datetime, minutes: float = MINUTES) -> Due:
    """Whether ``now`` lies in the last ``minutes`` of a session, early closes included.

    >>> for text in ("27 12:44", "27 12:45", "27 13:00", "28 12:45"):
    ...     due(datetime.strptime(f"2026-11-{text}-0500", "%Y-%m-%d %H:%M%z")).timing.value
    'too early'
    'due'
    'after the close'
    'no session'
    """
    day = now.astimezone(MARKET_ZONE).date()
    session = day if is_session(day) else next_session(day)
    closes = close_instant(session)
    starts = closes - timedelta(minutes=minutes)
    if session != day:
        timing = Timing.CLOSED
    elif now < starts:
        timing = Timing.EARLY
    else:
        timing = Timing.DUE if now < closes else Timing.LATE
    return Due(timing, day, starts, closes)


class ChainSource(Protocol):
    """Who can be asked for a whole chain."""

    @property
    def name(self) -> str: ...

    def chain(self, symbol: str, now: datetime) -> Mapping[str, NDArray[Any]]:
        """Columns for ``rows.quote_rows``; ``NoData`` where there is no whole chain."""
        ...


@dataclass(frozen=True, slots=True)
class Taken:
    """A chain that was stored: so many rows, and so many that were refused."""

    symbol: str
    rows: int
    refused: int = 0


@dataclass(frozen=True, slots=True)
class SnapshotReport:
    """What one run found, took, and could not take.

    ``already`` were taken earlier today; ``gaps`` are those this run wrote down.
    """

    due: Due
    taken: tuple[Taken, ...] = ()
    already: tuple[str, ...] = ()
    gaps: tuple[Gap, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 if all is stored or there was nothing to do, 3 if something is missing."""
        return 3 if self.gaps else 0

    def sentences(self) -> tuple[str, ...]:
        """One line each for a person: the time, what was stored, what is missing."""
        lines = [self.due.sentence]
        for each in self.taken:
            refused = f", {each.refused} refused" if each.refused else ""
            lines.append(f"{each.symbol}: {each.rows} quotes stored{refused}")
        if self.already:
            lines.append(f"{', '.join(self.already)}: taken earlier today")
        lines += [f"{gap.symbol}: missing on {gap.day}: {gap.why}" for gap in self.gaps]
        return tuple(lines)


def live_sources(
    settings: Settings, environment: Mapping[str, str] | None = None
) -> tuple["alpaca_quotes.Alpaca | yahoo.Yahoo", ...]:
    """Who can be asked now, the better first: Alpaca where its keys are set, then Yahoo."""
    there = keys(environment)
    found: list[alpaca_quotes.Alpaca | yahoo.Yahoo] = []
    if there["ALPACA_API_KEY"] and there["ALPACA_SECRET_KEY"]:
        found.append(alpaca_quotes.Alpaca(settings.option_feed, environment=environment))
    return (*found, yahoo.Yahoo(settings.home / "yfinance"))


def snapshot(
    symbols: Sequence[str],
    store: Store,
    sources: Sequence[ChainSource],
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    minutes: float = MINUTES,
    spots: Sequence[SpotSource] = (),
    tries: int = TRIES,
    pause: float = PAUSE,
    sleep: Callable[[float], None] = time.sleep,
) -> SnapshotReport:
    """Store today's chain of each symbol if the time has come, and write down what is missing.

    Each symbol is one commit: a chain is in the store whole or not at all, as of the moment
    when all of it was there, and of standard contracts alone. One that fails is
    asked for again while the market is open; what then is missing is a gap with its reason,
    as are sessions since the last snapshot on which nothing ran. A chain that arrives after
    the close is a gap too. A gap that a later run of the same day fills is taken back.

    Parameters
    ----------
    sources
        Who is asked for a chain, in this order, until one has it whole.
    clock
        The time, with a zone; it moves on while chains are fetched.
    minutes
        Before the close, the time in which chains are taken.
    spots
        Who is asked for the underlying's price where none comes with the chain.
    tries, pause
        How often a symbol is asked for, and the seconds between.
    """
    now = clock()
    today = due(now, minutes)
    seen = collected(store, symbols, LIVE_SOURCES, today.day)
    missed = [(day, each) for each in symbols for day in seen[each].missed(today.day)]
    gaps = [Gap(day, symbol, "no snapshot ran on that day") for day, symbol in missed]
    already = [symbol for symbol in symbols if today.day in seen[symbol].taken]
    wanted = [symbol for symbol in symbols if symbol not in already]
    run = _Run(store, sources, spots, clock, sleep, today)
    if today.timing is Timing.DUE:
        failed = run.take(wanted, tries, pause)
        gaps += [Gap(today.day, symbol, why) for symbol, why in failed.items()]
    elif today.timing is Timing.LATE:
        why = f"nothing ran before the close; this run began at {_clock(now)}"
        late = [symbol for symbol in wanted if today.day not in seen[symbol].gaps]
        gaps += [Gap(today.day, symbol, why) for symbol in late]
    write_down(store, gaps, clock(), sleep)
    return SnapshotReport(today, tuple(run.taken), (*already, *run.already), tuple(gaps))


@dataclass(frozen=True, slots=True)
class _Chain:
    """A chain that is on its way into the store."""

    symbol: str
    rows: pa.Table
    refused: int


@dataclass(slots=True)
class _Run:
    """One run's way through the symbols."""

    store: Store
    sources: Sequence[ChainSource]
    spots: Sequence[SpotSource]
    clock: Callable[[], datetime]
    sleep: Callable[[float], None]
    due: Due
    taken: list[Taken] = field(default_factory=list)
    already: list[str] = field(default_factory=list)
    _waiting: list[_Chain] = field(default_factory=list)

    def take(self, wanted: Sequence[str], tries: int, pause: float) -> dict[str, str]:
        """Take all that is wanted; the reasons of those that failed to the last.

        A chain that is there is stored at once, unless somebody else is changing the store:
        then it waits until all chains are there, and then for the store.
        """
        failed = self._each(wanted, self._fetch_and_store)
        for _ in range(tries - 1):
            if not failed or self.clock() + timedelta(seconds=pause) >= self.due.closes:
                break
            self.sleep(pause)
            failed = self._each(list(failed), self._fetch_and_store)
        waiting = {chain.symbol: chain for chain in self._waiting}
        return failed | self._each(list(waiting), lambda each: self._store(waiting[each]))

    def _each(self, symbols: Sequence[str], effect: Callable[[str], None]) -> dict[str, str]:
        failed = {}
        for symbol in symbols:
            try:
                effect(symbol)
            except Exception as error:  # one symbol's failure is not the others'
                failed[symbol] = _reason(error)
        return failed

    def _fetch_and_store(self, symbol: str) -> None:
        chain = self._fetched(symbol)
        try:
            self._store(chain, patience=0.0)
        except StoreBusy:
            self._waiting.append(chain)

    def _fetched(self, symbol: str) -> _Chain:
        """The chain of the first that has it; without one, what each of them said."""
        said = []
        for source in self.sources:
            self._demand_open(self.clock())
            try:
                return self._fetched_from(source, symbol)
            except Exception as error:  # one source's failure is not the others'
                said.append(_reason(error))
        raise NoData("; ".join(said))

    def _fetched_from(self, source: ChainSource, symbol: str) -> _Chain:
        now = self.clock()
        columns = self._with_spot(symbol, source.chain(symbol, now), now)
        there = self.clock()
        self._demand_open(there)
        # Quoted when all was there, which takes some seconds: nobody knew it any earlier.
        known = np.full(len(columns["right"]), _stamp(there))
        rows = quote_rows({**columns, "quoted_at": known}, source.name)
        found = rows.tables.get(symbol, QUOTES.schema.empty_table())
        plain = found.filter(pc.is_in(found["root"], pa.array(_roots(symbol))))
        if not pc.any(pc.greater(plain["ask"], 0)).as_py():
            raise NoData(f"{source.name}: no contract of {symbol} has an ask")
        return _Chain(symbol, plain, len(rows.faults) + found.num_rows - plain.num_rows)

    def _store(self, chain: _Chain, patience: float = PATIENCE) -> None:
        """One commit: the chain, and the gap that it fills taken back."""
        day, symbol = self.due.day, chain.symbol
        with opened(self.store, "snapshot", self.sleep, patience) as change:
            self.store.refresh()  # another run may have been faster
            seen = collected(self.store, [symbol], LIVE_SOURCES, day)[symbol]
            if day in seen.taken:
                self.already.append(symbol)
                return
            change.add(QUOTES, symbol, chain.rows)
            if day in seen.gaps:
                change.add(GAPS, "", filled(day, symbol, self.clock()))
            change.commit()
        self.taken.append(Taken(symbol, chain.rows.num_rows, chain.refused))

    def _demand_open(self, now: datetime) -> None:
        if now >= self.due.closes:
            raise NoData(f"the market closed before the chain was there, {_clock(now)}")

    def _with_spot(
        self, symbol: str, columns: Mapping[str, NDArray[Any]], now: datetime
    ) -> Mapping[str, NDArray[Any]]:
        """The columns with a price of the underlying, if anybody has one."""
        size = len(columns["right"])
        if not self.spots or not np.isnan(columns.get("underlying", np.full(1, np.nan))).all():
            return columns
        try:
            found = spot(symbol, self.spots, now)
        except NoData as error:
            _log.info("%s", error)  # the chain tells its forward by parity
            return columns
        at = np.full(size, _stamp(found.at))
        own = {"underlying": np.full(size, found.price), "underlying_at": at}
        return {**columns, **own}


def _roots(symbol: str) -> list[str]:
    """The roots of standard contracts: not SPY1 or SPY7, which are adjusted or small.

    >>> _roots("SPY"), _roots("SPX")
    (['SPY'], ['SPX', 'SPXW', 'SPXPM'])
    """
    index = [root for root, each in CASH_SETTLED_ROOTS.items() if each == symbol]
    return index or [symbol]


def _stamp(instant: datetime) -> np.datetime64:
    return np.datetime64(instant.astimezone(UTC).replace(tzinfo=None), "ms")


def _reason(error: Exception) -> str:
    """One line; a failure that nobody foresaw keeps its traceback in the log."""
    text = " ".join(str(error).split())
    if not hasattr(error, "exit_code"):
        _log.error("an unforeseen failure of the collector", exc_info=error)
        text = f"{type(error).__name__}: {text}"
    return text[:_LONGEST_REASON] or type(error).__name__


def _clock(instant: datetime) -> str:
    return f"{instant.astimezone(MARKET_ZONE):%H:%M:%S} in New York"
