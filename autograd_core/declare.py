"""Declaring operations.

An operation is declared once, as a function with a docstring and no body, together with
its derivative rules. A rule is a plain function ``rule(xp, t, *named)``: `t` is a
tangent or a cotangent, and by their names a rule asks for what else it needs, among the
arguments, the result ``y``, and the shape or the device of an argument (``x_shape``,
``x_device``). Only what rules name is kept for the backward pass. The same rule is read
on raw arrays, where it computes numbers, and on tracked ones, where it computes a new
piece of graph.

Broadcasting, mixed dtypes, accumulation and levels are handled in `apply`, never in a
rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import update_wrapper
from typing import Any, ParamSpec, TypeVar, overload

from autograd_core import backend
from autograd_core.batching import BatchingRule, along_axis, pointwise, stacked
from autograd_core.graph import Array
from autograd_core.library import pass_on
from autograd_core.operation import (
    POSITIVE,
    REAL,
    Domain,
    Function,
    Kink,
    Operation,
    Rule,
    Sample,
    kink,
    registry,
    sample,
)
from autograd_core.source import emit_function, public_function
from autograd_core.tensor import (
    as_constants,
    holds_tracked,
    is_uniform,
    recording_of,
    without_constants,
)

__all__ = [
    "POSITIVE",
    "REAL",
    "composite",
    "constant",
    "elementwise",
    "general",
    "kink",
    "linear",
    "sample",
]

P = ParamSpec("P")
R = TypeVar("R")

UNARY_SAMPLES = (sample((3, 4)), sample(()), sample((0, 2)))
BINARY_SAMPLES = (
    sample((3, 4), (3, 4)),
    sample((3, 1), (4,)),
    sample((), (2, 3)),
    sample((2, 0), (1, 1)),
)


def elementwise(
    *,
    domain: dict[str, Domain] | Domain = REAL,
    implementation: Function | None = None,
    samples: Sequence[Sample] = (),
    kinks: Sequence[Kink] = (),
    takes_complex: bool = True,
    constant_on_reals: bool = False,
    **rules: Function | tuple[Function, Function],
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Declare a function of corresponding elements.

    For each differentiable parameter give the linear map ``t -> partial * t``. The
    Jacobian is diagonal, so the one rule serves forward and reverse mode; where numbers
    are complex the core conjugates it for reverse mode. A function that is not
    differentiable in the complex sense (``abs``, ``real``) gives a pair, the rule of
    forward mode and its adjoint.

    Parameters
    ----------
    domain
        The open interval from which arguments are drawn in checks, for all parameters
        or by name.
    implementation
        ``function(xp, *arguments)``, for what the libraries do not have.
    samples
        Calls for checks; by default some shapes that broadcast.
    kinks
        Points without a derivative, and what the rules say there (`kink`).
    takes_complex
        Whether it takes complex numbers; if not, tracked ones raise.
    constant_on_reals
        Whether real numbers have the derivative zero, so that the rules are for complex
        ones only (``sign``).
    **rules
        ``parameter=rule`` or ``parameter=(jvp, vjp)``. Other parameters are not
        differentiated.

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
    array(12.)
    """

    def decorate(declaration: Callable[P, R]) -> Callable[P, R]:
        operation = Operation(
            declaration,
            tuple(rules),
            elementwise=True,
            domain=domain,
            takes_complex=takes_complex,
        )
        shown = samples or (UNARY_SAMPLES if len(rules) == 1 else BINARY_SAMPLES)
        operation.kinks = tuple(kinks)
        pairs = [
            rule if isinstance(rule, tuple) else (rule,) for rule in rules.values()
        ]
        operation.constant_on_reals = constant_on_reals
        operation.holomorphic = all(len(pair) == 1 for pair in pairs)
        jvp = [operation.rule(pair[0]) for pair in pairs]
        vjp = [operation.rule(pair[-1]) for pair in pairs]
        return _complete(operation, jvp, vjp, shown, implementation)

    return decorate


def linear(
    *,
    samples: Sequence[Sample],
    implementation: Function | None = None,
    broadcasts: bool = False,
    variadic: bool = False,
    domain: Domain = REAL,
    takes_complex: bool = True,
    adjoint: bool = False,
    batching: BatchingRule | None = None,
    shape: Function | None = None,
    **transposes: Function,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Declare a function that is linear in each of its arguments.

    It is its own JVP; its VJP is the transpose, which the rules give.

    Parameters
    ----------
    samples
        Calls for checks.
    implementation
        ``function(xp, *arguments)``, for what the libraries do not have.
    broadcasts
        Whether arguments are broadcast against one another: the core then sums what a
        transpose returns over the axes that its argument did not have.
    variadic
        Whether the one argument is a sequence of arrays, in all of which together the
        function is linear. The transpose may then name ``index``, the place of the
        array in question, and for all arrays ``shapes`` and ``starts``, where each
        begins along the axis.
    domain
        The open interval from which arguments are drawn in checks.
    takes_complex
        As in `elementwise`.
    adjoint
        Whether the rules give the adjoint of complex maps, and not their transpose,
        which the core conjugates.
    batching
        What a call becomes under `vmap` (the module `batching`); by default as the
        form says: what has an axis works along it, functions of matrices take stacks.
    shape
        ``shape(xp, *named)``: the shape of the result, from parameters that it asks for
        by name. By default that of corresponding elements, or of what the
        implementation gives, or what NumPy makes of arrays of ones.
    **transposes
        ``parameter=transpose``. Other parameters are not differentiated.

    Examples
    --------
    >>> import autograd_core as ag, numpy
    >>> def twice_x(xp, t):
    ...     return 2 * t
    >>> def twice_forward(xp, x):
    ...     return 2 * x
    >>> @linear(x=twice_x, implementation=twice_forward, samples=[sample((3,))])
    ... def twice(x, /):
    ...     "Double each element."
    >>> ag.jvp(twice, (1.0,), (3.0,))
    (array(2.), array(6.))
    """

    def decorate(declaration: Callable[P, R]) -> Callable[P, R]:
        operation = Operation(
            declaration,
            tuple(transposes),
            variadic=variadic,
            broadcasts=broadcasts,
            domain=domain,
            takes_complex=takes_complex,
        )
        vjp = [operation.rule(transpose) for transpose in transposes.values()]
        # what names no array has coefficients 0 and 1, or such as make a mean
        constant = not any(set(rule.names) & set(operation.arguments) for rule in vjp)
        operation.holomorphic = not constant and not adjoint
        operation.positive = constant and not adjoint
        jvp = [_itself(operation, k) for k in range(len(vjp))]
        operation.batching, operation.shape = batching, shape
        return _complete(operation, jvp, vjp, samples, implementation)

    return decorate


def general(
    *,
    jvp: dict[str, Function | None],
    vjp: dict[str, Function | None],
    samples: Sequence[Sample],
    kinks: Sequence[Kink] = (),
    broadcasts: bool = False,
    domain: dict[str, Domain] | Domain = REAL,
    implementation: Function | None = None,
    outputs: Sequence[str] = (),
    takes_complex: bool = True,
    holomorphic: bool = False,
    positive: bool = False,
    batching: BatchingRule | None = None,
    shape: Function | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Declare a function with a rule for each mode.

    Parameters
    ----------
    jvp
        For each differentiable parameter, by name, the rule from its tangent to the
        tangent of the result. None where there is none: forward mode then raises.
    vjp
        For each differentiable parameter, by name, the rule from the cotangent of the
        result to its own. None where there is none: reverse mode then raises.
    samples, kinks, broadcasts, domain, implementation, takes_complex
        As in `linear` and `elementwise`.
    outputs
        Where there are several results, what each is called. Rules then take or give a
        tuple for `t`, in which a cotangent may be None, and may ask for the results by
        these names.
    holomorphic
        Whether the rules of reverse mode give the transpose of a complex-linear map,
        which the core conjugates, and not its adjoint.
    positive
        Whether they are linear with coefficients that are not negative.
    batching, shape
        As in `linear`.
    """

    def decorate(declaration: Callable[P, R]) -> Callable[P, R]:
        arguments = tuple(jvp | vjp)
        operation = Operation(
            declaration,
            arguments,
            broadcasts=broadcasts,
            domain=domain,
            outputs=outputs,
            takes_complex=takes_complex,
        )
        operation.kinks = tuple(kinks)
        operation.holomorphic, operation.positive = holomorphic, positive
        jvps, vjps = (
            [
                operation.rule(f) if (f := rules.get(name)) else None
                for name in arguments
            ]
            for rules in (jvp, vjp)
        )
        operation.batching, operation.shape = batching, shape
        return _complete(operation, jvps, vjps, samples, implementation)

    return decorate


@overload
def constant(declaration: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def constant(
    *, batching: BatchingRule | None = None, shape: Function | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def constant(
    declaration: Function | None = None,
    /,
    *,
    batching: BatchingRule | None = None,
    shape: Function | None = None,
) -> Function:
    """Declare a function whose derivative is zero: it computes on the raw arrays.

    Parameters
    ----------
    declaration
        The function, where the decorator is used without arguments.
    batching
        As in `linear`; by default one of corresponding elements, or along an axis.
    shape
        As in `linear`.
    """

    def decorate(declaration: Function) -> Function:
        operation = Operation(declaration)
        operation.batching, operation.shape = batching, shape
        operation.emit = emit_function(operation)
        return _register(operation, public_function(operation))

    return decorate if declaration is None else decorate(declaration)


def composite(
    *arguments: str,
    samples: Sequence[Sample],
    variadic: bool = False,
    domain: dict[str, Domain] | Domain = REAL,
    takes_complex: bool = True,
    shape: Function | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Declare a function composed of operations, which differentiate it.

    Where nothing is tracked the library's own function of that name is called, and
    where a program is recorded, so is that call; else the body, so that the derivative
    is that of its parts.

    Parameters
    ----------
    *arguments
        The parameters that samples give arrays for, the last of which may be left out.
    samples, variadic, domain
        As in `linear`.
    takes_complex
        Whether checks give it complex numbers; if not, its parts refuse tracked ones.
    shape
        As in `linear`; by default what the body gives.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        operation = Operation(
            function,
            arguments,
            variadic=variadic,
            domain=domain,
            takes_complex=takes_complex,
        )
        operation.samples = _required(operation, samples)
        operation.shape, operation.is_composite = shape, True

        def call(*arguments: P.args, **keywords: P.kwargs) -> R:
            values = (*arguments, *keywords.values())
            if any(map(holds_tracked, values)):
                recording = recording_of(values)
                if recording is not None:
                    whole: R = recording.composite(operation, arguments, keywords)
                    return whole
                return function(*arguments, **keywords)
            # a library may have another default than the standard's None
            given = {name: x for name, x in keywords.items() if x is not None}
            if any(map(is_uniform, values)):
                given = {name: without_constants(x) for name, x in given.items()}
                bare = without_constants(arguments)
                result: R = as_constants(pass_on(operation, bare, given))
            else:
                result = pass_on(operation, arguments, given)
            return result

        place = function.__code__
        call.__code__ = call.__code__.replace(
            co_name=operation.identifier,
            co_qualname=operation.identifier,
            co_filename=place.co_filename,
            co_firstlineno=place.co_firstlineno - 1,
        )
        return _register(operation, call)

    return decorate


def _complete(
    operation: Operation,
    jvp: Sequence[Rule | None],
    vjp: Sequence[Rule | None],
    samples: Sequence[Sample],
    implementation: Function | None,
) -> Function:
    """Give an operation its rules and samples, write its functions, and register it."""
    operation.samples = _required(operation, samples)
    operation.jvp, operation.vjp = tuple(jvp), tuple(vjp)
    operation.kept = frozenset(name for rule in vjp if rule for name in rule.names)
    if implementation is not None:
        backend.implement(operation.name, implementation)
    operation.emit = emit_function(operation)
    return _register(operation, public_function(operation))


def _required(operation: Operation, samples: Sequence[Sample]) -> tuple[Sample, ...]:
    if not samples:
        raise TypeError(f"{operation.name}: declare samples, calls that show it off")
    return tuple(samples)


def _register(operation: Operation, function: Function) -> Function:
    operation.function = update_wrapper(function, operation.declaration)
    operation.batching = operation.batching or _usual_batching(operation)
    registry[operation.name] = operation
    if operation.extension:
        backend.extensions.add(operation.extension)
    return operation.function


def _usual_batching(operation: Operation) -> BatchingRule | None:
    """Return the batching rule that the form of an operation calls for."""
    if {"axis", "axes"} & set(operation.statics):
        return along_axis
    if operation.extension == "linalg" and len(operation.arguments) < 2:
        return stacked
    return pointwise if operation.elementwise or not operation.arguments else None


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
