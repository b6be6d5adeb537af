"""Dollars that are a chain of straight lines in one settlement price: zeros, least, floor.

Everything is Decimal, so that what is read off the chain is exact. Prices run from 0 upwards.
"""

from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dollarbill_core.values.contracts import Right

Floats = NDArray[np.float64]
Stretches = tuple[tuple[float, float], ...]

NOTHING = Decimal(0)
INFINITE = Decimal("Infinity")


class Line(NamedTuple):
    """``dollars`` for each point that the price lies beyond ``strike``, as right says."""

    dollars: Decimal
    right: Right
    strike: Decimal


class Least(NamedTuple):
    """The lowest value, and the price at which it is met.

    Minus infinity where the chain falls for ever; ``spot`` is then the corner above which it
    does.
    """

    dollars: Decimal
    spot: Decimal


@dataclass(frozen=True, slots=True)
class Polyline:
    """``dollars``, plus what each of ``lines`` pays at a price; corners at their strikes.

    >>> sold = Polyline((Line(Decimal(-100), Right.PUT, Decimal(95)),), Decimal(150))
    >>> sold.at(Decimal(90)), sold.zeros, sold.least
    (Decimal('-350'), (Decimal('93.5'),), Least(dollars=Decimal('-9350'), spot=Decimal('0')))
    """

    lines: tuple[Line, ...]
    dollars: Decimal = NOTHING

    @property
    def corners(self) -> tuple[Decimal, ...]:
        """0 and the strikes, ascending."""
        return tuple(sorted({NOTHING} | {line.strike for line in self.lines}))

    def at(self, spot: Decimal) -> Decimal:
        """Dollars at one price, exactly."""
        paid = (n * max(right * (spot - k), NOTHING) for n, right, k in self.lines)
        return sum(paid, self.dollars)

    def on(self, spots: ArrayLike) -> Floats:
        """Dollars at many prices in float64, shaped as ``spots``."""
        at = np.asarray(spots, dtype=np.float64)
        total = np.full_like(at, float(self.dollars))
        for dollars, right, strike in self.lines:
            total += float(dollars) * np.maximum(right * (at - float(strike)), 0.0)
        return total

    def slope_above(self, spot: Decimal) -> Decimal:
        """Dollars gained per dollar that the price rises from ``spot``."""
        alive = (n for n in self.lines if (n.right is Right.CALL) == (spot >= n.strike))
        return sum((line.dollars * line.right for line in alive), NOTHING)

    @property
    def zeros(self) -> tuple[Decimal, ...]:
        """Prices above 0 at which nothing is gained: crossings, touches, ends of a flat."""
        found, below = [], NOTHING
        for low, high in pairwise([*self.corners, INFINITE]):
            profit, slope = self.at(low), self.slope_above(low)
            if profit == 0 and low > 0 and (below or slope):
                found.append(low)
            elif profit != 0 and slope and low < low - profit / slope < high:
                found.append(low - profit / slope)
            below = slope
        return tuple(found)

    @property
    def gains(self) -> Stretches:
        """Open stretches of prices on which there is more than nothing.

        One that includes the price 0 starts at minus infinity.
        """
        edges = [NOTHING, *self.zeros]
        inside = [*((low + high) / 2 for low, high in pairwise(edges)), edges[-1] + 1]
        if self.at(NOTHING) > 0:
            edges[0] = -INFINITE
        stretches = zip(pairwise([*edges, INFINITE]), inside, strict=True)
        return tuple((float(a), float(b)) for (a, b), mid in stretches if self.at(mid) > 0)

    @property
    def least(self) -> Least:
        """The lowest value at any price; where several prices meet it, the highest of them."""
        last = self.corners[-1]
        if self.slope_above(last) < 0:
            return Least(-INFINITE, last)
        dollars, spot = min((self.at(corner), -corner) for corner in self.corners)
        return Least(dollars, abs(spot))

    @property
    def convex_floor(self) -> "Polyline":
        """The greatest convex chain that lies nowhere above this one.

        The lower hull of the corners, ended by a ray that rises no faster than the last line.

        >>> sold = Polyline((Line(Decimal(-100), Right.CALL, Decimal(95)),))
        >>> [int(sold.convex_floor.at(Decimal(spot))) for spot in (0, 95, 200)]
        [0, -9500, -20000]
        """
        hull: list[Decimal] = []
        for corner in self.corners:
            while len(hull) > 1 and self._slope(*hull[-2:]) >= self._slope(hull[-1], corner):
                hull.pop()
            hull.append(corner)
        ray = self.slope_above(self.corners[-1])
        while len(hull) > 1 and self._slope(*hull[-2:]) >= ray:
            hull.pop()
        slopes = [*(self._slope(low, high) for low, high in pairwise(hull)), ray]
        steps = zip(slopes, [NOTHING, *slopes], hull, strict=False)
        lines = tuple(Line(new - old, Right.CALL, corner) for new, old, corner in steps)
        return Polyline(lines, self.at(NOTHING))

    def _slope(self, low: Decimal, high: Decimal) -> Decimal:
        return (self.at(high) - self.at(low)) / (high - low)
