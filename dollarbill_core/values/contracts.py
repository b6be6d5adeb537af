"""What is traded: options, stocks, their OCC symbols, multipliers and settlement."""

import math
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from enum import IntEnum, StrEnum

STANDARD_MULTIPLIER = 100  # shares, or index dollars per point, in one standard US option
_CENT_OF_A_CENT = Decimal("0.0001")
_CENT = Decimal("0.01")
_OCC_TAIL = 15  # yymmdd, C or P, strike x 1000 in eight digits
_OCC_STRIKES_BELOW = 100_000  # dollars: eight digits hold no more
_FIRST_YEAR = 1990  # two digits of a year name 1990 to 2089


class Right(IntEnum):
    """What the holder may do. The integer is the sign that every formula takes."""

    CALL = 1
    PUT = -1


class Action(StrEnum):
    """How a signed leg reads on a ticket; derived from the leg, never stored beside it."""

    BUY_CALL = "buy call"
    BUY_PUT = "buy put"
    SELL_CALL = "sell call"
    SELL_PUT = "sell put"
    BUY = "buy"
    SELL = "sell"


class Settlement(StrEnum):
    """What an option that finishes in the money turns into."""

    PHYSICAL = "physical"
    CASH = "cash"


class Direction(StrEnum):
    """Which side of the contract a signed quantity stands on."""

    LONG = "long"
    SHORT = "short"

    @property
    def is_short(self) -> bool:
        return self is Direction.SHORT


# Index roots settle in cash and are European; the product's root is not always its underlying.
# Source: Cboe product specifications, "S&P 500 Index Options" and "VIX Options", read 2026-11.
CASH_SETTLED_ROOTS = {
    "SPX": "SPX",
    "SPXW": "SPX",
    "SPXPM": "SPX",  # quarterlies, in files of 2011
    "XSP": "XSP",
    "NDX": "NDX",
    "NDXP": "NDX",
    "RUT": "RUT",
    "RUTW": "RUT",
    "DJX": "DJX",
    "VIX": "VIX",
    "VIXW": "VIX",
}
# These settle to an opening print on the morning of expiry; their last trade is the day before.
AM_SETTLED_ROOTS = frozenset({"SPX", "NDX", "RUT", "DJX", "VIX", "VIXW"})


@dataclass(frozen=True, slots=True, order=True)
class Stock:
    """A share, ETF share, or (never held, only watched) an index."""

    symbol: str

    def __post_init__(self) -> None:
        if not self.symbol or self.symbol != self.symbol.upper().strip():
            raise ValueError(f"a symbol is upper case without spaces, got {self.symbol!r}")

    @property
    def underlying(self) -> str:
        return self.symbol

    @property
    def multiplier(self) -> int:
        return 1

    def __str__(self) -> str:
        return self.symbol


@dataclass(frozen=True, slots=True, order=True)
class Option:
    """One listed option.

    ``root`` is the OCC root (SPXW, SPY1), ``expiry`` the last trading or settlement date,
    ``strike`` is in dollars per share and holds at most three decimals, as OCC's symbol does;
    600 and 600.00 are kept as the same Decimal, so that equal options print and hash alike.
    """

    root: str
    expiry: date
    strike: Decimal
    right: Right

    def __post_init__(self) -> None:
        if not (len(self.root) <= 6 and self.root.isalnum() and self.root.isascii()):
            raise ValueError(f"an OCC root is 1 to 6 letters and digits, got {self.root!r}")
        if self.root != self.root.upper():
            raise ValueError(f"an OCC root is upper case, got {self.root!r}")
        if not isinstance(self.strike, Decimal) or not self.strike.is_finite():
            raise ValueError(f"strike must be a finite Decimal, got {self.strike!r}")
        if self.strike <= 0 or self.strike != round(self.strike, 3):
            raise ValueError(f"strike must be positive, at most 3 decimals, got {self.strike}")
        if self.strike >= _OCC_STRIKES_BELOW:
            raise ValueError(f"strike must be below {_OCC_STRIKES_BELOW}, got {self.strike}")
        if isinstance(self.expiry, datetime) or not isinstance(self.expiry, date):
            raise ValueError(f"expiry must be a date, got {self.expiry!r}")
        if not isinstance(self.right, Right):
            raise ValueError(f"right must be Right.CALL or Right.PUT, got {self.right!r}")
        if not _FIRST_YEAR <= self.expiry.year < _FIRST_YEAR + 100:
            raise ValueError(f"expiry must lie from {_FIRST_YEAR} on, got {self.expiry}")
        object.__setattr__(self, "strike", Decimal(f"{self.strike.normalize():f}"))

    @classmethod
    def from_occ(cls, symbol: str) -> "Option":
        """The option that an OCC symbol names, read from the right so that any root works.

        Source: Options Symbology Initiative, 2010: root, yymmdd, C or P, strike x 1000.

        >>> option = Option.from_occ("SPY1261218P00600000")
        >>> option.root, option.expiry.isoformat(), str(option.strike), option.right.name
        ('SPY1', '2026-12-18', '600', 'PUT')
        >>> option.is_adjusted
        True
        """
        text = symbol.replace(" ", "")
        root, tail = text[:-_OCC_TAIL], text[-_OCC_TAIL:]
        digits = tail[:6] + tail[7:]
        if len(tail) < _OCC_TAIL or tail[6] not in "CP" or not digits.isdecimal():
            raise ValueError(f"not an OCC symbol (root, yymmdd, C or P, 8 digits): {symbol!r}")
        try:
            year = _FIRST_YEAR + (int(tail[:2]) - _FIRST_YEAR) % 100
            expiry = date(year, int(tail[2:4]), int(tail[4:6]))
        except ValueError as error:
            raise ValueError(f"no such expiry date in the OCC symbol {symbol!r}") from error
        strike = Decimal(int(tail[7:])) / 1000
        right = Right.CALL if tail[6] == "C" else Right.PUT
        return cls(root, expiry, strike, right)

    @property
    def occ(self) -> str:
        """The compact OCC symbol, root unpadded.

        >>> Option("SPY", date(2026, 12, 18), Decimal("600"), Right.PUT).occ
        'SPY261218P00600000'
        """
        strike = int(self.strike * 1000)
        return f"{self.root}{self.expiry:%y%m%d}{self.right.name[0]}{strike:08d}"

    @property
    def underlying(self) -> str:
        """The symbol whose price decides: SPX for SPXW, SPY for the adjusted root SPY1."""
        return CASH_SETTLED_ROOTS.get(self.root, self.root.rstrip("0123456789") or self.root)

    @property
    def multiplier(self) -> int:
        return STANDARD_MULTIPLIER

    @property
    def settlement(self) -> Settlement:
        return Settlement.CASH if self.root in CASH_SETTLED_ROOTS else Settlement.PHYSICAL

    @property
    def is_european(self) -> bool:
        """Index options here are European; stock and ETF options are American."""
        return self.root in CASH_SETTLED_ROOTS

    @property
    def is_am_settled(self) -> bool:
        return self.root in AM_SETTLED_ROOTS

    @property
    def is_adjusted(self) -> bool:
        """Whether a corporate action changed the deliverable (root such as SPY1)."""
        return self.root not in CASH_SETTLED_ROOTS and self.root[-1].isdigit()

    def intrinsic(self, spot: Decimal) -> Decimal:
        """What exercise is worth at ``spot``, dollars per share; never negative."""
        return max(Decimal(0), self.right * (spot - self.strike))

    def out_of_the_money_by(self, spot: Decimal) -> Decimal:
        """Dollars per share the spot must move before exercise pays; never negative."""
        return max(Decimal(0), self.right * (self.strike - spot))

    def __str__(self) -> str:
        strike = f"{self.strike.normalize():f}"
        return f"{self.root} {self.expiry:%Y-%m-%d} {strike} {self.right.name}"


Instrument = Option | Stock


@dataclass(frozen=True, slots=True, order=True)
class Leg:
    """A signed number of contracts or shares: + bought or held, - sold."""

    instrument: Instrument
    quantity: int

    def __post_init__(self) -> None:
        if isinstance(self.quantity, bool) or not isinstance(self.quantity, int):
            raise ValueError(f"a leg's quantity is a whole number, got {self.quantity!r}")
        if self.quantity == 0:
            raise ValueError(f"a leg's quantity must not be 0: {self.instrument}")

    @property
    def direction(self) -> Direction:
        return Direction.LONG if self.quantity > 0 else Direction.SHORT

    @property
    def action(self) -> Action:
        """What a ticket calls it.

        >>> Leg(Option.from_occ("SPY261218P00600000"), -2).action.value
        'sell put'
        """
        verb = "BUY" if self.quantity > 0 else "SELL"
        if isinstance(self.instrument, Stock):
            return Action[verb]
        return Action[f"{verb}_{self.instrument.right.name}"]

    def __str__(self) -> str:
        return f"{self.quantity:+d} {self.instrument}"


Legs = tuple[Leg, ...]


def dollars_per_share(price: float) -> Decimal:
    """An estimate or a quote held as a float, as a Decimal to a hundredth of a cent.

    The one place where a float price becomes money.

    >>> dollars_per_share(0.1 + 0.2)
    Decimal('0.3000')
    """
    if not math.isfinite(price):
        raise ValueError(f"a price must be a finite number, got {price}")
    return Decimal(repr(float(price))).quantize(_CENT_OF_A_CENT, ROUND_HALF_UP)


def cents(amount: Decimal) -> Decimal:
    """A dollar amount rounded half up to the cent."""
    return amount.quantize(_CENT, ROUND_HALF_UP)
