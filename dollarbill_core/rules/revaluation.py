"""A book repriced at other spots, vols and dates: each option by its own implied vol and style.

A scenario is a factor on each underlying's spot, a change of vol and a step in time. Options on
stocks and ETFs are American, those on indices European; each keeps the implied vol of its mark
(sticky strike), its rate and its dividend yield. Cash dividends enter through the yield alone.
"""

from dataclasses import dataclass
from enum import IntEnum
from types import ModuleType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dollarbill_core.market.chains import NoQuote
from dollarbill_core.market.view import View
from dollarbill_core.pricing import american, black_scholes, implied_vol
from dollarbill_core.pricing.black_scholes import FirstGreeks
from dollarbill_core.pricing.machine_code import Floats
from dollarbill_core.values.book import Book, Position
from dollarbill_core.values.calendars import expiry_instant, years_between
from dollarbill_core.values.contracts import Instrument, Option

LEAST_VOL, MOST_VOL = 0.005, 5.0  # per year: what `american.implied_vol` searches
HALF_CENT = 0.005  # dollars per share: a mark in cents says no more about a time value

# Options on these are priced off the future to their own expiry; the index itself is no asset.
# Source: Cboe, "VIX Options" product specification, read 2026-11.
PRICED_OFF_A_FORWARD = frozenset({"VIX"})

_GREEKS = FirstGreeks.__slots__
Rows = NDArray[np.intp]
Booleans = NDArray[np.bool_]


class VolFrom(IntEnum):
    """Where the vol that an option is repriced with was read."""

    MARK = 0  # it explains the mark
    HALF_CENT = 1  # none explains the mark: that of the least price and half a cent on it
    LIMIT = 2  # nor does that: the least or greatest vol, whichever comes nearer the mark
    STOCK = 3  # a share has none


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """What a book holds, as arrays; entry i of an array is position i.

    Attributes
    ----------
    positions, underlyings, on
        The positions; the symbols they are on, sorted; the number in ``underlyings`` of each.
    spots
        Dollars per share of each underlying, shape (underlyings,); all others (positions,).
    units, mark
        Signed quantity x multiplier; dollars per share now.
    right, strike, years, rate, dividend_yield
        As `black_scholes.price` takes them; right and strike of a share are 0.
    vol, vol_from
        Annual vol that each option keeps, NaN for a share, and its `VolFrom`.
    is_european
        Whether an option is exercised at its expiry alone.
    """

    positions: tuple[Position, ...]
    underlyings: tuple[str, ...]
    on: Rows
    spots: Floats
    units: Floats
    mark: Floats
    right: Floats
    strike: Floats
    years: Floats
    rate: Floats
    dividend_yield: Floats
    vol: Floats
    vol_from: NDArray[np.int8]
    is_european: Booleans

    @property
    def unexplained(self) -> tuple[Option, ...]:
        """Options whose mark no vol explains, so that their vol is a stand-in."""
        odd = (self.vol_from == VolFrom.HALF_CENT) | (self.vol_from == VolFrom.LIMIT)
        found = (self.positions[i].instrument for i in np.flatnonzero(odd))
        return tuple(each for each in found if isinstance(each, Option))

    @property
    def value(self) -> Floats:
        """Dollars that each position is worth now, negative for a short."""
        return self.units * self.mark

    def marks(
        self,
        spot_factors: ArrayLike,
        *,
        vol_factor: ArrayLike = 1.0,
        vol_points: ArrayLike = 0.0,
        years_on: ArrayLike = 0.0,
    ) -> Floats:
        """Dollars per share of every position in every scenario, shape (scenarios, positions).

        The mark, moved by as much as the model moves; nothing is worth less than nothing. With
        nothing changed that is the mark itself, to the last digit. Once settled, an option is
        worth what it pays, whatever its mark was.

        Parameters
        ----------
        spot_factors
            Multiples of the spots, not negative: shape (scenarios,) for all underlyings alike,
            or (scenarios, underlyings) in the order of ``underlyings``.
        vol_factor, vol_points
            New vol = vol x factor + points (0.10 is ten points), of the same shapes or one
            number. A vol does not fall below `LEAST_VOL`, or below itself where it is less.
        years_on
            Time that passes first, not negative. What settles within it is worth its intrinsic
            value at the scenario's spot.

        Raises
        ------
        ValueError
            If a factor is negative or not finite, or a shape does not fit.
        """
        factors = self._spread("spot_factors", spot_factors)
        times = self._spread("vol_factor", vol_factor)
        passed = self._spread("years_on", years_on)
        vols = self.vol * times + self._spread("vol_points", vol_points, least=-np.inf)
        vols = np.maximum(vols, np.fmin(self.vol, LEAST_VOL))
        spots, years = self.spots[self.on], np.maximum(self.years - passed, 0.0)
        shape = np.broadcast_shapes(factors.shape, vols.shape, years.shape)
        new, vols, years = (np.broadcast_to(x, shape) for x in (factors * spots, vols, years))
        moved = new - spots
        for rows, style in self._by_style():
            then = new[:, rows], years[:, rows], vols[:, rows]
            moved[:, rows] = self._moves(rows, style, *then)
        is_over = (self.right != 0) & (passed > 0) & (self.years <= passed)
        moved = np.where(is_over, self.right * (new - self.strike) - self.mark, moved)
        return np.maximum(self.mark + moved, 0.0)

    def profits(
        self,
        spot_factors: ArrayLike,
        *,
        vol_factor: ArrayLike = 1.0,
        vol_points: ArrayLike = 0.0,
        years_on: ArrayLike = 0.0,
    ) -> Floats:
        """Dollars gained on the mark, shape (scenarios, positions); parameters as `marks`.

        Examples
        --------
        A hundred shares at 600 that lose a tenth lose 6,000 dollars.

        >>> from datetime import UTC, datetime
        >>> from decimal import Decimal
        >>> from dollarbill_core.values.contracts import Stock
        >>> view = View(datetime(2026, 11, 2, 21, tzinfo=UTC), {"SPY": Decimal(600)})
        >>> shares = held(Book(positions=(Position(Stock("SPY"), 100),)), view)
        >>> [float(dollars) for dollars in shares.profits([1.0, 0.9]).sum(axis=1)]
        [0.0, -6000.0]
        """
        new = self.marks(
            spot_factors, vol_factor=vol_factor, vol_points=vol_points, years_on=years_on
        )
        return self.units * (new - self.mark) + 0.0  # no minus zero

    def greeks(self) -> FirstGreeks:
        """Dollars and their derivatives of each position: its units x those of a share.

        Shape (positions,) each. ``price`` is the model's value of the position; a share has a
        delta of 1 and no more.
        """
        found = np.zeros((len(_GREEKS), len(self.on)))
        found[0], found[1] = self.spots[self.on], 1.0
        for rows, style in self._by_style():
            right, strike, rate, paid = self._terms(rows)
            spot, years, vol = self.spots[self.on[rows]], self.years[rows], self.vol[rows]
            each = style.greeks(right, spot, strike, years, rate, vol, paid)
            found[:, rows] = [getattr(each, name) for name in _GREEKS]
        return FirstGreeks(*(self.units * row for row in found))

    def _moves(
        self, rows: Rows, style: ModuleType, spots: Floats, years: Floats, vols: Floats
    ) -> Floats:
        """Change of the model's price per share; the price now comes from the same call."""
        right, strike, rate, paid = self._terms(rows)
        spots = np.vstack([self.spots[self.on[rows]], spots])
        years = np.vstack([self.years[rows], years])
        vols = np.vstack([self.vol[rows], vols])
        prices = style.price(right, spots, strike, years, rate, vols, paid)
        moves: Floats = prices[1:] - prices[0]
        return moves

    def _terms(self, rows: Rows) -> tuple[Floats, Floats, Floats, Floats]:
        terms = self.right, self.strike, self.rate, self.dividend_yield
        right, strike, rate, paid = (each[rows] for each in terms)
        return right, strike, rate, paid

    def _by_style(self) -> tuple[tuple[Rows, ModuleType], ...]:
        """The options' rows with the module that prices them, styles that are held alone."""
        return _styles(self.right != 0, self.is_european)

    def _spread(self, name: str, given: ArrayLike, least: float = 0.0) -> Floats:
        """A column for all positions, or one number per position: shape (scenarios, ...)."""
        values = np.asarray(given, dtype=np.float64)
        if not (np.isfinite(values) & (values >= least)).all():
            bound = "" if least else " and not negative"
            raise ValueError(f"{name} must be finite{bound}, got {given!r}")
        if values.ndim < 2:
            return values.reshape(-1, 1)
        if values.shape[1:] != self.spots.shape:
            asked = f"(scenarios, {len(self.spots)}) for {', '.join(self.underlyings)}"
            raise ValueError(f"{name} must have shape {asked}, got {values.shape}")
        return values[:, self.on]


def held(book: Book, view: View) -> Held:
    """A book's positions as arrays, each option with the implied vol of its mark.

    Where no vol explains a mark (at or below what exercise brings, above what the option can
    be worth), the option takes the vol of the least price it can have and half a cent, since a
    mark in cents says no more; where that has none either, the least or the greatest vol. Such
    options stand in ``unexplained``. An option that settles now is worth its intrinsic value.

    Raises
    ------
    NoQuote
        A position without a mark, an underlying without a price; an option on the VIX, because
        it follows the future of its own expiry, whose price a view does not hold.
    ValueError
        An expired option, a non-standard deliverable, a mark or a spot without meaning.

    Examples
    --------
    A 600 put with the stock at 600 and no interest: 23.92 = 600 (2 N(s / 2) - 1) gives
    ``s = 0.1`` and over a quarter of a year a vol of 0.2.

    >>> from datetime import timedelta
    >>> from decimal import Decimal
    >>> put = Option.from_occ("SPY261218P00600000")
    >>> now = expiry_instant(put) - timedelta(days=91.25)
    >>> view = View(now, {"SPY": Decimal(600)}, {put: Decimal("23.927")})
    >>> sold = held(Book(positions=(Position(put, -1),)), view)
    >>> round(float(sold.vol[0]), 3)
    0.2
    """
    positions = book.positions
    underlyings = tuple(sorted({p.instrument.underlying for p in positions}))
    spots = np.array([_spot(symbol, view) for symbol in underlyings], dtype=np.float64)
    on = np.array(
        [underlyings.index(p.instrument.underlying) for p in positions], dtype=np.intp
    )
    mark = np.array([_mark(p.instrument, view) for p in positions], dtype=np.float64)
    rows = [_option_terms(p.instrument, view) for p in positions]
    right, strike, years, rate, paid, european = (
        np.array(rows, dtype=np.float64).reshape(-1, 6).T
    )
    market = right, mark, spots[on], strike, years, rate, paid
    vol, vol_from = _vols(market, european > 0)
    units = [p.quantity * p.instrument.multiplier for p in positions]
    return Held(
        positions, underlyings, on, spots, np.array(units, dtype=np.float64), mark,
        right, strike, years, rate, paid, vol, vol_from, european > 0,
    )  # fmt: skip


def _option_terms(instrument: Instrument, view: View) -> tuple[float, ...]:
    """Right, strike, years, rate, dividend yield and 1 if European; noughts for a share."""
    if not isinstance(instrument, Option):
        return (0.0,) * 6
    if instrument.underlying in PRICED_OFF_A_FORWARD:
        reason = "follows the future of its own expiry, whose price this view does not hold"
        raise NoQuote(f"{instrument} {reason}: value it apart")
    if instrument.is_adjusted:
        raise ValueError(f"{instrument} has a non-standard deliverable: value it by hand")
    years = years_between(view.now, expiry_instant(instrument))
    if years < 0:
        raise ValueError(f"{instrument} has expired at {view.now:%Y-%m-%d %H:%M %Z}: settle it")
    paid = view.dividend_yields.get(instrument.underlying, 0.0)
    rate = view.rates.continuous(years)
    terms = float(instrument.strike), years, rate, paid, float(instrument.is_european)
    return float(instrument.right), *terms


def _spot(symbol: str, view: View) -> float:
    spot = float(view.spot(symbol))
    if not 0 < spot < np.inf:
        raise ValueError(f"{symbol}: the spot must be positive, got {spot}")
    return spot


def _mark(instrument: Instrument, view: View) -> float:
    try:
        mark = float(view.mark(instrument))
    except NoQuote as error:
        raise NoQuote(f"{instrument} has no mark: {error}") from error
    if not 0 <= mark < np.inf:
        raise ValueError(f"{instrument}: the mark must not be negative, got {mark}")
    return mark


def _vols(market: tuple[Floats, ...], european: Booleans) -> tuple[Floats, NDArray[np.int8]]:
    """The vol of each mark and its `VolFrom`, from right, mark, spot, strike, years, carry."""
    is_option = market[0] != 0
    vol = np.full(is_option.shape, np.nan)
    found = np.where(is_option, VolFrom.MARK, VolFrom.STOCK).astype(np.int8)
    for rows, style in _styles(is_option, european):
        vol[rows] = _implied(style, *(each[rows] for each in market))
        odd = rows[np.isnan(vol[rows])]
        if odd.size:
            vol[odd], found[odd] = _stand_ins(style, *(each[odd] for each in market))
    return vol, found


def _stand_ins(
    style: ModuleType, right: Floats, mark: Floats, *rest: Floats
) -> tuple[Floats, NDArray[np.int8]]:
    spot, strike, years, rate, paid = rest

    def price(vol: float) -> Floats:
        priced: Floats = style.price(right, spot, strike, years, rate, vol, paid)
        return priced

    vol = _implied(style, right, np.maximum(mark, price(0.0) + HALF_CENT), *rest)
    is_nearer_least = np.abs(mark - price(LEAST_VOL)) <= np.abs(mark - price(MOST_VOL))
    limit = np.where(is_nearer_least, LEAST_VOL, MOST_VOL)
    none = np.isnan(vol)
    source = np.where(none, VolFrom.LIMIT, VolFrom.HALF_CENT).astype(np.int8)
    return np.where(none, limit, vol), source


def _implied(style: ModuleType, right: Floats, mark: Floats, *rest: Floats) -> Floats:
    spot, strike, years, rate, paid = rest
    inverse = american if style is american else implied_vol
    vol: Floats = inverse.implied_vol(right, mark, spot, strike, years, rate, paid)
    return vol


def _styles(is_option: Booleans, european: Booleans) -> tuple[tuple[Rows, ModuleType], ...]:
    chosen = (
        (np.flatnonzero(is_option & ~european), american),
        (np.flatnonzero(is_option & european), black_scholes),
    )
    return tuple((rows, style) for rows, style in chosen if rows.size)
