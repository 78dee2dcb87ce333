"""What all transforms share: the way in for primals, the way out for results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import signature
from itertools import count
from typing import Any, TypeAlias

from autograd_core import backend, pytree
from autograd_core.errors import describe, error
from autograd_core.graph import Array, Level
from autograd_core.tensor import (
    Constant,
    Tracked,
    is_differentiable,
    lowest,
    not_floating,
    require_open,
)

Pytree: TypeAlias = Any


def filled_like(x: Array, value: float) -> Array:
    """Return a raw array of one value, of an array's shape, dtype and library."""
    raw = lowest(x)
    xp = backend.backend_of(raw)
    return xp.full(x.shape, value, dtype=raw.dtype, device=xp.device_of(raw))


class Like:
    """What a tangent or cotangent must agree in with its primal."""

    __slots__ = ("dtype", "library", "shape")

    def __init__(self, x: Array) -> None:
        raw = lowest(x)
        self.shape = tuple(x.shape)
        self.dtype = raw.dtype
        self.library = backend.backend_of(raw)

    def takes(self, x: Any) -> bool:
        """Say whether a value is a Python number of this dtype's kind."""
        is_complex = type(x) is complex and self.library.is_complex(self.dtype)
        return type(x) is float or is_complex

    def fits(self, x: Array) -> bool:
        """Say whether an array is of this library, shape and dtype."""
        raw = lowest(x)
        return bool(
            backend.backend_of(raw) is self.library
            and tuple(x.shape) == self.shape
            and raw.dtype == self.dtype
        )


def fitting(operation: str, what: str, given: Any, like: Like) -> Array:
    """Return a tangent or cotangent if it fits its primal, else raise.

    A Python number fits a 0-d primal.
    """
    if like.takes(given) and like.shape == ():
        return like.library.asarray(given, dtype=like.dtype)
    require_open(operation, given)
    raw = lowest(given)
    is_array = backend.is_array(raw)
    if not is_array or not like.fits(given):
        of = f" of {backend.backend_of(raw)}" if is_array else ""
        raise error(
            ValueError if is_array else TypeError,
            operation,
            f"{what} must be like its primal, {describe(like)} of {like.library}",
            describe(given) + of,
            "Give an array of that shape, dtype and library.",
        )
    return given


def flatten_primals(
    transform: str,
    function: Callable[..., Any],
    primals: Sequence[Pytree],
    positions: Sequence[int] | None = None,
    beside: Sequence[Pytree] = (),
) -> tuple[list[Array], list[pytree.Structure]]:
    """Return the leaves of all primals as arrays, and the structure of each.

    A Python number that is no integer becomes an array like the first array of its kind
    among the primals and what is given beside them, or of the default backend. What
    cannot be differentiated raises, naming the argument and the path in it.
    """
    leaves: list[Array] = []
    structures = []
    for position, primal in zip(positions or count(), primals, strict=False):
        found, structure = pytree.flatten(primal)
        structures.append(structure)
        for k, x in enumerate(found):
            if type(x) in (float, complex):
                x = _float_like((primals, beside), x)
            elif not is_differentiable(x):
                path = list(pytree.paths(structure))[k]
                what = argument_name(function, position) + path
                raise _not_differentiable(transform, what, x)
            require_open(transform, x)
            leaves.append(
                x if isinstance(x, Tracked) else backend.backend_of(x).plain(x)
            )
    return leaves, structures


def _float_like(trees: Pytree, x: complex) -> Array:
    """Return a number as an array of the library, dtype and device of its company."""
    for other in pytree.flatten(trees)[0]:
        if is_differentiable(other):
            raw = lowest(other)
            xp = backend.backend_of(raw)
            if xp.is_complex(raw.dtype) is not isinstance(x, complex):
                continue
            return xp.asarray(x, dtype=raw.dtype, device=xp.device_of(raw))
    return backend.get_backend().asarray(x)


def argument_name(function: Callable[..., Any], position: int) -> str:
    """Return what errors call a positional argument: ``argument 0 (x)``."""
    try:
        parameters = list(signature(function).parameters.values())
    except (TypeError, ValueError):  # a function of C
        parameters = []
    named = [p.name for p in parameters if p.kind < p.VAR_POSITIONAL]
    name = f" ({named[position]})" if position < len(named) else ""
    return f"argument {position}{name}"


def _not_differentiable(transform: str, what: str, x: Any) -> Exception:
    if isinstance(x, Tracked) or backend.is_array(x):
        return not_floating(transform, what, x)
    return error(
        TypeError,
        transform,
        f"{what} must be an array of floats, or a pytree of them",
        describe(x),
        "Give 2.0 for 2, convert lists with autograd_core.ops.asarray, and leave other "
        "things out of argnums.",
    )


def unflatten_each(
    structures: Sequence[pytree.Structure], leaves: Sequence[Any]
) -> tuple[Pytree, ...]:
    """Undo `flatten_primals`."""
    rest = iter(leaves)
    return tuple(pytree.unflatten(structure, rest) for structure in structures)


def lower_output(level: Level, y: Any) -> Any:
    """Return a result without this level, refusing what an inner transform leaked."""
    if isinstance(y, Constant):
        return y.value
    if isinstance(y, Tracked):
        of = y.world.level
        if of is level:
            return y.value
        if not of.open:
            raise error(
                ValueError,
                level.name,
                f"the function returned what was kept from a call of {of.name} that "
                "has ended",
                describe(y),
                "Return it from the inner function instead of storing it.",
            )
    return y


def hand_out(values: list[Any]) -> list[Any]:
    """Empty a list of results into one for the user, who may write to them.

    What a rule may still read, or belongs to the user already, is copied.
    """
    results = []
    while values:
        last = values[-1]
        raw = backend.is_array(last) and not isinstance(last, Tracked)
        xp = backend.backend_of(last) if raw else None
        del last
        results.append(xp.unshared(values.pop()) if xp else values.pop())
    return results[::-1]


def auxiliary(level: Level, aux: Pytree) -> Pytree:
    """Return what a function gave beside its result, without this level."""
    leaves, structure = pytree.flatten(aux)
    lowered = [lower_output(level, x) for x in leaves]
    leaves.clear()
    return pytree.unflatten(structure, hand_out(lowered))


def require_pair(transform: str, y: Any) -> tuple[Any, Any]:
    """Return the two parts of what a function with an auxiliary result returned."""
    if not (isinstance(y, tuple) and len(y) == 2):
        raise error(
            TypeError,
            transform,
            "with has_aux=True the function returns a pair (result, auxiliary)",
            describe(y),
            "Return two things, or leave has_aux out.",
        )
    return y
