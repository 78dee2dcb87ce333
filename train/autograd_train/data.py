"""Rows on their way to the model: scaling, splitting, mini-batches.

The rows stay with NumPy, on the host; each batch is converted to the active backend.
All randomness comes from the ``numpy.random.Generator`` that is passed in, so the
rows come in one order on every backend.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy
from numpy.typing import NDArray

import autograd_core as ag
from autograd_train.errors import InputError
from autograd_train.types import Array

xp = ag.ops


@dataclass(frozen=True)
class Scaling:
    """The shift and scale that give each column mean 0 and standard deviation 1.

    A constant column carries no information. Its scale is infinity, so that it is
    scaled to 0 whatever its value, and a coefficient on it comes back as 0.

    Attributes
    ----------
    mean, scale : tuple of float
        One for each column.
    """

    mean: tuple[float, ...]
    scale: tuple[float, ...]

    @classmethod
    def of(cls, values: NDArray[Any]) -> Scaling:
        """Return the scaling of the columns of an array of shape (rows, columns).

        Raises
        ------
        InputError
            If the values are so large that their spread overflows.

        Examples
        --------
        >>> import numpy
        >>> Scaling.of(numpy.asarray([[1.0, 5.0], [3.0, 5.0]]))
        Scaling(mean=(2.0, 5.0), scale=(1.0, inf))
        """
        with numpy.errstate(over="ignore", invalid="ignore"):
            mean, spread = values.mean(axis=0), values.std(axis=0)
        if not (numpy.isfinite(mean).all() and numpy.isfinite(spread).all()):
            raise InputError(
                "scaling: the spread of every column must be finite; got values up to "
                f"{numpy.abs(values).max():g}. Give the data in larger units."
            )
        varies = (values.max(axis=0) > values.min(axis=0)) & (spread > 0)
        scale = numpy.where(varies, spread, numpy.inf)
        return cls(tuple(mean.tolist()), tuple(scale.tolist()))

    def apply(self, values: NDArray[Any]) -> NDArray[numpy.float64]:
        """Return the values in scaled units: ``(values - mean) / scale``."""
        shifted = values - numpy.asarray(self.mean)
        return numpy.asarray(shifted / numpy.asarray(self.scale))


def split_rows(
    rows: int, holdout: float, generator: numpy.random.Generator
) -> tuple[NDArray[numpy.int64], NDArray[numpy.int64]]:
    """Return the numbers of the rows to train on and of those to hold back.

    Parameters
    ----------
    rows : int
    holdout : float
        The part to hold back, at least 0 and below 1; rounded to whole rows, at
        least one on each side unless it is 0.
    generator : numpy.random.Generator

    Raises
    ------
    InputError
        If there are not enough rows for both sides.

    Examples
    --------
    >>> import numpy
    >>> train, held_back = split_rows(10, 0.2, numpy.random.default_rng(0))
    >>> len(train), len(held_back)
    (8, 2)
    """
    held = max(1, round(rows * holdout)) if holdout > 0 else 0
    if rows - held < 1:
        raise InputError(
            f"holdout: at least one row must be left to train on; got {rows} rows, of "
            f"which {holdout:g} are held back. Give more rows, or --holdout 0."
        )
    order = generator.permutation(rows)
    return numpy.sort(order[held:]), numpy.sort(order[:held])


def batches(
    arrays: tuple[NDArray[Any], ...],
    *,
    batch_size: int,
    steps: int,
    generator: numpy.random.Generator,
) -> Iterator[tuple[Array, ...]]:
    """Yield mini-batches of rows, as arrays of the active backend.

    The rows are shuffled anew for each pass over the data, and each pass uses every
    row once, so that its last batch may be shorter. Where one batch holds all rows
    there is nothing to shuffle, and the data come in their own order.

    Parameters
    ----------
    arrays : tuple of ndarray
        Their first axes are the rows and have one length; the dtype is kept.
    batch_size : int
        Rows in a batch.
    steps : int
        Batches to yield.
    generator : numpy.random.Generator

    Raises
    ------
    ValueError
        If the arrays have different numbers of rows, or none, or the batch size is
        below 1.

    Examples
    --------
    >>> import numpy
    >>> rows = numpy.arange(5.0)
    >>> random = numpy.random.default_rng(0)
    >>> [len(x) for (x,) in batches((rows,), batch_size=2, steps=4, generator=random)]
    [2, 2, 1, 2]
    """
    lengths = {len(array) for array in arrays}
    if len(lengths) != 1 or lengths == {0}:
        raise ValueError(
            f"batches: the arrays must have one number of rows, at least 1; got "
            f"{sorted(lengths)}. Give one row of each array for each example."
        )
    if batch_size < 1:
        raise ValueError(
            f"batches: batch_size must be at least 1; got {batch_size}. Try 256."
        )
    return _batches(arrays, lengths.pop(), batch_size, steps, generator)


def _batches(
    arrays: tuple[NDArray[Any], ...],
    rows: int,
    batch_size: int,
    steps: int,
    generator: numpy.random.Generator,
) -> Iterator[tuple[Array, ...]]:
    if batch_size >= rows:
        everything = tuple(xp.asarray(array) for array in arrays)
        for _ in range(steps):
            yield everything
        return
    order, start = generator.permutation(rows), 0
    for _ in range(steps):
        if start >= rows:
            order, start = generator.permutation(rows), 0
        chosen = order[start : start + batch_size]
        yield tuple(xp.asarray(array[chosen]) for array in arrays)
        start += batch_size


def to_numpy(array: Array) -> NDArray[Any]:
    """Return an array of any backend as a NumPy array in the memory of the host.

    Examples
    --------
    >>> to_numpy(xp.asarray([1.0, 2.0]))
    array([1., 2.])
    """
    if isinstance(array, numpy.generic):  # what NumPy makes of its own 0-d arrays
        return numpy.asarray(array)
    return numpy.from_dlpack(array, device="cpu")
