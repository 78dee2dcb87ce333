"""Integrals behind the derivatives of incomplete gamma and beta functions.

The derivative of ``gammainc(a, x)`` in its shape ``a`` is the integral of the density
times ``log(t) - psi(a)`` up to ``x``; the next derivative is that of the square of
it, and a constant times the integral before. So one family of integrals, of the powers,
holds the derivatives of every order, and is closed under differentiation.

They are computed by quadrature from ``x`` outwards, over the side of the mean on which
``x`` lies, where the density falls monotonically. With ``t = x exp(-w)``, or
``x exp(w)``, and ``w`` a double exponential of the step (Takahasi and Mori, "Double
exponential formulas for numerical integration", 1974, the half-infinite case), the
trapezoidal rule has errors near rounding, at any scale of the density. The constants
(moments over all ``t``) of order 1 are 0, so that tails keep their relative accuracy.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from autograd_core.graph import Array

STEP = 1 / 40
RANGE = range(-160, 149)
"""The trapezoidal rule's steps: from ``exp(-43)`` to ``exp(33)`` times the scale."""

PLACES = [math.exp(math.pi / 2 * math.sinh(STEP * k)) for k in RANGE]
WEIGHTS = [
    STEP * math.pi / 2 * math.cosh(STEP * k) * place
    for k, place in zip(RANGE, PLACES, strict=True)
]


BLOCK = 2**19
"""Elements that the quadrature holds at a time."""


def quadrature(xp: Any, integrand: Any, scale: Array, *parameters: Any) -> Array:
    """Integrate from 0 to infinity what falls over a length of ``scale``.

    ``integrand(xp, w, *parameters)`` returns an exponent and a factor; the nodes are on
    a new last axis. What has no density counts as 0 whatever the factor is.
    """
    scale = xp.expand_dims(scale, axis=-1)
    parameters = tuple(xp.expand_dims(each, axis=-1) for each in parameters)
    count = max(1, BLOCK // max(1, math.prod(scale.shape)))
    total: Any = 0.0
    for start in range(0, len(PLACES), count):
        part = slice(start, start + count)
        w = like(xp, PLACES[part], scale) * scale
        exponent, factor = integrand(xp, w, *parameters)
        density = xp.exp(exponent)
        weights = like(xp, WEIGHTS[part], scale) * scale
        terms = xp.where(density > 0, density * factor * weights, 0.0)
        total = total + xp.sum(terms, axis=-1)
    return total


def like(xp: Any, numbers: list[float], x: Array) -> Array:
    """Return numbers as an array that goes with another."""
    return xp.asarray(numbers, dtype=x.dtype, device=xp.device_of(x))


def together(xp: Any, *parameters: Any) -> list[Array]:
    """Return numbers and arrays as arrays of one shape and dtype."""
    total: Any = 0.0
    for parameter in parameters:
        total = total + parameter
    return [parameter + xp.zeros_like(total) for parameter in parameters]


# ------------------------------------------------------------------ gamma


def gamma_side(xp: Any, a: Array, x: Array, below: Array, order: int) -> Array:
    """Integrate from ``x`` down to 0 or up to infinity."""
    steep = xp.abs(a - x) + xp.sqrt(xp.where(below, a, x))
    flat = xp.where(below, 0.0, 1 / (1 + xp.log1p(1 / x)))
    front = a * xp.log(x) - x - xp.special.gammaln(a)
    offset = xp.log(x) - xp.special.psi(a)
    way = xp.where(below, -xp.ones_like(x), xp.ones_like(x))
    integrand = partial(gamma_integrand, order)
    return quadrature(xp, integrand, 1 / (steep + flat), a, x, front, offset, way)


def gamma_integrand(
    order: int,
    xp: Any,
    w: Array,
    a: Array,
    x: Array,
    front: Array,
    offset: Array,
    way: Array,
) -> tuple[Array, Array]:
    w = way * xp.where((way < 0) | (w < 600.0), w, 600.0)  # where the density is 0
    return front + a * w - x * xp.expm1(w), (offset + w) ** order


def gamma_moment(xp: Any, a: Any, x: Any, order: int) -> Array:
    """Integrate the gamma density times ``(log(t) - psi(a))**order`` up to ``x``.

    Of a small shape almost everything is below the mean, and near 0.
    """
    a, x = together(xp, a, x)
    inside = (a > 0) & (x > 0) & (x < math.inf) & (a < math.inf)
    shape, place = xp.where(inside, a, 1.0), xp.where(inside, x, 1.0)
    below = (place <= shape) & ((shape > 1) | (shape * xp.log(place) < -0.7))
    side = gamma_side(xp, shape, place, below, order)
    whole = xp.zeros_like(side)
    if order > 1:
        for part in (below, ~below):  # both sides of the mean
            whole = whole + gamma_side(xp, shape, shape, part, order)
    total = xp.where(below, side, whole - side)
    ends = xp.where(x > 0, whole, 0.0)
    valid = (a > 0) & (x >= 0)
    return xp.where(inside, total, xp.where(valid, ends, math.nan))


# ------------------------------------------------------------------ beta


def beta_side(
    xp: Any,
    a: Array,
    b: Array,
    x: Array,
    rest: Array,
    below: Array,
    powers: tuple[int, int],
) -> Array:
    """Integrate from ``x`` to the end on its side of the mean; ``rest`` is ``1 - x``.

    The upper side is the lower one of the distribution turned round.
    """
    whole = xp.special.psi(a + b)
    means = xp.special.psi(a) - whole, xp.special.psi(b) - whole
    front = -xp.special.betaln(a, b)
    a, b = xp.where(below, a, b), xp.where(below, b, a)
    x, rest = xp.where(below, x, rest), xp.where(below, rest, x)
    front = front + a * xp.log(x)
    slope = a - (b - 1) * x / rest
    slope = xp.where(slope > 0, slope, 0.0) + xp.sqrt(xp.abs(b - 1) * x) / rest
    scale = 1 / (slope + a / (1 + a))
    integrand = partial(beta_integrand, powers)
    return quadrature(
        xp, integrand, scale, a, b, x, rest, front, xp.log(x), *means, below
    )


def beta_integrand(
    powers: tuple[int, int],
    xp: Any,
    w: Array,
    a: Array,
    b: Array,
    x: Array,
    rest: Array,
    front: Array,
    logarithm: Array,
    mean: Array,
    mean_of_rest: Array,
    below: Array,
) -> tuple[Array, Array]:
    near, far = logarithm - w, xp.log(rest - x * xp.expm1(-w))
    first = xp.where(below, near, far) - mean
    second = xp.where(below, far, near) - mean_of_rest
    m, n = powers
    factor = first**m if n == 0 else second**n if m == 0 else first**m * second**n
    return front - a * w + (b - 1) * far, factor


def beta_moment(xp: Any, a: Any, b: Any, x: Any, m: int, n: int) -> Array:
    """Integrate the beta density up to ``x``, times powers of two logarithms.

    These are ``(log(t) - E log(t))**m`` and ``(log(1 - t) - E log(1 - t))**n``.
    """
    a, b, x = together(xp, a, b, x)
    valid = (a > 0) & (b > 0) & (x >= 0) & (x <= 1)
    inside = valid & (x > 0) & (x < 1) & (a < math.inf) & (b < math.inf)
    a, b = xp.where(inside, a, 1.0), xp.where(inside, b, 1.0)
    place = xp.where(inside, x, 0.5)
    mean, rest = a / (a + b), b / (a + b)
    below = place <= mean
    side = beta_side(xp, a, b, place, 1 - place, below, (m, n))
    whole = xp.zeros_like(side)
    if m + n > 1:
        for part in (below, ~below):  # both sides of the mean
            whole = whole + beta_side(xp, a, b, mean, rest, part, (m, n))
    total = xp.where(below, side, whole - side)
    ends = xp.where(x > 0, whole, 0.0)
    return xp.where(inside, total, xp.where(valid, ends, math.nan))
