"""What money, dividends and stock loans cost: interest rates by date, dividends, yields."""

import math
from bisect import bisect_right
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal

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


@dataclass(frozen=True, slots=True)
class Rates:
    """Interest as known at one instant: continuously compounded, per year.

    First form: one flat rate for every term; the discount curve by date comes with the rest of
    the market data.
    """

    flat: float = 0.0

    def continuous(self, years: float) -> float:
        """The rate for money lent from now for ``years``, per year, continuously compounded."""
        if math.isnan(years):
            raise ValueError("years must not be NaN")
        return self.flat


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
