"""Daily prices from three layouts of CSV, and that they say the same of the same days."""

from datetime import date
from decimal import Decimal as D
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.formats.lean_files import LeanFiles
from dollarbill_core.formats.pieces import ImportOptions, Piece, UnreadableFile
from dollarbill_core.formats.price_files import PriceFiles
from dollarbill_core.storage.schema import PRICES
from dollarbill_core.storage.settings import load_settings
from dollarbill_core.values.calendars import sessions

# Headers as in the real files; the numbers are ours.
STOCK = """\
symbol,date,close,high,low,open,volume,adjClose,adjHigh,adjLow,adjOpen,adjVolume,divCash,splitFactor
XYZ,2021-03-18,100.0,101.0,99.5,100.5,5000,90.0,91.0,89.0,90.0,5000,0.0,1.0
XYZ,2021-03-19,99.0,101.0,98.5,100.0,6000,89.0,91.0,88.0,90.0,6000,1.2778,1.0
ABC,2021-03-19,25.0,26.0,24.0,25.5,7000,25.0,26.0,24.0,25.5,7000,0.0,4.0
"""
YAHOO = "Date,Open,High,Low,Close,Volume,Dividends,Stock Splits,Capital Gains\n"
INDEX = "DATE,OPEN,HIGH,LOW,CLOSE\n"


def saved(folder: Path, text: str, name: str = "stock.csv") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def read(file: Path, start: int = 0) -> list[Piece]:
    return list(PriceFiles().pieces(file, start))


def days(pieces: list[Piece], symbol: str) -> dict[date, dict]:
    tables = [piece.rows[PRICES, symbol] for piece in pieces if (PRICES, symbol) in piece.rows]
    return {row["date"]: row for table in tables for row in table.to_pylist()}


def test_a_vendors_table_is_raw_and_of_many_symbols(tmp_path):
    pieces = read(saved(tmp_path, STOCK))

    first, second = days(pieces, "XYZ").values()
    (split,) = days(pieces, "ABC").values()
    assert (first["close"], first["dividend"], first["volume"]) == (100, None, 5000)
    assert (second["open"], second["high"], second["low"]) == (100, 101, D("98.5"))
    assert (second["dividend"], second["split_new"]) == (D("1.2778"), None)
    assert (split["split_new"], split["split_old"], split["dividend"]) == (4, 1, None)


def test_a_reverse_split_is_of_old_shares(tmp_path):
    text = STOCK.replace("7000,0.0,4.0", "7000,0.0,0.125")

    (row,) = days(read(saved(tmp_path, text)), "ABC").values()

    assert (row["split_new"], row["split_old"]) == (1, 8)


def test_columns_may_stand_in_any_order_and_some_be_missing(tmp_path):
    text = "date,divCash,close,splitFactor,symbol\n2021-03-19,0,7.5,1,xyz\n"

    (row,) = days(read(saved(tmp_path, text)), "XYZ").values()

    assert (row["close"], row["open"], row["volume"], row["dividend"]) == (D("7.5"), None, None,
                                                                           None)  # fmt: skip


def test_broken_rows_are_refused_and_the_others_stand(tmp_path):
    header, *good = STOCK.splitlines()
    broken = {
        "XYZ,2021-03-22": "2 cells, not 14",
        good[0].replace("100.0,", ",", 1): "no close",
        good[0].replace("2021-03-18", "2021-02-30"): "no day of the calendar",
        good[0].replace("100.0,", "-100.0,", 1): "close -100.0 is not above 0",
        good[0].replace("XYZ", "X Y"): "is not a symbol",
        good[0].replace("0.0,1.0", "0.0,-1.0"): "splitFactor -1.0 cannot be",
        good[0].replace("100.0,", "1\0000.0,", 1): "a NUL byte",
        good[0].replace("XYZ", '"XYZ'): "a quotation mark",
        good[0].replace("5000", "5000.5"): "volume '5000.5' is not a whole number",
    }

    pieces = read(saved(tmp_path, "\n".join([header, *broken, "", *good])))

    assert len(days(pieces, "XYZ")) == 2
    (piece,) = pieces
    assert [each.place for each in piece.rejects] == [
        f"stock.csv, line {line}" for line in range(2, 2 + len(broken))
    ]
    for reject, reason in zip(piece.rejects, broken.values(), strict=True):
        assert reason in reject.reason


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_noise_around_good_rows_loses_none_of_them(tmp_path_factory, noise):
    file = tmp_path_factory.mktemp("prices") / "stock.csv"
    header, *good = STOCK.encode().splitlines()
    file.write_bytes(b"\n".join([header, good[0], *noise, *good[1:]]))

    pieces = read(file)

    assert len(days(pieces, "XYZ")) == 2
    assert len(days(pieces, "ABC")) == 1


@pytest.mark.parametrize("text", ["1e300", "1e-300", "-1e300", "999999999999999999999", "0"])
@pytest.mark.parametrize("place", range(1, 9))
@pytest.mark.parametrize(
    "header",
    [YAHOO, "date,close,high,low,open,volume,divCash,splitFactor,symbol\n"],
    ids=["yahoo", "stock"],
)
def test_numbers_out_of_all_reach_never_come_in(tmp_path, text, place, header):
    last = "0.0" if header is YAHOO else "XYZ"
    cells = f"2021-03-19,1,1,1,1,5,0.0,1.0,{last}".split(",")
    cells[place] = text
    file = saved(tmp_path, f"{header}{','.join(cells)}\n", "xyz.csv")

    try:
        found = days(read(file), "XYZ")
    except UnreadableFile:
        found = {}

    for row in found.values():
        numbers = [row[name] for name in ("open", "high", "low", "close", "dividend", "volume")]
        assert max(each for each in numbers if each is not None) <= 5


def test_a_column_that_stands_there_twice_is_no_column(tmp_path):
    text = "symbol,date,close,divCash,splitFactor,Close\nXYZ,2021-01-29,5,0,1,6\n"

    with pytest.raises(UnreadableFile, match="column close stands there 2 times"):
        read(saved(tmp_path, text, "stock.csv"))


@given(st.binary(max_size=400))
def test_any_other_file_is_refused_in_one_line(tmp_path_factory, content):
    file = tmp_path_factory.mktemp("prices") / "xyz.csv"
    file.write_bytes(content)

    with pytest.raises(UnreadableFile) as refused:
        read(file)

    assert "\n" not in str(refused.value)


def test_a_long_table_is_read_in_pieces_that_resume(tmp_path):
    header, row, *_ = STOCK.splitlines()
    every = sessions(date(1992, 1, 2), date(2021, 12, 31))
    lines = [row.replace("XYZ", name).replace("2021-03-18", f"{day}")
             for name in ("XYZ", "ABC", "DEF") for day in every]  # fmt: skip
    file = saved(tmp_path, "\n".join([header, *lines]))

    whole = read(file)

    counts = [sum(table.num_rows for table in piece.rows.values()) for piece in whole]
    assert counts == [20_000, len(lines) - 20_000]
    assert (whole[0].resume, whole[-1].done) == (20_001, 1.0)
    assert 0.8 < whole[0].done < 0.95
    assert [piece.rows for piece in read(file, whole[0].resume)] == [whole[1].rows]
    assert read(file, whole[-1].resume) == []


def test_yahoos_history_is_made_raw(tmp_path):
    # Closes of 100 and 99 around a dividend of 2: the first is adjusted by 0.98.
    text = (
        f"{YAHOO}2021-03-18 00:00:00-04:00,97.02,98.98,96.04,98.0,5000,0.0,0.0,0.0\n"
        "2021-03-19 00:00:00-04:00,100.0,101.0,98.5,99.0,6000,1.5,0.0,0.5\n"
    )

    first, second = days(read(saved(tmp_path, text, "xyz.csv")), "XYZ").values()

    assert (first["close"], first["open"], first["high"], first["low"]) == (100, 99, 101, 98)
    assert (second["close"], second["dividend"]) == (99, 2)


def test_with_the_adjusted_close_beside_it_the_close_is_raw(tmp_path):
    text = (
        "Date,Open,High,Low,Close,Adj Close,Volume,Dividends,Stock Splits\n"
        "2021-03-18,99.0,101.0,98.0,100.0,98.0,5000,0.0,0.0\n"
        "2021-03-19,100.0,101.0,98.5,99.0,99.0,6000,2.0,0.0\n"
    )

    first, second = days(read(saved(tmp_path, text, "xyz.csv")), "XYZ").values()

    assert [row["close"] for row in (first, second)] == [100, 99]
    assert second["dividend"] == 2


def test_adjusted_prices_that_cannot_be_made_raw_are_refused(tmp_path):
    lines = [f"{day},98.0123,98.0123,98.0123,98.0123,1,0.0,0.0,0.0"
             for day in sessions(date(2021, 3, 1), date(2021, 3, 31))]  # fmt: skip
    file = saved(tmp_path, YAHOO + "\n".join(lines), "xyz.csv")

    with pytest.raises(UnreadableFile, match="with auto_adjust=False") as refused:
        read(file)

    assert "\n" not in str(refused.value)


def test_a_broken_day_of_yahoos_is_refused(tmp_path):
    text = (
        f"{YAHOO}2021-03-18,1,1,1,,5,0,0,0\n2021-03-19,1,1,1,1,5,0,0,0\n2021-03-22,1\n"
        "2021-03-23,1,1,1,1,5,1e9,0,0\n2021-03-24,1,1,1,1,5,0,1e9,0\n"
    )

    (piece,) = read(saved(tmp_path, text, "xyz.csv"))

    assert list(days([piece], "XYZ")) == [date(2021, 3, 19)]
    assert [(each.place, each.reason) for each in piece.rejects] == [
        ("xyz.csv, line 2", "close '' is not above 0 or too large"),
        ("xyz.csv, line 4", "2 cells, not 9"),
        ("xyz.csv, line 5", "Dividends 1000000000 are not from 0 to the day's close"),
        ("xyz.csv, line 6", "Stock Splits 1E+9 cannot be"),
    ]


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("VIX_History.csv", "VIX"),
        ("vix-daily.csv", "VIX"),
        ("^VIX.csv", "VIX"),
        ("vix.csv", "VIX"),
    ],
)
def test_an_index_is_named_by_its_file(tmp_path, name, symbol):
    text = f"{INDEX}01/02/1990,17.24,17.30,17.20,17.25\n1990-01-03,18.5,18.4,18.0,18.1\n"

    first, second = days(read(saved(tmp_path, text, name)), symbol).values()

    assert (first["date"], first["close"]) == (date(1990, 1, 2), D("17.25"))
    assert (second["open"], second["high"]) == (D("18.5"), D("18.4"))  # as published


def test_the_user_may_name_the_symbol(tmp_path):
    file = saved(tmp_path, f"{INDEX}01/02/1990,17.24,17.30,17.20,17.25\n", "table.csv")

    (piece,) = PriceFiles().told(ImportOptions(symbol="VIX")).pieces(file)

    assert list(piece.rows) == [(PRICES, "VIX")]


def test_a_high_below_the_low_is_refused(tmp_path):
    (piece,) = read(saved(tmp_path, f"{INDEX}01/02/1990,17.24,17.10,17.20,17.15\n", "VIX.csv"))

    assert [each.reason for each in piece.rejects] == ["high 17.10 is below low 17.20"]


def test_an_index_of_one_column_is_its_close(tmp_path):
    text = "DATE,VVIX\n03/06/2006,71.73\n"

    (row,) = days(read(saved(tmp_path, text, "VVIX_History.csv")), "VVIX").values()

    assert (row["close"], row["open"]) == (D("71.73"), None)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("Date,Open,High,Low,Close,Volume", r"no column Dividends.*auto_adjust=False"),
        ("DATE,SKEW", "not a known header of daily prices"),
        ("", "not a known header of daily prices"),
    ],
)
def test_another_header_is_refused_in_one_line(tmp_path, header, message):
    with pytest.raises(UnreadableFile, match=message) as refused:
        read(saved(tmp_path, f"{header}\n2021-03-18,1,1,1,1,1\n", "xyz.csv"))

    assert "\n" not in str(refused.value)


# Real files, measured against each other.


def real(*names: str) -> Path:
    file = load_settings().test_data.joinpath(*names)
    if not file.exists():
        pytest.skip(f"no real prices at {file}; DOLLARBILL_TEST_DATA names another folder")
    return file


@pytest.fixture(scope="module")
def vendors() -> dict[date, dict]:
    return days(read(real("spy_2021", "stock.csv")), "SPY")


def leans(symbol: str) -> dict[date, dict]:
    return days(list(LeanFiles().pieces(real("us_equities", f"{symbol}.zip"))), symbol.upper())


def closes(found: dict[date, dict], on: list[date]) -> list[D]:
    return [found[day]["close"] for day in on]


def test_two_vendors_agree_to_the_cent_on_the_61_days_they_share(vendors):
    other = leans("spy")
    common = sorted(set(vendors) & set(other))

    assert len(common) == 61
    assert closes(vendors, common) == closes(other, common)
    paid = [(found[day]["dividend"], day) for found in (vendors, other) for day in common]
    assert [each for each in paid if each[0]] == [(D("1.2778"), date(2021, 3, 19))] * 2


def test_yahoos_closes_made_raw_are_those_of_two_vendors(vendors):
    yahoo = days(read(real("us_equities_2021_2026", "spy.csv")), "SPY")
    lean = leans("spy")

    for other, count in ((vendors, 209), (lean, 18)):
        common = sorted(set(yahoo) & set(other))
        assert len(common) == count
        assert closes(yahoo, common) == closes(other, common)
    assert abs(yahoo[date(2021, 3, 19)]["dividend"] - D("1.2778")) < D("0.0005")


@pytest.mark.parametrize("symbol", ["aapl", "iwm", "qqq"])
def test_yahoos_closes_of_other_shares_are_leans_to_the_cent(symbol):
    yahoo = days(read(real("us_equities_2021_2026", f"{symbol}.csv")), symbol.upper())
    other = leans(symbol)
    common = sorted(set(yahoo) & set(other))

    assert len(common) == 18
    gaps = [
        abs(a - b) for a, b in zip(closes(yahoo, common), closes(other, common), strict=True)
    ]
    assert max(gaps) <= D("0.005")  # LEAN has one close of half a cent


@pytest.mark.parametrize(
    "symbol",
    "aapl amzn gld googl iwm meta msft nvda qqq spy tlt tsla".split(),
)
def test_every_history_of_yahoos_can_be_made_raw(symbol):
    (piece,) = read(real("us_equities_2021_2026", f"{symbol}.csv"))

    assert piece.rejects == ()
    assert len(days([piece], symbol.upper())) == 1256


def test_nvidias_dividends_are_those_of_their_day():
    """16 cents until four shares were made of one in July 2021, four until ten in 2024."""
    found = days(read(real("us_equities_2021_2026", "nvda.csv")), "NVDA")

    paid = [found[date.fromisoformat(day)]["dividend"]
            for day in ("2021-06-09", "2021-08-31", "2024-06-11")]  # fmt: skip
    splits = [(f"{day}", row["split_new"]) for day, row in found.items() if row["split_new"]]
    assert paid == [D("0.16"), D("0.04"), D("0.01")]
    assert splits == [("2021-07-20", 4), ("2024-06-10", 10)]


def test_the_vix_comes_in_whole_with_its_47_odd_opens():
    pieces = read(real("vix", "vix-daily.csv"))

    found = days(pieces, "VIX")
    odd = [row for row in found.values() if not row["low"] <= row["open"] <= row["high"]]
    assert [piece.rejects for piece in pieces] == [()]
    assert (len(found), len(odd)) == (9235, 47)
    assert found[date(2008, 10, 10)]["close"] == D("69.95")
