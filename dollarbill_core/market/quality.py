"""How good quotes are, by day and by period: faults counted, a score from 0 to 1, coverage.

A day's score asks what a seller of premium could rely on::

    score = (1 - grave rows / rows to sell) x (1 - cost) for each fault of the whole day

Rows to sell are those with a bid, and those that lack one though an option worth less has it.
Grave is what makes such a row unusable or untrue (``faults.GRAVE``), each row once however many
faults it has. Far strikes without a bid describe the market, and a vendor's vol is not used:
neither costs anything. A fault of the whole day takes a share of what is left
(``faults.DAY_COST``): all of it where nobody could have traded, or strikes and spot are not of
the same shares; half where the spot is wrong; a quarter where strikes are missing.

20 quotes with a bid, 17 of them crossed and one locked, score (1 - 18 / 20) = 0.10; with an
asynchronous spot as well, half of that.

A period's score is the mean of the days that have a chain; ``coverage`` says how many do.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dollarbill_core.market.carry import Rates, policy_rates
from dollarbill_core.market.chains import Chain, Floats
from dollarbill_core.market.day_faults import day_faults
from dollarbill_core.market.faults import DAY_COST, GRAVE
from dollarbill_core.market.faults import Fault as Fault
from dollarbill_core.market.ladders import Booleans
from dollarbill_core.market.row_faults import matched, row_faults, studied

_WORST_DAYS = 3  # named in sentences


@dataclass(frozen=True, slots=True)
class DayQuality:
    """What is wrong with one day's chain.

    Attributes
    ----------
    day, rows
        The session, and how many contracts it quotes.
    counts
        Rows with each fault; 1 for a fault of the whole day. Faults not found are left out.
    score
        0 to 1: the share of rows bid for that are free of grave faults, less what faults of
        the whole day take (``faults.DAY_COST``).
    """

    day: date
    rows: int
    counts: Mapping[Fault, int]
    score: float

    def __post_init__(self) -> None:
        if not 0 <= self.score <= 1:
            raise ValueError(f"a score lies from 0 to 1, got {self.score} on {self.day}")
        if self.rows < 0 or any(count < 0 for count in self.counts.values()):
            raise ValueError(f"counts are 0 or more, got {dict(self.counts)} on {self.day}")
        found = {fault: self.counts[fault] for fault in Fault if self.counts.get(fault)}
        object.__setattr__(self, "counts", MappingProxyType(found))

    def __str__(self) -> str:
        told = ", ".join(_counted(fault, count) for fault, count in self.counts.items())
        return f"{self.day} {percent(self.score)}: {told or 'no fault'}"


def day_quality(chain: Chain, previous: Chain | None = None, **known: Any) -> DayQuality:
    """Every check on one day's chain; parameters as of ``day_judged``."""
    return day_judged(chain, previous, **known)[0]


def day_judged(
    chain: Chain,
    previous: Chain | None = None,
    *,
    rates: Rates | None = None,
    dividend_yield: float = 0.0,
    vendor_vol: Floats | None = None,
    is_session: bool = True,
    split: float = 1.0,
) -> tuple[DayQuality, Booleans]:
    """The quality of a day's chain, and which of its rows nobody should trade at; shape (n,).

    Those are the ones with a grave fault, and all rows of a day that is worth nothing.

    Parameters
    ----------
    chain
        The day's quotes.
    previous
        The chain of the day before, for what stands still or is gone.
    rates, dividend_yield
        Per year, continuously compounded, as known on the day; the policy rate without.
    vendor_vol
        The vendor's implied vols, annual, NaN where none is given; shape (n,).
    is_session
        Whether the exchange was open.
    split
        New shares for each old one from the open of this day, 1 for none.
    """
    day = chain.as_of.date()
    if not len(chain):
        nothing = DayQuality(day, 0, {} if is_session else {Fault.HOLIDAY: 1}, 0.0)
        return nothing, np.zeros(0, bool)
    now = studied(chain, policy_rates(day) if rates is None else rates, dividend_yield)
    match = None if previous is None else matched(now, previous)
    masks = row_faults(now, match, vendor_vol)
    found = day_faults(now, match, is_session=is_session, split=split)
    counts = {fault: int(mask.sum()) for fault, mask in masks.items()}
    counts |= dict.fromkeys(found, 1)
    grave = np.logical_or.reduce([masks[fault] for fault in GRAVE & masks.keys()])
    left = math.prod(1 - DAY_COST[fault] for fault in found)
    score = _sound_share(masks, grave) * left
    return DayQuality(day, len(chain), counts, score), grave | (left == 0)


def _sound_share(masks: Mapping[Fault, Booleans], grave: Booleans) -> float:
    """Of the quotes to sell, the share that is free of grave faults; 0 where there is none."""
    to_sell = ~masks[Fault.NO_BID] | masks[Fault.BID_MISSING]
    if not to_sell.any():
        return 0.0
    return 1 - float((grave & to_sell).sum()) / float(to_sell.sum())


def counts_array(quality: DayQuality) -> NDArray[np.int64]:
    """The counts of a day in the order of ``Fault``, shape (faults,), to be stored.

    >>> made = DayQuality(date(2021, 1, 4), 20, {Fault.LOCKED: 1}, 0.95)
    >>> counts_array(made).tolist()[:4]
    [0, 1, 0, 0]
    """
    return np.array([quality.counts.get(fault, 0) for fault in Fault], np.int64)


def day_quality_from(
    day: date, rows: int, counts: NDArray[np.int64], score: float
) -> DayQuality:
    """The way back of ``counts_array``; counts stored before a fault was known lack it.

    >>> day_quality_from(date(2021, 1, 4), 20, np.array([0, 1]), 0.95).counts[Fault.LOCKED]
    1
    """
    found = dict(zip(Fault, counts.tolist(), strict=False))
    return DayQuality(day, rows, found, score)


@dataclass(frozen=True, slots=True)
class Quality:
    """The quality of one symbol's chains over a period.

    Attributes
    ----------
    symbol
        The underlying.
    days
        Every day that has a chain, in order.
    expected
        Every session of the period, in order, whether it has a chain or not.
    """

    symbol: str
    days: tuple[DayQuality, ...]
    expected: tuple[date, ...]

    @property
    def missing(self) -> tuple[date, ...]:
        """Sessions without a chain."""
        there = {each.day for each in self.days}
        return tuple(day for day in self.expected if day not in there)

    @property
    def coverage(self) -> float:
        """Share of the sessions that have a chain, 0 to 1; 0 where none is expected."""
        expected = len(self.expected)
        return (expected - len(self.missing)) / expected if expected else 0.0

    @property
    def score(self) -> float:
        """Mean score of the days that have a chain; NaN where there is none."""
        scores = [each.score for each in self.days]
        return sum(scores) / len(scores) if scores else math.nan

    @property
    def counts(self) -> Mapping[Fault, int]:
        """Rows (or days) with each fault, over the period; faults not found are left out."""
        sums = {f: sum(each.counts.get(f, 0) for each in self.days) for f in Fault}
        return MappingProxyType({fault: count for fault, count in sums.items() if count})

    @property
    def rows(self) -> int:
        """Quotes looked at."""
        return sum(each.rows for each in self.days)

    @property
    def worst(self) -> tuple[DayQuality, ...]:
        """Days whose score is below 1, the lowest first."""
        flawed = [each for each in self.days if each.score < 1]
        return tuple(sorted(flawed, key=lambda each: (each.score, each.day)))

    def sentences(self) -> tuple[str, ...]:
        """Plain lines: coverage and score, the faults, the worst days."""
        if not self.days:
            return (f"{self.symbol}: no chain on any of {len(self.expected)} sessions.",)
        lines = [f"{self.symbol}: {self._covered()}; quality {percent(self.score)}."]
        told = ", ".join(_counted(fault, count) for fault, count in self.counts.items())
        lines.append(f"Of {self.rows:,} quotes: {told or 'no fault'}.")
        if self.worst:
            days = "; ".join(str(each) for each in self.worst[:_WORST_DAYS])
            lines.append(f"Worst days: {days}.")
        return tuple(lines)

    def _covered(self) -> str:
        count, total = len(self.expected) - len(self.missing), len(self.expected)
        lacking = ", ".join(str(day) for day in self.missing[:_WORST_DAYS])
        more = len(self.missing) - _WORST_DAYS
        rest = f" and {more} more" if more > 0 else ""
        gone = f", missing {lacking}{rest}" if lacking else ""
        return f"chains on {count} of {total} sessions ({percent(self.coverage)}){gone}"


def percent(share: float, digits: int = 1) -> str:
    """A share in percent, never rounded up, so that only what is whole is told as a hundred.

    >>> percent(0.5), percent(0.99996), percent(1.0), percent(math.nan)
    ('50.0%', '99.9%', '100.0%', 'n/a')
    """
    if math.isnan(share):
        return "n/a"
    scale: float = 10.0**digits
    return f"{math.floor(100 * share * scale + 1e-9) / scale:.{digits}f}%"


def _counted(fault: Fault, count: int) -> str:
    if fault.is_of_a_day:
        return fault.value if count == 1 else f"{fault.value} on {count} days"
    return f"{count:,} {fault.value}"
