"""PyTorch: knows when memory was written to, has a scatter, lacks negative steps."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from autograd_backends.torch_special import SpecialFunctions
from autograd_core.backend import SMALL, Backend, implementations, register_backend


@register_backend
class PyTorch(SpecialFunctions, Backend):
    """PyTorch."""

    name = "torch"
    packages = ("torch",)
    distribution = "torch"
    requirement = "torch"
    capabilities = ("cpu", "cuda", "float64", "complex", "in-place", "views")

    def load(self) -> Any:
        import array_api_compat.torch as namespace
        import torch

        self.torch = torch
        return namespace

    def trapezoid(self, y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
        """Return the portable form, as PyTorch's has other parameters."""
        return implementations["trapezoid"](self, y, x, dx, axis)

    def searchsorted(self, x1: Any, x2: Any, /, **keywords: Any) -> Any:
        """Return it of contiguous tensors, as PyTorch warns of others."""
        x1, x2 = x1.contiguous(), x2.contiguous()
        return self.namespace.searchsorted(x1, x2, **keywords)

    def to_host(self, x: Any, /) -> Any:
        return x.detach().resolve_conj().cpu()

    def getitem(self, x: Any, /, *, key: Any) -> Any:
        """Return ``x[key]``; a slice with a negative step is a flip and a slice."""
        keys = key if isinstance(key, tuple) else (key,)
        if not any(isinstance(k, slice) and (k.step or 1) < 0 for k in keys):
            return x[key]
        forward, backwards = forward_slices(keys, tuple(x.shape))
        return self.torch.flip(x[forward], backwards)

    def compile(self, program: Any, **options: Any) -> Any:
        """Run a program's calls without PyTorch recording them once more."""
        return self.torch.no_grad()(super().compile(program, **options))

    def roll(self, x: Any, /, shift: Any, *, axis: Any = None) -> Any:
        """Return ``x`` itself for no axes, for which PyTorch rolls the whole array."""
        return x if axis == () else self.namespace.roll(x, shift, axis=axis)

    def pad_index(self, x: Any, /, *, key: Any, shape: tuple[int, ...]) -> Any:
        keys = key if isinstance(key, tuple) else (key,)
        forward, backwards = forward_slices(keys, shape)
        result = self.torch.zeros(shape, dtype=x.dtype, device=x.device)
        result[forward] = self.torch.flip(x, backwards)
        return result

    def index_set(self, x: Any, value: Any, /, *, key: Any) -> Any:
        keys = key if isinstance(key, tuple) else (key,)
        forward, backwards = forward_slices(keys, tuple(x.shape))
        result = x.clone()
        part = result[forward]
        value = self.torch.as_tensor(value, dtype=x.dtype, device=x.device)
        value = self.torch.broadcast_to(value, part.shape)
        part[...] = self.torch.flip(value, backwards)
        return result

    def index_add(self, x: Any, positions: Any, /, *, size: int) -> Any:
        result = self.torch.zeros(size, dtype=x.dtype, device=x.device)
        return result.index_add_(0, positions, x)

    def snapshot(self, x: Any) -> tuple[Any, Callable[[], bool] | None]:
        small = self.copy_of_small(x)
        if small is not None:
            return small, None
        x = x.detach()
        return x, partial(still, x._version, x)

    def copy_of_small(self, x: Any) -> Any:
        if x.nbytes <= SMALL or x.is_inference():
            return x.detach().clone()
        return None

    def plain(self, x: Any) -> Any:
        return x.detach() if x.requires_grad else x

    def unshared(self, x: Any) -> Any:
        return x.clone()

    def synchronize(self) -> None:
        if self.torch.cuda.is_available():
            self.torch.cuda.synchronize()


def still(version: int, x: Any) -> bool:
    """Say whether an array was not written to since it had a version."""
    return bool(x._version == version)


def forward_slices(
    keys: tuple[Any, ...], shape: tuple[int, ...]
) -> tuple[tuple[Any, ...], tuple[int, ...]]:
    """Turn negative steps round: keys with positive ones, and the axes to flip.

    Keys are those of basic indexing; the axes count in the result.
    """
    named = sum(k is not None and k is not Ellipsis for k in keys)
    result: list[Any] = []
    flipped: list[int] = []
    axis = out = 0
    for key in keys:
        if key is Ellipsis:
            axis += len(shape) - named
            out += len(shape) - named
        elif key is None:
            out += 1
        else:
            if isinstance(key, slice):
                if (key.step or 1) < 0:
                    picked = range(*key.indices(shape[axis]))
                    key = (
                        slice(picked[-1], picked[0] + 1, -key.step)
                        if picked
                        else slice(0)
                    )
                    flipped.append(out)
                out += 1
            axis += 1
        result.append(key)
    return tuple(result), tuple(flipped)
