"""Quotes made European: what early exercise is worth is taken off, and the forward found."""

import math
from dataclasses import replace
from datetime import date
from decimal import Decimal

import numpy as np
import pytest

from dollarbill_core.market.carry import CashDividend, Rates
from dollarbill_core.market.chains import Chain, NoQuote
from dollarbill_core.market.europeans import Setting, european_quotes
from dollarbill_core.market.forwards import Source, Term, terms_of
from dollarbill_core.pricing import american, black_scholes
from dollarbill_core.values.calendars import close_instant, open_instant, years_between
from dollarbill_core.values.provenance import Quotes
from tests.smile_builder import DAY, FAR, NEAR, RATE, SMILES, SPOT, STRIKES, YIELD, quoted_chain

INDEX, STOCK = quoted_chain(), quoted_chain({NEAR: SMILES[NEAR]}, root="SPY")
EX_DATE = date(2018, 5, 14)


def quotes_of(chain: Chain, expiry=NEAR, dividend_yield=YIELD, dividends=()):
    setting = Setting(chain, Rates(RATE), dividend_yield, dividends)
    (term,) = [each for each in terms_of(chain) if each.expiry == expiry]
    return european_quotes(setting, term)


def vol_of(strike: np.ndarray, expiry=NEAR) -> np.ndarray:
    rows = STRIKES.searchsorted(strike)
    part = quoted_chain({expiry: SMILES[expiry]})
    return part.vol[: len(STRIKES)][rows]


def test_index_quotes_are_taken_as_they_are():
    found = quotes_of(INDEX)

    strike = INDEX.strike[found.rows]
    low, mid, high = found.vols
    assert (found.early == 0).all()
    assert mid == pytest.approx(vol_of(strike), abs=1e-5)
    assert ((low < mid) & (mid < high)).all()
    assert found.bands.low == pytest.approx(low**2 * found.term.years)
    assert found.bands.high == pytest.approx(high**2 * found.term.years)
    assert found.bands.k == pytest.approx(np.log(strike / found.forward.price))


def test_only_the_side_out_of_the_money_and_only_sound_quotes():
    found = quotes_of(INDEX)
    strike, right = INDEX.strike[found.rows], INDEX.right[found.rows]

    assert (right * (strike - found.forward.price) >= 0).all()
    assert (np.diff(strike) > 0).all()
    assert (INDEX.bid[found.rows] > 0).all()


@pytest.mark.parametrize("guess", [0.0, YIELD, 0.05])
def test_american_quotes_give_the_vols_they_were_made_with(guess):
    """Whatever yield is supposed at first."""
    found = quotes_of(STOCK, dividend_yield=guess)

    strike = STOCK.strike[found.rows]
    assert found.forward.price_from is Source.PARITY
    carried = SPOT * math.exp((RATE - YIELD) * found.term.years)
    assert found.forward.price == pytest.approx(carried, rel=5e-6)
    assert found.vols[1] == pytest.approx(vol_of(strike), abs=1e-4)


def test_what_is_taken_off_is_the_american_price_less_the_european():
    found = quotes_of(STOCK)
    terms = SPOT, STOCK.strike[found.rows], found.term.years, RATE

    vols = vol_of(STOCK.strike[found.rows])
    market = STOCK.right[found.rows], *terms, vols, YIELD
    premium = american.price(*market) - black_scholes.price(*market)

    assert found.early == pytest.approx(premium, abs=2e-3)
    assert found.early.max() > 0.03


def test_cash_dividends_lower_the_forward_and_the_early_premium_knows_them():
    dividends = (CashDividend(EX_DATE, Decimal("20")),)
    strikes = np.arange(2450.0, 2851.0, 50.0)
    part = quoted_chain({NEAR: SMILES[NEAR]}, root="SPY", strikes=strikes)
    years = terms_of(part)[0].years
    paid_in = years_between(close_instant(DAY), open_instant(EX_DATE))
    price = american.price(
        part.right, SPOT, part.strike, years, RATE, 0.2, 0.0, ((paid_in, 20.0),)
    )
    chain = replace(part, bid=np.maximum(price - 0.2, 0.0), ask=price + 0.2)

    found = quotes_of(chain, dividend_yield=0.0, dividends=dividends)

    present = SPOT - 20 * math.exp(-RATE * paid_in)
    assert found.forward.price == pytest.approx(present * math.exp(RATE * years), rel=2e-5)
    assert found.vols[1] == pytest.approx(0.2, abs=0.003)


def test_dividends_after_the_settlement_or_in_the_past_do_not_count():
    days = [date(2018, 4, 30), EX_DATE, date(2018, 7, 2)]
    dividends = tuple(CashDividend(day, Decimal(1)) for day in days)
    setting = Setting(STOCK, Rates(RATE), 0.0, dividends)

    ((years, dollars),) = setting.paid_until(terms_of(STOCK)[0].years)

    assert years == pytest.approx(years_between(close_instant(DAY), open_instant(EX_DATE)))
    assert dollars == 1.0


def test_without_a_pair_the_forward_is_carried():
    puts = (INDEX.right == -1) & (INDEX.strike < 2660)
    calls = (INDEX.right == 1) & (INDEX.strike > 2660)

    found = quotes_of(INDEX.where(puts | calls))

    assert found.forward.price_from is Source.CARRY
    assert found.forward.price == pytest.approx(
        SPOT * math.exp((RATE - YIELD) * found.term.years)
    )


def test_what_is_below_the_value_of_exercise_is_left_out():
    row = int(np.flatnonzero((STOCK.right == -1) & (STOCK.strike == 2625.0))[0])
    bid = STOCK.bid.copy()
    bid[row] = 1e-9  # sound, but no vol explains it once early exercise is taken off
    found = quotes_of(replace(STOCK, bid=bid))

    assert row not in found.rows and len(found.rows) > 20


@pytest.mark.parametrize(
    ("chain", "reason"),
    [
        pytest.param(
            INDEX.where(INDEX.strike < 2500), "on one side of the forward", id="no calls"
        ),
        pytest.param(
            INDEX.where(np.isin(INDEX.strike, [2600.0, 2700.0])),
            "2 strikes are quoted out of the money",
            id="two strikes",
        ),
        pytest.param(
            replace(INDEX, bid=INDEX.ask), "0 strikes are quoted", id="nothing but locked"
        ),
        pytest.param(replace(STOCK, roots=("SPY1",)), "something else", id="adjusted"),
        pytest.param(
            replace(INDEX, as_of=close_instant(NEAR)), "has been struck", id="on its last day"
        ),
    ],
)
def test_the_reason_why_nothing_can_be_fitted(chain, reason):
    with pytest.raises(NoQuote, match=reason):
        quotes_of(chain)


def test_modelled_stock_chains_are_american_as_quoted_ones_are():
    chain = replace(STOCK, quotes=Quotes.MODELLED)
    (term,) = terms_of(chain)

    assert isinstance(term, Term) and not term.is_european
    assert quotes_of(chain).early.tolist() == quotes_of(STOCK).early.tolist()


def test_far_expiries_too():
    found = quotes_of(INDEX, FAR)

    assert found.vols[1] == pytest.approx(vol_of(INDEX.strike[found.rows], FAR), abs=1e-5)
