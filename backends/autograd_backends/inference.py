"""What an operation makes of shapes and dtypes, without computing it.

A *shape rule* is ``rule(xp, *named)``: as derivative rules do, it asks by name for the
parameters of the operation, and returns the shape of the result: where there are
several results, a shape for each. Or it returns arrays of `xp`, the abstract backend,
if it knows their dtypes too; and None if the shape depends on values.

The dtype that goes with a shape is found by calling the operation once on NumPy's
arrays of equal numbers of the same dtypes and ranks, whose axes are short; NumPy is not
asked again for the same dtypes, ranks and other parameters.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from inspect import BoundArguments
from operator import attrgetter
from typing import Any

from autograd_core.backend import backend, implementations, is_array
from autograd_core.batching import pointwise
from autograd_core.errors import describe_arguments, error
from autograd_core.operation import Operation, parameter_names

TRIED = ((1, 1), (2, 1), (3, 1), (1, 1000))
"""Lengths of axes and numbers in them, as some functions refuse the first ones."""

MOST_KNOWN = 10_000
_known: dict[Any, Any] = {}
"""Dtypes of results: of operations, dtypes and ranks of arrays, other parameters."""


def infer(
    xp: Any, operation: Operation, arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> Any:
    """Return what an operation gives for arrays without values.

    By its shape rule; else, if it works on corresponding elements, by broadcasting;
    else by its implementation, or its body, on such arrays. What has neither is called
    on NumPy's arrays of ones of the whole shapes: arithmetic that a rule would spare.
    """
    call = operation.signature.bind(*arguments, **keywords)
    if operation.shape is not None:
        return by_rule(xp, operation, call)
    if operation.batching is pointwise:
        shape = broadcast(xp, operation, call.arguments)
        return xp.empty(shape, dtype=dtypes(operation, call))
    if operation.name in implementations:
        positional, by_name = changed(call, xp.asarray)
        return implementations[operation.name](xp, *positional, **by_name)
    if operation.arguments and not operation.jvp:
        positional, by_name = changed(call, xp.asarray)
        return operation.declaration(*positional, **by_name)
    y = on_numpy(operation, call, whole)
    return arrays_of(operation, [xp.empty(part.shape, dtype=part.dtype) for part in y])


def broadcast(xp: Any, operation: Operation, given: dict[str, Any]) -> Any:
    """Return the shape of corresponding elements."""
    shapes = (x.shape for x in given.values() if is_array(x))
    try:
        return xp.namespace.broadcast_shapes(*shapes)
    except ValueError:
        raise error(
            ValueError,
            operation.name,
            "the shapes do not broadcast",
            describe_arguments(given, given.values()),
            "Lengths of the same axis, counted from the last, are equal or 1.",
        ) from None


def changed(
    call: BoundArguments, change: Callable[[Any], Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of a call with every array changed."""

    def each(x: Any) -> Any:
        if isinstance(x, (tuple, list)):
            return type(x)(map(each, x))
        return change(x) if is_array(x) else x

    given = {name: each(x) for name, x in call.arguments.items()}
    call = BoundArguments(call.signature, given)
    return call.args, call.kwargs


def arrays_of(operation: Operation, parts: list[Any]) -> Any:
    """Return the one result, or the named tuple of several."""
    return parts[0] if operation.result is None else operation.result(*parts)


# ------------------------------------------------------------------ rules


def by_rule(xp: Any, operation: Operation, call: BoundArguments) -> Any:
    """Return what the shape rule of an operation says."""
    assert operation.shape is not None
    found = operation.shape(xp, *named(operation, call))
    if found is None:
        raise depends_on_values(operation.name, call.arguments)
    parts = [found] if operation.result is None else list(found)
    if not all(map(is_array, parts)):
        found_on_ones = dtypes(operation, call)
        kinds = [found_on_ones] if operation.result is None else found_on_ones
        pairs = zip(parts, kinds, strict=True)
        parts = [xp.empty(shape, dtype=dtype) for shape, dtype in pairs]
    return arrays_of(operation, parts)


def named(operation: Operation, call: BoundArguments) -> list[Any]:
    """Return what the shape rule of an operation asks for by name."""
    assert operation.shape is not None
    parameters = operation.signature.parameters
    names = parameter_names(operation.shape)[1:]
    for name in names:
        if name not in parameters:
            raise TypeError(
                f"{operation.name}: shape rule {operation.shape.__name__} names "
                f"{name!r}, which is none of {', '.join(parameters)}"
            )
    return [call.arguments.get(name, parameters[name].default) for name in names]


def depends_on_values(name: str, given: dict[str, Any]) -> TypeError:
    """Build the error for a result whose shape is not known without values."""
    return error(
        TypeError,
        name,
        "has a result whose shape depends on values, and an array has no values: it "
        "was recorded without data, from its shape and dtype",
        describe_arguments(given, given.values()),
        "Use where and a mask of fixed shape, or record with example arrays.",
    )


def undeclared(
    name: str, function: Callable[..., Any], /, *arguments: Any, **keywords: Any
) -> Any:
    """Call a function of NumPy that is no operation, on anything but arrays."""
    everything = [*arguments, *keywords.values()]
    if not any(map(is_array, everything)):
        return function(*arguments, **keywords)
    raise error(
        TypeError,
        name,
        "is no declared operation, so that nothing is known of its result for an array "
        "that has no values: it was recorded without data",
        describe_arguments([f"argument {k}" for k in range(9)], everything),
        "Declare one (docs/add_an_operation.md), or record with example arrays.",
    )


# ------------------------------------------------------------------ arrays of ones


def dtypes(operation: Operation, call: BoundArguments) -> Any:
    """Return the dtype of the result of an operation, or of each of several."""
    key = (operation, *((name, kind(x)) for name, x in call.arguments.items()))
    if key not in _known:
        if len(_known) >= MOST_KNOWN:
            _known.clear()
        y = [part.dtype for part in on_short_ones(operation, call)]
        _known[key] = y[0] if operation.result is None else y
    return _known[key]


def kind(x: Any) -> Any:
    """Return all of a parameter that a dtype can depend on."""
    if is_array(x):
        return x.dtype, len(x.shape)
    if isinstance(x, (tuple, list)):
        return tuple(map(kind, x))
    return type(x) if isinstance(x, (float, complex)) else (type(x), repr(x))


def on_short_ones(operation: Operation, call: BoundArguments) -> list[Any]:
    """Call an operation on the first arrays of equal numbers that it takes."""
    for length, number in TRIED[:-1]:
        try:
            return on_numpy(operation, call, partial(short, length, number))
        except (ValueError, IndexError, ArithmeticError):
            continue
    return on_numpy(operation, call, partial(short, *TRIED[-1]))


def short(length: int, number: int, like: Any) -> Any:
    """Return an array of a dtype and a rank, with all axes of a length."""
    xp = backend("numpy").namespace
    return xp.full((length,) * len(like.shape), number, dtype=like.dtype)


def whole(like: Any) -> Any:
    """Return ones in the dtype and the shape of an array, of which one is held."""
    xp = backend("numpy").namespace
    return xp.broadcast_to(xp.ones((), dtype=like.dtype), like.shape)


def on_numpy(
    operation: Operation, call: BoundArguments, change: Callable[[Any], Any]
) -> list[Any]:
    """Call an operation on NumPy's arrays instead of others; a list of its results."""
    xp = backend("numpy")
    positional, by_name = changed(call, change)
    with warnings.catch_warnings(), xp.namespace.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        y = attrgetter(operation.name)(xp)(*positional, **by_name)
    return [y] if operation.result is None else list(y)
