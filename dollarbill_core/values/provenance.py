"""Where a number comes from: its source, its labels, and the hashes that trace it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any

from dollarbill_core import __version__


class Quotes(StrEnum):
    """Whether somebody quoted these prices or a model made them."""

    QUOTED = "QUOTED"
    MODELLED = "MODELLED"


class Stage(StrEnum):
    """What kind of performance a result is. All but LIVE are hypothetical."""

    DESIGN = "DESIGN"
    BACKTEST = "BACKTEST"
    REHEARSED = "PAPER (REHEARSED)"
    PAPER = "PAPER"
    LIVE = "LIVE"

    @property
    def is_hypothetical(self) -> bool:
        return self is not Stage.LIVE


@dataclass(frozen=True, slots=True)
class Provenance:
    """What stands on the face of every quote set, result and page.

    ``warnings`` are the short capital labels (SURVIVORS), ``assumptions`` the sentences that
    explain what was modelled; for real quotes, what was derived from them. ``terms_hash`` is
    that of the account, limits, costs, fills and breaker in force.
    """

    source: str
    quotes: Quotes
    as_of: datetime
    data_hash: str
    stage: Stage = Stage.DESIGN
    strategy_hash: str = ""
    terms_hash: str = ""
    seed: int | None = None
    warnings: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()
    code_version: str = __version__

    def __post_init__(self) -> None:
        if self.as_of.tzinfo is None:
            raise ValueError(f"as_of needs a time zone, got {self.as_of}")
        if not self.source:
            raise ValueError("provenance needs a source")

    @property
    def label(self) -> str:
        """The banner: stage, kind of quotes, warnings.

        >>> from datetime import UTC
        >>> Provenance("sample", Quotes.MODELLED, datetime(2018, 1, 2, tzinfo=UTC), "0",
        ...            Stage.BACKTEST, warnings=("SURVIVORS",)).label
        'BACKTEST · MODELLED · SURVIVORS'
        """
        return " · ".join((self.stage, self.quotes, *self.warnings))


def fingerprint(value: Any) -> str:
    """Twelve hex digits that change whenever any part of ``value`` changes.

    Takes dataclasses, mappings, sequences, enums, dates, Decimals, numbers, text and numpy
    arrays; anything else raises TypeError rather than hash an address. Instants count by what
    they name, whatever their zone, and numpy's numbers as the plain numbers they equal.

    >>> fingerprint({"delta": 0.16}) == fingerprint({"delta": 0.16})
    True
    >>> fingerprint({"delta": 0.16}) == fingerprint({"delta": 0.17})
    False
    """
    digest = hashlib.sha256()
    _feed(digest, value)
    return digest.hexdigest()[:12]


def _feed(digest: Any, value: Any) -> None:
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        value = value.item()
    name = type(value).__name__
    if is_dataclass(value) and not isinstance(value, type):
        digest.update(f"<{name}".encode())
        for field in fields(value):
            if field.repr:
                _feed(digest, field.name)
                _feed(digest, getattr(value, field.name))
        digest.update(b">")
    elif isinstance(value, Mapping):
        digest.update(b"{")
        for key, item in sorted(value.items(), key=lambda pair: str(pair[0])):
            _feed(digest, key)
            _feed(digest, item)
        digest.update(b"}")
    elif isinstance(value, (tuple, list)):
        digest.update(b"[")
        for item in value:
            _feed(digest, item)
        digest.update(b"]")
    elif isinstance(value, Enum):
        digest.update(f"{name}.{value.name};".encode())
    elif isinstance(value, datetime):
        instant = value.astimezone(UTC) if value.tzinfo else value
        digest.update(f"datetime:{instant.isoformat()};".encode())
    elif value is None or isinstance(value, (str, int, float, Decimal, date)):
        digest.update(f"{name}:{value!r};".encode())
    elif hasattr(value, "tobytes") and not value.dtype.hasobject:
        digest.update(f"{value.dtype}{value.shape}".encode())
        digest.update(value.tobytes())
    else:
        raise TypeError(f"cannot fingerprint a {name}")
