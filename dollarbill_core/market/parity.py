"""What pairs of calls and puts say of forward and spot: bands that no riskless trade leaves.

Selling the call, buying the put and paying the strike delivers the underlying at a known price,
and so does the reverse; every pair of one strike thus bounds the same number from below and
above, whatever the model. For European options that is the forward::

    strike + (call bid - put ask) / discount <= forward
                                             <= strike + (call ask - put bid) / discount

for American ones, which may be exercised before a dividend or for the interest, the spot::

    call bid - put ask + discount strike <= spot <= call ask - put bid + strike + dividends

The pairs nearest the money of a settlement give its band: the median of their lower ends and
the median of their upper ends. A pair wholly outside could be traded at a profit against at
least half of them.

Source: Stoll (1969) for the equality; Merton, "The Relationship Between Put and Call Option
Prices: Comment", Journal of Finance 28 (1973), for the inequality of American options.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dollarbill_core.market.chains import Floats
from dollarbill_core.market.ladders import A_CENT_OF_A_CENT, Booleans, Ladders, Places

_NEAR = 12  # pairs that make a band: those whose call and put are closest in price
_FOR_DISCOUNT = 40  # pairs that may tell the discount
_FEWEST_FOR_DISCOUNT = 10
_HIGHEST_RATE = 0.30  # per year, of either sign; beyond it the pairs' slope is no discount
# Per year, of a discount that was not read from the pairs: European, and American, whose pairs
# cannot tell it. One rate may stand for all terms, and in 2022 they were 3 % apart.
_RATE_DOUBT, _AMERICAN_DOUBT = 0.005, 0.03
_FEWEST = 3  # pairs of a settlement that may speak of the spot
_LONGEST = 60 / 365  # years: beyond it dividends and borrowing blur what the spot is
_SETTLEMENTS = 3  # the shortest that speak of the spot
_A_DIVIDEND = 0.01  # of the spot: few pay more at a time
_STRADDLE = math.sqrt(2 / math.pi)  # what it is worth, in standard deviations
_CARRY_DOUBT = 0.01  # per year, of the spot: dividends and borrowing that rates do not know


@dataclass(frozen=True, slots=True, eq=False)
class Parity:
    """Pairs and the bands of their settlements.

    Attributes
    ----------
    call, put
        Places in the ladders of each pair, shape (pairs,).
    least, most
        What each pair says of the forward or the spot: at least and at most, dollars, widened
        by the doubt in the discount; infinite where nobody bids or offers; shape (pairs,).
    low, high
        The band of each settlement, dollars: of the forward where European, of the spot where
        American; NaN where no pair is sound; shape (terms,).
    discounts
        Of each settlement, read from its pairs or from the rates; shape (terms,).
    doubts
        How far off the discount may be, of one, shape (terms,).
    centre
        The strike where call and put are closest in price, shape (terms,).
    count
        Sound pairs of each settlement, shape (terms,).
    forwards
        The median of what the pairs near the money say at mid, or the spot carried where there
        is none, dollars; an estimate where American; shape (terms,).
    deviations
        Standard deviation of the underlying until each settlement, a share of the forward, as
        the straddle at the money prices it; NaN where there is none; shape (terms,).
    """

    call: Places
    put: Places
    least: Floats
    most: Floats
    low: Floats
    high: Floats
    discounts: Floats
    doubts: Floats
    centre: Floats
    count: Places
    forwards: Floats
    deviations: Floats


def parity_of(
    ladders: Ladders, spot: float, rates: Floats, dividend_yield: float = 0.0
) -> Parity:
    """Pairs and bands of all settlements.

    Parameters
    ----------
    ladders
        The chain's, without crossed rows.
    spot
        What the data say the underlying costs, dollars; bounds dividends of American options.
    rates
        Of each settlement, per year, continuously compounded, shape (terms,).
    dividend_yield
        Per year, continuously compounded.

    Examples
    --------
    A European call at 100 is quoted 5.00 to 5.20, its put 4.00 to 4.10: without interest the
    forward is at least 100 + 5.00 - 4.10 = 100.90 and at most 100 + 5.20 - 4.00 = 101.20.
    """
    pairs = _quoted(ladders)
    places = np.flatnonzero(np.isfinite(pairs.synthetic))
    near_money = np.abs(pairs.synthetic[places])
    nearest = _Nearest.of(pairs.term[places], near_money, len(ladders.years))
    near, many = nearest.table(_NEAR, places), nearest.table(_FOR_DISCOUNT, places)
    discounts, doubts = _discounts(many, pairs, ladders, np.exp(-rates * ladders.years))
    centre = _picked(pairs.strike, near[:, 0])
    told = centre * discounts + _picked(pairs.synthetic, near[:, 0])
    early = _early(ladders, spot, told, nearest.sizes, dividend_yield)
    doubt = np.abs(pairs.strike - centre[pairs.term]) * (doubts / discounts)[pairs.term]
    least, most = _bounds(pairs, ladders, discounts, early)
    agreed = _medians(near, pairs.strike + pairs.synthetic / discounts[pairs.term])
    carried = spot * np.exp((rates - dividend_yield) * np.maximum(ladders.years, 0.0))
    forwards = np.where(nearest.sizes > 0, agreed, carried)
    return Parity(
        pairs.call,
        pairs.put,
        least - doubt,
        most + doubt,
        _medians(near, least - doubt),
        _medians(near, most + doubt),
        discounts,
        doubts,
        centre,
        nearest.sizes,
        forwards,
        _picked(pairs.straddle, near[:, 0]) / (_STRADDLE * discounts * forwards),
    )


class _Quoted(NamedTuple):
    """Pairs as they are quoted, dollars per share, shape (pairs,).

    ``sold`` is what selling the call and buying the put brings at least, ``bought`` what the
    reverse costs at most; ``synthetic`` lies half way, NaN where a quote is not sound.
    """

    call: Places
    put: Places
    term: Places
    strike: Floats
    sold: Floats
    bought: Floats
    synthetic: Floats
    straddle: Floats


def _quoted(ladders: Ladders) -> _Quoted:
    call, put = _pairs(ladders)
    bid, ask = ladders.bid, ladders.ask
    sold = np.where(bid[call] > 0, bid[call] - ask[put], -np.inf)
    bought = np.where(bid[put] > 0, ask[call] - bid[put], np.inf)
    wide = (ask[call] > bid[call]) & (ask[put] > bid[put])
    sound = wide & np.isfinite(sold) & np.isfinite(bought)
    synthetic, straddle = np.full((2, len(call)), np.nan)
    synthetic[sound] = (sold[sound] + bought[sound]) / 2
    straddle[sound] = (bid[call] + ask[call] + bid[put] + ask[put])[sound] / 2
    strike, term = ladders.strike[call], ladders.term[call]
    return _Quoted(call, put, term, strike, sold, bought, synthetic, straddle)


def _bounds(
    pairs: _Quoted, ladders: Ladders, discounts: Floats, early: Floats
) -> tuple[Floats, Floats]:
    """The least and the most that each pair says: of the forward, or of the spot."""
    discount, american = discounts[pairs.term], ~ladders.european[pairs.term]
    strike = pairs.strike
    spot_least = pairs.sold + discount * strike
    spot_most = pairs.bought + strike + early[pairs.term]
    least = np.where(american, spot_least, strike + pairs.sold / discount)
    most = np.where(american, spot_most, strike + pairs.bought / discount)
    return least, most


def _pairs(ladders: Ladders) -> tuple[Places, Places]:
    """Places of calls and puts of one settlement and strike."""
    code = ladders.term * (1 << 40) + np.rint(ladders.strike * 1000).astype(np.int64)
    calls, puts = np.flatnonzero(ladders.right > 0), np.flatnonzero(ladders.right < 0)
    if not len(calls) or not len(puts):
        return calls[:0], puts[:0]
    at = np.minimum(np.searchsorted(code[calls], code[puts]), len(calls) - 1)
    same = code[calls[at]] == code[puts]
    order = np.argsort(at[same], kind="stable")
    return calls[at[same]][order], puts[same][order]


@dataclass(frozen=True, slots=True, eq=False)
class _Nearest:
    """Pairs of each settlement, those nearest the money first."""

    order: Places
    term: Places
    rank: Places
    sizes: Places

    @classmethod
    def of(cls, term: Places, distance: Floats, terms: int) -> "_Nearest":
        order = np.lexsort((distance, term))
        sizes = np.bincount(term, minlength=terms)
        starts = np.cumsum(sizes) - sizes
        rank = np.arange(len(term)) - starts[term[order]]
        return cls(order, term[order], rank, sizes)

    def table(self, most: int, places: Places) -> Places:
        """The nearest pairs of each settlement, (terms, most), -1 where there are no more."""
        made = np.full((len(self.sizes), most), -1)
        few = self.rank < most
        made[self.term[few], self.rank[few]] = places[self.order[few]]
        return made


def _picked(values: Floats, table: Places) -> Floats:
    """Values at places, NaN at -1."""
    if not len(values):
        return np.full(table.shape, np.nan)
    return np.where(table >= 0, values[table], np.nan)


def _medians(table: Places, values: Floats) -> Floats:
    return _row_medians(_picked(values, table))


def _row_medians(values: Floats) -> Floats:
    """The median of each row's numbers, NaN where there is none; NaN is no number."""
    ordered = np.sort(values, axis=1)  # NaN last
    count = np.isfinite(values).sum(axis=1)
    rows = np.arange(len(values))
    upper = ordered[rows, np.minimum(count // 2, values.shape[1] - 1)]
    lower = ordered[rows, np.maximum(count - 1, 0) // 2]
    return np.where(count > 0, (lower + upper) / 2, np.nan)


def _discounts(
    table: Places, pairs: _Quoted, ladders: Ladders, given: Floats
) -> tuple[Floats, Floats]:
    """Discounts and their doubts; of European options the pairs' own where they tell it.

    The slope of call less put over the strike, by Theil's method: the median over couples of
    pairs that lie half the list apart. Source: Theil, "A rank-invariant method of linear and
    polynomial regression analysis", Proc. KNAW 53 (1950), the incomplete method.
    """
    years, count = ladders.years, (table >= 0).sum(axis=1)
    slopes = _slopes(_picked(pairs.strike, table), _picked(pairs.synthetic, table), count)
    found = _row_medians(slopes)
    error = 2 * _row_medians(np.abs(slopes - found[:, None])) / np.sqrt(np.maximum(count, 1))
    known = ladders.european & (count >= _FEWEST_FOR_DISCOUNT) & (found > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        known &= np.abs(np.log(found)) < _HIGHEST_RATE * years
        known &= error < _RATE_DOUBT * years
    open_rate = np.where(ladders.european, _RATE_DOUBT, _AMERICAN_DOUBT)
    doubt = given * -np.expm1(-open_rate * np.maximum(years, 0.0))
    return np.where(known, found, given), np.where(known, 2 * error, doubt)


def _slopes(strike: Floats, synthetic: Floats, count: Places) -> Floats:
    """By how much call less put falls per dollar of strike, between couples of pairs.

    One settlement a row, of which the first ``count`` are pairs; NaN where there is no couple.
    """
    order = np.argsort(strike, axis=1)  # NaN last
    k, y = (np.take_along_axis(each, order, 1) for each in (strike, synthetic))
    partner = np.arange(k.shape[1]) + (count[:, None] // 2)
    valid = partner < count[:, None]
    other = np.where(valid, partner, 0)
    across = np.where(valid, np.take_along_axis(k, other, 1) - k, np.nan)
    falls = y - np.take_along_axis(y, other, 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        slopes: Floats = np.where(across > 0, falls / across, np.nan)
    return slopes


def _early(
    ladders: Ladders, spot: float, told: Floats, count: Places, dividend_yield: float
) -> Floats:
    """Dollars of dividends until each settlement: by the yield, or what the pairs say.

    ``told`` is the spot less dividends of each settlement, as its pair at the money says. The
    spot column may be of another moment: where the shortest settlement is farther from it than
    a quarter's dividend, that settlement stands for it.
    """
    years = np.maximum(ladders.years, 0.0)
    usable = (count >= _FEWEST) & (years > 0) & (years <= _LONGEST) & ~ladders.adjusted
    near = np.flatnonzero(usable)
    if len(near):
        shortest = float(told[near[np.argmin(years[near])]])
        spot = spot if abs(spot / shortest - 1) <= _A_DIVIDEND else shortest
    by_yield = spot * -np.expm1(-dividend_yield * years)
    early: Floats = np.fmax(np.fmax(by_yield, spot - told), 0.0)
    return early


def below_exercise(ladders: Ladders, parity: Parity) -> Booleans:
    """Rows offered for less than exercising them brings, at the worst end of the band.

    European options: for less than the discounted distance of forward and strike.

    With the forward at 101 or above and no interest, the call at 90 is worth 11 or more; an
    ask of 10.50 is below it.
    """
    term = ladders.term
    right = ladders.right.astype(float)
    edge = np.where(right > 0, parity.low[term], parity.high[term])
    unit = np.where(ladders.european, parity.discounts, 1.0)[term]
    doubt = np.abs(ladders.strike - parity.centre[term]) * parity.doubts[term]
    doubt = np.where(ladders.european[term], doubt, 0.0)
    worth = unit * right * (edge - ladders.strike) - doubt
    below: Booleans = worth - ladders.ask > A_CENT_OF_A_CENT
    return below


def off_parity(ladders: Ladders, parity: Parity) -> Booleans:
    """Rows of pairs that lie wholly outside the band of their settlement; shape (n,).

    Which of the two is wrong parity cannot say, so both are named.
    """
    term = ladders.term[parity.call]
    outside = parity.least > parity.high[term] + A_CENT_OF_A_CENT
    outside |= parity.most < parity.low[term] - A_CENT_OF_A_CENT
    found = np.zeros(len(ladders), bool)
    found[parity.call[outside]] = True
    found[parity.put[outside]] = True
    return found


def vol_near(ladders: Ladders, parity: Parity, years: float) -> float:
    """The vol at the money of the settlement nearest to ``years``, by its straddle; or NaN."""
    known = np.flatnonzero(np.isfinite(parity.deviations) & (ladders.years > 0))
    if not len(known):
        return math.nan
    nearest = known[np.argmin(np.abs(ladders.years[known] - years))]
    return float(parity.deviations[nearest] / math.sqrt(ladders.years[nearest]))


def implied_spot(
    ladders: Ladders, parity: Parity, rates: Floats, dividend_yield: float = 0.0
) -> tuple[float, float]:
    """Lowest and highest spot that the pairs allow, dollars; NaN where they say nothing.

    Of the shortest settlements of standard contracts, two months at most, that have three sound
    pairs; what carry may hide in that time is allowed on either side.
    """
    years = ladders.years
    usable = (parity.count >= _FEWEST) & (years > 0) & (years <= _LONGEST) & ~ladders.adjusted
    usable &= np.isfinite(parity.low) & np.isfinite(parity.high)
    chosen = np.flatnonzero(usable)
    chosen = chosen[np.argsort(years[chosen], kind="stable")][:_SETTLEMENTS]
    if not len(chosen):
        return math.nan, math.nan
    carry = np.exp((dividend_yield - rates[chosen]) * years[chosen])
    carry = np.where(ladders.european[chosen], carry, 1.0)
    doubt = _CARRY_DOUBT * years[chosen]
    low = parity.low[chosen] * carry * (1 - doubt)
    high = parity.high[chosen] * carry * (1 + doubt)
    return float(low.min()), float(high.max())
