"""What we ask a broker to do: proposals, orders, their identity and their states."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from dollarbill_core.values.contracts import Legs, Option
from dollarbill_core.values.provenance import fingerprint


class Intent(StrEnum):
    """Whether an order adds risk or takes it away."""

    OPEN = "open"
    CLOSE = "close"


class Reason(StrEnum):
    """Why an order was sent; a closed trade's exit reason is the reason of its last event."""

    ENTRY = "entry"
    PROFIT_TARGET = "profit target"
    STOP = "stop"
    EXIT_DTE = "days to expiry"
    DELIVERED_STOCK = "delivered stock sold"
    HALTED = "circuit breaker"
    EXPIRED = "expired"
    ASSIGNED = "assigned"
    MANUAL = "by hand"


class OrderState(StrEnum):
    """Where an order stands. UNKNOWN means that a broker may or may not have it."""

    INTENDED = "intended"
    WORKING = "working"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    UNKNOWN = "unknown"

    @property
    def is_final(self) -> bool:
        return self in (OrderState.FILLED, OrderState.CANCELLED, OrderState.REJECTED)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A contract that was looked at, and why it was taken or not."""

    option: Option
    delta: float
    verdict: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a strategy wants: legs to trade for one trade, and why.

    ``legs`` are signed by what the order does: a proposal that closes a short buys.
    """

    trade: str
    legs: Legs
    intent: Intent
    reason: Reason
    candidates: tuple[Candidate, ...] = ()

    def __post_init__(self) -> None:
        if not self.trade or not self.legs:
            raise ValueError(f"a proposal needs a trade and legs, got {self!r}")
        if len({leg.instrument for leg in self.legs}) != len(self.legs):
            raise ValueError(f"a proposal names each instrument once, got {self.legs}")


@dataclass(frozen=True, slots=True)
class Order:
    """A proposal that passed the gates, with the identity that makes sending it safe.

    ``limit`` is the least net credit accepted, in dollars for the whole package before fees;
    negative is the most that may be paid; None takes the fill model's price.
    """

    client_order_id: str
    trade: str
    legs: Legs
    intent: Intent
    reason: Reason
    decided_at: datetime
    limit: Decimal | None = None

    def __post_init__(self) -> None:
        if self.decided_at.tzinfo is None:
            raise ValueError(f"decided_at needs a time zone, got {self.decided_at}")
        if not self.client_order_id or len(self.client_order_id) > 128:
            raise ValueError(f"client_order_id needs 1 to 128 characters: {self!r}")
        if not self.legs:
            raise ValueError(f"an order needs legs: {self!r}")


def client_order_id(strategy_hash: str, session: date, proposal: Proposal) -> str:
    """The same id for the same decision, so that a broker refuses to take it twice.

    >>> from dollarbill_core.values.contracts import Leg, Option
    >>> put = Leg(Option.from_occ("SPY261218P00600000"), -1)
    >>> want = Proposal("SPY-1", (put,), Intent.OPEN, Reason.ENTRY)
    >>> client_order_id("abc", date(2026, 11, 2), want) == client_order_id(
    ...     "abc", date(2026, 11, 2), want)
    True
    """
    legs = tuple((leg.instrument, leg.quantity) for leg in sorted(proposal.legs, key=str))
    tail = fingerprint((strategy_hash, proposal.trade, proposal.intent, legs))
    return f"db-{session:%Y%m%d}-{proposal.trade}-{proposal.intent}-{tail}"


def order_from(proposal: Proposal, strategy_hash: str, now: datetime) -> Order:
    """The order that carries out a proposal decided at ``now``."""
    return Order(
        client_order_id=client_order_id(strategy_hash, now.date(), proposal),
        trade=proposal.trade,
        legs=proposal.legs,
        intent=proposal.intent,
        reason=proposal.reason,
        decided_at=now,
    )
