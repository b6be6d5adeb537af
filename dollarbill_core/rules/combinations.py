"""Legs of one margin class, and what they could form beyond spreads and pairs of shorts."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import lru_cache
from itertools import product
from typing import NamedTuple

from dollarbill_core.market.chains import NoQuote
from dollarbill_core.market.view import View
from dollarbill_core.rules import stock_margin
from dollarbill_core.rules.accounts import INDICES, Account, UnequalCondors
from dollarbill_core.rules.products import covering_shares, margin_class, underlying
from dollarbill_core.rules.requirements import Margins, NotAllowed, Rule
from dollarbill_core.rules.strategy_margin import (
    ShortOption,
    long_box_loan,
    long_option_margins,
)
from dollarbill_core.values.book import Position
from dollarbill_core.values.calendars import expiry_instant
from dollarbill_core.values.contracts import Instrument, Leg, Option, Stock

ZERO = Decimal(0)
UNIT = Decimal(1_000_000)  # of a dollar: money in the search is a whole number of these


class Facts(NamedTuple):
    """What never changes about an option, in the form that the search takes."""

    underlying: str
    family: str
    right: float
    strike: float  # units a contract
    instant: float  # seconds


@lru_cache(maxsize=1 << 16)
def facts(option: Option) -> Facts:
    """Looked up once for each option. Raises NotAllowed for what is not standard."""
    if option.is_adjusted:
        raise NotAllowed(f"{option}: its deliverable is not standard; margin it by hand")
    return Facts(
        option.underlying,
        margin_class(option.underlying),
        float(option.right),
        float(option.strike * option.multiplier * UNIT),
        expiry_instant(option).timestamp(),
    )


class Short(NamedTuple):
    """A short option: what one contract asks alone, and the cushion within that, dollars."""

    option: Option
    size: int
    facts: Facts
    quote: ShortOption
    alone: Decimal
    cushion: Decimal


class Long(NamedTuple):
    """A long option: its cost in all, and what may be borrowed on one contract, dollars."""

    option: Option
    size: int
    facts: Facts
    cost: Decimal
    lent: Decimal


class Shares(NamedTuple):
    """Stock, long or short: how many shares, their price, what one asks alone, dollars."""

    stock: Stock
    quantity: int
    price: Decimal
    alone: Margins


class Combination(NamedTuple):
    """A structure that could be formed: its rule, what one asks, and what its legs ask without.

    ``parts`` are numbers of the class's legs, and contracts or shares of each.
    """

    rule: Rule
    asks: Margins
    without: Margins
    parts: tuple[tuple[int, int], ...]


@dataclass(slots=True)
class Family:
    """All that a book holds of one margin class. Legs are numbered shorts, longs, shares."""

    account: Account
    shorts: list[Short] = field(default_factory=list)
    longs: list[Long] = field(default_factory=list)
    shares: list[Shares] = field(default_factory=list)

    @property
    def lends(self) -> bool:
        return any(long.lent for long in self.longs)

    def instrument(self, number: int) -> Instrument:
        """The leg of a number."""
        if number < len(self.shorts):
            return self.shorts[number].option
        number -= len(self.shorts)
        if number < len(self.longs):
            return self.longs[number].option
        return self.shares[number - len(self.longs)].stock

    def sign(self, number: int) -> int:
        """Which side the book stands on."""
        number -= len(self.shorts)
        if number < 0:
            return -1
        number -= len(self.longs)
        return 1 if number < 0 or self.shares[number].quantity > 0 else -1


def families(positions: Sequence[Position], view: View, account: Account) -> dict[str, Family]:
    """The book's legs by margin class, with what each asks alone."""
    found: dict[str, Family] = {}
    now = view.now.timestamp()
    for position in positions:
        instrument = position.instrument
        if isinstance(instrument, Option):
            known = facts(instrument)
            if known.instant <= now:
                raise ValueError(f"{instrument} has expired: settle it before it is margined")
            family = found.get(known.family) or found.setdefault(known.family, Family(account))
            if position.quantity > 0:
                family.longs.append(_long(position, known, view, account))
            else:
                terms = _terms(account, instrument)
                family.shorts.append(_short(position, known, view, terms))
        else:
            name = margin_class(instrument.symbol)
            family = found.get(name) or found.setdefault(name, Family(account))
            family.shares.append(_shares(position, instrument, view, account))
    return found


@lru_cache(maxsize=1 << 16)
def _terms(account: Account, option: Option) -> tuple[Decimal, Decimal]:
    return account.terms(option)


def mark_of(option: Option, view: View) -> Decimal:
    """Dollars per share. Raises NoQuote and ValueError with the option's name."""
    try:
        mark = view.mark(option)
    except NoQuote as error:
        raise NoQuote(f"{option} has no mark: {error}") from error
    if not (isinstance(mark, Decimal) and mark.is_finite() and mark >= 0):
        raise ValueError(f"{option}: the mark is no Decimal, or negative: {mark!r}")
    return mark


def _short(
    position: Position, known: Facts, view: View, terms: tuple[Decimal, Decimal]
) -> Short:
    option = position.instrument
    assert isinstance(option, Option)
    quote = ShortOption(option, mark_of(option, view), view.spot(known.underlying), *terms)
    cushion = quote.cushion
    alone = quote.market_value + cushion
    return Short(option, -position.quantity, known, quote, alone, cushion)


def _long(position: Position, known: Facts, view: View, account: Account) -> Long:
    option = position.instrument
    assert isinstance(option, Option)
    if option in view.marks:
        mark_of(option, view)
    lent = _lent(option, view, account) if account.lends_on_options else ZERO
    return Long(option, position.quantity, known, position.cost, lent)


def _lent(option: Option, view: View, account: Account) -> Decimal:
    """What may be borrowed on one contract; nothing on one that has no price."""
    if not _is_long_term(option, view.now.date()):
        return ZERO
    try:
        value = option.multiplier * view.mark(option)
    except NoQuote:
        return ZERO
    return long_option_margins(option, value, value, view.today, account).lent


@lru_cache(maxsize=1 << 12)
def _is_long_term(option: Option, today: date) -> bool:
    return bool(long_option_margins(option, _ONE, _ONE, today).lent)


_ONE = Decimal(1)


def _shares(position: Position, stock: Stock, view: View, account: Account) -> Shares:
    if underlying(stock.symbol).product in INDICES:
        raise NotAllowed(f"{position.quantity:+d} {stock}: an index has no shares to hold")
    price = view.spot(stock.symbol)
    if position.quantity > 0:
        alone = stock_margin.long_stock_margins(stock.symbol, price, account)
    else:
        alone = stock_margin.short_stock_margins(stock.symbol, price, account)
    return Shares(stock, position.quantity, price, alone)


def combinations(family: Family, view: View) -> list[Combination]:
    """Everything beyond spreads and strangles that the legs could form, one unit of each."""
    found: list[Combination] = []
    for number in range(len(family.shares)):
        found += _of_shares(family, number, view)
    if len(family.shorts) > 1 and len(family.longs) > 1:
        european = family.shorts[0].option.is_european
        if family.account.unequal_condors is UnequalCondors.TWO_SPREADS:
            found += _equal_condors(family)
        if family.account.lends_on_options and european:
            found += _long_boxes(family, view)
    return found


def _of_shares(family: Family, number: int, view: View) -> Iterator[Combination]:
    """Stock with a short option, with a long one, or with both."""
    shares = family.shares[number]
    place = len(family.shorts) + len(family.longs) + number
    is_long = shares.quantity > 0
    covered, protective = _COVERED[is_long], _PROTECTED[is_long]
    sold = [(i, x) for i, x in enumerate(family.shorts) if x.facts.right == covered.right]
    held = [
        (len(family.shorts) + j, x)
        for j, x in enumerate(family.longs)
        if x.facts.right == -covered.right and x.facts.underlying == shares.stock.symbol
    ]
    for i, short in sold:
        count = _shares_for(shares, short, view)
        if count:
            value = count * shares.price
            asks = covered.margins(short.quote, family.account, value)
            yield Combination(
                covered.rule, asks, _without(shares, count, short), ((i, 1), (place, count))
            )
    for j, long in held:
        count = long.option.multiplier
        asks = protective.margins(long.option, shares.price, family.account)
        parts = ((j, 1), (place, count))
        yield Combination(protective.rule, asks, _without(shares, count, long), parts)
    for (i, short), (j, long) in product(sold, held):
        rule = _rule_of_both(short.facts, long.facts, is_long)
        if rule is not None:
            count = long.option.multiplier
            put, call = (long, short) if is_long else (short, long)
            asks = _BOTH[rule](put.option, call.option, shares.price, family.account)
            without = _without(shares, count, short, long)
            yield Combination(rule, asks, without, ((i, 1), (j, 1), (place, count)))


def _shares_for(shares: Shares, short: Short, view: View) -> int:
    """How many of these shares cover one short option; 0 where they cover none."""
    if short.facts.underlying == shares.stock.symbol:
        return short.option.multiplier
    if shares.quantity < 0 or underlying(shares.stock.symbol).leverage != 1:
        return 0
    level = view.spot(short.facts.underlying)
    try:
        return covering_shares(shares.stock.symbol, short.option, shares.price, level)
    except ValueError:  # no tracker of that index
        return 0


def _without(shares: Shares, count: int, *options: Short | Long) -> Margins:
    """What the parts of a combination ask, each alone."""
    initial, maintenance = count * shares.alone.initial, count * shares.alone.maintenance
    lent = ZERO
    for each in options:
        if isinstance(each, Short):
            initial, maintenance = initial + each.alone, maintenance + each.alone
        else:
            lent += each.lent
    return Margins(initial - lent, maintenance, ZERO, lent)


class _Hedge(NamedTuple):
    """A rule of stock with one option, and the option's right."""

    rule: Rule
    right: float
    margins: Callable[..., Margins]


def _covered_call(short: ShortOption, account: Account, value: Decimal) -> Margins:
    return stock_margin.covered_call_margins(
        short.option, short.spot, account, cover_value=value
    )


def _covered_put(short: ShortOption, account: Account, _: Decimal) -> Margins:
    return stock_margin.covered_put_margins(short.option, short.spot, account)


_COVERED = {
    True: _Hedge(Rule.COVERED_CALL, 1.0, _covered_call),
    False: _Hedge(Rule.COVERED_PUT, -1.0, _covered_put),
}
_PROTECTED = {
    True: _Hedge(Rule.PROTECTIVE_PUT, -1.0, stock_margin.protective_put_margins),
    False: _Hedge(Rule.PROTECTIVE_CALL, 1.0, stock_margin.protective_call_margins),
}
_BOTH: dict[Rule, Callable[..., Margins]] = {
    Rule.COLLAR: stock_margin.collar_margins,
    Rule.CONVERSION: stock_margin.conversion_margins,
    Rule.REVERSAL: stock_margin.reversal_margins,
}


def _rule_of_both(short: Facts, long: Facts, is_long_stock: bool) -> Rule | None:
    """What stock with a short and a long option of one expiry is; None where no rule is."""
    if short.underlying != long.underlying or short.instant != long.instant:
        return None
    if short.strike == long.strike:
        return Rule.CONVERSION if is_long_stock else Rule.REVERSAL
    return Rule.COLLAR if is_long_stock and long.strike < short.strike else None


def _verticals(family: Family, right: float) -> Iterator[tuple[int, int, Facts, float]]:
    """Credit verticals of one right: short and long leg, the short's facts, the width."""
    for i, short in enumerate(family.shorts):
        for j, long in enumerate(family.longs):
            sold, held = short.facts, long.facts
            width = right * (held.strike - sold.strike)
            alike = (held.underlying, held.instant) == (sold.underlying, sold.instant)
            if alike and held.right == sold.right == right and width > 0:
                yield i, len(family.shorts) + j, sold, width


def _equal_condors(family: Family) -> Iterator[Combination]:
    """Two credit verticals of one width and expiry that cannot both be lost: one width."""
    calls = list(_verticals(family, 1.0))
    for put, put_cover, sold, width in _verticals(family, -1.0):
        for call, call_cover, other, its_width in calls:
            alike = (sold.underlying, sold.instant) == (other.underlying, other.instant)
            if alike and width == its_width and sold.strike - other.strike <= width:
                alone = family.shorts[put].alone + family.shorts[call].alone
                asks, parts = Decimal(int(width)) / UNIT, (put, put_cover, call, call_cover)
                yield Combination(
                    Rule.SPREAD,
                    Margins(asks, asks),
                    Margins(alone, alone),
                    tuple((part, 1) for part in parts),
                )


def _long_boxes(family: Family, view: View) -> Iterator[Combination]:
    """Long boxes that may be borrowed on: European, cash-settled."""
    first = len(family.shorts)
    longs = [(first + j, x) for j, x in enumerate(family.longs) if x.option.is_european]
    shorts = [(i, x) for i, x in enumerate(family.shorts) if x.option.is_european]
    for (call, held), (put, sold) in product(longs, shorts):
        if held.facts.right == 1.0 and _is_synthetic(sold.facts, held.facts):
            for (put2, held2), (call2, sold2) in product(longs, shorts):
                is_box = held2.facts.right == -1.0 and _is_synthetic(sold2.facts, held2.facts)
                alike = held2.facts[:2] == held.facts[:2]
                above = held2.facts.strike > held.facts.strike
                if is_box and alike and above and held2.facts.instant == held.facts.instant:
                    numbers = (put, call, put2, call2)
                    yield from _box(family, view, numbers, (sold, held, held2, sold2))


def _is_synthetic(short: Facts, long: Facts) -> bool:
    """A short and a long option of two rights, one strike and one expiry."""
    return short.right == -long.right and short[3:] == long[3:] and short[0] == long[0]


def _box(
    family: Family, view: View, numbers: tuple[int, ...], legs: Sequence[Short | Long]
) -> Iterator[Combination]:
    signed = [(x.option, 1 if isinstance(x, Long) else -1) for x in legs]
    try:
        worth = sum((n * view.mark(x) * x.multiplier for x, n in signed), ZERO)
    except NoQuote:
        return
    box = [Leg(option, n) for option, n in signed]
    lent = long_box_loan(box, max(worth, ZERO), family.account)
    alone = sum((x.alone for x in legs if isinstance(x, Short)), ZERO)
    forgone = sum((x.lent for x in legs if isinstance(x, Long)), ZERO)
    if lent:
        yield Combination(
            Rule.LONG_BOX,
            Margins(-lent, ZERO, ZERO, lent),
            Margins(alone - forgone, alone, ZERO, forgone),
            tuple((number, 1) for number in numbers),
        )
