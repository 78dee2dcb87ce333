"""Masks of branches that were not taken: where they come from, and how far they go.

At the origin of every input a function has an infinite derivative, and what is computed
from it there is not chosen. Its gradient must be 0 there, and right elsewhere; without
the mask it is nan.
"""

import numpy as np
import pytest
from core_support import assert_equal, to_numpy

import autograd_core as ag
from autograd_core import backend
from autograd_core.declare import elementwise
from autograd_core.masks import Masked, joined, plain
from autograd_core.operation import Rule, registry
from autograd_core.testing.faults import REVERSE, with_rules

xp = ag.ops

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy: 1 / 0

X = np.asarray([[0.0, 1.0, 4.0], [4.0, 0.0, 1.0]])
TAKEN = X > 0
SLOPE = np.where(TAKEN, 0.5 / np.sqrt(np.where(TAKEN, X, 1.0)), 0.0)
WEIGHTS = np.asarray([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])


def chosen(x, other=0.0):
    """Return what is taken of an array that has the shape of `X`."""
    return xp.where(TAKEN, x, other)


def weighted(x):
    return xp.sum(x * WEIGHTS)


# ------------------------------------------------------------------ where they begin

SOURCES = {
    "where": lambda x: xp.where(TAKEN, xp.sqrt(x), 0.0),
    "where, other branch": lambda x: xp.where(X == 0, 0.0, xp.sqrt(x)),
    "maximum": lambda x: xp.maximum(xp.sqrt(x), 0.5),
    "minimum": lambda x: -xp.minimum(-0.5, -xp.sqrt(x)),
    "clip": lambda x: xp.clip(xp.sqrt(x), 0.5, 3.0),
    "clip by arrays": lambda x: xp.clip(xp.sqrt(x), X * 0 + 0.5, X * 0 + 3.0),
}


@pytest.mark.parametrize("name", SOURCES)
def test_a_choice_of_elements(name):
    assert_equal(ag.grad(lambda x: weighted(SOURCES[name](x)))(X), WEIGHTS * SLOPE)


PICKS = {
    "max": (lambda y: xp.max(y), [2, 3]),
    "max over an axis": (lambda y: xp.sum(xp.max(y, axis=1)), [2, 3]),
    "min": (lambda y: xp.min(1 / y), [2, 3]),
    "mask": (lambda y: xp.sum(y[TAKEN]), [1, 2, 3, 5]),
    "integers": (lambda y: xp.sum(y[np.asarray([0, 1]), np.asarray([1, 0])]), [1, 3]),
    "take": (lambda y: xp.sum(xp.take(y, np.asarray([0]), axis=1)[1]), [3]),
    "take_along_axis": (
        lambda y: xp.sum(xp.take_along_axis(y, np.asarray([[1], [0]]), axis=1)),
        [1, 3],
    ),
}


@pytest.mark.parametrize("name", PICKS)
def test_a_choice_of_places(name):
    pick, places = PICKS[name]
    bar = ag.grad(lambda x: pick(xp.sqrt(x)))(X)
    untaken = np.ones(X.size, dtype=bool)
    untaken[places] = False
    assert np.isfinite(bar[TAKEN]).all()
    if name in ("take", "max", "max over an axis", "min"):
        untaken = untaken & ~TAKEN.reshape(-1)
    if name == "take":
        assert np.isnan(bar[0, 0])  # it was taken, and then a slice left it out
        untaken[0] = False
    assert (bar.reshape(-1)[untaken] == 0).all()


# ------------------------------------------------------------------ how far they go

CARRIERS = {
    "nothing": lambda y: chosen(y),
    "elementwise": lambda y: chosen(xp.square(xp.sqrt(y))),
    "a constant factor": lambda y: chosen(3.0 * y) / 3.0,
    "a factor": lambda y: chosen(y * WEIGHTS) / WEIGHTS,
    "transposition": lambda y: xp.permute_dims(
        xp.where(TAKEN.T, xp.permute_dims(y, (1, 0)), 0.0), (1, 0)
    ),
    "a new shape": lambda y: xp.reshape(
        xp.where(TAKEN.reshape(-1), xp.reshape(y, (6,)), 0.0), (2, 3)
    ),
    "a new axis": lambda y: chosen(xp.squeeze(xp.expand_dims(y, axis=0), axis=0)),
    "flip": lambda y: xp.flip(xp.where(xp.flip(TAKEN), xp.flip(y), 0.0)),
    "roll": lambda y: xp.roll(xp.where(np.roll(TAKEN, 1), xp.roll(y, 1), 0.0), -1),
    "broadcasting": lambda y: xp.where(
        np.broadcast_to(TAKEN, (2, 2, 3)), xp.broadcast_to(y, (2, 2, 3)), 0.0
    )[0],
    "concat": lambda y: xp.where(
        np.concatenate([TAKEN, TAKEN]), xp.concat([y, y]), 0.0
    )[:2],
    "stack": lambda y: xp.where(np.stack([TAKEN, TAKEN]), xp.stack([y, y]), 0.0)[1],
    "tril": lambda y: chosen(xp.tril(y) + xp.triu(y, k=1)),
    "astype": lambda y: chosen(xp.astype(xp.astype(y, np.complex128), np.complex128)),
    "where within where": lambda y: chosen(xp.where(X < 2, chosen(y, 1.0), y)),
    "maximum within where": lambda y: chosen(xp.maximum(y, -1.0)),
    "a sum of two": lambda y: chosen(y + y) / 2,
    "two choices": lambda y: chosen(y) / 2 + chosen(y) / 2,
    "two different choices": lambda y: (
        xp.where(X == 1, y, 0.0) + xp.where(X == 4, y, 0.0)
    ),
}


@pytest.mark.parametrize("name", CARRIERS)
def test_what_lies_between_the_choice_and_the_infinity(name):
    def f(x):
        return weighted(xp.real(CARRIERS[name](xp.sqrt(x))))

    assert_equal(ag.grad(f)(X), WEIGHTS * SLOPE)


ROWS = np.asarray([[0.0, 0.0], [1.0, 4.0]])

REDUCTIONS = {
    "sum": lambda y: xp.sum(y, axis=1),
    "mean": lambda y: 2 * xp.mean(y, axis=1),
    "cumulative_sum": lambda y: xp.cumulative_sum(y, axis=1)[:, 1],
    "a row less": lambda y: xp.sum(y, axis=1, keepdims=True)[:, 0],
}


@pytest.mark.parametrize("name", REDUCTIONS)
def test_rows_that_are_not_taken(name):
    """A mask goes back through sums: an element counts if its sum does."""

    def f(x):
        y = REDUCTIONS[name](xp.sqrt(x))
        return xp.sum(xp.where(np.asarray([False, True]), y, 0.0))

    assert_equal(ag.grad(f)(ROWS), [[0, 0], [0.5, 0.25]])


def test_an_argument_that_was_broadcast():
    """Back to its shape an element counts if one of its copies does."""
    x = np.asarray([0.0, 1.0, 4.0])

    def f(x):
        return xp.sum(xp.where(TAKEN & (x_is_positive), xp.sqrt(x) * WEIGHTS, 0.0))

    x_is_positive = x > 0
    assert_equal(ag.grad(f)(x), [0, 2 * 0.5, (3 + 6) * 0.25])


def test_either_of_two_branches():
    """What one of two choices has taken is not masked by the other."""

    def f(x):
        y = xp.sqrt(x)
        a = xp.where(np.asarray([False, True, False, False]), y, 0.0)
        b = xp.where(np.asarray([False, False, True, True]), y, 0.0)
        return xp.sum(a + 2 * b)

    assert_equal(ag.grad(f)(np.asarray([0.0, 1.0, 4.0, 0.0]))[:3], [0, 0.5, 0.5])
    assert ag.grad(f)(np.asarray([0.0, 1.0, 4.0, 0.0]))[3] == np.inf


def test_a_branch_beside_what_has_no_mask():
    """Where something else needs the element too, the infinity is the answer."""

    def f(x):
        y = xp.sqrt(x)
        return xp.sum(chosen(y)) + xp.sum(y)

    assert_equal(ag.grad(f)(X)[TAKEN], 2 * SLOPE[TAKEN])
    assert (ag.grad(f)(X)[~TAKEN] == np.inf).all()


# ------------------------------------------------------------- kinds and transforms


def test_complex_numbers():
    z = np.asarray([0j, 1 + 1j])

    def f(z):
        return xp.sum(xp.real(xp.where(z != 0, xp.log(z), 0.0)))

    assert_equal(ag.grad(f)(z), [0, np.conj(1 / z[1])])
    assert_equal(ag.jvp(f, (z,), (z,))[1], 1.0)


def test_single_precision():
    bar = ag.grad(lambda x: weighted(chosen(xp.sqrt(x))))(X.astype(np.float32))
    assert bar.dtype == np.float32
    assert_equal(bar, WEIGHTS * SLOPE, 1e-6)


def test_another_dtype_within():
    """What is converted back to an argument's dtype keeps its mask."""

    def f(x):
        return weighted(chosen(xp.sqrt(x) * WEIGHTS))

    assert_equal(ag.grad(f)(X.astype(np.float32)), WEIGHTS**2 * SLOPE, 1e-6)


def test_a_tensor():
    x = ag.Tensor(X)
    weighted(chosen(xp.sqrt(x))).backward()
    assert_equal(x.grad, WEIGHTS * SLOPE)


def test_memory_that_is_watched():
    """Large constants are not copied but checked, by an edge around the rule."""
    x = np.concatenate([np.zeros(1), np.ones(20_000)])
    big = np.ones(20_001)

    def f(x):
        return xp.sum(xp.where(x > 0, big * xp.sqrt(x) * big, 0.0))

    assert_equal(ag.grad(f)(x), np.where(x > 0, 0.5, 0.0))


def second(f):
    """Return the ways to the derivative of a gradient along ones."""

    def along(x):
        return ag.jvp(f, (x,), (xp.ones_like(x),))[1]

    return {
        "reverse of reverse": lambda x: ag.grad(lambda x: xp.sum(ag.grad(f)(x)))(x),
        "forward of reverse": lambda x: ag.jvp(ag.grad(f), (x,), (np.ones(x.shape),))[
            1
        ],
        "reverse of forward": lambda x: ag.grad(along)(x),
    }


@pytest.mark.parametrize("way", second(None))
@pytest.mark.parametrize("name", SOURCES)
def test_second_derivatives(name, way):
    expected = np.where(TAKEN, -0.25 * np.where(TAKEN, X, 1.0) ** -1.5, 0.0)
    got = second(lambda x: weighted(SOURCES[name](x)))[way](X)
    assert_equal(got, WEIGHTS * expected)


def test_a_third_derivative():
    f = lambda x: weighted(chosen(xp.sqrt(x)))  # noqa: E731
    for _ in range(2):
        f = (lambda g: lambda x: xp.sum(ag.grad(g)(x)))(f)
    expected = np.where(TAKEN, 0.375 * np.where(TAKEN, X, 1.0) ** -2.5, 0.0)
    assert_equal(ag.grad(f)(X), WEIGHTS * expected)


def test_every_library(library):
    x = library.asarray(X)
    taken = library.asarray(TAKEN)
    f = lambda x: xp.sum(xp.where(taken, xp.log(xp.sqrt(x)), 0.0))  # noqa: E731
    expected = np.where(TAKEN, 0.5 / np.where(TAKEN, X, 1.0), 0.0)
    assert_equal(ag.grad(f)(x), expected)
    picked = ag.grad(lambda x: xp.sum(xp.sqrt(x)[taken]))(x)
    assert_equal(picked, SLOPE)


# ------------------------------------------------------------- the parts themselves


def test_a_mask_is_computed_when_it_is_needed():
    calls = []

    def mask():
        calls.append(1)
        return np.asarray([True, False])

    t = Masked(np.asarray([1.0, 0.0]), mask)
    assert plain(t) is t.value
    assert not calls
    kept = t.chosen(np, np.asarray([2.0, np.nan]))
    assert_equal(kept.value, [2, 0])
    assert_equal(t.chosen(np, np.asarray([3.0, np.inf])).value, [3, 0])
    assert calls == [1]


def test_a_linear_map_moves_a_mask():
    xp_ = backend.backend("numpy")
    t = Masked(np.asarray([[5.0, 0.0], [0.0, 0.0]]), np.asarray([[True], [False]]))

    def total(xp, t):
        return xp.sum(t, axis=0)

    moved = t.through(total(xp_, t.value), total)
    assert_equal(moved.value, [5, 0])
    assert to_numpy(moved.mask).tolist() == [True, True]


def test_two_masks_of_one_array():
    a = Masked(np.asarray([1.0, 0.0, 0.0]), np.asarray([True, False, False]))
    b = Masked(np.asarray([0.0, 2.0, 0.0]), np.asarray([False, True, False]))
    both = joined(a, b)
    assert_equal(both.value, [1, 2, 0])
    assert both.mask.tolist() == [True, True, False]
    assert type(joined(a, np.ones(3))) is np.ndarray
    assert_equal(joined(np.ones(3), b), [1, 3, 1])


# ------------------------------------------------------------------ a planted fault


@pytest.mark.parametrize("name", ["where", "maximum", "max", "array_index"])
def test_a_mask_that_is_dropped_is_noticed(name):
    """These tests would fail: the infinity comes through."""

    def dropped(mode, rule):
        def unmasked(xp, t, *saved):
            return plain(rule.function(xp, t, *saved))

        return Rule(unmasked, rule.names)

    wrong = with_rules(registry[name], 0, (REVERSE,), dropped).function
    right = registry[name].function
    calls = {
        "where": lambda f, y: f(TAKEN, y, 0.0),
        "maximum": lambda f, y: f(y, 0.5),
        "max": lambda f, y: f(y, axis=1),
        "array_index": lambda f, y: f(y, TAKEN),
    }

    def gradient(function):
        return ag.grad(lambda x: xp.sum(calls[name](function, xp.sqrt(x))))(X)

    assert np.isfinite(gradient(right)).all()
    assert np.isnan(gradient(wrong)[~TAKEN]).all()


def test_forward_mode_takes_the_values_of_two_masked_rules(monkeypatch):
    """As the compiled path of an operation of two arguments adds what both give."""
    monkeypatch.setattr("autograd_core.declare.registry", {})

    def rule(xp, t):
        return Masked(xp.where(TAKEN, t, 0.0), TAKEN)

    def forward(xp, x1, x2):
        return xp.where(TAKEN, x1 + x2, 0.0)

    @elementwise(x1=rule, x2=rule, implementation=forward)
    def sum_where_taken(x1, x2, /):
        """Sum, where it is taken."""

    _, tangent = ag.jvp(sum_where_taken, (X, X), (WEIGHTS, WEIGHTS))
    assert_equal(tangent, np.where(TAKEN, 2 * WEIGHTS, 0.0))
