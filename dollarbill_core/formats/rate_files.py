"""Interest rates from files: the Treasury's par yields by year, the New York Fed's SOFR."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from dollarbill_core.formats.cells import day, header_cells, number, row_cells
from dollarbill_core.formats.pieces import Piece, Reject, UnreadableFile
from dollarbill_core.market.par_yields import overnight_rate, zero_rates
from dollarbill_core.storage.schema import RATES

TREASURY_SEEN = (
    'Date,"1 Mo","1.5 Month","2 Mo","3 Mo","4 Mo","6 Mo","1 Yr","2 Yr","3 Yr","5 Yr","7 Yr",'
    '"10 Yr","20 Yr","30 Yr" and rows like 10/07/2024,5.00,...: home.treasury.gov, daily '
    "treasury par yield curve rates, CSV of one year (deerfieldgreen/us-department-treasury "
    "shows 2024; 1.5 Month since 2025, 4 Mo since 2022, 2 Mo since 2018)"
)
SOFR_SEEN = (
    '{"refRates": [{"effectiveDate": "2024-06-06", "type": "SOFR", "percentRate": 5.33, ...}]}:'
    " markets.newyorkfed.org, api/rates/secured/sofr/search.json (OpenBB's readers)"
)

_TREASURY = "US Treasury par yields"
_SOFR = "New York Fed SOFR"
_TERM = re.compile(r"(\d+(?:\.\d+)?) (Mo|Month|Yr)s?", re.IGNORECASE)
_MOST_PERCENT = 30.0  # a year, of either sign: beyond it a cell is no yield


class _Rate(NamedTuple):
    day: date
    days: int
    rate: float


@dataclass(frozen=True, slots=True)
class TreasuryYields:
    """The Treasury's CSV: one row a day, a column a term, per cent a year.

    Stored are the rates that ``zero_rates`` makes of each row. Terms are calendar days: 365 a
    year, a month a twelfth of it. A term that was not published on a day has no row.
    """

    name: str = "treasury"
    seen: str = TREASURY_SEEN

    def pieces(self, file: Path, start: int = 0) -> Iterator[Piece]:
        """The whole file as one piece.

        Raises
        ------
        UnreadableFile
            If its first line is no such header.
        """
        if start:
            return
        lines = file.read_text(encoding="utf-8-sig", errors="replace").splitlines()
        header = header_cells(lines[0]) if lines else []
        terms = [_years(cell) for cell in header[1:]]
        if not terms or header[0] != "date" or None in terms:
            raise UnreadableFile(
                f"{file}: not the Treasury's par yields: its first line is {header[:3]}, "
                "not Date, 1 Mo, ...; fetch the CSV of a year anew"
            )
        rates, rejects = [], []
        for count, line in enumerate(lines[1:], start=2):
            try:
                rates += _par_rates(row_cells(line), terms) if line.strip(" ,") else []
            except ValueError as error:
                place = f"{file.name}, line {count}"
                rejects.append(Reject(place, str(error), line))
        yield _piece(rates, _TREASURY, rejects)


def _years(cell: str) -> float | None:
    """A column's term: years; None if it is none."""
    found = _TERM.fullmatch(cell.strip())
    if not found:
        return None
    size, unit = float(found[1]), found[2].lower()
    return size if unit == "yr" else size / 12


def _par_rates(cells: Sequence[str], terms: Sequence[float | None]) -> list[_Rate]:
    if len(cells) != len(terms) + 1:
        raise ValueError(f"{len(cells)} cells, the header has {len(terms) + 1}")
    when = day(cells[0])
    yields = np.array([_percent(cell) for cell in cells[1:]]) / 100
    days = [round(365 * years) for years in terms if years is not None]
    order = np.argsort(days)
    rates = zero_rates(np.array(days)[order] / 365, yields[order]).tolist()
    return [
        _Rate(when, days[place], rate)
        for place, rate in zip(order.tolist(), rates, strict=True)
        if rate == rate
    ]


def _percent(cell: str) -> float:
    percent = number(cell, "yield")
    if abs(percent) > _MOST_PERCENT:
        raise ValueError(f"yield {cell.strip()!r} is beyond {_MOST_PERCENT:g} % a year")
    return percent


@dataclass(frozen=True, slots=True)
class SofrRates:
    """The New York Fed's JSON of the secured overnight financing rate: a term of one day."""

    name: str = "sofr"
    seen: str = SOFR_SEEN

    def pieces(self, file: Path, start: int = 0) -> Iterator[Piece]:
        """The whole file as one piece.

        Raises
        ------
        UnreadableFile
            If it is not such JSON.
        """
        if start:
            return
        try:
            listed = json.loads(file.read_text(encoding="utf-8-sig"))["refRates"]
            rows = [(place, each) for place, each in enumerate(listed) if _is_sofr(each)]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise UnreadableFile(
                f"{file}: not the New York Fed's reference rates: no list refRates; "
                "fetch search.json anew"
            ) from None
        rates, rejects = [], []
        for place, each in rows:
            try:
                percent = _percent(str(each.get("percentRate", "")))
                if percent != percent:
                    raise ValueError("no percentRate")
                when = day(str(each.get("effectiveDate", "")))
                rates.append(_Rate(when, 1, overnight_rate(percent)))
            except ValueError as error:
                text = json.dumps(each)
                rejects.append(Reject(f"{file.name}, rate {place}", str(error), text))
        yield _piece(rates, _SOFR, rejects)


def _is_sofr(row: Any) -> bool:
    return bool(row.get("type", "SOFR") == "SOFR")


def _piece(rates: Sequence[_Rate], source: str, rejects: Sequence[Reject]) -> Piece:
    table = pa.Table.from_pylist(
        [{"date": x.day, "days": x.days, "rate": x.rate, "source": source} for x in rates],
        schema=RATES.schema,
    )
    return Piece({(RATES, ""): table}, 1, 1.0, tuple(rejects))
