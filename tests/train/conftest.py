"""What the tests of the training library share."""

import contextlib
import importlib
import sys

import pytest

import autograd_core as ag

BACKENDS = {
    "numpy": "numpy",
    "array-api-strict": "array_api_strict",
    "torch": "torch",
    "jax": "jax",
}


@pytest.fixture(autouse=True)
def numpy_backend():
    """Compute with NumPy, whatever the environment says, unless a test says."""
    with ag.use_backend("numpy"):
        yield


@pytest.fixture(params=BACKENDS)
def backend(request):
    """Each backend that is installed, active for the length of a test."""
    pytest.importorskip(BACKENDS[request.param])
    with ag.use_backend(request.param), double_precision():
        yield request.param


def double_precision():
    """Return a context in which JAX, where it is loaded, computes in float64."""
    if "jax" not in sys.modules:
        return contextlib.nullcontext()
    jax = sys.modules["jax"]
    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(True)
    return importlib.import_module("jax.experimental").enable_x64()
