"""Contracts: symbols read from the right, one spelling per contract, signs of legs."""

from datetime import date, datetime
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.values.contracts import (
    Action,
    Direction,
    Leg,
    Option,
    Right,
    Settlement,
    Stock,
    cents,
    dollars_per_share,
)

EXPIRY = date(2026, 12, 18)
options = st.builds(
    Option,
    st.from_regex(r"[A-Z]{1,5}[0-9]?", fullmatch=True),
    st.dates(date(1990, 1, 2), date(2089, 12, 31)),
    st.integers(1, 99_999_999).map(lambda thousandths: D(thousandths) / 1000),
    st.sampled_from(Right),
)


# Source: Options Symbology Initiative: root, yymmdd, C or P, strike x 1000 in eight digits.
@pytest.mark.parametrize(
    ("symbol", "root", "expiry", "right", "strike"),
    [
        pytest.param("SPY261218P00600000", "SPY", "2026-12-18", Right.PUT, "600", id="O01"),
        pytest.param("AAPL241213C00250000", "AAPL", "2024-12-13", Right.CALL, "250", id="O02"),
        pytest.param("SPXW261120P06500000", "SPXW", "2026-11-20", Right.PUT, "6500", id="O03"),
        pytest.param("SPY1261218P00600000", "SPY1", "2026-12-18", Right.PUT, "600", id="O06"),
        pytest.param("QS240301C00004500", "QS", "2024-03-01", Right.CALL, "4.5", id="A01"),
        pytest.param(
            "AAPL140621C00092140", "AAPL", "2014-06-21", Right.CALL, "92.14", id="7:1"
        ),
        pytest.param(
            "SPX   991218C01400000", "SPX", "1999-12-18", Right.CALL, "1400", id="old"
        ),
    ],
)
def test_an_occ_symbol_is_read_from_the_right(symbol, root, expiry, right, strike):
    option = Option.from_occ(symbol)

    assert option == Option(root, date.fromisoformat(expiry), D(strike), right)
    assert option.occ == symbol.replace(" ", "")


def test_an_adjusted_root_says_so_and_names_its_underlying():  # O06, O07
    adjusted = Option.from_occ("SPY1261218P00600000")

    assert (adjusted.is_adjusted, adjusted.underlying) == (True, "SPY")
    assert not Option.from_occ("SPY261218P00600000").is_adjusted
    # What exercise costs is strike x multiplier, whatever is delivered (O07).
    xyz = Option.from_occ("XYZ1261218C00050000")
    assert xyz.multiplier * xyz.strike == 5000


@given(options)
def test_every_option_comes_back_from_its_symbol(option):
    back = Option.from_occ(option.occ)

    assert back == option
    assert repr(back) == repr(option)
    assert hash(back) == hash(option)


@pytest.mark.parametrize(
    "symbol",
    [
        "",
        "SPY",
        "261218P00600000",  # no root
        "SPY261218X00600000",
        "SPY261318P00600000",  # month 13
        "SPY260229P00600000",  # no leap year
        "SPY261218P0060000",  # seven digits
        "SPY261218P00000000",  # no strike
        "spy261218P00600000",
        "TOOLONG261218P00600000",
        "SPY26121²P00600000",
    ],
)
def test_what_is_no_symbol_is_refused(symbol):
    with pytest.raises(ValueError):  # noqa: PT011  # each for its own reason
        Option.from_occ(symbol)


@pytest.mark.parametrize("strike", ["600", "600.0", "600.000", "6E+2"])
def test_one_contract_has_one_spelling(strike):
    option = Option("SPY", EXPIRY, D(strike), Right.PUT)

    assert repr(option.strike) == "Decimal('600')"
    assert str(option) == "SPY 2026-12-18 600 PUT"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"root": ""}, "root"),
        ({"root": "SEVENCH"}, "root"),
        ({"root": "BRK.B"}, "letters and digits"),
        ({"root": "spy"}, "upper case"),
        ({"strike": D(0)}, "positive"),
        ({"strike": D("100.0005")}, "at most 3 decimals"),
        ({"strike": D(100_000)}, "below 100000"),
        ({"strike": D("NaN")}, "finite"),
        ({"strike": 100.0}, "Decimal"),
        ({"expiry": datetime(2026, 12, 18)}, "date"),
        ({"expiry": date(1989, 12, 15)}, "1990"),
        ({"right": 1}, "Right.CALL or Right.PUT"),
    ],
)
def test_a_contract_that_cannot_be_is_refused(change, message):
    fields = {"root": "SPY", "expiry": EXPIRY, "strike": D(600), "right": Right.PUT}

    with pytest.raises(ValueError, match=message):
        Option(**(fields | change))


@pytest.mark.parametrize("symbol", ["", "spy", " SPY"])
def test_a_stock_needs_a_symbol(symbol):
    with pytest.raises(ValueError, match="upper case"):
        Stock(symbol)


@pytest.mark.parametrize(
    ("root", "underlying", "settlement", "am"),
    [
        ("SPX", "SPX", Settlement.CASH, True),
        ("SPXW", "SPX", Settlement.CASH, False),
        ("XSP", "XSP", Settlement.CASH, False),
        ("VIX", "VIX", Settlement.CASH, True),
        ("SPY", "SPY", Settlement.PHYSICAL, False),
    ],
)
def test_how_a_root_settles(root, underlying, settlement, am):
    option = Option(root, EXPIRY, D(100), Right.CALL)

    assert option.underlying == underlying
    assert (option.settlement, option.is_am_settled) == (settlement, am)
    assert option.is_european == (settlement is Settlement.CASH)


@pytest.mark.parametrize(
    ("right", "spot", "intrinsic", "otm"),
    [
        (Right.CALL, "104.50", "4.50", "0"),
        (Right.CALL, "95", "0", "5"),
        (Right.PUT, "95", "5", "0"),
        (Right.PUT, "104.50", "0", "4.50"),
        (Right.PUT, "100", "0", "0"),
    ],
)
def test_intrinsic_and_distance(right, spot, intrinsic, otm):
    option = Option("XYZ", EXPIRY, D(100), right)

    assert option.intrinsic(D(spot)) == D(intrinsic)
    assert option.out_of_the_money_by(D(spot)) == D(otm)
    assert not option.intrinsic(D(spot)).is_signed()  # never minus nothing


@pytest.mark.parametrize(
    ("instrument", "quantity", "action"),
    [
        (Option("XYZ", EXPIRY, D(100), Right.CALL), 1, Action.BUY_CALL),
        (Option("XYZ", EXPIRY, D(100), Right.PUT), 2, Action.BUY_PUT),
        (Option("XYZ", EXPIRY, D(100), Right.CALL), -3, Action.SELL_CALL),
        (Option("XYZ", EXPIRY, D(100), Right.PUT), -1, Action.SELL_PUT),
        (Stock("XYZ"), 100, Action.BUY),
        (Stock("XYZ"), -100, Action.SELL),
    ],
)
def test_the_sign_of_a_leg_is_its_action(instrument, quantity, action):
    leg = Leg(instrument, quantity)

    assert leg.action is action
    assert leg.direction is (Direction.LONG if quantity > 0 else Direction.SHORT)
    assert leg.direction.is_short == (quantity < 0)
    assert str(leg) == f"{quantity:+d} {instrument}"


@pytest.mark.parametrize("quantity", [0, 1.0, True, "1"])
def test_a_leg_is_a_whole_number_and_not_nothing(quantity):
    with pytest.raises(ValueError, match="quantity"):
        Leg(Stock("XYZ"), quantity)


def test_a_right_is_the_sign_of_every_formula():
    assert (int(Right.CALL), int(Right.PUT)) == (1, -1)


def test_floats_become_money_in_one_place():
    assert dollars_per_share(2.00005) == D("2.0001")
    assert dollars_per_share(2.00004999) == D("2.0000")
    assert cents(D("2.005")) == D("2.01")
    for nothing in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="finite"):
            dollars_per_share(nothing)
