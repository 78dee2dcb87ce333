"""What a function reads beside its arguments, to notice when it changes.

A program is recorded with the arrays and numbers that the function closes over. Arrays
it holds by reference, so that writes to them are seen; another array, or another
number, in the same place makes it another function, and this notices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from operator import getitem
from types import CellType, FunctionType, MethodType
from typing import Any, TypeAlias

from autograd_core.backend import is_array
from autograd_core.errors import OURS
from autograd_core.tensor import ArrayObject

Read: TypeAlias = tuple[Callable[[Any, Any], Any], Any, Any, Any]
"""``read(holder, key)`` gave a value: the function, the holder, the key, the value."""

NUMBERS = (bool, int, float, complex, str, bytes, type(None))


class Surroundings:
    """The places outside its arguments from which a function reads arrays and numbers.

    Found in closures, defaults, globals of the same module, bound arguments, what the
    attributes of callable objects and of a method's object hold, in lists, tuples and
    dicts there, and in the functions that these lead to. Not found: attributes of
    other objects, globals of other modules, and what is read from elsewhere.
    """

    def __init__(self, function: Callable[..., Any], *objects: Any) -> None:
        self.reads: list[Read] = []
        self._seen: dict[int, tuple[Any, bool]] = {}
        self._visit(function)
        for each in objects:
            self._visit(vars_of(each))
        self._seen.clear()

    def changed(self) -> Read | None:
        """Return a place in which something else is now, None if there is none."""
        for read in self.reads:
            get, holder, key, value = read
            try:
                now = get(holder, key)
            except (AttributeError, LookupError, ValueError):
                return read
            if now is not value and not _same_number(now, value):
                return read
        return None

    def _visit(self, value: Any) -> bool:
        """Note what a value leads to; say whether it leads to anything."""
        if id(value) in self._seen:
            return self._seen[id(value)][1]
        # held, so that the identity stays its own
        self._seen[id(value)] = value, False
        before = len(self.reads)
        for get, holder, key in _places(value):
            try:
                found = get(holder, key)
            except ValueError:  # a cell in which nothing is
                continue
            simple = isinstance(found, (*NUMBERS, ArrayObject)) or is_array(found)
            if simple or self._visit(found) or isinstance(found, FunctionType):
                self.reads.append((get, holder, key, found))
        if len(self.reads) > before and isinstance(value, (list, dict)):
            self.reads.append((_length, value, None, len(value)))
        self._seen[id(value)] = value, len(self.reads) > before
        return len(self.reads) > before


def _same_number(now: Any, before: Any) -> bool:
    """Say whether two numbers, or texts, are the same, in type and in sign."""
    if type(now) is not type(before) or not isinstance(before, NUMBERS):
        return False
    return bool(now == before) and repr(now) == repr(before)  # of zeros the sign too


def _places(value: Any) -> Iterator[tuple[Callable[[Any, Any], Any], Any, Any]]:
    """Yield the places in which a value holds others: how to read, where, which."""
    if isinstance(value, FunctionType):
        yield from _places_of_function(value)
    elif isinstance(value, partial):
        for name in ("func", "args", "keywords"):
            yield getattr, value, name
    elif isinstance(value, MethodType):
        yield getattr, value, "__func__"
        yield from (
            (getitem, vars_of(value.__self__), k) for k in vars_of(value.__self__)
        )
    elif isinstance(value, (list, tuple)):
        yield from ((getitem, value, k) for k in range(len(value)))
    elif isinstance(value, dict):
        yield from ((getitem, value, k) for k in list(value))
    elif callable(value) and not isinstance(value, type):
        yield from ((getitem, vars_of(value), k) for k in vars_of(value))


def _places_of_function(
    function: FunctionType,
) -> Iterator[tuple[Callable[[Any, Any], Any], Any, Any]]:
    for cell in function.__closure__ or ():
        yield _cell_contents, cell, None
    for k in range(len(function.__defaults__ or ())):
        yield getitem, function.__defaults__, k
    for name in function.__kwdefaults__ or {}:
        yield getitem, function.__kwdefaults__, name
    if "__wrapped__" in vars(function):
        yield getattr, function, "__wrapped__"
    scope = function.__globals__
    if str(scope.get("__name__", "")).partition(".")[0] in OURS:
        return
    for name in function.__code__.co_names:
        if name in scope and not _is_foreign(scope[name], scope):
            yield getitem, scope, name


def _is_foreign(value: Any, scope: dict[str, Any]) -> bool:
    """Say whether a global is a function or an object of another module."""
    if isinstance(value, FunctionType):
        return value.__globals__ is not scope
    plain = (*NUMBERS, ArrayObject, list, tuple, dict, partial, MethodType)
    mine = getattr(type(value), "__module__", None) == scope.get("__name__")
    return not (isinstance(value, plain) or is_array(value) or mine)


def vars_of(value: Any) -> dict[str, Any]:
    """Return the attributes of an object, none where it keeps none."""
    return getattr(value, "__dict__", {})


def _cell_contents(cell: CellType, _: None) -> Any:
    return cell.cell_contents


def _length(container: Any, _: None) -> int:
    return len(container)
