"""Sessions: once a day, equal to the backtest, and never a doubled order whatever breaks."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as D
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.desk.broker import BrokerUnreachable, OrderRefused
from dollarbill_core.desk.ledger import Ledger, LedgerLocked, LedgerMismatch
from dollarbill_core.desk.rehearsal import market_of, month_sessions, rehearse
from dollarbill_core.desk.reports import SessionStatus, Unreconciled, units_of
from dollarbill_core.desk.session import Desk, run_session
from dollarbill_core.desk.simulated import SimulatedBroker, opening_flow
from dollarbill_core.market.carry import CashDividend
from dollarbill_core.market.chains import ChainDays
from dollarbill_core.results.backtest import backtest
from dollarbill_core.results.nav import NavLine
from dollarbill_core.rules.breaker import Breaker, BreakerState, Reset
from dollarbill_core.rules.exercise import ExercisePolicy
from dollarbill_core.strategies.day import (
    closing_events,
    decisions,
    last_quotes_after,
    market_events,
)
from dollarbill_core.values.book import Assignment, Book, Dividend, Expiry, Fill, Flow
from dollarbill_core.values.calendars import MARKET_ZONE, close_instant, sessions
from dollarbill_core.values.contracts import Stock
from dollarbill_core.values.orders import OrderState
from dollarbill_core.values.provenance import Stage
from tests.market_builder import (
    FIRST_DAY,
    HOUSE,
    LAST_DAY,
    daily_closes,
    made_chains,
    three_symbols,
    weekly_strangles,
)

CAPITAL = D(200_000)
CHAINS = three_symbols()
STRATEGY = weekly_strangles()
DAYS = CHAINS.sessions
OPENING = opening_flow(CAPITAL, datetime(2026, 3, 2, tzinfo=MARKET_ZONE))


@pytest.fixture(scope="module")
def rehearsal():
    return rehearse(CHAINS, DAYS, STRATEGY, HOUSE, CAPITAL)


# The same month by other means.


def test_a_rehearsal_is_the_backtest_trade_by_trade_and_to_the_cent(rehearsal):
    expected = backtest(CHAINS, STRATEGY, CAPITAL)
    result = rehearsal.result

    assert {Fill, Expiry, Assignment} <= {type(event) for event in result.events}
    assert result.trades == expected.trades
    assert result.events == expected.events
    assert result.lines == expected.lines
    assert (result.refused, result.unfilled) == (expected.refused, expected.unfilled)
    assert result.book == expected.book
    assert result.widest_spread == expected.widest_spread
    assert result.reconciliation().is_clean


def test_a_rehearsal_is_a_plain_loop_of_market_and_decisions(rehearsal):
    book, working, quotes, breaker = Book().after(OPENING), (), {}, Breaker()
    events, sent = [OPENING], []
    for day in DAYS:
        view = CHAINS.view(day, quotes)
        morning = market_events(working, book, view, HOUSE)
        book = book.after_all(morning.events)
        closing = closing_events(book, view, HOUSE)
        book = book.after_all(closing)
        decided = decisions(book, view, STRATEGY, HOUSE, breaker, CAPITAL)
        working, breaker = decided.orders, decided.breaker
        quotes = last_quotes_after(book, view, quotes)
        events += [*morning.events, *closing]
        sent.append(working)

    assert rehearsal.ledger.events() == tuple(events)
    assert [report.sent for report in rehearsal.reports] == sent
    assert rehearsal.ledger.book() == book


def test_a_rehearsal_says_what_it_is(rehearsal):
    assert rehearsal.result.provenance.stage is Stage.REHEARSED
    assert all(r.label == "PAPER (REHEARSED) · MODELLED" for r in rehearsal.reports)
    assert isinstance(rehearsal.ledger.events()[0], Flow)
    assert all(r.status is SessionStatus.NEW and r.is_reconciled for r in rehearsal.reports)


def test_each_order_keeps_the_view_and_the_candidates_it_was_chosen_from(rehearsal):
    stored = rehearsal.ledger.orders()[0]
    view = CHAINS.view(DAYS[0])

    assert stored.snapshot.view_hash == view.hash
    taken = {c.option for c in stored.snapshot.candidates if c.verdict == "taken"}
    assert taken == {leg.instrument for leg in stored.order.legs}


def test_dividends_reach_the_ledger():
    half_a_dollar = CashDividend(DAYS[10], D("0.50"))
    falling = np.linspace(100, 70, len(DAYS)).round(2)
    chains = made_chains({"AAA": falling}, dividends={"AAA": (half_a_dollar,)})
    strategy = _held_stock(chains)

    result = rehearse(chains, DAYS[:12], strategy, HOUSE, CAPITAL).result

    assert any(isinstance(event, Dividend) for event in result.events)
    assert result.reconciliation().is_clean


@pytest.mark.parametrize(
    "habits",
    [
        pytest.param(ExercisePolicy(), id="certain"),
        pytest.param(ExercisePolicy(D(5), 0.5, early_chance=0.6, seed=2), id="drawn"),
    ],
)
def test_a_call_assigned_on_the_eve_costs_its_writer_the_dividend_here_and_in_a_backtest(
    habits,
):
    """Sold on the first day, deep in the money on the eve; what is drawn is drawn alike."""
    ex_date = DAYS[10]
    rising = np.linspace(100, 140, len(DAYS)).round(2)
    paid = {"AAA": (CashDividend(ex_date, D("4.00")),)}
    chains = made_chains({"AAA": rising}, dividends=paid)
    house = replace(HOUSE, exercise=habits)
    strategy = _held_stock(chains, dte=18, quantity=8)

    rehearsed = rehearse(chains, DAYS[:16], strategy, house, CAPITAL).result
    short = replace(chains, days={"AAA": _first(chains.days["AAA"], 16)})
    tested = backtest(short, strategy, CAPITAL, exercise=habits)

    assert rehearsed.events == tested.events
    assert tested.reconciliation().is_clean
    early = [e for e in tested.assignments if e.at.date() < e.option.expiry]
    (dividend,) = (event for event in tested.events if isinstance(event, Dividend))
    assert {event.at.date() for event in early} == {DAYS[9]}
    assert dividend.at.date() == ex_date
    assert dividend.cash == -400 * sum(event.quantity for event in early)


def _first(days: ChainDays, count: int) -> ChainDays:
    return replace(days, sessions=days.sessions[:count])


def _held_stock(chains, dte=4, quantity=1):
    """A strangle whose put is assigned, and whose shares nobody sells before the ex-date."""

    class Holder:
        symbols = ("AAA",)
        hash = "holder"
        inner = weekly_strangles(("AAA",))

        def decide(self, view, book, account):
            proposals = self.inner.decide(view, book, account)
            keep = (p for p in proposals if not isinstance(p.legs[0].instrument, Stock))
            return tuple(keep) if view.today == chains.sessions[0] else ()

    holder = Holder()
    holder.inner = replace(holder.inner, target_dte=dte, exit_dte=0, quantity=quantity)
    return holder


# Twice the same day, and days that are none.


def files(folder: Path) -> Path:
    return folder / "ledger.sqlite"


def rows(path: Path) -> dict[str, list[tuple]]:
    """Every row of every table, as stored."""
    engine = sa.create_engine(f"sqlite:///{path}", poolclass=sa.pool.NullPool)
    tables = sa.MetaData()
    tables.reflect(engine)
    with engine.connect() as db:
        found = {table: db.execute(table.select()) for table in tables.sorted_tables}
        return {table.name: [tuple(row) for row in rows] for table, rows in found.items()}


def test_the_same_sessions_twice_change_nothing(tmp_path):
    path = files(tmp_path)
    first = rehearse(CHAINS, DAYS[:6], STRATEGY, HOUSE, CAPITAL, ledger_path=path)
    before = rows(path), path.with_suffix(".broker.json").read_bytes()

    again = rehearse(CHAINS, DAYS[:6], STRATEGY, HOUSE, CAPITAL, ledger_path=path)

    assert (rows(path), path.with_suffix(".broker.json").read_bytes()) == before
    assert {report.status for report in again.reports} == {SessionStatus.ALREADY_DONE}
    assert [replace(r, status=SessionStatus.NEW) for r in again.reports] == [*first.reports]
    assert again.result == first.result


def test_a_rehearsal_in_two_parts_is_one_rehearsal(tmp_path, rehearsal):
    for part in (DAYS[:6], DAYS[:17]):  # a profit target and an exit lie in the second
        both = rehearse(CHAINS, part, STRATEGY, HOUSE, CAPITAL, ledger_path=files(tmp_path))

    assert both.result.lines == rehearsal.result.lines[:17]
    assert both.result.events == rehearsal.result.events[: len(both.result.events)]


def test_nothing_is_written_when_the_market_is_closed():
    desk = make_desk(Ledger.open())

    report = run_session(desk, datetime(2026, 3, 7, 12, tzinfo=UTC), no_look)

    assert (report.status, report.day) == (SessionStatus.CLOSED, date(2026, 3, 7))
    assert "Saturday" in report.why
    assert desk.ledger.runs() == desk.ledger.entries() == ()


def test_the_days_are_those_of_new_york():
    ledger = Ledger.open()
    saturday_in_london = datetime(2026, 3, 7, 0, 30, tzinfo=UTC)

    report = run_session(make_desk(ledger), saturday_in_london, CHAINS.view)

    assert report.day == date(2026, 3, 6)


def test_an_earlier_day_than_the_last_one_is_refused():
    desk = make_desk(Ledger.open())
    run_session(desk, close_instant(DAYS[1]), CHAINS.view)

    with pytest.raises(ValueError, match="comes too late"):
        run_session(desk, close_instant(DAYS[0]), CHAINS.view)


def test_two_at_once_and_one_wins(tmp_path):
    mine, other = (Ledger.open(files(tmp_path)) for _ in range(2))

    with mine.locked(), pytest.raises(LedgerLocked, match="wait until it ends"):
        run_session(make_desk(other), close_instant(DAYS[0]), no_look)

    assert other.runs() == ()


def no_look(day, last_quotes):
    raise AssertionError("nobody should look")


def make_desk(ledger, broker=None, **changes):
    broker = broker or SimulatedBroker(HOUSE, OPENING)
    plain = Desk(STRATEGY, broker, ledger, HOUSE, CHAINS.provenance, pause=lambda seconds: None)
    return replace(plain, **changes)


# Crashes: every broker call and every commit, before it and after it.


class Crash(BaseException):
    """The power goes."""


class Fuse:
    """Counts the places where the power could go, and cuts it at one of them."""

    def __init__(self, at: int = -1) -> None:
        self.at, self.count = at, 0

    def burn(self) -> None:
        self.count += 1
        if self.count == self.at:
            raise Crash


class FragileLedger(Ledger):
    fuse = Fuse()

    @contextmanager
    def _transaction(self) -> Iterator[object]:
        with super()._transaction() as db:
            yield db
            db.flush()
            self.fuse.burn()
        self.fuse.burn()


class FragileBroker(SimulatedBroker):
    fuse = Fuse()

    def _become(self, state):
        self.fuse.burn()
        super()._become(state)
        self.fuse.burn()

    def order(self, client_order_id):
        self.fuse.burn()
        return super().order(client_order_id)

    def activities(self, after=""):
        self.fuse.burn()
        return super().activities(after)

    def positions(self):
        self.fuse.burn()
        return super().positions()


BUSY = date(2026, 3, 30)  # an order fills, another lapses, three are sent


@pytest.fixture(scope="module")
def before_the_busy_day(tmp_path_factory):
    """A folder as it is on the morning of a day with fills and new orders."""
    folder = tmp_path_factory.mktemp("before")
    days = [day for day in DAYS if day < BUSY]
    done = rehearse(CHAINS, days, STRATEGY, HOUSE, CAPITAL, ledger_path=files(folder))
    done.ledger.close()
    return folder


def attempt(folder: Path, fuse: Fuse):
    """One process's try at the busy day; a crash leaves only what is on disk."""
    ledger = FragileLedger.open(files(folder))
    broker = FragileBroker(HOUSE, OPENING, files(folder).with_suffix(".broker.json"))
    ledger.fuse = broker.fuse = fuse

    def look(day, last_quotes):
        assert last_quotes == BUSY_VIEW.last_quotes
        broker.open_session(BUSY_VIEW)
        return BUSY_VIEW

    try:
        return run_session(make_desk(ledger, broker), close_instant(BUSY), look)
    except Crash:
        return None
    finally:
        ledger.close()


BUSY_VIEW = None  # made once by the fixture below, from the quotes that the ledger kept


def outcome(folder: Path):
    return rows(files(folder)), files(folder).with_suffix(".broker.json").read_text()


@pytest.fixture(scope="module")
def undisturbed(before_the_busy_day, tmp_path_factory):
    """How the busy day ends when nothing breaks, and how many places could have broken."""
    global BUSY_VIEW
    with Ledger.open(files(before_the_busy_day)) as ledger:
        BUSY_VIEW = CHAINS.view(BUSY, ledger.last_close().last_quotes)
    folder = tmp_path_factory.mktemp("undisturbed") / "copy"
    shutil.copytree(before_the_busy_day, folder)
    fuse = Fuse()
    report = attempt(folder, fuse)
    assert (len(report.sent), len(report.unfilled)) == (3, 1)
    assert any(isinstance(event, Fill) for event in report.events)
    return outcome(folder), fuse.count


def test_a_crash_anywhere_and_a_second_run_end_as_if_nothing_had_happened(
    before_the_busy_day, undisturbed, tmp_path
):
    expected, places = undisturbed
    assert places > 20
    for place in range(1, places + 1):
        folder = tmp_path / str(place)
        shutil.copytree(before_the_busy_day, folder)
        assert attempt(folder, Fuse(place)) is None, place
        attempt(folder, Fuse())
        assert outcome(folder) == expected, place


def test_two_crashes_in_a_row_do_no_harm_either(before_the_busy_day, undisturbed, tmp_path):
    expected, places = undisturbed
    for pair in np.random.default_rng(11).integers(1, places + 1, (6, 2)).tolist():
        folder = tmp_path / "-".join(map(str, pair))
        shutil.copytree(before_the_busy_day, folder)
        attempt(folder, Fuse(pair[0]))
        attempt(folder, Fuse(pair[1]))
        attempt(folder, Fuse())
        assert outcome(folder) == expected, pair


def test_a_killed_process_leaves_a_ledger_that_goes_on(tmp_path, rehearsal):
    script = f"""
import os
from tests.market_builder import *
from tests.test_session import *
from dollarbill_core.desk.simulated import SimulatedBroker
taken = SimulatedBroker.submit
def submit(self, order):
    taken(self, order)
    os._exit(9)
SimulatedBroker.submit = submit
rehearse(CHAINS, DAYS[:3], STRATEGY, HOUSE, CAPITAL, ledger_path=Path({str(files(tmp_path))!r}))
"""
    root = Path(__file__).parents[1]
    killed = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True)
    assert killed.returncode == 9, killed.stderr
    path = files(tmp_path)
    with Ledger.open(path) as ledger:
        assert {stored.state for stored in ledger.orders()} == {OrderState.INTENDED}

    result = rehearse(CHAINS, DAYS[:3], STRATEGY, HOUSE, CAPITAL, ledger_path=path).result

    assert result.lines == rehearsal.result.lines[:3]
    assert result.events == rehearsal.result.events[: len(result.events)]


def test_a_decision_is_made_once_whatever_the_market_does_meanwhile(tmp_path):
    ledger = Ledger.open(files(tmp_path))
    broker = FragileBroker(HOUSE, OPENING)
    broker.fuse = Fuse()
    broker.submit = cut
    with pytest.raises(Crash):
        run_session(make_desk(ledger, broker), close_instant(DAYS[0]), looking(broker))
    decided = [stored.order for stored in ledger.orders()]
    del broker.submit
    elsewhere = three_symbols(seed=70)

    report = run_session(make_desk(ledger, broker), close_instant(DAYS[0]), elsewhere.view)

    assert elsewhere.view(DAYS[0]).hash != CHAINS.view(DAYS[0]).hash
    assert [*report.sent] == decided


def cut(order):
    raise Crash


# Brokers that answer late, wrongly, or not at all.


class Doubtful(SimulatedBroker):
    """Takes some orders, or not, and then does not answer; shows them only when asked again."""

    def __init__(self, house, opening, *, takes, hidden_for=0):
        super().__init__(house, opening)
        self.takes, self.hidden_for, self.sent = takes, hidden_for, []

    def submit(self, order):
        first_time = order.client_order_id not in self.sent
        self.sent.append(order.client_order_id)
        if not first_time:
            return super().submit(order)
        if self.takes:
            super().submit(order)
        raise BrokerUnreachable("504 after 10 seconds")

    def order(self, client_order_id):
        if self.hidden_for and client_order_id in self.sent:
            self.hidden_for -= 1
            return None
        return super().order(client_order_id)


def test_an_order_taken_without_an_answer_is_adopted_and_not_sent_again():
    broker = Doubtful(HOUSE, OPENING, takes=True, hidden_for=2)
    desk = make_desk(Ledger.open(), broker)

    report = run_session(desk, close_instant(DAYS[0]), looking(broker))

    assert report.status is SessionStatus.NEW
    assert len(broker.sent) == len(set(broker.sent)) == 3
    assert {stored.state for stored in desk.ledger.orders()} == {OrderState.WORKING}


def test_an_order_that_never_arrived_stays_unknown_then_goes_once_under_its_own_id():
    broker = Doubtful(HOUSE, OPENING, takes=False)
    desk = make_desk(Ledger.open(), broker)

    stopped = run_session(desk, close_instant(DAYS[0]), looking(broker))
    assert stopped.status is SessionStatus.STOPPED
    assert "unknown" in stopped.why
    assert {stored.state for stored in desk.ledger.orders()} == {OrderState.UNKNOWN}

    second = run_session(desk, close_instant(DAYS[0]), looking(broker))
    assert second.status is SessionStatus.NEW
    assert sorted(broker.sent) == sorted(2 * [order.client_order_id for order in second.sent])
    assert {stored.state for stored in desk.ledger.orders()} == {OrderState.WORKING}


def test_an_order_of_a_session_that_is_over_is_never_sent_late():
    broker = Doubtful(HOUSE, OPENING, takes=False)
    desk = make_desk(Ledger.open(), broker)
    run_session(desk, close_instant(DAYS[0]), looking(broker))

    next_day = run_session(desk, close_instant(DAYS[1]), looking(broker))

    assert len(broker.sent) == len(next_day.unfilled) == 3
    assert all("session is over" in lapsed.why for lapsed in next_day.unfilled)


def test_an_unreachable_broker_is_no_proof_that_an_order_is_missing():
    broker = Doubtful(HOUSE, OPENING, takes=True)
    desk = make_desk(Ledger.open(), broker)
    broker.order = unreachable  # neither an answer to the order nor to the question

    stopped = run_session(desk, close_instant(DAYS[0]), looking(broker))
    with pytest.raises(BrokerUnreachable):
        run_session(desk, close_instant(DAYS[0]), looking(broker))
    del broker.order
    finished = run_session(desk, close_instant(DAYS[0]), looking(broker))

    assert (stopped.status, finished.status) == (SessionStatus.STOPPED, SessionStatus.NEW)
    assert len(broker.sent) == len(set(broker.sent)) == 3


def unreachable(client_order_id):
    raise BrokerUnreachable("connection refused")


def looking(broker):
    return market_of(CHAINS, broker)


class Refusing(SimulatedBroker):
    def submit(self, order):
        if order.trade.startswith("BBB"):
            raise OrderRefused("account not eligible to trade uncovered option contracts")
        return super().submit(order)


def test_a_refused_order_is_reported_with_the_brokers_reason():
    desk = make_desk(Ledger.open(), Refusing(HOUSE, OPENING))

    report = run_session(desk, close_instant(DAYS[0]), looking(desk.broker))

    assert [(r.order.trade[:3], r.why[:20]) for r in report.refused] == [
        ("BBB", "account not eligible")
    ]
    assert {order.trade[:3] for order in report.sent} == {"AAA", "SPX"}


class Odd(SimulatedBroker):
    """Shows other holdings than its events add up to."""

    shares = 7
    cents = D(0)

    def positions(self):
        return {**super().positions(), Stock("ZZZ"): self.shares}

    def cash(self):
        return super().cash() + self.cents


def test_a_difference_stops_the_session_before_any_order_is_sent():
    desk = make_desk(Ledger.open(), Odd(HOUSE, OPENING))

    report = run_session(desk, close_instant(DAYS[0]), looking(desk.broker))

    assert report.status is SessionStatus.STOPPED
    assert report.why == "ZZZ: we have 0, the broker 7"
    assert [row.is_equal for row in report.comparisons] == [True, False]
    assert desk.ledger.orders() == desk.ledger.closes() == ()
    with pytest.raises(Unreconciled, match="ZZZ"):
        report.demand_reconciled()


def test_a_cent_of_cash_is_a_difference():
    desk = make_desk(Ledger.open(), Odd(HOUSE, OPENING))
    desk.broker.cents = D("0.01")

    report = run_session(desk, close_instant(DAYS[0]), looking(desk.broker))

    assert report.why == "cash: we have 200000, the broker 200000.01"


def test_a_stopped_session_is_taken_up_once_the_difference_is_gone():
    desk = make_desk(Ledger.open(), Odd(HOUSE, OPENING))
    run_session(desk, close_instant(DAYS[0]), looking(desk.broker))
    desk.broker.positions = lambda: SimulatedBroker.positions(desk.broker)

    report = run_session(desk, close_instant(DAYS[0]), looking(desk.broker))

    assert report.status is SessionStatus.NEW
    assert len(report.sent) == 3


def test_an_expiry_that_the_broker_has_not_booked_stops_the_session():
    strategy = replace(weekly_strangles(("SPX",)), target_dte=4, profit_target=1.0)
    broker = SimulatedBroker(HOUSE, OPENING)
    desk = make_desk(Ledger.open(), broker, strategy=strategy)
    for day in DAYS[:4]:
        run_session(desk, close_instant(day), looking(broker))

    report = run_session(desk, close_instant(DAYS[4]), CHAINS.view)  # the market never opened

    assert report.status is SessionStatus.STOPPED
    assert "not booked 2 settlements" in report.why


def test_an_order_that_the_broker_forgot_stops_the_session():
    broker = SimulatedBroker(HOUSE, OPENING)
    desk = make_desk(Ledger.open(), broker)
    run_session(desk, close_instant(DAYS[0]), looking(broker))
    broker.order = lambda client_order_id: None

    report = run_session(desk, close_instant(DAYS[1]), CHAINS.view)

    assert report.status is SessionStatus.STOPPED
    assert "no longer knows order" in report.why


# The breaker, units, and months.


def test_the_breaker_remembers_from_day_to_day_and_across_ledgers_opened_anew(tmp_path):
    fall = daily_closes(len(DAYS), start=100, seed=3) * np.linspace(1, 0.55, len(DAYS))
    chains = made_chains({"AAA": fall.round(2)})
    breaker = Breaker(halt_at=D("0.02"))
    strategy = replace(weekly_strangles(("AAA",)), quantity=20, stop_multiple=50.0)
    parts = [DAYS[:10], DAYS]

    for part in parts:
        done = rehearse(
            chains, part, strategy, HOUSE, CAPITAL, ledger_path=files(tmp_path), breaker=breaker
        )

    expected = backtest(chains, strategy, CAPITAL, breaker=breaker)
    assert done.result.lines == expected.lines
    assert done.result.refused == expected.refused
    assert done.reports[-1].breaker is BreakerState.HALT


def test_a_person_resets_the_breaker_once_and_the_ledger_keeps_who(tmp_path):
    fall = daily_closes(len(DAYS), start=100, seed=3) * np.linspace(1, 0.55, len(DAYS))
    chains = made_chains({"AAA": fall.round(2)})
    strategy = replace(weekly_strangles(("AAA",)), quantity=20, stop_multiple=50.0)
    broker, ledger = SimulatedBroker(HOUSE, OPENING), Ledger.open()
    desk = make_desk(ledger, broker, strategy=strategy, breaker=Breaker(halt_at=D("0.02")))
    days = iter(DAYS)
    while True:
        report = run_session(desk, close_instant(day := next(days)), market_of(chains, broker))
        if report.breaker is BreakerState.HALT:
            break
    word = Reset("J. Doe", close_instant(day), "smaller sizes agreed")
    resumed = replace(desk, reset=word)

    states = [
        run_session(resumed, close_instant(next(days)), market_of(chains, broker)).breaker
        for _ in range(3)
    ]

    assert states[0] is BreakerState.NORMAL
    assert ledger.last_decision().breaker.resets == (word,)
    assert ledger.last_decision().breaker.peak < report.nav


def test_a_reset_of_what_has_not_tripped_is_refused():
    word = Reset("J. Doe", OPENING.at, "a mistake")

    with pytest.raises(ValueError, match="nothing to reset"):
        run_session(make_desk(Ledger.open(), reset=word), close_instant(DAYS[0]), CHAINS.view)


def line(day: date, nav: int | D, events: int) -> NavLine:
    return NavLine(day, D(nav), (), D(0), D(nav), events)


def test_money_that_comes_buys_units_at_the_last_close_without_it():
    first, later = OPENING, opening_flow(D(55_000), OPENING.at + timedelta(days=2))
    lines = [line(DAYS[0], 210_000, 1), line(DAYS[1], 220_000, 1), line(DAYS[2], 500_000, 2)]

    assert units_of([first], lines[:2]) == CAPITAL
    assert units_of([first, later], lines) == CAPITAL + D(50_000)


def test_all_money_of_one_morning_buys_units_at_one_value():
    more = [opening_flow(D(110_000), OPENING.at + timedelta(days=2))] * 2

    units = units_of([OPENING, *more], [line(DAYS[0], 220_000, 1)])

    assert units == CAPITAL + 2 * D(100_000)


def test_a_unit_worth_nothing_cannot_be_bought():
    more = opening_flow(D(1_000), OPENING.at + timedelta(days=2))

    with pytest.raises(ValueError, match="a unit is worth 0"):
        units_of([OPENING, more], [line(DAYS[0], 0, 1)])


@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(-300, 900), max_size=3),  # thousandths of the NAV, each flow
            st.integers(-70, 60),  # what the day earns, thousandths
        ),
        max_size=12,
    )
)
def test_flows_of_any_day_leave_the_breaker_where_it_was(days):
    capital = CAPITAL.quantize(D("0.01"))
    events, lines, nav = [OPENING], [line(DAYS[0], capital, 1)], capital
    moved, worth = Breaker(D("0.08"), D("0.12")).after(D(1)), D(1)
    breaker = moved
    for number, (flows, earned) in enumerate(days, start=1):
        for part in flows:
            amount = (nav * part / 1000).quantize(D("0.01"))
            events.append(Flow(OPENING.at + timedelta(days=number), amount))
            nav += amount
        nav, worth = nav * (1000 + earned) / 1000, worth * (1000 + earned) / 1000
        value = nav / units_of(events, lines)
        assert value == pytest.approx(worth, rel=D("1e-20"))
        breaker, moved = breaker.after(round(value, 15)), moved.after(round(worth, 15))
        assert breaker.state is moved.state
        lines.append(line(DAYS[0] + timedelta(days=number), nav, len(events)))


def test_an_account_without_capital_cannot_trade():
    with pytest.raises(ValueError, match="no capital"):
        units_of([], [])


def test_the_sessions_of_a_month():
    assert month_sessions(CHAINS, "2026-04") == sessions(date(2026, 4, 1), LAST_DAY)
    with pytest.raises(ValueError, match=f"they run from {FIRST_DAY} to {LAST_DAY}"):
        month_sessions(CHAINS, "2025-04")


def test_nothing_to_rehearse_is_said():
    with pytest.raises(ValueError, match="no sessions"):
        rehearse(CHAINS, (), STRATEGY, HOUSE, CAPITAL)


# One ledger, one story.


def test_a_second_strategy_on_the_same_day_sends_nothing():
    first = rehearse(CHAINS, DAYS[:1], STRATEGY, HOUSE, CAPITAL)
    broker = SimulatedBroker(HOUSE, OPENING)
    other = replace(STRATEGY, put_delta=0.2)
    desk = Desk(other, broker, first.ledger, HOUSE, CHAINS.provenance)
    orders = first.ledger.orders()

    with pytest.raises(
        LedgerMismatch, match=f"has traded {DAYS[0]} with strategy {STRATEGY.hash}"
    ):
        run_session(desk, close_instant(DAYS[0]), CHAINS.view)

    assert orders
    assert first.ledger.orders() == orders
    assert broker.order(orders[0].order.client_order_id) is None


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"house": replace(HOUSE, limits=replace(HOUSE.limits, open_trades=1))}, "other terms"),
        ({"breaker": Breaker(D("0.01"), D("0.02"))}, "other terms"),
        ({"chains": three_symbols(seed=8)}, "other prices"),
        ({"strategy": replace(STRATEGY, put_delta=0.2)}, "too late|with strategy"),
        ({"capital": CAPITAL + 1}, "was opened with 200,000.00"),
    ],
)
def test_a_kept_ledger_goes_on_only_as_it_began(tmp_path, change, why):
    kept = tmp_path / "ledger.sqlite"
    rehearse(CHAINS, DAYS[:3], STRATEGY, HOUSE, CAPITAL, ledger_path=kept).ledger.close()
    asked = {"chains": CHAINS, "strategy": STRATEGY, "house": HOUSE, "capital": CAPITAL}
    asked |= {"sessions": DAYS[:5], "ledger_path": kept} | change

    with pytest.raises(LedgerMismatch, match=why):
        rehearse(**asked)


def test_a_ledgers_path_may_start_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))

    rehearse(CHAINS, DAYS[:1], STRATEGY, HOUSE, CAPITAL, ledger_path=Path("~/x.sqlite"))

    assert {path.name for path in tmp_path.glob("x.*")} >= {"x.sqlite", "x.broker.json"}


def test_an_opening_order_still_working_uses_its_room():
    view = CHAINS.view(DAYS[0])
    alone = decisions(Book(D(20_000)), view, STRATEGY, HOUSE, Breaker(), D(1))
    waiting = alone.orders

    again = decisions(Book(D(20_000)), view, STRATEGY, HOUSE, Breaker(), D(1), waiting)

    assert len(waiting) > len(again.orders)
    assert any("cannot carry" in each.why for each in again.refused)
