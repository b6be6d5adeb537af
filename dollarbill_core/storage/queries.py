"""The store's tables as SQL views, which DuckDB reads where they lie."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from dollarbill_core.storage.catalog import Catalog
from dollarbill_core.storage.places import Place, StoreError
from dollarbill_core.storage.schema import INSTANT, TABLES, Table

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

_TYPES = {
    pa.string(): "VARCHAR",
    pa.date32(): "DATE",
    pa.int8(): "TINYINT",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    INSTANT: "TIMESTAMPTZ",
}


_SETTINGS = {"autoinstall_known_extensions": False}


def relation(place: Place, catalog: Catalog, sql: str) -> "DuckDBPyRelation":
    """The answer to one SELECT over the views quotes, prices, rates, prints and gaps.

    Each has ``symbol`` (null where a table has none) and ``year`` beside its own columns;
    prices are exact dollars, instants UTC. The SELECT may name other files beside them; it
    writes nothing, and fetches nothing but what lies at the store's own URL.

    Raises
    ------
    StoreError
        For anything but one SELECT, or one that DuckDB cannot answer.
    """
    import duckdb

    try:
        connection = duckdb.connect(config=dict(_SETTINGS))
        connection.execute("SET TimeZone = 'UTC'")  # else dates and hours are this machine's
        if place.filesystem is not None:
            connection.register_filesystem(place.filesystem)
        for table in TABLES.values():
            files = [place.address(part.path) for part in catalog.of(table)]
            connection.execute(f"CREATE VIEW {table.name} AS {_rows(table, files)}")
        _demand_one_select(connection, sql)
        return connection.sql(sql)
    except duckdb.Error as error:
        raise StoreError(f"the query cannot be answered: {_one_line(error)}") from None


def _demand_one_select(connection: "DuckDBPyConnection", sql: str) -> None:
    import duckdb

    kinds = [each.type for each in connection.extract_statements(sql)]
    if kinds != [duckdb.StatementType.SELECT]:
        raise StoreError("a query is one SELECT: the store is changed by imports only")


def _rows(table: Table, files: Sequence[str]) -> str:
    """The SELECT that reads a table's files, or none of its rows where there are no files."""
    symbol = "" if "symbol" in table.schema.names else "NULL::VARCHAR AS symbol, "
    year = "year(date)::INTEGER AS year"
    if not files:
        own = ", ".join(f'NULL::{_sql(field.type)} AS "{field.name}"' for field in table.schema)
        return f"SELECT *, {symbol}{year} FROM (SELECT {own}) WHERE false"
    names = "[" + ", ".join("'" + file.replace("'", "''") + "'" for file in files) + "]"
    if not table.by_symbol:
        return f"SELECT *, {symbol}{year} FROM read_parquet({names}, hive_partitioning = false)"
    if files[0].count("=") > 1 + table.by_year:  # a folder above would pass for a column
        folder = f"split_part(filename, '/', {-2 - table.by_year})"
        plain = f"read_parquet({names}, hive_partitioning = false, filename = true)"
        own = f"{folder}[{len('symbol=') + 1}:] AS symbol, {year}"
        return f"SELECT * EXCLUDE (filename), {own} FROM {plain}"
    if not table.by_year:
        kinds = "hive_types = {'symbol': VARCHAR}"
        return f"SELECT *, {year} FROM read_parquet({names}, hive_partitioning = true, {kinds})"
    kinds = "hive_types = {'symbol': VARCHAR, 'year': INTEGER}"
    return f"SELECT * FROM read_parquet({names}, hive_partitioning = true, {kinds})"


def _sql(kind: pa.DataType) -> str:
    if pa.types.is_decimal(kind):
        return f"DECIMAL({kind.precision}, {kind.scale})"
    return _TYPES[kind]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
