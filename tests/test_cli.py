"""The command line: one clear line for a mistake, an exit code for every end."""

import logging
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from decimal import Decimal as D
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from dollarbill_core import __version__
from dollarbill_core.desk.ledger import Ledger
from dollarbill_core.desk.rehearsal import Rehearsal, rehearse
from dollarbill_core.desk.reports import SessionStatus
from dollarbill_core.publishing.cards import session_card
from dollarbill_core.rules.breaker import Breaker, BreakerState
from dollarbill_core.runs import cli
from dollarbill_core.storage.settings import SettingsError
from tests.market_builder import HOUSE, three_symbols, weekly_strangles


@pytest.fixture
def desk(tmp_path: Path, monkeypatch) -> Path:
    """A folder with a home, a reports folder and two notebooks."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "dollarbill.toml").write_text('notebooks = "notebooks"')
    monkeypatch.setenv("DOLLARBILL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DOLLARBILL_REPORTS", str(tmp_path / "reports"))
    notebook(tmp_path, "02_good", "x = 1")
    notebook(tmp_path, "03_bad", "1 / 0")
    return tmp_path


def notebook(desk: Path, name: str, source: str) -> None:
    folder = desk / "home" / "notebooks"
    folder.mkdir(exist_ok=True)
    tagged = new_code_cell("quantity: int = 1  # contracts", metadata={"tags": ["parameters"]})
    cells = [new_markdown_cell("# Well?"), tagged, new_code_cell(source)]
    nbformat.write(new_notebook(cells=cells), folder / f"{name}.ipynb")


def ends(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        cli.main(list(arguments))
    return caught.value.code or 0


def test_a_good_run_says_where_its_page_is_and_is_listed(desk, capsys):
    assert ends("run", "02", "-p", "quantity=3") == 0

    told = capsys.readouterr()
    assert "02_good.ipynb OK in" in told.out
    assert Path(told.out.strip().split(": ")[-1]).is_file()
    assert "[02_good] cell 3/4  # Parameters" in told.err
    assert ends("runs") == 0
    assert "OK" in capsys.readouterr().out


def test_a_failed_run_is_one_line_on_stderr_and_exit_1(desk, capsys):
    assert ends("run", str(desk / "home" / "notebooks" / "03_bad.ipynb")) == 1

    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith(
        "dollarbill: 03_bad.ipynb FAILED: ZeroDivisionError: division by zero;"
    )


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            ["02", "-p", "quantty=3"],
            "quantty is not a parameter of this notebook; did you mean",
        ),
        (["02", "-p", "quantity=0"], "quantity = 0 must be at least 1"),
        (["02", "-p", "quantity"], "-p quantity is not name=value"),
        (["07"], "07 is no notebook; choose from 02_good, 03_bad"),
        (["0"], "0 begins several notebooks; choose from 02_good, 03_bad"),
        (["02", "--deadline", "0"], "deadline_minutes = 0 is outside 0 to 1440"),
    ],
)
def test_bad_input_is_one_line_exit_2_and_nothing_written(desk, capsys, arguments, complaint):
    assert ends("run", *arguments) == 2

    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(f"dollarbill: {complaint}")
    assert not (desk / "reports").exists()


def test_a_run_that_a_scheduler_stops_says_so(desk):
    begun = desk / "begun"
    notebook(desk, "04_long", f"import time; open({str(begun)!r}, 'w'); time.sleep(300)")
    command = [sys.executable, "-m", "dollarbill_core.runs.cli", "run", "04"]

    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        end = time.monotonic() + 30
        while not begun.exists():
            assert time.monotonic() < end, process.poll()
            time.sleep(0.05)
        process.terminate()
        told = process.stderr.read().strip().splitlines()[-1]

    assert process.returncode == 130
    assert told.startswith(
        "dollarbill: 04_long.ipynb STOPPED: stopped by hand in cell 2: import"
    )


def test_a_wrong_settings_file_is_one_line_and_exit_2(desk, capsys):
    (desk / "home" / "dollarbill.toml").write_text("reprots = 1")

    assert ends("doctor") == 2

    assert "did you mean 'reports'?" in capsys.readouterr().err


def test_what_nobody_expected_is_one_line_and_its_traceback_is_in_the_log(
    desk, capsys, monkeypatch
):
    def broken():
        raise RuntimeError("a bug")

    monkeypatch.setattr(cli, "_settings", broken)

    assert ends("runs") == 1

    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("dollarbill: RuntimeError: a bug (details in ")
    assert "Traceback" in (desk / "home" / "logs" / "dollarbill.log").read_text()


def test_a_command_that_is_stopped_says_so_and_so_does_the_log(desk, capsys, monkeypatch):
    def stopped():
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_settings", stopped)

    assert ends("runs") == 130

    assert capsys.readouterr().err == "dollarbill: stopped before it was done\n"
    log = (desk / "home" / "logs" / "dollarbill.log").read_text()
    assert "WARNING stopped before it was done" in log


def test_a_log_that_cannot_be_written_is_told_on_the_same_line(desk, capsys, monkeypatch):
    (desk / "file").write_text("no folder")
    monkeypatch.setenv("DOLLARBILL_HOME", str(desk / "file" / "home"))

    def broken():
        raise RuntimeError("a bug\nin two lines")

    monkeypatch.setattr(cli, "_settings", broken)

    assert ends("runs") == 1

    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("dollarbill: RuntimeError: a bug in two lines (details lost: ")


def test_what_modules_tell_is_logged_and_a_warning_is_one_line_without_traceback(
    desk, capsys, monkeypatch
):
    def telling():
        log = logging.getLogger("dollarbill_core.sources.collector")
        log.info("for the log")
        log.error("%s failed", "SPY", exc_info=ZeroDivisionError("by zero"))
        raise SettingsError("a mistake")

    monkeypatch.setattr(cli, "_settings", telling)

    assert ends("runs") == 2

    warning, mistake = capsys.readouterr().err.splitlines()
    assert warning.startswith("dollarbill: SPY failed (details in ")
    assert mistake == "dollarbill: a mistake"
    log = (desk / "home" / "logs" / "dollarbill.log").read_text()
    assert "INFO for the log" in log and "ZeroDivisionError: by zero" in log
    assert logging.getLogger("dollarbill_core").handlers == []


@pytest.mark.parametrize("words", [[], ["run"], ["data"], ["data", "import"]])
def test_help_has_a_short_name_everywhere(words, capsys):
    assert ends(*words, "-h") == 0
    assert "Show this message and exit." in capsys.readouterr().out


def test_whoever_stops_reading_gets_no_traceback(desk):
    command = [sys.executable, "-m", "dollarbill_core.runs.cli", "data", "import"]

    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        process.stdout.close()
        told = process.stderr.read()

    assert told == "" and process.returncode == 1


def test_the_doctor_prints_its_table_and_no_secret(desk, capsys, monkeypatch):
    monkeypatch.setenv("ALPACA_API_KEY", "do-not-show-me")
    monkeypatch.delenv("ALPACA_SECRET_KEY", raising=False)

    assert ends("doctor") == 1

    told = capsys.readouterr().out
    assert "✓ sample prices" in told
    assert "✗ broker keys" in told
    assert "fix: export ALPACA_SECRET_KEY" in told
    assert "do-not-show-me" not in told


def test_a_terminal_gets_a_bar(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)

    with cli._progress("02_good") as watch:
        watch(2, 4, "x = 1")

    assert "1/4" in capsys.readouterr().err


def test_help_is_quick_because_nothing_heavy_is_imported():
    heavy = {"pandas", "numpy", "papermill", "nbformat", "plotly", "sqlalchemy"}
    heavy |= {"pyarrow", "duckdb", "requests", "redis", "yfinance", "alpaca", "tqdm"}
    code = f"import sys, dollarbill_core.runs.cli; print({heavy} & set(sys.modules))"

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert found.stdout.strip() == "set()"


def test_the_version_is_told(capsys):
    assert ends("--version") == 0
    assert capsys.readouterr().out.strip() == __version__


# A person's word on a tripped breaker.

CHAINS = three_symbols()
TRIPS_ON, OPENS_ON, TRIPS_AGAIN_ON = 4, 5, 10  # places among the sessions: Friday, two Mondays
WORD = ("--by", "J. Doe", "--why", "smaller <sizes> agreed")


def rehearsed(path: Path, last: int) -> Rehearsal:
    """The sessions up to a place, on a kept ledger whose breaker trips easily."""
    return rehearse(
        CHAINS,
        CHAINS.sessions[: last + 1],
        weekly_strangles(),
        HOUSE,
        D(200_000),
        ledger_path=path,
        breaker=Breaker(halt_at=D("0.004")),
    )


@pytest.fixture
def halted(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.sqlite"
    done = rehearsed(path, TRIPS_ON)
    assert done.reports[-1].breaker is BreakerState.HALT
    done.ledger.close()
    return path


def written(folder: Path) -> dict[str, bytes]:
    """Every file but the lock, which holds nothing."""
    files = sorted(folder.rglob("*"))
    return {f.name: f.read_bytes() for f in files if f.is_file() and f.suffix != ".lock"}


def test_a_person_resets_the_breaker_and_the_next_session_opens_again(halted, capsys):
    assert ends("reset", str(halted), *WORD) == 0

    told = capsys.readouterr().out
    done = rehearsed(halted, OPENS_ON)

    assert "J. Doe" in told
    assert str(halted) in told
    assert [report.breaker for report in done.reports[-2:]] == ["halt", "normal"]
    assert len(done.reports[-1].sent) == 3
    said = next(f for f in session_card(done.reports[-1]).figures if f.key == "breaker").note
    assert said.startswith("reset by J. Doe on 20")
    assert said.endswith(": smaller <sizes> agreed")
    assert not done.result.reconciliation().breaks


def test_without_a_word_the_next_session_opens_nothing(halted):
    done = rehearsed(halted, OPENS_ON)

    assert done.reports[-1].breaker is BreakerState.HALT
    assert done.reports[-1].sent == ()


def test_a_word_is_taken_once(halted):
    ends("reset", str(halted), *WORD)
    rehearsed(halted, OPENS_ON)

    again = rehearsed(halted, OPENS_ON)
    later = rehearsed(halted, TRIPS_AGAIN_ON + 2)

    assert {report.status for report in again.reports} == {SessionStatus.ALREADY_DONE}
    states = [report.breaker for report in later.reports[TRIPS_AGAIN_ON - 1 :]]
    assert states == ["normal", "halt", "halt", "halt"]
    (reset,) = later.ledger.last_decision().breaker.resets
    assert (reset.by, reset.why) == ("J. Doe", "smaller <sizes> agreed")


def test_the_decision_that_tripped_stands_as_it_was(halted):
    before = Ledger.open(halted).last_decision()

    ends("reset", str(halted), *WORD)

    after = Ledger.open(halted).last_decision()
    assert after.breaker == before.breaker
    assert (before.reset, after.reset.by) == (None, "J. Doe")


def test_a_second_word_before_the_next_session_is_refused(halted, capsys):
    ends("reset", str(halted), *WORD)
    before = written(halted.parent)

    assert ends("reset", str(halted), "--by", "A. Roe", "--why", "me too") == 2

    assert "a reset by J. Doe is waiting already" in capsys.readouterr().err
    assert written(halted.parent) == before


@pytest.mark.parametrize(
    ("by", "why", "complaint"),
    [
        ("", "sizes", "--by is empty or not one line of text: say who resets the breaker"),
        ("J. Doe", "  ", "--why is empty or not one line of text: say why it may be reset"),
        (
            "J. Doe",
            "two\nlines",
            "--why is empty or not one line of text: say why it may be reset",
        ),
        ("J. Doe\udcff", "sizes", "--by is empty or not one line of text"),
    ],
)
def test_a_word_without_a_name_or_reason_is_refused(halted, capsys, by, why, complaint):
    before = written(halted.parent)

    assert ends("reset", str(halted), "--by", by, "--why", why) == 2

    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(f"dollarbill: {complaint}")
    assert written(halted.parent) == before


def test_a_breaker_that_has_not_tripped_is_not_reset(tmp_path, capsys):
    path = tmp_path / "ledger.sqlite"
    rehearsed(path, 0).ledger.close()
    before = written(tmp_path)

    assert ends("reset", str(path), *WORD) == 2

    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("dollarbill: the circuit breaker has not tripped")
    assert written(tmp_path) == before


def test_a_ledger_that_a_session_holds_is_not_reset(halted, capsys):
    with Ledger.open(halted) as other, other.locked():
        assert ends("reset", str(halted), *WORD) == 2

    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("dollarbill: another session is writing to")
    assert Ledger.open(halted).last_decision().reset is None


def recipes(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE recipes (name TEXT)")


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda path: None, "no ledger at"),
        (Path.mkdir, "no ledger at"),
        (Path.touch, "no ledger at"),
        (lambda path: path.write_text("dear diary, " * 1000), "is no readable ledger"),
        (recipes, "holds something else"),
    ],
    ids=["missing", "folder", "empty", "diary", "recipes"],
)
def test_what_is_no_ledger_is_left_alone(tmp_path, capsys, make, complaint):
    path = tmp_path / "there" / "l.sqlite"
    path.parent.mkdir()
    make(path)
    before = written(tmp_path)

    assert ends("reset", str(path), *WORD) == 2

    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("dollarbill: ")
    assert complaint in line
    assert written(tmp_path) == before
