"""Utility functions (the standard's chapter of that name)."""

from __future__ import annotations

from typing import Any

from autograd_core.declare import composite, constant, sample
from autograd_core.graph import Array
from autograd_ops import shape_rules as shaped
from autograd_ops.axes import along, normalized
from autograd_ops.indexing_functions import basic_index
from autograd_ops.manipulation_functions import concat


@constant(shape=shaped.reduced)
def all(x: Array, /, *, axis: Any = None, keepdims: bool = False) -> Array:
    """Whether all elements hold."""


@constant(shape=shaped.reduced)
def any(x: Array, /, *, axis: Any = None, keepdims: bool = False) -> Array:
    """Whether any element holds."""


@composite(
    *("x", "prepend", "append"),
    samples=(
        sample((3, 4)),
        sample((4, 3), axis=0, n=2),
        sample((3,), n=0),
        sample((2,), n=3),
        sample((2, 3), (2, 1), (2, 2)),
    ),
)
def diff(
    x: Array, /, *, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None
) -> Array:
    """Difference of neighbours along an axis, ``n`` times."""
    if n == 0:
        return x
    (k,) = normalized(axis, x.ndim)
    parts = [part for part in (prepend, x, append) if part is not None]
    x = concat(parts, axis=k) if len(parts) > 1 else x
    for _ in range(min(n, x.shape[k])):
        after = basic_index(x, key=along(k, slice(1, None)))
        x = after - basic_index(x, key=along(k, slice(0, -1)))
    return x
