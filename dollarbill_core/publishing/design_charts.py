"""Pictures of a structure and its market: payoff, heat map, Greeks, smile, term, past vol."""

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike, NDArray
from plotly.subplots import make_subplots

from dollarbill_core.market.chains import Chain
from dollarbill_core.market.volatility import Standing
from dollarbill_core.publishing.charts import (
    BLACK,
    BLUE,
    CYCLE,
    DASHES,
    GREEN,
    GREY,
    ORANGE,
    VERMILION,
    dashed,
    dressed,
    full,
    whole_dollars,
)
from dollarbill_core.values.contracts import Right

Floats = NDArray[np.float64]

GREEK_UNITS = {
    "delta": "$ per $1 of spot",
    "gamma": "delta per $1 of spot",
    "vega": "$ per vol point",
    "theta": "$ per day",
}


def payoff_figure(
    spots: ArrayLike,
    at_expiry: ArrayLike,
    now: ArrayLike,
    *,
    break_evens: Sequence[float],
    spot: float,
    sigma: float,
    label: str = "",
) -> go.Figure:
    """Profit at expiry and today against the spot; break-evens, spot, 1 and 2 deviations.

    Parameters
    ----------
    spots, at_expiry, now
        Ascending prices of the underlying, and dollars of profit at each, shape (n,). The
        range is finite; where profit still falls at its edge the figure says so.
    break_evens, spot
        Dollars of the underlying.
    sigma
        One standard deviation of the log price until expiry: annual vol x sqrt(years).
    label
        What is drawn, for the alt text.
    """
    x, expiry, today = (np.asarray(values, float) for values in (spots, at_expiry, now))
    drawn = go.Figure()
    drawn.add_scatter(
        x=x, y=np.maximum(expiry, 0), fill="tozeroy", name="profit zone", hoverinfo="skip",
        fillcolor="rgba(0,114,178,0.15)", line={"width": 0},
    )  # fmt: skip
    drawn.add_scatter(x=x, y=today, name="today", line=dashed(ORANGE))
    drawn.add_scatter(x=x, y=expiry, name="at expiry", line=full(BLUE))
    drawn.add_hline(y=0, line={"color": BLACK, "width": 1})
    _mark_spots(drawn, break_evens, spot, sigma)
    _mark_edges(drawn, x, expiry)
    drawn.update_xaxes(title_text="spot, $", range=[float(x[0]), float(x[-1])])
    low, high = min(expiry.min(), today.min()), max(expiry.max(), today.max())
    room = 0.12 * (high - low)  # above for the break-evens' labels, below for the deviations'
    drawn.update_yaxes(title_text="profit, $", range=[low - room, high + room])
    alt = _payoff_alt(x, expiry, today, break_evens, spot)
    title = "Profit by spot, at expiry and today"
    return dressed(drawn, title, f"{label + ': ' if label else ''}{alt}", height=440)


def _mark_spots(
    drawn: go.Figure, break_evens: Sequence[float], spot: float, sigma: float
) -> None:
    """The spot and its deviations as vertical lines, the break-evens with their distance."""
    drawn.add_vline(x=spot, line={"color": BLACK, "width": 1.5}, annotation_text="spot")
    for count in (-2, -1, 1, 2):
        drawn.add_vline(
            x=spot * float(np.exp(count * sigma)),
            line={"color": GREY, "width": 1, "dash": "dot"},
            annotation_text=f"{count:+d} sd".replace("-", "−"),
            annotation_position="bottom right",
            annotation_font={"color": GREY, "size": 11},
        )
    drawn.add_scatter(
        x=list(break_evens), y=[0.0] * len(break_evens), name="break-even", mode="markers+text",
        text=[f"{level:,.2f}<br>{level / spot - 1:+.1%}" for level in break_evens],
        textposition=["top left" if level < spot else "top right" for level in break_evens],
        marker={"symbol": "diamond", "size": 10, "color": BLACK},
    )  # fmt: skip


def edge_slopes(x: Floats, profit: Floats) -> tuple[float, float]:
    """Dollars of profit per dollar of spot outwards, at the left and the right edge."""
    left = -float((profit[1] - profit[0]) / (x[1] - x[0]))
    right = float((profit[-1] - profit[-2]) / (x[-1] - x[-2]))
    return left, right


def _mark_edges(drawn: go.Figure, x: Floats, profit: Floats) -> None:
    """Say where the loss goes on beyond the range drawn."""
    told = zip(_edges_told(x, profit), (0, -1), ("left", "right"), strict=True)
    for text, place, anchor in told:
        if text:
            drawn.add_annotation(
                x=float(x[place]), y=float(profit[place]), text=text, xanchor=anchor,
                yanchor="top", showarrow=False, font={"color": VERMILION, "size": 12},
                bgcolor="rgba(255,255,255,.8)",
            )  # fmt: skip


def _edges_told(x: Floats, profit: Floats) -> tuple[str, str]:
    """Upwards a falling line has no end; downwards it ends where the spot is 0."""
    left, right = edge_slopes(x, profit)
    tolerance = 1e-6 * float(np.abs(profit).max() or 1)
    down = "loss goes on<br>to a spot of 0" if left < -tolerance and x[0] > 0 else ""
    return down, "loss unlimited" if right < -tolerance else ""


def _payoff_alt(
    x: Floats, expiry: Floats, today: Floats, break_evens: Sequence[float], spot: float
) -> str:
    at_spot = float(np.interp(spot, x, today))
    crossings = " and ".join(f"{level:,.2f} ({level / spot - 1:+.1%})" for level in break_evens)
    down, up = _edges_told(x, expiry)
    beyond = [text.replace("<br>", " ") for text in (down, up) if text]
    return (
        f"Profit at expiry peaks at {whole_dollars(expiry.max())} and is "
        f"{whole_dollars(expiry[0])} at {x[0]:,.0f} and {whole_dollars(expiry[-1])} at "
        f"{x[-1]:,.0f}"
        f"{'; beyond, ' + ' and '.join(beyond) if beyond else ''}; "
        f"break-even at {crossings or 'no price'}; today at the spot of {spot:,.2f} it is "
        f"{whole_dollars(at_spot)}."
    )


def heat_figure(
    spots: ArrayLike, dates: Sequence[date], profit: ArrayLike, *, spot: float
) -> go.Figure:
    """Profit by date and spot; ``profit`` in dollars has shape (dates, spots)."""
    x, z = [day.isoformat() for day in dates], np.asarray(profit, float).T
    y, most = np.asarray(spots, float), _saturation(z)
    drawn = go.Figure()
    drawn.add_heatmap(
        x=x, y=y, z=z, zmid=0, zmin=-most, zmax=most, name="profit",
        colorscale=[(0, VERMILION), (0.5, "#ffffff"), (1, BLUE)], colorbar={"title": "$"},
    )  # fmt: skip
    drawn.add_contour(
        x=x, y=y, z=z, name="break-even", showscale=False, showlegend=False, hoverinfo="skip",
        contours={"start": 0, "end": 0, "size": 1, "coloring": "none"}, line=full(BLACK),
    )  # fmt: skip
    drawn.add_hline(y=spot, line={"color": BLACK, "dash": "dot", "width": 1})
    drawn.update_xaxes(title_text="date", type="category", nticks=4)
    drawn.update_yaxes(title_text="spot, $")
    best, worst = np.unravel_index(z.argmax(), z.shape), np.unravel_index(z.argmin(), z.shape)
    alt = (
        f"Profit by date and spot: most {whole_dollars(z[best])} at {y[best[0]]:,.0f} on "
        f"{x[best[1]]}, least {whole_dollars(z[worst])} at {y[worst[0]]:,.0f} on "
        f"{x[worst[1]]}; the spot is "
        f"{spot:,.2f}; colours are full at {whole_dollars(most)} either way."
    )
    return dressed(drawn, "Where and when it earns", alt, height=440)


def _saturation(profit: Floats) -> float:
    """Dollars at which the colours are full: losses far beyond any profit must not pale it."""
    loss, gain = float(-profit.min()), float(profit.max())
    return min(max(loss, gain), 4 * gain) if gain > 0 else loss or 1.0


def greeks_figure(
    spots: ArrayLike, greeks: Mapping[str, ArrayLike], *, spot: float
) -> go.Figure:
    """Four small figures by spot, dollars for the whole position, of ``GREEK_UNITS``.

    ``greeks`` maps delta, gamma, vega and theta to values in those units, shape (n,).

    Raises
    ------
    ValueError
        If one of the four is missing or another is given.
    """
    if set(greeks) != set(GREEK_UNITS):
        raise ValueError(f"greeks must be {', '.join(GREEK_UNITS)}, got {', '.join(greeks)}")
    x = np.asarray(spots, float)
    titles = [f"{name}, {unit}" for name, unit in GREEK_UNITS.items()]
    drawn = make_subplots(2, 2, shared_xaxes=True, subplot_titles=titles)
    drawn.update_annotations(font_size=12)
    told = []
    for place, (name, unit) in enumerate(GREEK_UNITS.items()):
        at = {"row": place // 2 + 1, "col": place % 2 + 1}
        values = np.asarray(greeks[name], float)
        line = full(CYCLE[place])
        drawn.add_scatter(x=x, y=values, name=name, line=line, showlegend=False, **at)
        drawn.add_vline(x=spot, line={"color": BLACK, "width": 1, "dash": "dot"}, **at)
        told.append(f"{name} {float(np.interp(spot, x, values)):,.4g} {unit}")
    for column in (1, 2):
        drawn.update_xaxes(title_text="spot, $", row=2, col=column)
    alt = f"At the spot of {spot:,.2f}: {', '.join(told)}."
    return dressed(drawn, "Greeks of the position, by spot", alt, height=460)


def smile_figure(chain: Chain, expiries: Sequence[date]) -> go.Figure:
    """Implied vol of out-of-the-money options by strike, one line for each expiry."""
    drawn, told = go.Figure(), []
    for place, expiry in enumerate(expiries):
        strikes, vols = _smile(chain.expiring(expiry), chain.spot)
        name = f"{expiry:%d %b %Y}, {chain.days_to_expiry(expiry)} days"
        line = dashed(CYCLE[place % 6], DASHES[place % 6])
        drawn.add_scatter(x=strikes, y=100 * vols, name=name, mode="lines", line=line)
        if len(vols):
            near = float(np.interp(chain.spot, strikes, vols))
            told.append(f"{name}: {near:.1%} at the spot, {vols[0]:.1%} at {strikes[0]:,.0f}")
    drawn.add_vline(x=chain.spot, line={"color": BLACK, "width": 1}, annotation_text="spot")
    drawn.update_xaxes(title_text="strike, $")
    drawn.update_yaxes(title_text="implied vol, %")
    alt = f"{chain.symbol}, {chain.quotes.value}, {chain.as_of:%Y-%m-%d}. {'; '.join(told)}."
    return dressed(drawn, f"What {chain.symbol} options ask, by strike", alt)


def _smile(part: Chain, spot: float) -> tuple[Floats, Floats]:
    """Strikes and vols of what can be sold out of the money, by strike."""
    out = part.where(
        np.where(part.right == Right.PUT, part.strike <= spot, part.strike > spot)
        & np.isfinite(part.vol)
        & (part.bid > 0)
    )
    order = np.argsort(out.strike)
    return out.strike[order], out.vol[order]


def term_figure(
    days: Sequence[int], vols: ArrayLike, *, realised: float | None = None
) -> go.Figure:
    """At-the-money implied vol by calendar days to expiry, beside what was realised."""
    level = 100 * np.asarray(vols, float)
    drawn = go.Figure()
    drawn.add_scatter(
        x=list(days), y=level, name="implied", mode="lines+markers", line=full(BLUE)
    )
    if realised is not None:
        drawn.add_scatter(
            x=[days[0], days[-1]], y=[100 * realised] * 2, name="realised", mode="lines",
            line=dashed(VERMILION),
        )  # fmt: skip
    drawn.update_xaxes(title_text="days to expiry")
    drawn.update_yaxes(title_text="vol at the money, %", rangemode="tozero")
    beside = "" if realised is None else f"; realised vol is {realised:.1%}"
    alt = (
        f"Implied vol at the money is {level[0]:.1f} % at {days[0]} days and {level[-1]:.1f} % "
        f"at {days[-1]} days{beside}."
    )
    return dressed(drawn, "What options ask, by term", alt)


def iv_history_figure(
    days: ArrayLike,
    vols: ArrayLike,
    *,
    rank: Standing,
    percentile: Standing,
    realised: ArrayLike | None = None,
) -> go.Figure:
    """30-day implied vol (and realised vol) by day, with today's rank and percentile."""
    known, level = np.asarray(days, "datetime64[D]"), 100 * np.asarray(vols, float)
    drawn = go.Figure()
    drawn.add_scatter(x=known, y=level, name="implied, 30 days", line=full(BLUE))
    if realised is not None:
        past = 100 * np.asarray(realised, float)
        drawn.add_scatter(x=known, y=past, name="realised", line=dashed(VERMILION))
    drawn.add_scatter(
        x=known[-1:], y=level[-1:], name=f"today: rank {rank},<br>percentile {percentile}",
        mode="markers", marker={"color": GREEN, "size": 11, "symbol": "diamond"},
    )  # fmt: skip
    drawn.update_yaxes(title_text="annual vol, %", rangemode="tozero")
    alt = (
        f"30-day implied vol from {known[0]} to {known[-1]}: today {level[-1]:.1f} %, lowest "
        f"{np.nanmin(level):.1f} %, highest {np.nanmax(level):.1f} %; rank {rank}, percentile "
        f"{percentile}."
    )
    return dressed(drawn, "Is premium rich today?", alt)
