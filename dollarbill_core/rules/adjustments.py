"""What corporate actions do to a book: dividends, splits, and contracts they make non-standard.

Whole splits (7 for 1) divide strikes and multiply contracts, which `Book.after` does. Reverse
and odd splits and special dividends leave contracts that deliver something else, under a root
with a digit (SPY1). We neither trade nor guess those: a person books them by hand.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from dollarbill_core.market.carry import CashDividend, ShareSplit, ex_instant
from dollarbill_core.market.view import View
from dollarbill_core.values.book import Book, Dividend, Split
from dollarbill_core.values.contracts import (
    STANDARD_MULTIPLIER,
    Instrument,
    Option,
    Stock,
)

Action = CashDividend | ShareSplit


@dataclass(frozen=True, slots=True)
class Deliverable:
    """What one contract delivers: shares of its underlying, and dollars beside them.

    The exercise price is paid on the multiplier, whatever is delivered.
    Source: OCC By-Laws, Article VI, Section 11A, as brokers describe it, read 2026-11.

    A contract struck at 50 that delivers 97 shares and 14.50:

    >>> odd = Deliverable(97, Decimal("14.50"))
    >>> odd.is_standard, odd.shares, odd.exercise_cash(Decimal(50))
    (False, 97, Decimal('5000'))
    """

    shares: int = STANDARD_MULTIPLIER
    cash: Decimal = Decimal(0)
    multiplier: int = STANDARD_MULTIPLIER

    @property
    def is_standard(self) -> bool:
        return self == STANDARD

    def exercise_cash(self, strike: Decimal) -> Decimal:
        """Dollars that change hands for one contract."""
        return strike * self.multiplier


STANDARD = Deliverable()


def why_not_standard(instrument: Instrument, deliverable: Deliverable = STANDARD) -> str:
    """Why an instrument is refused for trading, in one line; empty for a standard one.

    By its root, or by what the broker says it delivers.

    >>> why_not_standard(Option.from_occ("SPY1261218P00600000"))
    'SPY1 2026-12-18 600 PUT has a non-standard deliverable (an adjusted root): not traded'
    """
    if not isinstance(instrument, Option):
        return ""
    if instrument.is_adjusted:
        return f"{instrument} has a non-standard deliverable (an adjusted root): not traded"
    if deliverable.is_standard:
        return ""
    beside = f" and {deliverable.cash} dollars" if deliverable.cash else ""
    return (
        f"{instrument} has a non-standard deliverable ({deliverable.shares} shares{beside}, "
        f"multiplier {deliverable.multiplier}): not traded"
    )


def events_at_open(book: Book, view: View) -> tuple[Split | Dividend, ...]:
    """The splits and dividends of what a book holds, for ex-dates since its last event.

    The public order of a morning, a broker's part: by ex-date, and on one date splits first, so
    that a dividend is paid on the shares there are by then. Shares held receive it, short ones
    owe it. Every ex-date whose session opened after the book's last event counts, up to
    today's: one that fell on a day without quotes is met at the next, and none is met twice. A
    book without events is held since the previous close. What is announced for later waits.

    Raises
    ------
    WrongEvent
        For a split that leaves a non-standard deliverable or part of a share: book by hand what
        the broker reports.
    """
    listed: list[tuple[str, Action]] = []
    listed += [(symbol, each) for symbol, known in view.splits.items() for each in known]
    listed += [(symbol, each) for symbol, known in view.dividends.items() for each in known]
    due = [each for each in listed if _is_due(each[1].ex_date, book, view)]
    events: list[Split | Dividend] = []
    for symbol, action in sorted(due, key=_place):
        happened = _event(Stock(symbol), action, book, view.now)
        events += happened
        book = book.after_all(happened)
    return tuple(events)


def _event(
    stock: Stock, action: Action, book: Book, now: datetime
) -> tuple[Split | Dividend, ...]:
    """The one event, or none where the book holds nothing that it concerns."""
    if isinstance(action, CashDividend):
        shares = book.quantity(stock)
        return (Dividend(now, stock, shares, action.per_share),) if shares else ()
    held = {position.instrument.underlying for position in book.positions}
    traded = {trade.underlying for trade in book.trades}  # may be what a loose holding cancels
    is_held = stock.symbol in held | traded
    return (Split(now, stock, action.new, action.old),) if is_held else ()


def _place(due: tuple[str, Action]) -> tuple[date, bool, str]:
    symbol, action = due
    return action.ex_date, isinstance(action, CashDividend), symbol


def _is_due(ex_date: date, book: Book, view: View) -> bool:
    if book.as_of is None:
        return ex_date == view.today
    return book.as_of < ex_instant(ex_date) <= view.now
