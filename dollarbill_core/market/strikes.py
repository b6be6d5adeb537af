"""Which strike has a delta: on the surface, between two quotes, or the nearest that is listed.

A delta is a magnitude, 0.16 for the 16-delta put as for the call, and the one to the spot at
the vol of the strike itself: ``discount forward / spot N(right d1)``, the delta of a chain's
rows. It falls with the distance from the money on every smile without arbitrage, so each delta
has one strike.

Source: Fukasawa, "The normalizing transformation of the implied volatility smile", Mathematical
Finance 22 (2012), for the monotony of d1.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from dollarbill_core.market.chains import Chain, Floats, NoQuote
from dollarbill_core.market.smile import Smile
from dollarbill_core.values.contracts import Option, Right

_HALVINGS = 80  # of a bracket in k
_FARTHEST = 64.0  # |k| at which the bracket ends


class How(StrEnum):
    """How a strike for a delta was found."""

    SURFACE = "on the surface"
    INTERPOLATED = "between two quotes"
    LISTED = "listed"


@dataclass(frozen=True, slots=True)
class StrikeForDelta:
    """A strike, dollars per share, the delta that it has, signed, its annual vol, and how.

    ``option`` is the contract where the strike is listed, else None.
    """

    strike: float
    delta: float
    vol: float
    how: How
    option: Option | None = None


def strike_on_surface(smile: Smile, spot: float, right: Right, delta: float) -> StrikeForDelta:
    """The strike at which the smile's own option has this delta; any strike, listed or not.

    ``smile`` is that of a settlement or, ``surface.smile(years)``, of any date.

    Raises
    ------
    ValueError
        If ``delta`` does not lie between 0 and 1.
    NoQuote
        If no strike has it: the discounted forward is too low for it.
    """
    _require_delta(delta)
    unit = smile.discount * smile.forward / spot
    wanted = delta / unit
    if wanted >= 1:
        raise NoQuote(f"no strike has a delta of {delta:.2f}, the most is {unit:.2f}")
    low, high = -_FARTHEST, _FARTHEST
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        found = abs(float(smile.delta(right, smile.forward * np.exp(middle))))
        too_far_up = found < wanted if right is Right.CALL else found > wanted
        low, high = (low, middle) if too_far_up else (middle, high)
    strike = float(smile.forward * np.exp((low + high) / 2))
    reached = unit * float(smile.delta(right, strike))
    return StrikeForDelta(strike, reached, float(smile.vol(strike)), How.SURFACE)


def strike_between_quotes(
    part: Chain, right: Right, delta: float, smile: Smile | None = None
) -> StrikeForDelta:
    """The strike at which this delta would lie, in a straight line between two quotes.

    ``part`` holds one settlement. The deltas and vols are the rows' own or, where a ``smile``
    is given, that smile's.

    Raises
    ------
    NoQuote
        If the deltas of the sound quotes do not reach from below to above it.
    """
    _require_delta(delta)
    side, deltas, vols = _quoted(part, right, smile)
    order = np.argsort(deltas, kind="stable")
    deltas, strikes, vols = deltas[order], side.strike[order], vols[order]
    if not deltas[0] <= delta <= deltas[-1]:
        raise NoQuote(
            f"{part.symbol}: {right.name.lower()} deltas are quoted from {deltas[0]:.2f} to "
            f"{deltas[-1]:.2f}, not {delta:.2f}"
        )
    strike, vol = (float(np.interp(delta, deltas, each)) for each in (strikes, vols))
    return StrikeForDelta(strike, right * delta, vol, How.INTERPOLATED)


def listed_strike(
    part: Chain, right: Right, delta: float, smile: Smile | None = None
) -> StrikeForDelta:
    """The sound quote of one settlement whose delta is nearest; of two, the farther out.

    Deltas are the rows' own or, where a ``smile`` is given, that smile's.

    Raises
    ------
    NoQuote
        If nothing sound is quoted.
    """
    _require_delta(delta)
    side, deltas, vols = _quoted(part, right, smile)
    row = int(np.lexsort((deltas, np.abs(deltas - delta)))[0])
    return StrikeForDelta(
        float(side.strike[row]),
        right * float(deltas[row]),
        float(vols[row]),
        How.LISTED,
        side.option(row),
    )


def _quoted(part: Chain, right: Right, smile: Smile | None) -> tuple[Chain, Floats, Floats]:
    """Sound quotes with their deltas' magnitudes and vols; raises NoQuote without any."""
    side = part.only(right).sound
    if smile is None:
        deltas, vols = np.abs(side.delta), side.vol
    else:
        unit = smile.discount * smile.forward / part.spot
        deltas = unit * np.abs(np.atleast_1d(smile.delta(right, side.strike)))
        vols = np.atleast_1d(smile.vol(side.strike))
    known = np.isfinite(deltas)
    if not known.any():
        raise NoQuote(f"{part.symbol}: no {right.name.lower()} with a delta can be traded")
    return side.where(known), deltas[known], vols[known]


def _require_delta(delta: float) -> None:
    if not 0 < delta < 1:
        raise ValueError(f"delta must be a magnitude between 0 and 1, got {delta}")
