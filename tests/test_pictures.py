"""A picture that is moved says what a new one would, and sends no more than it must."""

import numpy as np
import plotly.graph_objects as go
import pytest

from dollarbill_core.publishing.pictures import Picture, labels, line, moved, segments

X = np.array([1.0, 2.0, 3.0])


def picture(height: float, name: str = "line") -> Picture:
    words = labels([1.0], [height], [f"at {height:g}"], ["top right"], "#000000")
    traces = (line(X, height * X, name, {"color": "#000000"}), words)
    return Picture("Title", f"It is {height}.", traces, {"yaxis": (0.0, 4 * height)})


def test_a_figure_holds_the_traces_the_ranges_and_the_words():
    figure = picture(2.0).figure()

    assert list(figure.data[0].y) == [2.0, 4.0, 6.0]
    assert figure.layout.yaxis.range == (0.0, 8.0)
    assert figure.layout.meta["alt"] == "It is 2.0."
    assert figure.layout.title.text == "Title"


def test_a_moved_figure_is_the_new_one():
    live = go.FigureWidget(picture(2.0).figure())

    moved(live, picture(3.0, "another"))

    fresh = picture(3.0, "another").figure()
    for drawn, expected in zip(live.data, fresh.data, strict=True):
        drawn.uid = expected.uid
        assert drawn.to_plotly_json().keys() == expected.to_plotly_json().keys()
        assert (drawn.name, list(drawn.y)) == (expected.name, list(expected.y))
    assert list(live.data[1].text) == ["at 3"]
    assert live.layout.yaxis.range == fresh.layout.yaxis.range


def test_what_has_not_changed_is_not_sent():
    live = go.FigureWidget(picture(2.0).figure())
    sent = []
    live.observe(lambda change: sent.append(change["new"]), "_py2js_update")

    moved(live, picture(2.0))
    moved(live, picture(3.0))

    (message,) = filter(None, sent)
    assert set(message["style_data"]) == {"y", "text"}  # not x, nor name, nor colours


def test_a_picture_that_grows_a_trace_cannot_be_moved():
    live = go.FigureWidget(picture(2.0).figure())
    grown = Picture("Title", "", (*picture(2.0).traces, line(X, X, "more", {})))

    with pytest.raises(ValueError, match="zip"):
        moved(live, grown)


def test_panels_stand_two_in_a_row_and_rows_in_proportion():
    panels = Picture("T", "", (), panels=("a", "b", "c", "d")).figure()
    rows = Picture("T", "", (), rows=(3.0, 1.0)).figure()

    assert [note.text for note in panels.layout.annotations] == ["a", "b", "c", "d"]
    assert panels.layout.yaxis4.domain == panels.layout.yaxis3.domain
    high, low = rows.layout.yaxis.domain, rows.layout.yaxis2.domain
    assert (high[1] - high[0]) / (low[1] - low[0]) == pytest.approx(3)


def test_segments_are_lines_with_gaps():
    drawn = segments([(0, 1), (2, 3)], [(5, 6), (7, 8)], "pairs", {})

    assert drawn["x"] == [0, 1, None, 2, 3, None]
    assert drawn["y"] == [5, 6, None, 7, 8, None]
