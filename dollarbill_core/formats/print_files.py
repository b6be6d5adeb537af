"""Settlement prints: the opening prices that settled index options, from a CSV file."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from dollarbill_core.formats.cells import day, dollars, header_cells, next_line, row_cells
from dollarbill_core.formats.pieces import Piece, Reject, UnreadableFile
from dollarbill_core.storage.schema import PRINTS
from dollarbill_core.values.calendars import FIRST_DAY, LAST_DAY, is_session
from dollarbill_core.values.contracts import AM_SETTLED_ROOTS

SEEN = "root, date, price: our own layout, written by hand from an exchange's page"

# The symbols under which the prints are published. Source: Cboe, "Settlement values", and its
# specifications of SPX and VIX options, read 2026-11.
_PUBLISHED_AS = {"SET": "SPX", "VRO": "VIX"}
_PRICE_LIMIT = 1_000_000
_HEADER = ["root", "date", "price"]


@dataclass(frozen=True, slots=True)
class PrintFiles:
    """What AM-settled options were settled at, by root and day.

    A print is of the day on which the options expired: SPX or SET, VIX or VRO, and the other
    roots that settle at the open. Cboe's own file (Product, Symbol, Expiration Date, Price) is
    not read: with the same header it publishes each day's marks of futures still open.
    """

    name: str = "prints"
    seen: str = SEEN

    def pieces(self, file: Path, start: int = 0) -> Iterator[Piece]:
        """The whole file, one piece.

        Raises
        ------
        UnreadableFile
            For another header.
        """
        with file.open(encoding="utf-8-sig", errors="replace") as text:
            header = header_cells(next_line(text))
            if header != _HEADER:
                raise UnreadableFile(f"{file}: the header of prints is root,date,price")
            if start:
                return
            rows, rejects = [], []
            for count, line in enumerate(iter(lambda: next_line(text), ""), start=2):
                if not line.strip(" ,\r\n"):
                    continue
                try:
                    rows.append(_print(line))
                except ValueError as error:
                    place = f"{file.name}, line {count}"
                    rejects.append(Reject(place, str(error), line.strip()))
        table = pa.Table.from_pylist(rows, schema=PRINTS.schema)
        yield Piece({(PRINTS, ""): table}, 1, 1.0, tuple(rejects))


def _print(line: str) -> dict[str, object]:
    cells = [cell.strip() for cell in row_cells(line)]
    if len(cells) != len(_HEADER):
        raise ValueError(f"{len(cells)} cells, not {len(_HEADER)}")
    root = _PUBLISHED_AS.get(cells[0].upper(), cells[0].upper())
    if root not in AM_SETTLED_ROOTS:
        raise ValueError(f"root {cells[0]!r} does not settle at the open")
    on = day(cells[1])
    if not FIRST_DAY <= on <= LAST_DAY or not is_session(on):
        raise ValueError(f"date {on} is no session")
    price = dollars(cells[2], "price")
    if price is None or not 0 < price < _PRICE_LIMIT:
        raise ValueError(f"price {cells[2]!r} is not above 0 or too large")
    return {"root": root, "date": on, "price": round(price, 6), "source": "prints file"}
