"""When short premium is sold and bought back, rule by rule."""

from dataclasses import replace
from datetime import date
from decimal import Decimal as D

import numpy as np
import pytest

from dollarbill_core.market.view import History, View
from dollarbill_core.rules.accounts import REG_T
from dollarbill_core.strategies.short_premium import (
    ShortPremium,
    strategy_from,
    strategy_sentence,
)
from dollarbill_core.strategies.structures import Structure
from dollarbill_core.values.book import Assignment, Book, Fill
from dollarbill_core.values.calendars import close_instant, sessions
from dollarbill_core.values.contracts import Leg, Option, Stock
from dollarbill_core.values.orders import Intent, Reason
from tests.market_builder import chain_on

MONDAY = date(2026, 3, 2)
STRATEGY = ShortPremium(("AAA",), target_dte=45, exit_dte=21)


def view(day=MONDAY, spot=100.0, chain=None, vols=None) -> View:
    chain = chain or chain_on("AAA", day, spot)
    history = {}
    if vols is not None:
        days = np.array(sessions(date(2024, 1, 2), day)[-len(vols) :], "datetime64[D]")
        history["AAA"] = History(days, np.full(len(vols), 100.0), np.array(vols, float))
    return View(
        close_instant(day), {"AAA": D(str(spot))}, chains={"AAA": chain}, history=history
    )


def opened(market: View, strategy: ShortPremium = STRATEGY) -> Book:
    """A book that sold what the strategy proposes, at the bids."""
    (proposal,) = strategy.decide(market, Book(), REG_T)
    fills = [
        Fill(
            market.now, proposal.trade, x.instrument, x.quantity, market.quote(x.instrument).bid
        )
        for x in proposal.legs
    ]
    return Book().after_all(fills)


def with_put_assigned(book: Book) -> tuple[Book, Option]:
    """The book once one put of its trade was assigned, and the call that is left of it."""
    put, call = sorted((x.instrument for x in book.trades[0].legs), key=lambda x: x.right)
    event = Assignment(close_instant(MONDAY), book.trades[0].id, put, 1)
    return book.after(event), call


def with_asks(market: View, book: Book, factor: str) -> View:
    """The market with the asks of what is held at ``factor`` times the credit per share."""
    chain = market.chains["AAA"]
    credit = book.trades[0].credit / 100
    for leg in book.trades[0].legs:
        row = chain.row(leg.instrument)
        chain.ask[row] = float(D(factor) * credit / 2)
        chain.bid[row] = chain.ask[row] / 2
    return market


class TestEntries:
    def test_a_strangle_at_its_delta_and_days(self):
        (proposal,) = STRATEGY.decide(view(), Book(), REG_T)

        assert (proposal.intent, proposal.reason) == (Intent.OPEN, Reason.ENTRY)
        assert proposal.trade == "AAA-20260302"
        assert len(proposal.candidates) == 6

    @pytest.mark.parametrize(
        ("day", "enters"),
        [
            (date(2026, 3, 2), True),  # Monday
            (date(2026, 3, 3), False),
            (date(2026, 2, 17), True),  # Tuesday after Presidents' Day
            (date(2026, 2, 18), False),
        ],
    )
    def test_one_look_a_week_on_the_entry_day_or_the_next_session(self, day, enters):
        assert bool(STRATEGY.decide(view(day), Book(), REG_T)) is enters

    def test_a_week_whose_friday_is_a_holiday_has_no_friday_entry(self):
        friday = replace(STRATEGY, entry_weekday=4)

        assert not friday.decide(view(date(2026, 4, 2)), Book(), REG_T)  # before Good Friday
        assert not friday.decide(view(date(2026, 4, 6)), Book(), REG_T)  # a new week

    def test_one_trade_a_symbol_until_more_are_allowed(self):
        book = opened(view())
        later = view(date(2026, 3, 9))

        assert all(p.intent is Intent.CLOSE for p in STRATEGY.decide(later, book, REG_T))
        both = replace(STRATEGY, open_per_symbol=2).decide(later, book, REG_T)
        assert any(p.intent is Intent.OPEN for p in both)

    @pytest.mark.parametrize(
        ("vols", "enters"),
        [
            (np.linspace(0.1, 0.3, 252), True),  # today is the highest: 99.6 %
            (np.linspace(0.3, 0.1, 252), False),  # the lowest: 0 %
            (np.linspace(0.1, 0.3, 251), False),  # not a full year
            (np.r_[[np.nan] * 25, np.linspace(0.1, 0.3, 227)], True),  # nearly all known
            (np.r_[[np.nan] * 26, np.linspace(0.1, 0.3, 226)], False),  # too many unknown
        ],
    )
    def test_the_percentile_filter_wants_a_full_year(self, vols, enters):
        rich = replace(STRATEGY, iv_percentile_min=0.5)

        assert bool(rich.decide(view(vols=vols), Book(), REG_T)) is enters

    def test_no_chain_no_entry(self):
        empty = View(close_instant(MONDAY), {"AAA": D(100)})

        assert STRATEGY.decide(empty, Book(), REG_T) == ()


class TestExits:
    @pytest.mark.parametrize(
        ("ask", "reason"),
        [
            ("0.49", Reason.PROFIT_TARGET),
            ("0.50", Reason.PROFIT_TARGET),
            ("0.52", None),
            ("2.98", None),
            ("3.00", Reason.STOP),
            ("4.00", Reason.STOP),
        ],
    )
    def test_target_and_stop_by_the_ask_to_close(self, ask, reason):
        book = opened(view())
        later = with_asks(view(date(2026, 3, 4)), book, ask)

        closing = STRATEGY.decide(later, book, REG_T)

        assert [p.reason for p in closing] == ([reason] if reason else [])

    def test_out_at_the_days_whatever_it_earns(self):
        book = opened(view())
        expiry = book.trades[0].legs[0].instrument.expiry
        day = sessions(MONDAY, expiry)[-15]
        assert (expiry - day).days <= 21
        market = with_asks(view(day, chain=chain_on("AAA", MONDAY, 100.0)), book, "0.9")

        (closing,) = STRATEGY.decide(market, book, REG_T)

        assert closing.reason is Reason.EXIT_DTE
        assert [(x.instrument, -x.quantity) for x in book.trades[0].legs] == [
            (x.instrument, x.quantity) for x in closing.legs
        ]

    def test_a_missing_or_crossed_quote_triggers_nothing(self):
        book = opened(view())
        market = with_asks(view(date(2026, 3, 4)), book, "5.0")
        chain = market.chains["AAA"]
        chain.bid[chain.row(book.trades[0].legs[0].instrument)] = 500.0

        assert STRATEGY.decide(market, book, REG_T) == ()

    def test_once_a_side_was_assigned_the_shares_and_the_rest_are_closed_each_on_its_own(self):
        book = opened(view())
        assigned, call = with_put_assigned(book)

        shares, rest = STRATEGY.decide(view(date(2026, 3, 4)), assigned, REG_T)

        assert (shares.reason, shares.legs) == (
            Reason.DELIVERED_STOCK,
            (Leg(Stock("AAA"), -100),),
        )
        assert (rest.reason, rest.legs) == (Reason.ASSIGNED, (Leg(call, 1),))

    @pytest.mark.parametrize("ask", ["0.10", "0.90", "6.00"])
    def test_the_rest_of_an_assigned_trade_never_meets_a_target_or_a_stop(self, ask):
        """Half of the credit bought a call worth nothing; the trade has lost on its put."""
        assigned, call = with_put_assigned(opened(view()))
        sold = Fill(close_instant(date(2026, 3, 3)), "AAA-20260302", Stock("AAA"), -100, D(70))
        book = assigned.after(sold)
        market = with_asks(view(date(2026, 3, 4)), book, ask)

        (closing,) = STRATEGY.decide(market, book, REG_T)

        assert (closing.reason, closing.legs) == (Reason.ASSIGNED, (Leg(call, 1),))

    def test_the_rest_of_an_assigned_trade_waits_for_a_quote_and_the_shares_do_not(self):
        assigned, call = with_put_assigned(opened(view()))
        market = view(date(2026, 3, 4))
        chain = market.chains["AAA"]
        chain.bid[chain.row(call)] = 500.0

        (shares,) = STRATEGY.decide(market, assigned, REG_T)

        assert shares.reason is Reason.DELIVERED_STOCK

    def test_a_side_assigned_in_part_counts_as_assigned(self):
        two = replace(STRATEGY, quantity=2)
        assigned, _ = with_put_assigned(opened(view(), two))

        shares, rest = two.decide(view(date(2026, 3, 4)), assigned, REG_T)

        assert [x.quantity for x in shares.legs] == [-100]
        assert {x.instrument.right: x.quantity for x in rest.legs} == {1: 2, -1: 1}
        assert rest.reason is Reason.ASSIGNED


class TestIdentity:
    def test_the_hash_is_that_of_the_parameters(self):
        assert STRATEGY.hash == ShortPremium(("AAA",), target_dte=45, exit_dte=21).hash
        assert STRATEGY.hash != replace(STRATEGY, put_delta=0.17).hash
        assert STRATEGY.hash != replace(STRATEGY, structure=Structure.SHORT_PUT).hash

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"put_delta": 16}, "put_delta must be above 0 and below 0.5, got 16"),
            ({"symbols": ()}, "symbols"),
            ({"symbols": ("AAA", "AAA")}, "each underlying once"),
            ({"exit_dte": 45}, "exit_dte"),
            ({"target_dte": 0}, "target_dte"),
            ({"entry_weekday": 5}, "entry_weekday"),
            ({"profit_target": 0.0}, "profit_target"),
            ({"stop_multiple": 0.0}, "stop_multiple"),
            ({"iv_percentile_min": 1.0}, "iv_percentile_min"),
            ({"quantity": 0}, "quantity"),
            ({"open_per_symbol": 0}, "open_per_symbol"),
        ],
    )
    def test_a_parameter_that_cannot_be_meant_is_named(self, change, message):
        with pytest.raises(ValueError, match=message):
            replace(STRATEGY, **change)

    def test_one_sentence_says_it_all(self):
        assert strategy_sentence(STRATEGY) == (
            "1 short strangle on AAA: 16% put and 16% call delta, 45 days, "
            "out at 50% of the credit, a loss of 2 credits or 21 days"
        )


def test_a_notebooks_parameters_describe_it():
    told = {"symbols": "AAA", "target_dte": 45, "exit_dte": 21, "capital": 1.0, "delta": 0.25}

    assert strategy_from(told) == replace(STRATEGY, put_delta=0.25, call_delta=0.25)
    assert strategy_from({"symbol": "AAA", "target_dte": 45, "exit_dte": 21}) == STRATEGY
    assert strategy_from({"symbols": "AAA,BBB, AAA"}).symbols == ("AAA", "BBB")
