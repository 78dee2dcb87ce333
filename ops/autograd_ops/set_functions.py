"""Set functions (the standard's chapter of that name).

Those that return values have no derivative rule: which of several equal elements a
value came from is not determined.
"""

from __future__ import annotations

from typing import Any

from autograd_core.declare import constant, general
from autograd_core.graph import Array
from autograd_core.operation import sample

without_rule = general(jvp={"x": None}, vjp={"x": None}, samples=(sample((3,)),))


@without_rule
def unique_all(x: Array, /) -> Any:
    """Values, indices, inverse indices and counts."""


@without_rule
def unique_counts(x: Array, /) -> Any:
    """Values and counts."""


@without_rule
def unique_inverse(x: Array, /) -> Any:
    """Values and inverse indices."""


@without_rule
def unique_values(x: Array, /) -> Array:
    """Values."""


@constant
def isin(x1: Array, x2: Array, /, *, invert: bool = False) -> Array:
    """Whether each element of ``x1`` is among ``x2``."""
