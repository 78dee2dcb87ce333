"""Pytrees: nested tuples, named tuples, lists, dicts and ``None`` with array leaves.

Everything that is none of these containers is a leaf. Dicts are read in the sorted
order of their keys (in insertion order where keys do not compare), so that two equal
dicts have equal structures. An OrderedDict keeps its order and its type; other
subclasses of dict come back as dicts.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from autograd_core.errors import error


class Structure:
    """The shape of a pytree: which container, under which keys, of which children.

    A leaf is the structure whose container is ``object``.
    """

    __slots__ = ("children", "container", "keys")

    def __init__(
        self,
        container: Any,
        keys: tuple[Any, ...] = (),
        children: tuple[Structure, ...] = (),
    ) -> None:
        self.container = container
        self.keys = keys
        self.children = children

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Structure) and (
            self.container is other.container
            and self.keys == other.keys
            and self.children == other.children
        )

    def __hash__(self) -> int:
        return hash((self.container, self.keys, self.children))

    def __repr__(self) -> str:
        return f"Structure({self})"

    def __str__(self) -> str:
        if self.container is object:
            return "*"
        if self.container is type(None):
            return "None"
        pairs = zip(self.keys, self.children, strict=True)
        inner = ", ".join(f"{key!r}: {child}" for key, child in pairs)
        return f"{self.container.__name__}({inner})"


LEAF = Structure(object)


def _keys_and_children(tree: Any) -> tuple[Iterable[Any], Iterable[Any]] | None:
    """Return a container's keys and children, or None for a leaf."""
    if isinstance(tree, dict):
        try:
            keys = list(tree) if isinstance(tree, OrderedDict) else sorted(tree)
        except TypeError:
            keys = list(tree)
        return keys, (tree[key] for key in keys)
    if isinstance(tree, (tuple, list)):
        return getattr(tree, "_fields", range(len(tree))), tree
    return ((), ()) if tree is None else None


def flatten(tree: Any) -> tuple[list[Any], Structure]:
    """Return the leaves of a pytree, left to right, and its structure.

    Examples
    --------
    >>> leaves, structure = flatten({"w": [1.0, 2.0], "b": (3.0, None)})
    >>> leaves
    [3.0, 1.0, 2.0]
    >>> print(structure)
    dict('b': tuple(0: *, 1: None), 'w': list(0: *, 1: *))
    """
    leaves: list[Any] = []
    return leaves, _flatten_into(leaves, tree)


def _flatten_into(leaves: list[Any], tree: Any) -> Structure:
    parts = _keys_and_children(tree)
    if parts is None:
        leaves.append(tree)
        return LEAF
    keys, children = parts
    structures = tuple(_flatten_into(leaves, child) for child in children)
    container = type(tree)
    if isinstance(tree, dict) and container is not OrderedDict:
        container = dict
    return Structure(container, tuple(keys), structures)


def unflatten(structure: Structure, leaves: Iterable[Any]) -> Any:
    """Build the pytree of a structure from its leaves, left to right.

    Examples
    --------
    >>> leaves, structure = flatten((1.0, {"a": 2.0}))
    >>> unflatten(structure, [10.0, 20.0])
    (10.0, {'a': 20.0})
    """
    return _unflatten_from(structure, iter(leaves))


def _unflatten_from(structure: Structure, leaves: Iterator[Any]) -> Any:
    container = structure.container
    if container is object:
        return next(leaves)
    if container is type(None):
        return None
    children = [_unflatten_from(child, leaves) for child in structure.children]
    if container in (dict, OrderedDict):
        return container(zip(structure.keys, children, strict=True))
    return (
        container(*children) if hasattr(container, "_fields") else container(children)
    )


def map(function: Callable[..., Any], tree: Any, *trees: Any) -> Any:
    """Apply a function to the corresponding leaves of pytrees of one structure.

    Raises
    ------
    ValueError
        If the structures differ.

    Examples
    --------
    >>> map(lambda x, y: x + y, {"a": 1, "b": [2]}, {"a": 10, "b": [20]})
    {'a': 11, 'b': [22]}
    """
    leaves, structure = flatten(tree)
    columns = [leaves]
    for other in trees:
        other_leaves, other_structure = flatten(other)
        if other_structure != structure:
            raise error(
                ValueError,
                "pytree.map",
                f"the trees must have one structure, {structure}",
                str(other_structure),
                "Give trees with the same containers and keys.",
            )
        columns.append(other_leaves)
    results = [function(*row) for row in zip(*columns, strict=True)]
    return unflatten(structure, results)


def paths(structure: Structure, prefix: str = "") -> Iterator[str]:
    """Yield the path of every leaf, ``['w'][0]``, in the order of `flatten`."""
    if structure.container is object:
        yield prefix
    for key, child in zip(structure.keys, structure.children, strict=True):
        named = hasattr(structure.container, "_fields")
        yield from paths(child, f"{prefix}.{key}" if named else f"{prefix}[{key!r}]")
