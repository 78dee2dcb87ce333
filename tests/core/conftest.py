"""What every test of the core starts from: NumPy as the default, and the libraries."""

import os
from collections.abc import Iterator

os.environ.setdefault("JAX_ENABLE_X64", "1")

import pytest
from core_support import MODULES

import autograd_core as ag


@pytest.fixture(autouse=True)
def numpy_is_the_default() -> Iterator[None]:
    ag.set_backend("numpy")
    yield
    ag.set_backend("numpy")


@pytest.fixture(params=MODULES)
def library(request: pytest.FixtureRequest) -> Iterator[ag.Backend]:
    """Each installed library in turn, while the default stays another one."""
    pytest.importorskip(MODULES[request.param], exc_type=ImportError)
    from autograd_core.backend import backend

    return backend(request.param)
