"""Distribution functions, and their inverses, in terms of incomplete functions.

What counts events (``k``, ``n``) is whole, and is not differentiated.
"""

from __future__ import annotations

import math
from typing import Any

from autograd_core.graph import Array
from autograd_core.operation import POSITIVE, sample
from autograd_ops.special_gamma_functions import (
    COSTLY_PAIRS,
    QUANTILES_ABOVE,
    TRIPLES,
    UNIT,
    beta_density,
    betainc_a,
    betainc_b,
    gamma_density,
    gammainc_a,
)
from autograd_ops.special_support import as_array, special_function

EXTENSION = "special"

# ------------------------------------------------------------------ binomial

COUNTS = (sample((3,), k=2, n=5), sample((2,), k=[0, 4], n=[3, 4]))


def binomial_slope(xp: Any, t: Array, k: Any, n: Any, p: Array) -> Array:
    """Return the slope in p of the probability of more than k events of n."""
    k, n = xp.floor(as_array(xp, k, t)), as_array(xp, n, t)
    return beta_density(xp, k + 1, n - k, p, t)


def bdtr_p(xp: Any, t: Array, k: Any, n: Any, p: Array) -> Array:
    return -t * binomial_slope(xp, t, k, n, p)


@special_function(p=bdtr_p, domain=UNIT, samples=COUNTS)
def bdtr(k: Any, n: Any, p: Array, /) -> Array:
    """Binomial distribution, up to k of n; derivative minus a beta density."""


def bdtrc_p(xp: Any, t: Array, k: Any, n: Any, p: Array) -> Array:
    return t * binomial_slope(xp, t, k, n, p)


@special_function(p=bdtrc_p, domain=UNIT, samples=COUNTS)
def bdtrc(k: Any, n: Any, p: Array, /) -> Array:
    """``1 - bdtr(k, n, p)``; derivative the beta density of k + 1 and n - k."""


def bdtri_p(xp: Any, t: Array, k: Any, n: Any, y: Array) -> Array:
    return -t / binomial_slope(xp, t, k, n, y)


@special_function(
    p=bdtri_p,
    domain=UNIT,
    samples=(sample((3,), k=2, n=5), sample((2,), k=0, n=[3, 4])),
)
def bdtri(k: Any, n: Any, p: Array, /) -> Array:
    """Inverse of `bdtr` in its last argument; minus one over a beta density."""


def nbdtr_p(xp: Any, t: Array, k: Any, n: Any, p: Array) -> Array:
    k, n = xp.floor(as_array(xp, k, t)), as_array(xp, n, t)
    return t * beta_density(xp, n, k + 1, p, t)


@special_function(p=nbdtr_p, domain=UNIT, samples=COUNTS)
def nbdtr(k: Any, n: Any, p: Array, /) -> Array:
    """Negative binomial distribution, up to k failures before n successes.

    Derivative the beta density of n and k + 1.
    """


def nbdtrc_p(xp: Any, t: Array, k: Any, n: Any, p: Array) -> Array:
    return nbdtr_p(xp, -t, k, n, p)


@special_function(p=nbdtrc_p, domain=UNIT, samples=COUNTS)
def nbdtrc(k: Any, n: Any, p: Array, /) -> Array:
    """``1 - nbdtr(k, n, p)``; derivative minus the beta density of n and k + 1."""


def nbdtri_p(xp: Any, t: Array, k: Any, n: Any, y: Array) -> Array:
    k, n = xp.floor(as_array(xp, k, t)), as_array(xp, n, t)
    return t / beta_density(xp, n, k + 1, y, t)


@special_function(p=nbdtri_p, domain=UNIT, samples=COUNTS)
def nbdtri(k: Any, n: Any, p: Array, /) -> Array:
    """Inverse of `nbdtr` in its last argument; one over a beta density."""


# ------------------------------------------------------------------ Poisson

EVENTS = (sample((3,), k=2), sample((2, 2), k=[0, 4]))


def poisson_slope(xp: Any, t: Array, k: Any, m: Array) -> Array:
    """Return the slope in m of the probability of more than k events."""
    return gamma_density(xp, xp.floor(as_array(xp, k, t)) + 1, m, t)


def pdtr_m(xp: Any, t: Array, k: Any, m: Array) -> Array:
    return -t * poisson_slope(xp, t, k, m)


@special_function(m=pdtr_m, domain=POSITIVE, samples=EVENTS)
def pdtr(k: Any, m: Array, /) -> Array:
    """Poisson distribution, up to k events; derivative minus the probability of k."""


def pdtrc_m(xp: Any, t: Array, k: Any, m: Array) -> Array:
    return t * poisson_slope(xp, t, k, m)


@special_function(m=pdtrc_m, domain=POSITIVE, samples=EVENTS)
def pdtrc(k: Any, m: Array, /) -> Array:
    """``1 - pdtr(k, m)``; derivative the probability of k."""


def pdtri_p(xp: Any, t: Array, k: Any, y: Array) -> Array:
    return -t / poisson_slope(xp, t, k, y)


@special_function(p=pdtri_p, domain=UNIT, samples=EVENTS)
def pdtri(k: Any, p: Array, /) -> Array:
    """Inverse of `pdtr` in m; derivative minus one over the probability of k."""


# ------------------------------------------------------------------ chi-square

DEGREES = {"v": POSITIVE, "p": UNIT}


def chdtr_v(xp: Any, t: Array, v: Array, x: Array) -> Array:
    return gammainc_a(xp, t, v / 2, x / 2) / 2


def chdtr_x(xp: Any, t: Array, v: Array, x: Array) -> Array:
    return t * gamma_density(xp, v / 2, x / 2, t) / 2


@special_function(v=chdtr_v, x=chdtr_x, domain=POSITIVE, samples=COSTLY_PAIRS)
def chdtr(v: Array, x: Array, /) -> Array:
    """Chi-square distribution, ``gammainc(v / 2, x / 2)``; in x its density."""


def chdtrc_v(xp: Any, t: Array, v: Array, x: Array) -> Array:
    return chdtr_v(xp, -t, v, x)


def chdtrc_x(xp: Any, t: Array, v: Array, x: Array) -> Array:
    return chdtr_x(xp, -t, v, x)


@special_function(v=chdtrc_v, x=chdtrc_x, domain=POSITIVE, samples=COSTLY_PAIRS)
def chdtrc(v: Array, x: Array, /) -> Array:
    """``1 - chdtr(v, x)``, accurate where it is small; minus its derivatives."""


def chdtri_v(xp: Any, t: Array, v: Array, y: Array) -> Array:
    return -gammainc_a(xp, t, v / 2, y / 2) / gamma_density(xp, v / 2, y / 2, t)


def chdtri_p(xp: Any, t: Array, v: Array, y: Array) -> Array:
    return -2 * t / gamma_density(xp, v / 2, y / 2, t)


@special_function(v=chdtri_v, p=chdtri_p, domain=DEGREES, samples=QUANTILES_ABOVE)
def chdtri(v: Array, p: Array, /) -> Array:
    """Inverse of `chdtrc` in x; derivative in p minus one over the density."""


# ------------------------------------------------------------------ gamma


def gdtr_a(xp: Any, t: Array, a: Array, b: Array, x: Array) -> Array:
    return t * x * gamma_density(xp, b, a * x, t)


def gdtr_b(xp: Any, t: Array, a: Array, b: Array, x: Array) -> Array:
    return gammainc_a(xp, t, b, a * x)


def gdtr_x(xp: Any, t: Array, a: Array, b: Array, x: Array) -> Array:
    return t * a * gamma_density(xp, b, a * x, t)


@special_function(
    a=gdtr_a,
    b=gdtr_b,
    x=gdtr_x,
    domain=POSITIVE,
    samples=TRIPLES,
)
def gdtr(a: Array, b: Array, x: Array, /) -> Array:
    """Gamma distribution of rate a, ``gammainc(b, a x)``; in x its density."""


def gdtrc_a(xp: Any, t: Array, a: Array, b: Array, x: Array) -> Array:
    return gdtr_a(xp, -t, a, b, x)


def gdtrc_b(xp: Any, t: Array, a: Array, b: Array, x: Array) -> Array:
    return gdtr_b(xp, -t, a, b, x)


def gdtrc_x(xp: Any, t: Array, a: Array, b: Array, x: Array) -> Array:
    return gdtr_x(xp, -t, a, b, x)


@special_function(
    a=gdtrc_a,
    b=gdtrc_b,
    x=gdtrc_x,
    domain=POSITIVE,
    samples=TRIPLES,
)
def gdtrc(a: Array, b: Array, x: Array, /) -> Array:
    """``1 - gdtr(a, b, x)``, accurate where it is small; minus its derivatives."""


# ------------------------------------------------------------------ F

LARGER = (0.05, math.inf)


def ratio(
    xp: Any, dfn: Array, dfd: Array, x: Array, t: Array
) -> tuple[Array, Array, Array]:
    """Return the arguments of the beta distribution behind the F distribution."""
    dfn, dfd = as_array(xp, dfn, t), as_array(xp, dfd, t)
    return dfn / 2, dfd / 2, dfn * x / (dfd + dfn * x)


def fdtr_x(xp: Any, t: Array, dfn: Array, dfd: Array, x: Array) -> Array:
    slope = dfn * dfd / (dfd + dfn * x) ** 2
    return t * slope * beta_density(xp, *ratio(xp, dfn, dfd, x, t), t)


def fdtr_dfn(xp: Any, t: Array, dfn: Array, dfd: Array, x: Array) -> Array:
    place = ratio(xp, dfn, dfd, x, t)
    moved = ratio_moved(xp, t * dfd, dfn, dfd, x)
    return betainc_a(xp, t, *place) / 2 + moved


def fdtr_dfd(xp: Any, t: Array, dfn: Array, dfd: Array, x: Array) -> Array:
    place = ratio(xp, dfn, dfd, x, t)
    moved = ratio_moved(xp, t * dfn, dfn, dfd, x)
    return betainc_b(xp, t, *place) / 2 - moved


def ratio_moved(xp: Any, t: Array, dfn: Array, dfd: Array, x: Array) -> Array:
    """Return what moving the ratio makes.

    It is 0 at 0, where the density may have a pole. Small numbers meet large ones
    first.
    """
    x = as_array(xp, x, t)
    inside = x > 0
    u = xp.where(inside, x, 1.0)
    density = beta_density(xp, *ratio(xp, dfn, dfd, u, t), t)
    return t * xp.where(inside, u / (dfd + dfn * u) ** 2 * density, 0.0)


@special_function(
    dfn=fdtr_dfn,
    dfd=fdtr_dfd,
    x=fdtr_x,
    domain=POSITIVE,
    samples=TRIPLES,
)
def fdtr(dfn: Array, dfd: Array, x: Array, /) -> Array:
    """F distribution, ``betainc(dfn/2, dfd/2, dfn x / (dfd + dfn x))``; its density."""


def fdtrc_dfn(xp: Any, t: Array, dfn: Array, dfd: Array, x: Array) -> Array:
    return fdtr_dfn(xp, -t, dfn, dfd, x)


def fdtrc_dfd(xp: Any, t: Array, dfn: Array, dfd: Array, x: Array) -> Array:
    return fdtr_dfd(xp, -t, dfn, dfd, x)


def fdtrc_x(xp: Any, t: Array, dfn: Array, dfd: Array, x: Array) -> Array:
    return fdtr_x(xp, -t, dfn, dfd, x)


@special_function(
    dfn=fdtrc_dfn,
    dfd=fdtrc_dfd,
    x=fdtrc_x,
    domain=POSITIVE,
    samples=TRIPLES,
)
def fdtrc(dfn: Array, dfd: Array, x: Array, /) -> Array:
    """``1 - fdtr(dfn, dfd, x)``, accurate where it is small; minus its derivatives."""


def fdtri_dfn(xp: Any, t: Array, dfn: Array, dfd: Array, y: Array) -> Array:
    return -fdtr_dfn(xp, t, dfn, dfd, y) / fdtr_x(xp, 1.0 + 0 * t, dfn, dfd, y)


def fdtri_dfd(xp: Any, t: Array, dfn: Array, dfd: Array, y: Array) -> Array:
    return -fdtr_dfd(xp, t, dfn, dfd, y) / fdtr_x(xp, 1.0 + 0 * t, dfn, dfd, y)


def fdtri_p(xp: Any, t: Array, dfn: Array, dfd: Array, y: Array) -> Array:
    return t / fdtr_x(xp, 1.0 + 0 * t, dfn, dfd, y)


@special_function(
    dfn=fdtri_dfn,
    dfd=fdtri_dfd,
    p=fdtri_p,
    domain={"dfn": LARGER, "dfd": LARGER, "p": UNIT},
    samples=TRIPLES,
)
def fdtri(dfn: Array, dfd: Array, p: Array, /) -> Array:
    """Inverse of `fdtr` in x; derivative in p one over the density.

    Checked from shapes of 0.05 on: of smaller ones values are 0 or beyond all numbers.
    """


# ------------------------------------------------------------------ Student's t


def student_density(xp: Any, df: Array, x: Array, t: Array) -> Array:
    """Return the density of Student's t distribution."""
    df, x = as_array(xp, df, t), as_array(xp, x, t)
    tail = (df + 1) / 2 * xp.log1p(x * x / df)
    return xp.exp(-tail - xp.special.betaln(df / 2, 0.5) - xp.log(df) / 2)


def stdtr_df(xp: Any, t: Array, df: Array, x: Array) -> Array:
    df, x = as_array(xp, df, t), as_array(xp, x, t)
    shape = betainc_a(xp, t, df / 2, 0.5, df / (df + x * x)) / 4
    place = t * x * student_density(xp, df, x, t) / (2 * df)
    return xp.where(x < 0, shape, -shape) - place


def stdtr_t(xp: Any, t: Array, df: Array, x: Array) -> Array:
    return t * student_density(xp, df, x, t)


@special_function(
    df=stdtr_df,
    x=stdtr_t,
    domain={"df": POSITIVE, "x": (0.1, math.inf)},
    samples=COSTLY_PAIRS,
)
def stdtr(df: Array, x: Array, /) -> Array:
    """Student's t distribution; derivative in x its density, in df by quadrature.

    Checked from x = 0.1 on: of one degree of freedom SciPy's values go up in steps of
    1e-9 near 0, which have no slope. The rules do not depend on them.
    """


def stdtrit_df(xp: Any, t: Array, df: Array, y: Array) -> Array:
    return -stdtr_df(xp, t, df, y) / student_density(xp, df, y, t)


def stdtrit_p(xp: Any, t: Array, df: Array, y: Array) -> Array:
    return t / student_density(xp, df, y, t)


@special_function(
    df=stdtrit_df,
    p=stdtrit_p,
    domain={"df": (1.0, math.inf), "p": (0.5, 0.75)},
    samples=COSTLY_PAIRS,
)
def stdtrit(df: Array, p: Array, /) -> Array:
    """Inverse of `stdtr` in its second argument; in p one over the density.

    Checked up to p = 0.75: above it SciPy's values have errors of 1e-13, unsteady
    ones, and so have the derivatives, which are taken at these values.
    """
