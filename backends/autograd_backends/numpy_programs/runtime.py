"""What emitted programs call. The source of these functions is copied into them."""

from __future__ import annotations

# mypy: allow-untyped-defs, allow-untyped-calls
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import numpy


def own(y, *arrays):
    """Return a result that shares no memory with arrays, and may be written to."""
    if type(y) is not numpy.ndarray:
        return y
    shared = any(numpy.may_share_memory(y, x) for x in arrays)
    return y.copy("K") if shared or not y.flags.writeable else y


def rows(length, most):
    """Cut a range into slices of at most so many."""
    return [(i, min(i + most, length)) for i in range(0, length, most)]


def halves(start, stop, most, width):
    """Cut a range where NumPy's sum does, until the slices have at most so many."""
    n = stop - start
    if n <= most:
        return [(start, stop)]
    half = n * width // 2
    middle = start + (half - half % 8) // width
    return halves(start, middle, most, width) + halves(middle, stop, most, width)


def pairwise(parts, n, most, width):
    """Add the sums of slices in the order in which NumPy adds all elements."""
    if n <= most:
        return next(parts)
    half = n * width // 2
    half = (half - half % 8) // width
    first = pairwise(parts, half, most, width)
    return first + pairwise(parts, n - half, most, width)


def in_tiles(loop, slices, tiles, *arrays):
    """Compute a loop, slice after slice, in the same tiles."""
    return [loop(i, j, *tiles, *arrays) for i, j in slices]


def in_threads(loop, slices, tiles, *arrays):
    """Compute a loop in as many threads as there are sets of tiles."""
    results = [None] * len(slices)
    places = iter(range(len(slices)))  # a thread takes the next one

    def work(own):
        for k in places:
            results[k] = loop(*slices[k], *own, *arrays)

    with ThreadPoolExecutor(len(tiles)) as threads:
        run = [threads.submit(copy_context().run, work, own) for own in tiles]
    for each in run:
        each.result()  # raises what was raised there
    return results


def pad_index(x, *, key, shape):
    """Return zeros of a shape, with an array at a place."""
    y = numpy.zeros(shape, x.dtype)
    y[key] = x
    return y


def index_add(x, positions, *, size):
    """Return so many zeros, to which elements were added at positions."""
    if x.dtype == numpy.float64 and x.size:
        return numpy.bincount(positions, x, size)
    y = numpy.zeros(size, x.dtype)
    numpy.add.at(y, positions, x)
    return y


def masked(mask, x, out):
    """Compute ``where(mask, x, 0)`` of bits, without a branch for each element."""
    bits = f"uint{8 * out.itemsize}"
    y, ones = out.view(bits), numpy.asarray(-1).astype(bits)
    numpy.multiply(mask, ones, y)
    numpy.bitwise_and(x.view(bits), y, y)
    return out


def chosen(mask, x1, x2, out, room):
    """Compute ``where(mask, x1, x2)`` of bits, without a branch for each element."""
    bits = room.dtype
    y, x2, ones = out.view(bits), x2.view(bits), numpy.asarray(-1).astype(bits)
    numpy.multiply(mask, ones, room)
    numpy.bitwise_xor(x1.view(bits), x2, y)
    numpy.bitwise_and(y, room, y)
    numpy.bitwise_xor(y, x2, y)
    return out
