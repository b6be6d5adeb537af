"""The smile of one expiry as a law of its own: total variance by strike, density, chances.

Total annual variance x years, ``w``, is a function of ``k = log(strike / forward)``: Gatheral's
raw SVI, a hyperbola ::

    w(k) = level + steepness (tilt (k - centre) + sqrt((k - centre)^2 + width^2))

or, between two expiries, a weighted sum of such. With ``d1 = -k / sqrt(w) + sqrt(w) / 2``,
``d2 = d1 - sqrt(w)`` and ``n`` the normal density, the smile's prices imply the law ::

    P(price <= strike) = N(-d2) + n(d2) w' / (2 sqrt(w))
    density(strike)    = g n(d2) / (strike sqrt(w))
    g(k) = (1 - k w' / (2 w))^2 - w'^2 / 4 (1 / w + 1 / 4) + w'' / 2

There is no butterfly arbitrage where ``g`` is nowhere negative and ``w`` grows by less than 2
for each unit of ``k`` in either wing.

Source: Gatheral and Jacquier, "Arbitrage-free SVI volatility surfaces", Quantitative Finance 14
(2014), equations 2.1, 2.2 and 3.1 and lemma 2.2; Lee, "The moment formula for implied
volatility at extreme strikes", Mathematical Finance 14 (2004).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dollarbill_core.market.chains import Floats
from dollarbill_core.pricing import black_scholes
from dollarbill_core.pricing.european import normal
from dollarbill_core.values.contracts import Right

STEEPEST_WING = 2.0  # Lee's bound on the growth of w in either wing
_ROOT_TWO_PI = float(np.sqrt(2 * np.pi))
_HALVINGS = 80  # of a bracket in k, for a quantile: to the last digit
_FARTHEST = 512.0  # |k| at which every quantile's bracket ends


class Bend(NamedTuple):
    """Total variance and its first two derivatives by k."""

    variance: Floats
    slope: Floats
    curvature: Floats

    def butterfly(self, k: Floats) -> Floats:
        """``g(k)``: the density in units of the lognormal one; arbitrage where negative."""
        w, slope, curvature = self
        ahead = 1 - k * slope / (2 * w)
        return ahead * ahead - slope * slope / 4 * (1 / w + 0.25) + curvature / 2


@dataclass(frozen=True, slots=True)
class Svi:
    """A hyperbola of total variance over ``k = log(strike / forward)``; see the module.

    Attributes
    ----------
    level
        Total variance that the hyperbola adds to, of either sign.
    steepness
        Half the angle between the wings: their slopes are ``steepness (tilt +- 1)``; >= 0.
    tilt
        From -1 (only puts cost more) to 1.
    centre
        The k about which it bends.
    width
        How round the bend is, in k; positive.
    """

    level: float
    steepness: float
    tilt: float
    centre: float
    width: float

    def __post_init__(self) -> None:
        if not (self.steepness >= 0 and -1 <= self.tilt <= 1 and self.width > 0):
            raise ValueError(f"no smile has the parameters {self}")
        if not self.least > 0:
            raise ValueError(f"total variance must be positive, its least is {self.least}")

    @property
    def parameters(self) -> Floats:
        """Level, steepness, tilt, centre, width; shape (5,)."""
        return np.array([self.level, self.steepness, self.tilt, self.centre, self.width])

    @property
    def least(self) -> float:
        """The lowest total variance at any strike."""
        bend = self.steepness * self.width * np.sqrt(1 - self.tilt * self.tilt)
        return float(self.level + bend)

    @property
    def wings(self) -> tuple[float, float]:
        """How fast total variance grows to the left and to the right, per unit of k."""
        return self.steepness * (1 - self.tilt), self.steepness * (1 + self.tilt)

    def total_variance(self, k: ArrayLike) -> Floats:
        """w(k), of the shape of ``k``.

        >>> smile = Svi(level=0.01, steepness=0.1, tilt=-0.5, centre=0.0, width=0.1)
        >>> round(float(smile.total_variance(-0.1)), 6)  # .01 + .1 (.05 + .141421)
        0.029142
        """
        return total_variance(self.parameters, np.asarray(k, float))

    def bend(self, k: ArrayLike) -> Bend:
        """w, w' and w'' at ``k``."""
        return bend(self.parameters, np.asarray(k, float))


def total_variance(parameters: Floats, k: Floats) -> Floats:
    """w(k); five parameters along the first axis, the rest broadcast with ``k``."""
    level, steepness, tilt, centre, width = parameters
    y = k - centre
    variance: Floats = level + steepness * (tilt * y + np.sqrt(y * y + width * width))
    return variance


def bend(parameters: Floats, k: Floats) -> Bend:
    """w(k), w'(k) and w''(k); parameters as for `total_variance`."""
    level, steepness, tilt, centre, width = parameters
    y = k - centre
    root = np.sqrt(y * y + width * width)
    return Bend(
        level + steepness * (tilt * y + root),
        steepness * (tilt + y / root),
        steepness * (width / root) ** 2 / root,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Smile:
    """What one expiry's options say of the price at that instant: a risk-neutral law.

    Attributes
    ----------
    years
        Until the price is struck, ACT/365, positive.
    forward, discount
        Dollars per share for delivery then; what a dollar paid then is worth now.
    parts
        ``w(k)`` is the sum of ``weight x hyperbola`` over these pairs.

    Examples
    --------
    A flat smile is the lognormal law: with vol 20 % and a quarter of a year, ``w = 0.01``,
    ``d2 = -0.05`` at the money and ``N(0.05) = 0.5199``.

    >>> flat = Smile(0.25, 100.0, 1.0, ((1.0, Svi(0.01, 0.0, 0.0, 0.0, 1.0)),))
    >>> float(flat.vol(95)), round(float(flat.cdf(100)), 4)
    (0.2, 0.5199)
    """

    years: float
    forward: float
    discount: float
    parts: tuple[tuple[float, Svi], ...]

    def __post_init__(self) -> None:
        if not (self.years > 0 and self.forward > 0 and self.discount > 0):
            raise ValueError(
                "years, forward and discount must be positive, got "
                f"{self.years}, {self.forward}, {self.discount}"
            )

    @property
    def mean(self) -> float:
        """The law's expectation, dollars per share: the forward."""
        return self.forward

    @property
    def at_the_money(self) -> float:
        """Annual vol at the forward."""
        return float(np.sqrt(self.total_variance(0.0) / self.years))

    def log_moneyness(self, strikes: ArrayLike) -> Floats:
        """``log(strike / forward)``; NaN for a strike that is not positive."""
        strikes = np.asarray(strikes, float)
        return np.log(np.where(strikes > 0, strikes, np.nan) / self.forward)

    def total_variance(self, k: ArrayLike) -> Floats:
        """Annual variance x years at log moneyness ``k``."""
        return self.bend(k).variance

    def bend(self, k: ArrayLike) -> Bend:
        """w, w' and w'' at log moneyness ``k``."""
        k = np.asarray(k, float)
        bends = [[weight * each for each in svi.bend(k)] for weight, svi in self.parts]
        return Bend(*(np.sum(each, axis=0) for each in zip(*bends, strict=True)))

    def vol(self, strikes: ArrayLike) -> Floats:
        """Annual implied vol at each strike, a fraction."""
        vols: Floats = np.sqrt(self.total_variance(self.log_moneyness(strikes)) / self.years)
        return vols

    def price(self, right: ArrayLike, strikes: ArrayLike) -> Floats:
        """European option prices on the smile, dollars per share, discounted; broadcasts."""
        terms = self.forward, strikes, self.years, self.discount, self.vol(strikes)
        return black_scholes.price_from_forward(right, *terms)

    def delta(self, right: ArrayLike, strikes: ArrayLike) -> Floats:
        """Undiscounted forward delta at each strike's own vol: ``right N(right d1)``.

        Of the convention in which the vol of a strike stays when the price moves. Multiply by
        ``discount x forward / spot`` for the delta to the spot.
        """
        k = self.log_moneyness(strikes)
        root = np.sqrt(self.total_variance(k))
        sign = np.asarray(right, float)
        delta: Floats = sign * normal(sign * (root / 2 - k / root))
        return delta[()]

    def cdf(self, levels: ArrayLike) -> Floats:
        """Probability, 0 to 1, that the price ends at or below each of ``levels``.

        From the slope of the put's price by strike, so the smile's skew is in it. Nothing ends
        at 0 or below.
        """
        levels = np.asarray(levels, float)
        below = self._below(self.log_moneyness(levels))
        return np.where(levels > 0, below, np.where(levels <= 0, 0.0, np.nan))[()]

    def density(self, levels: ArrayLike) -> Floats:
        """Probability per dollar at each of ``levels``; 0 at 0 and below."""
        levels = np.asarray(levels, float)
        k = self.log_moneyness(levels)
        found = self.bend(k)
        root = np.sqrt(found.variance)
        bell = np.exp(-((k / root + root / 2) ** 2) / 2) / _ROOT_TWO_PI
        density = found.butterfly(k) * bell / (root * levels)
        return np.where(levels > 0, density, np.where(levels <= 0, 0.0, np.nan))[()]

    def shortfall(self, levels: ArrayLike) -> Floats:
        """Expected dollars by which the price ends below each of ``levels``: no discount."""
        levels = np.asarray(levels, float)
        positive = np.where(levels > 0, levels, np.nan)
        terms = self.forward, positive, self.years, 1.0, self.vol(positive)
        put = black_scholes.price_from_forward(Right.PUT, *terms)
        return np.where(levels > 0, put, np.where(levels <= 0, 0.0, np.nan))[()]

    def quantile(self, shares: ArrayLike) -> Floats:
        """Prices below which the law ends with these probabilities, strictly between 0 and 1.

        NaN for a share outside. Found by halving in k, since `cdf` never falls.
        """
        shares = np.asarray(shares, float)
        low, high = (np.full(shares.shape, end) for end in (-_FARTHEST, _FARTHEST))
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            short = self._below(middle) < shares
            low, high = np.where(short, middle, low), np.where(short, high, middle)
        quantiles = self.forward * np.exp((low + high) / 2)
        return np.where((shares > 0) & (shares < 1), quantiles, np.nan)[()]

    def _below(self, k: Floats) -> Floats:
        """Probability of ending at or below each k."""
        variance, slope, _ = self.bend(k)
        root = np.sqrt(variance)
        minus_d2 = k / root + root / 2
        bell = np.exp(-(minus_d2**2) / 2) / _ROOT_TWO_PI
        below: Floats = normal(minus_d2) + bell * slope / (2 * root)
        return below
