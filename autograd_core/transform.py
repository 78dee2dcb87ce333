"""What all transforms share: the way in for primals, the way out for results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from inspect import Parameter, signature
from itertools import count
from operator import index
from typing import Any, TypeAlias

from autograd_core import backend, pytree
from autograd_core.errors import describe, dtype_name, error
from autograd_core.graph import Array, Level
from autograd_core.tensor import (
    Constant,
    Tracked,
    is_array,
    is_differentiable,
    is_recorded,
    lowest,
    not_floating,
    require_open,
)

Pytree: TypeAlias = Any
Argnums: TypeAlias = int | Sequence[int]
Argnames: TypeAlias = str | Sequence[str]
Place: TypeAlias = int | str
"""Where an argument of a call is: its position, or its keyword."""


def filled_like(x: Array, value: float) -> Array:
    """Return a raw array of one value, of an array's shape, dtype and library."""
    raw = lowest(x)
    xp = backend.backend_of(raw)
    return xp.full(x.shape, value, dtype=raw.dtype, device=xp.device_of(raw))


def differentiable_places(values: Sequence[Any]) -> list[int]:
    """Return which of some values can be differentiated."""
    return [k for k, x in enumerate(values) if is_differentiable(x)]


def replaced(
    values: Sequence[Any], places: Sequence[int], given: Sequence[Any]
) -> list[Any]:
    """Return values with others at places."""
    full = list(values)
    for k, x in zip(places, given, strict=True):
        full[k] = x
    return full


class Like:
    """What a tangent or cotangent must agree in with its primal."""

    __slots__ = ("device", "dtype", "library", "recorded", "shape")

    def __init__(self, x: Array) -> None:
        raw = lowest(x)
        self.recorded = is_recorded(x)
        self.shape = tuple(x.shape)
        self.dtype = raw.dtype
        self.library = backend.backend_of(raw)
        self.device = self.library.device_of(raw)

    def zeros(self) -> Array:
        """Return the zero that fits."""
        return self.library.zeros(self.shape, dtype=self.dtype, device=self.device)

    def takes(self, x: Any) -> bool:
        """Say whether a value is a Python number of this dtype's kind."""
        is_complex = type(x) is complex and self.library.is_complex(self.dtype)
        return type(x) is float or is_complex

    def fits(self, x: Array) -> bool:
        """Say whether an array is of this library, shape and dtype."""
        raw = lowest(x)
        if self.recorded is not is_recorded(x):  # a constant beside what is recorded
            alike = dtype_name(raw.dtype) == dtype_name(self.dtype)
        else:
            alike = backend.backend_of(raw) is self.library and raw.dtype == self.dtype
        return bool(alike and tuple(x.shape) == self.shape)


def fitting(operation: str, what: str, given: Any, like: Like) -> Array:
    """Return a tangent or cotangent if it fits its primal, else raise.

    A Python number fits a 0-d primal.
    """
    if like.takes(given) and like.shape == ():
        return like.library.asarray(given, dtype=like.dtype)
    require_open(operation, given)
    raw = lowest(given)
    is_array = backend.is_array(raw)
    if not is_array or not like.fits(given):
        of = f" of {backend.backend_of(raw)}" if is_array else ""
        raise error(
            ValueError if is_array else TypeError,
            operation,
            f"{what} must be like its primal, {describe(like)} of {like.library}",
            describe(given) + of,
            "Give an array of that shape, dtype and library.",
        )
    return given


def flatten_primals(
    transform: str,
    function: Callable[..., Any],
    primals: Sequence[Pytree],
    places: Sequence[Place] | None = None,
    beside: Sequence[Pytree] = (),
) -> tuple[list[Array], list[pytree.Structure]]:
    """Return the leaves of all primals as arrays, and the structure of each.

    A Python number that is no integer becomes an array like the first array of its kind
    among the primals and what is given beside them, else like the first array, or of
    the default backend. What cannot be differentiated raises, naming the argument and
    the path in it.
    """
    leaves: list[Array] = []
    structures = []
    for place, primal in zip(places or count(), primals, strict=False):
        found, structure = pytree.flatten(primal)
        structures.append(structure)
        for k, x in enumerate(found):
            if type(x) in (float, complex):
                x = _float_like((primals, beside), x)
            elif not is_differentiable(x):
                path = list(pytree.paths(structure))[k]
                what = argument_name(function, place) + path
                raise _not_differentiable(transform, what, x)
            require_open(transform, x)
            leaves.append(
                x if isinstance(x, Tracked) else backend.backend_of(x).plain(x)
            )
    return leaves, structures


def _float_like(trees: Pytree, x: complex) -> Array:
    """Return a number as an array of the library, dtype and device of its company."""
    company = [lowest(y) for y in pytree.flatten(trees)[0] if is_differentiable(y)]
    if not company:
        return backend.get_backend().asarray(x)
    wanted = isinstance(x, complex)
    same = [y for y in company if backend.backend_of(y).is_complex(y.dtype) is wanted]
    raw = (same or company)[0]
    xp = backend.backend_of(raw)
    dtype = raw.dtype
    if not same:  # of the precision, if not of the kind
        dtype = xp.result_type(dtype, xp.complex64) if wanted else xp.real(raw).dtype
    return xp.asarray(x, dtype=dtype, device=xp.device_of(raw))


def argument_name(function: Callable[..., Any], place: Place) -> str:
    """Return what errors call an argument: ``argument 0 (x)``, ``argument 'scale'``."""
    if isinstance(place, str):
        return f"argument {place!r}"
    named = [p.name for p in _parameters(function) if p.kind < p.VAR_POSITIONAL]
    name = f" ({named[place]})" if place < len(named) else ""
    return f"argument {place}{name}"


def _parameters(function: Callable[..., Any]) -> list[Parameter]:
    """Return the parameters of a function, none where it does not tell."""
    try:
        return list(signature(function).parameters.values())
    except (TypeError, ValueError):  # a function of C
        return []


def _not_differentiable(transform: str, what: str, x: Any) -> Exception:
    if is_array(x):
        return not_floating(transform, what, x)
    return error(
        TypeError,
        transform,
        f"{what} must be an array of floats, or a pytree of them",
        describe(x),
        "Give 2.0 for 2, convert lists with autograd_core.ops.asarray, and leave other "
        "things out of argnums.",
    )


def unflatten_each(
    structures: Sequence[pytree.Structure], leaves: Sequence[Any]
) -> tuple[Pytree, ...]:
    """Undo `flatten_primals`."""
    rest = iter(leaves)
    return tuple(pytree.unflatten(structure, rest) for structure in structures)


# ------------------------------------------------------------------ argnums, argnames


def require_function(transform: str, function: Any, points: str = "") -> None:
    """Raise unless a transform was given a function, and maybe where to evaluate it."""
    if not callable(function):
        raise error(
            TypeError,
            transform,
            "takes a function and " + (points or "returns one"),
            describe(function),
            f"Write {transform}(f, x), not {transform}(f(x), x)."
            if points
            else f"Write {transform}(f)(x), not {transform}(f(x)).",
        )


def require_count(
    transform: str, rule: str, value: Any, least: int, remedy: str
) -> None:
    """Raise unless an option is an integer, and not below the least."""
    if not hasattr(value, "__index__"):
        raise error(TypeError, transform, rule, describe(value), remedy)
    if index(value) < least:
        raise error(ValueError, transform, rule, str(value), remedy)


class Selection:
    """Which arguments a transform differentiates with respect to.

    Made with the transform, so that what is wrong with every call raises there. A call
    then asks for its `Chosen`::

        selection = Selection("grad", function, argnums, argnames)

        def gradient(*arguments, **keywords):
            chosen = selection.of(arguments, keywords)
            leaves, structures = chosen.flatten()
            ...  # differentiate chosen.function, which takes the primals only
            return chosen.pack(grads)

    Parameters
    ----------
    transform, function
        What errors call the transform, and the user's function.
    argnums, argnames
        As the user gave them: one, several or None. If both are None, the first
        argument is meant.
    """

    __slots__ = (
        "argnames",
        "argnums",
        "function",
        "given",
        "parameters",
        "single",
        "transform",
    )

    def __init__(
        self,
        transform: str,
        function: Callable[..., Any],
        argnums: Argnums | None,
        argnames: Argnames | None,
    ) -> None:
        self.transform, self.function = transform, function
        require_function(transform, function)
        if argnums is None and argnames is None:
            argnums = 0
        both = (("argnums", argnums), ("argnames", argnames))
        self.given = {name: value for name, value in both if value is not None}
        self.single = [_is_one(value) for value in self.given.values()] == [True]
        self.argnums = tuple(map(self._number, _several(argnums)))
        self.parameters = [] if argnames is None else _parameters(function)
        self.argnames = tuple(map(self._name, _several(argnames)))

    def of(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Chosen:
        """Find the chosen arguments among those of a call."""
        places: list[Place] = [self._position(n, len(arguments)) for n in self.argnums]
        for name in self.argnames:
            places.append(self._place(name, len(arguments), keywords))
        if len(places) > 1 and len(set(places)) < len(places):
            rule = f"{' and '.join(self.given)} must name each argument once"
            raise self._refusal(ValueError, rule, "Leave one of them out.")
        return Chosen(self, places, arguments, keywords)

    def _refusal(
        self, kind: type[Exception], rule: str, remedy: str, got: str = ""
    ) -> Exception:
        given = ", ".join(f"{name}={value!r}" for name, value in self.given.items())
        return error(kind, self.transform, rule, given + got, remedy)

    def _number(self, number: Any) -> int:
        if not isinstance(number, (bool, str)):
            with suppress(TypeError):
                return index(number)
        raise self._refusal(
            TypeError,
            "argnums must be an int or a sequence of ints",
            "Name parameters with argnames instead."
            if isinstance(number, str)
            else "Write argnums=0, or argnums=(0, 2) for several arguments.",
        )

    def _name(self, name: Any) -> str:
        if not isinstance(name, str):
            raise self._refusal(
                TypeError,
                "argnames must be a str or a sequence of strs",
                "Write argnames='x', or number arguments with argnums.",
            )
        takes = {p.kind for p in self.parameters}
        names = [p.name for p in self.parameters if p.kind != p.VAR_POSITIONAL]
        if takes and Parameter.VAR_KEYWORD not in takes and name not in names:
            near = get_close_matches(name, names, n=1)
            raise self._refusal(
                ValueError,
                f"argnames must name parameters of the function, {', '.join(names)}",
                f"Did you mean {near[0]!r}?" if near else "Or use argnums.",
            )
        return name

    def _position(self, number: int, count: int) -> int:
        if -count <= number < count:
            return number % count
        raise self._refusal(
            ValueError,
            f"argnums must name one of the {count} positional arguments",
            "Pass the arguments to differentiate by position, or use argnames.",
        )

    def _place(self, name: str, count: int, keywords: Mapping[str, Any]) -> Place:
        names = [p.name for p in self.parameters if p.kind < p.VAR_POSITIONAL]
        if name in names[:count]:
            return names.index(name)
        if name in keywords:
            return name
        defaults = [p.default for p in self.parameters if p.name == name]
        left = f", and {name} was left out"
        if defaults and defaults[0] is not Parameter.empty:
            left = f", and {name} was left at its default, {describe(defaults[0])}"
        raise self._refusal(
            ValueError,
            "argnames must name arguments that the call gives",
            f"Give {name} in the call.",
            left,
        )


class Chosen:
    """The arguments of one call that are differentiated, and how to vary only them.

    Attributes
    ----------
    primals
        The arguments, of `argnums` first, then of `argnames`.
    places
        Where they are in the call: a position or a keyword each.
    beside
        All arguments of the call, which say what a Python number shall become.
    """

    __slots__ = ("arguments", "keywords", "places", "primals", "selection")

    def __init__(
        self,
        selection: Selection,
        places: list[Place],
        arguments: tuple[Any, ...],
        keywords: dict[str, Any],
    ) -> None:
        self.selection, self.places = selection, places
        self.arguments, self.keywords = arguments, keywords
        self.primals = [
            keywords[place] if isinstance(place, str) else arguments[place]
            for place in places
        ]

    @property
    def beside(self) -> tuple[Any, ...]:
        """All arguments of the call."""
        return self.arguments, self.keywords

    def function(self, *primals: Any) -> Any:
        """Call the user's function with other primals."""
        arguments, keywords = list(self.arguments), dict(self.keywords)
        for place, primal in zip(self.places, primals, strict=True):
            if isinstance(place, str):
                keywords[place] = primal
            else:
                arguments[place] = primal
        return self.selection.function(*arguments, **keywords)

    def flatten(self) -> tuple[list[Array], list[pytree.Structure]]:
        """Return the leaves of the primals as `flatten_primals` does."""
        selection = self.selection
        return flatten_primals(
            selection.transform,
            selection.function,
            self.primals,
            self.places,
            self.beside,
        )

    def pack(self, results: Sequence[Any]) -> Any:
        """Return one result for each primal as the user asked: one, or a tuple."""
        return results[0] if self.selection.single else tuple(results)


def _is_one(given: Any) -> bool:
    return isinstance(given, str) or not isinstance(given, Sequence)


def _several(given: Any) -> Sequence[Any]:
    if given is None:
        return ()
    return (given,) if _is_one(given) else given


# ------------------------------------------------------------------ the way out


def lower_output(level: Level, y: Any) -> Any:
    """Return a result without this level, refusing what an inner transform leaked."""
    if isinstance(y, Constant):
        return y.value
    if isinstance(y, Tracked):
        of = y.world.level
        if of is level:
            return y.value
        if not of.open:
            raise error(
                ValueError,
                level.name,
                f"the function returned what was kept from a call of {of.name} that "
                "has ended",
                describe(y),
                "Return it from the inner function instead of storing it.",
            )
    return y


def hand_out(values: list[Any]) -> list[Any]:
    """Empty a list of results into one for the user, who may write to them.

    What a rule may still read, or belongs to the user already, is copied.
    """
    results = []
    while values:
        last = values[-1]
        raw = backend.is_array(last) and not isinstance(last, Tracked)
        xp = backend.backend_of(last) if raw else None
        del last
        results.append(xp.unshared(values.pop()) if xp else values.pop())
    return results[::-1]


def auxiliary(level: Level, aux: Pytree) -> Pytree:
    """Return what a function gave beside its result, without this level."""
    leaves, structure = pytree.flatten(aux)
    lowered = [lower_output(level, x) for x in leaves]
    leaves.clear()
    return pytree.unflatten(structure, hand_out(lowered))


def require_pair(transform: str, y: Any) -> tuple[Any, Any]:
    """Return the two parts of what a function with an auxiliary result returned."""
    if not (isinstance(y, tuple) and len(y) == 2):
        raise error(
            TypeError,
            transform,
            "with has_aux=True the function returns a pair (result, auxiliary)",
            describe(y),
            "Return two things, or leave has_aux out.",
        )
    return y
