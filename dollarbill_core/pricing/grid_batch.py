"""One batch of options on its grid: nodes, weights, clock, and the way back from expiry.

The options of a batch share their dividends and the rule of their exercise; each has nodes of
its own about its spot. `grid` makes the batches and explains the method.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dollarbill_core.pricing import black_scholes
from dollarbill_core.pricing.grid_kernels import (
    STEP_ROWS,
    ex_date,
    march,
    march_within_bands,
)

Floats = NDArray[np.float64]

REACH = 5.0  # standard deviations between the spot and either end of the grid
NEVER = -1e300  # an exercise value nobody takes


class Market(NamedTuple):
    """Options, one an entry."""

    right: Floats
    spot: Floats
    strike: Floats
    years: Floats
    rate: Floats
    vol: Floats
    dividend_yield: Floats

    def at(self, chosen: NDArray[np.intp]) -> "Market":
        return Market(*(values[chosen] for values in self))


class Schedule(NamedTuple):
    """The life of one batch, counted back from expiry: spans, and the dividends between."""

    spans: Floats  # (dividends + 1, lanes), years
    amounts: Floats  # (dividends, lanes), dollars
    is_early: bool  # whether the holder may exercise before expiry
    is_held: bool  # whether that never pays between ex-dates
    is_banded: bool  # whether it pays between two boundaries only


def is_held(market: Market) -> NDArray[np.bool_]:
    """Whether exercise never pays between ex-dates, the earnings on the strike being less."""
    right, rate, dividend_yield = market.right, market.rate, market.dividend_yield
    call = (right > 0) & (dividend_yield <= 0) & (rate >= dividend_yield)
    put = (right < 0) & (rate <= 0) & (dividend_yield >= rate)
    held: NDArray[np.bool_] = call | put
    return held


def is_banded(market: Market) -> NDArray[np.bool_]:
    right, rate, dividend_yield = market.right, market.rate, market.dividend_yield
    put = (right < 0) & (dividend_yield < rate) & (rate < 0)
    call = (right > 0) & (rate < dividend_yield) & (dividend_yield < 0)
    banded: NDArray[np.bool_] = put | call
    return banded


def scheduled(market: Market, dates: Floats, *, early: bool) -> Schedule:
    lived = dates[dates[:, 0] < market.years[0]][::-1]
    ends = [np.zeros((1, market.years.size)), market.years - lived[:, :1], [market.years]]
    spans = np.diff(np.concatenate(ends), axis=0)
    amounts = np.repeat(lived[:, 1:], market.years.size, axis=1)
    return Schedule(
        spans,
        amounts,
        early,
        is_held=not early or bool(is_held(market)[0]),
        is_banded=early and bool(is_banded(market)[0]),
    )


class Grid(NamedTuple):
    """One batch on its nodes; matrices are (nodes, lanes), node 0 where exercise pays most."""

    market: Market
    spacing: Floats  # of the logarithm of the stock, (lanes,)
    spot_node: NDArray[np.intp]  # (lanes,)
    spots: Floats
    exercise: Floats
    values: Floats
    work: Floats  # (3 nodes, lanes)
    lane: Floats
    edges: Floats
    step: Floats


def grid_near_expiry(market: Market, schedule: Schedule, nodes: int) -> Grid:
    """The grid at the moment, shortly before expiry, where the formula hands over to it."""
    spacing, spot_node, end = _axis(market, schedule.amounts.sum(axis=0), nodes)
    spots = end * np.exp(-market.right * spacing * np.arange(nodes)[:, None])
    intrinsic = market.right * (spots - market.strike)
    exercise = intrinsic if schedule.is_early else np.full_like(spots, NEVER)
    left = formula_years(schedule, market.vol, spacing)
    formula = black_scholes.price(market.right, spots, *market[2:3], left, *market[4:])
    ends = spots[[0, -1, -2]]
    lane = np.vstack(
        [market.right, market.rate, market.dividend_yield, spacing, *_weights(market, spacing)]
    )
    in_the_money = intrinsic[[0, -1]] > 0
    cash = in_the_money * market.strike * np.exp(-market.rate * left)
    share = in_the_money * np.exp(-market.dividend_yield * left)
    return Grid(
        market,
        spacing,
        spot_node,
        spots,
        exercise,
        np.maximum(formula, exercise),
        np.empty((3 * nodes, spacing.size)),
        np.concatenate([lane, ends]),
        np.stack([cash[0], share[0], cash[1], share[1]]),
        np.empty((STEP_ROWS, spacing.size)),
    )


def _axis(
    market: Market, fallen: Floats, nodes: int
) -> tuple[Floats, NDArray[np.intp], Floats]:
    """Spacing, the spot's node, and the stock at node 0."""
    stdev = market.vol * np.sqrt(market.years)
    drift = (market.rate - market.dividend_yield) * market.years
    reach = stdev * (REACH + 0.5 * stdev)
    down = reach - np.minimum(drift, 0.0) - np.log(np.maximum(1 - fallen / market.spot, 0.2))
    up = reach + np.maximum(drift, 0.0)
    before, after = np.where(market.right < 0, [down, up], [up, down])
    node = np.ceil(before / (before + after) * (nodes - 1))
    node = np.clip(node, 3, nodes - 4)
    spacing = np.maximum(before / node, after / (nodes - 1 - node))
    return spacing, node.astype(np.intp), market.spot * np.exp(market.right * node * spacing)


def _weights(market: Market, spacing: Floats) -> tuple[Floats, Floats, Floats]:
    """Of the nodes before, at and after in ``L``, such that a bond and the stock are exact.

    ``L u = vol^2 / 2 u'' + (rate - yield - vol^2 / 2) u' - rate u`` in the stock's logarithm,
    fitted exponentially (Scharfetter and Gummel): with ``z = (rate - yield) spacing / vol^2``,
    ``vol^2 / (2 spacing^2)`` is weighted by the ratio ``2 z / (exp(2 z) - 1)`` and its mirror.
    """
    variance = market.vol * market.vol
    z = market.right * (market.rate - market.dividend_yield) * spacing / variance
    half = 0.5 * spacing
    scale = 0.5 * variance / (spacing * spacing) * (half / np.sinh(half))
    before = scale * np.exp(-market.right * half) * _bernoulli(-2.0 * z)
    after = scale * np.exp(market.right * half) * _bernoulli(2.0 * z)
    return before, -before - after - market.rate, after


def _bernoulli(z: Floats) -> Floats:
    """``z / (exp(z) - 1)``, 1 at zero."""
    return np.where(z == 0.0, 1.0, z / np.expm1(np.where(z == 0.0, 1.0, z)))


def formula_years(schedule: Schedule, vol: Floats, spacing: Floats) -> Floats:
    """Years before expiry left to the formula: the last span, or what spreads by a spacing."""
    last: Floats = schedule.spans[0]
    return last if schedule.is_held else np.minimum(last, np.square(spacing / vol))


def step_lengths(
    schedule: Schedule, span: int, formula: Floats, steps: int, fold: int
) -> Floats:
    """Lengths in years of the steps of one span, (steps, lanes), short ones first.

    Equal in the square root of time, in which boundaries move and corners smooth out.
    """
    if span == 0 and schedule.is_held:
        return np.empty((0, formula.size))
    share = float((schedule.spans[span] / schedule.spans.sum(axis=0)).mean())
    count = fold * max(1, round(steps * share**0.5))
    begin = np.sqrt(formula) if span == 0 else np.zeros_like(formula)
    rise = (np.sqrt(schedule.spans[span]) - begin) / count
    roots = begin + rise * np.arange(count + 1)[:, None]
    return np.diff(np.square(roots), axis=0)


def advance(grid: Grid, schedule: Schedule, clock: Floats) -> None:
    kernel = march_within_bands if schedule.is_banded else march
    arrays = (grid.values, grid.work, grid.exercise, grid.lane, grid.edges, grid.step, clock)
    kernel(*(array.reshape(-1) for array in arrays), grid.spacing.size)


def cross_ex_date(grid: Grid, schedule: Schedule, span: int) -> None:
    """Carries the grid over the ex-date at the end of a span, counted back from expiry."""
    rate, right = grid.market.rate, grid.market.right
    bond = np.exp(-rate * schedule.spans[: span + 1].sum(axis=0))
    bond = np.maximum(bond, 1.0) if schedule.is_early else bond
    worthless = np.where(right < 0, grid.market.strike * bond, 0.0)
    arrays = (grid.values, grid.work, grid.exercise, grid.spots, grid.lane, grid.edges)
    given = (*arrays, schedule.amounts[span], worthless)
    ex_date(*(array.reshape(-1) for array in given), grid.spacing.size)


def carry_back(grid: Grid, schedule: Schedule, steps: int, fold: int) -> None:
    formula = formula_years(schedule, grid.market.vol, grid.spacing)
    for span in range(len(schedule.spans)):
        clock = step_lengths(schedule, span, formula, steps, fold)
        advance(grid, schedule, clock)
        if span < len(schedule.amounts):
            cross_ex_date(grid, schedule, span)
