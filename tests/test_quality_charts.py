"""Pictures of quality: true to the days, readable without colour, without script, in words."""

import math
import re
from datetime import date
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest

from dollarbill_core.market.faults import Fault
from dollarbill_core.market.quality import DayQuality, Quality
from dollarbill_core.publishing.charts import figure_facts
from dollarbill_core.publishing.quality_charts import (
    GRADES,
    CoverageTable,
    coverage_alt,
    coverage_figure,
    coverage_svg,
    faults_figure,
    grade,
)
from dollarbill_core.values.calendars import sessions

SVG = "{http://www.w3.org/2000/svg}"
YEAR = sessions(date(2021, 1, 1), date(2021, 12, 31))
MARCH = sessions(date(2021, 3, 1), date(2021, 3, 31))


def quality(symbol="SPY", expected=YEAR, without=(), score=1.0, **counts) -> Quality:
    """Chains on every session but those of the months, or days, ``without``."""
    found = {Fault[name]: count for name, count in counts.items()}
    days = tuple(
        DayQuality(day, 100, found, score)
        for day in expected
        if day not in without and day.month not in without
    )
    return Quality(symbol, days, tuple(expected))


def rectangles(svg: str) -> list[dict[str, float | str]]:
    tree = ElementTree.fromstring(svg)
    drawn = [each for each in tree.iter(f"{SVG}rect") if each.get("fill")]
    return [
        {"fill": each.get("fill")}
        | {k: float(each.get(k)) for k in ("x", "y", "width", "height")}
        for each in drawn
    ]


@pytest.mark.parametrize(
    ("score", "name"),
    [
        (1.0, "99.9 % and more"), (0.999, "99.9 % and more"), (0.9989, "99 to 99.9 %"),
        (0.95, "95 to 99 %"), (0.8, "80 to 95 %"), (0.79, "below 80 %"), (0.0, "below 80 %"),
    ],
)  # fmt: skip
def test_scores_have_grades(score, name):
    assert grade(score).name == name


def lightness(colour: str) -> float:
    """Relative luminance, as WCAG defines it."""
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def test_grades_are_told_apart_by_lightness_and_the_worst_is_no_blue():
    blues = [lightness(each.colour) for each in GRADES[:-1]]

    contrast = [(a + 0.05) / (b + 0.05) for a, b in pairwise(blues)]
    assert all(ratio > 1.4 for ratio in contrast)
    red, _, blue = (int(GRADES[-1].colour[n : n + 2], 16) for n in (1, 3, 5))
    assert red > 180 and blue < 60


def test_a_long_period_is_by_month_a_short_one_by_session():
    long, short = CoverageTable((quality(),)), CoverageTable((quality(expected=MARCH),))

    assert (long.by_month, len(long.columns)) == (True, 12)
    assert (short.by_month, short.columns) == (False, MARCH)


def test_a_cell_holds_coverage_and_mean_score():
    half = [day for day in YEAR if day.month == 3][::2]
    table = CoverageTable((quality(without=(5, *half), score=0.9),))

    march, may, june = (table.rows[0][month - 1] for month in (3, 5, 6))

    assert march.coverage == pytest.approx(1 - len(half) / len(MARCH))
    assert march.score == pytest.approx(0.9)
    assert may.coverage == 0.0 and math.isnan(may.score)
    assert june.coverage == 1.0


def test_symbols_of_different_periods_share_their_columns():
    table = CoverageTable((quality(), quality("IWM", expected=MARCH)))

    assert [len(row) for row in table.rows] == [12, 12]
    assert math.isnan(table.rows[1][0].coverage) and table.rows[1][2].coverage == 1.0


def test_data_of_a_holiday_fills_no_session():
    holiday = DayQuality(date(2021, 3, 6), 10, {Fault.HOLIDAY: 1}, 0.0)
    for expected in (MARCH, YEAR):
        odd = Quality("SPY", (holiday,), expected)

        assert all(cell.coverage == 0 for cell in CoverageTable((odd,)).rows[0])


def test_the_still_picture_hatches_what_is_missing_and_colours_the_rest():
    half = [day for day in YEAR if day.month == 3][::2]
    drawn = rectangles(coverage_svg([quality(without=(5, *half))]))

    hatched = [each for each in drawn if each["fill"] == "url(#missing)"]
    coloured = [each for each in drawn if each["fill"] == GRADES[0].colour]
    whole = max(each["height"] for each in coloured)
    assert [each["height"] for each in hatched] == pytest.approx(
        [whole * len(half) / len(MARCH), whole], abs=0.02
    )
    widths = sum(each["width"] for each in coloured)
    assert widths == pytest.approx(11 / 12 * (640 - 58), rel=0.01)


def test_neighbours_that_look_alike_are_one_rectangle():
    assert len(rectangles(coverage_svg([quality()]))) == 1


def test_the_still_picture_says_in_words_what_it_shows_and_asks_for_nothing():
    svg = coverage_svg([quality(without=(5,), score=0.97), quality("A&B")])
    tree = ElementTree.fromstring(svg)

    title, told = tree.find(f"{SVG}title"), tree.find(f"{SVG}desc")
    assert tree.get("aria-labelledby") == f"{title.get('id')} {told.get('id')}"
    assert told.text == coverage_alt([quality(without=(5,), score=0.97), quality("A&B")])
    assert "SPY has chains on 232 of 252 sessions with a score of 97.0%" in told.text
    assert re.findall(r"https?://[^\"]+", svg) == ["http://www.w3.org/2000/svg"]
    assert "<script" not in svg
    assert coverage_svg([quality()]) == coverage_svg([quality()])


@pytest.mark.parametrize(
    "qualities", [[], [Quality("SPY", (), ())], [quality(expected=MARCH[:1])]]
)
def test_nothing_and_a_single_day_still_make_a_picture(qualities):
    svg = coverage_svg(qualities)

    ElementTree.fromstring(svg)
    assert "nan" not in svg
    coverage_figure(qualities)
    faults_figure(qualities)


def test_labels_are_few():
    many = sessions(date(2008, 1, 2), date(2025, 12, 31))

    for expected in (many, YEAR, MARCH, MARCH[:2]):
        labels = CoverageTable((quality(expected=expected),)).labels()
        assert 1 <= len(labels) <= 8
        assert len({text for _, text in labels}) == len(labels)


def test_the_figure_holds_the_grades_and_marks_what_is_missing():
    figure = coverage_figure([quality(without=(5,)), quality("QQQ", score=0.5)])

    heat, gone, some = figure.data
    assert np.asarray(heat.z, float)[0, [0, 4]].tolist() == pytest.approx(
        [0, np.nan], nan_ok=True
    )
    assert np.asarray(heat.z, float)[1].tolist() == [4.0] * 12
    assert (list(gone.x), list(gone.y)) == ([date(2021, 5, 1)], [0])
    assert len(some.x) == 0
    assert list(figure.layout.yaxis.ticktext) == ["SPY", "QQQ"]
    assert "QQQ has chains on 252 of 252 sessions with a score of 50.0%" in figure_facts(figure)


def test_faults_are_counted_by_kind():
    figure = faults_figure(
        [quality(CROSSED=2, NO_BID=30, MISSING_STRIKES=1), quality(CROSSED=1)]
    )

    grave, harmless = figure.data
    assert dict(zip(grave.y, grave.text, strict=True)) == {
        "crossed": "756 quotes",
        "missing strikes": "252 days",
    }
    assert dict(zip(grave.y, grave.x, strict=True)) == pytest.approx(
        {"crossed": 1.5, "missing strikes": 50.0}
    )
    assert list(harmless.text) == ["7,560 quotes"]
    assert "Of 50,400 quotes on 504 days: 756 quotes crossed" in figure.layout.meta["alt"]


def test_a_clean_record_says_so():
    assert "no fault" in faults_figure([quality()]).layout.meta["alt"]
