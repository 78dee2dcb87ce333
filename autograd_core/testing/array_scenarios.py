"""What is asked of the arrays of a backend: dtypes, devices, indexing, and memory."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

import autograd_core as ag
from autograd_core import backend
from autograd_core.backend import SMALL
from autograd_core.errors import dtype_name
from autograd_core.testing.arrays import Array
from autograd_core.testing.libraries import (
    Function,
    Library,
    bits,
    curvature,
    gradient,
    held,
    judge,
    seed,
    shown,
    tangent,
    value,
)
from autograd_core.testing.samples import outputs
from autograd_core.testing.scenario import (
    STANDARD,
    Case,
    Expression,
    Faults,
    NotApplicableError,
    lines,
    scenario,
)

LARGE = SMALL // 4
"""Elements of an array whose memory is watched and not copied, in float32 too."""

# ------------------------------------------------------------------ what it is


NEEDED = ("astype", "broadcast_to", "full", "sum", "zeros")
"""Functions without which nothing can be differentiated."""


@scenario()
def functions(library: Library) -> Faults:
    """Have the functions that the operations call."""
    lacking = [name for name in STANDARD if not hasattr(library.xp, name)]
    yield from (f"the namespace has no {name!r}" for name in lacking if name in NEEDED)
    if lacking and not set(lacking) & set(NEEDED):
        raise NotApplicableError(f"the library has no {', '.join(lacking)}")


@scenario()
def recognition(library: Library) -> Faults:
    """Recognise its arrays, and those that its functions return, and no others."""
    x = library.array([[1.0, 2.0], [3.0, 4.0]])
    made = {
        "asarray": x,
        "zeros": library.xp.zeros((2, 0)),
        "sum": library.xp.sum(x),
        "x * 2.0": x * 2.0,
        "x > 1.0": x > 1.0,
        "getitem": library.xp.getitem(x, key=(0, 1)),
        "unshared": library.xp.unshared(x),
        "snapshot": library.xp.snapshot(x)[0],
    }
    for name, y in made.items():
        if not library.made_here(y):
            of = backend.backend_of(y) if backend.is_array(y) else "no library"
            yield (
                f"{name} returned a {type(y).__module__}.{type(y).__name__}, which "
                f"belongs to {of}, not to {library.xp}: see the attribute `packages`"
            )
        elif library.xp.refusal(y):
            yield f"refusal of what {name} returned: {library.xp.refusal(y)}"
        elif not library.xp.owns(y):
            yield f"owns(what {name} returned) is False"
    for other in (judge().array(1.0), 1.0, [x], None):
        if library.xp.owns(other):
            yield f"owns({type(other).__name__}) is True"
    if bits([library.xp.plain(x)]) != bits([x]):
        yield f"plain returned {shown(library.xp.plain(x))}; expected {shown(x)}"
    library.xp.synchronize()


def _dtypes(library: Library) -> Iterator[Case]:
    kinds = ("float32", "float64", "complex64", "complex128", "bool")
    for name in (*kinds, *(f"{u}int{n}" for u in ("", "u") for n in (8, 16, 32, 64))):
        yield name, name


@scenario(_dtypes)
def dtypes(library: Library, name: str) -> Faults:
    """Know its dtypes by name, and which are floating-point, real or complex."""
    if not library.has(name):
        raise NotApplicableError(f"no {name}")
    dtype = library.xp.dtype(name)
    x = library.xp.asarray([0, 1], dtype=dtype)
    asked = {
        "dtype(...)": dtype,
        "the dtype of asarray(..., dtype=...)": x.dtype,
        "the dtype of astype": library.xp.astype(library.array(1.0), dtype).dtype,
        "dtype(NumPy's)": library.xp.dtype(np.dtype(name)),
    }
    python = {"bool": bool, "int64": int, "float64": float}.get(name)
    if python:
        asked[f"dtype({python.__name__})"] = library.xp.dtype(python)
    for what, got in asked.items():
        if got != x.dtype or dtype_name(got) != name:
            yield f"{what} is {got}; expected {name}"
    if library.xp.is_floating(x.dtype) is not name.startswith(("float", "complex")):
        yield f"is_floating is {library.xp.is_floating(x.dtype)}"
    if library.xp.is_complex(x.dtype) is not name.startswith("complex"):
        yield f"is_complex is {library.xp.is_complex(x.dtype)}"


@scenario()
def devices(library: Library) -> Faults:
    """Say on which device an array lies, and compute there."""
    x = library.array(seed((3, 4)))
    device = library.xp.device_of(x)
    if device != getattr(x, "device", device):
        yield f"device_of(x) is {device!r}; x.device is {x.device!r}"
    made = {"zeros(..., device=device_of(x))": library.xp.zeros((2,), device=device)}
    for mode in (value, tangent, gradient, curvature):
        made[f"{mode.__name__} of x * x"] = mode(library, outputs(_squared), (x,))[0]
    for what, y in made.items():
        if library.xp.device_of(y) != device:
            yield f"{what} lies on {library.xp.device_of(y)!r}; expected {device!r}"


def _squared(x: Array) -> Array:
    return x * x


# ------------------------------------------------------------------ indexing

KEYS: tuple[tuple[tuple[int, ...], Any], ...] = (
    ((5,), 2),
    ((5,), -1),
    ((3, 4), (1, ...)),
    ((3, 4), (1, -2)),
    ((7,), slice(1, None, 3)),
    ((5,), slice(3, 3)),
    ((6,), slice(-4, -1)),
    ((5,), slice(None, None, -1)),
    ((7,), slice(5, 1, -2)),
    ((7,), slice(4, None, -3)),
    ((5,), slice(1, 3, -1)),
    ((4, 5), (slice(None, None, -1), slice(3, 0, -2))),
    ((3, 2, 5), (0, ..., slice(None, None, -2))),
    ((3, 4), ...),
    ((2, 3, 4), (..., 1)),
    ((3,), (None, slice(None))),
    ((3, 4), (None, 1, slice(None))),
    ((3, 4, 5), (slice(None, None, 2), None, 1, slice(4, 0, -2))),
    ((), ...),
    ((), ()),
    ((), (None,)),
    ((0, 3), (slice(None), 1)),
    ((2, 0), (slice(None, None, -1), slice(None))),
)
"""Shapes, and keys of slices, integers, ellipsis and newaxis for them."""


def _keys(library: Library) -> Iterator[Case]:
    for (shape, key), dtype in itertools.product(KEYS, ("float64", "float32")):
        if library.has(dtype):
            yield f"x of {dtype}{list(shape)}, key={key}", (shape, key, dtype)


@scenario(_keys)
def getitem(library: Library, case: tuple[Any, ...]) -> Faults:
    """Index with integers, steps, ellipsis and newaxis as NumPy does."""
    shape, key, dtype = case
    x = seed(shape).astype(dtype)
    got = library.xp.getitem(library.array(x, dtype), key=key)
    yield from library.differences("x[key]", [got], [x[key]], dtype)


@scenario(_keys)
def pad_index(library: Library, case: tuple[Any, ...]) -> Faults:
    """Put what x[key] takes back in its place among zeros: the transpose."""
    shape, key, dtype = case
    padded = np.zeros(shape, dtype)
    padded[key] = part = seed(padded[key].shape).astype(dtype)
    got = library.xp.pad_index(library.array(part, dtype), key=key, shape=shape)
    yield from library.differences("pad_index", [got], [padded], dtype)
    u, x = held(got).astype(float), seed(shape, 1)
    pair = float(np.sum(u * x)), float(np.sum(part * x[key]))
    if not abs(pair[0] - pair[1]) <= library.rounding(dtype) * max(1.0, abs(pair[1])):
        yield "<pad_index(u), x> is {}, <u, x[key]> is {}".format(*pair)


def _scatters(library: Library) -> Iterator[Case]:
    """Yield updates to add: how many, to how many places, in which dtype."""
    sizes = ((0, 3), (0, 0), (1, 1), (5, 3), (7, 1), (64, 1000), (20_000, 1000))
    for (length, size), dtype in itertools.product(sizes, ("float64", "float32")):
        if library.has(dtype):
            yield f"{dtype}[{length}] to size={size}", (length, size, dtype)


@scenario(_scatters)
def index_add(library: Library, case: tuple[Any, ...]) -> Faults:
    """Sum what is added at repeated positions, and leave a nan where it is."""
    length, size, dtype = case
    x = seed((length,)).astype(dtype)
    positions = np.arange(length) ** 2 % max(size - 1, 1)
    if length > 1:
        x[1] = np.nan
    right = np.zeros(size)
    np.add.at(right, positions, x)
    given = library.array(x, dtype), library.array(positions, library.integer)
    for k in range(2):
        got = library.xp.index_add(*given, size=size)
        what = "index_add, again" if k else "index_add"
        yield from library.differences(what, [got], [right.astype(dtype)], dtype)


# ------------------------------------------------------------------ memory


def _mutable(library: Library) -> None:
    """Raise if the library's arrays cannot be written to."""
    try:
        library.array([1.0, 2.0])[0] = 3.0
    except Exception as refusal:
        text = f"{refusal}".strip().partition(". ")[0]
        raise NotApplicableError(f"arrays cannot be written to: {text}") from None


WRITES = {
    "argument x": ("x * x", "x"),
    "right operand c": ("x * c", "c"),
    "left operand c": ("c * x", "c"),
    "first argument c": ("multiply(c, x)", "c"),
    "mask m": ("where(m, x * x, x)", "m"),
    "index i": ("take(x * x, i, axis=0)", "i"),
}


def _writes(library: Library) -> Iterator[Case]:
    for name, (text, written) in WRITES.items():
        for how in ("the pullback", "backward()"):
            label = f"{text}, {name} written to before {how}"
            yield label, (text, written, how == "backward()")


def _after_write(library: Library, case: tuple[str, str, bool], size: int) -> Faults:
    """Yield the error of a gradient after a write to what it was computed from."""
    _mutable(library)
    text, written, is_eager = case
    arrays = {
        "x": library.array(seed((size,)) + 2),
        "c": library.array(seed((size,), 1) + 2),
        "m": library.array(np.arange(size) % 2, "bool"),
        "i": library.array(np.arange(size), library.integer),
    }
    function, u = Expression(text, **arrays), library.array(seed((size,), 2))
    x = arrays["x"]
    expected = held(ag.vjp(function, x)[1](u)[0])
    pullback = _eager(function, x) if is_eager else ag.vjp(function, x)[1]
    arrays[written][size // 3] = {"i": 0, "m": False}.get(written, 1.0)
    yield from library.differences("gradient", pullback(u), [expected])


def _eager(function: Expression, x: Array) -> Function:
    """Return the pullback of an eager Tensor."""
    tensor = ag.Tensor(x)
    y = function(tensor)

    def pullback(u: Array) -> tuple[Array, ...]:
        y.backward(u)
        return (tensor.grad,)

    return pullback


@scenario(_writes)
def small_writes(library: Library, case: tuple[str, str, bool]) -> Faults:
    """Give the right gradient though small captured arrays were written to."""
    yield from _after_write(library, case, 10)


@scenario(_writes)
def large_writes(library: Library, case: tuple[str, str, bool]) -> Faults:
    """Raise, or be right, after a write to a large captured array."""
    try:
        yield from _after_write(library, case, LARGE)
    except ValueError as noticed:
        if "written to in place" not in str(noticed):
            raise


def _memory(library: Library) -> Iterator[Case]:
    """Yield arrays to keep: small and large, whole and in part."""
    for shape in ((), (3,), (0,), (2, 3), (LARGE,)):
        yield f"{library.real}{list(shape)}", (shape, None)
    for shape in ((6,), (2 * LARGE,)):
        yield f"every second element of {list(shape)}", (shape, slice(None, None, 2))


def _kept(library: Library, case: tuple[Any, Any]) -> tuple[Array, Array]:
    """Return an array that may be written to, and the part of it that is kept."""
    _mutable(library)
    whole = library.array(seed(case[0]))
    return whole, whole if case[1] is None else whole[case[1]]


@scenario(_memory)
def snapshots(library: Library, case: tuple[Any, Any]) -> Faults:
    """Keep captured arrays from changing, or notice that they changed."""
    whole, x = _kept(library, case)
    before = bits([x])
    kept, check = library.xp.snapshot(x)
    copy = library.xp.copy_of_small(x)
    for what, y in (("snapshot", kept), ("copy_of_small", copy)):
        if y is not None and bits([y]) != before:
            yield f"{what} returned {shown(y)}; expected {shown(x)}"
    if check is not None and not check():
        yield "the check of snapshot is False though nothing was written to"
    whole[...] = 7.0
    if bits([kept]) != before and (check is None or check()):
        yield "snapshot changed with the array, and its check does not say so"
    if copy is not None and bits([copy]) != before:
        yield "copy_of_small changed with the array"


@scenario(_memory)
def unshared(library: Library, case: tuple[Any, Any]) -> Faults:
    """Hand out copies of what somebody else holds."""
    whole, x = _kept(library, case)
    before = bits([x])
    y = library.xp.unshared(x)
    if bits([y]) != before:
        yield f"unshared returned {shown(y)}; expected {shown(x)}"
    y[...] = 7.0
    if bits([x]) != before:
        yield "unshared returned memory that the array shares"
    y = library.xp.unshared(x)
    whole[...] = 9.0
    if bits([y]) != before:
        yield "unshared returned memory that the array shares"


RESULTS = """
(x, y); (y, x, x); x + y; x; (positive(x), reshape(y, (3,))); (x[::-1], flip(y))
broadcast_to(x, (3,)); (astype(x, x.dtype), x * y); concat([x, y]); 2.0 * y - 2.0 * y
stop_gradient(x)
"""


@scenario(lines(RESULTS))
def results(library: Library, text: str) -> Faults:
    """Hand out results that may be written to, and change nothing else."""
    _mutable(library)
    function = outputs(Expression(text))
    xs = tuple(library.array(seed((3,), k)) for k in range(2))
    ys, pullback = ag.vjp(function, *xs)
    us = tuple(library.seed(y, k) for k, y in enumerate(ys))
    expected = bits(pullback(us))
    parts = {
        "argument": xs,
        "cotangent": us,
        "value": ys,
        "gradient": pullback(us),
        "gradient of a second run": pullback(us),
        "tangent": ag.jvp(function, xs, xs)[1],
    }
    arrays = [(name, x) for name, group in parts.items() for x in group]
    for k, (name, x) in enumerate(arrays):
        if name in ("argument", "cotangent"):
            continue
        others = [pair for j, pair in enumerate(arrays) if j != k]
        before = [bits([y]) for _, y in others]
        x[...] = 7.0 + k
        for (other, y), content in zip(others, before, strict=True):
            if bits([y]) != content:
                yield f"a write to the {name} changed the {other}"
    if bits(pullback(us)) != expected:
        yield "a write to results changed what the pullback gives"


MIXTURES = """
x * other; other * x; concat([x, other]); where(other > 0.0, x, x); x @ other
"""


@scenario(lines(MIXTURES))
def mixing(library: Library, text: str) -> Faults:
    """Refuse to compute with arrays of another library, naming both."""
    pair = (library, judge())
    for (tracked, raw), mode in itertools.product(
        (pair, pair[::-1]), (tangent, gradient)
    ):
        function = Expression(text, other=raw.array(seed((3,))))
        what = f"x of {tracked.xp}, other of {raw.xp}"
        try:
            got = tracked.run(mode, function, [seed((3,))])
        except TypeError as refusal:
            if not all(str(each.xp) in str(refusal) for each in pair):
                yield f"{what}: the error names not both libraries: {refusal}"
        else:
            yield f"{what}: computed the {mode.__name__} {shown(got[0])}"
