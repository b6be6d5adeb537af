"""What may be known at one instant: quotes, marks, history, rates, dividends; nothing later."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from dollarbill_core.market.carry import CashDividend, Rates, ShareSplit, policy_rates
from dollarbill_core.market.chains import Chain, ChainDays, Floats, NoQuote, Quote
from dollarbill_core.market.quality import Quality
from dollarbill_core.market.volatility import Standing, iv_percentile, iv_rank
from dollarbill_core.pricing import american, black_scholes
from dollarbill_core.values.calendars import close_instant, expiry_instant, years_between
from dollarbill_core.values.contracts import Instrument, Option, Stock, dollars_per_share
from dollarbill_core.values.provenance import Provenance, fingerprint

Action = TypeVar("Action", CashDividend, ShareSplit)
Print = tuple[str, date]  # an OCC root, and the day on which its settlement price is struck
_HISTORY_SESSIONS = 300  # enough for a year's statistics and a start-up


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """Daily closes and 30-day implied vols up to and including today; shape (n,) each.

    Closes are as traded: for returns take ``View.closes``, which knows the splits.
    """

    days: NDArray[np.datetime64]
    closes: Floats
    vols: Floats

    def close_on(self, day: date) -> float | None:
        """Dollars per share at the close of ``day``; None where it is not known."""
        when = np.datetime64(day, "D")
        place = int(np.searchsorted(self.days, when))
        if place == len(self.days) or self.days[place] != when:
            return None
        close = float(self.closes[place])
        return close if close > 0 else None

    def last_close(self, splits: tuple[ShareSplit, ...], today: date) -> float | None:
        """Dollars of one of today's shares at the latest close known; None where none is.

        ``splits`` since that close have changed what a share is.
        """
        known = np.flatnonzero(self.closes > 0)
        if not len(known):
            return None
        day, close = self.days[known[-1]].item(), float(self.closes[known[-1]])
        since = (split for split in splits if day < split.ex_date <= today)
        return close * math.prod(split.old / split.new for split in since)


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """Everything knowable at ``now``, and nothing else; strategies, margin and limits read it.

    ``dividends`` and ``splits`` hold those past and those announced. ``prints`` are official
    settlement prices by root and day, known once struck: what AM-settled options need, such as
    ``("SPX", day)`` for SET and ``("VIX", day)`` for VRO.

    For a calculation by hand, give ``now``, ``spots`` and ``marks``:

    >>> from datetime import UTC
    >>> put = Option.from_occ("SPY261218P00600000")
    >>> view = View(datetime(2026, 11, 2, 21, tzinfo=UTC), {"SPY": Decimal(640)},
    ...             {put: Decimal("5.10")})
    >>> view.mark(put), view.spot("SPY")
    (Decimal('5.10'), Decimal('640'))
    """

    now: datetime
    spots: Mapping[str, Decimal]
    marks: Mapping[Instrument, Decimal] = field(default_factory=dict)
    chains: Mapping[str, Chain] = field(default_factory=dict)
    history: Mapping[str, History] = field(default_factory=dict)
    rates: Rates = field(default_factory=Rates)
    dividends: Mapping[str, tuple[CashDividend, ...]] = field(default_factory=dict)
    dividend_yields: Mapping[str, float] = field(default_factory=dict)
    last_quotes: Mapping[Option, Quote] = field(default_factory=dict)
    splits: Mapping[str, tuple[ShareSplit, ...]] = field(default_factory=dict)
    prints: Mapping[Print, Decimal] = field(default_factory=dict)
    _looked_up: dict[Option, Quote] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.now.tzinfo is None:
            raise ValueError(f"a view's instant needs a time zone, got {self.now}")
        if late := [each for each in self.prints if each[1] > self.today]:
            raise ValueError(f"the print of {late[0]} is not struck yet on {self.today}")

    @property
    def today(self) -> date:
        return self.now.date()

    @property
    def hash(self) -> str:
        """Changes with anything a decision could have seen; stored beside each decision."""
        return fingerprint(self)

    def spot(self, symbol: str) -> Decimal:
        """Dollars per share of an underlying. Raises NoQuote when it is not in the view."""
        if symbol not in self.spots:
            raise NoQuote(f"no price of {symbol} on {self.today}")
        return self.spots[symbol]

    def chain(self, symbol: str) -> Chain:
        """The chain of an underlying. Raises NoQuote when there is none today."""
        if symbol not in self.chains:
            raise NoQuote(f"no chain of {symbol} on {self.today}")
        return self.chains[symbol]

    def quote(self, option: Option) -> Quote:
        """Today's sound quote. Raises NoQuote when it is missing, crossed or locked."""
        quote = self._looked_up.get(option)
        if quote is None:
            quote = self.chain(option.underlying).quote(option)
            if quote.fault:
                raise NoQuote(f"{option} is {quote.fault}: {quote.bid} / {quote.ask}")
            self._looked_up[option] = quote
        return quote

    def mark(self, instrument: Instrument) -> Decimal:
        """Dollars per share for the books: a given mark, a sound quote's mid, else a model's.

        Without a sound quote a held option is marked at the model's price, or at the last ask
        when that is higher: the side that hurts a seller. Where no chain of the day has a vol
        to model from, its intrinsic value stands in. ``is_modelled`` tells which it is.

        Raises
        ------
        NoQuote
            If there is no price of the underlying, or the view was made by hand without chains
            and without this mark.
        """
        if instrument in self.marks:
            return self.marks[instrument]
        if isinstance(instrument, Stock):
            return self.spot(instrument.symbol)
        try:
            return self.quote(instrument).mid
        except NoQuote:
            last = self.last_quotes.get(instrument)
            model = self._modelled_mark(instrument)
            return max(model, last.ask) if last else model

    def is_modelled(self, instrument: Instrument) -> bool:
        """Whether ``mark`` has no sound quote or given mark behind it today."""
        if instrument in self.marks or isinstance(instrument, Stock):
            return False
        try:
            self.quote(instrument)
        except NoQuote:
            return True
        return False

    def closes(self, symbol: str) -> Floats:
        """The history's closes as prices of today's shares, so that no split looks like a fall.

        Those before a split are multiplied by its old shares for each new one; dividends stay
        in. Dollars, shape (n,) as ``history[symbol].days``; ``History.closes`` are as traded.

        Raises
        ------
        NoQuote
            If the view has no history of ``symbol``.
        """
        history = self._history(symbol)
        closes = history.closes
        for split in self.splits.get(symbol, ()):
            if split.ex_date <= self.today:
                before = history.days < np.datetime64(split.ex_date, "D")
                closes = np.where(before, closes * (split.old / split.new), closes)
        return closes

    def iv_rank(self, symbol: str) -> Standing:
        """Where today's 30-day implied vol stands between the year's lowest and highest."""
        return iv_rank(self._history(symbol).vols)

    def iv_percentile(self, symbol: str) -> Standing:
        """The share of the year's days whose 30-day implied vol was strictly below today's."""
        return iv_percentile(self._history(symbol).vols)

    def _history(self, symbol: str) -> History:
        if symbol not in self.history:
            raise NoQuote(f"no history of {symbol} on {self.today}")
        return self.history[symbol]

    def _modelled_mark(self, option: Option) -> Decimal:
        spot = self.spot(option.underlying)
        years = years_between(self.now, expiry_instant(option))
        if years <= 0:
            return option.intrinsic(spot)
        vol = self.vol_near(option)
        if vol is None:
            return option.intrinsic(spot)
        dividend_yield = self.dividend_yields.get(option.underlying, 0.0)
        rate = self.rates.continuous(years)
        style = black_scholes if option.is_european else american
        value = style.price(
            option.right, float(spot), float(option.strike), years, rate, vol, dividend_yield
        )
        return dollars_per_share(float(value))

    def vol_near(self, option: Option) -> float | None:
        """The implied vol of the quoted contract that is nearest in expiry, then in strike.

        Annual. None when the market was open and this underlying has no vol today.
        """
        if self.chains and option.underlying not in self.chains:
            return None
        chain = self.chain(option.underlying)
        known = chain.where(np.isfinite(chain.vol))
        if not len(known):
            return None
        days = np.abs((known.expiry - np.datetime64(option.expiry, "D")).astype(int))
        strikes = np.abs(known.strike / float(option.strike) - 1)
        return float(known.vol[np.lexsort((strikes, days))[0]])


@dataclass(frozen=True, slots=True, eq=False)
class Chains:
    """All underlyings' chains over a period, from which each session's View is cut.

    A view holds nothing that was made after its own close: history is cut at the day, a day's
    chain is asked for only when that day has come, and a dividend or split is seen from the day
    of its announcement. An underlying that has no chain on a
    day stands in the view at its close of that day, or else at the last one known.
    ``rates_on`` gives the interest rates known on a day; ``quality`` says of each underlying
    how good its quotes are, and is empty where nobody quoted.
    """

    days: Mapping[str, ChainDays]
    provenance: Provenance
    dividends: Mapping[str, tuple[CashDividend, ...]] = field(default_factory=dict)
    splits: Mapping[str, tuple[ShareSplit, ...]] = field(default_factory=dict)
    prints: Mapping[Print, Decimal] = field(default_factory=dict)
    rates_on: Callable[[date], Rates] = policy_rates
    quality: tuple[Quality, ...] = ()

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(self.days)

    @property
    def sessions(self) -> tuple[date, ...]:
        """Every day on which at least one underlying has a chain, in order."""
        return tuple(sorted({day for each in self.days.values() for day in each.sessions}))

    def view(self, day: date, last_quotes: Mapping[Option, Quote] | None = None) -> View:
        """What may be known at the close of ``day``. Raises NoQuote if no session of these."""
        chains = {s: each.chain(day) for s, each in self.days.items() if day in each}
        if not chains:
            raise NoQuote(f"no chain of {', '.join(self.days)} on {day}")
        history = {s: _history_until(each, day) for s, each in self.days.items()}
        splits = _announced(self.splits, day)
        closes = {
            s: _close_of(day, known, chains.get(s), splits.get(s, ()))
            for s, known in history.items()
        }
        spots = {s: dollars_per_share(c) for s, c in closes.items() if c is not None}
        return View(
            now=close_instant(day),
            spots=spots,
            chains=chains,
            history={symbol: history[symbol] for symbol in spots},
            rates=self.rates_on(day),
            dividends=_announced(self.dividends, day),
            dividend_yields={s: self.days[s].yield_on(day) for s in spots},
            last_quotes=last_quotes or {},
            splits=splits,
            prints={each: price for each, price in self.prints.items() if each[1] <= day},
        )


def _close_of(
    day: date, known: History, chain: Chain | None, splits: tuple[ShareSplit, ...]
) -> float | None:
    """The close of the day, else what its chain says, else the last close known.

    A chain of a snapshot before the close has the price of its own instant, at which nothing
    settles.
    """
    if (closed := known.close_on(day)) is not None:
        return closed
    return chain.spot if chain is not None else known.last_close(splits, day)


def _announced(
    actions: Mapping[str, tuple[Action, ...]], day: date
) -> dict[str, tuple[Action, ...]]:
    """Those past and those announced by ``day``, by symbol."""
    return {
        symbol: tuple(x for x in known if x.ex_date <= day or x.known_from <= day)
        for symbol, known in actions.items()
    }


def _history_until(days: ChainDays, day: date) -> History:
    stop = int(np.searchsorted(days.days, np.datetime64(day, "D"), "right"))
    rows = slice(max(stop - _HISTORY_SESSIONS, 0), stop)
    return History(days.days[rows], days.closes[rows], days.vols[rows])
