"""The same for less: rounding may change, by an operation's worth."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from autograd_core.backend import backend
from autograd_core.programs.passes.registry import optimisation
from autograd_core.programs.program import Variable
from autograd_core.programs.rewriting import Call

HIGHEST = 8
"""The power up to which products are cheaper than ``pow``."""


# ------------------------------------------------------------------ range


def is_normal(number: float, dtype: str) -> bool:
    """Say whether a dtype holds a number as precisely as others: not 0, not infinity.

    One that a pass computes from literals may not be: 1e-4 times 1e-4 is 0 in float16.
    """
    limits = backend("abstract").namespace.finfo(dtype)
    return float(limits.smallest_normal) <= abs(number) <= float(limits.max)


def has_room(dtype: str) -> bool:
    """Say whether intermediate results may be of another size than they were.

    Not in float16, where 300 times 300 is infinity. What float32 and float64 hold is
    seldom so close to their limits.
    """
    return dtype != "float16"


def may_wait(number: float, dtype: str) -> bool:
    """Say whether to multiply by a number after a sum or a product, not before.

    What is computed until then is larger or smaller by that number. So that this tells
    within the last few powers of ten of the dtype's range only, it is moderate.
    """
    epsilon = float(backend("abstract").namespace.finfo(dtype).eps)
    room = 1 / epsilon if has_room(dtype) else 1.0
    return 1 / room <= abs(number) <= room


# ------------------------------------------------------------------ powers, quotients


@optimisation("fast", of="pow")
def powers(call: Call) -> Any:
    """Write ``x**3`` as ``x * x * x``, ``x**0.5`` as a root, ``x**-1`` as ``1 / x``.

    A power takes a logarithm and an exponential, or a loop that no processor can do for
    several elements at a time: 7 times as long as three products. ``x**-0.5`` and
    ``x**-1.5`` stay: of -infinity they are 0, but the root is nan.
    """
    power = call.number(call.arguments[1])
    floating = not call.result.dtype.startswith(("int", "uint"))
    if isinstance(power, complex) or power is None or not isinstance(call.x, Variable):
        return None
    if abs(power) > HIGHEST or 2 * power != int(2 * power) or power == 0:
        return None
    inverse, half = power < 0, power != int(power)
    if (inverse and half) or ((inverse or half) and not floating):
        return None
    x, whole = call.array(call.x), abs(int(power))
    y = product(x, whole) if whole else None
    if half:
        root = call.xp.sqrt(x)
        y = root if y is None else y * root
    return 1 / y if inverse else y  # type: ignore[operator]


def product(x: Any, power: int) -> Any:
    """Return a power by squaring: ``x * x * x``, ``(x * x) * (x * x)``."""
    if power == 1:
        return x
    half = product(x, power // 2)
    return half * half * x if power % 2 else half * half


@optimisation("fast", of="divide")
def quotients(call: Call) -> Any:
    """Write ``x / 3`` as ``x * (1 / 3)``: a division takes twice as long."""
    number = call.number(call.arguments[1])
    if number is None or isinstance(number, complex) or number == 0:
        return None
    if not is_real(call) or not is_normal(1 / number, call.result.dtype):
        return None
    return call.array(call.x) * (1 / number)


@optimisation("fast", of="divide reciprocal")
def shared_reciprocals(call: Call) -> Any:
    """Where ``1 / y`` has been computed, multiply by it instead of dividing again."""
    if not has_room(call.result.dtype):
        return None
    reciprocals = call.rewriting.notes.setdefault("reciprocals", {})
    if call.operation == "reciprocal":
        reciprocals[call.x] = call.result
        return None
    x, y = call.arguments
    if not isinstance(y, Variable) or call.result.shape != y.shape:
        return None
    if call.number(x) == 1:
        reciprocals.setdefault(y, call.result)
    elif isinstance(x, Variable) and y in reciprocals:
        return call.array(x) * call.array(reciprocals[y])
    return None


# ------------------------------------------------------------------ scalars


def scaled(call: Call, operand: Any) -> tuple[Any, Any] | None:
    """Return ``x`` and ``c`` of an operand ``c * x``, which nothing else reads."""
    inner = call.made_by(operand, "multiply", "negative")
    if inner is None or not call.is_read_once(operand):
        return None
    if inner.operation == "negative":
        return inner.x, -1.0
    for x, other in (inner.arguments, inner.arguments[::-1]):
        number = call.number(other)
        is_known = isinstance(number, int | float)
        if is_known and isinstance(x, Variable) and x.type == inner.result.type:
            return x, number
    return None


def is_real(call: Call) -> bool:
    """Say whether a call computes with real numbers in floating point."""
    return call.result.dtype.startswith("float")


@optimisation("fast", of="multiply negative")
def scalars(call: Call) -> Any:
    """Multiply numbers with one another first: ``2 * (x * 3)`` is ``6 * x``.

    Two arrays that are scaled are scaled once: ``(2 * x) * (3 * y)`` is
    ``6 * (x * y)``.
    """
    if not is_real(call):
        return None
    dtype = call.result.dtype
    if call.operation == "negative":
        found = scaled(call, call.x)
        return found and call.array(found[0]) * -found[1]
    numbers = [call.number(x) for x in call.arguments]
    factors = [scaled(call, x) for x in call.arguments]
    for number, factor in zip(numbers, factors[::-1], strict=True):
        if isinstance(number, int | float) and factor is not None:
            both = number * factor[1]
            return call.array(factor[0]) * both if is_normal(both, dtype) else None
    if None in factors or call.x is call.arguments[1]:
        return None
    (x, a), (y, b) = factors  # type: ignore[misc]
    if not (may_wait(a, dtype) and may_wait(b, dtype)):
        return None
    return (a * b) * (call.array(x) * call.array(y))


@optimisation("fast", of="sum matmul")
def scalars_of_sums(call: Call) -> Any:
    """Scale what a sum or a product of matrices gives, if that is smaller.

    ``sum(2 * x)`` is ``2 * sum(x)``, ``(2 * x) @ y`` is ``2 * (x @ y)``.
    """
    if not is_real(call) or call.static("dtype") is not None:
        return None
    for k, operand in enumerate(call.arguments):
        found = scaled(call, operand)
        if found is None or not may_wait(found[1], call.result.dtype):
            continue
        if call.result.size < found[0].size:
            operands = call.arrays()
            operands[k] = call.array(found[0])
            statics = dict(call.instruction.statics)
            return getattr(call.xp, call.operation)(*operands, **statics) * found[1]
    return None


@optimisation("fast", of="add multiply")
def neutral_zeros(call: Call) -> Any:
    """Leave out ``x + 0.0``, and ``1 * z`` of complex numbers: some zero has a sign."""
    neutral = 0 if call.operation == "add" else 1
    for x, other in (call.arguments, call.arguments[::-1]):
        if call.number(other) == neutral:
            return call.same_as(x)
    return None


# ------------------------------------------------------------------ sums and products


@optimisation("fast", of="sum")
def sums_of_broadcasts(call: Call) -> Any:
    """Multiply what was broadcast by the number of times, instead of summing it."""
    source = call.made_by(call.x, "broadcast_to")
    if source is None or call.static("dtype") is not None or not is_real(call):
        return None
    shape, axes = call.x.shape, axes_of(call)
    before = (1,) * (len(shape) - len(source.x.shape)) + source.x.shape
    if any(before[k] != 1 for k in axes):
        return None
    keepdims = call.static("keepdims")
    kept = [n for k, n in enumerate(before) if keepdims or k not in axes]
    times = math.prod(shape[k] for k in axes)
    if not is_normal(times, call.result.dtype):
        return None  # the sum of nothing is 0, and 0 times infinity is not
    y = call.xp.reshape(call.array(source.x), tuple(kept)) * times
    is_whole = y.shape == call.result.shape
    return y if is_whole else call.xp.broadcast_to(y, call.result.shape)


def axes_of(call: Call) -> tuple[int, ...]:
    """Return the axes of a reduction."""
    axis, ndim = call.static("axis"), len(call.x.shape)
    if axis is None:
        return tuple(range(ndim))
    return tuple(k % ndim for k in (axis if isinstance(axis, tuple) else (axis,)))


@optimisation("fast", of="sum")
def sums_of_products(call: Call) -> Any:
    """Write ``sum(x * y)`` as ``vecdot``: products are added at once, not stored."""
    inner = call.made_by(call.x, "multiply", "square")
    if inner is None or not call.is_read_once(call.x) or not is_real(call):
        return None
    x, y = inner.arguments[0], inner.arguments[-1]
    if not (isinstance(x, Variable) and isinstance(y, Variable) and x.type == y.type):
        return None
    axes, ndim = axes_of(call), len(x.shape)
    if call.static("dtype") is not None or call.static("keepdims"):
        return None
    if call.number(x) is not None or call.number(y) is not None:
        return None
    a, b = call.array(x), call.array(y)
    if axes == (ndim - 1,):
        return call.xp.vecdot(a, b)
    if len(axes) == ndim > 1 and call.are_in_order(x, y):
        return call.xp.vecdot(call.xp.reshape(a, (-1,)), call.xp.reshape(b, (-1,)))
    return None


@optimisation("fast", of="sum")
def sums_of_rows(call: Call) -> Any:
    """Write the sum over an axis of a matrix as a product with ones.

    A product of matrices uses the processor as it is meant to be: for rows of up to
    some hundred elements 2 to 5 times as fast as a sum over an axis.
    """
    x = call.x
    if not isinstance(x, Variable) or len(x.shape) != 2 or not is_real(call):
        return None
    axes = axes_of(call)
    if len(axes) != 1 or call.static("dtype") is not None or 0 in x.shape:
        return None
    n, keepdims = x.shape[axes[0]], call.static("keepdims")
    if n == 1 or not call.is_dense(x):
        return None
    lengths = (1, n) if axes[0] == 0 else (n, 1)
    ones = ones_of(call, lengths if keepdims else (n,), x.dtype)
    matrix = call.array(x)
    return ones @ matrix if axes[0] == 0 else matrix @ ones


def ones_of(call: Call, shape: tuple[int, ...], dtype: str) -> Any:
    """Return a constant whose elements are 1, with memory, as products take it."""
    notes, abstract = call.rewriting.notes, backend("abstract")
    if (shape, dtype) not in notes:
        data = abstract.namespace.ones(shape, dtype=dtype)
        notes[shape, dtype] = abstract.constant(data, own=True)
    return notes[shape, dtype]


@optimisation("fast", of="matmul")
def order_of_products(call: Call) -> Any:
    """Multiply a chain of matrices in the order that takes the fewest operations.

    ``(x @ y) @ z`` is ``x @ (y @ z)``, and the sizes of the matrices say what is cheap:
    an ``n`` by ``m`` times an ``m`` by ``k`` matrix takes ``n * m * k`` products.
    """
    first, second = call.arguments
    if not are_matrices(call.arguments) or not has_room(call.result.dtype):
        return None
    left, right = call.made_by(first, "matmul"), call.made_by(second, "matmul")
    if left and call.is_read_once(first) and are_matrices(left.arguments):
        chain = (*left.arguments, second)
        from_left, from_right = costs(*chain)
        x, y, z = map(call.array, chain)
        return x @ (y @ z) if from_right < from_left else None
    if right and call.is_read_once(second) and are_matrices(right.arguments):
        chain = (first, *right.arguments)
        from_left, from_right = costs(*chain)
        x, y, z = map(call.array, chain)
        return (x @ y) @ z if from_left < from_right else None
    return None


def are_matrices(operands: Iterable[Any]) -> bool:
    """Say whether all operands are matrices, not stacks of them."""
    return all(isinstance(x, Variable) and len(x.shape) == 2 for x in operands)


def costs(x: Any, y: Any, z: Any) -> tuple[int, int]:
    """Return how many products ``(x @ y) @ z`` and ``x @ (y @ z)`` take."""
    (n, m), (_, k), (_, j) = x.shape, y.shape, z.shape
    return n * m * k + n * k * j, m * k * j + n * m * j


@optimisation("fast", of="matmul")
def products_with_identity(call: Call) -> Any:
    """Leave out a product with the identity matrix, from which a Jacobian starts.

    Not the same where the other matrix is not finite: 0 times infinity is nan.
    """
    if not are_matrices(call.arguments):
        return None
    for x, other in (call.arguments, call.arguments[::-1]):
        if x in call.rewriting.level.own and is_identity(call, x):
            return call.same_as(other)
    return None


def is_identity(call: Call, operand: Any) -> bool:
    """Say whether a constant of the recording is an identity matrix."""
    xp, data = backend("abstract").namespace, call.rewriting.data(operand)
    n, m = data.shape
    return n == m <= 512 and bool(xp.all(data == xp.eye(n, dtype=data.dtype)))


# ------------------------------------------------------------------ masks


@optimisation("fast", of="where")
def masks_of_maxima(call: Call) -> Any:
    """Leave out masks that hold wherever numbers compare, or where there is a zero.

    The gradient of ``maximum(x, y)`` is chosen by ``x > y``, and a tie is shared; where
    ``x >= y`` does not hold it is zero already, and ``(x >= y) | (y >= x)`` fails for
    nan only.
    """
    mask, (chosen, other) = call.static("condition"), call.arguments
    if call.number(other) != 0 or not isinstance(chosen, Variable):
        return None
    if chosen.shape != call.result.shape or chosen.dtype != call.result.dtype:
        return None
    always = call.made_by(mask, "bitwise_or", "logical_or")
    if always is not None:
        one, two = (comparison(call, x) for x in always.instruction.operands)
        holds = one is not None and two is not None and one == two[::-1]
    else:
        order = comparison(call, mask)
        holds = order is not None and is_zero_beside(call, chosen, order)
    return call.array(chosen) if holds else None


def comparison(call: Call, mask: Any) -> tuple[Any, ...] | None:
    """Return the operands of ``x >= y``, None of anything else."""
    found = call.made_by(mask, "greater_equal")
    return None if found is None else found.instruction.operands


def is_zero_beside(call: Call, x: Any, order: tuple[Any, ...]) -> bool:
    """Say whether an array is a multiple of one that is chosen where ``x >= y``."""
    scaled = call.made_by(x, "multiply", "negative")
    if scaled is not None:
        return any(is_zero_beside(call, each, order) for each in scaled.arguments)
    outer = call.made_by(x, "where")
    if outer is None:
        return False
    inner = call.made_by(outer.arguments[1], "where")
    greater = call.made_by(outer.static("condition"), "greater")
    if inner is None or greater is None or call.number(inner.arguments[1]) != 0:
        return False
    tie = call.made_by(inner.static("condition"), "equal")
    same = tie is not None and set(tie.instruction.operands) == set(order)
    return same and greater.instruction.operands == order
