"""How much prices moved: annual vol from closes, from daily ranges, and from both with gaps."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SESSIONS_PER_YEAR = 252
MONTH = 21  # sessions


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """Daily prices of one underlying, dollars per share, shape (n,) each; NaN where unknown.

    They must be of one share throughout: adjusted for splits, and for dividends if the gap
    that they leave is not to count.

    Raises
    ------
    ValueError
        If lengths differ, or a known price is not positive or lies outside its day's range.
    """

    open: Floats
    high: Floats
    low: Floats
    close: Floats

    def __post_init__(self) -> None:
        columns = (self.open, self.high, self.low, self.close)
        if len({len(column) for column in columns}) != 1:
            raise ValueError(f"bars differ in length: {[len(column) for column in columns]}")
        if any((column <= 0).any() for column in columns):
            raise ValueError("prices must be positive")
        outside = (np.maximum(self.open, self.close) > self.high) | (
            np.minimum(self.open, self.close) < self.low
        )
        if outside.any():
            raise ValueError(f"row {int(np.argmax(outside))}: a price lies outside its range")


def realised_vol(closes: Floats, sessions: int = MONTH) -> Floats:
    """Annual vol of the trailing ``sessions`` close-to-close log returns, mean taken as zero.

    sqrt(252 / n x sum of squared returns). Shape (n,); NaN for the first ``sessions`` days.

    Raises
    ------
    ValueError
        If ``sessions`` is not positive or a close is not.
    """
    closes = np.asarray(closes, float)
    if not (closes > 0).all():
        raise ValueError("closes must be positive")
    squares = np.diff(np.log(closes), prepend=np.nan) ** 2
    return _annual(_mean(squares, sessions))


def parkinson_vol(bars: Bars, sessions: int = MONTH) -> Floats:
    """Annual vol from daily ranges: sqrt(252 / (4 n ln 2) x sum of ln(high / low)^2).

    Blind to what happens overnight, and low where few trades make the range. Shape (n,); NaN
    for the first ``sessions - 1`` days and where a price is unknown.

    Source: Parkinson, "The Extreme Value Method for Estimating the Variance of the Rate of
    Return", Journal of Business 53 (1980).

    A range of 2 % each day, ln(1.02) = 0.019803: 0.019803 sqrt(252 / 2.772589) = 0.1888.

    >>> price = np.full(3, 100.0)
    >>> parkinson_vol(Bars(price, price * 1.02, price, price), 2).round(4)
    array([   nan, 0.1888, 0.1888])
    """
    squares = np.log(bars.high / bars.low) ** 2 / (4 * math.log(2))
    return _annual(_mean(squares, sessions))


def garman_klass_vol(bars: Bars, sessions: int = MONTH) -> Floats:
    """Annual vol from ranges and moves: mean of ln(H/L)^2 / 2 - (2 ln 2 - 1) ln(C/O)^2.

    Blind to what happens overnight; assumes no drift. Shapes and NaN as `parkinson_vol`.

    Source: Garman and Klass, "On the Estimation of Security Price Volatilities from Historical
    Data", Journal of Business 53 (1980), equation 20.

    Open 100, high 102, low 99, close 101: ln(102/99)^2 / 2 = 0.000446, ln(1.01)^2 x 0.386294 =
    0.000038, so sqrt(252 x 0.000407) = 0.3204.

    >>> day = [np.array([x]) for x in (100.0, 102.0, 99.0, 101.0)]
    >>> garman_klass_vol(Bars(*day), 1).round(4)
    array([0.3204])
    """
    ranges = np.log(bars.high / bars.low) ** 2 / 2
    moves = (2 * math.log(2) - 1) * np.log(bars.close / bars.open) ** 2
    return _annual(_mean(ranges - moves, sessions))


def yang_zhang_vol(bars: Bars, sessions: int = MONTH) -> Floats:
    """Annual vol from gaps, moves and ranges; free of drift, and with the nights.

    The variance of overnight returns, plus k times that of open-to-close returns, plus (1 - k)
    times the mean of Rogers and Satchell's u (u - c) + d (d - c), with u, d, c the logs of
    high, low and close over the open and k = 0.34 / (1.34 + (n + 1) / (n - 1)).

    Shape (n,); NaN for the first ``sessions`` days and where a price is unknown.

    Source: Yang and Zhang, "Drift-Independent Volatility Estimation Based on High, Low, Open,
    and Close Prices", Journal of Business 73 (2000), equations 7 to 10.

    Raises
    ------
    ValueError
        If ``sessions`` is below 2: a variance needs two days.
    """
    if sessions < 2:
        raise ValueError(f"sessions must be 2 or more, got {sessions}")
    before = np.concatenate([[np.nan], bars.close[:-1]])
    night, day = np.log(bars.open / before), np.log(bars.close / bars.open)
    up, down = np.log(bars.high / bars.open), np.log(bars.low / bars.open)
    ranges = _mean(up * (up - day) + down * (down - day), sessions)
    weight = 0.34 / (1.34 + (sessions + 1) / (sessions - 1))
    nights, days = _variance(night, sessions), _variance(day, sessions)
    return _annual(nights + weight * days + (1 - weight) * ranges)


def ahead(vols: Floats, sessions: int = MONTH) -> Floats:
    """Trailing vols of so many sessions as those of the sessions that follow; NaN at the end.

    For research on what a seller was paid: nobody knew it on the day.

    >>> ahead(np.array([np.nan, 0.1, 0.2, 0.3]), 2)
    array([0.2, 0.3, nan, nan])
    """
    later: Floats = np.full(len(vols), np.nan)
    later[: max(len(vols) - sessions, 0)] = np.asarray(vols, float)[sessions:]
    return later


def _mean(daily: Floats, sessions: int) -> Floats:
    """Of the trailing ``sessions`` days; NaN before there are so many."""
    if sessions < 1:
        raise ValueError(f"sessions must be 1 or more, got {sessions}")
    means = np.full(len(daily), np.nan)
    if len(daily) >= sessions:
        windows = np.lib.stride_tricks.sliding_window_view(daily, sessions)
        means[sessions - 1 :] = windows.mean(axis=1)
    return means


def _variance(daily: Floats, sessions: int) -> Floats:
    """Of the trailing ``sessions`` days about their own mean, over n - 1."""
    centred = np.full(len(daily), np.nan)
    if len(daily) >= sessions:
        windows = np.lib.stride_tricks.sliding_window_view(daily, sessions)
        centred[sessions - 1 :] = windows.var(axis=1, ddof=1)
    return centred


def _annual(daily_variance: Floats) -> Floats:
    vols: Floats = np.sqrt(daily_variance * SESSIONS_PER_YEAR)
    return vols
