"""European options in many digits, the markets they are asked on, and the scales of errors."""

import mpmath
import numpy as np

NAMES = ["price", "delta", "gamma", "vega", "theta", "rho", "vanna", "volga", "charm"]

Market = tuple[np.ndarray, ...]


def random_market(count: int) -> Market:
    """Right, spot, strike, years, rate, vol, dividend yield: near and far, calm and wild.

    Strikes within 0.1 to 10 times the spot, vol sqrt(years) from 1e-5. A third lie near the
    spot, a third near the forward, where moneyness and carry cancel.
    """
    rng = np.random.default_rng(20261120)
    years = 10 ** rng.uniform(-3, 0.5, count)
    vol = np.maximum(10 ** rng.uniform(-4, 0.7, count), 1e-5 / np.sqrt(years))
    spot = 10 ** rng.uniform(0, 4, count)
    rate, dividend_yield = rng.uniform(-0.05, 0.15, (2, count))
    near = np.exp(rng.normal(0, 2, count) * vol * np.sqrt(years))
    forward = np.exp((rate - dividend_yield) * years)
    ratio = np.choose(rng.integers(3, size=count), [near, near * forward, 0.0])
    far = 10 ** rng.uniform(-1, 1, count)
    strike = spot * np.where((ratio > 0.1) & (ratio < 10), ratio, far)
    return rng.choice([1, -1], count), spot, strike, years, rate, vol, dividend_yield


def edge_market(count: int) -> Market:
    """At the edges of the same range: 1e-5 of vol, at the forward, strikes 0.1 and 10 times."""
    rng = np.random.default_rng(7)
    years = rng.choice([1e-3, 0.25, 1.0, 3.0], count)
    vol = rng.choice([1e-5, 1.1e-5, 1e-4, 3.0], count) / np.sqrt(years)
    spot = rng.choice([1.0, 100.0, 1e4], count) * rng.uniform(1, 1.1, count)
    rate, dividend_yield = rng.choice([-0.05, 0.0, 0.0123, 0.15], (2, count))
    forward = np.exp((rate - dividend_yield) * years)
    by_stdev = np.exp(rng.choice([-8, -1, -1e-3, 0, 1e-3, 1, 8], count) * vol * np.sqrt(years))
    ratio = np.choose(rng.integers(4, size=count), [forward * by_stdev, 0.1, 10.0, by_stdev])
    strike = spot * np.clip(ratio, 0.1, 10)
    return rng.choice([1, -1], count), spot, strike, years, rate, vol, dividend_yield


def natural_scales(right, spot, strike, years, rate, vol, dividend_yield):
    """What an error is to be measured by, a dictionary in the order of ``NAMES``."""
    root = np.sqrt(years)
    stdev = vol * root
    return {
        "price": np.maximum(spot, strike),
        "delta": np.ones_like(spot),
        "gamma": 1 / (spot * stdev),
        "vega": spot * root,
        "theta": spot * vol / root + np.abs(rate) * strike + np.abs(dividend_yield) * spot,
        "rho": strike * years,
        "vanna": (1 + stdev) / vol,
        "volga": spot * root * (1 + stdev) / vol,
        "charm": np.abs(dividend_yield)
        + np.abs(rate - dividend_yield) / stdev
        + (1 + stdev) / years,
    }


def exact_price(right, spot, strike, years, rate, vol, dividend_yield):
    """The formula as printed, of mpmath's numbers."""
    stdev = vol * mpmath.sqrt(years)
    d1 = (mpmath.log(spot / strike) + (rate - dividend_yield) * years) / stdev + stdev / 2
    held = spot * mpmath.exp(-dividend_yield * years) * mpmath.ncdf(right * d1)
    paid = strike * mpmath.exp(-rate * years) * mpmath.ncdf(right * (d1 - stdev))
    return right * (held - paid)


def exact_greeks(*option):
    """Price and Greeks by the formulas of the docstring, of mpmath's numbers."""
    right, spot, strike, years, rate, vol, dividend_yield = option
    root = mpmath.sqrt(years)
    stdev = vol * root
    d1 = (mpmath.log(spot / strike) + (rate - dividend_yield) * years) / stdev + stdev / 2
    d2 = d1 - stdev
    growth, density = mpmath.exp(-dividend_yield * years), mpmath.npdf(d1)
    delta = right * growth * mpmath.ncdf(right * d1)
    paid = strike * mpmath.exp(-rate * years) * mpmath.ncdf(right * d2)
    vega = spot * growth * density * root
    carry = dividend_yield * spot * delta - right * rate * paid
    turn = (rate - dividend_yield) / stdev - d2 / (2 * years)
    return [
        spot * delta - right * paid,
        delta,
        growth * density / (spot * stdev),
        vega,
        carry - vega * vol / (2 * years),
        right * years * paid,
        -growth * density * d2 / vol,
        vega * d1 * d2 / vol,
        dividend_yield * delta - growth * density * turn,
    ]


def differentiated_greeks(right, *market):
    """The same as derivatives of `exact_price`, taken numerically."""
    spot, strike, years, rate, vol, dividend_yield = market

    def derivative(*order: int):
        def moved(s, t, r, v):
            return exact_price(right, s, strike, t, r, v, dividend_yield)

        return mpmath.diff(moved, (spot, years, rate, vol), order)

    return [
        exact_price(right, *market),
        derivative(1, 0, 0, 0),
        derivative(2, 0, 0, 0),
        derivative(0, 0, 0, 1),
        -derivative(0, 1, 0, 0),
        derivative(0, 0, 1, 0),
        derivative(1, 0, 0, 1),
        derivative(0, 0, 0, 2),
        -derivative(1, 1, 0, 0),
    ]


def in_many_digits(function, market: Market, digits: int = 50) -> np.ndarray:
    """Each row of the market put through ``function``, (results, options) as float64."""
    columns = [np.asarray(each, dtype=float).tolist() for each in market]
    with mpmath.workdps(digits):
        rows = [
            [float(each) for each in function(int(right), *map(mpmath.mpf, row))]
            for right, *row in zip(*columns, strict=True)
        ]
    return np.array(rows).T
