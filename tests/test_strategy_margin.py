"""Uncovered shorts and strangles, against published tables and against their own logic."""

from datetime import date
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.rules.strategy_margin import (
    ShortOption,
    strangle_requirement,
    uncovered_requirement,
)
from dollarbill_core.values.contracts import Option, Right

EXPIRY = date(2026, 12, 18)
FLOOR, EQUITY, BROAD = D("0.10"), D("0.20"), D("0.15")
dollars = st.decimals("0.01", "5000", places=2)


def short(right, strike, mark, spot, rate=EQUITY) -> ShortOption:
    return ShortOption(Option("XYZ", EXPIRY, D(strike), right), D(mark), D(spot), rate, FLOOR)


# Cboe, "Margin Requirement Examples for Sample Options-based Positions" (close of 2007-02-23):
# the deposits there are net of the premium; gross here. Per contract.
@pytest.mark.parametrize(
    ("right", "strike", "mark", "spot", "rate", "gross", "deposit"),
    [
        pytest.param(
            "CALL", 100, "1.68", "97.73", EQUITY, "1895.60", "1727.60", id="equity call"
        ),
        pytest.param(
            "PUT", 100, "3.18", "97.73", EQUITY, "2272.60", "1954.60", id="equity put"
        ),
        pytest.param(
            "CALL", 1460, "21.66", "1451.19", BROAD, None, "20886.85", id="index call"
        ),
        pytest.param(
            "CALL", 120, "0.50", "100", EQUITY, "1050", "1000", id="call: 10 % of spot"
        ),
        pytest.param("PUT", 80, "0.40", "100", EQUITY, "840", "800", id="put: 10 % of strike"),
        pytest.param(
            "PUT", 570, "3.10", "600", BROAD, "6310", "6000", id="ETF on a broad index"
        ),
    ],
)
def test_worked_examples(right, strike, mark, spot, rate, gross, deposit):
    required = uncovered_requirement(short(Right[right], strike, mark, spot, rate))

    assert required - 100 * D(mark) == D(deposit)
    assert gross is None or required == D(gross)


def test_straddle_is_the_greater_side_and_the_others_value():
    required = strangle_requirement(
        short(Right.PUT, 100, "2.80", 100), short(Right.CALL, 100, "3.00", 100)
    )

    assert required == D(2580)


def test_the_greater_side_counts_its_value_too():
    deep_put = short(Right.PUT, 120, "21.00", 100)
    cheap_call = short(Right.CALL, 101, "1.00", 100)

    assert strangle_requirement(deep_put, cheap_call) == 2100 + 2000 + 100


@given(strike=dollars, mark=dollars, spot=dollars)
def test_always_more_than_the_cost_to_buy_back(strike, mark, spot):
    for right in Right:
        assert uncovered_requirement(short(right, strike, mark, spot)) > 100 * mark


@given(put=dollars, call=dollars, marks=st.tuples(dollars, dollars), spot=dollars)
def test_strangle_lies_between_its_dearer_side_and_both(put, call, marks, spot):
    p, c = short(Right.PUT, put, marks[0], spot), short(Right.CALL, call, marks[1], spot)
    alone = [uncovered_requirement(side) for side in (p, c)]

    assert max(alone) < strangle_requirement(p, c) <= sum(alone)


@pytest.mark.parametrize(("mark", "spot"), [("-0.01", "100"), ("1", "0")])
def test_an_impossible_market_is_refused_by_name(mark, spot):
    with pytest.raises(ValueError, match="XYZ 2026-12-18 100 PUT"):
        short(Right.PUT, 100, mark, spot)
