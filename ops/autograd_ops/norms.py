"""Norms of the linear algebra extension.

A norm is a convex function, and where it has no derivative the gradient is a
subgradient: at 0 the smallest, 0; where elements tie for the largest, equal shares.
"""

from __future__ import annotations

import math
from typing import Any

from autograd_core.declare import general, kink, sample
from autograd_core.edges import conjugate
from autograd_core.graph import Array
from autograd_core.tensor import namespace_of, stopped
from autograd_ops import shape_rules as shaped
from autograd_ops.axes import with_axes
from autograd_ops.elementwise_functions import quotient
from autograd_ops.matrices import (
    as_row,
    is_negligible,
    real_part,
    resolution,
    separated,
)

EXTENSION = "linalg"


def shares_of(values: Array, axis: Any, ord: float, least: Any = 0.0) -> Array:
    """Return constant weights that share 1 among the largest, or smallest, of values.

    What differs from them by no more than `least` is one of them.
    """
    values = stopped(values)
    if 0 in values.shape:
        return values
    xp = namespace_of(values)
    extreme = (xp.max if ord > 0 else xp.min)(values, axis=axis, keepdims=True)
    hit = xp.astype(xp.abs(values - extreme) <= least, values.dtype)
    return hit / xp.sum(hit, axis=axis, keepdims=True)


def norm_gradient(
    xp: Any, x: Array, y: Array, axis: Any, keepdims: bool, ord: float
) -> Array:
    """Return the gradient of each norm, in the shape of ``x``."""
    y = with_axes(xp, y, x.shape, axis, keepdims)
    if ord == 0:
        return xp.zeros_like(x)
    if ord == 1:
        return xp.sign(x)
    if ord == 2:
        return quotient(xp, x, y)
    if math.isinf(ord):
        return xp.sign(x) * shares_of(xp.abs(x), axis, ord)
    ratio = quotient(xp, xp.abs(x), y)
    none = ratio == 0
    powers = xp.where(none, 0.0, xp.where(none, 1.0, ratio) ** (ord - 1))
    return xp.sign(x) * powers


def vector_norm_jvp(
    xp: Any, t: Array, x: Array, y: Array, axis: Any, keepdims: bool, ord: float
) -> Array:
    gradient = norm_gradient(xp, x, y, axis, keepdims, ord)
    along = real_part(xp, conjugate(xp, gradient) * t)
    return xp.sum(along, axis=axis, keepdims=keepdims)


def vector_norm_vjp(
    xp: Any, t: Array, x: Array, y: Array, axis: Any, keepdims: bool, ord: float
) -> Array:
    gradient = norm_gradient(xp, x, y, axis, keepdims, ord)
    return with_axes(xp, t, x.shape, axis, keepdims) * gradient


SMALLEST = "the smallest subgradient of the norm"


@general(
    jvp={"x": vector_norm_jvp},
    vjp={"x": vector_norm_vjp},
    samples=(
        sample((3, 4)),
        sample((3, 4), axis=0),
        sample((2, 3, 4), axis=(0, -1)),
        sample((2, 3), axis=1, keepdims=True, ord=3),
        sample((4,), ord=1),
        sample((4,), ord=0),
        sample((4,), ord=0.5),
        sample((4,), ord=-2),
        sample((2, 3), ord=math.inf),
        sample((2, 3), axis=0, ord=-math.inf),
        sample(()),
        sample((3,), ord=2.5).complex(),
        sample((3,), ord=math.inf).complex(),
    ),
    kinks=[
        kink([0.0, 0.0], gradient=[[0.0, 0.0]], reason=SMALLEST),
        kink([0.0, 0.0], gradient=[[0.0, 0.0]], reason=SMALLEST, ord=1),
        kink([0.0, 0.0], gradient=[[0.0, 0.0]], reason=SMALLEST, ord=3),
        kink([0.0, 2.0], gradient=[[0.0, 1.0]], reason="as `sum(abs(x))`", ord=1),
        kink(
            *([1.0, -3.0, 3.0],),
            gradient=[[0.0, -0.5, 0.5]],
            reason="as `max(abs(x))`: symmetric",
            ord=math.inf,
        ),
    ],
    shape=shaped.reduced,
)
def vector_norm(
    x: Array, /, *, axis: Any = None, keepdims: bool = False, ord: float = 2
) -> Array:
    """Norm of vectors, ``sum(abs(x) ** ord) ** (1 / ord)``, over axes.

    The gradient is ``sign(x) (abs(x) / y) ** (ord - 1)``, and 0 where ``x`` is 0. So it
    is the smallest subgradient at a zero vector, and at single zeros the middle of two
    slopes, which are infinite for an ``ord`` below 1. Orders 1, inf and -inf are those
    of ``sum(abs(x))``, ``max(abs(x))`` and ``min(abs(x))`` where elements tie too.
    Order 0 counts: its derivative is 0.
    """


# ------------------------------------------------------------------ matrices


ORDERS = ("fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf)


def singular_gradient(xp: Any, x: Array, ord: Any) -> Array:
    """Return the gradient of a sum or an extreme of singular values."""
    size = max(x.shape[-2:])
    u, s, vh = xp.linalg.svd(x, full_matrices=False)
    weights = xp.ones_like(s)
    if ord != "nuc":
        weights = shares_of(s, -1, ord, resolution(s, size)[2])
    weights = xp.where(is_negligible(s, size), 0.0, weights)
    return (u * as_row(weights)) @ vh


def matrix_gradient(xp: Any, x: Array, y: Array, ord: Any) -> Array:
    """Return the gradient of each norm of matrices; ``y`` has both axes."""
    if ord is None or ord == "fro":
        return quotient(xp, x, y)
    if ord in ("nuc", 2, -2):
        return singular_gradient(xp, x, ord)
    summed = -1 if math.isinf(ord) else -2
    sums = xp.sum(xp.abs(x), axis=summed, keepdims=True)
    return xp.sign(x) * shares_of(sums, -3 - summed, ord)


BOTH = (-2, -1)


def matrix_norm_jvp(
    xp: Any, t: Array, x: Array, y: Array, keepdims: bool, ord: Any
) -> Array:
    y = with_axes(xp, y, x.shape, BOTH, keepdims)
    along = real_part(xp, conjugate(xp, matrix_gradient(xp, x, y, ord)) * t)
    return xp.sum(along, axis=BOTH, keepdims=keepdims)


def matrix_norm_vjp(
    xp: Any, t: Array, x: Array, y: Array, keepdims: bool, ord: Any
) -> Array:
    y = with_axes(xp, y, x.shape, BOTH, keepdims)
    return with_axes(xp, t, x.shape, BOTH, keepdims) * matrix_gradient(xp, x, y, ord)


ORDERS = ("fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf)
ZERO = [[0.0, 0.0], [0.0, 0.0]]
DOUBLED = [[2.0, 0.0], [0.0, 2.0]]
HALVES = [[0.5, 0.0], [0.0, 0.5]]


@general(
    jvp={"x": matrix_norm_jvp},
    vjp={"x": matrix_norm_vjp},
    samples=(
        *(sample((2, 3), ord=ord).of(separated) for ord in ORDERS),
        sample((2, 3, 2), keepdims=True).of(separated),
        sample((2, 2, 2), keepdims=True, ord=2).of(separated),
        sample((3, 2), ord="nuc").of(separated).complex(),
    ),
    kinks=[
        *(
            kink(ZERO, gradient=[ZERO], reason=SMALLEST, ord=ord)
            for ord in ("fro", "nuc", 2)
        ),
        kink(
            [[3.0, 0.0], [0.0, 0.0]],
            gradient=[[[1.0, 0.0], [0.0, 0.0]]],
            reason=f"{SMALLEST}: `U Vh` of the singular values that are not 0",
            ord="nuc",
        ),
        *(
            kink(DOUBLED, gradient=[HALVES], reason="symmetric", ord=ord)
            for ord in (2, 1, math.inf)
        ),
    ],
    shape=shaped.matrix_norms,
)
def matrix_norm(x: Array, /, *, keepdims: bool = False, ord: Any = "fro") -> Array:
    """Norm of each matrix.

    Order ``"fro"`` is `vector_norm` of all elements; ``"nuc"``, 2 and -2 are the sum,
    the largest and the smallest of the singular values; 1, -1, inf and -inf the largest
    and the smallest sum of absolute values of a column, or of a row.

    The gradient is that of `max`, `min`, `sum`, `abs` and `svdvals`, where values tie
    too: equal shares. Singular values tie that are equal to rounding. That of ``"nuc"``
    is ``U Vh`` of the singular values that are not 0 to rounding, the smallest
    subgradient (G. A. Watson, "Characterization of the subdifferential of some matrix
    norms", 1992).
    """
