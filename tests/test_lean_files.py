"""LEAN's option zips: one row per contract and day, whatever its three files say of it."""

from datetime import date, timedelta
from decimal import Decimal as D
from pathlib import Path
from zipfile import ZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.formats.lean_files import LeanFiles
from dollarbill_core.formats.pieces import Piece, UnreadableFile
from dollarbill_core.storage.schema import QUOTES
from dollarbill_core.storage.settings import load_settings
from dollarbill_core.values.calendars import is_session, last_trading_day, sessions

CALL = "xyz_{}_american_call_6450000_20140621.csv"
PUT = "xyz_{}_american_put_921400_20140621.csv"
QUOTE = "20140606 00:00,14900,15900,10400,12100,30,16300,19500,12500,13300,6"
NO_BID = "20140609 00:00,,,,,,50000,50000,50000,60000,11"


def zipped(folder: Path, kind: str, members: dict[str, str], year: int = 2014) -> Path:
    path = folder / f"xyz_{year}_{kind}_american.zip"
    with ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(name.format(kind), text)
    return path


def rows(pieces: list[Piece], symbol: str = "XYZ") -> list[dict]:
    tables = [each.rows[QUOTES, symbol] for each in pieces if each.rows]
    return [row for table in tables for row in table.to_pylist()]


def read(file: Path, start: int = 0) -> list[Piece]:
    return list(LeanFiles().pieces(file, start))


def rejects(pieces: list[Piece]) -> list[tuple[str, str]]:
    return [(each.place, each.reason) for piece in pieces for each in piece.rejects]


def test_the_closes_of_bid_and_ask_are_taken(tmp_path):
    file = zipped(tmp_path, "quote", {CALL: QUOTE})

    (row,) = rows(read(file))

    assert (row["date"], row["root"], row["right"]) == (date(2014, 6, 6), "XYZ", 1)
    assert (row["strike"], row["bid"], row["ask"]) == (D("645.0000"), D("1.2100"), D("1.3300"))
    assert (row["bid_size"], row["ask_size"]) == (30, 6)
    assert (row["last"], row["volume"], row["open_interest"]) == (None, None, None)
    assert (row["source"], row["kind"]) == ("QuantConnect LEAN", "QUOTED")


def test_a_saturday_expiry_is_its_last_trading_day(tmp_path):
    file = zipped(tmp_path, "quote", {CALL: QUOTE})

    assert rows(read(file))[0]["expiry"] == date(2014, 6, 20)


def test_a_bid_that_is_not_there_is_none(tmp_path):
    file = zipped(tmp_path, "quote", {PUT: NO_BID})

    (row,) = rows(read(file))

    assert (row["bid"], row["bid_size"], row["ask"]) == (None, None, D("6.0000"))
    assert (row["right"], row["strike"]) == (-1, D("92.1400"))


def test_trades_and_open_interest_beside_the_quotes_join_their_rows(tmp_path):
    file = zipped(tmp_path, "quote", {CALL: f"{QUOTE}\n{NO_BID}", PUT: QUOTE})
    zipped(tmp_path, "trade", {CALL: "20140606 00:00,12000,15000,12000,12500,404"})
    zipped(tmp_path, "openinterest", {CALL: "20140606 00:00,9325\n20140609 00:00,9427"})

    first, second, put = rows(read(file))

    assert (first["last"], first["volume"], first["open_interest"]) == (D("1.2500"), 404, 9325)
    assert (second["last"], second["volume"], second["open_interest"]) == (None, None, 9427)
    assert (put["last"], put["open_interest"]) == (None, None)
    assert first["bid"] == D("1.2100")


def test_the_zips_beside_add_no_row_and_name_what_has_no_quote(tmp_path):
    zipped(tmp_path, "quote", {CALL: QUOTE})
    beside = zipped(
        tmp_path, "openinterest", {CALL: "20140606 00:00,1\n20140609 00:00,2", PUT: "x"}
    )

    (piece,) = read(beside)

    assert piece.rows == {}
    assert (piece.resume, piece.done) == (1, 1.0)
    assert rejects([piece]) == [
        (f"{beside.name}: {CALL.format('openinterest')}, line 2",
         "openinterest of a day without a quote"),
        (f"{beside.name}: {PUT.format('openinterest')}, line 1", "1 cells, not 2"),
    ]  # fmt: skip
    assert read(beside, 1) == []


def test_open_interest_without_its_quotes_is_refused(tmp_path):
    file = zipped(tmp_path, "openinterest", {CALL: "20140606 00:00,1"})

    with pytest.raises(
        UnreadableFile, match=r"xyz_2014_quote_american\.zip is not\s*beside it"
    ):
        read(file)


def test_broken_rows_are_refused_with_place_and_reason_and_the_others_stand(tmp_path):
    broken = {
        "20140610 00:00,14900,15900,10400,12x00,30,16300,19500,12500,13300,6": "not a number",
        "20140611 00:00,1,2": "3 cells, not 11",
        "20149911 00:00,1,2,3,4,5,6,7,8,9,10": "no day of the calendar",
        "20140612 0:0x,1,2,3,4,5,6,7,8,9,10": "not yyyyMMdd HH:mm",
        QUOTE.replace("20140606", "20140623"): "expired on 2014-06-21",
        QUOTE.replace("20140606", "20140613").replace("12100", "-12100"): "negative",
    }
    file = zipped(
        tmp_path, "quote", {CALL: "\n".join([QUOTE, *broken, NO_BID]), "odd.csv": "1"}
    )

    pieces = read(file)

    assert [row["date"].day for row in rows(pieces)] == [6, 9]
    found = {place.rpartition(" ")[2]: reason for place, reason in rejects(pieces)}
    for line, reason in enumerate(broken.values(), start=2):
        assert reason in found[str(line)]
    assert found["odd.csv"] == "the name is not that of a contract"
    assert len(found) == len(broken) + 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("20140606_quote_american.zip", "minute data are not read", id="minutes"),
        pytest.param("xyz_2014_quote_american.zip", "not a zip that can be read", id="no zip"),
        pytest.param("xyz.txt", "is not a file of LEAN's", id="name"),
    ],
)
def test_another_file_is_refused_in_one_line(tmp_path, name, message):
    file = tmp_path / name
    file.write_text("hello", encoding="utf-8")

    with pytest.raises(UnreadableFile, match=message) as refused:
        read(file)

    assert "\n" not in str(refused.value)
    assert refused.value.exit_code == 2


def test_hourly_data_are_refused(tmp_path):
    file = zipped(tmp_path, "quote", {CALL: QUOTE.replace("00:00", "10:00")})

    with pytest.raises(UnreadableFile, match="hourly data"):
        read(file)


def test_a_damaged_member_is_named(tmp_path):
    file = zipped(tmp_path, "quote", {CALL: QUOTE})
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b"15900", b"15901"))

    with pytest.raises(UnreadableFile, match=CALL.format("quote")):
        read(file)


def test_reading_goes_on_where_it_ended(tmp_path):
    names = [f"xyz_{{}}_american_put_{strike}0000_20140621.csv" for strike in range(1, 1201)]
    file = zipped(tmp_path, "quote", dict.fromkeys(names, QUOTE))

    whole = read(file)
    rest = read(file, whole[0].resume)

    assert [len(rows([piece])) for piece in whole] == [500, 500, 200]
    assert [piece.done for piece in whole] == [500 / 1200, 1000 / 1200, 1.0]
    assert rows(rest) == rows(whole[1:])
    assert read(file, whole[-1].resume) == []


@given(
    quotes=st.dictionaries(
        st.tuples(
            st.sampled_from(sessions(date(2014, 1, 2), date(2014, 6, 20))),
            st.sampled_from([date(2014, 6, 21), date(2014, 7, 3), date(2015, 1, 17)]),
            st.sampled_from(["call", "put"]),
            st.integers(1, 2_000_000),  # strike, thousandths of a dollar
        ),
        st.tuples(
            st.none() | st.integers(0, 90_000_000),  # bid and ask, hundredths of a cent
            st.none() | st.integers(0, 90_000_000),
            st.none() | st.integers(0, 1_000_000),  # open interest
        ),
        min_size=1,
        max_size=20,
    )
)
def test_a_chain_written_as_lean_writes_it_is_read_back(tmp_path_factory, quotes):
    members: dict[str, dict[str, list[str]]] = {"quote": {}, "openinterest": {}}
    for (day, expiry, right, strike), (bid, ask, interest) in quotes.items():
        name = f"xyz_{{}}_american_{right}_{10 * strike}_{expiry:%Y%m%d}.csv"
        sides = [f"{price},{price},{price},{price},7" if price is not None else ",,,,"
                 for price in (bid, ask)]  # fmt: skip
        members["quote"].setdefault(name, []).append(f"{day:%Y%m%d} 00:00,{','.join(sides)}")
        if interest is not None:
            line = f"{day:%Y%m%d} 00:00,{interest}"
            members["openinterest"].setdefault(name, []).append(line)
    folder = tmp_path_factory.mktemp("lean")
    for kind, texts in members.items():
        zipped(folder, kind, {name: "\n".join(lines) for name, lines in texts.items()})

    pieces = read(folder / "xyz_2014_quote_american.zip")

    back = {
        (row["date"], row["expiry"], row["right"], row["strike"]):
        (row["bid"], row["ask"], row["open_interest"])
        for row in rows(pieces)
    }  # fmt: skip
    assert rejects(pieces) == []
    assert back == {
        (day, last_trading_day(expiry), 1 if right == "call" else -1, D(strike) / 1000):
        (dollars(bid), dollars(ask), interest)
        for (day, expiry, right, strike), (bid, ask, interest) in quotes.items()
    }  # fmt: skip


@given(st.lists(st.binary(max_size=60).filter(lambda line: b"\n" not in line), max_size=8))
def test_noise_around_good_rows_loses_none_of_them(tmp_path_factory, noise):
    folder = tmp_path_factory.mktemp("lean")
    with ZipFile(folder / "xyz_2014_quote_american.zip", "w") as archive:
        lines = [QUOTE.encode(), *noise, NO_BID.encode()]
        archive.writestr(CALL.format("quote"), b"\n".join(lines))

    pieces = read(folder / "xyz_2014_quote_american.zip")

    assert [row["date"].day for row in rows(pieces)] == [6, 9]
    assert len(rejects(pieces)) == sum(bool(line.decode(errors="replace").strip())
                                       for line in noise)  # fmt: skip


def dollars(ticks: int | None) -> D | None:
    return None if ticks is None else D(ticks) / 10_000


# AAPL across its 7:1 split, as QuantConnect ships it.


@pytest.fixture(scope="module")
def apple() -> list[Piece]:
    folder = load_settings().test_data / "aapl_2014_split"
    if not folder.is_dir():
        pytest.skip(f"no real quotes at {folder}; DOLLARBILL_TEST_DATA names another folder")
    return read(folder / "aapl_2014_quote_american.zip")


def test_apple_comes_in_whole(apple):
    assert rejects(apple) == []
    assert len(rows(apple, "AAPL")) == 4532


def test_apples_contracts_before_and_after_the_split(apple):
    listed: dict[date, set] = {date(2014, 6, 6): set(), date(2014, 6, 9): set()}
    for row in rows(apple, "AAPL"):
        if row["expiry"] > date(2014, 6, 6):
            listed[row["date"]].add((row["expiry"], row["right"], row["strike"]))

    before, after = listed.values()
    split = {(expiry, right, round(strike / 7, 2)) for expiry, right, strike in before}
    assert (len(before), len(after)) == (2180, 2180)
    assert split == {(expiry, right, round(strike, 2)) for expiry, right, strike in after}


def test_apples_expiries_are_sessions(apple):
    expiries = {row["expiry"] for row in rows(apple, "AAPL")}

    assert all(map(is_session, expiries))
    assert {date(2014, 6, 20), date(2014, 7, 3), date(2015, 1, 16)} <= expiries
    assert not expiries & {date(2014, 6, 21), date(2015, 1, 17)}
    assert date(2014, 6, 21) - timedelta(days=1) in expiries


def test_apples_open_interest_is_beside_its_quotes(apple):
    found = {(row["date"].day, row["right"], row["strike"], row["expiry"]): row
             for row in rows(apple, "AAPL")}  # fmt: skip

    row = found[6, 1, D("1000.0000"), date(2015, 1, 16)]

    assert (row["bid"], row["ask"]) == (D("1.2100"), D("1.3300"))
    assert (row["bid_size"], row["ask_size"], row["open_interest"]) == (30, 6, 9325)
    assert sum(row["open_interest"] is not None for row in found.values()) > 2_000


def test_apples_open_interest_without_quotes_is_named(apple):
    folder = load_settings().test_data / "aapl_2014_split"

    (piece,) = read(folder / "aapl_2014_openinterest_american.zip")

    assert piece.rows == {}
    assert {reason for _, reason in rejects([piece])} == {
        "openinterest of a day without a quote"
    }
