"""Closes, closed trades, and the replay that shares no arithmetic with the book."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.market.view import View
from dollarbill_core.results.nav import (
    Mark,
    closed_trades,
    nav_line,
    plain_effect,
    reconciliation,
    renamed,
)
from dollarbill_core.rules.accounts import ALPACA, CASH
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
)
from dollarbill_core.values.contracts import Leg, Option, Stock
from dollarbill_core.values.orders import Reason
from tests.record_builder import CALL, EVENTS, LATER_PUT, LINES, PUT, SHARES

NOW = datetime(2026, 2, 20, 21, tzinfo=UTC)
quantities = st.integers(1, 500)
prices = st.decimals("0", "900", places=4)
options = st.sampled_from([PUT, CALL, LATER_PUT, Option.from_occ("SPXW260220C05000000")])


def broken(lines=LINES, events=EVENTS) -> list[str]:
    return [each.what for each in reconciliation(events, lines, Book()).breaks]


# What each event moves, by the plain rule.


@pytest.mark.parametrize(
    ("event", "cash", "moved"),
    [
        pytest.param(
            Fill(NOW, "t", PUT, -2, D("5.10")), "1020", {PUT: -2}, id="an option sold"
        ),
        pytest.param(
            Fill(NOW, "t", CALL, 3, D("0.5")), "-150", {CALL: 3}, id="an option bought"
        ),
        pytest.param(
            Fill(NOW, "t", SHARES, -100, D("94")), "9400", {SHARES: -100}, id="shares sold"
        ),
        pytest.param(Expiry(NOW, "t", PUT, -2), "0", {PUT: 2}, id="a short lapses"),
        pytest.param(
            Expiry(NOW, "t", CALL, -2, D("7.5")),
            "-1500",
            {CALL: 2},
            id="a short settles in cash",
        ),
        pytest.param(
            Assignment(NOW, "t", PUT, 2),
            "-20000",
            {PUT: 2, SHARES: 200},
            id="a put is assigned",
        ),
        pytest.param(
            Assignment(NOW, "t", CALL, 1),
            "11000",
            {CALL: 1, SHARES: -100},
            id="a call is assigned",
        ),
        pytest.param(
            Exercise(NOW, "t", PUT, 1),
            "10000",
            {PUT: -1, SHARES: -100},
            id="a put is exercised",
        ),
        pytest.param(
            Exercise(NOW, "t", CALL, 1),
            "-11000",
            {CALL: -1, SHARES: 100},
            id="a call is exercised",
        ),
        pytest.param(Dividend(NOW, SHARES, -100, D("0.5")), "-50", {}, id="a short pays"),
        pytest.param(Interest(NOW, D("1.23")), "1.23", {}, id="interest"),
        pytest.param(Flow(NOW, D("-500")), "-500", {}, id="money taken out"),
        pytest.param(Fee(NOW, D("0.65"), "commission"), "-0.65", {}, id="a fee"),
    ],
)
def test_what_an_event_moves(event, cash, moved):
    paid, quantities = plain_effect(event)

    assert paid == D(cash)
    assert dict(quantities) == moved


@given(option=options, count=quantities, price=prices)
def test_book_and_plain_rule_agree_on_every_way_out_of_a_short(option, count, price):
    sold = Fill(NOW, "t", option, -count, price)
    for event in (
        Fill(NOW, "t", option, count, price),
        Expiry(NOW, "t", option, -count, price),
        Assignment(NOW, "t", option, count),
    ):
        book = Book().after_all([sold, event])

        effects = [plain_effect(each) for each in (sold, event)]
        assert book.cash == sum((paid for paid, _ in effects), D(0))
        assert book.quantity(Stock(option.underlying)) == sum(
            n for _, moved in effects for what, n in moved if isinstance(what, Stock)
        )


def test_a_split_moves_nothing_and_renames():
    with pytest.raises(ValueError, match="see renamed"):
        plain_effect(Split(NOW, SHARES, 2))


@given(option=options, count=quantities, new=st.integers(2, 20), shares=quantities)
def test_book_and_plain_rule_agree_on_splits(option, count, new, shares):
    """To the half cent, which rounds up in both."""
    stock = Stock(option.underlying)
    fills = (Fill(NOW, "t", option, -count, D(1)), Fill(NOW, "", stock, shares, D(1)))
    other = Fill(NOW, "", Stock("ELSE"), 3, D(1))
    split = Split(NOW, stock, new)

    book = Book().after_all([*fills, other, split])

    held = {each.instrument: each.quantity for each in (*fills, other)}
    assert {p.instrument: p.quantity for p in book.positions} == renamed(held, split)


# The daily line.


def test_cash_and_marks_are_the_nav_every_day():
    for line in LINES:
        assert line.nav == line.cash + sum((mark.value for mark in line.marks), D(0))


def test_a_shorts_mark_is_negative_and_carries_the_multiplier():
    assert Mark(PUT, -2, D("1.25")).value == -250
    assert Mark(SHARES, 100, D("95.5")).value == 9550


# The replay.


def test_a_sound_record_replays_without_a_difference():
    found = reconciliation(EVENTS, LINES, Book())

    assert found.is_clean
    assert str(found) == "16 events replayed against 22 closes: no difference"


@pytest.mark.parametrize("place", range(len(EVENTS)))
def test_dropping_any_one_event_is_noticed(place):
    lines = [replace(line, events=line.events - (line.events > place)) for line in LINES]

    assert broken(lines, EVENTS[:place] + EVENTS[place + 1 :])


@pytest.mark.parametrize("place", range(len(EVENTS)))
def test_doubling_any_one_event_is_noticed(place):
    doubled = EVENTS[: place + 1] + EVENTS[place:]
    lines = [replace(line, events=line.events + (line.events > place)) for line in LINES]

    assert broken(lines, doubled)


@pytest.mark.parametrize("day", range(len(LINES)))
def test_a_cent_too_much_is_noticed_on_its_day(day):
    wrong = [*LINES]
    wrong[day] = replace(LINES[day], cash=LINES[day].cash + D("0.01"))

    found = reconciliation(EVENTS, wrong, Book())

    assert {each.day for each in found.breaks} == {LINES[day].day}
    assert "cash" in {each.what for each in found.breaks}


def test_a_mark_of_something_else_is_noticed():
    mark = replace(LINES[-1].marks[0], instrument=PUT)

    assert broken([*LINES[:-1], replace(LINES[-1], marks=(mark,))]) == ["positions"]


def test_an_event_after_the_last_close_is_noticed():
    late = (*EVENTS, Interest(NOW, D(1)))

    assert broken(events=late) == ["events after the last close"]


def test_a_record_may_start_from_a_book():
    half = len(LINES) // 2
    done = LINES[half].events
    opening = Book().after_all(EVENTS[:done])
    rest = [replace(line, events=line.events - done) for line in LINES[half + 1 :]]

    assert reconciliation(EVENTS[done:], rest, opening).is_clean


# Closed trades.


def test_closed_trades_by_hand():
    call, put = closed_trades(EVENTS)

    assert (call.id, call.opened, call.closed) == ("XYZ-2", date(2026, 2, 3), date(2026, 2, 12))
    assert (call.credit, call.fees, call.profit) == (D(150), D("1.42"), D("98.58"))
    assert (call.reason, call.assigned, call.days) == (Reason.PROFIT_TARGET, False, 9)
    assert call.legs == (Leg(CALL, -1),)
    assert (put.id, put.reason, put.assigned) == ("XYZ-1", Reason.DELIVERED_STOCK, True)
    assert put.profit == D("200") - 10_000 + 50 + 9_400 - D("1.70")
    assert put.kept == pytest.approx(-351.70 / 200)


def test_an_open_trade_is_not_among_the_closed():
    assert "XYZ-3" not in {trade.id for trade in closed_trades(EVENTS)}


def test_a_trade_whose_shares_are_still_held_is_open():
    until_assignment = EVENTS[:10]

    assert [trade.id for trade in closed_trades(until_assignment)] == ["XYZ-2"]


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        (Expiry(NOW, "t", PUT, -1), Reason.EXPIRED),
        (Fill(NOW, "t", PUT, 1, D(6), reason=Reason.STOP), Reason.STOP),
        (Fill(NOW, "t", PUT, 1, D(1), reason="days to expiry"), Reason.EXIT_DTE),
    ],
)
def test_a_trade_ends_for_the_reason_of_its_last_event(last, reason):
    sold = Fill(datetime(2026, 2, 2, 21, tzinfo=UTC), "t", PUT, -1, D(2), reason=Reason.ENTRY)

    (trade,) = closed_trades([sold, last, Fee(NOW, D(1), "commission", "t")])

    assert trade.reason is reason
    assert trade.profit == sold.cash + last.cash - 1


def test_a_trade_opened_by_hand_is_a_trade():
    at = [datetime(2026, 2, day, 21, tzinfo=UTC) for day in (2, 3)]
    sold, bought = Fill(at[0], "t", PUT, -1, D(2)), Fill(at[1], "t", PUT, 1, D(1))

    (trade,) = closed_trades([sold, bought])

    assert (trade.credit, trade.profit, trade.reason) == (D(200), D(100), Reason.MANUAL)


def test_a_trade_that_lives_through_a_split_is_closed_under_its_new_name():
    """One put on 100 sold at 3, split 2:1, two puts on 50 bought back at 1: 300 less 200."""
    sold = Fill(NOW - timedelta(7), "t", LATER_PUT, -1, D(3), reason=Reason.ENTRY)
    halved = replace(LATER_PUT, strike=LATER_PUT.strike / 2)
    bought = Fill(NOW, "t", halved, 2, D(1), reason=Reason.STOP)
    split = Split(NOW, Stock(LATER_PUT.underlying), 2)

    (trade,) = closed_trades([sold, split, bought])

    assert (trade.id, trade.profit, trade.reason) == ("t", D(100), Reason.STOP)
    assert trade.legs == (Leg(LATER_PUT, -1),)
    assert closed_trades([sold, split]) == ()


def test_a_trade_bears_the_dividends_of_its_own_shares():
    """A is short 100 shares on the ex-date and owes 150; B holds 200 and receives 300."""
    events = [
        Fill(NOW, "A", CALL, -1, D(2), reason=Reason.ENTRY),
        Fill(NOW, "B", LATER_PUT, -2, D(2), reason=Reason.ENTRY),
        Assignment(NOW, "A", CALL, 1),
        Assignment(NOW, "B", LATER_PUT, 2),
        Dividend(NOW, SHARES, 100, D("1.5")),
        Fill(NOW, "A", SHARES, 100, CALL.strike, reason=Reason.DELIVERED_STOCK),
        Fill(NOW, "B", SHARES, -200, LATER_PUT.strike, reason=Reason.DELIVERED_STOCK),
    ]

    first, second = closed_trades(events)

    assert (first.profit, second.profit) == (D(200) - 150, D(400) + 300)
    assert first.profit + second.profit == Book().after_all(events).cash


@pytest.mark.parametrize("account", [ALPACA, CASH], ids=lambda each: each.name)
def test_what_an_account_was_assigned_into_is_marked_though_it_could_not_be_opened(account):
    """A call spread whose short was assigned: short shares, which Reg T asks 130 % for."""
    view = View(NOW, {"XYZ": D(94)})
    shares = Position(SHARES, -100)

    line = nav_line(Book(D(20_000), (shares,)), view, account, 0)

    assert (line.nav, line.maintenance) == (20_000 - 9_400, D("1.3") * 9_400)
    assert line.free == 20_000 - line.maintenance
