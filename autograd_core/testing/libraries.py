"""A library under test beside NumPy, which judges it, computing the same things.

The judge is NumPy through the portable forms of `Backend`, with arrays of a class of
its own: it shares no backend class with what it judges, be that NumPy's own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache, wraps
from typing import Any, TypeAlias

import numpy as np

import autograd_core as ag
from autograd_core import backend
from autograd_core.backend import Backend
from autograd_core.errors import describe, dtype_name
from autograd_core.testing.arrays import Array, NDArray, to_numpy
from autograd_core.testing.samples import outputs

Function: TypeAlias = Callable[..., Any]
Mode: TypeAlias = Callable[["Library", Function, tuple[Array, ...]], tuple[Array, ...]]

COMPLEX = {"float32": "complex64", "float64": "complex128"}
"""The complex dtype of which the parts are of a real one."""

ROUNDING = 100.0
"""Units of the last place that results of any two libraries may differ by."""


# ------------------------------------------------------------------ the judge


class Judged(np.ndarray):
    """An array of NumPy's that belongs to the judge."""


class Reference(Backend):
    """NumPy's namespace with arrays that belong to the judge, and portable forms."""

    name = "reference"

    def load(self) -> Any:
        """Return NumPy's namespace."""
        import array_api_compat.numpy as namespace

        return namespace

    def __getattr__(self, name: str) -> Any:
        """Let functions return the judge's arrays."""
        value = super().__getattr__(name)
        if callable(value) and not isinstance(value, type):
            value = _judging(value)
            setattr(self, name, value)
        return value

    def getitem(self, x: Array, /, *, key: Any) -> Array:
        """Return ``x[key]``."""
        return _judged(x[key])


def _judging(function: Function) -> Function:
    @wraps(function)
    def call(*arguments: Any, **keywords: Any) -> Any:
        return _judged(function(*arguments, **keywords))

    return call


def _judged(y: Any) -> Any:
    if isinstance(y, (np.ndarray, np.generic)):
        return np.asarray(y).view(Judged)
    if isinstance(y, (tuple, list)):
        parts = map(_judged, y)
        return type(y)(*parts) if hasattr(y, "_fields") else type(y)(parts)
    return y


@cache
def _reference() -> Reference:
    return Reference()


def judge() -> Library:
    """Return NumPy as the library that says what is right."""
    backend._by_type[Judged] = _reference()
    return Library(_reference())


# ------------------------------------------------------------------ a library


class Library:
    """A library: making its arrays, computing with it, comparing what it gives.

    Attributes
    ----------
    xp
        Its backend.
    real, complex, integer
        The names of its widest dtypes.
    made
        Every array that was made, with what it held then.
    """

    def __init__(self, xp: Backend, rtol: float = 0.0) -> None:
        self.xp = xp
        self.rtol = rtol
        self.real = "float64" if self.has("float64") else "float32"
        self.complex = COMPLEX[self.real]
        self.integer = "int64" if self.has("int64") else "int32"
        self.made: list[tuple[Array, NDArray]] = []

    def has(self, dtype: str) -> bool:
        """Say whether the library has a dtype, and not in name only."""
        with suppress(Exception):  # libraries older than this part of the standard
            return dtype in self.xp.namespace.__array_namespace_info__().dtypes()
        return hasattr(self.xp.namespace, dtype)

    def array(self, values: Any, dtype: Any = None) -> Array:
        """Make an array: of the most precise real dtype, if none is given.

        Complex numbers make an array of the complex dtype that goes with a real one.
        """
        values = np.asarray(values)
        dtype = dtype or self.real
        if values.dtype.kind == "c" and isinstance(dtype, str):
            dtype = COMPLEX.get(dtype, dtype)
        dtype = self.xp.dtype(dtype)
        if values.size:
            x = self.xp.asarray(values.tolist(), dtype=dtype)
        else:
            x = self.xp.zeros(values.shape, dtype=dtype)
        self.made.append((x, held(x)))
        return x

    def seed(self, like: Array, k: int = 0) -> Array:
        """Make a direction or cotangent for the k-th array of several."""
        return self.array(
            seed(like.shape, k, self.xp.is_complex(like.dtype)), like.dtype
        )

    def run(
        self,
        mode: Mode,
        function: Function,
        values: Iterable[NDArray],
        dtype: str | None = None,
    ) -> tuple[Array, ...]:
        """Return what a function gives in a mode, computed by this library."""
        with backend.use_backend(self.xp):
            xs = tuple(self.array(value, dtype) for value in values)
            return mode(self, outputs(function), xs)

    # ---- comparing

    def rounding(self, dtype: str | None = None) -> float:
        """Return the relative error that any library may make in a dtype."""
        return ROUNDING * float(np.finfo(dtype or self.real).eps)

    def relative(self, dtype: str | None = None) -> float:
        """Return the relative error that this library may make in a dtype."""
        return max(self.rtol, self.rounding(dtype))

    def differences(
        self,
        what: str,
        got: Sequence[Array],
        expected: Sequence[NDArray],
        dtype: str | None = None,
    ) -> Iterator[str]:
        """Yield how arrays differ from what NumPy gives: library, dtype, values."""
        if len(got) != len(expected):
            yield f"{what}: {len(got)} arrays; expected {len(expected)}"
        several = len(expected) > 1
        for k, (x, right) in enumerate(zip(got, expected, strict=False)):
            fault = self._difference(x, np.asarray(right), dtype or self.real)
            if fault:
                yield f"{what}{f' {k}' if several else ''}: {fault}"

    def _difference(self, got: Array, expected: NDArray, dtype: str) -> str:
        if not self.made_here(got):
            return f"{type(got).__name__} is no array of {self.xp}"
        wanted = expected.dtype.name
        wanted = {"float64": self.real, "complex128": self.complex}.get(wanted, wanted)
        given = dtype_name(got.dtype)
        if given.rstrip("0123456789") != wanted.rstrip("0123456789") or (
            given not in (wanted, dtype, COMPLEX[dtype]) and expected.dtype.kind in "fc"
        ):
            return f"dtype {given}; expected {wanted}"
        if tuple(got.shape) != expected.shape:
            return f"shape {tuple(got.shape)}; expected {expected.shape}"
        return self._off(held(got), expected, dtype)

    def _off(self, got: NDArray, expected: NDArray, dtype: str) -> str:
        widest = np.complex128 if expected.dtype.kind == "c" else np.float64
        values, right = got.astype(widest), expected.astype(widest)
        rounding, relative = self.rounding(dtype), self.relative(dtype)
        sizes = np.abs(right[np.isfinite(right)])
        with np.errstate(invalid="ignore"):
            allowed = relative * np.abs(right) + rounding * np.max(sizes, initial=0.0)
            allowed += np.finfo(dtype).tiny
            near = np.abs(values - right) <= allowed
        off = ~(near | (values == right) | (np.isnan(values) & np.isnan(right)))
        if not off.any():
            return ""
        at = tuple(map(int, np.argwhere(off)[0]))
        return (
            f"element {list(at)} is {values[at].item()}; "
            f"expected {right[at].item()} "
            f"({off.sum()} of {off.size} differ, by more than {relative:.1e})"
        )

    def made_here(self, x: Any) -> bool:
        """Say whether a value is recognised as an array of this library."""
        return backend.is_array(x) and backend.backend_of(x) is self.xp

    def agrees(
        self,
        mode: Mode,
        function: Function,
        values: Iterable[NDArray],
        dtype: str | None = None,
    ) -> Iterator[str]:
        """Yield how this library differs from NumPy in a mode."""
        values = tuple(values)
        right = judge().run(mode, function, values, dtype)
        got = self.run(mode, function, values, dtype)
        yield from self.differences(mode.__name__, got, [*map(held, right)], dtype)


def seed(shape: Sequence[int], k: int = 0, is_complex: bool = False) -> NDArray:
    """Return numbers of both signs, in both parts, that float32 holds exactly."""
    places = np.arange(math.prod(shape)).reshape(tuple(shape))
    values = np.asarray(np.round(64 * np.cos(1 + places + 7 * k)) / 64)
    return np.asarray(values + 1j * seed(shape, k + 1)) if is_complex else values


def held(x: Array) -> NDArray:
    """Return a raw array as an ndarray, also where a library exports no memory."""
    values = to_numpy(x)
    if values.dtype != object:
        return values
    elements = [float(x[place]) for place in np.ndindex(*x.shape)]
    return np.reshape(np.asarray(elements, dtype=np.float64), tuple(x.shape))


def shown(x: Array | Sequence[Array]) -> str:
    """Return the elements of an array, or of several, with all of their digits."""
    arrays = x if isinstance(x, (tuple, list)) else [x]
    with np.printoptions(threshold=20, edgeitems=3, precision=17):
        return " and ".join(" ".join(f"{held(y)}".split()) for y in arrays)


def bits(arrays: Iterable[Array]) -> list[tuple[str, bytes]]:
    """Return what arrays hold, to the last bit."""
    return [(describe(x), held(x).tobytes()) for x in arrays]


# ------------------------------------------------------------------ modes


def value(library: Library, function: Function, xs: Any) -> tuple[Array, ...]:
    """Return what a function gives."""
    result: tuple[Array, ...] = function(*xs)
    return result


def tangent(library: Library, function: Function, xs: Any) -> tuple[Array, ...]:
    """Return the derivative in the direction of `seed`."""
    directions = tuple(library.seed(x, k) for k, x in enumerate(xs))
    y_dots: tuple[Array, ...] = ag.jvp(function, xs, directions)[1]
    return y_dots


def gradient(library: Library, function: Function, xs: Any) -> tuple[Array, ...]:
    """Return what the pullback makes of `seed`."""
    ys, pullback = ag.vjp(function, *xs)
    x_bars: tuple[Array, ...] = pullback(
        tuple(library.seed(y, k) for k, y in enumerate(ys))
    )
    return x_bars


def curvature(library: Library, function: Function, xs: Any) -> tuple[Array, ...]:
    """Return the second derivative, forward over reverse, of a scalar made of it."""

    def scalar(*xs: Array) -> Array:
        total = 0.0
        for k, y in enumerate(function(*xs)):
            weights = library.seed(y, k)
            term = weights * (y + y * y / 2)
            if library.xp.is_complex(y.dtype):
                term = ag.ops.real(term)
            total = total + ag.ops.sum(term)
        return total

    every = tuple(range(len(xs)))
    return tangent(library, ag.grad(scalar, every), xs)
