"""Operations: how one is declared.

An operation is declared once, as a function with a docstring and no body, together with
its derivative rules. A rule is a plain function ``rule(xp, t, *named)``: `t` is a
tangent or a cotangent, and by their names a rule asks for what else it needs, among the
arguments, the result ``y``, and the shape of an argument (``x_shape``). Only what rules
name is kept for the backward pass. The same rule is read on raw arrays, where it
computes numbers, and on tracked ones, where it computes a new piece of graph.

Broadcasting, mixed dtypes, accumulation and levels are handled in `apply`, never in a
rule.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import update_wrapper
from typing import Any, ParamSpec, TypeAlias, TypeVar

from autograd_core import backend
from autograd_core.apply import call_library
from autograd_core.source import emit_function, public_function
from autograd_core.tensor import Array, Tracked

P = ParamSpec("P")
R = TypeVar("R")
Function: TypeAlias = Callable[..., Any]
Domain: TypeAlias = tuple[float, float]

REAL: Domain = (-math.inf, math.inf)
POSITIVE: Domain = (0.0, math.inf)

registry: dict[str, Operation] = {}
"""Every declared operation by its name."""


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


UNARY_SAMPLES = (sample((3, 4)), sample(()), sample((0, 2)))
BINARY_SAMPLES = (
    sample((3, 4), (3, 4)),
    sample((3, 1), (4,)),
    sample((), (2, 3)),
    sample((2, 0), (1, 1)),
)


class Rule:
    """A derivative rule of one argument, with the names of what it needs."""

    __slots__ = ("function", "names")

    def __init__(self, function: Function, names: tuple[str, ...]) -> None:
        self.function = function
        self.names = names


class Operation:
    """One operation: its call, its rules, its domain and its samples.

    Attributes
    ----------
    function
        What users call: a plain function with the declared signature.
    emit
        ``emit(xp, *arguments, *statics)``: the call of the library.
    arguments, statics
        Names of the parameters that have rules, and of all others, in order.
    jvp, vjp
        The rule of each argument in forward and in reverse mode.
    elementwise
        Whether the Jacobian is diagonal, so that one rule serves both modes.
    variadic
        Whether the one argument is a sequence of arrays.
    broadcasts
        Whether cotangents may have to be summed back to an argument's shape.
    """

    def __init__(
        self,
        declaration: Function,
        arguments: Sequence[str],
        *,
        elementwise: bool = False,
        variadic: bool = False,
        broadcasts: bool = False,
        implementation: Function | None = None,
        domain: dict[str, Domain] | Domain = REAL,
        samples: Sequence[Sample] = (),
    ) -> None:
        self.name = declaration.__name__
        self.signature = inspect.signature(declaration)
        self.arguments = tuple(arguments)
        names = self.signature.parameters
        self.statics = tuple(name for name in names if name not in self.arguments)
        unknown = [name for name in self.arguments if name not in names]
        if unknown:
            raise TypeError(f"{self.name}: no parameter is called {unknown[0]!r}")
        if isinstance(domain, tuple):
            domain = dict.fromkeys(self.arguments, domain)
        self.dtype_index: int | None = None
        if "dtype" in self.statics:
            self.dtype_index = self.statics.index("dtype")
        self.elementwise = elementwise
        self.variadic = variadic
        self.broadcasts = broadcasts or elementwise
        self.domain = domain
        self.samples = tuple(samples)
        if not self.samples and elementwise:
            self.samples = UNARY_SAMPLES if len(arguments) == 1 else BINARY_SAMPLES
        if not self.samples:
            raise TypeError(f"{self.name}: declare samples, calls that show it off")
        self.jvp: tuple[Rule | None, ...] = ()
        self.vjp: tuple[Rule | None, ...] = ()
        if implementation is not None:
            backend.implementations[self.name] = implementation
        self.declaration = declaration
        self.emit = emit_function(self)

    def __repr__(self) -> str:
        return self.name

    def rule(self, function: Function) -> Rule:
        """Read a rule's needs off its parameters, and check that they exist."""
        names = tuple(inspect.signature(function).parameters)[2:]
        offered = {"y", *self.arguments, *self.statics}
        offered |= {f"{name}_shape" for name in self.arguments}
        offered |= {f"{name}_device" for name in self.arguments}
        if self.variadic:
            offered = {"y", "index", "shapes", *self.statics}
        for name in names:
            if name not in offered:
                raise TypeError(
                    f"{self.name}: rule {function.__name__} names {name!r}, which is "
                    f"none of {', '.join(sorted(offered))}"
                )
        return Rule(function, names)

    def declare(
        self, jvp: Sequence[Rule | None], vjp: Sequence[Rule | None]
    ) -> Function:
        """Take the rules, write the function that users call, and register."""
        self.jvp, self.vjp = tuple(jvp), tuple(vjp)
        self.kept = {name for rule in self.vjp if rule for name in rule.names}
        self.function = update_wrapper(public_function(self), self.declaration)
        registry[self.name] = self
        return self.function


# ------------------------------------------------------------------ declaring


def elementwise(
    *,
    domain: dict[str, Domain] | Domain = REAL,
    implementation: Function | None = None,
    samples: Sequence[Sample] = (),
    **rules: Function,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Declare a function of corresponding elements.

    For each differentiable parameter give the linear map ``t -> partial * t``. The
    Jacobian is diagonal, so the one rule serves forward and reverse mode.

    Parameters
    ----------
    domain
        The open interval from which arguments are drawn in checks, for all parameters
        or by name.
    implementation
        ``function(xp, *arguments)``, for what the libraries do not have.
    samples
        Calls for checks; by default some shapes that broadcast.
    **rules
        ``parameter=rule``. Other parameters are not differentiated.

    Examples
    --------
    >>> import autograd_core as ag
    >>> def cube_x(xp, t, x):
    ...     return t * (3 * x**2)
    >>> def cube_forward(xp, x):
    ...     return x**3
    >>> @elementwise(x=cube_x, implementation=cube_forward)
    ... def cube(x, /):
    ...     "Cube each element."
    >>> ag.grad(cube)(2.0)
    np.float64(12.0)
    """

    def decorate(declaration: Callable[P, R]) -> Callable[P, R]:
        operation = Operation(
            declaration,
            tuple(rules),
            elementwise=True,
            implementation=implementation,
            domain=domain,
            samples=samples,
        )
        each = [operation.rule(rule) for rule in rules.values()]
        return operation.declare(each, each)

    return decorate


def linear(
    *,
    samples: Sequence[Sample],
    implementation: Function | None = None,
    broadcasts: bool = False,
    variadic: bool = False,
    domain: Domain = REAL,
    **transposes: Function,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Declare a function that is linear in each of its arguments.

    It is its own JVP; for each argument give the transpose, which is its VJP. With
    ``variadic=True`` the one argument is a sequence of arrays, in all of which together
    the function is linear; the transpose may then name ``index`` and ``shapes``.
    """

    def decorate(declaration: Callable[P, R]) -> Callable[P, R]:
        operation = Operation(
            declaration,
            tuple(transposes),
            variadic=variadic,
            broadcasts=broadcasts,
            implementation=implementation,
            domain=domain,
            samples=samples,
        )
        vjp = [operation.rule(transpose) for transpose in transposes.values()]
        jvp = [_itself(operation, k) for k in range(len(vjp))]
        return operation.declare(jvp, vjp)

    return decorate


def general(
    *,
    jvp: dict[str, Function | None],
    vjp: dict[str, Function | None],
    samples: Sequence[Sample],
    broadcasts: bool = False,
    domain: dict[str, Domain] | Domain = REAL,
    implementation: Function | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Declare a function with a rule for each mode; where one lacks, its use raises."""

    def decorate(declaration: Callable[P, R]) -> Callable[P, R]:
        arguments = tuple(jvp | vjp)
        operation = Operation(
            declaration,
            arguments,
            broadcasts=broadcasts,
            implementation=implementation,
            domain=domain,
            samples=samples,
        )
        read = [
            [
                operation.rule(f) if (f := rules.get(name)) else None
                for name in arguments
            ]
            for rules in (jvp, vjp)
        ]
        return operation.declare(*read)

    return decorate


def constant(declaration: Callable[P, R]) -> Callable[P, R]:
    """Declare a function whose derivative is zero: it computes on the raw arrays."""
    operation = Operation(declaration, (), samples=(sample(),))
    return operation.declare((), ())


def composite(function: Callable[P, R]) -> Callable[P, R]:
    """Declare a function composed of operations, which differentiate it.

    Where nothing is tracked the library's own function of that name is called; else
    the body, so that the derivative is that of its parts.
    """
    operation = Operation(function, (), samples=(sample(),))

    def call(*arguments: P.args, **keywords: P.kwargs) -> R:
        if any(map(_holds_tracked, arguments)):
            return function(*arguments, **keywords)
        bound = operation.signature.bind(*arguments, **keywords)
        bound.apply_defaults()
        values = tuple(bound.arguments.values())
        result: R = call_library(operation, (), values)
        return result

    place = function.__code__
    call.__code__ = call.__code__.replace(
        co_name=operation.name,
        co_qualname=operation.name,
        co_filename=place.co_filename,
        co_firstlineno=place.co_firstlineno - 1,
    )
    operation.function = update_wrapper(call, function)
    registry[operation.name] = operation
    return call


def _holds_tracked(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return any(map(_holds_tracked, value))
    return isinstance(value, Tracked)


def _itself(operation: Operation, k: int) -> Rule:
    """Return the JVP of a function that is linear in its k-th argument."""
    if operation.variadic:
        return Rule(_linear_in_all, ())

    def linear_jvp(xp: Any, t: Array, *others: Any) -> Array:
        return operation.emit(xp, *others[:k], t, *others[k:])

    parameters = operation.arguments + operation.statics
    return Rule(linear_jvp, parameters[:k] + parameters[k + 1 :])


def _linear_in_all(xp: Any, t: Array) -> Array:
    raise AssertionError("apply calls emit on all tangents at once")
