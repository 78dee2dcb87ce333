"""What all tests share: ``--backend``, the fixture of that name, hypothesis profiles.

pytest --backend torch                  the same suite, computed by PyTorch
pytest --backend numpy,jax
pytest --backend all
pytest --hypothesis-profile thorough    many random examples, another draw each time
"""

import os
from collections.abc import Iterator
from types import ModuleType

os.environ.setdefault("JAX_ENABLE_X64", "1")  # read when JAX is imported

import hypothesis
import pytest

import autograd_core as ag
from autograd_core.backend import Backend

DEFAULT_BACKENDS = "numpy,array-api-strict"

hypothesis.settings.register_profile(
    "ci", derandomize=True, deadline=None, max_examples=25, database=None
)
hypothesis.settings.register_profile(
    "thorough", deadline=None, max_examples=3000, database=None
)
hypothesis.settings.load_profile("ci")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--backend",
        default=DEFAULT_BACKENDS,
        metavar="NAMES",
        help="array libraries to compute with: names separated by commas, or 'all' "
        f"(default: {DEFAULT_BACKENDS})",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Give the `backend` fixture its parameters: known only once options are read."""
    known = [row.name for row in ag.backends()]
    chosen = config.getoption("--backend")
    names = known if chosen == "all" else chosen.split(",")
    for name in names:
        if name not in known:
            raise pytest.UsageError(f"--backend: {name!r} is none of {known}")

    class ChosenBackends:
        @pytest.fixture(params=names)
        def backend(self, request: pytest.FixtureRequest) -> Iterator[Backend]:
            """Compute with each chosen library in turn."""
            with ag.use_backend(usable(request.param)) as backend:
                yield backend

    config.pluginmanager.register(ChosenBackends(), "chosen_backends")


def usable(name: str) -> str:
    """Return a backend's name, or skip the test where the library cannot compute."""
    try:
        with ag.use_backend(name):
            ag.ops.zeros((1,))
    except ImportError as missing:
        pytest.skip(f"{name} is not installed: {missing}")
    except Exception as fault:
        if type(fault).__module__.partition(".")[0] not in ("cupy", "cupy_backends"):
            raise
        pytest.skip(f"{name} has no device: {fault}")
    return name


@pytest.fixture
def xp(backend: Backend) -> ModuleType:
    """The differentiable namespace, with the chosen library below it."""
    return ag.ops
