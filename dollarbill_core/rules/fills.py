"""At what prices orders fill: the part of the spread given up, and when nothing trades."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

import numpy as np

from dollarbill_core.market.chains import NoQuote, Quote
from dollarbill_core.market.listings import Ticks
from dollarbill_core.market.view import View
from dollarbill_core.rules.costs import Costs
from dollarbill_core.values.book import Event, Fill
from dollarbill_core.values.contracts import Leg, Legs, Option
from dollarbill_core.values.orders import Order

CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class FillModel:
    """How much of the half-spread an order gives up: 1 sells at the bid, 0 at the mid.

    Attributes
    ----------
    crossing
        The fraction given up by every leg of every package, 0 to 1.
    by_legs
        Where given, in place of ``crossing``: the fractions of packages of one option, of two
        and so on; the last stands for all that are larger.
    stock_half_spread
        Dollars per share, each way, on the price of the underlying.
    stale_after
        Seconds: a chain older than this is not traded on.
    ticks
        Where given, an order for one option alone is rounded to them; packages, and all orders
        without, to the cent: exchanges take packages in cents.
    in_deciding_snapshot
        Whether a backtest's order fills at the quotes that decided it, not at the next ones.
    """

    crossing: Decimal = Decimal(1)
    stock_half_spread: Decimal = CENT
    by_legs: tuple[Decimal, ...] = ()
    stale_after: int = 3600
    ticks: Ticks | None = None
    in_deciding_snapshot: bool = False

    def __post_init__(self) -> None:
        for fraction in (self.crossing, *self.by_legs):
            if not 0 <= fraction <= 1:
                raise ValueError(f"crossing must be from 0 to 1, got {fraction}")
        if not self.stock_half_spread >= 0 or self.stale_after < 0:
            raise ValueError(
                "a half-spread and an age are 0 or more, got "
                f"{self.stock_half_spread} and {self.stale_after}"
            )

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What a result on these fills has to say of them, a sentence each."""
        if not self.in_deciding_snapshot:
            return ()
        return ("Orders fill at the very quotes that decided them.",)

    def fraction(self, options: int) -> Decimal:
        """The part of the half-spread that a package of so many options gives up on each.

        >>> str(BY_LEGS.fraction(2)), str(BY_LEGS.fraction(6)), str(FillModel().fraction(2))
        ('0.686667', '0.56', '1')
        """
        if not self.by_legs:
            return self.crossing
        return self.by_legs[min(max(options, 1), len(self.by_legs)) - 1]

    def price(self, leg: Leg, view: View, options: int = 1) -> Decimal:
        """Dollars per share for a leg at this view's quotes, rounded against us.

        Mid -/+ fraction x half-spread, down to the tick for a sale, up for a purchase: a price
        that is there, never the level that triggered the order.

        Parameters
        ----------
        options
            How many options the package has: with more, each gives up less.

        Raises
        ------
        NoQuote
            If there is no sound quote (zero, locked, crossed or stale), or nobody bids for
            what would be sold. For shares: if their underlying has no chain on a day on which
            others have one.

        Source of ``BY_LEGS``: ORATS' slippage by number of legs, as coded in FLOX,
        option_fill_model.h; read 2026-11 at second hand.

        Examples
        --------
        Bid 1.00, ask 1.40, half-spread 0.20, one leg: 1.20 -/+ 0.75 x 0.20.

        >>> quote = Quote(Decimal("1.00"), Decimal("1.40"))
        >>> [str(crossed(quote, side, BY_LEGS.fraction(1), CENT)) for side in (-1, 1)]
        ['1.05', '1.35']
        """
        side = 1 if leg.quantity > 0 else -1
        if not isinstance(leg.instrument, Option):
            return _stock_price(leg.instrument.symbol, view) + side * self.stock_half_spread
        quote = self._tradable(leg.instrument, view)
        if side < 0 and quote.bid <= 0:
            raise NoQuote(f"nobody bids for {leg.instrument} on {view.today}")
        tick = self._tick(quote.mid) if options == 1 else CENT
        price = crossed(quote, side, self.fraction(options), tick)
        if price <= 0:
            raise NoQuote(f"{leg.instrument} would bring less than a tick on {view.today}")
        return price

    def prices(self, legs: Legs, view: View) -> tuple[Decimal, ...]:
        """Dollars per share for each leg of one package. Raises NoQuote as ``price`` does."""
        options = sum(isinstance(leg.instrument, Option) for leg in legs)
        return tuple(self.price(leg, view, options) for leg in legs)

    def _tradable(self, option: Option, view: View) -> Quote:
        quote = view.quote(option)
        if quote.at is not None and (view.now - quote.at).total_seconds() > self.stale_after:
            raise NoQuote(f"{option} is stale: quoted at {quote.at}, it is {view.now}")
        return quote

    def _tick(self, price: Decimal) -> Decimal:
        if self.ticks is None:
            return CENT
        return Decimal(str(float(self.ticks.at(np.asarray(float(price))))))


BY_LEGS = FillModel(
    by_legs=(Decimal("0.75"), Decimal("0.686667"), Decimal("0.623333"), Decimal("0.56"))
)


def crossed(quote: Quote, side: int, fraction: Decimal, tick: Decimal) -> Decimal:
    """The price of buying (+1) or selling (-1), rounded against us to whole ticks."""
    exact = quote.mid + side * fraction * quote.half_spread
    ticks = (side * exact / tick).to_integral_value(ROUND_CEILING)
    return side * ticks * tick


def _stock_price(symbol: str, view: View) -> Decimal:
    """The spot, if it is today's: without a chain it may be the close of an earlier day."""
    if view.chains:
        view.chain(symbol)  # raises NoQuote where the underlying has none today
    return view.spot(symbol)


def executed(
    order: Order, view: View, fills: FillModel, costs: Costs, earlier: Iterable[Event] = ()
) -> tuple[Event, ...]:
    """The fills and fees of an order at this view's quotes: all legs or none.

    Parameters
    ----------
    earlier
        What the account has traded and paid before; fees that are summed by the day need it.

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
            price,
            order.client_order_id,
            order.reason,
        )
        for leg, price in zip(order.legs, fills.prices(order.legs, view), strict=True)
    )
    net = sum((fill.cash for fill in made), Decimal(0))
    if order.limit is not None and net < order.limit:
        raise NoQuote(f"{order.trade}: {net} is below the limit of {order.limit}")
    return (*made, *costs.fees(made, earlier, order.intent))
