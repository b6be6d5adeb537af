"""Unfinished files: taken up by the same address alone, held by one, placed at once."""

import hashlib

import pytest

from dollarbill_core.sources.unfinished import Busy, Kind, fault, unfinished

URL = "https://example.org/spy"


def begun(to, url=URL, validator='"one"', content=b"PAR1 and so on"):
    with unfinished(to, url) as part:
        part.begin(validator, 100)
        part.file.write(content)


def test_what_was_begun_is_taken_up(tmp_path):
    begun(tmp_path / "spy")

    with unfinished(tmp_path / "spy", URL) as part:
        assert (part.size, part.validator, part.total) == (14, '"one"', 100)
        assert part.ends() == (b"PAR1 and so on", b"PAR1 and so on")
        assert part.sha256 == hashlib.sha256(b"PAR1 and so on").hexdigest()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"url": "https://example.org/iwm"}, id="another address"),
        pytest.param({"validator": None}, id="no version"),
    ],
)
def test_bytes_of_which_nothing_is_known_are_dropped(tmp_path, change):
    begun(tmp_path / "spy", **change)

    with unfinished(tmp_path / "spy", URL) as part:
        assert (part.size, part.validator, part.total) == (0, None, None)


@pytest.mark.parametrize("notes", ["", "[]", '{"url": 1}', "\x00"])
def test_notes_that_cannot_be_read_drop_the_bytes(tmp_path, notes):
    begun(tmp_path / "spy")
    (tmp_path / "spy.part.json").write_text(notes)

    with unfinished(tmp_path / "spy", URL) as part:
        assert part.size == 0


def test_only_one_may_hold_it(tmp_path):
    with unfinished(tmp_path / "spy", URL), pytest.raises(Busy):
        unfinished(tmp_path / "spy", URL).__enter__()

    begun(tmp_path / "spy")


def test_an_empty_one_leaves_nothing_and_a_placed_one_only_itself(tmp_path):
    with unfinished(tmp_path / "spy", URL):
        pass
    assert list(tmp_path.iterdir()) == []

    with unfinished(tmp_path / "spy", URL) as part:
        part.begin('"one"', 3)
        part.file.write(b"all")
        part.place(tmp_path / "spy")

    assert [file.name for file in tmp_path.iterdir()] == ["spy"]
    assert (tmp_path / "spy").read_bytes() == b"all"


@pytest.mark.parametrize(
    ("kind", "head", "tail", "why"),
    [
        (Kind.PARQUET, b"PAR1", b"PAR1", ""),
        (Kind.PARQUET, b"PAR1....", None, ""),
        (Kind.PARQUET, b"PA", None, ""),
        (Kind.PARQUET, b"PA", b"PA", "not Parquet"),
        (Kind.PARQUET, b"PAR1", b"PARX", "lacks its end"),
        (Kind.PARQUET, b"PK\3\4", None, "not Parquet"),
        (Kind.CSV, b"Date,", b",5\n", ""),
        (Kind.CSV, b"\xef\xbb\xbf <html", None, "a web page"),
        (Kind.CSV, b"", b"", "nothing came"),
        (Kind.CSV, b"a\0b", None, "not CSV"),
        (Kind.JSON, b" \n", None, ""),
        (Kind.JSON, b'{"a"', b"}", ""),
        (Kind.JSON, b"a,b", None, "not JSON"),
    ],
)
def test_the_first_and_last_bytes_tell_what_it_cannot_be(kind, head, tail, why):
    found = fault(kind, head, tail)

    assert why in found
    assert bool(found) == bool(why)
