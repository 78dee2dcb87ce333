"""Writing as a function: what ``x[key] = value`` binds ``x`` to (`setitem`).

A basic key names each element at most once, and is an operation of its own. Integer
arrays and masks say for each element of the result which element of the value was
written to it last, if any; the rest is `take` and `where`, which differentiate it.
"""

from __future__ import annotations

import math
from typing import Any

import autograd_core.tensor as tensor
from autograd_core.backend import backend_of, is_array
from autograd_core.declare import general
from autograd_core.errors import describe, error
from autograd_core.graph import Array
from autograd_core.operation import function, sample
from autograd_core.tensor import (
    Tracked,
    holds_tracked,
    is_complex,
    lowest,
    namespace_of,
    stopped,
)
from autograd_ops import batching_rules as batched
from autograd_ops import shape_rules as shaped
from autograd_ops.axes import positions
from autograd_ops.data_type_functions import astype
from autograd_ops.indexing_functions import getitem, read, take
from autograd_ops.manipulation_functions import broadcast_to, reshape
from autograd_ops.searching_functions import where


@function
def setitem(x: Array, value: Any, /, *, key: Any) -> Array:
    """Return what ``x[key] = value`` makes of ``x``, which stays as it is.

    Differentiable in ``x`` and in ``value``. Where integers name an element twice, the
    last one written counts, on every library.
    """
    key, basic = read(x, key)
    if any(k is None for k in (key if isinstance(key, tuple) else (key,))):
        raise error(
            IndexError,
            "x[key] = value",
            "the standard has no newaxis in a key that is written to",
            f"{describe(x)}, key {key!r}",
            "Leave None out and give the value its axes.",
        )
    value = written(x, value)
    return index_set(x, value, key=key) if basic else array_set(x, value, key)


def written(x: Array, value: Any) -> Array:
    """Return a value as an array of the dtype and, if it is data, the device of ``x``.

    Of several axes of length 1 that the place does not have, none is left.
    """
    raw = lowest(x)
    xp = backend_of(raw)
    if holds_tracked(value) and not isinstance(value, Tracked):
        value = tensor.operations.asarray(value)
    if not isinstance(value, Tracked) and not is_array(value):
        value = xp.asarray(value, device=xp.device_of(raw))
    if xp.owns(lowest(value)) and value.dtype != raw.dtype:
        if is_complex(value) and not is_complex(x):
            raise error(
                TypeError,
                "x[key] = value",
                "a real array cannot hold this",
                f"{describe(x)} and {describe(value)}",
                "Convert the array first: astype(x, value.dtype).",
            )
        value = astype(value, raw.dtype)
    return value


# ------------------------------------------------------------------ basic keys


def index_set_forward(xp: Any, x: Array, value: Any, key: Any) -> Array:
    if "in-place" in xp.capabilities:
        y = xp.asarray(x, copy=True)
        y[key] = value
        return y
    part = xp.getitem(x, key=key)
    value = xp.asarray(value, dtype=x.dtype, device=xp.device_of(x))
    inside = xp.pad_index(xp.ones_like(part), key=key, shape=x.shape)
    moved = xp.pad_index(xp.broadcast_to(value, part.shape), key=key, shape=x.shape)
    return xp.where(inside != 0.0, moved, x)


def index_set_x(xp: Any, t: Array, key: Any) -> Array:
    return xp.index_set(t, 0.0, key=key)


def index_set_value_jvp(xp: Any, t: Array, y: Array, key: Any) -> Array:
    return xp.index_set(xp.zeros_like(y), t, key=key)


def index_set_value_vjp(xp: Any, t: Array, key: Any) -> Array:
    return xp.getitem(t, key=key)


@general(
    jvp={"x": index_set_x, "value": index_set_value_jvp},
    vjp={"x": index_set_x, "value": index_set_value_vjp},
    implementation=index_set_forward,
    batching=batched.written_into,
    broadcasts=True,
    samples=(
        sample((3, 4), (4,), key=(1, ...)),
        sample((3, 4), (3, 1), key=(slice(None), slice(0, None, 2))),
        sample((2, 3, 4), (), key=(..., slice(3, 1, -1))),
        sample((5,), (0,), key=slice(1, 1)),
        sample((), (), key=()),
    ),
    shape=shaped.kept,
)
def index_set(x: Array, value: Array, /, *, key: Any) -> Array:
    """Return ``x`` with a value at a basic key, instead of what was there."""


# ------------------------------------------------------------------ array keys


def array_set(x: Array, value: Array, key: Any) -> Array:
    """Return ``x`` with a value where integer arrays and masks say."""
    parts = key if isinstance(key, tuple) else (key,)
    if len(parts) == 1 and value.shape == () and is_mask_of(parts[0], x):
        mask = stopped(parts[0])
        ones = (1,) * (len(x.shape) - len(mask.shape))
        return where(reshape(mask, (*mask.shape, *ones)), value, x)
    places = getitem(positions(x, tuple(x.shape)), key=key)
    value = broadcast_to(value, tuple(places.shape))
    n, size = math.prod(places.shape), math.prod(x.shape)
    if n == 0:
        return x
    source, found = last_writers(reshape(places, (n,)), size)
    moved = take(reshape(value, (n,)), source, axis=0)
    return reshape(where(found, moved, reshape(x, (size,))), tuple(x.shape))


def is_mask_of(part: Any, x: Array) -> bool:
    """Say whether a part of a key is a mask of the first axes of an array."""
    raw, shape = lowest(part), getattr(part, "shape", ())
    boolean = is_array(raw) and backend_of(raw).isdtype(raw.dtype, "bool")
    return boolean and tuple(shape) == tuple(x.shape[: len(shape)])


def last_writers(places: Array, size: int) -> tuple[Array, Array]:
    """Return for each of ``size`` slots the last index that names it, and if one does.

    A stable sort says it, as libraries leave open which of several writes counts.
    """
    xp, slots = namespace_of(places), positions(places, (size,))
    order = xp.argsort(places, stable=True)
    ordered = xp.take(places, order)
    last = xp.searchsorted(ordered, slots, side="right") - 1
    last = xp.clip(last, 0, math.prod(places.shape) - 1)
    return xp.take(order, last), xp.take(ordered, last) == slots
