"""How much options ask for movement: 30-day vol, its rank, skew, term slope, VIX."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dollarbill_core.market.carry import Rates
from dollarbill_core.market.chains import Chain, Floats, NoQuote
from dollarbill_core.market.forwards import Term, terms_of
from dollarbill_core.market.realised import SESSIONS_PER_YEAR
from dollarbill_core.market.strikes import strike_on_surface
from dollarbill_core.market.surface import Surface
from dollarbill_core.values.contracts import Right

THIRTY_DAYS = 30 / 365  # years, ACT/365
NINETY_DAYS = 90 / 365
_TOO_NEAR = 7 / 365  # options of the last week are left out, as Cboe does
_NEARLY = 0.99  # the most that is told of what is not all
_BESIDE = 0.05  # a strike further from the forward does not tell the vol at it


@dataclass(frozen=True, slots=True)
class Standing:
    """A rank or percentile, 0 to 1, with the number of days it was taken over."""

    value: float
    days: int

    def __str__(self) -> str:
        if math.isnan(self.value):
            return "n/a"
        told = self.value if self.value == 1 else min(self.value, _NEARLY)
        return f"{told:.0%} (n = {self.days})"


def iv_rank(vols: Floats) -> Standing:
    """(today - lowest) / (highest - lowest) of the last 252 vols, the last one being today's.

    >>> str(iv_rank(np.array([0.10, 0.30, 0.15])))
    '25% (n = 3)'
    """
    known = _last_year(vols)
    low, high = (known.min(), known.max()) if len(known) else (math.nan, math.nan)
    if not high > low:
        return Standing(math.nan, len(known))
    return Standing(float((known[-1] - low) / (high - low)), len(known))


def iv_percentile(vols: Floats) -> Standing:
    """The share of the last 252 vols strictly below the last one, which is today's.

    >>> str(iv_percentile(np.array([0.10, 0.30, 0.15, 0.15])))
    '25% (n = 4)'
    """
    known = _last_year(vols)
    if not len(known):
        return Standing(math.nan, 0)
    return Standing(float((known < known[-1]).mean()), len(known))


def _last_year(vols: Floats) -> Floats:
    """The known vols of the last year; nothing at all when today's is unknown."""
    year: Floats = np.asarray(vols, float)[-SESSIONS_PER_YEAR:]
    if not len(year) or math.isnan(year[-1]):
        return year[:0]
    return year[np.isfinite(year)]


def variance_premium(implied: Floats, realised: Floats) -> Floats:
    """What options asked for over what there was: annual ``implied^2 - realised^2``.

    Shape (n,), from annual vols of shape (n,). With realised vol of the sessions that ended
    then it is what a seller could see; with that of the sessions after (`realised.ahead`),
    what he was paid.

    Source: Bollerslev, Tauchen and Zhou, "Expected Stock Returns and Variance Risk Premia",
    Review of Financial Studies 22 (2009), equations 4 and 5.

    >>> variance_premium(np.array([0.20]), np.array([0.15])).round(4)
    array([0.0175])
    """
    premium: Floats = np.asarray(implied, float) ** 2 - np.asarray(realised, float) ** 2
    return premium


def at_the_money_vol(chain: Chain, rates: Rates, years: float = THIRTY_DAYS) -> float:
    """Implied vol at the forward for a constant maturity, interpolated in total variance.

    The two expiries around ``years`` each give the vol at their parity forward, interpolated
    between the strikes beside it. An expiry counts when it has a vol on both sides of the
    forward, within 5 % of it. With expiries on one side only, the nearest stands for the term
    if it is between half and twice as long; otherwise the answer is NaN.
    """
    points = []
    for term in _terms(chain):
        vol = _vol_at_forward(chain.where(term.rows(chain)), term.years, rates)
        if math.isfinite(vol):
            points.append((term.years, vol * vol * term.years))
    if not points:
        return math.nan
    terms, variances = np.array(points).T
    nearest = 0 if years <= terms[0] else -1 if years >= terms[-1] else None
    if nearest is None:
        return float(math.sqrt(np.interp(years, terms, variances) / years))
    stands = years / 2 <= terms[nearest] <= years * 2
    return float(math.sqrt(variances[nearest] / terms[nearest])) if stands else math.nan


@dataclass(frozen=True, slots=True)
class Measures:
    """What a surface says at one constant maturity; NaN where it has no such term.

    Attributes
    ----------
    years
        The maturity, ACT/365.
    at_the_money
        Annual vol at the forward.
    skew
        Vol of the put less that of the call of one delta, 0.25 unless said: above 0 where
        falls are dearer than rises.
    slope
        How vol changes with ``log(strike / forward)`` at the forward, per unit of it.
    """

    years: float
    at_the_money: float
    skew: float
    slope: float


def measures(surface: Surface, years: float = THIRTY_DAYS, delta: float = 0.25) -> Measures:
    """Level, skew and slope of a fitted surface at one constant maturity.

    The smile at ``years`` is interpolated in total variance between the settlements around it.
    Beyond them the nearest stands for the term if it is between half and twice as long.

    >>> from dollarbill_core.market.smile import Svi
    >>> svi = Svi(level=0.0, steepness=0.02, tilt=-0.5, centre=0.0, width=0.1)
    >>> root = math.sqrt(0.002 / THIRTY_DAYS)  # w(0) = .02 x .1, w'(0) = .02 x -.5
    >>> round(root, 4), round(-0.01 / (2 * root * THIRTY_DAYS), 4)
    (0.156, -0.39)
    """
    if not surface.reaches(years):
        return Measures(years, math.nan, math.nan, math.nan)
    smile = surface.smile(years)
    vols = [
        strike_on_surface(smile, surface.spot, right, delta).vol
        for right in (Right.PUT, Right.CALL)
    ]
    level = smile.at_the_money
    slope = float(smile.bend(0.0).slope) / (2 * level * years)
    return Measures(years, level, vols[0] - vols[1], slope)


def term_slope(surface: Surface, near: float = THIRTY_DAYS, far: float = NINETY_DAYS) -> float:
    """Vol at the money of the far maturity less that of the near one: below 0 in a panic.

    NaN where the surface has no such terms.
    """
    if not (surface.reaches(near) and surface.reaches(far)):
        return math.nan
    return float(surface.at_the_money(far) - surface.at_the_money(near))


def _terms(chain: Chain) -> list[Term]:
    """Every settlement beyond a week, in order of time."""
    return [term for term in terms_of(chain) if term.years > _TOO_NEAR]


def _vol_at_forward(part: Chain, years: float, rates: Rates) -> float:
    """The vol of one expiry at its forward: linear in strike between the two beside it."""
    known = part.where(np.isfinite(part.vol))
    try:
        forward = parity_forward(part, years, rates.continuous(years))
    except NoQuote:
        forward = part.spot * math.exp(rates.continuous(years) * years)
    out_of_money = known.where(known.right * (known.strike - forward) >= 0)
    for side in (out_of_money, known):
        below = side.strike[side.strike <= forward]
        above = side.strike[side.strike >= forward]
        if len(below) and len(above) and _are_near(below.max(), forward, above.min()):
            order = np.argsort(side.strike, kind="stable")
            return float(np.interp(forward, side.strike[order], side.vol[order]))
    return math.nan


def _are_near(below: float, forward: float, above: float) -> bool:
    return above - forward <= _BESIDE * forward and forward - below <= _BESIDE * forward


def parity_forward(part: Chain, years: float, rate: float) -> float:
    """Forward of one expiry: K + exp(r T) (C - P) where call and put mids are closest.

    Source: Cboe, "Volatility Index Methodology: Cboe Volatility Index", step 1.

    Raises
    ------
    NoQuote
        If no strike has both a sound call and a sound put.
    """
    strikes, calls, puts = _paired(part)
    if not len(strikes):
        raise NoQuote(f"{part.symbol}: no strike has both a call and a put quoted")
    at = int(np.argmin(np.abs(calls - puts)))
    return float(strikes[at] + math.exp(rate * years) * (calls[at] - puts[at]))


def _paired(part: Chain) -> tuple[Floats, Floats, Floats]:
    """Strikes with sound quotes on both sides, and the two mids."""
    sound = part.sound
    calls, puts = sound.only(Right.CALL), sound.only(Right.PUT)
    strikes, i, j = np.intersect1d(calls.strike, puts.strike, return_indices=True)
    return strikes, calls.mid[i], puts.mid[j]


def vix(chain: Chain, rates: Rates) -> float:
    """The 30-day vol that the whole strip of options asks for, in percent, by Cboe's method.

    Each of the two expiries around 30 days gives a variance from its out-of-the-money bids and
    asks, 2/T sum(dK/K^2 exp(rT) Q) - (F/K0 - 1)^2 / T, counted outwards from the forward until
    two neighbouring strikes have no bid; the two are interpolated in total variance.

    Source: Cboe, "Volatility Index Methodology: Cboe Volatility Index" (2022), steps 1 to 3.

    Raises
    ------
    NoQuote
        If fewer than two expiries beyond a week are listed, or they cost less than nothing.
    """
    terms = _terms(chain)
    if len(terms) < 2:
        raise NoQuote(f"{chain.symbol}: two expiries beyond a week are needed for a VIX")
    beyond = (i for i, term in enumerate(terms) if term.years > THIRTY_DAYS)
    following = max(next(beyond, len(terms) - 1), 1)
    near, far = terms[following - 1], terms[following]
    near_variance, far_variance = (
        term.years
        * strip_variance(
            chain.where(term.rows(chain)), term.years, rates.continuous(term.years)
        )
        for term in (near, far)
    )
    weight = (far.years - THIRTY_DAYS) / (far.years - near.years)
    total = weight * near_variance + (1 - weight) * far_variance
    if not total >= 0:
        raise NoQuote(f"{chain.symbol}: the quotes beside 30 days give no variance to a VIX")
    return 100 * math.sqrt(total / THIRTY_DAYS)


def strip_variance(part: Chain, years: float, rate: float) -> float:
    """Annual variance of one expiry from its out-of-the-money strip; see ``vix``."""
    forward = parity_forward(part, years, rate)
    listed = np.unique(part.strike)
    below = listed[listed <= forward]
    centre = float(below[-1]) if len(below) else float(listed[0])
    calls, call_mids = _strip(part.only(Right.CALL), centre, Right.CALL)
    puts, put_mids = _strip(part.only(Right.PUT), centre, Right.PUT)
    middle = _middle(part, centre)
    strikes = np.concatenate([puts[::-1], [centre], calls])
    prices = np.concatenate([put_mids[::-1], [middle], call_mids])
    widths = np.gradient(strikes) if len(strikes) > 1 else np.zeros(1)  # half to either side
    strip = 2 / years * math.exp(rate * years) * float((widths / strikes**2 * prices).sum())
    return strip - (forward / centre - 1) ** 2 / years


def _strip(side: Chain, centre: float, right: Right) -> tuple[Floats, Floats]:
    """Strikes and mids outwards from the centre, up to two neighbours without a bid."""
    out = side.where(right * (side.strike - centre) > 0)
    order = np.argsort(right * out.strike, kind="stable")
    bids, strikes, mids = out.bid[order], out.strike[order], out.mid[order]
    dry: NDArray[np.bool_] = ~(bids > 0)
    ends = np.flatnonzero(dry[1:] & dry[:-1])
    stop = int(ends[0]) if len(ends) else len(dry)
    keep = ~dry[:stop]
    return strikes[:stop][keep], mids[:stop][keep]


def _middle(part: Chain, centre: float) -> float:
    """The mean of the call's and the put's mid at the centre strike."""
    at = part.where(part.strike == centre)
    return float(at.mid.mean())
