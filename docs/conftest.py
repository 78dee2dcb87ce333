"""Libraries that code on these pages needs, and that not everybody has.

A block that begins with ```` ```python fixture:torch ```` is skipped without PyTorch.
"""

import warnings
from typing import Any

import pytest


@pytest.fixture
def torch() -> Any:
    """Return PyTorch, or skip."""
    module = pytest.importorskip("torch")
    one = module.ones(())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports what it has deprecated itself
        module.func.jvp(module.sin, (one,), (one,))
    return module


@pytest.fixture
def jax() -> Any:
    """Return JAX, or skip."""
    return pytest.importorskip("jax")


@pytest.fixture
def autograd() -> Any:
    """Return HIPS autograd, or skip."""
    return pytest.importorskip("autograd")
