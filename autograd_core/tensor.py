"""Tracked arrays: the array objects that users meet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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

operations: Any = None
"""The differentiable namespace, ``autograd_ops``, in which tracked arrays compute."""


class Operator:
    """A place in the class body for an operation, filled by `install`."""

    def __init__(self, operation: str, *, reflected: bool = False) -> None:
        self.operation = operation
        self.reflected = reflected

    def __call__(self, *arguments: Any) -> Any:
        """Say that the operations are missing (and show the type to type checkers)."""
        raise ImportError("the operations are not there: import autograd_core")

    def function(self, namespace: Any) -> Callable[..., Any]:
        """Return what stands in the class: the operation itself where possible."""
        operation: Callable[..., Any] = getattr(namespace, self.operation)
        if not self.reflected:
            return operation

        def reflected(x2: Array, x1: Array, /) -> Array:
            return operation(x1, x2)

        return reflected


class Tracked:
    """An array whose derivative is followed: the array object of the standard.

    Operators and functions of ``x.__array_namespace__()`` work on it as on any array.
    Comparisons and other piecewise constant functions return raw arrays.
    """

    __slots__ = ("__weakref__", "value", "world")

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
        if not specification:
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
        """Return the differentiable namespace, ``autograd_core.ops``."""
        return operations

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
    __lt__, __le__ = Operator("less"), Operator("less_equal")
    __gt__, __ge__ = Operator("greater"), Operator("greater_equal")
    __eq__, __ne__ = Operator("equal"), Operator("not_equal")
    __hash__ = object.__hash__
    __array_ufunc__ = Operator("array_ufunc")
    __array_function__ = Operator("array_function")

    def __getitem__(self, key: Any) -> Array:
        return operations.getitem(self, key=key)

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
        return bool(lowest(self))

    def __int__(self) -> int:
        return int(lowest(self))

    def __float__(self) -> float:
        return float(self._value_to_leave("float()"))

    def __complex__(self) -> complex:
        return complex(self._value_to_leave("complex()"))

    def item(self) -> float:
        """Return the one element as a Python number."""
        return float(self._value_to_leave("item()"))

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

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NoReturn:
        raise error(
            TypeError,
            "numpy.asarray",
            "a tracked array does not turn into an ndarray: its derivative would be "
            "lost",
            describe(self),
            "Compute with autograd_core.ops or plain numpy functions, or use "
            "stop_gradient(x).",
        )

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        raise error(
            TypeError,
            "x[key] = value",
            "a tracked array cannot be written to in place, as what was computed from "
            "it needs its old value",
            f"{describe(self)} and {describe(value)}",
            "Use where(mask, value, x), or concat the parts.",
        )


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
        If the data are not real floating-point.

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

    __slots__ = ("node",)

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
        self.value, self.world, self.node = leaf.value, leaf.world, leaf.node

    @property
    def grad(self) -> Array | None:
        """The derivative that the last ``backward()`` left here."""
        if not isinstance(self.node, (Leaf, WatchedLeaf)):
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
        is_leaf = isinstance(self.node, (Leaf, WatchedLeaf))
        if not is_leaf or self.world.level is not eager:
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


class Dual(Tracked):
    """An array and its tangent: a value of forward mode."""

    __slots__ = ("tangent",)

    tangent: Array


def lowest(x: Any) -> Any:
    """Return the raw array under all levels; anything else as it is."""
    while isinstance(x, Tracked):
        x = x.value
    return x


def holds_tracked(x: Any) -> bool:
    """Say whether a value is tracked, or a list or tuple that holds such a one."""
    if isinstance(x, (tuple, list)):
        return any(map(holds_tracked, x))
    return isinstance(x, Tracked)


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


def namespace_of(x: Array) -> Any:
    """Return the namespace in which an array computes: `operations` or its backend."""
    return operations if isinstance(x, Tracked) else backend.backend_of(x)


def is_differentiable(x: Any) -> bool:
    """Say whether a value is an array of real floating-point numbers."""
    if isinstance(x, Tracked):
        return True
    if not backend.is_array(x):
        return False
    return backend.backend_of(x).is_floating(x.dtype)


def not_floating(operation: str, argument: str, x: Array) -> TypeError:
    """Build the error for an array that cannot be differentiated."""
    return error(
        TypeError,
        operation,
        f"{argument} must be real floating-point to be differentiated",
        describe(x),
        "Convert it with astype(x, float64); integers and booleans have no derivative, "
        "complex numbers are not supported yet.",
    )


# ------------------------------------------------------------------ making them


def make_tensor(value: Array, node: Node, world: World) -> Tensor:
    """Make a Tensor of its parts."""
    result = new(Tensor)
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
    return make_tensor(x, node, level.world(xp))


def leaf_of(x: Tensor) -> Leaf:
    """Return the leaf of a Tensor that `track` made."""
    node = x.node.edges[0][0] if isinstance(x.node, WatchedLeaf) else x.node
    assert isinstance(node, Leaf)
    return node


def install(namespace: Any) -> None:
    """Give tracked arrays the namespace in which they compute, and their operators."""
    global operations
    operations = namespace
    for name, place in list(vars(Tracked).items()):
        if isinstance(place, Operator):
            setattr(Tracked, name, place.function(namespace))
