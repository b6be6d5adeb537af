"""What trading costs: brokers' price lists by date, summed over an order or over a day."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import ROUND_CEILING, Decimal
from itertools import pairwise

from dollarbill_core.rules import fee_tables
from dollarbill_core.rules.borrow import KIND as BORROWED
from dollarbill_core.rules.borrow import LoanTerms
from dollarbill_core.rules.charges import (
    FIRST_DAY,
    ZERO,
    Charge,
    Options,
    Rounding,
    Side,
    bounded,
    unrounded,
)
from dollarbill_core.values.book import Assignment, Event, Exercise, Fee, Fill
from dollarbill_core.values.calendars import MARKET_ZONE
from dollarbill_core.values.orders import Intent

CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class EstimatedFees:
    """How much of what was charged rests on ESTIMATED rows; dollars."""

    charged: Decimal
    estimated: Decimal
    kinds: tuple[str, ...]

    @property
    def share(self) -> float:
        """The ESTIMATED part of the fees, a fraction; 0 where nothing was charged."""
        return float(self.estimated / self.charged) if self.charged else 0.0

    def __str__(self) -> str:
        if not self.estimated:
            return f"Fees of {self.charged:,.2f}, every one from a sourced row."
        return (
            f"Of {self.charged:,.2f} in fees {100 * self.share:.0f} % rest on ESTIMATED rows: "
            f"{', '.join(self.kinds)}."
        )


@dataclass(frozen=True, slots=True)
class Costs:
    """A broker's whole price list; the rows of each kind tile the days from ``FIRST_DAY`` on.

    Raises
    ------
    ValueError
        If the rows of a kind leave a gap or overlap.
    """

    name: str
    charges: tuple[Charge, ...]
    loans: LoanTerms | None = None

    def __post_init__(self) -> None:
        by_kind: dict[str, list[Charge]] = defaultdict(list)
        for charge in self.charges:
            by_kind[charge.kind].append(charge)
        for rows in by_kind.values():
            _demand_tiling(self.name, sorted(rows, key=lambda row: row.since))

    def in_force(self, day: date) -> tuple[Charge, ...]:
        """The row of each kind on ``day``. Raises ValueError before the first."""
        if self.charges and day < FIRST_DAY:
            raise ValueError(f"{self.name}: fees start on {FIRST_DAY}, asked for {day}")
        return tuple(charge for charge in self.charges if charge.since <= day < charge.until)

    def fees(
        self,
        events: Sequence[Event],
        earlier: Iterable[Event] = (),
        intent: Intent = Intent.OPEN,
    ) -> tuple[Fee, ...]:
        """The fees of one order's fills, or of exercises and assignments: a line for each kind.

        A fee by the order is its fills' sum, at least its minimum, up to the cent. A fee by the
        day is what the sum of all the day's trades, up to the cent, exceeds what has been
        charged of its kind that day: so whatever the orders, the day's total is exact.

        Parameters
        ----------
        events
            Fills of one order, or deliveries, of one day in New York; others cost nothing.
        earlier
            What has happened to the account before, fees among it; only the same day counts.
        intent
            Whether the order opens or closes: some commissions are for openings alone.

        Raises
        ------
        ValueError
            If the events are of more than one day, or have no time zone.

        Examples
        --------
        Alpaca, 10 puts sold in January 2025: FINRA's 10 x 0.00279 = 0.0279, so 0.03; 10 more
        the same day bring 0.0558, so 0.06 in all, 0.03 of it new.

        >>> from datetime import UTC
        >>> from dollarbill_core.values.contracts import Option
        >>> put = Option.from_occ("SPY250221P00550000")
        >>> at = datetime(2025, 1, 15, 16, tzinfo=UTC)
        >>> first = [Fill(at, "a", put, -10, Decimal(2), "1")]
        >>> paid = ALPACA.fees(first)
        >>> again = ALPACA.fees([Fill(at, "b", put, -10, Decimal(2), "2")], [*first, *paid])
        >>> [str(f.amount) for f in (*paid, *again) if f.kind == "FINRA trading activity"]
        ['0.03', '0.03']
        """
        traded = [e for e in events if isinstance(e, (Fill, Assignment, Exercise))]
        if not traded:
            return ()
        at, trade = traded[-1].at, traded[-1].trade
        day = _market_day(at)
        if any(_market_day(event.at) != day for event in traded):
            raise ValueError(
                f"fees are charged a day at a time, got trades of {day} and others"
            )
        before = [event for event in earlier if _market_day(event.at) == day]
        fees = []
        for charge in self.in_force(day):
            if charge.side is Side.OPENINGS and intent is Intent.CLOSE:
                continue
            dollars = _due(charge, traded, before)
            if dollars > 0:
                fees.append(Fee(at, dollars, charge.kind, trade))
        return tuple(fees)

    def estimated(self, events: Iterable[Event]) -> EstimatedFees:
        """What part of the fees among ``events`` rests on ESTIMATED rows of this price list.

        Fees of kinds that it does not know, such as a fund's, are left out; what shares cost
        to borrow is always ESTIMATED.
        """
        known = {charge.kind for charge in self.charges} | {BORROWED}
        fees = [e for e in events if isinstance(e, Fee) and e.kind in known]
        guessed = [fee for fee in fees if self._is_estimated(fee)]
        kinds = tuple(sorted({fee.kind for fee in guessed}))
        return EstimatedFees(_sum(fees), _sum(guessed), kinds)

    def _is_estimated(self, fee: Fee) -> bool:
        rows = (c for c in self.in_force(_market_day(fee.at)) if c.kind == fee.kind)
        return next((row.estimated for row in rows), True)


def _sum(fees: Iterable[Fee]) -> Decimal:
    return sum((fee.amount for fee in fees), ZERO)


def _demand_tiling(name: str, rows: Sequence[Charge]) -> None:
    kind = rows[0].kind
    if rows[0].since != FIRST_DAY or rows[-1].until != date.max:
        raise ValueError(
            f"{name}: the rows of {kind} must reach from {FIRST_DAY} on without end"
        )
    for row, following in pairwise(rows):
        if row.until != following.since:
            raise ValueError(
                f"{name}: {kind} ends on {row.until} and goes on from {following.since}: "
                "its rows must meet"
            )


def _market_day(at: datetime) -> date:
    """The day in New York, by which fees are summed."""
    if at.tzinfo is None:
        raise ValueError(f"fees need a time with its zone, got {at}")
    return at.astimezone(MARKET_ZONE).date()


def _due(charge: Charge, traded: Sequence[Event], before: Sequence[Event]) -> Decimal:
    """Dollars to charge now, whole cents."""
    if charge.rounding is Rounding.DAY:
        total = whole_cents(unrounded(charge, [*before, *traded]))
        charged = _sum(e for e in before if isinstance(e, Fee) and e.kind == charge.kind)
        return max(total - charged, ZERO)
    dollars = unrounded(charge, traded)
    return whole_cents(bounded(charge, dollars, traded)) if dollars > 0 else ZERO


def whole_cents(dollars: Decimal) -> Decimal:
    """Up to the cent, against us."""
    return dollars.quantize(CENT, ROUND_CEILING)


# Interactive Brokers: dollars per contract by premium, for the contracts already traded in the
# month: from so many on, (premium below, fee) ..., fee above. Its orders' minimum is 1.00.
_IB_SINCE, _IB_PENNIES_LESS = date(2024, 1, 1), date(2019, 10, 1)
_IB_OPTIONS = "Interactive Brokers Canada, options pricing, tiered, with the TAF of 2024"
_IB_VOLUMES = (
    (0, (("0.05", "0.25"), ("0.10", "0.50")), "0.65"),
    (10_000, (("0.05", "0.25"),), "0.50"),
    (50_000, (), "0.25"),
    (100_000, (), "0.15"),
)
_IB_MINIMUM = Decimal("1.00")


def interactive_brokers(monthly_contracts: int = 0) -> Costs:
    """Interactive Brokers: tiered options, fixed stocks, everything else passed through.

    Its statements carry fractions of a cent; here each order is rounded up to the cent. The
    minimum is taken for an order, not for each leg of it. What exchanges ask for taking
    liquidity in options on stocks and ETFs, or pay for giving it, is left out. Exercise and
    assignment are free of commission; shares sold by them bear the fees on sales.

    Parameters
    ----------
    monthly_contracts
        Contracts already traded this month; from 10,001 on the commission falls.

    Raises
    ------
    ValueError
        If that is below 0.

    Examples
    --------
    Seven contracts at 2.00 after 100,000: 7 x 0.15 = 1.05.

    >>> from datetime import UTC
    >>> from dollarbill_core.values.contracts import Option
    >>> put = Option.from_occ("SPY261218P00600000")
    >>> at = datetime(2026, 11, 2, 16, tzinfo=UTC)
    >>> sold = [Fill(at, "t", put, -7, Decimal(2))]
    >>> str(interactive_brokers(100_000).fees(sold)[0].amount)
    '1.05'
    """
    if monthly_contracts < 0:
        raise ValueError(f"contracts traded this month are 0 or more, got {monthly_contracts}")
    by_order = Rounding.ORDER
    return Costs(
        "Interactive Brokers, tiered",
        (
            *_ib_commissions(monthly_contracts),
            *fee_tables.exchange_fees(by_order),
            *fee_tables.clearing(by_order),
            *fee_tables.options_regulatory(by_order, fee_tables.BLENDED_ORF),
            *fee_tables.audit_trail(by_order),
            *fee_tables.trading_activity(by_order),
            *fee_tables.section_31(by_order),
        ),
        LoanTerms(
            "Interactive Brokers",
            "Interactive Brokers, report guide, Borrow Fee Details",
            markup=Decimal("1.02"),
            whole_dollars=True,
        ),
    )


def _ib_commissions(monthly_contracts: int) -> tuple[Charge, ...]:
    reached = [row for row in _IB_VOLUMES if monthly_contracts >= row[0]][-1]
    steps = tuple((Decimal(below), Decimal(fee)) for below, fee in reached[1])
    now = Charge(
        "commission",
        _IB_OPTIONS,
        _IB_SINCE,
        per_contract=Decimal(reached[2]),
        tiers=steps,
        minimum=_IB_MINIMUM,
    )
    guessed = replace(
        now,
        source="0.70 on its pages of 2016; the day it became 0.65 was not found",
        since=_IB_PENNIES_LESS,
        until=_IB_SINCE,
        estimated=True,
    )
    before = replace(guessed, since=FIRST_DAY, until=_IB_PENNIES_LESS)
    if reached[0] == 0:
        before = replace(before, per_contract=Decimal("0.70"))
    shares = Charge(
        "stock commission",
        "Interactive Brokers, stocks, fixed: 0.005 a share, from 1.00 to 1 % of the value",
        date(2026, 1, 1),
        per_share=Decimal("0.005"),
        minimum=_IB_MINIMUM,
        most=Decimal("0.01"),
    )
    return (before, guessed, now, *fee_tables.carried_back(shares))


def _alpaca() -> Costs:
    """Alpaca: no commission but on index options; the rest passed on, summed by the day.

    Source: Alpaca documentation, "Regulatory Fees": the day's total of each fee, rounded up.
    """
    by_day = Rounding.DAY
    index = Charge(
        "index option fee",
        "Alpaca, brokerage fee schedule of 2026-09",
        date(2026, 9, 1),
        per_contract=Decimal("0.50"),
        options=Options.INDEX,
        rounding=by_day,
    )
    return Costs(
        "Alpaca",
        (
            *fee_tables.carried_back(index),
            *fee_tables.exchange_fees(by_day),
            *fee_tables.clearing(by_day),
            *fee_tables.options_regulatory(by_day, fee_tables.ALPACA_ORF),
            *fee_tables.audit_trail(by_day, fee_tables.ALPACA_AUDIT_TRAIL),
            *fee_tables.trading_activity(by_day),
            *fee_tables.section_31(by_day),
        ),
        LoanTerms("Alpaca", "Alpaca support, Short Selling Fees", lot=100),
    )


def _tastytrade() -> Costs:
    """tastytrade: 1.00 to open, at most 10 a leg but on indices, nothing to close.

    Source: tastytrade, "Commissions and Fees Breakdown" of 2018, whose examples round each
    fee of an order up to the cent, and "Commissions & Fees" of 2026-07-30.
    """
    since, source = date(2018, 5, 22), "tastytrade, Commissions & Fees, 2018 and 2026-07-30"
    commission = Charge(
        "commission",
        source,
        since,
        per_contract=Decimal("1.00"),
        cap=Decimal(10),
        side=Side.OPENINGS,
        options=Options.NOT_INDEX,
    )
    index = replace(commission, kind="index option commission", cap=None, options=Options.INDEX)
    clearing = Charge(
        "clearing",
        source,
        since,
        per_contract=Decimal("0.10"),
        per_share=Decimal("0.0008"),
        on_delivery=True,
    )
    delivery = Charge(
        "exercise and assignment", source, date(2026, 7, 30), per_delivery=Decimal(5)
    )
    by_order = Rounding.ORDER
    return Costs(
        "tastytrade",
        (
            *(row for each in (commission, index, clearing, delivery)
              for row in fee_tables.carried_back(each)),
            *fee_tables.tastytrade_index_fees(),
            *fee_tables.options_regulatory(by_order, fee_tables.TASTYTRADE_ORF),
            *fee_tables.trading_activity(by_order),
            *fee_tables.section_31(by_order),
        ),
    )  # fmt: skip


INTERACTIVE_BROKERS = interactive_brokers()
ALPACA = _alpaca()
TASTYTRADE = _tastytrade()
FREE = Costs("no costs", ())
