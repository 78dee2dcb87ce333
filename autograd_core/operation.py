"""Operations: how one is declared, and what happens when it is called.

An operation is declared once, as a function with a docstring and no body, together with
its derivative rules. A rule is a plain function ``rule(xp, t, *named)``: `t` is a
tangent or a cotangent, and by their names a rule asks for what else it needs, among the
arguments, the result ``y``, and the shape of an argument (``x_shape``). Only what rules
name is kept for the backward pass. The same rule is read on raw arrays, where it
computes numbers, and on tracked ones, where it computes a new piece of graph.

Broadcasting, mixed dtypes, accumulation and levels are handled here, never in a rule.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import update_wrapper
from typing import Any, ParamSpec, TypeAlias, TypeVar

from autograd_core import backend, tensor
from autograd_core.errors import add_call_note, describe, describe_arguments, error
from autograd_core.tensor import (
    Array,
    Dual,
    Edge,
    Level,
    Node,
    Tensor,
    Tracked,
    lowest,
    make_dual,
    make_tensor,
    namespace_of,
    new,
    node_ids,
    overwritten,
    unchanged,
)

P = ParamSpec("P")
R = TypeVar("R")
Function: TypeAlias = Callable[..., Any]
Domain: TypeAlias = tuple[float, float]

REAL: Domain = (-math.inf, math.inf)
POSITIVE: Domain = (0.0, math.inf)
SCALARS = (int, float, complex)

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
        self.emit = _compile(declaration, _emit_source(self), {}, offset=1)
        self.function: Function = declaration
        self.declaration = declaration

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
        source = _function_source(self)
        scope = {"operation": self, "apply": apply, "Tensor": Tensor, "Dual": Dual}
        scope |= {"Node": Node, "new": new, "ids": node_ids, "note": note_call}
        scope |= {f"rule_{k}": r.function for k, r in enumerate(self.vjp) if r}
        parameters = self.signature.parameters.values()
        scope |= {f"default_{p.name}": p.default for p in parameters}
        function = _compile(self.declaration, source, scope)
        self.function = update_wrapper(function, self.declaration)
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
        result: R = _emit(operation, (), values)
        return result

    call.__code__ = call.__code__.replace(
        co_name=operation.name,
        co_qualname=operation.name,
        co_filename=function.__code__.co_filename,
        co_firstlineno=function.__code__.co_firstlineno - 1,
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


# ------------------------------------------------------------------ writing functions
# One plain function per operation, compiled under the name, file and line of its
# declaration: the fast path of reverse mode costs no more calls than it must, and
# profilers, tracebacks and debuggers name the operation.

UNARY = """
def {name}({signature}):
    if type(x) is Tensor{guard}:
        world = x.world
        xp = world.xp
        v = x.value
        try:
            y = {call}
        except Exception as cause:
            note(cause, operation, (x,))
            raise
        result = new(Tensor)
        result.value = y
        result.world = world
        result.node = Node(next(ids), ((x.node, rule_0{saved}),), xp, operation)
        return result
    return apply(operation, (x,), {statics})
"""

BINARY = """
def {name}(x1, x2, /):
    if type(x1) is Tensor:
        world = x1.world
        xp = world.xp
        v1 = x1.value
        kind = type(x2)
        if kind is Tensor:
            v2 = x2.value
            if x2.world is world and v1.shape == v2.shape and v1.dtype is v2.dtype:
                y = xp.{name}(v1, v2)
                edges = (x1.node, rule_0{saved_0}), (x2.node, rule_1{saved_1})
                result = new(Tensor)
                result.value = y
                result.world = world
                result.node = Node(next(ids), edges, xp, operation)
                return result
        elif kind is float or kind is int:
            v2 = x2
            y = xp.{name}(v1, v2)
            result = new(Tensor)
            result.value = y
            result.world = world
            result.node = Node(next(ids), ((x1.node, rule_0{saved_0}),), xp, operation)
            return result
        elif (
            kind is type(v1)
            and kind is not Dual
            and v1.shape == x2.shape
            and v1.dtype is x2.dtype
        ):
            v2 = {kept_2}
            if v2 is not None:
                y = xp.{name}(v1, v2)
                result = new(Tensor)
                result.value = y
                result.world = world
                edges = ((x1.node, rule_0{saved_0}),)
                result.node = Node(next(ids), edges, xp, operation)
                return result
    elif type(x2) is Tensor:
        world = x2.world
        xp = world.xp
        v2 = x2.value
        kind = type(x1)
        if kind is float or kind is int:
            v1 = x1
        elif (
            kind is type(v2)
            and kind is not Dual
            and v2.shape == x1.shape
            and v2.dtype is x1.dtype
        ):
            v1 = {kept_1}
        else:
            v1 = None
        if v1 is not None:
            y = xp.{name}(v1, v2)
            result = new(Tensor)
            result.value = y
            result.world = world
            result.node = Node(next(ids), ((x2.node, rule_1{saved_1}),), xp, operation)
            return result
    return apply(operation, (x1, x2), ())
"""

PLAIN = """
def {name}({signature}):
    return apply(operation, {arguments}, {statics})
"""

EMIT = """
def {name}(xp, {parameters}):
    return xp.{name}({call})
"""


def _tuple(names: Sequence[str]) -> str:
    return "(" + "".join(f"{name}, " for name in names) + ")"


def _signature_source(operation: Operation) -> str:
    """Return the declared signature, each default under a name of its own."""
    pieces: list[str] = []
    kind: Any = None
    for p in operation.signature.parameters.values():
        if kind is p.POSITIONAL_ONLY and p.kind is not kind:
            pieces.append("/")
        if p.kind is p.KEYWORD_ONLY and kind not in (p.KEYWORD_ONLY, p.VAR_POSITIONAL):
            pieces.append("*")
        star = "*" if p.kind is p.VAR_POSITIONAL else ""
        default = "" if p.default is p.empty else f"=default_{p.name}"
        pieces.append(f"{star}{p.name}{default}")
        kind = p.kind
    if kind is inspect.Parameter.POSITIONAL_ONLY:
        pieces.append("/")
    return ", ".join(pieces)


def _call_source(operation: Operation, **renamed: str) -> str:
    """Return the arguments of the library's call, in the declared order."""
    pieces = []
    for p in operation.signature.parameters.values():
        value = renamed.get(p.name, p.name)
        if p.kind is p.KEYWORD_ONLY:
            pieces.append(f"{p.name}={value}")
        else:
            pieces.append(f"*{value}" if p.kind is p.VAR_POSITIONAL else value)
    return ", ".join(pieces)


def _emit_source(operation: Operation) -> str:
    parameters = ", ".join(operation.arguments + operation.statics)
    call = _call_source(operation)
    if operation.variadic:
        (arrays,) = operation.arguments
        rest = "".join(f", {name}" for name in operation.statics)
        source = f"\ndef {operation.name}(xp, *values):\n    *{arrays}{rest} = values\n"
        return source + f"    return xp.{operation.name}({call})\n"
    return EMIT.format(name=operation.name, parameters=parameters, call=call)


def _saved_source(rule: Rule | None, **values: str) -> str:
    """Return the tail of an edge: what the rule named, by its name in the template."""
    names = rule.names if rule else ()
    return "".join(f", {values.get(name, name)}" for name in names)


def _function_source(operation: Operation) -> str:
    rules, parameters = operation.vjp, operation.signature.parameters
    name, statics = operation.name, _tuple(operation.statics)
    signature = _signature_source(operation)
    statics_are_plain = all(
        p.kind is not p.POSITIONAL_ONLY or p.name in operation.arguments
        for p in parameters.values()
    )
    if operation.arguments == ("x",) and rules[0] and statics_are_plain:
        return UNARY.format(
            name=name,
            signature=signature,
            guard=" and dtype is None" if "dtype" in parameters else "",
            call=f"xp.{name}({_call_source(operation, x='v')})",
            saved=_saved_source(rules[0], x="v", x_shape="v.shape"),
            statics=statics,
        )
    if (
        operation.arguments == ("x1", "x2") == tuple(parameters)
        and operation.elementwise
    ):
        return BINARY.format(
            name=name,
            saved_0=_saved_source(rules[0], x1="v1", x2="v2", x1_shape="v1.shape"),
            saved_1=_saved_source(rules[1], x1="v1", x2="v2", x2_shape="v2.shape"),
            kept_1="xp.copy_of_small(x1)" if "x1" in operation.kept else "x1",
            kept_2="xp.copy_of_small(x2)" if "x2" in operation.kept else "x2",
        )
    arguments = operation.arguments[0] if operation.variadic else None
    return PLAIN.format(
        name=name,
        signature=signature,
        arguments=f"tuple({arguments})" if arguments else _tuple(operation.arguments),
        statics=statics,
    )


def _compile(
    declaration: Function, source: str, scope: dict[str, Any], offset: int = 0
) -> Function:
    """Compile a function as if it stood where its operation is declared."""
    place = declaration.__code__
    scope["__name__"] = declaration.__module__
    exec(compile(source, place.co_filename, "exec"), scope)
    function: Function = scope[declaration.__name__]
    function.__code__ = function.__code__.replace(
        co_firstlineno=place.co_firstlineno + offset,
        co_linetable=_one_line(len(function.__code__.co_code) // 2),
    )
    return function


def _one_line(units: int) -> bytes:
    """Return a line table that puts all instructions on a function's first line.

    One entry for up to eight code units: kind 13, "no column", and a line delta of 0
    (CPython, Objects/locations.md).
    """
    lengths = [min(8, units - k) for k in range(0, units, 8)]
    return b"".join(bytes((0x80 | 13 << 3 | n - 1, 0)) for n in lengths)


# ------------------------------------------------------------------ calling


def apply(
    operation: Operation, arguments: tuple[Any, ...], statics: tuple[Any, ...]
) -> Any:
    """Call an operation on anything: the one path that the fast ones shorten.

    Peels off the highest level among the arguments, computes on what is below, and puts
    that level back.
    """
    statics = tuple(_raw(value) for value in statics)
    level = _highest_level(operation, arguments)
    if level is None:
        return _emit(operation, arguments, statics)
    rules = operation.jvp if level.forward else operation.vjp
    if operation.variadic:
        rules = rules * len(arguments)
    active = [isinstance(a, Tracked) and a.world.level is level for a in arguments]
    for k, rule in enumerate(rules):
        if active[k] and rule is None:
            raise _no_rule(operation, k, arguments, level)
    lower = [a.value if on else a for a, on in zip(arguments, active, strict=True)]
    raw = backend.backend_of(lowest(lower[active.index(True)]))
    statics = _with_own_dtype(operation, raw, statics)
    guards: list[tuple[Any, str]] = []
    if not level.forward:
        lower, statics = _keep(operation, lower, active, statics, guards)
    y = apply(operation, tuple(lower), statics)
    if level.forward:
        return _with_tangent(operation, arguments, lower, active, statics, y, level)
    edges = []
    for k, argument in enumerate(arguments):
        rule = rules[k]
        if active[k] and rule is not None:
            saved = _named(operation, rule, lower, statics, y, k)
            edge = _edge(operation, rule, argument.node, lower[k], y, saved)
            for guard in guards:
                edge = (edge[0], unchanged, guard, *edge[1:])
            edges.append(edge)
    xp = namespace_of(y)
    if xp is not tensor.operations and not xp.is_floating(y.dtype):
        return _not_floating(operation, y, lower)
    return make_tensor(
        y, Node(next(node_ids), tuple(edges), xp, operation), level.world(xp)
    )


def _raw(value: Any) -> Any:
    """Strip every level off a parameter that is not differentiated."""
    if isinstance(value, tuple):
        return tuple(map(_raw, value))
    return lowest(value)


def _highest_level(operation: Operation, arguments: tuple[Any, ...]) -> Level | None:
    """Return the level of the innermost transform among the arguments."""
    highest: Level | None = None
    for argument in arguments:
        if isinstance(argument, Tracked):
            level = argument.world.level
            if not level.open:
                raise error(
                    ValueError,
                    operation.name,
                    f"an argument was kept from a call of {level.name} that has ended",
                    describe_arguments(_names(operation, arguments), arguments),
                    "Return it from the function instead of storing it, or store "
                    "stop_gradient(x).",
                )
            if highest is None or level.number > highest.number:
                highest = level
    return highest


def _names(operation: Operation, arguments: tuple[Any, ...]) -> tuple[str, ...]:
    if operation.variadic:
        return tuple(f"{operation.arguments[0]}[{k}]" for k in range(len(arguments)))
    return operation.arguments or tuple(operation.signature.parameters)


def note_call(
    cause: Exception, operation: Operation, arguments: tuple[Any, ...]
) -> None:
    """Say on a library's exception which operation it came from, once."""
    if not getattr(cause, "__notes__", None) and "(at " not in str(cause):
        names = _names(operation, arguments)
        add_call_note(cause, operation.name, describe_arguments(names, arguments))


def _emit(
    operation: Operation, arguments: tuple[Any, ...], statics: tuple[Any, ...]
) -> Any:
    """Call the library on raw arrays."""
    xp = _backend(operation, arguments or statics)
    if xp is None:
        xp = backend.get_backend()
        if all(type(a) in SCALARS for a in arguments):
            arguments = tuple(map(xp.asarray, arguments))
    statics = _with_own_dtype(operation, xp, statics)
    try:
        return operation.emit(xp, *arguments, *statics)
    except Exception as cause:
        note_call(cause, operation, arguments or statics)
        raise


def _with_own_dtype(
    operation: Operation, xp: backend.Backend, statics: tuple[Any, ...]
) -> tuple[Any, ...]:
    """Replace a dtype's name, or another library's dtype, by the library's own."""
    at = operation.dtype_index
    if at is None or statics[at] is None:
        return statics
    return (*statics[:at], xp.dtype(statics[at]), *statics[at + 1 :])


def _backend(operation: Operation, values: tuple[Any, ...]) -> backend.Backend | None:
    """Return the one library of the arrays among values, None if there is no array."""
    found: backend.Backend | None = None
    for value in values:
        if type(value) in SCALARS or type(value) is bool:
            continue
        if isinstance(value, (tuple, list)):
            xp = _backend(operation, tuple(value))
        else:
            xp = backend.backend_of(value) if backend.is_array(value) else None
        if xp is not None and found is not None and xp is not found:
            raise error(
                TypeError,
                operation.name,
                f"the arguments belong to two libraries, {found} and {xp}",
                describe_arguments(_names(operation, values), values),
                f"Convert one of them, with autograd_core.ops.asarray under "
                f"use_backend({str(found)!r}).",
            )
        found = found or xp
    return found


def _no_rule(
    operation: Operation, k: int, arguments: tuple[Any, ...], level: Level
) -> Exception:
    mode = "forward" if level.forward else "reverse"
    names = _names(operation, arguments)
    return error(
        NotImplementedError,
        operation.name,
        f"has no derivative rule for argument {names[k]} in {mode} mode",
        describe_arguments(names, arguments),
        "Declare one (docs/add_an_operation.md), or say stop_gradient(x) if no "
        "derivative is wanted.",
    )


def _keep(
    operation: Operation,
    lower: list[Any],
    active: list[bool],
    statics: tuple[Any, ...],
    guards: list[tuple[Any, str]],
) -> tuple[list[Any], tuple[Any, ...]]:
    """Put raw constants that a rule keeps out of the user's reach, or watch them."""

    def keep(name: str, value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(keep(name, part) for part in value)
        if name not in operation.kept or not backend.is_array(value):
            return value
        kept, check = backend.backend_of(value).snapshot(value)
        if check is not None:
            guards.append((check, overwritten(operation.name, value)))
        return kept

    names = operation.arguments
    if not operation.variadic:
        values = zip(names, lower, active, strict=True)
        lower = [value if on else keep(name, value) for name, value, on in values]
    pairs = zip(operation.statics, statics, strict=True)
    return lower, tuple(keep(name, value) for name, value in pairs)


def _named(
    operation: Operation,
    rule: Rule,
    lower: Sequence[Any],
    statics: tuple[Any, ...],
    y: Array,
    index: int,
) -> tuple[Any, ...]:
    """Return what a rule asked for by name."""
    known = dict(zip(operation.statics, statics, strict=True), y=y)
    if operation.variadic:
        known |= {"index": index, "shapes": tuple(value.shape for value in lower)}
    else:
        known.update(zip(operation.arguments, lower, strict=True))
    return tuple(
        known[name] if name in known else _attribute(known, *name.rsplit("_", 1))
        for name in rule.names
    )


def _attribute(known: dict[str, Any], argument: str, attribute: str) -> Any:
    """Return the shape or the device of an argument."""
    value = known[argument]
    if attribute == "shape":
        return getattr(value, "shape", ())
    raw = lowest(value)
    return backend.backend_of(raw).device_of(raw)


def _edge(
    operation: Operation,
    rule: Rule,
    parent: Node,
    value: Array,
    y: Array,
    saved: tuple[Any, ...],
) -> Edge:
    """Build the edge of one argument, restoring its shape and dtype where needed."""
    same_shape = not operation.broadcasts or (
        operation.elementwise and value.shape == y.shape
    )
    if same_shape and value.dtype == y.dtype:
        return (parent, rule.function, *saved)
    return (parent, restore, rule.function, value.shape, value.dtype, *saved)


def restore(
    xp: Any, t: Array, rule: Function, shape: tuple[int, ...], dtype: Any, *saved: Any
) -> Array:
    """Apply a rule, then sum over broadcast axes and convert to the input's dtype."""
    cotangent = unbroadcast(xp, rule(xp, t, *saved), shape)
    return cotangent if cotangent.dtype == dtype else xp.astype(cotangent, dtype)


def unbroadcast(xp: Any, t: Array, shape: tuple[int, ...]) -> Array:
    """Sum a cotangent over the axes along which an argument was broadcast."""
    if t.shape == shape:
        return t
    lead = len(t.shape) - len(shape)
    if lead > 0:
        t = xp.sum(t, axis=tuple(range(lead)))
    axes = tuple(k for k, n in enumerate(shape) if n == 1 and t.shape[k] != 1)
    if axes:
        t = xp.sum(t, axis=axes, keepdims=True)
    return t if t.shape == shape else xp.broadcast_to(t, shape)


def _with_tangent(
    operation: Operation,
    arguments: tuple[Any, ...],
    lower: list[Any],
    active: list[bool],
    statics: tuple[Any, ...],
    y: Array,
    level: Level,
) -> Array:
    """Apply the rules of forward mode: the result with its tangent."""
    if operation.variadic:
        tangents = [
            a.tangent if on else tensor.operations.zeros_like(v)
            for a, v, on in zip(arguments, lower, active, strict=True)
        ]
        return make_dual(y, apply(operation, tuple(tangents), statics), level)
    total: Any = None
    for k, (argument, rule) in enumerate(zip(arguments, operation.jvp, strict=True)):
        if active[k] and rule is not None:
            saved = _named(operation, rule, lower, statics, y, k)
            tracked = any(isinstance(v, Tracked) for v in (argument.tangent, *saved))
            xp = tensor.operations if tracked else namespace_of(lower[k])
            term = rule.function(xp, argument.tangent, *saved)
            total = term if total is None else total + term
    xp = namespace_of(total)
    if total.shape != y.shape:
        total = xp.broadcast_to(total, y.shape)
    if total.dtype != y.dtype:
        raw = backend.backend_of(lowest(y))
        if not raw.is_floating(y.dtype):
            return _not_floating(operation, y, lower)
        total = xp.astype(total, y.dtype)
    return make_dual(y, total, level)


def _not_floating(operation: Operation, y: Array, lower: list[Any]) -> Array:
    """Return an integer or boolean result, which is constant; refuse a complex one."""
    raw = lowest(y)
    if backend.backend_of(raw).isdtype(raw.dtype, "complex floating"):
        raise error(
            TypeError,
            operation.name,
            "complex numbers are not differentiated yet",
            f"{describe(y)} from {describe_arguments(operation.arguments, lower)}",
            "Work with the real and the imaginary part as two arrays.",
        )
    return raw
