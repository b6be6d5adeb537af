"""Blocks of lines: the kernel and its plain twin; files however they are packed or broken."""

import gzip
import math
import random
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal as D
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dollarbill_core.formats.cells import LONGEST_LINE, dollars
from dollarbill_core.formats.lines import MOST_LINES, blocks, header, read_block
from dollarbill_core.formats.pieces import UnreadableFile
from dollarbill_core.formats.text_cells import Cell, Value, cell_values, line_values
from dollarbill_core.formats.text_kernels import (
    DAY,
    INSTANT,
    NUMBER,
    OCC,
    PAIR,
    PRICE,
    RIGHT,
    ROOT,
    ROUNDED,
    SLOTS,
    TEXT,
    UTC_INSTANT,
    WHOLE,
    read_lines,
)

NUMBERS = (
    "", "-", "--", "nan", "NaN", "N/A", "null", "None", "inf", "-inf", "0x10", "1_000", "+1.5",
    "-0.0", "-1", ".5", "5.", ".", "1e5", "1.5e-05", "12.0", "1.00005", "1.00000005",
    "1.99999999", "2.3499999999999996", "99999.9999", "99999.99999", "100000", "2147483647",
    "2147483648", "9007199254740993", "900719925474099.9", "0.9997799999999999", "000012.50",
    '"1,234.50"', '"1,23"', "1 234", "1.2.3", "\u0661",
    "NA", "#N/A", "1E2", "1.23e-2", "1e-999", "1e999",
    "0" * 99 + "5", "0" * 100 + "5", "9" * 101, "0." + "0" * 99, "1.#INF", "-Infinity",
)  # fmt: skip
DAYS = (
    "2021-01-29", "01/29/2021", "1/9/2021", "20210129", "2021-02-29", "2024-02-29",
    "13/01/2021", "2021/01/29", "29.01.2021", "2021-1-29", "2021-01-29 00:00:00",
    "2021-01-29T16:00", "2021-01-29T00:00:00Z", "20210129 00:00", "Fri Jan 29 2021",
    "Jan 29, 2021", "2021-01-29 00:00:00-05:00",
    "1899-12-31", "2200-01-01", "0/1/2021", "1//2021", "1/2/21", "00000000", "2021-13-01",
)  # fmt: skip
INSTANTS = (
    "2021-01-29 16:00", "2021-01-29T09:30:15", "2021-01-29 24:00", "2021-01-29 16:60",
    "2021-02-30 16:00", "2021-01-29 16:00Z", "2021-01-29T16:00:00Z", "01/29/2021 16:00",
    "2021-01-29 16:00:61", "2021-01-29", "2021-01-29 16-00", "2021-01-2916:00:00",
)  # fmt: skip
RIGHTS = ("C", "p", "call", "PUT", "Call", "cal", "puts", "X", "", "c ")
TEXTS = (
    "SPY",
    "SPXW",
    "BRK.B",
    "",
    "-",
    "^SPX",
    "a" * 24,
    "a" * 25,
    "S&P 500",
    "Müller",
    "nan",
)
PAIRS = ("5x10", "12 x 340", "0 X 0", "5x", "x5", "5x5x5", "5", "-1x5", "5.0x1.50", "nan", "")
OCCS = (
    "SPY210129P00345000", "SPXW  110107C01050000", "SPY1261218P00600000", "SPY210229P00345000",
    "210129P00345000", "SPY210129X00345000", "SPY210129P0034500", "SPY 891215C00100500",
    "SPY901215C99999999",
)  # fmt: skip
CELLS: dict[int, tuple[str, tuple[str, ...]]] = {
    PRICE: ("2.76", NUMBERS),
    ROUNDED: ("1271.87", NUMBERS),
    WHOLE: ("7424", NUMBERS),
    NUMBER: ("-0.17798", NUMBERS),
    DAY: ("2021-01-29", DAYS),
    INSTANT: ("2021-01-29 16:00", INSTANTS),
    UTC_INSTANT: ("2021-01-29 16:00", INSTANTS),
    RIGHT: ("put", RIGHTS),
    TEXT: ("SPY", TEXTS),
    ROOT: ("SPY210129P00345000", TEXTS + OCCS),
    PAIR: ("5x10", PAIRS),
    OCC: ("SPY210129P00345000", OCCS),
}


def cells() -> list[Cell]:
    found, slot = [], 0
    for place, kind in enumerate(CELLS):
        found.append(Cell(place, f"field {place}", kind, slot))
        slot += SLOTS.get(kind, 1)
    return found


ALL = cells()
SLOT_COUNT = sum(SLOTS.get(cell.kind, 1) for cell in ALL)
PLAIN = ",".join(usual for usual, _ in CELLS.values())


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """A line of good cells, one or two of them replaced by something doubtful."""
    parts = [usual for usual, _ in CELLS.values()]
    for place in draw(st.lists(st.integers(0, len(parts) - 1), max_size=2)):
        kind = list(CELLS)[place]
        known = st.sampled_from(CELLS[kind][1])
        digits = st.builds(str, st.decimals(-100, 10**6, places=draw(st.integers(0, 9))))
        junk = st.text('0123456789.-+eExX:/ CPcpnaul"\t\r\0é', max_size=12)
        text = draw(st.one_of(known, digits, junk, st.dates().map(str)))
        spaces = draw(st.sampled_from(["{}", " {}", "{}  "]))
        parts[place] = spaces.format(text)
    line = ",".join(parts).encode() + draw(st.sampled_from([b"", b"", b"\r", b",", b"\xff"]))
    return line[: draw(st.sampled_from([len(line), len(line), len(line) // 2]))]


def twin(line: bytes) -> dict[int, Value] | str:
    try:
        return dict(line_values(line, len(ALL), ALL))
    except ValueError as fault:
        return str(fault)


def is_same(one: Value, other: Value) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        if math.isnan(one) or math.isnan(other):
            return math.isnan(one) and math.isnan(other)
        return one == other and math.copysign(1, one) == math.copysign(1, other)
    return one == other


@settings(max_examples=100)
@given(st.lists(lines(), min_size=1, max_size=10))
def test_the_kernel_reads_what_its_plain_twin_reads(texts):
    assert_read_alike([text for text in texts if b"\n" not in text])


def test_the_kernel_reads_every_doubtful_cell_as_its_twin_does():
    texts = [
        with_cell(kind, space.format(text)).encode()
        for kind, (_, known) in CELLS.items()
        for text in known
        for space in ("{}", "  {} ", "-{}", "{}0", "0{}")
    ]

    assert_read_alike(texts)


def random_line(rng: random.Random) -> bytes:
    """As ``lines`` draws them, in a hundredth of the time."""
    parts = [usual for usual, _ in CELLS.values()]
    for place in rng.choices(range(len(parts)), k=rng.randrange(3)):
        known = CELLS[list(CELLS)[place]][1]
        text = rng.choice(known) if rng.random() < 0.6 else str(rng.randrange(10**9))
        for _ in range(rng.randrange(3)):
            at = rng.randrange(len(text) + 1)
            text = text[:at] + rng.choice('0123456789.-+eExX:/ CPnaul"\t\r\0é') + text[at:]
        parts[place] = text
    line = ",".join(parts).encode() + rng.choice([b""] * 12 + [b"\r", b",", b"\xff"])
    return line if rng.random() < 0.95 else line[: rng.randrange(len(line))]


def test_the_kernel_and_its_twin_agree_on_every_kind_of_fault():
    rng = random.Random(7)
    texts = [random_line(rng) for _ in range(20_000)]

    reasons = assert_read_alike(texts)

    taken = len(texts) - sum(reasons.values())
    kinds = {re.sub(r"'.*'|\".*\"|\d+", "", reason) for reason in reasons}
    assert 0.3 < taken / len(texts) < 0.8
    assert {
        "not UTF-", "holds a NUL byte", "a carriage return inside the line", "blank line",
        " fields, not ", "a quotation mark that is not closed, or stands inside a field",
        *(f"field   {why}" for why in (
            "is not a number", "is negative", "is finer than a hundredth of a cent",
            "is , dollars or more", "is not a whole number below ,,,",
            "is too long or too great a number", "is no day of the calendar",
            "is not a date such as -- or //", "is not a time such as -- :",
            "is neither call nor put", "is too long", "is not two numbers such as x",
            "is not an OCC symbol",
        )),
        "field  : no such expiry date",
    } <= kinds  # fmt: skip


@pytest.mark.parametrize("text", NUMBERS)
def test_every_reader_takes_the_same_texts_for_numbers(text):
    text = text.strip('"')
    cell = Cell(0, "bid", ROUNDED, 0)
    try:
        exact = dollars(text, "bid")
    except ValueError:
        with pytest.raises(ValueError, match="bid"):
            cell_values(cell, text)
        return
    if exact is None:
        assert cell_values(cell, text) == (-1.0,)
    elif 0 <= exact < D("99999.99995"):
        assert cell_values(cell, text) == (float(round(10_000 * exact)),)
    else:
        with pytest.raises(ValueError, match=r"is negative|100,000 dollars or more"):
            cell_values(cell, text)


def assert_read_alike(texts: list[bytes]) -> Counter[str]:
    """Holds both to each other; gives the faults found, and how often."""
    data = b"".join(text + b"\n" for text in texts)

    found = read_block(data, len(ALL), ALL)

    assert found.size == len(texts)
    for number, text in enumerate(texts):
        expected = twin(text)
        if isinstance(expected, str):
            assert not found.good[number]
            assert found.faults[number] == expected
            continue
        assert found.good[number], (text, found.faults.get(number))
        for slot, value in expected.items():
            own: Value = float(found.values[slot, number])
            if isinstance(value, str):
                named = found.names[slot]
                own = named.names[named.codes[number]]
            assert is_same(own, value), (slot, text)
    return Counter(found.faults.values())


def taken_by_the_kernel(line: str) -> bool:
    data = (line + "\n").encode()
    words = np.zeros(len(data) // 8 + 2)
    words.view(np.uint8)[: len(data)] = np.frombuffer(data, np.uint8)
    read = np.zeros(1)
    read_lines(
        words, len(data), np.array([float(cell.kind) for cell in ALL]),
        np.array([float(cell.slot) for cell in ALL]), 1, 10.0 ** np.arange(23), np.zeros(2),
        read, np.zeros(SLOT_COUNT), np.zeros(64), np.zeros(1),
    )  # fmt: skip
    return bool(read[0])


def with_cell(kind: int, text: str) -> str:
    parts = [usual for usual, _ in CELLS.values()]
    parts[list(CELLS).index(kind)] = text
    return ",".join(parts)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (PRICE, "2.760000"), (PRICE, " 0 "), (PRICE, ""), (PRICE, "nan"), (ROUNDED, "1.23456"),
        (WHOLE, "12.0"), (NUMBER, "-0.5"), (NUMBER, "NULL"), (DAY, "1/9/2021"),
        (DAY, "20210129"), (INSTANT, "2021-01-29T09:30:15"), (RIGHT, "C"),
        (UTC_INSTANT, "2021-01-29T09:30:15Z"), (PAIR, "12 x 340"), (PAIR, ""),
    ],
)  # fmt: skip
def test_what_vendors_write_needs_no_second_look(kind, text):
    assert taken_by_the_kernel(with_cell(kind, text))


@pytest.mark.parametrize(
    "line",
    [
        with_cell(PRICE, "-1"),
        with_cell(PRICE, '"1,234.50"'),
        with_cell(PRICE, "1.00005"),
        with_cell(NUMBER, "0.99977999999999991"),
        with_cell(TEXT, "Müller"),
        PLAIN + ",",
        PLAIN + "\0",
        PLAIN.replace(",", "\r,", 1),
    ],
)
def test_what_is_doubtful_is_left_to_the_twin(line):
    assert taken_by_the_kernel(PLAIN)
    assert not taken_by_the_kernel(line)


@pytest.mark.parametrize(
    ("text", "ticks"),
    [
        ("2.76", 27600),
        ("2.76500", 27650),
        ("1e2", 10**6),
        ("1.25E+1", 125_000),
        ("0.0001", 1),
        ("99999.9999", 999999999),
        ("2.3499999999999996", 23500),
    ],
)
def test_prices_arrive_as_exact_hundredths_of_a_cent(text, ticks):
    found = read_block((with_cell(PRICE, text) + "\n").encode(), len(ALL), ALL)

    assert found.values[0, 0] == ticks


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1.00005", "finer than a hundredth of a cent"),
        ("100000", "100,000 dollars or more"),
        ("-0.01", "is negative"),
        ("1e5", "100,000 dollars or more"),
        ("1e", "is not a number"),
        ("1_000", "is not a number"),
        ("inf", "is not a number"),
        ("9" * 5000, "is too long or too great a number"),
        ("0." + "1" * 70, "is finer than a hundredth of a cent"),
        ("0." + "1" * 100, "is too long or too great a number"),
    ],
)
def test_a_price_that_is_none_is_refused_with_the_reason(text, reason):
    found = read_block((with_cell(PRICE, text) + "\n").encode(), len(ALL), ALL)

    assert not found.good[0]
    assert reason in found.faults[0]


def test_more_symbols_than_the_kernel_keeps_are_all_told_apart():
    names = [f"S{number}" for number in range(9000)]
    data = "".join(with_cell(TEXT, name) + "\n" for name in names).encode()
    slot = next(cell.slot for cell in ALL if cell.kind == TEXT)

    found = read_block(data, len(ALL), ALL)

    named = found.names[slot]
    assert [named.names[code] for code in named.codes] == names


def test_a_long_line_is_refused_even_if_every_cell_is_plain():
    data = (" " * LONGEST_LINE + PLAIN + "\n" + PLAIN + "\n").encode()

    found = read_block(data, len(ALL), ALL)

    assert found.faults == {0: "longer than 64 kB"}
    assert found.good.tolist() == [False, True]


# --- files

ROWS = [f"row {number},{number * 7}" for number in range(2000)]


def written(folder: Path, kind: str, text: bytes) -> Path:
    file = folder / f"quotes.{kind}"
    if kind == "gz":
        file.write_bytes(gzip.compress(text))
    elif kind == "zip":
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("folder/quotes.csv", text)
    else:
        file.write_bytes(text)
    return file


def text_of(newline: str, mark: bytes = b"", end: bool = True) -> bytes:
    text = newline.join(["[name], [value]", *ROWS]) + (newline if end else "")
    return mark + text.encode()


@pytest.mark.parametrize("kind", ["csv", "gz", "zip"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("end", [True, False], ids=["ended", "not ended"])
def test_blocks_hold_every_line_once_however_the_file_is_packed(tmp_path, kind, newline, end):
    file = written(tmp_path, kind, text_of(newline, b"\xef\xbb\xbf", end))

    found = list(blocks(file, size=1000))

    lines = b"".join(block.data for block in found).decode().splitlines()
    firsts = [block.first for block in found]
    assert header(file) == ("name", "value")
    assert lines == ROWS
    assert len(found) > 20
    assert all(block.data.endswith(b"\n") for block in found)
    assert firsts[0] == 2
    for one, other in pairwise(found):
        assert other.first == one.first + one.data.count(b"\n")
    assert found[-1].done > 0.99  # a zip ends with its table of contents
    assert [block.done for block in found] == sorted(block.done for block in found)


@pytest.mark.parametrize("kind", ["csv", "gz", "zip"])
def test_reading_goes_on_from_the_end_of_any_block(tmp_path, kind):
    file = written(tmp_path, kind, text_of("\n"))
    whole = list(blocks(file, size=1500))

    for number, block in enumerate(whole):
        rest = list(blocks(file, block.end, size=1500))

        assert b"".join(each.data for each in rest) == b"".join(
            each.data for each in whole[number + 1 :]
        )
        assert [each.first for each in rest][:1] == [
            each.first for each in whole[number + 1 : number + 2]
        ]


def test_no_border_of_a_block_changes_what_a_line_says(tmp_path):
    nasty = [
        b"1,2\r",
        b'3,"a"',
        b"\xc3\xa9,4",
        b"5,\0",
        b"",
        b"\r",
        b"6,7\r\r",
        b'8,"',
        b"9,10",
    ]
    file = written(tmp_path, "csv", b"a,b\r\n" + b"\n".join(nasty))

    for size in range(1, 60):
        found = list(blocks(file, size=size))

        assert b"".join(block.data for block in found) == b"\n".join(nasty) + b"\n"
        starts = [block.first for block in found]
        counts = [block.data.count(b"\n") for block in found]
        assert starts == [2 + sum(counts[:each]) for each in range(len(found))]


def test_no_block_has_more_lines_than_memory_allows(tmp_path):
    file = written(tmp_path, "csv", b"a,b\n" + b"x\n" * (2 * MOST_LINES + 5))

    found = list(blocks(file))

    assert [block.data.count(b"\n") for block in found] == [MOST_LINES, MOST_LINES, 5]
    assert [block.first for block in found] == [2, 2 + MOST_LINES, 2 + 2 * MOST_LINES]
    assert [block.end for block in found][-1] == file.stat().st_size
    rest = list(blocks(file, found[0].end))
    assert [(block.first, block.end) for block in rest] == [
        (block.first, block.end) for block in found[1:]
    ]


def test_a_line_without_end_is_cut_and_the_next_one_found(tmp_path):
    huge = b"x" * (5 * LONGEST_LINE)
    file = written(tmp_path, "csv", b"a,b\n1,2\n" + huge + b"\n3,4\n")

    found = list(blocks(file, size=10_000))

    lines = b"".join(block.data for block in found).split(b"\n")
    assert [lines[0], lines[2], len(lines[1]) > LONGEST_LINE] == [b"1,2", b"3,4", True]
    assert len(lines[1]) < 2 * LONGEST_LINE
    assert found[-1].end == file.stat().st_size
    assert list(blocks(file, found[0].end, size=10_000))[-1].first == found[-1].first


def broken_files(folder: Path) -> Iterator[tuple[Path, str]]:
    text = text_of("\n")
    packed = gzip.compress(text)
    yield folder / "nowhere.csv", "no such file"
    yield written(folder, "empty", b""), "is empty"
    yield written(folder, "blank", b"\n\n \n"), "is empty"
    yield written(folder, "wide", "name,value\n".encode("utf-16")), "UTF-16"
    yield written(folder, "latin", b"n\xe9me,value\n1,2\n"), "not UTF-8"
    yield written(folder, "cut", packed[: len(packed) // 2]), "damaged or cut off"
    yield written(folder, "flipped", packed[:-6] + b"\0\0" + packed[-4:]), "damaged or cut off"
    two = folder / "two.zip"
    with zipfile.ZipFile(two, "w") as several:
        several.writestr("a.csv", "x")
        several.writestr("b.csv", "y")
    yield two, "holds 2 files"


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path):
    for file, reason in broken_files(tmp_path):
        with pytest.raises(UnreadableFile, match=reason) as refused:
            for _ in (header(file), *blocks(file)):
                pass

        assert file.name in str(refused.value)
        assert "\n" not in str(refused.value)
