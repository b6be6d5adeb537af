"""What we own, the events that change it, and the one place where they are accounted.

Signs, said once: quantity + long, - short; cash + received, - paid. A position's value or Greek
is quantity x multiplier x the per-share figure (``Book.total``), so a short's are the long's
inverted; no other code has a sign rule.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import TypeVar

from dollarbill_core.values.contracts import Instrument, Leg, Legs, Option, Stock

Amount = TypeVar("Amount", Decimal, float)
ZERO = Decimal(0)


class WrongEvent(ValueError):
    """An event that cannot have happened to this book: out of order, or to nothing held."""


@dataclass(frozen=True, slots=True)
class Fill:
    """Bought (+) or sold (-) ``quantity`` at ``price`` dollars per share."""

    at: datetime
    trade: str
    instrument: Instrument
    quantity: int
    price: Decimal
    order: str = ""
    reason: str = ""

    @property
    def cash(self) -> Decimal:
        return -self.quantity * self.instrument.multiplier * self.price


@dataclass(frozen=True, slots=True)
class Expiry:
    """An option lapses (value 0) or settles in cash at ``value`` dollars per share.

    ``quantity`` is the signed position that goes: a short pays what its holder receives.
    """

    at: datetime
    trade: str
    option: Option
    quantity: int
    value: Decimal = ZERO

    @property
    def cash(self) -> Decimal:
        return self.quantity * self.option.multiplier * self.value + ZERO  # no minus zero


@dataclass(frozen=True, slots=True)
class Assignment:
    """``quantity`` > 0 short contracts are assigned: shares change hands at the strike."""

    at: datetime
    trade: str
    option: Option
    quantity: int

    @property
    def shares(self) -> int:
        """Shares received (+) or delivered (-): a put's writer buys, a call's writer sells."""
        return -self.option.right * self.quantity * self.option.multiplier

    @property
    def cash(self) -> Decimal:
        return -self.shares * self.option.strike


@dataclass(frozen=True, slots=True)
class Exercise:
    """``quantity`` > 0 long contracts are exercised: shares change hands at the strike."""

    at: datetime
    trade: str
    option: Option
    quantity: int

    @property
    def shares(self) -> int:
        return self.option.right * self.quantity * self.option.multiplier

    @property
    def cash(self) -> Decimal:
        return -self.shares * self.option.strike


@dataclass(frozen=True, slots=True)
class Dividend:
    """``per_share`` dollars on ``quantity`` shares; a short pays it."""

    at: datetime
    stock: Stock
    quantity: int
    per_share: Decimal

    @property
    def cash(self) -> Decimal:
        return self.quantity * self.per_share


@dataclass(frozen=True, slots=True)
class Interest:
    """Dollars received (+) or paid (-) on cash."""

    at: datetime
    amount: Decimal

    @property
    def cash(self) -> Decimal:
        return self.amount


@dataclass(frozen=True, slots=True)
class Fee:
    """``amount`` > 0 dollars charged; ``kind`` names the line of the cost table."""

    at: datetime
    amount: Decimal
    kind: str
    trade: str = ""

    @property
    def cash(self) -> Decimal:
        return -self.amount


@dataclass(frozen=True, slots=True)
class Flow:
    """Money that an investor brings (+) or takes (-)."""

    at: datetime
    amount: Decimal
    investor: str = ""

    @property
    def cash(self) -> Decimal:
        return self.amount


@dataclass(frozen=True, slots=True)
class Split:
    """``new`` shares for each ``old`` one; whole-number splits also divide option strikes."""

    at: datetime
    stock: Stock
    new: int
    old: int = 1

    @property
    def cash(self) -> Decimal:
        return ZERO


Event = Fill | Expiry | Assignment | Exercise | Dividend | Interest | Fee | Flow | Split


@dataclass(frozen=True, slots=True)
class Position:
    """A signed holding; ``cost`` is the dollars paid, fees apart, negative for a short."""

    instrument: Instrument
    quantity: int
    cost: Decimal = ZERO

    def __post_init__(self) -> None:
        if self.quantity == 0:
            raise ValueError(f"a position of 0 is no position: {self.instrument}")


@dataclass(frozen=True, slots=True)
class Trade:
    """An opened structure: what is left of it, and the net cash its opening fills brought."""

    id: str
    legs: Legs
    opened: datetime
    credit: Decimal = ZERO

    @property
    def underlying(self) -> str:
        return self.legs[0].instrument.underlying


@dataclass(frozen=True, slots=True)
class Book:
    """Cash, positions and open trades at one instant; a value, never changed in place.

    Positions and trades are kept sorted, so that two books that hold the same are equal.

    >>> from datetime import UTC
    >>> put = Option.from_occ("SPY261218P00600000")
    >>> book = Book(Decimal(10_000))
    >>> sold = Fill(datetime(2026, 11, 2, tzinfo=UTC), "SPY-1", put, -2, Decimal("5.10"))
    >>> book.after(sold).cash
    Decimal('11020.00')
    >>> book.after(sold).quantity(put)
    -2
    """

    cash: Decimal = ZERO
    positions: tuple[Position, ...] = ()
    trades: tuple[Trade, ...] = ()
    as_of: datetime | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.cash, Decimal):
            raise ValueError(f"cash must be a Decimal, got {self.cash!r}")
        held = [position.instrument for position in self.positions]
        if len(set(held)) != len(held):
            raise ValueError(f"each instrument once in a book, got {held}")
        by_name = tuple(sorted(self.positions, key=lambda p: str(p.instrument)))
        object.__setattr__(self, "positions", by_name)
        object.__setattr__(self, "trades", tuple(sorted(self.trades, key=lambda t: t.id)))

    def quantity(self, instrument: Instrument) -> int:
        """Signed contracts or shares held; 0 when none."""
        found = (p.quantity for p in self.positions if p.instrument == instrument)
        return next(found, 0)

    def trade(self, trade_id: str) -> Trade | None:
        """The open trade of that id, or None."""
        return next((trade for trade in self.trades if trade.id == trade_id), None)

    def total(self, per_share: Callable[[Instrument], Amount]) -> Amount:
        """Sum of quantity x multiplier x ``per_share``: market value, or any Greek."""
        amounts = [
            p.quantity * p.instrument.multiplier * per_share(p.instrument)
            for p in self.positions
        ]
        return sum(amounts[1:], amounts[0]) if amounts else ZERO  # type: ignore[return-value]  # 0 of either kind

    def after(self, event: Event) -> "Book":
        """This book once ``event`` has happened: the only place where cash and holdings change.

        Raises
        ------
        WrongEvent
            If the event is older than the book, or takes away what is not held.
        """
        if event.at.tzinfo is None:
            raise WrongEvent(f"an event needs a time zone: {event}")
        if self.as_of is not None and event.at < self.as_of:
            raise WrongEvent(f"event of {event.at} is older than the book of {self.as_of}")
        paid = replace(self, cash=self.cash + event.cash, as_of=event.at)
        match event:
            case Fill():
                return paid._filled(event)
            case Expiry():
                return paid._expired(event)
            case Assignment() | Exercise():
                return paid._exercised(event)
            case Dividend():
                if event.quantity == 0 or self.quantity(event.stock) != event.quantity:
                    raise WrongEvent(f"dividend on shares that are not held: {event}")
                return paid
            case Split():
                return paid._split(event)
            case _:
                return paid

    def after_all(self, events: Iterable[Event]) -> "Book":
        """This book after each event in turn."""
        book = self
        for event in events:
            book = book.after(event)
        return book

    def _filled(self, fill: Fill) -> "Book":
        if fill.quantity == 0 or fill.price < 0:
            raise WrongEvent(f"a fill needs a quantity and a price of 0 or more: {fill}")
        held = self._held_by(fill.trade, fill.instrument)
        if fill.trade and held * fill.quantity < 0 and abs(fill.quantity) > abs(held):
            told = f"{Leg(fill.instrument, fill.quantity)} in trade {fill.trade}"
            raise WrongEvent(f"a fill closes a trade, it does not turn it round: {told}")
        moved = self._moved(fill.instrument, fill.quantity, -fill.cash)
        leg = Leg(fill.instrument, fill.quantity)
        return moved._in_trade(fill.at, fill.trade, (leg,), fill.cash)

    def _exercised(self, event: Assignment | Exercise) -> "Book":
        """Without the contracts, and with the shares that changed hands for them."""
        if event.quantity <= 0:
            raise WrongEvent(f"a number of contracts is above 0: {event}")
        if event.option.is_adjusted:
            raise WrongEvent(f"{event.option} has a non-standard deliverable: book by hand")
        gone = -event.quantity if isinstance(event, Assignment) else event.quantity
        option, stock = event.option, Stock(event.option.underlying)
        self._demand_held(event.trade, option, gone)
        moved = self._moved(option, -gone, ZERO)
        moved = moved._moved(stock, event.shares, event.shares * option.strike)
        changes = (Leg(option, -gone), Leg(stock, event.shares))
        return moved._in_trade(event.at, event.trade, changes, ZERO)

    def _expired(self, event: Expiry) -> "Book":
        """Without contracts that lapsed or settled in cash."""
        if event.value < 0:
            raise WrongEvent(f"an option cannot settle below 0: {event}")
        self._demand_held(event.trade, event.option, event.quantity)
        moved = self._moved(event.option, -event.quantity, ZERO)
        leg = Leg(event.option, -event.quantity)
        return moved._in_trade(event.at, event.trade, (leg,), ZERO)

    def _demand_held(self, trade: str, option: Option, quantity: int) -> None:
        """Whoever gives up ``quantity`` (signed) must hold as much on that side."""
        held = self._held_by(trade, option)
        if quantity == 0 or held * quantity <= 0 or abs(quantity) > abs(held):
            owner = trade or "what no trade holds"
            raise WrongEvent(f"cannot remove {quantity} of {option} from {owner}: {held} held")

    def _held_by(self, trade_id: str, instrument: Instrument) -> int:
        """Signed quantity that a trade holds; with no id, what is held outside all trades."""
        mine = [t for t in self.trades if not trade_id or t.id == trade_id]
        traded = sum(x.quantity for t in mine for x in t.legs if x.instrument == instrument)
        return traded if trade_id else self.quantity(instrument) - traded

    def _moved(self, instrument: Instrument, quantity: int, cost: Decimal) -> "Book":
        """With ``quantity`` more of an instrument; what is closed leaves at average cost."""
        others = tuple(p for p in self.positions if p.instrument != instrument)
        old = next((p for p in self.positions if p.instrument == instrument), None)
        if old is None:
            return replace(self, positions=(*others, Position(instrument, quantity, cost)))
        left = old.quantity + quantity
        if left == 0:
            return replace(self, positions=others)
        if old.quantity * quantity > 0:
            new_cost = old.cost + cost
        elif old.quantity * left > 0:
            new_cost = _share(old.cost, left, old.quantity)
        else:
            new_cost = _share(cost, left, quantity)
        return replace(self, positions=(*others, Position(instrument, left, new_cost)))

    def _in_trade(self, at: datetime, trade_id: str, changes: Legs, cash: Decimal) -> "Book":
        """The same changes within their trade, which opens with the first and ends empty."""
        if not trade_id:
            return self
        others = tuple(trade for trade in self.trades if trade.id != trade_id)
        trade = self.trade(trade_id) or Trade(trade_id, (), at)
        for leg in changes:
            trade = _changed(trade, leg, cash)
        return replace(self, trades=(*others, trade) if trade.legs else others)

    def _split(self, split: Split) -> "Book":
        if split.new <= 0 or split.old <= 0:
            raise WrongEvent(f"a split is of whole numbers above 0: {split}")

        def changed(instrument: Instrument, quantity: int) -> tuple[Instrument, int]:
            return _after_split(split, instrument, quantity)

        def legs(trade: Trade) -> Legs:
            moved = (Leg(*changed(leg.instrument, leg.quantity)) for leg in trade.legs)
            return tuple(sorted(moved, key=str))

        positions = tuple(
            Position(*changed(p.instrument, p.quantity), p.cost) for p in self.positions
        )
        trades = tuple(replace(trade, legs=legs(trade)) for trade in self.trades)
        return replace(self, positions=positions, trades=trades)


def _changed(trade: Trade, leg: Leg, cash: Decimal) -> Trade:
    """The trade with a leg opened, extended or taken from; only what opens counts as credit."""
    old = next((x.quantity for x in trade.legs if x.instrument == leg.instrument), 0)
    left, opening = old + leg.quantity, old * leg.quantity >= 0
    legs = tuple(x for x in trade.legs if x.instrument != leg.instrument)
    if left:
        legs = tuple(sorted((*legs, Leg(leg.instrument, left)), key=str))
    return replace(trade, legs=legs, credit=trade.credit + (cash if opening else ZERO))


def _share(cost: Decimal, part: int, whole: int) -> Decimal:
    """The part of a cost that belongs to ``part`` of ``whole``, to a hundredth of a cent."""
    return (cost * part / whole).quantize(Decimal("0.0001"), ROUND_HALF_UP)


def _after_split(split: Split, instrument: Instrument, quantity: int) -> tuple[Instrument, int]:
    """The instrument and quantity that stand for the same holding after a split.

    OCC divides strikes to the nearest cent for whole-number splits; other splits change the
    deliverable, which this book refuses to guess.
    """
    if instrument.underlying != split.stock.symbol:
        return instrument, quantity
    if isinstance(instrument, Option):
        if split.old != 1 or instrument.is_adjusted:
            raise WrongEvent(f"a {split.new}:{split.old} split adjusts {instrument}: by hand")
        strike = (instrument.strike / split.new).quantize(Decimal("0.01"), ROUND_HALF_UP)
        return replace(instrument, strike=strike), quantity * split.new
    if quantity * split.new % split.old:
        raise WrongEvent(f"{quantity} shares do not split {split.new}:{split.old}")
    return instrument, quantity * split.new // split.old
