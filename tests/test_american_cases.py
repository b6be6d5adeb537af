"""Which American options are exercised early."""

import numpy as np
import pytest
from numpy.typing import NDArray

from dollarbill_core.pricing import american_cases, black_scholes
from dollarbill_core.pricing.american_cases import Market
from dollarbill_core.pricing.premium import as_puts
from tests.american_oracles import tree_price


def market(right: int, rate: float, dividend_yield: float, **other: float) -> Market:
    spot, strike, years, vol = (
        other.get(name, usual)
        for name, usual in (("spot", 100), ("strike", 100), ("years", 0.5), ("vol", 0.2))
    )
    columns = right, spot, strike, years, rate, vol, dividend_yield
    return Market(*(np.array([float(each)]) for each in columns))


def case_of(one: Market) -> str:
    found = american_cases.cases(one, as_puts(*one), black_scholes.price(*one))
    held: list[NDArray[np.bool_]] = list(found)
    named = [name for name, is_it in zip(found._fields, held, strict=True) if is_it[0]]
    return named[0] if named else "european"


CASES = [
    (0.05, 0.02, "early"),
    (0.02, 0.05, "early"),
    (0.05, -0.02, "early"),
    (0.0, -0.01, "early"),
    (0.0, 0.0, "european"),
    (0.0, 0.02, "european"),
    (-0.01, 0.0, "european"),
    (-0.02, -0.02, "european"),
    (-0.02, -0.01, "european"),
    (-0.01, -0.02, "banded"),
]


@pytest.mark.parametrize(("rate", "dividend_yield", "case"), CASES)
def test_the_signs_of_rate_and_yield_decide(
    rate: float, dividend_yield: float, case: str
) -> None:
    assert case_of(market(-1, rate, dividend_yield)) == case
    assert case_of(market(1, dividend_yield, rate)) == case


@pytest.mark.parametrize(
    "change", [{"vol": 0.0}, {"years": 0.0}, {"spot": 0.0}, {"vol": 1e-9}, {"vol": np.inf}]
)
def test_with_nothing_left_to_chance_the_path_is_known(change: dict[str, float]) -> None:
    assert case_of(market(-1, 0.05, 0.0, **change)) == "certain"


def test_what_has_no_meaning_has_no_case() -> None:
    assert case_of(market(-1, 0.05, 0.0, vol=-1.0)) == "european"
    assert np.isnan(american_cases.prices(market(-1, 0.05, 0.0, vol=-1.0))[0])


@pytest.mark.parametrize(("rate", "dividend_yield", "case"), CASES)
def test_a_tree_finds_a_premium_where_early_exercise_pays_and_nowhere_else(
    rate: float, dividend_yield: float, case: str
) -> None:
    premiums = []
    for strike in (110.0, 180.0, 300.0):
        one = market(-1, rate, dividend_yield, strike=strike)
        by_tree = tree_price(*(float(column[0]) for column in one), steps=600)
        premiums.append(by_tree - black_scholes.price(*one)[0])
        assert american_cases.prices(one)[0] == pytest.approx(by_tree, abs=1e-3)

    if case == "european":
        assert max(premiums) <= 1e-4
    else:
        assert max(premiums) > 1e-2


def test_the_band_of_exercise_is_empty_where_vol_closes_it() -> None:
    # Of a put with rate -1 % and yield -4 % boundaries stay apart for ever below a vol of
    # sqrt(0.08) - sqrt(0.02) = 14.1 %, and meet in time above it.
    apart = american_cases.exercise_regions(market(-1, -0.01, -0.04, vol=0.10, years=5.0))
    met = american_cases.exercise_regions(market(-1, -0.01, -0.04, vol=0.60, years=5.0))

    assert 25.0 < apart[0][0] < apart[1][0] < 100.0
    assert np.isnan(met[0][0]) and np.isnan(met[1][0])


def test_a_call_and_its_put_have_bands_that_mirror_each_other() -> None:
    put = american_cases.exercise_regions(market(-1, -0.01, -0.06, vol=0.1))
    call = american_cases.exercise_regions(market(1, -0.06, -0.01, vol=0.1))

    assert 100.0**2 / call[0][0] == pytest.approx(put[1][0], rel=1e-3)
    assert 100.0**2 / call[1][0] == pytest.approx(put[0][0], rel=1e-3)
