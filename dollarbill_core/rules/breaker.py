"""The circuit breaker: it falls with the value of one unit, and only a person resets it."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

NOTHING = Decimal(0)


class BreakerState(StrEnum):
    """What the account may still do: at REDUCE and at HALT nothing is opened."""

    NORMAL = "normal"
    REDUCE = "reduce"
    HALT = "halt"

    @property
    def opens(self) -> bool:
        """Whether anything may be opened. What is open may be closed in every state."""
        return self is BreakerState.NORMAL


@dataclass(frozen=True, slots=True)
class Reset:
    """A person's word that trading may go on: who, when and why."""

    by: str
    at: datetime
    why: str

    def __post_init__(self) -> None:
        if not self.by.strip() or not self.why.strip():
            raise ValueError(f"a reset says who asked for it and why, got {self!r}")
        if self.at.tzinfo is None:
            raise ValueError(f"a reset's instant needs a time zone, got {self.at}")


@dataclass(frozen=True, slots=True)
class Breaker:
    """A circuit breaker on the value of one unit; its own state is the caller's to keep.

    It trips where a unit has fallen from its peak by ``reduce_at`` or ``halt_at``, fractions,
    or by more; None switches one off. Both states latch: a unit that recovers leaves REDUCE as
    little as HALT, and REDUCE can only turn into HALT. A person resets it, which is written
    down, and falls then count from the next value on.

    It follows the value of one unit, so money that investors bring or take does not trip it.

    Raises
    ------
    ValueError
        If a level is not above 0 and at most 1, or REDUCE would come after HALT.

    Examples
    --------
    >>> breaker = Breaker(reduce_at=Decimal("0.08"), halt_at=Decimal("0.12"))
    >>> for nav in (100_000, 110_000, 101_200, 96_800, 105_000):
    ...     breaker = breaker.after(Decimal(nav))
    ...     print(nav, breaker.state)
    100000 normal
    110000 normal
    101200 reduce
    96800 halt
    105000 halt
    """

    reduce_at: Decimal | None = None
    halt_at: Decimal | None = None
    peak: Decimal = NOTHING
    state: BreakerState = BreakerState.NORMAL
    resets: tuple[Reset, ...] = ()

    def __post_init__(self) -> None:
        for name, level in (("reduce_at", self.reduce_at), ("halt_at", self.halt_at)):
            if level is not None and not (level.is_finite() and 0 < level <= 1):
                raise ValueError(f"{name} is a fraction above 0, at most 1, got {level}")
        if self.reduce_at and self.halt_at and self.reduce_at > self.halt_at:
            raise ValueError(f"reduce_at {self.reduce_at} lies beyond halt_at {self.halt_at}")

    def after(self, unit_value: Decimal) -> "Breaker":
        """The breaker once a unit is worth ``unit_value`` dollars.

        A unit that was worth something and is worth nothing, or less, has fallen by all of it.

        Raises
        ------
        ValueError
            If the value is no number, or is not above 0 with no peak to have fallen from.
        """
        if not unit_value.is_finite():
            raise ValueError(f"the value of a unit must be a number, got {unit_value}")
        if unit_value <= 0 and self.peak <= 0:
            raise ValueError(f"a first unit must be worth more than 0, got {unit_value}")
        peak = max(self.peak, unit_value)
        return replace(self, peak=peak, state=self._state_at(unit_value, peak))

    def _state_at(self, unit_value: Decimal, peak: Decimal) -> BreakerState:
        def fallen_by(level: Decimal | None) -> bool:
            return level is not None and unit_value <= (1 - level) * peak

        if self.state is BreakerState.HALT or fallen_by(self.halt_at):
            return BreakerState.HALT
        return BreakerState.REDUCE if fallen_by(self.reduce_at) else self.state

    def reset(self, *, by: str, at: datetime, why: str) -> "Breaker":
        """Trading again, by a person's word; the next value is the new peak.

        Raises
        ------
        ValueError
            If it has not tripped, since a reset also forgets the peak, or if nobody or no
            reason is named.

        Examples
        --------
        >>> from datetime import UTC
        >>> halted = Breaker(halt_at=Decimal("0.12"), peak=Decimal(110)).after(Decimal(90))
        >>> noon = datetime(2026, 11, 2, 17, tzinfo=UTC)
        >>> again = halted.reset(by="J. Doe", at=noon, why="smaller sizes agreed")
        >>> again.after(Decimal(90)).state.value, again.resets[0].by
        ('normal', 'J. Doe')
        """
        given = Reset(by, at, why)
        if self.state.opens:
            raise ValueError("the circuit breaker has not tripped: there is nothing to reset")
        return replace(
            self, peak=NOTHING, state=BreakerState.NORMAL, resets=(*self.resets, given)
        )
