"""Error functions and the normal distribution."""

from __future__ import annotations

import math
from typing import Any

from autograd_core.declare import kink
from autograd_core.graph import Array
from autograd_ops.special_support import series, special_function

EXTENSION = "special"

TWO_OVER_ROOT_PI = 2 / math.sqrt(math.pi)
ROOT_HALF_PI = math.sqrt(math.pi / 2)
ROOT_HALF = math.sqrt(0.5)

# ------------------------------------------------------------------ error functions


def erf_x(xp: Any, t: Array, x: Array) -> Array:
    return t * (TWO_OVER_ROOT_PI * xp.exp(-x * x))


@special_function(x=erf_x, takes_complex=True)
def erf(x: Array, /) -> Array:
    """Error function; derivative ``2 exp(-x**2) / sqrt(pi)``."""


def erfc_x(xp: Any, t: Array, x: Array) -> Array:
    return t * (-TWO_OVER_ROOT_PI * xp.exp(-x * x))


@special_function(x=erfc_x, takes_complex=True)
def erfc(x: Array, /) -> Array:
    """``1 - erf(x)``, accurate where it is small; derivative ``-erf'(x)``."""


ERFCX_TAIL = [1.0]
"""Coefficients in ``1 / (2 x**2)`` of ``-sqrt(pi) x**2 erfcx'(x)`` as x grows:
``(-1)**k (2 k + 1)!!`` (Digital Library of Mathematical Functions, 7.12.1)."""
for _k in range(1, 18):
    ERFCX_TAIL.append(-ERFCX_TAIL[-1] * (2 * _k + 1))


def erfcx_x(xp: Any, t: Array, x: Array, y: Array) -> Array:
    large = x > 8.0  # where the difference of the formula cancels
    near = 2 * xp.where(large, 0.0, x) * y - TWO_OVER_ROOT_PI
    inverse = 1 / xp.where(large, x, 1.0)
    square = inverse * inverse
    tail = series(xp, square / 2, large, ERFCX_TAIL)
    return t * xp.where(large, -TWO_OVER_ROOT_PI / 2 * square * tail, near)


@special_function(x=erfcx_x)
def erfcx(x: Array, /) -> Array:
    """``exp(x**2) erfc(x)``; derivative ``2 x y - 2 / sqrt(pi)``.

    Where ``x > 8`` that difference is summed from the asymptotic series.
    """


def erfinv_x(xp: Any, t: Array, y: Array) -> Array:
    return t * (xp.exp(y * y) / TWO_OVER_ROOT_PI)


@special_function(
    x=erfinv_x,
    domain=(-1.0, 1.0),
    kinks=[
        kink(1.0, gradient=[math.inf], reason="the limit"),
        kink(-1.0, gradient=[math.inf], reason="the limit"),
    ],
)
def erfinv(x: Array, /) -> Array:
    """Inverse of `erf`; derivative ``exp(y**2) sqrt(pi) / 2``."""


def erfcinv_x(xp: Any, t: Array, y: Array) -> Array:
    return t * (-xp.exp(y * y) / TWO_OVER_ROOT_PI)


@special_function(
    x=erfcinv_x,
    domain=(0.0, 2.0),
    kinks=[kink(0.0, gradient=[-math.inf], reason="the limit")],
)
def erfcinv(x: Array, /) -> Array:
    """Inverse of `erfc`; derivative ``-exp(y**2) sqrt(pi) / 2``."""


# ------------------------------------------------------------------ normal distribution


def normal_density(xp: Any, x: Array) -> Array:
    """Return the density of the standard normal distribution."""
    return xp.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def hazard(xp: Any, x: Array) -> Array:
    """Return density over distribution function of the normal distribution at ``x``.

    Below 0 through `erfcx`: neither 0 / 0 in the tail, nor a difference.
    """
    below = x < 0.0
    tail = xp.special.erfcx(xp.where(below, -x * ROOT_HALF, 0.0))
    above = xp.where(below, 0.0, x)
    body = normal_density(xp, above) / xp.special.ndtr(above)
    return xp.where(below, 1 / (ROOT_HALF_PI * tail), body)


def ndtr_x(xp: Any, t: Array, x: Array) -> Array:
    return t * normal_density(xp, x)


@special_function(x=ndtr_x)
def ndtr(x: Array, /) -> Array:
    """Distribution function of the normal distribution; derivative: its density."""


def log_ndtr_x(xp: Any, t: Array, x: Array) -> Array:
    return t * hazard(xp, x)


@special_function(x=log_ndtr_x)
def log_ndtr(x: Array, /) -> Array:
    """``log(ndtr(x))``; derivative density over `ndtr`, by `erfcx` below 0."""


def ndtri_x(xp: Any, t: Array, y: Array) -> Array:
    return t * (math.sqrt(2 * math.pi) * xp.exp(y * y / 2))


@special_function(
    x=ndtri_x,
    domain=(0.0, 1.0),
    kinks=[
        kink(0.0, gradient=[math.inf], reason="the limit"),
        kink(1.0, gradient=[math.inf], reason="the limit"),
    ],
)
def ndtri(x: Array, /) -> Array:
    """Inverse of `ndtr`: quantiles; derivative ``sqrt(2 pi) exp(y**2 / 2)``."""


def ndtri_exp_x(xp: Any, t: Array, y: Array) -> Array:
    return t * (ROOT_HALF_PI * xp.special.erfcx(-y * ROOT_HALF))


@special_function(x=ndtri_exp_x, domain=(-math.inf, 0.0))
def ndtri_exp(x: Array, /) -> Array:
    """Inverse of `log_ndtr`; derivative ``sqrt(pi / 2) erfcx(-y / sqrt(2))``."""
