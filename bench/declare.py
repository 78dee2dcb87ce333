"""What a workload declares: its cases, who computes them, and the bars to meet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from bench.contenders import (
    BY_HAND,
    CONTENDERS,
    OURS,
    WITH_OUT,
    Arrays,
    Contender,
    Gradient,
    Program,
    Run,
    contender,
)

SIZES = ("smoke", "default", "full")

Make: TypeAlias = Callable[[], tuple[Run, Contender | None]]
"""Prepares a contender: what is to be timed, and who it is, None for NumPy by hand."""

TIME, PEAK = "time", "memory"
GROWTH, COMPILING = (
    f"{what} for ten times the steps" for what in ("time", "compiling")
)


@dataclass(frozen=True)
class Bar:
    """What a contender is to reach: so much of another, in the same run.

    Without `against` it is an absolute number, in units of the measure.
    """

    contender: str
    against: str
    at_most: float
    case: str = ""
    """The bar is that of cases with this in their title."""

    measure: str = TIME
    size: str = ""
    """The size of the workload for which the bar was set; all, if empty."""

    def sentence(self) -> str:
        """Say the bar in words."""
        of = f" of {self.against}" if self.against else ""
        return f"{self.contender}: {self.measure} at most {self.at_most:g}{of}"


@dataclass(frozen=True)
class Case:
    """Something that all contenders compute, in turn."""

    title: str
    makes: dict[str, Make]
    base: str = BY_HAND
    """The contender of whose time the others' are multiples."""

    tolerance: float = 1e-9
    """How far results may differ, in units of the largest number of an array."""

    apart: bool = False
    """Whether each contender has a process of its own."""

    result_bytes: int = 0
    """If given, peak memory is measured, and this is the unit of its bar."""


@dataclass(frozen=True)
class Result:
    """What was found for one contender in one case."""

    workload: str
    case: str
    contender: str
    unit: str = ""
    median: float | None = None
    low: float | None = None
    high: float | None = None
    why: str = ""
    """Why there is no number: missing, or what cannot be done."""

    compiling: float | None = None
    """Seconds by which the first call was longer than the later ones."""

    peak: float | None = None
    """Bytes held at the most during a call, beyond inputs."""

    cores: float | None = None
    """Time of the processor over time of the clock."""

    measure: str = TIME
    rounds: tuple[float | None, ...] = field(default=(), repr=False)
    """Seconds (or whatever is measured) in each round."""

    result_bytes: int = 0


@dataclass(frozen=True)
class Options:
    """How a run is to be made."""

    size: str = "default"
    repeats: int = 20
    limit: float = 120.0
    """Seconds for all rounds of a case, shared by the contenders."""

    only: Sequence[str] = ()
    """Contenders whose names have one of these words in them; all, if empty."""

    without: Sequence[str] = ()
    """Contenders that do not take part."""

    memory: bool = True
    case: str = ""
    """Cases with this in their title; all, if empty."""

    clock: str = "wall"
    """Which time counts: that of the clock on the wall, or of the processor."""

    base: str = ""
    """The contender to whose time the others' are compared, if not the case's own."""

    def wants(self, name: str, base: str) -> bool:
        """Say whether a contender takes part."""
        if name in (base, self.base):
            return True
        wanted = not self.only or any(word in name for word in self.only)
        return wanted and not any(word in name for word in self.without)


@dataclass(frozen=True)
class Workload:
    """A workload: what it is, how it is measured, and what is to be reached."""

    name: str
    what: str
    measure: Callable[[Workload, Options], Iterator[Result]]
    bars: tuple[Bar, ...] = ()
    cases: Callable[[str], Iterator[Case]] | None = None


# ------------------------------------------------------------------ gradients

ALL = tuple(name for name in CONTENDERS if name != "torch.func")
EAGER_OURS, COMPILED = OURS, f"{OURS}, compiled"
ON_JAX, ON_TORCH = f"{OURS} on JAX, compiled", f"{OURS} on PyTorch, compiled"

EAGER = (OURS, "HIPS autograd", "advect", "MyGrad", "PyTorch eager")
"""Those that compute as the program runs."""

BACKENDS = (
    Bar(ON_JAX, "JAX jit", 1.05),
    Bar(ON_TORCH, "PyTorch eager", 1.0),
)


@dataclass(frozen=True)
class Differentiated:
    """A program, and its gradient as a person would write it.

    `by_hand` is straightforward; `with_out`, if given, allocates buffers for arrays
    like those it gets and returns a function that computes into them.
    """

    program: Program
    arrays: Arrays
    trained: tuple[int, ...]
    by_hand: Gradient
    with_out: Callable[..., Gradient] | None = None
    contenders: tuple[str, ...] = ALL

    def case(self, title: str, **options: Any) -> Case:
        """Return the case: the value and the gradients, once."""
        return Case(title, dict(self.makes()), **options)

    def makes(self) -> Iterator[tuple[str, Make]]:
        """Yield the contenders, and what prepares each."""
        yield BY_HAND, lambda: (lambda: self.by_hand(*self.arrays), None)
        if self.with_out:
            yield WITH_OUT, self.buffers
        for name in self.contenders:
            yield name, lambda name=name: self.of(contender(name))  # type: ignore[misc]

    def buffers(self) -> tuple[Run, None]:
        """Prepare NumPy by hand with ``out=``."""
        assert self.with_out is not None
        both = self.with_out(*self.arrays)
        return lambda: both(*self.arrays), None

    def of(self, who: Contender) -> tuple[Run, Contender]:
        """Prepare a library."""
        both, arrays = who.gradient(self.program, self.arrays, self.trained)
        return lambda: who.ready(both(*arrays)), who
