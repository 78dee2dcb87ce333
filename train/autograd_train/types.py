"""Names for the kinds of value that pass between the modules.

An array is of whatever library the active backend is, so its type is only a name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

Array: TypeAlias = Any
"""An array of the active backend, or a ``Tensor`` inside a differentiated function."""

Tree: TypeAlias = Any
"""Nested tuples, lists and dicts whose leaves are arrays."""

Schedule: TypeAlias = Callable[[int], float]
"""The learning rate as a function of the step, counted from 0."""

LearningRate: TypeAlias = float | Schedule | Iterable[float]
"""What an optimiser accepts: a number, a schedule, or a generator of numbers."""
