"""What borrowed shares cost, as after an assigned call: a fee for each night, and recalls."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import ROUND_CEILING, Decimal

from dollarbill_core.values.book import Book, Fee
from dollarbill_core.values.calendars import MARKET_ZONE, next_session
from dollarbill_core.values.contracts import Stock

CENT = Decimal("0.01")
KIND = "stock borrow"


@dataclass(frozen=True, slots=True)
class LoanTerms:
    """How a broker charges for shares that an account has sold short; days are of 1/360 year.

    ``general`` is the fee of shares that are easy to borrow, a fraction of their value per
    year, ``rates`` that of the symbols they name; ``recalled`` are symbols whose lenders want
    their shares back. ``markup`` and ``whole_dollars`` make the price of the collateral:
    1.02 and rounded up to the dollar at Interactive Brokers. ``lot`` is the shares that are
    borrowed at once: 100 at Alpaca, where a part counts as a whole.

    ``general`` is always ESTIMATED: brokers publish rates by the day and the symbol.
    """

    name: str
    source: str
    general: Decimal = Decimal("0.0025")
    rates: Mapping[str, Decimal] = field(default_factory=dict, hash=False)
    recalled: tuple[str, ...] = ()
    markup: Decimal = Decimal(1)
    whole_dollars: bool = False
    lot: int = 1
    days_in_year: int = 360

    def __post_init__(self) -> None:
        for symbol, rate in {"easy to borrow": self.general, **self.rates}.items():
            if not (rate.is_finite() and rate >= 0):
                raise ValueError(f"{self.name}: a borrow fee is 0 or more, got {symbol} {rate}")
        if self.lot < 1 or self.markup < 1 or self.days_in_year not in (360, 365):
            raise ValueError(
                f"{self.name}: a lot of 1 or more, a markup from 1, 360 or 365 days"
            )

    def fee(self, symbol: str, shares: int, price: Decimal, nights: int) -> Decimal:
        """Dollars for ``shares`` sold short over ``nights`` calendar days, up to the cent.

        Shares, in whole lots, x collateral price x rate / 360 x nights.

        Raises ValueError for a price that is not above 0, or fewer than 0 shares or nights.

        Source: Interactive Brokers, report guide, "Borrow Fee Details": 102 % of the close,
        up to the dollar, x rate / 360; Alpaca support, "Short Selling Fees": value x rate /
        360, round lots, three days over a weekend. Read 2026-11 in stored copies.

        Examples
        --------
        42.80 x 1.02 = 43.656, so 44 dollars; 3,700 x 44 x 0.29 % / 360 = 1.3114.

        >>> rates = {"NIO": Decimal("0.0029")}
        >>> terms = LoanTerms("IB", "", rates=rates, markup=Decimal("1.02"), whole_dollars=True)
        >>> terms.fee("NIO", 3700, Decimal("42.80"), nights=1)
        Decimal('1.32')
        """
        if not (price.is_finite() and price > 0):
            raise ValueError(
                f"no borrow fee on {symbol} at a price of {price}: it must be above 0"
            )
        if shares < 0 or nights < 0:
            raise ValueError(
                f"{symbol}: shares and nights are 0 or more, got {shares}, {nights}"
            )
        collateral = self.markup * price
        if self.whole_dollars:
            collateral = collateral.to_integral_value(ROUND_CEILING)
        lots = -(-shares // self.lot) * self.lot
        yearly = lots * collateral * self.rates.get(symbol, self.general)
        return (yearly * nights / self.days_in_year).quantize(CENT, ROUND_CEILING)


def nights_until_next_session(day: date) -> int:
    """Calendar days for which a position held at the close of ``day`` is borrowed.

    >>> nights_until_next_session(date(2026, 11, 20))  # a Friday
    3
    """
    return (next_session(day) - day).days


def nights_missed(since: datetime | None, today: date) -> int:
    """Calendar days after the session that follows ``since``: borrowed, not yet charged for.

    >>> from datetime import UTC
    >>> wednesday = datetime(2026, 11, 18, 21, tzinfo=UTC)
    >>> [nights_missed(wednesday, date(2026, 11, day)) for day in (18, 19, 20, 23)]
    [0, 0, 1, 4]
    """
    if since is None:
        return 0
    return max((today - next_session(since.astimezone(MARKET_ZONE).date())).days, 0)


def borrow_fees(
    book: Book,
    prices: Mapping[str, Decimal],
    terms: LoanTerms,
    at: datetime,
    nights: int | None = None,
) -> tuple[Fee, ...]:
    """The fee of each short stock of a book from the close ``at`` to the next session's.

    ``prices`` are closes, dollars per share, by symbol; ``nights``, where given, are charged
    instead, such as ``nights_missed`` between two closes that are not neighbours. A fee names
    the first open trade that is short the shares.

    Raises
    ------
    ValueError
        If a short stock has no price.
    """
    fees = []
    for stock, shares in _short_stocks(book):
        if stock.symbol not in prices:
            raise ValueError(
                f"{shares} {stock} are borrowed, but there is no price to charge on"
            )
        owed = nights_until_next_session(at.date()) if nights is None else nights
        dollars = terms.fee(stock.symbol, shares, prices[stock.symbol], owed)
        if dollars > 0:
            fees.append(Fee(at, dollars, KIND, _trade_short_of(book, stock)))
    return tuple(fees)


def recalls(book: Book, terms: LoanTerms) -> tuple[str, ...]:
    """A sentence for each short stock that its lender may buy in: act before the broker does.

    A recalled loan is closed at the market, whatever the price: a loss without a bound.
    """
    return tuple(
        f"{shares} {stock} are borrowed and recalled: buy them, or be bought in at any price"
        for stock, shares in _short_stocks(book)
        if stock.symbol in terms.recalled
    )


def _short_stocks(book: Book) -> list[tuple[Stock, int]]:
    """Shares sold short, positive, by stock."""
    return [
        (position.instrument, -position.quantity)
        for position in book.positions
        if isinstance(position.instrument, Stock) and position.quantity < 0
    ]


def _trade_short_of(book: Book, stock: Stock) -> str:
    short = (
        t.id for t in book.trades for x in t.legs if x.instrument == stock and x.quantity < 0
    )
    return next(short, "")
