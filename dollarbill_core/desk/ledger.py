"""The stored history: events, orders, runs and marks; it stores, it does not account."""

import fcntl
import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from dollarbill_core.desk.records import as_text
from dollarbill_core.desk.tables import (
    Base,
    Close,
    Decision,
    Entry,
    EventRow,
    MarkRow,
    OrderRow,
    Run,
    RunRow,
    RunStatus,
    Snapshot,
    StoredOrder,
)
from dollarbill_core.rules.breaker import Reset
from dollarbill_core.values.book import Book, Event
from dollarbill_core.values.orders import Order, OrderState
from dollarbill_core.values.provenance import Provenance

MEMORY = "sqlite://"  # a ledger that is gone with its process
_MIGRATIONS = Path(__file__).parent / "migrations"
_ENDS = {state for state in OrderState if state.is_final}
_MAY_BECOME = {
    OrderState.INTENDED: {OrderState.WORKING, OrderState.UNKNOWN} | _ENDS,
    OrderState.UNKNOWN: {OrderState.WORKING} | _ENDS,
    OrderState.WORKING: _ENDS,
    **{state: set[OrderState]() for state in _ENDS},
}
_LAST_DECIDED = (
    sa.select(RunRow).where(RunRow.decision.is_not(None)).order_by(RunRow.id.desc()).limit(1)
)
Row = TypeVar("Row", bound=Base)


class LedgerError(ValueError):
    """A ledger that cannot be used as asked; the message is one line for the user."""


class LedgerTooNew(LedgerError):
    """Written by a later version of DollarBill than this one."""


class NotALedger(LedgerError):
    """A file or database that holds something else, or is damaged."""


class LedgerMismatch(LedgerError):
    """The ledger was kept under another strategy, other terms or other prices."""


class LedgerLocked(LedgerError):
    """Another session is writing to this ledger."""


class WrongState(LedgerError):
    """An order cannot go from where it stands to there."""


class Ledger:
    """One account's history in a database; every method that writes is one transaction.

    >>> ledger = Ledger.open()
    >>> ledger.book().cash, ledger.runs()
    (Decimal('0'), ())
    >>> ledger.close()
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._entries: list[Entry] = []
        self._book = Book()
        self._in_this_process = threading.Lock()
        weakref.finalize(self, engine.dispose)

    @classmethod
    def open(cls, where: str | Path = MEMORY) -> "Ledger":
        """The ledger at a path or database URL, created or brought up to date.

        Raises
        ------
        LedgerTooNew
            If a later version of DollarBill has written it.
        NotALedger
            If there is something else, or it is damaged.
        """
        ledger = cls(_engine(where))
        try:
            ledger._bring_up_to_date()
        except sa.exc.DatabaseError as error:
            ledger.close()
            raise NotALedger(
                f"{where} is no readable ledger ({error.orig}): name another file, "
                "or restore it from a copy"
            ) from error
        except LedgerError:
            ledger.close()
            raise
        return ledger

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def path(self) -> Path | None:
        """The file that holds it, if a file does."""
        name = self._engine.url.database
        return Path(name) if self._engine.dialect.name == "sqlite" and name else None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else writes meanwhile. The lock ends with the process that holds it.

        Raises
        ------
        LedgerLocked
            At once, if another session holds the ledger.
        """
        busy = f"another session is writing to {self.path or 'this ledger'}: wait until it ends"
        if self.path is None:
            if not self._in_this_process.acquire(blocking=False):
                raise LedgerLocked(busy)
            try:
                yield
            finally:
                self._in_this_process.release()
            return
        with self.path.with_name(self.path.name + ".lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise LedgerLocked(busy) from None
            yield

    def entries(self, run: int | None = None) -> tuple[Entry, ...]:
        """Stored events in the order they were booked, of one run or of all."""
        self._read_on()
        return tuple(each for each in self._entries if run is None or each.run == run)

    def events(self, run: int | None = None) -> tuple[Event, ...]:
        """The events alone."""
        return tuple(entry.event for entry in self.entries(run))

    def book(self, opening: Book | None = None) -> Book:
        """What we own: every stored event replayed from an opening book."""
        if opening is not None:
            return opening.after_all(self.events())
        self._read_on()
        return self._book

    def _read_on(self) -> None:
        """Read what was booked since the last look; what is booked never changes."""
        last = self._entries[-1].seq if self._entries else 0
        query = sa.select(EventRow).where(EventRow.seq > last).order_by(EventRow.seq)
        fresh = [row.value for row in self._rows(query)]
        self._book = self._book.after_all(entry.event for entry in fresh)
        self._entries += fresh

    def cursor(self) -> str:
        """The key of the last stored event, from where a broker is asked for more."""
        entries = self.entries()
        return entries[-1].key if entries else ""

    def runs(self) -> tuple[Run, ...]:
        """Every run, in the order begun."""
        return tuple(row.value for row in self._rows(sa.select(RunRow).order_by(RunRow.id)))

    def run(self, session: date, strategy_hash: str) -> Run | None:
        """The run of a strategy on a session, or None."""
        query = sa.select(RunRow).where(
            RunRow.session == session, RunRow.strategy_hash == strategy_hash
        )
        return next((row.value for row in self._rows(query)), None)

    def last_decision(self) -> Decision | None:
        """The decision of the latest run that came so far."""
        return next((row.value.decision for row in self._rows(_LAST_DECIDED)), None)

    def orders(self, *states: OrderState) -> tuple[StoredOrder, ...]:
        """Orders in the order decided: those in these states, or all."""
        query = sa.select(OrderRow).order_by(OrderRow.run, OrderRow.place)
        if states:
            query = query.where(OrderRow.state.in_([state.value for state in states]))
        return tuple(row.value for row in self._rows(query))

    def closes(self) -> tuple[Close, ...]:
        """Every session's mark, by date."""
        rows = self._rows(sa.select(MarkRow).order_by(MarkRow.session))
        return tuple(row.value for row in rows)

    def last_close(self) -> Close | None:
        """The latest session's mark, or None."""
        rows = self._rows(sa.select(MarkRow).order_by(MarkRow.session.desc()).limit(1))
        return next((row.value for row in rows), None)

    def begin(
        self, session: date, strategy_hash: str, now: datetime, source: Provenance
    ) -> Run:
        """The run of this session: the one begun earlier, or a new one."""
        found = self.run(session, strategy_hash)
        if found is None:
            with self._transaction() as db:
                db.add(
                    RunRow(
                        session=session,
                        strategy_hash=strategy_hash,
                        status=RunStatus.STARTED.value,
                        started=now.isoformat(),
                        provenance=as_text(source),
                    )
                )
            found = self.run(session, strategy_hash)
            assert found is not None
        return found

    def record(self, run: int, keyed: Iterable[tuple[str, Event]]) -> None:
        """Store events under their keys; those stored before are passed over.

        Raises
        ------
        LedgerError
            If a key comes again with another event.
        WrongEvent
            If an event cannot have happened to the book; then none is stored.
        """
        stored = {entry.key: entry.event for entry in self.entries()}
        fresh: dict[str, Event] = {}
        for key, event in keyed:
            known = stored[key] if key in stored else fresh.setdefault(key, event)
            if known != event:
                raise LedgerError(f"event {key} was {known}, now it is {event}")
        self.book().after_all(fresh.values())
        if fresh:
            with self._transaction() as db:
                db.add_all(EventRow.of(run, key, event) for key, event in fresh.items())

    def decide(
        self, run: int, decision: Decision, orders: Sequence[tuple[Order, Snapshot]]
    ) -> None:
        """Write down, before anything is sent, what a session decided and means to send."""
        with self._transaction() as db:
            row = _existing(db, RunRow, run)
            row.status, row.decision = RunStatus.DECIDED.value, as_text(decision)
            db.add_all(
                OrderRow.intended(run, place, order, snapshot)
                for place, (order, snapshot) in enumerate(orders)
            )

    def reset(self, word: Reset) -> None:
        """Write down a person's word on a tripped breaker; the next session takes it.

        Raises ValueError if the breaker has not tripped, or if a word is waiting already.
        """
        decision = self.last_decision()
        if decision is None:
            raise LedgerError("no session has decided yet: there is nothing to reset")
        with self._transaction() as db:
            db.scalars(_LAST_DECIDED).one().decision = as_text(decision.with_reset(word))

    def move(self, run: int, client_order_id: str, state: OrderState, why: str = "") -> None:
        """Write down where an order stands now, and which run has seen it.

        Raises
        ------
        WrongState
            If the order is final already, or would go back.
        """
        with self._transaction() as db:
            row = _existing(db, OrderRow, client_order_id)
            before = OrderState(row.state)
            if before is state:
                return
            if state not in _MAY_BECOME[before]:
                raise WrongState(
                    f"order {client_order_id} is {before}, it cannot become {state}"
                )
            row.state, row.why = state.value, why
            if state.is_final:
                row.ended_in = run

    def stop(self, run: int, now: datetime, report: str) -> None:
        """Write down that a session was broken off; it may be taken up again."""
        with self._transaction() as db:
            _existing(db, RunRow, run).end(RunStatus.STOPPED, now, report)

    def finish(self, run: int, now: datetime, report: str, close: Close) -> None:
        """Mark the session and write down that it is done, both or neither."""
        with self._transaction() as db:
            _existing(db, RunRow, run).end(RunStatus.DONE, now, report)
            db.merge(MarkRow.of(run, close))

    @contextmanager
    def _transaction(self) -> Iterator[Session]:
        """All that is written inside is stored together, or not at all."""
        with Session(self._engine) as db, db.begin():
            yield db

    def _rows(self, query: sa.Select[Any]) -> list[Any]:
        with Session(self._engine) as db:
            return list(db.scalars(query))

    def _bring_up_to_date(self) -> None:
        with self._engine.connect() as connection:
            if self._revision(connection) == _head():
                return
        with self.locked(), self._engine.begin() as connection:
            config = Config(attributes={"connection": connection})
            config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
            config.set_main_option("path_separator", "os")
            command.upgrade(config, "head")

    def _revision(self, connection: sa.Connection) -> str | None:
        """The schema's revision, None for an empty database; refuses what is not ours."""
        revision = MigrationContext.configure(connection).get_current_revision()
        if revision is None and sa.inspect(connection).get_table_names():
            raise NotALedger(f"{self._where} holds something else: name another file")
        if revision is not None and revision not in _revisions():
            if revision.isdecimal() and revision > _head():
                raise LedgerTooNew(
                    f"{self._where} was written by a later version (schema {revision}, "
                    f"this one knows {_head()}): update DollarBill"
                )
            raise NotALedger(f"{self._where} has the unknown schema {revision}")
        return revision

    @property
    def _where(self) -> str:
        return str(self.path or self._engine.url.render_as_string(hide_password=True))


def _existing(db: Session, kind: type[Row], key: object) -> Row:
    row = db.get(kind, key)
    if row is None:
        raise LedgerError(f"the ledger has no {key} in {kind.__tablename__}")
    return row


def _engine(where: str | Path) -> sa.Engine:
    """SQLite for a path; a database in memory lives as long as its one connection."""
    url = str(where)
    if "://" not in url:
        Path(url).expanduser().parent.mkdir(parents=True, exist_ok=True)
        url = f"sqlite:///{Path(url).expanduser()}"
    engine = sa.create_engine(url, poolclass=StaticPool if url == MEMORY else None)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _: object) -> None:
    """Durable and strict; transactions begin where we say, so they hold schema changes too."""
    connection.isolation_level = None
    # The journal's mode is kept in the file: another program's database keeps its own.
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    ours = ["journal_mode = WAL"] if not tables or "runs" in tables else []
    for setting in (*ours, "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {setting}").close()


def _begin_sqlite(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN")


@cache
def _revisions() -> tuple[str, ...]:
    """The schema revisions this version knows, the newest first."""
    script = ScriptDirectory(str(_MIGRATIONS))
    return tuple(revision.revision for revision in script.walk_revisions())


def _head() -> str:
    return _revisions()[0]
