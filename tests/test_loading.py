"""From a store to a backtest: SPY of 2021 as an outsider measured it; what a store lacks."""

import subprocess
import sys
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal as D
from pathlib import Path

import numpy as np
import pytest

from dollarbill_core.formats.imports import import_files
from dollarbill_core.formats.rows import DailyPrice
from dollarbill_core.market.carry import CashDividend, policy_rates
from dollarbill_core.market.chains import Chain, NoQuote, Quote
from dollarbill_core.market.faults import Fault
from dollarbill_core.market.realised import realised_vol
from dollarbill_core.market.view import Chains
from dollarbill_core.market.volatility import vix
from dollarbill_core.pricing import black_scholes
from dollarbill_core.publishing.transcripts import quality_told
from dollarbill_core.results.backtest import Result, backtest, option_fills
from dollarbill_core.rules.fills import FillModel
from dollarbill_core.sources import loading
from dollarbill_core.sources.loading import load_chains, stored_chains
from dollarbill_core.storage.daily import NotStored, daily_of
from dollarbill_core.storage.quote_columns import quote_columns
from dollarbill_core.storage.schema import TABLES
from dollarbill_core.storage.settings import load_settings
from dollarbill_core.storage.store import Store
from dollarbill_core.strategies.short_premium import ShortPremium
from dollarbill_core.values.book import Expiry
from dollarbill_core.values.calendars import sessions
from dollarbill_core.values.contracts import Option, Right, Settlement
from dollarbill_core.values.provenance import Quotes, fingerprint
from tests.store_builder import (
    closes,
    imported,
    quote,
    with_gap,
    with_interest,
    with_prices,
    with_print,
    with_quotes,
)

YEAR = date(2021, 1, 1), date(2021, 12, 31)

# Sold, expires, close, strike, close at expiry, return on the strike in % at mid and at bid, as
# measured independently of this project and listed beside the data.
PUT_WRITES = [
    ("2021-01-15", "2021-02-19", "375.70", 375, "390.03", "2.36", "2.36"),
    ("2021-02-19", "2021-03-19", "390.03", 390, "389.48", "1.86", "1.85"),
    ("2021-03-19", "2021-04-16", "389.48", 390, "417.26", "1.85", "1.85"),
    ("2021-04-16", "2021-05-21", "417.26", 415, "414.94", "1.42", "1.42"),
    ("2021-05-21", "2021-06-18", "414.94", 415, "414.92", "1.79", "1.79"),
    ("2021-06-18", "2021-07-16", "414.92", 415, "431.34", "1.74", "1.74"),
    ("2021-07-16", "2021-08-20", "431.34", 430, "443.36", "1.65", "1.65"),
    ("2021-08-20", "2021-09-17", "443.36", 440, "441.40", "1.34", "1.33"),
    ("2021-09-17", "2021-10-15", "441.40", 445, "445.87", "2.04", "2.02"),
    ("2021-10-15", "2021-11-19", "445.87", 445, "468.89", "1.52", "1.52"),
    ("2021-11-19", "2021-12-17", "468.89", 470, "459.87", "-0.47", "-0.47"),
]


def real(name: str) -> Path:
    folder = load_settings().test_data / name
    if not folder.is_dir():
        pytest.skip(f"no real quotes at {folder}; DOLLARBILL_TEST_DATA names another folder")
    return folder


@pytest.fixture(scope="module")
def spy_store(tmp_path_factory) -> Store:
    folder = real("spy_2021")
    files = ("deltaneutral", folder / "options.csv"), ("prices", folder / "stock.csv")
    return imported(Store.at(tmp_path_factory.mktemp("spy")), *files)


@pytest.fixture(scope="module")
def spy(spy_store) -> Chains:
    return load_chains(spy_store.place.name, ["SPY"], *YEAR)


def put_nearest_the_close(chain: Chain, expiry: date) -> Option:
    """Among the quotes that are neither crossed nor locked."""
    puts = chain.sound.only(Right.PUT).expiring(expiry)
    return puts.option(int(np.argmin(np.abs(puts.strike - puts.spot))))


def return_on_strike(option: Option, premium: D, settled: D) -> D:
    kept = premium - option.intrinsic(settled)
    return round(100 * kept / option.strike, 2)


@pytest.mark.parametrize(
    ("sold", "expires", "close", "strike", "settled", "at_mid", "at_bid"),
    PUT_WRITES,
    ids=[row[0] for row in PUT_WRITES],
)
def test_put_write(spy, sold, expires, close, strike, settled, at_mid, at_bid):
    view = spy.view(date.fromisoformat(sold))
    expiry = date.fromisoformat(expires)
    option = put_nearest_the_close(view.chain("SPY"), expiry)
    quoted = view.quote(option)
    price_then = spy.view(expiry).spot("SPY")

    returns = [
        return_on_strike(option, price, price_then) for price in (quoted.mid, quoted.bid)
    ]

    assert (view.spot("SPY"), option.strike, price_then) == (D(close), strike, D(settled))
    assert returns == [D(at_mid), D(at_bid)]


def test_the_put_writes_of_the_year_add_up(spy):
    sums = {"mid": D(0), "bid": D(0)}
    for sold, expires, *_, settled, _, _ in PUT_WRITES:
        chain = spy.days["SPY"].chain(date.fromisoformat(sold))
        option = put_nearest_the_close(chain, date.fromisoformat(expires))
        quoted = chain.quote(option)
        for side in sums:
            kept = getattr(quoted, side) - option.intrinsic(D(settled))
            sums[side] += 100 * kept / option.strike

    assert round(sums["mid"], 2) == D("17.11")
    assert round(sums["bid"], 2) == D("17.05")


def test_crossed_and_locked_quotes_are_kept_but_not_sound(spy):
    chains = [spy.days["SPY"].chain(day) for day in spy.sessions]

    crossed = sum(int((chain.bid > chain.ask).sum()) for chain in chains)
    unsound = sum(len(chain) - len(chain.sound) for chain in chains)

    assert (len(chains), sum(map(len, chains))) == (252, 5040)
    assert (crossed, unsound) == (17, 18)


def test_the_crossed_rows_are_counted_by_quality(spy):
    (quality,) = spy.quality

    assert (quality.symbol, quality.rows, quality.coverage) == ("SPY", 5040, 1.0)
    assert (quality.counts[Fault.CROSSED], quality.counts[Fault.LOCKED]) == (17, 1)
    assert quality.worst[0].day == date(2021, 9, 17)


def test_the_crossed_put_of_september_cannot_be_sold(spy):
    view = spy.view(date(2021, 9, 17))
    crossed = Option("SPY", date(2021, 10, 15), D(442), Right.PUT)

    assert view.chain("SPY").quote(crossed).fault == "crossed"
    with pytest.raises(NoQuote, match="crossed"):
        view.quote(crossed)


def test_dividends_and_the_yield_they_make_by_then(spy):
    first = CashDividend(date(2021, 3, 19), D("1.2778"))

    assert spy.dividends["SPY"][0] == first
    assert len(spy.dividends["SPY"]) == 4
    assert spy.view(date(2021, 3, 11)).dividends["SPY"] == ()  # ten days before 03-22
    assert spy.view(date(2021, 3, 12)).dividends["SPY"] == (first,)
    assert spy.view(date(2021, 3, 18)).dividend_yields["SPY"] == 0
    assert spy.view(date(2021, 3, 19)).dividends["SPY"] == (first,)
    assert spy.view(date(2021, 3, 19)).dividend_yields["SPY"] == pytest.approx(1.2778 / 389.48)


def test_our_vols_are_near_the_vendors(spy):
    """The vendor's come in steps of about 0.01; ours lie in the middle."""
    import pandas as pd

    table = pd.read_csv(load_settings().test_data / "spy_2021" / "options.csv")
    table["right"] = np.where(table["type"] == "call", 1, -1)
    vendor = table.sort_values(["quotedate", "expiration", "right", "strike"])["impliedvol"]
    ours = np.concatenate([spy.days["SPY"].chain(day).vol for day in spy.sessions])

    gaps = (ours - vendor.to_numpy())[np.isfinite(ours)]

    assert len(gaps) > 5000
    assert abs(np.median(gaps)) < 0.001
    assert np.abs(np.percentile(gaps, [5, 95])).max() < 0.007


def test_vol_of_the_day_is_known_or_nan_and_lies_below_the_vix(spy):
    days = spy.days["SPY"]
    known = np.isfinite(days.vols)

    assert known.sum() >= 250
    assert 0.09 < np.nanmin(days.vols) < np.nanmax(days.vols) < 0.32


def test_the_face_says_quoted_and_what_is_ours(spy):
    source = spy.provenance

    assert (source.quotes, source.warnings) == (Quotes.QUOTED, ())
    assert source.as_of.date() == date(2021, 12, 31)
    assert source.source.endswith(": deltaneutral")
    assert "/" not in source.source  # a folder's name, not the path to it
    assert [line.split(" ")[0] for line in source.assumptions] == ["Implied", "The", "Interest"]
    assert "is the close on 252 days" in source.assumptions[1]
    assert spy.days["SPY"].chain(date(2021, 6, 1)).quotes is Quotes.QUOTED
    assert spy.days["SPY"].chain(date(2021, 6, 1)).option(0).settlement is Settlement.PHYSICAL


def test_what_trades_is_known_beside_the_quotes(spy):
    chain = spy.days["SPY"].chain(date(2021, 1, 4))
    put = Option("SPY", date(2021, 1, 29), D(345), Right.PUT)

    row = chain.row(put)

    assert (chain.volume[row], chain.open_interest[row]) == (7424, 48199)
    assert len(chain.liquid(volume=7000)) < len(chain)


def test_history_ends_with_the_day(spy):
    history = spy.view(date(2021, 6, 1)).history["SPY"]

    assert history.days[-1] == np.datetime64("2021-06-01")


def test_a_backtest_carries_the_quality_of_its_quotes(spy):
    result = backtest(spy, ShortPremium(("SPY",)), D(250_000))

    assert result.quality == spy.quality
    assert result.reconciliation().is_clean
    assert result.trades


def test_fills_at_flawed_quotes_are_counted(spy):
    """The quality is told beside a result; it decides nothing."""
    chain_of, strategy = spy.days["SPY"].chain, ShortPremium(("SPY",))
    puts = replace(spy.days["SPY"], flaws=lambda day: chain_of(day).right == Right.PUT)

    result = backtest(spy, strategy, D(250_000))
    doubtful = backtest(replace(spy, days={"SPY": puts}), strategy, D(250_000))

    rights = [option.right for _, option in option_fills(doubtful.events)]
    count = rights.count(Right.PUT)
    assert (result.flawed_fills, doubtful.flawed_fills) == (0, count)
    assert 0 < count < len(rights)
    assert doubtful.events == result.events
    assert quality_told(doubtful).endswith(f"a grave fault: {count} of {len(rights)}.")


def test_the_second_load_gives_the_same_chains_from_the_caches(spy_store, spy):
    again = stored_chains(Store.at(spy_store.place.name), "SPY", *YEAR)
    day = date(2021, 9, 17)

    assert fingerprint(again.view(day)) == fingerprint(spy.view(day))
    assert again.provenance == spy.provenance


@pytest.fixture(scope="module")
def aapl(tmp_path_factory) -> Chains:
    quotes = real("aapl_2014_split") / "aapl_2014_quote_american.zip"
    prices = real("us_equities") / "aapl.zip"
    store = imported(Store.at(tmp_path_factory.mktemp("a")), ("lean", quotes), ("lean", prices))
    return load_chains(store.place.name, ["AAPL"], date(2014, 6, 6), date(2014, 6, 9))


def test_a_strangle_on_apple_goes_through_its_split_of_2014(aapl):
    """7 for 1 on 9 June: the contracts of after it are quoted, at a seventh of the strike."""
    strategy = ShortPremium(("AAPL",), entry_weekday=4, target_dte=30, exit_dte=0)
    at_once = FillModel(in_deciding_snapshot=True)

    result = backtest(aapl, strategy, D(500_000), fills=at_once)

    before, after = ([m.instrument.strike for m in line.marks] for line in result.lines)
    assert (before, after) == ([D("607.5"), D(690)], [D("86.79"), D("98.57")])
    assert [mark.quantity for mark in result.lines[1].marks] == [-7, -7]
    assert result.modelled_marks == 0
    assert abs(result.lines[1].nav - result.lines[0].nav) < 1000
    assert result.reconciliation().is_clean


def test_the_split_of_apple_is_no_fall_for_statistics(aapl):
    view = aapl.view(date(2014, 6, 9))
    raw, closes_now = view.history["AAPL"].closes, view.closes("AAPL")

    assert raw[-2:].tolist() == [645.57, 93.70]
    assert realised_vol(closes_now, 21)[-1] < 0.3 < 2 < realised_vol(raw, 21)[-1]
    assert view.dividend_yields["AAPL"] == pytest.approx(0.019, abs=0.001)


def test_an_order_of_before_the_split_lapses(aapl):
    strategy = ShortPremium(("AAPL",), entry_weekday=4, target_dte=30, exit_dte=0)

    (unfilled,) = backtest(aapl, strategy, D(500_000)).unfilled

    assert unfilled.why.startswith("AAPL split 7:1 on 2014-06-09")


@pytest.fixture(scope="module")
def spx(tmp_path_factory) -> tuple[Store, Chains]:
    file = real("spx_2011") / "spx_sample_ivolatility.csv"
    store = imported(Store.at(tmp_path_factory.mktemp("spx")), ("ivolatility", file))
    return store, load_chains(store.place.name, ["SPX"], date(2011, 1, 3), date(2011, 1, 7))


def test_vols_of_an_index_by_its_own_forwards_are_the_vendors(spx):
    store, chains = spx
    whole = [chains.days["SPX"].chain(day) for day in chains.sessions]
    ours, delta = (np.concatenate([getattr(x, n) for x in whole]) for n in ("vol", "delta"))
    vendors = quote_columns(store, "SPX", 2011)["vendor_vol"]
    known = np.isfinite(ours) & (vendors > 0) & (np.abs(delta) > 0.05) & (np.abs(delta) < 0.5)

    gaps = (ours - vendors)[known]

    assert len(gaps) > 2000
    assert abs(np.median(gaps)) < 0.001
    assert np.abs(np.percentile(gaps, [5, 95])).max() < 0.012


def test_an_index_has_the_yield_that_parity_tells_and_no_warning(spx):
    _, chains = spx

    yields = [chains.view(day).dividend_yields["SPX"] for day in chains.sessions]

    assert 0.014 < min(yields) < max(yields) < 0.022
    assert chains.provenance.warnings == ()


OFFICIAL_VIX = {3: 17.61, 4: 17.38, 5: 17.02, 6: 17.40, 7: 17.14}


def test_the_vix_of_stored_chains_is_the_official_close(spx):
    """From quotes to the index by public calls; Cboe's closes come from the same store."""
    store, chains = spx
    imported(store, ("prices", real("vix") / "vix-daily.csv"))
    official = daily_of(store, "VIX")

    for day in chains.sessions:
        view = chains.view(day)
        assert official.close_on(day) == OFFICIAL_VIX[day.day]
        assert vix(view.chain("SPX"), view.rates) == pytest.approx(
            OFFICIAL_VIX[day.day], abs=0.1
        )


# What was made later is in no view: the store is made again of the rows until then.


@pytest.fixture(scope="module")
def everything(tmp_path_factory) -> Store:
    """SPX of 2011, AAPL of 2014 across its split, SPY of 2021; interest, prints, the VIX."""
    names = "spx_2011", "aapl_2014_split", "us_equities", "spy_2021", "vix"
    spx, aapl, equities, spy, index = map(real, names)
    store = imported(
        Store.at(tmp_path_factory.mktemp("everything")),
        ("ivolatility", spx / "spx_sample_ivolatility.csv"),
        ("lean", aapl / "aapl_2014_quote_american.zip"),
        ("lean", equities / "aapl.zip"),
        ("deltaneutral", spy / "options.csv"),
        ("prices", spy / "stock.csv"),
        ("prices", index / "vix-daily.csv"),
    )
    weekly = np.arange("2010-12-01", "2021-12-31", 7, dtype="datetime64[D]").tolist()
    with_interest(store, {(str(d), 30): 0.001 * d.month for d in weekly})
    for day in (date(2011, 1, 21), date(2021, 6, 18)):
        with_print(store, "SPX", day, "1283.35")
    return store


def until(store: Store, day: date, folder: Path) -> Store:
    """Another store of the rows of ``day`` and before."""
    import pyarrow.compute as pc

    cut = Store.at(folder)
    with cut.change("until") as change:
        for table in TABLES.values():
            for part in store.parts(table):
                rows = store.read(table, part.symbol, part.year)
                rows = rows.filter(pc.less_equal(rows["date"], day))
                if len(rows):
                    change.add(table, part.symbol, rows)
        change.commit()
    return cut


@pytest.mark.parametrize(
    ("symbol", "day"),
    [
        pytest.param("SPX", date(2011, 1, 5), id="an index"),
        pytest.param("AAPL", date(2014, 6, 9), id="the day of a split"),
        pytest.param("SPY", date(2021, 3, 5), id="before a dividend is announced"),
        pytest.param("SPY", date(2021, 6, 18), id="the day of a dividend and of a print"),
    ],
)
def test_a_store_without_the_rows_of_later_gives_the_same_view(
    everything, tmp_path, symbol, day
):
    cut = until(everything, day, tmp_path / "until")
    period = date(day.year, 1, 1), date(day.year, 12, 31)

    whole, past = (stored_chains(each, symbol, *period) for each in (everything, cut))

    assert past.sessions[-1] == day
    assert whole.sessions == past.sessions or whole.sessions[-1] > day
    for each in past.sessions[-5:]:
        assert whole.view(each).hash == past.view(each).hash


# Index options that settle at the open are worth what was printed, and nothing else tells it.

EXPIRY = date(2021, 1, 15)
HELD = ShortPremium(
    ("SPX",), entry_weekday=0, target_dte=10, exit_dte=0, profit_target=1.0, stop_multiple=100.0
)


@pytest.fixture
def until_expiry(tmp_path) -> Store:
    """SPX at 100 until after the third Friday; its monthlies are quoted at a vol of 20 %."""
    days = sessions(date(2021, 1, 4), date(2021, 1, 19))
    rows = [
        quote(day, strike, round(price, 2), round(price + 0.1, 2), right=right, **listed)
        for listed in (
            {"symbol": "SPX", "root": "SPX", "expiry": EXPIRY},
            {"symbol": "SPX", "root": "SPX", "expiry": date(2021, 3, 19)},
        )
        for day in days
        if day < listed["expiry"]
        for strike in range(80, 121, 2)
        for right in (-1, 1)
        for years in [(listed["expiry"] - day).days / 365]
        for price in [float(black_scholes.price(right, 100.0, strike, years, 0.0, 0.2))]
    ]
    store = with_quotes(Store.at(tmp_path / "index"), rows)
    return with_prices(store, "SPX", closes({str(day): "100" for day in days}))


def held(store: Store) -> Result:
    chains = load_chains(store.place.name, ["SPX"], date(2021, 1, 4), date(2021, 1, 19))
    return backtest(chains, HELD, D(250_000))


def test_a_print_of_the_store_settles_what_is_held_to_the_open(until_expiry):
    """Sold at 96 and 104; struck at 90.25, the put costs 575, whatever the close was."""
    with_print(until_expiry, "SPX", EXPIRY, "90.25")

    result = held(until_expiry)

    ends = [event for event in result.events if isinstance(event, Expiry)]
    assert [(str(e.option), e.cash) for e in ends] == [
        ("SPX 2021-01-15 104 CALL", 0),
        ("SPX 2021-01-15 96 PUT", D("-575.00")),
    ]
    assert result.reconciliation().is_clean


def test_without_the_print_nothing_is_guessed_and_the_way_out_is_told(until_expiry):
    with pytest.raises(NoQuote, match="with dollarbill data import prints") as lacking:
        held(until_expiry)

    assert "\n" not in str(lacking.value)


LEAN_PROCESS = """
import sys
from datetime import date
from decimal import Decimal
from dollarbill_core.results.backtest import backtest
from dollarbill_core.sources.loading import load_chains
from dollarbill_core.strategies.short_premium import ShortPremium
chains = load_chains(sys.argv[1], ["SPY"], date(2021, 1, 1), date(2021, 12, 31))
result = backtest(chains, ShortPremium(("SPY",)), Decimal(250_000))
assert result.events
print(*sorted({"pandas", "pyarrow", "duckdb", "scipy", "fsspec"} & set(sys.modules)))
"""


def test_what_is_slow_to_import_stays_out_of_a_backtest_on_cached_quotes(spy_store, spy):
    command = [sys.executable, "-c", LEAN_PROCESS, spy_store.place.name]

    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout.split() == []


# A small store of our own, for what real files seldom show.

MONDAY, TUESDAY = date(2021, 1, 4), date(2021, 1, 5)
NEW_YEAR = date(2021, 1, 1)
PRICES = {"2021-01-04": "99", "2021-01-05": "100"}


def rows(day: date, **others: object) -> list[dict]:
    strikes = {90: 0.50, 95: 1.20, 100: 3.00}
    return [quote(day, k, bid, bid + 0.10, **others) for k, bid in strikes.items()]


@pytest.fixture
def store(tmp_path) -> Store:
    return Store.at(tmp_path / "chains")


def loaded(store: Store, symbols=("XYZ",), start=date(2021, 1, 1), end=date(2021, 1, 29)):
    return load_chains(store.place.name, symbols, start, end)


def test_quotes_and_closes_are_exact(store):
    with_prices(with_quotes(store, rows(TUESDAY)), "XYZ", closes(PRICES))

    chain = loaded(store).days["XYZ"].chain(TUESDAY)

    put = Option("XYZ", date(2021, 2, 19), D(95), Right.PUT)
    assert chain.spot == 100
    assert chain.quote(put) == Quote(D("1.2000"), D("1.3000"), chain.as_of)
    assert np.isnan(chain.volume).all()


def test_a_quote_without_a_bid_has_no_vol(store):
    bare = [quote(TUESDAY, 95, 0.0, 0.4), quote(TUESDAY, 96, np.nan, np.nan)]
    with_prices(with_quotes(store, bare), "XYZ", closes(PRICES))

    chain = loaded(store).days["XYZ"].chain(TUESDAY)

    assert len(chain.sound) == 0
    assert np.isnan(chain.vol).all()
    assert np.isnan(chain.delta).all()
    with pytest.raises(NoQuote, match="no bid or ask"):
        chain.quote(chain.option(1))


def test_only_sessions_are_served_and_the_rest_is_told(store):
    """Quotes of New Year's Day stand in the quality, not in the chains."""
    with_prices(with_quotes(store, rows(NEW_YEAR) + rows(MONDAY)), "XYZ", closes(PRICES))

    chains = loaded(store)

    assert chains.sessions == (MONDAY,)
    assert chains.quality[0].counts[Fault.HOLIDAY] == 1
    assert chains.quality[0].coverage == pytest.approx(1 / 19)
    assert "quotes of 1 day on which the exchange was shut" in chains.provenance.assumptions[-1]


def test_without_a_close_the_price_beside_the_quotes_stands(store):
    with_quotes(store, rows(TUESDAY, underlying=98.5))

    chains = loaded(store)

    assert chains.view(TUESDAY).spot("XYZ") == D("98.5")
    assert "the price beside the quotes on 1 day" in chains.provenance.assumptions[1]
    assert chains.provenance.warnings == ("NO DIVIDENDS",)


def test_without_any_price_parity_tells_it(store):
    pairs = [
        quote(TUESDAY, strike, mid - 0.05, mid + 0.05, right=right)
        for strike, call, put in ((95, 5.6, 1.2), (100, 2.4, 3.0), (105, 0.7, 6.3))
        for right, mid in ((1, call), (-1, put))
    ]
    with_quotes(store, pairs)

    chains = loaded(store)

    assert float(chains.view(TUESDAY).spot("XYZ")) == pytest.approx(99.4, abs=0.02)
    assert "put-call parity" in chains.provenance.assumptions[1]


def test_a_day_whose_price_nothing_tells_is_left_out(store):
    with_quotes(store, rows(MONDAY) + rows(TUESDAY))
    with_prices(store, "XYZ", closes({"2021-01-05": "100"}))

    chains = loaded(store)

    assert chains.sessions == (TUESDAY,)
    assert "1 day on which nothing tells its price" in chains.provenance.assumptions[-1]
    assert chains.quality[0].missing[0] == MONDAY


def test_a_snapshot_before_the_close_keeps_its_instant_and_its_price(store):
    at = np.datetime64("2021-01-05T20:45:00")  # 15:45 in New York
    early = rows(TUESDAY, quoted_at=at, underlying=97.0)
    with_prices(with_quotes(store, early), "XYZ", closes(PRICES))

    view = loaded(store).view(TUESDAY)

    assert view.chain("XYZ").as_of == datetime.fromisoformat("2021-01-05T15:45:00-05:00")
    assert view.chain("XYZ").spot == 97
    assert view.spot("XYZ") == 100  # what settles is the close


def test_interest_is_the_stored_curve_of_the_session_before(store):
    with_prices(with_quotes(store, rows(MONDAY) + rows(TUESDAY)), "XYZ", closes(PRICES))
    with_interest(store, {("2021-01-04", 30): 0.02, ("2021-01-04", 360): 0.03})

    chains = loaded(store)

    assert chains.view(TUESDAY).rates.continuous(30 / 365) == pytest.approx(0.02)
    assert chains.view(MONDAY).rates == policy_rates(MONDAY)
    assert "on 1 of 2 days" in chains.provenance.assumptions[2]


def test_official_prints_are_in_the_views(store):
    with_prices(with_quotes(store, rows(TUESDAY)), "XYZ", closes(PRICES))
    with_print(store, "SPX", TUESDAY, "3701.45")

    assert loaded(store).view(TUESDAY).prints == {("SPX", TUESDAY): D("3701.45")}


def test_what_comes_later_changes_no_view(store):
    """Quotes, closes, dividends, splits, rates and prints of after it are not in a view."""
    with_prices(with_quotes(store, rows(MONDAY) + rows(TUESDAY)), "XYZ", closes(PRICES))
    with_interest(store, {("2020-12-31", 90): 0.01})
    before = loaded(store).view(MONDAY).hash

    with_quotes(store, [*rows(date(2021, 1, 6)), quote(TUESDAY, 95, 1.21, 1.30)])
    with_quotes(store, rows(TUESDAY, root="XYZ1"))  # sorted before or after, a root of later
    with_quotes(store, rows(TUESDAY, root="XXX"))
    split = DailyPrice(date(2021, 1, 29), D(70), dividend=D(2), split_new=2, split_old=1)
    later = [DailyPrice(TUESDAY, D(150)), split]
    with_prices(store, "XYZ", later)
    with_interest(store, {("2021-01-04", 90): 0.05})
    with_print(store, "SPX", TUESDAY, "3701.45")

    assert loaded(store).view(MONDAY).hash == before


def test_modelled_rows_make_it_modelled(store):
    with_quotes(store, rows(MONDAY), "a vendor")
    with_quotes(store, rows(TUESDAY), "a model", Quotes.MODELLED)
    with_prices(store, "XYZ", closes(PRICES))

    source = loaded(store).provenance

    assert source.quotes is Quotes.MODELLED
    assert source.source == "chains: a model, a vendor"


def test_the_data_hash_changes_with_one_price_and_not_with_another_year(store):
    with_prices(with_quotes(store, rows(TUESDAY)), "XYZ", closes(PRICES))
    before = loaded(store).provenance.data_hash

    later = closes({"2022-01-03": "120"})
    with_quotes(store, rows(date(2022, 1, 3), expiry=date(2022, 2, 18)))
    with_prices(store, "XYZ", later)
    assert loaded(store).provenance.data_hash == before

    with_quotes(store, [quote(TUESDAY, 95, 1.21, 1.30)])
    assert loaded(store).provenance.data_hash != before


def test_a_period_is_cut_out_and_history_kept(store):
    with_prices(with_quotes(store, rows(MONDAY) + rows(TUESDAY)), "XYZ", closes(PRICES))

    chains = loaded(store, "XYZ", start=TUESDAY)

    assert chains.sessions == (TUESDAY,)
    assert chains.view(TUESDAY).history["XYZ"].closes.tolist() == [99.0, 100.0]
    assert chains.provenance.as_of.date() == TUESDAY


def test_history_reaches_into_the_year_before(store):
    last = date(2020, 12, 31)
    with_quotes(store, rows(last) + rows(MONDAY))
    with_prices(store, "XYZ", closes({"2020-12-31": "98", **PRICES}))

    days = loaded(store, start=MONDAY).days["XYZ"]

    assert days.days.tolist() == [last, MONDAY]
    assert days.sessions == (MONDAY,)


def test_a_day_that_the_collector_missed_is_told(store):
    with_prices(with_quotes(store, rows(MONDAY)), "XYZ", closes(PRICES))
    for symbol, day in (("XYZ", TUESDAY), ("ABC", TUESDAY), ("XYZ", MONDAY)):
        with_gap(store, symbol, day, "no answer in 30 s")

    told = loaded(store).provenance.assumptions[-1]

    assert told == "XYZ: the collector missed 1 day, first 2021-01-05: no answer in 30 s."


def test_rows_that_an_import_rejected_are_told(store, tmp_path):
    file = tmp_path / "stock.csv"
    file.write_text(
        "symbol,date,close,divCash,splitFactor\nXYZ,2021-01-05,100,0,1\nXYZ,2021-01-06,-1,0,1\n"
    )
    with_quotes(store, rows(TUESDAY))
    report = import_files("prices", [file], store)

    told = loaded(store).provenance.assumptions[-1]

    assert report.rejected == 1
    assert told == "Imports into this store rejected 1 row."


# What cannot be had.


@pytest.mark.parametrize(
    ("symbols", "start", "end", "message"),
    [
        pytest.param(["ABC"], *YEAR, "has no quotes of ABC; there are XYZ, ZZZ", id="symbol"),
        pytest.param(["xyz"], *YEAR, "did you mean XYZ?", id="lower case"),
        pytest.param([], *YEAR, "name at least one symbol of XYZ, ZZZ", id="none"),
        pytest.param(
            ["XYZ"], date(2020, 1, 2), date(2020, 6, 1),
            "no quotes of XYZ from 2020-01-02 to 2020-06-01: they run from 2021-01-04 to "
            "2021-01-05", id="earlier",
        ),
        pytest.param(
            ["XYZ"], date(2021, 3, 1), date(2021, 6, 1), "from 2021-01-04 to 2021-01-05",
            id="later in the year",
        ),
        pytest.param(["ZZZ"], *YEAR, "no price of ZZZ itself: import its daily", id="no price"),
        pytest.param(["XYZ"], YEAR[1], YEAR[0], "ends before it starts", id="turned round"),
    ],
)  # fmt: skip
def test_what_the_store_cannot_answer_is_one_line(store, symbols, start, end, message):
    both = rows(MONDAY) + rows(TUESDAY) + rows(MONDAY, symbol="ZZZ")
    with_prices(with_quotes(store, both), "XYZ", closes(PRICES))

    with pytest.raises(ValueError, match=message.replace("?", r"\?")) as refused:
        load_chains(store.place.name, symbols, start, end)

    assert "\n" not in str(refused.value)


def test_a_folder_without_a_store_says_how_to_fill_one(tmp_path):
    nowhere = tmp_path / "nowhere"

    with pytest.raises(
        NotStored, match=r"no quotes at .*nowhere: fill it with dollarbill data import"
    ) as no:
        load_chains(str(nowhere), ["SPY"], *YEAR)

    assert no.value.exit_code == 3
    assert not nowhere.exists()


def test_the_store_of_the_settings_is_a_source(store, monkeypatch):
    with_prices(with_quotes(store, rows(TUESDAY)), "XYZ", closes(PRICES))
    monkeypatch.setenv("DOLLARBILL_DATA", store.place.name)

    assert load_chains("store", ["XYZ"], *YEAR).sessions == (TUESDAY,)


def test_the_sample_is_one_of_the_sources():
    chains = load_chains("sample", ["KO"], date(2016, 1, 4), date(2016, 2, 1), 0.01)

    assert chains.provenance.quotes is Quotes.MODELLED
    assert chains.quality == ()
    assert "plus 3.0 points" in chains.provenance.assumptions[0]


def test_quotes_cannot_be_shifted(store):
    with pytest.raises(ValueError, match="modelled chains"):
        load_chains(store.place.name, ["XYZ"], *YEAR, 0.02)


def test_progress_counts_every_row(store):
    with_prices(with_quotes(store, rows(MONDAY) + rows(TUESDAY)), "XYZ", closes(PRICES))
    told: list[int] = []

    for _ in range(2):  # worked out, then from the cache
        load_chains(store.place.name, ["XYZ"], *YEAR, progress=told.append)

    assert sum(told) == 12


def test_long_work_shows_a_bar_and_short_work_none(store, capsys, monkeypatch):
    with_prices(with_quotes(store, rows(TUESDAY)), "XYZ", closes(PRICES))
    loaded(store)
    assert capsys.readouterr().err == ""

    monkeypatch.setattr(loading, "_PATIENCE", -1.0)
    loaded(store)

    assert "our vols, worked out once" in capsys.readouterr().err
