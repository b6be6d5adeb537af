"""A book repriced: exact where nothing moves, plain prices elsewhere, odd marks included."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dollarbill_core.market.carry import Rates
from dollarbill_core.market.chains import NoQuote
from dollarbill_core.market.view import View
from dollarbill_core.pricing import american, black_scholes
from dollarbill_core.rules.revaluation import HALF_CENT, LEAST_VOL, MOST_VOL, VolFrom, held
from dollarbill_core.values.book import Book, Position
from dollarbill_core.values.calendars import close_instant, expiry_instant, years_between
from dollarbill_core.values.contracts import Instrument, Option, Right, Stock

NOW = close_instant(date(2026, 11, 2))
EXPIRY = date(2026, 12, 18)
RATE, PAID = 0.04, {"SPY": 0.012, "SPX": 0.013}
SPOTS = {"SPY": Decimal(600), "SPX": Decimal(6000), "XYZ": Decimal(50)}


def option(root: str, strike: float, right: Right, expiry: date = EXPIRY) -> Option:
    return Option(root, expiry, Decimal(str(strike)), right)


def view(marks: dict[Instrument, Decimal], now: datetime = NOW) -> View:
    return View(now, SPOTS, marks, rates=Rates(RATE), dividend_yields=PAID)


def book(*positions: tuple[Instrument, int]) -> Book:
    return Book(positions=tuple(Position(*each) for each in positions))


def fair(instrument: Option, vol: float, factor: float = 1.0, years_on: float = 0.0) -> float:
    """The plain twin: one option at a time."""
    style = black_scholes if instrument.root in {"SPX", "SPXW"} else american
    years = max(years_between(NOW, expiry_instant(instrument)) - years_on, 0.0)
    spot = float(SPOTS[instrument.underlying]) * factor
    paid = PAID.get(instrument.underlying, 0.0)
    strike = float(instrument.strike)
    return float(style.price(instrument.right, spot, strike, years, RATE, vol, paid))


def marked(*options: Option, vol: float = 0.2) -> dict[Instrument, Decimal]:
    return {each: Decimal(repr(fair(each, vol))) for each in options}


MIXED = (
    (option("SPY", 570, Right.PUT), -3),
    (option("SPY", 640, Right.CALL), -3),
    (option("SPY", 540, Right.PUT, date(2027, 1, 15)), 2),
    (option("SPXW", 5700, Right.PUT), -1),
    (option("SPX", 6300, Right.CALL), 1),
    (option("XYZ", 45, Right.PUT), -10),
)
MIXED_MARKS = marked(*(each for each, _ in MIXED))


def test_every_position_is_repriced_as_it_would_be_alone() -> None:
    arrays = held(book(*MIXED, (Stock("XYZ"), -200)), view(MIXED_MARKS))
    factors = np.array([[0.9, 0.8, 1.2], [1.05, 1.0, 0.7]])  # of SPX, SPY and XYZ

    profits = arrays.profits(factors, vol_factor=1.5, vol_points=-0.02, years_on=0.05)

    assert arrays.underlyings == ("SPX", "SPY", "XYZ")
    for column, position in enumerate(arrays.positions):
        each = position.instrument
        by_symbol = factors[:, arrays.underlyings.index(each.underlying)]
        for row, factor in enumerate(by_symbol):
            if isinstance(each, Option):
                new, old = fair(each, 0.2 * 1.5 - 0.02, factor, 0.05), fair(each, 0.2)
            else:
                new, old = 50 * factor, 50
            expected = position.quantity * each.multiplier * (new - old)
            assert profits[row, column] == pytest.approx(expected, abs=0.01)


def test_where_nothing_moves_the_profit_is_exactly_nothing() -> None:
    odd = option("SPY", 660, Right.PUT)
    marks = MIXED_MARKS | {odd: Decimal(55)}
    arrays = held(book(*MIXED, (odd, -1)), view(marks))

    assert (arrays.profits([1.0, 0.9, 1.0])[[0, 2]] == 0).all()
    assert (arrays.marks([1.0]) == arrays.mark).all()


def test_a_shorts_profit_is_the_longs_inverted() -> None:
    put = option("SPY", 570, Right.PUT)
    long, short = (held(book((put, n)), view(marked(put))) for n in (2, -2))

    assert (long.profits([0.8, 1.1]) == -short.profits([0.8, 1.1])).all()
    assert (long.value == -short.value).all()


def test_one_number_per_scenario_moves_every_underlying() -> None:
    arrays = held(book(*MIXED), view(MIXED_MARKS))
    alone = np.array([[0.9] * 3, [1.1] * 3])

    assert (arrays.profits([0.9, 1.1]) == arrays.profits(alone)).all()
    assert arrays.profits(1.0, vol_points=[0.0, 0.1, 0.2]).shape == (3, len(MIXED))
    assert arrays.profits(1.0, years_on=[0.0, 0.01]).shape == (2, len(MIXED))


# --- vols


def test_a_mark_gives_back_the_vol_it_was_made_with() -> None:
    arrays = held(book(*MIXED), view(MIXED_MARKS))

    assert arrays.vol == pytest.approx(0.2, abs=1e-7)
    assert set(arrays.vol_from) == {VolFrom.MARK}
    assert arrays.unexplained == ()


@pytest.mark.parametrize(
    ("strike", "right", "mark", "source"),
    [
        (660, Right.PUT, "60.00", VolFrom.HALF_CENT),
        (660, Right.PUT, "59.50", VolFrom.HALF_CENT),
        (540, Right.CALL, "0", VolFrom.HALF_CENT),
        (500, Right.PUT, "0", VolFrom.HALF_CENT),
        (600, Right.PUT, "700", VolFrom.LIMIT),
        (600, Right.CALL, "601", VolFrom.LIMIT),
    ],
    ids="at-exercise below-exercise below-bound worthless above-strike above-spot".split(),
)
def test_a_mark_that_no_vol_explains_is_flagged_and_still_repriced(
    strike: float, right: Right, mark: str, source: VolFrom
) -> None:
    odd = option("SPY", strike, right)
    arrays = held(book((odd, 1)), view({odd: Decimal(mark)}))

    assert arrays.unexplained == (odd,)
    assert arrays.vol_from[0] == source
    assert (arrays.vol[0] == MOST_VOL) == (source == VolFrom.LIMIT)
    profits = arrays.profits([0.5, 0.9, 1.0, 1.1, 2.0])[:, 0]
    assert np.isfinite(profits).all()
    assert (profits >= -100 * float(mark)).all()  # no long loses more than it is worth


def test_a_mark_at_its_least_takes_the_vol_of_half_a_cent_more() -> None:
    worthless = option("SPY", 500, Right.PUT)
    vol = held(book((worthless, -1)), view({worthless: Decimal(0)})).vol[0]

    assert fair(worthless, vol) == pytest.approx(HALF_CENT, abs=1e-9)


def test_a_vol_does_not_fall_through_the_floor() -> None:
    put = option("SPY", 600, Right.PUT)
    arrays = held(book((put, 1)), view(marked(put)))
    floored = 100 * (fair(put, LEAST_VOL) - fair(put, 0.2))

    for change in ({"vol_points": -0.5}, {"vol_factor": 0.0}):
        assert arrays.profits([1.0], **change)[0, 0] == pytest.approx(floored, abs=0.01)


# --- time


def test_what_settles_on_the_way_is_worth_its_intrinsic_value() -> None:
    put = option("SPY", 600, Right.PUT)
    arrays = held(book((put, -1)), view(marked(put)))

    new = arrays.marks([0.9, 1.1], years_on=1.0)[:, 0]

    assert new == pytest.approx([60.0, 0.0], abs=1e-6)


@pytest.mark.parametrize("mark", ["78", "80", "80.2", "250"])
def test_what_settles_pays_its_intrinsic_value_whatever_its_mark_was(mark: str) -> None:
    deep = option("XYZ", 130, Right.PUT)  # 80 in the money; no vol explains most of these marks
    arrays = held(book((deep, -1)), view({deep: Decimal(mark)}))

    profits = arrays.profits([0.8, 1.0, 3.0], years_on=1.0)[:, 0]

    paid = [90.0, 80.0, 0.0]
    assert profits == pytest.approx([100 * (float(mark) - each) for each in paid], abs=1e-9)


def test_an_option_that_settles_now_moves_with_its_intrinsic_value() -> None:
    for root, scale in (("SPY", 1), ("SPXW", 10)):
        put = option(root, 610 * scale, Right.PUT)
        now = expiry_instant(put)
        arrays = held(book((put, -1)), view({put: Decimal(10 * scale)}, now))

        assert arrays.years[0] == 0 and arrays.vol[0] == LEAST_VOL
        found = arrays.profits([1.0, 0.9, 1.1])[:, 0]
        assert found == pytest.approx([0, -6000 * scale, 1000 * scale])


def test_an_am_settled_option_lives_until_the_opening_print() -> None:
    morning, evening = option("SPX", 6000, Right.PUT), option("SPXW", 6000, Right.PUT)
    now = close_instant(date(2026, 12, 17))
    marks = {morning: Decimal(20), evening: Decimal(25)}

    arrays = held(book((morning, 1), (evening, 1)), view(marks, now))

    assert arrays.years * 365 * 24 == pytest.approx([17.5, 24.0])


# --- Greeks


def test_greeks_are_units_times_those_of_a_share() -> None:
    put, call = option("SPY", 570, Right.PUT), option("SPXW", 6200, Right.CALL)
    arrays = held(book((put, -2), (call, 1), (Stock("SPY"), 50)), view(marked(put, call)))

    greeks = arrays.greeks()

    by_name = dict(zip((str(p.instrument) for p in arrays.positions), range(3), strict=True))
    years = years_between(NOW, expiry_instant(put))
    one = american.greeks(-1, 600, 570, years, RATE, 0.2, 0.012)
    other = black_scholes.greeks(1, 6000, 6200, years, RATE, 0.2, 0.013)
    for name in ("price", "delta", "gamma", "vega", "theta", "rho"):
        found = getattr(greeks, name)
        assert found[by_name[str(put)]] == pytest.approx(-200 * getattr(one, name), rel=1e-5)
        assert found[by_name[str(call)]] == pytest.approx(100 * getattr(other, name), rel=1e-5)
    assert greeks.delta[by_name["SPY"]] == 50 and greeks.gamma[by_name["SPY"]] == 0
    assert greeks.price[by_name["SPY"]] == 30_000


def test_delta_is_the_slope_of_the_profit() -> None:
    arrays = held(book(*MIXED, (Stock("XYZ"), -200)), view(MIXED_MARKS))
    step = 1e-4
    up, down = arrays.profits([1 + step, 1 - step])

    slope = (up - down) / (2 * step * arrays.spots[arrays.on])

    assert arrays.greeks().delta == pytest.approx(slope, rel=1e-3, abs=1e-2)


# --- properties


@settings(max_examples=40, deadline=None)
@given(
    strike=st.integers(300, 900),
    right=st.sampled_from(list(Right)),
    mark=st.decimals(0, 700, places=2),
    factor=st.floats(0.0, 3.0),
    root=st.sampled_from(["SPY", "SPXW"]),
    hours=st.integers(0, 24 * 400),
)
def test_any_mark_is_repriced_to_a_number_that_is_not_negative(
    strike: int, right: Right, mark: Decimal, factor: float, root: str, hours: int
) -> None:
    scale = 10 if root == "SPXW" else 1
    odd = option(root, strike * scale, right)
    now = expiry_instant(odd) - timedelta(hours=hours)

    arrays = held(book((odd, 1)), view({odd: mark * scale}, now))
    new = arrays.marks([1.0, factor])[:, 0]

    assert np.isfinite(new).all() and (new >= 0).all()
    assert new[0] == float(mark * scale)


def test_an_empty_book_is_repriced_to_nothing() -> None:
    arrays = held(Book(Decimal(100)), view({}))

    assert arrays.profits([0.9, 1.1]).shape == (2, 0)
    assert arrays.greeks().delta.shape == (0,)


# --- what is refused


@pytest.mark.parametrize(
    ("instrument", "mark", "error", "message"),
    [
        (option("SPY", 570, Right.PUT), None, NoQuote, "SPY 2026-12-18 570 PUT has no mark"),
        (option("SPY", 570, Right.PUT), "-1", ValueError, "SPY 2026-12-18 570 PUT.*negative"),
        (option("SPY", 570, Right.PUT), "NaN", ValueError, "SPY 2026-12-18 570 PUT.*nan"),
        (option("SPY1", 570, Right.PUT), "3", ValueError, "SPY1 .* non-standard deliverable"),
        (
            option("SPY", 570, Right.PUT, date(2026, 10, 16)),
            "3",
            ValueError,
            "SPY 2026-10-16 570 PUT has expired",
        ),
        (option("VIX", 20, Right.CALL), "3", NoQuote, "VIX 2026-12-18 20 CALL follows the fut"),
        (Stock("QQQ"), None, NoQuote, "no price of QQQ"),
    ],
    ids="no-mark negative nan adjusted expired vix no-spot".split(),
)
def test_a_position_that_cannot_be_valued_is_named(
    instrument: Instrument, mark: str | None, error: type[ValueError], message: str
) -> None:
    marks = {} if mark is None else {instrument: Decimal(mark)}
    given_view = View(NOW, SPOTS | {"VIX": Decimal(18)}, marks, rates=Rates(RATE))

    with pytest.raises(error, match=message):
        held(book((instrument, -1)), given_view)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda h: h.profits([-0.1]), "spot_factors must be finite and not negative"),
        (lambda h: h.profits([np.nan]), "spot_factors must be finite"),
        (lambda h: h.profits([[0.9, 0.8]]), r"shape \(scenarios, 1\) for SPY, got \(1, 2\)"),
        (lambda h: h.profits([1.0], vol_factor=-1), "vol_factor must be finite and not neg"),
        (lambda h: h.profits([1.0], vol_points=np.inf), "vol_points must be finite, got inf"),
        (lambda h: h.profits([1.0], years_on=-0.1), "years_on must be finite and not negative"),
    ],
)
def test_a_scenario_without_meaning_is_refused(
    ask: Callable[..., object], message: str
) -> None:
    put = option("SPY", 570, Right.PUT)

    with pytest.raises(ValueError, match=message):
        ask(held(book((put, -1)), view(marked(put))))
