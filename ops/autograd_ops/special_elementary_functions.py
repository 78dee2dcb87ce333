"""Special functions that are short formulas of elementary ones.

What a library lacks of these is computed in calls of the standard.
"""

from __future__ import annotations

import math
from typing import Any

from autograd_core.declare import kink
from autograd_core.graph import Array
from autograd_core.operation import POSITIVE, sample
from autograd_ops.special_support import as_array, series, special_function

EXTENSION = "special"

PAIRS = (sample((2, 1), (3,)),)

# ------------------------------------------------------------------ logistic


def expit_x(xp: Any, t: Array, x: Array, y: Array) -> Array:
    return t * (y * xp.special.expit(-x))


def expit_forward(xp: Any, x: Array) -> Array:
    small = xp.exp(-xp.abs(x))
    return xp.where(x >= 0, 1.0, small) / (1 + small)


@special_function(x=expit_x, implementation=expit_forward)
def expit(x: Array, /) -> Array:
    """Logistic function ``1 / (1 + exp(-x))``; derivative ``y expit(-x)``."""


def log_expit_x(xp: Any, t: Array, x: Array) -> Array:
    return t * xp.special.expit(-x)


def log_expit_forward(xp: Any, x: Array) -> Array:
    return -softplus_forward(xp, -x)


@special_function(x=log_expit_x, implementation=log_expit_forward)
def log_expit(x: Array, /) -> Array:
    """``log(expit(x))``; derivative ``expit(-x)``."""


def softplus_x(xp: Any, t: Array, x: Array) -> Array:
    return t * xp.special.expit(x)


def softplus_forward(xp: Any, x: Array) -> Array:
    return xp.where(x > 0, x, 0.0) + xp.log1p(xp.exp(-xp.abs(x)))


@special_function(x=softplus_x, implementation=softplus_forward)
def softplus(x: Array, /) -> Array:
    """``log(1 + exp(x))``; derivative ``expit(x)``."""


def logit_x(xp: Any, t: Array, x: Array) -> Array:
    return t / (x * (1 - x))


def logit_forward(xp: Any, x: Array) -> Array:
    return xp.log(x) - xp.log1p(-x)


@special_function(
    x=logit_x,
    domain=(0.0, 1.0),
    kinks=[
        kink(0.0, gradient=[math.inf], reason="the limit"),
        kink(1.0, gradient=[math.inf], reason="the limit"),
    ],
    implementation=logit_forward,
)
def logit(x: Array, /) -> Array:
    """Inverse of `expit`, ``log(x / (1 - x))``; derivative ``1 / (x (1 - x))``."""


# ------------------------------------------------------------------ entropy


def xlogy_x1(xp: Any, t: Array, x2: Any) -> Array:
    return t * xp.log(as_array(xp, x2, t))


def xlogy_x2(xp: Any, t: Array, x1: Any, x2: Array) -> Array:
    both = (x1 == 0) & (x2 == 0)
    return t * (x1 / xp.where(both, 1.0, x2))


def xlogy_forward(xp: Any, x1: Any, x2: Any) -> Array:
    like = xp.zeros_like(x1 + x2)
    x1, x2 = x1 + like, x2 + like
    nothing = (x1 == 0) & (x2 == x2)
    return xp.where(nothing, 0.0, x1 * xp.log(xp.where(nothing, 1.0, x2)))


@special_function(
    samples=PAIRS,
    x1=xlogy_x1,
    x2=xlogy_x2,
    takes_complex=True,
    domain={"x2": POSITIVE},
    kinks=[
        kink(
            *(0.0, 0.0),
            gradient=[-math.inf, 0.0],
            reason="`x2` does not matter where `x1` is 0; in `x1` the limit",
        )
    ],
    implementation=xlogy_forward,
)
def xlogy(x1: Array, x2: Array, /) -> Array:
    """``x1 log(x2)``, 0 where x1 is 0; derivatives ``log(x2)`` and ``x1 / x2``."""


def xlog1py_x1(xp: Any, t: Array, x2: Any) -> Array:
    return t * xp.log1p(as_array(xp, x2, t))


def xlog1py_x2(xp: Any, t: Array, x1: Any, x2: Array) -> Array:
    both = (x1 == 0) & (x2 == -1)
    return t * (x1 / xp.where(both, 1.0, 1 + x2))


def xlog1py_forward(xp: Any, x1: Any, x2: Any) -> Array:
    like = xp.zeros_like(x1 + x2)
    x1, x2 = x1 + like, x2 + like
    nothing = (x1 == 0) & (x2 == x2)
    return xp.where(nothing, 0.0, x1 * xp.log1p(xp.where(nothing, 0.0, x2)))


@special_function(
    samples=PAIRS,
    x1=xlog1py_x1,
    x2=xlog1py_x2,
    domain={"x2": (-1.0, math.inf)},
    kinks=[
        kink(
            *(0.0, -1.0),
            gradient=[-math.inf, 0.0],
            reason="`x2` does not matter where `x1` is 0; in `x1` the limit",
        )
    ],
    implementation=xlog1py_forward,
)
def xlog1py(x1: Array, x2: Array, /) -> Array:
    """``x1 log(1 + x2)``, 0 where x1 is 0; ``log(1 + x2)`` and ``x1 / (1 + x2)``."""


def entr_x(xp: Any, t: Array, x: Array) -> Array:
    return t * (-xp.log(x) - 1)


def entr_forward(xp: Any, x: Array) -> Array:
    value = -x * xp.log(xp.where(x > 0, x, 1.0))
    return xp.where(x < 0, -math.inf, xp.where(x == 0, 0.0, value))


@special_function(
    x=entr_x,
    domain=POSITIVE,
    kinks=[kink(0.0, gradient=[math.inf], reason="the limit")],
    implementation=entr_forward,
)
def entr(x: Array, /) -> Array:
    """Entropy ``-x log(x)``, 0 at 0; derivative ``-log(x) - 1``."""


def log_ratio(xp: Any, x1: Array, x2: Array) -> Array:
    """Return ``log(x1 / x2)`` without overflow of the ratio."""
    return xp.log(x1) - xp.log(x2)


def positive_pair(xp: Any, x1: Any, x2: Any) -> tuple[Array, Array, Array, Array]:
    """Return both arguments, where both are positive, and where the first is 0."""
    like = xp.zeros_like(x1 + x2)
    x1, x2 = x1 + like, x2 + like
    return x1, x2, (x1 > 0) & (x2 > 0), (x1 == 0) & (x2 >= 0)


def or_infinite(xp: Any, x1: Array, x2: Array, value: Array) -> Array:
    """Return a value, infinity where it is not defined, and nan of nan."""
    return xp.where((x1 == x1) & (x2 == x2), value, math.nan)


def rel_entr_x1(xp: Any, t: Array, x1: Any, x2: Any) -> Array:
    x1, x2 = as_array(xp, x1, t), as_array(xp, x2, t)
    return t * (log_ratio(xp, x1, x2) + 1)


def rel_entr_x2(xp: Any, t: Array, x1: Any, x2: Array) -> Array:
    both = (x1 == 0) & (x2 == 0)
    return -t * (x1 / xp.where(both, 1.0, x2))


def rel_entr_forward(xp: Any, x1: Any, x2: Any) -> Array:
    x1, x2, inside, nothing = positive_pair(xp, x1, x2)
    u, v = xp.where(inside, x1, 1.0), xp.where(inside, x2, 1.0)
    value = xp.where(inside, u * log_ratio(xp, u, v), math.inf)
    return or_infinite(xp, x1, x2, xp.where(nothing, 0.0, value))


@special_function(
    samples=PAIRS,
    x1=rel_entr_x1,
    x2=rel_entr_x2,
    domain=POSITIVE,
    kinks=[
        kink(0.0, 2.0, gradient=[-math.inf, 0.0], reason="the limit"),
        kink(0.0, 0.0, gradient=[math.nan, 0.0], reason="log(x1 / x2) has no limit"),
    ],
    implementation=rel_entr_forward,
)
def rel_entr(x1: Array, x2: Array, /) -> Array:
    """``x1 log(x1 / x2)``; derivatives ``log(x1 / x2) + 1`` and ``-x1 / x2``."""


def kl_div_x1(xp: Any, t: Array, x1: Any, x2: Any) -> Array:
    return t * log_ratio(xp, as_array(xp, x1, t), as_array(xp, x2, t))


def kl_div_x2(xp: Any, t: Array, x1: Any, x2: Array) -> Array:
    both = (x1 == 0) & (x2 == 0)
    return t * (1 - x1 / xp.where(both, 1.0, x2))


def kl_div_forward(xp: Any, x1: Any, x2: Any) -> Array:
    x1, x2, inside, nothing = positive_pair(xp, x1, x2)
    u, v = xp.where(inside, x1, 1.0), xp.where(inside, x2, 1.0)
    value = xp.where(inside, u * log_ratio(xp, u, v) - u + v, math.inf)
    return or_infinite(xp, x1, x2, xp.where(nothing, x2, value))


@special_function(
    samples=PAIRS,
    x1=kl_div_x1,
    x2=kl_div_x2,
    domain=POSITIVE,
    kinks=[
        kink(0.0, 2.0, gradient=[-math.inf, 1.0], reason="the limit"),
        kink(0.0, 0.0, gradient=[math.nan, 1.0], reason="log(x1 / x2) has no limit"),
    ],
    implementation=kl_div_forward,
)
def kl_div(x1: Array, x2: Array, /) -> Array:
    """``x1 log(x1 / x2) - x1 + x2``; ``log(x1 / x2)`` and ``1 - x1 / x2``."""


# ------------------------------------------------------------------ quotients with x

SINC_SLOPE = [
    (-1) ** (k + 1) * math.pi ** (2 * k + 2) * (2 * k + 2) / math.factorial(2 * k + 3)
    for k in range(16)
]
"""Coefficients in ``x**2`` of ``sinc'(x) / x``."""

EXPREL_SLOPE = [(k + 1) / math.factorial(k + 2) for k in range(24)]
"""Coefficients of ``exprel'``."""


def sinc_x(xp: Any, t: Array, x: Array, y: Array) -> Array:
    inside = xp.abs(x) < 0.5
    near = xp.where(inside, x, 0.0) * series(xp, x * x, inside, SINC_SLOPE)
    far = (xp.cos(math.pi * x) - y) / xp.where(inside, 1.0, x)
    return t * xp.where(inside, near, far)


def sinc_forward(xp: Any, x: Array) -> Array:
    turned = math.pi * xp.where(x == 0, 1.0, x)
    return xp.where(x == 0, 1.0, xp.sin(turned) / turned)


@special_function(x=sinc_x, takes_complex=True, implementation=sinc_forward)
def sinc(x: Array, /) -> Array:
    """``sin(pi x) / (pi x)``; derivative ``(cos(pi x) - y) / x``, near 0 its series."""


def exprel_x(xp: Any, t: Array, x: Array, y: Array) -> Array:
    inside = xp.abs(x) < 1.0
    near = series(xp, x, inside, EXPREL_SLOPE)
    inverse = 1 / xp.where(inside, 1.0, x)
    positive = x > 0
    rising = y * (1 - inverse) + inverse
    falling = (xp.exp(xp.where(positive, 0.0, x)) - y) * inverse
    return t * xp.where(inside, near, xp.where(positive, rising, falling))


def exprel_forward(xp: Any, x: Array) -> Array:
    return xp.where(x == 0, 1.0, xp.expm1(x) / xp.where(x == 0, 1.0, x))


@special_function(x=exprel_x, implementation=exprel_forward)
def exprel(x: Array, /) -> Array:
    """``(exp(x) - 1) / x``; derivative ``(exp(x) - y) / x``, near 0 its series."""


def cosm1_x(xp: Any, t: Array, x: Array) -> Array:
    return -t * xp.sin(x)


def cosm1_forward(xp: Any, x: Array) -> Array:
    half = xp.sin(x / 2)
    return -2 * half * half


@special_function(x=cosm1_x, implementation=cosm1_forward)
def cosm1(x: Array, /) -> Array:
    """``cos(x) - 1``, accurate near 0; derivative ``-sin(x)``."""


# ------------------------------------------------------------------ powers


def exp2_x(xp: Any, t: Array, y: Array) -> Array:
    return t * (y * math.log(2))


def exp2_forward(xp: Any, x: Array) -> Array:
    return 2.0**x


@special_function(x=exp2_x, implementation=exp2_forward)
def exp2(x: Array, /) -> Array:
    """``2**x``; derivative ``y log(2)``."""


def exp10_x(xp: Any, t: Array, y: Array) -> Array:
    return t * (y * math.log(10))


def exp10_forward(xp: Any, x: Array) -> Array:
    return 10.0**x


@special_function(x=exp10_x, implementation=exp10_forward)
def exp10(x: Array, /) -> Array:
    """``10**x``; derivative ``y log(10)``."""


def cbrt_x(xp: Any, t: Array, y: Array) -> Array:
    return t / (3 * y * y)


@special_function(
    x=cbrt_x,
    domain=POSITIVE,
    kinks=[kink(0.0, gradient=[math.inf], reason="the limit")],
)
def cbrt(x: Array, /) -> Array:
    """Cube root; derivative ``1 / (3 y**2)``."""


def expm1_x(xp: Any, t: Array, y: Array) -> Array:
    return t * (y + 1)


def expm1_forward(xp: Any, x: Array) -> Array:
    return xp.expm1(x)


@special_function(x=expm1_x, implementation=expm1_forward)
def expm1(x: Array, /) -> Array:
    """``exp(x) - 1``, accurate near 0; derivative ``y + 1``."""


def log1p_x(xp: Any, t: Array, x: Array) -> Array:
    return t / (1 + x)


def log1p_forward(xp: Any, x: Array) -> Array:
    return xp.log1p(x)


@special_function(x=log1p_x, domain=(-1.0, math.inf), implementation=log1p_forward)
def log1p(x: Array, /) -> Array:
    """``log(1 + x)``, accurate near 0; derivative ``1 / (1 + x)``."""


# ------------------------------------------------------------------ angles

DEGREE = math.pi / 180


def sindg_x(xp: Any, t: Array, x: Array) -> Array:
    return t * (DEGREE * xp.special.cosdg(x))


@special_function(x=sindg_x)
def sindg(x: Array, /) -> Array:
    """Sine of an angle in degrees; derivative ``pi / 180 cosdg(x)``."""


def cosdg_x(xp: Any, t: Array, x: Array) -> Array:
    return t * (-DEGREE * xp.special.sindg(x))


@special_function(x=cosdg_x)
def cosdg(x: Array, /) -> Array:
    """Cosine of an angle in degrees; derivative ``-pi / 180 sindg(x)``."""


def tandg_x(xp: Any, t: Array, y: Array) -> Array:
    return t * (DEGREE * (1 + y * y))


@special_function(x=tandg_x)
def tandg(x: Array, /) -> Array:
    """Tangent of an angle in degrees; derivative ``pi / 180 (1 + y**2)``."""


def cotdg_x(xp: Any, t: Array, y: Array) -> Array:
    return t * (-DEGREE * (1 + y * y))


@special_function(x=cotdg_x, domain=(10.0, 20.0))
def cotdg(x: Array, /) -> Array:
    """Cotangent of an angle in degrees; derivative ``-pi / 180 (1 + y**2)``."""


def radian_d(xp: Any, t: Array) -> Array:
    return t * DEGREE


def radian_m(xp: Any, t: Array) -> Array:
    return t * (DEGREE / 60)


def radian_s(xp: Any, t: Array) -> Array:
    return t * (DEGREE / 3600)


def radian_forward(xp: Any, d: Any, m: Any, s: Any) -> Array:
    return DEGREE * (d + m / 60 + s / 3600)


@special_function(
    d=radian_d,
    m=radian_m,
    s=radian_s,
    samples=(sample((2, 1), (3,), ()),),
    implementation=radian_forward,
)
def radian(d: Array, m: Array, s: Array, /) -> Array:
    """Degrees, minutes and seconds in radians, a linear function."""


# ------------------------------------------------------------------ losses


def huber_delta(xp: Any, t: Array, delta: Any, r: Any) -> Array:
    delta, r = as_array(xp, delta, t), as_array(xp, r, t)
    over = xp.abs(r) - delta
    return t * xp.where(over > 0, over, 0.0)


def huber_r(xp: Any, t: Array, delta: Any, r: Array) -> Array:
    delta = as_array(xp, delta, t)
    inside = xp.where(xp.abs(r) <= delta, r, 0.0)
    outside = xp.where(xp.abs(r) > delta, delta * xp.sign(r), 0.0)
    return t * (inside + outside)


def huber_forward(xp: Any, delta: Any, r: Any) -> Array:
    like = xp.zeros_like(delta + r)
    delta, size = delta + like, xp.abs(r + like)
    value = xp.where(size <= delta, size * size / 2, delta * (size - delta / 2))
    return xp.where(delta < 0, math.inf, value)


@special_function(
    delta=huber_delta,
    r=huber_r,
    domain={"delta": POSITIVE},
    samples=PAIRS,
    implementation=huber_forward,
)
def huber(delta: Array, r: Array, /) -> Array:
    """Huber's loss, ``r**2 / 2`` up to delta and linear beyond; ``clip(r)`` in r."""


def pseudo_huber_delta(xp: Any, t: Array, delta: Any, r: Any) -> Array:
    delta, u = scaled(xp, delta, r, t)
    root = xp.sqrt(1 + u * u)
    return t * (delta * u * u * (2 / (root + 1) - 1 / root))


def pseudo_huber_r(xp: Any, t: Array, delta: Any, r: Any) -> Array:
    delta, u = scaled(xp, delta, r, t)
    return t * (delta * u / xp.sqrt(1 + u * u))


def scaled(xp: Any, delta: Any, r: Any, t: Array) -> tuple[Array, Array]:
    """Return delta as an array, and ``r / delta``."""
    delta = as_array(xp, delta, t)
    return delta, as_array(xp, r, t) / xp.where(delta == 0, 1.0, delta)


def pseudo_huber_forward(xp: Any, delta: Any, r: Any) -> Array:
    like = xp.zeros_like(delta + r)
    delta = delta + like
    u = (r + like) / xp.where(delta == 0, 1.0, delta)
    root = xp.sqrt(1 + u * u)
    value = delta * delta * (u * u / (1 + xp.where(root < math.inf, root, 0.0)))
    return xp.where(delta < 0, math.inf, value)


@special_function(
    delta=pseudo_huber_delta,
    r=pseudo_huber_r,
    domain={"delta": POSITIVE},
    samples=PAIRS,
    implementation=pseudo_huber_forward,
)
def pseudo_huber(delta: Array, r: Array, /) -> Array:
    """``delta**2 (sqrt(1 + (r/delta)**2) - 1)``: `huber` without a corner."""


# ------------------------------------------------------------------ Box-Cox

LOG_SLOPE = [(-1) ** (k + 1) * (k + 1) / (k + 2) for k in range(44)]
"""Coefficients of ``(u / (1 + u) - log(1 + u)) / u**2``."""


def exprel_slope(xp: Any, u: Array) -> Array:
    """Return the derivative of `exprel`."""
    return exprel_x(xp, xp.ones_like(u), u, xp.special.exprel(u))


def boxcox_x(xp: Any, t: Array, x: Array, lmbda: Any) -> Array:
    return t * x ** (as_array(xp, lmbda, t) - 1)


def boxcox_lmbda(xp: Any, t: Array, x: Any, lmbda: Array) -> Array:
    logarithm = xp.log(as_array(xp, x, t))
    return t * (logarithm**2 * exprel_slope(xp, lmbda * logarithm))


@special_function(x=boxcox_x, lmbda=boxcox_lmbda, domain={"x": POSITIVE}, samples=PAIRS)
def boxcox(x: Array, lmbda: Array, /) -> Array:
    """``(x**lmbda - 1) / lmbda``, ``log(x)`` at 0; ``x**(lmbda - 1)`` in x."""


def boxcox1p_x(xp: Any, t: Array, x: Array, lmbda: Any) -> Array:
    lmbda = as_array(xp, lmbda, t)
    return t * xp.exp((lmbda - 1) * xp.log1p(x))


def boxcox1p_lmbda(xp: Any, t: Array, x: Any, lmbda: Array) -> Array:
    logarithm = xp.log1p(as_array(xp, x, t))
    return t * (logarithm**2 * exprel_slope(xp, lmbda * logarithm))


@special_function(
    x=boxcox1p_x, lmbda=boxcox1p_lmbda, domain={"x": (-1.0, math.inf)}, samples=PAIRS
)
def boxcox1p(x: Array, lmbda: Array, /) -> Array:
    """`boxcox` of ``1 + x``; derivative in x ``(1 + x)**(lmbda - 1)``."""


def inverse_slope(xp: Any, value: Array, x: Any, lmbda: Any, t: Array) -> Array:
    """Return the slope in lmbda of ``value = (1 + lmbda x)**(1 / lmbda)``."""
    x, lmbda = as_array(xp, x, t), as_array(xp, lmbda, t)
    u = lmbda * x
    inside = xp.abs(u) < 0.3
    near = series(xp, u, inside, LOG_SLOPE)
    safe = xp.where(inside, 1.0, u)
    far = (safe / (1 + safe) - xp.log1p(safe)) / (safe * safe)
    return t * (value * x * x * xp.where(inside, near, far))


def inv_boxcox_x(xp: Any, t: Array, x: Any, lmbda: Any, y: Array) -> Array:
    return t * (y / (1 + lmbda * x))


def inv_boxcox_lmbda(xp: Any, t: Array, x: Any, lmbda: Array, y: Array) -> Array:
    return inverse_slope(xp, y, x, lmbda, t)


@special_function(
    x=inv_boxcox_x, lmbda=inv_boxcox_lmbda, domain=POSITIVE, samples=PAIRS
)
def inv_boxcox(x: Array, lmbda: Array, /) -> Array:
    """Inverse of `boxcox` in x; derivative ``y / (1 + lmbda x)``."""


def inv_boxcox1p_x(xp: Any, t: Array, x: Any, lmbda: Any, y: Array) -> Array:
    return t * ((y + 1) / (1 + lmbda * x))


def inv_boxcox1p_lmbda(xp: Any, t: Array, x: Any, lmbda: Array, y: Array) -> Array:
    return inverse_slope(xp, y + 1, x, lmbda, t)


@special_function(
    x=inv_boxcox1p_x, lmbda=inv_boxcox1p_lmbda, domain=POSITIVE, samples=PAIRS
)
def inv_boxcox1p(x: Array, lmbda: Array, /) -> Array:
    """Inverse of `boxcox1p` in x; derivative ``(y + 1) / (1 + lmbda x)``."""
