"""What one cell says, and what it must not be taken for."""

from datetime import date
from decimal import Decimal as D
from fractions import Fraction as F
from io import StringIO
from math import isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.formats.cells import (
    LONGEST_LINE,
    SHOWN,
    day,
    dollars,
    header_cells,
    instant,
    next_line,
    number,
    printable,
    quoted,
    right,
    row_cells,
    shortest_decimal,
    shortest_fraction,
    whole,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [("12", 12), ("-0.5", -0.5), ("+3.", 3), (".5", 0.5), (" 7 ", 7), ("1e3", 1000),
     ("1,234.5e1", 12345), ("1,234,567.8", 1234567.8), ("2E-05", 2e-5)],
)  # fmt: skip
def test_numbers_as_files_write_them(text, value):
    assert number(text, "bid") == value
    assert dollars(text, "bid") == D(str(value))


@pytest.mark.parametrize(
    "text",
    [
        "inf",
        "1_000",
        "12a",
        "1,23",
        "12,3456",
        "e5",
        "0x1",
        "\u0663",
    ],
)
def test_what_is_no_number_is_refused_by_name(text):
    with pytest.raises(ValueError, match=r"bid .* is not a number"):
        number(text, "bid")


def test_an_empty_cell_is_nothing():
    for text in ("", "  ", "-", "--", ".", "nan", "NA", "N/A", "#N/A", "null", "None"):
        assert isnan(number(text, "bid"))
        assert dollars(text, "bid") is None
        assert whole(text, "volume") is None
        with pytest.raises(ValueError, match="no expiry"):
            day(text, "expiry")
        with pytest.raises(ValueError, match="no type"):
            right(text, "type")


@pytest.mark.parametrize("text", ["1e999", "9" * 101])
def test_no_number_is_too_long_or_too_great(text):
    with pytest.raises(ValueError, match="too long or too great"):
        number(text, "bid")


def test_calls_and_puts_in_any_spelling():
    assert [right(text, "type") for text in ("C", "call", "CALL ", "p", "Put")] == [
        1, 1, 1, -1, -1,
    ]  # fmt: skip
    with pytest.raises(ValueError, match="type 'cat' is neither call nor put"):
        right("cat", "type")


def test_what_a_file_said_is_shown_short_and_harmless():
    assert printable("\x1b[31mred\n") == "\\x1b[31mred\\n"
    assert printable("é" * 500) == "é" * (SHOWN - 1) + "…"
    assert len(quoted("x" * 500)) == 42


def test_an_endless_line_is_kept_at_its_beginning_only():
    text = StringIO("a" * LONGEST_LINE + "\n" + "b" * (3 * LONGEST_LINE) + "\nc")

    lines = [next_line(text) for _ in range(4)]

    assert [len(line) for line in lines] == [LONGEST_LINE + 1, LONGEST_LINE + 1, 1, 0]
    assert row_cells(lines[0]) == ["a" * LONGEST_LINE]
    with pytest.raises(ValueError, match="longer than 64 kB"):
        row_cells(lines[1])


def test_a_part_of_a_share_is_no_whole_number():
    with pytest.raises(ValueError, match=r"volume '1\.5' is not a whole number"):
        whole("1.5", "volume")


@pytest.mark.parametrize(
    "text",
    ["2021-01-29", "20210129", "20210129 00:00", "01/29/2021", "1/29/2021", "Fri Jan 29 2021",
     "2021-01-29 00:00:00-05:00", "2021-01-29T00:00:00.000Z", "Jan 29, 2021"],
)  # fmt: skip
def test_dates_in_every_style_seen(text):
    assert day(text) == date(2021, 1, 29)


@pytest.mark.parametrize("text", ["", "29/01/2021", "2021-02-30", "Jan 2021", "20211301", "21",
                                  "2021-01-29T16:00", "2021-01-29 foo", "1/29/21",
                                  "1899-12-31", "2200-01-01", "Smarch 1 2021"])  # fmt: skip
def test_what_is_no_date_is_refused(text):
    with pytest.raises(ValueError, match="expiry"):
        day(text, "expiry")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Date: September 14, 2023 at 4:31 PM EDT", "2023-09-14T16:31:00-04:00"),
        ("Dec 28 2017 @ 11:12 ET,", "2017-12-28T11:12:00-05:00"),
        ("July 4, 2026 at 12:23 AM EDT", "2026-07-04T00:23:00-04:00"),
        ("Jul 4, 2026 at 12:00 PM EST", "2026-07-04T12:00:00-04:00"),
    ],
)
def test_instants_in_prose(text, told):
    assert instant(text).isoformat() == told


@pytest.mark.parametrize("text", ["", "4:31 PM EDT", "Smarch 13, 2023 at 4:31 PM EDT",
                                  "May 1, 2023 at 25:10 ET"])  # fmt: skip
def test_no_instant_is_refused(text):
    with pytest.raises(ValueError, match=r"no date and time|no such time|no day of"):
        instant(text)


def test_a_quote_does_not_leave_its_line():
    assert row_cells('"a,b",c\r\n') == ["a,b", "c"]
    assert header_cells('"A, b", C ') == ["a, b", "c"]


@pytest.mark.parametrize(
    ("line", "message"),
    [('"a,b', "a quotation mark"), ('"a"b,c', "a quotation mark"), ("1\0.5,2", "a NUL byte"),
     (b"1\xff5".decode(errors="replace"), "not UTF-8"), ("x" * 200_000, "longer than 64 kB"),
     ("a\rb", "a carriage return")],
)  # fmt: skip
def test_a_line_that_is_not_what_its_writer_meant_is_refused(line, message):
    with pytest.raises(ValueError, match=message):
        row_cells(line)
    assert header_cells(line) == []


@given(st.decimals(0, 1000, places=6), st.decimals(0, 1, places=6))
def test_the_shortest_decimal_lies_between_and_none_is_shorter(low, width):
    short = shortest_decimal(low, low + width)

    assert low <= short <= low + width
    places = max(-short.normalize().as_tuple().exponent, 0)
    if places:
        unit = D(1).scaleb(1 - places)
        assert (low + width) // unit * unit < low


@given(st.fractions(F(1, 1000), 1000, max_denominator=10**6), st.fractions(0, 1))
def test_the_shortest_fraction_lies_between_and_none_is_shorter(low, width):
    short = shortest_fraction(low, low + width)

    assert low <= short <= low + width
    for denominator in range(1, min(short.denominator, 200)):
        assert (low + width) * denominator // 1 < low * denominator
