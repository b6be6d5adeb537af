"""The simulated broker: one id, one order; fills, fees and settlement of the backtest."""

from datetime import datetime
from decimal import Decimal as D

import pytest

from dollarbill_core.desk.broker import BrokerUnreachable, DuplicateOrder, OrderRefused
from dollarbill_core.desk.records import BadRecord
from dollarbill_core.desk.simulated import SimulatedBroker, opening_flow
from dollarbill_core.rules.assignment import events_at_close
from dollarbill_core.strategies.day import market_events
from dollarbill_core.values.book import Book, Expiry, Fill
from dollarbill_core.values.calendars import MARKET_ZONE
from dollarbill_core.values.contracts import Leg
from dollarbill_core.values.orders import Intent, Order, OrderState, Reason
from tests.market_builder import HOUSE, three_symbols

CHAINS = three_symbols()
DAYS = CHAINS.sessions
OPENING = opening_flow(D(100_000), datetime(2026, 3, 2, tzinfo=MARKET_ZONE))


def view(session: int):
    return CHAINS.view(DAYS[session])


def sale(session: int, row: int = 3, symbol: str = "SPX", limit: D | None = None) -> Order:
    """An order decided at a close: sell one of the contracts that expire first after it."""
    chain = CHAINS.view(DAYS[session]).chain(symbol)
    option = chain.expiring(chain.expiries[0]).option(row)
    leg = Leg(option, -1)
    now = view(session).now
    name = f"sale-{session}-{row}-{symbol}"
    return Order(name, f"trade-{row}", (leg,), Intent.OPEN, Reason.ENTRY, now, limit)


@pytest.fixture
def broker():
    return SimulatedBroker(HOUSE, OPENING)


def test_the_opening_money_is_the_first_activity(broker):
    (first,) = broker.activities()

    assert first.event == OPENING
    assert broker.cash() == D(100_000)
    assert broker.positions() == {}


def test_an_order_works_until_the_next_session_and_fills_as_in_the_backtest(broker):
    order = sale(0)
    broker.open_session(view(0))
    assert broker.submit(order).state is OrderState.WORKING
    assert broker.order(order.client_order_id).state is OrderState.WORKING

    broker.open_session(view(1))
    expected = market_events((order,), Book().after(OPENING), view(1), HOUSE).events
    assert broker.order(order.client_order_id).state is OrderState.FILLED
    assert tuple(each.event for each in broker.activities()) == (OPENING, *expected)
    assert broker.positions() == {order.legs[0].instrument: -1}


def test_an_order_without_a_taker_lapses_with_its_session(broker):
    order = sale(0, limit=D(1_000_000))
    broker.submit(order)

    broker.open_session(view(1))

    status = broker.order(order.client_order_id)
    assert status.state is OrderState.CANCELLED
    assert "below the limit" in status.why
    assert broker.positions() == {}


def test_the_same_id_is_refused_while_working_and_after(broker):
    broker.submit(sale(0))
    with pytest.raises(DuplicateOrder, match="is taken"):
        broker.submit(sale(0))

    broker.open_session(view(1))
    with pytest.raises(DuplicateOrder):
        broker.submit(sale(0))

    assert len([a for a in broker.activities() if isinstance(a.event, Fill)]) == 1


def test_an_order_it_never_took_is_unknown_to_it(broker):
    assert broker.order("never sent") is None


def test_what_expires_is_settled_by_the_one_rule(broker):
    order = sale(0)  # expires on the fifth session
    broker.submit(order)
    for session in range(1, 4):
        broker.open_session(view(session))
    book = Book().after_all(each.event for each in broker.activities())

    broker.open_session(view(4))

    (last,) = [each.event for each in broker.activities() if isinstance(each.event, Expiry)]
    assert (last,) == events_at_close(book, view(4))
    assert broker.positions() == {}
    assert broker.cash() == book.after(last).cash


def test_a_session_opens_once(broker):
    broker.submit(sale(0))
    broker.open_session(view(1))
    before = broker.activities()

    broker.open_session(view(1))
    broker.open_session(view(0))

    assert broker.activities() == before


def test_activities_since_a_key_are_those_after_it(broker):
    broker.submit(sale(0))
    broker.open_session(view(1))
    everything = broker.activities()

    assert broker.activities(everything[0].key) == everything[1:]
    assert broker.activities(everything[-1].key) == ()
    assert len({each.key for each in everything}) == len(everything)


def test_a_file_is_continued_by_the_next_process(tmp_path, broker):
    path = tmp_path / "folder" / "broker.json"
    first = SimulatedBroker(HOUSE, OPENING, path)
    first.submit(sale(0))
    second = SimulatedBroker(HOUSE, OPENING, path)
    second.open_session(view(1))
    broker.submit(sale(0))
    broker.open_session(view(1))

    # The first reads what the second has written.
    assert first.activities() == second.activities() == broker.activities()
    assert first.cash() == broker.cash()
    assert [each.name for each in path.parent.iterdir()] == ["broker.json"]


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "broker.json"
    broker = SimulatedBroker(HOUSE, OPENING, path)
    before = path.read_text()

    def power_cut(descriptor):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", power_cut)
        with pytest.raises(KeyboardInterrupt):
            broker.submit(sale(0))

    assert path.read_text() == before
    assert broker.order(sale(0).client_order_id) is None
    assert broker.submit(sale(0)).state is OrderState.WORKING


def test_a_file_of_another_account_is_refused(tmp_path):
    path = tmp_path / "broker.json"
    SimulatedBroker(HOUSE, OPENING, path)

    with pytest.raises(ValueError, match="use another ledger"):
        SimulatedBroker(HOUSE, opening_flow(D(5), OPENING.at), path)


def test_a_damaged_file_is_refused_in_one_line(tmp_path):
    path = tmp_path / "broker.json"
    SimulatedBroker(HOUSE, OPENING, path)
    path.write_text(path.read_text()[:-20])

    with pytest.raises(BadRecord, match="not a record of BrokerState"):
        SimulatedBroker(HOUSE, OPENING, path)


@pytest.mark.parametrize("capital", ["0", "-1"])
def test_an_account_opens_with_money(capital):
    with pytest.raises(ValueError, match="capital must be positive"):
        opening_flow(D(capital), OPENING.at)


def test_a_definite_no_is_not_a_doubt():
    assert not issubclass(OrderRefused, BrokerUnreachable)
    assert not issubclass(DuplicateOrder, OrderRefused)
