"""Implied borrow: a fee put into the quotes comes out, of European and of American ones."""

import math
from dataclasses import replace
from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.market.carry import CashDividend, Rates, policy_rates
from dollarbill_core.market.dividends import projected_dividends
from dollarbill_core.market.stock_loans import implied_borrow, implied_borrows
from dollarbill_core.pricing import american
from tests.real_quotes import real_table, spx_chain, spy_chain, spy_days
from tests.smile_builder import FAR, NEAR, RATE, SMILES, YIELD, quoted_chain, years_to

PAID_IN_2020 = tuple(  # by SPY, dollars per share
    CashDividend(date(2020, month, day), Decimal(dollars))
    for month, day, dollars in [
        (3, 20, "1.4056"), (6, 19, "1.3662"), (9, 18, "1.3392"), (12, 18, "1.5800"),
    ]
)  # fmt: skip


@given(
    rate=st.floats(-0.01, 0.1),
    fee=st.floats(-0.01, 0.5),
    years=st.floats(0.01, 3),
    paid=st.floats(0, 5),
)
def test_the_fee_in_a_forward_comes_out(rate, fee, years, paid):
    forward = (100.0 - paid) * math.exp((rate - fee) * years)

    found = implied_borrow(forward, 100.0, years, Rates(rate), paid)

    assert found == pytest.approx(fee, abs=1e-9)


def test_the_rate_is_that_of_the_term():
    curve = Rates(years=(0.5, 1.0), rates=(0.02, 0.04))

    fees = [implied_borrow(100.0, 100.0, years, curve) for years in (0.5, 1.0)]

    assert fees == pytest.approx([0.02, 0.04])


@pytest.mark.parametrize(
    "given_values",
    [(0.0, 100, 1, 0), (100, 100, 0.0, 0), (100, 2, 1, 3), (math.nan, 100, 1, 0)],
)
def test_what_has_no_logarithm_is_refused(given_values):
    forward, spot, years, paid = given_values
    with pytest.raises(ValueError, match="must be above 0"):
        implied_borrow(forward, spot, years, Rates(), paid)


def test_of_an_index_without_given_dividends_the_fee_is_its_yield():
    found = implied_borrows(quoted_chain(), Rates(RATE))

    assert len(found) == len(SMILES)
    assert [x.per_year for x in found] == pytest.approx([YIELD] * len(found), abs=2e-4)
    assert all(x.error < 1e-3 for x in found)


def american_chain(fee: float):
    """A stock's chain as American prices with this fee would make it."""
    chain = quoted_chain({FAR: SMILES[FAR]}, root="SPY")
    terms = chain.right, chain.spot, chain.strike, years_to(FAR)
    mid = american.price(*terms, RATE, 0.25, fee)
    half = np.where(mid > 0.2, 0.01, np.nan)
    return replace(chain, bid=mid - half, ask=mid + half)


@pytest.mark.parametrize("fee", [0.0, 0.02, 0.12])
def test_of_american_quotes_the_fee_comes_out_as_well(fee):
    (found,) = implied_borrows(american_chain(fee), Rates(RATE), dividend_yield=0.0)

    assert found.per_year == pytest.approx(fee, abs=2e-3)


def test_a_settlement_without_pairs_is_left_out():
    chain = quoted_chain()
    calls_near = (chain.expiry == np.datetime64(NEAR)) & (chain.right == 1)

    found = implied_borrows(chain.where(~calls_near), Rates(RATE))

    assert NEAR not in [x.term.expiry for x in found]
    assert len(found) == len(SMILES) - 1


@pytest.mark.parametrize("number", [4, 5, 6, 7])
def test_a_year_ahead_the_spx_of_2011_yields_what_the_index_paid(number):
    # S&P: dividends of 2011 were 26.43 index points, 2.1 % of 1,258 at its start; at the end of
    # 2010 the trailing yield was 1.8 %. Rates: the Fed's target of 0.125 %, here 0.2 %.
    found = implied_borrows(spx_chain(date(2011, 1, number)), Rates(0.002))

    year = [x.per_year for x in found if 0.9 < x.term.years < 1.0]
    assert len(year) == 2
    assert all(0.016 < fee < 0.020 for fee in year)


def test_spy_is_easy_to_borrow_once_its_dividends_are_given():
    table = real_table("spy_2021", "stock.csv")
    paid = list(PAID_IN_2020)
    paid += [
        CashDividend(date.fromisoformat(day), Decimal(str(dollars)))
        for day, dollars in zip(table["date"], table["divCash"], strict=True)
        if dollars
    ]
    fees, bare = [], []
    for day in spy_days()[::4]:
        chain, rates = spy_chain(day), policy_rates(day)
        coming = projected_dividends(paid, day, date(2022, 12, 31))
        fees += [x.per_year for x in implied_borrows(chain, rates, coming)]
        bare += [x.per_year for x in implied_borrows(chain, rates)]

    assert len(fees) > 50
    assert abs(np.median(fees)) < 0.003
    assert 0.007 < np.mean(bare) < 0.018  # SPY yielded 1.3 % in 2021
