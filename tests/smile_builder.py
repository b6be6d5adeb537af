"""Chains for tests, quoted around given smiles: European or American, as wide as asked."""

import math
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal

import numpy as np

from dollarbill_core.market.chains import Chain
from dollarbill_core.market.smile import Svi
from dollarbill_core.pricing import american, black_scholes
from dollarbill_core.values.calendars import close_instant, expiry_instant, years_between
from dollarbill_core.values.contracts import Option, Right
from dollarbill_core.values.provenance import Quotes

DAY = date(2018, 5, 1)
NEAR, MIDDLE, FAR = date(2018, 5, 25), date(2018, 6, 15), date(2018, 9, 21)
SPOT, RATE, YIELD = 2650.0, 0.02, 0.015
STRIKES = np.arange(1800.0, 3300.0, 25.0)

# A day's skew, steeper in time, above one another at every strike.
SMILES = {
    NEAR: Svi(-0.0004, 0.020, -0.55, 0.012, 0.075),
    MIDDLE: Svi(-0.0006, 0.030, -0.55, 0.018, 0.095),
    FAR: Svi(-0.0012, 0.058, -0.55, 0.035, 0.150),
}


def years_to(expiry: date, root: str = "SPXW") -> float:
    option = Option(root, expiry, Decimal(1), Right.CALL)
    return years_between(close_instant(DAY), expiry_instant(option))


def forward_to(expiry: date) -> float:
    return SPOT * math.exp((RATE - YIELD) * years_to(expiry))


def quoted_chain(
    smiles: Mapping[date, Svi] = SMILES,
    *,
    root: str = "SPXW",
    half_spread: Callable[[np.ndarray], np.ndarray] = lambda price: 0.01 * price + 0.05,
    quotes: Quotes = Quotes.QUOTED,
    strikes: np.ndarray = STRIKES,
) -> Chain:
    """Calls and puts of every expiry, half a spread around the price on its smile.

    Options on an index root are European, others American at the same vols. A bid that would be
    a cent or less is 0.
    """
    columns: list[tuple[np.ndarray, ...]] = []
    for expiry, svi in smiles.items():
        years = years_to(expiry, root)
        forward = SPOT * math.exp((RATE - YIELD) * years)
        vol = np.sqrt(svi.total_variance(np.log(strikes / forward)) / years)
        pricing = black_scholes if root.startswith("SPX") else american
        for right in Right:
            price = pricing.price(right, SPOT, strikes, years, RATE, vol, YIELD)
            greeks = black_scholes.greeks(right, SPOT, strikes, years, RATE, vol, YIELD)
            dates = np.full(len(strikes), expiry, "datetime64[D]")
            rights = np.full(len(strikes), right, np.int8)
            columns.append((dates, rights, strikes, price, vol, greeks.delta))
    expiries, right, strike, price, vol, delta = map(np.concatenate, zip(*columns, strict=True))
    half = half_spread(price)
    return Chain(
        symbol="SPX" if root.startswith("SPX") else root,
        as_of=close_instant(DAY),
        spot=SPOT,
        quotes=quotes,
        roots=(root,),
        root=np.zeros(len(price), np.int8),
        expiry=expiries,
        right=right,
        strike=strike,
        bid=np.where(price - half > 0.01, price - half, 0.0),
        ask=price + half,
        vol=vol,
        delta=delta,
    )
