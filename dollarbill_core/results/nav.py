"""What the account is worth each day, and the independent replay that proves it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from dollarbill_core.market.view import View
from dollarbill_core.rules.accounts import REG_T, Account
from dollarbill_core.rules.margin import NotAllowed, excess, requirement
from dollarbill_core.values.book import (
    Assignment,
    Book,
    Dividend,
    Event,
    Exercise,
    Expiry,
    Fee,
    Fill,
    Flow,
    Interest,
    Split,
)
from dollarbill_core.values.contracts import Instrument, Leg, Legs, Option, Right, Stock
from dollarbill_core.values.orders import Reason

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Mark:
    """One held instrument at one close: signed quantity, dollars per share, who says so."""

    instrument: Instrument
    quantity: int
    price: Decimal
    modelled: bool = False

    @property
    def value(self) -> Decimal:
        """Signed dollars."""
        return self.quantity * self.instrument.multiplier * self.price


@dataclass(frozen=True, slots=True)
class NavLine:
    """One session's close: cash + marks = NAV, and the margin that stood against it.

    ``free`` is what is left above the maintenance requirement; negative is a margin call.
    """

    day: date
    cash: Decimal
    marks: tuple[Mark, ...]
    maintenance: Decimal
    free: Decimal
    events: int

    @property
    def market_value(self) -> Decimal:
        return sum((mark.value for mark in self.marks), ZERO)

    @property
    def nav(self) -> Decimal:
        return self.cash + self.market_value


def nav_line(book: Book, view: View, account: Account, events: int) -> NavLine:
    """A close: each holding marked, the requirement, and how many events stand behind it.

    An assignment may leave what the account forbids, such as short shares in a cash account;
    until they are closed they are marked as well, and ask what Reg T asks.
    """
    marks = tuple(
        Mark(p.instrument, p.quantity, view.mark(p.instrument), view.is_modelled(p.instrument))
        for p in book.positions
    )
    try:
        required = requirement(book, view, account)
    except NotAllowed:
        required = requirement(book, view, REG_T)
    free = excess(book, view, required)
    return NavLine(view.today, book.cash, marks, required.maintenance, free, events)


def held_at_closes(lines: Iterable[NavLine]) -> tuple[tuple[date, Legs], ...]:
    """What stood at each close, by day."""
    return tuple(
        (line.day, tuple(Leg(mark.instrument, mark.quantity) for mark in line.marks))
        for line in lines
    )


@dataclass(frozen=True, slots=True)
class ClosedTrade:
    """One trade from its first event to its last; dollars, ``profit`` net of its fees."""

    id: str
    underlying: str
    legs: Legs
    opened: date
    closed: date
    credit: Decimal
    profit: Decimal
    fees: Decimal
    reason: Reason
    assigned: bool

    @property
    def days(self) -> int:
        """Calendar days held."""
        return (self.closed - self.opened).days

    @property
    def kept(self) -> float:
        """Profit as a fraction of the credit received."""
        return float(self.profit / self.credit) if self.credit else float("nan")


def closed_trades(events: Iterable[Event]) -> tuple[ClosedTrade, ...]:
    """Every trade that was opened and closed within these events, by closing date.

    A trade bears the dividends of the shares it holds, and lives on through a split.
    """
    by_trade: dict[str, list[Event]] = defaultdict(list)
    held: dict[str, dict[Instrument, int]] = {}
    for event in events:
        if isinstance(event, Split):
            held = {trade: renamed(left, event) for trade, left in held.items()}
        elif isinstance(event, Dividend):
            for trade, left in held.items():
                if shares := left.get(event.stock, 0):
                    by_trade[trade].append(replace(event, quantity=shares))
        elif trade := getattr(event, "trade", ""):
            by_trade[trade].append(event)
            left = held.setdefault(trade, {})
            for instrument, quantity in plain_effect(event)[1]:
                left[instrument] = left.get(instrument, 0) + quantity
    flat = (trade for trade, left in held.items() if not any(left.values()))
    closed = (_closed(trade, by_trade[trade]) for trade in flat)
    return tuple(sorted(closed, key=lambda trade: (trade.closed, trade.id)))


def _closed(trade: str, events: Sequence[Event]) -> ClosedTrade:
    fills = [event for event in events if isinstance(event, Fill)]
    opening = [fill for fill in fills if fill.at == fills[0].at]
    last = [event for event in events if not isinstance(event, Fee)][-1]
    return ClosedTrade(
        id=trade,
        underlying=opening[0].instrument.underlying,
        legs=Book().after_all(opening).trades[0].legs,
        opened=opening[0].at.date(),
        closed=last.at.date(),
        credit=sum((fill.cash for fill in opening), ZERO),
        profit=sum((event.cash for event in events), ZERO),
        fees=sum((event.amount for event in events if isinstance(event, Fee)), ZERO),
        reason=_reason(last),
        assigned=any(isinstance(event, Assignment) for event in events),
    )


def _reason(last: Event) -> Reason:
    if isinstance(last, Fill):
        return Reason(last.reason or Reason.MANUAL)
    return Reason.EXPIRED if isinstance(last, Expiry) else Reason.ASSIGNED


def plain_effect(event: Event) -> tuple[Decimal, tuple[tuple[Instrument, int], ...]]:
    """Cash and quantities that an event moves, from its raw fields alone.

    The plain twin of ``Book.after``: it shares no arithmetic with it, so that each checks the
    other. Splits move nothing; they change what a holding is called (``renamed``).

    >>> from datetime import UTC, datetime
    >>> put = Option.from_occ("SPY261218P00600000")
    >>> plain_effect(Fill(datetime(2026, 11, 2, tzinfo=UTC), "t", put, -1, Decimal("5.10")))[0]
    Decimal('510.00')
    """
    match event:
        case Fill(instrument=Option() as option, quantity=count, price=price):
            return Decimal(-100) * count * price, ((option, count),)
        case Fill(instrument=Stock() as stock, quantity=count, price=price):
            return -(price * count), ((stock, count),)
        case Expiry(option=option, quantity=count, value=value):
            return value * count * 100, ((option, -count),)
        case Assignment(option=option, quantity=count):
            shares = 100 * count if option.right is Right.PUT else -100 * count
            return -option.strike * shares, (
                (option, count),
                (Stock(option.underlying), shares),
            )
        case Exercise(option=option, quantity=count):
            shares = 100 * count if option.right is Right.CALL else -100 * count
            return -option.strike * shares, (
                (option, -count),
                (Stock(option.underlying), shares),
            )
        case Dividend(quantity=count, per_share=dollars):
            return dollars * count, ()
        case Interest(amount=dollars) | Flow(amount=dollars):
            return dollars, ()
        case Fee(amount=dollars):
            return ZERO - dollars, ()
        case Split():
            raise ValueError("a split moves neither cash nor quantities: see renamed")
        case _:
            raise TypeError(f"not an event: {event!r}")


def renamed(held: Mapping[Instrument, int], split: Split) -> dict[Instrument, int]:
    """What is held once a split has multiplied it: shares, and contracts at a smaller strike.

    >>> from datetime import UTC, datetime
    >>> sold = {Option.from_occ("AAPL140621C00645000"): -1}
    >>> at = datetime(2014, 6, 9, tzinfo=UTC)
    >>> [(str(x), n) for x, n in renamed(sold, Split(at, Stock("AAPL"), 7)).items()]
    [('AAPL 2014-06-21 92.14 CALL', -7)]
    """
    found: dict[Instrument, int] = defaultdict(int)
    for each, quantity in held.items():
        if each.underlying != split.stock.symbol:
            found[each] += quantity
        elif isinstance(each, Option):
            strike = (each.strike * 100 / split.new + Decimal("0.5")) // 1 / 100  # in cents
            found[replace(each, strike=strike)] += quantity * split.new
        else:
            found[each] += quantity * split.new // split.old
    return found


@dataclass(frozen=True, slots=True)
class Break:
    """One difference that a reconciliation found."""

    day: date
    what: str
    recorded: str
    replayed: str


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The replay of raw events against the recorded days: how much was checked, what broke."""

    days: int
    events: int
    breaks: tuple[Break, ...]

    @property
    def is_clean(self) -> bool:
        return not self.breaks

    def __str__(self) -> str:
        verdict = "no difference" if self.is_clean else f"{len(self.breaks)} DIFFERENCES"
        return f"{self.events:,} events replayed against {self.days:,} closes: {verdict}"


def reconciliation(
    events: Sequence[Event], lines: Sequence[NavLine], opening: Book
) -> Reconciliation:
    """Replay raw events from an opening book and compare cash, positions and NAV each day."""
    cash = opening.cash
    held: dict[Instrument, int] = defaultdict(int)
    held.update({p.instrument: p.quantity for p in opening.positions})
    breaks: list[Break] = []
    done = 0
    for line in lines:
        while done < len(events) and done < line.events:
            event = events[done]
            if isinstance(event, Split):
                held = renamed(held, event)
            else:
                moved, quantities = plain_effect(event)
                cash += moved
                for instrument, quantity in quantities:
                    held[instrument] += quantity
            done += 1
        breaks += _differences(line, cash, {k: v for k, v in held.items() if v})
    if done != len(events):
        breaks.append(_late(lines, len(events) - done))
    return Reconciliation(len(lines), done, tuple(breaks))


def _late(lines: Sequence[NavLine], count: int) -> Break:
    day = lines[-1].day if lines else date.min
    return Break(day, "events after the last close", "0", str(count))


def _differences(line: NavLine, cash: Decimal, held: dict[Instrument, int]) -> list[Break]:
    marked = {mark.instrument: mark.quantity for mark in line.marks}
    prices = {mark.instrument: mark.price for mark in line.marks}
    found = []
    if cash != line.cash:
        found.append(Break(line.day, "cash", str(line.cash), str(cash)))
    if held != marked:
        found.append(Break(line.day, "positions", _named(marked), _named(held)))
    elif cash + _worth(held, prices) != line.nav:
        found.append(Break(line.day, "NAV", str(line.nav), str(cash + _worth(held, prices))))
    return found


def _worth(held: dict[Instrument, int], prices: dict[Instrument, Decimal]) -> Decimal:
    total = ZERO
    for instrument, quantity in held.items():
        lot = 100 if isinstance(instrument, Option) else 1
        total += prices[instrument] * lot * quantity
    return total


def _named(held: dict[Instrument, int]) -> str:
    return ", ".join(
        f"{quantity:+d} {name}" for name, quantity in sorted(held.items(), key=str)
    )
