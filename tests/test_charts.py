"""Charts of results: the numbers drawn are the result's, and each says them in words."""

from dataclasses import replace
from decimal import Decimal as D

import pytest

from dollarbill_core.publishing.charts import (
    dressed,
    equity_figure,
    exit_reasons_figure,
    figure_facts,
    margin_figure,
    premium_figure,
    trades_figure,
)
from dollarbill_core.results.backtest import backtest
from dollarbill_core.results.break_even import BreakEven
from dollarbill_core.results.performance import underwater
from dollarbill_core.values.orders import Reason
from tests.market_builder import three_symbols, weekly_strangles
from tests.record_builder import EVENTS, LINES

RESULT = backtest(three_symbols(), weekly_strangles(), D(200_000))
FOUND = BreakEven(0.019, ((-0.04, D(-90_000)), (0.0, D(-40_000)), (0.04, D(50_000))))
FIGURES = {
    "equity": equity_figure(RESULT.lines, RESULT.events, label="BACKTEST · MODELLED"),
    "margin": margin_figure(RESULT.lines),
    "premium": premium_figure(FOUND, 0.013, "BACKTEST · MODELLED"),
    "trades": trades_figure(RESULT.trades),
    "exits": exit_reasons_figure(RESULT.trades),
}


def trace(figure, name: str):
    return next(each for each in figure.data if each.name == name)


def alt(figure) -> str:
    return figure.layout.meta["alt"]


@pytest.mark.parametrize("name", FIGURES)
def test_every_chart_has_title_units_words_and_a_fixed_height(name):
    figure = FIGURES[name]
    axes = [*figure.select_xaxes(), *figure.select_yaxes()]
    told = [axis.title.text for axis in axes if axis.title.text]

    assert 5 < len(figure.layout.title.text) < 45  # fits a phone
    assert any(unit in title for title in told for unit in ("$", "%"))
    assert alt(figure).endswith(".")
    assert any(digit.isdigit() for digit in alt(figure))
    assert figure.layout.height
    assert figure.layout.width is None


def test_the_same_numbers_give_the_same_facts():
    again = equity_figure(RESULT.lines, RESULT.events, label="BACKTEST · MODELLED")

    assert figure_facts(again) == figure_facts(FIGURES["equity"])
    assert "scatter net of fees: 30 points, first 2e+05" in figure_facts(again)


def test_nav_net_and_gross_differ_by_the_fees():
    figure = FIGURES["equity"]
    net, gross = trace(figure, "net of fees"), trace(figure, "gross of fees")

    assert net.y[-1] == float(RESULT.lines[-1].nav)
    assert gross.y[-1] - net.y[-1] == pytest.approx(float(RESULT.fees))
    assert len(net.x) == len(RESULT.lines)
    assert trace(figure, "below high").y.min() == pytest.approx(
        100 * underwater(RESULT.equity).min()
    )
    assert alt(figure).startswith("BACKTEST · MODELLED: NAV from 2026-03-02 to 2026-04-13")


def test_a_flow_is_no_fall_and_no_gain():
    figure = equity_figure(LINES, EVENTS)
    day = [line.day.isoformat() for line in LINES].index("2026-02-10")
    net, depth = trace(figure, "net of fees").y, trace(figure, "below high").y

    assert net[day] - net[day - 1] == 10_000
    assert depth[day] == pytest.approx(depth[day - 1])


def test_margin_calls_are_marked_on_their_days():
    lines = [replace(x, free=D(-1)) if x.day.day == 5 else x for x in LINES]

    figure = margin_figure(lines)

    assert [str(day) for day in trace(figure, "margin call").x] == ["2026-02-05"]
    assert "1 close with a margin call" in alt(figure)
    assert "no margin call" in alt(FIGURES["margin"])


def test_the_crossing_and_the_assumed_premium_are_marked():
    figure = FIGURES["premium"]

    assert trace(figure, "breaks even at +1.9").x == (1.9,)
    assert trace(figure, "net profit").x == (-4.0, 0.0, 4.0)
    assert [shape.x0 for shape in figure.layout.shapes if shape.x0 == shape.x1] == [1.3]
    assert "breaks even at +1.9 vol points; the chains assume +1.3" in alt(figure)
    assert "−$90,000 at -4.0" in alt(figure)


def test_without_a_crossing_none_is_drawn():
    figure = premium_figure(BreakEven(None, ((0.0, D(1)), (0.04, D(2)))))

    assert [each.name for each in figure.data] == ["net profit"]
    assert "none: it earns from +0.0 to +4.0 vol points" in alt(figure)


def test_every_trade_is_drawn_once_under_its_reason():
    drawn = [(each.name, str(day), y) for each in FIGURES["trades"].data
             for day, y in zip(each.x, each.y, strict=True)]  # fmt: skip
    expected = [(t.reason.value, str(t.closed), float(t.profit)) for t in RESULT.trades]

    assert sorted(drawn) == sorted(expected)
    assert f"{len(RESULT.trades)} closed trades" in alt(FIGURES["trades"])


def test_reasons_differ_in_shape_as_well_as_colour():
    trades = [replace(RESULT.trades[0], reason=reason) for reason in list(Reason)[1:]]

    marks = [each.marker.symbol for each in trades_figure(trades).data]

    assert len(set(marks)) == len(marks) == 8


def test_exit_sums_add_up_to_the_trades():
    (bar,) = FIGURES["exits"].data

    assert sum(bar.x) == pytest.approx(float(sum(t.profit for t in RESULT.trades)))
    assert sum(int(text.split()[0]) for text in bar.text) == len(RESULT.trades)


def test_no_trades_is_said_rather_than_drawn():
    assert alt(trades_figure(())) == "No trade was closed."
    assert "no trade was closed" in alt(exit_reasons_figure(()))


def test_facts_change_with_any_value_and_not_with_rounding_noise():
    import plotly.graph_objects as go

    def facts(last: float) -> str:
        figure = go.Figure().add_scatter(x=[1, 2], y=[1.0, last], name="profit")
        return figure_facts(dressed(figure, "A title", "Words."))

    assert facts(2.0) == facts(2.0 + 1e-9)
    assert facts(2.0) != facts(2.01)
