"""Arrays of the current backend for tests, and a check of derivatives there."""

from collections.abc import Callable
from typing import Any

import numpy as np

import autograd_core as ag
from autograd_core.testing import Report, check_grads


def from_numpy(x: Any, dtype: str | None = None) -> Any:
    """Return an ndarray as an array of the current backend."""
    return ag.ops.asarray(np.asarray(x, dtype=dtype))


def check(function: Callable[..., Any], *values: Any, order: int = 2) -> Report:
    """Check a function at float64 values in the current backend."""
    return check_grads(
        function, *(from_numpy(x, "float64") for x in values), order=order
    )
