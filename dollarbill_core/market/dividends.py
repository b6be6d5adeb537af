"""Dividends to come: the announced, beyond them last year's again, and what they are worth."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from dollarbill_core.market.carry import CashDividend, Rates, ShareSplit, ex_instant
from dollarbill_core.values.calendars import is_session, next_session, years_between

_YEAR_OF_WEEKS = timedelta(weeks=52)
_PATTERN = timedelta(days=350)  # before the latest ex-date: each season's dividend once
_STOPPED = timedelta(days=396)  # 13 months without an ex-date


@dataclass(frozen=True, slots=True)
class ProjectedDividend(CashDividend):
    """A dividend that nobody has announced: that of a year before, taken to come again."""


def projected_dividends(
    known: Iterable[CashDividend],
    now: date,
    until: date,
    splits: Iterable[ShareSplit] = (),
) -> tuple[CashDividend, ...]:
    """Dividends to come after ``now`` up to ``until``: the announced, then last year's again.

    Beyond the latest ex-date that may be known on ``now``, each dividend of the year that ends
    with it comes again every 52 weeks, at the same dollars, as a ``ProjectedDividend``; on a
    holiday, at the next session. Special ones are not told apart. Where the latest ex-date is
    more than 13 months old nothing is projected: the company has stopped.

    Parameters
    ----------
    known
        Past and announced; what is not known on ``now`` yet is left out.
    now, until
        Ex-dates strictly after the one and not after the other.
    splits
        Of the underlying: what was paid before one is projected in the shares of ``now``.

    Examples
    --------
    >>> past = [CashDividend(date(2025, month, 13), Decimal(month)) for month in (3, 6, 9, 12)]
    >>> for each in projected_dividends(past, date(2026, 1, 5), date(2026, 6, 30)):
    ...     print(type(each).__name__, each.ex_date, each.per_share)
    ProjectedDividend 2026-03-12 3
    ProjectedDividend 2026-06-12 6
    """
    seen = sorted(
        (x for x in known if x.ex_date <= now or x.known_from <= now), key=lambda x: x.ex_date
    )
    announced = tuple(x for x in seen if now < x.ex_date <= until)
    if not seen or seen[-1].ex_date < now - _STOPPED:
        return announced
    latest = seen[-1].ex_date
    pattern = [x for x in seen if x.ex_date > latest - _PATTERN]
    split = [x for x in splits if x.ex_date <= now]
    again = (
        (x.ex_date + count * _YEAR_OF_WEEKS, _in_new_shares(x, split))
        for count in range(1, (until - latest + _PATTERN) // _YEAR_OF_WEEKS + 1)
        for x in pattern
    )
    days = ((_on_a_session(day), dollars) for day, dollars in again if day <= until)
    projected = (ProjectedDividend(day, x) for day, x in days if now < day <= until)
    return announced + tuple(projected)


def _in_new_shares(paid: CashDividend, splits: Iterable[ShareSplit]) -> Decimal:
    """What a dividend was, in dollars per share after these splits."""
    dollars = paid.per_share
    for each in splits:
        if each.ex_date > paid.ex_date:
            dollars = dollars * each.old / each.new
    return dollars


def paid_within(
    dividends: Iterable[CashDividend], now: datetime, years: float
) -> tuple[tuple[float, float], ...]:
    """Years from ``now`` and dollars per share of dividends within ``years``, in order.

    A dividend counts from its ex-date at 09:30: there the price falls, whenever it is paid.

    >>> june = CashDividend(date(2026, 6, 19), Decimal("1.80"))
    >>> paid_within([june], ex_instant(date(2026, 6, 9)), 0.5)  # 10 days / 365
    ((0.0273972602739726, 1.8),)
    """
    paid = ((years_between(now, ex_instant(x.ex_date)), float(x.per_share)) for x in dividends)
    return tuple(x for x in sorted(paid) if 0 < x[0] <= years)


def present_value(
    dividends: Iterable[CashDividend], now: datetime, years: float, rates: Rates
) -> float:
    """What the dividends within ``years`` are worth now, dollars per share.

    >>> june = CashDividend(date(2026, 6, 19), Decimal("1.80"))
    >>> round(present_value([june], ex_instant(date(2026, 6, 9)), 0.5, Rates(0.05)), 5)
    1.79754
    """
    paid = paid_within(dividends, now, years)
    return math.fsum(dollars * rates.discount(when) for when, dollars in paid)


def _on_a_session(day: date) -> date:
    return day if is_session(day) else next_session(day)
