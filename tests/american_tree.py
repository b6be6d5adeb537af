"""A plain binomial tree: an oracle for American options, no code of the package in it."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]


def tree_price(
    right: float,
    spot: float,
    strike: float,
    years: float,
    rate: float,
    vol: float,
    dividend_yield: float = 0.0,
    steps: int = 1000,
) -> float:
    """American price from trees of ``steps`` and half as many, extrapolated.

    The last step is that of Black and Scholes, so that the error falls evenly with the number
    of steps (Broadie and Detemple, 1996).
    """
    market = right, spot, strike, years, rate, vol, dividend_yield
    return 2.0 * _one_tree(*market, steps) - _one_tree(*market, steps // 2)


def _one_tree(
    right: float,
    spot: float,
    strike: float,
    years: float,
    rate: float,
    vol: float,
    dividend_yield: float,
    steps: int,
) -> float:
    step = years / steps
    up = math.exp(vol * math.sqrt(step))
    chance = (math.exp((rate - dividend_yield) * step) - 1.0 / up) / (up - 1.0 / up)
    discount = math.exp(-rate * step)
    spots = spot * up ** np.arange(-(steps - 1.0), steps, 2.0)
    held = _european(right, spots, strike, step, rate, vol, dividend_yield)
    values = np.maximum(held, right * (spots - strike))
    for _ in range(steps - 1):
        spots = spots[1:] / up
        held = discount * (chance * values[1:] + (1.0 - chance) * values[:-1])
        values = np.maximum(held, right * (spots - strike))
    return float(values[0])


def _european(
    right: float,
    spot: Floats,
    strike: float,
    years: float,
    rate: float,
    vol: float,
    dividend_yield: float,
) -> Floats:
    stdev = vol * math.sqrt(years)
    d1 = (np.log(spot / strike) + (rate - dividend_yield) * years) / stdev + 0.5 * stdev
    received = spot * math.exp(-dividend_yield * years) * ndtr(right * d1)
    paid = strike * math.exp(-rate * years) * ndtr(right * (d1 - stdev))
    value: Floats = right * (received - paid)
    return value
