"""Vendors' layouts: a line in, exact rows out; headers in any order; what nobody told."""

from datetime import UTC, date, datetime
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import pytest

from dollarbill_core.formats.pieces import ImportOptions, Piece, UnreadableFile
from dollarbill_core.formats.text_files import READERS
from dollarbill_core.formats.text_formats import TEXT_FORMATS
from dollarbill_core.storage.settings import load_settings

OPTIONSDX = (
    "[QUOTE_UNIXTIME], [QUOTE_READTIME], [QUOTE_DATE], [QUOTE_TIME_HOURS], [UNDERLYING_LAST], "
    "[EXPIRE_DATE], [EXPIRE_UNIX], [DTE], [C_DELTA], [C_GAMMA], [C_VEGA], [C_THETA], [C_RHO], "
    "[C_IV], [C_VOLUME], [C_LAST], [C_SIZE], [C_BID], [C_ASK], [STRIKE], [P_BID], [P_ASK], "
    "[P_SIZE], [P_LAST], [P_DELTA], [P_GAMMA], [P_VEGA], [P_THETA], [P_RHO], [P_IV], "
    "[P_VOLUME], [STRIKE_DISTANCE], [STRIKE_DISTANCE_PCT]"
)
OPTIONSDX_LINE = (
    "1704225600, 2024-01-02 16:00, 2024-01-02, 16.000000, 472.650000, 2024-02-16, 1708119000, "
    "45.000000, 0.52341, 0.01, 0.05, -0.02, 0.007, , 900.0, 20.10, 1 x 1, 20.00, 0.00, "
    "400.000000, 2.0, 2.4, 12 x 340, 2.55, -0.2, 0.01, 0.05, -0.02, -0.004, 0.18, , 20.0, 0.04"
)
DELTANEUTRAL = (
    "underlying,underlying_last,exchange,optionroot,optionext,type,expiration,quotedate,strike,"
    "last,bid,ask,volume,openinterest,impliedvol,delta,gamma,theta,vega,optionalias"
)
DELTANEUTRAL_LINE = (
    "AAPL,647.35,*,AAPL140621P00645000,,put,06/21/2014,06/06/2014,645,8.05,8.10,8.20,12,1200,"
    "0.2412,-0.4312,0.01,-0.2,0.5,AAPL140621P00645000"
)
DOLTHUB = "date,act_symbol,expiration,strike,call_put,bid,ask,vol,delta,gamma,theta,vega,rho"
DOLTHUB_LINE = "2019-02-09,A,2019-02-15,65.0,Call,10.5,11.25,0.27,1.00,0.0,-0.004,0.0,0.012"
YFINANCE = (
    "contractSymbol,lastTradeDate,strike,lastPrice,bid,ask,change,percentChange,volume,"
    "openInterest,impliedVolatility,inTheMoney,contractSize,currency"
)
YFINANCE_LINE = (
    "SPXW260320P05000000,2026-03-09 16:16:57+00:00,5000.0,57.73,58.3,61.5,0.0,0.0,,1,"
    "1.0000000000000003e-05,False,REGULAR,USD"
)
ORATS = (
    "ticker,tradeDate,expirDate,dte,strike,stockPrice,callVolume,callOpenInterest,callBidSize,"
    "callAskSize,putVolume,putOpenInterest,putBidSize,putAskSize,callBidPrice,callValue,"
    "callAskPrice,putBidPrice,putValue,putAskPrice,callBidIv,callMidIv,callAskIv,smvVol,"
    "putBidIv,putMidIv,putAskIv,residualRate,delta,gamma,theta,vega,rho,phi,driftlessTheta,"
    "callSmvVol,putSmvVol,extSmvVol,extCallValue,extPutValue,spotPrice,quoteDate,updatedAt,"
    "snapShotEstTime,snapShotDate,expiryTod,tickerId,monthId"
)
ORATS_LINE = (
    "SPX,2024-02-02,2024-02-16,14,4935,4933.2,100,500,5,6,150,800,10,11,8.50,9.0,9.50,10.00,"
    "10.5,11.00,0.18,0.182,0.184,0.181,0.179,0.183,0.185,0.0,0.5,0.012,-2.5,1.2,0.05,-0.04,"
    "-2.4,0.182,0.181,0.181,9.1,10.6,4933.2,2024-02-02T17:14:00Z,2024-02-02T17:14:01Z,1214,"
    "2024-02-02T17:14:00Z,pm,1,100"
)
DATASHOP = (
    "underlying_symbol,quote_date,root,expiration,strike,option_type,open,high,low,close,"
    "trade_volume,bid_size_1545,bid_1545,ask_size_1545,ask_1545,underlying_bid_1545,"
    "underlying_ask_1545,implied_underlying_price_1545,active_underlying_price_1545,"
    "implied_volatility_1545,delta_1545,gamma_1545,theta_1545,vega_1545,rho_1545,bid_size_eod,"
    "bid_eod,ask_size_eod,ask_eod,underlying_bid_eod,underlying_ask_eod,vwap,open_interest,"
    "delivery_code"
)
DATASHOP_LINE = (
    "^SPX,2021-04-09,SPXW,2021-04-16,4100.000,P,0.0,0.0,0.0,0.0,77,5,66.0000,6,67.0000,4120.1,"
    "4121.9,4120.0,4121.0050,0.1200,-0.4100,0.0016,-0.5,0.01,1.08,299,64.9,222,69.5,4128.8,"
    "4128.9,0.0,1500,"
)
SAMPLES = {
    "optionsdx": (OPTIONSDX, OPTIONSDX_LINE, ImportOptions(symbol="SPY")),
    "deltaneutral": (DELTANEUTRAL, DELTANEUTRAL_LINE, ImportOptions()),
    "dolthub": (DOLTHUB, DOLTHUB_LINE, ImportOptions()),
    "yfinance": (YFINANCE, YFINANCE_LINE, ImportOptions(day=date(2026, 3, 9))),
    "orats": (ORATS, ORATS_LINE, ImportOptions()),
    "datashop": (DATASHOP, DATASHOP_LINE, ImportOptions()),
}


def read(
    folder: Path, name: str, text: str, options: ImportOptions, file: str = "quotes.csv"
) -> tuple[list[dict[str, Any]], list[Piece]]:
    path = folder / file
    path.write_text(text, encoding="utf-8")
    pieces = list(READERS[name].told(options).pieces(path))
    rows = [
        {"symbol": symbol} | row
        for piece in pieces
        for (_, symbol), table in piece.rows.items()
        for row in table.to_pylist()
    ]
    return rows, pieces


def sample(folder: Path, name: str) -> list[dict[str, Any]]:
    header, line, options = SAMPLES[name]
    rows, pieces = read(folder, name, f"{header}\n{line}\n", options)
    assert [piece.rejects for piece in pieces] == [()]
    return rows


def said(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


def test_optionsdx_gives_a_call_and_a_put(tmp_path):
    call, put = sample(tmp_path, "optionsdx")

    assert said(call) == {
        "symbol": "SPY",
        "date": date(2024, 1, 2),
        "quoted_at": datetime(2024, 1, 2, 21, 0, tzinfo=UTC),
        "root": "SPY",
        "expiry": date(2024, 2, 16),
        "settlement": "PM",
        "right": 1,
        "strike": D("400.0000"),
        "bid": D("20.0000"),
        "ask": D("0.0000"),
        "bid_size": 1,
        "ask_size": 1,
        "last": D("20.1000"),
        "volume": 900,
        "vendor_delta": 0.52341,
        "underlying": D("472.6500"),
        "source": "optionsdx",
        "kind": "QUOTED",
    }
    assert (put["right"], put["bid"], put["ask"], put["last"]) == (
        -1,
        D(2),
        D("2.4"),
        D("2.55"),
    )
    assert (put["bid_size"], put["ask_size"], put["volume"]) == (12, 340, None)
    assert (put["vendor_vol"], put["vendor_delta"]) == (0.18, -0.2)


def test_deltaneutral_has_american_dates_and_saturday_expiries(tmp_path):
    (row,) = sample(tmp_path, "deltaneutral")

    assert (row["date"], row["expiry"]) == (date(2014, 6, 6), date(2014, 6, 20))
    assert (row["symbol"], row["root"], row["right"]) == ("AAPL", "AAPL", -1)
    assert (row["bid"], row["ask"], row["last"]) == (D("8.1"), D("8.2"), D("8.05"))
    assert (row["volume"], row["open_interest"], row["vendor_vol"]) == (12, 1200, 0.2412)


def test_dolthub_has_no_root_so_it_is_the_symbol(tmp_path):
    (row,) = sample(tmp_path, "dolthub")

    assert (row["symbol"], row["root"], row["right"], row["strike"]) == ("A", "A", 1, D(65))
    assert (row["bid"], row["ask"], row["vendor_vol"]) == (D("10.5"), D("11.25"), 0.27)


def test_yfinance_has_everything_in_the_contract_but_the_day(tmp_path):
    (row,) = sample(tmp_path, "yfinance")

    assert (row["symbol"], row["root"], row["settlement"]) == ("SPX", "SPXW", "PM")
    assert (row["date"], row["expiry"]) == (date(2026, 3, 9), date(2026, 3, 20))
    assert (row["strike"], row["right"], row["volume"]) == (D(5000), -1, None)
    assert row["vendor_vol"] == 1.0000000000000003e-05


def test_orats_tells_the_half_of_the_day_and_when_it_was_quoted(tmp_path):
    call, put = sample(tmp_path, "orats")

    assert (call["symbol"], call["root"], put["root"]) == ("SPX", "SPXW", "SPXW")
    assert call["quoted_at"] == datetime(2024, 2, 2, 17, 14, tzinfo=UTC)
    assert (call["bid"], call["ask"], put["bid"], put["ask"]) == (
        D("8.5"),
        D("9.5"),
        D(10),
        D(11),
    )
    assert (call["bid_size"], put["ask_size"], put["open_interest"]) == (5, 11, 800)
    assert (call["vendor_vol"], put["vendor_vol"]) == (0.182, 0.183)
    assert (call["vendor_delta"], put["vendor_delta"]) == (0.5, None)


def test_datashop_is_read_at_a_quarter_to_four(tmp_path):
    (row,) = sample(tmp_path, "datashop")

    assert (row["symbol"], row["root"], row["settlement"]) == ("SPX", "SPXW", "PM")
    assert row["quoted_at"] == datetime(2021, 4, 9, 19, 45, tzinfo=UTC)
    assert (row["bid"], row["ask"], row["underlying"]) == (D(66), D(67), D("4121.005"))


def test_plain_csv_is_read_by_told_names(tmp_path):
    text = 'When,Best Bid,ask,OCC,Traded\n1/29/2021,"1,234.50",1235,SPXW210219C03800000,7\n'
    told = (("date", "When"), ("bid", "Best Bid"), ("contract", "OCC"), ("volume", "Traded"))

    rows, pieces = read(tmp_path, "csv", text, ImportOptions(columns=told))

    assert pieces[0].rejects == ()
    assert (rows[0]["symbol"], rows[0]["root"], rows[0]["strike"]) == ("SPX", "SPXW", D(3800))
    assert (rows[0]["date"], rows[0]["bid"]) == (date(2021, 1, 29), D("1234.50"))
    assert (rows[0]["volume"], rows[0]["source"]) == (7, "csv")


def test_plain_csv_refuses_a_column_that_is_none_of_ours():
    with pytest.raises(ValueError, match="no column of ours is called 'bids'"):
        READERS["csv"].told(ImportOptions(columns=(("bids", "Bid"),)))


@pytest.mark.parametrize("name", list(SAMPLES))
def test_columns_in_another_order_and_spare_ones_are_tolerated(tmp_path, name):
    header, line, options = SAMPLES[name]
    usual = sample(tmp_path, name)
    turned = [",".join(["spare", *reversed(each.split(","))]) for each in (header, line)]

    rows, _ = read(tmp_path, name, "\ufeff" + "\r\n".join(turned), options)

    assert rows == usual


@pytest.mark.parametrize("name", list(SAMPLES))
def test_every_column_that_is_needed_is_named_when_it_is_missing(tmp_path, name):
    header, line, options = SAMPLES[name]
    form = READERS[name].form
    for column in form.columns:
        if column.is_optional:
            continue
        other = header.replace(column.header, "other", 1)

        with pytest.raises(UnreadableFile, match=f"no column .*{column.header}") as refused:
            read(tmp_path, name, f"{other}\n{line}\n", options)

        assert "found: " in str(refused.value) and "\n" not in str(refused.value)


def test_a_column_that_stands_there_twice_is_refused(tmp_path):
    with pytest.raises(UnreadableFile, match="column bid stands there 2 times"):
        read(tmp_path, "dolthub", f"{DOLTHUB},bid\n{DOLTHUB_LINE},1\n", ImportOptions())


@pytest.mark.parametrize("form", TEXT_FORMATS, ids=lambda form: form.name)
def test_every_format_quotes_the_header_it_was_seen_with(form):
    if form.name == "csv":
        return
    for column in form.columns:
        assert column.header in form.seen


# --- what the file does not say


def test_the_symbol_of_optionsdx_stands_in_the_name_of_the_file(tmp_path):
    text = f"{OPTIONSDX}\n{OPTIONSDX_LINE}\n"

    rows, _ = read(tmp_path, "optionsdx", text, ImportOptions(), "qqq_eod_202401.txt")

    assert {row["symbol"] for row in rows} == {"QQQ"}


def test_without_a_symbol_one_line_asks_for_it(tmp_path):
    with pytest.raises(UnreadableFile, match="say --symbol"):
        read(tmp_path, "optionsdx", f"{OPTIONSDX}\n{OPTIONSDX_LINE}\n", ImportOptions())


def test_the_day_of_a_yfinance_dump_stands_in_the_name_of_the_file(tmp_path):
    text = f"{YFINANCE}\n{YFINANCE_LINE}\n"

    rows, _ = read(tmp_path, "yfinance", text, ImportOptions(), "SPX_20260309_chain.csv")

    assert rows[0]["date"] == date(2026, 3, 9)
    with pytest.raises(UnreadableFile, match="say --date"):
        read(tmp_path, "yfinance", text, ImportOptions(), "SPX_20261399.csv")


def test_morning_and_afternoon_settlement_are_not_guessed(tmp_path):
    text = f"{OPTIONSDX}\n{OPTIONSDX_LINE}\n"
    with pytest.raises(UnreadableFile, match=r"does not tell SPX .* SPXW .* --root"):
        read(tmp_path, "optionsdx", text, ImportOptions(), "spx_eod.txt")

    told = ImportOptions(roots=("NDXP", "SPXW"))
    rows, _ = read(tmp_path, "optionsdx", text, told, "spx_eod.txt")

    assert {(row["symbol"], row["root"], row["settlement"]) for row in rows} == {
        ("SPX", "SPXW", "PM")
    }


@pytest.mark.parametrize(
    ("separator", "told"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")]
)
def test_other_separators_than_commas_are_named(tmp_path, separator, told):
    text = f"{DOLTHUB}\n{DOLTHUB_LINE}\n".replace(",", separator)

    with pytest.raises(UnreadableFile, match=f"separated by {told}: save it as CSV"):
        read(tmp_path, "dolthub", text, ImportOptions())


def test_in_a_file_of_many_symbols_only_the_untold_ones_are_refused(tmp_path):
    lines = [DOLTHUB_LINE.replace(",A,", f",{symbol},") for symbol in ("SPY", "SPX", "VIX")]

    rows, pieces = read(tmp_path, "dolthub", "\n".join([DOLTHUB, *lines]), ImportOptions())

    (reject,) = pieces[0].rejects
    assert [(row["symbol"], row["root"]) for row in rows] == [("SPY", "SPY"), ("VIX", "VIX")]
    assert (reject.place, reject.reason) == (
        "line 3",
        "SPX or SPXW? the file does not tell: say --root",
    )


@pytest.mark.parametrize(
    ("written", "symbol"),
    [("BRK.B", "BRKB"), ("BRK/B", "BRKB"), ("^VIX", "VIX"), ("$DJX", "DJX")],
)
def test_symbols_are_written_as_the_occ_writes_them(tmp_path, written, symbol):
    text = f"{DOLTHUB}\n{DOLTHUB_LINE.replace(',A,', f',{written},')}\n"

    rows, _ = read(tmp_path, "dolthub", text, ImportOptions())

    assert [(row["symbol"], row["root"]) for row in rows] == [(symbol, symbol)]


def test_adjusted_roots_stay_with_their_underlying(tmp_path):
    text = f"{YFINANCE}\n{YFINANCE_LINE.replace('SPXW', 'AAPL7')}\n"

    rows, _ = read(tmp_path, "yfinance", text, ImportOptions(day=date(2026, 3, 9)))

    assert (rows[0]["symbol"], rows[0]["root"]) == ("AAPL", "AAPL7")


def test_summer_and_winter_hours_of_new_york(tmp_path):
    lines = [
        OPTIONSDX_LINE.replace("2024-01-02", day) for day in ("2024-01-02", "2024-02-15", "x")
    ]
    summer = OPTIONSDX_LINE.replace("2024-01-02", "2023-07-03").replace("16:00,", "13:00,")

    rows, pieces = read(
        tmp_path, "optionsdx", "\n".join([OPTIONSDX, *lines, summer]), ImportOptions("SPY")
    )

    hours = [row["quoted_at"].hour for row in rows if row["right"] == 1]
    assert hours == [21, 21, 17]
    assert [reject.place for reject in pieces[0].rejects] == ["line 4"]


def test_a_line_with_a_call_and_a_put_is_refused_whole(tmp_path):
    bad = OPTIONSDX_LINE.replace("2.0, 2.4,", "-2.0, 2.4,")
    expired = OPTIONSDX_LINE.replace("2024-02-16", "2023-02-16")

    rows, pieces = read(
        tmp_path,
        "optionsdx",
        "\n".join([OPTIONSDX, bad, OPTIONSDX_LINE, expired]),
        ImportOptions("SPY"),
    )

    rejects = [reject for piece in pieces for reject in piece.rejects]
    reasons = [(reject.place, reject.reason) for reject in rejects]
    assert len(rows) == 2
    assert sum(piece.read for piece in pieces) == 3
    assert reasons == [
        ("line 2", "P_BID '-2.0' is negative"),
        ("line 4", "expired on 2023-02-16, before it was quoted"),
    ]


# --- real files


def real_rows(name: str, *parts: str) -> list[dict[str, Any]]:
    file = load_settings().test_data.joinpath(*parts)
    if not file.is_file():
        pytest.skip(f"no real quotes at {file}; DOLLARBILL_TEST_DATA names another folder")
    pieces = list(READERS[name].pieces(file))
    assert [reject for piece in pieces for reject in piece.rejects] == []
    return [
        row for piece in pieces for table in piece.rows.values() for row in table.to_pylist()
    ]


def test_spy_of_2021_is_read_as_another_program_reads_it():
    rows = real_rows("deltaneutral", "spy_2021", "options.csv")

    import pandas as pd

    file = load_settings().test_data / "spy_2021" / "options.csv"
    table = pd.read_csv(file, dtype=str)
    assert len(rows) == len(table) == 5040
    assert sum(row["bid"] > row["ask"] for row in rows) == 17
    for row, (_, other) in zip(rows, table.iterrows(), strict=True):
        assert row["date"].isoformat() == other["quotedate"]
        assert row["expiry"].isoformat() == other["expiration"]
        assert row["right"] == {"call": 1, "put": -1}[other["type"]]
        for ours, theirs in (("bid", "bid"), ("ask", "ask"), ("strike", "strike"),
                             ("last", "last"), ("underlying", "underlying_last")):  # fmt: skip
            assert row[ours] == D(other[theirs])
        assert row["volume"] == int(other["volume"])
        assert row["open_interest"] == int(other["openinterest"])
        assert row["vendor_vol"] == float(other["impliedvol"])
        assert row["vendor_delta"] == float(other["delta"])


def test_spx_of_2011_is_read_as_another_program_reads_it():
    rows = real_rows("ivolatility", "spx_2011", "spx_sample_ivolatility.csv")

    import pandas as pd

    file = load_settings().test_data / "spx_2011" / "spx_sample_ivolatility.csv"
    table = pd.read_csv(file, dtype=str)
    days = pd.to_datetime(table["option_expiration"], format="%m/%d/%Y")
    assert len(rows) == len(table)
    assert {row["root"] for row in rows} == set(table["option_symbol"].str.split().str[0])
    for row, (_, other), day in zip(rows, table.iterrows(), days.dt.date, strict=True):
        assert row["date"].strftime("%m/%d/%Y") == other["date"]
        assert row["expiry"] == day
        assert (row["bid"], row["ask"]) == (D(other["bid"]), D(other["ask"]))
        assert (row["strike"], row["underlying"]) == (
            D(other["strike"]),
            D(other["stock_price_close"]),
        )
        assert row["vendor_vol"] == float(other["iv"])
        assert row["vendor_delta"] == float(other["delta"])
