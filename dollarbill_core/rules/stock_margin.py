"""Reg T for stock, alone and with options: covered, protected, collared, converted, reversed.

The unit is one contract and the shares that go with it; options are on the shares themselves
or, with ``cover_value``, on the index that an ETF tracks (``products.covering_shares``). Long
stock counts at its market value among the assets, and margin values it at no more than the
strike of a call sold against it: so a call in the money adds its intrinsic value. Short stock
asks its proceeds back too. ``paid`` is what a long option cost, dollars per contract.

Source of every maintenance formula: FINRA Rule 4210(f)(2)(H)(ii) to (v) and Cboe Rule
10.3(c)(5)(C), from rule knowledge and the brokers' pages that repeat them (Interactive Brokers,
"US Options Margin"; TradeStation, "Options Margin Requirements"), read 2026-11. Initial: the
stock's own, Regulation T, 12 CFR 220.12(a) and (c); Cboe's published samples of 2007 agree.
"""

from decimal import Decimal

from dollarbill_core.rules.accounts import Account, Method
from dollarbill_core.rules.requirements import Margins, NotAllowed
from dollarbill_core.rules.strategy_margin import require_standard
from dollarbill_core.values.calendars import expiry_instant
from dollarbill_core.values.contracts import Option, Right

ZERO = Decimal(0)
# Source: FINRA Rule 4210(f)(2)(H): a hedged share keeps 10 % of the option's strike.
HEDGED_STRIKE = Decimal("0.10")
# Source: FINRA Rule 4210(c)(2) and (3): short stock below $5 keeps $2.50 a share or its whole
# value, from $5 on $5 a share or 30 %, whichever is greater; read at second hand 2026-11.
LOW_PRICE, LEAST_PER_SHARE, LEAST_BELOW = Decimal(5), Decimal(5), Decimal("2.50")


def long_stock_margins(symbol: str, price: Decimal, account: Account) -> Margins:
    """Margin for long stock, dollars per share: 50 % to open and 25 % to hold under Reg T.

    Source: Regulation T, 12 CFR 220.12(a); FINRA Rule 4210(c)(1).

    >>> from dollarbill_core.rules.accounts import REG_T
    >>> asked = long_stock_margins("XYZ", Decimal(80), REG_T)
    >>> print(asked.initial, asked.maintenance)
    40.00 20.00
    """
    _require_price(symbol, price)
    rates = account.stock_rates(symbol)
    if price < account.paid_in_full_below:
        return Margins(price, price)
    return Margins(rates.initial * price, rates.maintenance * price)


def short_stock_margins(symbol: str, price: Decimal, account: Account) -> Margins:
    """Margin for short stock, dollars per share, the proceeds of the sale included.

    150 % of the value to open and 130 % to hold; beyond the value never less than $5 a share,
    or below $5 than $2.50 a share and the whole value again.

    Raises
    ------
    NotAllowed
        If the account may not be short stock.

    Source: Regulation T, 12 CFR 220.12(c); FINRA Rule 4210(c)(2) and (3).

    Examples
    --------
    At 10 dollars, 30 % is 3, less than 5 a share: 15 to hold. At 2, 2.50 beyond the value.

    >>> from dollarbill_core.rules.accounts import REG_T
    >>> for price in (50, 10, 2):
    ...     asked = short_stock_margins("XYZ", Decimal(price), REG_T)
    ...     print(asked.initial, asked.maintenance)
    75.00 65.00
    15.00 15
    4.50 4.50
    """
    _require_price(symbol, price)
    if account.method is Method.CASH:
        raise NotAllowed(f"{account.titled} may not be short stock: {symbol}")
    rates = account.stock_rates(symbol)
    kept = rates.short_maintenance * price
    if price >= LOW_PRICE:
        kept = max(kept, price + LEAST_PER_SHARE)
    else:
        kept = price + max(price, LEAST_BELOW)
    return Margins(max(rates.short_initial * price, kept), kept)


def covered_call_margins(
    call: Option, spot: Decimal, account: Account, *, cover_value: Decimal | None = None
) -> Margins:
    """Margin for a short call with the shares to deliver, dollars per contract.

    The stock's own, valued at no more than the strike, and what the call is in the money.

    Raises ValueError if the option is no call, or not standard.

    Examples
    --------
    Stock at 105, 100 call: 25 % of 100 and 5 in the money are 30 a share to hold.

    >>> from dollarbill_core.rules.accounts import REG_T
    >>> asked = covered_call_margins(Option.from_occ("XYZ261218C00100000"), Decimal(105), REG_T)
    >>> print(asked.initial, asked.maintenance)
    5500.00 3000.00
    """
    _require(call, Right.CALL, spot)
    owed = call.multiplier * call.intrinsic(spot)
    stock = _long_stock(call, spot, account, cover_value, owed)
    return Margins(stock.initial + owed, stock.maintenance + owed)


def covered_put_margins(put: Option, spot: Decimal, account: Account) -> Margins:
    """Margin for a short put with the stock sold short, dollars per contract.

    The short stock's own, and what the put is in the money. Short shares of an ETF are not
    taken to cover a put on its index: that asks more than it need, never less.

    Examples
    --------
    Stock at 95 sold short, 100 put: 130 % of 95 is 123.50, and 5 in the money.

    >>> from dollarbill_core.rules.accounts import REG_T
    >>> asked = covered_put_margins(Option.from_occ("XYZ261218P00100000"), Decimal(95), REG_T)
    >>> print(asked.initial, asked.maintenance)
    14750.00 12850.00
    """
    _require(put, Right.PUT, spot)
    owed = put.multiplier * put.intrinsic(spot)
    stock = _short_stock(put, spot, account)
    return Margins(stock.initial + owed, stock.maintenance + owed)


def protective_put_margins(
    put: Option,
    spot: Decimal,
    account: Account,
    *,
    paid: Decimal = ZERO,
    cover_value: Decimal | None = None,
) -> Margins:
    """Margin for long stock with a long put, dollars per contract.

    To hold: 10 % of the strike and what the put is out of the money, or the stock's own if
    that is less. To open: the stock's own, and the put in full.

    Examples
    --------
    Stock at 100, 95 put bought at 2: 9.50 + 5 is less than 25.

    >>> from dollarbill_core.rules.accounts import REG_T
    >>> put = Option.from_occ("XYZ261218P00095000")
    >>> asked = protective_put_margins(put, Decimal(100), REG_T, paid=Decimal(200))
    >>> print(asked.initial, asked.maintenance)
    5200.00 1450.00
    """
    _require(put, Right.PUT, spot)
    stock = _long_stock(put, spot, account, cover_value)
    return Margins(stock.initial + paid, min(_hedged(put, spot), stock.maintenance), paid)


def protective_call_margins(
    call: Option, spot: Decimal, account: Account, *, paid: Decimal = ZERO
) -> Margins:
    """Margin for short stock with a long call, dollars per contract.

    To hold, beyond the stock's value: 10 % of the strike and what the call is out of the money,
    or the short stock's own if that is less. To open: the stock's own, and the call in full.

    Examples
    --------
    Stock sold short at 100, 105 call bought at 2: 100 + 10.50 + 5 is less than 130.

    >>> from dollarbill_core.rules.accounts import REG_T
    >>> call = Option.from_occ("XYZ261218C00105000")
    >>> asked = protective_call_margins(call, Decimal(100), REG_T, paid=Decimal(200))
    >>> print(asked.initial, asked.maintenance)
    15200.00 11550.00
    """
    _require(call, Right.CALL, spot)
    stock = _short_stock(call, spot, account)
    hedged = call.multiplier * spot + _hedged(call, spot)
    return Margins(stock.initial + paid, min(hedged, stock.maintenance), paid)


def collar_margins(
    put: Option,
    call: Option,
    spot: Decimal,
    account: Account,
    *,
    paid: Decimal = ZERO,
    cover_value: Decimal | None = None,
) -> Margins:
    """Margin for long stock, a long put below and a short call above, dollars per contract.

    To hold: 10 % of the put's strike and what it is out of the money, or 25 % of the call's
    strike if that is less, and what the call is in the money. To open: the covered call's, and
    the put in full. One expiry.

    Examples
    --------
    Stock at 100, 95 put bought at 2, 105 call: 9.50 + 5 is less than 26.25.

    >>> from dollarbill_core.rules.accounts import REG_T
    >>> put, call = (Option.from_occ(f"XYZ261218{tail}") for tail in ("P00095000", "C00105000"))
    >>> asked = collar_margins(put, call, Decimal(100), REG_T, paid=Decimal(200))
    >>> print(asked.initial, asked.maintenance)
    5200.00 1450.00
    """
    _require_pair(put, call)
    if put.strike >= call.strike:
        raise ValueError(f"a collar's put lies below its call: {put}, {call}")
    opened = covered_call_margins(call, spot, account, cover_value=cover_value)
    rate = account.stock_rates(call.underlying).maintenance
    hedged = min(_hedged(put, spot), rate * call.multiplier * call.strike)
    owed = call.multiplier * call.intrinsic(spot)
    return Margins(opened.initial + paid, hedged + owed, paid)


def conversion_margins(
    put: Option,
    call: Option,
    spot: Decimal,
    account: Account,
    *,
    paid: Decimal = ZERO,
    cover_value: Decimal | None = None,
) -> Margins:
    """Margin for long stock, a long put and a short call at one strike, dollars per contract.

    To hold: 10 % of the strike, and what the call is in the money. To open: the covered
    call's, and the put in full. One expiry.

    Examples
    --------
    Stock at 103, put and call at 100, the put bought at 1: 10 + 3.

    >>> from dollarbill_core.rules.accounts import REG_T
    >>> put, call = (Option.from_occ(f"XYZ261218{right}00100000") for right in "PC")
    >>> asked = conversion_margins(put, call, Decimal(103), REG_T, paid=Decimal(100))
    >>> print(asked.initial, asked.maintenance)
    5400.00 1300.00
    """
    _require_one_strike(put, call)
    opened = covered_call_margins(call, spot, account, cover_value=cover_value)
    hedged = call.multiplier * (HEDGED_STRIKE * call.strike + call.intrinsic(spot))
    return Margins(opened.initial + paid, hedged, paid)


def reversal_margins(
    put: Option, call: Option, spot: Decimal, account: Account, *, paid: Decimal = ZERO
) -> Margins:
    """Margin for short stock, a short put and a long call at one strike, dollars per contract.

    To hold, beyond the stock's value: 10 % of the strike, and what the put is in the money. To
    open: the covered put's, and the call in full. One expiry.

    Examples
    --------
    Stock sold short at 98, put and call at 100, the call bought at 1: 98 + 10 + 2.

    >>> from dollarbill_core.rules.accounts import REG_T
    >>> put, call = (Option.from_occ(f"XYZ261218{right}00100000") for right in "PC")
    >>> asked = reversal_margins(put, call, Decimal(98), REG_T, paid=Decimal(100))
    >>> print(asked.initial, asked.maintenance)
    15000.00 11000.00
    """
    _require_one_strike(put, call)
    opened = covered_put_margins(put, spot, account)
    hedged = put.multiplier * (spot + HEDGED_STRIKE * put.strike + put.intrinsic(spot))
    return Margins(opened.initial + paid, hedged, paid)


def _hedged(option: Option, spot: Decimal) -> Decimal:
    """10 % of a long option's strike, and what it is out of the money, dollars a contract."""
    per_share = HEDGED_STRIKE * option.strike + option.out_of_the_money_by(spot)
    return option.multiplier * per_share


def _long_stock(
    option: Option,
    spot: Decimal,
    account: Account,
    cover_value: Decimal | None,
    less: Decimal = ZERO,
) -> Margins:
    """The stock's own margin, on its value less what a call in the money takes of it."""
    value = option.multiplier * spot if cover_value is None else cover_value
    if value < option.multiplier * spot:
        raise ValueError(f"{option}: shares worth {value} do not cover it at {spot}")
    share = (value - less) / option.multiplier
    _require_price(str(option), share)
    return long_stock_margins(option.underlying, share, account).times(option.multiplier)


def _short_stock(option: Option, spot: Decimal, account: Account) -> Margins:
    return short_stock_margins(option.underlying, spot, account).times(option.multiplier)


def _require_price(name: str, price: Decimal) -> None:
    if not (price.is_finite() and price > 0):
        raise ValueError(f"{name}: the price must be positive, got {price}")


def _require(option: Option, right: Right, spot: Decimal) -> None:
    require_standard(option)
    _require_price(str(option), spot)
    if option.right is not right:
        raise ValueError(f"{option} is no {right.name.lower()}")


def _require_pair(put: Option, call: Option) -> None:
    require_standard(put)
    if put.right is not Right.PUT or call.right is not Right.CALL:
        raise ValueError(f"{put} and {call} are not a put and a call")
    if put.underlying != call.underlying or expiry_instant(put) != expiry_instant(call):
        raise ValueError(f"{put} and {call} differ in underlying or expiry: margin them apart")


def _require_one_strike(put: Option, call: Option) -> None:
    _require_pair(put, call)
    if put.strike != call.strike:
        raise ValueError(f"{put} and {call} have two strikes: no conversion or reversal")
