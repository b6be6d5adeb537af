"""Published yields: the bonds they speak of are worth their face at the rates made of them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.market.par_yields import overnight_rate, zero_rates

TERMS = [30 / 365, 91 / 365, 182 / 365, 1.0, 2.0, 3.0, 5.0]
# The Treasury's curve of 2024-10-07, per cent: 1, 3, 6 months, 1, 2, 3, 5 years.
PUBLISHED = [5.00, 4.77, 4.45, 4.24, 3.99, 3.89, 3.86]


@given(flat=st.floats(-0.01, 0.12))
def test_a_flat_par_curve_compounds_by_half_years(flat):
    rates = zero_rates([0.5, 1.0, 2.0, 10.0, 30.0], [flat] * 5)

    assert rates[1:] == pytest.approx([2 * math.log1p(flat / 2)] * 4, abs=1e-12)
    assert rates[0] == pytest.approx(rates[1], abs=1e-12)


@given(yields=st.lists(st.floats(-0.01, 0.15), min_size=7, max_size=7))
def test_bills_and_bonds_at_par_are_worth_their_face(yields):
    half_years = np.arange(0.5, 5.1, 0.5)
    coupons = np.interp(half_years, TERMS, yields)
    coupons[0] = np.interp(0.5, TERMS, yields)

    rates = zero_rates(TERMS, yields)
    whole = zero_rates([*half_years], [*coupons])

    for years, rate, par in zip(TERMS[:3], rates, yields, strict=False):
        assert math.exp(-rate * years) * (1 + par * years) == pytest.approx(1)
    discounts = np.exp(-whole * half_years)
    for count, coupon in enumerate(coupons, start=1):
        value = coupon / 2 * discounts[:count].sum() + discounts[count - 1]
        assert value == pytest.approx(1, abs=1e-12)
    assert rates[3:] == pytest.approx(whole[[1, 3, 5, 9]], abs=1e-12)


def test_the_curve_of_a_day_by_hand():
    rates = zero_rates(TERMS, np.array(PUBLISHED) / 100)

    half = 4.45 / 100 + (4.24 - 4.45) / 100 * (0.5 - 182 / 365) / (1 - 182 / 365)
    to_half = 1 / (1 + half / 2)
    to_year = (1 - 0.0424 / 2 * to_half) / (1 + 0.0424 / 2)
    assert rates[0] == pytest.approx(math.log(1 + 0.05 * 30 / 365) * 365 / 30)
    assert rates[3] == pytest.approx(-math.log(to_year))
    assert (np.diff(rates) < 0).all()


def test_what_is_not_published_is_not_made_up():
    rates = zero_rates(TERMS, [math.nan, 0.05, math.nan, 0.04, math.nan, 0.04, math.nan])

    assert np.isfinite(rates).tolist() == [False, True, False, True, False, True, False]
    assert np.isnan(zero_rates(TERMS, [math.nan] * 7)).all()


@pytest.mark.parametrize("terms", [[0.0, 1.0], [1.0, 0.5], [1.0, 31.0], [1.0, math.nan]])
def test_terms_that_do_not_grow_are_refused(terms):
    with pytest.raises(ValueError, match="must grow from above 0 to 30 years"):
        zero_rates(terms, [0.01, 0.01])


@given(percent=st.floats(-1, 10))
def test_overnight_money_comes_back_with_its_interest_of_a_day(percent):
    assert math.exp(overnight_rate(percent) / 365) == pytest.approx(1 + percent / 36_000)
