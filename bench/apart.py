"""Contenders in processes of their own, which take turns all the same.

Where fresh pages from the system are most of the cost, it matters what else a process
has allocated before: contenders in one process would decide about each other's time.
"""

from __future__ import annotations

import importlib
import multiprocessing
import warnings
from multiprocessing.connection import Connection
from typing import Any

import numpy

from bench.measure import Runner, runner


class Process:
    """A contender that runs when it is told to."""

    def __init__(self, workload: str, case: str, name: str, size: str) -> None:
        context = multiprocessing.get_context("spawn")
        self.end, other = context.Pipe()
        self.process = context.Process(
            target=serve, args=(workload, case, name, size, other), daemon=True
        )
        self.process.start()
        other.close()

    def runner(self) -> Runner | str:
        """Return the contender, prepared; or why that is impossible."""
        try:
            found: Runner | str = self.end.recv()
        except EOFError:
            return "failed: its process ended"
        if isinstance(found, Runner):
            found.timing, found.stop = self.timing, self.stop
            found.result = [self.array() for _ in found.result]
        return found

    def array(self) -> numpy.ndarray:
        """Return an array of its first result."""
        dtype, shape = self.end.recv()
        return numpy.frombuffer(self.end.recv_bytes(), dtype).reshape(shape)

    def timing(self, calls: int) -> tuple[float, float]:
        """Let it run so many times; return seconds of the clock and the processor."""
        self.end.send(calls)
        times: tuple[float, float] = self.end.recv()
        return times

    def stop(self) -> None:
        """End the process."""
        self.end.send(None)
        self.process.join()


def serve(workload: str, title: str, name: str, size: str, parent: Connection) -> None:
    """Prepare a contender, send it, and let it run until told to stop."""
    warnings.simplefilter("ignore")  # of libraries, about themselves
    cases = importlib.import_module("bench.workloads").WORKLOADS[workload].cases
    case = next(case for case in cases(size) if case.title == title)
    found: Any = runner(name, case.makes[name])
    if isinstance(found, str):
        parent.send(found)
        return
    timing, found.timing = found.timing, None
    arrays, found.result = found.result, [None] * len(found.result)
    parent.send(found)
    for (
        array
    ) in arrays:  # not pickled: large blocks that are freed change the allocator
        parent.send((array.dtype.str, array.shape))
        parent.send_bytes(numpy.ascontiguousarray(array).data)
    del array, arrays
    while (calls := parent.recv()) is not None:
        parent.send(timing(calls))
