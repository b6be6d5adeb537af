"""What is promised before a sale agrees with pricing, margin and the payoff at its edges."""

from datetime import date
from decimal import Decimal as D

import numpy as np
import pytest

from dollarbill_core.market.chains import NoQuote
from dollarbill_core.market.view import View
from dollarbill_core.results.outlook import outlook
from dollarbill_core.rules.accounts import REG_T
from dollarbill_core.rules.costs import FillModel
from dollarbill_core.rules.margin import requirement
from dollarbill_core.strategies.short_premium import ShortPremium
from dollarbill_core.values.book import Book, Position
from dollarbill_core.values.calendars import close_instant
from tests.market_builder import chain_on

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


def test_without_a_vol_there_is_no_outlook():
    blind = chain_on("AAA", DAY, 100.0)
    blind.vol[:] = np.nan
    view = View(close_instant(DAY), {"AAA": D(100)}, chains={"AAA": blind})

    with pytest.raises(NoQuote, match="no implied vol"):
        outlook(view, STRATEGY, "AAA", REG_T, FillModel())
