"""One line of a price list: on which trades it is charged, and what it asks for them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from dollarbill_core.values.book import Assignment, Event, Exercise, Fill
from dollarbill_core.values.contracts import Instrument, Option, Settlement, Stock

FIRST_DAY = date(1990, 1, 1)
ZERO = Decimal(0)


class Rounding(StrEnum):
    """How a fee becomes cents; always up, against us."""

    ORDER = "each order up to the cent"
    DAY = "the day's sum of its kind up to the cent"


class Side(StrEnum):
    """Which trades a fee is charged on."""

    BOTH = "buys and sells"
    SALES = "sales"
    OPENINGS = "trades that open"


class Options(StrEnum):
    """Which options a fee is charged on."""

    ALL = "all options"
    NOT_INDEX = "all but cash-settled index options"
    INDEX = "cash-settled index options"


@dataclass(frozen=True, slots=True)
class Charge:
    """One line of a fee table, in force from ``since`` up to but not including ``until``.

    ``per_contract`` and ``per_share`` are dollars; ``per_dollar_sold`` is a fraction of the
    proceeds of sales; ``per_delivery`` is dollars for each exercise or assignment. ``tiers``
    are (premium below, dollars per contract) pairs that replace ``per_contract``. ``minimum``
    is dollars per order, ``most`` a fraction of the order's value above which it asks nothing,
    the minimum included; ``cap`` per leg of options and ``share_cap`` per leg of shares. Only
    options of ``roots`` are charged where it names any, and only legs of ``from_contracts`` or
    more. ``on_delivery``: whether shares that change hands by exercise are charged too.

    Raises ValueError for a row that ends before it begins, charges less than nothing, or has
    a minimum or openings alone on a day's sum.
    """

    kind: str
    source: str
    since: date = FIRST_DAY
    until: date = date.max
    per_contract: Decimal = ZERO
    per_share: Decimal = ZERO
    per_dollar_sold: Decimal = ZERO
    per_delivery: Decimal = ZERO
    tiers: tuple[tuple[Decimal, Decimal], ...] = ()
    minimum: Decimal = ZERO
    most: Decimal | None = None
    cap: Decimal | None = None
    share_cap: Decimal | None = None
    side: Side = Side.BOTH
    options: Options = Options.ALL
    roots: tuple[str, ...] = ()
    from_contracts: int = 1
    on_delivery: bool = False
    rounding: Rounding = Rounding.ORDER
    estimated: bool = False

    def __post_init__(self) -> None:
        if self.since >= self.until:
            raise ValueError(
                f"{self.kind}: from {self.since} to {self.until} is no time at all"
            )
        rates = [self.per_contract, self.per_share, self.per_dollar_sold, self.per_delivery]
        rates += [self.minimum, *(x or ZERO for x in (self.most, self.cap, self.share_cap))]
        for rate in (*rates, *(dollars for _, dollars in self.tiers)):
            if not (rate.is_finite() and rate >= 0):
                raise ValueError(f"{self.kind}: a fee is 0 or more, got {rate}")
        by_order = self.minimum > 0 or self.most is not None or self.side is Side.OPENINGS
        if by_order and self.rounding is Rounding.DAY:
            raise ValueError(f"{self.kind}: a fee by the order is not summed over a day")

    def __str__(self) -> str:
        until = "" if self.until == date.max else f" to {self.until}"
        mark = ", ESTIMATED" if self.estimated else ""
        return f"{self.kind} from {self.since}{until}, {self.rounding}{mark}: {self.source}"


class Line(NamedTuple):
    """One execution or delivery, as a fee sees it; ``leg`` is what caps and tiers go by."""

    leg: tuple[str, Instrument]
    instrument: Instrument
    quantity: int
    price: Decimal
    is_delivery: bool


def unrounded(charge: Charge, events: Iterable[Event]) -> Decimal:
    """What a row asks for these trades before rounding and minimum; dollars.

    >>> from datetime import UTC, datetime
    >>> put, at = Option.from_occ("SPY241220P00500000"), datetime(2024, 11, 1, tzinfo=UTC)
    >>> occ = Charge("OCC", "2021-06", per_contract=Decimal("0.02"), cap=Decimal(55))
    >>> unrounded(occ, [Fill(at, "t", put, -2751, Decimal(2))])
    Decimal('55')
    """
    legs: dict[tuple[str, Instrument], list[Line]] = defaultdict(list)
    for line in _lines(events):
        if _is_charged(charge, line):
            legs[line.leg].append(line)
    return sum((_leg_dollars(charge, leg) for leg in legs.values()), ZERO)


def bounded(charge: Charge, dollars: Decimal, events: Iterable[Event]) -> Decimal:
    """An order's fee before rounding: at least its minimum, at most its share of the value.

    >>> from datetime import UTC, datetime
    >>> at, stock = datetime(2026, 11, 2, tzinfo=UTC), Stock("XYZ")
    >>> cent, half = Decimal("0.01"), Decimal("0.005")
    >>> row = Charge("commission", "", per_share=half, minimum=Decimal(1), most=cent)
    >>> bounded(row, Decimal("0.05"), [Fill(at, "t", stock, 10, Decimal(5))])
    Decimal('0.50')
    """
    if charge.most is None:
        return max(dollars, charge.minimum)
    lines = [line for line in _lines(events) if _is_charged(charge, line)]
    paying = (line for line in lines if _line_dollars(charge, line) > 0)
    value = sum((abs(x.quantity) * x.instrument.multiplier * x.price for x in paying), ZERO)
    return min(max(dollars, charge.minimum), charge.most * value)


def _lines(events: Iterable[Event]) -> Iterable[Line]:
    for event in events:
        match event:
            case Fill(instrument=traded, quantity=count, price=price):
                yield Line((event.order or event.trade, traded), traded, count, price, False)
            case Assignment(option=option) | Exercise(option=option):
                stock = Stock(option.underlying)
                leg = (f"{type(event).__name__} {event.trade}", option)
                yield Line(leg, stock, event.shares, option.strike, True)


def _is_charged(charge: Charge, line: Line) -> bool:
    if line.is_delivery and not (charge.on_delivery or charge.per_delivery):
        return False
    if charge.side is Side.SALES and line.quantity > 0:
        return False
    if not isinstance(line.instrument, Option):
        return True
    if charge.roots and line.instrument.root not in charge.roots:
        return False
    is_index = line.instrument.settlement is Settlement.CASH
    return charge.options is Options.ALL or is_index == (charge.options is Options.INDEX)


def _leg_dollars(charge: Charge, lines: Sequence[Line]) -> Decimal:
    """One leg's dollars: nothing below its least size, and no more than its cap."""
    is_option = isinstance(lines[0].instrument, Option)
    if is_option and sum(abs(line.quantity) for line in lines) < charge.from_contracts:
        return ZERO
    dollars = sum((_line_dollars(charge, line) for line in lines), ZERO)
    cap = charge.cap if is_option else charge.share_cap
    return dollars if cap is None else min(dollars, cap)


def _line_dollars(charge: Charge, line: Line) -> Decimal:
    per_delivery = charge.per_delivery if line.is_delivery else ZERO
    if line.is_delivery and not charge.on_delivery:
        return per_delivery
    count = abs(line.quantity)
    if isinstance(line.instrument, Option):
        dollars = count * _per_contract(charge, line.price)
    else:
        dollars = count * charge.per_share
    if line.quantity < 0:
        dollars += charge.per_dollar_sold * count * line.instrument.multiplier * line.price
    return dollars + per_delivery


def _per_contract(charge: Charge, premium: Decimal) -> Decimal:
    below = (dollars for limit, dollars in charge.tiers if premium < limit)
    return next(below, charge.per_contract)
