"""Reverse mode: the walk back over the graph, and the transforms made of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, wraps
from heapq import heapify, heappop, heappush
from typing import Any, TypeAlias

from autograd_core import backend, pytree, tensor
from autograd_core.errors import describe, error
from autograd_core.tensor import (
    Array,
    Leaf,
    Level,
    Node,
    Tensor,
    Tracked,
    is_differentiable,
    leaf_of,
    lowest,
    not_floating,
    track,
)

Pytree: TypeAlias = Any
Argnums: TypeAlias = int | Sequence[int]


def sweep(cotangents: dict[Node, Array]) -> dict[Node, Array]:
    """Carry cotangents from nodes back to the leaves they came from.

    Ids grow in order of creation, so a heap on them visits every node after all that
    was computed from it: no marks, no recursion, no topological sort. Residuals and
    cotangents are let go as the walk passes. A sum made here is added to in place; what
    a rule returned may be a view, or the cotangent itself, and is not.

    Parameters
    ----------
    cotangents
        Nodes and their cotangents; consumed.

    Returns
    -------
    dict
        The leaves that were reached, with cotangents that nobody else holds.
    """
    heap = [(-node.id, node) for node in cotangents]
    heapify(heap)
    sums: set[Node] = set()
    while heap:
        node = heappop(heap)[1]
        if not node.edges:
            continue
        t = cotangents.pop(node)
        sums.discard(node)
        xp = tensor.operations if isinstance(t, Tracked) else node.xp
        for edge in node.edges:
            parent = edge[0]
            term = edge[1](xp, t, *edge[2:])
            if parent not in cotangents:
                cotangents[parent] = term
                heappush(heap, (-parent.id, parent))
            elif parent in sums and not isinstance(term, Tracked):
                cotangents[parent] += term
            else:
                cotangents[parent] = total = cotangents[parent] + term
                if not isinstance(total, Tracked):
                    sums.add(parent)
                del total
        del edge, parent, term, t
    for leaf in list(cotangents):
        if not isinstance(cotangents[leaf], Tracked):
            cotangents[leaf] = leaf.xp.unshared(cotangents.pop(leaf))
    return cotangents


def backward(y: Tensor, cotangent: Array | None) -> None:
    """Do what `Tensor.backward` says."""
    level = y.world.level
    if level.number != 0:
        raise error(
            TypeError,
            "backward",
            f"belongs to eager Tensors, and this one belongs to {level.name}",
            describe(y),
            "Inside a transform use autograd_core.grad or vjp.",
        )
    if cotangent is None:
        cotangent = ones_like(y.value)
    else:
        like = Like(y.value)
        cotangent = lowest(fitting("backward", "the cotangent", cotangent, like))
    for leaf, grad in sweep({y.node: cotangent}).items():
        assert isinstance(leaf, Leaf)
        leaf.grad = grad


def ones_like(x: Array) -> Array:
    """Return ones of an array's shape, dtype, device and library; never tracked."""
    raw = lowest(x)
    xp = backend.backend_of(raw)
    return xp.ones(x.shape, dtype=raw.dtype, device=xp.device_of(raw))


def zeros_like(x: Array) -> Array:
    """Return zeros of an array's shape, dtype, device and library; never tracked."""
    raw = lowest(x)
    xp = backend.backend_of(raw)
    return xp.zeros(x.shape, dtype=raw.dtype, device=xp.device_of(raw))


class Like:
    """What a tangent or cotangent must agree in with its primal."""

    __slots__ = ("dtype", "library", "shape")

    def __init__(self, x: Array) -> None:
        raw = lowest(x)
        self.shape = tuple(x.shape)
        self.dtype = raw.dtype
        self.library = backend.backend_of(raw)

    def fits(self, x: Array) -> bool:
        """Say whether an array is of this library, shape and dtype."""
        raw = lowest(x)
        return bool(
            backend.backend_of(raw) is self.library
            and tuple(x.shape) == self.shape
            and raw.dtype == self.dtype
        )


def fitting(operation: str, what: str, given: Any, like: Like) -> Array:
    """Return a tangent or cotangent if it fits its primal, else raise.

    A Python float fits a 0-d primal.
    """
    if type(given) is float and like.shape == ():
        return like.library.asarray(given, dtype=like.dtype)
    raw = lowest(given)
    is_array = backend.is_array(raw)
    if not is_array or not like.fits(given):
        of = f" of {backend.backend_of(raw)}" if is_array else ""
        raise error(
            ValueError if is_array else TypeError,
            operation,
            f"{what} must be like its primal, {describe(like)} of {like.library}",
            describe(given) + of,
            "Give an array of that shape, dtype and library.",
        )
    return given


# ------------------------------------------------------------------ arguments


def flatten_primals(
    transform: str,
    names: Sequence[str],
    primals: Sequence[Pytree],
    beside: Sequence[Pytree] = (),
) -> tuple[list[Array], list[pytree.Structure]]:
    """Return the leaves of all primals as arrays, and the structure of each.

    A Python float becomes an array like the first array of floats among the primals
    and what is given beside them, or of the default backend. What cannot be
    differentiated raises, naming the argument and the path in it.
    """
    leaves: list[Array] = []
    structures = []
    for name, primal in zip(names, primals, strict=True):
        found, structure = pytree.flatten(primal)
        structures.append(structure)
        for k, x in enumerate(found):
            if type(x) is float:
                x = _float_like((primals, beside), x)
            elif not is_differentiable(x):
                path = list(pytree.paths(structure))[k]
                raise _not_differentiable(transform, f"argument {name}{path}", x)
            leaves.append(x)
    return leaves, structures


def _float_like(trees: Pytree, x: float) -> Array:
    """Return a float as an array of the library, dtype and device of its company."""
    for other in pytree.flatten(trees)[0]:
        if is_differentiable(other):
            raw = lowest(other)
            xp = backend.backend_of(raw)
            return xp.asarray(x, dtype=raw.dtype, device=xp.device_of(raw))
    return backend.get_backend().asarray(x)


def _not_differentiable(transform: str, what: str, x: Any) -> Exception:
    if isinstance(x, Tracked) or backend.is_array(x):
        return not_floating(transform, what, x)
    return error(
        TypeError,
        transform,
        f"{what} must be an array of floats, or a pytree of them",
        describe(x),
        "Give 2.0 for 2, convert lists with autograd_core.ops.asarray, and leave other "
        "things out of argnums.",
    )


def unflatten_each(
    structures: Sequence[pytree.Structure], leaves: Sequence[Any]
) -> tuple[Pytree, ...]:
    """Undo `flatten_primals`."""
    rest = iter(leaves)
    return tuple(pytree.unflatten(structure, rest) for structure in structures)


def lower_output(level: Level, y: Any) -> Any:
    """Return a result without this level, refusing what an inner transform leaked."""
    if isinstance(y, Tracked):
        of = y.world.level
        if of is level:
            return y.value
        if not of.open:
            raise error(
                ValueError,
                level.name,
                f"the function returned what was kept from a call of {of.name} that "
                "has ended",
                describe(y),
                "Return it from the inner function instead of storing it.",
            )
    return y


# ------------------------------------------------------------------ transforms


def vjp(
    function: Callable[..., Pytree], *primals: Pytree, has_aux: bool = False
) -> tuple[Any, ...]:
    r"""Evaluate a function and return its pullback, :math:`\bar y \mapsto J^T \bar y`.

    Parameters
    ----------
    function
        A function of pytrees of arrays that returns a pytree of arrays.
    *primals
        Where to evaluate it: arrays of real floating-point dtype or pytrees of them.
    has_aux
        Whether the function returns a pair, the second part of which is not
        differentiated.

    Returns
    -------
    y
        What the function returned, as arrays of the primals' library.
    pullback
        A function from a cotangent, a pytree like ``y``, to a tuple of cotangents, one
        for each primal, each of its primal's structure, shapes, dtypes and library. It
        may be called any number of times, and may itself be differentiated.
    aux
        With ``has_aux`` only.

    Raises
    ------
    TypeError
        If a primal is an integer, or no array.
    ValueError
        From the pullback: if the cotangent is not like ``y``, or if memory was written
        to that the function had used.

    Examples
    --------
    >>> import numpy, autograd_core as ag
    >>> y, pullback = ag.vjp(lambda x: x * x, numpy.asarray([1.0, 2.0]))
    >>> pullback(numpy.asarray([1.0, 10.0]))
    (array([ 2., 40.]),)

    The pullback returns a tuple, for a single primal too:

    >>> (x_bar,) = pullback(numpy.asarray([1.0, 0.0]))
    """
    names = [str(k) for k in range(len(primals))]
    y, pull, aux = _vjp("vjp", function, names, primals, has_aux)
    return (y, pull, aux) if has_aux else (y, pull)


def _vjp(
    name: str,
    function: Callable[..., Pytree],
    argument_names: Sequence[str],
    primals: Sequence[Pytree],
    has_aux: bool,
    beside: Sequence[Pytree] = (),
    once: bool = False,
) -> tuple[Pytree, Callable[[Pytree], tuple[Pytree, ...]], Any]:
    leaves, structures = flatten_primals(name, argument_names, primals, beside)
    with Level(name, forward=False) as level:
        tracked = [track(x, level) for x in leaves]
        nodes = [leaf_of(x.node) for x in tracked]
        y = function(*unflatten_each(structures, tracked))
        del tracked
        aux = None
        if has_aux:
            y, aux = require_pair(name, y)
            aux = pytree.map(partial(lower_output, level), aux)
        outputs, out_structure = pytree.flatten(y)
        values = [lower_output(level, x) for x in outputs]
        roots = [_root(level, x) for x in outputs]
    del y, outputs
    likes = [Like(x) if root else None for root, x in zip(roots, values, strict=True)]

    def pullback(cotangent: Pytree) -> tuple[Pytree, ...]:
        given, structure = pytree.flatten(cotangent)
        if structure != out_structure:
            raise error(
                ValueError,
                f"{name}: pullback",
                f"the cotangent must have the structure of the result, {out_structure}",
                str(structure),
                "Give one cotangent for each array of the result.",
            )
        seeds: dict[Node, Array] = {}
        for root, like, t in zip(roots, likes, given, strict=True):
            if root is not None and like is not None:
                t = fitting(f"{name}: pullback", "the cotangent", t, like)
                seeds[root] = seeds[root] + t if root in seeds else t
        if once:  # nothing but the walk holds the graph, which it lets go as it passes
            roots.clear()
            root = None
        reached = sweep(seeds)
        grads = [
            reached[node] if node in reached else zeros_like(x)
            for node, x in zip(nodes, leaves, strict=True)
        ]
        return unflatten_each(structures, grads)

    return pytree.unflatten(out_structure, hand_out(values)), pullback, aux


def hand_out(values: list[Any]) -> list[Any]:
    """Empty a list of results into one for the user, who may write to them.

    What a rule may still read, or belongs to the user already, is copied.
    """
    results = []
    while values:
        last = values[-1]
        raw = backend.is_array(last) and not isinstance(last, Tracked)
        xp = backend.backend_of(last) if raw else None
        del last
        results.append(xp.unshared(values.pop()) if xp else values.pop())
    return results[::-1]


def _root(level: Level, y: Any) -> Node | None:
    """Return the node of a result of this level, None for a constant."""
    return y.node if isinstance(y, Tensor) and y.world.level is level else None


def require_pair(transform: str, y: Any) -> tuple[Any, Any]:
    """Return the two parts of what a function with an auxiliary result returned."""
    if not (isinstance(y, tuple) and len(y) == 2):
        raise error(
            TypeError,
            transform,
            "with has_aux=True the function returns a pair (result, auxiliary)",
            describe(y),
            "Return two things, or leave has_aux out.",
        )
    return y


def value_and_grad(
    function: Callable[..., Any], argnums: Argnums = 0, *, has_aux: bool = False
) -> Callable[..., tuple[Any, Pytree]]:
    """Make the function that evaluates a scalar function and its gradient.

    Parameters
    ----------
    function
        A function of pytrees of arrays that returns a 0-d array of floats.
    argnums
        Which positional argument to differentiate with respect to, or a sequence of
        them; negative numbers count from the end.
    has_aux
        Whether the function returns a pair, the second part of which is not
        differentiated.

    Returns
    -------
    callable
        Of the same arguments; returns ``(value, gradient)``, or ``((value, aux),
        gradient)`` with ``has_aux``. The gradient has the structure, shapes, dtypes,
        device and library of the argument; with a sequence for `argnums` it is a tuple.

    Raises
    ------
    TypeError
        If an argument is an integer, or no array; if the result is not a 0-d array.
    ValueError
        If `argnums` names an argument that is not given.

    Notes
    -----
    At a kink the gradient is a member of the subdifferential; docs/mathematics.md has
    the table.

    Examples
    --------
    >>> import numpy, autograd_core as ag
    >>> f = lambda w, x: ag.ops.sum((w["scale"] * x) ** 2)
    >>> value, grad = ag.value_and_grad(f)({"scale": 2.0}, numpy.asarray([1.0, 3.0]))
    >>> print(value, grad)
    40.0 {'scale': array(40.)}
    """
    return _value_and_grad("value_and_grad", function, argnums, has_aux)


def grad(
    function: Callable[..., Any], argnums: Argnums = 0, *, has_aux: bool = False
) -> Callable[..., Pytree]:
    """Make the function that evaluates the gradient of a scalar function.

    As `value_and_grad`, without the value: returns the gradient, or ``(gradient, aux)``
    with ``has_aux``. The gradient of a gradient is a second derivative, and so on.

    Examples
    --------
    >>> import autograd_core as ag
    >>> f = lambda x: x**3
    >>> print(ag.grad(f)(2.0), ag.grad(ag.grad(f))(2.0))
    12.0 12.0
    """
    both = _value_and_grad("grad", function, argnums, has_aux)

    @wraps(function)
    def gradient(*arguments: Any, **keywords: Any) -> Pytree:
        value, result = both(*arguments, **keywords)
        return (result, value[1]) if has_aux else result

    return gradient


def _value_and_grad(
    name: str, function: Callable[..., Any], argnums: Argnums, has_aux: bool
) -> Callable[..., tuple[Any, Pytree]]:
    many = not isinstance(argnums, int)
    numbers = tuple(argnums) if not isinstance(argnums, int) else (argnums,)

    @wraps(function)
    def evaluate(*arguments: Any, **keywords: Any) -> tuple[Any, Pytree]:
        chosen = _positions(name, numbers, len(arguments))

        def of_chosen(*primals: Any) -> Any:
            full = list(arguments)
            for position, primal in zip(chosen, primals, strict=True):
                full[position] = primal
            return function(*full, **keywords)

        y, pullback, aux = _vjp(
            name,
            of_chosen,
            [str(position) for position in chosen],
            [arguments[position] for position in chosen],
            has_aux,
            beside=(arguments, keywords),
            once=True,
        )
        _require_scalar(name, y)
        grads = pullback(ones_like(y))
        return (y, aux) if has_aux else y, grads if many else grads[0]

    return evaluate


def _positions(transform: str, numbers: Sequence[int], count: int) -> list[int]:
    """Return which positional arguments `argnums` names, counted from the front."""
    positions = [number + count if number < 0 else number for number in numbers]
    rule = ""
    if not all(0 <= position < count for position in positions):
        rule = f"argnums must name one of the {count} positional arguments"
    elif len(set(positions)) < len(positions):
        rule = "argnums must name each argument once"
    if rule:
        got = numbers[0] if len(numbers) == 1 else tuple(numbers)
        remedy = "Pass the arguments to differentiate by position."
        raise error(ValueError, transform, rule, f"argnums={got}", remedy)
    return positions


def _require_scalar(transform: str, y: Any) -> None:
    if not (isinstance(y, Tracked) or backend.is_array(y)) or tuple(y.shape) != ():
        raise error(
            TypeError,
            transform,
            "the function must return a 0-d array of floats",
            describe(y),
            "Reduce the result with sum or mean, or use vjp for a result of many "
            "elements.",
        )
    if not is_differentiable(y):
        raise not_floating(transform, "the result", y)


def stop_gradient(x: Pytree) -> Pytree:
    """Return the raw arrays of a pytree: constants, for every open transform.

    Examples
    --------
    >>> import autograd_core as ag
    >>> print(ag.grad(lambda x: x * ag.stop_gradient(x))(3.0))
    3.0
    """
    return pytree.map(lowest, x)
