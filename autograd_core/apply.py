"""Calling an operation: the one general path, that the compiled ones shorten.

Broadcasting, mixed dtypes, captured memory and levels are handled here, so that rules
need not know of them.
"""

from __future__ import annotations

import math
from itertools import accumulate
from typing import Any

from autograd_core import backend, tensor
from autograd_core.edges import (
    conjugated,
    converted,
    of_several,
    one_of_several,
    restore,
)
from autograd_core.errors import describe, describe_arguments, dtype_name, error
from autograd_core.graph import Array, Edge, Level, make_node, overwritten, unchanged
from autograd_core.library import argument_names, call_library, with_own_dtype
from autograd_core.masks import plain
from autograd_core.operation import Operation, Rule
from autograd_core.tensor import (
    Tracked,
    as_constants,
    computing,
    holds_tracked,
    is_complex,
    is_differentiable,
    is_recorded,
    is_uniform,
    lowest,
    make_dual,
    make_tensor,
    namespace_of,
    require_open,
    stopped,
    tracked_in,
    without_constants,
)


def apply(
    operation: Operation, arguments: tuple[Any, ...], statics: tuple[Any, ...]
) -> Any:
    """Call an operation on anything: the one path that the fast ones shorten.

    Peels off the highest level among the arguments, computes on what is below, and puts
    that level back.
    """
    if any(map(is_uniform, (*arguments, *statics))):
        bare = without_constants(arguments), without_constants(statics)
        return as_constants(dispatch(operation, *bare))
    return dispatch(operation, arguments, statics)


def dispatch(
    operation: Operation, arguments: tuple[Any, ...], statics: tuple[Any, ...]
) -> Any:
    """Apply an operation to anything but constants."""
    if statics:
        statics = tuple([_stopped(operation, value) for value in statics])
    level = _highest_level(operation, arguments, statics)
    if level is None:
        return call_library(operation, arguments, statics)
    if level.apply is not None:
        return level.apply(operation, arguments, statics)
    if operation.constant_on_reals and not any(map(is_complex, arguments)):
        return dispatch(operation, tuple(map(stopped, arguments)), statics)
    call = Call(operation, arguments, statics, level)
    call.require_rules()
    if not level.forward:
        call.capture()
    deeper = holds_tracked((*call.lower, *statics))
    if deeper:
        call.y = dispatch(operation, tuple(call.lower), call.statics)
    else:
        call.y = call_library(operation, tuple(call.lower), call.statics, largest=True)
    if isinstance(call.y, tuple):
        return call.with_tangents() if level.forward else call.with_projections()
    if not is_differentiable(call.y):
        return call.constant(stopped(call.y))
    return call.with_tangent() if level.forward else call.with_edges()


def _stopped(operation: Operation, value: Any) -> Any:
    """Strip the derivatives off a parameter that is not differentiated."""
    if isinstance(value, tuple):
        return tuple(_stopped(operation, part) for part in value)
    require_open(operation.name, value)
    return stopped(value)


def _highest_level(
    operation: Operation, arguments: tuple[Any, ...], statics: tuple[Any, ...]
) -> Level | None:
    """Return the level of the innermost transform among the arguments."""
    highest: Level | None = None
    for argument in (*arguments, *tracked_in(statics)) if statics else arguments:
        if isinstance(argument, Tracked):
            level = argument.world.level
            if not level.open:
                require_open(operation.name, argument)
            if highest is None or level.number > highest.number:
                highest = level
        elif isinstance(argument, (list, tuple)):
            raise error(
                TypeError,
                operation.name,
                "takes arrays and numbers",
                describe_arguments(argument_names(operation, arguments), arguments),
                "Convert it with autograd_core.ops.asarray.",
            )
    return highest


class Call:
    """One call of an operation at one level.

    Attributes
    ----------
    arguments, lower
        The arguments, and what they hold one level down.
    active
        Whether each argument is tracked at this level.
    statics
        The parameters that are not differentiated.
    y
        The result one level down.
    guards
        Checks of captured memory, with the words of the error if one fails.
    """

    __slots__ = (
        "active",
        "arguments",
        "guards",
        "level",
        "lower",
        "operation",
        "rules",
        "statics",
        "y",
    )

    y: Array

    def __init__(
        self,
        operation: Operation,
        arguments: tuple[Any, ...],
        statics: tuple[Any, ...],
        level: Level,
    ) -> None:
        self.operation = operation
        self.arguments = arguments
        self.level = level
        self.rules = operation.jvp if level.forward else operation.vjp
        self.active = [
            isinstance(x, Tracked) and x.world.level is level for x in arguments
        ]
        pairs = zip(arguments, self.active, strict=True)
        self.lower = [x.value if active else x for x, active in pairs]
        if not operation.takes_complex:
            self.refuse_complex()
        xp = backend.backend_of(lowest(self.lower[self.active.index(True)]))
        for k, value in enumerate(self.lower):
            if isinstance(value, float) and not xp.owns(value):
                self.lower[k] = float(value)  # a scalar of NumPy beside another library
        self.statics = with_own_dtype(operation, xp, statics)
        if "dtype" in operation.statics:
            self.refuse_real_dtype(xp)
        self.guards: list[tuple[Any, str]] = []

    def rule(self, k: int) -> Rule | None:
        """Return the rule of an argument in this level's mode."""
        return self.rules[0 if self.operation.variadic else k]

    def require_rules(self) -> None:
        """Raise, before anything is computed, if an argument has no rule."""
        if None not in self.rules:
            return
        for k, active in enumerate(self.active):
            if active and self.rule(k) is None:
                raise _no_rule(self.operation, k, self.arguments, self.level)

    def refuse_complex(self) -> None:
        """Raise if an argument is complex where the rules are those of real numbers."""
        if any(is_complex(x) for x in self.arguments):
            names = argument_names(self.operation, self.arguments)
            raise error(
                TypeError,
                self.operation.name,
                "takes real numbers, and is not differentiated for complex ones",
                describe_arguments(names, self.arguments),
                "Give the real part, the imaginary part or the absolute value.",
            )

    def refuse_real_dtype(self, xp: backend.Backend) -> None:
        """Raise if complex numbers would lose their imaginary parts in a real dtype."""
        operation = self.operation
        dtype = self.statics[operation.statics.index("dtype")]
        if dtype is None or not xp.is_floating(dtype) or xp.is_complex(dtype):
            return
        if any(map(is_complex, self.arguments)):
            names = argument_names(operation, self.arguments)
            got = describe_arguments(names, self.arguments)
            raise error(
                TypeError,
                operation.name,
                "does not make real numbers of complex ones",
                f"{got}, dtype: {dtype_name(dtype)}",
                "Take the real part first, with real(x).",
            )

    # ---- captured memory

    def capture(self) -> None:
        """Put raw constants that a rule keeps out of reach, or watch them."""
        operation = self.operation
        if not operation.kept or any(map(is_recorded, self.lower)):
            return  # a program holds what is not its own by reference
        if not operation.variadic:
            for k, name in enumerate(operation.arguments):
                if not self.active[k]:
                    self.lower[k] = self._captured(name, self.lower[k])
        pairs = zip(operation.statics, self.statics, strict=True)
        self.statics = tuple(self._captured(name, value) for name, value in pairs)

    def _captured(self, name: str, value: Any) -> Any:
        if name not in self.operation.kept:
            return value
        if isinstance(value, tuple):
            return tuple(self._captured(name, part) for part in value)
        if isinstance(value, Tracked) or not backend.is_array(value):
            return value
        kept, check = backend.backend_of(value).snapshot(value)
        if check is not None:
            self.guards.append((check, overwritten(self.operation.name, value)))
        return kept

    # ---- what rules ask for

    def known(self) -> dict[str, Any]:
        """Return what rules may ask for by name."""
        known = dict(zip(self.operation.statics, self.statics, strict=True), y=self.y)
        if self.operation.result is not None:
            known |= self.y._asdict()
        if self.operation.variadic:
            shapes = tuple(value.shape for value in self.lower)
            return known | {"shapes": shapes, "starts": starts(shapes, known["axis"])}
        values = self.lower
        if self.operation.elementwise:  # computed in the dtype of the result
            values = [_promoted(x, self.y.dtype) for x in values]
        known.update(zip(self.operation.arguments, values, strict=True))
        return known

    # ---- putting the level back

    def with_edges(self) -> Array:
        """Return the result of reverse mode: one edge for each active argument."""
        xp = computing(self.y)
        return make_tensor(self.y, self._node(xp), self.level.world(xp))

    def with_projections(self) -> Any:
        """Return several results, each with an edge to the node of all of them."""
        xp = namespace_of(self.y[0])
        node, world = self._node(xp), self.level.world(xp)
        each = []
        for k, y in enumerate(self.y):
            if is_differentiable(y):
                edge = (node, one_of_several, k)
                y = make_tensor(y, make_node((edge,), xp, None), world)
            each.append(y)
        return self.operation.result(*each)

    def _node(self, xp: Any) -> Any:
        """Make the node of the call, with one edge for each active argument."""
        known = self.known()
        edges = tuple(
            self._edge(k, known) for k, active in enumerate(self.active) if active
        )
        return make_node(edges, xp, self.operation)

    def _edge(self, k: int, known: dict[str, Any]) -> Edge:
        """Build an edge, which restores the argument's shape and dtype if it must."""
        rule, value, operation = self.rule(k), self.lower[k], self.operation
        assert rule is not None
        if operation.variadic:
            known = {**known, "index": k}
        step: tuple[Any, ...] = (rule.function, *named(rule, known))
        results = (self.y,) if operation.result is None else self.y
        if operation.holomorphic and any(map(is_complex, (value, *results))):
            step = (conjugated, *step)
        if operation.elementwise:
            alike = value.shape == self.y.shape
        else:
            alike = not operation.broadcasts
        if not alike or any(value.dtype != y.dtype for y in results):
            step = (restore, step[0], value.shape, value.dtype, *step[1:])
        if operation.result is not None:
            step = (of_several, step[0], operation.result, *step[1:])
        for guard in self.guards:
            step = (unchanged, guard, *step)
        return (self.arguments[k].node, *step)

    def with_tangent(self) -> Array:
        """Return the result of forward mode: the sum of what the rules give."""
        y = self.y
        if self.operation.variadic:
            return make_dual(y, self._tangent_of_all(), self.level)
        total = self._total(self._terms())
        xp = namespace_of(total)
        if total.shape != y.shape:
            total = xp.broadcast_to(total, y.shape)
        if total.dtype != y.dtype:
            total = converted(xp, total, y.dtype)
        return make_dual(y, total, self.level)

    def with_tangents(self) -> Any:
        """Return several results, each with its tangent."""
        each = []
        for y, *terms in zip(self.y, *self._terms(), strict=True):
            if is_differentiable(y):
                y = make_dual(y, self._total(terms), self.level)
            each.append(y)
        return self.operation.result(*each)

    def _terms(self) -> list[Any]:
        """Return what the rule of each active argument makes of its tangent."""
        known = self.known()
        return [self._term(k, known) for k, active in enumerate(self.active) if active]

    @staticmethod
    def _total(terms: list[Array]) -> Array:
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total

    def _term(self, k: int, known: dict[str, Any]) -> Array:
        """Apply the rule of one argument to its tangent."""
        rule, t = self.rule(k), self.arguments[k].tangent
        assert rule is not None
        saved = named(rule, known)
        tracked = any(isinstance(value, Tracked) for value in (t, *saved))
        xp = tensor.operations if tracked else namespace_of(self.lower[k])
        try:
            return plain(rule.function(xp, t, *saved))
        except Exception as cause:
            cause.add_note(f"in forward mode of {self.operation}")
            raise

    def _tangent_of_all(self) -> Array:
        """Apply a function that is linear in all its arguments to their tangents."""
        triples = zip(self.arguments, self.lower, self.active, strict=True)
        tangents = tuple(
            x.tangent if active else tensor.operations.zeros_like(value)
            for x, value, active in triples
        )
        return apply(self.operation, tangents, self.statics)

    def constant(self, y: Array) -> Array:
        """Return an integer or boolean result, a constant; refuse an odd one."""
        library = backend.backend_of(lowest(y))
        if library.isdtype(y.dtype, ("bool", "integral")):
            return y
        names = argument_names(self.operation, self.arguments)
        raise error(
            TypeError,
            self.operation.name,
            "a result that is neither floating-point nor integer or boolean cannot be "
            "differentiated",
            f"{describe(y)} from {describe_arguments(names, self.arguments)}",
            "Convert objects to floats.",
        )


def named(rule: Rule, known: dict[str, Any]) -> tuple[Any, ...]:
    """Return what a rule asked for by name."""
    return tuple(
        known[name] if name in known else _attribute(known, *name.rsplit("_", 1))
        for name in rule.names
    )


def starts(shapes: tuple[tuple[int, ...], ...], axis: int | None) -> tuple[int, ...]:
    """Return where each array begins when arrays are joined along an axis."""
    lengths = (math.prod(s) if axis is None else s[axis] for s in shapes)
    return tuple(accumulate(lengths, initial=0))


def _attribute(known: dict[str, Any], argument: str, attribute: str) -> Any:
    """Return the shape, the dtype or the device of an argument."""
    value = known[argument]
    if attribute == "shape":
        return getattr(value, "shape", ())
    if attribute == "dtype":
        return value.dtype
    raw = lowest(value)
    return backend.backend_of(raw).device_of(raw)


def _no_rule(
    operation: Operation, k: int, arguments: tuple[Any, ...], level: Level
) -> Exception:
    mode = "forward" if level.forward else "reverse"
    names = argument_names(operation, arguments)
    return error(
        NotImplementedError,
        operation.name,
        f"has no derivative rule for argument {names[k]} in {mode} mode",
        describe_arguments(names, arguments),
        "Declare one (docs/add_an_operation.md), or say stop_gradient(x) if no "
        "derivative is wanted.",
    )


def _promoted(x: Any, dtype: Any) -> Any:
    """Return an array of floats in a dtype, everything else as it is."""
    if getattr(x, "dtype", dtype) is dtype:
        return x
    if is_complex(x) and not backend.backend_of(lowest(x)).is_complex(dtype):
        return x  # the result is real: an absolute value, a part
    if is_differentiable(x) and x.dtype != dtype:
        return namespace_of(x).astype(x, dtype)
    return x
