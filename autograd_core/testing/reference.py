"""What a derivative should be, found without one: by differences, or more exactly.

Every reference is a function ``(problem, tangents, cautious) -> Slopes``: the slope of
the problem's function along the tangents. A second look at what seems wrong estimates
errors with caution.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from typing import Any, TypeAlias

import numpy as np

from autograd_core.backend import backend_of
from autograd_core.errors import error
from autograd_core.testing.arrays import (
    Array,
    NDArray,
    like,
    precision,
    row,
    to_numpy,
)
from autograd_core.testing.differences import (
    ENOUGH,
    FIRST,
    SAFETY,
    Slopes,
    slopes,
)
from autograd_core.testing.problem import Arrays, Problem, all_real

Reference: TypeAlias = Callable[[Problem, Arrays, bool], Slopes]
APART = 3  # binary orders of magnitude between elements that need steps of their own

IMAGINARY = (2.0**-40, 2.0**-60)  # steps; what they give agrees where f is analytic
DIGITS, STEP = 60, 2.0**-66  # of arbitrary precision; the error is 1e-40


def by_differences(problem: Problem, tangents: Arrays, cautious: bool) -> Slopes:
    """Return extrapolated differences (`differences.slopes`).

    Elements that are small for their direction are moved apart from the others, by
    steps of their own size, wherever one step for all settles less.
    """
    found = _differences(problem, tangents, cautious, 1.0)
    with np.errstate(all="ignore"):
        rough = ~(SAFETY * found.error <= ENOUGH * np.abs(found.low)) | found.kinked
    if not (rough | found.unknown).any():
        return found
    parts = list(_by_magnitude(problem, tangents))
    if len(parts) == 1 and parts[0][0] == 1.0:
        return found
    several = [_differences(problem, part, cautious, factor) for factor, part in parts]
    with np.errstate(all="ignore"):
        apart = Slopes(
            np.sum([part.low for part in several], axis=0),
            np.sum([part.high for part in several], axis=0),
            np.sum([part.error for part in several], axis=0),
            np.any([part.unknown for part in several], axis=0),
        )
        better = ~apart.unknown & (found.unknown | (apart.error < found.error))
        better |= ~apart.unknown & found.kinked & ~apart.kinked
    return Slopes(
        np.where(better, apart.low, found.low),
        np.where(better, apart.high, found.high),
        np.where(better, apart.error, found.error),
        np.where(better, False, found.unknown),
    )


def _differences(
    problem: Problem, tangents: Arrays, cautious: bool, factor: float
) -> Slopes:
    """Return differences along tangents that are made longer by a factor."""
    longer = tuple(v * factor for v in tangents)
    eps = precision(problem.leaves)
    found = slopes(problem.along(longer), eps, cautious)
    return replace(
        found,
        low=found.low / factor,
        high=found.high / factor,
        error=found.error / factor,
    )


def _by_magnitude(problem: Problem, tangents: Arrays) -> Iterator[tuple[float, Arrays]]:
    """Split tangents by the size of what they move, with the factor that fits it."""
    steps = [to_numpy(v) for v in tangents]
    orders = []
    for x, v in zip(problem.leaves, steps, strict=True):
        value = np.abs(to_numpy(x))
        with np.errstate(all="ignore"):
            order = np.floor(np.log2(value / np.abs(v)))
        small = np.isfinite(order) & (order < -APART)
        orders.append(np.where(small, np.floor(order / APART) * APART, 0.0))
    for order in np.unique(np.concatenate([o.ravel() for o in orders])):
        part = [np.where(o == order, v, 0) for o, v in zip(orders, steps, strict=True)]
        if any(p.any() for p in part):
            pairs = zip(part, tangents, strict=True)
            yield float(2.0**order), tuple(like(p, v) for p, v in pairs)


def automatic(problem: Problem, tangents: Arrays, cautious: bool) -> Slopes:
    """Return differences, or the complex step where it agrees and is more exact."""
    found = by_differences(problem, tangents, cautious)
    with np.errstate(all="ignore"):
        rough = SAFETY * found.error > ENOUGH * np.abs(found.low)
    quantised = _quantised(problem, tangents, found)
    if not ((rough & ~found.kinked) | quantised).any():
        return found
    exact = complex_step(problem, tangents)
    if exact is None:
        return found
    with np.errstate(all="ignore"):
        near = np.abs(exact - found.low) <= SAFETY * found.error
        near = ~found.kinked & np.isfinite(exact) & (near | quantised)
    if not near[~found.kinked].all():  # the function is not analytic
        return found
    # As exact as the function's own values, and no more: many a derivative is right
    # only to that, such as 1 - y * y for that of tanh.
    sizes = np.maximum(np.abs(exact), np.abs(row(problem.values())))
    rounding = 64 * precision(problem.leaves) * sizes
    return Slopes(
        np.where(near, exact, found.low),
        np.where(near, exact, found.high),
        np.where(near, np.minimum(found.error, rounding), found.error),
        found.unknown & ~near,
    )


def _quantised(problem: Problem, tangents: Arrays, found: Slopes) -> NDArray:
    """Say where the slope seems to be 0, but the function moves over a long step.

    So it is where all digits have cancelled: 1 - cos(x) at 1e-8 is one of few numbers.
    """
    flat = (found.low == 0) & (found.high == 0)
    if flat.any():
        moved = problem.along(tangents)
        flat &= moved(2.0**-FIRST) != moved(0.0)
    return np.asarray(flat)


def complex_step(problem: Problem, tangents: Arrays) -> NDArray | None:
    """Return ``Im f(x + i h v) / h``, the slope of an analytic function.

    Free of cancellation, so that the step can be tiny and rounding is all the error (W.
    Squire and G. Trapp, "Using complex variables to estimate derivatives of real
    functions", SIAM Review 40, 1998). None where the function takes or gives no complex
    numbers, or two steps disagree.
    """
    if not all_real((*problem.leaves, *problem.values())):
        return None
    found = []
    for h in IMAGINARY:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                pairs = zip(problem.leaves, tangents, strict=True)
                values = problem.function(*(_turned(x, v, h) for x, v in pairs))
                parts = [np.imag(to_numpy(y)).ravel() / h for y in values]
            except Exception:  # whatever the library says of complex numbers here
                return None
        found.append(np.concatenate(parts))
    eps = precision(problem.leaves)
    tolerance = 1e3 * eps * np.abs(found[0])
    alike = np.abs(found[0] - found[1]) <= tolerance
    return found[1] if alike.all() else None


def _turned(x: Array, v: Array, h: float) -> Array:
    """Return ``x + i h v``."""
    xp = backend_of(x)
    dtype = xp.dtype("complex64" if "32" in str(x.dtype) else "complex128")
    astype = xp.namespace.astype
    return astype(x, dtype) + astype(v * h, dtype) * 1j


def by_arbitrary_precision(
    problem: Problem, tangents: Arrays, cautious: bool
) -> Slopes:
    """Return differences in arithmetic of 60 digits (mparray, over mpmath).

    The function must follow the standard: it is given arrays of another library.
    """
    mparray, mpmath = import_module("mparray"), import_module("mpmath")

    def quotient(side: float) -> list[Any]:
        moved = [
            mparray.asarray(to_numpy(x)) + mparray.asarray(to_numpy(v)) * (STEP * side)
            for x, v in zip(problem.leaves, tangents, strict=True)
        ]
        return [
            (y - y_0) / STEP
            for y, y_0 in zip(problem.function(*moved), at, strict=True)
        ]

    with mpmath.workdps(DIGITS):
        at = problem.function(*(mparray.asarray(to_numpy(x)) for x in problem.leaves))
        up = row([_rounded(y) for y in quotient(1)])
        down = row([_rounded(-y) for y in quotient(-1)])
    smooth = np.abs(up - down) <= 1e-15 * np.maximum(1, np.abs(up))
    low = np.where(smooth, (up + down) / 2, np.minimum(up, down))
    high = np.where(smooth, low, np.maximum(up, down))
    error = np.abs(low) * np.finfo(np.float64).eps
    return Slopes(low, high, error, ~np.isfinite(low))


def _rounded(x: Any) -> NDArray:
    """Return an array of arbitrary precision in double precision."""
    shape = tuple(x.shape)
    elements = [float(x[index]) for index in np.ndindex(shape)]
    return np.asarray(elements, dtype=np.float64).reshape(shape)


REFERENCES: dict[str, Reference] = {
    "auto": automatic,
    "differences": by_differences,
    "mparray": by_arbitrary_precision,
}


def reference(name: str) -> Reference:
    """Return a reference by its name."""
    if name not in REFERENCES:
        raise error(
            ValueError,
            "check_grads",
            f"reference must be one of {', '.join(map(repr, REFERENCES))}",
            repr(name),
            "Leave it out for differences, and the complex step where it applies.",
        )
    if name == "mparray":
        try:
            import_module("mparray")
        except ImportError as cause:
            cause.add_note("reference='mparray' needs it: pip install mparray")
            raise
    return REFERENCES[name]
