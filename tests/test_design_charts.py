"""Charts of a structure: nothing looks bounded that is not, units and signs as computed."""

from datetime import date

import numpy as np
import pytest

from dollarbill_core.market.volatility import Standing
from dollarbill_core.pricing.payoff import break_evens, profit_at_expiry
from dollarbill_core.publishing.charts import figure_facts
from dollarbill_core.publishing.design_charts import (
    GREEK_UNITS,
    greeks_figure,
    heat_figure,
    iv_history_figure,
    payoff_figure,
    smile_figure,
    term_figure,
)
from dollarbill_core.values.contracts import Leg, Option
from tests.market_builder import chain_on

SPOTS = np.linspace(80.0, 120.0, 81)


def leg(occ: str, quantity: int) -> Leg:
    return Leg(Option.from_occ(f"XYZ260320{occ}"), quantity)


STRANGLE = (leg("P00095000", -1), leg("C00105000", -1))
CONDOR = (*STRANGLE, leg("P00090000", 1), leg("C00110000", 1))
PUT = (leg("P00095000", -1),)


def payoff(legs, credit=200.0, spots=SPOTS):
    profit = profit_at_expiry(legs, credit, spots)
    levels = break_evens(legs, credit)
    return payoff_figure(spots, profit, profit / 2, break_evens=levels, spot=100.0, sigma=0.05)


def notes(figure) -> list[str]:
    return [note.text for note in figure.layout.annotations]


def alt(figure) -> str:
    return figure.layout.meta["alt"]


def trace(figure, name: str):
    return next(each for each in figure.data if each.name == name)


def test_a_strangle_never_looks_bounded():
    figure = payoff(STRANGLE)

    assert "loss unlimited" in notes(figure)
    assert "loss goes on<br>to a spot of 0" in notes(figure)
    assert "loss goes on to a spot of 0 and loss unlimited" in alt(figure)


def test_a_put_is_unbounded_on_no_side_but_goes_on_downwards():
    assert "loss goes on<br>to a spot of 0" in notes(payoff(PUT))
    assert "loss unlimited" not in notes(payoff(PUT))


def test_a_condor_is_bounded_and_a_range_down_to_zero_has_no_more_to_come():
    assert not any("loss" in note for note in notes(payoff(CONDOR)))
    whole = payoff(PUT, spots=np.linspace(0.0, 120.0, 121))
    assert not any("loss" in note for note in notes(whole))


def test_break_evens_stand_at_zero_with_their_distance():
    points = trace(payoff(STRANGLE), "break-even")

    assert points.x == (93.0, 107.0)
    assert points.y == (0.0, 0.0)
    assert points.text == ("93.00<br>-7.0%", "107.00<br>+7.0%")


def test_the_profit_zone_is_the_profit_where_there_is_one():
    figure = payoff(STRANGLE)

    expiry = np.asarray(trace(figure, "at expiry").y)
    assert np.asarray(trace(figure, "profit zone").y) == pytest.approx(np.maximum(expiry, 0))
    assert expiry.max() == 200


def test_spot_and_deviations_are_lines():
    at = [shape.x0 for shape in payoff(STRANGLE).layout.shapes if shape.x0 == shape.x1]

    assert at == pytest.approx([100 * np.exp(0.05 * count) for count in (0, -2, -1, 1, 2)])


def test_a_package_without_break_even_says_so():
    assert "break-even at no price" in alt(payoff(PUT, credit=20_000.0))


def test_a_heat_map_shows_dates_across_and_its_zero_line():
    days = [date(2026, 3, day) for day in (2, 3, 4)]
    profit = np.outer([1.0, 2.0, 3.0], 100 - (SPOTS - 100) ** 2)

    figure = heat_figure(SPOTS, days, profit, spot=100.0)

    heat = figure.data[0]
    assert list(heat.x) == ["2026-03-02", "2026-03-03", "2026-03-04"]
    assert np.asarray(heat.z).shape == (len(SPOTS), 3)
    assert (heat.zmin, heat.zmid, heat.zmax) == (-900, 0, 900)  # the worst loss
    assert (figure.data[1].contours.start, figure.data[1].contours.end) == (0, 0)
    assert "most $300 at 100 on 2026-03-04" in alt(figure)


def test_losses_far_beyond_any_profit_do_not_pale_it():
    profit = np.array([[-5_000.0, 100.0, -50.0]])

    figure = heat_figure([90, 100, 110], [date(2026, 3, 2)], profit, spot=100.0)

    assert figure.data[0].zmax == 400  # four times the best profit
    assert "colours are full at $400 either way" in alt(figure)


def test_greeks_carry_their_units_and_values_at_the_spot():
    values = {name: place + SPOTS for place, name in enumerate(GREEK_UNITS)}

    figure = greeks_figure(SPOTS, values, spot=100.0)

    assert [each.name for each in figure.data] == list(GREEK_UNITS)
    assert all(f"{name}, {unit}" in notes(figure) for name, unit in GREEK_UNITS.items())
    assert "theta 103 $ per day" in alt(figure)


def test_greeks_must_be_the_four():
    with pytest.raises(ValueError, match="greeks must be delta, gamma, vega, theta, got rho"):
        greeks_figure(SPOTS, {"rho": SPOTS}, spot=100.0)


def test_a_smile_is_drawn_out_of_the_money_by_strike():
    chain = chain_on("AAA", date(2026, 3, 2), 100.0)
    expiries = chain.expiries[1:3]

    figure = smile_figure(chain, expiries)

    assert len(figure.data) == 2
    for each in figure.data:
        assert list(each.x) == sorted(set(each.x))
        assert np.asarray(each.y) == pytest.approx(25.0)
    assert "25.0% at the spot" in alt(figure)
    assert figure.data[0].line.dash != figure.data[1].line.dash


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


@pytest.mark.parametrize("legs", [PUT, STRANGLE, CONDOR])
def test_facts_of_a_payoff_are_reproducible(legs):
    assert figure_facts(payoff(legs)) == figure_facts(payoff(legs))
