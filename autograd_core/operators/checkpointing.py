"""Memory for time: functions that are evaluated again in the backward pass.

`checkpoint` keeps the arguments of a function and nothing else. A policy keeps some of
the results within, too: the function is then watched, and the second evaluation is
given them in the order of the calls.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial, wraps
from typing import Any, TypeAlias

from autograd_core import pytree, tensor
from autograd_core.edges import Cotangents
from autograd_core.errors import describe, error
from autograd_core.forward import push
from autograd_core.graph import Array
from autograd_core.operators.calls import (
    Arrays,
    Pullback,
    call,
    filled,
    likes_of,
    over_batch,
    zeros_like,
)
from autograd_core.operators.closures import closed_over
from autograd_core.operators.watching import Watch
from autograd_core.reverse import sweep, traced
from autograd_core.tensor import Tracked, Watched, is_differentiable, is_recorded
from autograd_core.transform import (
    Pytree,
    differentiable_places,
    replaced,
    require_function,
)

Policy: TypeAlias = Collection[str] | Callable[[str, Any], bool] | None
Function: TypeAlias = Callable[..., Any]


def checkpoint(function: Function, *, policy: Policy = None) -> Function:
    """Make a function that keeps its arguments for the backward pass, and little else.

    The backward pass evaluates it again: one evaluation more, for the memory of all
    that is computed on the way. In forward mode there is nothing to keep.

    Parameters
    ----------
    function
        A function of pytrees, which returns a pytree. It must compute the same when it
        is called again: it draws no random numbers, rebinds no variable outside, and
        what it closes over is not written to before the backward pass.
    policy
        What to keep beside the arguments, so that it is not computed again: names that
        `checkpoint_name` gave, or a function ``policy(operation, result)`` that is
        asked about every call, ``"matmul"`` say, and its result.

    Returns
    -------
    callable
        Of the same arguments and with the same results and derivatives.

    Raises
    ------
    TypeError
        If the policy is neither names nor a function. When called, if a result is no
        array, number or text, nor a pytree of these.
    ValueError
        When differentiated, if the function depends on an array that is being
        differentiated and is not found: it is looked for among the arguments, in the
        closure, the defaults and the globals, in functions, containers and objects that
        can be called there, but not in other objects.

    Notes
    -----
    A policy takes effect where no outer transform differentiates the same arrays;
    there, as in second derivatives, everything is computed again. Nor are results kept
    of what is called after a function with rules of its own: custom ones, hooks, inner
    checkpoints and loops.

    Examples
    --------
    >>> import numpy, autograd_core as ag
    >>> xp = ag.ops
    >>> layer = ag.checkpoint(lambda w, h: xp.tanh(w @ h))
    >>> loss = lambda w: xp.sum(layer(w, layer(w, xp.ones((2,)))))
    >>> print(ag.grad(loss)(numpy.zeros((2, 2))))
    [[0. 0.]
     [0. 0.]]
    """
    require_function("checkpoint", function)
    if isinstance(policy, str) or not (
        policy is None or callable(policy) or isinstance(policy, Collection)
    ):
        raise error(
            TypeError,
            "checkpoint",
            "policy must be a collection of names, or a function of an operation's "
            "name and its result",
            describe(policy),
            "Write policy=('name',) or policy=lambda operation, result: ...",
        )
    name = f"checkpoint {_name(function)}"

    @wraps(function)
    def checkpointed(*arguments: Any, **keywords: Any) -> Pytree:
        captured, build = closed_over(function)
        leaves, structure = pytree.flatten((captured, arguments, keywords))
        out = pytree.LEAF

        def flat(xs: Arrays) -> list[Any]:
            nonlocal out
            arrays, given, named = pytree.unflatten(structure, xs)
            ys, out = pytree.flatten(build(arrays)(*given, **named))
            return ys

        ys = call(Checkpointed(name, flat, policy), leaves)
        return pytree.unflatten(out, ys)

    return checkpointed


def _name(function: Any) -> str:
    """Return a function's name; where arguments are bound, that of the first in it."""
    if isinstance(function, partial):
        inner = next(filter(callable, function.args), function.func)
        return _name(inner)
    return getattr(function, "__name__", type(function).__name__)


def checkpoint_name(x: Pytree, name: str) -> Pytree:
    """Return ``x``, by a name that the policy of a `checkpoint` may keep.

    Examples
    --------
    >>> import autograd_core as ag
    >>> f = lambda x: ag.ops.sin(ag.checkpoint_name(ag.ops.exp(x), "exponential"))
    >>> g = ag.checkpoint(f, policy=("exponential",))
    >>> print(ag.grad(g)(0.0) == ag.grad(f)(0.0))
    True
    """
    for leaf in pytree.flatten(x)[0]:
        below = leaf
        while isinstance(below, Tracked):
            level = below.world.level
            if isinstance(level, Keeper) and isinstance(below, Watched):
                level.named(below, name)
            below = below.value
    return x


@dataclass(frozen=True)
class Checkpointed:
    """A function of a list of arrays that is evaluated again for its derivative.

    Its derivative in forward mode, its pullback and the function of a batch are such
    functions, too, and so it is in every nesting of the transforms.
    """

    name: str
    function: Callable[[Arrays], list[Any]]
    policy: Policy = None

    def value(self, leaves: Arrays) -> list[Any]:
        """Evaluate the function."""
        return self.function(leaves)

    def push(self, leaves: Arrays, tangents: Arrays) -> tuple[list[Any], list[Any]]:
        """Return results and tangents, of a function that is checkpointed again."""
        count = len(leaves)
        places = differentiable_places(leaves)

        def both(everything: Arrays) -> list[Any]:
            xs, x_dots = everything[:count], everything[count:]

            def of_places(*given: Array) -> list[Any]:
                return self.function(replaced(xs, places, given))

            chosen = [xs[k] for k in places], [x_dots[k] for k in places]
            structures = [pytree.LEAF] * len(places)
            ys, y_dots, _ = push(self.name, of_places, structures, *chosen)
            return [*ys, *y_dots]

        found = call(replace(self, function=both, policy=None), [*leaves, *tangents])
        return found[: len(found) // 2], found[len(found) // 2 :]

    def pull(self, leaves: Arrays) -> tuple[list[Any], Sequence[Any], Pullback]:
        """Return results, the arguments and what is kept, and the second evaluation."""
        deep = any(isinstance(x, Tracked) for x in leaves)
        keeper = None if self.policy is None or deep else Keeper(self.policy)
        if keeper is None:
            ys = call(self, leaves)
        else:
            with keeper:
                found = self.function([keeper.watched(x, -1) for x in leaves])
                ys = list(map(keeper.lowered, found))
        kept = {} if keeper is None else keeper.kept
        names = () if keeper is None else tuple(keeper.names)
        likes, count = likes_of(ys), len(leaves)

        def pullback(residuals: Sequence[Any], t: Cotangents) -> list[Array]:
            *xs, kept = residuals

            def again(everything: Arrays) -> list[Any]:
                replay = Replay(names, kept)
                with replay:
                    return self.gradients(
                        everything[:count], everything[count:], replay
                    )

            rules = Checkpointed(self.name, again)
            return call(rules, [*xs, *filled(likes, t)])

        return ys, (*leaves, kept), pullback

    def gradients(self, leaves: Arrays, ts: Arrays, replay: Replay) -> list[Any]:
        """Evaluate the function again, and return the cotangents of its arguments."""
        leaves = [_apart(x) if is_recorded(x) else x for x in leaves]
        places = differentiable_places(leaves)

        def of_places(*given: Array) -> list[Any]:
            return self.function(replaced(leaves, places, given))

        chosen = [leaves[k] for k in places]
        if replay.names:
            chosen = list(map(replay.watched, chosen))
        trace, _, _ = traced(self.name, of_places, chosen, False, named=of_places)
        replay.names = ()  # what follows is the backward pass
        seeds = trace.seeds([0.0 if t is None else t for t in ts])
        found = trace.gradients(sweep(seeds))
        cotangents: list[Any] = list(map(zeros_like, leaves))
        for k, x_bar in zip(places, found, strict=True):
            cotangents[k] = replay.lowered(x_bar)
        return cotangents

    def batched(self, mapped: Sequence[bool]) -> Checkpointed:
        """Return the function of a batch."""
        return replace(self, function=over_batch(self.function, mapped))


def _apart(x: Array) -> Array:
    """Return an array from which a program computes once more what it has computed."""
    return tensor.operations.optimization_barrier(x)


# ------------------------------------------------------------------ what a policy keeps


NOT_COUNTED = frozenset({"astype"})
"""Conversions: gradients convert, too, where dtypes are mixed, so that their number is
not the same in a second evaluation."""


class Keeper(Watch):
    """A level that keeps the results that a policy wants, by the number of the call."""

    __slots__ = ("kept", "names", "policy", "sealed")

    def __init__(self, policy: Policy) -> None:
        super().__init__("checkpoint")
        self.policy = policy
        self.names: list[str] = []
        self.kept: dict[int, Any] = {}
        self.sealed = False

    def seen(self, name: str, compute: Callable[[], Any]) -> tuple[Any, int]:
        """Compute, and keep the result if the policy says so."""
        y, place = compute(), len(self.names)
        if self.sealed or name in NOT_COUNTED:
            return y, -1
        self.names.append(name)
        if callable(self.policy) and self.policy(name, y):
            self.keep(place, y)
        return y, place

    def seen_function(self, name: str, compute: Callable[[], Any]) -> tuple[Any, int]:
        """Compute, and keep nothing from here on.

        A second evaluation follows the function's rules, and the calls differ.
        """
        self.sealed = True
        return compute(), -1

    def named(self, x: Watched, name: str) -> None:
        """Keep an array if the policy has its name."""
        place: int = x.node
        if not callable(self.policy) and self.policy and name in self.policy:
            self.keep(place, x.value)

    def keep(self, place: int, y: Any) -> None:
        """Keep the one result of a call."""
        if place >= 0 and is_differentiable(y):
            self.kept[place] = y


class Replay(Watch):
    """A level that hands out what was kept, in the order of the calls."""

    __slots__ = ("kept", "names", "place")

    def __init__(self, names: Sequence[str], kept: dict[int, Any]) -> None:
        super().__init__("checkpoint")
        self.names, self.kept, self.place = names, kept, 0

    def seen(self, name: str, compute: Callable[[], Any]) -> tuple[Any, None]:
        """Return what was kept of a call, or compute it.

        Where the calls are not the same, nothing that was kept can be trusted.
        """
        if self.place < len(self.names) and name not in NOT_COUNTED:
            if self.names[self.place] != name:
                self.names = ()
            elif self.place in self.kept:
                self.place += 1
                return self.kept[self.place - 1], None
            self.place += 1
        return compute(), None
