"""Formulas that lose digits, or overflow, where another for the same does not.

They are recognised in the function that a user wrote, before it is differentiated: the
rules of the operation that replaces them then have the derivative in a form that is as
good. Between the extremes both agree to rounding.

Not needed is the trick of a safe argument in ``where(x > 0, log(x), 0)``: no derivative
passes through a branch that was not taken (``masks``).
"""

from __future__ import annotations

from typing import Any

from autograd_core.programs.passes.registry import optimisation
from autograd_core.programs.rewriting import Call


def is_real(call: Call) -> bool:
    """Say whether a call computes with real numbers in floating point."""
    return call.result.dtype.startswith("float")


def plus_one(call: Call | None) -> Any:
    """Return ``u`` of ``1 + u``, None if it is none."""
    if call is None or call.operation != "add":
        return None
    first, second = call.arguments
    if call.number(first) == 1:
        return second
    return first if call.number(second) == 1 else None


# ------------------------------------------------------------------ log, exp


@optimisation("stable", of="log")
def log_of_exponentials(call: Call) -> Any:
    """Write ``log(1 + exp(x))`` as ``logaddexp(x, 0)``, and ``log(exp(x))`` as ``x``.

    The exponential overflows for large ``x``, where the logarithm is just ``x``, and is
    lost beside 1 for very negative ones, where it is the whole logarithm.
    """
    if not is_real(call):
        return None
    if inner := call.made_by(call.x, "exp"):
        return inner.x
    exponential = call.made_by(plus_one(call.made_by(call.x, "add")), "exp")
    return softplus(call, exponential)


@optimisation("stable", of="log1p")
def log1p_of_exponentials(call: Call) -> Any:
    """Write ``log1p(exp(x))`` as ``logaddexp(x, 0)``: the exponential overflows."""
    return softplus(call, call.made_by(call.x, "exp")) if is_real(call) else None


def softplus(call: Call, exponential: Call | None) -> Any:
    """Return the logarithm of 1 and an exponential."""
    if exponential is None:
        return None
    return call.xp.logaddexp(call.array(exponential.x), 0.0)


@optimisation("stable", of="log")
def log_near_one(call: Call) -> Any:
    """Write ``log(1 + x)`` as ``log1p(x)``, and ``log(1 - x)`` as ``log1p(-x)``.

    Beside 1 the last digits of a small ``x`` are lost, and it may vanish.
    """
    if not is_real(call):
        return None
    term = plus_one(call.made_by(call.x, "add"))
    if term is not None and call.made_by(term, "exp") is None:
        return call.xp.log1p(call.array(term))
    difference = call.made_by(call.x, "subtract")
    if difference is None or call.number(difference.x) != 1:
        return None
    return call.xp.log1p(call.xp.negative(call.array(difference.arguments[1])))


@optimisation("stable", of="add subtract")
def exponentials_near_one(call: Call) -> Any:
    """Write ``exp(x) - 1`` as ``expm1(x)``, and ``1 - exp(x)`` as its opposite.

    Near 0 an exponential is near 1, and hardly any digit of the difference is left.
    """
    if not is_real(call):
        return None
    first, second = call.arguments
    one = -1 if call.operation == "add" else 1
    if call.number(second) == one and (inner := call.made_by(first, "exp")):
        return call.xp.expm1(call.array(inner.x))
    if abs(call.number(first) or 0) == 1 and (inner := call.made_by(second, "exp")):
        if call.operation == "subtract" and call.number(first) == 1:
            return call.xp.negative(call.xp.expm1(call.array(inner.x)))
        if call.operation == "add" and call.number(first) == -1:
            return call.xp.expm1(call.array(inner.x))
    return None


@optimisation("stable", of="subtract")
def cosines_near_one(call: Call) -> Any:
    """Write ``1 - cos(x)`` as ``2 * sin(x / 2)**2``: near 0 nothing would be left."""
    if not is_real(call) or call.number(call.x) != 1:
        return None
    inner = call.made_by(call.arguments[1], "cos")
    if inner is None:
        return None
    return 2 * call.xp.square(call.xp.sin(call.array(inner.x) / 2))


# ------------------------------------------------------------------ sums


@optimisation("stable", of="log")
def log_sum_exp(call: Call) -> Any:
    """Write ``log(sum(exp(x)))`` as the operation of that name.

    It takes the maximum out, so that no exponential overflows and not all vanish. Not
    where ``x`` already is less than its maximum.
    """
    total = call.made_by(call.x, "sum")
    inner = call.made_by(total.x, "exp") if total and is_real(call) else None
    if total is None or inner is None or total.static("dtype") is not None:
        return None
    axis, keepdims = total.static("axis"), total.static("keepdims")
    if shifted_by_maximum(call, inner.x) is not None:
        return None
    function = call.xp.special.log_sum_exp
    return function(call.array(inner.x), axis=axis, keepdims=keepdims)


def shifted_by_maximum(call: Call, x: Any) -> Call | None:
    """Return the maximum in ``z - max(z)``, None if that is not what it is."""
    difference = call.made_by(x, "subtract")
    if difference is None:
        return None
    maximum = call.made_by(difference.arguments[1], "max")
    return maximum if maximum and maximum.x is difference.x else None


@optimisation("stable", of="subtract")
def log_softmax(call: Call) -> Any:
    """Write ``x - log(sum(exp(x)))`` as the logarithm of the softmax of ``x``.

    With it goes a maximum that was taken out by hand, and the part of the derivative
    through it, which is zero but for rounding; unless the exponentials are used for
    something else, too, so that nothing would be gained.
    """
    if not is_real(call):
        return None
    x, logarithm = call.x, call.made_by(call.arguments[1], "log")
    named = call.made_by(call.arguments[1], "special.log_sum_exp")
    total = call.made_by(logarithm.x, "sum") if logarithm else named
    if total is None or not total.static("keepdims"):
        return None
    inner = call.made_by(total.x, "exp") if logarithm else total
    if inner is None or inner.x is not x:
        return None
    axis = one_axis(total)
    maximum = shifted_by_maximum(call, x)
    if axis is None or (maximum and logarithm and not call.is_read_once(total.x)):
        return None
    if maximum and maximum.static("keepdims") and one_axis(maximum) == axis:
        x = maximum.x
    return call.xp.special.log_softmax(call.array(x), axis=axis)


@optimisation("stable", of="log")
def log_of_softmax(call: Call) -> Any:
    """Write ``log(exp(x) / sum(exp(x)))`` as the logarithm of the softmax of ``x``.

    The quotient vanishes where ``x`` is far below its maximum; its logarithm does not.
    """
    named = call.made_by(call.x, "special.softmax")
    if named is not None and is_real(call):
        axis = named.static("axis")
        return call.xp.special.log_softmax(call.array(named.x), axis=axis)
    found = softmax_of(call, call.made_by(call.x, "divide")) if is_real(call) else None
    if found is None:
        return None
    x, axis = found
    return call.xp.special.log_softmax(call.array(x), axis=axis)


def softmax_of(call: Call, quotient: Call | None) -> tuple[Any, int] | None:
    """Return ``x`` and the axis of ``exp(x) / sum(exp(x))``, None if it is none."""
    if quotient is None:
        return None
    numerator, denominator = quotient.arguments
    inner, total = call.made_by(numerator, "exp"), call.made_by(denominator, "sum")
    if inner is None or total is None or not is_same(call, total.x, numerator):
        return None
    axis = one_axis(total)
    if axis is None or not total.static("keepdims"):
        return None
    maximum = shifted_by_maximum(call, inner.x)
    by_hand = maximum and maximum.static("keepdims") and one_axis(maximum) == axis
    return (maximum.x if maximum and by_hand else inner.x), axis


def is_same(call: Call, x: Any, y: Any) -> bool:
    """Say whether two operands are one, or exponentials of one."""
    first, second = call.made_by(x, "exp"), call.made_by(y, "exp")
    return x is y or (first is not None and second is not None and first.x is second.x)


def one_axis(call: Call) -> int | None:
    """Return the one axis of a reduction, None if there are several."""
    axis = call.static("axis")
    if isinstance(axis, tuple) and len(axis) == 1:
        axis = axis[0]
    ndim = len(call.x.shape)
    if axis is None and ndim == 1:
        return 0
    return axis % ndim if isinstance(axis, int) else None


# ------------------------------------------------------------------ quotients


@optimisation("stable", of="divide reciprocal")
def logistic_function(call: Call) -> Any:
    """Write ``1 / (1 + exp(-x))`` and ``exp(x) / (1 + exp(x))`` as ``special.expit``.

    The first has a derivative in which an infinity meets a zero for very negative
    ``x``, the second is a quotient of infinities for large ones. Not where the
    denominator is used for something else, as it is by a derivative.
    """
    if not is_real(call) or not call.is_read_once(call.arguments[-1]):
        return None
    below = call.made_by(call.arguments[-1], "add")
    inner = call.made_by(plus_one(below), "exp")
    if inner is None:
        return None
    x = call.array(inner.x)
    if call.operation == "reciprocal" or call.number(call.x) == 1:
        return call.xp.special.expit(call.xp.negative(x))
    above = call.made_by(call.x, "exp")
    is_same_x = above is not None and above.x is inner.x
    return call.xp.special.expit(x) if is_same_x else None


@optimisation("stable", of="log")
def log_of_logistic(call: Call) -> Any:
    """Write ``log(special.expit(x))`` as ``-logaddexp(-x, 0)``.

    The logistic function vanishes for very negative ``x``, where the logarithm is
    ``x``.
    """
    inner = call.made_by(call.x, "special.expit")
    if inner is None or not is_real(call):
        return None
    xp = call.xp
    return xp.negative(xp.logaddexp(xp.negative(call.array(inner.x)), 0.0))


# ------------------------------------------------------------------ the rest


@optimisation("stable", of="multiply")
def x_log_x(call: Call) -> Any:
    """Write ``x * log(x)`` as ``special.xlogy(x, x)``, which is 0 at 0, its limit.

    Only if both are the same ``x``: what ``0 * log(p)`` should be at ``p = 0`` is the
    user's to say.
    """
    for x, other in (call.arguments, call.arguments[::-1]):
        inner = call.made_by(other, "log")
        if inner is not None and inner.x is x and is_real(call):
            return call.xp.special.xlogy(call.array(x), call.array(x))
    return None


@optimisation("stable", of="sqrt")
def lengths(call: Call) -> Any:
    """Write ``sqrt(x**2 + y**2)`` as ``hypot(x, y)``, and ``sqrt(x**2)`` as ``abs(x)``.

    Squares overflow and vanish where lengths do not; and at 0 the derivative is that of
    smallest norm, not nan.
    """
    if not is_real(call):
        return None
    single = squared(call, call.x)
    if single is not None:
        return call.xp.abs(call.array(single))
    total = call.made_by(call.x, "add")
    sides = [squared(call, x) for x in total.arguments] if total else [None]
    if None in sides:
        return None
    return call.xp.hypot(*map(call.array, sides))


def squared(call: Call, y: Any) -> Any:
    """Return ``x`` where ``y`` is its square, None if it is none."""
    if inner := call.made_by(y, "square"):
        return inner.x
    if (inner := call.made_by(y, "pow")) and call.number(inner.arguments[1]) == 2:
        return inner.x
    inner = call.made_by(y, "multiply")
    return inner.x if inner and inner.x is inner.arguments[1] else None


@optimisation("stable", of="subtract")
def variances(call: Call) -> Any:
    """Write ``mean(x**2) - mean(x)**2`` as ``var(x)``: two large numbers, one small."""
    first = call.made_by(call.x, "mean")
    second = call.made_by(squared(call, call.arguments[1]), "mean")
    if first is None or second is None or not is_real(call):
        return None
    axis, keepdims = first.static("axis"), first.static("keepdims")
    alike = (axis, keepdims) == (second.static("axis"), second.static("keepdims"))
    if not alike or squared(call, first.x) is not second.x:
        return None
    return call.xp.var(call.array(second.x), axis=axis, keepdims=keepdims)
