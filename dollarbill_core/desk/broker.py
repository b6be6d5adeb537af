"""What we ask of any broker, and the three ways in which it can fail us.

BrokerError
├── OrderRefused        it has not taken the order, and will not
├── DuplicateOrder      it has an order of that id already: ask for it, do not send again
└── BrokerUnreachable   no answer: the order may or may not be with it
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from dollarbill_core.values.book import Event
from dollarbill_core.values.contracts import Instrument
from dollarbill_core.values.orders import Order, OrderState


class BrokerError(Exception):
    """A broker did not do what it was asked."""


class OrderRefused(BrokerError):
    """A definite no; the message is the broker's reason."""


class DuplicateOrder(BrokerError):
    """The broker holds, or has held, an order of this client order id."""


class BrokerUnreachable(BrokerError):
    """No answer that can be trusted: what was asked may have happened or not."""


@dataclass(frozen=True, slots=True)
class Activity:
    """An event as a broker reports it; its ``key`` never changes and never comes twice."""

    key: str
    event: Event


@dataclass(frozen=True, slots=True)
class OrderStatus:
    """Where an order stands at the broker, and in its words why."""

    client_order_id: str
    state: OrderState
    why: str = ""


class Broker(Protocol):
    """One account at one broker. Every call may raise BrokerUnreachable."""

    def submit(self, order: Order) -> OrderStatus:
        """Send an order once: no retry in here. Raises OrderRefused or DuplicateOrder."""
        ...

    def order(self, client_order_id: str) -> OrderStatus | None:
        """Where an order stands; None when the broker does not know the id."""
        ...

    def activities(self, after: str = "") -> tuple[Activity, ...]:
        """What has happened to the account since the activity of that key, in order."""
        ...

    def positions(self) -> Mapping[Instrument, int]:
        """Signed quantities held."""
        ...

    def cash(self) -> Decimal:
        """Dollars of cash, after everything that has happened."""
        ...
