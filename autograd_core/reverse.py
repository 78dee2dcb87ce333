"""Reverse mode: the walk back over the graph, and the transforms made of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from heapq import heapify, heappop, heappush
from typing import Any

from autograd_core import backend, pytree, tensor
from autograd_core.edges import carried, conjugate
from autograd_core.errors import describe, error
from autograd_core.graph import Array, Leaf, Level, Node, before_derivatives
from autograd_core.masks import Masked, joined, plain
from autograd_core.operation import registry
from autograd_core.tensor import (
    Tensor,
    Tracked,
    is_array,
    is_complex,
    is_differentiable,
    is_recorded,
    leaf_of,
    lowest,
    namespace_of,
    not_floating,
    require_open,
    stopped,
    track,
)
from autograd_core.transform import (
    Argnames,
    Argnums,
    Like,
    Place,
    Pytree,
    Selection,
    auxiliary,
    filled_like,
    fitting,
    flatten_primals,
    hand_out,
    lower_output,
    require_pair,
    unflatten_each,
)


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
    last: Any = None  # the namespace of the node before
    apply_rule: Any = None
    while heap:
        node = heappop(heap)[1]
        if not node.edges:
            continue
        t = cotangents.pop(node)
        if sums:
            sums.discard(node)
        masked = type(t) is Masked
        xp = (
            tensor.operations
            if isinstance(t.value if masked else t, Tracked)
            else node.xp
        )
        if xp is not last:
            last, apply_rule = xp, getattr(xp, "apply_rule", None)
        special = masked or apply_rule is not None
        try:
            for edge in node.edges:
                parent = edge[0]
                if special:
                    rule = carried if masked else apply_rule
                    term = rule(xp, t, node.operation, *edge[1:])
                elif len(edge) == 3:  # the common case, worth a tenth of the walk
                    term = edge[1](xp, t, edge[2])
                else:
                    term = edge[1](xp, t, *edge[2:])
                if parent not in cotangents:
                    cotangents[parent] = term
                    heappush(heap, (-parent.id, parent))
                elif type(term) is Masked or type(cotangents[parent]) is Masked:
                    cotangents[parent] = joined(cotangents[parent], term)
                    sums.discard(parent)
                elif parent in sums and not isinstance(term, Tracked):
                    cotangents[parent] += term
                else:
                    if apply_rule is None:
                        total = cotangents[parent] + term
                    else:
                        total = xp.sum_of(cotangents[parent], term)
                    cotangents[parent] = total
                    if not isinstance(total, Tracked):
                        sums.add(parent)
                    del total
        except Exception as cause:
            cause.add_note(f"in the backward pass of {node.operation}")
            raise
        del edge, parent, term, t
    for leaf in list(cotangents):
        cotangents[leaf] = plain(cotangents[leaf])
        require_shape(leaf, cotangents[leaf])
        require_open("backward pass", cotangents[leaf])
        if not isinstance(cotangents[leaf], Tracked):
            cotangents[leaf] = leaf.xp.unshared(cotangents.pop(leaf))
    return cotangents


def require_shape(leaf: Node, t: Array) -> None:
    """Raise if the rules on the way have led to a cotangent of another shape."""
    if isinstance(leaf, Leaf) and tuple(t.shape) != leaf.shape:
        raise error(
            ValueError,
            "backward pass",
            f"a rule gave a cotangent of another shape than its primal, {leaf.shape}",
            describe(t),
            "Correct the rule of one of the operations applied to that primal.",
        )


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
        cotangent = filled_like(y.value, 1.0)
    else:
        like = Like(y.value)
        cotangent = lowest(fitting("backward", "the cotangent", cotangent, like))
    for leaf, grad in sweep({y.node: cotangent}).items():
        assert isinstance(leaf, Leaf)
        leaf.grad = grad


# ------------------------------------------------------------------ transforms


def vjp(
    function: Callable[..., Pytree], *primals: Pytree, has_aux: bool = False
) -> tuple[Any, ...]:
    r"""Evaluate a function and return its pullback, :math:`\bar y \mapsto J^T \bar y`.

    Of complex numbers the adjoint, :math:`\bar y \mapsto J^H \bar y`: real and
    imaginary part are two real numbers, and a cotangent pairs with a tangent as
    :math:`\mathrm{Re} \sum \overline{\bar y} \dot y`.

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
    trace, y, aux = traced("vjp", function, primals, has_aux, named=function)

    def pullback(cotangent: Pytree) -> tuple[Pytree, ...]:
        return trace.gradients(sweep(trace.seeds(cotangent)))

    return (y, pullback, aux) if has_aux else (y, pullback)


class Trace:
    """What a call left behind that its derivative needs.

    Attributes
    ----------
    primals, structures, leaves
        The arrays that were given, the structure of each argument, and their nodes.
    roots, likes, structure
        The nodes of the results (None for constants), what a cotangent of each must
        agree in, and the structure of the whole.
    """

    __slots__ = (
        "leaves",
        "likes",
        "name",
        "primals",
        "roots",
        "structure",
        "structures",
    )

    name: str
    primals: list[Array]
    structures: list[pytree.Structure]
    leaves: list[Leaf]
    roots: list[Node | None]
    likes: list[Like | None]
    structure: pytree.Structure

    def seeds(self, cotangent: Pytree) -> dict[Node, Array]:
        """Return the cotangent of each root, after a check that it fits."""
        given, structure = pytree.flatten(cotangent)
        if structure != self.structure:
            raise error(
                ValueError,
                f"{self.name}: pullback",
                "the cotangent must have the structure of the result, "
                f"{self.structure}",
                str(structure),
                "Give one cotangent for each array of the result.",
            )
        seeds: dict[Node, Array] = {}
        for root, like, t in zip(self.roots, self.likes, given, strict=True):
            if root is not None and like is not None:
                t = fitting(f"{self.name}: pullback", "the cotangent", t, like)
                seeds[root] = seeds[root] + t if root in seeds else t
        return seeds

    def gradients(self, reached: dict[Node, Array]) -> tuple[Pytree, ...]:
        """Return the cotangent of each argument, zeros for what was not reached."""
        pairs = zip(self.leaves, self.primals, strict=True)
        grads = [
            reached[leaf] if leaf in reached else filled_like(x, 0.0)
            for leaf, x in pairs
        ]
        return unflatten_each(self.structures, grads)


def traced(
    name: str,
    function: Callable[..., Pytree],
    primals: Sequence[Pytree],
    has_aux: bool,
    *,
    named: Callable[..., Any],
    places: Sequence[Place] | None = None,
    beside: Pytree = (),
) -> tuple[Trace, Pytree, Any]:
    """Evaluate a function on tracked arguments: the trace, the result, the rest."""
    trace = Trace()
    trace.name = name
    trace.primals, trace.structures = flatten_primals(
        name, named, primals, places, beside
    )
    with Level(name, forward=False) as level:
        tracked = [track(x, level) for x in trace.primals]
        trace.leaves = [leaf_of(x) for x in tracked]
        y = before_derivatives(function)(*unflatten_each(trace.structures, tracked))
        del tracked
        aux = None
        if has_aux:
            y, aux = require_pair(name, y)
            aux = auxiliary(level, aux)
        outputs, trace.structure = pytree.flatten(y)
        values = [lower_output(level, x) for x in outputs]
        trace.roots = [_root(level, x) for x in outputs]
    del y, outputs
    pairs = zip(trace.roots, values, strict=True)
    trace.likes = [Like(x) if root else None for root, x in pairs]
    return trace, pytree.unflatten(trace.structure, hand_out(values)), aux


def _root(level: Level, y: Any) -> Node | None:
    """Return the node of a result of this level, None for a constant."""
    return y.node if isinstance(y, Tensor) and y.world.level is level else None


def value_and_grad(
    function: Callable[..., Any],
    argnums: Argnums | None = None,
    *,
    argnames: Argnames | None = None,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., tuple[Any, Pytree]]:
    """Make the function that evaluates a scalar function and its gradient.

    Parameters
    ----------
    function
        A function of pytrees of arrays that returns a 0-d array of real numbers.
    argnums
        Which positional argument to differentiate with respect to, or a sequence of
        them; negative numbers count from the end. If neither `argnums` nor `argnames`
        is given, the first.
    argnames
        The same by the names of parameters, whether the call gives them by position or
        by keyword: one, or a sequence of them.
    has_aux
        Whether the function returns a pair, the second part of which is not
        differentiated.
    holomorphic
        Whether to return the complex derivative, for a function that has one; its
        result is then complex.

    Returns
    -------
    callable
        Of the same arguments; returns ``(value, gradient)``, or ``((value, aux),
        gradient)`` with ``has_aux``. The gradient has the structure, shapes, dtypes,
        device and library of the argument. It is a tuple, of the arguments in
        `argnums`, then of those in `argnames`, unless exactly one was named by an int
        or a str.

    Raises
    ------
    TypeError
        If an argument is an integer, or no array; if the result is not a 0-d array, or
        is complex without `holomorphic`; if `argnums` are no ints, `argnames` no strs.
    ValueError
        If `argnums` or `argnames` name an argument that is not there, or one twice.

    Notes
    -----
    At a kink the gradient is a member of the subdifferential; docs/mathematics.md has
    the table. With respect to complex arguments ``z = x + iy`` the gradient is ``df/dx
    + i df/dy``, the direction of steepest ascent.

    Examples
    --------
    >>> import numpy, autograd_core as ag
    >>> f = lambda w, x: ag.ops.sum((w["scale"] * x) ** 2)
    >>> value, grad = ag.value_and_grad(f)({"scale": 2.0}, numpy.asarray([1.0, 3.0]))
    >>> print(value, grad)
    40.0 {'scale': array(40.)}
    """
    selection = Selection("value_and_grad", function, argnums, argnames)
    return _value_and_grad(selection, has_aux, holomorphic)


def grad(
    function: Callable[..., Any],
    argnums: Argnums | None = None,
    *,
    argnames: Argnames | None = None,
    has_aux: bool = False,
    holomorphic: bool = False,
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
    >>> print(ag.grad(f, holomorphic=True)(2j))
    (-12+0j)
    >>> g = lambda x, *, scale: scale * x
    >>> print(ag.grad(g, argnames="scale")(3.0, scale=2.0))
    3.0
    """
    selection = Selection("grad", function, argnums, argnames)
    both = _value_and_grad(selection, has_aux, holomorphic)

    @wraps(function)
    def gradient(*arguments: Any, **keywords: Any) -> Pytree:
        value, result = both(*arguments, **keywords)
        return (result, value[1]) if has_aux else result

    return gradient


def _value_and_grad(
    selection: Selection, has_aux: bool, holomorphic: bool
) -> Callable[..., tuple[Any, Pytree]]:
    name, function = selection.transform, selection.function

    @wraps(function)
    def evaluate(*arguments: Any, **keywords: Any) -> tuple[Any, Pytree]:
        chosen = selection.of(arguments, keywords)
        trace, y, aux = traced(
            name,
            chosen.function,
            chosen.primals,
            has_aux,
            named=function,
            places=chosen.places,
            beside=chosen.beside,
        )
        require_scalar(name, y, holomorphic)
        seeds = trace.seeds(filled_like(y, 1.0))
        trace.roots.clear()  # only the walk holds the graph, and lets go as it passes
        grads = trace.gradients(sweep(seeds))
        if holomorphic:  # the conjugate of the direction of steepest ascent
            grads = pytree.map(conjugate_of, grads)
        return (y, aux) if has_aux else y, chosen.pack(grads)

    return evaluate


def conjugate_of(x: Array) -> Array:
    """Return the complex conjugate of an array; of a real one the array itself."""
    return conjugate(namespace_of(x), x)


def require_scalar(transform: str, y: Any, holomorphic: bool) -> None:
    """Raise unless a result has a gradient: one number, of the right kind."""
    if not is_array(y) or tuple(y.shape) != ():
        raise error(
            TypeError,
            transform,
            "the function must return a 0-d array of floats",
            describe(y),
            "Reduce the result with sum or mean, or use vjp or jacobian for a result "
            "of many elements.",
        )
    if not is_differentiable(y):
        raise not_floating(transform, "the result", y)
    if is_complex(y) is not holomorphic:
        raise error(
            TypeError,
            transform,
            "the function must return a complex number where holomorphic=True"
            if holomorphic
            else "the function must return a real number",
            describe(y),
            "Leave holomorphic out for a real function of complex numbers."
            if holomorphic
            else "Take abs or the real part of the result, say holomorphic=True for a "
            "complex derivative, or use vjp.",
        )


def stop_gradient(x: Pytree) -> Pytree:
    """Return the raw arrays of a pytree: constants, for every open transform.

    They may be written to: what a rule may still read is copied.

    Examples
    --------
    >>> import autograd_core as ag
    >>> print(ag.grad(lambda x: x * ag.stop_gradient(x))(3.0))
    3.0
    """
    return pytree.map(_stopped, x)


def _stopped(x: Any) -> Any:
    if not isinstance(x, Tracked):
        return x
    y = stopped(x)
    if is_recorded(y):
        return registry["stop_gradient"].function(y)
    return y if isinstance(y, Tracked) else backend.backend_of(y).unshared(y)
