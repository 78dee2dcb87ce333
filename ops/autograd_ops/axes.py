"""Helpers of rules: the axes that an operation removed, and places of elements."""

from __future__ import annotations

import math
from operator import index
from typing import Any

from autograd_core.backend import backend_of
from autograd_core.graph import Array
from autograd_core.tensor import lowest

Shape = tuple[int, ...]


def normalized(axis: Any, ndim: int) -> tuple[int, ...]:
    """Return the axes that ``axis`` names (None: all), counted from the front.

    NumPy and PyTorch allow axis 0 and -1 of an array that has none.
    """
    if axis is None or ndim == 0:
        return tuple(range(ndim))
    return tuple(k % ndim for k in numbers(axis))


def numbers(one_or_many: Any) -> tuple[int, ...]:
    """Return an integer, of Python or of a library, or a sequence of such as ints."""
    try:
        return (index(one_or_many),)
    except TypeError:
        return tuple(map(index, one_or_many))


def count(shape: Shape, axis: Any) -> int:
    """Return the number of elements that a reduction takes together."""
    return math.prod(shape[k] for k in normalized(axis, len(shape)))


def with_axes(xp: Any, t: Array, shape: Shape, axis: Any, keepdims: bool) -> Array:
    """Give a reduced array its axes back, with length 1, so that it broadcasts."""
    if keepdims or axis is None:
        return t
    gone = normalized(axis, len(shape))
    return xp.reshape(t, tuple(1 if k in gone else n for k, n in enumerate(shape)))


def along(axis: int, part: slice | int) -> tuple[Any, ...]:
    """Return the key that takes a part along one axis."""
    return (*(slice(None),) * axis, part, ...)


def contraction(
    axes: Any, ndim1: int, ndim2: int
) -> tuple[list[int], list[int], list[int], list[int]]:
    """Return the contracted and the free axes of both arguments of `tensordot`."""
    if isinstance(axes, int):
        axes = list(range(ndim1 - axes, ndim1)), list(range(axes))
    over1, over2 = list(normalized(axes[0], ndim1)), list(normalized(axes[1], ndim2))
    free1 = [k for k in range(ndim1) if k not in over1]
    free2 = [k for k in range(ndim2) if k not in over2]
    return over1, over2, free1, free2


def transformed(shape: Shape, s: Any, axes: Any) -> tuple[Shape, tuple[int, ...]]:
    """Return the lengths to which axes are cut or padded, and which axes those are."""
    if axes is None:
        count = len(shape) if s is None else len(numbers(s))
        axes = range(len(shape) - count, len(shape))
    axes = normalized(tuple(axes), len(shape))
    lengths = (-1,) * len(axes) if s is None else numbers(s)
    pairs = zip(lengths, axes, strict=True)
    return tuple(shape[k] if n == -1 else n for n, k in pairs), axes


def positions(x: Array, shape: Shape) -> Array:
    """Return, in the library and on the device of an array, the places of a shape."""
    raw = lowest(x)
    xp = backend_of(raw)
    count = xp.arange(math.prod(shape), dtype=xp.int64, device=xp.device_of(raw))
    return xp.reshape(count, tuple(shape))
