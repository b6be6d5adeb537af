"""What a finished run looks like: the notebook as one self-contained page, and their index."""

import fcntl
from copy import deepcopy
from datetime import datetime
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dollarbill_core.runs.child import MARKER
from dollarbill_core.runs.records import RunRecord, read_records, write_whole

if TYPE_CHECKING:  # a run's page needs no store
    from dollarbill_core.storage.checking import Checked

PLOTLY = "application/vnd.plotly.v1+json"
_WIDGETS = "application/vnd.jupyter.widget"
_TEMPLATES = Path(__file__).parent


def page(notebook: Any, run: RunRecord) -> str:
    """An executed notebook as one HTML page: charts alive, code folded, no request leaves."""
    from jinja2 import FileSystemLoader
    from nbconvert import HTMLExporter
    from pygments.formatters import HtmlFormatter

    exporter = HTMLExporter(
        extra_loaders=[FileSystemLoader(_TEMPLATES)],
        template_file="page.html.j2",
        exclude_input_prompt=True,
        exclude_output_prompt=True,
    )
    resources = {"run": run, "code_style": HtmlFormatter().get_style_defs(".highlight")}
    body, _ = exporter.from_notebook_node(_drawn(notebook, run), resources=resources)
    return str(body)


def _drawn(notebook: Any, run: RunRecord) -> Any:
    """A copy whose plotly figures are HTML; live widgets, which need a kernel, are gone."""
    drawn = deepcopy(notebook)
    drawn.metadata.pop("widgets", None)
    own = [cell for cell in drawn.cells if MARKER not in cell.metadata.get("tags", ())]
    drawn.cells = own if run.failing_cell is None else _reached(own, run.failing_cell["index"])
    figures = 0
    for cell in drawn.cells:
        outputs = [output for output in cell.get("outputs", ()) if not _is_widget(output)]
        for output in outputs:
            if PLOTLY in output.get("data", {}):
                output.data = {"text/html": _chart(output, is_first=figures == 0)}
                figures += 1
        if "outputs" in cell:
            cell.outputs = outputs
    return drawn


def _reached(cells: list[Any], last: int) -> list[Any]:
    """What was run, to the last cell: text about what never came would mislead."""
    from nbformat.v4 import new_markdown_cell

    count = len(cells) - last - 1
    if not count:
        return cells
    told = f"{count} cells after this one were" if count > 1 else "one cell after this one was"
    return [*cells[: last + 1], new_markdown_cell(f"The run ended here: {told} not run.")]


def _is_widget(output: Any) -> bool:
    return any(mime.startswith(_WIDGETS) for mime in output.get("data", {}))


def _chart(output: Any, *, is_first: bool) -> str:
    """One figure in a labelled frame; the first brings plotly's script for all of them."""
    import plotly.io

    figure = output.data[PLOTLY]
    drawing = plotly.io.to_html(
        figure,
        config={"displayModeBar": False, "responsive": True},
        include_plotlyjs=is_first,
        full_html=False,
        validate=False,
    )
    alt = escape(_alt_text(output, figure), quote=True)
    return f'<figure class="chart" role="img" aria-label="{alt}">{drawing}</figure>'


def _alt_text(output: Any, figure: Any) -> str:
    """What the figure shows, in words: output metadata, the figure's meta.alt, its title."""
    layout = figure.get("layout", {})
    told = output.metadata.get(PLOTLY, {}).get("alt") or output.metadata.get("alt")
    meta, title = layout.get("meta") or {}, layout.get("title") or {}
    in_meta = meta.get("alt") if isinstance(meta, dict) else None
    in_title = title.get("text") if isinstance(title, dict) else title
    return str(told or in_meta or in_title or "chart")


def write_check(checked: "Checked", reports: Path, now: datetime) -> Path:
    """Write the page of a data check, and its days as CSV; the page's path.

    Both stand in ``reports/data-check`` and take the place of those of the last check.
    """
    from dollarbill_core.publishing.quality_page import quality_csv, quality_html

    folder = reports / "data-check"
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "days.csv", quality_csv(checked))
    write_whole(folder / "index.html", quality_html(checked, now))
    return folder / "index.html"


def write_index(reports: Path) -> Path:
    """Write reports/index.html anew from every run's record; two at once take turns."""
    from jinja2 import Environment, FileSystemLoader

    shape = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True)
    index = reports / "index.html"
    with (reports / ".index.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        runs = read_records(reports)
        write_whole(index, shape.get_template("index.html.j2").render(runs=runs))
    return index
