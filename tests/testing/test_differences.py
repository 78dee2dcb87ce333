"""Slopes by differences, whose errors must be what they are said to be."""

import math

import numpy as np
import pytest

from autograd_core.testing.differences import SAFETY, extrapolated, slopes
from autograd_core.testing.problem import Problem
from autograd_core.testing.reference import complex_step

X = np.linspace(-2.0, 2.0, 21)


def found(function, *points, **options):
    """Return the slopes of a function of one number at some points."""
    at = np.asarray(points, dtype=float)
    return slopes(lambda h: np.asarray(function(at + h), dtype=float), **options)


def is_within(slope, expected, *, times=SAFETY):
    """Say whether each expectation lies between the slopes, to their error."""
    room = times * slope.error + 1e-300
    return (slope.low - room <= expected) & (expected <= slope.high + room)


# ------------------------------------------------------------------ smooth functions

SMOOTH = {
    "sin": (np.sin, np.cos),
    "exp": (np.exp, np.exp),
    "cube": (lambda x: x**3, lambda x: 3 * x**2),
    "arctan": (np.arctan, lambda x: 1 / (1 + x * x)),
    "tanh": (np.tanh, lambda x: 1 / np.cosh(x) ** 2),
    "line": (lambda x: 3 * x - 1, lambda x: 3 + 0 * x),
    "constant": (lambda x: 0 * x + 7.25, lambda x: 0 * x),
    "runge": (
        lambda x: 1 / (1 + 25 * x * x),
        lambda x: -50 * x / (1 + 25 * x * x) ** 2,
    ),
}


@pytest.mark.parametrize("cautious", [False, True])
@pytest.mark.parametrize("scale", [1e-200, 1e-3, 1.0, 1e3, 1e200])
@pytest.mark.parametrize("name", SMOOTH)
def test_differences_know_their_error(name, scale, cautious):
    f, slope = SMOOTH[name]
    got = found(lambda x: scale * f(x), *X, cautious=cautious)
    expected = scale * slope(X)
    assert is_within(got, expected).all()
    assert (got.error <= 1e-8 * scale * (1 + np.abs(slope(X)))).all()
    assert not got.kinked.any()
    assert not got.unknown.any()


@pytest.mark.parametrize("x", [1e-8, 1e-3, 1.0, 1e3, 1e8])
def test_elements_of_any_size_beside_one_another(x):
    """What is small because it is, not because terms cancel, has small errors."""
    got = slopes(lambda h: np.asarray([x, 1.0]) * np.exp(h))
    assert is_within(got, [x, 1.0]).all()
    assert (got.error <= 1e-9 * np.asarray([x, 1.0])).all()


def test_many_elements_are_as_exact_as_one():
    x = np.linspace(-2.0, 2.0, 10_000)
    got = found(np.sin, *x)
    assert np.max(np.abs(got.low - np.cos(x))) < 1e-10
    assert np.max(got.error) < 1e-10


def test_no_elements():
    got = slopes(lambda h: np.zeros(0))
    assert (
        got.low.shape == got.high.shape == got.error.shape == got.unknown.shape == (0,)
    )


@pytest.mark.parametrize("wrong", [1 + 1e-6, 1 - 1e-6, 1 + 1e-8])
def test_an_error_of_a_millionth_shows(wrong):
    got = found(np.sin, *X)
    assert not is_within(got, wrong * np.cos(X)).any()


def test_a_polynomial_is_extrapolated_exactly():
    """The error of the first column has powers 2, 4, 6: three columns remove them."""
    rows = []
    for k in range(4):
        h = 2.0**-k
        rows = extrapolated(rows, np.asarray(5 + h**2 - 3 * h**4 + h**6), 2, 2)
    assert rows[3] == pytest.approx(5, abs=1e-13)
    assert rows[2] != pytest.approx(5, abs=1e-9)


# ------------------------------------------------------------------ kinks and jumps


@pytest.mark.parametrize(
    ("f", "low", "high"),
    [
        (np.abs, -1, 1),
        (lambda x: np.maximum(x, 0), 0, 1),
        (lambda x: np.maximum(np.sin(x), x**2), 0, 1),
        (lambda x: np.where(x < 0, 3 * x, -2 * x), -2, 3),
        (lambda x: np.abs(x) * np.exp(x), -1, 1),
    ],
    ids=["abs", "relu", "curved", "roof", "product"],
)
def test_a_kink_gives_the_slopes_on_its_sides(f, low, high):
    got = found(f, 0.0)
    assert got.kinked.all()
    assert not got.unknown.any()
    np.testing.assert_allclose([got.low[0], got.high[0]], [low, high], atol=1e-7)
    assert got.error[0] < 1e-6


@pytest.mark.parametrize("distance", [0.3, 1e-3, 1e-6])
def test_a_kink_nearby_is_none(distance):
    got = found(np.abs, 1.0, distance, -distance)
    assert is_within(got, [1, 1, -1]).all()
    assert not got.unknown.any()
    assert (np.abs(got.low - [1, 1, -1]) < 1e-6).all()


def test_a_kink_in_one_element_leaves_the_others_alone():
    got = slopes(lambda h: np.asarray([abs(h), np.sin(1.0 + h)]))
    assert got.kinked.tolist() == [True, False]
    assert got.low[1] == pytest.approx(np.cos(1.0), abs=1e-10)


@pytest.mark.parametrize(
    ("f", "x"),
    [(np.cbrt, 0.0), (np.sqrt, 0.0), (np.arcsin, 1.0), (lambda x: -np.sqrt(-x), 0.0)],
    ids=["cbrt", "sqrt", "asin", "sqrt from below"],
)
def test_an_infinite_slope_is_infinite(f, x):
    got = found(f, x)
    assert got.low[0] == got.high[0] == np.inf


def test_a_cusp_is_infinite_on_either_side():
    got = found(lambda x: np.sqrt(np.abs(x)), 0.0)
    assert (got.low[0], got.high[0]) == (-np.inf, np.inf)


@pytest.mark.parametrize(
    ("f", "x", "slope"),
    [(lambda x: x**1.5, 0.0, 0.0), (lambda x: np.sqrt(1 - x) ** 3, 1.0, 0.0)],
    ids=["from above", "from below"],
)
def test_at_the_edge_of_a_domain_the_inner_side_decides(f, x, slope):
    got = found(f, x)
    assert got.low[0] == pytest.approx(slope, abs=1e-3)
    assert got.high[0] == pytest.approx(slope, abs=1e-3)


@pytest.mark.parametrize(
    "f",
    [np.floor, np.sign, lambda x: np.where(x < 0, -1.0, x)],
    ids=["floor", "sign", "jump"],
)
def test_no_slope_is_believed_at_a_jump(f):
    """It is infinite on one side, or unknown: nothing finite alone is accepted."""
    got = found(f, 0.0)
    assert got.unknown[0] or np.isinf([got.low[0], got.high[0]]).any()


def test_no_function_no_slope():
    got = found(np.log, -1.0)
    assert got.unknown.all()


# ------------------------------------------------------------------ not what it seems


@pytest.mark.parametrize("frequency", [64 * math.pi, 1e4, 1e6, 2**14 * math.pi])
@pytest.mark.parametrize("x", [0.0, 0.3, 1.0])
def test_fast_oscillation_is_not_aliased(frequency, x):
    """Long steps meet the same phase again and again, and agree on a wrong slope."""
    got = found(lambda x: np.sin(frequency * x), x)
    expected = frequency * np.cos(frequency * x)
    assert got.unknown[0] or is_within(got, expected)[0]
    assert got.unknown[0] or got.error[0] < 1e-3 * frequency


def test_a_staircase_is_flat_on_its_steps():
    """And not of slope 1, as differences over several steps say."""
    got = found(lambda x: np.floor(1e5 * x) / 1e5, 0.123456)
    assert got.unknown[0] or is_within(got, 0.0)[0]
    assert not is_within(got, 1.0)[0] or got.unknown[0]


def test_a_spike_is_not_stepped_over():
    """A narrow one, on a function that is flat around."""
    got = found(lambda x: 1e-4 * np.exp(-((x / 1e-4) ** 2)) * x, 0.0)
    assert got.unknown[0] or is_within(got, 1e-4)[0]


@pytest.mark.parametrize("level", [1e-13, 1e-11, 1e-9])
def test_noise_is_part_of_the_error(level):
    rng = np.random.default_rng(0)
    got = slopes(lambda h: np.sin(X + h) * (1 + level * rng.normal(size=X.shape)))
    off = np.abs(got.low - np.cos(X))
    assert (got.unknown | got.kinked | (off <= 40 * got.error)).all()
    assert (got.unknown | (got.error > level / 10)).all()


def test_values_in_single_precision():
    eps = float(np.finfo(np.float32).eps)
    f = lambda x: np.sin(x).astype(np.float32).astype(float)  # noqa: E731
    got = found(f, *X, eps=eps)
    assert is_within(got, np.cos(X)).all()
    assert (got.error < 1e-3).all()


def test_cautious_differences_know_that_small_values_may_be_sums_of_large_ones():
    """The second value is rounded like the first, as it is a difference of such."""

    def values(h):
        large = 1e6 * np.sin(1.0 + h)
        return np.asarray([large, (large + 1e-3 * np.cos(2.0 + h)) - large])

    expected = -1e-3 * np.sin(2.0)
    got = slopes(values, cautious=True)
    assert got.unknown[1] or is_within(got, [1e6 * np.cos(1.0), expected])[1]


# ------------------------------------------------------------------ complex step


def square(x):
    return (x * x,)


def turned_square(x):
    return (x * x * (1 + 2j),)


@pytest.mark.parametrize(
    ("function", "expected"), [(square, [2.0, 4.0]), (turned_square, None)]
)
def test_the_complex_step_is_for_real_results(function, expected):
    x = np.asarray([1.0, 2.0])
    problem = Problem(function, (x,), ("x",), ("y",), None, None)
    np.testing.assert_array_equal(complex_step(problem, (np.ones(2),)), expected)
