"""What a right derivative satisfies: one function for each property.

A property takes a `Point` and yields comparisons. It draws what is random from the
point, so that at a point moved by a rounding error it yields the same comparisons
again: by how much they vary there is how much noise is in them.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, TypeAlias

import numpy as np

import autograd_core as ag
from autograd_core import pytree
from autograd_core.backend import backend_of
from autograd_core.testing.arrays import (
    Array,
    NDArray,
    astype,
    is_complex,
    like,
    precision,
    row,
    to_numpy,
    unravel,
    zeros_like,
)
from autograd_core.testing.differences import POOR, SAFETY, Slopes
from autograd_core.testing.problem import Arrays, Case, Problem, all_real, scale_of
from autograd_core.testing.reference import Reference

ROUNDING = 2.0**8  # rounding errors by which two ways to one number may differ
UNDERFLOW = 1e-290  # below which products of small numbers have lost their digits
SINGLE = 1e-3  # relative, by which float32 may differ from float64
DIGITS = 2**9  # directions have so few digits that steps along them are exact
AROUND = 32  # unit directions to look along at a kink
ELEMENTS = 64  # of an argument, looked at one by one to name the wrong one
RESULTS, PAIRS = 8, 6  # looked at apart
WILD = 1e3  # times the slope over a long step: what slopes around may not vary by
NEIGHBOURS, NEAR = 12, 2.0**-20  # points around a kink, and how far they are


@dataclass
class Comparison:
    """Elements that should lie in intervals.

    Attributes
    ----------
    what
        Which derivative, of what.
    got, low, high
        One row of real numbers each.
    tolerance
        By how much an element may miss its interval.
    place
        Returns the name of an element.
    exact
        Whether the tolerance is a matter of principle, which no noise excuses.
    error
        The estimated error of the expectation, for the report.
    unknown, inconclusive
        Where nothing is known, and whether that leaves the derivative unjudged.
    closer
        Returns a comparison that names the element of the argument that is wrong.
    """

    what: str
    got: NDArray
    low: NDArray
    high: NDArray
    tolerance: NDArray
    place: Callable[[int], str]
    exact: bool = False
    error: NDArray | None = None
    unknown: NDArray | None = None
    inconclusive: bool = False
    closer: Callable[[], Iterator[Comparison]] | None = None

    @property
    def miss(self) -> NDArray:
        """By how much each element misses its interval, with a sign."""
        with np.errstate(all="ignore"):
            miss = np.where(self.got < self.low, self.got - self.low, 0.0)
            miss = np.where(self.got > self.high, self.got - self.high, miss)
        miss = np.where(np.isnan(self.got) & ~np.isnan(self.low), np.nan, miss)
        return miss if self.unknown is None else np.where(self.unknown, 0.0, miss)

    @property
    def off(self) -> NDArray:
        """Which elements are wrong, unless noise explains it."""
        judged = ~np.isnan(self.low) & ~np.isnan(self.tolerance)
        return judged & ~(np.abs(self.miss) <= self.tolerance)

    def divided(self, by: float) -> Comparison:
        """Return the same comparison of what is so many times smaller."""
        names = ("got", "low", "high", "tolerance", "error")
        parts = {name: getattr(self, name) for name in names}
        smaller = {name: x / by for name, x in parts.items() if x is not None}
        return replace(self, **smaller)

    @property
    def excess(self) -> float:
        """How many times the tolerance the worst element is off."""
        with np.errstate(all="ignore"):
            times = np.abs(self.miss) / np.maximum(self.tolerance, UNDERFLOW)
        return float(np.max(np.nan_to_num(times, nan=np.inf), initial=0.0))


@dataclass(frozen=True)
class Violation:
    """A broken promise that is no matter of numbers: of what, and how."""

    subject: str
    text: str


@dataclass(frozen=True)
class Skip:
    """Why a property does not apply here."""

    reason: str


Found: TypeAlias = Iterator[Comparison | Violation | Skip]


@dataclass
class Point:
    """A problem with what is random about checking it.

    Attributes
    ----------
    reference, cautious
        What finds slopes, and whether with caution.
    stretch
        The length of directions and cotangents: with others, rounding errors differ.
    single
        Whether to look at float32 too.
    sizes
        The sizes of the results, by which cotangents are divided.
    case
        What the user called, where the problem is that very function.
    """

    problem: Problem
    reference: Reference
    seed: int = 0
    cautious: bool = False
    stretch: float = 1.0
    single: bool = True
    sizes: tuple[float, ...] = ()
    case: Case | None = None
    rng: np.random.Generator = field(default_factory=np.random.default_rng)

    def start(self, name: str) -> None:
        """Draw the same numbers again at each start of a property."""
        self.rng = np.random.default_rng([self.seed, zlib.crc32(name.encode())])

    def draw(self, x: Array, scale: float = 1.0) -> Array:
        """Draw an array like another: neither small nor large, and of few digits."""
        shape = (*x.shape, 2) if is_complex(x) else tuple(x.shape)
        sizes = self.rng.integers(DIGITS // 2, 2 * DIGITS, size=shape) / DIGITS
        drawn = np.where(self.rng.random(shape) < 0.5, -sizes, sizes)
        drawn = drawn * scale * self.stretch
        if is_complex(x):
            drawn = drawn[..., 0] + 1j * drawn[..., 1]
        return like(drawn, x)

    def directions(self) -> Arrays:
        """Draw a tangent for each leaf."""
        pairs = zip(self.problem.leaves, self.problem.scales, strict=True)
        return tuple(self.draw(x, scale) for x, scale in pairs)

    def cotangents(self, values: Arrays) -> Arrays:
        """Draw a cotangent for each result, smaller for a larger one."""
        sizes = self.sizes or tuple(map(scale_of, values))
        pairs = zip(values, sizes, strict=True)
        return tuple(self.draw(y, 1 / size) for y, size in pairs)

    @property
    def rounding(self) -> float:
        """The relative size of a rounding error here."""
        return ROUNDING * precision(self.problem.leaves)

    def only(self, k: int, direction: Array) -> Arrays:
        """Return a direction of one leaf as tangents of all."""
        tangents = [zeros_like(x) for x in self.problem.leaves]
        tangents[k] = direction
        return tuple(tangents)

    def length(self, k: int, direction: Array) -> float:
        """Return how far a direction goes, relative to its leaf."""
        largest = np.max(np.abs(row([direction])), initial=0.0)
        return float(largest / self.problem.scales[k])

    def slopes(self, tangents: Arrays) -> Slopes:
        """Return what the derivative along tangents should be."""
        return self.reference(self.problem, tangents, self.cautious)

    def usual_slope(self, tangents: Arrays) -> NDArray:
        """Return the larger slope over a long step to either side."""
        moved, far = self.problem.along(tangents), 2.0**-4
        steps = np.abs(np.stack([moved(far), moved(-far)]) - moved(0.0))
        return np.asarray(np.max(np.nan_to_num(steps, posinf=0.0), axis=0) / far)

    def rises(self, tangents: Arrays) -> NDArray:
        """Say where the function, if its slope is infinite, has no jump."""
        moved = self.problem.along(tangents)
        at, far, near = moved(0.0), 2.0**-4, 2.0**-40
        steps = [np.abs(np.stack([moved(h), moved(-h)]) - at) for h in (far, near)]
        with np.errstate(all="ignore"):
            jumps = np.nan_to_num(steps[1]) > 0.1 * np.nan_to_num(steps[0])
        return np.asarray(~jumps.any(axis=0))

    def beside(self, tangents: Arrays, at: Slopes, missed: NDArray) -> Slopes:
        """Widen what is known of a kink by the slopes at random points around it.

        There each branch is smooth; a derivative at the kink is a mean of theirs. At a
        jump of the values it is what they have in common. Slopes to both sides may
        agree by chance: elements that were missed are looked at as well.
        """
        problem = self.problem
        low, high = np.full(at.low.shape, np.inf), np.full(at.low.shape, -np.inf)
        for _ in range(NEIGHBOURS):
            moved = [
                x + self.draw(x, scale * NEAR) if row([v]).any() else x
                for x, scale, v in zip(
                    problem.leaves, problem.scales, tangents, strict=True
                )
            ]
            shorter = tuple(v * NEAR / 64 for v in tangents)
            neighbour = problem.at(moved)
            try:
                usual = moduli(neighbour.values()) * NEAR / 64
            except Exception:  # there is no function there
                continue
            found = self.reference(neighbour, shorter, True)
            with np.errstate(all="ignore"):
                known = SAFETY * found.error <= POOR * np.maximum(
                    np.abs(found.low), usual
                )
                slope = np.where(known, found.low * 64 / NEAR, np.nan)
                low, high = np.fmin(low, slope), np.fmax(high, slope)
        largest = np.maximum(np.abs(low), np.abs(high))
        where = at.kinked | at.unknown | (missed & (high - low > POOR * largest))
        where &= np.isfinite(low) & np.isfinite(high)
        where &= ~(at.kinked & np.isinf(at.low + at.high) & self.rises(tangents))
        wild = where & (high - low > WILD * self.usual_slope(tangents))
        where &= ~wild
        wide = 64 * NEAR * largest
        jump = np.isinf(at.low) | np.isinf(at.high) | at.unknown
        low = np.where(jump, low, np.fmin(low, at.low))
        high = np.where(jump, high, np.fmax(high, at.high))
        return Slopes(
            np.where(where, low, at.low),
            np.where(where, high, at.high),
            np.where(where, wide, at.error),
            (at.unknown & ~where) | wild,
        )


Property: TypeAlias = Callable[[Point], Found]


@dataclass(frozen=True)
class Row:
    """A property as it is listed.

    Attributes
    ----------
    name, sentence
        What it is called, and what it says.
    modes
        Which modes it needs.
    nests
        Whether it applies to derivatives as functions too, at higher order.
    ours
        Whether only this library promises it.
    operators
        Whether it differentiates other functions than the given one.
    order
        From which order on it applies.
    """

    name: str
    sentence: str
    check: Property
    modes: frozenset[str]
    nests: bool
    ours: bool
    operators: bool
    order: int


PROPERTIES: list[Row] = []


def holds(
    name: str,
    *modes: str,
    nests: bool = False,
    ours: bool = False,
    operators: bool = False,
    order: int = 1,
) -> Callable[[Property], Property]:
    """Declare a property; its docstring is what it says."""

    def declare(check: Property) -> Property:
        sentence = " ".join((check.__doc__ or "").partition("\n\n")[0].split())
        PROPERTIES.append(
            Row(name, sentence, check, frozenset(modes), nests, ours, operators, order)
        )
        return check

    return declare


# ------------------------------------------------------------------ comparisons


def near(
    what: str,
    got: Sequence[Array],
    expected: Sequence[Array],
    names: Sequence[str],
    relative: float,
    **more: Any,
) -> Comparison:
    """Compare arrays, to a rounding error of the largest element of each."""
    tolerances = []
    for pair in zip(got, expected, strict=True):
        sizes = np.abs(np.stack([row([x]) for x in pair]))
        largest = np.max(sizes, initial=0.0, where=np.isfinite(sizes))
        tolerance = relative * largest + (UNDERFLOW if relative else 0.0)
        tolerances.append(np.full(sizes.shape[1:], tolerance))
    return Comparison(
        what,
        row(got),
        row(expected),
        row(expected),
        np.concatenate([np.zeros(0), *tolerances]),
        lambda k: unravel(k, got, names),
        **more,
    )


def same(
    what: str, got: Sequence[Array], expected: Sequence[Array], names: Sequence[str]
) -> Comparison:
    """Compare arrays bit for bit."""
    return near(what, got, expected, names, 0.0, exact=True)


def exactly_zero(
    what: str, got: Sequence[Array], usual: Sequence[Array], names: Sequence[str]
) -> Comparison:
    """Compare with exact zeros, wherever the derivative is finite."""
    compared = same(what, got, tuple(map(zeros_like, got)), names)
    compared.unknown = ~np.isfinite(row(usual))
    return compared


def combined(a: float, xs: Arrays, b: float, ys: Arrays) -> Arrays:
    """Return ``a * x + b * y`` for corresponding arrays."""
    return tuple(a * x + b * y for x, y in zip(xs, ys, strict=True))


def size(x: Array) -> int:
    """Return the number of an array's elements."""
    return int(np.prod(tuple(x.shape)))


# ------------------------------------------------------------------ first of all


@holds("nothing is written to or shared")
def nothing_is_written_to(point: Point) -> Found:
    """Inputs and seeds keep their values; results share no memory with them."""
    problem, values = point.problem, point.problem.values()
    u, v = point.cotangents(values), point.directions()
    held = {
        "argument": (problem.names, problem.leaves),
        "cotangent": (problem.outputs, u if problem.vjp else ()),
        "tangent": (problem.names, v if problem.jvp else ()),
    }
    before = {kind: [to_numpy(x) for x in xs] for kind, (_, xs) in held.items()}
    results: list[tuple[str, Array]] = []
    if problem.vjp:
        bars = problem.pull()[1](u)
        names = [f"gradient with respect to {name}" for name in problem.names]
        results += zip(names, bars, strict=True)
    if problem.jvp:
        names = [f"tangent of {name}" for name in problem.outputs]
        results += zip(names, problem.push(v), strict=True)
    given = [
        (f"{kind} {name}", x)
        for kind, (names, xs) in held.items()
        for name, x in zip(names, xs, strict=False)
    ]
    for (name, x), old in zip(given, chain(*before.values()), strict=True):
        if not np.array_equal(to_numpy(x), old, equal_nan=True):
            yield Violation(name, "was written to while it was differentiated")
    for k, (name, x) in enumerate(results if problem.ours else ()):
        for other, y in given + results[:k]:
            if _share_memory(x, y):
                yield Violation(name, f"shares memory with the {other}")


def _share_memory(x: Array, y: Array) -> bool:
    """Say whether two arrays share memory, as far as the library lets one see."""
    if isinstance(x, np.ndarray) and isinstance(y, np.ndarray):
        return bool(np.shares_memory(x, y))
    if hasattr(x, "untyped_storage"):
        a, b = x.untyped_storage(), y.untyped_storage()
        return bool(a.nbytes() and a.data_ptr() == b.data_ptr())
    return False


@holds("derivatives are like their primals", nests=True)
def derivatives_are_like_their_primals(point: Point) -> Found:
    """Shape, dtype, device and library of a gradient are those of its argument."""
    problem = point.problem
    yield from unlike(problem, point)
    narrow = [not is_complex(x) and "64" in str(x.dtype) for x in problem.leaves]
    if point.single and all(narrow) and all_real(problem.leaves):
        yield from _in_single_precision(point)


def unlike(problem: Problem, point: Point, prefix: str = "") -> Iterator[Violation]:
    """Yield what is wrong about the kind of arrays that derivatives are."""
    values = problem.values()
    if problem.vjp:
        bars = problem.pull()[1](point.cotangents(values))
        for bar, x, name in zip(bars, problem.leaves, problem.names, strict=True):
            what = f"{prefix}gradient with respect to {name}"
            yield from _unlike(what, bar, x)
    if problem.jvp:
        tangents = problem.push(point.directions())
        for tangent, y, name in zip(tangents, values, problem.outputs, strict=True):
            yield from _unlike(f"{prefix}tangent of {name}", tangent, y)


def _unlike(what: str, got: Any, expected: Array) -> Iterator[Violation]:
    own, other = backend_of(expected), _backend(got)
    if other is not own:
        of = str(other or type(got).__name__)
        yield Violation(what, f"is an array of {of}, its primal is one of {own}")
        return
    for name, of_array in (
        ("shape", lambda x: tuple(x.shape)),
        ("dtype", lambda x: x.dtype),
        ("device", own.device_of),
    ):
        found, wanted = of_array(got), of_array(expected)
        if found != wanted:
            yield Violation(what, f"has {name} {found}, its primal has {wanted}")


def _backend(x: Any) -> Any:
    try:
        return backend_of(x)
    except TypeError:
        return None


def _in_single_precision(point: Point) -> Found:
    """Compare float32 with float64, and require it to stay float32."""
    problem = point.problem
    try:
        single = problem.at([astype(x, "float32") for x in problem.leaves])
        values = single.values()
        unlike_in_single = list(unlike(single, coarse(point, single), "float32 "))
    except Exception:  # a function of float64 only
        yield Skip("the function does not take float32")
        return
    yield from unlike_in_single
    if point.case is None:
        return  # in a second derivative rounding errors of float32 may be all there is
    precise, narrow = problem.values(), [astype(y, "float64") for y in values]
    if not np.allclose(row(precise), row(narrow), rtol=SINGLE, atol=0):
        yield Skip("the function's values are others in float32")
        return
    largest = np.max(np.abs(row(precise)), initial=0.0)
    u, v = point.cotangents(precise), point.directions()
    if problem.vjp:
        what, names = "gradient in float32", problem.names
        weight = np.max(np.abs(row(u)), initial=0.0) / min(problem.scales, default=1.0)
        yield _coarse(
            near(what, _pulled(single, u), problem.pull()[1](u), names, SINGLE),
            lambda moved: _pulled(moved, u),
            single,
            largest * weight,
        )
    if problem.jvp:
        what, names = "tangent in float32", problem.outputs
        yield _coarse(
            near(what, _pushed_single(single, v), problem.push(v), names, SINGLE),
            lambda moved: _pushed_single(moved, v),
            single,
            largest,
        )


def coarse(point: Point, single: Problem) -> Point:
    """Return the point of a problem in single precision."""
    found = Point(single, point.reference, point.seed, sizes=point.sizes)
    found.rng = point.rng
    return found


def _coarse(
    found: Comparison,
    derivative: Callable[[Problem], Sequence[Array]],
    single: Problem,
    size: float,
) -> Comparison:
    """Allow for rounding errors of float32: of the values, and by how they carry on."""
    eps = float(np.finfo(np.float32).eps)
    found.tolerance += 64 * eps * size
    for factor in (1 + 2 * eps, 1 - 2 * eps):
        moved = single.at([x * factor for x in single.leaves])
        carried = np.abs(row(derivative(moved)) - found.got)
        found.tolerance += SAFETY * np.where(np.isfinite(carried), carried, 0)
    found.unknown = ~np.isfinite(found.got) | ~np.isfinite(found.low)
    return found


def _pulled(single: Problem, u: Arrays) -> list[Array]:
    """Return the gradient in float32, as float64."""
    values, pullback = single.pull()
    cotangents = [like(to_numpy(a), y) for a, y in zip(u, values, strict=True)]
    return [astype(bar, "float64") for bar in pullback(tuple(cotangents))]


def _pushed_single(single: Problem, v: Arrays) -> list[Array]:
    """Return the tangent in float32, as float64."""
    tangents = single.push(tuple(astype(x, "float32") for x in v))
    return [astype(tangent, "float64") for tangent in tangents]


# ------------------------------------------------------------------ forward mode


@holds("forward mode is the derivative", "forward", nests=True)
def forward_is_the_derivative(point: Point) -> Found:
    """Each element of the JVP is the slope of the function in that direction."""
    for k, direction in enumerate(point.directions()):
        if size(direction):
            yield _against_slopes(point, k, direction)


def _against_slopes(point: Point, k: int, direction: Array) -> Comparison:
    """Compare the JVP of one leaf with the slope along a direction."""
    problem, tangents = point.problem, point.only(k, direction)
    got = row(problem.alone(k).push((direction,)))
    slopes = point.slopes(tangents)
    values, names = problem.values(), problem.outputs
    # A derivative is right to rounding errors of the function: 1 - y * y for tanh.
    floor = point.rounding * moduli(values) * point.length(k, direction)

    def against(slopes: Slopes) -> Comparison:
        found = _in(f"jvp along {problem.names[k]}", got, slopes, point.rounding)
        found.tolerance += floor
        found.place = lambda i: unravel(i, values, names)
        return found

    compared = against(slopes)
    unsettled = slopes.unknown & np.isfinite(row(values))
    if (slopes.kinked.any() and compared.off.any()) or unsettled.any():
        compared = against(point.beside(tangents, slopes, compared.off))

    def closer() -> Iterator[Comparison]:
        for name, unit, length in _units(problem.names[k], direction):
            found = _against_slopes(point, k, unit).divided(length)
            found.what = f"derivative with respect to {name}"
            yield found

    compared.closer = closer
    return compared


def moduli(arrays: Sequence[Array]) -> NDArray:
    """Return the sizes of all elements as `row` lays them out, 0 where not finite.

    Of a complex number both parts have its modulus: rounding errors are of that size.
    """
    found = [np.zeros(0)]
    for x in arrays:
        size = np.abs(to_numpy(x)).ravel().astype(np.float64)
        found.append(np.repeat(size, 2 if is_complex(x) else 1))
    return _finite(np.concatenate(found))


def _finite(x: NDArray) -> NDArray:
    """Return sizes, 0 for what is not finite."""
    return np.where(np.isfinite(x), np.abs(x), 0.0)


def _in(what: str, got: NDArray, slopes: Slopes, rounding: float) -> Comparison:
    """Compare with what differences say."""
    sizes = np.where(np.isfinite(slopes.low), np.abs(slopes.low), 0.0)
    if sizes.size:  # what is small because terms cancel has their rounding errors
        sizes = np.maximum(sizes, np.median(sizes))
    with np.errstate(all="ignore"):
        tolerance = SAFETY * slopes.error + rounding * sizes + UNDERFLOW
    return Comparison(
        what,
        got,
        slopes.low,
        slopes.high,
        tolerance,
        str,
        error=slopes.error,
        unknown=slopes.unknown,
        inconclusive=True,
    )


def _units(leaf: str, direction: Array) -> Iterator[tuple[str, Array, float]]:
    """Yield the elements of a direction one by one, with their names and lengths."""
    whole = to_numpy(direction)
    parts = (".real", ".imag") if np.iscomplexobj(whole) else ("",)
    for k, index in enumerate(np.ndindex(whole.shape)):
        if k >= ELEMENTS:
            return
        place = f"[{', '.join(map(str, index))}]" if index else ""
        for part in parts:
            length = abs(whole[index]) or 1.0
            unit = np.zeros_like(whole)
            unit[index] = length * 1j if part == ".imag" else length
            yield leaf + place + part, like(unit, direction), float(length)


def _sum_of(
    parts: list[tuple[float, Arrays]],
    derivative: Callable[[Arrays], Arrays],
    whole: Arrays,
    names: Sequence[str],
    rounding: float,
) -> Comparison:
    """Compare a derivative with the sum of those of the parts of its seed."""
    total, largest = tuple(map(zeros_like, whole)), 0.0
    for factor, part in parts:
        term = derivative(part)
        total = combined(1.0, total, factor, term)
        largest = max(largest, factor * float(np.max(moduli(term), initial=0.0)))
    # a rule may itself take differences, as in t - t * cos(x)
    found = near("", total, whole, names, 16 * rounding)
    found.tolerance += rounding * largest
    found.unknown = ~np.isfinite(found.low)  # inf - inf is nan
    return found


def _split(
    point: Point, seeds: Arrays
) -> Iterator[tuple[str, list[tuple[float, Arrays]]]]:
    """Yield ways to write seeds as sums of what rules might treat apart."""
    masks = [point.rng.random(tuple(v.shape)) < 0.5 for v in seeds]
    pairs = list(zip(masks, seeds, strict=True))
    some = tuple(like(np.where(m, to_numpy(v), 0), v) for m, v in pairs)
    rest = tuple(like(np.where(m, 0, to_numpy(v)), v) for m, v in pairs)
    yield "seeds with zeros in them", [(1.0, some), (1.0, rest)]
    ones = tuple(like(np.ones(tuple(v.shape)), v) for v in seeds)
    yield "ones", [(1.0, ones), (1.0, combined(1.0, seeds, -1.0, ones))]
    in_range = all(1e-60 < scale < 1e60 for scale in point.problem.scales)
    if precision(seeds) < 1e-10 and in_range:
        large = 2.0**60 if point.problem.ours else 2.0**16
        for name, factor in (("tiny seeds", 1 / large), ("large seeds", large)):
            yield name, [(1 / factor, tuple(factor * v for v in seeds))]


@holds("forward mode is linear", "forward")
def forward_is_linear(point: Point) -> Found:
    """``J (2 v - 3 w) = 2 J v - 3 J w``, and a tangent of zeros gives exact zeros.

    Also for tangents that are tiny, large, ones, or zero in part; and the tangents of
    all arguments together give the sum of what each gives.
    """
    problem = point.problem
    v, w = point.directions(), point.directions()
    j_v, j_w = problem.push(v), problem.push(w)
    together = problem.push(combined(2.0, v, -3.0, w))
    apart = combined(2.0, j_v, -3.0, j_w)
    names, rounding = problem.outputs, point.rounding
    yield near("jvp along 2 v - 3 w", together, apart, names, rounding)
    zeros = tuple(map(zeros_like, v))
    yield exactly_zero("jvp along zeros", problem.push(zeros), j_v, names)
    for what, parts in _split(point, v):
        found = _sum_of(parts, problem.push, j_v, names, rounding)
        found.what = f"jvp along {what}"
        yield found
    if len(v) > 1:
        total = tuple(map(zeros_like, j_v))
        for k, direction in enumerate(v):
            alone = problem.alone(k).push((direction,))
            total = combined(1.0, total, 1.0, alone)
        yield near("jvp along all arguments at once", j_v, total, names, rounding)


# ------------------------------------------------------------------ reverse mode


@holds("reverse mode is the transpose", "reverse", nests=True)
def reverse_is_the_transpose(point: Point) -> Found:
    """``<u, J v> = <J^T u, v>`` for cotangents u and tangents v.

    J v comes from forward mode where there is one, which needs no differences, else
    from differences. One direction is chosen so that each element of the gradient
    counts alike, however small it is.
    """
    problem = point.problem
    values, pullback = problem.pull()
    directions = point.directions()
    pushed = [_pushed(point, k, v) for k, v in enumerate(directions)]
    for name, cotangents in _choices(point, values):
        bars = pullback(cotangents)
        u = row(cotangents)
        for k, (bar, direction) in enumerate(zip(bars, directions, strict=True)):
            if not size(direction):
                continue
            for v, slopes in (
                (direction, pushed[k]),
                *_balanced(point, k, bar, direction),
                *_around_a_kink(point, k, direction, pushed[k]),
            ):
                compared = _paired(point, u, row([bar]), row([v]), slopes)
                if problem.jvp is None:
                    weight = np.sum(np.abs(u) * moduli(values))
                    compared.tolerance += point.rounding * weight * point.length(k, v)
                compared.what = f"gradient of {name} with respect to {problem.names[k]}"
                compared.closer = _closer(point, k, u, bar, direction)
                yield compared


def _choices(point: Point, values: Arrays) -> Iterator[tuple[str, Arrays]]:
    """Yield cotangents for all results together, and for each alone."""
    cotangents = point.cotangents(values)
    names = point.problem.outputs
    together = " and ".join(names[:3]) + (" ..." if len(names) > 3 else "")
    # With ones the numbers in a report are those of the derivative.
    yield together, tuple(like(np.ones(tuple(y.shape)), y) for y in values)
    if row(values).size == 1:
        return
    yield together, cotangents
    if 1 < len(values) <= RESULTS:
        for k, name in enumerate(names):
            alone = [zeros_like(u) for u in cotangents]
            alone[k] = cotangents[k]
            yield name, tuple(alone)


def _pushed(point: Point, k: int, direction: Array) -> Slopes:
    """Return the tangents along one leaf, by forward mode or by differences."""
    only = point.problem.alone(k)
    if only.jvp is None:
        tangents = point.only(k, direction)
        found = point.slopes(tangents)
        return (
            point.beside(tangents, found, found.kinked) if found.kinked.any() else found
        )
    exact = row(only.push((direction,)))
    return Slopes(exact, exact, np.zeros(exact.shape), ~np.isfinite(exact))


def _balanced(
    point: Point, k: int, bar: Array, direction: Array
) -> Iterator[tuple[Array, Slopes]]:
    """Yield a direction along which each element of the gradient counts alike.

    Not for second derivatives, where what is small is often what rounding has left.
    """
    if point.problem.jvp is None or point.case is None:
        return
    sizes, signs = np.abs(to_numpy(bar)), np.sign(to_numpy(direction).real)
    finite = sizes[np.isfinite(sizes) & (sizes > 0)]
    if finite.size and np.isfinite(sizes).all():
        # Of few digits, like every direction.
        exponents = np.floor(np.log2(np.maximum(sizes, finite.min())))
        v = like(signs * 2.0 ** np.clip(-exponents, -100, 100), direction)
        yield v, _pushed(point, k, v)


def _around_a_kink(
    point: Point, k: int, direction: Array, slopes: Slopes
) -> Iterator[tuple[Array, Slopes]]:
    """Yield more directions at a kink, where one interval bounds a gradient badly."""
    if (slopes.low == slopes.high).all():
        return
    scale = point.problem.scales[k]
    ones = like(np.full(tuple(direction.shape), scale), direction)
    units = [unit for _, unit, _ in _units("", direction)][:AROUND]
    for v in (ones, *units, *(point.draw(direction, scale) for _ in range(8))):
        yield v, _pushed(point, k, v)


def _paired(
    point: Point, u: NDArray, bar: NDArray, v: NDArray, slopes: Slopes
) -> Comparison:
    """Compare ``<bar, v>`` with ``<u, J v>``, where the latter may be an interval."""
    with np.errstate(all="ignore"):
        ends = np.stack([u * slopes.low, u * slopes.high])
        got = np.where(v == 0, 0.0, bar * v)
        error = float(np.sum(np.abs(u) * slopes.error))
        terms = np.sum(_finite(ends[0])) + np.sum(_finite(got))
    counts = u != 0
    return Comparison(
        "",
        np.asarray([np.sum(got)]),
        np.asarray([np.sum(ends.min(axis=0), where=counts)]),
        np.asarray([np.sum(ends.max(axis=0), where=counts)]),
        np.asarray([SAFETY * error + point.rounding * terms + UNDERFLOW]),
        lambda _: "<gradient, v>",
        error=np.asarray([error]),
        unknown=np.asarray([bool(slopes.unknown[counts].any())]),
        inconclusive=point.problem.jvp is None,
    )


def _closer(
    point: Point, k: int, u: NDArray, bar: Array, direction: Array
) -> Callable[[], Iterator[Comparison]]:
    """Return what compares a gradient element by element."""

    def closer() -> Iterator[Comparison]:
        parts: list[Comparison] = []
        got = row([bar])
        for name, unit, length in _units(point.problem.names[k], direction):
            pushed = _pushed(point, k, unit)
            found = _paired(point, u, got, row([unit]), pushed).divided(length)
            found.place = lambda _, name=name: name  # type: ignore[misc]
            parts.append(found)
        yield stacked(parts)

    return closer


def stacked(parts: Sequence[Comparison]) -> Comparison:
    """Return comparisons of single elements as one."""
    names = [part.place(0) for part in parts]

    def all_of(name: str) -> NDArray:
        return np.concatenate([np.zeros(0), *(getattr(part, name) for part in parts)])

    return Comparison(
        "",
        all_of("got"),
        all_of("low"),
        all_of("high"),
        all_of("tolerance"),
        lambda k: names[k],
        error=all_of("error"),
        unknown=all_of("unknown").astype(bool),
    )


@holds("reverse mode is linear", "reverse")
def reverse_is_linear(point: Point) -> Found:
    """``J^T (2 u - 3 w) = 2 J^T u - 3 J^T w``; a cotangent of zeros gives exact zeros.

    Also, an argument has the same gradient whether or not others have one too.
    """
    problem = point.problem
    values, pullback = problem.pull()
    u, w = point.cotangents(values), point.cotangents(values)
    bars_u, bars_w = pullback(u), pullback(w)
    names, rounding = problem.names, point.rounding
    together = pullback(combined(2.0, u, -3.0, w))
    apart = combined(2.0, bars_u, -3.0, bars_w)
    yield near("gradient for 2 u - 3 w", together, apart, names, rounding)
    zeros = pullback(tuple(map(zeros_like, u)))
    yield exactly_zero("gradient for cotangents of zeros", zeros, bars_u, names)
    for what, parts in _split(point, u):
        found = _sum_of(parts, pullback, bars_u, names, rounding)
        found.what = f"gradient for {what}"
        yield found
    if len(problem.leaves) > 1:
        alone: list[Array] = []
        for k in range(len(problem.leaves)):
            _, pull = problem.alone(k).pull()
            alone += pull(u)
        what = "gradient of each argument alone"
        yield near(what, alone, bars_u, names, rounding)


# ------------------------------------------------------------------ both


@holds("all nestings agree", "forward", "reverse", nests=True, operators=True, order=2)
def nestings_agree(point: Point) -> Found:
    """Second derivatives are symmetric, and the same in all four nestings.

    With H the Hessian of <u, f>: forward over reverse, reverse over reverse and reverse
    over forward give H v, and forward over forward its pairing with another direction.
    """
    problem = point.problem
    values, pullback = problem.pull()
    u, v, w = point.cotangents(values), point.directions(), point.directions()
    count, names = len(v), problem.names
    zeros_u, zeros_v = tuple(map(zeros_like, u)), tuple(map(zeros_like, v))
    gradient, tangent = problem.of_pullback(u), problem.of_pushforward(v)
    h_v = gradient.push((*v, *zeros_u))
    rounding = 16 * point.rounding
    _, pull = gradient.pull()
    bars = pull(v)
    # H v is right to rounding errors of the gradient, of which it is a change.
    sizes = [np.max(moduli([bar]), initial=0.0) for bar in pullback(u)]

    def hessian_product(over: str, got: Arrays) -> Comparison:
        what = f"second derivative, reverse over {over}"
        compared = near(what, got, h_v, names, rounding)
        floors = [np.full(row([b]).shape, s) for b, s in zip(h_v, sizes, strict=True)]
        compared.tolerance += rounding * np.concatenate(floors)
        return compared

    yield hessian_product("reverse", bars[:count])
    yield near(
        "derivative of the pullback with respect to its cotangent",
        bars[count:],
        problem.push(v),
        problem.outputs,
        rounding,
    )
    _, pull = tangent.pull()
    bars = pull(u)
    yield hessian_product("forward", bars[:count])
    yield near(
        "derivative of the JVP with respect to its tangent",
        bars[count:],
        pullback(u),
        names,
        rounding,
    )
    twice = tangent.push((*w, *zeros_v))
    for name, (a, b), (c, d) in (
        ("forward over forward", (u, twice), (w, h_v)),
        ("symmetry of", (v, gradient.push((*w, *zeros_u))), (w, h_v)),
    ):
        compared = _scalars(f"second derivative, {name}", a, b, c, d, rounding)
        sizes_of = zip(w, sizes, strict=True)
        floor = sum(float(np.sum(np.abs(row([x])))) * size for x, size in sizes_of)
        compared.tolerance += rounding * floor
        yield compared


def _scalars(
    what: str, a: Arrays, b: Arrays, c: Arrays, d: Arrays, relative: float
) -> Comparison:
    """Compare ``<a, b>`` with ``<c, d>``."""
    left, right = row(a) * row(b), row(c) * row(d)
    terms = np.sum(np.abs(left)) + np.sum(np.abs(right))
    expected = np.asarray([np.sum(right)])
    return Comparison(
        what,
        np.asarray([np.sum(left)]),
        expected,
        expected,
        np.asarray([relative * terms + UNDERFLOW]),
        lambda _: "<w, H v>",
    )


@holds("f(x, x) adds", operators=True)
def same_argument_twice_adds(point: Point) -> Found:
    """The derivative of ``f(x, x)`` is the sum of those by the two arguments."""
    problem, leaves = point.problem, point.problem.leaves
    pairs = [
        (i, j)
        for j in range(len(leaves))
        for i in range(j)
        if leaves[i].shape == leaves[j].shape and leaves[i].dtype == leaves[j].dtype
    ]
    if not pairs:
        yield Skip("no two arguments have one shape and dtype")
    for i, j in pairs[:PAIRS]:
        alike = like(to_numpy(leaves[i]), leaves[i])  # and not the same array
        twice = problem.at((*leaves[:j], alike, *leaves[j + 1 :]))
        try:
            if not np.isfinite(row(twice.values())).all():
                continue
        except Exception:  # the function does not take these two alike
            continue

        def function(x: Array, i: int = i, j: int = j) -> Arrays:
            xs = list(leaves)
            xs[i] = xs[j] = x
            return problem.function(*xs)

        one = problem.of(function, leaves=(leaves[i],), names=problem.names[i : i + 1])
        name = f"{problem.names[i]} as {problem.names[j]} too"
        if problem.vjp:
            values, pullback = twice.pull()
            u = point.cotangents(values)
            bars = pullback(u)
            yield near(
                f"gradient of f at {name}",
                one.pull()[1](u),
                (bars[i] + bars[j],),
                one.names,
                point.rounding,
            )
        if problem.jvp:
            v = point.draw(leaves[i], problem.scales[i])
            yield near(
                f"tangent of f at {name}",
                one.push((v,)),
                twice.push(
                    tuple(
                        v if k in (i, j) else zeros_like(x)
                        for k, x in enumerate(leaves)
                    )
                ),
                problem.outputs,
                point.rounding,
            )


@holds("broadcasting sums", "reverse", operators=True)
def broadcasting_sums(point: Point) -> Found:
    """The gradient of a broadcast argument is the sum over its expanded copy."""
    problem, leaves = point.problem, point.problem.leaves
    try:
        shape = np.broadcast_shapes(*(tuple(x.shape) for x in leaves))
    except ValueError:
        shape = ()
    if all(tuple(x.shape) == shape for x in leaves) or not shape:
        yield Skip("no argument is broadcast against another")
        return
    expanded = problem.at(
        [like(np.array(np.broadcast_to(to_numpy(x), shape)), x) for x in leaves]
    )
    try:
        values, pullback = expanded.pull()
        u = point.cotangents(values)
        bars = pullback(u)
        alike = _shapes(values) == _shapes(problem.values()) and np.array_equal(
            row(values), row(problem.values()), equal_nan=True
        )
    except Exception:  # arguments of one shape are not what the function takes
        alike = False
    if not alike:
        yield Skip("the function does not broadcast its arguments")
        return
    if not _adjoint(expanded, point, u, bars):
        yield Skip("the rules are not made for arguments of one shape")
        return
    totals = []
    for bar, x in zip(bars, leaves, strict=True):
        total, own = to_numpy(bar), tuple(x.shape)
        total = total.sum(axis=tuple(range(total.ndim - len(own))))
        grown = tuple(k for k, n in enumerate(own) if n == 1)
        totals.append(like(total.sum(axis=grown, keepdims=True), x))
    bars = problem.pull()[1](u)
    what = "gradient of a broadcast argument"
    yield near(what, bars, totals, problem.names, point.rounding)


def _adjoint(problem: Problem, point: Point, u: Arrays, bars: Arrays) -> bool:
    """Say whether the two modes agree at a problem, as far as both are there."""
    if problem.jvp is None:
        return True
    v = tuple(point.draw(x) for x in problem.leaves)
    left, right = row(u) @ row(problem.push(v)), row(bars) @ row(v)
    return bool(np.isclose(left, right, rtol=1e-6))


def _shapes(arrays: Arrays) -> list[tuple[int, ...]]:
    return [tuple(x.shape) for x in arrays]


# ------------------------------------------------------------------ manners


@holds("values are the function's own", ours=True)
def values_are_the_functions_own(point: Point) -> Found:
    """Differentiating changes no bit of the values."""
    problem = point.problem
    expected = problem.values()
    given = []
    if problem.vjp:
        given.append(("vjp", problem.pull()[0]))
    if problem.jvp and problem.operators and problem.operators.jvp:
        leaves, directions = problem.leaves, point.directions()
        values = problem.operators.jvp(problem.function, leaves, directions)[0]
        given.append(("jvp", tuple(values)))
    for mode, values in given:
        for y, x, name in zip(values, expected, problem.outputs, strict=True):
            yield from _unlike(f"value of {name} in {mode}", y, x)
        yield same(f"value in {mode}", values, expected, problem.outputs)


@holds("two runs are bit-equal")
def two_runs_are_bit_equal(point: Point) -> Found:
    """The same derivative at the same place is the same to the last bit."""
    problem = point.problem
    if problem.vjp:
        u = point.cotangents(problem.values())
        _, pullback = problem.pull()
        first = pullback(u)
        what = "gradient, {}"
        again = pullback(u)
        yield same(what.format("pulled back twice"), again, first, problem.names)
        again = problem.pull()[1](u)
        yield same(what.format("run twice"), again, first, problem.names)
    if problem.jvp:
        v = point.directions()
        first = problem.push(v)
        yield same("tangent, run twice", problem.push(v), first, problem.outputs)


@holds("memory layout does not matter")
def memory_layout_does_not_matter(point: Point) -> Found:
    """Arguments and seeds in any strides give the same derivative."""
    problem = point.problem
    u, v = point.cotangents(problem.values()), point.directions()
    if not any(layouts(x) for x in (*problem.leaves, *u)):
        yield Skip("the library has no strides, or all arrays are 0-d")
        return
    bars = problem.pull()[1](u) if problem.vjp else ()
    tangents = problem.push(v) if problem.jvp else ()
    for name in LAYOUTS:

        def lay(x: Array, name: str = name) -> Array:
            return layouts(x).get(name, x)

        other = problem.at([lay(x) for x in problem.leaves])
        if problem.vjp:
            got = other.pull()[1](tuple(map(lay, u)))
            what = f"gradient for {name} arrays"
            yield near(what, got, bars, problem.names, point.rounding)
        if problem.jvp:
            got = other.push(tuple(map(lay, v)))
            what = f"tangent for {name} arrays"
            yield near(what, got, tangents, problem.outputs, point.rounding)
    if problem.vjp:
        pullback = problem.pull()[1]
        ones = tuple(like(np.ones(tuple(y.shape)), y) for y in u)
        spread = tuple(map(_spread, ones))
        what = "gradient for a cotangent of stride 0"
        expected = pullback(ones)
        yield near(what, pullback(spread), expected, problem.names, point.rounding)


LAYOUTS = ("transposed", "reversed", "spaced out")


def layouts(x: Array) -> dict[str, Array]:
    """Return the same array in other strides, where the library has strides."""
    if not tuple(x.shape):
        return {}
    if hasattr(x, "new_empty"):  # PyTorch, which has no negative ones
        back = tuple(range(x.ndim))[::-1]
        spaced = x.new_empty((*x.shape[:-1], 2 * x.shape[-1]))[..., ::2]
        return {
            "transposed": x.permute(back).contiguous().permute(back),
            "spaced out": spaced.copy_(x),
        }
    if not isinstance(x, np.ndarray):
        return {}
    spaced = np.empty((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)[..., ::2]
    spaced[...] = x
    turned = (slice(None, None, -1),) * x.ndim
    return {
        "transposed": np.array(x.T, order="C").T,
        "reversed": np.array(x[turned], order="C")[turned],
        "spaced out": spaced,
    }


def _spread(ones: Array) -> Array:
    """Return the same ones with stride 0, where the library has strides."""
    if hasattr(ones, "new_ones"):
        return ones.new_ones(()).expand(tuple(ones.shape))
    if isinstance(ones, np.ndarray):
        return np.broadcast_to(ones.dtype.type(1), ones.shape)
    return ones


@holds("containers are kept", operators=True)
def containers_are_kept(point: Point) -> Found:
    """Gradients come in the containers of their arguments, tangents in the result's."""
    problem, case = point.problem, point.case
    operators = problem.operators
    assert operators is not None
    leaves, structure = pytree.flatten(case.arguments if case else ())
    if case is None or len(leaves) != len(problem.leaves):
        yield Skip("some arguments are held constant")
        return
    y = case.function(*case.arguments)
    found, of_y = pytree.flatten(y)
    if len(found) != len(problem.outputs):
        yield Skip("some results are not differentiable")
        return
    if problem.vjp and operators.vjp:
        y, pullback = operators.vjp(case.function, *case.arguments)
        of_y = pytree.flatten(y)[
            1
        ]  # where it is not tracked a library may return lists
        bars = pullback(pytree.unflatten(of_y, point.cotangents(tuple(found))))
        yield from _other("gradient", pytree.flatten(tuple(bars))[1], structure)
    if problem.jvp and operators.jvp:
        tangents = pytree.unflatten(structure, point.directions())
        _, y_dot = operators.jvp(case.function, tuple(case.arguments), tuple(tangents))
        yield from _other("tangent", pytree.flatten(y_dot)[1], of_y)


def _other(what: str, got: Any, expected: Any) -> Iterator[Violation]:
    if got != expected:
        yield Violation(what, f"comes as {got}, its primal as {expected}")


@holds("backward() agrees", "reverse", ours=True)
def backward_agrees(point: Point) -> Found:
    """Tensors that the user holds, and ``backward()``, give the same gradient."""
    problem = point.problem
    if not all_real(problem.leaves):
        yield Skip("complex")
        return
    values, pullback = problem.pull()
    u = point.cotangents(values)
    got = [zeros_like(x) for x in problem.leaves]
    for k, cotangent in enumerate(u):
        tensors = [ag.Tensor(x) for x in problem.leaves]
        y = problem.function(*tensors)[k]
        if isinstance(y, ag.Tensor):
            y.backward(cotangent)
        got = [
            total if t.grad is None else total + t.grad
            for total, t in zip(got, tensors, strict=True)
        ]
    what = "gradient by backward()"
    yield near(what, got, pullback(u), problem.names, point.rounding)
