"""Reg T for each recognised structure: uncovered shorts, straddles, strangles, stock."""

from dataclasses import dataclass
from decimal import Decimal

from dollarbill_core.values.contracts import Option, Right


@dataclass(frozen=True, slots=True)
class ShortOption:
    """One short contract at a market: mark and spot in dollars per share, rates fractions."""

    option: Option
    mark: Decimal
    spot: Decimal
    rate: Decimal
    floor: Decimal

    def __post_init__(self) -> None:
        if self.mark < 0:
            raise ValueError(f"{self.option}: the mark must not be negative, got {self.mark}")
        if self.spot <= 0:
            raise ValueError(f"{self.option}: the spot must be positive, got {self.spot}")

    @property
    def market_value(self) -> Decimal:
        """Dollars per contract."""
        return self.option.multiplier * self.mark

    @property
    def cushion(self) -> Decimal:
        """Dollars per contract beyond the option's own value; see ``uncovered_requirement``."""
        base = self.spot if self.option.right is Right.CALL else self.option.strike
        out_of_money = self.option.out_of_the_money_by(self.spot)
        per_share = max(self.rate * self.spot - out_of_money, self.floor * base)
        return self.option.multiplier * per_share


def uncovered_requirement(short: ShortOption) -> Decimal:
    """Margin for one uncovered short option, dollars per contract, gross of the premium.

    The option's market value, plus ``rate`` of the underlying less the amount out of the money,
    but plus no less than ``floor`` of the spot (call) or of the strike (put).

    Source: FINRA Rule 4210(f)(2)(E)(i); Cboe Rule 10.3(c)(5)(A).

    Examples
    --------
    A 570 put on SPY marked 3.10 with SPY at 600: 15 % of 600 is 90, less 30 out of the money
    leaves 60, above the floor of 57; 3.10 + 60 = 63.10 a share.

    >>> put = Option.from_occ("SPY261218P00570000")
    >>> uncovered_requirement(ShortOption(put, Decimal("3.10"), Decimal(600),
    ...                                   Decimal("0.15"), Decimal("0.10")))
    Decimal('6310.00')
    """
    return short.market_value + short.cushion


def strangle_requirement(put: ShortOption, call: ShortOption) -> Decimal:
    """Margin for a short put and a short call on one underlying, dollars, gross of premium.

    The greater of the two uncovered requirements, plus the other side's market value.

    Source: FINRA Rule 4210(f)(2)(F)(i), short put and short call.

    Examples
    --------
    Stock at 100, 100 call marked 3.00, 100 put marked 2.80, rate 20 %: the call asks
    300 + 2,000, the put 280 + 2,000; the greater, 2,300, plus the put's 280.

    >>> from datetime import date
    >>> def short(right, mark):
    ...     option = Option("XYZ", date(2026, 12, 18), Decimal(100), right)
    ...     return ShortOption(option, Decimal(mark), Decimal(100),
    ...                        Decimal("0.20"), Decimal("0.10"))
    >>> strangle_requirement(short(Right.PUT, "2.80"), short(Right.CALL, "3.00"))
    Decimal('2580.00')
    """
    put_alone, call_alone = uncovered_requirement(put), uncovered_requirement(call)
    if put_alone >= call_alone:
        return put_alone + call.market_value
    return call_alone + put.market_value
