"""Plain ``np.sin(t)`` and ``np.concatenate([t, u])`` on tracked arrays.

NumPy asks a foreign argument to take a call over (NEP 13 and NEP 18). A function of
NumPy that is one of the standard's is recognised by identity: ``np.asin is np.arcsin``.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from autograd_core.errors import describe, error
from autograd_core.graph import Array
from autograd_core.operation import registry

RENAMED = {"ddof": "correction", "a_min": "min", "a_max": "max", "newshape": "shape"}
"""Parameters that NumPy calls otherwise than the standard."""

IGNORED = {"order": ("C", None), "casting": ("same_kind",), "mode": ("raise",)}
"""Parameters the standard does not have, and their values that change nothing."""


def transpose(x: Array, axes: Any = None) -> Array:
    axes = tuple(range(x.ndim))[::-1] if axes is None else axes
    return registry["permute_dims"].function(x, axes)


def ravel(x: Array) -> Array:
    return registry["reshape"].function(x, (-1,))


def swapaxes(x: Array, axis1: int, axis2: int) -> Array:
    order = list(range(x.ndim))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return registry["permute_dims"].function(x, tuple(order))


def dot(a: Array, b: Array) -> Array:
    if () in (getattr(a, "shape", ()), getattr(b, "shape", ())):
        return registry["multiply"].function(a, b)
    if len(b.shape) == 1:
        return registry["matmul"].function(a, b)
    over = (len(a.shape) - 1,), (len(b.shape) - 2,)
    return registry["tensordot"].function(a, b, axes=over)


def squeeze(x: Array, axis: Any = None) -> Array:
    if axis is None:
        axis = tuple(k for k, n in enumerate(x.shape) if n == 1)
    return registry["squeeze"].function(x, axis)


def cumsum(x: Array, axis: int | None = None) -> Array:
    x, axis = (ravel(x), 0) if axis is None else (x, axis)
    return registry["cumulative_sum"].function(x, axis=axis)


def cumprod(x: Array, axis: int | None = None) -> Array:
    x, axis = (ravel(x), 0) if axis is None else (x, axis)
    return registry["cumulative_prod"].function(x, axis=axis)


def sort(x: Array, axis: int | None = -1) -> Array:
    x, axis = (ravel(x), 0) if axis is None else (x, axis)
    return registry["sort"].function(x, axis=axis)


def outer(a: Array, b: Array) -> Array:
    return registry["multiply"].function(ravel(a)[:, None], ravel(b))


def einsum(subscripts: Any, *operands: Array, optimize: Any = False) -> Array:
    return registry["einsum"].function(subscripts, *operands)


def shape(x: Array) -> tuple[int, ...]:
    return tuple(x.shape)


def ndim(x: Array) -> int:
    return len(x.shape)


def size(x: Array) -> int:
    return int(x.size)


BEYOND = (
    transpose,
    ravel,
    swapaxes,
    dot,
    squeeze,
    cumsum,
    cumprod,
    einsum,
    outer,
    sort,
    shape,
    ndim,
    size,
)
"""Functions of NumPy, by their names, that the standard spells otherwise."""


@cache
def counterparts() -> dict[Any, Callable[..., Any]]:
    """Return what stands for each function of NumPy."""
    import numpy

    found: dict[Any, Callable[..., Any]] = {}
    for operation in registry.values():
        place = getattr(numpy, operation.extension, numpy)
        if operation.extension == "special":
            place = numpy  # which has a few: cbrt, exp2, i0, sinc
        if hasattr(place, operation.identifier):
            found.setdefault(getattr(place, operation.identifier), operation.function)
    return found | {getattr(numpy, f.__name__): f for f in BEYOND}


def of_scipy(ufunc: Any) -> Callable[..., Any] | None:
    """Return what stands for a universal function of SciPy, which has to be loaded."""
    special = sys.modules.get("scipy.special")
    operation = registry.get(f"special.{ufunc.__name__}")
    if special is None or operation is None:
        return None
    # under SCIPY_ARRAY_API its functions are wrapped
    own = getattr(special, ufunc.__name__, None)
    return operation.function if ufunc is getattr(own, "__wrapped__", own) else None


def array_ufunc(
    tracked: Array, ufunc: Any, method: str, *inputs: Any, **keywords: Any
) -> Any:
    """Take over the call of a universal function."""
    function = counterparts().get(ufunc) or of_scipy(ufunc)
    unknown: Any = keywords
    if keywords and function is not None:
        unknown = keywords.keys() - inspect.signature(function).parameters
    if method != "__call__" or function is None or unknown:
        called = f"numpy.{ufunc.__name__}" + (
            "" if method == "__call__" else f".{method}"
        )
        raise no_counterpart(called, keywords, inputs)
    return function(*inputs, **keywords)


def array_function(
    tracked: Array, function: Any, types: Any, arguments: Any, keywords: Any
) -> Any:
    """Take over the call of any other function of NumPy."""
    counterpart = counterparts().get(function)
    name = f"{function.__module__}.{function.__name__}"
    if counterpart is None:
        raise no_counterpart(name, keywords, arguments)
    try:
        signature = inspect.signature(function)
    except ValueError:  # written in C: such functions take what the standard's do
        return counterpart(*arguments, **keywords)
    given = signature.bind(*arguments, **keywords).arguments
    parameters = inspect.signature(counterpart).parameters
    if any(p.kind is p.VAR_POSITIONAL for p in parameters.values()):
        return counterpart(*arguments, **keywords)
    positional, by_name = fitted(name, parameters, given)
    return counterpart(*positional, **by_name)


def fitted(
    name: str, parameters: Mapping[str, inspect.Parameter], given: dict[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Turn the arguments of a function of NumPy into those of its counterpart."""
    places = [p.name for p in parameters.values() if p.kind is p.POSITIONAL_ONLY]
    positional: list[Any] = []
    by_name: dict[str, Any] = {}
    for place, (key, value) in enumerate(given.items()):
        key = RENAMED.get(key, key)
        if place < max(len(places), 1):
            positional.append(value)
        elif key in parameters:
            by_name[key] = value
        elif not any(value is same for same in IGNORED.get(key, (None,))):
            raise no_counterpart(name, {key: value}, positional)
    return positional, by_name


def no_counterpart(name: str, keywords: Any, arguments: Any) -> Exception:
    """Build the error for a call that has no differentiable counterpart."""
    extra = f" with {', '.join(sorted(keywords))}" if keywords else ""
    instead = " Write x = x + y for x += y." if "out" in keywords else ""
    return error(
        TypeError,
        name,
        f"has no differentiable counterpart{extra}",
        ", ".join(map(describe, arguments)),
        "Use autograd_core.ops, or stop_gradient(x) if no derivative is wanted."
        + instead,
    )
