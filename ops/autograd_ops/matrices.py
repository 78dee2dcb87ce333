"""Helpers of rules of linear algebra: parts of matrices, and what is 0 to rounding.

Whether two numbers are equal to rounding is settled without derivatives, so it is
constant for every derivative.
"""

from __future__ import annotations

import math
from typing import Any

from autograd_core.backend import backend_of
from autograd_core.edges import conjugate
from autograd_core.graph import Array
from autograd_core.tensor import is_complex, lowest, namespace_of, stopped
from autograd_ops.linear_algebra_functions import transposed

ROUNDING = 8.0  # rounding errors for each row, within which decompositions are exact


def adjoint(xp: Any, x: Array) -> Array:
    """Return the conjugate transpose of each matrix."""
    return conjugate(xp, transposed(xp, x))


def hermitian(xp: Any, x: Array) -> Array:
    """Return the Hermitian part of each matrix; of real ones the symmetric part."""
    return (x + adjoint(xp, x)) / 2


def real_part(xp: Any, x: Array) -> Array:
    """Return the real part; of real numbers the array itself."""
    return xp.real(x) if is_complex(x) else x


def diagonal_part(xp: Any, x: Array) -> Array:
    """Return each matrix without what is off its diagonal."""
    return xp.tril(xp.triu(x))


def lower_half(xp: Any, x: Array) -> Array:
    """Return the lower triangle with half of the diagonal."""
    return (xp.tril(x) + xp.tril(x, k=-1)) / 2


def as_row(v: Array) -> Array:
    """Return vectors as matrices of one row: ``x * as_row(v)`` scales the columns."""
    return v[..., None, :]


def as_column(v: Array) -> Array:
    """Return vectors as matrices of one column: ``x * as_column(v)`` scales rows."""
    return v[..., None]


def identity_like(x: Array, n: int) -> Array:
    """Return a raw identity of the library, dtype and device of an array."""
    raw = lowest(x)
    xp = backend_of(raw)
    return xp.eye(n, dtype=raw.dtype, device=xp.device_of(raw))


# ------------------------------------------------------------------ zero to rounding


def resolution(values: Array, size: int) -> tuple[Any, Array, Array]:
    """Return by how much eigenvalues or singular values must differ to be different.

    With them, as constants, and their namespace. `size` is the larger side of the
    matrices.
    """
    values = stopped(values)
    xp = namespace_of(values)
    sizes = xp.abs(values)
    if values.shape[-1]:
        sizes = xp.max(sizes, axis=-1, keepdims=True)
    return xp, values, sizes * (ROUNDING * size * epsilon(values))


def epsilon(x: Array) -> float:
    """Return the rounding error of the dtype of an array."""
    raw = lowest(x)
    return float(backend_of(raw).finfo(raw.dtype).eps)


def inverse_unless(xp: Any, negligible: Array, x: Array) -> Array:
    """Return ``1 / x``, and 0 where a raw mask says that ``x`` is 0 to rounding."""
    return xp.where(negligible, 0.0, 1 / xp.where(negligible, 1.0, x))


def inverse_differences(xp: Any, values: Array, size: int) -> Array:
    """Return ``1 / (values[j] - values[i])``, 0 where they are equal to rounding."""
    library, raw, least = resolution(values, size)
    gaps = library.expand_dims(raw, axis=-2) - library.expand_dims(raw, axis=-1)
    equal = library.abs(gaps) <= library.expand_dims(least, axis=-1)
    return inverse_unless(xp, equal, as_row(values) - as_column(values))


def inverse_sums(xp: Any, values: Array, size: int) -> Array:
    """Return ``1 / (values[i] + values[j])``, 0 where both are 0 to rounding."""
    library, raw, least = resolution(values, size)
    sums = library.expand_dims(raw, axis=-2) + library.expand_dims(raw, axis=-1)
    none = sums <= library.expand_dims(least, axis=-1)
    return inverse_unless(xp, none, as_row(values) + as_column(values))


def is_negligible(values: Array, size: int) -> Array:
    """Say which singular values are 0 to rounding."""
    _, raw, least = resolution(values, size)
    return raw <= least


# ------------------------------------------------------------------ adjugates

SMALL = 0.25  # power of the rounding error below which a singular value is set apart


def adjugate(xp: Any, x: Array, determinant: Array) -> Array:
    """Return the adjugate, the transposed cofactors: right at singular matrices too.

    Of an invertible matrix it is ``det(x) inv(x)``. To the ``k`` smallest singular
    values, if they are small, a number is added: ``m = x + u v^H``, where the columns
    of ``u`` and ``v`` are scaled singular vectors, held constant. Then ``m`` is far
    from singular, and ``det(x) = det(m) det(g)`` with ``g = 1 - v^H inv(m) u``, a
    matrix of ``k`` rows (the matrix determinant lemma), so that::

        adj(x) = det(m) (det(g) inv(m) + inv(m) u adj(g) v^H inv(m))

    What belongs to ``g`` is computed without a division. As this holds for every ``x``
    near by, it may be differentiated as often as one likes.
    """
    n = x.shape[-1]
    if n == 0:
        return x
    raw, count = stopped(x), small_values(lowest(x))
    if not count:
        return lifted(determinant) * xp.linalg.inv(x)
    u, v = shift(raw, count)
    m = x + u @ v
    inverse = xp.linalg.inv(m)
    left, right = inverse @ u, v @ inverse
    det_g, adj_g = without_division(xp, identity_like(raw, count) - right @ u)
    det_m = lifted(xp.linalg.det(m))
    return det_m * (lifted(det_g) * inverse + left @ (adj_g @ right))


def lifted(x: Array) -> Array:
    """Return numbers as matrices of one element."""
    return x[..., None, None]


def finite(xp: Any, raw: Array) -> Array:
    """Return an array with 0 for what is not finite, which decompositions refuse."""
    return xp.where(xp.isfinite(raw), raw, 0.0)


def small_values(raw: Array) -> int:
    """Return how many singular values of a matrix are small, at most, in a stack.

    Inside ``jax.jit`` there are no numbers to look at. Two are set apart then, which
    is right up to rank ``n - 2``.
    """
    xp = backend_of(raw)
    s = xp.linalg.svdvals(finite(xp, raw))
    if math.prod(s.shape) == 0:
        return 0
    least = s[..., :1] * epsilon(s) ** SMALL
    counts = xp.sum(xp.astype(s <= least, xp.int64), axis=-1)
    try:
        return int(xp.max(counts))
    except TypeError:
        return int(min(2, raw.shape[-1]))


def shift(raw: Array, count: int) -> tuple[Array, Array]:
    """Return ``u`` and ``v^H``, whose product lifts the smallest singular values."""
    xp, first = namespace_of(raw), raw.shape[-1] - count
    u, s, vh = xp.linalg.svd(finite(xp, raw))
    size = xp.where(s[..., :1] > 0, s[..., :1], 1.0)
    return u[..., first:] * xp.expand_dims(size, axis=-1), vh[..., first:, :]


def without_division(xp: Any, g: Array) -> tuple[Array, Array]:
    """Return determinant and adjugate of small matrices that may be singular.

    U. Le Verrier's method as D. K. Faddeev and V. N. Faddeeva give it ("Computational
    Methods of Linear Algebra", 1963, section 47): divided is by 1, 2, 3, ... only.
    """
    k = g.shape[-1]
    one = identity_like(g, k)
    adj = one + xp.zeros_like(g)
    for j in range(1, k + 1):
        product = g @ adj
        c = xp.sum(xp.linalg.diagonal(product), axis=-1) / -j
        if j < k:
            adj = product + lifted(c) * one
    return (c, -adj) if k % 2 == 0 else (-c, adj)


# ------------------------------------------------------------------ for samples


def well_conditioned(xp: Any, x: Array) -> Array:
    """Return matrices that are far from singular."""
    n = x.shape[-1]
    return x / max(1, n) ** 0.5 + 4 * identity_like(x, n)


def positive_definite(xp: Any, x: Array) -> Array:
    """Return Hermitian matrices whose eigenvalues are 1 or more."""
    n = x.shape[-1]
    return x @ adjoint(xp, x) / max(1, n) + identity_like(x, n)


def numbered(x: Array, n: int) -> Array:
    """Return the raw numbers 1 to ``n`` in the library and dtype of an array."""
    one = identity_like(x, n)
    xp = backend_of(lowest(one))
    return xp.sum(xp.cumulative_sum(one, axis=0), axis=1)


def separated(xp: Any, x: Array) -> Array:
    """Return matrices with eigenvalues and singular values far from one another."""
    m, n = x.shape[-2:]
    side = max(1, m, n)
    diagonal = as_row(3 * numbered(x, side)) * identity_like(x, side)
    return x / side**0.5 + diagonal[:m, :n]


def separated_hermitian(xp: Any, x: Array) -> Array:
    """Return Hermitian matrices with eigenvalues far from one another."""
    return hermitian(xp, separated(xp, x))
