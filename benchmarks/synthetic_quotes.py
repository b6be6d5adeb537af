"""Option quotes by Black and Scholes in the shape of real ones, written through the store.

Nothing here is a market: spots walk by a seed, volatility smiles by a fixed rule, and bid and
ask lie a hundredth of the value, and a cent, apart. What is like the real thing is the shape:
every session, weekly and monthly expiries, both rights, and strikes around the spot that stay
from day to day.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dollarbill_core.pricing import black_scholes
from dollarbill_core.storage.schema import INSTANT, QUOTES, TICKS_PER_DOLLAR, price_array
from dollarbill_core.storage.store import Store
from dollarbill_core.values.calendars import monthly_expiries, sessions, weekly_expiries

RATE, YIELD, VOL = 0.03, 0.01, 0.20
DAYS_PER_YEAR = 365.0
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Underlying:
    """What is quoted: the root may differ from it; strikes are ``step`` dollars apart."""

    symbol: str
    root: str
    spot: float
    step: float
    weeklies: int
    monthlies: int
    strikes: int

    @property
    def rows_a_day(self) -> int:
        return 2 * self.strikes * (self.weeklies + self.monthlies)


def fill(store: Store, underlyings: list[Underlying], start: date, end: date) -> int:
    """Quotes of every session from ``start`` to ``end``, in one change a symbol; the rows."""
    rows = 0
    for number, underlying in enumerate(underlyings):
        with store.change(f"synthetic-{underlying.symbol}") as change:
            for table in tables(underlying, start, end, seed=number):
                change.add(QUOTES, underlying.symbol, table)
                rows += table.num_rows
            change.commit()
        print(f"  {underlying.symbol}: {rows:,} rows stored", flush=True)
    return rows


def tables(underlying: Underlying, start: date, end: date, seed: int) -> Iterator[pa.Table]:
    """The rows of each month."""
    rng = np.random.default_rng(seed)
    every = sessions(start, end)
    steps = rng.normal(0, VOL / np.sqrt(252), len(every))
    spots = np.round(underlying.spot * np.exp(np.cumsum(steps)), 2)
    months = np.array(every, "M8[M]")
    for month in np.unique(months):
        rows = np.flatnonzero(months == month)
        yield _table(underlying, [every[row] for row in rows], spots[rows], rng)


def _table(
    underlying: Underlying, days: list[date], spots: Floats, rng: np.random.Generator
) -> pa.Table:
    day, expiry, right, strike, spot = (
        np.concatenate(column)
        for column in zip(
            *(_grid(underlying, *each) for each in zip(days, spots, strict=True)), strict=True
        )
    )
    years = np.maximum((expiry - day).astype(int), 0.25) / DAYS_PER_YEAR
    vol = np.round(VOL + 0.1 * np.abs(np.log(strike / spot)) / np.sqrt(years + 0.05), 4)
    market = (right.astype(float), spot, strike, years, RATE, vol, YIELD)
    greeks = black_scholes.greeks(*market)
    cents = 100 * greeks.price
    bid, ask = np.floor(0.995 * cents) / 100, np.ceil(1.005 * cents + 1) / 100
    size = len(day)
    traded = rng.random(size) < 0.4
    columns = {
        "date": pa.array(day),
        "root": pa.repeat(underlying.root, size),
        "expiry": pa.array(expiry),
        "settlement": pa.repeat("PM", size),
        "right": pa.array(right),
        **{
            name: _prices(values)
            for name, values in {
                "strike": strike,
                "bid": bid,
                "ask": ask,
                "last": np.round(greeks.price, 2),
                "underlying": spot,
            }.items()
        },
        "bid_size": _wholes(rng.geometric(0.02, size)),
        "ask_size": _wholes(rng.geometric(0.02, size)),
        "volume": _wholes(np.where(traded, rng.lognormal(3, 2, size), 0)),
        "open_interest": _wholes(rng.lognormal(5, 2, size)),
        "vendor_vol": pa.array(vol),
        "vendor_delta": pa.array(np.round(greeks.delta, 4)),
        "source": pa.repeat("synthetic", size),
        "kind": pa.repeat("MODELLED", size),
        "quoted_at": pa.nulls(size, INSTANT),
        "underlying_at": pa.nulls(size, INSTANT),
    }
    return pa.table({name: columns[name] for name in QUOTES.schema.names}).cast(QUOTES.schema)


def _grid(underlying: Underlying, day: date, spot: float) -> tuple[NDArray[np.generic], ...]:
    """Every contract quoted on one day: expiry, right and strike rise in this order."""
    later = date(day.year + 2, 12, 31)
    weeklies = weekly_expiries(day, later)[: underlying.weeklies]
    monthlies = [each for each in monthly_expiries(day, later) if each > weeklies[-1]]
    expiries = np.array([*weeklies, *monthlies[: underlying.monthlies]], "M8[D]")
    centre = round(spot / underlying.step)
    places = centre - underlying.strikes // 2 + np.arange(underlying.strikes)
    axes = np.meshgrid(
        expiries, np.array([-1, 1], np.int8), places * underlying.step, indexing="ij"
    )
    expiry, right, strike = (axis.ravel() for axis in axes)
    size = len(expiry)
    return np.full(size, day, "M8[D]"), expiry, right, strike, np.full(size, spot)


def _prices(dollars: Floats) -> pa.Array:
    return price_array(np.rint(dollars * TICKS_PER_DOLLAR).astype(np.int32))


def _wholes(numbers: Floats) -> pa.Array:
    return pa.array(np.minimum(numbers, 1e6).astype(np.int32))
