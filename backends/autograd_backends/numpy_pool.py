"""Memory that NumPy's arrays use again.

An array that is made here is a view of a `Lease`, which dies with the last array that
looks into the memory, whoever holds that, and then puts the memory back into the pool
of the thread. So no references are counted: what the user holds, a view of it, or what
a rule keeps is not in the pool, because its lease is alive.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy

SLACK = 32 * 1024 * 1024
"""Bytes that may lie idle while memory of another size is asked of the system."""

ENVIRONMENT_VARIABLE = "AUTOGRAD_NUMPY_POOL_BYTES"

Array: TypeAlias = numpy.ndarray[Any, Any]
Memory: TypeAlias = tuple[Array, int]
"""Bytes, and their address, which is slow to ask for."""


class Pool(threading.local):
    """The memory of a thread into which no array looks, by size.

    A lease may die, and so `give` be called, between any two steps of the others (the
    garbage collector runs then): what is read and written back is one step.

    Attributes
    ----------
    free
        Stacks of memory by size in bytes: what was used last, which may still be in
        the processor's cache, is used next.
    idle
        How many bytes that is.
    cap
        How many bytes may lie idle in a thread; 0 turns the pool off.
    """

    cap = int(os.environ.get(ENVIRONMENT_VARIABLE, 256 * 1024 * 1024))

    def __init__(self) -> None:
        self.free: dict[int, list[Memory]] = {}
        self.idle = 0

    def take(self, size: int) -> Memory:
        """Return memory of a size that nothing refers to."""
        try:
            memory = self.free[size].pop()
        except (KeyError, IndexError):
            return self.fresh(size)
        self.idle -= size
        return memory

    def fresh(self, size: int) -> Memory:
        """Return memory from the system, and let go of as much where much is idle."""
        enough = self.idle - size
        while self.idle > max(enough, SLACK):
            self.drop()
        memory = numpy.empty(size, numpy.uint8)
        return memory, memory.__array_interface__["data"][0]

    def give(self, memory: Memory) -> None:
        """Keep memory for an array to come, in the place of what was kept longest."""
        size: int = memory[0].nbytes
        if size > self.cap:
            return
        while self.idle + size > self.cap:
            self.drop()
        self.free.setdefault(size, []).append(memory)
        self.idle += size

    def drop(self) -> None:
        """Let go of one piece of memory, of the size that came first."""
        for size in list(self.free):
            try:
                self.free[size].pop()
            except (KeyError, IndexError):
                self.free.pop(size, None)
                continue
            self.idle -= size
            return
        self.idle = 0

    def clear(self) -> None:
        """Let go of all memory."""
        while self.idle:
            self.drop()


pool = Pool()


class Lease:
    """Memory that arrays look into: the ``base`` of the first of them."""

    __slots__ = ("__array_interface__", "memory")

    __array_interface__: dict[str, Any]
    memory: Memory

    def __del__(self, give: Callable[[Memory], None] = pool.give) -> None:
        give(self.memory)


def empty(shape: tuple[int, ...], dtype: Any, size: int) -> Array:
    """Return an array of so many bytes, of memory that nobody else refers to."""
    memory = pool.take(size)
    lease = Lease()
    lease.memory = memory
    lease.__array_interface__ = {
        "shape": shape,
        "typestr": dtype.str,
        "data": (memory[1], False),
        "version": 3,
    }
    return numpy.asarray(lease)
