"""A missing session is found, written down with its reason, and taken back when it is there."""

from datetime import UTC, date, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.formats.rows import quote_rows
from dollarbill_core.storage.changes import StoreBusy
from dollarbill_core.storage.gaps import (
    Collected,
    Gap,
    collected,
    filled,
    open_gaps,
    opened,
    write_down,
)
from dollarbill_core.storage.schema import GAPS, QUOTES
from dollarbill_core.storage.store import Store
from dollarbill_core.values.calendars import is_session, sessions

TUESDAY = date(2026, 11, 17)
NOW = datetime(2026, 11, 17, 20, 50, tzinfo=UTC)
OURS = "Yahoo through yfinance"


@pytest.fixture
def store(tmp_path):
    return Store.at(tmp_path / "store")


def put(store: Store, symbol: str, days: list[date], source: str = OURS) -> None:
    size = len(days)
    rows = quote_rows(
        {
            "symbol": np.full(size, symbol),
            "root": np.full(size, symbol),
            "date": np.array(days, "M8[D]"),
            "expiry": np.full(size, "2027-01-15", "M8[D]"),
            "right": np.full(size, 1),
            "strike": np.full(size, 600.0),
            "ask": np.full(size, 1.0),
        },
        source,
    )
    with store.change("test") as change:
        change.add(QUOTES, symbol, rows.tables[symbol])
        change.commit()


def test_sessions_missed_are_found_though_today_is_there_already():
    known, today = frozenset({date(2026, 11, 12)}), frozenset({TUESDAY})

    missed = Collected(known | today, frozenset()).missed(TUESDAY)

    assert missed == (date(2026, 11, 13), date(2026, 11, 16))


def test_gaps_of_the_last_year_count_as_known(store):
    days = [date(2025, 11, 14), date(2025, 11, 17), date(2026, 3, 2)]
    write_down(store, [Gap(day, "SPY", "no answer") for day in days], NOW)

    known = collected(store, ["SPY"], [OURS], TUESDAY)["SPY"]

    assert known == Collected(frozenset(), frozenset(days[1:]))


def test_gaps_are_kept_with_their_reason(store):
    gaps = (Gap(TUESDAY, "QQQ", "no answer"), Gap(TUESDAY, "SPY", "cut off"))

    write_down(store, gaps, NOW)

    assert open_gaps(store) == gaps
    assert store.read(GAPS)["recorded_at"].to_pylist() == [NOW, NOW]


def test_nothing_missing_changes_nothing(store, tmp_path):
    write_down(store, [], NOW)

    assert open_gaps(store) == () and not (tmp_path / "store").exists()


def test_a_gap_takes_its_newest_reason(store):
    write_down(store, [Gap(TUESDAY, "SPY", "first")], NOW)
    write_down(store, [Gap(TUESDAY, "SPY", "second")], NOW)

    assert open_gaps(store) == (Gap(TUESDAY, "SPY", "second"),)


def test_a_filled_gap_is_no_gap_and_its_row_stays(store):
    write_down(store, [Gap(TUESDAY, "SPY", "first"), Gap(TUESDAY, "QQQ", "first")], NOW)
    with store.change("test") as change:
        change.add(GAPS, "", filled(TUESDAY, "SPY", NOW))
        change.commit()

    assert open_gaps(store) == (Gap(TUESDAY, "QQQ", "first"),)
    assert store.read(GAPS).num_rows == 2


def test_only_what_our_own_sources_took_counts_as_collected(store):
    put(store, "SPY", [date(2026, 11, 13), date(2026, 11, 16)])
    put(store, "SPY", [date(2026, 11, 12)], source="a vendor")
    put(store, "QQQ", [date(2026, 11, 16)], source="a vendor")

    found = collected(store, ["SPY", "QQQ", "DIA"], [OURS], TUESDAY)

    assert found["SPY"].taken == {date(2026, 11, 13), date(2026, 11, 16)}
    assert found["QQQ"] == found["DIA"] == Collected(frozenset(), frozenset())


def test_a_snapshot_of_last_december_is_found_in_january(store):
    put(store, "SPY", [date(2026, 12, 30)])

    found = collected(store, ["SPY"], [OURS], date(2027, 1, 5))["SPY"]

    assert found.missed(date(2027, 1, 5)) == (date(2026, 12, 31), date(2027, 1, 4))


def test_a_damaged_file_costs_its_own_symbol_alone(store, tmp_path):
    put(store, "SPY", [date(2026, 11, 16)])
    put(store, "QQQ", [date(2026, 11, 16)])
    path = tmp_path / "store" / store.part(QUOTES, "SPY", 2026).path
    path.write_bytes(path.read_bytes()[:100])

    found = collected(Store.at(tmp_path / "store"), ["SPY", "QQQ"], [OURS], TUESDAY)

    assert found["SPY"].taken == frozenset() and found["QQQ"].taken == {date(2026, 11, 16)}


@given(st.sets(st.dates(date(2026, 1, 1), date(2026, 12, 31))), st.dates(date(2026, 1, 5)))
def test_missed_are_exactly_the_sessions_since_the_last_known_day(days, today):
    today = min(today, date(2027, 6, 1))
    days = {day for day in days if is_session(day)}
    known = [day for day in days if day < today]

    missed = Collected(frozenset(days), frozenset()).missed(today)

    if not known:
        assert missed == ()
    else:
        between = sessions(max(known), today)
        assert missed == tuple(d for d in between if max(known) < d < today)


def test_a_store_that_is_being_changed_is_waited_for(store):
    waits, holder = [], store.change("import")

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            holder.close()

    with opened(store, "gaps", sleep) as change:
        assert change.name == "gaps"
    assert len(waits) == 3


def test_waiting_for_the_store_has_an_end(store):
    waits = []

    with store.change("import"), pytest.raises(StoreBusy, match="'import'"):
        opened(store, "gaps", waits.append, patience=60.0)

    assert sum(waits) == 60.0
