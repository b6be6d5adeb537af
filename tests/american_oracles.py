"""Oracles of American options, no code of the package in them, and random options to price."""

import math

import numpy as np
import QuantLib as ql
from numpy.typing import NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]


def market(count: int, seed: int) -> Floats:
    """Random options, seven rows: spot 100, days to three years, every sign of the rates."""
    rng = np.random.default_rng(seed)
    days = np.rint(np.exp(rng.uniform(0.0, np.log(1095), count)))
    rate, dividend_yield = rng.uniform(-0.06, 0.12, (2, count))
    rate[rng.random(count) < 0.08] = 0.0
    dividend_yield[rng.random(count) < 0.15] = 0.0
    rows = [
        rng.choice([1.0, -1.0], count),
        np.full(count, 100.0),
        np.exp(rng.uniform(np.log(50), np.log(200), count)),
        days / 365.0,
        rate,
        np.exp(rng.uniform(np.log(0.03), np.log(3.0), count)),
        np.where(rng.random(count) < 0.05, rate, dividend_yield),
    ]
    return np.array(rows)


def is_banded(options: Floats) -> NDArray[np.bool_]:
    right, _, _, _, rate, _, dividend_yield = options
    earned = np.where(right > 0, dividend_yield, rate)
    paid = np.where(right > 0, rate, dividend_yield)
    banded: NDArray[np.bool_] = (paid < earned) & (earned < 0)
    return banded


def quantlib_price(option: Floats) -> float:
    """QuantLib's engine of the same method, in its scheme of high precision."""
    right, spot, strike, years, rate, vol, dividend_yield = (float(each) for each in option)
    today = ql.Date(1, 1, 2020)
    ql.Settings.instance().evaluationDate = today
    count = ql.Actual365Fixed()
    process = ql.BlackScholesMertonProcess(
        ql.QuoteHandle(ql.SimpleQuote(spot)),
        ql.YieldTermStructureHandle(ql.FlatForward(today, dividend_yield, count)),
        ql.YieldTermStructureHandle(ql.FlatForward(today, rate, count)),
        ql.BlackVolTermStructureHandle(
            ql.BlackConstantVol(today, ql.NullCalendar(), vol, count)
        ),
    )
    kind = ql.Option.Call if right > 0 else ql.Option.Put
    exercise = ql.AmericanExercise(today, today + round(years * 365))
    found = ql.VanillaOption(ql.PlainVanillaPayoff(kind, strike), exercise)
    scheme = ql.QdFpAmericanEngine.highPrecisionScheme()
    found.setPricingEngine(ql.QdFpAmericanEngine(process, scheme))
    return float(found.NPV())


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
