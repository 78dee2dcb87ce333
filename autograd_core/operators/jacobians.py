"""Derivatives with many directions: Jacobians, Hessians and what is made of them.

All directions go through one batched pass (`vmap`), or through as many as `chunk_size`
asks for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial, reduce, wraps
from operator import add
from typing import Any

from autograd_core import backend, pytree
from autograd_core.errors import describe, error
from autograd_core.forward import flatten_tangents, push, require_tuples
from autograd_core.graph import Array
from autograd_core.operators.vmap import vmap
from autograd_core.reverse import Trace, conjugate_of, require_scalar, sweep, traced
from autograd_core.tensor import (
    Batched,
    is_complex,
    is_differentiable,
    lowest,
    namespace_of,
    not_floating,
)
from autograd_core.transform import (
    Argnames,
    Argnums,
    Chosen,
    Pytree,
    Selection,
    filled_like,
    flatten_primals,
    hand_out,
    require_count,
    require_function,
)

Function = Callable[..., Any]


def jacrev(
    function: Function,
    argnums: Argnums | None = None,
    *,
    argnames: Argnames | None = None,
    has_aux: bool = False,
    holomorphic: bool = False,
    chunk_size: int | None = None,
) -> Function:
    r"""Make the function that evaluates a Jacobian by reverse mode, row by row.

    :math:`J_{ij} = \partial y_i / \partial x_j`. Costs one evaluation and one backward
    pass, batched over the elements of the result: choose it where the result has fewer
    elements than the argument (`jacobian` chooses itself).

    Parameters
    ----------
    function
        A function of pytrees of arrays that returns a pytree of arrays.
    argnums, argnames
        As in `value_and_grad`.
    has_aux
        Whether the function returns a pair, the second part of which is not
        differentiated.
    holomorphic
        Whether to return the complex derivative of a function that has one.
    chunk_size
        At most so many rows at a time, to bound memory; by default all.

    Returns
    -------
    callable
        Of the same arguments; returns a pytree like the result, in which each array
        ``y`` is replaced by a pytree like the argument, in which each array ``x`` is
        replaced by one of shape ``(*y.shape, *x.shape)``. With ``has_aux`` a pair of it
        and the auxiliary result.

    Raises
    ------
    TypeError
        If an argument or a result is not floating-point; if a result is complex without
        `holomorphic`.
    ValueError
        If `argnums` or `argnames` name what is not given, or `chunk_size` is below 1.

    Examples
    --------
    >>> import numpy, autograd_core as ag
    >>> print(ag.jacrev(lambda x: x[0] * x)(numpy.asarray([3.0, 5.0])))
    [[6. 0.]
     [5. 3.]]
    """
    compute = partial(_by_rows, has_aux, holomorphic)
    return _operator(
        "jacrev", function, argnums, argnames, has_aux, chunk_size, compute
    )


def jacfwd(
    function: Function,
    argnums: Argnums | None = None,
    *,
    argnames: Argnames | None = None,
    has_aux: bool = False,
    holomorphic: bool = False,
    chunk_size: int | None = None,
) -> Function:
    r"""Make the function that evaluates a Jacobian by forward mode, column by column.

    As `jacrev`, but costs one evaluation with tangents, batched over the elements of
    the argument: choose it where the argument has fewer elements than the result. An
    argument must be real without `holomorphic`.

    Examples
    --------
    >>> import numpy, autograd_core as ag
    >>> print(ag.jacfwd(lambda x: x[0] * x)(numpy.asarray([3.0, 5.0])))
    [[6. 0.]
     [5. 3.]]
    """
    compute = partial(_by_columns, has_aux, holomorphic)
    return _operator(
        "jacfwd", function, argnums, argnames, has_aux, chunk_size, compute
    )


def jacobian(
    function: Function,
    argnums: Argnums | None = None,
    *,
    argnames: Argnames | None = None,
    has_aux: bool = False,
    holomorphic: bool = False,
    chunk_size: int | None = None,
) -> Function:
    """Make the function that evaluates a Jacobian in the mode that takes fewer passes.

    As `jacrev` where the result has at most as many elements as the argument, as
    `jacfwd` where it has more; the function is then evaluated twice.

    Examples
    --------
    >>> import numpy, autograd_core as ag
    >>> x = numpy.asarray([1.0, 2.0, 3.0])
    >>> print(ag.jacobian(lambda x: {"sum": ag.ops.sum(x), "square": x[:1] ** 2})(x))
    {'square': array([[2., 0., 0.]]), 'sum': array([1., 1., 1.])}
    """
    compute = partial(_by_shape, has_aux, holomorphic)
    name = "jacobian"
    return _operator(name, function, argnums, argnames, has_aux, chunk_size, compute)


def hessian(
    function: Function,
    argnums: Argnums | None = None,
    *,
    argnames: Argnames | None = None,
    has_aux: bool = False,
    chunk_size: int | None = None,
) -> Function:
    r"""Make the function that evaluates a Hessian, forward over reverse.

    :math:`H_{ij} = \partial^2 y / \partial x_i \partial x_j`. The gradient is evaluated
    once, with all tangents in one batch.

    Parameters
    ----------
    function
        A function of pytrees of real arrays that returns a 0-d array; or a pytree of
        arrays of any shape, each element of which then has its Hessian.
    argnums, argnames, has_aux, chunk_size
        As in `jacrev`; the chunks are of columns.

    Returns
    -------
    callable
        Of the same arguments; returns a pytree like the argument, in which each array
        ``x`` is replaced by a pytree like the argument, in which each array ``z`` is
        replaced by one of shape ``(*x.shape, *z.shape)``.

    Raises
    ------
    TypeError, ValueError
        As `jacrev` and `jacfwd` do.

    Examples
    --------
    >>> import numpy, autograd_core as ag
    >>> print(ag.hessian(lambda x: ag.ops.prod(x) ** 2)(numpy.asarray([1.0, 2.0])))
    [[8. 8.]
     [8. 2.]]
    """
    compute = partial(_of_gradient, has_aux)
    name = "hessian"
    return _operator(name, function, argnums, argnames, has_aux, chunk_size, compute)


# ------------------------------------------------------------------ what they share

Compute = Callable[[Chosen, int | None], tuple[Any, Any]]
"""From the chosen arguments, and how many directions to take at a time, to the result
and what the function returned beside its own."""


def _operator(
    name: str,
    function: Function,
    argnums: Argnums | None,
    argnames: Argnames | None,
    has_aux: bool,
    chunk_size: int | None,
    compute: Compute,
) -> Function:
    """Make the function of all arguments that computes something of the chosen ones."""
    selection = Selection(name, function, argnums, argnames)
    step = _step(name, chunk_size)

    @wraps(function)
    def evaluate(*arguments: Any, **keywords: Any) -> Any:
        result, aux = compute(selection.of(arguments, keywords), step)
        return (result, aux) if has_aux else result

    return evaluate


def _by_rows(
    has_aux: bool, holomorphic: bool, chosen: Chosen, step: int | None
) -> tuple[Any, Any]:
    trace, y, aux = _traced(chosen, chosen.primals, has_aux)
    return _rows(trace, y, chosen, holomorphic, step), aux


def _by_columns(
    has_aux: bool, holomorphic: bool, chosen: Chosen, step: int | None
) -> tuple[Any, Any]:
    return _columns(chosen, chosen.function, has_aux, holomorphic, step)


def _by_shape(
    has_aux: bool, holomorphic: bool, chosen: Chosen, step: int | None
) -> tuple[Any, Any]:
    trace, y, aux = _traced(chosen, chosen.primals, has_aux)
    rows = sum(map(_size, pytree.flatten(y)[0]))
    if rows <= sum(map(_size, trace.primals)):
        return _rows(trace, y, chosen, holomorphic, step), aux
    del trace
    return _by_columns(has_aux, holomorphic, chosen, step)


def _of_gradient(has_aux: bool, chosen: Chosen, step: int | None) -> tuple[Any, Any]:
    return _columns(chosen, _gradient(chosen, has_aux), has_aux, False, step)


# ------------------------------------------------------------------ rows and columns


def _step(name: str, chunk_size: int | None) -> int | None:
    if chunk_size is not None:
        rule = "chunk_size is a number of directions, at least 1"
        require_count(name, rule, chunk_size, 1, "Leave it out to take all at once.")
    return chunk_size


def _size(x: Any) -> int:
    return math.prod(getattr(x, "shape", ()))


def _traced(
    chosen: Chosen, primals: Sequence[Pytree], has_aux: bool = False
) -> tuple[Trace, Pytree, Any]:
    """Evaluate the function for reverse mode."""
    selection = chosen.selection
    return traced(
        selection.transform,
        chosen.function,
        primals,
        has_aux,
        named=selection.function,
        places=chosen.places,
        beside=chosen.beside,
    )


def _gradient(chosen: Chosen, has_aux: bool = False, scalar: bool = False) -> Function:
    """Return the function of primals that evaluates the gradient, or the Jacobian."""

    def gradient(*primals: Pytree) -> Pytree:
        trace, y, aux = _traced(chosen, primals, has_aux)
        if scalar:
            require_scalar(trace.name, y, holomorphic=False)
        result = _rows(trace, y, chosen, False, None)
        return (result, aux) if has_aux else result

    return gradient


def _rows(
    trace: Trace, y: Pytree, chosen: Chosen, holomorphic: bool, step: int | None
) -> Pytree:
    """Return the Jacobian of what was traced, from pullbacks of all unit vectors."""
    outputs, structure = pytree.flatten(y)
    _require_kinds(trace.name, outputs, "the result", holomorphic)
    if holomorphic:
        _require_kinds(trace.name, trace.primals, "an argument", holomorphic)

    def row(*ts: Array) -> list[Array]:
        seeds = trace.seeds(pytree.unflatten(structure, ts))
        found = pytree.flatten(trace.gradients(sweep(seeds)))[0]
        return [conjugate_of(x) for x in found] if holomorphic else found

    if [tuple(x.shape) for x in outputs] == [()]:
        table = [row(filled_like(outputs[0], 1.0))]
    else:
        rows = _joined(_mapped(row, outputs, step), axis=0)
        columns = [_split(x, outputs, axis=0) for x in rows]
        table = [[part[k] for part in columns] for k in range(len(outputs))]
    each = [_packed(trace.structures, entries, chosen) for entries in table]
    return pytree.unflatten(structure, each)


def _columns(
    chosen: Chosen,
    function: Function,
    has_aux: bool,
    holomorphic: bool,
    step: int | None,
) -> tuple[Pytree, Any]:
    """Return the Jacobian from the tangents along all unit vectors, and the rest."""
    name = chosen.selection.transform
    leaves, structures = chosen.flatten()
    _require_kinds(name, leaves, "an argument", holomorphic)
    rest: list[Any] = []
    out = pytree.LEAF

    def column(*directions: Array) -> list[Array]:
        nonlocal out
        y, y_dot, aux = push(name, function, structures, leaves, directions, has_aux)
        rest[:] = pytree.map(partial(_of_one, directions), (pytree.flatten(y)[0], aux))
        found, out = pytree.flatten(y_dot)
        return found

    if [tuple(x.shape) for x in leaves] == [()]:
        table = [[y_dot] for y_dot in column(filled_like(leaves[0], 1.0))]
    else:
        columns = _joined(_mapped(column, leaves, step), axis=-1)
        table = [_split(x, leaves, axis=-1) for x in columns]
    outputs, aux = rest
    for y in outputs:
        if not is_differentiable(y):
            raise not_floating(name, "the result", y)
    each = [_packed(structures, entries, chosen) for entries in table]
    return pytree.unflatten(out, each), aux


def _of_one(directions: Sequence[Array], y: Any) -> Any:
    """Return what is the same for all directions without their batch, if it has it."""
    batches = [x.world.level for x in directions if isinstance(x, Batched)][:1]
    here = isinstance(y, Batched) and y.world.level in batches
    return y.value[0, ...] if here else y


def _mapped(
    function: Function, leaves: Sequence[Array], step: int | None
) -> Iterator[list[Array]]:
    """Yield the results of a function of unit vectors, a chunk of them at a time."""
    total = sum(map(_size, leaves))
    step = min(step or total, total) or 1
    for start in range(0, max(total, 1), step):
        stop = min(start + step, total)
        mapped = vmap(function, axis_size=stop - start)  # there may be no leaves
        yield mapped(*_units(leaves, start, stop))


def _units(leaves: Sequence[Array], start: int, stop: int) -> Iterator[Array]:
    """Yield the part of each leaf of some unit vectors in the space of all of them."""
    offset = 0
    for x in leaves:
        raw, size, shape = lowest(x), _size(x), tuple(x.shape)
        xp = backend.backend_of(raw)
        ones = xp.eye(
            stop - start,
            size,
            k=start - offset,
            dtype=raw.dtype,
            device=xp.device_of(raw),
        )
        yield xp.reshape(ones, (stop - start, *shape))
        offset += size


def _joined(chunks: Iterator[list[Array]], axis: int) -> list[Array]:
    """Return what the chunks give as one array each, directions along an axis."""
    each = [[_moved(x, axis) for x in chunk] for chunk in chunks]
    if len(each) == 1:
        return each[0]
    columns = map(list, zip(*each, strict=True))
    return [namespace_of(*parts).concat(parts, axis=axis) for parts in columns]


def _moved(x: Array, axis: int) -> Array:
    return x if axis == 0 or x.ndim == 1 else namespace_of(x).moveaxis(x, 0, axis)


def _split(x: Array, leaves: Sequence[Array], axis: int) -> list[Array]:
    """Return the part of the directions that belongs to each leaf, in its shape."""
    xp, parts, start = namespace_of(x), [], 0
    for leaf in leaves:
        stop, shape = start + _size(leaf), tuple(leaf.shape)
        key = (slice(start, stop), ...) if axis == 0 else (..., slice(start, stop))
        rest = tuple(x.shape[1:]) if axis == 0 else tuple(x.shape[:-1])
        whole = (*shape, *rest) if axis == 0 else (*rest, *shape)
        part = x if len(leaves) == 1 else xp.getitem(x, key=key)
        parts.append(xp.reshape(part, whole))
        start = stop
    return parts


def _packed(
    structures: Sequence[pytree.Structure], leaves: Sequence[Array], chosen: Chosen
) -> Pytree:
    """Return leaves as the arguments they belong to, packed as the user asked."""
    rest = iter(leaves)
    return chosen.pack([pytree.unflatten(structure, rest) for structure in structures])


def _require_kinds(
    name: str, leaves: Sequence[Any], what: str, holomorphic: bool
) -> None:
    """Raise unless all are real, or complex where the derivative shall be."""
    for x in leaves:
        if not is_differentiable(x):
            raise not_floating(name, what, x)
        if is_complex(x) is not holomorphic:
            raise error(
                TypeError,
                name,
                f"{what} must be complex where holomorphic=True"
                if holomorphic
                else f"{what} must be real",
                describe(x),
                "Leave holomorphic out for real functions."
                if holomorphic
                else "Say holomorphic=True for a complex derivative, or take the real "
                "and the imaginary part.",
            )


# ------------------------------------------------------------------ made of these


def hvp(
    function: Function, primals: Sequence[Pytree], tangents: Sequence[Pytree]
) -> Pytree:
    r"""Return the product of a Hessian with a vector, :math:`H v`, without the Hessian.

    Forward over reverse: the tangent of the gradient, for about the cost of two
    gradients.

    Parameters
    ----------
    function
        A function of pytrees of arrays that returns a 0-d array.
    primals
        A tuple: where to evaluate it, all its arguments.
    tangents
        A tuple like the primals: the vector.

    Returns
    -------
    pytree
        Like the one primal; where there are several a tuple, one part for each.

    Raises
    ------
    TypeError, ValueError
        As `jvp` and `grad` do.

    Examples
    --------
    >>> import numpy, autograd_core as ag
    >>> x, v = numpy.asarray([1.0, 2.0]), numpy.asarray([1.0, 0.0])
    >>> ag.hvp(lambda x: ag.ops.prod(x) ** 2, (x,), (v,))
    array([8., 8.])
    """
    name = "hvp"
    require_function(name, function, "where to evaluate it")
    require_tuples(name, primals, tangents)
    argnums = 0 if len(primals) == 1 else tuple(range(len(primals)))
    chosen = Selection(name, function, argnums, None).of(tuple(primals), {})
    leaves, structures = chosen.flatten()
    directions = flatten_tangents(name, structures, leaves, tangents)
    gradient = _gradient(chosen, scalar=True)
    return push(name, gradient, structures, leaves, directions)[1]


def elementwise_grad(
    function: Function,
    argnums: Argnums | None = None,
    *,
    argnames: Argnames | None = None,
) -> Function:
    """Make the function that evaluates the derivative of each element of a result.

    For functions whose result depends element by element on the argument: the gradient
    of the sum of the result. Of any other function it is the sum of the Jacobian over
    the result's elements.

    Parameters
    ----------
    function
        A function of pytrees of arrays that returns a pytree of arrays.
    argnums, argnames
        As in `value_and_grad`.

    Raises
    ------
    TypeError, ValueError
        As `value_and_grad` does, but for the shape of the result.

    Examples
    --------
    >>> import numpy, autograd_core as ag
    >>> print(ag.elementwise_grad(ag.ops.square)(numpy.asarray([1.0, 2.0])))
    [2. 4.]
    """
    name = "elementwise_grad"
    return _operator(name, function, argnums, argnames, False, None, _of_ones)


def _of_ones(chosen: Chosen, step: int | None) -> tuple[Any, None]:
    trace, y, _ = _traced(chosen, chosen.primals)
    outputs, structure = pytree.flatten(y)
    _require_kinds(trace.name, outputs, "the result", False)
    ones = [filled_like(x, 1.0) for x in outputs]
    seeds = trace.seeds(pytree.unflatten(structure, ones))
    return chosen.pack(trace.gradients(sweep(seeds))), None


def derivative(function: Function, order: int = 1) -> Function:
    r"""Make the function that evaluates :math:`d^n f / dx^n` of a function of a scalar.

    Forward mode, nested as often as the order says: each order costs two to three times
    the one before.

    Parameters
    ----------
    function
        Of a 0-d array or a float and any other arguments, in which it is not
        differentiated; returns a pytree of arrays of any shape.
    order
        How often to differentiate, from 0 on.

    Raises
    ------
    ValueError
        If the order is negative.
    TypeError
        If the first argument is no 0-d array of floats; map it with `vmap`, or use
        `jacfwd`.

    Examples
    --------
    >>> import autograd_core as ag
    >>> print([float(ag.derivative(ag.ops.exp, n)(0.0)) for n in range(4)])
    [1.0, 1.0, 1.0, 1.0]
    """
    rule = "the order is a number of times, from 0 on"
    require_count("derivative", rule, order, 0, "Give 1 for the first derivative.")
    require_function("derivative", function)
    if order == 0:
        return function
    lower = derivative(function, order - 1)

    @wraps(function)
    def evaluate(x: Any, *arguments: Any, **keywords: Any) -> Pytree:
        name = "derivative"
        leaves, structures = flatten_primals(name, function, (x,), None, arguments)
        if [tuple(leaf.shape) for leaf in leaves] != [()]:
            raise error(
                TypeError,
                name,
                "the first argument must be a number or a 0-d array",
                describe(x),
                "Map it over the elements with vmap, or use jacfwd.",
            )

        def of_x(x: Array) -> Pytree:
            return lower(x, *arguments, **keywords)

        directions = [filled_like(leaves[0], 1.0)]
        return push(name, of_x, structures, leaves, directions)[1]

    return evaluate


def laplacian(
    function: Function,
    argnums: Argnums | None = None,
    *,
    argnames: Argnames | None = None,
    chunk_size: int | None = None,
) -> Function:
    r"""Make the function that evaluates :math:`\sum_i \partial^2 y / \partial x_i^2`.

    The trace of the Hessian, which is never held as a whole: its columns come in
    chunks, of which the diagonal is added up.

    Parameters
    ----------
    function
        A function of pytrees of real arrays that returns a 0-d array.
    argnums, argnames
        As in `value_and_grad`; of several arguments the sum over all.
    chunk_size
        At most so many columns at a time; by default all.

    Raises
    ------
    TypeError, ValueError
        As `hessian` does; also if the result is no 0-d array.

    Examples
    --------
    >>> import numpy, autograd_core as ag
    >>> print(ag.laplacian(lambda x: ag.ops.sum(x**3))(numpy.asarray([1.0, 2.0])))
    18.0
    """
    name = "laplacian"
    return _operator(
        name, function, argnums, argnames, False, chunk_size, _diagonal_sum
    )


def _diagonal_sum(chosen: Chosen, step: int | None) -> tuple[Array, None]:
    """Return the trace of the Hessian."""
    name = chosen.selection.transform
    leaves, structures = chosen.flatten()
    _require_kinds(name, leaves, "an argument", False)
    gradient = _gradient(chosen, scalar=True)

    def second(*directions: Array) -> list[Array]:
        _, columns, _ = push(name, gradient, structures, leaves, directions)
        pairs = zip(pytree.flatten(columns)[0], directions, strict=True)
        return [column * t for column, t in pairs]

    parts = [x for chunk in _mapped(second, leaves, step) for x in chunk]
    total = _total([namespace_of(x).sum(x) for x in parts])
    return hand_out([total])[0], None


def _total(parts: list[Array]) -> Any:
    """Return a sum; that of nothing is the number 0.0."""
    return reduce(add, parts) if parts else 0.0
