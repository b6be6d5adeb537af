"""Chains: a contract's own quote or none, and what makes a quote unfit to trade on."""

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal as D

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.market.chains import Chain, ChainDays, NoQuote, Quote, strike_of
from dollarbill_core.values.calendars import close_instant
from dollarbill_core.values.contracts import Option, Right
from dollarbill_core.values.provenance import Quotes

DAY = date(2021, 9, 17)
NEAR, FAR = date(2021, 10, 15), date(2021, 11, 19)

# root, expiry, right, strike, bid, ask
ROWS = [
    ("SPX", NEAR, 1, 4400.0, 80.0, 81.0),
    ("SPXW", NEAR, 1, 4400.0, 83.0, 84.5),
    ("SPXW", NEAR, -1, 4400.0, 60.0, 59.0),
    ("SPXW", NEAR, -1, 4300.0, 0.0, 0.5),
    ("SPXW", FAR, -1, 4300.0, 40.0, 40.0),
    ("SPXW", FAR, -1, 4200.0, np.nan, 30.0),
]


def chain(rows=ROWS, **changes) -> Chain:
    roots = ("SPX", "SPXW")
    known = {
        "symbol": "SPX",
        "as_of": close_instant(DAY),
        "spot": 4432.99,
        "quotes": Quotes.QUOTED,
        "roots": roots,
        "root": np.array([roots.index(row[0]) for row in rows], np.int8),
        "expiry": np.array([row[1] for row in rows], dtype="datetime64[D]"),
        "right": np.array([row[2] for row in rows], np.int8),
        "strike": np.array([row[3] for row in rows]),
        "bid": np.array([row[4] for row in rows]),
        "ask": np.array([row[5] for row in rows]),
        "vol": np.full(len(rows), 0.2),
        "delta": np.full(len(rows), 0.5),
    }
    return Chain(**(known | changes))


def put(strike: str, expiry: date = NEAR) -> Option:
    return Option("SPXW", expiry, D(strike), Right.PUT)


def test_a_contract_is_found_by_root_expiry_strike_and_right():
    morning, evening = (Option(root, NEAR, D(4400), Right.CALL) for root in ("SPX", "SPXW"))

    quotes = [chain().quote(option) for option in (morning, evening)]

    assert quotes == [
        Quote(D("80.0000"), D("81.0000"), close_instant(DAY)),
        Quote(D("83.0000"), D("84.5000"), close_instant(DAY)),
    ]


def test_every_row_names_the_contract_that_finds_it():
    assert [chain().row(chain().option(row)) for row in range(len(ROWS))] == list(range(6))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        pytest.param(put("4350"), "not quoted on 2021-09-17", id="strike not listed"),
        pytest.param(put("4400", FAR), "not quoted", id="expiry without that strike"),
        pytest.param(Option("XSP", NEAR, D(440), Right.PUT), "not quoted", id="another root"),
        pytest.param(put("4200", FAR), "no bid or ask", id="no number"),
    ],
)
def test_there_is_no_quote(option, message):
    with pytest.raises(NoQuote, match=message):
        chain().quote(option)


@pytest.mark.parametrize(
    ("bid", "ask", "fault"),
    [
        pytest.param("1.00", "1.10", "", id="sound"),
        pytest.param("0", "0.05", "", id="no bid, but somebody sells"),
        pytest.param("1.10", "1.00", "crossed", id="crossed"),
        pytest.param("1.10", "1.10", "locked", id="locked"),
        pytest.param("0", "0", "no ask", id="nobody"),
        pytest.param("-0.1", "1.00", "negative bid", id="negative"),
    ],
)
def test_fault_of_a_quote(bid, ask, fault):
    assert Quote(D(bid), D(ask)).fault == fault


def test_mid_and_half_spread():
    quote = Quote(D("8.98"), D("9.22"))

    assert (quote.mid, quote.half_spread) == (D("9.10"), D("0.12"))
    assert quote.mid - quote.half_spread == quote.bid


def test_only_rows_with_a_bid_below_the_ask_can_be_sold():
    assert [ROWS[0], ROWS[1]] == [
        (row.root, row.expiry, int(row.right), float(row.strike), bid, ask)
        for row, bid, ask in (
            (chain().sound.option(i), chain().sound.bid[i], chain().sound.ask[i])
            for i in range(len(chain().sound))
        )
    ]


def test_selections_keep_all_columns_together():
    puts = chain().only(Right.PUT).expiring(NEAR)

    assert puts.strike.tolist() == [4400, 4300]
    assert puts.ask.tolist() == [59.0, 0.5]
    assert puts.expiries == (NEAR,)
    assert chain().expiries == (NEAR, FAR)
    assert chain().days_to_expiry(NEAR) == 28


def test_mids_are_nan_where_nobody_bids_at_all():
    assert np.isnan(chain().mid[-1])
    assert chain().mid[0] == 80.5


@pytest.mark.parametrize(
    ("strike", "exact"),
    [(92.14, "92.14"), (600.0, "600"), (2.5, "2.5"), (0.125, "0.125"), (1e3, "1000")],
)
def test_strike_column_gives_the_exact_strike(strike, exact):
    assert str(strike_of(strike)) == exact
    assert float(strike_of(strike)) == strike


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"as_of": datetime(2021, 9, 17, 16)}, "time zone", id="naive instant"),
        pytest.param({"spot": 0.0}, "spot must be positive", id="no spot"),
        pytest.param({"spot": float("nan")}, "spot must be positive", id="unknown spot"),
        pytest.param({"bid": np.zeros(2)}, "differ in length", id="ragged"),
    ],
)
def test_refuses_a_chain_that_cannot_be(changes, message):
    with pytest.raises(ValueError, match=message):
        chain(**changes)


def chain_days(**changes) -> ChainDays:
    days = np.array(["2021-09-15", "2021-09-16", "2021-09-17"], dtype="datetime64[D]")
    known = {
        "symbol": "SPX",
        "sessions": (date(2021, 9, 16), DAY),
        "chain": lambda day: chain(as_of=close_instant(day)),
        "days": days,
        "closes": np.array([4480.7, 4473.75, 4432.99]),
        "vols": np.array([0.14, 0.15, 0.16]),
    }
    return ChainDays(**(known | changes))


def test_only_sessions_with_a_chain_are_in_the_days():
    days = chain_days()

    assert DAY in days
    assert date(2021, 9, 15) not in days  # known for history alone
    assert date(2021, 9, 20) not in days


def test_the_yield_is_that_known_on_the_day():
    growing = chain_days(yields=np.array([0.0, 0.01, 0.02]))

    assert [growing.yield_on(date(2021, 9, day)) for day in (14, 15, 16, 17, 19)] == [
        0.0, 0.0, 0.01, 0.02, 0.02,
    ]  # fmt: skip
    assert chain_days(dividend_yield=0.013).yield_on(DAY) == 0.013


@pytest.mark.parametrize("column", ["closes", "vols", "yields"])
def test_refuses_history_of_unequal_length(column):
    with pytest.raises(ValueError, match="differ in length"):
        chain_days(**{column: np.zeros(2)})


# Looking up by days, by delta, by liquidity.


def traded(**changes) -> Chain:
    """Three sound puts, 28, 28 and 63 days out, and one nobody bids for; how they trade."""
    rows = [
        ("SPXW", NEAR, -1, 4200.0, 30.0, 31.0),
        ("SPXW", NEAR, -1, 4300.0, 40.0, 42.0),
        ("SPXW", NEAR, -1, 4100.0, 0.0, 20.0),
        ("SPXW", FAR, -1, 4300.0, 60.0, 66.0),
    ]
    known = {
        "delta": np.array([-0.15, -0.25, -0.16, np.nan]),
        "volume": np.array([500.0, 20.0, np.nan, 7.0]),
        "open_interest": np.array([10.0, 2000.0, 5.0, np.nan]),
    }
    return chain(rows, **(known | changes))


@pytest.mark.parametrize(
    ("low", "high", "strikes"),
    [
        pytest.param(28, 28, [4200, 4300, 4100], id="both ends count"),
        pytest.param(29, 63, [4300], id="the far expiry"),
        pytest.param(0, 100, [4200, 4300, 4100, 4300], id="all"),
    ],
)
def test_rows_by_days_to_expiry(low, high, strikes):
    assert traded().within(low, high).strike.tolist() == strikes


@pytest.mark.parametrize(
    ("low", "high", "told"),
    [
        pytest.param(29, 62, "the nearest are 28 days out and 63 days out", id="between"),
        pytest.param(0, 20, "the nearest are 28 days out", id="too near"),
        pytest.param(70, 90, "the nearest are 63 days out", id="too far"),
    ],
)
def test_an_expiry_that_is_not_listed_is_told_with_its_neighbours(low, high, told):
    with pytest.raises(NoQuote, match=f"SPX: nothing expires {low} to {high} .*; {told}$"):
        traded().within(low, high)


def test_rows_by_delta_are_those_that_can_be_sold_nearest_first():
    assert traded().near_delta(Right.PUT, 0.16).tolist() == [0, 1]  # row 2 has no bid
    assert traded().near_delta(Right.PUT, 0.24).tolist() == [1, 0]


def test_no_row_with_a_delta_is_said():
    with pytest.raises(NoQuote, match="no call with a delta can be sold"):
        traded().near_delta(Right.CALL, 0.16)


@pytest.mark.parametrize(
    ("demand", "strikes"),
    [
        pytest.param({}, [4200, 4300, 4300], id="sound alone"),
        pytest.param({"volume": 8}, [4200, 4300], id="volume"),
        pytest.param({"open_interest": 11}, [4300], id="open interest, unknown left out"),
        pytest.param({"widest": 0.04}, [4200], id="spread"),
        pytest.param({"widest": 0.05, "volume": 20}, [4200, 4300], id="two demands"),
    ],
)
def test_rows_by_liquidity(demand, strikes):
    assert traded().liquid(**demand).strike.tolist() == strikes


@pytest.mark.parametrize(
    ("demand", "told"),
    [
        pytest.param({"volume": 501}, "has a volume of 501", id="volume"),
        pytest.param({"volume": 30, "open_interest": 99}, "an open interest of 99", id="both"),
        pytest.param({"widest": 0.01}, "has a spread of 1%", id="spread"),
    ],
)
def test_what_leaves_nothing_is_said(demand, told):
    with pytest.raises(NoQuote, match=told):
        traded().liquid(**demand)


def test_what_nobody_says_about_volume_is_unknown():
    assert np.isnan(chain().volume).all()
    assert len(chain().only(Right.PUT).open_interest) == 4


def in_order(one: Chain) -> Chain:
    """The same rows as the store has them, said to be so."""
    rows = np.lexsort((one.strike, one.right, one.expiry, one.root))
    return replace(one.where(rows), in_order=True)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["SPX", "SPXW"]), st.sampled_from([NEAR, FAR]),
            st.sampled_from([1, -1]), st.sampled_from([4100.0, 4200.0, 4300.0]),
        ),
        unique=True, max_size=24,
    )
)  # fmt: skip
def test_rows_in_order_are_found_as_others_are(contracts):
    plain = chain([(*contract, 1.0, 2.0) for contract in contracts])
    ordered = in_order(plain)

    for option in all_options():
        place = ordered.row(option)

        assert (place is None) == (plain.row(option) is None)
        assert place is None or ordered.option(place) == option


def all_options() -> list[Option]:
    return [
        Option(root, expiry, D(strike), right)
        for root in ("SPX", "SPXW")
        for expiry in (NEAR, FAR)
        for right in Right
        for strike in (4000, 4100, 4200, 4300, 4400)
    ]


def test_a_mask_keeps_the_order_and_row_numbers_may_not():
    ordered = in_order(traded())

    assert ordered.only(Right.PUT).in_order
    assert not ordered.where(np.array([2, 0])).in_order
