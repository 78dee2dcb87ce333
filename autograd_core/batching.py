"""Batches: what a call of an operation becomes when `vmap` runs it for many examples.

An array of a `Batch` holds all examples along the first axis of its value. A *batching
rule* is ``rule(call)``: it makes, of a call for one example, one call for all of them,
and returns its result with the batch as first axis. Most operations are of one of three
forms (`pointwise`, `along_axis`, `stacked`), whose rules rewrite the arguments and call
the operation again; the rest declare their own. An operation without a rule is computed
in a loop.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any, TypeAlias

from autograd_core import backend, tensor
from autograd_core.apply import dispatch
from autograd_core.errors import describe_arguments, error
from autograd_core.graph import Array, Level
from autograd_core.operation import Operation
from autograd_core.tensor import (
    Tracked,
    holds_tracked,
    make_batched,
    namespace_of,
    tracked_in,
)

BatchingRule: TypeAlias = Callable[["BatchedCall"], Any]

_said: set[str] = set()
"""Operations of which it has been said that they are computed in a loop."""


class Batch(Level):
    """The level of one `vmap`: so many examples."""

    __slots__ = ("size",)

    def __init__(self, name: str, size: int) -> None:
        super().__init__(name, forward=False)
        self.size = size

    def apply(
        self, operation: Operation, arguments: tuple[Any, ...], statics: tuple[Any, ...]
    ) -> Any:
        """Call an operation on all examples at once."""
        rule = operation.batching or looped
        if rule is pointwise and self._alike(arguments, statics):
            y = dispatch(operation, tuple(map(self.lowered, arguments)), ())
        else:
            y = rule(BatchedCall(operation, arguments, statics, self))
        if operation.result is not None:
            return operation.result(*(make_batched(part, self) for part in y))
        if isinstance(y, tuple):
            return tuple(make_batched(part, self) for part in y)
        return make_batched(y, self)

    def _alike(self, arguments: tuple[Any, ...], statics: tuple[Any, ...]) -> bool:
        """Say whether `pointwise` has nothing to align, as in most calls."""
        if statics:
            return False
        ranks = [len(getattr(x, "shape", ())) for x in arguments]
        most = max(ranks)
        return all(
            rank == most or not self.holds(x)
            for x, rank in zip(arguments, ranks, strict=True)
        )

    def holds(self, value: Any) -> bool:
        """Say whether a value, or a part of a tuple, differs between examples."""
        if isinstance(value, tuple):
            return any(map(self.holds, value))
        return isinstance(value, Tracked) and value.world.level is self

    def lowered(self, value: Any) -> Any:
        """Return a value one level down, with the batch as first axis if it has one."""
        if isinstance(value, Tracked):
            return value.value if value.world.level is self else value
        return tuple(map(self.lowered, value)) if isinstance(value, tuple) else value

    def spread(self, value: Any) -> Array:
        """Return a value one level down, with the batch as first axis in any case."""
        if self.holds(value):
            return value.value
        xp = namespace_of(value)
        return xp.broadcast_to(value, (self.size, *value.shape))


class BatchedCall:
    """One call of an operation on a batch.

    ``call["x"]`` is a parameter one level down: an array that differs between examples
    has the batch as its first axis.

    Attributes
    ----------
    operation, level, size
        What is called, in which `vmap`, on how many examples.
    given
        All parameters by name, as they were given.
    """

    __slots__ = ("given", "level", "operation", "size")

    def __init__(
        self,
        operation: Operation,
        arguments: tuple[Any, ...],
        statics: tuple[Any, ...],
        level: Batch,
    ) -> None:
        self.operation, self.level, self.size = operation, level, level.size
        if operation.variadic:
            arguments = (arguments,)
        names = operation.arguments + operation.statics
        self.given = dict(zip(names, (*arguments, *statics), strict=True))

    @property
    def xp(self) -> Any:
        """The namespace in which all parameters compute, one level down."""
        lower = self.level.lowered(tuple(self.given.values()))
        if holds_tracked(lower):
            return tensor.operations
        here = tracked_in(tuple(self.given.values()))
        return backend.backend_of(next(here).value)

    def __getitem__(self, name: str) -> Any:
        return self.level.lowered(self.given[name])

    def has(self, name: str) -> bool:
        """Say whether a parameter differs between examples."""
        return self.level.holds(self.given[name])

    def rank(self, name: str) -> int:
        """Return the number of axes that a parameter has in one example."""
        return len(getattr(self.given[name], "shape", ()))

    def again(self, **changed: Any) -> Any:
        """Call the operation one level down, with some parameters changed."""
        operation = self.operation
        values = {
            name: changed[name] if name in changed else self[name]
            for name in self.given
        }
        arguments = tuple(values[name] for name in operation.arguments)
        statics = tuple(values[name] for name in operation.statics)
        return dispatch(
            operation, arguments[0] if operation.variadic else arguments, statics
        )

    def aligned(self) -> dict[str, Array]:
        """Return arrays that lack axes which others have, the batch before all axes."""
        given = self.given.items()
        ranks = {name: len(x.shape) for name, x in given if hasattr(x, "shape")}
        rank = max(ranks.values())
        short = [name for name, own in ranks.items() if own < rank]
        return {name: self.lifted(name, rank) for name in short if self.has(name)}

    def lifted(self, name: str, rank: int) -> Array:
        """Return a batch of arrays with axes of length 1 in front, up to a rank."""
        x, missing = self[name], rank - self.rank(name)
        if missing <= 0:
            return x
        size, *shape = x.shape
        return namespace_of(x).reshape(x, (size, *(1,) * missing, *shape))


# ------------------------------------------------------------------ the usual forms


def stacked(call: BatchedCall) -> Any:
    """Batch what leaves the first axes alone: functions of stacks of matrices."""
    return call.again()


def pointwise(call: BatchedCall) -> Any:
    """Batch a function of corresponding elements, whose arguments broadcast."""
    return call.again(**call.aligned())


def along_axis(call: BatchedCall) -> Any:
    """Batch what works along the axis, or axes, that a parameter names.

    The standard's None stands for all of them.
    """
    rank = max(map(call.rank, call.given))
    name = "axes" if "axes" in call.given else "axis"
    axis = shifted(call[name], rank)
    arrays = [x for x in call.given.values() if hasattr(x, "shape")]
    if len(arrays) > 1 and isinstance(axis, int) and axis > 0:
        axis -= rank + 1  # counted from the end it is that of all, whatever their ranks
    return call.again(**call.aligned(), **{name: axis})


def along_axis_or_flat(call: BatchedCall) -> Any:
    """Batch what works along one axis, or where that is None on the flat array."""
    if call["axis"] is not None:
        return along_axis(call)
    (name,) = (name for name in call.operation.arguments or ("x",))
    y = call.again(**{name: in_rows(call[name])}, axis=1, keepdims=False)
    if not call.given.get("keepdims"):
        return y
    return namespace_of(y).reshape(y, (call.size, *(1,) * call.rank(name)))


def in_rows(x: Array) -> Array:
    """Return an array with all elements of each example in one row."""
    return namespace_of(x).reshape(x, (x.shape[0], math.prod(x.shape[1:])))


def shifted(axis: Any, rank: int) -> Any:
    """Return axes of one example as axes of a batch of arrays of a rank."""
    if axis is None:
        return tuple(range(1, rank + 1))
    if isinstance(axis, (tuple, list)):
        return tuple(k + 1 if k >= 0 else k for k in axis)
    return axis + 1 if axis >= 0 else axis


def refused(call: BatchedCall) -> Any:
    """Refuse what has another shape in every example."""
    given = call.given
    raise shapes_differ(call.operation.name, describe_arguments(given, given.values()))


def shapes_differ(operation: str, got: str) -> TypeError:
    """Build the error for what has another shape in every example."""
    return error(
        TypeError,
        operation,
        "has a result whose shape depends on values, so that the examples of vmap "
        "would differ in shape",
        got,
        "Use where and a mask of fixed shape, or loop over the examples in Python.",
    )


# ------------------------------------------------------------------ without a rule


def looped(call: BatchedCall) -> Any:
    """Call an operation that has no batching rule on one example after the other."""
    name = call.operation.name
    if name not in _said:
        _said.add(name)
        warnings.warn(
            f"vmap: {name} has no batching rule and is computed in a loop over the "
            "examples. Declare one (docs/add_an_operation.md).",
            RuntimeWarning,
            stacklevel=2,
        )
    if call.size == 0:
        raise error(
            ValueError,
            name,
            "has no batching rule, and a loop over no example has no result",
            describe_arguments(call.given, call.given.values()),
            "Declare one (docs/add_an_operation.md), or give at least one example.",
        )
    results = [call.again(**_example(call, k)) for k in range(call.size)]
    if isinstance(results[0], tuple):
        return tuple(map(_stack, zip(*results, strict=True)))
    return _stack(results)


def _example(call: BatchedCall, k: int) -> dict[str, Any]:
    """Return the parameters of one example that differ from those of others."""

    def taken(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(taken, value))
        return value.value[k, ...] if call.level.holds(value) else value

    return {name: taken(value) for name, value in call.given.items() if call.has(name)}


def _stack(parts: Any) -> Array:
    return namespace_of(*parts).stack(list(parts))
