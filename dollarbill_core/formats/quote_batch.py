"""Quotes gathered one by one from a file, with their places, until they make a piece."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dollarbill_core.formats.pieces import Piece, Reject
from dollarbill_core.formats.rows import quote_rows
from dollarbill_core.storage.schema import QUOTES


@dataclass(slots=True)
class QuoteBatch:
    """Columns that grow by a row at a time, and what was refused on the way.

    Every row has the same names: those of ``quote_rows``, dates as ``date``.
    """

    columns: dict[str, list[Any]] = field(default_factory=dict)
    places: list[tuple[str, str]] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)

    def add(self, place: str, text: str, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            self.columns.setdefault(name, []).append(value)
        self.places.append((place, text))

    def refuse(self, place: str, reason: str, text: str = "") -> None:
        self.rejects.append(Reject(place, reason, text))

    def piece(self, source: str, resume: int, done: float, read: int = 0) -> Piece:
        """The rows that may be stored; the others join what was refused."""
        if not self.places:
            return Piece({}, resume, done, tuple(self.rejects), read)
        columns = {name: np.array(values) for name, values in self.columns.items()}
        for name in ("date", "expiry"):
            columns[name] = columns[name].astype("datetime64[D]")
        rows = quote_rows(columns, source)
        for row, reason in rows.faults:
            self.refuse(self.places[row][0], reason, self.places[row][1])
        tables = {(QUOTES, symbol): table for symbol, table in rows.tables.items()}
        return Piece(tables, resume, done, tuple(self.rejects), read)
