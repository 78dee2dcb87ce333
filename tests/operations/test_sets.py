"""The set functions on tracked arrays: the derivative goes where a value came first."""

import numpy as np
import pytest
from support.arrays import from_numpy

import autograd_core as ag
from autograd_core.testing.arrays import to_numpy

xp = ag.ops

X = [[3.0, 1.0, 3.0], [2.0, 1.0, 1.0]]
FUNCTIONS = ("unique_all", "unique_counts", "unique_inverse", "unique_values")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_unique(backend, name):
    if (backend.name, name) == ("torch", "unique_all"):
        pytest.skip("PyTorch has no unique_all")
    function, x = getattr(xp, name), from_numpy(np.asarray(X))
    raw = function(x)
    fields = getattr(raw, "_fields", ())
    seen = []

    def f(x):
        found = function(x * 1.0)
        seen.append(found)
        return found.values if fields else found

    y, pullback = ag.vjp(f, x)
    np.testing.assert_array_equal(to_numpy(y), [1.0, 2.0, 3.0])
    (bar,) = pullback(from_numpy(np.asarray([10.0, 20.0, 30.0])))
    np.testing.assert_array_equal(to_numpy(bar), [[30.0, 10.0, 0.0], [20.0, 0.0, 0.0]])
    _, y_dot = ag.jvp(f, (x,), (x * 2.0,))
    np.testing.assert_array_equal(to_numpy(y_dot), [2.0, 4.0, 6.0])
    for field in fields:
        if field != "values":
            own = to_numpy(getattr(seen[0], field))
            np.testing.assert_array_equal(own, to_numpy(getattr(raw, field)))


def test_nan_is_distinct_and_zeros_are_equal(backend):
    x = from_numpy(np.asarray([np.nan, 0.0, np.nan, -0.0]))
    y, pullback = ag.vjp(xp.unique_values, x)
    np.testing.assert_array_equal(to_numpy(y), [0.0, np.nan, np.nan])
    (bar,) = pullback(from_numpy(np.asarray([1.0, 2.0, 3.0])))
    np.testing.assert_array_equal(to_numpy(bar), [2.0, 1.0, 3.0, 0.0])


@pytest.mark.parametrize("shape", [(0,), (2, 0)])
def test_nothing(backend, shape):
    y, pullback = ag.vjp(xp.unique_values, xp.zeros(shape, dtype=xp.float64))
    assert tuple(y.shape) == (0,)
    assert tuple(pullback(y)[0].shape) == shape
