"""`dollarbill data`: files in, what is held listed, and one line for every mistake."""

from pathlib import Path

import pytest

from dollarbill_core.runs import cli
from dollarbill_core.sources import collector
from dollarbill_core.storage.store import Store

OPTIONS = """underlying,underlying_last,optionroot,type,expiration,quotedate,strike,bid,ask
XYZ,100.0,XYZ210219P00095000,put,2021-02-19,2021-01-04,95.0,1.20,1.30
XYZ,100.0,XYZ210219C00105000,call,2021-02-19,2021-01-04,105.0,1.10,1.20
XYZ,100.0,XYZ210219C00110000,call,2021-02-19,2021-01-04,110.0,-1.10,1.20
"""


@pytest.fixture
def desk(tmp_path: Path, monkeypatch) -> Path:
    """A home, a store that the settings name, and a vendor's file with one broken row."""
    monkeypatch.setenv("DOLLARBILL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DOLLARBILL_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DOLLARBILL_REPORTS", str(tmp_path / "reports"))
    (tmp_path / "options.csv").write_text(OPTIONS)
    return tmp_path


def ends(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        cli.main(["data", *arguments])
    return caught.value.code or 0


def test_a_file_is_imported_its_broken_row_told_and_the_store_listed(desk, capsys):
    assert ends("import", "deltaneutral", str(desk / "options.csv")) == 0
    told = capsys.readouterr().out
    assert "2 new" in told
    assert "Rejected: 1 row;" in told
    assert "negative" in told

    assert ends("list") == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.split()[:4] == ["quotes", "XYZ", "2021-01-04", "to"]
    assert Store.at(desk / "data").read("quotes", "XYZ").num_rows == 2


def test_the_same_file_again_changes_nothing(desk, capsys):
    ends("import", "deltaneutral", str(desk / "options.csv"))
    before = (desk / "data" / "catalog.json").read_bytes()
    capsys.readouterr()

    assert ends("import", "deltaneutral", str(desk / "options.csv")) == 0

    assert "Nothing changed" in capsys.readouterr().out
    assert (desk / "data" / "catalog.json").read_bytes() == before


def test_a_check_writes_its_page_and_says_what_is_missing(desk, capsys):
    ends("import", "deltaneutral", str(desk / "options.csv"))
    capsys.readouterr()

    assert ends("check", "XYZ", "--from", "2021-01-04", "--to", "2021-01-05") == 3

    *told, last = capsys.readouterr().out.splitlines()
    assert any("1 of 2 sessions" in line for line in told)
    page = Path(last.removeprefix("Page: "))
    assert page.is_relative_to(desk / "reports")
    assert "XYZ" in page.read_text(encoding="utf-8")


def test_a_check_of_what_is_not_there_is_one_line(desk, capsys):
    assert ends("check") == 3
    assert capsys.readouterr().err.count("\n") == 1
    assert not (desk / "reports").exists()


def test_a_damaged_file_is_named_taken_out_and_imported_anew(desk, capsys):
    file = str(desk / "options.csv")
    ends("import", "deltaneutral", file)
    (parquet,) = (desk / "data").rglob("*.parquet")
    whole = parquet.read_bytes()
    parquet.chmod(0o644)
    parquet.write_bytes(whole[: len(whole) // 2])
    capsys.readouterr()

    assert ends("check") == 3
    assert parquet.name in capsys.readouterr().out
    assert ends("discard", "quotes", "XYZ", "2021") == 0
    assert "2 rows taken out" in capsys.readouterr().out
    assert ends("import", "deltaneutral", file) == 0
    assert Store.at(desk / "data").damage() == ()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["cotes"], 2, "no table 'cotes': there are quotes"),
        (["quotes", "ABC", "2021"], 3, "has no quotes ABC 2021"),
        (["rates"], 3, "has no rates"),
        (["quotes", "XYZ"], 3, "has no quotes XYZ: name a year: 2021"),
    ],
)
def test_only_what_is_there_can_be_discarded(desk, capsys, arguments, code, says):
    ends("import", "deltaneutral", str(desk / "options.csv"))
    assert ends("discard", *arguments) == code
    assert says in capsys.readouterr().err


def test_rows_before_the_first_day_asked_for_are_left_out(desk, capsys):
    file = str(desk / "options.csv")

    assert ends("import", "deltaneutral", file, "--from", "2022") == 0
    assert ends("list") == 3


def test_what_can_be_made_anew_is_told_apart(desk, capsys):
    ends("import", "deltaneutral", str(desk / "options.csv"))
    ends("check")
    capsys.readouterr()

    ends("list")

    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("caches and downloads in ")
    assert last.endswith(" MB, safe to delete")


def test_formats_are_listed_with_where_their_header_was_seen(desk, capsys):
    assert ends("import") == 0
    told = capsys.readouterr().out
    for name in ("optionsdx", "lean", "cboe", "public", "csv"):
        assert f"\n{name}: " in f"\n{told}"

    assert ends("import", "optionsdx") == 2
    both = capsys.readouterr()
    assert "QUOTE_DATE" in both.out
    assert "name the optionsdx files" in both.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["import", "optionsdy", "options.csv"], "no format 'optionsdy': there are optionsdx"),
        (["import", "deltaneutral", "nowhere.csv"], "nowhere.csv: no such file"),
        (["import", "csv", "options.csv", "--column", "bid"], "--column bid is not our name="),
        (["import", "csv", "options.csv", "--date", "4.1."], "--date 4.1. is no day"),
        (["import", "lean", "options.csv", "--from", "soon"], "--from soon is no day"),
        (["import", "optionsdx", "options.csv"], "deltaneutral"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(
    desk, capsys, monkeypatch, arguments, says
):
    monkeypatch.chdir(desk)

    assert ends(*arguments) == 2

    line = capsys.readouterr().err
    assert line.startswith("dollarbill: ")
    assert says in line
    assert line.count("\n") == 1
    assert not (desk / "data" / "catalog.json").exists()


@pytest.mark.parametrize("word", ["../../etc", "SPY,QQQ", "^SPX", "SPY/..", "ＳＰＹ", ""])
def test_what_is_no_symbol_is_never_asked_for(desk, capsys, word):
    assert ends("snapshot", "SPY", word) == 2
    assert f"{word.upper()!r} is not a symbol such as SPY" in capsys.readouterr().err
    assert ends("fetch", "SPY", word) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (desk / "data").exists()


def test_every_snapshot_leaves_a_line_in_the_log(desk, capsys, monkeypatch):
    monkeypatch.setattr(collector, "is_session", lambda day: False)

    assert ends("snapshot") == 0

    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("no session on ")
    assert f"INFO snapshot: {line}\n" in (desk / "home/logs/dollarbill.log").read_text()


def test_a_check_takes_years_and_refuses_a_period_that_ends_before_it_starts(desk, capsys):
    ends("import", "deltaneutral", str(desk / "options.csv"))
    capsys.readouterr()

    assert ends("check", "XYZ", "--from", "2021", "--to", "2021") == 3
    assert "1 of 252 sessions" in capsys.readouterr().out
    assert ends("check", "XYZ", "--from", "2022", "--to", "2021") == 2
    assert "--from 2022 is after --to 2021" in capsys.readouterr().err


def test_a_page_that_cannot_be_written_is_one_line_after_what_was_found(
    desk, capsys, monkeypatch
):
    ends("import", "deltaneutral", str(desk / "options.csv"))
    monkeypatch.setenv("DOLLARBILL_REPORTS", str(desk / "options.csv"))
    capsys.readouterr()

    assert ends("check", "XYZ", "--from", "2021-01-04", "--to", "2021-01-04") == 2

    told = capsys.readouterr()
    assert "1 of 1 sessions" in told.out
    assert "make it writable, or set DOLLARBILL_REPORTS" in told.err
    assert told.err.count("\n") == 1


def test_an_empty_store_says_how_to_fill_it(desk, capsys):
    assert ends("list") == 3
    assert "dollarbill data fetch SPY" in capsys.readouterr().err
    assert not (desk / "data").exists()


def test_a_store_of_an_unknown_kind_is_one_line(desk, capsys):
    assert ends("list", "--data", "gopher://chains") == 2
    assert capsys.readouterr().err.count("\n") == 1
