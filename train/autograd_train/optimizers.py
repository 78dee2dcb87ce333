"""Optimisers: a pair of pure functions of pytrees.

``state = init(parameters)``, then at each step ``parameters, state =
update(gradients, state, parameters)``. Nothing is changed in place and nothing is
remembered elsewhere, so that a training run can be stopped, saved and gone on with.

In the formulas, ``g`` is the gradient, ``p`` the parameter, ``a`` the learning rate
of the step, which is counted from 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import autograd_core as ag
from autograd_core import pytree
from autograd_train.schedules import as_schedule
from autograd_train.types import Array, LearningRate, Tree

xp = ag.ops


class Optimizer(NamedTuple):
    """An optimiser, as two functions.

    Attributes
    ----------
    init : callable
        ``init(parameters)``: the state before the first step.
    update : callable
        ``update(gradients, state, parameters)``: the new parameters and state.
    """

    init: Callable[[Tree], Any]
    update: Callable[[Tree, Any, Tree], tuple[Tree, Any]]


class SgdState(NamedTuple):
    """How many steps were taken, and the running sum of gradients."""

    step: int
    velocity: Tree


class AdamState(NamedTuple):
    """How many steps were taken, and the running means of ``g`` and of ``g ** 2``."""

    step: int
    first_moment: Tree
    second_moment: Tree


def sgd(
    learning_rate: LearningRate, *, momentum: float = 0.0, nesterov: bool = False
) -> Optimizer:
    """Return stochastic gradient descent with momentum.

    ``v = momentum * v + g``, then ``p = p - a * v``; with Nesterov's look-ahead,
    ``p = p - a * (g + momentum * v)``.

    Parameters
    ----------
    learning_rate : float, callable or iterable of float
        See `autograd_train.schedules.as_schedule`.
    momentum : float, default: 0
        At least 0 and below 1.
    nesterov : bool, default: False

    Raises
    ------
    ValueError
        If the momentum is out of range, or the learning rate is not positive.

    Examples
    --------
    >>> optimizer = sgd(0.1, momentum=0.5)
    >>> p, g = xp.asarray(1.0), xp.asarray(2.0)
    >>> state = optimizer.init(p)
    >>> p, state = optimizer.update(g, state, p)
    >>> p, state = optimizer.update(g, state, p)
    >>> round(float(p), 6), float(state.velocity)
    (0.5, 3.0)
    """
    _check_fraction("sgd", "momentum", momentum)
    rate_at = as_schedule(learning_rate)

    def init(parameters: Tree) -> SgdState:
        return SgdState(0, pytree.map(xp.zeros_like, parameters))

    def update(
        gradients: Tree, state: SgdState, parameters: Tree
    ) -> tuple[Tree, SgdState]:
        rate = rate_at(state.step)

        def accumulate(v: Array, g: Array) -> Array:
            return momentum * v + g

        def descend(p: Array, v: Array, g: Array) -> Array:
            return p - rate * (g + momentum * v if nesterov else v)

        velocity = pytree.map(accumulate, state.velocity, gradients)
        moved = pytree.map(descend, parameters, velocity, gradients)
        return moved, SgdState(state.step + 1, velocity)

    return Optimizer(init, update)


def adam(
    learning_rate: LearningRate = 0.001,
    *,
    moment_decay: tuple[float, float] = (0.9, 0.999),
    epsilon: float = 1e-8,
) -> Optimizer:
    """Return Adam (Kingma and Ba, 2015).

    With ``b, c = moment_decay`` and ``n`` the steps taken, this one included:
    ``m = b * m + (1 - b) * g`` and ``s = c * s + (1 - c) * g ** 2``, then
    ``p = p - a * (m / (1 - b ** n)) / (sqrt(s / (1 - c ** n)) + epsilon)``.

    Parameters
    ----------
    learning_rate : float, callable or iterable of float, default: 0.001
        See `autograd_train.schedules.as_schedule`.
    moment_decay : pair of float, default: (0.9, 0.999)
        Each at least 0 and below 1.
    epsilon : float, default: 1e-8

    Raises
    ------
    ValueError
        If a decay is out of range, or the learning rate is not positive.

    Examples
    --------
    >>> optimizer = adam(0.1)
    >>> p, g = xp.asarray(1.0), xp.asarray(2.0)
    >>> p, state = optimizer.update(g, optimizer.init(p), p)
    >>> round(float(p), 6), state.step
    (0.9, 1)
    """
    return _adam("adam", learning_rate, moment_decay, epsilon, weight_decay=0.0)


def adamw(
    learning_rate: LearningRate = 0.001,
    *,
    moment_decay: tuple[float, float] = (0.9, 0.999),
    epsilon: float = 1e-8,
    weight_decay: float = 0.01,
) -> Optimizer:
    """Return Adam with decoupled weight decay (Loshchilov and Hutter, 2019).

    The step of `adam`, and ``p = p - a * weight_decay * p`` with the ``p`` from
    before the step.

    Parameters
    ----------
    learning_rate, moment_decay, epsilon
        As for `adam`.
    weight_decay : float, default: 0.01
        At least 0.

    Raises
    ------
    ValueError
        As `adam` does, and if the weight decay is negative.

    Examples
    --------
    >>> optimizer = adamw(0.1, weight_decay=0.5)
    >>> p, g = xp.asarray(1.0), xp.asarray(2.0)
    >>> p, state = optimizer.update(g, optimizer.init(p), p)
    >>> round(float(p), 6)
    0.85
    """
    if not weight_decay >= 0:
        raise ValueError(
            f"adamw: weight_decay must be at least 0; got {weight_decay!r}. Try 0.01."
        )
    return _adam("adamw", learning_rate, moment_decay, epsilon, weight_decay)


def _adam(
    name: str,
    learning_rate: LearningRate,
    moment_decay: tuple[float, float],
    epsilon: float,
    weight_decay: float,
) -> Optimizer:
    first_decay, second_decay = moment_decay
    _check_fraction(name, "moment_decay[0]", first_decay)
    _check_fraction(name, "moment_decay[1]", second_decay)
    rate_at = as_schedule(learning_rate)

    def init(parameters: Tree) -> AdamState:
        first, second = (pytree.map(xp.zeros_like, parameters) for _ in range(2))
        return AdamState(0, first, second)

    def update(
        gradients: Tree, state: AdamState, parameters: Tree
    ) -> tuple[Tree, AdamState]:
        rate, step = rate_at(state.step), state.step + 1
        first_scale = 1.0 / (1.0 - first_decay**step)
        second_scale = 1.0 / (1.0 - second_decay**step)

        def mean(m: Array, g: Array) -> Array:
            return first_decay * m + (1.0 - first_decay) * g

        def mean_square(s: Array, g: Array) -> Array:
            return second_decay * s + (1.0 - second_decay) * g * g

        def descend(p: Array, m: Array, s: Array) -> Array:
            direction = first_scale * m / (xp.sqrt(second_scale * s) + epsilon)
            if weight_decay:
                direction = direction + weight_decay * p
            return p - rate * direction

        first = pytree.map(mean, state.first_moment, gradients)
        second = pytree.map(mean_square, state.second_moment, gradients)
        moved = pytree.map(descend, parameters, first, second)
        return moved, AdamState(step, first, second)

    return Optimizer(init, update)


def _check_fraction(optimizer: str, name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise ValueError(
            f"{optimizer}: {name} must be at least 0 and below 1; got {value!r}. "
            "Try 0.9."
        )
