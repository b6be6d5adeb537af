"""What a close does to a book: expiry, exercise and assignment, the only place they come from.

The key of an expiry is its root and the instant its price is struck: one print for all legs.
Options on indices pay in cash; all others deliver shares at the strike, into the trade of the
option. Which of several contracts are assigned is drawn; the chances are `exercise`'s.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import TypeGuard

import numpy as np

from dollarbill_core.market.chains import NoQuote
from dollarbill_core.market.view import Chains, View
from dollarbill_core.rules.exercise import (
    CERTAIN,
    ExercisePolicy,
    assignment_chance,
    early_exercise,
    exercise_threshold,
    may_pay,
)
from dollarbill_core.values.book import Assignment, Book, Event, Exercise, Expiry
from dollarbill_core.values.calendars import (
    expiry_instant,
    last_trading_day,
    previous_session,
)
from dollarbill_core.values.contracts import (
    Instrument,
    Legs,
    Option,
    Right,
    Settlement,
    dollars_per_share,
)

Held = tuple[str, Option, int]  # the trade, or none; the option; its signed quantity
Chance = Callable[[Option], float]


def events_at_close(
    book: Book,
    view: View,
    *,
    policy: ExercisePolicy = CERTAIN,
    rng: np.random.Generator | None = None,
) -> tuple[Event, ...]:
    """Everything that a close does to a book, in order: expiries, then early assignments.

    The one function that a backtest and a simulated broker call, once for each close; the
    splits and dividends of the morning are `adjustments.events_at_open`. A call assigned on the
    eve of an ex-date takes the shares with it at that close: its covered writer loses the
    dividend, and an uncovered one, short the shares on the ex-date, owes it.

    Parameters
    ----------
    policy
        How holders behave; by default nothing is left to chance.
    rng
        The draws; by default those of the policy's seed and the day.

    Raises
    ------
    NoQuote, ValueError
        As ``settlement`` and ``early_assignments``.
    """
    rng = rng or policy.generator(view.today)
    settled = settlement(book, view, policy=policy, rng=rng)
    early = early_assignments(book, view, policy=policy, rng=rng)
    return (*settled, *early)


def expired(book: Book, now: datetime) -> tuple[Held, ...]:
    """Every held option whose settlement price is struck by ``now``, in book order."""
    return tuple(each for each in _options(book) if expiry_instant(each[1]) <= now)


def settlement(
    book: Book,
    view: View,
    *,
    policy: ExercisePolicy = CERTAIN,
    rng: np.random.Generator | None = None,
) -> tuple[Event, ...]:
    """The events of every held option whose settlement instant has come, in book order.

    All legs of one key settle against one price: the view's print of that root and day, else,
    for options that settle in the afternoon, the underlying's close of that day: today's spot,
    or else the history's. Cash-settled options pay their intrinsic value; of the others, longs
    in the money by the exception's threshold are exercised, shorts are assigned by the policy's
    chance, and the rest lapse.

    Source: OCC Rule 805, exercise by exception; Cboe product specifications, "Settlement of
    Option Exercise", read 2026-11.

    Raises
    ------
    NoQuote
        If the print of an AM-settled option, or the close of a last trading day, is not known,
        or of before a split; no earlier or later price stands for it.
    ValueError
        For a non-standard deliverable, which is not guessed.
    """
    due = expired(book, view.now)
    for _, option, _ in due:
        if option.is_adjusted:
            raise ValueError(f"{option} has a non-standard deliverable: book its end by hand")
    prices = {option: _settling_price(option, view) for _, option, _ in due}
    rng = rng or policy.generator(view.today)
    physical = [each for each in due if each[1].settlement is Settlement.PHYSICAL]
    assigned = _drawn(physical, lambda each: assignment_chance(each, prices[each], policy), rng)
    events: list[Event] = []
    for held in due:
        value = held[1].intrinsic(prices[held[1]])
        events += _ended(held, value, assigned.get(held[:2], 0), view.now, policy)
    return tuple(events)


def early_assignments(
    book: Book,
    view: View,
    *,
    policy: ExercisePolicy = CERTAIN,
    rng: np.random.Generator | None = None,
) -> tuple[Assignment, ...]:
    """The shorts that are assigned at this close, before their expiry, in book order.

    Those whose holders lose by waiting for the next close (``exercise.early_exercise``), each
    contract with the policy's ``early_chance``. Our own longs are exercised early by decision
    alone. Where a day's chains have no vol to judge an option by, nobody decides on it.

    Raises
    ------
    NoQuote
        If a view made by hand, without chains, has no price, mark or vol to judge by.
    """
    due = [each for each in _options(book) if each[2] < 0 and _is_due(each[1], view)]
    rng = rng or policy.generator(view.today)
    assigned = _drawn(due, lambda option: policy.early_chance, rng)
    return tuple(
        Assignment(view.now, trade, option, assigned[trade, option])
        for trade, option, _ in due
        if assigned[trade, option]
    )


def unseen_eves(held: Sequence[tuple[date, Legs]], chains: Chains) -> int:
    """How many short calls stood over an ex-date on whose eve nobody could judge exercise.

    There was no session in the data that day, no chain of the underlying, or none with a vol.
    Nobody exercises on such a day, which flatters whoever is short the call.

    Parameters
    ----------
    held
        What was held at each close, in order: signed quantities, of which the calls count.
    """
    unseen = 0
    for (day, legs), (later, _) in pairwise(held):
        for leg in legs:
            if _is_short_call(option := leg.instrument, leg.quantity):
                until = min(later, last_trading_day(option.expiry))
                paid = chains.dividends.get(option.underlying, ())
                over = (each.ex_date for each in paid if day < each.ex_date <= until)
                eves = {previous_session(ex_date) for ex_date in over}
                unseen -= leg.quantity * sum(not _is_seen(option, x, chains) for x in eves)
    return unseen


def _is_short_call(instrument: Instrument, quantity: int) -> TypeGuard[Option]:
    """Of those that may be exercised early and are standard, as ``_is_due`` has it."""
    if not isinstance(instrument, Option) or instrument.is_european or instrument.is_adjusted:
        return False
    return quantity < 0 and instrument.right is Right.CALL


def _is_seen(option: Option, eve: date, chains: Chains) -> bool:
    """Whether the chains of that day say what a rational holder does."""
    if eve not in chains.days.get(option.underlying, ()):
        return False
    view = chains.view(eve)
    try:
        if may_pay(option, view):
            early_exercise(option, view)
    except NoQuote:
        return False
    return True


def _options(book: Book) -> list[Held]:
    """The options of every trade, then what is held outside any: even where both net to 0."""
    held = [
        (trade.id, leg.instrument, leg.quantity)
        for trade in book.trades
        for leg in trade.legs
        if isinstance(leg.instrument, Option)
    ]
    loose = {p.instrument: p.quantity for p in book.positions}
    for _, option, quantity in held:
        loose[option] = loose.get(option, 0) - quantity
    for each in sorted(loose, key=str):
        if isinstance(each, Option) and loose[each]:
            held.append(("", each, loose[each]))
    return held


def _is_due(option: Option, view: View) -> bool:
    """Whether a rational holder exercises early; on a day that quotes nothing nobody does."""
    if option.is_european or option.is_adjusted or expiry_instant(option) <= view.now:
        return False
    try:
        return may_pay(option, view) and early_exercise(option, view).is_due
    except NoQuote:
        if view.chains:
            return False
        raise


def _drawn(
    held: list[Held], chance: Chance, rng: np.random.Generator
) -> dict[tuple[str, Option], int]:
    """How many contracts of each short are assigned, by trade and option.

    The number of each option over all trades is binomial, and falls on the trades as if every
    contract were as likely; options in the order of their names, so that books that hold the
    same draw the same. What is certain draws nothing.
    """
    found: dict[tuple[str, Option], int] = {}
    for option in sorted({option for _, option, _ in held}, key=str):
        trades = [
            (trade, -count) for trade, each, count in held if each == option and count < 0
        ]
        counts = [count for _, count in trades]
        p = chance(option)
        number = sum(counts) * int(p) if p in (0, 1) else int(rng.binomial(sum(counts), p))
        if 0 < number < sum(counts) and len(counts) > 1:
            counts = rng.multivariate_hypergeometric(counts, number).tolist()
        elif number < sum(counts):
            counts = [number] * len(counts)
        found |= {(trade, option): n for (trade, _), n in zip(trades, counts, strict=True)}
    return found


def _ended(
    held: Held, value: Decimal, assigned: int, now: datetime, policy: ExercisePolicy
) -> list[Event]:
    """What becomes of one leg whose option is worth ``value`` per share at its end."""
    trade, option, quantity = held
    if option.settlement is Settlement.CASH:
        return [Expiry(now, trade, option, quantity, value)]
    if quantity > 0:
        if value >= (policy.threshold or exercise_threshold(option)):
            return [Exercise(now, trade, option, quantity)]
        return [Expiry(now, trade, option, quantity)]
    events: list[Event] = []
    if assigned:
        events.append(Assignment(now, trade, option, assigned))
    if quantity + assigned:
        events.append(Expiry(now, trade, option, quantity + assigned))
    return events


def _settling_price(option: Option, view: View) -> Decimal:
    """Dollars per share, or index points, at which ``option`` settles."""
    day = last_trading_day(option.expiry)
    splits = view.splits.get(option.underlying, ())
    if any(day < split.ex_date <= view.today for split in splits):
        raise NoQuote(f"{option} ended on {day}, before a split: book its end by hand")
    if (struck := view.prints.get((option.root, day))) is not None:
        return struck
    give = (
        "which is not known: import a line root,date,price with dollarbill data import prints, "
        f"or give the chains prints={{({option.root!r}, date({day:%Y, %-m, %-d})): ...}}"
    )
    if option.is_am_settled:
        raise NoQuote(f"{option} settles to the opening print of {day}, {give}")
    history = view.history.get(option.underlying)
    if day == view.today and (history is None or option.underlying in view.chains):
        return view.spot(option.underlying)  # today's: without a chain it may be an older one
    close = None if history is None else history.close_on(day)
    if close is None:
        raise NoQuote(f"{option} settles at the close of {day}, {give}")
    return dollars_per_share(close)
