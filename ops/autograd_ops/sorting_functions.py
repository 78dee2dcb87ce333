"""Sorting functions (the standard's chapter of that name)."""

from __future__ import annotations

from typing import Any

from autograd_core.declare import constant, general, kink
from autograd_core.graph import Array
from autograd_core.operation import sample
from autograd_ops import shape_rules as shaped


@constant(shape=shaped.same)
def argsort(
    x: Array, /, *, axis: int = -1, descending: bool = False, stable: bool = True
) -> Array:
    """Indices that sort along an axis."""


def sort_jvp(
    xp: Any, t: Array, x: Array, axis: int, descending: bool, stable: bool
) -> Array:
    order = xp.argsort(x, axis=axis, descending=descending, stable=stable)
    return xp.take_along_axis(t, order, axis=axis)


def sort_vjp(
    xp: Any, t: Array, x: Array, axis: int, descending: bool, stable: bool
) -> Array:
    order = xp.argsort(x, axis=axis, descending=descending, stable=stable)
    return xp.take_along_axis(t, xp.argsort(order, axis=axis), axis=axis)


@general(
    jvp={"x": sort_jvp},
    vjp={"x": sort_vjp},
    takes_complex=False,
    positive=True,
    samples=(sample((5,)), sample((3, 4), axis=0), sample((3, 4), descending=True)),
    kinks=[
        kink(
            [1.0, 3.0, 3.0],
            gradient=[[1.0, 1.0, 1.0]],
            reason="that of a stable sort: each output is one element, and position "
            "settles which, so that `sort(x)[-1]` and `max(x)` differ here",
        )
    ],
    shape=shaped.same,
)
def sort(
    x: Array, /, *, axis: int = -1, descending: bool = False, stable: bool = True
) -> Array:
    """Sort along an axis; elements that tie keep the order of a stable sort."""
