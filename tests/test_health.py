"""The doctor finds what is wrong and says how to mend it."""

import socket
from datetime import date
from importlib import metadata
from pathlib import Path

import pytest

from dollarbill_core.runs import health
from dollarbill_core.storage.settings import load_settings
from dollarbill_core.storage.store import Store
from tests.stored_rows import chains, days_from, stored


def missing(name: str) -> str:
    raise metadata.PackageNotFoundError(name)


def test_this_machine_is_well(tmp_path):
    settings = load_settings(
        {
            "DOLLARBILL_HOME": str(tmp_path / "home"),
            "DOLLARBILL_REPORTS": str(tmp_path / "r"),
            "DOLLARBILL_DATA": str(tmp_path / "data"),
        }
    )

    rows = health.checks(settings, {})

    assert [(row.name, row.found) for row in rows if not row.ok] == []
    assert all(row.mark == "✓" and not row.fix for row in rows)
    assert not list((tmp_path / "home").iterdir())


@pytest.mark.parametrize(
    ("row", "found"),
    [
        pytest.param(health.python_version((3, 10, 1)), "3.10.1", id="old python"),
        pytest.param(health.packages(lambda name: "0.1"), "plotly 0.1 is not", id="versions"),
        pytest.param(health.packages(missing), "pandas is missing", id="missing package"),
        pytest.param(health.no_second_empyrical(lambda name: "0.5.5"), "0.5.5", id="empyrical"),
        pytest.param(
            health.broker_keys({"ALPACA_API_KEY": "secret-value"}),
            "ALPACA_API_KEY set, ALPACA_SECRET_KEY not set",
            id="half the keys",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_fix(row, found):
    assert not row.ok
    assert row.mark == "✗"
    assert found in row.found
    assert row.fix
    assert "secret-value" not in row.found + row.fix


def test_the_table_shows_marks_and_fixes_and_escapes_what_was_found():
    rows = [
        health.Check("home", False, "<home>", "make it"),
        health.Check("disk", True, "9 GB"),
    ]

    table = health.checks_html(rows)

    assert "1 of 2 checks are well" in table
    assert "<td>✗</td>" in table
    assert ">&lt;home&gt;</td>" in table
    assert ">make it</td>" in table


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")

    row = health.writable("home", tmp_path / "file" / "home")

    assert not row.ok
    assert "DOLLARBILL_HOME" in row.fix


def test_a_full_disk_is_named(tmp_path):
    row = health.disk(tmp_path / "not yet made", needed=1e9)

    assert not row.ok
    assert "GB free" in row.found


def test_both_keys_or_none_are_well():
    assert health.broker_keys({}).ok
    assert health.broker_keys({"ALPACA_API_KEY": "x", "ALPACA_SECRET_KEY": "y"}).ok


def filled(folder: Path, symbols: str) -> Store:
    """A store with a day of quotes of the first symbol, one more of each that follows."""
    first = date(2021, 3, 1)
    return stored(
        folder,
        {each: chains(days_from(first, n), 1) for n, each in enumerate(symbols.split(), 1)},
    )


def test_the_store_says_whose_quotes_it_has_and_from_when_to_when(tmp_path):
    filled(tmp_path / "few", "SPY QQQ")
    filled(tmp_path / "many", "A B C D E F G H I J")

    assert health.store(tmp_path / "few").found == (
        "QQQ, SPY: 2021-03-01 to 2021-03-02, 3 quotes"
    )
    assert health.store(tmp_path / "many").found.startswith("A, B, C, D, E, F, G, H and 2 more")


def test_an_empty_store_is_well_and_says_how_to_fill_it(tmp_path):
    row = health.store(tmp_path / "none")

    assert row.ok and "dollarbill data fetch SPY" in row.found
    assert not (tmp_path / "none").exists()


def test_what_is_damaged_in_the_store_is_named(tmp_path):
    store = filled(tmp_path / "store", "SPY")
    path = tmp_path / "store" / store.part("quotes", "SPY", 2021).path

    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1])
    cut = health.store(tmp_path / "store")
    path.unlink()
    gone = health.store(tmp_path / "store")
    (tmp_path / "store" / "catalog.json").write_text('{"format"')
    catalog = health.store(tmp_path / "store")

    for row in (cut, gone):
        assert not row.ok and path.name in row.found and "dollarbill data check" in row.fix
    assert not catalog.ok and "catalog.json is damaged" in catalog.found and catalog.fix


def test_a_store_at_an_address_is_not_asked_and_its_login_not_shown():
    row = health.store("s3://jo:secret-value@bucket/chains")

    assert row.ok
    assert row.found == "s3://bucket/chains, which is not asked here: dollarbill data list"


def test_a_store_that_is_a_file_is_told(tmp_path):
    (tmp_path / "file").write_text("")

    row = health.store(tmp_path / "file")

    assert not row.ok and "is a file" in row.found and "DOLLARBILL_DATA" in row.fix


@pytest.mark.parametrize(
    "url",
    [
        "http://:secret-value@127.0.0.1:1",
        "redis://:secret-value@127.0.0.1:1/0",
        "redis://:secret-value@.no-name/0",
    ],
)
def test_a_redis_that_is_set_and_does_not_serve_is_told_without_its_address(url):
    row = health.quote_cache({"DOLLARBILL_REDIS_URL": url})

    assert not row.ok and row.found
    assert "unset it" in row.fix
    assert "secret-value" not in row.found + row.fix and "127.0.0.1:1/" not in row.found


def test_a_redis_that_says_nothing_does_not_hold_up_the_doctor():
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        url = f"redis://127.0.0.1:{mute.getsockname()[1]}/0"

        row = health.quote_cache({"DOLLARBILL_REDIS_URL": url})

    assert row.found == "Redis does not serve (TimeoutError)"


def test_no_redis_is_well():
    assert health.quote_cache({}).ok


def test_missing_sample_prices_are_named(monkeypatch):
    monkeypatch.setattr(health, "_SAMPLE_FILES", (("arch", "none.csv"), ("no_such", "x.csv")))

    assert health.sample_prices().found == "missing arch/none.csv, no_such/x.csv"
