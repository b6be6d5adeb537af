"""The way from one NAV to another adds up by hand, and nothing can be left out of it."""

from dataclasses import replace
from datetime import date
from decimal import Decimal as D

import pytest

from dollarbill_core.results.backtest import backtest
from dollarbill_core.results.bridge import (
    Gain,
    StatementCheckFailed,
    bridge,
    checked_book,
    fees_by_kind,
    growth,
)
from dollarbill_core.values.book import Fee, Flow, Split
from tests.market_builder import three_symbols, weekly_strangles
from tests.record_builder import EVENTS, LATER_PUT, LINES, PUT, SHARES, at, record

FEBRUARY = next(i for i, line in enumerate(LINES) if line.day.month == 2)
LAST = len(LINES) - 1


def without(place: int) -> tuple:
    """The same closes, with one event missing from the record."""
    lines = [replace(x, events=x.events - (x.events > place)) for x in LINES]
    return lines, EVENTS[:place] + EVENTS[place + 1 :]


def test_february_by_hand():
    made = bridge(LINES, EVENTS, FEBRUARY, LAST)

    assert (made.opened, made.closed) == (date(2026, 1, 30), date(2026, 2, 27))
    assert made.opening == D("99949.30")  # 100,000 + 200 - 0.70 - 250
    assert made.flows == 10_000
    assert dict(made.gains) == {
        Gain.PREMIUM_SOLD: 350,  # 150 and 200
        Gain.CLOSED: -50,
        Gain.OPTION_MARKS: -10,  # from -250 to -260
        Gain.SHARES: -600,  # bought at 100, sold at 94
        Gain.DIVIDENDS: 50,
        Gain.INTEREST: D("12.34"),
    }
    assert made.fees == (("commission", D("3.80")), ("OCC clearing", D("0.02")))
    assert made.net == D("-247.66") - D("3.82")
    assert made.closing == D("109697.82")


def test_since_inception_the_opening_nav_is_nothing_and_the_capital_a_flow():
    made = bridge(LINES, EVENTS, 0, LAST)

    assert made.opened is None
    assert (made.opening, made.flows, made.closing) == (0, 110_000, D("109697.82"))
    assert made.gain(Gain.SETTLED) == 0


@pytest.mark.parametrize("cut", range(1, LAST))
def test_two_spans_add_up_to_the_whole(cut):
    early, late = bridge(LINES, EVENTS, 0, cut - 1), bridge(LINES, EVENTS, cut, LAST)
    whole = bridge(LINES, EVENTS, 0, LAST)

    assert early.closing == late.opening
    assert early.net + late.net == whole.net
    assert all(early.gain(x) + late.gain(x) == whole.gain(x) for x in Gain)


def test_a_close_that_is_a_cent_off_is_noticed():
    wrong = [*LINES[:-1], replace(LINES[-1], cash=LINES[-1].cash + D("0.01"))]

    with pytest.raises(StatementCheckFailed, match=r"misses the closing NAV .* by 0.01"):
        bridge(wrong, EVENTS, FEBRUARY, LAST)


@pytest.mark.parametrize("place", range(len(EVENTS)))
def test_the_loss_of_any_one_event_is_noticed(place):
    lines, events = without(place)

    with pytest.raises(StatementCheckFailed):
        checked_book(lines, events)


def test_a_wrong_quantity_among_the_marks_is_noticed():
    mark = replace(LINES[-1].marks[0], quantity=-3)
    wrong = [*LINES[:-1], replace(LINES[-1], marks=(mark,))]

    with pytest.raises(StatementCheckFailed, match="positions recorded as -3 XYZ"):
        checked_book(wrong, EVENTS)


def test_a_sound_record_gives_its_book():
    book = checked_book(LINES, EVENTS)

    assert book.cash == LINES[-1].cash
    assert book.quantity(LATER_PUT) == -2


def test_a_split_is_followed_by_book_and_replay():
    halved = replace(PUT, strike=D(50))
    events = [*EVENTS[:3], Split(at(3), SHARES, 2)]

    book = checked_book(record(events, prices={PUT: D("2.50"), halved: D("1.25")}), events)

    assert book.quantity(halved) == -2


def test_fees_come_by_kind_the_largest_first():
    fees = [
        Fee(at(3), D(dollars), kind) for dollars, kind in [("1", "b"), ("2", "a"), ("3", "b")]
    ]

    assert fees_by_kind(fees) == (("b", D(4)), ("a", D(2)))


def test_growth_links_the_sub_periods_around_a_flow():
    grown = growth(LINES, EVENTS)

    # On 10 February, before the flow: cash 100,348.58, put -250, call -120.
    before, after, end = D("99978.58"), D("109978.58"), D("109697.82")
    expected = float(before / 100_000 * end / after)
    assert grown.net.iloc[-1] == pytest.approx(expected, rel=1e-12)
    assert grown.net.index[0].date() == date(2026, 1, 27)


def test_time_weighted_return_of_the_worked_case():
    """Case P02: 100,000 to 104,000; 8,000 come; 112,000 to 109,760: 1.92 %."""
    flows = [Flow(at(2), D(100_000)), Flow(at(3), D(8_000))]
    one, two = record(flows, first=date(2026, 2, 2), last=date(2026, 2, 3))
    lines = [replace(one, cash=D(104_000)), replace(two, cash=D(109_760))]

    assert growth(lines, flows).net.iloc[-1] - 1 == pytest.approx(0.0192, abs=1e-12)


def test_gross_growth_adds_back_each_sessions_fees_and_nothing_else():
    free = [event for event in EVENTS if not isinstance(event, Fee)]

    with_fees, without_fees = growth(LINES, EVENTS), growth(record(free), free)

    assert with_fees.gross.iloc[-1] > with_fees.net.iloc[-1]
    assert with_fees.gross.iloc[-1] == pytest.approx(without_fees.net.iloc[-1], abs=1e-6)
    assert list(without_fees.net) == list(without_fees.gross)


def test_an_account_with_nothing_left_earns_nothing_more():
    gone = [replace(LINES[0], cash=D(0)), replace(LINES[1], cash=D(500), marks=(), events=1)]

    assert list(growth(gone, EVENTS).net) == [1, 0, 0]


def test_growth_needs_a_session():
    with pytest.raises(ValueError, match="at least one session"):
        growth([], [])


def test_a_whole_backtest_passes_every_check():
    result = backtest(three_symbols(), weekly_strangles(), D(200_000))

    book = checked_book(result.lines, result.events)
    made = bridge(result.lines, result.events, 0, len(result.lines) - 1)

    assert book == result.book
    assert made.net == result.net_profit
    assert made.gross == result.gross_profit
    assert growth(result.lines, result.events).net.iloc[-1] == pytest.approx(
        float(result.lines[-1].nav) / 200_000
    )
