"""Dividends paid once, splits in their order, and contracts that are not standard."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal as D
from zipfile import ZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.market.carry import CashDividend, ShareSplit
from dollarbill_core.market.view import View
from dollarbill_core.rules.adjustments import (
    STANDARD,
    Deliverable,
    events_at_open,
    why_not_standard,
)
from dollarbill_core.storage.settings import load_settings
from dollarbill_core.values.book import (
    Assignment,
    Book,
    Dividend,
    Exercise,
    Fill,
    Flow,
    Position,
    Split,
    WrongEvent,
)
from dollarbill_core.values.calendars import close_instant
from dollarbill_core.values.contracts import Leg, Option, Right, Stock

THURSDAY, FRIDAY, MONDAY = date(2026, 11, 19), date(2026, 11, 20), date(2026, 11, 23)
CLOSE = close_instant(FRIDAY)
XYZ = Stock("XYZ")


def seen(day=FRIDAY, *, dividends=(), splits=()) -> View:
    return View(
        close_instant(day),
        {"XYZ": D(100)},
        dividends={"XYZ": tuple(dividends)},
        splits={"XYZ": tuple(splits)},
    )


def holding(instrument, quantity) -> Book:
    return Book(D(1000), (Position(instrument, quantity),))


# Dividends.


def test_shares_receive_a_dividend_on_the_ex_date_and_shorts_pay_it():
    view = seen(dividends=(CashDividend(FRIDAY, D("1.25")), CashDividend(THURSDAY, D(1))))

    assert [d.cash for d in events_at_open(holding(XYZ, 100), view)] == [D(125)]
    assert [d.cash for d in events_at_open(holding(XYZ, -100), view)] == [D(-125)]
    assert events_at_open(holding(Stock("ABC"), 100), view) == ()


@pytest.mark.parametrize(
    ("last_event", "due"),
    [
        pytest.param(None, ["2"], id="no event: today's alone"),
        pytest.param(close_instant(date(2026, 11, 18)), ["1", "2"], id="two in the gap"),
        pytest.param(close_instant(THURSDAY), ["2"], id="Thursday's is paid"),
        pytest.param(datetime(2026, 11, 20, 2, tzinfo=UTC), ["2"], id="Thursday in New York"),
        pytest.param(datetime(2026, 11, 20, 5, tzinfo=UTC), ["2"], id="before the open"),
        pytest.param(CLOSE, [], id="never twice"),
    ],
)
def test_a_dividend_in_a_gap_is_paid_once(last_event, due):
    ex_dates = {date(2026, 11, 18): "3", THURSDAY: "1", FRIDAY: "2", MONDAY: "4"}
    view = seen(dividends=[CashDividend(day, D(dollars)) for day, dollars in ex_dates.items()])
    book = replace(holding(XYZ, 100), as_of=last_event)

    received = events_at_open(book, view)

    assert [d.per_share for d in received] == [D(dollars) for dollars in due]
    if received:
        assert events_at_open(book.after_all(received), view) == ()


def test_money_that_comes_on_the_morning_of_an_ex_date_takes_no_dividend_away():
    book = holding(XYZ, 100).after(Flow(datetime(2026, 11, 20, 12, tzinfo=UTC), D(5)))

    (event,) = events_at_open(book, seen(dividends=[CashDividend(FRIDAY, D(2))]))

    assert event == Dividend(CLOSE, XYZ, 100, D(2))


def test_what_is_announced_for_later_is_not_paid_yet():
    assert events_at_open(holding(XYZ, 100), seen(dividends=[CashDividend(MONDAY, D(2))])) == ()


# Splits.


def test_splits_and_dividends_come_by_date_and_a_split_first():
    """Thursday 1.40 on 100 shares; Friday 7 for 1, then 0.20 on 700."""
    view = seen(
        dividends=(CashDividend(FRIDAY, D("0.20")), CashDividend(THURSDAY, D("1.40"))),
        splits=(ShareSplit(FRIDAY, 7), ShareSplit(MONDAY, 2)),
    )
    book = replace(holding(XYZ, 100), as_of=close_instant(date(2026, 11, 18)))

    events = events_at_open(book, view)

    assert events == (
        Dividend(CLOSE, XYZ, 100, D("1.40")),
        Split(CLOSE, XYZ, 7),
        Dividend(CLOSE, XYZ, 700, D("0.20")),
    )
    assert book.after_all(events).cash == D(1000) + 140 + 140
    assert events_at_open(book.after_all(events), view) == ()


def test_a_split_concerns_who_holds_options_alone_and_nobody_else():
    put = Option("XYZ", date(2026, 12, 18), D(645), Right.PUT)
    view = seen(splits=[ShareSplit(FRIDAY, 7)])

    assert events_at_open(holding(put, -1), view) == (Split(CLOSE, XYZ, 7),)
    assert events_at_open(holding(Stock("ABC"), 7), view) == ()
    assert events_at_open(Book(D(5)), view) == ()


def test_a_split_finds_what_a_trade_is_short_though_the_position_is_nothing():
    put = Option("XYZ", date(2026, 12, 18), D(70), Right.PUT)
    eve = close_instant(THURSDAY)
    book = Book().after_all(Fill(eve, trade, put, n, D(1)) for trade, n in (("A", -1), ("", 1)))

    (event,) = events_at_open(book, seen(splits=[ShareSplit(FRIDAY, 7)]))

    assert book.positions == ()
    assert book.after(event).trades[0].legs == (Leg(replace(put, strike=D(10)), -7),)


@pytest.mark.parametrize(
    ("held", "split", "why"),
    [
        pytest.param(
            Option("XYZ", date(2026, 12, 18), D(100), Right.PUT), (3, 2), "by hand", id="odd"
        ),
        pytest.param(
            Option("XYZ", date(2026, 12, 18), D(4), Right.CALL),
            (1, 10),
            "by hand",
            id="reverse",
        ),
        pytest.param(XYZ, (1, 10), "do not split", id="part of a share"),
        pytest.param(
            Option("XYZ1", date(2026, 12, 18), D(100), Right.PUT), (2, 1), "XYZ1", id="adjusted"
        ),
    ],
)
def test_a_split_that_leaves_what_is_not_standard_is_refused_by_name(held, split, why):
    with pytest.raises(WrongEvent, match=why):
        events_at_open(holding(held, -3), seen(splits=[ShareSplit(FRIDAY, *split)]))


@given(
    strike=st.integers(100, 200_000).map(lambda cents: D(cents) / 100),
    new=st.integers(2, 20),
    spot=st.integers(1, 500_000).map(lambda cents: D(cents) / 100),
    right=st.sampled_from(Right),
)
def test_a_whole_split_keeps_the_value_within_the_rounding_of_the_strike(
    strike, new, spot, right
):
    """100 x split x |K / split - rounded K|, at one price: the bound of the rule."""
    option = Option("XYZ", date(2026, 12, 18), strike, right)
    after = holding(option, 1).after(Split(CLOSE, XYZ, new))
    (position,) = after.positions
    value = position.quantity * 100 * position.instrument.intrinsic(spot / new)

    allowed = 100 * new * abs(strike / new - position.instrument.strike)
    assert abs(value - 100 * option.intrinsic(spot)) <= allowed + D("1e-15")
    assert allowed <= 100 * new * D("0.005")


@pytest.fixture(scope="module")
def apple() -> dict[str, set[Option]]:
    """AAPL's options as listed at the closes before and after its 7:1 split of 9 June 2014."""
    file = load_settings().test_data / "aapl_2014_split" / "aapl_2014_quote_american.zip"
    if not file.is_file():
        pytest.skip(f"no real quotes at {file}; DOLLARBILL_TEST_DATA names another folder")
    listed: dict[str, set[Option]] = {"20140606": set(), "20140609": set()}
    with ZipFile(file) as archive:
        for name in archive.namelist():
            *_, right, strike, expiry = name.removesuffix(".csv").split("_")
            day = date.fromisoformat(expiry)
            option = Option("AAPL", day, D(strike) / 10_000, Right[right.upper()])
            for line in archive.read(name).decode().split("\n"):
                listed[line[:8]].add(option)
    return listed


def test_apples_split_turns_what_was_listed_into_what_is_listed(apple):
    """645 into 92.14 and all others: 2,180 contracts, none missing and none too many."""
    before = {option for option in apple["20140606"] if option.expiry > date(2014, 6, 6)}
    book = Book(D(0), tuple(Position(option, -1) for option in before))
    view = View(
        close_instant(date(2014, 6, 9)),
        {"AAPL": D("93.70")},
        splits={"AAPL": (ShareSplit(date(2014, 6, 9), 7),)},
    )

    after = book.after_all(events_at_open(book, view))

    assert len(before) == 2180
    assert {position.instrument for position in after.positions} == apple["20140609"]
    assert {position.quantity for position in after.positions} == {-7}


def test_apples_split_keeps_what_a_book_is_worth_at_one_price(apple):
    spot, each = D("645.57"), Split(CLOSE, Stock("AAPL"), 7)
    for option in sorted(apple["20140606"]):
        (after,) = holding(option, 1).after(each).positions
        moved = 700 * after.instrument.intrinsic(spot / 7) - 100 * option.intrinsic(spot)
        bound = 700 * abs(option.strike / 7 - after.instrument.strike)
        assert abs(moved) <= bound + D("1e-15") <= D("3.51")


# Contracts that are not standard: cases O06 and O07 of Alpaca's and OCC's documents.


def test_an_adjusted_root_is_recognised_and_refused():
    odd = Option.from_occ("SPY1261218P00600000")  # O06

    assert (odd.root, odd.underlying, odd.is_adjusted) == ("SPY1", "SPY", True)
    assert why_not_standard(odd).startswith("SPY1 2026-12-18 600 PUT has a non-standard")
    for symbol in ("SPY261218P00600000", "SPXW261218P06000000"):
        assert why_not_standard(Option.from_occ(symbol)) == ""


def test_what_the_broker_says_a_contract_delivers_decides_too():
    delivers = Deliverable(97, D("14.50"))  # O07
    option = Option("XYZ", date(2026, 12, 18), D(50), Right.CALL)

    assert (delivers.shares, delivers.exercise_cash(option.strike)) == (97, D(5000))
    assert "97 shares and 14.50 dollars" in why_not_standard(option, delivers)
    assert why_not_standard(option, STANDARD) == why_not_standard(Stock("XYZ1")) == ""
    assert "multiplier 10)" in why_not_standard(option, Deliverable(10, multiplier=10))


@pytest.mark.parametrize("kind", [Assignment, Exercise])
def test_a_book_does_not_guess_what_an_adjusted_contract_delivers(kind):
    odd = Option("XYZ1", FRIDAY, D(50), Right.CALL)
    book = holding(odd, -1 if kind is Assignment else 1)

    with pytest.raises(WrongEvent, match="XYZ1 2026-11-20 50 CALL has a non-standard"):
        book.after(kind(CLOSE, "", odd, 1))
