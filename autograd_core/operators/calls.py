"""Calls of user's functions that are one step for the differentiation.

A function with rules of its own (`custom_jvp`, `custom_vjp`) or whose steps are not
kept (`checkpoint`) is called as an operation is: the highest level among its arguments
says what happens, one level down. It is described by four functions of flat lists of
arrays (`Rules`), each of which gives again such a description: so a batch of calls and
the derivative of a call are calls, too, in every nesting.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias

from autograd_core import backend
from autograd_core.batching import Batch
from autograd_core.edges import Cotangents, one_of_several
from autograd_core.errors import describe, error
from autograd_core.graph import Array, Level, eager, make_node, overwritten, unchanged
from autograd_core.reverse import Trace, sweep, traced
from autograd_core.tensor import (
    Tracked,
    is_array,
    is_differentiable,
    is_recorded,
    make_batched,
    make_dual,
    make_tensor,
    namespace_of,
    require_open,
)
from autograd_core.transform import (
    Like,
    differentiable_places,
    filled_like,
    replaced,
)

Arrays: TypeAlias = Sequence[Any]
Pullback: TypeAlias = Callable[[Sequence[Any], Cotangents], list[Array]]
"""From residuals and the cotangents of results to those of the leaves."""


class Rules(Protocol):
    """What is known of a function: how to evaluate, differentiate and batch it.

    Everything is in flat lists of arrays.
    """

    @property
    def name(self) -> str:
        """What errors call it."""

    def value(self, leaves: Arrays) -> list[Any]:
        """Evaluate the function."""

    def push(self, leaves: Arrays, tangents: Arrays) -> tuple[list[Any], list[Any]]:
        """Return results and their tangents."""

    def pull(self, leaves: Arrays) -> tuple[list[Any], Sequence[Any], Pullback]:
        """Return results, residuals, and what takes cotangents to the leaves."""

    def batched(self, mapped: Sequence[bool]) -> Rules:
        """Return the rules for a batch, which is the first axis of all results.

        `mapped` says which leaves have it, too.
        """


def call(rules: Rules, leaves: Arrays) -> list[Any]:
    """Call a function on leaves of any levels; returns its results."""
    level = _highest(rules.name, leaves)
    if level is None:
        ys = rules.value(leaves)
        require_lower(rules.name, eager, ys)
        return ys
    active = [isinstance(x, Tracked) and x.world.level is level for x in leaves]
    pairs = zip(leaves, active, strict=True)
    lower = [x.value if here else x for x, here in pairs]
    if isinstance(level, Batch):
        ys = call(rules.batched(active), lower)
        require_lower(rules.name, level, ys)
        return [make_batched(y, level) if is_array(y) else y for y in ys]
    if level.apply is not None:
        found: list[Any] = level.call(rules, leaves)
        return found
    if level.forward:
        return _with_tangents(rules, leaves, active, lower, level)
    return _with_node(rules, leaves, active, lower, level)


def _highest(name: str, leaves: Arrays) -> Any:
    highest: Level | None = None
    for x in leaves:
        if isinstance(x, Tracked):
            require_open(name, x)
            if highest is None or x.world.level.number > highest.number:
                highest = x.world.level
    return highest


def _with_tangents(
    rules: Rules, leaves: Arrays, active: Sequence[bool], lower: Arrays, level: Level
) -> list[Any]:
    """Return the results of forward mode."""
    tangents = [
        x.tangent if here else zeros_like(value)
        for x, here, value in zip(leaves, active, lower, strict=True)
    ]
    ys, y_dots = rules.push(lower, tangents)
    require_lower(rules.name, level, [*ys, *y_dots])
    return [
        make_dual(y, y_dot, level) if is_differentiable(y) else y
        for y, y_dot in zip(ys, y_dots, strict=True)
    ]


def _with_node(
    rules: Rules, leaves: Arrays, active: Sequence[bool], lower: Arrays, level: Level
) -> list[Any]:
    """Return the results of reverse mode, each with an edge to the node of the call.

    That has one edge, to a node that deals out what the pullback gives.
    """
    kept, guards = _captured(rules.name, active, lower)
    ys, residuals, pullback = rules.pull(kept)
    require_lower(rules.name, level, ys)
    places = [k for k, here in enumerate(active) if here]
    xp = namespace_of(lower[places[0]])
    inputs = make_node(
        tuple((leaves[k].node, _one_of, k) for k in places), xp, rules.name
    )
    step: tuple[Any, ...] = (_pulled, pullback, residuals)
    for guard in guards:
        step = (unchanged, guard, *step)
    node = make_node(((inputs, *step),), xp, rules.name)
    results = []
    for k, y in enumerate(ys):
        if is_differentiable(y):
            over = namespace_of(y)
            edge = (node, one_of_several, k)
            y = make_tensor(y, make_node((edge,), over, None), level.world(over))
        results.append(y)
    return results


def _captured(
    name: str, active: Sequence[bool], lower: Arrays
) -> tuple[list[Any], list[Any]]:
    """Return the arrays with the user's own memory out of reach or watched."""
    kept, guards = list(lower), list[Any]()
    if any(map(is_recorded, lower)):
        return kept, guards  # a program holds what is not its own by reference
    for k, x in enumerate(lower):
        if not active[k] and not isinstance(x, Tracked) and backend.is_array(x):
            kept[k], check = backend.backend_of(x).snapshot(x)
            if check is not None:
                guards.append((check, overwritten(name, x)))
    return kept, guards


def _pulled(
    xp: Any, t: Cotangents, pullback: Pullback, residuals: Sequence[Any]
) -> Cotangents:
    return Cotangents(enumerate(pullback(residuals, t)))


def _one_of(xp: Any, t: Cotangents, k: int) -> Array:
    return t[k]


def zeros_like(x: Any) -> Any:
    """Return zeros like an array; of anything else zero."""
    return filled_like(x, 0.0) if is_differentiable(x) else 0.0


PLAIN = (int, float, complex, str, bytes)
"""What a function may return beside arrays."""


def require_lower(name: str, level: Level, results: Arrays) -> None:
    """Raise if a result depends on what the function has not got as an argument."""
    for y in results:
        if isinstance(y, Tracked) and y.world.level.number >= level.number:
            raise error(
                ValueError,
                name,
                f"the function depends on an array of {y.world.level.name} that it was "
                "not given",
                describe(y),
                "Pass that array to the function as an argument.",
            )
        if not (is_array(y) or isinstance(y, PLAIN)):
            raise error(
                TypeError,
                name,
                "the function must return arrays, numbers, text, or pytrees of them",
                describe(y),
                "Register its type with autograd_core.pytree.register.",
            )


# ------------------------------------------------------------------ two kinds of rules


@dataclass(frozen=True)
class PushRules:
    """A function with a rule for tangents; the transpose of it serves reverse mode."""

    name: str
    value: Callable[[Arrays], list[Any]]
    push: Callable[[Arrays, Arrays], tuple[list[Any], list[Any]]]

    def pull(self, leaves: Arrays) -> tuple[list[Any], Sequence[Any], Pullback]:
        """Return results, and the transpose of the map of tangents."""
        places = differentiable_places(leaves)

        def tangents_of(*given: Array) -> tuple[list[Any], list[Any]]:
            ys, y_dots = self.push(leaves, _at(places, given, len(leaves)))
            return [y_dots[k] for k in differentiable_places(ys)], ys

        zeros = [zeros_like(leaves[k]) for k in places]
        trace, _, ys = traced(self.name, tangents_of, zeros, True, named=tangents_of)

        likes, count = likes_of(ys), len(leaves)

        def pullback(residuals: Sequence[Any], t: Cotangents) -> list[Array]:
            seeds = [x for x in filled(likes, t) if x is not None]
            return _at(places, _transposed(residuals[0], seeds), count)

        return ys, (trace,), pullback

    def batched(self, mapped: Sequence[bool]) -> PushRules:
        """Return the rules for a batch."""

        def push(leaves: Arrays, tangents: Arrays) -> tuple[list[Any], list[Any]]:
            pairs = zip(tangents, mapped, strict=True)
            flags = [here and is_array(t) for t, here in pairs]  # numbers of integers
            ys, y_dots = in_batch(self.push, (mapped, flags), leaves, tangents)
            return ys, y_dots

        return replace(self, value=over_batch(self.value, mapped), push=push)


@dataclass(frozen=True)
class PullRules:
    """A function with a rule for cotangents; its transpose serves forward mode.

    ``forward(leaves)`` returns results and residuals, ``backward(residuals, ts)`` the
    cotangents of all leaves.
    """

    name: str
    value: Callable[[Arrays], list[Any]]
    forward: Callable[[Arrays], tuple[list[Any], list[Any]]]
    backward: Callable[[Arrays, Arrays], list[Any]]

    def pull(self, leaves: Arrays) -> tuple[list[Any], Sequence[Any], Pullback]:
        """Return results, and the rule with its residuals."""
        ys, residuals = self.forward(leaves)
        likes = likes_of(ys)

        def pullback(residuals: Sequence[Any], t: Cotangents) -> list[Array]:
            return self.backward(residuals, filled(likes, t))

        return ys, residuals, pullback

    def push(self, leaves: Arrays, tangents: Arrays) -> tuple[list[Any], list[Any]]:
        """Return results, and the transpose of the map of cotangents."""
        ys, residuals = self.forward(leaves)
        places, chosen = differentiable_places(ys), differentiable_places(leaves)

        def cotangents_of(*given: Array) -> list[Any]:
            found = self.backward(residuals, _at(places, given, len(ys)))
            return [found[k] for k in chosen]

        zeros = [zeros_like(ys[k]) for k in places]
        trace, _, _ = traced(self.name, cotangents_of, zeros, False, named=self.value)
        found = _transposed(trace, [tangents[k] for k in chosen])
        return ys, _at(places, found, len(ys))

    def batched(self, mapped: Sequence[bool]) -> PullRules:
        """Return the rules for a batch."""

        def forward(leaves: Arrays) -> tuple[list[Any], list[Any]]:
            ys, residuals = in_batch(self.forward, (mapped,), leaves)
            return ys, residuals

        def backward(residuals: Arrays, ts: Arrays) -> list[Any]:
            flags = [list(map(is_array, each)) for each in (residuals, ts)]
            found = over_batch(self.backward, *flags)(residuals, ts)
            return _summed(found, mapped)

        return replace(
            self,
            value=over_batch(self.value, mapped),
            forward=forward,
            backward=backward,
        )


@dataclass(frozen=True)
class LinearRules:
    """A linear function of all its arrays together, and its transpose."""

    name: str
    value: Callable[[Arrays], list[Any]]
    transpose: Callable[[Arrays], list[Any]]

    def push(self, leaves: Arrays, tangents: Arrays) -> tuple[list[Any], list[Any]]:
        """Return what the function makes of the arrays and of the tangents."""
        return call(self, leaves), call(self, tangents)

    def pull(self, leaves: Arrays) -> tuple[list[Any], Sequence[Any], Pullback]:
        """Return results, and the transpose, which needs no residuals."""
        ys = call(self, leaves)
        likes = likes_of(ys)
        back = replace(self, value=self.transpose, transpose=self.value)

        def pullback(residuals: Sequence[Any], t: Cotangents) -> list[Array]:
            return call(back, filled(likes, t))

        return ys, (), pullback

    def batched(self, mapped: Sequence[bool]) -> LinearRules:
        """Return the rules for a batch."""

        def transpose(ts: Arrays) -> list[Any]:
            flags = list(map(is_array, ts))
            return _summed(over_batch(self.transpose, flags)(ts), mapped)

        return replace(self, value=over_batch(self.value, mapped), transpose=transpose)


def in_batch(
    function: Callable[..., tuple[list[Any], ...]],
    mapped: Sequence[Sequence[bool]],
    *groups: Arrays,
) -> tuple[list[Any], ...]:
    """Call a function of lists on a batch; all arrays of its lists have the batch."""
    size = next(
        int(x.shape[0])
        for xs, flags in zip(groups, mapped, strict=True)
        for x, here in zip(xs, flags, strict=True)
        if here
    )
    with Batch("vmap", size) as level:
        given = [
            [
                make_batched(x, level) if here else x
                for x, here in zip(*pair, strict=True)
            ]
            for pair in zip(groups, mapped, strict=True)
        ]
        found = function(*given)
        return tuple(
            [level.spread(y) if is_array(y) else y for y in ys] for ys in found
        )


def over_batch(
    function: Callable[..., list[Any]], *mapped: Sequence[bool]
) -> Callable[..., list[Any]]:
    """Return a function of lists as one of lists on a batch: one list of results."""

    def of_batch(*groups: Arrays) -> list[Any]:
        def alone(*lists: Arrays) -> tuple[list[Any]]:
            return (function(*lists),)

        return in_batch(alone, mapped, *groups)[0]

    return of_batch


def _summed(cotangents: Arrays, mapped: Sequence[bool]) -> list[Any]:
    """Return cotangents, those of what all examples share summed over the batch."""
    return [
        x if here or not is_array(x) else namespace_of(x).sum(x, axis=0)
        for x, here in zip(cotangents, mapped, strict=True)
    ]


def likes_of(ys: Arrays) -> list[Like | None]:
    """Return what the cotangent of each result must agree in with it."""
    return [Like(y) if is_differentiable(y) else None for y in ys]


def filled(likes: Sequence[Like | None], t: Cotangents) -> list[Any]:
    """Return the cotangents of all results: zeros where none came."""
    return [
        t[k] if k in t else like.zeros() if like else None
        for k, like in enumerate(likes)
    ]


def _at(places: Sequence[int], given: Arrays, count: int) -> list[Any]:
    """Return a list of values at places, zeros elsewhere."""
    return replaced([0.0] * count, places, given)


def _transposed(trace: Trace, seeds: Arrays) -> list[Any]:
    """Apply the transpose of a linear map that was traced on separate arrays."""
    return list(trace.gradients(sweep(trace.seeds(list(seeds)))))
