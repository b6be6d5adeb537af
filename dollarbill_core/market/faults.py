"""What can be wrong with quotes: each fault by name, what it means, and what it takes away."""

from enum import StrEnum
from types import MappingProxyType


class Fault(StrEnum):
    """A fault of one row, or of a whole day; the order is that of stored counts.

    New members go last, so that counts already stored keep their meaning.
    """

    CROSSED = "crossed"
    LOCKED = "locked"
    NO_BID = "no bid"
    NO_ASK = "no ask"
    BID_MISSING = "bid missing"
    VERTICAL = "vertical arbitrage"
    BUTTERFLY = "butterfly arbitrage"
    CALENDAR = "calendar arbitrage"
    PARITY = "off parity"
    BELOW_INTRINSIC = "below exercise value"
    JUNK_VOL = "junk vendor vol"
    OUTLIER = "off its smile"
    STALE = "stale"
    COPIED_DAY = "copied day"
    ASYNCHRONOUS_SPOT = "asynchronous spot"
    MISSING_STRIKES = "missing strikes"
    HOLIDAY = "exchange closed"
    UNADJUSTED_SPLIT = "split not applied"
    SPOT_JUMP = "unconfirmed jump of the spot"

    @property
    def is_of_a_day(self) -> bool:
        """Whether the whole day has it, not a row: its count is 0 or 1."""
        return self in DAY_COST

    @property
    def is_grave(self) -> bool:
        """Whether it takes from the score."""
        return self.is_of_a_day or self in GRAVE


# A row with one of these cannot be sold at what it shows, or shows what nobody meant. NO_BID
# alone is how far strikes look, and JUNK_VOL concerns a number that is never used as ours.
GRAVE = frozenset(
    {
        Fault.CROSSED,
        Fault.LOCKED,
        Fault.NO_ASK,
        Fault.BID_MISSING,
        Fault.VERTICAL,
        Fault.BUTTERFLY,
        Fault.CALENDAR,
        Fault.PARITY,
        Fault.BELOW_INTRINSIC,
        Fault.OUTLIER,
        Fault.STALE,
    }
)

# The share of a day's score that a fault of the whole day takes. All of it: nobody could have
# traded then, or every strike means something else than the spot says. Half: strikes chosen by
# the spot are chosen wrongly, though the quotes stand. A quarter: what is there can be traded.
DAY_COST = MappingProxyType(
    {
        Fault.COPIED_DAY: 1.0,
        Fault.ASYNCHRONOUS_SPOT: 0.5,
        Fault.MISSING_STRIKES: 0.25,
        Fault.HOLIDAY: 1.0,
        Fault.UNADJUSTED_SPLIT: 1.0,
        Fault.SPOT_JUMP: 0.5,
    }
)
