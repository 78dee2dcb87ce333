"""Gamma and beta functions, complete and incomplete, and zeta functions.

Incomplete functions are differentiated in their shapes too, by the integrals of
`special_moments`; inverse functions by the theorem of implicit functions.
"""

from __future__ import annotations

import math
from typing import Any

from autograd_core.declare import constant
from autograd_core.graph import Array
from autograd_core.operation import POSITIVE, sample
from autograd_ops.special_moments import beta_moment, gamma_moment
from autograd_ops.special_support import as_array, special_function
from autograd_ops.special_zeta import hurwitz_derivative

EXTENSION = "special"

UNIT = (0.0, 1.0)
SHAPE = (0.5, 50.0)
"""Of incomplete functions: their second derivatives lose digits in shapes near 0, all
of them in large ones, as the logarithm of the density is a difference of large numbers.
"""

PAIRS = (sample((2, 1), (3,)),)
COSTLY_PAIRS = (sample((2, 1, 1), (2,)),)
TRIPLES = (sample((2,), (), ()),)
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


def multigammaln_a(xp: Any, t: Array, a: Array, d: int) -> Array:
    total = xp.special.psi(a)
    for j in range(1, d):
        total = total + xp.special.psi(a - j / 2)
    return t * total


def multigammaln_forward(xp: Any, a: Array, d: int) -> Array:
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


def gamma_power(xp: Any, a: Array, x: Array, order: int) -> Array:
    """Return the integral of `gammainc_moment` of any order from 0 on."""
    if order == 0:
        return xp.special.gammainc(a, x)
    return xp.special.gammainc_moment(a, x, order=order)


def gammainc_moment_a(xp: Any, t: Array, a: Array, x: Array, order: int) -> Array:
    a = as_array(xp, a, t)
    moved = order * xp.special.polygamma(1, a) * gamma_power(xp, a, x, order - 1)
    return t * (gamma_power(xp, a, x, order + 1) - moved)


def gammainc_moment_x(xp: Any, t: Array, a: Array, x: Array, order: int) -> Array:
    a, x = as_array(xp, a, t), as_array(xp, x, t)
    logarithm = xp.log(xp.where(x > 0, x, 1.0)) - xp.special.psi(a)
    return t * (gamma_density(xp, a, x, t) * logarithm**order)


@special_function(
    a=gammainc_moment_a,
    x=gammainc_moment_x,
    domain={"a": SHAPE, "x": (0.0, 100.0)},
    samples=(sample((), (), order=1),),
    implementation=gamma_moment,
)
def gammainc_moment(a: Array, x: Array, /, *, order: int = 1) -> Array:
    """Integral up to x of the gamma density times ``(log(t) - psi(a))**order``.

    Of order 1 it is the derivative of `gammainc` in ``a``. Not in SciPy.
    """


def gammainc_a(xp: Any, t: Array, a: Array, x: Array) -> Array:
    a, x = as_array(xp, a, t), as_array(xp, x, t)
    return t * xp.special.gammainc_moment(a, x, order=1)


def gammainc_x(xp: Any, t: Array, a: Array, x: Array) -> Array:
    return t * gamma_density(xp, a, x, t)


@special_function(
    a=gammainc_a, x=gammainc_x, domain={"a": SHAPE, "x": POSITIVE}, samples=COSTLY_PAIRS
)
def gammainc(a: Array, x: Array, /) -> Array:
    """Regularised lower incomplete gamma function; in x the gamma density.

    In ``a`` `gammainc_moment`, by quadrature.
    """


def gammaincc_a(xp: Any, t: Array, a: Array, x: Array) -> Array:
    return gammainc_a(xp, -t, a, x)


def gammaincc_x(xp: Any, t: Array, a: Array, x: Array) -> Array:
    return gammainc_x(xp, -t, a, x)


@special_function(
    a=gammaincc_a,
    x=gammaincc_x,
    domain={"a": SHAPE, "x": POSITIVE},
    samples=COSTLY_PAIRS,
)
def gammaincc(a: Array, x: Array, /) -> Array:
    """``1 - gammainc(a, x)``, accurate where it is small; minus its derivatives."""


def gammaincinv_a(xp: Any, t: Array, a: Array, y: Array) -> Array:
    return -gammainc_a(xp, t, a, y) / gamma_density(xp, a, y, t)


def gammaincinv_p(xp: Any, t: Array, a: Array, y: Array) -> Array:
    return t / gamma_density(xp, a, y, t)


PROBABILITY = {"a": SHAPE, "p": UNIT}


@special_function(
    a=gammaincinv_a, p=gammaincinv_p, domain=PROBABILITY, samples=COSTLY_PAIRS
)
def gammaincinv(a: Array, p: Array, /) -> Array:
    """Inverse of `gammainc` in x; derivative in p one over the gamma density."""


def gammainccinv_p(xp: Any, t: Array, a: Array, y: Array) -> Array:
    return gammaincinv_p(xp, -t, a, y)


@special_function(
    a=gammaincinv_a, p=gammainccinv_p, domain=PROBABILITY, samples=COSTLY_PAIRS
)
def gammainccinv(a: Array, p: Array, /) -> Array:
    """Inverse of `gammaincc` in x; derivative in p minus one over the gamma density."""


# ------------------------------------------------------------------ incomplete beta


def beta_density(xp: Any, a: Array, b: Array, x: Array, t: Array) -> Array:
    """Return the density of the beta distribution."""
    a, b, x = as_array(xp, a, t), as_array(xp, b, t), as_array(xp, x, t)
    powers = xp.special.xlogy(a - 1, x) + xp.special.xlog1py(b - 1, -x)
    return xp.exp(powers - xp.special.betaln(a, b))


def beta_power(xp: Any, a: Array, b: Array, x: Array, m: int, n: int) -> Array:
    """Return the integral of `betainc_moment` of any orders from 0 on."""
    if m == n == 0:
        return xp.special.betainc(a, b, x)
    return xp.special.betainc_moment(a, b, x, m=m, n=n)


def betainc_moment_a(
    xp: Any, t: Array, a: Array, b: Array, x: Array, m: int, n: int
) -> Array:
    a, b, x = as_array(xp, a, t), as_array(xp, b, t), as_array(xp, x, t)
    whole = xp.special.polygamma(1, a + b)
    slope = beta_power(xp, a, b, x, m + 1, n)
    if m:
        own = xp.special.polygamma(1, a) - whole
        slope = slope - m * own * beta_power(xp, a, b, x, m - 1, n)
    if n:
        slope = slope + n * whole * beta_power(xp, a, b, x, m, n - 1)
    return t * slope


def betainc_moment_b(
    xp: Any, t: Array, a: Array, b: Array, x: Array, m: int, n: int
) -> Array:
    a, b, x = as_array(xp, a, t), as_array(xp, b, t), as_array(xp, x, t)
    whole = xp.special.polygamma(1, a + b)
    slope = beta_power(xp, a, b, x, m, n + 1)
    if n:
        own = xp.special.polygamma(1, b) - whole
        slope = slope - n * own * beta_power(xp, a, b, x, m, n - 1)
    if m:
        slope = slope + m * whole * beta_power(xp, a, b, x, m - 1, n)
    return t * slope


def betainc_moment_x(
    xp: Any, t: Array, a: Array, b: Array, x: Array, m: int, n: int
) -> Array:
    a, b, x = as_array(xp, a, t), as_array(xp, b, t), as_array(xp, x, t)
    inside = (x > 0) & (x < 1)
    u = xp.where(inside, x, 0.5)
    whole = xp.special.psi(a + b)
    factor = (xp.log(u) - xp.special.psi(a) + whole) ** m
    factor = factor * (xp.log1p(-u) - xp.special.psi(b) + whole) ** n
    return t * (beta_density(xp, a, b, x, t) * factor)


@special_function(
    a=betainc_moment_a,
    b=betainc_moment_b,
    x=betainc_moment_x,
    domain={"a": SHAPE, "b": SHAPE, "x": UNIT},
    samples=(sample((), (), (), m=1, n=0),),
    implementation=beta_moment,
)
def betainc_moment(a: Array, b: Array, x: Array, /, *, m: int = 0, n: int = 0) -> Array:
    """Integral up to x of the beta density times powers of two centred logarithms.

    ``(log(t) - psi(a) + psi(a+b))**m (log(1-t) - psi(b) + psi(a+b))**n``; of orders
    (1, 0) it is the derivative of `betainc` in ``a``, of (0, 1) in ``b``. Not in SciPy.
    """


def betainc_a(xp: Any, t: Array, a: Array, b: Array, x: Array) -> Array:
    a, b, x = as_array(xp, a, t), as_array(xp, b, t), as_array(xp, x, t)
    return t * xp.special.betainc_moment(a, b, x, m=1, n=0)


def betainc_b(xp: Any, t: Array, a: Array, b: Array, x: Array) -> Array:
    a, b, x = as_array(xp, a, t), as_array(xp, b, t), as_array(xp, x, t)
    return t * xp.special.betainc_moment(a, b, x, m=0, n=1)


def betainc_x(xp: Any, t: Array, a: Array, b: Array, x: Array) -> Array:
    return t * beta_density(xp, a, b, x, t)


SHAPES = {"a": SHAPE, "b": SHAPE}


@special_function(
    a=betainc_a, b=betainc_b, x=betainc_x, domain=SHAPES | {"x": UNIT}, samples=TRIPLES
)
def betainc(a: Array, b: Array, x: Array, /) -> Array:
    """Regularised incomplete beta function; derivative in x the beta density.

    In ``a`` and ``b`` `betainc_moment`, by quadrature.
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
    samples=TRIPLES,
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
    samples=TRIPLES,
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
    samples=(sample((2,), (), order=1),),
    implementation=hurwitz_derivative,
)
def zeta_derivative(x: Array, q: Array, /, *, order: int = 1) -> Array:
    """Derivative of `zeta` in x: the sum of ``(-log(k+q))**order / (k+q)**x``.

    By the Euler-Maclaurin formula. Not in SciPy.
    """


def zeta_x(xp: Any, t: Array, x: Array, q: Any) -> Array:
    return zeta_derivative_x(xp, t, x, 1.0 if q is None else q, 0)


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


@special_function(x=zetac_x, domain=(1.2, math.inf))
def zetac(x: Array, /) -> Array:
    """Riemann's zeta function minus 1; derivative `zeta_derivative`."""
