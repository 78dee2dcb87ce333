"""Writing the plain function behind each operation.

What users call is compiled from a template, when it is first called: the fast path of
reverse mode for one or two arguments, then the general path, `apply`. An operation so
costs no more Python calls than it must and keeps only what its rules name. It is
compiled under the name, file and line of its declaration, so that profilers,
tracebacks and debuggers name the operation and show where it is declared.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from textwrap import indent
from types import FunctionType
from typing import Any

from autograd_core.apply import apply
from autograd_core.edges import restore
from autograd_core.graph import new, new_nodes, node_ids
from autograd_core.library import note_call
from autograd_core.masks import plain
from autograd_core.operation import Function, Operation, Rule
from autograd_core.tensor import (
    Batched,
    ComplexTensor,
    Dual,
    Recorded,
    Tensor,
    Watched,
)

RECORD = """\
result = new(Tensor)
result.value = y
result.world = world
node = result.node = next(nodes)
node.id = next(ids)
node.edges = edges
node.xp = xp
node.operation = operation
return result
"""

PUSH = """\
try:
    t = {push}
except Exception as cause:
    cause.add_note("in forward mode of {name}")
    raise
if t.shape == y.shape and t.dtype is y.dtype:
    result = new(Dual)
    result.value = y
    result.tangent = t
    result.world = world
    return result
"""

CALL = """\
try:
    y = {call}
except Exception as cause:
    note(cause, operation, ({values}))
    raise
"""


def _expanded(template: str) -> str:
    """Put what a template names in its place, indented as the name is."""
    blocks = {"CALL": CALL, "RECORD": RECORD}
    blocks |= {f"PUSH{k}": PUSH.replace("{push", "{push" + k) for k in ("", "_0", "_1")}
    blocks["PUSH_BOTH"] = PUSH.replace("{push}", "{push_0} + {push_1}")
    lines = []
    for line in template.splitlines():
        block = blocks.get(line.strip(), line.lstrip())
        lines.append(indent(block.rstrip(), line[: len(line) - len(line.lstrip())]))
    return "\n".join(lines)


UNARY = _expanded("""
def {identifier}({signature}):
    if type(x) is Tensor{guard}:
        world = x.world
        xp = world.xp
        v = x.value
        CALL
        edges = ((x.node, rule_0{saved}),)
        RECORD
    if type(x) is Dual and {pushes}{guard} and x.world.level.open:
        world = x.world
        xp = world.xp
        v = x.value
        CALL
        PUSH
    return apply(operation, (x,), {statics})
""")

BINARY = _expanded("""
def {identifier}(x1, x2, /):
    if type(x1) is Tensor:
        world = x1.world
        xp = world.xp
        v1 = x1.value
        kind = type(x2)
        if kind is Tensor:
            v2 = x2.value
            if x2.world is world and v1.dtype is v2.dtype:
                CALL
                if {alike}:
                    edges = (x1.node, rule_0{saved_0}), (x2.node, rule_1{saved_1})
                else:
                    edges = (
                        (x1.node, restore, rule_0, v1.shape, v1.dtype{saved_0}),
                        (x2.node, restore, rule_1, v2.shape, v2.dtype{saved_1}),
                    )
                RECORD
        elif kind is float or kind is int:
            v2 = x2
            CALL
            edges = ((x1.node, rule_0{saved_0}),)
            RECORD
        elif kind is type(v1) and kind not in deep and v1.dtype is x2.dtype:
            v2 = {kept_2}
            if v2 is not None:
                CALL
                if {alike}:
                    edges = ((x1.node, rule_0{saved_0}),)
                else:
                    edges = ((x1.node, restore, rule_0, v1.shape, v1.dtype{saved_0}),)
                RECORD
    elif type(x2) is Tensor:
        world = x2.world
        xp = world.xp
        v2 = x2.value
        kind = type(x1)
        if kind is float or kind is int:
            v1 = x1
            CALL
            edges = ((x2.node, rule_1{saved_1}),)
            RECORD
        if kind is type(v2) and kind not in deep and v2.dtype is x1.dtype:
            v1 = {kept_1}
            if v1 is not None:
                CALL
                if {alike}:
                    edges = ((x2.node, rule_1{saved_1}),)
                else:
                    edges = ((x2.node, restore, rule_1, v2.shape, v2.dtype{saved_1}),)
                RECORD
    elif {pushes}:
        if type(x1) is Dual and x1.world.level.open:
            world = x1.world
            xp = world.xp
            v1 = x1.value
            kind = type(x2)
            if kind is Dual:
                v2 = x2.value
                if x2.world is world and v1.dtype is v2.dtype:
                    CALL
                    PUSH_BOTH
            elif kind is float or kind is int:
                v2 = x2
                CALL
                PUSH_0
            elif kind is type(v1) and kind not in deep and v1.dtype is x2.dtype:
                v2 = x2
                CALL
                PUSH_0
        elif type(x2) is Dual and x2.world.level.open:
            world = x2.world
            xp = world.xp
            v2 = x2.value
            kind = type(x1)
            if kind is float or kind is int:
                v1 = x1
                CALL
                PUSH_1
            elif kind is type(v2) and kind not in deep and v2.dtype is x1.dtype:
                v1 = x1
                CALL
                PUSH_1
    return apply(operation, (x1, x2), ())
""")

PLAIN = """
def {identifier}({signature}):
    return apply(operation, {arguments}, {statics})
"""

EMIT = """
def {identifier}(xp, {parameters}):
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
        source = f"\ndef {operation.identifier}(xp, *values):\n"
        source += f"    *{arrays}{rest} = values\n"
        return source + f"    return xp.{operation.name}({call})\n"
    return EMIT.format(
        identifier=operation.identifier,
        name=operation.name,
        parameters=parameters,
        call=call,
    )


def _saved(rule: Rule | None, spelling: dict[str, str]) -> str | None:
    """Return the tail of an edge: what the rule named, as a template spells it.

    None where a template has no spelling for it, or there is no rule.
    """
    if rule is None or not set(rule.names) <= set(spelling):
        return None
    return "".join(f", {spelling[name]}" for name in rule.names)


def _function_source(operation: Operation) -> str:
    """Return the source of what users call, from the template that fits."""
    positional = [
        p.name
        for p in operation.signature.parameters.values()
        if p.kind is p.POSITIONAL_ONLY
    ]
    if operation.result is not None or _may_change_kind(operation):
        source = None
    elif operation.arguments == ("x",) and positional == ["x"]:
        source = _unary_source(operation)
    elif operation.arguments == ("x1", "x2") and not operation.statics:
        source = _binary_source(operation)
    else:
        source = None
    (first, *_) = operation.arguments or ("",)
    return source or PLAIN.format(
        identifier=operation.identifier,
        signature=_signature_source(operation),
        arguments=f"tuple({first})"
        if operation.variadic
        else _tuple(operation.arguments),
        statics=_tuple(operation.statics),
    )


def _may_change_kind(operation: Operation) -> bool:
    """Say whether real arguments may give what is no real Tensor: ``fft.rfft``."""
    outside = bool(operation.extension) and not operation.elementwise
    return outside or operation.constant_on_reals


def _unary_source(operation: Operation) -> str | None:
    spelling = {"x": "v", "x_shape": "v.shape", "y": "y"}
    spelling |= {name: name for name in operation.statics}
    saved = _saved(operation.vjp[0], spelling)
    if saved is None:
        return None
    return UNARY.format(
        identifier=operation.identifier,
        signature=_signature_source(operation),
        guard=" and dtype is None" if "dtype" in operation.statics else "",
        call=f"xp.{operation.name}({_call_source(operation, x='v')})",
        values=", ".join(("x", *operation.statics)) + ",",
        saved=saved,
        statics=_tuple(operation.statics),
        **_pushes(operation, spelling),
    )


def _binary_source(operation: Operation) -> str | None:
    spelling = {"x1": "v1", "x2": "v2", "y": "y"}
    saved_0 = _saved(operation.vjp[0], spelling | {"x1_shape": "v1.shape"})
    saved_1 = _saved(operation.vjp[1], spelling | {"x2_shape": "v2.shape"})
    if saved_0 is None or saved_1 is None:
        return None
    # Whether the arguments are such that no cotangent has to be summed back.
    alike = "len(v1.shape) == len(v2.shape) == 2"
    if operation.elementwise:
        alike = "v1.shape == v2.shape"
    kept = {
        name: f"xp.copy_of_small({name})" if name in operation.kept else name
        for name in operation.arguments
    }
    return BINARY.format(
        identifier=operation.identifier,
        call=f"xp.{operation.name}(v1, v2)",
        values="x1, x2",
        alike=alike,
        saved_0=saved_0,
        saved_1=saved_1,
        kept_1=kept["x1"],
        kept_2=kept["x2"],
        **_pushes(operation, spelling),
    )


def _pushes(operation: Operation, spelling: dict[str, str]) -> dict[str, Any]:
    """Return the calls of the rules of forward mode, and whether there are all."""
    table: dict[str, Any] = {"name": operation.name}
    table["pushes"] = operation.takes_complex  # where not, complex numbers raise
    names = ("push",) if len(operation.jvp) == 1 else ("push_0", "push_1")
    for k, (name, rule) in enumerate(zip(names, operation.jvp, strict=True)):
        tangent = "x.tangent" if name == "push" else f"x{k + 1}.tangent"
        saved = _saved(rule, spelling)
        table["pushes"] &= saved is not None
        table[name] = f"plain(jvp_{k}(xp, {tangent}{saved}))"
    return table


def public_function(operation: Operation) -> Function:
    """Write what users call."""
    scope = {
        "operation": operation,
        "apply": apply,
        "note": note_call,
        "restore": restore,
        "Tensor": Tensor,
        "Dual": Dual,
        "plain": plain,
        "deep": frozenset({Batched, ComplexTensor, Dual, Recorded, Watched}),
        "nodes": new_nodes,
        "new": new,
        "ids": node_ids,
    }
    return _written(operation, _function_source, scope)


def emit_function(operation: Operation) -> Function:
    """Write ``emit(xp, *arguments, *statics)``, the call of the library."""
    return _written(operation, _emit_source, {}, below=1)


def _written(
    operation: Operation,
    write: Callable[[Operation], str],
    scope: dict[str, Any],
    below: int = 0,
) -> Function:
    """Return a function that is written and compiled when it is first called.

    Compiling all of them would be a third of the import, and most programs call few.
    """
    place = operation.declaration.__code__

    def complete() -> None:
        made = _compiled(operation, write(operation), scope)
        function.__defaults__, function.__kwdefaults__ = (
            made.__defaults__,
            made.__kwdefaults__,
        )
        function.__code__ = made.__code__.replace(
            co_firstlineno=place.co_firstlineno + below,
            co_linetable=_one_line(len(made.__code__.co_code) // 2),
        )

    scope |= {"__name__": __name__, "complete": complete}  # errors look further then
    code = _first_call.__code__.replace(
        co_name=operation.identifier,
        co_qualname=operation.identifier,
        co_filename=place.co_filename,
        co_firstlineno=place.co_firstlineno + below,
    )
    function = FunctionType(code, scope, operation.identifier)
    scope["function"] = function
    return function


def _first_call(*arguments: Any, **keywords: Any) -> Any:
    """Write the function, and call it: the code of all until then."""
    complete()  # type: ignore[name-defined]  # noqa: F821 (in each one's scope)
    return function(*arguments, **keywords)  # noqa: F821


def _compiled(operation: Operation, source: str, scope: dict[str, Any]) -> FunctionType:
    """Compile a function whose names are looked up in a scope."""
    for name, rules in (("rule", operation.vjp), ("jvp", operation.jvp)):
        scope |= {f"{name}_{k}": r.function for k, r in enumerate(rules) if r}
    parameters = operation.signature.parameters.values()
    scope |= {f"default_{p.name}": p.default for p in parameters}
    made: dict[str, FunctionType] = {}
    exec(
        compile(source, operation.declaration.__code__.co_filename, "exec"), scope, made
    )
    return made[operation.identifier]


def _one_line(units: int) -> bytes:
    """Return a line table that puts all instructions on a function's first line.

    One entry for up to eight code units: kind 13, "no column", and a line delta of 0
    (CPython, Objects/locations.md).
    """
    lengths = [min(8, units - k) for k in range(0, units, 8)]
    return b"".join(bytes((0x80 | 13 << 3 | n - 1, 0)) for n in lengths)
