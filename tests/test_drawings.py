"""Still pictures: true to their numbers, the same on every run, readable without seeing."""

import re
from datetime import date
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.publishing.drawings import (
    WIDTH,
    date_ticks,
    equity_alt,
    equity_svg,
    ticks,
    underwater_alt,
    underwater_svg,
)
from dollarbill_core.values.calendars import sessions

SVG = "{http://www.w3.org/2000/svg}"


def series(values, first=date(2018, 1, 2)) -> pd.Series:
    days = sessions(first, date(2035, 1, 1))[: len(values)]
    return pd.Series(np.asarray(values, float), pd.DatetimeIndex(days))


NET, GROSS = series([1.0, 0.9, 1.2, 1.1]), series([1.0, 0.91, 1.22, 1.13])


def points(svg: str, dashed: bool) -> list[tuple[float, float]]:
    """The corners of the full or the dashed line."""
    paths = ElementTree.fromstring(svg).iter(f"{SVG}path")
    lines = [p.get("d") for p in paths if "fill:none" in p.get("style")]
    chosen = lines[0 if dashed else 1]
    return [(float(x), float(y)) for x, y in re.findall(r"([\d.]+),([\d.]+)", chosen)]


def test_lines_run_from_edge_to_edge_and_keep_the_order_of_values():
    net, gross = points(equity_svg(NET, GROSS), False), points(equity_svg(NET, GROSS), True)

    assert (net[0][0], net[-1][0]) == (0.0, WIDTH)
    heights = [-y for _, y in net]
    assert np.argsort(heights).tolist() == np.argsort(NET.to_numpy()).tolist()
    assert all(g[1] <= n[1] for g, n in zip(gross, net, strict=True))  # gross lies higher


def test_a_picture_says_in_words_what_it_shows():
    tree = ElementTree.fromstring(equity_svg(NET, GROSS))

    title, told = tree.find(f"{SVG}title"), tree.find(f"{SVG}desc")
    assert tree.get("role") == "img"
    assert tree.get("aria-labelledby") == f"{title.get('id')} {told.get('id')}"
    assert told.text == equity_alt(NET, GROSS)
    assert "became $110.00 net of fees and $113.00 gross by 2018-01-05" in told.text
    assert "lowest close was $90.00 on 2018-01-03" in told.text
    assert "the highest $120.00 on 2018-01-04" in told.text


def test_depths_are_told_with_their_dates():
    assert underwater_alt(NET) == (
        "Deepest fall -10.0% from 2018-01-02 to 2018-01-03, recovered 2018-01-04; "
        "on 2018-01-05 the NAV stood -8.3% from its high."
    )
    assert "never closed below" in underwater_alt(series([1, 1, 2]))


def test_the_underwater_picture_hangs_from_its_zero_line():
    tree = ElementTree.fromstring(underwater_svg(NET))
    area = next(p for p in tree.iter(f"{SVG}path") if "fill-opacity" in p.get("style"))

    heights = [float(y) for y in re.findall(r",([\d.]+)", area.get("d"))]
    assert heights[0] == min(heights)  # the first day is at its high
    assert heights[1] == max(heights)  # the second is the deepest
    assert area.get("d").endswith("Z")


@pytest.mark.parametrize("values", [[1.0, 1.0], [1.0], [1.0, 0.0], [1.0, 1e-9, 5e6]])
def test_a_degenerate_record_still_makes_a_picture(values):
    for svg in (equity_svg(series(values), series(values)), underwater_svg(series(values))):
        ElementTree.fromstring(svg)
        assert "nan" not in svg


def test_a_long_record_stays_small_and_keeps_its_extremes():
    walk = np.cumprod(1 + np.random.default_rng(3).normal(0, 0.01, 4_000))
    walk[1_234] = walk.max() * 1.5
    long = series(walk, date(2000, 1, 3))

    net = points(equity_svg(long, long), False)

    assert len(equity_svg(long, long)) < 60_000
    assert any(abs(x - WIDTH * 1_234 / 3_999) < 2 and y < 35 for x, y in net)


def test_the_same_numbers_give_the_same_bytes_and_ask_for_nothing():
    svg = equity_svg(NET, GROSS)

    assert svg == equity_svg(NET.copy(), GROSS.copy())
    assert re.findall(r"https?://[^\"]+", svg) == ["http://www.w3.org/2000/svg"]
    assert 'width="100%"' in svg


@given(
    low=st.floats(-1e6, 1e6),
    span=st.floats(1e-3, 1e6),
    most=st.integers(2, 6),
)
def test_ticks_are_round_even_and_within(low, span, most):
    high = low + span

    found = ticks(low, high, most)

    steps = np.diff(found)
    assert len(found) <= most + 1
    assert all(low - 1e-6 * span <= value <= high + 1e-6 * span for value in found)
    assert np.allclose(steps, steps[:1] if len(steps) else 0, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("first", "last", "told"),
    [
        (date(2014, 1, 2), date(2018, 6, 1), ["2015", "2016", "2017", "2018"]),
        (date(2018, 1, 31), date(2018, 5, 2), ["Feb 2018", "Mar 2018", "Apr 2018", "May 2018"]),
        (date(2018, 5, 2), date(2018, 6, 1), ["02 May 2018", "01 Jun 2018"]),
        (date(2018, 5, 2), date(2018, 5, 2), ["02 May 2018"]),
    ],
)
def test_dates_suit_the_span(first, last, told):
    days = np.array([float(first.toordinal()), float(last.toordinal())])

    assert [text for _, text in date_ticks(days)] == told


def test_never_more_than_six_dates():
    days = np.array([float(date(year, 1, 2).toordinal()) for year in (1990, 2026)])

    assert len(date_ticks(days)) <= 6
