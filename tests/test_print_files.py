"""Settlement prints by root and day."""

from datetime import date
from decimal import Decimal as D

import pytest

from dollarbill_core.formats.pieces import UnreadableFile
from dollarbill_core.formats.print_files import PrintFiles
from dollarbill_core.storage.schema import PRINTS


def read(folder, text, start=0):
    file = folder / "prints.csv"
    file.write_text(text, encoding="utf-8")
    return list(PrintFiles().pieces(file, start))


def test_prints_stand_under_the_root_they_settle(tmp_path):
    text = (
        "root,date,price\nSPX,2023-09-15,4497.98\nSET,2023-10-20,4263.31\nvro,2023-10-18,18.2"
    )

    (piece,) = read(tmp_path, text)

    assert [(row["root"], row["date"], row["price"])
            for row in piece.rows[PRINTS, ""].to_pylist()] == [
        ("SPX", date(2023, 9, 15), D("4497.98")),
        ("SPX", date(2023, 10, 20), D("4263.31")),
        ("VIX", date(2023, 10, 18), D("18.2")),
    ]  # fmt: skip
    assert (piece.resume, piece.done, piece.rejects) == (1, 1.0, ())
    assert read(tmp_path, text, 1) == []


def test_broken_rows_are_refused_and_the_others_stand(tmp_path):
    broken = {
        "SPXW,2023-09-15,4497.98": "does not settle at the open",
        "SPX,2023-09-16,4497.98": "is no session",
        "SPX,1889-09-16,4497.98": "is no day of the calendar",
        "SPX,1985-09-16,4497.98": "is no session",
        "SPX,2023-09-15,0": "not above 0",
        "SPX,2023-09-15,1e300": "too large",
        "SPX,2023-09-15,": "not above 0",
        "SPX,2023-09-15": "2 cells, not 3",
        "SPX,2023-09-15,4.4.": "not a number",
    }

    (piece,) = read(
        tmp_path, "\n".join(["root,date,price", *broken, "", "NDX,09/15/2023,15200"])
    )

    assert piece.rows[PRINTS, ""].num_rows == 1
    assert [each.place for each in piece.rejects] == [
        f"prints.csv, line {line}" for line in range(2, 2 + len(broken))
    ]
    for reject, reason in zip(piece.rejects, broken.values(), strict=True):
        assert reason in reject.reason


def test_cboes_daily_marks_are_not_taken_for_prints(tmp_path):
    marks = "Product,Symbol,Expiration Date,Price\nVX,VX/U6,2026-09-16,17.2528\n"

    with pytest.raises(UnreadableFile, match="the header of prints is root,date,price"):
        read(tmp_path, marks)
