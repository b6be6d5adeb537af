"""Prices, Greeks and implied vols against the peers: ratios in alternating rounds.

    python benchmarks/pricing.py --options 1000000 --rounds 15 --market chain --seed 1

Every ratio is a peer's time over ours in the same round, the median with p10 and p90; one
thread for all. The error beside it is the greatest on a sample of the same options, against
mpmath with 40 digits: of prices in units of max(spot, strike), of Greeks on their natural
scale, of vols relative. `--only american` runs the contests whose names hold that word.
American options with cash dividends are measured at equal error by dividend_gate.py.
"""

import argparse
import warnings
from collections.abc import Callable
from typing import NamedTuple

import mpmath as mp
import numpy as np
import QuantLib as ql
from rounds import Contest, Floats, contest, report

from dollarbill_core.pricing import american, black_scholes
from dollarbill_core.pricing.implied_vol import implied_vol

PART = 2_000  # options that a peer with one call an option prices
SAMPLE = 300  # options whose error is measured
mp.mp.dps = 40


class Market(NamedTuple):
    """Options, one a row: what every pricing function takes."""

    right: Floats
    spot: Floats
    strike: Floats
    years: Floats
    rate: Floats
    vol: Floats
    dividend_yield: Floats

    def first(self, count: int) -> "Market":
        return Market(*(column[:count] for column in self))

    @property
    def flags(self) -> np.ndarray:
        return np.where(self.right > 0, "c", "p")


def drawn(kind: str, count: int, rng: np.random.Generator) -> Market:
    """``chain``: as listed, within 2.5 sd of the forward; ``wide``: up to 8 sd and 500 %."""
    longest, lowest, highest, sds = (1.0, 0.08, 0.8, 2.5)
    if kind == "wide":
        longest, lowest, highest, sds = (3.0, 0.01, 5.0, 8.0)
    years = rng.uniform(0.25 / 365, longest, count)
    vol = np.exp(rng.uniform(np.log(lowest), np.log(highest), count))
    rate, dividend_yield = rng.uniform(0.0, 0.06, count), rng.uniform(0.0, 0.03, count)
    spot = rng.uniform(50.0, 500.0, count)
    moneyness = rng.uniform(-sds, sds, count) * vol * np.sqrt(years)
    strike = spot * np.exp((rate - dividend_yield) * years + np.clip(moneyness, -2.3, 2.3))
    right = rng.choice([1.0, -1.0], count)
    return Market(right, spot, strike, years, rate, vol, dividend_yield)


# --- the oracle


def exact(row: tuple[float, ...]) -> dict[str, mp.mpf]:
    """Price and five Greeks of one option, with 40 digits."""
    right, spot, strike, years, rate, vol, dividend_yield = (mp.mpf(x) for x in row)
    held, owed = spot * mp.exp(-dividend_yield * years), strike * mp.exp(-rate * years)
    sd = vol * mp.sqrt(years)
    d1 = mp.log(held / owed) / sd + sd / 2
    inside, paid = mp.ncdf(right * d1), mp.ncdf(right * (d1 - sd))
    density = held * mp.npdf(d1)
    carry = dividend_yield * held * inside - rate * owed * paid
    return {
        "price": right * (held * inside - owed * paid),
        "delta": right * held * inside / spot,
        "gamma": density / (spot * spot * sd),
        "vega": density * mp.sqrt(years),
        "theta": right * carry - density * vol / (2 * mp.sqrt(years)),
        "rho": right * years * owed * paid,
    }


def natural_scales(m: Market) -> dict[str, Floats]:
    root = np.sqrt(m.years)
    drift = np.abs(m.rate) * m.strike + np.abs(m.dividend_yield) * m.spot
    return {
        "price": np.maximum(m.spot, m.strike),
        "delta": np.ones_like(m.spot),
        "gamma": 1.0 / (m.spot * m.vol * root),
        "vega": m.spot * root,
        "theta": m.spot * m.vol / root + drift,
        "rho": m.strike * m.years,
    }


def greatest_error(m: Market, found: dict[str, Floats]) -> str:
    """Of all that was found for the sample's options, on its natural scale."""
    sample = m.first(SAMPLE)
    truths = [exact(row) for row in zip(*(column.tolist() for column in sample), strict=True)]
    scales = natural_scales(sample)
    errors = [
        abs(float(mp.mpf(float(values[i])) - truth[name])) / scales[name][i]
        for name, values in found.items()
        for i, truth in enumerate(truths)
    ]
    return f"{max(errors):.1e}"


# --- the contests


def european_price(m: Market) -> tuple[Contest, dict[str, str], int]:
    from fast_vollib import fast_black_scholes_merton
    from vollib.black_scholes_merton import black_scholes_merton

    def fast(backend: str) -> Callable[[], Floats]:
        return lambda: fast_black_scholes_merton(
            flags, *m[1:], return_as="numpy", backend=backend
        )

    def one_by_one(part: Market) -> list[float]:
        columns = (column.tolist() for column in part[1:])
        rows = zip(part.flags.tolist(), *columns, strict=True)
        return [black_scholes_merton(*row) for row in rows]

    def quantlib(part: Market) -> list[float]:
        rows = zip(*(column.tolist() for column in part), strict=True)
        return [
            ql.blackFormula(int(w), k, s * np.exp((r - q) * t), v * t**0.5, np.exp(-r * t))
            for w, s, k, t, r, v, q in rows
        ]

    flags, part = m.flags, m.first(PART)
    calls = {
        "DollarBill": lambda: black_scholes.price(*m),
        "fast_vollib, numba": fast("numba"),
        "fast_vollib, numpy": fast("numpy"),
        "numpy and scipy's ndtr": lambda: numpy_price(m),
        f"vollib, {PART:,} of them": lambda: one_by_one(part),
        f"QuantLib, {PART:,} of them": lambda: quantlib(part),
    }
    errors = {
        name: greatest_error(m, {"price": np.asarray(call(), float)})
        for name, call in calls.items()
    }
    return raced(m, calls, errors)


def numpy_price(m: Market) -> Floats:
    """The formula as anybody writes it."""
    from scipy.special import ndtr

    sd = m.vol * np.sqrt(m.years)
    drift = (m.rate - m.dividend_yield + 0.5 * m.vol**2) * m.years
    d1 = (np.log(m.spot / m.strike) + drift) / sd
    held = m.spot * np.exp(-m.dividend_yield * m.years) * ndtr(m.right * d1)
    owed = m.strike * np.exp(-m.rate * m.years) * ndtr(m.right * (d1 - sd))
    return m.right * (held - owed)


def european_greeks(m: Market) -> tuple[Contest, dict[str, str], int]:
    from fast_vollib import fast_black_scholes_merton, get_all_greeks

    flags = m.flags
    model = {"model": "black_scholes_merton", "return_as": "dict", "backend": "numba"}

    def five_alone() -> dict[str, Floats]:
        return dict(get_all_greeks(flags, *m[1:], **model))

    def five_and_price() -> dict[str, Floats]:
        price = fast_black_scholes_merton(flags, *m[1:], return_as="numpy", backend="numba")
        return {"price": price} | five_alone()

    def ours() -> dict[str, Floats]:
        found = black_scholes.greeks(*m)
        return {name: getattr(found, name) for name in natural_scales(m)}

    calls = {
        "DollarBill, price and eight Greeks": lambda: black_scholes.greeks(*m),
        "fast_vollib, price and five": five_and_price,
        "fast_vollib, five without the price": five_alone,
    }
    theirs = five_and_price()
    theirs["theta"], theirs["vega"] = theirs["theta"] * 365, theirs["vega"] * 100
    theirs["rho"] = theirs["rho"] * 100
    errors = {
        "DollarBill, price and eight Greeks": greatest_error(m, ours()),
        "fast_vollib, price and five": greatest_error(m, theirs),
    }
    return raced(m, calls, errors)


def implied_vols(m: Market) -> tuple[Contest, dict[str, str], int]:
    from fast_vollib import fast_implied_volatility
    from fast_vollib.jackel.jackel_iv import jackel_iv_black
    from vollib.black_scholes_merton.implied_volatility import implied_volatility

    prices = np.asarray(black_scholes.price(*m))
    known = np.isfinite(implied_vol(m.right, prices, *m[1:5], m.dividend_yield))
    m, prices = Market(*(column[known] for column in m)), prices[known]
    growth = np.exp(m.rate * m.years)
    forward = m.spot * np.exp((m.rate - m.dividend_yield) * m.years)
    flags, is_call, part = m.flags, m.right > 0, m.first(PART)
    default = {"model": "black_scholes_merton", "return_as": "numpy", "on_error": "ignore"}

    def one_by_one() -> list[float]:
        columns = (part.spot, part.strike, part.years, part.rate, part.dividend_yield)
        rows = zip(
            prices[:PART].tolist(), *(c.tolist() for c in columns), part.flags, strict=True
        )
        return [_or_nan(implied_volatility, row) for row in rows]

    calls: dict[str, Callable[[], object]] = {
        "DollarBill": lambda: implied_vol(m.right, prices, *m[1:5], m.dividend_yield),
        "fast_vollib, Jaeckel": lambda: jackel_iv_black(
            prices * growth, forward, m.strike, m.years, is_call
        ),
        "fast_vollib, its default": lambda: fast_implied_volatility(
            prices, *m[1:5], flags, m.dividend_yield, **default
        ),
        f"vollib, {PART:,} of them": one_by_one,
    }
    errors = {name: vol_error(m, prices, np.asarray(call())) for name, call in calls.items()}
    return raced(m, calls, errors)


def _or_nan(solve: Callable[..., float], row: tuple[object, ...]) -> float:
    try:
        return solve(*row)
    except Exception:  # vollib raises its own kinds below and above its bounds
        return float("nan")


def vol_error(m: Market, prices: Floats, found: Floats) -> str:
    """Greatest relative distance from the vol that explains the very price, and what failed.

    One step of Newton's method with 40 digits from what was drawn: the drawn vol made the
    price, so it is off by that price's rounding alone.
    """
    worst, failed = 0.0, 0
    for i, row in enumerate(zip(*(column.tolist() for column in m.first(SAMPLE)), strict=True)):
        truth = exact(row)
        vol = mp.mpf(row[5]) + (mp.mpf(float(prices[i])) - truth["price"]) / truth["vega"]
        if np.isfinite(found[i]):
            worst = max(worst, abs(float(mp.mpf(float(found[i])) / vol - 1)))
        else:
            failed += 1
    return f"{worst:.1e}" + (f", {failed} of {SAMPLE} failed" if failed else "")


def american_one_pair(m: Market) -> tuple[Contest, dict[str, str], int]:
    """3,000 options of one rate and yield: the table is solved in the call."""
    part = m.first(3_000)
    one = np.ones(len(part.spot))
    part = part._replace(rate=0.04 * one, dividend_yield=0.015 * one)
    return american_contest(part)


def american_many_pairs(m: Market) -> tuple[Contest, dict[str, str], int]:
    """20 expiries, each with its own rate, 150 options each: a chain as it is."""
    part = m.first(3_000)
    expiry = np.arange(3_000) % 20
    years, rate = np.linspace(0.02, 1.0, 20)[expiry], np.linspace(0.03, 0.05, 20)[expiry]
    part = part._replace(years=years, rate=rate, dividend_yield=np.full(3_000, 0.015))
    return american_contest(part)


def american_table_stands(m: Market) -> tuple[Contest, dict[str, str], int]:
    """So many options of one pair that the table's share of the time vanishes."""
    part = m.first(200_000)
    one = np.ones(len(part.spot))
    part = part._replace(rate=0.04 * one, dividend_yield=0.015 * one)
    return american_contest(part)


def american_contest(m: Market) -> tuple[Contest, dict[str, str], int]:
    part = m.first(min(PART, len(m.spot)))
    fast = quantlib_americans(part, ql.QdFpAmericanEngine.fastScheme())
    truth = quantlib_americans(part, ql.QdFpAmericanEngine.highPrecisionScheme())
    exact_prices = np.array([option.NPV() for option in truth])

    def net_of_objects() -> Floats:
        for option in fast:
            option.recalculate()
        return np.array([option.NPV() for option in fast])

    calls = {
        "DollarBill": lambda: american.price(*m),
        "QuantLib QdFp, fast scheme": net_of_objects,
    }
    ours = np.asarray(american.price(*part))
    errors = {
        name: f"{np.max(np.abs(found - exact_prices) / part.spot):.1e} of spot"
        for name, found in (
            ("DollarBill", ours),
            ("QuantLib QdFp, fast scheme", net_of_objects()),
        )
    }
    counts = {"QuantLib QdFp, fast scheme": len(part.spot)}
    return raced(m, calls, errors, counts)


def quantlib_americans(m: Market, scheme: object) -> list[ql.VanillaOption]:
    """Options ready to be priced: making the objects is not counted."""
    day_count, today = ql.SimpleDayCounter(), ql.Date(1, 1, 2024)
    ql.Settings.instance().evaluationDate = today
    made = []
    for right, spot, strike, years, rate, vol, dividend_yield in zip(
        *(column.tolist() for column in m), strict=True
    ):
        # QuantLib counts whole days: one day stands for the years, all rates are scaled to it.
        scale = years * 360.0 / 1.0
        quote = ql.QuoteHandle(ql.SimpleQuote(spot))
        rates = [
            ql.YieldTermStructureHandle(ql.FlatForward(today, x * scale, day_count))
            for x in (dividend_yield, rate)
        ]
        smile = ql.BlackVolTermStructureHandle(
            ql.BlackConstantVol(today, ql.NullCalendar(), vol * scale**0.5, day_count)
        )
        kind = ql.Option.Call if right > 0 else ql.Option.Put
        option = ql.VanillaOption(
            ql.PlainVanillaPayoff(kind, strike), ql.AmericanExercise(today, today + 1)
        )
        process = ql.BlackScholesMertonProcess(quote, *rates, smile)
        option.setPricingEngine(ql.QdFpAmericanEngine(process, scheme))
        made.append(option)
    return made


def raced(
    m: Market,
    calls: dict[str, Callable[[], object]],
    errors: dict[str, str],
    counts: dict[str, int] | None = None,
) -> tuple[Contest, dict[str, str], int]:
    count = len(m.spot)
    priced = {name: PART if "of them" in name else count for name in calls} | (counts or {})
    entries = {name: (call, priced[name]) for name, call in calls.items()}
    return contest(count, ROUNDS, entries), errors, count


CONTESTS = {
    "European price": european_price,
    "European Greeks": european_greeks,
    "implied vol": implied_vols,
    "American, 3,000 options of one rate and yield, table included": american_one_pair,
    "American, 20 expiries of 20 rates, tables included": american_many_pairs,
    "American, table standing": american_table_stands,
}
ROUNDS = 15


def main() -> None:
    global ROUNDS
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--options", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--market", choices=("chain", "wide"), default="chain")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="a word of the contests to run")
    given = parser.parse_args()
    ROUNDS = given.rounds
    market = drawn(given.market, given.options, np.random.default_rng(given.seed))
    for title, run in CONTESTS.items():
        if given.only.lower() in title.lower():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of the peers, about their own bad lanes
                result, errors, _ = run(market)
            report(title, result, errors)


if __name__ == "__main__":
    main()
