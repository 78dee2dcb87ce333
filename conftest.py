"""The plugins of every test here, of those in the documentation too.

Ours is loaded by an entry point where the package is installed; a clone that is only on
the path has it from here.
"""

import array_api_compat.numpy  # noqa: F401 (pytester forgets what is imported under
import array_api_strict  # noqa: F401 it: libraries must not be loaded a second time)
import pytest

import autograd_core as ag
import autograd_core.testing.strategies
from autograd_core.operation import registry

ag.ops.zeros((1,))  # the default library, too

pytest_plugins = ["autograd_core.testing.plugin", "pytester"]


@pytest.fixture(autouse=True)
def registry_as_it_was():
    """Forget what a test or an example declares: certificates read the registry."""
    before = dict(registry)
    yield
    registry.clear()
    registry.update(before)
