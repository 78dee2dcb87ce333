"""Indexing functions (the standard's chapter of that name), and ``x[key]``.

A key of slices, integers, ellipsis and newaxis names each element at most once; its
transpose writes into zeros. Everything else may name an element twice, and has one
transpose: index the positions ``arange(size)`` in the same way, and add there.
"""

from __future__ import annotations

import math
from typing import Any

from autograd_core.backend import backend_of, is_array
from autograd_core.declare import linear
from autograd_core.graph import Array
from autograd_core.masks import Masked
from autograd_core.operation import function, sample
from autograd_core.tensor import ArrayObject, lowest, namespace_of, without_constants
from autograd_ops import batching_rules as batched
from autograd_ops import shape_rules as shaped
from autograd_ops.axes import Shape, positions


@function
def getitem(x: Array, /, *, key: Any) -> Array:
    """Return ``x[key]``, for any key that the library takes."""
    key, basic = read(x, key)
    return basic_index(x, key=key) if basic else array_index(x, key)


def read(x: Array, key: Any) -> tuple[Any, bool]:
    """Return a key, its lists as arrays, and whether it is a basic one."""
    key = without_constants(key)
    parts = key if isinstance(key, tuple) else (key,)
    if any(isinstance(k, list) for k in parts):
        xp = backend_of(lowest(x))
        parts = key = tuple(
            xp.asarray(k, dtype=None if k else xp.int64) if isinstance(k, list) else k
            for k in parts
        )
    basic = not any(isinstance(k, (bool, ArrayObject)) or is_array(k) for k in parts)
    return key, basic


# ------------------------------------------------------------------ basic keys


def basic_index_transpose(xp: Any, t: Array, x_shape: Shape, key: Any) -> Array:
    return xp.pad_index(t, key=key, shape=x_shape)


def index_forward(xp: Any, x: Array, key: Any) -> Array:
    return xp.getitem(x, key=key)


@linear(
    x=basic_index_transpose,
    batching=batched.indexed,
    implementation=index_forward,
    samples=(
        sample((3, 4), key=(1, ...)),
        sample((3, 4), key=(slice(None), slice(0, None, 2))),
        sample((2, 3, 4), key=(None, ..., slice(1, 3))),
        sample((5,), key=slice(1, 1)),
    ),
    shape=shaped.indexed,
)
def basic_index(x: Array, /, *, key: Any) -> Array:
    """Index with slices, integers, ellipsis and newaxis."""


def pad_index_transpose(xp: Any, t: Array, key: Any) -> Array:
    return xp.getitem(t, key=key)


@linear(
    x=pad_index_transpose,
    batching=batched.padded,
    samples=(sample((2,), key=slice(0, 4, 2), shape=(5,)),),
    shape=shaped.padded,
)
def pad_index(x: Array, /, *, key: Any, shape: Shape) -> Array:
    """Return zeros of a shape with ``x`` at a basic key: the transpose of indexing."""


# ------------------------------------------------------------------ array keys


def scatter(xp: Any, t: Array, where: Array, shape: Shape) -> Array:
    """Add each element of a cotangent at its position among zeros of a shape."""
    n = math.prod(t.shape)
    where = xp.reshape(where, (n,))
    return xp.reshape(
        xp.index_add(xp.reshape(t, (n,)), where, size=math.prod(shape)), shape
    )


def chosen(xp: Any, t: Array, where: Array, shape: Shape) -> Masked:
    """Return what `scatter` does, and which elements were chosen at all."""

    def mask() -> Array:
        xp = namespace_of(where)
        return scatter(xp, xp.ones_like(where), where, shape) != 0

    return Masked(scatter(xp, t, where, shape), mask)


def array_index_transpose(xp: Any, t: Array, x_shape: Shape, key: Any) -> Array:
    where = xp.getitem(positions(t, x_shape), key=key)
    return chosen(xp, t, where, x_shape)


@linear(
    x=array_index_transpose,
    batching=batched.looked_up,
    implementation=index_forward,
    samples=(sample((4,), key=[3, 0, 3]), sample((3,), key=[True, False, True])),
    shape=shaped.indexed,
)
def array_index(x: Array, key: Any, /) -> Array:
    """Index with integer arrays and boolean masks."""


def index_add_transpose(xp: Any, t: Array, positions: Array) -> Array:
    return xp.take(t, positions, axis=0)


@linear(
    x=index_add_transpose,
    batching=batched.scattered,
    samples=(sample((3,), positions=[0, 2, 0], size=4),),
    shape=shaped.scattered,
)
def index_add(x: Array, positions: Array, /, *, size: int) -> Array:
    """Return ``size`` zeros to which each ``x[k]`` was added at ``positions[k]``."""


def take_transpose(
    xp: Any, t: Array, x_shape: Shape, indices: Array, axis: int | None
) -> Array:
    where = positions(t, x_shape)
    if axis is None:
        where, axis = positions(t, (math.prod(x_shape),)), 0
    return chosen(xp, t, xp.take(where, indices, axis=axis), x_shape)


@linear(
    x=take_transpose,
    batching=batched.taken,
    samples=(
        sample((4,), indices=[0, 3, 3]),
        sample((3, 4), indices=[1, 1, 0, 2], axis=0),
        sample((2, 3, 4), indices=[-1, 0], axis=-2),
    ),
    shape=shaped.taken,
)
def take(x: Array, indices: Array, /, *, axis: int | None = None) -> Array:
    """Take elements along an axis."""


def take_along_axis_transpose(
    xp: Any, t: Array, x_shape: Shape, indices: Array, axis: int
) -> Array:
    where = xp.take_along_axis(positions(t, x_shape), indices, axis=axis)
    return chosen(xp, t, where, x_shape)


@linear(
    x=take_along_axis_transpose,
    batching=batched.taken_along,
    samples=(sample((2, 3), indices=[[0, 2], [1, 1]], axis=1),),
    shape=shaped.taken_along,
)
def take_along_axis(x: Array, indices: Array, /, *, axis: int = -1) -> Array:
    """Take elements along an axis, at other places in each slice."""
