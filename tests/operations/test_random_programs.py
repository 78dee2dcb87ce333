"""Random programs of many operations: `check_grads`, PyTorch, JAX, and ourselves.

pytest tests/operations/test_random_programs.py --hypothesis-profile thorough
"""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from support.arrays import check, from_numpy
from support.programs import programs

import autograd_core as ag
from autograd_core.testing import InconclusiveError
from autograd_core.testing.arrays import row, to_numpy

FEWER = settings(max_examples=max(5, settings.default.max_examples // 4))


def scalar_of(program, xp):
    """Return a program's result as one number, each element with its own weight."""

    def scalar(*inputs):
        total = 0.0
        for y in program.function(xp, *inputs):
            weights = np.cos(np.arange(math.prod(y.shape))).reshape(tuple(y.shape))
            total = total + xp.sum(y * xp.asarray(weights))
        return total

    return scalar


def value_and_gradient(program, backend):
    """Return a program's value and gradient in one of our backends, as ndarrays."""
    every = tuple(range(len(program.inputs)))
    with ag.use_backend(backend):
        inputs = [from_numpy(x, "float64") for x in program.inputs]
        scalar = scalar_of(program, ag.ops)
        value, grads = ag.value_and_grad(scalar, argnums=every)(*inputs)
        return to_numpy(value), row(grads)


def assert_same(got, expected):
    (value, grads), (value_expected, grads_expected) = got, expected
    np.testing.assert_allclose(value, value_expected, rtol=1e-10, atol=1e-10)
    size = max(1.0, np.max(np.abs(grads_expected), initial=0.0))
    np.testing.assert_allclose(grads / size, grads_expected / size, rtol=0, atol=1e-9)


@given(programs(max_steps=12))
def test_every_property(program):
    """Too rough for differences, or not: all properties that need none must hold."""
    f = lambda *xs: program.function(ag.ops, *xs)  # noqa: E731
    with ag.use_backend("numpy"):
        try:
            check(f, *program.inputs)
        except InconclusiveError:
            event("too rough for differences")


@given(programs())
@FEWER
def test_every_property_of_long_programs(program):
    f = lambda *xs: program.function(ag.ops, *xs)  # noqa: E731
    with ag.use_backend("numpy"):
        try:
            check(f, *program.inputs, order=1)
        except InconclusiveError:
            event("too rough for differences")


@given(programs())
def test_against_pytorch(program):
    torch = pytest.importorskip("torch")
    import array_api_compat.torch as namespace

    inputs = [torch.tensor(x, requires_grad=True) for x in program.inputs]
    value = scalar_of(program, namespace)(*inputs)
    grads = torch.autograd.grad(value, inputs)
    expected = value.detach().numpy(), row(grads)
    assert_same(value_and_gradient(program, "numpy"), expected)
    assert_same(value_and_gradient(program, "torch"), expected)


@given(programs())
@FEWER
def test_against_jax(program):
    """Operation by operation: compiled whole, JAX is wrong on a few programs.

    Of jax 0.10.2 on a processor: its jitted gradient of ``sin(sin(hypot(sin(x), 1 + x *
    x))) / (1.5 + x * x)`` after ``x % (9 + tanh(x))`` at 0.9369064477301654 is -0.286;
    its own gradient without jit, differences and we say -0.493.
    """
    jax = pytest.importorskip("jax")
    every = tuple(range(len(program.inputs)))
    scalar = scalar_of(program, jax.numpy)
    value, grads = jax.value_and_grad(scalar, argnums=every)(*program.inputs)
    assert_same(value_and_gradient(program, "numpy"), (np.asarray(value), row(grads)))


@given(programs())
@settings(FEWER, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_backends_and_eager_tensors_agree(backend, program):
    expected = value_and_gradient(program, "numpy")
    assert_same(value_and_gradient(program, backend.name), expected)
    inputs = [ag.Tensor(from_numpy(x, "float64")) for x in program.inputs]
    value = scalar_of(program, ag.ops)(*inputs)
    value.backward()
    assert_same((to_numpy(value.value), row([x.grad for x in inputs])), expected)
