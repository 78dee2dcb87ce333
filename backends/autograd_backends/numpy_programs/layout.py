"""How the arrays of a program lie in memory, when its inputs are C-contiguous.

NumPy lets the layout of operands decide that of results, and the layout decides in
which order a sum adds, and so its bits. What is computed into a buffer gets the layout
that NumPy would have given it; where that is not known, NumPy is let alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, TypeAlias

import numpy
from numpy.lib.stride_tricks import as_strided

from autograd_core.backend import backend
from autograd_core.programs.program import Instruction, Program, Variable

Strides: TypeAlias = tuple[int, ...]


def _indexed(x: Any, key: Any) -> Any:
    return x[key]


def _transposed(x: Any) -> Any:
    return x.swapaxes(-1, -2)


def _reshaped(x: Any, shape: Any, copy: bool | None = None) -> Any:
    return x.reshape(shape, copy=False)


VIEWS: dict[str, Callable[..., Any]] = {
    "basic_index": _indexed,
    "broadcast_to": numpy.broadcast_to,
    "expand_dims": numpy.expand_dims,
    "flip": numpy.flip,
    "imag": numpy.imag,
    "matrix_transpose": _transposed,
    "moveaxis": numpy.moveaxis,
    "permute_dims": numpy.transpose,
    "real": numpy.real,
    "reshape": _reshaped,
    "squeeze": numpy.squeeze,
}
"""Operations that give another view of the same memory."""

ROW_MAJOR = frozenset(
    (
        *("all", "any", "max", "mean", "min", "prod", "std", "sum", "var"),
        *("arange", "empty", "eye", "full", "linspace", "ones", "zeros"),
        *("array_index", "take", "take_along_axis", "index_add", "pad_index"),
        *("concat", "stack", "repeat", "roll", "tile", "tril", "triu"),
        *("cumulative_prod", "cumulative_sum"),
    )
)
"""Operations whose results are C-contiguous if what they take is."""


def row_major(variable: Variable) -> Strides:
    """Return the strides of a C-contiguous array."""
    step, strides = numpy.dtype(variable.dtype).itemsize, []
    for length in reversed(variable.shape):
        strides.append(step)
        step *= max(length, 1)
    return tuple(reversed(strides))


def is_row_major(variable: Variable, strides: Strides | None) -> bool:
    """Say whether an array of these strides is C-contiguous."""
    if strides is None:
        return False
    if variable.size == 0:
        return True
    pairs = zip(variable.shape, strides, row_major(variable), strict=True)
    return all(length == 1 or a == b for length, a, b in pairs)


def layouts(program: Program) -> dict[Variable, Strides | None]:
    """Return the strides of each variable, None where they are not known."""
    found: dict[Variable, Strides | None] = {}
    for variable in program.inputs:
        found[variable] = row_major(variable)
    for variable, x in program.constants.items():
        found[variable] = _held(x)
    for instruction in program.instructions:
        for variable in instruction.results:
            found[variable] = _result(instruction, variable, found)
    return found


def is_plain(x: Any) -> bool:
    """Say whether NumPy computes with an array where it lies, without a buffer."""
    if type(x) is not numpy.ndarray:
        return isinstance(x, numpy.generic)
    return bool(x.flags.aligned and x.dtype.isnative)


def _held(x: Any) -> Strides | None:
    return tuple(x.strides) if is_plain(x) else None


def _result(
    instruction: Instruction, y: Variable, known: Mapping[Variable, Strides | None]
) -> Strides | None:
    if not y.shape:
        return ()
    operands = instruction.operands
    if any(known[v] is None for v in operands):
        return None
    if instruction.operation in VIEWS:
        return _view(instruction, y, known)
    plain = all(is_row_major(v, known[v]) for v in operands)
    if is_elementwise(instruction.operation):
        return row_major(y) if plain else _kept(y, operands, known)
    if instruction.operation == "matmul" and (plain or len(y.shape) <= 2):
        return row_major(y)
    if instruction.operation in ROW_MAJOR and (plain or len(y.shape) == 1):
        return row_major(y)
    return None


def is_elementwise(operation: str) -> bool:
    """Say whether NumPy's iterator goes through the elements, and lays the result."""
    if operation in ("astype", "pow", "where"):
        return True
    function = attrgetter(operation)(backend("numpy"))
    return isinstance(function, numpy.ufunc) and function.signature is None


def stand_in(variable: Variable, strides: Strides) -> Any:
    """Return an array of a layout that owns no such memory, and is never read."""
    return as_strided(numpy.empty((), variable.dtype), variable.shape, strides)


def _view(
    instruction: Instruction, y: Variable, known: Mapping[Variable, Strides | None]
) -> Strides | None:
    """Return the strides of a view; those of the copy where NumPy has to make one."""
    (x,) = instruction.operands
    strides = known[x]
    assert strides is not None
    if instruction.operation == "reshape" and (
        instruction.statics.get("copy") or is_row_major(x, strides)
    ):
        return row_major(y)
    try:
        made = VIEWS[instruction.operation](
            stand_in(x, strides), **dict(instruction.statics)
        )
    except (ValueError, TypeError):
        return row_major(y) if instruction.operation == "reshape" else None
    return tuple(made.strides)


def _kept(
    y: Variable,
    operands: tuple[Variable, ...],
    known: Mapping[Variable, Strides | None],
) -> Strides:
    """Return the layout that NumPy's iterator gives to the result of operands.

    It allocates the result, which is never touched, so that no page of it is made.
    """
    arrays = [stand_in(v, known[v] or ()) for v in operands]
    flags = [["readonly"]] * len(arrays) + [["writeonly", "allocate"]]
    types = [x.dtype for x in arrays] + [numpy.dtype(y.dtype)]
    iterator: Any = numpy.nditer
    made = iterator(
        (*arrays, None), ["zerosize_ok", "reduce_ok"], flags, types, order="K"
    )
    return tuple(made.operands[-1].strides)


def is_dense(variable: Variable, strides: Strides | None) -> bool:
    """Say whether the elements fill their memory without gaps, each in its place."""
    if strides is None or any(s <= 0 for s in strides):
        return False
    itemsize = numpy.dtype(variable.dtype).itemsize
    pairs = zip(variable.shape, strides, strict=True)
    reach = sum((length - 1) * s for length, s in pairs) + itemsize
    return variable.size > 0 and reach == math.prod(variable.shape) * itemsize
