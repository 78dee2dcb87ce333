"""What the rules and the implementations of special functions share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ParamSpec, TypeVar

from autograd_core.backend import backend, backend_of, implement, is_array
from autograd_core.batching import pointwise
from autograd_core.declare import elementwise, general
from autograd_core.errors import dtype_name, error
from autograd_core.graph import Array
from autograd_core.operation import REAL, Domain, Function, Sample, sample
from autograd_core.tensor import lowest, namespace_of

P = ParamSpec("P")
R = TypeVar("R")


def special_function(**declared: Any) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Declare an elementwise special function, real unless it says otherwise.

    Takes what `elementwise` takes. What a library lacks is computed by SciPy, unless
    an implementation in calls of the standard is given.
    """

    def decorate(declaration: Callable[P, R]) -> Callable[P, R]:
        defaults: dict[str, Any] = {
            "takes_complex": False,
            "samples": (sample((2, 3)), sample(())),
            "implementation": partial(through_scipy, declaration.__name__),
        }
        return elementwise(**(defaults | declared))(declaration)

    return decorate


def partly_known(
    *unknown: str,
    samples: Sequence[Sample],
    domain: dict[str, Domain] | Domain = REAL,
    **rules: Function,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Declare an elementwise special function that has no rule in some parameters.

    Their use in a derivative raises, as there is no formula for it.
    """
    table = {**rules, **dict.fromkeys(unknown)}

    def decorate(declaration: Callable[P, R]) -> Callable[P, R]:
        return general(
            jvp=table,
            vjp=table,
            samples=samples,
            domain=domain,
            broadcasts=True,
            batching=pointwise,
            takes_complex=False,
            implementation=partial(through_scipy, declaration.__name__),
        )(declaration)

    return decorate


# ------------------------------------------------------------------ SciPy on the host


def through_scipy(name: str, xp: Any, *arguments: Any, **keywords: Any) -> Array:
    """Compute a special function by SciPy, on the host, for a library that lacks it.

    The result has the library, the device and the precision of the arguments.
    """
    host = backend("numpy")
    if xp is host:
        raise error(
            ImportError,
            f"special.{name}",
            "is computed by SciPy, which is not installed",
            "no scipy",
            "Install it: pip install scipy",
        )
    return xp.on_host(getattr(host.special, name), *arguments, **keywords)


def on_host(xp: Any, function: Any, *arguments: Any, **keywords: Any) -> Array:
    """Call a function of NumPy's arrays on those of another library."""
    like = next(x for x in arguments if is_array(x))
    host = [as_ndarray(xp, x) if is_array(x) else x for x in arguments]
    y = function(*host, **keywords)
    dtype = getattr(xp, dtype_name(y.dtype))
    return xp.asarray(y, dtype=dtype, device=xp.device_of(like))


def as_ndarray(xp: Any, x: Array) -> Any:
    """Return an array of any library as an ndarray, its memory shared if it can be."""
    import numpy

    return numpy.asarray(xp.to_host(x))


def to_host(xp: Any, x: Array) -> Array:
    """Return an array in memory that NumPy can read."""
    return x


implement("on_host", on_host)
implement("to_host", to_host)


# ------------------------------------------------------------------ rules


def as_array(xp: Any, x: Any, t: Array) -> Array:
    """Return a parameter as an array of floats that goes with a cotangent.

    Numbers of Python and integers become arrays of the cotangent's library and dtype.
    """
    if not hasattr(x, "dtype"):
        return xp.zeros_like(t) + x
    raw = lowest(x)
    if not backend_of(raw).is_floating(raw.dtype):
        return namespace_of(x).astype(x, t.dtype)
    return x


def series(xp: Any, x: Array, inside: Array, coefficients: Sequence[float]) -> Array:
    """Return a polynomial, lowest coefficient first, at what is inside its domain.

    Outside it is evaluated at 0, so that nothing overflows there at any order.
    """
    x = xp.where(inside, x, 0.0)
    *rest, total = coefficients
    for coefficient in reversed(rest):
        total = total * x + coefficient
    return total
