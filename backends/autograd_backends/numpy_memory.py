"""NumPy for large arrays: fresh pages are most of their cost, so memory is used again.

Only what is known before it is computed uses it: elementwise results of the shape and
dtype of an argument, in C order, products of matrices, and zeros. Everything else, and
everything small, is as it always is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from autograd_backends.numpy import NumPy
from autograd_backends.numpy_pool import Array, empty
from autograd_core.backend import Backend
from autograd_core.masks import Masked

LARGE = 128 * 1024
"""Bytes from which arrays use memory again; below, malloc does by itself."""


class ReusingNumPy(NumPy):
    """NumPy in a transform of large arrays."""

    def __getattr__(self, name: str) -> Any:
        value = super().__getattr__(name)
        if isinstance(value, numpy.ufunc):
            value = reusing(value)
            setattr(self, name, value)
        return value

    def for_array(self, x: Any) -> Backend:
        return self

    def pow(self, x1: Any, x2: Any, /) -> Any:
        return power(x1, x2)

    def matmul(self, x1: Any, x2: Any, /) -> Any:
        return matmul(x1, x2)

    def pad_index(self, x: Any, /, *, key: Any, shape: tuple[int, ...]) -> Any:
        result = zeros(shape, x.dtype)
        result[key] = x
        return result

    # What the sweep asks for.

    @staticmethod
    def apply_rule(xp: Any, t: Any, operation: Any, rule: Any, *saved: Any) -> Any:
        if operation is None or not operation.elementwise:
            return rule(xp, t, *saved)
        return apply_elementwise(xp, t, rule, *saved)

    def sum_of(self, a: Any, b: Any) -> Any:
        arrays = type(a) is type(b) is numpy.ndarray
        return self.add(a, b) if arrays else a + b


# ------------------------------------------------------------------ arrays in rules


class Operand(Array):
    """A large array while an elementwise rule runs: its operators use memory again.

    Rules are written with operators, which do not ask the backend. The sweep puts
    `Operand` in and takes it off what comes out, so that nobody else ever sees one.
    """

    __slots__ = ()
    __module__ = "numpy"  # that is whose array it is, to whoever asks


ARRAYS = frozenset({numpy.ndarray, Operand})
NUMBERS = frozenset({int, float})
FLOATING = frozenset(map(numpy.dtype, "fdFD"))


def apply_elementwise(xp: Any, t: Any, rule: Callable[..., Any], *saved: Any) -> Any:
    """Return what an elementwise rule makes of a cotangent."""
    if type(t) is not numpy.ndarray or t.nbytes < LARGE:
        return rule(xp, t, *saved)
    term = rule(xp, as_operand(t), *map(as_operand, saved))
    if type(term) is Masked:
        term.value = as_array(term.value)
        return term
    return as_array(term)


def as_operand(x: Any) -> Any:
    """Return a large array with operators that use memory again."""
    large = type(x) is numpy.ndarray and x.nbytes >= LARGE
    return x.view(Operand) if large else x


def as_array(x: Any) -> Any:
    """Return an array with NumPy's own operators: the one that it is a view of."""
    if type(x) is not Operand:
        return x
    whole = x.base
    if (
        type(whole) is numpy.ndarray
        and whole.shape == x.shape
        and whole.strides == x.strides
        and whole.dtype == x.dtype
    ):
        return whole
    return x.view(numpy.ndarray)


# ------------------------------------------------------------------ universal functions


def reusing(ufunc: Any) -> Any:
    """Return a universal function whose large results use memory again."""
    kept = kept_dtypes(ufunc)
    if not kept:
        return ufunc

    def unary(x: Any, /, **keywords: Any) -> Any:
        out = None if keywords else like(kept, x, 0)
        if out is None:
            return ufunc(x, **keywords)
        ufunc(x, out=out)
        return out.view(Operand) if type(x) is Operand else out

    def binary(x1: Any, x2: Any, /, **keywords: Any) -> Any:
        out = None if keywords else like_either(kept, x1, x2)
        if out is None:
            return ufunc(x1, x2, **keywords)
        ufunc(x1, x2, out=out)
        return out.view(Operand) if Operand in (type(x1), type(x2)) else out

    return unary if ufunc.nin == 1 else binary


def kept_dtypes(ufunc: Any) -> frozenset[Any]:
    """Return the dtypes of which a universal function returns one array of the same."""
    simple = ufunc.nin in (1, 2) and ufunc.nout == 1 and ufunc.signature is None
    return frozenset(d for d in FLOATING if simple and _keeps(ufunc, d))


def _keeps(ufunc: Any, dtype: Any) -> bool:
    try:
        found = ufunc.resolve_dtypes((dtype,) * ufunc.nin + (None,))
    except TypeError:
        return False
    return all(each == dtype for each in found)


def like(kept: frozenset[Any], x: Any, other: Any) -> Array | None:
    """Return an array for ``x op other``, None unless that is large and like ``x``."""
    if type(x) not in ARRAYS or x.nbytes < LARGE or x.dtype not in kept:
        return None
    if type(other) not in NUMBERS:
        if type(other) not in ARRAYS or other.dtype != x.dtype:
            return None
        if other.ndim > x.ndim or other.shape != x.shape[x.ndim - other.ndim :]:
            return None
    if not (in_order(x) and in_order(other)):
        return None
    return empty(x.shape, x.dtype, x.nbytes)


def like_either(kept: frozenset[Any], x1: Any, x2: Any) -> Array | None:
    """Return an array for ``x1 op x2``, None unless that is like ``x1`` or ``x2``."""
    out = like(kept, x1, x2)
    return like(kept, x2, x1) if out is None else out


def in_order(x: Any) -> bool:
    """Say whether NumPy computes with an array in C order, as a repeated number is."""
    return type(x) in NUMBERS or x.flags.c_contiguous or not any(x.strides)


def power(x1: Any, x2: Any, /) -> Any:
    """Return ``x1**x2``: what the operator does, which knows the exponent 2."""
    squared = type(x2) in NUMBERS and x2 == 2
    if squared and type(x1) in ARRAYS and x1.dtype in FLOATING:
        return square(x1)
    return numpy.ndarray.__pow__(x1, x2) if type(x1) is Operand else x1**x2


def matmul(x1: Any, x2: Any, /) -> Any:
    """Return a product; of two matrices one whose memory is used again."""
    if type(x1) is type(x2) is numpy.ndarray and x1.ndim == x2.ndim == 2:
        shape, dtype = (x1.shape[0], x2.shape[1]), x1.dtype
        size = shape[0] * shape[1] * dtype.itemsize
        fits = x1.shape[1] == x2.shape[0] and dtype == x2.dtype
        if size >= LARGE and fits and dtype in FLOATING:
            return numpy.matmul(x1, x2, empty(shape, dtype, size))
    return numpy.matmul(x1, x2)


def zeros(shape: tuple[int, ...], dtype: Any) -> Array:
    """Return an array of zeros."""
    size = dtype.itemsize
    for n in shape:
        size *= n
    if size < LARGE or dtype not in FLOATING:
        return numpy.zeros(shape, dtype)
    result = empty(shape, dtype, size)
    result.fill(0)
    return result


square = reusing(numpy.square)


def _operator(ufunc: Any, own: Callable[..., Any], swap: bool) -> Callable[..., Any]:
    """Return an operator of `Operand`; NumPy's own one where the result is another."""
    kept = kept_dtypes(ufunc)

    def operator(x: Any, other: Any) -> Any:
        out = like_either(kept, x, other)
        if out is None:
            return own(x, other)  # which defers to tracked arrays
        ufunc(*((other, x) if swap else (x, other)), out=out)
        return out.view(Operand)

    return operator


for _name, _ufunc in {
    "add": numpy.add,
    "sub": numpy.subtract,
    "mul": numpy.multiply,
    "truediv": numpy.divide,
}.items():
    for _swap, _method in enumerate((f"__{_name}__", f"__r{_name}__")):
        _own = getattr(numpy.ndarray, _method)
        setattr(Operand, _method, _operator(_ufunc, _own, bool(_swap)))
Operand.__neg__ = reusing(numpy.negative)  # type: ignore[method-assign]
Operand.__pow__ = power  # type: ignore[method-assign, assignment]
