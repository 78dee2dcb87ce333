"""Forward mode: tangents carried along with the values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from autograd_core import pytree
from autograd_core.errors import describe, error
from autograd_core.graph import Array, Level, before_derivatives
from autograd_core.tensor import Dual, make_dual
from autograd_core.transform import (
    Like,
    Pytree,
    auxiliary,
    filled_like,
    fitting,
    flatten_primals,
    hand_out,
    lower_output,
    require_pair,
    unflatten_each,
)


def jvp(
    function: Callable[..., Pytree],
    primals: Sequence[Pytree],
    tangents: Sequence[Pytree],
    *,
    has_aux: bool = False,
) -> tuple[Any, ...]:
    r"""Evaluate a function and its derivative in a direction, :math:`(y, J \dot x)`.

    Parameters
    ----------
    function
        A function of pytrees of arrays that returns a pytree of arrays.
    primals
        A tuple or list: where to evaluate it.
    tangents
        The direction: of the structure, shapes, dtypes and library of the primals.
    has_aux
        Whether the function returns a pair, the second part of which is not
        differentiated.

    Returns
    -------
    y, y_dot
        What the function returned, and its tangent, of the same structure. With
        ``has_aux`` a third part, the auxiliary result.

    Raises
    ------
    TypeError
        If a primal is an integer, or no array; if primals are not given as a tuple.
    ValueError
        If the tangents are not like the primals.

    Examples
    --------
    >>> import numpy, autograd_core as ag
    >>> x, x_dot = numpy.asarray([1.0, 2.0]), numpy.asarray([1.0, 0.0])
    >>> ag.jvp(lambda x: x * x, (x,), (x_dot,))
    (array([1., 4.]), array([2., 0.]))
    """
    require_tuples("jvp", primals, tangents)
    leaves, structures = flatten_primals("jvp", function, primals)
    directions = flatten_tangents("jvp", structures, leaves, tangents)
    y, y_dot, aux = push("jvp", function, structures, leaves, directions, has_aux)
    return (y, y_dot, aux) if has_aux else (y, y_dot)


def require_tuples(
    transform: str, primals: Sequence[Pytree], tangents: Sequence[Pytree]
) -> None:
    """Raise unless primals and tangents are given as tuples."""
    for name, given in (("primals", primals), ("tangents", tangents)):
        if not isinstance(given, (tuple, list)):
            raise error(
                TypeError,
                transform,
                f"{name} must be a tuple, one for each argument of the function",
                describe(given),
                f"Write {transform}(f, (x,), (x_dot,)).",
            )


def push(
    transform: str,
    function: Callable[..., Pytree],
    structures: Sequence[pytree.Structure],
    leaves: Sequence[Array],
    directions: Sequence[Array],
    has_aux: bool = False,
) -> tuple[Pytree, Pytree, Any]:
    """Evaluate a function of leaves and tangents: result, its tangent, the rest."""
    with Level(transform, forward=True) as level:
        pairs = zip(leaves, directions, strict=True)
        duals = [make_dual(x, x_dot, level) for x, x_dot in pairs]
        y = before_derivatives(function)(*unflatten_each(structures, duals))
        aux = None
        if has_aux:
            y, aux = require_pair(transform, y)
            aux = auxiliary(level, aux)
        outputs, structure = pytree.flatten(y)
        values = [lower_output(level, x) for x in outputs]
        y_dots = [_tangent(level, x) for x in outputs]
    del y, duals, outputs
    y = pytree.unflatten(structure, hand_out(values))
    return y, pytree.unflatten(structure, hand_out(y_dots)), aux


def flatten_tangents(
    transform: str,
    structures: Sequence[pytree.Structure],
    leaves: Sequence[Array],
    tangents: Sequence[Pytree],
) -> list[Array]:
    """Return the leaves of the tangents, each like its primal."""
    flat, structure = pytree.flatten(tuple(tangents))
    if structure.children != tuple(structures):
        raise error(
            ValueError,
            transform,
            "the tangents must have the structure of the primals, "
            f"({', '.join(map(str, structures))})",
            f"({', '.join(map(str, structure.children))})",
            "Give one tangent for each array of the primals.",
        )
    directions = []
    for k, (x, x_dot) in enumerate(zip(leaves, flat, strict=True)):
        directions.append(fitting(transform, f"tangent {k}", x_dot, Like(x)))
    return directions


def _tangent(level: Level, y: Any) -> Array:
    """Return the tangent of a result of this level, zeros for a constant."""
    if isinstance(y, Dual) and y.world.level is level:
        return y.tangent
    return filled_like(y, 0.0) if hasattr(y, "shape") else 0.0
