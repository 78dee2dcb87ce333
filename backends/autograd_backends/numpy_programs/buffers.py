"""Which results are computed into which memory, from where values are used last.

A *root* is the variable whose memory a value lies in: its own, or, of a view, that of
what it looks into. Memory is used again when no value of its root is read any more.
What is handed to the user never lies in memory that is used again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from autograd_backends.numpy_programs.calls import Call, Known
from autograd_backends.numpy_programs.layout import Strides, row_major
from autograd_core.programs.program import (
    Program,
    Variable,
    item_size,
    variables_in,
)

DELETED = 1 << 20
"""Bytes from which an array that NumPy made is let go before the function returns."""

ALWAYS = 1 << 60
"""The time of the last use of what is handed to the user."""


@dataclass(eq=False)
class Buffer:
    """Memory of a workspace: so many bytes."""

    nbytes: int


@dataclass(frozen=True)
class View:
    """An array of a workspace: a buffer seen as a shape and dtype."""

    buffer: Buffer
    shape: tuple[int, ...]
    dtype: str
    strides: Strides | None = None
    """None where it is C-contiguous."""


@dataclass(eq=False)
class Pool:
    """The buffers of a workspace, and which of them are free."""

    buffers: list[Buffer] = field(default_factory=list)
    free: list[Buffer] = field(default_factory=list)

    def take(self, nbytes: int) -> Buffer:
        """Return the smallest free buffer that is large enough, else make one so."""
        fitting = [b for b in self.free if b.nbytes >= nbytes]
        if fitting:
            # of equal ones the last one freed, which the caches still hold
            smallest = min(b.nbytes for b in fitting)
            found = next(b for b in reversed(fitting) if b.nbytes == smallest)
            self.free.remove(found)
            return found
        if self.free:
            found = max(self.free, key=size_of)
            self.free.remove(found)
            found.nbytes = nbytes
            return found
        self.buffers.append(Buffer(nbytes))
        return self.buffers[-1]

    def give(self, buffer: Buffer) -> None:
        """Take a buffer back."""
        self.free.append(buffer)


def size_of(buffer: Buffer) -> int:
    """Return the bytes of a buffer."""
    return buffer.nbytes


@dataclass(eq=False)
class Unit:
    """What is computed at once: a call, or a loop over tiles of several.

    Attributes
    ----------
    writes
        Its results, each with its call.
    reads
        The variables it reads.
    loop
        The loop over tiles; None for a call.
    """

    writes: tuple[tuple[tuple[Variable, ...], Call], ...]
    reads: tuple[Variable, ...]
    line: str = ""
    loop: Loop | None = None


@dataclass(eq=False)
class Loop:
    """Calls that are computed tile by tile.

    Attributes
    ----------
    flat
        Whether arrays are cut in the order of memory, else along the first axis.
    length, rows
        Of what is cut, and of a tile.
    members
        The calls.
    visible
        The results that are read elsewhere.
    full, leading
        Sums of everything, and over the first axis.
    cut
        What it reads from outside that is cut.
    places
        The array in which there is room for the tile of a result.
    tiles
        The arrays of a workspace that are these rooms: a set for each thread.
    """

    flat: bool
    length: int
    rows: int
    members: list[tuple[Variable, Call]]
    visible: list[Variable]
    full: list[Variable]
    leading: list[Variable]
    cut: set[Variable]
    places: dict[Variable, View] = field(default_factory=dict)
    between: dict[Variable, View] = field(default_factory=dict)
    """Where there is room for what is in between a call."""
    tiles: list[tuple[View, ...]] = field(default_factory=list)
    width: int = 1
    """Doubles in an element, as NumPy counts them when it cuts a sum in halves."""

    @property
    def rooms(self) -> list[View]:
        """The arrays of a tile."""
        return list(dict.fromkeys([*self.places.values(), *self.between.values()]))

    @property
    def values(self) -> set[Variable]:
        """The results of which there are tiles."""
        return {y for y, _ in self.members} - {*self.full, *self.leading}

    @property
    def reads(self) -> list[Variable]:
        """What it reads from outside."""
        made = {y for y, _ in self.members}
        read = [x for _, call in self.members for x in call.operands]
        return [
            x for x in dict.fromkeys(read) if isinstance(x, Variable) and x not in made
        ]


@dataclass(eq=False)
class Plan:
    """The memory of a program's values.

    Attributes
    ----------
    roots
        For each variable the variables whose memory it may lie in.
    views
        The array of the workspace into which a result is computed.
    dead
        For each unit the large arrays that nobody reads after it.
    pool, holder
        The buffers, and whose value each of them holds.
    peak_bytes
        The memory that a call needs beside its inputs.
    """

    roots: dict[Variable, frozenset[Variable]]
    last: dict[Variable, int]
    views: dict[Variable, View]
    dead: dict[int, list[Variable]]
    rooms: dict[Variable, View] = field(default_factory=dict)
    """The array for what is in between a call, beside the one for its result."""
    pool: Pool = field(default_factory=Pool)
    holder: dict[Buffer, Variable] = field(default_factory=dict)
    peak_bytes: int = 0


def roots_of(
    program: Program, units: Sequence[Unit]
) -> dict[Variable, frozenset[Variable]]:
    """Return for each variable the variables whose memory it may lie in."""
    roots = {v: frozenset([v]) for v in (*program.inputs, *program.constants)}
    for unit in units:
        for results, call in unit.writes:
            read = [x for x in call.operands if isinstance(x, Variable)]
            if call.kind == "view":
                shared = roots[read[0]]
            elif call.kind == "unknown":
                shared = frozenset().union(*(roots[x] for x in read))
            else:
                shared = frozenset()
            for y in results:
                own = call.kind != "view"
                roots[y] = shared | {y} if own else shared
    return roots


def last_reads(
    program: Program,
    units: Sequence[Unit],
    roots: dict[Variable, frozenset[Variable]],
) -> dict[Variable, int]:
    """Return for each root the last unit that reads or writes a value in it."""
    last: dict[Variable, int] = {}
    for k, unit in enumerate(units):
        touched = [y for results, _ in unit.writes for y in results]
        for x in (*unit.reads, *touched):
            for root in roots[x]:
                last[root] = k
    for y in variables_in(program.outputs):
        for root in roots[y]:
            last[root] = ALWAYS
    return last


def planned(
    program: Program, units: Sequence[Unit], known: Known, threads: int = 1
) -> Plan:
    """Assign buffers to results, one unit after the other."""
    roots = roots_of(program, units)
    last = last_reads(program, units, roots)
    plan = Plan(roots, last, {}, {})
    ends: dict[int, list[Variable]] = {}
    for root, k in last.items():
        ends.setdefault(k, []).append(root)
    outside = {*program.inputs, *program.constants}
    live = 0
    for k, unit in enumerate(units):
        lent = _tiles(plan, unit, threads)
        for results, call in unit.writes:
            if len(results) != 1 or call.kind == "view":
                continue
            (y,) = results
            if call.room:
                buffer = plan.pool.take(y.size * item_size(call.room))
                plan.rooms[y] = View(buffer, y.shape, call.room)
                lent.append(buffer)
            if call.into is not None and last[y] != ALWAYS:
                plan.views[y] = _view(plan, unit, call, y, k, known)
            else:
                live += y.nbytes
        plan.peak_bytes = max(plan.peak_bytes, live)
        for buffer in lent:
            plan.pool.give(buffer)
        for root in ends.get(k, ()):
            if root in plan.views:
                buffer = plan.views[root].buffer
                if plan.holder[buffer] is root:
                    plan.pool.give(buffer)
            elif root not in outside:
                live -= root.nbytes
                if root.nbytes >= DELETED:
                    plan.dead.setdefault(k, []).append(root)
    plan.peak_bytes += sum(b.nbytes for b in plan.pool.buffers)
    return plan


def _tiles(plan: Plan, unit: Unit, threads: int) -> list[Buffer]:
    """Lend a loop the buffers for its tiles, a set for each thread."""
    loop = unit.loop
    if loop is None:
        return []
    views = loop.rooms
    lent: list[Buffer] = []
    sets = 1 if loop.leading else threads  # in the order of rows, one after the other
    for _ in range(sets):
        own = {b: plan.pool.take(b.nbytes) for b in {v.buffer: 0 for v in views}}
        lent += own.values()
        loop.tiles.append(tuple(View(own[v.buffer], v.shape, v.dtype) for v in views))
    return lent


def _view(
    plan: Plan, unit: Unit, call: Call, y: Variable, k: int, known: Known
) -> View:
    """Return the array for a result: that of an operand that ends here, or another."""
    strides = known[y]
    for x in call.operands:
        if unit.loop is None and _may_be_overwritten(plan, call, x, y, k, known):
            plan.holder[plan.views[x].buffer] = y
            return plan.views[x]
    buffer = plan.pool.take(y.nbytes)
    plan.holder[buffer] = y
    plain = strides == row_major(y)
    return View(buffer, y.shape, y.dtype, None if plain else strides)


def _may_be_overwritten(
    plan: Plan, call: Call, x: Any, y: Variable, k: int, known: Known
) -> bool:
    """Say whether a result may be computed in place of an operand.

    If it ends here, is no view, has the shape, dtype and layout of the result, and no
    other operand looks into its memory.
    """
    if not works_in_place(call, y) or not isinstance(x, Variable):
        return False
    if x not in plan.views or plan.last[x] != k or plan.roots[x] != {x}:
        return False
    if (x.shape, x.dtype, known[x]) != (y.shape, y.dtype, known[y]):
        return False
    others = [v for v in call.operands if isinstance(v, Variable) and v is not x]
    return not any(x in plan.roots[v] for v in others)


def works_in_place(call: Call, y: Variable) -> bool:
    """Say whether a call gives the same bits if the result replaces an operand.

    Of one complex number, multiply and square do not (NumPy 2.4, AVX-512): they take
    another loop where memory overlaps.
    """
    return call.kind == "elementwise" and not y.dtype.startswith("complex")
