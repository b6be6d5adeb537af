"""Sessions whose chains are missing from the store: written down with the reason, or found."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from dollarbill_core.storage.catalog import Damaged
from dollarbill_core.storage.changes import Change, StoreBusy
from dollarbill_core.storage.schema import GAPS, QUOTES
from dollarbill_core.storage.store import Store
from dollarbill_core.values.calendars import next_session, previous_session, sessions

PATIENCE = 1800.0  # seconds: how long a long import may hold the store
_BUSY_PAUSE = 5.0  # seconds
_LOOK_BACK = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Gap:
    """A session whose chain of ``symbol`` is not there, and why."""

    day: date
    symbol: str
    why: str


@dataclass(frozen=True, slots=True)
class Collected:
    """The days on which a symbol's chain was taken, and those written down as missing."""

    taken: frozenset[date]
    gaps: frozenset[date]

    def missed(self, today: date) -> tuple[date, ...]:
        """Sessions after the last known day and before today; none if no day is known.

        >>> days = frozenset({date(2026, 11, 24)})
        >>> [f"{day:%a %d}" for day in Collected(days, frozenset()).missed(date(2026, 11, 30))]
        ['Wed 25', 'Fri 27']
        """
        known = [day for day in self.taken | self.gaps if day < today]
        if not known:
            return ()
        return sessions(next_session(max(known)), previous_session(today))


def collected(
    store: Store, symbols: Iterable[str], sources: Sequence[str], today: date
) -> dict[str, Collected]:
    """What ``sources`` left of each symbol in the store during the last year.

    A damaged file counts as empty here, so that it costs its own symbol at most.
    """
    since = today - _LOOK_BACK
    try:
        gaps = [gap for gap in open_gaps(store) if gap.day >= since]
    except Damaged:
        gaps = []
    return {
        symbol: Collected(
            frozenset(_taken(store, symbol, sources, {since.year, today.year})),
            frozenset(gap.day for gap in gaps if gap.symbol == symbol),
        )
        for symbol in symbols
    }


def _taken(store: Store, symbol: str, sources: Sequence[str], years: set[int]) -> set[date]:
    days: set[date] = set()
    for year in years & set(store.years(symbol)):
        try:
            rows = store.read(QUOTES, symbol, year, columns=["date", "source"])
        except Damaged:
            continue
        ours = rows.filter(pc.is_in(rows["source"], pa.array(sources, pa.string())))
        days.update(pc.unique(ours["date"]).to_pylist())
    return days


def open_gaps(store: Store) -> tuple[Gap, ...]:
    """Every session that is written down and missing still, by day and symbol."""
    rows = store.read(GAPS, columns=["date", "symbol", "why"]).to_pylist()
    return tuple(Gap(row["date"], row["symbol"], row["why"]) for row in rows if row["why"])


def write_down(
    store: Store,
    gaps: Sequence[Gap],
    now: datetime,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Store gaps; one of the same day and symbol takes the new reason."""
    if not gaps:
        return
    with opened(store, "gaps", sleep) as change:
        rows = [(gap.day, gap.symbol, gap.why) for gap in gaps]
        change.add(GAPS, "", _rows(rows, now))
        change.commit()


def filled(day: date, symbol: str, now: datetime) -> pa.Table:
    """The row of ``GAPS`` that takes a gap back: one without a reason."""
    return _rows([(day, symbol, None)], now)


def opened(
    store: Store,
    name: str,
    sleep: Callable[[float], None] = time.sleep,
    patience: float = PATIENCE,
) -> Change:
    """A change of the store as soon as nobody else is changing it, within ``patience``."""
    for _ in range(int(patience / _BUSY_PAUSE)):
        try:
            return store.change(name)
        except StoreBusy:
            sleep(_BUSY_PAUSE)
    return store.change(name)


def _rows(gaps: Sequence[tuple[date, str, str | None]], now: datetime) -> pa.Table:
    days, symbols, reasons = zip(*gaps, strict=True)
    recorded = [now.astimezone(UTC)] * len(gaps)
    columns: Mapping[str, Sequence[object]] = {
        "date": days,
        "symbol": symbols,
        "why": reasons,
        "recorded_at": recorded,
    }
    return pa.table(dict(columns), schema=GAPS.schema)
