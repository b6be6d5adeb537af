"""From stored quotes to a day's chain: vols that were put in come out."""

import math
from datetime import date, datetime
from decimal import Decimal as D

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dollarbill_core.market.carry import policy_rates
from dollarbill_core.pricing import american, black_scholes
from dollarbill_core.storage.columns import Columns
from dollarbill_core.storage.daily import Daily, Interest
from dollarbill_core.storage.derivation import (
    Known,
    SpotFrom,
    chain_of,
    day_begun,
    rows_of,
    thirty_day_vol,
    vols_and_deltas,
)
from dollarbill_core.storage.quote_columns import NO_INSTANT
from dollarbill_core.values.calendars import close_instant, expiry_instant, years_between
from dollarbill_core.values.contracts import Option, Right

DAY = date(2021, 1, 5)
FEBRUARY, MARCH = date(2021, 2, 19), date(2021, 3, 19)
RATE = policy_rates(DAY).flat


def columns(rows: list[tuple], *, day: date = DAY, **others: object) -> Columns:
    """Mapped quotes of one day: root, expiry, right, strike, bid, ask; sorted as in a store."""
    rows = sorted(rows, key=lambda row: (row[0], row[1], row[2], row[3]))
    roots = sorted({row[0] for row in rows})
    size, number = len(rows), (day - date(1970, 1, 1)).days
    ticks = np.array([[round(10_000 * x) if x >= 0 else -1 for x in row[3:6]] for row in rows])
    arrays = {
        "days": np.array([number], np.int32),
        "starts": np.array([0, size]),
        "root": np.array([roots.index(row[0]) for row in rows], np.int16),
        "expiry": np.array([(row[1] - date(1970, 1, 1)).days for row in rows], np.int32),
        "right": np.array([row[2] for row in rows], np.int8),
        "strike": ticks[:, 0].astype(np.int32),
        "bid": ticks[:, 1].astype(np.int32),
        "ask": ticks[:, 2].astype(np.int32),
        "volume": np.full(size, -1, np.int32),
        "open_interest": np.arange(size, dtype=np.int32),
        "underlying": np.full(size, -1, np.int32),
        "quoted_at": np.full(size, NO_INSTANT),
        "vendor_vol": np.full(size, np.nan),
    } | {name: np.full(size, value) for name, value in others.items()}
    header = {"roots": roots, "kinds": ["QUOTED"], "year": day.year, "digest": "by hand"}
    return Columns(header | {"rows": size}, arrays)


def known(
    symbol: str = "XYZ", spot: float = 100.0, paid: float = 0.0, day: date = DAY
) -> Known:
    daily = Daily(np.array([day], "M8[D]"), np.array([spot]), np.array([paid]))
    return Known(symbol, daily if spot > 0 else _no_prices(), Interest())


def _no_prices() -> Daily:
    return Daily(np.empty(0, "M8[D]"), np.empty(0), np.empty(0))


def priced(root: str, vol: float, paid: float, spot: float = 100.0) -> list[tuple]:
    """Calls and puts of two expiries at their price by one vol, between bid and ask."""
    style = black_scholes if root.startswith("SPX") else american
    rows = []
    for expiry in (FEBRUARY, MARCH):
        years = years_between(
            close_instant(DAY), expiry_instant(Option(root, expiry, D(1), Right.CALL))
        )
        for right in (-1, 1):
            for strike in (90.0, 95.0, 100.0, 105.0, 110.0):
                worth = float(style.price(right, spot, strike, years, RATE, vol, paid))
                rows.append(
                    (root, expiry, right, strike, round(worth, 4), round(worth, 4) + 2e-4)
                )
    return rows


@settings(max_examples=30, deadline=None)
@given(st.floats(0.1, 0.8), st.sampled_from([0.0, 0.02, 0.06]))
def test_the_vol_that_priced_a_stocks_options_comes_out(vol, paid):
    quotes, on = columns(priced("XYZ", vol, paid)), known(paid=paid)

    found, delta = vols_and_deltas(quotes, day_begun(quotes, on, 0))

    told = np.isfinite(found)
    at_the_money = quotes["strike"] == 1_000_000
    assert told.mean() > 0.7
    assert np.abs(found - vol)[at_the_money].max() < 0.001
    assert np.nanmedian(np.abs(found - vol)) < 0.001
    assert (np.sign(delta[told]) == quotes["right"][told]).all()


@settings(max_examples=30, deadline=None)
@given(st.floats(0.1, 0.8), st.floats(-0.02, 0.05))
def test_an_index_needs_no_dividends_since_parity_tells_its_yield(vol, paid):
    quotes, on = columns(priced("SPXW", vol, paid)), known("SPX")

    begun = day_begun(quotes, on, 0)
    found, _ = vols_and_deltas(quotes, begun)

    assert begun.dividend_yield == pytest.approx(paid, abs=2e-3)
    assert np.nanmax(np.abs(found - vol)) < 0.003


def test_an_index_without_a_pair_is_taken_to_pay_what_its_prices_say():
    quotes = columns([row for row in priced("SPXW", 0.2, 0.0) if row[2] == -1])

    assert day_begun(quotes, known("SPX", paid=0.013), 0).dividend_yield == 0.013


def test_delta_is_the_slope_of_the_price_at_that_vol():
    quotes, on = columns(priced("XYZ", 0.3, 0.01)), known(paid=0.01)

    vol, delta = vols_and_deltas(quotes, day_begun(quotes, on, 0))

    put = int(np.flatnonzero((quotes["strike"] == 950_000) & (quotes["right"] == -1))[0])
    years = years_between(
        close_instant(DAY), expiry_instant(Option("XYZ", FEBRUARY, D(95), Right.PUT))
    )
    up, down = (
        float(american.price(-1, spot, 95.0, years, RATE, vol[put], 0.01))
        for spot in (100.01, 99.99)
    )
    assert delta[put] == pytest.approx((up - down) / 0.02, abs=1e-5)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        pytest.param(("XYZ", FEBRUARY, -1, 95.0, 0.0, 1.0), "no bid", id="no bid"),
        pytest.param(("XYZ", FEBRUARY, -1, 95.0, -1, -1), "not quoted", id="not quoted"),
        pytest.param(("XYZ", FEBRUARY, -1, 95.0, 1.2, 1.1), "crossed", id="crossed"),
        pytest.param(("XYZ", FEBRUARY, -1, 95.0, 1.1, 1.1), "locked", id="locked"),
        pytest.param(("XYZ", DAY, -1, 101.0, 1.0, 1.1), "no time left", id="expires today"),
        pytest.param(("XYZ1", FEBRUARY, -1, 95.0, 1.0, 1.1), "adjusted", id="adjusted"),
        pytest.param(("XYZ", FEBRUARY, 1, 90.0, 9.0, 9.9), "below exercise", id="too cheap"),
    ],
)
def test_what_cannot_be_sold_or_told_has_no_vol(row, why):
    quotes = columns([row])

    vol, delta = vols_and_deltas(quotes, day_begun(quotes, known(), 0))

    assert np.isnan(vol).all(), why
    assert np.isnan(delta).all(), why


ROWS = [("XYZ", FEBRUARY, -1, 95.0, 1.2, 1.3)]
AFTERNOON = datetime.fromisoformat("2021-01-05T15:30:00-05:00")
LATE = datetime.fromisoformat("2021-01-05T16:15:00-05:00")


def milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)


@pytest.mark.parametrize(
    ("at", "close", "beside", "spot", "source"),
    [
        pytest.param(None, 100.0, 990_000, 100.0, SpotFrom.CLOSE, id="close first"),
        pytest.param(None, 0.0, 990_000, 99.0, SpotFrom.UNDERLYING, id="no close"),
        pytest.param(None, 0.0, -1, math.nan, SpotFrom.NOWHERE, id="neither, and no pair"),
        pytest.param(AFTERNOON, 100.0, 990_000, 99.0, SpotFrom.UNDERLYING, id="early snapshot"),
        pytest.param(AFTERNOON, 100.0, -1, 100.0, SpotFrom.CLOSE, id="early, nothing beside"),
        pytest.param(LATE, 100.0, 990_000, 100.0, SpotFrom.CLOSE, id="after the close"),
    ],
)
def test_which_price_stands_beside_the_quotes(at, close, beside, spot, source):
    quoted_at = NO_INSTANT if at is None else milliseconds(at)
    quotes = columns(ROWS, underlying=np.int32(beside), quoted_at=quoted_at)

    begun = day_begun(quotes, known(spot=close), 0)

    assert begun.spot_from is source
    assert begun.spot == pytest.approx(spot, nan_ok=True)
    assert begun.at == (at if at == AFTERNOON else close_instant(DAY))


def test_parity_tells_the_spot_where_nothing_else_does():
    quotes = columns(priced("XYZ", 0.3, 0.0, spot=101.5))

    begun = day_begun(quotes, known(spot=0.0), 0)

    assert begun.spot_from is SpotFrom.PARITY
    assert begun.spot == pytest.approx(101.5, abs=0.05)


def test_on_an_early_close_the_day_ends_at_one():
    friday = date(2021, 11, 26)
    quotes = columns([("XYZ", date(2021, 12, 17), -1, 95.0, 1.2, 1.3)], day=friday)

    assert day_begun(quotes, known(day=friday), 0).at.hour == 13


@pytest.mark.parametrize("said", ["1970-01-01T00:00:00+00:00", "2021-01-04T20:45:00+00:00"])
def test_an_instant_of_another_day_is_none(said):
    """Its days to expiry would be another day's."""
    at = milliseconds(datetime.fromisoformat(said))

    begun = day_begun(columns(ROWS, underlying=np.int32(990_000), quoted_at=at), known(), 0)

    assert (begun.at, begun.spot) == (close_instant(DAY), 100.0)


def test_a_holiday_has_an_instant_all_the_same():
    quotes = columns(ROWS, day=date(2021, 1, 1))

    assert (
        day_begun(quotes, known(day=date(2021, 1, 1)), 0).at.isoformat()[:16]
        == "2021-01-01T16:00"
    )


def test_a_chain_has_the_rows_as_they_were_quoted():
    quotes = columns([*ROWS, ("XYZ", FEBRUARY, 1, 105.0, -1, 0.05)])

    chain = chain_of(quotes, rows_of(quotes, 0), "XYZ", close_instant(DAY), 100.0)

    assert chain.option(0) == Option("XYZ", FEBRUARY, D(95), Right.PUT)
    assert (chain.bid[0], chain.ask[0], chain.ask[1]) == (1.2, 1.3, 0.05)
    assert np.isnan([chain.bid[1], chain.vol[0], chain.delta[0], chain.volume[0]]).all()
    assert chain.open_interest.tolist() == [0.0, 1.0]
    assert chain.in_order


def test_the_30_day_vol_is_that_of_all_expiries():
    quotes, on = columns(priced("XYZ", 0.35, 0.0)), known()
    begun = day_begun(quotes, on, 0)
    vol, delta = vols_and_deltas(quotes, begun)

    chain = chain_of(quotes, begun.rows, "XYZ", begun.at, begun.spot, vol, delta)

    assert thirty_day_vol(chain, begun.rates) == pytest.approx(0.35, abs=0.003)
    assert math.isnan(thirty_day_vol(chain.where(np.array([], int)), begun.rates))


def test_roots_are_those_of_the_day():
    """Another root, listed on a later day of the year, is not known yet, nor renumbers any."""
    both = columns([("XYZ", MARCH, -1, 95.0, 1.2, 1.3), ("XYZ1", MARCH, -1, 95.0, 1.2, 1.3)])
    later = slice(1, 2)

    chain = chain_of(both, later, "XYZ", close_instant(DAY), 100.0)

    assert (chain.roots, chain.root.tolist()) == (("XYZ1",), [0])
    whole = chain_of(both, slice(0, 2), "XYZ", close_instant(DAY), 100.0)
    assert (whole.roots, whole.root.tolist()) == (("XYZ", "XYZ1"), [0, 1])
    assert [str(whole.option(row)).split()[0] for row in (0, 1)] == ["XYZ", "XYZ1"]
