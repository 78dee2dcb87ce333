"""Batching rules of operations that are of none of the usual forms.

Each is ``rule(call)``, as `autograd_core.batching` says: what differs between examples
comes with the batch as its first axis, and so goes the result. None loops, and products
do not copy what all examples share.
"""

from __future__ import annotations

import math
from typing import Any

from autograd_core.backend import backend_of, is_array
from autograd_core.batching import BatchedCall, in_rows, refused, shifted
from autograd_core.graph import Array
from autograd_core.tensor import lowest
from autograd_ops.axes import contraction, normalized, numbers, positions

EVERY = slice(None)
"""The key of the axis of examples."""

# ------------------------------------------------------------------ shapes


def reshaped(call: BatchedCall) -> Array:
    """Batch `reshape`; the length that -1 stands for is that of one example."""
    shape, size = numbers(call["shape"]), math.prod(call["x"].shape[1:])
    known = math.prod(n for n in shape if n != -1)
    lengths = (size // (known or 1) if n == -1 else n for n in shape)
    return call.again(shape=(call.size, *lengths))


def broadcast(call: BatchedCall) -> Array:
    """Batch `broadcast_to`."""
    shape = numbers(call["shape"])
    return call.again(x=call.lifted("x", len(shape)), shape=(call.size, *shape))


def permuted(call: BatchedCall) -> Array:
    """Batch `permute_dims`: the axis of examples stays in front."""
    axes = normalized(call["axes"], call.rank("x"))
    return call.again(axes=(0, *(k + 1 for k in axes)))


def squeezed(call: BatchedCall) -> Array:
    """Batch `squeeze`; NumPy's None stands for all axes of length 1."""
    axis, shape = call["axis"], call["x"].shape
    if axis is None:
        axis = tuple(k for k, n in enumerate(shape[1:]) if n == 1)
    return call.again(axis=shifted(axis, len(shape) - 1))


def rolled(call: BatchedCall) -> Array:
    """Batch `roll`, which without an axis works on the flat array."""
    if call["axis"] is not None:
        return call.again(axis=shifted(call["axis"], call.rank("x")))
    x = call["x"]
    return call.xp.reshape(call.again(x=in_rows(x), axis=1), tuple(x.shape))


def repeated(call: BatchedCall) -> Array:
    """Batch `repeat`; how often each element is repeated settles a shape."""
    if call.has("repeats"):
        return refused(call)
    if call["axis"] is None:
        return call.again(x=in_rows(call["x"]), axis=1)
    return call.again(axis=shifted(call["axis"], call.rank("x")))


def joined(call: BatchedCall) -> Array:
    """Batch `concat`."""
    parts = [call.level.spread(x) for x in call.given["arrays"]]
    if call["axis"] is None:
        return call.again(arrays=tuple(in_rows(x) for x in parts), axis=1)
    rank = len(parts[0].shape) - 1
    return call.again(arrays=tuple(parts), axis=shifted(call["axis"], rank))


# ------------------------------------------------------------------ basic keys


def parts_of(key: Any) -> tuple[Any, ...]:
    """Return the parts of a key."""
    return key if isinstance(key, tuple) else (key,)


def indexed(call: BatchedCall) -> Array:
    """Batch `basic_index`."""
    return call.again(key=(EVERY, *parts_of(call["key"])))


def padded(call: BatchedCall) -> Array:
    """Batch `pad_index`."""
    shape = (call.size, *call["shape"])
    return call.again(key=(EVERY, *parts_of(call["key"])), shape=shape)


def written_into(call: BatchedCall) -> Array:
    """Batch `index_set`; a value has the axes of the place that it is written to."""
    parts, value = parts_of(call["key"]), call["value"]
    if call.has("value"):
        kept = (slice, type(...))
        rank = call.rank("x") - sum(not isinstance(k, kept) for k in parts)
        size, *shape = call.lifted("value", rank).shape
        value = call.xp.reshape(value, (size, *shape[len(shape) - rank :]))
    x = call.level.spread(call.given["x"])
    return call.again(x=x, value=value, key=(EVERY, *parts))


# ------------------------------------------------------------------ array keys


def looked_up(call: BatchedCall) -> Array:
    """Batch `array_index`: look up where a key points, then take elements there."""
    x, key = call["x"], call["key"]
    if not call.has("x"):
        return of_many_keys(call, x)
    xp, shape = call.xp, x.shape[1:]
    where = positions(x, shape)
    if call.has("key"):
        where = of_many_keys(call, where)
        y = xp.take_along_axis(in_rows(x), in_rows(where), axis=1)
        return xp.reshape(y, tuple(where.shape))
    where = xp.getitem(where, key=key)
    y = xp.take(in_rows(x), xp.reshape(where, (math.prod(where.shape),)), axis=1)
    return xp.reshape(y, (call.size, *where.shape))


def of_many_keys(call: BatchedCall, x: Array) -> Array:
    """Index one array with a key for each example.

    The axes of arrays in a key come first if a slice lies between two of them, else in
    their place; so does the axis of examples, which is their first.
    """
    given = parts_of(call.given["key"])
    if any(call.level.holds(k) and is_mask(k) for k in given):
        return refused(call)
    rank = max(1 if is_mask(k) else len(k.shape) for k in given if hasattr(k, "shape"))
    key = tuple(aligned(call, k, rank) for k in given)
    y = call.xp.getitem(x, key=key)
    return call.xp.moveaxis(y, place_of_arrays(key, len(x.shape)), 0)


def is_mask(part: Any) -> bool:
    """Say whether a part of a key is boolean."""
    raw = lowest(part)
    if isinstance(raw, bool):
        return True
    return is_array(raw) and backend_of(raw).isdtype(raw.dtype, "bool")


def aligned(call: BatchedCall, part: Any, rank: int) -> Any:
    """Return a part of a key, a batch of arrays with axes up to a rank."""
    if not call.level.holds(part):
        return part
    size, *shape = part.value.shape
    return call.xp.reshape(part.value, (size, *(1,) * (rank - len(shape)), *shape))


def place_of_arrays(key: tuple[Any, ...], rank: int) -> int:
    """Return which axis of ``x[key]`` is the first of those of the arrays in a key."""
    basic = [k is None or isinstance(k, (slice, type(...))) for k in key]
    first, last = basic.index(False), len(basic) - 1 - basic[::-1].index(False)
    if any(basic[first:last]):
        return 0
    named = sum(
        0
        if k is None or k is ...
        else len(k.shape)
        if is_mask(k) and hasattr(k, "shape")
        else 1
        for k in key
    )
    return sum(rank - named if k is ... else 1 for k in key[:first])


def scattered(call: BatchedCall) -> Array:
    """Batch `index_add`: one sum into the places of all examples."""
    xp, size = call.xp, call["size"]
    x, where = (call.level.spread(call.given[name]) for name in ("x", "positions"))
    n = math.prod(x.shape)
    starts = xp.astype(positions(where, (call.size, 1)) * size, where.dtype)
    where = xp.reshape(where + starts, (n,))
    y = call.again(x=xp.reshape(x, (n,)), positions=where, size=call.size * size)
    return xp.reshape(y, (call.size, size))


def taken(call: BatchedCall) -> Array:
    """Batch `take`."""
    x, axis = call["x"], call["axis"]
    if axis is None:
        shape = (-1,) if not call.has("x") else (call.size, math.prod(x.shape[1:]))
        x, axis = call.xp.reshape(x, shape), 0
    rank = len(x.shape) - call.has("x")
    (axis,) = normalized(axis, rank)
    if not call.has("indices"):
        return call.again(x=x, axis=axis + 1)
    return taken_at(call, x, axis, rank)


def taken_at(call: BatchedCall, x: Array, axis: int, rank: int) -> Array:
    """Take elements along an axis, at other places in each example."""
    xp, indices = call.xp, call["indices"]
    chosen = indices.shape[1:]
    if not call.has("x"):
        row = xp.reshape(indices, (math.prod(indices.shape),))
        y = call.again(x=x, indices=row, axis=axis)
        before, after = y.shape[:axis], y.shape[axis + 1 :]
        return xp.moveaxis(xp.reshape(y, (*before, *indices.shape, *after)), axis, 0)
    n = math.prod(chosen)
    ones = (1,) * axis, (1,) * (rank - axis - 1)
    y = xp.take_along_axis(
        x, xp.reshape(indices, (call.size, *ones[0], n, *ones[1])), axis=axis + 1
    )
    before, after = y.shape[: axis + 1], y.shape[axis + 2 :]
    return xp.reshape(y, (*before, *chosen, *after))


def taken_along(call: BatchedCall) -> Array:
    """Batch `take_along_axis`, whose arguments are broadcast."""
    axis = shifted(call["axis"], call.rank("x"))
    names = ("x", "indices")
    each = {k: call[k] if call.has(k) else call[k][None, ...] for k in names}
    return call.again(**each, axis=axis)


# ------------------------------------------------------------------ products


def products(call: BatchedCall) -> Array:
    """Batch `matmul`."""
    if not call.has("x2"):
        return products_with_one(call)
    return products_of_pairs(call) if call.has("x1") else products_of_one(call)


def products_with_one(call: BatchedCall) -> Array:
    """Multiply many first factors by the same second one."""
    x1, rank1, rank2 = call["x1"], call.rank("x1"), call.rank("x2")
    if rank2 == 1 or (rank1 == 1 and rank2 == 2):
        return call.again()
    if rank1 == 1:
        return call.xp.moveaxis(call.again(), -2, 0)
    if rank2 > 2:
        return call.again(x1=call.lifted("x1", rank2))
    before = tuple(x1.shape[:-1])  # one product of all rows
    y = call.again(x1=call.xp.reshape(x1, (math.prod(before), x1.shape[-1])))
    return call.xp.reshape(y, (*before, y.shape[-1]))


def products_of_one(call: BatchedCall) -> Array:
    """Multiply the same first factor by many second ones."""
    xp, x1, x2 = call.xp, call["x1"], call["x2"]
    rank1, rank2 = call.rank("x1"), call.rank("x2")
    if rank1 == 1 and rank2 == 1:
        return call.again(x1=x2, x2=x1)
    if rank1 == 1:
        return call.again()
    if rank2 > 1:
        return call.again(x2=call.lifted("x2", rank1))
    if rank1 == 2:  # vectors as the rows of a matrix
        return call.again(x1=x2, x2=xp.matrix_transpose(x1))
    return xp.moveaxis(call.again(x2=xp.matrix_transpose(x2)), -1, 0)


def products_of_pairs(call: BatchedCall) -> Array:
    """Multiply pairs of factors, vectors as matrices of one row or column."""
    xp, rank1, rank2 = call.xp, call.rank("x1"), call.rank("x2")
    rank = max(rank1, rank2, 2)
    x1, x2 = call["x1"], call["x2"]
    if rank1 == 1:
        x1 = xp.expand_dims(x1, axis=-2)
    if rank2 == 1:
        x2 = xp.expand_dims(x2, axis=-1)
    y = call.again(x1=stacks(xp, x1, rank), x2=stacks(xp, x2, rank))
    gone = (*(() if rank1 > 1 else (-2,)), *(() if rank2 > 1 else (-1,)))
    return xp.squeeze(y, axis=gone) if gone else y


def stacks(xp: Any, x: Array, rank: int) -> Array:
    """Return a batch of stacks of matrices with axes up to a rank."""
    size, *shape = x.shape
    return xp.reshape(x, (size, *(1,) * (rank - len(shape)), *shape))


def contracted(call: BatchedCall) -> Array:
    """Batch `tensordot`."""
    xp, x1, x2 = call.xp, call["x1"], call["x2"]
    over1, over2, free1, free2 = contraction(
        call["axes"], call.rank("x1"), call.rank("x2")
    )
    later1, later2 = [k + 1 for k in over1], [k + 1 for k in over2]
    if not call.has("x2"):
        return call.again(axes=(later1, over2))
    if not call.has("x1"):
        return xp.moveaxis(call.again(axes=(over1, later2)), len(free1), 0)
    free1, free2 = [k + 1 for k in free1], [k + 1 for k in free2]
    rows, columns = (
        [x.shape[k] for k in free] for x, free in ((x1, free1), (x2, free2))
    )
    inner = math.prod(x1.shape[k] for k in later1)
    x1 = xp.permute_dims(x1, (0, *free1, *later1))
    x2 = xp.permute_dims(x2, (0, *later2, *free2))
    x1 = xp.reshape(x1, (call.size, math.prod(rows), inner))
    x2 = xp.reshape(x2, (call.size, inner, math.prod(columns)))
    return xp.reshape(xp.matmul(x1, x2), (call.size, *rows, *columns))


def solved(call: BatchedCall) -> Array:
    """Batch `solve`: right-hand sides of one matrix are columns of one system."""
    if not call.has("x2"):
        return call.again(**call.aligned())
    xp, rank1, rank2 = call.xp, call.rank("x1"), call.rank("x2")
    x2 = xp.expand_dims(call["x2"], axis=-1) if rank2 == 1 else call["x2"]
    if rank1 == 2 and rank2 <= 2 and not call.has("x1"):
        size, n, k = x2.shape
        columns = xp.reshape(xp.permute_dims(x2, (1, 0, 2)), (n, size * k))
        y = xp.reshape(call.again(x2=columns), (n, size, k))
        y = xp.permute_dims(y, (1, 0, 2))
    else:
        rank = max(rank1, rank2)
        x1 = call.lifted("x1", rank) if call.has("x1") else call["x1"]
        y = call.again(x1=x1, x2=stacks(xp, x2, rank))
    return xp.squeeze(y, axis=-1) if rank2 == 1 else y


def with_tolerance(call: BatchedCall) -> Array:
    """Batch functions of matrices with a tolerance for each of a stack."""
    if not call.has("rtol"):
        return call.again()
    rtol = call.lifted("rtol", call.rank("x") - 2)
    return call.again(x=call.level.spread(call.given["x"]), rtol=rtol)


def boxes(call: BatchedCall) -> Array:
    """Batch Fourier transforms along several axes, by default the last ones."""
    s, axes, rank = call["s"], call["axes"], call.rank("x")
    if axes is None:
        axes = range(-(rank if s is None else len(numbers(s))), 0)
    return call.again(axes=shifted(tuple(axes), rank))


# ------------------------------------------------------------------ searching


def searched(call: BatchedCall) -> Array:
    """Batch `searchsorted`.

    In one array each number is looked up as before. In an array for each example a
    number has a rank among all, and one among the numbers; the difference is how many
    elements are before it.
    """
    xp, level, given = call.xp, call.level, call.given
    if not (call.has("x1") or call.has("sorter")):
        x2 = call["x2"]
        y = call.again(x2=xp.reshape(x2, (math.prod(x2.shape),)))
        return xp.reshape(y, tuple(x2.shape))
    x1, x2 = level.spread(given["x1"]), level.spread(given["x2"])
    if given["sorter"] is not None:
        x1 = xp.take_along_axis(x1, level.spread(given["sorter"]), axis=1)
    values = in_rows(x2)
    n, right = x1.shape[1], call["side"] == "right"
    both = ranks(xp, xp.concat([x1, values] if right else [values, x1], axis=1))
    found = both[:, n:] if right else both[:, : values.shape[1]]
    return xp.reshape(found - ranks(xp, values), tuple(x2.shape))


def ranks(xp: Any, x: Array) -> Array:
    """Return for each element of each row its place in the order."""
    return xp.argsort(xp.argsort(x, axis=1, stable=True), axis=1, stable=True)


def contained(call: BatchedCall) -> Array:
    """Batch `isin`, with a set for each example by comparing every pair."""
    if not call.has("x2"):
        return call.again()
    xp, x1, rank = call.xp, call["x1"], call.rank("x1")
    x2 = in_rows(call["x2"])
    x2 = xp.reshape(x2, (call.size, *(1,) * rank, x2.shape[1]))
    x1 = xp.expand_dims(x1, axis=-1) if hasattr(x1, "shape") else x1
    found = xp.any(x1 == x2, axis=-1)
    return xp.logical_not(found) if call["invert"] else found
