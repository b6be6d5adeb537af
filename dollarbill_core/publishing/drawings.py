"""Still pictures for a page: small SVGs that need no script, each with its alt text."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dollarbill_core.results.performance import underwater, worst_drawdown

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

WIDTH = 640  # of the view box; the page stretches it
_TOP, _BOTTOM = 26, 28  # room for the highest label and for the dates
_MOST_POINTS = 800
_NET = "fill:none;stroke:var(--net,#0072B2);stroke-width:2.2;stroke-linejoin:round"
_GROSS = "fill:none;stroke:var(--gross,#C25400);stroke-width:1.8;stroke-dasharray:7 4"
_WATER = "fill:var(--net,#0072B2);fill-opacity:.22;stroke:var(--net,#0072B2);stroke-width:1.2"
_GRID = "stroke:var(--line,#d5d9de);stroke-width:1"
_ZERO = "stroke:var(--soft,#595959);stroke-width:1"
_TEXT = (
    "fill:var(--soft,#595959);stroke:var(--paper,#fff);stroke-width:4;paint-order:stroke;"
    "stroke-linejoin:round"
)


def equity_svg(net: "pd.Series", gross: "pd.Series") -> str:
    """Growth of 100 dollars, net as a full line and gross as a dashed one, as an ``<svg>``.

    Both are growth series as ``bridge.growth`` makes them; dates are their index.
    """
    days, hundred = _days(net), 100 * net.to_numpy(float)
    frame = _Frame(days, 220, _range([hundred, 100 * gross.to_numpy(float)]))
    lines = [
        f'<path style="{_GROSS}" d="{frame.path(100 * gross.to_numpy(float))}"/>',
        f'<path style="{_NET}" d="{frame.path(hundred)}"/>',
    ]
    parts = frame.drawn(lines, "${:,.{}f}", base=100.0, most=5)
    return _svg("equity", "Growth of $100", equity_alt(net, gross), frame.height, parts)


def equity_alt(net: "pd.Series", gross: "pd.Series") -> str:
    """What the equity picture shows, in one sentence."""
    low, high = net.idxmin().date(), net.idxmax().date()
    return (
        f"$100 on {_first(net)} became ${100 * net.iloc[-1]:,.2f} net of fees and "
        f"${100 * gross.iloc[-1]:,.2f} gross by {_last(net)}; net, the lowest close was "
        f"${100 * net.min():,.2f} on {low}, the highest ${100 * net.max():,.2f} on {high}."
    )


def underwater_svg(net: "pd.Series") -> str:
    """How far a growth or NAV series lies below its highest close so far, as an ``<svg>``."""
    depth = 100 * underwater(net).to_numpy(float)
    frame = _Frame(_days(net), 150, _range([depth, np.zeros(1)]))
    edge = f"{frame.path(depth)} L{WIDTH},{frame.y(0):.1f} L0,{frame.y(0):.1f} Z"
    parts = frame.drawn(
        [f'<path style="{_WATER}" d="{edge}"/>'], "{:,.{}f} %", base=0.0, most=3
    )
    title = "Below the highest NAV so far, percent"
    return _svg("underwater", title, underwater_alt(net), frame.height, parts)


def underwater_alt(net: "pd.Series") -> str:
    """What the underwater picture shows, in one sentence."""
    worst = worst_drawdown(net)
    if worst is None:
        return f"From {_first(net)} to {_last(net)} the NAV never closed below an earlier high."
    now = float(underwater(net).iloc[-1])
    return f"Deepest fall {worst}; on {_last(net)} the NAV stood {now:.1%} from its high."


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where dates and values lie in the view box."""

    days: NDArray[np.float64]
    height: int
    span: tuple[float, float]

    def x(self, day: float) -> float:
        first, last = self.days[0], self.days[-1]
        return WIDTH * (day - first) / (last - first) if last > first else 0.0

    def y(self, value: float) -> float:
        low, high = self.span
        share = (value - low) / (high - low)
        return self.height - _BOTTOM - share * (self.height - _TOP - _BOTTOM)

    def path(self, values: Floats) -> str:
        keep = _telling(values)
        points = [f"{self.x(self.days[i]):.1f},{self.y(values[i]):.1f}" for i in keep]
        return "M" + " L".join(points)

    def drawn(self, lines: Sequence[str], form: str, base: float, most: int) -> list[str]:
        """Grid below the lines; above them each grid line's value at the left, and dates."""
        steps = ticks(*self.span, most)
        digits = max(0, -math.floor(math.log10(steps[1] - steps[0]))) if len(steps) > 1 else 0
        grid = [
            f'<path style="{_ZERO if y == base else _GRID}" d="M0,{self.y(y):.1f} H{WIDTH}"/>'
            for y in steps
        ]
        values = [self._value(y, form.format(y, digits).replace("-", "−")) for y in steps]
        dates = [self._date(day, told) for day, told in date_ticks(self.days)]
        return [*grid, *lines, *values, *dates]

    def _value(self, value: float, told: str) -> str:
        y = self.y(value) - 4
        return f'<text class="tick" style="{_TEXT}" x="2" y="{y:.1f}">{escape(told)}</text>'

    def _date(self, day: float, told: str) -> str:
        x = self.x(day)
        anchor = "start" if x < 40 else "end" if x > WIDTH - 40 else "middle"
        place = f'x="{x:.1f}" y="{self.height - 6}" text-anchor="{anchor}"'
        return f'<text class="tick" style="{_TEXT}" {place}>{told}</text>'


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round values within [low, high], in about ``most`` steps of 1, 2 or 5 powers of ten.

    >>> ticks(93.1, 108.0, most=4)
    [95.0, 100.0, 105.0]
    """
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(step * power for step in (1, 2, 5, 10) if step * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(n * step, 10) + 0.0 for n in range(first, last + 1)]


def date_ticks(days: Floats) -> list[tuple[float, str]]:
    """At most six dates to write below an axis of days: Januaries, else months, else days."""
    first, last = (date.fromordinal(int(day)) for day in (days[0], days[-1]))
    months = range(12 * first.year + first.month, 12 * last.year + last.month)
    starts = [date(month // 12, month % 12 + 1, 1) for month in months]
    years = [day for day in starts if day.month == 1]
    if len(years) >= 3:
        return _thinned(years, "%Y")
    if len(starts) >= 3:
        return _thinned(starts, "%b %Y")
    return [(float(day.toordinal()), f"{day:%d %b %Y}") for day in dict.fromkeys((first, last))]


def _thinned(days: Sequence[date], form: str) -> list[tuple[float, str]]:
    every = -(-len(days) // 6)
    return [(float(day.toordinal()), f"{day:{form}}") for day in days[::every]]


def _telling(values: Floats) -> NDArray[np.intp]:
    """Which points to draw: all, or of each bucket the lowest and highest, and both ends."""
    count = len(values)
    if count <= _MOST_POINTS:
        return np.arange(count)
    buckets = np.array_split(np.arange(count), _MOST_POINTS // 2)
    lows = [int(bucket[np.argmin(values[bucket])]) for bucket in buckets]
    highs = [int(bucket[np.argmax(values[bucket])]) for bucket in buckets]
    return np.unique([0, *lows, *highs, count - 1])


def _range(series: Sequence[Floats]) -> tuple[float, float]:
    """Lowest to highest of all, never empty."""
    low = min(float(values.min()) for values in series)
    high = max(float(values.max()) for values in series)
    room = 0.02 * (high - low) or 1.0
    return low - room, high + (0.0 if high == 0 and high > low else room)


def _days(series: "pd.Series") -> Floats:
    return np.array([float(day.toordinal()) for day in series.index])


def _first(series: "pd.Series") -> date:
    day: date = series.index[0].date()
    return day


def _last(series: "pd.Series") -> date:
    day: date = series.index[-1].date()
    return day


def _svg(name: str, title: str, alt: str, height: int, parts: Sequence[str]) -> str:
    """The frame of every picture: scales to its column, speaks its alt text."""
    inside = "\n".join(parts)
    return (
        f'<svg role="img" aria-labelledby="{name}-title {name}-desc" class="picture" '
        f'viewBox="0 0 {WIDTH} {height}" width="100%" font-size="12" '
        f'font-family="system-ui, sans-serif" xmlns="http://www.w3.org/2000/svg">\n'
        f'<title id="{name}-title">{escape(title)}</title>\n'
        f'<desc id="{name}-desc">{escape(alt)}</desc>\n{inside}\n</svg>'
    )
