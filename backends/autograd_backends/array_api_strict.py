"""array-api-strict: the standard to the letter, and nothing else."""

from __future__ import annotations

from typing import Any

from autograd_core.backend import Backend, register_backend
from autograd_core.tensor import Tracked


@register_backend
class ArrayAPIStrict(Backend):
    """array-api-strict."""

    name = "array-api-strict"
    packages = ("array_api_strict",)
    distribution = "array-api-strict"
    requirement = "array-api-strict"
    capabilities = ("cpu", "float64", "complex", "in-place", "views")

    def load(self) -> Any:
        import array_api_strict

        _defer_to_tracked(type(array_api_strict.asarray(0.0)))
        return array_api_strict


def _defer_to_tracked(array_type: Any) -> None:
    """Let ``array * tracked`` reach the tracked operand's ``__rmul__``.

    array-api-strict checks the type of a right operand and raises before it comes to
    its own ``return NotImplemented``; every other library defers.
    """
    check = array_type._check_type_device

    def check_unless_tracked(self: Any, other: Any) -> None:
        if not isinstance(other, Tracked):
            check(self, other)

    array_type._check_type_device = check_unless_tracked
