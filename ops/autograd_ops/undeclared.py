"""What the namespace has beyond its declared operations.

Names that no operation declares are the default backend's: dtypes, constants, and
functions without a derivative rule, which work on raw arrays and raise on tracked ones.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

from autograd_core.backend import backend_of, get_backend, is_array
from autograd_core.errors import describe, error
from autograd_core.operation import registry
from autograd_core.tensor import holds_tracked

DTYPES = (
    "bool",
    *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)),
    *("float32", "float64", "complex64", "complex128"),
)


def members(extension: str) -> list[str]:
    """Return the names of the operations of an extension."""
    each = registry.values()
    return sorted(one.identifier for one in each if one.extension == extension)


def undeclared(name: str, extension: str = "") -> Any:
    """Return an operation declared elsewhere, or a name of the default backend.

    Functions of the backend are guarded against tracked arrays.
    """
    declared = registry.get(f"{extension}.{name}" if extension else name)
    if declared is not None:
        return declared.function
    if name.startswith("__"):
        raise AttributeError(name)
    value = _look_up(get_backend(), name, extension)
    if isinstance(value, type) or not callable(value):
        return value
    full_name = f"{extension}.{name}" if extension else name

    @wraps(value)
    def call(*arguments: Any, **keywords: Any) -> Any:
        everything = [*arguments, *keywords.values()]
        if holds_tracked(everything):
            raise error(
                NotImplementedError,
                full_name,
                "has no derivative rule",
                ", ".join(map(describe, everything)),
                "Declare one (docs/add_an_operation.md), or say stop_gradient(x) if no "
                "derivative is wanted.",
            )
        arrays = [x for x in everything if is_array(x)]
        xp = backend_of(arrays[0]) if arrays else get_backend()
        return _look_up(xp, name, extension)(*arguments, **keywords)

    return call


def _look_up(xp: Any, name: str, extension: str) -> Any:
    return getattr(getattr(xp, extension) if extension else xp, name)
