"""Tests of the checker: faults are planted in every rule, and each must be caught.

    python -m autograd_core.testing.mutation

A checker that accepts wrong derivatives looks just like a good one as long as all
derivatives are right. So rules are made wrong here on purpose, in every way of
`faults`, one at a time: for each operation and argument, in forward mode, in reverse
mode and in both. `certify_operation` must refuse each of these mutants. One that it
passes survives, and shows what is not checked.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from hashlib import blake2b
from itertools import islice
from multiprocessing import get_context
from typing import TypeAlias, TypeVar

from autograd_core.backend import get_backend, use_backend
from autograd_core.errors import error
from autograd_core.operation import Operation, registry
from autograd_core.testing import operations as certification
from autograd_core.testing.faults import FAULTS, MODES, Fault, Modes
from autograd_core.testing.report import InconclusiveError
from autograd_core.testing.witnesses import Witnesses

T = TypeVar("T")

CAUGHT, SURVIVED, EQUIVALENT = "caught", "survived", "equivalent"


@dataclass(frozen=True)
class Mutant:
    """A fault in a place.

    Attributes
    ----------
    fault
        What is wrong.
    operation
        The right operation.
    place
        The place of the argument whose rule is wrong.
    modes
        In which modes it is.
    """

    fault: Fault
    operation: Operation
    place: int
    modes: Modes

    @property
    def argument(self) -> str:
        """The argument whose rule is wrong, if it is the rule of one."""
        return "" if self.fault.whole else self.operation.arguments[self.place]

    @property
    def mode(self) -> str:
        """In which modes the operation is wrong."""
        return "both modes" if self.modes == MODES[0] else self.modes[0]

    @property
    def wrong(self) -> Operation | None:
        """The wrong operation; None where the fault has no place.

        It is made anew each time, as some faults remember what they were asked.
        """
        return self.fault.plant(self.operation, self.place, self.modes)

    def __str__(self) -> str:
        """Return what is wrong, and where."""
        of = f" of {self.argument}" if self.argument else ""
        return f"{self.operation.name}{of}, {self.mode}: {self.fault.name}"


@dataclass(frozen=True)
class Outcome:
    """How it went with a mutant.

    Attributes
    ----------
    operation, argument, mode, fault
        What is wrong in the mutant, and where.
    verdict
        Whether it was caught, survived, or is equivalent to the original.
    scenario, property
        What caught it, of those that `certify_operation` puts it through.
    witness
        A call in which it differs from the original, or in how many it does not.
    """

    operation: str
    argument: str
    mode: str
    fault: str
    verdict: str
    scenario: str = ""
    property: str = ""
    witness: str = ""

    def __str__(self) -> str:
        """Return what is wrong, and where."""
        of = f" of {self.argument}" if self.argument else ""
        return f"{self.operation}{of}, {self.mode}: {self.fault}"


@dataclass
class Summary:
    """How a mutation run went; prints as a table."""

    outcomes: list[Outcome] = field(default_factory=list)
    seconds: float = 0.0

    def of(self, verdict: str) -> list[Outcome]:
        """Return the outcomes with a verdict."""
        return [outcome for outcome in self.outcomes if outcome.verdict == verdict]

    @property
    def survivors(self) -> list[Outcome]:
        """The mutants that the checker passes, with a call in which each is wrong."""
        return self.of(SURVIVED)

    @property
    def counts(self) -> str:
        """How many mutants were caught, survived, or were none."""
        caught, equivalent = len(self.of(CAUGHT)), len(self.of(EQUIVALENT))
        return (
            f"{caught + len(self.survivors)} mutants: {caught} caught, "
            f"{len(self.survivors)} survived ({equivalent} more differ from the "
            f"original in no bit); {self.seconds:.0f} s"
        )

    def rows(self) -> Iterator[tuple[str, ...]]:
        """Yield a row for each fault: counts, and what caught most of its mutants."""
        yield ("fault", "caught", "survived", "equivalent", "caught by")
        for name, fault in FAULTS.items():
            of = [outcome for outcome in self.outcomes if outcome.fault == name]
            if of:
                counts = Counter(outcome.verdict for outcome in of)
                numbers = (str(counts[v]) for v in (CAUGHT, SURVIVED, EQUIVALENT))
                by = Counter(one.property for one in of if one.verdict == CAUGHT)
                found = [f"{what} ({n})" for what, n in by.most_common(2)]
                found += [f"{len(by) - 2} more"] if len(by) > 2 else []
                yield (fault.sentence, *numbers, ", ".join(found))

    def catches(self) -> Iterator[tuple[str, ...]]:
        """Yield a row for each scenario and property: how many mutants it caught."""
        yield ("scenario", "property", "caught")
        by = Counter((one.scenario, one.property) for one in self.of(CAUGHT))
        for (scenario, what), count in by.most_common():
            yield scenario, what, str(count)

    def markdown(self) -> str:
        """Return the summary in Markdown."""
        parts = [self.counts + ".", table(self.rows()), table(self.catches())]
        if self.survivors:
            parts.append("\n".join(f"- {line}" for line in self._survived()))
        return "\n\n".join(parts) + "\n"

    def __str__(self) -> str:
        """Return the counts, and the survivors."""
        return "\n".join((self.counts, *(f"  {line}" for line in self._survived())))

    def _survived(self) -> Iterator[str]:
        for outcome in self.survivors:
            yield f"survived: {outcome} (seen at {outcome.witness})"


def table(rows: Iterable[tuple[str, ...]]) -> str:
    """Return a table in Markdown, of which the first row is the head."""
    head, *body = rows
    lines = [head, ("---",) * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


# ------------------------------------------------------------------ the run


def mutants(
    operation: Operation, faults: Iterable[Fault] | None = None
) -> Iterator[Mutant]:
    """Yield every mutant of an operation.

    Examples
    --------
    >>> from autograd_core.operation import registry
    >>> print(next(mutants(registry["sin"])))
    sin of x, both modes: scaled
    """
    for mutant in _candidates([operation], faults or FAULTS.values()):
        if mutant.wrong is not None:
            yield mutant


def _candidates(
    operations: Iterable[Operation], faults: Iterable[Fault]
) -> Iterator[Mutant]:
    """Yield mutants, and places where a fault has none."""
    for operation in operations:
        for fault in faults:
            places = range(1 if fault.whole else len(operation.arguments))
            for place in places:
                for modes in fault.modes:
                    yield Mutant(fault, operation, place, modes)


def run(
    operations: Sequence[str] | None = None,
    faults: Sequence[str] | None = None,
    sample: int | None = None,
    seed: int = 0,
    jobs: int = 1,
    progress: Callable[[str], None] | None = None,
) -> Summary:
    """Plant faults in operations, and see which of them the checker catches.

    Parameters
    ----------
    operations, faults
        Their names; by default all operations with rules, all faults.
    sample
        How many mutants to draw at random; by default all are made.
    seed
        Of the sample.
    jobs
        In how many processes.
    progress
        Called with a line after each operation.

    Returns
    -------
    Summary
        Which were caught, and by what; which survived.

    Raises
    ------
    ValueError
        If an operation or a fault is not known.
    """
    start = time.perf_counter()
    known = {name: one for name, one in registry.items() if any(one.jvp)}
    chosen = [_named("operation", known, name) for name in operations or known]
    planted = [_named("fault", FAULTS, name) for name in faults or FAULTS]
    candidates = list(_candidates(chosen, planted))
    if sample is not None:
        candidates.sort(key=partial(_lot, seed))
        candidates = _first_real(candidates, sample)
    tasks = list(_tasks(candidates))
    summary = Summary()
    for k, outcomes in enumerate(_done(tasks, jobs), start=1):
        summary.outcomes += outcomes
        summary.seconds = time.perf_counter() - start
        if progress:
            progress(f"{k} of {len(tasks)} operations, {summary.counts}")
    return summary


def _lot(seed: int, mutant: Mutant) -> bytes:
    """Return what a mutant draws in a sample; the lowest are taken.

    It is of the mutant alone, so that a new operation displaces as many mutants of
    others as it has in the sample, and leaves the rest.
    """
    return blake2b(f"{seed}: {mutant}".encode(), digest_size=16).digest()


def _first_real(candidates: Iterable[Mutant], count: int) -> list[Mutant]:
    """Return the first mutants whose fault has a place."""
    return list(islice((one for one in candidates if one.wrong is not None), count))


Task: TypeAlias = tuple[str, str, list[tuple[str, int, Modes]]]
"""A backend, an operation, and for each mutant of it fault, argument and modes."""


def _tasks(candidates: Iterable[Mutant]) -> Iterator[Task]:
    """Yield what to judge of each operation, by names, for other processes."""
    of: dict[str, list[tuple[str, int, Modes]]] = {}
    for mutant in candidates:
        place = mutant.fault.name, mutant.place, mutant.modes
        of.setdefault(mutant.operation.name, []).append(place)
    for name, places in of.items():
        yield get_backend().name, name, places


def _done(tasks: Sequence[Task], jobs: int) -> Iterator[list[Outcome]]:
    """Yield the outcomes for each operation."""
    if jobs == 1:
        yield from map(_outcomes, tasks)
    else:
        # not by fork, which libraries with threads of their own do not bear
        with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
            yield from pool.map(_outcomes, tasks)


def _outcomes(task: Task) -> list[Outcome]:
    """Judge mutants of one operation."""
    library, name, places = task
    operation = registry[name]
    witnesses = Witnesses(operation)
    last: dict[str, str] = {}  # where a fault was caught, to be tried first
    outcomes = []
    with use_backend(library):
        for fault, place, modes in places:
            mutant = Mutant(FAULTS[fault], operation, place, modes)
            if mutant.wrong is not None:
                outcome = judge(mutant, witnesses, last.get(fault))
                last[fault] = outcome.scenario
                outcomes.append(outcome)
    return outcomes


def judge(mutant: Mutant, witnesses: Witnesses, scenario: str | None = None) -> Outcome:
    """Return whether a mutant is caught, and what else is known of it.

    Parameters
    ----------
    mutant
        A mutant whose fault has a place.
    witnesses
        Of the original operation.
    scenario
        Where to look first.
    """
    what = mutant.operation.name, mutant.argument, mutant.mode, mutant.fault.name
    first, second = mutant.wrong, mutant.wrong
    assert first is not None
    assert second is not None
    stimulus = witnesses.difference(first)
    if stimulus is None:
        same = f"the same bits in {len(witnesses.stimuli)} calls"
        return Outcome(*what, EQUIVALENT, witness=same)
    failure = certification.first_failure(second, scenario)
    if failure is None and witnesses.is_negligible(first):
        less = f"off by less than rounding errors of the values, as at {stimulus}"
        return Outcome(*what, EQUIVALENT, witness=less)
    if failure is None:
        return Outcome(*what, SURVIVED, witness=str(stimulus))
    scenario, fault = failure
    return Outcome(*what, CAUGHT, scenario, _what(fault), str(stimulus))


def _what(fault: Exception) -> str:
    """Return the property that failed, or how else a scenario did."""
    if isinstance(fault, InconclusiveError):
        return "cannot be judged"
    if isinstance(fault, AssertionError):
        return str(getattr(fault, "property", "the declared gradient"))
    return f"raises {type(fault).__name__}"


def _named(kind: str, known: dict[str, T], name: str) -> T:
    if name not in known:
        near = get_close_matches(name, known, n=3) or sorted(known)[:3]
        raise error(
            ValueError,
            "mutation",
            f"must be given names of {kind}s",
            repr(name),
            f"Did you mean {' or '.join(map(repr, near))}?",
        )
    return known[name]


# ------------------------------------------------------------------ the command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the shell; return the exit status."""
    options = _parser().parse_args(arguments)
    progress = _show if sys.stderr.isatty() else None
    try:
        with use_backend(options.backend):
            summary = run(
                options.operations,
                options.faults,
                options.sample,
                options.seed,
                options.jobs,
                progress,
            )
    except (ImportError, ValueError) as cause:
        print(cause, file=sys.stderr)
        return 2
    if progress:
        progress("")
    print(summary.markdown() if options.markdown else summary)
    return 1 if summary.survivors else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m autograd_core.testing.mutation",
        description="Plant faults in derivative rules, and see that each is caught.",
        epilog="exit status: 0 all are caught; 1 some survive; 2 no such name",
    )
    parser.add_argument("--operations", type=_names, metavar="NAME,...")
    parser.add_argument("--faults", type=_names, metavar="NAME,...")
    parser.add_argument("--sample", type=int, metavar="N", help="draw so many mutants")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--jobs", type=int, default=1, help="number of processes")
    parser.add_argument("--backend", default="numpy", metavar="NAME")
    parser.add_argument("--markdown", action="store_true", help="print tables")
    return parser


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


def _show(line: str) -> None:
    """Write a line over the one before."""
    print(f"\r{line[:100]:<100}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
