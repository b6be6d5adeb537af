"""Elementary functions of the kernels: each within its stated ulp of mpmath, compiled."""

import math

import mpmath
import numpy as np
import pytest
from mpmath import mpf
from numpy.testing import assert_allclose, assert_array_equal

from dollarbill_core.pricing import kernels
from dollarbill_core.pricing.kernels import (
    bell,
    cut,
    erfcx,
    exp,
    log,
    log_ratio,
    log_ratio_parts,
    normal_cdf,
)
from dollarbill_core.pricing.machine_code import Floats, Kernel, compiled
from tests.assembly_reader import vector_loop

INF, NAN = math.inf, math.nan
SMALLEST = 5e-324
COUNT = 1500


@compiled
def exp_kernel(x: Floats, out: Floats) -> None:
    for i in range(out.size):
        out[i] = exp(x[i])


@compiled
def log_kernel(x: Floats, out: Floats) -> None:
    for i in range(out.size):
        out[i] = log(x[i])


@compiled
def log_ratio_kernel(numerator: Floats, denominator: Floats, out: Floats) -> None:
    for i in range(out.size):
        out[i] = log_ratio(numerator[i], denominator[i])


@compiled
def parts_kernel(numerator: Floats, denominator: Floats, high: Floats, low: Floats) -> None:
    for i in range(high.size):
        upper, lower = log_ratio_parts(numerator[i], denominator[i])
        high[i] = upper
        low[i] = lower


@compiled
def erfcx_kernel(a: Floats, out: Floats) -> None:
    for i in range(out.size):
        out[i] = erfcx(a[i])


@compiled
def bell_kernel(x: Floats, out: Floats) -> None:
    for i in range(out.size):
        out[i] = bell(x[i])


@compiled
def cdf_kernel(x: Floats, out: Floats) -> None:
    for i in range(out.size):
        out[i] = normal_cdf(x[i], bell(x[i]))


KERNELS = [
    exp_kernel,
    log_kernel,
    log_ratio_kernel,
    parts_kernel,
    erfcx_kernel,
    bell_kernel,
    cdf_kernel,
]


def evaluated(kernel: Kernel, *arguments: np.ndarray) -> np.ndarray:
    out = np.empty_like(arguments[0])
    kernel(*arguments, out)
    return out


def signed_powers(rng: np.random.Generator, low: float, high: float) -> np.ndarray:
    return 10 ** rng.uniform(low, high, COUNT) * rng.choice([-1, 1], COUNT)


def exact_erfcx(a):
    """Beyond 50 by its asymptotic series, where mpmath's erfc has run out of exponent."""
    if a < 50:
        return mpmath.exp(a * a) * mpmath.erfc(a)
    terms = (mpmath.fac2(2 * k - 1) / (-2 * a * a) ** k for k in range(1, 16))
    return (1 + mpmath.fsum(terms)) / (a * mpmath.sqrt(mpmath.pi))


def exact_cdf(x):
    return mpmath.erfc(-x / mpmath.sqrt(2)) / 2


def exact_bell(x):
    return mpmath.exp(-x * x / 2)


def samples(name: str) -> list[np.ndarray]:
    rng = np.random.default_rng(20261121)
    tiny, small = signed_powers(rng, -300, -3), signed_powers(rng, -4, 0)
    close = rng.uniform(-0.4, 0.4, COUNT) * 10 ** rng.uniform(-15, 0, COUNT)
    neighbours = np.array([np.nextafter(1, 0), 1.0, np.nextafter(1, 2), math.sqrt(0.5)])
    spread = 10 ** rng.uniform(-290, 290, COUNT)
    if name == "exp":
        wide, ends = rng.uniform(-708, 709.7, COUNT), [0.0, -0.0, -708.3, 709.782]
        return [np.concatenate([wide, small, tiny, ends])]
    if name == "log":
        edges = [2.3e-308, 1.79e308, *neighbours]
        return [np.concatenate([10 ** rng.uniform(-307, 308, COUNT), 1 + close, edges])]
    if name == "log_ratio":
        others = rng.permutation(spread), spread * 10 ** rng.uniform(-1, 1, COUNT)
        return [np.tile(spread, 3), np.concatenate([*others, spread * (1 + close)])]
    if name == "erfcx":
        usual = rng.uniform(0, [1, 5, 30], (COUNT, 3)).ravel()
        return [np.concatenate([[0.0], usual, 10 ** rng.uniform(-18, 25, COUNT)])]
    return [np.concatenate([rng.uniform(-37.5, 37.5, COUNT), small, tiny, neighbours])]


@pytest.mark.parametrize(
    ("name", "kernel", "exact", "bound"),
    [
        ("exp", exp_kernel, mpmath.exp, 1.1),
        ("log", log_kernel, mpmath.log, 0.9),
        ("log_ratio", log_ratio_kernel, lambda a, b: mpmath.log(a / b), 0.6),
        ("erfcx", erfcx_kernel, exact_erfcx, 6),
        ("bell", bell_kernel, exact_bell, 1.2),
        ("normal_cdf", cdf_kernel, exact_cdf, 7),
    ],
)
def test_error_is_within_the_stated_ulp(name, kernel, exact, bound):
    arguments = samples(name)

    ours = evaluated(kernel, *arguments)

    with mpmath.workdps(40):
        rows = zip(*(x.tolist() for x in arguments), strict=True)
        wanted = [exact(*map(mpf, row)) for row in rows]
        missed = [float(mpf(x) - y) for x, y in zip(ours.tolist(), wanted, strict=True)]
    ulp = np.spacing(np.abs(np.array([float(each) for each in wanted])))
    assert np.max(np.abs(missed) / ulp) <= bound
    assert np.max(np.abs(missed) / ulp) >= 0.3  # what is measured is an error, not nothing


def test_log_ratio_in_two_parts_holds_a_third_more_digits():
    numerator, denominator = samples("log_ratio")
    high, low = np.empty_like(numerator), np.empty_like(numerator)

    parts_kernel(numerator, denominator, high, low)

    with mpmath.workdps(60):
        rows = zip(numerator, denominator, high, low, strict=True)
        pairs = [(mpmath.log(mpf(a) / mpf(b)), mpf(c) + mpf(d)) for a, b, c, d in rows]
        missed = np.array([abs(float(exact - ours)) for exact, ours in pairs])
    assert np.all(missed <= 2e-18)
    assert np.all(missed <= 5e-18 * np.abs([float(exact) for exact, _ in pairs]))
    assert np.max(np.abs(low)) < 0.01


def test_exp_covers_the_whole_range():
    """Up to the greatest float64, down through those with few digits, to 0 and infinity."""
    x = np.array([709.79, 710.0, 1e308, INF, -745.2, -746.0, -1e308, -INF, NAN])

    assert_array_equal(evaluated(exp_kernel, x), [INF] * 4 + [0.0] * 4 + [NAN])

    small = np.linspace(-745.1, -708, 500)
    exact = [float(mpmath.exp(each) / mpf(SMALLEST)) for each in small]
    assert np.max(np.abs(evaluated(exp_kernel, small) / SMALLEST - exact)) <= 1


@pytest.mark.parametrize(
    ("kernel", "at", "expected"),
    [
        (log_kernel, [1.0], [0.0]),
        (log_ratio_kernel, [3e-7], [0.0]),
        (bell_kernel, [0.0, 38.7, -1e300, INF, NAN], [1.0, 0.0, 0.0, 0.0, NAN]),
        (cdf_kernel, [0.0, -0.0, INF, -INF, 1e300, -38.7, NAN], [0.5, 0.5, 1, 0, 1, 0, NAN]),
        (erfcx_kernel, [0.0, 1e25], [1.0, 1e-25 / math.sqrt(math.pi)]),
    ],
)
def test_limits(kernel, at, expected):
    x = np.array(at)
    arguments = [x, x.copy()] if kernel is log_ratio_kernel else [x]

    assert_allclose(evaluated(kernel, *arguments), expected, rtol=1e-15)


def test_a_cut_number_has_exact_products():
    rng = np.random.default_rng(3)

    for x, y in rng.uniform(-1e6, 1e6, (200, 2)).tolist():
        assert mpf(cut(x)) * mpf(cut(y)) == mpf(cut(x) * cut(y))
        assert abs(x - cut(x)) <= 2.0**-25 * abs(x)
        assert mpf(cut(x)) + mpf(x - cut(x)) == mpf(x)


@pytest.mark.parametrize("name", ["exp", "log", "log_ratio", "erfcx", "bell", "normal_cdf"])
def test_the_interpreter_agrees_with_machine_code(name):
    """The slow twin, which rounds each product: it may differ in the last digits."""
    kernel = {"normal_cdf": cdf_kernel}.get(name) or globals()[f"{name}_kernel"]
    arguments = [x[::11].copy() for x in samples(name)]

    twin = np.empty_like(arguments[0])
    kernel.plain(*arguments, twin)

    assert_allclose(evaluated(kernel, *arguments), twin, rtol=3e-15, atol=SMALLEST)


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.symbol)
def test_each_becomes_part_of_a_loop_of_vectors(kernel):
    loop = vector_loop(kernel.assembly())

    assert loop.packed >= 15
    assert loop.scalar == loop.calls == 0


@compiled
def library_kernel(x: Floats, out: Floats) -> None:
    for i in range(out.size):
        out[i] = math.exp(x[i]) * exp(x[i])


@compiled
def branching_kernel(x: Floats, out: Floats) -> None:
    for i in range(out.size):
        steps = 0
        while x[i] * out[i] > 1.0 and steps < 10:
            out[i] = exp(x[i]) + out[i]
            steps += 1


@pytest.mark.parametrize("kernel", [library_kernel, branching_kernel])
def test_a_call_or_a_branch_is_seen(kernel):
    """Keeps the test above honest: it fails here."""
    loop = vector_loop(kernel.assembly())

    assert loop.packed < 15 or loop.calls > 0


# --- the coefficients, derived anew


def chebyshev_nodes(count: int, low, high) -> list:
    angles = [mpmath.pi * (2 * j + 1) / (2 * count) for j in range(count)]
    return [(low + high) / 2 + (high - low) / 2 * mpmath.cos(angle) for angle in angles]


def interpolating_polynomial(function, count: int, low, high) -> tuple[float, ...]:
    """Coefficients, lowest first, of the polynomial through ``count`` Chebyshev nodes."""
    nodes = chebyshev_nodes(count, low, high)
    powers = mpmath.matrix([[node**j for j in range(count)] for node in nodes])
    values = mpmath.matrix([function(node) for node in nodes])
    return tuple(float(each) for each in mpmath.lu_solve(powers, values))


def interpolating_ratio(function, degree: int, centre) -> tuple[tuple[float, ...], ...]:
    """Numerator and denominator (one degree more, 1 at 0), at Chebyshev nodes in
    ``(a - centre) / (a + centre)``, which takes 0 to infinity to -1 to 1."""
    nodes = chebyshev_nodes(2 * degree + 2, mpf(-1), mpf(1))
    rows, values = [], []
    for node in nodes:
        a = centre * (1 + node) / (1 - node)
        value, scale = function(a), (1 + a) ** -degree
        above = [scale * a**j for j in range(degree + 1)]
        rows.append(above + [-value * scale * a**j for j in range(1, degree + 2)])
        values.append(value * scale)
    solved = [float(x) for x in mpmath.lu_solve(mpmath.matrix(rows), mpmath.matrix(values))]
    return tuple(solved[: degree + 1]), (1.0, *solved[degree + 1 :])


def test_coefficients_are_those_of_interpolation_at_chebyshev_nodes():
    with mpmath.workdps(80):
        reach = mpmath.log(2) / 2 * mpf("1.0001")
        of_exp = interpolating_polynomial(
            lambda r: (mpmath.exp(r) - 1 - r) / r**2, len(kernels._EXP), -reach, reach
        )
        of_atanh = interpolating_polynomial(
            lambda z: 2 * (mpmath.atanh(mpmath.sqrt(z)) - mpmath.sqrt(z)) / z ** mpf("1.5"),
            len(kernels._ATANH),
            mpf(0),
            mpf("0.0405"),
        )
        of_erfcx = interpolating_ratio(
            lambda a: mpmath.exp(a * a) * mpmath.erfc(a), len(kernels._ERFCX_ABOVE) - 1, mpf(3)
        )

    assert of_exp == kernels._EXP
    assert of_atanh == kernels._ATANH
    assert of_erfcx == (kernels._ERFCX_ABOVE, kernels._ERFCX_BELOW)
    assert min(kernels._ERFCX_ABOVE + kernels._ERFCX_BELOW) > 0  # nothing cancels
