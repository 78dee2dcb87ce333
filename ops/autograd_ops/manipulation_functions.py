"""Manipulation functions (the standard's chapter of that name)."""

from __future__ import annotations

from typing import Any

from autograd_core.declare import composite, linear
from autograd_core.edges import unbroadcast
from autograd_core.graph import Array
from autograd_core.operation import sample
from autograd_ops import batching_rules as batched
from autograd_ops import shape_rules as shaped
from autograd_ops.axes import Shape, along, normalized, numbers, positions
from autograd_ops.indexing_functions import basic_index, scatter


def as_before(xp: Any, t: Array, x_shape: Shape) -> Array:
    return xp.reshape(t, x_shape)


@linear(
    x=as_before,
    batching=batched.reshaped,
    samples=(
        sample((3, 4), shape=(2, 6)),
        sample((), shape=(1,)),
        sample((0, 2), shape=(0,)),
    ),
    shape=shaped.reshaped,
)
def reshape(x: Array, /, shape: Shape, *, copy: bool | None = None) -> Array:
    """Arrange the elements, in row-major order, in another shape."""


@linear(
    x=as_before,
    samples=(sample((3, 4), axis=1), sample((3,), axis=(0, -1))),
    shape=shaped.expanded,
)
def expand_dims(x: Array, /, axis: Any = 0) -> Array:
    """Insert axes of length 1."""


@linear(
    x=as_before,
    batching=batched.squeezed,
    samples=(sample((3, 1, 2), axis=1), sample((1, 1), axis=(0, 1))),
    shape=shaped.squeezed,
)
def squeeze(x: Array, /, axis: Any) -> Array:
    """Remove axes of length 1."""


def broadcast_to_transpose(xp: Any, t: Array, x_shape: Shape) -> Array:
    return unbroadcast(xp, t, x_shape)


@linear(
    x=broadcast_to_transpose,
    batching=batched.broadcast,
    samples=(sample((3, 1), shape=(2, 3, 4)), sample((), shape=(2,))),
    shape=shaped.broadcast,
)
def broadcast_to(x: Array, /, shape: Shape) -> Array:
    """Repeat along new axes and axes of length 1, without a copy where possible."""


@composite("arrays", variadic=True, samples=(sample((3, 1), (4,), ()), sample((2,))))
def broadcast_arrays(*arrays: Array) -> tuple[Array, ...]:
    """Broadcast arrays against one another."""
    shape = common_shape(*(x.shape for x in arrays))
    return tuple(broadcast_to(x, shape) for x in arrays)


def common_shape(*shapes: Shape) -> Shape:
    """Return the shape that shapes broadcast to."""
    ndim = max(map(len, shapes), default=0)
    padded = [(1,) * (ndim - len(shape)) + tuple(shape) for shape in shapes]
    lengths = [{n for n in column if n != 1} for column in zip(*padded, strict=True)]
    if any(len(several) > 1 for several in lengths):
        raise ValueError(f"broadcast_shapes: the shapes do not fit; got {shapes}")
    return tuple(several.pop() if several else 1 for several in lengths)


def permute_dims_transpose(xp: Any, t: Array, axes: Any) -> Array:
    order = normalized(axes, len(t.shape))
    return xp.permute_dims(t, tuple(order.index(k) for k in range(len(order))))


@linear(
    x=permute_dims_transpose,
    batching=batched.permuted,
    samples=(sample((2, 3, 4), axes=(2, 0, 1)), sample((2, 3), axes=(1, 0))),
    shape=shaped.permuted,
)
def permute_dims(x: Array, /, axes: tuple[int, ...]) -> Array:
    """Put the axes in another order."""


@composite(
    "x",
    samples=(
        sample((2, 3, 4), source=0, destination=-1),
        sample((2, 3, 4), source=(0, 2), destination=(1, 0)),
        sample((2,), source=-1, destination=0),
    ),
)
def moveaxis(x: Array, source: Any, destination: Any, /) -> Array:
    """Move axes to new places, the others keeping their order."""
    sources = normalized(source, x.ndim)
    places = dict(zip(normalized(destination, x.ndim), sources, strict=True))
    rest = iter(k for k in range(x.ndim) if k not in sources)
    return permute_dims(
        x, tuple(places[k] if k in places else next(rest) for k in range(x.ndim))
    )


def flip_transpose(xp: Any, t: Array, axis: Any) -> Array:
    return xp.flip(t, axis=axis)


@linear(
    x=flip_transpose,
    samples=(sample((3, 4)), sample((3, 4), axis=1), sample((2, 3, 4), axis=(0, -1))),
    shape=shaped.same,
)
def flip(x: Array, /, *, axis: Any = None) -> Array:
    """Reverse the order along axes."""


def roll_transpose(xp: Any, t: Array, shift: Any, axis: Any) -> Array:
    back = tuple(-n for n in numbers(shift))
    return xp.roll(t, back if len(back) > 1 else back[0], axis=axis)


@linear(
    x=roll_transpose,
    batching=batched.rolled,
    samples=(
        sample((3, 4), shift=2),
        sample((3, 4), shift=-1, axis=1),
        sample((3, 4), shift=(1, 2), axis=(0, 1)),
    ),
    shape=shaped.same,
)
def roll(x: Array, /, shift: Any, *, axis: Any = None) -> Array:
    """Shift along axes; what falls off one end comes in at the other."""


def concat_transpose(
    xp: Any,
    t: Array,
    index: int,
    shapes: tuple[Shape, ...],
    starts: tuple[int, ...],
    axis: int | None,
) -> Array:
    (k,) = normalized(0 if axis is None else axis, len(t.shape))
    part = t[along(k, slice(starts[index], starts[index + 1]))]
    return xp.reshape(part, shapes[index]) if axis is None else part


@linear(
    arrays=concat_transpose,
    batching=batched.joined,
    variadic=True,
    samples=(
        sample((2, 3), (4, 3)),
        sample((2, 3), (2, 1), (2, 2), axis=-1),
        sample((2, 3), (4,), axis=None),
    ),
    shape=shaped.joined,
)
def concat(arrays: Any, /, *, axis: int | None = 0) -> Array:
    """Join arrays along an axis; along None, after flattening them."""


@composite(
    "arrays",
    variadic=True,
    samples=(
        sample((2, 3), (2, 3), (2, 3)),
        sample((2, 3), (2, 3), axis=-1),
        sample((2,), (2,), (2,), axis=1),
        sample(()),
    ),
)
def stack(arrays: Any, /, *, axis: int = 0) -> Array:
    """Join arrays along a new axis."""
    return concat([expand_dims(x, axis) for x in arrays], axis=axis)


@composite("x", samples=(sample((3, 2)), sample((2, 3), axis=-1)))
def unstack(x: Array, /, *, axis: int = 0) -> tuple[Array, ...]:
    """Split into the slices along an axis, which goes."""
    (k,) = normalized(axis, x.ndim)
    return tuple(basic_index(x, key=along(k, i)) for i in range(x.shape[k]))


def repeat_transpose(
    xp: Any, t: Array, x_shape: Shape, repeats: Any, axis: int | None
) -> Array:
    where = xp.repeat(positions(t, x_shape), repeats, axis=axis)
    return scatter(xp, t, where, x_shape)


@linear(
    x=repeat_transpose,
    batching=batched.repeated,
    samples=(sample((2, 3), repeats=2), sample((2, 3), repeats=3, axis=1)),
    shape=shaped.repeated,
)
def repeat(x: Array, repeats: Any, /, *, axis: int | None = None) -> Array:
    """Repeat each element."""


@composite(
    "x",
    samples=(
        sample((2, 3), repetitions=(2, 1)),
        sample((2, 3), repetitions=(3,)),
        sample((3,), repetitions=(2, 1, 2)),
        sample((), repetitions=(2,)),
        sample((2,), repetitions=()),
        sample((1, 2), repetitions=(0, 2)),
    ),
)
def tile(x: Array, repetitions: tuple[int, ...], /) -> Array:
    """Lay copies side by side along each axis."""
    repetitions = numbers(repetitions)
    ndim = max(x.ndim, len(repetitions))
    times = (1,) * (ndim - len(repetitions)) + repetitions
    lengths = (1,) * (ndim - x.ndim) + tuple(x.shape)
    pairs = tuple(zip(times, lengths, strict=True))
    x = reshape(x, tuple(n for _, length in pairs for n in (1, length)))
    x = broadcast_to(x, tuple(n for pair in pairs for n in pair))
    return reshape(x, tuple(time * length for time, length in pairs))
