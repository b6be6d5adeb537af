"""Clean chains for tests of quality, and ways to spoil single quotes of them."""

from dataclasses import replace
from datetime import date
from functools import cache

import numpy as np

from dollarbill_core.market.chains import Chain, ChainDays
from dollarbill_core.market.faults import Fault
from dollarbill_core.market.quality import day_quality
from dollarbill_core.sources.sample import sample_chains
from dollarbill_core.values.contracts import Right

FIRST, LAST = date(2017, 3, 1), date(2017, 3, 31)
EXPIRY = date(2017, 4, 21)


@cache
def sample_days(symbol: str) -> ChainDays:
    return sample_chains(symbol, FIRST, LAST).days[symbol]


def clean(symbol: str = "SPX", place: int = 1) -> Chain:
    """A modelled chain without a fault: of SPX at 2,380, or of a stock at about 100."""
    days = sample_days(symbol)
    return days.chain(days.sessions[place])


def rows_at(chain: Chain, right: Right, *strikes: float, expiry: date = EXPIRY) -> list[int]:
    """The rows of some strikes, in the order asked for."""
    alike = (chain.expiry == np.datetime64(expiry)) & (chain.right == right)
    return [int(np.flatnonzero(alike & (chain.strike == strike))[0]) for strike in strikes]


def only(chain: Chain, *rows: int) -> Chain:
    """These rows alone."""
    return chain.where(np.array(rows))


def requoted(chain: Chain, row: int, bid: float, ask: float) -> Chain:
    bids, asks = chain.bid.copy(), chain.ask.copy()
    bids[row], asks[row] = bid, ask
    return replace(chain, bid=bids, ask=asks)


def moved(chain: Chain, row: int, by: float) -> Chain:
    """Bid and ask of one row both ``by`` dollars higher."""
    return requoted(chain, row, chain.bid[row] + by, chain.ask[row] + by)


def found(chain: Chain, previous: Chain | None = None, **known: object) -> dict[Fault, int]:
    """Counts of every fault but far strikes without a bid."""
    counts = day_quality(chain, previous, dividend_yield=0.019, **known).counts
    return {fault: count for fault, count in counts.items() if fault is not Fault.NO_BID}
