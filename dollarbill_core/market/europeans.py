"""The quotes of one settlement made European: its forward, and the vols of bids and asks.

A smile speaks of European options. Of options that may be exercised early, each quote is first
relieved of what that right is worth, at the American vol that explains its mid. The forward
then comes from put-call parity; for early exercise it needs the yield that it tells, so the two
are found in rounds.

Source: Carr and Wu, "Stock options and credit default swaps", Journal of Financial Econometrics
8 (2010), section 3.
"""

import math
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dollarbill_core.market.calibration import FEWEST_QUOTES, Bands
from dollarbill_core.market.carry import CashDividend, Rates
from dollarbill_core.market.chains import Chain, Floats, NoQuote
from dollarbill_core.market.dividends import paid_within
from dollarbill_core.market.forwards import (
    Forward,
    Term,
    carried_forward,
    pairs_of,
    parity_line,
)
from dollarbill_core.pricing import american
from dollarbill_core.pricing.implied_vol import implied_vol_from_forward
from dollarbill_core.values.contracts import Option, Right

_ROUNDS_OF_YIELD = 3
_SETTLED = 1e-4  # of the forward: early exercise does not depend on less


class Setting(NamedTuple):
    """What is given for the whole chain."""

    chain: Chain
    rates: Rates
    dividend_yield: float
    dividends: tuple[CashDividend, ...]

    def paid_until(self, years: float) -> tuple[tuple[float, float], ...]:
        """Years and dollars per share of the dividends to come within ``years``."""
        return paid_within(self.dividends, self.chain.as_of, years)


class EuropeanQuotes(NamedTuple):
    """The quotes of one settlement that a smile can be fitted to, made European."""

    term: Term
    forward: Forward
    rows: NDArray[np.intp]
    early: Floats
    vols: Floats  # of bids, mids and asks: shape (3, n)
    bands: Bands


def european_quotes(setting: Setting, term: Term) -> EuropeanQuotes:
    """The side out of the money of one settlement, in order of strike.

    Raises
    ------
    NoQuote
        If no smile can be fitted to it; the message is the reason.
    """
    if term.years <= 0:
        raise NoQuote("its price has been struck")
    if Option(term.root, term.expiry, Decimal(1), Right.CALL).is_adjusted:
        raise NoQuote("an adjusted contract delivers something else")
    chain = setting.chain
    rows = term.rows(chain)
    rows = rows[(chain.bid[rows] > 0) & (chain.ask[rows] > chain.bid[rows])]
    rows = rows[np.argsort(chain.strike[rows], kind="stable")]
    forward, early = _forward_and_early(setting, term, rows)
    outside = chain.right[rows] * (chain.strike[rows] - forward.price) >= 0
    rows, early = rows[outside], early[outside]
    vols = _vols(chain, term, forward, rows, early)
    good = np.isfinite(vols).all(axis=0)
    rows, early, vols = rows[good], early[good], vols[:, good]
    k = np.log(chain.strike[rows] / forward.price)
    _require_enough(k)
    variances = vols * vols * term.years
    return EuropeanQuotes(
        term, forward, rows, early, vols, Bands(k, variances[0], variances[2])
    )


def _require_enough(k: Floats) -> None:
    if len(np.unique(k)) < FEWEST_QUOTES:
        raise NoQuote(
            f"{len(np.unique(k))} strikes are quoted out of the money, "
            f"a smile needs {FEWEST_QUOTES}"
        )
    if k[0] > 0 or k[-1] < 0:
        raise NoQuote("strikes are quoted on one side of the forward alone")


def _vols(
    chain: Chain, term: Term, forward: Forward, rows: NDArray[np.intp], early: Floats
) -> Floats:
    """Implied vols of bids, mids and asks, less what early exercise is worth; shape (3, n)."""
    bid, ask = chain.bid[rows], chain.ask[rows]
    prices = np.stack([bid, (bid + ask) / 2, ask]) - early
    terms = forward.price, chain.strike[rows], term.years, forward.discount
    return implied_vol_from_forward(chain.right[rows], prices, *terms)


def _forward_and_early(
    setting: Setting, term: Term, rows: NDArray[np.intp]
) -> tuple[Forward, Floats]:
    """The forward, and what early exercise is worth to each row, dollars per share.

    American quotes need a yield to be made European and tell it once they are: in rounds.
    """
    part = setting.chain.where(rows)
    forward = _carried(setting, term, setting.dividend_yield)
    if term.is_european:
        early = np.zeros(len(rows))
        return _parity_or(forward, part, early, term, setting.rates), early
    paid = setting.paid_until(term.years)
    dividend_yield = setting.dividend_yield
    for _ in range(_ROUNDS_OF_YIELD):
        early = _early_premiums(setting, term, part, dividend_yield, paid)
        forward = _parity_or(forward, part, early, term, setting.rates)
        without, last = _carried(setting, term, 0.0).price, dividend_yield
        dividend_yield = math.log(without / forward.price) / term.years
        if abs(dividend_yield - last) * term.years < _SETTLED:
            break
    return forward, early


def _carried(setting: Setting, term: Term, dividend_yield: float) -> Forward:
    paid = setting.paid_until(term.years)
    present = math.fsum(x * setting.rates.discount(t) for t, x in paid)
    return carried_forward(
        setting.chain.spot, term.years, setting.rates, dividend_yield, present
    )


def _parity_or(
    carried: Forward, part: Chain, early: Floats, term: Term, rates: Rates
) -> Forward:
    """The forward of parity where a call and a put share a strike, else the one carried."""
    pairs = pairs_of(part, early)
    pairs = pairs.where(np.isfinite(pairs.synthetic))
    return parity_line(pairs, term.years, rates) if len(pairs.strike) else carried


def _early_premiums(
    setting: Setting,
    term: Term,
    part: Chain,
    dividend_yield: float,
    paid: tuple[tuple[float, float], ...],
) -> Floats:
    """What early exercise is worth at the vol that explains each mid; NaN where none does."""
    rate = setting.rates.continuous(term.years)
    terms = part.spot, part.strike, term.years, rate
    vols = american.implied_vol(part.right, part.mid, *terms, dividend_yield, paid)
    return american.early_exercise_premium(part.right, *terms, vols, dividend_yield, paid)
