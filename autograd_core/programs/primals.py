"""Rewriting a function before it is differentiated, while a program is recorded.

``log(1 + exp(x))`` at 1,000 is infinite, and its derivative nan: once differentiated
the formula is not recognised any more. Where the level allows it, each transform
therefore records its function by itself, rewrites what it recorded, and differentiates
that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from autograd_core import pytree
from autograd_core.backend import Backend
from autograd_core.errors import dtype_name
from autograd_core.programs.passes import optimise
from autograd_core.programs.program import Program
from autograd_core.programs.provenance import entry
from autograd_core.programs.recording import Record, Spec
from autograd_core.tensor import is_array
from autograd_core.transform import Pytree


def stabilised(function: Callable[..., Pytree], library: Backend) -> Callable[..., Any]:
    """Return a function whose formulas are replaced by more accurate ones.

    Where it cannot be recorded without data, as its control flow asks for values, or
    has rules of its own in it, it is the function itself.
    """

    def evaluate(*arguments: Any) -> Pytree:
        try:
            program, held = _recorded(function, arguments, library)
        except (TypeError, ValueError):
            return function(*arguments)
        if any(each.operation == "own_rule" for each in program.instructions):
            return function(*arguments)
        leaves = [x for x in pytree.flatten(arguments)[0] if is_array(x)]
        results = optimise(program, "stable").evaluate([*leaves, *held])
        return pytree.unflatten(program.structure, results)

    return evaluate


@entry
def _recorded(
    function: Callable[..., Pytree], arguments: Sequence[Any], library: Backend
) -> tuple[Program, list[Any]]:
    """Record a function; return the program, and what it takes beside the arguments."""
    with Record("stable", library) as level:
        level.stable, level.outer = True, {}

        def input(x: Any) -> Any:
            if not is_array(x):
                return x
            return level.input(Spec(tuple(x.shape), dtype_name(x.dtype)))

        y = function(*pytree.map(input, list(arguments)))
        outputs, structure = pytree.flatten(y)
        name = getattr(function, "__name__", "function")
        program = level.program(name, outputs, structure=structure)
        return program, [x for _, x in level.outer.values()]
