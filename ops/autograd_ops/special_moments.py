"""Integrals behind the derivatives of incomplete gamma and beta functions.

The derivative of ``gammainc(a, x)`` in its shape ``a``, of any order, is the integral
up to ``x`` of that of the density, which is the density times a polynomial of
``log(t) - psi(a)``: a complete Bell polynomial, as the density is the exponential of
what has known derivatives. So one family of integrals holds the derivatives of every
order, and is closed under differentiation.

Over all ``t`` each of them is 0, as the density integrates to 1. So the integral up to
``x`` is minus that from ``x`` on, and tails keep their relative accuracy. The
quadrature goes from ``x`` outwards, over the side of the mean on which ``x`` lies,
where the density falls monotonically. With ``t = x exp(-w)``, or ``x exp(w)``, and
``w`` a double exponential of the step (Takahasi and Mori, "Double exponential formulas
for numerical integration", 1974, the half-infinite case), the trapezoidal rule has
errors near rounding, at any scale of the density. Where the density has a pole, the
part near it is taken apart, by the rule for an interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from itertools import product
from numbers import Integral
from typing import Any

from autograd_core.errors import describe, error
from autograd_core.graph import Array

STEP = 1 / 40
STEP_INSIDE, STEPS_INSIDE = 1 / 30, 99
RANGE = range(-160, 149)
"""The trapezoidal rule's steps: from ``exp(-43)`` to ``exp(33)`` times the scale."""

PLACES = [math.exp(math.pi / 2 * math.sinh(STEP * k)) for k in RANGE]
WEIGHTS = [
    STEP * math.pi / 2 * math.cosh(STEP * k) * place
    for k, place in zip(RANGE, PLACES, strict=True)
]


HALF_LINE = PLACES, WEIGHTS
"""A rule from 0 to infinity, for what falls over a length of about 1."""

PARTS = [
    1 / (1 + math.exp(math.pi * math.sinh(STEP_INSIDE * k)))
    for k in range(-STEPS_INSIDE, STEPS_INSIDE + 1)
]
INTERVAL = (
    PARTS,
    [
        STEP_INSIDE * math.pi * math.cosh(STEP_INSIDE * k) * part * other
        for k, part, other in zip(
            range(-STEPS_INSIDE, STEPS_INSIDE + 1), PARTS, reversed(PARTS), strict=True
        )
    ],
)
"""A rule from 0 to 1."""

BLOCK = 2**19
"""Elements that the quadrature holds at a time."""


def quadrature(
    xp: Any,
    integrand: Any,
    scale: Array,
    *parameters: Any,
    rule: tuple[list[float], list[float]] = HALF_LINE,
) -> Array:
    """Integrate by a rule whose lengths are multiplied by ``scale``.

    ``integrand(xp, w, *parameters)`` returns an exponent and a factor; the nodes are on
    a new last axis. What has no density counts as 0 whatever the factor is.
    """
    places, rule_weights = rule
    scale = xp.expand_dims(scale, axis=-1)
    parameters = tuple(xp.expand_dims(each, axis=-1) for each in parameters)
    count = max(1, BLOCK // max(1, math.prod(scale.shape)))
    total: Any = 0.0
    for start in range(0, len(places), count):
        part = slice(start, start + count)
        w = like(xp, places[part], scale) * scale
        exponent, factor = integrand(xp, w, *parameters)
        density = xp.exp(exponent)
        weights = like(xp, rule_weights[part], scale) * scale
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


def derivative_of_psi(xp: Any, order: int, x: Array) -> Array:
    """Return a derivative of the digamma function, or itself."""
    return xp.special.polygamma(order, x) if order else xp.special.psi(x)


def require_order(operation: str, **orders: Any) -> None:
    """Raise unless orders are whole numbers from 0 on."""
    for name, order in orders.items():
        if not (isinstance(order, Integral) and int(order) >= 0):
            raise error(
                ValueError,
                operation,
                f"{name} must be a whole number from 0 on",
                describe(order),
                "It says how often the function is differentiated.",
            )


# ------------------------------------------------------------------ gamma


def gamma_side(xp: Any, a: Array, x: Array, below: Array, order: int) -> Array:
    """Integrate from ``x`` down to 0 or up to infinity.

    Up from a small ``x`` the density is about level, by the logarithm, until it breaks
    off at 1, which is too sudden for the half-infinite rule: so there in two parts.
    """
    start = xp.where(below | (x > 1), x, 1.0)
    size = xp.where(a > 1, xp.sqrt(a), a)
    steep = xp.abs(a - start) + xp.where(below, size, xp.sqrt(start))
    flat = xp.where(below, 0.0, 1 / (1 + xp.log1p(1 / start)))
    norm, means = xp.special.gammaln(a), gamma_means(xp, a, order)
    front = a * xp.log(start) - start - norm
    way = xp.where(below, -xp.ones_like(x), xp.ones_like(x))
    parameters = a, start, front, xp.log(start), way, *means
    beyond = quadrature(xp, gamma_integrand, 1 / (steep + flat), *parameters)
    parameters = a, norm, *means
    length = xp.log(start / x)
    return beyond + quadrature(xp, level_integrand, length, *parameters, rule=INTERVAL)


def level_integrand(
    xp: Any, w: Array, a: Array, norm: Array, *means: Array
) -> tuple[Array, Array]:
    """Return what is integrated from a small ``x`` to 1, where ``t = exp(-w)``."""
    return -a * w - xp.exp(-w) - norm, gamma_factor(-w, means)


def gamma_integrand(
    xp: Any,
    w: Array,
    a: Array,
    x: Array,
    front: Array,
    logarithm: Array,
    way: Array,
    *means: Array,
) -> tuple[Array, Array]:
    w = way * xp.where((way < 0) | (w < 600.0), w, 600.0)  # where the density is 0
    return front + a * w - x * xp.expm1(w), gamma_factor(logarithm + w, means)


def gamma_means(xp: Any, a: Array, order: int) -> list[Array]:
    """Return the mean of ``log(t)``, and its derivatives in ``a``."""
    return [derivative_of_psi(xp, k, a) for k in range(order)]


def gamma_factor(logarithm: Array, means: Sequence[Array]) -> Array:
    """Return the derivative of the density in ``a``, as a multiple of the density.

    Of as high an order as there are means: ``p[n+1]`` is the sum of ``binom(n, k)``
    times the k-th derivative of ``log(t) - psi(a)`` times ``p[n-k]``.
    """
    found: list[Any] = [1.0]
    for n in range(len(means)):
        total = (logarithm - means[0]) * found[n]
        for k in range(1, n + 1):
            total = total - math.comb(n, k) * means[k] * found[n - k]
        found.append(total)
    return found[-1]


def gamma_derivative(xp: Any, a: Any, x: Any, order: int) -> Array:
    """Integrate a derivative of the gamma density in ``a`` up to ``x``.

    Of a small shape almost everything is below the mean, and near 0.
    """
    require_order("special.gammainc_derivative", order=order)
    if order == 0:
        return xp.special.gammainc(a, x)
    a, x = together(xp, a, x)
    inside = (a > 0) & (x > 0) & (x < math.inf) & (a < math.inf)
    shape, place = xp.where(inside, a, 1.0), xp.where(inside, x, 1.0)
    below = (place <= shape) & ((shape > 1) | (shape * xp.log(place) < -0.7))
    side = gamma_side(xp, shape, place, below, order)
    valid = (a > 0) & (x >= 0)
    ends = xp.where(valid, xp.zeros_like(x), math.nan)
    return xp.where(inside, xp.where(below, side, -side), ends)


# ------------------------------------------------------------------ beta


def beta_side(
    xp: Any,
    a: Array,
    b: Array,
    x: Array,
    rest: Array,
    below: Array,
    orders: tuple[int, int],
) -> Array:
    """Integrate from ``x`` to the end on its side of the mean; ``rest`` is ``1 - x``.

    The upper side is the lower one of the distribution turned round.
    """
    means = beta_means(xp, a, b, *orders)
    norm = xp.special.betaln(a, b)
    a, b = xp.where(below, a, b), xp.where(below, b, a)
    x, rest = xp.where(below, x, rest), xp.where(below, rest, x)
    # near a pole of the density at 1 it is about level, by the logarithm: in two parts
    near = (b < 1) & (rest < 1 / (2 + a))
    part = xp.where(near, 1 / (2 + a), rest)
    start = xp.where(near, 1 - part, x)
    front = a * xp.log(start) - norm
    slope = a - (b - 1) * start / part
    slope = xp.where(slope > 0, slope, 0.0) + xp.sqrt(xp.abs(b - 1) * start) / part
    steep = slope + a / (1 + a)
    # of a small shape the density falls fast at first, and slowly then, which is more
    slow = xp.where(a < 1, a, steep)
    scale = 1 / xp.sqrt(slow * xp.sqrt(slow * steep))
    parameters = a, b, start, part, front, xp.log(start), below, *means
    beyond = quadrature(xp, partial(beta_integrand, orders), scale, *parameters)
    level, length = partial(beta_level_integrand, orders), xp.log(part / rest)
    parameters = a, b, xp.log(xp.where(near, part, 0.5)), norm, below, *means
    return beyond + quadrature(xp, level, length, *parameters, rule=INTERVAL)


def beta_integrand(
    orders: tuple[int, int],
    xp: Any,
    w: Array,
    a: Array,
    b: Array,
    x: Array,
    rest: Array,
    front: Array,
    logarithm: Array,
    below: Array,
    *means: Array,
) -> tuple[Array, Array]:
    near, far = logarithm - w, xp.log(rest - x * xp.expm1(-w))
    first, second = xp.where(below, near, far), xp.where(below, far, near)
    factor = beta_factor(first, second, orders, means)
    return front - a * w + (b - 1) * far, factor


def beta_level_integrand(
    orders: tuple[int, int],
    xp: Any,
    w: Array,
    a: Array,
    b: Array,
    logarithm: Array,
    norm: Array,
    below: Array,
    *means: Array,
) -> tuple[Array, Array]:
    """Return what is integrated where the rest falls to a small one, as exp(-w)."""
    far = logarithm - w
    near = xp.log1p(-xp.exp(far))
    first, second = xp.where(below, near, far), xp.where(below, far, near)
    factor = beta_factor(first, second, orders, means)
    return (a - 1) * near + b * far - norm, factor


def beta_means(xp: Any, a: Array, b: Array, m: int, n: int) -> list[Array]:
    """Return the derivatives of ``betaln``, as `beta_factor` wants them.

    Those in a alone, then those in b alone, then those in both, by their order.
    """
    both = [derivative_of_psi(xp, k, a + b) for k in range(m + n)]
    first = [derivative_of_psi(xp, k, a) - both[k] for k in range(m)]
    second = [derivative_of_psi(xp, k, b) - both[k] for k in range(n)]
    return [*first, *second, *both]


def beta_factor(
    first: Array, second: Array, orders: tuple[int, int], means: Sequence[Array]
) -> Array:
    """Return the derivative of the density in both shapes, as a multiple of it.

    As `gamma_factor`, in two variables. ``first`` and ``second`` are ``log(t)`` and
    ``log(1 - t)``.
    """
    m, n = orders
    own, other, both = means[:m], means[m : m + n], means[m + n :]

    def logarithmic(i: int, j: int) -> Array:
        """Return a derivative of the density's logarithm."""
        if i and j:
            return both[i + j - 1]
        mean = own[i - 1] if i else other[j - 1]
        return (first if i else second) - mean if i + j == 1 else -mean

    found: dict[tuple[int, int], Any] = {(0, 0): 1.0}
    for i, j in product(range(m + 1), range(n + 1)):
        if i:  # one more in a than (i - 1, j)
            found[i, j] = sum(
                math.comb(i - 1, k)
                * math.comb(j, h)
                * logarithmic(k + 1, h)
                * found[i - 1 - k, j - h]
                for k, h in product(range(i), range(j + 1))
            )
        elif j:  # one more in b than (0, j - 1)
            found[0, j] = sum(
                math.comb(j - 1, h) * logarithmic(0, h + 1) * found[0, j - 1 - h]
                for h in range(j)
            )
    return found[m, n]


def holds_most(xp: Any, a: Array, b: Array, x: Array) -> Array:
    """Say where most of a beta distribution of a small shape is below a small ``x``."""
    share = a * xp.log(x) - xp.log(a) - xp.special.betaln(a, b)
    return (a < 1) & (share > -0.7)


def beta_derivative(xp: Any, a: Any, b: Any, x: Any, m: int, n: int) -> Array:
    """Integrate a derivative of the beta density in its shapes up to ``x``."""
    require_order("special.betainc_derivative", m=m, n=n)
    if m == n == 0:
        return xp.special.betainc(a, b, x)
    a, b, x = together(xp, a, b, x)
    valid = (a > 0) & (b > 0) & (x >= 0) & (x <= 1)
    inside = valid & (x > 0) & (x < 1) & (a < math.inf) & (b < math.inf)
    a, b = xp.where(inside, a, 1.0), xp.where(inside, b, 1.0)
    place = xp.where(inside, x, 0.5)
    mean = a / (a + b)
    low = ~holds_most(xp, a, b, place)
    high = holds_most(xp, b, a, 1 - place)
    below = ((place <= mean) & low) | ((place > mean) & high)
    side = beta_side(xp, a, b, place, 1 - place, below, (m, n))
    ends = xp.where(valid, xp.zeros_like(x), math.nan)
    return xp.where(inside, xp.where(below, side, -side), ends)
