"""The graph of reverse mode, and the levels and worlds that tracked arrays live in.

Every open transform is a *level*, numbered from a counter, so that a transform opened
later is inner. A tracked array of a level holds the value of the level below it, which
is a raw array at the bottom. That is all it takes for forward and reverse mode to nest
in any order without confusing one perturbation with another: an operation peels off the
highest level among its arguments, computes on what is below, and puts that level back.
"""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, Self, TypeAlias

from autograd_core.errors import describe, error

Array: TypeAlias = Any
"""An array of some library, or a tracked one."""

Edge: TypeAlias = tuple[Any, ...]
"""``(parent node, rule, *what the rule named)``."""

new = object.__new__
node_ids = itertools.count(1)
_level_numbers = itertools.count(1)


class Level:
    """One open transform: its number, its mode, and its worlds.

    Level 0 is that of eager Tensors, which belong to no transform; it never closes.
    A level becomes uniform when code that is written for the standard asks one of its
    arrays for the namespace: then masks are `Constant`, too.
    """

    __slots__ = ("forward", "name", "number", "open", "uniform", "worlds")

    apply: Any = None
    """What a level that does not differentiate does with a call of an operation:
    ``apply(operation, arguments, statics)``."""

    call: Any = None
    """And with that of a function with rules of its own: ``call(rules, leaves)``."""

    def __init__(self, name: str, *, forward: bool, number: int | None = None) -> None:
        self.number = next(_level_numbers) if number is None else number
        self.name = name
        self.forward = forward
        self.open = True
        self.uniform = False
        self.worlds: dict[Any, World] = {}

    def world(self, xp: Any) -> World:
        """Return this level's world over a namespace: always the same object."""
        found = self.worlds.get(xp)
        if found is None:
            found = self.worlds.setdefault(xp, World(self, xp))
        return found

    def close(self) -> None:
        """End the transform. What still holds its arrays cannot use them any more."""
        self.open = False
        self.worlds.clear()  # they refer back to the level: a cycle

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class World:
    """The arrays of one level that one namespace computes.

    `xp` is `operations` when the values are themselves tracked, else their backend. As
    a level has one world over each namespace, ``a.world is b.world`` says at once that
    two arrays agree in level, mode and library.
    """

    __slots__ = ("level", "xp")

    def __init__(self, level: Level, xp: Any) -> None:
        self.level = level
        self.xp = xp


class Node:
    """What reverse mode keeps of one operation: its edges, never its value.

    An edge is ``(parent, rule, *saved)``. Node ids grow in order of creation, so that
    walking them downwards visits every result before the arguments it came from.
    """

    __slots__ = ("__weakref__", "edges", "id", "operation", "xp")

    id: int
    edges: tuple[Edge, ...]
    xp: Any
    operation: Any


class Anchor(Node):
    """A node that takes the graph behind it apart in a loop.

    CPython frees a chain of objects by recursion, and CPython 3.13 recurses deeper than
    a thread with a small stack can bear. About one node in 70 is an anchor, which is
    often enough to keep the recursion short and seldom enough to cost nothing.
    """

    __slots__ = ()

    def __del__(self) -> None:
        waiting = [self.edges]
        self.edges = ()
        while waiting:
            edges = waiting.pop()
            times = Counter(id(edge[0]) for edge in edges)
            for edge in edges:
                alone = _ALONE + times[id(edge[0])] - 1
                if edge[0].edges and _holders_of_parent(edge) == alone:
                    waiting.append(edge[0].edges)
                    edge[0].edges = ()


def _holders_of_parent(edge: Edge) -> int:
    return sys.getrefcount(edge[0])


_ALONE = _holders_of_parent((object(),))
"""What `_holders_of_parent` counts where only one edge holds the parent."""


def _kinds_of_node() -> list[type[Node]]:
    """Return the kinds of a prime number of nodes, anchors at pseudo-random places.

    So no loop in a user's program, whatever its period, misses the anchors for long.
    """
    kinds: list[type[Node]] = [Node] * 4093
    place = 1
    while place < len(kinds):
        kinds[place] = Anchor
        place += 30 + place * place % 61
    return kinds


new_nodes: Iterator[Node] = map(new, itertools.cycle(_kinds_of_node()))
"""Nodes to fill in; shared by all threads, like the ids."""


def make_node(edges: tuple[Edge, ...], xp: Any, operation: Any) -> Node:
    """Make the node of a result."""
    node = next(new_nodes)
    node.id = next(node_ids)
    node.edges = edges
    node.xp = xp
    node.operation = operation
    return node


class Leaf(Node):
    """A node without edges, where a cotangent comes to rest."""

    __slots__ = ("grad", "shape")

    def __init__(self, xp: Any, shape: tuple[int, ...]) -> None:
        self.id = next(node_ids)
        self.edges = ()
        self.xp = xp
        self.operation = None
        self.grad: Array | None = None
        self.shape = shape


class WatchedLeaf(Node):
    """A node before a leaf whose memory is the user's: its one edge is the check."""

    __slots__ = ()

    def __init__(self, leaf: Leaf, check: Any, fault: str) -> None:
        self.id = next(node_ids)
        self.edges = ((leaf, unchanged, (check, fault), identity),)
        self.xp = leaf.xp
        self.operation = None


eager = Level("eager", forward=False, number=0)

recording: ContextVar[Any] = ContextVar("recording", default=None)
"""The recording that is under way, to which constants without values belong."""


class NoValueError(TypeError):
    """A value was asked for of an array that is recorded without data."""


def before_derivatives(function: Any) -> Any:
    """Return a function as it is to be differentiated: a recording may rewrite it."""
    level = recording.get()
    return function if level is None else level.before_derivatives(function)


# ------------------------------------------------------------------ captured memory


def overwritten(operation: str, x: Array) -> str:
    """Word, while the user's line is on the stack, the error for a later write."""
    fault = error(
        ValueError,
        operation,
        "an array was written to in place after it was used and before the backward "
        "pass, which needs what it held",
        describe(x),
        "Write to a copy, or run the backward pass first.",
    )
    return str(fault)


def unchanged(
    xp: Any, t: Array, guard: tuple[Any, str], rule: Any, *saved: Any
) -> Array:
    """Apply a rule, after a check that the memory it reads was not written to."""
    check, fault = guard
    if not check():
        raise ValueError(fault)
    return rule(xp, t, *saved)


def identity(xp: Any, t: Array) -> Array:
    """Return the cotangent: the rule of the identity."""
    return t
