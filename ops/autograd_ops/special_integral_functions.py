"""Exponential, elliptic and other integrals, and functions defined by series."""

from __future__ import annotations

import math
from typing import Any

from autograd_core.declare import kink
from autograd_core.graph import Array
from autograd_core.operation import POSITIVE, sample
from autograd_ops.special_support import (
    as_array,
    partly_known,
    series,
    special_function,
)

EXTENSION = "special"

# ------------------------------------------------------------------ exponential


def expi_x(xp: Any, t: Array, x: Array) -> Array:
    return t * (xp.exp(x) / x)


@special_function(x=expi_x, domain=POSITIVE)
def expi(x: Array, /) -> Array:
    """Exponential integral Ei; derivative ``exp(x) / x``."""


def exp1_x(xp: Any, t: Array, x: Array) -> Array:
    return t * (-xp.exp(-x) / x)


@special_function(x=exp1_x, domain=POSITIVE)
def exp1(x: Array, /) -> Array:
    """Exponential integral E1; derivative ``-exp(-x) / x``."""


def expn_x(xp: Any, t: Array, n: Any, x: Array, y: Array) -> Array:
    if isinstance(n, int):
        return t * (-xp.special.expn(n - 1, x) if n else -y * (1 + 1 / x))
    zeroth = as_array(xp, n, t) == 0
    before = xp.special.expn(n - xp.astype(~zeroth, n.dtype), x)
    return t * xp.where(zeroth, -y * (1 + 1 / x), -before)


@special_function(
    x=expn_x, domain=POSITIVE, samples=(sample((3,), n=2), sample((2,), n=[0, 3]))
)
def expn(n: Any, x: Array, /) -> Array:
    """Exponential integral of whole order n; derivative ``-expn(n - 1, x)``."""


# ------------------------------------------------------------------ elliptic


def central(k: int) -> float:
    """Return ``binom(2 k, k) / 4**k``."""
    return float(math.comb(2 * k, k) / 4**k)


ELLIPK_SLOPE = [math.pi / 2 * (k + 1) * central(k + 1) ** 2 for k in range(40)]
"""Coefficients of the derivative of `ellipk`."""

ELLIPE_SLOPE = [
    -math.pi / 2 * (k + 1) * central(k + 1) ** 2 / (2 * k + 1) for k in range(40)
]
"""Coefficients of the derivative of `ellipe`."""


def complete_slope(xp: Any, m: Array, rest: Array, y: Array) -> Array:
    """Return the derivative of `ellipk` at m, where it is y; ``rest`` is ``1 - m``."""
    inside = xp.abs(m) < 0.3
    near = series(xp, m, inside, ELLIPK_SLOPE)
    far = (xp.special.ellipe(m) - rest * y) / (2 * rest * xp.where(inside, 1.0, m))
    return xp.where(inside, near, far)


def ellipk_x(xp: Any, t: Array, x: Array, y: Array) -> Array:
    return t * complete_slope(xp, x, 1 - x, y)


@special_function(
    x=ellipk_x,
    domain=(-math.inf, 1.0),
)
def ellipk(x: Array, /) -> Array:
    """Complete elliptic integral of the first kind of parameter m.

    Derivative ``(ellipe(m) - (1 - m) y) / (2 m (1 - m))``, near 0 its series.
    """


def ellipkm1_x(xp: Any, t: Array, x: Array, y: Array) -> Array:
    return -t * complete_slope(xp, 1 - x, x, y)


@special_function(x=ellipkm1_x, domain=POSITIVE)
def ellipkm1(x: Array, /) -> Array:
    """``ellipk(1 - x)``, accurate near 0; minus its derivative."""


def ellipe_x(xp: Any, t: Array, x: Array, y: Array) -> Array:
    inside = xp.abs(x) < 0.3
    near = series(xp, x, inside, ELLIPE_SLOPE)
    far = (y - xp.special.ellipk(x)) / (2 * xp.where(inside, 1.0, x))
    return t * xp.where(inside, near, far)


@special_function(
    x=ellipe_x,
    domain=(-math.inf, 1.0),
    kinks=[kink(1.0, gradient=[-math.inf], reason="the limit")],
)
def ellipe(x: Array, /) -> Array:
    """Complete elliptic integral of the second kind of parameter m.

    Derivative ``(y - ellipk(m)) / (2 m)``, near 0 its series.
    """


# ------------------------------------------------------------------ dilogarithm

SPENCE_SLOPE = [(-1) ** (k + 1) / (k + 1) for k in range(44)]
"""Coefficients in ``x - 1`` of the derivative of `spence`."""


def spence_x(xp: Any, t: Array, x: Array) -> Array:
    inside = xp.abs(x - 1) < 0.3
    near = series(xp, x - 1, inside, SPENCE_SLOPE)
    safe = xp.where(inside, 2.0, x)
    return t * xp.where(inside, near, xp.log(safe) / (1 - safe))


@special_function(
    x=spence_x,
    domain=POSITIVE,
    kinks=[kink(0.0, gradient=[-math.inf], reason="the limit")],
)
def spence(x: Array, /) -> Array:
    """Dilogarithm of ``1 - x``; derivative ``log(x) / (1 - x)``, near 1 its series."""


# ------------------------------------------------------------------ by recurrence


def hyp1f1_x(xp: Any, t: Array, a: Any, b: Any, x: Array) -> Array:
    a, b = as_array(xp, a, t), as_array(xp, b, t)
    return t * (a / b * xp.special.hyp1f1(a + 1, b + 1, x))


@partly_known(
    *("a", "b"),
    x=hyp1f1_x,
    samples=(sample((3,), a=0.5, b=1.5), sample((2,), a=[1.0, 2.0], b=3.0)),
)
def hyp1f1(a: Array, b: Array, x: Array, /) -> Array:
    """Confluent hypergeometric function; in x ``a / b hyp1f1(a + 1, b + 1, x)``."""


def lpmv_x(xp: Any, t: Array, m: Any, v: Any, x: Array, y: Array) -> Array:
    v = as_array(xp, v, t)
    before = (v + as_array(xp, m, t)) * xp.special.lpmv(m, v - 1, x)
    return t * ((v * x * y - before) / (x * x - 1))


@partly_known(
    "v",
    x=lpmv_x,
    domain=(-1.0, 1.0),
    samples=(
        sample((3,), m=1, v=2.0),
        sample((2,), m=[0, 2], v=[3.0, 2.5]),
        sample((2,), m=-1, v=2.0),
    ),
)
def lpmv(m: Any, v: Array, x: Array, /) -> Array:
    """Associated Legendre function of whole order m and degree v.

    Derivative in x ``(v x y - (v + m) lpmv(m, v - 1, x)) / (x**2 - 1)``.
    """
