"""W2: 50 elementwise operations on eight numbers, and a sum."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from bench.contenders import BY_HAND, OURS, Gradient
from bench.declare import BACKENDS, COMPILED, Bar, Case, Differentiated, Workload
from bench.measure import timed

TURNS = 10


def program(np: Any, x: Any) -> Any:
    for _ in range(TURNS):
        x = np.sin(x) * 1.1 + np.tanh(x) * x
    return np.sum(x)


def by_hand(x: Any) -> tuple[Any, tuple[Any]]:
    saved = []
    for _ in range(TURNS):
        s, h = np.sin(x), np.tanh(x)
        saved.append((x, h))
        x = s * 1.1 + h * x
    t = np.ones(8)
    for x0, h in reversed(saved):
        t = t * 1.1 * np.cos(x0) + t * h + t * x0 * (1 - h * h)
    return np.sum(x), (t,)


def with_out(x: Any) -> Gradient:
    """Return the same into buffers; sums of products are factored: ``t * (...)``."""
    xs: list[Any] = [np.empty_like(x) for _ in range(TURNS)]
    hs: list[Any] = [np.empty_like(x) for _ in range(TURNS)]
    t, u, s = (np.empty_like(x) for _ in range(3))
    sin, cos, tanh = np.sin, np.cos, np.tanh
    multiply, add, subtract, total = np.multiply, np.add, np.subtract, np.add.reduce

    def both(x: Any) -> tuple[Any, tuple[Any]]:
        x0 = x
        for y, h in zip(xs, hs, strict=True):
            tanh(x0, h)
            multiply(h, x0, u)
            sin(x0, y)
            multiply(y, 1.1, y)
            add(y, u, y)
            x0 = y
        t.fill(1.0)
        for x0, h in zip((*xs[-2::-1], x), reversed(hs), strict=True):
            multiply(h, h, u)
            subtract(1.0, u, u)
            multiply(u, x0, u)
            add(u, h, u)
            cos(x0, s)
            multiply(s, 1.1, s)
            add(u, s, u)
            multiply(t, u, t)
        return total(xs[-1]), (t,)

    return both


def cases(size: str) -> Iterator[Case]:
    x = np.linspace(0.1, 1.0, 8)
    yield Differentiated(program, (x,), (0,), by_hand, with_out).case("float64[8]")


TINY = Workload(
    "W2",
    "50 elementwise operations on float64[8], and a sum; value and gradient",
    timed,
    cases=cases,
    bars=(
        Bar(OURS, "HIPS autograd", 0.33),
        Bar(OURS, "PyTorch eager", 0.6),
        Bar(OURS, BY_HAND, 3.3),
        Bar(COMPILED, BY_HAND, 0.75),
        Bar(COMPILED, "PyTorch eager", 0.15),
        Bar(COMPILED, "advect, staged", 0.12),
        *BACKENDS,
    ),
)
