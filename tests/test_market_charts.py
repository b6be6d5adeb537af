"""Charts of a market: the fit beside its quotes, vols by term and by day."""

from dataclasses import replace
from datetime import date
from decimal import Decimal as D

import numpy as np
import pytest

from dollarbill_core.market.surface import surface_of
from dollarbill_core.market.view import View
from dollarbill_core.market.volatility import Standing
from dollarbill_core.publishing.market_charts import (
    iv_history_figure,
    smile_picture,
    term_figure,
)
from dollarbill_core.results.outlook import outlook
from dollarbill_core.rules.accounts import REG_T
from dollarbill_core.rules.fills import FillModel
from dollarbill_core.strategies.short_premium import ShortPremium
from dollarbill_core.values.calendars import close_instant
from tests.market_builder import RATE, chain_on

DAY = date(2026, 3, 3)
CHAIN = chain_on("SPX", DAY, 600.0, root="SPXW")
VIEW = View(close_instant(DAY), {"SPX": D(600)}, chains={"SPX": CHAIN})
SURFACE = surface_of(CHAIN, replace(VIEW.rates, flat=RATE))
PROMISED = outlook(
    VIEW, ShortPremium(("SPX",), target_dte=45), "SPX", REG_T, FillModel(), SURFACE
)


def alt(figure) -> str:
    return figure.layout.meta["alt"]


def named(picture) -> dict:
    return {trace["name"]: trace for trace in picture.traces}


def test_the_fit_runs_through_the_bars_of_its_quotes():
    bars, fit = (named(smile_picture(PROMISED))[name] for name in ("bid to ask", "fit"))

    strikes, low, high = bars["x"][::3], np.array(bars["y"][::3]), np.array(bars["y"][1::3])
    drawn = np.interp(strikes, fit["x"], fit["y"])
    assert strikes == PROMISED.fit.strike.tolist()
    assert np.all((low <= drawn + 0.01) & (drawn - 0.01 <= high) | ~np.isfinite(low + high))
    assert drawn == pytest.approx(25.0, abs=0.3)  # the chain is made at one vol


def test_every_quote_has_its_residual_within_or_outside():
    picture = smile_picture(PROMISED)
    fit, parts = PROMISED.fit, named(picture)

    inside, outside = parts["within bid and ask"], parts["outside"]

    assert len(inside["x"]) == fit.inside.sum()
    assert len(inside["x"]) + len(outside["x"]) == len(fit.strike)
    assert inside["y"] == pytest.approx(fit.ticks[fit.inside])
    assert (
        f"within bid and ask of {fit.inside.sum()} of {len(fit.strike)} quotes" in picture.alt
    )


def test_the_strikes_sold_lie_on_the_fit_and_a_shift_is_drawn_beside_it():
    still, moved = smile_picture(PROMISED), smile_picture(PROMISED, vol_shift=0.02)

    sold = named(still)["strikes"]
    assert sold["x"] == [float(leg.instrument.strike) for leg in PROMISED.legs]
    assert sold["y"] == pytest.approx(100 * PROMISED.fit.smile.vol(sold["x"]))
    assert np.isnan(named(still)["shifted"]["y"]).all()
    assert named(moved)["shifted"]["y"] - named(moved)["fit"]["y"] == pytest.approx(2.0)


def test_residuals_stand_in_ticks_beneath_the_vols():
    figure = smile_picture(PROMISED).figure()

    assert figure.layout.yaxis.title.text == "implied vol, %"
    assert figure.layout.yaxis2.title.text == "fit less mid, ticks"
    assert figure.layout.yaxis.domain[0] > figure.layout.yaxis2.domain[1]


def test_without_a_fit_there_is_no_smile_to_draw():
    with pytest.raises(ValueError, match="no smile is fitted to 2026-04"):
        smile_picture(replace(PROMISED, surface=None))


def test_a_term_structure_stands_beside_what_was_realised():
    figure = term_figure([14, 45], [0.14, 0.16], realised=0.12)

    assert list(figure.data[0].y) == pytest.approx([14, 16])
    assert list(figure.data[1].y) == [12.0, 12.0]
    assert alt(figure).endswith("16.0 % at 45 days; realised vol is 12.0%.")


def test_vol_history_marks_today_with_rank_and_percentile():
    days = np.array(["2026-03-02", "2026-03-03", "2026-03-04"], "datetime64[D]")

    figure = iv_history_figure(
        days, [0.2, np.nan, 0.3], rank=Standing(1.0, 2), percentile=Standing(0.5, 2)
    )

    today = figure.data[-1]
    assert list(today.y) == pytest.approx([30.0])
    assert "rank 100% (n = 2)" in today.name
    assert "percentile 50% (n = 2)" in alt(figure)
    assert "lowest 20.0 %" in alt(figure)
