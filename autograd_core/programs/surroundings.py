"""What a function reads beside its arguments, to notice when it changes.

A program is recorded with the arrays and numbers that the function closes over. Arrays
it holds by reference, so that writes to them are seen; another array, or another
number, in the same place makes it another function, and this notices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from operator import getitem
from types import CellType, CodeType, FunctionType, MethodType
from typing import Any, TypeAlias

from autograd_core.errors import OURS
from autograd_core.tensor import Tracked

Place: TypeAlias = tuple[Callable[[Any, Any], Any], Any, Any]
"""``read(holder, key)``: the function, the holder, the key."""

VALUES = (bool, int, float, complex, str, bytes, type(None), slice, range)
"""What is the same if it is equal, in type, and in the sign of zeros."""

MOST_WATCHED = 1_000
"""Elements of a list or dict that are looked at; of longer ones the length alone."""

OWN_KEYS = "_compiled_"
"""What begins the names under which an object keeps what is compiled of its methods."""


class Surroundings:
    """The places outside its arguments from which a function reads.

    Found in closures, defaults, globals, bound arguments, what the attributes of
    callable objects and of a method's object and its class hold, in lists, tuples and
    dicts there, and in the functions that these lead to, but for those of other
    modules. Not found: attributes of other objects, and what is read from elsewhere.

    Attributes
    ----------
    reads
        Each place, with what was there.
    """

    def __init__(self, function: Callable[..., Any], *objects: Any) -> None:
        self.reads: list[tuple[Place, Any]] = []
        self._seen: dict[int, Any] = {}
        self._visit(function)
        for each in objects:
            self._visit(vars_of(each))
        self._seen.clear()

    @property
    def are_tracked(self) -> bool:
        """Whether an array of a transform is among them."""
        return any(isinstance(value, Tracked) for _, value in self.reads)

    def changed(self) -> tuple[Place, Any] | None:
        """Return a place in which something else is now, None if there is none."""
        for read in self.reads:
            (get, holder, key), value = read
            try:
                now = get(holder, key)
            except (AttributeError, LookupError, ValueError):
                return read
            if now is not value and not is_same(now, value):
                return read
        return None

    def _visit(self, value: Any) -> None:
        """Note what a value leads to."""
        if id(value) in self._seen:
            return
        self._seen[id(value)] = value  # held, so that the identity stays its own
        for place in _places(value):
            get, holder, key = place
            try:
                found = get(holder, key)
            except (AttributeError, LookupError, ValueError):
                continue  # a cell in which nothing is
            self.reads.append((place, found))
            if not (get is _global and _is_foreign(found, holder)):
                self._visit(found)


def is_same(now: Any, before: Any) -> bool:
    """Say whether a value stands for another: the same object, or an equal number."""
    if now is before:
        return True
    if type(now) is not type(before) or not isinstance(before, VALUES):
        return False
    return repr(now) == repr(before)


def _places(value: Any) -> Iterator[Place]:
    """Yield the places in which a value holds others."""
    if isinstance(value, FunctionType):
        yield from _places_of_function(value)
    elif isinstance(value, partial):
        for name in ("func", "args", "keywords"):
            yield getattr, value, name
    elif isinstance(value, MethodType):
        yield getattr, value, "__func__"
        yield from _places_of_object(value.__self__, value.__func__)
    elif isinstance(value, (list, tuple, dict)):
        yield from _places_of_container(value)
    elif "__wrapped__" in vars_of(value):  # what is compiled, itself
        yield getattr, value, "__wrapped__"
    elif callable(value) and not isinstance(value, type) and vars_of(value):
        yield from _places_of_object(value, _class_attribute(type(value), "__call__"))


def _places_of_container(value: Any) -> Iterator[Place]:
    yield _length, value, None
    if len(value) <= MOST_WATCHED:
        keys = list(value) if isinstance(value, dict) else range(len(value))
        yield from ((getitem, value, k) for k in keys if not _is_own(k))


def _places_of_object(value: Any, method: Any) -> Iterator[Place]:
    """Yield the attributes of an object, and those of its class that a method names."""
    yield from _places_of_container(vars_of(value))
    seen: set[tuple[type, str]] = set()
    methods = [method]
    while methods:  # which call one another
        code = getattr(unwrapped(methods.pop()), "__code__", None)
        for name in _names(code) if isinstance(code, CodeType) else ():
            for cls in type(value).__mro__:
                if name in vars(cls) and (cls, name) not in seen:
                    seen.add((cls, name))
                    yield _class_attribute, cls, name
                    methods.append(vars(cls)[name])


def _places_of_function(function: FunctionType) -> Iterator[Place]:
    yield getattr, function, "__code__"
    for name in ("__defaults__", "__kwdefaults__", "__wrapped__"):
        yield getattr, function, name
    for cell in function.__closure__ or ():
        yield _cell_contents, cell, None
    scope = function.__globals__
    if str(scope.get("__name__", "")).partition(".")[0] not in OURS:
        for name in _names(function.__code__):
            if name in scope:
                yield _global, scope, name


def _names(code: CodeType) -> Iterator[str]:
    """Yield the names of globals and attributes in code and in functions within it."""
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _names(inner)


def _is_foreign(value: Any, scope: dict[str, Any]) -> bool:
    """Say whether a global is a function or an object of another module."""
    if isinstance(value, FunctionType):
        return value.__globals__ is not scope
    plain = (list, tuple, dict, partial, MethodType)
    mine = getattr(type(value), "__module__", None) == scope.get("__name__")
    return not (isinstance(value, plain) or mine)


def vars_of(value: Any) -> dict[str, Any]:
    """Return the attributes of an object, none where it keeps none."""
    found = getattr(value, "__dict__", None)
    return found if isinstance(found, dict) else {}


def _global(scope: dict[str, Any], name: str) -> Any:
    return scope[name]


def _class_attribute(cls: type, name: str) -> Any:
    """Return what a class has under a name, as it is there: unbound."""
    return next((vars(c)[name] for c in cls.__mro__ if name in vars(c)), None)


def unwrapped(value: Any) -> Any:
    """Return the function in a class or static method, a property, what is compiled."""
    for name in ("__func__", "fget", "__wrapped__"):
        value = getattr(value, name, None) or value
    return value


def _cell_contents(cell: CellType, _: None) -> Any:
    return cell.cell_contents


def _length(container: Any, _: None) -> int:
    if isinstance(container, dict) and len(container) <= MOST_WATCHED:
        return sum(not _is_own(key) for key in container)
    return len(container)


def _is_own(key: Any) -> bool:
    return isinstance(key, str) and key.startswith(OWN_KEYS)
