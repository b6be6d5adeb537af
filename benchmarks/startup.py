"""What a fresh process pays for its first price, over importing numpy; caches warm.

    python benchmarks/startup.py --rounds 15

Each line starts processes in turn with one that only imports numpy, and prints the median of
the differences. The first process of all compiles what is not in the cache, and is not counted.
"""

import argparse
import subprocess
import sys
import time

import numpy as np

ALONE = "import numpy"
FIRST_CALLS = {
    "European price": "from dollarbill_core.pricing import black_scholes as b; b.price({})",
    "Greeks": "from dollarbill_core.pricing import black_scholes as b; b.greeks({})",
    "implied vol": "from dollarbill_core.pricing import implied_vol as i; i.implied_vol("
    "1, 7.0, 100.0, 100.0, 0.5, 0.03, 0.01)",
    "American price": "from dollarbill_core.pricing import american as a; a.price({})",
    "American, cash dividends": "from dollarbill_core.pricing import american as a; "
    "a.price({}, dividends=((0.2, 1.0),))",
    "importing numba, for comparison": "import numba",
}
MARKET = "1, 100.0, 105.0, 0.5, 0.03, 0.2, 0.01"


def seconds(code: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    print(f"{'first call, seconds over importing numpy':44}{'median':>8}   p10, p90")
    for name, call in FIRST_CALLS.items():
        code = f"{ALONE}; {call.format(MARKET)}"
        seconds(code)
        over = [seconds(code) - seconds(ALONE) for _ in range(rounds)]
        low, middle, high = np.percentile(over, [10, 50, 90])
        print(f"{name:44}{middle:8.3f}   {low:.3f}, {high:.3f}")


if __name__ == "__main__":
    main()
