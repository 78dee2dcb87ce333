"""What stands on an edge around a rule, so that rules need not know of it.

An edge of the graph is ``(parent, rule, *saved)``. Where a cotangent has to be summed
back to an argument's shape, where numbers are complex, where an operation has several
results, or where memory has to be checked, a function of this module stands in the
rule's place and the rule behind it: ``(parent, restore, rule, shape, dtype, *saved)``.
"""

from __future__ import annotations

from typing import Any

from autograd_core import tensor
from autograd_core.backend import backend_of
from autograd_core.graph import Array, identity, unchanged
from autograd_core.masks import Masked
from autograd_core.operation import Function, Operation
from autograd_core.tensor import Tracked, lowest, stopped


def unbroadcast(xp: Any, t: Array, shape: tuple[int, ...]) -> Array:
    """Sum a cotangent over the axes along which an argument was broadcast."""
    if t.shape == shape:
        return t
    lead = len(t.shape) - len(shape)
    if lead > 0:
        t = xp.sum(t, axis=tuple(range(lead)))
    axes = tuple(k for k, n in enumerate(shape) if n == 1 and t.shape[k] != 1)
    if axes:
        t = xp.sum(t, axis=axes, keepdims=True)
    return t if t.shape == shape else xp.broadcast_to(t, shape)


def restore(
    xp: Any, t: Array, rule: Function, shape: tuple[int, ...], dtype: Any, *saved: Any
) -> Any:
    """Apply a rule, then sum over broadcast axes and convert to the input's dtype."""
    return _restored(xp, rule(xp, t, *saved), shape, dtype)


def _restored(xp: Any, t: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    if type(t) is Masked:
        value = _restored(xp, t.value, shape, dtype)
        return t.through(value, unbroadcast, shape)
    t = unbroadcast(xp, t, shape)
    return t if t.dtype == dtype else converted(xp, t, dtype)


def converted(xp: Any, t: Array, dtype: Any) -> Array:
    """Convert to a dtype; the part of a complex cotangent along the reals is real."""
    library = backend_of(lowest(t))
    if library.is_complex(t.dtype) and not library.is_complex(dtype):
        t = xp.real(t)
    return t if t.dtype == dtype else xp.astype(t, dtype)


def conjugated(xp: Any, t: Array, rule: Function, *saved: Any) -> Array:
    """Apply the adjoint of a complex-linear map, of which a rule is the transpose.

    Cotangents pair with tangents as ``Re(sum(conj(t) * x_dot))``, so that the gradient
    of a real function points where it rises fastest.
    """
    return conjugate(xp, rule(xp, conjugate(xp, t), *saved))


def conjugate(xp: Any, x: Array) -> Array:
    """Return the complex conjugate; of real numbers the array itself."""
    return xp.conj(x) if backend_of(lowest(x)).is_complex(x.dtype) else x


# ------------------------------------------------------------------ several results


class Cotangents(dict[int, Any]):
    """The cotangents of several results of one call, by place, where one came."""

    __slots__ = ()

    def __add__(self, other: Cotangents) -> Cotangents:
        total = Cotangents(self)
        total += other
        return total

    def __iadd__(self, other: Cotangents) -> Cotangents:
        for k, t in other.items():
            self[k] = self[k] + t if k in self else t
        return self


def one_of_several(xp: Any, t: Array, k: int) -> Cotangents:
    """Return the cotangents of all results of a call: that of the ``k``-th."""
    return Cotangents({k: t})


def of_several(xp: Any, t: Cotangents, rule: Function, result: Any, *saved: Any) -> Any:
    """Apply the rule of an operation with several results to all their cotangents."""
    if any(isinstance(part, Tracked) for part in t.values()):
        xp = tensor.operations
    return rule(xp, result(*map(t.get, range(len(result._fields)))), *saved)


# ------------------------------------------------------------------ masks


def carried(
    xp: Any, t: Masked, operation: Operation | None, rule: Function, *saved: Any
) -> Any:
    """Apply what stands on an edge to a cotangent with a mask, and keep the mask.

    An elementwise rule chooses once more; a linear one whose coefficients are not
    negative carries the mask through itself. Any other mixes elements, and the mask is
    dropped.
    """
    if rule is identity:
        return t
    if rule is unchanged:
        guard, rule, *saved_by_rule = saved
        unchanged(xp, t.value, guard, identity)
        return carried(xp, t, operation, rule, *saved_by_rule)
    if rule is restore:
        rule, shape, dtype, *saved_by_rule = saved
        term = carried(xp, t, operation, rule, *saved_by_rule)
        return _restored(xp, term, shape, dtype)
    term = rule(xp, t.value, *saved)
    if operation is None:
        return term
    if operation.elementwise:
        return t.chosen(xp, term)
    if operation.positive:
        return t.through(term, rule, *map(stopped, saved))
    return term
