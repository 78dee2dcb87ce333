"""Writing a program as a function of NumPy: straight-line, with buffers, for people."""

from __future__ import annotations

import inspect
import keyword
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from textwrap import fill
from typing import Any

from autograd_backends.numpy_programs import runtime
from autograd_backends.numpy_programs.buffers import Buffer, Loop, Plan, Unit, View
from autograd_backends.numpy_programs.calls import Call, Function, Held, Known, Number
from autograd_backends.numpy_programs.layout import is_row_major
from autograd_core.errors import error
from autograd_core.graph import Array
from autograd_core.programs import expressions
from autograd_core.programs.emission import (
    Module,
    constant_source,
    in_docstring,
    no_literal,
    on_host,
    printable,
    shape_text,
)
from autograd_core.programs.expressions import Expression
from autograd_core.programs.naming import literal, names_of
from autograd_core.programs.program import Guard, Program, Variable, guards_of

LARGE = 128 << 10
"""Bytes of a result for which memory is asked by name, so that it can be used again."""

WIDTH = 46
"""The column at which comments begin."""

MOST = 88
"""Characters of a line."""

HELPERS = (
    *("own", "pad_index", "index_add", "masked", "chosen"),
    *("rows", "halves", "pairwise", "in_tiles", "in_threads"),
)
"""Functions of the module `runtime`, in the order in which they are written."""

RESERVED = (
    *HELPERS,
    *("numpy", "empty", "GuardError", "ThreadPoolExecutor", "copy_context"),
    *("workspaces", "workspace", "arrays", "i", "j"),
)
"""Names that the source uses for something else."""


class Writer:
    """Writes one program.

    Attributes
    ----------
    bound
        Objects that the source calls by a name and that no import finds.
    written
        The arrays that stand in the source, where it is to run alone.
    """

    def __init__(
        self,
        program: Program,
        units: Sequence[Unit],
        plan: Plan,
        known: Known,
        alone: bool = False,
    ) -> None:
        self.program, self.units, self.plan, self.known = program, units, plan, known
        self.alone = alone
        self.taken = {v.name for v in program.inputs} | set(RESERVED)
        self.bound: dict[str, Any] = {}
        self.functions: dict[Function, str] = {}
        self.numbers: dict[Number, str] = {}
        self.views: dict[View, str] = {}
        self.loops: list[str] = []
        self.helpers: set[str] = set()
        for call in calls_in(units):
            self._name_parts(call)
        self._name_views()
        self.variables = names_of(program, self.taken)
        self.taken |= set(self.variables.values())
        for variable in program.inputs:  # which are given by position
            if variable.name in (*RESERVED, *keyword.kwlist):
                self.variables[variable] = self.free(f"{variable.name}_")
        self.written: dict[Variable, Expression] = {}
        for variable, x in program.constants.items() if alone else ():
            found = held_source(on_host(x))
            if found is not None:
                self.written[variable] = found

    # ---- names

    def _name_parts(self, call: Call) -> None:
        """Give names to what a call is made of beside variables."""
        function = call.function
        if function is not None and function not in self.functions:
            parts = function.path.split(".")
            last = "_".join(parts[-2:]) if parts[-1] == "reduce" else parts[-1]
            own = function.path.startswith("runtime.")
            name = self.functions[function] = last if own else self.free(last)
            if own:
                self.helpers.add(last)
            elif function.value is not None:
                self.bound[name] = function.value
        for x in call.operands:
            if isinstance(x, Number) and x not in self.numbers:
                self.numbers[x] = self.free(_name_of_number(x.text))

    def _name_views(self) -> None:
        views = [*self.plan.views.values(), *self.plan.rooms.values()]
        for unit in self.units:
            if unit.loop is not None:
                views += [view for tile in unit.loop.tiles for view in tile]
        for view in dict.fromkeys(views):
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
        if isinstance(x, Held):
            return self.bind("value", x.value)
        return self.numbers[x] if isinstance(x, Number) else literal(x, str)

    def bind(self, base: str, value: Any) -> str:
        """Give the source an object under a name."""
        if self.alone:
            raise no_literal(value)
        name = self.free(base)
        self.bound[name] = value
        return name

    # ---- the whole

    def module(self, beside: str = "") -> Module:
        """Return the module, and what its function takes beside the inputs.

        These arrays will be in a file, of which the module gives the name.
        """
        ours = {
            f.path.removeprefix("autograd_core.ops.")
            for f in self.functions
            if f.value is not None and not f.path.startswith("runtime.")
        }
        if ours:
            raise error(
                NotImplementedError,
                "source",
                "target 'numpy' writes calls of NumPy and SciPy only",
                f"a program with {', '.join(sorted(ours))}",
                "Use target='xp', which writes more of them, or run the program here.",
            )
        arrays = self.program.constants
        given = {self.variables[v]: on_host(arrays[v]) for v in self.given}
        return Module(self.source(beside), given)

    @property
    def given(self) -> list[Variable]:
        """The arrays of the program that are given to its function."""
        return [v for v in self.program.constants if v not in self.written]

    def source(self, beside: str = "") -> str:
        """Return the text of the module."""
        body = [*self._doc(beside), *self._take(), *self._body(), *self._end()]
        parameters = [self.variables[v] for v in (*self.program.inputs, *self.given)]
        lines = [*self._head(), "", "", *self._helpers(), *self.loops]
        lines += filled(f"def {self.title}(", parameters, "):")
        lines += [f"    {line}" if line else "" for line in body]
        return "\n".join(lines) + "\n"

    @property
    def title(self) -> str:
        """The function's name."""
        name = self.program.name
        plain = name.isidentifier() and name.isascii() and not keyword.iskeyword(name)
        return name if plain and name not in self.taken else "program"

    def _doc(self, beside: str) -> list[str]:
        said = (
            [f"Of {self._types(self.program.inputs)}."] if self.program.inputs else []
        )
        if self.given:
            where = f", as in {beside}" if beside else ""
            said.append(f"The program holds {self._types(self.given)}{where}.")
        if not said:
            return []
        text = fill(in_docstring(" ".join(said)), MOST - 8, break_long_words=False)
        one_line = "\n" not in text
        return (
            f'"""{text}"""'.splitlines()
            if one_line
            else [
                *f'"""{text}'.splitlines(),
                '"""',
            ]
        )

    def _types(self, variables: Sequence[Variable]) -> str:
        return ", ".join(f"{self.variables[v]}: {v.type}" for v in variables)

    def _head(self) -> list[str]:
        """Return imports, numbers and workspaces."""
        lines = [
            f'"""{self.title}, as a program of NumPy that autograd-core wrote."""',
            "",
        ]
        if "in_threads" in self.helpers:
            lines.append("from concurrent.futures import ThreadPoolExecutor")
            lines += ["from contextvars import copy_context", ""]
        lines.append("import numpy")
        imports = {
            f.path: name
            for f, name in self.functions.items()
            if f.value is None and not f.path.startswith("runtime.")
        }
        if "empty" in self.helpers:
            imports["numpy.empty"] = "empty"
        for home, names in _by_home(imports):
            one_line = f"from {home} import {', '.join(names)}"
            several = filled(f"from {home} import (", names, ")")
            lines += [one_line] if len(one_line) <= MOST else several
        lines.append("")
        for path, name in sorted(imports.items()):
            if path.endswith(".reduce"):
                lines.append(f"{name} = {path}")
        for number, name in self.numbers.items():
            lines.append(f'{name} = numpy.asarray({number.text}, "{number.dtype}")')
        for variable, x in self.written.items():
            lines += expressions.lines(f"{self.variables[variable]} = ", x)
        for name in self.bound:
            lines.append(f"# {name}: of autograd-core, without a plain form in NumPy")
        if self.program.guards:
            lines.append("GuardError = ValueError  # recorded for other values")
        if self.views:
            lines += ["", *self._workspace()]
        return lines

    def _helpers(self) -> list[str]:
        """Return the functions that loops need."""
        lines = []
        for name in HELPERS:
            if name in self.helpers:
                lines += inspect.getsource(getattr(runtime, name)).splitlines()
                lines += ["", ""]
        return lines

    def _workspace(self) -> list[str]:
        lines = [
            "workspaces = []  # a call takes one, and puts it back",
            "",
            "",
            "def workspace():",
        ]
        shared = Counter(view.buffer for view in self.views)
        names: dict[Buffer, str] = {}
        for buffer in self.plan.pool.buffers:
            if shared[buffer] > 1:
                names[buffer] = f"memory_{len(names) + 1}"
                lines.append(
                    f'    {names[buffer]} = numpy.empty({buffer.nbytes}, "uint8")'
                )
        lines.append("    return (")
        for view in self.views:
            dtype = f'"{view.dtype}"'
            if view.strides is not None:
                room = names.get(view.buffer, "None")
                array = f"ndarray({view.shape}, {dtype}, {room}, 0, {view.strides})"
            elif view.buffer in names:
                array = f"ndarray({view.shape}, {dtype}, {names[view.buffer]})"
            else:
                array = f"empty({view.shape}, {dtype})"
            lines.append(f"        numpy.{array},")
        return [*lines, "    )"]

    def _take(self) -> list[str]:
        if not self.views:
            return []
        return [
            "try:",
            "    arrays = workspaces.pop()",
            "except IndexError:",
            "    arrays = workspace()",
            *filled("(", [*self.views.values()], ") = arrays", always=True),
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
        if unit.loop is not None:
            return self.loop(unit.loop)
        ((results, call),) = unit.writes
        targets = ", ".join(self.variables[v] for v in results)
        several = "," if len(results) == 1 and call.several else ""
        return [_noted(f"{targets}{several} = {self.call(results, call)}", unit.line)]

    def call(self, results: Sequence[Variable], call: Call) -> str:
        """Return the source of a call."""
        y = results[0]
        view, out = self.plan.views.get(y), ""
        if view is not None:
            out = self.views[view]
        elif call.into and y.nbytes >= LARGE and is_row_major(y, self.known[y]):
            out = self._fresh(y)
        text = call.into if out and call.into else call.text
        function = "" if call.function is None else self.functions[call.function]
        room = self.views[self.plan.rooms[y]] if call.room else ""
        operands = map(self.operand, call.operands)
        return text.format(*operands, f=function, out=out, room=room)

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

    # ---- loops over tiles

    def loop(self, loop: Loop) -> list[str]:
        """Return the lines that run a loop, and write its function."""
        name = self.free("loop")
        slices, parts = self.free(f"{name}_slices"), self.free(f"{name}_parts")
        lines = [self._array_for(y) for y in loop.visible if y not in loop.full]
        self.loops += [*self._function(name, loop), "", ""]
        if loop.full:
            cut = f"halves(0, {loop.length}, {loop.rows}, {loop.width})"
        else:
            cut = f"rows({loop.length}, {loop.rows})"
        self.loops += [f"{slices} = {cut}", "", ""]
        arrays = [self._cut(y, loop) for y in self._arrays(loop)]
        tiles = [
            f"({', '.join(map(self.views.__getitem__, t))}{',' * (len(t) == 1)})"
            for t in loop.tiles
        ]
        if not loop.rooms:
            tiles = ["()" for _ in tiles]
        over = "in_threads" if len(tiles) > 1 else "in_tiles"
        given = f"({', '.join(tiles)})" if len(tiles) > 1 else tiles[0]
        self.helpers |= {over, "halves" if loop.full else "rows"}
        target = f"{parts} = " if loop.full else ""
        lines += filled(f"{target}{over}(", [name, slices, given, *arrays], ")")
        if not loop.full:
            return lines
        self.helpers.add("pairwise")
        rest = f"{loop.length}, {loop.rows}, {loop.width}"
        for k, y in enumerate(loop.full):
            which = parts if len(loop.full) == 1 else f"(p[{k}] for p in {parts})"
            lines.append(f"{self.variables[y]} = pairwise(iter({which}), {rest})")
        return lines

    def _array_for(self, y: Variable) -> str:
        """Return the line that takes the array which a loop fills."""
        view = self.plan.views.get(y)
        array = self._fresh(y) if view is None else self.views[view]
        return f"{self.variables[y]} = {array}"

    def _fresh(self, y: Variable) -> str:
        """Return the source of an array for a result."""
        self.helpers.add("empty")
        return f'empty({y.shape}, "{y.dtype}")'

    def _arrays(self, loop: Loop) -> list[Variable]:
        """Return the arrays that a loop is given."""
        written = [y for y in loop.visible if y not in loop.full]
        written += [y for y in loop.leading if y not in loop.visible]
        return [*loop.reads, *written]

    def _cut(self, x: Variable, loop: Loop) -> str:
        """Return an array as a loop takes it: in the order of memory, if it is flat."""
        name = self.variables[x]
        if x in loop.leading:
            (summed,) = next(c for y, c in loop.members if y is x).operands
            return name if len(x.shape) < len(summed.shape) else f"{name}[0]"
        if not loop.flat or not x.shape:
            return name
        if x not in loop.cut and x not in loop.visible:
            return f"{name}.reshape(-1)[:1]"
        return name if len(x.shape) == 1 else f"{name}.reshape(-1)"

    def _function(self, name: str, loop: Loop) -> list[str]:
        """Return the function that computes one tile."""
        rooms = {place: f"t{k}" for k, place in enumerate(loop.rooms, 1)}
        taken = {self.variables[x] for x in self._arrays(loop)}
        while taken & set(rooms.values()):
            rooms = {place: f"{room}_" for place, room in rooms.items()}
        arrays = [self.variables[x] for x in self._arrays(loop)]
        count, kind = len(loop.members), "elements" if loop.flat else "rows"
        lines = [
            *filled(f"def {name}(", ["i", "j", *rooms.values(), *arrays], "):"),
            f'    """Compute {count} results of {kind} i to j."""',
        ]
        cut = loop.cut | {*loop.visible} - {*loop.leading}
        names = [self.variables[x] for x in self._arrays(loop) if x in cut]
        lines += [f"    {x} = {x}[i:j]" for x in names]
        lines += [f"    {room} = {room}[: j - i]" for room in rooms.values()]
        for y, call in loop.members:
            lines.append("    " + _noted(self._member(y, call, loop, rooms), y.line))
        if loop.full:
            sums = ", ".join(self.variables[y] for y in loop.full)
            lines.append(f"    return {sums}")
        return lines

    def _member(
        self, y: Variable, call: Call, loop: Loop, rooms: dict[View, str]
    ) -> str:
        """Return the line of one call."""
        name = self.variables[y]
        function = "" if call.function is None else self.functions[call.function]
        operands = [self.operand(x) for x in call.operands]
        if y in loop.leading:
            (x,) = operands
            more = f"{x} if i == 0 else numpy.concatenate(({name}[None], {x}))"
            return f"{function}({more}, 0, None, {name})"
        if y in loop.full:  # of all elements, whatever their axes were
            return f"{name} = {function}({operands[0]}, None)"
        if y in loop.places:
            out = rooms[loop.places[y]]
        elif y in loop.visible:
            out = name
        else:
            out = ""
        if not out or call.into is None:
            target = f"{name}[...]" if out else name
            return f"{target} = {call.text.format(*operands, f=function)}"
        room = rooms[loop.between[y]] if call.room else ""
        return f"{name} = {call.into.format(*operands, f=function, out=out, room=room)}"

    # ---- results

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
                return self.bind("value", y)
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
            self.helpers.add("own")
            return f"own({', '.join([name, *found])})"
        return f"{name}.copy('K')"


def calls_in(units: Iterable[Unit]) -> Iterable[Call]:
    """Yield the calls of units."""
    for unit in units:
        for _, call in unit.writes if unit.loop is None else unit.loop.members:
            yield call


def held_source(x: Array) -> Expression | None:
    """Return an array as source with its layout, None if it is too large for that."""
    if x.flags.c_contiguous:
        return constant_source(x, "numpy")
    if x.flags.f_contiguous:
        turned = constant_source(x.T, "numpy")
        return None if turned is None else expressions.attribute(turned, "T")
    once = [slice(0, 1) if step == 0 else slice(None) for step in x.strides]
    core = x[tuple(once)]
    found = constant_source(core, "numpy") if core.flags.c_contiguous else None
    if found is None or core.shape == x.shape:
        return None
    shape = shape_text(x.shape)
    return expressions.call("numpy.broadcast_to", [found, shape])


def _noted(line: str, origin: str) -> str:
    """Return a line with where it comes from."""
    return f"{line:<{WIDTH}}  # {printable(origin)}" if origin else line


def filled(
    head: str, items: Sequence[str], tail: str, always: bool = False
) -> list[str]:
    """Return lines with a list in them, as many items to a line as fit."""
    text = ", ".join(items)
    if len(head) + len(text) + len(tail) <= MOST - 4:
        comma = "," if always and len(items) == 1 else ""
        return [f"{head}{text}{comma}{tail}"]
    inner = fill(f"{text},", MOST - 8, break_long_words=False).splitlines()
    return [head, *(f"    {line}" for line in inner), tail]


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
