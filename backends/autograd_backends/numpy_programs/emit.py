"""Writing a program as a function of NumPy: straight-line, with buffers, for people."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Sequence
from typing import Any

from autograd_backends.numpy_programs.buffers import ALWAYS, Plan, Unit, View
from autograd_backends.numpy_programs.calls import Call, Function, Known, Number
from autograd_core.programs.naming import literal, names_of
from autograd_core.programs.program import Guard, Program, Variable, guards_of

WIDTH = 60
"""The column at which comments begin."""

RESERVED = ("numpy", "workspaces", "workspace", "arrays", "GuardError", "own", "i", "j")

OWN = '''\
def own(y, *arrays):
    """Return a result that shares no memory with arrays."""
    shared = any(numpy.may_share_memory(y, x) for x in arrays)
    return y.copy("K") if shared else y
'''


class Writer:
    """Writes one program.

    Attributes
    ----------
    bound
        Objects that the source calls by a name and that no import finds.
    """

    def __init__(
        self, program: Program, units: Sequence[Unit], plan: Plan, known: Known
    ) -> None:
        self.program, self.units, self.plan, self.known = program, units, plan, known
        self.taken = {v.name for v in program.inputs} | set(RESERVED)
        self.bound: dict[str, Any] = {}
        self.functions: dict[Function, str] = {}
        self.numbers: dict[Number, str] = {}
        self.views: dict[View, str] = {}
        for call in calls_in(units):
            self._name_parts(call)
        self._name_views()
        self.variables = names_of(program, self.taken)

    # ---- names

    def _name_parts(self, call: Call) -> None:
        """Give names to what a call is made of beside variables."""
        function = call.function
        if function is not None and function not in self.functions:
            parts = function.path.split(".")
            last = "_".join(parts[-2:]) if parts[-1] == "reduce" else parts[-1]
            name = self.functions[function] = self.free(last)
            if function.value is not None:
                self.bound[name] = function.value
        for x in call.operands:
            if isinstance(x, Number) and x not in self.numbers:
                self.numbers[x] = self.free(_name_of_number(x.text))

    def _name_views(self) -> None:
        for view in dict.fromkeys(self.plan.views.values()):
            self.views[view] = self.free(f"w{len(self.views) + 1}")

    def free(self, base: str) -> str:
        """Return an identifier that is not taken, and take it."""
        name, number = base, 1
        while name in self.taken or keyword.iskeyword(name):
            number += 1
            name = f"{base}_{number}"
        self.taken.add(name)
        return name

    def operand(self, x: Any) -> str:
        """Return the source of an operand."""
        if isinstance(x, Variable):
            return self.variables[x]
        return self.numbers[x] if isinstance(x, Number) else literal(x, str)

    # ---- the whole

    def source(self) -> str:
        """Return the module."""
        body = [*self._take(), *self._body(), *self._end()]
        parameters = [self.variables[v] for v in self.program.inputs]
        parameters += [self.variables[v] for v in self.program.constants]
        lines = [*self._head(), "", ""]
        lines.append(f"def {self.title}({', '.join(parameters)}):")
        lines += [f"    {line}" if line else "" for line in [*self._doc(), *body]]
        return "\n".join(lines) + "\n"

    @property
    def title(self) -> str:
        """The function's name."""
        name = self.program.name
        plain = name.isidentifier() and name.isascii() and not keyword.iskeyword(name)
        return name if plain and name not in self.taken else "program"

    def _doc(self) -> list[str]:
        held = [*self.program.inputs, *self.program.constants]
        types = [f"{self.variables[v]}: {v.type}" for v in held]
        if not types:
            return []
        return ['"""Take', *(f"{text}," for text in types), '"""']

    def _head(self) -> list[str]:
        """Return imports, numbers and workspaces."""
        lines = ["import numpy"]
        imports = {f.path: name for f, name in self.functions.items() if not f.value}
        for home, names in _by_home(imports):
            lines.append(f"from {home} import {', '.join(names)}")
        lines.append("")
        for path, name in sorted(imports.items()):
            if path.endswith(".reduce"):
                lines.append(f"{name} = {path}")
        for number, name in self.numbers.items():
            lines.append(f"{name} = numpy.asarray({number.text}, {number.dtype!r})")
        for name in self.bound:
            lines.append(f"# {name}: of autograd-core, has no plain form in NumPy")
        if self._copies_results():
            lines += ["", "", *OWN.rstrip().splitlines()]
        if self.views:
            lines += ["", *self._workspace()]
        return lines

    def _workspace(self) -> list[str]:
        lines = [
            "workspaces = []  # a call takes one, and puts it back",
            "",
            "",
            "def workspace():",
        ]
        names = {}
        for number, buffer in enumerate(self.plan.pool.buffers, 1):
            names[buffer] = f"memory_{number}"
            size = max(buffer.nbytes, 1)
            lines.append(f"    {names[buffer]} = numpy.empty({size}, 'uint8')")
        lines.append("    return (")
        for view in self.views:
            strides = "" if view.strides is None else f", 0, {view.strides}"
            array = f"{view.shape}, {view.dtype!r}, {names[view.buffer]}{strides}"
            lines.append(f"        numpy.ndarray({array}),")
        return [*lines, "    )"]

    def _take(self) -> list[str]:
        if not self.views:
            return []
        names = ", ".join(self.views.values())
        return [
            "try:",
            "    arrays = workspaces.pop()",
            "except IndexError:",
            "    arrays = workspace()",
            f"{names}{',' if len(self.views) == 1 else ''} = arrays",
        ]

    def _body(self) -> list[str]:
        lines = []
        guards = guards_of(self.program)
        for variable in (*self.program.inputs, *self.program.constants):
            lines += self._guards(guards.get(variable, ()))
        for k, unit in enumerate(self.units):
            lines += self.unit(unit)
            for results, _ in unit.writes:
                for variable in results:
                    lines += self._guards(guards.get(variable, ()))
            dead = [self.variables[v] for v in self.plan.dead.get(k, ())]
            if dead:
                lines.append(f"del {', '.join(dead)}")
        return lines

    def unit(self, unit: Unit) -> list[str]:
        """Return the lines of a unit."""
        ((results, call),) = unit.writes
        targets = ", ".join(self.variables[v] for v in results)
        several = "," if len(results) == 1 and call.several else ""
        return [_commented(f"{targets}{several} = {self.call(results, call)}", unit)]

    def call(self, results: Sequence[Variable], call: Call) -> str:
        """Return the source of a call."""
        view = self.plan.views.get(results[0])
        text = call.text if view is None or call.into is None else call.into
        function = "" if call.function is None else self.functions[call.function]
        out = "" if view is None else self.views[view]
        return text.format(*map(self.operand, call.operands), f=function, out=out)

    def _guards(self, guards: Sequence[Guard]) -> list[str]:
        lines = []
        for guard in guards:
            name, kind = self.variables[guard.variable], type(guard.answer).__name__
            differs = "is not" if kind == "bool" else "!="
            where = f" ({guard.line})" if guard.line else ""
            what = f"{kind}({name}) was {guard.answer} when this was recorded{where}"
            lines.append(f"if {kind}({name}) {differs} {guard.answer}:")
            lines.append(f"    raise GuardError({what!r})")
        return lines

    # ---- results

    def _copies_results(self) -> bool:
        return any("own(" in line for line in self._end())

    def _end(self) -> list[str]:
        """Return the last lines: results share no memory with anything."""
        lines = ["workspaces.append(arrays)"] if self.views else []
        given: list[Variable] = []
        texts = []
        for y in self.program.outputs:
            texts.append(self._result(y, given))
            if isinstance(y, Variable):
                given.append(y)
        whole = texts[0] if len(texts) == 1 else f"({', '.join(texts)})"
        return [*lines, f"return {whole}"]

    def _result(self, y: Any, given: Sequence[Variable]) -> str:
        if not isinstance(y, Variable):
            try:
                return literal(y, str)
            except TypeError:  # whatever the user's code returns beside arrays
                name = self.free("value")
                self.bound[name] = y
                return name
        name, roots = self.variables[y], self.plan.roots
        outside = {*self.program.inputs, *self.program.constants}
        others = [v for v in given if roots[v] & roots[y]]
        if roots[y] == {y} and not others and y not in outside:
            return name
        if len(roots[y]) == 1 and not others and not roots[y] & outside:
            strides = self.known[y]
            if strides is not None and all(strides):
                return name
        if y in roots[y] - outside:  # new, or a view of something, as NumPy likes
            shared = {*(roots[y] - {y}), *others}
            found = [name for v, name in self.variables.items() if v in shared]
            return f"own({', '.join([name, *found])})"
        return f"{name}.copy('K')"


def calls_in(units: Iterable[Unit]) -> Iterable[Call]:
    """Yield the calls of units."""
    for unit in units:
        for _, call in unit.writes:
            yield call


def _commented(line: str, unit: Unit) -> str:
    return f"{line:<{WIDTH}}  # {unit.line}" if unit.line else line


def _by_home(imports: dict[str, str]) -> list[tuple[str, list[str]]]:
    """Return from which modules which names are imported."""
    homes: dict[str, list[str]] = {}
    for path, name in sorted(imports.items()):
        home, _, last = path.rpartition(".")
        if last != "reduce":
            text = last if last == name else f"{last} as {name}"
            homes.setdefault(home, []).append(text)
    return sorted(homes.items())


def _name_of_number(text: str) -> str:
    """Return an identifier that reads like a number: ``c_minus_0p5``."""
    plain = re.sub(r"\W", "_", text.replace("-", "minus_").replace(".", "p"))
    return "c_" + plain.removesuffix("p0")


__all__ = ["ALWAYS", "Writer"]
