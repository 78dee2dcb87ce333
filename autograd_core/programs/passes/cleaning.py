"""What is not needed, what is there twice, and what is known beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from autograd_core.backend import backend
from autograd_core.graph import Array
from autograd_core.programs.passes.registry import optimisation
from autograd_core.programs.program import Instruction, Program, Variable, variables_in
from autograd_core.programs.rewriting import VIEWS, Call, names, rewrite, uniform


@optimisation("exact")
def dead_code(program: Program) -> Program:
    """Leave out calls and constants that no result and no guard depends on.

    Operations have no effect but their results. Inputs stay, as they are given.
    """
    live = {*variables_in(program.outputs), *(g.variable for g in program.guards)}
    kept = []
    for instruction in reversed(program.instructions):
        if not live.isdisjoint(instruction.results):
            kept.append(instruction)
            live.update(instruction.operands)
    constants = {v: x for v, x in program.constants.items() if v in live}
    if len(kept) == len(program.instructions) and len(constants) == len(
        program.constants
    ):
        return program
    return replace(
        program,
        instructions=tuple(reversed(kept)),
        constants=constants,
        own=program.own & constants.keys(),
    )


# ------------------------------------------------------------------ what is there twice


@optimisation("exact")
def common_subexpressions(program: Program) -> Program:
    """Compute once what the same operation computes of the same operands.

    Operations are functions of their parameters. Sums and products in either order are
    one, where that gives the same bits: of real numbers, and sums of complex ones (a
    library may fuse one product of a complex product into the sum, but not the other).
    """
    seen: dict[Any, Any] = {}

    def merge(call: Call) -> Any:
        instruction = call.instruction
        if call.is_returned_copy:
            return None
        found = seen.setdefault(key_of(instruction), instruction.result)
        if found is instruction.result:
            return None
        several = isinstance(found, tuple)
        return tuple(map(call.array, found)) if several else call.array(found)

    return rewrite(program, merge)


COMMUTATIVE = names(
    "add multiply equal not_equal logical_and logical_or logical_xor bitwise_and "
    "bitwise_or bitwise_xor"
)


def key_of(instruction: Instruction) -> Any:
    """Return a value that only calls with the same result share."""
    parts = [key_part(x) for x in instruction.arguments]
    statics = instruction.statics
    if instruction.operation in COMMUTATIVE and commutes(instruction):
        parts += [key_part(x) for x in statics.values()]
        return instruction.operation, frozenset(parts)
    return instruction.operation, tuple(parts), key_part(statics)


def commutes(instruction: Instruction) -> bool:
    """Say whether the arguments of a commutative operation may change places."""
    is_complex = "complex" in instruction.results[0].dtype
    return instruction.operation != "multiply" or not is_complex


def key_part(value: Any) -> Any:
    """Return what tells parameters apart: 1 from True, 0.0 from -0.0."""
    if isinstance(value, tuple):
        return tuple(map(key_part, value))
    if isinstance(value, Mapping):
        return tuple((name, key_part(part)) for name, part in value.items())
    if isinstance(value, PLAIN):
        return type(value), repr(value)
    return value  # by identity: a variable, the body of a loop


PLAIN = (bool, int, float, complex, str, slice)


# ------------------------------------------------------------------ what is known


@optimisation("exact")
def constant_folding(program: Program) -> Program:
    """Compute beforehand what depends on numbers and on constants of the recording.

    Only operations that all libraries round alike, as the IEEE standard prescribes, or
    that move elements about. What the user's function closes over is not looked into:
    it may be edited in place before the program runs.
    """
    own = program.own

    def fold(call: Call) -> Any:
        instruction = call.instruction
        operands = instruction.operands
        level = call.rewriting.level
        if call.is_returned_copy or not operands or not level.own.issuperset(operands):
            return None
        found = folded(instruction, {v: call.rewriting.data(v) for v in operands})
        if found is None or found.nbytes == 0:
            return None
        is_computed = uniform(found) is not None and instruction.operation not in VIEWS
        if is_computed and not call.may_lie_anyhow():  # it has memory of its own
            found = found.copy() if found.nbytes <= LARGEST else None
        return None if found is None else backend("abstract").constant(found, own=True)

    return rewrite(program, fold, ROUNDED_ALIKE) if own else program


MOVING = names(
    "reshape expand_dims squeeze broadcast_to permute_dims moveaxis matrix_transpose "
    "flip roll repeat tile take basic_index"
)
"""Operations of which every element of the result is one of the first argument."""

ROUNDED_ALIKE = MOVING | names(
    "add subtract multiply divide negative abs square sqrt maximum minimum where "
    "equal not_equal less less_equal greater greater_equal logical_and logical_or "
    "logical_not astype concat stack pad_index tril triu"
)

LARGEST = 1 << 16
"""The bytes that a folded constant may take, unless all its elements are one."""


def folded(instruction: Instruction, values: Mapping[Variable, Array]) -> Any:
    """Return the constant that a call gives, None if it is large or not finite."""
    xp, result = backend("abstract").namespace, instruction.results[0]
    arrays = dict(values)
    if all(uniform(x) is not None for x in values.values()):
        first = {v: x[(slice(1),) * x.ndim] for v, x in values.items()}
        if instruction.operation in MOVING and len(values) == 1:
            (one,) = first.values()
            return spread(one, result)
        arrays = first if instruction.declared.elementwise else arrays
    elif result.nbytes > LARGEST:
        return None
    with xp.errstate(all="ignore"):
        instruction.run(arrays)
    found = spread(arrays[result], result)
    return found if xp.all(xp.isfinite(found)) else None  # which a library may report


def spread(x: Array, result: Variable) -> Array:
    """Return an array of one element as one of the result's shape that repeats it."""
    xp = backend("abstract").namespace
    x = xp.reshape(x, ()) if x.size == 1 else x
    return xp.broadcast_to(x, result.shape)
