"""What optimisations there are, and how they are run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from inspect import getdoc
from typing import Any

from autograd_core.errors import error
from autograd_core.programs.program import Program
from autograd_core.programs.rewriting import rewrite

LEVELS = ("exact", "stable", "fast")
"""What may change: nothing; rounding, for the better; rounding, for speed. Each level
does what those before it do."""

ROUNDS = 12
"""How often the passes are run at most; what one leaves, another may find."""

optimisations: dict[str, Optimisation] = {}
"""Every optimisation by its name."""


@dataclass(frozen=True)
class Optimisation:
    """One pass: a pure function from programs to programs.

    Attributes
    ----------
    name
        By which it is switched on and off.
    level
        One of `LEVELS`.
    function
        The pass.
    reason
        What it does, and why that is right.
    """

    name: str
    level: str
    function: Callable[[Program], Program]
    reason: str

    def __call__(self, program: Program) -> Program:
        """Return the program that the pass makes of another: the same if of nothing."""
        return self.function(program)


def optimisation(level: str, of: str = "") -> Callable[[Callable[[Any], Any]], Any]:
    """Declare an optimisation: its name and its reason are those of the function.

    Parameters
    ----------
    level
        One of `LEVELS`.
    of
        The operations that it rewrites. The function is then a rule for `rewrite`;
        without these it takes a program and returns one.
    """
    operations = frozenset(of.split())

    def decorate(function: Callable[[Any], Any]) -> Optimisation:
        def rewritten(program: Program) -> Program:
            return rewrite(program, function, operations)

        name = function.__name__.replace("_", " ")
        optimisations[name] = made = Optimisation(
            name, level, rewritten if of else function, getdoc(function) or ""
        )
        return made

    return decorate


def chosen(
    level: str, without: Collection[str] = (), only: Collection[str] | None = None
) -> list[Optimisation]:
    """Return the optimisations of a level and those before it, in order."""
    if level not in LEVELS:
        raise error(
            ValueError,
            "optimise",
            "the level says what may change",
            repr(level),
            f"Use one of {', '.join(LEVELS)}.",
        )
    for name in (*without, *(only or ())):
        if name not in optimisations:
            raise error(
                ValueError,
                "optimise",
                "there is no such optimisation",
                repr(name),
                f"There are: {', '.join(optimisations)}.",
            )
    return [
        each
        for each in sorted(optimisations.values(), key=_turn)
        if LEVELS.index(each.level) <= LEVELS.index(level)
        and each.name not in without
        and (only is None or each.name in only)
    ]


def _turn(optimisation: Optimisation) -> int:
    """Return when its level runs: formulas are recognised best as they were written."""
    return ("stable", "exact", "fast").index(optimisation.level)


Watcher = Callable[[Optimisation, Program, Program], None]


def to_a_fixpoint(
    program: Program,
    passes: Iterable[Optimisation],
    tidy: Callable[[Program], Program],
    watcher: Watcher | None,
) -> Program:
    """Run passes in turn until none finds anything."""
    passes = list(passes)
    for _ in range(ROUNDS):
        start = program
        for each in passes:
            found = each(program)
            if found is not program:
                found = tidy(found)
                if watcher is not None:
                    watcher(each, program, found)
                program = found
        if program is start:
            break
    return program
