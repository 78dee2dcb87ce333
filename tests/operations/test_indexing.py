"""``x[key]`` for every kind of key, and `take` and `take_along_axis`.

NumPy's own indexing of the positions says what each key means; the libraries that take
less than NumPy are asked only for what they take.
"""

import numpy as np
import pytest
from support.arrays import check, from_numpy

import autograd_core as ag
from autograd_core.testing.arrays import to_numpy
from autograd_core.testing.samples import points

xp = ag.ops

BASIC = {
    "integer": ((5,), 2),
    "negative integer": ((5,), -1),
    "integer of a matrix": ((3, 4), (1, ...)),
    "all integers": ((3, 4), (1, -2)),
    "slice": ((5,), slice(1, 4)),
    "open slice": ((5,), slice(None)),
    "step": ((7,), slice(1, None, 3)),
    "empty slice": ((5,), slice(3, 3)),
    "negative bounds": ((6,), slice(-4, -1)),
    "reversed": ((5,), slice(None, None, -1)),
    "negative step": ((7,), slice(5, 1, -2)),
    "negative step to the front": ((7,), slice(4, None, -3)),
    "empty negative step": ((5,), slice(1, 3, -1)),
    "negative steps on two axes": ((4, 5), (slice(None, None, -1), slice(3, 0, -2))),
    "integer, ellipsis, negative step": ((3, 2, 5), (0, ..., slice(None, None, -2))),
    "ellipsis alone": ((3, 4), ...),
    "ellipsis of nothing": ((3, 4), (1, ..., 2)),
    "ellipsis first": ((2, 3, 4), (..., 1)),
    "newaxis": ((3,), (None, slice(None))),
    "newaxis last": ((3,), (slice(None), None)),
    "newaxis and integer": ((3, 4), (None, 1, slice(None))),
    "everything": ((3, 4, 5), (slice(None, None, 2), None, 1, slice(4, 0, -2))),
    "0-d with ellipsis": ((), ...),
    "0-d with nothing": ((), ()),
    "0-d with newaxis": ((), (None,)),
    "of an empty axis": ((0, 3), (slice(None), 1)),
}
MASKS = {
    "mask": ((4,), np.asarray([True, False, True, True])),
    "mask of a matrix": (
        (2, 3),
        np.asarray([[True, False, True], [False, True, True]]),
    ),
    "mask of nothing": ((3,), np.asarray([False, False, False])),
    "0-d mask": ((), np.asarray(True)),
}
INTEGERS = {
    "repeated": ((4,), np.asarray([3, 0, 3, -1])),
    "one place only": ((4,), np.asarray([2, 2, 2])),
    "rows": ((3, 4), np.asarray([2, 0, 2])),
    "matrix of indices": ((4,), np.asarray([[0, 1], [1, 3]])),
    "none": ((4,), np.asarray([], dtype=np.int64)),
    "0-d": ((4, 2), np.asarray(1)),
    "pairs": ((3, 4), (np.asarray([0, 2, 0]), np.asarray([1, 3, 1]))),
    "integers that broadcast": (
        (3, 4),
        (np.asarray([[0], [2]]), np.asarray([1, 1, 3])),
    ),
}
COMBINED = {
    "mask of rows": ((3, 2), np.asarray([True, False, True])),
    "slice and integers": ((3, 4), (slice(1, None), np.asarray([0, 0, 3]))),
    "integers and slice": ((3, 4), (np.asarray([2, 2]), slice(None, None, 2))),
    "integers around a slice": (
        (3, 2, 4),
        (np.asarray([0, 0, 2]), slice(None), np.asarray([1, 1, 3])),
    ),
    "ellipsis and integers": ((2, 3, 4), (..., np.asarray([1, 1]))),
    "newaxis and integers": ((4,), (None, np.asarray([1, 1, 0]))),
    "integer and integers": ((3, 4), (1, np.asarray([2, 2, 0]))),
    "mask and integer": ((3, 4), (np.asarray([True, False, True]), 1)),
    "mask and slice": ((3, 4), (np.asarray([True, True, False]), slice(1, 3))),
    "list": ((4,), [3, 3, 1]),
    "list of booleans": ((3,), [True, False, True]),
    "list and slice": ((3, 4), (slice(None), [0, 0])),
    "integers and a negative step": (
        (3, 4),
        (np.asarray([2, 2]), slice(None, None, -1)),
    ),
}
KEYS = BASIC | MASKS | INTEGERS | COMBINED


def as_own(key):
    """Return a key whose arrays are of the current backend."""
    if isinstance(key, tuple):
        return tuple(map(as_own, key))
    return ag.ops.asarray(key) if isinstance(key, np.ndarray) else key


def index(x, key):
    """Index a tracked array as users do, a raw one as the library cannot always."""
    return x[key] if hasattr(x, "world") else xp.getitem(x, key=key)


def indexed_raw(shape, key):
    """Index the library's own array, or skip: the library does not take this key."""
    x = from_numpy(np.arange(float(np.prod(shape))).reshape(shape))
    try:
        return x[as_own(key)]
    except (IndexError, TypeError, ValueError) as refusal:
        pytest.skip(f"the library takes no such key: {refusal}")


def key_for(backend, name):
    """Return a shape and a key, or skip where the library does not take the key.

    PyTorch's backend turns negative steps of basic keys round itself.
    """
    shape, key = KEYS[name]
    if not (backend.name == "torch" and name in BASIC):
        indexed_raw(shape, key)
    return shape, key


@pytest.mark.parametrize("name", KEYS)
def test_key(backend, name):
    shape, key = key_for(backend, name)
    check(lambda x: index(x, as_own(key)), *points([shape]))


@pytest.mark.parametrize("name", KEYS)
def test_gradient_counts_how_often_a_key_names_an_element(backend, name):
    shape, key = key_for(backend, name)
    positions = np.arange(int(np.prod(shape))).reshape(shape)[key]
    expected = np.bincount(positions.ravel(), minlength=int(np.prod(shape)))
    x = xp.zeros(shape, dtype=xp.float64)
    y, pullback = ag.vjp(lambda x: x[as_own(key)], x)
    assert tuple(y.shape) == positions.shape
    (bar,) = pullback(xp.ones_like(y))
    np.testing.assert_array_equal(to_numpy(bar), expected.reshape(shape))


def test_what_must_not_be_skipped(backend):
    """NumPy takes every key; every library takes the standard's."""
    for name in KEYS if backend.name == "numpy" else BASIC | MASKS:
        key_for(backend, name)


def test_numpy_scalars_as_integers():
    x = np.arange(3.0)
    for one in (np.int64(1), np.asarray(1)):
        grad = ag.grad(lambda x, one=one: x[one] * x[one])(x)
        np.testing.assert_array_equal(grad, [0.0, 2.0, 0.0])


def test_a_key_written_to_afterwards_does_not_matter():
    x, key = np.arange(4.0), np.asarray([1, 1, 3])
    y, pullback = ag.vjp(lambda x: x[key], x)
    key[:] = 0
    np.testing.assert_array_equal(pullback(np.ones(3))[0], [0.0, 2.0, 0.0, 1.0])
    np.testing.assert_array_equal(y, [1.0, 1.0, 3.0])


def test_a_mask_computed_from_the_input(backend):
    x = xp.asarray([1.0, -2.0, 3.0, -4.0], dtype=xp.float64)
    gradient = ag.grad(lambda x: xp.sum(x[x > 0] ** 2))(x)
    np.testing.assert_array_equal(to_numpy(gradient), [2.0, 0.0, 6.0, 0.0])
    hessian_of_ones = ag.grad(
        lambda x: xp.sum(ag.grad(lambda x: xp.sum(x[x > 0] ** 3))(x))
    )
    np.testing.assert_array_equal(to_numpy(hessian_of_ones(x)), [6.0, 0.0, 18.0, 0.0])


def test_integers_computed_from_the_input(backend):
    x = xp.asarray([3.0, 1.0, 2.0], dtype=xp.float64)
    weights = xp.asarray([1.0, 10.0, 100.0], dtype=xp.float64)
    gradient = ag.grad(lambda x: xp.sum(xp.take(x, xp.argsort(x)) * weights))(x)
    np.testing.assert_array_equal(to_numpy(gradient), [100.0, 1.0, 10.0])


def test_iteration_and_unpacking(backend):
    def f(x):
        first, *rest = x
        return first * rest[0] + sum(part * part for part in rest)

    x = xp.asarray([2.0, 3.0, 5.0], dtype=xp.float64)
    np.testing.assert_array_equal(to_numpy(ag.grad(f)(x)), [3.0, 8.0, 10.0])


def test_out_of_bounds_raises(backend):
    x = xp.asarray([1.0, 2.0], dtype=xp.float64)
    if backend.name == "jax":
        pytest.skip("jax clamps indices that are out of bounds")
    with pytest.raises(IndexError):
        ag.grad(lambda x: x[5])(x)


def test_nan_stays_where_it_is(backend):
    x = xp.asarray([1.0, 2.0, 3.0], dtype=xp.float64)
    y, pullback = ag.vjp(lambda x: xp.take(x, xp.asarray([0, 2, 0, 1])), x)
    seed = xp.asarray([1.0, xp.nan, 10.0, 100.0], dtype=xp.float64)
    np.testing.assert_array_equal(to_numpy(pullback(seed)[0]), [11.0, 100.0, np.nan])
    np.testing.assert_array_equal(to_numpy(y), [1.0, 3.0, 1.0, 2.0])


# ------------------------------------------------------------------ take

TAKES = [
    ((4,), [0, 3, 3], None),
    ((4,), [-1, -1, -4], 0),
    ((3, 4), [2, 2, 0], 0),
    ((3, 4), [1, 1, 1], -1),
    ((2, 3, 4), [0, 2], 1),
    ((3,), [], 0),
    ((3, 0), [1, 1], 0),
    ((1,), [0] * 5, 0),
]


@pytest.mark.parametrize(("shape", "indices", "axis"), TAKES)
def test_take(backend, shape, indices, axis):
    where = np.asarray(indices, dtype=np.int64)
    f = lambda x: xp.take(x, xp.asarray(where), axis=axis)  # noqa: E731
    (x,) = points([shape])
    check(f, x)
    got, expected = f(from_numpy(x)), np.take(x, where, axis=axis)
    np.testing.assert_array_equal(to_numpy(got), expected, strict=True)


TAKES_ALONG = [
    ((4,), [3, 3, 0], {}),
    ((2, 3), [[0, 2, 0, 0], [1, 1, 1, 2]], {"axis": 1}),
    ((2, 3), [[0, 1, 1]], {"axis": 0}),
    ((3, 2), [[0, 0], [-1, 0], [1, 1]], {"axis": -1}),
    ((2, 3, 2), [[[0, 0], [2, 1]], [[1, 1], [1, 1]]], {"axis": 1}),
]


@pytest.mark.parametrize(("shape", "indices", "keywords"), TAKES_ALONG)
def test_take_along_axis(backend, shape, indices, keywords):
    where = np.asarray(indices)
    f = lambda x: xp.take_along_axis(x, xp.asarray(where), **keywords)  # noqa: E731
    (x,) = points([shape])
    check(f, x)
    expected = np.take_along_axis(x, where, **({"axis": -1} | keywords))
    np.testing.assert_array_equal(to_numpy(f(from_numpy(x))), expected, strict=True)


@pytest.mark.parametrize(
    ("repeats", "axis"),
    [([2, 0, 1], 0), ([1, 3], 1), ([1, 0, 2, 0, 1, 3], None), (0, 0), (2, -1)],
)
def test_repeat(backend, repeats, axis):
    own = xp.asarray(repeats) if isinstance(repeats, list) else repeats
    (x,) = points([(3, 2)])
    f = lambda x: xp.repeat(x, own, axis=axis)  # noqa: E731
    try:
        f(from_numpy(x))
    except (TypeError, ValueError, NotImplementedError) as refusal:
        pytest.skip(f"the library takes no such repeats: {refusal}")
    check(f, x)
    expected = np.repeat(x, repeats, axis=axis)
    np.testing.assert_array_equal(to_numpy(f(from_numpy(x))), expected, strict=True)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000])
def test_index_add_equals_numpys(backend, size):
    rng = np.random.default_rng(size)
    for length in (0, 1, 2, 5, 300):
        where, x = rng.integers(size, size=length), rng.normal(size=length)
        expected = np.zeros(size)
        np.add.at(expected, where, x)
        got = xp.index_add(from_numpy(x), xp.asarray(where), size=size)
        np.testing.assert_allclose(to_numpy(got), expected, rtol=1e-13, atol=1e-13)


def test_float32_counts_beyond_its_precision(backend):
    """Ten million ones do not fit one float32 accumulator that adds one by one."""
    n = 100_000
    x = xp.zeros((1,), dtype=xp.float32)
    where = xp.zeros((n,), dtype=xp.int64)
    (bar,) = ag.vjp(lambda x: xp.take(x, where, axis=0), x)[1](
        xp.full((n,), 0.1, dtype=xp.float32)
    )
    assert bar.dtype == xp.float32
    np.testing.assert_allclose(to_numpy(bar), [n * 0.1], rtol=1e-3)
