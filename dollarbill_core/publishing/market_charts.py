"""Pictures of an option market: smile with the fit's residuals, term structure, past vol."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from dollarbill_core.market.surface import Fit
from dollarbill_core.market.volatility import Standing
from dollarbill_core.publishing.charts import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    VERMILION,
    dashed,
    dressed,
    full,
)
from dollarbill_core.publishing.pictures import Picture, Trace, labels, line, segments
from dollarbill_core.results.outlook import Outlook
from dollarbill_core.values.contracts import Option


def smile_picture(promised: Outlook, *, days: float = 0.0, vol_shift: float = 0.0) -> Picture:
    """The quotes of the outlook's expiry, the smile fitted to them, and what it leaves.

    Above, bid to ask as bars and the fit as a line, with the strikes sold on it; beneath, the
    fit less the mid in minimum ticks. A shift of the vols is drawn dashed; days change nothing
    in quotes.

    Raises
    ------
    ValueError
        If the outlook has no surface, or its expiry could not be fitted.
    """
    fit = promised.fit
    if fit is None:
        raise ValueError(f"no smile is fitted to {promised.expires:%Y-%m-%d}")
    strikes = np.linspace(fit.strike[0], fit.strike[-1], 161)
    curve = 100 * fit.smile.vol(strikes)
    shifted = curve + 100 * vol_shift if vol_shift else np.full_like(curve, np.nan)
    traces = (
        _quotes_seen(fit),
        line(strikes, curve, "fit", full(BLUE)),
        line(strikes, shifted, "shifted", dashed(ORANGE), showlegend=False),
        *_strikes_on(fit, promised),
        *_residuals(fit),
    )
    return Picture(
        f"What options of {promised.expires:%d %b %Y} ask, and what the fit leaves",
        _fit_told(fit, promised),
        traces,
        layout={
            "yaxis_title_text": "implied vol, %",
            "yaxis2_title_text": "fit less mid, ticks",
            "xaxis2_title_text": "strike, $",
            "shapes": [_spot_line(promised.spot)],
        },
        rows=(2.2, 1.0),
        height=560,
    )


def _quotes_seen(fit: Fit) -> Trace:
    """Bid to ask, in vol, as upright bars; one path, which is drawn faster than error bars."""
    sides = zip((100 * fit.bid_vol).tolist(), (100 * fit.ask_vol).tolist(), strict=True)
    return segments(
        [(strike, strike) for strike in fit.strike.tolist()],
        list(sides),
        "bid to ask",
        full(GREY),
        hoverinfo="skip",
    )


def _strikes_on(fit: Fit, promised: Outlook) -> tuple[Trace, Trace]:
    """The structure's strikes on the smile, with their names."""
    options = [leg.instrument for leg in promised.legs if isinstance(leg.instrument, Option)]
    x = [float(each.strike) for each in options]
    y = [100 * float(fit.smile.vol(strike)) for strike in x]
    names = [f"{each.right.name.lower()} {each.strike:f}" for each in options]
    diamond = {"symbol": "diamond", "size": 11, "color": VERMILION}
    more = {"mode": "markers", "marker": diamond}
    marks = line(x, y, "strikes", full(VERMILION), **more)
    room = 8 * float(fit.vol.max() - fit.vol.min())  # above the bars, in points
    above = [level + room for level in y]
    return marks, labels(x, above, names, ["top center"] * len(x), VERMILION)


def _residuals(fit: Fit) -> tuple[Trace, Trace]:
    """The fit less the mid, beneath: a circle within bid and ask, a cross outside."""
    below = {"xaxis": "x2", "yaxis": "y2", "mode": "markers"}
    inside, dot, cross = fit.inside, {"color": BLUE, "size": 4}, {"color": VERMILION, "size": 7}
    return (
        line(fit.strike[inside], fit.ticks[inside], "within bid and ask", full(BLUE),
             marker=dot, **below),
        line(fit.strike[~inside], fit.ticks[~inside], "outside", full(VERMILION),
             marker={**cross, "symbol": "x"}, showlegend=not inside.all(), **below),
    )  # fmt: skip


def _spot_line(spot: float) -> dict[str, object]:
    return {
        "type": "line", "xref": "x", "yref": "y domain", "x0": spot, "x1": spot,
        "y0": 0, "y1": 1, "line": {"color": BLACK, "width": 1, "dash": "dot"},
    }  # fmt: skip


def _fit_told(fit: Fit, promised: Outlook) -> str:
    options = [leg.instrument for leg in promised.legs if isinstance(leg.instrument, Option)]
    sold = (f"{float(fit.smile.vol(float(x.strike))):.1%} at {x.strike:f}" for x in options)
    inside, count = int(fit.inside.sum()), len(fit.strike)
    return (
        f"The smile of {promised.expires:%Y-%m-%d} runs from {float(fit.vol[0]):.1%} at "
        f"{fit.strike[0]:,.0f} to {float(fit.vol[-1]):.1%} at {fit.strike[-1]:,.0f}; it is "
        f"{', '.join(sold)}. The fit lies within bid and ask of {inside} of {count} quotes, "
        f"at most {float(np.abs(fit.ticks).max()):.1f} ticks from the middle."
    )


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
