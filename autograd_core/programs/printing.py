"""A program as typed straight-line text, for people."""

from __future__ import annotations

from textwrap import indent
from typing import Any

from autograd_core.programs.naming import key_text, literal, names_of
from autograd_core.programs.program import Guard, Instruction, Program, Variable

WIDTH = 48
"""The column at which comments begin."""


def text(program: Program) -> str:
    """Return a program as text, a line for each instruction, with types and lines."""
    names = names_of(program)
    inputs = ", ".join(f"{names[v]}: {v.type}" for v in program.inputs)
    lines = [f"def {program.name}({inputs}):"]
    for variable, x in program.constants.items():
        held = f" = {x}" if variable.size <= 4 else ""
        lines.append(f"    {names[variable]}: {variable.type} is held{held}")
    guards: dict[Variable, list[Guard]] = {}
    for guard in program.guards:
        guards.setdefault(guard.variable, []).append(guard)
    for variable in (*program.inputs, *program.constants):
        lines += [_guard(guard, names) for guard in guards.get(variable, ())]
    for instruction in program.instructions:
        for body in instruction.bodies:
            lines += indent(text(body), "    ").splitlines()
        lines.append(_line(instruction, names))
        for variable in instruction.results:
            lines += [_guard(guard, names) for guard in guards.get(variable, ())]
    outputs = ", ".join(literal_or_repr(y, names) for y in program.outputs)
    lines.append(f"    return {outputs}")
    return "\n".join(lines)


def literal_or_repr(value: Any, names: dict[Variable, str]) -> str:
    """Return a result as text, whatever it is."""
    try:
        return literal(value, names.__getitem__)
    except TypeError:
        return repr(value)


def _line(instruction: Instruction, names: dict[Variable, str]) -> str:
    target = ", ".join(f"{names[v]}: {v.type}" for v in instruction.results)
    line = f"    {target} = {call_text(instruction, names)}"
    origin = instruction.results[0].line
    return f"{line:<{WIDTH}}  # {origin}" if origin else line


def call_text(instruction: Instruction, names: dict[Variable, str]) -> str:
    """Return a call as text."""
    find = names.__getitem__
    if instruction.operation in ("basic_index", "array_index"):
        x = literal(instruction.arguments[0], find)
        return f"{x}[{key_text(instruction.statics['key'], find)}]"
    positional, named = instruction.parameters
    arguments = [literal(x, find, xp="") for x in positional]
    arguments += [
        f"{k}={x.name if isinstance(x, Program) else literal(x, find, xp='')}"
        for k, x in named.items()
    ]
    return f"{instruction.operation}({', '.join(arguments)})"


def _guard(guard: Guard, names: dict[Variable, str]) -> str:
    kind = type(guard.answer).__name__
    line = f"    requires {kind}({names[guard.variable]}) == {guard.answer}"
    return f"{line:<{WIDTH}}  # {guard.line}" if guard.line else line
