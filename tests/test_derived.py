"""What is made of stored quotes: kept as long as it is true, else made again."""

from datetime import date
from decimal import Decimal as D
from pathlib import Path

import numpy as np
import pytest

from dollarbill_core.formats.rows import DailyPrice
from dollarbill_core.market.chains import NoQuote
from dollarbill_core.market.faults import Fault
from dollarbill_core.storage.columns import Columns
from dollarbill_core.storage.daily import daily_of, interest_of
from dollarbill_core.storage.derivation import Known
from dollarbill_core.storage.derived import (
    VERSION,
    chain_on,
    derived_columns,
    derived_year,
    flaws_on,
    quality_on,
)
from dollarbill_core.storage.quote_columns import quote_columns
from dollarbill_core.storage.store import Store
from dollarbill_core.values.calendars import close_instant, sessions
from tests.store_builder import closes, quote, with_interest, with_prices, with_quotes

DAYS = sessions(date(2021, 1, 4), date(2021, 2, 5))


STRIKES = range(80, 124, 4)
SIZE = 2 * len(STRIKES)
ROWS = SIZE * (len(DAYS) - 1) + len(STRIKES)


def rows(day: date, wider: int) -> list[dict]:
    """Calls and puts that are worth three dollars more than exercise; the ask tells the day."""
    return [
        quote(day, strike, worth, round(worth + 0.1 + 0.001 * wider, 3), right=right,
              expiry=date(2021, 2, 19))
        for strike in STRIKES
        for right in (-1, 1)
        for worth in [max(right * (100 - strike), 0) + 3.0]
    ]  # fmt: skip


@pytest.fixture
def store(tmp_path) -> Store:
    """Twenty-four sessions of quotes; on the last one nobody knows the price."""
    quoted = [row for number, day in enumerate(DAYS[:-1]) for row in rows(day, number)]
    quoted += [row for row in rows(DAYS[-1], 99) if row["right"] == -1]
    made = with_quotes(Store.at(tmp_path / "chains"), quoted)
    return with_prices(made, "XYZ", closes({str(day): "100" for day in DAYS[:-1]}))


def derived(store: Store, progress=None) -> tuple[Columns, Columns]:
    quotes = quote_columns(store, "XYZ", 2021)
    known = Known("XYZ", daily_of(store, "XYZ"), interest_of(store))
    return quotes, derived_columns(store.local, quotes, known, progress)


def caches(store: Store) -> list[Path]:
    return sorted((store.local / "derived").iterdir())


def test_every_row_and_every_day_has_its_figures(store):
    quotes, found = derived(store)

    assert len(found["vol"]) == len(found["delta"]) == len(quotes["bid"]) == ROWS
    for name in ("spot", "spot_from", "as_of", "at_the_money", "dividend_yield", "score"):
        assert len(found[name]) == len(DAYS)
    assert len(found["counts"]) == len(DAYS) * len(Fault)
    assert np.isfinite(found["vol"][: -len(STRIKES)]).all()
    assert np.isnan(found["vol"][-len(STRIKES) :]).all()


def test_the_chain_of_a_day_is_that_days(store):
    quotes, found = derived(store)

    chain = chain_on(quotes, found, "XYZ", 3)

    assert chain.as_of == close_instant(DAYS[3])
    assert (chain.spot, len(chain)) == (100.0, SIZE)
    assert chain.ask[0] == 3.103
    assert chain.vol.tolist() == found["vol"][3 * SIZE : 4 * SIZE].tolist()


def test_a_day_without_a_price_of_its_underlying_has_no_chain(store):
    quotes, found = derived(store)

    with pytest.raises(NoQuote, match="no price of the underlying on 2021-02-05"):
        chain_on(quotes, found, "XYZ", len(DAYS) - 1)
    assert quality_on(quotes, found, len(DAYS) - 1).score == 0


def test_days_are_judged_by_the_day_before_also_from_one_stretch_to_the_next(store):
    """The eleventh day repeats the tenth: whoever works them out, it is a copied day."""
    with_quotes(store, rows(DAYS[10], 9))

    quotes, found = derived(store)

    said = [quality_on(quotes, found, place).counts for place in range(len(DAYS) - 1)]
    assert [place for place, counts in enumerate(said) if counts.get(Fault.COPIED_DAY)] == [10]


EVE = date(2020, 12, 31)


def judged(store: Store) -> list[Fault]:
    """The faults of the first day of 2021."""
    known = Known("XYZ", daily_of(store, "XYZ"), interest_of(store))
    return list(quality_on(*derived_year(store, known, 2021), 0).counts)


def test_the_first_day_of_a_year_is_judged_by_the_last_of_the_year_before(store):
    assert judged(store) == []

    with_quotes(store, rows(date(2020, 12, 30), 5) + rows(EVE, 0))
    with_prices(store, "XYZ", closes({"2020-12-30": "100", str(EVE): "100"}))

    assert judged(store) == [Fault.COPIED_DAY]

    with_quotes(store, rows(EVE, 7))
    assert judged(store) == []


def test_the_close_of_new_years_eve_is_part_of_the_year_after(store):
    with_quotes(store, rows(EVE, 0))
    names = []
    for close in ("100", "101"):
        with_prices(store, "XYZ", closes({str(EVE): close}))
        judged(store)
        names.append(caches(store))

    assert names[0] != names[1]


def test_a_damaged_year_before_spoils_no_other(store):
    with_quotes(store, rows(EVE, 0))
    (part,) = (part for part in store.parts("quotes") if part.year == 2020)
    (Path(store.place.name) / part.path).write_bytes(b"not what was written")

    assert judged(store) == []


def test_rows_that_nobody_should_trade_at_are_kept(store):
    """A crossed row; and all of a day that is a copy, or whose price nobody knows."""
    with_quotes(store, [quote(DAYS[6], 80, 3.0, 2.9, expiry=date(2021, 2, 19))])
    with_quotes(store, rows(DAYS[11], 10))

    found = derived(store)
    flaws = [flaws_on(*found, place) for place in range(len(DAYS))]

    whole = [place for place, each in enumerate(flaws) if each.all()]
    assert whole == [11, len(DAYS) - 1]
    assert np.flatnonzero(flaws[6]).tolist() == [0]  # puts first, the lowest strike first
    assert not any(each.any() for place, each in enumerate(flaws) if place not in {6, *whole})


def test_a_dividend_of_last_year_changes_a_year_without_closes(store):
    """Its yield stands until the next close."""
    store = with_quotes(Store.at(store.local / "bare"), rows(DAYS[0], 0))
    with_prices(store, "XYZ", closes({"2020-12-30": "100"}))
    _, before = derived(store)

    with_prices(store, "XYZ", [DailyPrice(date(2020, 12, 30), D(100), dividend=D(4))])
    _, after = derived(store)

    assert (before["dividend_yield"][0], after["dividend_yield"][0]) == (0, 0.04)


def test_what_stands_is_mapped_and_progress_told_all_the_same(store):
    told: list[int] = []

    _, first = derived(store, told.append)
    (written,) = (file.stat().st_mtime_ns for file in caches(store))
    _, second = derived(store, told.append)

    assert [file.stat().st_mtime_ns for file in caches(store)] == [written]
    assert np.array_equal(first["vol"], second["vol"], equal_nan=True)
    assert sum(told) == 2 * ROWS


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(
            lambda s: with_quotes(s, [quote(DAYS[0], 85, 0.8, 1.0, expiry=date(2021, 2, 19))]),
            id="a quote",
        ),
        pytest.param(
            lambda s: with_prices(s, "XYZ", closes({str(DAYS[0]): "101"})), id="a close"
        ),
        pytest.param(lambda s: with_interest(s, {(str(DAYS[0]), 90): 0.05}), id="a rate"),
    ],
)
def test_what_rests_on_other_data_is_made_again_and_the_old_goes(store, change):
    _, before = derived(store)
    (old,) = caches(store)

    change(store)
    _, after = derived(store)

    (new,) = caches(store)
    assert new != old
    assert not np.array_equal(before["vol"], after["vol"], equal_nan=True)


def test_a_later_years_prices_leave_it(store):
    derived(store)
    before = caches(store)

    with_prices(store, "XYZ", closes({"2022-01-04": "140"}))
    derived(store)

    assert caches(store) == before


def test_a_damaged_cache_is_made_again(store):
    _, before = derived(store)
    (file,) = caches(store)
    file.write_bytes(file.read_bytes()[:-100])

    _, after = derived(store)

    assert np.array_equal(before["vol"], after["vol"], equal_nan=True)


def test_where_nothing_can_be_written_it_is_made_for_this_process(store):
    quotes, cached = derived(store)
    nowhere = store.local / "a file"
    nowhere.write_text("in the way of a folder")
    known = Known("XYZ", daily_of(store, "XYZ"), interest_of(store))

    found = derived_columns(nowhere, quotes, known)

    assert np.array_equal(found["vol"], cached["vol"], equal_nan=True)


def test_other_numbers_need_another_version(store):
    """If this fails, what is derived has changed: raise VERSION, then write the new figures."""
    crossed = quote(DAYS[6], 80, 3.0, 2.9, expiry=date(2021, 2, 19))
    _, found = derived(with_quotes(store, [crossed]))

    names = "vol", "delta", "at_the_money", "score"
    told = [round(float(found[name][6]), 4) for name in names]
    counts = found["counts"].reshape(len(DAYS), -1)[6]
    faults = {
        fault.name: int(count) for fault, count in zip(Fault, counts, strict=True) if count
    }
    assert (VERSION, told, faults) == (2, [0.3323, -0.6074, 0.2367, 0.9545], {"CROSSED": 1})
