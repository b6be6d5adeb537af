"""Legs and time values beyond float64's digits, against mpmath."""

import math
from decimal import Decimal
from fractions import Fraction

import mpmath
import numpy as np
import pytest

from dollarbill_core.pricing.implied_vol import explained
from dollarbill_core.pricing.time_value import (
    discounted,
    exact,
    exact_product,
    exactly_discounted,
    nought_if_finite,
    product_parts,
    reduced,
)
from tests.quoted_options import adversarial_quotes, random_quotes
from tests.vol_certificate import share_of_tolerance

INF, NAN = math.inf, math.nan


def exact_reduction(row: tuple[float, ...]) -> tuple[mpmath.mpf, ...]:
    """``k``, ``v`` and ``w`` by their definitions."""
    right, quote, spot, strike, years, rate, dividend_yield = map(mpmath.mpf, row)
    a, b = spot * mpmath.exp(-dividend_yield * years), strike * mpmath.exp(-rate * years)
    bound = a if right > 0 else b
    value = quote - max(right * (a - b), 0)
    return abs(mpmath.log(a / b)), value / min(a, b), (bound - quote) / min(a, b)


def fast_reduction(row: tuple[float, ...]) -> tuple[float, float, float, float]:
    right, quote, spot, strike, years, rate, dividend_yield = row
    spot_paid, strike_paid = (
        discounted(spot, dividend_yield, years),
        discounted(strike, rate, years),
    )
    return reduced(right, quote, *spot_paid, *strike_paid)


def rows_of(quotes: tuple[np.ndarray, ...]) -> list[tuple[float, ...]]:
    return list(zip(*(column.tolist() for column in quotes), strict=True))


def test_discounted_amounts_carry_65_bits():
    rng = np.random.default_rng(5)
    exponents = np.concatenate([rng.uniform(-0.4, 0.4, 3_000), rng.uniform(-600, 600, 500)])
    years = rng.uniform(0.001, 3, exponents.size)

    with mpmath.workdps(40):
        for amount, rate, t in zip(
            rng.uniform(1e-3, 1e5, years.size), exponents / years, years, strict=True
        ):
            high, low = discounted(amount, rate, t)
            true = mpmath.mpf(amount) * mpmath.exp(-mpmath.mpf(rate) * mpmath.mpf(t))
            assert abs(high + mpmath.mpf(low) - true) <= 2.0**-65 * true
            assert high + low == high


def test_nothing_to_discount_changes_nothing():
    assert discounted(123.456, 0.0, 2.0) == (123.456, 0.0)
    assert discounted(123.456, 0.07, 0.0) == (123.456, 0.0)


def test_products_carry_75_bits():
    rng = np.random.default_rng(6)

    with mpmath.workdps(40):
        for left, right in rng.uniform(0.5, 100, (2_000, 2)).tolist():
            high, low = product_parts(left, right)
            true = mpmath.mpf(left) * mpmath.mpf(right)
            assert abs(high + mpmath.mpf(low) - true) <= 2.0**-75 * true


@pytest.mark.parametrize("draw", [random_quotes, adversarial_quotes])
def test_reduction_is_exact_or_left_to_a_hundred_digits(draw):
    """Off by less than what moves the vol by a tenth of its tolerance: 0.4 ulp of the price, or
    1e-13 of the time value."""
    rows = [row for row in rows_of(draw(3_000, 2)) if row[1] > 0]
    left = 0

    with mpmath.workdps(60):
        for row in rows:
            k, v, w, ulp = fast_reduction(row)
            true_k, true_v, true_w = exact_reduction(row)
            if v == INF:
                left += 1
                continue
            assert abs(k - true_k) <= 4e-16 * true_k + 1e-16 * min(true_k, 1) + 2e-20
            assert abs(v - true_v) <= max(ulp, 1e-13 * abs(true_v))
            assert abs(w - true_w) <= max(ulp, 1e-15 * abs(true_w))
            assert (v > 0, w > 0) == (true_v > 0, true_w > 0)
    assert left <= (2 if draw is random_quotes else 0.4 * len(rows))


def test_in_a_hundred_digits():
    with mpmath.workdps(60):
        for row in rows_of(adversarial_quotes(300, 3)):
            right, quote, spot, strike, years, rate, dividend_yield = row
            spot_paid = exactly_discounted(spot, dividend_yield, years)
            found = exact(int(right), quote, spot_paid, exactly_discounted(strike, rate, years))
            k, v, w = exact_reduction(row)

            assert found.distance == pytest.approx(float(k), rel=1e-15)
            assert found.log_value == pytest.approx(
                float(mpmath.log(v)) if v > 0 else -INF, rel=1e-15
            )
            assert found.log_room == pytest.approx(
                float(mpmath.log(w)) if w > 0 else -INF, rel=1e-14
            )


def test_hundred_digits_of_products_and_legs_beyond_range():
    product = Fraction(0.1) * Fraction(0.7)

    assert abs(Fraction(exact_product(0.1, 0.7)) - product) <= product / 10**99
    assert exact(1, 5.0, exactly_discounted(1.0, 1e300, 1.0), Decimal(1)) is None
    assert exact(1, 5.0, exactly_discounted(1.0, -1e300, 1.0), Decimal(1)) is None


def test_infinities_and_nan_void_a_result():
    assert nought_if_finite(1e308) == 0.0
    assert all(math.isnan(nought_if_finite(number)) for number in (INF, -INF, NAN))


@pytest.mark.parametrize(
    "row",
    [
        pytest.param((1.0, 1e90, 1e-200, 1e95, 1.0, 0.0, -700.0), id="carry beyond 690"),
        pytest.param((1.0, 4e-310, 1e-285, 1e-285, 1.0, 0.0, 0.0), id="no digits left"),
        pytest.param((1.0, 1e280, 1e295, 1e295, 1.0, 0.0, 0.0), id="huge legs"),
        pytest.param((1.0, 1e-9, 100.0, 100.0, 1.0, 0.01, 0.0), id="next to nothing"),
        pytest.param((1.0, 10.0, 110.0, 100.0, 1.0, 1e-20, 0.0), id="within the legs' error"),
    ],
)
def test_what_these_digits_do_not_settle_is_left(row):
    assert fast_reduction(row)[1] == INF
    assert shares_of(row) <= 1.0


def shares_of(row: tuple[float, ...]) -> float:
    vol, reason = explained(*row)
    return share_of_tolerance(row, float(vol), int(reason))
