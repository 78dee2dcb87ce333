"""The namespace that tracked arrays give to code that is written for the standard.

Such code (SciPy, scikit-learn) takes all its arrays to be of one namespace: it asks an
argument for it, makes constants there, compares, and refuses a mixture. `autograd_ops`
itself returns raw arrays for what has no derivative; here these are `Constant`.
"""

from __future__ import annotations

import sys
from functools import cache, wraps
from types import ModuleType
from typing import Any

from autograd_core.backend import Backend, use_backend
from autograd_core.tensor import as_constants, without_constants


class Uniform(ModuleType):
    """The namespace, or an extension of it, over one library."""

    def __init__(self, library: Backend, extension: str = "") -> None:
        place = f".{extension}" if extension else ""
        super().__init__(f"autograd_ops{place}")
        self._module = sys.modules[f"autograd_ops{place}"]
        self._library = library
        self.__doc__ = self._module.__doc__

    def __getattr__(self, name: str) -> Any:
        """Return a name of the namespace; functions return arrays of ours only."""
        with use_backend(self._library):
            value = getattr(self._module, name)
        if isinstance(value, ModuleType):
            value = Uniform(self._library, name)
        elif callable(value) and not isinstance(value, type):
            value = self._uniform(value)
        setattr(self, name, value)
        return value

    def __dir__(self) -> list[str]:
        """Return the names of the namespace."""
        return dir(self._module)

    def _uniform(self, function: Any) -> Any:
        library = self._library

        @wraps(function)
        def call(*arguments: Any, **keywords: Any) -> Any:
            bare = {name: without_constants(x) for name, x in keywords.items()}
            with use_backend(library):
                y = function(*without_constants(arguments), **bare)
            return as_constants(y)

        return call


@cache
def uniform(library: Backend) -> Uniform:
    """Return the namespace over a library: always the same object."""
    return Uniform(library)
