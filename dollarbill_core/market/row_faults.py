"""Which rows of a day's chain are flawed, and how: every check of single quotes, on arrays.

==================  ==================================================================
CROSSED             the bid is above the ask
LOCKED              the bid is the ask
NO_BID, NO_ASK      nobody bids, or offers; a bid of 0 is usual far out of the money
BID_MISSING         nobody bids, but for an option worth less somebody does (``bid_missing``)
VERTICAL            sold at its bid for more than an option that pays as much costs, or a
                    spread for more than it can pay (``ladders.vertical_profits``)
BUTTERFLY           sold for more than two around it (``ladders.butterfly_profits``)
CALENDAR            sold for more than a later one (``ladders.calendar_profits``)
PARITY              call and put are worth a forward (or spot) that at least half of the
                    pairs near the money would trade against (``parity.off_parity``)
BELOW_INTRINSIC     offered for less than exercise brings (``parity.below_exercise``)
JUNK_VOL            the vendor's vol is no number, below 1 % or above 500 %, or explains a
                    price far outside bid and ask (``junk_vols``)
OUTLIER             the mid is far from what its neighbours' vols say (``off_smile``)
STALE               bid and ask stand where they stood while the market moved (``stale``)
==================  ==================================================================

An arbitrage counts from a hundredth of a cent on, all at the bid and the ask.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from dollarbill_core.market.carry import Rates
from dollarbill_core.market.chains import Chain, Floats
from dollarbill_core.market.faults import Fault
from dollarbill_core.market.ladders import (
    A_CENT_OF_A_CENT,
    Booleans,
    Ladders,
    Places,
    butterfly_profits,
    calendar_profits,
    contract_codes,
    ladders_of,
    vertical_profits,
)
from dollarbill_core.market.parity import Parity, below_exercise, off_parity, parity_of
from dollarbill_core.pricing.implied_vol import implied_vol_from_forward

# Yahoo gives 0.00001 where its solver fails, and thousands of percent far out of the money; no
# listed option of a living company has ended a day below 1 % or above 500 % at the money.
_LEAST_VOL, _MOST_VOL = 0.01, 5.0
_VOL_APART = (0.05, 0.5)  # the vendor's and ours: points, and share of ours, before it is junk
_SPREADS_APART = 3.0  # half-spreads between a mid and what its neighbours or its vol say
_SMILE_APART = 0.05  # of the vol: what a smile may bend between strikes
_WORTH_A_BID = 0.25  # dollars
_REACH = 1.5  # standard deviations: neighbours farther apart say nothing
_MOVED = 0.005  # of the spot: below it quotes may stand still
_LEAST_MOVE = 0.10  # dollars by which both neighbours of a stale quote have moved


@dataclass(frozen=True, slots=True, eq=False)
class Studied:
    """One chain sorted, with what its pairs say: what every check looks at.

    ``rates`` are those of the settlements, per year, continuously compounded, shape (terms,).
    """

    chain: Chain
    ladders: Ladders
    parity: Parity
    rates: Floats
    dividend_yield: float


def studied(chain: Chain, rates: Rates, dividend_yield: float = 0.0) -> Studied:
    """A chain sorted into ladders, with its parity bands."""
    ladders = ladders_of(chain).uncrossed
    own = np.array([rates.continuous(max(years, 0.0)) for years in ladders.years.tolist()])
    parity = parity_of(ladders, chain.spot, own, dividend_yield)
    return Studied(chain, ladders, parity, own, dividend_yield)


@dataclass(frozen=True, slots=True, eq=False)
class Matched:
    """Rows of a chain that ``previous`` quotes too, in order of ladders; arrays of shape (m,).

    ``places`` are those in the ladders, ``before`` rows of the earlier chain; ``same`` says
    that bid and ask stand where they stood.
    """

    previous: Chain
    places: Places
    before: Places
    same: Booleans


def matched(now: Studied, previous: Chain) -> Matched:
    """Each contract's row in the chain before."""
    ladders, chain = now.ladders, now.chain
    roots = tuple(dict.fromkeys((*chain.roots, *previous.roots)))
    codes = contract_codes(chain, roots)[ladders.rows]
    older = contract_codes(previous, roots)
    order = np.argsort(older, kind="stable")
    if not len(order):
        return Matched(previous, order, order, np.zeros(0, bool))
    at = np.minimum(np.searchsorted(older[order], codes), len(order) - 1)
    before = order[at]
    places = np.flatnonzero(older[before] == codes)
    before = before[places]
    rows = ladders.rows[places]
    same = (chain.bid[rows] == previous.bid[before]) & (chain.ask[rows] == previous.ask[before])
    return Matched(previous, places, before, same)


def row_faults(
    now: Studied, match: Matched | None = None, vendor_vol: Floats | None = None
) -> Mapping[Fault, Booleans]:
    """Which rows of the chain have which fault, masks of shape (n,).

    ``match`` holds the day before, if there is one.
    """
    ladders, parity, vols = now.ladders, now.parity, own_vols(now)
    below, outlier = below_exercise(ladders, parity), off_smile(now, vols)
    found = {
        Fault.BELOW_INTRINSIC: below,
        Fault.OUTLIER: outlier,
        Fault.PARITY: off_parity(ladders, parity) & ~_pairs_touched(parity, below | outlier),
        Fault.BID_MISSING: bid_missing(ladders),
    }
    suspect = below | outlier | found[Fault.PARITY]
    found |= _profits(now, replace(ladders, ask=np.where(suspect, np.inf, ladders.ask)))
    if vendor_vol is not None:
        found[Fault.JUNK_VOL] = junk_vols(now, vols, np.asarray(vendor_vol, float))
    masks = _plain(now.chain) | {fault: _on_rows(now, mask) for fault, mask in found.items()}
    if match is not None:
        masks[Fault.STALE] = stale(now, match)
    return masks


def _profits(now: Studied, ladders: Ladders) -> dict[Fault, Booleans]:
    """Rows that bring a profit against ``ladders``, whose suspects are not bought.

    A quote that is too cheap would else make every one around it look too dear.
    """
    parity = now.parity
    doubts = np.nan_to_num((parity.high - parity.low) / 2)
    profits = {
        Fault.VERTICAL: vertical_profits(ladders, parity.discounts),
        Fault.BUTTERFLY: butterfly_profits(ladders),
        Fault.CALENDAR: calendar_profits(ladders, parity.forwards, parity.discounts, doubts),
    }
    return {fault: profit > A_CENT_OF_A_CENT for fault, profit in profits.items()}


def _plain(chain: Chain) -> dict[Fault, Booleans]:
    bid, ask = chain.bid, chain.ask
    return {
        Fault.CROSSED: (ask > 0) & (bid > ask),
        Fault.LOCKED: (ask > 0) & (bid == ask),
        Fault.NO_BID: ~(bid > 0),
        Fault.NO_ASK: ~(ask > 0),
    }


def _pairs_touched(parity: Parity, rows: Booleans) -> Booleans:
    """Both rows of each pair of which one is in ``rows``: that one is named already."""
    touched = np.zeros(len(rows), bool)
    either = rows[parity.call] | rows[parity.put]
    touched[parity.call[either]] = True
    touched[parity.put[either]] = True
    return touched


def _on_rows(now: Studied, mask: Booleans) -> Booleans:
    """A mask of places in the ladders as one of the chain's rows."""
    made = np.zeros(len(now.chain), bool)
    made[now.ladders.rows[mask]] = True
    return made


def bid_missing(ladders: Ladders) -> Booleans:
    """Places without a bid although an option worth less is bid for, at 0.25 or more.

    Far out of the money nobody bids, and bids of a nickel come and go; but no bid at 95 while
    the put at 90 is bid 0.40 is a quote that is missing.
    """
    places = np.arange(len(ladders))
    bid_for = np.where(ladders.bid >= _WORTH_A_BID, places, -1)
    starts = np.flatnonzero(np.diff(ladders.ladder, prepend=-1))
    if not len(starts):
        return np.zeros(0, bool)
    sizes = np.diff(starts, append=len(ladders))
    farthest = np.repeat(np.maximum.reduceat(bid_for, starts), sizes)
    missing: Booleans = (ladders.bid <= 0) & (places < farthest)
    return missing


# ---------------------------------------------------------------- vols


@dataclass(frozen=True, slots=True, eq=False)
class OwnVols:
    """Vols of quotes out of the money, at their places; shape (m,).

    ``vol`` is that of the mid; ``vega`` dollars per share and 1.0 of vol; ``k`` is the
    logarithm of strike over forward in standard deviations of the settlement.
    """

    places: Places
    vol: Floats
    vega: Floats
    k: Floats
    half_spread: Floats


def own_vols(now: Studied) -> OwnVols:
    """Vols of the quotes out of the money, from each settlement's forward."""
    ladders, parity = now.ladders, now.parity
    term = ladders.term
    sound = (ladders.bid > 0) & np.isfinite(ladders.ask)
    forward = parity.forwards[term]
    places = np.flatnonzero(sound & (ladders.right * (ladders.strike - forward) >= 0))
    term, forward = term[places], forward[places]
    mid = (ladders.bid + ladders.ask)[places] / 2
    years, discount = ladders.years[term], parity.discounts[term]
    strike = ladders.strike[places]
    vol = implied_vol_from_forward(ladders.right[places], mid, forward, strike, years, discount)
    known = vol > 0
    places, vol, term = places[known], vol[known], term[known]
    total = vol * np.sqrt(years[known])
    k = np.log(strike[known] / forward[known])
    d1 = total / 2 - k / total
    scale = (discount * forward * np.sqrt(years))[known] / np.sqrt(2 * np.pi)
    deviation = parity.deviations[term]
    return OwnVols(
        places,
        vol,
        scale * np.exp(-d1 * d1 / 2),
        k / np.where(deviation > 0, deviation, total),
        (ladders.ask - ladders.bid)[places] / 2,
    )


def off_smile(now: Studied, own: OwnVols) -> Booleans:
    """Places whose vol is far from every line through two neighbours on either side.

    Far is a twentieth of the vol, and three times what the half-spreads leave open; four lines
    are drawn, so one bad neighbour condemns nobody. Neighbours that lie more than one and a
    half standard deviations apart are not asked. Mask of places in the ladders, shape (n,).

    Vols of 20, 21, [28], 23 and 24 % at even strikes: all four lines say 22, so the third is
    off by 6 points, more than 1.4, if its quote is no wider than a third of that.
    """
    found = np.zeros(len(now.ladders), bool)
    ladder = now.ladders.ladder[own.places]
    doubt = own.half_spread / np.maximum(own.vega, 1e-12)
    j = np.arange(2, len(own.places) - 2)
    if not len(j):
        return found
    usable = (ladder[j - 2] == ladder[j + 2]) & (np.abs(own.k[j + 2] - own.k[j - 2]) <= _REACH)
    j = j[usable]
    off = np.ones(len(j), bool)
    for before, after in ((1, 1), (1, 2), (2, 1), (2, 2)):
        i, m = j - before, j + after
        share = (own.k[m] - own.k[j]) / (own.k[m] - own.k[i])
        line = share * own.vol[i] + (1 - share) * own.vol[m]
        open_ = doubt[j] + share * doubt[i] + (1 - share) * doubt[m]
        apart = np.abs(own.vol[j] - line)
        off &= apart > np.maximum(_SPREADS_APART * open_, _SMILE_APART * own.vol[j])
    found[own.places[j[off]]] = True
    return found


def junk_vols(now: Studied, own: OwnVols, vendor_vol: Floats) -> Booleans:
    """Places whose vendor's vol cannot be meant; only where there is a quote to explain.

    No number, below 1 % or above 500 %; or five points and half of our own vol away from it,
    and three half-spreads away in price. Where the vendor gives no vol at all, none is junk.

    Ours is 20 %, the vendor's 32 %: 12 points are more than 10, and with a vega of 8 dollars
    they move the price by 0.96; more than three half-spreads if the quote is 0.60 wide.
    """
    ladders = now.ladders
    given = vendor_vol[ladders.rows]
    if not np.isfinite(vendor_vol).any():
        return np.zeros(len(ladders), bool)
    quoted = (ladders.bid > 0) & np.isfinite(ladders.ask)
    junk = quoted & ~((given >= _LEAST_VOL) & (given <= _MOST_VOL))
    apart = np.abs(given[own.places] - own.vol)
    far = apart > np.maximum(_VOL_APART[0], _VOL_APART[1] * own.vol)
    far &= apart * own.vega > _SPREADS_APART * own.half_spread
    junk[own.places[far]] = True
    return junk


# ---------------------------------------------------------------- against the day before


def stale(now: Studied, match: Matched) -> Booleans:
    """Rows that stand where they stood although the market moved; shape (n,).

    Either both rows of a pair are unchanged while the spot moved by half a percent and by more
    than their two spreads together: whatever vols did, call less put follows the forward. Or
    one row is unchanged while its neighbours in the ladder moved the same way, both by ten
    cents and twice its own spread. Only rows that are bid for.

    The spot goes from 100 to 102 and the pair at 100, spreads of 0.10 each, is quoted as
    before: call less put ought to have gained about 2.
    """
    ladders = now.ladders
    unmoved = np.zeros(len(ladders), bool)
    alive = match.same & (ladders.bid[match.places] > 0)
    unmoved[match.places[alive]] = True
    stands = _held_pairs(now, match.previous, unmoved) | _passed_by(now, match, unmoved)
    return _on_rows(now, stands)


def _held_pairs(now: Studied, previous: Chain, unmoved: Booleans) -> Booleans:
    ladders, parity = now.ladders, now.parity
    moved = abs(now.chain.spot - previous.spot)
    spread = ladders.ask - ladders.bid
    held = unmoved[parity.call] & unmoved[parity.put]
    held &= moved > spread[parity.call] + spread[parity.put]
    held &= moved > _MOVED * previous.spot
    found = np.zeros(len(ladders), bool)
    found[parity.call[held]] = True
    found[parity.put[held]] = True
    return found


def _passed_by(now: Studied, match: Matched, unmoved: Booleans) -> Booleans:
    ladders, places, previous = now.ladders, match.places, match.previous
    found = np.zeros(len(ladders), bool)
    if len(places) < 3:
        return found
    old_bid, old_ask = previous.bid[match.before], previous.ask[match.before]
    change = (ladders.bid[places] + ladders.ask[places] - old_bid - old_ask) / 2
    change = np.where(np.isfinite(change), change, 0.0)
    j = np.arange(1, len(places) - 1)
    ladder = ladders.ladder[places]
    least = np.maximum(_LEAST_MOVE, 2 * (ladders.ask - ladders.bid)[places[j]])
    passed = unmoved[places[j]] & (ladder[j - 1] == ladder[j + 1])
    passed &= np.sign(change[j - 1]) == np.sign(change[j + 1])
    passed &= np.minimum(np.abs(change[j - 1]), np.abs(change[j + 1])) > least
    found[places[j[passed]]] = True
    return found
