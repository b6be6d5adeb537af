"""The main sequence from the command line, with other than default parameters, in a browser."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from dollarbill_core.desk.ledger import Ledger
from dollarbill_core.storage.store import Store
from tests.store_builder import imported

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("DOLLARBILL_TEST_DATA", ROOT / "../shared/data")) / "spy_2021"
BROWSER = shutil.which("chromium")
ANSWER = {"period", "net-profit", "worst-month", "peak-margin", "label", "status"}
QUIET = (
    "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-default-apps --disable-extensions"
).split()
# Where each figure of the answer ends, in pixels from the top of the page, and its words.
PROBE = """<script>addEventListener("load", () => {
const told = {};
for (const each of document.querySelectorAll("[data-figure]"))
  told[each.dataset.figure] = [each.getBoundingClientRect().bottom, each.textContent];
document.documentElement.dataset.told = JSON.stringify(told);
});</script>"""

needs_browser = pytest.mark.skipif(
    BROWSER is None and os.environ.get("CI") != "true",
    reason="no Chromium here: install Debian's chromium to look at the pages",
)
needs_quotes = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"no real quotes in {DATA}: set DOLLARBILL_TEST_DATA"
)


def dollarbill(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command as a user types it, with a state of its own."""
    own = {
        "DOLLARBILL_HOME": str(folder / "home"),
        "DOLLARBILL_REPORTS": str(folder / "reports"),
    }
    return subprocess.run(
        [sys.executable, "-m", "dollarbill_core.runs.cli", *words],
        cwd=ROOT,
        env=os.environ | own,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )


def ran(folder: Path, notebook: str, **parameters: object) -> Path:
    """The folder of a run that went well."""
    given = [word for name, value in parameters.items() for word in ("-p", f"{name}={value}")]
    done = dollarbill(folder, "run", notebook, *given)
    assert done.returncode == 0, done.stderr
    return newest(folder, notebook)


def newest(folder: Path, notebook: str) -> Path:
    runs = (folder / "reports").glob(f"*/{notebook}_*")
    return max(runs, key=lambda path: path.stat().st_mtime)


def page(run: Path) -> Path:
    return next(run.glob("0*.html"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("sequence")


@pytest.fixture(scope="module")
def sequence(folder) -> dict[str, Path]:
    """Notebooks 00 to 04 on other symbols, dates and strategies than their own."""
    paper = {"symbols": "SPX,KO", "start": "2016-05-02", "delta": 0.25, "target_dte": 20}
    return {
        "00": ran(folder, "00", symbol="KO"),
        "01": ran(folder, "01", symbol="JPM", as_of="2012-03-01", put_delta=0.25, quantity=3),
        "02": ran(
            folder, "02", symbols="SPX,XOM", start="2011-06-01", end="2012-05-31", exit_dte=0,
            profit_target=1, put_delta=0.3,
        ),
        "03": ran(folder, "03", session_date="2016-06-20", **paper),
        "04": ran(folder, "04", month="2016-06", **paper),
    }  # fmt: skip


def told(run: Path) -> dict:
    return json.loads((run / "run.json").read_text())


@pytest.mark.parametrize(
    ("notebook", "label"),
    [
        ("01", "DESIGN · MODELLED · NO DIVIDENDS · SURVIVORS"),
        ("02", "BACKTEST · MODELLED · NO DIVIDENDS · SURVIVORS"),
        ("03", "PAPER (REHEARSED) · MODELLED · NO DIVIDENDS · SURVIVORS"),
        ("04", "PAPER (REHEARSED) · MODELLED · NO DIVIDENDS · SURVIVORS"),
    ],
)
def test_every_run_says_what_it_is(sequence, notebook, label):
    record = told(sequence[notebook])

    assert (record["status"], record["exit_code"]) == ("OK", 0)
    assert record["label"] if "label" in record else record["results"]["label"] == label
    assert label in page(sequence[notebook]).read_text()
    assert re.fullmatch(r"[0-9a-f]{12}", record["data_hash"])


def test_other_parameters_give_other_answers(sequence):
    record = told(sequence["02"])

    assert record["parameters"]["put_delta"] == 0.3
    assert "30% put" in page(sequence["02"]).read_text()


def test_the_index_lists_every_run(folder, sequence):
    index = (folder / "reports" / "index.html").read_text()

    for run in sequence.values():
        assert str(run.relative_to(folder / "reports")) in index
    assert "statement-2016-06.html" in index


def test_the_paper_session_and_the_statement_are_of_one_ledger(sequence):
    session, statement = told(sequence["03"]), told(sequence["04"])

    assert session["data_hash"] != statement["data_hash"]  # the month goes on after the session
    assert statement["results"]["month"] == "2016-06"


def browsed(run_page: Path, profile: Path, *flags: str) -> str:
    """The DOM once the page has drawn itself."""
    return subprocess.run(
        [
            *(BROWSER, *QUIET, f"--user-data-dir={profile}", *flags),
            "--virtual-time-budget=15000",
            "--dump-dom",
            run_page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    ).stdout


def charts_in(run: Path) -> int:
    cells = json.loads(next(run.glob("0*.ipynb")).read_text())["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return sum("application/vnd.plotly.v1+json" in output.get("data", {}) for output in outputs)


BROWSERS_OWN = re.compile(r"(^|\.)(google|googleapis|gvt1|gstatic)\.com$")  # asked at start


@contextmanager
def recording_proxy() -> Iterator[tuple[str, set[str]]]:
    """A proxy on loopback that refuses everything, and the hosts that were asked through it."""
    hosts: set[str] = set()

    class Refusing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hosts.add(urlsplit(self.path).hostname or self.path.rsplit(":", 1)[0])
            self.send_error(403)

        do_POST = do_CONNECT = do_GET

        def log_message(self, *words: object) -> None:
            """Nothing is logged."""

    server = HTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}", hosts
    finally:
        server.shutdown()
        server.server_close()


def asked(run_page: Path, profile: Path) -> tuple[str, set[str]]:
    """A page's DOM, and the hosts that it asked for something."""
    with recording_proxy() as (address, hosts):
        dom = browsed(run_page, profile, f"--proxy-server={address}")
    return dom, {host for host in hosts if not BROWSERS_OWN.search(host)}


@needs_browser
def test_a_page_that_asks_for_something_is_noticed(tmp_path):
    (tmp_path / "page.html").write_text("<img src='http://elsewhere.example/a.png'>")

    assert asked(tmp_path / "page.html", tmp_path / "profile")[1] == {"elsewhere.example"}


@needs_browser
@pytest.mark.parametrize("notebook", ["00", "01", "02", "03", "04"])
def test_every_chart_is_drawn_and_no_request_leaves_the_page(sequence, notebook, tmp_path):
    dom, hosts = asked(page(sequence[notebook]), tmp_path / "profile")

    charts = re.findall(r'<figure[^>]*class="chart".*?</figure>', dom, re.DOTALL)
    assert hosts == set()
    assert len(charts) == charts_in(sequence[notebook])
    assert all('class="main-svg"' in chart and "layer" in chart for chart in charts)
    assert charts or notebook == "04"


@needs_browser
def test_the_statement_draws_itself_without_a_request(sequence, tmp_path):
    dom, hosts = asked(sequence["04"] / "statement-2016-06.html", tmp_path / "profile")

    assert hosts == set()
    assert len(re.findall(r'<svg[^>]*role="img"', dom)) == 2


@needs_browser
@pytest.mark.parametrize("notebook", ["02", "04"])
@pytest.mark.parametrize(("width", "height"), [(1280, 800)])
def test_the_first_screen_holds_the_answer(sequence, notebook, width, height, tmp_path):
    text = page(sequence[notebook]).read_text()
    probed = tmp_path / "page.html"
    probed.write_text(
        re.sub(r"<meta http-equiv[^>]*>", "", text).replace("</head>", PROBE + "</head>", 1)
    )

    dom = browsed(probed, tmp_path / "profile", f"--window-size={width},{height}")

    seen = json.loads(re.search(r'data-told="(.*?)"', dom)[1].replace("&quot;", '"'))
    assert set(seen) >= ANSWER | {"break-even"}
    assert max(seen[figure][0] for figure in ANSWER | {"break-even"}) <= height
    assert "MODELLED" in seen["label"][1]
    assert seen["status"][1] == "complete"
    assert "vol points" in seen["break-even"][1]


@needs_quotes
def test_real_quotes_say_so_on_every_page(folder, tmp_path):
    files = ("deltaneutral", DATA / "options.csv"), ("prices", DATA / "stock.csv")
    imported(Store.at(tmp_path / "chains"), *files)
    source = {"source": tmp_path / "chains", "symbols": "SPY"}

    backtest = ran(folder, "02", start="2021-01-04", end="2021-12-31", **source)
    report = ran(folder, "04", start="2021-04-01", month="2021-06", **source)

    assert told(backtest)["results"]["label"] == "BACKTEST · QUOTED"
    assert told(report)["results"]["label"] == "PAPER (REHEARSED) · QUOTED"
    pages = [page(backtest), page(report), report / "statement-2021-06.html"]
    for each in pages:
        assert "QUOTED" in each.read_text()
        assert "MODELLED" not in each.read_text()
    assert "17 crossed" in page(backtest).read_text()
    assert "Quality of quotes" in page(backtest).read_text()


class TestBadInput:
    """One clear line, exit code 2, nothing written."""

    @pytest.fixture
    def clean(self, tmp_path):
        return tmp_path

    @pytest.mark.parametrize(
        ("words", "line"),
        [
            (["02", "-p", "put_dleta=0.2"], "did you mean put_delta?"),
            (["02", "-p", "put_delta=16"], "16 is outside 0 to 0.5; did you mean 0.16?"),
            (["02", "-p", "start=2019-01-02"], "2019-01-02 is not before end = 2018-12-31"),
            (["02", "-p", "symbols=SPZ"], "the sample has no SPZ; did you mean SPX?"),
            (["02", "-p", "quantity=some"], "quantity = some is not a whole number"),
            (["02", "-p", "start=1980-01-02"], "can be modelled from 1999-"),
            (["04", "-p", "month=2018-13"], "month = 2018-13 is not a month"),
            (["02", "-p", "iv_percentile_min=1"], "iv_percentile_min = 1 must be less than 1"),
            (["02", "-p", "symbols="], "symbols names no underlying"),
            (["99"], "99"),
        ],
    )  # fmt: skip
    def test_is_told_in_one_line(self, clean, words, line):
        done = dollarbill(clean, "run", *words)

        assert done.returncode == 2
        said = [each for each in done.stderr.splitlines() if not each.startswith("[")]
        assert len(said) == 1
        assert line in said[0]
        assert not list((clean / "reports").glob("*/*"))

    def test_a_run_that_is_under_way_is_not_run_again(self, clean):
        own = {
            "DOLLARBILL_HOME": str(clean / "home"),
            "DOLLARBILL_REPORTS": str(clean / "reports"),
        }
        command = [sys.executable, "-m", "dollarbill_core.runs.cli", "run", "02"]
        with subprocess.Popen(
            command, cwd=ROOT, env=os.environ | own, stderr=subprocess.PIPE, text=True
        ) as first:
            while first.poll() is None and "cell 2/" not in first.stderr.readline():
                pass  # its first cells are under way
            second = dollarbill(clean, "run", "02")
            first.terminate()

        assert second.returncode == 2
        assert len(second.stderr.splitlines()) == 1
        assert "running" in second.stderr

    def test_a_ledger_of_a_newer_version_is_left_alone(self, clean):
        ledger = clean / "newer.sqlite"
        Ledger.open(ledger).close()
        with sqlite3.connect(ledger) as db:
            db.execute("UPDATE alembic_version SET version_num = '9999_of_the_future'")
        db.close()
        before = ledger.read_bytes()

        done = dollarbill(
            clean, "run", "03", "-p", f"ledger={ledger}", "-p", "start=2018-11-01"
        )

        assert done.returncode == 2
        assert "newer" in done.stderr.splitlines()[-1]
        assert ledger.read_bytes() == before
        assert not list((clean / "reports").glob("*/*"))
