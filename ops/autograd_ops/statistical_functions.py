"""Statistical functions (the standard's chapter of that name)."""

from __future__ import annotations

from typing import Any

from autograd_core.batching import along_axis_or_flat
from autograd_core.declare import general, kink, linear
from autograd_core.graph import Array
from autograd_core.masks import Masked
from autograd_core.operation import sample
from autograd_ops import shape_rules as shaped
from autograd_ops.axes import Shape, along, count, normalized, with_axes
from autograd_ops.elementwise_functions import quotient

REDUCTIONS = (
    sample((3, 4)),
    sample((3, 4), axis=0),
    sample((2, 3, 4), axis=(0, -1)),
    sample((2, 3, 4), axis=1, keepdims=True),
    sample((3,), keepdims=True),
    sample(()),
)


# ------------------------------------------------------------------ sums and means


def sum_transpose(
    xp: Any, t: Array, x_shape: Shape, axis: Any, keepdims: bool
) -> Array:
    return xp.broadcast_to(with_axes(xp, t, x_shape, axis, keepdims), x_shape)


@linear(
    x=sum_transpose, samples=(*REDUCTIONS, sample((0, 2), axis=0)), shape=shaped.reduced
)
def sum(
    x: Array, /, *, axis: Any = None, dtype: Any = None, keepdims: bool = False
) -> Array:
    """Sum over axes."""


def mean_transpose(
    xp: Any, t: Array, x_shape: Shape, axis: Any, keepdims: bool
) -> Array:
    t = with_axes(xp, t / (count(x_shape, axis) or 1), x_shape, axis, keepdims)
    return xp.broadcast_to(t, x_shape)


@linear(x=mean_transpose, samples=REDUCTIONS, shape=shaped.reduced)
def mean(x: Array, /, *, axis: Any = None, keepdims: bool = False) -> Array:
    """Arithmetic mean over axes."""


def centred(xp: Any, x: Array, axis: Any, correction: float) -> Array:
    """Return the derivative of the variance: ``2 (x - mean(x)) / (n - correction)``."""
    degrees = count(x.shape, axis) - correction
    scale = 2 / degrees if degrees else float("nan")
    return (x - xp.mean(x, axis=axis, keepdims=True)) * scale


def var_jvp(
    xp: Any, t: Array, x: Array, axis: Any, correction: float, keepdims: bool
) -> Array:
    return xp.sum(t * centred(xp, x, axis, correction), axis=axis, keepdims=keepdims)


def var_vjp(
    xp: Any, t: Array, x: Array, axis: Any, correction: float, keepdims: bool
) -> Array:
    t = with_axes(xp, t, x.shape, axis, keepdims)
    return t * centred(xp, x, axis, correction)


@general(
    jvp={"x": var_jvp},
    vjp={"x": var_vjp},
    takes_complex=False,
    samples=(*REDUCTIONS[:-1], sample((5,), correction=1.0)),
    shape=shaped.reduced,
)
def var(
    x: Array, /, *, axis: Any = None, correction: float = 0.0, keepdims: bool = False
) -> Array:
    """Variance over axes, ``sum((x - mean(x))**2) / (n - correction)``."""


def half_inverse(xp: Any, y: Array) -> Array:
    """Return ``1 / (2 y)``, 0 where y is 0: the factor from variance to deviation."""
    return quotient(xp, 0.5, y)


def std_jvp(
    xp: Any, t: Array, x: Array, y: Array, axis: Any, correction: float, keepdims: bool
) -> Array:
    return var_jvp(xp, t, x, axis, correction, keepdims) * half_inverse(xp, y)


def std_vjp(
    xp: Any, t: Array, x: Array, y: Array, axis: Any, correction: float, keepdims: bool
) -> Array:
    return var_vjp(xp, t * half_inverse(xp, y), x, axis, correction, keepdims)


@general(
    jvp={"x": std_jvp},
    vjp={"x": std_vjp},
    takes_complex=False,
    samples=(*REDUCTIONS[:-1], sample((5,), correction=1.0)),
    kinks=[
        kink(
            [2.0, 2.0],
            gradient=[[0.0, 0.0]],
            reason="the smallest subgradient of a norm",
        )
    ],
    shape=shaped.reduced,
)
def std(
    x: Array, /, *, axis: Any = None, correction: float = 0.0, keepdims: bool = False
) -> Array:
    """Standard deviation over axes; the gradient at a constant input is 0."""


# ------------------------------------------------------------------ extremes


def shares(
    xp: Any, x: Array, y: Array, axis: Any, keepdims: bool
) -> tuple[Array, Array]:
    """Return where the extreme is attained, and among how many it is shared."""
    hit = x == with_axes(xp, y, x.shape, axis, keepdims)
    number = xp.sum(xp.astype(hit, x.dtype), axis=axis, keepdims=True)
    return hit, number


def extreme_jvp(
    xp: Any, t: Array, x: Array, y: Array, axis: Any, keepdims: bool
) -> Array:
    hit, number = shares(xp, x, y, axis, keepdims)
    return xp.sum(xp.where(hit, t / number, 0.0), axis=axis, keepdims=keepdims)


def extreme_vjp(
    xp: Any, t: Array, x: Array, y: Array, axis: Any, keepdims: bool
) -> Masked:
    hit, number = shares(xp, x, y, axis, keepdims)
    share = with_axes(xp, t, x.shape, axis, keepdims) / number
    return Masked(xp.where(hit, share, 0.0), hit)


@general(
    jvp={"x": extreme_jvp},
    vjp={"x": extreme_vjp},
    takes_complex=False,
    positive=True,
    samples=REDUCTIONS,
    kinks=[kink([1.0, 3.0, 3.0], gradient=[[0.0, 0.5, 0.5]], reason="symmetric")],
    shape=shaped.reduced,
)
def max(x: Array, /, *, axis: Any = None, keepdims: bool = False) -> Array:
    """Maximum over axes; elements that tie share the cotangent equally."""


@general(
    jvp={"x": extreme_jvp},
    vjp={"x": extreme_vjp},
    takes_complex=False,
    positive=True,
    samples=REDUCTIONS,
    kinks=[kink([1.0, 1.0, 3.0], gradient=[[0.5, 0.5, 0.0]], reason="symmetric")],
    shape=shaped.reduced,
)
def min(x: Array, /, *, axis: Any = None, keepdims: bool = False) -> Array:
    """Minimum over axes; elements that tie share the cotangent equally."""


# ------------------------------------------------------------------ products


def shifted(xp: Any, x: Array, axis: int) -> Array:
    """Return ``x`` moved up by one place along an axis, with a one in front."""
    head = xp.ones_like(x[along(axis, slice(0, 1))])
    return xp.concat([head, x[along(axis, slice(0, -1))]], axis=axis)


def product_of_others(xp: Any, x: Array, axis: Any) -> Array:
    """Return, for each element, the product of the others: right at zeros too."""
    shape = tuple(x.shape)
    taken = normalized(axis, len(shape))
    order = (*(k for k in range(len(shape)) if k not in taken), *taken)
    n = count(shape, axis)
    if n == 0 or 0 in shape:
        return x
    kept = tuple(shape[k] for k in order[: len(shape) - len(taken)])
    rows = xp.reshape(xp.permute_dims(x, order), (*kept, n))
    last = len(kept)
    before = xp.cumulative_prod(shifted(xp, rows, last), axis=last)
    turned = xp.flip(rows, axis=last)
    after = xp.flip(xp.cumulative_prod(shifted(xp, turned, last), axis=last), axis=last)
    others = xp.reshape(before * after, tuple(shape[k] for k in order))
    return xp.permute_dims(others, tuple(order.index(k) for k in range(len(shape))))


def prod_jvp(xp: Any, t: Array, x: Array, axis: Any, keepdims: bool) -> Array:
    return xp.sum(t * product_of_others(xp, x, axis), axis=axis, keepdims=keepdims)


def prod_vjp(xp: Any, t: Array, x: Array, axis: Any, keepdims: bool) -> Array:
    return with_axes(xp, t, x.shape, axis, keepdims) * product_of_others(xp, x, axis)


@general(
    jvp={"x": prod_jvp},
    vjp={"x": prod_vjp},
    holomorphic=True,
    samples=REDUCTIONS,
    shape=shaped.reduced,
)
def prod(
    x: Array, /, *, axis: Any = None, dtype: Any = None, keepdims: bool = False
) -> Array:
    """Product over axes; the gradient is exact at zeros, as nothing is divided."""


def scanned(axis: Any, ndim: int) -> int:
    """Return the one axis of a scan, to which a 0-d array is an array of one."""
    return normalized(axis, ndim)[0] if ndim else 0


def with_an_axis(xp: Any, x: Array) -> Array:
    """Return a 0-d array as an array of one."""
    return x if x.shape else xp.reshape(x, (1,))


def cumulative_sum_transpose(
    xp: Any, t: Array, x_shape: Shape, axis: Any, include_initial: bool
) -> Array:
    k = scanned(axis, len(x_shape))
    if include_initial:
        t = t[along(k, slice(1, None))]
    total = xp.flip(xp.cumulative_sum(xp.flip(t, axis=k), axis=k), axis=k)
    return total if x_shape else xp.reshape(total, ())


SCANS = (
    sample((4,)),
    sample((3, 4), axis=0),
    sample((2, 3, 4), axis=-2),
    sample((3, 4), axis=1, include_initial=True),
)


@linear(
    x=cumulative_sum_transpose,
    batching=along_axis_or_flat,
    samples=SCANS,
    shape=shaped.scanned,
)
def cumulative_sum(
    x: Array, /, *, axis: Any = None, dtype: Any = None, include_initial: bool = False
) -> Array:
    """Sum of each element and those before it along an axis."""


def recurrence(xp: Any, a: Array, b: Array, axis: int) -> Array:
    """Solve ``s[k] = a[k] s[k-1] + b[k]`` along an axis, doubling the reach each step.

    Affine maps compose associatively (Blelloch 1990, "Prefix sums and their
    applications", section 1.4.1), which takes log2(n) steps of array operations and no
    division.
    """
    n, reach = b.shape[axis], 1
    while reach < n:
        early, late = along(axis, slice(0, reach)), along(axis, slice(reach, None))
        past = along(axis, slice(0, n - reach))
        b = xp.concat([b[early], b[late] + a[late] * b[past]], axis=axis)
        a = xp.concat([a[early], a[late] * a[past]], axis=axis)
        reach *= 2
    return b


def cumulative_prod_jvp(
    xp: Any, t: Array, x: Array, y: Array, axis: Any, include_initial: bool
) -> Array:
    k = scanned(axis, len(x.shape))
    if 0 in x.shape:
        return xp.zeros_like(y)
    x, t = with_an_axis(xp, x), with_an_axis(xp, t)
    before = xp.cumulative_prod(shifted(xp, x, k), axis=k)
    y_dot = recurrence(xp, x, t * before, k)
    if include_initial:
        zero = xp.zeros_like(y_dot[along(k, slice(0, 1))])
        y_dot = xp.concat([zero, y_dot], axis=k)
    return y_dot


def cumulative_prod_vjp(
    xp: Any, t: Array, x: Array, axis: Any, include_initial: bool
) -> Array:
    k, x_shape = scanned(axis, len(x.shape)), tuple(x.shape)
    if 0 in x_shape:
        return xp.zeros_like(x)
    if include_initial:
        t = t[along(k, slice(1, None))]
    x = with_an_axis(xp, x)
    before = xp.cumulative_prod(shifted(xp, x, k), axis=k)
    after = shifted(xp, xp.flip(x, axis=k), k)
    s = xp.flip(recurrence(xp, after, xp.flip(t, axis=k), k), axis=k)
    return s * before if x_shape else xp.reshape(s * before, ())


@general(
    jvp={"x": cumulative_prod_jvp},
    vjp={"x": cumulative_prod_vjp},
    batching=along_axis_or_flat,
    holomorphic=True,
    samples=SCANS,
    shape=shaped.scanned,
)
def cumulative_prod(
    x: Array, /, *, axis: Any = None, dtype: Any = None, include_initial: bool = False
) -> Array:
    """Product of each element and those before it along an axis; exact at zeros."""
