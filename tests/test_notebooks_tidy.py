"""Every notebook keeps the house shape, so diffs stay small and runs stay honest."""

import ast
from pathlib import Path

import nbformat
import pytest

from dollarbill_core.runs.parameters import check_values, declared

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
TAGS = {"parameters", "nbval-check-output", "keep_output"}
LONGEST_CELL = 15
MOST_PARAMETERS = 16  # one line each, and not a line of logic
STRIPPED = {"jupytext", "language_info", "papermill", "widgets"}


def tags(cell) -> set[str]:
    return set(cell.metadata.get("tags", []))


def syntax(cell) -> ast.Module:
    return ast.parse(cell.source)


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


@pytest.fixture
def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_the_main_sequence_is_there():
    assert [path.name[:2] for path in NOTEBOOKS][:5] == ["00", "01", "02", "03", "04"]


def test_opens_with_a_title_and_a_question(notebook):
    first = notebook.cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")
    assert "?" in first.source


def test_has_one_title(notebook):
    prose = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    titles = [line for text in prose for line in text.splitlines() if line.startswith("# ")]
    assert len(titles) == 1


def test_first_code_cell_holds_the_parameters(code):
    assert [i for i, cell in enumerate(code) if "parameters" in tags(cell)] == [0]


def test_parameters_are_typed_commented_and_pass_their_own_checks(code):
    known = declared(code[0].source)

    check_values({name: each.default for name, each in known.items()})
    assert not [name for name, each in known.items() if not each.comment]


def test_second_code_cell_checks_the_parameters(code):
    assert "validated(globals())" in code[1].source


def test_cells_are_short_and_define_nothing(code):
    for cell in code:
        longest = MOST_PARAMETERS if cell is code[0] else LONGEST_CELL
        assert len(cell.source.splitlines()) <= longest, cell.source
        found = {type(node).__name__ for node in ast.walk(syntax(cell))}  # a magic is no syntax
        assert not found & {"FunctionDef", "AsyncFunctionDef", "ClassDef"}, cell.source


def test_was_run_once_from_top_to_bottom(code):
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))


def test_only_checked_cells_keep_their_outputs(code):
    for cell in code:
        is_checked = "nbval-check-output" in tags(cell)
        assert tags(cell) <= TAGS
        assert bool(cell.outputs) == is_checked == ("keep_output" in tags(cell)), cell.source


def test_checked_outputs_are_small_plain_text(code):
    """nbval passes silently where nothing is stored, and a stored chart is never the same."""
    checked = [cell for cell in code if "nbval-check-output" in tags(cell)]

    assert checked
    for output in (output for cell in checked for output in cell.outputs):
        assert output.output_type in {"stream", "execute_result", "display_data"}
        assert set(output.get("data", {})) <= {"text/plain"}
        assert len(str(output)) < 4_000


def test_nothing_of_the_machine_that_ran_it_is_stored(notebook):
    assert not STRIPPED & set(notebook.metadata)
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in notebook.cells:
        assert not {"execution", "papermill"} & set(cell.metadata)
