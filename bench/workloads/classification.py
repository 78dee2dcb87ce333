"""W4: a classification step of a network; and small networks, eagerly."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from bench.contenders import WITH_OUT, Arrays, Gradient
from bench.declare import BACKENDS, COMPILED, Bar, Case, Differentiated, Workload
from bench.measure import timed

WIDTHS = {"smoke": (8, 6, 5, 3)}
USUAL = (784, 512, 512, 10)
BATCH = 256


# ------------------------------------------------------------------ cross entropy


def relu(np: Any, z: Any) -> Any:
    """Return ``maximum(z, 0)``, which PyTorch does not take with a number."""
    return np.relu(z) if np.__name__ == "torch" else np.maximum(z, 0.0)


def largest(np: Any, z: Any) -> Any:
    """Return the largest of each row; PyTorch's ``max`` is another function."""
    of = np.amax if np.__name__ == "torch" else np.max
    return of(z, axis=1, keepdims=True)


def program(
    np: Any, w1: Any, b1: Any, w2: Any, b2: Any, w3: Any, b3: Any, x: Any, y: Any
) -> Any:
    h1 = relu(np, np.matmul(x, w1) + b1)
    h2 = relu(np, np.matmul(h1, w2) + b2)
    z = np.matmul(h2, w3) + b3
    shifted = z - largest(np, z)
    log_sums = np.log(np.sum(np.exp(shifted), axis=1))
    return (np.sum(log_sums) - np.sum(shifted * y)) * (1.0 / x.shape[0])


def by_hand(
    w1: Any, b1: Any, w2: Any, b2: Any, w3: Any, b3: Any, x: Any, y: Any
) -> tuple[Any, Arrays]:
    h1 = np.maximum(x @ w1 + b1, 0.0)
    h2 = np.maximum(h1 @ w2 + b2, 0.0)
    z = h2 @ w3 + b3
    z = z - np.max(z, axis=1, keepdims=True)
    e = np.exp(z)
    sums = np.sum(e, axis=1, keepdims=True)
    value = (np.sum(np.log(sums)) - np.sum(z * y)) / len(x)
    t3 = (e / sums - y) / np.float32(len(x))
    t2 = (t3 @ w3.T) * (h2 > 0)
    t1 = (t2 @ w2.T) * (h1 > 0)
    return value, (
        x.T @ t1,
        np.sum(t1, axis=0),
        h1.T @ t2,
        np.sum(t2, axis=0),
        h2.T @ t3,
        np.sum(t3, axis=0),
    )


def with_out(*arrays: Any) -> Gradient:
    """Return the same into buffers; sums over rows are products."""
    *parameters, x, y = arrays
    rows, dtype = len(x), x.dtype
    h1, t1 = (np.empty((rows, parameters[1].size), dtype) for _ in range(2))
    h2, t2 = (np.empty((rows, parameters[3].size), dtype) for _ in range(2))
    z, e = (np.empty(y.shape, dtype) for _ in range(2))
    m1, m2 = np.empty(h1.shape, bool), np.empty(h2.shape, bool)
    column, ones = np.empty((rows, 1), dtype), np.ones(rows, dtype)
    scale = np.asarray(1.0 / rows, dtype)
    grads = tuple(np.empty_like(p) for p in parameters)
    g1, c1, g2, c2, g3, c3 = grads

    def both(
        w1: Any, b1: Any, w2: Any, b2: Any, w3: Any, b3: Any, x: Any, y: Any
    ) -> tuple[Any, Arrays]:
        for a, w, b, h in ((x, w1, b1, h1), (h1, w2, b2, h2)):
            np.matmul(a, w, out=h)
            np.add(h, b, out=h)
            np.maximum(h, 0.0, out=h)
        np.matmul(h2, w3, out=z)
        np.add(z, b3, out=z)
        np.maximum.reduce(z, axis=1, keepdims=True, out=column)
        np.subtract(z, column, out=z)
        np.exp(z, out=e)
        np.add.reduce(e, axis=1, keepdims=True, out=column)
        np.multiply(z, y, out=z)
        picked = np.add.reduce(z, axis=None)
        np.divide(e, column, out=e)
        np.subtract(e, y, out=e)
        np.multiply(e, scale, out=e)
        np.log(column, out=column)
        value = (np.add.reduce(column, axis=None) - picked) * scale
        np.matmul(h2.T, e, out=g3)
        np.matmul(ones, e, out=c3)
        for t, w, h, m, out in ((e, w3, h2, m2, t2), (t2, w2, h1, m1, t1)):
            np.matmul(t, w.T, out=out)
            np.greater(h, 0.0, out=m)
            np.multiply(out, m, out=out)
        np.matmul(h1.T, t2, out=g2)
        np.matmul(ones, t2, out=c2)
        np.matmul(x.T, t1, out=g1)
        np.matmul(ones, t1, out=c1)
        return value, grads

    return both


def cases(size: str) -> Iterator[Case]:
    random = np.random.default_rng(0)
    widths, batch = WIDTHS.get(size, USUAL), 8 if size == "smoke" else BATCH
    arrays: list[Any] = []
    for inner, outer in pairwise(widths):
        w = random.standard_normal((inner, outer), dtype="float32")
        arrays += [w * np.float32(2 / inner) ** 0.5, np.zeros(outer, "float32")]
    arrays.append(random.standard_normal((batch, widths[0]), dtype="float32"))
    labels = random.integers(0, widths[-1], batch)
    arrays.append(np.eye(widths[-1], dtype="float32")[labels])
    step = Differentiated(program, tuple(arrays), tuple(range(6)), by_hand, with_out)
    yield step.case(
        f"{'-'.join(map(str, widths))}, batch of {batch}",
        tolerance=2e-4,
        result_bytes=sum(a.nbytes for a in arrays[:6]),
    )


CLASSIFICATION = Workload(
    "W4",
    "softmax cross entropy of a network, float32: its value and six gradients",
    timed,
    cases=cases,
    bars=(Bar(COMPILED, WITH_OUT, 1.05), *BACKENDS),
)


# ------------------------------------------------------------------ small networks


def small(np: Any, w1: Any, w2: Any, w3: Any, x: Any, y: Any) -> Any:
    h = np.tanh(np.matmul(x, w1))
    h = np.tanh(np.matmul(h, w2))
    return np.sum((np.matmul(h, w3) - y) ** 2)


def small_by_hand(w1: Any, w2: Any, w3: Any, x: Any, y: Any) -> tuple[Any, Arrays]:
    h1 = np.tanh(x @ w1)
    h2 = np.tanh(h1 @ w2)
    r = h2 @ w3 - y
    t3 = 2 * r
    t2 = (t3 @ w3.T) * (1 - h2 * h2)
    t1 = (t2 @ w2.T) * (1 - h1 * h1)
    return np.sum(r**2), (x.T @ t1, h1.T @ t2, h2.T @ t3)


def small_cases(size: str) -> Iterator[Case]:
    random = np.random.default_rng(0)
    for batch in (4,) if size == "smoke" else (32, 4096):
        shapes = [(32, 64), (64, 64), (64, 1), (batch, 32), (batch, 1)]
        arrays = tuple(random.normal(size=shape) / 8 for shape in shapes)
        step = Differentiated(small, arrays, (0, 1, 2), small_by_hand)
        yield step.case(f"batch of {batch}")


SMALL_MODELS = Workload(
    "small networks",
    "squared error of a network 32-64-64-1, float64: its value and three gradients",
    timed,
    cases=small_cases,
)
