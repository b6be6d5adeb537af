"""A run's record, what a notebook hands over, and the search for secrets."""

import ast
import json
from datetime import date
from decimal import Decimal
from enum import Enum
from pathlib import Path

import numpy as np
import pytest

from dollarbill_core.runs import records


class Colour(Enum):
    RED = "red"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(records.RUN_FOLDER, str(tmp_path))
    return tmp_path


def test_figures_of_record_add_up_and_are_taken_once(folder):
    records.record(net=Decimal("1.50"), day=date(2016, 1, 29))
    records.record(trades=np.int64(7), colour=Colour.RED)

    taken = records.take_results(folder)

    assert taken == {"net": "1.50", "day": "2016-01-29", "trades": 7, "colour": "red"}
    assert records.take_results(folder) == {}


def test_what_json_cannot_hold_is_refused_and_leaves_no_half_file(folder):
    with pytest.raises(TypeError, match="cannot hold a complex"):
        records.record(net=1j)

    assert not list(folder.iterdir())


def test_a_kept_file_stands_in_the_runs_folder(folder):
    assert records.keep("statement.html", "<p>") == folder / "statement.html"
    assert (folder / "statement.html").read_text() == "<p>"
    assert records.keep("book.parquet", b"\x00").read_bytes() == b"\x00"


@pytest.mark.parametrize("name", ["../up.html", "run.json", ".hidden", "a/b"])
def test_a_kept_file_has_a_plain_name(folder, name):
    with pytest.raises(ValueError, match="plain file name"):
        records.keep(name, "")


def test_outside_the_runner_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.delenv(records.RUN_FOLDER, raising=False)
    monkeypatch.chdir(tmp_path)

    records.record(net=1)

    assert records.keep("statement.html", "") is None
    assert records.run_folder() is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("variable", "value", "content", "found"),
    [
        pytest.param("API_KEY", "abcdefgh", "x abcdefgh y", True, id="as text"),
        pytest.param("api_token", 'a"bcdefgh', json.dumps('a"bcdefgh'), True, id="in JSON"),
        pytest.param("DB_PASSWORD", "a<bcdefgh", "a&lt;bcdefgh", True, id="in HTML"),
        pytest.param("API_KEY", "abc", "abc", False, id="too short to be a secret"),
        pytest.param("EDITOR", "abcdefgh", "abcdefgh", False, id="not a secret's name"),
    ],
)
def test_secrets_are_found_however_they_are_written(tmp_path, variable, value, content, found):
    (tmp_path / "page.html").write_text(content)

    leaks = list(records.leaks(tmp_path, {variable: value}))

    assert leaks == ([(variable, "page.html")] if found else [])


def test_exit_classes_are_the_documented_numbers():
    assert {each.name: each.value for each in records.Exit} == {
        "OK": 0,
        "FAILED": 1,
        "BAD_INPUT": 2,
        "STALE_DATA": 3,
        "BROKER": 4,
        "RISK_GATE": 5,
        "UNRECONCILED": 6,
        "REPORT_CHECK": 7,
        "DEADLINE": 124,
        "STOPPED": 130,
        "LOST": 137,
        "KERNEL_DIED": 138,
    }


def test_every_exception_with_an_exit_class_exists():
    package = Path(records.__file__).parents[1]
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in package.glob("*/*.py")]
    classes = {n.name for tree in trees for n in tree.body if isinstance(n, ast.ClassDef)}

    assert set(records.EXIT_OF) - classes == set()


def test_code_and_packages_are_named_with_their_versions(monkeypatch):
    monkeypatch.setenv("PATH", "")

    assert records.code_version()["commit"] == "unknown"
    assert set(records.package_versions()) >= {"papermill", "nbval", "empyrical-reloaded"}
