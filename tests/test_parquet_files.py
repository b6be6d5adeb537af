"""The public archive's Parquet, in every type that a column may have."""

from datetime import UTC, date, datetime
from decimal import Decimal as D
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.formats.parquet_files import PublicArchive
from dollarbill_core.formats.pieces import ImportOptions, Piece, UnreadableFile
from dollarbill_core.storage.schema import PRICES, QUOTES

# The archive's columns; the numbers are ours.
OPTION = {
    "contract_id": "SPY200117P00320000", "symbol": "SPY", "expiration": "2020-01-17",
    "strike": 320.0, "type": "put", "last": 3.1, "mark": 3.05, "bid": 3.0, "bid_size": 12,
    "ask": 3.1, "ask_size": 40, "volume": 1234, "open_interest": 5678, "date": "2020-01-03",
    "implied_volatility": 0.11, "delta": -0.4, "gamma": 0.03, "theta": -0.1, "vega": 0.2,
    "rho": -0.05,
}  # fmt: skip
DAY = {
    "date": "2021-03-19", "open": 390.0, "high": 391.5, "low": 388.25, "close": 389.48,
    "adjusted_close": 360.123456, "volume": 113624500, "dividend_amount": 1.2778,
    "split_coefficient": 1.0,
}  # fmt: skip


def written(folder: Path, columns: dict[str, Any], name: str = "options", **how: Any) -> Path:
    file = folder / "spy" / f"{name}.parquet"
    file.parent.mkdir(exist_ok=True)
    pq.write_table(pa.table(columns), file, **how)
    return file


def of(row: dict[str, Any], **changed: Any) -> dict[str, list[Any]]:
    """One row as columns, with some of them changed, to several rows where they are lists."""
    size = max([len(each) for each in changed.values() if isinstance(each, list)], default=1)
    columns = {name: [value] * size for name, value in row.items()}
    return columns | {
        name: value if isinstance(value, list | pa.Array) else [value] * size
        for name, value in changed.items()
    }


def read(file: Path, start: int = 0) -> list[Piece]:
    return list(PublicArchive().pieces(file, start))


def rows(pieces: list[Piece], symbol: str = "SPY", table=QUOTES) -> list[dict]:
    return [
        row for piece in pieces if piece.rows for row in piece.rows[table, symbol].to_pylist()
    ]


def rejects(pieces: list[Piece]) -> list[tuple[str, str]]:
    return [(each.place, each.reason) for piece in pieces for each in piece.rejects]


def test_an_option_as_the_archive_has_it(tmp_path):
    (row,) = rows(read(written(tmp_path, of(OPTION))))

    assert (row["date"], row["expiry"]) == (date(2020, 1, 3), date(2020, 1, 17))
    assert (row["root"], row["right"], row["strike"]) == ("SPY", -1, D("320.0000"))
    assert (row["bid"], row["ask"], row["last"]) == (D("3.0000"), D("3.1000"), D("3.1000"))
    assert (row["bid_size"], row["ask_size"]) == (12, 40)
    assert (row["volume"], row["open_interest"]) == (1234, 5678)
    assert (row["vendor_vol"], row["vendor_delta"]) == (0.11, -0.4)
    assert row["quoted_at"] is None
    assert row["underlying"] is None


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"date": pa.array([date(2020, 1, 3)])}, id="date"),
        pytest.param(
            {"date": pa.array([datetime(2020, 1, 3)], pa.timestamp("ns"))}, id="stamp"
        ),
        pytest.param({"date": "2020-01-03 00:00:00", "expiration": "2020-01-17"}, id="text"),
        pytest.param({"strike": pa.array([320.0], pa.float32())}, id="float32 strike"),
        pytest.param({"ask": pa.array([3.1], pa.float32())}, id="float32"),
        pytest.param({"bid": "3.00", "implied_volatility": "0.11"}, id="numbers as text"),
        pytest.param({"type": "P"}, id="letter"),
        pytest.param({"type": pa.array(["put"]).dictionary_encode()}, id="dictionary"),
        pytest.param({"ask": 0.1 + 0.2 + 2.8, "bid": 2.9 + 0.1}, id="float noise"),
        pytest.param({"volume": pa.array([1234.0]), "colour": "red"}, id="float volume, more"),
        pytest.param({"symbol": "spy"}, id="lower case"),
        pytest.param({"strike": pa.array([D("320.000")])}, id="decimal"),
        pytest.param({"type": pa.array(["Put "]), "volume": "1,234"}, id="as people write"),
        *(
            pytest.param(
                {
                    "date": pa.array(
                        [datetime(2020, 1, 3, tzinfo=ZoneInfo(zone))],
                        pa.timestamp("us", tz=zone),
                    )
                },
                id=zone,
            )
            for zone in ("UTC", "America/New_York", "Asia/Tokyo", "Europe/Paris")
        ),
    ],
)
def test_types_and_spellings_are_tolerated(tmp_path, changed):
    plain = rows(read(written(tmp_path, of(OPTION))))

    assert rows(read(written(tmp_path, of(OPTION, **changed)))) == plain


def test_only_four_columns_are_needed(tmp_path):
    needed = {name: OPTION[name] for name in ("date", "expiration", "strike", "type")}

    (row,) = rows(read(written(tmp_path, of(needed))))

    assert (row["root"], row["bid"], row["volume"]) == ("SPY", None, None)


def test_the_contract_tells_the_root_and_the_file_or_folder_the_symbol(tmp_path):
    contracts = ["SPXW200117P03200000", "SPX200117P03200000", None]
    without = {name: value for name, value in OPTION.items() if name != "symbol"}
    columns = of(without, contract_id=contracts)

    in_folder = rows(read(written(tmp_path, columns)))
    named = rows(read(written(tmp_path, columns, "SPX_options")), "SPX")

    assert [(row["root"], row["settlement"]) for row in in_folder] == [
        ("SPXW", "PM"), ("SPX", "AM"), ("SPY", "PM")]  # fmt: skip
    assert [row["root"] for row in named] == ["SPXW", "SPX", "SPX"]


def test_nothing_given_is_nothing(tmp_path):
    no_float, no_whole = pa.array([None], pa.float64()), pa.array([None], pa.int64())
    columns = of(OPTION, bid=no_float, volume=no_whole, last=float("nan"), delta=no_float)

    (row,) = rows(read(written(tmp_path, columns)))

    assert [row[name] for name in ("bid", "volume", "last", "vendor_delta")] == [None] * 4


def test_broken_rows_are_refused_with_row_group_and_row(tmp_path):
    columns = of(
        OPTION,
        date=["2020-01-03", "2020-13-03", None, "2020-01-03", "2020-01-03", "2020-01-21"],
        type=["put", "put", "put", "cash", "put", "put"],
        bid=["3.0", "3.0", "3.0", "3.0", "3.x", "3.0"],
    )

    pieces = read(written(tmp_path, columns, row_group_size=4))

    assert len(rows(pieces)) == 1
    found = dict(rejects(pieces))
    assert list(found) == [
        "options.parquet, row group 0, row 1",
        "options.parquet, row group 0, row 2",
        "options.parquet, row group 0, row 3",
        "options.parquet, row group 1, row 0",
        "options.parquet, row group 1, row 1",
    ]
    reasons = ["no day of the calendar", "date cannot be read", "neither call nor put",
               "bid '3.x' is not a number", "expired"]  # fmt: skip
    for reason, told in zip(reasons, found.values(), strict=True):
        assert reason in told
    assert "cash" in pieces[0].rejects[2].text


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"bid": float("inf")}, "bid inf is 100,000 or more"),
        ({"strike": 2**60}, "strike 1.152921504606847e+18 is 100,000 or more"),
        ({"volume": -2}, "volume -2.0 is not a whole number"),
        ({"bid": "1 2"}, "bid '1 2' is not a number"),
    ],
)
def test_what_is_no_price_or_number_is_refused(tmp_path, changed, reason):
    ((_, told),) = rejects(read(written(tmp_path, of(OPTION, **changed))))

    assert reason in told


def test_the_folder_tells_the_symbol_wherever_one_stands(tmp_path, monkeypatch):
    there = {name: value for name, value in OPTION.items() if name != "symbol"}
    file = written(tmp_path, of(there, contract_id=None))
    monkeypatch.chdir(file.parent)

    assert rows(read(Path("options.parquet")))[0]["root"] == "SPY"


def test_a_price_finer_than_its_noise_is_refused(tmp_path):
    pieces = read(written(tmp_path, of(OPTION, ask=3.10003)))

    assert rows(pieces) == []
    assert "finer than a hundredth of a cent" in rejects(pieces)[0][1]


@given(
    cents=st.lists(st.integers(0, 9_999_999), min_size=1, max_size=20),
    single=st.booleans(),
    group=st.integers(1, 7),
)
def test_prices_come_back_to_the_cent_from_any_float(tmp_path_factory, cents, single, group):
    kind = pa.float32() if single else pa.float64()
    prices = pa.array([each / 100 for each in cents], kind)
    file = written(
        tmp_path_factory.mktemp("archive"),
        of(OPTION, bid=prices, strike=[float(i) for i in range(1, len(cents) + 1)]),
        row_group_size=group,
    )

    pieces = read(file)

    assert [row["bid"] for row in rows(pieces)] == [D(each) / 100 for each in cents]
    assert pieces[-1].done == 1.0


def test_reading_goes_on_with_the_next_row_group(tmp_path):
    strikes = [float(strike) for strike in range(1, 11)]
    file = written(tmp_path, of(OPTION, strike=strikes), row_group_size=4)

    whole = read(file)

    assert [(piece.resume, piece.done) for piece in whole] == [(1, 0.4), (2, 0.8), (3, 1.0)]
    assert rows(read(file, 1)) == rows(whole[1:])
    assert read(file, 3) == []


def test_a_large_row_group_is_read_in_parts_that_resume_at_its_start(tmp_path):
    size = 300_000
    columns = {name: pa.repeat(pa.scalar(value), size) for name, value in OPTION.items()}
    file = written(tmp_path, columns, row_group_size=size)

    first, second = read(file)

    assert (first.resume, second.resume) == (0, 1)
    assert [piece.rows[QUOTES, "SPY"].num_rows for piece in (first, second)] == [262144, 37856]


def test_another_archives_columns_are_named(tmp_path):
    renamed = {"quote_date": "date", "expire_date": "expiration", "cp": "type", "k": "strike"}
    theirs = {ours: name for name, ours in renamed.items()}
    columns = {theirs.get(name, name): [value] for name, value in OPTION.items()}
    file = written(tmp_path, columns)

    told = PublicArchive().told(ImportOptions(symbol="QQQ", columns=tuple(theirs.items())))
    pieces = list(told.pieces(file))

    assert rows(pieces) == rows(read(written(tmp_path, of(OPTION))))


def test_a_days_prices(tmp_path):
    split = {"date": datetime(2020, 8, 31, tzinfo=UTC).date().isoformat(),
             "split_coefficient": 4.0, "dividend_amount": 0.0}  # fmt: skip
    columns = {name: [DAY[name], {**DAY, **split}[name]] for name in DAY}

    dividend, whole = rows(read(written(tmp_path, columns, "underlying")), table=PRICES)

    assert (dividend["date"], dividend["close"]) == (date(2021, 3, 19), D("389.48"))
    assert (dividend["dividend"], dividend["split_new"]) == (D("1.2778"), None)
    assert (dividend["open"], dividend["high"], dividend["low"]) == (
        390,
        D("391.5"),
        D("388.25"),
    )
    assert dividend["volume"] == 113_624_500
    assert (whole["split_new"], whole["split_old"], whole["dividend"]) == (4, 1, None)


def test_prices_in_single_precision_and_with_holes(tmp_path):
    columns = of(
        DAY, close=pa.array([389.48, None, 0.0, 4102.35, 1.0], pa.float32()),
        open=[390.0, None, 1.0, 4100.0, 1e300], high=None, low=None,
        date=["2021-03-18", "2021-03-19", "2021-03-22", "2021-03-23", "2021-03-24"],
    )  # fmt: skip

    pieces = read(written(tmp_path, columns, "underlying"))

    assert [row["close"] for row in rows(pieces, table=PRICES)] == [
        D("389.48"),
        None,
        D("4102.35"),
    ]
    assert rejects(pieces) == [
        ("underlying.parquet, row 2", "close 0.0000 is not above 0"),
        ("underlying.parquet, row 4", "open 1e+300 is too large"),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"<html>not found</html>", "cannot be read as Parquet", id="html"),
        pytest.param(b"", "cannot be read as Parquet", id="empty"),
    ],
)
def test_what_is_no_parquet_is_refused_in_one_line(tmp_path, content, message):
    file = tmp_path / "options.parquet"
    file.write_bytes(content)

    with pytest.raises(UnreadableFile, match=message) as refused:
        read(file)

    assert "\n" not in str(refused.value)


def test_a_cut_off_file_is_refused(tmp_path):
    file = written(tmp_path, of(OPTION))
    file.write_bytes(file.read_bytes()[:-20])

    with pytest.raises(UnreadableFile, match="cannot be read as Parquet"):
        read(file)


def test_missing_columns_are_named(tmp_path):
    file = written(tmp_path, {"date": ["2020-01-03"], "strike": [1.0]})

    for read_or_check in (read, PublicArchive().check):
        with pytest.raises(UnreadableFile, match="no column expiration, type"):
            read_or_check(file)
