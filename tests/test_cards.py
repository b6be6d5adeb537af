"""The answer on the first screen: the result's own figures, the break-even premium first."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal as D

import pytest

from dollarbill_core.desk.reports import SessionReport, SessionStatus
from dollarbill_core.market.quality import DayQuality, Quality
from dollarbill_core.publishing.cards import (
    Card,
    Figure,
    headline,
    session_card,
    signed_dollars,
)
from dollarbill_core.results.backtest import backtest
from dollarbill_core.results.break_even import BreakEven
from dollarbill_core.results.performance import monthly_returns
from dollarbill_core.rules.accounts import CASH
from dollarbill_core.rules.breaker import BreakerState, Reset
from dollarbill_core.values.calendars import sessions
from dollarbill_core.values.provenance import Quotes
from tests.market_builder import three_symbols, weekly_strangles

RESULT = backtest(three_symbols(), weekly_strangles(), D(200_000))
FOUND = BreakEven(0.019, ((0.0, D("-40000")), (0.04, D("50000"))))
CARD = headline(RESULT, FOUND, 0.013)
KEYS = [figure.key for figure in CARD.figures]


def value(card: Card, key: str) -> str:
    return next(figure.value for figure in card.figures if figure.key == key)


def quoted():
    return replace(RESULT, provenance=replace(RESULT.provenance, quotes=Quotes.QUOTED))


def test_on_modelled_chains_the_break_even_premium_leads():
    assert KEYS[:3] == ["break-even", "net-profit", "net-profit-at-zero"]
    assert value(CARD, "break-even") == "+1.9 vol points"
    assert value(CARD, "net-profit-at-zero") == "−$40,000.00"


def test_modelled_chains_without_a_break_even_premium_have_no_headline():
    with pytest.raises(ValueError, match="leads with its break-even premium"):
        headline(RESULT)


def test_quoted_chains_need_none():
    card = headline(quoted())

    assert card.figures[0].key == "net-profit"
    assert card.label == "BACKTEST · QUOTED"


def judged(symbol: str, score: float, missing: int = 0) -> Quality:
    days = sessions(date(2021, 1, 4), date(2021, 1, 15))
    return Quality(symbol, tuple(DayQuality(x, 20, {}, score) for x in days[missing:]), days)


@pytest.mark.parametrize(
    ("quality", "words"),
    [
        pytest.param(
            (judged("SPY", 0.996),),
            ("Quality of quotes", "99.6%", "chains on 100.0% of sessions"),
            id="one underlying",
        ),
        pytest.param(
            (judged("SPY", 0.9996),),
            ("Quality of quotes", "99.9%", "chains on 100.0% of sessions"),
            id="never rounded up",
        ),
        pytest.param(
            (judged("SPY", 0.9), judged("QQQ", 0.99, missing=5)),
            ("Quality of quotes, SPY", "90.0%", "chains on 50.0% of sessions of QQQ"),
            id="of several the worst",
        ),
    ],
)
def test_the_quality_of_the_quotes_is_on_the_card(quality, words):
    figures = headline(replace(quoted(), quality=quality)).figures

    (figure,) = (each for each in figures if each.key == "quality")
    assert (figure.name, figure.value, figure.note) == words
    assert "quality" not in KEYS  # nobody quoted the modelled ones


def test_a_backtest_whose_every_entry_was_refused_says_so_and_why():
    nothing = backtest(three_symbols(), weekly_strangles(), D(200_000), account=CASH)

    first = headline(nothing, FOUND).figures[0]

    assert (first.key, first.name) == ("refused", "Nothing was traded")
    assert first.value == f"{len(nothing.refused)} entries refused"
    assert first.note.startswith("first: a cash account may not be short a call without")
    assert "refused" not in KEYS


def test_the_figures_are_the_results():
    monthly = monthly_returns(RESULT.equity)
    peak = max(float(line.maintenance / line.nav) for line in RESULT.lines)

    assert value(CARD, "net-profit") == signed_dollars(RESULT.net_profit)
    assert f"gross {signed_dollars(RESULT.gross_profit)}" in repr(CARD)
    assert value(CARD, "worst-month") == f"{monthly.min():+.2%}".replace("-", "−")
    assert value(CARD, "peak-margin") == f"{peak:.1%} of NAV"
    assert value(CARD, "period") == "2026-03-02 to 2026-04-13"
    assert "premium +1.3" in repr(CARD)


def test_a_clean_replay_is_complete_and_a_broken_one_says_so():
    wrong = replace(RESULT.lines[-1], cash=RESULT.lines[-1].cash + 1)

    broken = headline(replace(RESULT, lines=(*RESULT.lines[:-1], wrong)), FOUND)

    assert CARD.status == "complete"
    assert broken.status == "2 differences in the replay"


def test_margin_calls_are_counted():
    short = replace(RESULT.lines[3], free=D(-1))

    card = headline(replace(RESULT, lines=(*RESULT.lines[:3], short, *RESULT.lines[4:])), FOUND)

    assert "no margin call" in repr(CARD)
    assert "1 margin call)" in repr(card)


def test_html_and_text_carry_the_same_words():
    html = CARD._repr_html_()

    found = dict(re.findall(r'data-figure="([\w-]+)"[^>]*>([^<]*)<', html))
    assert found == {
        "label": CARD.label,
        "status": CARD.status,
        **{figure.key: figure.value for figure in CARD.figures},
    }
    assert all(figure.value in repr(CARD) for figure in CARD.figures)


def test_words_cannot_become_markup():
    html = Card((Figure("k", "a & b", "<1>", '"x"'),), "<label>")._repr_html_()

    assert "<1>" not in html
    assert "a &amp; b" in html
    assert "&lt;label&gt;" in html


@pytest.mark.parametrize("state", BreakerState)
def test_a_session_says_when_the_breaker_opens_nothing(state):
    card = session_card(
        SessionReport(SessionStatus.NEW, date(2026, 11, 2), "abc", "PAPER", breaker=state)
    )

    (figure,) = (each for each in card.figures if each.key == "breaker")
    assert figure.value == state.value
    assert ("nothing is opened" in repr(figure)) is not state.opens


def test_a_session_says_who_reset_the_breaker_and_why():
    word = Reset("J. Doe", datetime(2026, 11, 1, 17, tzinfo=UTC), "smaller sizes")
    report = SessionReport(SessionStatus.NEW, date(2026, 11, 2), "abc", "PAPER", reset=word)

    (figure,) = (each for each in session_card(report).figures if each.key == "breaker")

    assert figure.note == "reset by J. Doe on 2026-11-01: smaller sizes"
