"""What a close does to a book, to the cent: expiry, exercise, assignment."""

from dataclasses import replace
from datetime import date
from decimal import Decimal as D

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.market.carry import CashDividend, Rates, ShareSplit
from dollarbill_core.market.chains import NoQuote
from dollarbill_core.market.view import History, View
from dollarbill_core.rules.accounts import REG_T
from dollarbill_core.rules.adjustments import events_at_open
from dollarbill_core.rules.assignment import (
    early_assignments,
    events_at_close,
    expired,
    settlement,
    unseen_eves,
)
from dollarbill_core.rules.exercise import ExercisePolicy
from dollarbill_core.rules.margin import requirement
from dollarbill_core.values.book import (
    Assignment,
    Book,
    Event,
    Exercise,
    Expiry,
    Fill,
    Position,
    Split,
)
from dollarbill_core.values.calendars import close_instant, previous_session, sessions
from dollarbill_core.values.contracts import Leg, Option, Right, Stock
from tests.market_builder import FIRST_DAY, LAST_DAY, made_chains
from tests.test_exercise import flat_chain

THURSDAY, FRIDAY, MONDAY = date(2026, 11, 19), date(2026, 11, 20), date(2026, 11, 23)
CLOSE = close_instant(FRIDAY)


def option(right=Right.PUT, strike=100, root="XYZ", expiry=FRIDAY) -> Option:
    return Option(root, expiry, D(strike), right)


def at(spot, symbol="XYZ") -> View:
    return View(CLOSE, {symbol: D(spot)})


def holding(instrument, quantity) -> Book:
    return Book(D(1000), (Position(instrument, quantity),))


# An option in the money by a cent is exercised: OCC Rule 805(d)(2).
@pytest.mark.parametrize(
    ("right", "spot", "kind"),
    [
        (Right.CALL, "99.99", Expiry),
        (Right.CALL, "100.00", Expiry),
        (Right.CALL, "100.01", Assignment),
        (Right.PUT, "100.00", Expiry),
        (Right.PUT, "99.99", Assignment),
        (Right.PUT, "99.9950", Expiry),
    ],
)
def test_a_short_is_assigned_from_one_cent_in_the_money(right, spot, kind):
    (event,) = settlement(holding(option(right), -1), at(spot))

    assert isinstance(event, kind)


# A05: our long call on 100 is exercised at 100.01, and lapses at 100.00 and 99.99.
@pytest.mark.parametrize(
    ("spot", "kind"), [("99.99", Expiry), ("100.00", Expiry), ("100.01", Exercise)]
)
def test_a_long_is_exercised_from_one_cent_in_the_money(spot, kind):
    (event,) = settlement(holding(option(Right.CALL), 1), at(spot))

    assert isinstance(event, kind)
    assert event.cash == (-10_000 if kind is Exercise else 0)


# Alpaca, "Options Trading Overview", post-trade examples: the shape of A01, A02 and A04.
@pytest.mark.parametrize(
    ("right", "strike", "quantity", "spot", "shares", "cash"),
    [
        (Right.CALL, "4.5", -1, "5", -100, "450"),
        (Right.PUT, "9", -1, "8", 100, "-900"),
        (Right.CALL, "6.5", 1, "7", 100, "-650"),
        (Right.PUT, "9", 2, "8", -200, "1800"),
    ],
)
def test_shares_change_hands_at_the_strike(right, strike, quantity, spot, shares, cash):
    before = holding(option(right, strike), quantity)

    after = before.after_all(settlement(before, at(spot)))

    assert after.cash - before.cash == D(cash)
    assert [(p.instrument, p.quantity) for p in after.positions] == [(Stock("XYZ"), shares)]


def test_an_index_option_settles_in_cash():
    before = holding(option(Right.PUT, 4000, "SPXW"), -2)

    (event,) = settlement(before, at("3990.25", "SPX"))

    assert isinstance(event, Expiry)
    assert event.cash == D("-1950.00")
    assert before.after(event).positions == ()


def test_nothing_settles_before_its_instant():
    later = option(expiry=date(2026, 11, 27))

    assert settlement(holding(later, -1), at("50")) == ()


def test_each_trade_settles_its_own_legs():
    put, call = option(), option(Right.CALL, 110)
    sold = [
        Fill(CLOSE, "A", put, -1, D(2)),
        Fill(CLOSE, "A", call, -1, D(1)),
        Fill(CLOSE, "B", put, -2, D(2)),
    ]
    book = Book(D(0)).after_all(sold)

    events = settlement(book, at("95"))

    assert sorted((e.trade, type(e).__name__, e.quantity) for e in events) == [
        ("A", "Assignment", 1),
        ("A", "Expiry", -1),
        ("B", "Assignment", 2),
    ]
    assert book.after_all(events).quantity(Stock("XYZ")) == 300


def test_a_long_is_exercised():
    (event,) = settlement(holding(option(), 3), at("90"))

    assert event == Exercise(CLOSE, "", option(), 3)


# One key, one print: the root and the instant at which its price is struck.


def test_an_opening_print_is_not_guessed():
    am = option(Right.PUT, 4000, "SPX")

    with pytest.raises(
        NoQuote, match=r"opening print .* prints=\{\('SPX', date\(2026, 11, 20\)\)"
    ):
        settlement(holding(am, -1), at("3990", "SPX"))


def test_morning_and_afternoon_of_one_friday_have_two_prints():
    """SPX settles to the opening print of its components, SPXW to the close."""
    strikes = (3900, 4000, 4100)
    legs = [option(Right.PUT, k, root) for root in ("SPX", "SPXW") for k in strikes]
    book = Book(D(0), tuple(Position(leg, -1) for leg in legs))
    view = replace(at("3990.25", "SPX"), prints={("SPX", FRIDAY): D("4012.34")})

    paid = {event.option: event.value for event in settlement(book, view)}

    assert [paid[leg] for leg in legs] == [
        *(D(each) for each in ("0", "0", "87.66")),
        *(D(each) for each in ("0", "9.75", "109.75")),
    ]


def test_the_official_print_comes_before_the_last_price():
    view = replace(at("100.02"), prints={("XYZ", FRIDAY): D("99.98")})

    (event,) = settlement(holding(option(), -1), view)

    assert isinstance(event, Assignment)


@pytest.mark.parametrize(
    ("root", "day", "print_of"),
    [
        pytest.param("VIX", date(2026, 11, 18), "VIX", id="VRO on a Wednesday"),
        pytest.param("NDX", FRIDAY, "NDX", id="NDX"),
        pytest.param("RUT", FRIDAY, "RUT", id="RUT"),
        pytest.param("DJX", FRIDAY, "DJX", id="DJX"),
    ],
)
def test_an_am_option_settles_to_its_print_from_the_morning_on(root, day, print_of):
    call = option(Right.CALL, 20, root, day)
    view = View(close_instant(day), {}, prints={(print_of, day): D("21.35")})
    eve = View(close_instant(previous_session(day)), {})

    (event,) = settlement(holding(call, -3), view)

    assert event == Expiry(view.now, "", call, -3, D("1.35"))
    assert settlement(holding(call, -3), eve) == ()


# A day without quotes: what expired on it settles at its own close, never at a later one.


def on_monday(friday: float, expiry_day: str = "2026-11-20") -> View:
    """Monday's view: 50 now, and what the history knows of the days before."""
    history = History(
        np.array(["2026-11-19", expiry_day, "2026-11-23"], dtype="datetime64[D]"),
        np.array([70.0, friday, 50.0]),
        np.full(3, 0.2),
    )
    return View(
        close_instant(MONDAY),
        {"XYZ": D(50), "SPX": D(50)},
        history={"XYZ": history, "SPX": history},
    )


@pytest.mark.parametrize(
    ("friday", "kind"),
    [pytest.param(100.5, Expiry, id="lapsed"), pytest.param(99.5, Assignment, id="assigned")],
)
def test_an_expiry_in_a_gap_settles_at_the_close_of_its_day(friday, kind):
    (event,) = settlement(holding(option(), -1), on_monday(friday))

    assert isinstance(event, kind)
    assert event.at == close_instant(MONDAY)


def test_an_index_option_in_a_gap_pays_by_the_close_of_its_day():
    (event,) = settlement(holding(option(root="SPXW"), -1), on_monday(97.25))

    assert event.cash == D("-275")


def test_an_expiry_dated_on_a_saturday_settles_at_the_close_of_friday():
    (event,) = settlement(holding(option(expiry=date(2026, 11, 21)), -1), on_monday(100.5))

    assert isinstance(event, Expiry)


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param(on_monday(np.nan), id="no close"),
        pytest.param(on_monday(99.0, "2026-11-18"), id="no such day"),
        pytest.param(replace(on_monday(99.0), history={}), id="no history"),
    ],
)
def test_an_unknown_close_is_not_guessed(seen):
    with pytest.raises(NoQuote, match=r"XYZ 2026-11-20 100 PUT settles .* 2026-11-20"):
        settlement(holding(option(), -1), seen)


def test_an_expiry_in_a_gap_that_ends_with_a_split_is_not_settled_at_a_price_of_before_it():
    seen = replace(on_monday(100.5), splits={"XYZ": (ShareSplit(MONDAY, 7),)})
    book = replace(holding(option(), -1), as_of=close_instant(THURSDAY))

    after = book.after_all(events_at_open(book, seen))
    with pytest.raises(NoQuote, match=r"14.29 PUT ended on 2026-11-20, before a split"):
        settlement(after, seen)


def test_a_saturday_print_is_that_of_friday():
    call = option(Right.CALL, 1280, "SPX", date(2011, 1, 22))
    struck = date(2011, 1, 21)
    view = View(close_instant(struck), {}, prints={("SPX", struck): D("1283.35")})

    (event,) = settlement(holding(call, -1), view)

    assert event.cash == D("-335.00")


def test_an_adjusted_contract_that_ends_is_booked_by_hand():
    odd = option(root="XYZ1")

    with pytest.raises(ValueError, match="XYZ1 2026-11-20 100 PUT has a non-standard"):
        settlement(holding(odd, -1), at("90"))


# Cases of brokers and of a field report.


def test_a_short_put_assigned_costs_what_its_cash_flows_say():
    """nautilus_trader #3948: 100,000 less 0 or 5 of commission, a put at 3 on 100, spot 95."""
    for commission in (D(0), D(5)):
        sale = Fill(CLOSE, "t", option(), -1, D(3))
        sold = Book(D(100_000) - commission).after(sale)

        after = sold.after_all(settlement(sold, at("95")))

        assert sold.cash == 100_295 + 5 - commission
        (shares,) = after.positions
        assert (shares.instrument, shares.quantity, shares.cost) == (Stock("XYZ"), 100, 10_000)
        assert after.cash + 95 * 100 - 100_000 == D(-200) - commission


def test_an_assignment_is_in_the_book_on_its_day():
    """A06: shares and cash change on the day of assignment, whenever a record follows."""
    (event,) = settlement(holding(option(), -1), at("95"))

    assert event.at == CLOSE
    assert holding(option(), -1).after(event).quantity(Stock("XYZ")) == 100


def test_a_spread_assigned_over_a_weekend_loses_more_than_its_width():
    """A07: short 100 assigned on Friday at 96, the long 95 lapsed; Monday opens at 90."""
    spread = Book(D(20_000), (Position(option(), -1), Position(option(strike=95), 1)))

    events = events_at_close(spread, at("96"))
    after = spread.after_all(events)
    on_monday = View(close_instant(MONDAY), {"XYZ": D(90)})
    eve = View(
        close_instant(THURSDAY), {"XYZ": D(96)}, {option(): D(5), option(strike=95): D(2)}
    )
    asked, owned = requirement(spread, eve, REG_T), requirement(after, on_monday, REG_T)

    assert [type(event) for event in events] == [Assignment, Expiry]
    assert after.cash + after.total(on_monday.mark) - spread.cash == -1000
    assert asked.maintenance == 100 * (100 - 95)  # on Thursday, the most a spread can lose
    assert owned.maintenance == D("2250.00")  # on Monday, 25 % of the stock
    assert [group.legs[0].instrument for group in owned.groups] == [Stock("XYZ")]


# Pins: near the strike, holders decide after the close.

PIN = ExercisePolicy(pin_band=D("0.25"), pin_chance=0.4, seed=3)


def test_a_pinned_short_is_assigned_as_often_as_the_policy_says():
    book, view = holding(option(), -10), at("100.10")
    numbers = []
    for seed in range(600):
        events = settlement(book, view, policy=PIN, rng=np.random.default_rng(seed))
        assert sum(abs(event.quantity) for event in events) == 10
        assert book.after_all(events).quantity(option()) == 0
        numbers.append(sum(e.quantity for e in events if isinstance(e, Assignment)))

    assert np.mean(numbers) == pytest.approx(4, abs=4 * np.sqrt(10 * 0.4 * 0.6 / 600))
    assert np.std(numbers) == pytest.approx(np.sqrt(10 * 0.4 * 0.6), rel=0.15)


def test_our_own_longs_and_what_settles_in_cash_are_never_pinned():
    long_put, index = option(), option(Right.PUT, 100, "SPXW")
    view = View(CLOSE, {"XYZ": D("100.10"), "SPX": D("99.90")})
    book = Book(D(0), (Position(long_put, 5), Position(index, -5)))

    for seed in range(20):
        events = settlement(book, view, policy=replace(PIN, seed=seed))
        assert set(events) == {
            Expiry(CLOSE, "", long_put, 5),
            Expiry(CLOSE, "", index, -5, D("0.10")),
        }


@given(order=st.permutations(range(6)), seed=st.integers(0, 1000))
def test_the_order_of_legs_changes_no_draw(order, seed):
    fills = [
        Fill(CLOSE, trade, option(right), -count, D(1))
        for trade, right, count in (
            ("A", Right.PUT, 3),
            ("B", Right.PUT, 4),
            ("C", Right.CALL, 5),
            ("A", Right.CALL, 2),
            ("D", Right.PUT, 1),
            ("", Right.CALL, 2),
        )
    ]
    books = [Book().after_all(fills), Book().after_all(fills[i] for i in order)]

    first, second = (
        events_at_close(b, at("100"), policy=replace(PIN, seed=seed)) for b in books
    )

    assert first == second


def test_a_day_is_drawn_alike_in_every_process():
    """Options draw in the order of their names, never in that of a set or of the legs."""
    strikes = ("99.8", "99.9", "100", "100.1", "100.2")
    puts = [Position(option(strike=strike), -20) for strike in strikes]
    events = settlement(Book(D(0), tuple(puts)), at("100"), policy=PIN)

    drawn = [event.quantity for event in events if isinstance(event, Assignment)]
    assert drawn == [4, 7, 5, 9, 7]


def test_several_contracts_fall_on_trades_as_if_each_were_as_likely():
    """Ten of fifteen on average over two trades of five and ten: two thirds of either."""
    fills = [Fill(CLOSE, trade, option(), -n, D(1)) for trade, n in (("A", 5), ("B", 10))]
    book = Book().after_all(fills)
    likely = replace(PIN, pin_chance=2 / 3)
    numbers = {"A": [], "B": []}
    for seed in range(400):
        found = settlement(book, at("100"), policy=replace(likely, seed=seed))
        for trade, counts in numbers.items():
            drawn = (e for e in found if isinstance(e, Assignment) and e.trade == trade)
            counts.append(sum(event.quantity for event in drawn))

    assert np.mean(numbers["A"]) == pytest.approx(10 / 3, abs=0.2)
    assert np.mean(numbers["B"]) == pytest.approx(20 / 3, abs=0.3)
    assert max(numbers["A"]) == 5


# Early assignment.


def on_the_eve(spot="120", dividend="2.00", ex_date=MONDAY, **marks) -> View:
    """Friday's close: a call on 100 has a month to go, the stock goes ex on Monday."""
    return View(
        CLOSE,
        {"XYZ": D(spot)},
        {CALL: D(marks.get("call", "20.20")), PUT: D(marks.get("put", "0.20"))},
        rates=Rates(0.04),
        dividends={"XYZ": (CashDividend(ex_date, D(dividend)),)},
    )


CALL, PUT = (option(right, 100, expiry=date(2026, 12, 18)) for right in Right)


@pytest.mark.parametrize(
    ("shares", "dividend_paid"),
    [
        pytest.param(100, [], id="covered: the shares are gone, and the dividend with them"),
        pytest.param(0, [D(-200)], id="uncovered: short the shares, the writer owes it"),
        pytest.param(300, [D(400)], id="what is left receives it"),
    ],
)
def test_the_assigned_writer_of_a_call_bears_the_dividend_exactly_once(shares, dividend_paid):
    held = (Position(CALL, -1), *((Position(Stock("XYZ"), shares),) if shares else ()))
    book = replace(Book(D(0), held), as_of=close_instant(THURSDAY))

    events = events_at_close(book, on_the_eve())
    monday = replace(on_the_eve(), now=close_instant(MONDAY))
    after = book.after_all(events)
    paid = events_at_open(after, monday)

    assert events == (Assignment(CLOSE, "", CALL, 1),)
    assert after.quantity(Stock("XYZ")) == shares - 100
    assert [event.cash for event in paid] == dividend_paid
    assert events_at_open(after.after_all(paid), monday) == ()


@pytest.mark.parametrize(
    ("view", "why"),
    [
        (on_the_eve(dividend="0.40"), "the put and interest are dearer than the dividend"),
        (on_the_eve(put="1.90"), "the put is dear"),
        (on_the_eve(ex_date=date(2026, 11, 24)), "not the eve"),
        (on_the_eve(ex_date=FRIDAY), "gone ex already"),
        (on_the_eve(spot="99"), "out of the money"),
    ],
)
def test_a_call_that_is_better_held_is_not_assigned(view, why):
    assert events_at_close(holding(CALL, -1), view) == (), why


def test_a_deep_put_is_assigned_before_its_expiry_and_our_own_long_is_not():
    view = View(CLOSE, {"XYZ": D(40)}, {PUT: D(60), CALL: D("0.00")}, rates=Rates(0.04))

    assert events_at_close(holding(PUT, -2), view) == (Assignment(CLOSE, "", PUT, 2),)
    assert events_at_close(holding(PUT, 2), view) == ()


def test_some_holders_sleep():
    """A share of holders lets the dividend go: each contract is drawn."""
    lazy = ExercisePolicy(early_chance=0.7)
    numbers = []
    for seed in range(120):
        events = early_assignments(
            holding(CALL, -10), on_the_eve(), policy=replace(lazy, seed=seed)
        )
        numbers.append(sum(event.quantity for event in events))

    assert np.mean(numbers) == pytest.approx(7, abs=0.5)
    never = replace(lazy, early_chance=0.0)
    assert early_assignments(holding(CALL, -10), on_the_eve(), policy=never) == ()


def test_expiry_comes_before_early_assignment_in_one_close():
    dying = option(Right.CALL, 110)
    book = Book(D(0), (Position(CALL, -1), Position(dying, -1), Position(Stock("XYZ"), 100)))

    events = events_at_close(book, on_the_eve())

    assert [event.option for event in events] == [dying, CALL]
    assert book.after_all(events).quantity(Stock("XYZ")) == -100


def test_european_and_adjusted_options_and_days_without_prices_are_left_alone():
    index, odd = (option(Right.PUT, 100, root, date(2026, 12, 18)) for root in ("SPXW", "XYZ1"))
    elsewhere = View(
        CLOSE,
        {"XYZ": D(40), "SPX": D(40)},
        chains={"ABC": flat_chain(40, 0.2)},
        rates=Rates(0.04),
    )

    for each in (index, odd, PUT):
        assert events_at_close(holding(each, -1), elsewhere) == ()
    with pytest.raises(NoQuote, match="XYZ 2026-12-18 100 PUT is exercised early needs a mark"):
        events_at_close(holding(PUT, -1), replace(elsewhere, chains={}))


# Conservation: whoever is on the other side ends with what we gave up.


@st.composite
def trading(draw) -> list[Fill]:
    """Trades and loose holdings of one stock, its options, and cash-settled ones."""
    fills = []
    for trade in ("A", "B", ""):
        for _ in range(draw(st.integers(0, 3))):
            each = option(
                draw(st.sampled_from(Right)),
                draw(st.integers(97, 103)),
                draw(st.sampled_from(["XYZ", "XYZ", "SPXW"])),
                draw(st.sampled_from([FRIDAY, date(2026, 11, 27)])),
            )
            count = draw(st.sampled_from([-3, -2, -1, 1, 2]))
            if all(f.trade != trade or f.instrument != each for f in fills):
                fills.append(Fill(close_instant(THURSDAY), trade, each, count, D(2)))
    if shares := draw(st.sampled_from([-100, 0, 100])):
        fills.append(Fill(close_instant(THURSDAY), "", Stock("XYZ"), shares, D(100)))
    return fills


def mirrored(event: Event) -> Event:
    """The same event on the other side of the contract."""
    match event:
        case Assignment():
            return Exercise(event.at, event.trade, event.option, event.quantity)
        case Exercise():
            return Assignment(event.at, event.trade, event.option, event.quantity)
        case Split():
            return event
        case _:
            return replace(event, quantity=-event.quantity)


@given(
    fills=trading(),
    spot=st.integers(960, 1040).map(lambda tenths: D(tenths) / 10),
    pin=st.sampled_from([D(0), D(1)]),
    split=st.sampled_from([(), (ShareSplit(FRIDAY, 2),)]),
    seed=st.integers(0, 50),
)
def test_cash_and_shares_are_conserved_over_every_event(fills, spot, pin, split, seed):
    """What we pay another receives: shares, contracts and dollars come from somebody."""
    book, other = Book(D(10_000)).after_all(fills), Book().after_all(map(mirrored, fills))
    view = View(
        CLOSE,
        {"XYZ": spot, "SPX": spot},
        rates=Rates(0.05),
        dividends={"XYZ": (CashDividend(FRIDAY, D("0.55")), CashDividend(MONDAY, D("1.5")))},
        splits={"XYZ": split},
        chains={"XYZ": flat_chain(float(spot), 0.05)},
    )
    policy = ExercisePolicy(pin_band=pin, early_chance=0.5, seed=seed)
    morning = events_at_open(book, view)
    closing = events_at_close(book.after_all(morning), view, policy=policy)
    for event in (*morning, *closing):
        book, other = book.after(event), other.after(mirrored(event))

        assert book.cash + other.cash == 10_000
        held = {p.instrument: p.quantity for p in book.positions}
        assert held == {p.instrument: -p.quantity for p in other.positions}
    assert not expired(book, view.now)


def test_what_a_trade_is_short_and_nobodys_long_cancels_settles_as_two():
    """A position of nothing: the trade's short is assigned, the loose long exercised."""
    fills = [Fill(CLOSE, trade, option(), n, D(1)) for trade, n in (("A", -2), ("", 2))]
    book = Book().after_all(fills)

    events = settlement(book, at("95"))

    assert book.quantity(option()) == 0
    assert events == (Assignment(CLOSE, "A", option(), 2), Exercise(CLOSE, "", option(), 2))
    assert book.after_all(events).positions == ()


def without_friday(*, close: float | None) -> View:
    """Friday evening: ABC is quoted, XYZ is not; Friday's close of XYZ stands in its history.

    As ``Chains.view`` has it, the view's price of XYZ is then the last one known: 70.
    """
    known = [70.0] if close is None else [70.0, close]
    days = np.array(["2026-11-19", "2026-11-20"][: len(known)], "datetime64[D]")
    history = History(days, np.array(known), np.full(len(known), 0.2))
    return View(
        CLOSE,
        {"XYZ": D(str(known[-1])), "ABC": D(40)},
        chains={"ABC": flat_chain(40, 0.2)},
        history={"XYZ": history},
    )


def test_a_close_of_before_the_last_day_settles_nothing():
    """Nobody quotes XYZ on its last day: its close of that day settles it, no earlier price."""
    (event,) = settlement(holding(option(), -1), without_friday(close=100.5))
    assert isinstance(event, Expiry)

    with pytest.raises(
        NoQuote, match=r"close of 2026-11-20, .*prints=\{\('XYZ', date\(2026, 11, 20\)\)"
    ):
        settlement(holding(option(), -1), without_friday(close=None))

    struck = replace(without_friday(close=None), prints={("XYZ", FRIDAY): D("99.50")})
    (event,) = settlement(holding(option(), -1), struck)
    assert isinstance(event, Assignment)


class TestUnseenEves:
    """Short calls at 100 on AAA, which closes at 120 and goes ex on the eleventh session."""

    DAYS = sessions(FIRST_DAY, LAST_DAY)
    BEFORE, EVE, EX = DAYS[8:11]
    CALL = option(Right.CALL, root="AAA", expiry=date(2026, 4, 17))

    def chains(self, hole=None, spoiled=None, others=True):
        """Without a session of AAA on ``hole``, without quotes or vols on ``spoiled``."""

        def spoil(day, chain):
            nothing = np.full(len(chain), np.nan)
            zero = np.zeros(len(chain))
            return replace(chain, vol=nothing, bid=zero) if day == spoiled else chain

        closes = {name: np.full(len(self.DAYS), 120.0) for name in ("AAA", "BBB")[: 1 + others]}
        paid = dict.fromkeys(("AAA", "SPX"), (CashDividend(self.EX, D(2)),))
        made = made_chains(closes, dividends=paid, spoil=spoil)
        left = tuple(day for day in self.DAYS if day != hole)
        days = made.days | {"AAA": replace(made.days["AAA"], sessions=left)}
        return replace(made, days=days)

    def unseen(self, chains, leg=None):
        leg = leg or Leg(self.CALL, -2)
        return unseen_eves([(day, (leg,)) for day in chains.sessions], chains)

    @pytest.mark.parametrize(
        ("market", "count"),
        [
            ({}, 0),
            ({"hole": EVE}, 2),
            ({"hole": EVE, "others": False}, 2),
            ({"hole": EX, "others": False}, 0),
            ({"hole": BEFORE}, 0),
            ({"spoiled": EVE}, 2),
            ({"spoiled": BEFORE}, 0),
        ],
        ids=["all there", "no chain", "no session", "none on the ex-date",
             "none the day before", "no vol", "no vol the day before"],
    )  # fmt: skip
    def test_what_nobody_could_judge_is_counted(self, market, count):
        assert self.unseen(self.chains(**market)) == count

    @pytest.mark.parametrize(
        "leg",
        [
            Leg(CALL, 2),
            Leg(replace(CALL, right=Right.PUT), -2),
            Leg(replace(CALL, expiry=EVE), -2),
            Leg(replace(CALL, root="SPX"), -2),
            Leg(Stock("AAA"), -200),
        ],
        ids=str,
    )
    def test_only_short_calls_that_live_over_the_ex_date_count(self, leg):
        assert self.unseen(self.chains(hole=self.EVE), leg) == 0

    def test_a_call_that_ends_on_the_ex_date_counts(self):
        last = Leg(replace(self.CALL, expiry=self.EX), -1)

        assert self.unseen(self.chains(hole=self.EVE), last) == 1

    def test_a_call_closed_before_the_hole_does_not(self):
        held = [(self.DAYS[7], (Leg(self.CALL, -2),)), (self.BEFORE, ()), (self.EX, ())]

        assert unseen_eves(held, self.chains(hole=self.EVE)) == 0
