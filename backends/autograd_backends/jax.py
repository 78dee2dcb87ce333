"""JAX: immutable arrays, so nothing can be written to and nothing need be copied."""

from __future__ import annotations

from typing import Any

from autograd_core.backend import Backend, register_backend


@register_backend
class JAX(Backend):
    """JAX, run operation by operation.

    float64 needs JAX's own switch, ``JAX_ENABLE_X64=1``, which is the user's to set.
    """

    name = "jax"
    packages = ("jax", "jaxlib")
    distribution = "jax"
    requirement = "jax"
    capabilities = ("cpu", "cuda", "tpu", "float64 by switch", "complex", "immutable")

    def load(self) -> Any:
        import jax.numpy

        return jax.numpy

    def device_of(self, x: Any) -> Any:
        return getattr(x, "device", None)  # the values inside jax.jit have none

    def pad_index(self, x: Any, /, *, key: Any, shape: tuple[int, ...]) -> Any:
        return self.zeros(shape, dtype=x.dtype).at[key].set(x)

    def index_add(self, x: Any, positions: Any, /, *, size: int) -> Any:
        return self.zeros((size,), dtype=x.dtype).at[positions].add(x)

    def snapshot(self, x: Any) -> tuple[Any, None]:
        return x, None

    def copy_of_small(self, x: Any) -> Any:
        return x

    def unshared(self, x: Any) -> Any:
        return x
