"""Packages of legs for tests: short names for single legs, and hypothesis strategies."""

from datetime import date
from decimal import Decimal as D

from hypothesis import strategies as st

from dollarbill_core.values.contracts import Leg, Option, Right, Stock

EXPIRY, LATER, LAST = date(2026, 12, 18), date(2027, 1, 15), date(2027, 6, 18)


def call(quantity: int, strike: str, expiry: date = EXPIRY, root: str = "XYZ") -> Leg:
    return Leg(Option(root, expiry, D(strike), Right.CALL), quantity)


def put(quantity: int, strike: str, expiry: date = EXPIRY, root: str = "XYZ") -> Leg:
    return Leg(Option(root, expiry, D(strike), Right.PUT), quantity)


def shares(quantity: int, symbol: str = "XYZ") -> Leg:
    return Leg(Stock(symbol), quantity)


STRANGLE = [put(-1, "90"), call(-1, "110")]
CONDOR = [put(1, "85"), put(-1, "90"), call(-1, "110"), call(1, "120")]

strikes = st.integers(1, 40).map(lambda n: D(n) * D("2.5"))
quantities = st.integers(-5, 5).filter(bool)


def options(*expiries: date, root: str = "XYZ") -> st.SearchStrategy[Leg]:
    """Legs of any right, strike and quantity that expire on one of these dates."""
    contracts = st.builds(
        Option, st.just(root), st.sampled_from(expiries), strikes, st.sampled_from(Right)
    )
    return st.builds(Leg, contracts, quantities)


stocks = st.builds(lambda hundreds: shares(100 * hundreds), quantities)
packages = st.lists(st.one_of(options(EXPIRY), options(EXPIRY), stocks), min_size=1, max_size=6)
credits = st.decimals("-5000", "5000", places=2)
