"""The fitted surface: on, between and around its dates; on modelled and on real chains."""

import math
from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest

from dollarbill_core.market.calibration import dense_grid, is_sound
from dollarbill_core.market.carry import Rates, policy_rates
from dollarbill_core.market.chains import NoQuote
from dollarbill_core.market.forwards import Source
from dollarbill_core.market.shapes import INDEX_SHAPE, STOCK_SHAPE
from dollarbill_core.market.surface import Surface, surface_of
from dollarbill_core.pricing.chances import expected_profit, probability_of_profit
from dollarbill_core.sources.sample import sample_chains
from dollarbill_core.values.contracts import Leg, Option, Right
from tests.real_quotes import spx_chain, spy_chain, spy_days
from tests.smile_builder import (
    FAR,
    MIDDLE,
    NEAR,
    RATE,
    SMILES,
    SPOT,
    forward_to,
    quoted_chain,
    years_to,
)

CHAIN = quoted_chain()
SURFACE = surface_of(CHAIN, Rates(RATE))
TERMS = [years_to(expiry) for expiry in (NEAR, MIDDLE, FAR)]


def least_density(surface: Surface, dates: np.ndarray) -> float:
    """The lowest g on a dense grid at each date."""
    k = dense_grid(*(fit.svi for fit in surface.fits))
    return min(float(surface.smile(years).bend(k).butterfly(k).min()) for years in dates)


def least_rise(surface: Surface, dates: np.ndarray) -> float:
    """The least by which total variance grows from date to date, at any moneyness."""
    k = dense_grid(*(fit.svi for fit in surface.fits))
    return float(np.diff(surface.total_variance(k, dates[:, None]), axis=0).min())


def dates_of(surface: Surface) -> np.ndarray:
    """Between, on, before and beyond the settlements, in order."""
    terms = [fit.term.years for fit in surface.fits]
    inner = np.interp(np.linspace(0, len(terms) - 1, 60), np.arange(len(terms)), terms)
    return np.unique(
        np.concatenate([[terms[0] / 10], inner, terms, np.array([1.2, 2]) * terms[-1]])
    )


@pytest.mark.parametrize("place", range(3))
def test_each_settlement_gives_back_the_smile_it_was_quoted_on(place):
    fit, made = SURFACE.fits[place], list(SMILES.values())[place]

    k = np.log(fit.strike / forward_to(fit.term.expiry))
    vols = np.sqrt(made.total_variance(k) / fit.term.years)

    assert fit.forward.price == pytest.approx(forward_to(fit.term.expiry), rel=1e-6)
    assert fit.vol == pytest.approx(vols, abs=1e-3)
    assert fit.inside.mean() > 0.95


def test_the_middle_of_two_dates_has_the_mean_of_their_variances():
    k, middle = np.linspace(-0.2, 0.1, 7), (TERMS[0] + TERMS[1]) / 2

    between = SURFACE.total_variance(k, middle)

    ends = [SURFACE.total_variance(k, years) for years in TERMS[:2]]
    assert between == pytest.approx((ends[0] + ends[1]) / 2)


def test_before_the_first_date_vol_is_flat_in_time():
    k = np.linspace(-0.2, 0.1, 7)

    early = SURFACE.total_variance(k, TERMS[0] / 3)

    assert early == pytest.approx(SURFACE.total_variance(k, TERMS[0]) / 3)


def test_after_the_last_date_vol_at_the_money_is_flat_and_the_smile_flattens():
    late = SURFACE.smile(2 * TERMS[2])

    assert late.at_the_money == pytest.approx(float(SURFACE.at_the_money(TERMS[2])))
    added = late.total_variance(-0.2) - SURFACE.total_variance(-0.2, TERMS[2])
    assert added == pytest.approx(SURFACE.total_variance(0.0, TERMS[2]))


def test_the_smile_of_a_date_is_the_surface_there():
    strikes = np.array([2200.0, 2650.0, 2900.0])

    for years in dates_of(SURFACE):
        smile = SURFACE.smile(years)
        assert smile.vol(strikes) == pytest.approx(SURFACE.vol(strikes, years), rel=1e-12)
        assert smile.forward == SURFACE.forward(years)
        assert smile.discount == SURFACE.discount(years)


def test_forwards_lie_on_the_carry_and_start_from_the_spot():
    years = np.array([0.0, TERMS[0] / 2, *TERMS, 2 * TERMS[2]])

    assert SURFACE.forward(years) == pytest.approx(SPOT * np.exp(0.005 * years), rel=1e-5)
    assert SURFACE.forward(0.0) == SPOT and SURFACE.discount(0.0) == 1.0
    assert SURFACE.discount(TERMS[2]) == SURFACE.fits[2].forward.discount


def test_shapes_broadcast_and_what_has_no_meaning_is_not_a_number():
    table = SURFACE.vol(np.array([2500.0, 2700.0, -1.0]), np.array([[0.1], [0.3]]))

    assert table.shape == (2, 3)
    assert np.isnan(table[:, 2]).all() and np.isfinite(table[:, :2]).all()
    assert np.isnan(SURFACE.total_variance(0.0, [0.0, -1.0])).all()
    assert np.ndim(SURFACE.vol(2600.0, 0.1)) == 0


def test_what_reaches_a_term():
    assert SURFACE.reaches(30 / 365) and SURFACE.reaches(TERMS[0] / 2)
    assert not SURFACE.reaches(TERMS[0] / 2.1) and not SURFACE.reaches(TERMS[2] * 2.1)


def test_residuals_are_in_ticks_and_inside_means_between_bid_and_ask():
    for fit in SURFACE.fits:
        price = fit.smile.price(fit.right, fit.strike)
        mid = (fit.bid + fit.ask) / 2
        tick = np.where(mid < 3, 0.05, 0.10)
        assert fit.ticks == pytest.approx((price - mid) / tick)
        assert (fit.inside == ((price >= fit.bid) & (price <= fit.ask))).all()


def test_rows_name_the_quotes_in_the_chain():
    for fit in SURFACE.fits:
        assert (CHAIN.strike[fit.rows] == fit.strike).all()
        assert (CHAIN.bid[fit.rows] == fit.bid).all()
        assert (CHAIN.right[fit.rows] == fit.right).all()


def test_what_cannot_be_fitted_is_reported_with_its_reason():
    keep = (CHAIN.expiry != np.datetime64(MIDDLE)) | (CHAIN.strike < 2400)

    surface = surface_of(CHAIN.where(keep), Rates(RATE))

    ((term, reason),) = surface.unfitted
    assert term.expiry == MIDDLE and "one side of the forward" in reason
    assert [fit.term.expiry for fit in surface.fits] == [NEAR, FAR]
    assert surface.total_variance(0.0, TERMS[1]) == pytest.approx(
        SURFACE.total_variance(0.0, TERMS[1]), rel=0.05
    )


def test_of_two_roots_with_one_instant_one_is_fitted():
    twice = replace(CHAIN, roots=("SPXW", "XSP"))
    other = (np.arange(len(CHAIN)) % 2).astype(np.int8)

    surface = surface_of(replace(twice, root=other), Rates(RATE))

    assert len(surface.fits) == 3
    assert {reason for _, reason in surface.unfitted} == {
        f"settles at the instant of {fit.term}" for fit in surface.fits
    }


def test_nothing_to_fit_is_one_clear_line():
    with pytest.raises(NoQuote, match=r"SPX: no expiry can be fitted: SPXW 2018-05-25: "):
        surface_of(CHAIN.where(CHAIN.strike < 2000), Rates(RATE))
    with pytest.raises(NoQuote, match="no quotes"):
        surface_of(CHAIN.where(CHAIN.strike < 0), Rates(RATE))


def test_early_exercise_is_added_back_to_the_models_price():
    chain = quoted_chain({NEAR: SMILES[NEAR]}, root="SPY")

    (fit,) = surface_of(chain, Rates(RATE)).fits

    assert fit.early.max() > 0.03
    assert fit.inside.all() and np.abs(fit.ticks * 0.01).max() < 0.6
    assert fit.smile.vol(fit.strike) == pytest.approx(chain.vol[fit.rows], abs=2e-3)


def test_the_surface_allows_no_arbitrage_between_its_dates_either():
    dates = dates_of(SURFACE)

    assert least_density(SURFACE, dates) >= 0
    assert least_rise(SURFACE, dates) >= 0


# Modelled chains: the shape that they were made with.


@pytest.mark.parametrize(
    ("symbol", "day", "shape", "near"),
    [
        pytest.param("SPX", date(2014, 6, 4), INDEX_SHAPE, 0.0025, id="index"),
        pytest.param("SPX", date(2008, 10, 10), INDEX_SHAPE, 0.004, id="index in a panic"),
        pytest.param("KO", date(2000, 6, 7), STOCK_SHAPE, 0.006, id="stock, nickels"),
    ],
)
def test_modelled_chains_give_back_their_shape(symbol, day, shape, near):
    days = sample_chains([symbol], day, day).days[symbol]

    surface = surface_of(days.chain(day), policy_rates(day), dividend_yield=days.dividend_yield)

    assert len(surface.fits) >= 2
    for fit in surface.fits:
        theta = fit.svi.total_variance(0.0)
        k = np.linspace(-2, 1, 31) * np.sqrt(theta)
        known = (k > np.log(fit.strike[0] / fit.forward.price)) & (
            k < np.log(fit.strike[-1] / fit.forward.price)
        )
        made = np.sqrt(shape.total_variance(k[known], theta) / fit.term.years)
        vols = np.sqrt(fit.svi.total_variance(k[known]) / fit.term.years)
        assert vols == pytest.approx(made, abs=near)
        assert fit.inside.all()


# Real quotes: SPX, first week of 2011; SPY, twenty contracts a day in 2021.

WEEK = [date(2011, 1, day) for day in range(3, 8)]


@pytest.fixture(scope="module")
def week() -> dict[date, Surface]:
    return {day: surface_of(spx_chain(day), Rates(0.002)) for day in WEEK}


def test_every_real_settlement_is_fitted(week):
    for day, surface in week.items():
        assert len(surface.fits) >= 15
        assert [reason for _, reason in surface.unfitted] == (
            ["its price has been struck"] if day == WEEK[-1] else []
        )


def test_own_vols_are_the_vendors(week):
    gaps = []
    for day, surface in week.items():
        theirs = spx_chain(day).vol
        for fit in surface.fits:
            known = theirs[fit.rows] > 0
            gaps.append((fit.mid_vol - theirs[fit.rows])[known])

    assert abs(np.median(np.concatenate(gaps))) <= 0.0006


def test_fits_to_real_quotes_lie_mostly_inside_bid_and_ask(week):
    inside = np.concatenate([fit.inside for x in week.values() for fit in x.fits])
    ticks = np.concatenate([fit.ticks for x in week.values() for fit in x.fits])

    assert len(inside) > 3800
    assert inside.mean() > 0.93
    assert np.median(np.abs(ticks)) < 2


def test_surfaces_of_real_quotes_allow_no_arbitrage(week):
    for surface in week.values():
        dates, smiles = dates_of(surface), [fit.svi for fit in surface.fits]
        assert is_sound(smiles[0])
        assert all(is_sound(b, a) for a, b in pairwise(smiles))
        assert least_density(surface, dates) >= 0
        assert least_rise(surface, dates) >= -1e-15


def test_long_discounts_come_from_parity_and_short_ones_from_rates(week):
    for surface in week.values():
        sources = {fit.term.years: fit.forward.discount_from for fit in surface.fits}
        assert all(x is Source.RATES for years, x in sources.items() if years < 0.1)
        assert all(x is Source.PARITY for years, x in sources.items() if years > 0.5)
        long = surface.fits[-1].forward
        assert 0.005 < -math.log(long.discount) / surface.fits[-1].term.years < 0.02


def test_american_etf_quotes_make_surfaces():
    """At mid vols as the vendor has them, which come in steps of about 0.01."""
    fitted, gaps, inside = 0, [], []
    for day in spy_days()[::12]:
        chain = spy_chain(day)
        try:
            surface = surface_of(chain, Rates(0.0005), dividend_yield=0.013)
        except NoQuote:
            continue
        fitted += 1
        for fit in surface.fits:
            gaps.append(fit.mid_vol - chain.vol[fit.rows])
            inside.append(fit.inside)
            assert is_sound(fit.svi)

    assert fitted >= 15
    assert abs(np.median(np.concatenate(gaps))) < 0.005
    assert len(np.concatenate(inside)) > 100


def test_a_smile_is_a_law_under_which_options_earn_what_they_cost():
    """The expected payoff of a strangle, discounted, is its price on the smile."""
    smile = SURFACE.smile(TERMS[0])
    legs = [
        Leg(Option("SPXW", NEAR, Decimal(strike), right), -1)
        for strike, right in ((2500, Right.PUT), (2750, Right.CALL))
    ]
    price = smile.price(Right.PUT, 2500) + smile.price(Right.CALL, 2750)

    credit = 100 * price / smile.discount

    assert expected_profit(legs, credit, smile) == pytest.approx(0, abs=1e-6)
    chance = probability_of_profit(legs, credit, smile)
    gained = float(credit) / 100
    within = smile.cdf(2750 + gained) - smile.cdf(2500 - gained)
    assert chance == pytest.approx(within) and 0.6 < chance < 0.95


def test_prices_of_any_date_keep_parity():
    smile = SURFACE.smile(0.2)

    gap = smile.price(Right.CALL, 2600) - smile.price(Right.PUT, 2600)

    assert gap == pytest.approx(smile.discount * (smile.forward - 2600))
