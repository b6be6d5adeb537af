"""Margin of a book from the definitions alone: every partition of it into legal groups.

Nothing here is shared with the code it checks: units are single contracts and lots of a hundred
shares, each set of them is a group or is not, and all partitions are compared.
"""

from dataclasses import dataclass
from decimal import Decimal as D
from functools import lru_cache

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from dollarbill_core.values.calendars import expiry_instant
from dollarbill_core.values.contracts import Option, Right


@dataclass(frozen=True)
class Market:
    """What the definitions need to know of one underlying and its options."""

    spot: D
    marks: dict
    rate: D = D("0.20")
    floor: D = D("0.10")
    calendars: bool = True
    two_spreads: bool = False
    long_term: frozenset = frozenset()  # options that a quarter may be borrowed on
    boxes: bool = False  # whether long boxes may be borrowed on


STOCK = "100 shares"
NOTHING = (D(0), D(0))
LONG, SHORT = D("0.25"), D("1.30")
LONG_INITIAL, SHORT_INITIAL = D("0.50"), D("1.50")


def least_totals(units, market):
    """Least maintenance and least initial (without what longs cost) over all partitions."""
    charges = [
        (mask, charge([u for i, u in enumerate(units) if mask >> i & 1], market))
        for mask in range(1, 1 << len(units))
    ]
    legal = {mask: asked for mask, asked in charges if asked is not None}

    @lru_cache(None)
    def least(mask, which):
        if mask == 0:
            return D(0)
        first = mask & -mask
        rest, best = mask ^ first, None
        part = rest
        while True:
            group = part | first
            if group in legal:
                total = legal[group][which] + least(mask ^ group, which)
                best = total if best is None else min(best, total)
            if part == 0:
                return best
            part = (part - 1) & rest

    everything = (1 << len(units)) - 1
    return least(everything, 0), least(everything, 1)


def charge(units, market):
    """(maintenance, initial less cost) of one group, or None where it is no legal group."""
    stock = [u for u in units if u[0] == STOCK]
    options = [u for u in units if u[0] != STOCK]
    if stock:
        return with_stock(stock, options, market)
    shorts = [o for o, n in options if n < 0]
    longs = [o for o, n in options if n > 0]
    if not longs:
        return uncovered(shorts, market)
    if not shorts:
        lent = 25 * market.marks[longs[0]] if longs[0] in market.long_term else D(0)
        return (D(0), -lent) if len(longs) == 1 else None
    return spread(shorts, longs, market)


def alone(option, market):
    """Value of one short contract, and all that it asks."""
    otm = max(D(0), option.right * (option.strike - market.spot))
    base = market.spot if option.right is Right.CALL else option.strike
    cushion = max(market.rate * market.spot - otm, market.floor * base)
    return 100 * market.marks[option], 100 * (market.marks[option] + cushion)


def uncovered(shorts, market):
    if len(shorts) == 1:
        asked = alone(shorts[0], market)[1]
        return asked, asked
    if len(shorts) != 2 or shorts[0].right is shorts[1].right:
        return None
    put, call = sorted(shorts, key=lambda o: o.right)
    (put_value, put_asks), (call_value, call_asks) = (alone(o, market) for o in (put, call))
    asked = put_asks + call_value if put_asks >= call_asks else call_asks + put_value
    return asked, asked


def spread(shorts, longs, market):
    for right in Right:
        if sum(o.right is right for o in shorts) != sum(o.right is right for o in longs):
            return None
    dies, lives = [expiry_instant(o) for o in shorts], [expiry_instant(o) for o in longs]
    if max(dies) > min(lives):
        return None
    if not market.calendars and len({*dies, *lives}) > 1:
        return None
    worst = loss(shorts, longs)
    both_rights = len({o.right for o in shorts}) == 2
    if market.two_spreads and both_rights and not is_equal_condor(shorts, longs, worst):
        return None
    lent = D(0)
    if market.boxes and worst == 0 and is_long_box(shorts, longs):
        width = 100 * abs(shorts[0].strike - shorts[1].strike)
        value = 100 * (
            sum(market.marks[o] for o in longs) - sum(market.marks[o] for o in shorts)
        )
        lent = max(min(max(value, D(0)), width) - width / 2, D(0))
    return worst, worst - lent


def worth(option, spot):
    return 100 * max(D(0), option.right * (spot - option.strike))


def loss(shorts, longs):
    spots = [D(0), *(o.strike for o in (*shorts, *longs))]
    at = (sum(worth(o, s) for o in shorts) - sum(worth(o, s) for o in longs) for s in spots)
    return max(D(0), *at)


def is_equal_condor(shorts, longs, worst):
    """Four legs of one expiry: two credit verticals of one width, never both lost in full."""
    if len(shorts) != 2 or len({o.expiry for o in (*shorts, *longs)}) > 1:
        return False
    sold, held = ({o.right: o.strike for o in side} for side in (shorts, longs))
    put_width = sold[Right.PUT] - held[Right.PUT]
    call_width = held[Right.CALL] - sold[Right.CALL]
    return put_width == call_width > 0 and worst == 100 * put_width


def is_long_box(shorts, longs):
    if len(shorts) != 2 or len({expiry_instant(o) for o in (*shorts, *longs)}) > 1:
        return False
    sold, held = ({o.right: o.strike for o in side} for side in (shorts, longs))
    if len(sold) != 2 or len(held) != 2:
        return False
    return held[Right.CALL] == sold[Right.PUT] < held[Right.PUT] == sold[Right.CALL]


def with_stock(stock, options, market):
    """One lot of shares, with at most one short and one long option."""
    spot = market.spot
    shorts = [o for o, n in options if n < 0]
    longs = [o for o, n in options if n > 0]
    if len(stock) != 1 or len(shorts) > 1 or len(longs) > 1:
        return None
    short, long = (side[0] if side else None for side in (shorts, longs))
    is_long = stock[0][1] > 0
    covers, protects = (Right.CALL, Right.PUT) if is_long else (Right.PUT, Right.CALL)
    if (short and short.right is not covers) or (long and long.right is not protects):
        return None
    owed = worth(short, spot) if short else D(0)
    if is_long:
        initial = LONG_INITIAL * (100 * spot - owed) + owed
    else:
        initial = SHORT_INITIAL * 100 * spot + owed
    held = _held(short, long, spot, is_long, owed)
    return None if held is None else (held, initial)


def _held(short, long, spot, is_long, owed):
    own = 100 * spot * LONG if is_long else 100 * max(SHORT * spot, spot + 5)
    hedged = D(0)
    if long:
        otm = max(D(0), long.right * (long.strike - spot))
        hedged = 100 * (long.strike / 10 + otm) + (0 if is_long else 100 * spot)
    if not short:
        return own if not long else min(hedged, own)
    if not long:
        return (100 * spot - owed) * LONG + owed if is_long else own + owed
    if expiry_instant(short) != expiry_instant(long):
        return None
    if short.strike == long.strike:
        return 100 * (short.strike / 10 + (0 if is_long else spot)) + owed
    if is_long and long.strike < short.strike:
        return min(hedged, LONG * 100 * short.strike) + owed
    return None


def units_of(holdings):
    """Single contracts, and lots of a hundred shares."""
    units = []
    for instrument, quantity in holdings:
        is_option = isinstance(instrument, Option)
        count = abs(quantity) if is_option else abs(quantity) // 100
        sign = 1 if quantity > 0 else -1
        units += [(instrument if is_option else STOCK, sign)] * count
    return units


def highs_total(holdings, market, slots=3):
    """Least maintenance of options on one stock, by HiGHS, for books of any size.

    Every one of ``slots`` possible spreads may hold any of the legs; two legs of which the
    short outlives the long exclude each other in one, by a binary for each leg and slot.
    """
    count = len(holdings)
    shorts = [i for i, (_, n) in enumerate(holdings) if n < 0]
    pairs = [
        (i, j)
        for i in shorts
        for j in shorts
        if holdings[i][0].right is Right.PUT and holdings[j][0].right is Right.CALL
    ]
    spots = [D(0), *(option.strike for option, _ in holdings)]
    members = slots * count  # contracts of each leg in each slot, then whether there are any
    first_level = 2 * members
    first_pair = first_level + slots
    size = first_pair + len(pairs)
    cost, top = np.zeros(size), np.full(size, np.inf)
    cost[first_level:first_pair] = 1
    rows, low, high = [], [], []

    def require(terms, least, most):
        row = np.zeros(size)
        for place, weight in terms:
            row[place] += float(weight)
        rows.append(row)
        low.append(least)
        high.append(most)

    for i, (option, n) in enumerate(holdings):
        mine = [(g * count + i, 1) for g in range(slots)]
        require(
            [*mine, *((first_pair + k, 1) for k, p in enumerate(pairs) if i in p)], 0, abs(n)
        )
        for g in range(slots):
            place = g * count + i
            top[place], top[members + place] = abs(n), 1
            require([(place, 1), (members + place, -abs(n))], -np.inf, 0)
            if n < 0:
                cost[place] = -float(alone(option, market)[1])
    for k, (i, j) in enumerate(pairs):
        apart = sum(alone(holdings[x][0], market)[1] for x in (i, j))
        cost[first_pair + k] = float(
            uncovered([holdings[x][0] for x in (i, j)], market)[0] - apart
        )
    for g in range(slots):
        base = g * count
        for right in Right:
            of_right = [i for i in range(count) if holdings[i][0].right is right]
            signed = [(base + i, 1 if holdings[i][1] > 0 else -1) for i in of_right]
            require(signed, 0, 0)
        for spot in spots:
            owed = [
                (base + i, worth(o, spot) * (1 if n > 0 else -1))
                for i, (o, n) in enumerate(holdings)
            ]
            require([(first_level + g, 1), *owed], 0, np.inf)
        for i in shorts:
            for j, (long, n) in enumerate(holdings):
                if n > 0 and expiry_instant(long) < expiry_instant(holdings[i][0]):
                    require([(members + base + i, 1), (members + base + j, 1)], 0, 1)
    whole = np.ones(size)
    whole[first_level:first_pair] = 0
    found = milp(
        cost,
        integrality=whole,
        bounds=Bounds(np.zeros(size), top),
        constraints=LinearConstraint(np.array(rows), low, high),
        options={"mip_rel_gap": 0.0, "time_limit": 20.0},
    )
    assert found.success, found.message
    bare = sum(-holdings[i][1] * alone(holdings[i][0], market)[1] for i in shorts)
    return float(bare) + found.fun
