"""Linear maps: the derivative at a point as a function, and the transpose of one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from autograd_core import backend, pytree
from autograd_core.errors import describe, error
from autograd_core.forward import flatten_tangents
from autograd_core.graph import Array
from autograd_core.reverse import Trace, sweep, traced
from autograd_core.tensor import Tracked, is_differentiable
from autograd_core.transform import (
    Pytree,
    differentiable_places,
    filled_like,
    flatten_primals,
    replaced,
    require_function,
)


def linearize(
    function: Callable[..., Pytree], *primals: Pytree, has_aux: bool = False
) -> tuple[Any, ...]:
    r"""Evaluate a function and return its derivative, :math:`\dot x \mapsto J \dot x`.

    As `jvp`, but the function is evaluated once for any number of tangents. Costs a
    forward and two backward passes; each tangent one pass over the linear operations.

    Parameters
    ----------
    function
        A function of pytrees of arrays that returns a pytree of arrays.
    *primals
        Where to evaluate it: arrays of floating-point dtype or pytrees of them.
    has_aux
        Whether the function returns a pair, the second part of which is not
        differentiated.

    Returns
    -------
    y
        What the function returned.
    pushforward
        A function from tangents, one for each primal and like it, to the tangent of
        ``y``. It is linear, and may itself be differentiated or mapped with `vmap`.
    aux
        With ``has_aux`` only.

    Raises
    ------
    TypeError
        If a primal is an integer, or no array.
    ValueError
        From the pushforward: if the tangents are not like the primals, or if memory was
        written to that the function had used.

    Notes
    -----
    The pullback :math:`\bar y \mapsto J^T \bar y` is linear, so that its own derivative
    by reverse mode is :math:`J`: the transpose of the transpose.

    Examples
    --------
    >>> import numpy, autograd_core as ag
    >>> y, pushforward = ag.linearize(ag.ops.exp, numpy.asarray([0.0, 1.0]))
    >>> pushforward(numpy.asarray([1.0, 0.0]))
    array([1., 0.])
    """
    require_function("linearize", function, "where to evaluate it")
    forward, y, aux = traced("linearize", function, primals, has_aux, named=function)
    linear = transpose(forward, y)

    def pushforward(*tangents: Pytree) -> Pytree:
        name = "linearize: pushforward"
        flatten_tangents(name, forward.structures, forward.primals, tangents)
        return linear(tangents)

    return (y, pushforward, aux) if has_aux else (y, pushforward)


def transpose(forward: Trace, y: Pytree) -> Callable[[tuple[Pytree, ...]], Pytree]:
    """Return the map from tangents to the tangent of ``y``: the transposed pullback."""
    leaves, structure = pytree.flatten(y)
    places = differentiable_places(leaves)
    zeros = [filled_like(x, 0.0) if hasattr(x, "shape") else 0.0 for x in leaves]

    def pullback(*given: Array) -> tuple[Pytree, ...]:
        full = replaced(zeros, places, given)
        seeds = forward.seeds(pytree.unflatten(structure, full))
        return forward.gradients(sweep(seeds))

    backward, _, _ = traced(
        forward.name, pullback, [zeros[k] for k in places], False, named=pullback
    )

    def pushforward(tangents: tuple[Pytree, ...]) -> Pytree:
        found = backward.gradients(sweep(backward.seeds(tangents)))
        return pytree.unflatten(structure, replaced(zeros, places, found))

    return pushforward


def linear_transpose(
    function: Callable[..., Pytree], *primals: Pytree
) -> Callable[[Pytree], tuple[Pytree, ...]]:
    r"""Return the transpose of a linear function, :math:`\bar y \mapsto A^T \bar y`.

    Of complex numbers the adjoint, as in `vjp`.

    Parameters
    ----------
    function
        A linear function of pytrees of arrays: ``f(0) = 0``, and sums and multiples of
        arguments give those of results.
    *primals
        Arrays like its arguments; only shapes, dtypes and library matter.

    Returns
    -------
    callable
        From a cotangent, a pytree like the result, to a tuple of cotangents, one for
        each primal.

    Raises
    ------
    ValueError
        If the function of zeros is not zero, so that it is not linear.
    TypeError
        If a primal is an integer, or no array.

    Examples
    --------
    >>> import numpy, autograd_core as ag
    >>> transposed = ag.linear_transpose(lambda x: x[1:] - x[:-1], numpy.zeros(3))
    >>> transposed(numpy.asarray([1.0, 10.0]))
    (array([-1., -9., 10.]),)
    """
    name = "linear_transpose"
    require_function(name, function, "arrays like its arguments")
    leaves, structures = flatten_primals(name, function, primals)
    zeros = iter([filled_like(x, 0.0) for x in leaves])
    origin = [pytree.unflatten(structure, zeros) for structure in structures]
    of, y, _ = traced(name, function, origin, False, named=function)
    _require_zero(name, y)

    def transposed(cotangent: Pytree) -> tuple[Pytree, ...]:
        return of.gradients(sweep(of.seeds(cotangent)))

    return transposed


def _require_zero(name: str, y: Pytree) -> None:
    """Raise if a function of zeros has not given zeros, as far as numbers are known."""
    for x in pytree.flatten(y)[0]:
        if isinstance(x, Tracked) or not is_differentiable(x):
            continue
        if bool(backend.backend_of(x).any(x != 0.0)):
            raise error(
                ValueError,
                name,
                "the function must be linear, and of zeros it is not zero",
                describe(x),
                "Take out what is added, or use vjp at the point in question.",
            )
