"""Losses: plain functions of predictions and targets, each a mean over the rows.

They are written against ``ag.ops``: arrays of any backend in, an array out, and
differentiable. Shapes must agree exactly, because a column against a row would
broadcast to a matrix and train towards something else.
"""

from __future__ import annotations

from collections.abc import Sequence

import autograd_core as ag
from autograd_train.types import Array

xp = ag.ops


def mean_squared_error(prediction: Array, target: Array) -> Array:
    """Return ``mean((prediction - target) ** 2)``.

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> float(mean_squared_error(xp.asarray([1.0, 2.0]), xp.asarray([1.0, 4.0])))
    2.0
    """
    _check_shapes("mean_squared_error", prediction.shape, target.shape)
    return xp.mean(xp.square(xp.subtract(prediction, target)))


def mean_absolute_error(prediction: Array, target: Array) -> Array:
    """Return ``mean(abs(prediction - target))``.

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> float(mean_absolute_error(xp.asarray([1.0, 2.0]), xp.asarray([1.0, 4.0])))
    1.0
    """
    _check_shapes("mean_absolute_error", prediction.shape, target.shape)
    return xp.mean(xp.abs(xp.subtract(prediction, target)))


def huber(prediction: Array, target: Array, delta: float = 1.0) -> Array:
    """Return the mean of Huber's function of the residual ``r = prediction - target``.

    ``r ** 2 / 2`` where ``abs(r) <= delta``, and ``delta * (abs(r) - delta / 2)``
    beyond: quadratic near 0 and linear far from it, with a continuous slope.

    Raises
    ------
    ValueError
        If the shapes differ, or `delta` is not positive.

    Examples
    --------
    >>> float(huber(xp.asarray([1.0, 5.0]), xp.asarray([0.0, 0.0]), delta=2.0))
    4.25
    """
    if not delta > 0:
        raise ValueError(
            f"huber: delta must be positive; got {delta!r}. Give the distance at which "
            "the loss becomes linear."
        )
    _check_shapes("huber", prediction.shape, target.shape)
    distance = xp.abs(xp.subtract(prediction, target))
    inner = xp.minimum(distance, delta)
    return xp.mean(inner * (distance - 0.5 * inner))


def pinball(
    prediction: Array, target: Array, quantiles: Array | Sequence[float]
) -> Array:
    """Return the mean pinball loss, which is least at the conditional quantiles.

    For the residual ``r = target - prediction`` and the quantile ``q`` it is
    ``max(q * r, (q - 1) * r)``: a unit too low costs ``q``, a unit too high ``1 - q``.

    Parameters
    ----------
    prediction : array, shape (..., number of quantiles)
        One column for each quantile.
    target : array, shape (...)
        The observed values.
    quantiles : sequence of float, or array of shape (number of quantiles,)
        Each between 0 and 1.

    Raises
    ------
    ValueError
        If the shape of `prediction` is not that of `target` with one more axis, of
        the length of `quantiles`.

    Examples
    --------
    >>> prediction = xp.asarray([[0.0, 0.0], [1.0, 1.0]])
    >>> target = xp.asarray([1.0, 0.0])
    >>> float(pinball(prediction, target, [0.1, 0.5]))
    0.5
    """
    levels: Array = quantiles
    if not hasattr(quantiles, "shape"):
        levels = xp.asarray(list(quantiles), dtype=prediction.dtype)
    _check_shapes("pinball", prediction.shape, (*target.shape, *levels.shape))
    residual = xp.subtract(xp.expand_dims(target, axis=-1), prediction)
    return xp.mean(xp.maximum(residual * levels, residual * (levels - 1.0)))


def _check_shapes(
    loss: str, prediction: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    if tuple(prediction) != tuple(expected):
        raise ValueError(
            f"{loss}: the prediction must have shape {tuple(expected)}, as the target "
            f"says; got {tuple(prediction)}. Reshape one of them with xp.reshape."
        )
