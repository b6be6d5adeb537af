"""What expiry and exercise do to a book: settlement in cash, delivery of shares, dividends.

First form: settlement at expiry and dividends on shares held. Early exercise, pin risk and AM
prints come with the full rules.
"""

from datetime import date
from decimal import Decimal

from dollarbill_core.market.chains import NoQuote
from dollarbill_core.market.view import View
from dollarbill_core.values.book import (
    Assignment,
    Book,
    Dividend,
    Event,
    Exercise,
    Expiry,
)
from dollarbill_core.values.calendars import expiry_instant, last_trading_day
from dollarbill_core.values.contracts import (
    Leg,
    Option,
    Settlement,
    Stock,
    dollars_per_share,
)

# In the money by this much, an option is exercised unless its holder says otherwise.
# Source: OCC Rule 805(d)(2), exercise by exception, threshold of $.01 since 2008-06.
EXERCISE_THRESHOLD = Decimal("0.01")


def settlement(book: Book, view: View) -> tuple[Event, ...]:
    """The events of every held option whose settlement instant has come, in book order.

    All legs of one expiry settle against one price, the underlying's close on its last trading
    day: the view's spot when that is today, else that day's close in the history. Cash-settled
    options pay their intrinsic value; others in the money by ``EXERCISE_THRESHOLD`` or more
    turn into shares at the strike; the rest lapse.

    Raises
    ------
    NoQuote
        If the close of an earlier last trading day is not known; no later one stands for it.
    ValueError
        For an AM-settled option: its opening print is not in a view.
    """
    events: list[Event] = []
    for trade_id, leg in _held(book):
        if isinstance(leg.instrument, Option) and expiry_instant(leg.instrument) <= view.now:
            events.append(_settled(trade_id, leg, leg.instrument, view))
    return tuple(events)


def _held(book: Book) -> list[tuple[str, Leg]]:
    """Every leg of every trade, then what positions hold outside any trade."""
    legs = [(trade.id, leg) for trade in book.trades for leg in trade.legs]
    for position in book.positions:
        traded = sum(x.quantity for _, x in legs if x.instrument == position.instrument)
        if position.quantity != traded:
            legs.append(("", Leg(position.instrument, position.quantity - traded)))
    return legs


def _settled(trade: str, leg: Leg, option: Option, view: View) -> Event:
    if option.is_am_settled:
        raise ValueError(f"{option} settles to an opening print, which this view does not hold")
    value = option.intrinsic(_settling_close(option, view))
    if option.settlement is Settlement.CASH:
        return Expiry(view.now, trade, option, leg.quantity, value)
    if value < EXERCISE_THRESHOLD:
        return Expiry(view.now, trade, option, leg.quantity)
    if leg.direction.is_short:
        return Assignment(view.now, trade, option, -leg.quantity)
    return Exercise(view.now, trade, option, leg.quantity)


def _settling_close(option: Option, view: View) -> Decimal:
    """Dollars per share of the underlying at the close that decides ``option``."""
    day = last_trading_day(option.expiry)
    if day == view.today:
        return view.spot(option.underlying)
    history = view.history.get(option.underlying)
    close = None if history is None else history.close_on(day)
    if close is None:
        raise NoQuote(f"{option} settles at the close of {day}, which is not known")
    return dollars_per_share(close)


def dividends_due(book: Book, view: View) -> tuple[Dividend, ...]:
    """What the shares of a book receive, or owe, for ex-dates since its last event.

    Every ex-date after the day of that event counts, up to today's: one that fell on a day
    without quotes is paid at the next, and none is paid twice. A book without events is held
    since the previous close.
    """
    return tuple(
        Dividend(view.now, position.instrument, position.quantity, dividend.per_share)
        for position in book.positions
        if isinstance(position.instrument, Stock)
        for dividend in view.dividends.get(position.instrument.symbol, ())
        if _is_new(dividend.ex_date, book, view)
    )


def _is_new(ex_date: date, book: Book, view: View) -> bool:
    if book.as_of is None:
        return ex_date == view.today
    return book.as_of.astimezone(view.now.tzinfo).date() < ex_date <= view.today
