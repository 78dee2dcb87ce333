"""Operations: what is known of one, and the registry of all."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
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


@dataclass(frozen=True)
class Sample:
    """One call that shows an operation off: shapes of the arguments, and the rest."""

    shapes: tuple[tuple[int, ...], ...]
    statics: dict[str, Any] = field(default_factory=dict)


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
    domain
        For each argument the open interval from which checks draw.
    samples
        Calls for checks.
    kinks
        Points without a derivative, and what the rules say there.
    """

    function: Function
    emit: Function
    jvp: tuple[Rule | None, ...] = ()
    vjp: tuple[Rule | None, ...] = ()
    kept: frozenset[str] = frozenset()
    samples: tuple[Sample, ...] = ()
    kinks: tuple[Kink, ...] = ()

    def __init__(
        self,
        declaration: Function,
        arguments: Sequence[str] = (),
        *,
        elementwise: bool = False,
        broadcasts: bool = False,
        variadic: bool = False,
        domain: dict[str, Domain] | Domain = REAL,
    ) -> None:
        self.name = declaration.__name__
        self.declaration = declaration
        self.signature = inspect.signature(declaration)
        self.arguments = tuple(arguments)
        names = tuple(self.signature.parameters)
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

    def rule(self, function: Function) -> Rule:
        """Read a rule's needs off its parameters, and check that they exist."""
        names = tuple(inspect.signature(function).parameters)[2:]
        offered = {"y", *self.statics}
        if self.variadic:
            offered |= {"index", "shapes", "starts"}
        else:
            offered |= {
                name + suffix
                for name in self.arguments
                for suffix in ("", "_shape", "_device")
            }
        for name in names:
            if name not in offered:
                raise TypeError(
                    f"{self.name}: rule {function.__name__} names {name!r}, which is "
                    f"none of {', '.join(sorted(offered))}"
                )
        return Rule(function, names)
