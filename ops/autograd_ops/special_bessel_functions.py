"""Bessel functions.

Derivatives in the argument, of the orders 0 and 1 in terms of one another, of others in
terms of their neighbours (Digital Library of Mathematical Functions, 10.6, 10.29). In
the order there is none: where it may be fractional its use raises.
"""

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

SLOPE_J1 = [
    (-0.25) ** k / (2 * math.factorial(k) * math.factorial(k + 1)) for k in range(14)
]
"""Coefficients in ``x**2`` of ``j1(x) / x``."""

SLOPE_I1 = [abs(coefficient) for coefficient in SLOPE_J1]
"""Coefficients in ``x**2`` of ``i1(x) / x``."""


def over_x(xp: Any, x: Array, y: Array, coefficients: list[float]) -> Array:
    """Return ``y / x``, near 0 from its series, so that it is right there too."""
    inside = xp.abs(x) < 1.0
    near = series(xp, x * x, inside, coefficients)
    return xp.where(inside, near, y / xp.where(inside, 1.0, x))


# ------------------------------------------------------------------ of orders 0 and 1


def j0_x(xp: Any, t: Array, x: Array) -> Array:
    return t * -xp.special.j1(x)


@special_function(x=j0_x)
def j0(x: Array, /) -> Array:
    """Bessel function of the first kind, order 0; derivative ``-j1(x)``."""


def j1_x(xp: Any, t: Array, x: Array, y: Array) -> Array:
    return t * (xp.special.j0(x) - over_x(xp, x, y, SLOPE_J1))


@special_function(x=j1_x)
def j1(x: Array, /) -> Array:
    """Bessel function of the first kind, order 1; derivative ``j0(x) - y / x``."""


def y0_x(xp: Any, t: Array, x: Array) -> Array:
    return t * -xp.special.y1(x)


@special_function(x=y0_x, domain=POSITIVE)
def y0(x: Array, /) -> Array:
    """Bessel function of the second kind, order 0; derivative ``-y1(x)``."""


def y1_x(xp: Any, t: Array, x: Array, y: Array) -> Array:
    return t * (xp.special.y0(x) - y / x)


@special_function(x=y1_x, domain=POSITIVE)
def y1(x: Array, /) -> Array:
    """Bessel function of the second kind, order 1; derivative ``y0(x) - y / x``."""


def i0_x(xp: Any, t: Array, x: Array) -> Array:
    return t * xp.special.i1(x)


@special_function(x=i0_x)
def i0(x: Array, /) -> Array:
    """Modified Bessel function of the first kind, order 0; derivative ``i1(x)``."""


def i1_x(xp: Any, t: Array, x: Array, y: Array) -> Array:
    return t * (xp.special.i0(x) - over_x(xp, x, y, SLOPE_I1))


@special_function(x=i1_x)
def i1(x: Array, /) -> Array:
    """Modified Bessel function of the first kind, order 1; ``i0(x) - y / x``."""


def i0e_x(xp: Any, t: Array, x: Array, y: Array) -> Array:
    return t * (xp.special.i1e(x) - xp.sign(x) * y)


@special_function(
    x=i0e_x, kinks=[kink(0.0, gradient=[0.0], reason="the middle of [-1, 1]")]
)
def i0e(x: Array, /) -> Array:
    """``exp(-abs(x)) i0(x)``; derivative ``i1e(x) - sign(x) y``."""


def i1e_x(xp: Any, t: Array, x: Array, y: Array) -> Array:
    scaled = xp.exp(-xp.abs(x))
    inside = xp.abs(x) < 1.0
    near = scaled * series(xp, x * x, inside, SLOPE_I1)
    slope = xp.where(inside, near, y / xp.where(inside, 1.0, x))
    return t * (xp.special.i0e(x) - slope - xp.sign(x) * y)


@special_function(x=i1e_x)
def i1e(x: Array, /) -> Array:
    """``exp(-abs(x)) i1(x)``; derivative ``i0e(x) - y / x - sign(x) y``."""


def k0_x(xp: Any, t: Array, x: Array) -> Array:
    return t * -xp.special.k1(x)


@special_function(x=k0_x, domain=POSITIVE)
def k0(x: Array, /) -> Array:
    """Modified Bessel function of the second kind, order 0; derivative ``-k1(x)``."""


def k1_x(xp: Any, t: Array, x: Array, y: Array) -> Array:
    return t * -(xp.special.k0(x) + y / x)


@special_function(x=k1_x, domain=POSITIVE)
def k1(x: Array, /) -> Array:
    """Modified Bessel function of the second kind, order 1; ``-k0(x) - y / x``."""


def k0e_x(xp: Any, t: Array, x: Array, y: Array) -> Array:
    return t * (y - xp.special.k1e(x))


@special_function(x=k0e_x, domain=POSITIVE)
def k0e(x: Array, /) -> Array:
    """``exp(x) k0(x)``; derivative ``y - k1e(x)``."""


def k1e_x(xp: Any, t: Array, x: Array, y: Array) -> Array:
    return t * (y - xp.special.k0e(x) - y / x)


@special_function(x=k1e_x, domain=POSITIVE)
def k1e(x: Array, /) -> Array:
    """``exp(x) k1(x)``; derivative ``y - k0e(x) - y / x``."""


# ------------------------------------------------------------------ of any order

ORDERS = (sample((2, 3), v=[[0.5], [2.0]]),)


def jv_z(xp: Any, t: Array, v: Any, z: Array) -> Array:
    v = as_array(xp, v, t)
    return t * ((xp.special.jv(v - 1, z) - xp.special.jv(v + 1, z)) / 2)


@partly_known("v", z=jv_z, domain=POSITIVE, samples=ORDERS)
def jv(v: Array, z: Array, /) -> Array:
    """Bessel function of the first kind; in z ``(jv(v-1) - jv(v+1)) / 2``."""


def yv_z(xp: Any, t: Array, v: Any, z: Array) -> Array:
    v = as_array(xp, v, t)
    return t * ((xp.special.yv(v - 1, z) - xp.special.yv(v + 1, z)) / 2)


@partly_known("v", z=yv_z, domain=POSITIVE, samples=ORDERS)
def yv(v: Array, z: Array, /) -> Array:
    """Bessel function of the second kind; derivative in z as that of `jv`."""


def yn_x(xp: Any, t: Array, n: Any, x: Array) -> Array:
    return t * ((xp.special.yn(n - 1, x) - xp.special.yn(n + 1, x)) / 2)


@special_function(
    x=yn_x,
    domain=POSITIVE,
    samples=(sample((3,), n=2), sample((2, 3), n=[[0], [3]]), sample((2,), n=-2)),
)
def yn(n: Array, x: Array, /) -> Array:
    """Bessel function of the second kind of integer order; derivative as of `yv`."""


def iv_z(xp: Any, t: Array, v: Any, z: Array) -> Array:
    v = as_array(xp, v, t)
    return t * ((xp.special.iv(v - 1, z) + xp.special.iv(v + 1, z)) / 2)


@partly_known("v", z=iv_z, domain=POSITIVE, samples=ORDERS)
def iv(v: Array, z: Array, /) -> Array:
    """Modified Bessel function of the first kind; ``(iv(v-1) + iv(v+1)) / 2`` in z."""


def ive_z(xp: Any, t: Array, v: Any, z: Array, y: Array) -> Array:
    v = as_array(xp, v, t)
    neighbours = xp.special.ive(v - 1, z) + xp.special.ive(v + 1, z)
    return t * (neighbours / 2 - xp.sign(z) * y)


@partly_known("v", z=ive_z, domain=POSITIVE, samples=ORDERS)
def ive(v: Array, z: Array, /) -> Array:
    """``exp(-abs(z)) iv(v, z)``; derivative in z by the neighbouring orders."""


def kv_z(xp: Any, t: Array, v: Any, z: Array) -> Array:
    v = as_array(xp, v, t)
    return t * ((xp.special.kv(v - 1, z) + xp.special.kv(v + 1, z)) / -2)


@partly_known("v", z=kv_z, domain=POSITIVE, samples=ORDERS)
def kv(v: Array, z: Array, /) -> Array:
    """Modified Bessel function of the second kind; ``-(kv(v-1) + kv(v+1)) / 2``."""


def kve_z(xp: Any, t: Array, v: Any, z: Array, y: Array) -> Array:
    v = as_array(xp, v, t)
    neighbours = xp.special.kve(v - 1, z) + xp.special.kve(v + 1, z)
    return t * (y - neighbours / 2)


@partly_known("v", z=kve_z, domain=POSITIVE, samples=ORDERS)
def kve(v: Array, z: Array, /) -> Array:
    """``exp(z) kv(v, z)``; derivative in z by the neighbouring orders."""
