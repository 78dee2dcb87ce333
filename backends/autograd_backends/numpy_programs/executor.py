"""Running a program on NumPy, with the bits of its evaluation call by call.

The program is written as plain NumPy (`emit`), into buffers that are used again
(`buffers`) and kept from call to call, and compiled. ``executor(program)`` makes an
`Executor`; its ``source`` is what runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any

import numpy

from autograd_backends import numpy_pool
from autograd_backends.numpy_programs import steps
from autograd_backends.numpy_programs.buffers import planned
from autograd_backends.numpy_programs.calls import call_of
from autograd_backends.numpy_programs.clusters import clustered, guards_first
from autograd_backends.numpy_programs.emit import Writer
from autograd_backends.numpy_programs.layout import is_plain, layouts
from autograd_backends.numpy_programs.tiles import TILE, units_of
from autograd_core.programs.emission import Module
from autograd_core.programs.program import (
    GuardError,
    Program,
    guards_of,
    variables_in,
)


class Executor:
    """A program on NumPy: call it with a list of arrays, one for each input.

    Attributes
    ----------
    peak_bytes
        The memory that a call needs beside its inputs, results included.
    """

    def __init__(self, program: Program, threads: int = 1, tile: int = TILE) -> None:
        self.program = program
        known = layouts(program)
        pairs = [(i, call_of(i, known)) for i in guards_first(program)]
        outputs = {*variables_in(program.outputs), *guards_of(program)}
        self._in_steps = len(program) > steps.LONGEST
        items = pairs if self._in_steps else clustered(pairs, known, outputs)
        units = units_of(program, items, known, tile)
        plan = planned(program, units, known, threads)
        self.peak_bytes = plan.peak_bytes
        self._units, self._plan = units, plan
        self._write = partial(Writer, program, units, plan, known)
        self.expected = tuple(
            (numpy.dtype(v.dtype), v.shape, known[v]) for v in program.inputs
        )
        self.constants = tuple(program.constants.values())
        self.single = len(program.outputs) == 1 and not self._in_steps

    @cached_property
    def source(self) -> str:
        """What runs: a function of the inputs, and of all arrays that it holds."""
        return self._writer.source()

    def module(self, beside: str = "") -> Module:
        """Return it as a module that needs NumPy, and SciPy for its functions.

        Raises
        ------
        NotImplementedError
            If neither of them has a function for an operation.
        """
        return self._write(alone=True).module(beside)

    @cached_property
    def _writer(self) -> Writer:
        return self._write()

    @cached_property
    def run(self) -> Callable[..., Any]:
        """The function that `source` defines, of which nothing is run before a call."""
        if self._in_steps:
            return steps.Steps(self.program, self._units, self._plan)
        scope: dict[str, Any] = {}
        code = compile(self.source, f"<{self.program.name}>", "exec")
        scope |= self._writer.bound
        exec(code, scope)
        scope |= {"GuardError": GuardError, "empty": empty}
        run: Callable[..., Any] = scope[self._writer.title]
        return run

    def __call__(self, leaves: Sequence[Any]) -> list[Any]:
        """Return the results, in arrays that nobody else holds."""
        for x, (dtype, shape, strides) in zip(leaves, self.expected, strict=True):
            known = x.dtype is dtype and x.strides == strides and x.shape == shape
            if not known and not _is_as_planned(x, dtype, shape):
                return self.program.evaluate(leaves)
        y = self.run(*leaves, *self.constants)
        return [y] if self.single else list(y)


def _is_as_planned(x: Any, dtype: Any, shape: tuple[int, ...]) -> bool:
    """Say whether an array is one for which memory was planned."""
    if x.dtype != dtype or x.shape != shape or not is_plain(x):
        return False
    return bool(x.flags.c_contiguous)


def empty(shape: tuple[int, ...], dtype: str) -> Any:
    """Return an array for a result, of memory that earlier ones have left."""
    kind = numpy.dtype(dtype)
    nbytes = math.prod(shape) * kind.itemsize
    return numpy_pool.empty(shape, kind, nbytes) if nbytes else numpy.empty(shape, kind)


def executor(program: Program, *, threads: int = 1, tile: int = TILE) -> Executor:
    """Return a program as a fast function of NumPy arrays.

    Parameters
    ----------
    program
        A program, already optimised.
    threads
        Among how many threads loops over large arrays are divided.
    tile
        Bytes of an array that such a loop computes at once.

    Examples
    --------
    >>> import numpy, autograd_core as ag
    >>> program = ag.trace(lambda x: ag.ops.sin(x) * 2)(ag.spec(3))
    >>> executor(program)([numpy.zeros(3)])
    [array([0., 0., 0.])]
    """
    return Executor(program, threads, tile)
