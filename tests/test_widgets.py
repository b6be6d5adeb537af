"""Explorers: their tables show what the sliders would, with nobody there to move them."""

import json
import re

import numpy as np
import pytest

from dollarbill_core.publishing import widgets
from dollarbill_core.publishing.widgets import (
    Curves,
    Slider,
    as_parameters,
    is_live,
    payoff_explorer,
)
from dollarbill_core.runs import records

SPOTS = np.linspace(50.0, 150.0, 101)
VOL = Slider("vol", 0.10, 0.30, 0.20, 0.01, "{:.0%}")
DAYS = Slider("days_later", 0, 40, 0, 1, "{:.0f}")


def curves(vol: float, days_later: float) -> Curves:
    """Not a price: a straight line by spot, lower by vol and higher by days."""
    now = (SPOTS - 100.0) - 1_000 * vol + days_later
    return Curves(SPOTS, now, now, (100.0,), 100.0, vol / 4)


EXPLORER = payoff_explorer(curves, [VOL, DAYS], "XYZ strangle")


def test_the_tables_are_what_the_curves_say():
    by_vol, by_days = EXPLORER.tables
    down, up = 100 * np.exp(-0.05), 100 * np.exp(0.05)

    assert by_vol.columns == ("spot, $", "vol 10%", "vol 20%", "vol 30%")
    assert by_vol.rows == (
        (f"{down:.2f}", "−105", "−205", "−305"),
        ("100.00", "−100", "−200", "−300"),
        (f"{up:.2f}", "−95", "−195", "−295"),
    )
    assert by_days.columns[1:] == ("days later 0", "days later 20", "days later 40")
    assert by_days.rows[1][1:] == ("−200", "−180", "−160")


def test_text_and_html_carry_the_same_cells():
    html, text = EXPLORER._repr_html_(), repr(EXPLORER)

    cells = re.findall(r"<t[dh][^>]*>([^<]*)</t[dh]>", html)
    assert len(cells) == 2 * 4 * 4
    assert all(cell in text for cell in cells)
    assert html.count("<caption") == 2
    assert html.count('scope="row"') == 6


def test_a_twin_is_the_same_on_every_run():
    again = payoff_explorer(curves, [VOL, DAYS], "XYZ strangle")

    assert again._repr_html_() == EXPLORER._repr_html_()


def shown(capsys) -> str:
    EXPLORER._ipython_display_()
    return capsys.readouterr().out


@pytest.mark.parametrize("variable", [widgets.RUN_FOLDER, widgets.HEADLESS])
def test_in_a_run_the_tables_stand_alone(variable, monkeypatch, capsys):
    monkeypatch.setenv(variable, "/somewhere")

    text = shown(capsys)

    assert "Profit today" in text
    assert "VBox" not in text


def test_in_lab_the_sliders_come_first(monkeypatch, capsys):
    monkeypatch.delenv(widgets.RUN_FOLDER, raising=False)
    monkeypatch.delenv(widgets.HEADLESS, raising=False)
    monkeypatch.setattr(widgets, "_show", lambda figure: None)

    text = shown(capsys)

    assert text.index("VBox") < text.index("Profit today")


def test_whoever_may_be_there_is_decided_by_the_environment_alone():
    assert is_live({})
    assert not is_live({widgets.RUN_FOLDER: "/reports/1"})
    assert not is_live({widgets.HEADLESS: "1"})
    assert widgets.RUN_FOLDER == records.RUN_FOLDER


def test_a_slider_redraws_the_picture_when_it_is_let_go(monkeypatch):
    drawn = []
    monkeypatch.setattr(widgets, "_show", drawn.append)
    vol, _, _, command = EXPLORER.panel().children

    vol.value = 0.25

    assert vol.continuous_update is False
    assert (vol.min, vol.max, vol.step) == (0.10, 0.30, 0.01)
    assert len(drawn) == 2
    before, after = (json.loads(figure.to_json())["data"] for figure in drawn)
    assert before != after
    values = {"vol": 0.25, "days_later": 0.0}
    assert command.value == f"<code>{as_parameters(values)}</code>"


def test_a_figure_says_what_it_draws():
    assert curves(0.2, 0).figure("XYZ").layout.meta["alt"].startswith("XYZ: Profit at expiry")


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
        payoff_explorer(curves, sliders)
