"""Pictures of a book's risk: what accounts ask, margin by spot and vol, past shocks again."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dollarbill_core.pricing.machine_code import Floats
from dollarbill_core.publishing.charts import BLACK, BLUE, SKY, VERMILION, full, whole_dollars
from dollarbill_core.publishing.pictures import Picture, Trace, line
from dollarbill_core.results.margin_study import Asked
from dollarbill_core.rules.shocks import VERSION
from dollarbill_core.rules.stress import Matrix, ShockOutcome

WHITE = "#ffffff"
CALLED = "×"  # beneath the dollars of a node at which the account has a margin call
Booleans = NDArray[np.bool_]


def profit_matrix_picture(matrix: Matrix, *, label: str = "") -> Picture:
    """Profit by move of the index and of vol, with the line beyond which margin is called.

    Dollars stand in each cell, a cross beneath them where the account has a margin call.
    """
    most = float(np.abs(matrix.profits).max()) or 1.0
    colours = {
        "zmid": 0, "zmin": -most, "zmax": most,
        "colorscale": [(0, VERMILION), (0.5, WHITE), (1, BLUE)],
    }  # fmt: skip
    (worst, at), best = _worst(matrix), whole_dollars(matrix.profits.max())
    alt = (
        f"{_heading(matrix, label)} profit runs from {whole_dollars(worst)} at {at} to {best}. "
        f"{_calls_told(matrix)}."
    )
    title = f"At worst {whole_dollars(worst)}, at {at}" if worst < 0 else "No loss on this map"
    is_dark = matrix.profits > 0.8 * most  # black is read on the orange, white on the blue
    return _picture(matrix, matrix.profits, "profit", colours, is_dark, title, alt)


def margin_matrix_picture(matrix: Matrix, *, label: str = "") -> Picture:
    """Maintenance requirement by move of the index and of vol, with the line of the call.

    Dollars stand in each cell, a cross beneath them where they exceed what the account has.
    """
    low, high = float(matrix.margins.min()), float(matrix.margins.max())
    colours = {
        "zmin": 0.0, "zmax": high or 1.0, "colorscale": [(0, WHITE), (0.5, SKY), (1, BLUE)],
    }  # fmt: skip
    alt = (
        f"{_heading(matrix, label)} margin runs from {whole_dollars(low)} to "
        f"{whole_dollars(high)}; {int(matrix.is_called.sum())} of {matrix.excess.size} nodes "
        f"are a margin call. {_calls_told(matrix)}."
    )
    is_dark = matrix.margins > 0.85 * high
    return _picture(
        matrix, matrix.margins, "margin", colours, is_dark, _calls_told(matrix), alt
    )


def _worst(matrix: Matrix) -> tuple[float, str]:
    """The least profit, and where; of cells alike to the dollar the one nearest to today."""
    worst = float(matrix.profits.min())
    rows, columns = np.nonzero(matrix.profits < worst + 0.5)
    moves, points = matrix.spot_moves[columns], matrix.vol_points[rows]
    nearest = int(np.argmin(np.abs(moves) + np.abs(points)))
    return worst, f"{_percent(moves[nearest])} and vol {_signed(100 * points[nearest])}"


def _picture(
    matrix: Matrix, dollars: Floats, name: str, colours: dict[str, Any], is_dark: Booleans,
    title: str, alt: str,
) -> Picture:  # fmt: skip
    """Cells of one height, whatever lies between their vols; the words on top of the line."""
    x, rows = 100 * matrix.spot_moves, np.arange(len(matrix.vol_points))
    names = [_signed(100 * points) for points in matrix.vol_points]
    heat: Trace = {
        "type": "heatmap", "x": x, "y": rows, "z": dollars, "name": name, "xgap": 1, "ygap": 1,
        "showscale": False, "hovertemplate": "%{x:+.0f} %: $%{z:,.0f}<extra></extra>",
        **colours,
    }  # fmt: skip
    return Picture(
        title,
        alt,
        (heat, _contour(matrix), _words(matrix, dollars, is_dark)),
        layout={
            "xaxis": {"title": {"text": f"move of the index{_when(matrix)}, %"}, "tickvals": x,
                      "tickangle": 0, "zeroline": False},
            "yaxis": {"title": {"text": "change of every vol, points"}, "tickvals": rows,
                      "ticktext": names, "zeroline": False},
        },
        height=460,
    )  # fmt: skip


def _words(matrix: Matrix, dollars: Floats, is_dark: Booleans) -> Trace:
    """The dollars of each cell, and the cross of a call."""
    rows, columns = np.indices(dollars.shape).reshape(2, -1)
    cells = zip(dollars.ravel().tolist(), matrix.is_called.ravel().tolist(), strict=True)
    texts = [
        f"{short_dollars(value)}<br>{CALLED if called else ' '}" for value, called in cells
    ]
    ink = [WHITE if dark else BLACK for dark in is_dark.ravel()]
    return {
        "type": "scatter", "mode": "text", "name": "dollars", "text": texts, "y": rows.tolist(),
        "x": (100 * matrix.spot_moves[columns]).tolist(), "showlegend": False,
        "textfont": {"color": ink, "size": 11}, "hoverinfo": "skip",
    }  # fmt: skip


def _contour(matrix: Matrix) -> Trace:
    """The line of the call through its exact edges, one stroke for each side and turn."""
    across: list[float | None] = []
    up: list[float | None] = []
    for side in (-1, 1):
        rows = [sorted((x for x in row if x * side > 0), key=abs) for row in matrix.edges]
        for turn in range(max(map(len, rows))):
            across += [100 * row[turn] if turn < len(row) else None for row in rows] + [None]
            up += [*range(len(rows)), None]
    told = "margin call at %{x:+.1f} %<extra></extra>"
    style = full(BLACK, 2)
    return line(across, up, "margin call", style, hovertemplate=told, showlegend=False)


def _heading(matrix: Matrix, label: str) -> str:
    return f"{label + ': ' if label else ''}{matrix.account}{_when(matrix) or ', at once'}:"


def _when(matrix: Matrix) -> str:
    return f" in {365 * matrix.years_on:.0f} days" if matrix.years_on else ""


def _calls_told(matrix: Matrix) -> str:
    """Where the call lies on the row on which vol stays the same, without a full stop."""
    ends = matrix.room()
    if ends == (0.0, 0.0):
        return "A margin call without any move"
    found = [_percent(end, 1) for end in ends if math.isfinite(end)]
    if found:
        return f"Margin call at {' or '.join(found)}, same vol"
    if matrix.is_called.any():
        return "Margin call only where vol moves too"
    return "No margin call on this map"


def _percent(fraction: float, digits: int = 0) -> str:
    return f"{_signed(100 * fraction, digits)} %"


def _signed(number: float, digits: int = 0) -> str:
    return f"{number:+.{digits}f}".replace("-", "−") if round(number, digits) else "0"


def short_dollars(amount: float) -> str:
    """Dollars in three digits or so, for a cell.

    >>> [short_dollars(x) for x in (0.2, -999.4, 1234.0, -56_780.0, 1_270_000.0)]
    ['0', '−999', '1.2k', '−57k', '1.3M']
    """
    size, unit = abs(amount), ""
    for less in ("k", "M", "B"):
        if size < 999.5:
            break
        size, unit = size / 1000, less
    text = f"{size:.1f}" if unit and size < 9.95 else f"{size:.0f}"
    return f"{'−' if amount < 0 and float(text) else ''}{text}{unit}"


# ---------------------------------------------------------------- past shocks


def shocks_picture(outcomes: Sequence[ShockOutcome], *, label: str = "") -> Picture:
    """What each past shock would do to the book: bars of dollars, the worst prints hatched.

    Raises
    ------
    ValueError
        If there are none.
    """
    if not outcomes:
        raise ValueError("no past shock was asked for: there is nothing to draw")
    names = list(dict.fromkeys(row.shock.name for row in outcomes))
    worst = min(outcomes, key=lambda row: row.profit)
    called = {row.shock.name for row in outcomes if row.excess < 0}
    measures = list(dict.fromkeys(row.jump.measured for row in outcomes))[::-1]
    cost = f"{worst.shock.name} would cost most: {whole_dollars(-worst.profit)}"
    return Picture(
        cost if worst.profit < 0 else "None of these shocks would cost anything",
        f"{label + ': ' if label else ''}{'; '.join(map(str, outcomes))}. {len(called)} of "
        f"{len(names)} shocks bring a margin call. Table of shocks: version {VERSION}.",
        tuple(_bars(outcomes, each) for each in measures),
        layout={
            "barmode": "group",
            "xaxis_title_text": "profit if it came again today, $",
            "yaxis": {"type": "category", "categoryorder": "array",
                      "categoryarray": names[::-1]},
            "legend_traceorder": "reversed",
        },
        height=180 + 40 * len(names),
    )  # fmt: skip


def _bars(outcomes: Sequence[ShockOutcome], measured: str) -> Trace:
    """Bars of one measure; a cross and the missing dollars where margin is called."""
    rows = [row for row in outcomes if row.jump.measured == measured]
    is_close = measured == "close to close"
    return {
        "type": "bar", "orientation": "h", "name": measured,
        "x": [row.profit for row in rows], "y": [row.shock.name for row in rows],
        "text": [_call(row) for row in rows], "textposition": "auto",
        "hovertext": [str(row) for row in rows], "hoverinfo": "text",
        "marker": {"color": BLUE if is_close else VERMILION,
                   "pattern": {"shape": "" if is_close else "/"}},
    }  # fmt: skip


def _call(row: ShockOutcome) -> str:
    return f"{CALLED} call of {short_dollars(-row.excess)}" if row.excess < 0 else ""


# ---------------------------------------------------------------- accounts side by side


def accounts_picture(asked: Sequence[Asked], *, label: str = "") -> Picture:
    """What each kind of account asks for one book: bars of dollars, or the word refused.

    Raises
    ------
    ValueError
        If there are none.
    """
    if not asked:
        raise ValueError("no account was asked: there is nothing to draw")
    dollars = [float(row.tied_up or 0) for row in asked]
    bars: Trace = {
        "type": "bar", "orientation": "h", "name": "asked",
        "x": dollars, "y": [row.account.name for row in asked],
        "text": [_asked_told(row) for row in asked],
        "textposition": ["inside" if x > max(dollars) / 2 else "outside" for x in dollars],
        "cliponaxis": False, "hovertext": [str(row) for row in asked], "hoverinfo": "text",
        "marker": {"color": [SKY if row.barred else BLUE for row in asked]},
    }  # fmt: skip
    return Picture(
        _asked_title(asked),
        f"{label + ': ' if label else ''}{'; '.join(map(str, asked))}.",
        (bars,),
        {"xaxis": (0.0, 1.3 * max(*dollars, 1.0))},
        layout={
            "xaxis_title_text": "held back, $",
            "yaxis": {"type": "category", "autorange": "reversed"},
        },
        height=160 + 40 * len(asked),
    )  # fmt: skip


def _asked_title(asked: Sequence[Asked]) -> str:
    """The span over accounts that may hold it with this capital; short enough for a phone."""
    allowed = [row for row in asked if row.tied_up is not None]
    if not allowed:
        return "No account of these may hold it"
    asks = [float(row.tied_up or 0) for row in allowed if not row.barred]
    if not asks:
        return "Each of these accounts needs more capital"
    least, most = whole_dollars(min(asks)), whole_dollars(max(asks))
    return f"Held back: {least}" + (f" to {most}" if least != most else "")


def _asked_told(row: Asked) -> str:
    if row.tied_up is None:
        return " refused"
    return whole_dollars(float(row.tied_up)) + " (needs more)" * bool(row.barred)
