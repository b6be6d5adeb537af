"""What must hold of every European price: thousands of options, drawn by hypothesis."""

from typing import NamedTuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dollarbill_core.pricing.black_scholes import (
    greeks,
    greeks_from_forward,
    price,
    price_from_forward,
)
from tests.exact_options import differentiated_greeks, in_many_digits, natural_scales

OPTIONS = 25  # an example is this many at once: 100 examples make 2,500 options a property
ROUNDING = 2e-15  # of the greater of spot and strike, discounted


class Options(NamedTuple):
    """As columns, (OPTIONS, 1), so that a row of strikes or vols broadcasts beside them."""

    right: np.ndarray
    spot: np.ndarray
    strike: np.ndarray
    years: np.ndarray
    rate: np.ndarray
    vol: np.ndarray
    dividend_yield: np.ndarray

    @property
    def spot_paid(self) -> np.ndarray:
        return self.spot * np.exp(-self.dividend_yield * self.years)

    @property
    def strike_paid(self) -> np.ndarray:
        return self.strike * np.exp(-self.rate * self.years)

    @property
    def rounding(self) -> np.ndarray:
        return ROUNDING * np.maximum(self.spot_paid, self.strike_paid)


def from_unit_interval(numbers: np.ndarray) -> Options:
    """Right, spot 1 to 1e4, strike 0.1 to 10 times it, 9 hours to 3 years, vol 0.1 to 500 %."""
    right, spot, ratio, years, rate, vol, dividend_yield = numbers[:, :, None]
    spot = 10 ** (4 * spot)
    return Options(
        np.where(right < 0.5, 1.0, -1.0),
        spot,
        spot * 10 ** (2 * ratio - 1),
        10 ** (-3 + 3.5 * years),
        0.2 * rate - 0.05,
        10 ** (-3 + 3.7 * vol),
        0.2 * dividend_yield - 0.05,
    )


def numbers_between_0_and_1(options: int):
    return arrays(np.float64, (7, options), elements=st.floats(0, 1), fill=st.nothing())


options = numbers_between_0_and_1(OPTIONS).map(from_unit_interval)
few_options = numbers_between_0_and_1(2).map(from_unit_interval)


@given(options)
def test_call_less_put_is_the_forward(drawn):
    calls, puts = (price(right, *drawn[1:]) for right in (1, -1))

    missed = calls - puts - (drawn.spot_paid - drawn.strike_paid)

    assert np.all(np.abs(missed) <= drawn.rounding)


@given(options)
def test_a_price_lies_between_intrinsic_value_and_what_is_delivered(drawn):
    intrinsic = np.maximum(drawn.right * (drawn.spot_paid - drawn.strike_paid), 0)
    delivered = np.where(drawn.right > 0, drawn.spot_paid, drawn.strike_paid)

    values = price(*drawn)

    assert np.all(values >= intrinsic - drawn.rounding)
    assert np.all(values <= delivered + drawn.rounding)
    assert np.all(values >= 0)


def test_no_price_exceeds_what_is_delivered_by_a_single_bit():
    """Where the vol is great, intrinsic and time value make up the whole, but for rounding."""
    spots, ratios = np.random.default_rng(5).uniform([[1], [0.05]], [[2], [1]], (2, 20_000))

    calls = price(1, spots, spots * ratios, 1.0, 0.0, 20.0)
    puts = price(-1, spots * ratios, spots, 1.0, 0.0, 20.0)

    assert np.all(calls <= spots)
    assert np.all(puts <= spots)
    assert np.all(greeks(1, spots, spots * ratios, 1.0, 0.0, 20.0).price <= spots)
    assert np.all(price(1, spots, spots * ratios, 1.0, 0.0, 2000.0) <= spots)  # by the twin


@given(options)
def test_a_price_is_monotone_and_convex_in_strike(drawn):
    """Falling for calls, rising for puts, by no more than the discounted strike does."""
    strikes = drawn.spot * 10 ** np.linspace(-1, 1, 101)

    values = price(*drawn._replace(strike=strikes))

    slopes = drawn.right * np.diff(values) / np.diff(strikes)
    rounding = 2 * ROUNDING * strikes[:, 1:] / np.diff(strikes)
    assert np.all(slopes <= rounding)
    assert np.all(slopes >= -np.exp(-drawn.rate * drawn.years) - rounding)
    assert np.all(drawn.right * np.diff(slopes) >= -2 * rounding[:, 1:])


@given(options)
def test_a_price_is_monotone_and_convex_in_spot(drawn):
    """Rising for calls, falling for puts, by no more than the discounted spot does."""
    spots = drawn.strike * 10 ** np.linspace(-1, 1, 101)

    values = price(*drawn._replace(spot=spots))

    slopes = drawn.right * np.diff(values) / np.diff(spots)
    rounding = 2 * ROUNDING * np.maximum(spots, drawn.strike)[:, 1:] / np.diff(spots)
    assert np.all(slopes >= -rounding)
    assert np.all(slopes <= np.exp(-drawn.dividend_yield * drawn.years) + rounding)
    assert np.all(drawn.right * np.diff(slopes) >= -2 * rounding[:, 1:])


@given(options)
def test_a_price_rises_with_vol_from_the_intrinsic_value(drawn):
    values = price(*drawn._replace(vol=np.linspace(0, 5, 101)))

    intrinsic = np.maximum(drawn.right * (drawn.spot_paid - drawn.strike_paid), 0)
    assert np.all(np.diff(values) >= -drawn.rounding)
    assert np.all(np.abs(values[:, :1] - intrinsic) <= drawn.rounding)


@given(options)
def test_a_price_is_homogeneous_in_spot_and_strike(drawn):
    """Prices in cents are a hundred times those in dollars."""
    cents = drawn._replace(spot=100 * drawn.spot, strike=100 * drawn.strike)

    assert np.all(np.abs(price(*cents) - 100 * price(*drawn)) <= 100 * drawn.rounding)


@given(options)
def test_calls_and_puts_mirror_each_other(drawn):
    """A call is a put on the strike, paid in shares: spot and strike swap, rate and yield."""
    mirrored = Options(
        -drawn.right,
        drawn.strike,
        drawn.spot,
        drawn.years,
        drawn.dividend_yield,
        drawn.vol,
        drawn.rate,
    )

    assert np.all(np.abs(price(*drawn) - price(*mirrored)) <= drawn.rounding)


@given(options)
def test_signs_of_the_greeks(drawn):
    found = greeks(*drawn)

    assert np.all(drawn.right * found.delta >= 0)
    assert np.all(
        np.abs(found.delta) <= np.exp(-drawn.dividend_yield * drawn.years) * (1 + 1e-15)
    )
    assert np.all(found.gamma >= 0)
    assert np.all(found.vega >= 0)
    assert np.all(drawn.right * found.rho >= 0)


@given(options)
def test_greeks_obey_the_equation_of_black_and_scholes(drawn):
    """theta + vol^2 spot^2 gamma / 2 + (rate - yield) spot delta = rate price."""
    found = greeks(*drawn)
    convexity = 0.5 * (drawn.vol * drawn.spot) ** 2 * found.gamma
    carry = (drawn.rate - drawn.dividend_yield) * drawn.spot * found.delta

    missed = found.theta + convexity + carry - drawn.rate * found.price

    scale = natural_scales(*drawn)["theta"] + convexity
    assert np.all(np.abs(missed) <= 1e-14 * scale)


@given(options)
def test_greeks_of_a_call_and_its_put_differ_as_the_forward_does(drawn):
    calls, puts = (greeks(right, *drawn[1:]) for right in (1, -1))
    growth = np.exp(-drawn.dividend_yield * drawn.years)

    scales = natural_scales(*drawn)
    expected = {
        "delta": growth,
        "rho": drawn.years * drawn.strike_paid,
        "theta": drawn.dividend_yield * drawn.spot_paid - drawn.rate * drawn.strike_paid,
        "charm": drawn.dividend_yield * growth,
        "gamma": 0,
        "vega": 0,
        "vanna": 0,
        "volga": 0,
    }
    for name, difference in expected.items():
        missed = getattr(calls, name) - getattr(puts, name) - difference
        assert np.all(np.abs(missed) <= 4e-15 * scales[name]), name


@given(options)
def test_a_forward_gives_the_price_that_the_spot_gives(drawn):
    forward = drawn.spot * np.exp((drawn.rate - drawn.dividend_yield) * drawn.years)
    discount = np.exp(-drawn.rate * drawn.years)
    market = drawn.right, forward, drawn.strike, drawn.years, discount, drawn.vol

    values = price_from_forward(*market)

    assert np.all(np.abs(values - price(*drawn)) <= 4 * drawn.rounding)
    assert np.all(np.abs(greeks_from_forward(*market).price - values) <= drawn.rounding)


@settings(max_examples=40)
@given(few_options)
def test_greeks_are_differences_of_an_exact_price(drawn):
    """Of mpmath's price, by its numerical derivatives in sixty digits."""
    market = tuple(each.ravel() for each in drawn)
    exact = in_many_digits(differentiated_greeks, market, digits=60)

    found = greeks(*market)

    for wanted, (name, scale) in zip(exact, natural_scales(*market).items(), strict=True):
        assert np.all(np.abs(getattr(found, name) - wanted) <= 1e-13 * scale), name
