"""What margin asks of a book: groups of legs, the rule of each, its dollars, and why.

**Gross**, said once: a requirement counts what closing the position would cost as well as the
cushion, because the premium a short brought in lies in the cash.

- naked short: the option's value + the cushion; spread: its worst netted intrinsic loss;
- short stock: 150 % and 130 % of its value, since the proceeds lie in the cash;
- a call sold in the money against stock adds ``spot - strike``: the stock, worth its spot
  among the assets, counts for no more than the strike.

So ``excess = cash + long stock at market + lent - maintenance``, over all of a book's groups,
and ``free funds = cash + long stock at market - to carry``, which is never more.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType

from dollarbill_core.pricing.polyline import Line, Polyline
from dollarbill_core.values.book import Position
from dollarbill_core.values.contracts import Legs, Option, cents

ZERO = Decimal(0)


class NotAllowed(ValueError):
    """A position that this type of account may not hold; the message names the leg."""


class Rule(StrEnum):
    """The rule by which a group of legs is margined."""

    UNCOVERED_CALL = "uncovered call"
    UNCOVERED_PUT = "uncovered put"
    SHORT_STRANGLE = "short put and call"
    SPREAD = "spread"
    LONG_BOX = "long box"
    SHORT_BOX = "short box"
    LONG_OPTION = "long option"
    LONG_STOCK = "long stock"
    SHORT_STOCK = "short stock"
    COVERED_CALL = "covered call"
    COVERED_PUT = "covered put"
    PROTECTIVE_PUT = "protective put"
    PROTECTIVE_CALL = "protective call"
    COLLAR = "collar"
    CONVERSION = "conversion"
    REVERSAL = "reversal"
    CASH_SECURED_PUT = "cash-secured put"
    UNIVERSAL_SPREAD = "universal spread rule"
    PORTFOLIO = "portfolio margin"
    PORTFOLIO_LEAST = "portfolio margin, least charge"


# What a group's ``facts`` are, in order: the second half of its sentence.
_BECAUSE: Mapping[Rule, str] = MappingProxyType(
    {
        Rule.UNCOVERED_CALL: "its value {0:,.2f} and a cushion of {1:,.2f}",
        Rule.UNCOVERED_PUT: "its value {0:,.2f} and a cushion of {1:,.2f}",
        Rule.SHORT_STRANGLE: "the dearer side {0:,.2f} and the other's value {1:,.2f}",
        Rule.SPREAD: "its worst netted intrinsic value, at {0:,f}",
        Rule.SHORT_BOX: "the strikes lie {0:,f} apart",
        Rule.LONG_BOX: "half of the {0:,f} between its strikes",
        Rule.LONG_STOCK: "{0:.0%} of {1:,.2f}",
        Rule.SHORT_STOCK: "{0:.0%} of {1:,.2f}, proceeds included",
        Rule.UNIVERSAL_SPREAD: "the worst netted intrinsic value of one expiry, at {0:,f}",
        Rule.PORTFOLIO: "{0:,.2f} lost at a move of {1:+.1%} and shorts worth {2:,.2f}",
        Rule.PORTFOLIO_LEAST: "{0:,.2f} for {1:,f} contracts and shorts worth {2:,.2f}",
    }
)


@dataclass(frozen=True, slots=True)
class Margins:
    """Dollars that one unit of a structure asks: to open, and to hold; as in ``Group``."""

    initial: Decimal
    maintenance: Decimal
    paid: Decimal = ZERO
    lent: Decimal = ZERO

    def times(self, units: int) -> "Margins":
        """What that many units ask."""
        parts = (self.initial, self.maintenance, self.paid, self.lent)
        return Margins(*(units * part for part in parts))


@dataclass(frozen=True, slots=True)
class Group:
    """Legs margined together: the rule, its dollars, and on access the reason.

    ``initial`` is what opening asks: requirement + ``paid`` - ``lent``. ``paid`` is the price
    of its long options, which has left the cash already; ``lent`` what may be borrowed on
    them. ``facts`` are the numbers the rule's sentence names, if the grouping kept them.

    >>> from dollarbill_core.values.contracts import Leg, Option
    >>> sold = (Leg(Option.from_occ("SPY261218P00570000"), -1),)
    >>> owed = Decimal(6310)
    >>> Group(sold, Rule.UNCOVERED_PUT, owed, owed, facts=(Decimal(310), Decimal(6000))).why
    '-1 SPY 2026-12-18 570 PUT: uncovered put asks 6,310.00: its value 310.00 and a cushion of 6,000.00'
    """  # noqa: E501  the sentence is one line

    legs: Legs
    rule: Rule
    initial: Decimal
    maintenance: Decimal
    paid: Decimal = ZERO
    lent: Decimal = ZERO
    facts: tuple[Decimal, ...] = ()

    @property
    def to_carry(self) -> Decimal:
        """The initial requirement without what is paid already."""
        return self.initial - self.paid

    @property
    def why(self) -> str:
        """One sentence: which legs, by which rule, for how much, and from which figures."""
        legs = " with ".join(str(leg) for leg in self.legs)
        text = f"{legs}: {self.rule} asks {self.maintenance:,.2f}"
        if self.initial != self.maintenance:
            text += f" ({self.initial:,.2f} to open)"
        facts = self.facts or self._corner
        if facts and self.rule in _BECAUSE:
            text += f": {_BECAUSE[self.rule].format(*facts)}"
        return text

    @property
    def _corner(self) -> tuple[Decimal, ...]:
        """The price at which a spread is worst; nothing for other rules."""
        if self.rule is not Rule.SPREAD:
            return ()
        options = [(x.instrument, x.quantity) for x in self.legs]
        lines = [
            Line(Decimal(n), x.right, x.strike) for x, n in options if isinstance(x, Option)
        ]
        return (Polyline(tuple(lines)).least.spot,)


@dataclass(frozen=True, slots=True)
class Requirement:
    """Dollars of a whole book, gross.

    ``groups`` is the grouping that asks least to hold, ``initial_groups`` the one that asks
    least to open, usually the same; ``premium`` what the shorts brought in. ``unproved`` is 0
    where both are the least of all; in a book too large to search to the end, the dollars by
    which either may lie above it.
    """

    groups: tuple[Group, ...]
    initial_groups: tuple[Group, ...]
    premium: Decimal = ZERO
    unproved: Decimal = ZERO

    @property
    def initial(self) -> Decimal:
        """What opening the book asks, long options at what they cost."""
        return cents(sum((group.initial for group in self.initial_groups), ZERO))

    @property
    def maintenance(self) -> Decimal:
        """What holding the book asks."""
        return cents(sum((group.maintenance for group in self.groups), ZERO))

    @property
    def deposit(self) -> Decimal:
        """The initial requirement less what the shorts brought in; never negative."""
        return max(cents(self.initial - self.premium), ZERO)

    @property
    def to_carry(self) -> Decimal:
        """The initial requirement without long options, whose price is already paid."""
        return cents(sum((group.to_carry for group in self.initial_groups), ZERO))

    @property
    def tied_up(self) -> Decimal:
        """What holding asks, less what may be borrowed on long options; can be negative.

        Of the two groupings the one that leaves more: a long option of years may be lent on or
        cover a short, not both, and the least ``maintenance`` does not look at the loan.
        """
        each = (self.groups, self.initial_groups)
        return min(cents(sum((g.maintenance - g.lent for g in of), ZERO)) for of in each)


def proceeds(positions: Iterable[Position]) -> Decimal:
    """What short options and short stock brought in, dollars: it lies in the cash.

    >>> from dollarbill_core.values.contracts import Stock
    >>> proceeds([Position(Stock("XYZ"), -100, Decimal(-5000)), Position(Stock("ABC"), 100)])
    Decimal('5000')
    """
    return sum((-p.cost for p in positions if p.quantity < 0), ZERO)
