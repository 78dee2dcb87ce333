"""Where a recorded value comes from: the user's line, and what the user calls it.

Read off the stack, as a debugger would: the innermost frame that is not ours has the
line, and the name under which its next bytecode stores the result. In a backward pass
the frame of the sweep tells whose derivative is being computed.
"""

from __future__ import annotations

import dis
import sys
from bisect import bisect_right
from collections.abc import Callable
from functools import cache
from os.path import basename
from types import CodeType, FrameType
from typing import Any, NamedTuple, TypeVar

from autograd_core.errors import OURS
from autograd_core.graph import node_ids
from autograd_core.reverse import sweep
from autograd_core.tensor import recorded_in

Entry = TypeVar("Entry", bound=Callable[..., Any])


_entries: set[CodeType] = set()


def entry(function: Entry) -> Entry:
    """Mark a function in which a recording begins: what calls it is not recorded."""
    _entries.add(function.__code__)
    return function


class Origin(NamedTuple):
    """Where a call was made.

    Attributes
    ----------
    line
        ``model.py:6``; of a call in a backward pass ``gradient of model.py:6``.
    name
        What its result is going to be called, "" if that is not known.
    place
        What the calls share that were made for one result.
    """

    line: str
    name: str
    place: Any


class Provenance:
    """The origins of the calls of one recording."""

    def __init__(self) -> None:
        self._before: tuple[Any, Any] = (None, None)
        self._numbers: list[int] = []
        self._variables: list[Any] = []

    def of_call(self) -> Origin:
        """Return where the call that is being recorded was made."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            if frame.f_code is sweep.__code__:
                return self._of_backward_pass(frame)
            if frame.f_code in _entries:
                break
            if frame.f_globals.get("__name__", "").partition(".")[0] not in OURS:
                name = stored_as(frame.f_code, frame.f_lasti)
                line = f"{basename(frame.f_code.co_filename)}:{frame.f_lineno}"
                return Origin(line, name, (id(frame), frame.f_lasti))
            frame = frame.f_back
        return Origin("", "", None)

    def name(self, origin: Origin, variable: Any) -> None:
        """Name a result, of several calls for one result the last.

        A node that is made for it has a greater number than all before.
        """
        self._numbers.append(next(node_ids))
        self._variables.append(variable)
        place, named = self._before
        if place == origin.place is not None and named.name == origin.name:
            named.name = ""
        variable.name = origin.name
        self._before = origin.place, variable

    def _of_backward_pass(self, frame: FrameType) -> Origin:
        """Return whose derivative a sweep computes."""
        here = frame.f_locals
        node, edge = here.get("node"), here.get("edge")
        of = self._variable(node)
        line = f"gradient of {of.line}" if of is not None and of.line else ""
        if edge is None:
            return Origin(line, "", None)
        parent = self._variable(edge[0]) or self._primal(frame, edge[0])
        name = f"d_{parent.name}" if parent is not None and parent.name else ""
        return Origin(line, name, (id(frame), id(node), id(edge)))

    def _variable(self, node: Any) -> Any:
        """Return the variable whose node this is."""
        if node is None or not node.edges:
            return None
        k = bisect_right(self._numbers, node.id) - 1
        return self._variables[k] if k >= 0 else None

    @staticmethod
    def _primal(frame: FrameType, leaf: Any) -> Any:
        """Return the variable that a transform differentiates with respect to."""
        trace = frame.f_back.f_locals.get("trace") if frame.f_back else None
        if trace is None:
            return None
        for each, primal in zip(trace.leaves, trace.primals, strict=True):
            if each is leaf and (recorded := recorded_in(primal)) is not None:
                return recorded.node
        return None


def stored_as(code: CodeType, offset: int) -> str:
    """Return the name to which the result of the instruction at an offset is bound.

    Of a call the frame may name the offset of the instruction or of its inline cache.
    """
    offsets, names = _stores(code)
    return names[bisect_right(offsets, offset) - 1]


@cache
def _stores(code: CodeType) -> tuple[list[int], list[str]]:
    """Return the offset of each instruction, and the name its result is bound to."""
    instructions = list(dis.get_instructions(code))
    names = [_target(after) for after in instructions[1:]]
    return [each.offset for each in instructions], [*names, ""]


def _target(instruction: dis.Instruction) -> str:
    """Return the name that an instruction binds, "" if it binds none."""
    if instruction.opname not in _STORES:
        return ""
    name = instruction.argval  # of a pair of instructions in one, two names
    return str(name[0] if isinstance(name, tuple) else name)


_STORES = {
    *("STORE_FAST", "STORE_NAME", "STORE_GLOBAL", "STORE_DEREF"),
    *("STORE_FAST_LOAD_FAST", "STORE_FAST_STORE_FAST", "STORE_FAST_MAYBE_NULL"),
}
