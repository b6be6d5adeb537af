"""How much hangs on one thing: an underlying, an expiry, or what all shorts stand for."""

from collections import defaultdict
from collections.abc import Callable, Hashable
from decimal import Decimal
from typing import TypeVar

from dollarbill_core.rules.requirements import Requirement
from dollarbill_core.values.book import Book
from dollarbill_core.values.contracts import Instrument, Leg, Option, Right, Stock

ZERO = Decimal(0)
Key = TypeVar("Key", bound=Hashable)


def short_exposure(book: Book) -> Decimal:
    """Dollars that short options stand for: strike x multiplier x contracts.

    All short puts count, and short calls without shares; shares cover the calls of the lowest
    strikes. Long options take nothing away.

    >>> from dollarbill_core.values.book import Position
    >>> put, call = (Option.from_occ(f"XYZ261218{x}000") for x in ("P00095", "C00110"))
    >>> legs = Position(put, -2), Position(call, -3), Position(Stock("XYZ"), 250)
    >>> short_exposure(Book(positions=legs))  # 2 x 9,500 + 1 x 11,000
    Decimal('30000')
    """
    total = ZERO
    shares = {p.instrument: max(p.quantity, 0) for p in book.positions}
    shorts = [(p.instrument, -p.quantity) for p in book.positions if p.quantity < 0]
    for option, contracts in sorted(
        ((x, n) for x, n in shorts if isinstance(x, Option)), key=lambda pair: pair[0].strike
    ):
        bare = contracts
        if option.right is Right.CALL:
            stock = Stock(option.underlying)
            covered = min(contracts, shares.get(stock, 0) // option.multiplier)
            if covered:
                shares[stock] -= covered * option.multiplier
            bare -= covered
        total += bare * option.multiplier * option.strike
    return total


def margin_by(
    required: Requirement, key: Callable[[Instrument], Key | None]
) -> dict[Key, Decimal]:
    """Maintenance dollars by underlying, by expiry or by whatever else ``key`` reads off.

    A group's dollars go to its short options, by their strike x contracts; those of a group
    without any, such as stock, to its first leg. What has no key, None, is left out.
    """
    found: defaultdict[Key, Decimal] = defaultdict(Decimal)
    for group in required.groups:
        weights = [(leg.instrument, weight) for leg in group.legs if (weight := _weight(leg))]
        weights = weights or [(group.legs[0].instrument, Decimal(1))]
        whole = sum(weight for _, weight in weights)
        for instrument, weight in weights:
            if (name := key(instrument)) is not None:
                found[name] += group.maintenance * weight / whole
    return dict(found)


def _weight(leg: Leg) -> Decimal:
    if not isinstance(leg.instrument, Option) or leg.quantity > 0:
        return ZERO
    return -leg.quantity * leg.instrument.multiplier * leg.instrument.strike
