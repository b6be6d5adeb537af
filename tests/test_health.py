"""The doctor finds what is wrong and says how to mend it."""

from importlib import metadata

import pytest

from dollarbill_core.runs import health
from dollarbill_core.storage.settings import load_settings


def missing(name: str) -> str:
    raise metadata.PackageNotFoundError(name)


def test_this_machine_is_well(tmp_path):
    settings = load_settings(
        {"DOLLARBILL_HOME": str(tmp_path / "home"), "DOLLARBILL_REPORTS": str(tmp_path / "r")}
    )

    rows = health.checks(settings, {})

    assert [(row.name, row.found) for row in rows if not row.ok] == []
    assert all(row.mark == "✓" and not row.fix for row in rows)
    assert not list((tmp_path / "home").iterdir())


@pytest.mark.parametrize(
    ("row", "found"),
    [
        pytest.param(health.python_version((3, 10, 1)), "3.10.1", id="old python"),
        pytest.param(health.packages(lambda name: "0.1"), "plotly 0.1 is not", id="versions"),
        pytest.param(health.packages(missing), "pandas is missing", id="missing package"),
        pytest.param(health.no_second_empyrical(lambda name: "0.5.5"), "0.5.5", id="empyrical"),
        pytest.param(
            health.broker_keys({"ALPACA_API_KEY": "secret-value"}),
            "ALPACA_API_KEY set, ALPACA_SECRET_KEY not set",
            id="half the keys",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_fix(row, found):
    assert not row.ok
    assert row.mark == "✗"
    assert found in row.found
    assert row.fix
    assert "secret-value" not in row.found + row.fix


def test_the_table_shows_marks_and_fixes_and_escapes_what_was_found():
    rows = [
        health.Check("home", False, "<home>", "make it"),
        health.Check("disk", True, "9 GB"),
    ]

    table = health.checks_html(rows)

    assert "1 of 2 checks are well" in table
    assert "<td>✗</td>" in table
    assert ">&lt;home&gt;</td>" in table
    assert ">make it</td>" in table


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")

    row = health.writable("home", tmp_path / "file" / "home")

    assert not row.ok
    assert "DOLLARBILL_HOME" in row.fix


def test_a_full_disk_is_named(tmp_path):
    row = health.disk(tmp_path / "not yet made", needed=1e9)

    assert not row.ok
    assert "GB free" in row.found


def test_both_keys_or_none_are_well():
    assert health.broker_keys({}).ok
    assert health.broker_keys({"ALPACA_API_KEY": "x", "ALPACA_SECRET_KEY": "y"}).ok


def test_missing_sample_prices_are_named(monkeypatch):
    monkeypatch.setattr(health, "_SAMPLE_FILES", (("arch", "none.csv"), ("no_such", "x.csv")))

    assert health.sample_prices().found == "missing arch/none.csv, no_such/x.csv"
