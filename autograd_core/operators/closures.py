"""What a function closes over, as arguments.

A function that is evaluated a second time has to be given the arrays it depends on.
Most are arguments. Those in its closure, its defaults, the functions it calls, in what
`functools.partial` has bound, in the object of a method and among its globals are found
here, and the function is built again around others in their places.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from types import CellType, FunctionType, MethodType
from typing import Any

from autograd_core import pytree
from autograd_core.tensor import Tracked

OURS = ("autograd_core", "autograd_ops")


def closed_over(
    function: Callable[..., Any],
) -> tuple[list[Tracked], Callable[[Sequence[Any]], Callable[..., Any]]]:
    """Return the tracked arrays a function closes over, and it as one of others."""
    found: dict[int, Tracked] = {}
    _collect(function, found, {})

    def build(arrays: Sequence[Any]) -> Callable[..., Any]:
        if not found:
            return function
        again: Callable[..., Any] = _Builder(zip(found, arrays, strict=True)).built(
            function
        )
        return again

    return list(found.values()), build


def _collect(value: Any, found: dict[int, Tracked], seen: dict[int, Any]) -> None:
    """Add the tracked arrays that a value leads to, by their identity."""
    if isinstance(value, Tracked):
        found.setdefault(id(value), value)
    elif id(value) not in seen:
        seen[id(value)] = value  # held, so that the identity stays its own
        for part in _parts(value):
            _collect(part, found, seen)


def _parts(value: Any) -> Iterator[Any]:
    """Yield what a function, an object with a method or a container leads to."""
    if isinstance(value, FunctionType):
        yield from (cell.cell_contents for cell in _cells(value).values())
        yield from value.__defaults__ or ()
        yield from (value.__kwdefaults__ or {}).values()
        yield from _globals(value).values()
    elif isinstance(value, partial):
        yield from (value.func, *value.args, *value.keywords.values())
    elif isinstance(value, MethodType):
        yield from (value.__func__, value.__self__)
    elif _is_object(value):
        yield from vars(value).values()
    else:
        yield from pytree.one_level(value)[0]


def _cells(function: FunctionType) -> dict[int, CellType]:
    """Return the cells of a closure that are bound, by place."""
    bound = {}
    for k, cell in enumerate(function.__closure__ or ()):
        try:
            cell.cell_contents  # noqa: B018 (raises where nothing is in it)
        except ValueError:
            continue
        bound[k] = cell
    return bound


def _globals(function: FunctionType) -> dict[str, Any]:
    """Return the globals a function names: arrays, containers, functions beside it."""
    scope = function.__globals__
    if str(scope.get("__name__", "")).startswith(OURS):
        return {}
    named = {name: scope[name] for name in function.__code__.co_names if name in scope}
    return {
        name: value
        for name, value in named.items()
        if isinstance(value, Tracked)
        or (isinstance(value, FunctionType) and value.__globals__ is scope)
        or pytree.one_level(value)[0]
    }


def _is_object(value: Any) -> bool:
    """Say whether a value is an object that can be called, as a layer of a network."""
    return (
        callable(value) and not isinstance(value, type) and hasattr(value, "__dict__")
    )


class _Builder:
    """Builds values again with other arrays in the places of some.

    What leads to none of these stays the same object.
    """

    def __init__(self, pairs: Iterator[tuple[int, Any]]) -> None:
        self.arrays = dict(pairs)
        self.made: dict[int, Any] = {}

    def leads(self, value: Any) -> bool:
        """Say whether a value leads to one of the arrays."""
        found: dict[int, Tracked] = {}
        _collect(value, found, {})
        return bool(found.keys() & self.arrays.keys())

    def built(self, value: Any) -> Any:
        """Return a value with the other arrays."""
        if id(value) in self.arrays:
            return self.arrays[id(value)]
        if id(value) not in self.made:
            self.made[id(value)] = value
            if self.leads(value):
                self.made[id(value)] = self._built(value)
        return self.made[id(value)]

    def _built(self, value: Any) -> Any:
        if isinstance(value, FunctionType):
            return self._function(value)
        if isinstance(value, partial):
            args = map(self.built, value.args)
            named = {name: self.built(x) for name, x in value.keywords.items()}
            return partial(self.built(value.func), *args, **named)
        if isinstance(value, MethodType):
            return MethodType(self.built(value.__func__), self.built(value.__self__))
        if _is_object(value):
            made = self.made[id(value)] = copy.copy(value)
            vars(made).update({name: self.built(x) for name, x in vars(value).items()})
            return made
        leaves, structure = pytree.flatten(value)
        return pytree.unflatten(structure, map(self.built, leaves))

    def _function(self, function: FunctionType) -> FunctionType:
        """Build a function, known before its cells are filled: it may call itself."""
        cells = list(function.__closure__ or ())
        fresh = {k: CellType() for k in _cells(function)}
        closure = tuple(fresh.get(k, cell) for k, cell in enumerate(cells))
        names = {n: x for n, x in _globals(function).items() if self.leads(x)}
        scope = dict(function.__globals__) if names else function.__globals__
        made = FunctionType(function.__code__, scope, function.__name__, None, closure)
        self.made[id(function)] = made
        for k, cell in fresh.items():
            cell.cell_contents = self.built(cells[k].cell_contents)
        for name, x in names.items():
            scope[name] = self.built(x)
        made.__defaults__ = self.built(function.__defaults__)
        made.__kwdefaults__ = self.built(function.__kwdefaults__)
        return made
