"""W8: peak memory of deep chains, checkpointed and not.

Memory is what Python's and NumPy's allocators hold at the most while a gradient is
computed (tracemalloc), in units of one array of the chain; the contenders compute the
same gradient, which is checked. These numbers are the same in every run:

- a chain of blocks of eight sines: what the rules keep (`saved_residuals` says how
  much), beside the same by hand; every block checkpointed, beside the same by hand; the
  same with HIPS autograd and its ``checkpoint``;
- a recurrence of so many steps of one number: `scan`, with ``checkpoint=True`` as well.
"""

from __future__ import annotations

import gc
import importlib
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy

import autograd_core as ag
from bench.contenders import BY_HAND, OURS
from bench.declare import COMPILED, PEAK, Bar, Options, Result, Workload

xp = ag.ops
WIDTH = 8
"""Sines in a block."""

Gradient = Callable[[Any], Any]


def block(np: Any, x: Any) -> Any:
    for _ in range(WIDTH):
        x = np.sin(x)
    return x


# ------------------------------------------------------------------ a chain of blocks


def ours(depth: int, checkpointed: bool) -> Gradient:
    return ag.grad(chain(depth, checkpointed))


def compiled(depth: int, checkpointed: bool) -> Gradient:
    gradient: Gradient = ag.compile(ours(depth, checkpointed))
    return gradient


def chain(depth: int, checkpointed: bool) -> Callable[[Any], Any]:
    def step(x: Any) -> Any:
        return block(xp, x)

    wrapped = ag.checkpoint(step) if checkpointed else step

    def f(x: Any) -> Any:
        for _ in range(depth):
            x = wrapped(x)
        return xp.sum(x)

    return f


def by_hand(depth: int, checkpointed: bool) -> Gradient:
    """Return the gradient as a person would write it, with the same memory in mind."""

    def forward(x: Any) -> tuple[Any, list[Any]]:
        saved = []
        for _ in range(WIDTH):
            saved.append(x)
            x = numpy.sin(x)
        return x, saved

    def backward(t: Any, saved: list[Any]) -> Any:
        while saved:
            t = t * numpy.cos(saved.pop())
        return t

    def gradient(x: Any) -> Any:
        kept = []
        for _ in range(depth):
            y, saved = forward(x)
            kept.append(x if checkpointed else saved)
            del saved
            x = y
        t = numpy.ones_like(x)
        del x, y
        while kept:
            last = kept.pop()
            t = backward(t, forward(last)[1] if checkpointed else last)
        return t

    return gradient


def hips(depth: int, checkpointed: bool) -> Gradient:
    autograd = importlib.import_module("autograd")
    np = importlib.import_module("autograd.numpy")

    def step(x: Any) -> Any:
        return block(np, x)

    wrapped = autograd.checkpoint(step) if checkpointed else step

    def f(x: Any) -> Any:
        for _ in range(depth):
            x = wrapped(x)
        return np.sum(x)

    gradient: Gradient = autograd.grad(f)
    return gradient


# ------------------------------------------------------------------ a long recurrence


def recurrence(steps: int, checkpointed: bool) -> Gradient:
    xs = numpy.full(steps, 0.1)

    def f(a: Any) -> Any:
        carry, _ = ag.scan(
            lambda c, x: (xp.sin(c * a) + x, None), 0.5, xs, checkpoint=checkpointed
        )
        return carry

    return ag.grad(f)


# ------------------------------------------------------------------ the measurement

KEPT = "what the rules keep"
CHECKPOINTED = ", checkpointed"
SCAN = f"{OURS}, scan"
CHAIN_MAKERS = {
    BY_HAND: by_hand,
    OURS: ours,
    COMPILED: compiled,
    "HIPS autograd": hips,
}
SIZES = {"smoke": (4, 1000, 100), "default": (64, 100_000, 25_000)}
"""Blocks of the chain, numbers of an array, steps of the shorter recurrence."""

LONGER = 4
GROWS = f"memory for {LONGER} times the steps"


def peak(gradient: Gradient, x: Any) -> tuple[Any, int]:
    """Return a gradient, and the bytes held at the most during a second call.

    What the first call leaves behind (caches, arrays kept for later) counts.
    """
    gc.collect()
    ag.get_backend().release_memory()  # of arrays from before, which is not seen
    tracemalloc.start()
    try:
        gradient(x)
        gc.collect()
        tracemalloc.reset_peak()
        found = gradient(x)
        return found, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def chains(depth: int, size: int) -> dict[str, float | None]:
    """Return the peak of every contender, in arrays; None for one that is missing."""
    x = numpy.linspace(0.1, 1.0, size)
    expected = by_hand(depth, False)(x)
    table: dict[str, float | None] = {}
    for checkpointed, what in ((False, ""), (True, CHECKPOINTED)):
        kept = ag.saved_residuals(chain(depth, checkpointed), x)
        table[KEPT + what] = kept.bytes / x.nbytes
        for name, make in CHAIN_MAKERS.items():
            try:
                found, held = peak(make(depth, checkpointed), x)
            except ImportError:
                table[name + what] = None
                continue
            numpy.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-300)
            table[name + what] = held / x.nbytes
    return table


def recurrences(steps: int) -> dict[str, float]:
    """Return the peaks of a recurrence, in megabytes."""
    a = numpy.asarray(0.9)
    plain, all_of_it = peak(recurrence(steps, False), a)
    again, less = peak(recurrence(steps, True), a)
    numpy.testing.assert_allclose(again, plain, rtol=1e-12)
    return {SCAN: all_of_it / 1e6, SCAN + CHECKPOINTED: less / 1e6}


def measure(workload: Workload, options: Options) -> Iterator[Result]:
    """Measure chains, and recurrences of two lengths."""
    depth, size, steps = SIZES.get(options.size, SIZES["default"])
    title = f"{depth} blocks of {WIDTH} sines, float64[{size:,}]"
    for name, held in chains(depth, size).items():
        if options.wants(name, name):
            yield result(workload, title, name, held, "arrays", PEAK)
    few, many = recurrences(steps), recurrences(LONGER * steps)
    for count, found in ((steps, few), (LONGER * steps, many)):
        for name, held in found.items():
            case = f"recurrence of {count:,} steps"
            yield result(workload, case, name, held, "MB", PEAK)
    for name in few:
        growth = many[name] / few[name]
        case = f"recurrence, {LONGER} times the steps"
        yield result(workload, case, name, growth, "times", GROWS)


def result(
    workload: Workload, case: str, name: str, value: float | None, unit: str, what: str
) -> Result:
    """Return a result of one number, which has no spread."""
    if value is None:
        return Result(workload.name, case, name, why="missing")
    numbers = (value, value, value)
    return Result(
        workload.name, case, name, unit, *numbers, measure=what, rounds=(value,)
    )


CHAINS = Workload(
    "W8",
    "peak memory of the gradient of deep chains, with and without checkpoints",
    measure,
    bars=(
        Bar(OURS, KEPT, 1.1, measure=PEAK),
        Bar(OURS + CHECKPOINTED, BY_HAND + CHECKPOINTED, 1.1, measure=PEAK),
        Bar(SCAN + CHECKPOINTED, "", 2.2, measure=GROWS),
    ),
)
