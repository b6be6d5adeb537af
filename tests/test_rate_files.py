"""Rates from files: every published yield becomes one rate, and what is none is refused."""

import json
import math
from datetime import date

import pytest

from dollarbill_core.formats.pieces import UnreadableFile
from dollarbill_core.formats.rate_files import SofrRates, TreasuryYields
from dollarbill_core.storage.schema import RATES

# Rows as the Treasury published them for 2024-10-07 and 2024-10-04.
CSV_2024 = (
    'Date,"1 Mo","2 Mo","3 Mo","4 Mo","6 Mo","1 Yr","2 Yr","3 Yr","5 Yr","7 Yr","10 Yr",'
    '"20 Yr","30 Yr"\n'
    "10/07/2024,5.00,4.87,4.77,4.67,4.45,4.24,3.99,3.89,3.86,3.92,4.03,4.37,4.30\n"
    "10/04/2024,5.01,4.88,4.73,4.68,4.45,4.20,3.93,3.84,3.81,3.88,3.98,4.33,4.26\n"
)


def rates_of(reader, file, text):
    file.write_text(text, encoding="utf-8")
    (piece,) = reader.pieces(file)
    table = piece.rows[RATES, ""]
    assert table.schema == RATES.schema
    rates = {(x["date"], x["days"]): x["rate"] for x in table.to_pylist()}
    return rates, piece


def test_each_yield_of_each_day_is_a_rate(tmp_path):
    rates, piece = rates_of(TreasuryYields(), tmp_path / "2024.csv", CSV_2024)

    assert not piece.rejects
    assert sorted({days for _, days in rates}) == [
        30, 61, 91, 122, 182, 365, 730, 1095, 1825, 2555, 3650, 7300, 10950,
    ]  # fmt: skip
    assert len(rates) == 26
    quarter = rates[date(2024, 10, 7), 91]
    assert quarter == pytest.approx(math.log(1 + 0.0477 * 91 / 365) * 365 / 91)
    assert 0.0380 < rates[date(2024, 10, 7), 1825] < 0.0386


def test_new_columns_and_missing_yields_are_taken_as_they_come(tmp_path):
    text = 'Date,"1 Mo","1.5 Month","1 Yr"\n02/18/2025,4.37,4.38,4.24\n02/14/2025,4.37,,N/A\n'

    rates, piece = rates_of(TreasuryYields(), tmp_path / "2025.csv", text)

    assert [(str(when), days) for when, days in rates] == [
        ("2025-02-18", 30), ("2025-02-18", 46), ("2025-02-18", 365), ("2025-02-14", 30),
    ]  # fmt: skip
    assert not piece.rejects


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("13/40/2024,5.0,4.0", "date"),
        ("10/03/2024,5.0", "2 cells, the header has 3"),
        ("10/03/2024,five,4.0", "'five' is not a number"),
        ("10/03/2024,5.0,424", "beyond 30 % a year"),
    ],
)
def test_a_row_that_cannot_be_read_is_refused_with_its_place(tmp_path, line, why):
    text = f'Date,"1 Mo","1 Yr"\n10/04/2024,5.0,4.2\n{line}\n\n'

    rates, piece = rates_of(TreasuryYields(), tmp_path / "2024.csv", text)

    (reject,) = piece.rejects
    assert (reject.place, reject.text) == ("2024.csv, line 3", line)
    assert why in reject.reason
    assert len(rates) == 2


def test_a_days_money_is_a_rate_of_one_day(tmp_path):
    rows = [
        {"effectiveDate": "2024-06-06", "type": "SOFR", "percentRate": 5.33},
        {"effectiveDate": "2024-06-05", "type": "SOFR", "percentRate": "5.33"},
        {"effectiveDate": "2024-06-05", "type": "EFFR", "percentRate": 5.31},
        {"effectiveDate": "2024-06-04", "type": "SOFR", "percentRate": "NA"},
        {"effectiveDate": "today", "type": "SOFR", "percentRate": 5.3},
    ]

    rates, piece = rates_of(SofrRates(), tmp_path / "sofr.json", json.dumps({"refRates": rows}))

    a_day = 365 * math.log(1 + 0.0533 / 360)
    assert rates == pytest.approx({(date(2024, 6, day), 1): a_day for day in (5, 6)})
    assert [reject.place for reject in piece.rejects] == [
        "sofr.json, rate 3",
        "sofr.json, rate 4",
    ]


@pytest.mark.parametrize("reader", [TreasuryYields(), SofrRates()])
@pytest.mark.parametrize(
    "text",
    ["", "Day,Rate\n1,2\n", '{"rates": []}', "[1, 2]", "Date\n", "Date,\0\n", "[" * 100_000],
    ids=["empty", "other", "no rates", "list", "no terms", "NUL", "deep"],
)
def test_another_file_is_refused_in_one_line(tmp_path, reader, text):
    file = tmp_path / "other"
    file.write_text(text)

    with pytest.raises(UnreadableFile, match=r"other: not the .*; .*fetch") as told:
        list(reader.pieces(file))

    assert "\n" not in str(told.value)


def test_nothing_is_left_after_the_one_piece(tmp_path):
    file = tmp_path / "2024.csv"
    file.write_text(CSV_2024)
    (piece,) = TreasuryYields().pieces(file)

    assert (piece.done, list(TreasuryYields().pieces(file, piece.resume))) == (1.0, [])
    assert list(SofrRates().pieces(file, 1)) == []
