"""Strangles, verticals and condors on arrays of book-days, in machine code: dollars a unit.

Each is what `margin.requirement` asks of such a book to hold, where condors of unequal sides
follow the rule book. Strikes, spots and marks are dollars per share, arrays of shape (n,);
``rate`` and ``floor`` are the account's terms. What is not known, NaN, gives NaN.
"""

from dollarbill_core.pricing.machine_code import Floats, compiled, inlined

MULTIPLIER = 100.0


@compiled
def strangle_margins(
    spot: Floats,
    put_strike: Floats,
    call_strike: Floats,
    put_mark: Floats,
    call_mark: Floats,
    rate: float,
    floor: float,
    out: Floats,
) -> None:
    """Maintenance of one short put and one short call, each day; see `strangle_requirement`.

    The dearer side's value and cushion, and the other side's value.
    """
    for i in range(out.size):
        put = put_mark[i] + cushion(-1.0, spot[i], put_strike[i], rate, floor)
        call = call_mark[i] + cushion(1.0, spot[i], call_strike[i], rate, floor)
        both = put + call_mark[i] if put >= call else call + put_mark[i]
        unknown = 0.0 * (spot[i] + put_strike[i] + call_strike[i] + both)
        out[i] = MULTIPLIER * both + unknown


@compiled
def vertical_margins(
    right: float,
    spot: Floats,
    short_strike: Floats,
    long_strike: Floats,
    short_mark: Floats,
    rate: float,
    floor: float,
    out: Floats,
) -> None:
    """Maintenance of one short and one long option of a right, the long living as long.

    The strikes' distance where the short is nearer the money, nothing otherwise, and never more
    than the short asks alone.
    """
    for i in range(out.size):
        width = max(right * (long_strike[i] - short_strike[i]), 0.0)
        alone = short_mark[i] + cushion(right, spot[i], short_strike[i], rate, floor)
        unknown = 0.0 * (spot[i] + short_strike[i] + long_strike[i] + short_mark[i])
        out[i] = MULTIPLIER * min(alone, width) + unknown


@compiled
def condor_margins(
    spot: Floats,
    long_put: Floats,
    short_put: Floats,
    short_call: Floats,
    long_call: Floats,
    put_mark: Floats,
    call_mark: Floats,
    rate: float,
    floor: float,
    out: Floats,
) -> None:
    """Maintenance of a short condor of one expiry: the least of its legal groupings.

    Both sides together ask the worst loss at 0 and at the longs' strikes; or either side is
    left uncovered, or both are, as a strangle. The marks are those of the shorts.
    """
    for i in range(out.size):
        put_value, call_value = put_mark[i], call_mark[i]
        put = put_value + cushion(-1.0, spot[i], short_put[i], rate, floor)
        call = call_value + cushion(1.0, spot[i], short_call[i], rate, floor)
        naked = put + call_value if put >= call else call + put_value
        put_width = short_put[i] - long_put[i]
        call_width = long_call[i] - short_call[i]
        worst = condor_loss(long_put[i], short_put[i], short_call[i], long_call[i])
        one_side = min(max(put_width, 0.0) + call, max(call_width, 0.0) + put)
        unknown = 0.0 * (spot[i] + put_width + call_width + put_value + call_value)
        out[i] = MULTIPLIER * min(min(worst, naked), one_side) + unknown


@inlined
def condor_loss(
    long_put: float, short_put: float, short_call: float, long_call: float
) -> float:
    """The worst intrinsic loss of four legs, dollars a share: at 0, or at a long's strike."""
    worst = max(short_put - long_put, 0.0)
    for spot in (long_put, long_call):
        puts = max(short_put - spot, 0.0) - max(long_put - spot, 0.0)
        calls = max(spot - short_call, 0.0) - max(spot - long_call, 0.0)
        worst = max(worst, puts + calls)
    return worst


@inlined
def cushion(right: float, spot: float, strike: float, rate: float, floor: float) -> float:
    """What an uncovered short asks beyond its value, dollars a share."""
    out_of_money = max(right * (strike - spot), 0.0)
    least = floor * (spot if right > 0.0 else strike)
    return max(rate * spot - out_of_money, least)
