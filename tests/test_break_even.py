"""Break-even premiums: found on any profit, said in words, never against the result itself."""

import math
from dataclasses import replace
from decimal import Decimal as D

import pytest

from dollarbill_core.results.backtest import backtest
from dollarbill_core.results.break_even import (
    BreakEven,
    break_even_of,
    break_even_premium,
    conclusion,
    premium_sentence,
)
from tests.market_builder import three_symbols, weekly_strangles

CAPITAL = D(500_000)
CHAINS, STRATEGY = three_symbols(), weekly_strangles()


@pytest.fixture(scope="module")
def result():
    return backtest(CHAINS, STRATEGY, CAPITAL)


def line(true: float):
    """A profit that rises steadily through nothing at ``true``."""
    return lambda premium: D(repr(round(1e6 * (premium - true), 3)))


class TestBreakEven:
    @pytest.mark.parametrize("assumed", [0.0, 0.0127, 0.02, 0.06])
    @pytest.mark.parametrize("true", [-0.05, -0.013, 0.0, 0.0123, 0.031, 0.11])
    def test_a_straight_line_is_found_exactly(self, true, assumed):
        found = break_even_premium(line(true), assumed, line(true)(assumed))

        assert found.premium == pytest.approx(true, abs=1e-6)

    def test_a_step_is_bracketed_to_the_tolerance(self):
        def step(premium):
            return D(1) if premium > 0.027 else D(-1)

        found = break_even_premium(step, 0.02, step(0.02))

        assert found.premium == pytest.approx(0.027, abs=0.004)

    @pytest.mark.parametrize("assumed", [0.005, 0.025, 0.045])
    def test_the_verdict_never_contradicts_the_result(self, assumed):
        def jagged(premium):
            return D(repr(round(premium - 0.03 + 0.02 * math.sin(300 * premium), 9)))

        found = break_even_premium(jagged, assumed, jagged(assumed))

        assert (found.premium < assumed) is (jagged(assumed) > 0)

    @pytest.mark.parametrize(("profit", "says"), [(1, "it earns"), (-1, "it loses")])
    def test_no_crossing_is_said(self, profit, says):
        found = break_even_premium(lambda premium: D(profit), 0.02, D(profit))

        assert found.premium is None
        assert says in str(found)

    def test_nothing_traded_is_not_called_a_loss(self):
        found = break_even_premium(lambda premium: D(0), 0.02, D(0))

        assert str(found) == "none: nothing was earned or lost"
        assert len(found.tried) == 2

    def test_what_was_tried_is_kept_in_order_with_none_and_the_assumed(self):
        found = break_even_premium(line(0.03), 0.02, line(0.03)(0.02))

        premiums = [premium for premium, _ in found.tried]
        assert isinstance(found, BreakEven)
        assert premiums == sorted(premiums)
        assert {0.0, 0.02} <= set(premiums)


def test_a_results_break_even_is_asked_by_shifting_its_chains(result):
    shifts = []

    def rerun(shift):
        shifts.append(shift)
        return result

    found = break_even_of(result, 0.02, rerun)

    assert break_even_of(result, None, rerun) is None
    assert shifts[0] == -0.02
    assert dict(found.tried)[0.0] == result.net_profit


class TestWords:
    FOUND = BreakEven(0.02, ((0.0, D(-5)), (0.04, D(5))))

    def test_real_quotes_need_no_premium_sentence(self, result):
        assert premium_sentence(None, None) == ""
        marked = replace(result, lines=tuple(replace(x, marks=()) for x in result.lines))

        assert conclusion(marked, None, None).endswith("closes.")

    def test_closes_without_a_quote_are_in_the_conclusion(self, result):
        told = conclusion(result, None, None)

        assert result.blind_closes == 27
        assert told.endswith(" At 27 of them something held had no quote: exits waited.")

    def test_modelled_chains_say_what_they_carry_and_what_is_needed(self):
        assert premium_sentence(self.FOUND, 0.013) == (
            "Over this period the strategy breaks even at +2.0 vol points of premium over "
            "trailing realised vol; the modelled chains carry +1.3 on average, and without any "
            "the profit would be -5.00."
        )

    @pytest.mark.parametrize(
        ("assumed", "word"), [(0.03, "1.0 points more"), (0.01, "1.0 points less")]
    )
    def test_the_conclusion_compares_the_two(self, result, assumed, word):
        assert word in conclusion(result, self.FOUND, assumed)

    def test_it_says_earned_or_lost_by_the_sign(self, result):
        word = "earned" if result.net_profit > 0 else "lost"
        assert conclusion(result, None, None).startswith(
            f"It {word} {abs(result.net_profit):,.2f}"
        )

    def test_a_result_without_a_trade_says_so_and_why(self):
        poor = backtest(CHAINS, STRATEGY, D(100))

        told = conclusion(poor, None, None)

        assert told.startswith("Nothing was traded over 30 closes: ")
        assert "refused; the first because the account is worth 100.00" in told

    def test_no_break_even_is_said(self):
        never = BreakEven(None, ((-0.08, D(-1)), (0.16, D(-1))))
        assert "has no break-even, none: it loses from" in premium_sentence(never, 0.02)
