"""Linear algebra extension (the standard's chapter of that name).

Matrix decompositions are in `decompositions`, norms in `norms`; all are operations of
this namespace. Rules are adjoints: of complex matrices they conjugate where they
transpose. M. B. Giles, "An extended collection of matrix derivative results for forward
and reverse mode algorithmic differentiation" (2008), has most of them for real ones.
"""

from __future__ import annotations

from operator import index
from typing import Any

from autograd_core.declare import composite, constant, general, linear, sample
from autograd_core.edges import conjugate
from autograd_core.graph import Array
from autograd_core.tensor import is_complex, stopped
from autograd_ops import batching_rules as batched
from autograd_ops import shape_rules as shaped
from autograd_ops.axes import Shape
from autograd_ops.decompositions import (
    cholesky,
    eig,
    eigh,
    eigvals,
    eigvalsh,
    qr,
    svd,
    svdvals,
)
from autograd_ops.linear_algebra_functions import (
    matmul,
    matrix_transpose,
    tensordot,
    transposed,
    vecdot,
)
from autograd_ops.manipulation_functions import reshape
from autograd_ops.matrices import (
    adjoint,
    adjugate,
    identity_like,
    lifted,
    real_part,
    well_conditioned,
)
from autograd_ops.norms import matrix_norm, vector_norm
from autograd_ops.statistical_functions import sum
from autograd_ops.undeclared import members, undeclared

EXTENSION = "linalg"

__all__ = [
    "cholesky",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "inv",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensordot",
    "trace",
    "vecdot",
    "vector_norm",
]


def __getattr__(name: str) -> Any:
    """Return a function of the default backend that has no derivative rule."""
    return undeclared(name, EXTENSION)


def __dir__() -> list[str]:
    """Return what belongs to the extension: no rules, no imports."""
    return sorted({*members(EXTENSION), *__all__})


# ------------------------------------------------------------------ parts and products


def diagonal_key(shape: Shape, offset: int) -> tuple[Any, ...]:
    """Return the key of a diagonal among the elements of a matrix in one row."""
    m, n = shape[-2:]
    first, length = (offset, n - offset) if offset >= 0 else (-offset * n, m + offset)
    length = max(0, min(length, m if offset >= 0 else n))
    if not length:
        return (..., slice(0, 0))
    return (..., slice(first, first + length * (n + 1) - n, n + 1))


def diagonal_transpose(xp: Any, t: Array, x_shape: Shape, offset: int) -> Array:
    flat = (*x_shape[:-2], x_shape[-2] * x_shape[-1])
    whole = xp.pad_index(t, key=diagonal_key(x_shape, offset), shape=flat)
    return xp.reshape(whole, tuple(x_shape))


DIAGONALS = (
    sample((3, 3)),
    sample((3, 4), offset=1),
    sample((2, 3, 5), offset=-1),
    sample((4, 2), offset=-3),
    sample((1, 0), offset=1),
    sample((2, 3), offset=2),
)


@linear(x=diagonal_transpose, samples=DIAGONALS, shape=shaped.on_diagonal)
def diagonal(x: Array, /, *, offset: int = 0) -> Array:
    """Diagonal of each matrix, above the main one by ``offset``."""


@composite("x", samples=DIAGONALS)
def trace(x: Array, /, *, offset: int = 0, dtype: Any = None) -> Array:
    """Sum of the diagonal of each matrix."""
    return sum(diagonal(x, offset=offset), axis=-1, dtype=dtype)


@composite("x1", "x2", samples=(sample((3,), (4,)), sample((1,), (0,))))
def outer(x1: Array, x2: Array, /) -> Array:
    """Outer product of two vectors; nothing is conjugated."""
    return reshape(x1, (-1, 1)) * reshape(x2, (1, -1))


def cross_x1(xp: Any, t: Array, x2: Array, axis: int) -> Array:
    return xp.linalg.cross(x2, t, axis=axis)


def cross_x2(xp: Any, t: Array, x1: Array, axis: int) -> Array:
    return xp.linalg.cross(t, x1, axis=axis)


@linear(
    x1=cross_x1,
    x2=cross_x2,
    broadcasts=True,
    samples=(
        sample((3,), (3,)),
        sample((2, 3), (2, 3)),
        sample((3, 2), (3, 2), axis=-2),
        sample((2, 1, 3), (4, 3)),
    ),
    shape=shaped.crossed,
)
def cross(x1: Array, x2: Array, /, *, axis: int = -1) -> Array:
    """Cross product of vectors of three elements; nothing is conjugated."""


# ------------------------------------------------------------------ inverses


def inv_jvp(xp: Any, t: Array, y: Array) -> Array:
    return -(y @ t @ y)


def inv_vjp(xp: Any, t: Array, y: Array) -> Array:
    y = adjoint(xp, y)
    return -(y @ t @ y)


@general(
    jvp={"x": inv_jvp},
    vjp={"x": inv_vjp},
    samples=(
        sample((3, 3)).of(well_conditioned),
        sample((2, 2, 2)).of(well_conditioned),
    ),
    shape=shaped.same_square,
)
def inv(x: Array, /) -> Array:
    """Inverse of each matrix: ``y_dot = -y x_dot y`` (Giles 2008, section 2.2.3)."""


def as_columns(x: Array, x2_ndim: int) -> Array:
    """Return right-hand sides or solutions as matrices, if they are vectors."""
    return x[..., None] if x2_ndim == 1 else x


def solve_x1_jvp(xp: Any, t: Array, x1: Array, x2_shape: Shape, y: Array) -> Array:
    right = -(t @ as_columns(y, len(x2_shape)))
    y_dot = xp.linalg.solve(x1, right)
    return y_dot[..., 0] if len(x2_shape) == 1 else y_dot


def solve_x2_jvp(xp: Any, t: Array, x1: Array) -> Array:
    return xp.linalg.solve(x1, t)


def solve_x1_vjp(xp: Any, t: Array, x1: Array, x2_shape: Shape, y: Array) -> Array:
    ndim = len(x2_shape)
    bar = xp.linalg.solve(adjoint(xp, x1), as_columns(t, ndim))
    return -(bar @ adjoint(xp, as_columns(y, ndim)))


def solve_x2_vjp(xp: Any, t: Array, x1: Array, x2_shape: Shape) -> Array:
    bar = xp.linalg.solve(adjoint(xp, x1), as_columns(t, len(x2_shape)))
    return bar[..., 0] if len(x2_shape) == 1 else bar


def well_conditioned_system(xp: Any, x1: Array, x2: Array) -> tuple[Array, Array]:
    """Return a system of equations that is far from singular."""
    return well_conditioned(xp, x1), x2


@general(
    jvp={"x1": solve_x1_jvp, "x2": solve_x2_jvp},
    vjp={"x1": solve_x1_vjp, "x2": solve_x2_vjp},
    batching=batched.solved,
    broadcasts=True,
    samples=(
        sample((3, 3), (3, 2)).of(well_conditioned_system),
        sample((3, 3), (3,)).of(well_conditioned_system),
        sample((2, 2, 2), (2,)).of(well_conditioned_system),
        sample((2, 1, 2, 2), (3, 2, 1)).of(well_conditioned_system),
    ),
    shape=shaped.solved,
)
def solve(x1: Array, x2: Array, /) -> Array:
    """Solve ``x1 y = x2``, for a vector or for stacked matrices.

    ``y_dot = inv(x1) (x2_dot - x1_dot y)``; in reverse ``x2_bar = inv(x1)^H y_bar`` and
    ``x1_bar = -x2_bar y^H`` (Giles 2008, section 2.3.1).
    """


def pinv_jvp(xp: Any, t: Array, x: Array, y: Array) -> Array:
    t_h, y_h = adjoint(xp, t), adjoint(xp, y)
    of_columns = y @ (y_h @ (t_h - (t_h @ x) @ y))
    of_rows = ((t_h - y @ (x @ t_h)) @ y_h) @ y
    return of_columns + of_rows - y @ t @ y


def pinv_vjp(xp: Any, t: Array, x: Array, y: Array) -> Array:
    y_h, y_t = adjoint(xp, y), y @ adjoint(xp, t)
    of_columns = ((adjoint(xp, t) - x @ y_t) @ y) @ y_h
    of_rows = y_h @ (y_t - (y_t @ y) @ x)
    return of_columns + of_rows - y_h @ t @ y_h


@general(
    jvp={"x": pinv_jvp},
    vjp={"x": pinv_vjp},
    batching=batched.with_tolerance,
    samples=(
        sample((3, 2)),
        sample((2, 3)),
        sample((2, 2, 2)).of(well_conditioned),
        sample((3, 2), rtol=1e-3),
    ),
    shape=shaped.inverted,
)
def pinv(x: Array, /, *, rtol: Any = None) -> Array:
    """Pseudo-inverse of each matrix.

    The derivative is that at constant rank, the only one there is: of ``x``, ``P`` the
    result and ``D`` a tangent, ``-P D P + P P^H D^H (1 - x P) + (1 - P x) D^H P^H P``
    (G. H. Golub and V. Pereyra, "The differentiation of pseudo-inverses and nonlinear
    least squares problems whose variables separate", SIAM J. Numer. Anal. 10, 1973,
    equation 4.12). Where rank is deficient, tangents that raise it are ignored.
    """


# ------------------------------------------------------------------ determinants


def det_jvp(xp: Any, t: Array, x: Array, y: Array) -> Array:
    return xp.sum(transposed(xp, adjugate(xp, x, y)) * t, axis=(-2, -1))


def det_vjp(xp: Any, t: Array, x: Array, y: Array) -> Array:
    return lifted(t) * transposed(xp, adjugate(xp, x, y))


@general(
    jvp={"x": det_jvp},
    vjp={"x": det_vjp},
    holomorphic=True,
    samples=(
        sample((3, 3)),
        sample((2, 2, 2)),
        sample((5, 5)),
    ),
    shape=shaped.determinants,
)
def det(x: Array, /) -> Array:
    """Compute the determinant of each matrix.

    Its derivative is the cofactors, by Jacobi's formula: ``y_dot = trace(adj(x)
    x_dot)``. They exist for singular matrices too, and so do all further derivatives,
    which are right at any rank (`matrices.adjugate`).
    """


def inverse_or_nan(xp: Any, x: Array, sign: Array) -> Array:
    """Return the inverse, nan where there is none, which libraries raise for."""
    singular = lifted(stopped(sign) == 0)
    safe = xp.where(singular, identity_like(x, x.shape[-1]), x)
    return xp.where(singular, float("nan"), xp.linalg.inv(safe))


def slogdet_jvp(xp: Any, t: Array, x: Array, y: Any) -> tuple[Array, Array]:
    inverse = inverse_or_nan(xp, x, y[0])
    moved = xp.sum(transposed(xp, inverse) * t, axis=(-2, -1))
    along = real_part(xp, moved)
    if is_complex(moved):
        return y[0] * (moved - along), along
    return xp.zeros_like(moved), along


def slogdet_vjp(xp: Any, t: Any, x: Array, y: Any) -> Array:
    of_sign, scale = t
    if of_sign is not None and is_complex(x):
        turned = conjugate(xp, of_sign) * y[0]
        turned = turned - xp.real(turned)
        scale = -turned if scale is None else scale - turned
    if scale is None:
        return xp.zeros_like(x)
    return lifted(scale) * adjoint(xp, inverse_or_nan(xp, x, y[0]))


@general(
    outputs=("sign", "logabsdet"),
    jvp={"x": slogdet_jvp},
    vjp={"x": slogdet_vjp},
    samples=(
        sample((3, 3)),
        sample((2, 2, 2)),
        sample((3, 3)).of(well_conditioned).complex(),
    ),
    shape=shaped.sign_and_logarithm,
)
def slogdet(x: Array, /) -> Any:
    """Sign of the determinant of each matrix, and the logarithm of its absolute value.

    With ``w = trace(inv(x) x_dot)`` the tangent of the logarithm is the real part of
    ``w``, and that of the sign is ``sign * i * imag(w)``: 0 for real matrices. At a
    singular matrix the derivative is nan, as for ``log(abs(x))`` at 0.
    """


# ------------------------------------------------------------------ powers and rank


def matrix_power_jvp(xp: Any, t: Array, x: Array, n: int) -> Array:
    n = index(n)
    if n == 0:
        return xp.zeros_like(t)
    if n < 0:
        x = xp.linalg.inv(x)
        t = -(x @ t @ x)
    result = result_dot = None
    for k, digit in enumerate(reversed(f"{abs(n):b}")):
        if k:  # the next power of two, and its tangent
            x, t = x @ x, x @ t + t @ x
        if digit == "1" and result is None:
            result, result_dot = x, t
        elif digit == "1":
            result_dot = result_dot @ x + result @ t
            result = result @ x
    return result_dot


def matrix_power_vjp(xp: Any, t: Array, x: Array, n: int) -> Array:
    # the sum of x**i t x**(n - 1 - i) is its own adjoint, but for x
    return matrix_power_jvp(xp, t, adjoint(xp, x), n)


@general(
    jvp={"x": matrix_power_jvp},
    vjp={"x": matrix_power_vjp},
    samples=(
        sample((2, 2), n=3).of(well_conditioned),
        sample((2, 2), n=0),
        sample((2, 2), n=1),
        sample((2, 3, 3), n=-2).of(well_conditioned),
        sample((2, 2), n=6).of(well_conditioned),
    ),
    shape=shaped.same_square,
)
def matrix_power(x: Array, n: int, /) -> Array:
    """Product of ``n`` copies of each matrix; of its inverse if ``n`` is negative.

    The tangent is the sum of ``x**i x_dot x**(n - 1 - i)``, by repeated squaring.
    """


@constant(batching=batched.with_tolerance, shape=shaped.ranks)
def matrix_rank(x: Array, /, *, rtol: Any = None) -> Array:
    """Rank of each matrix, an integer: the derivative is zero."""
