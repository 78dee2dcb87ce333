"""What all tests share: the fixture ``backend``, and hypothesis profiles.

pytest --autograd-backend=torch         the same suite, computed by PyTorch
pytest --autograd-backend=numpy,jax
pytest --autograd-backend=all
pytest --hypothesis-profile thorough    many random examples, another draw each time

The option, the markers and ``xp`` are those of `autograd_core.testing.plugin`.
"""

import os

os.environ.setdefault("JAX_ENABLE_X64", "1")  # read when JAX is imported

import hypothesis
import pytest

from autograd_core.backend import Backend

hypothesis.settings.register_profile(
    "ci", derandomize=True, deadline=None, max_examples=25, database=None
)
hypothesis.settings.register_profile(
    "thorough", deadline=None, max_examples=3000, database=None
)
hypothesis.settings.load_profile("ci")


@pytest.fixture(scope="module")
def backend(autograd_backend: Backend) -> Backend:
    """Each chosen library in turn, the default throughout the test."""
    return autograd_backend
