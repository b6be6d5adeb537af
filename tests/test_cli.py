"""The command line: one clear line for a mistake, an exit code for every end."""

import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from dollarbill_core import __version__
from dollarbill_core.runs import cli


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
    code = f"import sys, dollarbill_core.runs.cli; print({heavy} & set(sys.modules))"

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert found.stdout.strip() == "set()"


def test_the_version_is_told(capsys):
    assert ends("--version") == 0
    assert capsys.readouterr().out.strip() == __version__
