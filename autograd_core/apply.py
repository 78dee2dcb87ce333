"""Calling an operation: the one general path, that the compiled ones shorten.

Broadcasting, mixed dtypes, captured memory and levels are handled here, so that rules
need not know of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autograd_core import backend, tensor
from autograd_core.errors import add_call_note, describe, describe_arguments, error
from autograd_core.operation import Function, Operation, Rule
from autograd_core.tensor import (
    Array,
    Edge,
    Level,
    Node,
    Tracked,
    lowest,
    make_dual,
    make_node,
    make_tensor,
    namespace_of,
    overwritten,
    unchanged,
)

SCALARS = (int, float, complex)


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
        return call_library(operation, arguments, statics)
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
    node = make_node(tuple(edges), xp, operation)
    return make_tensor(y, node, level.world(xp))


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
        elif isinstance(argument, (list, tuple)):
            raise error(
                TypeError,
                operation.name,
                "takes arrays and numbers",
                describe_arguments(_names(operation, arguments), arguments),
                "Convert it with autograd_core.ops.asarray.",
            )
    return highest


def _names(operation: Operation, arguments: tuple[Any, ...]) -> tuple[str, ...]:
    if operation.variadic:
        return tuple(f"{operation.arguments[0]}[{k}]" for k in range(len(arguments)))
    return operation.arguments


def _parameters(operation: Operation, values: tuple[Any, ...]) -> tuple[str, ...]:
    """Return the names of arguments and statics, in the order of `emit`."""
    if not operation.arguments:
        return operation.statics
    arguments = values[: len(values) - len(operation.statics)]
    return (*_names(operation, arguments), *operation.statics)


def note_call(cause: Exception, operation: Operation, values: tuple[Any, ...]) -> None:
    """Say on a library's exception which operation it came from, once."""
    if not getattr(cause, "__notes__", None) and "(at " not in str(cause):
        names = _parameters(operation, values)
        add_call_note(cause, operation.name, describe_arguments(names, values))


def call_library(
    operation: Operation, arguments: tuple[Any, ...], statics: tuple[Any, ...]
) -> Any:
    """Call the library on raw arrays."""
    xp = _backend(operation, (*arguments, *statics)) or backend.get_backend()
    if all(type(argument) in SCALARS for argument in arguments):
        arguments = tuple(map(xp.asarray, arguments))
    statics = _with_own_dtype(operation, xp, statics)
    try:
        return operation.emit(xp, *arguments, *statics)
    except Exception as cause:
        note_call(cause, operation, (*arguments, *statics))
        raise


def pass_on(
    operation: Operation, arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> Any:
    """Call the library's function of an operation's name on what the user gave."""
    xp = _backend(operation, (*arguments, *keywords.values())) or backend.get_backend()
    if keywords.get("dtype") is not None:
        keywords = {**keywords, "dtype": xp.dtype(keywords["dtype"])}
    try:
        return getattr(xp, operation.name)(*arguments, **keywords)
    except Exception as cause:
        note_call(cause, operation, arguments)
        raise


def _with_own_dtype(
    operation: Operation, xp: backend.Backend, statics: tuple[Any, ...]
) -> tuple[Any, ...]:
    """Replace a dtype's name, or another library's dtype, by the library's own."""
    if "dtype" not in operation.statics:
        return statics
    at = operation.statics.index("dtype")
    if statics[at] is None:
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
                describe_arguments(_parameters(operation, values), values),
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
    if not operation.variadic:
        values = zip(operation.arguments, lower, active, strict=True)
        lower = [
            value if on else _kept(operation, name, value, guards)
            for name, value, on in values
        ]
    pairs = zip(operation.statics, statics, strict=True)
    return lower, tuple(_kept(operation, name, value, guards) for name, value in pairs)


def _kept(
    operation: Operation, name: str, value: Any, guards: list[tuple[Any, str]]
) -> Any:
    """Return what to keep of one constant, adding to the guards if it is watched."""
    if name not in operation.kept:
        return value
    if isinstance(value, tuple):
        return tuple(_kept(operation, name, part, guards) for part in value)
    if not backend.is_array(value):
        return value
    kept, check = backend.backend_of(value).snapshot(value)
    if check is not None:
        guards.append((check, overwritten(operation.name, value)))
    return kept


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
    raw = lowest(y)
    if not backend.backend_of(raw).is_floating(raw.dtype):
        return _not_floating(operation, y, lower)
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
