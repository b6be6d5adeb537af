"""Quotes from files: SPY of 2021 as an outsider measured it, and files that are wrong."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal as D
from pathlib import Path

import numpy as np
import pytest

from dollarbill_core.market.carry import CashDividend
from dollarbill_core.market.chains import Chain, NoQuote, Quote
from dollarbill_core.market.view import Chains
from dollarbill_core.sources.importers import delta_neutral_chains, load_chains
from dollarbill_core.sources.settings import load_settings
from dollarbill_core.values.contracts import Option, Right, Settlement
from dollarbill_core.values.provenance import Quotes, fingerprint

YEAR = date(2021, 1, 1), date(2021, 12, 31)
EARLIER = date(2020, 1, 2), date(2020, 6, 1)

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


@pytest.fixture(scope="module")
def spy() -> Chains:
    folder = load_settings().test_data / "spy_2021"
    if not folder.is_dir():
        pytest.skip(f"no real quotes at {folder}; DOLLARBILL_TEST_DATA names another folder")
    return load_chains(str(folder), ["SPY"], *YEAR)


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
    quote = view.quote(option)
    price_then = spy.view(expiry).spot("SPY")

    returns = [return_on_strike(option, price, price_then) for price in (quote.mid, quote.bid)]

    assert (view.spot("SPY"), option.strike, price_then) == (D(close), strike, D(settled))
    assert returns == [D(at_mid), D(at_bid)]


def test_the_put_writes_of_the_year_add_up(spy):
    sums = {"mid": D(0), "bid": D(0)}
    for sold, expires, *_, settled, _, _ in PUT_WRITES:
        chain = spy.days["SPY"].chain(date.fromisoformat(sold))
        option = put_nearest_the_close(chain, date.fromisoformat(expires))
        quote = chain.quote(option)
        for side in sums:
            kept = getattr(quote, side) - option.intrinsic(D(settled))
            sums[side] += 100 * kept / option.strike

    assert round(sums["mid"], 2) == D("17.11")
    assert round(sums["bid"], 2) == D("17.05")


def test_crossed_and_locked_quotes_are_kept_but_not_sound(spy):
    chains = [spy.days["SPY"].chain(day) for day in spy.sessions]

    crossed = sum(int((chain.bid > chain.ask).sum()) for chain in chains)
    unsound = sum(len(chain) - len(chain.sound) for chain in chains)

    assert (len(chains), sum(map(len, chains))) == (252, 5040)
    assert (crossed, unsound) == (17, 18)


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

    file = load_settings().test_data / "spy_2021" / "options.csv"
    table = pd.read_csv(file).sort_values("quotedate", kind="stable")
    ours = np.concatenate([spy.days["SPY"].chain(day).vol for day in spy.sessions])

    gaps = (ours - table["impliedvol"].to_numpy())[np.isfinite(ours)]

    assert len(gaps) > 5000
    assert abs(np.median(gaps)) < 0.001
    assert np.abs(np.percentile(gaps, [5, 95])).max() < 0.007


def test_vol_of_the_day_is_known_or_nan_and_lies_below_the_vix(spy):
    days = spy.days["SPY"]
    known = np.isfinite(days.vols)

    assert known.sum() >= 250
    assert 0.09 < np.nanmin(days.vols) < np.nanmax(days.vols) < 0.32


def test_the_face_says_quoted(spy):
    assert spy.provenance.quotes is Quotes.QUOTED
    assert spy.provenance.warnings == ()
    assert spy.provenance.as_of.date() == date(2021, 12, 31)
    assert spy.days["SPY"].chain(date(2021, 6, 1)).quotes is Quotes.QUOTED
    assert spy.days["SPY"].chain(date(2021, 6, 1)).option(0).settlement is Settlement.PHYSICAL


def test_history_ends_with_the_day(spy):
    history = spy.view(date(2021, 6, 1)).history["SPY"]

    assert history.days[-1] == np.datetime64("2021-06-01")


# A small file of our own, for what real files seldom show.

OPTIONS = """\
underlying,underlying_last,exchange,optionroot,optionext,type,expiration,quotedate,strike,\
last,bid,ask,volume,openinterest,impliedvol,delta,gamma,theta,vega,optionalias
XYZ,100,*,XYZ210219P00095000,,put,2021-02-19,2021-01-05,95,1.2,1.10,1.20,5,9,0.3,-0.2,0,0,0,
XYZ,100,*,XYZ210219C00105000,,call,2021-02-19,2021-01-05,105,1.2,1.00,1.10,5,9,0.3,0.2,0,0,0,
XYZ,100,*,XYZ210219P00095000,,put,2021-02-19,2021-01-04,95,1.2,1.30,1.40,5,9,0.3,-0.2,0,0,0,
ABC,50,*,ABC210219P00045000,,put,2021-02-19,2021-01-04,45,1.2,0.00,0.40,5,9,0.3,-0.2,0,0,0,
"""
STOCK = """\
symbol,date,close,divCash,splitFactor
XYZ,2021-01-04,99.0,0.0,1.0
XYZ,2021-01-05,100.0,0.25,1.0
ABC,2021-01-04,50.0,0.0,1.0
"""


def folder_of(tmp_path: Path, options: str = OPTIONS, stock: str = STOCK) -> Path:
    (tmp_path / "options.csv").write_text(options, encoding="utf-8")
    (tmp_path / "stock.csv").write_text(stock, encoding="utf-8")
    return tmp_path


def american(text: str) -> str:
    """The same file with dates as the vendor's other files write them."""
    for day in ("2021-02-19", "2021-01-05", "2021-01-04"):
        year, month, number = day.split("-")
        text = text.replace(day, f"{month}/{number}/{year}")
    return text


@pytest.mark.parametrize("form", [str, american], ids=["ISO dates", "American dates"])
def test_reads_several_underlyings_in_any_order_of_days(tmp_path, form: Callable[[str], str]):
    chains = delta_neutral_chains(folder_of(tmp_path, form(OPTIONS), STOCK))

    chain = chains.days["XYZ"].chain(date(2021, 1, 5))
    put = Option("XYZ", date(2021, 2, 19), D(95), Right.PUT)
    assert chains.symbols == ("ABC", "XYZ")
    assert chains.days["XYZ"].sessions == (date(2021, 1, 4), date(2021, 1, 5))
    assert chain.spot == 100
    assert chain.quote(put) == Quote(D("1.1000"), D("1.2000"), chain.as_of)
    assert chains.dividends["XYZ"] == (CashDividend(date(2021, 1, 5), D("0.25")),)


def test_the_yield_counts_the_dividends_of_365_days(tmp_path):
    paid = [("2020-01-06", 9.0), ("2020-01-07", 0.5), ("2020-07-01", 0.0), ("2020-12-01", 0.5)]
    rows = [f"XYZ,{day},100.0,{dollars},1.0" for day, dollars in paid]
    header, *rest = STOCK.splitlines()

    days = delta_neutral_chains(
        folder_of(tmp_path, OPTIONS, "\n".join([header, *rows, *rest]))
    ).days["XYZ"]

    assert days.yield_on(date(2020, 7, 1)) == pytest.approx(9.5 / 100)
    assert days.yield_on(date(2021, 1, 4)) == pytest.approx(10.0 / 99)
    assert days.yield_on(date(2021, 1, 5)) == pytest.approx(1.25 / 100)


def test_a_quote_without_a_bid_has_no_vol(tmp_path):
    chain = delta_neutral_chains(folder_of(tmp_path)).days["ABC"].chain(date(2021, 1, 4))

    assert len(chain.sound) == 0
    assert np.isnan(chain.vol).all()
    assert np.isnan(chain.delta).all()


def test_columns_in_another_order_and_spare_ones_are_tolerated(tmp_path):
    header, *rows = OPTIONS.splitlines()
    turned = "\n".join(",".join(reversed(line.split(","))) for line in (header, *rows)) + "\n"
    one = delta_neutral_chains(folder_of(tmp_path)).days["XYZ"].chain(date(2021, 1, 5))

    other = (
        delta_neutral_chains(folder_of(tmp_path, turned)).days["XYZ"].chain(date(2021, 1, 5))
    )

    assert fingerprint(one) == fingerprint(other)


def test_the_data_hash_changes_with_one_price(tmp_path):
    before = delta_neutral_chains(folder_of(tmp_path)).provenance.data_hash

    changed = folder_of(tmp_path, OPTIONS.replace("1.10,1.20", "1.11,1.20"))

    assert delta_neutral_chains(changed).provenance.data_hash != before


@pytest.mark.parametrize(
    ("options", "stock", "message"),
    [
        pytest.param(OPTIONS.replace(",bid", ",bit"), STOCK, "no column bid", id="column"),
        pytest.param(OPTIONS.replace("1.10,1.20", "1.1O,1.20"), STOCK, "a number", id="number"),
        pytest.param(OPTIONS.replace("2021-01-05", "2021-13-05"), STOCK, "a date", id="date"),
        pytest.param(OPTIONS.replace(",call,", ",cash,"), STOCK, "call or put", id="right"),
        pytest.param(OPTIONS.splitlines()[0] + "\n", STOCK, "no rows", id="nothing"),
        pytest.param(OPTIONS, STOCK.replace("0.25,1.0", "0.25,2.0"), "splits on", id="split"),
        pytest.param(
            OPTIONS, STOCK.replace("XYZ,2021-01-05", "XYZ,2021-01-06"), "no close of XYZ on "
            "2021-01-05", id="no close",
        ),
    ],
)  # fmt: skip
def test_refuses_a_wrong_file_in_one_line(tmp_path, options, stock, message):
    with pytest.raises(ValueError, match=message) as refused:
        delta_neutral_chains(folder_of(tmp_path, options, stock))

    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("symbols", "start", "end", "shift", "message"),
    [
        pytest.param(["QQQ"], *YEAR, 0.0, "quotes of ABC, XYZ, not of QQQ", id="symbol"),
        pytest.param(["XYZ"], *EARLIER, 0.0, "from 2021-01-04 to 2021-01-05", id="period"),
        pytest.param(["XYZ"], *YEAR, 0.02, "modelled chains", id="shift"),
    ],
)
def test_refuses_what_the_quotes_cannot_answer(tmp_path, symbols, start, end, shift, message):
    folder = folder_of(tmp_path)

    with pytest.raises(ValueError, match=message):
        load_chains(str(folder), symbols, start, end, shift)


def test_a_folder_that_is_not_there_is_named():
    with pytest.raises(ValueError, match=r"no quotes at .*nowhere"):
        load_chains("nowhere", ["SPY"], *YEAR)


def test_a_period_is_cut_out_and_history_kept(tmp_path):
    chains = load_chains(str(folder_of(tmp_path)), "XYZ", date(2021, 1, 5), date(2021, 1, 9))

    assert chains.sessions == (date(2021, 1, 5),)
    assert len(chains.days["XYZ"].closes) == 2
    assert chains.provenance.as_of.date() == date(2021, 1, 5)


def test_the_sample_is_one_of_the_sources():
    chains = load_chains("sample", ["KO"], date(2016, 1, 4), date(2016, 2, 1), 0.01)

    assert chains.provenance.quotes is Quotes.MODELLED
    assert "plus 3.0 points" in chains.provenance.assumptions[0]
