"""Calls that do nothing, or undo one another."""

from __future__ import annotations

from typing import Any

from autograd_core.programs.passes.registry import optimisation
from autograd_core.programs.program import Instruction, Variable
from autograd_core.programs.rewriting import Call


@optimisation("exact", of="add subtract multiply divide maximum minimum where")
def uniform_constants(call: Call) -> Any:
    """Write a constant of the recording whose elements are one number as that number.

    A number beside an array takes the array's dtype, so what is computed is the same.
    Not in ``pow``, where libraries treat some numbers in ways of their own.
    """
    dtype, numbers = call.result.dtype, [call.number(x) for x in call.arguments]
    if numbers.count(None) != 1:
        return None
    if not all(isinstance(x, Variable) and x.dtype == dtype for x in call.arguments):
        return None
    operands = [
        call.array(x) if number is None else number
        for x, number in zip(call.arguments, numbers, strict=True)
    ]
    if call.operation == "where":
        return call.xp.where(call.array(call.static("condition")), *operands)
    return getattr(call.xp, call.operation)(*operands)


# ------------------------------------------------------------------ arithmetic


@optimisation("exact", of="add subtract multiply divide pow positive where conj real")
def neutral_elements(call: Call) -> Any:
    """Leave out ``1 * x``, ``x / 1``, ``x**1``, ``x - 0``, ``x + -0.0``, ``+x``.

    These give every real number, infinities and signed zeros included, back. Not
    ``x + 0.0``, which makes 0.0 of -0.0; nor complex numbers, of which a product with 1
    has parts like ``a - b * 0``. Of integers, ``x + 0`` is left out, too.
    """
    if "complex" in call.result.dtype:
        return None
    if call.operation in ("positive", "conj", "real"):
        return call.same_as(call.x)
    first, second = call.arguments
    if call.operation == "where":
        return call.same_as(first) if first is second else None
    if is_neutral(call, second):
        return call.same_as(first)
    if call.operation in ("add", "multiply") and is_neutral(call, first):
        return call.same_as(second)
    return None


def is_neutral(call: Call, operand: Any) -> bool:
    """Say whether an operation gives the other argument back."""
    number = call.number(operand)
    if number is None or isinstance(number, complex):
        return False
    if call.operation not in ("add", "subtract"):
        return number == 1
    zero = "-0.0" if call.operation == "add" else "0.0"
    is_integer = "int" in call.result.dtype
    return number == 0 and (is_integer or str(float(number)) == zero)


@optimisation("exact", of="negative add subtract multiply divide")
def negations(call: Call) -> Any:
    """Cancel signs: ``-(-x)``, ``x + (-y)``, ``x - (-y)``, ``(-x) * (-y)``, ``-1 * x``.

    A sign changes no rounding. Not ``-(x - y)``, whose zero has the other sign, nor
    anything that would leave as many calls.
    """
    if "complex" in call.result.dtype or "uint" in call.result.dtype:
        return None
    if call.operation == "multiply" and -1 in map(call.number, call.arguments):
        first, second = call.arrays()
        return call.xp.negative(second if call.number(call.x) == -1 else first)
    negated = [call.made_by(x, "negative") for x in call.arguments]
    if not any(negated) or not call.are_in_order(*(x.x for x in negated if x)):
        return None
    bare = [call.array(x.x) if x else None for x in negated]
    if call.operation == "negative":
        return call.same_as(negated[0].x) if negated[0] else None
    if call.operation in ("multiply", "divide"):
        return getattr(call.xp, call.operation)(*bare) if all(negated) else None
    first, second = call.arrays()
    if bare[1] is not None:
        opposite = call.xp.subtract if call.operation == "add" else call.xp.add
        return opposite(first, bare[1])
    return call.xp.subtract(second, bare[0]) if call.operation == "add" else None


@optimisation("exact", of="multiply divide")
def outward_signs(call: Call) -> Any:
    """Write ``(-x) * y`` as ``-(x * y)`` where a sum, or another product, takes it on.

    There it may cancel; if not, there are as many calls as before.
    """
    readers = call.rewriting.readers.get(call.result, ())
    names = [x.operation for x in readers if isinstance(x, Instruction)]
    if (
        len(readers) != 1
        or not SIGNED.issuperset(names)
        or not names
        or "complex" in call.result.dtype
    ):
        return None
    shape = call.result.shape
    for k, operand in enumerate(call.arguments):
        inner = call.made_by(operand, "negative")
        if not (inner and call.is_read_once(operand) and call.are_in_order(inner.x)):
            continue
        if inner.result.shape == shape:
            operands = call.arrays()
            operands[k] = call.array(inner.x)
            return call.xp.negative(getattr(call.xp, call.operation)(*operands))
    return None


SIGNED = frozenset(["add", "subtract", "negative", "multiply", "divide"])


@optimisation("exact", of="astype")
def conversions(call: Call) -> Any:
    """Leave out a conversion to the dtype that an array has.

    But for copies of results, which may be there for the sake of memory of their own.
    """
    return None if call.is_returned_copy else call.same_as(call.x)


# ------------------------------------------------------------------ shapes

RESHAPES = ("reshape", "expand_dims", "squeeze")


@optimisation("exact", of="reshape expand_dims squeeze")
def reshapes(call: Call) -> Any:
    """Make one of a chain of reshapes, none if the first shape comes back.

    All of them keep the order of elements. A reshape of an array in another order
    copies it into the standard's, which what sums it up afterwards could tell; axes of
    length 1 come and go without a copy.
    """
    if call.static("copy"):
        return None
    if call.x.shape == call.result.shape:
        return call.array(call.x)
    start, moves = call.x, call.operation == "reshape"
    while inner := call.made_by(start, *RESHAPES):
        start, moves = inner.x, moves or inner.operation == "reshape"
    lies_alike = call.is_dense(start) and call.are_in_order(start)
    if moves and not lies_alike and not call.may_lie_anyhow(start):
        return None
    if start.shape == call.result.shape:
        return call.array(start)
    if start is call.x:
        return None
    return call.xp.reshape(call.array(start), call.result.shape)


@optimisation("exact", of="permute_dims matrix_transpose moveaxis")
def permutations(call: Call) -> Any:
    """Make one permutation of a chain of them, of all that move axes; none of identity.

    They all give views of the same memory.
    """
    axes = axes_of(call)
    inner = call.made_by(call.x, "permute_dims")
    start = call.x
    if inner is not None:
        start, axes = inner.x, tuple(axes_of(inner)[k] for k in axes)
    if axes == tuple(range(len(axes))):
        return call.array(start)
    if call.operation == "permute_dims" and inner is None:
        return None
    return call.xp.permute_dims(call.array(start), axes)


def axes_of(call: Call) -> tuple[int, ...]:
    """Return which axis of the argument each axis of the result is."""
    ndim = len(call.x.shape)
    if call.operation == "permute_dims":
        return tuple(k % ndim for k in call.static("axes"))
    if call.operation == "matrix_transpose":
        return (*range(ndim - 2), ndim - 1, ndim - 2)
    ends = [_tuple(call.static(name)) for name in ("source", "destination")]
    source, destination = ([k % ndim for k in end] for end in ends)
    rest = iter([k for k in range(ndim) if k not in source])
    moved = dict(zip(destination, source, strict=True))
    return tuple(moved[k] if k in moved else next(rest) for k in range(ndim))


def _tuple(axes: Any) -> tuple[int, ...]:
    return axes if isinstance(axes, tuple) else (axes,)


@optimisation("exact", of="broadcast_to")
def broadcasts(call: Call) -> Any:
    """Make one of a chain of broadcasts, none of one to the shape that is there."""
    if call.x.shape == call.result.shape:
        return call.array(call.x)
    inner = call.made_by(call.x, "broadcast_to")
    if inner is None:
        return None
    return call.xp.broadcast_to(call.array(inner.x), call.result.shape)


@optimisation(
    "exact", of="add subtract multiply divide pow maximum minimum hypot atan2"
)
def broadcast_operands(call: Call) -> Any:
    """Leave out a broadcast of an operand that the operation would broadcast itself."""
    sources = [call.made_by(x, "broadcast_to") for x in call.arguments]
    for k, source in enumerate(sources):
        others = [x for j, x in enumerate(call.arguments) if j != k]
        shapes = [x.shape for x in others if isinstance(x, Variable)]
        if source is not None and call.result.shape in shapes:
            operands = call.arrays()
            operands[k] = call.array(source.x)
            return getattr(call.xp, call.operation)(*operands)
    return None


@optimisation("exact", of="basic_index")
def indices(call: Call) -> Any:
    """Leave out ``x[...]``, and what takes out again what was put among zeros."""
    key = call.static("key")
    parts = key if isinstance(key, tuple) else (key,)
    if all(k is Ellipsis or k == slice(None) for k in parts):
        return call.array(call.x)
    padded = call.made_by(call.x, "pad_index")
    if padded is not None and padded.static("key") == key:
        return call.same_as(padded.x)
    return None


# ------------------------------------------------------------------ choices


@optimisation("exact", of="where")
def choices(call: Call) -> Any:
    """Leave out a choice within a branch of the same choice.

    ``where(m, where(m, x, y), z)`` is ``where(m, x, z)``, and likewise below.
    """
    mask = call.static("condition")
    first, second = call.arguments
    a, b = call.made_by(first, "where"), call.made_by(second, "where")
    if a is not None and a.static("condition") is mask:
        first = a.arguments[0]
    if b is not None and b.static("condition") is mask:
        second = b.arguments[1]
    if (first, second) == call.arguments or not call.are_in_order(first, second):
        return None
    return call.xp.where(*map(call.array, (mask, first, second)))
