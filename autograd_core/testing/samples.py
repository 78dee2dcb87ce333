"""The calls that an operation's declaration offers, and variants of them."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from autograd_core import backend, pytree, tensor
from autograd_core.operation import REAL, Domain, Operation, Sample
from autograd_core.testing.arrays import Array, NDArray, is_inexact, row

Function: TypeAlias = Callable[..., Any]
Shape: TypeAlias = tuple[int, ...]

LARGEST = 20_000  # elements of a result, beyond which a call shows nothing new


@dataclass(frozen=True)
class Call:
    """One sample of an operation as a function of its differentiable arguments."""

    operation: Operation
    sample: Sample
    values: tuple[NDArray, ...]

    def __repr__(self) -> str:
        """Return the call as ``max(float64[2,3], axis=-1)``."""
        dtype = "complex128" if self.sample.is_complex else "float64"
        shapes = [f"{dtype}[{','.join(map(str, s))}]" for s in self.sample.shapes]
        others = [f"{name}={value!r}" for name, value in self.sample.statics.items()]
        return f"{self.operation.name}({', '.join(shapes + others)})"

    @property
    def __signature__(self) -> inspect.Signature:
        """What the arrays are called."""
        kind = inspect.Parameter.POSITIONAL_ONLY
        names = self.names
        return inspect.Signature([inspect.Parameter(name, kind) for name in names])

    def __call__(self, *arrays: Array) -> Any:
        """Apply the operation to arrays in place of its own."""
        return self.bound()(*arrays)

    def bound(self, function: Function | None = None) -> Function:
        """Return the operation, or another of its signature, as a function of arrays.

        Its other parameters are arrays of what is the current backend now.
        """
        operation, make, show = self.operation, self.sample.make, self.sample.show
        statics = {key: self._static(key) for key in self.sample.statics}
        xp = tensor.operations

        def call(*arrays: Array) -> Any:
            given = dict(statics)
            if make is not None:
                made = make(xp, *arrays)
                arrays = made if isinstance(made, tuple) else (made,)
            if operation.variadic:
                given[operation.arguments[0]] = list(arrays)
            else:
                given |= dict(zip(operation.arguments, arrays, strict=False))
            positional, by_name = [], {}
            for p in operation.signature.parameters.values():
                if p.name in given:
                    if p.kind is p.VAR_POSITIONAL:
                        positional += given[p.name]
                    elif p.kind is p.POSITIONAL_ONLY:
                        positional.append(given[p.name])
                    else:
                        by_name[p.name] = given[p.name]
            y = (function or operation.function)(*positional, **by_name)
            return y if show is None else show(xp, y)

        return call

    def _static(self, key: str) -> Any:
        value, xp = self.sample.statics[key], backend.get_backend()
        if key == "device":
            return xp.device_of(xp.asarray(0.0))
        if key == "dtype":
            return xp.dtype(value)
        if isinstance(value, list):
            return xp.asarray(value)
        return value

    def redrawn(self, seed: int) -> Call:
        """Return the call at other values of the operation's domain.

        Imaginary parts are small, so that a number stays near its domain.
        """
        values = points(self.sample.shapes, self.domains, seed)
        if self.sample.is_complex:
            parts = points(self.sample.shapes, seed=seed + 1000)
            values = tuple(x + 0.3j * y for x, y in zip(values, parts, strict=True))
        return replace(self, values=values)

    def arrays(self) -> tuple[Array, ...]:
        """Return the values as arrays of the current backend."""
        return tuple(map(backend.get_backend().asarray, self.values))

    @property
    def names(self) -> tuple[str, ...]:
        """What each array is called."""
        names, count = self.operation.arguments, len(self.sample.shapes)
        if self.operation.variadic:
            return tuple(f"{names[0]}_{k}" for k in range(count))
        return names[:count]

    @property
    def domains(self) -> list[Domain]:
        """The domain of each array."""
        domain, names = self.operation.domain, self.operation.arguments
        if self.operation.variadic:
            names = names * len(self.sample.shapes)
        return [domain.get(name, REAL) for name in names[: len(self.sample.shapes)]]


def calls(operation: Operation) -> Iterator[Call]:
    """Yield the calls that an operation's declaration offers for checks."""
    for k, sample in enumerate(operation.samples):
        yield call_of(operation, sample, seed=k)


def call_of(operation: Operation, sample: Sample, seed: int = 0) -> Call:
    """Return the call of a sample, at values drawn from the operation's domain."""
    return Call(operation, sample, ()).redrawn(seed)


def points(
    shapes: Sequence[Shape],
    domains: Sequence[Domain] | None = None,
    seed: int = 0,
) -> tuple[NDArray, ...]:
    """Draw values inside domains, no two of them near each other: no ties, no kinks."""
    rng = np.random.default_rng(seed)
    domains = domains or [(-math.inf, math.inf)] * len(shapes)
    sizes = [math.prod(shape) for shape in shapes]
    strata = rng.permutation(sum(sizes))
    places = (strata + rng.uniform(0.25, 0.75, size=strata.shape)) / max(sum(sizes), 1)
    result = []
    for shape, size, (low, high) in zip(shapes, sizes, domains, strict=True):
        low = max(low, min(-2.0, high - 2.0))
        high = min(high, max(2.5, low + 2.0))
        part, places = places[:size], places[size:]
        margin = 0.1 * (high - low)
        result.append((low + margin + part * (high - low - 2 * margin)).reshape(shape))
    return tuple(result)


# ------------------------------------------------------------------ variants

COMPLEX = {"float32": "complex64", "float64": "complex128"}
"""The complex dtype of the precision of a real one."""

VARIANTS: dict[str, Callable[[Operation, Sample], Iterator[Sample]]] = {}
"""Ways to vary a declared sample without knowing the operation, by name."""


def variant(name: str) -> Callable[[Any], Any]:
    """Declare a way to vary samples."""

    def declare(vary: Any) -> Any:
        VARIANTS[name] = vary
        return vary

    return declare


@variant("axes of length 1 and 0")
def short_axes(operation: Operation, sample: Sample) -> Iterator[Sample]:
    """Give all axes of one length another, and drop all axes."""
    lengths = sorted({n for shape in sample.shapes for n in shape if n > 1})
    for length in lengths:
        for other in (1, 0):
            yield resized(sample, {length: other})
    if _fewest_axes(operation) == 0:
        yield replace(sample, shapes=tuple(() for _ in sample.shapes))


def _fewest_axes(operation: Operation) -> int:
    """Return the least number of axes that a declared sample has."""
    return min(len(s) for shown in operation.samples for s in shown.shapes)


@variant("more axes and fewer")
def other_axes(operation: Operation, sample: Sample) -> Iterator[Sample]:
    """Put axes in front, take the first away, and make all of one length."""
    for front in ((2,), (2, 3)):
        yield replace(sample, shapes=tuple((*front, *s) for s in sample.shapes))
    if all(len(s) > _fewest_axes(operation) for s in sample.shapes):
        yield replace(sample, shapes=tuple(s[1:] for s in sample.shapes))
    lengths = {n for shape in sample.shapes for n in shape if n > 1}
    yield resized(sample, dict.fromkeys(lengths, 3))


@variant("every axis and none")
def every_axis(operation: Operation, sample: Sample) -> Iterator[Sample]:
    """Count axes from either end; take none, some, and all of them."""
    if "axis" not in operation.statics:
        return
    ndim = max(map(len, sample.shapes), default=0)
    axes: list[Any] = list(range(-ndim, ndim))
    if operation.signature.parameters["axis"].annotation not in (int, "int"):
        axes += [None, (), *([(0, -1), (-1, 0)] if ndim > 1 else [])]
    for axis in axes:
        yield replace(sample, statics={**sample.statics, "axis": axis})


@variant("switches")
def switches(operation: Operation, sample: Sample) -> Iterator[Sample]:
    """Turn every keyword that is True or False by default."""
    for name, p in operation.signature.parameters.items():
        now = sample.statics.get(name, p.default)
        if isinstance(p.default, bool):
            yield replace(sample, statics={**sample.statics, name: not now})


@variant("complex numbers")
def complex_numbers(operation: Operation, sample: Sample) -> Iterator[Sample]:
    """Draw complex arrays; a dtype that is asked for is then complex, too."""
    if operation.takes_complex:
        statics = dict(sample.statics)
        if statics.get("dtype") in COMPLEX:
            statics["dtype"] = COMPLEX[statics["dtype"]]
        yield replace(sample, statics=statics).complex()


@variant("large arrays")
def large(operation: Operation, sample: Sample) -> Iterator[Sample]:
    """Make every axis longer, to a thousand elements, no two alike by chance."""
    lengths = sorted({n for shape in sample.shapes for n in shape if n > 1})
    longest = max((len(shape) for shape in sample.shapes), default=0)
    length = {1: 1200 if len(lengths) == 1 else 36, 2: 36}.get(longest, 11)
    if lengths:
        yield resized(sample, {n: length + k for k, n in enumerate(lengths)})


def resized(sample: Sample, lengths: dict[int, int]) -> Sample:
    """Return a sample with other lengths of axes."""
    shapes = (tuple(lengths.get(n, n) for n in shape) for shape in sample.shapes)
    return replace(sample, shapes=tuple(shapes))


def variants(operation: Operation, name: str) -> Iterator[Call]:
    """Yield the calls that an operation takes among the variants of its samples.

    None where a key says where the array belongs in another: that goes with its shape.
    """
    if {"key", "shape"} <= set(operation.statics):
        return
    seen = {repr(sample) for sample in operation.samples}
    for k, sample in enumerate(operation.samples):
        for varied in VARIANTS[name](operation, sample):
            if repr(varied) not in seen:
                seen.add(repr(varied))
                call = call_of(operation, varied, seed=k)
                if is_taken(call):
                    yield call


def is_taken(call: Call) -> bool:
    """Say whether an operation takes a call, and gives finite floats for it."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            results = outputs(call)(*call.arrays())
        except Exception:  # whatever the library says
            return False
    if not results:
        return False
    if sum(math.prod(tuple(y.shape)) for y in results) > LARGEST:
        return False
    return all(map(is_inexact, results)) and bool(np.isfinite(row(results)).all())


def outputs(function: Function) -> Function:
    """Return a function whose results come as a tuple, whatever their container."""

    def call(*arrays: Array) -> tuple[Array, ...]:
        return tuple(pytree.flatten(function(*arrays))[0])

    return call
