"""Helpers of rules: which axes a reduction removed, and putting them back."""

from __future__ import annotations

import math
from operator import index
from typing import Any

from autograd_core.graph import Array

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
