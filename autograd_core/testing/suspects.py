"""Which operations are to blame: those of a function that fail their own checks."""

from __future__ import annotations

from collections.abc import Iterator

import autograd_core as ag
from autograd_core.operation import Operation
from autograd_core.testing.operations import first_failure
from autograd_core.testing.problem import Problem


def suspects(problem: Problem) -> Iterator[str]:
    """Yield what is known against the operations that a function is made of."""
    used = {operation.name: operation for operation in operations_of(problem)}
    for name in sorted(used):
        found = first_failure(used[name], only=SHOWN) if used[name].samples else None
        if found is not None:
            yield f"{name} fails its own check ({place(used[name])})"
    if used:
        yield f"the function is made of {', '.join(sorted(used))}"


SHOWN = ("declared samples, to second order", "whole numbers", "declared kinks")


def operations_of(problem: Problem) -> Iterator[Operation]:
    """Yield every operation in the graph of a function of ours."""
    tensors = [ag.Tensor(x) for x in problem.leaves]
    results = problem.function(*tensors)
    waiting = [y.node for y in results if isinstance(y, ag.Tensor)]
    seen = set(waiting)
    while waiting:
        node = waiting.pop()
        if isinstance(getattr(node, "operation", None), Operation):
            yield node.operation
        parents = {edge[0] for edge in node.edges or ()} - seen
        seen |= parents
        waiting += parents


def place(operation: Operation) -> str:
    """Return where an operation is declared: ``file:line``."""
    code = operation.declaration.__code__
    return f"{code.co_filename}:{code.co_firstlineno}"
