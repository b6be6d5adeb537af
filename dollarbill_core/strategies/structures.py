"""Which contracts make a structure: an expiry for the days asked, a strike for the delta."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import numpy as np

from dollarbill_core.market.chains import Chain, NoQuote
from dollarbill_core.values.contracts import Leg, Legs, Option, Right
from dollarbill_core.values.orders import Candidate


class Structure(StrEnum):
    """What is sold."""

    SHORT_PUT = "short put"
    SHORT_CALL = "short call"
    SHORT_STRANGLE = "short strangle"


@dataclass(frozen=True, slots=True)
class Choice:
    """The legs chosen, with what stood beside them and why it was not taken."""

    legs: Legs
    candidates: tuple[Candidate, ...]


def expiry_nearest(chain: Chain, days: int, least: int = 1) -> date:
    """The listed expiry nearest to ``days`` calendar days out; of two equally near, the later.

    Raises
    ------
    NoQuote
        If nothing expires ``least`` days out or later, or the nearest is more than half of
        ``days`` away from it: what was asked for is not listed.
    """
    later = [expiry for expiry in chain.expiries if chain.days_to_expiry(expiry) >= least]
    if not later:
        raise NoQuote(f"{chain.symbol}: nothing is listed {least} days out or later")
    best = min(later, key=lambda day: (abs(chain.days_to_expiry(day) - days), -day.toordinal()))
    if abs(chain.days_to_expiry(best) - days) > max(days / 2, 7):
        raise NoQuote(
            f"{chain.symbol}: {days} days are asked for, the nearest expiry is "
            f"{chain.days_to_expiry(best)} days out"
        )
    return best


def short_leg(chain: Chain, right: Right, delta: float, quantity: int) -> Choice:
    """The sound quote whose delta is nearest to ``delta``, a magnitude, sold ``quantity`` fold.

    Only out-of-the-money contracts with a bid are looked at. The neighbours on either side are
    kept as rejected candidates.

    Raises
    ------
    NoQuote
        If no such contract is quoted, or the nearest delta is more than half of ``delta`` away.
    """
    side = chain.where(right * (chain.strike - chain.spot) >= 0)
    order = side.near_delta(right, delta)[:3]
    best = abs(float(side.delta[order[0]]))
    if abs(best - delta) > delta / 2:
        raise NoQuote(
            f"{chain.symbol}: the nearest {right.name.lower()} delta to {delta:.2f} "
            f"is {best:.2f}"
        )
    seen = tuple(
        Candidate(
            side.option(int(row)),
            float(side.delta[row]),
            "taken" if rank == 0 else f"delta {abs(side.delta[row]):.3f} is further off",
        )
        for rank, row in enumerate(order)
    )
    return Choice((Leg(seen[0].option, -quantity),), seen)


def structure(
    chain: Chain,
    kind: Structure,
    *,
    days: int,
    put_delta: float,
    call_delta: float,
    quantity: int,
    least_days: int = 1,
) -> Choice:
    """The legs of a structure from one day's chain, at one expiry.

    Raises
    ------
    NoQuote
        If a leg cannot be sold; the message says which and why.
    """
    part = _one_root(chain.expiring(expiry_nearest(chain, days, least_days)))
    choices = []
    if kind is not Structure.SHORT_CALL:
        choices.append(short_leg(part, Right.PUT, put_delta, quantity))
    if kind is not Structure.SHORT_PUT:
        choices.append(short_leg(part, Right.CALL, call_delta, quantity))
    legs = tuple(leg for choice in choices for leg in choice.legs)
    return Choice(legs, tuple(seen for choice in choices for seen in choice.candidates))


def _one_root(part: Chain) -> Chain:
    """The rows of one root, so that all legs settle together.

    Of several, such as SPX and SPXW on a third Friday, one that settles to the close, and of
    those the one that lists most. Adjusted contracts, which deliver something else, are left
    out where there are others.
    """
    roots, first, counts = np.unique(part.root, return_index=True, return_counts=True)
    options = [part.option(int(row)) for row in first]
    places = [
        (option.is_adjusted, option.is_am_settled, -count)
        for option, count in zip(options, counts.tolist(), strict=True)
    ]
    return part.where(part.root == roots[places.index(min(places))])


def earliest_expiry(legs: Legs) -> date | None:
    """The first expiry among option legs, or None for stock alone."""
    dates = [leg.instrument.expiry for leg in legs if isinstance(leg.instrument, Option)]
    return min(dates, default=None)
