"""Every operation of the registry is certified, from its own declaration.

No test here names an operation: what is declared is checked, and what the standard has
must be declared. Only composites, which have no samples of their own, get calls here.
"""

import inspect

import numpy as np
import pytest
from support.arrays import check
from support.standard import CONSTANTS, DIFFERENTIABLE, DTYPES, SIGNATURES

import autograd_core as ag
from autograd_core.backend import Backend
from autograd_core.operation import registry
from autograd_core.testing import calls, certify_operation
from autograd_core.testing.arrays import to_numpy
from autograd_core.testing.calls import Call, outputs, points

xp = ag.ops

DIFFERENTIATED = [operation for operation in registry.values() if any(operation.jvp)]
CALLS = [call for operation in DIFFERENTIATED for call in calls(operation)]


def name_of(call: Call) -> str:
    shapes = "-".join("x".join(map(str, shape)) or "0d" for shape in call.sample.shapes)
    statics = ",".join(f"{k}={v}" for k, v in call.sample.statics.items())
    return f"{call.operation.name}-{shapes}" + (f"-{statics}" if statics else "")


COMPOSITES = {
    "clip": [
        (lambda x: xp.clip(x, -0.5, 1.0), [(3, 4)]),
        (lambda x: xp.clip(x, min=0.1), [(5,)]),
        (lambda x: xp.clip(x, max=0.1), [()]),
        (lambda x: xp.clip(x), [(3,)]),
        (
            lambda x, low, high: xp.clip(x, low - 1.5, high + 1.5),
            [(3, 4), (4,), (3, 1)],
        ),
        (lambda x, low: xp.clip(x, min=low), [(0, 2), (2,)]),
    ],
    "stack": [
        (lambda *xs: xp.stack(xs), [(2, 3)] * 3),
        (lambda *xs: xp.stack(list(xs), axis=-1), [(2, 3)] * 2),
        (lambda x, y: xp.stack([x, y, x], axis=1), [(2,)] * 2),
        (lambda x: xp.stack([x]), [()]),
    ],
    "unstack": [
        (lambda x: xp.unstack(x), [(3, 2)]),
        (lambda x: xp.unstack(x, axis=-1)[::2], [(2, 3)]),
    ],
    "tile": [
        (lambda x: xp.tile(x, (2, 1)), [(2, 3)]),
        (lambda x: xp.tile(x, (3,)), [(2, 3)]),
        (lambda x: xp.tile(x, (2, 1, 2)), [(3,)]),
        (lambda x: xp.tile(x, (2,)), [()]),
        (lambda x: xp.tile(x, ()), [(2,)]),
        (lambda x: xp.tile(x, (0, 2)), [(1, 2)]),
    ],
    "moveaxis": [
        (lambda x: xp.moveaxis(x, 0, -1), [(2, 3, 4)]),
        (lambda x: xp.moveaxis(x, (0, 2), (1, 0)), [(2, 3, 4)]),
        (lambda x: xp.moveaxis(x, -1, 0), [(2,)]),
    ],
    "diff": [
        (lambda x: xp.diff(x), [(3, 4)]),
        (lambda x: xp.diff(x, axis=0, n=2), [(4, 3)]),
        (lambda x: xp.diff(x, n=0), [(3,)]),
        (lambda x: xp.diff(x, n=3), [(2,)]),
        (lambda x, a, b: xp.diff(x, prepend=a, append=b), [(2, 3), (2, 1), (2, 2)]),
    ],
    "meshgrid": [
        (lambda *xs: xp.meshgrid(*xs), [(3,), (2,), (4,)]),
        (lambda *xs: xp.meshgrid(*xs, indexing="ij"), [(3,), (2,)]),
        (lambda x: xp.meshgrid(x), [(3,)]),
    ],
    "broadcast_arrays": [
        (lambda *xs: xp.broadcast_arrays(*xs), [(3, 1), (4,), ()]),
        (lambda x: xp.broadcast_arrays(x), [(2,)]),
    ],
    "matrix_transpose": [
        (lambda x: xp.matrix_transpose(x), [(2, 3)]),
        (lambda x: xp.matrix_transpose(x), [(2, 3, 4)]),
        (lambda x: x.mT, [(1, 2, 0)]),
    ],
}
OF_COMPOSITES = [
    pytest.param(function, shapes, id=f"{name}-{k}")
    for name, cases in COMPOSITES.items()
    for k, (function, shapes) in enumerate(cases)
]


# ------------------------------------------------------------------ derivatives


@pytest.mark.parametrize("operation", DIFFERENTIATED, ids=str)
def test_derivatives(backend, operation):
    certify_operation(operation)


@pytest.mark.parametrize(("function", "shapes"), OF_COMPOSITES)
def test_derivatives_of_composites(backend, function, shapes):
    check(function, *points(shapes))


@pytest.mark.parametrize("call", CALLS, ids=name_of)
def test_value_is_the_librarys_own(backend, call):
    name = call.operation.name
    ours = hasattr(Backend, name) or not hasattr(backend.namespace, name)
    own = getattr(backend if ours else backend.namespace, name)
    arrays = [xp.asarray(value) for value in call.values]
    expected = outputs(call.bound(own))(*arrays)
    for x in arrays:
        assert type(x) is type(backend.namespace.asarray(0.5))
    for y, y_expected in zip(outputs(call)(*arrays), expected, strict=True):
        np.testing.assert_array_equal(to_numpy(y), to_numpy(y_expected), strict=True)


@pytest.mark.parametrize("call", CALLS, ids=name_of)
def test_the_default_backend_plays_no_part(backend, call):
    """Rules make what they need in the library of their arguments."""
    other = "numpy" if backend.name != "numpy" else "array-api-strict"
    function = outputs(call.bound())
    arrays = tuple(xp.asarray(value) for value in call.values)

    def everything():
        ys, pullback = ag.vjp(function, *arrays)
        gradient = lambda *xs: ag.vjp(function, *xs)[1](ys)  # noqa: E731
        _, y_dots = ag.jvp(function, arrays, arrays)
        _, second = ag.jvp(gradient, arrays, arrays)
        return (*ys, *pullback(ys), *y_dots, *second, *ag.vjp(gradient, *arrays)[0])

    expected = everything()
    with ag.use_backend(other):
        got = everything()
    for x, x_expected in zip(got, expected, strict=True):
        assert type(x) is type(x_expected)
        np.testing.assert_array_equal(to_numpy(x), to_numpy(x_expected), strict=True)


# ------------------------------------------------------------------ completeness


@pytest.mark.parametrize(
    ("name", "parameters"),
    [item for chapter in SIGNATURES.values() for item in chapter.items()],
)
def test_the_standards_signature(name, parameters):
    expected = inspect.signature(eval(f"lambda {parameters}: None")).parameters
    given = inspect.signature(getattr(xp, name)).parameters
    assert list(given) == list(expected)
    for p, q in zip(given.values(), expected.values(), strict=True):
        assert p.kind in (q.kind, inspect.Parameter.POSITIONAL_OR_KEYWORD), p
        assert q.default in (inspect.Parameter.empty, p.default), p


@pytest.mark.parametrize("name", CONSTANTS + DTYPES)
def test_the_standards_constants_and_dtypes(backend, name):
    own = getattr(backend.namespace, name)
    same = getattr(xp, name) == own
    assert same or np.isnan(own)


def test_everything_differentiable_is_declared_and_checked():
    declared = {operation.name for operation in DIFFERENTIATED}
    constant_for_real_numbers = {"imag"}
    missing = DIFFERENTIABLE - declared - COMPOSITES.keys() - constant_for_real_numbers
    assert not missing


def test_both_modes_have_a_rule():
    for operation in DIFFERENTIATED:
        assert all(operation.jvp), operation
        assert all(operation.vjp), operation


STEPS = (
    *("sign", "signbit", "floor", "ceil", "trunc", "round", "isfinite", "isnan"),
    *("argsort", "argmax", "argmin", "nonzero", "count_nonzero", "all", "any"),
    *("zeros_like", "ones_like"),
)


@pytest.mark.parametrize("name", STEPS)
def test_piecewise_constant_functions_give_raw_arrays(backend, name):
    function = getattr(xp, name)
    x = xp.asarray([1.25, -0.5, 2.75])
    seen = []

    def f(x):
        y = function(x)
        seen.extend(y if isinstance(y, tuple) else [y])
        return xp.sum(x * x)

    gradient = ag.grad(f)(x)
    np.testing.assert_array_equal(to_numpy(gradient), [2.5, -1.0, 5.5])
    raw = function(x)
    for y, y_raw in zip(seen, raw if isinstance(raw, tuple) else [raw], strict=True):
        assert not isinstance(y, ag.Tensor)
        np.testing.assert_array_equal(to_numpy(y), to_numpy(y_raw), strict=True)


@pytest.mark.parametrize("name", ["equal", "not_equal", "less", "less_equal"])
def test_comparisons_give_raw_arrays(backend, name):
    function = getattr(xp, name)
    a, b = xp.asarray([1.0, 2.0, 3.0]), xp.asarray([1.0, 3.0, 2.0])
    y, _ = ag.vjp(lambda a: (function(a, b), function(b, a)), a)
    for got, expected in zip(y, (function(a, b), function(b, a)), strict=True):
        assert not isinstance(got, ag.Tensor)
        np.testing.assert_array_equal(to_numpy(got), to_numpy(expected), strict=True)
