"""What tells two operations apart: calls in which their derivatives differ.

A mutant that the checker passes is a hole in the checker, unless it is no mutant: a
fault may change nothing, as the exchanged rules of `add` do. So derivatives of mutant
and original are compared bit by bit, in more calls than the checker makes. What differs
in none of them is called equivalent, and counted apart.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

import autograd_core as ag
from autograd_core import backend
from autograd_core.operation import Kink, Operation, Sample
from autograd_core.testing.arrays import Array, NDArray, astype, like, row, to_numpy
from autograd_core.testing.problem import scale_of
from autograd_core.testing.properties import layouts
from autograd_core.testing.samples import (
    VARIANTS,
    Call,
    Function,
    call_of,
    calls,
    is_taken,
    outputs,
    resized,
    variants,
)

Arrays: TypeAlias = tuple[Array, ...]
Shape: TypeAlias = tuple[int, ...]
NUMBERS = (2.0, 2, -1.5)
ROUNDING = 2.0**10 * float(np.finfo(np.float64).eps)  # relative to values
LAYOUTS = ("transposed", "reversed", "spaced out", "of stride 0")

# ------------------------------------------------------------------ what is special


def drawn(shape: Shape) -> NDArray:
    """Return numbers of either sign, none of them 0 and no two alike."""
    return np.reshape(0.7 * np.cos(1.7 * np.arange(math.prod(shape)) + 0.3), shape)


SEEDS: dict[str, Callable[[Shape], NDArray]] = {
    "drawn": drawn,
    "of ones": np.ones,
    "of zeros": np.zeros,
    "half zeros": lambda shape: np.where(drawn(shape) > 0, drawn(shape), 0),
    "positive": lambda shape: np.abs(drawn(shape)),
    "tiny": lambda shape: drawn(shape) * 2.0**-40,
    "large": lambda shape: drawn(shape) * 2.0**20,
}
"""Tangents and cotangents, by what is special about them."""

VALUES: dict[str, Callable[[NDArray], NDArray]] = {
    "tens": lambda x: x * 20,
    "thousands": lambda x: x * 4e3,
    "thousandths": lambda x: x * 1e-3,
    "minute": lambda x: x * 1e-9,
    "of the other sign": np.negative,
    "whole": lambda x: np.reshape(np.arange(x.size) * 7 % 5 - 2.0, x.shape),
    "natural": lambda x: np.reshape(np.arange(x.size) * 7 % 5 + 1.0, x.shape),
    "0": np.zeros_like,
    "all alike": lambda x: np.full_like(x, 0.5),
    "about 0.3": lambda x: np.reshape(np.linspace(0.29, 0.33, x.size), x.shape),
}
"""Values of a call's arrays, made from the drawn ones."""


def more_samples(operation: Operation, sample: Sample) -> Iterator[Sample]:
    """Vary a sample in ways of no interest to the checker, or so it seems."""
    shapes = sample.shapes
    yield replace(sample, shapes=tuple((2, *shape) for shape in shapes))
    yield replace(sample, shapes=tuple((2, 3, *shape) for shape in shapes))
    yield replace(sample, shapes=tuple(shape[1:] for shape in shapes))
    lengths = sorted({n for shape in shapes for n in shape if n > 1})
    yield resized(sample, dict.fromkeys(lengths, 3))
    for name, value in sample.statics.items():
        if type(value) in (int, float):
            yield replace(sample, statics={**sample.statics, name: -value})
    for name in operation.statics:
        default = operation.signature.parameters[name].default
        if type(default) in (int, float):
            for value in (default - 1, default + 1):
                yield replace(sample, statics={**sample.statics, name: value})


# ------------------------------------------------------------------ one observation


@dataclass(frozen=True)
class Stimulus:
    """A call to observe, and what is special about it.

    Attributes
    ----------
    call
        Of the original operation.
    given
        Arrays, which are differentiated, and Python numbers, which are not.
    what
        What is special about them, in words.
    seed, layout
        What is special about tangents and cotangents; how arrays lie in memory.
    order
        To which order derivatives are taken.
    alone
        The place of the one array that is differentiated, if it is one only.
    """

    call: Call
    given: tuple[Any, ...]
    what: str = ""
    seed: str = "drawn"
    layout: str = ""
    order: int = 1
    alone: int | None = None

    def __str__(self) -> str:
        words = [repr(self.call), self.what, self.layout]
        words += [f"argument {self.alone} alone"] if self.alone is not None else []
        words += [f"seeds {self.seed}"] if self.seed != "drawn" else []
        words += [f"order {self.order}"] if self.order > 1 else []
        return ", ".join(filter(None, words))

    def observe(self, operation: Operation) -> list[Any]:
        """Return shapes, dtypes and bits of an operation's derivatives, or an error."""
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                return list(self._observed(*self._applied(operation)))
            except Exception as fault:  # whatever a wrong rule leads to
                return [type(fault)]

    def derivatives(self, operation: Operation) -> tuple[NDArray, NDArray]:
        """Return first derivatives, and how large rounding errors of them may be.

        A derivative that is small beside the function's values, as that of tanh is for
        large numbers, may be as wrong as it is when computed from them.
        """
        with np.errstate(all="ignore"):
            function, arrays = self._applied(operation)
            values, pullback = ag.vjp(function, *arrays)
            u, v = self._seeds(values), self._seeds(arrays)
            tangents, bars = ag.jvp(function, arrays, v)[1], pullback(u)
            size, weighted = np.abs(row(values)), np.abs(row(values) * row(u))
            lengths = [1 / min(1.0, scale_of(x)) for x in arrays]
            longest = max(lengths) * np.max(np.abs(row(v)), initial=0.0)
            errors = [size * longest]
            for x, length in zip(arrays, lengths, strict=True):
                errors.append(np.full(math.prod(x.shape), length * np.sum(weighted)))
        found = np.concatenate([row(tangents), row(bars)])
        return found, ROUNDING * np.concatenate(errors)

    def _applied(self, operation: Operation) -> tuple[Function, Arrays]:
        """Return an operation as a function of the arrays given, and the arrays."""
        call = replace(self.call, operation=operation)
        copies: dict[int, Any] = {}  # one array given twice stays one array
        given = [copies.setdefault(id(x), self._laid(x)) for x in self.given]
        places = [k for k, x in enumerate(given) if hasattr(x, "dtype")]
        if self.alone is not None:
            places = [self.alone]
        arrays = tuple(given[k] for k in places)

        def function(*xs: Array) -> Arrays:
            full = list(given)
            for k, x in zip(places, xs, strict=True):
                full[k] = x
            found: Arrays = outputs(call)(*full)
            return found

        return function, arrays

    def _observed(self, function: Function, arrays: Arrays) -> Iterator[Any]:
        yield from self._first(function, arrays)
        if self.order > 1:
            yield from self._higher(function, arrays, self.order)

    def _laid(self, x: Any) -> Any:
        """Return a copy of an array in this layout."""
        if not hasattr(x, "dtype"):
            return x
        found = layouts(x).get(self.layout)
        return copied(x) if found is None else found

    def _seeds(self, arrays: Arrays) -> Arrays:
        made = (like(SEEDS[self.seed](tuple(x.shape)), x) for x in arrays)
        if self.layout == "of stride 0":
            return tuple(map(spread, made))
        return tuple(map(self._laid, made))

    def _first(self, function: Function, arrays: Arrays) -> Iterator[Any]:
        """Observe first derivatives, and all that should stay as it is."""
        values, pullback = ag.vjp(function, *arrays)
        u, v = self._seeds(values), self._seeds(arrays)
        several = [pullback(u), pullback(u), ag.vjp(function, *arrays)[1](u)]
        pairs = [ag.jvp(function, arrays, v) for _ in range(2)]
        several += [y_dot for _, y_dot in pairs]
        for ys in (values, *(y for y, _ in pairs), *several, arrays, u, v):
            yield from map(bits, ys)
        for held in ((*u, *arrays), several[0]):
            for x in several[1]:
                yield any(overlap(x, y) for y in held)

    def _higher(self, function: Function, arrays: Arrays, order: int) -> Iterator[Any]:
        """Observe derivatives, and derivatives of them."""
        for derivative, of in (
            (pulled_back(function, len(arrays)), function(*arrays)),
            (pushed_forward(function, len(arrays)), arrays),
        ):
            inputs = (*arrays, *self._seeds(of))
            yield from map(bits, derivative(*inputs))
            if order > 1:
                yield from self._higher(derivative, inputs, order - 1)


def pulled_back(function: Function, count: int) -> Function:
    """Return ``(x, y_bar) -> x_bar``."""
    return lambda *xs: tuple(ag.vjp(function, *xs[:count])[1](xs[count:]))


def pushed_forward(function: Function, count: int) -> Function:
    """Return ``(x, x_dot) -> y_dot``."""
    return lambda *xs: tuple(ag.jvp(function, xs[:count], xs[count:])[1])


def copied(x: Array) -> Array:
    """Return a copy of an array, in memory of its own."""
    return like(to_numpy(x), x)


def spread(x: Array) -> Array:
    """Return an array of stride 0 all of whose elements are the first."""
    if isinstance(x, np.ndarray) and x.size:
        return np.broadcast_to(x.ravel()[0], x.shape)
    return x


def bits(x: Any) -> Any:
    """Return the kind of an array, and its elements to the last bit."""
    if not hasattr(x, "dtype"):
        return type(x), x
    return backend.backend_of(x).name, str(x.dtype), tuple(x.shape), _bytes(x)


def _bytes(x: Array) -> bytes:
    value = to_numpy(x)
    value = value + np.zeros_like(value)  # -0 is 0
    return np.where(value == value, value, np.nan).tobytes()  # whatever the nan


def overlap(x: Array, y: Array) -> bool:
    """Say whether two arrays share memory, as far as NumPy can tell."""
    both = isinstance(x, np.ndarray) and isinstance(y, np.ndarray)
    return both and bool(np.shares_memory(x, y))


# ------------------------------------------------------------------ all of them


def stimuli(operation: Operation) -> Iterator[Stimulus]:
    """Yield calls in which to compare an operation with a mutant of it."""
    declared = list(calls(operation))
    for k, call in enumerate(declared):
        yield Stimulus(call, call.arrays(), order=2 if k else 3)
    yield from _at_kinks(operation)
    for call in declared:
        arrays = call.arrays()
        single = tuple(astype(x, "float32") for x in arrays)
        yield Stimulus(call, single, "float32")
        yield from (Stimulus(call, arrays, seed=seed) for seed in SEEDS)
        yield from _each_alone(call)
        yield from _beside_others(call)
    for call in (*declared, *variants(operation, "large arrays")):
        yield from _with_other_values(call)
        yield from _laid_otherwise(call)
    for call in varied(operation):
        yield Stimulus(call, call.arrays())
        if () in call.sample.shapes:
            yield from _each_alone(call)
    for call in variants(operation, "more axes and fewer"):
        yield from _laid_otherwise(call)


def _with_other_values(call: Call) -> Iterator[Stimulus]:
    """Yield calls with other values, of all arrays together and of each alone."""
    places = range(len(call.values))
    for what, change in VALUES.items():
        for chosen in {(*places,), *((k,) for k in places)}:
            values = [
                change(value) if k in chosen else value
                for k, value in enumerate(call.values)
            ]
            other = replace(call, values=tuple(values))
            if is_taken(other):
                yield Stimulus(other, other.arrays(), f"values {what}")


def _each_alone(call: Call) -> Iterator[Stimulus]:
    places = range(len(call.values)) if len(call.values) > 1 else ()
    return (Stimulus(call, call.arrays(), alone=k) for k in places)


def _laid_otherwise(call: Call) -> Iterator[Stimulus]:
    return (Stimulus(call, call.arrays(), layout=layout) for layout in LAYOUTS)


def varied(operation: Operation) -> Iterator[Call]:
    """Yield calls with other shapes and parameters than the declared ones."""
    for name in VARIANTS:
        yield from variants(operation, name)
    if {"key", "shape"} <= set(operation.statics):
        return
    for k, sample in enumerate(operation.samples):
        for other in more_samples(operation, sample):
            call = call_of(operation, other, seed=k)
            if is_taken(call):
                yield call


def _at_kinks(operation: Operation) -> Iterator[Stimulus]:
    for kink in operation.kinks:
        call = kinked(operation, kink)
        for seed in ("of ones", "drawn"):
            yield Stimulus(call, call.arrays(), "a declared kink", seed)


def kinked(operation: Operation, kink: Kink) -> Call:
    """Return the call at a declared kink."""
    values = tuple(np.asarray(value, dtype=np.float64) for value in kink.values)
    shapes = tuple(value.shape for value in values)
    return Call(operation, Sample(shapes, kink.statics), values)


def _beside_others(call: Call) -> Iterator[Stimulus]:
    """Yield calls where the other arguments are numbers, or of another dtype."""
    arrays = call.arrays()
    if call.operation.variadic or len(arrays) < 2:
        return
    for k, x in enumerate(arrays):
        for number in NUMBERS:
            yield from _with(call, k, x, [number] * len(arrays), f"beside {number!r}")
        narrow = [astype(y, "float32") for y in arrays]
        yield from _with(call, k, x, narrow, "beside float32")
        yield from _with(call, k, x, [x] * len(arrays), "the same array for all")


def _with(
    call: Call, k: int, x: Array, others: Sequence[Any], what: str
) -> Iterator[Stimulus]:
    """Yield a call of one array and others, if the operation takes it."""
    given = (*others[:k], x, *others[k + 1 :])
    try:
        finite = bool(np.isfinite(row(outputs(call)(*given))).all())
    except Exception:  # whatever the library says
        return
    if finite:
        yield Stimulus(call, given, what, order=2)


class Witnesses:
    """Observations of an operation, made once, to compare its mutants with."""

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self.seen: list[list[Any]] = []

    @cached_property
    def stimuli(self) -> list[Stimulus]:
        """All stimuli."""
        return list(stimuli(self.operation))

    def expected(self, place: int) -> list[Any]:
        """Return what is seen of the operation itself at a stimulus."""
        while len(self.seen) <= place:
            self.seen.append(self.stimuli[len(self.seen)].observe(self.operation))
        return self.seen[place]

    def difference(self, mutant: Operation) -> Stimulus | None:
        """Return the first call in which a mutant differs; None where none does."""
        for k, stimulus in enumerate(self.stimuli):
            if stimulus.observe(mutant) != self.expected(k):
                return stimulus
        return None

    def is_negligible(self, mutant: Operation) -> bool:
        """Say whether a mutant is off by less than rounding errors wherever it is."""
        for k, stimulus in enumerate(self.stimuli):
            if stimulus.observe(mutant) != self.expected(k):
                got, _ = stimulus.derivatives(mutant)
                expected, errors = stimulus.derivatives(self.operation)
                off = np.abs(got - expected)
                if not off.any() or (off > errors).any() or np.isnan(off).any():
                    return False
        return True
