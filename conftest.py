"""The plugins of every test here, of those in the documentation too.

Ours is loaded by an entry point where the package is installed; a clone that is only on
the path has it from here.
"""

pytest_plugins = ["autograd_core.testing.plugin", "pytester"]
