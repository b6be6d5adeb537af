"""What notebooks print on record: every figure of the value it tells, rounded and in order."""

from dataclasses import replace
from datetime import date
from decimal import Decimal as D

import pytest

from dollarbill_core.desk.rehearsal import rehearse
from dollarbill_core.market.faults import Fault
from dollarbill_core.market.quality import DayQuality, Quality
from dollarbill_core.market.view import View
from dollarbill_core.publishing import transcripts
from dollarbill_core.results.break_even import BreakEven
from dollarbill_core.results.monthly import monthly_statement
from dollarbill_core.results.outlook import outlook
from dollarbill_core.rules.breaker import Breaker
from dollarbill_core.rules.limits import Refusal
from dollarbill_core.strategies.short_premium import ShortPremium
from dollarbill_core.values.book import Fee, Fill
from dollarbill_core.values.calendars import close_instant, sessions
from tests.market_builder import HOUSE, chain_on, three_symbols, weekly_strangles

FOUND = BreakEven(0.02, ((0.0, D(-5)), (0.04, D(5))))


@pytest.fixture(scope="module")
def rehearsal():
    chains = three_symbols()
    return rehearse(chains, chains.sessions, weekly_strangles(), HOUSE, D(500_000))


def test_events_and_their_cash(rehearsal):
    result = rehearsal.result
    first = result.trades[0]

    mine = transcripts.of_trade(first.id, result.events)
    text = transcripts.events_told(mine)

    assert {event.trade for event in mine} == {first.id}
    assert len(text.splitlines()) == len(mine)
    fill, fee = (
        next(e for e in mine if isinstance(e, Fill)),
        next(e for e in mine if isinstance(e, Fee)),
    )
    assert f"{fill.at:%Y-%m-%d} Fill       {fill.instrument}" in text
    assert f"{fill.cash:,.2f} {fill.reason}" in text
    assert f"{fee.kind:<32} {fee.cash:>12,.2f}" in text
    assert "Flow       capital" in transcripts.events_told(result.events[:1])
    assert transcripts.events_told(()) == "nothing happened"


def test_trades(rehearsal):
    trades = rehearsal.result.trades
    text = transcripts.trades_told(trades)

    assert len(text.splitlines()) == len(trades)
    assert f"{trades[0].profit:,.2f} {trades[0].reason}" in text.splitlines()[0]
    assert text.count(", assigned") == sum(trade.assigned for trade in trades)
    assert transcripts.trades_told(()) == "no trade was closed"


def test_a_result_leads_with_what_premium_it_needs(rehearsal):
    result = rehearsal.result
    lines = transcripts.result_told(result, FOUND, 0.013).splitlines()

    assert lines[0].startswith(result.provenance.label)
    assert lines[1] == "breaks even at +2.0 vol points, chains carry +1.30 points"
    assert f"net {result.net_profit:,.2f}" in lines[2]
    assert f"peak {result.margin.max():,.2f}" in lines[-1]
    assert "breaks even at n/a, quoted" in transcripts.result_told(result, None, None)


def test_doubts_and_endings(rehearsal):
    result = rehearsal.result

    assert str(result.reconciliation()) in transcripts.doubts_told(result)
    assert f"margin calls {result.margin_calls}" in transcripts.doubts_told(result)
    assert f"assignments {len(result.assignments)}," in transcripts.endings_told(result)


def test_what_nobody_quoted_has_no_quality(rehearsal):
    assert transcripts.quality_told(rehearsal.result).startswith("MODELLED: nobody quoted")


def test_the_quality_of_each_underlying_is_told(rehearsal):
    days = sessions(date(2021, 1, 4), date(2021, 1, 8))
    judged = tuple(DayQuality(day, 20, {Fault.CROSSED: 2}, 0.9) for day in days[1:])
    quality = Quality("AAA", judged, days), Quality("BBB", judged, days[1:])

    lines = transcripts.quality_told(replace(rehearsal.result, quality=quality)).splitlines()

    assert lines[0].startswith("AAA: chains on 4 of 5 sessions (80.0%), missing 2021-01-04")
    assert lines[1] == "Of 80 quotes: 8 crossed."
    assert [line[:3] for line in lines].count("BBB") == 1


def test_the_first_refusal_is_told_with_its_reason(rehearsal):
    order = next(report.sent[0] for report in rehearsal.reports if report.sent)
    refused = replace(rehearsal.result, refused=(Refusal(order, "too much of it"),) * 2)
    none = replace(rehearsal.result, refused=())

    line = f"\nfirst refused: {order.trade} | too much of it\n"
    assert line in transcripts.doubts_told(refused)
    assert "first refused" not in transcripts.doubts_told(none)


def test_eves_that_nobody_could_judge_are_told_where_there_are_any(rehearsal):
    told = transcripts.doubts_told(replace(rehearsal.result, unseen_eves=3))

    assert (
        "\nshort calls held over an ex-date on whose eve no quotes said who exercises 3: "
        in told
    )
    assert rehearsal.result.unseen_eves == 0
    for none in (0, None):
        result = replace(rehearsal.result, unseen_eves=none)
        assert "ex-date" not in transcripts.doubts_told(result)


def test_a_session_in_words(rehearsal):
    busy = next(report for report in rehearsal.reports if report.sent)
    refused = next((r for r in rehearsal.reports if r.refused), None)

    orders = transcripts.orders_told(busy)
    assert busy.sent[0].client_order_id in orders
    assert "sell put" in orders
    assert transcripts.orders_told(replace(busy, sent=(), refused=())).startswith("no order")
    assert refused is None or "refused: " in transcripts.orders_told(refused)
    last = rehearsal.reports[-1]
    assert "DIFFERENT" not in transcripts.comparisons_told(last.comparisons)
    assert len(transcripts.comparisons_told(last.comparisons).splitlines()) == len(
        last.comparisons
    )
    odd = replace(last.comparisons[0], brokers=D(0))
    assert transcripts.comparisons_told([odd]).endswith("DIFFERENT")


def test_holdings_end_with_nav_and_margin(rehearsal):
    line = next(r.line for r in rehearsal.reports if r.line.marks)
    text = transcripts.holdings_told(line).splitlines()

    assert len(text) == len(line.marks) + 1
    assert f"NAV {line.nav:,.2f}" in text[-1]
    unsure = replace(line, marks=(replace(line.marks[0], modelled=True),))
    assert "modelled" in transcripts.holdings_told(unsure)


def test_a_statement_and_its_bridge(rehearsal):
    result = rehearsal.result
    made = monthly_statement(
        result.lines, result.events, "2026-03", result.provenance, strategy="s", premium="p"
    )

    bridge = transcripts.bridge_told(made.bridge).splitlines()
    told = transcripts.statement_told(made)

    assert f"closing {made.bridge.closing:,.2f}" in bridge[-1]
    assert len(bridge) == 2 + len(made.bridge.gains) + len(made.bridge.fees)
    assert told.splitlines()[1] == "p"
    assert all(period.name in told for period in made.periods)
    assert "real quotes carry" in transcripts.statement_told(replace(made, premium=""))


def test_a_design_in_words():
    day = date(2026, 3, 3)
    view = View(
        close_instant(day), {"AAA": D(100)}, chains={"AAA": chain_on("AAA", day, 100.0)}
    )
    promised = outlook(view, ShortPremium(("AAA",)), "AAA", HOUSE.account, HOUSE.fills)

    seen = transcripts.candidates_told(promised, view).splitlines()
    told = transcripts.outlook_told(promised)

    assert len(seen) == len(promised.candidates) + 2
    assert seen[0].endswith("taken")
    assert seen[-1].startswith("sell call 1 AAA")
    assert f"credit {promised.credit:,.2f}, worst loss unlimited" in told
    assert promised.required.groups[0].why in told


def test_assumptions_follow_their_label(rehearsal):
    sure = replace(rehearsal.result.provenance, assumptions=("One.", "Two."))

    assert transcripts.assumptions_told(sure).splitlines() == [sure.label, "- One.", "- Two."]


def test_the_breaker_by_value():
    told = transcripts.breaker_told(Breaker(D("0.08"), D("0.12")), (100, 93, 92, 88, 100))

    assert [line.split()[1] for line in told.splitlines()] == [
        "normal", "normal", "reduce", "halt", "halt",
    ]  # fmt: skip
