"""What a store holds: the one manifest that names the current file of every partition."""

import json
import re
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import TYPE_CHECKING, Any

from dollarbill_core.storage.places import HALF, Place, StoreError

if TYPE_CHECKING:  # the way to cached data must not load pyarrow
    from dollarbill_core.storage.schema import Table

FORMAT = 1  # raised when an older version of this package could not read the store
MANIFEST = "catalog.json"
KEPT_HOURS = 6.0  # how long a replaced file stays for those who still read it
_RETIRED = "retired.json"
_DIGEST = re.compile("[0-9a-f]{64}")
_FOLDER = r"[a-z]+/(symbol=[^/]+/)?(year=\d+/)?"
_FILE = re.compile(_FOLDER + r"[0-9a-f]{16}\.parquet")
_DRAFT = re.compile(f"({_FOLDER}|[a-z]+\\.json){re.escape(HALF)}")
Key = tuple[str, str, int | None]  # table, symbol, year


class Damaged(ValueError):
    """A file of the store that is not what the manifest says; one line: which, and the cure."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class Part:
    """One partition and its current file.

    Attributes
    ----------
    table, symbol, year
        Which partition: a table's name, "" and None where it is not partitioned so.
    path
        The file, relative to the store; it never changes once it is written.
    rows, size
        Rows, and bytes.
    digest
        SHA-256 of the bytes, hexadecimal: equal digests are equal rows.
    first, last
        The dates of its first and last day.
    """

    table: str
    symbol: str
    year: int | None
    path: str
    rows: int
    size: int
    digest: str
    first: date
    last: date

    @property
    def key(self) -> Key:
        return self.table, self.symbol, self.year

    @property
    def title(self) -> str:
        """What messages call it.

        >>> Part("quotes", "SPY", 2021, "", 0, 0, "", date.min, date.max).title
        'quotes of SPY 2021'
        """
        whose = " ".join(str(each) for each in (self.symbol, self.year) if each)
        return f"{self.table} of {whose}" if whose else self.table


_NAMES = tuple(field.name for field in fields(Part))


@dataclass(frozen=True, slots=True)
class Catalog:
    """The parts of a store as they were at one commit, by table, symbol and year."""

    parts: Mapping[Key, Part]

    def of(self, table: "Table | str") -> tuple[Part, ...]:
        """All parts of one table, by symbol and year."""
        name = table_name(table)
        found = [part for part in self.parts.values() if part.table == name]
        return tuple(sorted(found, key=_place_in_order))

    def after(self, parts: Iterable[Part]) -> "Catalog":
        """The catalog once these parts stand in place of the older ones."""
        return Catalog({**self.parts, **{part.key: part for part in parts}})

    def without(self, keys: Collection[Key]) -> "Catalog":
        """The catalog less some partitions."""
        return Catalog({key: part for key, part in self.parts.items() if key not in keys})

    @property
    def content(self) -> bytes:
        """As it is stored: the same parts are the same bytes."""
        parts = sorted(self.parts.values(), key=_place_in_order)
        told = ({name: getattr(part, name) for name in _NAMES} for part in parts)
        lines = ",\n".join(json.dumps(each, default=str) for each in told)
        return f'{{"format": {FORMAT}, "parts": [\n{lines}\n]}}\n'.encode()


def _place_in_order(part: Part) -> tuple[str, str, int]:
    return part.table, part.symbol, part.year or 0


def folder_path(key: Key) -> str:
    """The folder of a partition, relative to the store.

    >>> folder_path(("quotes", "SPY", 2021))
    'quotes/symbol=SPY/year=2021'
    """
    table, symbol, year = key
    names = [table, *([f"symbol={symbol}"] if symbol else ())]
    return "/".join([*names, *([f"year={year}"] if year is not None else ())])


def file_path(key: Key, digest: str) -> str:
    """The file of a partition, named by its content."""
    return f"{folder_path(key)}/{digest[:16]}.parquet"


def table_name(table: "Table | str") -> str:
    """The name of a table, which may be given instead of the table."""
    return table if isinstance(table, str) else table.name


def current_catalog(place: Place) -> Catalog:
    """The catalog of the last commit; empty where there is no store yet.

    Raises
    ------
    Damaged
        If the manifest cannot be read.
    StoreError
        If a newer version of this package wrote it.
    """
    try:
        content = place.content(MANIFEST)
    except OSError as error:
        raise StoreError(f"{place.name} cannot be read: {error}") from None
    return Catalog({}) if content is None else _catalog(place.address(MANIFEST), content)


def _catalog(address: str, content: bytes) -> Catalog:
    try:
        told = json.loads(content)
        form = int(told["format"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise _unreadable(address, error) from None
    if form > FORMAT:
        raise StoreError(
            f"{address} is of format {form}, newer than {FORMAT}: update dollarbill to read it"
        )
    try:
        parts = [_part(each) for each in told["parts"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unreadable(address, error) from None
    return Catalog({part.key: part for part in parts})


def _unreadable(address: str, error: Exception) -> Damaged:
    return Damaged(
        f"{address} is damaged ({error}): bring it back from a copy, or import into a new store"
    )


def _part(told: dict[str, Any]) -> Part:
    days = {name: date.fromisoformat(told[name]) for name in ("first", "last")}
    part = Part(**{**told, **days})
    if not (type(part.rows) is type(part.size) is int and _DIGEST.fullmatch(part.digest)):
        raise ValueError(f"{part.title} has no rows, size or digest")
    if ".." in part.path.split("/") or part.path != file_path(part.key, part.digest):
        raise ValueError(f"{part.path} is no file of {part.title}")
    return part


def collect(place: Place) -> None:
    """Remove files that no catalog names: drafts at once, replaced ones after ``KEPT_HOURS``.

    Only what the store itself may have written goes, whatever else lies in its folder. Who
    opened the store before may read replaced files until then. Since when a file is not needed
    is written beside the catalog.
    """
    now = time.time()
    named = {part.path for part in current_catalog(place).parts.values()}
    since = _retired(place)
    left = {}
    for name in list(place.names()):
        if _DRAFT.fullmatch(name):
            place.remove(name)
        elif _FILE.fullmatch(name) and name not in named:
            retired = min(since.get(name, now), now)  # the clock may have been set back
            if now - retired > KEPT_HOURS * 3600:
                place.remove(name)
            else:
                left[name] = retired
    if left != since:
        place.replace(_RETIRED, json.dumps(left, indent=1, sort_keys=True).encode())


def _retired(place: Place) -> dict[str, float]:
    try:
        told = json.loads(place.content(_RETIRED) or b"{}")
        return {str(name): float(at) for name, at in told.items()}
    except (ValueError, TypeError, AttributeError):
        return {}  # what it said is not needed: they wait once more
