"""Sells puts, calls or strangles by delta and days to expiry, and buys them back by rule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Protocol

from dollarbill_core.market.chains import NoQuote
from dollarbill_core.market.realised import SESSIONS_PER_YEAR
from dollarbill_core.market.view import View
from dollarbill_core.rules.accounts import Account
from dollarbill_core.strategies.structures import Structure, earliest_expiry, structure
from dollarbill_core.values.book import Book, Trade
from dollarbill_core.values.calendars import previous_session
from dollarbill_core.values.contracts import Leg, Option, Stock
from dollarbill_core.values.orders import Intent, Proposal, Reason
from dollarbill_core.values.provenance import fingerprint

LEAST_KNOWN = 0.9  # of a year's vols, for its percentile to mean something


class Strategy(Protocol):
    """Anything that can say, from a view alone, what it wants to trade today."""

    @property
    def symbols(self) -> tuple[str, ...]: ...

    @property
    def hash(self) -> str: ...

    def decide(self, view: View, book: Book, account: Account) -> tuple[Proposal, ...]: ...


@dataclass(frozen=True, slots=True)
class ShortPremium:
    """Short options by rule. The same object runs in design, backtest, paper and live.

    Target, stop and days judge a trade that is whole. Once a part of it was assigned it is
    over: the shares are sold, and the options that are left are bought back when quoted, for
    the reason "assigned", since beside the whole credit they would look like a profit.

    Parameters
    ----------
    symbols
        Underlyings, each traded on its own.
    structure
        What is sold.
    put_delta, call_delta
        Magnitudes, above 0 and below 0.5.
    target_dte, exit_dte
        Calendar days to expiry at entry, and at which a trade is closed whatever it earns.
    entry_weekday
        0 Monday to 4 Friday: one look a week, on that day or the week's next session.
    profit_target
        Closes when the ask to close is at most (1 - target) x credit; 1 never does.
    stop_multiple
        Closes when the ask to close is at least (1 + multiple) x credit, a loss of that many
        credits. It fills at the next session's ask, not at the trigger.
    iv_percentile_min
        0 to 1: entries wait until the 252-session IV percentile is at least this; 0 is off.
    quantity
        Contracts of each leg.
    open_per_symbol
        Trades that may be open at once in one underlying.
    """

    symbols: tuple[str, ...]
    structure: Structure = Structure.SHORT_STRANGLE
    put_delta: float = 0.16
    call_delta: float = 0.16
    target_dte: int = 45
    exit_dte: int = 21
    entry_weekday: int = 0
    profit_target: float = 0.50
    stop_multiple: float = 2.0
    iv_percentile_min: float = 0.0
    quantity: int = 1
    open_per_symbol: int = 1

    def __post_init__(self) -> None:
        names = self.symbols
        _demand(bool(names), "symbols must name at least one underlying", names)
        _demand(len(set(names)) == len(names), "symbols must name each underlying once", names)
        for name in ("put_delta", "call_delta"):
            delta = getattr(self, name)
            _demand(0 < delta < 0.5, f"{name} must be above 0 and below 0.5", delta)
        _demand(self.target_dte > 0, "target_dte must be positive", self.target_dte)
        _demand(
            0 <= self.exit_dte < self.target_dte,
            "exit_dte must be from 0 to below target_dte",
            self.exit_dte,
        )
        _demand(self.entry_weekday in range(5), "entry_weekday is 0 to 4", self.entry_weekday)
        _demand(0 < self.profit_target <= 1, "profit_target is in (0, 1]", self.profit_target)
        _demand(self.stop_multiple > 0, "stop_multiple must be positive", self.stop_multiple)
        _demand(
            0 <= self.iv_percentile_min < 1,
            "iv_percentile_min is in [0, 1)",
            self.iv_percentile_min,
        )
        _demand(self.quantity > 0, "quantity must be positive", self.quantity)
        _demand(self.open_per_symbol > 0, "open_per_symbol is positive", self.open_per_symbol)

    @property
    def hash(self) -> str:
        """The same twelve digits wherever the same parameters run."""
        return fingerprint(self)

    def decide(self, view: View, book: Book, account: Account) -> tuple[Proposal, ...]:
        """First what to close, then what to open. Without a quote nothing is decided."""
        closing = [each for trade in book.trades for each in self._closing(trade, view)]
        opening = [self._opening(symbol, view, book) for symbol in self.symbols]
        return (*closing, *(proposal for proposal in opening if proposal is not None))

    def _closing(self, trade: Trade, view: View) -> list[Proposal]:
        """Delivered shares at once, and the options, for which they do not wait, by rule."""
        back = [Leg(leg.instrument, -leg.quantity) for leg in trade.legs]
        shares = tuple(leg for leg in back if isinstance(leg.instrument, Stock))
        options = tuple(leg for leg in back if leg not in shares)
        orders = (shares, Reason.DELIVERED_STOCK), (options, self._exit_reason(trade, view))
        return [
            Proposal(trade.id, legs, Intent.CLOSE, reason)
            for legs, reason in orders
            if legs and reason is not None
        ]

    def _exit_reason(self, trade: Trade, view: View) -> Reason | None:
        """The first rule that applies; a trade without today's quotes waits for them."""
        expiry = earliest_expiry(trade.legs)
        to_close = _ask_to_close(trade, view)
        if expiry is None or to_close is None:
            return None
        if not self._is_whole(trade):
            return Reason.ASSIGNED
        if to_close >= (1 + Decimal(str(self.stop_multiple))) * trade.credit:
            return Reason.STOP
        if to_close <= (1 - Decimal(str(self.profit_target))) * trade.credit:
            return Reason.PROFIT_TARGET
        if (expiry - view.today).days <= self.exit_dte:
            return Reason.EXIT_DTE
        return None

    def _is_whole(self, trade: Trade) -> bool:
        """Whether all that was sold is still there: no shares, each side, as many of each."""
        sides = 2 if self.structure is Structure.SHORT_STRANGLE else 1
        counts = [leg.quantity for leg in trade.legs if isinstance(leg.instrument, Option)]
        return len(trade.legs) == len(counts) >= sides and len(set(counts)) == 1

    def _opening(self, symbol: str, view: View, book: Book) -> Proposal | None:
        if symbol not in view.chains or not _is_entry_day(view.today, self.entry_weekday):
            return None
        if sum(t.underlying == symbol for t in book.trades) >= self.open_per_symbol:
            return None
        if self.iv_percentile_min > 0 and not self._is_rich(symbol, view):
            return None
        try:
            choice = structure(
                view.chain(symbol),
                self.structure,
                days=self.target_dte,
                least_days=self.exit_dte + 1,
                put_delta=self.put_delta,
                call_delta=self.call_delta,
                quantity=self.quantity,
            )
        except NoQuote:
            return None
        trade = f"{symbol}-{view.today:%Y%m%d}"
        return Proposal(trade, choice.legs, Intent.OPEN, Reason.ENTRY, choice.candidates)

    def _is_rich(self, symbol: str, view: View) -> bool:
        """Whether a year of implied vols, nearly all known, says that today's is high."""
        standing, vols = view.iv_percentile(symbol), view.history[symbol].vols
        is_a_year = len(vols) >= SESSIONS_PER_YEAR
        is_known = standing.days >= LEAST_KNOWN * SESSIONS_PER_YEAR
        return is_a_year and is_known and standing.value >= self.iv_percentile_min


def _demand(holds: bool, rule: str, got: object) -> None:
    if not holds:
        raise ValueError(f"{rule}, got {got}")


def _ask_to_close(trade: Trade, view: View) -> Decimal | None:
    """Dollars to buy its options back at asks (bids for longs), or None without quotes."""
    total = Decimal(0)
    for leg in trade.legs:
        if not isinstance(leg.instrument, Option):
            continue
        try:
            quote = view.quote(leg.instrument)
        except NoQuote:
            return None
        price = quote.ask if leg.direction.is_short else quote.bid
        total -= leg.quantity * leg.instrument.multiplier * price
    return total


def _is_entry_day(day: date, weekday: int) -> bool:
    """Whether this session is the first on or after the week's entry day.

    >>> _is_entry_day(date(2018, 1, 2), 0)  # Monday was New Year's Day
    True
    >>> _is_entry_day(date(2018, 1, 3), 0)
    False
    """
    wanted = day - timedelta(days=(day.weekday() - weekday) % 7)
    return previous_session(day) < wanted and wanted.isocalendar()[:2] == day.isocalendar()[:2]


def strategy_from(parameters: Mapping[str, Any]) -> ShortPremium:
    """The strategy that a notebook's parameters describe; names that are no field are left out.

    ``symbol`` or ``symbols`` is text, separated by commas; ``delta`` is both deltas.

    >>> strategy_from({"symbols": "SPX, KO", "delta": 0.2, "month": "2018-11"}).symbols
    ('SPX', 'KO')
    """
    named = {field.name for field in fields(ShortPremium)}
    given = {name: value for name, value in parameters.items() if name in named}
    if "delta" in parameters:
        given["put_delta"] = given["call_delta"] = parameters["delta"]
    text = str(parameters.get("symbols", parameters.get("symbol", "")))
    names = tuple(dict.fromkeys(text.replace(",", " ").split()))
    return ShortPremium(**given | {"symbols": names})


def strategy_sentence(strategy: ShortPremium) -> str:
    """The strategy in one sentence, for the face of a page."""
    s: Sequence[str] = strategy.symbols
    return (
        f"{strategy.quantity} {strategy.structure} on {', '.join(s)}: "
        f"{strategy.put_delta:.0%} put and {strategy.call_delta:.0%} call delta, "
        f"{strategy.target_dte} days, out at {strategy.profit_target:.0%} of the credit, "
        f"a loss of {strategy.stop_multiple:g} credits or {strategy.exit_dte} days"
    )
