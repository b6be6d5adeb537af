"""The volatility premium at which a strategy neither earns nor loses, and what that says."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from dollarbill_core.results.backtest import Result
from dollarbill_core.values.book import Fill


@dataclass(frozen=True, slots=True)
class BreakEven:
    """Net profit for each volatility premium tried, and where it crosses nothing.

    ``premium`` is None when the profit has one sign over the whole range tried.
    """

    premium: float | None
    tried: tuple[tuple[float, Decimal], ...]

    def __str__(self) -> str:
        if self.premium is not None:
            return f"{100 * self.premium:+.1f} vol points"
        if not any(profit for _, profit in self.tried):
            return "none: nothing was earned or lost"
        low, high = self.tried[0][0], self.tried[-1][0]
        sign = "earns" if self.tried[0][1] > 0 else "loses"
        return f"none: it {sign} from {100 * low:+.1f} to {100 * high:+.1f} vol points"


def break_even_premium(
    profit_at: Callable[[float], Decimal],
    assumed: float,
    profit: Decimal,
    *,
    widest: tuple[float, float] = (-0.08, 0.16),
    tolerance: float = 0.004,
) -> BreakEven:
    """The volatility premium, such as 0.02, at which a strategy neither earns nor loses.

    Starts from no premium and from the one assumed, widens until the profit changes sign,
    halves the bracket to ``tolerance`` and interpolates. Profit need not rise steadily with
    the premium, since other premiums choose other strikes; the crossing found is one that lies
    between losing and earning, and on the right side of what was assumed.

    Parameters
    ----------
    profit_at
        Dollars of net profit on chains that carry a premium, a fraction, on average.
    assumed, profit
        The premium that the result's own chains carry, and its net profit.

    Examples
    --------
    >>> str(break_even_premium(lambda x: Decimal(round(1e5 * (x - 0.013))), 0.02, Decimal(700)))
    '+1.3 vol points'
    """
    other = 0.0 if assumed != 0 else 0.04
    tried = {assumed: profit, other: profit_at(other)}
    if not any(tried.values()):
        return BreakEven(None, tuple(sorted(tried.items())))
    _widen(tried, profit_at, widest)
    premiums = sorted(tried)
    steps = [pair for pair in pairwise(premiums) if tried[pair[0]] <= 0 < tried[pair[1]]]
    if not steps:
        return BreakEven(None, tuple(sorted(tried.items())))
    low, high = min(steps, key=lambda pair: min(abs(end - assumed) for end in pair))
    while high - low > tolerance:
        middle = round((low + high) / 2, 6)
        tried[middle] = profit_at(middle)
        low, high = (low, middle) if tried[middle] > 0 else (middle, high)
    share = float(-tried[low] / (tried[high] - tried[low]))
    return BreakEven(low + share * (high - low), tuple(sorted(tried.items())))


def _widen(
    tried: dict[float, Decimal],
    profit_at: Callable[[float], Decimal],
    widest: tuple[float, float],
) -> None:
    """Try lower premiums while the lowest earns, higher ones while the highest does not."""
    while tried[low := min(tried)] > 0 and low > widest[0]:
        lower = max(low - 0.04, widest[0])
        tried[lower] = profit_at(lower)
    while tried[high := max(tried)] <= 0 and high < widest[1]:
        higher = min(high + 0.04, widest[1])
        tried[higher] = profit_at(higher)


def break_even_of(
    result: Result, assumed: float | None, rerun: Callable[[float], Result]
) -> BreakEven | None:
    """Where a result would have broken even; None for real quotes, which assume no premium.

    ``rerun`` gives the same backtest on chains whose vols are all shifted by a fraction.
    """
    if assumed is None:
        return None

    def profit_at(premium: float) -> Decimal:
        return rerun(premium - assumed).net_profit

    return break_even_premium(profit_at, assumed, result.net_profit)


def premium_sentence(found: BreakEven | None, assumed: float | None) -> str:
    """The premium a strategy needs, what its chains carry, what none would have brought.

    Empty for real quotes.
    """
    if found is None or assumed is None:
        return ""
    crosses = found.premium is not None
    needs = f"breaks even at {found}" if crosses else f"has no break-even, {found}"
    bare = dict(found.tried).get(0.0)
    none = f", and without any the profit would be {bare:,.2f}" if bare is not None else ""
    return (
        f"Over this period the strategy {needs} of premium over trailing realised vol; the "
        f"modelled chains carry {100 * assumed:+.1f} on average{none}."
    )


def conclusion(result: Result, found: BreakEven | None, assumed: float | None) -> str:
    """Whether the premium paid for the risk, in words that follow from the figures alone."""
    told = f"{_earned(result)} {premium_sentence(found, assumed)}".strip()
    if found is None or assumed is None or found.premium is None:
        return told
    spare = 100 * (assumed - found.premium)
    margin = "more" if spare >= 0 else "less"
    return (
        f"{told} That is {abs(spare):.1f} points {margin} than it needed, by our own "
        "assumption: whether options really carried it, only quotes can say."
    )


def _earned(result: Result) -> str:
    profit, closes = result.net_profit, len(result.lines)
    if not any(isinstance(event, Fill) for event in result.events):
        why = f"; the first because {result.refused[0].why}" if result.refused else ""
        refused = f"{len(result.refused)} entries were refused{why}"
        return f"Nothing was traded over {closes:,} closes: {refused}."
    word = "earned" if profit > 0 else "lost" if profit < 0 else "neither earned nor lost"
    amount = f" {abs(profit):,.2f}" if profit else ""
    return f"It {word}{amount} after all costs, over {closes:,} closes.{_waited(result)}"


def _waited(result: Result) -> str:
    """That exits had to wait, where they had: rules that could not act earned nothing."""
    if not result.blind_closes:
        return ""
    return f" At {result.blind_closes:,} of them something held had no quote: exits waited."
