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

# One line each, for whoever reads a check's page.
MEANING = MappingProxyType(
    {
        Fault.CROSSED: "The bid is above the ask.",
        Fault.LOCKED: "The bid is the ask: nothing is left to trade on.",
        Fault.NO_BID: "Nobody bids; usual far out of the money, and not counted against a day.",
        Fault.NO_ASK: "Nobody offers, so a short could not be bought back.",
        Fault.BID_MISSING: "Nobody bids, though an option worth less is bid 0.25 or more.",
        Fault.VERTICAL: "The bid is above the ask of an option that pays at least as much.",
        Fault.BUTTERFLY: "The bid is above what two options around it cost.",
        Fault.CALENDAR: "The bid is above the ask of a later option worth at least as much.",
        Fault.PARITY: "Call and put say another forward than most pairs near the money.",
        Fault.BELOW_INTRINSIC: "The ask is below what exercise brings.",
        Fault.JUNK_VOL: "The vendor's vol cannot be meant; ours is used, so nothing is lost.",
        Fault.OUTLIER: "The mid is far from what the vols of its neighbours say.",
        Fault.STALE: "Bid and ask stand where they stood, while the market moved.",
        Fault.COPIED_DAY: "Nine in ten quotes near the money are those of the day before.",
        Fault.ASYNCHRONOUS_SPOT: "The spot is not the one that calls and puts imply.",
        Fault.MISSING_STRIKES: "Contracts of the day before, or strikes of a ladder, are gone.",
        Fault.HOLIDAY: "The exchange was closed.",
        Fault.UNADJUSTED_SPLIT: "Spot and strikes are not of the same shares.",
        Fault.SPOT_JUMP: "The spot jumped, and no option confirms it.",
    }
)
