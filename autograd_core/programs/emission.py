"""Programs as source that a person would sign, for any library of the standard.

The source is a module with one function of arrays and of ``xp``, the namespace of their
library. It imports nothing, writes to nothing, and asks nothing of a library but the
standard. No text of a user's gets into it but as an identifier, as the literal of a
string, or as one line of printable characters in a comment or docstring.
"""

from __future__ import annotations

import itertools
import keyword
import struct
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from autograd_core import backend, pytree
from autograd_core.errors import describe, error
from autograd_core.graph import Array
from autograd_core.programs.expanding import expanded
from autograd_core.programs.expressions import (
    WIDTH,
    Expression,
    attribute,
    binary,
    bracketed,
    call,
    indexed,
    labelled,
    lines,
    name,
    number,
    quoted,
    unary,
)
from autograd_core.programs.naming import is_identifier, key_text, names_of
from autograd_core.programs.passes import optimise
from autograd_core.programs.program import (
    DEVICE,
    DType,
    Guard,
    Instruction,
    Program,
    Variable,
    guards_of,
    variables_in,
)

OPERATORS = dict(
    zip(
        (
            *("add", "subtract", "multiply", "divide", "floor_divide", "remainder"),
            *("matmul", "pow", "bitwise_left_shift", "bitwise_right_shift"),
            *("bitwise_and", "bitwise_or", "bitwise_xor"),
            *("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"),
        ),
        (
            *("+", "-", "*", "/", "//", "%", "@", "**", "<<", ">>", "&", "|", "^"),
            *("==", "!=", "<", "<=", ">", ">="),
        ),
        strict=True,
    )
)
SIGNS = {"negative": "-", "positive": "+", "bitwise_invert": "~"}

BY_PLACE = {("reshape", "shape"), ("broadcast_to", "shape"), ("permute_dims", "axes")}
"""Parameters that the standard lets one name, and nobody does."""

ARITHMETIC = ("add", "subtract", "multiply", "divide")
"""What a person writes with a number, where an array of equal numbers is recorded."""

BACKWARD = "gradient of "
"""How the lines of a backward pass begin."""

BEFORE_BACKWARD = "The gradient, from the last line to the first."

SMALL = 8
"""How many elements an array has at most whose elements are written."""

LONGEST = 40
"""The length of names that are kept."""

RESERVED = frozenset({"xp", "constants", "special", "device", "add_at", "_"}) | {
    *("loop", "reversed", "range"),
    *("bool", "int", "complex", "slice", "ValueError", "result"),
}
"""Names that the source uses itself."""


@dataclass(frozen=True)
class Module:
    """A program as source.

    Attributes
    ----------
    text
        The source of the module.
    constants
        NumPy arrays by name, which its function is to be given as ``constants``: those
        that are too large for source.
    """

    text: str
    constants: Mapping[str, Array]


def source(
    program: Program, target: str = "xp", *, name: str = "", level: str = "exact"
) -> str:
    """Return a program as plain Python that imports nothing of ours.

    Parameters
    ----------
    program
        A program.
    target
        ``"xp"``: a function of arrays and of their namespace, of any library that
        complies with the Array API standard. Else the name of a backend that writes
        source of its own: ``"numpy"``, whose function takes by position, after its
        inputs, the arrays of more than 8 elements that the program holds.
    name
        What the function is called, by default as the recorded function.
    level
        What may be simplified, as for `compile`; ``"exact"`` keeps every bit.

    Raises
    ------
    ValueError
        If the backend writes no source, there is no such target or level, or the name
        is no identifier.
    NotImplementedError
        If an operation cannot be written in calls of the standard, or of the target.
    """
    return module(program, target, name=name, level=level).text


def module(
    program: Program,
    target: str = "xp",
    *,
    name: str = "",
    level: str = "exact",
    beside: str = "",
) -> Module:
    """Return a program as source, and the arrays that its function is to be given.

    Takes what `source` does, and the name of the file in which these arrays will be.
    """
    name = name or function_name(program)
    if not is_usable(name):
        raise error(
            ValueError,
            "source",
            "the function's name must be an identifier in ASCII, and no keyword",
            repr(name),
            "Choose another.",
        )
    program = optimise(program, level)
    if target == "xp":
        program, _ = expanded(program)
        program, hosted = expanded(optimise(program, level))
        return Writer(program, name, hosted, beside).module()
    run = backend_of(target).compile(replace(program, name=name))
    if hasattr(run, "module"):
        written: Module = run.module(beside)
        return written
    loops = any(each.operation == "loop" for each in program.instructions)
    raise error(
        NotImplementedError if loops else ValueError,
        "source",
        f"target {target!r} writes no {'loops' if loops else 'source of its own'}",
        f"the program {program.name}",
        "Use target='xp', which runs on every library.",
    )


def backend_of(target: str) -> backend.Backend:
    """Return the backend of a target."""
    try:
        return backend.backend(target)
    except ValueError as cause:
        raise error(
            ValueError,
            "source",
            "the target must be 'xp' or a backend that writes source of its own",
            repr(target),
            "Use 'xp', for any library, or 'numpy'.",
        ) from cause


def function_name(program: Program) -> str:
    """Return what to call the function of a program."""
    return program.name if is_usable(program.name) else "program"


def is_usable(text: str) -> bool:
    """Say whether a text may stand in source as a name of ours or the user's."""
    plain = text.isidentifier() and text.isascii() and not keyword.iskeyword(text)
    return plain and len(text) <= LONGEST and text not in RESERVED


# ------------------------------------------------------------------ the writer


class Writer:
    """Writes one program.

    Attributes
    ----------
    program
        What is written: in calls of the standard, and only what is needed.
    arrays
        The value of each constant on the host.
    known
        How each variable is written that has a name or is written in place.
    pending
        Expressions that are used once, and may be written where they are used.
    """

    def __init__(
        self,
        program: Program,
        name: str,
        hosted: Collection[str],
        beside: str = "",
        within: Writer | None = None,
    ) -> None:
        self.program = program = needed(program)
        self.beside = beside
        self.indent: int = 4 if within is None else within.indent + 4
        self.reserved = RESERVED | ({name} if within is None else within.taken)
        self.has_device: bool = bool(
            program.inputs if within is None else within.has_device
        )
        self.name, self.hosted = name, hosted
        self.arrays = {v: on_host(x) for v, x in program.constants.items()}
        self.uses = Counter(used(program))
        self.guards = guards_of(program)
        self.named = self._names()
        self.taken: set[str] = {*self.reserved, *self.named.values()}
        self.automatic = 0
        self.known: dict[Variable, Expression] = {}
        self.pending: dict[Variable, tuple[Expression, str]] = {}
        self.constants: dict[str, Array] = {} if within is None else within.constants
        self.helpers: list[str] = [] if within is None else within.helpers
        self.steps: dict[Instruction, str] = {}
        self.body: list[str] = []

    # ---- names

    @property
    def space(self) -> str:
        """What is before each statement."""
        return " " * self.indent

    def _names(self) -> dict[Variable, str]:
        """Return the names of inputs, and of what the user named."""
        own = input_names(self.program, self.reserved)
        inputs = dict(zip(self.program.inputs, own, strict=True))
        taken = self.reserved | {*inputs.values()}
        found = names_of(self.program, taken)
        kept = {
            v: text
            for v, text in found.items()
            if v not in inputs and is_usable(v.name) and len(text) <= LONGEST
        }
        return inputs | kept

    def _new_name(self) -> str:
        while True:
            self.automatic += 1
            if (found := f"v{self.automatic}") not in self.taken:
                self.taken.add(found)
                return found

    # ---- the module

    def module(self) -> Module:
        """Write the module."""
        self.write()
        text = "\n".join([*self._opening(), *self._helpers(), *self._function(), ""])
        return Module(text, self.constants)

    def write(self) -> None:
        """Write the statements of the function."""
        program = self.program
        for variable in program.inputs:
            self.known[variable] = name(self.named[variable])
        self._constants()
        for variable in (*program.inputs, *program.constants):
            self._checks(variable)
        forward = True
        for instruction in program.instructions:
            backward = instruction.results[0].line.startswith(BACKWARD)
            if backward and forward and self.body:
                self._settle()
                self.body += [
                    "",
                    f"{self.space}# The gradient, from the last line to the first.",
                ]
            forward = forward and not backward
            self._instruction(instruction)
        self._return()

    def _opening(self) -> list[str]:
        return [
            f'"""{self.name}: written by autograd-core, for any array library.',
            "",
            "Needs the arrays' namespace, xp, to comply with the Array API standard.",
            '"""',
        ]

    def _helpers(self) -> list[str]:
        return [line for helper in self.helpers for line in ("", "", helper)]

    def _function(self) -> list[str]:
        asked = ["xp"]
        asked += ["special"] if self.hosted else []
        asked += ["constants"] if self.constants else []
        names = [self.named[v] for v in self.program.inputs]
        parameters = map(name, [*names, "*", *asked])
        opening = lines("", bracketed(f"def {self.name}(", [*parameters], ")"), ":")
        device = [f"    device = {names[0]}.device"] if names else []
        inner = (device if any("=device" in x for x in self.body) else []) + self.body
        while inner and not inner[0]:
            inner = inner[1:]
        return ["", "", *opening, *self._docstring(asked), *inner]

    def _docstring(self, asked: list[str]) -> list[str]:
        program = self.program
        said = [f"Compute {printable(program.name)}, as it was recorded.", ""]
        said += ["Parameters", "----------"]
        for variable in program.inputs:
            said.append(f"{self.named[variable]} : {type_text(variable)}")
        about = {
            "xp": ["The namespace of the arrays' library."],
            "special": [
                "A namespace with the functions of scipy.special for its arrays:",
                *(f"    {each.rpartition('.')[2]}" for each in sorted(self.hosted)),
            ],
            "constants": [
                "Arrays by name, of the same library and device"
                + (f", as in {self.beside}:" if self.beside else ":"),
                *(
                    f"    {key} : {x.dtype.name}[{', '.join(map(str, x.shape))}]"
                    for key, x in self.constants.items()
                ),
            ],
        }
        for each in asked:
            said += [each, *(f"    {line}" for line in about[each])]
        said += ["", "Returns", "-------", *self._results()]
        said += self._raised()
        first, *rest = map(in_docstring, said)
        inner = [f"    {line}" if line else "" for line in rest]
        return [f'    """{first}', *inner, '    """']

    def _results(self) -> list[str]:
        structure = self.program.structure
        paths = list(pytree.paths(structure))
        found = []
        for path, y in zip(paths, self.program.outputs, strict=True):
            kind = type_text(y) if isinstance(y, Variable) else type(y).__name__
            known = self.named.get(y, "") if isinstance(y, Variable) else ""
            by_place = not path.strip("[]0123456789")
            label = known if known and by_place else path
            found.append(f"{label} : {kind}" if label else kind)
        return found

    def _raised(self) -> list[str]:
        if not self.program.guards:
            return []
        said = "If the recorded function would have taken another path."
        return ["", "Raises", "------", "ValueError", f"    {said}"]

    # ---- statements

    def _statement(self, before: str, x: Expression, line: str) -> None:
        """Write ``before x``, and where it comes from."""
        found = lines(before, x, indent=self.indent)
        comment = f"  # {printable(line)}" if line else ""
        if comment and len(found) == 1 and len(found[0] + comment) <= WIDTH:
            found = [found[0] + comment]
        elif comment:
            found.insert(0, f"{self.space}#{comment[3:]}"[:WIDTH].rstrip())
        self.body += found

    def _define(self, variable: Variable, x: Expression, line: str) -> None:
        """Write a statement that gives a variable its value."""
        text = self.named.get(variable) or self._new_name()
        self.known[variable] = name(text)
        self._statement(f"{text} = ", x, line)

    def _settle(self, variables: Iterable[Variable] | None = None) -> None:
        """Write what is pending, of these variables or all."""
        for variable in list(self.pending) if variables is None else variables:
            if variable in self.pending:
                x, line = self.pending.pop(variable)
                self._define(variable, x, line)

    def _instruction(self, instruction: Instruction) -> None:
        results = instruction.results
        line = results[0].line
        if instruction.operation == "loop":
            self._step(instruction)
        self._choose(instruction)
        x = self._expression(instruction)
        self._spend(instruction.operands)
        if isinstance(instruction.result, tuple):
            self._several(results, x, line)
        elif x.text in self.taken:
            self.known[instruction.result] = x  # another array times 1
        elif self._may_wait(instruction.result, x):
            self.pending[instruction.result] = x, line
        else:
            self._define(instruction.result, x, line)
        for variable in results:
            self._checks(variable)

    def _step(self, instruction: Instruction) -> None:
        """Write the function that a loop calls, within the function."""
        self._settle()
        body: Program = instruction.statics["body"]
        text = body.name if is_usable(body.name) else "step"
        while text in self.taken:
            text += "_"
        self.taken.add(text)
        leaves = (pytree.LEAF,) * len(body.outputs)
        several = pytree.Structure(tuple, range(len(leaves)), leaves)
        writer = Writer(replace(body, structure=several), text, self.hosted, "", self)
        writer.write()
        names = [name(writer.named[v]) for v in body.inputs]
        opening = lines("", bracketed(f"def {text}(", names, ")"), ":", self.indent)
        inner = writer.body
        while inner and not inner[0]:
            inner = inner[1:]
        before = [""] if self.body and self.body[-1] else []
        self.body += [*before, *opening, *inner, ""]
        self.steps[instruction] = text
        if LOOP not in self.helpers:
            self.helpers.append(LOOP)

    def _loop(self, instruction: Instruction) -> Expression:
        """Return the call that runs a loop."""
        sizes, leaves = instruction.statics, instruction.arguments
        ends = [0, sizes["carries"], sizes["carries"] + sizes["scanned"], len(leaves)]
        parts = []
        for start, end in itertools.pairwise(ends):
            given = [self._literal(x) for x in leaves[start:end]]
            parts.append(bracketed("[", given, "]") if given else Expression("[]"))
        parts.append(number(str(sizes["length"])))
        reverse = [labelled("reverse=", name("True"))] if sizes.get("reverse") else []
        step = name(self.steps[instruction])
        return call("loop", [step, *parts, *reverse, labelled("xp=", name("xp"))])

    def _several(self, results: tuple[Variable, ...], x: Expression, line: str) -> None:
        texts = []
        for variable in results:
            text = self.named.get(variable) or ""
            if not self.uses[variable]:
                text = "_"
            texts.append(text or self._new_name())
            self.known[variable] = name(texts[-1])
        comma = "," if len(texts) == 1 else ""
        self._statement(
            f"({texts[0]},) = " if comma else f"{', '.join(texts)} = ", x, line
        )

    def _may_wait(self, variable: Variable, x: Expression) -> bool:
        """Say whether an expression may be written where it is used."""
        return (
            variable not in self.named
            and self.uses[variable] == 1
            and len(x.text) <= LONGEST
        )

    def _choose(self, instruction: Instruction) -> None:
        """Write pending operands that cannot stand within an instruction's line."""
        waiting = [v for v in instruction.operands if v in self.pending]
        line = instruction.results[0].line
        for variable in waiting:
            if self.pending[variable][1] not in (line, ""):
                self._settle([variable])
        waiting = [v for v in waiting if v in self.pending]
        longest = [len(self.named.get(v, "")) for v in instruction.results]
        before = sum(longest) + 3 * len(longest) + self.indent
        comment = len(printable(line)) + 4 if line else 0
        while waiting:
            text = self._expression(instruction).text
            if before + 4 + len(text) + comment <= WIDTH and nesting(text) <= 3:
                return
            self._settle([waiting.pop(0)])

    def _spend(self, operands: Iterable[Variable]) -> None:
        """Forget what was pending and has been written."""
        for variable in operands:
            self.pending.pop(variable, None)

    def _checks(self, variable: Variable) -> None:
        for guard in self.guards.get(variable, ()):
            self._check(guard)

    def _check(self, guard: Guard) -> None:
        x = self._value(guard.variable)
        self._spend([guard.variable])
        asked = x.text if x.rank > 1 else f"({x.text})"
        answer = guard.answer
        if isinstance(answer, bool):
            test = f"not {asked}" if answer else x.text
        else:
            test = f"int({x.text}) != {int(answer)}"
        self._statement("if ", Expression(f"{test}:"), guard.line)
        where = f" ({guard.line})" if guard.line else ""
        text = quoted(printable(f"recorded for {x.text} being {answer}{where}"))
        fault = call("ValueError", [Expression(text)])
        self.body += lines("raise ", fault, indent=self.indent + 4)

    # ---- constants

    def _constants(self) -> None:
        """Write what the program holds: short ones where they are used, once."""
        for variable in self.program.constants:
            x = constant_source(self.arrays[variable], "xp", self.device)
            if x is None:
                text = self.named.get(variable, "") or self._constant_name()
                self.named[variable] = text
                self.constants[text] = self.arrays[variable]
                x = indexed(name("constants"), quoted(text))
                self._define(variable, x, "")
            elif self.uses[variable] == 1 and len(x.text) <= WIDTH // 2:
                self.pending[variable] = x, ""
            elif self._is_only_number(variable):
                continue
            else:
                self.named.setdefault(variable, self._constant_name())
                self._define(variable, x, "")

    def _is_only_number(self, variable: Variable) -> bool:
        """Say whether a constant is written as a number wherever it is used."""
        if variable in self.guards or variable in set(
            variables_in(self.program.outputs)
        ):
            return False
        return all(
            self._as_number(instruction, variable) is not None
            for instruction in self.program.instructions
            if variable in instruction.operands
        )

    def _constant_name(self) -> str:
        number = 1
        while f"c{number}" in self.taken or f"c{number}" in self.constants:
            number += 1
        self.taken.add(f"c{number}")
        return f"c{number}"

    @property
    def device(self) -> str:
        """What new arrays are told of the device, if anything."""
        return "device" if self.has_device else ""

    # ---- expressions

    def _value(self, variable: Variable) -> Expression:
        if variable in self.known:
            return self.known[variable]
        return self.pending[variable][0]

    def _literal(self, value: Any) -> Expression:
        """Return an operand or any other parameter as source."""
        if isinstance(value, Variable):
            return self._value(value)
        if isinstance(value, DType):
            return name(f"xp.{checked_dtype(value)}")
        if value is DEVICE:
            return name("device" if self.has_device else "None")
        if value is None or isinstance(value, bool):
            return name(repr(value))
        if isinstance(value, (int, float, complex)):
            return number(value_text(value, "float64"))
        if isinstance(value, str):
            return Expression(quoted(value))
        if isinstance(value, tuple):
            if not value:
                return Expression("()")
            return bracketed("(", [self._literal(part) for part in value], ")")
        raise no_literal(value)

    def _expression(self, instruction: Instruction) -> Expression:
        """Return the source of a call."""
        operation = instruction.operation
        if operation in ("basic_index", "array_index"):
            return self._indexed(instruction)
        if operation == "loop":
            return self._loop(instruction)
        positional, named = instruction.parameters
        if operation == "expand_dims":
            named.setdefault("axis", 0)  # no default before 2024.12
        if operation == "index_add":
            return self._added_at(positional, named)
        arguments = [self._argument(instruction, x) for x in positional]
        if operation in OPERATORS:
            return self._operator(instruction, arguments)
        if operation in SIGNS:
            return unary(SIGNS[operation], arguments[0])
        if operation == "matrix_transpose":
            return attribute(arguments[0], "mT")
        if operation == "permute_dims" and named.get("axes") == (1, 0):
            return attribute(arguments[0], "T")
        if operation in ("ones", "zeros", "full", "eye") and not self.has_device:
            named.pop("device", None)
        arguments += [
            self._literal(x)
            if (operation, key) in BY_PLACE
            else labelled(f"{key}=", self._literal(x))
            for key, x in named.items()
        ]
        library = "" if operation in self.hosted else "xp."
        return call(f"{library}{operation}", arguments)

    def _argument(self, instruction: Instruction, x: Any) -> Expression:
        if isinstance(x, tuple):  # arrays that are joined, or a shape
            if any(isinstance(part, Variable) for part in x):
                return bracketed("[", [self._literal(part) for part in x], "]")
            return self._literal(x)
        if isinstance(x, Variable):
            found = self._as_number(instruction, x)
            return self._value(x) if found is None else number(found)
        return self._literal(x)

    def _as_number(self, instruction: Instruction, x: Variable) -> str | None:
        """Return a constant of equal numbers as one, where that gives the same.

        So it does where the other operand has the shape and the dtype of the result.
        """
        if instruction.operation not in ARITHMETIC or x not in self.arrays:
            return None
        result, others = instruction.results[0], list(instruction.arguments)
        if x not in others or not x.dtype.startswith("float"):
            return None
        if x not in self.program.own:
            return None  # the user's
        others.remove(x)
        (other,) = others
        if not isinstance(other, Variable) or other in self.arrays:
            return None
        if (other.shape, other.dtype) != (result.shape, result.dtype):
            return None
        value = uniform_value(self.arrays[x])
        if value is None or value != value or value in (inf, -inf):
            return None
        return value_text(value, x.dtype)

    def _operator(
        self, instruction: Instruction, arguments: list[Expression]
    ) -> Expression:
        left, right = arguments
        if instruction.operation == "multiply":
            for one, other, given in (
                (left, right, instruction.arguments[0]),
                (right, left, instruction.arguments[1]),
            ):
                if one.text == "1.0" and isinstance(given, Variable):
                    return other
        return binary(OPERATORS[instruction.operation], left, right)

    def _indexed(self, instruction: Instruction) -> Expression:
        """Return ``x[key]``, with an ellipsis where the key leaves axes out."""
        (x, *_), key = instruction.operands, instruction.statics["key"]
        keys = key if isinstance(key, tuple) else (key,)
        arrays = [k for k in keys if isinstance(k, Variable)]
        self._settle(arrays)
        axes = [k for k in keys if k is not None]
        whole = Ellipsis in [k for k in keys if k not in arrays]
        masks = any(k.dtype == "bool" for k in arrays)
        if len(x.shape) > len(axes) and not (whole or masks):
            keys = (*keys, ...)
        text = key_text(keys if len(keys) != 1 else keys[0], self._text)
        return indexed(self._literal(x), text)

    def _text(self, variable: Variable) -> str:
        return self._value(variable).text

    def _added_at(self, positional: list[Any], named: dict[str, Any]) -> Expression:
        x, positions = positional
        if ADD_AT not in self.helpers:
            self.helpers.append(ADD_AT)
        numbers = [number(str(x.shape[0])), number(str(named["size"]))]
        given = [self._literal(x), self._literal(positions), *numbers]
        return call("add_at", [*given, labelled("xp=", name("xp"))])

    # ---- the end

    def _return(self) -> None:
        outputs = self.program.outputs
        structure = self.program.structure
        for waits in (True, False):
            if not waits:
                self._settle()
            leaves = map(self._literal, outputs)
            x = self._tree(structure, leaves, top=True)
            origins = {self.pending[y][1] for y in self._waiting(outputs)}
            comment = origins.pop() if len(origins) == 1 else ""
            length = len(f"{self.space}return {x.text}  # {comment}")
            if not origins and length <= WIDTH:
                self._statement("return ", x, comment)
                return
        x = self._tree(structure, map(self._literal, outputs), top=False)
        self._statement("result = ", x, "")
        self._statement("return ", name("result"), "")

    def _waiting(self, outputs: Iterable[Any]) -> list[Variable]:
        return [y for y in variables_in(tuple(outputs)) if y in self.pending]

    def _tree(
        self, structure: pytree.Structure, leaves: Iterator[Expression], top: bool
    ) -> Expression:
        """Return the literal of a pytree."""
        kind = structure.container
        if kind is object:
            return next(leaves)
        if kind is type(None):
            return name("None")
        children = structure.children
        if kind is pytree.Static:
            return self._literal(structure.auxiliary)
        parts = [self._tree(child, leaves, top=False) for child in children]
        if is_record(structure):
            keys = [Expression(quoted(str(key))) for key in structure.keys]
        elif issubclass(kind, dict):
            keys = [self._key(key) for key in structure.keys]
        elif issubclass(kind, list):
            return bracketed("[", parts, "]") if parts else Expression("[]")
        else:
            if not parts:
                return Expression("()")
            if top and len(parts) > 1:
                return Expression(", ".join(part.text for part in parts))
            return bracketed("(", parts, ")")
        pairs = [
            labelled(f"{key.text}: ", part)
            for key, part in zip(keys, parts, strict=True)
        ]
        return bracketed("{", pairs, "}") if pairs else Expression("{}")

    def _key(self, key: Any) -> Expression:
        if isinstance(key, tuple):
            parts = [self._key(part) for part in key]
            return bracketed("(", parts, ")") if parts else Expression("()")
        if type(key) in (str, int, float, bool, type(None)):
            return self._literal(key)
        raise no_literal(key)


inf = float("inf")

ADD_AT = '''\
def add_at(x, positions, count, size, *, xp):
    """Return zeros of a size to which each x[k] was added at positions[k].

    The count elements are ordered by position, and those of each position are summed
    in pairs.
    """
    order = xp.argsort(positions, stable=True)
    places, total = xp.take(positions, order), xp.take(x, order)
    step = 1
    while step < count:
        same = places[step:] == places[:-step]
        moved = xp.where(same, total[:-step], xp.zeros_like(total[step:]))
        total = xp.concat([total[:step], total[step:] + moved])
        step *= 2
    slots = xp.arange(size, dtype=positions.dtype, device=x.device)
    last = xp.searchsorted(places, slots, side="right") - 1
    last = xp.clip(last, 0, count - 1)
    found = xp.take(places, last) == slots
    summed = xp.take(total, last)
    return xp.where(found, summed, xp.zeros_like(summed))'''


LOOP = '''\
def loop(step, carry, rows, held, length, *, reverse=False, xp):
    """Carry arrays through steps along the first axis of rows.

    Returns what the last step carries on, and what else the steps return, stacked.
    """
    found = []
    places = range(length)
    for k in reversed(places) if reverse else places:
        results = step(*carry, *(x[k, ...] for x in rows), *held)
        carry = results[: len(carry)]
        found.append(results[len(carry) :])
    if reverse:
        found.reverse()
    stacked = [xp.stack(list(each)) for each in zip(*found, strict=True)]
    return (*carry, *stacked)'''


# ------------------------------------------------------------------ what is needed


def needed(program: Program) -> Program:
    """Return the program without what nobody reads."""
    read = {*variables_in(program.outputs), *(g.variable for g in program.guards)}
    kept: list[Instruction] = []
    for instruction in reversed(program.instructions):
        if any(v in read for v in instruction.results):
            read.update(instruction.operands)
            kept.append(instruction)
    constants = {v: x for v, x in program.constants.items() if v in read}
    return replace(program, instructions=tuple(kept[::-1]), constants=constants)


def used(program: Program) -> Iterator[Variable]:
    """Yield a variable for each time that it is read."""
    for instruction in program.instructions:
        yield from instruction.operands
    yield from variables_in(program.outputs)
    for guard in program.guards:
        yield guard.variable


def input_names(program: Program, reserved: Collection[str]) -> list[str]:
    """Return the name of each input in source: its own, if that may stand there."""
    found: list[str] = []
    for place, variable in enumerate(program.inputs):
        text = variable.name
        if not is_input_name(text) or text in found:
            text = f"{text}_" if is_input_name(f"{text}_") else f"x{place}"
        while text in found or text in reserved:
            text += "_"
        found.append(text)
    return found


def is_input_name(text: str) -> bool:
    """Say whether the name of an input may stand in source as it is."""
    plain = is_identifier(text) and not keyword.iskeyword(text)
    return plain and text not in RESERVED and len(text) <= LONGEST


# ------------------------------------------------------------------ texts


def printable(text: str) -> str:
    """Return a text as one line of printable characters."""
    return "".join(c if c.isprintable() else "?" for c in text)


def in_docstring(text: str) -> str:
    """Return a line as it may stand in a docstring."""
    return printable(text).replace("\\", "\\\\").replace('"', '\\"')


def type_text(variable: Variable) -> str:
    """Return a type as a person writes it, ``float64[3, 4]``."""
    return f"{variable.dtype}[{', '.join(map(str, variable.shape))}]"


def nesting(text: str) -> int:
    """Return how deep the parentheses of a text go."""
    deepest = depth = 0
    for c in text:
        depth += (c in "([") - (c in ")]")
        deepest = max(deepest, depth)
    return deepest


def shape_text(shape: tuple[int, ...]) -> Expression:
    """Return a shape as source."""
    parts = [number(str(n)) for n in shape]
    return bracketed("(", parts, ")") if parts else Expression("()")


def checked_dtype(dtype: str) -> str:
    """Return the name of a dtype, which is an identifier."""
    if not (dtype.isidentifier() and dtype.isascii()):
        raise no_literal(dtype)
    return str(dtype)


def no_literal(value: Any) -> TypeError:
    """Return the error for a value that cannot be written."""
    return error(
        TypeError,
        "source",
        "what is neither array, number, text nor None has no literal in source",
        describe(value),
        "Return arrays in tuples, lists and dicts, and give arrays as arguments.",
    )


def value_text(value: Any, dtype: str, xp: str = "xp") -> str:
    """Return a number as source: the shortest that gives the same bits in its dtype."""
    if isinstance(value, bool):
        return repr(value)
    if isinstance(value, int):
        return repr(int(value))
    if isinstance(value, complex):
        parts = [value_text(x, "float64", xp) for x in (value.real, value.imag)]
        return f"complex({', '.join(parts)})"
    if value != value:
        return f"{xp}.nan"
    if value in (inf, -inf):
        return f"{xp}.inf" if value > 0 else f"-{xp}.inf"
    whole = float_text(value)
    if dtype != "float32" or len(whole) < 9:
        return whole
    bits = struct.pack("f", value)
    shorter = (float_text(float(f"{value:.{digits}g}")) for digits in range(1, 10))
    return next(x for x in (*shorter, whole) if struct.pack("f", float(x)) == bits)


def float_text(value: float) -> str:
    """Return a finite float as it is written: ``1e20`` and not ``1e+20``."""
    return repr(float(value)).replace("e+", "e")


def nested(values: Any, dtype: str, xp: str = "xp") -> Expression:
    """Return nested lists of numbers as source."""
    if isinstance(values, list):
        return bracketed("[", [nested(part, dtype, xp) for part in values], "]")
    return number(value_text(values, dtype, xp))


# ------------------------------------------------------------------ constants


def constant_source(x: Array, xp: str, device: str = "") -> Expression | None:
    """Return the source of an array, None if it is too large for source.

    Parameters
    ----------
    x
        NumPy's array.
    xp
        What the namespace is called in which it is created.
    device
        The source of a device, "" for none.
    """

    def created(function: str, *given: Expression) -> Expression:
        named = [labelled("dtype=", name(f"{xp}.{x.dtype.name}"))]
        named += [labelled("device=", name(device))] if device else []
        return call(f"{xp}.{function}", [*given, *named])

    shape = shape_text(x.shape)
    if x.size == 0:
        return created("zeros", shape)
    value = uniform_value(x)
    if value is not None:
        plain = {"0.0": "zeros", "1.0": "ones", "0": "zeros", "1": "ones"}
        text = value_text(value, x.dtype.name, xp)
        if x.dtype.kind in "fiu" and text in plain:
            return created(plain[text], shape)
        return created("full", shape, number(text))
    if is_identity(x):
        square = created("eye", number(str(x.shape[0])))
        return square if x.ndim == 2 else call(f"{xp}.reshape", [square, shape])
    if is_count(x):
        counted = created("arange", number(str(x.size)))
        return counted if x.ndim == 1 else call(f"{xp}.reshape", [counted, shape])
    if x.size <= SMALL:
        return created("asarray", nested(x.tolist(), x.dtype.name, xp))
    return None


def on_host(x: Array) -> Any:
    """Return an array as NumPy's, as it is now."""
    numpy = backend.backend("numpy")
    return x if numpy.owns(x) else numpy.asarray(x)


def uniform_value(x: Any) -> Any:
    """Return the number that all elements are to the bit, None if they differ."""
    if x.size == 0:
        return None
    first = x[(slice(0, 1),) * x.ndim]
    if any(x.strides[k] for k in range(x.ndim) if x.shape[k] > 1):
        if x.flat[0].tobytes() != x.flat[x.size - 1].tobytes():
            return None
        if x.tobytes() != first.tobytes() * x.size:
            return None
    return first.item()


def is_identity(x: Any) -> bool:
    """Say whether an array is an identity matrix, or one whose rows were reshaped."""
    if x.ndim < 2 or x.shape[0] ** 2 != x.size or x.dtype.kind not in "fiu":
        return False
    xp = backend.backend("numpy")
    return bool(x.tobytes() == xp.eye(x.shape[0], dtype=x.dtype).tobytes())


def is_count(x: Any) -> bool:
    """Say whether the elements are 0, 1, 2, ... integers."""
    if x.dtype.kind not in "iu" or x.size < 3:
        return False
    xp = backend.backend("numpy")
    return bool(xp.all(xp.reshape(x, (-1,)) == xp.arange(x.size, dtype=x.dtype)))


def is_record(structure: pytree.Structure) -> bool:
    """Say whether a container is a dataclass, which is written as a dict."""
    return hasattr(structure.container, "__dataclass_fields__")
