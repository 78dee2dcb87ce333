"""Functions of one example made functions of a batch: `vmap`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial, wraps
from operator import index
from typing import Any

from autograd_core import backend, pytree
from autograd_core.batching import Batch
from autograd_core.errors import describe, error
from autograd_core.graph import Array
from autograd_core.tensor import (
    is_array,
    lowest,
    make_batched,
    namespace_of,
)
from autograd_core.transform import (
    Pytree,
    argument_name,
    hand_out,
    lower_output,
    require_count,
    require_function,
)


def vmap(
    function: Callable[..., Pytree],
    in_axes: Any = 0,
    out_axes: Any = 0,
    *,
    axis_size: int | None = None,
    chunk_size: int | None = None,
) -> Callable[..., Pytree]:
    """Make the function of a batch of a function of one example.

    The batch costs one call of each operation and no loop: every operation's
    declaration says how a call for one example becomes one for all. Composes with every
    other transform, in any order, and with itself.

    Parameters
    ----------
    function
        A function of one example: of pytrees of arrays, which returns a pytree.
    in_axes
        Along which axis of its arguments the examples lie: an integer for all, None for
        what all examples share, or a sequence of such, one for each positional argument
        and each in turn a pytree as far into the argument as it needs to be. Keyword
        arguments have their examples along axis 0.
    out_axes
        Where the axis of examples goes in the results; None for a result that is the
        same for all. An integer or a pytree as far into the result as it needs to be.
    axis_size
        How many examples there are, where no argument says it.
    chunk_size
        At most so many examples at a time, to bound memory; by default all.

    Returns
    -------
    callable
        Of arguments like the function's, with an axis more where `in_axes` says so.

    Raises
    ------
    ValueError
        If the arguments have different numbers of examples, if an axis does not exist,
        or if a result for which `out_axes` is None differs between examples.
    TypeError
        If what is to be mapped is no array, or `in_axes` has not the form of the
        arguments. In the function: if Python's control flow asks for a value, which a
        batch does not have; use ``where``, `cond` or `while_loop`.

    Warns
    -----
    RuntimeWarning
        Once for each operation that has no batching rule and is computed in a loop.

    Examples
    --------
    >>> import numpy, autograd_core as ag
    >>> f = lambda w, x: ag.ops.sum(w * x**2)
    >>> w, xs = numpy.asarray([1.0, 2.0]), numpy.asarray([[1.0, 1.0], [3.0, 0.0]])
    >>> print(ag.vmap(f, in_axes=(None, 0))(w, xs))
    [3. 9.]

    The gradient of each example:

    >>> print(ag.vmap(ag.grad(f, argnums=1), in_axes=(None, 0))(w, xs))
    [[2. 4.]
     [6. 0.]]
    """
    require_function("vmap", function)
    if chunk_size is not None:
        rule = "chunk_size is a number of examples, at least 1"
        require_count("vmap", rule, chunk_size, 1, "Leave it out to take all at once.")
    if axis_size is not None:
        rule = "axis_size is a number of examples, from 0 on"
        require_count(
            "vmap", rule, axis_size, 0, "Leave it out if an argument says it."
        )

    @wraps(function)
    def mapped(*arguments: Any, **keywords: Any) -> Pytree:
        leaves, structure = pytree.flatten((arguments, keywords))
        axes = _in_axes(function, in_axes, structure)
        batch = _Arguments(function, structure, leaves, axes, axis_size)
        size = batch.size
        step = min(size, chunk_size or size)
        starts = range(0, size, step) if step else (0,)
        chunks = [_run(function, batch, start, start + step) for start in starts]
        values, flags, out_structure = _joined(chunks)
        axes = list(_prefix(out_axes, out_structure, "out_axes", _the_result))
        placed = [
            _placed(y, differs, axis, batch)
            for y, differs, axis in zip(values, flags, axes, strict=True)
        ]
        return pytree.unflatten(out_structure, hand_out(placed))

    return mapped


class _Arguments:
    """The arguments of a mapped function, with their examples along the first axis."""

    def __init__(
        self,
        function: Callable[..., Any],
        structure: pytree.Structure,
        leaves: Sequence[Any],
        axes: Sequence[int | None],
        axis_size: int | None,
    ) -> None:
        self.structure = structure
        self.leaves = list(leaves)
        self.mapped = [axis is not None for axis in axes]
        arrays = (lowest(x) for x in leaves if is_array(x))
        self.library = next(map(backend.backend_of, arrays), None)
        name = partial(_name, function, structure)
        sizes: dict[int, int | None] = {} if axis_size is None else {axis_size: None}
        for k, axis in enumerate(axes):
            if axis is not None:
                self.leaves[k] = x = _front(leaves[k], axis, partial(name, k))
                sizes.setdefault(int(x.shape[0]), k)
        if len(sizes) != 1:
            said = {
                size: "axis_size" if k is None else f"{name(k)}: {describe(leaves[k])}"
                for size, k in sizes.items()
            }
            raise _sizes_differ(said)
        (self.size,) = sizes

    def part(self, start: int, stop: int) -> list[Any]:
        """Return the leaves of some examples."""
        if start == 0 and stop == self.size:
            return self.leaves
        pairs = zip(self.leaves, self.mapped, strict=True)
        return [x[start:stop, ...] if mapped else x for x, mapped in pairs]


def _name(function: Callable[..., Any], structure: pytree.Structure, place: int) -> str:
    """Return what errors call a leaf of the arguments."""
    positional, keywords = structure.children
    names = []
    for k, child in enumerate(positional.children):
        prefix = argument_name(function, k)
        names += [prefix + path for path in pytree.paths(child)]
    for key, child in zip(keywords.keys, keywords.children, strict=True):
        names += [f"argument {key!r}{path}" for path in pytree.paths(child)]
    return names[place]


def _front(x: Any, axis: Any, name: Callable[[], str]) -> Array:
    """Return an array with the axis of examples as its first."""
    if not is_array(x):
        raise error(
            TypeError,
            "vmap",
            f"{name()} has no axis of examples",
            describe(x),
            "Give an array, or say None in in_axes for what all examples share.",
        )
    rank = len(x.shape)
    if not -rank <= index(axis) < rank:
        raise error(
            ValueError,
            "vmap",
            f"{name()} has no axis {axis}",
            describe(x),
            "Name in in_axes the axis of examples, or None if all share the argument.",
        )
    return x if axis in (0, -rank) else namespace_of(x).moveaxis(x, axis, 0)


def _sizes_differ(sizes: dict[int, str]) -> Exception:
    if not sizes:
        return error(
            ValueError,
            "vmap",
            "no argument has an axis of examples",
            "in_axes without an integer",
            "Map one, or say axis_size.",
        )
    return error(
        ValueError,
        "vmap",
        "the arguments must have the same number of examples",
        "; ".join(f"{size} in {name}" for size, name in sizes.items()),
        "Say None in in_axes for what all examples share.",
    )


def _run(
    function: Callable[..., Pytree], batch: _Arguments, start: int, stop: int
) -> tuple[list[Any], list[bool], pytree.Structure]:
    """Run some examples: results, which of them differ between examples, structure."""
    stop = min(stop, batch.size)
    with Batch("vmap", stop - start) as level:
        pairs = zip(batch.part(start, stop), batch.mapped, strict=True)
        leaves = [make_batched(x, level) if mapped else x for x, mapped in pairs]
        arguments, keywords = pytree.unflatten(batch.structure, leaves)
        outputs, structure = pytree.flatten(function(*arguments, **keywords))
        flags = [level.holds(y) for y in outputs]
        values = [lower_output(level, y) for y in outputs]
    return values, flags, structure


def _joined(
    chunks: list[tuple[list[Any], list[bool], pytree.Structure]],
) -> tuple[list[Any], list[bool], pytree.Structure]:
    """Join the results of the chunks."""
    values, flags, structure = chunks[0]
    if len(chunks) == 1:
        return values, flags, structure
    for k, differs in enumerate(flags):
        if differs:
            parts = [chunk[0][k] for chunk in chunks]
            values[k] = namespace_of(*parts).concat(parts, axis=0)
    return values, flags, structure


def _the_result() -> str:
    return "the result"


def _placed(y: Any, differs: bool, axis: int | None, batch: _Arguments) -> Any:
    """Return a result with its axis of examples at a place."""
    if axis is None:
        if differs:
            raise error(
                ValueError,
                "vmap",
                "a result for which out_axes is None must be the same for all examples",
                f"{describe(y)}, the first axis that of examples",
                "Say in out_axes where the axis of examples goes.",
            )
        return y
    if not is_array(y):
        if not isinstance(y, (int, float, complex)):
            raise error(
                TypeError,
                "vmap",
                "a result must be an array or a number, to have an axis of examples",
                describe(y),
                "Say None for it in out_axes.",
            )
        library = batch.library or backend.get_backend()
        y = library.asarray(y)
    xp = namespace_of(y)
    if not differs:
        y = xp.broadcast_to(y, (batch.size, *y.shape))
    rank = len(y.shape)
    if not -rank <= axis < rank:
        raise error(
            ValueError,
            "vmap",
            f"a result has no place for an axis {axis}",
            f"{describe(y)}, the first axis that of examples",
            "Name in out_axes a place that the results have.",
        )
    return y if axis in (0, -rank) else xp.moveaxis(y, 0, axis)


# ------------------------------------------------------------------ axes of pytrees


def _in_axes(
    function: Callable[..., Any],
    in_axes: Any,
    structure: pytree.Structure,
) -> list[int | None]:
    """Return the axis of examples of every leaf of the arguments."""
    positional, keywords = structure.children
    count = len(positional.children)
    many = isinstance(in_axes, (tuple, list))
    if many and len(in_axes) != count:
        raise error(
            ValueError,
            "vmap",
            f"in_axes must name an axis, or None, for each of the {count} "
            "positional arguments",
            f"in_axes={in_axes!r}",
            "Give one integer for all, or one entry for each.",
        )
    axes: list[int | None] = []
    for k, child in enumerate(positional.children):
        prefix = in_axes[k] if many else in_axes
        axes += _prefix(prefix, child, "in_axes", partial(argument_name, function, k))
    return [*axes, *_prefix(0, keywords, "in_axes", str)]


def _prefix(
    prefix: Any, structure: pytree.Structure, what: str, of: Callable[[], str]
) -> Iterator[int | None]:
    """Yield for each leaf of a structure what a pytree above it says."""
    if prefix is None or hasattr(prefix, "__index__"):
        yield from (prefix for _ in pytree.paths(structure))
        return
    parts, keys = pytree.one_level(prefix)
    if structure.container is object or keys != structure.keys:
        raise error(
            TypeError,
            "vmap",
            f"{what} must be an integer, None, or have the form of {of()}, {structure}",
            f"{what} with {prefix!r}",
            "Give one integer for the whole, or one for each part.",
        )
    for part, child in zip(parts, structure.children, strict=True):
        yield from _prefix(part, child, what, of)
