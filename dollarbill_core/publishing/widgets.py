"""Sliders for design, each with a static twin that headless runs and HTML show."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go

from dollarbill_core.market.chains import NoQuote
from dollarbill_core.publishing.design_charts import (
    cone_picture,
    greeks_picture,
    map_picture,
    payoff_picture,
)
from dollarbill_core.publishing.market_charts import smile_picture
from dollarbill_core.publishing.pictures import Picture, moved
from dollarbill_core.results.outlook import Outlook

RUN_FOLDER = "DOLLARBILL_RUN_DIR"  # set by the runner for the kernel that it serves
HEADLESS = "DOLLARBILL_HEADLESS"  # set it to any value to see the static twins alone
MOVES = {"days_forward": "days", "vol_shift": "vol_shift"}  # sliders that change no leg
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
    """Sliders over pictures of a design; where nobody can move them, a table for each slider.

    Show it as the last expression of a cell. Live in Lab: sliders, a choice of pictures, the
    chosen one, then the tables. In a run of the runner, in a page, or with DOLLARBILL_HEADLESS
    set: the tables alone.
    """

    def __init__(
        self,
        design: Callable[..., Outlook],
        sliders: Sequence[Slider],
        pictures: Mapping[str, Callable[..., Picture]],
    ) -> None:
        self.design, self.sliders, self.pictures = design, tuple(sliders), dict(pictures)

    @property
    def start(self) -> dict[str, float]:
        """Every slider's value at the start."""
        return {slider.name: slider.start for slider in self.sliders}

    def picture(self, name: str, values: Mapping[str, float]) -> Picture:
        """One of the pictures with the sliders at these values.

        Raises
        ------
        NoQuote
            If no structure can be sold at these values.
        """
        return self.pictures[name](self.outlook(values), **_moves(values))

    def outlook(self, values: Mapping[str, float]) -> Outlook:
        """What is promised with the sliders at these values."""
        return self.design(**{name: x for name, x in values.items() if name not in MOVES})

    @property
    def tables(self) -> tuple[Table, ...]:
        """One table a slider: what it changes, for three of its values."""
        return tuple(
            self._profits(slider) if slider.name in MOVES else self._designs(slider)
            for slider in self.sliders
        )

    def _profits(self, slider: Slider) -> Table:
        """Profit by model at three spots, where the slider changes no leg."""
        base, values = self.outlook(self.start), slider.three
        spots = base.spot * np.exp(base.deviation * np.array([-1.0, 0.0, 1.0]))
        moves = [_moves({**self.start, slider.name: value}) for value in values]
        profits = np.array([base.profit(spots, **move) for move in moves]).T
        rows = tuple(
            (f"{spot:,.2f}", *map(_dollars, row))
            for spot, row in zip(spots, profits, strict=True)
        )
        columns = ("spot, $", *(f"{slider.title} {slider.told(value)}" for value in values))
        title = f"Profit by model, $, by spot (−1 sd, now, +1 sd) and {slider.title}"
        return Table(title, columns, rows)

    def _designs(self, slider: Slider) -> Table:
        """What is promised at three values, where the slider changes the legs.

        A value at which nothing can be sold has no column; the title says why.
        """
        found, missing = list[Outlook](), list[str]()
        columns = [""]
        for value in slider.three:
            try:
                found.append(self.outlook({**self.start, slider.name: value}))
            except NoQuote as error:
                missing.append(f"{slider.told(value)}: {error}")
            else:
                columns.append(f"{slider.title} {slider.told(value)}")
        rows = (
            ("credit, $", *(f"{each.credit:,.2f}" for each in found)),
            ("breaks even at", *(_levels(each.break_evens) for each in found)),
            ("chance of a profit", *(f"{each.probability_of_profit:.0%}" for each in found)),
            ("margin, $", *(f"{each.required.initial:,.0f}" for each in found)),
        )
        reasons = f" ({'; '.join(missing)})" if missing else ""
        return Table(f"The structure by {slider.title}{reasons}", tuple(columns), rows)

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
        """The live part: an ipywidgets box whose picture follows the sliders as they move."""
        import ipywidgets

        controls = {slider.name: _control(slider) for slider in self.sliders}
        choice = ipywidgets.ToggleButtons(options=list(self.pictures))
        frame, note = ipywidgets.VBox(layout={"width": "100%"}), ipywidgets.HTML()
        shown: list[Any] = []

        def redraw(change: Mapping[str, Any]) -> None:
            values = {name: control.value for name, control in controls.items()}
            try:
                picture = self.picture(choice.value, values)
            except NoQuote as error:
                note.value = f"<em>{escape(str(error))}</em>"
                return
            legs = {name: value for name, value in values.items() if name not in MOVES}
            note.value = f"<code>{escape(as_parameters(legs))}</code>"
            if change["owner"] is choice:
                shown[:] = [go.FigureWidget(picture.figure())]
                shown[0]._config = {"responsive": True}  # as wide as the cell it comes into
                frame.children = tuple(shown)
            else:
                moved(shown[0], picture)

        for control in (*controls.values(), choice):
            control.observe(redraw, names="value")
        redraw({"owner": choice})
        return ipywidgets.VBox([*controls.values(), choice, frame, note])


def design_explorer(
    design: Callable[..., Outlook],
    sliders: Sequence[Slider],
    label: str = "",
) -> Explorer:
    """Sliders over a design's pictures.

    ``days_forward`` and ``vol_shift`` move what is drawn; every other slider is a keyword of
    ``design``, which gives the outlook at its value. The smile is among the pictures where one
    is fitted.

    Raises
    ------
    ValueError
        If there is no slider, or two have one name.
    """
    names = [slider.name for slider in sliders]
    if not names or len(set(names)) != len(names):
        raise ValueError(f"an explorer needs sliders with different names, got {names}")
    pictures: dict[str, Callable[..., Picture]] = {
        "profit": partial(payoff_picture, label=label),
        "price and date": map_picture,
        "Greeks": greeks_picture,
        "cone": cone_picture,
        "smile": smile_picture,
    }
    explorer = Explorer(design, sliders, pictures)
    if explorer.outlook(explorer.start).fit is None:
        del explorer.pictures["smile"]
    return explorer


def _moves(values: Mapping[str, float]) -> dict[str, float]:
    """The sliders that move what is drawn, as the pictures call them."""
    return {MOVES[name]: value for name, value in values.items() if name in MOVES}


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
        continuous_update=True,
        style={"description_width": "9rem"},
        layout={"width": "100%", "max_width": "40rem"},
    )


def _levels(break_evens: Sequence[float]) -> str:
    return " and ".join(f"{level:,.2f}" for level in break_evens) or "no price"


def _dollars(amount: float) -> str:
    return f"{amount:+,.0f}".replace("-", "−")
