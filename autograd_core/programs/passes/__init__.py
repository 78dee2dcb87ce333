"""Optimisations: small functions from programs to programs; each can be left out.

`cleaning` and `cancelling` preserve every bit, `stabilising` makes rounding better,
`strength` may change it for speed. How they are declared and run says `registry`; what
they are made of, `rewriting`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from operator import is_
from typing import Any

from autograd_core.programs.passes import cancelling, cleaning, stabilising, strength
from autograd_core.programs.passes.explaining import Explanation
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
    "Explanation",
    "Optimisation",
    "cancelling",
    "cleaning",
    "explain",
    "optimisation",
    "optimisations",
    "optimise",
    "stabilising",
    "strength",
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
    original = with_bodies(program, level, without, only)
    tidy = cleaning.dead_code if cleaning.dead_code in passes else _as_it_is
    passes.sort(key=cleaning.dead_code.__ne__)  # first: others ask who reads a value
    careful = [each for each in passes if each.level != "fast"]
    found = to_a_fixpoint(original, careful, tidy, watcher)
    if careful != passes:
        found = to_a_fixpoint(found, passes, tidy, watcher)
    return unshared(found, original)


def explain(program: Program, level: str = "exact") -> Explanation:
    """Return what each optimisation of a level does to a program; print it.

    Parameters
    ----------
    program
        A program, which is not changed.
    level
        As in `optimise`.
    """
    found = Explanation(program, program, level)
    found.after = optimise(program, level, watcher=found.watch)
    return found


def with_bodies(
    program: Program,
    level: str,
    without: Collection[str],
    only: Collection[str] | None,
) -> Program:
    """Return the program with the bodies of its loops optimised."""

    def improved(value: Any) -> Any:
        if not isinstance(value, Program):
            return value
        return optimise(value, level, without=without, only=only)

    instructions = []
    for each in program.instructions:
        statics = {name: improved(value) for name, value in each.statics.items()}
        same = all(statics[name] is value for name, value in each.statics.items())
        instructions.append(each if same else replace(each, statics=statics))
    if all(map(is_, instructions, program.instructions)):
        return program
    return replace(program, instructions=tuple(instructions))


def _as_it_is(program: Program) -> Program:
    return program
