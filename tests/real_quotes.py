"""Real quotes for tests, read from the folder that DOLLARBILL_TEST_DATA names, or skipped."""

from datetime import date
from functools import cache
from typing import Any

import numpy as np
import pytest

from dollarbill_core.market.chains import Chain
from dollarbill_core.storage.settings import load_settings
from dollarbill_core.values.calendars import close_instant
from dollarbill_core.values.provenance import Quotes


@cache
def real_table(*parts: str) -> Any:
    """A CSV of the folder as a frame; the test is skipped where it is absent."""
    import pandas as pd

    file = load_settings().test_data.joinpath(*parts)
    if not file.is_file():
        pytest.skip(f"no real quotes at {file}; DOLLARBILL_TEST_DATA names another folder")
    return pd.read_csv(file)


def spx_chain(day: date) -> Chain:
    """SPX on a day of 3 to 7 January 2011; the root SPX settles in the morning, others later.

    ``vol`` and ``delta`` are the vendor's.
    """
    table = real_table("spx_2011", "spx_sample_ivolatility.csv")
    rows = table[table["date"] == f"{day:%m/%d/%Y}"]
    roots = rows["option_symbol"].str[:6].str.strip()
    expiries = [f"{x[6:]}-{x[:2]}-{x[3:5]}" for x in rows["option_expiration"]]
    return Chain(
        symbol="SPX",
        as_of=close_instant(day),
        spot=float(rows["stock_price_close"].iloc[0]),
        quotes=Quotes.QUOTED,
        roots=("SPX", "SPXW"),
        root=(roots != "SPX").to_numpy(np.int8),
        expiry=np.array(expiries, dtype="datetime64[D]"),
        right=np.where(rows["call/put"] == "C", 1, -1).astype(np.int8),
        strike=rows["strike"].to_numpy(float),
        bid=rows["bid"].to_numpy(float),
        ask=rows["ask"].to_numpy(float),
        vol=rows["iv"].to_numpy(float),
        delta=rows["delta"].to_numpy(float),
    )


def spy_days() -> list[date]:
    """The trading days of 2021 on which SPY options are known."""
    table = real_table("spy_2021", "options.csv")
    return [date.fromisoformat(day) for day in sorted(set(table["quotedate"]))]


def spy_chain(day: date) -> Chain:
    """SPY on a day of 2021: the twenty most traded contracts; American.

    ``vol`` and ``delta`` are the vendor's.
    """
    table = real_table("spy_2021", "options.csv")
    rows = table[table["quotedate"] == day.isoformat()]
    return Chain(
        symbol="SPY",
        as_of=close_instant(day),
        spot=float(rows["underlying_last"].iloc[0]),
        quotes=Quotes.QUOTED,
        roots=("SPY",),
        root=np.zeros(len(rows), np.int8),
        expiry=rows["expiration"].to_numpy(dtype="datetime64[D]"),
        right=np.where(rows["type"] == "call", 1, -1).astype(np.int8),
        strike=rows["strike"].to_numpy(float),
        bid=rows["bid"].to_numpy(float),
        ask=rows["ask"].to_numpy(float),
        vol=rows["impliedvol"].to_numpy(float),
        delta=rows["delta"].to_numpy(float),
    )
