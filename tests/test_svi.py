"""The descent to a hyperbola: exact slopes, the plain twin, and quotes given back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dollarbill_core.pricing import svi
from dollarbill_core.pricing.svi import Task

TRUE = np.array([0.030, 0.06, 0.20, 0.03, 0.12])  # lowest, right, left, centre, width
GRID = 0.1 * np.sinh(np.linspace(-5, 5, 41))


def variance(natural: np.ndarray, k: np.ndarray) -> np.ndarray:
    """The module's equation, written out."""
    lowest, right, left, centre, width = natural
    y = k - centre
    level = lowest - width * np.sqrt(left * right)
    return level + (right - left) / 2 * y + (right + left) / 2 * np.sqrt(y**2 + width**2)


def task(natural: np.ndarray = TRUE, **changes) -> Task:
    k = np.linspace(-0.6, 0.4, 30)
    middle = variance(natural, k)
    made = Task(
        k=k,
        middle=middle,
        half=0.02 * middle,
        one_sided=np.zeros(30),
        weight=np.ones(30),
        grid=GRID,
        floor=np.zeros(41),
        theta=0.04,
        left=0.0,
        right=0.0,
        steepest=1.5,
        least=0.1,
        pull=0.3,
        margin=0.02,
        cost=30.0,
        prior=0.01,
    )
    return made._replace(**changes)


def cost_and_slopes(given_task: Task, start: np.ndarray, x: np.ndarray):
    values, row, square, pull = np.empty(10), np.empty(5), np.empty(25), np.empty(5)
    columns = given_task[:7]
    cost = svi._cost_and_equations(
        *columns, svi._terms(given_task), start, x, values, row, square, pull
    )
    return cost, pull.copy(), square.reshape(5, 5).copy()


DEMANDING = task(
    floor=np.full(41, 0.05),
    margin=0.9,
    one_sided=np.arange(30) % 2.0,
    weight=np.linspace(0, 1, 30),
)
START = svi.free(DEMANDING, np.array([0.04, 0.1, 0.15, 0.0, 0.2]))


@pytest.mark.parametrize("seed", range(5))
def test_slopes_of_the_cost_are_those_of_its_differences(seed):
    """Quotes, density, floor and prior all cost something here."""
    x = START + np.random.default_rng(seed).normal(0, 0.2, 5)
    step = 1e-6 * np.eye(5)

    _, slopes, _ = cost_and_slopes(DEMANDING, START, x)

    differences = [
        cost_and_slopes(DEMANDING, START, x + each)[0]
        - cost_and_slopes(DEMANDING, START, x - each)[0]
        for each in step
    ]
    assert slopes == pytest.approx(np.array(differences) / 2e-6, rel=1e-5, abs=1e-4)


def test_free_parameters_go_there_and_back():
    given_task = task(left=0.05, right=0.02)

    assert svi.natural(given_task, svi.free(given_task, TRUE)) == pytest.approx(TRUE, rel=1e-12)


@given(x=st.lists(st.floats(-50, 50), min_size=5, max_size=5))
def test_any_free_parameters_make_a_hyperbola_within_its_bounds(x):
    lowest, right, left, _, width = svi.natural(task(left=0.05, right=0.02), np.array(x))

    assert lowest >= 0.1 * 0.04 and width > 0
    assert 0.02 <= right <= 1.5 and 0.05 <= left <= 1.5


def test_quotes_on_a_hyperbola_give_it_back():
    start = svi.free(task(), np.array([0.04, 0.1, 0.1, 0.0, 0.2]))

    found, cost = svi.descended(task(prior=1e-6), start, 200)

    assert svi.natural(task(), found) == pytest.approx(TRUE, rel=1e-4)
    assert cost < 1e-6


def test_the_kernel_goes_the_way_of_its_plain_twin():
    start, work, x = START.copy(), np.empty(150), START.copy()

    svi._descent_kernel.plain(*DEMANDING[:7], svi._terms(DEMANDING), start, x, work, 15)
    found, cost = svi.descended(DEMANDING, START, 15)

    assert found == pytest.approx(x, rel=1e-8, abs=1e-10)
    assert cost == pytest.approx(work[0], rel=1e-10)


def test_every_step_lowers_the_cost():
    costs = [svi.descended(DEMANDING, START, steps)[1] for steps in range(12)]

    assert (np.diff(costs) <= 0).all() and costs[-1] < costs[0]


def test_one_stray_quote_moves_little():
    k = np.linspace(-0.6, 0.4, 30)
    middle = variance(TRUE, k)
    stray = middle.copy()
    stray[12] *= 3
    start = svi.free(task(), np.array([0.04, 0.1, 0.1, 0.0, 0.2]))

    found, _ = svi.descended(task(middle=stray), start, 200)

    others = np.arange(30) != 12
    off = variance(svi.natural(task(), found), k)[others] / middle[others] - 1
    assert np.abs(off).max() < 0.025  # a half-spread is 0.02


def test_a_one_sided_quote_only_holds_down():
    k = np.linspace(-0.6, 0.4, 30)
    wings = (k < -0.3).astype(float)
    generous = np.where(wings > 0, 3, 1) * variance(TRUE, k)
    start = svi.free(task(), np.array([0.04, 0.1, 0.1, 0.0, 0.2]))

    found, cost = svi.descended(task(middle=generous, one_sided=wings, prior=1e-6), start, 200)

    assert cost < 1e-6
    assert (variance(svi.natural(task(), found), k)[k > -0.3]) == pytest.approx(
        variance(TRUE, k)[k > -0.3], rel=1e-3
    )
