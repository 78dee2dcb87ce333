"""Gamma and beta functions, complete and incomplete, and zeta functions.

Incomplete functions are differentiated in their shapes too, by the integrals of
`special_moments`; inverse functions by the theorem of implicit functions.
"""

from __future__ import annotations

import math
from typing import Any

from autograd_core.declare import constant
from autograd_core.errors import describe, error
from autograd_core.graph import Array
from autograd_core.operation import POSITIVE, sample
from autograd_ops.special_moments import (
    beta_derivative,
    beta_factor,
    beta_means,
    gamma_derivative,
    gamma_factor,
    gamma_means,
)
from autograd_ops.special_support import as_array, special_function
from autograd_ops.special_zeta import hurwitz_derivative

EXTENSION = "special"

UNIT = (0.0, 1.0)


def at_the_end(xp: Any, a: Array, b: Array, x: Array) -> tuple[Array, Array, Array]:
    """Return arguments of which the last is near 0, beside ordinary shapes."""
    return a, b, 1e-7 * x


def small_shape(xp: Any, a: Array, p: Array) -> tuple[Array, Array]:
    """Return thousandths of a shape, and a probability below which is almost all."""
    return a / 256, 1 - p / 10


def small_shape_above(xp: Any, a: Array, p: Array) -> tuple[Array, Array]:
    """Return `small_shape`, the probability counted from above."""
    return a / 256, p / 10


def small_second_shape(
    xp: Any, a: Array, b: Array, p: Array
) -> tuple[Array, Array, Array]:
    """Return thousandths of the second shape, for which almost all lies near 1."""
    return a, b / 256, p / 1024


def small_second_shape_above(
    xp: Any, a: Array, b: Array, p: Array
) -> tuple[Array, Array, Array]:
    """Return `small_second_shape`, the probability counted from above."""
    return a, b / 256, 1 - p / 1024


def logarithm(xp: Any, y: Array) -> Array:
    """Return how a quantile of a small shape is looked at, which is very small."""
    return xp.log(y)


PAIRS = (sample((2, 1), (3,)),)
COSTLY_PAIRS = (sample((2, 1, 1), (2,)),)
QUANTILES = (*COSTLY_PAIRS, sample((), ()).of(small_shape).seen(logarithm))
QUANTILES_ABOVE = (*COSTLY_PAIRS, sample((), ()).of(small_shape_above).seen(logarithm))
QUANTILES_OF_TWO = (
    sample((2,), (2,), ()),
    sample((), (), ()).of(small_second_shape),
)
QUANTILES_OF_TWO_ABOVE = (
    sample((2,), (2,), ()),
    sample((), (), ()).of(small_second_shape_above),
)
TRIPLES = (sample((2,), (2,), ()), sample((), (), ()).of(at_the_end))
"""Few calls, and such as do not grow long: each element of some is an integral."""

# ------------------------------------------------------------------ gamma


def gamma_x(xp: Any, t: Array, x: Array, y: Array) -> Array:
    return t * (y * xp.special.psi(x))


@special_function(x=gamma_x, domain=POSITIVE)
def gamma(x: Array, /) -> Array:
    """Gamma function; derivative ``y psi(x)``."""


def gammaln_x(xp: Any, t: Array, x: Array) -> Array:
    return t * xp.special.psi(x)


@special_function(x=gammaln_x, domain=POSITIVE)
def gammaln(x: Array, /) -> Array:
    """``log(abs(gamma(x)))``; derivative ``psi(x)``, for negative ``x`` too."""


@special_function(x=gammaln_x, domain=POSITIVE)
def loggamma(x: Array, /) -> Array:
    """Logarithm of the gamma function of positive ``x``; derivative ``psi(x)``."""


@constant
def gammasgn(x: Array, /) -> Array:
    """Sign of the gamma function."""


def rgamma_x(xp: Any, t: Array, x: Array, y: Array) -> Array:
    low = x < 0.5  # there by reflection, which has no poles to cancel
    u = xp.where(low, x, 0.0)
    turn = xp.cos(math.pi * u) - xp.special.psi(1 - u) * xp.sin(math.pi * u) / math.pi
    reflected = xp.special.gamma(1 - u) * turn
    high = xp.where(low, 1.0, x)
    return t * xp.where(low, reflected, -y * xp.special.psi(high))


@special_function(x=rgamma_x)
def rgamma(x: Array, /) -> Array:
    """``1 / gamma(x)``; derivative ``-y psi(x)``, by reflection below 1/2.

    It is right at 0, -1, -2 ... too, where `psi` has poles.
    """


def psi_x(xp: Any, t: Array, x: Array) -> Array:
    return t * xp.special.polygamma(1, x)


@special_function(x=psi_x, domain=POSITIVE)
def psi(x: Array, /) -> Array:
    """Digamma function ``gamma'(x) / gamma(x)``; derivative ``polygamma(1, x)``."""


def psi_forward(xp: Any, x: Array) -> Array:
    return xp.special.psi(x)


@special_function(x=psi_x, domain=POSITIVE, implementation=psi_forward)
def digamma(x: Array, /) -> Array:
    """`psi` under its other name; derivative ``polygamma(1, x)``."""


def polygamma_x(xp: Any, t: Array, n: Any, x: Array) -> Array:
    return t * xp.special.polygamma(n + 1, x)


@special_function(
    x=polygamma_x, domain=POSITIVE, samples=(sample((3,), n=1), sample((2, 2), n=0))
)
def polygamma(n: Any, x: Array, /) -> Array:
    """Derivative of `psi` of order n; derivative ``polygamma(n + 1, x)``."""


def require_dimension(d: int) -> None:
    """Raise unless there is a dimension; SciPy makes a number of what is none."""
    if d < 1:
        raise error(
            ValueError,
            "special.multigammaln",
            "d must be a whole number from 1 on",
            describe(d),
            "It is the dimension of matrices.",
        )


def multigammaln_a(xp: Any, t: Array, a: Array, d: int) -> Array:
    require_dimension(d)
    total = xp.special.psi(a)
    for j in range(1, d):
        total = total + xp.special.psi(a - j / 2)
    return t * total


def multigammaln_forward(xp: Any, a: Array, d: int) -> Array:
    require_dimension(d)
    total = xp.special.gammaln(a) + d * (d - 1) / 4 * math.log(math.pi)
    for j in range(1, d):
        total = total + xp.special.gammaln(a - j / 2)
    return total


@special_function(
    a=multigammaln_a,
    domain=(2.0, math.inf),
    samples=(sample((3,), d=1), sample((2, 2), d=3)),
    implementation=multigammaln_forward,
)
def multigammaln(a: Array, d: int, /) -> Array:
    """Logarithm of the multivariate gamma function; ``sum(psi(a - j/2), j < d)``."""


def poch_z(xp: Any, t: Array, z: Array, m: Array, y: Array) -> Array:
    z = as_array(xp, z, t)
    return t * (y * (xp.special.psi(z + m) - xp.special.psi(z)))


def poch_m(xp: Any, t: Array, z: Array, m: Array, y: Array) -> Array:
    return t * (y * xp.special.psi(as_array(xp, z + m, t)))


@special_function(z=poch_z, m=poch_m, domain=POSITIVE, samples=PAIRS)
def poch(z: Array, m: Array, /) -> Array:
    """``gamma(z + m) / gamma(z)``; ``y (psi(z+m) - psi(z))`` and ``y psi(z+m)``."""


def binom_n(xp: Any, t: Array, n: Array, k: Array, y: Array) -> Array:
    n = as_array(xp, n, t)
    return t * (y * (xp.special.psi(n + 1) - xp.special.psi(n - k + 1)))


def binom_k(xp: Any, t: Array, n: Array, k: Array, y: Array) -> Array:
    k = as_array(xp, k, t)
    return t * (y * (xp.special.psi(n - k + 1) - xp.special.psi(k + 1)))


@special_function(
    n=binom_n, k=binom_k, domain={"n": (3.0, 100.0), "k": UNIT}, samples=PAIRS
)
def binom(n: Array, k: Array, /) -> Array:
    """Binomial coefficient of real numbers; ``y (psi(n+1) - psi(n-k+1))`` in n."""


# ------------------------------------------------------------------ beta


def beta_a(xp: Any, t: Array, a: Array, b: Array, y: Array) -> Array:
    return betaln_a(xp, t * y, a, b)


def beta_b(xp: Any, t: Array, a: Array, b: Array, y: Array) -> Array:
    return betaln_a(xp, t * y, b, a)


@special_function(a=beta_a, b=beta_b, domain=POSITIVE, samples=PAIRS)
def beta(a: Array, b: Array, /) -> Array:
    """Beta function; derivative in a ``y (psi(a) - psi(a + b))``."""


def betaln_a(xp: Any, t: Array, a: Array, b: Array) -> Array:
    a = as_array(xp, a, t)
    return t * (xp.special.psi(a) - xp.special.psi(a + b))


def betaln_b(xp: Any, t: Array, a: Array, b: Array) -> Array:
    return betaln_a(xp, t, b, a)


@special_function(a=betaln_a, b=betaln_b, domain=POSITIVE, samples=PAIRS)
def betaln(a: Array, b: Array, /) -> Array:
    """``log(abs(beta(a, b)))``; derivative in a ``psi(a) - psi(a + b)``."""


# ------------------------------------------------------------------ incomplete gamma


def gamma_density(xp: Any, a: Array, x: Array, t: Array) -> Array:
    """Return the density of the gamma distribution with scale 1."""
    a, x = as_array(xp, a, t), as_array(xp, x, t)
    return xp.exp(xp.special.xlogy(a - 1, x) - x - xp.special.gammaln(a))


def gammainc_derivative_a(xp: Any, t: Array, a: Array, x: Array, order: int) -> Array:
    a, x = as_array(xp, a, t), as_array(xp, x, t)
    return t * xp.special.gammainc_derivative(a, x, order=order + 1)


def gammainc_derivative_x(xp: Any, t: Array, a: Array, x: Array, order: int) -> Array:
    a, x = as_array(xp, a, t), as_array(xp, x, t)
    logarithm = xp.log(xp.where(x > 0, x, 1.0))
    factor = gamma_factor(logarithm, gamma_means(xp, a, order))
    return t * (gamma_density(xp, a, x, t) * factor)


@special_function(
    a=gammainc_derivative_a,
    x=gammainc_derivative_x,
    domain={"a": POSITIVE, "x": (0.0, 100.0)},
    samples=(sample((2,), (2,), order=1),),
    implementation=gamma_derivative,
)
def gammainc_derivative(a: Array, x: Array, /, *, order: int = 1) -> Array:
    """Derivative of `gammainc` in a, of any order, by quadrature.

    It is the integral up to x of the density's derivative. In x that itself: the
    density times a polynomial of ``log(x) - psi(a)``. Not in SciPy.
    """


def gammainc_a(xp: Any, t: Array, a: Array, x: Array) -> Array:
    a, x = as_array(xp, a, t), as_array(xp, x, t)
    return t * xp.special.gammainc_derivative(a, x, order=1)


def gammainc_x(xp: Any, t: Array, a: Array, x: Array) -> Array:
    return t * gamma_density(xp, a, x, t)


@special_function(a=gammainc_a, x=gammainc_x, domain=POSITIVE, samples=COSTLY_PAIRS)
def gammainc(a: Array, x: Array, /) -> Array:
    """Regularised lower incomplete gamma function; in x the gamma density.

    In ``a`` `gammainc_derivative`, by quadrature.
    """


def gammaincc_a(xp: Any, t: Array, a: Array, x: Array) -> Array:
    return gammainc_a(xp, -t, a, x)


def gammaincc_x(xp: Any, t: Array, a: Array, x: Array) -> Array:
    return gammainc_x(xp, -t, a, x)


@special_function(
    a=gammaincc_a,
    x=gammaincc_x,
    domain=POSITIVE,
    samples=COSTLY_PAIRS,
)
def gammaincc(a: Array, x: Array, /) -> Array:
    """``1 - gammainc(a, x)``, accurate where it is small; minus its derivatives."""


def gammaincinv_a(xp: Any, t: Array, a: Array, y: Array) -> Array:
    return -gammainc_a(xp, t, a, y) / gamma_density(xp, a, y, t)


def gammaincinv_p(xp: Any, t: Array, a: Array, y: Array) -> Array:
    return t / gamma_density(xp, a, y, t)


PROBABILITY = {"a": POSITIVE, "p": UNIT}


@special_function(
    a=gammaincinv_a, p=gammaincinv_p, domain=PROBABILITY, samples=QUANTILES
)
def gammaincinv(a: Array, p: Array, /) -> Array:
    """Inverse of `gammainc` in x; derivative in p one over the gamma density."""


def gammainccinv_p(xp: Any, t: Array, a: Array, y: Array) -> Array:
    return gammaincinv_p(xp, -t, a, y)


@special_function(
    a=gammaincinv_a, p=gammainccinv_p, domain=PROBABILITY, samples=QUANTILES_ABOVE
)
def gammainccinv(a: Array, p: Array, /) -> Array:
    """Inverse of `gammaincc` in x; derivative in p minus one over the gamma density."""


# ------------------------------------------------------------------ incomplete beta


def beta_density(xp: Any, a: Array, b: Array, x: Array, t: Array) -> Array:
    """Return the density of the beta distribution."""
    a, b, x = as_array(xp, a, t), as_array(xp, b, t), as_array(xp, x, t)
    powers = xp.special.xlogy(a - 1, x) + xp.special.xlog1py(b - 1, -x)
    return xp.exp(powers - xp.special.betaln(a, b))


def betainc_derivative_a(
    xp: Any, t: Array, a: Array, b: Array, x: Array, m: int, n: int
) -> Array:
    a, b, x = as_array(xp, a, t), as_array(xp, b, t), as_array(xp, x, t)
    return t * xp.special.betainc_derivative(a, b, x, m=m + 1, n=n)


def betainc_derivative_b(
    xp: Any, t: Array, a: Array, b: Array, x: Array, m: int, n: int
) -> Array:
    a, b, x = as_array(xp, a, t), as_array(xp, b, t), as_array(xp, x, t)
    return t * xp.special.betainc_derivative(a, b, x, m=m, n=n + 1)


def betainc_derivative_x(
    xp: Any, t: Array, a: Array, b: Array, x: Array, m: int, n: int
) -> Array:
    a, b, x = as_array(xp, a, t), as_array(xp, b, t), as_array(xp, x, t)
    u = xp.where((x > 0) & (x < 1), x, 0.5)
    means = beta_means(xp, a, b, m, n)
    factor = beta_factor(xp.log(u), xp.log1p(-u), (m, n), means)
    return t * (beta_density(xp, a, b, x, t) * factor)


@special_function(
    a=betainc_derivative_a,
    b=betainc_derivative_b,
    x=betainc_derivative_x,
    domain={"a": POSITIVE, "b": POSITIVE, "x": UNIT},
    samples=(sample((2,), (2,), (), m=1, n=0),),
    implementation=beta_derivative,
)
def betainc_derivative(
    a: Array, b: Array, x: Array, /, *, m: int = 0, n: int = 0
) -> Array:
    """Derivative of `betainc`, m times in a and n times in b, by quadrature.

    It is the integral up to x of the density's derivative. In x that itself: the
    density times a polynomial of the logarithms of x and 1 - x. Not in SciPy.
    """


def betainc_a(xp: Any, t: Array, a: Array, b: Array, x: Array) -> Array:
    a, b, x = as_array(xp, a, t), as_array(xp, b, t), as_array(xp, x, t)
    return t * xp.special.betainc_derivative(a, b, x, m=1, n=0)


def betainc_b(xp: Any, t: Array, a: Array, b: Array, x: Array) -> Array:
    a, b, x = as_array(xp, a, t), as_array(xp, b, t), as_array(xp, x, t)
    return t * xp.special.betainc_derivative(a, b, x, m=0, n=1)


def betainc_x(xp: Any, t: Array, a: Array, b: Array, x: Array) -> Array:
    return t * beta_density(xp, a, b, x, t)


SHAPES = {"a": POSITIVE, "b": POSITIVE}


@special_function(
    a=betainc_a, b=betainc_b, x=betainc_x, domain=SHAPES | {"x": UNIT}, samples=TRIPLES
)
def betainc(a: Array, b: Array, x: Array, /) -> Array:
    """Regularised incomplete beta function; derivative in x the beta density.

    In ``a`` and ``b`` `betainc_derivative`, by quadrature.
    """


def betaincc_a(xp: Any, t: Array, a: Array, b: Array, x: Array) -> Array:
    return betainc_a(xp, -t, a, b, x)


def betaincc_b(xp: Any, t: Array, a: Array, b: Array, x: Array) -> Array:
    return betainc_b(xp, -t, a, b, x)


def betaincc_x(xp: Any, t: Array, a: Array, b: Array, x: Array) -> Array:
    return betainc_x(xp, -t, a, b, x)


@special_function(
    a=betaincc_a,
    b=betaincc_b,
    x=betaincc_x,
    domain=SHAPES | {"x": UNIT},
    samples=TRIPLES,
)
def betaincc(a: Array, b: Array, x: Array, /) -> Array:
    """``1 - betainc(a, b, x)``, accurate where it is small; minus its derivatives."""


def betaincinv_a(xp: Any, t: Array, a: Array, b: Array, y: Array) -> Array:
    return -betainc_a(xp, t, a, b, y) / beta_density(xp, a, b, y, t)


def betaincinv_b(xp: Any, t: Array, a: Array, b: Array, y: Array) -> Array:
    return -betainc_b(xp, t, a, b, y) / beta_density(xp, a, b, y, t)


def betaincinv_p(xp: Any, t: Array, a: Array, b: Array, y: Array) -> Array:
    return t / beta_density(xp, a, b, y, t)


@special_function(
    a=betaincinv_a,
    b=betaincinv_b,
    p=betaincinv_p,
    domain=SHAPES | {"p": UNIT},
    samples=QUANTILES_OF_TWO,
)
def betaincinv(a: Array, b: Array, p: Array, /) -> Array:
    """Inverse of `betainc` in x; derivative in p one over the beta density."""


def betainccinv_p(xp: Any, t: Array, a: Array, b: Array, y: Array) -> Array:
    return betaincinv_p(xp, -t, a, b, y)


@special_function(
    a=betaincinv_a,
    b=betaincinv_b,
    p=betainccinv_p,
    domain=SHAPES | {"p": UNIT},
    samples=QUANTILES_OF_TWO_ABOVE,
)
def betainccinv(a: Array, b: Array, p: Array, /) -> Array:
    """Inverse of `betaincc` in x; derivative in p minus one over the beta density."""


# ------------------------------------------------------------------ zeta


def zeta_derivative_x(xp: Any, t: Array, x: Array, q: Any, order: int) -> Array:
    x, q = as_array(xp, x, t), as_array(xp, q, t)
    return t * xp.special.zeta_derivative(x, q, order=order + 1)


def zeta_derivative_q(xp: Any, t: Array, x: Array, q: Any, order: int) -> Array:
    x, q = as_array(xp, x, t), as_array(xp, q, t)
    slope = -x * xp.special.zeta_derivative(x + 1, q, order=order)
    if order:
        slope = slope - order * xp.special.zeta_derivative(x + 1, q, order=order - 1)
    return t * slope


ZETA = {"x": (1.2, math.inf), "q": POSITIVE}


@special_function(
    x=zeta_derivative_x,
    q=zeta_derivative_q,
    domain=ZETA,
    samples=(sample((3,), (3,), order=1),),
    implementation=hurwitz_derivative,
)
def zeta_derivative(x: Array, q: Array, /, *, order: int = 1) -> Array:
    """Derivative of `zeta` in x: the sum of ``(-log(k+q))**order / (k+q)**x``.

    By the Euler-Maclaurin formula. Not in SciPy.
    """


def zeta_x(xp: Any, t: Array, x: Array, q: Any) -> Array:
    if q is not None:
        return zeta_derivative_x(xp, t, x, q, 0)
    low = x < -1
    near = zeta_derivative_x(xp, t, xp.where(low, 0.0, x), 1.0, 0)
    return xp.where(low, t * reflected_slope(xp, xp.where(low, x, -2.0)), near)


def reflected_slope(xp: Any, x: Array) -> Array:
    """Return the derivative of Riemann's zeta function at ``x < -1``.

    By the functional equation, ``2**x pi**(x-1) sin(pi x/2) gamma(1-x) zeta(1-x)``.
    """
    u = 1 - x
    factor = xp.exp(x * math.log(2 * math.pi) + xp.special.gammaln(u)) / math.pi
    sine, cosine = xp.sin(math.pi / 2 * x), xp.cos(math.pi / 2 * x)
    q = xp.ones_like(u)
    value = xp.special.zeta_derivative(u, q, order=0)
    slope = xp.special.zeta_derivative(u, q, order=1)
    turn = (math.log(2 * math.pi) - xp.special.psi(u)) * sine + math.pi / 2 * cosine
    return factor * (turn * value - sine * slope)


def zeta_q(xp: Any, t: Array, x: Array, q: Array) -> Array:
    x, q = as_array(xp, x, t), as_array(xp, q, t)
    return t * (-x * xp.special.zeta(x + 1, q))


@special_function(
    x=zeta_x,
    q=zeta_q,
    domain=ZETA,
    samples=(sample((2,)), sample((2, 1), (2,))),
)
def zeta(x: Array, q: Any = None, /) -> Array:
    """Hurwitz zeta function, or Riemann's; in q ``-x zeta(x + 1, q)``.

    In ``x`` `zeta_derivative`.
    """


def zetac_x(xp: Any, t: Array, x: Array) -> Array:
    return zeta_x(xp, t, x, None)


def below_the_pole(xp: Any, x: Array) -> Array:
    """Return numbers on the other side of 1, among them 0."""
    return 2 - x


@special_function(
    x=zetac_x,
    domain=(1.2, math.inf),
    samples=(sample((2, 3)), sample((3,)).of(below_the_pole)),
)
def zetac(x: Array, /) -> Array:
    """Riemann's zeta function minus 1; derivative `zeta_derivative`."""
