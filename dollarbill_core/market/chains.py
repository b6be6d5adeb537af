"""The quotes of one underlying at one instant, and of many days, as arrays."""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dollarbill_core.values.contracts import Option, Right, dollars_per_share
from dollarbill_core.values.provenance import Quotes

Floats = NDArray[np.float64]


class NoQuote(ValueError):
    """There is no quote to trade on; the message says why."""


class NoChains(ValueError):
    """The data lacks the symbols or the days asked for; the message says what it has."""


@dataclass(frozen=True, slots=True)
class Quote:
    """The best bid and ask, dollars per share, as somebody quoted or a model made them."""

    bid: Decimal
    ask: Decimal
    at: datetime | None = None

    @property
    def mid(self) -> Decimal:
        return (self.bid + self.ask) / 2

    @property
    def half_spread(self) -> Decimal:
        return (self.ask - self.bid) / 2

    @property
    def fault(self) -> str:
        """Why nobody should trade on this quote; empty when it is sound."""
        if self.ask <= 0:
            return "no ask"
        if self.bid < 0:
            return "negative bid"
        if self.bid > self.ask:
            return "crossed"
        if self.bid == self.ask:
            return "locked"
        return ""


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """Every quoted option of one underlying at one instant; row i of an array is one contract.

    Attributes
    ----------
    symbol, as_of, spot
        The underlying, the instant of the snapshot and the price of the underlying, dollars.
    quotes
        QUOTED or MODELLED.
    roots, root
        OCC roots, and for each row the number of its root in ``roots``; shape (n,).
    expiry, right, strike
        datetime64[D], +1 call or -1 put, dollars; shape (n,).
    bid, ask
        Dollars per share; NaN or 0 where nobody bids or offers; shape (n,).
    vol, delta
        Annual implied vol of the mid and the delta at that vol, NaN where it has none.
    """

    symbol: str
    as_of: datetime
    spot: float
    quotes: Quotes
    roots: tuple[str, ...]
    root: NDArray[np.int8]
    expiry: NDArray[np.datetime64]
    right: NDArray[np.int8]
    strike: Floats
    bid: Floats
    ask: Floats
    vol: Floats
    delta: Floats

    def __post_init__(self) -> None:
        if self.as_of.tzinfo is None:
            raise ValueError(f"a chain's instant needs a time zone, got {self.as_of}")
        if not self.spot > 0:
            raise ValueError(f"{self.symbol}: spot must be positive, got {self.spot}")
        lengths = {name: len(getattr(self, name)) for name in _COLUMNS}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"{self.symbol}: columns differ in length: {lengths}")

    def __len__(self) -> int:
        return len(self.strike)

    def where(self, rows: NDArray[Any]) -> "Chain":
        """The same chain with only these rows (a mask or row numbers)."""
        return replace(self, **{name: getattr(self, name)[rows] for name in _COLUMNS})

    def only(self, right: Right) -> "Chain":
        """Calls or puts alone."""
        return self.where(self.right == right)

    def expiring(self, expiry: date) -> "Chain":
        """One expiry alone."""
        return self.where(self.expiry == np.datetime64(expiry, "D"))

    @property
    def sound(self) -> "Chain":
        """Only rows that can be sold: a bid above 0, below the ask."""
        return self.where((self.bid > 0) & (self.ask > self.bid))

    @property
    def mid(self) -> Floats:
        """Half way between bid and ask, dollars per share, shape (n,)."""
        return (self.bid + self.ask) / 2

    @property
    def expiries(self) -> tuple[date, ...]:
        """The expiry dates listed, in order."""
        return tuple(np.unique(self.expiry).astype("datetime64[D]").tolist())

    def days_to_expiry(self, expiry: date) -> int:
        """Calendar days from the snapshot's date."""
        return (expiry - self.as_of.date()).days

    def option(self, row: int) -> Option:
        """The contract of a row."""
        return Option(
            self.roots[self.root[row]],
            self.expiry[row].item(),
            strike_of(self.strike[row]),
            Right(int(self.right[row])),
        )

    def row(self, option: Option) -> int | None:
        """The row of a contract, or None when it is not listed here."""
        if option.root not in self.roots:
            return None
        rows = np.flatnonzero(self.strike == float(option.strike))
        rows = rows[self.expiry[rows] == np.datetime64(option.expiry, "D")]
        rows = rows[self.right[rows] == option.right]
        rows = rows[self.root[rows] == self.roots.index(option.root)]
        return int(rows[0]) if len(rows) else None

    def quote(self, option: Option) -> Quote:
        """The quote of a contract, faults and all.

        Raises
        ------
        NoQuote
            If the contract is not in the chain, or its row has no numbers.
        """
        row = self.row(option)
        if row is None:
            raise NoQuote(f"{option} is not quoted on {self.as_of:%Y-%m-%d}")
        bid, ask = float(self.bid[row]), float(self.ask[row])
        if not (np.isfinite(bid) and np.isfinite(ask)):
            raise NoQuote(f"{option} has no bid or ask on {self.as_of:%Y-%m-%d}")
        return Quote(dollars_per_share(bid), dollars_per_share(ask), self.as_of)


_COLUMNS = ("root", "expiry", "right", "strike", "bid", "ask", "vol", "delta")


def strike_of(strike: float) -> Decimal:
    """A strike column's float as the exact strike of its contract, dollars.

    >>> strike_of(92.14), strike_of(600.0)
    (Decimal('92.14'), Decimal('600'))
    """
    thousandths = Decimal(round(float(strike) * 1000)) / 1000
    return thousandths.normalize() if thousandths % 1 else thousandths.quantize(Decimal(1))


@dataclass(frozen=True, slots=True, eq=False)
class ChainDays:
    """One underlying over many sessions; a day's chain is made or read when asked for.

    ``closes`` and ``vols`` (30-day at-the-money implied vol at each close, NaN where unknown)
    reach back before the first chain, for statistics; ``days`` (datetime64[D]) are their dates.
    ``yields`` holds the dividend yield known on each of them; without it, ``dividend_yield``
    stands for all.
    """

    symbol: str
    sessions: tuple[date, ...]
    chain: Callable[[date], Chain]
    days: NDArray[np.datetime64]
    closes: Floats
    vols: Floats
    dividend_yield: float = 0.0
    yields: Floats | None = None

    def __post_init__(self) -> None:
        columns = [self.closes, self.vols, *([] if self.yields is None else [self.yields])]
        if any(len(column) != len(self.days) for column in columns):
            raise ValueError(f"{self.symbol}: days, closes, vols and yields differ in length")

    def yield_on(self, day: date) -> float:
        """The dividend yield known on ``day``, per year, continuously compounded."""
        if self.yields is None:
            return self.dividend_yield
        place = int(np.searchsorted(self.days, np.datetime64(day, "D"), "right")) - 1
        return float(self.yields[place]) if place >= 0 else self.dividend_yield

    def __contains__(self, day: date) -> bool:
        place = bisect_left(self.sessions, day)
        return place < len(self.sessions) and self.sessions[place] == day
