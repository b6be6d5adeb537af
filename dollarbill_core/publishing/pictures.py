"""Pictures as plain data: drawn once as a figure, or moved on one that is already on screen.

Building a plotly figure takes some 30 ms, most of it spent on its layout; setting the numbers
of one that stands takes 3. So a slider moves arrays, names and ranges, and nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dollarbill_core.publishing.charts import dressed

Trace = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One picture: its traces, what stands around them, and what it says in words.

    Attributes
    ----------
    title, alt
        What to see, and the same in words and numbers.
    traces
        As plotly takes them; a picture keeps their number and order when it moves.
    ranges
        Of the axes that move, by plotly's name (``yaxis``, ``yaxis2``).
    layout
        What stays: axis titles, lines, notes.
    panels
        The titles of panels, row by row, two in a row; none for a single plot.
    """

    title: str
    alt: str
    traces: tuple[Trace, ...]
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    layout: Mapping[str, Any] = field(default_factory=dict)
    panels: tuple[str, ...] = ()
    rows: tuple[float, ...] = ()
    height: int = 440

    def figure(self) -> go.Figure:
        """The picture in the house's look."""
        drawn = self._frame()
        drawn.add_traces(list(self.traces))
        dressed(drawn, self.title, self.alt, height=self.height)
        drawn.update_layout({**self.layout, **self._axes()})
        return drawn

    def _frame(self) -> go.Figure:
        if self.rows:
            heights = {"row_heights": list(self.rows), "vertical_spacing": 0.06}
            return make_subplots(len(self.rows), 1, shared_xaxes=True, **heights)
        if self.panels:
            rows, titles = len(self.panels) // 2, list(self.panels)
            drawn = make_subplots(
                rows, 2, shared_xaxes=True, subplot_titles=titles, vertical_spacing=0.3 / rows
            )
            drawn.update_annotations(font_size=12)
            return drawn
        return go.Figure()

    def _axes(self) -> dict[str, Any]:
        return {f"{axis}_range": list(ends) for axis, ends in self.ranges.items()}


def moved(widget: Any, picture: Picture) -> None:
    """Set the arrays, names and ranges of a live figure to those of ``picture``.

    It goes out as one message, and what has not changed is not in it.
    """
    with widget.batch_update():
        for trace, fresh in zip(widget.data, picture.traces, strict=True):
            for key, value in fresh.items():
                if _can_move(value) and not _is_same(trace[key], value):
                    trace[key] = value
        for axis, ends in picture.ranges.items():
            if not _is_same(widget.layout[axis].range, ends):
                widget.layout[axis].range = list(ends)


def _can_move(value: Any) -> bool:
    return isinstance(value, str | float | list | tuple | np.ndarray)


def _is_same(old: Any, new: Any) -> bool:
    if isinstance(new, np.ndarray) and new.dtype.kind == "f":
        return isinstance(old, np.ndarray) and np.array_equal(old, new, equal_nan=True)
    if isinstance(new, str | float) or isinstance(old, str) or old is None:
        return bool(old == new)
    return list(old) == list(new)


def line(x: Any, y: Any, name: str, style: Mapping[str, Any], **more: Any) -> Trace:
    """A line of points."""
    known = {"type": "scatter", "mode": "lines", "x": x, "y": y, "name": name}
    return {**known, "line": dict(style), **more}


def segments(
    x: Sequence[Any], y: Sequence[Any], name: str, style: Mapping[str, Any], **more: Any
) -> Trace:
    """Straight lines, each from one of its two ends to the other: ``x`` and ``y`` are pairs."""
    across, up = ([end for pair in pairs for end in (*pair, None)] for pairs in (x, y))
    return line(across, up, name, style, connectgaps=False, **more)


def labels(
    x: Sequence[Any], y: Sequence[Any], texts: Sequence[str], sides: Sequence[str], colour: str
) -> Trace:
    """Words at points; ``sides`` say where of each point, as ``top right``."""
    return {
        "type": "scatter", "mode": "text", "x": list(x), "y": list(y), "text": list(texts),
        "textposition": list(sides), "textfont": {"color": colour, "size": 12},
        "showlegend": False, "hoverinfo": "skip", "name": "labels",
    }  # fmt: skip
