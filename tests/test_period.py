"""Rows from a day on: the same as filtering them afterwards, and early groups are not read."""

from datetime import date, datetime
from io import BytesIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dollarbill_core.formats.parquet_files import PublicArchive
from dollarbill_core.formats.period import From, early_groups
from dollarbill_core.formats.pieces import UnreadableFile
from dollarbill_core.formats.price_files import PriceFiles
from dollarbill_core.storage.schema import PRICES, QUOTES
from tests.archive_builder import DAYS, index, options, underlying


@pytest.fixture
def quotes(tmp_path):
    """Five months of quotes, a row group each."""
    file = tmp_path / "spy" / "options.parquet"
    file.parent.mkdir()
    file.write_bytes(options("spy", 400.0))
    return file


def rows_of(reader, file, key=(QUOTES, "SPY"), start=0) -> list:
    return [row for piece in reader.pieces(file, start) for row in piece.rows[key].to_pylist()]


@pytest.mark.parametrize(
    ("day", "groups"),
    [
        pytest.param(date(2008, 1, 2), 0, id="before all"),
        pytest.param(date(2022, 11, 30), 0, id="the last day of the first group"),
        pytest.param(date(2022, 12, 1), 1, id="the first day of the second"),
        pytest.param(date(2023, 2, 15), 3, id="within the fourth"),
        pytest.param(date(2024, 1, 2), 5, id="after all"),
    ],
)
def test_early_groups_are_left_unread_and_nothing_else_is_lost(quotes, day, groups):
    later = [row for row in rows_of(PublicArchive(), quotes) if row["date"] >= day]

    assert early_groups(quotes, day) == groups
    assert rows_of(From(PublicArchive(), day), quotes) == later


def test_what_goes_on_from_a_place_goes_on_from_there(quotes):
    reader = From(PublicArchive(), date(2022, 12, 15))
    first = next(reader.pieces(quotes))

    rest = rows_of(reader, quotes, start=first.resume)

    assert first.resume == 2
    assert first.rows[QUOTES, "SPY"].to_pylist() + rest == rows_of(reader, quotes)


def test_text_and_instants_are_compared_as_days(tmp_path):
    for kind in (str, lambda day: datetime(day.year, day.month, day.day)):
        out = BytesIO()
        days = [date(2022, 1, 3), date(2023, 1, 3)]
        table = pa.table({"date": list(map(kind, days)), "expiration": days})
        pq.write_table(table, out, row_group_size=1)
        (tmp_path / "file").write_bytes(out.getvalue())

        assert early_groups(tmp_path / "file", date(2022, 6, 1)) == 1


def test_groups_without_statistics_and_other_files_are_read(tmp_path):
    out = BytesIO()
    table = pa.table({"date": [date(2022, 1, 3)], "expiration": [date(2022, 2, 4)]})
    pq.write_table(table, out, write_statistics=False)
    (tmp_path / "bare").write_bytes(out.getvalue())
    (tmp_path / "prices").write_bytes(underlying(400.0))
    (tmp_path / "text").write_text("date,close\n")

    for name in ("bare", "prices", "text", "missing"):
        assert early_groups(tmp_path / name, date(2024, 1, 1)) == 0


def test_daily_prices_of_parquet_and_of_text_are_cut_too(tmp_path):
    day = date(2023, 2, 1)
    later = [each for each in DAYS if each >= day]
    (tmp_path / "spy").mkdir()
    (tmp_path / "spy" / "underlying.parquet").write_bytes(underlying(400.0))
    (tmp_path / "VIX_History.csv").write_bytes(index("VIX"))

    spy = rows_of(
        From(PublicArchive(), day), tmp_path / "spy" / "underlying.parquet", (PRICES, "SPY")
    )
    vix = rows_of(From(PriceFiles(), day), tmp_path / "VIX_History.csv", (PRICES, "VIX"))

    assert [row["date"] for row in spy] == [row["date"] for row in vix] == later


def test_it_goes_by_the_name_of_its_reader_and_refuses_what_it_refuses(tmp_path):
    reader = From(PublicArchive(), date(2023, 1, 1))
    (tmp_path / "file.parquet").write_text("no Parquet")

    assert (reader.name, reader.seen) == (PublicArchive().name, PublicArchive().seen)
    with pytest.raises(UnreadableFile, match="cannot be read as Parquet"):
        list(reader.pieces(tmp_path / "file.parquet"))
