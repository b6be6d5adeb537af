"""What expiry and exercise do to a book: settlement in cash, delivery of shares, dividends.

First form: settlement at expiry and dividends on shares held. Early exercise, pin risk and AM
prints come with the full rules.
"""

from decimal import Decimal

from dollarbill_core.market.view import View
from dollarbill_core.values.book import (
    Assignment,
    Book,
    Dividend,
    Event,
    Exercise,
    Expiry,
)
from dollarbill_core.values.calendars import expiry_instant
from dollarbill_core.values.contracts import Leg, Option, Settlement, Stock

# In the money by this much, an option is exercised unless its holder says otherwise.
# Source: OCC Rule 805(d)(2), exercise by exception, threshold of $.01 since 2008-06.
EXERCISE_THRESHOLD = Decimal("0.01")


def settlement(book: Book, view: View) -> tuple[Event, ...]:
    """The events of every held option whose settlement instant has come, in book order.

    All legs of an underlying settle against one price, the view's spot. Cash-settled options
    pay their intrinsic value; others in the money by ``EXERCISE_THRESHOLD`` or more turn into
    shares at the strike; the rest lapse.

    Raises
    ------
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
    value = option.intrinsic(view.spot(option.underlying))
    if option.settlement is Settlement.CASH:
        return Expiry(view.now, trade, option, leg.quantity, value)
    if value < EXERCISE_THRESHOLD:
        return Expiry(view.now, trade, option, leg.quantity)
    if leg.direction.is_short:
        return Assignment(view.now, trade, option, -leg.quantity)
    return Exercise(view.now, trade, option, leg.quantity)


def dividends_due(book: Book, view: View) -> tuple[Dividend, ...]:
    """What the shares held at the previous close receive, or owe, on this ex-date."""
    return tuple(
        Dividend(view.now, position.instrument, position.quantity, dividend.per_share)
        for position in book.positions
        if isinstance(position.instrument, Stock)
        for dividend in view.dividends.get(position.instrument.symbol, ())
        if dividend.ex_date == view.today
    )
