"""Pytrees of arrays as one vector, and back."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from math import prod
from typing import Any

from autograd_core import backend, pytree, tensor
from autograd_core.errors import describe, dtype_name, error
from autograd_core.graph import Array
from autograd_core.tensor import Constant, Tracked, lowest
from autograd_core.transform import Like, Pytree, flatten_primals, hand_out


def ravel_pytree(tree: Pytree) -> tuple[Array, Callable[[Array], Pytree]]:
    """Lay the arrays of a pytree into one vector, as optimisers and solvers want it.

    It is differentiable in every mode, and so is what it returns.

    Parameters
    ----------
    tree
        A pytree of floating-point arrays of one library, real or complex, and of Python
        numbers that are not integers.

    Returns
    -------
    flat
        The elements of all leaves, left to right: an array of one axis, of the dtype to
        which theirs are promoted. Without leaves it is empty, and of the default
        library.
    unravel
        Takes such a vector and returns a pytree like the given one: its structure, and
        for each leaf its shape and dtype. Python numbers come back as 0-d arrays; of
        what takes the place of a real leaf among complex ones, the real part.

    Raises
    ------
    TypeError
        If a leaf is an integer, or no array. From ``unravel``: if it is given complex
        numbers for real ones or the like, or an array of another library.
    ValueError
        From ``unravel``: if the vector is too short or too long.

    Examples
    --------
    >>> import numpy, autograd_core as ag
    >>> flat, unravel = ag.ravel_pytree({"w": numpy.ones((2, 2)), "b": 0.5})
    >>> flat
    array([0.5, 1. , 1. , 1. , 1. ])
    >>> unravel(2 * flat)
    {'b': array(1.), 'w': array([[2., 2.],
           [2., 2.]])}
    """
    arrays = pytree.map(_without_constant, tree)
    leaves, structures = flatten_primals("ravel_pytree", ravel_pytree, (arrays,))
    structure = structures[0]
    if not leaves:
        flat = backend.get_backend().zeros((0,))
        return flat, _unraveling(structure, [], Like(flat))
    xp = tensor.operations
    dtype = _promoted(leaves)
    flat = xp.concat([xp.astype(xp.reshape(x, (-1,)), dtype) for x in leaves])
    return flat, _unraveling(structure, [Like(x) for x in leaves], Like(flat))


def _without_constant(x: Any) -> Any:
    return x.value if isinstance(x, Constant) else x


def _promoted(leaves: list[Array]) -> Any:
    """Return the dtype that holds the elements of all leaves."""
    raw = [lowest(x) for x in leaves]
    library = backend.backend_of(raw[0])
    for k, x in enumerate(raw):
        if backend.backend_of(x) is not library:
            raise error(
                TypeError,
                "ravel_pytree",
                f"the leaves must be of one library, and the first is of {library}",
                f"{describe(x)} of {backend.backend_of(x)} as leaf {k}",
                "Convert one of them with autograd_core.ops.asarray.",
            )
    return library.result_type(*[x.dtype for x in raw])


def _unraveling(
    structure: pytree.Structure, likes: list[Like], like: Like
) -> Callable[[Array], Pytree]:
    ends = list(accumulate([prod(leaf.shape) for leaf in likes]))

    def unravel(flat: Array) -> Pytree:
        """Return a pytree of the elements of a vector that `ravel_pytree` made."""
        _require_like(flat, like)
        starts = [0, *ends[:-1]]
        parts = [
            _restored(flat[start:end], leaf)
            for start, end, leaf in zip(starts, ends, likes, strict=False)
        ]
        return pytree.unflatten(structure, hand_out(parts))

    return unravel


def _restored(part: Array, like: Like) -> Array:
    """Return a part of the vector in the shape and dtype of its leaf."""
    xp = tensor.operations
    library = like.library
    if library.is_complex(lowest(part).dtype) and not library.is_complex(like.dtype):
        part = xp.real(part)
    if lowest(part).dtype != like.dtype:
        part = xp.astype(part, like.dtype)
    return xp.reshape(part, like.shape)


def _require_like(flat: Any, like: Like) -> None:
    """Raise unless a vector is of a library, a length and a kind of number."""
    raw = lowest(flat)
    known = isinstance(flat, Tracked) or backend.is_array(raw)
    library = like.library
    if known and backend.backend_of(raw) is library:
        kinds = [
            (library.is_floating(dtype), library.is_complex(dtype))
            for dtype in (raw.dtype, like.dtype)
        ]
        if tuple(flat.shape) == like.shape and kinds[0] == kinds[1]:
            return
        kind = TypeError if kinds[0] != kinds[1] else ValueError
    else:
        kind = TypeError
    of = f" of {backend.backend_of(raw)}" if known else ""
    raise error(
        kind,
        "unravel",
        f"the vector must be like that of ravel_pytree, {describe(like)} of {library}",
        describe(flat) + of,
        f"Give an array of {like.shape[0]} numbers, of {dtype_name(like.dtype)}.",
    )
