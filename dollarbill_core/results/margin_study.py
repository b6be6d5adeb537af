"""What a structure ties up in each kind of account, and where prices and vols end in a call."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from dollarbill_core.market.view import View
from dollarbill_core.results.outlook import Outlook
from dollarbill_core.rules.accounts import ACCOUNTS, Account, Method
from dollarbill_core.rules.margin import NotAllowed, Requirement, free_funds, requirement
from dollarbill_core.rules.portfolio_margin import ineligible_because
from dollarbill_core.rules.stress import (
    Matrix,
    ShockOutcome,
    shock_outcomes,
    stress,
    stress_matrix,
)
from dollarbill_core.values.book import Book


@dataclass(frozen=True, slots=True)
class Asked:
    """What one kind of account asks for a book: dollars, or why it may not be held there.

    ``tied_up`` is what the book takes from the cash, its own credit included in the cash; None
    where it is ``refused``. ``barred`` is why such a capital may not open it there, "" where it
    may.
    """

    account: Account
    required: Requirement | None
    refused: str = ""
    barred: str = ""

    @property
    def tied_up(self) -> Decimal | None:
        if self.required is None:
            return None
        return self.required.tied_up

    def __str__(self) -> str:
        if self.required is None:
            return f"{self.account.name}: refused, {self.refused}"
        barred = f"; not open to this capital: {self.barred}" if self.barred else ""
        gap = self.required.unproved
        above = f" (the least may be up to {gap:,.2f} lower)" if gap else ""
        return f"{self.account.name}: {self.tied_up:,.2f}{above}{barred}"


def asked_by(
    book: Book, view: View, capital: Decimal, accounts: Iterable[Account] = ACCOUNTS.values()
) -> tuple[Asked, ...]:
    """What each kind of account asks for one book, in the order given.

    ``book`` holds a structure and its credit; ``capital`` dollars lie beside it.
    """
    return tuple(_asked(book, view, capital, account) for account in accounts)


def _asked(book: Book, view: View, capital: Decimal, account: Account) -> Asked:
    try:
        required = requirement(book, view, account)
    except NotAllowed as why:
        return Asked(account, None, str(why))
    free = capital + free_funds(book, view, required)
    return Asked(account, required, barred="; ".join(_bars(account, capital, free)))


def _bars(account: Account, capital: Decimal, free: Decimal) -> Iterator[str]:
    """Why such a capital may not open it here, a phrase each."""
    if account.method is Method.PORTFOLIO:
        yield from ineligible_because(capital, account, approved_for_uncovered=True)
    elif capital < account.minimum_equity:
        yield f"{account.titled} gives credit from {account.minimum_equity:,.2f} on"
    if free < 0:
        yield f"{-free:,.2f} more is asked than there is"


@dataclass(frozen=True, slots=True, eq=False)
class MarginStudy:
    """A structure in an account of ``capital`` dollars that holds nothing else.

    ``asked`` holds every kind of account; ``matrix`` and ``shocks`` go by the one it is in.
    """

    capital: Decimal
    asked: tuple[Asked, ...]
    matrix: Matrix
    shocks: tuple[ShockOutcome, ...]


def margin_study(
    promised: Outlook, view: View, account: Account, capital: Decimal
) -> MarginStudy:
    """What ``promised`` ties up by each rule book, and what jumps of price and vol do to it.

    Raises
    ------
    NoQuote
        If a leg has no mark.
    NotAllowed
        If ``account`` may not hold it.
    """
    book = replace(promised.book, cash=promised.book.cash + capital)
    ready = stress(book, view, account)
    return MarginStudy(
        capital,
        asked_by(promised.book, view, capital),
        stress_matrix(ready),
        shock_outcomes(ready),
    )
