"""American options with cash dividends: accuracy, and speed against QuantLib at equal error.

    python benchmarks/dividend_gate.py --options 300 --seed 1

The reference is our own grid, four times as fine in stock and six in time; QuantLib's grid of
2000 x 2000 in the same model is printed beside it for some. Three ways to ask: options one at a
time, each with dividends of its own; chains of 8 and of 30 that share dividends and expiry.
QuantLib's grid at equal error is the cheapest of those tried, steps a quarter of the nodes to
as many, whose error, root mean square or greatest, is not above ours on the same options.
One thread each; medians of ratios in alternating rounds with p10 and p90.
"""

import argparse
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import QuantLib as ql
from rounds import Floats, contest, report

from dollarbill_core.pricing import grid

FINE = {"nodes": 4 * grid.NODES, "steps": 6 * grid.STEPS}
SIZES = (100, 141, 200, 283, 400, 566, 800, 1131)
TRIED = 100  # options on which QuantLib's grids are tried
TIMED = 8  # options that QuantLib prices in a round


class Option(NamedTuple):
    right: float
    spot: float
    strike: float
    years: float
    rate: float
    vol: float
    dividend_yield: float
    dividends: tuple[tuple[float, float], ...]


Range = tuple[float, float]


class Set(NamedTuple):
    """Ranges from which options are drawn; days on a logarithmic scale, vol too if wide."""

    days: Range = (7, 730)
    vol: Range = (0.1, 1.0)
    strike: Range = (70.0, 130.0)
    rate: Range = (-0.01, 0.08)
    dividend_yield: Range = (0.0, 0.0)
    counts: Range = (1, 8)
    dollars: Range = (0.1, 2.0)


STRESS = Set(
    (1, 1095), (0.03, 3.0), (40.0, 250.0), (-0.05, 0.12), (-0.02, 0.05), (0, 12), (0, 5)
)


def drawn(kind: Set, count: int, together: int, rng: np.random.Generator) -> list[Option]:
    """Options, each run of ``together`` with one expiry, rate, yield and set of dividends."""
    options: list[Option] = []
    while len(options) < count:
        days = round(np.exp(rng.uniform(*np.log(kind.days))))
        many = min(int(rng.integers(kind.counts[0], kind.counts[1] + 1)), days - 1)
        times = np.sort(rng.choice(np.arange(1, max(days, 2)), many, replace=False)) / 365
        dividends = tuple((float(time), rng.uniform(*kind.dollars)) for time in times)
        rate, dividend_yield = rng.uniform(*kind.rate), rng.uniform(*kind.dividend_yield)
        for _ in range(together):
            vol, strike = np.exp(rng.uniform(*np.log(kind.vol))), rng.uniform(*kind.strike)
            terms = (strike, days / 365, rate, vol, dividend_yield, dividends)
            options.append(Option(float(rng.choice([1, -1])), 100.0, *terms))
    return options[:count]


def priced(options: Sequence[Option], together: int, **fineness: int) -> Floats:
    """Our prices, ``together`` at a time."""
    prices = []
    for start in range(0, len(options), together):
        chain = options[start : start + together]
        columns = (np.array(column) for column in list(zip(*chain, strict=True))[:-1])
        prices.append(grid.american(*columns, chain[0].dividends, **fineness).price)
    return np.concatenate(prices)


def quantlib_price(option: Option, steps: int, nodes: int) -> float:
    today = ql.Date(2, 1, 2024)
    ql.Settings.instance().evaluationDate = today
    days = ql.Actual365Fixed()
    spot = ql.QuoteHandle(ql.SimpleQuote(option.spot))
    carry, rate = (
        ql.YieldTermStructureHandle(ql.FlatForward(today, each, days))
        for each in (option.dividend_yield, option.rate)
    )
    vol = ql.BlackConstantVol(today, ql.NullCalendar(), option.vol, days)
    vol = ql.BlackVolTermStructureHandle(vol)
    process = ql.BlackScholesMertonProcess(spot, carry, rate, vol)
    dividends = [
        ql.FixedDividend(dollars, today + round(time * 365))
        for time, dollars in option.dividends
    ]
    schedule = ql.DividendSchedule(dividends)
    model = ql.FdBlackScholesVanillaEngine.Spot
    scheme = (ql.FdmSchemeDesc.Douglas(), False, 1e-9, model)
    right = ql.Option.Call if option.right > 0 else ql.Option.Put
    payoff = ql.PlainVanillaPayoff(right, option.strike)
    expiry = ql.AmericanExercise(today, today + round(option.years * 365))
    contract = ql.VanillaOption(payoff, expiry)
    contract.setPricingEngine(
        ql.FdBlackScholesVanillaEngine(process, schedule, steps, nodes, 0, *scheme)
    )
    return float(contract.NPV())


def error(found: Floats, reference: Floats) -> tuple[float, float]:
    """Root mean square and greatest, dollars."""
    off = np.abs(found - reference)
    return float(np.sqrt(np.mean(off * off))), float(off.max())


def told(off: tuple[float, float]) -> str:
    return f"rms {off[0]:.1e}, greatest {off[1]:.1e}"


def equal_grids(
    options: list[Option], reference: Floats
) -> list[tuple[tuple[int, int], tuple]]:
    """QuantLib's grids, cheapest first, with their errors."""
    shapes = [(nodes // part, nodes) for nodes in SIZES for part in (4, 2, 1)]
    shapes = sorted(shapes, key=lambda shape: shape[0] * shape[1])
    return [
        (shape, error(np.array([quantlib_price(each, *shape) for each in options]), reference))
        for shape in shapes
    ]


def race(title: str, options: list[Option], together: int, tried: list, off: tuple) -> None:
    part = options[:TIMED]
    calls: dict[str, tuple[Callable[[], object], int]] = {
        "DollarBill": (lambda: priced(options, together), len(options))
    }
    errors = {"DollarBill": told(off)}
    for measure, name in enumerate(("rms", "greatest")):
        fits = [(shape, its) for shape, its in tried if its[measure] <= off[measure]]
        shape, its = fits[0] if fits else tried[-1]
        label = f"QuantLib {shape[0]} x {shape[1]}, equal {name}"
        label += "" if fits else ", not reached"
        calls[label] = (lambda s=shape: [quantlib_price(each, *s) for each in part], TIMED)
        errors[label] = told(its)
    report(title, contest(len(options), 7, calls), errors)


def measured(kind: Set, count: int, seed: int, together: int) -> tuple[list[Option], Floats]:
    options = drawn(kind, count, together, np.random.default_rng(seed))
    return options, priced(options, together, **FINE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--options", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    for together in (1, 8, 30):
        options, reference = measured(Set(), given.options, given.seed, together)
        found = priced(options, together)
        off = error(found, reference)
        print(f"\nat most {together} together: {told(off)}")
        theirs = np.array([quantlib_price(each, 2000, 2000) for each in options[:12]])
        close = error(theirs, reference[:12])
        print(f"QuantLib 2000 x 2000 against the reference: {told(close)}")
        every = slice(None, None, max(1, given.options // TRIED))
        tried = equal_grids(options[every], reference[every])
        same = error(found[every], reference[every])
        race(f"{together} together", options, together, tried, same)
    options, reference = measured(STRESS, given.options, given.seed, 1)
    found = priced(options, 1)
    middle, most = np.percentile(np.abs(found - reference), [50, 99])
    print(f"\nstress: {told(error(found, reference))}, median {middle:.1e}, p99 {most:.1e}")
    for worst in np.argsort(-np.abs(found - reference))[:3]:
        print(f"  {found[worst] - reference[worst]:+.1e}  {options[worst]}")


if __name__ == "__main__":
    main()
