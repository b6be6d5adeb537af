"""Whole backtests: they reconcile, know nothing of the future, and a lie turns them red."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal as D

import numpy as np
import pytest

from dollarbill_core.market.carry import CashDividend
from dollarbill_core.results.backtest import backtest
from dollarbill_core.results.nav import reconciliation
from dollarbill_core.rules.breaker import Breaker
from dollarbill_core.rules.costs import FREE
from dollarbill_core.rules.fills import FillModel
from dollarbill_core.strategies.short_premium import ShortPremium
from dollarbill_core.strategies.structures import Structure
from dollarbill_core.values.book import Assignment, Book, Fee, Fill
from dollarbill_core.values.orders import Reason
from dollarbill_core.values.provenance import Stage
from tests.market_builder import made_chains, three_symbols, weekly_strangles

CAPITAL = D(500_000)
CHAINS, STRATEGY = three_symbols(), weekly_strangles()


@pytest.fixture(scope="module")
def result():
    return backtest(CHAINS, STRATEGY, CAPITAL)


def test_every_session_has_a_line_and_cash_plus_marks_is_nav(result):
    assert [line.day for line in result.lines] == list(CHAINS.sessions)
    assert all(line.nav == line.cash + line.market_value for line in result.lines)
    assert len(result.equity) == len(result.margin) == len(CHAINS.sessions) + 1
    assert result.equity.iloc[0] == float(CAPITAL)


def test_it_reconciles_and_trades_something_of_each_kind(result):
    assert result.reconciliation().is_clean, result.reconciliation().breaks
    reasons = {trade.reason for trade in result.trades}
    assert Reason.PROFIT_TARGET in reasons
    assert reasons & {Reason.EXPIRED, Reason.DELIVERED_STOCK}
    assert result.assignments
    assert all(isinstance(event, Assignment) for event in result.assignments)


def test_profit_is_that_of_its_trades_and_of_what_is_open(result):
    done = sum((trade.profit for trade in result.trades), D(0))
    still_open = [t.id for t in result.book.trades]
    rest = sum((e.cash for e in result.events if getattr(e, "trade", "") in still_open), D(0))

    assert result.net_profit == done + rest + result.lines[-1].market_value
    assert result.gross_profit - result.net_profit == result.fees
    assert result.fees == sum(e.amount for e in result.events if isinstance(e, Fee))


def test_dropping_doubling_or_changing_any_event_is_noticed(result):
    for i, event in enumerate(result.events):
        dropped = (*result.events[:i], *result.events[i + 1 :])
        doubled = (*result.events[: i + 1], *result.events[i:])
        assert not reconciliation(dropped, result.lines, Book()).is_clean, event
        assert not reconciliation(doubled, result.lines, Book()).is_clean, event
    first = next(i for i, e in enumerate(result.events) if isinstance(e, Fill))
    dearer = replace(result.events[first], price=result.events[first].price + D("0.01"))
    changed = (*result.events[:first], dearer, *result.events[first + 1 :])
    assert not reconciliation(changed, result.lines, Book()).is_clean


def test_the_future_changes_nothing_before_it(result):
    cut = 15
    closes = {symbol: days.closes.copy() for symbol, days in CHAINS.days.items()}
    for prices in closes.values():
        prices[cut:] *= 1.5
    other = backtest(made_chains(closes, roots={"SPX": "SPXW"}), STRATEGY, CAPITAL)

    assert other.lines[:cut] == result.lines[:cut]
    assert other.lines[cut] != result.lines[cut]


def test_orders_fill_at_the_next_session(result):
    entered = {e.trade: e.at.date() for e in result.events if isinstance(e, Fill)}
    days = list(CHAINS.sessions)
    for trade in result.trades:
        decided = date.fromisoformat(
            trade.id[-8:-4] + "-" + trade.id[-4:-2] + "-" + trade.id[-2:]
        )
        assert days.index(trade.opened) == days.index(decided) + 1
    assert entered


def test_orders_may_fill_at_the_quotes_that_decided_them_and_the_result_says_so(result):
    fills = FillModel(in_deciding_snapshot=True)
    at_once = backtest(CHAINS, STRATEGY, CAPITAL, fills=fills)
    first = next(trade for trade in at_once.trades if trade.id == result.trades[0].id)

    assert at_once.reconciliation().is_clean
    assert (
        first.opened
        == CHAINS.sessions[list(CHAINS.sessions).index(result.trades[0].opened) - 1]
    )
    assert fills.assumptions == ("Orders fill at the very quotes that decided them.",)
    assert fills.assumptions[0] in at_once.provenance.assumptions
    assert fills.assumptions[0] not in result.provenance.assumptions


def test_a_result_says_what_share_of_its_fees_is_estimated(result):
    found = result.estimated_fees

    assert found.charged == result.fees
    assert 0 < found.share < 1
    assert "exchange fee SPXW" in found.kinds  # read on a later day than these sessions


def test_fills_at_a_models_quotes_are_not_judged(result):
    assert result.flawed_fills is None


def test_costs_and_spreads_only_cost(result):
    free = backtest(CHAINS, STRATEGY, CAPITAL, costs=FREE)
    at_mid = backtest(CHAINS, STRATEGY, CAPITAL, costs=FREE, fills=FillModel(D(0)))

    assert free.fees == 0
    entries = [t.credit for t in at_mid.trades if t.opened == at_mid.trades[0].opened]
    assert free.gross_profit == free.net_profit
    assert at_mid.trades[0].credit > free.trades[0].credit
    assert entries


def test_provenance_says_backtest_and_by_which_strategy(result):
    assert result.provenance.stage is Stage.BACKTEST
    assert result.provenance.strategy_hash == STRATEGY.hash
    assert result.provenance.data_hash == CHAINS.provenance.data_hash
    rules, cash = result.provenance.assumptions[-2:]
    assert rules == "Margin rules: Reg T margin; fees: Interactive Brokers, tiered."
    assert cash.startswith("Cash in the account earns nothing")


def test_a_missing_quote_is_marked_at_the_worse_and_never_traded():
    blind_from = CHAINS.sessions[3]

    def without_held(day, chain):
        return chain if day < blind_from else chain.where(np.abs(chain.delta) > 0.45)

    result = backtest(three_symbols(spoil=without_held), STRATEGY, CAPITAL)

    held = [m for line in result.lines for m in line.marks if m.modelled]
    assert result.modelled_marks == len(held) > 0
    assert 0 < result.blind_closes <= len(result.lines)
    closings = {e.reason for e in result.events if isinstance(e, Fill)} - {Reason.ENTRY}
    assert closings <= {Reason.DELIVERED_STOCK}
    assert result.pessimistic_profit <= result.net_profit
    assert result.reconciliation().is_clean


def test_a_hole_on_the_eve_of_an_ex_date_is_counted():
    entered, eve, ex_date = CHAINS.sessions[1], *CHAINS.sessions[5:7]
    calls = replace(STRATEGY, symbols=("AAA",), structure=Structure.SHORT_CALL, quantity=3)
    paid = {"AAA": (CashDividend(ex_date, D("0.50")),)}
    whole = three_symbols(dividends=paid)
    left = tuple(day for day in CHAINS.sessions if day != eve)
    holed = replace(whole, days=whole.days | {"AAA": replace(whole.days["AAA"], sessions=left)})

    seen, unseen = (backtest(chains, calls, CAPITAL) for chains in (whole, holed))

    assert next(e.at.date() for e in unseen.events if isinstance(e, Fill)) == entered
    assert (seen.unseen_eves, unseen.unseen_eves) == (0, 3)


def test_a_small_account_is_refused_and_never_called():
    result = backtest(CHAINS, STRATEGY, D(20_000))

    assert result.refused
    assert "cannot carry" in result.refused[0].why


def test_the_breaker_stops_openings_for_good():
    falling = Breaker(reduce_at=D("0.000001"), halt_at=D("0.000002"))

    result = backtest(CHAINS, STRATEGY, CAPITAL, breaker=falling)

    late = [e for e in result.events if isinstance(e, Fill) and e.reason == Reason.ENTRY]
    assert max(e.at.date() for e in late) < CHAINS.sessions[-1] - timedelta(days=14)


@pytest.mark.parametrize("capital", [D(0), D(-1)])
def test_capital_must_be_positive(capital):
    with pytest.raises(ValueError, match="capital must be positive"):
        backtest(CHAINS, STRATEGY, capital)


def test_a_strangle_whose_put_is_assigned_early_ends_as_assigned_not_at_its_target():
    """AAA falls from 100 to 84 on the eighth session; the call is next to worthless."""
    closes = np.where(np.arange(len(CHAINS.sessions)) < 7, 100.0, 84.0)
    rules = {"put_delta": 0.3, "call_delta": 0.3, "exit_dte": 0, "stop_multiple": 100.0}

    result = backtest(made_chains({"AAA": closes}), ShortPremium(("AAA",), **rules), CAPITAL)

    (trade,) = result.trades
    assert (trade.assigned, trade.reason, trade.profit < 0) == (True, Reason.ASSIGNED, True)
    assert result.reconciliation().is_clean
    reasons = [str(e.reason) for e in result.events if isinstance(e, Fill)]
    assert reasons[:4] == ["entry", "entry", "delivered stock sold", "assigned"]
