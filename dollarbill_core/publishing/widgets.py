"""Sliders for design, each with a static twin that headless runs and HTML show."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from dollarbill_core.publishing.design_charts import payoff_figure
from dollarbill_core.results.outlook import Outlook

Floats = NDArray[np.float64]
RUN_FOLDER = "DOLLARBILL_RUN_DIR"  # set by the runner for the kernel that it serves
HEADLESS = "DOLLARBILL_HEADLESS"  # set it to any value to see the static twins alone
_CELL = "text-align:right;padding:.15rem .7rem;font-variant-numeric:tabular-nums"


@dataclass(frozen=True, slots=True)
class Slider:
    """One quantity to play with: its keyword, its range, where it starts and how it reads.

    ``form`` formats a value, such as ``{:.0%}`` or ``{:.0f} days``.
    """

    name: str
    low: float
    high: float
    start: float
    step: float
    form: str = "{:g}"

    def __post_init__(self) -> None:
        if not self.low < self.high or not self.low <= self.start <= self.high:
            raise ValueError(
                f"{self.name} starts at {self.start}, not in {self.low}..{self.high}"
            )
        if not self.step > 0:
            raise ValueError(f"{self.name} needs a step above 0, got {self.step}")

    @property
    def title(self) -> str:
        return self.name.replace("_", " ")

    @property
    def three(self) -> tuple[float, float, float]:
        """Lowest, start and highest; the middle where it starts at an end."""
        is_inside = self.low < self.start < self.high
        return self.low, self.start if is_inside else (self.low + self.high) / 2, self.high

    def told(self, value: float) -> str:
        return self.form.format(value)


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """What a payoff figure draws, computed by the caller; as ``payoff_figure`` takes them."""

    spots: Floats
    at_expiry: Floats
    now: Floats
    break_evens: tuple[float, ...]
    spot: float
    sigma: float

    def figure(self, label: str = "") -> go.Figure:
        return payoff_figure(
            self.spots,
            self.at_expiry,
            self.now,
            break_evens=self.break_evens,
            spot=self.spot,
            sigma=self.sigma,
            label=label,
        )


@dataclass(frozen=True, slots=True)
class Table:
    """A small table of text: the static twin of one slider."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __str__(self) -> str:
        every = (self.columns, *self.rows)
        widths = [max(len(row[i]) for row in every) for i in range(len(self.columns))]
        lines = ["  ".join(c.rjust(w) for c, w in zip(r, widths, strict=True)) for r in every]
        return "\n".join([self.title, *lines])

    @property
    def html(self) -> str:
        head = "".join(
            f'<th scope="col" style="{_CELL}">{escape(x)}</th>' for x in self.columns
        )
        body = "\n".join(
            f'<tr><th scope="row" style="{_CELL}">{escape(first)}</th>'
            + "".join(f'<td style="{_CELL}">{escape(cell)}</td>' for cell in rest)
            + "</tr>"
            for first, *rest in self.rows
        )
        caption = f'<caption style="text-align:left">{escape(self.title)}</caption>'
        table = '<table style="display:inline-table;margin:.3rem 1.5rem .3rem 0">'
        return f"{table}{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


class Explorer:
    """Sliders over a payoff; where nobody can move them, a table for each slider.

    Show it as the last expression of a cell. Live in Lab: sliders, figure, then the tables.
    In a run of the runner, in a page, or with DOLLARBILL_HEADLESS set: the tables alone.
    """

    def __init__(
        self, curves: Callable[..., Curves], sliders: Sequence[Slider], label: str
    ) -> None:
        self.curves, self.sliders, self.label = curves, tuple(sliders), label

    @property
    def start(self) -> dict[str, float]:
        """Every slider's value at the start."""
        return {slider.name: slider.start for slider in self.sliders}

    @property
    def tables(self) -> tuple[Table, ...]:
        """One table a slider: profit at three spots for three of its values."""
        return tuple(map(self._table, self.sliders))

    def _table(self, slider: Slider) -> Table:
        values = slider.three
        drawn = [self.curves(**{**self.start, slider.name: value}) for value in values]
        base = self.curves(**self.start)
        spots = [base.spot * float(np.exp(count * base.sigma)) for count in (-1, 0, 1)]
        rows = tuple(
            (f"{spot:,.2f}", *(_dollars(np.interp(spot, c.spots, c.now)) for c in drawn))
            for spot in spots
        )
        columns = ("spot, $", *(f"{slider.title} {slider.told(value)}" for value in values))
        return Table(
            f"Profit today, $, by spot (−1 sd, now, +1 sd) and {slider.title}", columns, rows
        )

    def __repr__(self) -> str:
        return "\n\n".join(map(str, self.tables))

    def _repr_html_(self) -> str:
        return "\n".join(table.html for table in self.tables)

    def _ipython_display_(self) -> None:
        from IPython.display import display

        if is_live(os.environ):
            display(self.panel())  # type: ignore[no-untyped-call]  # IPython's is bare
        twin = {"text/html": self._repr_html_(), "text/plain": repr(self)}
        display(twin, raw=True)  # type: ignore[no-untyped-call]  # IPython's is bare

    def panel(self) -> Any:
        """The live part: an ipywidgets box whose picture follows the sliders when let go."""
        import ipywidgets

        controls = {slider.name: _control(slider) for slider in self.sliders}
        picture, command = ipywidgets.Output(), ipywidgets.HTML()

        def redraw(_: object = None) -> None:
            values = {name: control.value for name, control in controls.items()}
            command.value = f"<code>{escape(as_parameters(values))}</code>"
            with picture:
                picture.clear_output(wait=True)
                _show(self.curves(**values).figure(self.label))

        for control in controls.values():
            control.observe(redraw, names="value")
        redraw()
        return ipywidgets.VBox([*controls.values(), picture, command])


def payoff_explorer(
    curves: Callable[..., Curves], sliders: Sequence[Slider], label: str = ""
) -> Explorer:
    """Sliders over what a package is worth; ``curves`` takes their values by keyword.

    No pricing happens here: ``curves(**values)`` gives the lines to draw.

    Raises
    ------
    ValueError
        If there is no slider, or two have one name.
    """
    names = [slider.name for slider in sliders]
    if not names or len(set(names)) != len(names):
        raise ValueError(f"an explorer needs sliders with different names, got {names}")
    return Explorer(curves, sliders, label)


def curves_of(promised: Outlook, spots: Floats) -> Callable[..., Curves]:
    """The curves of a design as its ``days_forward`` and ``vol_shift`` sliders move."""

    def curves(days_forward: float = 0.0, vol_shift: float = 0.0) -> Curves:
        return Curves(
            spots,
            promised.profit_at_expiry(spots),
            promised.profit(spots, days_forward, vol_shift),
            promised.break_evens,
            promised.spot,
            promised.deviation,
        )

    return curves


def as_parameters(values: Mapping[str, object]) -> str:
    """The values as arguments of ``dollarbill run``, to be copied.

    >>> as_parameters({"put_delta": 0.16, "target_dte": 45, "symbol": "SPX"})
    '-p put_delta=0.16 -p target_dte=45 -p symbol=SPX'
    """
    texts = (f"{value:g}" if isinstance(value, float) else value for value in values.values())
    return " ".join(f"-p {name}={text}" for name, text in zip(values, texts, strict=True))


def is_live(environment: Mapping[str, str]) -> bool:
    """Whether somebody may be there to move a slider: not in a run, nor where told so."""
    return not (environment.get(RUN_FOLDER) or environment.get(HEADLESS))


def _control(slider: Slider) -> Any:
    import ipywidgets

    return ipywidgets.FloatSlider(
        value=slider.start,
        min=slider.low,
        max=slider.high,
        step=slider.step,
        description=slider.title,
        readout_format=".4g",
        continuous_update=False,
        style={"description_width": "9rem"},
        layout={"width": "100%", "max_width": "40rem"},
    )


def _show(figure: go.Figure) -> None:
    from IPython.display import display

    display(figure)  # type: ignore[no-untyped-call]  # IPython's is bare


def _dollars(amount: float) -> str:
    return f"{amount:+,.0f}".replace("-", "−")
