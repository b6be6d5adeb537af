"""How a modelled smile is shaped, whatever its level: free of arbitrage at every term.

The smile is SSVI with a square-root curvature. With ``k = log(strike / forward)``, ``theta``
the total variance at the money and ``phi = curvature / sqrt(theta)``::

    w(k) = theta / 2 (1 + skew phi k + sqrt((phi k + skew)^2 + 1 - skew^2))

It is free of butterfly arbitrage when ``curvature^2 (1 + |skew|) <= 4`` and
``curvature sqrt(theta) (1 + |skew|) < 4``, and of calendar arbitrage when theta grows with
time.

Source: Gatheral and Jacquier, "Arbitrage-free SVI volatility surfaces", Quantitative Finance 14
(2014), theorems 4.1 and 4.2 and equation 4.5.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dollarbill_core.market.chains import Floats
from dollarbill_core.market.volatility import THIRTY_DAYS

_LEAST_SHARE = 0.25  # spot variance stays above this share of the 30-day variance


@dataclass(frozen=True, slots=True)
class Shape:
    """What a smile looks like, whatever its level.

    Attributes
    ----------
    skew
        Correlation of spot and vol, between -1 and 1; negative where puts cost more.
    curvature
        How fast the wings rise, positive.
    reversion
        Speed at which variance returns to its mean, per year, positive.
    """

    skew: float
    curvature: float
    reversion: float

    def __post_init__(self) -> None:
        if not -1 < self.skew < 1:
            raise ValueError(f"skew must lie between -1 and 1, got {self.skew}")
        if not self.curvature > 0 or self.curvature**2 * (1 + abs(self.skew)) > 4:
            raise ValueError(
                f"curvature {self.curvature} with skew {self.skew} allows butterfly arbitrage"
            )
        if not self.reversion > 0:
            raise ValueError(f"reversion must be positive, got {self.reversion}")

    def total_variance(self, log_moneyness: ArrayLike, at_the_money: ArrayLike) -> Floats:
        """Annual variance x years at ``log(strike / forward)``; the arrays broadcast.

        At the money it is ``at_the_money`` itself; far out it grows by
        ``curvature sqrt(theta) (1 +- skew) / 2`` for each unit of log moneyness.

        >>> shape = Shape(skew=-0.5, curvature=1.0, reversion=8.0)
        >>> float(shape.total_variance(0.0, 0.04))
        0.04
        >>> round(float(shape.total_variance(-0.2, 0.04)), 4)  # .02 (1 + .5 + sqrt(2.25 + .75))
        0.0646
        """
        theta = np.asarray(at_the_money, dtype=np.float64)
        shifted = self.curvature / np.sqrt(theta) * np.asarray(log_moneyness) + self.skew
        bent = np.sqrt(shifted * shifted + (1 - self.skew**2))
        total: Floats = 0.5 * theta * (1 - self.skew**2 + self.skew * shifted + bent)
        return total

    def variance_to(self, years: ArrayLike, level: ArrayLike, mean: ArrayLike) -> Floats:
        """Total at-the-money variance to ``years``, for a 30-day vol of ``level``.

        Variance returns from today's to ``mean`` (an annual variance), so its average to T is
        ``mean + (today - mean) g(T)`` with ``g(T) = (1 - exp(-reversion T)) / (reversion T)``;
        today's is such that the average to 30 days is ``level^2``. A mean that would ask for
        less than a quarter of that today is lowered to the one that asks for just so much. So
        the total always grows with time.

        >>> shape = Shape(skew=-0.5, curvature=1.0, reversion=8.0)
        >>> flat = shape.variance_to(np.array([0.25, 1.0]), 0.2, 0.04)
        >>> flat.round(6).tolist()
        [0.01, 0.04]
        """
        level, years = np.asarray(level, float), np.asarray(years, float)
        at_thirty = self._weight(np.asarray(THIRTY_DAYS))
        most = level**2 * (1 - _LEAST_SHARE * at_thirty) / (1 - at_thirty)
        settled = np.minimum(np.asarray(mean, float), most)
        excess = (level**2 - settled) / at_thirty
        total: Floats = settled * years + excess * years * self._weight(years)
        return total

    def _weight(self, years: Floats) -> Floats:
        """g(T): how much of today's excess variance is left, on average, to T."""
        speed = self.reversion * years
        safe = np.where(speed == 0, 1.0, speed)
        return np.where(speed == 0, 1.0, -np.expm1(-speed) / safe)


# Fitted to the out-of-the-money mids of SPX, 3 to 7 January 2011, 10 to 105 days, from 4
# standard deviations below the forward to 2.5 above, each expiry's at-the-money vol as quoted:
# root mean square 0.7 points. The term structure of those days gives the speed: 0.3 points.
# The 30-day vol at the money then lies at 0.87 of the VIX, as on those days (15.1 to 17.3).
INDEX_SHAPE = Shape(skew=-0.535, curvature=0.97, reversion=8.0)
# An assumption, not a fit: single stocks are known to be skewed less than the index.
STOCK_SHAPE = Shape(skew=-0.30, curvature=0.75, reversion=8.0)
