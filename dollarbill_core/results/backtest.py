"""What a strategy would have earned: the one day, repeated, with every event kept."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from dollarbill_core.market.chains import Quote
from dollarbill_core.market.quality import Quality
from dollarbill_core.market.view import Chains, View
from dollarbill_core.results.nav import (
    ClosedTrade,
    Mark,
    NavLine,
    Reconciliation,
    closed_trades,
    held_at_closes,
    nav_line,
    reconciliation,
)
from dollarbill_core.rules.accounts import REG_T, Account
from dollarbill_core.rules.assignment import unseen_eves
from dollarbill_core.rules.breaker import Breaker
from dollarbill_core.rules.costs import INTERACTIVE_BROKERS, Costs, EstimatedFees
from dollarbill_core.rules.exercise import CERTAIN, ExercisePolicy
from dollarbill_core.rules.fills import FillModel
from dollarbill_core.rules.limits import Limits, Refusal
from dollarbill_core.strategies.day import (
    House,
    Unfilled,
    closing_events,
    decisions,
    executions,
    last_quotes_after,
    market_events,
)
from dollarbill_core.strategies.short_premium import Strategy
from dollarbill_core.values.book import Assignment, Book, Event, Fee, Fill, Flow
from dollarbill_core.values.calendars import MARKET_ZONE
from dollarbill_core.values.contracts import Option
from dollarbill_core.values.orders import Order
from dollarbill_core.values.provenance import Provenance, Stage

if TYPE_CHECKING:
    import pandas as pd

CASH_SENTENCE = "Cash in the account earns nothing, and money owed costs nothing."
Progress = Callable[[Iterable[date]], Iterable[date]]


@dataclass(frozen=True, slots=True)
class Result:
    """A finished backtest: raw events and a line for each session; the rest is derived.

    ``unseen_eves`` counts short calls (`assignment.unseen_eves`); None without the chains.
    ``quality`` is that of the quotes it rests on, by underlying; empty for modelled chains.
    ``flawed_fills`` counts fills at quotes with a grave fault; None where nobody looked.
    """

    capital: Decimal
    provenance: Provenance
    house: House
    lines: tuple[NavLine, ...]
    events: tuple[Event, ...]
    refused: tuple[Refusal, ...]
    unfilled: tuple[Unfilled, ...]
    widest_spread: Decimal
    book: Book
    unseen_eves: int | None = None
    quality: tuple[Quality, ...] = ()
    flawed_fills: int | None = None

    @property
    def equity(self) -> "pd.Series":
        """NAV at each close, dollars, after the opening capital on the evening before."""
        return self._series("NAV", self.capital, [line.nav for line in self.lines])

    @property
    def margin(self) -> "pd.Series":
        """Maintenance requirement at each close, dollars, gross."""
        values = [line.maintenance for line in self.lines]
        return self._series("maintenance requirement", Decimal(0), values)

    @property
    def trades(self) -> tuple[ClosedTrade, ...]:
        """Trades opened and closed within the period, by closing date."""
        return closed_trades(self.events)

    @property
    def assignments(self) -> tuple[Assignment, ...]:
        return tuple(event for event in self.events if isinstance(event, Assignment))

    @property
    def fees(self) -> Decimal:
        """Dollars of commissions and fees."""
        return sum((e.amount for e in self.events if isinstance(e, Fee)), Decimal(0))

    @property
    def estimated_fees(self) -> EstimatedFees:
        """How much of the fees rests on ESTIMATED rows of the price list."""
        return self.house.costs.estimated(self.events)

    @property
    def net_profit(self) -> Decimal:
        """Dollars after costs, open positions at their marks."""
        return self.lines[-1].nav - self.capital

    @property
    def gross_profit(self) -> Decimal:
        """Dollars before commissions and fees; the spread is given up in either."""
        return self.net_profit + self.fees

    @property
    def margin_calls(self) -> int:
        """Closes at which the account fell short of its maintenance requirement."""
        return sum(line.free < 0 for line in self.lines)

    @property
    def modelled_marks(self) -> int:
        """Marks, over all closes, that had no sound quote behind them that day."""
        return sum(mark.modelled for line in self.lines for mark in line.marks)

    @property
    def blind_closes(self) -> int:
        """Closes at which something held had no sound quote, so that its exit had to wait."""
        return sum(any(mark.modelled for mark in line.marks) for line in self.lines)

    @property
    def pessimistic_profit(self) -> Decimal:
        """Net profit if what is open were closed at its mark and the widest spread seen."""
        worst = sum((_closed_at_worst(mark, self) for mark in self.lines[-1].marks), Decimal(0))
        return self.lines[-1].cash + worst - self.capital

    def reconciliation(self) -> Reconciliation:
        """The independent replay of the raw events against every close."""
        return reconciliation(self.events, self.lines, Book())

    def _series(self, name: str, first: Decimal, values: Iterable[Decimal]) -> "pd.Series":
        import pandas as pd

        days = [self.lines[0].day - timedelta(days=1), *(line.day for line in self.lines)]
        data = [float(value) for value in (first, *values)]
        return pd.Series(data, pd.DatetimeIndex(days, name="close"), name=name)


def _closed_at_worst(mark: Mark, result: Result) -> Decimal:
    if not isinstance(mark.instrument, Option):
        return mark.value
    side = 1 if mark.quantity > 0 else -1
    per_share = max(mark.price - side * result.widest_spread, Decimal(0))
    return mark.quantity * mark.instrument.multiplier * per_share


def backtest(
    chains: Chains,
    strategy: Strategy,
    capital: Decimal,
    *,
    account: Account = REG_T,
    costs: Costs = INTERACTIVE_BROKERS,
    fills: FillModel | None = None,
    exercise: ExercisePolicy = CERTAIN,
    limits: Limits | None = None,
    breaker: Breaker | None = None,
    progress: Progress = iter,
) -> Result:
    """Run a strategy over every session of ``chains``, deciding at each close.

    What is decided at one close fills at the next session's quotes, or where ``fills`` says so
    at once; all legs or none. Options expire against the close of their last day; shorts are
    assigned early when their holders lose by waiting. Cash earns nothing in this first form.

    Parameters
    ----------
    capital
        Opening cash, dollars, positive.
    exercise
        How the holders of what is sold behave: near the strike, and before expiry.
    progress
        Wraps the sessions, such as ``tqdm``.

    Raises
    ------
    ValueError
        If capital is not positive or there are no sessions.
    """
    if capital <= 0:
        raise ValueError(f"capital must be positive, got {capital}")
    if not chains.sessions:
        raise ValueError(f"no sessions of {', '.join(chains.symbols)} to test on")
    house = House(account, limits or Limits(), costs, fills or FillModel(), exercise)
    run = _Run(house, strategy, breaker or Breaker(), capital, chains.sessions[0])
    for day in progress(chains.sessions):
        run.one_day(chains.view(day, run.last_quotes))
    result = run.result(chains.provenance)
    unseen = unseen_eves(held_at_closes(result.lines), chains)
    flawed = flawed_fills(result.events, chains)
    return replace(result, unseen_eves=unseen, quality=chains.quality, flawed_fills=flawed)


def option_fills(events: Iterable[Event]) -> tuple[tuple[Fill, Option], ...]:
    """Each fill of an option, with the contract."""
    return tuple(
        (event, event.instrument)
        for event in events
        if isinstance(event, Fill) and isinstance(event.instrument, Option)
    )


def flawed_fills(events: Iterable[Event], chains: Chains) -> int | None:
    """How many fills of options were at quotes at which nobody should have traded.

    Such a quote looks sound by itself, so a strategy may choose it. None where the quotes of
    an underlying were not judged, as those of a model.
    """
    if any(days.flaws is None for days in chains.days.values()):
        return None
    count = 0
    for fill, option in option_fills(events):
        days, day = chains.days[option.underlying], fill.at.date()
        row = days.chain(day).row(option)
        count += row is not None and days.flaws is not None and bool(days.flaws(day)[row])
    return count


class _Run:
    """The moving parts of one backtest: the book and what hangs on yesterday."""

    def __init__(
        self, house: House, strategy: Strategy, breaker: Breaker, capital: Decimal, first: date
    ) -> None:
        opening = Flow(datetime.combine(first, time(), MARKET_ZONE), capital, "capital")
        self.house, self.strategy, self.breaker, self.capital = (
            house,
            strategy,
            breaker,
            capital,
        )
        self.events: list[Event] = [opening]
        self.book = Book().after(opening)
        self.working: tuple[Order, ...] = ()
        self.last_quotes: dict[Option, Quote] = {}
        self.lines: list[NavLine] = []
        self.refused: list[Refusal] = []
        self.unfilled: list[Unfilled] = []
        self.widest_spread = Decimal(0)

    def one_day(self, view: View) -> None:
        """Yesterday's orders meet today's market, then today's close is settled and judged."""
        morning = market_events(self.working, self.book, view, self.house)
        book = self.book.after_all(morning.events)
        closing = closing_events(book, view, self.house, morning.events)
        book = book.after_all(closing)
        decided = decisions(book, view, self.strategy, self.house, self.breaker, self.capital)
        self.events += [*morning.events, *closing]
        self.unfilled += morning.unfilled
        self.refused += decided.refused
        self.book, self.working, self.breaker = book, decided.orders, decided.breaker
        if self.house.fills.in_deciding_snapshot:
            self._fill_at_once(view, [*morning.events, *closing])
        self.last_quotes = last_quotes_after(self.book, view, self.last_quotes)
        spreads = [2 * quote.half_spread for quote in self.last_quotes.values()]
        self.widest_spread = max([self.widest_spread, *spreads])
        self.lines.append(nav_line(self.book, view, self.house.account, len(self.events)))

    def _fill_at_once(self, view: View, today: list[Event]) -> None:
        """What was decided fills at the quotes that decided it, or lapses."""
        met = executions(self.working, view, self.house, today)
        self.events += met.events
        self.unfilled += met.unfilled
        self.book, self.working = self.book.after_all(met.events), ()

    def result(self, source: Provenance) -> Result:
        provenance = replace(
            source,
            stage=Stage.BACKTEST,
            strategy_hash=self.strategy.hash,
            assumptions=(*source.assumptions, *self.house.assumptions, CASH_SENTENCE),
        )
        return Result(
            self.capital,
            provenance,
            self.house,
            tuple(self.lines),
            tuple(self.events),
            tuple(self.refused),
            tuple(self.unfilled),
            self.widest_spread,
            self.book,
        )
