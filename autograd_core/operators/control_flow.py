"""Loops and branches as functions: `scan`, `while_loop`, `cond` and others.

They run as Python's own do, and give what those cannot: under `vmap` a condition that
differs between examples, and in reverse mode a budget of memory. A loop whose steps are
checkpointed keeps the state at the beginning of each stretch of it, about ``sqrt(n)``
states for ``n`` steps; the backward pass runs one stretch after the other again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import pairwise, repeat
from operator import index
from typing import Any

from autograd_core import backend, pytree, tensor
from autograd_core.errors import describe, error
from autograd_core.graph import Array, NoValueError, recording
from autograd_core.operators.calls import Arrays, LinearRules, call
from autograd_core.operators.checkpointing import checkpoint as checkpointed
from autograd_core.operators.vmap import vmap
from autograd_core.reverse import stop_gradient
from autograd_core.tensor import (
    Batched,
    Recorded,
    Tracked,
    is_array,
    is_differentiable,
    lowest,
    namespace_of,
    stopped,
)
from autograd_core.transform import Pytree, require_count

Step = Callable[[Pytree, Pytree], tuple[Pytree, Pytree]]


# ------------------------------------------------------------------ a known number


def scan(
    f: Step,
    init: Pytree,
    xs: Pytree = None,
    length: int | None = None,
    *,
    reverse: bool = False,
    checkpoint: bool | int = False,
) -> tuple[Pytree, Pytree]:
    """Run a recurrence, ``carry, y = f(carry, x)``, over the first axis of arrays.

    Parameters
    ----------
    f
        Takes the carry and one element of ``xs``; returns the next carry, a pytree of
        the same structure, shapes and dtypes, and a result, a pytree or None.
    init
        The first carry.
    xs
        A pytree of arrays over whose first axis the loop goes; None where there is
        nothing to go over.
    length
        The number of steps; needed where ``xs`` has no arrays.
    reverse
        Whether to go from the last element to the first.
    checkpoint
        Whether the backward pass computes the steps again, so that memory grows as the
        square root of the number of steps: one evaluation more. An integer is the
        number of steps between two states that are kept. What ``f`` closes over is
        found as `checkpoint` says.

    Returns
    -------
    carry
        The last one.
    ys
        A pytree like the results, stacked along a new first axis in the order of
        ``xs``.

    Raises
    ------
    ValueError
        If arrays differ in length, or the length is not known; if ``f`` changes the
        structure, a shape or a dtype of the carry.
    TypeError
        If ``f`` does not return a pair.

    Examples
    --------
    >>> import numpy, autograd_core as ag
    >>> f = lambda total, x: (total + x, total * x)
    >>> total, ys = ag.scan(f, 0.0, numpy.asarray([1.0, 2.0, 3.0]))
    >>> print(total, ys)
    6.0 [0. 2. 9.]
    """
    require_functions("scan", f)
    leaves, structure = pytree.flatten(xs)
    count = _length(leaves, structure, length)
    carry = init
    if count == 0:
        axes = None if not leaves else 0
        return carry, vmap(partial(_second, f, carry), axes, axis_size=0)(xs)
    if recording.get() is not None:
        from autograd_core.programs import loops

        if loops.is_recorded_anywhere(f, carry, xs):
            with suppress(NoValueError):  # a step asks for values: one after the other
                return loops.recorded_scan(f, carry, leaves, structure, count, reverse)
    out = [pytree.LEAF]
    loop = partial(_run, f, structure, reverse, out)
    stretch = _stretch("scan", checkpoint, count)
    bounds = [(k, min(k + stretch, count)) for k in range(0, count, stretch)]
    run = checkpointed(loop) if checkpoint else loop
    parts = _transposed([_cut(x, bounds) for x in leaves], len(bounds))
    results = []
    for (start, stop), part in _ordered(list(zip(bounds, parts, strict=True)), reverse):
        carry, ys = run(carry, part, stop - start)
        results.append(ys)
    joined = [
        _join(list(each)) for each in zip(*_ordered(results, reverse), strict=True)
    ]
    return carry, pytree.unflatten(out[0], joined)


def _run(
    f: Step,
    structure: pytree.Structure,
    reverse: bool,
    out: list[pytree.Structure],
    carry: Pytree,
    leaves: Sequence[Array],
    count: int,
) -> tuple[Pytree, list[Array]]:
    """Take some steps: return the last carry, and the results of all, stacked.

    The structure of a step's result is left in ``out``.
    """
    rows = _transposed([_elements(x) for x in leaves], count)
    results = []
    for row in _ordered(rows, reverse):
        carry, y = after_step(carry, f(carry, pytree.unflatten(structure, row)))
        ys, out[0] = pytree.flatten(y)
        results.append(ys)
    each = zip(*_ordered(results, reverse), strict=True)
    return carry, [_stack(list(column)) for column in each]


def after_step(carry: Pytree, found: Any) -> tuple[Pytree, Pytree]:
    """Return what a step returned, after a check."""
    if not (isinstance(found, tuple) and len(found) == 2):
        raise error(
            TypeError,
            "scan",
            "the function must return a pair (carry, y)",
            describe(found),
            "Return carry, None if there is no result of each step.",
        )
    require_same("scan", "the carry", carry, found[0])
    return found


def _second(f: Step, carry: Pytree, x: Pytree) -> Pytree:
    return f(carry, x)[1]


def _length(leaves: Arrays, structure: pytree.Structure, length: int | None) -> int:
    """Return the number of steps of a scan."""
    if length is not None:
        rule = "length is a number of steps, from 0 on"
        require_count("scan", rule, length, 0, "Leave it out if xs has arrays.")
    lengths = set() if length is None else {index(length)}
    for x, path in zip(leaves, pytree.paths(structure), strict=True):
        if not getattr(x, "shape", ()):
            raise error(
                TypeError,
                "scan",
                f"xs{path} has no first axis to go over",
                describe(x),
                "Put what all steps share into the carry, or close over it.",
            )
        lengths.add(int(x.shape[0]))
    if len(lengths) == 1:
        return lengths.pop()
    raise error(
        ValueError,
        "scan",
        "the arrays of xs must have one length, and length, if given, be the same"
        if lengths
        else "without arrays to go over the length must be given",
        ", ".join([*[describe(x) for x in leaves], f"length={length}"]),
        "Give arrays with the same first axis." if lengths else "Say length=...",
    )


def _stretch(name: str, checkpoint: bool | int, steps: int) -> int:
    """Return how many steps lie between two states that are kept."""
    if checkpoint is True:
        return math.isqrt(steps - 1) + 1
    if checkpoint is False:
        return steps
    rule = "checkpoint is True, or a number of steps, at least 1"
    remedy = "Say True for about the square root of all steps."
    require_count(name, rule, checkpoint, 1, remedy)
    return index(checkpoint)


def _ordered(values: list[Any], reverse: bool) -> list[Any]:
    return values[::-1] if reverse else values


def _transposed(columns: list[list[Any]], count: int) -> list[tuple[Any, ...]]:
    """Return rows of columns; without columns so many empty rows."""
    return list(zip(*columns, strict=True)) if columns else [()] * count


# ------------------------------------------------------------------ taking apart


def _elements(x: Array) -> list[Array]:
    """Return the elements along the first axis, of which the transpose is one stack."""
    return call(LinearRules("scan", _unstacked, _stacked), [x])


def _stack(xs: list[Any]) -> Array:
    """Stack arrays along a new first axis; their cotangents are its elements."""
    (y,) = call(LinearRules("scan", _stacked, _unstacked), _as_arrays(xs))
    return y


def _unstacked(leaves: Arrays) -> list[Array]:
    (x,) = leaves
    if len(x.shape) == 1:  # of numbers, which NumPy has a type of its own for
        return [x[k] for k in range(x.shape[0])]
    return [x[k, ...] for k in range(x.shape[0])]


def _stacked(leaves: Arrays) -> list[Array]:
    return [namespace_of(*leaves).stack(list(leaves))]


def _cut(x: Array, bounds: Sequence[tuple[int, int]]) -> list[Array]:
    """Return pieces of an array along its first axis."""
    if len(bounds) == 1:
        return [x]
    rules = LinearRules("scan", partial(_pieces, bounds), _concatenated)
    return call(rules, [x])


def _join(xs: list[Array]) -> Array:
    """Join the pieces of an array along its first axis."""
    if len(xs) == 1:
        return xs[0]
    stops = [0]
    for x in xs:
        stops.append(stops[-1] + int(x.shape[0]))
    bounds = list(pairwise(stops))
    (y,) = call(LinearRules("scan", _concatenated, partial(_pieces, bounds)), xs)
    return y


def _pieces(bounds: Sequence[tuple[int, int]], leaves: Arrays) -> list[Array]:
    (x,) = leaves
    return [x[start:stop, ...] for start, stop in bounds]


def _concatenated(leaves: Arrays) -> list[Array]:
    return [namespace_of(*leaves).concat(list(leaves), axis=0)]


def _as_arrays(xs: list[Any]) -> list[Any]:
    """Return numbers among arrays as arrays, like these where they can hold them."""
    if all(is_array(x) for x in xs):
        return xs
    like = next((lowest(x) for x in xs if is_array(x)), None)
    xp = backend.get_backend() if like is None else backend.backend_of(like)
    dtype = None
    if like is not None and all(_alike(x, like) for x in xs if not is_array(x)):
        dtype = like.dtype
    return [x if is_array(x) else xp.asarray(x, dtype=dtype) for x in xs]


def require_same(name: str, what: str, before: Pytree, after: Pytree) -> None:
    """Raise unless two pytrees agree in structure, shapes and dtypes."""
    (old, structure), (new, found) = pytree.flatten(before), pytree.flatten(after)
    if found != structure:
        raise error(
            ValueError,
            name,
            f"{what} must keep its structure, {structure}",
            str(found),
            "Return the same containers with the same keys.",
        )
    for k, (x, y) in enumerate(zip(old, new, strict=True)):
        if not _alike(x, y):
            path = list(pytree.paths(structure))[k]
            raise error(
                ValueError,
                name,
                f"{what}{path} must keep its shape and dtype, {describe(x)}",
                describe(y),
                "Reshape or convert it, at the start or in each step.",
            )


def _alike(x: Any, y: Any) -> bool:
    """Say whether values agree in shape and dtype; a float fits an array of floats."""
    if getattr(x, "shape", ()) != getattr(y, "shape", ()):
        return False
    if is_array(x) and is_array(y):
        return bool(lowest(x).dtype == lowest(y).dtype)
    inexact = (float, complex)
    return not (is_array(y) and isinstance(x, inexact)) or is_differentiable(y)


def fori_loop(
    lower: int,
    upper: int,
    body: Callable[[int, Pytree], Pytree],
    init: Pytree,
    *,
    checkpoint: bool | int = False,
) -> Pytree:
    """Run ``state = body(k, state)`` for ``k`` from ``lower`` to ``upper - 1``.

    Parameters
    ----------
    lower, upper
        Integers.
    body
        Takes the number of the step and the state; returns the next state, a pytree of
        the same structure, shapes and dtypes.
    init
        The first state; returned if ``upper <= lower``.
    checkpoint
        As in `scan`.

    Raises
    ------
    ValueError
        If ``body`` changes the structure, a shape or a dtype of the state.

    Examples
    --------
    >>> import autograd_core as ag
    >>> power = lambda x: ag.fori_loop(0, 3, lambda k, y: y * x, 1.0)
    >>> print(power(2.0), ag.grad(power)(2.0))
    8.0 12.0
    """
    require_functions("fori_loop", body)
    rule = "lower and upper are integers"
    for bound in (lower, upper):
        require_count("fori_loop", rule, bound, bound, "Write fori_loop(0, 10, ...).")
    steps = range(index(lower), index(upper))
    if not steps:
        return init
    stretch = _stretch("fori_loop", checkpoint, len(steps))

    def some(count: int, state: Pytree, first: int) -> Pytree:
        for k in range(first, first + count):
            after = body(k, state)
            require_same("fori_loop", "the state", state, after)
            state = after
        return state

    state = init
    for first in steps[::stretch]:
        run = partial(some, min(stretch, steps.stop - first))
        state = (checkpointed(run) if checkpoint else run)(state, first)
    return state


def map(
    f: Callable[[Pytree], Pytree], xs: Pytree, *, batch_size: int | None = None
) -> Pytree:
    """Apply a function to each element of arrays, one after the other.

    As `vmap`, with the memory of one element at a time.

    Parameters
    ----------
    f
        Takes one element of ``xs``; returns a pytree of arrays.
    xs
        A pytree of arrays, over whose first axis it goes.
    batch_size
        How many elements at a time, batched by `vmap`; by default one.

    Raises
    ------
    ValueError, TypeError
        As `scan` does.

    Examples
    --------
    >>> import numpy, autograd_core as ag
    >>> f = lambda x: ag.ops.sum(x) ** 2
    >>> print(ag.map(f, numpy.asarray([[1.0, 2.0], [0.0, 3.0]])))
    [9. 9.]
    """
    require_functions("map", f)
    if batch_size is not None:
        return vmap(f, chunk_size=batch_size)(xs)
    return scan(partial(_alone, f), None, xs)[1]


def _alone(f: Callable[[Pytree], Pytree], carry: None, x: Pytree) -> Any:
    return None, f(x)


# ------------------------------------------------------------------ an unknown number


def while_loop(
    condition: Callable[[Pytree], Any],
    body: Callable[[Pytree], Pytree],
    init: Pytree,
    *,
    max_steps: int | None = None,
    checkpoint: bool = False,
) -> Pytree:
    """Run ``state = body(state)`` as long as ``condition(state)`` holds.

    In reverse mode it is differentiated through the steps that were taken. Under `vmap`
    it runs until the condition holds for no example; those that have ended stay as they
    are.

    Parameters
    ----------
    condition
        Takes the state; returns a boolean, of Python or a 0-d array.
    body
        Takes the state; returns the next one, of the same structure, shapes and dtypes.
    init
        The first state.
    max_steps
        A bound on the number of steps; by default there is none.
    checkpoint
        Whether the backward pass computes the steps again, so that memory grows as the
        square root of their number, as in `scan`. As the number is not known, the
        stretches between two states that are kept grow by one step each.

    Raises
    ------
    RuntimeError
        If the condition still holds after ``max_steps`` steps.
    ValueError
        If ``body`` changes the structure, a shape or a dtype of the state.
    TypeError
        If the condition is no boolean of no axes.

    Examples
    --------
    Heron's square root, and its derivative:

    >>> import autograd_core as ag
    >>> def heron(x):
    ...     far = lambda y: abs(y * y - x) > 1e-12
    ...     return ag.while_loop(far, lambda y: (y + x / y) / 2, 1.0, max_steps=50)
    >>> print(round(float(heron(2.0)), 12), round(float(ag.grad(heron)(2.0)), 12))
    1.414213562373 0.353553390593
    """
    require_functions("while_loop", condition, body)
    if max_steps is not None:
        rule = "max_steps is a number of steps, from 0 on"
        require_count("while_loop", rule, max_steps, 0, "Leave it out for no bound.")
    state, taken, stretch = init, 0, 1
    while True:
        left = None if max_steps is None else max_steps - taken
        bound = _bound(stretch if checkpoint else None, left)
        run = partial(_steps, condition, body, bound)
        state, ended = (checkpointed(run) if checkpoint else run)(state)
        if ended:
            return state
        taken, stretch = taken + (bound or 0), stretch + 1
        if taken == max_steps:
            break
    if _any("while_loop", condition(state)):
        raise error(
            RuntimeError,
            "while_loop",
            f"the condition still holds after max_steps={max_steps} steps",
            ", ".join([describe(x) for x in pytree.flatten(state)[0]]),
            "Allow more steps, or look whether the loop converges.",
        )
    return state


def _bound(one: int | None, other: int | None) -> int | None:
    """Return the lower of two bounds, None where there is none."""
    return min((k for k in (one, other) if k is not None), default=None)


def _steps(
    condition: Callable[[Pytree], Any],
    body: Callable[[Pytree], Pytree],
    bound: int | None,
    state: Pytree,
) -> tuple[Pytree, bool]:
    """Take up to so many steps of a loop; say whether it has ended before."""
    for _ in repeat(None) if bound is None else range(bound):
        holds = stopped(condition(state))
        if not _any("while_loop", holds):
            return state, True
        after = body(state)
        require_same("while_loop", "the state", state, after)
        state = after if _is_one(holds) else _chosen(holds, after, state)
    return state, False


# ------------------------------------------------------------------ branches


def cond(
    predicate: Any,
    true_function: Callable[..., Pytree],
    false_function: Callable[..., Pytree],
    *operands: Pytree,
) -> Pytree:
    """Call one of two functions.

    Where the predicate differs between the examples of a `vmap`, both are called, and
    each example takes the results, and the derivative, of its branch only.

    Parameters
    ----------
    predicate
        A boolean, of Python or a 0-d array.
    true_function, false_function
        Functions of the operands. Under `vmap` they return pytrees of one structure,
        shapes and dtypes.
    *operands
        Pytrees.

    Raises
    ------
    TypeError
        If the predicate is no boolean of no axes.
    ValueError
        Under `vmap`: if the results of the branches differ in structure, shape or
        dtype.

    Examples
    --------
    >>> import autograd_core as ag
    >>> f = lambda x: ag.cond(x > 0.0, ag.ops.log, ag.ops.negative, x)
    >>> print(ag.grad(f)(2.0), ag.grad(f)(-2.0))
    0.5 -1.0
    """
    require_functions("cond", true_function, false_function)
    predicate = stopped(predicate)
    if _is_one(predicate):
        holds = _any("cond", predicate)
        return (true_function if holds else false_function)(*operands)
    _any("cond", predicate)
    one = true_function(*_only_where(predicate, operands))
    return _chosen(predicate, one, false_function(*_only_where(~predicate, operands)))


def switch(
    number: Any, branches: Sequence[Callable[..., Pytree]], *operands: Pytree
) -> Pytree:
    """Call one of several functions, by its number.

    Parameters
    ----------
    number
        An integer, of Python or a 0-d array; what is below 0 or too large stands for
        the first or the last.
    branches
        Functions of the operands, as in `cond`.
    *operands
        Pytrees.

    Raises
    ------
    ValueError
        If there are no branches.

    Examples
    --------
    >>> import autograd_core as ag
    >>> branches = [ag.ops.sin, ag.ops.cos, ag.ops.exp]
    >>> print(ag.switch(2, branches, 0.0))
    1.0
    """
    if not branches:
        raise error(
            ValueError, "switch", "there must be a branch", "none", "Give functions."
        )
    require_functions("switch", *branches)
    number = stopped(number)
    if not _is_of_kind(number, "integral", int):
        raise error(
            TypeError,
            "switch",
            "the number of a branch must be one integer",
            describe(number),
            "Convert it with astype(x, int64).",
        )
    if _is_one(number):
        place = min(max(int(number), 0), len(branches) - 1)
        return branches[place](*operands)
    last = len(branches) - 1
    result = branches[last](*_only_where(number >= last, operands))
    for k in reversed(range(last)):
        here = (number <= 0) if k == 0 else number == k
        one = branches[k](*_only_where(here, operands))
        result = _chosen(here, one, result)
    return result


def _is_one(predicate: Any) -> bool:
    """Say whether a condition is the same for all examples, and known."""
    if isinstance(predicate, Recorded):
        recording: Any = predicate.world.level
        return recording.examples is not None
    return not isinstance(predicate, Tracked)


def _any(name: str, predicate: Any) -> bool:
    """Say whether a condition holds, or holds for any example."""
    predicate = stopped(predicate)
    if not _is_of_kind(predicate, "bool", bool):
        raise error(
            TypeError,
            name,
            "the condition must be one boolean",
            describe(predicate),
            "Compare, and reduce with all or any.",
        )
    while isinstance(predicate, Batched):
        predicate = predicate.value
    if getattr(predicate, "shape", ()):
        predicate = namespace_of(predicate).any(predicate)
    return bool(predicate)


def _is_of_kind(x: Any, kind: str, python: type) -> bool:
    """Say whether a value is one boolean, or one integer, of Python or a library."""
    if not is_array(x):
        return isinstance(x, python)
    raw = lowest(x)
    of_kind: bool = backend.backend_of(raw).isdtype(raw.dtype, kind)
    return of_kind and tuple(x.shape) == ()


def require_functions(name: str, *given: Any) -> None:
    """Raise unless all that should be functions are."""
    for function in given:
        if not callable(function):
            raise error(
                TypeError,
                name,
                "takes functions, which it calls itself",
                describe(function),
                "Give the function, not its result.",
            )


def _only_where(predicate: Any, operands: Pytree) -> Pytree:
    """Return operands whose derivatives are those of a branch only where it is taken.

    In other examples the branch may have no derivative, and zero times that is nan.
    """

    def masked(x: Any) -> Any:
        if not is_differentiable(x):
            return x
        return tensor.operations.where(predicate, x, stop_gradient(x))

    return pytree.map(masked, operands)


def _chosen(predicate: Tracked, one: Pytree, other: Pytree) -> Pytree:
    """Return for each example what one or another branch gave."""
    require_same("cond", "the result of the second branch", one, other)
    return pytree.map(partial(tensor.operations.where, predicate), one, other)
