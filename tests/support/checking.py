"""A checker of derivatives that does not accept wrong ones.

`check` compares what rules say with what the function does, element by element and in
float64: forward mode against extrapolated differences that come with an error estimate,
reverse mode against forward mode by the adjoint identity, the second derivative against
differences of the gradient, and all nestings of forward and reverse against one
another. Where the differences are too poor to judge it says so instead of passing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import autograd_core as ag
from autograd_core.backend import backend_of
from autograd_core.operation import Operation, Sample

Array = Any
Function = Callable[..., Any]

STEPS = [0.05 / 2**k for k in range(10)]
ENOUGH = 1e-7  # relative; differences that are worse than that judge nothing
SAFETY = 4.0  # times the estimated error of the differences
FLOOR = 1e-9  # relative; what rounding may do to a derivative and to its differences
ROUNDING = 1e-10  # relative; by which two ways to one number may differ


class WrongDerivativeError(AssertionError):
    """A derivative contradicts the function, or another derivative."""


class InconclusiveError(AssertionError):
    """The function is too rough here for differences to judge its derivative."""


# ------------------------------------------------------------------ arrays


def to_numpy(x: Array) -> np.ndarray:
    """Return a raw array of any library as an ndarray."""
    if hasattr(x, "cpu"):  # PyTorch
        return np.array(x.numpy(force=True))
    if hasattr(x, "get"):  # CuPy
        return x.get()
    return np.array(getattr(x, "_array", x))  # array-api-strict; anything else


def from_numpy(x: np.ndarray, dtype: str | None = None) -> Array:
    """Return an ndarray as an array of the current backend."""
    return ag.ops.asarray(np.asarray(x, dtype=dtype))


def outputs(function: Function) -> Function:
    """Make a function return a tuple of arrays, whatever container it returns."""

    def call(*arrays: Array) -> tuple[Array, ...]:
        return tuple(ag.pytree.flatten(function(*arrays))[0])

    return call


# ------------------------------------------------------------------ differences


def differences(
    function: Callable[[float], np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """Return the derivative at 0 of a function of one number, and its error.

    Central differences at halved steps, extrapolated to step 0 (Ridders 1982), each
    element with the entry of the tableau whose neighbours agree with it best. The error
    is that disagreement, and what rounding of the function's values does to the entry.
    """
    eps = np.finfo(np.float64).eps
    rows: list[np.ndarray] = []
    best = error = np.asarray(np.inf)
    for h in STEPS:
        above, below = function(h), function(-h)
        rounding = eps * (np.abs(above) + np.abs(below)) / h
        row = [(above - below) / (2 * h)]
        for j, before in enumerate(rows, start=1):
            row.append(row[-1] + (row[-1] - before) / (4**j - 1))
            spread = np.maximum(np.abs(row[-1] - row[-2]), np.abs(row[-1] - before))
            found = spread + rounding
            best = np.where(found < error, row[-1], best)
            error = np.where(found < error, found, error)
        rows = row
    return best, error


def check_jvp(
    function: Function, arrays: Sequence[Array], directions: Sequence[Array]
) -> None:
    """Check forward mode in one direction against differences, element by element."""
    function = outputs(function)

    def along(h: float) -> np.ndarray:
        moved = [x + v * h for x, v in zip(arrays, directions, strict=True)]
        return joined(function(*moved))

    _, tangents = ag.jvp(function, tuple(arrays), tuple(directions))
    expected, error = differences(along)
    scale = 1 + np.abs(expected)
    rough = ~((SAFETY * error <= ENOUGH * scale) & np.isfinite(error))
    if rough.any():
        raise InconclusiveError(
            f"differences of {first(rough, expected)} have an error of "
            f"{first(rough, error)}: a kink, or a value that is not finite, is near"
        )
    compare("jvp against differences", joined(tangents), expected, SAFETY * error)


def joined(arrays: Sequence[Array]) -> np.ndarray:
    """Return all elements of all arrays in one row."""
    return np.concatenate([np.zeros(0), *(to_numpy(x).ravel() for x in arrays)])


def first(where: np.ndarray, values: np.ndarray) -> float:
    return float(values[where][0])


def compare(
    what: str, got: Any, expected: Any, error: Any = 0.0, floor: float = FLOOR
) -> None:
    """Raise unless every element agrees, to its error and rounding."""
    got, expected = np.asarray(got), np.asarray(expected)
    error = np.broadcast_to(error + floor * (1 + np.abs(expected)), expected.shape)
    off = ~(np.abs(got - expected) <= error)
    if off.any():
        raise WrongDerivativeError(
            f"{what}: element {np.argmax(off)} of {off.size} is {first(off, got)!r} "
            f"instead of {first(off, expected)!r}, more than {first(off, error):.1e} "
            f"away; {off.sum()} differ"
        )


# ------------------------------------------------------------------ adjoint


def inner(left: Sequence[Array], right: Sequence[Array]) -> tuple[float, float]:
    """Return an inner product, and the size of its terms."""
    terms = joined(left) * joined(right)
    return math.fsum(terms), math.fsum(np.abs(terms))


def check_adjoint(
    function: Function,
    arrays: Sequence[Array],
    directions: Sequence[Array],
    draw: Callable[[tuple[int, ...]], Array],
) -> None:
    """Check reverse mode against forward mode: ``<u, J v> = <J^T u, v>``."""
    function = outputs(function)
    _, tangents = ag.jvp(function, tuple(arrays), tuple(directions))
    values, pullback = ag.vjp(function, *arrays)
    # A cotangent for each output with the signs of its tangent: nothing cancels.
    seeds = tuple(draw(tuple(y.shape)) for y in values)
    aligned = tuple(map(abs_like, seeds, tangents))
    for u in (seeds, aligned):
        u = tuple(ag.ops.astype(s, y.dtype) for s, y in zip(u, values, strict=True))
        forward, size = inner(u, tangents)
        held = joined(u)
        reverse, size_too = inner(pullback(u), directions)
        if not np.array_equal(held, joined(u)):
            raise WrongDerivativeError("the pullback wrote to its cotangent")
        compare(
            "adjoint identity <J^T u, v> against <u, J v>",
            reverse,
            forward,
            1e-12 * (size + size_too),
            floor=1e-14,
        )


def abs_like(seed: Array, tangent: Array) -> Array:
    """Return a seed with the signs of a tangent."""
    sizes = np.abs(to_numpy(seed))
    return from_numpy(np.where(to_numpy(tangent) < 0, -sizes, sizes))


# ------------------------------------------------------------------ second order


def check_second_order(
    function: Function, arrays: Sequence[Array], directions: Sequence[Array]
) -> None:
    """Check the second derivative: differences, symmetry, all nestings of the modes."""
    xp, every = ag.ops, tuple(range(len(arrays)))
    arrays, directions = tuple(arrays), tuple(directions)
    weights = [
        from_numpy(np.cos(np.arange(math.prod(y.shape))).reshape(y.shape), "float64")
        for y in outputs(function)(*arrays)
    ]

    def bent(x: Array, start: Array) -> Array:
        """Return ``x``, with slope 1 there and a curvature: tangents then vary."""
        return x + (x - start) * (x - start)

    def scalar(*xs: Array) -> Array:
        ys = outputs(function)(*map(bent, xs, arrays))
        return total([w * (y + y * y / 2) for w, y in zip(weights, ys, strict=True)])

    def total(parts: Sequence[Array]) -> Array:
        return sum((xp.sum(part) for part in parts), start=0.0)

    def gradient(*xs: Array) -> tuple[Array, ...]:
        return ag.grad(scalar, argnums=every)(*xs)

    def slope(*xs: Array) -> Array:
        return ag.jvp(scalar, xs, directions)[1]

    def reverse_slope(*xs: Array) -> Array:
        pairs = zip(gradient(*xs), directions, strict=True)
        return total([g * v for g, v in pairs])

    check_jvp(gradient, arrays, directions)
    _, forward_over_reverse = ag.jvp(gradient, arrays, directions)
    expected = joined(forward_over_reverse)
    size = ROUNDING * np.max(np.abs(expected), initial=1.0)
    reverse_over_forward = ag.grad(slope, argnums=every)(*arrays)
    compare("reverse over forward", joined(reverse_over_forward), expected, size)
    reverse_over_reverse = ag.grad(reverse_slope, argnums=every)(*arrays)
    compare("reverse over reverse", joined(reverse_over_reverse), expected, size)
    _, forward_over_forward = ag.jvp(slope, arrays, directions)
    curvature, terms = inner(forward_over_reverse, directions)
    compare(
        "forward over forward",
        to_numpy(forward_over_forward),
        curvature,
        ROUNDING * terms,
    )


# ------------------------------------------------------------------ manners


def check_likeness(function: Function, arrays: Sequence[Array]) -> None:
    """Check that gradients have shape, dtype and library of their arguments.

    And that float32 gives what float64 gives, to its rounding.
    """
    function = outputs(function)
    precise = None
    for dtype in ("float64", "float32"):
        xs = tuple(ag.ops.astype(x, dtype) for x in arrays)
        values, pullback = ag.vjp(function, *xs)
        seeds = tuple(ag.ops.ones_like(y) for y in values)
        bars = pullback(seeds)
        _, tangents = ag.jvp(function, xs, tuple(ag.ops.ones_like(x) for x in xs))
        for of, given, like in (("gradient", bars, xs), ("tangent", tangents, values)):
            for got, x in zip(given, like, strict=True):
                require(got, x, f"{dtype} {of}")
        if precise is None:
            precise = joined(bars)
        rough = 1e-3 * np.max(np.abs(precise), initial=1.0)
        compare(f"{dtype} gradient", joined(bars), precise, rough)

    def gradient(*xs: Array) -> tuple[Array, ...]:
        values, pullback = ag.vjp(function, *xs)
        return pullback(values)

    _, tangents = ag.jvp(gradient, xs, xs)
    _, pullback = ag.vjp(gradient, *xs)
    for of, given in (("forward", tangents), ("reverse", pullback(xs))):
        for got, x in zip(given, xs, strict=True):
            require(got, x, f"{dtype} second derivative, {of} over reverse")


def require(got: Array, like: Array, what: str) -> None:
    """Raise unless an array has another's library, dtype and shape."""
    wrong = [
        f"{name} is {of(got)}, not {of(like)}"
        for name, of in (
            ("library", backend_of),
            ("dtype", lambda x: x.dtype),
            ("shape", lambda x: tuple(x.shape)),
        )
        if of(got) != of(like)
    ]
    if wrong:
        raise WrongDerivativeError(f"{what}: {'; '.join(wrong)}")


def check_zero_cotangent(function: Function, arrays: Sequence[Array]) -> None:
    """Check that a cotangent of zeros comes back as exact zeros."""
    values, pullback = ag.vjp(outputs(function), *arrays)
    bars = joined(pullback(tuple(ag.ops.zeros_like(y) for y in values)))
    if not (bars == 0.0).all():
        raise WrongDerivativeError(f"zero cotangent: gave {first(bars != 0.0, bars)!r}")


def check_values(function: Function, arrays: Sequence[Array]) -> None:
    """Check that tracking changes no bit of the values."""
    function = outputs(function)
    expected = function(*arrays)
    ones = tuple(ag.ops.ones_like(x) for x in arrays)
    for mode, ys in (
        ("vjp", ag.vjp(function, *arrays)[0]),
        ("jvp", ag.jvp(function, tuple(arrays), ones)[0]),
    ):
        for y, y_expected in zip(ys, expected, strict=True):
            require(y, y_expected, f"value in {mode}")
            if not np.array_equal(to_numpy(y), to_numpy(y_expected), equal_nan=True):
                raise WrongDerivativeError(
                    f"value in {mode}: {y} instead of {y_expected}"
                )


# ------------------------------------------------------------------ everything


def check(function: Function, *values: np.ndarray, order: int = 2) -> None:
    """Check a function of arrays at float64 values, in the current backend.

    Parameters
    ----------
    function
        Takes as many arrays as there are values; returns arrays in any container.
    *values
        Where: ndarrays. Differences step up to 0.08 away from them.
    order
        1 to leave the second derivative out.

    Raises
    ------
    WrongDerivativeError
        If a rule is wrong, in either mode or in the second derivative, if a derivative
        has another shape, dtype or library than its argument, or if an input was
        written to.
    InconclusiveError
        If the function is too rough there to be judged.
    """
    rng = np.random.default_rng(20240229)

    def draw(shape: tuple[int, ...]) -> Array:
        """Draw numbers that are neither small nor large, so that no error hides."""
        sizes = rng.uniform(0.5, 1.5, size=shape)
        return from_numpy(np.where(rng.random(shape) < 0.5, -sizes, sizes))

    arrays = [from_numpy(value, "float64") for value in values]
    directions = [draw(value.shape) for value in values]
    held = [to_numpy(x) for x in (*arrays, *directions)]
    check_values(function, arrays)
    check_jvp(function, arrays, directions)
    check_adjoint(function, arrays, directions, draw)
    check_zero_cotangent(function, arrays)
    check_likeness(function, arrays)
    if order > 1:
        check_second_order(function, arrays, directions)
    for before, x in zip(held, (*arrays, *directions), strict=True):
        if not np.array_equal(before, to_numpy(x)):
            raise WrongDerivativeError("an input was written to")


# ------------------------------------------------------------------ declared operations


@dataclass(frozen=True)
class Call:
    """One sample of an operation as a function of its differentiable arguments."""

    operation: Operation
    sample: Sample
    values: tuple[np.ndarray, ...]

    def __call__(self, *arrays: Array) -> Any:
        return self.bound()(*arrays)

    def bound(self, function: Function | None = None) -> Function:
        """Return the operation, or another of its signature, as a function of arrays.

        Its other parameters are arrays of what is the current backend now.
        """
        operation = self.operation
        statics = {key: self._static(key) for key in self.sample.statics}

        def call(*arrays: Array) -> Any:
            given = dict(statics)
            if operation.variadic:
                given[operation.arguments[0]] = list(arrays)
            else:
                given |= dict(zip(operation.arguments, arrays, strict=True))
            positional, by_name = [], {}
            for p in operation.signature.parameters.values():
                if p.name in given:
                    if p.kind is p.POSITIONAL_ONLY:
                        positional.append(given[p.name])
                    else:
                        by_name[p.name] = given[p.name]
            return (function or operation.function)(*positional, **by_name)

        return call

    def _static(self, key: str) -> Any:
        value = self.sample.statics[key]
        if key == "device":
            return ag.ops.asarray(0.0).device
        if key == "dtype":
            return getattr(ag.ops, value)
        if isinstance(value, list):
            return ag.ops.asarray(value)
        return value


def calls(operation: Operation) -> Iterator[Call]:
    """Yield the calls that an operation's declaration offers for checks."""
    for k, sample in enumerate(operation.samples):
        names = operation.arguments * (len(sample.shapes) if operation.variadic else 1)
        everywhere = (-math.inf, math.inf)
        domains = [operation.domain.get(name, everywhere) for name in names]
        yield Call(operation, sample, points(sample.shapes, domains, seed=k))


def points(
    shapes: Sequence[tuple[int, ...]],
    domains: Sequence[tuple[float, float]] | None = None,
    seed: int = 0,
) -> tuple[np.ndarray, ...]:
    """Draw values inside domains, no two of them near each other: no ties, no kinks."""
    rng = np.random.default_rng(seed)
    domains = domains or [(-math.inf, math.inf)] * len(shapes)
    sizes = [math.prod(shape) for shape in shapes]
    strata = rng.permutation(sum(sizes))
    places = (strata + rng.uniform(0.25, 0.75, size=strata.shape)) / max(sum(sizes), 1)
    result = []
    for shape, size, (low, high) in zip(shapes, sizes, domains, strict=True):
        low = max(low, -2.0)
        high = min(high, max(2.5, low + 2.0))
        part, places = places[:size], places[size:]
        margin = 0.1 * (high - low)
        result.append((low + margin + part * (high - low - 2 * margin)).reshape(shape))
    return tuple(result)
