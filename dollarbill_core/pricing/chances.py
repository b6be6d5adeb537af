"""Chances of a package: of a profit, of a touch, and its expected profit, under any law.

A `Law` is a probability law of the price at one instant. Three stand ready: `Lognormal`, as
Black and Scholes have it; `Samples`, prices or whole paths that somebody supplies; and a fitted
smile, which is a law of its own kind (its density is what the quotes imply). Chances under the
first and the last are risk-neutral: what prices imply, not what will happen.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from statistics import NormalDist
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from dollarbill_core.pricing import black_scholes
from dollarbill_core.pricing.kernels import ROOT_HALF, bell, erfcx, normal_cdf
from dollarbill_core.pricing.payoff import settled
from dollarbill_core.pricing.polyline import Floats, Stretches
from dollarbill_core.values.contracts import Leg, Right

Number = float | Floats

_MOST_IMAGES = 6  # on either side, or modes: with barriers a deviation apart 1e-15 is left
_STEPS = np.geomspace(1e-3, 1.0, 200)  # of the price, from a barrier to a far strike


class Law(Protocol):
    """A probability law of a price, dollars per share, that is never negative."""

    @property
    def mean(self) -> Number:
        """Its expectation: of a risk-neutral law, the forward."""

    def cdf(self, levels: ArrayLike) -> Floats:
        """Probability, 0 to 1, of a price at or below each of ``levels``."""

    def shortfall(self, levels: ArrayLike) -> Floats:
        """Expected dollars by which the price lies below each of ``levels``: a put's payoff."""


@dataclass(frozen=True, slots=True, eq=False)
class Lognormal:
    """The price in ``years`` from ``spot``, at a flat vol; the terms may be arrays.

    >>> law = Lognormal(100, 0.25, 0.0, 0.20)
    >>> round(float(law.cdf(94)), 4)  # d2 = 0.5688
    0.2848
    >>> round(float(law.shortfall(100)), 4)  # the put at the money
    3.9878
    """

    spot: Number
    years: Number
    rate: Number
    vol: Number
    dividend_yield: Number = 0.0

    @property
    def mean(self) -> Number:
        return self.spot * np.exp(self._carry)

    @property
    def _carry(self) -> Number:
        return (self.rate - self.dividend_yield) * self.years

    @property
    def _deviation(self) -> Number:
        return self.vol * np.sqrt(self.years)

    def cdf(self, levels: ArrayLike) -> Floats:
        """Probability of a price at or below ``levels``: ``N(-d2)``; broadcasts."""
        terms = self.spot, self.years, self.rate, self.vol, self.dividend_yield
        below = 1.0 - black_scholes.probability_above(np.maximum(levels, 0.0), *terms)
        ends_there = (self._deviation == 0) & (np.asarray(levels) == self.mean)
        return np.where(ends_there, 1.0, below)[()]

    def shortfall(self, levels: ArrayLike) -> Floats:
        """Expected dollars below ``levels``: the undiscounted put; broadcasts."""
        terms = self.mean, levels, self.years, 1.0, self.vol
        return black_scholes.price_from_forward(Right.PUT, *terms)

    def quantile(self, shares: ArrayLike) -> Floats:
        """Prices that the law stays below with these probabilities, between 0 and 1."""
        normal = NormalDist()
        scores = [normal.inv_cdf(share) for share in np.ravel(shares).tolist()]
        stdev = self._deviation
        drift = self._carry - 0.5 * stdev * stdev
        moves = np.exp(np.reshape(scores, np.shape(shares)) * stdev + drift)
        quantiles: Floats = self.spot * moves
        return quantiles

    def touch(self, low: float = 0.0, high: float = math.inf) -> float:
        """Probability that the price touches ``low`` or ``high`` on its way; numbers only.

        With ``a = log(barrier / spot)``, ``s = vol sqrt(T)`` and the drift
        ``m = (rate - dividend_yield) T - s^2 / 2``, one lower barrier is touched with
        probability ``N((a - m) / s) + exp(2 m a / s^2) N((a + m) / s)``, an upper one in the
        mirror. Two are summed over their images, or, where they lie closer together than one
        deviation, over the modes that decay between them.

        Raises
        ------
        ValueError
            If ``low`` is not below ``high``, or the terms are no numbers.

        References
        ----------
        Borodin and Salminen, Handbook of Brownian Motion (2002), part II, section 2.

        Examples
        --------
        Without drift in the log, reflection doubles the chance of ending below 90:
        ``2 N(log(0.9) / 0.1) = 2 N(-1.0536)``.

        >>> law = Lognormal(100, 0.25, 0.02, 0.20)
        >>> round(law.touch(low=90), 4)
        0.2921
        """
        if not low < high:
            raise ValueError(f"the lower barrier must lie below the upper, got {low}, {high}")
        terms = np.asarray(self.spot), np.asarray(self._deviation), np.asarray(self._carry)
        if not all(each.ndim == 0 and np.isfinite(each) for each in terms):
            raise ValueError("a touch needs terms that are finite numbers, not arrays")
        spot, stdev, carry = map(float, terms)
        drift = carry - 0.5 * stdev * stdev
        a = math.log(low / spot) if low > 0 else -math.inf
        b = math.log(high / spot)
        if a >= 0 or b <= 0:
            return 1.0
        if stdev == 0:
            return float(not a < drift < b)
        if math.isinf(a) or math.isinf(b):
            return _touch_below(a, drift, stdev) + _touch_below(-b, -drift, stdev)
        modes = _modes if stdev > b - a else _images
        return min(max(1.0 - modes(a, b, drift, stdev), 0.0), 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Equally likely prices: shape (n,) at expiry, or paths (n, instants) that end there.

    >>> law = Samples([90.0, 100.0, 110.0, 120.0])
    >>> law.mean, float(law.cdf(100)), float(law.shortfall(100))
    (105.0, 0.5, 2.5)
    """

    prices: ArrayLike
    _paths: Floats = field(init=False, repr=False)
    _ends: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        prices = np.asarray(self.prices, dtype=np.float64)
        if prices.ndim not in (1, 2) or not prices.size:
            raise ValueError(f"samples must be (n,) or (n, instants), got {prices.shape}")
        if not (np.isfinite(prices) & (prices >= 0)).all():
            raise ValueError("samples must be finite prices, none below 0")
        ends = prices if prices.ndim == 1 else prices[:, -1]
        object.__setattr__(self, "_paths", prices)
        object.__setattr__(self, "_ends", np.sort(ends))

    @property
    def count(self) -> int:
        """How many they are."""
        return len(self._ends)

    @property
    def mean(self) -> float:
        return float(self._ends.mean())

    def cdf(self, levels: ArrayLike) -> Floats:
        """Share of the samples that end at or below ``levels``."""
        shares: Floats = np.searchsorted(self._ends, levels, side="right") / len(self._ends)
        return shares

    def shortfall(self, levels: ArrayLike) -> Floats:
        """Mean dollars by which the samples end below ``levels``."""
        sums = np.concatenate([[0.0], np.cumsum(self._ends)])
        below = np.searchsorted(self._ends, levels, side="right")
        short: Floats = (below * np.asarray(levels, float) - sums[below]) / len(self._ends)
        return short

    def quantile(self, shares: ArrayLike) -> Floats:
        """The smallest sample that at least these shares of them do not exceed."""
        ranks = np.ceil(np.asarray(shares, float) * len(self._ends)).astype(int) - 1
        quantiles: Floats = self._ends[np.maximum(ranks, 0)]
        return quantiles

    def touch(self, low: float = 0.0, high: float = math.inf) -> float:
        """Share of the paths that reach ``low`` or ``high`` at one of their instants.

        A path that touches between its instants is not seen, so a coarse path says too little.
        """
        if self._paths.ndim == 1:
            raise ValueError("a touch needs paths of shape (n, instants), got ends alone")
        reached = (self._paths <= low) | (self._paths >= high)
        return float(reached.any(axis=1).mean())


@dataclass(frozen=True, slots=True)
class Bounds:
    """A probability lies between the two, whatever the paths."""

    least: float
    most: float

    def __str__(self) -> str:
        return f"between {self.least:.1%} and {self.most:.1%} (BOUND)"


def probability_of_profit(legs: Sequence[Leg], credit: Decimal | float, law: Law) -> Floats:
    """Probability, 0 to 1, that the package ends with more than nothing gained.

    Summed over the stretches on which the profit at the one settlement is positive; shaped as
    the law's terms.

    Examples
    --------
    Short put 95 for 1.00, break-even 94; spot 100, a quarter of a year, vol 20 %, no carry:
    ``d2 = log(100 / 94) / 0.1 - 0.05 = 0.5688`` and ``N(0.5688) = 0.7152``.

    >>> from dollarbill_core.values.contracts import Option
    >>> sold = Leg(Option.from_occ("XYZ261218P00095000"), -1)
    >>> round(float(probability_of_profit([sold], 100, Lognormal(100, 0.25, 0.0, 0.20))), 4)
    0.7152
    """
    return probability_within(settled(legs, credit).gains, law)


def probability_within(stretches: Stretches, law: Law) -> Floats:
    """Probability that the price lies inside one of the open, disjoint ``stretches``.

    With `payoff.gains_at` it is the chance of a gain at any date.

    >>> float(probability_within(((-math.inf, 95.0), (105.0, 110.0)), Samples([90.0, 110.0])))
    0.5
    """
    total = 0.0 * law.cdf(0.0)
    for low, high in stretches:
        inside = law.cdf(np.nextafter(high, 0.0)) if high < math.inf else 1.0
        total = total + (inside - (law.cdf(low) if low >= 0 else 0.0))
    return np.asarray(total)[()]


def expected_profit(legs: Sequence[Leg], credit: Decimal | float, law: Law) -> Floats:
    """Expected dollars of profit at the one settlement, exact for the law.

    The credit counts as it is, without interest. A put is worth its shortfall, a call its
    shortfall plus the mean less the strike.

    >>> from dollarbill_core.values.contracts import Option
    >>> sold = Leg(Option.from_occ("XYZ261218P00100000"), -1)
    >>> float(expected_profit([sold], 300, Samples([90.0, 110.0])))  # 300 - 100 x 10 / 2
    -200.0
    """
    chain = settled(legs, credit)
    total = float(chain.dollars) + 0.0 * np.asarray(law.mean)
    for dollars, right, strike in chain.lines:
        paid = law.shortfall(float(strike))
        if right is Right.CALL:
            paid = paid + law.mean - float(strike)
        total = total + float(dollars) * paid
    return np.asarray(total)[()]


def touch_bounds(law: Law, spot: float, low: float = 0.0, high: float = math.inf) -> Bounds:
    """Bounds on the probability of a touch that hold for every martingale with this law.

    A smile says where the price ends, not how it gets there. It ends beyond a barrier only if
    it touches it: the least. The most, for an upper barrier ``B``, is the least of
    ``E[max(S - y, 0)] / (B - y)`` over ``y < B``: hold that call spread of no width, and sell
    the forward when the barrier is touched. The forward to the end moves, so it may stand
    anywhere between ``B`` and ``B mean / spot`` then, and the nearer is taken: right as long
    as interest less dividends keeps one sign. Two barriers add up.

    References
    ----------
    Brown, Hobson and Rogers, Robust hedging of barrier options, Mathematical Finance 11 (2001).

    Examples
    --------
    Half the samples end at 0, half at 200. A touch of 150 is no rarer than an end above it;
    with ``y = 0`` it is no likelier than ``100 / 150``.

    >>> print(touch_bounds(Samples([0.0, 200.0]), 100.0, high=150.0))
    between 50.0% and 66.7% (BOUND)
    """
    mean = float(np.asarray(law.mean))
    least = most = 0.0
    if low > 0:
        nearer = max(low, low * mean / spot)
        cuts = nearer + mean * _STEPS
        least += float(law.cdf(low)) if low < spot else 1.0
        most += _share_paid(law.shortfall(cuts), cuts - nearer, is_apart=low < spot)
    if high < math.inf:
        nearer = min(high, high * mean / spot)
        cuts = nearer - nearer * _STEPS
        least += 1.0 - float(law.cdf(np.nextafter(high, 0.0))) if high > spot else 1.0
        calls = law.shortfall(cuts) + mean - cuts
        most += _share_paid(calls, nearer - cuts, is_apart=high > spot)
    return Bounds(min(least, 1.0), min(most, 1.0))


def _share_paid(costs: Floats, paid: Floats, *, is_apart: bool) -> float:
    """The cheapest way to be paid 1 at a touch; a barrier that is not apart is touched."""
    return float(np.min(costs / paid, initial=1.0)) if is_apart else 1.0


def _touch_below(a: float, drift: float, stdev: float) -> float:
    """Probability that a walk from 0, of this drift and deviation by its end, reaches a < 0."""
    if math.isinf(a):
        return 0.0
    ends, mirrored = (a - drift) / stdev, (a + drift) / stdev
    if mirrored > 0:
        weight = math.exp(2 * drift * a / (stdev * stdev))
        return _normal_cdf(ends) + weight * _normal_cdf(mirrored)
    # exp(2 m a / s^2) may overflow where N((a + m) / s) vanishes; their product never does.
    return _normal_cdf(ends) + 0.5 * bell(ends) * erfcx(-mirrored * ROOT_HALF)


def _images(a: float, b: float, drift: float, stdev: float) -> float:
    """Probability of staying between a < 0 < b, summed over the images of the start."""
    width, total = b - a, 0.0
    pull = drift / (stdev * stdev)
    for count in range(-_MOST_IMAGES, _MOST_IMAGES + 1):
        for start, sign in ((2 * count * width, 1.0), (2 * a + 2 * count * width, -1.0)):
            centre = start + drift
            share = _normal_between((a - centre) / stdev, (b - centre) / stdev)
            # Far images weigh more than a float64 holds, but nothing of them lies inside.
            total += sign * math.exp(min(pull * start, 700.0)) * share if share else 0.0
    return total


def _modes(a: float, b: float, drift: float, stdev: float) -> float:
    """The same, summed over the sines between the barriers, which decay with the variance."""
    width, pull = b - a, drift / (stdev * stdev)
    total = 0.0
    for count in range(1, _MOST_IMAGES + 1):
        pace = count * math.pi / width
        decay = math.exp(-0.5 * stdev * stdev * (pace * pace + pull * pull))
        reach = math.exp(pull * a) - (-1) ** count * math.exp(pull * b)
        total += math.sin(-pace * a) * decay * reach * pace / (pull * pull + pace * pace)
    return 2 / width * total


def _normal_between(low: float, high: float) -> float:
    """Probability that a normal number lies between two, right in its own digits.

    Above 0 both tails are taken, whose digits are not lost beside 1: a far image weighs this
    by as much as it is small.
    """
    if low > 0:
        low, high = -high, -low
    return _normal_cdf(high) - _normal_cdf(low)


def _normal_cdf(x: float) -> float:
    return normal_cdf(x, bell(x))
