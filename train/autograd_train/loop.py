"""The training loop: gradient, update, and a check that the loss stays finite."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import autograd_core as ag
from autograd_train.optimizers import Optimizer
from autograd_train.types import Array, Tree


class Fit(NamedTuple):
    """What a training run leaves.

    Attributes
    ----------
    parameters : pytree of arrays
        After the last step.
    state
        The optimiser's; give it back to `fit` to go on.
    losses : list of float
        The loss of each batch, before the step that it led to.
    """

    parameters: Tree
    state: Any
    losses: list[float]


def fit(
    loss: Callable[..., Array],
    parameters: Tree,
    optimizer: Optimizer,
    batches: Iterable[tuple[Array, ...]],
    *,
    state: Any = None,
    on_step: Callable[[int, float], object] | None = None,
) -> Fit:
    """Take one optimiser step for each batch.

    Parameters
    ----------
    loss : callable
        ``loss(parameters, *batch)``: a scalar array.
    parameters : pytree of arrays
        Where to start; they are not changed.
    optimizer : Optimizer
        From `autograd_train.optimizers`.
    batches : iterable of tuples of arrays
        See `autograd_train.data.batches`.
    state : optional
        Of an earlier `Fit`, to go on where it stopped.
    on_step : callable, optional
        Called as ``on_step(step, loss)`` after each step, counted from 0.

    Raises
    ------
    FloatingPointError
        If the loss becomes infinite or nan, naming the step.

    Examples
    --------
    >>> import autograd_core as ag
    >>> from autograd_train import optimizers
    >>> xp = ag.ops
    >>> def loss(p, x):
    ...     return xp.mean((p - x) ** 2)
    >>> batches = [(xp.asarray([2.0, 4.0]),)] * 50
    >>> result = fit(loss, xp.asarray(0.0), optimizers.sgd(0.25), batches)
    >>> round(float(result.parameters), 6), result.losses[0]
    (3.0, 10.0)
    """
    loss_and_gradients = ag.value_and_grad(loss)
    if state is None:
        state = optimizer.init(parameters)
    losses: list[float] = []
    for step, batch in enumerate(batches):
        array, gradients = loss_and_gradients(parameters, *batch)
        value = float(array)
        if not math.isfinite(value):
            raise FloatingPointError(
                f"fit: the loss must stay finite; got {value} at step {step}. "
                "Lower the learning rate, or scale the data."
            )
        parameters, state = optimizer.update(gradients, state, parameters)
        losses.append(value)
        if on_step is not None:
            on_step(step, value)
    return Fit(parameters, state, losses)
