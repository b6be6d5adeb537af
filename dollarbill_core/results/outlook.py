"""What a structure promises before it is sold: credit, break-evens, chances, margin, Greeks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

import numpy as np

from dollarbill_core.market.chains import Chain, Floats, NoQuote
from dollarbill_core.market.surface import Fit, Surface
from dollarbill_core.market.view import View
from dollarbill_core.pricing import american, black_scholes, payoff
from dollarbill_core.pricing.black_scholes import DAYS_PER_YEAR, POINTS_PER_UNIT_OF_VOL
from dollarbill_core.pricing.chances import (
    Bounds,
    Law,
    Lognormal,
    Samples,
    expected_profit,
    probability_of_profit,
    touch_bounds,
)
from dollarbill_core.pricing.losses import WorstLoss, worst_loss
from dollarbill_core.rules.accounts import ACCOUNTS, Account
from dollarbill_core.rules.fills import FillModel
from dollarbill_core.rules.margin import NotAllowed, Requirement, requirement
from dollarbill_core.strategies.short_premium import ShortPremium
from dollarbill_core.strategies.structures import structure
from dollarbill_core.values.book import Book, Position
from dollarbill_core.values.calendars import expiry_instant, years_between
from dollarbill_core.values.contracts import Legs, Option
from dollarbill_core.values.orders import Candidate

# What a formula's Greek is divided by to be read: a vol point, a day.
UNITS = {
    "delta": 1.0,
    "gamma": 1.0,
    "vega": POINTS_PER_UNIT_OF_VOL,
    "theta": DAYS_PER_YEAR,
    "vanna": POINTS_PER_UNIT_OF_VOL,
    "charm": DAYS_PER_YEAR,
}
_MOMENT = 1e-6  # years: half a minute


@dataclass(frozen=True, slots=True)
class Outlook:
    """One structure of one expiry, priced at one view; dollars for the whole package.

    ``book`` holds the structure and its credit, nothing else. ``vols`` are each leg's implied
    vol; ``deviation`` and ``move`` go by their mean. Chances are risk-neutral, from a lognormal
    price at that mean vol.
    """

    now: datetime
    expires: datetime
    spot: float
    legs: Legs
    candidates: tuple[Candidate, ...]
    book: Book
    vols: tuple[float, ...]
    rate: float
    dividend_yield: float
    required: Requirement
    surface: Surface | None = None

    @property
    def credit(self) -> Decimal:
        """Dollars that opening brings in, negative where it costs."""
        return self.book.cash

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
        """Under ``law``."""
        return float(probability_of_profit(self.legs, self.credit, self.law))

    @property
    def law(self) -> Law:
        """Of the price at expiry: the fitted smile's own, or lognormal where none is fitted."""
        return self.fit.smile if self.fit is not None else self.lognormal

    @property
    def law_name(self) -> str:
        return "the smile's density" if self.fit is not None else "lognormal"

    @property
    def lognormal(self) -> Lognormal:
        """The price at expiry at the legs' mean vol."""
        return Lognormal(self.spot, self.years, self.rate, self.vol, self.dividend_yield)

    @property
    def fit(self) -> Fit | None:
        """The smile of the options' own settlement, where one is fitted."""
        fits = self.surface.fits if self.surface is not None else ()
        return next((fit for fit in fits if fit.term.instant == self.expires), None)

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
        vols = [max(vol + vol_shift, 0.0) for vol in self.vols]
        left = payoff.value(
            self.legs, spots, self.at(days), vols, self.rate, self.dividend_yield
        )
        return left + float(self.credit)

    def profit_map(
        self, spots: Floats, days: Sequence[float] | Floats, vol_shift: float = 0.0
    ) -> Floats:
        """Profit for each of ``days`` (rows) and ``spots`` (columns), dollars."""
        return np.array([self.profit(spots, day, vol_shift) for day in days])

    def at(self, days: float) -> datetime:
        """The instant so many times 24 hours from now, at the latest the expiry."""
        # A local time counts hours by the clock on the wall, which jumps in March.
        later = self.now.astimezone(UTC) + timedelta(days=days)
        return min(later.astimezone(self.now.tzinfo), self.expires)

    def days_ahead(self, count: int = 15) -> Floats:
        """Days from now to expiry, evenly spaced, shape (count,)."""
        return np.linspace(0.0, self.years * DAYS_PER_YEAR, count)

    def quantiles(
        self, days: Floats, shares: Sequence[float], vol_shift: float = 0.0
    ) -> Floats:
        """Prices that the spot stays below with probability ``shares``, shape (shares, days).

        Lognormal at each date, at the surface's vol at the money for that date, or at the mean
        vol of the legs where there is no surface.
        """
        years = days / DAYS_PER_YEAR
        law = Lognormal(
            self.spot, years, self.rate, self._vols_to(years, vol_shift), self.dividend_yield
        )
        return law.quantile(np.asarray(shares)[:, np.newaxis])

    def _vols_to(self, years: Floats, vol_shift: float) -> Floats:
        vols = np.full_like(years, self.vol)
        if self.surface is not None:
            vols = self.surface.at_the_money(np.maximum(years, _MOMENT))
        return np.maximum(vols + vol_shift, 0.0)

    def greeks(
        self, spots: Floats, days: float = 0.0, vol_shift: float = 0.0
    ) -> dict[str, Floats]:
        """Position Greeks at each of ``spots``, ``days`` from now with vols shifted.

        Delta in shares, gamma in shares per dollar, vega in dollars per vol point, theta in
        dollars per day, vanna in shares per vol point, charm in shares per day. The last two
        go by the European formula for stock options as well.
        """
        total = {name: np.zeros(np.shape(spots)) for name in UNITS}
        years = max(self.years - days / DAYS_PER_YEAR, 0.0)
        for leg, vol in zip(self.legs, self.vols, strict=True):
            option, shifted = leg.instrument, max(vol + vol_shift, 0.0)
            assert isinstance(option, Option)
            terms = float(option.strike), years, self.rate, shifted, self.dividend_yield
            european = black_scholes.greeks(option.right, spots, *terms)
            style = black_scholes if option.is_european else american
            first = style.greeks(option.right, spots, *terms)
            lot = leg.quantity * option.multiplier
            for name, unit in UNITS.items():
                each = first if hasattr(first, name) else european
                total[name] += lot * getattr(each, name) / unit
        return total


def outlook(
    view: View,
    strategy: ShortPremium,
    symbol: str,
    account: Account,
    fills: FillModel,
    surface: Surface | None = None,
) -> Outlook:
    """What ``strategy`` would sell in ``symbol`` at this view, whatever the day of the week.

    ``surface`` is that of the view's chain, for what needs more than the vols of the legs.

    Raises
    ------
    NoQuote
        If a leg cannot be sold.
    NotAllowed
        If ``account`` may not hold it; the message names those that may.
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
    expires, book = expiry_instant(options[0]), _sold(choice.legs, view, fills)
    return Outlook(
        now=view.now,
        expires=expires,
        spot=chain.spot,
        legs=choice.legs,
        candidates=choice.candidates,
        book=book,
        vols=tuple(_vol(option, chain) for option in options),
        rate=view.rates.continuous(years_between(view.now, expires)),
        dividend_yield=view.dividend_yields.get(symbol, 0.0),
        required=_required(book, view, account),
        surface=surface,
    )


def _required(book: Book, view: View, account: Account) -> Requirement:
    try:
        return requirement(book, view, account)
    except NotAllowed as why:
        names = [name for name, other in ACCOUNTS.items() if _may_hold(book, view, other)]
        others = f"{', '.join(names[:-1])} or {names[-1]}" if names[1:] else "".join(names)
        told = f"; account = {others} may hold it" if names else ""
        raise NotAllowed(f"{why}{told}") from None


def _may_hold(book: Book, view: View, account: Account) -> bool:
    try:
        requirement(book, view, account)
    except NotAllowed:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Chance:
    """What one law of the price says of a package held to expiry."""

    law: str
    profit: float
    touch: float | Bounds
    expected: float

    def __str__(self) -> str:
        touch = self.touch if isinstance(self.touch, Bounds) else f"{self.touch:.1%}"
        expected = f"{'−' if self.expected < 0 else '+'}${abs(self.expected):,.0f}"
        return f"{self.law:<20} profit {self.profit:.1%}, expected {expected}, touch {touch}"


def chances(promised: Outlook, past: Samples) -> tuple[Chance, ...]:
    """Profit, expected profit and a touch of the nearest break-evens, under each law known.

    The smile's own density, whose paths nobody knows, so that a touch has bounds; a lognormal
    price; and ``past`` paths. The first two are risk-neutral, and no fee is in any.
    """
    spot, laws = promised.spot, list[tuple[str, Law, float | Bounds]]()
    low = max((x for x in promised.break_evens if x < spot), default=0.0)
    high = min((x for x in promised.break_evens if x >= spot), default=float("inf"))
    if promised.fit is not None:
        smile = promised.fit.smile
        laws.append((promised.law_name, smile, touch_bounds(smile, spot, low, high)))
    flat = promised.lognormal
    laws.append((f"lognormal at {promised.vol:.1%}", flat, flat.touch(low, high)))
    laws.append((f"{past.count:,} past moves", past, past.touch(low, high)))
    terms = promised.legs, promised.credit
    return tuple(
        Chance(
            name, float(probability_of_profit(*terms, law)), touch,
            float(expected_profit(*terms, law)),
        )
        for name, law, touch in laws
    )  # fmt: skip


def past_moves(closes: Floats, spot: float, sessions: int) -> Samples:
    """What ``spot`` would have done over each stretch of so many ``sessions`` of the past.

    Raises
    ------
    ValueError
        If the history is shorter than that.
    """
    if len(closes) <= sessions:
        raise ValueError(f"{len(closes)} closes hold no stretch of {sessions} sessions")
    stretches = np.lib.stride_tricks.sliding_window_view(closes, sessions + 1)
    return Samples(spot * stretches[:, 1:] / stretches[:, :1])


def designs(
    view: View,
    strategy: ShortPremium,
    symbol: str,
    account: Account,
    fills: FillModel,
    surface: Surface | None = None,
) -> Callable[..., Outlook]:
    """The outlook as a function of the strategy's parameters, such as ``put_delta``.

    Raises
    ------
    NoQuote
        When called, if a leg cannot be sold.
    """

    @lru_cache(maxsize=256)
    def design(**changes: Any) -> Outlook:
        return outlook(view, replace(strategy, **changes), symbol, account, fills, surface)

    return design


def _credit(legs: Legs, view: View, fills: FillModel) -> Decimal:
    return sum((-cost for cost in _costs(legs, view, fills)), Decimal(0))


def _costs(legs: Legs, view: View, fills: FillModel) -> list[Decimal]:
    """Dollars that each leg of a package costs, negative for what is sold."""
    prices = zip(legs, fills.prices(legs, view), strict=True)
    return [x.quantity * x.instrument.multiplier * price for x, price in prices]


def _sold(legs: Legs, view: View, fills: FillModel) -> Book:
    """A book that holds nothing but these legs, at the prices they would fill at."""
    costs = zip(legs, _costs(legs, view, fills), strict=True)
    positions = tuple(Position(x.instrument, x.quantity, cost) for x, cost in costs)
    return Book(_credit(legs, view, fills), positions)


def _vol(option: Option, chain: Chain) -> float:
    row = chain.row(option)
    if row is None or not np.isfinite(chain.vol[row]):
        raise NoQuote(f"{option} has no implied vol on {chain.as_of:%Y-%m-%d}")
    return float(chain.vol[row])
