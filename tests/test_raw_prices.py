"""Adjusting real prices and taking it out again gives the real prices, or a refusal."""

from datetime import date
from decimal import Decimal as D
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.formats.raw_prices import AdjustedPrice, NotRaw, raw_prices
from dollarbill_core.values.calendars import sessions

DAYS = sessions(date(2019, 1, 2), date(2019, 6, 28))


def adjusted(
    cents: list[int],
    dividends: dict[int, D] | None = None,
    splits: dict[int, int] | None = None,
    *,
    with_dividends: bool = True,
) -> list[AdjustedPrice]:
    """Prices as Yahoo gives them: in the last day's shares, single precision."""
    dividends, splits = dividends or {}, splits or {}
    factor, shares, found = 1.0, 1, []
    for place in range(len(cents) - 1, -1, -1):
        raw = cents[place] / 100
        close = float(np.float32(raw * factor / shares))
        paid = dividends.get(place, D(0))
        found.append(
            AdjustedPrice(
                DAYS[place], close, close, close, close, 100 * shares,
                round(paid / shares, 6), D(splits.get(place, 0)),
            )
        )  # fmt: skip
        shares *= splits.get(place, 1)
        if place and paid and with_dividends:
            eve = Fraction(cents[place - 1], 100) / splits.get(place, 1)
            factor *= float(1 - Fraction(paid) / eve)
    return found[::-1]


@given(
    cents=st.lists(st.integers(2_000, 100_000), min_size=10, max_size=len(DAYS)),
    dividends=st.dictionaries(st.integers(1, 9), st.integers(1, 300), max_size=4),
    splits=st.dictionaries(st.integers(1, 9), st.sampled_from([2, 3, 4, 10]), max_size=1),
    with_dividends=st.booleans(),
)
def test_adjusted_prices_become_what_was_traded(cents, dividends, splits, with_dividends):
    paid = {place: D(each) / 100 for place, each in dividends.items()}

    days, refused = raw_prices(
        adjusted(cents, paid, splits, with_dividends=with_dividends),
        with_dividends=with_dividends,
    )

    assert refused == []
    assert [day.close for day in days] == [D(each) / 100 for each in cents]
    assert {place: day.dividend for place, day in enumerate(days) if day.dividend} == paid
    assert {place: day.split_new for place, day in enumerate(days) if day.split_new} == splits
    assert {day.volume for day in days} == {100}


def test_a_dividend_that_is_missing_is_found_out():
    cents = [40_000 + 13 * place for place in range(100)]
    prices = adjusted(cents, {50: D("1.2778")})
    without = [
        AdjustedPrice(each.day, each.open, each.high, each.low, each.close, 1, D(0), D(0))
        for each in prices
    ]

    assert len(raw_prices(prices, with_dividends=True)[0]) == 100
    with pytest.raises(NotRaw, match=r"days, as on 2019-.* is not of whole cents"):
        raw_prices(without, with_dividends=True)


def test_a_file_that_ends_before_its_last_dividend_is_found_out():
    prices = adjusted([40_000 + 13 * place for place in range(100)], {95: D("1.27")})

    with pytest.raises(NotRaw):
        raw_prices(prices[:90], with_dividends=True)


def test_a_dividend_of_the_whole_close_is_found_out():
    eve, ex = sessions(date(2019, 1, 2), date(2019, 1, 3))
    prices = [AdjustedPrice(eve, 0.001, 0.001, 0.001, 0.001, 1, D(0), D(0)),
              AdjustedPrice(ex, 1.0, 1.0, 1.0, 1.0, 1, D("0.003"), D(0))]  # fmt: skip

    with pytest.raises(NotRaw, match="is not below the close before it"):
        raw_prices(prices, with_dividends=True)


def test_one_odd_close_is_refused_and_the_others_stand():
    prices = adjusted([40_000] * 124)
    odd = prices[7]
    prices[7] = AdjustedPrice(odd.day, 400, 400, 400, 400.005, 1, D(0), D(0))
    more = [
        AdjustedPrice(day, 400.0, 400.0, 400.0, 400.0, 1, D(0), D(0))
        for day in sessions(date(2019, 7, 1), date(2019, 12, 31))
    ]

    days, refused = raw_prices([*prices, *more], with_dividends=True)

    assert refused == [(odd.day, "close 400.0050 is not of whole cents")]
    assert len(days) == 123 + len(more)


def test_fractions_were_traded_until_2001():
    def prices(on):
        return [AdjustedPrice(on, 43.9375, 44.0, 43.875, 43.953125, 1, D(0), D(0))]

    (day,), refused = raw_prices(prices(date(1993, 2, 1)), with_dividends=True)

    assert (day.close, day.open, refused) == (D("43.953125"), D("43.9375"), [])
    with pytest.raises(NotRaw):
        raw_prices(prices(date(2003, 2, 3)), with_dividends=True)
