"""Returns and risk of a daily NAV: by month, drawdowns that say whether they recovered, ratios.

Conventions: returns are net, simple, from one close to the next; ratios use 252 sessions a
year, a risk-free rate of 0 and the sample standard deviation, and are not adjusted for
autocorrelation in this first form.
"""

import math
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

SESSIONS_PER_YEAR = 252
_ROUNDING = 1e-12  # a deviation below it is float noise, not risk
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Drawdown:
    """A fall from a peak; ``recovered`` is None while the NAV is still below it."""

    peak: date
    trough: date
    recovered: date | None
    depth: float

    def __str__(self) -> str:
        end = f"recovered {self.recovered}" if self.recovered else "NOT RECOVERED"
        return f"{self.depth:.1%} from {self.peak} to {self.trough}, {end}"


@dataclass(frozen=True, slots=True)
class Statistics:
    """Figures of one NAV series; fractions. NaN where there are too few days to say."""

    days: int
    total_return: float
    annual_return: float
    annual_vol: float
    sharpe: float
    sortino: float
    best_month: float
    worst_month: float
    months_up: float
    drawdown: Drawdown | None


def daily_returns(nav: "pd.Series") -> NDArray[np.float64]:
    """Simple returns from one close to the next, shape (n - 1,); 0 once nothing is left."""
    values: NDArray[np.float64] = nav.to_numpy(float)
    before, after = values[:-1], values[1:]
    return np.divide(after, before, out=np.ones_like(after), where=before > 0) - 1


def underwater(nav: "pd.Series") -> "pd.Series":
    """NAV below its highest so far, as a fraction: 0 or negative, same index."""
    return nav / nav.cummax() - 1


def worst_drawdown(nav: "pd.Series") -> Drawdown | None:
    """The deepest fall from a peak, or None if the NAV never fell.

    Examples
    --------
    >>> import pandas as pd
    >>> days = pd.to_datetime(["2018-01-02", "2018-01-03", "2018-01-04"])
    >>> str(worst_drawdown(pd.Series([100.0, 90.0, 95.0], days)))
    '-10.0% from 2018-01-02 to 2018-01-03, NOT RECOVERED'
    """
    depth = underwater(nav)
    trough = int(np.argmin(depth.to_numpy()))
    if not depth.iloc[trough] < 0:
        return None
    peak = int(np.argmax(nav.to_numpy()[: trough + 1]))
    back = np.flatnonzero(nav.to_numpy()[trough:] >= nav.iloc[peak])
    recovered = nav.index[trough + int(back[0])].date() if len(back) else None
    return Drawdown(
        nav.index[peak].date(), nav.index[trough].date(), recovered, float(depth.iloc[trough])
    )


def monthly_returns(nav: "pd.Series") -> "pd.Series":
    """Return of each calendar month, from the last close of the one before; indexed by period.

    The series' first value is the opening NAV: it starts the month of the second one, and makes
    no month of its own.
    """
    closes = nav.iloc[1:]
    ends = closes.groupby(closes.index.to_period("M")).last()
    starts = ends.shift(1)
    starts.iloc[0] = nav.iloc[0]
    return ends / starts - 1


def year_by_month(nav: "pd.Series") -> "pd.DataFrame":
    """One row a year, columns Jan to Dec and Year (compounded); NaN where there is no month."""
    import pandas as pd

    monthly = monthly_returns(nav)
    years = sorted(set(monthly.index.year))
    table = pd.DataFrame(np.nan, index=years, columns=[*MONTHS, "Year"])
    for period, value in monthly.items():
        table.loc[period.year, MONTHS[period.month - 1]] = value
    for year in years:
        table.loc[year, "Year"] = float(np.prod(1 + monthly[monthly.index.year == year]) - 1)
    return table


def _annual(total: float, sessions: int) -> float:
    """The yearly rate of a total return; NaN for less than a year of sessions."""
    if sessions < SESSIONS_PER_YEAR:
        return math.nan
    return float((1 + total) ** (SESSIONS_PER_YEAR / sessions) - 1) if total > -1 else -1.0


def statistics(nav: "pd.Series") -> Statistics:
    """The figures of a NAV series whose index is dates and whose first value is the capital.

    annual return (V_n / V_0)^(252/n) - 1 over n returns, and only for a year or more; vol
    s sqrt(252); Sharpe m/s sqrt(252); Sortino m/d sqrt(252) with d^2 the mean of squared
    negative returns. Source: Sharpe (1994); Sortino and Price (1994), target 0.
    """
    returns = daily_returns(nav)
    monthly = monthly_returns(nav) if len(nav) > 1 else None
    total = float(nav.iloc[-1] / nav.iloc[0] - 1)
    mean = float(returns.mean()) if len(returns) else math.nan
    deviation = float(returns.std(ddof=1)) if len(returns) > 1 else math.nan
    downside = (
        float(np.sqrt((np.minimum(returns, 0) ** 2).mean())) if len(returns) else math.nan
    )
    yearly = math.sqrt(SESSIONS_PER_YEAR)
    return Statistics(
        days=len(nav),
        total_return=total,
        annual_return=_annual(total, len(returns)),
        annual_vol=deviation * yearly,
        sharpe=mean / deviation * yearly if deviation > _ROUNDING else math.nan,
        sortino=mean / downside * yearly if downside > _ROUNDING else math.nan,
        best_month=float(monthly.max()) if monthly is not None else math.nan,
        worst_month=float(monthly.min()) if monthly is not None else math.nan,
        months_up=float((monthly > 0).mean()) if monthly is not None else math.nan,
        drawdown=worst_drawdown(nav),
    )
