"""Results that are memory of their own stay that."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from autograd_core.programs.program import DType, Instruction, Program, Variable
from autograd_core.programs.rewriting import VIEWS


def unshared(program: Program, original: Program) -> Program:
    """Copy results that came to share memory with what is not theirs alone.

    Without ``1 * x`` or a second computation of the same, a result would be an input, a
    constant, or another result: who writes to one would change the other. Where the
    original program shares, nothing is done.
    """
    before, after = owners(original), owners(program)
    outputs, copies = list(program.outputs), []
    for k, y in enumerate(program.outputs):
        shared = after[k] & ~before[k] if isinstance(y, Variable) else 0
        if shared:
            copy = Variable(y.shape, y.dtype, y.name, y.line)
            statics = {"dtype": DType(y.dtype), "copy": True, "device": None}
            copies.append(Instruction("astype", (y,), statics, copy))
            outputs[k] = copy
    if not copies:
        return program
    instructions = (*program.instructions, *copies)
    return replace(program, instructions=instructions, outputs=tuple(outputs))


HELD, RETURNED = 1, 2  # by an input or a constant; as a result before


def owners(program: Program) -> list[int]:
    """Return of each result who else has its memory: `HELD`, `RETURNED`, or both."""
    sources: dict[Variable, Any] = {}
    for each in program.instructions:
        for variable in each.results:
            is_view = each.operation in VIEWS and each.operands
            sources[variable] = each.operands[0] if is_view else None
    held = {*program.inputs, *program.constants}
    returned: set[Variable] = set()
    found = []
    for y in program.outputs:
        root = y
        while isinstance(root, Variable) and sources.get(root) is not None:
            root = sources[root]
        found.append(HELD * (root in held) | RETURNED * (root in returned))
        if isinstance(root, Variable):
            returned.add(root)
    return found
