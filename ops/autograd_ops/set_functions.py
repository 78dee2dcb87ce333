"""Set functions (the standard's chapter of that name).

The values are elements of the array, and of several that are equal the first one: that
is where ``unique_all(x).indices`` points, and the derivative goes there.
"""

from __future__ import annotations

from typing import Any

from autograd_core.backend import backend_of
from autograd_core.batching import shapes_differ
from autograd_core.declare import composite, constant
from autograd_core.errors import describe
from autograd_core.graph import Array
from autograd_core.operation import sample
from autograd_core.tensor import Batched, is_complex, lowest, stopped
from autograd_ops import batching_rules as batched
from autograd_ops import shape_rules as shaped
from autograd_ops.indexing_functions import take
from autograd_ops.manipulation_functions import reshape

SAMPLES = (sample(),)
"""No call for the general checks, which move elements until two are equal, say, and so
change the shape of the result: tests/operations/test_sets.py has its own."""


def values(x: Array) -> Array:
    """Return the distinct elements of a tracked array."""
    return take(reshape(x, (-1,)), first_occurrences(lowest(x)), axis=0)


def raw(operation: str, x: Array) -> Array:
    """Return a raw array; of a batch each example has other distinct elements."""
    if isinstance(stopped(x), Batched):
        raise shapes_differ(operation, describe(x))
    return lowest(x)


def first_occurrences(x: Array) -> Array:
    """Return, in ascending order of the values, where each occurs first."""
    xp = backend_of(x)
    if is_complex(x):  # the standard does not sort complex numbers
        return xp.unique_all(x).indices
    x = xp.reshape(x, (-1,))
    order = xp.argsort(x, stable=True)
    x = xp.take(x, order)
    if x.shape == (0,):
        return order
    first = xp.ones((1,), dtype=xp.bool, device=xp.device_of(x))
    return xp.getitem(order, key=xp.concat([first, x[1:] != x[:-1]]))


@composite("x", samples=SAMPLES, shape=shaped.depends_on_values)
def unique_all(x: Array, /) -> Any:
    """Values, indices, inverse indices and counts."""
    return unique_all(raw("unique_all", x))._replace(values=values(x))


@composite("x", samples=SAMPLES, shape=shaped.depends_on_values)
def unique_counts(x: Array, /) -> Any:
    """Values and counts."""
    return unique_counts(raw("unique_counts", x))._replace(values=values(x))


@composite("x", samples=SAMPLES, shape=shaped.depends_on_values)
def unique_inverse(x: Array, /) -> Any:
    """Values and inverse indices."""
    return unique_inverse(raw("unique_inverse", x))._replace(values=values(x))


@composite("x", samples=SAMPLES, shape=shaped.depends_on_values)
def unique_values(x: Array, /) -> Array:
    """Values."""
    raw("unique_values", x)
    return values(x)


@constant(batching=batched.contained, shape=shaped.of_first)
def isin(x1: Array, x2: Array, /, *, invert: bool = False) -> Array:
    """Whether each element of ``x1`` is among ``x2``."""
