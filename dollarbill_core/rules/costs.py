"""What trading costs: commissions and fees by date, and how much of the spread is given up."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, Decimal

from dollarbill_core.market.chains import NoQuote
from dollarbill_core.market.view import View
from dollarbill_core.values.book import Event, Fee, Fill
from dollarbill_core.values.contracts import Leg, Option
from dollarbill_core.values.orders import Order

CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Charge:
    """One line of a fee table, in force from ``since`` up to but not including ``until``.

    ``per_contract`` and ``per_share`` are dollars; ``per_dollar_sold`` is a fraction of the
    proceeds of sales. ``tiers`` are (premium below, dollars per contract) pairs that replace
    ``per_contract``. ``minimum`` and ``cap`` are dollars per order. ESTIMATED rows carry a
    sourced figure back to days for which no source was read.
    """

    kind: str
    source: str
    since: date
    until: date = date.max
    per_contract: Decimal = Decimal(0)
    per_share: Decimal = Decimal(0)
    per_dollar_sold: Decimal = Decimal(0)
    tiers: tuple[tuple[Decimal, Decimal], ...] = ()
    minimum: Decimal = Decimal(0)
    cap: Decimal | None = None
    sales_only: bool = False
    estimated: bool = False

    def amount(self, fills: Sequence[Fill]) -> Decimal:
        """Dollars for one order's fills, rounded up to the cent.

        >>> occ = Charge("OCC", "rate to 2025-02-13", date(2024, 1, 1),
        ...              per_contract=Decimal("0.02"), cap=Decimal(55))
        >>> from datetime import datetime, UTC
        >>> put = Option.from_occ("SPY241220P00500000")
        >>> occ.amount([Fill(datetime(2024, 11, 1, tzinfo=UTC), "t", put, -2751, Decimal(2))])
        Decimal('55.00')
        """
        counted = [fill for fill in fills if fill.quantity < 0 or not self.sales_only]
        total = sum((self._one(fill) for fill in counted), Decimal(0))
        if counted and total > 0:
            total = max(total, self.minimum)
        if self.cap is not None:
            total = min(total, self.cap)
        return total.quantize(CENT, ROUND_CEILING)

    def _one(self, fill: Fill) -> Decimal:
        proceeds = max(fill.cash, Decimal(0))
        sold = self.per_dollar_sold * proceeds
        if isinstance(fill.instrument, Option):
            return sold + abs(fill.quantity) * self._per_contract(fill.price)
        return sold + abs(fill.quantity) * self.per_share

    def _per_contract(self, premium: Decimal) -> Decimal:
        below = (dollars for limit, dollars in self.tiers if premium < limit)
        return next(below, self.per_contract)


@dataclass(frozen=True, slots=True)
class Costs:
    """A broker's whole price list."""

    name: str
    charges: tuple[Charge, ...]

    def fees(self, fills: Sequence[Fill]) -> tuple[Fee, ...]:
        """The fees of one order's fills, a line for each kind that is not nothing."""
        if not fills:
            return ()
        at, trade = fills[0].at, fills[0].trade
        day = at.date()
        in_force = (c for c in self.charges if c.since <= day < c.until)
        amounts = [(charge, charge.amount(fills)) for charge in in_force]
        return tuple(Fee(at, dollars, c.kind, trade) for c, dollars in amounts if dollars > 0)


_LONG_AGO = date(1990, 1, 1)
_IB = "Interactive Brokers: options tiered to 10,000 contracts a month, stocks fixed, 2026-11"
_ALPACA = "Alpaca documentation, 'Regulatory Fees', read 2026-11"
_SOURCED = date(2024, 1, 1)

# Exchange fees of index products are not in this first table.
INTERACTIVE_BROKERS = Costs(
    "Interactive Brokers, tiered",
    (
        Charge(
            "commission",
            _IB,
            _LONG_AGO,
            per_contract=Decimal("0.65"),
            per_share=Decimal("0.005"),
            tiers=((Decimal("0.05"), Decimal("0.25")), (Decimal("0.10"), Decimal("0.50"))),
            minimum=Decimal("1.00"),
            estimated=True,
        ),
        Charge(
            "OCC clearing",
            "OCC schedule of fees before 2025-02-14",
            _LONG_AGO,
            date(2025, 2, 14),
            per_contract=Decimal("0.02"),
            cap=Decimal(55),
        ),
        Charge(
            "OCC clearing",
            "90 FR 10544: 0.025 a contract and no cap from 2025-02-14",
            date(2025, 2, 14),
            per_contract=Decimal("0.025"),
        ),
        Charge(
            "options regulatory fee",
            _ALPACA,
            _LONG_AGO,
            _SOURCED,
            per_contract=Decimal("0.02685"),
            estimated=True,
        ),
        Charge("options regulatory fee", _ALPACA, _SOURCED, per_contract=Decimal("0.02685")),
        Charge(
            "FINRA trading activity",
            _ALPACA,
            _LONG_AGO,
            _SOURCED,
            per_contract=Decimal("0.00279"),
            sales_only=True,
            estimated=True,
        ),
        Charge(
            "FINRA trading activity",
            _ALPACA,
            _SOURCED,
            per_contract=Decimal("0.00279"),
            sales_only=True,
        ),
        Charge(
            "SEC section 31",
            "SEC fee rate advisories: 27.80 dollars a million until 2025-05-13, then 0",
            _LONG_AGO,
            date(2025, 5, 14),
            per_dollar_sold=Decimal("0.0000278"),
            estimated=True,
        ),
    ),
)
FREE = Costs("no costs", ())


@dataclass(frozen=True, slots=True)
class FillModel:
    """How much of the half-spread an order gives up: 1 sells at the bid, 0 at the mid.

    First form: one fraction for every package; fractions by number of legs come with the rules.
    """

    crossing: Decimal = Decimal(1)
    stock_half_spread: Decimal = Decimal("0.01")

    def __post_init__(self) -> None:
        if not 0 <= self.crossing <= 1:
            raise ValueError(f"crossing must be from 0 to 1, got {self.crossing}")

    def price(self, leg: Leg, view: View) -> Decimal:
        """Dollars per share for a leg at this view's quotes, rounded to the cent against us.

        Raises
        ------
        NoQuote
            If there is no sound quote, or nobody bids for what would be sold. For shares: if
            their underlying has no chain on a day on which others have one.
        """
        side = 1 if leg.quantity > 0 else -1
        if not isinstance(leg.instrument, Option):
            return _stock_price(leg.instrument.symbol, view) + side * self.stock_half_spread
        quote = view.quote(leg.instrument)
        if side < 0 and quote.bid <= 0:
            raise NoQuote(f"nobody bids for {leg.instrument} on {view.today}")
        exact = quote.mid + side * self.crossing * quote.half_spread
        return side * (side * exact).quantize(CENT, ROUND_CEILING)


def _stock_price(symbol: str, view: View) -> Decimal:
    """The spot, if it is today's: without a chain it may be the close of an earlier day."""
    if view.chains:
        view.chain(symbol)  # raises NoQuote where the underlying has none today
    return view.spot(symbol)


def executed(order: Order, view: View, fills: FillModel, costs: Costs) -> tuple[Event, ...]:
    """The fills and fees of an order at this view's quotes: all legs or none.

    Raises
    ------
    NoQuote
        If any leg cannot trade, or the package would bring less than the order's limit.
    """
    made = tuple(
        Fill(
            view.now,
            order.trade,
            leg.instrument,
            leg.quantity,
            fills.price(leg, view),
            order.client_order_id,
            order.reason,
        )
        for leg in order.legs
    )
    net = sum((fill.cash for fill in made), Decimal(0))
    if order.limit is not None and net < order.limit:
        raise NoQuote(f"{order.trade}: {net} is below the limit of {order.limit}")
    return (*made, *costs.fees(made))
