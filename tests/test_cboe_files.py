"""Cboe's delayed quotes: a page of a call and a put in each row, as saved at some instant."""

from datetime import UTC, date, datetime
from decimal import Decimal as D
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.formats.cboe_files import CboeFiles
from dollarbill_core.formats.pieces import Piece, UnreadableFile
from dollarbill_core.storage.schema import QUOTES
from dollarbill_core.values.calendars import last_trading_day
from dollarbill_core.values.contracts import Option, Right

# The header and the lines above it as real files have them; the numbers are ours.
HEADER = (
    "Expiration Date,Calls,Last Sale,Net,Bid,Ask,Volume,IV,Delta,Gamma,Open Interest,Strike,"
    "Puts,Last Sale,Net,Bid,Ask,Volume,IV,Delta,Gamma,Open Interest"
)
PAGE = f"""\

Standard & Poors 500 Index,Last: 4505.1001,Change: 37.6601
"Date: September 14, 2023 at 4:31 PM EDT",Bid: 4504.1,Ask: 4506.2,Size: 1*1,Volume: 0
{HEADER}
"""
AM = (
    "Fri Sep 15 2023,SPX230915C04505000,10.5,0.2,12.1,12.4,100,0.11,0.5,0.01,2000,4505.00,"
    "SPX230915P04505000,10.2,-0.3,10.1,10.3,220,0.12,-0.49,0.01,6500"
)
PM = AM.replace("SPX230915", "SPXW230915")
OLD = """\
SPX (S&P 500 INDEX),2684.79,+2.17,
Dec 28 2017 @ 11:12 ET,
Calls,Last Sale,Net,Bid,Ask,Vol,Open Int,Puts,Last Sale,Net,Bid,Ask,Vol,Open Int,
18 Dec 100.00 (SPX1821L100),2552.2,0.0,2535.4,2547.9,0,2673,18 Dec 100.00 (SPX1821X100),0.05,\
0.0,0.0,0.05,0,10911,
18 Dec 100.00 (SPX1821L100-4),2552.2,0.0,2535.4,2547.9,0,2673,18 Dec 100.00 (SPX1821X100-4),\
0.05,0.0,0.0,0.05,0,10911,
"""


def saved(folder: Path, text: str) -> Path:
    file = folder / "quotedata.csv"
    file.write_text(text, encoding="utf-8")
    return file


def read(file: Path, start: int = 0) -> list[Piece]:
    return list(CboeFiles().pieces(file, start))


def rows(pieces: list[Piece]) -> list[dict]:
    tables = [table for piece in pieces for table in piece.rows.values()]
    return [row for table in tables for row in table.to_pylist()]


def rejects(pieces: list[Piece]) -> list[tuple[str, str]]:
    return [(each.place, each.reason) for piece in pieces for each in piece.rejects]


def test_a_row_is_a_call_and_a_put(tmp_path):
    pieces = read(saved(tmp_path, PAGE + AM))

    call, put = rows(pieces)
    assert list(pieces[0].rows) == [(QUOTES, "SPX")]
    assert (call["right"], call["bid"], call["ask"]) == (1, D("12.1000"), D("12.4000"))
    assert (put["right"], put["bid"], put["ask"]) == (-1, D("10.1000"), D("10.3000"))
    assert (call["last"], call["volume"], call["open_interest"]) == (D("10.5000"), 100, 2000)
    assert (put["vendor_vol"], put["vendor_delta"]) == (0.12, -0.49)
    assert {row["strike"] for row in (call, put)} == {D("4505.0000")}
    assert {row["underlying"] for row in (call, put)} == {D("4505.1001")}


def test_the_contracts_symbol_tells_morning_from_afternoon(tmp_path):
    found = rows(read(saved(tmp_path, f"{PAGE}{AM}\n{PM}\n")))

    assert [(row["root"], row["settlement"]) for row in found] == [
        ("SPX", "AM"), ("SPX", "AM"), ("SPXW", "PM"), ("SPXW", "PM")]  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "day", "instant"),
    [
        pytest.param("September 14, 2023 at 4:31 PM EDT", "2023-09-14", None, id="evening"),
        pytest.param("September 14, 2023 at 4:00 PM EDT", "2023-09-14", None, id="close"),
        pytest.param("September 14, 2023 at 3:45 PM EDT", "2023-09-14",
                     datetime(2023, 9, 14, 19, 45, tzinfo=UTC), id="session"),
        pytest.param("September 14, 2023 at 9:29 AM EDT", "2023-09-13", None, id="morning"),
        pytest.param("September 10, 2023 at 1:00 PM EDT", "2023-09-08", None, id="Sunday"),
        pytest.param("July 4, 2023 at 12:10 PM EDT", "2023-07-03", None, id="holiday"),
        pytest.param("July 3, 2023 at 1:20 PM EDT", "2023-07-03", None, id="early close"),
    ],
)  # fmt: skip
def test_the_trading_day_is_the_session_on_or_before_the_download(
    tmp_path, asked, day, instant
):
    page = PAGE.replace("September 14, 2023 at 4:31 PM EDT", asked)

    found = rows(read(saved(tmp_path, page + AM)))

    assert {(row["date"], row["quoted_at"]) for row in found} == {
        (date.fromisoformat(day), instant)}  # fmt: skip


def test_the_layout_of_2019_has_other_names_and_dates(tmp_path):
    page = PAGE.replace("Volume,IV", "Vol,IV").replace("Open Interest", "Open Int")
    row = AM.replace("Fri Sep 15 2023", "09/15/2023")

    new, old = read(saved(tmp_path, PAGE + AM)), read(saved(tmp_path, page + row))

    assert rows(new) == rows(old)


def test_the_layout_before_names_contracts_in_words(tmp_path):
    call, put = rows(read(saved(tmp_path, OLD)))

    assert (call["root"], call["expiry"], call["strike"]) == ("SPX", date(2018, 12, 21), D(100))
    assert (call["right"], call["bid"], call["open_interest"]) == (1, D("2535.4000"), 2673)
    assert (put["right"], put["bid"], put["ask"]) == (-1, D("0.0000"), D("0.0500"))
    assert call["quoted_at"] == datetime(2017, 12, 28, 16, 12, tzinfo=UTC)
    assert call["underlying"] == D("2684.7900")
    assert call["vendor_vol"] is None


@pytest.mark.parametrize(
    ("contract", "reason"),
    [
        ("18 Dec 100.00 (SPX1821X100)", "on the side of the calls"),
        ("18 Nov 100.00 (SPX1821L100)", "its letter is not of its month"),
        ("Dec 100.00", "is not a contract such as"),
    ],
)
def test_a_contract_that_contradicts_itself_is_refused(tmp_path, contract, reason):
    text = OLD.replace("18 Dec 100.00 (SPX1821L100)", contract)

    pieces = read(saved(tmp_path, text))

    ((place, why),) = rejects(pieces)
    assert (place, [row["right"] for row in rows(pieces)]) == (
        "quotedata.csv, line 4, call",
        [-1],
    )
    assert reason in why


def test_broken_rows_are_refused_by_side_and_the_others_stand(tmp_path):
    lines = [
        AM,
        "garbage,,,,,",
        AM.replace("12.1", "12.1x"),
        AM.replace("SPX230915P04505000", "SPX230915P04510000"),
        AM.replace("SPX230915C04505000", "SPX"),
        AM.replace("10.2,-0.3,10.1", "10.2,-0.3,-10.1"),
        AM.replace("SPX230915P04505000", ""),
        "",
        PM,
    ]

    pieces = read(saved(tmp_path, PAGE + "\n".join(lines)))

    assert len(rows(pieces)) == 2 + 1 + 1 + 1 + 1 + 1 + 2
    found = dict(rejects(pieces))
    assert list(found) == [
        "quotedata.csv, line 6",
        "quotedata.csv, line 7, call",
        "quotedata.csv, line 8, put",
        "quotedata.csv, line 9, call",
        "quotedata.csv, line 10, put",
    ]
    assert found["quotedata.csv, line 6"] == "6 cells, not 22"
    assert found["quotedata.csv, line 7, call"] == "bid '12.1x' is not a number"
    assert "is not the put of 2023-09-15 at 4505.0" in found["quotedata.csv, line 8, put"]
    assert "not an OCC symbol" in found["quotedata.csv, line 9, call"]
    assert "negative" in found["quotedata.csv, line 10, put"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("date,bid,ask\n1,2,3\n", "no header with Calls and Puts", id="header"),
        pytest.param("", "no header with Calls and Puts", id="empty"),
        pytest.param(PAGE.replace("Date:", "").replace(" at ", " "), "no line says", id="date"),
        pytest.param(PAGE.replace("2023 at", "2063 at"), "calendar runs", id="year"),
        pytest.param(PAGE.replace("Last: 4505.1001", "Last: 0"), "last price", id="last"),
    ],
)
def test_another_file_is_refused_in_one_line(tmp_path, text, message):
    with pytest.raises(UnreadableFile, match=message) as refused:
        read(saved(tmp_path, text))

    assert "\n" not in str(refused.value)


def page_of(quotes: dict) -> str:
    """The page that shows these calls and puts, by expiry and strike."""
    lines = [PAGE]
    for (root, expiry, strike), sides in quotes.items():
        cells = [f"{expiry:%a %b %d %Y}"]
        for right, (bid, ask, volume) in zip(Right, sides, strict=True):
            occ = Option(root, expiry, D(strike) / 1000, right).occ
            cells += [f"{strike / 1000:.3f}"] if right is Right.PUT else []
            cells += [occ, "", "", f"{bid / 100:.2f}", f"{ask / 100:.2f}", str(volume)]
            cells += ["0.2", "0.5", "0", "0"]
        lines.append(",".join(cells) + "\n")
    return "".join(lines)


SIDE = st.tuples(st.integers(0, 900_000), st.integers(0, 900_000), st.integers(0, 10**6))
CHAINS = st.dictionaries(
    st.tuples(
        st.sampled_from(["SPX", "SPXW"]),
        st.dates(date(2023, 9, 15), date(2025, 12, 31)),
        st.integers(1, 9_000_000),
    ),
    st.tuples(SIDE, SIDE),
    max_size=12,
)


@given(CHAINS)
def test_a_chain_written_as_cboe_writes_it_is_read_back(tmp_path_factory, quotes):
    pieces = read(saved(tmp_path_factory.mktemp("cboe"), page_of(quotes)))

    back = sorted(
        (row["root"], row["expiry"], row["strike"], row["right"], row["bid"], row["ask"],
         row["volume"]) for row in rows(pieces)
    )  # fmt: skip
    assert rejects(pieces) == []
    assert back == sorted(
        (root, last_trading_day(expiry), D(strike) / 1000, int(right), D(bid) / 100,
         D(ask) / 100, volume)
        for (root, expiry, strike), sides in quotes.items()
        for right, (bid, ask, volume) in zip(Right, sides, strict=True)
    )  # fmt: skip


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_noise_around_good_rows_loses_none_of_them(tmp_path_factory, noise):
    file = tmp_path_factory.mktemp("cboe") / "quotedata.csv"
    file.write_bytes(b"\n".join([(PAGE + AM).encode(), *noise, PM.encode()]))

    assert [row["root"] for row in rows(read(file))] == ["SPX", "SPX", "SPXW", "SPXW"]


def test_reading_goes_on_where_it_ended(tmp_path):
    quotes = {
        ("SPXW", date(2023, 12, 29), 1000 * strike): ((1, 2, 3), (4, 5, 6))
        for strike in range(1, 4001)
    }
    file = saved(tmp_path, page_of(quotes))

    whole = read(file)
    rest = read(file, whole[0].resume)

    assert len(whole) == 2
    assert (len(rows(whole)), whole[-1].done) == (8000, 1.0)
    assert rows(rest) == rows(whole[1:])
    assert rows(read(file, whole[-1].resume)) == []
