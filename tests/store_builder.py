"""Stores made for tests: of rows that a test names, or of real files."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np

from dollarbill_core.formats.imports import import_files
from dollarbill_core.formats.rows import DailyPrice, price_rows, quote_rows
from dollarbill_core.storage.schema import GAPS, PRICES, PRINTS, QUOTES, RATES, Table
from dollarbill_core.storage.store import Store
from dollarbill_core.values.provenance import Quotes

Row = Mapping[str, object]
_TEXTS = ("symbol", "root")
_DAYS = ("date", "expiry")


def quote(day: date, strike: float, bid: float, ask: float, **others: object) -> dict:
    """One row: a put on XYZ that expires on 2021-02-19, unless ``others`` say otherwise."""
    plain = {"symbol": "XYZ", "right": -1, "expiry": date(2021, 2, 19)}
    known = plain | {"date": day, "strike": strike, "bid": bid, "ask": ask} | others
    return {"root": known["symbol"]} | known


def with_quotes(
    store: Store,
    rows: Iterable[Row],
    source: str = "made by hand",
    quotes: Quotes = Quotes.QUOTED,
) -> Store:
    """The store with these quotes added; all rows name the same columns."""
    rows = list(rows)
    columns = {name: _column(name, [row[name] for row in rows]) for name in rows[0]}
    made = quote_rows(columns, source, quotes)
    assert not made.faults
    with store.change("quotes") as change:
        for symbol, table in made.tables.items():
            change.add(QUOTES, symbol, table)
        change.commit()
    return store


def _column(name: str, values: list) -> np.ndarray:
    if name in _TEXTS:
        return np.array(values, str)
    if name in _DAYS:
        return np.array(values, "datetime64[D]")
    if name.endswith("_at"):
        return np.array(values, "datetime64[ms]")
    return np.array(values, float)


def with_prices(store: Store, symbol: str, prices: Iterable[DailyPrice]) -> Store:
    """The store with these daily prices of one underlying added."""
    return with_rows(store, PRICES, symbol, price_rows(prices, "made by hand"))


def with_rows(store: Store, table: Table, symbol: str, rows) -> Store:
    with store.change(table.name) as change:
        change.add(table, symbol, rows)
        change.commit()
    return store


def closes(prices: Mapping[str, str]) -> list[DailyPrice]:
    """Daily prices from closes by ISO date."""
    return [DailyPrice(date.fromisoformat(day), Decimal(x)) for day, x in prices.items()]


def with_interest(store: Store, curve: Mapping[tuple[str, int], float]) -> Store:
    """The store with rates by ISO date and calendar days."""
    import pyarrow as pa

    rows = [
        {"date": date.fromisoformat(day), "days": days, "rate": rate, "source": "made by hand"}
        for (day, days), rate in curve.items()
    ]
    return with_rows(store, RATES, "", pa.Table.from_pylist(rows, schema=RATES.schema))


def with_print(store: Store, root: str, day: date, price: str) -> Store:
    """The store with one official settlement price."""
    import pyarrow as pa

    row = {"root": root, "date": day, "price": Decimal(price), "source": "made by hand"}
    return with_rows(store, PRINTS, "", pa.Table.from_pylist([row], schema=PRINTS.schema))


def with_gap(store: Store, symbol: str, day: date, why: str | None) -> Store:
    """The store with one day that a collector missed."""
    import pyarrow as pa

    row = {
        "date": day,
        "symbol": symbol,
        "why": why,
        "recorded_at": datetime(2021, 2, 1, tzinfo=UTC),
    }
    return with_rows(store, GAPS, "", pa.Table.from_pylist([row], schema=GAPS.schema))


def imported(store: Store, *files: tuple[str, Path]) -> Store:
    """The store with real files added by the public command's own import: format, file."""
    for form, file in files:
        report = import_files(form, [file], store)
        assert not report.rejected
    return store
