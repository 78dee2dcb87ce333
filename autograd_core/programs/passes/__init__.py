"""Optimisations: small functions from programs to programs; each can be left out.

`cleaning` and `cancelling` preserve every bit, `stabilising` makes rounding better,
`strength` may change it for speed. How they are declared and run says `registry`; what
they are made of, `rewriting`.
"""

from __future__ import annotations

from collections.abc import Collection

from autograd_core.programs.passes import cancelling, cleaning, stabilising, strength
from autograd_core.programs.passes.registry import (
    LEVELS,
    Optimisation,
    Watcher,
    chosen,
    optimisation,
    optimisations,
    to_a_fixpoint,
)
from autograd_core.programs.passes.sharing import unshared
from autograd_core.programs.program import Program

__all__ = [
    "LEVELS",
    "Optimisation",
    "cancelling",
    "cleaning",
    "stabilising",
    "strength",
    "optimisation",
    "optimisations",
    "optimise",
]


def optimise(
    program: Program,
    level: str = "exact",
    *,
    without: Collection[str] = (),
    only: Collection[str] | None = None,
    watcher: Watcher | None = None,
) -> Program:
    """Return a program that computes the same with less.

    Parameters
    ----------
    program
        A program, which is not changed.
    level
        What may change. ``"exact"``: no bit, of arrays laid out alike. ``"stable"``:
        rounding, for the better; best before a program is differentiated.
        ``"fast"``: rounding, for speed.
    without, only
        Names of optimisations to leave out, or to do alone; ``optimisations`` has all.
    watcher
        Called after each pass that found something, with the pass, and the programs
        before and after.

    Raises
    ------
    ValueError
        If there is no such level or optimisation.
    """
    passes = chosen(level, without, only)
    tidy = cleaning.dead_code if cleaning.dead_code in passes else _as_it_is
    careful = [each for each in passes if each.level != "fast"]
    found = to_a_fixpoint(program, careful, tidy, watcher)
    if careful != passes:
        found = to_a_fixpoint(found, passes, tidy, watcher)
    return unshared(found, program)


def _as_it_is(program: Program) -> Program:
    return program
