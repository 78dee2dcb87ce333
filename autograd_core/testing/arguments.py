"""Arguments for a function of which only the text is known, so that it can be checked.

They come from the function's own ``example``, from shapes that somebody gives, from the
parameters' default values, or from trying small shapes until a call succeeds.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from inspect import Parameter, Signature, signature
from io import StringIO
from itertools import islice
from time import monotonic
from typing import Any, TypeAlias

import numpy as np

import autograd_core as ag
from autograd_core import pytree
from autograd_core.backend import get_backend, is_array
from autograd_core.errors import describe, dtype_name
from autograd_core.operation import REAL, Domain
from autograd_core.programs.targets import raised
from autograd_core.testing.arrays import NDArray, astype, is_inexact, to_numpy
from autograd_core.testing.samples import points

Function: TypeAlias = Callable[..., Any]
Shape: TypeAlias = tuple[int, ...]

CANDIDATES: tuple[Shape, ...] = (
    *((3,), (2, 3), (3, 2), (3, 3), (3, 4), (4, 3), (4,), (2, 3, 4)),
    *((1,), ()),
)
"""Shapes to try, the likeliest first; scalars last, which show the least."""

ATTEMPTS, SECONDS = 1_000, 20.0
"""Where the search for shapes gives up."""

EXAMPLE = "example"
"""The attribute of a function that holds its arguments."""

NAMESPACE = "xp"
"""What the first parameter is called where the function wants the namespace."""


class CannotCallError(Exception):
    """No arguments are known with which the function gives arrays of floats."""


@dataclass(frozen=True)
class Argument:
    """What one parameter is given.

    Attributes
    ----------
    name
        The parameter, or ``argument 2`` where it has no name.
    origin
        Where it comes from, in words.
    value
        The value itself. What is drawn has none.
    shape, domain
        Of what is drawn, else None.
    keyword
        Whether it is given by name.
    omitted
        Whether it is left to the function: a default that is held constant.
    """

    name: str
    origin: str
    value: Any = None
    shape: Shape | None = None
    domain: Domain | None = None
    keyword: bool = False
    omitted: bool = False

    @property
    def is_drawn(self) -> bool:
        """Whether its values depend on the seed."""
        return self.shape is not None

    def described(self, dtype: str | None) -> str:
        """Return ``x = float64[3] in (0, inf): drawn, --shapes``."""
        if self.shape is not None:
            text = f"{dtype or 'float64'}{shown(self.shape)}"
            low, high = self.domain or REAL
            if (low, high) != REAL:
                text += f" in ({low:g}, {high:g})"
            return f"{self.name} = {text}: {self.origin}"
        leaves = pytree.flatten(self.value)[0]
        texts = [describe(x) if is_array(x) else repr(x)[:60] for x in leaves]
        cast = f", as {dtype}" if dtype and has_floats(self.value) else ""
        held = "" if has_floats(self.value) else ", held constant"
        return f"{self.name} = {', '.join(texts) or 'None'}{cast}: {self.origin}{held}"


@dataclass(frozen=True)
class Call:
    """A function and what to call it with, for any library, dtype and seed."""

    function: Function
    arguments: tuple[Argument, ...]
    namespace: bool = False

    def described(self, dtype: str | None = None) -> Iterator[str]:
        """Yield what each argument is and where it comes from."""
        if self.namespace:
            yield f"{NAMESPACE} = autograd_core.ops"
        for argument in self.arguments:
            yield argument.described(dtype)

    @property
    def drawn(self) -> bool:
        """Whether there is something that depends on the seed."""
        return any(a.is_drawn for a in self.arguments)

    @property
    def given(self) -> tuple[Argument, ...]:
        """The arguments that are given; the others are left to the function."""
        return tuple(a for a in self.arguments if not a.omitted)

    @property
    def name(self) -> str:
        """What the function is called in reports."""
        return name_of(self.function)

    def values(self, dtype: str | None = None, seed: int = 0) -> list[Any]:
        """Return the arguments as arrays of the current backend.

        What is drawn has double precision, and the rest its own, unless a dtype is
        given.
        """
        drawn = [a for a in self.arguments if a.is_drawn]
        shapes = [a.shape or () for a in drawn]
        arrays = iter(points(shapes, [a.domain or REAL for a in drawn], seed))
        return [
            array(next(arrays), dtype or "float64")
            if a.is_drawn
            else pytree.map(lambda leaf: of_backend(leaf, dtype), a.value)
            for a in self.given
        ]

    def bound(self) -> Function:
        """Return the function with its arguments by position, under their names."""
        lead = (ag.ops,) if self.namespace else ()
        keywords = [a.name for a in self.given if a.keyword]

        def call(*values: Any) -> Any:
            count = len(values) - len(keywords)
            named = dict(zip(keywords, values[count:], strict=True))
            return self.function(*lead, *values[:count], **named)

        call.__name__ = self.name
        if all(a.name.isidentifier() for a in self.given):
            kind = Parameter.POSITIONAL_OR_KEYWORD
            parameters = [Parameter(a.name, kind) for a in self.given]
            vars(call)["__signature__"] = Signature(parameters)
        return call


def name_of(function: Function) -> str:
    """Return what a function, or another callable, is called."""
    return str(getattr(function, "__name__", type(function).__name__))


def array(value: NDArray, dtype: str) -> Any:
    """Return an ndarray as one of the current backend."""
    xp = get_backend()
    return xp.asarray(value, dtype=xp.dtype(dtype))


def of_backend(leaf: Any, dtype: str | None) -> Any:
    """Return an array, or a Python float, as an array of the current backend."""
    if not (is_array(leaf) or type(leaf) is float):
        return leaf
    own = dtype_name(leaf.dtype) if is_array(leaf) else "float64"
    x = array(to_numpy(leaf), own)
    return astype(x, dtype) if dtype and is_inexact(x) else x


def has_floats(tree: Any) -> bool:
    """Say whether there is something in a pytree to differentiate."""
    return any(type(x) is float or is_inexact(x) for x in pytree.flatten(tree)[0])


# ------------------------------------------------------------------ finding them


@dataclass
class Finder:
    """Looks for arguments; see `find`."""

    function: Function
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    domains: Mapping[str | None, Domain] = field(default_factory=dict)
    seed: int = 0

    @property
    def name(self) -> str:
        """What the function is called in messages."""
        return name_of(self.function)

    def call(self) -> Call:
        """Return the call, tried once."""
        parameters = self.parameters()
        namespace = bool(parameters) and parameters[0].name == NAMESPACE
        parameters = parameters[namespace:]
        if hasattr(self.function, EXAMPLE):
            call = self.of_example(parameters, namespace)
            self.require_floats(self.tried(call))
            return call
        self.check_names(parameters)
        call = Call(self.function, tuple(map(self.known, parameters)), namespace)
        missing = [p.name for p in parameters if not self.is_given(p)]
        call = self.searched(call, missing) if missing else call
        self.require_floats(self.tried(call))
        return call

    def parameters(self) -> list[Parameter]:
        """Return the function's parameters, apart from ``*args`` and ``**kwargs``."""
        try:
            listed = signature(self.function).parameters.values()
        except (TypeError, ValueError):
            if hasattr(self.function, EXAMPLE):
                return []
            raise CannotCallError(
                f"{self.name} has no signature to read its parameters from. Wrap it in "
                "a function of yours."
            ) from None
        return [p for p in listed if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]

    def of_example(self, parameters: Sequence[Parameter], namespace: bool) -> Call:
        """Return the call that the function's own example is."""
        if self.shapes or self.domains:
            raise CannotCallError(
                f"{self.name}.example gives the arguments. Leave --shapes and --domain "
                "out, or remove the example."
            )
        example = getattr(self.function, EXAMPLE)
        values = example if isinstance(example, tuple) else (example,)
        names = [p.name for p in parameters if p.kind != p.KEYWORD_ONLY]
        names += [f"argument {k}" for k in range(len(names), len(values))]
        origin = f"{self.name}.example"
        pairs = zip(names, values, strict=False)
        given = (Argument(name, origin, value) for name, value in pairs)
        return Call(self.function, tuple(given), namespace)

    def check_names(self, parameters: Sequence[Parameter]) -> None:
        """Raise if a shape or a domain is given for what is not drawn."""
        names = [p.name for p in parameters]
        for option, given in (("--shapes", self.shapes), ("--domain", self.domains)):
            for name in given:
                if name is not None and name not in names:
                    raise CannotCallError(
                        f"{option}: {self.name} has no parameter {name!r}; it has "
                        f"{', '.join(names) or 'none'}."
                    )
        for p in parameters:
            has_default = p.default is not p.empty
            if p.name in self.domains and p.name not in self.shapes and has_default:
                raise CannotCallError(
                    f"--domain: {p.name} has a default value, which is used. Give "
                    f'--shapes "{p.name}=..." to draw it instead.'
                )

    def is_given(self, p: Parameter) -> bool:
        """Say whether a parameter has a shape or a value, so that none is sought."""
        return p.name in self.shapes or p.default is not p.empty

    def known(self, p: Parameter) -> Argument:
        """Return what is known of an argument, and a scalar where that is nothing."""
        default = p.default is not p.empty
        by_name = p.kind is p.KEYWORD_ONLY
        by_name |= default and p.kind is p.POSITIONAL_OR_KEYWORD
        if default and p.name not in self.shapes:
            left = by_name and not has_floats(p.default)
            return Argument(p.name, "its default", p.default, None, None, by_name, left)
        domain = self.domains.get(p.name, self.domains.get(None, REAL))
        shape = self.shapes.get(p.name, ())
        return Argument(p.name, "drawn, --shapes", None, shape, domain, by_name)

    def searched(self, call: Call, missing: Sequence[str]) -> Call:
        """Return the call with the first shapes at which the function succeeds."""
        first: Exception | None = None
        result, count, start = None, 0, monotonic()
        for shapes in islice(self.candidates(len(missing)), ATTEMPTS):
            attempt = with_shapes(call, dict(zip(missing, shapes, strict=True)))
            count += 1
            try:
                found = evaluated(attempt, self.seed)
            except Exception as cause:
                first = first or cause
            else:
                if any(map(is_inexact, found)):
                    return attempt
                result = found if result is None else result
            if monotonic() - start > SECONDS:
                break
        if result is not None:
            self.require_floats(result)
        assert first is not None
        parameters = ", ".join(missing)
        example = " ".join(f"{name}=3" for name in missing)
        raise CannotCallError(
            f"{self.name} raises for each of {count} combinations of shapes tried for "
            f"{parameters}; with {shown(CANDIDATES[0])} for all: "
            f'{raised(first)}. Give --shapes, as in --shapes "{example}".'
        ) from first

    def candidates(self, count: int) -> Iterator[tuple[Shape, ...]]:
        """Yield shapes for some parameters, the likeliest combinations first.

        The dimensions of shapes that are given are likely too.
        """
        given = [s for s in self.shapes.values() if s]
        lengths = ((n,) for shape in given for n in reversed(shape))
        single = tuple(dict.fromkeys((*given, *lengths, *CANDIDATES)))
        for total in range(count * (len(single) - 1) + 1):
            for places in summing(count, total, len(single) - 1):
                yield tuple(single[k] for k in places)

    def tried(self, call: Call) -> list[Any]:
        """Return what the function gives, or raise what to do about it."""
        try:
            result = evaluated(call, self.seed)
        except Exception as cause:
            used = "; ".join(call.described()) or "no arguments"
            raise CannotCallError(
                f"{self.name} cannot be called with {used}: {raised(cause)}."
            ) from cause
        if not any(a.is_drawn or has_floats(a.value) for a in call.arguments):
            raise CannotCallError(
                f"{self.name} has no argument that is an array of floats, or a float. "
                f"Set {self.name}.example to a tuple of arguments."
            )
        if call.drawn and not self.domains and not all(map(finite, result)):
            name = next(a.name for a in call.arguments if a.is_drawn)
            raise CannotCallError(
                f"{self.name} gives nan or infinity somewhere on the real line. Say "
                f'where it is defined: --domain "{name}=0,inf".'
            )
        return result

    def require_floats(self, result: Sequence[Any]) -> None:
        """Raise unless there is an array of floats among the leaves of a result."""
        if any(map(is_inexact, result)):
            return
        got = ", ".join(map(describe, result)) or "None"
        raise CannotCallError(
            f"{self.name} returns no array of floats, but {got}. Return what is to be "
            "differentiated, without float() or integers."
        )


def find(
    function: Function,
    shapes: Mapping[str, Shape] | None = None,
    domains: Mapping[str | None, Domain] | None = None,
    seed: int = 0,
) -> Call:
    """Find arguments with which a function gives arrays of floats.

    Parameters
    ----------
    function
        If its first parameter is called ``xp``, it is given the namespace `ag.ops`.
    shapes
        Of parameters, by name. The current backend is tried.
    domains
        The open intervals to draw from, by name, or under None for all that are drawn.
    seed
        Of what is drawn.

    Raises
    ------
    CannotCallError
        If there are none, with what the function raised.

    Examples
    --------
    >>> call = find(lambda w, x, scale=2.0: scale * (x @ w))
    >>> for line in call.described():
    ...     print(line)
    w = float64[3]: drawn, shape found by trying
    x = float64[3]: drawn, shape found by trying
    scale = 2.0: its default
    """
    return Finder(function, shapes or {}, domains or {}, seed).call()


def with_shapes(call: Call, shapes: Mapping[str, Shape]) -> Call:
    """Return a call some of whose arguments have shapes to try."""
    origin = "drawn, shape found by trying"
    arguments = (
        replace(a, shape=shapes[a.name], origin=origin) if a.name in shapes else a
        for a in call.arguments
    )
    return replace(call, arguments=tuple(arguments))


def evaluated(call: Call, seed: int) -> list[Any]:
    """Call a function, and return the leaves of its result."""
    with warnings.catch_warnings(), redirect_stdout(StringIO()):
        warnings.simplefilter("ignore")  # it is an attempt, maybe one of many
        return pytree.flatten(call.bound()(*call.values(seed=seed)))[0]


def finite(leaf: Any) -> bool:
    """Say whether a leaf holds neither nan nor infinity."""
    return not is_inexact(leaf) or bool(np.isfinite(to_numpy(leaf)).all())


def summing(count: int, total: int, top: int) -> Iterator[tuple[int, ...]]:
    """Yield the tuples of so many numbers from 0 to `top` that have a sum.

    Examples
    --------
    >>> list(summing(2, 2, 5))
    [(0, 2), (1, 1), (2, 0)]
    """
    if count == 0:
        if total == 0:
            yield ()
        return
    for first in range(min(total, top) + 1):
        for rest in summing(count - 1, total - first, top):
            yield (first, *rest)


def shown(shape: Shape) -> str:
    """Return a shape as an error writes it, ``[2,3]``."""
    return f"[{','.join(map(str, shape))}]"
