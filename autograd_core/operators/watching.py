"""Levels that look at every call of an operation and change nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from autograd_core.apply import dispatch
from autograd_core.graph import Level, new
from autograd_core.operation import Operation
from autograd_core.operators.calls import Arrays, Rules, call
from autograd_core.tensor import Tracked, Watched, is_differentiable, namespace_of


class Watch(Level):
    """A level that is shown each call, and may give its result instead of making it."""

    __slots__ = ()

    def __init__(self, name: str) -> None:
        super().__init__(name, forward=False)

    def seen(self, name: str, compute: Callable[[], Any]) -> tuple[Any, Any]:
        """Look at a call: return its result, and what to call it in `Watched.node`."""
        raise NotImplementedError

    def seen_function(self, name: str, compute: Callable[[], Any]) -> tuple[Any, Any]:
        """Look at the call of a function with rules of its own."""
        return self.seen(name, compute)

    def apply(
        self, operation: Operation, arguments: tuple[Any, ...], statics: tuple[Any, ...]
    ) -> Any:
        """Call an operation one level down."""
        lower = tuple(map(self.lowered, arguments))
        y, place = self.seen(
            operation.name, partial(dispatch, operation, lower, statics)
        )
        if operation.result is not None:
            return operation.result(*(self.watched(part, place) for part in y))
        return self.watched(y, place)

    def call(self, rules: Rules, leaves: Arrays) -> list[Any]:
        """Call a function with rules of its own one level down."""
        lower = list(map(self.lowered, leaves))
        ys, place = self.seen_function(rules.name, partial(call, rules, lower))
        return [self.watched(y, place) for y in ys]

    def watched(self, x: Any, place: Any = None) -> Any:
        """Return an array of this level."""
        if not is_differentiable(x):
            return x
        result = new(Watched)
        result.value, result.node = x, place
        result.world = self.world(namespace_of(x))
        return result

    def lowered(self, x: Any) -> Any:
        """Return a value one level down."""
        here = isinstance(x, Tracked) and x.world.level is self
        return x.value if here else x
