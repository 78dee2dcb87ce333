"""Cotangents that know where they are zero because a branch was not taken.

The derivative of ``where(x > 0, log(x), 0)`` at ``x = 0`` is that of the branch taken.
Reverse mode would multiply the zero that comes back to the other branch by ``1 / 0``,
and make a nan of it. So a rule that sends a cotangent to one branch says where that
branch was taken (it returns a `Masked`), and what comes after keeps the zeros elsewhere
whatever its rule makes of them (`edges.carried`). Masks are computed when they are
first needed, which in most programs is never.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

from autograd_core.graph import Array
from autograd_core.tensor import namespace_of, stopped

Mask: TypeAlias = Array | Callable[[], Array]
"""A boolean array that broadcasts to a cotangent's shape, or how to compute it."""


class Masked:
    """A cotangent, and where a branch was taken; elsewhere it is zero and stays so.

    Parameters
    ----------
    value
        The cotangent, zero where the mask is False.
    mask
        A boolean array that broadcasts to the shape of ``value``, or a function
        that computes it.
    """

    __slots__ = ("_mask", "value")

    def __init__(self, value: Array, mask: Mask) -> None:
        self.value = value
        self._mask = mask

    @property
    def mask(self) -> Array:
        """Where the branch was taken."""
        if callable(self._mask):
            self._mask = self._mask()
        return stopped(self._mask)

    def chosen(self, xp: Any, term: Array | Masked) -> Masked:
        """Return what an elementwise rule made of the value, zero outside the mask."""
        value = xp.where(self.mask, plain(term), 0.0)
        both = partial(self._and, term) if isinstance(term, Masked) else self._mask
        return Masked(value, both)

    def through(
        self, term: Array | Masked, linear: Callable[..., Any], *saved: Any
    ) -> Masked:
        """Return what a linear map without negative coefficients made of the value.

        ``linear(xp, t, *saved)`` is the map, which shows where the mask comes to lie.
        """
        return Masked(plain(term), partial(self._moved, linear, saved))

    def _moved(self, linear: Callable[..., Any], saved: tuple[Any, ...]) -> Array:
        like = stopped(self.value)
        xp = namespace_of(like)
        ones = xp.broadcast_to(xp.astype(self.mask, like.dtype), like.shape)
        return plain(linear(xp, ones, *saved)) != 0

    def _and(self, other: Masked) -> Array:
        return self.mask & other.mask

    def _or(self, other: Masked) -> Array:
        return self.mask | other.mask


def plain(t: Any) -> Any:
    """Return a cotangent without its mask."""
    return t.value if type(t) is Masked else t


def joined(a: Array | Masked, b: Array | Masked) -> Array | Masked:
    """Add two cotangents of one array: zero is what neither branch was taken for."""
    total = plain(a) + plain(b)
    if isinstance(a, Masked) and isinstance(b, Masked):
        return Masked(total, partial(a._or, b))
    return total
