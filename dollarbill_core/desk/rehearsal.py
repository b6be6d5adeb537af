"""A period traded on paper in one process, by the operator's own code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path

from dollarbill_core.desk.ledger import MEMORY, Ledger, LedgerMismatch
from dollarbill_core.desk.reports import SessionReport, recorded_result
from dollarbill_core.desk.session import Desk, Look, run_session
from dollarbill_core.desk.simulated import SimulatedBroker, opening_flow
from dollarbill_core.market.chains import NoChains, Quote
from dollarbill_core.market.view import Chains, View
from dollarbill_core.results.backtest import CASH_SENTENCE, Progress, Result
from dollarbill_core.results.nav import held_at_closes
from dollarbill_core.rules.assignment import unseen_eves
from dollarbill_core.rules.breaker import Breaker
from dollarbill_core.strategies.day import House
from dollarbill_core.strategies.short_premium import Strategy
from dollarbill_core.values.calendars import MARKET_ZONE, close_instant
from dollarbill_core.values.contracts import Option
from dollarbill_core.values.provenance import Stage


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A period traded on paper in one process: its sessions, its ledger, and what it earned."""

    reports: tuple[SessionReport, ...]
    ledger: Ledger
    result: Result


def month_sessions(chains: Chains, month: str) -> tuple[date, ...]:
    """The sessions of a month such as ``"2018-03"`` that have chains.

    Raises
    ------
    ValueError
        If there are none; the message says from when to when there are.
    """
    days = tuple(day for day in chains.sessions if f"{day:%Y-%m}" == month)
    if not days:
        first, last = chains.sessions[0], chains.sessions[-1]
        raise NoChains(f"no chains in {month!r}: they run from {first} to {last}")
    return days


def rehearse(
    chains: Chains,
    sessions: Sequence[date],
    strategy: Strategy,
    house: House,
    capital: Decimal,
    *,
    ledger_path: Path | None = None,
    breaker: Breaker | None = None,
    progress: Progress = iter,
) -> Rehearsal:
    """Trade a period on the simulated broker, session by session, by the operator's own code.

    Parameters
    ----------
    sessions
        The days to trade, in order, such as ``month_sessions(chains, "2018-03")``.
    capital
        Opening cash, dollars, positive; its flow is the ledger's first event.
    ledger_path
        Keeps the ledger, and the broker's file beside it; in memory when None. A rehearsal
        that was broken off goes on where it stopped.

    Raises
    ------
    Unreconciled
        If a session was stopped.
    """
    if not sessions:
        raise ValueError("no sessions to rehearse")
    ledger_path = ledger_path.expanduser().resolve() if ledger_path else None
    ledger = Ledger.open(ledger_path or MEMORY)
    opening = opening_flow(capital, datetime.combine(sessions[0], time(), MARKET_ZONE))
    broker_path = ledger_path.with_suffix(".broker.json") if ledger_path else None
    broker = SimulatedBroker(house, opening, broker_path)
    source = replace(
        chains.provenance,
        stage=Stage.REHEARSED,
        strategy_hash=strategy.hash,
        assumptions=(*chains.provenance.assumptions, *house.assumptions, CASH_SENTENCE),
    )
    desk = Desk(strategy, broker, ledger, house, source, breaker or Breaker(), patience=())
    _demand_same_prices(chains, ledger)
    reports = []
    for day in progress(sessions):
        report = run_session(desk, close_instant(day), market_of(chains, broker))
        report.demand_reconciled()
        reports.append(report)
    result = recorded_result(ledger, house, desk.source)
    unseen = unseen_eves(held_at_closes(result.lines), chains)
    result = replace(result, unseen_eves=unseen, quality=chains.quality)
    return Rehearsal(tuple(reports), ledger, result)


def _demand_same_prices(chains: Chains, ledger: Ledger) -> None:
    """A ledger that goes on must go on with the prices that its last decision saw."""
    decided = [run for run in ledger.runs() if run.decision is not None]
    if not decided:
        return
    last, decision = decided[-1], decided[-1].decision
    closes = [close for close in ledger.closes() if close.line.day < last.session]
    quotes = closes[-1].last_quotes if closes else {}
    if last.session not in chains.sessions:
        raise LedgerMismatch(f"this ledger ends on {last.session}, which these chains lack")
    if decision is not None and chains.view(last.session, quotes).hash != decision.view_hash:
        raise LedgerMismatch(
            f"this ledger saw other prices on {last.session}: use another ledger, or the "
            "source, symbols and start that it began with"
        )


def market_of(chains: Chains, broker: SimulatedBroker) -> Look:
    """A look at stored chains that also lets them meet the simulated broker's orders."""

    def look(day: date, last_quotes: Mapping[Option, Quote]) -> View:
        view = chains.view(day, last_quotes)
        broker.open_session(view)
        return view

    return look
