"""Empty, 0-d and size-1 arrays, every axis, strides, ties, zeros, mixed dtypes.

What is exact is compared exactly. Values at kinks are those that the docstrings of the
operations promise.
"""

import itertools
import operator

import numpy as np
import pytest
from support.arrays import check, from_numpy

import autograd_core as ag
from autograd_core.testing.arrays import to_numpy
from autograd_core.testing.samples import points

xp = ag.ops


def gradient(f, *values, dtype="float64"):
    """Return the gradients of the sum of a function's result, as ndarrays."""
    arrays = [from_numpy(v, dtype) for v in values]
    every = tuple(range(len(arrays)))
    grads = ag.grad(lambda *xs: xp.sum(f(*xs)), argnums=every)(*arrays)
    for g, x in zip(grads, arrays, strict=True):
        assert g.dtype == x.dtype
        assert tuple(g.shape) == tuple(x.shape)
    return [to_numpy(g) for g in grads] if len(grads) > 1 else to_numpy(grads[0])


def tangent(f, *values):
    """Return the directional derivative along ones, as an ndarray."""
    arrays = tuple(from_numpy(v, "float64") for v in values)
    ones = tuple(xp.ones_like(x) for x in arrays)
    return to_numpy(ag.jvp(f, arrays, ones)[1])


exactly = np.testing.assert_array_equal


# ------------------------------------------------------------------ shapes and axes

REDUCTIONS = ["sum", "mean", "prod", "max", "min", "var", "std"]
SHAPES = [(), (1,), (4,), (1, 1), (2, 3), (2, 1, 3)]


def axes_of(ndim):
    """Return every ``axis`` that a reduction takes for a number of axes."""
    several = [
        axes
        for n in range(ndim + 1)
        for axes in itertools.permutations(range(ndim), n)
        if list(axes) == sorted(axes)
    ]
    negative = [tuple(k - ndim for k in axes) for axes in several if axes]
    return [None, *range(-ndim, ndim), *several, *negative]


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reduction_over_every_axis(backend, name, shape, keepdims):
    function = getattr(xp, name)
    (x,) = points([shape])
    for axis in axes_of(len(shape)):
        expected = getattr(np, name)(x, axis=axis, keepdims=keepdims)
        y, pullback = ag.vjp(
            lambda x, axis=axis: function(x, axis=axis, keepdims=keepdims),
            from_numpy(x),
        )
        assert tuple(y.shape) == expected.shape
        np.testing.assert_allclose(to_numpy(y), expected, rtol=1e-13)
        (bar,) = pullback(xp.ones_like(y))
        along = tangent(lambda x, a=axis: function(x, axis=a, keepdims=keepdims), x)
        np.testing.assert_allclose(to_numpy(bar).sum(), along.sum(), atol=1e-12)
        assert np.isfinite(to_numpy(bar)).all()


@pytest.mark.parametrize("axis", [None, 0, -1, (), (1,), (0, 2), (-3, -1)])
@pytest.mark.parametrize("name", ["prod", "var", "std", "max"])
def test_reduction_against_differences(backend, name, axis):
    function = getattr(xp, name)
    check(lambda x: function(x, axis=axis), *points([(2, 3, 2)]))


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 0, -1])
@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2, 0, 3)], ids=str)
@pytest.mark.parametrize("name", ["sum", "prod"])
def test_reduction_of_nothing(backend, name, shape, axis, keepdims):
    f = lambda x: getattr(xp, name)(x, axis=axis, keepdims=keepdims)  # noqa: E731
    y, pullback = ag.vjp(f, xp.zeros(shape, dtype=xp.float64))
    assert (
        tuple(y.shape)
        == getattr(np, name)(np.zeros(shape), axis=axis, keepdims=keepdims).shape
    )
    (bar,) = pullback(xp.ones_like(y))
    exactly(to_numpy(bar), np.zeros(shape), strict=True)
    exactly(tangent(f, np.zeros(shape)), np.zeros(tuple(y.shape)), strict=True)


@pytest.mark.filterwarnings("ignore:(var|std).*degrees of freedom:UserWarning")
@pytest.mark.parametrize("name", ["max", "min", "mean", "var", "std"])
def test_reduction_of_an_empty_axis_beside(backend, name):
    """No slices at all: nothing is asked of the library, and nothing comes back."""
    f = lambda x: getattr(xp, name)(x, axis=1)  # noqa: E731
    exactly(gradient(f, np.zeros((0, 3))), np.zeros((0, 3)), strict=True)
    exactly(tangent(f, np.zeros((0, 3))), np.zeros(0), strict=True)


@pytest.mark.parametrize("name", ["cumulative_sum", "cumulative_prod"])
@pytest.mark.parametrize("initial", [False, True])
@pytest.mark.parametrize(
    ("shape", "axis"), [((0,), 0), ((1,), 0), ((3, 0), 1), ((0, 3), 1), ((2, 1), -1)]
)
def test_scan_of_little(backend, name, shape, axis, initial):
    f = lambda x: getattr(xp, name)(x, axis=axis, include_initial=initial)  # noqa: E731
    check(f, *points([shape]))


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8, 9, 17])
def test_scan_of_every_length(backend, n):
    (x,) = points([(n,)])
    check(lambda x: xp.cumulative_prod(x, axis=0), x / 2 + 1)


@pytest.mark.parametrize("name", ["sort", "flip", "cumulative_sum", "expand_dims"])
def test_negative_axes_equal_positive_ones(backend, name):
    (x,) = points([(2, 3)])
    weights = from_numpy(np.arange(1.0, 7.0).reshape(2, 3))

    def f(x, axis):
        y = getattr(xp, name)(x, axis=axis)
        return y * xp.reshape(weights, tuple(y.shape))

    for axis in (0, 1):
        ndim = 3 if name == "expand_dims" else 2
        by_front, by_back = (
            gradient(lambda x, axis=axis: f(x, axis), x) for axis in (axis, axis - ndim)
        )
        exactly(by_front, by_back)


def test_everything_of_one_element(backend):
    x = np.asarray([[2.0]])
    for f, expected in [
        (lambda x: xp.max(x), 1.0),
        (lambda x: xp.prod(x), 1.0),
        (lambda x: xp.var(x), 0.0),
        (lambda x: xp.std(x), 0.0),
        (lambda x: xp.sort(x), 1.0),
        (lambda x: x @ x, 4.0),
        (lambda x: xp.squeeze(x, (0, 1)) ** 2, 4.0),
        (lambda x: xp.concat([x, x], axis=None), 2.0),
        (lambda x: xp.roll(x, 5), 1.0),
        (lambda x: xp.tile(x, (3, 3)), 9.0),
    ]:
        exactly(gradient(f, x), [[expected]])


# ------------------------------------------------------------------ memory layouts


def layouts():
    base = points([(4, 6)])[0]
    return {
        "contiguous": base[:2, :3].copy(),
        "Fortran order": np.asfortranarray(base[:2, :3]),
        "transposed": base[:3, :2].T,
        "every other": base[::2, ::2],
        "reversed": base[1::-1, 2::-1],
        "broadcast row": np.broadcast_to(base[0, :3], (2, 3)),
        "broadcast scalar": np.broadcast_to(np.float64(0.7), (2, 3)),
        "unaligned": unaligned(base[:2, :3]),
        "read-only": read_only(base[:2, :3]),
    }


def unaligned(x):
    raw = np.zeros(x.nbytes + 1, dtype=np.uint8)[1:]
    result = raw.view(np.float64).reshape(x.shape)
    result[...] = x
    return result


def read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


LAYOUTS = layouts()
FUNCTIONS = {
    "elementwise": lambda x: xp.sin(x) * x / (2.0 + xp.cos(x)),
    "sum": lambda x: xp.sum(x * x, axis=0),
    "matmul": lambda x: x @ xp.permute_dims(x, (1, 0)),
    "reshape": lambda x: xp.reshape(x, (3, 2)) ** 2,
    "index": lambda x: x[:, ::-1] * x[0],
    "take": lambda x: xp.take(x, np.asarray([2, 0, 2]), axis=1) * x,
    "cumulative_prod": lambda x: xp.cumulative_prod(x, axis=1),
    "prod": lambda x: xp.prod(x, axis=0),
    "sort": lambda x: xp.sort(x, axis=1) * np.asarray([1.0, 2.0, 3.0]),
    "concat": lambda x: xp.concat([x, x * x], axis=1) ** 2,
    "where": lambda x: xp.where(x > 0, x, x * x),
}


@pytest.mark.parametrize("seeds", ["contiguous", "reversed", "broadcast scalar"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_layouts_of_numpy(name, layout, seeds):
    """Neither the strides of an input nor those of a seed change a derivative."""
    f, x = FUNCTIONS[name], LAYOUTS[layout]
    copy = np.array(x, order="C")
    y, pullback = ag.vjp(f, x)
    y_copy, pullback_copy = ag.vjp(f, copy)
    np.testing.assert_allclose(y, y_copy, rtol=1e-14)
    values = np.linspace(0.5, 1.5, y.size).reshape(y.shape)
    seed = {
        "contiguous": values,
        "reversed": values.copy()[::-1, ...],
        "broadcast scalar": np.broadcast_to(np.float64(0.3), y.shape),
    }[seeds]
    held = np.array(seed)
    (bar,), (bar_copy,) = pullback(seed), pullback_copy(np.array(seed, order="C"))
    np.testing.assert_allclose(bar, bar_copy, rtol=1e-13)
    direction = np.broadcast_to(np.float64(1.0), x.shape)
    _, y_dot = ag.jvp(f, (x,), (direction,))
    np.testing.assert_allclose(np.sum(seed * y_dot), np.sum(bar), rtol=1e-12)
    exactly(x, copy)
    exactly(seed, held)
    assert bar.flags.writeable
    assert not np.shares_memory(bar, x)
    assert not np.shares_memory(bar, seed)


@pytest.mark.parametrize(
    "f",
    [
        lambda x, y: x + y,
        lambda x, y: xp.where(np.asarray([True, False, True]), x, y),
        lambda x, y: xp.concat([x, y]),
        lambda x, y: xp.positive(x) - xp.flip(y),
        lambda x, y: xp.reshape(x, (3, 1)) + xp.broadcast_to(y, (3, 3)),
    ],
)
def test_gradients_share_no_memory(f):
    x, y = np.asarray([1.0, 2.0, 3.0]), np.asarray([4.0, 5.0, 6.0])
    value, pullback = ag.vjp(f, x, y)
    seed = np.ones(np.shape(value))
    first, second = pullback(seed), pullback(seed)
    arrays = [x, y, seed, *first, *second]
    for a, b in itertools.combinations(arrays, 2):
        assert not np.shares_memory(a, b)


def test_large_inputs_are_not_written_to(backend):
    x = xp.reshape(xp.arange(40_000, dtype=xp.float64), (200, 200)) / 40_000
    held = to_numpy(x)
    bar = ag.grad(lambda x: xp.sum(xp.sin(x) * x + xp.sum(x, axis=0)))(x)
    exactly(to_numpy(x), held)
    expected = np.cos(held) * held + np.sin(held) + 200.0
    np.testing.assert_allclose(to_numpy(bar), expected, rtol=1e-13)


# ------------------------------------------------------------------ zeros in products

WITH_ZEROS = [
    [2.0, 3.0, 5.0],
    [2.0, 0.0, 5.0],
    [0.0, 3.0, 0.0],
    [0.0, 0.0, 0.0],
    [-1.0, 0.0, 4.0],
]


def others(x):
    return np.asarray([np.prod(np.delete(x, k)) for k in range(len(x))])


@pytest.mark.parametrize("x", WITH_ZEROS, ids=str)
def test_prod_with_zeros(backend, x):
    exactly(gradient(xp.prod, x), others(x))
    exactly(tangent(xp.prod, x), others(x).sum())
    rows = np.asarray([x, [1.0, 2.0, 3.0]])
    along = gradient(lambda x: xp.prod(x, axis=1), rows)
    exactly(along, [others(row) for row in rows])
    check(xp.prod, np.asarray(x))


@pytest.mark.parametrize("initial", [False, True])
@pytest.mark.parametrize("x", WITH_ZEROS, ids=str)
def test_cumulative_prod_with_zeros(backend, x, initial):
    x = np.asarray(x)
    f = lambda x: xp.cumulative_prod(x, axis=0, include_initial=initial)  # noqa: E731
    jacobian = np.zeros((3, 3))
    for i, k in itertools.product(range(3), range(3)):
        if k <= i:
            jacobian[i, k] = np.prod(np.delete(x[: i + 1], k))
    exactly(gradient(f, x), jacobian.sum(0))
    exactly(tangent(f, x)[int(initial) :], jacobian.sum(1))
    check(f, x)


# ------------------------------------------------------------------ kinks


@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_ties_of_two_are_halved(backend, name):
    f = getattr(xp, name)
    a, b = [1.0, 2.0, 3.0], [1.0, 3.0, 2.0]
    by_a, by_b = gradient(f, a, b)
    first = [0.5, 0.0, 1.0] if name == "maximum" else [0.5, 1.0, 0.0]
    exactly(by_a, first)
    exactly(by_b, 1.0 - np.asarray(first))
    exactly(tangent(f, a, b), [1.0, 1.0, 1.0])
    x = [3.0, 2.0]
    exactly(gradient(lambda x: f(x, 3.0), x)[0], 0.5)
    exactly(gradient(lambda x: f(3.0, x), x)[0], 0.5)
    exactly(gradient(lambda x: f(x, x), x), [1.0, 1.0])


@pytest.mark.parametrize("name", ["max", "min"])
def test_ties_of_many_are_shared_equally(backend, name):
    f = getattr(xp, name)
    sign = 1.0 if name == "max" else -1.0
    x = sign * np.asarray([[1.0, 4.0, 4.0, 2.0], [3.0, 3.0, 3.0, 3.0]])
    exactly(gradient(f, x), [[0, 0.5, 0.5, 0], [0, 0, 0, 0]])
    rows = [[0, 0.5, 0.5, 0], [0.25] * 4]
    exactly(gradient(lambda x: f(x, axis=1), x), rows)
    exactly(gradient(lambda x: f(x, axis=-1, keepdims=True), x), rows)
    exactly(tangent(lambda x: f(x, axis=1), x), [1.0, 1.0])
    exactly(gradient(lambda x: f(x, axis=()), x), np.ones((2, 4)))


def test_abs_at_zero(backend):
    for f in (xp.abs, abs):
        exactly(gradient(f, [-2.0, 0.0, -0.0, 3.0]), [-1.0, 0.0, 0.0, 1.0])
        exactly(tangent(f, [-2.0, 0.0, -0.0, 3.0]), [-1.0, 0.0, 0.0, 1.0])


def test_clip_at_its_bounds(backend):
    x = [-1.0, 0.0, 0.5, 1.0, 2.0]
    clipped = [0.0, 0.5, 1.0, 0.5, 0.0]
    exactly(gradient(lambda x: xp.clip(x, 0.0, 1.0), x), clipped)
    exactly(gradient(lambda x: xp.minimum(xp.maximum(x, 0.0), 1.0), x), clipped)
    exactly(gradient(lambda x: xp.clip(x, min=0.0), x), [0.0, 0.5, 1.0, 1.0, 1.0])
    low = np.asarray([0.0] * 5)
    by_x, by_low = gradient(lambda x, low: xp.clip(x, low), x, low)
    exactly(by_x, [0.0, 0.5, 1.0, 1.0, 1.0])
    exactly(by_low, [1.0, 0.5, 0.0, 0.0, 0.0])


@pytest.mark.parametrize("descending", [False, True])
def test_sort_with_ties_is_a_permutation(backend, descending):
    """Elements that tie keep the order that a stable sort gives them."""
    x = np.asarray([2.0, 1.0, 2.0, 1.0, 3.0])
    weights = from_numpy(np.asarray([1.0, 10.0, 100.0, 1000.0, 10000.0]))
    f = lambda x: xp.sort(x, descending=descending, stable=True) * weights  # noqa: E731
    order = xp.argsort(from_numpy(x), descending=descending, stable=True)
    expected = np.zeros(5)
    expected[to_numpy(order)] = to_numpy(weights)
    exactly(gradient(f, x), expected)
    places = [1, 3, 0, 2, 4]
    assert to_numpy(order).tolist() == ([4, 0, 2, 1, 3] if descending else places)


def test_std_at_a_constant(backend):
    x = np.full((2, 3), 1.5)
    for axis in (None, 0, 1):
        f = lambda x, axis=axis: xp.std(x, axis=axis)  # noqa: E731
        exactly(gradient(f, x), np.zeros((2, 3)))
        exactly(tangent(f, x), np.zeros(np.std(x, axis=axis).shape))


def test_hypot_and_remainder_at_zero(backend):
    for bar in gradient(xp.hypot, [0.0, 3.0], [0.0, 4.0]):
        assert bar[0] == 0.0
    by_x1, by_x2 = gradient(xp.hypot, [3.0], [4.0])
    np.testing.assert_allclose([by_x1[0], by_x2[0]], [0.6, 0.8], rtol=1e-15)
    exactly(gradient(lambda x: x % 2.0, [5.0, -5.0, 0.5]), [1.0, 1.0, 1.0])
    exactly(gradient(lambda x: 5.0 % x, [2.0, -2.0]), [-2.0, 3.0])


def test_logaddexp_of_infinities(backend):
    by_x1, by_x2 = gradient(xp.logaddexp, [1000.0, -1000.0], [-1000.0, 1000.0])
    exactly(by_x1, [1.0, 0.0])
    exactly(by_x2, [0.0, 1.0])


def test_where_does_not_leak(backend):
    """A branch that was not taken contributes 0, also where it is not finite."""
    f = lambda x: xp.where(x > 0, xp.sqrt(xp.where(x > 0, x, 1.0)), 0.0)  # noqa: E731
    exactly(gradient(f, [4.0, 0.0, -1.0]), [0.25, 0.0, 0.0])
    x, big = [1.0, 2.0], [np.inf, np.nan]
    mask = np.asarray([True, True])
    by_x, by_big = gradient(lambda x, big: xp.where(xp.asarray(mask), x, big), x, big)
    exactly(by_x, [1.0, 1.0])
    exactly(by_big, [0.0, 0.0])


# ------------------------------------------------------------------ powers


@pytest.mark.parametrize("as_array", [False, True])
@pytest.mark.parametrize(
    ("exponent", "expected"), [(0, 0.0), (1, 1.0), (2, 0.0), (3, 0.0)]
)
def test_pow_at_zero(backend, exponent, expected, as_array):
    x2 = from_numpy(np.asarray([exponent] * 2), "float64") if as_array else exponent
    x = [0.0, 2.0]
    at_two = {0: 0.0, 1: 1.0, 2: 4.0, 3: 12.0}[exponent]
    exactly(gradient(lambda x: x**x2, x), [expected, at_two])
    exactly(tangent(lambda x: x**x2, x), [expected, at_two])
    second = gradient(lambda x: ag.grad(lambda x: xp.sum(x**x2))(x), x)
    exactly(second, {0: [0, 0], 1: [0, 0], 2: [2, 2], 3: [0, 12]}[exponent])


def test_pow_by_its_exponent(backend):
    """0 where the base is not positive; ``y log(x1)`` elsewhere."""
    x1, x2 = [0.0, 0.0, -2.0, 2.0], [1.0, 2.0, 2.0, 3.0]
    by_x1, by_x2 = gradient(xp.pow, x1, x2)
    exactly(by_x1, [1.0, 0.0, -4.0, 12.0])
    np.testing.assert_allclose(by_x2, [0, 0, 0, 8 * np.log(2)], rtol=1e-15)
    exactly(gradient(lambda x2: 0.0**x2, [1.0, 2.0]), [0.0, 0.0])
    np.testing.assert_allclose(gradient(lambda x: 2.0**x, [3.0]), [8 * np.log(2)])


def test_pow_of_a_negative_base(backend):
    for n in (2, 3, -1, -2):
        x = np.asarray([-2.0, -0.5])
        np.testing.assert_allclose(gradient(lambda x, n=n: x**n, x), n * x ** (n - 1.0))
        check(lambda x, n=n: x**n, x)


# ------------------------------------------------------------------ dtypes


@pytest.mark.parametrize(
    "name",
    ["add", "subtract", "multiply", "divide", "pow", "maximum", "hypot", "atan2"],
)
@pytest.mark.parametrize("shapes", [((3,), (3,)), ((2, 1), (3,)), ((), (2,))])
def test_mixed_dtypes(backend, name, shapes):
    function = getattr(xp, name)
    a, b = points(shapes, [(0.0, np.inf)] * 2)
    narrow, wide = from_numpy(a, "float32"), from_numpy(b, "float64")
    for order in (False, True):
        f = (lambda n, w: function(w, n)) if order else function
        y, pullback = ag.vjp(f, narrow, wide)
        assert y.dtype == xp.float64
        by_narrow, by_wide = pullback(xp.ones_like(y))
        assert by_narrow.dtype == xp.float32
        assert by_wide.dtype == xp.float64
        assert tuple(by_narrow.shape) == a.shape
        exact = ag.vjp(f, from_numpy(to_numpy(narrow), "float64"), wide)
        for got, expected in zip(
            (by_narrow, by_wide), exact[1](xp.ones_like(y)), strict=True
        ):
            np.testing.assert_allclose(to_numpy(got), to_numpy(expected), rtol=1e-6)
        y, y_dot = ag.jvp(f, (narrow, wide), (xp.ones_like(narrow), xp.ones_like(wide)))
        assert y_dot.dtype == xp.float64


def test_mixed_dtypes_of_a_constant(backend):
    narrow = from_numpy(np.asarray([1.0, 2.0]), "float32")
    wide = from_numpy(np.asarray([3.0, 4.0]), "float64")
    for f in (
        lambda x: x * wide,
        lambda x: wide * x,
        lambda x: xp.concat([x, wide]),
        lambda x: xp.where(wide > 3.5, x, wide),
        lambda x: x @ wide if backend.name != "torch" else x * wide,
        lambda x: xp.astype(x, xp.float64) * wide,
        lambda x: xp.sum(x, dtype=xp.float64) * wide,
    ):
        bar = ag.grad(lambda x, f=f: xp.sum(f(x)))(narrow)
        assert bar.dtype == xp.float32
        second = ag.grad(
            lambda x, f=f: xp.sum(ag.grad(lambda x: xp.sum(f(x) ** 2))(x))
        )(narrow)
        assert second.dtype == xp.float32


def test_sum_with_a_dtype(backend):
    x = from_numpy(np.asarray([1.0, 2.0]), "float32")
    for name, keywords in (
        ("sum", {}),
        ("prod", {}),
        ("cumulative_sum", {"axis": 0}),
        ("cumulative_prod", {"axis": 0}),
    ):
        f = getattr(xp, name)
        y, pullback = ag.vjp(lambda x, f=f, k=keywords: f(x, dtype=xp.float64, **k), x)
        assert y.dtype == xp.float64
        (bar,) = pullback(xp.ones_like(y))
        assert bar.dtype == xp.float32
        plain = ag.vjp(lambda x, f=f, k=keywords: f(x, **k), x)
        exactly(to_numpy(bar), to_numpy(plain[1](xp.ones_like(plain[0]))[0]))


def test_float32_is_never_widened(backend):
    x = from_numpy(np.asarray([0.5, 0.25, 0.125]), "float32")
    for f in (
        lambda x: x * 2.0 + 1 - 3.0 / (x + 1) + 2**x + x**2.5 % 1.5,
        lambda x: xp.where(x > 0.2, x, 0.0) + xp.maximum(x, 0.3),
        lambda x: xp.clip(x, 0.2, 0.4) * xp.mean(x) + xp.std(x),
        lambda x: xp.cumulative_prod(x) + xp.prod(x) + xp.var(x),
        lambda x: xp.log2(x) + xp.hypot(x, 1.0) + xp.atan2(x, 2.0),
        lambda x: x[xp.asarray([0, 0, 1])] + xp.flip(x) + xp.sort(x),
    ):
        y, pullback = ag.vjp(f, x)
        assert y.dtype == xp.float32
        assert pullback(xp.ones_like(y))[0].dtype == xp.float32
        assert ag.jvp(f, (x,), (x,))[1].dtype == xp.float32


# ------------------------------------------------------------------ operands

OPERATORS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": operator.pow,
    "%": operator.mod,
}
NAMES = {
    "+": "add",
    "-": "subtract",
    "*": "multiply",
    "/": "divide",
    "**": "pow",
    "%": "remainder",
}


@pytest.mark.parametrize("scalar", [3, 1.5, -2], ids=str)
@pytest.mark.parametrize("symbol", OPERATORS)
def test_python_scalars_on_either_side(backend, symbol, scalar):
    op = OPERATORS[symbol]
    x = np.asarray([0.5, 1.25, 2.0])
    full = from_numpy(np.full(3, float(scalar)))
    sides = [(lambda x: op(x, scalar), lambda x: op(x, full))]
    if symbol != "**" or scalar > 0:
        sides.append((lambda x: op(scalar, x), lambda x: op(full, x)))
    for f, same in sides:
        np.testing.assert_allclose(gradient(f, x), gradient(same, x), rtol=1e-14)
        np.testing.assert_allclose(tangent(f, x), tangent(same, x), rtol=1e-14)


@pytest.mark.parametrize("scalar", [3, 1.5], ids=str)
@pytest.mark.parametrize("name", ["maximum", "minimum", "hypot", "atan2", "logaddexp"])
def test_python_scalars_in_functions(backend, name, scalar):
    function = getattr(xp, name)
    x = np.asarray([0.5, 1.25, 2.0])
    full = from_numpy(np.full(3, float(scalar)))
    for f, same in (
        (lambda x: function(x, scalar), lambda x: function(x, full)),
        (lambda x: function(scalar, x), lambda x: function(full, x)),
    ):
        np.testing.assert_allclose(gradient(f, x), gradient(same, x), rtol=1e-14)
        np.testing.assert_allclose(tangent(f, x), tangent(same, x), rtol=1e-14)


@pytest.mark.parametrize("shape", [(3,), (2, 3), ()], ids=str)
@pytest.mark.parametrize("symbol", OPERATORS)
def test_raw_array_on_the_left_of_an_operator(backend, symbol, shape):
    op, function = OPERATORS[symbol], getattr(xp, NAMES[symbol])
    raw = from_numpy(np.full(shape, 2.5))
    x = np.asarray([0.5, 1.25, 2.0])
    np.testing.assert_array_equal(
        gradient(lambda x: op(raw, x), x), gradient(lambda x: function(raw, x), x)
    )
    np.testing.assert_array_equal(
        gradient(lambda x: op(x, raw), x), gradient(lambda x: function(x, raw), x)
    )
    np.testing.assert_array_equal(
        tangent(lambda x: op(raw, x), x), tangent(lambda x: function(raw, x), x)
    )
    second = ag.grad(lambda x: xp.sum(ag.grad(lambda x: xp.sum(op(raw, x)))(x)))
    assert np.isfinite(to_numpy(second(from_numpy(x)))).all()


def test_raw_array_on_the_left_of_matmul_and_comparisons(backend):
    raw = from_numpy(np.asarray([[1.0, 2.0], [3.0, 4.0]]))
    exactly(gradient(lambda x: raw @ x, [1.0, 1.0]), [4.0, 6.0])
    exactly(gradient(lambda x: x @ raw, [1.0, 1.0]), [3.0, 7.0])
    x = from_numpy(np.asarray([1.0, 5.0]))
    for op in (operator.lt, operator.le, operator.gt, operator.ge, operator.eq):
        seen = []

        def f(x, op=op, seen=seen):
            seen.append(op(raw, x))
            return xp.sum(x)

        ag.grad(f)(x)
        exactly(to_numpy(seen[0]), op(to_numpy(raw), to_numpy(x)))


def test_numpy_scalars_as_operands():
    for scalar in (np.float64(2.0), np.float32(2.0), np.int64(2), np.asarray(2.0)):
        x = np.asarray([0.5, 1.25])
        exactly(gradient(lambda x, s=scalar: s * x, x), [2.0, 2.0])
        exactly(gradient(lambda x, s=scalar: x * s, x), [2.0, 2.0])
        exactly(gradient(lambda x, s=scalar: x**s, x), 2 * x)


KEYWORDS = {
    "clip min": (lambda raw, x: xp.clip(raw, min=x), [0.0, 1.0, 1.0]),
    "clip max": (lambda raw, x: xp.clip(raw, max=x), [1.0, 0.0, 0.0]),
    "diff prepend": (lambda raw, x: xp.diff(raw, prepend=x)[2:], [0.0, 0.0, -1.0]),
    "diff append": (lambda raw, x: xp.diff(raw, append=x)[:3], [1.0, 0.0, 0.0]),
    "stack": (lambda raw, x: xp.stack([raw, x], axis=1), [1.0, 1.0, 1.0]),
    "where": (lambda raw, x: xp.where(raw > 1.5, raw, x), [0.0, 1.0, 0.0]),
}


@pytest.mark.parametrize("name", KEYWORDS)
def test_only_a_later_argument_is_tracked(backend, name):
    f, expected = KEYWORDS[name]
    raw = from_numpy(np.asarray([3.0, 1.0, 2.0]))
    x = np.asarray([2.0, 2.5, 3.5])
    exactly(gradient(lambda x: f(raw, x), x), expected)
    exactly(tangent(lambda x: xp.sum(f(raw, x)), x), np.sum(expected))


# ------------------------------------------------------------------ products of arrays

MATMULS = [
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((3,), (3, 4)),
    ((2, 3), (3, 4)),
    ((5, 2, 3), (3,)),
    ((3,), (5, 3, 4)),
    ((5, 2, 3), (3, 4)),
    ((2, 3), (5, 3, 4)),
    ((5, 2, 3), (5, 3, 4)),
    ((5, 2, 3), (1, 3, 4)),
    ((1, 2, 3), (5, 3, 4)),
    ((6, 1, 2, 3), (5, 3, 4)),
    ((6, 5, 2, 3), (6, 1, 3, 4)),
    ((1, 1), (1, 1)),
    ((1,), (1,)),
    ((2, 0), (0, 3)),
    ((0, 3), (3, 2)),
    ((3, 0), (0,)),
    ((0, 2, 3), (3, 4)),
]


def as_einsum(shape1, shape2):
    """Return the subscripts of a matrix product for einsum."""
    left = "...ik" if len(shape1) > 1 else "k"
    right = "...kj" if len(shape2) > 1 else "k"
    return left, right, "..." + "i" * (len(shape1) > 1) + "j" * (len(shape2) > 1)


def summed_to(x, shape):
    """Sum over the axes along which a shape was broadcast."""
    x = x.sum(axis=tuple(range(x.ndim - len(shape))))
    axes = tuple(k for k, n in enumerate(shape) if n == 1)
    return x.sum(axis=axes, keepdims=True)


@pytest.mark.parametrize(("shape1", "shape2"), MATMULS, ids=str)
def test_matmul_against_einsum(backend, shape1, shape2):
    a, b = points([shape1, shape2])
    y, pullback = ag.vjp(operator.matmul, from_numpy(a), from_numpy(b))
    left, right, out = as_einsum(shape1, shape2)
    expected = np.einsum(f"{left},{right}->{out}", a, b)
    np.testing.assert_allclose(to_numpy(y), expected, atol=1e-14)
    seed = np.asarray(points([expected.shape], seed=1)[0])
    by_a, by_b = pullback(from_numpy(seed))
    # The free axes of a vector's partner are summed; those of stacks afterwards.
    lead = np.broadcast_shapes(shape1[:-2], shape2[:-2])
    full_a = np.broadcast_to(a, (*lead, *shape1[-2:])) if len(shape1) > 1 else a
    full_b = np.broadcast_to(b, (*lead, *shape2[-2:])) if len(shape2) > 1 else b
    left_out = left if len(shape1) > 1 else "...k"
    right_out = right if len(shape2) > 1 else "...k"
    bar_a = np.einsum(f"{out},{right}->{left_out}", seed, full_b)
    bar_b = np.einsum(f"{out},{left}->{right_out}", seed, full_a)
    np.testing.assert_allclose(to_numpy(by_a), summed_to(bar_a, shape1), atol=1e-13)
    np.testing.assert_allclose(to_numpy(by_b), summed_to(bar_b, shape2), atol=1e-13)


@pytest.mark.parametrize(
    ("shape1", "shape2", "axes"),
    [
        ((2, 3), (2, 3), 2),
        ((2, 3), (2, 3), ((0, 1), (0, 1))),
        ((2, 3), (3, 4), 1),
        ((2,), (3,), 0),
        ((2, 3, 4), (4, 5, 2), ((-1, 0), (0, -1))),
        ((2, 3, 4), (3, 2), ((1, 0), (0, 1))),
        ((2, 0), (0, 3), 1),
        ((3,), (3,), 1),
        ((2, 3, 2), (2, 2), ((0,), (1,))),
    ],
    ids=str,
)
def test_tensordot(backend, shape1, shape2, axes):
    f = lambda a, b: xp.tensordot(a, b, axes=axes)  # noqa: E731
    a, b = points([shape1, shape2])
    expected = np.tensordot(a, b, axes=axes)
    got = to_numpy(f(from_numpy(a), from_numpy(b)))
    np.testing.assert_allclose(got, expected, atol=1e-14, strict=True)
    check(f, a, b)


def test_same_array_twice(backend):
    """Both arguments are the same tracked array."""
    x = np.asarray([[1.0, 2.0], [3.0, 5.0]])
    exactly(gradient(lambda x: x * x, x), 2 * x)
    exactly(gradient(lambda x: x - x, x), 0 * x)
    exactly(gradient(lambda x: x / x, x), 0 * x)
    exactly(gradient(lambda x: x @ x, x), [[7.0, 12.0], [10.0, 15.0]])
    exactly(gradient(lambda x: xp.concat([x, x, x]), x), 3.0 + 0 * x)
    exactly(gradient(lambda x: xp.where(x > 2.0, x, x), x), 1.0 + 0 * x)
    exactly(gradient(lambda x: xp.vecdot(x, x), x), 2 * x)
