"""American prices, Greeks and implied vols, on arrays: options that may be exercised any day.

Arguments, limits and units are those of `black_scholes`: arrays broadcast in the order
``right, spot, strike, years, rate, vol, dividend_yield``, numbers without meaning give NaN, and
no array call raises or warns over them. Rates and yields may have either sign.

With a dividend yield the price is the European one plus the integral of `premium`, or, in the
rare cases with two boundaries (`american_cases`), that of a fine `grid`. The error is below
1e-4 on a spot of 100 for vols from 3 % to 300 % and up to three years, as measured by
``benchmarks/american_gate.py``. With cash ``dividends``, pairs of years from now and dollars
per share, the spot falls by each on its day, and every option is solved on `grid`.

Source: Andersen, Lake and Offengenden, High-Performance American Option Pricing (2016).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dollarbill_core.pricing import black_scholes, grid
from dollarbill_core.pricing.american_cases import (
    Market,
    banded_values,
    cases,
    certain_prices,
    early_prices,
    exercise_regions,
    prices,
)
from dollarbill_core.pricing.american_vol import american_vols
from dollarbill_core.pricing.black_scholes import FirstGreeks as Greeks
from dollarbill_core.pricing.boundary import boundaries
from dollarbill_core.pricing.grid import Dividends
from dollarbill_core.pricing.machine_code import Floats
from dollarbill_core.pricing.premium import Premium, Puts, as_puts, premiums

_BUMP_OF_VOL, _BUMP_OF_RATE = 1e-3, 1e-4  # a part of the vol; of the rate, itself
_STEP_OF_VOL, _STEP_OF_RATE = 1e-2, 1e-3  # the same on the grid
_STEP = 1e-6  # where nothing is left to chance


class ExerciseRegion(NamedTuple):
    """Spots at which to exercise now: ``lower <= spot <= upper``, both NaN where there is none.

    One end is 0 (put) or infinite (call), unless there are two boundaries.
    """

    lower: Floats
    upper: Floats


def price(
    right: ArrayLike,
    spot: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    rate: ArrayLike,
    vol: ArrayLike,
    dividend_yield: ArrayLike = 0.0,
    dividends: Dividends = (),
) -> Floats:
    """American option price, dollars per share.

    Parameters
    ----------
    right, spot, strike, years, rate, dividend_yield
        As for `black_scholes.price`.
    vol
        Annual volatility as a fraction (0.20 for 20 %), not negative. Without any, the best
        time to exercise is known, and its value is the price.
    dividends
        ``(years, dollars)`` pairs from now to the ex-date, shared by all options (see `grid`).

    Returns
    -------
    Floats
        The broadcast shape of the input.

    Raises
    ------
    ValueError
        If a dividend is negative, not finite or not a pair.

    Notes
    -----
    Options of one rate, one dividend yield and like years share their exercise boundaries, so
    a chain costs little more than its premiums: hand it over in one call.

    Examples
    --------
    Exercise of a put that is deep in the money brings 100 - 50 now; to wait costs interest.

    >>> float(price(-1, 50, 100, 1.0, 0.05, 0.20))
    50.0

    Longstaff and Schwartz (2001, table 1) give 4.478 for 50 dates a year.

    >>> round(float(price(-1, 36, 40, 1.0, 0.06, 0.20)), 3)
    4.487
    """
    given = right, spot, strike, years, rate, vol, dividend_yield
    if len(dividends):
        return grid.american(*given, dividends).price
    with np.errstate(all="ignore"):
        market, shape = _flat(*given)
        return prices(market).reshape(shape)[()]


def greeks(
    right: ArrayLike,
    spot: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    rate: ArrayLike,
    vol: ArrayLike,
    dividend_yield: ArrayLike = 0.0,
    dividends: Dividends = (),
) -> Greeks:
    """Price, delta, gamma, vega, theta and rho of one share's American option.

    Parameters as for `price`. An option that is better exercised moves with the spot alone: its
    delta is 1 or -1 and the rest is 0. Delta and gamma are derivatives of the formula; theta is
    what the Black-Scholes equation leaves, ``rate price - (rate - dividend_yield) spot delta -
    vol^2 spot^2 gamma / 2``; vega and rho are differences of the premium over small steps. On
    the grid vega and rho are differences of the price over steps of 1 % of the vol and 0.001.

    Examples
    --------
    >>> put = greeks(-1, 36, 40, 1.0, 0.06, 0.20)
    >>> round(float(put.delta), 3), round(float(put.gamma), 3), round(float(put.vega), 2)
    (-0.697, 0.087, 10.94)
    >>> exercised = greeks(-1, 30, 40, 1.0, 0.06, 0.20)
    >>> float(exercised.delta), float(exercised.theta), float(exercised.rho)
    (-1.0, 0.0, 0.0)
    """
    with np.errstate(all="ignore"):
        given = right, spot, strike, years, rate, vol, dividend_yield
        market, shape = _flat(*given)
        if len(dividends):
            found = _differences(market, grid.american(*market, dividends), dividends)
        else:
            found = _greeks(market)
        return Greeks(*(row.reshape(shape)[()] for row in found))


def price_and_delta(
    right: ArrayLike,
    spot: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    rate: ArrayLike,
    vol: ArrayLike,
    dividend_yield: ArrayLike = 0.0,
) -> tuple[Floats, Floats]:
    """Price and delta as `greeks` gives them, at little more than the cost of a price.

    For chains, which hold nothing else of each option.

    >>> price, delta = price_and_delta(-1, 36, 40, 1.0, 0.06, 0.20)
    >>> round(float(price), 3), round(float(delta), 3)
    (4.487, -0.697)
    """
    with np.errstate(all="ignore"):
        market, shape = _flat(right, spot, strike, years, rate, vol, dividend_yield)
        european = black_scholes.greeks(*market)
        price, delta = np.array(european.price), np.array(european.delta)
        puts = as_puts(*market)
        case = cases(market, puts, price)
        if case.early.any():
            some, held = market.at(case.early), puts.at(case.early)
            gain = premiums(held)
            slope = delta[case.early] + _premium_delta(some, held, gain)
            exercised = held.spot <= gain.boundary
            price[case.early] = early_prices(some, held, price[case.early], gain)
            delta[case.early] = np.where(exercised, some.right, slope)
        rest = case.banded | case.certain
        if rest.any():
            price[rest], delta[rest] = _greeks(market.at(rest))[:2]
        return price.reshape(shape)[()], delta.reshape(shape)[()]


def early_exercise_premium(
    right: ArrayLike,
    spot: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    rate: ArrayLike,
    vol: ArrayLike,
    dividend_yield: ArrayLike = 0.0,
    dividends: Dividends = (),
) -> Floats:
    """What the right to exercise before expiry adds to the European price, dollars per share.

    Parameters as for `price`; never negative.

    Examples
    --------
    A call on a stock that pays nothing is not exercised early.

    >>> float(early_exercise_premium(1, 100, 100, 1.0, 0.05, 0.20))
    0.0
    >>> round(float(early_exercise_premium(-1, 50, 100, 1.0, 0.05, 0.01)), 4)  # 100 - 95.1229
    4.8771
    """
    given = right, spot, strike, years, rate, vol, dividend_yield
    with np.errstate(all="ignore"):
        if len(dividends):
            european = grid.european(*given, dividends).price
        else:
            european = black_scholes.price(*given)
        return np.maximum(price(*given, dividends) - european, 0.0)[()]


def exercise_boundary(
    right: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    rate: ArrayLike,
    vol: ArrayLike,
    dividend_yield: ArrayLike = 0.0,
) -> ExerciseRegion:
    """Spots at which an American option is better exercised now than held.

    Parameters as for `price`. For cash dividends see `grid.exercise_boundary`.

    Examples
    --------
    A put with three months to go, and a call on a stock that yields as much as cash.

    >>> put = exercise_boundary(-1, 100, 0.25, 0.05, 0.20)
    >>> float(put.lower), round(float(put.upper), 1)
    (0.0, 86.8)
    >>> call = exercise_boundary(1, 100, 0.25, 0.05, 0.20, 0.05)
    >>> round(float(call.lower), 1), float(call.upper)
    (124.9, inf)
    >>> exercise_boundary(1, 100, 0.25, 0.05, 0.20)  # no dividend: never
    ExerciseRegion(lower=np.float64(nan), upper=np.float64(nan))
    """
    with np.errstate(all="ignore"):
        market, shape = _flat(right, strike, strike, years, rate, vol, dividend_yield)
        return ExerciseRegion(*(end.reshape(shape)[()] for end in exercise_regions(market)))


def implied_vol(
    right: ArrayLike,
    price: ArrayLike,
    spot: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    rate: ArrayLike,
    dividend_yield: ArrayLike = 0.0,
    dividends: Dividends = (),
) -> Floats:
    """Annual volatility, a fraction, at which an American option is worth ``price``.

    Parameters as for `price`; ``price`` in dollars per share.

    Returns
    -------
    Floats
        The broadcast shape of the input. NaN where no vol explains the price: at or below what
        exercise brings, where any low vol gives the same, above the most the option can be
        worth and, if it may be exercised early, outside 0.5 % to 500 %. NaN as well where one
        rounding of the dollars that enter moves the vol by more than
        ``implied_vol.UNDETERMINED``.

    Examples
    --------
    >>> round(float(implied_vol(-1, 4.4867, 36, 40, 1.0, 0.06)), 4)
    0.2
    >>> float(implied_vol(-1, 10.0, 30, 40, 1.0, 0.06))  # what exercise brings
    nan
    """
    with np.errstate(all="ignore"):
        given, shape = _flat(right, spot, strike, years, rate, price, dividend_yield)
        return american_vols(given, given.vol, dividends).reshape(shape)[()]


def _greeks(market: Market) -> Floats:
    european = black_scholes.greeks(*market)
    found = np.stack([getattr(european, name) for name in Greeks.__slots__])
    puts = as_puts(*market)
    case = cases(market, puts, found[0])
    if case.early.any():
        some = market.at(case.early), puts.at(case.early)
        found[:, case.early] = _early_greeks(*some, found[:, case.early])
    if case.banded.any():
        banded = market.at(case.banded)
        found[:, case.banded] = _differences(banded, banded_values(banded), ())
    if case.certain.any():
        found[:, case.certain] = _certain_greeks(market.at(case.certain))
    return found


def _early_greeks(market: Market, puts: Puts, european: Floats) -> Floats:
    """European Greeks plus those of the premium: a call's is ``spot f(strike / spot)``."""
    less, more = puts.vol * (1.0 - _BUMP_OF_VOL), puts.vol * (1.0 + _BUMP_OF_VOL)
    among = boundaries(puts.years, puts.rate, puts.dividend_yield, more, less)
    gain = premiums(puts, among)
    rise = premiums(puts._replace(vol=more), among).value
    fall = premiums(puts._replace(vol=less), among).value
    is_call = market.right > 0
    price, delta, gamma, vega, _, rho = european
    price = price + puts.unit * gain.value
    delta = delta + _premium_delta(market, puts, gain)
    gamma = gamma + np.where(is_call, puts.spot**2, 1.0) * gain.curve / puts.unit
    vega = vega + puts.unit * (rise - fall) / (more - less)
    rho = rho + _rho_of_premium(market)
    carried = (market.rate - market.dividend_yield) * market.spot * delta
    theta = market.rate * price - carried - 0.5 * (market.vol * market.spot) ** 2 * gamma
    exercised = np.zeros_like(european)
    exercised[0], exercised[1] = market.exercised(), market.right
    price = np.maximum(price, exercised[0])
    held = np.stack([price, delta, gamma, vega, theta, rho])
    return np.where(puts.spot <= gain.boundary, exercised, held)


def _premium_delta(market: Market, puts: Puts, gain: Premium) -> Floats:
    """The premium's slope by spot, of a call ``spot f(strike / spot)``."""
    return np.where(market.right > 0, gain.value - puts.spot * gain.slope, gain.slope)


def _rho_of_premium(market: Market) -> Floats:
    """A difference over a small step; a put's rate does not leave its case, zero or above."""
    rate = market.rate
    less = np.where(
        market.right > 0, rate - _BUMP_OF_RATE, np.maximum(rate - _BUMP_OF_RATE, 0.5 * rate)
    )
    more = rate + _BUMP_OF_RATE
    fall, rise = (as_puts(*market._replace(rate=moved)) for moved in (less, more))
    change = rise.unit * premiums(rise).value - fall.unit * premiums(fall).value
    return change / (more - less)


def _certain_greeks(market: Market) -> Floats:
    """Slopes of the certain price, which has no curve and which vol does not move."""
    found = np.zeros((6, market.spot.size))
    found[0] = certain_prices(market)
    for row, name, sign in ((1, "spot", 1.0), (4, "years", -1.0), (5, "rate", 1.0)):
        given = getattr(market, name)
        step = _STEP * np.maximum(np.abs(given), 0.01)
        less = given - step if name == "rate" else np.maximum(given - step, 0.0)
        fall, rise = (
            certain_prices(market._replace(**{name: moved})) for moved in (less, given + step)
        )
        found[row] = sign * (rise - fall) / (given + step - less)
    return found


def _differences(market: Market, values: grid.Values, dividends: Dividends) -> Floats:
    """Greeks of the grid, vega and rho as differences of its prices."""
    vega, rho = (
        (_on_grid(market, name, step, dividends) - _on_grid(market, name, -step, dividends))
        / (2.0 * step)
        for name, step in (("vol", _STEP_OF_VOL * market.vol), ("rate", _STEP_OF_RATE))
    )
    found = np.stack([values.price, values.delta, values.gamma, vega, values.theta, rho])
    gone = (values.price <= market.exercised()) & (values.price > 0)
    found[1, gone], found[2:, gone] = market.right[gone], 0.0
    return found


def _on_grid(market: Market, name: str, step: Floats | float, dividends: Dividends) -> Floats:
    moved = market._replace(**{name: getattr(market, name) + step})
    return grid.american(*moved, dividends).price if dividends else banded_values(moved).price


def _flat(*values: ArrayLike) -> tuple[Market, tuple[int, ...]]:
    arrays = [np.asarray(value, dtype=np.float64) for value in values]
    shape = np.broadcast_shapes(*(array.shape for array in arrays))
    full = (each if each.shape == shape else np.broadcast_to(each, shape) for each in arrays)
    return Market(*(np.ascontiguousarray(each).reshape(-1) for each in full)), shape
