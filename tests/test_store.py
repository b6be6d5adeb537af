"""The store: what is read back, from a folder or a URL, by SQL, and from damaged files."""

import json
import os
import random
import subprocess
import sys
import time
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import duckdb
import fsspec
import numpy as np
import pyarrow as pa
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from dollarbill_core.storage.catalog import Damaged
from dollarbill_core.storage.places import StoreError
from dollarbill_core.storage.schema import GAPS, PRICES, QUOTES, RATES, TABLES
from dollarbill_core.storage.store import Store
from tests.stored_rows import MONDAY, chains, days_from, files, quote, stored, table_of

NEW_YEAR = days_from(date(2020, 12, 30), 4)
PLACES = ["folder", "file://", "memory://"]


@pytest.fixture(params=PLACES)
def place(request, tmp_path, monkeypatch):
    """A folder by its path and by its URL, and a place that is no folder at all."""
    monkeypatch.setenv("DOLLARBILL_HOME", str(tmp_path / "home"))
    if request.param == "memory://":
        return f"memory://{uuid4()}/chains"
    return f"{request.param.removeprefix('folder')}{tmp_path}/chains"


def test_a_store_that_is_not_there_is_empty_and_reading_creates_nothing(place, tmp_path):
    store = Store.at(place)

    assert (store.symbols(), store.years("SPY"), store.parts(RATES)) == ((), (), ())
    assert store.part(QUOTES, "SPY", 2021) is None
    assert store.read(QUOTES, "SPY").schema == QUOTES.schema
    assert store.read(QUOTES, "SPY", 2021, ["bid"]).column_names == ["bid"]
    assert store.query("SELECT count(*) FROM quotes").fetchall() == [(0,)]
    assert list(tmp_path.iterdir()) == []
    assert list(store.place.names()) == []


def test_what_is_written_is_read_back_by_symbol_year_and_column(place):
    rows = chains(
        NEW_YEAR, 3, vendor_vol=0.25, quoted_at=datetime(2020, 12, 31, 21, tzinfo=UTC)
    )
    store = stored(place, {"SPY": rows, "QQQ": rows.slice(0, 3)})

    assert (store.symbols(), store.years("SPY"), store.years("QQQ")) == (
        ("QQQ", "SPY"),
        (2020, 2021),
        (2020,),
    )
    assert store.read(QUOTES, "SPY").equals(rows)
    assert store.read("quotes", "SPY", 2021).equals(rows.slice(6))
    assert store.read(QUOTES, "SPY", [2019, 2020]).equals(rows.slice(0, 6))
    for year in (np.int64(2021), (2021,), range(2021, 2030)):
        assert store.read(QUOTES, "SPY", year).equals(rows.slice(6))
    bids = store.read(QUOTES, "SPY", 2020, columns=["bid", "date"])
    assert bids.equals(rows.slice(0, 6).select(["bid", "date"]))
    assert store.damage() == ()


def test_a_part_says_what_its_file_holds(place):
    store = stored(place, {"SPY": chains(NEW_YEAR, 3)})

    part = Store.at(place).part("quotes", "SPY", 2021)

    content = store.place.content(part.path)
    assert (part.rows, part.size, part.first, part.last) == (6, len(content), *NEW_YEAR[2:])
    assert part.path == f"quotes/symbol=SPY/year=2021/{part.digest[:16]}.parquet"


def test_text_may_stay_as_codes(tmp_path):
    store = stored(tmp_path, {"SPY": chains(NEW_YEAR, 3)})

    rows = store.read(QUOTES, "SPY", columns=["root", "bid"], coded=True)
    none = store.read(QUOTES, "QQQ", columns=["root", "bid"], coded=True)

    assert rows["root"].type == pa.dictionary(pa.int32(), pa.string())
    assert rows["root"].to_pylist() == ["SPY"] * 12
    assert none.schema == rows.schema


def test_a_store_answers_from_one_commit_until_it_is_refreshed(place):
    store = stored(place, {"SPY": chains([MONDAY], 3)})

    stored(place, {"SPY": chains([MONDAY], 4), "QQQ": chains([MONDAY], 4)})
    held = store.symbols(), store.read(QUOTES, "SPY").num_rows
    store.refresh()

    assert held == (("SPY",), 3)
    assert (store.symbols(), store.read(QUOTES, "SPY").num_rows) == (("QQQ", "SPY"), 4)


def test_a_column_or_table_that_does_not_exist_is_named(tmp_path):
    store = Store.at(tmp_path)

    with pytest.raises(StoreError, match="quotes has no column gamma, theta"):
        store.read(QUOTES, "SPY", columns=["bid", "gamma", "theta"])
    with pytest.raises(
        StoreError, match="no table is called 'quote': there are quotes, prices"
    ):
        store.read("quote")


# --- SQL


def test_sql_answers_in_exact_dollars_by_symbol_and_year(place):
    rows = [quote(day, 300 + n, f"{n}.05", volume=n) for day in NEW_YEAR for n in range(4)]
    store = stored(place, {"SPY": table_of(QUOTES, rows), "QQQ": chains(NEW_YEAR, 1)})

    found = store.query(
        "SELECT symbol, year, sum(bid * volume), max(strike), count(*) FROM quotes "
        "WHERE date <> DATE '2021-01-02' GROUP BY ALL ORDER BY ALL"
    ).fetchall()

    turnover = sum(Decimal(f"{n}.05") * n for n in range(4))
    assert found == [
        ("QQQ", 2020, None, Decimal(300), 2),
        ("QQQ", 2021, None, Decimal(300), 1),
        ("SPY", 2020, 2 * turnover, Decimal(303), 8),
        ("SPY", 2021, turnover, Decimal(303), 4),
    ]


def test_every_table_is_a_view_with_symbol_and_year_empty_or_not(place):
    store = Store.at(place)
    empty = {name: shape(store, name) for name in TABLES}
    seen = datetime(2021, 3, 1, 15, tzinfo=UTC)
    with store.change("import") as change:
        change.add(QUOTES, "SPY", chains([MONDAY], 1))
        price = {"date": MONDAY, "close": Decimal("1.5"), "source": "a"}
        rate = {"date": MONDAY, "days": 30, "rate": 0.01, "source": "a"}
        change.add(PRICES, "7", table_of(PRICES, [price]))
        change.add(RATES, "", table_of(RATES, [rate]))
        change.add(
            GAPS, "", table_of(GAPS, [{"date": MONDAY, "symbol": "IWM", "recorded_at": seen}])
        )
        change.commit()

    assert {name: shape(store, name) for name in TABLES} == empty
    assert store.query("SELECT symbol, year, close FROM prices").fetchall() == [
        ("7", 2021, Decimal("1.5"))
    ]
    assert store.query("SELECT symbol, year, rate FROM rates").fetchall() == [
        (None, 2021, 0.01)
    ]
    gaps = store.query("SELECT symbol, year, recorded_at = '2021-03-01 15:00:00+00' FROM gaps")
    assert gaps.fetchall() == [("IWM", 2021, True)]


def shape(store: Store, name: str) -> list[tuple[str, str]]:
    found = store.query(f"SELECT * FROM {name}")
    return [
        (column, str(kind)) for column, kind in zip(found.columns, found.types, strict=True)
    ]


@pytest.mark.parametrize(
    "sql",
    [
        "COPY quotes TO '{0}/x.csv'",
        "CREATE TABLE x AS SELECT 1",
        "SELECT 1; DROP VIEW quotes",
        "",
    ],
)
def test_a_query_is_one_select(tmp_path, sql):
    with pytest.raises(StoreError, match="a query is one SELECT"):
        Store.at(tmp_path).query(sql.format(tmp_path))

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sql", ["SELECT gamma FROM quotes", "SELEC", "SELECT * FROM trades"])
def test_a_query_that_cannot_be_answered_is_one_line(tmp_path, sql):
    with pytest.raises(StoreError, match="the query cannot be answered: ") as told:
        Store.at(tmp_path).query(sql)

    assert "\n" not in str(told.value)


def test_a_quote_in_the_path_is_no_quote_in_the_sql(tmp_path):
    store = stored(tmp_path / "o'neil's", {"SPY": chains([MONDAY], 2)})

    assert store.query("SELECT count(*) FROM quotes").fetchall() == [(2,)]


@pytest.mark.parametrize("folder", ["symbol=QQQ", "bid=5", "date=2020-01-01", "year=1999"])
def test_a_folder_above_the_store_is_never_taken_for_a_column(tmp_path, folder):
    price = table_of(PRICES, [{"date": MONDAY, "close": Decimal(300), "source": "a"}])
    store = stored(tmp_path / folder / "store", {"SPY": chains([MONDAY], 1)})
    with store.change("prices") as change:
        change.add(PRICES, "SPY", price)
        change.commit()

    rows = store.query("SELECT symbol, year, bid, date FROM quotes").fetchall()
    prices = store.query("SELECT symbol, year, close FROM prices").fetchall()

    assert rows == [("SPY", 2021, Decimal("1.25"), MONDAY)]
    assert prices == [("SPY", 2021, Decimal(300))]
    every = store.query("SELECT * FROM quotes").columns
    assert every == [*QUOTES.schema.names, "symbol", "year"]


def test_instants_are_utc_wherever_the_machine_stands(tmp_path, monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    at = datetime(2021, 3, 1, 2, tzinfo=UTC)
    store = stored(tmp_path, {"SPY": chains([MONDAY], 1, quoted_at=at)})

    told = store.query("SELECT quoted_at, quoted_at::DATE, hour(quoted_at) FROM quotes")

    monkeypatch.undo()
    time.tzset()
    assert told.fetchall() == [(at, MONDAY, 2)]


def test_a_query_never_fetches_an_extension(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    store = Store.at(tmp_path / "store")

    with pytest.raises(StoreError, match="cannot be answered") as told:
        store.query("SELECT * FROM read_parquet('https://127.0.0.1:9/x.parquet')")

    assert "Failed to download" not in str(told.value)


def test_a_query_of_a_file_that_is_missing_is_one_line(tmp_path):
    store = stored(tmp_path, {"SPY": chains([MONDAY], 1)})
    (tmp_path / store.parts(QUOTES)[0].path).unlink()

    with pytest.raises(StoreError, match=r"the query cannot be answered: IO Error.*parquet"):
        store.query("SELECT 1")


def test_any_duckdb_reads_the_files_where_they_lie(tmp_path):
    stored(tmp_path, {"SPY": chains(NEW_YEAR, 3)})

    counted = duckdb.sql(
        f"SELECT symbol, year, sum(bid) FROM read_parquet('{tmp_path}/quotes/**/*.parquet', "
        "hive_partitioning = true) GROUP BY ALL ORDER BY ALL"
    )

    assert counted.fetchall() == [("SPY", y, Decimal("7.50")) for y in (2020, 2021)]


# --- damage


def the_file(store: Store) -> Path:
    return Path(store.place.address(store.parts(QUOTES)[0].path))


def truncated(file: Path) -> None:
    os.truncate(file, file.stat().st_size - 100)


def emptied(file: Path) -> None:
    os.truncate(file, 0)


def without_magic(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-4] + b"XXXX")


def flipped_in_a_page(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[content.index(b"made by hand")] ^= 1
    file.write_bytes(content)


def swapped(file: Path) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[:4] + whole[4:][::-1])


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (Path.unlink, "is missing"),
        (truncated, r"has \d+ bytes of \d+"),
        (emptied, r"has 0 bytes of \d+"),
        (without_magic, "cannot be read"),
        (flipped_in_a_page, "cannot be read"),
        (swapped, "cannot be read"),
    ],
)
def test_a_damaged_file_is_named_with_its_cure(tmp_path, damage, why):
    store = stored(tmp_path, {"SPY": chains([MONDAY], 3), "QQQ": chains([MONDAY], 3)})
    path = store.parts(QUOTES)[0].path
    damage(tmp_path / path)

    with pytest.raises(Damaged, match=f"{path} {why}.*import quotes of QQQ 2021 again") as told:
        Store.at(tmp_path).read(QUOTES, "QQQ")

    assert "\n" not in str(told.value) and told.value.exit_code == 3
    (line,) = store.damage()
    assert f"{path} " in line and "import quotes of QQQ 2021 again" in line
    assert store.read(QUOTES, "SPY").num_rows == 3


def test_a_flipped_bit_anywhere_is_refused_or_harmless_and_always_found_by_the_deep_check(
    tmp_path,
):
    rows = chains(days_from(MONDAY, 3), 20, vendor_vol=0.25, volume=7)
    store = stored(tmp_path, {"SPY": rows})
    file, chance, refused = the_file(store), random.Random(7), 0
    whole = file.read_bytes()

    for _ in range(250):
        content = bytearray(whole)
        content[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        file.write_bytes(content)
        try:
            assert store.read(QUOTES, "SPY").equals(rows)
        except Damaged:
            refused += 1
        assert len(store.damage()) == 1

    assert refused > 100


def test_a_file_that_says_it_holds_fewer_rows_is_refused(tmp_path):
    rows = chains(days_from(MONDAY, 3), 20)
    store = stored(tmp_path, {"SPY": rows})
    file, refused = the_file(store), 0
    whole = file.read_bytes()

    for place in (at for at, byte in enumerate(whole) if byte == 2 * rows.num_rows):
        content = bytearray(whole)
        content[place] ^= 8  # where it is a number of rows, as the format writes it: 56 of 60
        file.write_bytes(content)
        try:
            assert store.read(QUOTES, "SPY").equals(rows)
        except Damaged:
            refused += 1

    assert refused


def test_rows_are_not_merged_into_a_damaged_file_and_come_in_once_it_is_discarded(tmp_path):
    store = stored(tmp_path, {"SPY": chains([MONDAY], 3), "QQQ": chains([MONDAY], 3)})
    before, file = files(store), tmp_path / store.part(QUOTES, "SPY", 2021).path
    flipped_in_a_page(file)

    with pytest.raises(Damaged, match="holds other bytes than were written: import"):
        stored(tmp_path, {"SPY": chains([MONDAY], 4), "QQQ": chains([MONDAY], 4)})
    unchanged = (tmp_path / "catalog.json").read_bytes() == before["catalog.json"]
    store.discard(QUOTES, "SPY", 2021)
    with store.change("import") as change:
        again = change.commit(), store.symbols()
    stored(tmp_path, {"SPY": chains([MONDAY], 3)})

    assert unchanged
    assert again[1] == ("QQQ",)
    store.refresh()
    assert files(store) == before


def test_what_is_not_there_cannot_be_discarded(tmp_path):
    store = stored(tmp_path / "store", {"SPY": chains([MONDAY], 3)})

    for key in (("quotes", "SPY"), ("quotes", "SPY", 2020), ("prices", "SPY"), ("gaps",)):
        with pytest.raises(StoreError, match=f"has no {key[0]}.*: name one of store.parts"):
            store.discard(*key)
    with pytest.raises(StoreError, match="has no quotes SPY 2021"):
        Store.at(tmp_path / "none").discard("quotes", "SPY", 2021)

    assert store.read(QUOTES, "SPY").num_rows == 3
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("cut", [0, 1, 40, -10])
def test_a_damaged_catalog_is_named_and_nothing_is_written_over_it(tmp_path, cut):
    stored(tmp_path, {"SPY": chains([MONDAY], 3)})
    file = tmp_path / "catalog.json"
    file.write_bytes(file.read_bytes()[:cut])

    with pytest.raises(Damaged, match=f"{file} is damaged .*: bring it back from a copy"):
        Store.at(tmp_path).symbols()
    with pytest.raises(Damaged):
        stored(tmp_path, {"SPY": chains([MONDAY], 3)})

    assert file.stat().st_size == (cut if cut >= 0 else file.stat().st_size)


def test_a_catalog_of_a_newer_version_says_so(tmp_path):
    (tmp_path / "catalog.json").write_text('{"format": 2, "holdings": {}}')

    for asked in (Store.symbols, lambda store: store.change("import")):
        with pytest.raises(StoreError, match="is of format 2, newer than 1: update dollar"):
            asked(Store.at(tmp_path))
    with pytest.raises(StoreError, match="newer"):  # the lock was given back
        Store.at(tmp_path).change("import")


@pytest.mark.parametrize("content", ["null", '{"format": 1e400}', "[" * 100_000, "\xff"])
def test_a_catalog_of_nonsense_is_damaged(tmp_path, content):
    (tmp_path / "catalog.json").write_bytes(content.encode("latin-1"))

    with pytest.raises(Damaged, match=r"catalog.json is damaged \("):
        Store.at(tmp_path).symbols()


@pytest.mark.parametrize(
    "wrong",
    [
        {"symbol": "QQQ"},
        {"year": 2020},
        {"path": "../x.parquet"},
        {"symbol": "A/../X", "path": f"quotes/symbol=A/../X/year=2021/{'0' * 16}.parquet"},
        {"digest": "00", "path": "quotes/symbol=SPY/year=2021/00.parquet"},
        {"rows": "3"},
        {"size": None},
        {"x": 1},
    ],
)
def test_a_catalog_that_names_a_file_of_another_part_is_damaged(tmp_path, wrong):
    stored(tmp_path, {"SPY": chains([MONDAY], 3)})
    file = tmp_path / "catalog.json"
    told = json.loads(file.read_text())
    told["parts"][0] |= ({"digest": "0" * 64} if "symbol" in wrong else {}) | wrong
    file.write_text(json.dumps(told))

    with pytest.raises(Damaged, match="is damaged"):
        Store.at(tmp_path).symbols()


# --- where it lies


def test_a_store_reached_through_a_link_is_the_same_store(tmp_path):
    stored(tmp_path / "real", {"SPY": chains([MONDAY], 3)})
    (tmp_path / "link").symlink_to(tmp_path / "real")

    through = stored(tmp_path / "link", {"QQQ": chains([MONDAY], 3)})

    assert (tmp_path / "link").is_symlink()
    assert Store.at(tmp_path / "real").symbols() == ("QQQ", "SPY") == through.symbols()


def test_caches_lie_beside_the_files_or_where_told(tmp_path, monkeypatch):
    monkeypatch.setenv("DOLLARBILL_HOME", str(tmp_path / "home"))

    here, told = Store.at(tmp_path), Store.at(tmp_path, tmp_path / "cache")
    far = Store.at("memory://bucket/chains")

    assert (here.local, told.local) == (tmp_path / ".local", tmp_path / "cache")
    assert far.local.parent == tmp_path / "home" / "stores"
    assert far.local != Store.at("memory://bucket/other").local


def test_staging_may_lie_elsewhere_and_the_lock_is_still_shared(tmp_path):
    aside = Store.at(tmp_path / "chains", tmp_path / "aside")
    with aside.change("import") as change:
        assert change.folder.is_relative_to(tmp_path / "aside")
        with pytest.raises(RuntimeError, match="is being changed by 'import'"):
            Store.at(tmp_path / "chains").change("other")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("nosuch://bucket/x", "nosuch://bucket/x cannot be opened: Protocol not known: nosuch"),
        ("s3://user:word@bucket/x?token=1", "s3://bucket/x needs a package that is missing: "),
    ],
)
def test_a_url_that_cannot_be_opened_is_one_line_without_secrets(url, why):
    code = "import sys\nsys.modules['s3fs'] = None\n"  # also where the package is installed
    code += "from dollarbill_core.storage.store import Store\n"
    code += "try:\n    Store.at(sys.argv[1])\nexcept ValueError as error:\n    print(error)"

    told = subprocess.run([sys.executable, "-c", code, url], capture_output=True, text=True)

    assert told.stdout.startswith(why), told.stderr
    assert len(told.stdout.splitlines()) == 1 and "word" not in told.stdout


class Forbidden(MemoryFileSystem):
    """A file system that refuses, in its own words, as object storage does."""

    protocol = "forbidden"

    def _refused(self, *given, **named):
        raise RuntimeError("no credentials")

    cat_file = info = open = put_file = pipe_file = find = rm_file = makedirs = _refused


def test_what_a_file_system_refuses_in_its_own_words_is_one_line(tmp_path, monkeypatch):
    fsspec.register_implementation("forbidden", Forbidden, clobber=True)
    url = f"memory://{uuid4()}/chains"
    store = stored(url, {"SPY": chains([MONDAY], 3)})
    with store.change("import") as change:
        change.add(QUOTES, "SPY", chains([MONDAY], 4))
        monkeypatch.setattr(MemoryFileSystem, "pipe_file", Forbidden.pipe_file)
        with pytest.raises(StoreError, match="cannot be written: RuntimeError: no credentials"):
            change.commit()

    monkeypatch.setattr(MemoryFileSystem, "info", Forbidden.info)
    with pytest.raises(Damaged, match=r"parquet cannot be read \(RuntimeError: no cred"):
        store.read(QUOTES, "SPY")
    for asked in (Store.symbols, lambda store: store.change("import")):
        with pytest.raises(StoreError, match="cannot be read: RuntimeError: no credentials"):
            asked(Store.at("forbidden://chains", tmp_path))


@pytest.mark.parametrize("place", ["", " ", "~nobody-of-this-name/x", "a\0b", "x" * 300])
def test_a_place_that_can_be_no_folder_is_one_line(place):
    with pytest.raises(StoreError, match=r"place|cannot be a folder"):
        Store.at(place)


def test_a_link_to_itself_is_no_store(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")

    with pytest.raises(StoreError, match="loop' cannot be a folder"):
        Store.at(tmp_path / "loop")


def test_a_store_named_from_here_stays_where_it_was(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    store = stored("chäins 股/../chains", {"SPY": chains([MONDAY], 3)})

    monkeypatch.chdir(tmp_path / "elsewhere")

    assert store.read(QUOTES, "SPY").num_rows == 3
    assert store.query("SELECT count(*) FROM quotes").fetchall() == [(3,)]
    assert store.local == tmp_path / "chains" / ".local"


def test_a_file_is_no_store(tmp_path):
    (tmp_path / "chains.csv").touch()

    with pytest.raises(StoreError, match=r"chains.csv is a file: a store is a folder or a URL"):
        Store.at(tmp_path / "chains.csv")
