"""Running a program on any library: its calls, one after the other, without a detour.

The calls are written as a Python function of the library's own functions and compiled:
no dispatch, no lookup by name, and each value is let go where it is used last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

from autograd_core.backend import Backend
from autograd_core.library import SCALARS
from autograd_core.programs.naming import literal
from autograd_core.programs.program import (
    DEVICE,
    DType,
    Guard,
    Instruction,
    Program,
    Variable,
    converted,
    device_of,
    guards_of,
    last_uses,
    require_guards,
)

LONGEST = 20_000
"""Instructions up to which it is compiled, which takes 11 us and 4 KB for each."""


def straight_line(program: Program, xp: Backend) -> Callable[[Sequence[Any]], Any]:
    """Return a function of arrays of a library, one for each input of a program."""
    if len(program) > LONGEST:
        return program.evaluate
    return _Writer(program, xp).compiled()


class _Writer:
    """Writes the function of one program for one library."""

    def __init__(self, program: Program, xp: Backend) -> None:
        self.program, self.xp = program, xp
        self.names: dict[Variable, str] = {}
        self.scope: dict[str, Any] = {}
        self.lines: list[str] = []

    def compiled(self) -> Callable[[Sequence[Any]], Any]:
        """Write the function and compile it."""
        program, guards = self.program, guards_of(self.program)
        last, inputs = last_uses(program), [self.name(v) for v in program.inputs]
        if inputs:
            self.lines.append(f"({', '.join(inputs)},) = leaves")
        if any(_names_device(each) for each in program.instructions):
            self.bind("device_of", device_of)
            self.lines.append("device = device_of(leaves)")
        for variable, x in program.constants.items():
            self.lines.append(f"{self.name(variable)} = {self.constant(variable, x)}")
        for variable in guards.keys() & {*program.inputs, *program.constants}:
            self.guard(variable, guards[variable])
        for k, instruction in enumerate(program.instructions):
            self.write(instruction)
            for variable in instruction.results:
                self.guard(variable, guards.get(variable, []))
            dead = [self.names[v] for v in last.get(k, ())]
            if dead:
                self.lines.append(f"del {', '.join(dead)}")
        outputs = ", ".join(self.value(y) for y in program.outputs)
        self.lines.append(f"return [{outputs}]")
        source = "def run(leaves):\n    " + "\n    ".join(self.lines)
        made: dict[str, Any] = {}
        exec(compile(source, f"<program {program.name!r}>", "exec"), self.scope, made)
        run: Callable[[Sequence[Any]], Any] = made["run"]
        return run

    def name(self, variable: Variable) -> str:
        """Return the identifier of a variable."""
        return self.names.setdefault(variable, f"v{len(self.names)}")

    def bind(self, name: str, value: Any) -> str:
        """Give the function an object under a name."""
        self.scope[name] = value
        return name

    def constant(self, variable: Variable, x: Any) -> str:
        """Return the source of a constant, read anew in each call if it can change."""
        foreign = not self.xp.owns(x)
        if foreign and variable in self.program.own:
            x, foreign = converted(x, self.xp), False
        name = self.bind(f"held{len(self.scope)}", x)
        if not foreign:
            return name
        convert, to = self.bind("converted", converted), self.bind("xp", self.xp)
        return f"{convert}({name}, {to})"

    def write(self, instruction: Instruction) -> None:
        """Write one call."""
        targets = ", ".join(self.name(v) for v in instruction.results)
        several = "," if isinstance(instruction.result, tuple) else ""
        self.lines.append(f"{targets}{several} = {self.call(instruction)}")

    def call(self, instruction: Instruction) -> str:
        """Return the source of a call."""
        operation = instruction.declared  # libraries have defaults of their own
        positional, named = operation.written(
            instruction.arguments,
            instruction.statics,
            brief=operation.is_composite,
        )
        texts = [self.value(x) for x in positional]
        texts += [f"{name}={self.value(x)}" for name, x in named.items()]
        return f"{self.function(instruction)}({', '.join(texts)})"

    def function(self, instruction: Instruction) -> str:
        """Return the name of the library's function of an operation."""
        operation = instruction.declared
        arguments = instruction.arguments
        if arguments and all(type(x) in SCALARS for x in arguments):
            return self.bind(f"ours_{operation.identifier}", operation.function)
        name = "f_" + operation.name.replace(".", "_")
        return self.bind(name, attrgetter(operation.name)(self.xp))

    def value(self, value: Any) -> str:
        """Return the source of a parameter."""
        if isinstance(value, Variable):
            return self.name(value)
        if isinstance(value, DType):
            return self.bind(f"dtype_{value}", self.xp.dtype(str(value)))
        if type(value) is tuple:
            parts = [self.value(part) for part in value]
            return f"({''.join(f'{part}, ' for part in parts)})"
        try:
            return literal(value, self.name)
        except TypeError:  # what the user's code returns beside arrays
            return self.bind(f"object{len(self.scope)}", value)

    def guard(self, variable: Variable, guards: Sequence[Guard]) -> None:
        """Write the checks of a value."""
        if not guards:
            return
        name = self.names[variable]
        held = self.bind(f"guards{len(self.scope)}", tuple(guards))
        check = self.bind("require_guards", require_guards)
        program = self.bind("program", self.program)
        self.lines.append(f"{check}({program}, {held}, {name})")


def _names_device(instruction: Instruction) -> bool:
    return any(value is DEVICE for value in instruction.statics.values())
