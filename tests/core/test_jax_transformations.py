"""JAX's transformations around ours: a tracer of JAX is an array of the library."""

import numpy as np
import pytest

import autograd_core as ag

xp = ag.ops


@pytest.fixture
def jax():
    return pytest.importorskip("jax")


def loss(x):
    return xp.sum(xp.sin(x[::2]) ** 2) * xp.max(x)


def test_jit_compiles_our_gradient(jax):
    x = jax.numpy.arange(5.0)
    expected = jax.grad(lambda x: jax.numpy.sum(jax.numpy.sin(x[::2]) ** 2) * x.max())(
        x
    )
    np.testing.assert_allclose(jax.jit(ag.grad(loss))(x), expected, rtol=1e-6)


def test_vmap_batches_our_gradient(jax):
    rows = jax.numpy.arange(10.0).reshape(2, 5)
    expected = np.stack([ag.grad(loss)(row) for row in rows])
    np.testing.assert_allclose(jax.vmap(ag.grad(loss))(rows), expected, rtol=1e-6)


def test_jax_differentiates_our_gradient(jax):
    x = jax.numpy.arange(1.0, 4.0)
    ours = ag.grad(lambda x: xp.sum(x**3))
    jacobian = jax.jacfwd(ours)(x)
    np.testing.assert_allclose(jacobian, np.diag(6 * np.asarray(x)), rtol=1e-6)
