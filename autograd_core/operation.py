"""Operations: what is known of one, and the registry of all."""

from __future__ import annotations

import inspect
import math
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeAlias, TypeVar

Function: TypeAlias = Callable[..., Any]
Declared = TypeVar("Declared", bound=Callable[..., Any])
Domain: TypeAlias = tuple[float, float]

REAL: Domain = (-math.inf, math.inf)
POSITIVE: Domain = (0.0, math.inf)

registry: dict[str, Operation] = {}
"""Every declared operation by its name."""

functions: dict[str, Function] = {}
"""What else the namespace offers: functions that are no operations."""


def function(plain: Declared) -> Declared:
    """Declare a function of the namespace that needs no rule."""
    functions[plain.__name__] = plain
    return plain


def operation_of(operation: Operation | Function | str) -> Operation | None:
    """Return the operation of a name or of a public function, None if it is none."""
    if isinstance(operation, Operation):
        return operation
    if isinstance(operation, str):
        return registry.get(operation)
    return next(
        (each for each in registry.values() if each.function is operation), None
    )


@dataclass(frozen=True)
class Sample:
    """One call that shows an operation off: shapes of the arguments, and the rest.

    Attributes
    ----------
    make
        ``make(xp, *drawn)`` returns the arguments, or the one, made of arrays drawn in
        their shapes: a positive definite matrix, say. None takes them as they are.
    show
        ``show(xp, result)`` returns what of the result is determined: eigenvectors up
        to their phases, say. None takes it as it is.
    is_complex
        Whether complex arrays are drawn.
    """

    shapes: tuple[tuple[int, ...], ...]
    statics: dict[str, Any] = field(default_factory=dict)
    make: Function | None = None
    show: Function | None = None
    is_complex: bool = False

    def of(self, make: Function) -> Sample:
        """Return the sample with arguments that a function makes of what is drawn."""
        return replace(self, make=make)

    def seen(self, show: Function) -> Sample:
        """Return the sample with results seen through a function."""
        return replace(self, show=show)

    def complex(self) -> Sample:
        """Return the sample with complex arrays."""
        return replace(self, is_complex=True)


def sample(*shapes: tuple[int, ...], **statics: Any) -> Sample:
    """Declare a call with arguments of these shapes and these other parameters.

    A list stands for an array of what it holds: indices, masks.
    """
    return Sample(shapes, statics)


@dataclass(frozen=True)
class Kink:
    """A point where an operation has no derivative, and what its rules say there."""

    values: tuple[Any, ...]
    gradient: tuple[Any, ...]
    reason: str
    statics: dict[str, Any]


def kink(*values: Any, gradient: Sequence[Any], reason: str, **statics: Any) -> Kink:
    """Declare what the derivative is at a point where there is none.

    Parameters
    ----------
    *values
        The arguments: numbers or nested lists of them.
    gradient
        For each argument the gradient of the sum of the results.
    reason
        Why this and no other; the table in docs/mathematics.md is made of these.
    **statics
        The other parameters.
    """
    return Kink(values, tuple(gradient), reason, statics)


def _result(name: str, outputs: Sequence[str]) -> Any:
    """Return the type of several results."""
    return namedtuple(f"{name}_result", outputs)


def parameter_names(function: Function) -> tuple[str, ...]:
    """Return the names of a function's parameters, in order.

    From its code where it has one: `inspect.signature` was a third of the import.
    """
    code = getattr(function, "__code__", None)
    if code is None:
        return tuple(inspect.signature(function).parameters)
    count, star = code.co_argcount, bool(code.co_flags & inspect.CO_VARARGS)
    names: tuple[str, ...] = code.co_varnames
    only = names[count : count + code.co_kwonlyargcount]
    after = count + code.co_kwonlyargcount
    return (*names[:count], *names[after : after + star], *only)


def _same(value: Any, default: Any) -> bool:
    return type(value) is type(default) and bool(value == default)


class Rule:
    """A derivative rule of one argument, with the names of what it needs."""

    __slots__ = ("function", "names")

    def __init__(self, function: Function, names: tuple[str, ...]) -> None:
        self.function = function
        self.names = names


class Operation:
    """One operation: its call, its rules, its domain and its samples.

    Made and completed by the decorators of `declare`.

    Attributes
    ----------
    name, identifier
        Its name in the namespace, ``linalg.inv``, and the last part of that. The
        extension is the constant ``EXTENSION`` of the module that declares it.
    function
        What users call: a plain function with the declared signature.
    emit
        ``emit(xp, *arguments, *statics)``: the call of the library.
    arguments, statics
        Names of the parameters that have rules, and of all others, in order.
    jvp, vjp
        The rule of each argument in forward and in reverse mode; None where it lacks.
    kept
        Names of what the rules of reverse mode keep.
    elementwise
        Whether the Jacobian is diagonal, so that one rule serves both modes.
    broadcasts
        Whether cotangents may have to be summed back to an argument's shape.
    variadic
        Whether the one argument is a sequence of arrays.
    result
        The named tuple in which several results come; None where there is one.
    holomorphic
        Whether the rules of reverse mode give the transpose of a complex-linear
        Jacobian, so that of complex numbers the core conjugates them.
    takes_complex
        Whether arguments may be complex.
    positive
        Whether the rules of reverse mode are linear in the cotangent with coefficients
        that are not negative, so that they can be applied to a mask (`Masked`).
    constant_on_reals
        Whether the derivative is zero except for complex numbers.
    domain
        For each argument the open interval from which checks draw.
    samples
        Calls for checks.
    kinks
        Points without a derivative, and what the rules say there.
    batching
        How a call becomes one for a batch of examples (`batching`); None where it has
        to be a call for each.
    is_composite
        Whether it is a function composed of operations, which differentiate it.
    shape
        ``shape(xp, *named)``: the shape that the result has, found from parameters that
        it asks for by name, without their values (``autograd_backends.inference``).
    """

    function: Function
    emit: Function
    jvp: tuple[Rule | None, ...] = ()
    vjp: tuple[Rule | None, ...] = ()
    kept: frozenset[str] = frozenset()
    holomorphic = False
    positive = False
    constant_on_reals = False
    samples: tuple[Sample, ...] = ()
    kinks: tuple[Kink, ...] = ()
    batching: Function | None = None
    shape: Function | None = None
    is_composite = False

    def __init__(
        self,
        declaration: Function,
        arguments: Sequence[str] = (),
        *,
        elementwise: bool = False,
        broadcasts: bool = False,
        variadic: bool = False,
        outputs: Sequence[str] = (),
        takes_complex: bool = True,
        domain: dict[str, Domain] | Domain = REAL,
    ) -> None:
        self.identifier = declaration.__name__
        self.extension: str = declaration.__globals__.get("EXTENSION", "")
        prefix = f"{self.extension}." if self.extension else ""
        self.name = prefix + self.identifier
        self.result: Any = _result(self.identifier, outputs) if outputs else None
        self.takes_complex = takes_complex
        self.declaration = declaration
        self.arguments = tuple(arguments)
        names = parameter_names(declaration)
        for argument in self.arguments:
            if argument not in names:
                raise TypeError(f"{self.name}: no parameter is called {argument!r}")
        self.statics = tuple(name for name in names if name not in self.arguments)
        self.elementwise = elementwise
        self.broadcasts = broadcasts or elementwise
        self.variadic = variadic
        if isinstance(domain, tuple):
            domain = dict.fromkeys(self.arguments, domain)
        self.domain = domain

    def __repr__(self) -> str:
        return self.name

    @cached_property
    def signature(self) -> inspect.Signature:
        """The declared signature."""
        return inspect.signature(self.declaration)

    def written(
        self,
        arguments: Sequence[Any],
        statics: Mapping[str, Any],
        *,
        brief: bool = True,
    ) -> tuple[list[Any], dict[str, Any]]:
        """Return how a call is written: values by position, and values by name.

        If it is to be brief, what has its default is left out.
        """
        values = (tuple(arguments),) if self.variadic else arguments
        given = dict(zip(self.arguments, values, strict=False)) | dict(statics)
        positional: list[Any] = []
        named: dict[str, Any] = {}
        for name, parameter in self.signature.parameters.items():
            if name not in given:
                continue
            value = given[name]
            if parameter.kind is parameter.VAR_POSITIONAL:
                positional.extend(value)
            elif parameter.kind is parameter.POSITIONAL_ONLY:
                positional.append(value)
            elif not (brief and _same(value, parameter.default)):
                named[name] = value
        return positional, named

    def rule(self, function: Function) -> Rule:
        """Read a rule's needs off its parameters, and check that they exist."""
        names = parameter_names(function)[2:]
        offered = {"y", *self.statics, *getattr(self.result, "_fields", ())}
        if self.variadic:
            offered |= {"index", "shapes", "starts"}
        else:
            offered |= {
                name + suffix
                for name in self.arguments
                for suffix in ("", "_shape", "_dtype", "_device")
            }
        for name in names:
            if name not in offered:
                raise TypeError(
                    f"{self.name}: rule {function.__name__} names {name!r}, which is "
                    f"none of {', '.join(sorted(offered))}"
                )
        return Rule(function, names)
