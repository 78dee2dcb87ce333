"""Strategies for hypothesis: arrays to differentiate at, and calls of operations.

    from hypothesis import given
    from autograd_core.testing import check_grads, strategies

    @given(strategies.arrays(strategies.shapes(max_dims=2), domain=(0.0, 1.0)))
    def test_entropy(p):
        check_grads(entropy, p)

Everything drawn is of the backend that is active when it is drawn, not when the
strategy is made. Numbers have few digits, so that counter-examples can be read, and are
by default such that a function is smooth there: no two alike, none 0. Where ties and
zeros are wanted, ask for ``kinks=True``.

It needs hypothesis, on whose strategies for the Array API it builds, and which nothing
else in this package imports.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache, partial
from typing import Any, TypeAlias

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.errors import HypothesisWarning, InvalidArgument
from hypothesis.extra.array_api import make_strategies_namespace

from autograd_core import pytree
from autograd_core.backend import Backend, get_backend, use_backend
from autograd_core.errors import describe, error
from autograd_core.operation import REAL, Domain, Operation, Sample, operation_of
from autograd_core.testing.arrays import Array, NDArray, to_numpy
from autograd_core.testing.properties import layouts as layouts_of
from autograd_core.testing.samples import VARIANTS, Call, call_of, is_taken, resized

__all__ = [
    "arrays",
    "axes",
    "broadcastable_shapes",
    "calls",
    "devices",
    "dtypes",
    "pytrees",
    "shapes",
]

Shape: TypeAlias = tuple[int, ...]
Axis: TypeAlias = int | tuple[int, ...] | None

REACH = 8.0
"""How far into an interval without end numbers are drawn."""

FEWEST, SPARE = 6, 3
"""Numbers to draw distinct elements from: at least, and more than needed."""

SEARCHED = 64
"""Times as many as are needed, from which they are chosen."""

PLAIN = 9
"""Numbers to draw ties and zeros from: so few that there are some."""

LARGEST = 128
"""Elements of a call's arrays."""


# ------------------------------------------------------------------ shapes and axes


@st.composite
def shapes(
    draw: st.DrawFn,
    min_dims: int = 0,
    max_dims: int = 3,
    min_side: int = 0,
    max_side: int = 4,
) -> Shape:
    """Draw a shape.

    Parameters
    ----------
    min_dims, max_dims
        The least and largest number of axes.
    min_side, max_side
        The least and largest length of an axis.
    """
    shape: Shape = draw(
        _standard().array_shapes(
            min_dims=min_dims, max_dims=max_dims, min_side=min_side, max_side=max_side
        )
    )
    return shape


@st.composite
def broadcastable_shapes(
    draw: st.DrawFn,
    n: int,
    min_dims: int = 0,
    max_dims: int = 3,
    min_side: int = 0,
    max_side: int = 4,
) -> tuple[Shape, ...]:
    """Draw several shapes that can be broadcast against one another.

    Parameters
    ----------
    n
        How many.
    min_dims, max_dims, min_side, max_side
        As of `shapes`, for each of them.
    """
    common = draw(shapes(min_dims, max_dims, min_side, max_side))
    short = min_side <= 1 <= max_side
    return tuple(draw(_part(common, min_dims, short)) for _ in range(n))


@st.composite
def _part(draw: st.DrawFn, shape: Shape, least: int, short: bool = True) -> Shape:
    """Draw a shape that can be broadcast to another.

    It keeps a least number of axes; others may go, and those kept may be cut to 1.
    """
    dropped = draw(_seldom_any(max(0, len(shape) - least)))
    kept = shape[dropped:]
    if not short:
        return kept
    return tuple(draw(st.sampled_from((k, k, 1))) for k in kept)


@cache
def _seldom_any(most: int) -> st.SearchStrategy[int]:
    """Return a strategy for how many axes to drop: most often none."""
    return st.sampled_from([0] * (most + 1) + [*range(1, most + 1)])


@st.composite
def axes(
    draw: st.DrawFn,
    ndim: int,
    *,
    allow_none: bool = True,
    allow_tuple: bool = True,
) -> Axis:
    """Draw what a function over axes may be given for ``axis``.

    An axis, counted from either end; a tuple of axes, each once, and perhaps empty;
    None.

    Parameters
    ----------
    ndim
        The number of axes of the array.
    allow_none, allow_tuple
        Whether None and tuples are wanted too.
    """
    found: list[st.SearchStrategy[Axis]] = []
    if ndim:
        found.append(st.integers(-ndim, ndim - 1))
    if allow_tuple:
        found.append(_standard().valid_tuple_axes(ndim))
    if allow_none:
        found.append(st.none())
    return draw(st.one_of(found))


# ------------------------------------------------------------------ dtypes and devices


@st.composite
def dtypes(draw: st.DrawFn, *, with_complex: bool = False, device: Any = None) -> Any:
    """Draw a dtype of floats of the active backend; the most precise is simplest.

    Parameters
    ----------
    with_complex
        Whether complex dtypes are wanted too.
    device
        The device, or a strategy for it, on which arrays of the dtype shall lie.
    """
    kinds = ("real floating", "complex floating")[: 1 + with_complex]
    return draw(st.sampled_from(_dtypes(kinds, _drawn(draw, device))))


@st.composite
def devices(draw: st.DrawFn) -> Any:
    """Draw a device of the active backend; the simplest is the default one.

    Only devices on which arrays hold numbers, and so not PyTorch's ``meta``.
    """
    return draw(st.sampled_from(_devices(get_backend())))


def _dtypes(kinds: Sequence[str], device: Any = None) -> list[Any]:
    """Return the dtypes of a device, by what the library says of itself."""
    xp = get_backend().namespace
    if hasattr(xp, "__array_namespace_info__"):
        information = xp.__array_namespace_info__()
        found = [information.dtypes(kind=kind, device=device) for kind in kinds]
        names = [name for each in found for name in sorted(each, reverse=True)]
    else:  # older than version 2023.12 of the standard
        names = [*("float64", "float32", "complex128", "complex64")[: 2 * len(kinds)]]
    return [getattr(xp, name) for name in names]


@lru_cache(maxsize=16)
def _devices(xp: Backend) -> list[Any]:
    """Return the devices of a library that can be computed on, the default first."""
    found = [xp.device_of(xp.zeros(()))]
    if hasattr(xp.namespace, "__array_namespace_info__"):
        for device in xp.namespace.__array_namespace_info__().devices():
            if device is not None and device not in found and _holds(xp, device):
                found.append(device)
    return found


def _holds(xp: Backend, device: Any) -> bool:
    try:
        return float(to_numpy(xp.asarray(1.0, device=device))) == 1.0
    except Exception:  # each library has its own way to say that it cannot
        return False


# ------------------------------------------------------------------ arrays


@st.composite
def arrays(
    draw: st.DrawFn,
    shape: Shape | st.SearchStrategy[Shape] | None = None,
    dtype: Any = None,
    *,
    domain: Domain = REAL,
    distinct: bool = True,
    away_from: Sequence[float] = (),
    kinks: bool = False,
    elements: st.SearchStrategy[Any] | None = None,
    layouts: bool = False,
    device: Any = None,
) -> Array:
    """Draw an array of the active backend.

    Its elements are finite, lie inside a domain, and have few digits. They are drawn
    from few numbers, none of them 0, and no two of them of one size or one the multiple
    of another: at such points maxima, absolute values and remainders are smooth.

    Parameters
    ----------
    shape
        A shape, or a strategy for it; by default `shapes`.
    dtype
        A dtype, or a strategy for it; by default the most precise real one.
    domain
        The open interval in which elements lie, such as `autograd_core.operation`'s
        `REAL` and `POSITIVE`. Of complex elements it is that of the real parts.
    distinct
        Whether no two elements may be alike.
    away_from
        Numbers to which elements do not come near: where a function is not smooth.
    kinks
        Whether to draw zeros and ties on purpose, and plain numbers such as 1.0. Then
        `distinct` says nothing.
    elements
        A strategy for the elements, in place of our numbers. Those in the domain, and
        away from `away_from`, are taken.
    layouts
        Whether ndarrays are drawn in other strides too: transposed, reversed, spaced
        out and, unless they must be distinct, with a stride of 0.
    device
        A device, or a strategy for it; by default the default one.

    Examples
    --------
    >>> from hypothesis import find
    >>> with use_backend("numpy"):
    ...     find(arrays(shapes(min_dims=1)), lambda x: x.size and x.min() < -2)
    array([-2.75])
    """
    device = _drawn(draw, device)
    if dtype is None:
        dtype = _dtypes(["real floating"], device)[0]
    dtype = _drawn(draw, dtype)
    shape = draw(shapes()) if shape is None else _drawn(draw, shape)
    distinct = distinct and not kinks
    wanted = Interval(domain, tuple(away_from))
    if elements is None:
        elements = _elements(draw, wanted, math.prod(shape), kinks)
        if get_backend().namespace.isdtype(dtype, "complex floating"):
            parts = _elements(draw, Interval(REAL), FEWEST, kinks)
            elements = st.builds(complex, elements, parts)
    else:
        elements = elements.filter(lambda v: v.real in wanted)
    x = draw(_standard().arrays(dtype, shape, elements=elements, unique=distinct))
    if device is not None:
        x = get_backend().to_device(x, device)
    return _laid_out(draw, x, distinct) if layouts else x


def _drawn(draw: st.DrawFn, given: Any) -> Any:
    """Draw from a strategy; anything else stands for itself."""
    return draw(given) if isinstance(given, st.SearchStrategy) else given


def _laid_out(draw: st.DrawFn, x: Array, distinct: bool) -> Array:
    """Return an ndarray in other strides; other libraries' arrays as they are."""
    found = layouts_of(x)
    if not found:
        return x
    names = ["as it is", *found] + ["of stride 0"] * (not distinct and 0 not in x.shape)
    name = draw(st.sampled_from(names))
    if name == "of stride 0":
        first = np.take(x, [0], axis=draw(st.integers(0, x.ndim - 1)))
        return np.broadcast_to(first, x.shape)
    return found.get(name, x)


# ------------------------------------------------------------------ numbers


@dataclass(frozen=True)
class Interval:
    """An open interval without the surroundings of some points."""

    domain: Domain
    away_from: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        low, high = self.domain
        if not low < high:
            raise error(
                ValueError,
                "strategies",
                "a domain is an open interval (low, high) with low < high",
                str(self.domain),
                "Give the ends in order; there may be infinite ones.",
            )

    def __str__(self) -> str:
        away = f" away from {self.away_from}" if self.away_from else ""
        return f"{self.domain}{away}"

    @property
    def ends(self) -> Domain:
        """Finite ends between which numbers are drawn."""
        low, high = self.domain
        if math.isinf(low) and math.isinf(high):
            return -REACH, REACH
        if math.isinf(low):
            return high - max(REACH, abs(high)), high
        if math.isinf(high):
            return low, low + max(REACH, abs(low))
        return low, high

    @property
    def origin(self) -> float:
        """The point nearest 0, from which numbers are counted."""
        return min(max(0.0, self.ends[0]), self.ends[1])

    @property
    def width(self) -> float:
        """The distance between the ends."""
        return self.ends[1] - self.ends[0]

    @property
    def margin(self) -> float:
        """How far from a point, or from an end, is far."""
        return self.width / 64

    def multiples(self, step: float, factors: Iterable[int]) -> Iterator[list[float]]:
        """Yield multiples of a step that lie well inside: one of each sign, or one."""
        low, high = self.ends[0] + self.margin, self.ends[1] - self.margin
        first = round(self.origin / step)
        for k in factors:
            both = dict.fromkeys(((first + k) * step, (first - k) * step))
            found = [v for v in both if low <= v <= high and v in self]
            if found:
                yield found

    def __contains__(self, v: float) -> bool:
        """Say whether a number is inside, and away from the points."""
        low, high = self.domain
        return low < v < high and all(
            abs(v - point) >= self.margin for point in self.away_from
        )


def _elements(
    draw: st.DrawFn,
    wanted: Interval,
    count: int,
    kinks: bool = False,
    taken: Iterable[float] = (),
) -> st.SearchStrategy[float]:
    """Return a strategy for elements, of which `count` distinct ones can be drawn.

    Without kinks no two of them are of one size, nor of the size of one that is taken.
    """
    if kinks:
        return st.sampled_from(_plain_numbers(wanted))
    sizes = _sizes(wanted, count)
    negative = draw(st.integers(0, 2 ** len(sizes) - 1))  # one bit for each
    taken = {abs(v) for v in taken}
    signed = [
        choices[(negative >> k) % 2 % len(choices)]
        for k, choices in enumerate(sizes)
        if abs(choices[0]) not in taken
    ]
    return st.sampled_from(signed)


@lru_cache(maxsize=256)
def _sizes(wanted: Interval, count: int) -> list[list[float]]:
    """Return numbers no two of which are of one size, the simplest first.

    Those of one size, such as 0.75 and -0.75, are one entry. They are primes times one
    power of two, so that no quotient of two is whole: it is there that remainders jump.
    """
    width, enough = wanted.width, max(FEWEST, count + SPARE)
    step = _power_of_two_below(min(width / 32, max(width / 64, 0.25)))
    primes: list[int] = []
    while len(primes) < SEARCHED * enough:
        primes = _primes(int(width / step))
        found = list(wanted.multiples(step, primes))
        if len(found) >= enough:
            return sorted(found, key=lambda both: _complexity(both[0]))
        step /= 2
    raise _none_to_draw(f"{count} distinct numbers", wanted)


def _plain_numbers(wanted: Interval) -> list[float]:
    """Return 0 and the plainest numbers around it, or as near to it as they can be."""
    width = wanted.width
    step = _power_of_two_below(max(min(width / 4, 0.5), width / 64))
    found = [v for both in wanted.multiples(step, range(2 * PLAIN)) for v in both]
    if not found:
        raise _none_to_draw("plain numbers", wanted)
    return sorted(found, key=_complexity)[:PLAIN]


def _none_to_draw(what: str, wanted: Interval) -> ValueError:
    return error(
        ValueError,
        "strategies",
        f"there must be {what} to draw elements from",
        f"the interval {wanted}",
        "Widen it, or give a strategy of your own as elements.",
    )


def _power_of_two_below(x: float) -> float:
    return float(2.0 ** math.floor(math.log2(x)))


def _complexity(v: float) -> tuple[int, float, bool]:
    """Return by what to sort numbers, so that those easily read come first."""
    return len(repr(abs(v))), abs(v), v < 0


@lru_cache(maxsize=16)
def _primes(limit: int) -> list[int]:
    """Return the primes up to a limit, by the sieve of Eratosthenes."""
    prime = [False, False] + [True] * (limit - 1)
    for k in range(2, math.isqrt(limit) + 1):
        if prime[k]:
            prime[k * k :: k] = [False] * len(prime[k * k :: k])
    return [k for k, is_prime in enumerate(prime) if is_prime]


# ------------------------------------------------------------------ pytrees


def pytrees(
    leaves: st.SearchStrategy[Any] | None = None,
    *,
    min_leaves: int = 1,
    max_leaves: int = 5,
) -> st.SearchStrategy[Any]:
    """Draw nested tuples, lists, dicts and None, with arrays as their leaves.

    Parameters
    ----------
    leaves
        A strategy for the leaves; by default `arrays`.
    min_leaves, max_leaves
        The least and largest number of leaves. The simplest pytree is a leaf alone.
    """
    leaf = arrays() if leaves is None else leaves

    def containers(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        several = st.lists(children, max_size=3)
        return st.one_of(
            several,
            several.map(tuple),
            st.dictionaries(st.sampled_from("abc"), children, max_size=3),
        )

    trees = st.recursive(st.one_of(leaf, st.none()), containers, max_leaves=max_leaves)
    return trees.filter(lambda t: min_leaves <= len(pytree.flatten(t)[0]) <= max_leaves)


# ------------------------------------------------------------------ calls


def calls(
    operation: Operation | Callable[..., Any] | str,
    *,
    kinks: bool = False,
    max_side: int = 4,
) -> st.SearchStrategy[Call]:
    """Draw calls of a declared operation.

    Each is one of its declared samples, varied without knowing the operation: other
    lengths of axes, 0 and 1 among them; other shapes that broadcast; fewer axes; other
    ``axis``, negative ones, tuples and None among them; switches such as ``keepdims``
    turned. What the operation does not take on the active backend, or on NumPy, is not
    drawn. Values lie in its declared domain, and are drawn as by `arrays`, all
    arguments together.

    Parameters
    ----------
    operation
        A declared operation, its public function, or its name.
    kinks
        Whether to draw zeros and ties on purpose. By default there are none.
    max_side
        The largest length of an axis, unless a sample has a longer one.

    Returns
    -------
    SearchStrategy of Call
        A `Call` is a function of the arrays in ``call.values``.

    Raises
    ------
    TypeError
        If it is not a declared operation, or one without samples.

    Examples
    --------
    >>> from hypothesis import given, settings
    >>> from autograd_core.testing import check_grads
    >>> @settings(max_examples=10, derandomize=True, deadline=None, database=None)
    ... @given(calls("max"))
    ... def check(call):
    ...     check_grads(call, *call.arrays(), order=1)
    >>> check()
    """
    found = operation_of(operation)
    if found is None or not found.samples:
        raise error(
            TypeError,
            "strategies.calls",
            "takes a declared operation with samples",
            describe(operation),
            "Declare it with autograd_core.declare; for other functions, draw arrays.",
        )
    return _calls(found, kinks, max_side)


@st.composite
def _calls(draw: st.DrawFn, operation: Operation, kinks: bool, max_side: int) -> Call:
    sample = draw(st.sampled_from(operation.samples))
    if not {"key", "shape"} <= set(operation.statics):  # a place goes with its shape
        sample = _of_other_lengths(draw, operation, sample, max_side)
        for propose in PROPOSALS:
            for proposed in propose(draw, operation, sample, max_side):
                if proposed != sample and _is_taken(operation, proposed):
                    sample = proposed
    call = _with_values(draw, Call(operation, sample, ()), kinks)
    assume(sample in operation.samples or is_taken(call))
    return call


def _is_taken(operation: Operation, sample: Sample) -> bool:
    """Say whether an operation takes a sample on the active backend, and on NumPy.

    Each library takes some calls that the standard does not know (JAX: indices that are
    outside, PyTorch: concat of any array and an empty one); of those that two take
    there are few.
    """
    if sum(map(math.prod, sample.shapes)) > LARGEST:
        return False
    call, active = call_of(operation, sample), get_backend()
    with use_backend("numpy") as judge:
        taken = is_taken(call)
    return taken and (active is judge or is_taken(call))


def _of_other_lengths(
    draw: st.DrawFn, operation: Operation, sample: Sample, max_side: int
) -> Sample:
    """Draw another length for the axes of each length, as far as they are taken."""
    lengths: dict[int, int] = {}
    found = sample
    for n in sorted({n for shape in sample.shapes for n in shape if n != 1}):
        changed = {**lengths, n: draw(_sides(max_side))}
        smaller = resized(sample, changed)
        shape = sample.statics.get("shape")
        if isinstance(shape, tuple):
            shape = tuple(changed.get(k, k) for k in shape)
            smaller = replace(smaller, statics={**sample.statics, "shape": shape})
        if _is_taken(operation, smaller):
            lengths, found = changed, smaller
    return found


@cache
def _sides(max_side: int) -> st.SearchStrategy[int]:
    """Return a strategy for lengths of axes, seldom 0: there is little to see there."""
    return st.sampled_from([*range(1, max_side + 1)] * 3 + [0])


def _least_axes(operation: Operation) -> int:
    """Return the least number of axes that an array in a declared sample has.

    What a library does with fewer is its own affair (NumPy's tril of a vector).
    """
    shapes = [shape for sample in operation.samples for shape in sample.shapes]
    return min(map(len, shapes), default=0)


def _of_fewer_axes(
    draw: st.DrawFn, operation: Operation, sample: Sample, max_side: int
) -> Iterator[Sample]:
    """Propose the sample without some leading axes."""
    shortest = min(map(len, sample.shapes), default=0)
    dropped = draw(_seldom_any(max(0, shortest - _least_axes(operation))))
    if dropped:
        yield replace(sample, shapes=tuple(shape[dropped:] for shape in sample.shapes))


def _of_other_shapes(
    draw: st.DrawFn, operation: Operation, sample: Sample, max_side: int
) -> Iterator[Sample]:
    """Propose shapes that broadcast: any, or parts of those that are known to."""
    fixed = any(isinstance(value, list) for value in sample.statics.values())
    if operation.elementwise and not fixed:
        side = draw(_sides(1))
        drawn = broadcastable_shapes(
            len(sample.shapes), min_side=side, max_side=max_side
        )
        yield replace(sample, shapes=draw(drawn))
    elif operation.broadcasts:
        least = _least_axes(operation)
        parts = tuple(draw(_part(shape, least)) for shape in sample.shapes)
        yield replace(sample, shapes=parts)


def _of_variants(
    name: str, draw: st.DrawFn, operation: Operation, sample: Sample, max_side: int
) -> Iterator[Sample]:
    """Propose one of the variants that certificates look at all of."""
    yield draw(st.sampled_from([sample, *VARIANTS[name](operation, sample)]))


PROPOSALS = (
    _of_fewer_axes,
    _of_other_shapes,
    partial(_of_variants, "every axis and none"),
    partial(_of_variants, "switches"),
)


def _with_values(draw: st.DrawFn, call: Call, kinks: bool) -> Call:
    """Draw the values of a call, all arguments together."""
    count = sum(map(math.prod, call.sample.shapes))
    values: list[NDArray] = []
    taken: list[float] = []
    with use_backend("numpy"):
        for shape, domain in zip(call.sample.shapes, call.domains, strict=True):
            elements = _elements(draw, Interval(domain), count, kinks, taken)
            x = draw(
                _standard().arrays(
                    np.dtype("float64"), shape, elements=elements, unique=not kinks
                )
            )
            taken += x.ravel().tolist()
            values.append(_turned(draw, x) if call.sample.is_complex else x)
    return replace(call, values=tuple(values))


def _turned(draw: st.DrawFn, x: NDArray) -> NDArray:
    """Draw imaginary parts, so small that numbers stay near their domain."""
    elements = _elements(draw, Interval((-1.0, 1.0)), FEWEST)
    parts = draw(_standard().arrays(np.dtype("float64"), x.shape, elements=elements))
    return np.asarray(x + 1j * parts)


# ------------------------------------------------------------------ hypothesis


def _standard() -> Any:
    """Return hypothesis' own strategies for the active backend."""
    return _standard_of(get_backend())


@lru_cache(maxsize=16)
def _standard_of(xp: Backend) -> Any:
    with warnings.catch_warnings():
        # that arrays (PyTorch's) do not name their namespace: ours is known
        warnings.simplefilter("ignore", HypothesisWarning)
        try:
            return make_strategies_namespace(xp.namespace)
        except InvalidArgument:  # of a version that this hypothesis does not know
            return make_strategies_namespace(xp.namespace, api_version="2022.12")
