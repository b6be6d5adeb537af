"""The compiled loops of European options against their twin, and what the loops are made of."""

import math

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import ndtr

from dollarbill_core.pricing import black_scholes
from dollarbill_core.pricing.european import (
    greeks_kernel,
    log_moneyness,
    normal,
    plain_greeks,
    plain_price,
    price_kernel,
    terms,
)
from dollarbill_core.pricing.machine_code import Kernel
from tests.assembly_reader import vector_loop
from tests.exact_options import NAMES, natural_scales, random_market

INF, NAN = math.inf, math.nan
USUAL = 1.0, 100.0, 95.0, 0.5, 0.03, 0.2, 0.01


def outcome(
    kernel: Kernel, market: tuple[np.ndarray, ...], *, plain: bool = False
) -> np.ndarray:
    columns = [np.ascontiguousarray(each, dtype=float) for each in market]
    results = np.full((1 if kernel is price_kernel else 9, columns[0].size), -7.0)
    (kernel.plain if plain else kernel)(*columns, *results)
    return results


@pytest.mark.parametrize("kernel", [price_kernel, greeks_kernel], ids=["price", "greeks"])
def test_loop_is_made_of_vectors(kernel):
    """Some 190 multiplications and additions of several options at once, none of one."""
    loop = vector_loop(kernel.assembly())

    assert loop.packed >= 150
    assert loop.scalar == loop.calls == 0


def test_loop_and_twin_agree_on_random_markets():
    market = random_market(100_000)

    ours, twins = outcome(greeks_kernel, market), plain_greeks(*market)

    scales = natural_scales(*market)
    for position, name in enumerate(NAMES):
        error = np.abs(ours[position] - twins[position]) / scales[name]
        assert error.max() < 2e-12, name  # the twin's: its moneyness is not carried twice
        assert np.quantile(error, 0.99) < 1e-14, name
    error = np.abs(outcome(price_kernel, market)[0] - ours[0]) / scales["price"]
    assert error.max() < 1e-15  # other products are fused with the sums that follow
    assert_array_equal(plain_price(terms(*market)), twins[0])


def test_loop_and_interpreter_agree():
    """The loops' own text, run slowly; it rounds each product."""
    market = random_market(60)

    ours, slow = outcome(greeks_kernel, market), outcome(greeks_kernel, market, plain=True)

    for position, (name, scale) in enumerate(natural_scales(*market).items()):
        assert np.max(np.abs(ours[position] - slow[position]) / scale) < 1e-13, name
    assert_allclose(outcome(price_kernel, market, plain=True)[0], slow[0], rtol=1e-9)


@pytest.mark.parametrize("place", range(7))
@pytest.mark.parametrize("odd", [0.0, -1.0, 1e-310, 1e200, INF, -INF, NAN])
def test_loop_leaves_odd_numbers_to_the_twin(place, odd):
    """A rate or a yield may be nothing, negative or tiny."""
    market = tuple(np.array([odd if n == place else x]) for n, x in enumerate(USUAL))
    is_usual = (place in (4, 6) and abs(odd) <= 1) or (place == 0 and odd == -1)

    for kernel in (price_kernel, greeks_kernel):
        assert np.isnan(outcome(kernel, market)[0, 0]) == (not is_usual)


@pytest.mark.parametrize("kernel", [price_kernel, greeks_kernel], ids=["price", "greeks"])
def test_an_option_has_one_value_wherever_it_stands(kernel):
    """To the last bit, in the body of vectors as in what is left over at the end."""
    for market in zip(*(each[:5] for each in random_market(5)), strict=True):
        alone = outcome(kernel, tuple(np.full(1, x) for x in market))
        for size in (2, 7, 8, 9, 33):
            together = outcome(kernel, tuple(np.full(size, x) for x in market))
            assert_array_equal(together, np.repeat(alone, size, axis=1))


def test_every_result_of_a_regular_option_is_finite():
    """On the corners of what the loops take for regular."""
    corners = np.meshgrid(
        [1.0, -1.0],
        [1.1e-100, 1.0, 0.9e100],
        [1.1e-100, 1.0, 0.9e100],
        [1.1e-30, 1.0, 0.9e6],
        [-40.0, 0.0, 40.0],
        [1.1e-16, 1.0, 900.0],
        [-40.0, 0.0, 40.0],
    )
    right, spot, strike, years, rate, stdev, dividend_yield = (x.ravel() for x in corners)
    rate, dividend_yield = rate / years, dividend_yield / years
    market = right, spot, strike, years, rate, stdev / np.sqrt(years), dividend_yield

    results = outcome(greeks_kernel, market)

    assert not np.isnan(results[0]).any()
    assert np.isfinite(results[:6]).all()


def test_moneyness_keeps_its_digits_where_spot_and_carry_cancel():
    """log(spot / strike) = -0.3 and a carry of 0.3, but for the last digits of each."""
    spot, strike, years, rate = 100.0, 100.0 * math.exp(0.3), 3.0, 0.1

    ours = log_moneyness(spot, strike, years, rate, 0.0)

    with mpmath.workdps(50):
        exact = mpmath.log(mpmath.mpf(spot) / mpmath.mpf(strike)) + mpmath.mpf(rate) * 3
        assert 0 < abs(exact) < 1e-15
        assert abs(ours - exact) < 2e-18


def test_normal_is_scipys():
    x = np.linspace(-37, 37, 20_001).reshape(3, -1)

    assert_allclose(normal(x), ndtr(x), rtol=1e-12)
    assert_array_equal(normal(np.array([-INF, 0.0, INF, NAN])), [0, 0.5, 1, NAN])
    assert normal(np.array(0.0)).shape == ()


def test_public_functions_pass_odd_options_to_the_twin_only():
    """One expired option among usual ones changes nothing for its neighbours."""
    years = np.full(1000, 0.5)
    years[[0, 500, 999]] = 0.0

    mixed = black_scholes.greeks(-1, 100, 120, years, 0.03, 0.2)

    usual = black_scholes.greeks(-1, 100, 120, 0.5, 0.03, 0.2)
    for name in NAMES:
        assert_array_equal(getattr(mixed, name)[years > 0], getattr(usual, name))
    assert_array_equal(mixed.price[years == 0], 20)
    assert_array_equal(mixed.delta[years == 0], -1)
