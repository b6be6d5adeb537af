"""The most any set of legs can lose: exact at one settlement instant, a BOUND over several."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, Decimal

from dollarbill_core.pricing.payoff import settled
from dollarbill_core.pricing.polyline import INFINITE, NOTHING, Line, Polyline
from dollarbill_core.values.calendars import expiry_instant, years_between
from dollarbill_core.values.contracts import Leg, Option, Right

_CENT, _NOISE = Decimal("0.01"), Decimal("1e-8")  # below it lies what exp() rounded off


@dataclass(frozen=True, slots=True)
class WorstLoss:
    """The most a package can lose at expiry.

    ``dollars`` is 0 where it cannot lose, infinite where the loss has no limit; ``spot`` is
    the price at which the worst happens, or the last corner above which the loss grows on.
    ``is_bound`` where the loss may be less than that, but never more.
    """

    dollars: Decimal
    spot: Decimal
    is_bound: bool = False

    @property
    def is_unlimited(self) -> bool:
        return self.dollars == INFINITE

    def __str__(self) -> str:
        label = "BOUND: " if self.is_bound else ""
        if self.is_unlimited:
            return f"{label}unlimited above {self.spot.normalize():f}"
        return f"{label}${self.dollars:,.2f} at {self.spot.normalize():f}"


def worst_loss(
    legs: Sequence[Leg],
    credit: Decimal | float,
    *,
    rate: float | None = None,
    dividend_yield: float | None = None,
) -> WorstLoss:
    """The most the package can lose at its first settlement instant.

    **One instant: exact.** The least profit lies at spot 0 or at a strike, unless profit falls
    for ever above the last strike, as it does where calls and shares are net short.

    **Several: a BOUND.** The package is closed at the first instant, with nothing exercised
    before. What settles then pays its intrinsic value; what lives on is worth at least

    - European legs of one later instant: the discounted convex floor of their joint payoff, at
      the forward (Jensen's inequality, whatever the law). So a long is worth at least
      ``max(right (S exp(-q t) - K exp(-r t)), 0)``, which may be less than its intrinsic
      value; a short is worth no less than ``-S exp(-q t)`` or ``-K exp(-r t)``: naked.
    - American longs: their intrinsic value. An American short costs at most the share (call)
      or the strike (put). One that is covered by a long of its right that lives as long costs
      with it at most ``right (long strike - short strike)``, or nothing.

    Calls and shares that are net short once others have settled are naked: unlimited, though a
    long that settles first might have paid for them.

    Parameters
    ----------
    legs, credit
        The package; dollars received for it.
    rate, dividend_yield
        Continuously compounded per year from the first instant on; asked for only where legs
        settle at several. Dividends in cash go in as the yield that gives their forward.

    Raises
    ------
    ValueError
        Two underlyings; several instants without rate and yield.

    Examples
    --------
    >>> short, long = (Option.from_occ(f"SPY261218P00{k}000") for k in (600, 595))
    >>> print(worst_loss([Leg(short, -1), Leg(long, 1)], Decimal("120")))
    $380.00 at 595
    >>> print(worst_loss([Leg(Option.from_occ("SPY261218C00700000"), -1)], Decimal("120")))
    unlimited above 700

    A call calendar paid 8.00 for; the American long is worth its intrinsic value at least:

    >>> near, far = (Option.from_occ(f"SPY26{month}18C00600000") for month in (11, 12))
    >>> print(worst_loss([Leg(near, -1), Leg(far, 1)], -800, rate=0.04, dividend_yield=0.01))
    BOUND: $800.00 at 600
    """
    groups = _by_instant(legs)
    if len(groups) <= 1:
        least = settled(legs, credit).least
        return WorstLoss(max(-least.dollars, NOTHING), least.spot)
    if rate is None or dividend_yield is None:
        raise ValueError("legs that settle at several instants need a rate and a yield")
    naked = _naked_above(legs)
    if naked is not None:
        return WorstLoss(INFINITE, naked, is_bound=True)
    return _bound(_floor(legs, credit, rate, dividend_yield))


def _naked_above(legs: Sequence[Leg]) -> Decimal | None:
    """The last strike of what is net short in calls and shares after one of the instants."""
    strike = NOTHING
    net = sum(leg.quantity for leg in legs if not isinstance(leg.instrument, Option))
    for group in reversed(_by_instant(legs).values()):
        calls = [leg for leg in group if _option(leg).right is Right.CALL]
        net += sum(leg.quantity * leg.instrument.multiplier for leg in calls)
        strike = max([strike, *(_option(leg).strike for leg in calls)])
        if net < 0:
            return strike
    return None


def _bound(floor: Polyline) -> WorstLoss:
    """The loss of a package whose profit is at least ``floor``, rounded up to the cent."""
    dollars, spot = floor.least
    corner = spot.quantize(_CENT)
    if dollars == -INFINITE:
        return WorstLoss(INFINITE, corner, is_bound=True)
    loss = max(-dollars, NOTHING).quantize(_NOISE).quantize(_CENT, ROUND_CEILING)
    return WorstLoss(loss, corner, is_bound=True)


def _by_instant(legs: Iterable[Leg]) -> dict[datetime, list[Leg]]:
    """The options by the instant at which they settle, the first one first."""
    groups: dict[datetime, list[Leg]] = {}
    for leg in legs:
        if isinstance(leg.instrument, Option):
            groups.setdefault(expiry_instant(leg.instrument), []).append(leg)
    return dict(sorted(groups.items()))


def _floor(
    legs: Sequence[Leg], credit: Decimal | float, rate: float, dividend_yield: float
) -> Polyline:
    """What the package gains at least at the first of its instants, by the price there."""
    (first, due), *later = _by_instant(legs).items()
    shares = [leg for leg in legs if not isinstance(leg.instrument, Option)]
    parts = [settled([*shares, *due], credit)]
    for instant, lasting in later:
        european = settled([x for x in lasting if _option(x).is_european])
        years = years_between(first, instant)
        parts.append(_earlier(european.convex_floor, years, rate, dividend_yield))
    american = _netted(x for _, held in later for x in held if not _option(x).is_european)
    if american:
        years = years_between(first, later[-1][0])
        dearest = Decimal(math.exp(max(-rate * years, 0.0)))
        share = Decimal(math.exp(max(-dividend_yield * years, 0.0)))
        parts.append(_american_floor(american, dearest, share))
    lines = tuple(line for part in parts for line in part.lines)
    return Polyline(lines, sum((part.dollars for part in parts), NOTHING))


def _netted(legs: Iterable[Leg]) -> list[Leg]:
    """One leg for each option, however many there were of it."""
    quantities: Counter[Option] = Counter()
    for leg in legs:
        quantities[_option(leg)] += leg.quantity
    return [Leg(option, quantity) for option, quantity in quantities.items() if quantity]


def _earlier(at_end: Polyline, years: float, rate: float, dividend_yield: float) -> Polyline:
    """``years`` earlier: discounted, and read at the forward that the price then gives."""
    carry = Decimal(math.exp((dividend_yield - rate) * years))
    share = Decimal(math.exp(-dividend_yield * years))
    lines = tuple(Line(n * share, right, k * carry) for n, right, k in at_end.lines)
    return Polyline(lines, at_end.dollars * Decimal(math.exp(-rate * years)))


def _american_floor(legs: Sequence[Leg], dearest: Decimal, share: Decimal) -> Polyline:
    """The least that American legs are worth; a dollar or a share later costs so much now.

    Both are 1 unless rate or yield is negative.
    """
    longs = {leg: leg.quantity for leg in legs if leg.quantity > 0}
    shorts = sorted((leg for leg in legs if leg.quantity < 0), key=_lives_until, reverse=True)
    lines, dollars = [], NOTHING
    for short in shorts:
        bare, sold = -short.quantity, _option(short)
        for cover in sorted(
            filter(lambda each: _covers(each, short), longs), key=_gap_to(sold)
        ):
            matched = min(bare, longs[cover])
            longs[cover], bare = longs[cover] - matched, bare - matched
            dollars -= matched * _gap_to(sold)(cover) * dearest
        if sold.right is Right.CALL:
            lines.append(Line(-bare * sold.multiplier * share, Right.CALL, NOTHING))
        else:
            dollars -= bare * sold.multiplier * sold.strike * dearest
    for cover, spare in longs.items():
        held = _option(cover)
        lines.append(Line(Decimal(spare * held.multiplier), held.right, held.strike))
    return Polyline(tuple(lines), dollars)


def _covers(long: Leg, short: Leg) -> bool:
    """Whether the long can be exercised for as long as the short can be assigned."""
    is_same_side = _option(long).right is _option(short).right
    return is_same_side and _lives_until(long) >= _lives_until(short)


def _gap_to(sold: Option) -> Callable[[Leg], Decimal]:
    """Dollars a contract that exercising a long leaves unpaid of an assignment of ``sold``."""
    return lambda long: (
        sold.multiplier * max(sold.right * (_option(long).strike - sold.strike), NOTHING)
    )


def _lives_until(leg: Leg) -> datetime:
    return expiry_instant(_option(leg))


def _option(leg: Leg) -> Option:
    assert isinstance(leg.instrument, Option)
    return leg.instrument
