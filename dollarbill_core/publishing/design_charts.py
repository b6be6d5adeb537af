"""Pictures of a structure: profit by price, profit by price and date, Greeks, cone of prices.

Each takes the outlook, and what a slider moves: days that have passed, and a shift of every
implied vol.
"""

import math
from collections.abc import Sequence

import numpy as np

from dollarbill_core.market.chains import Floats
from dollarbill_core.publishing.charts import (
    BLACK,
    BLUE,
    CYCLE,
    GREY,
    ORANGE,
    VERMILION,
    dashed,
    full,
    whole_dollars,
)
from dollarbill_core.publishing.pictures import Picture, Trace, labels, line, segments
from dollarbill_core.results.outlook import Outlook
from dollarbill_core.values.contracts import Option

GREEK_UNITS = {
    "delta": "$ per $1 of spot",
    "gamma": "delta per $1 of spot",
    "vega": "$ per vol point",
    "theta": "$ per day",
    "vanna": "delta per vol point",
    "charm": "delta per day",
}
_GAP = 0.05  # of a standard deviation, between a line and its words
CONE = (0.025, 0.16, 0.5, 0.84, 0.975)  # probabilities of ending lower


def payoff_picture(
    promised: Outlook, *, days: float = 0.0, vol_shift: float = 0.0, label: str = ""
) -> Picture:
    """Profit at expiry and by model against the spot; break-evens, spot, 1 and 2 deviations.

    Where profit still falls at the edge of the range drawn, the picture says so.
    """
    x = promised.spots()
    expiry, now = promised.profit_at_expiry(x), promised.profit(x, days, vol_shift)
    low, high = float(min(expiry.min(), now.min())), float(max(expiry.max(), now.max()))
    room = 0.12 * (high - low)  # above for the break-evens' labels, below for the deviations'
    ends = low - room, high + room
    traces = (
        line(x, np.maximum(expiry, 0), "profit zone", {"width": 0}, fill="tozeroy",
             fillcolor="rgba(0,114,178,0.15)", hoverinfo="skip"),
        line(x, now, _when(days, vol_shift), dashed(ORANGE)),
        line(x, expiry, "at expiry", full(BLUE)),
        *_deviations(promised, ends),
        _crossings(promised.break_evens, promised.spot),
    )  # fmt: skip
    return Picture(
        "Profit by spot, at expiry and by model",
        f"{label + ': ' if label else ''}{_payoff_told(promised, x, expiry, now)}",
        traces,
        ranges={"yaxis": ends, "xaxis": (float(x[0]), float(x[-1]))},
        layout={
            "xaxis_title_text": "spot, $",
            "yaxis_title_text": "profit, $",
            "shapes": [level_line()],
            "annotations": _edge_notes(x, expiry),
        },
    )


def _when(days: float, vol_shift: float) -> str:
    when = f"in {days:g} days" if days else "today"
    return f"{when}, vols {vol_shift:+.0%}".replace("-", "−") if vol_shift else when


def level_line(y: float = 0.0) -> dict[str, object]:
    """A black line across the plot."""
    return {
        "type": "line", "xref": "x domain", "x0": 0, "x1": 1, "y0": y, "y1": y,
        "line": {"color": BLACK, "width": 1},
    }  # fmt: skip


def _deviations(promised: Outlook, ends: tuple[float, float]) -> tuple[Trace, Trace]:
    """The spot, and one and two standard deviations of its logarithm by expiry, upright."""
    counts = (-2, -1, 0, 1, 2)
    places = [promised.spot * math.exp(count * promised.deviation) for count in counts]
    pairs = [(place, place) for place in places]
    texts = [f" {count:+d} sd".replace("-", "−") if count else " spot" for count in counts]
    thin = {"color": GREY, "width": 1, "dash": "dot"}
    return (
        segments(pairs, [ends] * 5, "deviations", thin, showlegend=False, hoverinfo="skip"),
        labels(places, [ends[0]] * 5, texts, ["top right"] * 5, GREY),
    )


def _crossings(break_evens: Sequence[float], spot: float) -> Trace:
    """Break-evens on the line of nothing, with their distance."""
    return {
        "type": "scatter", "mode": "markers+text", "name": "break-even",
        "x": list(break_evens), "y": [0.0] * len(break_evens),
        "text": [f"{level:,.2f}<br>{level / spot - 1:+.1%}" for level in break_evens],
        "textposition": ["top left" if x < spot else "top right" for x in break_evens],
        "marker": {"symbol": "diamond", "size": 10, "color": BLACK},
    }  # fmt: skip


def edge_slopes(x: Floats, profit: Floats) -> tuple[float, float]:
    """Dollars of profit per dollar of spot outwards, at the left and the right edge."""
    left = -float((profit[1] - profit[0]) / (x[1] - x[0]))
    right = float((profit[-1] - profit[-2]) / (x[-1] - x[-2]))
    return left, right


def _edge_notes(x: Floats, profit: Floats) -> list[dict[str, object]]:
    """Notes that say where the loss goes on beyond the range drawn."""
    told = zip(_edges_told(x, profit), ("left", "right"), strict=True)
    return [
        {
            "xref": "x domain", "x": 0 if side == "left" else 1, "xanchor": side,
            "yref": "y domain", "y": 0.02, "yanchor": "bottom", "text": text,
            "showarrow": False, "font": {"color": VERMILION, "size": 12},
            "bgcolor": "rgba(255,255,255,.8)",
        }
        for text, side in told
        if text
    ]  # fmt: skip


def _edges_told(x: Floats, profit: Floats) -> tuple[str, str]:
    """Upwards a falling line has no end; downwards it ends where the spot is 0."""
    left, right = edge_slopes(x, profit)
    tolerance = 1e-6 * float(np.abs(profit).max() or 1)
    down = "loss goes on<br>to a spot of 0" if left < -tolerance and x[0] > 0 else ""
    return down, "loss unlimited" if right < -tolerance else ""


def _payoff_told(promised: Outlook, x: Floats, expiry: Floats, now: Floats) -> str:
    at_spot, spot = float(np.interp(promised.spot, x, now)), promised.spot
    levels = [f"{level:,.2f} ({level / spot - 1:+.1%})" for level in promised.break_evens]
    beyond = [text.replace("<br>", " ") for text in _edges_told(x, expiry) if text]
    return (
        f"Profit at expiry peaks at {whole_dollars(expiry.max())} and is "
        f"{whole_dollars(expiry[0])} at {x[0]:,.0f} and {whole_dollars(expiry[-1])} at "
        f"{x[-1]:,.0f}"
        f"{'; beyond, ' + ' and '.join(beyond) if beyond else ''}; "
        f"break-even at {' and '.join(levels) or 'no price'}; by model at the spot of "
        f"{spot:,.2f} it is {whole_dollars(at_spot)}."
    )


def map_picture(promised: Outlook, *, days: float = 0.0, vol_shift: float = 0.0) -> Picture:
    """Profit by date and spot, the line of nothing, and the day that the slider stands at."""
    ahead, y = promised.days_ahead(31), promised.spots(count=61)
    x = _dates(promised, ahead)
    z = promised.profit_map(y, ahead, vol_shift).T
    most = _saturation(z)
    traces: tuple[Trace, ...] = (
        {"type": "heatmap", "x": x, "y": y, "z": z, "zmid": 0, "zmin": -most, "zmax": most,
         "name": "profit", "zsmooth": "fast",
         "colorscale": [(0, VERMILION), (0.5, "#ffffff"), (1, BLUE)],
         "colorbar": {"title": "$"}},
        {"type": "contour", "x": x, "y": y, "z": z, "name": "break-even", "showscale": False,
         "showlegend": False, "hoverinfo": "skip", "line": full(BLACK),
         "contours": {"start": 0, "end": 0, "size": 1, "coloring": "none"}},
        _now_at(promised, days),
    )  # fmt: skip
    best, worst = (np.unravel_index(at, z.shape) for at in (z.argmax(), z.argmin()))
    alt = (
        f"Profit by date and spot: most {whole_dollars(z[best])} at {y[best[0]]:,.0f} on "
        f"{x[best[1]][:10]}, least {whole_dollars(z[worst])} at {y[worst[0]]:,.0f} on "
        f"{x[worst[1]][:10]}; the spot is {promised.spot:,.2f}; colours are full at "
        f"{whole_dollars(most)} either way."
    )
    layout = {"xaxis_title_text": "date", "yaxis_title_text": "spot, $"}
    return Picture("Where and when it earns", alt, traces, layout=layout)


def _dates(promised: Outlook, ahead: Floats) -> list[str]:
    """Instants that many days from now, as plotly reads them."""
    return [f"{promised.at(day):%Y-%m-%d %H:%M}" for day in ahead.tolist()]


def _saturation(profit: Floats) -> float:
    """Dollars at which the colours are full: losses far beyond any profit must not pale it."""
    loss, gain = float(-profit.min()), float(profit.max())
    return min(max(loss, gain), 4 * gain) if gain > 0 else loss or 1.0


def greeks_picture(promised: Outlook, *, days: float = 0.0, vol_shift: float = 0.0) -> Picture:
    """A ladder of six small plots by spot, for the whole position, in ``GREEK_UNITS``."""
    x, spot = promised.spots(count=61), promised.spot
    greeks = promised.greeks(x, days, vol_shift)
    here = promised.greeks(np.array([spot]), days, vol_shift)
    traces, told, ranges = [], [], {}
    for place, (name, unit) in enumerate(GREEK_UNITS.items()):
        axes = {"xaxis": f"x{place + 1}", "yaxis": f"y{place + 1}", "showlegend": False}
        traces.append(line(x, greeks[name], name, full(CYCLE[place]), **axes))
        ranges[f"yaxis{place + 1}"] = _round_ends(greeks[name])
        told.append(f"{name} {float(here[name][0]):,.4g} {unit}")
    return Picture(
        "Greeks of the position, by spot",
        f"At the spot of {spot:,.2f}, {_when(days, vol_shift)}: {', '.join(told)}.",
        tuple(traces),
        ranges=ranges,
        layout={
            "xaxis5_title_text": "spot, $",
            "xaxis6_title_text": "spot, $",
            "shapes": [_spot_line(spot, place + 1) for place in range(len(GREEK_UNITS))],
        },
        panels=tuple(f"{name}, {unit}" for name, unit in GREEK_UNITS.items()),
        height=620,
    )


def _spot_line(spot: float, panel: int) -> dict[str, object]:
    """A dotted line up one panel at the spot."""
    axis = panel if panel > 1 else ""
    return {
        "type": "line", "xref": f"x{axis}", "yref": f"y{axis} domain", "x0": spot, "x1": spot,
        "y0": 0, "y1": 1, "line": {"color": BLACK, "width": 1, "dash": "dot"},
    }  # fmt: skip


def _round_ends(values: Floats) -> tuple[float, float]:
    """A range that holds the values and nothing, in round steps, so that it moves seldom."""
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    step = 10.0 ** math.floor(math.log10(max(high - low, 1e-12))) / 2
    return step * (math.floor(low / step) - 0.2), step * (math.ceil(high / step) + 0.2)


def cone_picture(promised: Outlook, *, days: float = 0.0, vol_shift: float = 0.0) -> Picture:
    """Quantiles of the price by date, to expiry, with the strikes and the break-evens."""
    ahead = promised.days_ahead(41)
    x, levels = _dates(promised, ahead), promised.quantiles(ahead, CONE, vol_shift)
    clear, faint, strong = {"width": 0}, "rgba(86,180,233,.30)", "rgba(0,114,178,.35)"
    spots = promised.spots()
    traces = (
        line(x, levels[0], "lowest", clear, showlegend=False, hoverinfo="skip"),
        line(x, levels[4], "95 of 100", clear, fill="tonexty", fillcolor=faint),
        line(x, levels[1], "lower", clear, showlegend=False, hoverinfo="skip"),
        line(x, levels[3], "68 of 100", clear, fill="tonexty", fillcolor=strong),
        line(x, levels[2], "middle", full(BLUE)),
        *_strikes_across(promised, x),
        *_break_evens_across(promised, x),
        _now_at(promised, days),
    )
    return Picture(
        "Where the price may be, by date",
        _cone_told(promised, levels[:, -1]),
        traces,
        ranges={"yaxis": (float(spots[0]), float(spots[-1]))},
        layout={"yaxis_title_text": "price, $"},
    )


def _now_at(promised: Outlook, days: float) -> Trace:
    """Today's price on the day at which the slider stands."""
    day = _dates(promised, np.array([days]))
    dot = {"color": BLACK, "size": 9, "symbol": "circle-open", "line": {"width": 2}}
    return line(
        day, [promised.spot], "spot", full(BLACK), mode="markers", marker=dot, showlegend=False
    )


def _strikes_across(promised: Outlook, x: Sequence[str]) -> tuple[Trace, Trace]:
    """The strikes over all dates, named at the left, towards the spot."""
    options = [leg.instrument for leg in promised.legs if isinstance(leg.instrument, Option)]
    y, spot = [float(each.strike) for each in options], promised.spot
    names = [f"{each.right.name.lower()} {each.strike:f}" for each in options]
    sides = ["top right" if level < spot else "bottom right" for level in y]
    lines = segments(
        [(x[0], x[-1])] * len(y), [(level, level) for level in y], "strikes", full(VERMILION)
    )
    return lines, labels([x[0]] * len(y), y, names, sides, VERMILION)


def _break_evens_across(promised: Outlook, x: Sequence[str]) -> tuple[Trace, Trace]:
    """The break-evens over all dates, named at the right, away from the spot."""
    y, spot = promised.break_evens, promised.spot
    sides = ["bottom left" if level < spot else "top left" for level in y]
    lines = segments(
        [(x[0], x[-1])] * len(y), [(level, level) for level in y], "break-evens", dashed(BLACK)
    )
    off = [level + math.copysign(_GAP * promised.move, level - spot) for level in y]
    return lines, labels([x[-1]] * len(y), off, [f"{x:,.2f}" for x in y], sides, BLACK)


def _cone_told(promised: Outlook, last: Floats) -> str:
    levels = " and ".join(f"{level:,.2f}" for level in promised.break_evens)
    return (
        f"By {promised.expires:%Y-%m-%d} the price ends between {last[1]:,.0f} and "
        f"{last[3]:,.0f} in 68 of 100 cases and between {last[0]:,.0f} and {last[4]:,.0f} in "
        f"95; the middle is {last[2]:,.0f}, the spot {promised.spot:,.2f}, the break-evens "
        f"{levels or 'none'}."
    )
