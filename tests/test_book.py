"""The one accountant, against a plain replay that shares none of its arithmetic."""

from collections import defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as D

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dollarbill_core.pricing import black_scholes
from dollarbill_core.values.book import (
    Assignment,
    Book,
    Dividend,
    Exercise,
    Expiry,
    Fee,
    Fill,
    Flow,
    Interest,
    Position,
    Split,
    Trade,
    WrongEvent,
)
from dollarbill_core.values.contracts import Leg, Option, Right, Stock

T0 = datetime(2026, 11, 2, 21, tzinfo=UTC)
EXPIRY = date(2026, 12, 18)
XYZ, ABC = Stock("XYZ"), Stock("ABC")
OPTIONS = [Option("XYZ", EXPIRY, D(strike), right) for strike in (80, 120) for right in Right]
PUT, CALL = (Option("XYZ", EXPIRY, D(80), Right.PUT), Option("XYZ", EXPIRY, D(120), Right.CALL))
TRADES = ["", "t1", "t2"]


def later(minutes: int) -> datetime:
    return T0 + timedelta(minutes=minutes)


# A plain replay: dictionaries, raw fields, and no function of the book.


class Replay:
    def __init__(self, opening: Book) -> None:
        self.cash = opening.cash
        self.held = defaultdict(int)  # (trade or "", instrument) -> signed quantity
        self.credit = {trade.id: trade.credit for trade in opening.trades}
        for trade in opening.trades:
            for leg in trade.legs:
                self.held[trade.id, leg.instrument] += leg.quantity
                self.held["", leg.instrument] -= leg.quantity
        for position in opening.positions:
            self.held["", position.instrument] += position.quantity

    def play(self, event) -> None:
        match event:
            case Fill(trade=trade, instrument=what, quantity=n, price=price):
                lot = 100 if isinstance(what, Option) else 1
                dollars = price * abs(n) * lot
                received = dollars if n < 0 else D(0) - dollars
                self.cash += received
                opens = self.held[trade, what] * n >= 0
                if trade and opens:
                    self.credit[trade] = self.credit.get(trade, D(0)) + received
                self.held[trade, what] += n
            case Expiry(trade=trade, option=option, quantity=n, value=value):
                self.cash += 100 * value * n
                self.held[trade, option] -= n
            case Assignment(trade=trade, option=option, quantity=n):
                self.held[trade, option] += n
                self.deliver(trade, option, n if option.right is Right.PUT else -n)
            case Exercise(trade=trade, option=option, quantity=n):
                self.held[trade, option] -= n
                self.deliver(trade, option, n if option.right is Right.CALL else -n)
            case Dividend(quantity=n, per_share=dollars):
                self.cash += n * dollars
            case Interest(amount=dollars) | Flow(amount=dollars):
                self.cash += dollars
            case Fee(amount=dollars):
                self.cash -= dollars
            case Split(stock=stock, new=new):
                self.split(stock, new)
        gone = {trade for trade, _ in self.held} - set(self.trades())
        self.credit = {trade: c for trade, c in self.credit.items() if trade not in gone}

    def deliver(self, trade: str, option: Option, lots: int) -> None:
        self.cash -= 100 * lots * option.strike
        self.held[trade, Stock(option.root)] += 100 * lots

    def split(self, stock: Stock, new: int) -> None:
        held, self.held = self.held, defaultdict(int)
        for (trade, what), n in held.items():
            if what == stock:
                n *= new
            elif isinstance(what, Option) and what.root == stock.symbol:
                n, what = n * new, replace(what, strike=what.strike / new)
            self.held[trade, what] += n

    def positions(self) -> dict:
        total = defaultdict(int)
        for (_, what), n in self.held.items():
            total[what] += n
        return {what: n for what, n in total.items() if n}

    def trades(self) -> dict:
        legs = defaultdict(dict)
        for (trade, what), n in self.held.items():
            if trade and n:
                legs[trade][what] = n
        return dict(legs)


def positions(book: Book) -> dict:
    return {p.instrument: p.quantity for p in book.positions}


def trades(book: Book) -> dict:
    return {t.id: {leg.instrument: leg.quantity for leg in t.legs} for t in book.trades}


# Histories that can have happened.

prices = st.decimals("0.01", "400", places=2)
money = st.decimals("0.01", "9999.99", places=2)
sizes = st.integers(1, 5)


def owned(book: Book) -> list[tuple[str, Leg]]:
    """Every leg with the trade that holds it, and what no trade holds."""
    found = [(trade.id, leg) for trade in book.trades for leg in trade.legs]
    for p in book.positions:
        rest = p.quantity - sum(x.quantity for _, x in found if x.instrument == p.instrument)
        if rest:
            found.append(("", Leg(p.instrument, rest)))
    return found


@st.composite
def fills(draw, book: Book, at: datetime) -> Fill:
    trade, what = draw(st.sampled_from(TRADES)), draw(st.sampled_from([*OPTIONS, XYZ, ABC]))
    n = draw(sizes) * draw(st.sampled_from([1, -1]))
    mine = trades(book).get(trade, {}).get(what, 0)
    if trade and mine * n < 0:  # a trade may be closed, not turned round
        n = max(-abs(mine), min(abs(mine), n))
    return Fill(at, trade, what, n, draw(prices))


@st.composite
def removals(draw, book: Book, at: datetime):
    options = [pair for pair in owned(book) if isinstance(pair[1].instrument, Option)]
    trade, leg = draw(st.sampled_from(options))
    n = draw(st.integers(1, abs(leg.quantity)))
    if draw(st.booleans()):
        signed = n if leg.quantity > 0 else -n
        value = draw(st.sampled_from([D(0), D("1.25")]))
        return Expiry(at, trade, leg.instrument, signed, value)
    kind = Exercise if leg.quantity > 0 else Assignment
    return kind(at, trade, leg.instrument, n)


@st.composite
def dividends(draw, book: Book, at: datetime) -> Dividend:
    stocks = [p for p in book.positions if isinstance(p.instrument, Stock)]
    position = draw(st.sampled_from(stocks))
    return Dividend(at, position.instrument, position.quantity, draw(money))


def next_event(book: Book, at: datetime):
    kinds = [
        fills(book, at),
        fills(book, at),
        st.builds(Interest, st.just(at), money.map(lambda x: -x) | money),
        st.builds(Fee, st.just(at), money, st.just("commission")),
        st.builds(Flow, st.just(at), money.map(lambda x: -x) | money),
    ]
    held = [p.instrument for p in book.positions]
    if any(isinstance(pair[1].instrument, Option) for pair in owned(book)):
        kinds += [removals(book, at)] * 2
    if any(isinstance(what, Stock) for what in held):
        kinds.append(dividends(book, at))
    mine = [what for what in held if what.underlying == "XYZ"]
    if mine and all(isinstance(x, Stock) or x.strike > 40 for x in mine):
        kinds.append(st.just(Split(at, XYZ, 2)))
    return st.one_of(kinds)


@st.composite
def histories(draw):
    """A starting book, with holdings in and outside trades, and events that can follow it."""
    what = draw(st.lists(st.sampled_from([*OPTIONS, XYZ]), unique=True, max_size=3))
    loose = tuple(
        Position(w, draw(st.sampled_from([-3, -1, 2, 100])), draw(money)) for w in what
    )
    book, events = Book(draw(money), loose), []
    before = draw(st.integers(0, 4))
    for minute in range(before + draw(st.integers(1, 10))):
        if minute == before:
            opening, events = book, []
        event = draw(next_event(book, later(minute)))
        book = book.after(event)
        events.append(event)
    return opening, events


@settings(max_examples=60, deadline=None)
@given(histories())
def test_the_plain_replay_gives_the_same_cash_positions_and_trades(history):
    opening, events = history
    book, replay = opening, Replay(opening)

    for event in events:
        book = book.after(event)
        replay.play(event)

        assert book.cash == replay.cash
        assert positions(book) == replay.positions()
        assert trades(book) == replay.trades()
    assert {t.id: t.credit for t in book.trades} == {
        name: replay.credit.get(name, D(0)) for name in replay.trades()
    }


def ending(opening: Book, events) -> Book | None:
    """The final book, its time apart; None where an event cannot have happened."""
    try:
        return replace(opening.after_all(events), as_of=None)
    except WrongEvent:
        return None


@settings(max_examples=60, deadline=None)
@given(histories(), st.data())
def test_a_dropped_or_doubled_event_is_noticed(history, data):
    opening, events = history
    place = data.draw(st.integers(0, len(events) - 1))
    truth = ending(opening, events)

    assert ending(opening, events[:place] + events[place + 1 :]) != truth
    assert ending(opening, events[: place + 1] + events[place:]) != truth


@settings(max_examples=60, deadline=None)
@given(histories(), st.data())
def test_events_out_of_order_are_noticed(history, data):
    opening, events = history
    if len(events) > 1:
        place = data.draw(st.integers(0, len(events) - 2))
        events[place : place + 2] = events[place + 1], events[place]
        assert ending(opening, events) is None


@pytest.mark.parametrize(
    "first_then",
    [
        pytest.param(
            (Fill(T0, "t", PUT, -1, D(2)), Expiry(T0, "t", PUT, -1)), id="sale, expiry"
        ),
        pytest.param(
            (Fill(T0, "t", PUT, -1, D(2)), Assignment(T0, "t", PUT, 1)), id="sale, assignment"
        ),
        pytest.param(
            (Fill(T0, "t", CALL, 1, D(2)), Exercise(T0, "t", CALL, 1)), id="purchase, exercise"
        ),
        pytest.param(
            (Fill(T0, "", XYZ, 100, D(90)), Dividend(T0, XYZ, 100, D(1))), id="shares, dividend"
        ),
        pytest.param((Fill(T0, "", XYZ, 100, D(90)), Split(T0, XYZ, 2)), id="shares, split"),
    ],
)
def test_what_depends_on_another_event_cannot_come_before_it(first_then):
    first, then = first_then
    book = Book(D(100_000))

    assert ending(book, [first, then]) is not None
    assert ending(book, [then, first]) != ending(book, [first, then])


# What the broker's own examples say.
# Source of A01, A02 and A04: Alpaca, "Options Trading Overview", post-trade examples.

QS = Stock("QS")


def test_an_assigned_call_delivers_the_shares_at_the_strike():  # A01
    call = Option.from_occ("QS240301C00004500")
    book = Book(D(0), (Position(QS, 100), Position(call, -1)))

    after = book.after(Assignment(T0, "", call, 1))

    assert (after.cash, after.quantity(QS)) == (D(450), 0)


def test_an_assigned_put_buys_the_shares_at_the_strike():  # A02
    put = Option.from_occ("QS240301P00009000")

    after = Book(D(0), (Position(put, -1),)).after(Assignment(T0, "", put, 1))

    assert (after.cash, after.quantity(QS)) == (D(-900), 100)


def test_an_exercised_call_buys_the_shares_at_the_strike():  # A04
    call = Option.from_occ("QS240301C00006500")

    after = Book(D(0), (Position(call, 1),)).after(Exercise(T0, "", call, 1))

    assert (after.cash, after.quantity(QS)) == (D(-650), 100)


def test_an_exercised_put_sells_the_shares_at_the_strike():
    put = Option.from_occ("QS240301P00009000")

    after = Book(D(0), (Position(QS, 100), Position(put, 1))).after(Exercise(T0, "", put, 1))

    assert (after.cash, after.quantity(QS)) == (D(900), 0)


def test_a_spread_assigned_over_a_weekend_can_lose_more_than_its_width():  # A07, arithmetic
    short, long = (Option("QS", EXPIRY, D(strike), Right.PUT) for strike in (100, 95))
    book = Book(D(20_000), (Position(short, -1), Position(long, 1)))

    monday = book.after_all(
        [
            Assignment(T0, "", short, 1),
            Expiry(T0, "", long, 1),
            Fill(later(4000), "", QS, -100, D(90)),
        ]
    )

    assert monday.cash - book.cash == D(-1000)  # the spread's width is 500
    assert monday.positions == ()


def test_cash_settlement_costs_a_writer_what_its_holder_receives():
    call = Option.from_occ("SPXW261218C06000000")
    short, long = (Book(D(0), (Position(call, n),)) for n in (-2, 2))

    paid = short.after(Expiry(T0, "", call, -2, D("12.50")))
    received = long.after(Expiry(T0, "", call, 2, D("12.50")))

    assert (paid.cash, received.cash) == (D(-2500), D(2500))


# Cost.


@pytest.mark.parametrize(
    ("quantities", "expected"),
    [
        pytest.param([(10, "5"), (10, "6")], (20, "110"), id="added to"),
        pytest.param([(10, "5"), (10, "6"), (-5, "9")], (15, "82.5"), id="average cost leaves"),
        pytest.param([(-10, "5"), (4, "1")], (-6, "-30"), id="short, partly bought back"),
        pytest.param([(10, "5"), (-14, "8")], (-4, "-32"), id="turned round: the new part"),
        pytest.param([(3, "0.3333"), (-1, "9")], (2, "0.6666"), id="to a hundredth of a cent"),
        pytest.param([(-2, "1"), (3, "0.3333")], (1, "0.3333"), id="turned round, rounded"),
    ],
)
def test_cost(quantities, expected):
    book = Book(D(1000))
    for minute, (n, price) in enumerate(quantities):
        book = book.after(Fill(later(minute), "", ABC, n, D(price)))

    (position,) = book.positions
    assert (position.quantity, position.cost) == (expected[0], D(expected[1]))


def test_delivered_shares_cost_the_strike():
    book = Book(D(20_000), (Position(PUT, -1, D(-250)),)).after(Assignment(T0, "", PUT, 1))

    assert book.positions == (Position(XYZ, 100, 100 * PUT.strike),)


def test_the_credit_of_a_trade_is_what_its_opening_fills_brought():
    opened = Book().after_all(
        [Fill(T0, "t", PUT, -2, D("3.10")), Fill(T0, "t", CALL, -2, D("1.20"))]
    )
    reduced = opened.after(Fill(later(1), "t", PUT, 1, D("1.00")))

    assert opened.trade("t").credit == reduced.trade("t").credit == D(860)
    assert opened.trade("t").underlying == "XYZ"


# What cannot have happened.

SHORT = Book(D(0)).after_all([Fill(T0, "t1", PUT, -1, D(2)), Fill(T0, "t2", PUT, -1, D(2))])


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(Expiry(T0, "t1", PUT, -2), id="more than the trade holds"),
        pytest.param(Expiry(T0, "t3", PUT, -1), id="a trade that holds none"),
        pytest.param(Expiry(T0, "", PUT, -1), id="outside trades, all in trades"),
        pytest.param(Expiry(T0, "t1", PUT, 1), id="the other side"),
        pytest.param(Expiry(T0, "t1", PUT, -1, D("-0.01")), id="below 0"),
        pytest.param(Expiry(T0, "t1", PUT, 0), id="none of it"),
        pytest.param(Assignment(T0, "t1", CALL, 1), id="another contract"),
        pytest.param(Assignment(T0, "t1", PUT, -1), id="a negative number assigned"),
        pytest.param(Exercise(T0, "t1", PUT, 1), id="a short exercised"),
        pytest.param(Fill(T0, "t1", PUT, 2, D(1)), id="a trade turned round"),
        pytest.param(Fill(T0, "t1", PUT, 0, D(1)), id="a fill of nothing"),
        pytest.param(Fill(T0, "t1", PUT, 1, D(-1)), id="a negative price"),
        pytest.param(Fill(T0 - timedelta(1), "t1", PUT, 1, D(1)), id="older than the book"),
        pytest.param(Fee(T0.replace(tzinfo=None), D(1), "x"), id="without a zone"),
        pytest.param(Dividend(T0, XYZ, 100, D(1)), id="dividend on shares not held"),
        pytest.param(Dividend(T0, XYZ, 0, D(1)), id="dividend on nothing"),
        pytest.param(Split(T0, XYZ, 3, 2), id="a split that changes the deliverable"),
        pytest.param(Split(T0, XYZ, 0), id="a split into nothing"),
    ],
)
def test_a_wrong_event_is_refused(event):
    with pytest.raises(WrongEvent):
        SHORT.after(event)


@pytest.mark.parametrize("held", [99, 101, -100])
def test_a_dividend_must_be_on_the_shares_held(held):
    with pytest.raises(WrongEvent, match="not held"):
        Book(D(0), (Position(XYZ, held),)).after(Dividend(T0, XYZ, 100, D(1)))


def test_two_trades_on_opposite_sides_of_one_contract_expire_each_on_its_own():
    book = Book(D(0)).after_all([Fill(T0, "old", PUT, -1, D(2)), Fill(T0, "new", PUT, 1, D(1))])
    assert book.positions == ()

    settled = book.after_all(
        [Expiry(later(1), "old", PUT, -1, D(3)), Expiry(later(1), "new", PUT, 1, D(3))]
    )

    assert (settled.cash, settled.positions, settled.trades) == (D(100), (), ())


# Splits.


def test_a_split_keeps_value_and_divides_strikes():
    # Apple, 7 for 1, June 2014: the 645 strike became 92.14 (OCC memo 34575).
    apple = Stock("AAPL")
    call = Option.from_occ("AAPL140621C00645000")
    book = Book(D(5)).after_all(
        [Fill(T0, "t", apple, 100, D(640)), Fill(T0, "t", call, -1, D(10))]
    )

    after = book.after(Split(later(1), apple, 7))

    new = Option.from_occ("AAPL140621C00092140")
    assert positions(after) == {apple: 700, new: -7}
    assert trades(after) == {"t": positions(after)}
    assert after.cash == book.cash
    assert [p.cost for p in after.positions] == [p.cost for p in book.positions]


def test_a_reverse_split_of_shares_is_exact_or_refused():
    assert Book(D(0), (Position(XYZ, 120),)).after(Split(T0, XYZ, 1, 10)).quantity(XYZ) == 12
    with pytest.raises(WrongEvent, match="do not split"):
        Book(D(0), (Position(XYZ, 125),)).after(Split(T0, XYZ, 1, 10))


def test_a_split_of_another_stock_changes_nothing():
    book = Book(D(0), (Position(XYZ, 100), Position(PUT, -1)))

    assert replace(book.after(Split(T0, ABC, 2)), as_of=None) == book


def test_equal_holdings_are_equal_books_also_after_a_split():
    strikes = [Option("XYZ", EXPIRY, D(k), Right.CALL) for k in (90, 190)]
    book = Book().after_all(Fill(T0, "t", option, -1, D(1)) for option in strikes)

    split = book.after(Split(T0, XYZ, 2))

    legs = tuple(Leg(replace(o, strike=o.strike / 2), -2) for o in strikes)
    assert split.trades[0].legs == tuple(sorted(legs, key=str))


# The one sign rule.


def test_totals_are_quantity_times_multiplier_times_per_share():
    book = Book(D(0), (Position(PUT, -3), Position(CALL, 2), Position(XYZ, 50)))
    marks = {PUT: D("1.50"), CALL: D("0.25"), XYZ: D(101)}

    assert (
        book.total(marks.__getitem__) == -3 * 100 * D("1.50") + 2 * 100 * D("0.25") + 50 * 101
    )
    assert Book().total(marks.__getitem__) == 0


@pytest.mark.parametrize("greek", ["delta", "gamma", "vega", "theta", "rho"])
def test_a_shorts_greeks_are_the_longs_inverted(greek):
    def per_share(option: Option) -> float:
        found = black_scholes.greeks(option.right, 100.0, float(option.strike), 0.1, 0.03, 0.2)
        return float(getattr(found, greek))

    short, long = (Book(D(0), (Position(PUT, n), Position(CALL, n))) for n in (-2, 2))

    assert short.total(per_share) == -long.total(per_share) != 0
    assert long.total(per_share) == pytest.approx(200 * (per_share(PUT) + per_share(CALL)))


# The value itself.


def test_a_book_holds_each_instrument_once_and_money_as_decimals():
    with pytest.raises(ValueError, match="once"):
        Book(D(0), (Position(PUT, 1), Position(PUT, 2)))
    with pytest.raises(ValueError, match="Decimal"):
        Book(1.5)
    with pytest.raises(ValueError, match="no position"):
        Position(PUT, 0)


def test_order_of_writing_does_not_make_books_differ():
    one, two = Position(PUT, -1), Position(XYZ, 5)
    t1, t2 = (Trade(name, (Leg(PUT, -1),), T0) for name in ("t1", "t2"))

    assert Book(D(0), (one, two), (t1, t2)) == Book(D(0), (two, one), (t2, t1))
    assert Book(D(0), (one, two)).quantity(CALL) == 0
    assert Book(D(0), (one,), (t1,)).trade("t2") is None
