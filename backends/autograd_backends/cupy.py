"""CuPy: NumPy's arrays on a CUDA device."""

from __future__ import annotations

from typing import Any

from autograd_core.backend import Backend, register_backend


@register_backend
class CuPy(Backend):
    """CuPy.

    Captured memory is copied on the device: a copy there is cheaper than waiting for
    the result of a comparison.
    """

    name = "cupy"
    packages = ("cupy",)
    distribution = "cupy-cuda12x"
    requirement = "cupy-cuda12x"
    capabilities = ("cuda", "float64", "complex", "in-place", "views")

    def load(self) -> Any:
        import array_api_compat.cupy as namespace
        import cupy
        import cupyx

        self.cupy, self.cupyx = cupy, cupyx
        return namespace

    def extension(self, name: str) -> Any:
        if name != "special":
            return super().extension(name)
        import cupyx.scipy.special

        return cupyx.scipy.special

    def to_host(self, x: Any, /) -> Any:
        return x.get()

    def index_add(self, x: Any, positions: Any, /, *, size: int) -> Any:
        result = self.cupy.zeros(size, x.dtype)
        self.cupyx.scatter_add(result, positions, x)
        return result

    def synchronize(self) -> None:
        self.cupy.cuda.get_current_stream().synchronize()
