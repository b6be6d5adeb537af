"""What money, dividends and stock loans cost: interest rates by date, dividends, yields."""

import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dollarbill_core.values.calendars import MARKET_ZONE, next_session

# Notice of a dividend or a split is given no later than this before its record date. Source:
# SEC Rule 10b-17(b)(1), 17 CFR 240.10b-17, in force since 1971-07-12, read 2026-11. It exempts
# redeemable shares of open-end funds and unit trusts; for ETFs the same is assumed here.
NOTICE = timedelta(days=10)

# Sessions from an ex-date to its record date, by the first ex-date: trades of the day before
# it settle on the record date. Source: SEC Rule 15c6-1 (three days from 1995-06-07, two
# from 2017-09-05, one from 2024-05-28) and the five days customary before it.
_SESSIONS_TO_RECORD = (
    (date.min, 4),
    (date(1995, 6, 7), 2),
    (date(2017, 9, 5), 1),
    (date(2024, 5, 28), 0),
)

STALE_DAYS = 10  # calendar days: a rate older than this is not known any more


@dataclass(frozen=True, slots=True)
class Rates:
    """Interest as known at one instant: one rate, or a curve; continuously compounded, a year.

    Attributes
    ----------
    flat
        The rate of every term; of a curve, that of its shortest term.
    years, rates
        The curve: terms above 0 that grow, in years of 365 days, and the rate of each.

    Raises
    ------
    ValueError
        For terms that do not grow from above 0, or a rate that is missing or no number.

    Examples
    --------
    >>> Rates(0.04).continuous(2.0)
    0.04
    >>> Rates(years=(0.25, 1.0), rates=(0.05, 0.04)).flat
    0.05
    """

    flat: float = 0.0
    years: tuple[float, ...] = ()
    rates: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if len(self.years) != len(self.rates):
            raise ValueError(f"{len(self.years)} terms cannot have {len(self.rates)} rates")
        if not all(map(math.isfinite, (self.flat, *self.rates))):
            raise ValueError(f"a rate must be a number, got {(self.flat, *self.rates)}")
        steps = zip((0.0, *self.years), self.years, strict=False)
        if not all(before < after < math.inf for before, after in steps):
            raise ValueError(f"terms must grow from above 0 years, got {self.years}")
        if self.rates:
            if self.flat not in (0.0, self.rates[0]):
                raise ValueError(f"a curve has no flat rate beside it, got {self.flat}")
            object.__setattr__(self, "flat", self.rates[0])

    def continuous(self, years: float) -> float:
        """The rate for money lent from now for ``years``, per year, continuously compounded.

        Between two terms rate times years is a straight line, so the rate is constant from one
        to the other; before the first and after the last term it stays as it is there.

        >>> curve = Rates(years=(0.5, 1.0), rates=(0.04, 0.05))
        >>> round(curve.continuous(0.75), 6)  # (0.02 + 0.05) / 2 / 0.75
        0.046667
        """
        if math.isnan(years):
            raise ValueError("years must not be NaN")
        after = bisect_right(self.years, years)
        if not after:
            return self.flat
        if after == len(self.years):
            return self.rates[-1]
        (t1, t2), (r1, r2) = (
            self.years[after - 1 : after + 1],
            self.rates[after - 1 : after + 1],
        )
        share = (years - t1) / (t2 - t1)
        return (r1 * t1 * (1 - share) + r2 * t2 * share) / years

    def discount(self, years: float) -> float:
        """What a dollar paid in ``years`` is worth now: ``exp(-rate years)``.

        >>> round(Rates(0.04).discount(0.5), 6)  # e^-.02
        0.980199
        """
        return math.exp(-self.continuous(years) * years)


def ex_instant(ex_date: date) -> datetime:
    """From when shares trade without what goes ex on ``ex_date``: 09:30 in New York."""
    return datetime.combine(ex_date, time(9, 30), MARKET_ZONE)


def record_date(ex_date: date) -> date:
    """The day on which who holds the shares is written down, by the settlement of its time.

    >>> record_date(date(2021, 3, 19)).isoformat(), record_date(date(2026, 3, 20)).isoformat()
    ('2021-03-22', '2026-03-20')
    """
    later = max(row for row in _SESSIONS_TO_RECORD if row[0] <= ex_date)[1]
    return next_session(ex_date, later) if later else ex_date


@dataclass(frozen=True, slots=True)
class CashDividend:
    """Dollars per share to holders at the close before ``ex_date``; ``declared`` if known.

    Raises ValueError if it pays nothing or is declared after its ex-date.

    >>> CashDividend(date(2026, 12, 18), Decimal("1.90")).known_from.isoformat()
    '2026-12-08'
    """

    ex_date: date
    per_share: Decimal
    declared: date | None = None

    def __post_init__(self) -> None:
        if not self.per_share > 0:
            raise ValueError(f"a dividend is above 0, got {self.per_share} on {self.ex_date}")
        _demand_declared_before(self.ex_date, self.declared)

    @property
    def known_from(self) -> date:
        """The day it was declared, else the last on which the law lets it be announced."""
        return self.declared or record_date(self.ex_date) - NOTICE


@dataclass(frozen=True, slots=True)
class ShareSplit:
    """``new`` shares for each ``old`` one from the open of ``ex_date``."""

    ex_date: date
    new: int
    old: int = 1
    declared: date | None = None

    def __post_init__(self) -> None:
        if self.new < 1 or self.old < 1 or self.new == self.old:
            raise ValueError(f"a split is of two whole numbers, got {self.new}:{self.old}")
        _demand_declared_before(self.ex_date, self.declared)

    @property
    def known_from(self) -> date:
        """The day it was declared, else the last on which the law lets it be announced."""
        return self.declared or record_date(self.ex_date) - NOTICE


def _demand_declared_before(ex_date: date, declared: date | None) -> None:
    if declared is not None and declared > ex_date:
        raise ValueError(f"declared on {declared}, after the ex-date of {ex_date}")


# Target federal funds rate, per cent a year: the rate, or the middle of the range since
# 2008-12-16, from the day it was decided. Source: Board of Governors of the Federal Reserve
# System, "Open Market Operations" and its archive of intended rate changes, read 2026-11. A
# change is known on its day, so a chain of that day may use it; annual averages look ahead.
FED_FUNDS_TARGET = """
1989-12-20 8.25  1990-07-13 8.00  1990-10-29 7.75  1990-11-14 7.50  1990-12-07 7.25
1990-12-19 7.00  1991-01-09 6.75  1991-02-01 6.25  1991-03-08 6.00  1991-04-30 5.75
1991-08-06 5.50  1991-09-13 5.25  1991-10-31 5.00  1991-11-06 4.75  1991-12-06 4.50
1991-12-20 4.00  1992-04-09 3.75  1992-07-02 3.25  1992-09-04 3.00  1994-02-04 3.25
1994-03-22 3.50  1994-04-18 3.75  1994-05-17 4.25  1994-08-16 4.75  1994-11-15 5.50
1995-02-01 6.00  1995-07-06 5.75  1995-12-19 5.50  1996-01-31 5.25  1997-03-25 5.50
1998-09-29 5.25  1998-10-15 5.00  1998-11-17 4.75  1999-06-30 5.00  1999-08-24 5.25
1999-11-16 5.50  2000-02-02 5.75  2000-03-21 6.00  2000-05-16 6.50  2001-01-03 6.00
2001-01-31 5.50  2001-03-20 5.00  2001-04-18 4.50  2001-05-15 4.00  2001-06-27 3.75
2001-08-21 3.50  2001-09-17 3.00  2001-10-02 2.50  2001-11-06 2.00  2001-12-11 1.75
2002-11-06 1.25  2003-06-25 1.00  2004-06-30 1.25  2004-08-10 1.50  2004-09-21 1.75
2004-11-10 2.00  2004-12-14 2.25  2005-02-02 2.50  2005-03-22 2.75  2005-05-03 3.00
2005-06-30 3.25  2005-08-09 3.50  2005-09-20 3.75  2005-11-01 4.00  2005-12-13 4.25
2006-01-31 4.50  2006-03-28 4.75  2006-05-10 5.00  2006-06-29 5.25  2007-09-18 4.75
2007-10-31 4.50  2007-12-11 4.25  2008-01-22 3.50  2008-01-30 3.00  2008-03-18 2.25
2008-04-30 2.00  2008-10-08 1.50  2008-10-29 1.00  2008-12-16 0.125 2015-12-16 0.375
2016-12-14 0.625 2017-03-15 0.875 2017-06-14 1.125 2017-12-13 1.375 2018-03-21 1.625
2018-06-13 1.875 2018-09-26 2.125 2018-12-19 2.375 2019-07-31 2.125 2019-09-18 1.875
2019-10-30 1.625 2020-03-03 1.125 2020-03-15 0.125 2022-03-16 0.375 2022-05-04 0.875
2022-06-15 1.625 2022-07-27 2.375 2022-09-21 3.125 2022-11-02 3.875 2022-12-14 4.375
2023-02-01 4.625 2023-03-22 4.875 2023-05-03 5.125 2023-07-26 5.375 2024-09-18 4.875
2024-11-07 4.625 2024-12-18 4.375 2025-09-17 4.125 2025-10-29 3.875 2025-12-10 3.625
""".split()
_CHANGE_DAYS = tuple(date.fromisoformat(day) for day in FED_FUNDS_TARGET[::2])
_TARGETS = tuple(float(percent) / 100 for percent in FED_FUNDS_TARGET[1::2])


def policy_rates(day: date) -> Rates:
    """The target federal funds rate in force on ``day``, continuously compounded.

    The last row stands until the table is extended.

    Raises
    ------
    ValueError
        Before the table's first row.

    Examples
    --------
    The target was 1.375 % a year on 2 January 2018: ln(1.01375) = 0.013656.

    >>> round(policy_rates(date(2018, 1, 2)).flat, 6)
    0.013656
    """
    row = bisect_right(_CHANGE_DAYS, day) - 1
    if row < 0:
        raise ValueError(f"interest rates start on {_CHANGE_DAYS[0]}, asked for {day}")
    return Rates(math.log1p(_TARGETS[row]))


@dataclass(frozen=True, slots=True, eq=False)
class RateHistory:
    """Rates by day; called with a day it gives the curve known at that day's close.

    A day's curve is published after its close, so what is known then is that of the days
    before: of each term the latest rate, at most ``STALE_DAYS`` old. Where no term has one, the
    Federal Reserve's target stands in, and ``sentence`` says so.

    Attributes
    ----------
    days
        Whose market it is, in order; shape (n,), datetime64[D].
    years
        Terms, in order, in years of 365 days; shape (m,).
    table
        Rates, continuously compounded, ACT/365, NaN where there is none; shape (n, m).
    """

    days: NDArray[np.datetime64]
    years: NDArray[np.float64]
    table: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.table.shape != (len(self.days), len(self.years)):
            raise ValueError(
                f"rates of {len(self.days)} days and {len(self.years)} terms are a table of "
                f"that shape, got {self.table.shape}"
            )

    def __call__(self, day: date) -> Rates:
        """The curve known at the close of ``day``, else the target rate of ``policy_rates``."""
        latest = self._latest(day)
        known = np.isfinite(latest)
        if not known.any():
            return policy_rates(day)
        return Rates(
            years=tuple(self.years[known].tolist()), rates=tuple(latest[known].tolist())
        )

    def is_known(self, day: date) -> bool:
        """Whether any rate is known at the close of ``day``."""
        return bool(np.isfinite(self._latest(day)).any())

    def sentence(self, days: Iterable[date]) -> str:
        """What the interest of these days is, for a result's assumptions."""
        known = [self.is_known(day) for day in days]
        text = "Interest is the stored curve of the session before"
        if all(known):
            return f"{text}."
        missing = len(known) - sum(known)
        return f"{text}; on {missing} of {len(known)} days, none, and the Fed's target instead."

    def _latest(self, day: date) -> NDArray[np.float64]:
        """Of each term the last rate before ``day`` that is not stale; NaN without one."""
        today = np.datetime64(day, "D")
        first, stop = np.searchsorted(
            self.days, [today - np.timedelta64(STALE_DAYS, "D"), today]
        )
        latest = np.full(len(self.years), math.nan)
        for row in self.table[first:stop]:
            latest = np.where(np.isfinite(row), row, latest)
        return latest


def rate_history(
    days: NDArray[np.datetime64], terms: NDArray[Any], rates: NDArray[np.float64]
) -> RateHistory:
    """A history from rows: of a day, a term in calendar days and a rate; shape (n,) each.

    Of two rows of one day and term the later stands.

    >>> rows = np.array(["2026-03-02", "2026-03-02"], "M8[D]"), [30, 365], [0.040, 0.042]
    >>> rate_history(*map(np.asarray, rows))(date(2026, 3, 3)).continuous(1.0)
    0.042
    """
    each_day, row = np.unique(np.asarray(days, "datetime64[D]"), return_inverse=True)
    each_term, column = np.unique(np.asarray(terms), return_inverse=True)
    table = np.full((len(each_day), len(each_term)), math.nan)
    table[row, column] = rates
    return RateHistory(each_day, each_term / 365.0, table)
