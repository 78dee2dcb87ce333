"""The array of the abstract backend: a shape and a dtype."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from operator import index
from typing import Any, NoReturn

from autograd_core.backend import backend, backend_of, is_array
from autograd_core.errors import describe, error
from autograd_core.tensor import Tracked


def _named(text: str) -> dict[str, str]:
    """Return a table of special methods and the functions that they call."""
    return dict(pair.split() for pair in text.split(";"))


OPERATORS = _named(
    "add add; sub subtract; mul multiply; truediv divide; floordiv floor_divide;"
    "mod remainder; pow pow; matmul matmul; and bitwise_and; or bitwise_or;"
    "xor bitwise_xor; lshift bitwise_left_shift; rshift bitwise_right_shift"
)
COMPARISONS = _named(
    "lt less; le less_equal; gt greater; ge greater_equal; eq equal; ne not_equal"
)
UNARY = _named("neg negative; pos positive; abs abs; invert bitwise_invert")


class AbstractArray:
    """An array without values: what is known of one before it is computed.

    Operators, and the functions of its namespace, give the shape and the dtype of what
    NumPy would return.

    Parameters
    ----------
    shape
        The lengths of the axes.
    dtype
        A NumPy dtype, or the name of one.
    data
        Of a constant, which depends on no array without values: NumPy's array.
    own
        Whether the data were made here, so that nobody else can write to them.

    Raises
    ------
    TypeError
        If a value is asked for: by ``bool``, ``int``, ``float``, ``numpy.asarray``.

    Examples
    --------
    >>> x = AbstractArray((3, 4), "float32")
    >>> x @ x.mT * 2.0
    AbstractArray(float32[3,3])
    """

    __slots__ = ("__weakref__", "data", "dtype", "own", "shape")
    __array_ufunc__ = None  # the operators of NumPy's arrays leave it to ours

    device = "cpu"

    def __init__(
        self, shape: Any, dtype: Any, data: Any = None, own: bool = False
    ) -> None:
        self.shape: tuple[int, ...] = tuple(map(index, shape))
        if isinstance(dtype, (str, type)):
            dtype = backend("abstract").namespace.dtype(dtype)
        self.dtype = dtype
        self.data, self.own = data, own

    def __repr__(self) -> str:
        return f"AbstractArray({describe(self)})"

    def __array_namespace__(self, /, *, api_version: str | None = None) -> Any:
        """Return the backend, which offers the functions of the standard."""
        return backend_of(self)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of an array without axes")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[k, ...] for k in range(len(self)))

    def __getitem__(self, key: Any, /) -> Any:
        parts = key if isinstance(key, tuple) else (key,)
        basic = not any(isinstance(k, (bool, list)) or is_array(k) for k in parts)
        xp = backend_of(self)
        return xp.basic_index(self, key=key) if basic else xp.array_index(self, key)

    @property
    def mT(self) -> Any:  # noqa: N802 (the standard's name)
        """The transpose of each matrix of a stack."""
        return backend_of(self).matrix_transpose(self)

    T = mT

    # ---- values, of which there are none

    def _has_no_value(self, how: str) -> TypeError:
        return error(
            TypeError,
            how,
            "an array has no values: it was recorded without data, from its shape and "
            "dtype",
            describe(self),
            "Choose with where, cond or while_loop; or record with example arrays.",
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NoReturn:
        raise self._has_no_value("numpy.asarray")

    def __dlpack__(self, /, **keywords: Any) -> NoReturn:
        raise self._has_no_value("__dlpack__")

    def __bool__(self) -> bool:
        raise self._has_no_value("bool()")

    def __int__(self) -> int:
        raise self._has_no_value("int()")

    def __float__(self) -> float:
        raise self._has_no_value("float()")

    def __complex__(self) -> complex:
        raise self._has_no_value("complex()")

    def __index__(self) -> int:
        raise self._has_no_value("index")

    def item(self) -> NoReturn:
        """Refuse: there is no value."""
        raise self._has_no_value("item()")


def _binary(function: str, *, reflected: bool = False) -> Callable[..., Any]:
    def operator(x1: Any, x2: Any, /) -> Any:
        if isinstance(x2, Tracked):
            return NotImplemented
        if not isinstance(x2, (bool, int, float, complex)) and not is_array(x2):
            return NotImplemented
        call = getattr(backend_of(x1), function)
        return call(x2, x1) if reflected else call(x1, x2)

    return operator


def _unary(function: str) -> Callable[..., Any]:
    def operator(x: Any, /) -> Any:
        return getattr(backend_of(x), function)(x)

    return operator


for _name, _function in (OPERATORS | COMPARISONS).items():
    setattr(AbstractArray, f"__{_name}__", _binary(_function))
for _name, _function in OPERATORS.items():
    setattr(AbstractArray, f"__r{_name}__", _binary(_function, reflected=True))
for _name, _function in UNARY.items():
    setattr(AbstractArray, f"__{_name}__", _unary(_function))
