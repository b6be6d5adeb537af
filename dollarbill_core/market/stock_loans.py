"""What put-call parity says shares cost to borrow: the rate that lenders keep, by settlement.

Whoever sells shares short, buys the call and sells the put of one strike, holds no risk until
the settlement. He earns interest on the proceeds less the fee of the loan, and owes the
dividends, so the forward tells the fee::

    forward = (spot - dividends) exp((rate - fee) years)

It is relative to the interest rates given: an error of theirs is one of the fee. Dividends that
are not given stand in the fee too; then it is a dividend yield.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from dollarbill_core.market.carry import CashDividend, Rates
from dollarbill_core.market.chains import Chain, NoQuote
from dollarbill_core.market.dividends import present_value
from dollarbill_core.market.europeans import Setting, european_quotes
from dollarbill_core.market.forwards import Source, Term, terms_of


def implied_borrow(
    forward: float, spot: float, years: float, rates: Rates, dividends: float = 0.0
) -> float:
    """What borrowing the shares costs, a fraction of their value per year, continuously.

    Parameters
    ----------
    forward, spot
        Dollars per share, above 0.
    years
        Until the forward settles, above 0.
    rates
        Interest: the rate for that term is taken.
    dividends
        Present value of the cash paid until then, dollars per share.

    Raises
    ------
    ValueError
        If a price, less its dividends, or the time is not above 0.

    Examples
    --------
    0.04 - ln(100.5 / (100 - 1)) / 0.5 = 0.04 - 0.030076

    >>> round(implied_borrow(100.5, 100.0, 0.5, Rates(0.04), dividends=1.0), 6)
    0.009924
    """
    without = spot - dividends
    if not (forward > 0 and without > 0 and years > 0):
        raise ValueError(
            "forward, spot less dividends, and years must be above 0, "
            f"got {forward}, {without} and {years}"
        )
    return rates.continuous(years) - math.log(forward / without) / years


@dataclass(frozen=True, slots=True)
class ImpliedBorrow:
    """The fee of one settlement per year, and the standard error that its forward leaves.

    The error holds the forward's alone: a spot of another moment than the quotes, off by a
    tenth of a percent, moves the fee of one month by 1.2 % a year and that of a year by 0.1 %.
    """

    term: Term
    per_year: float
    error: float


def implied_borrows(
    chain: Chain,
    rates: Rates,
    dividends: Iterable[CashDividend] = (),
    dividend_yield: float = 0.0,
) -> tuple[ImpliedBorrow, ...]:
    """The fee of every settlement whose forward parity tells, in order of time.

    American quotes are made European first, as the surface does: their parity is an inequality.

    Parameters
    ----------
    chain
        One underlying at one instant.
    dividends
        Cash to come, announced or projected; what is left out stands in the fee.
    dividend_yield
        A first guess, for what early exercise is worth: the fee itself is found in rounds.
    """
    setting = Setting(chain, rates, dividend_yield, tuple(dividends))
    found = (_borrow(setting, term) for term in terms_of(chain))
    return tuple(each for each in found if each is not None)


def _borrow(setting: Setting, term: Term) -> ImpliedBorrow | None:
    try:
        forward = european_quotes(setting, term).forward
    except NoQuote:
        return None
    if forward.price_from is not Source.PARITY:
        return None
    chain, years, rates = setting.chain, term.years, setting.rates
    paid = present_value(setting.dividends, chain.as_of, years, rates)
    fee = implied_borrow(forward.price, chain.spot, years, rates, paid)
    return ImpliedBorrow(term, fee, forward.error / (forward.price * years))
