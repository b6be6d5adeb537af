"""Modelled chains: one formula, no arbitrage, quoted by rule, blind to the days ahead."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal as D
from itertools import pairwise

import numpy as np
import pytest

from dollarbill_core.market.carry import policy_rates
from dollarbill_core.market.chains import Chain
from dollarbill_core.market.modelled import (
    INDEX_DIVIDEND_YIELD,
    INDEX_WIDTHS,
    STOCK_WIDTHS,
    modelled_chain,
    underlying,
)
from dollarbill_core.market.view import View
from dollarbill_core.pricing import american, black_scholes
from dollarbill_core.rules.fills import FillModel
from dollarbill_core.values.calendars import expiry_instant, sessions, years_between
from dollarbill_core.values.contracts import Leg, Right
from dollarbill_core.values.provenance import Quotes, fingerprint
from tests.real_quotes import real_table

DAYS = sessions(date(2014, 1, 2), date(2015, 12, 31))
LAST = DAYS[-1]
CALM = DAYS[300]  # a Friday, on which weeklies expire
A_MINUTE = 1 / (365 * 24 * 60)


def made_up(root: str, first: float, seed: int = 3):
    """A random walk with bursts, and vol levels that follow it."""
    rng = np.random.default_rng(seed)
    levels = 0.18 * np.exp(np.cumsum(rng.normal(0, 0.03, len(DAYS))) * 0.5)
    closes = first * np.exp(np.cumsum(rng.normal(0, levels / 16)))
    symbol = "SPX" if root == "SPXW" else root
    return underlying(symbol, root, DAYS, closes, levels)


INDEX, STOCK = made_up("SPXW", 1800.0), made_up("KO", 100.0)
BOTH = pytest.mark.parametrize("known", [INDEX, STOCK], ids=["index", "stock"])


def terms(chain: Chain) -> np.ndarray:
    """Years to expiry of each row, a minute at least."""
    known = {
        expiry: years_between(chain.as_of, expiry_instant(chain.expiring(expiry).option(0)))
        for expiry in chain.expiries
    }
    return np.array([max(known[expiry], A_MINUTE) for expiry in chain.expiry.tolist()])


def yield_of(known) -> float:
    return INDEX_DIVIDEND_YIELD if known is INDEX else 0.0


def greeks(known, chain: Chain) -> black_scholes.Greeks | american.Greeks:
    rate = policy_rates(chain.as_of.date()).flat
    years, paid = terms(chain), yield_of(known)
    style = black_scholes if known is INDEX else american
    return style.greeks(chain.right, chain.spot, chain.strike, years, rate, chain.vol, paid)


SLACK = 1e-5  # dollars; an American price and its Greeks come from two tables of boundaries


@BOTH
def test_quotes_stand_half_a_spread_around_the_price_of_the_one_formula(known):
    chain = modelled_chain(known, CALM)
    price = greeks(known, chain).price
    half = np.interp(price, *(INDEX_WIDTHS if known is INDEX else STOCK_WIDTHS))
    tick = np.where(price + half < 3, 0.05, 0.10)

    assert (chain.bid <= price - half + SLACK)[chain.bid > 0].all()
    assert (chain.ask >= price + half - SLACK).all()
    assert (chain.ask <= np.maximum(price + half + tick, 0.05) + SLACK).all()
    assert (chain.bid >= price - half - tick - SLACK).all()


@BOTH
def test_deltas_are_those_of_the_one_formula(known):
    chain = modelled_chain(known, CALM)

    assert np.abs(chain.delta - greeks(known, chain).delta).max() < SLACK


@BOTH
def test_no_strike_and_no_expiry_can_be_arbitraged_at_the_models_prices(known):
    chain = modelled_chain(known, LAST)
    prices, years = greeks(known, chain).price, terms(chain)
    rate = policy_rates(LAST).flat

    for term in np.unique(years):
        rows = (years == term) & (chain.right == Right.CALL)
        strikes, calls = chain.strike[rows], prices[rows]
        slopes = np.diff(calls) / np.diff(strikes)
        assert (slopes <= 1e-9).all()
        assert (slopes >= -np.exp(-rate * term) - 1e-9).all()
        assert (np.diff(slopes) >= -1e-9).all()

    totals = [
        np.interp(0.9, *smile(chain, years == term, term, rate - yield_of(known)))
        for term in np.unique(years)
    ]
    assert (np.diff(totals) > 0).all()


def smile(chain: Chain, rows, term: float, carry: float) -> tuple[np.ndarray, np.ndarray]:
    """Strike over forward, and total variance."""
    calls = rows & (chain.right == Right.CALL)
    forward = chain.spot * np.exp(carry * term)
    return chain.strike[calls] / forward, chain.vol[calls] ** 2 * term


@BOTH
def test_parity_holds_at_the_mids_within_the_spreads(known):
    chain = modelled_chain(known, CALM)
    calls, puts = chain.only(Right.CALL), chain.only(Right.PUT)
    years, rate = terms(calls), policy_rates(CALM).flat
    worth = chain.spot * np.exp(-yield_of(known) * years)
    worth = worth - calls.strike * np.exp(-rate * years)
    allowed = (calls.ask - calls.bid + puts.ask - puts.bid) / 2

    both = (calls.bid > 0) & (puts.bid > 0)
    off = np.abs(calls.mid - puts.mid - worth)

    assert both.sum() > 10
    assert (off <= allowed + 1e-9)[both].all()


@BOTH
def test_every_quote_is_a_whole_number_of_ticks_and_never_crossed(known):
    chain = modelled_chain(known, CALM)
    low, high = (0.05, 0.10) if known is INDEX else (0.01, 0.05)

    for quote in (chain.bid, chain.ask):
        ticks = quote / np.where(quote < 3, low, high)
        assert np.abs(ticks - np.round(ticks)).max() < 1e-6
        assert (quote == np.round(quote, 2)).all()
    assert (chain.bid < chain.ask).all()
    assert (chain.bid >= 0).all()


def test_puts_reach_down_to_where_nobody_bids():
    chain = modelled_chain(INDEX, CALM).only(Right.PUT)

    for expiry in chain.expiries[:-1]:
        part = chain.expiring(expiry)
        order = np.argsort(part.strike)
        assert part.bid[order[0]] == 0
        assert part.bid[order[len(order) // 2]] > 0


def test_dearer_options_have_wider_spreads():
    chain = modelled_chain(INDEX, CALM)
    spread = chain.ask - chain.bid

    assert spread[chain.ask < 0.3].max() < spread[chain.bid > 20].min()


@BOTH
def test_what_was_once_listed_is_quoted_until_it_expires(known):
    first = modelled_chain(known, DAYS[150])
    sold = [first.option(row) for row in np.flatnonzero(first.bid > 0)]

    for day in DAYS[151:225:6]:
        listed = modelled_chain(known, day)
        alive = [option for option in sold if option.expiry >= day]
        assert all(listed.row(option) is not None for option in alive)


@BOTH
def test_a_day_knows_nothing_of_the_days_after_it(known):
    place = 300
    wild = known.closes.copy(), known.levels.copy()
    wild[0][place + 1 :] *= 3.7
    wild[1][place + 1 :] *= 2.9

    other = underlying(known.symbol, known.root, DAYS, *wild)

    assert fingerprint(modelled_chain(other, CALM)) == fingerprint(modelled_chain(known, CALM))
    after = DAYS[place + 1]
    assert fingerprint(modelled_chain(other, after)) != fingerprint(
        modelled_chain(known, after)
    )


@pytest.mark.parametrize("known", [INDEX, STOCK], ids=["index", "stock"])
@pytest.mark.parametrize("day", [date(2015, 2, 20), date(2015, 3, 20)])
def test_on_its_last_day_an_option_is_quoted_at_about_its_intrinsic_value(known, day):
    part = modelled_chain(known, day).expiring(day)
    widths = INDEX_WIDTHS if known is INDEX else STOCK_WIDTHS
    intrinsic = np.maximum(part.right * (part.spot - part.strike), 0)
    half = np.interp(intrinsic, *widths)
    minute = 0.4 * part.spot * known.levels[DAYS.index(day)] * np.sqrt(A_MINUTE)

    assert len(part) > 20
    assert all(np.isfinite(x).all() for x in (part.bid, part.ask, part.vol, part.delta))
    assert (part.bid <= intrinsic + 1e-8).all()
    assert (part.ask > intrinsic).all()
    assert (part.ask > part.bid).all()
    assert (part.ask <= intrinsic + half + 0.10 + 2 * minute).all()
    assert (part.bid >= intrinsic - half - 0.10).all()
    assert (np.abs(part.delta) <= 1 + 1e-12).all()
    far = intrinsic == 0
    far &= np.abs(part.strike / part.spot - 1) > 0.05
    assert far.any()
    assert (part.bid[far] == 0).all()
    assert (part.ask[far] == part.ask.min()).all()


@BOTH
def test_an_exit_decided_on_the_eve_fills_on_the_last_day(known):
    eve, last = (modelled_chain(known, date(2015, 2, day)) for day in (19, 20))
    held = eve.expiring(date(2015, 2, 20))
    option = held.option(int(np.argmin(np.abs(held.delta + 0.16))))
    view = View(
        last.as_of, {known.symbol: D(str(round(last.spot, 2)))}, chains={known.symbol: last}
    )

    paid = FillModel().price(Leg(option, 1), view)

    assert paid == D(repr(float(last.ask[last.row(option)])))


@BOTH
def test_what_has_expired_is_not_listed(known):
    assert date(2015, 2, 20) not in modelled_chain(known, date(2015, 2, 23)).expiries


def test_a_chain_says_what_it_is():
    chain = modelled_chain(INDEX, CALM)

    assert (chain.symbol, chain.roots, chain.quotes) == ("SPX", ("SPXW",), Quotes.MODELLED)
    assert chain.option(0).underlying == "SPX"
    assert chain.expiries[0] >= CALM
    assert chain.expiries[-1] <= CALM + timedelta(days=100)


def test_index_spreads_are_those_quoted_in_january_2011():
    """Medians by price of what was bid and asked out of the money, ticks included."""
    table = real_table("spx_2011", "spx_sample_ivolatility.csv")
    opened, expired = (
        np.array([f"{x[6:]}-{x[:2]}-{x[3:5]}" for x in table[name]], dtype="datetime64[D]")
        for name in ("date", "option_expiration")
    )
    days = (expired - opened).astype(int)
    outside = (table["call/put"] == "C") == (table["strike"] >= table["forward_price"])
    table = table[outside & (table["bid"] > 0) & (days >= 4) & (days <= 105)]
    mid, half = (table["bid"] + table["ask"]) / 2, (table["ask"] - table["bid"]) / 2

    for low, high in pairwise([0.2, 0.5, 1, 2, 3, 5, 8, 12, 20, 30]):
        rows = (mid > low) & (mid <= high)
        rounding = 0.025 if high <= 3 else 0.05
        model = np.interp(mid[rows], *INDEX_WIDTHS) + rounding
        assert np.median(model) == pytest.approx(np.median(half[rows]), rel=0.2), (low, high)


def test_a_rescaled_underlying_has_the_same_vols_at_another_price():
    twice = STOCK.rescaled(2.0)

    assert twice.closes[5] == 2 * STOCK.closes[5]
    assert (twice.bounds == 2 * STOCK.bounds).all()
    assert twice.levels is STOCK.levels


def test_a_day_without_a_level_is_refused():
    unknown = replace(INDEX, levels=np.full(len(DAYS), np.nan))

    with pytest.raises(ValueError, match="no vol level"):
        modelled_chain(unknown, CALM)
    with pytest.raises(ValueError, match="no vol level"):
        modelled_chain(INDEX, date(2014, 1, 4))
