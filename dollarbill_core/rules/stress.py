"""What a book gains and must hold back when spots and vols jump: matrix, edges, past shocks."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dollarbill_core.market.view import View
from dollarbill_core.pricing.black_scholes import DAYS_PER_YEAR
from dollarbill_core.pricing.machine_code import Floats
from dollarbill_core.rules.accounts import Account
from dollarbill_core.rules.exposure import Betas, beta_factors, by_position
from dollarbill_core.rules.margin import excess, requirement
from dollarbill_core.rules.revaluation import Held, held
from dollarbill_core.rules.shocks import SHOCKS, Jump, Shock, VolShift, term_weights
from dollarbill_core.values.book import ZERO, Book
from dollarbill_core.values.contracts import Instrument, dollars_per_share

# What a matrix spans unless told otherwise: moves of the index, points of vol (0.10 is ten).
SPOT_MOVES = (-0.20, -0.15, -0.10, -0.05, 0.0, 0.05, 0.10, 0.15, 0.20)
VOL_POINTS = (-0.10, -0.05, 0.0, 0.05, 0.10, 0.20, 0.30)
LEAST_SPOT = 0.01  # of today's: beta x move takes no price below it
_STEPS, _CENT = 30, 0.015  # towards an edge: at most; dollars of excess that count as none


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """Dollars in each scenario, shape (scenarios,).

    ``profits`` is what the book gains on its marks, ``margins`` the maintenance requirement
    then, ``excess`` what is left above it: below 0 is a margin call.
    """

    profits: Floats
    margins: Floats
    excess: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Stress:
    """A book in its account, ready for scenarios: made by `stress`.

    ``arrays`` holds each position on an underlying of its own, ``betas`` its factor, ``spots``
    and ``marks`` dollars per share now; entry i of each is position i.
    """

    book: Book
    view: View
    account: Account
    arrays: Held
    betas: Floats
    spots: tuple[Decimal, ...]
    marks: tuple[Decimal, ...]

    @property
    def worth(self) -> Decimal:
        """Cash and positions at their marks now, dollars."""
        return self.book.cash + self.book.total(self.view.mark)

    def outcomes(
        self, spot_moves: ArrayLike, vol_points: ArrayLike = 0.0, years_on: float = 0.0
    ) -> Outcomes:
        """Profit, margin and excess of each scenario.

        The requirement is that of the account's rules for the book re-marked at the scenario's
        spots, vols and date. What has settled by then stands in cash at its intrinsic value:
        shares that an assignment would have brought are not margined.

        Parameters
        ----------
        spot_moves
            Of the index, fractions, shape (scenarios,): each underlying moves by its beta times
            that, and by no more than -99 %.
        vol_points
            Added to every implied vol, fractions (0.10 is ten points): one number, or shape
            (scenarios,), or (scenarios, positions) where they differ.
        years_on
            Time that passes first.

        Raises
        ------
        ValueError
            If a move is not a fraction above -1, or what `revaluation.Held.marks` refuses.
        """
        moves = np.atleast_1d(np.asarray(spot_moves, dtype=np.float64))
        if moves.ndim != 1 or not (np.isfinite(moves) & (moves > -1)).all():
            raise ValueError(f"spot moves are fractions above -1, got {spot_moves!r}")
        factors = np.maximum(1.0 + np.outer(moves, self.betas), LEAST_SPOT)
        marks = self.arrays.marks(factors, vol_points=vol_points, years_on=years_on)
        changes = marks - self.arrays.mark
        profits = changes @ self.arrays.units + 0.0  # no minus zero
        is_over = (self.arrays.right != 0) & (years_on > 0) & (self.arrays.years <= years_on)
        now = _later(self.view.now, years_on)
        nodes = [
            self._margin(*node, is_over.tolist(), now)
            for node in zip(changes.tolist(), (factors - 1.0).tolist(), strict=True)
        ]
        margins, left = np.array(nodes, dtype=np.float64).reshape(-1, 2).T
        return Outcomes(profits, margins, left)

    def _margin(
        self, changes: list[float], moves: list[float], is_over: list[bool], now: datetime
    ) -> tuple[float, float]:
        """Maintenance and excess, dollars, of the book when marks and spots have changed.

        Changes are rounded, not marks: where nothing changes, margin is today's to the cent.
        """
        marks, spots = dict[Instrument, Decimal](), dict(self.view.spots)
        cash, kept = self.book.cash, []
        for i, position in enumerate(self.arrays.positions):
            each, was = position.instrument, self.spots[i]
            mark = max(self.marks[i] + dollars_per_share(changes[i]), ZERO)
            spots[each.underlying] = was + dollars_per_share(float(was) * moves[i])
            if is_over[i]:
                cash += position.quantity * each.multiplier * mark
            else:
                marks[each] = mark
                kept.append(position)
        book = Book(cash, tuple(kept)) if any(is_over) else self.book
        view = replace(self.view, now=now, spots=spots, marks=marks, chains={}, last_quotes={})
        required = requirement(book, view, self.account)
        return float(required.maintenance), float(excess(book, view, required))


def _later(now: datetime, years: float) -> datetime:
    # A local time counts hours by the clock on the wall, which jumps in March.
    later = now.astimezone(UTC) + timedelta(days=years * DAYS_PER_YEAR)
    return later.astimezone(now.tzinfo)


def stress(book: Book, view: View, account: Account, betas: Betas | None = None) -> Stress:
    """A book ready for scenarios: its positions as arrays, each vol read from its mark.

    Parameters
    ----------
    betas
        Of every underlying held, to the index that the scenarios move (see
        `exposure.estimated_betas`); without them all move alike.

    Raises
    ------
    NoQuote
        A position without a mark, an underlying without a price.
    ValueError
        A missing beta; an expired option, a non-standard deliverable, a mark without meaning.
    """
    arrays = held(book, view)
    factors = beta_factors(arrays.underlyings, betas)
    instruments = [position.instrument for position in arrays.positions]
    return Stress(
        book, view, account, by_position(arrays), factors[arrays.on],
        tuple(view.spot(each.underlying) for each in instruments),
        tuple(view.mark(each) for each in instruments),
    )  # fmt: skip


# ---------------------------------------------------------------- spot x vol


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """Profit, margin and excess by move of the index (columns) and points of vol (rows).

    Attributes
    ----------
    spot_moves, vol_points
        Fractions, ascending; all strikes and terms move by the same points.
    years_on
        Time that passed before; 0 for at once.
    profits, margins, excess
        Dollars, shape (vol_points, spot_moves), as `Outcomes`.
    edges
        For each row the spot moves at which excess crosses zero, ascending: the liquidation
        contour. Two crossings between neighbouring nodes cancel and are not seen.
    account
        Whose rules were asked.
    """

    spot_moves: Floats
    vol_points: Floats
    years_on: float
    profits: Floats
    margins: Floats
    excess: Floats
    edges: tuple[tuple[float, ...], ...]
    account: str

    @property
    def is_called(self) -> NDArray[np.bool_]:
        """Nodes at which the account has a margin call, or is liquidated."""
        called: NDArray[np.bool_] = self.excess < 0
        return called

    def room(self, points: float = 0.0) -> tuple[float, float]:
        """The nearest fall and rise that bring a call, on the row nearest to that vol shift.

        -infinity and infinity where none within the matrix does; both 0 where the call is there
        without a move, one 0 where the least move to that side brings it.

        Raises
        ------
        ValueError
            If the matrix has no column on which spots stay.
        """
        row = int(np.argmin(np.abs(self.vol_points - points)))
        here = int(np.argmin(np.abs(self.spot_moves)))
        if self.spot_moves[here] != 0:
            raise ValueError(f"room is measured from a spot move of 0, not {self.spot_moves}")
        called, edges = self.is_called[row], self.edges[row]
        if called[here]:
            return 0.0, 0.0
        falls = [x for x in edges if x < 0 or (x == 0 and called[here - 1 : here].any())]
        rises = [x for x in edges if x > 0 or (x == 0 and called[here + 1 : here + 2].any())]
        return max(falls, default=-math.inf), min(rises, default=math.inf)


def stress_matrix(
    ready: Stress,
    *,
    spot_moves: Sequence[float] = SPOT_MOVES,
    vol_points: Sequence[float] = VOL_POINTS,
    years_on: float = 0.0,
) -> Matrix:
    """Profit and margin for each pair of a spot move and a vol shift, with the call's edge.

    The node where nothing moves has a profit of exactly 0 and today's margin.

    Raises
    ------
    ValueError
        If an axis is empty or not ascending, or a scenario has no meaning.

    Examples
    --------
    A hundred shares at 600 on 40,000 of cash borrowed: worth 20,000, against 25 % of the value.
    They are called when 0.75 x value is less than the loan: at 53,333, a fall of 11.1 %.

    >>> from dollarbill_core.rules.accounts import REG_T
    >>> from dollarbill_core.values.book import Position
    >>> from dollarbill_core.values.contracts import Stock
    >>> view = View(datetime(2026, 11, 2, 21, tzinfo=UTC), {"SPY": Decimal(600)})
    >>> book = Book(Decimal(-40_000), (Position(Stock("SPY"), 100),))
    >>> matrix = stress_matrix(stress(book, view, REG_T), vol_points=[0.0])
    >>> matrix.profits[0, :5].tolist(), float(matrix.margins[0, 4])
    ([-12000.0, -9000.0, -6000.0, -3000.0, 0.0], 15000.0)
    >>> [round(edge, 3) for edge in matrix.edges[0]]
    [-0.111]
    """
    moves, points = _axis("spot_moves", spot_moves), _axis("vol_points", vol_points)
    every = np.tile(moves, len(points)), np.repeat(points, len(moves))
    found = ready.outcomes(*every, years_on)
    shape = len(points), len(moves)
    left = found.excess.reshape(shape)
    return Matrix(
        moves, points, years_on, found.profits.reshape(shape), found.margins.reshape(shape),
        left, _edges(ready, moves, points, left, years_on), ready.account.name,
    )  # fmt: skip


def _axis(name: str, values: Sequence[float]) -> Floats:
    axis = np.asarray(values, dtype=np.float64)
    if axis.ndim != 1 or not axis.size or not (np.diff(axis) > 0).all():
        raise ValueError(f"{name} must ascend and hold at least one number, got {values!r}")
    return axis


def _edges(
    ready: Stress, moves: Floats, points: Floats, left: Floats, years_on: float
) -> tuple[tuple[float, ...], ...]:
    """Where each row's excess turns between two nodes, to a cent of it: all at once.

    By the chord, whose end is halved when it stays a second time, lest it stay for ever.
    """
    called = left < 0
    rows, columns = np.nonzero(called[:, 1:] != called[:, :-1])
    low, high = moves[columns], moves[columns + 1]
    at_low, at_high = left[rows, columns], left[rows, columns + 1]
    turns, before = low, np.zeros(rows.size)
    for _ in range(_STEPS if rows.size else 0):
        turns = low + at_low / (at_low - at_high) * (high - low)
        here = ready.outcomes(turns, points[rows], years_on).excess
        if (np.abs(here) <= _CENT).all():
            break
        is_low = (here < 0) == (at_low < 0)  # so the low end moves, and the high one stays
        at_high = np.where(is_low, np.where(before > 0, 0.5, 1.0) * at_high, here)
        at_low = np.where(is_low, here, np.where(before < 0, 0.5, 1.0) * at_low)
        low, high = np.where(is_low, turns, low), np.where(is_low, high, turns)
        before = np.where(is_low, 1.0, -1.0)
    return tuple(tuple(turns[rows == row].tolist()) for row in range(len(points)))


# ---------------------------------------------------------------- past shocks


@dataclass(frozen=True, slots=True)
class ShockOutcome:
    """What one past shock, come again today, does to the book; dollars."""

    shock: Shock
    jump: Jump
    profit: float
    margin: float
    excess: float

    def __str__(self) -> str:
        call = f", a margin call of ${-self.excess:,.0f}" if self.excess < 0 else ""
        sign = "-" if self.profit < 0 else "+"
        return (
            f"{self.shock.name} ({self.jump.measured}: index {self.jump.spot_move:+.1%}, vol "
            f"{100 * self.jump.vol_points:+.1f} points): {sign}${abs(self.profit):,.0f}{call}"
        )


def shock_outcomes(
    ready: Stress, table: Iterable[Shock] = SHOCKS, shift: VolShift = VolShift.BY_TERM
) -> tuple[ShockOutcome, ...]:
    """Each past shock on today's book, close to close and, where known, at its worst prints.

    Underlyings move by beta times the S&P 500's move; every strike's vol rises by the VIX's
    points times `shocks.term_weights` of the option's time to expiry.
    """
    pairs = [(shock, jump) for shock in table for jump in shock.jumps]
    moves = np.array([jump.spot_move for _, jump in pairs], dtype=np.float64)
    points = np.array([jump.vol_points for _, jump in pairs], dtype=np.float64)
    found = ready.outcomes(moves, np.outer(points, term_weights(ready.arrays.years, shift)))
    rows = zip(
        found.profits.tolist(), found.margins.tolist(), found.excess.tolist(), strict=True
    )
    return tuple(
        ShockOutcome(shock, jump, *row) for (shock, jump), row in zip(pairs, rows, strict=True)
    )
