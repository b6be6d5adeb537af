"""Who exercises and when: by exception, near the strike by chance, early if waiting costs."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from dollarbill_core.market.carry import ex_instant
from dollarbill_core.market.chains import NoQuote
from dollarbill_core.market.view import View
from dollarbill_core.pricing import american, black_scholes, grid
from dollarbill_core.values.calendars import (
    close_instant,
    expiry_instant,
    last_trading_day,
    next_session,
    years_between,
)
from dollarbill_core.values.contracts import Option, Right

ZERO = Decimal(0)

# Dollars per share in the money from which OCC exercises a customer's equity option unless its
# holder says otherwise, by the first last-trading-day. Source: OCC Rule 805(d); from 0.75 to
# 0.25 in September 2004, and the 0.05 of SR-OCC-2006-05: 71 FR 47853 and 58656; that it began
# with October 2006, and 0.01 with June 2008: brokers' notices; all read 2026-11.
EXERCISE_THRESHOLDS = (
    (date.min, Decimal("0.75")),
    (date(2004, 9, 17), Decimal("0.25")),
    (date(2006, 10, 20), Decimal("0.05")),
    (date(2008, 6, 20), Decimal("0.01")),
)

# A holder may instruct until 17:30, or for as long after an earlier close. Source: FINRA Rule
# 2360(b)(23)(A)(iii) and (viii), Information Notice 2021-11-23, read 2026-11.
TIME_TO_INSTRUCT = timedelta(hours=1, minutes=30)

# A part of the strike: what the price of waiting may be wrong by, deep in the money.
LEAST_GAIN = 1e-6
_NORMAL = np.polynomial.hermite_e.hermegauss(33)


def exercise_threshold(option: Option) -> Decimal:
    """Dollars per share in the money from which ``option`` is exercised by exception.

    >>> [str(exercise_threshold(Option.from_occ(f"XYZ{day}P00100000")))
    ...  for day in ("040820", "060915", "080516", "080620")]
    ['0.75', '0.25', '0.05', '0.01']
    """
    day = last_trading_day(option.expiry)
    return max(row for row in EXERCISE_THRESHOLDS if row[0] <= day)[1]


def exercise_cutoff(option: Option) -> datetime:
    """Until when the holder of a stock option may instruct against the exception, New York.

    >>> exercise_cutoff(Option.from_occ("SPY261120P00600000")).strftime("%a %d %H:%M")
    'Fri 20 17:30'
    >>> exercise_cutoff(Option.from_occ("SPY261127P00600000")).strftime("%a %d %H:%M")
    'Fri 27 14:30'
    """
    return close_instant(last_trading_day(option.expiry)) + TIME_TO_INSTRUCT


@dataclass(frozen=True, slots=True)
class ExercisePolicy:
    """How the holders of what we are short are taken to behave; a frozen assumption.

    By default nothing is left to chance: at expiry all exercise by exception, and before it all
    exercise as soon as waiting costs them. Longs of our own follow the exception at expiry and
    wait before it.

    Attributes
    ----------
    pin_band, pin_chance
        Dollars per share, and a fraction: where the close lies less than ``pin_band`` from the
        strike, on either side, each short contract is assigned with ``pin_chance``, since
        prices go on moving while holders may instruct.
    early_chance
        The fraction of contracts whose holders exercise early when waiting costs them.
    threshold
        Dollars per share in the money from which shorts and longs are exercised at expiry; None
        for OCC's of the day. Holders short of the threshold may instruct: with 0.01 they do,
        on every date, which is harsher on a seller before 2008.
    seed
        Of the draws, which are the same whenever a day is run again.
    """

    pin_band: Decimal = ZERO
    pin_chance: float = 0.5
    early_chance: float = 1.0
    threshold: Decimal | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.pin_band < 0 or (self.threshold is not None and self.threshold <= 0):
            raise ValueError(f"pin_band is 0 or more dollars, threshold above 0, got {self}")
        if not (0 <= self.pin_chance <= 1 and 0 <= self.early_chance <= 1):
            raise ValueError(f"chances lie between 0 and 1, got {self}")

    def generator(self, day: date) -> np.random.Generator:
        """The draws of one day."""
        return np.random.default_rng([self.seed, day.toordinal()])


CERTAIN = ExercisePolicy()


def assignment_chance(
    option: Option, price: Decimal, policy: ExercisePolicy = CERTAIN
) -> float:
    """The chance that a short stock option is assigned at expiry, its underlying at ``price``.

    >>> put = Option.from_occ("XYZ261120P00100000")
    >>> near = ExercisePolicy(pin_band=Decimal("0.25"), pin_chance=0.4)
    >>> [assignment_chance(put, Decimal(p), near) for p in ("99.75", "99.76", "100.24", "101")]
    [1.0, 0.4, 0.4, 0.0]
    """
    if abs(price - option.strike) < policy.pin_band:
        return policy.pin_chance
    return float(option.intrinsic(price) >= (policy.threshold or exercise_threshold(option)))


@dataclass(frozen=True, slots=True)
class EarlyExercise:
    """What an option brings exercised now, and held until the next close, dollars per share."""

    option: Option
    exercised: float
    held: float

    @property
    def is_due(self) -> bool:
        """Whether a rational holder exercises now."""
        return self.exercised - self.held > LEAST_GAIN * float(self.option.strike)

    @property
    def why(self) -> str:
        """The comparison in one sentence."""
        verdict = "exercise" if self.is_due else "hold"
        return f"{verdict}: {self.exercised:.2f} now against {self.held:.2f} by waiting a day"


def early_exercise(option: Option, view: View) -> EarlyExercise:
    """What a rational holder of a stock option does at the close of ``view``.

    To wait is to hold, or exercise, at the next close: its expected American value there,
    discounted, the stock fallen by the dividends that go ex until then. For a call on the eve
    of its last ex-date that is ``spot - D - K exp(-rate T) + P``, P the put of that strike, so
    that exercise pays iff ``D > P + K (1 - exp(-rate T))`` (Merton 1973; Roll 1977). Puts are
    exercised below the American boundary, and hardly ever just before an ex-date.

    Announced dividends stand in cash; what the dividend yield holds beyond them is paid evenly.
    The vol is that which explains the mark of the same strike's other right, which is time
    value alone; else that of the nearest contract out of the money in the chain; else that of
    the option's own mark, or none at all where that is no more than exercise brings.

    Raises
    ------
    ValueError
        If the option is European, adjusted, or has expired.
    NoQuote
        If the view has neither a price of the underlying nor a mark or vol to go by.

    Examples
    --------
    Interest alone makes a deep put worth exercising: 100 at 4 % for three days is 0.033.

    >>> from datetime import UTC
    >>> from dollarbill_core.market.carry import Rates
    >>> put = Option.from_occ("XYZ261218P00100000")
    >>> view = View(datetime(2026, 11, 20, 21, tzinfo=UTC), {"XYZ": Decimal(50)},
    ...             {put: Decimal(50)}, rates=Rates(0.04))
    >>> found = early_exercise(put, view)
    >>> found.is_due, round(found.exercised - found.held, 3)
    (True, 0.033)
    """
    _demand_american(option, view)
    wait = _wait(option, view)
    exercised = float(option.intrinsic(view.spot(option.underlying)))
    return EarlyExercise(option, exercised, _held(option, wait, _vol(option, view, wait)))


def may_pay(option: Option, view: View) -> bool:
    """Whether exercise now could pay at any vol: what is saved by not waiting, above nothing.

    A call saves dividends and pays interest on the strike; a put the other way round. Cheap,
    so that most options need no price.
    """
    spot, strike = float(view.spot(option.underlying)), float(option.strike)
    if option.right * (spot - strike) <= 0:
        return False
    wait = _wait(option, view)
    foregone = spot - wait.fallen * np.exp(-wait.dividend_yield * wait.years)
    interest = -strike * np.expm1(-wait.rate * wait.years)
    return bool(option.right * (foregone - interest) > LEAST_GAIN * strike)


class _Wait(NamedTuple):
    """An option's life from now, and to the next close: its market without the vol.

    ``dividends`` are (years from now, dollars per share).
    """

    spot: float
    years: float
    life: float
    rate: float
    dividend_yield: float
    dividends: tuple[tuple[float, float], ...]

    @property
    def fallen(self) -> float:
        """The spot less what goes ex by the next close."""
        return max(self.spot - sum(d for at, d in self.dividends if at < self.years), 0.0)

    @property
    def later(self) -> tuple[tuple[float, float], ...]:
        """The dividends after the next close."""
        return tuple(each for each in self.dividends if each[0] >= self.years)


def _demand_american(option: Option, view: View) -> None:
    if option.is_european:
        raise ValueError(f"{option} is European: it is exercised at expiry alone")
    if option.is_adjusted:
        raise ValueError(f"{option} has a non-standard deliverable: book it by hand")
    if expiry_instant(option) <= view.now:
        raise ValueError(f"{option} has expired on {view.today}")


def _wait(option: Option, view: View) -> _Wait:
    spot = float(view.spot(option.underlying))
    expiry = expiry_instant(option)
    until = min(close_instant(next_session(view.today)), expiry)
    life = years_between(view.now, expiry)
    paid = tuple(
        (years_between(view.now, at), float(each.per_share))
        for each in view.dividends.get(option.underlying, ())
        if view.now < (at := ex_instant(each.ex_date)) < expiry
    )
    expected = view.dividend_yields.get(option.underlying, 0.0)
    unannounced = expected - sum(dollars for _, dollars in paid) / (spot * life)
    return _Wait(
        spot=spot,
        years=years_between(view.now, until),
        life=life,
        rate=view.rates.continuous(life),
        dividend_yield=max(unannounced, 0.0) if paid else expected,
        dividends=paid,
    )


def _held(option: Option, wait: _Wait, vol: float) -> float:
    """Dollars per share of waiting: the American value at the next close, expected now.

    That is the European value now, plus what the right to exercise from the next close on is
    expected to add to it.
    """
    nodes, weights = _NORMAL
    stdev = vol * np.sqrt(wait.years)
    drift = (wait.rate - wait.dividend_yield) * wait.years - 0.5 * stdev**2
    spots = wait.fallen * np.exp(drift + stdev * nodes)
    carry = float(option.strike), wait.life, wait.rate, vol, wait.dividend_yield
    if wait.later:
        european = grid.european(option.right, wait.fallen, *carry, wait.later).price
    else:
        european = black_scholes.price(option.right, wait.fallen, *carry)
    rest = carry[0], wait.life - wait.years, *carry[2:]
    then = [(at - wait.years, dollars) for at, dollars in wait.later]
    added = american.early_exercise_premium(option.right, spots, *rest, then)
    expected = float(weights @ added) / float(weights.sum())
    return float(european) + expected * float(np.exp(-wait.rate * wait.years))


def _vol(option: Option, view: View, wait: _Wait) -> float:
    """The annual vol to hold by; ``early_exercise`` says where from.

    The other right is not exercised over night, so that for it the stock falls at once.
    """
    other = Option(option.root, option.expiry, option.strike, Right(-option.right))
    if (mark := _mark(other, view)) is not None:
        vol = _implied(other, mark, wait._replace(spot=wait.fallen, dividends=wait.later))
        if np.isfinite(vol):
            return vol
    if np.isfinite(vol := _vol_nearby(option, view)):
        return vol
    if (mark := _mark(option, view)) is None:
        raise NoQuote(
            f"whether {option} is exercised early needs a mark of it, or of the "
            f"{other.right.name.lower()} of that strike, or a chain with vols"
        )
    vol = _implied(option, mark, wait)
    return vol if np.isfinite(vol) else 0.0  # at what exercise brings nothing is left to chance


def _mark(option: Option, view: View) -> float | None:
    """A given mark, else the mid of a quote with two sides, dollars per share."""
    if option in view.marks:
        return float(view.marks[option])
    try:
        quote = view.quote(option)
    except NoQuote:
        return None
    return float(quote.mid) if quote.bid > 0 else None


def _implied(option: Option, mark: float, wait: _Wait) -> float:
    life = float(option.strike), wait.life, wait.rate, wait.dividend_yield, wait.dividends
    return float(american.implied_vol(option.right, mark, wait.spot, *life))


def _vol_nearby(option: Option, view: View) -> float:
    """The vol of the out-of-the-money contract nearest in expiry, then in strike, or NaN."""
    if option.underlying not in view.chains:
        return np.nan
    chain = view.chain(option.underlying)
    outside = chain.right * (chain.strike - chain.spot) >= 0
    known = chain.where(outside & np.isfinite(chain.vol))
    if not len(known):
        return np.nan
    days = np.abs((known.expiry - np.datetime64(option.expiry, "D")).astype(int))
    strikes = np.abs(known.strike / float(option.strike) - 1)
    return float(known.vol[np.lexsort((strikes, days))[0]])
