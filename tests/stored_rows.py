"""Rows for stores, made by hand: whole tables, and what the store says of them."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from dollarbill_core.storage.schema import QUOTES, Table
from dollarbill_core.storage.store import Store

MONDAY = date(2021, 3, 1)


def table_of(table: Table, rows: Iterable[dict[str, Any]]) -> pa.Table:
    """Rows as a table of the store; what a row does not say is null."""
    return pa.Table.from_pylist(list(rows), schema=table.schema)


def quote(day: date, strike: int, bid: str = "1.25", **others: Any) -> dict[str, Any]:
    """A put that expires on 2021-12-17."""
    row = {"date": day, "root": "SPY", "expiry": date(2021, 12, 17), "settlement": "PM"}
    row |= {"right": -1, "strike": Decimal(strike), "bid": Decimal(bid)}
    return row | {"source": "made by hand", "kind": "QUOTED"} | others


def chains(days: Sequence[date], strikes: int, bid: str = "1.25", **others: Any) -> pa.Table:
    """Puts at so many strikes on each of these days."""
    made = [quote(day, 300 + each, bid, **others) for day in days for each in range(strikes)]
    return table_of(QUOTES, made)


def days_from(first: date, count: int) -> list[date]:
    return [first + timedelta(days=each) for each in range(count)]


def files(store: Store) -> dict[str, bytes]:
    """Every file that readers look at, and what is in it."""
    paths = ["catalog.json", *(part.path for part in store.catalog.parts.values())]
    return {path: store.place.content(path) or b"" for path in paths}


def stored(place: Path | str, symbols: dict[str, pa.Table], name: str = "import") -> Store:
    """The store there, after these quotes were added."""
    store = Store.at(place)
    with store.change(name) as change:
        for symbol, rows in symbols.items():
            change.add(QUOTES, symbol, rows)
        change.commit()
    return store
