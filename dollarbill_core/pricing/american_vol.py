"""The volatility that explains an American price, by Newton's method inside a bracket.

An American option is worth no less than the European one, so its vol is no greater than the
European vol of the same price: the search starts there and goes down, through ranges of a
factor of four that share their exercise boundaries.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from dollarbill_core.pricing import black_scholes, grid, implied_vol
from dollarbill_core.pricing.american_cases import (
    Booleans,
    Market,
    banded_values,
    cases,
    prices_among,
)
from dollarbill_core.pricing.boundary import boundaries
from dollarbill_core.pricing.machine_code import Floats
from dollarbill_core.pricing.premium import as_puts

LEAST_VOL, MOST_VOL = 0.005, 5.0

_RANGE = 4.0  # of vols that share a table, greatest over least
_MOST_STEPS = 60
_ROUNDING = 1e-12  # of the price
_Excess = Callable[[Floats, Booleans], Floats]  # price at a vol over the one to explain


class _Search(NamedTuple):
    """How far apart two prices are taken for a slope, and when to stop; parts of the vol."""

    bump: float
    close: float


_BY_FORMULA = _Search(1e-4, 1e-11)
_BY_GRID = _Search(1e-2, 1e-7)


def american_vols(market: Market, price: Floats, dividends: grid.Dividends) -> Floats:
    """Vols at which options are worth ``price``; the vol in ``market`` does not matter."""
    market = market._replace(vol=np.ones(price.size))
    right, spot, strike, years, rate, _, paid = market
    europeans = implied_vol.implied_vol(right, price, spot, strike, years, rate, paid)
    case = cases(market, as_puts(*market), black_scholes.price(*market))
    possible = (price > market.exercised()) & (price < market.most())
    vol = np.where(case.early | case.banded | case.certain, np.nan, europeans)
    by_grid = case.banded
    if len(dividends):
        by_grid = ~np.isnan(black_scholes.price(*market)) & ~case.certain
        vol = np.full(price.size, np.nan)
    by_formula = case.early & ~by_grid & possible
    if by_formula.any():
        some = market.at(by_formula)
        vol[by_formula] = _formula_vols(some, price[by_formula], europeans[by_formula])
    if (by_grid & possible).any():
        chosen = by_grid & possible
        vol[chosen] = _grid_vols(market.at(chosen), price[chosen], dividends)
    return vol


def _formula_vols(market: Market, price: Floats, europeans: Floats) -> Floats:
    vol = np.full(price.size, np.nan)
    top = np.where(europeans <= MOST_VOL, europeans, MOST_VOL)
    left = np.flatnonzero(top > LEAST_VOL)
    while left.size:
        high = top[left]
        low = np.maximum(high / _RANGE, LEAST_VOL)
        some = Market(*(column[left] for column in market))
        vol[left], is_below = _vols_between(some, price[left], low, high)
        top[left] = low
        left = left[is_below & (low > LEAST_VOL)]
    return vol


def _vols_between(
    market: Market, price: Floats, low: Floats, high: Floats
) -> tuple[Floats, Booleans]:
    """Vols within a range, NaN for others, and which lie below it."""
    puts = as_puts(*market)
    among = boundaries(puts.years, puts.rate, puts.dividend_yield, high, low)

    def excess(vol: Floats, chosen: Booleans) -> Floats:
        some = market.at(chosen)._replace(vol=vol)
        put = puts.at(chosen)._replace(vol=vol)
        return prices_among(some, put, among.at(chosen)) - price[chosen]

    is_below = excess(low, np.ones(price.size, dtype=bool)) > 0.0
    vol = np.full(price.size, np.nan)
    rest = ~is_below
    if rest.any():
        vol[rest] = _determined(excess, rest, low[rest], high[rest], market, _BY_FORMULA)
    return vol, is_below


def _grid_vols(market: Market, price: Floats, dividends: grid.Dividends) -> Floats:
    size = price.size

    def excess(vol: Floats, chosen: Booleans) -> Floats:
        some = market.at(chosen)._replace(vol=vol)
        if len(dividends):
            return grid.american(*some, dividends).price - price[chosen]
        return banded_values(some).price - price[chosen]

    low = np.full(size, LEAST_VOL)
    high = np.full(size, MOST_VOL)
    found = _determined(excess, np.ones(size, dtype=bool), low, high, market, _BY_GRID)
    at_least = excess(low, np.ones(size, dtype=bool)) > 0.0
    return np.where(at_least, np.nan, found)


def _determined(
    excess: _Excess,
    chosen: Booleans,
    low: Floats,
    high: Floats,
    market: Market,
    search: _Search,
) -> Floats:
    """Roots of ``excess`` of the chosen options, NaN where rounding moves them too far."""
    where = np.flatnonzero(chosen)
    low, high, vol = low.copy(), high.copy(), high.copy()
    slope = np.zeros(vol.size)
    active = np.arange(vol.size)
    is_active = np.zeros(chosen.size, dtype=bool)
    missed = np.zeros(vol.size)
    for step in range(_MOST_STEPS):
        is_active[:] = False
        is_active[where[active]] = True
        now = vol[active]
        miss = excess(now, is_active)
        slope[active] = (miss - excess(now * (1.0 - search.bump), is_active)) / (
            now * search.bump
        )
        if step == 0:
            missed = miss
        low[active] = np.where(miss < 0.0, now, low[active])
        high[active] = np.where(miss < 0.0, high[active], now)
        newton = now - miss / slope[active]
        inside = (newton > low[active]) & (newton < high[active])
        vol[active] = np.where(inside, newton, 0.5 * (low[active] + high[active]))
        vol[active] = np.where(miss == 0.0, now, vol[active])
        active = active[np.abs(vol[active] - now) > search.close * now]
        if not active.size:
            break
    dollars = np.maximum(market.spot, market.strike)[where]
    lost = np.spacing(dollars) / slope > implied_vol.UNDETERMINED
    unreached = missed < -_ROUNDING * dollars
    return np.where(lost | unreached | ~(slope > 0.0), np.nan, vol)
