"""The volatility surface fitted to a chain: a smile per settlement, and any date between them.

Each settlement has its forward and discount from put-call parity and a smile without arbitrage
fitted to its bids and asks, which are first made European. Between two settlements total
variance at one forward moneyness ``k = log(strike / forward)`` is linear in time; before the
first it falls to nothing in proportion, so vol is flat in time; after the last it grows alike
at every ``k``, so that vol at the money is flat. None of that lets variance fall with time.
That no density is negative between two dates is not proved; tests look, and found none.

Source: Gatheral and Jacquier, "Arbitrage-free SVI volatility surfaces", Quantitative Finance 14
(2014), lemma 2.1.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dollarbill_core.market.calibration import fitted
from dollarbill_core.market.carry import CashDividend, Rates
from dollarbill_core.market.chains import Chain, Floats, NoQuote
from dollarbill_core.market.europeans import EuropeanQuotes, Setting, european_quotes
from dollarbill_core.market.forwards import Forward, Term, terms_of
from dollarbill_core.market.listings import NICKELS, Ticks, stock_ticks
from dollarbill_core.market.smile import Smile, Svi, total_variance
from dollarbill_core.values.contracts import CASH_SETTLED_ROOTS
from dollarbill_core.values.provenance import Quotes

_LONGEST_REACH = 2.0  # a lone term stands for others from half to twice as long


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """One settlement: its forward, its smile, and the quotes that the smile was fitted to.

    Attributes
    ----------
    term, forward, svi, smile
        The settlement; its forward and discount; the hyperbola; the hyperbola as a law.
    rows, right, strike, bid, ask
        Row numbers in the chain of the quotes fitted, in order of strike, and what they quote:
        the side that is out of the money, bid and asked; shape (n,).
    early
        What the right to exercise early is worth, dollars per share: 0 for European options.
    bid_vol, mid_vol, ask_vol, vol
        Annual implied vols of the quotes, made European, and the smile's; shape (n,).
    ticks
        The model's price less the mid, in minimum ticks; shape (n,).
    """

    term: Term
    forward: Forward
    svi: Svi
    smile: Smile
    rows: NDArray[np.intp]
    right: NDArray[np.int8]
    strike: Floats
    bid: Floats
    ask: Floats
    early: Floats
    bid_vol: Floats
    mid_vol: Floats
    ask_vol: Floats
    vol: Floats
    ticks: Floats

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Whether the model's price lies within bid and ask, shape (n,)."""
        within: NDArray[np.bool_] = (self.bid_vol <= self.vol) & (self.vol <= self.ask_vol)
        return within


class Unfitted(NamedTuple):
    """A settlement without a smile, and why."""

    term: Term
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """Implied vol at any strike and date, from the smiles of one chain.

    ``fits`` are in order of time; ``unfitted`` are the settlements that could not be fitted.
    """

    symbol: str
    as_of: datetime
    spot: float
    quotes: Quotes
    fits: tuple[Fit, ...]
    unfitted: tuple[Unfitted, ...] = ()
    _years: Floats = field(init=False, repr=False)
    _parameters: Floats = field(init=False, repr=False)
    _thetas: Floats = field(init=False, repr=False)
    _carry: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        parameters = np.array([fit.svi.parameters for fit in self.fits]).T
        logs = [
            (math.log(x.forward.price / self.spot), math.log(x.forward.discount))
            for x in self.fits
        ]
        object.__setattr__(self, "_years", np.array([fit.term.years for fit in self.fits]))
        object.__setattr__(self, "_parameters", parameters)
        object.__setattr__(self, "_thetas", total_variance(parameters, np.zeros(1)))
        object.__setattr__(self, "_carry", np.array(logs).T)

    @property
    def forwards(self) -> dict[Term, Forward]:
        """Forward and discount of each settlement that was fitted."""
        return {fit.term: fit.forward for fit in self.fits}

    def smile(self, years: float) -> Smile:
        """The smile, and so the law of the price, in any number of years above 0."""
        place = self._place(np.asarray(years, float))
        flat = Svi(1.0, 0.0, 0.0, 0.0, 1.0)
        parts = [
            (float(place.low_weight), self.fits[int(place.low)].svi),
            (float(place.high_weight), self.fits[int(place.high)].svi),
            (float(place.added), flat),
        ]
        forward, discount = float(self.forward(years)), float(self.discount(years))
        return Smile(float(years), forward, discount, tuple(x for x in parts if x[0]))

    def total_variance(self, k: ArrayLike, years: ArrayLike) -> Floats:
        """Annual variance x years at log moneyness ``k``; the arrays broadcast.

        NaN where ``years`` is not above 0.
        """
        k, years = np.broadcast_arrays(np.asarray(k, float), np.asarray(years, float))
        place = self._place(years)
        low = total_variance(self._parameters[:, place.low], k)
        high = total_variance(self._parameters[:, place.high], k)
        variance: Floats = place.low_weight * low + place.high_weight * high + place.added
        return variance[()]

    def vol(self, strikes: ArrayLike, years: ArrayLike) -> Floats:
        """Annual implied vol, a fraction, at strikes in dollars; the arrays broadcast."""
        strikes = np.asarray(strikes, float)
        k = np.log(np.where(strikes > 0, strikes, np.nan) / self.forward(years))
        vols: Floats = np.sqrt(self.total_variance(k, years) / np.asarray(years, float))
        return vols

    def at_the_money(self, years: ArrayLike) -> Floats:
        """Annual implied vol at the forward."""
        vols: Floats = np.sqrt(self.total_variance(0.0, years) / np.asarray(years, float))
        return vols

    def forward(self, years: ArrayLike) -> Floats:
        """Dollars per share for delivery then; its logarithm is linear between settlements.

        It starts from the spot; after the last settlement the carry to it goes on.
        """
        return np.asarray(self.spot * np.exp(self._carried(0, years)))[()]

    def discount(self, years: ArrayLike) -> Floats:
        """What a dollar paid then is worth now; its logarithm is linear as the forward's."""
        return np.asarray(np.exp(self._carried(1, years)))[()]

    def reaches(self, years: float) -> bool:
        """Whether the settlements say something of this term: it lies between two of them.

        Or the nearest is neither less than half nor more than twice as long.
        """
        first, last = float(self._years[0]), float(self._years[-1])
        return first / _LONGEST_REACH <= years <= last * _LONGEST_REACH

    def _carried(self, row: int, years: ArrayLike) -> Floats:
        years = np.asarray(years, float)
        nodes = np.concatenate([[0.0], self._years])
        logs = np.concatenate([[0.0], self._carry[row]])
        beyond = logs[-1] * years / nodes[-1]
        carried: Floats = np.where(years > nodes[-1], beyond, np.interp(years, nodes, logs))
        return carried

    def _place(self, years: Floats) -> "_Place":
        high = np.clip(np.searchsorted(self._years, years), 0, len(self._years) - 1)
        low = np.maximum(high - 1, 0)
        near, far = self._years[low], self._years[high]
        apart = np.where(far > near, far - near, 1.0)
        before, after = years <= self._years[0], years > self._years[-1]
        share = np.where(years > 0, (years - near) / apart, np.nan)
        share = np.where(before & (years > 0), years / far, np.where(after, 1.0, share))
        added = self._thetas[-1] * (years / self._years[-1] - 1)
        return _Place(
            low,
            high,
            np.where(before, 0.0, 1 - share),
            share,
            np.where(after, added, 0.0),
        )


class _Place(NamedTuple):
    """Where dates lie: total variance is that of two settlements, weighted, and something."""

    low: NDArray[np.intp]
    high: NDArray[np.intp]
    low_weight: Floats
    high_weight: Floats
    added: Floats


def surface_of(
    chain: Chain,
    rates: Rates,
    *,
    dividend_yield: float = 0.0,
    dividends: Sequence[CashDividend] = (),
) -> Surface:
    """The surface of a chain, an arbitrage-free smile for every settlement that allows one.

    Parameters
    ----------
    chain
        The quotes; only those with a bid below the ask are used.
    rates
        Interest where parity does not tell it.
    dividend_yield, dividends
        Yield and cash that the underlying pays: the forward where no pair of call and put is
        quoted, and the first guess of what makes early exercise worth while.

    Raises
    ------
    NoQuote
        If no settlement can be fitted. One that cannot stands in ``unfitted`` with its reason.
    """
    quoted, unfitted = _sorted(Setting(chain, rates, dividend_yield, tuple(dividends)))
    if not quoted:
        why = "; ".join(f"{term}: {reason}" for term, reason in unfitted) or "no quotes"
        raise NoQuote(f"{chain.symbol}: no expiry can be fitted: {why}")
    fits: list[Fit] = []
    before: Svi | None = None
    for place, this in enumerate(quoted):
        following = quoted[place + 1].bands if place + 1 < len(quoted) else None
        before = fitted(this.bands, before, following)
        fits.append(_fit(chain, this, before))
    return Surface(
        chain.symbol, chain.as_of, chain.spot, chain.quotes, tuple(fits), tuple(unfitted)
    )


def _sorted(setting: Setting) -> tuple[list[EuropeanQuotes], list[Unfitted]]:
    """The settlements that a smile can be fitted to, and the others with the reason."""
    quoted: list[EuropeanQuotes] = []
    unfitted: list[Unfitted] = []
    for term in terms_of(setting.chain):
        try:
            if quoted and quoted[-1].term.instant == term.instant:
                raise NoQuote(f"settles at the instant of {quoted[-1].term}")
            quoted.append(european_quotes(setting, term))
        except NoQuote as reason:
            unfitted.append(Unfitted(term, str(reason)))
    return quoted, unfitted


def _fit(chain: Chain, quoted: EuropeanQuotes, svi: Svi) -> Fit:
    rows, forward = quoted.rows, quoted.forward
    smile = Smile(quoted.term.years, forward.price, forward.discount, ((1.0, svi),))
    right, strike = chain.right[rows], chain.strike[rows]
    mid = chain.mid[rows]
    bid_vol, mid_vol, ask_vol = quoted.vols
    price = smile.price(right, strike) + quoted.early
    return Fit(
        quoted.term,
        forward,
        svi,
        smile,
        rows,
        right,
        strike,
        chain.bid[rows],
        chain.ask[rows],
        quoted.early,
        bid_vol,
        mid_vol,
        ask_vol,
        smile.vol(strike),
        (price - mid) / _ticks(chain, quoted.term).at(mid),
    )


def _ticks(chain: Chain, term: Term) -> Ticks:
    if term.root in CASH_SETTLED_ROOTS:
        return NICKELS
    return stock_ticks(chain.symbol, chain.as_of.date())
