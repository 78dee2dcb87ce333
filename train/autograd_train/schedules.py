"""Learning rates as functions of the step, counted from 0."""

from __future__ import annotations

import math
from collections.abc import Iterable

from autograd_train.types import LearningRate, Schedule


def as_schedule(learning_rate: LearningRate) -> Schedule:
    """Return any kind of learning rate as a pure function of the step.

    A generator (or any iterable) gives one rate a step. What it gave is remembered,
    so that the same step always has the same rate.

    Parameters
    ----------
    learning_rate : float, callable or iterable of float

    Raises
    ------
    ValueError
        If a constant rate is not a positive finite number, or, when the rate of a
        step is asked for, if the iterable has ended before it.

    Examples
    --------
    >>> as_schedule(0.1)(5)
    0.1
    >>> halving = as_schedule(0.5**step for step in range(3))
    >>> halving(2), halving(0)
    (0.25, 1.0)
    """
    if callable(learning_rate):
        return learning_rate
    if isinstance(learning_rate, Iterable):
        return _remembered(learning_rate)
    return constant(learning_rate)


def constant(value: float) -> Schedule:
    """Return the schedule that is `value` at every step.

    Raises
    ------
    ValueError
        If the value is not a positive finite number.

    Examples
    --------
    >>> constant(0.1)(1000)
    0.1
    """
    rate = _positive("constant", value)
    return lambda step: rate


def exponential(initial: float, final: float, steps: int) -> Schedule:
    """Return the schedule ``initial * (final / initial) ** (step / steps)``.

    The rate falls by the same factor at every step and stays at `final` after the
    last. Falling over several powers of ten, it lets a subgradient method settle on
    the corner that is the minimum of a piecewise linear loss.

    Raises
    ------
    ValueError
        If a rate is not a positive finite number, or `steps` is below 1.

    Examples
    --------
    >>> [exponential(1.0, 0.01, 2)(step) for step in range(4)]
    [1.0, 0.1, 0.01, 0.01]
    """
    first = _positive("exponential", initial)
    ratio = _positive("exponential", final) / first
    length = _at_least_one("exponential", steps)
    return lambda step: first * ratio ** min(step / length, 1.0)


def cosine(initial: float, steps: int, final: float = 0.0) -> Schedule:
    """Return the half cosine that falls from `initial` at step 0 to `final`.

    ``final + (initial - final) * (1 + cos(pi * step / steps)) / 2``, and `final` from
    step `steps` on.

    Raises
    ------
    ValueError
        If `initial` is not a positive finite number, or `steps` is below 1.

    Examples
    --------
    >>> [round(cosine(1.0, 4)(step), 3) for step in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """
    height = _positive("cosine", initial) - final
    length = _at_least_one("cosine", steps)

    def rate(step: int) -> float:
        return final + height * (1 + math.cos(math.pi * min(step / length, 1.0))) / 2

    return rate


def warmup(steps: int, learning_rate: LearningRate) -> Schedule:
    """Return a schedule multiplied by ``(step + 1) / steps`` in its first `steps`.

    Raises
    ------
    ValueError
        If `steps` is below 1, or as `as_schedule` does.

    Examples
    --------
    >>> [warmup(4, 1.0)(step) for step in range(5)]
    [0.25, 0.5, 0.75, 1.0, 1.0]
    """
    length = _at_least_one("warmup", steps)
    schedule = as_schedule(learning_rate)
    return lambda step: schedule(step) * min((step + 1) / length, 1.0)


def _remembered(rates: Iterable[float]) -> Schedule:
    source, drawn = iter(rates), list[float]()

    def rate(step: int) -> float:
        while len(drawn) <= step:
            try:
                drawn.append(float(next(source)))
            except StopIteration:
                raise ValueError(
                    f"learning_rate: the iterable must give a rate for every step; "
                    f"it ended after {len(drawn)}, at step {step}. Give a generator "
                    "that goes on, or train for fewer steps."
                ) from None
        return drawn[step]

    return rate


def _positive(schedule: str, value: float) -> float:
    if not (math.isfinite(value) and value > 0):
        raise ValueError(
            f"{schedule}: a learning rate must be positive and finite; got {value!r}. "
            "Try 0.01."
        )
    return float(value)


def _at_least_one(schedule: str, steps: int) -> int:
    if steps < 1:
        raise ValueError(
            f"{schedule}: steps must be at least 1; got {steps!r}. "
            "Give the number of training steps."
        )
    return steps
