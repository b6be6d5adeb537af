"""The ledger keeps all of it, once, in order, or says in one line why it cannot."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as D
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.dialects import postgresql

from dollarbill_core.desk.ledger import (
    Ledger,
    LedgerError,
    LedgerLocked,
    LedgerTooNew,
    NotALedger,
    WrongState,
)
from dollarbill_core.desk.tables import Base, Close, Decision, RunStatus, Snapshot
from dollarbill_core.market.chains import Quote
from dollarbill_core.results.nav import Mark, NavLine
from dollarbill_core.rules.breaker import Breaker
from dollarbill_core.values.book import Book, Expiry, Fill, Flow, WrongEvent
from dollarbill_core.values.contracts import Leg, Option
from dollarbill_core.values.orders import Candidate, Intent, Order, OrderState, Reason
from dollarbill_core.values.provenance import Provenance, Quotes, Stage

T0 = datetime(2026, 11, 2, 21, tzinfo=UTC)
DAY = T0.date()
PUT = Option.from_occ("SPY261218P00600000")
SOURCE = Provenance("test", Quotes.MODELLED, T0, "0", Stage.REHEARSED)
FLOW = Flow(T0, D(10_000), "capital")
SALE = Fill(T0, "SPY-1", PUT, -1, D("5.10"), "db-1")
DECISION = Decision("v1", Breaker(peak=D("1.5")), D(10_000))
SNAPSHOT = Snapshot("v1", (Candidate(PUT, -0.16, "taken"),))


def order(name="db-1") -> Order:
    return Order(name, "SPY-1", (Leg(PUT, -1),), Intent.OPEN, Reason.ENTRY, T0)


@pytest.fixture
def ledger():
    with Ledger.open() as ledger:
        yield ledger


@pytest.fixture
def run(ledger):
    return ledger.begin(DAY, "abc", T0, SOURCE).id


def close_of(day: date, cash: str = "10510") -> Close:
    line = NavLine(day, D(cash), (Mark(PUT, -1, D("5.2500")),), D(6000), D(4000), 2)
    return Close(line, {PUT: Quote(D("5.20"), D("5.30"), T0)})


def test_events_come_back_in_order_with_their_keys(ledger, run):
    ledger.record(run, [("a", FLOW), ("b", SALE)])

    assert [(e.seq, e.key, e.run, e.event) for e in ledger.entries()] == [
        (1, "a", run, FLOW),
        (2, "b", run, SALE),
    ]
    assert ledger.cursor() == "b"


def test_the_book_is_what_the_events_make_of_an_opening_book(ledger, run):
    ledger.record(run, [("a", FLOW), ("b", SALE)])

    assert ledger.book() == Book().after_all([FLOW, SALE])
    assert ledger.book(Book(D(5))).cash == D(5) + D(10_000) + D(510)


def test_an_event_is_stored_once_however_often_it_comes(ledger, run):
    ledger.record(run, [("a", FLOW)])
    ledger.record(run, [("a", FLOW), ("b", SALE), ("b", SALE)])

    assert ledger.events() == (FLOW, SALE)


def test_the_database_itself_refuses_a_key_twice(ledger, run):
    ledger.record(run, [("a", FLOW)])
    again = "INSERT INTO events (run, key, at, kind, payload) VALUES (1, 'a', '', '', '')"

    with ledger._engine.connect() as db, pytest.raises(sa.exc.IntegrityError):
        db.exec_driver_sql(again)


def test_a_key_that_changes_its_story_is_refused(ledger, run):
    ledger.record(run, [("a", FLOW)])

    with pytest.raises(LedgerError, match="event a was"):
        ledger.record(run, [("a", Flow(T0, D(9), "capital"))])


def test_an_event_that_cannot_have_happened_leaves_nothing(ledger, run):
    with pytest.raises(WrongEvent):
        ledger.record(run, [("a", FLOW), ("b", Expiry(T0, "SPY-1", PUT, -1))])

    assert ledger.entries() == ()


def test_a_run_is_begun_once_for_a_day_and_a_strategy(ledger):
    first = ledger.begin(DAY, "abc", T0, SOURCE)
    again = ledger.begin(DAY, "abc", T0 + timedelta(hours=1), SOURCE)
    other = ledger.begin(DAY, "xyz", T0, SOURCE)

    assert again == first
    assert other.id != first.id
    assert [run.strategy_hash for run in ledger.runs()] == ["abc", "xyz"]
    assert (first.status, first.started, first.provenance) == (RunStatus.STARTED, T0, SOURCE)


def test_a_decision_and_its_orders_are_written_down_together(ledger, run):
    ledger.decide(run, DECISION, [(order("b"), SNAPSHOT), (order("a"), SNAPSHOT)])

    stored = ledger.orders()
    assert [(s.order.client_order_id, s.state) for s in stored] == [
        ("b", OrderState.INTENDED),
        ("a", OrderState.INTENDED),
    ]
    assert stored[0].snapshot == SNAPSHOT
    assert ledger.last_decision() == DECISION
    assert ledger.runs()[0].status is RunStatus.DECIDED


def test_a_decision_with_a_known_order_leaves_nothing(ledger, run):
    ledger.decide(run, DECISION, [(order("a"), SNAPSHOT)])
    other = ledger.begin(DAY, "xyz", T0, SOURCE).id

    with pytest.raises(sa.exc.IntegrityError):
        ledger.decide(other, DECISION, [(order("b"), SNAPSHOT), (order("a"), SNAPSHOT)])

    assert len(ledger.orders()) == 1
    assert ledger.runs()[1].decision is None


ENDS = [OrderState.FILLED, OrderState.CANCELLED, OrderState.REJECTED]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("start", [OrderState.WORKING, OrderState.UNKNOWN, None])
def test_an_order_ends_once(ledger, run, start, end):
    ledger.decide(run, DECISION, [(order(), SNAPSHOT)])
    if start:
        ledger.move(run, "db-1", start)
    assert ledger.orders()[0].ended_in is None
    ledger.move(run, "db-1", end, "because")
    ledger.move(run, "db-1", end, "again")

    (stored,) = ledger.orders()
    assert (stored.state, stored.why, stored.ended_in) == (end, "because", run)
    for state in set(OrderState) - {end}:
        with pytest.raises(WrongState, match="cannot become"):
            ledger.move(run, "db-1", state)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (OrderState.WORKING, OrderState.INTENDED),
        (OrderState.WORKING, OrderState.UNKNOWN),
        (OrderState.UNKNOWN, OrderState.INTENDED),
    ],
)
def test_an_order_never_goes_back(ledger, run, before, after):
    ledger.decide(run, DECISION, [(order(), SNAPSHOT)])
    ledger.move(run, "db-1", before)

    with pytest.raises(WrongState):
        ledger.move(run, "db-1", after)


def test_orders_are_found_by_state(ledger, run):
    ledger.decide(run, DECISION, [(order("a"), SNAPSHOT), (order("b"), SNAPSHOT)])
    ledger.move(run, "b", OrderState.WORKING)

    assert [s.order.client_order_id for s in ledger.orders(OrderState.WORKING)] == ["b"]
    assert len(ledger.orders(OrderState.WORKING, OrderState.INTENDED)) == 2


def test_an_order_nobody_decided_is_unknown_to_the_ledger(ledger, run):
    with pytest.raises(LedgerError, match="no db-9 in orders"):
        ledger.move(run, "db-9", OrderState.WORKING)


def test_a_session_ends_with_its_mark(ledger, run):
    ledger.finish(run, T0, "the report", close_of(DAY))

    done = ledger.run(DAY, "abc")
    assert (done.status, done.finished, done.report) == (RunStatus.DONE, T0, "the report")
    assert ledger.closes() == (close_of(DAY),)
    assert ledger.last_close().line.nav == D("9985.00")


def test_a_day_has_one_mark_the_last_one(ledger, run):
    other = ledger.begin(DAY, "xyz", T0, SOURCE).id
    ledger.finish(run, T0, "", close_of(DAY))
    ledger.finish(other, T0, "", close_of(DAY, "10600"))

    assert [close.line.cash for close in ledger.closes()] == [D(10_600)]


def test_a_stopped_session_has_a_reason_and_no_mark(ledger, run):
    ledger.stop(run, T0, "why")

    assert (ledger.runs()[0].status, ledger.runs()[0].report) == (RunStatus.STOPPED, "why")
    assert ledger.last_close() is None


def test_an_event_without_a_run_is_refused_by_the_database(ledger):
    with pytest.raises(sa.exc.IntegrityError):
        ledger.record(99, [("a", FLOW)])


# Files.


def test_what_is_written_is_there_when_opened_anew(tmp_path):
    path = tmp_path / "new folder" / "ledger.sqlite"
    with Ledger.open(path) as ledger:
        run = ledger.begin(DAY, "abc", T0, SOURCE).id
        ledger.record(run, [("a", FLOW), ("b", SALE)])

    with Ledger.open(str(path)) as again:
        assert again.path == path
        assert again.book() == Book().after_all([FLOW, SALE])


def test_two_readers_see_what_the_other_writes(tmp_path):
    path = tmp_path / "l.sqlite"

    with Ledger.open(path) as one, Ledger.open(path) as two:
        assert two.entries() == ()

        one.record(one.begin(DAY, "abc", T0, SOURCE).id, [("a", FLOW)])

        assert two.events() == (FLOW,)


def test_a_file_is_durable_and_strict(tmp_path):
    with Ledger.open(tmp_path / "l.sqlite") as ledger, ledger._engine.connect() as db:
        found = [
            db.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]

    assert found == ["wal", 2, 1]  # 2 is FULL


def test_a_later_versions_ledger_is_refused_in_one_line(tmp_path):
    path = tmp_path / "l.sqlite"
    Ledger.open(path).close()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE alembic_version SET version_num = '0999'")

    with pytest.raises(
        LedgerTooNew, match=r"schema 0999, this one knows \d+\): update"
    ) as error:
        Ledger.open(path)

    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


def test_another_programs_database_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE recipes (name TEXT)")

    with pytest.raises(NotALedger, match="something else"):
        Ledger.open(path)

    with closing(sqlite3.connect(path)) as db, db:
        assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("recipes",)]


def test_a_file_that_is_no_database_is_refused_in_one_line(tmp_path):
    path = tmp_path / "l.sqlite"
    path.write_text("dear diary, " * 1000)

    with pytest.raises(NotALedger, match="no readable ledger") as error:
        Ledger.open(path)

    assert "\n" not in str(error.value)
    assert path.read_text().startswith("dear diary")


def test_one_session_at_a_time(tmp_path):
    busy = pytest.raises(LedgerLocked, match="another session is writing")

    with Ledger.open(tmp_path / "l.sqlite") as one, Ledger.open(tmp_path / "l.sqlite") as two:
        with one.locked(), busy, two.locked():
            pass
        with two.locked():
            pass


def test_a_lock_in_memory_holds_too(ledger):
    with ledger.locked(), pytest.raises(LedgerLocked), ledger.locked():
        pass
    with ledger.locked():
        pass


def test_a_dead_process_holds_no_lock(tmp_path):
    path = tmp_path / "l.sqlite"
    script = f"""
import os
from dollarbill_core.desk.ledger import Ledger
with Ledger.open({str(path)!r}).locked():
    os._exit(1)
"""
    root = Path(__file__).parents[1]
    died = subprocess.run([sys.executable, "-c", script], cwd=root, check=False)

    assert died.returncode == 1
    with Ledger.open(path) as ledger, ledger.locked() as held:
        assert held is None  # reached: the lock could be had


# The schema.


def test_the_migrations_arrive_at_the_tables_of_the_models(ledger):
    with ledger._engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_the_tables_can_be_made_on_postgresql():
    made = [
        str(sa.schema.CreateTable(table).compile(dialect=postgresql.dialect()))
        for table in Base.metadata.sorted_tables
    ]

    assert len(made) == 4
    assert any("seq SERIAL" in text for text in made)
