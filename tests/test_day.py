"""One day's order of events, and that nothing fills where it was decided."""

import math
from dataclasses import replace
from datetime import date
from decimal import Decimal as D

import numpy as np

from dollarbill_core.market.carry import ShareSplit
from dollarbill_core.market.view import View
from dollarbill_core.rules.accounts import PORTFOLIO, REG_T
from dollarbill_core.rules.borrow import KIND
from dollarbill_core.rules.breaker import Breaker
from dollarbill_core.rules.costs import whole_cents
from dollarbill_core.rules.exercise import ExercisePolicy
from dollarbill_core.strategies.day import (
    breaker_from,
    closing_events,
    decisions,
    executions,
    house_from,
    last_quotes_after,
    market_events,
)
from dollarbill_core.values.book import (
    Assignment,
    Book,
    Dividend,
    Expiry,
    Fill,
    Position,
    Split,
)
from dollarbill_core.values.calendars import close_instant, next_session
from dollarbill_core.values.contracts import Leg, Option, Right, Stock
from dollarbill_core.values.orders import Intent, Order, Reason
from tests.market_builder import (
    FIRST_DAY,
    HOUSE,
    chain_on,
    made_chains,
    three_symbols,
    weekly_strangles,
)

CHAINS, STRATEGY = three_symbols(), weekly_strangles()
CASH = Book(D(1_000_000))


def day_one(book=CASH, breaker=None):
    view = CHAINS.view(FIRST_DAY)
    return view, decisions(book, view, STRATEGY, HOUSE, breaker or Breaker(), D(1))


def test_what_is_decided_does_not_fill_in_the_same_snapshot():
    view, decided = day_one()

    same = market_events(decided.orders, CASH, view, HOUSE)
    next_day = CHAINS.view(next_session(FIRST_DAY))
    later = market_events(decided.orders, CASH, next_day, HOUSE)

    assert len(decided.orders) == 3
    assert same.events == ()
    assert [each.why for each in same.unfilled] == ["decided in this very snapshot"] * 3
    assert sum(isinstance(event, Fill) for event in later.events) == 6
    assert all(event.at == next_day.now for event in later.events)


def test_the_same_decision_has_the_same_order_ids():
    assert [x.client_order_id for x in day_one()[1].orders] == [
        x.client_order_id for x in day_one()[1].orders
    ]


def test_a_close_settles_what_expires_and_assigns_what_holders_give_up_waiting_for():
    """A put that expires, one deep in the money that does not, and one worth keeping."""
    later = CHAINS.view(FIRST_DAY).chain("AAA").expiries[-1]
    options = [
        Option("AAA", FIRST_DAY, D(500), Right.PUT),
        Option("AAA", later, D(500), Right.PUT),
        Option("AAA", later, D(100), Right.PUT),
    ]
    book = Book(D(1_000_000), tuple(Position(option, -1) for option in options))

    events = closing_events(book, CHAINS.view(FIRST_DAY), HOUSE)

    assert events == tuple(Assignment(close_instant(FIRST_DAY), "", x, 1) for x in options[:2])
    assert book.after_all(events).quantity(Stock("AAA")) == 200


def test_an_assigned_call_pays_for_the_sale_and_borrows_what_it_lacks():
    """A deep call on 100 shares, none of them held, assigned at the close of a Monday."""
    view = CHAINS.view(FIRST_DAY)
    option = Option("AAA", FIRST_DAY, D(50), Right.CALL)
    book = Book(D(1_000_000), (Position(option, -1),))

    assigned, *fees = closing_events(book, view, HOUSE)

    rates = {"FINRA trading activity": D("0.02"), "stock borrow": D("0.08")}
    assert assigned == Assignment(close_instant(FIRST_DAY), "", option, 1)
    assert {fee.kind: fee.amount for fee in fees} == rates
    collateral = math.ceil(view.spots["AAA"] * D("1.02")) * 100
    night = D("0.0025") * collateral / 360
    assert night <= rates["stock borrow"] < night + D("0.01")


def test_where_the_house_says_so_orders_fill_where_they_were_decided():
    view, decided = day_one()
    at_once = replace(HOUSE, fills=replace(HOUSE.fills, in_deciding_snapshot=True))

    met = executions(decided.orders, view, at_once, ())

    assert met.unfilled == ()
    assert sum(isinstance(event, Fill) for event in met.events) == 6


def test_what_is_left_to_chance_is_the_same_for_the_broker_and_the_backtest():
    option = Option("AAA", FIRST_DAY, D(100), Right.PUT)
    view = CHAINS.view(FIRST_DAY)
    near = ExercisePolicy(pin_band=D(1000), pin_chance=0.5)
    book = Book(D(0), (Position(option, -100),))

    first, again = (closing_events(book, view, replace(HOUSE, exercise=near)) for _ in "12")

    assert first == again
    assert 30 < first[0].quantity < 70


def test_a_tripped_breaker_refuses_every_opening_order():
    peak = Breaker(reduce_at=D("0.08"), halt_at=D("0.12"), peak=D(2_000_000))

    _, decided = day_one(breaker=peak)

    assert decided.orders == ()
    assert len(decided.refused) == 3
    assert all("circuit breaker is at halt" in each.why for each in decided.refused)


def test_an_account_too_small_is_refused_order_by_order():
    _, decided = day_one(Book(D(4_000)))

    assert decided.orders
    assert decided.refused
    assert all("cannot carry" in each.why for each in decided.refused)


def test_dividends_are_for_shares_held_overnight():
    from dollarbill_core.market.carry import CashDividend

    closes = {s: d.closes for s, d in CHAINS.days.items()}
    paying = made_chains(
        closes, roots={"SPX": "SPXW"}, dividends={"AAA": (CashDividend(FIRST_DAY, D("0.5")),)}
    )
    book = Book(D(0), (Position(Stock("AAA"), 100),))

    (event,) = market_events((), book, paying.view(FIRST_DAY), HOUSE).events

    assert event == Dividend(close_instant(FIRST_DAY), Stock("AAA"), 100, D("0.5"))


def test_an_order_without_a_quote_lapses_with_its_reason():
    _, decided = day_one()
    gone = made_chains(
        {s: d.closes for s, d in CHAINS.days.items()},
        roots={"SPX": "SPXW"},
        spoil=lambda day, chain: (
            chain.where(chain.strike < 0) if chain.symbol == "AAA" else chain
        ),
    )

    morning = market_events(decided.orders, CASH, gone.view(next_session(FIRST_DAY)), HOUSE)

    assert [each.order.trade for each in morning.unfilled] == ["AAA-20260302"]
    assert "is not quoted" in morning.unfilled[0].why
    assert {e.trade for e in morning.events} == {"BBB-20260302", "SPX-20260302"}


def test_a_day_without_one_underlying_stops_neither_it_nor_the_others():
    """AAA is not quoted on its second day: its orders wait, its holdings keep a mark."""
    day = next_session(FIRST_DAY)
    days = dict(CHAINS.days)
    days["AAA"] = replace(
        days["AAA"],
        sessions=tuple(x for x in days["AAA"].sessions if x != day),
        days=days["AAA"].days[[0, *range(2, len(days["AAA"].days))]],
        closes=np.delete(days["AAA"].closes, 1),
        vols=np.delete(days["AAA"].vols, 1),
    )
    seen, first = replace(CHAINS, days=days).view(day), CHAINS.view(FIRST_DAY)
    option = first.chain("AAA").option(0)
    book = Book(D(1_000_000), (Position(option, -1), Position(Stock("AAA"), 100)))
    shares = Order(
        "id", "t", (Leg(Stock("AAA"), -100),), Intent.CLOSE, Reason.ENTRY, first.now, None
    )

    morning = market_events((*day_one()[1].orders, shares), book, seen, HOUSE)
    book = book.after_all(morning.events)
    decided = decisions(book, seen, STRATEGY, HOUSE, Breaker(), D(1))

    assert [each.order.trade for each in morning.unfilled] == ["AAA-20260302", "t"]
    assert all("no chain of AAA" in each.why for each in morning.unfilled)
    assert {e.trade for e in morning.events} == {"BBB-20260302", "SPX-20260302"}
    assert seen.mark(Stock("AAA")) == first.spot("AAA")
    assert seen.mark(option) == option.intrinsic(first.spot("AAA"))
    assert closing_events(book, seen, HOUSE) == ()
    assert decided.orders == ()


def test_the_last_sound_quote_is_kept_until_a_new_one_comes():
    view, decided = day_one()
    leg = decided.orders[0].legs[0]
    book = Book(D(0), (Position(leg.instrument, -1),))
    first = last_quotes_after(book, view, {})
    blind = CHAINS.view(next_session(FIRST_DAY))
    chain = blind.chains[leg.instrument.underlying]
    chain.bid[chain.row(leg.instrument)] = 1e6

    kept = last_quotes_after(book, blind, first)

    assert kept == first
    assert kept[leg.instrument].at == close_instant(FIRST_DAY)
    assert last_quotes_after(Book(), view, first) == {}


def test_closing_orders_pass_the_gates():
    book, view = CASH, CHAINS.view(FIRST_DAY)
    working = decisions(book, view, STRATEGY, HOUSE, Breaker(), D(1)).orders
    for day in CHAINS.sessions[1:]:
        view = CHAINS.view(day)
        book = book.after_all(market_events(working, book, view, HOUSE).events)
        book = book.after_all(closing_events(book, view, HOUSE))
        decided = decisions(book, view, STRATEGY, HOUSE, Breaker(peak=D(10**9)), D(1))
        working = decided.orders
        if any(order.intent is Intent.CLOSE for order in working):
            return
    raise AssertionError("thirty sessions without a closing order")


def test_expiry_of_cash_settled_options_leaves_no_stock():
    option = Option("SPXW", date(2026, 3, 2), D(1), Right.CALL)

    book = Book(D(1_000_000), (Position(option, -1),))

    (event,) = closing_events(book, CHAINS.view(FIRST_DAY), HOUSE)

    assert isinstance(event, Expiry)
    assert event.cash < -10_000


def test_a_notebooks_parameters_describe_the_house():
    house = house_from({"margin_use": 0.5, "fill_fraction": 0.25})

    assert (house.limits.margin_use, house.fills.crossing) == (D("0.5"), D("0.25"))
    assert house_from({}).limits.margin_use == 1
    assert house_from({}).account is REG_T
    assert house_from({"account": "portfolio"}).account is PORTFOLIO
    assert breaker_from({"reduce_at": 0.08, "halt_at": 0.12}) == Breaker(D("0.08"), D("0.12"))


# What a morning changes under orders sent the evening before.


def halved_on(day):
    """AAA at 100, split two for one on the open of ``day``."""
    days = CHAINS.sessions
    closes = np.array([100.0 if each < day else 50.0 for each in days])
    return replace(made_chains({"AAA": closes}), splits={"AAA": (ShareSplit(day, 2),)})


def test_an_order_from_before_a_split_lapses_for_it_names_what_is_no_more():
    """A strike of 50 stands on both sides of the split, for two different contracts."""
    eve, day = CHAINS.sessions[9], CHAINS.sessions[10]
    chains = halved_on(day)
    before, view = chains.view(eve), chains.view(day)
    expiry = view.chain("AAA").expiries[1]
    put = Option("AAA", expiry, D(50), Right.PUT)
    held = [
        Fill(before.now, "T", put, -1, D("0.05")),
        Fill(before.now, "S", Stock("AAA"), 100, D(100)),
    ]
    book = Book(D(100_000)).after_all(held)
    orders = [
        Order("1", "T", (Leg(put, 1),), Intent.CLOSE, Reason.STOP, before.now),
        Order("2", "S", (Leg(Stock("AAA"), -100),), Intent.CLOSE, Reason.ENTRY, before.now),
        Order("3", "N", (Leg(put, -1),), Intent.OPEN, Reason.ENTRY, before.now),
    ]

    met = market_events(tuple(orders), book, view, HOUSE)
    unheld = market_events(tuple(orders[2:]), CASH, view, HOUSE)
    later = executions(
        [replace(orders[2], decided_at=view.now)], chains.view(next_session(day)), HOUSE, ()
    )

    assert met.events == (Split(view.now, Stock("AAA"), 2),)
    assert [each.why for each in (*met.unfilled, *unheld.unfilled)] == [
        f"AAA split 2:1 on {day}: an order from before it lapses"
    ] * 4
    assert any(isinstance(event, Fill) for event in later.events)


def test_a_split_that_is_to_come_stops_no_order():
    chains = halved_on(CHAINS.sessions[11])
    eve, view = chains.view(CHAINS.sessions[9]), chains.view(CHAINS.sessions[10])
    put = Option("AAA", view.chain("AAA").expiries[1], D(96), Right.PUT)
    order = Order("1", "N", (Leg(put, -1),), Intent.OPEN, Reason.ENTRY, eve.now)

    met = market_events((order,), CASH, view, HOUSE)

    assert view.splits["AAA"]
    assert met.unfilled == ()


def test_an_option_is_bought_back_at_the_quotes_of_its_own_last_close():
    day = next_session(FIRST_DAY)
    eve, view = CHAINS.view(FIRST_DAY), CHAINS.view(day)
    chain = view.chain("AAA")
    near = chain.where(np.arange(len(chain)) < 1)
    spot = D(round(chain.spot) + 5)
    columns = {
        "expiry": np.array([day], "datetime64[D]"),
        "right": np.array([-1], np.int8),
        "strike": np.array([float(spot)]),
        "bid": np.array([4.0]),
        "ask": np.array([5.0]),
    }
    put = Option("AAA", day, spot, Right.PUT)
    last = replace(view, chains={"AAA": replace(near, **columns)})
    order = Order("1", "T", (Leg(put, 1),), Intent.CLOSE, Reason.STOP, eve.now)
    book = CASH.after(Fill(eve.now, "T", put, -1, D(6)))

    met = market_events((order,), book, last, HOUSE)

    assert next(e.price for e in met.events if isinstance(e, Fill)) == 5


def test_an_option_whose_print_was_struck_in_the_morning_is_not_bought_back_after_it():
    """SPX options stop trading the evening before; a quote on the day itself is a remnant."""
    eve, day = CHAINS.sessions[13], CHAINS.sessions[14]
    put = Option("SPX", day, D(600), Right.PUT)
    chain = chain_on("SPX", eve, 600.0, root="SPX").where(np.array([0]))
    columns = {
        "expiry": np.array([day], "datetime64[D]"),
        "right": np.array([-1], np.int8),
        "strike": np.array([600.0]),
        "bid": np.array([4.0]),
        "ask": np.array([5.0]),
    }
    quoted = replace(chain, as_of=close_instant(day), **columns)
    view = View(close_instant(day), {"SPX": D(600)}, chains={"SPX": quoted})
    order = Order("1", "T", (Leg(put, 1),), Intent.CLOSE, Reason.STOP, close_instant(eve))
    book = CASH.after(Fill(close_instant(eve), "T", put, -1, D(10)))

    met = market_events((order,), book, view, HOUSE)

    assert met.events == ()
    (lapsed,) = met.unfilled
    assert lapsed.why == "SPX 2026-03-20 600 PUT traded until 2026-03-19 16:15: it has expired"


def test_shares_are_borrowed_through_a_day_that_nobody_recorded():
    """Short from Thursday's close; Friday has no quotes; on Monday three nights are owed."""
    thursday, friday, monday = (CHAINS.sessions[i] for i in (3, 4, 5))
    dear = replace(HOUSE.costs.loans, general=D("0.36"), markup=D(1), whole_dollars=False)
    house = replace(HOUSE, costs=replace(HOUSE.costs, loans=dear))
    call = Option("AAA", thursday, D(50), Right.CALL)
    book = replace(CASH, positions=(Position(call, -1),))
    at_close = closing_events(book, CHAINS.view(thursday), house)
    short = book.after_all(at_close)

    def owed(events):
        return [(e.at.date(), e.amount) for e in events if getattr(e, "kind", "") == KIND]

    gap = market_events((), short, CHAINS.view(monday), house).events
    no_gap = market_events((), short, CHAINS.view(friday), house).events

    night = CHAINS.view(thursday).spots["AAA"] / 10  # 100 shares x 0.36 / 360
    late = CHAINS.view(monday).spots["AAA"] / 10
    assert owed(at_close) == [(thursday, whole_cents(night))]
    assert owed(gap) == [(monday, whole_cents(3 * late))]
    assert owed(no_gap) == []
    assert market_events((), short.after_all(gap), CHAINS.view(monday), house).events == ()
    halved = replace(CHAINS.view(monday), splits={"AAA": (ShareSplit(monday, 2),)})
    twice = market_events((), short, halved, house).events
    assert owed(twice) == [(monday, whole_cents(2 * 3 * late))]
