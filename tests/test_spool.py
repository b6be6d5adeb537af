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
from dollarbill_core.storage.schema import QUOTES, RATES
from dollarbill_core.storage.spool import slices, within, write_run
from tests.stored_rows import MONDAY, days_from, quote, table_of

_DAYS = st.lists(st.integers(0, 400) | st.just(70_000), min_size=1, max_size=40)


@given(_DAYS)
def test_a_run_lies_by_day_and_rows_of_one_day_as_they_came(offsets):
    days = [MONDAY + timedelta(each) for each in offsets]
    rows = table_of(QUOTES, [quote(day, 1 + place) for place, day in enumerate(days)])
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(spool, "BATCH_ROWS", 4)
        run = write_run(Path(folder) / "000.arrow", QUOTES, "SPY", rows)
        batches = list(run.rows(range(len(run.batches))))

    back = pa.concat_tables(batches)
    places = [(row["date"], int(row["strike"])) for row in back.to_pylist()]
    assert places == sorted((day, 1 + place) for place, day in enumerate(days))
    for span, batch in zip(run.batches, batches, strict=True):
        found = batch["date"].to_pylist()
        assert span == Span(min(found), max(found), len(found))
        assert span.first.year == span.last.year
    met = Counter(day for batch in batches for day in set(batch["date"].to_pylist()))
    assert set(met.values()) == {1}


def test_rows_of_a_table_without_years_lie_as_they_came(tmp_path):
    days = [MONDAY, MONDAY - timedelta(400)]
    rows = table_of(RATES, [{"date": day, "days": 30} for day in days])

    run = write_run(tmp_path / "000.arrow", RATES, "", rows)

    assert next(run.rows([0]))["date"].to_pylist() == days


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
