"""The page of a data check: what is there, how good it is, what is wrong, day by day."""

import csv
import io
from collections.abc import Sequence
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from dollarbill_core.market.faults import DAY_COST, MEANING, Fault
from dollarbill_core.market.quality import DayQuality, Quality, percent
from dollarbill_core.publishing.quality_charts import GRADES, coverage_svg
from dollarbill_core.publishing.statement import day_name
from dollarbill_core.storage.checking import Checked

if TYPE_CHECKING:
    from jinja2 import Template

_FOLDER = Path(__file__).parent
_MOST_WORST = 25  # days listed on the page; the CSV has all
_MOST_NAMED = 40  # missing days listed of a symbol


def quality_html(checked: Checked, now: datetime) -> str:
    """The check as one HTML page: no script, no request, for a screen and for paper."""
    from markupsafe import Markup

    return str(
        _template().render(
            style=Markup((_FOLDER / "quality.css").read_text(encoding="utf-8")),
            checked=checked,
            now=now,
            verdict=verdict(checked),
            picture=Markup(coverage_svg(checked.qualities)) if checked.symbols else "",
            grades=GRADES,
            faults=_faults(checked.qualities),
            counts=_counts(checked.qualities),
            worst=_worst(checked.qualities),
            costs=_costs(),
            most_named=_MOST_NAMED,
        )
    )


def quality_csv(checked: Checked) -> str:
    """One line for each symbol and day: rows, score, and how many have each fault.

    Sessions without a chain have no rows and no score.
    """
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    names = [fault.name.lower() for fault in Fault]
    lines.writerow(["symbol", "date", "rows", "score", *names])
    for quality in checked.qualities:
        found = {each.day: each for each in quality.days}
        for day in sorted({*found, *quality.missing}):
            lines.writerow([quality.symbol, day.isoformat(), *_line(found.get(day))])
    return text.getvalue()


def _line(each: DayQuality | None) -> list[object]:
    if each is None:
        return [0, "", *[""] * len(Fault)]
    return [each.rows, f"{each.score:.6f}", *(each.counts.get(fault, 0) for fault in Fault)]


def verdict(checked: Checked) -> str:
    """The whole check in one sentence."""
    lacking = sum(len(each.missing) for each in checked.qualities)
    problems = [
        *([_counted(len(checked.damage), "damaged file")] if checked.damage else []),
        *([_counted(lacking, "session") + " without a chain"] if lacking else []),
    ]
    days = [day for each in checked.qualities for day in each.days]
    flawed = sum(day.score < 1 for day in days)
    state = " and ".join(problems) or "Every file is whole and every session has its chain"
    if not days:
        return f"{state}; no day could be judged."
    if not flawed:
        return f"{state}; no grave fault on any of {_counted(len(days), 'day')}."
    return f"{state}; grave faults on {flawed:,} of {_counted(len(days), 'day')}."


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"


def _faults(qualities: Sequence[Quality]) -> list[tuple[Fault, str]]:
    """Those that were found, in order, with their meaning."""
    return [(f, MEANING[f]) for f in Fault if any(f in each.counts for each in qualities)]


def _counts(qualities: Sequence[Quality]) -> dict[str, list[int]]:
    faults = [fault for fault, _ in _faults(qualities)]
    return {each.symbol: [each.counts.get(fault, 0) for fault in faults] for each in qualities}


def _worst(qualities: Sequence[Quality]) -> list[tuple[str, DayQuality]]:
    """The days with the lowest scores, of all symbols."""
    found = [(each.symbol, day) for each in qualities for day in each.worst]
    return sorted(found, key=lambda each: (each[1].score, each[0], each[1].day))[:_MOST_WORST]


def _costs() -> list[tuple[str, str]]:
    return [(fault.value, f"{cost:.0%}") for fault, cost in DAY_COST.items()]


@cache
def _template() -> "Template":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    house = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    house.filters |= {"day": day_name, "share": share, "period": period, "told": faults_told}
    return house.get_template("quality.html.j2")


def share(value: float, digits: int = 1) -> str:
    """``quality.percent`` with a space, as typographers like it.

    >>> print(share(0.5), share(0.99996), share(1.0), share(float("nan")))
    50.0 % 99.9 % 100.0 % n/a
    """
    return percent(value, digits).replace("%", "\u00a0%")


def period(days: Sequence[date]) -> str:
    """First and last day."""
    return f"{day_name(days[0])} to {day_name(days[-1])}" if days else "no session"


def faults_told(each: DayQuality) -> str:
    """A day's faults in words, without those that cost nothing."""
    found = [(fault, count) for fault, count in each.counts.items() if fault.is_grave]
    return ", ".join(str(f) if f.is_of_a_day else f"{count:,} {f}" for f, count in found)
