"""A tree for cash dividends: slow, plain, and sharing nothing with the grid."""

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.special import ndtr


def tree_price(
    right,
    spot,
    strike,
    years,
    rate,
    vol,
    dividend_yield=0.0,
    dividends=(),
    *,
    steps,
    early=True,
) -> float:
    """Option price on a Cox-Ross-Rubinstein tree whose stock falls by each dividend.

    One step before expiry stands the formula (Broadie and Detemple 1996), to smooth the corner.
    Dividends stand at the nearest step (Vellekoop and Nieuwenhuis 2006): there the value is
    read at the fallen stock, by a cubic spline through the step's own nodes.
    """
    dt = years / steps
    up = np.exp(vol * np.sqrt(dt))
    chance = (np.exp((rate - dividend_yield) * dt) - 1 / up) / (up - 1 / up)
    discount = np.exp(-rate * dt)
    paid = {round(time / dt): dollars for time, dollars in dividends if 0 < time < years}
    stock = spot * up ** np.arange(-steps, steps + 1.0)
    values = formula(right, stock[1:-1:2], strike, dt, rate, vol, dividend_yield)
    for step in range(steps - 1, -1, -1):
        if step < steps - 1:
            values = discount * (chance * values[1:] + (1 - chance) * values[:-1])
        nodes = stock[steps - step : steps + step + 1 : 2]
        if step in paid:
            paid_later = strike * np.exp(-rate * (years - step * dt)) if right < 0 else 0.0
            worthless = max(paid_later, strike) if right < 0 and early else paid_later
            values = fallen_values(nodes, values, paid[step], worthless)
        if early:
            values = np.maximum(values, right * (nodes - strike))
    return float(values[0])


def formula(right, stock, strike, years, rate, vol, dividend_yield):
    """Black, Scholes and Merton."""
    stdev = vol * np.sqrt(years)
    d1 = (np.log(stock / strike) + (rate - dividend_yield) * years) / stdev + stdev / 2
    received = stock * np.exp(-dividend_yield * years) * ndtr(right * d1)
    return right * (received - strike * np.exp(-rate * years) * ndtr(right * (d1 - stdev)))


def fallen_values(nodes, values, dollars, worthless):
    """The values of holding over an ex-date; a stock worth nothing stays so."""
    fallen = nodes - dollars
    if nodes.size < 4:
        return np.interp(fallen, nodes, values)
    slope = (values[1] - values[0]) / (nodes[1] - nodes[0])
    below = np.maximum(values[0] + (fallen - nodes[0]) * slope, 0.0)
    curve = CubicSpline(nodes, values)(np.maximum(fallen, nodes[0]))
    return np.where(fallen <= 0.0, worthless, np.where(fallen < nodes[0], below, curve))


def tree_limit(*option, steps=1500, **rest) -> float:
    """The price as the steps go to infinity: errors at one and at two times as many steps
    are as two to one. Whole days hold whole steps, so that dividends stand on one."""
    days = max(round(option[3] * 365), 1)
    steps = days * -(-steps // days)
    few, many = (tree_price(*option, steps=count, **rest) for count in (steps, 2 * steps))
    return 2.0 * many - few
