"""The store of real quotes and prices: Parquet by symbol and year, here or at any URL."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dollarbill_core.storage.catalog import Catalog, Damaged, Part, current_catalog, table_name
from dollarbill_core.storage.places import Place, StoreError, place_at

if TYPE_CHECKING:  # the way to cached data must not load pyarrow
    import pyarrow as pa
    from duckdb import DuckDBPyRelation

    from dollarbill_core.storage.changes import Change
    from dollarbill_core.storage.partitions import Partition
    from dollarbill_core.storage.schema import Table


class Store:
    """What a place holds, as it was at one commit.

    The catalog is read at the first question and kept, so all answers agree with one another;
    what others commit later is seen after ``refresh``, what a change of this store commits at
    once. Replaced files stay for some hours, then they are removed.

    A table may be given by its name, which spares loading pyarrow.

    Examples
    --------
    >>> from datetime import date
    >>> from tempfile import TemporaryDirectory
    >>> import pyarrow as pa
    >>> from dollarbill_core.storage.schema import RATES
    >>> rate = {"date": date(2021, 3, 1), "days": 30, "rate": 0.0004, "source": "by hand"}
    >>> rows = pa.Table.from_pylist([rate], schema=RATES.schema)
    >>> with TemporaryDirectory() as folder:
    ...     store = Store.at(folder)
    ...     with store.change("rates") as change:
    ...         change.add(RATES, "", rows)
    ...         change.commit()
    ...     store.query("SELECT year, max(rate) FROM rates GROUP BY year").fetchall()
    Added(new=1, changed=0, same=0)
    [(2021, 0.0004)]
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self._catalog: Catalog | None = None

    @classmethod
    def at(cls, place: str | Path, local: Path | None = None) -> "Store":
        """The store in a folder or at an fsspec URL; nothing is created by reading it.

        Parameters
        ----------
        place
            A folder, or a URL such as ``s3://bucket/chains``.
        local
            Where caches and unfinished changes lie, if not in ``.local`` of the folder, or for
            URLs under DOLLARBILL_HOME.

        Raises
        ------
        StoreError
            For a protocol that is unknown or needs a package that is not installed.
        """
        return cls(place_at(place, local))

    @property
    def catalog(self) -> Catalog:
        """The parts this store answers from."""
        if self._catalog is None:
            self._catalog = current_catalog(self.place)
        return self._catalog

    def _answer_from(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def refresh(self) -> None:
        """Answer from the last commit from now on."""
        self._catalog = None

    @property
    def local(self) -> Path:
        """A folder of this machine for caches and staging, whether it exists or not."""
        return self.place.local

    def symbols(self, table: "Table | str" = "quotes") -> tuple[str, ...]:
        """The symbols of a table, in alphabetical order."""
        return tuple(dict.fromkeys(part.symbol for part in self.parts(table)))

    def years(self, symbol: str, table: "Table | str" = "quotes") -> tuple[int, ...]:
        """The years a symbol has rows in."""
        parts = self.parts(table)
        return tuple(part.year for part in parts if part.symbol == symbol and part.year)

    def parts(self, table: "Table | str") -> tuple[Part, ...]:
        """The partitions of a table, by symbol and year."""
        return self.catalog.of(table)

    def part(
        self, table: "Table | str", symbol: str = "", year: int | None = None
    ) -> Part | None:
        """One partition, None if there is none."""
        return self.catalog.parts.get((table_name(table), symbol, year))

    def read(
        self,
        table: "Table | str",
        symbol: str = "",
        year: int | Sequence[int] | None = None,
        columns: Sequence[str] | None = None,
        *,
        coded: bool = False,
    ) -> "pa.Table":
        """Rows in key order with the table's own types; without a year those of all years.

        ``coded`` gives text as codes of a dictionary, which is faster.

        Raises
        ------
        Damaged
            If a file is not as it was written; the message names it.
        StoreError
            For a column the table does not have.
        """
        import pyarrow as pa

        from dollarbill_core.storage.partitions import coded_schema, no_rows

        kind = _table(table)
        years = year if year is None or isinstance(year, Sequence) else (year,)
        parts = [
            part
            for part in self.parts(kind)
            if part.symbol == symbol and (years is None or part.year in years)
        ]
        names = kind.schema.names if columns is None else list(columns)
        if unknown := [name for name in names if name not in kind.schema.names]:
            raise StoreError(f"{kind.name} has no column {', '.join(unknown)}")
        read = [self._open(part, coded=coded).rows(names) for part in parts]
        none = no_rows(coded_schema(kind) if coded else kind.schema)
        return pa.concat_tables(read or [none.select(names)])

    def _open(self, part: Part, *, coded: bool = False) -> "Partition":
        from dollarbill_core.storage.partitions import Partition

        try:
            return Partition(self.place, part, _table(part.table), coded=coded)
        except Damaged:
            if self._is_replaced(part):
                raise StoreError(
                    f"{self.place.name} has changed since it was opened: open it again"
                ) from None
            raise

    def _is_replaced(self, part: Part) -> bool:
        return current_catalog(self.place).parts.get(part.key) != part

    def query(self, sql: str) -> "DuckDBPyRelation":
        """The answer to one SELECT over the views quotes, prices, rates, prints and gaps.

        Each has ``symbol`` and ``year`` beside its own columns, prices are exact dollars. It
        is answered by DuckDB from the files where they lie.

        Raises
        ------
        StoreError
            For anything but one SELECT, or one that cannot be answered.
        """
        from dollarbill_core.storage.queries import relation

        return relation(self.place, self.catalog, sql)

    def damage(self) -> tuple[str, ...]:
        """What is wrong with the files, one sentence each: every byte is read."""
        from dollarbill_core.storage.partitions import content

        found = []
        for part in self.catalog.parts.values():
            try:
                content(self.place, part)
            except Damaged as error:
                found.append(str(error))
        return tuple(found)

    def change(self, name: str) -> "Change":
        """A change of this store, for a ``with`` statement; there is one at a time.

        Raises
        ------
        StoreBusy
            At once, if another change is open.
        """
        from dollarbill_core.storage.changes import Change

        return Change(self.place, name, committed=self._answer_from)

    def discard(self, table: "Table | str", symbol: str = "", year: int | None = None) -> None:
        """Take a partition out of the store, such as one whose file is damaged.

        Raises
        ------
        StoreError
            If there is no such partition.
        """
        name = table_name(table)
        if (name, symbol, year) not in current_catalog(self.place).parts:
            whose = " ".join(str(each) for each in (name, symbol, year) if each)
            raise StoreError(f"{self.place.name} has no {whose}: name one of store.parts")
        with self.change("discard") as change:
            change.discard(_table(table), symbol, year)
            change.commit()


def _table(table: "Table | str") -> "Table":
    from dollarbill_core.storage.schema import TABLES

    if not isinstance(table, str):
        return table
    if table not in TABLES:
        raise StoreError(f"no table is called {table!r}: there are {', '.join(TABLES)}")
    return TABLES[table]
