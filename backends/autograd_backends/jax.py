"""JAX: immutable arrays, so nothing can be written to and nothing need be copied."""

from __future__ import annotations

from functools import partial
from typing import Any

from autograd_core.backend import Backend, implementations, register_backend


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

        self.jax = jax
        return jax.numpy

    # Special functions.

    def extension(self, name: str) -> Any:
        if name != "special":
            return super().extension(name)
        import jax.scipy.special

        return jax.scipy.special

    def special_softmax(self, x: Any, /, axis: Any = None) -> Any:
        return self.extension("special").softmax(x, axis=axis)

    def special_log_softmax(self, x: Any, /, axis: Any = None) -> Any:
        return self.extension("special").log_softmax(x, axis=axis)

    def special_psi(self, x: Any, /) -> Any:
        return self.special.digamma(x)

    def special_zeta(self, x: Any, q: Any = None, /) -> Any:
        zeta = self.extension("special").zeta
        return zeta(x, self.ones_like(x) if q is None else q)

    def on_host(self, function: Any, *arguments: Any) -> Any:
        """Call a function of NumPy's arrays, inside ``jax.jit`` too."""
        arrays = [self.asarray(x) for x in arguments]
        inexact = [
            x
            for x, given in zip(arrays, arguments, strict=True)
            if hasattr(given, "dtype") and self.is_floating(x.dtype)
        ]
        shape = self.namespace.broadcast_shapes(*(x.shape for x in arrays))
        dtype = self.namespace.result_type(*inexact) if inexact else float
        kind: Any = self.jax.ShapeDtypeStruct
        call = partial(as_dtype, function, dtype)
        return self.jax.pure_callback(
            call, kind(shape, dtype), *arrays, vmap_method="expand_dims"
        )

    def device_of(self, x: Any) -> Any:
        return getattr(x, "device", None)  # the values inside jax.jit have none

    def pad_index(self, x: Any, /, *, key: Any, shape: tuple[int, ...]) -> Any:
        return self.zeros(shape, dtype=x.dtype).at[key].set(x)

    def index_set(self, x: Any, value: Any, /, *, key: Any) -> Any:
        return x.at[key].set(self.asarray(value, dtype=x.dtype))

    def index_add(self, x: Any, positions: Any, /, *, size: int) -> Any:
        return self.zeros((size,), dtype=x.dtype).at[positions].add(x)

    def trapezoid(self, *arguments: Any, **keywords: Any) -> Any:
        """Add in the order of NumPy, as the derivative does."""
        return implementations["trapezoid"](self, *arguments, **keywords)

    def optimization_barrier(self, x: Any, /) -> Any:
        lax: Any = self.jax.lax
        return lax.optimization_barrier(x)

    def snapshot(self, x: Any) -> tuple[Any, None]:
        return x, None

    def copy_of_small(self, x: Any) -> Any:
        return x

    def unshared(self, x: Any) -> Any:
        return x

    def compile(self, program: Any, **options: Any) -> Any:
        """Hand a program to ``jax.jit``; what it holds are arguments there."""
        bare, results = program.pure()
        held = [program.constants[variable] for variable in program.held]

        def calls(*arrays: Any) -> list[Any]:
            return bare.evaluate(arrays)  # type: ignore[no-any-return]

        jitted = self.jax.jit(calls)

        def run(leaves: Any) -> list[Any]:
            given = [x if self.owns(x) else self.asarray(x) for x in held]
            return results(jitted(*leaves, *given))  # type: ignore[no-any-return]

        return run


def as_dtype(function: Any, dtype: Any, *arrays: Any) -> Any:
    """Call a function of NumPy's arrays, for a result of a dtype."""
    return function(*arrays).astype(dtype)
