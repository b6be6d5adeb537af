"""Portfolio margin: Cboe's published figures, the rule's ranges, one identity, plain twins."""

import math
from collections.abc import Mapping
from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dollarbill_core.market.carry import Rates
from dollarbill_core.market.chains import NoQuote
from dollarbill_core.market.view import View
from dollarbill_core.pricing import american, black_scholes
from dollarbill_core.rules.accounts import PORTFOLIO, REG_T
from dollarbill_core.rules.portfolio_margin import (
    EQUITY,
    THINKORSWIM,
    Range,
    Ranges,
    ineligible_because,
    points,
    requirement_of,
)
from dollarbill_core.rules.requirements import Requirement, Rule
from dollarbill_core.values.book import Book, Position
from dollarbill_core.values.calendars import close_instant, expiry_instant, years_between
from dollarbill_core.values.contracts import Instrument, Option, Right, Stock, cents
from tests.american_oracles import quantlib_price

CALL, PUT = Right.CALL, Right.PUT
NOW = close_instant(date(2026, 11, 2))
EXPIRY, LATER = date(2026, 12, 18), date(2027, 2, 19)
PRICES = "SPY 600 SPX 6000 QQQ 500 IWM 220 AAPL 230 MSFT 410 TQQQ 90 SH 40 VIX 18".split()
SPOTS = dict(zip(PRICES[::2], map(Decimal, PRICES[1::2]), strict=True))
RATE, PAID = 0.04, {"SPY": 0.012, "SPX": 0.012}
Held = tuple[tuple[Instrument, int], ...]


def option(root: str, strike: float, right: Right, expiry: date = EXPIRY) -> Option:
    return Option(root, expiry, Decimal(str(strike)), right)


def fair(each: Option, vol: float) -> Decimal:
    style = black_scholes if each.root in {"SPX", "SPXW"} else american
    years = years_between(NOW, expiry_instant(each))
    terms = float(SPOTS[each.underlying]), float(each.strike), years, RATE, vol
    price = style.price(each.right, *terms, PAID.get(each.underlying, 0.0))
    return Decimal(repr(round(float(price), 4)))


def view_of(held: Held, vol: float = 0.2) -> View:
    marks = {x: fair(x, vol) for x, _ in held if isinstance(x, Option)}
    return View(NOW, SPOTS, marks, rates=Rates(RATE), dividend_yields=PAID)


def book_of(held: Held, cash: Decimal = Decimal(50_000)) -> Book:
    return Book(cash, tuple(Position(*each) for each in held))


def asked(*held: tuple[Instrument, int], ranges: Ranges | None = None) -> Decimal:
    """Equity asked of a book, all classes together."""
    found = points(book_of(held), view_of(held), *([ranges] if ranges else []))
    return sum((each.required for each in found), Decimal(0))


# --- published


# Cboe, "Margin Requirement Examples for Sample Options-based Positions", close of 2007-02-23,
# options that expired 2007-04-20; rate 5.25 %, SPX yield 1.8 % by fit. Our fit of each row, per
# cent: +0.08, +0.01, -0.03, -0.05, 0, +0.43.
CBOE = {
    "IBM-short-call": ("IBM", ((-100, CALL, 100, "1.68"),), 115_429, 0.15),
    "IBM-covered-call": (
        "IBM", ((10_000, None, 0, ""), (-100, CALL, 100, "1.68")), 129_804, -0.15,
    ),
    "IBM-synthetic-long": (
        "IBM", ((100, CALL, 100, "1.68"), (-100, PUT, 100, "3.18")), 154_313, -0.15,
    ),
    "IBM-collar": (
        "IBM",
        ((10_000, None, 0, ""), (100, PUT, 95, "1.02"), (-100, CALL, 105, "0.40")),
        33_522,
        -0.12,
    ),
    "M12-IBM-long-straddle": (
        "IBM", ((100, PUT, 100, "3.18"), (100, CALL, 100, "1.68")), 7_500, 0.03,
    ),
    "SPX-short-call": ("SPX", ((-100, CALL, 1460, "21.66"),), 654_514, 0.06),
}  # fmt: skip
THEN = close_instant(date(2007, 2, 23))
THEIR_SPOTS = {"IBM": Decimal("97.73"), "SPX": Decimal("1451.19")}
Row = tuple[str, tuple[tuple[int, Right | None, int, str], ...], int, float]


@pytest.mark.parametrize("row", CBOE.values(), ids=CBOE.keys())
def test_cboes_published_requirements_are_met_within_half_a_per_cent(row: Row) -> None:
    symbol, legs, published, worst_move = row
    positions, marks = [], {}
    for quantity, right, strike, price in legs:
        instrument: Instrument = Stock(symbol)
        if right is not None:
            instrument = Option(symbol, date(2007, 4, 21), Decimal(strike), right)
            marks[instrument] = Decimal(price)
        positions.append(Position(instrument, quantity))
    view = View(THEN, THEIR_SPOTS, marks, rates=Rates(0.0525), dividend_yields={"SPX": 0.018})

    (found,) = points(Book(positions=tuple(positions)), view)

    assert float(found.required) == pytest.approx(published, rel=0.005)
    assert found.moves[found.worst] == pytest.approx(worst_move)


# --- ranges


@pytest.mark.parametrize(
    ("symbol", "quantity", "part"),
    [
        ("SPY", 100, "0.08"),
        ("SPY", -100, "0.06"),
        ("QQQ", -100, "0.10"),
        ("IWM", 100, "0.10"),
        ("AAPL", 100, "0.15"),
        ("AAPL", -100, "0.15"),
        ("TQQQ", 100, "0.30"),
        ("SH", 100, "0.06"),
        ("SH", -100, "0.08"),
    ],
    ids="spy spy-short qqq iwm stock stock-short leveraged inverse inverse-short".split(),
)
def test_shares_are_asked_the_worst_move_of_their_range(
    symbol: str, quantity: int, part: str
) -> None:
    assert asked((Stock(symbol), quantity)) == 100 * SPOTS[symbol] * Decimal(part)


def test_ten_points_lie_evenly_on_either_side_and_the_spot_is_none_of_them() -> None:
    (spy,) = points(book_of(((Stock("SPY"), 1),)), view_of(()))

    expected = [-8, -6.4, -4.8, -3.2, -1.6, 1.2, 2.4, 3.6, 4.8, 6]
    assert spy.moves * 100 == pytest.approx(expected)
    assert EQUITY.moves * 100 == pytest.approx([-15, -12, -9, -6, -3, 3, 6, 9, 12, 15])
    assert spy.profits == pytest.approx(600 * spy.moves)


def test_a_house_moves_further() -> None:
    wide = Ranges(wider={"AAPL": Range(Decimal("-0.25"), Decimal("0.25"))})

    assert asked((Stock("AAPL"), 100), ranges=wide) == 100 * 230 * Decimal("0.25")
    assert asked((Stock("MSFT"), 100), ranges=wide) == 100 * 410 * Decimal("0.15")
    assert asked((Stock("SPY"), 100), ranges=THINKORSWIM) == 100 * 600 * Decimal("0.12")


def test_no_share_falls_below_nothing() -> None:
    crash = Ranges(wider={"NDX": Range(Decimal("-0.5"), Decimal("0.5"))})

    assert asked((Stock("TQQQ"), 100), ranges=crash) == 9_000


# --- classes


def test_an_index_and_its_etf_offset_each_other_in_full() -> None:
    synthetic = (option("SPXW", 6000, CALL), 1), (option("SPXW", 6000, PUT), -1)

    alone = asked(*synthetic)
    hedged = asked(*synthetic, (Stock("SPY"), -1000))

    assert alone > 45_000
    assert hedged == 75  # the least charge of two contracts; an ETF's drift differs by less


def test_an_inverse_fund_offsets_what_it_inverts() -> None:
    assert asked((Stock("SPY"), 100), (Stock("SH"), 1500)) == 0


def test_classes_do_not_offset_each_other() -> None:
    apple, microsoft = (Stock("AAPL"), 100), (Stock("MSFT"), -100)

    assert asked(apple, microsoft) == asked(apple) + asked(microsoft)


def test_long_and_short_of_one_class_meet_point_by_point() -> None:
    short, long = option("SPY", 570, PUT), option("SPY", 540, PUT)

    spread = asked((short, -1), (long, 1))

    width = 3000 - 100 * (fair(short, 0.2) - fair(long, 0.2))
    assert asked((short, -1)) > spread > 75
    assert spread <= width


# --- gross, and what it means


def excess(book: Book, view: View, found: Requirement) -> Decimal:
    """As `requirements` says: cash + long stock + lent - maintenance."""
    return book.cash + long_stock(book, view) - found.tied_up


def free_funds(book: Book, view: View, found: Requirement) -> Decimal:
    return book.cash + long_stock(book, view) - found.to_carry


def long_stock(book: Book, view: View) -> Decimal:
    shares = (p for p in book.positions if isinstance(p.instrument, Stock) and p.quantity > 0)
    return sum((p.quantity * view.spot(p.instrument.underlying) for p in shares), Decimal(0))


INSTRUMENTS: tuple[Instrument, ...] = (
    Stock("SPY"), Stock("AAPL"), Stock("SH"),
    option("SPY", 570, PUT), option("SPY", 540, PUT), option("SPY", 630, CALL, LATER),
    option("SPXW", 5700, PUT), option("SPX", 6300, CALL),
    option("AAPL", 210, PUT), option("AAPL", 250, CALL, LATER), option("AAPL", 230, CALL),
)  # fmt: skip
quantities = st.integers(-20, 20).filter(bool)
books = st.dictionaries(st.sampled_from(INSTRUMENTS), quantities, max_size=7).map(
    lambda found: tuple(found.items())
)
some = settings(max_examples=40, deadline=None)
ALL_MARKS = view_of(tuple((each, 1) for each in INSTRUMENTS))


def required(held: Held, view: View = ALL_MARKS) -> dict[str, Decimal]:
    return {each.margin_class: each.required for each in points(book_of(held), view)}


@some
@given(books)
def test_excess_and_free_funds_are_equity_less_the_requirement(held: Held) -> None:
    book = book_of(held)
    found = requirement_of(book, ALL_MARKS)
    equity = book.cash + book.total(ALL_MARKS.mark)

    left = cents(equity - sum(required(held).values(), Decimal(0)))

    assert cents(excess(book, ALL_MARKS, found)) == pytest.approx(left, abs=Decimal("0.01"))
    assert cents(free_funds(book, ALL_MARKS, found)) == pytest.approx(left, abs=Decimal("0.01"))
    assert found.maintenance >= 0 and found.initial >= 0


def test_a_short_put_just_sold_needs_its_portfolio_margin_as_deposit() -> None:
    put = option("SPY", 570, PUT)
    view = view_of(((put, -1),))
    cost = -100 * view.mark(put)

    found = requirement_of(Book(-cost, (Position(put, -1, cost),)), view)

    assert found.deposit == asked((put, -1))
    assert found.premium == -cost


def test_why_names_the_worst_point_or_the_least_charge() -> None:
    put = option("SPY", 570, PUT)
    short, long = (requirement_of(book_of(held), view_of(held)) for held in
                   (((put, -2),), ((option("SPY", 400, PUT), 2),)))  # fmt: skip

    assert short.groups[0].rule is Rule.PORTFOLIO
    assert "lost at a move of -8.0% and shorts worth 1," in short.groups[0].why
    assert long.groups[0].rule is Rule.PORTFOLIO_LEAST
    assert long.groups[0].why == (
        "+2 SPY 2026-12-18 400 PUT: portfolio margin, least charge asks 75.00: "
        "75.00 for 2 contracts and shorts worth 0.00"
    )


# --- properties


def test_an_empty_book_is_asked_nothing() -> None:
    found = requirement_of(Book(Decimal(5)), view_of(()))

    assert found.groups == () and found.maintenance == found.initial == 0


@some
@given(books, st.integers(2, 50))
def test_a_book_k_times_as_large_is_asked_k_times_as_much(held: Held, times: int) -> None:
    larger = tuple((each, times * quantity) for each, quantity in held)

    for name, one in required(held).items():
        assert abs(required(larger)[name] - times * one) <= Decimal("0.01") * times


@some
@given(books, books)
def test_two_books_in_one_account_are_asked_no_more_than_apart(a: Held, b: Held) -> None:
    both: dict[Instrument, int] = dict(a)
    for each, quantity in b:
        both[each] = both.get(each, 0) + quantity
    together = tuple((each, quantity) for each, quantity in both.items() if quantity)

    for name, dollars in required(together).items():
        apart = required(a).get(name, Decimal(0)) + required(b).get(name, Decimal(0))
        assert dollars <= apart + Decimal("0.02")


@some
@given(st.lists(st.sampled_from(INSTRUMENTS), unique=True, min_size=1), st.integers(1, 9))
def test_a_book_of_longs_is_asked_its_value_or_the_least_charge_at_most(
    instruments: list[Instrument], quantity: int
) -> None:
    held = tuple((each, quantity) for each in instruments)

    for each in points(book_of(held), ALL_MARKS):
        worth = sum(x.quantity * x.instrument.multiplier * ALL_MARKS.mark(x.instrument)
                    for x in each.legs)  # fmt: skip
        assert each.required <= max(worth, each.least) + Decimal("0.01")


@some
@given(books)
def test_every_contract_of_either_sign_is_charged_the_least(held: Held) -> None:
    for each in points(book_of(held), ALL_MARKS):
        contracts = sum(abs(x.quantity) for x in each.legs if isinstance(x.instrument, Option))
        assert each.contracts == contracts
        assert each.required >= Decimal("37.50") * contracts


@some
@given(books)
def test_the_order_of_legs_does_not_matter(held: Held) -> None:
    assert required(held) == required(held[::-1])


# --- an independent oracle


def european_price(right: int, spot: float, strike: float, years: float, vol: float) -> float:
    forward, discount = spot * math.exp((RATE - 0.012) * years), math.exp(-RATE * years)
    d1 = math.log(forward / strike) / (vol * math.sqrt(years)) + vol * math.sqrt(years) / 2
    upper, lower = (0.5 * math.erfc(-right * d / math.sqrt(2))
                    for d in (d1, d1 - vol * math.sqrt(years)))  # fmt: skip
    return discount * right * (forward * upper - strike * lower)


def plain_price(each: Instrument, factor: float) -> float:
    """QuantLib for American options, the textbook's formula for European ones."""
    spot = float(SPOTS[each.underlying]) * factor
    if isinstance(each, Stock):
        return spot
    years, strike = years_between(NOW, expiry_instant(each)), float(each.strike)
    if each.underlying == "SPX":
        return european_price(each.right, spot, strike, years, 0.2)
    paid = PAID.get(each.underlying, 0.0)
    return quantlib_price(np.array([each.right, spot, strike, years, RATE, 0.2, paid]))


def plain_losses(held: Held, moves: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    worst: dict[str, list[float]] = {}
    for each, quantity in held:
        name = {"SPY": "SPX", "SH": "SPX"}.get(each.underlying, each.underlying)
        down, up = moves[name]
        leverage = -1 if each.underlying == "SH" else 1
        steps = [down * k / 5 for k in (5, 4, 3, 2, 1)] + [up * k / 5 for k in range(1, 6)]
        total = worst.setdefault(name, [0.0] * 10)
        for number, move in enumerate(steps):
            gain = plain_price(each, 1 + leverage * move) - plain_price(each, 1.0)
            total[number] += quantity * each.multiplier * gain
    return {name: max(0.0, -min(total)) for name, total in worst.items()}


def test_random_books_are_asked_what_a_plain_loop_over_quantlib_finds() -> None:
    rng = np.random.default_rng(20261102)
    moves = {"SPX": (-0.08, 0.06), "AAPL": (-0.15, 0.15)}

    for _ in range(12):
        chosen = rng.choice(len(INSTRUMENTS), 5, replace=False)
        held = tuple((INSTRUMENTS[i], int(rng.choice([-7, -2, 3, 5]))) for i in chosen)
        expected = plain_losses(held, moves)
        for each in points(book_of(held), ALL_MARKS):
            loss = expected[each.margin_class]
            assert float(each.loss) == pytest.approx(loss, rel=1e-3, abs=2.0)


# --- who may have it, and what is refused


def test_eligibility_names_each_reason_against_it() -> None:
    rich, poor = Decimal(100_000), Decimal("99999.99")

    assert ineligible_because(rich, approved_for_uncovered=True) == ()
    assert len(ineligible_because(poor, approved_for_uncovered=False)) == 2
    assert ineligible_because(poor, approved_for_uncovered=True) == (
        "portfolio margin needs 100,000.00 of equity, this account has 99,999.99",
    )
    with pytest.raises(ValueError, match="equity must be a number of dollars, got NaN"):
        ineligible_because(Decimal("NaN"), approved_for_uncovered=True)


def test_what_cannot_be_valued_is_named() -> None:
    vix, put = option("VIX", 20, CALL), option("SPY", 570, PUT)
    view = View(NOW, SPOTS, {vix: Decimal(2)})

    with pytest.raises(NoQuote, match="VIX 2026-12-18 20 CALL"):
        points(book_of(((vix, 1),)), view)
    with pytest.raises(NoQuote, match="SPY 2026-12-18 570 PUT has no mark"):
        requirement_of(book_of(((put, -1),)), view)


def test_an_account_of_another_method_is_refused() -> None:
    assert requirement_of(Book(), view_of(()), PORTFOLIO).groups == ()
    with pytest.raises(ValueError, match="Reg T margin account is strategy-based, not portf"):
        requirement_of(Book(), view_of(()), REG_T)


@pytest.mark.parametrize(("down", "up"), [("0.08", "0.06"), ("-0.08", "0"), ("-1.1", "0.1")])
def test_a_range_that_does_not_span_the_spot_is_refused(down: str, up: str) -> None:
    with pytest.raises(ValueError, match="a range goes from below 0 to above it, got"):
        Ranges(equity=Range(Decimal(down), Decimal(up)))
