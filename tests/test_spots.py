"""A price comes from the first source that has a fresh one, and says when others differ."""

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.sources.quote_cache import QuoteCache
from dollarbill_core.sources.spots import NoData, Spot, spot
from dollarbill_core.values.calendars import MARKET_ZONE

TUESDAY = datetime(2026, 11, 17, 15, 30, tzinfo=MARKET_ZONE)


@dataclass
class Listed:
    """A source that says what it was given, or fails with it."""

    name: str
    price: float | str
    age: float = 0.0
    asked: list[str] = field(default_factory=list)
    together: threading.Barrier | None = None

    def spot(self, symbol: str, now: datetime) -> Spot:
        self.asked.append(symbol)
        if self.together:
            self.together.wait(30)
        if isinstance(self.price, str):
            raise NoData(self.price)
        return Spot(self.price, now - timedelta(seconds=self.age), self.name)


def test_the_first_fresh_price_wins():
    found = spot("SPY", [Listed("A", 600.0, 10), Listed("B", 600.1)], TUESDAY)

    assert (found.price, found.source, found.warning) == (600.0, "A", "")
    assert found.at == TUESDAY - timedelta(seconds=10)


@pytest.mark.parametrize(
    "bad", [Listed("A", 600.0, 121), Listed("A", "A is down"), Listed("A", 600.0, -6)]
)
def test_a_stale_failing_or_future_price_falls_back_to_the_next_source(bad):
    assert spot("SPY", [bad, Listed("B", 601.0)], TUESDAY) == Spot(601.0, TUESDAY, "B")


def test_the_age_that_is_allowed_can_be_set():
    sources = [Listed("A", 600.0, 121), Listed("B", 601.0)]

    assert spot("SPY", sources, TUESDAY, max_age=121).source == "A"


def test_sources_that_differ_are_told():
    found = spot("SPY", [Listed("A", 600.0), Listed("B", 606.0), Listed("C", 597.1)], TUESDAY)

    assert found.warning == "A says 600.00, but B says 606.00, +1.00%"
    assert found.price == 600.0


def test_a_stale_price_that_differs_is_no_reason_to_warn():
    assert spot("SPY", [Listed("A", 600.0), Listed("B", 500.0, 300)], TUESDAY).warning == ""


@given(st.floats(1, 10_000), st.floats(-0.02, 0.02), st.floats(0.0001, 0.01))
def test_the_warning_comes_exactly_beyond_the_tolerance(price, off, tolerance):
    other = price * (1 + off)

    found = spot("X", [Listed("A", price), Listed("B", other)], TUESDAY, tolerance=tolerance)

    assert bool(found.warning) == (abs(other / price - 1) > tolerance)


def test_no_fresh_price_is_one_line_with_each_sources_reason():
    sources = [Listed("A", "A is down"), Listed("B", 600.0, 7_500)]

    with pytest.raises(NoData) as caught:
        spot("SPY", sources, TUESDAY)

    assert str(caught.value) == (
        "SPY: no fresh price (A: A is down; B: its price is 2.1 hours old, more than 120 s); "
        "try again, or allow an older one"
    )
    assert caught.value.exit_code == 3


def test_without_a_source_it_says_so():
    with pytest.raises(NoData, match="SPY: no source of prices is set up"):
        spot("SPY", [], TUESDAY)


@pytest.mark.parametrize(
    ("now", "struck", "fresh"),
    [
        pytest.param("2026-11-22T12:00", "2026-11-20T16:00", True, id="Sunday, at the close"),
        pytest.param("2026-11-22T12:00", "2026-11-20T15:57", False, id="Sunday, before it"),
        pytest.param("2026-11-23T09:00", "2026-11-20T16:00", True, id="before the open"),
        pytest.param("2026-11-23T09:31", "2026-11-20T16:00", False, id="after the open"),
        pytest.param("2026-11-27T15:00", "2026-11-27T13:00", True, id="after an early close"),
        pytest.param("2026-11-17T18:00", "2026-11-17T17:00", True, id="traded after hours"),
    ],
)
def test_while_the_market_is_closed_a_price_is_measured_against_the_last_close(
    now, struck, fresh
):
    now, struck = (
        datetime.fromisoformat(text).replace(tzinfo=MARKET_ZONE).astimezone(UTC)
        for text in (now, struck)
    )
    source = Listed("A", 600.0, (now - struck).total_seconds())

    if fresh:
        assert spot("SPY", [source], now).at == struck
    else:
        with pytest.raises(NoData, match="old"):
            spot("SPY", [source], now)


def test_sources_are_asked_at_the_same_time():
    both = threading.Barrier(2)  # breaks, and fails the test, unless both wait at once

    spot("SPY", [Listed("A", 1.0, together=both), Listed("B", 1.0, together=both)], TUESDAY)


def test_a_cached_price_is_not_asked_for_again_and_ages():
    cache, source = QuoteCache(clock=lambda: 0.0), Listed("A", 600.0, 10)

    first = spot("SPY", [source], TUESDAY, cache=cache)
    again = spot("SPY", [source], TUESDAY, cache=cache)

    assert again == first and source.asked == ["SPY"]
    with pytest.raises(NoData, match="130 s old"):
        spot("SPY", [source], TUESDAY + timedelta(seconds=120), cache=cache)


def test_a_failure_is_not_cached():
    cache, source = QuoteCache(clock=lambda: 0.0), Listed("A", "down")

    with pytest.raises(NoData):
        spot("SPY", [source], TUESDAY, cache=cache)
    source.price = 600.0

    assert spot("SPY", [source], TUESDAY, cache=cache).price == 600.0


@pytest.mark.parametrize("price", [0.0, -1.0, float("nan"), float("inf")])
def test_a_spot_is_a_price_above_0(price):
    with pytest.raises(ValueError, match="above 0"):
        Spot(price, TUESDAY, "A")


def test_a_spot_has_a_time_with_a_zone():
    with pytest.raises(ValueError, match="needs a zone"):
        Spot(1.0, datetime(2026, 11, 17), "A")
