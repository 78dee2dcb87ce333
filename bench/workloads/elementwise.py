"""W3: elementwise work on arrays of which memory is the limit.

Much of the time goes into pages that are fresh from the system, and whether they are
depends on what else a process has done: each contender has one of its own here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from bench.contenders import BY_HAND, OURS, WITH_OUT, Arrays, Gradient
from bench.declare import (
    BACKENDS,
    COMPILED,
    EAGER,
    PEAK,
    Bar,
    Case,
    Differentiated,
    Workload,
)
from bench.measure import timed

WEIGHT, BIAS = 1.3, 0.2
SIZES = {"smoke": (1000,), "default": (10**5, 10**6, 10**7)}
LARGE = "float64[10,000,000]"
MIDDLE = ("float64[100,000]", "float64[1,000,000]")


# ------------------------------------------------------------------ one array


def program(np: Any, x: Any) -> Any:
    return np.sum(np.tanh(x * WEIGHT + BIAS) * np.exp(-(x**2)) / (1.0 + x**2))


def by_hand(x: Any) -> tuple[Any, tuple[Any]]:
    h = np.tanh(x * WEIGHT + BIAS)
    q = np.exp(-(x**2))
    d = 1.0 + x**2
    q = q / d
    y = h * q
    grad = (1.0 - h * h) * WEIGHT * q - 2.0 * x * y * (1.0 + 1.0 / d)
    return np.sum(y), (grad,)


def with_out(x: Any) -> Gradient:
    """Return the same into four buffers."""
    h, q, d, y = (np.empty_like(x) for _ in range(4))

    def both(x: Any) -> tuple[Any, tuple[Any]]:
        np.square(x, out=d)
        np.negative(d, out=q)
        np.exp(q, out=q)
        np.add(d, 1.0, out=d)
        np.divide(q, d, out=q)
        np.multiply(x, WEIGHT, out=h)
        np.add(h, BIAS, out=h)
        np.tanh(h, out=h)
        np.multiply(h, q, out=y)
        value = np.add.reduce(y)
        np.reciprocal(d, out=d)
        np.add(d, 1.0, out=d)
        np.multiply(d, x, out=d)
        np.multiply(d, y, out=d)
        np.multiply(d, 2.0, out=d)
        np.multiply(h, h, out=h)
        np.subtract(1.0, h, out=h)
        np.multiply(h, q, out=h)
        np.multiply(h, WEIGHT, out=h)
        np.subtract(h, d, out=y)
        return value, (y,)

    return both


# ------------------------------------------------------------------ weights, too


def weighted(np: Any, x: Any, w: Any, b: Any) -> Any:
    return np.sum(np.tanh(x * w + b) * np.exp(-(x**2)) / (1 + x**2))


def weighted_by_hand(x: Any, w: Any, b: Any) -> tuple[Any, Arrays]:
    a, e, d = np.tanh(x * w + b), np.exp(-(x**2)), 1 + x**2
    n = a * e
    q = n / d
    t_n = 1 / d
    t_d = -q / d
    t_b = t_n * e * (1 - a * a)
    t_w = t_b * x
    t_x = t_b * w + t_d * (2 * x) - t_n * n * (2 * x)
    return np.sum(q), (t_x, t_w, t_b)


# ------------------------------------------------------------------ cases


def cases(size: str) -> Iterator[Case]:
    random = np.random.default_rng(0)
    apart = size != "smoke"
    for count in SIZES.get(size, SIZES["default"]):
        x = random.normal(size=count)
        large = count >= 10**7
        measured = Differentiated(program, (x,), (0,), by_hand, with_out)
        yield measured.case(
            title(count), apart=apart, result_bytes=x.nbytes if large else 0
        )
        if not large:
            arrays = (x, random.normal(size=count), random.normal(size=count))
            measured = Differentiated(
                weighted, arrays, (0, 1, 2), weighted_by_hand, contenders=EAGER
            )
            yield measured.case(f"{title(count)}, weights too", apart=apart)


def title(count: int) -> str:
    return f"float64[{count:,}]"


ELEMENTWISE = Workload(
    "W3",
    "sum(tanh(1.3 x + 0.2) exp(-x²) / (1 + x²)) of float64, its value and gradient",
    timed,
    cases=cases,
    bars=(
        Bar(COMPILED, WITH_OUT, 0.9, LARGE),
        Bar(f"{COMPILED}, 2 threads", WITH_OUT, 0.55, LARGE),
        *(
            Bar(COMPILED, peer, 1.0, LARGE)
            for peer in ("PyTorch eager", "JAX jit", "HIPS autograd", "advect")
        ),
        Bar(COMPILED, "the gradient's bytes", 1.1, LARGE, PEAK),
        *(Bar(OURS, BY_HAND, 0.5, case) for case in MIDDLE),
        *(Bar(OURS, "HIPS autograd", 0.35, case) for case in MIDDLE),
        *BACKENDS,
    ),
)
