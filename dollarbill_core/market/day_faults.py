"""What is wrong with a whole day of quotes: copied, of another moment, with holes, not split.

==================  ==================================================================
COPIED_DAY          nine tenths of the quotes near the money stand where they stood on the
                    day before (``is_copied``)
ASYNCHRONOUS_SPOT   the spot column is not the spot that call and put imply
                    (``is_asynchronous``)
MISSING_STRIKES     contracts of the day before, strikes of a ladder or every pair near the
                    money are not there (``lacks_strikes``)
HOLIDAY             the exchange was closed
UNADJUSTED_SPLIT    spot and strikes differ by the ratio of a split (``is_split_apart``)
SPOT_JUMP           the spot jumped and no option says so (``has_jumped``)
==================  ==================================================================
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dollarbill_core.market.carry import Rates
from dollarbill_core.market.chains import Chain
from dollarbill_core.market.faults import Fault
from dollarbill_core.market.parity import implied_spot, vol_near
from dollarbill_core.market.row_faults import Matched, Studied, studied

_NEAR_MONEY = 0.10  # of the spot, either side
_COPIED, _FEWEST_COPIED = 0.9, 10  # share of the matched quotes, and how many there must be

# Index options and those of some ETFs trade until 16:15, the index closes at 16:00: a quarter
# of an hour of 6.5 x 252 hours a year, three standard deviations of it. On 5 days of SPX (2011)
# and in 290 settlements of SPY (2021) parity was never more than 1.6 of them from the close.
_SESSIONS, _A_MONTH = 252, 30 / 365
_DEVIATIONS, _QUARTER_HOUR = 3.0, 0.25 / (6.5 * _SESSIONS)
_LEAST_APART = 0.0025  # of the spot

_STRIKE_BITS, _DAY_BITS = 28, 17
# Share of strikes with both sides, from which a chain is taken for whole ladders.
_IS_FULL = 0.8
_FEWEST_PAIRS = 5  # of a settlement that would be missed
_GONE = 0.05  # share of the contracts between those that remain that may vanish
_HOLE = 2.0  # times the widest of the two intervals on either side
_HOLE_NEAR, _SHORT = 0.05, 60 / 365  # of the spot, and years: where ladders are even

_SPLIT_APART = 0.30  # spot and strikes farther apart than this, or their ratio below 1 / 1.3
_JUMP, _JUMP_DEVIATIONS = 0.10, 8.0  # of the spot, and of a day's standard deviation


class Spot(NamedTuple):
    """Lowest and highest spot that the pairs allow, dollars, NaN without pairs."""

    low: float
    high: float

    @property
    def is_known(self) -> bool:
        return math.isfinite(self.low)


def day_faults(
    now: Studied,
    match: Matched | None = None,
    *,
    is_session: bool = True,
    split: float = 1.0,
) -> frozenset[Fault]:
    """The faults of the whole day; ``match`` holds the day before, if there is one.

    ``split`` is new shares for each old one from the open of this day on, 1 for none.
    """
    implied = Spot(*implied_spot(now.ladders, now.parity, now.rates, now.dividend_yield))
    previous = None if match is None else match.previous
    apart = is_split_apart(now, implied, previous, split)
    found = {
        Fault.HOLIDAY: not is_session,
        Fault.UNADJUSTED_SPLIT: apart,
        Fault.ASYNCHRONOUS_SPOT: not apart and is_asynchronous(now, implied),
        Fault.MISSING_STRIKES: not apart and lacks_strikes(now, match, split),
        Fault.COPIED_DAY: match is not None and is_copied(now, match),
        Fault.SPOT_JUMP: not apart
        and previous is not None
        and has_jumped(now, implied, previous, split),
    }
    return frozenset(fault for fault, is_found in found.items() if is_found)


def is_copied(now: Studied, match: Matched) -> bool:
    """Whether nine in ten live quotes near the money, ten at least, stand where they stood.

    Even when a price does not move, a day's time value goes, so real chains share few quotes
    near the money with the day before; the spot is not asked, since it may be copied too.
    """
    ladders = now.ladders
    near = np.abs(ladders.strike[match.places] / now.chain.spot - 1) <= _NEAR_MONEY
    live = near & (ladders.bid[match.places] > 0)
    count = int(live.sum())
    return count >= _FEWEST_COPIED and float(match.same[live].mean()) >= _COPIED


def apart_allowed(now: Studied) -> float:
    """How far the spot column may lie from the implied spot, a share of it.

    Three standard deviations of a quarter of an hour at the chain's own vol, at least 0.25 %.

    At a vol of 16 %: 3 x 0.16 x sqrt(0.25 / 1638) = 0.0059.
    """
    vol = vol_near(now.ladders, now.parity, _A_MONTH)
    if math.isnan(vol):
        return _LEAST_APART
    return max(_LEAST_APART, _DEVIATIONS * vol * math.sqrt(_QUARTER_HOUR))


def is_asynchronous(now: Studied, implied: Spot) -> bool:
    """Whether the spot column lies outside what the pairs allow, by more than is usual.

    Pairs say 100.00 to 100.20 at a vol of 16 %, so the column may say 99.41 to 100.79.
    """
    if not implied.is_known:
        return False
    allowed = apart_allowed(now) * now.chain.spot
    return not implied.low - allowed <= now.chain.spot <= implied.high + allowed


# ---------------------------------------------------------------- strikes


def lacks_strikes(now: Studied, match: Matched | None = None, split: float = 1.0) -> bool:
    """Whether strikes are missing from a chain that otherwise lists whole ladders.

    A file of the most traded contracts lists what was traded, and nothing is missing from it:
    only where four in five strikes have both sides is a chain held to its ladders. Then it
    lacks strikes if a settlement of five pairs or more is gone while an earlier one is there;
    if more than a twentieth of the contracts of the day before are gone from between those
    that remain; if no pair lies within a tenth of the spot; or if a ladder of two months at
    most skips, within a twentieth of the spot, an interval more than twice as wide as the two
    on either side. Longer ladders have such steps by themselves: SPX had 1140, 1150, 1175 and
    1180 in 2011. Ladders that move with the spot lose their ends, and vendors leave out the
    last days before expiry: neither is a fault.
    """
    if _is_full(now.chain) and (_has_no_pair_near(now) or _has_hole(now)):
        return True
    if match is None or split != 1.0 or not _is_full(match.previous):
        return False
    return _has_lost(now, match)


def _has_lost(now: Studied, match: Matched) -> bool:
    """Whether settlements, or contracts between those that remain, have gone overnight."""
    previous = match.previous
    codes, number = np.unique(_settlements(previous), return_inverse=True)
    strike, kept = previous.strike, number[match.before]
    low, high = np.full(len(codes), np.inf), np.full(len(codes), -np.inf)
    np.minimum.at(low, kept, strike[match.before])
    np.maximum.at(high, kept, strike[match.before])
    between = (strike >= low[number]) & (strike <= high[number])
    lost = int(between.sum()) - len(match.before)
    listed = np.bincount(number)
    gone = (high < low) & (listed >= 2 * _FEWEST_PAIRS)
    first = np.datetime64(now.chain.expiry.min(), "D").astype(np.int64)
    later = (codes & ((1 << _DAY_BITS) - 1)) > first
    return lost > _GONE * int(between.sum()) or bool((gone & later).any())


def _is_full(chain: Chain) -> bool:
    """Whether four in five strikes, five at least, have both sides."""
    ticks = np.rint(chain.strike * 1000).astype(np.int64)
    codes = np.sort((_settlements(chain) << _STRIKE_BITS) + ticks)
    paired = int((codes[1:] == codes[:-1]).sum())
    return paired >= max(_FEWEST_PAIRS, _IS_FULL * (len(codes) - paired))


def _settlements(chain: Chain) -> NDArray[np.int64]:
    """A number for each row's root and expiry."""
    days = chain.expiry.astype("datetime64[D]").astype(np.int64)
    numbers: NDArray[np.int64] = (chain.root.astype(np.int64) << _DAY_BITS) + days
    return numbers


def _has_no_pair_near(now: Studied) -> bool:
    strike = now.ladders.strike[now.parity.call]
    return not bool((np.abs(strike / now.chain.spot - 1) <= _NEAR_MONEY).any())


def _has_hole(now: Studied) -> bool:
    """An interval near the money much wider than two on either side, in a short ladder."""
    ladders, spot = now.ladders, now.chain.spot
    step = np.diff(ladders.x)
    if len(step) < 5:
        return False
    middle = np.arange(2, len(step) - 2)
    wider = np.max([step[middle + k] for k in (-2, -1, 1, 2)], axis=0)
    short = ladders.years[ladders.term[middle]] <= _SHORT
    whole = ladders.ladder[middle - 2] == ladders.ladder[middle + 3]
    ends = np.maximum(
        np.abs(ladders.strike[middle] / spot - 1), np.abs(ladders.strike[middle + 1] / spot - 1)
    )
    hole = short & whole & (ends <= _HOLE_NEAR) & (step[middle] > _HOLE * wider * (1 + 1e-9))
    return bool(hole.any())


# ---------------------------------------------------------------- splits and jumps


def is_split_apart(
    now: Studied, implied: Spot, previous: Chain | None = None, split: float = 1.0
) -> bool:
    """Whether spot and strikes are not of the same shares.

    The pairs imply a spot less than 1 / 1.3 or more than 1.3 times the column's, or, without
    pairs, no strike lies within that of the spot. Or a split is known for the day and
    contracts go on under the old strikes while the spot has moved by its ratio, or the reverse.

    A spot of 92.70 beside strikes whose calls and puts agree at 649 is 7 times too low.
    """
    spot = now.chain.spot
    if implied.is_known:
        middle = (implied.low + implied.high) / 2
        if _are_apart(middle, spot):
            return True
    elif len(now.chain) and not _any_strike_near(now.chain):
        return True
    if previous is None or split == 1.0:
        return False
    expected = previous.spot / split
    closer_to_old = abs(math.log(spot / previous.spot)) < abs(math.log(spot / expected))
    return abs(math.log(split)) > math.log(1 + _SPLIT_APART) and closer_to_old


def _are_apart(implied: float, spot: float) -> bool:
    """Whether the two are not of the same shares; prices in cents imply less than nothing."""
    return implied <= 0 or abs(math.log(implied / spot)) > math.log(1 + _SPLIT_APART)


def _any_strike_near(chain: Chain) -> bool:
    apart = np.abs(np.log(chain.strike / chain.spot))
    return bool((apart <= math.log(1 + _SPLIT_APART)).any())


def has_jumped(now: Studied, implied: Spot, previous: Chain, split: float = 1.0) -> bool:
    """Whether the spot jumped by a tenth and eight deviations of a day, unconfirmed by pairs.

    Where the pairs imply the same spot it is news, not a fault. A vol of 20 % is 1.26 % a day,
    so 10.1 % is the least jump.
    """
    expected = previous.spot / split
    jump = abs(math.log(now.chain.spot / expected))
    if jump <= _JUMP or implied.is_known:
        return False
    before = studied(previous, Rates(), now.dividend_yield)
    vol = vol_near(before.ladders, before.parity, _A_MONTH)
    return jump > _JUMP_DEVIATIONS * (vol if vol > 0 else 0.0) / math.sqrt(_SESSIONS)
