"""The runner tells the truth about every run: done, failed, killed, late, locked or leaking."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from dollarbill_core.runs import child, records
from dollarbill_core.runs.notebooks import RunLocked, run_notebook
from dollarbill_core.runs.parameters import ParameterError
from dollarbill_core.runs.records import Status
from dollarbill_core.storage.settings import Settings, load_settings

PARAMETERS = """month: str = "2016-01"  # month of the session
put_delta: float = 0.16  # delta of the put sold"""
CHART = """import plotly.graph_objects as go
go.Figure(go.Bar(x=["a", "b"], y=[1, 2]), layout={"meta": {"alt": "b is twice a"}})"""


def notebook(folder: Path, *cells: str, name: str = "02_tiny") -> Path:
    path = folder / f"{name}.ipynb"
    tagged = new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    title = new_markdown_cell("# Tiny: does it run?")
    every = [title, tagged, *map(new_code_cell, cells)]
    kernel = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python"}}
    nbformat.write(new_notebook(cells=every, metadata=kernel), path)
    return path


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    folders = {"DOLLARBILL_HOME": tmp_path / "home", "DOLLARBILL_REPORTS": tmp_path / "reports"}
    return load_settings({name: str(path) for name, path in folders.items()})


def folder_of(run, settings: Settings) -> Path:
    return settings.reports / run.run


def written(run, settings: Settings) -> dict:
    return json.loads((folder_of(run, settings) / "run.json").read_text())


def test_a_good_run_leaves_notebook_page_record_and_index(tmp_path, settings):
    path = notebook(
        tmp_path,
        "from decimal import Decimal\n"
        "from dollarbill_core.runs.parameters import validated\n"
        "from dollarbill_core.runs.records import keep, record\n"
        "p = validated(globals())",
        "record(label='BACKTEST', data_hash='abc', net=Decimal('12.50'), delta=p.put_delta)\n"
        "keep('statement.html', '<p>net</p>')",
        CHART,
    )
    seen = []

    run = run_notebook(path, {"put_delta": "0.2"}, settings, lambda *cell: seen.append(cell))

    folder = folder_of(run, settings)
    told = written(run, settings)
    assert (run.status, run.exit_code, run.reason) == (Status.OK, 0, "")
    assert told["parameters"] == {"month": "2016-01", "put_delta": 0.2}
    assert told["results"]["net"] == "12.50"
    assert told["results"]["delta"] == 0.2
    assert told["data_hash"] == "abc"
    assert told["code"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert told["packages"]["papermill"]
    assert sorted(p.name for p in folder.iterdir()) == sorted(run.files)
    assert set(run.files) == {"02_tiny.ipynb", "02_tiny.html", "run.json", "statement.html"}
    assert 'aria-label="b is twice a"' in (folder / "02_tiny.html").read_text()
    index = (settings.reports / "index.html").read_text()
    assert "Tiny: does it run?" in index
    assert f"{run.run}/statement.html" in index
    assert [number for number, _, _ in seen] == list(range(1, 7))
    assert {total for _, total, _ in seen} == {6}


def test_a_failing_cell_is_named_with_its_reason(tmp_path, settings):
    path = notebook(tmp_path, "fine = 1", "# why\nraise ValueError('no such\\nthing')", "x = 1")

    run = run_notebook(path, {}, settings)

    assert (run.status, run.exit_code) == (Status.FAILED, 1)
    assert run.reason == "ValueError: no such"
    assert written(run, settings)["failing_cell"] == {"index": 3, "first_line": "# why"}
    assert "ValueError: no such" in (settings.reports / "index.html").read_text()


def test_a_second_run_of_the_day_stands_beside_the_first(tmp_path, settings):
    path = notebook(tmp_path)

    runs = [run_notebook(path, {}, settings) for _ in range(2)]

    assert [Path(run.run).name for run in runs] == ["02_tiny", "02_tiny-2"]
    assert [run.run for run in records.read_records(settings.reports)].count(runs[0].run) == 1


def test_a_known_exception_has_its_exit_class(tmp_path, settings):
    path = notebook(tmp_path, "class NoQuote(Exception): pass\nraise NoQuote('SPX is stale')")

    run = run_notebook(path, {}, settings)

    assert (run.exit_code, run.reason) == (3, "NoQuote: SPX is stale")


def test_a_chosen_end_is_recorded_as_nothing_done(tmp_path, settings):
    run = run_notebook(notebook(tmp_path, "import sys; sys.exit(0)", "x = 1"), {}, settings)

    assert (run.status, run.exit_code) == (Status.NOOP, 0)


def test_a_killed_kernel_is_not_called_completed(tmp_path, settings):
    path = notebook(
        tmp_path, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "x = 1"
    )

    run = run_notebook(path, {}, settings)

    assert (run.status, run.exit_code) == (Status.FAILED_KERNEL, 138)
    assert run.reason == "the kernel died in cell 2: import os, signal"
    executed = nbformat.read(folder_of(run, settings) / "02_tiny.ipynb", as_version=4)
    assert executed.metadata.papermill.status == "FAILED_KERNEL"
    assert executed.cells[3].metadata.papermill.status == "not completed"


def test_the_deadline_ends_the_whole_run_and_every_process_of_it(tmp_path, settings):
    pids = tmp_path / "pids"
    path = notebook(
        tmp_path,
        "import os, signal, subprocess, time\n"
        "sleeper = subprocess.Popen(['sleep', '300'], start_new_session=True)\n"
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{sleeper.pid}}')\n"
        "time.sleep(300)",
    )
    run = run_notebook(path, {}, replace(settings, deadline_minutes=8 / 60))

    assert (run.status, run.exit_code) == (Status.FAILED_DEADLINE, 124)
    assert run.reason.startswith("stopped at the deadline of 0.133333 minutes in cell 2")
    assert run.seconds < 20
    assert not any(psutil.pid_exists(int(pid)) for pid in pids.read_text().split())


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"put_dleta": "0.2"}, "did you mean put_delta"),
        ({"put_delta": "16"}, "did you mean 0.16"),
        ({"month": "2016-1"}, "not a month"),
    ],
)
def test_bad_input_stops_before_anything_is_written(tmp_path, settings, given, complaint):
    with pytest.raises(ParameterError, match=complaint):
        run_notebook(notebook(tmp_path), given, settings)

    assert not settings.home.exists()
    assert not settings.reports.exists()


def test_bad_input_that_only_the_notebook_can_see_leaves_no_run(tmp_path, settings):
    cell = "from dollarbill_core.runs.parameters import ParameterError\n"
    path = notebook(tmp_path, cell + "raise ParameterError('month = 2016-01 has no prices')")

    with pytest.raises(ParameterError, match=r"^month = 2016-01 has no prices$"):
        run_notebook(path, {}, settings)

    assert not list(settings.reports.rglob("*.*"))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(None, "cannot be read"), ("{", "not a notebook"), ("{}", "not a notebook")],
)
def test_what_is_no_notebook_is_one_clear_line(tmp_path, settings, content, complaint):
    path = tmp_path / "02_tiny.ipynb"
    if content is not None:
        path.write_text(content)

    with pytest.raises(ParameterError, match=complaint):
        run_notebook(path, {}, settings)


def test_a_notebook_needs_a_parameters_cell(tmp_path, settings):
    nbformat.write(new_notebook(cells=[new_markdown_cell("# X?")]), tmp_path / "x.ipynb")

    with pytest.raises(ParameterError, match="no cell tagged 'parameters'"):
        run_notebook(tmp_path / "x.ipynb", {}, settings)


def test_the_same_session_cannot_be_run_twice_at_once(tmp_path, settings):
    path = notebook(tmp_path)
    run_notebook(path, {}, settings)
    before = sorted(settings.reports.rglob("*"))
    (lock,) = (settings.home / "locks").iterdir()

    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(RunLocked, match="02_tiny is already running for month = 2016-01"):
            run_notebook(path, {"put_delta": "0.2"}, settings)
        other = run_notebook(path, {"month": "2016-02"}, settings)

    assert other.exit_code == 0
    assert set(before) <= set(settings.reports.rglob("*"))
    assert run_notebook(path, {}, settings).exit_code == 0


def test_runs_that_start_at_once_do_not_meet(tmp_path, settings, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = "import json, ipykernel\nfrom dollarbill_core.runs.records import record\n"
    read = "record(socket=json.load(open(ipykernel.get_connection_file()))['ip'])"
    paths = [notebook(tmp_path, place + read, name=f"02_tiny_{i}") for i in range(4)]

    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(lambda path: run_notebook(path, {}, settings), paths))

    assert [run.status for run in done] == [Status.OK] * 4
    sockets = {run.results["socket"] for run in done}
    assert len(sockets) == 4
    assert not list(tmp_path.glob("kernel-ipc*"))


def test_a_secret_in_any_file_fails_the_run_and_removes_them_all(
    tmp_path, settings, monkeypatch
):
    monkeypatch.setenv("ALPACA_SECRET_KEY", 'hunter2"<secret>')
    path = notebook(tmp_path, "import os\nprint(os.environ['ALPACA_SECRET_KEY'])")

    run = run_notebook(path, {}, settings)

    folder = folder_of(run, settings)
    assert (run.status, run.exit_code) == (Status.FAILED, 7)
    assert run.reason.startswith("the value of ALPACA_SECRET_KEY stood in 02_tiny")
    assert [p.name for p in folder.iterdir()] == ["run.json"]
    assert "hunter2" not in (folder / "run.json").read_text()
    assert "hunter2" not in (settings.reports / "index.html").read_text()


def test_a_run_whose_runner_was_killed_is_found_and_said_to_be_lost(tmp_path, settings):
    begun = tmp_path / "begun"
    path = notebook(tmp_path, f"import time\nopen({str(begun)!r}, 'w')\ntime.sleep(300)")
    code = (
        "import sys; from pathlib import Path\n"
        "from dollarbill_core.runs.notebooks import run_notebook\n"
        "from dollarbill_core.storage.settings import load_settings\n"
        "run_notebook(Path(sys.argv[1]), {}, load_settings())"
    )
    folders = {
        "DOLLARBILL_HOME": str(settings.home),
        "DOLLARBILL_REPORTS": str(settings.reports),
    }
    runner = subprocess.Popen([sys.executable, "-c", code, str(path)], env=os.environ | folders)
    wait_until(begun.exists)

    runner.send_signal(signal.SIGKILL)
    runner.wait()
    notebook(tmp_path)
    wait_until(lambda: not still_locked(settings))
    run = run_notebook(path, {}, settings)

    newest, lost = records.read_records(settings.reports)
    assert newest.run == run.run
    assert (lost.status, lost.exit_code) == (Status.LOST, 137)
    assert not list(settings.reports.rglob("*.partial"))


def still_locked(settings: Settings) -> bool:
    (lock,) = (settings.home / "locks").iterdir()
    with lock.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def wait_until(happened, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def test_plain_papermill_runs_the_same_notebook(tmp_path):
    path = notebook(
        tmp_path,
        "from dollarbill_core.runs.parameters import validated\np = validated(globals())",
    )
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", str(path)]

    good = subprocess.run([*command, str(tmp_path / "good.ipynb"), "-p", "put_delta", "0.3"])
    bad = subprocess.run(
        [*command, str(tmp_path / "bad.ipynb"), "-p", "put_dleta", "0.3"],
        capture_output=True,
        text=True,
    )

    assert good.returncode == 0
    assert bad.returncode == 1
    assert (
        "put_dleta is not a parameter of this notebook; did you mean put_delta?" in bad.stderr
    )


@pytest.mark.parametrize(
    ("text", "status", "code"),
    [("", Status.NOOP, 0), ("3", Status.FAILED, 3), ("9", Status.FAILED, 1)],
)
def test_a_chosen_exit_code_is_kept_if_it_is_documented(text, status, code):
    outcome = child._error("SystemExit", text, {})

    assert (outcome.status, outcome.exit_code) == (status, code)


def test_a_child_that_says_nothing_is_a_kernel_that_did_not_start(tmp_path):
    outcome = child._outcome(tmp_path, {"event": "gone"}, 60, "no such kernel")

    assert outcome.status is Status.FAILED
    assert outcome.reason == "the kernel did not start: no such kernel"
