"""What a structure promises before it is sold: credit, break-evens, chances, margin, Greeks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np

from dollarbill_core.market.chains import Chain, Floats, NoQuote
from dollarbill_core.market.view import View
from dollarbill_core.pricing import black_scholes, payoff
from dollarbill_core.pricing.chances import Lognormal, probability_of_profit
from dollarbill_core.pricing.losses import WorstLoss, worst_loss
from dollarbill_core.rules.accounts import Account
from dollarbill_core.rules.costs import FillModel
from dollarbill_core.rules.margin import Requirement, requirement
from dollarbill_core.strategies.short_premium import ShortPremium
from dollarbill_core.strategies.structures import structure
from dollarbill_core.values.book import Book, Position
from dollarbill_core.values.calendars import expiry_instant, years_between
from dollarbill_core.values.contracts import Legs, Option
from dollarbill_core.values.orders import Candidate

GREEKS = ("delta", "gamma", "vega", "theta")


@dataclass(frozen=True, slots=True)
class Outlook:
    """One structure of one expiry, priced at one view; dollars for the whole package.

    ``vols`` are each leg's implied vol; ``deviation`` and ``move`` go by their mean. Chances
    are risk-neutral, from a lognormal price at that mean vol.
    """

    now: datetime
    expires: datetime
    spot: float
    legs: Legs
    candidates: tuple[Candidate, ...]
    credit: Decimal
    vols: tuple[float, ...]
    rate: float
    dividend_yield: float
    required: Requirement

    @property
    def years(self) -> float:
        return years_between(self.now, self.expires)

    @property
    def vol(self) -> float:
        return float(np.mean(self.vols))

    @property
    def deviation(self) -> float:
        """One standard deviation of the log of the spot by expiry."""
        return float(self.vol * np.sqrt(self.years))

    @property
    def move(self) -> float:
        """Dollars per share that one standard deviation moves the spot by expiry."""
        return self.spot * self.deviation

    @property
    def break_evens(self) -> tuple[float, ...]:
        return payoff.break_evens(self.legs, self.credit)

    @property
    def probability_of_profit(self) -> float:
        return float(probability_of_profit(self.legs, self.credit, self.lognormal))

    @property
    def lognormal(self) -> Lognormal:
        """The price at expiry at the legs' mean vol."""
        return Lognormal(self.spot, self.years, self.rate, self.vol, self.dividend_yield)

    @property
    def worst_loss(self) -> WorstLoss:
        return worst_loss(self.legs, self.credit)

    @property
    def return_on_margin(self) -> float:
        """Credit as a fraction of the requirement's initial dollars."""
        return float(self.credit / self.required.initial)

    def spots(self, deviations: float = 3.0, count: int = 121) -> Floats:
        """Prices around the spot, evenly spaced, dollars, shape (count,)."""
        reach = min(deviations * self.move, 0.95 * self.spot)
        return np.linspace(self.spot - reach, self.spot + reach, count)

    def profit_at_expiry(self, spots: Floats) -> Floats:
        """Dollars gained if the spot ends at each of ``spots``, before fees."""
        return payoff.profit_at_expiry(self.legs, self.credit, spots)

    def profit(self, spots: Floats, days: float = 0.0, vol_shift: float = 0.0) -> Floats:
        """Dollars gained at model prices ``days`` from now, all vols moved by ``vol_shift``."""
        at = min(self.now + timedelta(days=days), self.expires)
        vols = [max(vol + vol_shift, 0.0) for vol in self.vols]
        left = payoff.value(self.legs, spots, at, vols, self.rate, self.dividend_yield)
        return left + float(self.credit)

    def profit_map(self, spots: Floats, days: Sequence[float]) -> Floats:
        """Profit for each of ``days`` (rows) and ``spots`` (columns), dollars."""
        return np.array([self.profit(spots, day) for day in days])

    def greeks(self, spots: Floats) -> dict[str, Floats]:
        """Position Greeks now, at each of ``spots``.

        Delta in shares, gamma in shares per dollar, vega in dollars per vol point, theta in
        dollars per day.
        """
        total = {name: np.zeros(np.shape(spots)) for name in GREEKS}
        for leg, vol in zip(self.legs, self.vols, strict=True):
            option = leg.instrument
            assert isinstance(option, Option)
            terms = self.years, self.rate, vol, self.dividend_yield
            each = black_scholes.greeks(option.right, spots, float(option.strike), *terms)
            lot = leg.quantity * option.multiplier
            total["delta"] += lot * each.delta
            total["gamma"] += lot * each.gamma
            total["vega"] += lot * each.vega / 100
            total["theta"] += lot * each.theta / 365
        return total


def outlook(
    view: View, strategy: ShortPremium, symbol: str, account: Account, fills: FillModel
) -> Outlook:
    """What ``strategy`` would sell in ``symbol`` at this view, whatever the day of the week.

    Raises
    ------
    NoQuote
        If a leg cannot be sold.
    """
    chain = view.chain(symbol)
    choice = structure(
        chain,
        strategy.structure,
        days=strategy.target_dte,
        put_delta=strategy.put_delta,
        call_delta=strategy.call_delta,
        quantity=strategy.quantity,
    )
    options = [leg.instrument for leg in choice.legs if isinstance(leg.instrument, Option)]
    expires = expiry_instant(options[0])
    return Outlook(
        now=view.now,
        expires=expires,
        spot=chain.spot,
        legs=choice.legs,
        candidates=choice.candidates,
        credit=_credit(choice.legs, view, fills),
        vols=tuple(_vol(option, chain) for option in options),
        rate=view.rates.continuous(years_between(view.now, expires)),
        dividend_yield=view.dividend_yields.get(symbol, 0.0),
        required=requirement(_sold(choice.legs, view, fills), view, account),
    )


def _credit(legs: Legs, view: View, fills: FillModel) -> Decimal:
    return -sum(
        (x.quantity * x.instrument.multiplier * fills.price(x, view) for x in legs), Decimal(0)
    )


def _sold(legs: Legs, view: View, fills: FillModel) -> Book:
    """A book that holds nothing but these legs, at the prices they would fill at."""
    positions = tuple(
        Position(x.instrument, x.quantity, -_credit((x,), view, fills)) for x in legs
    )
    return Book(_credit(legs, view, fills), positions)


def _vol(option: Option, chain: Chain) -> float:
    row = chain.row(option)
    if row is None or not np.isfinite(chain.vol[row]):
        raise NoQuote(f"{option} has no implied vol on {chain.as_of:%Y-%m-%d}")
    return float(chain.vol[row])
