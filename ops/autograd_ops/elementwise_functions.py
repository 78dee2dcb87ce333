"""Elementwise functions (the standard's chapter of that name).

Each rule is the linear map ``t -> partial * t``, written as a person would. Kinks
follow docs/mathematics.md: where the function has no derivative the rule gives the
symmetric member of the subdifferential (`abs` at 0: 0; `maximum` at a tie: one half
each).
"""

from __future__ import annotations

import cmath
import math
import operator
from functools import partial
from typing import Any

from autograd_core.declare import composite, constant, elementwise, kink
from autograd_core.edges import conjugate
from autograd_core.graph import Array, identity
from autograd_core.masks import Masked
from autograd_core.operation import POSITIVE, sample
from autograd_core.tensor import is_complex
from autograd_ops import shape_rules as shaped

# ------------------------------------------------------------------ arithmetic


@elementwise(x1=identity, x2=identity)
def add(x1: Array, x2: Array, /) -> Array:
    """Sum ``x1 + x2``."""


def subtract_x2(xp: Any, t: Array) -> Array:
    return -t


@elementwise(x1=identity, x2=subtract_x2)
def subtract(x1: Array, x2: Array, /) -> Array:
    """Difference ``x1 - x2``."""


def multiply_x1(xp: Any, t: Array, x2: Array) -> Array:
    return t * x2


def multiply_x2(xp: Any, t: Array, x1: Array) -> Array:
    return t * x1


@elementwise(x1=multiply_x1, x2=multiply_x2)
def multiply(x1: Array, x2: Array, /) -> Array:
    """Product ``x1 * x2``."""


def divide_x1(xp: Any, t: Array, x2: Array) -> Array:
    return t / x2


def divide_x2(xp: Any, t: Array, x2: Array, y: Array) -> Array:
    return -t * y / x2


@elementwise(x1=divide_x1, x2=divide_x2, domain={"x2": POSITIVE})
def divide(x1: Array, x2: Array, /) -> Array:
    """Quotient ``x1 / x2``."""


def negative_x(xp: Any, t: Array) -> Array:
    return -t


@elementwise(x=negative_x)
def negative(x: Array, /) -> Array:
    """Negation ``-x``."""


@elementwise(x=identity)
def positive(x: Array, /) -> Array:
    """Copy ``+x``."""


def pow_x1(xp: Any, t: Array, x1: Array, x2: Array) -> Array:
    if isinstance(x2, (int, float, complex)):
        if x2 == 2:
            return t * (x2 * x1)  # as x1 ** 1, without a copy
        return t * (x2 * x1 ** (x2 - 1)) if x2 != 0 else xp.zeros_like(t)
    flat = x2 == 0  # x1 ** 0 is constant, at x1 = 0 too
    return t * xp.where(flat, 0.0, x2 * x1 ** xp.where(flat, 1.0, x2 - 1))


def pow_x2(xp: Any, t: Array, x1: Array, y: Array) -> Array:
    if isinstance(x1, (int, float)) and not is_complex(y):
        return t * (y * math.log(x1)) if x1 > 0 else xp.zeros_like(t)
    if isinstance(x1, (int, float, complex)):
        return t * (y * cmath.log(x1)) if x1 != 0 else xp.zeros_like(t)
    rising = x1 != 0 if is_complex(x1) else x1 > 0
    return t * xp.where(rising, y * xp.log(xp.where(rising, x1, 1.0)), 0.0)


@elementwise(
    x1=pow_x1,
    x2=pow_x2,
    domain={"x1": POSITIVE},
    kinks=[
        kink(0.0, 0.0, gradient=[0.0, 0.0], reason="`x ** 0` is constant"),
        kink(0.0, 1.0, gradient=[1.0, 0.0], reason="`x ** 1` is `x`"),
        kink(0.0, 0.5, gradient=[math.inf, 0.0], reason="the limit"),
        kink(
            *(-2.0, 2.0),
            gradient=[-4.0, 0.0],
            reason="real for isolated exponents only",
        ),
    ],
)
def pow(x1: Array, x2: Array, /) -> Array:
    """Power ``x1 ** x2``.

    With respect to ``x2`` the derivative is ``y log(x1)`` for positive ``x1`` and 0
    elsewhere, where the power is real for isolated exponents only.
    """


def reciprocal_x(xp: Any, t: Array, y: Array) -> Array:
    return -t * y * y


@elementwise(x=reciprocal_x, domain=POSITIVE)
def reciprocal(x: Array, /) -> Array:
    """Reciprocal ``1 / x``."""


def square_x(xp: Any, t: Array, x: Array) -> Array:
    return t * (2 * x)


@elementwise(x=square_x)
def square(x: Array, /) -> Array:
    """Square ``x * x``."""


def sqrt_x(xp: Any, t: Array, y: Array) -> Array:
    return t / (2 * y)


@elementwise(
    x=sqrt_x,
    domain=POSITIVE,
    kinks=[kink(0.0, gradient=[math.inf], reason="the limit")],
)
def sqrt(x: Array, /) -> Array:
    """Square root; the derivative at 0 is infinite."""


def remainder_x2(xp: Any, t: Array, x1: Array, x2: Array) -> Array:
    return -t * xp.floor(x1 / x2)


@elementwise(
    x1=identity,
    x2=remainder_x2,
    domain={"x2": POSITIVE},
    takes_complex=False,
    kinks=[kink(4.0, 2.0, gradient=[1.0, -2.0], reason="as beside the jump")],
)
def remainder(x1: Array, x2: Array, /) -> Array:
    """Remainder ``x1 - x2 * floor(x1 / x2)``, with the sign of ``x2``."""


def abs_jvp(xp: Any, t: Array, x: Array) -> Array:
    if is_complex(x):
        return xp.real(xp.conj(xp.sign(x)) * t)
    return t * xp.sign(x)


def abs_vjp(xp: Any, t: Array, x: Array) -> Array:
    return t * xp.sign(x)


@elementwise(
    x=(abs_jvp, abs_vjp),
    kinks=[kink(0.0, gradient=[0.0], reason="the middle of [-1, 1]")],
)
def abs(x: Array, /) -> Array:
    """Absolute value; the derivative at 0 is 0.

    Of complex numbers the modulus, whose gradient is ``x / abs(x)``.
    """


def quotient(xp: Any, x: Array, y: Array) -> Array:
    """Return ``x / y``, and a constant 0 where ``y`` is 0, to every order."""
    flat = y == 0
    return xp.where(flat, 0.0, x / xp.where(flat, 1.0, y))


def hypot_x1(xp: Any, t: Array, x1: Array, y: Array) -> Array:
    return t * quotient(xp, x1, y)


def hypot_x2(xp: Any, t: Array, x2: Array, y: Array) -> Array:
    return t * quotient(xp, x2, y)


@elementwise(
    x1=hypot_x1,
    x2=hypot_x2,
    takes_complex=False,
    kinks=[
        kink(
            *(0.0, 0.0),
            gradient=[0.0, 0.0],
            reason="the smallest subgradient of the norm",
        )
    ],
)
def hypot(x1: Array, x2: Array, /) -> Array:
    """Length ``sqrt(x1**2 + x2**2)``; the gradient at the origin is 0."""


# ------------------------------------------------------------------ choosing


TIE = kink(1.0, 1.0, gradient=[0.5, 0.5], reason="symmetric")


def larger(xp: Any, t: Array, x: Array, other: Array) -> Masked:
    """Return the cotangent where ``x`` is the larger, half of it where they tie."""
    chosen = xp.where(x > other, t, xp.where(x == other, t / 2, 0.0))
    return Masked(chosen, partial(operator.ge, x, other))


def maximum_x1(xp: Any, t: Array, x1: Array, x2: Array) -> Array:
    return larger(xp, t, x1, x2)


def maximum_x2(xp: Any, t: Array, x1: Array, x2: Array) -> Array:
    return larger(xp, t, x2, x1)


@elementwise(x1=maximum_x1, x2=maximum_x2, takes_complex=False, kinks=[TIE])
def maximum(x1: Array, x2: Array, /) -> Array:
    """Larger of two; at a tie each argument gets half of the cotangent."""


def smaller(xp: Any, t: Array, x: Array, other: Array) -> Masked:
    """Return the cotangent where ``x`` is the smaller, half of it where they tie."""
    chosen = xp.where(x < other, t, xp.where(x == other, t / 2, 0.0))
    return Masked(chosen, partial(operator.le, x, other))


def minimum_x1(xp: Any, t: Array, x1: Array, x2: Array) -> Array:
    return smaller(xp, t, x1, x2)


def minimum_x2(xp: Any, t: Array, x1: Array, x2: Array) -> Array:
    return smaller(xp, t, x2, x1)


@elementwise(x1=minimum_x1, x2=minimum_x2, takes_complex=False, kinks=[TIE])
def minimum(x1: Array, x2: Array, /) -> Array:
    """Smaller of two; at a tie each argument gets half of the cotangent."""


@composite(
    *("x", "min", "max"),
    samples=(
        sample((3, 4), min=-0.5, max=1.0),
        sample((5,), min=0.1),
        sample((), max=0.1),
        sample((3,)),
        sample((3, 4), (4,), (3, 1)),
        sample((0, 2), (2,)),
    ),
    takes_complex=False,
    shape=shaped.clipped,
)
def clip(x: Array, /, min: Any = None, max: Any = None) -> Array:
    """Limit to ``[min, max]``, as ``minimum(maximum(x, min), max)``."""
    if min is None and max is None:
        return positive(x)  # not x itself: a write to the one is none to the other
    if min is not None:
        x = maximum(x, min)
    return x if max is None else minimum(x, max)


def copysign_x1(xp: Any, t: Array, x1: Array, x2: Array) -> Array:
    negative = (
        math.copysign(1.0, x2) < 0 if isinstance(x2, (int, float)) else xp.signbit(x2)
    )
    return xp.where(xp.signbit(x1) == negative, t, -t)


@elementwise(
    x1=copysign_x1,
    takes_complex=False,
    samples=(sample((3,), x2=[1.0, -2.0, -0.5]),),
    kinks=[
        kink(0.0, x2=[1.0], gradient=[1.0], reason="one-sided: the sign bits agree"),
        kink(0.0, x2=[-1.0], gradient=[-1.0], reason="one-sided: they differ"),
    ],
)
def copysign(x1: Array, x2: Array, /) -> Array:
    """Magnitude of ``x1`` with the sign of ``x2``, which has derivative 0."""


@elementwise(x1=identity, takes_complex=False, samples=(sample((2,), x2=[1.0, -2.0]),))
def nextafter(x1: Array, x2: Array, /) -> Array:
    """Next representable number after ``x1`` towards ``x2``: ``x1``, to rounding."""


# ------------------------------------------------------------------ exponentials


def exp_x(xp: Any, t: Array, y: Array) -> Array:
    return t * y


@elementwise(x=exp_x)
def exp(x: Array, /) -> Array:
    """Exponential."""


def expm1_x(xp: Any, t: Array, x: Array) -> Array:
    return t * xp.exp(x)  # y + 1 has no digits left where y is near -1


@elementwise(x=expm1_x)
def expm1(x: Array, /) -> Array:
    """``exp(x) - 1``, accurate near 0."""


def log_x(xp: Any, t: Array, x: Array) -> Array:
    return t / x


@elementwise(x=log_x, domain=POSITIVE)
def log(x: Array, /) -> Array:
    """Natural logarithm."""


def log1p_x(xp: Any, t: Array, x: Array) -> Array:
    return t / (1 + x)


@elementwise(x=log1p_x, domain=(-1.0, math.inf))
def log1p(x: Array, /) -> Array:
    """``log(1 + x)``, accurate near 0."""


def log2_x(xp: Any, t: Array, x: Array) -> Array:
    return t / (x * math.log(2))


@elementwise(x=log2_x, domain=POSITIVE)
def log2(x: Array, /) -> Array:
    """Logarithm to base 2."""


def log10_x(xp: Any, t: Array, x: Array) -> Array:
    return t / (x * math.log(10))


@elementwise(x=log10_x, domain=POSITIVE)
def log10(x: Array, /) -> Array:
    """Logarithm to base 10."""


def share(xp: Any, x: Array, other: Array) -> Array:
    """Return ``exp(x) / (exp(x) + exp(other))``: one half each of equal infinities."""
    gap = other - x
    gap = xp.where((x == other) & xp.isnan(gap), 0.0, gap)
    return xp.exp(-xp.logaddexp(gap, xp.zeros_like(gap)))


def logaddexp_x1(xp: Any, t: Array, x1: Array, x2: Array) -> Array:
    return t * share(xp, x1, x2)


def logaddexp_x2(xp: Any, t: Array, x1: Array, x2: Array) -> Array:
    return t * share(xp, x2, x1)


@elementwise(
    x1=logaddexp_x1,
    x2=logaddexp_x2,
    takes_complex=False,
    kinks=[
        kink(
            *(-math.inf, -math.inf),
            gradient=[0.5, 0.5],
            reason="as of equal numbers; of infinities too",
        )
    ],
)
def logaddexp(x1: Array, x2: Array, /) -> Array:
    """``log(exp(x1) + exp(x2))`` without overflow; the gradient is their softmax."""


# ------------------------------------------------------------------ trigonometry


def sin_x(xp: Any, t: Array, x: Array) -> Array:
    return t * xp.cos(x)


@elementwise(x=sin_x)
def sin(x: Array, /) -> Array:
    """Sine of an angle in radians."""


def cos_x(xp: Any, t: Array, x: Array) -> Array:
    return -t * xp.sin(x)


@elementwise(x=cos_x)
def cos(x: Array, /) -> Array:
    """Cosine of an angle in radians."""


def tan_x(xp: Any, t: Array, y: Array) -> Array:
    return t * (1 + y * y)


@elementwise(x=tan_x, domain=(-1.5, 1.5))
def tan(x: Array, /) -> Array:
    """Tangent of an angle in radians."""


def asin_x(xp: Any, t: Array, x: Array) -> Array:
    return t / xp.sqrt(1 - x * x)


@elementwise(x=asin_x, domain=(-1.0, 1.0))
def asin(x: Array, /) -> Array:
    """Inverse sine, in radians."""


def acos_x(xp: Any, t: Array, x: Array) -> Array:
    return -t / xp.sqrt(1 - x * x)


@elementwise(x=acos_x, domain=(-1.0, 1.0))
def acos(x: Array, /) -> Array:
    """Inverse cosine, in radians."""


def atan_x(xp: Any, t: Array, x: Array) -> Array:
    return t / (1 + x * x)


@elementwise(x=atan_x)
def atan(x: Array, /) -> Array:
    """Inverse tangent, in radians."""


def atan2_x1(xp: Any, t: Array, x1: Array, x2: Array) -> Array:
    r = xp.hypot(x1, x2)
    return t * (x2 / r / r)


def atan2_x2(xp: Any, t: Array, x1: Array, x2: Array) -> Array:
    r = xp.hypot(x1, x2)
    return -t * (x1 / r / r)


@elementwise(
    x1=atan2_x1,
    x2=atan2_x2,
    takes_complex=False,
    domain={"x2": POSITIVE},
    kinks=[
        kink(
            *(0.0, 0.0),
            gradient=[math.nan, math.nan],
            reason="every direction has another limit",
        )
    ],
)
def atan2(x1: Array, x2: Array, /) -> Array:
    """Angle of the point ``(x2, x1)``, in radians; no derivative at the origin."""


def sinh_x(xp: Any, t: Array, x: Array) -> Array:
    return t * xp.cosh(x)


@elementwise(x=sinh_x)
def sinh(x: Array, /) -> Array:
    """Hyperbolic sine."""


def cosh_x(xp: Any, t: Array, x: Array) -> Array:
    return t * xp.sinh(x)


@elementwise(x=cosh_x)
def cosh(x: Array, /) -> Array:
    """Hyperbolic cosine."""


def tanh_x(xp: Any, t: Array, y: Array) -> Array:
    return t * (1 - y * y)


@elementwise(x=tanh_x)
def tanh(x: Array, /) -> Array:
    """Hyperbolic tangent."""


def asinh_x(xp: Any, t: Array, x: Array) -> Array:
    if is_complex(x):
        return t / xp.sqrt(x * x + 1)
    return t / xp.hypot(x, xp.ones_like(x))  # x * x may overflow


@elementwise(x=asinh_x)
def asinh(x: Array, /) -> Array:
    """Inverse hyperbolic sine."""


def acosh_x(xp: Any, t: Array, x: Array) -> Array:
    return t / (xp.sqrt(x - 1) * xp.sqrt(x + 1))  # two roots: the complex branch


@elementwise(x=acosh_x, domain=(1.0, math.inf))
def acosh(x: Array, /) -> Array:
    """Inverse hyperbolic cosine."""


def atanh_x(xp: Any, t: Array, x: Array) -> Array:
    return t / ((1 - x) * (1 + x))


@elementwise(x=atanh_x, domain=(-1.0, 1.0))
def atanh(x: Array, /) -> Array:
    """Inverse hyperbolic tangent."""


# ------------------------------------------------------------------ complex parts


def conj_x(xp: Any, t: Array) -> Array:
    return conjugate(xp, t)


@elementwise(x=(conj_x, conj_x))
def conj(x: Array, /) -> Array:
    """Complex conjugate: of real numbers, themselves."""


def real_jvp(xp: Any, t: Array) -> Array:
    return xp.real(t) if is_complex(t) else t


@elementwise(x=(real_jvp, identity))
def real(x: Array, /) -> Array:
    """Real part: of real numbers, themselves."""


def imag_jvp(xp: Any, t: Array) -> Array:
    return xp.imag(t)


def imag_vjp(xp: Any, t: Array, x_dtype: Any) -> Array:
    return xp.astype(t, x_dtype) * 1j


@elementwise(
    x=(imag_jvp, imag_vjp),
    constant_on_reals=True,
    samples=(sample((3, 4)).complex(), sample(()).complex(), sample((0, 2)).complex()),
)
def imag(x: Array, /) -> Array:
    """Imaginary part: of real numbers, 0."""


# ------------------------------------------------------------------ steps


def sign_x(xp: Any, t: Array, x: Array, y: Array) -> Array:
    size = xp.abs(x)
    along = xp.real(xp.conj(y) * t)
    across = t - y * xp.astype(along, t.dtype)
    return across / xp.astype(xp.where(size == 0, math.inf, size), t.dtype)


@elementwise(x=(sign_x, sign_x), constant_on_reals=True)
def sign(x: Array, /) -> Array:
    """Sign: -1, 0 or 1; of complex numbers ``x / abs(x)``, and 0 of 0.

    Of complex numbers the derivative is that of the direction: what of a tangent is
    across ``x``, divided by ``abs(x)``.
    """


@constant
def signbit(x: Array, /) -> Array:
    """Whether the sign bit is set."""


@constant
def floor(x: Array, /) -> Array:
    """Round down."""


@constant
def ceil(x: Array, /) -> Array:
    """Round up."""


@constant
def trunc(x: Array, /) -> Array:
    """Round towards 0."""


@constant
def round(x: Array, /) -> Array:
    """Round to the nearest integer, halves to even."""


@constant
def floor_divide(x1: Array, x2: Array, /) -> Array:
    """Quotient, rounded down."""


@constant
def equal(x1: Array, x2: Array, /) -> Array:
    """``x1 == x2``."""


@constant
def not_equal(x1: Array, x2: Array, /) -> Array:
    """``x1 != x2``."""


@constant
def less(x1: Array, x2: Array, /) -> Array:
    """``x1 < x2``."""


@constant
def less_equal(x1: Array, x2: Array, /) -> Array:
    """``x1 <= x2``."""


@constant
def greater(x1: Array, x2: Array, /) -> Array:
    """``x1 > x2``."""


@constant
def greater_equal(x1: Array, x2: Array, /) -> Array:
    """``x1 >= x2``."""


@constant
def isfinite(x: Array, /) -> Array:
    """Whether finite."""


@constant
def isinf(x: Array, /) -> Array:
    """Whether infinite."""


@constant
def isnan(x: Array, /) -> Array:
    """Whether nan."""


@constant
def logical_and(x1: Array, x2: Array, /) -> Array:
    """Logical and."""


@constant
def logical_or(x1: Array, x2: Array, /) -> Array:
    """Logical or."""


@constant
def logical_xor(x1: Array, x2: Array, /) -> Array:
    """Logical exclusive or."""


@constant
def logical_not(x: Array, /) -> Array:
    """Logical not."""


@constant
def bitwise_and(x1: Array, x2: Array, /) -> Array:
    """Bitwise and."""


@constant
def bitwise_or(x1: Array, x2: Array, /) -> Array:
    """Bitwise or."""


@constant
def bitwise_xor(x1: Array, x2: Array, /) -> Array:
    """Bitwise exclusive or."""


@constant
def bitwise_invert(x: Array, /) -> Array:
    """Bitwise not."""


@constant
def bitwise_left_shift(x1: Array, x2: Array, /) -> Array:
    """Shift bits to the left."""


@constant
def bitwise_right_shift(x1: Array, x2: Array, /) -> Array:
    """Shift bits to the right."""
