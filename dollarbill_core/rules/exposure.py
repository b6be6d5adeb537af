"""What moves a book: its Greeks in dollars by underlying, and how far each follows an index."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import SupportsFloat

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dollarbill_core.market.chains import NoQuote
from dollarbill_core.market.view import View
from dollarbill_core.pricing.black_scholes import DAYS_PER_YEAR, POINTS_PER_UNIT_OF_VOL
from dollarbill_core.pricing.machine_code import Floats
from dollarbill_core.rules.revaluation import Held, held
from dollarbill_core.values.book import Book

ONE_PERCENT = 0.01
SESSIONS = 252  # the window of a beta and of a replay unless another is asked for
FEWEST_SESSIONS = 60  # a beta from fewer days is noise
Betas = Mapping[str, SupportsFloat]


@dataclass(frozen=True, slots=True)
class Exposure:
    """Greeks of what is held on one underlying, or of the whole book; dollars throughout.

    Attributes
    ----------
    symbol, beta
        The underlying, and how far it moves with the index; NaN for the book.
    value
        Dollars that the holding is worth at its marks, negative where it is owed.
    shares
        Delta in shares of the underlying; NaN for a book of several.
    dollar_delta, beta_weighted_delta
        Delta x spot: dollars gained per 1.0 (100 %) of the underlying; that times beta.
    gamma_per_percent
        Dollars by which ``dollar_delta`` grows with 1 % of spot: gamma x spot^2 / 100. (A move
        of 1 % itself then earns a further half of it, times 1 %.)
    vega_per_point, theta_per_day, rho_per_point
        Dollars for one point of vol, for one calendar day, for one point of interest (1 %).
    """

    symbol: str
    beta: float
    value: float
    shares: float
    dollar_delta: float
    beta_weighted_delta: float
    gamma_per_percent: float
    vega_per_point: float
    theta_per_day: float
    rho_per_point: float


_SUMMED = tuple(x.name for x in fields(Exposure) if x.name not in ("symbol", "beta", "shares"))


@dataclass(frozen=True, slots=True)
class Exposures:
    """A book's exposure by underlying, in alphabetical order."""

    underlyings: tuple[Exposure, ...]

    @property
    def total(self) -> Exposure:
        """The sum, as if every underlying moved by the same fraction, point and day."""
        sums = {
            name: math.fsum(getattr(each, name) for each in self.underlyings)
            for name in _SUMMED
        }
        shares = self.underlyings[0].shares if len(self.underlyings) == 1 else math.nan
        return Exposure("book", math.nan, shares=shares, **sums)


def exposures(book: Book, view: View, betas: Betas | None = None) -> Exposures:
    """Dollar Greeks of a book at the implied vols of its marks.

    Options on stocks and ETFs have American Greeks, those on indices European ones.

    Parameters
    ----------
    betas
        Of every underlying held, to one index (see `estimated_betas`); without them all are 1.

    Raises
    ------
    NoQuote
        A position without a mark, an underlying without a price.
    ValueError
        An underlying without a beta where betas are given; what `revaluation.held` refuses.

    Examples
    --------
    A hundred shares at 600 with a beta of 1.2, and nothing that decays:

    >>> from datetime import UTC, datetime
    >>> from decimal import Decimal
    >>> from dollarbill_core.values.book import Position
    >>> from dollarbill_core.values.contracts import Stock
    >>> view = View(datetime(2026, 11, 2, 21, tzinfo=UTC), {"XYZ": Decimal(600)})
    >>> shares = Book(positions=(Position(Stock("XYZ"), 100),))
    >>> total = exposures(shares, view, {"XYZ": 1.2}).total
    >>> total.dollar_delta, total.beta_weighted_delta, total.theta_per_day
    (60000.0, 72000.0, 0.0)
    """
    arrays = held(book, view)
    factors = beta_factors(arrays.underlyings, betas)
    greeks, spots = arrays.greeks(), arrays.spots
    shares = _by_underlying(arrays, greeks.delta)
    curves = _by_underlying(arrays, greeks.gamma) * spots**2 * ONE_PERCENT
    columns = (
        factors, _by_underlying(arrays, arrays.value), shares, shares * spots,
        shares * spots * factors, curves,
        _by_underlying(arrays, greeks.vega) / POINTS_PER_UNIT_OF_VOL,
        _by_underlying(arrays, greeks.theta) / DAYS_PER_YEAR,
        _by_underlying(arrays, greeks.rho) * ONE_PERCENT,
    )  # fmt: skip
    rows = zip(arrays.underlyings, np.array(columns).T.tolist(), strict=True)
    return Exposures(tuple(Exposure(symbol, *row) for symbol, row in rows))


def _by_underlying(arrays: Held, of_positions: Floats) -> Floats:
    sums = np.bincount(arrays.on, of_positions, len(arrays.underlyings))
    return sums.astype(np.float64)


def by_position(arrays: Held) -> Held:
    """The same holdings, each on an underlying of its own.

    So that scenarios of shape (scenarios, positions) can say something else of each, such as a
    change of vol by its term.
    """
    names = tuple(position.instrument.underlying for position in arrays.positions)
    own = np.arange(len(names), dtype=np.intp)
    return replace(arrays, underlyings=names, on=own, spots=arrays.spots[arrays.on])


# ---------------------------------------------------------------- betas


@dataclass(frozen=True, slots=True)
class Beta:
    """How far one underlying moved with another, and over how many daily returns."""

    symbol: str
    benchmark: str
    value: float
    sessions: int

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        return f"{self.symbol} {self.value:.2f} to {self.benchmark} (n = {self.sessions})"


def beta(returns: ArrayLike, benchmark: ArrayLike) -> float:
    """Slope of simple returns on those of a benchmark: covariance over variance.

    Raises
    ------
    ValueError
        If they do not pair up, or the benchmark does not move.

    Examples
    --------
    >>> round(beta([0.02, -0.02, 0.01], [0.01, -0.01, 0.005]), 6)
    2.0
    """
    own, other = np.asarray(returns, dtype=np.float64), np.asarray(benchmark, dtype=np.float64)
    if own.ndim != 1 or own.shape != other.shape:
        raise ValueError(f"returns must pair up, got shapes {own.shape} and {other.shape}")
    moves = other - other.mean() if other.size else other
    spread = float(moves @ moves)
    if not spread > 0:
        raise ValueError("a beta needs a benchmark that moves, and finite returns")
    return float(moves @ (own - own.mean()) / spread)


def estimated_betas(
    view: View, symbols: Sequence[str], benchmark: str, *, sessions: int = SESSIONS
) -> dict[str, Beta]:
    """Beta of each symbol to ``benchmark`` over the last ``sessions`` daily returns known.

    Days on which either has no close, or had none the session before, are left out; the number
    that remained stands in each answer. A benchmark's beta to itself is 1.

    Raises
    ------
    NoQuote
        If the view has no history of a symbol.
    ValueError
        If fewer than 60 returns remain: say the beta yourself then.
    """
    found = {}
    for symbol in symbols:
        if symbol == benchmark:
            found[symbol] = Beta(symbol, benchmark, 1.0, sessions)
            continue
        pairs = past_changes(view, (symbol, benchmark), sessions).returns
        pairs = pairs[np.isfinite(pairs).all(axis=1)]
        if len(pairs) < FEWEST_SESSIONS:
            known = f"only {len(pairs)} returns in common with {benchmark}"
            raise ValueError(f"{symbol} has {known}, a beta needs {FEWEST_SESSIONS}: give it")
        found[symbol] = Beta(symbol, benchmark, beta(*pairs.T), len(pairs))
    return found


def beta_factors(underlyings: Sequence[str], betas: Betas | None) -> Floats:
    """The beta of each underlying in order, 1 for all where none are given.

    Raises
    ------
    ValueError
        If betas are given and one is missing or not finite; the message names it.
    """
    if betas is None:
        return np.ones(len(underlyings))
    missing = [symbol for symbol in underlyings if symbol not in betas]
    if missing:
        raise ValueError(f"no beta is given for {', '.join(missing)}: give one, or none at all")
    factors = np.array([float(betas[symbol]) for symbol in underlyings])
    if not np.isfinite(factors).all():
        raise ValueError(f"betas must be finite, got {dict(betas)}")
    return factors


# ---------------------------------------------------------------- the past


@dataclass(frozen=True, slots=True, eq=False)
class Changes:
    """What each underlying did from one session to the next; shape (days, symbols).

    ``returns`` are simple; ``vol_ratios`` are one day's 30-day implied vol over that of the day
    before. NaN where either end is not known.
    """

    symbols: tuple[str, ...]
    days: NDArray[np.datetime64]
    returns: Floats
    vol_ratios: Floats


def past_changes(view: View, symbols: Sequence[str], sessions: int = SESSIONS) -> Changes:
    """The last ``sessions`` daily changes known in the view, on every day that any symbol has.

    Closes stand in today's shares, so no split that the view knows is taken for a move.

    Raises
    ------
    NoQuote
        If the view has no history of a symbol.
    ValueError
        If ``sessions`` is not positive.
    """
    if sessions < 1:
        raise ValueError(f"sessions must be 1 or more, got {sessions}")
    missing = [symbol for symbol in symbols if symbol not in view.history]
    if missing:
        raise NoQuote(f"no history of {', '.join(missing)} on {view.today}")
    known = [view.history[symbol] for symbol in symbols]
    days = np.unique(np.concatenate([np.empty(0, "M8[D]"), *(each.days for each in known)]))
    days = days[-sessions - 1 :]
    prices = [view.closes(symbol) for symbol in symbols]
    closes = _on_days(days, [(x.days, own) for x, own in zip(known, prices, strict=True)])
    vols = _on_days(days, [(each.days, each.vols) for each in known])
    ratios = vols[1:] / vols[:-1]
    return Changes(tuple(symbols), days[1:], closes[1:] / closes[:-1] - 1.0, ratios)


def _on_days(
    days: NDArray[np.datetime64], series: Sequence[tuple[NDArray[np.datetime64], Floats]]
) -> Floats:
    """Each series on common days, shape (days, series); NaN where it has no value above 0."""
    table = np.full((len(days), len(series)), np.nan)
    for column, (own, values) in enumerate(series):
        wanted = np.isin(own, days) & (values > 0)
        table[np.searchsorted(days, own[wanted]), column] = values[wanted]
    return table
