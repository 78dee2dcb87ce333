"""Looking at cotangents on their way back, and changing them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from autograd_core import pytree
from autograd_core.backend import backend_of
from autograd_core.errors import describe, error
from autograd_core.graph import Array
from autograd_core.operators.calls import Arrays, PullRules, call
from autograd_core.tensor import Tracked, is_differentiable
from autograd_core.transform import Like, Pytree


def gradient_hook(x: Pytree, function: Callable[[Array], Array | None]) -> Pytree:
    """Return ``x``; in reverse mode its cotangent goes through a function.

    For what comes back through the arrays that are returned: scale it, clip it, print
    it. Values stay as they are, and so do the tangents of forward mode, in which no
    cotangent comes back. (`linearize`, which transposes the backward pass, has it.)

    Parameters
    ----------
    x
        A pytree of arrays.
    function
        Takes the cotangent of an array, the sum of what all its uses give, and returns
        the one to go on with, of the same shape, dtype and library; or None, to go on
        with the same.

    Raises
    ------
    TypeError
        If `function` is none.
    ValueError
        In the backward pass, if what the function returned is not like the array.

    Examples
    --------
    >>> import autograd_core as ag
    >>> def loss(x):
    ...     x = ag.gradient_hook(x, lambda t: ag.ops.clip(t, -1.0, 1.0))
    ...     return x**3
    >>> print(ag.grad(loss)(2.0))
    1.0
    """
    if not callable(function):
        raise error(
            TypeError,
            "gradient_hook",
            "takes a pytree of arrays and a function of a cotangent",
            f"{describe(x)}, {describe(function)}",
            "Write gradient_hook(x, lambda t: 0.1 * t).",
        )

    def backward(residuals: Arrays, ts: Arrays) -> list[Any]:
        (t,) = ts
        found = function(_apart(t))
        if found is None:
            return [t]
        if not (hasattr(found, "shape") and Like(t).fits(found)):
            raise error(
                ValueError,
                "gradient_hook",
                "the function must return a cotangent like the one it was given, "
                f"{describe(t)}, or None",
                describe(found),
                "Keep its shape and dtype.",
            )
        return [found]

    rules = _Hook("gradient_hook", list, _itself, backward)
    leaves, structure = pytree.flatten(x)
    hooked = [call(rules, [y])[0] if is_differentiable(y) else y for y in leaves]
    return pytree.unflatten(structure, hooked)


def _apart(t: Array) -> Array:
    """Return a cotangent that may be written to: it may be that of others, too."""
    if isinstance(t, Tracked):
        return t
    return backend_of(t).asarray(t, copy=True)


class _Hook(PullRules):
    """The identity, with a rule for cotangents that forward mode does not know of."""

    def push(self, leaves: Arrays, tangents: Arrays) -> tuple[list[Any], list[Any]]:
        """Return the arrays, which may have cotangents elsewhere, and the tangents."""
        return call(self, leaves), list(tangents)


def _itself(leaves: Arrays) -> tuple[list[Any], list[Any]]:
    return list(leaves), []
