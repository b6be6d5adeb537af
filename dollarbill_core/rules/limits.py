"""What may be sent at all: how much may be risked, and the gates that an order must pass."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal

from dollarbill_core.market.view import View
from dollarbill_core.rules.accounts import Account
from dollarbill_core.rules.breaker import Breaker
from dollarbill_core.rules.gates import (
    ALWAYS,
    JUDGES,
    Amount,
    Asked,
    Gate,
    Judge,
    Verdict,
    closing,
)
from dollarbill_core.values.book import Book
from dollarbill_core.values.orders import Intent, Order

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may be risked; fractions are of the NAV, and None is no limit.

    Attributes
    ----------
    margin_use
        NAV that the initial requirement may tie up, after the order alone and after every
        order that works beside it, whichever is more.
    open_trades, contracts_per_trade, contracts_per_underlying
        Trades; options in one trade and on one underlying, all legs, long and short alike.
    cash_reserve
        Cash that must stay; 0 means that none may be borrowed.
    trade_loss, day_loss
        `losses.worst_loss` of the order's trade; of all trades opened this day, summed, each
        by itself. A loss without limit passes neither.
    short_exposure
        `concentration.short_exposure` of the book; may be above 1.
    underlying_margin, expiry_margin
        Maintenance that one underlying or one expiry ties up: `concentration.margin_by`. Of
        the NAV, not of all margin: of that, a first trade is always the whole.
    delta, vega
        Dollars gained if every underlying rose by 100 %, and per point of vol, either way.
    """

    margin_use: Decimal | None = Decimal(1)
    open_trades: int | None = 1_000
    contracts_per_trade: int | None = None
    contracts_per_underlying: int | None = None
    cash_reserve: Decimal | None = None
    trade_loss: Decimal | None = None
    day_loss: Decimal | None = None
    short_exposure: Decimal | None = None
    underlying_margin: Decimal | None = None
    expiry_margin: Decimal | None = None
    delta: Decimal | None = None
    vega: Decimal | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and (fault := _fault(field.name, value)):
                raise ValueError(f"{field.name} {fault}, got {value!s}")


_COUNTS = frozenset({"open_trades", "contracts_per_trade", "contracts_per_underlying"})
_SHARES = frozenset({"margin_use", "underlying_margin", "expiry_margin"})


def _fault(name: str, value: object) -> str:
    """What is wrong with a limit; empty if nothing is."""
    if name in _COUNTS:
        is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        return "" if is_count else "must be a whole number, 0 or more"
    if not isinstance(value, Decimal) or not value.is_finite():
        return "must be a Decimal"
    if name == "cash_reserve":
        return "" if 0 <= value <= 1 else "must be 0 to 1"
    if name in _SHARES:
        return "" if 0 < value <= 1 else "must be above 0, at most 1"
    return "" if value > 0 else "must be above 0"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An order that a gate stopped, and why in one line."""

    order: Order
    why: str


def refusal(
    order: Order,
    book: Book,
    view: View,
    account: Account,
    limits: Limits,
    breaker: Breaker,
    working: Sequence[Order] = (),
) -> Refusal | None:
    """Why this order may not be sent: the first gate that it fails, or None.

    Parameters as in `gates`.
    """
    asked = Asked(order, book, view, account, tuple(working))
    said = _verdicts(asked, limits, breaker)
    failed = next((each for each in said if not each.passed), None)
    return None if failed is None else Refusal(order, failed.why)


def gates(
    order: Order,
    book: Book,
    view: View,
    account: Account,
    limits: Limits,
    breaker: Breaker,
    working: Sequence[Order] = (),
) -> tuple[Verdict, ...]:
    """What every gate says of an order, passed or not, in the order in which they stand.

    An order that closes meets one gate: it must take away from what its trade holds (or the
    book, if its trade is not open) and may not turn it round. It passes under HALT too.

    An order that opens meets the others, each on the book as if it were filled at today's
    marks: alone, and with every opening order in ``working`` filled beside it, so two orders of
    one day cannot both use the same room. Working orders that close are not counted on. What
    brings the book's delta or vega nearer to zero passes, however far it is. A gate that cannot
    find its figure, such as one without a mark, is failed, and says what is missing.

    Parameters
    ----------
    working
        Orders sent or about to be sent that may still fill.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from dollarbill_core.rules.accounts import REG_T
    >>> from dollarbill_core.values.contracts import Leg, Option
    >>> from dollarbill_core.values.orders import Reason
    >>> put, now = Option.from_occ("XYZ261218P00095000"), datetime(2026, 11, 2, 21, tzinfo=UTC)
    >>> view = View(now, {"XYZ": Decimal(100)}, {put: Decimal(1)})
    >>> want = Order("id", "XYZ-1", (Leg(put, -1),), Intent.OPEN, Reason.ENTRY, now)
    >>> said = gates(want, Book(Decimal(20_000)), view, REG_T,
    ...              Limits(trade_loss=Decimal("0.40")), Breaker())
    >>> print(*(each.why for each in said if each.actual), sep="\\n")
    open trades would be 1, the limit is 1,000
    the account is worth 20,000.00, it gives credit from 2,000.00 on
    the account can carry it: 1,500.00 would be tied up, NAV 20,000.00
    it would tie up 1,500.00, the limit is 20,000.00
    the trade's worst loss would be $9,400.00 at 0, the limit is 8,000.00
    """
    asked = Asked(order, book, view, account, tuple(working))
    return tuple(_verdicts(asked, limits, breaker))


def _verdicts(asked: Asked, limits: Limits, breaker: Breaker) -> Iterator[Verdict]:
    """Each gate in turn; what it needs is computed only when its turn comes."""
    if asked.order.intent is Intent.CLOSE:
        yield closing(asked)
        return
    yield _breaker(breaker)
    for gate, judge in JUDGES.items():
        try:
            yield _judged(gate, judge, asked, limits)
        except ValueError as error:  # NotAllowed, NoQuote: its line names the leg
            yield Verdict(gate, passed=False, about=str(error))


def _judged(gate: Gate, judge: Judge, asked: Asked, limits: Limits) -> Verdict:
    if gate in ALWAYS:
        return judge(asked, ZERO)
    limit: Amount | None = getattr(limits, gate)
    if limit is None:
        return Verdict(gate, passed=True)
    return judge(asked, limit if gate in _COUNTS else limit * asked.nav)


def _breaker(breaker: Breaker) -> Verdict:
    about = f"the circuit breaker is at {breaker.state}"
    if not breaker.state.opens:
        about += ": nothing is opened until a person resets it"
    return Verdict(Gate.BREAKER, breaker.state.opens, about=about)
