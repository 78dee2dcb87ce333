"""What a function closes over, as arguments.

A function that is evaluated a second time has to be given the arrays it depends on.
Most are arguments; those in its closure, in functions it closes over, in what
`functools.partial` has bound and among its globals are found here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from types import CellType, FunctionType
from typing import Any, TypeAlias

from autograd_core import pytree
from autograd_core.tensor import Tracked

Build: TypeAlias = Callable[[Sequence[Any]], Any]
"""From other arrays in the places of those found to a value like the one given."""


def closed_over(function: Callable[..., Any]) -> tuple[list[Tracked], Build]:
    """Return the tracked arrays a function closes over, and it as a function of them.

    What objects hold as attributes is not found.
    """
    found: list[Tracked] = []
    build = _builder(function, found, set())
    return found, build or partial(_constant, function)


def _constant(value: Any, arrays: Sequence[Any]) -> Any:
    return value


def _builder(value: Any, found: list[Tracked], seen: set[int]) -> Build | None:
    """Return how to build a value from other arrays, None if there are none in it."""
    if isinstance(value, Tracked):
        found.append(value)
        return partial(_taken, len(found) - 1)
    if isinstance(value, FunctionType):
        if id(value) in seen:  # it calls itself
            return None
        seen.add(id(value))
        return _of_function(value, found, seen)
    if isinstance(value, partial):
        parts = [value.func, *value.args, *value.keywords.values()]
        builders = [_builder(part, found, seen) for part in parts]
        return partial(_partial, value, parts, builders) if any(builders) else None
    leaves, structure = pytree.flatten(value)
    if structure.container is object:
        return None
    builders = [_builder(leaf, found, seen) for leaf in leaves]
    return partial(_tree, structure, leaves, builders) if any(builders) else None


def _of_function(
    function: FunctionType, found: list[Tracked], seen: set[int]
) -> Build | None:
    cells: dict[int, Build] = {}
    for k, cell in enumerate(function.__closure__ or ()):
        try:
            contents = cell.cell_contents
        except ValueError:  # not yet bound
            continue
        build = _builder(contents, found, seen)
        if build is not None:
            cells[k] = build
    names: dict[str, Build] = {}
    for name in function.__code__.co_names:
        value = function.__globals__.get(name)
        build = None if callable(value) else _builder(value, found, seen)
        if build is not None:
            names[name] = build
    return partial(_function, function, cells, names) if cells or names else None


def _taken(k: int, arrays: Sequence[Any]) -> Any:
    return arrays[k]


def _each(
    values: Sequence[Any], builders: Sequence[Build | None], arrays: Sequence[Any]
) -> list[Any]:
    pairs = zip(values, builders, strict=True)
    return [build(arrays) if build else value for value, build in pairs]


def _tree(
    structure: pytree.Structure,
    leaves: Sequence[Any],
    builders: Sequence[Build | None],
    arrays: Sequence[Any],
) -> Any:
    return pytree.unflatten(structure, _each(leaves, builders, arrays))


def _partial(
    whole: partial[Any],
    parts: Sequence[Any],
    builders: Sequence[Build | None],
    arrays: Sequence[Any],
) -> Any:
    function, *rest = _each(parts, builders, arrays)
    count = len(whole.args)
    named = zip(whole.keywords, rest[count:], strict=True)
    return partial(function, *rest[:count], **dict(named))


def _function(
    function: FunctionType,
    cells: dict[int, Build],
    names: dict[str, Build],
    arrays: Sequence[Any],
) -> FunctionType:
    closure = list(function.__closure__ or ())
    for k, build in cells.items():
        closure[k] = CellType(build(arrays))
    scope = function.__globals__
    if names:
        scope = scope | {name: build(arrays) for name, build in names.items()}
    made = FunctionType(
        function.__code__,
        scope,
        function.__name__,
        function.__defaults__,
        tuple(closure),
    )
    made.__kwdefaults__ = function.__kwdefaults__
    return made
