"""Past shocks of the market as a dated table: how far the S&P 500 fell and what the VIX did.

Facts, not forecasts. A shock is applied at once, with no day passing: each underlying moves by
its beta times the index, and the vols of all its strikes rise by the points that the VIX rose,
scaled to the option's term (`VolShift`). Levels are printed, so that moves can be checked.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike

from dollarbill_core.pricing.machine_code import Floats

VERSION = "2026-11"  # of the table: raise it with any row that is added or mended
VIX_TERM = 30 / 365  # years: what the VIX and the VXO measure
NEAREST_TERM = 7 / 365  # years: options nearer than that move as if they had a week


class VolShift(StrEnum):
    """How a change of the 30-day vol reaches options of other terms; all strikes move alike.

    ``BY_TERM``, the default: in proportion to ``sqrt(30 days / term)``, the term being a week
    at least, so that a week's vol moves 2.07 times as far and a year's 0.29 times. That is a
    convention for how shocks die out along the term structure, not a law; it leaves the smile's
    own steepening out. ``PARALLEL``: every term by the same points.
    """

    BY_TERM = "by term, as sqrt(30 days / term)"
    PARALLEL = "parallel"


def term_weights(years: ArrayLike, shift: VolShift = VolShift.BY_TERM) -> Floats:
    """The part of a change of the 30-day vol that options of so many ``years`` take.

    Examples
    --------
    A quarter of 30 days, 30 days, and four times 30 days: the first is nearly a week.

    >>> [round(float(weight), 3) for weight in term_weights([7.5 / 365, 30 / 365, 120 / 365])]
    [2.0, 1.0, 0.5]
    """
    terms = np.maximum(np.asarray(years, dtype=np.float64), NEAREST_TERM)
    if shift is VolShift.PARALLEL:
        return np.ones_like(terms)
    weights: Floats = np.sqrt(VIX_TERM / terms)
    return weights


@dataclass(frozen=True, slots=True)
class Jump:
    """Moves of the index and of its 30-day vol, as fractions: 0.10 is 10 % and 10 points."""

    measured: str
    spot_move: float
    vol_points: float


@dataclass(frozen=True, slots=True)
class Shock:
    """One row: levels at the close of ``start``, at the close of ``end``, and worst between.

    ``low`` and ``vol_high`` are the worst prints of the sessions after ``start``, None where no
    source gives both. They did not stand at one moment, so together they are worse than any.
    """

    name: str
    start: date
    end: date
    window: str
    index_before: float
    index_after: float
    vol_before: float
    vol_after: float
    source: str
    low: float | None = None
    vol_high: float | None = None
    vol_index: str = "VIX"
    note: str = ""

    def __post_init__(self) -> None:
        levels = self.index_before, self.index_after, self.vol_before, self.vol_after
        if not (self.start < self.end and min(levels) > 0):
            raise ValueError(f"a shock needs two days in order and levels above 0: {self}")
        if (self.low is None) is not (self.vol_high is None):
            raise ValueError(f"{self.name}: low and vol_high come together or not at all")

    @property
    def close(self) -> Jump:
        """From close to close."""
        return self._jump("close to close", self.index_after, self.vol_after)

    @property
    def worst(self) -> Jump | None:
        """From the first close to the worst prints; None where they are not known."""
        if self.low is None or self.vol_high is None:
            return None
        return self._jump("worst prints", self.low, self.vol_high)

    @property
    def jumps(self) -> tuple[Jump, ...]:
        """Close to close, then the worst prints where they are known."""
        return (self.close, self.worst) if self.worst else (self.close,)

    def _jump(self, measured: str, index: float, vol: float) -> Jump:
        return Jump(measured, index / self.index_before - 1, (vol - self.vol_before) / 100)

    def __str__(self) -> str:
        jump = self.close
        return (
            f"{self.name}: S&P 500 {jump.spot_move:+.1%}, {self.vol_index} "
            f"{self.vol_before:.1f} to {self.vol_after:.1f}, {self.window}"
        )


_PACKAGED = "S&P 500 daily prices in the arch package; Cboe, VIX daily prices"
_REPORTED = (
    "S&P 500 closes from general knowledge, their moves within 0.1 % of those of SPY's closes; "
    "Cboe, VIX daily prices"
)
_ONE_DAY = "one session"
_FIVE_DAYS = "the worst five sessions of the month"

# Read 2026-11. Of a month, the stretch of five sessions in which the index fell furthest; of
# October 2008 the calendar week, the index's worst, which fell as far while the VIX rose more.
SHOCKS: tuple[Shock, ...] = (
    Shock(
        "1987-10-19", date(1987, 10, 16), date(1987, 10, 19), _ONE_DAY,
        282.70, 224.84, 36.37, 150.19,
        "S&P 500 closes as listed among its greatest falls; Cboe, '25 Years Ago the VXO Index "
        "Topped 150' (2012)",
        vol_index="VXO",
        note="VXO: at the money, on the S&P 100, reckoned back by Cboe. It closed at its low.",
    ),
    Shock(
        "2008-10", date(2008, 10, 3), date(2008, 10, 10), "the worst calendar week",
        1099.23, 899.22, 45.14, 69.95, _PACKAGED, low=839.80, vol_high=76.94,
    ),
    Shock(
        "2010-05-06", date(2010, 5, 5), date(2010, 5, 6), _ONE_DAY,
        1165.87, 1128.15, 24.91, 32.80, _PACKAGED, low=1065.79, vol_high=40.71,
        note="The flash crash: most of it came and went within half an hour.",
    ),
    Shock(
        "2015-08-24", date(2015, 8, 21), date(2015, 8, 24), _ONE_DAY,
        1970.89, 1893.21, 28.03, 40.74, _PACKAGED, low=1867.01, vol_high=53.29,
        note="Many stocks and ETFs opened late; the VIX was not published for half an hour.",
    ),
    Shock(
        "2018-02-05", date(2018, 2, 2), date(2018, 2, 5), _ONE_DAY,
        2762.13, 2648.94, 17.31, 37.32, _PACKAGED, low=2638.17, vol_high=38.80,
        note="VIX futures rose on after the close, as funds that were short had to buy.",
    ),
    Shock(
        "2020-03", date(2020, 3, 5), date(2020, 3, 12), _FIVE_DAYS,
        3023.94, 2480.64, 39.62, 75.47, _REPORTED, low=2478.86, vol_high=76.83,
        note="The VIX closed at its highest, 82.69, on 16 March.",
    ),
    Shock(
        "2024-08-05", date(2024, 8, 2), date(2024, 8, 5), _ONE_DAY,
        5346.56, 5186.33, 23.39, 38.57, _REPORTED, low=5119.26, vol_high=65.73,
        note="The VIX of 65.73 came from wide quotes before the open (BIS Bulletin 95, 2024).",
    ),
    Shock(
        "2025-04", date(2025, 4, 1), date(2025, 4, 8), _FIVE_DAYS,
        5633.07, 4982.77, 21.77, 52.33, _REPORTED, low=4835.04, vol_high=60.13,
    ),
)  # fmt: skip


def shock(name: str) -> Shock:
    """The row of that name.

    >>> str(shock("2018-02-05"))
    '2018-02-05: S&P 500 -4.1%, VIX 17.3 to 37.3, one session'

    Raises
    ------
    ValueError
        If there is none.
    """
    found = next((row for row in SHOCKS if row.name == name), None)
    if found is None:
        names = ", ".join(row.name for row in SHOCKS)
        raise ValueError(f"no shock is called {name!r}; the table has {names}")
    return found
