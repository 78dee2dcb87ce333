"""Tracked arrays: the array objects that users meet."""

from __future__ import annotations

import opcode
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from autograd_core import backend
from autograd_core.errors import describe, error
from autograd_core.graph import (
    Array,
    Leaf,
    Level,
    Node,
    WatchedLeaf,
    World,
    eager,
    new,
    overwritten,
)

_STORE = opcode.opmap["STORE_SUBSCR"]

operations: Any = None
"""The differentiable namespace, ``autograd_ops``, in which tracked arrays compute."""


class Operator:
    """A place in the class body for an operation, filled by `install`."""

    def __init__(
        self, operation: str, *, reflected: bool = False, in_place: bool = False
    ) -> None:
        self.operation = operation
        self.reflected = reflected
        self.in_place = in_place

    def __call__(self, *arguments: Any) -> Any:
        """Say that the operations are missing (and show the type to type checkers)."""
        raise ImportError("the operations are not there: import autograd_core")

    def function(self, namespace: Any) -> Callable[..., Any]:
        """Return what stands in the class: the operation itself where possible."""
        operation: Callable[..., Any] = getattr(namespace, self.operation)

        def reflected(x2: Array, x1: Array, /) -> Array:
            return operation(x1, x2)

        def in_place(x1: Array, x2: Array, /) -> Array:
            return _like_before(self.operation, x1, x2, operation(x1, x2))

        if self.reflected:
            return reflected
        return in_place if self.in_place else operation


class ArrayObject:
    """The array object of the standard: attributes, operators and methods."""

    __slots__ = ("__weakref__", "node", "tangent", "value", "world")
    # The same for both kinds, as a write may turn an array of one into the other.

    value: Array
    """The array of the level below; a raw array of the library at the bottom."""
    world: World

    # ---- what it is

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the axes."""
        shape: tuple[int, ...] = self.value.shape
        return shape

    @property
    def dtype(self) -> Any:
        """The data type, one of the library's own."""
        return self.value.dtype

    @property
    def device(self) -> Any:
        """The device on which the raw array lies."""
        raw = lowest(self)
        return backend.backend_of(raw).device_of(raw)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        ndim: int = self.value.ndim
        return ndim

    @property
    def size(self) -> int:
        """The number of elements."""
        size = 1
        for length in self.shape:
            size *= length
        return size

    def __format__(self, specification: str) -> str:
        """Format the one element: for people, so inside a transform too."""
        if not specification or isinstance(stopped(self), Tracked):  # of a batch
            return str(self)
        return format(float(lowest(self)), specification)

    def __len__(self) -> int:
        if not self.shape:
            raise error(
                TypeError,
                "len()",
                "a 0-d array has no length",
                describe(self),
                "Use float(x) outside of transforms, or reshape(x, (1,)).",
            )
        return self.shape[0]

    def __repr__(self) -> str:
        level = self.world.level
        where = "" if level.number == 0 else f", in {level.name}"
        return f"{type(self).__name__}({lowest(self)}, {describe(self)}{where})"

    def __array_namespace__(self, /, *, api_version: str | None = None) -> Any:
        """Return the differentiable namespace in which every array is one of ours.

        As ``autograd_core.ops``, but what is not differentiated comes as `Constant`.
        """
        offered: str = operations.__array_api_version__
        if api_version is not None and api_version > offered:
            raise error(
                ValueError,
                "__array_namespace__",
                f"the library implements the standard of {offered}",
                f"api_version={api_version!r}",
                "Ask for that version or an earlier one, or for none.",
            )
        level = self.world.level
        level.uniform = level is not eager  # which is never over
        return operations.uniform(backend.backend_of(lowest(self)))

    # ---- operators

    __add__, __radd__ = Operator("add"), Operator("add", reflected=True)
    __sub__, __rsub__ = Operator("subtract"), Operator("subtract", reflected=True)
    __mul__, __rmul__ = Operator("multiply"), Operator("multiply", reflected=True)
    __truediv__, __rtruediv__ = Operator("divide"), Operator("divide", reflected=True)
    __floordiv__ = Operator("floor_divide")
    __rfloordiv__ = Operator("floor_divide", reflected=True)
    __mod__, __rmod__ = Operator("remainder"), Operator("remainder", reflected=True)
    __pow__, __rpow__ = Operator("pow"), Operator("pow", reflected=True)
    __matmul__, __rmatmul__ = Operator("matmul"), Operator("matmul", reflected=True)
    __neg__, __pos__, __abs__ = (
        Operator("negative"),
        Operator("positive"),
        Operator("abs"),
    )
    __iadd__, __isub__ = (
        Operator("add", in_place=True),
        Operator("subtract", in_place=True),
    )
    __imul__, __itruediv__ = (
        Operator("multiply", in_place=True),
        Operator("divide", in_place=True),
    )
    __ifloordiv__, __imod__ = (
        Operator("floor_divide", in_place=True),
        Operator("remainder", in_place=True),
    )
    __ipow__, __imatmul__ = (
        Operator("pow", in_place=True),
        Operator("matmul", in_place=True),
    )
    __lt__, __le__ = Operator("less"), Operator("less_equal")
    __gt__, __ge__ = Operator("greater"), Operator("greater_equal")
    __eq__, __ne__ = Operator("equal"), Operator("not_equal")
    __hash__ = object.__hash__
    __array_ufunc__ = Operator("array_ufunc")
    __array_function__ = Operator("array_function")

    def _refuse_bits(self, other: Any = None, /) -> NoReturn:
        raise error(
            TypeError,
            "bitwise operator",
            "takes integers and booleans, which have no derivative",
            describe(self) if other is None else f"{describe(self)}, {describe(other)}",
            "Compare first: (x > 0.0) & (x < 1.0).",
        )

    __and__ = __rand__ = __or__ = __ror__ = __xor__ = __rxor__ = _refuse_bits
    __lshift__ = __rlshift__ = __rshift__ = __rrshift__ = __invert__ = _refuse_bits

    def __getitem__(self, key: Any, /) -> Array:
        return operations.getitem(self, key=key)

    def __setitem__(self, key: Any, value: Any, /) -> None:
        """Become the array that has ``value`` at ``key``: no memory is written to.

        What was computed from this array keeps its value and its derivative.
        """
        if self.world.level is eager and isinstance(self, Tensor) and is_leaf(self):
            raise error(
                TypeError,
                "x[key] = value",
                "a Tensor made from data keeps its own .grad and cannot be written to "
                "in place",
                f"{describe(self)} and {describe(value)}",
                "Use x = ops.setitem(x, value, key=key), or write to a result: x = +x.",
            )
        result = operations.setitem(self, value, key=key)
        self.__class__ = type(result)
        for part in ("value", "world", "node", "tangent"):
            if hasattr(result, part):
                setattr(self, part, getattr(result, part))

    def __iter__(self) -> Iterator[Array]:
        return (self[i, ...] for i in range(len(self)))

    @property
    def T(self) -> Array:  # noqa: N802 (the standard's name)
        """The transpose of a matrix."""
        if self.ndim != 2:
            raise error(
                ValueError,
                "T",
                "the standard defines it for two axes",
                describe(self),
                "Use .mT for stacks of matrices, or permute_dims.",
            )
        return operations.matrix_transpose(self)

    @property
    def mT(self) -> Array:  # noqa: N802 (the standard's name)
        """The transpose of each matrix of a stack."""
        return operations.matrix_transpose(self)

    def to_device(self, device: Any, /, *, stream: Any = None) -> Array:
        """Copy to a device of the same library."""
        return operations.to_device(self, device, stream=stream)

    # ---- the methods that NumPy and PyTorch users expect

    def reshape(self, *shape: Any) -> Array:
        """Reshape: ``x.reshape(2, 3)`` or ``x.reshape((2, 3))``."""
        whole = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple) else shape
        return operations.reshape(self, whole)

    def astype(self, dtype: Any) -> Array:
        """Convert to a dtype."""
        return operations.astype(self, dtype)

    def ravel(self) -> Array:
        """Reshape to one axis."""
        return operations.reshape(self, (-1,))

    def sum(self, axis: Any = None, *, keepdims: bool = False) -> Array:
        """Sum over axes."""
        return operations.sum(self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Any = None, *, keepdims: bool = False) -> Array:
        """Arithmetic mean over axes."""
        return operations.mean(self, axis=axis, keepdims=keepdims)

    def prod(self, axis: Any = None, *, keepdims: bool = False) -> Array:
        """Product over axes."""
        return operations.prod(self, axis=axis, keepdims=keepdims)

    def max(self, axis: Any = None, *, keepdims: bool = False) -> Array:
        """Maximum over axes."""
        return operations.max(self, axis=axis, keepdims=keepdims)

    def min(self, axis: Any = None, *, keepdims: bool = False) -> Array:
        """Minimum over axes."""
        return operations.min(self, axis=axis, keepdims=keepdims)

    # ---- leaving the computation

    def __bool__(self) -> bool:
        return bool(stopped(self))

    def __int__(self) -> int:
        return int(stopped(self))

    def __float__(self) -> float:
        self._refuse_store()
        return float(self._value_to_leave("float()"))

    def __complex__(self) -> complex:
        self._refuse_store()
        return complex(self._value_to_leave("complex()"))

    def item(self) -> float:
        """Return the one element as a Python number."""
        return float(self._value_to_leave("item()"))

    def _refuse_store(self) -> None:
        """Tell ``ndarray[0] = x``, for which NumPy asks for a number, from float(x)."""
        frame = sys._getframe(2)
        if frame.f_code.co_code[frame.f_lasti] == _STORE:
            raise self._refuse_export("array[key] = value")

    def _value_to_leave(self, how: str) -> Array:
        if self.world.level.number == 0:
            return self.value
        raise error(
            TypeError,
            how,
            f"takes a value out of {self.world.level.name} and would lose its "
            "derivative",
            describe(self),
            "Compute with autograd_core.ops, or say stop_gradient(x) if no derivative "
            "is wanted.",
        )

    def __index__(self) -> int:
        raise error(
            TypeError,
            "index",
            "a floating-point array is no integer",
            describe(self),
            "Use int(x).",
        )

    def _refuse_export(self, how: str) -> TypeError:
        return error(
            TypeError,
            how,
            "a tracked array is not handed to code that does not know it: its "
            "derivative would be lost",
            describe(self),
            "Compute with autograd_core.ops or plain numpy functions, write with "
            "ops.setitem(x, value, key=key), or use stop_gradient(x).",
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NoReturn:
        raise self._refuse_export("numpy.asarray")

    def __dlpack__(
        self,
        /,
        *,
        stream: Any = None,
        max_version: Any = None,
        dl_device: Any = None,
        copy: bool | None = None,
    ) -> NoReturn:
        raise self._refuse_export("__dlpack__")

    def __dlpack_device__(self, /) -> tuple[Any, int]:
        """Return the kind and the number of the raw array's device."""
        device: tuple[Any, int] = lowest(self).__dlpack_device__()
        return device


class Tracked(ArrayObject):
    """An array whose derivative is followed.

    Operators and functions of ``x.__array_namespace__()`` work on it as on any array.
    Comparisons and other piecewise constant functions return raw arrays.
    """

    __slots__ = ()


class Masks(ArrayObject):
    """The operators of integers and booleans, for what may be such an array."""

    __slots__ = ()

    __and__, __rand__ = Operator("bitwise_and"), Operator("bitwise_and")
    __or__, __ror__ = Operator("bitwise_or"), Operator("bitwise_or")
    __xor__, __rxor__ = Operator("bitwise_xor"), Operator("bitwise_xor")
    __lshift__ = Operator("bitwise_left_shift")
    __rlshift__ = Operator("bitwise_left_shift", reflected=True)
    __rshift__ = Operator("bitwise_right_shift")
    __rrshift__ = Operator("bitwise_right_shift", reflected=True)
    __invert__ = Operator("bitwise_invert")


class Constant(Masks):
    """A raw array in the guise of a tracked one; it is not differentiated.

    Code that is written for the standard asks an array for its namespace and wants all
    arrays to come from there. In that namespace what has no derivative (a mask, ones)
    is a Constant. Everywhere else it may stand for its raw array. Make one of data that
    such code is to take together with tracked arrays.

    Parameters
    ----------
    data
        An array of any library, which is not copied, or nested lists of numbers.

    Raises
    ------
    TypeError
        If the data are tracked.

    Examples
    --------
    >>> import autograd_core as ag
    >>> mask = ag.Constant([1.0, -2.0]) > 0.0
    >>> print(mask)
    Constant([ True False], bool[2])
    """

    __slots__ = ()

    def __init__(self, data: Any) -> None:
        if isinstance(data, Tracked):
            raise error(
                TypeError,
                "Constant",
                "takes data, not an array that is tracked",
                describe(data),
                "Use stop_gradient(x), its raw array.",
            )
        raw = lowest(data)
        self.value = (
            raw if backend.is_array(raw) else backend.get_backend().asarray(raw)
        )
        self.world = eager.world(backend.backend_of(self.value))

    def __index__(self) -> int:
        return self.value.__index__()  # type: ignore[no-any-return]

    def __float__(self) -> float:
        return float(self.value)

    def __complex__(self) -> complex:
        return complex(self.value)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        array = self.value.__array__()
        return array if dtype is None else array.astype(dtype, copy=bool(copy))

    def __dlpack__(self, /, **keywords: Any) -> Any:
        return self.value.__dlpack__(**keywords)


class Tensor(Tracked):
    """An array that records what is computed from it, for reverse mode.

    Parameters
    ----------
    data
        Nested lists of floats (2.0, not 2), in the default backend; or an array of any
        library, which keeps its library. A small array is copied. A large one is not:
        writing to it before the backward pass raises there.
    dtype, device
        As in the standard's ``asarray``; by default the library's choice.

    Attributes
    ----------
    grad
        The derivative, with respect to this Tensor, of the last ``y`` that depended on
        it and whose ``y.backward()`` was called: a raw array of this Tensor's shape,
        dtype, device and library. Before that, None.

    Raises
    ------
    TypeError
        If the data are not floating-point.

    Examples
    --------
    >>> import autograd_core as ag
    >>> a = ag.Tensor([[2.0, 3.0], [5.0, 4.0]])
    >>> b = ag.Tensor([1.0, -1.0])
    >>> c = ag.ops.maximum(a @ b, 0.0)
    >>> c.backward()
    >>> print(a.grad)
    [[ 0. -0.]
     [ 1. -1.]]
    >>> print(b.grad)
    [5. 4.]
    """

    __slots__ = ()

    node: Node

    def __init__(self, data: Any, dtype: Any = None, device: Any = None) -> None:
        if isinstance(data, Tracked):
            raise error(
                TypeError,
                "Tensor",
                "takes data, not an array that is tracked already",
                describe(data),
                "Use it as it is, or Tensor(stop_gradient(x)) to start a new graph.",
            )
        xp = (
            backend.backend_of(data)
            if backend.is_array(data)
            else backend.get_backend()
        )
        if dtype is not None or device is not None or not backend.is_array(data):
            dtype = None if dtype is None else xp.dtype(dtype)
            data = xp.asarray(data, dtype=dtype, device=device)
        if not is_differentiable(data):
            raise not_floating("Tensor", "data", data)
        leaf = track(data, eager)
        self.__class__ = type(leaf)
        self.value, self.world, self.node = leaf.value, leaf.world, leaf.node

    @property
    def grad(self) -> Array | None:
        """The derivative that the last ``backward()`` left here."""
        if not is_leaf(self):
            raise error(
                AttributeError,
                "grad",
                "only Tensors made from data keep one, and this is the result of "
                f"{self.node.operation}",
                describe(self),
                "Use autograd_core.vjp for the rest.",
            )
        return leaf_of(self).grad

    def __reduce__(self) -> tuple[type[Tensor], tuple[Array]]:
        """Pickle and copy what was made from data; a result has a graph behind it."""
        if not is_leaf(self) or self.world.level is not eager:
            raise error(
                TypeError,
                "pickle",
                "only a Tensor made from data can be pickled or copied",
                describe(self),
                "Pickle stop_gradient(x), its raw array.",
            )
        return Tensor, (self.value,)

    def backward(self, cotangent: Array | None = None) -> None:
        """Differentiate this Tensor with respect to every Tensor it came from.

        Sets their `grad`, afresh on every call: nothing is added to what an earlier
        call left, and nothing needs to be zeroed.

        Parameters
        ----------
        cotangent
            An array of this Tensor's shape and dtype, by default ones: a Tensor of
            many elements then stands for their sum.

        Raises
        ------
        TypeError, ValueError
            If the cotangent has another dtype or shape; if this Tensor belongs to a
            transform; if memory was written to that the computation had used.
        """
        from autograd_core.reverse import backward

        backward(self, cotangent)


class ComplexTensor(Tensor):
    """A Tensor of complex numbers.

    A type of its own, so that what is compiled for `Tensor` is for real numbers only
    and pays nothing for those that need conjugation.
    """

    __slots__ = ()


class Dual(Tracked):
    """An array and its tangent: a value of forward mode."""

    __slots__ = ()

    tangent: Array


class Batched(Masks, Tracked):
    """What stands for one example of a batch in `vmap`; ``value`` holds them all.

    The batch is the first axis of ``value`` and no axis of this array.
    """

    __slots__ = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the axes of one example."""
        shape: tuple[int, ...] = self.value.shape[1:]
        return shape

    @property
    def ndim(self) -> int:
        """The number of axes of one example."""
        return len(self.value.shape) - 1

    def __repr__(self) -> str:
        count = self.value.shape[0]
        return f"Batched({lowest(self)}, {count} examples of {describe(self)})"

    def _refuse_one_value(self, how: str) -> TypeError:
        return error(
            TypeError,
            how,
            "a batch of values in vmap is no one value",
            f"{self.value.shape[0]} examples of {describe(self)}",
            "Choose with where, autograd_core.cond or while_loop; index with "
            "take(x, k).",
        )

    def __len__(self) -> int:
        if not self.shape:  # what PyTorch asks of an index
            raise self._refuse_one_value("len()")
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NoReturn:
        raise self._refuse_one_value("numpy.asarray")

    def __bool__(self) -> bool:
        raise self._refuse_one_value("bool()")

    def __int__(self) -> int:
        raise self._refuse_one_value("int()")

    def __index__(self) -> int:
        raise self._refuse_one_value("index")

    def _value_to_leave(self, how: str) -> Array:
        raise self._refuse_one_value(how)


class Watched(Tracked):
    """An array whose calls a level looks at; ``node`` says which call made it."""

    __slots__ = ()

    node: Any


class Recorded(Masks, Tracked):
    """An array of a recording: no values, but what they are computed from.

    ``value`` is of the right shape and dtype, ``node`` the variable of the program.
    """

    __slots__ = ()

    node: Any

    @property
    def dtype(self) -> Any:
        """The data type, one of the library that the program is recorded for."""
        recording: Any = self.world.level
        return recording.own_dtype(self.value.dtype)

    def __repr__(self) -> str:
        return f"Recorded({self.node.name or 'unnamed'}, {describe(self)})"

    def __format__(self, specification: str) -> str:
        return repr(self)

    def __bool__(self) -> bool:
        return bool(self._told(bool))

    def __int__(self) -> int:
        return int(self._told(int))

    def __index__(self) -> int:
        return int(self._told(int))

    def _told(self, kind: type[int]) -> int:
        recording: Any = self.world.level
        told: int = recording.told(self, kind)
        return told

    def _value_to_leave(self, how: str) -> Array:
        raise error(
            TypeError,
            how,
            f"takes a number out of {self.world.level.name}, which would stay the same "
            "for all other arguments",
            describe(self),
            "Compute with autograd_core.ops, or return the array.",
        )


def recorded_in(x: Any) -> Recorded | None:
    """Return the recorded array on which an array is computed, None if there is none.

    Batches lie above it, as transforms do.
    """
    while isinstance(x, ArrayObject):
        if type(x) is Recorded:
            return x
        x = x.value
    return None


def is_recorded(x: Any) -> bool:
    """Say whether an array is computed on a recorded one."""
    return recorded_in(x) is not None


def recording_of(values: tuple[Any, ...]) -> Any:
    """Return the recording of all that is tracked among values.

    None if something else is above it, or there is none.
    """
    tracked = list(tracked_in([tuple(x) if isinstance(x, list) else x for x in values]))
    if all(type(x) is Recorded for x in tracked) and tracked:
        return tracked[0].world.level
    return None


def _like_before(operation: str, x1: Array, x2: Any, result: Array) -> Array:
    """Return the result of ``x1 += x2``, to which ``x1`` is then bound."""
    if result.shape == x1.shape and result.dtype == x1.dtype:
        return result
    raise error(
        TypeError if result.shape == x1.shape else ValueError,
        f"{operation} in place",
        "the result must have the shape and the dtype of the array itself",
        f"{describe(result)} from {describe(x1)} and {describe(x2)}",
        f"Write x = {operation}(x, y), or convert y first.",
    )


def lowest(x: Any) -> Any:
    """Return the raw array under all levels; anything else as it is."""
    while isinstance(x, ArrayObject):
        x = x.value
    return x


def stopped(x: Any) -> Any:
    """Return an array without its derivatives: raw, or a batch of `vmap` of raw ones.

    What is recorded takes the place of raw arrays. Anything else as it is.
    """
    if not isinstance(x, ArrayObject) or type(x) is Recorded:
        return x
    inner = stopped(x.value)
    if type(x) is not Batched:
        return inner
    return x if inner is x.value else make_batched(inner, x.world.level)


def holds_tracked(x: Any) -> bool:
    """Say whether a value is tracked, or a list or tuple that holds such a one."""
    if isinstance(x, (tuple, list)):
        return any(map(holds_tracked, x))
    return isinstance(x, Tracked)


def tracked_in(values: Sequence[Any]) -> Iterator[Tracked]:
    """Yield what is tracked among values and in tuples of them."""
    for value in values:
        if isinstance(value, Tracked):
            yield value
        elif isinstance(value, tuple):
            yield from tracked_in(value)


def is_uniform(x: Any) -> bool:
    """Say whether what comes of a value shall be arrays of ours only.

    So it is for a `Constant`, for what belongs to a transform of which an array was
    asked for its namespace, and for a list or tuple that holds one of these.
    """
    if isinstance(x, (tuple, list)):
        return any(map(is_uniform, x))
    return isinstance(x, Constant) or (isinstance(x, Tracked) and x.world.level.uniform)


def without_constants(x: Any) -> Any:
    """Return a value, or a list or tuple of such, with raw arrays for constants."""
    if isinstance(x, Constant):
        return x.value
    if type(x) in (tuple, list):
        return type(x)(map(without_constants, x))
    return x


def as_constants(y: Any) -> Any:
    """Return a result, or a list or tuple of such, with constants for raw arrays."""
    if type(y) in (tuple, list):
        return type(y)(map(as_constants, y))
    if isinstance(y, tuple):  # a named tuple
        return type(y)(*map(as_constants, y))
    if isinstance(y, ArrayObject) or not backend.is_array(y):
        return y
    return Constant(y)


def require_open(operation: str, x: Any) -> None:
    """Raise if a value was kept from a transform that has ended."""
    if isinstance(x, Tracked) and not x.world.level.open:
        raise error(
            ValueError,
            operation,
            f"an argument was kept from a call of {x.world.level.name} that has ended",
            describe(x),
            "Return it from the function instead of storing it, or store "
            "stop_gradient(x).",
        )


def namespace_of(x: Array, *others: Array) -> Any:
    """Return the namespace in which arrays compute: `operations` or their backend."""
    if isinstance(x, Tracked) or holds_tracked(others):
        return operations
    return backend.backend_of(x)


def computing(x: Array) -> Any:
    """Return the namespace in which a transform computes with an array of its size."""
    return operations if isinstance(x, Tracked) else backend.backend_of(x).for_array(x)


def is_array(x: Any) -> bool:
    """Say whether a value is an array, tracked or raw."""
    return isinstance(x, Tracked) or backend.is_array(x)


def is_complex(x: Any) -> bool:
    """Say whether a value is an array of complex numbers."""
    raw = lowest(x)
    return backend.is_array(raw) and backend.backend_of(raw).is_complex(raw.dtype)


def is_differentiable(x: Any) -> bool:
    """Say whether a value is an array of floating-point numbers, real or complex."""
    if isinstance(x, (Tensor, Dual)):
        return True
    raw = lowest(x)
    return backend.is_array(raw) and backend.backend_of(raw).is_floating(raw.dtype)


def not_floating(operation: str, argument: str, x: Array) -> TypeError:
    """Build the error for an array that cannot be differentiated."""
    return error(
        TypeError,
        operation,
        f"{argument} must be floating-point to be differentiated",
        describe(x),
        "Convert it with astype(x, float64): integers and booleans have no derivative.",
    )


# ------------------------------------------------------------------ making them


def make_tensor(value: Array, node: Node, world: World) -> Tensor:
    """Make a Tensor of its parts."""
    result = new(ComplexTensor if is_complex(value) else Tensor)
    result.value, result.node, result.world = value, node, world
    return result


def make_dual(value: Array, tangent: Array, level: Level) -> Dual:
    """Make a Dual. Its world computes tracked if its value or its tangent does."""
    result = new(Dual)
    result.value, result.tangent = value, tangent
    tracked = isinstance(value, Tracked) or isinstance(tangent, Tracked)
    xp = operations if tracked else backend.backend_of(value)
    result.world = level.world(xp)
    return result


def make_batched(value: Array, level: Level) -> Batched:
    """Make a batch of an array whose first axis counts the examples."""
    result = new(Batched)
    result.value, result.world = value, level.world(namespace_of(value))
    return result


def track(x: Array, level: Level) -> Tensor:
    """Make a leaf of a reverse level from an array of the level below."""
    xp = namespace_of(x)
    leaf = Leaf(xp, tuple(x.shape))
    node: Node = leaf
    if xp is not operations:
        x, check = xp.snapshot(x)
        if check is not None:
            fault = overwritten("Tensor" if level is eager else level.name, x)
            node = WatchedLeaf(leaf, check, fault)
    return make_tensor(x, node, level.world(computing(x)))


def is_leaf(x: Tensor) -> bool:
    """Say whether `track` made a Tensor: whether it was made from data."""
    return isinstance(x.node, (Leaf, WatchedLeaf))


def leaf_of(x: Tensor) -> Leaf:
    """Return the leaf of a Tensor that `track` made."""
    node = x.node.edges[0][0] if isinstance(x.node, WatchedLeaf) else x.node
    assert isinstance(node, Leaf)
    return node


def install(namespace: Any) -> None:
    """Give tracked arrays the namespace in which they compute, and their operators."""
    global operations
    operations = namespace
    for owner in (ArrayObject, Masks):
        for name, place in list(vars(owner).items()):
            if isinstance(place, Operator):
                setattr(owner, name, place.function(namespace))
