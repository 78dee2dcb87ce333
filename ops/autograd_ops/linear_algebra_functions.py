"""Linear algebra functions of the standard's main namespace.

The rules of `matmul` and `vecdot` leave the axes along which stacks were broadcast; the
core sums over them.
"""

from __future__ import annotations

import math
from typing import Any

from autograd_core.declare import composite, linear
from autograd_core.edges import conjugate
from autograd_core.graph import Array
from autograd_core.operation import sample
from autograd_ops import batching_rules as batched
from autograd_ops import shape_rules as shaped
from autograd_ops.axes import Shape, contraction
from autograd_ops.manipulation_functions import permute_dims


def transposed(xp: Any, x: Array) -> Array:
    """Swap the last two axes."""
    ndim = len(x.shape)
    return xp.permute_dims(x, (*range(ndim - 2), ndim - 1, ndim - 2))


@composite("x", samples=(sample((2, 3)), sample((2, 3, 4)), sample((1, 2, 0))))
def matrix_transpose(x: Array, /) -> Array:
    """Transpose each matrix of a stack."""
    return permute_dims(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def matmul_x1(xp: Any, t: Array, x1_shape: Shape, x2: Array) -> Array:
    if len(x2.shape) == 1:  # a vector: outer product
        return xp.expand_dims(t, axis=-1) * x2 if len(x1_shape) > 1 else t * x2
    if len(x1_shape) == 1:
        return xp.squeeze(xp.matmul(x2, xp.expand_dims(t, axis=-1)), axis=-1)
    return xp.matmul(t, transposed(xp, x2))


def matmul_x2(xp: Any, t: Array, x1: Array, x2_shape: Shape) -> Array:
    if len(x1.shape) == 1:
        if len(x2_shape) == 1:
            return t * x1
        return xp.expand_dims(x1, axis=-1) * xp.expand_dims(t, axis=-2)
    if len(x2_shape) == 1:
        column = xp.expand_dims(t, axis=-1)
        return xp.squeeze(xp.matmul(transposed(xp, x1), column), axis=-1)
    if len(x2_shape) == 2 and len(x1.shape) > 2:  # one product instead of a sum of many
        rows = math.prod(x1.shape[:-1])
        x1 = xp.reshape(x1, (rows, x1.shape[-1]))
        t = xp.reshape(t, (rows, t.shape[-1]))
    return xp.matmul(transposed(xp, x1), t)


@linear(
    x1=matmul_x1,
    x2=matmul_x2,
    broadcasts=True,
    batching=batched.products,
    samples=(
        sample((2, 3), (3, 4)),
        sample((3,), (3,)),
        sample((2, 3), (3,)),
        sample((3,), (3, 4)),
        sample((5, 2, 3), (3, 4)),
        sample((5, 1, 2, 3), (6, 3, 4)),
        sample((3,), (5, 3, 4)),
        sample((5, 2, 3), (3,)),
        sample((2, 0), (0, 3)),
    ),
    shape=shaped.product,
)
def matmul(x1: Array, x2: Array, /) -> Array:
    """Matrix product."""


def vecdot_x1(xp: Any, t: Array, x2: Array, axis: int) -> Array:
    return conjugate(xp, xp.expand_dims(t, axis=axis)) * x2


def vecdot_x2(xp: Any, t: Array, x1: Array, axis: int) -> Array:
    return xp.expand_dims(t, axis=axis) * x1


@linear(
    x1=vecdot_x1,
    x2=vecdot_x2,
    adjoint=True,
    broadcasts=True,
    samples=(sample((3,), (3,)), sample((2, 3), (3,)), sample((3, 2), (3, 1), axis=-2)),
    shape=shaped.paired,
)
def vecdot(x1: Array, x2: Array, /, *, axis: int = -1) -> Array:
    """Dot product of vectors along an axis, ``sum(conj(x1) * x2)``."""


def in_place_of(xp: Any, t: Array, axes: list[int]) -> Array:
    """Send axis ``k`` of a cotangent to place ``axes[k]``."""
    return xp.permute_dims(t, tuple(axes.index(k) for k in range(len(axes))))


def tensordot_x1(xp: Any, t: Array, x1_shape: Shape, x2: Array, axes: Any) -> Array:
    over1, over2, free1, free2 = contraction(axes, len(x1_shape), len(x2.shape))
    kept = list(range(len(free1), len(free1) + len(free2)))
    bar = xp.tensordot(t, x2, axes=(kept, free2))
    pairs = sorted(zip(over2, over1, strict=True))
    return in_place_of(xp, bar, free1 + [k for _, k in pairs])


def tensordot_x2(xp: Any, t: Array, x1: Array, x2_shape: Shape, axes: Any) -> Array:
    over1, over2, free1, free2 = contraction(axes, len(x1.shape), len(x2_shape))
    bar = xp.tensordot(x1, t, axes=(free1, list(range(len(free1)))))
    pairs = sorted(zip(over1, over2, strict=True))
    return in_place_of(xp, bar, [k for _, k in pairs] + free2)


@linear(
    x1=tensordot_x1,
    x2=tensordot_x2,
    batching=batched.contracted,
    samples=(
        sample((2, 3, 4), (3, 4, 5)),
        sample((2, 3), (4,), axes=0),
        sample((2, 3, 4), (4, 2, 5), axes=((0, 2), (1, 0))),
    ),
    shape=shaped.contracted,
)
def tensordot(x1: Array, x2: Array, /, *, axes: Any = 2) -> Array:
    """Sum of products over pairs of axes."""
