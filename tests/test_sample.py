"""The sample: the official VIX comes back out of the chains, and nobody looks ahead."""

import re
from datetime import date
from itertools import pairwise

import numpy as np
import pytest

from dollarbill_core.market.carry import policy_rates
from dollarbill_core.market.realised import realised_vol
from dollarbill_core.market.volatility import (
    at_the_money_vol,
    parity_forward,
    vix,
)
from dollarbill_core.sources import sample
from dollarbill_core.sources.sample import (
    DEFAULT_PREMIUM,
    FIRST_PRICE,
    LEAST_VOL,
    STOCKS,
    SYMBOLS,
    carried_premium,
    sample_chains,
)
from dollarbill_core.values.calendars import close_instant, sessions
from dollarbill_core.values.contracts import Settlement
from dollarbill_core.values.provenance import Quotes, fingerprint

START, END = date(2016, 1, 4), date(2016, 12, 30)
DAY = date(2016, 6, 24)


@pytest.fixture(scope="module")
def vix_years():
    return sample_chains(["SPX"], date(2014, 1, 3), date(2018, 12, 31)).days["SPX"]


def test_the_vix_recomputed_from_the_chains_is_the_official_one_on_every_day(vix_years):
    official = sample._official_vix()

    errors = np.array(
        [vix(vix_years.chain(d), policy_rates(d)) - official[d] for d in vix_years.sessions]
    )

    print(f"largest of {len(errors)} errors: {np.abs(errors).max():.3f} points")
    assert len(errors) == 1257
    assert np.abs(errors).max() < 0.05


def test_at_the_money_vol_lies_below_the_vix_by_as_much_as_in_january_2011(vix_years):
    """15.30 against 17.61 on 3 January 2011; the shares of that week were 0.869 to 0.878."""
    official = sample._official_vix()
    days = vix_years.sessions[::60]

    shares = [
        100 * at_the_money_vol(vix_years.chain(day), policy_rates(day)) / official[day]
        for day in days
    ]

    assert 0.855 < min(shares) < max(shares) < 0.885


def test_the_vol_in_the_history_is_that_of_the_chain(vix_years):
    known = dict(zip(vix_years.days.tolist(), vix_years.vols, strict=True))

    for day in vix_years.sessions[5::100]:
        read = at_the_money_vol(vix_years.chain(day), policy_rates(day))
        assert read == pytest.approx(known[day], abs=0.003)


def test_history_reaches_back_a_year_before_the_first_chain(vix_years):
    before = vix_years.days < np.datetime64(vix_years.sessions[0], "D")

    assert before.sum() == 300
    assert np.isfinite(vix_years.vols[before]).all()


def test_without_a_vix_the_level_is_realised_vol_plus_the_premium():
    days = sample_chains(["KO"], START, END).days["KO"]
    realised = realised_vol(days.closes)[21:]

    expected = np.maximum(realised + DEFAULT_PREMIUM, LEAST_VOL)

    assert days.vols[21:] == pytest.approx(expected)


@pytest.mark.parametrize("shift", [-0.0127, 0.03])
def test_a_shift_moves_every_day_alike(shift, vix_years):
    days = sample_chains(["SPX"], START, END, shift).days["SPX"]
    plain = sample_chains(["SPX"], START, END).days["SPX"]

    assert days.vols == pytest.approx(np.maximum(plain.vols + shift, LEAST_VOL), nan_ok=True)
    assert carried_premium(days) == pytest.approx(carried_premium(plain) + shift, abs=0.001)


def test_a_stock_that_outgrows_its_strikes_is_refused():
    with pytest.raises(ValueError, match="UNH grows beyond 10,000"):
        sample_chains(["UNH"], date(1990, 3, 1), END)


def test_the_premium_that_the_vix_asked_for(vix_years):
    assert carried_premium(vix_years) == pytest.approx(0.0127, abs=0.0005)


def test_spx_is_cash_settled_european_and_settles_on_the_close():
    option = sample_chains(["SPX"], START, END).days["SPX"].chain(DAY).option(0)

    assert (option.root, option.underlying) == ("SPXW", "SPX")
    assert option.settlement is Settlement.CASH
    assert option.is_european
    assert not option.is_am_settled


def test_the_index_pays_the_yield_it_states():
    chains = sample_chains(["SPX"], START, END)
    part = chains.days["SPX"].chain(DAY).expiring(date(2016, 9, 16))
    years, rate = 84 / 365, policy_rates(DAY).flat

    forward = parity_forward(part, years, rate)

    assert "The index pays dividends at 1.9% a year." in chains.provenance.assumptions
    assert forward / part.spot == pytest.approx(np.exp((rate - 0.019) * years), abs=1e-4)


@pytest.mark.parametrize("symbol", ["AAPL", "XOM"])
def test_stocks_start_at_100_and_keep_their_returns(symbol):
    days = sample_chains([symbol], START, END).days[symbol]
    known, closes = sample._stock_closes()
    raw = closes[:, STOCKS.index(symbol)][[known.index(day) for day in days.sessions]]

    spots = np.array([days.chain(day).spot for day in days.sessions])

    assert spots[0] == pytest.approx(FIRST_PRICE)
    assert spots / spots[0] == pytest.approx(raw / raw[0])


def test_every_symbol_can_be_had_on_its_first_and_last_day():
    for symbol in SYMBOLS:
        first, last = (
            (date(1999, 2, 3), date(2018, 12, 31))
            if symbol == "SPX"
            else (date(1990, 1, 31), date(2022, 12, 28))
        )
        for day in (first, last):
            chain = sample_chains([symbol], day, day).days[symbol].chain(day)
            assert len(chain.sound) > 12


def test_sessions_are_those_of_the_exchange():
    chains = sample_chains(["SPX", "JPM"], START, END)

    assert chains.sessions == sessions(START, END)
    assert chains.days["JPM"].sessions == chains.days["SPX"].sessions


def altered_after(day: date, monkeypatch) -> None:
    """Another future: from the session after ``day`` every price and VIX is different."""
    index_days, index = sample._index_closes()
    stock_days, stocks = sample._stock_closes()
    official = sample._official_vix()
    rng = np.random.default_rng(1)
    later = np.array(index_days) > day
    index = np.where(later, index * rng.uniform(0.5, 2.0, len(index)), index)
    later = (np.array(stock_days) > day)[:, None]
    stocks = np.where(later, stocks * rng.uniform(0.5, 2.0, stocks.shape), stocks)
    vixes = {d: value * (3 if d > day else 1) for d, value in official.items()}
    monkeypatch.setattr(sample, "_index_closes", lambda: (index_days, index))
    monkeypatch.setattr(sample, "_stock_closes", lambda: (stock_days, stocks))
    monkeypatch.setattr(sample, "_official_vix", lambda: vixes)
    sample._index.cache_clear()
    sample._stock.cache_clear()


@pytest.mark.parametrize("shift", [0.0, -0.01])
def test_a_changed_future_moves_nothing(shift, monkeypatch):
    symbols = ["SPX", "AAPL", "RRC"]
    after = date(2016, 6, 27)
    known = sample_chains(symbols, START, END, shift)
    seen, later = (known.view(day).hash for day in (DAY, after))

    altered_after(DAY, monkeypatch)
    changed = sample_chains(symbols, START, END, shift)

    assert changed.view(DAY).hash == seen
    assert changed.view(after).hash != later
    monkeypatch.undo()
    sample._index.cache_clear()
    sample._stock.cache_clear()


def test_the_same_question_has_the_same_answer():
    first, second = (sample_chains(["SPX", "GE"], START, END) for _ in range(2))

    assert first.provenance == second.provenance
    assert first.view(DAY).hash == second.view(DAY).hash
    one, other = (fingerprint(each.days["GE"].chain(DAY)) for each in (first, second))
    assert one == other


def test_index_chains_do_not_depend_on_the_period_asked_for():
    longer = sample_chains(["SPX"], date(2014, 6, 2), date(2018, 6, 1)).days["SPX"]
    shorter = sample_chains(["SPX"], START, END).days["SPX"]

    assert fingerprint(longer.chain(DAY)) == fingerprint(shorter.chain(DAY))


def test_the_face_says_modelled_and_what_is_missing():
    index, stocks = (sample_chains([symbol], START, END).provenance for symbol in ("SPX", "KO"))

    assert index.quotes is stocks.quotes is Quotes.MODELLED
    assert index.warnings == ()
    assert stocks.warnings == ("NO DIVIDENDS", "SURVIVORS")
    assert "MODELLED · NO DIVIDENDS · SURVIVORS" in stocks.label
    assert index.as_of == close_instant(END)


@pytest.mark.parametrize(
    ("symbol", "start", "shift", "sentence"),
    [
        pytest.param("SPX", START, 0.0, r"follows the official VIX on 252 days; \d", id="VIX"),
        pytest.param("SPX", date(2013, 12, 2), 0.0, r"on the 22 others", id="partly VIX"),
        pytest.param("SPX", START, -0.01, r"days, moved by -1.0 points;", id="moved"),
        pytest.param("KO", START, -0.02, r"plus 0.0 points", id="none"),
        pytest.param("KO", START, 0.0, r"plus 2.0 points", id="default"),
    ],
)
def test_the_premium_assumed_stands_first(symbol, start, shift, sentence):
    first = sample_chains([symbol], start, END, shift).provenance.assumptions[0]

    assert first.startswith(f"{symbol}: ")
    assert first.endswith(".")
    assert re.search(sentence, first)


def test_the_data_hash_knows_the_premium_and_the_period():
    asked = [(["KO"], START, END, 0.02), (["KO"], START, END, 0.01), (["KO"], START, DAY, 0.02)]

    hashes = {sample_chains(*question).provenance.data_hash for question in asked}

    assert len(hashes) == 3


@pytest.mark.parametrize(
    ("symbols", "start", "end", "shift", "message"),
    [
        pytest.param(["APPL"], START, END, 0.0, "did you mean AAPL", id="misspelt"),
        pytest.param(["spx"], START, END, 0.0, "did you mean SPX", id="lower case"),
        pytest.param(["QQQQQ"], START, END, 0.0, "there are SPX", id="unknown"),
        pytest.param([], START, END, 0.0, "at least one", id="none"),
        pytest.param(["SPX"], END, START, 0.0, "before it starts", id="backwards"),
        pytest.param(["SPX"], date(1998, 1, 2), END, 0.0, "from 1999-02-03", id="early"),
        pytest.param(["SPX"], START, date(2019, 1, 2), 0.0, "to 2018-12-31", id="late"),
        pytest.param(["KO"], date(2016, 1, 2), date(2016, 1, 3), 0.0, "no session", id="shut"),
        pytest.param(["KO"], START, END, 2.0, "shift is a fraction", id="points"),
    ],
)
def test_refuses_in_one_line(symbols, start, end, shift, message):
    with pytest.raises(ValueError, match=message) as refused:
        sample_chains(symbols, start, end, shift)

    assert "\n" not in str(refused.value)


def test_a_jump_leaves_no_strike_behind():
    """The contracts that could be sold before 5 February 2018 are quoted after it."""
    days = sample_chains(["SPX"], date(2018, 1, 2), date(2018, 3, 30)).days["SPX"]

    for before, after in pairwise(days.sessions[::7]):
        chain, later = days.chain(before), days.chain(after)
        sold = [chain.option(row) for row in np.flatnonzero(chain.bid > 0)[::9]]
        assert all(later.row(x) is not None for x in sold if x.expiry > after)
