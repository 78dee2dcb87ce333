"""Matrix decompositions of the linear algebra extension.

A decomposition is determined up to something only: the phases of eigenvectors, their
order among equal eigenvalues, the basis of a null space. Its derivative is that of a
choice made here, and what does not depend on the choice has the right derivative.

Rules are adjoints. A cotangent of a result that is not used is None, and what only it
needs is not computed.
"""

from __future__ import annotations

from typing import Any

from autograd_core.backend import backend_of
from autograd_core.declare import general, sample
from autograd_core.edges import conjugate
from autograd_core.graph import Array
from autograd_core.tensor import is_complex, lowest, stopped
from autograd_ops import shape_rules as shaped
from autograd_ops.axes import Shape, positions
from autograd_ops.linear_algebra_functions import transposed
from autograd_ops.matrices import (
    adjoint,
    as_column,
    as_row,
    diagonal_part,
    hermitian,
    identity_like,
    inverse_differences,
    inverse_sums,
    inverse_unless,
    is_negligible,
    lower_half,
    numbered,
    positive_definite,
    real_part,
    resolution,
    separated,
    separated_hermitian,
)

EXTENSION = "linalg"


# ------------------------------------------------------------------ Cholesky


def cholesky_jvp(xp: Any, t: Array, y: Array, upper: bool) -> Array:
    factor = adjoint(xp, y) if upper else y
    half = xp.linalg.solve(factor, hermitian(xp, t))
    whole = hermitian(xp, xp.linalg.solve(factor, adjoint(xp, half)))
    y_dot = factor @ lower_half(xp, whole)
    return adjoint(xp, y_dot) if upper else y_dot


def cholesky_vjp(xp: Any, t: Array, y: Array, upper: bool) -> Array:
    # of the lower factor and of its adjoint, whichever the result is
    factor_h, t = (y, adjoint(xp, t)) if upper else (adjoint(xp, y), t)
    half = xp.linalg.solve(factor_h, lower_half(xp, factor_h @ t))
    return hermitian(xp, xp.linalg.solve(factor_h, adjoint(xp, half)))


@general(
    jvp={"x": cholesky_jvp},
    vjp={"x": cholesky_vjp},
    samples=(
        sample((3, 3)).of(positive_definite),
        sample((2, 2, 2), upper=True).of(positive_definite),
        sample((3, 3), upper=True).of(positive_definite).complex(),
    ),
    shape=shaped.same_square,
)
def cholesky(x: Array, /, *, upper: bool = False) -> Array:
    """Lower triangular ``L`` with ``x = L L^H``; or its adjoint, if ``upper``.

    As a function of the Hermitian part of ``x``, so that gradients are Hermitian.
    ``L_dot = L P(inv(L) x_dot inv(L)^H)``, where ``P`` takes the lower triangle and
    half of the diagonal; in reverse ``x_bar`` is the Hermitian part of ``inv(L)^H P(L^H
    L_bar) inv(L)`` (I. Murray, "Differentiation of the Cholesky decomposition", 2016,
    equations 8 to 10).
    """


# ------------------------------------------------------------------ eigenvalues


def eigh_jvp(xp: Any, t: Array, y: Any) -> tuple[Array, Array]:
    w, v = y
    moved = adjoint(xp, v) @ hermitian(xp, t) @ v
    turn = inverse_differences(xp, w, w.shape[-1]) * moved
    return real_part(xp, xp.linalg.diagonal(moved)), v @ turn


def eigh_vjp(xp: Any, t: Any, y: Any) -> Array:
    (w, v), (of_values, of_vectors) = y, t
    left = None if of_values is None else v * as_row(of_values)
    if of_vectors is not None:
        turn = inverse_differences(xp, w, w.shape[-1]) * (adjoint(xp, v) @ of_vectors)
        left = v @ turn if left is None else left + v @ turn
    return hermitian(xp, left @ adjoint(xp, v))


def value_and_projectors(xp: Any, y: Any) -> tuple[Array, Array]:
    """Return eigenvalues, and what determines eigenvectors up to their phases.

    With 1 added, so that no element is small beside its own rounding error.
    """
    values, vectors = y
    weights = numbered(vectors, vectors.shape[-1])
    return values, 1 + hermitian(xp, (vectors * weights) @ adjoint(xp, vectors))


HERMITIAN = (
    sample((3, 3)).of(separated_hermitian),
    sample((2, 2, 2)).of(separated_hermitian),
    sample((3, 3)).of(separated_hermitian).complex(),
)


@general(
    outputs=("eigenvalues", "eigenvectors"),
    jvp={"x": eigh_jvp},
    vjp={"x": eigh_vjp},
    samples=[each.seen(value_and_projectors) for each in HERMITIAN],
    shape=shaped.eigensystem,
)
def eigh(x: Array, /) -> Any:
    """Eigenvalues, ascending, and orthonormal eigenvectors of a Hermitian matrix.

    As a function of the Hermitian part of ``x``, so that gradients are Hermitian. With
    ``M = V^H x_dot V`` the tangent of the eigenvalues is the diagonal of ``M``, and
    that of ``V`` is ``V (F * M)`` with ``F[i, j] = 1 / (w[j] - w[i])`` (Giles 2008,
    section 3.1). On the diagonal ``F`` is 0, which keeps the phases.

    Where eigenvalues are equal to rounding ``F`` is 0 too. Single eigenvalues and
    eigenvectors have no derivative there; first derivatives of what does not depend on
    the choice among them are right (``sum(w)``, ``sum(log(w))``, any symmetric
    function).
    """


def eigvalsh_jvp(xp: Any, t: Array, x: Array) -> Array:
    v = xp.linalg.eigh(x)[1]
    moved = xp.sum(conjugate(xp, v) * (hermitian(xp, t) @ v), axis=-2)
    return real_part(xp, moved)


def eigvalsh_vjp(xp: Any, t: Array, x: Array) -> Array:
    v = xp.linalg.eigh(x)[1]
    return hermitian(xp, (v * as_row(t)) @ adjoint(xp, v))


@general(
    jvp={"x": eigvalsh_jvp},
    vjp={"x": eigvalsh_vjp},
    samples=HERMITIAN,
    shape=shaped.eigenvalues,
)
def eigvalsh(x: Array, /) -> Array:
    """Eigenvalues, ascending, of a Hermitian matrix: those of `eigh`."""


def as_complex(xp: Any, x: Array, dtype: Any) -> Array:
    """Return an array as one of complex numbers."""
    return x if x.dtype == dtype else xp.astype(x, dtype)


def eig_jvp(xp: Any, t: Array, y: Any) -> tuple[Array, Array]:
    w, v = y
    moved = xp.linalg.solve(v, as_complex(xp, t, v.dtype) @ v)
    v_dot = v @ (inverse_differences(xp, w, w.shape[-1]) * moved)
    growth = xp.real(xp.sum(xp.conj(v) * v_dot, axis=-2))
    return xp.linalg.diagonal(moved), v_dot - v * as_row(growth)


def eig_vjp(xp: Any, t: Any, y: Any) -> Array:
    (w, v), (of_values, of_vectors) = y, t
    v_h = adjoint(xp, v)
    inner = None if of_values is None else as_column(of_values) * v_h
    if of_vectors is not None:
        growth = xp.real(xp.sum(xp.conj(v) * of_vectors, axis=-2))
        turn = v_h @ (of_vectors - v * as_row(growth))
        turn = xp.conj(inverse_differences(xp, w, w.shape[-1])) * turn
        turn = turn @ v_h
        inner = turn if inner is None else inner + turn
    return xp.linalg.solve(v_h, inner)


def rotating(xp: Any, x: Array) -> Array:
    """Return matrices far from symmetric: of real ones, complex eigenvalues."""
    n = x.shape[-1]
    columns = identity_like(x, n) * 0 + numbered(x, n)
    raw = backend_of(lowest(columns))
    turn = 3 * raw.tril(columns, k=-1) - 2 * raw.triu(columns, k=1)
    return x / max(1, n) ** 0.5 + turn


GENERAL = (
    sample((3, 3)).of(separated),
    sample((2, 2, 2)).of(separated),
    sample((3, 3)).of(separated).complex(),
    sample((4, 4)).of(rotating),
)


@general(
    outputs=("eigenvalues", "eigenvectors"),
    jvp={"x": eig_jvp},
    vjp={"x": eig_vjp},
    samples=[each.seen(value_and_projectors) for each in GENERAL],
    shape=shaped.eigensystem,
)
def eig(x: Array, /) -> Any:
    """Eigenvalues and eigenvectors of a square matrix, complex, in no certain order.

    With ``M = inv(V) x_dot V`` the tangent of the eigenvalues is the diagonal of ``M``,
    and that of ``V`` is ``V (F * M)`` with ``F`` as in `eigh` (Giles 2008, section
    3.1), less what would change the length of an eigenvector, which is 1. Phases are
    kept: only what does not depend on them has a derivative (C. Boeddeker et al., "On
    the computation of complex-valued gradients with application to statistically
    optimum beamforming", 2017, section 4). Eigenvectors of equal eigenvalues have none;
    a matrix without a basis of eigenvectors has no derivative at all.
    """


def in_order_of(xp: Any, y: Array, w: Array, v: Array) -> Array:
    """Return eigenvectors in the order of eigenvalues that were computed alone."""
    library, raw, least = resolution(w, w.shape[-1])
    at = positions(w, (raw.shape[-1],))
    gaps = library.expand_dims(stopped(y), axis=-1) - library.expand_dims(raw, axis=-2)
    gaps = library.abs(gaps)
    in_place = library.linalg.diagonal(gaps) <= least
    if not raw.shape[-1]:
        return v
    order = library.where(in_place, at, library.argmin(gaps, axis=-1))
    order = library.broadcast_to(library.expand_dims(order, axis=-2), tuple(v.shape))
    return xp.take_along_axis(v, order, axis=-1)


def eigvals_jvp(xp: Any, t: Array, x: Array, y: Array) -> Array:
    v = in_order_of(xp, y, *xp.linalg.eig(x))
    return xp.linalg.diagonal(xp.linalg.solve(v, as_complex(xp, t, v.dtype) @ v))


def eigvals_vjp(xp: Any, t: Array, x: Array, y: Array) -> Array:
    v_h = adjoint(xp, in_order_of(xp, y, *xp.linalg.eig(x)))
    return xp.linalg.solve(v_h, as_column(t) * v_h)


@general(
    jvp={"x": eigvals_jvp},
    vjp={"x": eigvals_vjp},
    samples=GENERAL,
    shape=shaped.eigenvalues,
)
def eigvals(x: Array, /) -> Array:
    """Eigenvalues, complex, of a square matrix: those of `eig`."""


# ------------------------------------------------------------------ singular values


def svd_jvp(
    xp: Any, t: Array, x_shape: Shape, y: Any, full_matrices: bool
) -> tuple[Array, Array, Array]:
    u, s, vh = y
    m, n = x_shape[-2:]
    k, size = min(m, n), max(m, n)
    u1, v1 = u[..., :k], adjoint(xp, vh[..., :k, :])
    moved = t @ v1
    p = adjoint(xp, u1) @ moved
    p_h = adjoint(xp, p)
    together = inverse_differences(xp, s, size) * (p + p_h) / 2
    apart = inverse_sums(xp, s, size) * (p - p_h) / 2
    u_dot, v_dot = u1 @ (together + apart), v1 @ (together - apart)
    none = is_negligible(s, size)
    inverse = as_row(inverse_unless(xp, none, s))
    if m > k:
        u_dot = u_dot + (moved - u1 @ p) * inverse
    if n > k:
        v_dot = v_dot + (adjoint(xp, t) @ u1 - v1 @ p_h) * inverse
    if full_matrices:
        u_dot = with_null_space(xp, u_dot, u, k)
        v_dot = with_null_space(xp, v_dot, adjoint(xp, vh), k)
    s_dot = xp.where(none, 0.0, real_part(xp, xp.linalg.diagonal(p)))
    return u_dot, s_dot, adjoint(xp, v_dot)


def with_null_space(xp: Any, u_dot: Array, u: Array, k: int) -> Array:
    """Add the tangent of further columns that stay orthogonal to the first ones.

    ``-u1 u1_dot^H u2``: of all such tangents the smallest, as nothing turns within.
    """
    if u.shape[-1] == k:
        return u_dot
    u1, u2 = u[..., :k], u[..., k:]
    return xp.concat([u_dot, -(u1 @ (adjoint(xp, u_dot) @ u2))], axis=-1)


def without_null_space(xp: Any, bar: Array, u: Array, k: int) -> Array:
    """Return the cotangent of the first columns: the adjoint of `with_null_space`."""
    if u.shape[-1] == k:
        return bar
    u1, u2 = u[..., :k], u[..., k:]
    return bar[..., :k] - u2 @ (adjoint(xp, bar[..., k:]) @ u1)


def svd_vjp(xp: Any, t: Any, x_shape: Shape, y: Any) -> Array:
    u, s, vh = y
    m, n = x_shape[-2:]
    k, size = min(m, n), max(m, n)
    none = is_negligible(s, size)
    u1, v1 = u[..., :k], adjoint(xp, vh[..., :k, :])
    of_s = xp.where(none, 0.0, or_zeros(xp, t.S, s))
    left = u1 * as_row(of_s)
    if t.U is None and t.Vh is None:
        return left @ adjoint(xp, v1)
    u_bar = without_null_space(xp, or_zeros(xp, t.U, u), u, k)
    v, of_v = adjoint(xp, vh), adjoint(xp, or_zeros(xp, t.Vh, vh))
    v_bar = without_null_space(xp, of_v, v, k)
    a, b = adjoint(xp, u1) @ u_bar, adjoint(xp, v1) @ v_bar
    turn_u, turn_v = a - adjoint(xp, a), b - adjoint(xp, b)
    together = inverse_differences(xp, s, size) * (turn_u + turn_v)
    apart = inverse_sums(xp, s, size) * (turn_u - turn_v)
    left = left + u1 @ ((together + apart) / 2)
    inverse = as_row(inverse_unless(xp, none, s))
    if m > k:
        left = left + (u_bar - u1 @ a) * inverse
    bar = left @ adjoint(xp, v1)
    if n > k:
        bar = bar + (u1 * inverse) @ adjoint(xp, v_bar - v1 @ b)
    return bar


def or_zeros(xp: Any, t: Array | None, y: Array) -> Array:
    """Return a cotangent, zeros where nothing came."""
    return xp.zeros_like(y) if t is None else t


def values_and_dyads(xp: Any, y: Any) -> tuple[Array, ...]:
    """Return singular values, and what determines singular vectors up to phases."""
    u, s, vh = y
    k = s.shape[-1]
    weights = numbered(u, k)
    u1, v = u[..., :k] * weights, adjoint(xp, vh)
    u2, v1, v2 = u[..., k:], v[..., :k] * weights, v[..., k:]
    of_u = u1 @ adjoint(xp, u1) - u2 @ adjoint(xp, u2)
    of_v = v1 @ adjoint(xp, v1) - v2 @ adjoint(xp, v2)
    return s, u1 @ adjoint(xp, v1), hermitian(xp, of_u), hermitian(xp, of_v)


SHAPES = (
    sample((3, 3)).of(separated),
    sample((4, 2)).of(separated),
    sample((2, 4)).of(separated).complex(),
    sample((2, 2, 2)).of(separated),
)


@general(
    outputs=("U", "S", "Vh"),
    jvp={"x": svd_jvp},
    vjp={"x": svd_vjp},
    samples=(
        *[each.seen(values_and_dyads) for each in SHAPES],
        sample((3, 2), full_matrices=False).of(separated).seen(values_and_dyads),
        sample((2, 3), full_matrices=False).of(separated).seen(values_and_dyads),
    ),
    shape=shaped.singular_system,
)
def svd(x: Array, /, *, full_matrices: bool = True) -> Any:
    """Singular values, descending, and singular vectors: ``x = U S Vh``.

    With ``P = U^H x_dot V``, ``A = (P + P^H) / 2`` and ``B = (P - P^H) / 2``::

        S_dot = diagonal of real(P)
        U_dot = U (F * A + G * B) + (1 - U U^H) x_dot V / S
        V_dot = V (F * A - G * B) + (1 - V V^H) x_dot^H U / S

    where ``F[i, j] = 1 / (S[j] - S[i])``, 0 on the diagonal, and ``G[i, j] = 1 / (S[i]
    + S[j])`` (M. Seeger et al., "Auto-differentiating linear algebra", 2017, for real
    matrices; the diagonal of ``G * B`` is the term that complex ones need: Z.-Q. Wan
    and S.-X. Zhang, "Automatic differentiation for complex valued SVD", 2019). It
    shares out between ``U`` and ``V`` the phases that each pair has in common.

    Where singular values are equal to rounding ``F`` is 0, where they are 0 so are
    ``G`` and ``1 / S``, and the derivative of a singular value that is 0 is 0, the
    smallest subgradient. What does not depend on the choice among vectors of equal
    singular values, such as ``sum(S)`` or ``U Vh``, has the right derivative. With
    ``full_matrices``, the further columns turn as little as they can to stay orthogonal
    to the others; only what depends on the space they span has a derivative.
    """


def svdvals_jvp(xp: Any, t: Array, x: Array) -> Array:
    u, s, vh = xp.linalg.svd(x, full_matrices=False)
    moved = xp.sum(conjugate(xp, u) * (t @ adjoint(xp, vh)), axis=-2)
    return xp.where(is_negligible(s, max(x.shape[-2:])), 0.0, real_part(xp, moved))


def svdvals_vjp(xp: Any, t: Array, x: Array) -> Array:
    u, s, vh = xp.linalg.svd(x, full_matrices=False)
    t = xp.where(is_negligible(s, max(x.shape[-2:])), 0.0, t)
    return (u * as_row(t)) @ vh


@general(
    jvp={"x": svdvals_jvp},
    vjp={"x": svdvals_vjp},
    samples=SHAPES,
    shape=shaped.singular_values,
)
def svdvals(x: Array, /) -> Array:
    """Singular values, descending: those of `svd`."""


# ------------------------------------------------------------------ QR


def skew_of(xp: Any, n: Array) -> Array:
    """Return the antihermitian matrix with the lower triangle of another.

    And with the imaginary parts of its diagonal.
    """
    lower = xp.tril(n, k=-1)
    skew = lower - adjoint(xp, lower)
    if is_complex(n):
        skew = skew + diagonal_part(xp, n - adjoint(xp, n)) / 2
    return skew


def square_qr_jvp(xp: Any, t: Array, q: Array, r: Array) -> tuple[Array, Array]:
    """Return the tangents of both factors; ``r`` is square."""
    moved = transposed(xp, xp.linalg.solve(transposed(xp, r), transposed(xp, t)))
    n = adjoint(xp, q) @ moved
    skew = skew_of(xp, n)
    return q @ (skew - n) + moved, (n - skew) @ r


def square_qr_vjp(xp: Any, q_bar: Array, r_bar: Array, q: Array, r: Array) -> Array:
    """Return the cotangent of a matrix from those of its factors; ``r`` is square."""
    moved = r_bar @ adjoint(xp, r) - adjoint(xp, q) @ q_bar
    upper = xp.triu(moved, k=1)
    both = upper + adjoint(xp, upper) + hermitian(xp, diagonal_part(xp, moved))
    bar = q_bar + q @ both
    return adjoint(xp, xp.linalg.solve(r, adjoint(xp, bar)))


def qr_jvp(xp: Any, t: Array, x_shape: Shape, y: Any) -> tuple[Array, Array]:
    q, r = y
    m, n = x_shape[-2:]
    k = min(m, n)
    q_dot, r_dot = square_qr_jvp(xp, t[..., :k], q[..., :k], r[..., :k, :k])
    if m < n:
        right = adjoint(xp, q) @ (t[..., k:] - q_dot @ r[..., k:])
        r_dot = xp.concat([r_dot, right], axis=-1)
    if r.shape[-2] > k:
        r_dot = xp.concat([r_dot, xp.zeros_like(r[..., k:, :])], axis=-2)
    return with_null_space(xp, q_dot, q, k), r_dot


def qr_vjp(xp: Any, t: Any, x: Array, y: Any) -> Array:
    q, r = y
    m, n = x.shape[-2:]
    k = min(m, n)
    q_bar = without_null_space(xp, or_zeros(xp, t.Q, q), q, k)
    r_bar = or_zeros(xp, t.R, r)[..., :k, :]
    q1, r1 = q[..., :k], r[..., :k, :k]
    if m >= n:
        return square_qr_vjp(xp, q_bar, r_bar, q1, r1)
    right = r_bar[..., k:]
    q_bar = q_bar + x[..., k:] @ adjoint(xp, right)
    left = square_qr_vjp(xp, q_bar, r_bar[..., :k], q1, r1)
    return xp.concat([left, q @ right], axis=-1)


def dyads_and_null_space(xp: Any, y: Any) -> tuple[Array, ...]:
    """Return what determines columns of ``Q`` and rows of ``R`` up to phases.

    LAPACK chooses the signs, and another one where a matrix is triangular already.
    """
    q, r = y
    k = min(q.shape[-2], r.shape[-1])
    q1, r1, rest = q[..., :k] * numbered(q, k), r[..., :k, :], q[..., k:]
    of_q = q1 @ adjoint(xp, q1) - rest @ adjoint(xp, rest)
    return q1 @ r1, hermitian(xp, of_q), hermitian(xp, adjoint(xp, r1) @ r1)


@general(
    outputs=("Q", "R"),
    jvp={"x": qr_jvp},
    vjp={"x": qr_vjp},
    samples=(
        sample((3, 3)).of(separated).seen(dyads_and_null_space),
        sample((4, 2)).of(separated).seen(dyads_and_null_space),
        sample((2, 4)).of(separated).seen(dyads_and_null_space).complex(),
        sample((2, 2, 2)).of(separated).seen(dyads_and_null_space),
        sample((4, 2), mode="complete").of(separated).seen(dyads_and_null_space),
        sample((2, 3), mode="complete").of(separated).seen(dyads_and_null_space),
    ),
    shape=shaped.factors,
)
def qr(x: Array, /, *, mode: str = "reduced") -> Any:
    """Orthonormal ``Q`` and upper triangular ``R`` with ``x = Q R``.

    The first columns of ``x``, as many as rows if there are so many, must be linearly
    independent: else there is no derivative, and libraries raise or give inf and nan.
    With ``N = Q^H x_dot inv(R)`` and the antihermitian ``W`` that has the lower
    triangle of ``N``, ``Q_dot = x_dot inv(R) + Q (W - N)`` and ``R_dot = (N - W) R``;
    the diagonal of ``R`` stays real (S. F. Walter and L. Lehmann, "Algorithmic
    differentiation of linear algebra functions with application in optimum experimental
    design", 2010; wide matrices: D. A. O. Roberts and L. R. Roberts, "QR and LQ
    decomposition matrix backpropagation algorithms for square, wide, and deep
    matrices", 2020).

    In mode ``"complete"`` the further columns of ``Q`` turn as little as they can, as
    in `svd`: only what depends on the space they span has a derivative.
    """
