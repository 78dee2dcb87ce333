"""A module for the conformance suite: `autograd_ops`, in which all floats are tracked.

Whatever creates an array of real floating-point numbers gives a Tensor here, so that
the suite runs on recorded computations, and is a test of recording itself.
"""

from __future__ import annotations

import functools
from typing import Any

import autograd_core as ag
import autograd_ops
from autograd_core.backend import is_array
from autograd_core.tensor import is_differentiable

CREATING = (
    *("arange", "asarray", "empty", "empty_like", "eye", "from_dlpack", "full"),
    *("full_like", "linspace", "meshgrid", "ones", "ones_like", "tril", "triu"),
    *("zeros", "zeros_like", "astype"),
)
"""The standard's chapter of creation, and the conversion of integers to floats."""

newaxis = None


def tracked(x: Any) -> Any:
    """Return raw floats as a Tensor, everything else as it is.

    It is a result, not the leaf: only results can be written to.
    """
    if isinstance(x, (tuple, list)):
        return type(x)(map(tracked, x))
    if is_array(x) and is_differentiable(x):
        return ag.ops.positive(ag.Tensor(x))
    return x


def creating(function: Any) -> Any:
    """Return a function that creates arrays so that it creates Tensors."""

    @functools.wraps(function)
    def create(*arguments: Any, **keywords: Any) -> Any:
        return tracked(function(*arguments, **keywords))

    return create


def __getattr__(name: str) -> Any:
    """Return what `autograd_ops` has, which changes with the default backend."""
    return getattr(autograd_ops, name)


def __dir__() -> list[str]:
    """Return the names of `autograd_ops`."""
    return dir(autograd_ops)


for _name in CREATING:
    globals()[_name] = creating(getattr(autograd_ops, _name))
