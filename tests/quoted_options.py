"""Quotes to find vols for: random ones, and those that lie in wait for an implied vol."""

import numpy as np

from dollarbill_core.pricing.black_scholes import price

Quotes = tuple[np.ndarray, ...]  # right, price, spot, strike, years, rate, dividend yield

SHORTEST, LONGEST = 0.25 / 365, 3.0  # years
CALMEST, WILDEST = 0.01, 5.0  # vol


def random_quotes(count: int, seed: int) -> Quotes:
    """Both rights, up to 8 deviations from the money, a quarter of a day to three years, vol
    of 1 % to 500 %, discounted, with dividends; one in twenty at the forward."""
    rng = np.random.default_rng(seed)
    years, vol = _years(rng, count), _vol(rng, count)
    spot = _between(rng, 0.01, 1e5, count)
    rate, dividend_yield = rng.uniform(-0.03, 0.10, (2, count))
    deviations = rng.uniform(-8, 8, count) * (rng.random(count) < 0.95)
    return _priced(rng, spot, years, rate, vol, dividend_yield, deviations)


def adversarial_quotes(count: int, seed: int) -> Quotes:
    """As many of each kind below, shuffled."""
    rng = np.random.default_rng(seed)
    kinds = [
        at_the_money_to_the_last_digit,
        next_to_a_bound,
        tiny_and_huge_strikes,
        tiny_and_huge_units,
        hardly_any_vol,
        hardly_any_price,
        next_to_the_upper_bound,
        far_in_the_money,
        where_methods_change,
        much_carry,
    ]
    shares = [kind(rng, count // len(kinds) + 1) for kind in kinds]
    order = rng.permutation(sum(share[0].size for share in shares))[:count]
    return tuple(np.concatenate(column)[order] for column in zip(*shares, strict=True))


def at_the_money_to_the_last_digit(rng: np.random.Generator, count: int) -> Quotes:
    """Strikes a few 1e-16 off the forward or the spot; the rate, the yield or both may be 0."""
    spot, years, vol = _between(rng, 1, 1e4, count), _years(rng, count), _vol(rng, count)
    rate, dividend_yield = rng.uniform(-0.03, 0.10, (2, count)) * rng.integers(0, 2, (2, count))
    forward = spot * np.exp((rate - dividend_yield) * years * rng.integers(0, 2, count))
    strike = forward * (1 + rng.integers(-4, 5, count) * 2.0**-53)
    right = rng.choice([1.0, -1.0], count)
    quote = price(right, spot, strike, years, rate, vol, dividend_yield)
    return right, _nudged(rng, quote, 3), spot, strike, years, rate, dividend_yield


def next_to_a_bound(rng: np.random.Generator, count: int) -> Quotes:
    """Prices a few roundings above or below intrinsic value, zero or the upper bound."""
    spot, years, vol = _between(rng, 1, 1e4, count), _years(rng, count), _vol(rng, count)
    rate, dividend_yield = rng.uniform(-0.03, 0.10, (2, count)) * rng.integers(0, 2, (2, count))
    near = rng.choice([1e-16, 1e-12, 1e-8, 1e-4, 1.0], count)
    strike = spot * np.exp(
        (rate - dividend_yield) * years + near * vol * rng.normal(0, 1, count)
    )
    right = rng.choice([1.0, -1.0], count)
    a, b = spot * np.exp(-dividend_yield * years), strike * np.exp(-rate * years)
    intrinsic = np.maximum(right * (a - b), 0.0)
    bound = np.where(rng.random(count) < 0.7, intrinsic, np.where(right > 0, a, b))
    quote = _nudged(rng, bound, rng.choice([3, 100, 1e6]))
    return right, quote, spot, strike, years, rate, dividend_yield


def tiny_and_huge_strikes(rng: np.random.Generator, count: int) -> Quotes:
    """Strikes of 1e-30 to 1e30 times the spot, with the vol that reaches so far if there is."""
    spot, years = _between(rng, 1e-3, 1e5, count), _years(rng, count)
    strike = spot * 10 ** rng.uniform(-30, 30, count)
    stdev = np.abs(np.log(strike / spot)) / rng.uniform(0.5, 12, count)
    vol = np.minimum(stdev / np.sqrt(years), WILDEST)
    rate, dividend_yield = rng.uniform(-0.03, 0.10, (2, count))
    right = rng.choice([1.0, -1.0], count)
    quote = price(right, spot, strike, years, rate, vol, dividend_yield)
    return right, quote, spot, strike, years, rate, dividend_yield


def tiny_and_huge_units(rng: np.random.Generator, count: int) -> Quotes:
    """Usual quotes in units of 1e-280 to 1e280 dollars."""
    right, quote, spot, strike, *rest = random_quotes(count, int(rng.integers(1 << 30)))
    unit = 10 ** rng.uniform(-280, 280, count) / spot
    return right, quote * unit, spot * unit, strike * unit, *rest


def hardly_any_vol(rng: np.random.Generator, count: int) -> Quotes:
    """Vols down to 1e-12, within a few of their deviations from the money."""
    vol, years = 10 ** rng.uniform(-12, -2, count), _years(rng, count)
    rate, dividend_yield = rng.uniform(-0.03, 0.10, (2, count)) * rng.integers(0, 2, (2, count))
    spot = _between(rng, 1, 1e4, count)
    deviations = rng.uniform(-4, 4, count) * rng.integers(0, 2, count)
    return _priced(rng, spot, years, rate, vol, dividend_yield, deviations)


def hardly_any_price(rng: np.random.Generator, count: int) -> Quotes:
    """Out of the money by up to 37 deviations: prices down to 1e-300."""
    years, vol = _years(rng, count), _vol(rng, count)
    spot = _between(rng, 1, 1e4, count)
    rate, dividend_yield = rng.uniform(-0.03, 0.10, (2, count))
    deviations = rng.uniform(7, 37, count) * rng.choice([-1, 1], count)
    side = np.sign(deviations)
    return _priced(rng, spot, years, rate, vol, dividend_yield, deviations, side)


def next_to_the_upper_bound(rng: np.random.Generator, count: int) -> Quotes:
    """vol sqrt(years) from 4 to 14: what is left below the bound is 5 % to 1e-12 of it."""
    years = rng.uniform(0.5, 3.0, count)
    vol = rng.uniform(4, 14, count) / np.sqrt(years)
    spot = _between(rng, 1, 1e4, count)
    rate, dividend_yield = rng.uniform(-0.03, 0.10, (2, count))
    deviations = rng.uniform(-3, 3, count)
    return _priced(rng, spot, years, rate, vol, dividend_yield, deviations)


def far_in_the_money(rng: np.random.Generator, count: int) -> Quotes:
    """3 to 8 deviations: where the price ceases to determine the vol."""
    years, vol = _years(rng, count), _vol(rng, count)
    spot = _between(rng, 1, 1e4, count)
    rate, dividend_yield = rng.uniform(-0.03, 0.10, (2, count))
    deviations = rng.uniform(3, 8, count) * rng.choice([-1, 1], count)
    side = -np.sign(deviations)
    return _priced(rng, spot, years, rate, vol, dividend_yield, deviations, side)


def where_methods_change(rng: np.random.Generator, count: int) -> Quotes:
    """d1 next to 0, and s next to 0.02, where the solver passes from one formula to another."""
    rate, dividend_yield = rng.uniform(-0.03, 0.10, (2, count))
    years, spot = _between(rng, 0.01, 3, count), _between(rng, 1, 1e4, count)
    jitter = 1 + rng.normal(0, 1, count) * 10 ** rng.uniform(-16, -2, count)
    short = rng.random(count) < 0.5
    stdev = np.where(short, 0.02 * jitter, _between(rng, 1e-3, 5, count))
    distance = np.where(short, rng.uniform(0, 0.1, count), 0.5 * stdev * stdev * jitter)
    deviations = distance / stdev * rng.choice([-1, 1], count)
    vol = stdev / np.sqrt(years)
    return _priced(rng, spot, years, rate, vol, dividend_yield, deviations)


def much_carry(rng: np.random.Generator, count: int) -> Quotes:
    """Rates and yields of up to 3000 % a year, either sign."""
    years, vol = _years(rng, count), _vol(rng, count)
    spot = _between(rng, 1, 1e4, count)
    rate, dividend_yield = rng.uniform(-30, 30, (2, count))
    deviations = rng.uniform(-5, 5, count)
    return _priced(rng, spot, years, rate, vol, dividend_yield, deviations)


def _priced(rng, spot, years, rate, vol, dividend_yield, deviations, right=None) -> Quotes:
    """Quotes at so many deviations from the forward, the strike's side being the sign's."""
    if right is None:
        right = rng.choice([1.0, -1.0], spot.size)
    drift = (rate - dividend_yield) * years
    strike = spot * np.exp(drift + deviations * vol * np.sqrt(years))
    quote = price(right, spot, strike, years, rate, vol, dividend_yield)
    return right, quote, spot, strike, years, rate, dividend_yield


def _nudged(rng: np.random.Generator, quote: np.ndarray, most: float) -> np.ndarray:
    """Moved by up to ``most`` roundings."""
    return quote + np.round(rng.uniform(-most, most, quote.size)) * np.spacing(quote)


def _years(rng: np.random.Generator, count: int) -> np.ndarray:
    return _between(rng, SHORTEST, LONGEST, count)


def _vol(rng: np.random.Generator, count: int) -> np.ndarray:
    return _between(rng, CALMEST, WILDEST, count)


def _between(rng: np.random.Generator, low: float, high: float, count: int) -> np.ndarray:
    """Uniform in the logarithm."""
    return np.exp(rng.uniform(np.log(low), np.log(high), count))
