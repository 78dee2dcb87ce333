"""Sums of exponentials and what is normalised by them."""

from __future__ import annotations

import math
from typing import Any

import autograd_core.tensor as tensor
from autograd_core.backend import backend_of, implement
from autograd_core.declare import composite, general, kink, sample
from autograd_core.graph import Array
from autograd_core.tensor import lowest, namespace_of, stopped
from autograd_ops.axes import normalized, with_axes
from autograd_ops.special_support import as_array

EXTENSION = "special"

ROWS = (
    sample((3, 4)),
    sample((3, 4), axis=0),
    sample((2, 3, 2), axis=(0, -1)),
    sample(()),
)

ORDINARY = (0.5, 20.0)
"""Where checks draw: of tiny differences a sum of tangents leaves only rounding."""

# ------------------------------------------------------------------ softmax


def softmax_rule(xp: Any, t: Array, y: Array, axis: Any) -> Array:
    return y * (t - xp.sum(t * y, axis=axis, keepdims=True))


def softmax_forward(xp: Any, x: Array, axis: Any = None) -> Array:
    powers = xp.exp(x - xp.max(x, axis=axis, keepdims=True))
    return powers / xp.sum(powers, axis=axis, keepdims=True)


@general(
    jvp={"x": softmax_rule},
    vjp={"x": softmax_rule},
    takes_complex=False,
    domain=ORDINARY,
    samples=ROWS,
    implementation=softmax_forward,
)
def softmax(x: Array, /, axis: Any = None) -> Array:
    """``exp(x) / sum(exp(x))`` over axes; derivative ``y (t - sum(t y))``."""


def log_softmax_jvp(xp: Any, t: Array, y: Array, axis: Any) -> Array:
    return t - xp.sum(t * xp.exp(y), axis=axis, keepdims=True)


def log_softmax_vjp(xp: Any, t: Array, y: Array, axis: Any) -> Array:
    return t - xp.exp(y) * xp.sum(t, axis=axis, keepdims=True)


def log_softmax_forward(xp: Any, x: Array, axis: Any = None) -> Array:
    moved = x - xp.max(x, axis=axis, keepdims=True)
    return moved - xp.log(xp.sum(xp.exp(moved), axis=axis, keepdims=True))


@general(
    jvp={"x": log_softmax_jvp},
    vjp={"x": log_softmax_vjp},
    takes_complex=False,
    domain=ORDINARY,
    samples=ROWS,
    implementation=log_softmax_forward,
)
def log_softmax(x: Array, /, axis: Any = None) -> Array:
    """``log(softmax(x))``; derivative ``t - sum(t exp(y))``."""


# ------------------------------------------------------------------ logsumexp


def shares(xp: Any, a: Array, y: Array, axis: Any, keepdims: bool) -> Array:
    """Return `softmax`; where the sum is infinite or 0, equal shares of what makes it.

    As `maximum` and `logaddexp`, which tie there.
    """
    y = with_axes(xp, y, a.shape, axis, keepdims)
    lost = (y == math.inf) | (y == -math.inf)
    top = xp.astype((a == y) & lost, a.dtype)
    number = xp.sum(top, axis=axis, keepdims=True)
    ordinary = xp.special.softmax(xp.where(lost, 0.0, a), axis=axis)
    limit = top / xp.where(number == 0, 1.0, number)
    return xp.where(lost, limit, ordinary)


def log_sum_jvp(
    xp: Any, t: Array, a: Array, y: Array, axis: Any, keepdims: bool
) -> Array:
    weights = shares(xp, a, y, axis, keepdims)
    return xp.sum(t * weights, axis=axis, keepdims=keepdims)


def log_sum_vjp(
    xp: Any, t: Array, a: Array, y: Array, axis: Any, keepdims: bool
) -> Array:
    weights = shares(xp, a, y, axis, keepdims)
    return with_axes(xp, t, a.shape, axis, keepdims) * weights


def log_sum_forward(
    xp: Any, a: Array, axis: Any = None, keepdims: bool = False
) -> Array:
    if 0 not in a.shape:
        return xp.special.logsumexp(a, axis=axis, keepdims=keepdims)
    for k in sorted(normalized(axis, len(a.shape)), reverse=True):
        a = xp.special.logsumexp(a, axis=k, keepdims=keepdims)  # SciPy 1.17 takes one
    return a


@general(
    jvp={"a": log_sum_jvp},
    vjp={"a": log_sum_vjp},
    takes_complex=False,
    samples=(*ROWS[:-1], sample((3, 4), axis=1, keepdims=True)),
    kinks=[
        kink(
            [-math.inf, -math.inf],
            gradient=[[0.5, 0.5]],
            reason="symmetric, as of `logaddexp`",
        ),
        kink(
            [math.inf, 1.0, math.inf],
            gradient=[[0.5, 0.0, 0.5]],
            reason="symmetric, as of `max`",
        ),
    ],
    implementation=log_sum_forward,
)
def log_sum_exp(a: Array, /, *, axis: Any = None, keepdims: bool = False) -> Array:
    """`logsumexp` without weights; derivative ``sum(t softmax(a))``. Not in SciPy."""


def signed_share(
    xp: Any, a: Array, b: Array, y: Array, sign: Array, axis: Any, keepdims: bool
) -> Array:
    """Return ``sign exp(a - y)``, what a change of a weight does to the logarithm.

    Where the sum is infinite or 0, one over the weights of what makes it, so that the
    derivative in ``a`` is that of `shares`. At most the largest number: times a weight
    of 0 that is 0.
    """
    shape = tuple((a + b).shape)
    y, sign = (with_axes(xp, each, shape, axis, keepdims) for each in (y, sign))
    lost = (y == math.inf) | (y == -math.inf)
    b = as_array(xp, b, a)
    top = xp.astype((a == y) & lost, b.dtype)
    number = xp.sum(top * b, axis=axis, keepdims=True)
    limit = top / xp.where(number == 0, math.inf, number)
    raw = lowest(y)
    most = math.log(backend_of(raw).finfo(raw.dtype).max) - 1
    power = xp.where(lost, 0.0, a - xp.where(lost, 0.0, y))
    power = xp.where((b == 0) & (power > most), most, power)
    return xp.where(lost, limit, sign * xp.exp(power))


def weighted_a_jvp(
    xp: Any,
    t: Array,
    a: Array,
    b: Array,
    value: Array,
    sign: Array,
    axis: Any,
    keepdims: bool,
) -> tuple[Array, Array]:
    weights = b * signed_share(xp, a, b, value, sign, axis, keepdims)
    return xp.sum(t * weights, axis=axis, keepdims=keepdims), xp.zeros_like(sign)


def weighted_b_jvp(
    xp: Any,
    t: Array,
    a: Array,
    b: Array,
    value: Array,
    sign: Array,
    axis: Any,
    keepdims: bool,
) -> tuple[Array, Array]:
    weights = signed_share(xp, a, b, value, sign, axis, keepdims)
    return xp.sum(t * weights, axis=axis, keepdims=keepdims), xp.zeros_like(sign)


def weighted_b_vjp(
    xp: Any,
    t: Any,
    a: Array,
    b: Array,
    value: Array,
    sign: Array,
    axis: Any,
    keepdims: bool,
) -> Array:
    weights = signed_share(xp, a, b, value, sign, axis, keepdims)
    if t.value is None:
        return xp.zeros_like(weights)
    return with_axes(xp, t.value, weights.shape, axis, keepdims) * weights


def weighted_a_vjp(
    xp: Any,
    t: Any,
    a: Array,
    b: Array,
    value: Array,
    sign: Array,
    axis: Any,
    keepdims: bool,
) -> Array:
    return b * weighted_b_vjp(xp, t, a, b, value, sign, axis, keepdims)


def weighted_forward(
    xp: Any, a: Array, b: Array, axis: Any = None, keepdims: bool = False
) -> tuple[Array, Array]:
    y, sign = xp.special.logsumexp(
        a, axis=axis, b=b, keepdims=keepdims, return_sign=True
    )
    return y, sign


@general(
    jvp={"a": weighted_a_jvp, "b": weighted_b_jvp},
    vjp={"a": weighted_a_vjp, "b": weighted_b_vjp},
    outputs=("value", "sign"),
    broadcasts=True,
    takes_complex=False,
    domain={"b": (0.0, math.inf)},
    samples=(sample((3,), (3,)), sample((2, 3), (2, 3), axis=1, keepdims=True)),
    implementation=weighted_forward,
)
def weighted_log_sum_exp(
    a: Array, b: Array, /, *, axis: Any = None, keepdims: bool = False
) -> Any:
    """`logsumexp` with weights and with the sign; in a ``sign b exp(a - y)``.

    Not in SciPy.
    """


def top_of(a: Array, b: Any, axis: Any) -> Array:
    """Return the largest exponent that counts, 0 where that is infinite.

    A constant: what it is does not change the sum.
    """
    a, b = stopped(a), stopped(b)
    xp = namespace_of(a)
    if b is not None:
        b = as_array(xp, b, a)
        a = xp.where(b == 0, -math.inf, a)
    top = xp.max(a, axis=axis, keepdims=True)
    return xp.where((top == math.inf) | (top == -math.inf), 0.0, top)


def logsumexp_forward(
    xp: Any,
    a: Array,
    axis: Any = None,
    b: Any = None,
    keepdims: bool = False,
    return_sign: bool = False,
) -> Any:
    """Compute `logsumexp` in calls of the standard."""
    top = top_of(a, b, axis)
    if b is None:
        terms = xp.exp(a - top)
    else:  # nothing overflows for a weight of 0
        b = as_array(xp, b, a)
        terms = b * xp.exp(xp.where((b == 0) & (a > top), top, a) - top)
    total = xp.sum(terms, axis=axis, keepdims=True)
    sign = xp.sign(total)
    y = xp.log(xp.abs(total) if return_sign else total) + top
    if not keepdims:
        y, sign = (squeezed(xp, part, axis) for part in (y, sign))
    return (y, sign) if return_sign else y


def squeezed(xp: Any, y: Array, axis: Any) -> Array:
    """Drop the axes that a reduction kept."""
    axis = tuple(range(len(y.shape))) if axis is None else axis
    return xp.squeeze(y, axis=axis)


implement("special.logsumexp", logsumexp_forward)


@composite(
    *("a", "b"),
    samples=(*ROWS[:-1], sample((3,), (3,))),
    domain={"b": (0.0, math.inf)},
    takes_complex=False,
)
def logsumexp(
    a: Array,
    /,
    axis: Any = None,
    b: Any = None,
    keepdims: bool = False,
    return_sign: bool = False,
) -> Any:
    """``log(sum(b exp(a)))`` over axes; derivative ``b exp(a - y)`` in a.

    With ``return_sign`` the logarithm of the absolute value, and the sign.
    """
    xp = tensor.operations
    if b is None and not return_sign:
        return xp.special.log_sum_exp(a, axis=axis, keepdims=keepdims)
    b = xp.ones_like(a) if b is None else b
    y, sign = xp.special.weighted_log_sum_exp(a, b, axis=axis, keepdims=keepdims)
    return (y, sign) if return_sign else xp.where(sign < 0, math.nan, y)
