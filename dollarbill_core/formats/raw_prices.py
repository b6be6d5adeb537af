"""Prices as they were traded, from prices that were adjusted for later dividends and splits."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction

from dollarbill_core.formats.cells import shortest_decimal, shortest_fraction
from dollarbill_core.formats.rows import DailyPrice

# From this day on stocks are priced in cents; before, in sixty-fourths at the finest. Source:
# SEC, order on decimal pricing, 2000-06-08: all stocks by 2001-04-09.
IN_CENTS_FROM = date(2001, 4, 9)

_CENT = Fraction(1, 100)
_SIXTY_FOURTH = Fraction(1, 64)
_DOUBT = 0.002  # dollars: five years of dividends leave an error below half of it
_MOST_MISSES = 0.005  # of the rows
_SPLIT_DOUBT = Fraction(5, 10_000_000)
_DIVIDEND_DOUBT = Decimal("0.0000005")  # six decimals are given


class NotRaw(ValueError):
    """Closes that cannot be what was traded, even after the adjustment is taken out."""


@dataclass(frozen=True, slots=True)
class AdjustedPrice:
    """A day's prices in today's shares, and what went ex on it; dollars per share of today."""

    day: date
    open: float
    high: float
    low: float
    close: float
    volume: int | None
    dividend: Decimal
    split: Decimal


@dataclass(frozen=True, slots=True)
class _Adjustment:
    """What a day's raw prices were multiplied and divided by."""

    dividends: float = 1.0  # the share of the price that later dividends leave
    shares: Fraction = Fraction(1)  # today's shares for one of that day

    def raw(self, price: float) -> float:
        return price / self.dividends * float(self.shares)


def raw_prices(
    prices: Sequence[AdjustedPrice], *, with_dividends: bool
) -> tuple[list[DailyPrice], list[tuple[date, str]]]:
    """The prices as traded, in order of day, and the days refused, with the reason.

    Adjusted closes follow from the raw ones by ``factor = next day's factor x (1 - dividend /
    close)`` whenever the next day is an ex-date, from 1 on the last day. So on the eve of an
    ex-date ``close = adjusted / next day's factor + dividend``, which is exact to a cent, and
    the factor follows; on other days ``close = adjusted / factor``. What was divided by a later
    split is multiplied by it, dividends too.

    The result proves itself: what was traded is whole cents (sixty-fourths until 2001). A day
    that is not within 0.002 dollars of one is refused.

    Parameters
    ----------
    prices
        Every day of the file in order, up to today: prices are adjusted to its last day.
    with_dividends
        Whether prices are adjusted for dividends, or for splits alone.

    Raises
    ------
    NotRaw
        If more than one day in two hundred is refused, or a dividend exceeds the close.
    """
    days, refused = [], []
    for price, adjustment, ex in _adjustments(prices, with_dividends):
        close = adjustment.raw(price.close)
        if abs(close - _traded(close, price.day)) > _DOUBT:
            refused.append((price.day, f"close {close:.4f} is not of whole cents"))
            continue
        try:
            days.append(_daily(price, adjustment, ex))
        except ValueError as error:
            refused.append((price.day, str(error)))
    if len(refused) > _MOST_MISSES * len(prices):
        raise NotRaw(f"{len(refused)} days, as on {refused[-1][0]}: {refused[-1][1]}")
    return days[::-1], refused[::-1]


def _adjustments(
    prices: Sequence[AdjustedPrice], with_dividends: bool
) -> Iterator[tuple[AdjustedPrice, _Adjustment, Fraction]]:
    """Each day from the last to the first, its adjustment, and the split going ex on it."""
    now = _Adjustment()
    for place in range(len(prices) - 1, -1, -1):
        price = prices[place]
        split = _split(price.split)
        yield price, now, split
        if place:
            eve = prices[place - 1]
            paid = float(price.dividend) if with_dividends else 0.0
            shares = now.shares * split
            close = (eve.close / now.dividends + paid) * float(shares)
            now = _Adjustment(
                now.dividends * _left(paid * float(shares), _traded(close, eve.day), price.day),
                shares,
            )


def _left(paid: float, close: float, ex: date) -> float:
    """The share of the close that a dividend leaves."""
    if paid >= close:
        raise NotRaw(f"the dividend of {ex} is not below the close before it")
    return 1 - paid / close


def _split(factor: Decimal) -> Fraction:
    """New shares for each old one; 1 where none went ex."""
    if not factor:
        return Fraction(1)
    exact = Fraction(factor)
    return shortest_fraction(exact - _SPLIT_DOUBT, exact + _SPLIT_DOUBT)


def _traded(price: float, on: date) -> float:
    """The nearest price that can have been traded."""
    cents = float(round(Fraction(price) / _CENT) * _CENT)
    if on >= IN_CENTS_FROM:
        return cents
    fractions = float(round(Fraction(price) / _SIXTY_FOURTH) * _SIXTY_FOURTH)
    return min(cents, fractions, key=lambda each: abs(each - price))


def _daily(price: AdjustedPrice, adjustment: _Adjustment, split: Fraction) -> DailyPrice:
    new, old = (None, None) if split == 1 else split.as_integer_ratio()
    volume = price.volume
    return DailyPrice(
        price.day,
        close=_exact(adjustment.raw(price.close), price.day),
        open=_exact(adjustment.raw(price.open), price.day),
        high=_exact(adjustment.raw(price.high), price.day),
        low=_exact(adjustment.raw(price.low), price.day),
        volume=None if volume is None else round(volume / adjustment.shares),
        dividend=_paid(price.dividend, adjustment.shares),
        split_new=new,
        split_old=old,
    )


def _exact(price: float, on: date) -> Decimal:
    """What was traded; four decimals where that is finer than the exchange's ticks."""
    traded = _traded(price, on)
    near = abs(price - traded) <= _DOUBT
    return round(Decimal(traded), 6) if near else round(Decimal(price), 4)


def _paid(dividend: Decimal, shares: Fraction) -> Decimal | None:
    """Dollars per share of the ex-date: with the fewest decimals, where splits came later."""
    if not dividend or shares == 1:
        return dividend or None
    times = Decimal(shares.numerator) / shares.denominator
    return shortest_decimal(
        (dividend - _DIVIDEND_DOUBT) * times, (dividend + _DIVIDEND_DOUBT) * times
    )
