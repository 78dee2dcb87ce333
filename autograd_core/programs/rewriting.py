"""Making one program of another: what passes are made of.

A rule looks at one call, and at the calls that its operands come from, and computes
with arrays, as users do; what it computes is written in the call's place.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, TypeAlias

from autograd_core import tensor
from autograd_core.graph import Array
from autograd_core.programs.program import (
    Instruction,
    Operand,
    Program,
    Variable,
    variables_in,
)
from autograd_core.programs.provenance import Origin, Provenance
from autograd_core.programs.recording import Record


def names(text: str) -> frozenset[str]:
    """Return a set of names that are written in one text."""
    return frozenset(text.split())


VIEWS = names(
    "basic_index broadcast_arrays broadcast_to expand_dims flip imag linalg.diagonal "
    "matrix_transpose meshgrid moveaxis permute_dims real reshape squeeze to_device "
    "unstack"
)
"""Operations whose result may share the memory of an argument, in another layout."""

REORDERING = VIEWS & names("permute_dims matrix_transpose moveaxis flip") | names(
    "einsum"
)
"""Operations whose result may lie in another order than the arguments."""

ALWAYS_IN_ORDER = names("matmul vecdot tensordot take")
"""Operations whose result lies in the usual order, however the arguments do."""


class Call:
    """A call as a rule sees it: its parameters, and what is known around it.

    Attributes
    ----------
    instruction
        The call; its operands are those of the new program.
    """

    __slots__ = ("instruction", "rewriting")

    def __init__(self, instruction: Instruction, rewriting: Rewriting) -> None:
        self.instruction = instruction
        self.rewriting = rewriting

    @property
    def operation(self) -> str:
        """The name of what is called."""
        return self.instruction.operation

    @property
    def arguments(self) -> tuple[Operand, ...]:
        """What it is applied to."""
        return self.instruction.arguments

    @property
    def x(self) -> Any:
        """Its first argument."""
        return self.instruction.arguments[0]

    @property
    def result(self) -> Variable:
        """Its first result."""
        return self.instruction.results[0]

    def static(self, name: str, default: Any = None) -> Any:
        """Return another parameter, with the default of the declaration."""
        operation = self.instruction.declared
        if name in self.instruction.statics:
            return self.instruction.statics[name]
        parameter = operation.signature.parameters.get(name)
        if parameter is None or parameter.default is parameter.empty:
            return default
        return parameter.default

    def array(self, operand: Any) -> Any:
        """Return an array to compute with that stands for an operand."""
        if isinstance(operand, Variable):
            return self.rewriting.level.recorded(operand)
        return operand

    def arrays(self) -> list[Any]:
        """Return the arguments as arrays to compute with."""
        return [self.array(x) for x in self.instruction.arguments]

    def made_by(self, operand: Any, *operations: str) -> Call | None:
        """Return the call that an operand comes from, if it is of these operations."""
        if not isinstance(operand, Variable):
            return None
        found = self.rewriting.definition(operand)
        if found is None or found.operation not in operations:
            return None
        return Call(found, self.rewriting)

    def number(self, operand: Any) -> float | complex | None:
        """Return what all elements of an operand are, None if that is not known.

        Known are literals, and constants of the recording whose elements are one.
        """
        if isinstance(operand, Variable):
            return self.rewriting.number(operand)
        return operand if isinstance(operand, int | float | complex) else None

    def is_read_once(self, operand: Any) -> bool:
        """Say whether nothing but this call reads an operand."""
        return len(self.rewriting.readers_of(operand)) == 1

    @property
    def is_returned_copy(self) -> bool:
        """Whether this makes a result of a program have memory of its own."""
        if self.operation != "astype" or self.x.dtype != self.result.dtype:
            return False
        return "return" in self.rewriting.readers.get(self.result, ())

    # ---- in place of the call

    def same_as(self, operand: Any) -> Any:
        """Return an operand in place of a copy of it, None where that shows.

        Where elements lie is part of what is preserved, as sums round in the order of
        memory. A copy lies like the array if that has memory of its own; one of a view
        may not, which only elementwise operations do not mind.
        """
        if not isinstance(operand, Variable) or operand.dtype != self.result.dtype:
            return None
        fits = operand.shape == self.result.shape
        if not (fits and self.is_dense(operand)) and not self.may_lie_anyhow(operand):
            return None
        x = self.array(operand)
        return x if fits else self.xp.broadcast_to(x, self.result.shape)

    def is_dense(self, operand: Any) -> bool:
        """Say whether an operand has memory of its own."""
        return self.rewriting.is_dense(operand)

    def are_in_order(self, *operands: Any) -> bool:
        """Say whether arrays, and those that the call reads, lie in the usual order.

        What an elementwise operation gives then does, too, whichever of them it reads.
        """
        arrays = {*self.instruction.operands, *operands}
        return self.rewriting.in_order.issuperset(
            x for x in arrays if isinstance(x, Variable)
        )

    def may_lie_anyhow(self, *operands: Any) -> bool:
        """Say whether what reads the result does not see how it lies in memory."""
        in_order = self.rewriting.in_order
        return self.are_in_order(*operands) and all(
            isinstance(reader, Instruction)
            and reader.declared.elementwise
            and in_order.issuperset(reader.operands)
            for reader in self.rewriting.readers.get(self.result, ("?",))
        )

    @property
    def xp(self) -> Any:
        """The namespace in which rules compute."""
        return tensor.operations


Rule: TypeAlias = Callable[[Call], Any]
"""``rule(call)``: what to compute instead of a call, None to keep it. It returns an
array that it computed, or an operand; where the call has several results, a tuple. What
has another shape or dtype than the result is not taken."""


class Rewriting:
    """A program that is being made of another, and what is known of its variables."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.level = level = Record("a pass")
        level.inputs = list(program.inputs)
        for variable, x in program.constants.items():
            level.constants[id(x)] = variable, x
        level.own = set(program.own)
        level.provenance = self.origin = _OfInstruction()
        self.new: dict[Variable, Any] = {}
        self._old: dict[Variable, Variable] = {}
        self._definitions: dict[Variable, Instruction] = {}
        self._numbers: dict[Variable, Any] = {}
        self._known = 0
        self.notes: dict[Any, Any] = {}  # what a rule remembers of calls before

    # ---- what is known

    @cached_property
    def readers(self) -> Mapping[Variable, list[Reader]]:
        """What reads each variable of the program as it was."""
        return readers_of(self.program)

    def readers_of(self, operand: Any) -> list[Reader]:
        """Return what reads an operand, or read what it stands for; [] if unknown."""
        return self.readers.get(self._old.get(operand, operand), [])

    @cached_property
    def in_order(self) -> set[Variable]:
        """The variables whose elements lie in the usual order, if inputs do."""
        return variables_in_order(self.program)

    def definition(self, variable: Variable) -> Instruction | None:
        """Return the call that a variable of the new program is a result of."""
        instructions = self.level.instructions
        if self._known < len(instructions):
            for instruction in instructions[self._known :]:
                for each in instruction.results:
                    self._definitions[each] = instruction
            self._known = len(instructions)
        return self._definitions.get(variable)

    def is_dense(self, variable: Variable) -> bool:
        """Say whether a variable has memory of its own, each element once."""
        found = self.definition(variable)
        if found is None:
            return variable not in self.level.own
        return found.operation not in VIEWS

    def number(self, variable: Variable) -> float | complex | None:
        """Return what all elements of a constant of the recording are."""
        if variable not in self.level.own:
            return None
        if variable not in self._numbers:
            data = self.data(variable)
            self._numbers[variable] = uniform(data)
        found: float | complex | None = self._numbers[variable]
        return found

    def data(self, variable: Variable) -> Array:
        """Return a constant of the recording."""
        if variable in self.program.constants:
            return self.program.constants[variable]
        return dict(self.level.constants.values())[variable]

    # ---- the program that is made

    def apply(self, rule: Rule, operations: Collection[str] | None) -> None:
        """Visit the instructions in order."""
        new, level = self.new, self.level
        for instruction in self.program.instructions:
            if new and not new.keys().isdisjoint(instruction.operands):
                instruction = instruction.over(self.renamed)
            if operations is None or instruction.operation in operations:
                before = len(level.instructions)
                self.origin.line = instruction.results[0].line
                found = rule(Call(instruction, self))
                if found is not None and self._takes(instruction, found, before):
                    continue
                if len(level.instructions) > before:
                    self._forget(before)
            level.instructions.append(instruction)

    def renamed(self, variable: Variable) -> Any:
        """Return what stands for a variable in the new program."""
        return self.new.get(variable, variable)

    def _takes(self, instruction: Instruction, found: Any, before: int) -> bool:
        """Put what a rule found in the place of an instruction, if it fits."""
        several = isinstance(instruction.result, tuple)
        parts = [self.level.operand(x) for x in (found if several else (found,))]
        pairs = list(zip(instruction.results, parts, strict=True))
        if not all(isinstance(x, Variable) and x.type == y.type for y, x in pairs):
            return False
        here = {v for each in self.level.instructions[before:] for v in each.results}
        for variable, part in pairs:
            if part in here:
                part.name = variable.name
                self._old[part] = variable
                if "in_order" in self.__dict__ and variable in self.in_order:
                    self.in_order.add(part)
            self.new[variable] = part
        return True

    def _forget(self, before: int) -> None:
        """Strike what a rule computed in vain."""
        for each in self.level.instructions[before:]:
            for variable in each.results:
                self._definitions.pop(variable, None)
        del self.level.instructions[before:]
        self._known = min(self._known, before)

    def result(self) -> Program:
        """Return the new program."""
        if not self.new:
            return self.program
        level, renamed = self.level, self.renamed
        constants = dict(level.constants.values())
        made = self.program.with_instructions(level.instructions, renamed, constants)
        return replace(made, own=frozenset(level.own))


class _OfInstruction(Provenance):
    """The origin of what a rule computes: that of the instruction it replaces."""

    def __init__(self) -> None:
        super().__init__()
        self.line = ""

    def of_call(self) -> Origin:
        return Origin(self.line, "", None)

    def name(self, origin: Origin, variable: Any) -> None:
        """Leave it unnamed; `Rewriting` names what stands for a variable."""


def rewrite(
    program: Program, rule: Rule, operations: Collection[str] | None = None
) -> Program:
    """Return a program in which a rule has replaced calls.

    Calls are visited in order; their operands are already those of the new program.
    What nobody reads any more stays, for dead code to be found.

    Parameters
    ----------
    program
        A program, which is not changed.
    rule
        What to compute instead of a call.
    operations
        Of which operations the rule is asked; by default of all.
    """
    if operations is not None and not any(
        each.operation in operations for each in program.instructions
    ):
        return program
    rewriting = Rewriting(program)
    with rewriting.level:
        rewriting.apply(rule, operations)
    return rewriting.result()


Reader: TypeAlias = "Instruction | str"
"""An instruction, ``"return"`` or ``"guard"``."""


def readers_of(program: Program) -> Mapping[Variable, list[Reader]]:
    """Return what reads each variable, as often as it does."""
    readers: dict[Variable, list[Reader]] = {}
    for instruction in program.instructions:
        for variable in instruction.operands:
            readers.setdefault(variable, []).append(instruction)
    for variable in variables_in(program.outputs):
        readers.setdefault(variable, []).append("return")
    for guard in program.guards:
        readers.setdefault(guard.variable, []).append("guard")
    return readers


def variables_in_order(program: Program) -> set[Variable]:
    """Return the variables whose elements lie in the order of their indices.

    The last index runs fastest: so inputs are assumed to lie, and so what is computed
    of such arrays does. Elements may repeat, or lie apart.
    """
    found = {*program.inputs, *program.constants}
    for each in program.instructions:
        name = each.operation
        if name not in REORDERING and not is_reversing(each):
            if name in ALWAYS_IN_ORDER or found.issuperset(each.operands):
                found.update(each.results)
        elif all(variable.size <= 1 for variable in each.results):
            found.update(each.results)
    return found


def is_reversing(instruction: Instruction) -> bool:
    """Say whether an index has a negative step."""
    key = instruction.statics.get("key")
    parts = key if isinstance(key, tuple) else (key,)
    return any(isinstance(k, slice) and (k.step or 1) < 0 for k in parts)


def uniform(x: Array) -> float | complex | None:
    """Return the number that all elements of an array of NumPy's share by its layout.

    That is an array of one element, or one whose strides are 0; others are not read.
    """
    if 0 in x.shape or x.dtype.kind not in "fciu":
        return None
    lengths = zip(x.shape, x.strides, strict=True)
    if any(n > 1 and stride for n, stride in lengths):
        return None
    number: float | complex = x[(0,) * x.ndim].item()
    return number
