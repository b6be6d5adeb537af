"""Pictures for notebooks: each with a title that says what to see, units, and its alt text."""

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dollarbill_core.results.break_even import BreakEven
from dollarbill_core.results.bridge import growth
from dollarbill_core.results.nav import ClosedTrade, NavLine
from dollarbill_core.results.performance import underwater, worst_drawdown
from dollarbill_core.values.book import Event, Fee
from dollarbill_core.values.orders import Reason

# Okabe and Ito (2008), safe for the colour-blind; yellow is left out, too pale on white.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILION, PURPLE, GREY = "#0072B2", "#D55E00", "#CC79A7", "#767676"
CYCLE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
_OF_REASON = {
    Reason.PROFIT_TARGET: (BLUE, "circle"),
    Reason.STOP: (VERMILION, "x"),
    Reason.EXIT_DTE: (GREEN, "diamond"),
    Reason.EXPIRED: (SKY, "square"),
    Reason.DELIVERED_STOCK: (PURPLE, "triangle-up"),
    Reason.ASSIGNED: (PURPLE, "triangle-down"),
    Reason.HALTED: (ORANGE, "star"),
    Reason.MANUAL: (GREY, "hexagon"),
}


def dressed(figure: go.Figure, title: str, alt: str, height: int = 380) -> go.Figure:
    """The house's look: white, of fixed height, as wide as its page; ``alt`` kept in meta."""
    has_legend = sum(trace.showlegend is not False for trace in figure.data) > 1
    figure.update_layout(
        template="plotly_white",
        title={
            "text": title,
            "font": {"size": 16},
            "x": 0.01,
            "y": 1,
            "pad": {"t": 14},
            "yanchor": "top",
        },
        meta={"alt": alt},
        height=height,
        autosize=True,
        font={"size": 13, "color": "#1b1f23"},
        margin={"l": 60, "r": 16, "t": 56, "b": 100 if has_legend else 60},
        legend={
            "orientation": "h",
            "x": 0.5,
            "xanchor": "center",
            "y": 0,
            "yref": "container",
            "yanchor": "bottom",
        },
        hovermode="closest",
    )
    figure.update_yaxes(automargin=True)
    return figure


def whole_dollars(amount: float | Decimal) -> str:
    """Dollars in words of a picture, the sign in front.

    >>> whole_dollars(-1234.5), whole_dollars(Decimal(20))
    ('−$1,234', '$20')
    """
    return f"{'−' if round(amount) < 0 else ''}${abs(amount):,.0f}"


def full(colour: str, width: float = 2) -> dict[str, Any]:
    """A full line."""
    return {"color": colour, "width": width}


def dashed(colour: str, dash: str = "dash") -> dict[str, Any]:
    """A dashed line, which is told from a full one without colour."""
    return {"color": colour, "width": 2, "dash": dash}


def figure_facts(figure: go.Figure) -> str:
    """What a figure says, as a few lines of text that a re-run reproduces.

    Title and axes, then for each trace its kind, name, number of points and rounded first,
    lowest, highest and last value: for a notebook's checked cells, which never hold plotly's
    own JSON.

    >>> drawn = go.Figure().add_scatter(x=[1, 2, 3], y=[1.0, 3.00004, 2.0], name="profit")
    >>> print(figure_facts(dressed(drawn, "Profit", "It rises and falls.")))
    Profit
    scatter profit: 3 points, first 1, lowest 1, highest 3, last 2
    alt: It rises and falls.
    """
    layout = figure.layout
    axes = [*figure.select_xaxes(), *figure.select_yaxes()]
    named = [axis.title.text for axis in axes if axis.title.text]
    lines = [str(layout.title.text), *([" | ".join(named)] if named else [])]
    lines += [_trace_facts(trace) for trace in figure.data]
    return "\n".join([*lines, f"alt: {layout.meta['alt']}"])


def _trace_facts(trace: Any) -> str:
    values = trace.z if trace.type in ("heatmap", "contour") else trace.y
    if trace.type == "bar" and trace.orientation == "h":
        values = trace.x
    flat = np.asarray([] if values is None else values, dtype=float).ravel()
    known = flat[np.isfinite(flat)]
    told = f"{trace.type} {trace.name or 'unnamed'}: {len(flat)} points"
    if not len(known):
        return told
    key = {"first": known[0], "lowest": known.min(), "highest": known.max(), "last": known[-1]}
    return told + "".join(f", {name} {float(value) + 0.0:.4g}" for name, value in key.items())


# ---------------------------------------------------------------- results


def equity_figure(
    lines: Sequence[NavLine], events: Sequence[Event], *, label: str = ""
) -> go.Figure:
    """NAV net and gross of fees, depth below its high, and margin over NAV: one axis of days.

    ``lines`` and ``events`` are a result's or a ledger's, from the start; ``label`` is its
    provenance's.
    """
    days = [line.day for line in lines]
    nav = [float(line.nav) for line in lines]
    grown = growth(lines, events)
    depth = 100 * underwater(grown.net).iloc[1:]
    margin = [_percent_of_nav(line) for line in lines]
    rows = {"vertical_spacing": 0.06, "row_heights": [2, 1, 1]}
    drawn = make_subplots(3, 1, shared_xaxes=True, **rows)
    gross = _gross_nav(lines, events)
    drawn.add_scatter(x=days, y=gross, name="gross of fees", line=dashed(ORANGE), row=1, col=1)
    drawn.add_scatter(x=days, y=nav, name="net of fees", line=full(BLUE), row=1, col=1)
    drawn.add_scatter(
        x=days, y=depth, name="below high", fill="tozeroy", line=full(BLUE, 1),
        showlegend=False, row=2, col=1,
    )  # fmt: skip
    drawn.add_scatter(
        x=days, y=margin, name="margin over NAV", line=full(VERMILION, 1),
        showlegend=False, row=3, col=1,
    )  # fmt: skip
    for row, unit in enumerate(("NAV, $", "fall, %", "margin, %"), start=1):
        drawn.update_yaxes(title_text=unit, row=row, col=1)
    fall = worst_drawdown(grown.net)
    alt = (
        f"{label + ': ' if label else ''}NAV from {days[0]} to {days[-1]}: ends at "
        f"{whole_dollars(nav[-1])} net of fees, {whole_dollars(gross[-1])} gross; deepest fall "
        f"{fall if fall else 'none'}; margin peaks at {max(margin):.1f} % of NAV."
    )
    return dressed(drawn, "NAV, its falls and its margin", alt, height=600)


def _gross_nav(lines: Sequence[NavLine], events: Sequence[Event]) -> list[float]:
    """NAV with every fee so far added back, dollars."""
    fees, done, values = Decimal(0), 0, []
    for line in lines:
        fees += sum((e.amount for e in events[done : line.events] if isinstance(e, Fee)), 0)
        done = line.events
        values.append(float(line.nav + fees))
    return values


def _percent_of_nav(line: NavLine) -> float:
    return 100 * float(line.maintenance / line.nav) if line.nav > 0 else float("nan")


def margin_figure(lines: Sequence[NavLine]) -> go.Figure:
    """Maintenance requirement and NAV at each close, dollars, with the margin calls marked."""
    days, called = [line.day for line in lines], [line for line in lines if line.free < 0]
    drawn = go.Figure()
    nav = [float(line.nav) for line in lines]
    drawn.add_scatter(x=days, y=nav, name="NAV", line=full(BLUE))
    drawn.add_scatter(
        x=days,
        y=[float(line.maintenance) for line in lines],
        name="required",
        line=full(VERMILION),
        fill="tozeroy",
    )
    drawn.add_scatter(
        x=[line.day for line in called],
        y=[float(line.maintenance) for line in called],
        name="margin call",
        mode="markers",
        marker={"symbol": "x", "size": 9, "color": BLACK},
    )
    peak = max(lines, key=lambda line: line.maintenance)
    count = f"{len(called)} close{'s' * (len(called) > 1)}"
    calls = f"{count} with a margin call" if called else "no margin call"
    required, of_nav = whole_dollars(peak.maintenance), whole_dollars(peak.nav)
    alt = f"Margin peaks at {required} on {peak.day}, with a NAV of {of_nav}; {calls}."
    drawn.update_yaxes(title_text="$", rangemode="tozero")
    return dressed(drawn, "Margin required, and what carries it", alt)


def premium_figure(
    break_even: BreakEven, assumed: float | None = None, label: str = ""
) -> go.Figure:
    """Net profit against the volatility premium; zero, the crossing and the assumption marked.

    ``assumed`` is the premium that the chains of the result carry, a fraction.
    """
    premiums = [100 * premium for premium, _ in break_even.tried]
    profits = [float(profit) for _, profit in break_even.tried]
    drawn = go.Figure()
    drawn.add_scatter(
        x=premiums, y=profits, name="net profit", mode="lines+markers", line=full(BLUE)
    )
    drawn.add_hline(y=0, line={"color": BLACK, "width": 1})
    if break_even.premium is not None:
        crossing = 100 * break_even.premium
        drawn.add_scatter(
            x=[crossing], y=[0], name=f"breaks even at {crossing:+.1f}", mode="markers",
            marker={"symbol": "diamond", "size": 13, "color": VERMILION},
        )  # fmt: skip
    if assumed is not None:
        drawn.add_vline(
            x=100 * assumed, line={"color": GREEN, "dash": "dash"},
            annotation_text=f"assumed {100 * assumed:+.1f}", annotation_position="top",
        )  # fmt: skip
    told = f"; the chains assume {100 * assumed:+.1f}" if assumed is not None else ""
    alt = (
        f"{label + ': ' if label else ''}Net profit over volatility premium breaks even at "
        f"{break_even}{told}; it is {whole_dollars(profits[0])} at {premiums[0]:+.1f} and "
        f"{whole_dollars(profits[-1])} at {premiums[-1]:+.1f}."
    )
    drawn.update_xaxes(title_text="premium, vol points over realised vol")
    drawn.update_yaxes(title_text="net profit, $")
    return dressed(drawn, "The premium it needs to break even", alt)


def trades_figure(trades: Sequence[ClosedTrade]) -> go.Figure:
    """Profit of each closed trade at its closing date; colour and shape say why it ended."""
    drawn = go.Figure()
    for reason, mine in _by_reason(trades).items():
        colour, symbol = _OF_REASON[reason]
        drawn.add_scatter(
            x=[trade.closed for trade in mine],
            y=[float(trade.profit) for trade in mine],
            text=[trade.id for trade in mine],
            name=reason.value,
            mode="markers",
            marker={"color": colour, "symbol": symbol, "size": 9},
        )
    drawn.add_hline(y=0, line={"color": BLACK, "width": 1})
    drawn.update_xaxes(title_text="closed on")
    drawn.update_yaxes(title_text="net profit, $")
    return dressed(drawn, "Profit of each trade, by exit", _trades_alt(trades))


def _trades_alt(trades: Sequence[ClosedTrade]) -> str:
    if not trades:
        return "No trade was closed."
    won = sum(trade.profit > 0 for trade in trades)
    worst = min(trades, key=lambda trade: trade.profit)
    best = max(trades, key=lambda trade: trade.profit)
    return (
        f"{len(trades)} closed trades, {won} with a profit; best {whole_dollars(best.profit)} "
        f"({best.closed}), worst {whole_dollars(worst.profit)} "
        f"({worst.closed}, {worst.reason})."
    )


def exit_reasons_figure(trades: Sequence[ClosedTrade]) -> go.Figure:
    """Summed profit of the trades that ended for each reason, with their number."""
    groups = _by_reason(trades)
    sums = [float(sum(trade.profit for trade in mine)) for mine in groups.values()]
    counts = [f"{len(mine)} trade{'s' * (len(mine) != 1)}" for mine in groups.values()]
    names = [reason.value for reason in groups]
    drawn = go.Figure()
    drawn.add_bar(
        x=sums, y=names, text=counts, orientation="h", name="net profit",
        marker={"color": [_OF_REASON[reason][0] for reason in groups]}, showlegend=False,
    )  # fmt: skip
    drawn.update_xaxes(title_text="net profit, $")
    told = [f"{n} {c} {whole_dollars(s)}" for n, c, s in zip(names, counts, sums, strict=True)]
    alt = "Profit by exit: " + ("; ".join(told) or "no trade was closed") + "."
    return dressed(drawn, "What each exit rule earned", alt, height=140 + 50 * len(groups))


def _by_reason(trades: Sequence[ClosedTrade]) -> dict[Reason, list[ClosedTrade]]:
    groups: dict[Reason, list[ClosedTrade]] = defaultdict(list)
    for trade in trades:
        groups[trade.reason].append(trade)
    return {reason: groups[reason] for reason in Reason if reason in groups}
