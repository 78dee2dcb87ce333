"""Pytrees: nested containers with array leaves.

Containers are tuples, named tuples, lists, dicts, ``None``, dataclasses, and the types
that were given to `register`. Everything else is a leaf, and so is every array.

Dicts are read in the sorted order of their keys (in insertion order where keys do not
compare), so that two equal dicts have equal structures. An OrderedDict keeps its order
and its type; other subclasses of dict come back as dicts.

The children of a dataclass are its fields, in their order, those with ``init=False``
too. A field with ``metadata={"static": True}`` is no child but part of the structure,
like the keys of a dict. An instance is put together field by field and neither
``__init__`` nor ``__post_init__`` runs, as the leaves may be anything meanwhile. What
is stored in an instance beside its fields is left behind. A dataclass that offers
itself as an array (``__array_namespace__``, ``__array__``) is a leaf.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields
from importlib import import_module
from threading import Lock
from typing import Any, NamedTuple

from autograd_core import backend
from autograd_core.errors import describe, error


class Structure:
    """The shape of a pytree: which container, under which keys, of which children.

    A leaf is the structure whose container is ``object``. What else a container is made
    of is its auxiliary data.
    """

    __slots__ = ("auxiliary", "children", "container", "keys")

    def __init__(
        self,
        container: Any,
        keys: Sequence[Any] = (),
        children: tuple[Structure, ...] = (),
        auxiliary: Any = None,
    ) -> None:
        self.container = container
        self.keys = keys
        self.children = children
        self.auxiliary = auxiliary

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Structure) and (
            self.container is other.container
            and self.keys == other.keys
            and self.children == other.children
            and self._agrees(other.auxiliary)
        )

    def _agrees(self, auxiliary: Any) -> bool:
        if self.auxiliary is auxiliary:
            return True
        try:
            return bool(self.auxiliary == auxiliary)
        except Exception as cause:
            raise error(
                TypeError,
                "pytree",
                "what is static in a pytree must be equal or not to another",
                describe(self.auxiliary),
                "Make arrays children, and keep as static what compares with ==.",
            ) from cause

    def __hash__(self) -> int:
        return hash((self.container, self.keys, self.children, self.auxiliary))

    def __repr__(self) -> str:
        return f"Structure({self})"

    def __str__(self) -> str:
        if self.container is object:
            return "*"
        if self.container in (type(None), Static):
            return repr(self.auxiliary)
        pairs = zip(self.keys, self.children, strict=True)
        inner = ", ".join(f"{key!r}: {child}" for key, child in pairs)
        beside = "" if self.auxiliary is None else f"[{self.auxiliary!r}]"
        return f"{self.container.__name__}{beside}({inner})"


LEAF = Structure(object)


class Static:
    """A value in the place of a child that belongs to the structure."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


# ------------------------------------------------------------------ kinds of containers

Parts = tuple[Sequence[Any], Iterable[Any], Any]
"""The keys, the children and the auxiliary data of a container."""


class Kind(NamedTuple):
    """How a container of one type is taken apart and put together."""

    container: type
    """What stands in the structure."""
    flatten: Callable[[Any], Parts]
    unflatten: Callable[[Structure, list[Any]], Any]
    attributes: bool = False
    """Whether the keys are the names of attributes."""


def _flatten_dict(tree: dict[Any, Any]) -> Parts:
    try:
        keys = tuple(sorted(tree))
    except TypeError:
        keys = tuple(tree)
    return keys, [tree[key] for key in keys], None


def _flatten_ordered(tree: dict[Any, Any]) -> Parts:
    return tuple(tree), tree.values(), None


def _unflatten_dict(structure: Structure, children: list[Any]) -> Any:
    return structure.container(zip(structure.keys, children, strict=True))


def _flatten_sequence(tree: Sequence[Any]) -> Parts:
    return range(len(tree)), tree, None


def _unflatten_sequence(structure: Structure, children: list[Any]) -> Any:
    return structure.container(children)


def _flatten_named(tree: Any) -> Parts:
    return tree._fields, tree, None


def _unflatten_named(structure: Structure, children: list[Any]) -> Any:
    return structure.container(*children)


def _flatten_none(tree: None) -> Parts:
    return (), (), None


def _flatten_static(tree: Static) -> Parts:
    return (), (), tree.value


def _unflatten_static(structure: Structure, children: list[Any]) -> Any:
    return structure.auxiliary


def _dataclass_kind(cls: Any) -> Kind:
    static = {f.name: bool(f.metadata.get("static")) for f in fields(cls)}

    def flatten_fields(tree: Any) -> Parts:
        names = tuple([name for name in static if hasattr(tree, name)])
        values = [getattr(tree, name) for name in names]
        pairs = zip(names, values, strict=True)
        children = [Static(x) if static[name] else x for name, x in pairs]
        return names, children, None

    return Kind(cls, flatten_fields, _unflatten_fields, attributes=True)


def _unflatten_fields(structure: Structure, children: list[Any]) -> Any:
    result = object.__new__(structure.container)
    for name, child in zip(structure.keys, children, strict=True):
        object.__setattr__(result, name, child)  # a frozen class refuses its own
    return result


_kinds: dict[type, Kind | None] = {
    tuple: Kind(tuple, _flatten_sequence, _unflatten_sequence),
    list: Kind(list, _flatten_sequence, _unflatten_sequence),
    dict: Kind(dict, _flatten_dict, _unflatten_dict),
    OrderedDict: Kind(OrderedDict, _flatten_ordered, _unflatten_dict),
    type(None): Kind(type(None), _flatten_none, _unflatten_static),
    Static: Kind(Static, _flatten_static, _unflatten_static),
}
"""The kind of every type that was met, None for leaves."""

_BUILT_IN = frozenset(_kinds)
_ALWAYS_LEAVES = frozenset({bool, int, float, complex, str, bytes, object})
_registered: dict[type, tuple[Any, Any]] = {}
_lock = Lock()


def _kind_of_type(cls: type) -> Kind | None:
    """Return the kind of a type that was not registered."""
    if hasattr(cls, "__array_namespace__"):
        return None
    if issubclass(cls, dict):
        ordered = issubclass(cls, OrderedDict)
        return Kind(
            dict, _flatten_ordered if ordered else _flatten_dict, _unflatten_dict
        )
    if issubclass(cls, (tuple, list)):
        if hasattr(cls, "_fields"):
            return Kind(cls, _flatten_named, _unflatten_named, attributes=True)
        return Kind(cls, _flatten_sequence, _unflatten_sequence)
    if hasattr(cls, "__dataclass_fields__") and not hasattr(cls, "__array__"):
        return _dataclass_kind(cls)
    return None


def _meet(tree: Any) -> Kind | None:
    """Return the kind of what has a type that was not met before."""
    kind = _kind_of_type(type(tree))
    if kind is not None and backend.is_array(tree):
        kind = None
    return _kinds.setdefault(type(tree), kind)


def _kind_in(structure: Structure) -> Kind:
    """Return the kind of a structure's container, which is no leaf."""
    cls = structure.container
    kind = _kinds.get(cls) or _kinds.setdefault(cls, _kind_of_type(cls))
    assert kind is not None
    return kind


# ------------------------------------------------------------------ apart and together


def one_level(tree: Any) -> tuple[list[Any], Sequence[Any]]:
    """Return the children of a container and their keys; of a leaf there are none."""
    kind = _kinds[type(tree)] if type(tree) in _kinds else _meet(tree)
    if kind is None:
        return [], ()
    keys, children, _ = kind.flatten(tree)
    return list(children), keys


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
    try:
        kind = _kinds[type(tree)]
    except KeyError:
        kind = _meet(tree)
    if kind is None:
        leaves.append(tree)
        return LEAF
    keys, children, auxiliary = kind.flatten(tree)
    structures = tuple([_flatten_into(leaves, child) for child in children])
    return Structure(kind.container, keys, structures, auxiliary)


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
    if structure.container is object:
        return next(leaves)
    children = [_unflatten_from(child, leaves) for child in structure.children]
    return _kind_in(structure).unflatten(structure, children)


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
    """Yield the path of every leaf, ``['w'][0].bias``, in the order of `flatten`."""
    if structure.container is object:
        yield prefix
        return
    named = _kind_in(structure).attributes
    for key, child in zip(structure.keys, structure.children, strict=True):
        yield from paths(child, f"{prefix}.{key}" if named else f"{prefix}[{key!r}]")


# ------------------------------------------------------------------ the user's own


def register(
    node_type: type,
    flatten: Callable[[Any], tuple[Any, ...]],
    unflatten: Callable[[Any, tuple[Any, ...]], Any],
) -> None:
    """Make the instances of a type containers in pytrees, for all threads.

    As in JAX. It holds for this type, not for those derived from it. For dataclasses it
    is not needed, and comes first.

    Parameters
    ----------
    node_type
        A type, but no built-in container and no type of arrays.
    flatten
        Takes an instance; returns its children, which are pytrees, and the rest of it:
        auxiliary data that is part of the structure. That compares with ``==`` and,
        where structures are looked up, is hashable; so it holds no arrays. A third
        part, if there is one, names the children in errors.
    unflatten
        Takes auxiliary data and a tuple of children; returns an instance. The children
        are not always arrays: it should not convert or check them.

    Raises
    ------
    TypeError
        If the type is none, or one of arrays or numbers, which are leaves.
    ValueError
        If it is registered already.

    Examples
    --------
    >>> import autograd_core as ag
    >>> class Line:
    ...     def __init__(self, slope, offset, name):
    ...         self.slope, self.offset, self.name = slope, offset, name
    >>> ag.pytree.register(
    ...     Line,
    ...     lambda line: ((line.slope, line.offset), line.name),
    ...     lambda name, children: Line(*children, name),
    ... )
    >>> f = lambda line, x: line.slope * x + line.offset
    >>> g = ag.grad(f)(Line(2.0, 1.0, "f"), 3.0)
    >>> print(g.slope, g.offset, g.name)
    3.0 1.0 f
    """
    if not (isinstance(node_type, type) and callable(flatten) and callable(unflatten)):
        raise error(
            TypeError,
            "pytree.register",
            "takes a type and two functions",
            ", ".join([describe(x) for x in (node_type, flatten, unflatten)]),
            "Write pytree.register(Layer, flatten, unflatten).",
        )
    if node_type in _ALWAYS_LEAVES or backend.is_array_type(node_type):
        raise error(
            TypeError,
            "pytree.register",
            "arrays, numbers and text are leaves",
            node_type.__qualname__,
            "Register a type that holds them.",
        )
    with _lock:
        if node_type in _registered or node_type in _BUILT_IN:
            raise error(
                ValueError,
                "pytree.register",
                "a type is registered once, as pytrees of it may be in use",
                node_type.__qualname__,
                "Register a type of your own, or this one in one place.",
            )
        _registered[node_type] = flatten, unflatten
        _kinds[node_type] = _registered_kind(node_type, flatten, unflatten)


def registered() -> list[type]:
    """Return the types that were registered."""
    return list(_registered)


def _registered_kind(
    cls: type,
    flatten: Callable[[Any], tuple[Any, ...]],
    unflatten: Callable[[Any, tuple[Any, ...]], Any],
) -> Kind:
    def flatten_registered(tree: Any) -> Parts:
        parts = flatten(tree)
        if not (isinstance(parts, (tuple, list)) and len(parts) in (2, 3)):
            raise error(
                TypeError,
                f"pytree: {cls.__qualname__}",
                "its registered flatten returns a pair (children, auxiliary data)",
                describe(parts),
                "Return a tuple of children, and None if there is nothing else.",
            )
        children, auxiliary, *names = parts
        children = tuple(children)
        if names and names[0] is not None:
            return tuple(names[0]), children, auxiliary
        return range(len(children)), children, auxiliary

    def unflatten_registered(structure: Structure, children: list[Any]) -> Any:
        return unflatten(structure.auxiliary, tuple(children))

    return Kind(cls, flatten_registered, unflatten_registered)


def register_from_optree(namespace: str = "") -> list[type]:
    """Register every type that was registered with the optree library.

    What optree knows from the start (deque, defaultdict) is left out: it stays what it
    is here.

    Parameters
    ----------
    namespace
        That of optree's registry in which to look, besides its global one.

    Returns
    -------
    list of type
        Those that are registered by this call. What was registered from optree by an
        earlier one is passed over.

    Raises
    ------
    ImportError
        If optree is not installed: ``pip install autograd-core[optree]``.
    ValueError
        If one of the types is registered already, with other functions.
    """
    optree = import_module("optree")  # by name: the core depends on no library
    found = []
    for cls, entry in optree.register_pytree_node.get(namespace=namespace).items():
        if entry.kind != optree.PyTreeKind.CUSTOM:
            continue
        functions = entry.flatten_func, entry.unflatten_func
        if _registered.get(cls) != functions:
            register(cls, *functions)
            found.append(cls)
    return found
