"""Arrays between the libraries that compute and NumPy, which judges."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from autograd_core.backend import backend_of, is_array

Array: TypeAlias = Any
NDArray: TypeAlias = npt.NDArray[Any]


def to_numpy(x: Array) -> NDArray:
    """Return a raw array of any library as an ndarray with memory of its own."""
    if isinstance(x, (np.ndarray, np.generic, bool, int, float, complex)):
        return np.array(x)
    if hasattr(x, "resolve_conj"):  # PyTorch delays conjugation and negation
        x = x.detach().resolve_conj().resolve_neg().cpu()
    try:
        held = np.array(np.from_dlpack(x))
    except (AttributeError, BufferError, RuntimeError, TypeError, ValueError):
        held = np.array(x.get() if hasattr(x, "get") else x)
    if held.dtype != object:
        return held
    # a library that exports no memory: its elements one by one
    elements = [float(x[index]) for index in np.ndindex(*x.shape)]
    return np.asarray(elements, dtype=np.float64).reshape(tuple(x.shape))


def like(value: NDArray, x: Array) -> Array:
    """Return an ndarray as an array of the library, dtype and device of another."""
    xp = backend_of(x)
    return xp.asarray(value, dtype=x.dtype, device=xp.device_of(x))


def zeros_like(x: Array) -> Array:
    """Return zeros of an array's library, shape, dtype and device."""
    xp = backend_of(x)
    return xp.zeros(tuple(x.shape), dtype=x.dtype, device=xp.device_of(x))


def is_complex(x: Array) -> bool:
    """Say whether an array is of complex floating-point numbers."""
    return bool(backend_of(x).namespace.isdtype(x.dtype, "complex floating"))


def is_inexact(x: Any) -> bool:
    """Say whether a value is an array of real or complex floating-point numbers."""
    if not is_array(x):
        return False
    kinds = ("real floating", "complex floating")
    return bool(backend_of(x).namespace.isdtype(x.dtype, kinds))


def precision(arrays: Iterable[Array]) -> float:
    """Return the relative rounding error of the coarsest of some arrays."""
    found = [float(backend_of(x).namespace.finfo(x.dtype).eps) for x in arrays]
    return max(found, default=float(np.finfo(np.float64).eps))


def astype(x: Array, dtype: str) -> Array:
    """Return an array of floats in single or double precision, real or complex.

    `dtype` is ``float32`` or ``float64``; of complex numbers, that of their parts.
    """
    xp = backend_of(x)
    names = {"float32": "complex64", "float64": "complex128"}
    return xp.namespace.astype(x, xp.dtype(names[dtype] if is_complex(x) else dtype))


def row(arrays: Iterable[Array]) -> NDArray:
    """Return all elements of all arrays in one row, a complex number as a pair."""
    return np.concatenate([np.zeros(0), *map(_parts, arrays)])


def _parts(x: Array) -> NDArray:
    flat = np.ascontiguousarray(to_numpy(x).ravel())
    return flat.view(flat.real.dtype) if np.iscomplexobj(flat) else flat


def unravel(index: int, arrays: Iterable[Array], names: Iterable[str]) -> str:
    """Return what an element of `row` is called: ``x[0, 2]``, ``y[1].imag``."""
    for x, name in zip(arrays, names, strict=True):
        shape, parts = tuple(x.shape), 2 if is_complex(x) else 1
        size = int(np.prod(shape)) * parts
        if index < size:
            where = np.unravel_index(index // parts, shape) if shape else ()
            place = f"[{', '.join(map(str, where))}]" if shape else ""
            part = (".real", ".imag")[index % 2] if parts == 2 else ""
            return name + place + part
        index -= size
    raise IndexError(index)
