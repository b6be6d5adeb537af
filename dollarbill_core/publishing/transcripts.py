"""Figures of record as plain, rounded text: what a notebook's checked cells print."""

import math
from collections.abc import Iterable, Sequence
from decimal import Decimal

from dollarbill_core.desk.reports import Comparison, SessionReport
from dollarbill_core.market.view import View
from dollarbill_core.results.backtest import Result, option_fills
from dollarbill_core.results.break_even import BreakEven
from dollarbill_core.results.bridge import Bridge
from dollarbill_core.results.margin_study import MarginStudy
from dollarbill_core.results.monthly import Statement
from dollarbill_core.results.nav import ClosedTrade, NavLine
from dollarbill_core.results.outlook import Outlook
from dollarbill_core.results.performance import statistics
from dollarbill_core.rules.breaker import Breaker
from dollarbill_core.values.book import Event, Expiry, Fee, Fill
from dollarbill_core.values.provenance import Provenance

UNSEEN = (
    "short calls held over an ex-date on whose eve no quotes said who exercises {}: nobody "
    "did, which flatters the result"
)

NOTHING_QUOTED = "nobody quoted these options, so there is no coverage and no quality to score"


def of_trade(trade: str, events: Iterable[Event]) -> tuple[Event, ...]:
    """The events of one trade, in order."""
    return tuple(event for event in events if getattr(event, "trade", "") == trade)


def events_told(events: Iterable[Event]) -> str:
    """One line an event: day, kind, what it was about, the cash it moved, why."""
    return "\n".join(map(_event_told, events)) or "nothing happened"


def _event_told(event: Event) -> str:
    about = _about(event)
    reason = event.reason if isinstance(event, Fill) else ""
    kind = type(event).__name__
    return f"{event.at:%Y-%m-%d} {kind:<10} {about:<32} {event.cash:>12,.2f} {reason}".rstrip()


def _about(event: Event) -> str:
    if isinstance(event, Fee):
        return event.kind
    for name in ("instrument", "option", "stock", "investor"):
        if found := getattr(event, name, ""):
            return str(found)
    return ""


def trades_told(trades: Iterable[ClosedTrade]) -> str:
    """One line a closed trade: its credit, its profit after fees, how it ended."""
    lines = (
        f"{trade.id:<14} credit {trade.credit:>10,.2f} profit {trade.profit:>11,.2f} "
        f"{trade.reason}{', assigned' if trade.assigned else ''}"
        for trade in trades
    )
    return "\n".join(lines) or "no trade was closed"


def candidates_told(promised: Outlook, view: View) -> str:
    """The contracts looked at with their quotes, then the ticket that follows."""
    seen = [
        f"{each.option!s:<32} delta {each.delta:+.3f}  "
        f"{view.quote(each.option).bid:.2f} / {view.quote(each.option).ask:.2f}  {each.verdict}"
        for each in promised.candidates
    ]
    ticket = [f"{x.action.value} {abs(x.quantity)} {x.instrument}" for x in promised.legs]
    return "\n".join([*seen, *ticket])


def outlook_told(promised: Outlook) -> str:
    """Margin by group with its reason, deposit, credit, worst loss, break-evens, chance."""
    levels = " and ".join(f"{level:,.2f}" for level in promised.break_evens)
    required = promised.required
    return "\n".join(
        [
            *(group.why for group in required.groups),
            f"initial {required.initial:,.2f}, deposit {required.deposit:,.2f}",
            f"credit {promised.credit:,.2f}, worst loss {promised.worst_loss}",
            f"breaks even at {levels}",
            f"chance of a profit {promised.probability_of_profit:.4f} ({promised.law_name})",
        ]
    )


def margin_study_told(study: MarginStudy) -> str:
    """What each account asks; the map's middle row; where calls begin; the dearest shock."""
    matrix = study.matrix
    level = int(abs(matrix.vol_points).argmin())
    rows = zip(matrix.spot_moves, matrix.profits[level], matrix.margins[level], strict=True)
    nodes = (f"spot {move:+.0%}: {won:+,.0f}, margin {asked:,.0f}" for move, won, asked in rows)
    calls = [f"{edge:+.1%}" for edge in matrix.room() if math.isfinite(edge)]
    return "\n".join(
        [
            *map(str, study.asked),
            *nodes,
            f"with {study.capital:,.0f} a call comes at {' and '.join(calls) or 'no node'}",
            str(min(study.shocks, key=lambda row: row.profit)),
        ]
    )


def assumptions_told(provenance: Provenance) -> str:
    """The label, then each assumption on a line."""
    return "\n".join([provenance.label, *(f"- {each}" for each in provenance.assumptions)])


def result_told(result: Result, found: BreakEven | None, assumed: float | None) -> str:
    """A backtest's figures of record, the break-even premium first."""
    figures = statistics(result.equity)
    carried = f"chains carry {100 * assumed:+.2f} points" if assumed is not None else "quoted"
    return "\n".join(
        [
            f"{result.provenance.label} | strategy {result.provenance.strategy_hash}",
            f"breaks even at {found or 'n/a'}, {carried}",
            f"net {result.net_profit:,.2f}, gross {result.gross_profit:,.2f}, "
            f"fees {result.fees:,.2f}, trades {len(result.trades)}",
            f"worst month {figures.worst_month:.4%}, Sharpe {figures.sharpe:.3f}",
            f"deepest fall {figures.drawdown}",
            f"margin at its peak {result.margin.max():,.2f}, on average "
            f"{result.margin.iloc[1:].mean():,.2f}",
        ]
    )


def doubts_told(result: Result) -> str:
    """What could be wrong with a backtest: the replay, missing quotes, refusals, calls."""
    return "\n".join(
        [
            str(result.reconciliation()),
            f"orders without a quote {len(result.unfilled)}, entries refused by a gate "
            f"{len(result.refused)}, margin calls {result.margin_calls}",
            *(f"first refused: {each.order.trade} | {each.why}" for each in result.refused[:1]),
            f"marks without a quote {result.modelled_marks}, closes at which an exit waited "
            f"{result.blind_closes}",
            *([UNSEEN.format(result.unseen_eves)] if result.unseen_eves else []),
            str(result.estimated_fees),
            "net if what is open were closed across the widest spread seen "
            f"{result.pessimistic_profit:,.2f}",
        ]
    )


def quality_told(result: Result) -> str:
    """How good the quotes are that a result rests on: coverage, score, faults, worst days."""
    lines = [line for each in result.quality for line in each.sentences()]
    if result.flawed_fills is not None:
        fills = f"{result.flawed_fills} of {len(option_fills(result.events))}"
        lines.append(f"Fills of options at quotes with a grave fault: {fills}.")
    return "\n".join(lines) or f"{result.provenance.quotes}: {NOTHING_QUOTED}"


def endings_told(result: Result) -> str:
    """How trades ended: net profit, reasons, assignments and what settled in cash."""
    reasons = ", ".join(sorted({str(trade.reason) for trade in result.trades}))
    settled = sum((e.cash for e in result.events if isinstance(e, Expiry)), Decimal(0))
    return (
        f"net {result.net_profit:,.2f}, {len(result.trades)} trades ended by {reasons}\n"
        f"assignments {len(result.assignments)}, settled in cash {settled:,.2f}"
    )


def comparisons_told(rows: Sequence[Comparison]) -> str:
    """Our book beside the broker's, a line for cash and for each position."""
    return "\n".join(
        f"{row.what:<32} ours {row.ours:>14,.2f} broker {row.brokers:>14,.2f} "
        f"{'equal' if row.is_equal else 'DIFFERENT'}"
        for row in rows
    )


def orders_told(report: SessionReport) -> str:
    """Each order sent with its identity and legs, then each refusal with its reason."""
    lines = []
    for order in report.sent:
        lines.append(f"{order.client_order_id} | {order.reason}")
        lines += [
            f"    {x.action.value:<9} {abs(x.quantity):>4} {x.instrument}" for x in order.legs
        ]
    lines += [f"refused: {each.order.trade} | {each.why}" for each in report.refused]
    return "\n".join(lines) or "no order was sent or refused"


def holdings_told(line: NavLine) -> str:
    """Each holding with its mark, then cash, NAV and margin."""
    held = [
        f"{mark.quantity:>+5} {mark.instrument!s:<32} at {mark.price:>10,.4f} = "
        f"{mark.value:>12,.2f}{' modelled' if mark.modelled else ''}"
        for mark in line.marks
    ]
    total = f"cash {line.cash:,.2f}, NAV {line.nav:,.2f}"
    margin = f"maintenance {line.maintenance:,.2f}, free {line.free:,.2f}"
    return "\n".join([*held, f"{total}, {margin}"])


def bridge_told(moved: Bridge) -> str:
    """From opening to closing NAV, a line for each gain and each fee."""
    gains = [f"  {line.value:<48} {dollars:>12,.2f}" for line, dollars in moved.gains]
    fees = [f"  {kind:<48} {-dollars:>12,.2f}" for kind, dollars in moved.fees]
    return "\n".join(
        [
            f"opening {moved.opening:,.2f} on {moved.opened}, flows {moved.flows:,.2f}",
            *gains,
            *fees,
            f"gross {moved.gross:,.2f}, net {moved.net:,.2f}, "
            f"closing {moved.closing:,.2f} on {moved.closed}",
        ]
    )


def statement_told(statement: Statement) -> str:
    """A statement's figures of record, what premium was assumed and needed first."""
    periods = [
        f"{each.name:<16} {each.missing or f'net {each.net:+.4%}, gross {each.gross:+.4%}'}"
        for each in statement.periods
    ]
    month, share = statement.worst_month
    return "\n".join(
        [
            f"{statement.provenance.label} | {statement.status}",
            statement.premium or "real quotes carry their own premium",
            *periods,
            f"worst month {month} {share:.4%}, peak margin {statement.margin_ever.peak:,.2f}",
        ]
    )


def breaker_told(breaker: Breaker, values: Iterable[int]) -> str:
    """What a breaker says as a unit takes each of these values, in dollars."""
    lines = []
    for value in values:
        breaker = breaker.after(Decimal(value))
        lines.append(f"{value:>9,} {breaker.state}")
    return "\n".join(lines)
