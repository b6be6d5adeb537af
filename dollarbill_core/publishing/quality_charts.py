"""Pictures of data quality: where chains are, how good they are, what is wrong with them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from html import escape
from itertools import groupby
from typing import NamedTuple

import plotly.graph_objects as go

from dollarbill_core.market.faults import Fault
from dollarbill_core.market.quality import Quality, percent
from dollarbill_core.publishing.charts import BLUE, GREY, VERMILION, dressed
from dollarbill_core.publishing.drawings import WIDTH

_MOST_DAYS = 70  # sessions; a longer period is drawn by month
_MOST_LABELS = 8
_LEFT, _ROW, _GAP, _TOP, _BOTTOM = 58, 20, 3, 4, 22  # of the drawing


class Grade(NamedTuple):
    """A class of scores: from which score on, its name and its colour."""

    least: float
    name: str
    colour: str


# Blues from pale to dark as scores fall, told apart by lightness alone; orange for the worst,
# which no kind of colour blindness takes for blue.
GRADES = (
    Grade(0.999, "99.9 % and more", "#cfe3f3"),
    Grade(0.99, "99 to 99.9 %", "#8fbfe0"),
    Grade(0.95, "95 to 99 %", "#3f88c5"),
    Grade(0.80, "80 to 95 %", "#12406e"),
    Grade(0.0, "below 80 %", VERMILION),
)


def grade(score: float) -> Grade:
    """The class of a score from 0 to 1."""
    return next(each for each in GRADES if score >= each.least)


class Cell(NamedTuple):
    """One symbol and column: share of its sessions that have a chain, and their mean score.

    ``score`` is NaN where there is no chain, ``coverage`` NaN where no session is expected.
    """

    coverage: float
    score: float

    @property
    def grade(self) -> Grade | None:
        return None if math.isnan(self.score) else grade(self.score)


@dataclass(frozen=True)
class CoverageTable:
    """Symbols by month, or by session where the period is short.

    ``columns`` are the first day of each month, or the sessions; ``rows`` are one for each
    symbol, in the order given.
    """

    qualities: tuple[Quality, ...]

    @cached_property
    def by_month(self) -> bool:
        return len(self._sessions) > _MOST_DAYS

    @cached_property
    def _sessions(self) -> tuple[date, ...]:
        return tuple(sorted({day for each in self.qualities for day in each.expected}))

    @cached_property
    def columns(self) -> tuple[date, ...]:
        if not self.by_month or not self._sessions:
            return self._sessions
        first, last = self._sessions[0], self._sessions[-1]
        months = range(12 * first.year + first.month - 1, 12 * last.year + last.month)
        return tuple(date(month // 12, month % 12 + 1, 1) for month in months)

    @cached_property
    def rows(self) -> tuple[tuple[Cell, ...], ...]:
        return tuple(self._row(each) for each in self.qualities)

    def _row(self, quality: Quality) -> tuple[Cell, ...]:
        expected: dict[date, int] = {}
        scores: dict[date, list[float]] = {}
        sessions = set(quality.expected)
        for day in quality.expected:
            expected[self._column(day)] = expected.get(self._column(day), 0) + 1
        for each in quality.days:
            if each.day in sessions:
                scores.setdefault(self._column(each.day), []).append(each.score)
        return tuple(
            _cell(expected.get(column, 0), scores.get(column, [])) for column in self.columns
        )

    def _column(self, day: date) -> date:
        return day.replace(day=1) if self.by_month else day

    def labels(self) -> tuple[tuple[int, str], ...]:
        """A few columns with what to write beneath: years, months or days."""
        starts = list(range(len(self.columns)))
        form = "%d %b" if not self.by_month else "%b %Y"
        januaries = [
            n for n, day in enumerate(self.columns) if self.by_month and day.month == 1
        ]
        if len(januaries) >= 3:
            starts, form = januaries, "%Y"
        every = max(-(-len(starts) // _MOST_LABELS), 1)
        return tuple((n, f"{self.columns[n]:{form}}") for n in starts[::every])


def _cell(expected: int, scores: Sequence[float]) -> Cell:
    score = sum(scores) / len(scores) if scores else math.nan
    return Cell(len(scores) / expected if expected else math.nan, score)


def _told(cell: Cell) -> list[str]:
    return [percent(cell.coverage), percent(cell.score, 2)]


def coverage_alt(qualities: Sequence[Quality]) -> str:
    """What the coverage map shows, in words."""
    told = [
        f"{each.symbol} has chains on {len(each.expected) - len(each.missing)} of "
        f"{len(each.expected)} sessions"
        + (f" with a score of {percent(each.score)}" if each.days else "")
        for each in qualities
    ]
    return "; ".join(told) + "." if told else "Nothing is stored."


# ---------------------------------------------------------------- a still picture


def coverage_svg(qualities: Sequence[Quality]) -> str:
    """The coverage map as an ``<svg>`` that needs no script.

    Colour is the mean score; the part of a cell that is hatched is the share of its sessions
    without a chain, so an empty month is hatched all over.
    """
    table = CoverageTable(tuple(qualities))
    height = _TOP + len(table.rows) * (_ROW + _GAP) + _BOTTOM
    parts = [_HATCH]
    for number, (quality, row) in enumerate(zip(table.qualities, table.rows, strict=True)):
        y = _TOP + number * (_ROW + _GAP)
        parts.append(
            f'<text class="tick" x="0" y="{y + 0.72 * _ROW:.1f}" style="{_INK}">'
            f"{escape(quality.symbol)}</text>"
        )
        parts += _drawn_row(row, y)
    parts += _drawn_labels(table, height)
    inside = "\n".join(parts)
    return (
        '<svg role="img" aria-labelledby="coverage-title coverage-desc" class="picture" '
        f'viewBox="0 0 {WIDTH} {height}" width="100%" font-size="12" '
        'font-family="system-ui, sans-serif" xmlns="http://www.w3.org/2000/svg">\n'
        '<title id="coverage-title">Where chains are, and how good they are</title>\n'
        f'<desc id="coverage-desc">{escape(coverage_alt(qualities))}</desc>\n{inside}\n</svg>'
    )


_INK = "fill:var(--ink,#1b1f23)"
_SOFT = "fill:var(--soft,#595959)"
_HATCH = (
    '<defs><pattern id="missing" width="5" height="5" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)"><rect width="5" height="5" '
    'style="fill:var(--paper,#fff)"/><path d="M0,0 V5" '
    'style="stroke:var(--soft,#767676);stroke-width:1.6"/></pattern></defs>'
)


def _drawn_row(row: Sequence[Cell], y: float) -> list[str]:
    """Neighbours that look alike are drawn as one."""
    parts, wide = [], (WIDTH - _LEFT) / max(len(row), 1)
    for looks, cells in groupby(enumerate(row), key=lambda each: _looks(each[1])):
        numbers = [number for number, _ in cells]
        x, width = _LEFT + wide * numbers[0], wide * len(numbers)
        if looks is None:
            continue
        colour, coverage = looks
        missing = _ROW * (1 - coverage)
        if missing:
            parts.append(_rectangle(x, y, width, missing, "url(#missing)"))
        if coverage:
            parts.append(_rectangle(x, y + missing, width, _ROW - missing, colour))
    return parts


def _looks(cell: Cell) -> tuple[str, float] | None:
    """Colour and covered share of a cell; None where no session is expected."""
    if math.isnan(cell.coverage):
        return None
    return (cell.grade.colour if cell.grade else "none", cell.coverage)


def _rectangle(x: float, y: float, width: float, height: float, fill: str) -> str:
    place = f'x="{x:.2f}" y="{y:.2f}" width="{width + 0.05:.2f}" height="{height:.2f}"'
    return f'<rect {place} fill="{fill}"/>'


def _drawn_labels(table: CoverageTable, height: float) -> list[str]:
    wide = (WIDTH - _LEFT) / max(len(table.columns), 1)
    parts = []
    for number, told in table.labels():
        x = _LEFT + wide * number
        parts.append(
            f'<path d="M{x:.1f},{height - _BOTTOM} v4" style="stroke:var(--soft,#595959)"/>'
        )
        anchor = "end" if x > WIDTH - 40 else "start"
        parts.append(
            f'<text class="tick" x="{x:.1f}" y="{height - 5}" text-anchor="{anchor}" '
            f'style="{_SOFT}">{told}</text>'
        )
    return parts


# ---------------------------------------------------------------- for notebooks


def coverage_figure(qualities: Sequence[Quality]) -> go.Figure:
    """The coverage map for a notebook: colour the mean score, a cross where chains are missing.

    A large cross marks columns that lack all their sessions, a small one those that lack a
    tenth or more.
    """
    table = CoverageTable(tuple(qualities))
    symbols = [each.symbol for each in table.qualities]
    numbers = list(range(len(symbols)))
    names = [[symbol] * len(table.columns) for symbol in symbols]
    drawn = go.Figure()
    drawn.add_heatmap(
        x=list(table.columns), y=numbers, text=names, name="score",
        z=[[_class_of(cell) for cell in row] for row in table.rows],
        customdata=[[_told(cell) for cell in row] for row in table.rows],
        hovertemplate="%{text} %{x}: score %{customdata[1]}, "
        "%{customdata[0]} of sessions<extra></extra>",
        zmin=-0.5, zmax=len(GRADES) - 0.5, colorscale=_steps(),
        xgap=1 if len(table.columns) <= _MOST_DAYS else 0, ygap=2,
        colorbar={
            "tickvals": list(range(len(GRADES))), "ticktext": [g.name for g in GRADES],
            "outlinewidth": 0, "thickness": 14,
        },
    )  # fmt: skip
    for name, size, wanted in (
        ("all missing", 11, True),
        ("a tenth or more missing", 6, False),
    ):
        places = [
            (column, number)
            for number, row in enumerate(table.rows)
            for column, cell in zip(table.columns, row, strict=True)
            if cell.coverage <= 0.9 and (cell.coverage == 0) is wanted
        ]
        drawn.add_scatter(
            x=[x for x, _ in places], y=[y for _, y in places], name=name, mode="markers",
            marker={"symbol": "x-thin", "size": size, "line": {"width": 2, "color": GREY}},
            showlegend=bool(places), hoverinfo="skip",
        )  # fmt: skip
    unit = "month" if table.by_month else "session"
    drawn.update_yaxes(autorange="reversed", tickvals=numbers, ticktext=symbols, showgrid=False)
    drawn.update_xaxes(title_text=unit)
    title = f"Where chains are, and how good they are, by {unit}"
    height = 180 + 26 * max(len(symbols), 2)
    return dressed(drawn, title, coverage_alt(qualities), height=height)


def _class_of(cell: Cell) -> float:
    return math.nan if cell.grade is None else float(GRADES.index(cell.grade))


def _steps() -> list[tuple[float, str]]:
    """Each grade's colour over its whole step, so that none is mixed."""
    count = len(GRADES)
    return [(end / count, g.colour) for n, g in enumerate(GRADES) for end in (n, n + 1)]


def faults_figure(qualities: Sequence[Quality]) -> go.Figure:
    """How many quotes, or days, have each fault: shares in percent, the counts beside them."""
    counts = {f: sum(q.counts.get(f, 0) for q in qualities) for f in Fault}
    seen = [fault for fault in Fault if counts[fault]]
    rows, days = sum(q.rows for q in qualities), sum(len(q.days) for q in qualities)
    shares = [100 * counts[f] / (days if f.is_of_a_day else rows) for f in seen]
    drawn = go.Figure()
    for is_grave, name, colour in (
        (True, "takes from the score", BLUE),
        (False, "harmless", GREY),
    ):
        mine = [n for n, fault in enumerate(seen) if fault.is_grave is is_grave]
        drawn.add_bar(
            x=[shares[n] for n in mine], y=[seen[n].value for n in mine], name=name,
            text=[_count_told(seen[n], counts[seen[n]]) for n in mine], orientation="h",
            marker={"color": colour}, textposition="outside", cliponaxis=False,
        )  # fmt: skip
    if shares:
        ends = [math.log10(min(shares) / 3), math.log10(max(shares) * 8)]  # room for counts
        drawn.update_xaxes(type="log", range=ends, dtick=1)
    drawn.update_xaxes(title_text="share of quotes, or of days, % (each line ten times more)")
    drawn.update_yaxes(
        categoryorder="array", categoryarray=[fault.value for fault in reversed(seen)]
    )
    told = [f"{_count_told(fault, counts[fault])} {fault}" for fault in seen]
    alt = f"Of {rows:,} quotes on {days:,} days: " + ("; ".join(told) or "no fault") + "."
    return dressed(drawn, "What is wrong with the quotes", alt, height=170 + 30 * len(seen))


def _count_told(fault: Fault, count: int) -> str:
    noun = "day" if fault.is_of_a_day else "quote"
    return f"{count:,} {noun}{'s' * (count != 1)}"
