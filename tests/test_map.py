"""The README's map of the code is complete, truthful and in reading order."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "dollarbill_core"
HEADER = "| folder | module | purpose |"
LINE = "| *the outside world begins here* | | |"
CHAPTERS = """values pricing market rules strategies results
    storage formats sources desk publishing runs""".split()
CORE = CHAPTERS[:6]
# What the core may not touch: files, network, clock, environment, and what talks to them.
OUTSIDE_WORLD = set(
    """os pathlib io shutil tempfile glob sqlite3 subprocess socket ssl http urllib requests
    httpx time logging threading multiprocessing random secrets sqlalchemy alembic alpaca
    yfinance papermill nbformat nbconvert plotly matplotlib ipywidgets IPython tqdm""".split()
)
# The one exception: it keeps the kernels' machine code in files, as Python keeps bytecode.
CACHE = "pricing.machine_code"
OUTSIDE_CALLS = {
    "open",
    "print",
    "input",
    "now",
    "today",
    "utcnow",
    "getenv",
    "read_csv",
    "urlopen",
}


def table() -> list[str]:
    """The lines of the map below its header, up to the first line that is no row."""
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    rows = []
    for line in lines[lines.index(HEADER) + 2 :]:
        if not line.startswith("|"):
            break
        rows.append(line)
    return rows


TABLE = table()
ROWS = [
    found.groups()
    for line in TABLE
    if (found := re.fullmatch(r"\| `?(\w+)`? \| `?(\w+)`? \| (.+?) \|", line))
]
MAP = {f"{folder}.{module}": purpose for folder, module, purpose in ROWS}
ORDER = list(MAP)
ABOVE = [name for name in ORDER if name.split(".")[0] in CORE]


def source(module: str) -> ast.Module:
    file = PACKAGE / f"{module.replace('.', '/')}.py"
    return ast.parse(file.read_text(encoding="utf-8"))


def imports(module: str) -> set[str]:
    """Every dotted name the module imports, e.g. ``dollarbill_core.values.book.Fill``."""
    found = set()
    for node in ast.walk(source(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}: imports say where they come from, in full"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def ours(module: str) -> set[str]:
    """The modules of this package that a module imports, as the map names them."""
    dotted = [name.split(".")[1:3] for name in imports(module) if _is_ours(name)]
    return {".".join(parts) for parts in dotted if len(parts) == 2}


def _is_ours(name: str) -> bool:
    return name.startswith("dollarbill_core.") and name != "dollarbill_core.__version__"


def modules() -> set[str]:
    files = PACKAGE.glob("*/*.py")
    return {f"{file.parent.name}.{file.stem}" for file in files if file.stem != "__init__"}


def loaded(statement: str, suspects: set[str]) -> set[str]:
    """Which of the suspects a fresh Python has loaded after one statement."""
    code = f"import sys\n{statement}\nprint(*({suspects} & set(sys.modules)))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    return set(told.stdout.split())


def test_every_module_is_on_the_map_once():
    assert sorted(ORDER) == sorted(modules())
    assert len(ROWS) == len(MAP)


def test_the_chapters_are_in_reading_order():
    assert list(dict.fromkeys(folder for folder, _, _ in ROWS)) == CHAPTERS


def test_the_line_divides_the_core_from_the_outside_world():
    above = TABLE[: TABLE.index(LINE)]
    assert len(above) == len(ABOVE)


@pytest.mark.parametrize("module", ORDER)
def test_purpose_is_the_modules_first_docstring_line(module):
    doc = ast.get_docstring(source(module))
    assert doc
    assert doc.splitlines()[0] == MAP[module]


@pytest.mark.parametrize("module", ORDER)
def test_imports_only_from_rows_above(module):
    assert ours(module) - set(ORDER[: ORDER.index(module)]) == set()


@pytest.mark.parametrize("module", [each for each in ABOVE if each != CACHE])
def test_the_core_touches_no_file_network_clock_or_environment(module):
    assert not {name.split(".")[0] for name in imports(module)} & OUTSIDE_WORLD
    for node in ast.walk(source(module)):
        if isinstance(node, ast.Call):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            assert called not in OUTSIDE_CALLS, f"{module}:{node.lineno} calls {called}"


@pytest.mark.parametrize("chapter", CORE)
def test_a_core_chapter_loads_nothing_of_the_outside_world(chapter):
    names = [f"dollarbill_core.{name}" for name in ABOVE if name.startswith(f"{chapter}.")]

    found = loaded(
        f"import {', '.join(names)}", {"sqlalchemy", "alpaca", "papermill", "plotly"}
    )

    assert names
    assert found == set()


def test_pricing_loads_no_pandas():
    names = [f"dollarbill_core.{name}" for name in ABOVE if name.startswith("pricing.")]

    assert (
        loaded(f"import {', '.join(names)}", {"pandas", "matplotlib", "vollib", "numba"})
        == set()
    )


@pytest.mark.parametrize("module", ORDER)
def test_a_module_fits_in_one_sitting(module):
    file = PACKAGE / f"{module.replace('.', '/')}.py"
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 400
