"""A run's page shows its charts in a browser, folds what is not prose, and asks for nothing."""

import os
import re
import shutil
import subprocess
from datetime import UTC, date, datetime

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from dollarbill_core.market.quality import DayQuality, Quality
from dollarbill_core.runs import pages
from dollarbill_core.runs.records import RunRecord, Status
from dollarbill_core.storage.checking import Checked, SymbolCheck

MONDAY = date(2021, 1, 4)
BROWSER = shutil.which("chromium")


def figure(**layout):
    return {"data": [{"type": "bar", "x": ["a", "b"], "y": [1, 2]}], "layout": layout}


def shown(data, **metadata):
    return new_output("display_data", data=data, metadata=metadata)


def cell(*outputs, source="x = 1"):
    return new_code_cell(source, outputs=list(outputs))


def run(**changes) -> RunRecord:
    fields = {
        "run": "2026-01-02/02_tiny",
        "notebook": "02_tiny.ipynb",
        "title": "Tiny <b>?",
        "status": Status.OK,
        "exit_code": 0,
        "reason": "",
        "started": "2026-01-02T09:30:00+00:00",
        "seconds": 1.5,
        "parameters": {"put_delta": 0.16},
    }
    return RunRecord(**(fields | changes))


def page(*cells, **changes) -> str:
    title = new_markdown_cell("# Tiny: does it show?")
    return pages.page(new_notebook(cells=[title, *cells]), run(**changes))


def without_scripts(text: str) -> str:
    return re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)


@pytest.fixture(scope="module")
def charts() -> str:
    chart = {pages.PLOTLY: figure(title={"text": "Twice"}, meta={"alt": "b is twice a"})}
    return page(cell(shown(chart)), cell(shown(chart)))


def test_the_page_is_a_whole_document_with_one_heading(charts):
    text = without_scripts(charts)

    assert text.startswith("<!DOCTYPE html>")
    assert '<html lang="en">' in text
    assert text.count("<h1") == text.count("<main>") == text.count("</main>") == 1
    assert "<title>Tiny &lt;b&gt;? · DollarBill</title>" in text


def test_plotlys_script_is_carried_once_for_all_charts(charts):
    assert charts.count("Plotly.newPlot(") >= 2
    assert len(charts) < 6_000_000


def test_no_request_leaves_the_page(charts):
    assert "default-src 'none'" in charts
    sources = re.findall(r"""(?:src|href)=["'](\w+:)""", without_scripts(charts))
    assert {source for source in sources if source != "data:"} == set()


@pytest.mark.skipif(
    BROWSER is None and os.environ.get("CI") != "true",
    reason="no Chromium here: install Debian's chromium to look at the page",
)
def test_a_browser_draws_every_chart(charts, tmp_path):
    (tmp_path / "page.html").write_text(charts)
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", *quiet]

    seen = subprocess.run(
        [
            *command,
            f"--user-data-dir={tmp_path / 'profile'}",
            "--virtual-time-budget=8000",
            "--dump-dom",
            (tmp_path / "page.html").as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout

    assert len(re.findall(r'<figure[^>]*class="chart"[^>]*role="img"', seen)) == 2
    assert seen.count('class="barlayer') == 2


@pytest.mark.parametrize(
    ("layout", "metadata", "alt"),
    [
        ({"meta": {"alt": "said"}, "title": {"text": "Title"}}, {}, "said"),
        ({"title": {"text": "Title"}}, {}, "Title"),
        ({"title": "Title"}, {}, "Title"),
        ({"meta": "free text"}, {}, "chart"),
        ({"meta": {"alt": "said"}}, {"alt": "a < b"}, "a &lt; b"),
    ],
)
def test_every_chart_says_in_words_what_it_shows(layout, metadata, alt):
    output = shown({pages.PLOTLY: figure(**layout)}, **metadata)

    assert f'aria-label="{alt}"' in pages._chart(output, is_first=False)


def test_live_widgets_are_left_out_and_their_static_twin_stays():
    live = shown({"application/vnd.jupyter.widget-view+json": {"model_id": "1"}})
    twin = shown({"text/plain": "the static twin"})

    text = page(cell(live, twin))

    assert "widget-view" not in text
    assert "the static twin" in text


def test_pictures_have_alt_text():
    text = page(
        cell(shown({"image/svg+xml": "<svg/>"}, alt="a line")),
        cell(shown({"image/png": "AAAA"}, alt="a dot")),
    )

    assert 'alt="a line"' in text
    assert 'alt="a dot"' in text


def test_errors_and_messages_are_folded_and_the_reason_stands_on_top():
    error = new_output("error", ename="NoQuote", evalue="stale", traceback=["line 1", "line 2"])
    message = new_output("stream", name="stderr", text="careful")

    text = page(
        cell(message, error), status=Status.FAILED, exit_code=3, reason="NoQuote: stale"
    )

    assert text.count('<details class="note') == 2
    assert text.index("NoQuote: stale</p>") < text.index("<h1")
    assert '<div class="run failed">' in text


def test_a_page_ends_where_the_run_ended_and_says_so():
    error = new_output("error", ename="NotAllowed", evalue="no", traceback=["no"])
    cells = cell(error), new_markdown_cell("## The answer"), cell()
    failed = {"status": Status.FAILED, "failing_cell": {"index": 1, "first_line": "x"}}

    text = page(*cells, **failed)

    assert "The answer" not in text
    assert "The run ended here: 2 cells after this one were not run." in text
    assert "The run ended here" not in page(*cells[:1], **failed)
    assert "The answer" in page(*cells)


def test_the_notebook_itself_is_not_changed():
    drawn = new_notebook(cells=[cell(shown({pages.PLOTLY: figure()}))])

    pages.page(drawn, run())

    assert pages.PLOTLY in drawn.cells[0].outputs[0].data


def test_a_check_is_written_whole_and_takes_the_place_of_the_last(tmp_path):
    quality = Quality("SPY", (DayQuality(MONDAY, 20, {}, 1.0),), (MONDAY,))
    now = datetime(2026, 11, 21, 17, 20, tzinfo=UTC)
    pages.write_check(Checked("chains", (), ("a file is damaged",)), tmp_path, now)

    written = pages.write_check(Checked("chains", (SymbolCheck(quality),)), tmp_path, now)

    assert written == tmp_path / "data-check" / "index.html"
    assert sorted(each.name for each in written.parent.iterdir()) == ["days.csv", "index.html"]
    text = written.read_text(encoding="utf-8")
    assert "no grave fault on any of 1 day." in text and "damaged" not in text
    assert (
        (written.parent / "days.csv").read_text().splitlines()[1].startswith("SPY,2021-01-04")
    )
    assert pages.write_index(tmp_path).is_file()  # a check is no run
