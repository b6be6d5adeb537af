"""The volatility that explains a price, with a reason where there is none.

Each option is reduced to its time value in `time_value` and solved in `total_stdev`, in blocks
of a few hundred that go through one stage after the other. The few that the compiled stages
leave are solved singly, in many digits.
"""

import math
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dollarbill_core.pricing.machine_code import Floats, Kernel, compiled, inlined
from dollarbill_core.pricing.time_value import (
    discounted,
    exact,
    exact_product,
    exactly_discounted,
    nought_if_finite,
    product_parts,
    reduced,
)
from dollarbill_core.pricing.total_stdev import (
    FARTHEST_STEP,
    LOG_ROOT_TWO_PI,
    exact_vol,
    guess,
    step,
)

UNDETERMINED = 1e-6  # a vol that one rounding of the price moves further than this is no answer


class Reason(IntEnum):
    """Why a vol is what it is."""

    FOUND = 0  # this vol explains the price
    BELOW_INTRINSIC = 1  # price at or below the discounted intrinsic value, or not positive
    ABOVE_BOUND = 2  # price at or above the discounted spot (call) or strike (put)
    UNDETERMINED = 3  # one rounding of the price moves the vol by more than 1e-6
    BAD_INPUT = 4  # a number missing, infinite or beyond float64; no such right; no time left


class Explained(NamedTuple):
    """Vols and the `Reason` of each, as int8, both shaped as the broadcast input."""

    vol: Floats
    reason: NDArray[np.int8]


_FOUND, _BELOW, _ABOVE, _UNDETERMINED, _BAD = (float(reason) for reason in Reason)
_LEFT = -1.0  # the reason, and the vol, of an option that is still to be solved singly

_BLOCK = 512  # options that go through each stage together: their numbers stay in the cache
_K, _V, _W, _ULP, _ROOT, _S = (row * _BLOCK for row in range(6))
_ROWS = 6


def implied_vol(
    right: ArrayLike,
    price: ArrayLike,
    spot: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    rate: ArrayLike,
    dividend_yield: ArrayLike = 0.0,
) -> Floats:
    """Annual volatility, a fraction, at which `black_scholes.price` gives ``price``.

    Parameters
    ----------
    right
        ``Right.CALL`` (1) or ``Right.PUT`` (-1).
    price
        Dollars per share.
    spot, strike, years, rate, dividend_yield
        As for `black_scholes.price`; all arrays broadcast.

    Returns
    -------
    Floats
        The broadcast shape of the input. The vol that explains these very float64 numbers is
        met within 1e-12 of itself, or within what four ulp of the price move it. NaN where
        there is none or the price does not determine it; `explained` gives the `Reason`.

    Examples
    --------
    At the money with no carry, price = spot (2 N(s / 2) - 1): a price of 3.9878 on 100 with a
    quarter of a year to go is ``N(s / 2) = 0.519939``, ``s = 0.1`` and vol ``0.1 / 0.5``.

    >>> round(float(implied_vol(1, 3.9878, 100, 100, 0.25, 0.0)), 4)
    0.2
    >>> float(implied_vol(1, 9.99, 110, 100, 0.25, 0.0))  # below intrinsic value
    nan
    """
    terms = (right, price, spot, strike, years, rate, dividend_yield)
    return _answered(_from_spot, terms)[0]


def implied_vol_from_forward(
    right: ArrayLike,
    price: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    discount: ArrayLike,
) -> Floats:
    """The same from a forward and a discount factor: the inverse of `price_from_forward`.

    >>> round(float(implied_vol_from_forward(-1, 1.7011, 19, 19, 0.75, 0.9277434863)), 4)
    0.28
    """
    terms = (right, price, forward, strike, years, discount)
    return _answered(_from_forward, terms)[0]


def explained(
    right: ArrayLike,
    price: ArrayLike,
    spot: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    rate: ArrayLike,
    dividend_yield: ArrayLike = 0.0,
) -> Explained:
    """`implied_vol` with the `Reason` of each vol, and of each NaN.

    >>> vol, reason = explained(1, [9.99, 10.2, 110], 110, 100, 0.25, 0.0)
    >>> [Reason(code).name for code in reason]
    ['BELOW_INTRINSIC', 'FOUND', 'ABOVE_BOUND']
    """
    return _explained(_from_spot, right, price, spot, strike, years, rate, dividend_yield)


def explained_from_forward(
    right: ArrayLike,
    price: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    discount: ArrayLike,
) -> Explained:
    """`implied_vol_from_forward` with the `Reason` of each vol, and of each NaN.

    >>> explained_from_forward(1, math.nan, 19, 19, 0.75, 0.98).reason == Reason.BAD_INPUT
    np.True_
    """
    return _explained(_from_forward, right, price, forward, strike, years, discount)


def _explained(kernel: Kernel, *terms: ArrayLike) -> Explained:
    vol, reason = _answered(kernel, terms, with_reasons=True)
    return Explained(vol, reason.astype(np.int8)[()])


def _answered(
    kernel: Kernel, terms: tuple[ArrayLike, ...], with_reasons: bool = False
) -> tuple[Floats, Floats]:
    """Vols of the broadcast terms, and their reasons if asked for (else an empty array)."""
    arrays = np.broadcast_arrays(*(np.asarray(term, dtype=np.float64) for term in terms))
    shape, size = arrays[0].shape, arrays[0].size
    columns = [np.ascontiguousarray(array).reshape(-1) for array in arrays]
    vol, reason = np.empty(size), np.empty(size if with_reasons else 0)
    left = np.zeros(1)
    kernel(*columns, np.empty(_ROWS * _BLOCK), vol, reason, left)
    for i in np.flatnonzero(vol == _LEFT) if left[0] else ():
        vol[i], code = _solved_singly(*(float(column[i]) for column in columns))
        if with_reasons:
            reason[i] = code
    return vol.reshape(shape)[()], reason.reshape(shape) if with_reasons else reason


# --- compiled: seven terms from a spot, or six from a forward


@inlined
def _flaw(right: float, price: float, first: float, strike: float, years: float) -> float:
    """0, or NaN where input that has to be a right, finite or positive is not."""
    meant = abs(right) == 1.0 and first > 0.0 and strike > 0.0 and years > 0.0
    flaw = nought_if_finite(price) + nought_if_finite(first - strike) + nought_if_finite(years)
    return flaw + (0.0 if meant else math.nan)


@inlined
def _store(
    block: Floats, j: int, parts: tuple[float, float, float, float], t: float, flaw: float
) -> None:
    k, v, w, ulp = parts
    block[_K + j], block[_V + j], block[_W + j] = k, v + flaw, w
    block[_ULP + j], block[_ROOT + j] = ulp, math.sqrt(t)


@inlined
def _reason(v: float, w: float, taken: float, surplus: float) -> float:
    reason = _FOUND if surplus >= 0.0 else _UNDETERMINED
    reason = reason if abs(taken) < FARTHEST_STEP else _LEFT
    reason = _ABOVE if w <= 0.0 else reason
    reason = _BELOW if v <= 0.0 else reason
    reason = _LEFT if v == math.inf else reason
    return _BAD if v != v else reason


@inlined
def _finish(block: Floats, count: int, vol: Floats, reason: Floats, start: int) -> float:
    """Vols and reasons of a block whose prices are reduced; the number of options left."""
    for j in range(count):
        block[_S + j] = guess(block[_K + j], block[_V + j], block[_W + j])
    for j in range(count):
        s, v, w, root = block[_S + j], block[_V + j], block[_W + j], block[_ROOT + j]
        taken, vega = step(block[_K + j], s, v, w)
        surplus = UNDETERMINED * root * vega - block[_ULP + j] * s
        block[_K + j] = _reason(v, w, taken, surplus)
        block[_S + j] = (s + s * taken) / root
    left = 0.0
    for j in range(count):
        code = block[_K + j]
        nothing = _LEFT if code == _LEFT else math.nan
        vol[start + j] = block[_S + j] if code == _FOUND else nothing
        left += 1.0 if code == _LEFT else 0.0
    if reason.size > 0:
        for j in range(count):
            reason[start + j] = block[_K + j]
    return left


@compiled
def _from_spot(
    right: Floats,
    price: Floats,
    spot: Floats,
    strike: Floats,
    years: Floats,
    rate: Floats,
    dividend_yield: Floats,
    block: Floats,
    vol: Floats,
    reason: Floats,
    left_over: Floats,
) -> None:
    """Vols, reasons where there is room for them, and how many options are left."""
    left = 0.0
    for start in range(0, vol.size, _BLOCK):
        count = min(_BLOCK, vol.size - start)
        for j in range(count):
            i = start + j
            c, p, t, r, q = right[i], price[i], years[i], rate[i], dividend_yield[i]
            a, a_low = discounted(spot[i], q, t)
            b, b_low = discounted(strike[i], r, t)
            flaw = (
                _flaw(c, p, spot[i], strike[i], t) + nought_if_finite(r) + nought_if_finite(q)
            )
            _store(block, j, reduced(c, p, a, a_low, b, b_low), t, flaw)
        left += _finish(block, count, vol, reason, start)
    left_over[0] = left


@compiled
def _from_forward(
    right: Floats,
    price: Floats,
    forward: Floats,
    strike: Floats,
    years: Floats,
    discount: Floats,
    block: Floats,
    vol: Floats,
    reason: Floats,
    left_over: Floats,
) -> None:
    """The same for legs that are a forward and a strike, both discounted."""
    left = 0.0
    for start in range(0, vol.size, _BLOCK):
        count = min(_BLOCK, vol.size - start)
        for j in range(count):
            i = start + j
            c, p, t, d = right[i], price[i], years[i], discount[i]
            a, a_low = product_parts(forward[i], d)
            b, b_low = product_parts(strike[i], d)
            flaw = _flaw(c, p, forward[i], strike[i], t) + _flaw(c, p, d, d, t)
            _store(block, j, reduced(c, p, a, a_low, b, b_low), t, flaw)
        left += _finish(block, count, vol, reason, start)
    left_over[0] = left


# --- one option at a time


def _solved_singly(
    right: float, price: float, first: float, strike: float, years: float, *carry: float
) -> tuple[float, Reason]:
    """The vol of one option that the kernels left, from the terms that they take."""
    if len(carry) == 2:
        rate, dividend_yield = carry
        a = exactly_discounted(first, dividend_yield, years)
        b = exactly_discounted(strike, rate, years)
    else:
        a, b = exact_product(first, *carry), exact_product(strike, *carry)
    option = exact(int(right), price, a, b)
    if option is None:
        return math.nan, Reason.BAD_INPUT
    if option.log_value == -math.inf:
        return math.nan, Reason.BELOW_INTRINSIC
    if option.log_room == -math.inf:
        return math.nan, Reason.ABOVE_BOUND
    vol = exact_vol(option, years)
    s = vol * math.sqrt(years)
    d1 = 0.5 * s - (option.distance / s if option.distance > 0.0 else 0.0)
    # In logarithms, because the price may be the smallest number there is.
    vega = math.log(option.lesser) + 0.5 * math.log(years) - 0.5 * d1 * d1 - LOG_ROOT_TWO_PI
    if math.log(math.ulp(price)) > math.log(UNDETERMINED) + vega:
        return math.nan, Reason.UNDETERMINED
    return vol, Reason.FOUND
