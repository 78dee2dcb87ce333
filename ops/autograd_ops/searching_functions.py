"""Searching functions (the standard's chapter of that name)."""

from __future__ import annotations

import operator
from functools import partial
from typing import Any

from autograd_core.batching import along_axis_or_flat, refused
from autograd_core.declare import constant, elementwise
from autograd_core.graph import Array
from autograd_core.masks import Masked
from autograd_core.operation import sample
from autograd_ops import batching_rules as batched
from autograd_ops import shape_rules as shaped


def where_x1(xp: Any, t: Array, condition: Array) -> Masked:
    return Masked(xp.where(condition, t, 0.0), condition)


def where_x2(xp: Any, t: Array, condition: Array) -> Masked:
    return Masked(xp.where(condition, 0.0, t), partial(operator.invert, condition))


@elementwise(
    x1=(where_x1, where_x1),
    x2=(where_x2, where_x2),
    samples=(
        sample((2, 3), (2, 3), condition=[[True, False, True], [False, False, True]]),
        sample((3, 1), (), condition=[True, False]),
    ),
)
def where(condition: Array, x1: Array, x2: Array, /) -> Array:
    """Choose ``x1`` where a condition holds, else ``x2``."""


@constant(batching=along_axis_or_flat, shape=shaped.reduced)
def argmax(x: Array, /, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """Index of the maximum."""


@constant(batching=along_axis_or_flat, shape=shaped.reduced)
def argmin(x: Array, /, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """Index of the minimum."""


@constant(batching=refused, shape=shaped.depends_on_values)
def nonzero(x: Array, /) -> Any:
    """Indices of the elements that are not 0."""


@constant(shape=shaped.reduced)
def count_nonzero(x: Array, /, *, axis: Any = None, keepdims: bool = False) -> Array:
    """Count of the elements that are not 0."""


@constant(batching=batched.searched, shape=shaped.of_second)
def searchsorted(
    x1: Array, x2: Array, /, *, side: str = "left", sorter: Any = None
) -> Array:
    """Index at which to insert into a sorted array."""
