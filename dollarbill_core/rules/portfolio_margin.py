"""Portfolio margin: the worst of ten price moves for each class of underlyings, and why.

Each class (an index, its fractions and the ETFs on it; else one stock) is moved to ten points,
five up and five down, its range cut evenly. Every option is repriced there at its own implied
vol, by its own style; profits offset losses in full within the class at one point, and across
classes not at all. What is asked is the loss at the worst point, or 37.50 dollars for each
contract, long or short, if that is more.

OCC's product groups would let part of one class's profit offset another's loss. Their
percentages are OCC's monthly file, of which no dated copy could be read, so none is granted:
the requirement errs upwards.

Source: FINRA Rule 4210(g) and Cboe Rule 10.4; class and product groups as OCC's Customer
Portfolio Margin disclosure has them. Read 2026-11. OCC's theoretical prices are its own: on
Cboe's sample of 2007 ours ask within half a per cent of the published figures.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dollarbill_core.market.view import View
from dollarbill_core.pricing.machine_code import Floats
from dollarbill_core.rules.accounts import PORTFOLIO, Account, Method
from dollarbill_core.rules.products import Product, Underlying, underlying
from dollarbill_core.rules.requirements import Group, Requirement, Rule, proceeds
from dollarbill_core.rules.revaluation import Held, held
from dollarbill_core.values.book import Book, Position
from dollarbill_core.values.contracts import Leg, Legs, Option, cents

ZERO = Decimal(0)
POINTS_EACH_WAY = 5
# Dollars, times the multiplier, for each contract "carried long or short": FINRA Rule
# 4210(g)(7) as brokers' disclosure statements repeat it (Fidelity, optionsXpress), read
# 2026-11. A worthless long is charged as well: no cap at its value could be read.
LEAST_PER_SHARE = Decimal("0.375")
_BROAD = (Product.BROAD_INDEX, Product.BROAD_ETF)


class Range(NamedTuple):
    """How far a class is moved, fractions of its price: ``down`` below 0, ``up`` above."""

    down: Decimal
    up: Decimal

    @property
    def moves(self) -> Floats:
        """The ten points, ascending: five equal steps down and five up.

        >>> [f"{move:+.1%}" for move in Range(Decimal("-0.08"), Decimal("0.06")).moves[3:7]]
        ['-3.2%', '-1.6%', '+1.2%', '+2.4%']
        """
        steps = np.arange(1, POINTS_EACH_WAY + 1) / POINTS_EACH_WAY
        return np.concatenate([float(self.down) * steps[::-1], float(self.up) * steps])


# Source: SEC Release 34-46576 for the two of indices (then NYSE Rule 431(g), now FINRA Rule
# 4210(g)); FINRA's questions on portfolio margin, at second hand, for stocks. Read 2026-11.
HIGH_CAPITALISATION = Range(Decimal("-0.08"), Decimal("0.06"))
OTHER_BROAD = Range(Decimal("-0.10"), Decimal("0.10"))
EQUITY = Range(Decimal("-0.15"), Decimal("0.15"))


@dataclass(frozen=True, slots=True)
class Ranges:
    """How far each class of underlyings is moved: the rule's, or a house's wider.

    ``wider`` names margin classes by their symbol: what a firm stresses harder because it is
    concentrated, volatile or cheap. Each firm sets that for itself; FINRA expects every one to
    look at 25 % either way (its questions on portfolio margin, at second hand, read 2026-11).
    """

    high_capitalisation: Range = HIGH_CAPITALISATION
    other_broad: Range = OTHER_BROAD
    equity: Range = EQUITY
    wider: Mapping[str, Range] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        named = self.high_capitalisation, self.other_broad, self.equity, *self.wider.values()
        for down, up in named:
            if not -1 <= down < 0 < up:
                raise ValueError(f"a range goes from below 0 to above it, got {down} to {up}")

    def of(self, row: Underlying) -> Range:
        """The range of an underlying's margin class."""
        if row.margin_class in self.wider:
            return self.wider[row.margin_class]
        if row.product not in _BROAD:
            return self.equity
        return self.high_capitalisation if row.is_high_capitalisation else self.other_broad


RULE = Ranges()
# Source: thinkManual, "Portfolio Margin", read 2026-11: large and small caps alike.
THINKORSWIM = Ranges(*(Range(Decimal("-0.12"), Decimal("0.10")),) * 2)


@dataclass(frozen=True, slots=True, eq=False)
class ClassPoints:
    """One margin class at its ten points.

    Attributes
    ----------
    margin_class, legs
        Its symbol, and what is held in it.
    moves, profits
        Fractions by which the class moves; dollars gained there; shape (10,) each.
    contracts, least
        How many options, of either sign; dollars that they are charged at the least.
    shorts, longs
        Dollars that short options and short stock would cost to close, and that long options
        would bring.
    """

    margin_class: str
    legs: Legs
    moves: Floats
    profits: Floats
    contracts: int
    least: Decimal
    shorts: Decimal
    longs: Decimal

    @property
    def worst(self) -> int:
        """Which of the ten points loses most, the first of equals."""
        return int(np.argmin(self.profits))

    @property
    def loss(self) -> Decimal:
        """Dollars lost at the worst point; 0 where every point gains."""
        return cents(max(_dollars(-self.profits[self.worst]), ZERO))

    @property
    def required(self) -> Decimal:
        """Equity that the class asks for, dollars."""
        return max(self.loss, cents(self.least))

    @property
    def group(self) -> Group:
        """The class in gross dollars; see `requirement_of`."""
        asked = self.required + self.shorts
        if self.loss < self.required:
            rule, facts = Rule.PORTFOLIO_LEAST, (self.required, Decimal(self.contracts))
        else:
            rule, facts = Rule.PORTFOLIO, (self.loss, _dollars(self.moves[self.worst]))
        return Group(
            self.legs, rule, asked, asked, self.longs, self.longs, (*facts, self.shorts)
        )


def requirement_of(
    book: Book, view: View, account: Account = PORTFOLIO, ranges: Ranges = RULE
) -> Requirement:
    """The portfolio margin of a whole book, dollars, gross as `requirements` says.

    Portfolio margin is asked of the equity, in which a long option counts for its value and a
    short one against it. Gross, that is the same as::

        maintenance = required + what closing the short options and short stock would cost
        lent        = what the long options are worth

    since ``cash + long stock + lent - maintenance = net liquidation value - required``.
    Opening asks no more than holding.

    Parameters
    ----------
    book, view
        What is held; the market at one instant.
    account
        One whose method is portfolio margin. Whether it may be: `ineligible_because`.
    ranges
        How far classes are moved.

    Raises
    ------
    NoQuote
        A position without a mark or a spot; an option on the VIX.
    ValueError
        What cannot be repriced (see `revaluation.held`); an account of another method.

    Examples
    --------
    Shares worth 60,000 dollars on SPY, which goes from -8 % to +6 %: 8 % is 4,800.

    >>> from datetime import UTC, datetime
    >>> from dollarbill_core.values.book import Position
    >>> from dollarbill_core.values.contracts import Stock
    >>> view = View(datetime(2026, 11, 2, 21, tzinfo=UTC), {"SPY": Decimal(600)})
    >>> asked = requirement_of(Book(positions=(Position(Stock("SPY"), 100),)), view)
    >>> print(asked.groups[0].why.partition(": ")[2])
    portfolio margin asks 4,800.00: 4,800.00 lost at a move of -8.0% and shorts worth 0.00
    """
    if account.method is not Method.PORTFOLIO:
        raise ValueError(f"{account.titled} is {account.method}, not portfolio margin")
    groups = tuple(each.group for each in points(book, view, ranges))
    return Requirement(groups, groups, proceeds(book.positions))


def points(book: Book, view: View, ranges: Ranges = RULE) -> tuple[ClassPoints, ...]:
    """Every margin class of a book at its ten points, classes in alphabetical order.

    A leveraged fund moves by its factor times its class's move, an inverse one against it, and
    none by more than all it is worth. Parameters and errors as `requirement_of`.

    Source of the factor: Interactive Brokers, "Margin Requirement on Leveraged ETF Products"
    (scan ranges grow by the leverage factor), read 2026-11.
    """
    arrays = held(book, view)
    rows = [underlying(symbol) for symbol in arrays.underlyings]
    moves = np.array([ranges.of(row).moves for row in rows]).reshape(-1, 2 * POINTS_EACH_WAY).T
    leverages = np.array([float(row.leverage) for row in rows])
    profits = arrays.profits(np.maximum(1.0 + leverages * moves, 0.0))
    families: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        families.setdefault(row.margin_class, []).append(number)
    return tuple(
        _class_points(name, arrays, np.isin(arrays.on, members), moves[:, members[0]], profits)
        for name, members in sorted(families.items())
    )


def ineligible_because(
    equity: Decimal, account: Account = PORTFOLIO, *, approved_for_uncovered: bool
) -> tuple[str, ...]:
    """Why an account may not have portfolio margin, a line each; empty where it may.

    Parameters
    ----------
    equity
        Net liquidation value, dollars.
    account
        Its ``minimum_equity`` is the house's, to open or to keep.
    approved_for_uncovered
        Whether the customer is approved to write uncovered options.

    Source: FINRA Rule 4210(g)(5)(B), approval. The rule's five million dollars are for
    unlisted derivatives alone, which no book here holds; 100,000 where the firm watches all
    day is FINRA's answer to questions, at second hand. Read 2026-11.

    >>> ineligible_because(Decimal(90_000), approved_for_uncovered=True)
    ('portfolio margin needs 100,000.00 of equity, this account has 90,000.00',)
    """
    if not equity.is_finite():
        raise ValueError(f"equity must be a number of dollars, got {equity}")
    least, reasons = account.minimum_equity, []
    if not approved_for_uncovered:
        reasons.append(f"{account.name} needs approval for writing uncovered options")
    if equity < least:
        found = f"{least:,.2f} of equity, this account has {equity:,.2f}"
        reasons.append(f"{account.name} needs {found}")
    return tuple(reasons)


def _class_points(
    name: str, arrays: Held, mine: NDArray[np.bool_], moves: Floats, profits: Floats
) -> ClassPoints:
    here = [arrays.positions[i] for i in np.flatnonzero(mine)]
    options = [p for p in here if isinstance(p.instrument, Option)]
    value_of = {
        p: p.quantity * p.instrument.multiplier * _dollars(mark)
        for p, mark in zip(here, arrays.mark[mine], strict=True)
    }
    return ClassPoints(
        margin_class=name,
        legs=tuple(Leg(p.instrument, p.quantity) for p in here),
        moves=moves,
        profits=profits[:, mine].sum(axis=1),
        contracts=sum(abs(p.quantity) for p in options),
        least=sum((_least(p) for p in options), ZERO),
        shorts=-sum((value for p, value in value_of.items() if p.quantity < 0), ZERO),
        longs=sum((value_of[p] for p in options if p.quantity > 0), ZERO),
    )


def _least(position: Position) -> Decimal:
    return LEAST_PER_SHARE * position.instrument.multiplier * abs(position.quantity)


def _dollars(estimate: float) -> Decimal:
    """A number of the model as the Decimal that it prints as."""
    return Decimal(repr(float(estimate)))
