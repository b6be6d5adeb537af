"""LEAN's daily prices: raw, and with the dividends and splits that their factors hide."""

from datetime import date
from decimal import Decimal as D
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from zipfile import ZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.formats.lean_files import LeanFiles
from dollarbill_core.formats.pieces import Piece, UnreadableFile
from dollarbill_core.storage.schema import PRICES
from dollarbill_core.storage.settings import load_settings
from dollarbill_core.values.calendars import sessions

LINES = (
    "20210317 00:00,3900000,3920000,3890000,3914800,100",
    "20210318 00:00,3900000,3920000,3890000,3914800,2150000",
    "20210319 00:00,3900000,3900000,3870000,3894800,300",
)
FACTORS = "20200101,0.9967360,1,1\n20210318,0.9967360,1,391.48\n20501231,1,1,0"
SYMBOLS = ("spy", "qqq", "iwm", "aapl", "bac", "ibm", "eem", "goog")


def written(folder: Path, lines=LINES, factors: str | None = FACTORS) -> Path:
    path = folder / "xyz.zip"
    with ZipFile(path, "w") as archive:
        archive.writestr("xyz.csv", "\n".join(lines))
    if factors is not None:
        (folder / "xyz_factors.csv").write_text(factors, encoding="utf-8")
    return path


def read(file: Path) -> Piece:
    (piece,) = LeanFiles().pieces(file)
    return piece


def days(piece: Piece, symbol: str = "XYZ") -> dict[date, dict]:
    return {row["date"]: row for row in piece.rows[PRICES, symbol].to_pylist()}


def test_prices_are_dollars_and_the_dividend_stands_on_its_ex_date(tmp_path):
    found = days(read(written(tmp_path)))

    row = found[date(2021, 3, 19)]
    assert [row[name] for name in ("open", "high", "low", "close")] == [
        D("390"), D("390"), D("387"), D("389.48")]  # fmt: skip
    assert (row["volume"], row["dividend"]) == (300, D("1.2778"))
    assert [each["dividend"] for each in found.values()] == [None, None, D("1.2778")]


@pytest.mark.parametrize(
    ("factors", "split"),
    [
        pytest.param(
            "20210318,1,0.0357143,1\n20210331,1,0.25,1\n20501231,1,1,0", (7, 1), id="7 for 1"
        ),
        pytest.param("20210318,1,0.25,1\n20501231,1,1,0", (4, 1), id="4 for 1"),
        pytest.param("20210318,1,8,1\n20501231,1,1,0", (1, 8), id="1 for 8"),
        pytest.param("20210318,1,0.6666667,1\n20501231,1,1,0", (3, 2), id="3 for 2"),
        pytest.param("20210318,1,0.33333300,1\n20501231,1,1,0", (3, 1), id="six digits"),
    ],
)
def test_splits_are_of_whole_numbers(tmp_path, factors, split):
    row = days(read(written(tmp_path, factors=factors)))[date(2021, 3, 19)]

    assert (row["split_new"], row["split_old"], row["dividend"]) == (*split, None)


def test_a_dividend_and_a_split_of_one_day_are_both_found(tmp_path):
    factors = "20210318,0.9900000,0.5,400\n20501231,1,1,0"

    row = days(read(written(tmp_path, factors=factors)))[date(2021, 3, 19)]

    assert (row["dividend"], row["split_new"], row["split_old"]) == (D("4"), 2, 1)


@given(
    dividends=st.dictionaries(
        st.sampled_from(sessions(date(2019, 1, 3), date(2021, 3, 31))),
        st.integers(1, 500),  # cents
        max_size=40,
    ),
    close=st.integers(2_000, 60_000),  # cents
)
def test_dividends_in_cents_come_out_of_factors_of_seven_digits(
    tmp_path_factory, dividends, close
):
    every = sessions(date(2019, 1, 2), date(2021, 3, 31))
    factor, lines = Fraction(1), ["20501231,1,1,0"]
    for eve, ex in reversed(list(pairwise(every))):
        if ex in dividends:
            factor *= 1 - Fraction(dividends[ex], close)
            lines.append(f"{eve:%Y%m%d},{float(factor):.7f},1,{close / 100:.2f}")
    prices = [f"{day:%Y%m%d} 00:00,{close}00,{close}00,{close}00,{close}00,1" for day in every]
    folder = tmp_path_factory.mktemp("lean")

    found = days(read(written(folder, prices, "\n".join(reversed(lines)))))

    # The error in dollars: half a unit of each factor, over the factor, times the close.
    reach = D(close) / 100 * D("1.01e-7") / D(float(factor))
    for day, row in found.items():
        paid = D(dividends.get(day, 0)) / 100
        assert abs((row["dividend"] or 0) - paid) <= reach
        if reach < D("0.0005"):
            assert (row["dividend"] or 0) == paid


def test_without_factors_the_prices_are_refused(tmp_path):
    file = written(tmp_path, factors=None)

    with pytest.raises(UnreadableFile, match=r"put LEAN's factor file beside it") as refused:
        read(file)

    assert "\n" not in str(refused.value)


def test_leans_own_folders_are_known(tmp_path):
    (tmp_path / "daily").mkdir()
    (tmp_path / "factor_files").mkdir()
    file = written(tmp_path / "daily", factors=None)
    (tmp_path / "factor_files" / "xyz.csv").write_text(FACTORS, encoding="utf-8")

    assert days(read(file))[date(2021, 3, 19)]["dividend"] == D("1.2778")
    assert read(tmp_path / "factor_files" / "xyz.csv").rows == {}


def test_the_factor_file_adds_nothing_of_its_own(tmp_path):
    written(tmp_path)

    assert read(tmp_path / "xyz_factors.csv").rows == {}
    (tmp_path / "xyz.zip").unlink()
    with pytest.raises(UnreadableFile, match="factors are read with the prices"):
        read(tmp_path / "xyz_factors.csv")


def test_broken_rows_are_refused_and_the_others_stand(tmp_path):
    broken = {
        "20210322 00:00,3900000,3920000,3890000,0,100": "close 0 is not above 0",
        "20210323 00:00,3900000,3920000": "3 cells, not 6",
        "20210324 10:00,3900000,3920000,3890000,3914800,100": "is not a day",
        "20210325 00:00,39x0000,3920000,3890000,3914800,100": "open '39x0000' is not a number",
        "20210326 00:00,3900000,3920000,3890000,3914800,1.5": "not a whole number",
    }
    piece = read(written(tmp_path, (*LINES, *broken)))

    assert len(days(piece)) == 3
    assert [each.place for each in piece.rejects] == [
        f"xyz.zip, line {line}" for line in range(4, 9)
    ]
    for reject, reason in zip(piece.rejects, broken.values(), strict=True):
        assert reason in reject.reason


@pytest.mark.parametrize(
    ("factors", "reason"),
    [
        ("20210318,0.9967360,1,391.48", "newest row, of 2021-03-18, is not 1,1"),
        ("20501231,0.99,1,0", "newest row, of 2050-12-31, is not 1,1"),
        ("20501231,1,0.5,0", "newest row, of 2050-12-31, is not 1,1"),
        ("20210315,0.99,1,391.48\n20210318,1,1,391.48", "is before the last price"),
        (f"20210326,0,1,1\n{FACTORS}", "line 1: factors 0 and 1 are not above"),
        (f"2021,1,1,1\n{FACTORS}", "line 1: date '2021' is not a date"),
        (f"20210330,0.5\n{FACTORS}", "line 1: 2 cells, not 3 or 4"),
        ("\n", "has no factors"),
    ],
)
def test_no_dividend_is_lost_with_a_broken_factor_file(tmp_path, factors, reason):
    with pytest.raises(UnreadableFile, match=reason):
        read(written(tmp_path, factors=factors))


def test_a_zip_that_unpacks_to_more_than_days_is_refused(tmp_path):
    line = "20210318 00:00,3910000,3920000,3900000,3915000,1000\n"

    with pytest.raises(UnreadableFile, match="too many for daily rows"):
        read(written(tmp_path, [line * 350_000]))


def test_a_dividend_on_a_day_without_a_price_is_named(tmp_path):
    piece = read(written(tmp_path, LINES[:2]))

    (reject,) = piece.rejects
    assert "ex-date 2021-03-19" in reject.place
    assert (reject.reason, reject.text) == ("there is no price on that day", "1.2778")


def test_a_dividend_whose_close_is_not_known_is_named(tmp_path):
    factors = "20210318,0.9900000,1\n20501231,1,1"

    piece = read(written(tmp_path, LINES[2:], factors))

    assert [each.reason for each in piece.rejects] == [
        "a dividend, but the close of 2021-03-18 is not known",
    ]
    assert days(piece)[date(2021, 3, 19)]["dividend"] is None


def test_factors_that_rise_are_no_dividend(tmp_path):
    piece = read(written(tmp_path, factors="20210318,1.01,1,391.48\n20501231,1,1,0"))

    (reject,) = piece.rejects
    assert "is not above 0" in reject.reason


def test_factors_of_days_before_the_calendar_are_passed_over(tmp_path):
    piece = read(written(tmp_path, factors=f"19870508,0.9,0.5,40\n{FACTORS}"))

    assert piece.rejects == ()
    assert days(piece)[date(2021, 3, 19)]["dividend"] == D("1.2778")


def test_a_zip_of_something_else_is_refused(tmp_path):
    with ZipFile(tmp_path / "xyz.zip", "w") as archive:
        archive.writestr("abc.csv", "")

    with pytest.raises(UnreadableFile, match="neither options nor daily prices"):
        read(tmp_path / "xyz.zip")


# Real files: what is publicly known of their dividends and splits.


@pytest.fixture(scope="module")
def equities() -> dict[str, Piece]:
    folder = load_settings().test_data / "us_equities"
    if not folder.is_dir():
        pytest.skip(f"no real prices at {folder}; DOLLARBILL_TEST_DATA names another folder")
    return {symbol: read(folder / f"{symbol}.zip") for symbol in SYMBOLS}


def test_all_eight_come_in_and_only_the_gap_of_qqq_is_refused(equities):
    """QQQ traded as QQQQ from December 2004 to March 2011: no prices, 24 dividends."""
    counts = {
        name: piece.rows[PRICES, name.upper()].num_rows for name, piece in equities.items()
    }
    refused = {name: len(piece.rejects) for name, piece in equities.items()}

    assert counts == {"spy": 5849, "qqq": 3964, "iwm": 5244, "aapl": 5849, "bac": 5849,
                      "ibm": 5849, "eem": 5245, "goog": 4183}  # fmt: skip
    assert refused == dict.fromkeys(SYMBOLS, 0) | {"qqq": 24}
    gap = sorted(reject.place[-10:] for reject in equities["qqq"].rejects)
    assert "2004-12-01" < gap[0] < gap[-1] < "2011-03-23"
    assert all("no price on that day" in each.reason for each in equities["qqq"].rejects)


def test_the_splits_of_apple(equities):
    found = days(equities["aapl"], "AAPL").items()

    splits = [
        (f"{day}", row["split_new"], row["split_old"]) for day, row in found if row["split_new"]
    ]

    assert splits == [("2000-06-21", 2, 1), ("2005-02-28", 2, 1),
                      ("2014-06-09", 7, 1), ("2020-08-31", 4, 1)]  # fmt: skip


def test_the_dividends_of_apple_and_ibm_are_those_declared(equities):
    declared = {
        "aapl": {"2012-08-09": "2.65", "2014-05-08": "3.29", "2014-08-07": "0.47",
                 "2020-08-07": "0.82", "2020-11-06": "0.205"},
        "ibm": {"2008-05-07": "0.5", "2018-05-09": "1.57", "2021-02-09": "1.63"},
    }  # fmt: skip
    for name, dividends in declared.items():
        found = days(equities[name], name.upper())
        for day, dollars in dividends.items():
            assert found[date.fromisoformat(day)]["dividend"] == D(dollars)


def test_every_dividend_of_apple_and_ibm_is_in_halves_of_a_cent(equities):
    for name in ("aapl", "ibm"):
        paid = [row["dividend"] for row in days(equities[name], name.upper()).values()]
        paid = [dollars for dollars in paid if dollars]
        assert len(paid) > 30
        assert all(dollars % D("0.005") == 0 for dollars in paid)


def test_the_dividend_of_spy(equities):
    assert days(equities["spy"], "SPY")[date(2021, 3, 19)]["dividend"] == D("1.2778")
