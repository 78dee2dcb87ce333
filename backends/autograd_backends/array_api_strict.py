"""array-api-strict: the standard to the letter, and nothing else."""

from __future__ import annotations

from typing import Any

from autograd_core.backend import Backend, register_backend


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

        return array_api_strict

    def isin(self, x1: Any, x2: Any, /, *, invert: bool = False) -> Any:
        """Return it inverted where that is asked for, which 2.6.1 does not see."""
        found = self.namespace.isin(x1, x2)
        return self.namespace.logical_not(found) if invert else found
