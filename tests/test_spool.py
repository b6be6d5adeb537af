"""Runs on disk: in the order of days, in batches of whole days, cut into even stretches."""

from collections import Counter
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.storage import spool
from dollarbill_core.storage.partitions import Span
from dollarbill_core.storage.places import StoreError
from dollarbill_core.storage.schema import QUOTES, RATES, TABLES
from dollarbill_core.storage.spool import (
    last_checkpoint,
    slices,
    within,
    write_journal,
    write_run,
)
from tests.stored_rows import MONDAY, days_from, quote, table_of

_DAYS = st.lists(st.integers(0, 400) | st.just(2**16 + 100), min_size=1, max_size=40)


@given(_DAYS)
def test_a_run_lies_by_day_and_rows_of_one_day_as_they_came(offsets):
    days = [MONDAY + timedelta(each) for each in offsets]
    rows = table_of(QUOTES, [quote(day, 1 + place) for place, day in enumerate(days)])
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(spool, "BATCH_ROWS", 4)
        written = write_run(Path(folder) / "000.run", [(QUOTES, "SPY", rows)])
        batches = [batch.rows() for batch in written]

    back = pa.concat_tables(batches)
    places = [(row["date"], int(row["strike"])) for row in back.to_pylist()]
    assert places == sorted((day, 1 + place) for place, day in enumerate(days))
    for one, batch in zip(written, batches, strict=True):
        found = batch["date"].to_pylist()
        assert one.span == Span(min(found), max(found), len(found))
        assert {each.year for each in found} == {one.key[2]}
    met = Counter(day for batch in batches for day in set(batch["date"].to_pylist()))
    assert set(met.values()) == {1}


def test_rows_of_a_table_without_years_lie_as_they_came(tmp_path):
    days = [MONDAY, MONDAY - timedelta(400)]
    rows = table_of(RATES, [{"date": day, "days": 30} for day in days])

    (batch,) = write_run(tmp_path / "000.run", [(RATES, "", rows)])

    assert batch.rows()["date"].to_pylist() == days
    assert batch.key == ("rates", "", None)


def test_one_run_holds_any_tables_and_symbols_and_is_found_again(tmp_path):
    rows = {
        ("quotes", "SPY", 2021): table_of(QUOTES, [quote(MONDAY, 300, source="a")]),
        ("quotes", "QQQ", 2021): table_of(QUOTES, [quote(MONDAY, 310, source="b")] * 2),
        ("rates", "", None): table_of(RATES, [{"date": MONDAY, "days": 30}]),
    }
    run, rest = tmp_path / "000.run", tmp_path / "001.run"
    gathered = [(TABLES[table], symbol, each) for (table, symbol, _), each in rows.items()]
    written = [*write_run(run, gathered), *write_run(rest, gathered[:1])]
    write_journal(tmp_path, {"row": 3}, [run, rest])

    state, runs, batches = last_checkpoint(tmp_path)

    assert (state, runs, batches) == ({"row": 3}, [run, rest], written)
    assert {batch.key: batch.rows() for batch in batches[:3]} == rows


def test_a_batch_that_cannot_be_read_is_named(tmp_path):
    rows = table_of(RATES, [{"date": MONDAY, "days": 30}])
    (batch,) = write_run(tmp_path / "000.run", [(RATES, "", rows)])
    batch.file.write_bytes(bytes(batch.file.stat().st_size))

    with pytest.raises(StoreError, match=r"000.run cannot be read .* import again"):
        batch.rows()


@given(
    st.lists(
        st.builds(
            lambda first, length, rows: Span(day(first), day(first + length), rows),
            st.integers(0, 50),
            st.integers(0, 300),
            st.integers(1, 1000),
        ),
        min_size=1,
        max_size=8,
    ),
    st.integers(1, 2000),
)
def test_stretches_follow_one_another_cover_all_and_hold_no_more_than_asked(spans, most):
    found = slices(spans, most)

    assert found[0][0] == min(span.first for span in spans)
    assert found[-1][1] == max(span.last for span in spans)
    for (first, last), (follows, _) in pairwise(found):
        assert first <= last and follows == last + timedelta(1)
    for first, last in found:
        held = [sum(share(span, each, each) for span in spans) for each in days(first, last)]
        assert sum(each > 0 for each in held) == 1 or sum(held) <= most + 1e-6


def days(first: date, last: date) -> list[date]:
    return days_from(first, (last - first).days + 1)


def day(offset: int) -> date:
    return MONDAY + timedelta(offset)


def share(span: Span, first: date, last: date) -> float:
    days = (min(span.last, last) - max(span.first, first)).days + 1
    return span.rows * max(days, 0) / ((span.last - span.first).days + 1)


def test_rows_within_two_days_include_both():
    rows = table_of(QUOTES, [quote(each, 300) for each in days_from(MONDAY, 5)])

    assert within(rows, day(1), day(3))["date"].to_pylist() == days_from(day(1), 3)
    assert within(rows, day(9), day(10)).num_rows == 0
