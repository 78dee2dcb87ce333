"""Peak memory of deep chains, checkpointed and not (workload W8).

    python -m bench.memory [--depth 64] [--size 100000] [--steps 100000]

Memory is what Python's and NumPy's allocators hold at the most while a gradient is
computed (tracemalloc), in units of one array of the chain. The contenders compute the
same gradient, which is checked. Rows:

- a chain of blocks of eight sines: what the rules keep (`saved_residuals` says how
  much), beside the same by hand; every block checkpointed, beside the same by hand; the
  same with HIPS autograd and its ``checkpoint``;
- a recurrence of so many steps of one number: `scan`, and with ``checkpoint=True``.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy

import autograd_core as ag

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


def peak(gradient: Gradient, x: Any) -> tuple[Any, int]:
    """Return a gradient, and the bytes held at the most beyond those held before."""
    gradient(x)
    gc.collect()
    tracemalloc.start()
    try:
        found = gradient(x)
        return found, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def chains(depth: int, size: int) -> dict[str, float | None]:
    """Return the peak of every contender, in arrays."""
    x = numpy.linspace(0.1, 1.0, size)
    expected = by_hand(depth, False)(x)
    table: dict[str, float | None] = {}
    for checkpointed, what in ((False, ""), (True, ", checkpointed")):
        kept = ag.saved_residuals(chain(depth, checkpointed), x)
        table[f"what the rules keep{what}"] = kept.bytes / x.nbytes
        for name, make in (
            ("by hand", by_hand),
            ("autograd-core", ours),
            ("HIPS autograd", hips),
        ):
            try:
                found, size_ = peak(make(depth, checkpointed), x)
            except ImportError:
                table[name + what] = None
                continue
            numpy.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-300)
            table[name + what] = size_ / x.nbytes
    return table


def recurrences(steps: int) -> dict[str, float]:
    """Return the peaks of a recurrence, in megabytes."""
    a = numpy.asarray(0.9)
    plain, all_of_it = peak(recurrence(steps, False), a)
    again, less = peak(recurrence(steps, True), a)
    numpy.testing.assert_allclose(again, plain, rtol=1e-12)
    return {
        f"scan of {steps} steps": all_of_it / 1e6,
        f"scan of {steps} steps, checkpointed": less / 1e6,
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--depth", type=int, default=64, help="blocks in the chain")
    parser.add_argument("--size", type=int, default=100_000, help="of the array")
    parser.add_argument("--steps", type=int, default=100_000, help="of the recurrence")
    options = parser.parse_args(arguments)
    print("| chain | arrays at the peak |\n|---|---|")
    for name, arrays in chains(options.depth, options.size).items():
        print(f"| {name} | {'missing' if arrays is None else f'{arrays:.1f}'} |")
    print("\n| recurrence | MB at the peak |\n|---|---|")
    for name, size in recurrences(options.steps).items():
        print(f"| {name} | {size:.1f} |")


if __name__ == "__main__":
    main()
