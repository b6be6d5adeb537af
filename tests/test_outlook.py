"""What is promised before a sale agrees with pricing, margin and the payoff at its edges."""

from dataclasses import replace
from datetime import date
from decimal import Decimal as D

import numpy as np
import pytest

from dollarbill_core.market.carry import Rates
from dollarbill_core.market.chains import NoQuote
from dollarbill_core.market.surface import surface_of
from dollarbill_core.market.view import View
from dollarbill_core.pricing.chances import (
    Bounds,
    Lognormal,
    expected_profit,
    probability_of_profit,
)
from dollarbill_core.results.outlook import Chance, chances, designs, outlook, past_moves
from dollarbill_core.rules.accounts import ALPACA, CASH, REG_T
from dollarbill_core.rules.fills import FillModel
from dollarbill_core.rules.margin import NotAllowed, requirement
from dollarbill_core.strategies.short_premium import ShortPremium
from dollarbill_core.values.book import Book, Position
from dollarbill_core.values.calendars import close_instant
from tests.market_builder import RATE, VOL, chain_on

DAY = date(2026, 3, 3)  # a Tuesday: an outlook does not wait for the entry day
STRATEGY = ShortPremium(("AAA",), target_dte=45, quantity=2)
CHAIN = chain_on("AAA", DAY, 100.0)
VIEW = View(close_instant(DAY), {"AAA": D(100)}, chains={"AAA": CHAIN})


@pytest.fixture
def seen():
    return outlook(VIEW, STRATEGY, "AAA", REG_T, FillModel())


def test_the_credit_is_what_the_bids_pay(seen):
    bids = sum(VIEW.quote(leg.instrument).bid for leg in seen.legs)

    assert seen.credit == 2 * 100 * bids


def test_profit_is_the_whole_credit_between_the_strikes_and_nothing_at_the_break_evens(seen):
    strikes = sorted(float(leg.instrument.strike) for leg in seen.legs)

    assert seen.profit_at_expiry(np.array(strikes)) == pytest.approx([float(seen.credit)] * 2)
    assert seen.profit_at_expiry(np.array(seen.break_evens)) == pytest.approx([0, 0], abs=1e-9)
    assert seen.break_evens[0] < strikes[0] < strikes[1] < seen.break_evens[1]
    assert seen.worst_loss.is_unlimited


def test_model_profit_ends_at_the_payoff(seen):
    spots = seen.spots()
    life = (seen.expires - seen.now).total_seconds() / 86400

    assert seen.profit(spots, life) == pytest.approx(seen.profit_at_expiry(spots), abs=1e-6)
    assert seen.profit_map(spots, [0.0, life]).shape == (2, len(spots))


def test_today_it_costs_the_spread(seen):
    now = float(seen.profit(np.array([seen.spot]))[0])
    half_spreads = sum(VIEW.quote(leg.instrument).half_spread for leg in seen.legs)

    assert now == pytest.approx(-200 * float(half_spreads), abs=2.1)  # to the cent of rounding


def test_higher_vol_hurts_and_time_helps(seen):
    spot = np.array([seen.spot])

    assert seen.profit(spot, vol_shift=0.01) < seen.profit(spot) < seen.profit(spot, days=10)


def test_greeks_are_the_slopes_of_the_profit(seen):
    spots, step = np.array([95.0, 100.0, 105.0]), 0.01
    rise = (seen.profit(spots + step) - seen.profit(spots - step)) / (2 * step)
    greeks = seen.greeks(spots)

    assert greeks["delta"] == pytest.approx(rise, abs=1e-3)
    assert greeks["vega"] == pytest.approx(
        (seen.profit(spots, vol_shift=1e-4) - seen.profit(spots, vol_shift=-1e-4)) / 0.02,
        rel=1e-4,
    )
    assert (greeks["gamma"] < 0).all()
    assert (greeks["theta"] > 0).all()


def test_chances_lie_where_the_break_evens_are(seen):
    sigma = seen.vol * np.sqrt(seen.years)
    drift = (seen.rate - seen.vol**2 / 2) * seen.years
    rng = np.random.default_rng(1)
    ends = seen.spot * np.exp(drift + sigma * rng.standard_normal(200_000))

    share = (seen.profit_at_expiry(ends) > 0).mean()

    assert seen.probability_of_profit == pytest.approx(share, abs=0.005)


def test_the_requirement_is_that_of_the_book_it_makes(seen):
    book = Book(D(0), tuple(Position(x.instrument, x.quantity) for x in seen.legs))

    assert seen.required.initial == requirement(book, VIEW, REG_T).initial
    assert seen.required.deposit == seen.required.initial - seen.credit
    assert seen.return_on_margin == float(seen.credit / seen.required.initial)


@pytest.mark.parametrize(("account", "who"), [(ALPACA, "an Alpaca"), (CASH, "a cash")])
def test_an_account_that_may_not_hold_it_is_named_with_those_that_may(account, who):
    others = "account = reg_t, portfolio, interactive_brokers or tastytrade may hold it"

    with pytest.raises(NotAllowed) as refused:
        outlook(VIEW, STRATEGY, "AAA", account, FillModel())

    line = str(refused.value)
    assert line.startswith(f"{who} account may not ")
    assert "-2 AAA" in line
    assert line.endswith(f"; {others}")


def test_without_a_vol_there_is_no_outlook():
    blind = chain_on("AAA", DAY, 100.0)
    blind.vol[:] = np.nan
    view = View(close_instant(DAY), {"AAA": D(100)}, chains={"AAA": blind})

    with pytest.raises(NoQuote, match="no implied vol"):
        outlook(view, STRATEGY, "AAA", REG_T, FillModel())


SPX_CHAIN = chain_on("SPX", DAY, 600.0, root="SPXW")
SPX_VIEW = View(close_instant(DAY), {"SPX": D(600)}, chains={"SPX": SPX_CHAIN})
SPX = ShortPremium(("SPX",), target_dte=45)
SURFACE = surface_of(SPX_CHAIN, Rates(RATE))


@pytest.fixture
def fitted():
    return outlook(SPX_VIEW, SPX, "SPX", REG_T, FillModel(), SURFACE)


def test_greeks_later_are_those_of_an_outlook_made_then(fitted):
    spots = np.array([560.0, 600.0, 640.0])
    step = 0.01

    later = fitted.greeks(spots, days=10, vol_shift=0.02)

    up, down = (fitted.profit(spots + each, 10, 0.02) for each in (step, -step))
    assert later["delta"] == pytest.approx((up - down) / (2 * step), abs=1e-4)
    more, less = (fitted.greeks(spots, 10, 0.02 + each)["delta"] for each in (1e-4, -1e-4))
    assert later["vanna"] == pytest.approx((more - less) / 0.02, abs=1e-4)
    before, after = (fitted.greeks(spots, 10 + each, 0.02)["delta"] for each in (-0.01, 0.01))
    assert later["charm"] == pytest.approx((after - before) / 0.02, abs=1e-4)


def test_a_stock_option_moves_as_an_american_one(seen):
    deep = np.array([40.0])  # the put is exercised, the call worthless

    greeks = seen.greeks(deep)

    assert greeks["delta"] == pytest.approx(200)  # short two puts of delta -1
    assert greeks["gamma"] == pytest.approx(0, abs=1e-9)
    assert greeks["theta"] == pytest.approx(0, abs=1e-9)  # a European put would gain interest


def test_hours_pass_through_the_change_of_the_clock(seen):
    """Summer time starts on 8 March 2026: ten times 24 hours end an hour later on the wall."""
    assert seen.at(10).isoformat() == "2026-03-13T17:00:00-04:00"
    assert seen.at(1000) == seen.expires


def test_the_fit_is_that_of_the_options_own_settlement(fitted, seen):
    assert fitted.fit.term.instant == fitted.expires
    assert fitted.fit.smile.vol(600) == pytest.approx(VOL, abs=0.003)
    assert seen.fit is None


def test_quantiles_follow_the_surface_and_shift_with_the_vols(fitted):
    days, shares = np.array([0.0, 10.0, 40.0]), (0.16, 0.5, 0.84)

    levels = fitted.quantiles(days, shares)
    wider = fitted.quantiles(days, shares, 0.05)

    assert levels.shape == (3, 3)
    assert levels[:, 0] == pytest.approx(600, abs=0.1)
    vol = float(SURFACE.at_the_money(40 / 365))
    up = Lognormal(600, 40 / 365, fitted.rate, vol).quantile(0.84)
    assert levels[2, 2] == pytest.approx(float(up))
    assert wider[2, 2] > levels[2, 2]


def test_chances_come_under_each_law_that_is_known(fitted, seen):
    past = past_moves(np.linspace(100, 130, 61), 600.0, 20)

    smile, flat, history = chances(fitted, past)

    assert smile.profit == fitted.probability_of_profit  # the smile leads where there is one
    assert smile.profit == pytest.approx(flat.profit, abs=0.01)  # the chain is made at one vol
    assert smile.touch.least <= flat.touch <= smile.touch.most
    ends = past_moves(np.linspace(100, 130, 61), 600.0, 20)
    assert history.law == "41 past moves"
    assert history.profit == probability_of_profit(fitted.legs, fitted.credit, ends)
    assert history.expected == expected_profit(fitted.legs, fitted.credit, ends)
    assert [each.law for each in chances(seen, past)] == [
        f"lognormal at {VOL:.1%}",
        history.law,
    ]


def test_a_chance_is_told_in_one_line():
    told = str(Chance("past", 0.75, Bounds(0.1, 0.5), -1234.4))

    assert told.split() == (
        "past profit 75.0%, expected −$1,234, touch between 10.0% and 50.0% (BOUND)".split()
    )
    assert str(Chance("past", 0.75, 0.5, 10)).endswith("expected +$10, touch 50.0%")


def test_past_moves_are_every_stretch_scaled_to_the_spot():
    moves = past_moves(np.array([1.0, 2.0, 3.0, 6.0]), 10.0, 2)

    assert moves.count == 2
    assert moves.mean == pytest.approx((30 + 30) / 2)
    assert moves.touch(high=30) == 1
    assert moves.touch(high=31) == 0
    assert moves.touch(low=15) == 0.5  # of the one that gains a half on its first day
    with pytest.raises(ValueError, match="4 closes hold no stretch of 4 sessions"):
        past_moves(np.array([1.0, 2.0, 3.0, 6.0]), 10.0, 4)


def test_designs_are_outlooks_of_another_strategy_and_made_once():
    design = designs(SPX_VIEW, SPX, "SPX", REG_T, FillModel(), SURFACE)

    wide = design(put_delta=0.08)

    assert (
        wide.legs
        == outlook(SPX_VIEW, replace(SPX, put_delta=0.08), "SPX", REG_T, FillModel()).legs
    )
    assert design(put_delta=0.08) is wide
    assert design().legs != wide.legs
