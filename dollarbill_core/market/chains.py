"""The quotes of one underlying at one instant, and of many days, as arrays."""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dollarbill_core.values.contracts import Option, Right, dollars_per_share
from dollarbill_core.values.provenance import Quotes

Floats = NDArray[np.float64]
_UNKNOWN: Floats = np.empty(0)  # stands for a column of NaN, as long as the others
_NEVER = 10**6  # days


class NoQuote(ValueError):
    """There is no quote to trade on; the message says why."""


class NoChains(ValueError):
    """The data lacks the symbols or the days asked for; the message says what it has."""

    exit_code = 2


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
    volume, open_interest
        Contracts, NaN where nobody says; not given, they are NaN throughout.
    in_order
        Whether rows are known to lie by root, expiry, right and strike, as in the store.
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
    volume: Floats = field(default_factory=lambda: _UNKNOWN)
    open_interest: Floats = field(default_factory=lambda: _UNKNOWN)
    in_order: bool = field(default=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("volume", "open_interest"):
            if getattr(self, name) is _UNKNOWN:
                object.__setattr__(self, name, np.full(len(self.strike), np.nan))
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
        is_mask = rows.dtype == np.bool_
        places = np.flatnonzero(rows) if is_mask else rows  # five times as fast as ten masks
        columns = {name: getattr(self, name)[places] for name in _COLUMNS}
        return replace(self, **columns, in_order=self.in_order and is_mask)

    def only(self, right: Right) -> "Chain":
        """Calls or puts alone."""
        return self.where(self.right == right)

    def expiring(self, expiry: date) -> "Chain":
        """One expiry alone."""
        return self.where(self.expiry == np.datetime64(expiry, "D"))

    @property
    def sound(self) -> "Chain":
        """Only rows that can be sold: a bid above 0, below the ask."""
        return self.where(self.is_sound)

    def within(self, low: int, high: int) -> "Chain":
        """Only what expires ``low`` to ``high`` calendar days out, both included.

        Raises
        ------
        NoQuote
            If nothing does; the message says what is listed around it.
        """
        days = self.days
        part = self.where((days >= low) & (days <= high))
        if not len(part):
            nearest = [days[days < low].max(initial=-1), days[days > high].min(initial=_NEVER)]
            there = [f"{day} days out" for day in nearest if 0 <= day < _NEVER]
            listed = f"the nearest are {' and '.join(there)}" if there else "nothing is listed"
            raise NoQuote(f"{self.symbol}: nothing expires {low} to {high} days out; {listed}")
        return part

    def near_delta(self, right: Right, delta: float) -> NDArray[np.intp]:
        """Rows that can be sold, the one whose delta is nearest to ``delta`` first.

        ``delta`` is a magnitude, 0.16 for the 16-delta put as for the call. Of two equally
        near the one listed first comes first. Rows without a delta are left out.

        Raises
        ------
        NoQuote
            If no call, or no put, can be sold at a known delta.
        """
        known = (self.right == right) & self.is_sound & np.isfinite(self.delta)
        rows = np.flatnonzero(known)
        if not len(rows):
            raise NoQuote(f"{self.symbol}: no {right.name.lower()} with a delta can be sold")
        distance = np.abs(np.abs(self.delta[rows]) - delta)
        return rows[np.argsort(distance, kind="stable")]

    def liquid(
        self, *, volume: int = 0, open_interest: int = 0, widest: float = math.inf
    ) -> "Chain":
        """Only sound quotes that trade: so many contracts, and a spread no wider than that.

        Parameters
        ----------
        volume, open_interest
            Contracts at least; where a floor is set, rows without the number are left out.
        widest
            Most that the ask may lie above the bid, as a fraction of the mid.

        Raises
        ------
        NoQuote
            If nothing is left; the message says which demand left nothing.
        """
        demands = (
            ("can be sold", self.is_sound),
            (f"has a volume of {volume:,}", (volume <= 0) | (self.volume >= volume)),
            (
                f"has an open interest of {open_interest:,}",
                (open_interest <= 0) | (self.open_interest >= open_interest),
            ),
            (f"has a spread of {widest:.0%}", self.ask - self.bid <= widest * self.mid),
        )
        left = np.ones(len(self), bool)
        for told, met in demands:
            left &= met
            if not left.any():
                raise NoQuote(f"{self.symbol}: nothing is left that {told}")
        return self.where(left)

    @property
    def is_sound(self) -> NDArray[np.bool_]:
        """Rows that can be sold: a bid above 0, below the ask; shape (n,)."""
        return (self.bid > 0) & (self.ask > self.bid)

    @property
    def days(self) -> NDArray[np.int64]:
        """Calendar days from the snapshot's date to each row's expiry, shape (n,)."""
        return (self.expiry - np.datetime64(self.as_of.date(), "D")).astype(np.int64)

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
        contract = (
            (self.root, np.int8(self.roots.index(option.root))),
            (self.expiry, np.datetime64(option.expiry, "D")),
            (self.right, np.int8(option.right)),
            (self.strike, float(option.strike)),
        )
        if self.in_order:
            return _place_in_order(contract)
        rows = np.arange(len(self))
        for column, value in reversed(contract):
            rows = rows[column[rows] == value]
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


_COLUMNS = (
    "root", "expiry", "right", "strike", "bid", "ask", "vol", "delta", "volume", "open_interest"
)  # fmt: skip


def _place_in_order(contract: Iterable[tuple[NDArray[Any], Any]]) -> int | None:
    """The row that has each value in its column, by halving; rows lie by these columns."""
    first, stop = 0, -1
    for column, value in contract:
        part = column[first : None if stop < 0 else stop]
        first, stop = (
            first + int(part.searchsorted(value, "left")),
            first + int(part.searchsorted(value, "right")),
        )
    return first if first < stop else None


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
    stands for all. ``flaws`` says of a day's rows at which of them nobody should have traded
    (``quality.day_judged``): what came of it may be told, but no view shows it.
    """

    symbol: str
    sessions: tuple[date, ...]
    chain: Callable[[date], Chain]
    days: NDArray[np.datetime64]
    closes: Floats
    vols: Floats
    dividend_yield: float = 0.0
    yields: Floats | None = None
    flaws: Callable[[date], NDArray[np.bool_]] | None = None

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
