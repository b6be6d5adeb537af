"""Every event, order and value that is stored comes back as it was."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal as D
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dollarbill_core.desk.records import (
    BadRecord,
    as_text,
    event_from_text,
    from_text,
    instrument_of,
)
from dollarbill_core.desk.reports import Comparison, SessionReport, SessionStatus
from dollarbill_core.desk.tables import Close, Decision, Snapshot
from dollarbill_core.market.chains import Quote
from dollarbill_core.results.nav import Mark, NavLine
from dollarbill_core.rules.breaker import Breaker, BreakerState, Reset
from dollarbill_core.rules.limits import Refusal
from dollarbill_core.strategies.day import Unfilled
from dollarbill_core.values.book import Event, Expiry, Fee, Fill, Split
from dollarbill_core.values.calendars import MARKET_ZONE
from dollarbill_core.values.contracts import Leg, Option, Right, Stock
from dollarbill_core.values.orders import Candidate, Intent, Order, Reason
from dollarbill_core.values.provenance import Provenance, Quotes, Stage

T0 = datetime(2026, 11, 2, 16, tzinfo=MARKET_ZONE)
PUT = Option.from_occ("SPY261218P00600000")

offsets = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))
instants = st.datetimes(
    datetime(1990, 1, 1), datetime(2035, 12, 31), timezones=offsets | st.just(UTC)
)
decimals = st.decimals(
    allow_nan=False, allow_infinity=False, places=4, min_value=-(10**9), max_value=10**9
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
stocks = st.from_regex(r"[A-Z]{1,5}(\.[A-Z])?", fullmatch=True).map(Stock)
options = st.builds(
    Option,
    st.from_regex(r"[A-Z]{1,5}[0-9]?", fullmatch=True),
    st.dates(date(1990, 1, 2), date(2035, 12, 31)),
    st.integers(1, 99_999_999).map(lambda thousandths: D(thousandths) / 1000),
    st.sampled_from(Right),
)
instruments = stocks | options
counts = st.integers(-(10**6), 10**6).filter(bool)
FIELDS = {
    "at": instants,
    "option": options,
    "stock": stocks,
    "instrument": instruments,
    "quantity": counts,
    "new": st.integers(1, 20),
    "old": st.integers(1, 20),
}
FIELDS |= dict.fromkeys(("price", "value", "per_share", "amount"), decimals)
FIELDS |= dict.fromkeys(("trade", "order", "reason", "kind", "investor"), texts)
events = st.one_of(
    [st.builds(k, **{f: FIELDS[f] for f in k.__dataclass_fields__}) for k in get_args(Event)]
)
legs = st.lists(st.builds(Leg, instruments, counts), min_size=1, max_size=4, unique_by=str)
orders = st.builds(
    Order,
    texts.filter(bool),
    texts,
    legs.map(tuple),
    st.sampled_from(Intent),
    st.sampled_from(Reason),
    instants,
    st.none() | decimals,
)


@settings(deadline=None)
@given(events)
def test_every_event_comes_back_as_it_was(event):
    back = event_from_text(as_text(event))

    assert back == event
    assert type(back) is type(event)
    assert back.cash == event.cash
    assert back.at.utcoffset() == event.at.utcoffset()


@settings(deadline=None)
@given(orders)
def test_every_order_comes_back_as_it_was(order):
    assert from_text(Order, as_text(order)) == order


@settings(deadline=None)
@given(events)
def test_the_text_of_a_value_is_always_the_same(event):
    text = as_text(event)

    assert as_text(event_from_text(text)) == text
    assert "\n" not in text


def test_every_kind_of_event_is_covered():
    assert {f for kind in get_args(Event) for f in kind.__dataclass_fields__} == FIELDS.keys()


ORDER = Order("db-1", "SPY-1", (Leg(PUT, -1),), Intent.OPEN, Reason.ENTRY, T0, D("-1.50"))
LINE = NavLine(date(2026, 11, 2), D("5.00"), (Mark(PUT, -1, D("1.2500"), True),), D(1), D(2), 3)
RESET = Reset("J. Doe", T0, "smaller sizes")
BREAKER = Breaker(D("0.1"), None, D(7), BreakerState.REDUCE, (RESET,))
FEE = Fee(T0, D(1), "commission")
SPLIT = Split(T0, Stock("A"), 2)
VALUES = [
    ORDER,
    Provenance("x", Quotes.QUOTED, T0, "0", Stage.PAPER, seed=7, warnings=("SURVIVORS",)),
    Close(LINE, {PUT: Quote(D("1.20"), D("1.30"), T0)}),
    Decision("h", BREAKER, D(2), (Refusal(ORDER, "no"),)),
    Decision("h", BREAKER, D(2), reset=RESET),
    Snapshot("h", (Candidate(PUT, -0.1613, "taken"),)),
    SessionReport(
        SessionStatus.NEW,
        date(2026, 11, 2),
        "abc",
        "PAPER · QUOTED",
        comparisons=(Comparison("cash", D(1), D(2)),),
        events=(
            Fee(T0, D("0.02"), "OCC"),
            Fill(T0, "t", PUT, -1, D(2)),
            Split(T0, Stock("A"), 2),
        ),
        sent=(ORDER,),
        unfilled=(Unfilled(ORDER, "crossed"),),
        line=LINE,
        breaker=BreakerState.HALT,
        reset=RESET,
    ),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_what_a_session_stores_comes_back_as_it_was(value):
    assert from_text(type(value), as_text(value)) == value


def test_decimals_keep_their_digits():
    text = as_text(Expiry(T0, "t", PUT, -1, D("0.10")))

    assert json.loads(text)["value"] == "0.10"
    assert str(event_from_text(text).value) == "0.10"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("{", id="half a record"),
        pytest.param("{}", id="no kind"),
        pytest.param('{"event":"Theft","at":"2026-11-02"}', id="an unknown kind"),
        pytest.param('{"event":"Flow","at":"2026-11-02T00:00:00+00:00"}', id="a field missing"),
        pytest.param(as_text(VALUES[0]), id="an order"),
        pytest.param(as_text(FEE).replace('"1"', "1.5"), id="money as a float"),
        pytest.param(as_text(FEE).replace('"1"', '"one"'), id="no number"),
        pytest.param(as_text(FEE)[:-1] + ',"tip":"1"}', id="one field too many"),
        pytest.param(
            as_text(Split(T0, Stock("A"), 2)).replace('"A"', '"SPY261218P00600000"'),
            id="an option for a stock",
        ),
    ],
)
def test_what_is_no_event_is_refused(text):
    with pytest.raises(BadRecord, match="not a record"):
        event_from_text(text)


def test_what_has_no_record_is_refused():
    with pytest.raises(TypeError, match="set"):
        as_text({1, 2})
    with pytest.raises(ValueError, match="read as an option"):
        as_text(Fill(T0, "t", Stock("SPY261218P00600000"), 1, D(1)))


def test_symbols_name_instruments():
    assert instrument_of("BRK.B") == Stock("BRK.B")
    assert instrument_of(PUT.occ) == PUT


def test_a_decision_stored_before_a_reset_could_be_still_reads():
    decision = Decision("h", BREAKER, D(2))
    stored = json.loads(as_text(decision))
    del stored["reset"]

    assert from_text(Decision, json.dumps(stored)) == decision
