"""Gates and the circuit breaker."""

from datetime import UTC, datetime
from decimal import Decimal as D

import pytest

from dollarbill_core.market.view import View
from dollarbill_core.rules.accounts import CASH, REG_T
from dollarbill_core.rules.limits import Breaker, BreakerState, Limits, refusal
from dollarbill_core.values.book import Book, Flow
from dollarbill_core.values.contracts import Leg, Option, Right
from dollarbill_core.values.orders import Intent, Order, Reason

NOW = datetime(2026, 11, 2, 21, tzinfo=UTC)
PUT = Option.from_occ("XYZ261218P00095000")  # alone 100 + 1500: see test_margin
VIEW = View(NOW, {"XYZ": D(100)}, {PUT: D(1)})


def test_the_breaker_latches_and_says_when():
    navs = [100_000, 110_000, 104_500, "101200.01", 101_200, 98_000, 96_800, 105_000]
    breaker, states, peaks = Breaker(D("0.08"), D("0.12")), [], []

    for nav in navs:
        breaker = breaker.after(D(nav))
        states.append(breaker.state.name)
        peaks.append(breaker.peak)

    assert states == ["NORMAL"] * 4 + ["REDUCE"] * 2 + ["HALT"] * 2
    assert peaks == [100_000] + [110_000] * 7


def test_a_breaker_without_levels_only_follows_the_peak():
    breaker = Breaker().after(D(100)).after(D(1))

    assert (breaker.state, breaker.peak) == (BreakerState.NORMAL, 100)


def order(quantity=-1, intent=Intent.OPEN, trade="t") -> Order:
    return Order(f"id-{trade}", trade, (Leg(PUT, quantity),), intent, Reason.ENTRY, NOW)


def why(book, want, limits=None, breaker=None, working=()):
    stopped = refusal(
        want, book, VIEW, REG_T, limits or Limits(), breaker or Breaker(), working
    )
    return stopped.why if stopped else None


# one put asks 1,600 after bringing 100: an account of 1,500 carries it, one cent less does not
@pytest.mark.parametrize(("cash", "refused"), [("1500", False), ("1499.99", True)])
def test_an_order_the_account_cannot_carry_is_refused(cash, refused):
    assert ("cannot carry" in (why(Book(D(cash)), order()) or "")) is refused


def test_margin_in_use_is_limited_as_a_fraction_of_nav():
    half = Limits(margin_use=D("0.50"))

    assert why(Book(D(3000)), order(), half) is None
    assert (
        why(Book(D(2999)), order(), half) == "it would tie up 1,500.00, the limit is 1,499.50"
    )


def test_working_orders_use_their_room():
    assert why(Book(D(3000)), order(trade="b"), working=(order(trade="a"),)) is None
    assert "cannot carry" in why(Book(D(2999)), order(trade="b"), working=(order(trade="a"),))


def test_a_tripped_breaker_opens_nothing_and_closes_anything():
    tripped = Breaker(D("0.08"), D("0.12")).after(D(100)).after(D(50))

    assert "circuit breaker is at halt" in why(Book(D(10_000)), order(), breaker=tripped)
    assert why(Book(D(0)), order(1, Intent.CLOSE), breaker=tripped) is None


def test_open_trades_are_counted_with_those_on_their_way():
    one = Limits(open_trades=1)

    assert why(Book(D(10_000)), order(), one) is None
    assert "1 trades" in why(Book(D(10_000)), order(trade="b"), one, working=(order(),))


def test_flows_do_not_trip_a_breaker_that_follows_a_unit():
    book = Book(D(100_000)).after(Flow(NOW, D(-50_000)))
    units = D("500")  # half of 1,000 units left at the same value of 100

    breaker = Breaker(D("0.08"), D("0.12")).after(D(100)).after(book.cash / units)

    assert breaker.state is BreakerState.NORMAL


@pytest.mark.parametrize("use", ["0", "1.01"])
def test_margin_use_is_a_fraction(use):
    with pytest.raises(ValueError, match=f"got {use}"):
        Limits(margin_use=D(use))


def test_what_the_account_may_not_hold_is_refused_by_name():
    call = Option("XYZ", PUT.expiry, D(105), Right.CALL)
    view = View(NOW, {"XYZ": D(100)}, {call: D(1)})
    naked = Order("id", "t", (Leg(call, -1),), Intent.OPEN, Reason.ENTRY, NOW)

    stopped = refusal(naked, Book(D(10_000)), view, CASH, Limits(), Breaker())

    assert "without the shares: -1 XYZ 2026-12-18 105 CALL" in stopped.why
