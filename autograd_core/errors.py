"""The words of every error: ``operation: rule; got float64[3,4]. What to do.``.

An error is built only when it is about to be raised, so describing arguments and
walking the stack for the user's own line costs nothing on the way that succeeds.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, TypeVar

ExceptionType = TypeVar("ExceptionType", bound=Exception)

OURS = frozenset({"autograd_core", "autograd_ops", "autograd_backends"})


def describe(value: Any) -> str:
    """Return a value's dtype and shape, ``float64[3,4]``, or its type and itself.

    Examples
    --------
    >>> describe(2)
    'int 2'
    >>> import numpy
    >>> describe(numpy.zeros((3, 4)))
    'float64[3,4]'
    """
    dtype, shape = getattr(value, "dtype", None), getattr(value, "shape", None)
    if dtype is None or shape is None:
        text = repr(value)
        kind = type(value).__name__
        return f"{kind} {text}" if len(text) <= 40 else kind
    return f"{dtype_name(dtype)}[{','.join(map(str, shape))}]"


def dtype_name(dtype: Any) -> str:
    """Return the standard's name of a library's dtype: ``torch.float32``: float32."""
    name = getattr(dtype, "name", None) or getattr(dtype, "__name__", None)
    return str(name or dtype).rpartition(".")[2]


def describe_arguments(names: Iterable[str], values: Iterable[Any]) -> str:
    """Return ``x1: float64[3], x2: float64[4]``."""
    pairs = zip(names, values, strict=False)
    return ", ".join(f"{name}: {describe(value)}" for name, value in pairs)


def user_line() -> str:
    """Return ``file:line`` of the innermost frame that is not of this library."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        if frame.f_globals.get("__name__", "").partition(".")[0] not in OURS:
            break
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def error(
    kind: type[ExceptionType], operation: str, rule: str, got: str, remedy: str
) -> ExceptionType:
    """Build an exception in the house's one wording, ending with the user's line."""
    return kind(f"{operation}: {rule}; got {got}. {remedy} (at {user_line()})")


def add_call_note(cause: Exception, operation: str, arguments: str) -> None:
    """Say on a library's own exception which operation, arguments and line it was."""
    cause.add_note(f"{operation}({arguments}) (at {user_line()})")
