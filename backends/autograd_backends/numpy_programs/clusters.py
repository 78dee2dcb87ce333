"""Which calls are computed together, tile by tile, so that caches hold what is between.

A cluster is made of calls that commute with cutting arrays along their first axis, or,
*flat*, with cutting what they hold in the order of memory. A call joins if it reads
what the cluster reads or computes, and if no path leads out of the cluster and back.
Sums join where tiles can be added in NumPy's own order.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from autograd_backends.numpy_programs.calls import REDUCTIONS, Call, Known
from autograd_backends.numpy_programs.layout import is_row_major
from autograd_core.programs.program import (
    Instruction,
    Program,
    Variable,
    item_size,
    variables_in,
)

LEAST = 16 << 20
"""Bytes that the calls of a cluster have to go through, one by one.

Below, the caches of the processor hold all of them anyway, and tiles cost."""

LARGE = 128 << 10
"""Bytes of a result from which a cluster is begun."""

ROUNDS = 3
"""How often calls that joined too early are assigned anew."""

NEVER = 1 << 60

EXACT_SUMS = ("float32", "float64", "complex64", "complex128")

FLAT, ROWS = "flat", "rows"

Pair = tuple[Instruction, Call]


@dataclass(eq=False)
class Cluster:
    """Calls that are computed together.

    Attributes
    ----------
    length, shape
        Of the first axis, and of all arrays if it is flat.
    modes
        The ways in which it can still be cut.
    members
        The calls.
    values
        The results of which there are tiles within it.
    reads
        What it reads from outside, and whether that is cut if it is cut by rows.
    needs
        The clusters whose results it reads, directly or not.
    full, leading
        Sums of everything, and over the first axis.
    """

    length: int
    shape: tuple[int, ...]
    modes: set[str]
    members: list[Pair] = field(default_factory=list)
    values: dict[Variable, None] = field(default_factory=dict)
    reads: dict[Variable, bool] = field(default_factory=dict)
    needs: set[Cluster] = field(default_factory=set)
    full: list[Variable] = field(default_factory=list)
    leading: list[Variable] = field(default_factory=list)

    @property
    def touched(self) -> int:
        """The bytes that its calls would go through one by one."""
        return sum(v.nbytes for v in (*self.values, *self.reads))


class Clusters:
    """Assigns calls to clusters, in the order of the program."""

    def __init__(self, known: Known, later: Mapping[Instruction, Instruction]) -> None:
        self.known, self.later = known, later
        self.all: list[Cluster] = []
        self.of: dict[Variable, Cluster] = {}
        self.behind: dict[Variable, frozenset[Cluster]] = {}

    def add(self, pair: Pair) -> Cluster | None:
        """Put a call into a cluster if it fits one."""
        instruction, call = pair
        found = None
        if len(instruction.results) == 1:
            found = self._joined(instruction, call) or self._begun(instruction, call)
        needed = self._needed(instruction.operands, found)
        if found is not None:
            found.members.append(pair)
            found.needs |= needed
            found.reads |= roles(instruction, found)
            y = instruction.results[0]
            if y not in (*found.full, *found.leading):
                found.values[y] = None
            needed = frozenset([*needed, found])
        for y in instruction.results:
            self.behind[y] = needed
        return found

    def _needed(
        self, operands: Iterable[Variable], within: Cluster | None
    ) -> frozenset[Cluster]:
        """Return the clusters that must be complete before operands can be read."""
        needed: set[Cluster] = set()
        for v in operands:
            if within is None or v not in within.values:
                needed |= self.behind.get(v, frozenset())
        return frozenset(needed)

    def _joined(self, instruction: Instruction, call: Call) -> Cluster | None:
        refused = self.later.get(instruction)
        for cluster in reversed(self.all[-8:]):
            if cluster.members[0][0] is refused or not any(
                v in cluster.values or (v in cluster.reads and v.shape)
                for v in instruction.operands
            ):
                continue
            modes = self._modes(instruction, call, cluster)
            needed = self._needed(instruction.operands, cluster)
            if modes and cluster not in reached(needed):
                cluster.modes = modes
                self._note_sums(instruction, cluster)
                return cluster
        return None

    def _note_sums(self, instruction: Instruction, cluster: Cluster) -> None:
        if instruction.operation == "sum":
            (y,), (x,) = instruction.results, instruction.operands
            if y.shape == ():
                cluster.full.append(y)
            elif 0 in axes_of(instruction, x):
                cluster.leading.append(y)

    def _begun(self, instruction: Instruction, call: Call) -> Cluster | None:
        (y,) = instruction.results
        if is_pointwise(instruction, call):
            shape = y.shape
        elif instruction.operation in REDUCTIONS and instruction.operands:
            shape = instruction.operands[0].shape
        else:
            return None
        if not shape or math.prod(shape) * item_size(y.dtype) < LARGE:
            return None
        modes = {FLAT, ROWS} if shape[0] > 1 else {FLAT}
        cluster = Cluster(shape[0], shape, modes)
        cluster.modes = self._modes(instruction, call, cluster)
        if not cluster.modes:
            return None
        self.all.append(cluster)
        return cluster

    # ---- what commutes with cutting

    def _modes(
        self, instruction: Instruction, call: Call, cluster: Cluster
    ) -> set[str]:
        """Return the ways to cut a cluster if a call joins it."""
        (y,) = instruction.results
        if not is_row_major(y, self.known[y]):
            return set()
        tests = {FLAT: self._is_flat, ROWS: self._is_by_rows}
        return {m for m in cluster.modes if tests[m](instruction, call, cluster)}

    def _is_flat(self, instruction: Instruction, call: Call, cluster: Cluster) -> bool:
        (y,) = instruction.results
        operands = instruction.operands
        if is_pointwise(instruction, call):
            return y.shape == cluster.shape and all(
                self._lies_alike(v, cluster) for v in operands
            )
        if instruction.operation != "sum" or y.shape or y.dtype not in EXACT_SUMS:
            return False
        (x,) = operands
        return x in cluster.values and x.dtype == y.dtype

    def _lies_alike(self, v: Variable, cluster: Cluster) -> bool:
        strides = self.known[v]
        if strides is None:
            return False
        if v.size == 1 or not any(strides):
            return v not in cluster.values
        return v.shape == cluster.shape and is_row_major(v, strides)

    def _is_by_rows(
        self, instruction: Instruction, call: Call, cluster: Cluster
    ) -> bool:
        (y,) = instruction.results
        operands, n = instruction.operands, cluster.length
        ndim = len(y.shape)
        if is_pointwise(instruction, call):
            inside = [v for v in operands if v in cluster.values]
            outside = roles(instruction, cluster).items()
            if any(cluster.reads.get(v, cut) != cut for v, cut in outside):
                return False  # cut for one call, and whole for another
            return (
                ndim > 0
                and y.shape[0] == n
                and all(is_sliced(v, n, ndim) for v in inside)
                and all(self._is_upright(v) for v in operands)
            )
        if instruction.operation in REDUCTIONS and call.into is not None:
            (x,) = operands
            axes = axes_of(instruction, x)
            if 0 not in axes:
                return x.shape[0] == n and n > 1 and cluster.reads.get(x, True)
            columns = x.size // max(n, 1)
            return (
                instruction.operation == "sum"
                and axes == (0,)
                and x in cluster.values
                and columns > 1
                and y.dtype in EXACT_SUMS
            )
        return False

    def _is_upright(self, v: Variable) -> bool:
        """Say whether NumPy goes through an array forwards, in any tile of it."""
        strides = self.known[v]
        return strides is not None and all(s >= 0 for s in strides)


def is_pointwise(instruction: Instruction, call: Call) -> bool:
    """Say whether a call computes each element from the corresponding ones."""
    return call.kind == "elementwise" or instruction.operation == "where"


def roles(instruction: Instruction, cluster: Cluster) -> dict[Variable, bool]:
    """Return what a call reads from outside, and whether it is cut by rows with it."""
    (y,) = instruction.results
    outside = [v for v in instruction.operands if v not in cluster.values]
    if instruction.operation in REDUCTIONS:
        return dict.fromkeys(outside, True)
    return {v: is_sliced(v, cluster.length, len(y.shape)) for v in outside}


def is_sliced(v: Variable, length: int, ndim: int) -> bool:
    """Say whether an operand is cut with a result of so many axes."""
    return 0 < len(v.shape) == ndim and v.shape[0] == length


def axes_of(instruction: Instruction, x: Variable) -> tuple[int, ...]:
    """Return the axes of a reduction, from 0 on."""
    axis, ndim = instruction.statics.get("axis"), len(x.shape)
    if axis is None:
        return tuple(range(ndim))
    several = axis if isinstance(axis, tuple) else (axis,)
    return tuple(k % ndim for k in several)


def reached(clusters: Iterable[Cluster]) -> set[Cluster]:
    """Return clusters and all that they need."""
    seen: set[Cluster] = set()
    todo = list(clusters)
    while todo:
        cluster = todo.pop()
        if cluster not in seen:
            seen.add(cluster)
            todo += cluster.needs
    return seen


# ------------------------------------------------------------------ all of them


def clustered(
    pairs: Sequence[Pair], known: Known, outputs: Container[Variable] = ()
) -> list[Cluster | Pair]:
    """Return what is computed at once, in an order in which it can be."""
    if not any(y.nbytes >= LARGE for i, _ in pairs for y in i.results):
        return list(pairs)
    later: dict[Instruction, Instruction] = {}
    for _ in range(ROUNDS):
        items = _assigned(pairs, known, later)
        found = too_early(items, outputs)
        if found.keys() <= later.keys():
            break
        later |= found
    return items


def _assigned(
    pairs: Sequence[Pair], known: Known, later: Mapping[Instruction, Instruction]
) -> list[Cluster | Pair]:
    clusters = Clusters(known, later)
    for pair in pairs:
        clusters.add(pair)
    kept = {c for c in clusters.all if len(c.members) > 1 and c.touched > LEAST}
    of = {pair[0]: c for c in kept for pair in c.members}
    return in_order([of.get(pair[0], pair) for pair in pairs])


def too_early(
    items: Sequence[Cluster | Pair], outputs: Container[Variable]
) -> dict[Instruction, Instruction]:
    """Return calls that had better not join a cluster, which its first call names.

    What is read much later, and can then be computed of what is kept anyway, would only
    be kept too.
    """
    makers = {
        y: k for k, u in enumerate(items) for i, _ in pairs_of(u) for y in i.results
    }
    uses: dict[Variable, list[int]] = {}
    for k, unit in enumerate(items):
        for instruction, _ in pairs_of(unit):
            for v in instruction.operands:
                if makers.get(v) != k:
                    uses.setdefault(v, []).append(k)
    found: dict[Instruction, Instruction] = {}
    for unit in items:
        if isinstance(unit, Cluster):
            for group in groups_of(late_members(unit, uses, outputs)):
                if _gains(unit, group, uses):
                    found |= dict.fromkeys(group, unit.members[0][0])
    return found


def late_members(
    cluster: Cluster,
    uses: Mapping[Variable, Sequence[int]],
    outputs: Container[Variable],
) -> dict[Instruction, int]:
    """Return the calls that nobody needs when the first result is needed, and when."""
    needed: dict[Variable, int] = {}
    for instruction, _ in reversed(cluster.members):
        (y,) = instruction.results
        when = min([*uses.get(y, ()), needed.get(y, NEVER)])
        when = -1 if y in outputs else when
        for v in (y, *instruction.operands):
            needed[v] = min(needed.get(v, NEVER), when)
    made = [(i, i.results[0]) for i, _ in cluster.members]
    first = min((min(uses[y]) for _, y in made if y in uses), default=NEVER)
    return {i: needed[y] for i, y in made if first < needed[y] < NEVER}


def groups_of(late: Mapping[Instruction, int]) -> list[list[Instruction]]:
    """Return calls of which one reads what another computes together."""
    groups: list[list[Instruction]] = []
    for instruction in late:
        read = set(instruction.operands)
        joined = [g for g in groups if any(i.results[0] in read for i in g)]
        groups = [g for g in groups if g not in joined]
        groups.append([*(i for g in joined for i in g), instruction])
    return groups


def _gains(
    cluster: Cluster,
    group: Sequence[Instruction],
    uses: Mapping[Variable, Sequence[int]],
) -> bool:
    """Say whether less is kept for a group than of it, in bytes and time."""
    made = {i.results[0] for i in group}
    results = [i.results[0] for i, _ in cluster.members]
    first = min(min(uses[y]) for y in results if y in uses)
    last = max(max(uses.get(y, (0,))) for y in made)
    kept = sum(y.nbytes for y in made if y in uses) * (last - first)
    read = {v for i in group for v in i.operands} - made
    more = 0
    for v in read & cluster.values.keys():
        more += v.nbytes * max(0, last - max(uses.get(v, (first,))))
    return more < kept


# ------------------------------------------------------------------ in order


def in_order(items: Sequence[Cluster | Pair]) -> list[Cluster | Pair]:
    """Sort so that each comes after what it reads, else as early as it was."""
    units = list(dict.fromkeys(items))
    makers = {
        y: k for k, u in enumerate(units) for i, _ in pairs_of(u) for y in i.results
    }
    waiting: list[set[int]] = []
    users: list[set[int]] = [set() for _ in units]
    for k, unit in enumerate(units):
        read = {makers[v] for i, _ in pairs_of(unit) for v in i.operands if v in makers}
        waiting.append(read - {k})
        for maker in waiting[k]:
            users[maker].add(k)
    ready = [k for k, needs in enumerate(waiting) if not needs]
    order: list[Cluster | Pair] = []
    while ready:
        k = heappop(ready)
        order.append(units[k])
        for user in users[k]:
            waiting[user].discard(k)
            if not waiting[user]:
                heappush(ready, user)
    assert len(order) == len(units), "a path leaves a cluster and comes back"
    return order


def pairs_of(unit: Cluster | Pair) -> Sequence[Pair]:
    """Return the calls of a unit."""
    return unit.members if isinstance(unit, Cluster) else [unit]


def guards_first(program: Program) -> list[Instruction]:
    """Return the instructions, with those first that guards depend on."""
    needed = {g.variable for g in program.guards}
    early: set[Instruction] = set()
    for instruction in reversed(program.instructions):
        if not needed.isdisjoint(instruction.results):
            early.add(instruction)
            needed.update(instruction.operands)
    first = [i for i in program.instructions if i in early]
    return first + [i for i in program.instructions if i not in early]


def read_outside(
    program: Program, units: Sequence[Cluster | Pair]
) -> dict[Cluster, list[Variable]]:
    """Return for each cluster those of its results that are read elsewhere."""
    users: dict[Variable, set[object]] = {}
    for unit in units:
        for instruction, _ in pairs_of(unit):
            for v in instruction.operands:
                users.setdefault(v, set()).add(unit)
    for v in (*variables_in(program.outputs), *(g.variable for g in program.guards)):
        users.setdefault(v, set()).add(None)
    found = {}
    for unit in units:
        if isinstance(unit, Cluster):
            made = [i.results[0] for i, _ in unit.members]
            found[unit] = [v for v in made if users.get(v, set()) - {unit}]
    return found
