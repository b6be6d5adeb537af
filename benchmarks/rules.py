"""The margin of books: time a call, beside SciPy's HiGHS on the same programme, and growth.

    python benchmarks/rules.py --rounds 15 --books 30 --seed 1

A contestant's call is `requirement(book, view, account)` with no reason rendered. HiGHS is
given the programme that ours has built, in the same round, and is to find the same total. One
thread for all. `--only mixed` runs the contests whose names hold that word.
"""

import argparse
import random
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from time import perf_counter

import numpy as np
from rounds import Floats, contest

from dollarbill_core.market.view import View
from dollarbill_core.rules import grouping, margin_kernels
from dollarbill_core.rules.accounts import REG_T
from dollarbill_core.rules.margin import requirement
from dollarbill_core.values.book import Book, Position
from dollarbill_core.values.contracts import Instrument, Option, Right, Stock

NOW = datetime(2026, 11, 2, 21, tzinfo=UTC)
EXPIRIES = tuple(date(2026 + m // 12, m % 12 + 1, 18) for m in range(11, 17))
SPOT = Decimal("100.37")
Case = tuple[Book, View]


def priced(legs: dict[Option, int], rng: random.Random, shares: int = 0) -> Case:
    """A book of legs, each marked a little above its intrinsic value."""
    marks: dict[Instrument, Decimal] = {
        x: x.intrinsic(SPOT) + Decimal(rng.randint(1, 900)) / 100 for x in legs
    }
    held = [Position(x, n, 100 * n * marks[x]) for x, n in legs.items()]
    if shares:
        held.append(Position(Stock("XYZ"), shares))
    return Book(Decimal(100_000), tuple(held)), View(NOW, {"XYZ": SPOT}, marks)


def condor(rng: random.Random) -> Case:
    """Four legs of one expiry."""
    strikes = (85 + rng.randint(0, 5), 95, 105, 110 + rng.randint(0, 5))
    rights, sizes = (Right.PUT, Right.PUT, Right.CALL, Right.CALL), (1, -1, -1, 1)
    three = zip(rights, strikes, sizes, strict=True)
    legs = {Option("XYZ", EXPIRIES[0], Decimal(k), right): n for right, k, n in three}
    return priced(legs, rng)


def mixed(rng: random.Random, count: int, lots: int, expiries: int, shares: int = 0) -> Case:
    """Legs of both rights and signs at random strikes and expiries."""
    legs: dict[Option, int] = {}
    while len(legs) < count:
        strike = Decimal(5 * rng.randint(14, 26))
        right = rng.choice((Right.CALL, Right.PUT))
        option = Option("XYZ", rng.choice(EXPIRIES[:expiries]), strike, right)
        legs[option] = rng.choice((-1, 1)) * rng.randint(1, lots)
    return priced(legs, rng, shares)


def asked(cases: list[Case]) -> list[Decimal]:
    return [requirement(book, view, REG_T).maintenance for book, view in cases]


def by_highs(cases: list[Case]) -> list[Decimal]:
    """The same totals, every programme left to HiGHS."""
    grouping.BUDGET, kept = -1.0, grouping.BUDGET
    try:
        return asked(cases)
    finally:
        grouping.BUDGET = kept


def compare(title: str, cases: list[Case], rounds: int) -> None:
    """Median and 99th percentile a book, and how many times longer HiGHS takes."""
    part = cases[:10]
    result = contest(
        len(cases),
        rounds,
        {"ours": (lambda: asked(cases), len(cases)), "HiGHS": (lambda: by_highs(part), 10)},
    )
    each = np.array([min(seconds(case) for _ in range(5)) for case in cases]) * 1e6
    same = asked(part) == by_highs(part)
    print(f"\n{title}: {len(cases)} books")
    print(f"  ours   mean {result.nanoseconds('ours') / 1e3:9.1f} us a book")
    print(f"         median {np.median(each):.1f} us, p99 {np.percentile(each, 99):.1f} us")
    told = "the same totals" if same else "OTHER TOTALS"
    print(f"  HiGHS  takes {result.ratio('HiGHS')} times as long, {told}")


def seconds(case: Case) -> float:
    began = perf_counter()
    requirement(*case, REG_T)
    return perf_counter() - began


def book_days(rounds: int, rng: np.random.Generator, days: int = 100_000) -> None:
    """The compiled rules on arrays, nanoseconds a book-day."""
    spot = rng.uniform(50, 500, days)
    out = np.empty(days)
    put, call, low, high = (share * spot for share in (0.95, 1.05, 0.9, 1.1))
    marks: tuple[Floats, Floats] = rng.uniform(0, 5, days), rng.uniform(0, 5, days)
    terms = (0.15, 0.10, out)
    calls = {
        "strangle": lambda: margin_kernels.strangle_margins(spot, put, call, *marks, *terms),
        "vertical": lambda: margin_kernels.vertical_margins(
            -1.0, spot, put, low, marks[0], *terms
        ),
        "condor": lambda: margin_kernels.condor_margins(
            spot, low, put, call, high, *marks, *terms
        ),
    }
    result = contest(days, rounds, {name: (call, days) for name, call in calls.items()})
    print(f"\ncompiled rules: {days:,} book-days")
    for name in calls:
        print(f"  {name:10}{result.nanoseconds(name):8.2f} ns a book-day")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--books", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    rng = random.Random(given.seed)
    contests: dict[str, Callable[[], Case]] = {
        "4 legs": lambda: condor(rng),
        "12 mixed legs, 3 expiries": lambda: mixed(rng, 12, 5, 3),
        "12 mixed legs and 300 shares": lambda: mixed(rng, 12, 5, 3, 300),
        "12 mixed legs of up to 100 lots": lambda: mixed(rng, 12, 100, 3),
        "24 mixed legs, 6 expiries": lambda: mixed(rng, 24, 10, 6),
        "48 mixed legs, 6 expiries": lambda: mixed(rng, 48, 10, 6),
    }
    for title, drawn in contests.items():
        if given.only in title:
            compare(title, [drawn() for _ in range(given.books)], given.rounds)
    if given.only in "compiled rules":
        book_days(given.rounds, np.random.default_rng(given.seed))


if __name__ == "__main__":
    main()
