"""What put-call parity says each settlement's forward and discount are, and how well it holds.

A European call less the put of the same strike is a claim on the forward alone::

    call - put = discount (forward - strike)

so over the strikes of one settlement the mids lie on a line, whose slope is the discount and
whose zero is the forward. Pairs near the money are weighted by their spreads; those that lie
off the line are held to a limited pull.

Source: Stoll, "The Relationship Between Put and Call Option Prices", Journal of Finance 24
(1969); Huber, "Robust Estimation of a Location Parameter", Annals of Mathematical Statistics 35
(1964), for the weights.
"""

import math
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dollarbill_core.market.carry import Rates
from dollarbill_core.market.chains import Chain, Floats, NoQuote
from dollarbill_core.values.calendars import expiry_instant, years_between
from dollarbill_core.values.contracts import Option, Right

_NEAR = 3.0  # standard deviations of the price, from the strike where call and put agree
_FEWEST = 5  # pairs to tell a discount from; a forward needs one
_RATE_ERROR = 0.001  # per year: the discount is parity's when its rate is known as well as this
_HIGHEST_RATE = 0.30  # per year, of either sign; beyond it the line's slope is no discount
_ROUNDS = 12  # of reweighting
_HUBER = 1.5  # spreads of the residuals beyond which a pair's pull no longer grows
_LEAST_SCALE = 0.02  # half-spreads
_MEDIAN_TO_DEVIATION = 1.4826  # of a normal law: 1 / N^-1(0.75)


class Source(StrEnum):
    """Where a forward or a discount was read."""

    PARITY = "put-call parity"
    CARRY = "spot and carry"
    RATES = "interest rates"


@dataclass(frozen=True, slots=True, order=True)
class Term:
    """One settlement: a root and an instant, since SPX and SPXW of one Friday have two.

    Attributes
    ----------
    years
        From the chain's instant, ACT/365.
    root, expiry, instant
        OCC root, the date that its symbols carry, and when the settlement price is struck.
    is_european
        Whether its options can be exercised at the end alone: those on an index.
    """

    years: float
    root: str
    expiry: date
    instant: datetime
    is_european: bool

    def __str__(self) -> str:
        return f"{self.root} {self.expiry:%Y-%m-%d}"

    def rows(self, chain: Chain) -> NDArray[np.intp]:
        """The rows of this settlement."""
        day = np.datetime64(self.expiry, "D")
        number = chain.roots.index(self.root)
        return np.flatnonzero((chain.root == number) & (chain.expiry == day))


def terms_of(chain: Chain) -> tuple[Term, ...]:
    """Every settlement of a chain, in order of time, those of the past included."""
    terms = []
    for number, root in enumerate(chain.roots):
        for expiry in np.unique(chain.expiry[chain.root == number]).tolist():
            option = Option(root, expiry, Decimal(1), Right.CALL)
            instant = expiry_instant(option)
            years = years_between(chain.as_of, instant)
            terms.append(Term(years, root, expiry, instant, option.is_european))
    return tuple(sorted(terms))


@dataclass(frozen=True, slots=True, eq=False)
class Forward:
    """The forward of one settlement, its discount, where they come from and how sure they are.

    Attributes
    ----------
    price, discount
        Dollars per share for delivery then; what a dollar paid then is worth now.
    price_from, discount_from
        PARITY or CARRY; PARITY or RATES.
    error
        Standard error of ``price``, dollars; NaN when it is not from parity.
    strikes, residuals
        The pairs near the money and by how much each misses parity, in units of the half-spread
        of ``call - put``: within 1 nobody can trade on it. Shape (n,) each.
    """

    price: float
    discount: float
    price_from: Source
    discount_from: Source
    error: float = math.nan
    strikes: Floats = field(default_factory=lambda: np.empty(0))
    residuals: Floats = field(default_factory=lambda: np.empty(0))


class Pairs(NamedTuple):
    """Strikes with sound quotes on both sides: mids and half the spread of call less put."""

    strike: Floats
    call: Floats
    put: Floats
    half_spread: Floats

    @property
    def synthetic(self) -> Floats:
        """Call less put, dollars per share: what the forward costs at each strike."""
        return self.call - self.put

    def where(self, rows: NDArray[np.bool_]) -> "Pairs":
        return Pairs(*(column[rows] for column in self))


def pairs_of(part: Chain, less: Floats | float = 0.0) -> Pairs:
    """The pairs of one settlement, in order of strike.

    ``less`` dollars per share, one for each row, are taken off the mids first: what the right
    to exercise early is worth.
    """
    sound = (part.bid > 0) & (part.ask > part.bid)
    mid = part.mid - less
    calls, puts = (np.flatnonzero(sound & (part.right == right)) for right in Right)
    strikes, i, j = np.intersect1d(part.strike[calls], part.strike[puts], return_indices=True)
    spread = part.ask - part.bid
    half = (spread[calls[i]] + spread[puts[j]]) / 2
    return Pairs(strikes, mid[calls[i]], mid[puts[j]], half)


def carried_forward(
    spot: float, years: float, rates: Rates, dividend_yield: float = 0.0, dividends: float = 0.0
) -> Forward:
    """The forward that the spot and its carry give: ``(spot - dividends) exp((r - q) years)``.

    ``dividends`` is the present value of the cash paid until then, dollars per share.

    >>> round(carried_forward(100.0, 0.5, Rates(0.04), dividends=1.0).price, 4)  # 99 e^.02
    100.9999
    """
    rate = rates.continuous(years)
    price = (spot - dividends) * math.exp((rate - dividend_yield) * years)
    return Forward(price, math.exp(-rate * years), Source.CARRY, Source.RATES)


def parity_line(pairs: Pairs, years: float, rates: Rates) -> Forward:
    """Forward and discount from the pairs near the money, by robust weighted least squares.

    The discount is the line's own slope where its rate is known to 0.1 % a year and is a rate
    at all, otherwise that of ``rates``; ``discount_from`` says which.

    Raises
    ------
    NoQuote
        If there is no pair.

    Examples
    --------
    Three pairs cannot tell a discount, so it is exp(-0.04 x 0.5) = 0.9802; call less put is
    0.9802 at 100 and the forward 100 + 1.

    >>> discount = math.exp(-0.02)
    >>> strikes, puts = np.array([95.0, 100.0, 105.0]), np.array([3.0, 5.0, 8.0])
    >>> pairs = Pairs(strikes, puts + discount * (101 - strikes), puts, np.full(3, 0.1))
    >>> line = parity_line(pairs, 0.5, Rates(0.04))
    >>> round(line.price, 6), str(line.discount_from)
    (101.0, 'interest rates')
    """
    if not len(pairs.strike):
        raise NoQuote("no strike has both a call and a put quoted")
    near = _near_the_money(pairs)
    discount, source = math.exp(-rates.continuous(years) * years), Source.RATES
    line = _line(near, None)
    if len(near.strike) >= _FEWEST and _is_discount(line, years):
        discount, source = line.discount, Source.PARITY
    found = _line(near, discount)
    missed = near.synthetic - discount * (found.forward - near.strike)
    return Forward(
        found.forward,
        discount,
        Source.PARITY,
        source,
        found.forward_error,
        near.strike,
        missed / near.half_spread,
    )


def _is_discount(line: "_Line", years: float) -> bool:
    known = line.discount_error <= _RATE_ERROR * years * line.discount
    return known and line.discount > 0 and abs(math.log(line.discount)) < _HIGHEST_RATE * years


def _near_the_money(pairs: Pairs) -> Pairs:
    """Pairs within three standard deviations, as the straddle prices them, or the nearest few.

    A straddle at the money is worth about 0.8 standard deviations.
    """
    at = int(np.argmin(np.abs(pairs.synthetic)))
    distance = np.abs(pairs.strike - pairs.strike[at])
    reach = _NEAR * (pairs.call[at] + pairs.put[at]) / 0.8
    fewest = np.sort(distance)[min(_FEWEST, len(distance)) - 1]
    return pairs.where(distance <= max(reach, fewest))


class _Line(NamedTuple):
    forward: float
    discount: float
    forward_error: float
    discount_error: float


def _line(pairs: Pairs, discount: float | None) -> _Line:
    """``call - put = discount (forward - strike)`` fitted, with the discount given or not.

    In rounds: each pair weighs as its spread, less so where the last round left it far off.
    """
    strike, synthetic, half = pairs.strike, pairs.synthetic, pairs.half_spread
    doubt, slope = np.ones(len(strike)), discount or 1.0
    for _ in range(_ROUNDS):
        weight = doubt / half**2
        centre, middle = _mean(strike, weight), _mean(synthetic, weight)
        across = strike - centre
        spread = float((weight * across**2).sum())
        if discount is None:
            slope = -float((weight * across * synthetic).sum()) / spread if spread else math.nan
        missed = (synthetic - middle + slope * across) / half
        scale = max(_MEDIAN_TO_DEVIATION * float(np.median(np.abs(missed))), _LEAST_SCALE)
        doubt = np.minimum(1.0, _HUBER * scale / np.maximum(np.abs(missed), 1e-300))
    return _Line(
        centre + middle / slope,
        slope,
        scale / math.sqrt(weight.sum()) / abs(slope),
        scale / math.sqrt(spread) if spread else math.inf,
    )


def _mean(values: Floats, weights: Floats) -> float:
    return float((weights * values).sum() / weights.sum())
