"""Explorers: their tables show what the sliders would, with nobody there to move them."""

import re
from datetime import date
from decimal import Decimal as D

import numpy as np
import pytest

from dollarbill_core.market.carry import Rates
from dollarbill_core.market.chains import NoQuote
from dollarbill_core.market.surface import surface_of
from dollarbill_core.market.view import View
from dollarbill_core.publishing import widgets
from dollarbill_core.publishing.widgets import (
    Explorer,
    Slider,
    design_explorer,
    is_live,
)
from dollarbill_core.results.outlook import designs
from dollarbill_core.rules.accounts import REG_T
from dollarbill_core.rules.fills import FillModel
from dollarbill_core.runs import records
from dollarbill_core.strategies.short_premium import ShortPremium
from dollarbill_core.values.calendars import close_instant
from tests.market_builder import RATE, chain_on

DAY = date(2026, 3, 3)
CHAIN = chain_on("SPX", DAY, 600.0, root="SPXW")
VIEW = View(close_instant(DAY), {"SPX": D(600)}, chains={"SPX": CHAIN})
STRATEGY = ShortPremium(("SPX",), target_dte=45)
DESIGN = designs(VIEW, STRATEGY, "SPX", REG_T, FillModel())
VOL = Slider("vol_shift", -0.05, 0.15, 0.0, 0.01, "{:+.0%}")
DAYS = Slider("days_forward", 0, 40, 0, 1, "{:.0f}")
DELTA = Slider("put_delta", 0.05, 0.45, 0.16, 0.01, "{:.2f}")

EXPLORER = design_explorer(DESIGN, [DELTA, DAYS, VOL], "SPX strangle")


def test_profit_tables_are_what_the_model_says():
    _, by_days, by_vol = EXPLORER.tables
    promised = DESIGN(put_delta=0.16)
    spots = 600 * np.exp(promised.deviation * np.array([-1.0, 0.0, 1.0]))

    assert by_vol.columns == ("spot, $", "vol shift -5%", "vol shift +0%", "vol shift +15%")
    assert [row[0] for row in by_vol.rows] == [f"{spot:,.2f}" for spot in spots]
    for column, shift in enumerate((-0.05, 0.0, 0.15), start=1):
        told = [float(row[column].replace("−", "-").replace(",", "")) for row in by_vol.rows]
        assert told == pytest.approx(promised.profit(spots, 0.0, shift), abs=0.5)
    assert by_days.columns[1:] == ("days forward 0", "days forward 20", "days forward 40")


def test_a_slider_of_the_strategy_shows_three_structures():
    by_delta, *_ = EXPLORER.tables

    assert by_delta.columns[1:] == ("put delta 0.05", "put delta 0.16", "put delta 0.45")
    credits = [f"{DESIGN(put_delta=delta).credit:,.2f}" for delta in (0.05, 0.16, 0.45)]
    assert by_delta.rows[0] == ("credit, $", *credits)
    assert len(set(credits)) == 3


def test_text_and_html_carry_the_same_cells():
    html, text = EXPLORER._repr_html_(), repr(EXPLORER)

    cells = re.findall(r"<t[dh][^>]*>([^<]*)</t[dh]>", html)
    assert len(cells) == 5 * 4 + 2 * 4 * 4
    assert all(cell in text for cell in cells)
    assert html.count("<caption") == 3
    assert html.count('scope="row"') == 4 + 3 + 3


def test_a_twin_is_the_same_on_every_run():
    again = design_explorer(DESIGN, [DELTA, DAYS, VOL], "SPX strangle")

    assert again._repr_html_() == EXPLORER._repr_html_()


def shown(capsys) -> str:
    EXPLORER._ipython_display_()
    return capsys.readouterr().out


@pytest.mark.parametrize("variable", [widgets.RUN_FOLDER, widgets.HEADLESS])
def test_in_a_run_the_tables_stand_alone(variable, monkeypatch, capsys):
    monkeypatch.setenv(variable, "/somewhere")

    text = shown(capsys)

    assert "Profit by model" in text
    assert "VBox" not in text


def test_in_lab_the_sliders_come_first(monkeypatch, capsys):
    monkeypatch.delenv(widgets.RUN_FOLDER, raising=False)
    monkeypatch.delenv(widgets.HEADLESS, raising=False)

    text = shown(capsys)

    assert text.index("VBox") < text.index("Profit by model")


def test_whoever_may_be_there_is_decided_by_the_environment_alone():
    assert is_live({})
    assert not is_live({widgets.RUN_FOLDER: "/reports/1"})
    assert not is_live({widgets.HEADLESS: "1"})
    assert widgets.RUN_FOLDER == records.RUN_FOLDER


def controls(panel):
    """The parts of the live panel by what they are."""
    delta, days, vol, choice, frame, note = panel.children
    return {"delta": delta, "days": days, "vol": vol, "choice": choice}, frame, note


def test_a_slider_moves_the_picture_that_is_chosen_as_it_is_dragged():
    parts, frame, note = controls(EXPLORER.panel())
    (live,) = frame.children
    before = np.array(live.data[1].y)

    parts["vol"].value = 0.05

    assert parts["vol"].continuous_update is True
    assert frame.children == (live,)  # moved, not drawn anew
    promised = DESIGN(put_delta=0.16)
    assert np.array(live.data[1].y) == pytest.approx(promised.profit(promised.spots(), 0, 0.05))
    assert not np.allclose(live.data[1].y, before)
    assert note.value == "<code>-p put_delta=0.16</code>"  # what a run of the notebook takes


@pytest.mark.parametrize("name", ["profit", "price and date", "Greeks", "cone"])
def test_every_picture_moves_with_every_slider(name):
    parts, frame, _ = controls(EXPLORER.panel())
    parts["choice"].value = name
    (live,) = frame.children

    for slider, value in [("days", 10), ("vol", 0.03), ("delta", 0.30)]:
        before = live.to_json()
        parts[slider].value = value
        assert live.to_json() != before, slider

    moves = {"put_delta": 0.30, "days_forward": 10, "vol_shift": 0.03}
    fresh = EXPLORER.picture(name, moves).figure()
    for drawn, expected in zip(live.data, fresh.data, strict=True):
        assert drawn.name == expected.name
        assert str(drawn.y) == str(expected.y)


def test_a_structure_that_cannot_be_sold_leaves_the_picture_and_says_why():
    def design(put_delta=0.16):
        if put_delta > 0.4:
            raise NoQuote("nobody bids <that>")
        return DESIGN(put_delta=put_delta)

    parts, frame, note = controls(
        Explorer(design, [DELTA, DAYS, VOL], EXPLORER.pictures).panel()
    )
    before = frame.children[0].to_json()

    parts["delta"].value = 0.45

    assert frame.children[0].to_json() == before
    assert note.value == "<em>nobody bids &lt;that&gt;</em>"


def test_the_smile_is_offered_where_one_is_fitted():
    surface = surface_of(CHAIN, Rates(RATE))
    fitted = designs(VIEW, STRATEGY, "SPX", REG_T, FillModel(), surface)

    assert "smile" not in EXPLORER.pictures
    assert "smile" in design_explorer(fitted, [DELTA, DAYS, VOL]).pictures


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"low": 0.3, "high": 0.1}, "not in"),
        ({"start": 0.5}, "vol starts at 0.5, not in 0.1..0.3"),
        ({"step": 0}, "needs a step above 0"),
    ],
)
def test_a_slider_that_cannot_be_is_refused(wrong, why):
    fields = {"name": "vol", "low": 0.1, "high": 0.3, "start": 0.2, "step": 0.01} | wrong

    with pytest.raises(ValueError, match=re.escape(why)):
        Slider(**fields)


@pytest.mark.parametrize("sliders", [[], [VOL, VOL]])
def test_sliders_need_different_names(sliders):
    with pytest.raises(ValueError, match="different names"):
        design_explorer(DESIGN, sliders)


def test_a_table_leaves_out_what_cannot_be_sold_and_says_why():
    def design(put_delta=0.16):
        if put_delta < 0.1:
            raise NoQuote("nobody bids")
        return DESIGN(put_delta=put_delta)

    by_delta, *_ = design_explorer(design, [DELTA, DAYS, VOL]).tables

    told = EXPLORER.tables[0]
    assert by_delta.columns == ("", *told.columns[2:])
    assert by_delta.rows == tuple((name, *cells) for name, _, *cells in told.rows)
    assert by_delta.title == "The structure by put delta (0.05: nobody bids)"
