"""What is asked of the functions of a backend: to agree with NumPy, in every mode."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

import autograd_core as ag
from autograd_core.operation import Operation, registry
from autograd_core.testing.arrays import Array, row
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
from autograd_core.testing.samples import Call, calls, is_taken, outputs, variants
from autograd_core.testing.scenario import (
    Case,
    Expression,
    Faults,
    NotApplicableError,
    lines,
    scenario,
)

# ------------------------------------------------------------------ every operation


def _calls(library: Library) -> Iterator[tuple[str, Call]]:
    """Yield the samples of every operation that has a derivative."""
    for operation in _differentiated():
        for call in calls(operation):
            if _has_dtype(library, call):
                yield repr(call), call


def _differentiated() -> Iterator[Operation]:
    """Yield the operations of the main namespace that have a derivative."""
    for operation in registry.values():
        if any(operation.jvp) and not operation.extension:
            yield operation


def _has_dtype(library: Library, call: Call) -> bool:
    """Say whether a library has the dtypes that a call takes and converts to."""
    if call.sample.is_complex and not library.has(library.complex):
        return False
    return library.has(call.sample.statics.get("dtype") or library.real)


@scenario(_calls)
def values(library: Library, call: Call) -> Faults:
    """Give NumPy's values, shapes and dtypes in every operation."""
    yield from library.agrees(value, call, call.values)


@scenario(_calls)
def tangents(library: Library, call: Call) -> Faults:
    """Give NumPy's derivatives in forward mode."""
    yield from library.agrees(tangent, call, call.values)


@scenario(_calls)
def gradients(library: Library, call: Call) -> Faults:
    """Give NumPy's derivatives in reverse mode."""
    yield from library.agrees(gradient, call, call.values)


@scenario(_calls)
def second_derivatives(library: Library, call: Call) -> Faults:
    """Give NumPy's second derivatives, forward over reverse."""
    yield from library.agrees(curvature, call, call.values)


def _variants(library: Library) -> Iterator[Case]:
    """Yield other axes, switches and sizes, where both NumPy and the library do."""
    for name in ("every axis and none", "switches", "large arrays"):
        for operation in _differentiated():
            for call in variants(operation, name):
                with ag.use_backend(judge().xp):
                    taken = is_taken(call)
                if taken and _has_dtype(library, call):
                    yield repr(call), call


@scenario(_variants)
def variations(library: Library, call: Call) -> Faults:
    """Give NumPy's values for other axes, other keywords and larger arrays."""
    yield from library.agrees(value, call, call.values)


@scenario(_calls)
def adjoint(library: Library, call: Call) -> Faults:
    """Satisfy <u, J v> = <J^T u, v> to rounding."""
    sums, size = [], 0.0
    for mode in (tangent, gradient):
        got = [held(x) for x in library.run(mode, call, call.values)]
        terms = [
            row([x]).astype(float) * row([seed(x.shape, k, x.dtype.kind == "c")])
            for k, x in enumerate(got)
        ]
        sums.append(sum(float(np.sum(term)) for term in terms))
        size += sum(float(np.sum(np.abs(term))) for term in terms)
    if not abs(sums[0] - sums[1]) <= library.relative() * size:
        yield f"<u, J v> is {sums[0]!r}, <J^T u, v> is {sums[1]!r}"


@scenario(_calls)
def float32(library: Library, call: Call) -> Faults:
    """Never widen float32: values, derivatives, second derivatives."""
    for mode in (value, gradient, curvature):
        yield from library.agrees(mode, call, call.values, "float32")


@scenario(_calls)
def inputs(library: Library, call: Call) -> Faults:
    """Leave arguments, tangents and cotangents as they were."""
    for mode in (value, tangent, gradient, curvature):
        library.made.clear()
        library.run(mode, call, call.values)
        for x, before in library.made:
            if held(x).tobytes() != before.tobytes():
                yield f"the {mode.__name__} wrote {shown(x)} over {shown(before)}"


@scenario(_calls)
def repeatable(library: Library, call: Call) -> Faults:
    """Give the same bits in a second run, whatever was computed in between."""
    others = [x[::-1] if x.ndim else x for x in call.values]
    for mode in (value, tangent, gradient):
        first = library.run(mode, call, call.values)
        before = bits(first)
        library.run(mode, call, others)
        if bits(first) != before:
            yield f"a {mode.__name__} changed when another was computed"
        second = library.run(mode, call, call.values)
        if bits(second) != before:
            yield f"{mode.__name__} {shown(first)}, then {shown(second)}"


def _compact(library: Library, x: Any) -> Array:
    return library.array(x)


def _reversed(library: Library, x: Any) -> Array:
    return library.xp.getitem(library.array(x[::-1]), key=(slice(None, None, -1), ...))


def _strided(library: Library, x: Any) -> Array:
    twice = np.repeat(x, 2, axis=0)
    return library.xp.getitem(library.array(twice), key=(slice(None, None, 2), ...))


def _transposed(library: Library, x: Any) -> Array:
    return library.xp.permute_dims(library.array(x.T), tuple(range(x.ndim))[::-1])


def _broadcast(library: Library, x: Any) -> Array:
    return library.xp.broadcast_to(library.array(x[:1]), x.shape)


LAYOUTS: dict[str, Function] = {
    "reversed": _reversed,
    "every second element": _strided,
    "transposed": _transposed,
    "broadcast": _broadcast,
}


def _layouts(library: Library) -> Iterator[Case]:
    for (label, call), layout in itertools.product(_calls(library), LAYOUTS):
        if any(map(len, call.sample.shapes)):
            yield f"{label}, {layout}", (call, layout)


@scenario(_layouts)
def layouts(library: Library, case: tuple[Call, str]) -> Faults:
    """Compute with strided, reversed, transposed and broadcast views."""
    call, layout = case
    results = []
    for each in (library, judge()):
        with ag.use_backend(each.xp):
            results.append([*_of_views(each, call, LAYOUTS[layout])])
    for what, got, right in zip(("value", "gradient"), *results, strict=True):
        yield from library.differences(what, got, [*map(held, right)])


def _of_views(library: Library, call: Call, layout: Function) -> Iterator[list[Array]]:
    """Yield values and gradients of an operation with its arrays in some layout."""
    # Broadcast, all rows are equal: where only elementwise operations are smooth.
    smooth = layout is not _broadcast or call.operation.elementwise
    arguments = layout if smooth else _compact
    xs = [(arguments if x.ndim else _compact)(library, x) for x in call.values]
    ys, pullback = ag.vjp(outputs(call), *xs)
    yield list(ys)
    us = [seed(y.shape, k, library.xp.is_complex(y.dtype)) for k, y in enumerate(ys)]
    bars = pullback(tuple((layout if u.ndim else _compact)(library, u) for u in us))
    yield list(bars)


# ------------------------------------------------------------------ expressions

OPERANDS = {
    "x": [[1.5, -2.5, 0.25], [0.0, 2.0, -0.75]],
    "y": [[1.5, 0.5, -1.25], [2.0, 2.0, -0.75]],
    "v": [-2.0, 0.5, 3.0],
    "p": [True, True, False, False],
    "q": [True, False, True, False],
    "n": [6, 3, 0, 1],
    "m": [1, 2, 3, 0],
    "w": [float("nan"), float("inf"), -float("inf"), 0.0],
}

WITHOUT_RULE = """
sign(x); signbit(x); floor(x); ceil(x); trunc(x); round(x); floor_divide(x, 0.5)
equal(x, y); not_equal(x, y); less(x, y); less_equal(x, y); greater(x, y)
greater_equal(x, y); isfinite(x / v); isinf(v); isnan(x); isin(n, m)
logical_and(p, q); logical_or(p, q); logical_xor(p, q); logical_not(p)
all(p); any(p); any(x > 1.0, axis=1, keepdims=True); all(x > 0.0, axis=0)
bitwise_and(n, m); bitwise_or(n, m); bitwise_xor(n, m); bitwise_invert(n)
bitwise_left_shift(n, m); bitwise_right_shift(n, m)
argmax(x); argmin(x, axis=1, keepdims=True); argmax(x, axis=0); nonzero(x)
count_nonzero(x, axis=0); searchsorted(v, y[0, ...]); searchsorted(v, v, side="right")
argsort(x); argsort(v, descending=True); argsort(y, axis=0, stable=True)
clip(x, -1.0, 1.0); clip(x, min=0.1); stack([x, y], axis=1); unstack(x, axis=1)
tile(x, (2, 1)); moveaxis(x, 0, 1); matrix_transpose(x); diff(x, axis=1)
meshgrid(v, x[0, ...]); meshgrid(v, v, indexing="ij"); broadcast_arrays(x, v)
einsum("ij,kj->ik", x, y); einsum("...j,j", x, v); kron(x, v); trapezoid(x, v, axis=1)
trapezoid(x, dx=0.5, axis=0); interp(x, linspace(-3.0, 3.0, 3, dtype=x.dtype), v)
ones_like(x); zeros_like(x); full_like(x, 7.0); full((2, 0), 3.0, dtype=x.dtype)
zeros((2, 3), dtype=x.dtype); ones(3, dtype=x.dtype); eye(2, 3, k=1, dtype=x.dtype)
arange(5, dtype=x.dtype); arange(1, 7, 2); linspace(0.0, 1.0, 5, dtype=x.dtype)
empty((0, 2), dtype=x.dtype); empty_like(x[:0, ...])
sort(unique_values(floor(y))); sort(unique_counts(floor(y))[1]); sort(unique_all(y)[3])
take(unique_inverse(y)[0], reshape(unique_inverse(y)[1], (-1,)))
isfinite(w); isinf(w); isnan(w); maximum(w, 1.0); minimum(w, 1.0); exp(w); tanh(w)
max(w); min(w); where(w == w, w, 0.0); abs(w)
"""


@scenario(lines(WITHOUT_RULE))
def constants(library: Library, text: str) -> Faults:
    """Give NumPy's values in operations without a rule of their own."""
    right = _evaluated(judge(), text)
    try:
        got = _evaluated(library, text)
    except NotImplementedError as refusal:
        raise NotApplicableError(f"{refusal}") from None
    yield from library.differences("value", got, [*map(held, right)])


def _evaluated(library: Library, text: str) -> tuple[Array, ...]:
    """Return what an expression of the operands gives."""
    kinds = {"n": "int32", "m": "int32", "p": "bool", "q": "bool"}
    given = {k: library.array(v, kinds.get(k)) for k, v in OPERANDS.items()}
    with ag.use_backend(library.xp):
        results: tuple[Array, ...] = outputs(Expression(text, **given))()
    return results


SCALARS = "x + 2; 2 - x; x * 1.5; 2 / x; x**2; 2.5**x; x % 2; -x; abs(x); maximum(x, 1)"


@scenario(lines(SCALARS))
def scalars(library: Library, text: str) -> Faults:
    """Take Python numbers as weak: float32 and a number give float32."""
    for mode in (value, tangent, gradient, curvature):
        yield from library.agrees(mode, Expression(text), [seed((3,)) + 2], "float32")


SIDES = """
raw + x; raw - x; raw * x; raw / x; raw**x; raw % x; raw @ x
x + raw; x - raw; x * raw; x / raw; x**raw; x % raw; x @ raw
where(raw < x, raw, x); where(x >= raw, raw, x); where(raw == x, raw, x)
"""


@scenario(lines(SIDES))
def operators(library: Library, text: str) -> Faults:
    """Let operators of raw arrays defer to tracked ones, on either side."""
    values, results = [seed((3,)) + 2], []
    for each in (library, judge()):
        function = Expression(text, raw=each.array([3.5, 2.25, 1.5]))
        results.append(
            [each.run(mode, function, values) for mode in (tangent, gradient)]
        )
    for mode, got, right in zip((tangent, gradient), *results, strict=True):
        yield from library.differences(mode.__name__, got, [*map(held, right)])


SIZES = """
sum(x * exp(x)); sum(x, axis=0); reshape(x, (-1, 1)); x[..., None]; flip(x)
x[::-1, ...]; x[:0, ...]; concat([x, x, x]); expand_dims(x, axis=0); sort(x, axis=0)
broadcast_to(x, (2, *x.shape)); where(x > 0.0, x, x * x); cumulative_sum(x, axis=0)
stack([x, x]); x[x > 9.0]; tile(x, (2, 2))
x @ matrix_transpose(x); prod(x, axis=0); permute_dims(x, (1, 0)); x[x > 0.0]
"""


def _sizes(library: Library) -> Iterator[Case]:
    """Yield the expressions with the shapes for which NumPy has a value."""
    shapes = [(), (0,), (1,), (0, 3), (2, 0), (1, 1)]
    for (text, _), shape in itertools.product(lines(SIZES)(library), shapes):
        if shape or "axis" not in text:
            try:
                judge().run(value, Expression(text), [seed(shape)])
            except (IndexError, TypeError, ValueError):
                continue
            yield f"{text} of shape {shape}", (text, shape)


@scenario(_sizes)
def sizes(library: Library, case: tuple[str, tuple[int, ...]]) -> Faults:
    """Differentiate arrays without elements, and without axes."""
    for mode in (tangent, gradient, curvature):
        yield from library.agrees(mode, Expression(case[0]), [seed(case[1])])


PROGRAMS = """
mean(tanh(tanh(x @ y + z) @ matrix_transpose(y)) ** 2, axis=1)
log(sum(exp(x - max(x, axis=1, keepdims=True)), axis=1)) + max(x, axis=1)
concat([flip(x)[:, 1:], sort(y, axis=1)[:2, ::2] * z[0, 0]], axis=1)
cumulative_sum(where(x > 0.0, x * x, -x), axis=1) / (1.0 + std(x)) + prod(x[0, ...])
logaddexp(x, sum(z * z)) @ (y @ y) + take(y, argmax(x, axis=1), axis=0)
sum(sin(x)[:, :, None] * cos(y), axis=(0, 1)) + hypot(z, 2.0) * vecdot(z, z)
flip(x)[x > -0.5] + mean(y)
"""


def _at() -> list[Any]:
    """Return where programs are evaluated."""
    return [seed((2, 3)), seed((3, 3), 1), seed((1, 3), 2)]


@scenario(lines(PROGRAMS))
def programs(library: Library, text: str) -> Faults:
    """Agree with NumPy on programs: value, gradient, Hessian-vector product."""
    for mode in (value, tangent, gradient, curvature):
        yield from library.agrees(mode, Expression(text), _at())


@scenario(lines(PROGRAMS))
def eager(library: Library, text: str) -> Faults:
    """Give by backward() what grad gives."""
    right = judge().run(gradient, Expression(text), _at())
    tensors = [ag.Tensor(library.array(x)) for x in _at()]
    y = Expression(text)(*tensors)
    y.backward(library.seed(y))
    zeros = [library.xp.zeros_like(x.value) for x in tensors]  # for what is not used
    got = [
        zero if x.grad is None else x.grad
        for x, zero in zip(tensors, zeros, strict=True)
    ]
    yield from library.differences("grad", got, [*map(held, right)])


@scenario(lines(PROGRAMS))
def default(library: Library, text: str) -> Faults:
    """Compute in the library of the arguments, whatever the default is."""
    expected = library.run(curvature, Expression(text), _at())
    xs = tuple(library.array(x) for x in _at())
    with ag.use_backend(judge().xp):
        got = curvature(library, outputs(Expression(text)), xs)
    yield from library.differences("second derivative", got, [*map(held, expected)])
