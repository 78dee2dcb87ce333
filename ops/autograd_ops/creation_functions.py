"""Creation functions (the standard's chapter of that name).

They return raw arrays of the default backend, or of the array they are given: data,
which is not recorded. `asarray` keeps what is tracked; so do `tril` and `triu`.
"""

from __future__ import annotations

from typing import Any

from autograd_core.backend import get_backend
from autograd_core.declare import composite, constant, linear
from autograd_core.operation import sample
from autograd_core.tensor import Array, Tracked
from autograd_ops.data_type_functions import astype
from autograd_ops.manipulation_functions import broadcast_arrays, reshape, stack


def asarray(
    obj: Any, /, *, dtype: Any = None, device: Any = None, copy: bool | None = None
) -> Array:
    """Convert to an array of the default backend.

    A tracked array stays tracked and keeps its library; lists of tracked scalars are
    stacked.
    """
    if isinstance(obj, (list, tuple)) and holds_tracked(obj):
        rows = [asarray(part) for part in obj]
        library = next(x for x in rows if isinstance(x, Tracked))
        obj = stack([as_like(x, library) for x in rows])
    if isinstance(obj, Tracked):
        return obj if dtype is None else astype(obj, dtype)
    xp = get_backend()
    dtype = None if dtype is None else xp.dtype(dtype)
    return xp.asarray(obj, dtype=dtype, device=device, copy=copy)


def holds_tracked(obj: Any) -> bool:
    if isinstance(obj, (list, tuple)):
        return any(map(holds_tracked, obj))
    return isinstance(obj, Tracked)


def as_like(x: Array, library: Array) -> Array:
    return x if isinstance(x, Tracked) else zeros_like(library) + x


@constant
def arange(
    start: float,
    /,
    stop: Any = None,
    step: float = 1,
    *,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    """Evenly spaced values in a half-open interval."""


@constant
def empty(shape: Any, *, dtype: Any = None, device: Any = None) -> Array:
    """Uninitialised array."""


@constant
def empty_like(x: Array, /, *, dtype: Any = None, device: Any = None) -> Array:
    """Uninitialised array like another."""


@constant
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


@constant
def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Array:
    """Array from an object that exports DLPack."""


@constant
def full(
    shape: Any, fill_value: Any, *, dtype: Any = None, device: Any = None
) -> Array:
    """Array of one value."""


@constant
def full_like(
    x: Array, /, fill_value: Any, *, dtype: Any = None, device: Any = None
) -> Array:
    """Array of one value, like another."""


@constant
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
    """Evenly spaced values in an interval."""


@composite
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


@constant
def ones(shape: Any, *, dtype: Any = None, device: Any = None) -> Array:
    """Array of ones."""


@constant
def ones_like(x: Array, /, *, dtype: Any = None, device: Any = None) -> Array:
    """Array of ones like another."""


@constant
def zeros(shape: Any, *, dtype: Any = None, device: Any = None) -> Array:
    """Array of zeros."""


@constant
def zeros_like(x: Array, /, *, dtype: Any = None, device: Any = None) -> Array:
    """Array of zeros like another."""


def tril_transpose(xp: Any, t: Array, k: int) -> Array:
    return xp.tril(t, k=k)


@linear(x=tril_transpose, samples=(sample((3, 4)), sample((2, 3, 3), k=-1)))
def tril(x: Array, /, *, k: int = 0) -> Array:
    """Lower triangles; zeros elsewhere."""


def triu_transpose(xp: Any, t: Array, k: int) -> Array:
    return xp.triu(t, k=k)


@linear(x=triu_transpose, samples=(sample((3, 4)), sample((2, 3, 3), k=1)))
def triu(x: Array, /, *, k: int = 0) -> Array:
    """Upper triangles; zeros elsewhere."""
