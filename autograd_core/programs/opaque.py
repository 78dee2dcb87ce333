"""What a program cannot differentiate as it was recorded: a mark on the value.

A program holds what was computed, not the rules of those who wrote it. Where no
transform is between, `stop_gradient` and functions with a rule of their own therefore
leave an operation in it that returns its argument, with the derivative zero, or one
that raises: differentiating the program would give another derivative than the
function's.
"""

from __future__ import annotations

from typing import Any

from autograd_core import backend
from autograd_core.apply import apply
from autograd_core.batching import pointwise
from autograd_core.errors import describe, error
from autograd_core.graph import Array
from autograd_core.operation import Operation, registry
from autograd_core.tensor import Batched, Tracked, make_batched, recording_of


def stop_gradient(x: Array, /) -> Array:
    """Return an array whose derivative is zero."""
    return apply(STOP_GRADIENT, (), (x,))


def own_rule(x: Array, /, *, name: str) -> Array:
    """Return what a function gave that has a rule of its own, of this name.

    Raises
    ------
    NotImplementedError
        If it is differentiated.
    """
    recording = recording_of((x,))
    if recording is not None:
        return recording.composite(OWN_RULE, (x,), {"name": name})
    if isinstance(x, Batched):
        return make_batched(own_rule(x.value, name=name), x.world.level)
    if isinstance(x, Tracked):
        raise error(
            NotImplementedError,
            name,
            "was recorded as what it computes, without its own rule, so that a program "
            "has another derivative than the function",
            describe(x),
            "Differentiate before recording: trace(grad(f)) for trace(f).grad().",
        )
    return x


def _itself(xp: Any, x: Array, name: str = "") -> Array:
    return x


STOP_GRADIENT = Operation(stop_gradient)
OWN_RULE = Operation(own_rule, ("x",))
OWN_RULE.is_composite = True

for _operation in (STOP_GRADIENT, OWN_RULE):
    _operation.extension = "programs"  # no function of the namespace
    _operation.function, _operation.emit = _operation.declaration, _itself
    _operation.batching = pointwise
    registry[_operation.name] = _operation
    backend.implement(_operation.name, _itself)
