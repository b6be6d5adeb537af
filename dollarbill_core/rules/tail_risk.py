"""How bad the bad days are: VaR and CVaR of past profits, and of past days come again today."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dollarbill_core.market.view import View
from dollarbill_core.pricing.losses import WorstLoss, worst_loss
from dollarbill_core.pricing.machine_code import Floats
from dollarbill_core.rules.exposure import SESSIONS, by_position, past_changes
from dollarbill_core.rules.revaluation import held
from dollarbill_core.rules.shocks import VolShift, term_weights
from dollarbill_core.values.book import Book
from dollarbill_core.values.contracts import Leg

LEVELS = (0.95, 0.99)
FEW = 10  # a tail of fewer days is said to be thin
_DIGITS = 9  # of a place among the sorted profits: 0.05 x 100 is 5, whatever binary makes of it


@dataclass(frozen=True, slots=True)
class Tail:
    """The worst part of a sample of profits, as losses: positive where money is lost.

    ``var`` is the loss that a share ``level`` of the days does not exceed, ``cvar`` the mean
    loss of the ``tail_days`` that reach it, out of ``days``.
    """

    level: float
    var: float
    cvar: float
    days: int
    tail_days: int

    def __str__(self) -> str:
        thin = ", too few to lean on" if self.tail_days < FEW else ""
        worst = (
            "the worst" if self.tail_days == 1 else f"the mean of the {self.tail_days} worst"
        )
        return (
            f"{self.level:.0%} VaR {_told(self.var)}, CVaR {_told(self.cvar)}: "
            f"{worst} of {self.days} days{thin}"
        )


def _told(loss: float) -> str:
    """Dollars in whole ones, and returns in four digits."""
    return f"{loss:,.0f}" if abs(loss) >= 100 else f"{loss:.4g}"


def tail(profits: ArrayLike, level: float = 0.95) -> Tail:
    """VaR and CVaR by historical simulation, in the units of ``profits``.

    VaR is minus the ``1 - level`` quantile of the profits, linear between the two order
    statistics beside it (place ``(n - 1) (1 - level)``, counted from 0); CVaR is minus the mean
    of all profits at or below that quantile. Nothing is fitted, scaled or annualised.

    Parameters
    ----------
    profits
        Dollars or returns of equal periods, one-dimensional, gains positive.
    level
        Between 0 and 1: 0.99 looks at the worst hundredth.

    Raises
    ------
    ValueError
        If there are none, one is not finite, or the level is not between 0 and 1.

    Examples
    --------
    Ten returns: 0.05 x 9 = 0.45 of the way from -0.02 to -0.01 is -0.0155; one day reaches it.

    >>> ten = [0.01, -0.02, 0.015, 0.005, -0.01, 0.02, -0.005, 0.012, 0.003, -0.008]
    >>> worst = tail(ten, 0.95)
    >>> round(worst.var, 6), round(worst.cvar, 6), worst.tail_days
    (0.0155, 0.02, 1)
    """
    ordered = np.sort(np.asarray(profits, dtype=np.float64))
    if ordered.ndim != 1 or not ordered.size or not np.isfinite(ordered).all():
        raise ValueError("a tail needs at least one profit, all of them finite, in one row")
    if not 0 < level < 1:
        raise ValueError(f"level is between 0 and 1, such as 0.99, got {level}")
    place = round((len(ordered) - 1) * (1 - level), _DIGITS)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    quantile = float(ordered[below] + (place - below) * (ordered[above] - ordered[below]))
    worst = ordered[ordered <= quantile]
    return Tail(level, -quantile, -float(worst.mean()), len(ordered), len(worst))


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """What today's book would have gained, at once, by each past day's moves.

    ``profits`` in dollars, one for each of ``days``; ``left_out`` counts the days on which a
    price or a vol was not known.
    """

    days: NDArray[np.datetime64]
    profits: Floats
    left_out: int
    shift: VolShift

    @property
    def tails(self) -> tuple[Tail, ...]:
        """VaR and CVaR at 95 and 99 %."""
        return tuple(tail(self.profits, level) for level in LEVELS)

    @property
    def worst(self) -> tuple[date, float]:
        """The worst day, and its dollars."""
        row = int(np.argmin(self.profits))
        day: date = self.days[row].astype("M8[D]").item()
        return day, float(self.profits[row])

    def __str__(self) -> str:
        day, dollars = self.worst
        gone = f"; {self.left_out} left out for want of a price or vol" if self.left_out else ""
        tails = "; ".join(str(each) for each in self.tails)
        return f"{tails}; worst {dollars:,.0f} by the moves of {day}{gone}"


def replayed(
    book: Book,
    view: View,
    *,
    sessions: int = SESSIONS,
    shift: VolShift = VolShift.BY_TERM,
) -> Replay:
    """Today's book revalued by each of the last ``sessions`` days' moves of its underlyings.

    Each day's returns multiply the spots together, so that what moved together does so here.
    Each option's implied vol is multiplied by its underlying's 30-day vol that day over the day
    before, to the power of `shocks.term_weights`. A ratio, since points from a day of high vol
    would take a low one below nothing. No time passes, and no margin is asked.

    Raises
    ------
    NoQuote
        If an underlying has no history in the view, or a position no mark.
    ValueError
        If no day has a price and a vol of every underlying.
    """
    arrays = held(book, view)
    past = past_changes(view, arrays.underlyings, sessions)
    has_options = np.bincount(arrays.on, arrays.right != 0, len(arrays.underlyings)) > 0
    ratios = np.where(has_options, past.vol_ratios, 1.0)
    known = np.isfinite(past.returns).all(axis=1) & np.isfinite(ratios).all(axis=1)
    if not known.any():
        held_on = ", ".join(arrays.underlyings) or "a book without positions"
        raise ValueError(f"no day has a close and a vol before and after of {held_on}")
    returns, ratios = past.returns[known][:, arrays.on], ratios[known][:, arrays.on]
    profits = by_position(arrays).profits(
        1.0 + returns, vol_factor=ratios ** term_weights(arrays.years, shift)
    )
    return Replay(past.days[known], profits.sum(axis=1), int((~known).sum()), shift)


def worst_losses(book: Book, view: View) -> dict[str, WorstLoss]:
    """The most that each underlying's positions can lose from their marks; no history asked.

    To stand beside a VaR, which knows only what has happened. See `pricing.losses.worst_loss`:
    exact for one expiry, a BOUND for several; an uncovered call is unlimited.

    Examples
    --------
    A 600 put sold and marked at 5.10 can cost 600 - 5.10 a share.

    >>> from datetime import UTC, datetime
    >>> from decimal import Decimal
    >>> from dollarbill_core.values.book import Position
    >>> from dollarbill_core.values.contracts import Option
    >>> put = Option.from_occ("SPY261218P00600000")
    >>> view = View(datetime(2026, 11, 2, 21, tzinfo=UTC), {"SPY": Decimal(640)},
    ...             {put: Decimal("5.10")})
    >>> print(worst_losses(Book(positions=(Position(put, -1),)), view)["SPY"])
    $59,490.00 at 0
    """
    by_symbol: dict[str, list[Leg]] = {}
    for position in book.positions:
        leg = Leg(position.instrument, position.quantity)
        by_symbol.setdefault(position.instrument.underlying, []).append(leg)
    return {symbol: _worst(legs, view) for symbol, legs in sorted(by_symbol.items())}


def _worst(legs: Sequence[Leg], view: View) -> WorstLoss:
    each = (x.quantity * x.instrument.multiplier * view.mark(x.instrument) for x in legs)
    symbol = legs[0].instrument.underlying
    return worst_loss(
        legs, -math.fsum(map(float, each)), rate=view.rates.continuous(0.0),
        dividend_yield=view.dividend_yields.get(symbol, 0.0),
    )  # fmt: skip
