"""Data type functions (the standard's chapter of that name), and devices."""

from __future__ import annotations

from typing import Any

from autograd_core.backend import backend_of, get_backend, is_array
from autograd_core.batching import stacked
from autograd_core.declare import linear
from autograd_core.graph import Array, identity
from autograd_core.operation import function, sample
from autograd_core.tensor import lowest
from autograd_ops import shape_rules as shaped


@linear(
    x=identity,
    batching=stacked,
    samples=(sample((3, 4), dtype="float64"), sample((), dtype="float64")),
    shape=shaped.converted,
)
def astype(x: Array, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Array:
    """Convert to a dtype; its transpose converts back. To integers: no derivative.

    Tracked complex numbers are not converted to real ones: `real` says which part.
    """


def to_device_transpose(xp: Any, t: Array, x_device: Any) -> Array:
    return xp.to_device(t, x_device)


def to_device_forward(xp: Any, x: Array, device: Any, stream: Any = None) -> Array:
    from array_api_compat import to_device

    return to_device(x, device, stream=stream)


@linear(
    x=to_device_transpose,
    batching=stacked,
    implementation=to_device_forward,
    samples=(sample((3,), device="cpu"),),
    shape=shaped.same,
)
def to_device(x: Array, device: Any, /, *, stream: Any = None) -> Array:
    """Copy to a device of the same library; its transpose copies back."""


@function
def broadcast_shapes(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape that shapes broadcast to."""
    from autograd_ops.manipulation_functions import common_shape

    return common_shape(*shapes)


def own(dtype: Any) -> Any:
    """Return an array's dtype, or the default backend's dtype for another's."""
    raw = lowest(dtype)
    return raw.dtype if is_array(raw) else get_backend().dtype(raw)


@function
def can_cast(from_: Any, to: Any, /) -> bool:
    """Whether a conversion is allowed by the rules of promotion."""
    result: bool = get_backend().can_cast(own(from_), own(to))
    return result


@function
def isdtype(dtype: Any, kind: Any) -> bool:
    """Whether a dtype is of a kind."""
    result: bool = get_backend().isdtype(own(dtype), kind)
    return result


@function
def finfo(type: Any, /) -> Any:
    """Return the limits of a floating-point dtype."""
    return get_backend().finfo(own(type))


@function
def iinfo(type: Any, /) -> Any:
    """Return the limits of an integer dtype."""
    return get_backend().iinfo(own(type))


@function
def result_type(*arrays_and_dtypes: Any) -> Any:
    """Return the dtype that promotion gives."""
    raw = [lowest(x) for x in arrays_and_dtypes]
    arrays = [x for x in raw if is_array(x)]
    xp = backend_of(arrays[0]) if arrays else get_backend()
    scalars = (int, float, complex)
    return xp.result_type(
        *(x if is_array(x) or isinstance(x, scalars) else xp.dtype(x) for x in raw)
    )
