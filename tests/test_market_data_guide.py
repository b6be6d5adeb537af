"""The guide to market data: its tables are the code's, its commands parse, its block runs."""

import doctest
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dollarbill_core.formats.imports import import_files
from dollarbill_core.formats.registry import FORMATS
from dollarbill_core.market.faults import MEANING, Fault
from dollarbill_core.runs.cli import app
from dollarbill_core.storage.schema import QUOTES
from dollarbill_core.storage.store import Store
from tests.test_data_commands import OPTIONS

GUIDE = (Path(__file__).parents[1] / "docs" / "market_data.md").read_text("utf-8")
BLOCK = re.compile(r"```pycon\n(.*?)```", re.DOTALL)


def first_cells(begin: str) -> list[str]:
    """The first cell of each row of the table that follows a text."""
    after = GUIDE.split(begin, 1)[1]
    lines = after[after.index("\n|") :].strip().split("\n\n")[0].splitlines()[2:]
    return [line.split("|")[1].strip().replace("`", "") for line in lines]


def test_every_column_of_a_quote_is_explained():
    assert first_cells("<!-- columns of QUOTES") == QUOTES.schema.names


def test_every_fault_is_listed_with_its_meaning():
    table = GUIDE.split("<!-- faults")[1].split("|---|---|---|\n")[1]
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| (yes)? ?\|$", table, re.MULTILINE)

    assert {name: (means, bool(grave)) for name, means, grave in rows} == {
        fault.value: (MEANING[fault], fault.is_grave) for fault in Fault
    }


def test_every_format_is_listed():
    told = [name for cell in first_cells("### Formats") for name in cell.split(", ")]

    assert sorted(told) == sorted(FORMATS)


@pytest.mark.parametrize(
    "command", sorted(set(re.findall(r"dollarbill (data \w+|run \d\d)", GUIDE)))
)
def test_every_command_is_there(command):
    first, *rest = command.split()
    result = CliRunner().invoke(app, [first, *rest[: first == "data"], "--help"])

    assert result.exit_code == 0


def test_its_block_runs(tmp_path):
    (tmp_path / "options.csv").write_text(OPTIONS)
    store = Store.at(tmp_path / "data")
    import_files("deltaneutral", [tmp_path / "options.csv"], store)
    (block,) = BLOCK.findall(GUIDE)

    test = doctest.DocTestParser().get_doctest(block, {"store": store}, "guide", None, 0)
    results = doctest.DocTestRunner().run(test)

    assert results == (0, 1)
