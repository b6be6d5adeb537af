"""The ledger's tables, and the values that their rows stand for."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from dollarbill_core.desk.records import as_text, event_from_text, from_text
from dollarbill_core.market.chains import Quote
from dollarbill_core.results.nav import NavLine
from dollarbill_core.rules.breaker import Breaker, Reset
from dollarbill_core.rules.limits import Refusal
from dollarbill_core.values.book import Event
from dollarbill_core.values.contracts import Option
from dollarbill_core.values.orders import Candidate, Order, OrderState
from dollarbill_core.values.provenance import Provenance


class RunStatus(StrEnum):
    """How far a session has come: each step is stored before the next begins."""

    STARTED = "started"
    DECIDED = "decided"
    STOPPED = "stopped"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Decision:
    """What a session decided, beside its orders: by which view, and what the gates refused.

    ``reset`` is a person's word given since, on a breaker that stands tripped here; the next
    decision takes it.
    """

    view_hash: str
    breaker: Breaker
    units: Decimal
    refused: tuple[Refusal, ...] = ()
    reset: Reset | None = None

    def with_reset(self, word: Reset) -> "Decision":
        """The same decision with a person's word on its breaker.

        Raises ValueError if the breaker has not tripped, or if a word is waiting already.
        """
        if self.reset is not None:
            raise ValueError(
                f"a reset by {self.reset.by} is waiting already: run the next session"
            )
        self.breaker.reset(by=word.by, at=word.at, why=word.why)
        return replace(self, reset=word)


@dataclass(frozen=True, slots=True)
class Run:
    """One session of one strategy."""

    id: int
    session: date
    strategy_hash: str
    status: RunStatus
    started: datetime
    finished: datetime | None
    provenance: Provenance
    decision: Decision | None
    report: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One stored event: its place, the key that keeps it from being stored twice, its run."""

    seq: int
    key: str
    run: int
    event: Event


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What stood behind an order when it was decided."""

    view_hash: str
    candidates: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """An order, where it stands and why; ``ended_in`` is the run that saw its final state."""

    order: Order
    state: OrderState
    why: str
    run: int
    ended_in: int | None
    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class Close:
    """A session's line of the NAV, and the quotes that the next session may fall back on."""

    line: NavLine
    last_quotes: Mapping[Option, Quote] = field(default_factory=dict)


class Base(DeclarativeBase):
    """Its metadata is what the migrations must arrive at."""


class RunRow(Base):
    __tablename__ = "runs"
    __table_args__ = (sa.UniqueConstraint("session", "strategy_hash", name="uq_runs_session"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    session: Mapped[date]
    strategy_hash: Mapped[str] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(16))
    started: Mapped[str] = mapped_column(String(40))
    finished: Mapped[str | None] = mapped_column(String(40))
    provenance: Mapped[str] = mapped_column(Text)
    decision: Mapped[str | None] = mapped_column(Text)
    report: Mapped[str | None] = mapped_column(Text)

    @property
    def value(self) -> Run:
        return Run(
            id=self.id,
            session=self.session,
            strategy_hash=self.strategy_hash,
            status=RunStatus(self.status),
            started=datetime.fromisoformat(self.started),
            finished=datetime.fromisoformat(self.finished) if self.finished else None,
            provenance=from_text(Provenance, self.provenance),
            decision=from_text(Decision, self.decision) if self.decision else None,
            report=self.report,
        )

    def end(self, status: RunStatus, now: datetime, report: str) -> None:
        self.status, self.finished, self.report = status.value, now.isoformat(), report


class EventRow(Base):
    __tablename__ = "events"
    __table_args__ = (  # AUTOINCREMENT: a sequence number is never used again
        sa.UniqueConstraint("key", name="uq_events_key"),
        {"sqlite_autoincrement": True},
    )

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    run: Mapped[int] = mapped_column(ForeignKey("runs.id"))
    key: Mapped[str] = mapped_column(String(128))
    at: Mapped[str] = mapped_column(String(40))
    kind: Mapped[str] = mapped_column(String(16))
    payload: Mapped[str] = mapped_column(Text)

    @classmethod
    def of(cls, run: int, key: str, event: Event) -> "EventRow":
        at, kind = event.at.isoformat(), type(event).__name__
        return cls(run=run, key=key, at=at, kind=kind, payload=as_text(event))

    @property
    def value(self) -> Entry:
        return Entry(self.seq, self.key, self.run, event_from_text(self.payload))


class OrderRow(Base):
    __tablename__ = "orders"

    client_order_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    run: Mapped[int] = mapped_column(ForeignKey("runs.id"))
    place: Mapped[int]
    state: Mapped[str] = mapped_column(String(16))
    why: Mapped[str] = mapped_column(Text)
    ended_in: Mapped[int | None] = mapped_column(ForeignKey("runs.id"))
    payload: Mapped[str] = mapped_column(Text)
    decision: Mapped[str] = mapped_column(Text)

    @classmethod
    def intended(cls, run: int, place: int, order: Order, snapshot: Snapshot) -> "OrderRow":
        return cls(
            client_order_id=order.client_order_id,
            run=run,
            place=place,
            state=OrderState.INTENDED.value,
            why="",
            payload=as_text(order),
            decision=as_text(snapshot),
        )

    @property
    def value(self) -> StoredOrder:
        return StoredOrder(
            order=from_text(Order, self.payload),
            state=OrderState(self.state),
            why=self.why,
            run=self.run,
            ended_in=self.ended_in,
            snapshot=from_text(Snapshot, self.decision),
        )


class MarkRow(Base):
    __tablename__ = "marks"

    session: Mapped[date] = mapped_column(primary_key=True)
    run: Mapped[int] = mapped_column(ForeignKey("runs.id"))
    nav: Mapped[str] = mapped_column(String(40))
    cash: Mapped[str] = mapped_column(String(40))
    market_value: Mapped[str] = mapped_column(String(40))
    maintenance: Mapped[str] = mapped_column(String(40))
    free: Mapped[str] = mapped_column(String(40))
    payload: Mapped[str] = mapped_column(Text)

    @classmethod
    def of(cls, run: int, close: Close) -> "MarkRow":
        line = close.line
        return cls(
            session=line.day,
            run=run,
            nav=str(line.nav),
            cash=str(line.cash),
            market_value=str(line.market_value),
            maintenance=str(line.maintenance),
            free=str(line.free),
            payload=as_text(close),
        )

    @property
    def value(self) -> Close:
        return from_text(Close, self.payload)
