"""The plugins of every test here, of those in the documentation too.

Ours is loaded by an entry point where the package is installed; a clone that is only on
the path has it from here.
"""

import pytest

from autograd_core.operation import registry

pytest_plugins = ["autograd_core.testing.plugin", "pytester"]


@pytest.fixture(autouse=True)
def registry_as_it_was():
    """Forget what a test or an example declares: certificates read the registry."""
    before = dict(registry)
    yield
    registry.clear()
    registry.update(before)
