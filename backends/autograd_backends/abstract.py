"""Arrays without values: a backend that infers shapes and dtypes, and computes nothing.

What an operation makes of shapes and dtypes is declared with it (``shape=``); the
module `inference` reads that. Dtypes, constants and promotion are NumPy's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import Any

from autograd_backends.abstract_array import AbstractArray
from autograd_backends.inference import infer, undeclared
from autograd_core.backend import Backend, backend, is_array, register_backend
from autograd_core.graph import recording
from autograd_core.operation import registry
from autograd_core.tensor import holds_tracked


@register_backend
class Abstract(Backend):
    """Shapes and dtypes of NumPy's results, for arrays that have nothing else."""

    name = "abstract"
    packages = ("autograd_backends",)
    distribution = "numpy"
    requirement = "numpy"
    capabilities = ("shapes only", "float64", "complex", "immutable")
    listed = False

    def load(self) -> Any:
        import array_api_compat.numpy as namespace

        return namespace

    def _found(self, namespace: Any, name: str, full_name: str) -> Any:
        """Return the inference of an operation, or what of NumPy takes no array."""
        if full_name in registry:
            return partial(self._inferred, full_name)
        value = super()._found(namespace, name, full_name)
        if isinstance(value, type) or not callable(value):
            return value
        return partial(undeclared, full_name, value)

    def _inferred(self, name: str, /, *arguments: Any, **keywords: Any) -> Any:
        if keywords.get("dtype") is not None:
            keywords = {**keywords, "dtype": self.dtype(keywords["dtype"])}
        values = (*arguments, *keywords.values())
        if any(map(holds_tracked, values)):  # constants of a recording
            return registry[name].function(*arguments, **keywords)
        if self._is_known(values):
            return self._computed(name, arguments, keywords)
        return infer(self, registry[name], arguments, keywords)

    def _is_known(self, values: Any) -> bool:
        """Say whether all arrays among values are constants."""
        return all(
            self._is_known(x)
            if isinstance(x, (tuple, list))
            else not isinstance(x, AbstractArray) or x.data is not None
            for x in values
        )

    def _computed(
        self, name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> Any:
        """Return what NumPy computes of constants: a constant, too."""
        function = attrgetter(name)(backend("numpy"))
        operation = registry[name]
        values = [_data(x) for x in arguments]
        if operation.elementwise and not keywords and all(map(_is_uniform, values)):
            y = function(*map(_first, values))  # of one element: it stays uniform
            shape = infer(self, operation, arguments, keywords).shape
            y = self.namespace.broadcast_to(y, shape)
            return self.constant(y, own=_is_own(arguments))
        y = function(*values, **{k: _data(x) for k, x in keywords.items()})
        made = partial(self.constant, own=_is_own((*arguments, *keywords.values())))
        if operation.result is not None:
            return operation.result(*map(made, y))
        many = isinstance(y, (tuple, list))
        return tuple(map(made, y)) if many else made(y)

    def result_type(self, *arrays_and_dtypes: Any) -> Any:
        given = (x.dtype if is_array(x) else x for x in arrays_and_dtypes)
        return self.namespace.result_type(*given)

    # Creation.

    def asarray(
        self, obj: Any, /, *, dtype: Any = None, device: Any = None, copy: Any = None
    ) -> Any:
        if isinstance(obj, AbstractArray) and obj.data is None:
            return AbstractArray(obj.shape, obj.dtype if dtype is None else dtype)
        dtype = None if dtype is None else self.dtype(dtype)
        own = obj.own if isinstance(obj, AbstractArray) else not is_array(obj)
        return self.constant(self.namespace.asarray(_data(obj), dtype=dtype), own=own)

    def constant(self, data: Any, *, own: bool = False) -> Any:
        """Return the abstract array of data that are known; in a recording, its own.

        They may be looked into if they are our own; a user may write to the others.
        """
        made = AbstractArray(data.shape, data.dtype, data, own)
        level = recording.get()
        return made if level is None else level.recorded(level.constant(made))

    def full(
        self, shape: Any, fill_value: Any, *, dtype: Any = None, device: Any = None
    ) -> Any:
        if isinstance(fill_value, AbstractArray) and fill_value.data is None:
            return self._inferred("full", shape, fill_value, dtype=dtype)
        dtype = None if dtype is None else self.dtype(dtype)
        one = self.namespace.full((), _data(fill_value), dtype=dtype)
        return self.constant(self.namespace.broadcast_to(one, shape), own=True)

    def zeros(self, shape: Any, *, dtype: Any = None, device: Any = None) -> Any:
        return self.full(shape, 0.0, dtype="float64" if dtype is None else dtype)

    def ones(self, shape: Any, *, dtype: Any = None, device: Any = None) -> Any:
        return self.full(shape, 1.0, dtype="float64" if dtype is None else dtype)

    def empty(
        self, shape: Any, *, dtype: Any = None, device: Any = None
    ) -> AbstractArray:
        shape = (shape,) if isinstance(shape, int) else shape
        return AbstractArray(shape, "float64" if dtype is None else self.dtype(dtype))

    # What the standard does not give.

    def pad_index(self, x: Any, /, *, key: Any, shape: tuple[int, ...]) -> Any:
        return self._inferred("pad_index", x, key=key, shape=shape)

    def index_add(self, x: Any, positions: Any, /, *, size: int) -> Any:
        return self._inferred("index_add", x, positions, size=size)

    def device_of(self, x: Any) -> Any:
        return "cpu"

    def snapshot(self, x: Any) -> tuple[Any, Callable[[], bool] | None]:
        return x, None

    def copy_of_small(self, x: Any) -> Any:
        return x

    def unshared(self, x: Any) -> Any:
        return x


def _is_own(values: Any) -> bool:
    """Say whether all arrays among values are our own."""
    return all(
        _is_own(x)
        if isinstance(x, (tuple, list))
        else getattr(x, "own", not is_array(x))
        for x in values
    )


def _is_uniform(x: Any) -> bool:
    """Say whether all elements are in one place, or it is a number."""
    return not any(getattr(x, "strides", ())) and 0 not in getattr(x, "shape", ())


def _first(x: Any) -> Any:
    """Return the first element of an array, with axes of length 1."""
    return x[(slice(1),) * x.ndim] if is_array(x) else x


def _data(x: Any) -> Any:
    if isinstance(x, (tuple, list)):
        return type(x)(map(_data, x))
    return x.data if isinstance(x, AbstractArray) else x
