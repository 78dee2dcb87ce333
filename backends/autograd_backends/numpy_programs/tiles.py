"""Loops over tiles: how much is computed at once, and where."""

from __future__ import annotations

import math
from collections.abc import Sequence

from autograd_backends.numpy_programs.buffers import (
    Loop,
    Pool,
    Unit,
    View,
    works_in_place,
)
from autograd_backends.numpy_programs.calls import Call, Known
from autograd_backends.numpy_programs.clusters import FLAT, Cluster, Pair, read_outside
from autograd_core.programs.program import Program, Variable, item_size

TILE = 512 << 10
"""Bytes of a tile of an array."""

LEAST_FLAT = 128
"""Elements that NumPy's sum adds without cutting them in halves."""

RESULT = Call("", (), None, "", "elementwise")
"""A result that a loop computes into an array."""

SUM = Call("", ())
"""A number that a loop computes."""


def units_of(
    program: Program, items: Sequence[Cluster | Pair], known: Known, tile: int = TILE
) -> list[Unit]:
    """Return what is computed at once: calls, and loops over tiles."""
    visible = read_outside(program, items)
    return [
        looped(item, visible[item], tile, known)
        if isinstance(item, Cluster)
        else Unit(
            ((item[0].results, item[1]),), item[0].operands, item[0].results[0].line
        )
        for item in items
    ]


def looped(cluster: Cluster, visible: list[Variable], tile: int, known: Known) -> Unit:
    """Return the loop of a cluster."""
    flat = FLAT in cluster.modes
    length = math.prod(cluster.shape) if flat else cluster.length
    widest = max(
        item_size(v.dtype) * (1 if flat else math.prod(v.shape[1:]))
        for v in cluster.values
    )
    loop = Loop(
        flat,
        length,
        max(LEAST_FLAT if flat else 1, min(length, tile // widest)),
        [(i.results[0], call) for i, call in cluster.members],
        visible,
        cluster.full,
        cluster.leading,
        {
            v
            for v, by_rows in cluster.reads.items()
            if (v.size == length and any(known[v] or ()) if flat else by_rows)
        },
    )
    if any(v.dtype.startswith("complex") for v in cluster.full):
        loop.width = 2
    _assign(loop)
    writes = tuple(((y,), SUM if y in loop.full else RESULT) for y in visible)
    return Unit(writes, tuple(loop.reads), "", loop)


def _assign(loop: Loop) -> None:
    """Find room for the tiles of what is read here only, in place where one ends."""
    last: dict[Variable, int] = {}
    for k, (y, call) in enumerate(loop.members):
        last |= {x: k for x in (y, *call.operands) if isinstance(x, Variable)}
    pool, holder = Pool(), {}
    for k, (y, call) in enumerate(loop.members):
        shape = (loop.rows, *(() if loop.flat else y.shape[1:]))
        between = None
        if call.room:
            between = pool.take(math.prod(shape) * item_size(call.room))
            loop.between[y] = View(between, shape, call.room)
        if y in loop.values and y not in loop.visible and call.into is not None:
            place = None
            for x in call.operands:
                if _ends(loop, last, x, k) and works_in_place(call, y):
                    found = loop.places[x]
                    if (found.shape, found.dtype) == (shape, y.dtype):
                        place = found
                        break
            if place is None:
                nbytes = math.prod(shape) * item_size(y.dtype)
                place = View(pool.take(nbytes), shape, y.dtype)
            loop.places[y] = place
            holder[place.buffer] = y
        if between is not None:
            pool.give(between)
        for x in dict.fromkeys((y, *call.operands)):
            if _ends(loop, last, x, k) and holder[loop.places[x].buffer] is x:
                pool.give(loop.places[x].buffer)


def _ends(loop: Loop, last: dict[Variable, int], x: object, k: int) -> bool:
    """Say whether a tile in a place of its own is not read after a call."""
    return isinstance(x, Variable) and x in loop.places and last[x] == k
