"""The exercise boundary: where it starts and ends, and that it solves its own equation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dollarbill_core.pricing import boundary, premium
from dollarbill_core.pricing.black_scholes import greeks
from tests.assembly_reader import vector_loop

Floats = NDArray[np.float64]


def entries(*values: float | Floats) -> list[Floats]:
    """Numbers and arrays, each as an array of the longest's length."""
    size = max(np.size(value) for value in values)
    return [np.full(size, value, dtype=float) for value in values]


def edge_of(rate: float, dividend_yield: float, years: Floats, vol: float) -> Floats:
    """The boundary of a put with a strike of one, each time to expiry solved by itself."""
    found = []
    for each in years:
        columns = entries(1.0, 1.0, float(each), rate, dividend_yield, vol)
        found.append(premium.premiums(premium.Puts(*columns)).boundary[0])
    return np.array(found)


RATES = [(0.05, 0.0), (0.05, 0.02), (0.03, 0.06), (0.05, 0.05), (0.1, -0.03), (0.0, -0.03)]


@pytest.mark.parametrize(("rate", "dividend_yield"), RATES)
@pytest.mark.parametrize("vol", [0.03, 0.2, 0.6, 2.0])
def test_at_the_boundary_value_and_slope_are_those_of_exercise(
    rate: float, dividend_yield: float, vol: float
) -> None:
    for years in (1 / 365, 0.1, 1.0, 3.0):
        edge = edge_of(rate, dividend_yield, np.array([years]), vol)[0]
        columns = entries(1.0, edge, years, rate, dividend_yield, vol)

        gain = premium.premiums(premium.Puts(*columns))

        european = greeks(-1, edge, 1.0, years, rate, vol, dividend_yield)
        assert european.price + gain.value[0] == pytest.approx(1.0 - edge, abs=3e-6)
        assert european.delta + gain.slope[0] == pytest.approx(-1.0, abs=5e-4)


@pytest.mark.parametrize(("rate", "dividend_yield"), RATES)
def test_just_above_the_boundary_gamma_is_what_the_equation_of_black_and_scholes_leaves(
    rate: float, dividend_yield: float
) -> None:
    vol, years = 0.25, 0.5
    edge = edge_of(rate, dividend_yield, np.array([years]), vol)[0]
    columns = entries(1.0, edge * (1.0 + 1e-9), years, rate, dividend_yield, vol)

    gain = premium.premiums(premium.Puts(*columns))

    european = greeks(-1, edge, 1.0, years, rate, vol, dividend_yield)
    left = 2.0 * (rate - dividend_yield * edge) / (vol * edge) ** 2
    assert european.gamma + gain.curve[0] == pytest.approx(left, rel=2e-4)


@pytest.mark.parametrize(("rate", "dividend_yield"), RATES)
def test_the_boundary_falls_from_its_start_to_that_of_an_endless_put(
    rate: float, dividend_yield: float
) -> None:
    years = np.array([1e-7, 1e-4, 0.01, 0.1, 0.5, 1.0, 3.0, 30.0])

    edges = edge_of(rate, dividend_yield, years, 0.25)

    start = np.exp(boundary.start_of_boundary(rate, dividend_yield))
    end = np.exp(boundary.perpetual_boundary(rate, dividend_yield, 0.25))
    assert edges[0] == pytest.approx(start, rel=1e-3)
    assert np.all(np.diff(edges) < 0)
    assert np.all(edges >= end)


def test_a_put_of_many_years_has_the_boundary_of_an_endless_one() -> None:
    found = edge_of(0.1, 0.0, np.array([60.0]), 0.3)[0]

    # lambda = -2 r / vol^2 = -20 / 9, lambda / (lambda - 1) = 20 / 29
    assert np.exp(boundary.perpetual_boundary(0.1, 0.0, 0.3)) == pytest.approx(20 / 29)
    assert found == pytest.approx(20 / 29, rel=1e-4)


@settings(max_examples=100, derandomize=True)
@given(
    rate=st.floats(0.001, 0.15),
    dividend_yield=st.floats(-0.08, 0.15),
    years=st.floats(0.003, 3.0),
    vol=st.floats(0.03, 2.5),
)
def test_the_boundary_falls_with_vol_and_years_and_rises_with_the_rate(
    rate: float, dividend_yield: float, years: float, vol: float
) -> None:
    columns = entries(np.ones(4), 1.0, years, rate, dividend_yield, vol)
    columns[2][1] *= 1.2
    columns[5][2] *= 1.2
    columns[3][3] *= 1.2

    plain, longer, wilder, dearer = premium.premiums(premium.Puts(*columns)).boundary

    assert longer <= plain * (1.0 + 1e-6)
    assert wilder <= plain * (1.0 + 1e-6)
    assert dearer >= plain * (1.0 - 1e-6)


def test_boundaries_between_the_nodes_of_vol_are_those_solved_alone() -> None:
    rng = np.random.default_rng(4)
    vol = np.exp(rng.uniform(np.log(0.08), np.log(0.8), 200))
    years = np.exp(rng.uniform(np.log(7 / 365), np.log(2.0), 200))
    columns = entries(1.0, 1.0, years, 0.04, 0.01, vol)
    columns[0], columns[1] = np.ones((2, 200))

    together = premium.premiums(premium.Puts(*columns)).boundary

    pairs = zip(years, vol, strict=True)
    alone = np.array([edge_of(0.04, 0.01, np.array([t]), v)[0] for t, v in pairs])
    assert np.abs(together / alone - 1.0).max() <= 2e-4


def test_options_are_grouped_by_rate_yield_and_octave_of_years() -> None:
    rate = np.array([0.05, 0.04, 0.05, 0.05, 0.05])
    dividend_yield = np.array([0.0, 0.0, 0.0, 0.01, 0.0])
    years = np.array([0.5, 0.5, 0.4, 0.5, 0.01])
    vol = np.array([0.2, 0.2, 0.3, 0.2, 0.2])

    found = boundary.boundaries(years, rate, dividend_yield, vol)

    assert found.first[0] == found.first[2]
    assert len(set(found.first)) == 4
    assert found.levels.tolist() == [6.0, 1.0, 6.0, 1.0, 1.0]
    assert found.reach[2] == np.sqrt(0.5)


def test_the_compiled_boundary_is_the_plain_one() -> None:
    columns = entries(0.05, 0.02, 0.7, 0.3)
    found, expected = np.zeros((2, boundary.COEFFICIENTS))

    boundary.boundary_kernel(*columns, np.zeros(boundary.SCRATCH), found)
    boundary.boundary_kernel.plain(*columns, np.zeros(boundary.SCRATCH), expected)

    assert np.abs(found - expected).max() <= 1e-12


def test_the_loops_of_the_boundary_are_made_of_vectors() -> None:
    loop = vector_loop(boundary.boundary_kernel.assembly())

    assert loop.packed > 50
    assert loop.scalar < 0.1 * loop.packed
