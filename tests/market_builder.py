"""Small hand-made markets for tests: a few symbols, some sessions, chains by Black and Scholes.

Prices walk by a seed, quotes are widened by a stated spread, and single quotes can be spoiled.
Nothing here is a model of a market; it is a stage on which rules can be watched.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np

from dollarbill_core.market.carry import CashDividend
from dollarbill_core.market.chains import Chain, ChainDays
from dollarbill_core.market.view import Chains
from dollarbill_core.pricing import black_scholes
from dollarbill_core.rules.accounts import REG_T
from dollarbill_core.rules.costs import INTERACTIVE_BROKERS
from dollarbill_core.rules.fills import FillModel
from dollarbill_core.rules.limits import Limits
from dollarbill_core.strategies.day import House
from dollarbill_core.strategies.short_premium import ShortPremium
from dollarbill_core.values.calendars import (
    close_instant,
    expiry_instant,
    sessions,
    weekly_expiries,
    years_between,
)
from dollarbill_core.values.contracts import Option, Right
from dollarbill_core.values.provenance import Provenance, Quotes

FIRST_DAY = date(2026, 3, 2)
LAST_DAY = date(2026, 4, 13)  # thirty sessions, Good Friday among the days between
RATE, VOL = 0.03, 0.25
Spoil = Callable[[date, Chain], Chain]

HOUSE = House(REG_T, Limits(), INTERACTIVE_BROKERS, FillModel())


def daily_closes(days: int, *, start: float, seed: int, vol: float = VOL) -> np.ndarray:
    """A seeded walk of closing prices, rounded to the cent; shape (days,)."""
    steps = np.random.default_rng(seed).normal(0, vol / np.sqrt(252), days)
    return np.round(start * np.exp(np.cumsum(steps)), 2)


def chain_on(
    symbol: str, day: date, spot: float, *, root: str = "", spread: float = 0.10
) -> Chain:
    """Calls and puts on eleven strikes either side of the spot, at four weekly expiries.

    ``spread`` is dollars between bid and ask; where the price is too low for it, the bid is 0.
    """
    step = max(round(spot / 50), 1)
    centre = round(spot / step) * step
    strikes = centre + step * np.arange(-11, 12)
    expiries = weekly_expiries(day, date.fromordinal(day.toordinal() + 70))[::2][:5]
    rows = [(e, r, float(k)) for e in expiries for r in Right for k in strikes if k > 0]
    expiry, right, strike = (np.array(column) for column in zip(*rows, strict=True))
    now = close_instant(day)
    years = np.array([_years(root or symbol, now, each) for each in expiry.tolist()])
    greeks = black_scholes.greeks(right, spot, strike, years, RATE, VOL)
    mid = np.asarray(greeks.price)
    return Chain(
        symbol=symbol,
        as_of=now,
        spot=spot,
        quotes=Quotes.MODELLED,
        roots=(root or symbol,),
        root=np.zeros(len(rows), np.int8),
        expiry=expiry.astype("datetime64[D]"),
        right=right.astype(np.int8),
        strike=strike,
        bid=np.maximum(np.round(mid - spread / 2, 2), 0.0),
        ask=np.round(mid + spread / 2, 2),
        vol=np.full(len(rows), VOL),
        delta=np.asarray(greeks.delta),
    )


def _years(root: str, now: datetime, expiry: date) -> float:
    option = Option(root, expiry, Decimal(100), Right.PUT)
    return max(years_between(now, expiry_instant(option)), 0.0)


def made_chains(
    closes: Mapping[str, np.ndarray],
    *,
    first: date = FIRST_DAY,
    last: date = LAST_DAY,
    roots: Mapping[str, str] | None = None,
    dividends: Mapping[str, tuple[CashDividend, ...]] | None = None,
    spoil: Spoil = lambda day, chain: chain,
) -> Chains:
    """Chains of several symbols; ``closes`` holds one price for each session of each symbol.

    ``spoil`` may change a day's chain before anyone sees it, such as to cross a quote.
    """
    days = sessions(first, last)

    def chain_days(symbol: str, prices: np.ndarray) -> ChainDays:
        spot_on = dict(zip(days, prices.tolist(), strict=True))
        root = (roots or {}).get(symbol, symbol)
        return ChainDays(
            symbol=symbol,
            sessions=days,
            chain=lambda day: spoil(day, chain_on(symbol, day, spot_on[day], root=root)),
            days=np.array(days, "datetime64[D]"),
            closes=prices,
            vols=np.full(len(days), VOL),
        )

    return Chains(
        {symbol: chain_days(symbol, prices) for symbol, prices in closes.items()},
        Provenance("hand-made", Quotes.MODELLED, datetime(2026, 11, 21, tzinfo=UTC), "hand"),
        dividends or {},
    )


def three_symbols(seed: int = 7, **options: object) -> Chains:
    """AAA about 100, BBB about 250, and SPX about 600 with PM-settled SPXW options."""
    days = len(sessions(FIRST_DAY, LAST_DAY))
    closes = {
        "AAA": daily_closes(days, start=100, seed=seed),
        "BBB": daily_closes(days, start=250, seed=seed + 1, vol=0.5),
        "SPX": daily_closes(days, start=600, seed=seed + 2),
    }
    return made_chains(closes, roots={"SPX": "SPXW"}, **options)


def weekly_strangles(symbols: tuple[str, ...] = ("AAA", "BBB", "SPX")) -> ShortPremium:
    """Strangles that open on Mondays, live two weeks, and are sometimes held to expiry."""
    return ShortPremium(
        symbols, target_dte=14, exit_dte=0, profit_target=0.6, open_per_symbol=2
    )
