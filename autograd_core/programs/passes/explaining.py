"""What optimisation did to a program, as a table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from autograd_core.programs.passes.registry import Optimisation
from autograd_core.programs.program import Instruction, Program
from autograd_core.programs.rewriting import VIEWS


@dataclass
class Saving:
    """What one optimisation did, all in all.

    Attributes
    ----------
    name, level, reason
        Those of the optimisation.
    removed, added
        How many calls it took out of the program, and put in.
    bytes
        How many bytes fewer are read and written.
    lines
        The user's lines whose calls it took out.
    """

    name: str
    level: str
    reason: str
    removed: int = 0
    added: int = 0
    bytes: int = 0
    lines: dict[str, None] = field(default_factory=dict)


@dataclass
class Explanation:
    """What each optimisation did to a program; as text a table.

    Attributes
    ----------
    before, after
        The program as it was recorded, and what became of it.
    savings
        One for each optimisation that found anything.
    """

    before: Program
    after: Program
    level: str
    savings: dict[str, Saving] = field(default_factory=dict)

    def watch(self, each: Optimisation, before: Program, after: Program) -> None:
        """Note what an optimisation did."""
        saving = self.savings.setdefault(
            each.name, Saving(each.name, each.level, each.reason)
        )
        old, new = set(_made(before)), set(_made(after))
        gone = [x for x in before.instructions if new.isdisjoint(x.results)]
        come = [x for x in after.instructions if old.isdisjoint(x.results)]
        saving.removed += len(gone)
        saving.added += len(come)
        saving.bytes += traffic(before.instructions) - traffic(after.instructions)
        saving.lines.update(dict.fromkeys(x.results[0].line for x in gone))

    def __str__(self) -> str:
        title = (
            f"{self.before.name}, {self.level}: {len(self.before)} calls become "
            f"{len(self.after)}, {_size(traffic(self.before.instructions))} read and "
            f"written become {_size(traffic(self.after.instructions))}"
        )
        head = f"{'':<24}{'calls out':>10}{'in':>5}{'bytes saved':>14}  lines"
        rows = [
            f"{x.name:<24}{x.removed:>10}{x.added:>5}{_size(x.bytes):>14}  "
            f"{_listed(x.lines)}".rstrip()
            for x in self.savings.values()
        ]
        return "\n".join([title, head, *rows] if rows else [title])


def _made(program: Program) -> Iterable[object]:
    return (variable for each in program.instructions for variable in each.results)


def traffic(instructions: Iterable[Instruction]) -> int:
    """Return how many bytes instructions read and write; views are free."""
    return sum(
        sum(x.nbytes for x in (*each.operands, *each.results))
        for each in instructions
        if each.operation not in VIEWS
    )


def _size(count: int) -> str:
    """Return a number of bytes with a unit."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if abs(count) >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"


def _listed(lines: Iterable[str], most: int = 3) -> str:
    """Return the first of the lines, each once, with a gradient's own."""
    plain = dict.fromkeys(x.removeprefix("gradient of ") for x in lines if x)
    more = ", ..." if len(plain) > most else ""
    return ", ".join(list(plain)[:most]) + more
