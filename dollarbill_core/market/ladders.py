"""A chain's rows in ladders, and the riskless profits they offer, on arrays: fast, row by row.

A ladder is the calls or the puts of one settlement in order of ``x``: the strike for calls,
less the strike for puts, so that prices fall along it. ``arbitrage.violations`` is the plain
twin: it says what is sold against what; here only which rows can be sold too dear is asked, for
every day of a year.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dollarbill_core.market.chains import Chain, Floats
from dollarbill_core.values.calendars import expiry_instant, years_between
from dollarbill_core.values.contracts import Option, Right

Places = NDArray[np.intp]
Booleans = NDArray[np.bool_]

A_CENT_OF_A_CENT = 1e-4  # dollars per share: less is rounding
_PER_STRIKE, _STRIKE_BITS, _DAY_BITS = 1000, 28, 17  # OCC strikes are whole thousandths


@dataclass(frozen=True, slots=True, eq=False)
class Ladders:
    """Rows in order of settlement, right and ``x``; all arrays but the last four (n,).

    Attributes
    ----------
    rows
        The chain's row at each place.
    term, ladder
        Number of its settlement and of its ladder, ascending.
    right, strike, x
        +1 or -1; dollars; ``right x strike``.
    bid, ask
        Dollars per share; 0 where nobody bids, infinite where nobody offers.
    years, european, roots, adjusted
        Of each settlement, shape (terms,): ACT/365 from the chain's instant, whether it is
        exercised at the end alone, number of its root, whether it delivers something else than
        a hundred shares since a corporate action.
    """

    rows: Places
    term: Places
    ladder: Places
    right: NDArray[np.int8]
    strike: Floats
    x: Floats
    bid: Floats
    ask: Floats
    years: Floats
    european: Booleans
    roots: NDArray[np.int16]
    adjusted: Booleans

    def __len__(self) -> int:
        return len(self.rows)

    def where(self, chosen: Booleans) -> "Ladders":
        """The same settlements with only these places."""
        return replace(self, **{name: getattr(self, name)[chosen] for name in _COLUMNS})

    @property
    def uncrossed(self) -> "Ladders":
        """Without rows whose bid is above the ask: those are named by themselves."""
        return self.where(~(self.bid > self.ask))


_COLUMNS = ("rows", "term", "ladder", "right", "strike", "x", "bid", "ask")


def contract_codes(chain: Chain, roots: tuple[str, ...]) -> NDArray[np.int64]:
    """One number for each row's contract, in order of ladders; shape (n,).

    ``roots`` numbers the roots, so chains of several days agree.
    """
    numbers = np.array([roots.index(root) for root in chain.roots], np.int64)
    days = chain.expiry.astype("datetime64[D]").astype(np.int64)
    ticks = np.rint(chain.strike * _PER_STRIKE).astype(np.int64) * chain.right
    settled = (numbers[chain.root] << _DAY_BITS) + days
    ladder = (settled << 1) + (chain.right > 0)
    codes: NDArray[np.int64] = (ladder << (_STRIKE_BITS + 1)) + ticks + (1 << _STRIKE_BITS)
    return codes


def ladders_of(chain: Chain) -> Ladders:
    """The ladders of a chain; what has been settled by its instant is left out."""
    codes = contract_codes(chain, chain.roots)
    rows = np.argsort(codes, kind="stable")
    ladder_code = codes[rows] >> (_STRIKE_BITS + 1)
    ladder = _numbered(ladder_code)
    term = _numbered(ladder_code >> 1)
    firsts = rows[np.flatnonzero(np.diff(term, prepend=-1))]
    settled = [
        _settled(chain.roots[chain.root[row]], chain.expiry[row].item()) for row in firsts
    ]
    years = np.array([years_between(chain.as_of, each.instant) for each in settled])
    right, strike = chain.right[rows].astype(np.int8), chain.strike[rows]
    bid, ask = chain.bid[rows], chain.ask[rows]
    made = Ladders(
        rows,
        term,
        ladder,
        right,
        strike,
        right * strike,
        np.where(bid > 0, bid, 0.0),
        np.where(ask > 0, ask, np.inf),
        years,
        np.array([each.is_european for each in settled], bool),
        chain.root[firsts].astype(np.int16),
        np.array([each.is_adjusted for each in settled], bool),
    )
    return made if bool((years > 0).all()) else made.where(years[term] > 0)


def _numbered(codes: NDArray[np.int64]) -> Places:
    """0, 1, ... for each new code of a sorted array."""
    return np.cumsum(np.diff(codes, prepend=codes[:1]) != 0)


class _Settled(NamedTuple):
    instant: datetime
    is_european: bool
    is_adjusted: bool


@lru_cache(maxsize=16384)
def _settled(root: str, expiry: date) -> _Settled:
    option = Option(root, expiry, Decimal(1), Right.CALL)
    return _Settled(expiry_instant(option), option.is_european, option.is_adjusted)


# ---------------------------------------------------------------- profits


def vertical_profits(ladders: Ladders, discounts: Floats) -> Floats:
    """What each row brings beyond its dearest counterpart in a vertical, dollars per share.

    Above 0 where an option is sold for more than one of lower ``x`` costs; or a spread for more
    than the discounted distance of its strikes (undiscounted where it can be exercised early).
    ``discounts`` are those of settlements, shape (terms,).

    A put at 95 bid 2.10 while the one at 100 is offered at 2.00 leaves 0.10.
    """
    wide = _Wide.of(ladders)
    unit = np.where(ladders.european, discounts, 1.0)[ladders.term]
    lower = wide.before(ladders.ask, np.inf)
    paid = ladders.ask + unit * ladders.x
    higher = wide.after(paid, np.inf) - unit * ladders.x
    profits: Floats = ladders.bid - np.minimum(lower, higher)
    return profits


def butterfly_profits(ladders: Ladders) -> Floats:
    """What each row brings beyond two around it that pay at least as much, dollars per share.

    Those two are neighbours on the lower convex hull of the ladder's asks.

    Asks of 6 at 95 and 2 at 105 make 4 the most that 100 can be bid; a bid of 4.30 leaves 0.30.
    """
    x, ask, ladder = ladders.x, ladders.ask, ladders.ladder
    hull = _lower_hull(ladders)
    profits = np.full(len(ladders), -np.inf)
    if len(hull) < 2:
        return profits
    places = np.arange(len(ladders))
    after = np.searchsorted(hull, places)
    within = (after > 0) & (after < len(hull))
    i, m = hull[np.maximum(after - 1, 0)], hull[np.minimum(after, len(hull) - 1)]
    within &= (ladder[i] == ladder) & (ladder[m] == ladder) & (m != places)
    j, i, m = places[within], i[within], m[within]
    share = (x[m] - x[j]) / (x[m] - x[i])
    profits[j] = ladders.bid[j] - share * ask[i] - (1 - share) * ask[m]
    return profits


def _lower_hull(ladders: Ladders) -> Places:
    """Places on the lower convex hull of each ladder's asks, in order.

    Whatever lies on or above the line between its neighbours is taken out, all at once, until
    nothing does: none of it can be on the hull, since its neighbours were points of the set.
    """
    x, ask, ladder = ladders.x, ladders.ask, ladders.ladder
    left = np.flatnonzero(np.isfinite(ask))
    while len(left) > 2:
        i, j, m = left[:-2], left[1:-1], left[2:]
        above = (ask[j] - ask[i]) * (x[m] - x[i]) >= (ask[m] - ask[i]) * (x[j] - x[i])
        above &= (ladder[i] == ladder[j]) & (ladder[m] == ladder[j])
        if not above.any():
            break
        left = np.delete(left, np.flatnonzero(above) + 1)
    return left


def calendar_profits(
    ladders: Ladders, prices: Floats, discounts: Floats, errors: Floats
) -> Floats:
    """What each row brings beyond a later option worth at least as much, dollars per share.

    European options are compared by their forwards, American ones of one root as they are.

    Parameters
    ----------
    ladders
        The chain's.
    prices, discounts, errors
        Forward, discount and the forward's doubt in dollars per settlement, shape (terms,);
        a profit within the doubt of both forwards is none.

    Examples
    --------
    A put at 100 for June bid 5.20 while that of July is offered at 5.00 leaves 0.20.
    """
    profits = np.full(len(ladders), -np.inf)
    european = ladders.european[ladders.term]
    unit = np.where(ladders.european, prices, 1.0)[ladders.term]
    now = np.where(ladders.european, prices * discounts, 1.0)[ladders.term]
    doubt = np.where(ladders.european, errors, 0.0)[ladders.term]
    kind = np.where(european, -1, ladders.roots[ladders.term])
    for each in np.unique(kind):
        for right in (Right.CALL, Right.PUT):
            some = np.flatnonzero((kind == each) & (ladders.right == right))
            asks = (ladders.ask[some] + doubt[some]) / now[some]
            cheapest = _cheapest_later(
                ladders.x[some] / unit[some], asks, ladders.term[some], ladders.years
            )
            profits[some] = ladders.bid[some] - cheapest * now[some] - doubt[some]
    return profits


def _cheapest_later(x: Floats, ask: Floats, term: Places, years: Floats) -> Floats:
    """For each row the lowest ask of a later settlement at its ``x`` or a lower one."""
    cheapest = np.full(len(x), np.inf)
    if not len(x):
        return cheapest
    grid, at = np.unique(x, return_inverse=True)
    best = np.full(len(grid), np.inf)
    starts = np.flatnonzero(np.diff(term, prepend=-1))
    parts = np.split(np.arange(len(x)), starts[1:])
    for place in np.argsort(-years[term[starts]], kind="stable").tolist():
        part = parts[place]
        cheapest[part] = best[at[part]]
        np.minimum.at(best, at[part], ask[part])
        np.minimum.accumulate(best, out=best)
    return cheapest


@dataclass(frozen=True, slots=True, eq=False)
class _Wide:
    """Where each place stands in a table with a ladder in every row."""

    ladder: Places
    column: Places
    shape: tuple[int, int]

    @classmethod
    def of(cls, ladders: Ladders) -> "_Wide":
        starts = np.flatnonzero(np.diff(ladders.ladder, prepend=-1))
        sizes = np.diff(starts, append=len(ladders))
        number = np.repeat(np.arange(len(starts)), sizes)
        column = np.arange(len(ladders)) - np.repeat(starts, sizes)
        return cls(number, column, (len(starts), int(sizes.max(initial=0))))

    def before(self, values: Floats, empty: float) -> Floats:
        """The least value at earlier places of the same ladder."""
        table = np.full((self.shape[0], self.shape[1] + 1), empty)
        table[self.ladder, self.column + 1] = values
        least: Floats = np.minimum.accumulate(table, axis=1)[self.ladder, self.column]
        return least

    def after(self, values: Floats, empty: float) -> Floats:
        """The least value at later places of the same ladder."""
        table = np.full((self.shape[0], self.shape[1] + 1), empty)
        table[self.ladder, self.column] = values
        least = np.minimum.accumulate(table[:, ::-1], axis=1)[:, ::-1]
        found: Floats = least[self.ladder, self.column + 1]
        return found
