"""Riskless profits that the quotes themselves offer: what is flawed, and in which rows.

Everything is bought at the ask and sold at the bid, so what is named here could have been
traded, had the quotes been firm and of one instant; a mid that looks wrong is not enough. With
``x = strike`` for calls and ``x = -strike`` for puts:

- CROSSED: a bid above its ask.
- VERTICAL: an option sold for more than one of lower ``x`` costs, which pays at least as much;
  or a spread sold for more than it can ever pay, the discounted distance of the strikes.
- BUTTERFLY: an option sold for more than two around it cost, in the proportion in which they
  pay at least as much: prices are convex in the strike.
- CALENDAR: an option sold for more than a later one costs that is worth at least as much when
  the first is struck. European options are compared by the forward: strikes as shares of it,
  prices as shares of the discounted forward, on the assumption that dividends are a known
  share of the price; American ones as they are.

Source: Carr and Madan, "A note on sufficient conditions for no arbitrage", Finance Research
Letters 2 (2005); Gatheral and Jacquier (2014), lemma 2.1, for the calendar.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dollarbill_core.market.chains import Chain, Floats
from dollarbill_core.market.forwards import Forward, Term
from dollarbill_core.values.contracts import Right

_A_CENT_OF_A_CENT = 1e-4  # dollars per share: less is rounding


class Flaw(StrEnum):
    """What kind of profit is offered."""

    CROSSED = "crossed"
    VERTICAL = "vertical"
    BUTTERFLY = "butterfly"
    CALENDAR = "calendar"


@dataclass(frozen=True, slots=True)
class Violation:
    """A riskless profit: the rows of the chain that make it, and its dollars per share sold.

    The first row is sold, the others are bought.
    """

    flaw: Flaw
    rows: tuple[int, ...]
    profit: float

    def sentence(self, chain: Chain) -> str:
        """In words: what is sold, what is bought, what is left."""
        sold, *bought = (chain.option(row) for row in self.rows)
        against = " and ".join(str(each) for each in bought) or "itself"
        return f"{self.flaw}: {sold} sold against {against} leaves {self.profit:.2f}"


class _Side(NamedTuple):
    """The calls or the puts of one settlement, in order of ``x``; dollars per share."""

    rows: NDArray[np.intp]
    x: Floats
    bid: Floats
    ask: Floats


def violations(chain: Chain, forwards: Mapping[Term, Forward]) -> tuple[Violation, ...]:
    """Every option that can be sold too dear, against its dearest counterpart of each kind.

    Parameters
    ----------
    chain
        The quotes; a row without an ask can be sold, not bought.
    forwards
        Forward and discount of each settlement to be looked at, such as ``surface.forwards``.
    """
    found = list(_crossed(chain))
    terms = sorted(forwards)
    sides = {(term, right): _side(chain, term, right) for term in terms for right in Right}
    for (term, _), side in sides.items():
        discount = forwards[term].discount if term.is_european else 1.0
        found += [*_vertical(side, discount), *_butterfly(side)]
    for early, late in combinations(terms, 2):
        for right in Right:
            pair = sides[early, right], sides[late, right]
            if early.is_european and late.is_european:
                found += _calendar(*pair, forwards[early], forwards[late])
            elif early.root == late.root:
                found += _calendar(*pair, None, None)
    return tuple(_worst_of_each(found))


def _worst_of_each(found: list[Violation]) -> Iterator[Violation]:
    """For each flaw and row sold, the most profitable."""
    worst: dict[tuple[Flaw, int], Violation] = {}
    for each in found:
        key = each.flaw, each.rows[0]
        if key not in worst or each.profit > worst[key].profit:
            worst[key] = each
    yield from sorted(worst.values(), key=lambda each: (each.flaw, each.rows))


def _crossed(chain: Chain) -> Iterator[Violation]:
    for row in np.flatnonzero((chain.ask > 0) & (chain.bid > chain.ask)).tolist():
        yield Violation(Flaw.CROSSED, (row,), float(chain.bid[row] - chain.ask[row]))


def _side(chain: Chain, term: Term, right: Right) -> _Side:
    """Rows that are not crossed; nothing is bid where the bid is unknown, nor asked."""
    rows = term.rows(chain)
    rows = rows[(chain.right[rows] == right) & ~(chain.bid[rows] > chain.ask[rows])]
    x = right * chain.strike[rows]
    order = np.argsort(x, kind="stable")
    rows = rows[order]
    bid, ask = chain.bid[rows], chain.ask[rows]
    return _Side(rows, x[order], np.where(bid > 0, bid, 0.0), np.where(ask > 0, ask, np.inf))


def _vertical(side: _Side, discount: float) -> Iterator[Violation]:
    """Against the cheapest of lower x, and against the cheapest way to pay for higher x."""
    cheapest = _cheapest_so_far(side.ask)
    for j in range(1, len(side.x)):
        i = int(cheapest[j - 1])
        yield from _if_profit(Flaw.VERTICAL, side, j, (i,), side.bid[j] - side.ask[i])
    dearest = side.ask + discount * side.x
    last = len(side.x) - 1
    cheapest = last - _cheapest_so_far(dearest[::-1])[::-1]
    for j in range(last):
        i = int(cheapest[j + 1])
        profit = side.bid[j] + discount * side.x[j] - dearest[i]
        yield from _if_profit(Flaw.VERTICAL, side, j, (i,), profit)


def _cheapest_so_far(costs: Floats) -> NDArray[np.intp]:
    """For each place, that of the lowest cost up to it."""
    lowest = np.minimum.accumulate(costs)
    places = np.where(costs <= lowest, np.arange(len(costs)), 0)
    return np.maximum.accumulate(places)


def _butterfly(side: _Side) -> Iterator[Violation]:
    """Against the lower convex hull of the asks."""
    hull = _lower_hull(side.x, side.ask)
    if len(hull) < 2:
        return
    above = np.searchsorted(side.x[hull], side.x, side="left")
    for j in range(len(side.x)):
        place = int(above[j])
        if place == 0 or place == len(hull) or hull[place] == j:
            continue
        i, m = hull[place - 1], hull[place]
        share = (side.x[m] - side.x[j]) / (side.x[m] - side.x[i])
        cost = share * side.ask[i] + (1 - share) * side.ask[m]
        yield from _if_profit(Flaw.BUTTERFLY, side, j, (i, m), side.bid[j] - cost)


def _lower_hull(x: Floats, y: Floats) -> list[int]:
    """Places of the points on the lower convex hull, in order; ``x`` ascends."""
    hull: list[int] = []
    for j in np.flatnonzero(np.isfinite(y)).tolist():
        while len(hull) > 1 and _lies_above(x, y, hull[-2], hull[-1], j):
            hull.pop()
        hull.append(j)
    return hull


def _lies_above(x: Floats, y: Floats, i: int, j: int, m: int) -> bool:
    return bool((y[j] - y[i]) * (x[m] - x[i]) >= (y[m] - y[i]) * (x[j] - x[i]))


def _if_profit(
    flaw: Flaw, side: _Side, sold: int, bought: tuple[int, ...], profit: float
) -> Iterator[Violation]:
    if profit > _A_CENT_OF_A_CENT:
        rows = (int(side.rows[sold]), *(int(side.rows[each]) for each in bought))
        yield Violation(flaw, rows, float(profit))


def _calendar(
    early: _Side, late: _Side, forward: Forward | None, later: Forward | None
) -> Iterator[Violation]:
    """Against the cheapest later option of the same or lower x, in units of each forward."""
    if not len(early.x) or not len(late.x):
        return
    unit, later_unit, now, then, doubt = 1.0, 1.0, 1.0, 1.0, 0.0
    if forward is not None and later is not None:
        unit, later_unit = forward.price, later.price
        now, then = forward.discount * unit, later.discount * later_unit
        doubt = float(np.nansum([forward.error, later.error]))
    cheapest = _cheapest_so_far(late.ask)
    reach = np.searchsorted(late.x / later_unit, early.x / unit, side="right") - 1
    for j in np.flatnonzero((reach >= 0) & (early.bid > 0)).tolist():
        i = int(cheapest[reach[j]])
        profit = early.bid[j] - late.ask[i] / then * now
        if profit > max(doubt, _A_CENT_OF_A_CENT):
            rows = int(early.rows[j]), int(late.rows[i])
            yield Violation(Flaw.CALENDAR, rows, float(profit))
