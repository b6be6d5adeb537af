"""Pictures of a structure: nothing looks bounded that is not, units and signs as computed."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D

import numpy as np
import pytest

from dollarbill_core.publishing.charts import figure_facts
from dollarbill_core.publishing.design_charts import (
    GREEK_UNITS,
    cone_picture,
    greeks_picture,
    map_picture,
    payoff_picture,
)
from dollarbill_core.results.outlook import Outlook
from dollarbill_core.rules.margin import Requirement
from dollarbill_core.values.book import Book
from dollarbill_core.values.calendars import expiry_instant
from dollarbill_core.values.contracts import Leg, Option

NOTHING_ASKED = Requirement((), D(0))


def leg(occ: str, quantity: int) -> Leg:
    return Leg(Option.from_occ(f"SPXW260320{occ}"), quantity)


STRANGLE = (leg("P00095000", -1), leg("C00105000", -1))
CONDOR = (*STRANGLE, leg("P00090000", 1), leg("C00110000", 1))
PUT = (leg("P00095000", -1),)
DAYS = 40


def promised(legs, credit: str = "200") -> Outlook:
    expires = expiry_instant(legs[0].instrument)
    return Outlook(
        now=expires - timedelta(days=DAYS),
        expires=expires,
        spot=100.0,
        legs=tuple(legs),
        candidates=(),
        book=Book(D(credit)),
        vols=(0.2,) * len(legs),
        rate=0.03,
        dividend_yield=0.01,
        required=NOTHING_ASKED,
    )


def notes(picture) -> list[str]:
    return [note.text for note in picture.figure().layout.annotations]


def named(picture) -> dict:
    return {trace["name"]: trace for trace in picture.traces}


def test_a_strangle_never_looks_bounded():
    picture = payoff_picture(promised(STRANGLE))

    assert "loss unlimited" in notes(picture)
    assert "loss goes on<br>to a spot of 0" in notes(picture)
    assert "loss goes on to a spot of 0 and loss unlimited" in picture.alt


def test_a_put_is_unbounded_on_no_side_but_goes_on_downwards():
    assert "loss goes on<br>to a spot of 0" in notes(payoff_picture(promised(PUT)))
    assert "loss unlimited" not in notes(payoff_picture(promised(PUT)))


def test_a_condor_is_bounded():
    assert not any("loss" in note for note in notes(payoff_picture(promised(CONDOR))))


def test_break_evens_stand_at_zero_with_their_distance():
    points = named(payoff_picture(promised(STRANGLE)))["break-even"]

    assert points["x"] == [93.0, 107.0]
    assert points["y"] == [0.0, 0.0]
    assert points["text"] == ["93.00<br>-7.0%", "107.00<br>+7.0%"]


def test_the_profit_zone_is_the_profit_where_there_is_one():
    parts = named(payoff_picture(promised(STRANGLE)))

    expiry = parts["at expiry"]["y"]
    assert parts["profit zone"]["y"] == pytest.approx(np.maximum(expiry, 0))
    assert expiry.max() == 200


def test_spot_and_deviations_are_upright_lines():
    seen = promised(STRANGLE)

    drawn = named(payoff_picture(seen))["deviations"]

    at = [100 * np.exp(seen.deviation * count) for count in (-2, -1, 0, 1, 2)]
    assert drawn["x"][::3] == drawn["x"][1::3] == pytest.approx(at)


def test_the_model_line_says_when_and_at_what_vols():
    seen = promised(STRANGLE)

    picture = payoff_picture(seen, days=10, vol_shift=-0.02)

    line = named(picture)["in 10 days, vols −2%"]
    assert line["y"] == pytest.approx(seen.profit(seen.spots(), 10, -0.02))
    assert "today" in named(payoff_picture(seen))


def test_a_package_without_break_even_says_so():
    assert "break-even at no price" in payoff_picture(promised(PUT, "20000")).alt


def test_a_map_shows_instants_across_and_its_line_of_nothing():
    seen = promised(STRANGLE)

    heat, contour, ring = map_picture(seen, days=10).traces

    assert heat["x"][0] == f"{seen.now:%Y-%m-%d %H:%M}"
    assert heat["x"][-1] == f"{seen.expires:%Y-%m-%d %H:%M}"
    assert heat["z"].shape == (len(heat["y"]), len(heat["x"]))
    assert heat["z"][:, -1] == pytest.approx(seen.profit_at_expiry(heat["y"]), abs=1e-6)
    assert (contour["contours"]["start"], contour["contours"]["end"]) == (0, 0)
    assert ring["x"] == [f"{seen.now + timedelta(days=10):%Y-%m-%d %H:%M}"]


def test_losses_far_beyond_any_profit_do_not_pale_it():
    picture = map_picture(promised(STRANGLE))

    heat = picture.traces[0]
    assert heat["zmax"] == -heat["zmin"] == pytest.approx(4 * heat["z"].max())
    assert "colours are full at $800 either way" in picture.alt


def test_greeks_carry_their_units_and_values_at_the_spot():
    seen = promised(STRANGLE)

    picture = greeks_picture(seen)

    values = seen.greeks(np.array([100.0]))
    assert [trace["name"] for trace in picture.traces] == list(GREEK_UNITS)
    for name, unit in GREEK_UNITS.items():
        assert f"{name}, {unit}" in notes(picture)
        assert f"{name} {float(values[name][0]):,.4g} {unit}" in picture.alt


def test_each_greek_has_a_panel_whose_range_holds_it():
    picture = greeks_picture(promised(STRANGLE), days=30)

    for place, trace in enumerate(picture.traces, start=1):
        low, high = picture.ranges[f"yaxis{place}"]
        assert (trace["xaxis"], trace["yaxis"]) == (f"x{place}", f"y{place}")
        assert low < min(trace["y"].min(), 0)
        assert max(trace["y"].max(), 0) < high


def test_a_cone_holds_as_many_prices_as_it_says():
    seen = promised(STRANGLE)
    rng = np.random.default_rng(4)
    moves = rng.standard_normal(200_000) * seen.deviation - seen.deviation**2 / 2
    ends = 100 * np.exp((0.03 - 0.01) * seen.years + moves)

    parts = named(cone_picture(seen))

    for low, high, share in [("lowest", "95 of 100", 0.95), ("lower", "68 of 100", 0.68)]:
        held = (parts[low]["y"][-1] < ends) & (ends < parts[high]["y"][-1])
        assert held.mean() == pytest.approx(share, abs=0.005)
        assert parts[low]["y"][0] == pytest.approx(100) == parts[high]["y"][0]


def test_strikes_and_break_evens_cross_the_cone_with_their_names():
    picture = cone_picture(promised(STRANGLE))

    parts = named(picture)
    assert parts["strikes"]["y"] == [95.0, 95.0, None, 105.0, 105.0, None]
    assert parts["break-evens"]["y"] == [93.0, 93.0, None, 107.0, 107.0, None]
    words = [text for trace in picture.traces for text in trace.get("text", [])]
    assert words == ["put 95", "call 105", "93.00", "107.00"]


def test_a_cone_widens_with_the_vols():
    seen = promised(STRANGLE)

    still, wide = (named(cone_picture(seen, vol_shift=shift)) for shift in (0, 0.1))

    assert wide["95 of 100"]["y"][-1] > still["95 of 100"]["y"][-1]
    assert wide["lowest"]["y"][-1] < still["lowest"]["y"][-1]


@pytest.mark.parametrize("legs", [PUT, STRANGLE, CONDOR])
@pytest.mark.parametrize("draw", [payoff_picture, map_picture, greeks_picture, cone_picture])
def test_facts_of_a_picture_are_reproducible(draw, legs):
    one, other = (figure_facts(draw(promised(legs)).figure()) for _ in range(2))

    assert one == other
    assert "alt: " in one


def test_another_structure_moves_the_same_traces():
    kept = promised(STRANGLE)
    other = replace(kept, legs=(leg("P00090000", -1), leg("C00110000", -1)))

    for draw in (payoff_picture, map_picture, greeks_picture, cone_picture):
        assert len(draw(kept).traces) == len(draw(other).traces)
