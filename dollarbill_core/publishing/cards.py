"""The answer on the first screen: a few figures with their label and status."""

from dataclasses import dataclass, replace
from decimal import Decimal
from html import escape

from dollarbill_core.desk.reports import SessionReport
from dollarbill_core.market.quality import percent
from dollarbill_core.results.backtest import Result
from dollarbill_core.results.break_even import BreakEven
from dollarbill_core.results.monthly import SINCE_INCEPTION, Statement
from dollarbill_core.results.outlook import Outlook
from dollarbill_core.results.performance import monthly_returns
from dollarbill_core.values.book import Fill
from dollarbill_core.values.contracts import cents
from dollarbill_core.values.provenance import Quotes

_BOX = (
    "border:1px solid #b9bfc6;border-radius:6px;padding:.6rem .9rem;margin:.3rem 0;"
    "font-variant-numeric:tabular-nums;max-width:54rem"
)
_LABEL = "font-weight:600;font-size:.8rem;letter-spacing:.04em"
_GRID = (
    "display:grid;grid-template-columns:repeat(auto-fit,minmax(8.2rem,1fr));"
    "gap:.4rem .8rem;margin:.4rem 0 0"
)
_SOFT = "font-size:.8rem;line-height:1.35;margin:0;opacity:.8"
_VALUE = "font-size:1.1rem;line-height:1.25;margin:0"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: ``key`` is how a test finds it, ``note`` what stands small beneath."""

    key: str
    name: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """Figures in the order of their weight, with what kind of numbers they are.

    The last expression of a cell shows it: as HTML, or as the same words in plain text.

    >>> Card((Figure("net-profit", "Net profit", "+$120.00", "after fees"),), "BACKTEST")
    BACKTEST | complete
    Net profit: +$120.00 (after fees)
    """

    figures: tuple[Figure, ...]
    label: str
    status: str = "complete"

    def __repr__(self) -> str:
        lines = [f"{self.label} | {self.status}"]
        for figure in self.figures:
            note = f" ({figure.note})" if figure.note else ""
            lines.append(f"{figure.name}: {figure.value}{note}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        figures = "\n".join(map(_figure_html, self.figures))
        right = f"{_LABEL};float:right"
        return (
            f'<section class="card" style="{_BOX}">'
            f'<span data-figure="label" style="{_LABEL}">{escape(self.label)}</span> '
            f'<span data-figure="status" style="{right}">{escape(self.status)}</span>'
            f'<dl style="{_GRID}">\n{figures}\n</dl></section>'
        )


def _figure_html(figure: Figure) -> str:
    value = (
        f'<dd data-figure="{escape(figure.key)}" style="{_VALUE}">{escape(figure.value)}</dd>'
    )
    note = f'<dd style="{_SOFT}">{escape(figure.note)}</dd>' if figure.note else ""
    return f'<div><dt style="{_SOFT}">{escape(figure.name)}</dt>{value}{note}</div>'


def signed_dollars(amount: Decimal) -> str:
    """Dollars with the sign in front, to the cent.

    >>> signed_dollars(Decimal("-1234.5")), signed_dollars(Decimal(0))
    ('−$1,234.50', '$0.00')
    """
    rounded = cents(amount)
    sign = "+" if rounded > 0 else "−" if rounded < 0 else ""
    return f"{sign}${abs(rounded):,.2f}"


def headline(
    result: Result, break_even: BreakEven | None = None, assumed: float | None = None
) -> Card:
    """A backtest's answer. On modelled chains the break-even premium leads.

    Parameters
    ----------
    break_even
        Its profits at the premiums tried; the one at 0 is shown beside the result's own.
    assumed
        Volatility premium, a fraction, that the result's chains carry on average.

    Raises
    ------
    ValueError
        If the chains are modelled and no break-even premium is given.
    """
    is_modelled = result.provenance.quotes is Quotes.MODELLED
    if is_modelled and break_even is None:
        raise ValueError("a result on modelled chains leads with its break-even premium")
    leading = _premium_figures(break_even) if break_even else ()
    profits = (*leading[:1], _profit(result, assumed), *leading[1:])
    figures = (
        *_nothing_traded(result),
        *profits,
        *_risk_figures(result),
        *_quality_figures(result),
        _period(result),
    )
    return Card(figures, result.provenance.label, _status(result))


def _quality_figures(result: Result) -> tuple[Figure, ...]:
    """How much of the period was quoted, and how well; of several underlyings the worst."""
    if not result.quality:
        return ()
    worst = min(result.quality, key=lambda each: each.score)
    thinnest = min(result.quality, key=lambda each: each.coverage)
    several = len(result.quality) > 1
    covered = f"chains on {percent(thinnest.coverage)} of sessions"
    return (
        Figure(
            "quality",
            f"Quality of quotes{f', {worst.symbol}' if several else ''}",
            percent(worst.score),
            f"{covered}{f' of {thinnest.symbol}' if several else ''}",
        ),
    )


def _nothing_traded(result: Result) -> tuple[Figure, ...]:
    """That every entry was refused, and why the first was; nothing if anything was traded."""
    if not result.refused or any(isinstance(event, Fill) for event in result.events):
        return ()
    count, why = f"{len(result.refused):,} entries refused", f"first: {result.refused[0].why}"
    return (Figure("refused", "Nothing was traded", count, why),)


def _premium_figures(found: BreakEven) -> tuple[Figure, ...]:
    """The premium that it needs, then what it earns without any."""
    asked = "implied less realised vol"
    needed = Figure("break-even", "Breaks even at a premium of", str(found), asked)
    at_zero = dict(found.tried).get(0.0)
    if at_zero is None:
        return (needed,)
    zero = signed_dollars(at_zero)
    return needed, Figure("net-profit-at-zero", "Net profit, premium 0", zero, "after all fees")


def _profit(result: Result, assumed: float | None) -> Figure:
    name = "Net profit"
    if assumed is not None:
        name = f"Net profit, premium {100 * assumed:+.1f}"
    gross = f"gross {signed_dollars(result.gross_profit)}"
    return Figure("net-profit", name, signed_dollars(result.net_profit), gross)


def _period(result: Result) -> Figure:
    first, last = result.lines[0].day, result.lines[-1].day
    return Figure("period", "Period", f"{first} to {last}", f"{len(result.lines):,} sessions")


def _risk_figures(result: Result) -> tuple[Figure, ...]:
    monthly = monthly_returns(result.equity)
    peak = max(result.lines, key=lambda line: line.maintenance / max(line.nav, Decimal(1)))
    share = float(peak.maintenance / peak.nav) if peak.nav > 0 else float("inf")
    count = result.margin_calls
    calls = f"{count or 'no'} margin call{'s' * (count > 1)}"
    worst = f"{monthly.min():+.2%}".replace("-", "−")
    return (
        Figure("worst-month", "Worst month, net", worst, f"{monthly.idxmin():%B %Y}"),
        Figure("peak-margin", "Peak margin", f"{share:.1%} of NAV", f"{peak.day}, {calls}"),
    )


def _status(result: Result) -> str:
    found = result.reconciliation()
    return "complete" if found.is_clean else f"{len(found.breaks)} differences in the replay"


def outlook_card(promised: Outlook, label: str) -> Card:
    """A design's answer: what it brings, where it breaks even, what it ties up and can lose."""
    levels = " and ".join(f"{level:,.2f}" for level in promised.break_evens)
    away = " and ".join(f"{level / promised.spot - 1:+.1%}" for level in promised.break_evens)
    required, chance = promised.required, promised.probability_of_profit
    figures = (
        Figure("credit", "Credit", f"${promised.credit:,.2f}", "at the quotes, before fees"),
        Figure("break-evens", "Breaks even at", levels, f"{away} from {promised.spot:,.2f}"),
        Figure(
            "chance",
            "Chance of a profit at expiry",
            f"{chance:.0%}",
            f"risk-neutral, {promised.law_name}",
        ),
        Figure("worst-loss", "Worst loss", str(promised.worst_loss)),
        Figure(
            "margin",
            "Margin required",
            f"${required.initial:,.2f}",
            f"the credit is {promised.return_on_margin:.1%} of it",
        ),
        Figure(
            "period",
            "From",
            f"{promised.now:%Y-%m-%d}",
            f"to expiry {promised.expires:%Y-%m-%d}",
        ),
    )
    return Card(figures, label)


def session_card(report: SessionReport) -> Card:
    """A session's answer: is the book the broker's, what went out, what it is worth."""
    equal = sum(row.is_equal for row in report.comparisons)
    agreed = f"{equal} of {len(report.comparisons)} lines equal"
    worth = (
        (
            Figure("nav", "NAV", f"${report.line.nav:,.2f}", f"cash ${report.line.cash:,.2f}"),
            Figure(
                "margin",
                "Margin required",
                f"${report.line.maintenance:,.2f}",
                f"free ${report.line.free:,.2f}",
            ),
        )
        if report.line
        else ()
    )
    figures = (
        Figure("period", "Session", f"{report.day}", report.why),
        Figure("reconciled", "Our book and the broker's", agreed),
        Figure("sent", "Orders sent", str(len(report.sent)), f"{len(report.refused)} refused"),
        *worth,
        Figure("breaker", "Circuit breaker", report.breaker.value, _breaker_said(report)),
    )
    return Card(figures, report.label, report.status.value)


def _breaker_said(report: SessionReport) -> str:
    if not report.breaker.opens:
        return "nothing is opened until a person resets it"
    word = report.reset
    return f"reset by {word.by} on {word.at:%Y-%m-%d}: {word.why}" if word else ""


def statement_card(statement: Statement, break_even: BreakEven | None = None) -> Card:
    """A month's answer. On modelled chains the break-even premium leads."""
    if statement.provenance.quotes is Quotes.MODELLED and break_even is None:
        raise ValueError("a statement on modelled chains leads with its break-even premium")
    month, moved, margin = statement.worst_month, statement.bridge, statement.margin_ever
    net = Figure(
        "net-profit",
        f"Net profit in {statement.month}",
        signed_dollars(moved.net),
        f"gross {signed_dollars(moved.gross)}",
    )
    leading = _premium_figures(break_even) if break_even else ()
    whole = next(each for each in statement.periods if each.name == SINCE_INCEPTION)
    ever = Figure("net-ever", SINCE_INCEPTION, signed_dollars(whole.net_profit), "net")
    at_zero = [replace(each, name=f"{SINCE_INCEPTION}, premium 0") for each in leading[1:]]
    opened = moved.opened or statement.growth.net.index[0].date()
    figures = (
        *leading[:1],
        net,
        ever,
        *at_zero,
        Figure(
            "worst-month", "Worst month, net", f"{month[1]:+.2%}".replace("-", "−"), month[0]
        ),
        Figure(
            "peak-margin",
            "Peak margin",
            f"{margin.peak_share:.1%} of NAV",
            str(margin.peak_day),
        ),
        Figure("period", "Period", f"{opened} to {moved.closed}", "closing NAVs"),
    )
    return Card(figures, statement.provenance.label, statement.status)
