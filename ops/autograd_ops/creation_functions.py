"""Creation functions (the standard's chapter of that name).

They return raw arrays of the default backend, or of the array they are given: data,
which is not recorded. `asarray` keeps what is tracked; so do `tril` and `triu`.
"""

from __future__ import annotations

import math
from typing import Any

from autograd_core.backend import backend_of, get_backend
from autograd_core.batching import refused, stacked
from autograd_core.declare import composite, constant, linear
from autograd_core.errors import describe, error
from autograd_core.graph import Array
from autograd_core.operation import function, sample
from autograd_core.tensor import Tracked, holds_tracked, lowest, stopped
from autograd_ops import shape_rules as shaped
from autograd_ops.data_type_functions import astype, to_device
from autograd_ops.manipulation_functions import (
    broadcast_arrays,
    broadcast_to,
    reshape,
    stack,
)


@function
def asarray(
    obj: Any, /, *, dtype: Any = None, device: Any = None, copy: bool | None = None
) -> Array:
    """Convert to an array of the default backend.

    A tracked array stays tracked and keeps its library; lists of tracked scalars are
    stacked.
    """
    if isinstance(obj, (list, tuple)) and holds_tracked(obj):
        rows = [
            asarray(part) if isinstance(part, (list, tuple)) else part for part in obj
        ]
        library = next(x for x in rows if isinstance(x, Tracked))
        obj = stack([as_like(x, library) for x in rows])
    if isinstance(obj, Tracked):
        x = obj if dtype is None else astype(obj, dtype)
        x = x if device is None else to_device(x, device)
        return x[...] if copy and x is obj else x  # a write to one is none to the other
    xp = get_backend()
    dtype = None if dtype is None else xp.dtype(dtype)
    return xp.asarray(obj, dtype=dtype, device=device, copy=copy)


def as_like(x: Array, library: Array) -> Array:
    return x if isinstance(x, Tracked) else zeros_like(library) + x


def like_tracked(operation: str, *values: Any) -> tuple[Any, dict[str, Any]]:
    """Return the backend of the first tracked value, and its dtype and device."""
    for value in values:
        if getattr(value, "shape", ()) != ():
            raise error(
                ValueError,
                operation,
                "takes numbers and 0-d arrays",
                describe(value),
                "Broadcast it yourself: start + step * arange(n).",
            )
    raw = next(lowest(x) for x in values if isinstance(x, Tracked))
    xp = backend_of(raw)
    return xp, {"dtype": raw.dtype, "device": xp.device_of(raw)}


OF_NUMBERS = (sample(),)
"""The standard gives these functions numbers: there is no call with arrays to check."""


@composite("start", samples=OF_NUMBERS, shape=shaped.counted)
def arange(
    start: Any,
    /,
    stop: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    """Evenly spaced values in a half-open interval, ``start + k step``."""
    xp, like = like_tracked("arange", start, stop, step)
    start, stop = (0, start) if stop is None else (start, stop)
    n = math.ceil((stopped(stop) - stopped(start)) / stopped(step))
    x = start + step * xp.arange(max(n, 0), **like)
    return asarray(x, dtype=dtype, device=device)


@constant(batching=refused, shape=shaped.created)
def empty(shape: Any, *, dtype: Any = None, device: Any = None) -> Array:
    """Uninitialised array."""


@constant
def empty_like(x: Array, /, *, dtype: Any = None, device: Any = None) -> Array:
    """Uninitialised array like another."""


@constant(batching=refused, shape=shaped.identity)
def eye(
    n_rows: int,
    n_cols: Any = None,
    /,
    *,
    k: int = 0,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    """Ones on a diagonal."""


@function
def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Array:
    """Array from an object that exports DLPack; a tracked array stays tracked."""
    if isinstance(x, Tracked):
        return asarray(x, device=device, copy=copy)
    return get_backend().from_dlpack(x, device=device, copy=copy)


@composite("fill_value", samples=OF_NUMBERS, shape=shaped.filled)
def full(
    shape: Any, fill_value: Any, *, dtype: Any = None, device: Any = None
) -> Array:
    """Array of one value."""
    x = broadcast_to(fill_value, (shape,) if isinstance(shape, int) else shape)
    return asarray(x, dtype=dtype, device=device)


@composite("fill_value", samples=OF_NUMBERS, shape=shaped.filled_like)
def full_like(
    x: Array, /, fill_value: Any, *, dtype: Any = None, device: Any = None
) -> Array:
    """Array of one value, like another."""
    ones = ones_like(x, dtype=dtype, device=device)
    return astype(ones * fill_value, ones.dtype)


@composite("start", "stop", samples=OF_NUMBERS, shape=shaped.spaced)
def linspace(
    start: Any,
    stop: Any,
    /,
    num: int,
    *,
    dtype: Any = None,
    device: Any = None,
    endpoint: bool = True,
) -> Array:
    """Evenly spaced values in an interval, ``(1 - k/n) start + k/n stop``."""
    xp, like = like_tracked("linspace", start, stop)
    n = num - 1 if endpoint else num
    weights = xp.arange(num, **like) / max(n, 1)
    x = start * (1 - weights) + stop * weights
    return asarray(x, dtype=dtype, device=device)


@composite(
    "arrays",
    variadic=True,
    samples=(
        sample((3,), (2,), (4,)),
        sample((3,), (2,), indexing="ij"),
        sample((3,)),
    ),
)
def meshgrid(*arrays: Array, indexing: str = "xy") -> tuple[Array, ...]:
    """Coordinate matrices from coordinate vectors."""
    n = len(arrays)
    swap = indexing == "xy" and n > 1
    places = [1, 0, *range(2, n)] if swap else list(range(n))
    shaped = [
        reshape(x, (1,) * place + (-1,) + (1,) * (n - place - 1))
        for place, x in zip(places, arrays, strict=True)
    ]
    return tuple(broadcast_arrays(*shaped))


@constant(batching=refused, shape=shaped.created)
def ones(shape: Any, *, dtype: Any = None, device: Any = None) -> Array:
    """Array of ones."""


@constant
def ones_like(x: Array, /, *, dtype: Any = None, device: Any = None) -> Array:
    """Array of ones like another."""


@constant(batching=refused, shape=shaped.created)
def zeros(shape: Any, *, dtype: Any = None, device: Any = None) -> Array:
    """Array of zeros."""


@constant
def zeros_like(x: Array, /, *, dtype: Any = None, device: Any = None) -> Array:
    """Array of zeros like another."""


def tril_transpose(xp: Any, t: Array, k: int) -> Array:
    return xp.tril(t, k=k)


@linear(
    x=tril_transpose,
    batching=stacked,
    samples=(sample((3, 4)), sample((2, 3, 3), k=-1)),
    shape=shaped.same,
)
def tril(x: Array, /, *, k: int = 0) -> Array:
    """Lower triangles; zeros elsewhere."""


def triu_transpose(xp: Any, t: Array, k: int) -> Array:
    return xp.triu(t, k=k)


@linear(
    x=triu_transpose,
    batching=stacked,
    samples=(sample((3, 4)), sample((2, 3, 3), k=1)),
    shape=shaped.same,
)
def triu(x: Array, /, *, k: int = 0) -> Array:
    """Upper triangles; zeros elsewhere."""
