"""Shape rules: what an operation makes of the shapes of arrays without values.

Each is ``rule(xp, *named)``, as ``autograd_backends.inference`` says: it asks for
parameters of the operation by name, and returns the shape of the result, or a shape for
each of several. The dtype is then found on arrays of ones; rules of operations that
keep the dtype, or whose parameters name lengths, return an array of `xp`. None says
that the shape depends on values.
"""

from __future__ import annotations

import math
from typing import Any

from autograd_core.backend import backend_of, is_array
from autograd_core.errors import describe, error
from autograd_core.graph import Array
from autograd_ops.axes import (
    Shape,
    contraction,
    normalized,
    numbers,
    transformed,
)


def misfit(operation: str, rule: str, *arrays: Any) -> ValueError:
    """Build the error for shapes that do not fit."""
    got = ", ".join(map(describe, arrays))
    return error(ValueError, operation, rule, got, "Reshape or broadcast first.")


def depends_on_values(xp: Any) -> None:
    """Say that the shape of the result depends on values."""


def shape_of(x: Any) -> Shape:
    """Return the shape of an array or of a number."""
    return tuple(getattr(x, "shape", ()))


def like(xp: Any, x: Array, shape: Any) -> Array:
    """Return an array of another shape and the same dtype."""
    return xp.empty(tuple(shape), dtype=x.dtype)


def places(x: Array, axis: Any) -> tuple[int, ...]:
    """Return the axes that ``axis`` names, counted from the front."""
    ndim = len(x.shape)
    for k in () if axis is None else numbers(axis):
        if not -max(ndim, 1) <= k < max(ndim, 1):
            rule = f"there is no axis {k} among {ndim}"
            raise error(IndexError, "axis", rule, describe(x), "Count from 0, or -1.")
    return normalized(axis, ndim)


def square(x: Array) -> Shape:
    """Return the shape of a stack of square matrices."""
    if len(x.shape) < 2 or x.shape[-1] != x.shape[-2]:
        raise misfit("linalg", "takes square matrices", x)
    return tuple(x.shape)


# ------------------------------------------------------------------ creation


def same(xp: Any, x: Array) -> Shape:
    return shape_of(x)


def kept(xp: Any, x: Array) -> Array:
    """Keep the dtype too."""
    return like(xp, x, x.shape)


def created(xp: Any, shape: Any, dtype: Any) -> Array:
    return xp.empty(numbers(shape), dtype=dtype)


def converted(xp: Any, x: Array, dtype: Any) -> Array:
    return xp.empty(x.shape, dtype=xp.dtype(dtype))


def filled(xp: Any, shape: Any, fill_value: Any, dtype: Any) -> Array:
    dtype = xp.asarray(fill_value).dtype if dtype is None else dtype
    return xp.empty(numbers(shape), dtype=dtype)


def filled_like(xp: Any, x: Array, dtype: Any) -> Array:
    return xp.empty(x.shape, dtype=x.dtype if dtype is None else dtype)


def identity(xp: Any, n_rows: int, n_cols: Any, dtype: Any) -> Array:
    return xp.empty((n_rows, n_rows if n_cols is None else n_cols), dtype=dtype)


def counted(xp: Any, start: Any, stop: Any, step: Any, dtype: Any) -> Array | None:
    """Find the length of `arange`, and its dtype from one that is empty."""
    if any(map(is_array, (start, stop, step))):
        return None
    start, stop = (0, start) if stop is None else (start, stop)
    none = xp.namespace.arange(start, start, step, dtype=dtype)
    first = xp.namespace.arange(stop, stop, step, dtype=dtype)
    dtype = xp.result_type(none, first) if dtype is None else none.dtype
    return xp.empty((max(math.ceil((stop - start) / step), 0),), dtype=dtype)


def spaced(xp: Any, start: Any, stop: Any, num: int, dtype: Any) -> Array:
    dtypes = (x.dtype if is_array(x) else x for x in (start, stop))
    found = xp.result_type(*dtypes, 1.0, xp.float64) if dtype is None else dtype
    return xp.empty((num, *shape_of(start + stop)), dtype=found)


def frequencies(xp: Any, n: int, dtype: Any) -> Array:
    return xp.empty((n,), dtype=dtype)


def half_frequencies(xp: Any, n: int, dtype: Any) -> Array:
    return xp.empty((n // 2 + 1,), dtype=dtype)


# ------------------------------------------------------------------ manipulation


def reshaped(xp: Any, x: Array, shape: Any) -> Array:
    """Find the length that -1 stands for."""
    shape, size = numbers(shape), math.prod(x.shape)
    known = math.prod(n for n in shape if n != -1)
    if -1 in shape and known:
        shape = tuple(size // known if n == -1 else n for n in shape)
    if math.prod(shape) != size or min(shape, default=0) < 0:
        raise misfit("reshape", f"an array does not have the shape {shape}", x)
    return like(xp, x, shape)


def expanded(xp: Any, x: Array, axis: Any) -> Array:
    axes = numbers(axis)
    inserted = {k % (len(x.shape) + len(axes)) for k in axes}
    rest = iter(x.shape)
    ndim = len(x.shape) + len(axes)
    return like(xp, x, (1 if k in inserted else next(rest) for k in range(ndim)))


def squeezed(xp: Any, x: Array, axis: Any) -> Array:
    if axis is None:
        return like(xp, x, (n for n in x.shape if n != 1))
    gone = places(x, axis)
    if any(x.shape[k] != 1 for k in gone):
        raise misfit("squeeze", f"only axes of length 1 are removed, not {axis}", x)
    return like(xp, x, (n for k, n in enumerate(x.shape) if k not in gone))


def broadcast(xp: Any, x: Array, shape: Any) -> Array:
    shape = numbers(shape)
    if common(xp, x.shape, shape) != shape:
        raise misfit("broadcast_to", f"an array does not broadcast to {shape}", x)
    return like(xp, x, shape)


def common(xp: Any, *shapes: Shape) -> Shape:
    """Return the shape that shapes broadcast to."""
    shape: Shape = tuple(xp.namespace.broadcast_shapes(*shapes))
    return shape


def permuted(xp: Any, x: Array, axes: Any) -> Array:
    return like(xp, x, (x.shape[k] for k in places(x, axes)))


def joined(xp: Any, arrays: Any, axis: int | None) -> Shape:
    """Add lengths along an axis."""
    shapes = [shape_of(x) for x in arrays]
    if axis is None:
        return (sum(map(math.prod, shapes)),)
    (k,) = normalized(axis, len(shapes[0]))
    others = {(*shape[:k], *shape[k + 1 :]) for shape in shapes}
    if len(others) > 1:
        raise misfit("concat", "arrays are alike but along the axis", *arrays)
    total = sum(shape[k] for shape in shapes)
    return (*shapes[0][:k], total, *shapes[0][k + 1 :])


def repeated(xp: Any, x: Array, repeats: Any, axis: int | None) -> Array | None:
    """Find the length, unless an array says how often each element is repeated."""
    if is_array(repeats):
        return None
    shape = (math.prod(x.shape),) if axis is None else tuple(x.shape)
    (k,) = (0,) if axis is None else places(x, axis)
    many = numbers(repeats)
    n = sum(many) if len(many) > 1 else shape[k] * many[0]
    return like(xp, x, (*shape[:k], n, *shape[k + 1 :]))


# ------------------------------------------------------------------ indexing


def indexed(xp: Any, x: Array, key: Any) -> Array | None:
    """Find the shape of ``x[key]``.

    The axes of arrays in a key come first if a slice lies between two of them, else in
    their place. A mask stands for the places where it holds, if these are known.
    """
    parts = list(key) if isinstance(key, tuple) else [key]
    if any(is_mask(k) and getattr(k, "data", None) is None for k in parts):
        return None
    parts = [place for k in parts for place in places_of_mask(xp, k)]
    named = sum(k is not None and k is not ... for k in parts)
    if named > len(x.shape):
        rule = f"a key names at most the axes there are, not {named}"
        raise error(IndexError, "x[key]", rule, describe(x), "Name fewer axes.")
    if ... not in [k for k in parts if not is_array(k)]:
        parts.append(...)
    at = next(place for place, k in enumerate(parts) if k is ...)
    parts[at : at + 1] = [slice(None)] * (len(x.shape) - named)
    lengths = iter(x.shape)
    axes = [axes_of(x, k, 1 if k is None else next(lengths)) for k in parts]
    arrays = [place for place, k in enumerate(parts) if is_array(k)]
    if not arrays:
        return like(xp, x, (n for each in axes if each is not None for n in each))
    advanced = [place for place, each in enumerate(axes) if each is None]
    whole = common(xp, *(shape_of(parts[place]) for place in arrays))
    gap = advanced[-1] - advanced[0] >= len(advanced)
    before = 0 if gap else advanced[0]
    left, right = (
        [n for each in half if each for n in each]
        for half in (axes[:before], axes[before:])
    )
    return like(xp, x, (*left, *whole, *right))


def axes_of(x: Array, part: Any, length: int) -> Shape | None:
    """Return the axes that come of one part of a key; None if it is no slice."""
    if part is None:
        return (1,)
    if isinstance(part, slice):
        return (len(range(*part.indices(length))),)
    if not is_array(part) and not -length <= part < length:
        rule = f"an index is out of bounds: {part} of an axis of length {length}"
        raise error(
            IndexError, "x[key]", rule, describe(x), "Count from 0, or from -1."
        )
    return None


def places_of_mask(xp: Any, part: Any) -> list[Any]:
    """Return the integer arrays that a mask of known values stands for."""
    if not is_mask(part):
        return [part]
    return [xp.empty((int(part.data.sum()),), dtype="int64")] * len(part.shape)


def is_mask(part: Any) -> bool:
    """Say whether a part of a key is boolean."""
    if is_array(part):
        return bool(backend_of(part).isdtype(part.dtype, "bool"))
    return isinstance(part, bool)


def padded(xp: Any, x: Array, shape: Any) -> Array:
    return like(xp, x, numbers(shape))


def scattered(xp: Any, x: Array, size: int) -> Array:
    return like(xp, x, (size,))


def taken(xp: Any, x: Array, indices: Any, axis: int | None) -> Array:
    if axis is None:
        return like(xp, x, shape_of(indices))
    (k,) = places(x, axis)
    return like(xp, x, (*x.shape[:k], *shape_of(indices), *x.shape[k + 1 :]))


def taken_along(xp: Any, x: Array, indices: Array, axis: int) -> Array:
    (k,) = places(x, axis)
    alone = (*x.shape[:k], 1, *x.shape[k + 1 :])
    return like(xp, x, common(xp, alone, indices.shape))


# ------------------------------------------------------------------ reductions, scans


def reduced(xp: Any, x: Array, axis: Any, keepdims: bool) -> Shape:
    """Take axes together."""
    gone = places(x, axis)
    if keepdims:
        return tuple(1 if k in gone else n for k, n in enumerate(x.shape))
    return tuple(n for k, n in enumerate(x.shape) if k not in gone)


def scanned(xp: Any, x: Array, axis: int | None, include_initial: bool) -> Shape:
    """Keep the shape, but for what is put in front."""
    shape = tuple(x.shape) or (1,)
    (k,) = normalized(0 if axis is None else axis, len(shape))
    return (*shape[:k], shape[k] + bool(include_initial), *shape[k + 1 :])


def of_second(xp: Any, x2: Any) -> Shape:
    return shape_of(x2)


def of_first(xp: Any, x1: Any) -> Shape:
    return shape_of(x1)


def clipped(xp: Any, x: Array, min: Any, max: Any) -> Shape:
    return common(xp, *map(shape_of, (x, min, max)))


# ------------------------------------------------------------------ transforms


def spectrum(xp: Any, x: Array, n: int | None, axis: int) -> Shape:
    return with_length(x, axis, x.shape[axis] if n is None else n)


def half_spectrum(xp: Any, x: Array, n: int | None, axis: int) -> Shape:
    return with_length(x, axis, (x.shape[axis] if n is None else n) // 2 + 1)


def of_half_spectrum(xp: Any, x: Array, n: int | None, axis: int) -> Shape:
    return with_length(x, axis, 2 * (x.shape[axis] - 1) if n is None else n)


def with_length(x: Array, axis: int, n: int) -> Shape:
    """Return a shape with another length of one axis."""
    (k,) = places(x, axis)
    return (*x.shape[:k], n, *x.shape[k + 1 :])


def spectra(xp: Any, x: Array, s: Any, axes: Any) -> Shape:
    return with_lengths(x, s, axes)


def half_spectra(xp: Any, x: Array, s: Any, axes: Any) -> Shape:
    shape = with_lengths(x, s, axes)
    last = transformed(x.shape, s, axes)[1][-1]
    return (*shape[:last], shape[last] // 2 + 1, *shape[last + 1 :])


def of_half_spectra(xp: Any, x: Array, s: Any, axes: Any) -> Shape:
    shape = with_lengths(x, s, axes)
    last = transformed(x.shape, s, axes)[1][-1]
    if s is None or numbers(s)[-1] == -1:
        return (*shape[:last], 2 * (shape[last] - 1), *shape[last + 1 :])
    return shape


def with_lengths(x: Array, s: Any, axes: Any) -> Shape:
    """Return a shape with other lengths of some axes."""
    lengths, places = transformed(tuple(x.shape), s, axes)
    given = dict(zip(places, lengths, strict=True))
    return tuple(given.get(k, n) for k, n in enumerate(x.shape))


# ------------------------------------------------------------------ linear algebra


def product(xp: Any, x1: Array, x2: Array) -> Shape:
    """Find the shape of a matrix product."""
    rows, columns = x1.shape[-2:-1], x2.shape[-1:] if len(x2.shape) > 1 else ()
    if not (x1.shape and x2.shape) or x1.shape[-1] != x2.shape[-2:][0]:
        raise misfit("matmul", "the last axis goes with the last but one", x1, x2)
    return (*common(xp, x1.shape[:-2], x2.shape[:-2]), *rows, *columns)


def paired(xp: Any, x1: Array, x2: Array, axis: int) -> Shape:
    """Find the shape of dot products along an axis."""
    shape = list(common(xp, x1.shape, x2.shape))
    del shape[axis]
    return tuple(shape)


def contracted(xp: Any, x1: Array, x2: Array, axes: Any) -> Shape:
    over1, over2, free1, free2 = contraction(axes, len(x1.shape), len(x2.shape))
    if [x1.shape[k] for k in over1] != [x2.shape[k] for k in over2]:
        raise misfit("tensordot", f"axes {axes} are of the same lengths", x1, x2)
    return (*(x1.shape[k] for k in free1), *(x2.shape[k] for k in free2))


def crossed(xp: Any, x1: Array, x2: Array) -> Shape:
    return common(xp, x1.shape, x2.shape)


def solved(xp: Any, x1: Array, x2: Array) -> Shape:
    if square(x1)[-1:] != tuple(x2.shape[-2:][:1]):
        raise misfit("linalg.solve", "x2 has a row for each row of x1", x1, x2)
    if len(x2.shape) == 1:
        return tuple(x1.shape[:-1])
    before = common(xp, x1.shape[:-2], x2.shape[:-2])
    return (*before, *x2.shape[-2:])


def same_square(xp: Any, x: Array) -> Shape:
    return square(x)


def ranks(xp: Any, x: Array) -> Shape:
    return tuple(x.shape[:-2])


def determinants(xp: Any, x: Array) -> Shape:
    return square(x)[:-2]


def eigenvalues(xp: Any, x: Array) -> Shape:
    return square(x)[:-1]


def eigensystem(xp: Any, x: Array) -> tuple[Shape, Shape]:
    return square(x)[:-1], square(x)


def singular_values(xp: Any, x: Array) -> Shape:
    return (*x.shape[:-2], min(x.shape[-2:]))


def singular_system(
    xp: Any, x: Array, full_matrices: bool
) -> tuple[Shape, Shape, Shape]:
    *before, m, n = x.shape
    k = min(m, n)
    rows, columns = (m, n) if full_matrices else (k, k)
    return (*before, m, rows), (*before, k), (*before, columns, n)


def factors(xp: Any, x: Array, mode: str) -> tuple[Shape, Shape]:
    *before, m, n = x.shape
    k = m if mode == "complete" else min(m, n)
    return (*before, m, k), (*before, k, n)


def sign_and_logarithm(xp: Any, x: Array) -> tuple[Shape, Shape]:
    return square(x)[:-2], square(x)[:-2]


def inverted(xp: Any, x: Array) -> Shape:
    *before, m, n = x.shape
    return (*before, n, m)


def on_diagonal(xp: Any, x: Array, offset: int) -> Shape:
    *before, m, n = x.shape
    return (*before, max(0, min(m, n - offset) if offset >= 0 else min(m + offset, n)))


def matrix_norms(xp: Any, x: Array, keepdims: bool) -> Shape:
    return (*x.shape[:-2], *((1, 1) if keepdims else ()))
