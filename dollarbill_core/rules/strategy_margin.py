"""Reg T for options alone: uncovered shorts, spreads of any legs, boxes, longs, cash-secured.

What has no formula of its own falls into groups, and asks their sum:

- vertical, calendar, diagonal, butterfly, condor, short box: one spread;
- ratio spread, ladder: a spread, and what is left over uncovered if short, paid for if long;
- jelly roll: the side whose long outlives its short is a calendar; the other's short is naked;
- synthetic stock, risk reversal: an uncovered short, and a long paid for.

Options on an index differ in their rate alone, and in that two expiries may not offset.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from dollarbill_core.pricing.polyline import INFINITE, Least, Line, Polyline
from dollarbill_core.rules.accounts import REG_T, Account, UnequalCondors
from dollarbill_core.rules.products import Product, product_of
from dollarbill_core.rules.requirements import Margins, NotAllowed
from dollarbill_core.values.calendars import expiry_instant
from dollarbill_core.values.contracts import Leg, Option, Right, Settlement

ZERO = Decimal(0)
# Source: Regulation T, 12 CFR 220.12(f), and Cboe, "Strategy-based Margin", read 2026-11: a
# listed equity or index option of more than nine months may be bought with 75 % of its price.
LENT_ON_LONG_TERM, LONG_TERM_MONTHS = Decimal("0.25"), 9
# Source: FINRA Rule 4210(f)(2)(H), long box spread; Cboe Margin Manual (2000), "Long Box".
BOX_SHARE = Decimal("0.50")


def require_standard(option: Option) -> None:
    """Raise ValueError for an option whose deliverable a corporate action changed."""
    if option.is_adjusted:
        raise ValueError(f"{option}: its deliverable is not standard; margin it by hand")


@dataclass(frozen=True, slots=True)
class ShortOption:
    """One short contract at a market: mark and spot in dollars per share, rates fractions."""

    option: Option
    mark: Decimal
    spot: Decimal
    rate: Decimal
    floor: Decimal

    def __post_init__(self) -> None:
        require_standard(self.option)
        if not (self.mark.is_finite() and self.mark >= 0):
            raise ValueError(f"{self.option}: the mark must not be negative, got {self.mark}")
        if not (self.spot.is_finite() and self.spot > 0):
            raise ValueError(f"{self.option}: the spot must be positive, got {self.spot}")

    @classmethod
    def of(
        cls, option: Option, mark: Decimal, spot: Decimal, account: Account
    ) -> "ShortOption":
        """With the rate and the floor that an account asks on this underlying."""
        return cls(option, mark, spot, *account.terms(option))

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

    The option's market value (to open, the price it sells at), plus ``rate`` of the underlying
    less the amount out of the money, but no less than ``floor`` of spot (call) or strike (put).

    Source: FINRA Rule 4210(f)(2)(E)(i); Cboe Rule 10.3(c)(5)(A), as quoted in 88 FR 14416.

    Examples
    --------
    A 570 put on SPY marked 3.10 with SPY at 600: 15 % of 600 is 90, less 30 out of the money
    leaves 60, above the floor of 57; 3.10 + 60 = 63.10 a share.

    >>> put = Option.from_occ("SPY261218P00570000")
    >>> uncovered_requirement(ShortOption.of(put, Decimal("3.10"), Decimal(600), REG_T))
    Decimal('6310.00')
    """
    return short.market_value + short.cushion


def strangle_requirement(put: ShortOption, call: ShortOption) -> Decimal:
    """Margin for a short put and a short call on one underlying, dollars, gross of premium.

    The greater of the two uncovered requirements, plus the other side's market value. Strikes
    and expiries may differ; a straddle is the case of one strike.

    Source: FINRA Rule 4210(f)(2)(F)(i), short put and short call.

    Raises
    ------
    ValueError
        If the two are on two underlyings, or not a put and a call.

    Examples
    --------
    Stock at 100, 100 call marked 3.00, 100 put marked 2.80, rate 20 %: the call asks
    300 + 2,000, the put 280 + 2,000; the greater, 2,300, plus the put's 280.

    >>> put, call = (Option.from_occ(f"XYZ261218{tail}") for tail in ("P00100000", "C00100000"))
    >>> strangle_requirement(ShortOption.of(put, Decimal("2.80"), Decimal(100), REG_T),
    ...                      ShortOption.of(call, Decimal("3.00"), Decimal(100), REG_T))
    Decimal('2580.00')
    """
    if put.option.underlying != call.option.underlying:
        raise ValueError(f"{put.option} and {call.option} are on two underlyings: no strangle")
    if (put.option.right, call.option.right) != (Right.PUT, Right.CALL):
        raise ValueError(f"{put.option} and {call.option} are not a put and a call")
    put_alone, call_alone = uncovered_requirement(put), uncovered_requirement(call)
    if put_alone >= call_alone:
        return put_alone + call.market_value
    return call_alone + put.market_value


def worst_intrinsic(legs: Sequence[Leg]) -> Least:
    """The least that options are worth together by intrinsic value, dollars, and the price.

    All legs at one price of the underlying, whatever their expiries: at 0 and at each strike,
    where alone a chain of straight lines can turn; minus infinity where more calls are short
    than long. A premium paid or received is no part of it.

    >>> short, long = (Option.from_occ(f"SPY261218P00{k}000") for k in (600, 595))
    >>> worst_intrinsic([Leg(short, -2), Leg(long, 2)])
    Least(dollars=Decimal('-1000'), spot=Decimal('595'))
    """
    return Polyline(tuple(_line(leg) for leg in legs)).least


def spread_fault(legs: Sequence[Leg], account: Account = REG_T) -> str:
    """Why these legs are no spread, in one line that names the leg; "" where they are one.

    A spread holds options on one underlying, as many calls long as short and as many puts, and
    every short one expires no later than every long one: by the instant of settlement, so that
    a short SPXW of the afternoon outlives a long SPX of the same morning.

    Source: FINRA Rule 4210(f)(2)(A), definition of "spread", in force since 2012-10-26
    (Regulatory Notice 12-44); Cboe Rule 10.3(a)(5), SR-CBOE-2012-043 (77 FR 54626).
    """
    if not legs:
        return "there are no legs"
    first, *others = [_option(leg) for leg in legs]
    for option in others:
        if option.underlying != first.underlying:
            return f"{first} and {option} are on two underlyings"
    for right in Right:
        spare = _spare(legs, right)
        if spare:
            side = "long" if spare > 0 else "short"
            return f"{abs(spare)} more {right.name.lower()}s are {side}: {_names(legs, right)}"
    return _calendar_fault(legs, account)


def _calendar_fault(legs: Sequence[Leg], account: Account) -> str:
    """Why expiries keep legs from being a spread."""
    shorts = [_option(leg) for leg in legs if leg.quantity < 0]
    longs = [_option(leg) for leg in legs if leg.quantity > 0]
    last, first = max(shorts, key=expiry_instant), min(longs, key=expiry_instant)
    if expiry_instant(last) > expiry_instant(first):
        return f"the short {last} outlives the long {first}"
    is_calendar = len({expiry_instant(_option(leg)) for leg in legs}) > 1
    if is_calendar and not account.offsets_calendars(last.underlying):
        return f"{account.titled} offsets no {last.underlying} options of two expiries"
    return ""


def spread_requirement(
    legs: Sequence[Leg], account: Account = REG_T, uncovered: Decimal = INFINITE
) -> Decimal:
    """Margin for a spread of any legs, dollars for all of it, gross of its premium.

    The worst netted intrinsic loss at 0 and at every strike, or what the shorts ask alone where
    that is less. The long legs are paid in full besides. So a credit vertical is asked the
    distance of its strikes, a debit vertical and a long butterfly nothing, a condor its wider
    side; at a house that takes a condor of unequal sides for two spreads, both.

    Parameters
    ----------
    legs
        Options on one underlying, see ``spread_fault``.
    account
        Whose conventions hold: unequal condors, calendars on indices.
    uncovered
        Dollars that the short legs ask without the long ones.

    Raises
    ------
    ValueError
        If the legs are no spread; the message names the leg that spoils it.

    Source: FINRA Rule 4210(f)(2)(H)(v) and Cboe Rule 10.3(c)(5)(C)(iv), read at second hand:
    Regulatory Notice 12-44, 77 FR 54626. Unequal condors: IBKR Knowledge Base 600.

    Examples
    --------
    Put side 15 wide, call side 5 wide: 1,500, or at Interactive Brokers 1,500 + 500.

    >>> from dollarbill_core.rules.accounts import INTERACTIVE_BROKERS_REG_T
    >>> tails = {"P00180000": 1, "P00195000": -1, "C00205000": -1, "C00210000": 1}
    >>> condor = [Leg(Option.from_occ(f"XYZ261218{tail}"), n) for tail, n in tails.items()]
    >>> spread_requirement(condor), spread_requirement(condor, INTERACTIVE_BROKERS_REG_T)
    (Decimal('1500'), Decimal('2000'))
    """
    fault = spread_fault(legs, account)
    if fault:
        raise ValueError(f"no spread: {fault}")
    return min(uncovered, _loss(legs, account.unequal_condors))


def _loss(legs: Sequence[Leg], unequal: UnequalCondors) -> Decimal:
    """The worst netted loss, or at such a house both sides' unless they ask the same."""
    whole = max(-worst_intrinsic(legs).dollars, ZERO)
    if unequal is UnequalCondors.TWO_SPREADS:
        sides = [[leg for leg in legs if _option(leg).right is right] for right in Right]
        calls, puts = (-worst_intrinsic(side).dollars for side in sides)
        return whole if calls == puts == whole else calls + puts
    return whole


def box_width(legs: Sequence[Leg]) -> Decimal:
    """What a box pays whatever happens, dollars; negative if short, 0 if the legs are no box.

    A long call and a short put at one strike, the opposite at another, and one expiry.

    >>> tails = {"C00300000": 1, "P00300000": -1, "C00320000": -1, "P00320000": 1}
    >>> box_width([Leg(Option.from_occ(f"SPY261218{tail}"), n) for tail, n in tails.items()])
    Decimal('2000')
    """
    options = [_option(leg) for leg in legs]
    is_four = len(legs) == len(set(options)) == 4 and len({o.strike for o in options}) == 2
    if not is_four or len({(o.underlying, expiry_instant(o)) for o in options}) > 1:
        return ZERO
    payoff = Polyline(tuple(_line(leg) for leg in legs))
    first, *others = (payoff.at(corner) for corner in payoff.corners)
    is_flat = all(first == other for other in others)
    return first if is_flat and not payoff.slope_above(payoff.corners[-1]) else ZERO


def long_box_loan(legs: Sequence[Leg], value: Decimal, account: Account = REG_T) -> Decimal:
    """What may be borrowed on a long box, dollars for all of it; 0 where nothing may.

    Half of the strikes' distance stays in the account as equity, and the box counts for no more
    than the distance: so ``value``, its dollars at the market, up to the distance, less half of
    it. Only for European options that settle in cash; an American box is two spreads, each paid
    for. A *short* box is a spread like any other, asked the distance of its strikes.

    Raises
    ------
    ValueError
        If the legs are no long box, or the value is negative.

    Source: FINRA Rule 4210(f)(2)(H), long box spread, from rule knowledge; the rule stands in
    the contents of Cboe's Margin Manual (2000), page 10.

    Examples
    --------
    A box of 20 points on SPX worth 1,950: half of 2,000 stays, 950 may be borrowed.

    >>> tails = {"C06000000": 1, "P06000000": -1, "C06020000": -1, "P06020000": 1}
    >>> box = [Leg(Option.from_occ(f"SPXW261218{tail}"), n) for tail, n in tails.items()]
    >>> long_box_loan(box, Decimal(1950))
    Decimal('950.00')
    """
    width = box_width(legs)
    if width <= 0 or value < 0:
        raise ValueError(f"no long box worth {value}: {_names(legs)}")
    options = [_option(leg) for leg in legs]
    lendable = all(o.is_european and o.settlement is Settlement.CASH for o in options)
    if not (lendable and account.lends_on_options):
        return ZERO
    return max(min(value, width) - BOX_SHARE * width, ZERO)


def long_option_margins(
    option: Option, paid: Decimal, value: Decimal, today: date, account: Account = REG_T
) -> Margins:
    """Margin for one long option that is part of no spread, dollars per contract.

    It is paid in full. Where the account lends on options, one with more than nine months to
    its expiry may be carried with 75 % of its value, so a quarter is ``lent``.

    ``paid`` is what it cost and ``value`` what it is worth now, dollars per contract; ``today``
    the day from which the nine months count.

    Source: Regulation T, 12 CFR 220.12(f); FINRA Rule 4210(f)(2)(D); Cboe, "Strategy-based
    Margin" (75 % of cost at first, of market value thereafter), read 2026-11.

    Examples
    --------
    >>> call = Option.from_occ("XYZ271217C00100000")
    >>> asked = long_option_margins(call, Decimal(1200), Decimal(1200), date(2026, 11, 2))
    >>> print(asked.initial, asked.maintenance, asked.lent)
    900.00 0 300.00
    """
    require_standard(option)
    if paid < 0 or value < 0:
        raise ValueError(f"{option}: cost and value must not be negative: {paid}, {value}")
    is_equity = product_of(option) is not Product.VOLATILITY_INDEX
    months = 12 * (option.expiry.year - today.year) + option.expiry.month - today.month
    is_long_term = (months, option.expiry.day) > (LONG_TERM_MONTHS, today.day)
    lends = account.lends_on_options and is_equity and is_long_term
    lent = LENT_ON_LONG_TERM * value if lends else ZERO
    return Margins(paid - lent, ZERO, paid, lent)


def cash_secured_put_requirement(put: Option) -> Decimal:
    """Cash that secures one short put, dollars per contract, gross of the premium.

    The strike in full. The premium may be part of that cash: the deposit is the strike less
    the premium, as ``Requirement.deposit`` takes it off.

    Source: Regulation T, 12 CFR 220.8(a)(3); Alpaca, "Options Trading Overview" (2026-09-16):
    20,310 for a put at 210 sold for 6.90.

    >>> cash_secured_put_requirement(Option.from_occ("XYZ261218P00210000"))
    Decimal('21000')
    """
    require_standard(put)
    if put.right is not Right.PUT:
        raise ValueError(f"{put} is no put: a short call is covered by shares")
    return put.multiplier * put.strike


def universal_spread_requirement(legs: Sequence[Leg]) -> Decimal:
    """Margin for all options on one underlying by the universal spread rule, dollars.

    For each expiry apart, the worst netted intrinsic loss at 0 and at every strike, premiums
    ignored; of several expiries the greatest. Each short must be covered by a long of its right
    that lives as long; a put without one is no part of this, but secured by its strike in cash.
    An expiry whose own longs are too few is taken together with all that expires later: the
    source allows calendars without a word on them, so this is our reading.

    Raises
    ------
    NotAllowed
        If a short has no long to cover it; the message names it.

    Source: Alpaca, "Options Level 3 Trading" (2025-09-24), read 2026-11 at second hand.

    Examples
    --------
    Alpaca's: long 100 and 200 calls, short 110 and 190 calls. The first spread gains what the
    second loses.

    >>> calls = {"00100000": 1, "00110000": -1, "00200000": 1, "00190000": -1}
    >>> legs = [Leg(Option.from_occ(f"AAPL261218C{k}"), n) for k, n in calls.items()]
    >>> universal_spread_requirement(legs), universal_spread_requirement(legs[2:])
    (Decimal('0'), Decimal('1000'))
    """
    if len({_option(leg).underlying for leg in legs}) > 1:
        raise ValueError(f"options on two underlyings are margined apart: {_names(legs)}")
    instants = sorted({expiry_instant(_option(leg)) for leg in legs})
    return max((_expiry_loss(legs, instant) for instant in instants), default=ZERO)


def _expiry_loss(legs: Sequence[Leg], instant: datetime) -> Decimal:
    """What one expiry can lose by intrinsic value, dollars."""
    alive = [leg for leg in legs if expiry_instant(_option(leg)) >= instant]
    mine = [leg for leg in alive if expiry_instant(_option(leg)) == instant]
    for right in Right:
        if _spare(alive, right) < 0:
            shorts = [leg for leg in alive if leg.quantity < 0]
            raise NotAllowed(f"a short option without cover: {_names(shorts, right)}")
    is_covered = all(_spare(mine, right) >= 0 for right in Right)
    return max(-worst_intrinsic(mine if is_covered else alive).dollars, ZERO)


def _spare(legs: Sequence[Leg], right: Right) -> int:
    """Contracts of one right that are long beyond those that are short."""
    return sum(leg.quantity for leg in legs if _option(leg).right is right)


def _line(leg: Leg) -> Line:
    option = _option(leg)
    require_standard(option)
    return Line(Decimal(leg.quantity * option.multiplier), option.right, option.strike)


def _option(leg: Leg) -> Option:
    if not isinstance(leg.instrument, Option):
        raise ValueError(f"{leg} is no option: stock is margined by its own rules")
    return leg.instrument


def _names(legs: Sequence[Leg], right: Right | None = None) -> str:
    return ", ".join(str(leg) for leg in legs if right in (None, _option(leg).right))
