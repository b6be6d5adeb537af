"""Pictures of risk say what the numbers say, and draw the call where it is."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import numpy as np
import pytest

from dollarbill_core.market.carry import Rates
from dollarbill_core.market.view import View
from dollarbill_core.pricing import american
from dollarbill_core.publishing.charts import figure_facts
from dollarbill_core.publishing.risk_charts import (
    CALLED,
    accounts_picture,
    margin_matrix_picture,
    profit_matrix_picture,
    shocks_picture,
    short_dollars,
)
from dollarbill_core.results.margin_study import asked_by
from dollarbill_core.rules.accounts import ALPACA, CASH, PORTFOLIO, REG_T
from dollarbill_core.rules.shocks import SHOCKS, VERSION
from dollarbill_core.rules.stress import shock_outcomes, stress, stress_matrix
from dollarbill_core.values.book import Book, Position
from dollarbill_core.values.calendars import close_instant, expiry_instant, years_between
from dollarbill_core.values.contracts import Option, Stock

NOW = close_instant(date(2026, 11, 2))
LEGS = {Option.from_occ(f"SPY261218{name}000"): -1 for name in ("P00570", "C00630")}


def fair(option: Option) -> Decimal:
    years = years_between(NOW, expiry_instant(option))
    terms = option.right, 600.0, float(option.strike), years, 0.04, 0.18
    return Decimal(repr(float(american.price(*terms))))


VIEW = View(NOW, {"SPY": Decimal(600)}, {each: fair(each) for each in LEGS}, rates=Rates(0.04))


def ready(cash: int, legs=LEGS):
    return stress(Book(Decimal(cash), tuple(Position(*x) for x in legs.items())), VIEW, REG_T)


READY = ready(14_000)
MATRIX = stress_matrix(READY)
SHOCKED = shock_outcomes(READY)
BOTH = pytest.mark.parametrize("picture", [profit_matrix_picture, margin_matrix_picture])


def traces(picture) -> dict:
    return {trace["name"]: trace for trace in picture.traces}


def test_the_cells_hold_the_matrix_and_its_words():
    profit, margin = profit_matrix_picture(MATRIX), margin_matrix_picture(MATRIX)

    assert (traces(profit)["profit"]["z"] == MATRIX.profits).all()
    assert (traces(margin)["margin"]["z"] == MATRIX.margins).all()
    words = traces(profit)["dollars"]["text"]
    assert words[2 * 9 + 4] == "0<br> "
    assert words[0].startswith(short_dollars(MATRIX.profits[0, 0]))


@BOTH
def test_a_cross_stands_in_each_cell_with_a_margin_call(picture):
    words = traces(picture(MATRIX))["dollars"]["text"]

    assert [CALLED in each for each in words] == MATRIX.is_called.ravel().tolist()
    assert any(MATRIX.is_called.ravel()) and not all(MATRIX.is_called.ravel())


@BOTH
def test_the_line_runs_through_the_exact_edges_row_by_row(picture):
    line = traces(picture(MATRIX))["margin call"]

    drawn = [(y, x) for x, y in zip(line["x"], line["y"], strict=True) if x is not None]
    expected = [(y, 100 * x) for y, row in enumerate(MATRIX.edges) for x in row]
    assert np.array(sorted(drawn)) == pytest.approx(np.array(sorted(expected)))
    assert None in line["x"]  # the two sides are no one stroke


def test_titles_and_alt_texts_say_what_the_numbers_say():
    fall, rise = (f"{100 * edge:+.1f} %".replace("-", "−") for edge in MATRIX.room())
    profit, margin = (
        profit_matrix_picture(MATRIX, label="MODELLED"),
        margin_matrix_picture(MATRIX),
    )

    assert profit.title.startswith(f"At worst −${-MATRIX.profits.min():,.0f}, at ")
    assert margin.title == f"Margin call at {fall} or {rise}, same vol"
    assert profit.alt.startswith("MODELLED: Reg T margin, at once: profit runs from −$")
    assert f"{MATRIX.is_called.sum()} of 63 nodes are a margin call" in margin.alt
    assert margin.title in profit.alt and margin.title in margin.alt


def test_a_map_without_a_call_or_with_one_already_says_so():
    rich, poor = (stress_matrix(ready(cash)) for cash in (10**6, 100))
    vol_alone = replace(MATRIX, edges=((),) * 6 + ((0.01,),), excess=np.full((7, 9), 1.0))
    vol_alone.excess[6, 5:] = -1.0

    assert margin_matrix_picture(rich).title == "No margin call on this map"
    assert traces(margin_matrix_picture(rich))["margin call"]["x"] == []
    assert margin_matrix_picture(poor).title == "A margin call without any move"
    assert margin_matrix_picture(vol_alone).title == "Margin call only where vol moves too"


def test_a_book_that_cannot_lose_here_says_so():
    matrix = stress_matrix(ready(100, {Stock("SPY"): 1}), spot_moves=[0.0, 0.1])

    assert profit_matrix_picture(matrix).title == "No loss on this map"
    assert profit_matrix_picture(stress_matrix(ready(100, {}))).title == "No loss on this map"


def test_a_later_map_names_its_day():
    later = margin_matrix_picture(stress_matrix(READY, years_on=20 / 365))

    assert later.layout["xaxis"]["title"]["text"] == "move of the index in 20 days, %"
    assert "Reg T margin in 20 days: margin runs" in later.alt


@BOTH
def test_axes_have_units_and_every_row_its_own_name(picture):
    figure = picture(MATRIX).figure()

    assert figure.layout.xaxis.title.text == "move of the index, %"
    assert figure.layout.yaxis.title.text == "change of every vol, points"
    assert figure.layout.yaxis.ticktext == ("−10", "−5", "0", "+5", "+10", "+20", "+30")
    assert "heatmap" in figure_facts(figure)


def test_bars_hold_each_shock_and_the_worst_prints_beside_it():
    bars = traces(shocks_picture(SHOCKED))

    close, worst = bars["close to close"], bars["worst prints"]
    assert close["y"] == [row.name for row in SHOCKS]
    assert worst["y"] == [row.name for row in SHOCKS if row.worst]
    assert close["x"] == [r.profit for r in SHOCKED if r.jump.measured == "close to close"]
    assert close["marker"]["pattern"]["shape"] != worst["marker"]["pattern"]["shape"]
    called = [CALLED in text for text in close["text"]]
    assert called == [r.excess < 0 for r in SHOCKED if r.jump.measured == "close to close"]


def test_the_title_names_the_shock_that_costs_most():
    worst = min(SHOCKED, key=lambda row: row.profit)
    picture = shocks_picture(SHOCKED, label="MODELLED")

    assert picture.title == f"{worst.shock.name} would cost most: ${-worst.profit:,.0f}"
    called = len({row.shock.name for row in SHOCKED if row.excess < 0})
    assert picture.alt.startswith("MODELLED: 1987-10-19 (close to close: index -20.5%")
    assert f"{called} of 8 shocks bring a margin call." in picture.alt
    assert picture.figure().layout.xaxis.title.text == "profit if it came again today, $"


def test_a_book_that_gains_from_shocks_says_so_and_no_shock_is_refused():
    longs = shock_outcomes(ready(14_000, dict.fromkeys(LEGS, 1)))

    assert shocks_picture(longs).title == "None of these shocks would cost anything"
    with pytest.raises(ValueError, match="no past shock was asked for"):
        shocks_picture([])


def test_accounts_stand_side_by_side_and_say_refused():
    asked = asked_by(READY.book, VIEW, Decimal(90_000), (REG_T, PORTFOLIO, ALPACA))
    picture = accounts_picture(asked)
    (bars,) = picture.traces

    assert bars["x"] == [float(asked[0].tied_up), float(asked[1].tied_up), 0.0]
    assert bars["text"][1].endswith(" (needs more)")
    assert (bars["text"][2], bars["textposition"][2]) == (" refused", "outside")
    assert picture.title == f"Held back: ${bars['x'][0]:,.0f}"
    rich = asked_by(READY.book, VIEW, Decimal(100_000), (REG_T, PORTFOLIO))
    least, most = (f"${dollars:,.0f}" for dollars in sorted(bars["x"])[1:])
    assert accounts_picture(rich).title == f"Held back: {least} to {most}"
    assert str(asked[2]) in picture.alt


def test_capital_that_no_account_takes_is_told():
    asked = asked_by(replace(READY.book, cash=Decimal(0)), VIEW, Decimal(1_000), (REG_T,))

    assert accounts_picture(asked).title == "Each of these accounts needs more capital"


def test_accounts_that_all_refuse_say_so():
    asked = asked_by(READY.book, VIEW, Decimal(14_000), (ALPACA, CASH))

    assert accounts_picture(asked).title == "No account of these may hold it"
    with pytest.raises(ValueError, match="no account was asked"):
        accounts_picture([])


def test_the_shocks_say_which_version_of_their_table_they_are_from():
    assert f"version {VERSION}" in shocks_picture(SHOCKED).alt
