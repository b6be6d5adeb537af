"""American and European options on a stock that pays cash dividends: finite differences.

The spot model: between ex-dates the stock is lognormal with its vol, rate and dividend yield;
at an ex-date it falls by the dividend, in dollars. A dividend that exceeds the stock price
leaves a stock worth nothing (the liquidator of Haug, Haug and Lewis), on which a put pays its
strike. Dividends are ``(years, dollars)`` pairs; those at or before now, and those at or after
an option's expiry, do not concern it: an expiring option settles before the stock falls.

The value is carried back from expiry on nodes equally spaced in the logarithm of the stock,
many options side by side, one in each lane of the processor's vectors. Three-point differences
are exact for a bond and for the stock. Steps are those of Crank and Nicolson; each solves for
value and exercise together, out of the exercise region, as Brennan and Schwartz do. The last
days before expiry are those of the Black-Scholes formula. At an ex-date the value is read at
``stock - dividend`` by cubic interpolation. Two grids, one twice as fine in stock and in time,
give the answer: ``(4 fine - coarse) / 3``.

Sources: Haug, Haug and Lewis, Back to Basics: a New Approach to the Discrete Dividend Problem
(2003); Brennan and Schwartz, The Valuation of American Put Options (1977). How the method was
chosen: docs/pricing_methods.md.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dollarbill_core.pricing.grid_batch import (
    Floats,
    Grid,
    Market,
    Schedule,
    advance,
    carry_back,
    cross_ex_date,
    formula_years,
    grid_near_expiry,
    is_banded,
    is_held,
    scheduled,
    step_lengths,
)

Dividends = Sequence[tuple[float, float]]

NODES = 300  # of the fine grid; the coarse one has half
STEPS = 20  # of the coarse grid over an undivided life; the fine one takes twice as many
LANES = 64  # options in one batch: more would leave the processor's second cache
WIDEST = 25.0  # standard deviations to expiry, beyond which exp() of the ends overflows
NARROWEST = 1e-7  # standard deviations to expiry, below which the stock's path is certain


class Values(NamedTuple):
    """Dollars per share and derivatives, each shaped as the broadcast input.

    ``delta`` and ``gamma`` per dollar of spot, ``theta`` per year of calendar time that passes.
    """

    price: Floats
    delta: Floats
    gamma: Floats
    theta: Floats


class Boundary(NamedTuple):
    """Where exercise begins: a put at or below ``spot``, a call at or above, NaN for nowhere.

    ``years`` counts from now, rising. ``eve_spot`` holds the same for the last moment before
    each ex-date in ``eve_years``.
    """

    years: Floats
    spot: Floats
    eve_years: Floats
    eve_spot: Floats


def american(
    right: ArrayLike,
    spot: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    rate: ArrayLike,
    vol: ArrayLike,
    dividend_yield: ArrayLike = 0.0,
    dividends: Dividends = (),
    *,
    nodes: int = NODES,
    steps: int = STEPS,
) -> Values:
    """American option price and Greeks with cash dividends, dollars per share.

    Parameters
    ----------
    right
        ``Right.CALL`` (1) or ``Right.PUT`` (-1); anything else gives NaN.
    spot, strike
        Dollars per share, not negative; ``spot`` includes every dividend still to come.
    years
        Time to expiry, ACT/365, not negative.
    rate, dividend_yield
        Continuously compounded fractions per year, of either sign.
    vol
        Annual volatility as a fraction, not negative, at most 25 / sqrt(years).
    dividends
        ``(years, dollars)`` pairs from now to the ex-date, shared by all options; the stock
        never falls below zero.
    nodes, steps
        Size of the fine grid, and time steps of the coarse one over a life without dividends.
        Twice both cuts the error to about a quarter and takes four times as long.

    Returns
    -------
    Values
        The broadcast shape of the input; NaN where the input has no meaning.

    Raises
    ------
    ValueError
        If a dividend is negative, not finite or not a pair, or the grid is too small.

    Examples
    --------
    A call on the eve of a dividend of 5, the stock at 110: exercise brings 10; to wait leaves
    an option on a stock at 105, with a month of little vol to go. (By the formula at 105:
    ``105 x 0.87617 - 100 x 0.86716 = 5.28``.)

    >>> market = (1, 110, 100, 30 / 365, 0.0, 0.15)
    >>> round(float(american(*market, 0.0, [(1e-9, 5)]).price), 4)
    10.0
    >>> round(float(european(*market, 0.0, [(1e-9, 5)]).price), 2)
    5.28
    """
    market = (right, spot, strike, years, rate, vol, dividend_yield)
    return _values(market, dividends, nodes, steps, early=True)


def european(
    right: ArrayLike,
    spot: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    rate: ArrayLike,
    vol: ArrayLike,
    dividend_yield: ArrayLike = 0.0,
    dividends: Dividends = (),
    *,
    nodes: int = NODES,
    steps: int = STEPS,
) -> Values:
    """European option price and Greeks with cash dividends; parameters as for `american`.

    >>> put, call = (european(r, 100, 95, 0.5, 0.03, 0.2, 0, [(0.2, 2)]).price for r in (-1, 1))
    >>> round(float(call - put), 4)  # 100 - 2 exp(-0.03 x 0.2) - 95 exp(-0.03 x 0.5)
    4.4263
    """
    market = (right, spot, strike, years, rate, vol, dividend_yield)
    return _values(market, dividends, nodes, steps, early=False)


def exercise_boundary(
    right: float,
    strike: float,
    years: float,
    rate: float,
    vol: float,
    dividend_yield: float = 0.0,
    dividends: Dividends = (),
    *,
    nodes: int = 2 * NODES,
    steps: int = 2 * STEPS,
) -> Boundary:
    """The stock price from which exercise is optimal, over the life of one American option.

    Parameters as for `american`. Where exercise pays within a band only (a put with yield <
    rate < 0, a call with rate < yield < 0), it is the band's bound nearer to the strike.

    Raises
    ------
    ValueError
        As for `american`, and if the option has no time, no vol or no meaning.

    Examples
    --------
    A dividend of 1 in half a year, three months before expiry, no interest: a call is held
    until the eve of the ex-date, and exercised then from 110.7 up, where a
    put struck at 100 is worth the dividend.

    >>> found = exercise_boundary(1, 100, 0.75, 0.0, 0.2, 0.0, [(0.5, 1.0)])
    >>> np.isnan(found.spot).all(), found.eve_years, found.eve_spot.round(1)
    (np.True_, array([0.5]), array([110.7]))
    """
    market = _market(right, strike, strike, years, rate, vol, dividend_yield)
    dates = _dates(dividends)
    if not (_is_meant(market) & ~_is_certain(market))[0]:
        raise ValueError(f"no boundary for strike {strike}, {years} years, vol {vol}")
    return _boundary(market, scheduled(market, dates, early=True), nodes, 2 * steps)


def _market(*values: ArrayLike) -> Market:
    arrays = np.broadcast_arrays(*(np.asarray(value, dtype=np.float64) for value in values))
    return Market(*(np.ascontiguousarray(array).ravel() for array in arrays))


def _dates(dividends: Dividends) -> Floats:
    """The dividends as an array (dividends, 2), soonest first, those from now on only."""
    try:
        dates = np.array([tuple(pair) for pair in dividends], dtype=np.float64)
    except (TypeError, ValueError):
        dates = np.full((1, 2), np.nan)
    dates = dates if dates.size else np.empty((0, 2))
    is_meant = dates.ndim == 2 and dates.shape[1] == 2 and np.isfinite(dates).all()
    if not is_meant or (dates[:, 1] < 0).any():
        raise ValueError(f"dividends are (years, dollars), dollars >= 0, got {dividends}")
    paid: Floats = dates[(dates[:, 0] > 0) & (dates[:, 1] > 0)]
    return paid[np.argsort(paid[:, 0], kind="stable")]


def _values(
    given: tuple[ArrayLike, ...], dividends: Dividends, nodes: int, steps: int, *, early: bool
) -> Values:
    if nodes < 20 or steps < 2:
        raise ValueError(f"a grid needs 20 nodes and 2 steps, got {nodes} and {steps}")
    dates = _dates(dividends)
    shape = np.broadcast_shapes(*(np.shape(value) for value in given))
    with np.errstate(all="ignore"):
        market = _market(*given)
        found = np.full((4, market.right.size), np.nan)
        meant = _is_meant(market)
        certain = _is_certain(market)
        for option in np.flatnonzero(meant & certain):
            one = market.at(np.array([option]))
            found[:, option] = _certain_values(one, dates, early=early)
        for chosen in _batches(market, dates, np.flatnonzero(meant & ~certain), early=early):
            batch = market.at(chosen)
            schedule = scheduled(batch, dates, early=early)
            found[:, chosen] = _extrapolated(batch, schedule, nodes, steps)
    return Values(*(row.reshape(shape)[()] for row in found))


def _is_meant(market: Market) -> NDArray[np.bool_]:
    finite = np.isfinite(np.vstack(market)).all(axis=0) & (np.abs(market.right) == 1)
    positive = (np.vstack([*market[1:4], market.vol]) >= 0).all(axis=0)
    narrow = market.vol * np.sqrt(market.years) <= WIDEST
    meant: NDArray[np.bool_] = finite & positive & narrow
    return meant


def _is_certain(market: Market) -> NDArray[np.bool_]:
    """Whether nothing is left to chance: no time, no vol, no stock or no strike."""
    stdev = market.vol * np.sqrt(market.years)
    nothing: NDArray[np.bool_] = (market.spot == 0) | (market.strike == 0)
    return nothing | (stdev < NARROWEST)


def _batches(
    market: Market, dates: Floats, chosen: NDArray[np.intp], *, early: bool
) -> Iterator[NDArray[np.intp]]:
    """Options alike in the dividends of their lives and in when to exercise, by expiry."""
    counts = np.searchsorted(dates[:, 0], market.years[chosen], side="left")
    kinds = np.where(is_banded(market)[chosen], 2, is_held(market)[chosen])
    kinds = kinds if early else np.zeros_like(kinds)
    for kind, count in np.unique(np.stack([kinds, counts]), axis=1).T:
        alike = chosen[(kinds == kind) & (counts == count)]
        alike = alike[np.argsort(market.years[alike], kind="stable")]
        lanes = 1 if kind == 2 else LANES
        for start in range(0, alike.size, lanes):
            yield alike[start : start + lanes]


def _extrapolated(market: Market, schedule: Schedule, nodes: int, steps: int) -> Floats:
    """Price, delta, gamma and theta, (4, lanes), from two grids."""
    fine = _at_spot(market, schedule, nodes, steps, fold=2)
    coarse = _at_spot(market, schedule, nodes // 2, steps, fold=1)
    price, delta, gamma = (4.0 * fine - coarse) / 3.0
    exercised = market.right * (market.spot - market.strike)
    return _with_theta(market, schedule, np.maximum(price, 0.0), delta, gamma, exercised)


def _with_theta(
    market: Market,
    schedule: Schedule,
    price: Floats,
    delta: Floats,
    gamma: Floats,
    exercised: Floats,
) -> Floats:
    """Theta by the equation that the price obeys; the exercise value where that is taken."""
    carry = (market.rate - market.dividend_yield) * market.spot * delta
    spread = 0.5 * np.square(market.vol * market.spot) * gamma
    held = np.stack([price, delta, gamma, market.rate * price - carry - spread])
    zeros = np.zeros_like(price)
    taken = np.stack([exercised, market.right, zeros, zeros])
    rounding = 1e-12 * (market.spot + market.strike)
    return np.where(schedule.is_early & (price <= exercised + rounding), taken, held)


def _at_spot(
    market: Market, schedule: Schedule, nodes: int, steps: int, *, fold: int
) -> Floats:
    """Price, delta and gamma, (3, lanes), of one grid, by central differences."""
    grid = grid_near_expiry(market, schedule, nodes)
    carry_back(grid, schedule, steps, fold)
    lanes = np.arange(grid.spacing.size)
    before, at, after = (grid.values[grid.spot_node + k, lanes] for k in (-1, 0, 1))
    slope = market.right * (before - after) / (2.0 * grid.spacing)
    bend = (before - 2.0 * at + after) / np.square(grid.spacing)
    return np.stack([at, slope / market.spot, (bend - slope) / np.square(market.spot)])


def _certain_values(market: Market, dates: Floats, *, early: bool) -> Floats:
    """Price, delta, gamma and theta of one option whose stock's path is certain.

    Exercise is best now, at expiry, on either side of an ex-date, or where between them the
    stock's yield comes to equal the interest on the strike. The stock at ``t`` is worth ``held
    exp(-dividend_yield t)`` today, where ``held`` falls with each dividend.
    """
    right, spot, strike, years, rate, _, dividend_yield = (row[0] for row in market)
    lived = dates[dates[:, 0] < years]
    begins = np.append(0.0, lived[:, 0])
    ends = np.append(lived[:, 0], years)
    paid = np.append(0.0, lived[:, 1] * np.exp((dividend_yield - rate) * lived[:, 0]))
    held = np.maximum(spot - np.cumsum(paid), 0.0)
    even = np.log(dividend_yield * held / (rate * strike)) / (dividend_yield - rate)
    even = np.clip(np.where(np.isnan(even), begins, even), begins, ends)
    times = np.concatenate([begins, even, ends])
    stock = np.tile(held, 3) * np.exp(-dividend_yield * times)
    worth = right * (stock - strike * np.exp(-rate * times))
    best = int(np.argmax(worth)) if early else worth.size - 1
    price = max(worth[best], 0.0)
    delta = right * np.exp(-dividend_yield * times[best]) * (worth[best] > 0)
    theta = rate * price - (rate - dividend_yield) * spot * delta
    return np.array([price, delta, 0.0, 0.0 if early and best == 0 else theta]) + 0.0


def _boundary(market: Market, schedule: Schedule, nodes: int, steps: int) -> Boundary:
    grid = grid_near_expiry(market, schedule, nodes)
    formula = formula_years(schedule, market.vol, grid.spacing)
    times, spots, eve_times, eve_spots = [], [], [], []
    left = float(formula[0])
    for span in range(len(schedule.spans)):
        clock = step_lengths(schedule, span, formula, steps, 1)
        for step in clock:
            advance(grid, schedule, step)
            left += float(step[0])
            times.append(left)
            spots.append(np.nan if schedule.is_held else _smooth_contact(grid))
        left = float(schedule.spans[: span + 1].sum())
        if span < len(schedule.amounts):
            cross_ex_date(grid, schedule, span)
            eve_times.append(left)
            eve_spots.append(_crossing(grid))
    rising = [np.array(values[::-1]) for values in (times, spots, eve_times, eve_spots)]
    years = market.years[0]
    return Boundary(np.maximum(years - rising[0], 0.0), rising[1], years - rising[2], rising[3])


def _smooth_contact(grid: Grid) -> float:
    """Where the value leaves the exercise value: their distance grows as a square there.

    Two square roots of the distance, a few nodes off, are continued in a straight line.
    """
    excess = (grid.values - grid.exercise)[:, 0]
    exercised = np.flatnonzero((excess <= 0.0) & (grid.exercise[:, 0] > 0.0))
    if exercised.size == 0 or exercised[-1] + 4 >= excess.size:
        return float("nan")
    node = exercised[-1]
    near, far = np.sqrt(np.maximum(excess[[node + 2, node + 4]], 0.0))
    return _spot_at(grid, node + 2.0 - 2.0 * near / (far - near))


def _spot_at(grid: Grid, place: float) -> float:
    """The stock at a fractional node."""
    market, end = grid.market, grid.spots[0, 0]
    return float(end * np.exp(-market.right[0] * grid.spacing[0] * place))


def _crossing(grid: Grid) -> float:
    """Where the value of holding over an ex-date crosses the exercise value."""
    nodes = len(grid.values)
    excess = grid.work[:nodes, 0] - grid.exercise[:, 0]
    exercised = np.flatnonzero((excess < 0.0) & (grid.exercise[:, 0] > 0.0))
    if exercised.size == 0 or exercised[-1] + 1 >= nodes:
        return float("nan")
    node = exercised[-1]
    beyond = excess[node] / (excess[node] - excess[node + 1])
    return _spot_at(grid, node + beyond)
