"""A function and the derivative that is claimed for it, on flat tuples of arrays.

However a derivative is given (as operators that make one of any function, or as plain
functions of somebody's own), the properties see a `Problem`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from inspect import signature
from typing import Any, TypeAlias

import numpy as np

from autograd_core import pytree
from autograd_core.testing.arrays import (
    Array,
    NDArray,
    is_complex,
    is_inexact,
    row,
    to_numpy,
    zeros_like,
)

Arrays: TypeAlias = tuple[Array, ...]
Function: TypeAlias = Callable[..., Arrays]
Pullback: TypeAlias = Callable[[Arrays], Arrays]


@dataclass(frozen=True)
class Operators:
    """Operators that make the derivative of any function, so that they nest.

    Attributes
    ----------
    jvp, vjp
        ``jvp(f, primals, tangents)`` and ``vjp(f, *primals)``.
    ours
        Whether they are those of this library, which promises more than others.
    bilinear
        Whether cotangents of complex numbers pair as ``sum(u * v)`` and not as
        ``sum(conj(u) * v)``; they are converted to the latter.
    """

    jvp: Callable[..., Any] | None
    vjp: Callable[..., Any] | None
    ours: bool = False
    bilinear: bool = False

    def push(self, function: Function, primals: Arrays, tangents: Arrays) -> Arrays:
        """Return the tangents of a function's results."""
        assert self.jvp is not None
        return tuple(self.jvp(function, primals, tangents)[1])

    def pull(self, function: Function, *primals: Array) -> tuple[Arrays, Pullback]:
        """Return a function's results and its pullback, on tuples."""
        assert self.vjp is not None
        values, pullback = self.vjp(function, *primals)
        if not self.bilinear:
            return tuple(values), pullback

        def conjugated(cotangents: Arrays) -> Arrays:
            return tuple(map(_conj, pullback(tuple(map(_conj, cotangents)))))

        return tuple(values), conjugated


def _conj(x: Array) -> Array:
    return x.conj() if "complex" in str(x.dtype) else x


@dataclass(frozen=True)
class Problem:
    """A function of arrays at a point, and its claimed derivative.

    Attributes
    ----------
    function
        Takes the leaves, returns a tuple of arrays of floats.
    leaves, names
        Where it is differentiated, and what the leaves are called.
    outputs
        What the results are called.
    jvp, vjp
        ``jvp(primals, tangents)`` and ``vjp(primals) -> (values, pullback)`` on
        tuples; None where not given.
    operators
        What made them, if they can be nested.
    scales
        The size of each leaf, in which its directions are drawn; a power of two.
    """

    function: Function
    leaves: Arrays
    names: tuple[str, ...]
    outputs: tuple[str, ...]
    jvp: Callable[[Arrays, Arrays], Arrays] | None
    vjp: Callable[[Arrays], tuple[Arrays, Pullback]] | None
    operators: Operators | None = None
    scales: tuple[float, ...] = field(default=())

    @property
    def ours(self) -> bool:
        """Whether the derivative is this library's own."""
        return self.operators is not None and self.operators.ours

    def at(self, leaves: Sequence[Array]) -> Problem:
        """Return the same problem at another point."""
        return replace(self, leaves=tuple(leaves))

    def values(self) -> Arrays:
        """Return the function's results, computed without a derivative."""
        return self.function(*self.leaves)

    def push(self, tangents: Arrays) -> Arrays:
        """Return the JVP at the point."""
        assert self.jvp is not None
        return self.jvp(self.leaves, tangents)

    def pull(self) -> tuple[Arrays, Pullback]:
        """Return the values and the pullback at the point."""
        assert self.vjp is not None
        return self.vjp(self.leaves)

    def along(self, tangents: Arrays) -> Callable[[float], NDArray]:
        """Return the function on the line through the point, of one number."""

        def at(h: float) -> NDArray:
            pairs = zip(self.leaves, tangents, strict=True)
            return row(self.function(*(x + v * h for x, v in pairs)))

        def moved(h: float) -> NDArray:
            with np.errstate(all="ignore"):
                if h == 0:
                    return at(h)
                try:
                    return at(h)
                except Exception:  # there is no function there
                    return np.full(at(0.0).shape, np.nan)

        return moved

    def alone(self, k: int) -> Problem:
        """Return the problem of one leaf, the others held constant."""
        if len(self.leaves) == 1:
            return self
        before, after = self.leaves[:k], self.leaves[k + 1 :]

        def function(x: Array) -> Arrays:
            return self.function(*before, x, *after)

        only = replace(
            self,
            leaves=self.leaves[k : k + 1],
            names=self.names[k : k + 1],
            scales=self.scales[k : k + 1],
        )
        if self.operators:
            return only.of(function)
        jvp, vjp = self.jvp, self.vjp

        def push(primals: Arrays, tangents: Arrays) -> Arrays:
            zeros = [zeros_like(x) for x in self.leaves]
            assert jvp is not None
            return jvp(
                (*before, *primals, *after),
                (*zeros[:k], *tangents, *zeros[k + 1 :]),
            )

        def pull(primals: Arrays) -> tuple[Arrays, Pullback]:
            assert vjp is not None
            values, pullback = vjp((*before, *primals, *after))
            return values, lambda cotangents: pullback(cotangents)[k : k + 1]

        return replace(only, function=function, jvp=jvp and push, vjp=vjp and pull)

    def of(self, function: Function, **changed: Any) -> Problem:
        """Return the problem of another function, differentiated by the operators."""
        operators = self.operators
        assert operators is not None
        return replace(
            self,
            function=function,
            jvp=self.jvp
            and (lambda primals, tangents: operators.push(function, primals, tangents)),
            vjp=self.vjp and (lambda primals: operators.pull(function, *primals)),
            **changed,
        )

    # The next order: derivatives as functions that are differentiated themselves.

    def of_pullback(self, cotangents: Arrays) -> Problem:
        """Return the problem of ``(x, y_bar) -> x_bar``."""
        count, operators = len(self.leaves), self.operators
        assert operators is not None

        def gradient(*arrays: Array) -> Arrays:
            _, pullback = operators.pull(self.function, *arrays[:count])
            return tuple(pullback(arrays[count:]))

        return self.of(
            gradient,
            leaves=self.leaves + cotangents,
            names=self.names + tuple(f"cotangent of {name}" for name in self.outputs),
            outputs=tuple(f"gradient of {name}" for name in self.names),
            scales=self.scales + tuple(map(scale_of, cotangents)),
        )

    def of_pushforward(self, tangents: Arrays) -> Problem:
        """Return the problem of ``(x, x_dot) -> y_dot``."""
        count, operators = len(self.leaves), self.operators
        assert operators is not None

        def tangent(*arrays: Array) -> Arrays:
            return operators.push(self.function, arrays[:count], arrays[count:])

        return self.of(
            tangent,
            leaves=self.leaves + tangents,
            names=self.names + tuple(f"tangent of {name}" for name in self.names),
            outputs=tuple(f"tangent of {name}" for name in self.outputs),
            scales=self.scales + tuple(map(scale_of, tangents)),
        )


def scale_of(x: Array) -> float:
    """Return the power of two that is nearest below the median size of an array."""
    sizes = np.abs(to_numpy(x)).ravel().astype(np.float64)
    sizes = sizes[(sizes > 0) & np.isfinite(sizes)]
    if not sizes.size:
        return 1.0
    return float(2.0 ** np.clip(np.floor(np.log2(np.median(sizes))), -500, 500))


# ------------------------------------------------------------------ how it is given


def names_of(function: Callable[..., Any], structure: pytree.Structure) -> list[str]:
    """Return what the leaves of a call's arguments are called: ``w['scale'][0]``."""
    try:
        parameters = list(signature(function).parameters.values())
    except (TypeError, ValueError):  # a function of C
        parameters = []
    named = [p.name for p in parameters if p.kind < p.VAR_POSITIONAL]
    result = []
    for k, argument in enumerate(structure.children):
        name = named[k] if k < len(named) else f"argument {k}"
        result += [name + path for path in pytree.paths(argument)]
    return result


@dataclass(frozen=True)
class Case:
    """A function at arguments, some leaves of which are differentiated.

    Attributes
    ----------
    function, arguments
        As the user gave them.
    chosen
        Places of the differentiated leaves among all leaves of the arguments.
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    chosen: tuple[int, ...]

    @property
    def leaves(self) -> Arrays:
        """The differentiated leaves."""
        found, _ = pytree.flatten(self.arguments)
        return tuple(found[k] for k in self.chosen)

    def with_leaves(self, leaves: Sequence[Array]) -> tuple[Any, ...]:
        """Return the arguments with other arrays at the differentiated places."""
        found, structure = pytree.flatten(self.arguments)
        for k, x in zip(self.chosen, leaves, strict=True):
            found[k] = x
        rebuilt: tuple[Any, ...] = pytree.unflatten(structure, found)
        return rebuilt


def kept_outputs(y: Any) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Return which leaves of a result are arrays of floats, and their names."""
    found, structure = pytree.flatten(y)
    paths = list(pytree.paths(structure, "output"))
    kept = tuple(k for k, x in enumerate(found) if is_inexact(x))
    return kept, tuple(paths[k] for k in kept)


def flat(case: Case, kept: tuple[int, ...]) -> Function:
    """Return a case as a function of its differentiated leaves."""

    def function(*leaves: Array) -> Arrays:
        y = case.function(*case.with_leaves(leaves))
        found, _ = pytree.flatten(y)
        return tuple(found[k] for k in kept)

    return function


def all_real(arrays: Sequence[Array]) -> bool:
    """Say whether no array is complex."""
    return not any(map(is_complex, arrays))
