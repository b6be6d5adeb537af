"""The investor's monthly statement: one page that opens anywhere and hides nothing."""

import csv
import io
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dollarbill_core.publishing.drawings import equity_svg, underwater_svg
from dollarbill_core.results.monthly import (
    Activity,
    Holding,
    MarginUse,
    Period,
    Statement,
)
from dollarbill_core.results.nav import ClosedTrade
from dollarbill_core.results.performance import (
    MONTHS,
    SESSIONS_PER_YEAR,
    Statistics,
    year_by_month,
)
from dollarbill_core.values.contracts import Stock, cents

if TYPE_CHECKING:
    import pandas as pd
    from jinja2 import Template

_FOLDER = Path(__file__).parent
_MISSING = "n/a"


def statement_html(statement: Statement) -> str:
    """The statement as one HTML page: no script, no request, for a phone and for paper."""
    return str(_template().render(_told(statement)))


@dataclass(frozen=True, slots=True)
class Frame:
    """A whole page shown inside a notebook, apart from the notebook's own style."""

    page: str
    title: str

    def __repr__(self) -> str:
        return f"{self.title}: {len(self.page):,} characters of HTML"

    def _repr_html_(self) -> str:
        style = "width:100%;height:60rem;border:1px solid #b9bfc6;box-sizing:border-box"
        title, page = escape(self.title), escape(self.page)
        return f'<iframe title="{title}" style="{style}" srcdoc="{page}"></iframe>'


def statement_frame(statement: Statement) -> Frame:
    """The statement as the investor sees it, for the last expression of a cell."""
    return Frame(statement_html(statement), f"Statement of {month_name(statement.month)}")


def write_statement(statement: Statement, folder: Path) -> tuple[Path, ...]:
    """Write statement-2018-02 as .html and .json, and its trades and positions as .csv.

    Each file appears whole or not at all; returns their paths, the page first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = f"statement-{statement.month}"
    contents = {
        f"{name}.html": statement_html(statement),
        f"{name}.json": statement_json(statement),
        f"{name}-trades.csv": _csv(map(_trade_row, statement.now.closed), _TRADE_COLUMNS),
        f"{name}-positions.csv": _csv(map(_holding_row, statement.holdings), _HOLDING_COLUMNS),
    }
    return tuple(_written(folder / file, content) for file, content in contents.items())


def _written(path: Path, content: str) -> Path:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(content, encoding="utf-8")
    draft.replace(path)
    return path


@cache
def _template() -> "Template":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    house = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    house.filters |= {"dollars": dollars, "percent": percent, "day": day_name}
    return house.get_template("statement.html.j2")


def dollars(amount: Decimal) -> str:
    """To the cent, losses in parentheses.

    >>> dollars(Decimal("1234.5")), dollars(Decimal("-0.126"))
    ('$1,234.50', '($0.13)')
    """
    rounded = cents(amount)
    return f"(${-rounded:,.2f})" if rounded < 0 else f"${abs(rounded):,.2f}"


def percent(fraction: float, digits: int = 2) -> str:
    """A fraction in percent, negatives in parentheses.

    >>> print(percent(0.0123), percent(-0.5, 1), percent(float("nan")))
    1.23 % (50.0 %) n/a
    """
    if math.isnan(fraction):
        return _MISSING
    if math.isinf(fraction):
        return "more than the NAV"
    text = f"{abs(100 * fraction):,.{digits}f}"
    is_loss = fraction < 0 and float(text.replace(",", "")) > 0
    return f"({text}\u00a0%)" if is_loss else f"{text}\u00a0%"


def _number(value: float, digits: int = 2) -> str:
    if math.isnan(value):
        return _MISSING
    text = f"{abs(value):,.{digits}f}"
    return f"({text})" if value < 0 and float(text.replace(",", "")) else text


def month_name(month: str) -> str:
    """2018-02 as February 2018, on one line."""
    return f"{date.fromisoformat(f'{month}-01'):%B\u00a0%Y}"


def day_name(day: date) -> str:
    """2018-02-05 as 5 Feb 2018, on one line."""
    return f"{day.day}\u00a0{day:%b\u00a0%Y}"


def _told(statement: Statement) -> dict[str, Any]:
    """Everything that the template prints and that is not a plain field."""
    from markupsafe import Markup

    grown = statement.growth
    return {
        "s": statement,
        "month": month_name(statement.month),
        "style": Markup((_FOLDER / "statement.css").read_text(encoding="utf-8")),
        "commentary": commentary(statement),
        "equity": Markup(equity_svg(grown.net, grown.gross)),
        "underwater": Markup(underwater_svg(grown.net)),
        "years": _years(grown.net, grown.gross),
        "months": MONTHS,
        "statistics": _statistics(statement),
        "activity": _activity(statement),
        "worst_month": month_name(statement.worst_month[0]),
        "basis": basis,
    }


# ---------------------------------------------------------------- sentences


def commentary(statement: Statement) -> tuple[str, str, str]:
    """Three sentences made from the figures: what it earned, what was done, what is at risk."""
    return _earned(statement), _done(statement.now), _at_risk(statement)


def _earned(statement: Statement) -> str:
    month, made = statement.periods[0], statement.bridge
    verb = "gained" if made.net > 0 else "lost" if made.net < 0 else "neither gained nor lost"
    return (
        f"From the close of {day_name(month.opened)} to that of {day_name(month.closed)} the "
        f"account {verb} ${cents(abs(made.net)):,.2f} after fees, a return of "
        f"{_signed(month.net)}; before ${cents(made.charged):,.2f} of fees the return was "
        f"{_signed(month.gross)}."
    )


def _done(now: Activity) -> str:
    exits = ", ".join(f"{count} by {reason}" for reason, count in now.exits)
    closed = f"closed {len(now.closed)} ({exits})" if exits else "closed none"
    return (
        f"It opened {_counted(now.entries, 'trade')} and {closed}, took in "
        f"${cents(now.premium_sold):,.2f} of premium and paid back "
        f"${cents(now.paid_back):,.2f}; {_counted(now.assignments, 'contract')} "
        f"{'was' if now.assignments == 1 else 'were'} assigned."
    )


def _at_risk(statement: Statement) -> str:
    margin, count = statement.margin, len(statement.holdings)
    name, worst = statement.worst_month
    held = f"{_counted(count, 'position')} stood open" if count else "nothing stood open"
    return (
        f"Margin peaked at {percent(margin.peak_share, 1)} of NAV on "
        f"{day_name(margin.peak_day)} and {held} at the end; the worst month since inception "
        f"is {month_name(name)}, {_signed(worst)}."
    )


def _signed(fraction: float) -> str:
    """In prose a minus sign reads better than parentheses."""
    if math.isnan(fraction):
        return _MISSING
    text = f"{100 * fraction:+,.2f}\u00a0%"
    return text.replace("-", "−") if float(f"{100 * fraction:.2f}") else "0.00\u00a0%"


def _counted(count: int, noun: str) -> str:
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"


# ---------------------------------------------------------------- tables


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of a table: what it is, then its cells as text."""

    name: str
    cells: tuple[str, ...]


def _years(net: "pd.Series", gross: "pd.Series") -> list[tuple[int, list[_Row]]]:
    """Each year with its net and its gross row: twelve months and the year, in percent."""
    tables = {"net": year_by_month(net), "gross": year_by_month(gross)}
    return [
        (int(year), [_Row(name, _cells(table.loc[year])) for name, table in tables.items()])
        for year in reversed(tables["net"].index)
    ]


def _cells(returns: "pd.Series") -> tuple[str, ...]:
    return tuple("" if math.isnan(value) else _number(100 * value) for value in returns)


def _statistics(statement: Statement) -> list[_Row]:
    """Net and gross side by side; nothing is annualised from less than a year."""
    both = (statement.net, statement.gross)
    short = statement.net.days - 1 < SESSIONS_PER_YEAR
    why = f"{_MISSING} – {_counted(statement.months, 'month')}"
    yearly = {
        "Return a year": [percent(each.annual_return) for each in both],
        "Volatility a year": [percent(each.annual_vol) for each in both],
        "Sharpe ratio": [_number(each.sharpe) for each in both],
        "Sortino ratio": [_number(each.sortino) for each in both],
    }
    plain = {
        "Total return": [percent(each.total_return) for each in both],
        "Best month": [percent(each.best_month) for each in both],
        "Worst month": [percent(each.worst_month) for each in both],
        "Months up": [percent(each.months_up, 0) for each in both],
        "Deepest fall": [_fall(each) for each in both],
    }
    rows = [_Row(name, (why, why) if short else tuple(told)) for name, told in yearly.items()]
    whole = [_Row(name, tuple(told)) for name, told in plain.items()]
    return [whole[0], *rows, *whole[1:]]


def _fall(told: Statistics) -> str:
    fall = told.drawdown
    if fall is None:
        return "none"
    end = f"recovered {day_name(fall.recovered)}" if fall.recovered else "NOT RECOVERED"
    return f"{percent(fall.depth)}\n{day_name(fall.peak)} to {day_name(fall.trough)}\n{end}"


def _activity(statement: Statement) -> list[_Row]:
    """This month and since inception side by side."""
    columns = [
        _activity_column(activity, margin)
        for activity, margin in (
            (statement.now, statement.margin),
            (statement.ever, statement.margin_ever),
        )
    ]
    return [_Row(name, tuple(column[name] for column in columns)) for name in columns[0]]


def _activity_column(done: Activity, margin: MarginUse) -> dict[str, str]:
    count = len(done.closed)
    return {
        "Trades opened": str(done.entries),
        "Trades closed": str(count),
        "Why they ended": "\n".join(f"{n} {reason}" for reason, n in done.exits) or "none did",
        "Premium received": dollars(done.premium_sold),
        "Paid back": dollars(done.paid_back),
        "Win rate": f"{done.wins} of {count}"
        + (f", {percent(done.wins / count, 0)}" if count else ""),
        "Payoff ratio (average win / loss)": _number(done.payoff_ratio),
        "Worst trade": _worst(done.worst),
        "Contracts assigned": str(done.assignments),
        "Peak margin": f"{percent(margin.peak_share, 1)} of NAV\n{day_name(margin.peak_day)}",
        "Closes with a margin call": str(margin.calls),
    }


def _worst(trade: ClosedTrade | None) -> str:
    return "none" if trade is None else f"{dollars(trade.profit)}\n{trade.id}"


# ---------------------------------------------------------------- files beside the page

_TRADE_COLUMNS = (
    "trade", "underlying", "legs", "opened", "closed", "days", "credit", "fees", "net_profit",
    "exit_reason", "assigned",
)  # fmt: skip
_HOLDING_COLUMNS = (
    "contract", "action", "quantity", "days_to_expiry", "mark", "value", "profit", "basis",
)  # fmt: skip


def _trade_row(trade: ClosedTrade) -> tuple[object, ...]:
    legs = "; ".join(map(str, trade.legs))
    dates = (trade.opened, trade.closed, trade.days)
    money = (trade.credit, trade.fees, trade.profit)
    return (
        trade.id, trade.underlying, legs, *dates, *money, trade.reason.value, trade.assigned,
    )  # fmt: skip


def _holding_row(held: Holding) -> tuple[object, ...]:
    left = "" if held.days_to_expiry is None else held.days_to_expiry
    return (
        held.leg.instrument, held.leg.action.name, held.leg.quantity, left, held.mark.price,
        held.mark.value, held.profit, basis(held),
    )  # fmt: skip


def basis(held: Holding) -> str:
    """Whose price the mark is, as the page and the file say it."""
    if isinstance(held.leg.instrument, Stock):
        return "close"
    return "model" if held.mark.modelled else "quote"


def _csv(rows: Iterable[Sequence[object]], columns: Sequence[str]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def statement_json(statement: Statement) -> str:
    """The page's figures for a machine; dollars and fractions as exact text, not rounded."""
    made = statement.bridge
    figures = {
        "month": statement.month,
        "label": statement.provenance.label,
        "status": statement.status,
        "incidents": statement.incidents,
        "strategy": statement.strategy,
        "premium": statement.premium,
        "bridge": {
            "opening_nav": made.opening,
            "flows": made.flows,
            "gains": dict(made.gains),
            "gross_profit": made.gross,
            "fees": dict(made.fees),
            "net_profit": made.net,
            "closing_nav": made.closing,
        },
        "periods": [_plain(period) for period in statement.periods],
        "worst_month": statement.worst_month,
        "peak_margin": _plain(statement.margin),
        "statistics": {"net": _plain(statement.net), "gross": _plain(statement.gross)},
        "provenance": _plain(statement.provenance),
    }
    return json.dumps(figures, indent=2, default=_worded, ensure_ascii=False) + "\n"


def _plain(value: Period | MarginUse | Statistics | Any) -> Mapping[str, Any]:
    """A dataclass as a mapping, NaN as null."""
    from dataclasses import asdict

    return {
        name: None if isinstance(field, float) and not math.isfinite(field) else field
        for name, field in asdict(value).items()
    }


def _worded(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, date | Decimal):
        return str(value)
    raise TypeError(f"a statement cannot hold a {type(value).__name__}")
