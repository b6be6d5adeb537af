"""The check of a store: real files, made holes, damage; what it says and how it ends."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from dollarbill_core.market.faults import Fault
from dollarbill_core.storage.checking import Checked, check
from dollarbill_core.storage.daily import NotStored
from dollarbill_core.storage.schema import GAPS
from dollarbill_core.storage.settings import load_settings
from dollarbill_core.storage.store import Store
from dollarbill_core.values.calendars import sessions
from tests.quality_builder import sample_days
from tests.store_builder import closes, imported, quote, with_prices, with_quotes, with_rows

FIRST, LAST = date(2021, 1, 4), date(2021, 1, 8)


def real(name: str) -> Path:
    file = load_settings().test_data / name
    if not file.exists():
        pytest.skip(f"no real quotes at {file}; DOLLARBILL_TEST_DATA names another folder")
    return file


def puts(days, **others) -> list[dict]:
    """Ten puts about 90 on each day, cheaper by the day."""
    return [
        quote(day, 80.0 + n, bid, bid + 0.1, underlying=100.0, **others)
        for number, day in enumerate(days)
        for n, bid in enumerate(np.round(np.linspace(0.5, 1.6, 10) - 0.02 * number, 2))
    ]


def made(folder: Path, days=None) -> Store:
    days = sessions(FIRST, LAST) if days is None else days
    return with_quotes(Store.at(folder), puts(days))


# --- real files


@pytest.fixture(scope="module")
def spy(tmp_path_factory) -> Store:
    store = Store.at(tmp_path_factory.mktemp("spy"))
    return imported(
        store,
        ("deltaneutral", real("spy_2021/options.csv")),
        ("prices", real("spy_2021/stock.csv")),
    )


def test_spy_of_2021_has_its_seventeen_crossed_rows(spy):
    checked = check(spy)

    (quality,) = checked.qualities
    assert quality.counts == {Fault.CROSSED: 17, Fault.LOCKED: 1, Fault.BUTTERFLY: 1}
    assert quality.coverage == 1.0 and len(quality.days) == 252
    assert 0.995 < quality.score < 1
    assert checked.damage == () and checked.exit_code == 0
    (found,) = checked.symbols
    assert found.apart == () and found.unpriced == () and found.idle == ()


def test_a_second_check_says_the_same(spy):
    assert check(spy) == check(Store.at(spy.place.name))


def test_a_part_of_the_period(spy):
    (quality,) = check(spy, ["SPY"], date(2021, 9, 13), date(2021, 9, 17)).qualities

    assert [each.day.day for each in quality.days] == [13, 14, 15, 16, 17]
    assert quality.worst[0].counts == {Fault.CROSSED: 17, Fault.LOCKED: 1}


def test_spx_of_2011_is_whole(tmp_path):
    store = imported(
        Store.at(tmp_path), ("ivolatility", real("spx_2011/spx_sample_ivolatility.csv"))
    )

    (quality,) = check(store).qualities

    assert quality.coverage == 1.0 and len(quality.days) == 5
    assert {f: n for f, n in quality.counts.items() if f.is_grave} == {
        Fault.NO_ASK: 1,
        Fault.BID_MISSING: 1,
        Fault.BUTTERFLY: 4,
    }


def test_apple_across_its_split(tmp_path):
    """With its prices the store knows the split of 2014-06-09, and no strike is missed."""
    quotes = ("lean", real("aapl_2014_split/aapl_2014_quote_american.zip"))
    with_split = imported(Store.at(tmp_path / "with"), quotes)
    daily = closes({"2014-06-06": "645.57"})
    split = closes({"2014-06-09": "93.70"})[0]
    with_prices(with_split, "AAPL", [*daily, replace(split, split_new=7, split_old=1)])
    without = imported(Store.at(tmp_path / "without"), quotes)
    with_prices(without, "AAPL", closes({"2014-06-06": "645.57", "2014-06-09": "645.57"}))

    (applied,), (forgotten,) = check(with_split).qualities, check(without).qualities

    assert not [f for f in applied.counts if f.is_of_a_day]
    assert Fault.UNADJUSTED_SPLIT in forgotten.days[1].counts
    assert forgotten.days[1].score == 0.0


# --- what is missing


def test_missing_sessions_are_listed_with_why(tmp_path):
    days = sessions(FIRST, LAST)
    store = made(tmp_path, [days[0], days[1], days[4]])
    with_prices(store, "XYZ", closes({str(day): "100" for day in days[:4]}))
    row = {"date": days[2], "symbol": "XYZ", "why": "the source answered 429"}
    with_rows(store, GAPS, "", pa.Table.from_pylist([row], schema=GAPS.schema))

    checked = check(store)

    (found,) = checked.symbols
    assert found.quality.missing == days[2:4] and found.quality.coverage == pytest.approx(0.6)
    assert found.gaps == ((days[2], "the source answered 429"),)
    assert found.idle == days[2:4]
    assert checked.exit_code == 3
    text = "\n".join(checked.sentences())
    assert "chains on 3 of 5 sessions (60.0%), missing 2021-01-06, 2021-01-07" in text
    assert "Written down as missing: 2021-01-06 (the source answered 429)." in text


def test_a_longer_period_than_the_store_has(tmp_path):
    (quality,) = check(made(tmp_path), start=date(2020, 12, 28), end=LAST).qualities

    assert quality.coverage == pytest.approx(5 / 9)


def test_quotes_of_a_holiday_are_a_fault_and_cover_nothing(tmp_path):
    holiday = date(2021, 1, 18)
    store = made(tmp_path, [date(2021, 1, 15), holiday, date(2021, 1, 19)])

    (quality,) = check(store).qualities

    shut = {each.day: each for each in quality.days}[holiday]
    assert shut.counts[Fault.HOLIDAY] == 1 and shut.score == 0.0
    assert quality.coverage == 1.0 and len(quality.expected) == 2


# --- prices


def test_a_close_that_is_not_the_price_beside_the_quotes(tmp_path):
    store = made(tmp_path)
    days = sessions(FIRST, LAST)
    with_prices(
        store, "XYZ", closes({str(day): "100.1" for day in days[:4]} | {str(LAST): "103"})
    )

    (found,) = check(store).symbols

    assert [str(each) for each in found.apart] == ["2021-01-08 100.00 beside 103.00 (-2.9%)"]
    assert "The close is another than the price beside the quotes" in found.sentences()[-1]


def test_a_snapshot_from_before_the_close_may_differ(tmp_path):
    at_one = np.datetime64("2021-01-04T18:00:00.000")
    store = with_quotes(Store.at(tmp_path), puts([FIRST], quoted_at=at_one))
    with_prices(store, "XYZ", closes({str(FIRST): "103"}))

    assert check(store).symbols[0].apart == ()


def test_days_whose_underlying_nobody_knows(tmp_path):
    rows = [{k: v for k, v in row.items() if k != "underlying"} for row in puts([FIRST])]
    store = with_quotes(Store.at(tmp_path), rows)

    (found,) = check(store).symbols

    assert found.unpriced == (FIRST,) and found.quality.missing == (FIRST,)
    assert "Nothing tells the price of the underlying: 2021-01-04." in found.sentences()


# --- damage, bad input, progress


def spoil(store: Store, table: str) -> None:
    (part,) = store.parts(table)
    file = Path(store.place.name) / part.path
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.write_bytes(bytes(data))


@pytest.mark.parametrize("table", ["quotes", "prices"])
def test_a_damaged_file_is_named_and_the_rest_is_judged(tmp_path, table):
    store = made(tmp_path)
    with_prices(store, "XYZ", closes({str(day): "100" for day in sessions(FIRST, LAST)}))
    spoil(store, table)

    checked = check(Store.at(tmp_path))

    assert len(checked.damage) == 1 and table in checked.damage[0]
    assert checked.exit_code == 3
    assert checked.sentences()[0].startswith("Damaged: ")
    days = len(checked.qualities[0].days)
    assert days == (0 if table == "quotes" else 5)


def test_an_empty_store_says_how_to_fill_it(tmp_path):
    with pytest.raises(NotStored, match="dollarbill data import") as error:
        check(Store.at(tmp_path))

    assert error.value.exit_code == 3


def test_an_unknown_symbol_is_named_with_those_there_are(tmp_path):
    store = made(tmp_path)

    with pytest.raises(NotStored, match="no quotes of XYY; did you mean XYZ"):
        check(store, ["XYY"])


def test_a_period_that_ends_before_it_starts(tmp_path):
    with pytest.raises(ValueError, match="ends before it starts"):
        check(made(tmp_path), start=LAST, end=FIRST)


def test_progress_goes_by_symbol_and_year(tmp_path):
    store = made(tmp_path, [date(2020, 12, 31), *sessions(FIRST, LAST)])
    told: list[tuple[str, int, int]] = []

    check(store, progress=lambda *step: told.append(step))

    assert told == [("XYZ", 0, 2), ("XYZ", 1, 2), ("XYZ", 2, 2)]


def test_nothing_checked_is_whole():
    assert Checked("chains", ()).exit_code == 0


def test_the_sample_through_the_store_is_clean(tmp_path):
    """Modelled chains, written and read back, are as clean as before."""
    days = sample_days("SPX")
    rows = [
        {
            "symbol": "SPX", "root": "SPXW", "date": day, "expiry": chain.expiry[row].item(),
            "right": int(chain.right[row]), "strike": float(chain.strike[row]),
            "bid": float(chain.bid[row]), "ask": float(chain.ask[row]),
            "underlying": chain.spot,
        }
        for day in days.sessions[:3]
        for chain in [days.chain(day)]
        for row in range(len(chain))
    ]  # fmt: skip
    store = with_quotes(Store.at(tmp_path), rows)

    (quality,) = check(store).qualities

    assert quality.score == 1.0
    assert set(quality.counts) == {Fault.NO_BID}
