"""``scipy.special`` as the special functions of NumPy."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from typing import Any


def is_installed() -> bool:
    """Say whether there is a SciPy, without importing it."""
    return find_spec("scipy") is not None


class SciPySpecial:
    """``scipy.special``, imported when it is first used, in the arrays' precision.

    Of two arguments, one of them a number of Python or an integer, SciPy makes a
    float64 whatever the other is.
    """

    def __init__(self, numpy: Any) -> None:
        self._numpy = numpy

    def __getattr__(self, name: str) -> Any:
        import scipy.special

        function = getattr(scipy.special, name)
        if isinstance(function, self._numpy.ufunc) and function.nin == 1:
            return function
        return partial(self._narrowed, function)

    def _narrowed(self, function: Any, *arguments: Any, **keywords: Any) -> Any:
        everything = (*arguments, *keywords.values())
        given = (getattr(x, "dtype", None) for x in everything)
        inexact = [dtype for dtype in given if dtype is not None and dtype.kind in "fc"]
        single = bool(inexact) and all(dtype.name in WIDER for dtype in inexact)
        if single and len(inexact) < len(arguments):
            arguments = tuple(map(self._widened, arguments))
        y = function(*arguments, **keywords)
        if not single:
            return y
        if isinstance(y, tuple):
            return tuple(part.astype(SINGLE[part.dtype.kind]) for part in y)
        return y.astype(SINGLE[y.dtype.kind], copy=False)

    def _widened(self, x: Any) -> Any:
        """Return an array of double precision: with integers SciPy has no other."""
        dtype = getattr(x, "dtype", None)
        return x if dtype is None else x.astype(WIDER.get(dtype.name, dtype))


WIDER = {"float32": "float64", "complex64": "complex128"}
SINGLE = {"f": "float32", "c": "complex64"}
