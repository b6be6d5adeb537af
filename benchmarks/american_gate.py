"""American options with a dividend yield: the error of random options, rates of every sign.

    python benchmarks/american_gate.py --options 5000 --seed 1

Spot 100, strikes from 50 to 200, vols from 3 % to 300 %, a day to three years, rates and yields
from -6 % to 12 %. The reference is QuantLib's engine of the same method in its scheme of high
precision; where two boundaries are, which it refuses, a binomial tree of 16,000 steps.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dollarbill_core.pricing import american
from tests.american_oracles import is_banded, market, quantlib_price, tree_price

STEPS = 16_000
GOAL = 1e-4


def told(name: str, options: NDArray[np.float64], expected: list[float]) -> float:
    """Prints how far our prices lie from the expected ones; the greatest distance."""
    off = american.price(*options) - np.array(expected)
    worst = int(np.abs(off).argmax())
    print(f"{name}: {off.size:,} options, max error {np.abs(off).max():.1e}, ", end="")
    print(f"rmse {np.sqrt(np.mean(off**2)):.1e}, {np.isnan(off).sum()} NaN")
    names = "right spot strike years rate vol dividend_yield".split()
    row = zip(names, options[:, worst], strict=True)
    print("  worst:", ", ".join(f"{name} {value:.6g}" for name, value in row))
    return float(np.abs(off).max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--options", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    options = market(given.options, given.seed)
    banded = is_banded(options)
    single, double = options[:, ~banded], options[:, banded]
    greatest = [told("QuantLib", single, [quantlib_price(each) for each in single.T])]
    if double.size:
        trees = [tree_price(*each, steps=STEPS) for each in double.T]
        greatest.append(told("tree, two boundaries", double, trees))
    print("met" if max(greatest) <= GOAL else "missed", f"the goal of {GOAL}")


if __name__ == "__main__":
    main()
