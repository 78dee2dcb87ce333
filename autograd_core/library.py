"""The bottom of every operation: calling a library on raw arrays."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from autograd_core import backend
from autograd_core.errors import add_call_note, describe_arguments, error
from autograd_core.operation import Operation

SCALARS = (int, float, complex)


def note_call(cause: Exception, operation: Operation, values: tuple[Any, ...]) -> None:
    """Say on a library's exception which operation it came from, once."""
    if not getattr(cause, "__notes__", None) and "(at " not in str(cause):
        names = _parameters(operation, values)
        add_call_note(cause, operation.name, describe_arguments(names, values))


def call_library(
    operation: Operation,
    arguments: tuple[Any, ...],
    statics: tuple[Any, ...],
    *,
    largest: bool = False,
) -> Any:
    """Call the library on raw arrays; in a transform, as it is for the largest."""
    xp = _backend(operation, (*arguments, *statics)) or backend.get_backend()
    if largest:
        xp = _for_largest(xp, arguments)
    if all(type(argument) in SCALARS for argument in arguments):
        arrays = [x for x in statics if backend.is_array(x) and xp.is_floating(x.dtype)]
        like = arrays[0].dtype if arrays else None  # as in copysign(0, x2)
        arguments = tuple(xp.asarray(x, dtype=like) for x in arguments)
    statics = with_own_dtype(operation, xp, statics)
    try:
        y = operation.emit(xp, *arguments, *statics)
    except Exception as cause:
        note_call(cause, operation, (*arguments, *statics))
        raise
    return y if operation.result is None else operation.result(*y)


def pass_on(
    operation: Operation, arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> Any:
    """Call the library's function of an operation's name on what the user gave."""
    xp = _backend(operation, (*arguments, *keywords.values())) or backend.get_backend()
    if keywords.get("dtype") is not None:
        keywords = {**keywords, "dtype": xp.dtype(keywords["dtype"])}
    try:
        y = attrgetter(operation.name)(xp)(*arguments, **keywords)
        return tuple(y) if type(y) is list else y  # as the standard says since 2025.12
    except Exception as cause:
        note_call(cause, operation, arguments)
        raise


def _for_largest(xp: backend.Backend, arguments: tuple[Any, ...]) -> backend.Backend:
    """Return the backend that computes with arrays as large as some argument."""
    for x in arguments:
        if backend.is_array(x):
            chosen = xp.for_array(x)
            if chosen is not xp:
                return chosen
    return xp


def with_own_dtype(
    operation: Operation, xp: backend.Backend, statics: tuple[Any, ...]
) -> tuple[Any, ...]:
    """Replace a dtype's name, or another library's dtype, by the library's own."""
    if "dtype" not in operation.statics:
        return statics
    at = operation.statics.index("dtype")
    if statics[at] is None:
        return statics
    return (*statics[:at], xp.dtype(statics[at]), *statics[at + 1 :])


def _backend(operation: Operation, values: tuple[Any, ...]) -> backend.Backend | None:
    """Return the one library of the arrays among values, None if there is no array."""
    found: backend.Backend | None = None
    for value in values:
        if type(value) in SCALARS or type(value) is bool:
            continue
        if isinstance(value, (tuple, list)):
            xp = _backend(operation, tuple(value))
        else:
            xp = backend.backend_of(value) if backend.is_array(value) else None
        if xp is not None and found is not None and xp is not found:
            raise error(
                TypeError,
                operation.name,
                f"the arguments belong to two libraries, {found} and {xp}",
                describe_arguments(_parameters(operation, values), values),
                f"Convert one of them, with autograd_core.ops.asarray under "
                f"use_backend({str(found)!r}).",
            )
        found = found or xp
    return found


def argument_names(operation: Operation, arguments: tuple[Any, ...]) -> tuple[str, ...]:
    """Return what errors call the arguments of a call."""
    if operation.variadic:
        return tuple(f"{operation.arguments[0]}[{k}]" for k in range(len(arguments)))
    return operation.arguments


def _parameters(operation: Operation, values: tuple[Any, ...]) -> tuple[str, ...]:
    """Return the names of arguments and statics, in the order of `emit`."""
    if not operation.arguments:
        return operation.statics
    arguments = values[: len(values) - len(operation.statics)]
    return (*argument_names(operation, arguments), *operation.statics)
