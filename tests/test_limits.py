"""What may be sent: each gate at its limit and one step beyond; orders beside each other."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as D

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dollarbill_core.market.view import View
from dollarbill_core.pricing import black_scholes, implied_vol
from dollarbill_core.rules.accounts import CASH, PORTFOLIO, REG_T
from dollarbill_core.rules.breaker import Breaker
from dollarbill_core.rules.gates import Gate
from dollarbill_core.rules.limits import Limits, gates, refusal
from dollarbill_core.rules.margin import free_funds, what_if
from dollarbill_core.values.book import Book, Fill, Position
from dollarbill_core.values.calendars import expiry_instant, years_between
from dollarbill_core.values.contracts import Leg, Option, Right, Stock
from dollarbill_core.values.orders import Intent, Order, Reason

NOW = datetime(2026, 11, 2, 21, tzinfo=UTC)
PUT = Option.from_occ("XYZ261218P00095000")  # alone 100 + 1,500: its value and the cushion
CALL = Option.from_occ("XYZ261218C00105000")
LATER = Option.from_occ("XYZ270115P00095000")
SHARES = Stock("XYZ")
VIEW = View(NOW, {"XYZ": D(100)}, {PUT: D(1), CALL: D(1), LATER: D(2), SHARES: D(100)})
RICH = Book(D(20_000))
OPEN = Limits(margin_use=None, open_trades=None)
HALTED = Breaker(D("0.08"), D("0.12")).after(D(100)).after(D(50))


def order(quantity=-1, what=PUT, *, intent=Intent.OPEN, trade="t") -> Order:
    legs = what if isinstance(what, tuple) else (Leg(what, quantity),)
    return Order(f"id-{trade}", trade, legs, intent, Reason.ENTRY, NOW)


def why(book, want, limits=OPEN, breaker=None, working=(), view=VIEW, account=REG_T):
    stopped = refusal(want, book, view, account, limits, breaker or Breaker(), working)
    return stopped.why if stopped else None


def said(gate, want=None, book=RICH, limits=OPEN, working=(), view=VIEW):
    verdicts = gates(want or order(), book, view, REG_T, limits, Breaker(), working)
    return next(each for each in verdicts if each.gate is gate)


def traded(fills, book=RICH) -> Book:
    """A book after (instant, trade, instrument, quantity) at today's marks."""
    return book.after_all(Fill(at, t, what, n, VIEW.mark(what)) for at, t, what, n in fills)


# The limits themselves


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"margin_use": D(0)}, "margin_use must be above 0, at most 1, got 0"),
        ({"margin_use": D("1.01")}, "margin_use must be above 0, at most 1, got 1.01"),
        ({"underlying_margin": D(50)}, "underlying_margin must be above 0, at most 1, got 50"),
        ({"expiry_margin": D(-1)}, "expiry_margin must be above 0, at most 1, got -1"),
        ({"open_trades": -1}, "open_trades must be a whole number, 0 or more, got -1"),
        ({"open_trades": True}, "open_trades must be a whole number, 0 or more, got True"),
        ({"contracts_per_trade": 1.5}, "contracts_per_trade must be a whole number"),
        ({"contracts_per_underlying": D(2)}, "contracts_per_underlying must be a whole number"),
        ({"cash_reserve": D("-0.01")}, "cash_reserve must be 0 to 1, got -0.01"),
        ({"cash_reserve": D("1.01")}, "cash_reserve must be 0 to 1, got 1.01"),
        ({"trade_loss": D(0)}, "trade_loss must be above 0, got 0"),
        ({"day_loss": D("NaN")}, "day_loss must be a Decimal, got NaN"),
        ({"short_exposure": 2}, "short_exposure must be a Decimal, got 2"),
        ({"delta": 0.1}, "delta must be a Decimal, got 0.1"),
        ({"vega": D("-0.001")}, "vega must be above 0, got -0.001"),
    ],
)
def test_a_wrong_limit_is_named_with_its_value(wrong, line):
    with pytest.raises(ValueError, match=line):
        Limits(**wrong)


def test_nothing_is_limited_but_the_margin_and_the_trades_unless_asked():
    verdicts = gates(order(), RICH, VIEW, REG_T, Limits(), Breaker())

    limited = [each.gate for each in verdicts if each.limit is not None]
    assert limited == [Gate.OPEN_TRADES, Gate.EQUITY, Gate.ACCOUNT, Gate.MARGIN_USE]
    assert said(Gate.VEGA).why == "vega is not limited"


# One row for each gate: passes at the limit, fails one step beyond, and says both figures

VEGA = D("10.7490")  # dollars a point, see the test below it
ROWS = {
    Gate.OPEN_TRADES: (order(), 1, 0, "open trades would be 1, the limit is 0"),
    Gate.CONTRACTS_PER_TRADE: (
        order(what=(Leg(PUT, -1), Leg(CALL, -1))),
        2,
        1,
        "the trade's contracts would be 2, the limit is 1",
    ),
    Gate.CONTRACTS_PER_UNDERLYING: (
        order(-2),
        2,
        1,
        "contracts on XYZ would be 2, the limit is 1",
    ),
    Gate.MARGIN_USE: (
        order(),
        D("0.075"),
        D("0.0749"),
        "it would tie up 1,500.00, the limit is 1,498.00",
    ),
    Gate.CASH_RESERVE: (
        order(1),
        D("0.995"),
        D("0.9951"),
        "cash would be 19,900.00, the limit is 19,902.00 at least",
    ),
    Gate.TRADE_LOSS: (
        order(),
        D("0.47"),
        D("0.4699"),
        "the trade's worst loss would be $9,400.00 at 0, the limit is 9,398.00",
    ),
    Gate.DAY_LOSS: (
        order(),
        D("0.47"),
        D("0.4699"),
        "this day's trades could lose $9,400.00, the limit is 9,398.00",
    ),
    Gate.SHORT_EXPOSURE: (
        order(),
        D("0.475"),
        D("0.4749"),
        "shorts would stand for 9,500.00, the limit is 9,498.00",
    ),
    Gate.UNDERLYING_MARGIN: (
        order(),
        D("0.08"),
        D("0.0799"),
        "XYZ would tie up 1,600.00 of margin, the limit is 1,598.00",
    ),
    Gate.EXPIRY_MARGIN: (
        order(),
        D("0.08"),
        D("0.0799"),
        "expiry 2026-12-18 would tie up 1,600.00 of margin, the limit is 1,598.00",
    ),
    Gate.DELTA: (
        order(10, SHARES),
        D("0.05"),
        D("0.0499"),
        "the book's dollar delta would be 1,000.00, the limit is 998.00 either way",
    ),
    Gate.VEGA: (
        order(),
        VEGA / 20_000,
        (VEGA - D("0.0001")) / 20_000,
        "the book's vega would be -10.75 a point, the limit is 10.75 either way",
    ),
}


@pytest.mark.parametrize("gate", ROWS, ids=str)
def test_a_gate_passes_at_its_limit_and_fails_one_step_beyond(gate):
    want, at_limit, beyond, line = ROWS[gate]

    assert why(RICH, want, Limits(**{"margin_use": None, gate: at_limit})) is None
    assert why(RICH, want, Limits(**{"margin_use": None, gate: beyond})) == line


def test_every_limit_has_a_row():
    assert ROWS.keys() == set(Limits.__dataclass_fields__)
    assert list(Gate) == [
        Gate.CLOSES,
        *(each.gate for each in gates(order(), RICH, VIEW, REG_T, OPEN, Breaker())),
    ]


def test_the_vega_is_that_of_the_marks_vol():
    years = years_between(NOW, expiry_instant(PUT))
    terms = -1, 100.0, 95.0, years, 0.0
    vol = implied_vol.implied_vol(-1, 1.0, *terms[1:])

    vega = black_scholes.greeks(*terms, vol).vega  # without interest nobody exercises early

    assert D(f"{vega:.4f}") == VEGA  # x 100 shares, / 100 points


def test_the_delta_of_a_short_put_is_its_own_times_the_spot():
    years = years_between(NOW, expiry_instant(PUT))
    vol = implied_vol.implied_vol(-1, 1.0, 100.0, 95.0, years, 0.0)
    per_share = black_scholes.greeks(-1, 100.0, 95.0, years, 0.0, vol).delta

    actual = said(Gate.DELTA, limits=Limits(delta=D(1))).actual

    assert float(actual) == pytest.approx(-100 * 100 * per_share, abs=1e-3)
    assert actual > 0


# The gates without a figure of their own


@pytest.mark.parametrize(("cash", "refused"), [("3000", False), ("2999.99", True)])
def test_an_order_the_account_cannot_carry_is_refused(cash, refused):
    line = f"the account cannot carry it: 3,000.00 would be tied up, NAV {D(cash):,.2f}"

    assert why(Book(D(cash)), order(-2)) == (line if refused else None)


SMALL = Book(D("1999.99"))
NO_CREDIT = "the account is worth 1,999.99, it gives credit from 2,000.00 on"


@pytest.mark.parametrize(
    ("book", "want", "line"),
    [
        (Book(D(2_000)), order(), None),
        (SMALL, order(), NO_CREDIT),
        (SMALL, order(1), None),  # paid in full
        (Book(D(1_900)), order(19), None),
        (SMALL, order(20), NO_CREDIT),  # one cent of it borrowed
        (SMALL, order(-1, SHARES), NO_CREDIT),
        (Book(D("1999.99") - 10_000, (Position(SHARES, 100),)), order(1), NO_CREDIT),
        (Book(D("-8000.01"), (Position(SHARES, 100),)), order(what=CALL), NO_CREDIT),
    ],
)
def test_a_small_account_opens_only_what_is_paid_in_full(book, want, line):
    assert why(book, want) == line


def test_a_covered_call_on_paid_shares_needs_no_minimum():
    view = View(NOW, {"XYZ": D(10)}, {CALL: D("0.05")})

    assert why(Book(D(0), (Position(SHARES, 100),)), order(what=CALL), view=view) is None


def test_portfolio_margin_asks_for_a_larger_account():
    line = "the account is worth 20,000.00, it gives credit from 100,000.00 on"

    assert why(RICH, order(-2), account=PORTFOLIO) is None  # the cash secures it
    assert why(RICH, order(-3), account=PORTFOLIO) == line


@pytest.mark.parametrize("value", [92, 88])
def test_a_tripped_breaker_opens_nothing_and_closes_anything(value):
    breaker = Breaker(D("0.08"), D("0.12")).after(D(100)).after(D(value))
    book = Book(D(0), (Position(PUT, -1),))
    line = (
        f"the circuit breaker is at {breaker.state}: nothing is opened until a person resets it"
    )

    assert why(RICH, order(), breaker=breaker) == line
    assert why(book, order(1, intent=Intent.CLOSE), breaker=breaker) is None


def test_a_breaker_at_rest_says_so():
    assert said(Gate.BREAKER).why == "the circuit breaker is at normal"


def test_an_adjusted_contract_is_not_traded_but_may_be_closed():
    adjusted = Option("SPY1", PUT.expiry, D(600), Right.PUT)
    line = (
        "SPY1 2026-12-18 600 PUT has a non-standard deliverable (an adjusted root): not traded"
    )
    book = Book(D(0), (Position(adjusted, -1),))

    assert why(RICH, order(what=adjusted)) == line
    assert why(book, order(1, adjusted, intent=Intent.CLOSE)) is None


# SPX settles on Friday morning and trades for the last time on Thursday
@pytest.mark.parametrize(
    ("symbol", "last"),
    [("XYZ261218P00095000", (18, 21, 0)), ("SPX261218P06000000", (17, 21, 15))],
)
def test_an_expired_contract_is_not_traded(symbol, last):
    option = Option.from_occ(symbol)
    day, hour, minute = last
    instant = datetime(2026, 12, day, hour, minute, tzinfo=UTC)
    line = f"{option} traded until 2026-12-{day} {hour - 5}:{minute:02}: it has expired"

    def verdict(now):
        return said(Gate.CONTRACTS, order(what=option), view=View(now, {}, {option: D(1)}))

    assert verdict(instant - timedelta(seconds=1)).passed
    assert (verdict(instant).passed, verdict(instant).why) == (False, line)


def test_what_the_account_may_not_hold_is_refused_by_name():
    assert "-1 XYZ 2026-12-18 105 CALL" in why(RICH, order(what=CALL), account=CASH)


def test_an_order_without_a_mark_is_refused_and_says_what_is_missing():
    option = Option.from_occ("ABC261218P00095000")

    line = "ABC 2026-12-18 95 PUT has no mark: no price of ABC on 2026-11-02"
    assert why(RICH, order(what=option)) == line


def test_an_order_that_would_turn_its_trade_round_is_refused_in_one_line():
    book = traded([(MORNING, "t", PUT, -1)])

    assert why(book, order(2)) == (
        "a fill closes a trade, it does not turn it round: +2 XYZ 2026-12-18 95 PUT in trade t"
    )


def test_a_gate_without_a_figure_says_why():
    shares = order(1, SHARES)
    limits = Limits(expiry_margin=D("0.1"))
    cash = gates(order(), RICH, VIEW, CASH, OPEN, Breaker())

    assert said(Gate.EXPIRY_MARGIN, shares, limits=limits).why == "nothing of the order expires"
    assert next(x for x in cash if x.gate is Gate.EQUITY).why == (
        "a cash account asks for no minimum"
    )


def test_a_limited_greek_that_cannot_be_found_refuses():
    vix = Option.from_occ("VIX261216C00030000")
    view = View(NOW, {"VIX": D(18)}, {vix: D(1)})

    assert why(RICH, order(what=vix), view=view) is None
    assert "future of its own expiry" in why(
        RICH, order(what=vix), Limits(delta=D(5)), view=view
    )


def test_the_first_gate_that_fails_is_the_reason():
    tight = Limits(margin_use=D("0.01"), trade_loss=D("0.01"))

    assert why(RICH, order(), tight).startswith("it would tie up")
    assert why(RICH, order(), tight, HALTED).startswith("the circuit breaker")
    failed = [x.gate for x in gates(order(), RICH, VIEW, REG_T, tight, HALTED) if not x.passed]
    assert failed == [Gate.BREAKER, Gate.MARGIN_USE, Gate.TRADE_LOSS]


def test_a_reserve_of_nothing_still_forbids_a_loan():
    line = "cash would be -10,000.00, the limit is 0.00 at least"

    assert why(RICH, order(300, SHARES)) is None
    assert why(RICH, order(300, SHARES), Limits(cash_reserve=D(0))) == line


# Losses


def test_a_loss_without_limit_passes_no_limit():
    limits = Limits(trade_loss=D(1_000))
    naked = "the trade's worst loss would be unlimited above 105, the limit is 20,000,000.00"
    day = "this day's trades could lose without limit, the limit is 20,000,000.00"

    assert why(RICH, order(what=CALL)) is None
    assert why(RICH, order(what=CALL), limits) == naked
    assert why(RICH, order(what=CALL), Limits(day_loss=D(1_000))) == day


def test_a_loss_over_several_expiries_is_called_a_bound():
    calendar = (Leg(PUT, -1), Leg(LATER, 1))  # 100 paid; the American long is worth intrinsic
    limits = Limits(margin_use=None, trade_loss=D("0.0049"))

    line = "the trade's worst loss would be BOUND: $100.00 at 95, the limit is 98.00"
    assert why(RICH, order(what=calendar), limits) == line
    day = Limits(margin_use=None, day_loss=D("0.0049"))
    assert "BOUND: $100.00, the limit" in why(RICH, order(what=calendar), day)


MORNING, YESTERDAY = NOW - timedelta(hours=6), NOW - timedelta(days=3)


@pytest.mark.parametrize(
    ("opened", "counted"), [(MORNING, True), (YESTERDAY, False), (NOW, False)]
)
def test_a_day_counts_what_it_opened_before_this_snapshot(opened, counted):
    book = traded([(opened, "early", PUT, -1)])
    limits = Limits(margin_use=None, day_loss=D("0.9"))

    assert (why(book, order(trade="late"), limits) is not None) is counted


def test_a_trade_that_is_added_to_loses_as_one():
    book = traded([(MORNING, "t", PUT, -1)])

    verdict = said(Gate.TRADE_LOSS, order(), book, Limits(trade_loss=D("0.5")))

    assert (
        verdict.why == "the trade's worst loss would be $18,800.00 at 0, the limit is 10,000.00"
    )


# Orders beside each other

BUY, SHORT_TWO = order(1, trade="b"), order(trade="b")
TIGHT = {
    "open_trades": (SHORT_TWO, 1),
    "contracts_per_underlying": (SHORT_TWO, 1),
    "margin_use": (SHORT_TWO, D("0.1499")),
    "cash_reserve": (BUY, D("0.9901")),
    "day_loss": (SHORT_TWO, D("0.9399")),
    "short_exposure": (SHORT_TWO, D("0.9499")),
    "underlying_margin": (SHORT_TWO, D("0.1599")),
    "expiry_margin": (SHORT_TWO, D("0.1599")),
    "delta": (order(10, SHARES, trade="b"), D("0.0999")),
    "vega": (SHORT_TWO, D("0.001")),
}


@pytest.mark.parametrize("name", TIGHT)
def test_two_orders_of_one_day_cannot_use_the_same_room(name):
    want, limit = TIGHT[name]
    first = Order("id-a", "a", want.legs, Intent.OPEN, Reason.ENTRY, NOW)
    limits = Limits(**{"margin_use": None, name: limit})

    assert why(RICH, want, limits) is None
    assert why(RICH, want, limits, working=(first,)) is not None
    assert why(
        traded([(MORNING, "a", x.instrument, x.quantity) for x in first.legs]), want, limits
    )


def test_what_works_beside_it_is_not_relied_on():
    hedge = order(-10, SHARES, trade="a")
    limits = Limits(margin_use=None, delta=D("0.04"))

    line = "the book's dollar delta would be 1,000.00, the limit is 800.00 either way"
    assert why(RICH, order(10, SHARES, trade="b"), limits, working=(hedge,)) == line


def test_margin_is_that_of_the_order_alone_or_of_all_whichever_is_more():
    one, both = Limits(margin_use=D("0.075")), Limits(margin_use=D("0.15"))
    other = order(trade="a")

    assert why(RICH, order(trade="b"), one, working=(other,)) == (
        "it would tie up 3,000.00, the limit is 1,500.00"
    )
    assert why(RICH, order(trade="b"), both, working=(other,)) is None


@pytest.mark.parametrize("working", [(), (order(what=CALL, trade="a"),)])
def test_margin_is_that_of_the_what_if(working):
    want = order(what=(Leg(PUT, -2), Leg(LATER, 1)), trade="b")

    change = what_if(RICH, VIEW, REG_T, want, working)

    verdict = said(Gate.MARGIN_USE, want, limits=Limits(), working=working)
    assert verdict.actual == 20_000 - free_funds(change.book, VIEW, change.after)


def test_working_orders_that_close_are_not_counted_on():
    book = traded([(MORNING, "a", PUT, -1)])
    closing = order(1, intent=Intent.CLOSE, trade="a")
    one = Limits(margin_use=None, contracts_per_underlying=1)

    assert why(book, order(trade="b"), one, working=(closing,)) == (
        "contracts on XYZ would be 2, the limit is 1"
    )


@pytest.mark.parametrize(
    ("hedge", "want", "limit", "line"),
    [
        (LATER, order(), {"trade_loss": D("0.4")}, "loss would be $9,400.00 at 0"),
        (LATER, order(), {"day_loss": D("0.4")}, "this day's trades could lose $9,400.00"),
        (
            PUT,
            order(-2, trade="b"),
            {"contracts_per_underlying": 1},
            "contracts on XYZ would be 2",
        ),
    ],
)
def test_a_working_order_that_would_take_risk_away_is_not_relied_on(hedge, want, limit, line):
    limits, working = Limits(margin_use=None, **limit), (order(1, hedge),)

    assert line in why(RICH, want, limits, working=working)
    assert why(traded([(MORNING, "t", hedge, 1)]), want, limits) is None


# Greeks count either way, and what brings them nearer to zero passes


@pytest.mark.parametrize(
    ("shares", "passes"),
    [(-5, True), (-10, True), (-35, True), (-40, True), (-41, False), (1, False)],
)
def test_what_brings_delta_nearer_to_zero_passes(shares, passes):
    book = traded([(MORNING, "a", SHARES, 20)])  # 2,000 where 1,000 is allowed
    limits = Limits(margin_use=None, delta=D("0.05"))

    assert (why(book, order(shares, SHARES, trade="b"), limits) is None) is passes


# Orders that close


def closing(quantity, what=PUT, trade="t") -> Order:
    return order(quantity, what, intent=Intent.CLOSE, trade=trade)


HELD = traded([(MORNING, "t", PUT, -2), (MORNING, "u", PUT, -1)])


@pytest.mark.parametrize(
    ("want", "line"),
    [
        (closing(1), None),
        (closing(2), None),
        (closing(3), "+3 XYZ 2026-12-18 95 PUT would open, not close: -2 held"),
        (closing(-1), "-1 XYZ 2026-12-18 95 PUT would open, not close: -2 held"),
        (closing(1, CALL), "+1 XYZ 2026-12-18 105 CALL would open, not close: +0 held"),
        (closing(2, trade="u"), "+2 XYZ 2026-12-18 95 PUT would open, not close: -1 held"),
        (closing(3, trade="by hand"), None),
        (
            closing(4, trade="by hand"),
            "+4 XYZ 2026-12-18 95 PUT would open, not close: -3 held",
        ),
    ],
)
def test_an_order_that_says_it_closes_must_close(want, line):
    assert why(HELD, want, breaker=HALTED) == line


def test_an_order_cannot_close_twice_by_naming_a_leg_twice():
    twice = closing(0, (Leg(PUT, 2), Leg(PUT, 1)))

    assert why(HELD, twice) == "+3 XYZ 2026-12-18 95 PUT would open, not close: -2 held"
    assert why(HELD, closing(0, (Leg(PUT, 1), Leg(PUT, 1)))) is None


def test_what_is_closed_by_hand_is_not_closed_again_by_its_trade():
    by_hand = closing(3, trade="by hand")
    line = "+1 XYZ 2026-12-18 95 PUT would open, not close: -2 held and +3 already sent"

    assert why(HELD, closing(1), working=(by_hand,)) == line


def test_what_is_being_closed_is_not_closed_again():
    again = "+1 XYZ 2026-12-18 95 PUT would open, not close: -2 held and +2 already sent"

    assert why(HELD, closing(1), working=(closing(2),)) == again
    assert why(HELD, closing(1), working=(closing(1),)) is None
    assert why(HELD, closing(2), working=(closing(1, trade="u"),)) is None
    assert why(HELD, closing(2), working=(order(1),)) is None


def test_an_order_that_closes_meets_no_other_gate():
    broke = Book(D(-50_000), HELD.positions, HELD.trades)
    nothing = Limits(open_trades=0, contracts_per_trade=0, cash_reserve=D(1))

    (verdict,) = gates(closing(2), broke, VIEW, REG_T, nothing, HALTED)

    assert (verdict.passed, verdict.why) == (True, "it closes what is held")


# hypothesis

QUANTITIES = st.integers(-5, 5).filter(bool)
WANTED = st.builds(order, QUANTITIES, st.sampled_from([PUT, CALL, LATER, SHARES]))
FRACTIONS = st.decimals("0.01", "1", places=2)
SOME = st.builds(
    Limits,
    margin_use=FRACTIONS,
    open_trades=st.integers(0, 3),
    contracts_per_underlying=st.integers(0, 6),
    cash_reserve=FRACTIONS,
    trade_loss=FRACTIONS,
    day_loss=FRACTIONS,
    short_exposure=FRACTIONS,
    underlying_margin=FRACTIONS,
)
OTHERS = st.lists(
    st.builds(order, QUANTITIES, st.sampled_from([PUT, CALL]), trade=st.just("w"))
)


@settings(deadline=None, max_examples=50)
@given(WANTED, SOME, OTHERS)
def test_an_order_is_refused_by_the_first_gate_it_fails_and_by_no_other(want, limits, others):
    working = tuple(others[:1])

    verdicts = gates(want, RICH, VIEW, REG_T, limits, Breaker(), working)

    failed = [each.why for each in verdicts if not each.passed]
    assert why(RICH, want, limits, working=working) == (failed[0] if failed else None)
    assert all(each.why for each in verdicts)


@settings(deadline=None, max_examples=50)
@given(WANTED, SOME)
def test_no_limit_at_all_refuses_nothing_that_limits_let_through(want, limits):
    if why(RICH, want, limits) is None:
        assert why(RICH, want, OPEN) is None


@settings(deadline=None, max_examples=50)
@given(st.integers(-9, 9).filter(bool), st.integers(-9, 9).filter(bool), SOME)
def test_what_closes_passes_always_and_what_does_not_never(held, traded_now, limits):
    book = Book(D(1_000), (Position(PUT, held),))

    passes = why(book, closing(traded_now), limits, HALTED) is None

    assert passes == (abs(held + traded_now) + abs(traded_now) == abs(held))


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 6), st.integers(1, 6))
def test_two_orders_weigh_as_one_of_both_sizes(first, second):
    everything = Limits(
        contracts_per_underlying=99, day_loss=D(99), short_exposure=D(99), expiry_margin=D(1)
    )
    rich = Book(D(1_000_000))
    apart = gates(
        order(-second, trade="b"), rich, VIEW, REG_T, everything, Breaker(), (order(-first),)
    )
    together = gates(order(-first - second), rich, VIEW, REG_T, everything, Breaker())

    figures = [(x.gate, x.actual) for x in apart if x.gate is not Gate.OPEN_TRADES]
    assert figures == [(x.gate, x.actual) for x in together if x.gate is not Gate.OPEN_TRADES]


def test_the_expiry_of_a_calendar_is_that_of_what_is_sold():
    lower = Option.from_occ("XYZ270115P00090000")  # the strikes lie 5 apart: 500 are held
    view = View(NOW, VIEW.spots, {PUT: D(1), lower: D(1)})
    calendar = order(what=(Leg(PUT, -1), Leg(lower, 1)))

    verdict = said(Gate.EXPIRY_MARGIN, calendar, limits=Limits(expiry_margin=D(1)), view=view)

    assert verdict.about == str(date(2026, 12, 18))
