"""A small public archive of our own numbers, in the layouts of the real one."""

import json
from collections.abc import Mapping
from datetime import date, timedelta
from io import BytesIO

import pyarrow as pa
import pyarrow.parquet as pq

from dollarbill_core.sources.public import INDICES, Places
from dollarbill_core.values.calendars import monthly_expiry, sessions

FIRST, LAST = date(2022, 11, 1), date(2023, 3, 31)
DAYS = sessions(FIRST, LAST)
STRIKES = range(90, 111, 2)
TICKERS = {"spy": 400.0, "iwm": 180.0}


def archive(tickers: Mapping[str, float] = TICKERS) -> dict[str, bytes]:
    """Files by path, as one server would have them all."""
    files = {}
    for ticker, spot in tickers.items():
        files[f"/chains/{ticker}/options.parquet"] = options(ticker, spot)
        files[f"/chains/{ticker}/underlying.parquet"] = underlying(spot)
    for symbol in INDICES:
        files[f"/indices/{symbol}_History.csv"] = index(symbol)
    for year in (2022, 2023):
        files[f"/treasury/{year}/all"] = treasury(year)
    files["/sofr/search.json"] = sofr()
    return files


def places(address: str) -> Places:
    return Places(*(f"{address}/{part}" for part in ("chains", "indices", "treasury", "sofr")))


def options(ticker: str, spot: float, days: tuple[date, ...] = DAYS) -> bytes:
    """Two expiries a day, one row group a month."""
    rows = [
        _option(ticker, spot, day, expiry, strike, right)
        for day in days
        for expiry in _expiries(day)
        for strike in STRIKES
        for right in ("call", "put")
    ]
    table = pa.Table.from_pylist(rows)
    out = BytesIO()
    with pq.ParquetWriter(out, table.schema) as writer:
        months = [(row["date"].year, row["date"].month) for row in rows]
        for month in dict.fromkeys(months):
            writer.write_table(table.slice(months.index(month), months.count(month)))
    return out.getvalue()


def _expiries(day: date) -> tuple[date, date]:
    later = day + timedelta(days=40)
    latest = later + timedelta(days=31)
    return monthly_expiry(later.year, later.month), monthly_expiry(latest.year, latest.month)


def _option(ticker, spot, day, expiry, percent, right):
    strike = round(spot * percent / 100)
    worth = max(spot - strike if right == "call" else strike - spot, 0.0) + 4.0
    bid = round(worth + (day.day % 7) / 100, 2)
    return {
        "contract_id": f"{ticker.upper()}{expiry:%y%m%d}{right[0].upper()}{strike * 1000:08}",
        "symbol": ticker.upper(),
        "expiration": expiry,
        "strike": float(strike),
        "type": right,
        "last": bid,
        "mark": bid + 0.02,
        "bid": bid,
        "bid_size": 10,
        "ask": round(bid + 0.05, 2),
        "ask_size": 12,
        "volume": 100 + day.day,
        "open_interest": 1000,
        "date": day,
        "implied_volatility": 0.2,
        "delta": 0.5 if right == "call" else -0.5,
    }


def underlying(spot: float) -> bytes:
    rows = [
        {
            "date": day,
            "open": spot,
            "high": spot + 1.0,
            "low": spot - 1.0,
            "close": spot + 0.25,
            "adjusted_close": spot * 0.9,
            "volume": 1_000_000,
            "dividend_amount": 1.781 if day == date(2022, 12, 16) else 0.0,
            "split_coefficient": 1.0,
        }
        for day in DAYS
    ]
    out = BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), out)
    return out.getvalue()


def index(symbol: str) -> bytes:
    if symbol in ("VVIX", "SKEW"):
        lines = [f"DATE,{symbol}", *(f"{day:%m/%d/%Y},{90 + day.day / 10:.6f}" for day in DAYS)]
    else:
        lines = ["DATE,OPEN,HIGH,LOW,CLOSE"]
        lines += [f"{day:%m/%d/%Y},20.000000,21.5,19.5,{20 + day.day / 100}" for day in DAYS]
    return "\n".join(lines).encode()


def treasury(year: int) -> bytes:
    """Newest first, as the Treasury has it."""
    days = [day for day in reversed(DAYS) if day.year == year]
    lines = ['Date,"1 Mo","3 Mo","6 Mo","1 Yr","2 Yr"']
    lines += [f"{day:%m/%d/%Y},4.00,4.20,4.40,4.50,4.30" for day in days]
    return "\n".join(lines).encode()


def sofr() -> bytes:
    rows = [
        {"effectiveDate": day.isoformat(), "type": "SOFR", "percentRate": 4.05} for day in DAYS
    ]
    return json.dumps({"refRates": rows}).encode()
