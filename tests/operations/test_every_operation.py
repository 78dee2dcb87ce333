"""Every operation of the registry is certified, from its own declaration.

No test here names an operation: what is declared is checked, and what the standard has
must be declared.
"""

import inspect
from operator import attrgetter

import hypothesis
import numpy as np
import pytest
from support.standard import CONSTANTS, DIFFERENTIABLE, DTYPES, SIGNATURES

import autograd_core as ag
from autograd_core.backend import Backend
from autograd_core.operation import registry
from autograd_core.testing import calls, certify_operation, check_grads
from autograd_core.testing.arrays import to_numpy
from autograd_core.testing.samples import Call, is_taken, outputs
from autograd_ops import beyond_the_standard

xp = ag.ops

WITH_RULES = [operation for operation in registry.values() if any(operation.jvp)]
COMPOSITES = [
    operation
    for operation in registry.values()
    if not operation.jvp and any(sample.shapes for sample in operation.samples)
]
CALLED = WITH_RULES + COMPOSITES
CALLS = [call for operation in CALLED for call in calls(operation)]


def name_of(call: Call) -> str:
    shapes = "-".join("x".join(map(str, shape)) or "0d" for shape in call.sample.shapes)
    statics = ",".join(f"{k}={v}" for k, v in call.sample.statics.items())
    return f"{call.operation.name}-{shapes}" + (f"-{statics}" if statics else "")


# ------------------------------------------------------------------ derivatives


DECLARED = ("declared samples, to second order", "declared kinks")
SPECIAL = (
    *DECLARED,
    *("mixed dtypes", "Python numbers for arrays", "other points"),
)
"""Of special functions, which are many and dear, by default; all if thorough."""


def scenarios(backend, operation):
    """Return the scenarios to run, none for all of them.

    Elsewhere than on NumPy the rules are the same, and calls are dear.
    """
    if backend.name != "numpy":
        return DECLARED
    profiles = hypothesis.settings
    thorough = profiles.default is profiles.get_profile("thorough")
    return SPECIAL if operation.extension == "special" and not thorough else ()


@pytest.mark.parametrize("operation", CALLED, ids=str)
def test_derivatives(backend, operation):
    """Everything on NumPy; special functions so in the profile "thorough"."""
    if backend.name == "jax":  # compiles every operation for every shape
        call = next(call for call in calls(operation) if is_taken(call))
        check_grads(call, *call.arrays(), order=1, name=repr(call))
        return
    certify_operation(operation, only=scenarios(backend, operation))


def library_function(backend, name):
    """Return the library's function, or ours where it has none.

    Of what the standard does not have a library's function of that name is another
    one: the backend's own is what a program gets.
    """
    find = attrgetter(name)
    beyond = name.startswith("special.") or name in beyond_the_standard.__all__
    ours = beyond or hasattr(Backend, name)
    try:
        return find(backend if ours else backend.namespace)
    except AttributeError:
        return find(backend)


@pytest.mark.parametrize("call", CALLS, ids=name_of)
def test_value_is_the_librarys_own(backend, call):
    own = library_function(backend, call.operation.name)
    arrays = [xp.asarray(value) for value in call.values]
    try:
        expected = outputs(call.bound(own))(*arrays)
    except ValueError as refusal:
        pytest.skip(f"the library takes no such call: {refusal}")
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
    given = inspect.signature(attrgetter(name)(xp)).parameters
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
    declared = {operation.name for operation in CALLED}
    constant_for_real_numbers = {"imag"}
    assert not DIFFERENTIABLE - declared - constant_for_real_numbers


def test_both_modes_have_a_rule():
    """Or neither mode, in a parameter in which no formula is known."""
    for operation in WITH_RULES:
        modes = zip(operation.jvp, operation.vjp, strict=True)
        assert all(bool(jvp) == bool(vjp) for jvp, vjp in modes), operation
        assert operation.extension == "special" or all(operation.jvp), operation


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
